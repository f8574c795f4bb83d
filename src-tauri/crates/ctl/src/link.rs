//! The way to the engine that owns the data folder, whichever it is now: one is started where none runs, and another
//! that took over is found again.

use std::fs::OpenOptions;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use berth_engine::front::client::{CallError, Client};
use berth_engine::front::folders::Folders;
use berth_engine::front::lock;
use berth_model::{Author, ErrorCode, RpcError};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::engine;

/// How long an engine may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is looked whether it answers.
const POLL: Duration = Duration::from_millis(15);

/// A way to the engine. Clones share one connection.
#[derive(Debug, Clone)]
pub struct Link {
    folders: Arc<Folders>,
    client: Arc<Mutex<Option<Client>>>,
}

impl Link {
    /// A way to the engine of these folders; nothing happens until it is used.
    pub fn new(folders: Folders) -> Self {
        Self { folders: Arc::new(folders), client: Arc::default() }
    }

    /// A connection that stands.
    pub async fn client(&self) -> Result<Client, RpcError> {
        // Held while connecting: of several calls at once, one starts the engine and the others wait for it.
        let mut known = self.client.lock().await;
        if let Some(client) = known.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let client = connect_or_start(&self.folders).await?;
        *known = Some(client.clone());
        Ok(client)
    }

    /// Calls a command for somebody. Where the engine went away (an app took over from a headless one), it is given
    /// again to the next, unless it may have been carried out and must not be twice.
    pub async fn call_as(&self, author: &Author, name: &str, payload: Value) -> Result<Value, RpcError> {
        let first = self.client().await?.call_as(author, name, payload.clone()).await;
        match first {
            Err(CallError::NotSent) => {}
            Err(CallError::Lost) if only_looks(name) => {}
            other => return other.map_err(RpcError::from),
        }
        self.client().await?.call_as(author, name, payload).await.map_err(RpcError::from)
    }
}

/// Whether a command changes nothing, so that giving it twice is no different from giving it once.
fn only_looks(name: &str) -> bool {
    matches!(
        name,
        "app.snapshot"
            | "app.check"
            | "app.info"
            | "channel.list"
            | "channel.get"
            | "channel.loss"
            | "timeline.list"
            | "sandbox.ssh"
            | "action.read"
            | "action.glob"
            | "action.grep"
            | "action.list"
            | "action.stat"
            | "job.list"
            | "job.output"
            | "preview.list"
            | "preview.open"
            | "audit.list"
    )
}

async fn connect_or_start(folders: &Folders) -> Result<Client, RpcError> {
    if let Some(client) = lock::connect(&folders.data).await {
        return Ok(client);
    }
    folders.make().map_err(|error| RpcError::from_error(ErrorCode::Failed, &error))?;
    let deadline = Instant::now() + PATIENCE;
    let mut child = start(folders)?;
    loop {
        if let Some(client) = lock::connect(&folders.data).await {
            return Ok(client);
        }
        match child.try_wait() {
            // Another engine was faster, or is ending: both pass.
            Ok(Some(status)) if status.code() == Some(i32::from(engine::HELD)) => {
                tokio::time::sleep(POLL * 4).await;
                if Instant::now() < deadline {
                    child = start(folders)?;
                }
            }
            Ok(Some(status)) => return Err(not_started(folders, format!("It ended with {status}."))),
            Ok(None) | Err(_) => {}
        }
        if Instant::now() >= deadline {
            return Err(not_started(folders, format!("It did not answer within {} s.", PATIENCE.as_secs())));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Starts `berthctl engine` so that it outlives this process and its terminal.
fn start(folders: &Folders) -> Result<Child, RpcError> {
    let failed = |error: io::Error| {
        let mut told = RpcError::from_error(ErrorCode::Failed, &error);
        told.causes.insert(0, told.message);
        RpcError { message: "The engine could not be started.".to_owned(), ..told }
    };
    let log = engine::log_file(&folders.data);
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let log = OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
    Command::new(std::env::current_exe().map_err(failed)?)
        .args(["engine", "--detached"])
        .env("BERTH_DATA_DIR", &folders.data)
        .env("BERTH_RUNTIME_DIR", &folders.runtime)
        // It must not keep the folder busy that this was called from.
        .current_dir(&folders.data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(failed)
}

fn not_started(folders: &Folders, why: String) -> RpcError {
    let log = engine::log_file(&folders.data);
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let last: Vec<&str> = text.lines().rev().take(5).collect();
    let mut error = RpcError::new(ErrorCode::Failed, "The engine could not be started.")
        .hint(format!("Its log is {}.", log.display()));
    error.causes.push(why);
    error.causes.extend(last.into_iter().rev().map(str::to_owned));
    error
}
