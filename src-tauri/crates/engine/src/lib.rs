//! The engine: the one stateful crate. It owns every long-lived thing: channels with their sandboxes, sessions, jobs
//! and previews. Front doors (the window, the socket, MCP) call [`Engine::call`] and listen by [`Engine::subscribe`];
//! they hold no logic.
//!
//! Where to start reading: [`Engine::open`] brings everything up; `commands` answers the table of `berth-model`;
//! `channel::driver` is the life of one sandbox; `actions` is what happens when something is done in it.
//!
//! What runs the engine gives boxed futures: an `async fn` is compiled where it is awaited, and all of the engine would
//! be, again in each program.
//!
//! Deliberately not here: SQL (`berth-store`), shell (`berth-tools`), SSH (`berth-ssh`), namespaces
//! (`berth-providers`), and anything of Tauri.

mod actions;
mod asker;
mod channel;
pub mod check;
mod checks;
mod commands;
mod engine;
mod error;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on stops, and says what it played")]
mod faults;
mod forwards;
pub mod front;
pub mod gateway;
mod hub;
mod jobs;
pub mod kept;
mod live;
mod machines;
mod openssh;
mod questions;
mod reply;
mod scripts;
mod starts;
mod tasks;
mod terminals;
mod transfers;
mod world;

pub use engine::{Engine, EngineConfig};
pub use error::EngineError;
pub use hub::Events;
