//! The proxy as clients see it. Targets are on loopback, hence the rules are injected; one test has the real ones.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::timeout;

use super::*;

type Seen = Arc<Mutex<Vec<EgressRecord>>>;

/// A proxy on a socket of its own, and what it told its observer.
struct World {
    _folder: tempfile::TempDir,
    socket: PathBuf,
    seen: Seen,
    _serving: JoinSet<()>,
}

impl World {
    fn new(permitted: fn(IpAddr) -> bool, allow: Option<AllowList>, upstream: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("egress.sock");
        let seen = Seen::default();
        let observer: Observer = Arc::new({
            let seen = seen.clone();
            move |record: &EgressRecord| seen.lock().unwrap().push(record.clone())
        });
        let env = |name: &str| upstream.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone());
        let proxy = Proxy {
            sandbox: ChannelId("test".into()),
            rules: Rules { permitted, allow, upstreams: Upstreams::from_env(env) },
            observer: Some(observer),
        };
        let mut serving = JoinSet::new();
        serving.spawn(proxy.serve(UnixListener::bind(&socket).unwrap()));
        Self { _folder: folder, socket, seen, _serving: serving }
    }

    fn open() -> Self {
        Self::new(|_| true, None, &[])
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).await.unwrap()
    }

    /// All that is answered to these bytes, up to the end of the connection.
    async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("no end");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A tunnel to an address.
    async fn tunnel(&self, to: SocketAddr) -> UnixStream {
        let mut stream = self.connect().await;
        stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        stream
    }

    async fn outcome(&self) -> EgressRecord {
        for _ in 0..500 {
            if let Some(record) = self.seen.lock().unwrap().pop() {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nothing was reported");
    }
}

async fn read_head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Accepts one connection, reads until its end or `until`, answers, and gives what it read.
async fn server(until: &'static [u8], answer: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while !until.is_empty() && !read.ends_with(until) || until.is_empty() {
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await.unwrap() {
                0 => break,
                count => read.extend_from_slice(&chunk[..count]),
            }
        }
        stream.write_all(answer).await.unwrap();
        stream.shutdown().await.unwrap();
        read
    });
    (address, task)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

#[tokio::test]
async fn a_tunnel_carries_bytes_and_each_direction_ends_by_itself() {
    let world = World::open();
    let (address, served) = server(b"", b"after your end").await;
    let mut tunnel = world.tunnel(address).await;
    tunnel.write_all(b"\0\xffbytes").await.unwrap();
    tunnel.shutdown().await.unwrap();
    let mut answer = Vec::new();
    tunnel.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"after your end");
    assert_eq!(served.await.unwrap(), b"\0\xffbytes");
    let record = world.outcome().await;
    assert_eq!(record.outcome, EgressOutcome::Relayed { address: Some(address) });
    assert_eq!((record.bytes_out, record.bytes_in), (7, 14));
}

#[tokio::test]
async fn bytes_sent_with_the_request_are_not_lost() {
    let world = World::open();
    let (address, served) = server(b"!", b"").await;
    let mut stream = world.connect().await;
    let request = format!("CONNECT {address} HTTP/1.1\r\n\r\nearly");
    stream.write_all(request.as_bytes()).await.unwrap();
    read_head(&mut stream).await;
    stream.write_all(b" late!").await.unwrap();
    assert_eq!(served.await.unwrap(), b"early late!");
}

