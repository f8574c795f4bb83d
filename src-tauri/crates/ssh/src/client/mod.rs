//! The client half: one [`Session`] to one machine.

mod capture;
mod channel;
mod command;
mod connection;
mod error;
mod frame;
mod pool;
mod pty;
mod run;
mod session;
mod stop;
mod stream;
mod supervise;
mod target;
mod transfer;
mod worker;

pub use capture::Captured;
pub use error::SshError;
pub use pty::{Pty, PtyReader, PtyRequest, PtyWriter};
pub use session::{RunOptions, RunOutput, Session, SessionOptions, SessionState};
pub use stream::SshStream;
pub use target::{Endpoint, HostKeyCheck, Identity, SshTarget};
