//! The gateway between real sockets: servers on loopback behind it, clients that speak HTTP byte by byte before it.

mod asleep;
mod bodies;
mod life;
mod servers;
mod upgrades;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{BoxStream, Gateway, Upstream, UpstreamError};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The channels `shop` and `blog` are this computer; others are in some trouble or other.
#[derive(Default)]
struct Ports {
    connects: AtomicUsize,
}

impl Upstream for Ports {
    fn connect(&self, channel: &str, port: u16) -> BoxFuture<'_, Result<BoxStream, UpstreamError>> {
        let channel = channel.to_owned();
        Box::pin(async move {
            match channel.as_str() {
                "shop" | "blog" => {
                    self.connects.fetch_add(1, Ordering::SeqCst);
                    let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|_| UpstreamError::Refused)?;
                    Ok(Box::new(stream) as BoxStream)
                }
                "asleep" => Err(UpstreamError::NotRunning("asleep".to_owned())),
                "broken" => Err(UpstreamError::Other("it said \"<script>alert(1)</script>{{NONCE}}\"".to_owned())),
                "silent" => std::future::pending().await,
                // Takes everything and reads nothing.
                "stuck" => {
                    let (ours, theirs) = tokio::io::duplex(64 * 1024);
                    tokio::spawn(async move {
                        let _theirs = theirs;
                        std::future::pending::<()>().await
                    });
                    Ok(Box::new(ours) as BoxStream)
                }
                _ => Err(UpstreamError::NoSuchChannel),
            }
        })
    }
}

async fn gateway() -> (Gateway, Arc<Ports>) {
    let ports = Arc::new(Ports::default());
    let gateway = Gateway::start(None, Arc::clone(&ports) as Arc<dyn Upstream>).await.unwrap();
    (gateway, ports)
}

/// A server on loopback that gives every request to `answer`; its port.
async fn server<F, B>(answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static) -> u16
where
    F: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes, Error: Into<Error>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await;
            });
        }
    });
    port
}

/// A server that reads a request's head and then does what it likes with the connection; its port.
async fn raw_server<F: Future<Output = ()> + Send>(
    talk: impl Fn(Head, BufReader<TcpStream>) -> F + Clone + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let talk = talk.clone();
            tokio::spawn(async move {
                if let Some(head) = Head::read(&mut stream).await {
                    talk(head, stream).await;
                }
            });
        }
    });
    port
}

/// The first line and the headers of a message, read byte by byte. Names in lower case.
#[derive(Debug)]
struct Head {
    line: String,
    headers: HashMap<String, String>,
}

impl Head {
    async fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return None;
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let headers = lines[1..].iter().map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Some(Self { line: lines[0].clone(), headers: headers.collect() })
    }
}

/// A connection to the gateway.
async fn connect<B>(gateway: &Gateway) -> SendRequest<B>
where
    B: Body<Data: Send, Error: Into<Error>> + Send + 'static,
{
    let stream = TcpStream::connect(("127.0.0.1", gateway.port())).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

fn request(gateway: &Gateway, label: &str, path: &str) -> hyper::http::request::Builder {
    Request::get(path).header(HOST, format!("{label}.localhost:{}", gateway.port()))
}

async fn get(gateway: &Gateway, label: &str, path: &str) -> Response<Incoming> {
    send(gateway, request(gateway, label, path).body(Empty::new()).unwrap()).await
}

async fn send<B>(gateway: &Gateway, request: Request<B>) -> Response<Incoming>
where
    B: Body<Data = Bytes, Error: Into<Error>> + Send + 'static,
{
    let mut sender = connect(gateway).await;
    within(sender.send_request(request)).await.unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(within(response.into_body().collect()).await.unwrap().to_bytes().to_vec()).unwrap()
}

fn full(text: impl Into<Bytes>) -> Full<Bytes> {
    Full::new(text.into())
}

/// A connection to the gateway as bytes, with what was sent on it.
async fn dial(gateway: &Gateway, sent: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port())).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    BufReader::new(stream)
}

/// What must come soon or not at all.
async fn within<T>(task: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), task).await.expect("it took more than 20 seconds")
}

async fn read_exactly(stream: &mut BufReader<TcpStream>, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    within(stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}
