//! One connection from a sandbox: its HTTP requests, and the bytes of a tunnel.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;

use super::route::{NoRoute, Route};
use super::target::{BadTarget, Target};
use super::{EgressOutcome, EgressRecord, Proxy};

const HEAD: Duration = Duration::from_secs(60);
const HEAD_BYTES: usize = 64 * 1024;
/// A tunnel in which nothing moved either way for so long is taken for dead.
const IDLE: Duration = Duration::from_secs(60 * 60);

type Reply = Response<Either<Full<Bytes>, Relayed>>;

/// Serves one connection until both sides are done with it.
pub(super) async fn serve(proxy: &Proxy, stream: UnixStream) {
    let tunnel = Mutex::new(None);
    let service = hyper::service::service_fn(|request| answer(proxy, request, &tunnel));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(sandbox = %proxy.sandbox, %error, "a sandbox's connection to the egress proxy broke");
    }
    let tunnel = tunnel.lock().ok().and_then(|mut slot| slot.take());
    if let Some(tunnel) = tunnel {
        tunnel.carry(proxy).await;
    }
}

async fn answer(
    proxy: &Proxy,
    request: Request<Incoming>,
    tunnel: &Mutex<Option<Tunnel>>,
) -> Result<Reply, Infallible> {
    let started = Instant::now();
    let connect = request.method() == Method::CONNECT;
    let target = if connect { Target::of_connect(request.uri()) } else { Target::of_absolute(request.uri()) };
    let target = match target {
        Ok(target) => target,
        Err(error) => return Ok(bad_target(error)),
    };
    if connect {
        let route = match proxy.rules.tunnel(&target).await {
            Ok(route) => route,
            Err(error) => return Ok(no_route(proxy, &target, started, &error)),
        };
        if let Ok(mut slot) = tunnel.lock() {
            *slot = Some(Tunnel { upgrade: hyper::upgrade::on(request), route, target, started });
        }
        return Ok(Response::new(Either::Left(Full::default())));
    }
    match forward(proxy, request, &target, started).await {
        Ok(response) => Ok(response.map(Either::Right)),
        Err(error) => Ok(no_route(proxy, &target, started, &error)),
    }
}

fn bad_target(error: BadTarget) -> Reply {
    plain(StatusCode::BAD_REQUEST, &error.to_string())
}

fn no_route(proxy: &Proxy, target: &Target, started: Instant, error: &NoRoute) -> Reply {
    let reason = match error.source() {
        Some(source) => format!("{error} ({source})"),
        None => error.to_string(),
    };
    let (status, outcome) = match error {
        NoRoute::NotListed(_) | NoRoute::Forbidden(_) => {
            (StatusCode::FORBIDDEN, EgressOutcome::Refused(reason.clone()))
        }
        NoRoute::Slow { .. } => (StatusCode::GATEWAY_TIMEOUT, EgressOutcome::Failed(reason.clone())),
        _ => (StatusCode::BAD_GATEWAY, EgressOutcome::Failed(reason.clone())),
    };
    proxy.report(&record(proxy, target, outcome, (0, 0), started));
    plain(status, &reason)
}

