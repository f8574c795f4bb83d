//! The way out for sandboxes whose network has nothing but loopback: an HTTP proxy that runs in the engine and is
//! reached through a Unix socket in the sandbox.
//!
//! It takes CONNECT and whole `http://` addresses, resolves names itself, and connects to exactly the address that it
//! checked: never to this computer, to link-local neighbours, or to what [`address`] refuses besides. It goes through
//! the computer's own proxy where the environment names one. One that runs on this computer is told, for a tunnel, the
//! address that was checked; in all other cases it resolves the name once more, so a name whose answers change between
//! the two look-ups, or that only that proxy can resolve, is only as safe as that proxy makes it.
//!
//! It deliberately does not look into TLS, does not cache, and asks for no password: who reaches the socket is the
//! sandbox it was made for.

mod address;
mod relay;
mod route;
mod target;
mod upstream;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use berth_model::ChannelId;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use route::Rules;
use target::{Host, Target};
use upstream::Upstreams;

/// How many connections one sandbox may hold at once; more wait.
const CONNECTIONS: usize = 128;

/// What is done with the connections of sandboxes, besides making them.
#[derive(Clone, Default)]
pub struct EgressOptions {
    /// Told of each connection when it ends.
    pub observer: Option<Observer>,
    /// The only machines that may be reached; without it all but the refused.
    pub allow: Option<AllowList>,
}

/// Called with each connection when it ends.
pub type Observer = Arc<dyn Fn(&EgressRecord) + Send + Sync>;

/// One connection that a sandbox asked for.
#[derive(Debug, Clone)]
pub struct EgressRecord {
    /// The sandbox that asked.
    pub sandbox: ChannelId,
    /// The machine it asked for; plain text without control characters.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What became of it.
    pub outcome: EgressOutcome,
    /// Bytes from the sandbox.
    pub bytes_out: u64,
    /// Bytes to the sandbox.
    pub bytes_in: u64,
    /// How long it lasted.
    pub duration: Duration,
}

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EgressOutcome {
    /// It was made.
    Relayed {
        /// The address; unknown where the computer's own proxy made the connection.
        address: Option<SocketAddr>,
    },
    /// The rules forbid it.
    Refused(String),
    /// The machine could not be reached.
    Failed(String),
}

/// Machines by name: `example.com` is that one, `*.example.com` is all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowList(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exactly(Host),
    Below(String),
}

/// An entry of an allow-list that is neither a name, nor an address, nor `*.` and a name.
#[derive(Debug, Clone, thiserror::Error)]
#[error("\"{0}\" is neither a machine's name nor its address.")]
pub struct BadPattern(String);

impl AllowList {
    /// Reads a list's entries.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, BadPattern> {
        let pattern = |entry: &str| {
            let parse = |text: &str| Host::parse(text).map_err(|_| BadPattern(entry.to_owned()));
            Ok(match entry.strip_prefix("*.") {
                Some(domain) => Pattern::Below(format!(".{}", parse(domain)?)),
                None => Pattern::Exactly(parse(entry)?),
            })
        };
        entries.into_iter().map(pattern).collect::<Result<_, _>>().map(Self)
    }

    fn permits(&self, target: &Target) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Exactly(host) => *host == target.host,
            Pattern::Below(suffix) => matches!(&target.host, Host::Name(name) if name.ends_with(suffix)),
        })
    }
}

/// The proxy of one sandbox.
pub(crate) struct Proxy {
    sandbox: ChannelId,
    rules: Rules,
    observer: Option<Observer>,
}

impl Proxy {
    /// A proxy for `sandbox` that honours the proxy settings in `env`.
    pub(crate) fn new(sandbox: ChannelId, options: &EgressOptions, env: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            sandbox,
            rules: Rules {
                permitted: address::permitted,
                allow: options.allow.clone(),
                upstreams: Upstreams::from_env(env),
            },
            observer: options.observer.clone(),
        }
    }

    /// Serves whoever connects, until dropped; every connection ends with it.
    pub(crate) async fn serve(self, listener: UnixListener) {
        let proxy = Arc::new(self);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let proxy = proxy.clone();
                    connections.spawn(async move {
                        relay::serve(&proxy, stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(sandbox = %proxy.sandbox, %error, "the egress proxy could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    fn report(&self, record: &EgressRecord) {
        let EgressRecord { sandbox, host, port, outcome, bytes_out, bytes_in, duration } = record;
        let duration_ms = duration.as_millis() as u64;
        tracing::info!(target: "berth::egress", %sandbox, host, port, %outcome, bytes_out, bytes_in, duration_ms);
        if let Some(observer) = &self.observer {
            observer(record);
        }
    }
}

impl fmt::Debug for EgressOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressOptions").field("allow", &self.allow).finish_non_exhaustive()
    }
}

impl fmt::Display for EgressOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relayed { address: Some(address) } => write!(f, "relayed to {address}"),
            Self::Relayed { address: None } => f.write_str("relayed by this computer's proxy"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests;
