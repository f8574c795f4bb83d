//! The client half: one [`Session`] to one machine.

mod capture;
mod command;
mod connection;
mod error;
mod frame;
mod pty;
mod session;
mod target;
mod transfer;
mod worker;

pub use capture::Captured;
pub use error::SshError;
pub use pty::{Pty, PtyReader, PtyRequest, PtyWriter};
pub use session::{RunOptions, RunOutput, Session, SessionOptions, SessionState, SshStream};
pub use target::{Endpoint, HostKeyCheck, Identity, SshTarget};
