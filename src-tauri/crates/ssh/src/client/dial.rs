//! A TCP connection: the name looked up, and each of its addresses tried.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};

use super::error::SshError;
use super::shown;
use super::trace::Trace;

/// How long one address may take.
const EACH: Duration = Duration::from_secs(6);
/// So many bytes may wait in a socket to be sent.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 64 * 1024;
/// How many addresses of a name are tried.
const MOST: usize = 16;

pub(crate) async fn tcp(host: &str, port: u16, trace: &Trace) -> Result<TcpStream, SshError> {
    let addresses = addresses(host, port, trace).await?;
    let mut why = String::new();
    for (tried, address) in addresses.iter().enumerate() {
        let since = Instant::now();
        let connected = match tokio::time::timeout(EACH, TcpStream::connect(address)).await {
            Ok(connected) => connected,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", EACH.as_secs()))),
        };
        match connected {
            Ok(stream) => {
                trace.ok("tcp", "Connect", since, || format!("{address} answers"));
                stream.set_nodelay(true)?;
                keep_alive(&stream)?;
                hold_little(&stream);
                return Ok(stream);
            }
            Err(error) => {
                trace.failed(
                    "tcp",
                    "Connect",
                    since,
                    || format!("{address}: {}", shown::io(&error)),
                    hint(&error, port),
                );
                let last = tried + 1 == addresses.len();
                why.push_str(&format!("{address}: {}{}", shown::io(&error), if last { "" } else { "; " }));
            }
        }
    }
    Err(SshError::NotConnected { reason: why })
}

async fn addresses(host: &str, port: u16, trace: &Trace) -> Result<Vec<SocketAddr>, SshError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let since = Instant::now();
    let mut found: Vec<SocketAddr> = Vec::new();
    let why = match lookup_host((host, port)).await {
        Ok(addresses) => {
            addresses.take(MOST).for_each(|address| {
                if !found.contains(&address) {
                    found.push(address);
                }
            });
            "it has no address".to_owned()
        }
        Err(error) => shown::io(&error),
    };
    if found.is_empty() {
        let hint = "The name is not known: check the spelling, your network, and whether a VPN is needed.";
        trace.failed("name", "Look up the name", since, || format!("{host}: {why}"), Some(hint.to_owned()));
        return Err(SshError::NotConnected { reason: format!("the name {host} cannot be looked up: {why}") });
    }
    trace.ok("name", "Look up the name", since, || {
        let all: Vec<_> = found.iter().map(|address| address.ip().to_string()).collect();
        format!("{host} is {}", all.join(", "))
    });
    Ok(found)
}

fn hint(error: &io::Error, port: u16) -> Option<String> {
    Some(match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("Nothing listens on port {port} there: is sshd running, and is it the right port?")
        }
        io::ErrorKind::TimedOut => {
            "Nothing answers: is the machine on, and does a firewall or a missing VPN stand in between?".to_owned()
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "There is no way to that address from here: check your network and your VPN.".to_owned()
        }
        _ => return None,
    })
}

/// The socket finds out that the other end is gone.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let often = TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    SockRef::from(stream).set_tcp_keepalive(&often)
}

/// What is not sent yet waits here, not in the socket: a question that is asked meanwhile is asked soon, and that more is
/// taken tells that what came before has arrived. What is on its way is not limited by it.
fn hold_little(stream: &TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = stream;
}