#[tokio::test]
async fn a_whole_address_is_asked_of_its_machine_without_what_is_the_proxys() {
    let world = World::open();
    let (address, served) = server(b"\r\n\r\n", OK).await;
    let answer = world
        .ask(&format!(
            "GET http://{address}/a?b=c HTTP/1.1\r\nHost: elsewhere.example\r\nProxy-Connection: keep-alive\r\n\
             Proxy-Authorization: Basic c2VjcmV0\r\nConnection: X-Mine\r\nX-Mine: 1\r\nX-Kept: 2\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    let asked = String::from_utf8(served.await.unwrap()).unwrap().to_lowercase();
    assert!(asked.starts_with("get /a?b=c http/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: {address}\r\n")) && asked.contains("x-kept: 2"), "{asked}");
    for gone in ["elsewhere", "proxy-", "x-mine", "c2vjcmv0"] {
        assert!(!asked.contains(gone), "{gone} in {asked}");
    }
}

#[tokio::test]
async fn bodies_pass_both_ways_and_a_connection_serves_several_machines() {
    let world = World::open();
    let (first, one) =
        server(b"body", b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
    let (second, two) = server(b"\r\n\r\n", OK).await;
    let answer = world
        .ask(&format!(
            "POST http://{first}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody\
             GET http://{second}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        ))
        .await;
    assert!(answer.contains("201 Created") && answer.contains("abc") && answer.ends_with("hello"), "{answer}");
    assert!(one.await.unwrap().ends_with(b"body"));
    assert!(two.await.unwrap().starts_with(b"GET / "));
}

#[tokio::test]
async fn a_request_cannot_be_smuggled_behind_another() {
    let world = World::open();
    let (address, served) = server(b"0\r\n\r\n", OK).await;
    let answer = world
        .ask(&format!(
            "POST http://{address}/ HTTP/1.1\r\nHost: x\r\nConnection: content-length, transfer-encoding\r\n\
             Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"
        ))
        .await;
    let asked = String::from_utf8(served.await.unwrap()).unwrap().to_lowercase();
    assert!(asked.contains("transfer-encoding: chunked") && !asked.contains("content-length"), "{asked}");
    assert!(!asked.contains("smuggled"), "{asked}");
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
}

#[tokio::test]
async fn this_computer_is_refused_by_every_name() {
    let world = World::new(address::permitted, None, &[]);
    let (address, _served) = server(b"\r\n\r\n", OK).await;
    let port = address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f.1",
    ] {
        for request in [
            format!("CONNECT {host}:{port} HTTP/1.1\r\n\r\n"),
            format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        ] {
            let answer = world.ask(&request).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{request}{answer}");
            let record = world.outcome().await;
            assert!(matches!(record.outcome, EgressOutcome::Refused(_)), "{record:?}");
        }
    }
    // The control: it is there to be reached.
    TcpStream::connect(address).await.unwrap();
}

#[tokio::test]
async fn link_local_neighbours_are_refused() {
    let world = World::new(address::permitted, None, &[]);
    for host in ["169.254.169.254", "[fe80::1]", "224.0.0.1"] {
        let answer = world.ask(&format!("GET http://{host}/latest HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
}

#[tokio::test]
async fn a_list_admits_only_what_is_on_it() {
    let allow = AllowList::parse(["127.0.0.1", "*.example.com"]).unwrap();
    let target = |text: &str| Target { host: Host::parse(text).unwrap(), port: 1 };
    assert!(allow.permits(&target("a.example.com")) && !allow.permits(&target("example.com")));
    assert!(!allow.permits(&target("evilexample.com")));
    assert!(AllowList::parse(["a b"]).is_err());

    let world = World::new(|_| true, Some(allow), &[]);
    let (address, _served) = server(b"\r\n\r\n", OK).await;
    let answer = world.ask(&format!("CONNECT localhost:{} HTTP/1.1\r\n\r\n", address.port())).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("not on the list"), "{answer}");
    world.tunnel(address).await;
}

#[tokio::test]
async fn this_computers_proxy_is_gone_through() {
    let (upstream, asked) =
        server(b"\r\n\r\n", b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\nfrom the target").await;
    let world = World::new(|_| true, None, &[("https_proxy", format!("http://me:pass@{upstream}"))]);
    let answer = world.ask("CONNECT a.invalid:443 HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nfrom the target"), "{answer}");
    let asked = String::from_utf8(asked.await.unwrap()).unwrap();
    assert!(asked.starts_with("CONNECT a.invalid:443 HTTP/1.1\r\nHost: a.invalid:443\r\n"), "{asked}");
    assert!(asked.contains("Proxy-Authorization: Basic bWU6cGFzcw==\r\n"), "{asked}");
    assert_eq!(world.outcome().await.outcome, EgressOutcome::Relayed { address: None });
}

#[tokio::test]
async fn whole_addresses_go_through_this_computers_proxy_whole() {
    let (upstream, asked) = server(b"\r\n\r\n", OK).await;
    let world = World::new(|_| true, None, &[("HTTP_PROXY", format!("http://me:pass@{upstream}"))]);
    let answer =
        world.ask("GET http://a.invalid/x HTTP/1.1\r\nHost: a.invalid\r\nProxy-Authorization: mine\r\n\r\n").await;
    assert!(answer.ends_with("hello"), "{answer}");
    let asked = String::from_utf8(asked.await.unwrap()).unwrap().to_lowercase();
    assert!(asked.starts_with("get http://a.invalid/x http/1.1\r\n"), "{asked}");
    assert!(asked.contains("proxy-authorization: basic bwu6cgfzcw==") && !asked.contains("mine"), "{asked}");
}

#[tokio::test]
async fn this_computers_proxy_is_no_way_to_this_computer() {
    let (upstream, _asked) = server(b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n").await;
    let world = World::new(address::permitted, None, &[("ALL_PROXY", format!("http://{upstream}"))]);
    for host in ["localhost", "127.0.0.1", "x.localhost"] {
        let answer = world.ask(&format!("CONNECT {host}:80 HTTP/1.1\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
}

#[tokio::test]
async fn a_proxy_on_this_computer_gets_the_address_that_was_checked() {
    let (upstream, asked) = server(b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n").await;
    let world = World::new(|_| true, None, &[("https_proxy", format!("http://{upstream}"))]);
    world.ask("CONNECT localhost:443 HTTP/1.1\r\n\r\n").await;
    let asked = String::from_utf8(asked.await.unwrap()).unwrap();
    assert!(asked.starts_with("CONNECT 127.0.0.1:443 HTTP/1.1\r\n"), "{asked}");
}

#[tokio::test]
async fn a_refusal_by_this_computers_proxy_is_told() {
    let (upstream, _asked) = server(b"\r\n\r\n", b"HTTP/1.1 407 Nope\r\n\r\n").await;
    let world = World::new(|_| true, None, &[("HTTPS_PROXY", format!("{upstream}"))]);
    let answer = world.ask("CONNECT a.invalid:443 HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("407"), "{answer}");
}

#[tokio::test]
async fn nothing_there_is_told_and_the_connection_serves_on() {
    let world = World::open();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (address, _served) = server(b"\r\n\r\n", OK).await;
    let answer = world
        .ask(&format!(
            "GET http://{gone}/ HTTP/1.1\r\nHost: x\r\n\r\nGET http://{address}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn hostile_input_ends_in_an_error_not_in_a_connection() {
    let world = World::open();
    let long = format!("GET http://{}/ HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    let headers = format!("CONNECT a:1 HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(20_000));
    for request in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET https://a.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT a.example HTTP/1.1\r\n\r\n",
        "CONNECT u@a.example:1 HTTP/1.1\r\n\r\n",
        "CONNECT a.example:99999 HTTP/1.1\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "SSH-2.0-x\r\n",
        "CONNECT a.example:1\r\n\r\n",
        &long,
        &headers,
    ] {
        let answer = world.ask(request).await;
        let shown = &request[..request.len().min(60)];
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{shown:?} {answer}");
    }
}

#[tokio::test]
async fn everything_ends_with_the_proxy() {
    let mut world = World::open();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut tunnel = world.tunnel(listener.local_addr().unwrap()).await;
    let (mut far, _) = listener.accept().await.unwrap();
    world._serving.abort_all();
    let end = async { (tunnel.read_u8().await.is_err(), far.read_u8().await.is_err()) };
    assert_eq!(timeout(Duration::from_secs(5), end).await.unwrap(), (true, true));
}
