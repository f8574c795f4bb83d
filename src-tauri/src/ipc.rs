//! What the page can call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_engine::Engine;
use berth_engine::front::{Terminal, TerminalInput, TerminalOutput};
use berth_model::{Author, ChannelRef, ErrorCode, Event, RpcError, Snapshot, TerminalId};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use tauri::async_runtime::JoinHandle;
use tauri::ipc::{Channel, InvokeBody, InvokeResponseBody, Request};
use tauri::{State, Webview};
use tauri_plugin_opener::OpenerExt;
use tokio::sync::{Semaphore, mpsc};

use crate::window;

/// How many bytes a terminal may print that its page has not taken yet; then its programs wait.
const UNTAKEN: usize = 1024 * 1024;

/// What the commands below share.
pub struct Door {
    engine: Engine,
    pages: Pages,
}

/// What belongs to each webview's page.
type Pages = Arc<Mutex<HashMap<String, Page>>>;

/// What belongs to one page: a reload begins with a new one, and what the former had ends.
#[derive(Default)]
struct Page {
    _subscription: Option<Subscription>,
    terminals: HashMap<TerminalId, Shown>,
}

/// Ends when it is dropped.
struct Subscription(JoinHandle<()>);

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A terminal that a page shows. This alone holds the way in: dropping it closes the terminal.
struct Shown {
    input: mpsc::Sender<TerminalInput>,
    room: Arc<Semaphore>,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.room.close();
    }
}

impl Door {
    pub fn new(engine: Engine) -> Self {
        Self { engine, pages: Arc::default() }
    }

    fn pages(&self) -> MutexGuard<'_, HashMap<String, Page>> {
        lock(&self.pages)
    }

    async fn type_into(&self, page: &str, id: &TerminalId, input: TerminalInput) -> Result<(), RpcError> {
        let terminal = self.pages().get(page).and_then(|page| Some(page.terminals.get(id)?.input.clone()));
        let ended = || RpcError::new(ErrorCode::NotFound, "This terminal has ended.");
        terminal.ok_or_else(ended)?.send(input).await.map_err(|_| ended())
    }
}

fn lock(pages: &Mutex<HashMap<String, Page>>) -> MutexGuard<'_, HashMap<String, Page>> {
    // Every single change leaves the table whole.
    pages.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a listener is sent: first where things stand, then each change.
#[derive(Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    Snapshot(Box<Snapshot>),
    Event(Box<Event>),
}

/// Calls a command of the table.
#[tauri::command]
pub async fn rpc(door: State<'_, Door>, cmd: String, payload: Value) -> Result<Value, RpcError> {
    door.engine.call(&Author::Person, &cmd, payload).await
}

/// The page has drawn what a person can use: it says so once. A start is measured up to here.
#[tauri::command]
pub fn page_ready() {
    tracing::info!("the window is ready");
}

/// Sends a snapshot and every event after it; after a gap a new snapshot. A page listens once: what it, or the page that
/// was there before it, had open ends.
#[tauri::command]
pub fn subscribe(webview: Webview, door: State<'_, Door>, events: Channel<Feed>) {
    let engine = door.engine.clone();
    let subscription = tauri::async_runtime::spawn(async move {
        loop {
            let (snapshot, mut stream) = engine.subscribe();
            if events.send(Feed::Snapshot(Box::new(snapshot))).is_err() {
                return;
            }
            while let Some(event) = stream.next().await {
                if events.send(Feed::Event(Box::new(event))).is_err() {
                    return;
                }
            }
        }
    });
    let page = Page { _subscription: Some(Subscription(subscription)), terminals: HashMap::new() };
    let former = door.pages().insert(webview.label().to_owned(), page);
    drop(former);
}

