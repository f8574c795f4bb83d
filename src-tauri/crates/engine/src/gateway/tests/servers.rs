//! Ordinary servers, seen through the gateway.

use std::process::Stdio;

use hyper::Method;
use hyper::header::{CONTENT_LENGTH, LOCATION, SET_COOKIE};
use tokio::process::{Child, Command};

use super::*;

/// Python's own server on a free port, in a folder. It speaks HTTP/1.0.
async fn python(folder: &std::path::Path) -> Option<(Child, u16)> {
    let spawned = Command::new("python3")
        .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{error}"),
    };
    // "Serving HTTP on 127.0.0.1 port 12345 (http://127.0.0.1:12345/) ..."
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let port = line.split_whitespace().nth(5).unwrap().parse().unwrap();
    Some((child, port))
}

#[tokio::test]
async fn a_real_server_is_seen_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "<h1>Hafen ⚓</h1>").unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let Some((_server, port)) = python(folder.path()).await else {
        eprintln!("SKIPPED: python3 is not installed.");
        return;
    };
    let (gateway, _) = gateway().await;
    let label = format!("shop-{port}");

    let page = get(&gateway, &label, "/").await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.version(), hyper::Version::HTTP_11);
    assert_eq!(page.headers()["content-type"], "text/html");
    assert_eq!(text(page).await, "<h1>Hafen ⚓</h1>");

    let head = Request::head("/index.html").header(HOST, format!("{label}.localhost:{}", gateway.port()));
    let head = send(&gateway, head.body(Empty::new()).unwrap()).await;
    assert_eq!(head.headers()[CONTENT_LENGTH], "<h1>Hafen ⚓</h1>".len().to_string());
    assert_eq!(text(head).await, "");

    assert_eq!(get(&gateway, &label, "/nothing").await.status(), 404);
    let moved = get(&gateway, &label, "/sub").await;
    assert_eq!((moved.status().as_u16(), &moved.headers()[LOCATION]), (301, &"/sub/".parse().unwrap()));
}

#[tokio::test]
async fn a_server_believes_to_be_on_localhost() {
    let port = server(|request| async move {
        let shown: Vec<_> = ["host", "origin", "x-forwarded-host", "x-forwarded-proto", "expect", "te"]
            .into_iter()
            .map(|name| format!("{name}={}", request.headers().get(name).map_or("-", |value| value.to_str().unwrap())))
            .collect();
        let own = request.headers()["host"].to_str().unwrap().to_owned();
        Response::builder()
            .header(LOCATION, format!("http://{own}/next"))
            .header(SET_COOKIE, "a=b; Domain=localhost; Path=/")
            .header("x-frame-options", "DENY")
            .body(full(format!("{} {}", request.uri(), shown.join(" "))))
            .unwrap()
    })
    .await;
    let (gateway, _) = gateway().await;
    let (label, at) = (format!("shop-{port}"), gateway.port());
    let origin = format!("http://{label}.localhost:{at}");

    let asked = request(&gateway, &label, "/a%20b?c=d").header("te", "trailers").body(Empty::new()).unwrap();
    let response = send(&gateway, asked).await;
    assert_eq!(response.headers()[LOCATION], format!("{origin}/next"));
    assert_eq!(response.headers()[SET_COOKIE], "a=b; Path=/");
    assert_eq!(response.headers()["cross-origin-resource-policy"], "same-origin");
    assert!(!response.headers().contains_key("x-frame-options"));
    assert_eq!(
        text(response).await,
        format!(
            "/a%20b?c=d host=localhost:{port} origin=- x-forwarded-host={label}.localhost:{at} x-forwarded-proto=http \
             expect=- te=-"
        )
    );

    let posted = request(&gateway, &label, "/").method(Method::POST).header("origin", &origin).body(full("x")).unwrap();
    let seen = text(send(&gateway, posted).await).await;
    assert!(seen.contains(&format!("origin=http://localhost:{port} x-forwarded-host=- ")), "{seen}");

    // As a proxy is asked: the target's host counts, and the server sees a path.
    let mut stream = dial(&gateway, &format!("GET {origin}/x?y HTTP/1.1\r\nHost: other.localhost\r\n\r\n")).await;
    let head = Head::read(&mut stream).await.unwrap();
    let body = read_exactly(&mut stream, head.headers["content-length"].parse().unwrap()).await;
    assert!(String::from_utf8(body).unwrap().starts_with(&format!("/x?y host=localhost:{port} ")));
}

