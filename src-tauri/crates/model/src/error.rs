//! The one error shape that reaches a person, a script or a model.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a caller can act on. A code exists only where some caller behaves differently because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request itself is wrong: an unknown command, a field missing, a value out of range.
    BadRequest,
    /// The channel, file, job or action does not exist.
    NotFound,
    /// The file changed since it was read, or the name is taken.
    Conflict,
    /// The sandbox is in a state in which this cannot be done.
    NotRunning,
    /// The caller, or its time limit, ended it.
    Cancelled,
    /// The connection broke before success or failure was seen; the outcome is not known.
    OutcomeUnknown,
    /// This computer cannot keep a sandbox apart from the person's files; nothing was started.
    NoIsolation,
    /// The operating system offers no keychain.
    NoKeychain,
    /// Anything else.
    Failed,
}

/// What happened, what was kept, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// What the caller may act on.
    pub code: ErrorCode,
    /// What happened and what was kept, in a sentence a person reads.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub hint: Option<String>,
    /// The chain of causes, outermost first, without the message itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

impl RpcError {
    /// An error with neither hint nor causes.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, causes: Vec::new() }
    }

    /// An error from a Rust error: its text is the message, its sources are the causes.
    pub fn from_error(code: ErrorCode, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { code, message: error.to_string(), hint: None, causes }
    }

    /// The same error with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