/// Opens a terminal; its bytes go to `output`, and last `{"exit": code}`. The page says by `terminal_ack` how much it
/// took.
#[tauri::command]
pub async fn terminal_open(
    webview: Webview,
    door: State<'_, Door>,
    channel: ChannelRef,
    cols: u16,
    rows: u16,
    output: Channel<InvokeResponseBody>,
) -> Result<TerminalId, RpcError> {
    let page = webview.label().to_owned();
    let Terminal { id, output: mut printed, input } = door.engine.open_terminal(&channel, cols, rows).await?;
    let room = Arc::new(Semaphore::new(UNTAKEN));
    let shown = Shown { input, room: room.clone() };
    door.pages().entry(page.clone()).or_default().terminals.insert(id.clone(), shown);
    let (pages, key) = (door.pages.clone(), id.clone());
    tauri::async_runtime::spawn(async move {
        while let Some(told) = printed.recv().await {
            let message = match told {
                TerminalOutput::Data(bytes) => {
                    // While the page takes nothing, nothing more is read from the pty: its programs wait.
                    match room.acquire_many(room_for(bytes.len())).await {
                        Ok(taken) => taken.forget(),
                        // It was closed.
                        Err(_) => break,
                    }
                    InvokeResponseBody::Raw(bytes.to_vec())
                }
                TerminalOutput::Exit(code) => InvokeResponseBody::Json(json!({ "exit": code }).to_string()),
            };
            // The page may be gone; then so is the terminal.
            if output.send(message).is_err() {
                break;
            }
        }
        let ended = lock(&pages).get_mut(&page).and_then(|page| page.terminals.remove(&key));
        drop(ended);
    });
    Ok(id)
}

/// A piece may be larger than all the room there is: then it waits for all of it.
fn room_for(bytes: usize) -> u32 {
    u32::try_from(bytes.min(UNTAKEN)).unwrap_or(u32::MAX)
}

/// The page took so many bytes of what a terminal printed.
#[tauri::command]
pub fn terminal_ack(webview: Webview, door: State<'_, Door>, terminal: TerminalId, bytes: usize) {
    let pages = door.pages();
    let shown = pages.get(webview.label()).and_then(|page| page.terminals.get(&terminal));
    if let Some(Shown { room, .. }) = shown {
        room.add_permits(bytes.min(UNTAKEN - room.available_permits().min(UNTAKEN)));
    }
}

/// Types into a terminal: the raw body, with its id in the header `terminal`.
#[tauri::command]
pub async fn terminal_write(webview: Webview, door: State<'_, Door>, request: Request<'_>) -> Result<(), RpcError> {
    let id = request.headers().get("terminal").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let InvokeBody::Raw(bytes) = request.body() else {
        return Err(RpcError::new(ErrorCode::BadRequest, "A terminal is typed into with raw bytes."));
    };
    let bytes = Bytes::copy_from_slice(bytes);
    door.type_into(webview.label(), &TerminalId(id.to_owned()), TerminalInput::Write(bytes)).await
}

/// Tells a terminal its new size, in character cells.
#[tauri::command]
pub async fn terminal_resize(
    webview: Webview,
    door: State<'_, Door>,
    terminal: TerminalId,
    cols: u16,
    rows: u16,
) -> Result<(), RpcError> {
    door.type_into(webview.label(), &terminal, TerminalInput::Resize { cols, rows }).await
}

/// Ends a terminal: its programs are told that it is gone.
#[tauri::command]
pub fn terminal_close(webview: Webview, door: State<'_, Door>, terminal: TerminalId) {
    let closed = door.pages().get_mut(webview.label()).and_then(|page| page.terminals.remove(&terminal));
    drop(closed);
}

/// Opens an address in the system's browser: http and https only, whatever the page asks.
#[tauri::command]
pub fn open_external(app: tauri::AppHandle, url: String) -> Result<(), RpcError> {
    if !tauri::Url::parse(&url).is_ok_and(|url| window::is_web(&url)) {
        return Err(RpcError::new(ErrorCode::BadRequest, "Only web addresses can be opened in the browser."));
    }
    app.opener().open_url(url, None::<&str>).map_err(|error| RpcError::from_error(ErrorCode::Failed, &error))
}
