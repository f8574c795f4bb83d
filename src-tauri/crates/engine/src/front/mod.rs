//! The doors through which others than the window reach an engine: a socket that speaks one JSON object a line, its
//! client, and the lock that says which process's engine owns a data folder.
//!
//! No command is known here but the few that keep the doors in order: `action.cancel`, so that a client that leaves
//! or gives up stops its command, and `engine.stop` and `app.focus` for a hand-over. [`connection`] holds the protocol.

pub mod client;
pub mod connection;
pub mod folders;
pub mod lock;
pub mod presence;
pub mod socket;
#[cfg(test)]
mod tests;
mod transport;
mod wire;

use berth_model::{Author, ChannelRef, RpcError, Snapshot, TerminalId};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::hub::Events;

/// What a front door needs of an engine; the tests of the protocol put another behind it.
pub(crate) trait Door: Clone + Send + Sync + 'static {
    /// Calls a command of the table.
    fn call(&self, author: &Author, name: &str, payload: Value)
    -> impl Future<Output = Result<Value, RpcError>> + Send;

    /// Where things stand, and everything that follows.
    fn subscribe(&self) -> (Snapshot, Events);

    /// Opens a terminal in a channel's sandbox.
    fn open_terminal(
        &self,
        channel: &ChannelRef,
        cols: u16,
        rows: u16,
    ) -> impl Future<Output = Result<Terminal, RpcError>> + Send;
}

/// How many pieces of output or input a terminal holds for a slow other side.
const TERMINAL_BACKLOG: usize = 256;

/// The viewer's end of a terminal. Dropping it closes the terminal.
#[derive(Debug)]
pub struct Terminal {
    /// Its id.
    pub id: TerminalId,
    /// What it prints, and last how it ended. The shell waits while nobody takes it.
    pub output: mpsc::Receiver<TerminalOutput>,
    /// What the viewer does.
    pub input: mpsc::Sender<TerminalInput>,
}

/// The machine's end of a terminal: whoever holds the pty serves it until `input` ends or the shell does.
#[derive(Debug)]
pub struct TerminalHost {
    /// Takes what the pty prints, and last how it ended.
    pub output: mpsc::Sender<TerminalOutput>,
    /// What the viewer does; ends when the terminal is closed.
    pub input: mpsc::Receiver<TerminalInput>,
}

impl Terminal {
    /// Both ends of a new terminal.
    pub fn pair() -> (Self, TerminalHost) {
        let (output_sender, output) = mpsc::channel(TERMINAL_BACKLOG);
        let (input, input_receiver) = mpsc::channel(TERMINAL_BACKLOG);
        let terminal = Self { id: TerminalId::fresh(), output, input };
        (terminal, TerminalHost { output: output_sender, input: input_receiver })
    }
}

/// What a terminal tells its viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalOutput {
    /// It printed.
    Data(Bytes),
    /// It ended, with its exit code where one is known. Nothing follows.
    Exit(Option<i32>),
}

/// What a viewer tells a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalInput {
    /// Typed.
    Write(Bytes),
    /// The window has a new size.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
}
