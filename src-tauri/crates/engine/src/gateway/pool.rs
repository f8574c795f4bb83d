//! Connections to the ports of sandboxes, a few of which wait for their next request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::label::Label;
use super::{BoxStream, Tasks, Upstream, UpstreamError};

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 15 });
/// Shorter than the shortest keep-alive that servers are known for (5 s, Node): whoever closes first wins a race that the
/// other loses. An open one also keeps a channel of the SSH connection busy.
const IDLE: Duration = Duration::from_secs(3);
const SWEEP: Duration = Duration::from_secs(1);
/// As many as a browser opens to one host.
const IDLE_PER_PORT: usize = 6;

/// A request's body as it goes on: streamed, or none at all (which alone can be sent twice).
pub(super) type Body = Either<Incoming, Empty<Bytes>>;

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Failure {
    Connect(UpstreamError),
    /// The connection did not come about in time.
    Slow,
    /// It did, but what came over it was no response.
    Http(hyper::Error),
    /// It did, but the server changed to a protocol that nobody asked for.
    Unasked,
}

/// The connections of one gateway.
pub(super) struct Pool {
    upstream: Arc<dyn Upstream>,
    idle: Arc<Waiting>,
    tasks: Tasks,
}

type Waiting = Mutex<HashMap<Label, Vec<Idle>>>;

struct Idle {
    since: Instant,
    sender: SendRequest<Body>,
}

impl Pool {
    pub(super) fn new(upstream: Arc<dyn Upstream>, tasks: Tasks) -> Self {
        let idle = Arc::<Waiting>::default();
        tasks.spawn(sweep(Arc::clone(&idle)));
        Self { upstream, idle, tasks }
    }

    /// A new connection, as bytes.
    pub(super) async fn connect(&self, to: &Label) -> Result<BoxStream, Failure> {
        match tokio::time::timeout(PATIENCE, self.upstream.connect(&to.channel, to.port)).await {
            Ok(connected) => connected.map_err(Failure::Connect),
            Err(_) => Err(Failure::Slow),
        }
    }

    /// Sends a request over a connection that waits, or else over a new one. `repeat` is the same request once more, for
    /// one that may be sent twice.
    pub(super) async fn send(
        &self,
        to: &Label,
        request: Request<Body>,
        repeat: Option<Request<Body>>,
    ) -> Result<Response<Incoming>, Failure> {
        let request = match self.take(to) {
            None => request,
            Some(mut sender) => match sender.try_send_request(request).await {
                Ok(response) => {
                    self.put_when_ready(to, sender);
                    return Ok(response);
                }
                // The server closed while the request was on its way, as it may at any time.
                Err(mut failed) => match failed.take_message().or(repeat) {
                    Some(request) => request,
                    None => return Err(Failure::Http(failed.into_error())),
                },
            },
        };
        let mut sender = self.open(to).await?;
        let response = sender.send_request(request).await.map_err(Failure::Http)?;
        self.put_when_ready(to, sender);
        Ok(response)
    }

    /// Sends a request over a connection of its own, which may become something else than HTTP.
    pub(super) async fn send_alone(&self, to: &Label, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        self.open(to).await?.send_request(request).await.map_err(Failure::Http)
    }

    async fn open(&self, to: &Label) -> Result<SendRequest<Body>, Failure> {
        let stream = self.connect(to).await?;
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::Http)?;
        self.tasks.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to a preview's port broke");
            }
        });
        Ok(sender)
    }

    fn take(&self, to: &Label) -> Option<SendRequest<Body>> {
        let mut idle = lock(&self.idle);
        let waiting = idle.get_mut(to)?;
        // The last one in is the likeliest to be alive.
        std::iter::from_fn(|| waiting.pop()).map(|idle| idle.sender).find(SendRequest::is_ready)
    }

    /// Keeps a connection for the next request, once the response was read to its end, for a while.
    fn put_when_ready(&self, to: &Label, mut sender: SendRequest<Body>) {
        let (idle, to) = (Arc::clone(&self.idle), to.clone());
        self.tasks.spawn(async move {
            if sender.ready().await.is_err() {
                return;
            }
            let mut idle = lock(&idle);
            let waiting = idle.entry(to).or_default();
            if waiting.len() < IDLE_PER_PORT {
                waiting.push(Idle { since: Instant::now(), sender });
            }
        });
    }
}

/// Closes connections that nobody wanted for a while.
async fn sweep(idle: Arc<Waiting>) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tick.tick().await;
        lock(&idle).retain(|_, waiting| {
            waiting.retain(|idle| idle.since.elapsed() < IDLE && idle.sender.is_ready());
            !waiting.is_empty()
        });
    }
}

fn lock(idle: &Waiting) -> MutexGuard<'_, HashMap<Label, Vec<Idle>>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
