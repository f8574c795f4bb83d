//! Connections that become something else than HTTP: WebSockets, hot reload.

use super::*;

const HANDSHAKE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                         Sec-WebSocket-Version: 13\r\n\r\n";

fn handshake(gateway: &Gateway, port: u16, origin: &str) -> String {
    let host = format!("shop-{port}.localhost:{}", gateway.port());
    format!("GET /hmr?token=1 HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{HANDSHAKE}")
}

/// Grants the upgrade, tells first what it was asked, then sends back whatever comes.
async fn echo() -> u16 {
    raw_server(|head, mut stream| async move {
        let seen = format!("{}|{}|{}\n", head.line, head.headers["host"], head.headers["origin"]);
        assert_eq!(head.headers["upgrade"], "websocket");
        assert!(head.headers["connection"].eq_ignore_ascii_case("upgrade"));
        assert_eq!(head.headers["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
        stream
            .write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            )
            .await
            .unwrap();
        stream.write_all(seen.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.into_inner().into_split();
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        writer.write_all(b"bye").await.unwrap();
    })
    .await
}

#[tokio::test]
async fn a_websocket_passes_both_ways_and_ends_on_both_sides() {
    let port = echo().await;
    let (gateway, _) = gateway().await;
    let own = format!("http://shop-{port}.localhost:{}", gateway.port());
    let mut stream = dial(&gateway, &handshake(&gateway, port, &own)).await;
    let head = within(Head::read(&mut stream)).await.unwrap();
    assert!(head.line.starts_with("HTTP/1.1 101 "), "{}", head.line);
    assert_eq!(head.headers["upgrade"], "websocket");
    assert_eq!(head.headers["connection"], "Upgrade");
    assert_eq!(head.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let mut seen = String::new();
    within(stream.read_line(&mut seen)).await.unwrap();
    assert_eq!(seen, format!("GET /hmr?token=1 HTTP/1.1|localhost:{port}|http://localhost:{port}\n"));

    // Small ones, each answered before the next.
    for number in 0..200_u8 {
        stream.write_all(&[0x81, 0x01, number]).await.unwrap();
        assert_eq!(read_exactly(&mut stream, 3).await, [0x81, 0x01, number]);
    }
    // A large one in both directions at once.
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let (mut reader, mut writer) = stream.into_inner().into_split();
    let sent = large.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&sent).await.unwrap();
        writer
    });
    let mut back = vec![0; large.len()];
    within(reader.read_exact(&mut back)).await.unwrap();
    assert!(back == large);
    // This side ends; the other has its last word.
    within(writing).await.unwrap().shutdown().await.unwrap();
    let mut last = String::new();
    within(reader.read_to_string(&mut last)).await.unwrap();
    assert_eq!(last, "bye");
}

#[tokio::test]
async fn a_foreign_origin_is_seen_by_the_server() {
    let port = echo().await;
    let (gateway, _) = gateway().await;
    let mut stream = dial(&gateway, &handshake(&gateway, port, "http://blog-1.localhost:9")).await;
    Head::read(&mut stream).await.unwrap();
    let mut seen = String::new();
    within(stream.read_line(&mut seen)).await.unwrap();
    assert!(seen.ends_with("|http://blog-1.localhost:9\n"), "{seen}");
}

#[tokio::test]
async fn a_server_may_refuse_to_upgrade() {
    let port = server(|request| async move {
        assert!(request.headers().contains_key("upgrade"));
        Response::builder().status(426).header("upgrade", "h2c").body(full("not here")).unwrap()
    })
    .await;
    let (gateway, _) = gateway().await;
    let mut stream = dial(&gateway, &handshake(&gateway, port, "null")).await;
    let head = within(Head::read(&mut stream)).await.unwrap();
    assert!(head.line.starts_with("HTTP/1.1 426 "), "{}", head.line);
    assert_eq!(read_exactly(&mut stream, 8).await, b"not here");
}

#[tokio::test]
async fn a_server_cannot_upgrade_what_did_not_ask() {
    let port = raw_server(|_, mut stream| async move {
        let granted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nsmuggled";
        stream.write_all(granted.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    })
    .await;
    let (gateway, _) = gateway().await;
    assert_eq!(get(&gateway, &format!("shop-{port}"), "/").await.status(), 502);
}
