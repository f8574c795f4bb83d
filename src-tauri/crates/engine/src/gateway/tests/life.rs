//! The listener's own life.

use super::*;

fn ports() -> Arc<dyn Upstream> {
    Arc::new(Ports::default())
}

#[tokio::test]
async fn an_address_stays_the_same_over_a_restart() {
    let first = Gateway::start(None, ports()).await.unwrap();
    let port = first.port();
    assert_eq!(first.url("a-b", 3000), format!("http://a-b-3000.localhost:{port}/"));
    assert_eq!(Gateway::url_at(port, "a-b", 3000), first.url("a-b", 3000));
    // With a connection that was used, which leaves the port in TIME_WAIT.
    assert_eq!(get(&first, "none-1", "/").await.status(), 404);
    first.close().await;
    let second = Gateway::start(Some(port), ports()).await.unwrap();
    assert_eq!(second.port(), port);

    // Taken: another one then.
    let third = Gateway::start(Some(port), ports()).await.unwrap();
    assert_ne!(third.port(), port);
    assert_eq!(get(&third, "none-1", "/").await.status(), 404);
}

#[tokio::test]
async fn both_loopback_addresses_are_the_gateways() {
    let gateway = Gateway::start(None, ports()).await.unwrap();
    let Ok(taken) = TcpListener::bind("[::1]:0").await else {
        eprintln!("SKIPPED: this machine has no IPv6 loopback.");
        return;
    };
    let mut stream = TcpStream::connect(("::1", gateway.port())).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: none-1.localhost\r\n\r\n").await.unwrap();
    let head = Head::read(&mut BufReader::new(stream)).await.unwrap();
    assert!(head.line.contains(" 404 "), "{}", head.line);

    // Somebody else's on ::1 would be asked by browsers: such a port is not taken.
    let port = taken.local_addr().unwrap().port();
    let other = Gateway::start(Some(port), ports()).await.unwrap();
    assert_ne!(other.port(), port);
}

#[tokio::test]
async fn nothing_goes_on_after_the_end() {
    let (held, mut holds) = tokio::sync::mpsc::unbounded_channel();
    let port = raw_server(move |_, mut stream| {
        let held = held.clone();
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome").await.unwrap();
            // Ends when the gateway lets go of it.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            held.send(()).unwrap();
        }
    })
    .await;
    for dropped in [false, true] {
        let (gateway, _) = gateway().await;
        let at = gateway.port();
        let mut body = get(&gateway, &format!("shop-{port}"), "/").await.into_body();
        assert_eq!(within(body.frame()).await.unwrap().unwrap().into_data().unwrap(), "some");
        if dropped {
            drop(gateway);
        } else {
            within(gateway.close()).await;
            assert!(TcpStream::connect(("127.0.0.1", at)).await.is_err());
        }
        assert!(within(body.frame()).await.unwrap().is_err());
        within(holds.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn connections_that_wait_for_nothing_are_let_go() {
    let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let port = raw_server(move |_, mut stream| {
        let ended = ended.clone();
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            ended.send(std::time::Instant::now()).unwrap();
        }
    })
    .await;
    let (gateway, _) = gateway().await;
    assert_eq!(text(get(&gateway, &format!("shop-{port}"), "/").await).await, "ok");
    let answered = std::time::Instant::now();
    let waited = within(ends.recv()).await.unwrap() - answered;
    assert!((2..6).contains(&waited.as_secs()), "{waited:?}");
}
