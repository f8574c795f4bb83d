//! The other end of the socket: calls commands of an engine in another process.
//!
//! It does not reconnect and starts no engine: what a broken connection means is for the caller to say, because only
//! it knows whether its command may be given twice.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_model::{Author, ErrorCode, Event, RpcError, Snapshot};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec};

use super::socket::LINE_LIMIT;
use super::transport;
use super::wire::ServerMessage;
use crate::tasks::Task;

/// A connection to an engine. Clones share it; it closes with the last.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    _tasks: Arc<[Task; 2]>,
}

#[derive(Debug)]
struct Shared {
    outbox: mpsc::Sender<String>,
    waiting: Mutex<Waiting>,
    next_id: AtomicU64,
    /// Who the engine takes this client for; held while a call is queued, so that none slips in between.
    author: tokio::sync::Mutex<Author>,
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: HashMap<u64, oneshot::Sender<Result<Value, RpcError>>>,
    subscribers: Vec<Subscriber>,
}

/// One of those who listen. To the engine they are one: its latest subscription serves them all.
#[derive(Debug, Clone)]
struct Subscriber {
    /// The subscription it came with.
    id: u64,
    /// Whether it was given a snapshot: events mean nothing before that.
    placed: bool,
    updates: mpsc::Sender<Update>,
}

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Where things stand: at the start, and again whenever events were lost.
    Snapshot(Box<Snapshot>),
    /// What changed.
    Event(Box<Event>),
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The engine refused it, or it failed.
    #[error("the engine answered with an error")]
    Answer(#[source] RpcError),
    /// The connection was closed before the call left: nothing was done.
    #[error("the connection to the engine is closed")]
    NotSent,
    /// The connection broke while the call went on: whether it was done is not known.
    #[error("the connection to the engine broke while it worked")]
    Lost,
}

impl From<CallError> for RpcError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Answer(error) => error,
            CallError::NotSent => RpcError::new(ErrorCode::Failed, "The engine has gone; nothing was done.")
                .hint("Try again: `berthctl` starts an engine where none runs."),
            CallError::Lost => RpcError::new(
                ErrorCode::OutcomeUnknown,
                "The engine went away before it answered; whether this was done is not known.",
            )
            .hint("Look at what it should have changed before doing it again."),
        }
    }
}

