//! One client and the protocol it speaks: a JSON object a message, a line over the socket.
//!
//! ```text
//! → {"hello":{"author":{"kind":"agent","name":"…"}}}      who asks from now on; a script without it
//! → {"id":1,"call":"channel.list","payload":{}}           ← {"id":1,"ok":…} or {"id":1,"error":{code,message,…}}
//! → {"cancel":1}                                          that call is needed no more; it is still answered
//! → {"id":2,"subscribe":true}                             ← {"id":2,"ok":Snapshot}, then {"event":Event} …
//! → {"id":3,"terminal":{"open":{"channel":"x","cols":80,"rows":24}}}   ← {"id":3,"ok":{"terminal":"t"}}
//! → {"terminal":"t","write":"<Base64>"}                   ← {"terminal":"t","data":"<Base64>"}
//! → {"terminal":"t","resize":[100,30]}                    ← {"terminal":"t","exit":0}   nothing follows
//! → {"terminal":"t","close":true}
//! ```
//!
//! Calls of one client run at the same time and are answered as they end. A subscriber that missed events is sent
//! `{"id":2,"ok":Snapshot}` again and starts anew from it. A second `subscribe` takes the place of the first.
//!
//! A client that leaves is a person who pressed Ctrl-C: the command of a foreground `action.run` is stopped and its
//! terminals close. Other calls are short and are let finish, but not waited for beyond [`GRACE`].
//!
//! Memory is bounded by not reading on: a client that takes no answers stops being read, and one that takes nothing
//! for [`PATIENCE`] is disconnected.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

use berth_model::{ActionId, Author, ErrorCode, RpcError, TerminalId};
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::wire::{self, ClientMessage, ServerMessage, Unreadable};
use super::{Door, Terminal, TerminalInput, TerminalOutput};

/// How long a client may take nothing while something waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a call may go on after its cancellation, or after its client left.
const GRACE: Duration = Duration::from_secs(10);

/// How long calls may go on by themselves when the engine ends.
const FINISH: Duration = Duration::from_secs(3);

/// How many messages wait for a slow client.
const OUTBOX: usize = 256;

/// How many calls one client may have running.
const CALLS: usize = 256;

/// How many terminals one client may have open.
const TERMINALS: usize = 64;

/// Serves one client until it leaves, or until `closing`: then what it asked for may end, for a while, and is answered.
/// `author` is who it is until it says otherwise.
pub(crate) async fn serve<D, E>(
    door: D,
    author: Author,
    incoming: impl Stream<Item = Result<String, E>> + Send,
    outgoing: impl Sink<String> + Send + 'static,
    closing: CancellationToken,
) where
    D: Door,
    E: Display,
{
    let (outbox, lines) = mpsc::channel(OUTBOX);
    let mut writer = JoinSet::new();
    writer.spawn(write(lines, outgoing));
    let mut connection = Connection {
        door,
        known_as: author.clone(),
        author,
        outbox,
        running: HashMap::new(),
        calls: JoinSet::new(),
        opening: JoinSet::new(),
        terminals: HashMap::new(),
        streams: JoinSet::new(),
        subscription: None,
    };
    let mut incoming = std::pin::pin!(incoming);
    loop {
        tokio::select! {
            line = incoming.next() => match line {
                Some(Ok(line)) if line.trim().is_empty() => {}
                Some(Ok(line)) => connection.read(&line).await,
                Some(Err(error)) => {
                    // Where the next line begins is not known for certain, so nothing more is read.
                    let error = RpcError::new(ErrorCode::BadRequest, format!("The line cannot be read: {error}."));
                    connection.say(ServerMessage::Error { id: None, error }).await;
                    break;
                }
                None => break,
            },
            Some(ended) = connection.calls.join_next() => connection.call_ended(ended.ok()),
            Some(ended) = connection.streams.join_next() => connection.stream_ended(ended.ok().flatten()),
            Some(opened) = connection.opening.join_next() => connection.opened(opened.ok()).await,
            _ = writer.join_next() => break,
            () = closing.cancelled() => {
                connection.finish(FINISH).await;
                break;
            }
        }
    }
    connection.leave().await;
    // What was said last must still arrive.
    while writer.join_next().await.is_some() {}
}

/// Writes until nobody has anything to say, or the client takes nothing.
async fn write(mut lines: mpsc::Receiver<String>, outgoing: impl Sink<String>) {
    let mut outgoing = std::pin::pin!(outgoing);
    while let Some(line) = lines.recv().await {
        match tokio::time::timeout(PATIENCE, outgoing.send(line)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => {
                tracing::warn!("a client took nothing for {} s and was disconnected", PATIENCE.as_secs());
                return;
            }
        }
    }
    let _ = tokio::time::timeout(GRACE, outgoing.close()).await;
}

