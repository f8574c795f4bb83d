//! One engine owns a data folder: a lock on `<data>/engine.lock` says that there is one, and `<data>/engine.json`
//! beside it says which, and where it listens.
//!
//! The note is a file of its own because a locked file cannot be read on Windows, and because it is replaced as a
//! whole. It may be stale; the lock never is. Only engines lock: a client that did so, even for a moment, could turn
//! an engine away.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::client::{CallError, Client};
use super::folders::Folders;

/// How long another engine may take to end, or to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is looked whether it did.
const POLL: Duration = Duration::from_millis(40);

/// What kind of process an engine runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Host {
    /// The app, with a window.
    App,
    /// `berthctl engine`: ends itself when nobody needs it, and when an app starts.
    Headless,
}

/// Who owns a data folder, as far as its note says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Where it listens.
    pub socket: PathBuf,
    /// What kind it is.
    pub host: Host,
}

/// The data folder is this process's, for as long as this lives.
#[derive(Debug)]
pub struct EngineLock {
    /// Closing it unlocks.
    _file: File,
    note: PathBuf,
}

/// Why a data folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another engine owns it.
    #[error("another engine owns this data folder{}", .0.as_ref().map(|holder| format!(" (process {})", holder.pid)).unwrap_or_default())]
    Held(Option<Holder>),
    /// Another engine owns it, and does not answer.
    #[error("another engine (process {}) owns this data folder and does not answer; end it, then try again", .holder.pid)]
    Stuck {
        /// Which.
        holder: Holder,
        /// What was heard of it last.
        #[source]
        source: Option<CallError>,
    },
    /// The lock cannot be used.
    #[error("{path} cannot be used as a lock", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What became of a wish to own a data folder.
#[derive(Debug)]
pub enum Claim {
    /// It is ours.
    Owned(EngineLock),
    /// An app has it, and came to the front instead.
    Focused,
}

impl EngineLock {
    /// Takes the data folder, if nobody has it.
    pub fn acquire(folders: &Folders, host: Host) -> Result<Self, LockError> {
        let path = folders.data.join("engine.lock");
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| LockError::Io { path, source }
        };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&folders.data))),
            Err(TryLockError::Error(source)) => return Err(LockError::Io { path, source }),
        }
        let note = note_path(&folders.data);
        let holder = Holder { pid: std::process::id(), socket: folders.socket(), host };
        let draft = note.with_extension("json.new");
        std::fs::write(&draft, json!(holder).to_string()).map_err(io(&draft))?;
        std::fs::rename(&draft, &note).map_err(io(&note))?;
        Ok(Self { _file: file, note })
    }
}

impl Drop for EngineLock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.note);
    }
}

/// Who owns the data folder, as far as its note says; it may have died since.
pub fn holder(data: &Path) -> Option<Holder> {
    serde_json::from_slice(&std::fs::read(note_path(data)).ok()?).ok()
}

/// Connects to the engine that owns the data folder, if one answers there now.
pub async fn connect(data: &Path) -> Option<Client> {
    Client::connect(&holder(data)?.socket).await.ok()
}

/// Takes the data folder for an app: an app that has it comes to the front instead, a headless engine is asked to end.
pub async fn claim_for_app(folders: &Folders) -> Result<Claim, LockError> {
    let deadline = Instant::now() + PATIENCE;
    let mut heard = None;
    loop {
        let held = match EngineLock::acquire(folders, Host::App) {
            Ok(lock) => return Ok(Claim::Owned(lock)),
            Err(LockError::Held(held)) => held,
            Err(error) => return Err(error),
        };
        if Instant::now() >= deadline {
            return Err(match held {
                Some(holder) => LockError::Stuck { holder, source: heard },
                None => LockError::Held(None),
            });
        }
        // It may be starting (no note, no socket yet) or ending: both pass.
        if let Some(holder) = held
            && let Ok(client) = Client::connect(&holder.socket).await
        {
            let command = if holder.host == Host::App { "app.focus" } else { "engine.stop" };
            match tokio::time::timeout_at(deadline, client.call(command, json!({}))).await {
                Ok(Ok(_)) if holder.host == Host::App => return Ok(Claim::Focused),
                Ok(Err(error)) => heard = Some(error),
                Ok(Ok(_)) | Err(_) => {}
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

fn note_path(data: &Path) -> PathBuf {
    data.join("engine.json")
}
