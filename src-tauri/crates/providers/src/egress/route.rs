//! Whether a target may be reached, and the connection to it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::target::{Host, Target};
use super::upstream::{UnusableProxy, Upstream, Upstreams};
use super::{AllowList, address};

const RESOLVE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(30);
/// Each further address of a name is tried this much later, so that a dead one does not hold up the rest.
const STAGGER: Duration = Duration::from_millis(250);
const ADDRESSES: usize = 8;
/// The longest answer to a CONNECT that is read from the computer's own proxy.
const ANSWER: usize = 16 * 1024;

/// Who may be reached, and how.
pub(super) struct Rules {
    /// Injected, since every test target is on loopback.
    pub(super) permitted: fn(IpAddr) -> bool,
    pub(super) allow: Option<AllowList>,
    pub(super) upstreams: Upstreams,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRoute {
    #[error("{0} is not on the list of machines that this sandbox may reach.")]
    NotListed(Host),
    #[error("{0} is this computer or its immediate neighbour, which sandboxes may not reach.")]
    Forbidden(Host),
    #[error("{host} could not be found.")]
    Unknown { host: Host, source: io::Error },
    #[error("{target} could not be reached.")]
    Unreachable { target: Target, source: io::Error },
    #[error("{target} did not answer in time.")]
    Slow { target: Target },
    #[error("This computer's proxy could not be reached.")]
    Upstream { source: io::Error },
    #[error("This computer's proxy refused the connection: it answered {0}.")]
    UpstreamRefused(String),
    #[error(transparent)]
    UpstreamUnusable(#[from] UnusableProxy),
}

/// A connection, and what it leads to.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) stream: TcpStream,
    /// The target's address, where this computer connected to it by itself.
    pub(super) address: Option<SocketAddr>,
    /// For whole addresses: the proxy that the stream leads to wants the whole address too, and this header.
    pub(super) through: Option<Upstream>,
}

impl Rules {
    /// A stream that carries bytes to and from the target.
    pub(super) async fn tunnel(&self, target: &Target) -> Result<Route, NoRoute> {
        self.listed(target)?;
        match self.upstreams.for_connect(target)? {
            None => self.direct(target).await,
            Some(upstream) => {
                let checked = self.not_forbidden(target).await?;
                // A proxy that runs here reaches all that this computer reaches: it gets the address that was checked,
                // where there is one. Others may know names that this computer does not.
                let here = is_here(upstream).await.then_some(checked).flatten();
                let asked = here.map_or_else(|| target.to_string(), |address| address.to_string());
                let stream = timeout(CONNECT, chain(upstream, &asked))
                    .await
                    .map_err(|_| NoRoute::Slow { target: target.clone() })??;
                Ok(Route { stream, address: None, through: None })
            }
        }
    }

    /// A stream that takes an HTTP request for the target.
    pub(super) async fn request(&self, target: &Target) -> Result<Route, NoRoute> {
        self.listed(target)?;
        match self.upstreams.for_http(target)? {
            None => self.direct(target).await,
            Some(upstream) => {
                self.not_forbidden(target).await?;
                let stream = dial(upstream).await?;
                Ok(Route { stream, address: None, through: Some(upstream.clone()) })
            }
        }
    }

    fn listed(&self, target: &Target) -> Result<(), NoRoute> {
        match &self.allow {
            Some(list) if !list.permits(target) => Err(NoRoute::NotListed(target.host.clone())),
            _ => Ok(()),
        }
    }

    async fn direct(&self, target: &Target) -> Result<Route, NoRoute> {
        let addresses = self.checked(target).await?;
        let mut attempts = JoinSet::new();
        for (nth, address) in (0..).zip(addresses.into_iter().take(ADDRESSES)) {
            attempts.spawn(async move {
                sleep(STAGGER * nth).await;
                TcpStream::connect(address).await.map(|stream| (stream, address))
            });
        }
        let first = async {
            let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
            while let Some(attempt) = attempts.join_next().await {
                match attempt {
                    Ok(Ok(connected)) => return Ok(connected),
                    Ok(Err(error)) => failure = error,
                    Err(_) => {}
                }
            }
            Err(NoRoute::Unreachable { target: target.clone(), source: failure })
        };
        let (stream, address) =
            timeout(CONNECT, first).await.map_err(|_| NoRoute::Slow { target: target.clone() })??;
        let _ = stream.set_nodelay(true);
        Ok(Route { stream, address: Some(address), through: None })
    }

    /// The target's addresses that may be connected to; at least one.
    async fn checked(&self, target: &Target) -> Result<Vec<SocketAddr>, NoRoute> {
        let mut addresses = resolve(target).await?;
        addresses.retain(|address| (self.permitted)(address.ip()));
        if addresses.is_empty() {
            return Err(NoRoute::Forbidden(target.host.clone()));
        }
        Ok(addresses)
    }

    /// What can be known before another proxy resolves the name: many a computer behind one cannot resolve it itself.
    /// Gives one of the addresses that were checked, if any were found.
    async fn not_forbidden(&self, target: &Target) -> Result<Option<SocketAddr>, NoRoute> {
        let forbidden = || Err(NoRoute::Forbidden(target.host.clone()));
        if target.host.is_local_name() && !(self.permitted)(IpAddr::from([127, 0, 0, 1])) {
            return forbidden();
        }
        match resolve(target).await {
            Ok(addresses) if !addresses.iter().all(|address| (self.permitted)(address.ip())) => forbidden(),
            Ok(addresses) => Ok(addresses.into_iter().min_by_key(SocketAddr::is_ipv6)),
            Err(_) => Ok(None),
        }
    }
}

/// Whether a proxy of this computer's settings runs on this computer.
async fn is_here(upstream: &Upstream) -> bool {
    let found = timeout(RESOLVE, lookup_host((upstream.host.as_str(), upstream.port))).await;
    found.is_ok_and(|found| found.is_ok_and(|mut addresses| addresses.any(|address| !address::permitted(address.ip()))))
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, NoRoute> {
    let name = match &target.host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, target.port)]),
        Host::Name(name) => name.as_str(),
    };
    let unknown = |source| NoRoute::Unknown { host: target.host.clone(), source };
    let found = timeout(RESOLVE, lookup_host((name, target.port)))
        .await
        .map_err(|_| unknown(io::ErrorKind::TimedOut.into()))?
        .map_err(unknown)?;
    Ok(found.collect())
}

async fn dial(upstream: &Upstream) -> Result<TcpStream, NoRoute> {
    let stream = timeout(CONNECT, TcpStream::connect((upstream.host.as_str(), upstream.port)))
        .await
        .map_err(|_| NoRoute::Upstream { source: io::ErrorKind::TimedOut.into() })?
        .map_err(|source| NoRoute::Upstream { source })?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn chain(upstream: &Upstream, target: &str) -> Result<TcpStream, NoRoute> {
    let mut stream = dial(upstream).await?;
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = &upstream.authorization {
        request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    request.push_str("\r\n");
    let broken = |source| NoRoute::Upstream { source };
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    // Byte by byte: what follows the head already belongs to the target.
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= ANSWER {
            return Err(broken(io::Error::new(io::ErrorKind::InvalidData, "its answer is too long")));
        }
        head.push(stream.read_u8().await.map_err(broken)?);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if version.starts_with(b"HTTP/1.") && status.len() == 3 && status.starts_with(b"2") {
        return Ok(stream);
    }
    let shown = String::from_utf8_lossy(status).chars().filter(char::is_ascii_digit).take(3).collect();
    Err(NoRoute::UpstreamRefused(shown))
}