struct Connection<D> {
    door: D,
    /// Who this door's clients are until they say otherwise.
    known_as: Author,
    author: Author,
    outbox: mpsc::Sender<String>,
    running: HashMap<u64, Running>,
    calls: JoinSet<u64>,
    /// Terminals on their way: opening one may wake a sandbox.
    opening: JoinSet<(u64, Result<Terminal, RpcError>)>,
    terminals: HashMap<TerminalId, mpsc::Sender<TerminalInput>>,
    /// The subscription and the terminals' outputs; a terminal says which ended.
    streams: JoinSet<Option<TerminalId>>,
    subscription: Option<AbortHandle>,
}

/// A call that goes on.
struct Running {
    cancel: CancellationToken,
    /// Whether it ends with its client.
    stops_with_client: bool,
}

impl<D: Door> Connection<D> {
    async fn say(&self, message: ServerMessage) {
        // A writer that has ended is noticed by the loop.
        let _ = self.outbox.send(message.to_line()).await;
    }

    async fn refuse(&self, id: u64, code: ErrorCode, message: &str) {
        self.say(ServerMessage::Error { id: Some(id), error: RpcError::new(code, message) }).await;
    }

    async fn read(&mut self, line: &str) {
        match wire::parse(line) {
            Err(Unreadable { id, error }) => self.say(ServerMessage::Error { id, error }).await,
            Ok(ClientMessage::Hello(author)) => self.hello(author).await,
            Ok(ClientMessage::Call { id, name, payload }) => self.call(id, name, payload).await,
            Ok(ClientMessage::Subscribe { id }) => self.subscribe(id).await,
            Ok(ClientMessage::OpenTerminal { id, channel, cols, rows }) => {
                if !self.may_start(id).await {
                    return;
                }
                if self.terminals.len() + self.opening.len() >= TERMINALS {
                    return self.refuse(id, ErrorCode::Failed, "Too many terminals are open; close one.").await;
                }
                let cancel = CancellationToken::new();
                self.running.insert(id, Running { cancel: cancel.clone(), stops_with_client: true });
                let door = self.door.clone();
                self.opening.spawn(async move {
                    tokio::select! {
                        opened = door.open_terminal(&channel, cols, rows) => (id, opened),
                        () = cancel.cancelled() => {
                            (id, Err(RpcError::new(ErrorCode::Cancelled, "No terminal was opened: it was cancelled.")))
                        }
                    }
                });
            }
            Ok(ClientMessage::Terminal { terminal, input }) => self.terminal_input(terminal, input).await,
            Ok(ClientMessage::CloseTerminal(terminal)) => drop(self.terminals.remove(&terminal)),
            Ok(ClientMessage::Cancel(id)) => {
                if let Some(running) = self.running.get(&id) {
                    running.cancel.cancel();
                }
            }
        }
    }

    /// The audit log keeps the names of the person and of the app for doors where nobody else can be.
    async fn hello(&mut self, author: Author) {
        if matches!(author, Author::Agent { .. } | Author::Script) || author == self.known_as {
            self.author = author;
            return;
        }
        let error = RpcError::new(ErrorCode::BadRequest, "`hello`: an author here is an agent or a script.");
        self.say(ServerMessage::Error { id: None, error }).await;
    }

    async fn may_start(&self, id: u64) -> bool {
        if self.running.contains_key(&id) {
            self.refuse(id, ErrorCode::BadRequest, "A call with this id is still running.").await;
            return false;
        }
        if self.running.len() >= CALLS {
            self.refuse(id, ErrorCode::Failed, "Too many calls of this client are running; wait for one.").await;
            return false;
        }
        true
    }

    async fn call(&mut self, id: u64, name: String, mut payload: Value) {
        if !self.may_start(id).await {
            return;
        }
        let stop = stop_of(&name, &mut payload);
        let cancel = CancellationToken::new();
        self.running.insert(id, Running { cancel: cancel.clone(), stops_with_client: stop.is_some() });
        let (door, author, outbox) = (self.door.clone(), self.author.clone(), self.outbox.clone());
        self.calls.spawn(async move {
            let message = match call(&door, &author, &name, payload, stop, cancel).await {
                Ok(ok) => ServerMessage::Ok { id, ok },
                Err(error) => ServerMessage::Error { id: Some(id), error },
            };
            let _ = outbox.send(message.to_line()).await;
            id
        });
    }

    fn call_ended(&mut self, id: Option<u64>) {
        match id {
            Some(id) => drop(self.running.remove(&id)),
            // Which one is not known; that it took its engine's task with it is a fault worth a line.
            None => tracing::error!("a call of a client panicked"),
        }
    }

    async fn opened(&mut self, opened: Option<(u64, Result<Terminal, RpcError>)>) {
        let Some((id, opened)) = opened else { return tracing::error!("opening a client's terminal panicked") };
        self.running.remove(&id);
        match opened {
            Ok(terminal) => self.show(id, terminal).await,
            Err(error) => self.say(ServerMessage::Error { id: Some(id), error }).await,
        }
    }

