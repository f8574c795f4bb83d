//! The protocol over a real socket, with another door behind it than the engine's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use berth_model::{Author, ChannelRef, ErrorCode, Keychain, RpcError, Settings, Snapshot};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::{CallError, Client, Update};
use super::presence::Presence;
use super::{Door, Terminal, socket};
use crate::hub::{Events, Hub};

/// A door that answers with who asked, or waits.
#[derive(Clone)]
struct Desk {
    hub: Arc<Hub>,
    /// How many calls wait now.
    waiting: Arc<AtomicUsize>,
    stop: CancellationToken,
}

struct Waits(Arc<AtomicUsize>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Door for Desk {
    async fn call(&self, author: &Author, name: &str, payload: Value) -> Result<Value, RpcError> {
        match name {
            "who" => Ok(json!(author)),
            "echo" => Ok(payload),
            "stop" => {
                self.stop.cancel();
                Ok(json!({}))
            }
            "for" => {
                tokio::time::sleep(Duration::from_millis(payload["ms"].as_u64().unwrap_or_default())).await;
                Ok(json!("ended"))
            }
            "settings" => {
                self.hub.settings(Settings::default());
                Ok(json!({}))
            }
            "wait" => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                let _waits = Waits(self.waiting.clone());
                std::future::pending().await
            }
            _ => Err(RpcError::new(ErrorCode::BadRequest, "no such command")),
        }
    }

    fn subscribe(&self) -> (Snapshot, Events) {
        self.hub.subscribe()
    }

    async fn open_terminal(&self, _: &ChannelRef, _: u16, _: u16) -> Result<Terminal, RpcError> {
        // A sandbox that does not come up.
        std::future::pending().await
    }
}

struct Served {
    folder: TempDir,
    desk: Desk,
    server: JoinHandle<()>,
}

impl Served {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hub = Arc::new(Hub::new("life".to_owned(), Settings::default(), Keychain::Available, Vec::new()));
        let desk = Desk { hub, waiting: Arc::default(), stop: CancellationToken::new() };
        let listener = socket::bind(&folder.path().join("s")).expect("listens");
        let stop = desk.stop.clone().cancelled_owned();
        let server = tokio::spawn(socket::serve(listener, desk.clone(), Presence::new(), stop));
        Self { folder, desk, server }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.folder.path().join("s")).await.expect("connected")
    }

    /// The protocol by hand.
    async fn stream(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(self.folder.path().join("s")).await.expect("connected"))
    }

    async fn until_waiting(&self, count: usize) {
        let reached = async {
            while self.desk.waiting.load(Ordering::SeqCst) != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reached).await.expect("so many wait");
    }
}

async fn say(stream: &mut BufReader<UnixStream>, line: &str) {
    stream.get_mut().write_all(format!("{line}\n").as_bytes()).await.expect("written");
}

async fn hear(stream: &mut BufReader<UnixStream>) -> Value {
    let mut line = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_line(&mut line)).await.expect("in time").expect("a line");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

