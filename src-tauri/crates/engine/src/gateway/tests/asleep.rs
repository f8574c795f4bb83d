//! Where there is nothing to show, and who is shown nothing at all.

use hyper::Method;

use super::*;

async fn html(gateway: &Gateway, label: &str) -> (u16, String) {
    let asked =
        request(gateway, label, "/").header("accept", "text/html,*/*;q=0.8").body(Empty::<Bytes>::new()).unwrap();
    let response = send(gateway, asked).await;
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    let page = text(response).await;
    assert!(!page.contains("{{"), "{page}");
    (status, page)
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_port_without_a_server_says_so_and_notices_one() {
    let (gateway, _) = gateway().await;
    let port = free_port().await;
    let label = format!("shop-{port}");
    let (status, page) = html(&gateway, &label).await;
    assert_eq!(status, 503);
    assert!(page.contains(&format!("Nothing answers on port {port} yet")), "{page}");
    assert!(page.contains("/.berth/ready") && page.contains("location.reload()"), "{page}");
    for outside in ["http://", "https://", "src=", "href=", "url("] {
        assert!(!page.contains(outside), "the page needs nothing from elsewhere: {outside}");
    }
    let ready = || async { get(&gateway, &label, "/.berth/ready").await.status().as_u16() };
    assert_eq!(ready().await, 503);

    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    assert_eq!(ready().await, 204);
    drop(listener);
    assert_eq!(ready().await, 503);
    let posted = request(&gateway, &label, "/.berth/ready").method(Method::POST).body(full("")).unwrap();
    assert_eq!(send(&gateway, posted).await.status(), 405);
}

#[tokio::test]
async fn a_program_gets_a_line_of_text() {
    let (gateway, _) = gateway().await;
    let port = free_port().await;
    let response = get(&gateway, &format!("shop-{port}"), "/api").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(text(response).await.starts_with(&format!("Nothing answers on port {port} yet. ")));
}

#[tokio::test]
async fn each_trouble_has_its_words() {
    let (gateway, _) = gateway().await;
    let (status, page) = html(&gateway, "asleep-3000").await;
    assert_eq!(status, 503);
    assert!(page.contains("The sandbox of asleep is asleep") && page.contains("location.reload()"), "{page}");

    let (status, page) = html(&gateway, "gone-3000").await;
    assert_eq!(status, 404);
    assert!(page.contains("There is no channel named gone") && !page.contains("location.reload()"), "{page}");

    // What went wrong is somebody else's text.
    let (status, page) = html(&gateway, "broken-3000").await;
    assert_eq!(status, 502);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&#123;&#123;NONCE}}"), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");

    // A form that was sent is not sent again by a page that reloads itself.
    let posted = request(&gateway, "asleep-3000", "/").method(Method::POST).header("accept", "text/html");
    let page = text(send(&gateway, posted.body(full("x")).unwrap()).await).await;
    assert!(page.contains("is asleep") && !page.contains("location.reload()"), "{page}");
}

#[tokio::test]
async fn what_is_no_web_server_is_called_so() {
    let (gateway, _) = gateway().await;
    for answer in ["", "-ERR unknown command 'GET'\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 999999 ?\r\n\r\n"] {
        let port = raw_server(move |_, mut stream| async move {
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let (status, page) = html(&gateway, &format!("shop-{port}")).await;
        assert_eq!(status, 502, "{answer:?}");
        assert!(page.contains(&format!("Port {port} gave no web page")), "{page}");
    }
}

#[tokio::test]
async fn a_connection_that_never_comes_is_given_up() {
    let (gateway, _) = gateway().await;
    let (status, page) = html(&gateway, "silent-3000").await;
    assert_eq!(status, 504);
    assert!(page.contains("Port 3000 is slow to answer") && page.contains("location.reload()"), "{page}");
}

#[tokio::test]
async fn only_addresses_of_previews_are_answered() {
    let port = server(|_| async { Response::new(full("secret")) }).await;
    let (gateway, ports) = gateway().await;
    let at = gateway.port();
    for (host, status) in [
        (format!("127.0.0.1:{at}"), 404),
        (format!("localhost:{at}"), 404),
        (format!("shop.localhost:{at}"), 404),
        (format!("shop-0{port}.localhost:{at}"), 404),
        (format!("x.shop-{port}.localhost:{at}"), 404),
        ("evil.example".to_owned(), 421),
        (format!("shop-{port}.evil.example:{at}"), 421),
        (format!("shop-{port}.localhost.evil.example:{at}"), 421),
        (format!("shop-{port}.localhost:{}", at ^ 1), 421),
        (format!("shop-{port}.localhost:{at}, evil.example"), 421),
        (String::new(), 421),
    ] {
        for path in ["/", "/.berth/ready"] {
            let mut stream = dial(&gateway, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
            let head = within(Head::read(&mut stream)).await.unwrap();
            assert!(head.line.starts_with(&format!("HTTP/1.1 {status} ")), "{host:?}: {}", head.line);
        }
    }
    let tunnel = format!("CONNECT shop-{port}.localhost:{at} HTTP/1.1\r\nHost: shop-{port}.localhost:{at}\r\n\r\n");
    let mut stream = dial(&gateway, &tunnel).await;
    let head = within(Head::read(&mut stream)).await.unwrap();
    assert!(head.line.starts_with("HTTP/1.1 405 "), "{}", head.line);
    for sent in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: shop-{port}.localhost:{at}\r\nHost: evil.example\r\n\r\n"),
        format!("GET http://evil.example/ HTTP/1.1\r\nHost: shop-{port}.localhost:{at}\r\n\r\n"),
    ] {
        let mut stream = dial(&gateway, &sent).await;
        let head = within(Head::read(&mut stream)).await.unwrap();
        assert!(head.line.contains(" 421 ") || head.line.contains(" 400 "), "{sent:?}: {}", head.line);
    }
    assert_eq!(ports.connects.load(Ordering::SeqCst), 0, "none of them reached a sandbox");
}

#[tokio::test]
async fn two_messages_cannot_be_made_of_one() {
    // Whatever a client says about lengths: the server sees one request, or none.
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let port = server(move |request| {
        let seen = seen.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            seen.send((parts.uri.to_string(), body)).unwrap();
            Response::new(full("ok"))
        }
    })
    .await;
    let (gateway, _) = gateway().await;
    let host = format!("shop-{port}.localhost:{}", gateway.port());
    for lengths in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Content-Length: 6\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
    ] {
        let sent = format!(
            "POST /one HTTP/1.1\r\nHost: {host}\r\n{lengths}\r\n0\r\n\r\nGET /two HTTP/1.1\r\nHost: evil\r\n\r\n"
        );
        let mut stream = dial(&gateway, &sent).await;
        let mut all = Vec::new();
        let _ = tokio::time::timeout(Duration::from_millis(300), stream.read_to_end(&mut all)).await;
        while let Ok((uri, body)) = requests.try_recv() {
            assert_eq!((uri.as_str(), body.as_ref()), ("/one", b"".as_slice()), "{lengths:?}");
        }
    }
}
