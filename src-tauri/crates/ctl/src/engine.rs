//! The engine without a window: for computers that have none, and for `berthctl` while no app runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use berth_engine::front::folders::Folders;
use berth_engine::front::lock::{EngineLock, Host, LockError};
use berth_engine::front::presence::Presence;
use berth_engine::front::socket;
use berth_engine::{Engine, EngineConfig};
use berth_mcp::EngineTools;
use berth_mcp::http::{HttpDoor, Sessions};
use tracing_subscriber::EnvFilter;

use crate::Failure;

/// The exit code when another engine owns the data folder; `EX_TEMPFAIL` of sysexits.
pub const HELD: u8 = 75;

/// A log larger than this is begun anew.
const LOG: u64 = 4 * 1024 * 1024;

/// Where an engine that has no terminal logs.
pub fn log_file(data: &Path) -> PathBuf {
    data.join("logs").join("headless.log")
}

/// Runs until it is asked to end, or nobody needed it for `idle`.
pub fn run(folders: &Folders, idle: Duration, detached: bool) -> Result<(), Failure> {
    if detached {
        leave_terminal(folders);
    }
    let filter = EnvFilter::try_from_env("BERTH_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(!detached).with_writer(io::stderr).init();
    folders.make().map_err(other)?;
    let lock = EngineLock::acquire(folders, Host::Headless).map_err(|error| match error {
        LockError::Held(_) => Failure::Held(error),
        error => other(error),
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(serve(folders, idle));
    // Only now may another engine have the folder.
    drop(lock);
    served
}

async fn serve(folders: &Folders, idle: Duration) -> Result<(), Failure> {
    let config = EngineConfig { folders: folders.clone(), host: Host::Headless };
    let engine = Engine::open(config).await.map_err(other)?;
    let presence = Presence::new();
    let listener = socket::bind(&folders.socket()).map_err(other)?;
    let http = HttpDoor::bind(&folders.runtime, folders.preferred_mcp_port()).await.map_err(other)?;
    engine.set_mcp_address(http.url(), http.token_file().to_owned());
    let mut clients = tokio::spawn(engine.serve(listener, presence.clone()));
    let tools = Arc::new(EngineTools::new(engine.clone(), presence.clone()));
    let sessions = http.sessions();
    let served = tokio::select! {
        served = http.serve(tools) => served.map_err(other),
        () = engine.stopped() => Ok(()),
        () = unneeded(&engine, &presence, &sessions, idle) => {
            tracing::info!("nobody needs this engine");
            Ok(())
        }
        () = told_to_end() => Ok(()),
    };
    engine.stop();
    // Whoever asked it to end is told that it does.
    if let Err(error) = (&mut clients).await {
        tracing::error!(%error, "the socket's task panicked");
    }
    engine.shutdown().await;
    served
}

async fn unneeded(engine: &Engine, presence: &Presence, sessions: &Sessions, idle: Duration) {
    loop {
        presence.absent_for(idle).await;
        if !engine.is_busy() && sessions.live().await == 0 {
            return;
        }
    }
}

#[cfg(unix)]
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn told_to_end() {
    drop(tokio::signal::ctrl_c().await);
}

/// A session of its own: closing the terminal it was started from does not end it.
fn leave_terminal(folders: &Folders) {
    #[cfg(unix)]
    // It fails only for a process that leads its group already, which then has no terminal to leave.
    let _ = nix::unistd::setsid();
    let log = log_file(&folders.data);
    if std::fs::metadata(&log).is_ok_and(|found| found.len() > LOG) {
        // Opened for appending by who started this, so what follows starts at its new beginning.
        let _ = std::fs::File::create(&log);
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Other(error.into())
}