impl Client {
    /// Connects to the engine that listens at `path`.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self::over(transport::connect(path).await?))
    }

    fn over(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (reader, writer) = split(stream);
        let (outbox, mut lines) = mpsc::channel::<String>(64);
        let shared = Arc::new(Shared {
            outbox,
            waiting: Mutex::default(),
            next_id: AtomicU64::new(1),
            author: tokio::sync::Mutex::new(Author::Script),
            closed: watch::Sender::new(false),
        });
        let mut writer = FramedWrite::new(writer, LinesCodec::new());
        let write = Task::spawn("engine client: write", async move {
            while let Some(line) = lines.recv().await {
                if writer.send(line).await.is_err() {
                    break;
                }
            }
        });
        let mut reader = FramedRead::new(reader, LinesCodec::new());
        let reading = Arc::clone(&shared);
        let read = Task::spawn("engine client: read", async move {
            while let Some(Ok(line)) = reader.next().await {
                reading.take(&line).await;
            }
            reading.end();
        });
        Self { shared, _tasks: Arc::new([write, read]) }
    }

    /// Calls a command as a script. A call that is dropped before its answer is cancelled.
    pub async fn call(&self, name: &str, payload: Value) -> Result<Value, CallError> {
        self.call_as(&Author::Script, name, payload).await
    }

    /// Calls a command for somebody.
    pub async fn call_as(&self, author: &Author, name: &str, payload: Value) -> Result<Value, CallError> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let mut line = json!({ "id": id, "call": name, "payload": payload }).to_string();
        if line.len() > LINE_LIMIT {
            let message = format!("{name}: what is sent at once has {} bytes and may have {LINE_LIMIT}.", line.len());
            let error = RpcError::new(ErrorCode::BadRequest, message).hint("Nothing was done. Send it in parts.");
            return Err(CallError::Answer(error));
        }
        let answer = self.shared.expect(id)?;
        let mut known = self.shared.author.lock().await;
        if *known != *author {
            line = format!("{}\n{line}", json!({ "hello": { "author": author } }));
        }
        self.shared.outbox.send(line).await.map_err(|_| CallError::NotSent)?;
        known.clone_from(author);
        drop(known);
        let mut guard = CancelOnDrop { shared: &self.shared, id: Some(id) };
        let answer = answer.await;
        guard.id = None;
        match answer {
            Ok(answer) => answer.map_err(CallError::Answer),
            Err(_) => Err(CallError::Lost),
        }
    }

    /// Listens: first a snapshot, then the events that follow it. It ends with the connection. Any number may listen;
    /// while one of them does not take what comes, answers to calls wait behind it: give it a task of its own.
    pub async fn subscribe(&self) -> Result<mpsc::Receiver<Update>, CallError> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, updates) = mpsc::channel(64);
        self.shared.lock().subscribers.push(Subscriber { id, placed: false, updates: sender });
        let line = json!({ "id": id, "subscribe": true }).to_string();
        self.shared.outbox.send(line).await.map_err(|_| CallError::NotSent)?;
        if self.is_closed() {
            self.shared.end();
            return Err(CallError::NotSent);
        }
        Ok(updates)
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        *self.shared.closed.borrow()
    }

    /// Waits for the connection's end.
    pub async fn closed(&self) {
        // The sender lives in `self.shared`, so waiting cannot fail.
        let _ = self.shared.closed.subscribe().wait_for(|closed| *closed).await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every single change leaves the tables whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, id: u64) -> Result<oneshot::Receiver<Result<Value, RpcError>>, CallError> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.lock();
        // Looked at under the lock: `end` sets it first and then clears the table.
        if *self.closed.borrow() {
            return Err(CallError::NotSent);
        }
        waiting.calls.insert(id, sender);
        Ok(answer)
    }

    async fn take(&self, line: &str) {
        let message = match serde_json::from_str(line) {
            Ok(message) => message,
            Err(error) => return tracing::debug!(%error, "a line of the engine means nothing to this version"),
        };
        match message {
            // A call has no such answer once it was taken, so what is left is a subscription's.
            ServerMessage::Ok { id, ok } => {
                let call = self.lock().calls.remove(&id);
                match call {
                    Some(call) => drop(call.send(Ok(ok))),
                    None => self.place(id, ok).await,
                }
            }
            ServerMessage::Error { id: Some(id), error } => self.answer(id, Err(error)),
            ServerMessage::Error { id: None, error } => tracing::warn!(%error, "the engine refused a line"),
            ServerMessage::Event { event } => {
                let listening = |subscriber: &&Subscriber| subscriber.placed;
                let all: Vec<_> = self.lock().subscribers.iter().filter(listening).cloned().collect();
                for subscriber in all {
                    self.tell(&subscriber, Update::Event(event.clone())).await;
                }
            }
            ServerMessage::Data { .. } | ServerMessage::Exit { .. } => {}
        }
    }

    /// A subscription's snapshot: for who came with it or before.
    async fn place(&self, id: u64, snapshot: Value) {
        let all: Vec<Subscriber> = {
            let mut waiting = self.lock();
            let placed = waiting.subscribers.iter_mut().filter(|subscriber| subscriber.id <= id);
            placed.map(|subscriber| (subscriber.placed = true, subscriber.clone()).1).collect()
        };
        if all.is_empty() {
            // The answer to a call that nobody waits for any more.
            return;
        }
        match serde_json::from_value::<Snapshot>(snapshot) {
            Ok(snapshot) => {
                for subscriber in all {
                    self.tell(&subscriber, Update::Snapshot(Box::new(snapshot.clone()))).await;
                }
            }
            Err(error) => tracing::debug!(%error, "an answer of the engine means nothing to this version"),
        }
    }

    async fn tell(&self, subscriber: &Subscriber, update: Update) {
        if subscriber.updates.send(update).await.is_err() {
            self.lock().subscribers.retain(|other| other.id != subscriber.id);
        }
    }

    fn answer(&self, id: u64, answer: Result<Value, RpcError>) {
        if let Some(call) = self.lock().calls.remove(&id) {
            let _ = call.send(answer);
        }
    }

    fn end(&self) {
        self.closed.send_replace(true);
        *self.lock() = Waiting::default();
    }
}

/// Tells the engine that a call is needed no more, when nobody waits for it any longer.
struct CancelOnDrop<'a> {
    shared: &'a Shared,
    id: Option<u64>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.lock().calls.remove(&id);
            // When even this does not fit, the connection is stuck, and its end cancels the call.
            let _ = self.shared.outbox.try_send(json!({ "cancel": id }).to_string());
        }
    }
}