#[tokio::test]
async fn methods_and_statuses_pass() {
    let port = server(|request| async move {
        let status = request.uri().path()[1..].parse::<u16>().unwrap();
        let body = if matches!(status, 204 | 304) { String::new() } else { request.method().to_string() };
        Response::builder().status(status).body(full(body)).unwrap()
    })
    .await;
    let (gateway, _) = gateway().await;
    let label = format!("shop-{port}");
    let mut sender = connect(&gateway).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"] {
        for status in [200, 204, 206, 304, 404, 418, 500, 503] {
            let asked = request(&gateway, &label, &format!("/{status}")).method(method).body(full("")).unwrap();
            sender.ready().await.unwrap();
            let response = within(sender.send_request(asked)).await.unwrap();
            assert_eq!(response.status().as_u16(), status);
            let expected = if matches!(status, 204 | 304) { "" } else { method };
            assert_eq!(text(response).await, expected);
        }
    }
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let port = server(|request| async move {
        let response = Response::builder().header(CONTENT_LENGTH, "12345");
        assert_eq!(request.method(), Method::HEAD);
        response.body(Empty::<Bytes>::new()).unwrap()
    })
    .await;
    let (gateway, _) = gateway().await;
    let mut sender = connect(&gateway).await;
    for _ in 0..3 {
        let asked = request(&gateway, &format!("shop-{port}"), "/").method(Method::HEAD);
        sender.ready().await.unwrap();
        let response = within(sender.send_request(asked.body(Empty::<Bytes>::new()).unwrap())).await.unwrap();
        assert_eq!(response.headers()[CONTENT_LENGTH], "12345");
        assert_eq!(text(response).await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_need_few_connections() {
    let port = server(|request| async move { Response::new(full(request.uri().path().to_owned())) }).await;
    let (gateway, ports) = gateway().await;
    let label = format!("shop-{port}");
    let mut sender = connect(&gateway).await;
    for number in 0..500 {
        sender.ready().await.unwrap();
        let asked = request(&gateway, &label, &format!("/{number}")).body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(text(within(sender.send_request(asked)).await.unwrap()).await, format!("/{number}"));
    }
    // The next request can be faster than the news that the last connection is free again.
    let one_by_one = ports.connects.load(Ordering::SeqCst);
    assert!(one_by_one <= 3, "{one_by_one} connections for 500 requests in a row");

    let gateway = Arc::new(gateway);
    let clients = (0..50).map(|client| {
        let (gateway, label) = (Arc::clone(&gateway), label.clone());
        tokio::spawn(async move {
            for number in 0..10 {
                let path = format!("/{client}/{number}");
                assert_eq!(text(get(&gateway, &label, &path).await).await, path);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_closes_without_a_word_is_asked_again() {
    // It says nothing of closing, and closes a moment after each response.
    let port = raw_server(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    })
    .await;
    let (gateway, _) = gateway().await;
    let label = format!("shop-{port}");
    let mut sender = connect(&gateway).await;
    for pause in 0..60 {
        sender.ready().await.unwrap();
        let asked = request(&gateway, &label, "/").body(Empty::<Bytes>::new()).unwrap();
        let response = within(sender.send_request(asked)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(text(response).await, "ok");
        tokio::time::sleep(Duration::from_micros(pause * 70)).await;
    }
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    // Answers the first request of a connection and drops the second one unanswered.
    let port = raw_server(|head, mut stream| async move {
        assert!(head.line.starts_with("GET"));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        if Head::read(&mut stream).await.is_some() {
            SEEN.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let (gateway, _) = gateway().await;
    let label = format!("shop-{port}");
    assert_eq!(text(get(&gateway, &label, "/").await).await, "ok");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let posted = request(&gateway, &label, "/").method(Method::POST).body(full("buy one")).unwrap();
    assert_eq!(send(&gateway, posted).await.status(), 502);
    assert_eq!(SEEN.load(Ordering::SeqCst), 1);
}
