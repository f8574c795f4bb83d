//! What can go wrong with a session.

use std::io;

/// What can go wrong with a session.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// There is no connection, and none could be made. Nothing was run.
    #[error("The machine cannot be reached: {reason}. Nothing was run.")]
    NotConnected {
        /// What the last try said.
        reason: String,
    },
    /// As much runs in the machine as may at once, and went on for as long as this one was to take.
    #[error("As much runs in the machine as may at once, and its time ran out before it could begin. Nothing was run.")]
    Busy {},
    /// The connection broke before success or failure was seen.
    #[error("The connection broke before the outcome was seen; it is not known whether the command ran.")]
    OutcomeUnknown {},
    /// The caller ended it.
    #[error("It was stopped.")]
    Cancelled {},
    /// Nothing answers there, in the machine.
    #[error("Nothing answers there in the machine.")]
    ForwardRefused {},
    /// The machine shows another key than it should.
    #[error("The machine shows the key {shown}, and not {expected} as it should. No command was sent to it.")]
    HostKey {
        /// The fingerprint that was expected.
        expected: String,
        /// The fingerprint that was shown.
        shown: String,
    },
    /// The machine does not let us in.
    #[error("The machine does not accept the key of this app.")]
    Refused,
    /// The machine has no shell that answers.
    #[error("The machine's shell does not answer as a shell does: {0}")]
    NoShell(String),
    /// A file could not be sent or fetched.
    #[error("The file was not transferred: {0}.")]
    Transfer(String),
    /// SSH itself failed.
    #[error("SSH failed")]
    Ssh(#[from] russh::Error),
    /// The socket failed.
    #[error("The connection failed")]
    Io(#[from] io::Error),
}