    /// Lets calls end by themselves and be answered, for so long.
    async fn finish(&mut self, patience: Duration) {
        let finish = async {
            while let Some(ended) = self.calls.join_next().await {
                if let Ok(id) = ended {
                    self.running.remove(&id);
                }
            }
        };
        let _ = tokio::time::timeout(patience, finish).await;
    }

    async fn subscribe(&mut self, id: u64) {
        if !self.may_start(id).await {
            return;
        }
        let (door, outbox) = (self.door.clone(), self.outbox.clone());
        let subscription = self.streams.spawn(async move {
            loop {
                let (snapshot, mut events) = door.subscribe();
                let snapshot = serde_json::to_value(&snapshot).unwrap_or_default();
                if outbox.send(ServerMessage::Ok { id, ok: snapshot }.to_line()).await.is_err() {
                    return None;
                }
                while let Some(event) = events.next().await {
                    if outbox.send(ServerMessage::Event { event: Box::new(event) }.to_line()).await.is_err() {
                        return None;
                    }
                }
                // Events were lost, or the engine is ending: in that case so does this connection, before long.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        if let Some(earlier) = self.subscription.replace(subscription) {
            earlier.abort();
        }
    }

    async fn show(&mut self, id: u64, terminal: Terminal) {
        let Terminal { id: terminal, mut output, input } = terminal;
        self.say(ServerMessage::Ok { id, ok: json!({ "terminal": terminal }) }).await;
        self.terminals.insert(terminal.clone(), input);
        let outbox = self.outbox.clone();
        self.streams.spawn(async move {
            while let Some(output) = output.recv().await {
                let message = match output {
                    TerminalOutput::Data(data) => {
                        ServerMessage::Data { terminal: terminal.clone(), data: wire::encode(&data) }
                    }
                    TerminalOutput::Exit(exit) => {
                        let message = ServerMessage::Exit { terminal: terminal.clone(), exit };
                        let _ = outbox.send(message.to_line()).await;
                        return Some(terminal);
                    }
                };
                if outbox.send(message.to_line()).await.is_err() {
                    return Some(terminal);
                }
            }
            // Its other end went without a word.
            let _ = outbox.send(ServerMessage::Exit { terminal: terminal.clone(), exit: None }.to_line()).await;
            Some(terminal)
        });
    }

    fn stream_ended(&mut self, terminal: Option<TerminalId>) {
        if let Some(terminal) = terminal {
            self.terminals.remove(&terminal);
        }
    }

    async fn terminal_input(&mut self, terminal: TerminalId, input: TerminalInput) {
        let Some(sender) = self.terminals.get(&terminal) else {
            let error = RpcError::new(ErrorCode::NotFound, format!("No terminal {terminal} is open."));
            return self.say(ServerMessage::Error { id: None, error }).await;
        };
        // A program that reads nothing must not stop this client's other calls, nor pile up what is typed.
        if let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(input) {
            self.terminals.remove(&terminal);
            let error = RpcError::new(ErrorCode::Failed, format!("Terminal {terminal} takes no input; it was closed."));
            self.say(ServerMessage::Error { id: None, error }).await;
        }
    }

    async fn leave(mut self) {
        self.terminals.clear();
        self.opening.shutdown().await;
        self.streams.shutdown().await;
        for running in self.running.values().filter(|running| running.stops_with_client) {
            running.cancel.cancel();
        }
        let finish = async { while self.calls.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            tracing::info!("calls of a client that left were abandoned");
        }
    }
}

/// Calls a command; when it is cancelled, stops what it runs and still waits for what it says.
async fn call<D: Door>(
    door: &D,
    author: &Author,
    name: &str,
    payload: Value,
    stop: Option<Value>,
    cancel: CancellationToken,
) -> Result<Value, RpcError> {
    let cancelled = || RpcError::new(ErrorCode::Cancelled, format!("{name} was cancelled by its caller."));
    let mut answer = std::pin::pin!(door.call(author, name, payload));
    tokio::select! {
        answer = &mut answer => return answer,
        () = cancel.cancelled() => {}
    }
    let Some(stop) = stop else { return Err(cancelled()) };
    let stopping = async {
        // The action may not have begun when its cancellation comes.
        while door.call(author, "action.cancel", stop.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        answer = &mut answer => answer,
        () = tokio::time::sleep(GRACE) => Err(cancelled()),
        never = stopping => match never {},
    }
}

/// What stops this call's command: only a foreground `action.run` has one, and it is given an id to be named by.
fn stop_of(name: &str, payload: &mut Value) -> Option<Value> {
    if name != "action.run" || payload.get("background").and_then(Value::as_bool).unwrap_or(false) {
        return None;
    }
    let channel = payload.get("channel")?.clone();
    let payload = payload.as_object_mut()?;
    let id = payload.entry("id").or_insert(Value::Null);
    if id.is_null() {
        *id = Value::String(ActionId::fresh().0);
    }
    Some(json!({ "channel": channel, "action": id }))
}
