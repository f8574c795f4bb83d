//! Starts the engine, then the window; a second start brings the first one's window to the front.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use berth_engine::front::folders::Folders;
use berth_engine::front::lock::{Claim, Host, claim_for_app};
use berth_engine::front::presence::Presence;
use berth_engine::front::socket;
use berth_engine::{Engine, EngineConfig};
use berth_mcp::EngineTools;
use berth_mcp::http::HttpDoor;
use berth_model::EventBody;
use tauri::Manager;
use tracing_subscriber::EnvFilter;

use crate::ipc::{self, Door};
use crate::{failure, window};

/// Opens the app and returns when it was closed.
pub fn run() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("BERTH_LOG").unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(std::io::stderr)
        .init();
    match open() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&*error);
            // The log is for who started it in a terminal; most people did not.
            if let Err(error) = failure::show(context(), &*error) {
                tell(&error);
            }
            ExitCode::FAILURE
        }
    }
}

/// Before there is a window, the log is where a person can be told.
fn tell(error: &dyn Error) {
    tracing::error!("{error}");
    let mut source = error.source();
    while let Some(cause) = source {
        tracing::error!("because: {cause}");
        source = cause.source();
    }
}

fn open() -> Result<(), Box<dyn Error>> {
    let folders = Folders::from_env()?;
    folders.make()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    tauri::async_runtime::set(runtime.handle().clone());
    let lock = match runtime.block_on(claim_for_app(&folders))? {
        Claim::Owned(lock) => lock,
        // An app has this data folder already and has come to the front.
        Claim::Focused => return Ok(()),
    };
    let config = EngineConfig { folders: folders.clone(), host: Host::App };
    let engine = runtime.block_on(Engine::open(config))?;
    let presence = Presence::new();
    let listener = {
        let _inside = runtime.enter();
        socket::bind(&folders.socket())?
    };
    let socket = runtime.spawn(engine.serve(listener, presence.clone()));
    let http = runtime.spawn(serve_mcp(folders, engine.clone(), presence));
    let opener = engine.clone();
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_opener::init())
        .manage(Door::new(engine.clone()))
        .invoke_handler(tauri::generate_handler![
            ipc::rpc,
            ipc::page_ready,
            ipc::subscribe,
            ipc::terminal_open,
            ipc::terminal_write,
            ipc::terminal_ack,
            ipc::terminal_resize,
            ipc::terminal_close,
            ipc::open_external,
        ])
        .setup(|app| {
            window::open(app.handle())?;
            tauri::async_runtime::spawn(come_to_front(opener.clone(), app.handle().clone()));
            tauri::async_runtime::spawn(close_when_stopped(opener, app.handle().clone()));
            Ok(())
        })
        .build(context())?;
    app.run_return(|_, _| {});
    engine.stop();
    http.abort();
    runtime.block_on(async {
        // Whoever asked the app to end is told that it does.
        let _ = socket.await;
        let _ = http.await;
        engine.shutdown().await;
    });
    // Only now may another engine have the folder.
    drop(lock);
    Ok(())
}

/// The configuration and the page that were built in.
pub fn context() -> tauri::Context {
    tauri::generate_context!()
}

/// Serves MCP clients that come by HTTP. Without it the app is still of use, so a failure is told and no more.
async fn serve_mcp(folders: Folders, engine: Engine, presence: Presence) {
    let served = match HttpDoor::bind(&folders.runtime, folders.preferred_mcp_port()).await {
        Ok(door) => {
            engine.set_mcp_address(door.url(), door.token_file().to_owned());
            door.serve(Arc::new(EngineTools::new(engine, presence))).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tell(&error);
    }
}

/// Shows the window when somebody starts the app again or asks to see a channel.
async fn come_to_front(engine: Engine, app: tauri::AppHandle) {
    loop {
        let (_, mut events) = engine.subscribe();
        while let Some(event) = events.next().await {
            if let (EventBody::Focus { .. }, Some(window)) = (event.body, app.get_webview_window("main")) {
                let _ = window.unminimize();
                let _ = window.show();
                let _ = window.set_focus();
            }
        }
    }
}

async fn close_when_stopped(engine: Engine, app: tauri::AppHandle) {
    engine.stopped().await;
    app.exit(0);
}
