//! One authenticated SSH session to one machine, and the embedded SSH server.

#[cfg(feature = "client")]
mod client;
mod read_ahead;
#[cfg(feature = "server")]
pub mod server;
#[cfg(unix)]
pub mod stdio;

#[cfg(feature = "client")]
pub use client::*;