fn plain(status: StatusCode, text: &str) -> Reply {
    let mut response = Response::new(Either::Left(Full::from(format!("Berth: {text}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(HeaderName::from_static("x-berth-egress"), HeaderValue::from_static("refused"));
    response
}

fn record(
    proxy: &Proxy,
    target: &Target,
    outcome: EgressOutcome,
    (bytes_out, bytes_in): (u64, u64),
    started: Instant,
) -> EgressRecord {
    EgressRecord {
        sandbox: proxy.sandbox.clone(),
        host: target.host.to_string(),
        port: target.port,
        outcome,
        bytes_out,
        bytes_in,
        duration: started.elapsed(),
    }
}

async fn forward(
    proxy: &Proxy,
    request: Request<Incoming>,
    target: &Target,
    started: Instant,
) -> Result<Response<Relayed>, NoRoute> {
    let route = proxy.rules.request(target).await?;
    let address = route.address;
    let broken = |error: hyper::Error| NoRoute::Unreachable { target: target.clone(), source: io::Error::other(error) };
    let request = rewritten(request, target, &route);
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(route.stream))
        .await
        .map_err(broken)?;
    // Ends with the response's body, which owns it.
    let driver = Driver(tokio::spawn(async move { drop(connection.await) }).abort_handle());
    let mut response = sender.send_request(request).await.map_err(broken)?;
    strip(response.headers_mut());
    proxy.report(&record(proxy, target, EgressOutcome::Relayed { address }, (0, 0), started));
    Ok(response.map(|body| Relayed { body, _driver: driver }))
}

/// The request as its target wants it: without what is between client and proxy, and for the checked machine only.
fn rewritten(mut request: Request<Incoming>, target: &Target, route: &Route) -> Request<Incoming> {
    strip(request.headers_mut());
    let authority = if target.port == 80 { target.host.to_string() } else { target.to_string() };
    if let Ok(host) = HeaderValue::from_str(&authority) {
        request.headers_mut().insert(header::HOST, host);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    match &route.through {
        None => *request.uri_mut() = Uri::try_from(path).unwrap_or_default(),
        Some(upstream) => {
            *request.uri_mut() = Uri::try_from(format!("http://{authority}{path}")).unwrap_or_default();
            if let Some(value) = upstream.authorization.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
                request.headers_mut().insert(header::PROXY_AUTHORIZATION, value);
            }
        }
    }
    *request.version_mut() = http::Version::HTTP_11;
    request
}

/// Takes away the headers that belong to one hop.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        // These frame the body; a request that calls them one hop's would smuggle another behind it.
        .filter(|name| *name != header::CONTENT_LENGTH && *name != header::TRANSFER_ENCODING && *name != header::HOST)
        .collect();
    let fixed = [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    for name in named.iter().chain(&fixed) {
        headers.remove(name);
    }
}

/// A response's body, with the connection that it comes from.
struct Relayed {
    body: Incoming,
    _driver: Driver,
}

struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A CONNECT that was granted.
struct Tunnel {
    upgrade: OnUpgrade,
    route: Route,
    target: Target,
    started: Instant,
}

impl Tunnel {
    async fn carry(self, proxy: &Proxy) {
        let (out, back) = (AtomicU64::new(0), AtomicU64::new(0));
        let outcome = EgressOutcome::Relayed { address: self.route.address };
        match self.upgrade.await {
            Ok(client) => splice(TokioIo::new(client), self.route.stream, &out, &back).await,
            Err(error) => tracing::debug!(sandbox = %proxy.sandbox, %error, "a tunnel's client left before it stood"),
        }
        proxy.report(&record(proxy, &self.target, outcome, (out.load(Relaxed), back.load(Relaxed)), self.started));
    }
}

/// Carries bytes both ways. The end of one direction is passed on while the other goes on; an error ends both.
async fn splice(client: TokioIo<Upgraded>, mut target: TcpStream, out: &AtomicU64, back: &AtomicU64) {
    let (mut client_read, mut client_write) = tokio::io::split(client);
    let (mut target_read, mut target_write) = target.split();
    let both = async {
        tokio::try_join!(
            pump(&mut client_read, &mut target_write, out),
            pump(&mut target_read, &mut client_write, back)
        )
    };
    let idle = async {
        loop {
            let before = (out.load(Relaxed), back.load(Relaxed));
            tokio::time::sleep(IDLE).await;
            if before == (out.load(Relaxed), back.load(Relaxed)) {
                return;
            }
        }
    };
    tokio::select! {
        _ = both => {}
        () = idle => {}
    }
}

async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        count.fetch_add(read as u64, Relaxed);
    }
}
