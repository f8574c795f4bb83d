//! Bodies pass exactly, at once, and no faster than they are taken.

use futures::SinkExt;
use http_body_util::StreamBody;
use hyper::Method;
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};

use super::*;

const MANY: usize = 20_000_000;

type Frames = futures::channel::mpsc::Receiver<Result<Frame<Bytes>, Infallible>>;

fn channel() -> (futures::channel::mpsc::Sender<Result<Frame<Bytes>, Infallible>>, StreamBody<Frames>) {
    let (sender, frames) = futures::channel::mpsc::channel(0);
    (sender, StreamBody::new(frames))
}

fn data(text: impl Into<Bytes>) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(text.into()))
}

/// Bytes of which none stands in the place of another without notice.
fn pattern(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_megabytes_pass_exactly_in_both_directions() {
    let port = server(|request| async move {
        let length = request.headers().get(CONTENT_LENGTH).cloned();
        let mut response = Response::new(request.into_body());
        if let Some(length) = length {
            response.headers_mut().insert(CONTENT_LENGTH, length);
        }
        response
    })
    .await;
    let (gateway, _) = gateway().await;
    let label = format!("shop-{port}");
    let sent = Bytes::from(pattern(MANY));

    // With a length.
    let asked = request(&gateway, &label, "/").method(Method::PUT).body(full(sent.clone())).unwrap();
    let response = send(&gateway, asked).await;
    assert_eq!(response.headers()[CONTENT_LENGTH], MANY.to_string());
    assert!(within(response.into_body().collect()).await.unwrap().to_bytes() == sent);

    // In chunks of odd sizes.
    let (mut sender, body) = channel();
    let whole = sent.clone();
    tokio::spawn(async move {
        for part in whole.chunks(65_537) {
            sender.send(data(Bytes::copy_from_slice(part))).await.unwrap();
        }
    });
    let asked = request(&gateway, &label, "/").method(Method::POST).body(body).unwrap();
    let response = send(&gateway, asked).await;
    assert_eq!(response.headers()[TRANSFER_ENCODING], "chunked");
    assert!(within(response.into_body().collect()).await.unwrap().to_bytes() == sent);
}

#[tokio::test]
async fn events_come_as_they_are_sent() {
    let (events, body) = channel();
    let body = std::sync::Mutex::new(Some(body));
    let body = Arc::new(body);
    let port = server(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::builder().header(CONTENT_TYPE, "text/event-stream").body(body).unwrap() }
    })
    .await;
    let (gateway, _) = gateway().await;
    let response = get(&gateway, &format!("shop-{port}"), "/events").await;
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    let (mut events, mut body) = (events, response.into_body());
    for number in 0..50 {
        let event = format!("data: {number}\n\n");
        events.send(data(event.clone())).await.unwrap();
        // The next one is not sent before this one came.
        let frame = within(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event);
    }
    drop(body);
    // Nobody listens any more: the server is told.
    within(async {
        while events.send(data("data: more\n\n")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_is_taken_while_the_response_comes() {
    let port = server(|request| async move { Response::new(request.into_body()) }).await;
    let (gateway, _) = gateway().await;
    let (mut sender, body) = channel();
    let label = format!("shop-{port}");
    let asked = request(&gateway, &label, "/").method(Method::POST).body(body).unwrap();
    let response = tokio::spawn({
        let mut connection = connect(&gateway).await;
        async move { connection.send_request(asked).await.unwrap() }
    });
    sender.send(data("0")).await.unwrap();
    let mut body = within(response).await.unwrap().into_body();
    for number in 1..20 {
        let _ = within(body.frame()).await.unwrap().unwrap();
        sender.send(data(number.to_string())).await.unwrap();
    }
    drop(sender);
    assert_eq!(within(body.collect()).await.unwrap().to_bytes(), "19");
}

#[tokio::test]
async fn what_nobody_reads_is_not_piled_up() {
    let (gateway, _) = gateway().await;
    let head =
        format!("POST / HTTP/1.1\r\nHost: stuck-1.localhost:{}\r\nContent-Length: {}\r\n\r\n", gateway.port(), 1 << 30);
    let mut stream = dial(&gateway, &head).await;
    let part = vec![0; 1 << 16];
    let mut taken = 0;
    // What fits the system's socket buffers goes; then it must stop.
    while let Ok(written) = tokio::time::timeout(Duration::from_secs(1), stream.write(&part)).await {
        taken += written.unwrap();
        assert!(taken < 64 << 20, "the gateway keeps what nobody reads");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_leave_gets_it() {
    let port = server(|request| async move {
        assert!(!request.headers().contains_key("expect"));
        Response::new(request.into_body())
    })
    .await;
    let (gateway, _) = gateway().await;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: shop-{port}.localhost:{}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        gateway.port()
    );
    let mut stream = dial(&gateway, &head).await;
    assert_eq!(within(Head::read(&mut stream)).await.unwrap().line, "HTTP/1.1 100 Continue");
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(within(Head::read(&mut stream)).await.unwrap().line, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_is_heard() {
    let port = raw_server(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!").await.unwrap();
        // Leaves the rest unread.
        tokio::time::sleep(Duration::from_secs(5)).await;
    })
    .await;
    let (gateway, _) = gateway().await;
    let (mut sender, body) = channel();
    tokio::spawn(async move { while sender.send(data(vec![0; 1 << 16])).await.is_ok() {} });
    let asked = request(&gateway, &format!("shop-{port}"), "/").method(Method::POST).body(body).unwrap();
    let response = send(&gateway, asked).await;
    assert_eq!(response.status(), 413);
    assert_eq!(text(response).await, "no!");
}

#[tokio::test]
async fn a_response_cut_short_is_not_taken_for_whole() {
    let port = raw_server(|head, mut stream| async move {
        let head = if head.line.contains("chunked") {
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"
        } else {
            "Content-Length: 9\r\n\r\nhel"
        };
        stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes()).await.unwrap();
    })
    .await;
    let (gateway, _) = gateway().await;
    for path in ["/length", "/chunked"] {
        let response = get(&gateway, &format!("shop-{port}"), path).await;
        let mut body = response.into_body();
        let mut got = Vec::new();
        let ended = loop {
            match within(body.frame()).await {
                Some(Ok(frame)) => got.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(_)) => break "broken",
                None => break "whole",
            }
        };
        assert_eq!((ended, "hel".as_bytes().starts_with(&got)), ("broken", true), "{path}");
    }
}

#[tokio::test]
async fn header_names_keep_their_case() {
    let (seen, mut heads) = tokio::sync::mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).await.unwrap();
        }
        seen.send(head).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nX-OddlyCased: 1\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    let (gateway, _) = gateway().await;
    let head = format!("GET / HTTP/1.1\r\nHost: shop-{port}.localhost:{}\r\nX-MyHeader: 1\r\n\r\n", gateway.port());
    let mut stream = dial(&gateway, &head).await;
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        within(stream.read_line(&mut answer)).await.unwrap();
    }
    assert!(heads.recv().await.unwrap().contains("\r\nX-MyHeader: 1\r\n"));
    assert!(answer.contains("\r\nX-OddlyCased: 1\r\n"), "{answer}");
}

#[tokio::test]
async fn requests_one_after_the_other_without_waiting_are_answered_in_order() {
    let port = server(|request| async move { Response::new(full(request.uri().path().to_owned())) }).await;
    let (gateway, _) = gateway().await;
    let host = format!("shop-{port}.localhost:{}", gateway.port());
    let requests: String = (0..20).map(|number| format!("GET /{number:02} HTTP/1.1\r\nHost: {host}\r\n\r\n")).collect();
    let mut stream = dial(&gateway, &requests).await;
    for number in 0..20 {
        let head = within(Head::read(&mut stream)).await.unwrap();
        assert_eq!(head.line, "HTTP/1.1 200 OK");
        assert_eq!(read_exactly(&mut stream, 3).await, format!("/{number:02}").as_bytes());
    }
}
