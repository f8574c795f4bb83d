//! Berth's window: a front door to the engine, without logic of its own.
//!
//! The page calls the engine's table of commands by [`ipc::rpc`], listens by [`ipc::subscribe`], and has raw bytes for
//! terminals. Previews are frames of other origins: Tauri gives them no IPC.

mod failure;
mod host;
mod ipc;
mod window;

pub use host::run;
