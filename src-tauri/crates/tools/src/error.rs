//! Why an action failed, in words for people.

/// What a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The path, or the job, does not exist.
    NotFound,
    /// The file has changed since the caller read it.
    Conflict,
    /// The text to replace is not in the file, or not there exactly once.
    NoMatch,
    /// A file is wanted, and it is a folder; or a folder is full and nobody said to delete what is in it.
    IsFolder,
    /// A folder is wanted, and it is none.
    NotFolder,
    /// The name is taken.
    Exists,
    /// The sandbox's user may not do that.
    PermissionDenied,
    /// The disk or the quota is full.
    NoSpace,
    /// More than this action handles at once.
    TooLarge,
    /// The request itself is wrong.
    BadRequest,
    /// The machine's reply made no sense.
    Garbled,
    /// Anything else.
    Failed,
}

/// What happened, what was kept, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ToolError {
    /// What a caller can act on.
    pub kind: ErrorKind,
    /// What happened and what was kept.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ToolError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The request itself is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, message)
    }

    /// The machine's reply made no sense.
    pub(crate) fn garbled(what: &str) -> Self {
        Self::new(ErrorKind::Garbled, format!("The sandbox answered with something that makes no sense: {what}."))
            .hint("Whether the action was done is not known. Look before trying again.")
    }

    /// The same error with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