#[tokio::test]
async fn what_is_written_down_is_what_is_spoken() {
    let served = Served::new();
    let mut stream = served.stream().await;
    say(&mut stream, r#"{"id":1,"call":"who"}"#).await;
    assert_eq!(hear(&mut stream).await, json!({ "id": 1, "ok": { "kind": "script" } }));
    say(&mut stream, r#"{"hello":{"author":{"kind":"agent","name":"a"}}}"#).await;
    say(&mut stream, r#"{"id":2,"call":"who"}"#).await;
    assert_eq!(hear(&mut stream).await, json!({ "id": 2, "ok": { "kind": "agent", "name": "a" } }));
    for nobody in ["person", "berth"] {
        say(&mut stream, &json!({ "hello": { "author": { "kind": nobody } } }).to_string()).await;
        assert_eq!(hear(&mut stream).await["error"]["code"], "bad_request", "{nobody} is not for a socket");
    }
    say(&mut stream, "nonsense").await;
    assert_eq!(hear(&mut stream).await["id"], Value::Null);
    say(&mut stream, r#"{"id":3,"call":"nothing"}"#).await;
    assert_eq!(hear(&mut stream).await["error"]["code"], "bad_request");
    say(&mut stream, r#"{"id":4,"subscribe":true}"#).await;
    assert_eq!(hear(&mut stream).await["ok"]["engine"], "life");
    say(&mut stream, r#"{"id":5,"call":"settings"}"#).await;
    let mut heard = [hear(&mut stream).await, hear(&mut stream).await];
    heard.sort_by_key(|line| line["id"].is_null());
    assert_eq!(heard[0]["id"], 5);
    assert_eq!(heard[1]["event"]["body"]["kind"], "settings");
}

#[tokio::test]
async fn a_terminal_on_its_way_holds_up_nothing_and_can_be_cancelled() {
    let served = Served::new();
    let mut stream = served.stream().await;
    say(&mut stream, r#"{"id":1,"terminal":{"open":{"channel":"x","cols":80,"rows":24}}}"#).await;
    say(&mut stream, r#"{"id":2,"call":"echo","payload":7}"#).await;
    assert_eq!(hear(&mut stream).await, json!({ "id": 2, "ok": 7 }));
    say(&mut stream, r#"{"cancel":1}"#).await;
    let cancelled = hear(&mut stream).await;
    assert_eq!((&cancelled["id"], &cancelled["error"]["code"]), (&json!(1), &json!("cancelled")));
}

#[tokio::test]
async fn a_call_that_is_dropped_or_whose_client_leaves_is_dropped_there_too() {
    let served = Served::new();
    let client = served.client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call("wait", json!({})).await }
    });
    served.until_waiting(1).await;
    call.abort();
    served.until_waiting(0).await;
    assert_eq!(client.call("echo", json!(1)).await, Ok(json!(1)), "the connection stands");
}

#[tokio::test]
async fn many_listen_over_one_connection() {
    let served = Served::new();
    let client = served.client().await;
    let mut first = client.subscribe().await.expect("listens");
    assert!(matches!(first.recv().await, Some(Update::Snapshot(_))));
    let mut second = client.subscribe().await.expect("listens");
    assert!(matches!(second.recv().await, Some(Update::Snapshot(_))));
    assert!(matches!(first.recv().await, Some(Update::Snapshot(_))), "it starts anew, with the other");
    client.call("settings", json!({})).await.expect("done");
    for updates in [&mut first, &mut second] {
        assert!(matches!(updates.recv().await, Some(Update::Event(_))));
    }
    drop(second);
    client.call("settings", json!({})).await.expect("done");
    assert!(matches!(first.recv().await, Some(Update::Event(_))), "the other's end is not its own");
}

#[tokio::test]
async fn authors_are_not_mixed_up() {
    let served = Served::new();
    let client = served.client().await;
    let calls = (0..40).map(|number| {
        let client = client.clone();
        async move {
            let author = Author::Agent { name: (number % 3).to_string() };
            assert_eq!(client.call_as(&author, "who", json!({})).await, Ok(json!(author)));
        }
    });
    futures::future::join_all(calls).await;
}

#[tokio::test]
async fn a_line_that_is_too_long_is_not_sent() {
    let served = Served::new();
    let client = served.client().await;
    let long = json!("a".repeat(socket::LINE_LIMIT));
    match client.call("echo", long).await {
        Err(CallError::Answer(error)) => assert_eq!(error.code, ErrorCode::BadRequest),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.call("echo", json!(1)).await, Ok(json!(1)));
}

#[tokio::test]
async fn who_asked_for_the_end_and_who_still_waits_are_answered() {
    let served = Served::new();
    let (client, other) = (served.client().await, served.client().await);
    let longer = tokio::spawn(async move { other.call("for", json!({ "ms": 400 })).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(client.call("stop", json!({})).await, Ok(json!({})));
    assert_eq!(longer.await.expect("no panic"), Ok(json!("ended")));
    tokio::time::timeout(Duration::from_secs(10), client.closed()).await.expect("closed");
    served.server.await.expect("ends by itself");
    assert_eq!(client.call("echo", json!(1)).await, Err(CallError::NotSent));
}
