//! What the page can call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use berth_engine::Engine;
use berth_engine::front::{Terminal, TerminalInput, TerminalOutput};
use berth_model::{Author, ChannelRef, ErrorCode, Event, RpcError, Snapshot, TerminalId};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use tauri::State;
use tauri::ipc::{Channel, InvokeBody, InvokeResponseBody, Request};
use tauri_plugin_opener::OpenerExt;
use tokio::sync::mpsc;

/// What the commands below share.
pub struct Door {
    engine: Engine,
    terminals: Arc<Mutex<HashMap<TerminalId, mpsc::Sender<TerminalInput>>>>,
}

impl Door {
    pub fn new(engine: Engine) -> Self {
        Self { engine, terminals: Arc::default() }
    }

    async fn type_into(&self, id: &TerminalId, input: TerminalInput) -> Result<(), RpcError> {
        let terminal = self.terminals.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let ended = || RpcError::new(ErrorCode::NotFound, "This terminal has ended.");
        terminal.ok_or_else(ended)?.send(input).await.map_err(|_| ended())
    }
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

/// Sends a snapshot and every event after it; after a gap a new snapshot. Ends when the page is gone.
#[tauri::command]
pub fn subscribe(door: State<'_, Door>, events: Channel<Feed>) {
    let engine = door.engine.clone();
    tauri::async_runtime::spawn(async move {
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
}

/// Opens a terminal; its bytes go to `output`, and last `{"exit": code}`.
#[tauri::command]
pub async fn terminal_open(
    door: State<'_, Door>,
    channel: ChannelRef,
    cols: u16,
    rows: u16,
    output: Channel<InvokeResponseBody>,
) -> Result<TerminalId, RpcError> {
    let Terminal { id, output: mut printed, input } = door.engine.open_terminal(&channel, cols, rows).await?;
    let terminals = door.terminals.clone();
    // The map alone holds the way in: taking it out of there closes the terminal.
    terminals.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), input);
    let key = id.clone();
    tauri::async_runtime::spawn(async move {
        while let Some(told) = printed.recv().await {
            let message = match told {
                TerminalOutput::Data(bytes) => InvokeResponseBody::Raw(bytes.to_vec()),
                TerminalOutput::Exit(code) => InvokeResponseBody::Json(json!({ "exit": code }).to_string()),
            };
            // The page may be gone; then so is the terminal.
            if output.send(message).is_err() {
                break;
            }
        }
        terminals.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    });
    Ok(id)
}

/// Types into a terminal: the raw body, with its id in the header `terminal`.
#[tauri::command]
pub async fn terminal_write(door: State<'_, Door>, request: Request<'_>) -> Result<(), RpcError> {
    let id = request.headers().get("terminal").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let InvokeBody::Raw(bytes) = request.body() else {
        return Err(RpcError::new(ErrorCode::BadRequest, "A terminal is typed into with raw bytes."));
    };
    let bytes = Bytes::copy_from_slice(bytes);
    door.type_into(&TerminalId(id.to_owned()), TerminalInput::Write(bytes)).await
}

/// Tells a terminal its new size, in character cells.
#[tauri::command]
pub async fn terminal_resize(
    door: State<'_, Door>,
    terminal: TerminalId,
    cols: u16,
    rows: u16,
) -> Result<(), RpcError> {
    door.type_into(&terminal, TerminalInput::Resize { cols, rows }).await
}

/// Ends a terminal: its programs are told that it is gone.
#[tauri::command]
pub fn terminal_close(door: State<'_, Door>, terminal: TerminalId) {
    door.terminals.lock().unwrap_or_else(PoisonError::into_inner).remove(&terminal);
}

/// Opens an address in the system's browser: http and https only, whatever the page asks.
#[tauri::command]
pub fn open_external(app: tauri::AppHandle, url: String) -> Result<(), RpcError> {
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err(RpcError::new(ErrorCode::BadRequest, "Only web addresses can be opened in the browser."));
    }
    app.opener().open_url(url, None::<&str>).map_err(|error| RpcError::from_error(ErrorCode::Failed, &error))
}
