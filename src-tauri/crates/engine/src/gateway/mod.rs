//! The preview gateway: ports of sandboxes as web origins on this computer.
//!
//! One listener on loopback serves `http://<channel>-<port>.localhost:<gateway>/`, so that each preview is an origin of
//! its own, and reaches the port by whatever stream the [`Upstream`] gives. HTTP/1.1 both ways, streaming, with
//! upgrades (WebSocket). What is rewritten on the way, and why, stands in [`headers`].
//!
//! Whoever asks is not trusted: any page in any browser here can send requests to loopback, and whatever answers runs in
//! a sandbox. So a request whose `Host` is not exactly a preview's is refused (which also ends DNS rebinding), nothing
//! from a request but label and port leads anywhere, and no answer carries anything of Berth's own. Telling origins
//! apart is the browser's work. Any program of this computer can reach a preview, as it could a development server.
//!
//! Deliberately not here: which ports are worth showing, waking sandboxes, public URLs, TLS.

mod exchange;
mod headers;
mod label;
mod pages;
mod pool;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::exchange::Exchange;
use self::label::Label;
use self::pool::Pool;

/// Both directions of a connection.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A connection to a port in a sandbox.
pub type BoxStream = Box<dyn ByteStream>;

/// The way to the ports of sandboxes.
pub trait Upstream: Send + Sync + 'static {
    /// Connects to a port on a sandbox's loopback.
    ///
    /// A page that waits asks again every second, so this must be cheap where the answer is no, must not wake a sandbox
    /// that sleeps, and must not count as somebody's activity.
    fn connect(&self, channel: &str, port: u16) -> BoxFuture<'_, Result<BoxStream, UpstreamError>>;
}

/// Why there is no connection to a port.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No channel has that name.
    #[error("there is no such channel")]
    NoSuchChannel,
    /// The sandbox is not running; the text says what it is instead, such as "asleep".
    #[error("the sandbox is {0}")]
    NotRunning(String),
    /// Nothing listens on the port.
    #[error("nothing listens on the port")]
    Refused,
    /// Anything else, in a sentence.
    #[error("{0}")]
    Other(String),
}

/// The running gateway. Dropping it ends all its connections; [`close`](Self::close) also waits for that.
pub struct Gateway {
    port: u16,
    tasks: Tasks,
    open: Arc<AtomicUsize>,
}

/// One connection from a browser, counted while it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gateway {
    /// Listens on the preferred port, so that addresses stay the same over restarts, or on a free one where that is
    /// taken or none is preferred.
    pub async fn start(preferred: Option<u16>, upstream: Arc<dyn Upstream>) -> io::Result<Self> {
        let listeners = match preferred {
            Some(port) => match listen(port).await {
                Ok(listeners) => listeners,
                Err(error) => {
                    tracing::info!(port, %error, "the preview gateway takes another port");
                    listen(0).await?
                }
            },
            None => listen(0).await?,
        };
        let port = listeners[0].local_addr()?.port();
        let tasks = Tasks::default();
        let pool = Pool::new(upstream, tasks.clone());
        let exchange = Arc::new(Exchange { gateway: port, pool, tasks: tasks.clone() });
        let open = Arc::<AtomicUsize>::default();
        for listener in listeners {
            tasks.spawn(accept(listener, Arc::clone(&exchange), tasks.clone(), Arc::clone(&open)));
        }
        Ok(Self { port, tasks, open })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections from browsers are open.
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Where a port of a channel's sandbox is seen.
    pub fn url(&self, channel: &str, port: u16) -> String {
        Self::url_at(self.port, channel, port)
    }

    /// The same for a gateway of which only the port is at hand.
    pub fn url_at(gateway: u16, channel: &str, port: u16) -> String {
        format!("{}/", Label { channel: channel.to_owned(), port }.origin(gateway))
    }

    /// Ends all connections and waits until nothing of the gateway runs.
    pub async fn close(self) {
        self.tasks.cancel.cancel();
        self.tasks.tracker.close();
        self.tasks.tracker.wait().await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.tasks.cancel.cancel();
    }
}

/// The owner of every task of one gateway: none outlives it.
#[derive(Clone, Default)]
struct Tasks {
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Tasks {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(self.cancel.clone().run_until_cancelled_owned(task));
    }
}

/// Listens on 127.0.0.1, and on ::1 where there is one: browsers try both for `*.localhost`, and what another user of
/// this computer put there would be taken for the preview.
async fn listen(port: u16) -> io::Result<Vec<TcpListener>> {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    match TcpListener::bind((Ipv6Addr::LOCALHOST, v4.local_addr()?.port())).await {
        Ok(v6) => Ok(vec![v4, v6]),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && port != 0 => Err(error),
        Err(error) => {
            tracing::debug!(%error, "the preview gateway is not on ::1");
            Ok(vec![v4])
        }
    }
}

async fn accept(listener: TcpListener, exchange: Arc<Exchange>, tasks: Tasks, open: Arc<AtomicUsize>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (exchange, open) = (Arc::clone(&exchange), Open::new(&open));
                tasks.spawn(async move {
                    serve(stream, exchange).await;
                    drop(open);
                });
            }
            Err(error) => {
                // Such as too many open files: the next one may work.
                tracing::warn!(%error, "a connection to the preview gateway was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, exchange: Arc<Exchange>) {
    // Else small messages of a WebSocket wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let service = service_fn(|request| {
        let exchange = Arc::clone(&exchange);
        async move { Ok::<_, Infallible>(exchange.answer(request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .preserve_header_case(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the preview gateway broke");
    }
}

/// The addresses that mean "this machine": inside a sandbox, the sandbox.
fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || matches!(bare, "127.0.0.1" | "0.0.0.0" | "::1" | "::")
}
