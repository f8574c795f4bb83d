//! Why an engine cannot open, and what callers are told of the errors of other crates.

use berth_model::{ErrorCode, RpcError};
use berth_ssh::SshError;
use berth_store::StoreError;
use berth_tools::{ErrorKind, ToolError};

/// Why an engine cannot open.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database cannot be opened.
    #[error("Berth's database cannot be opened.")]
    Store(#[from] StoreError),
    /// The preview gateway cannot listen.
    #[error("The preview gateway cannot listen on 127.0.0.1.")]
    Gateway(#[source] std::io::Error),
}

impl EngineError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Gateway(_) => None,
        }
    }
}

/// What a caller is told of a store's error.
pub(crate) fn store_error(error: StoreError) -> RpcError {
    let code = match &error {
        StoreError::NameTaken(_) | StoreError::MachineInUse(_) => ErrorCode::Conflict,
        StoreError::NoSuchChannel(_) => ErrorCode::NotFound,
        _ => ErrorCode::Failed,
    };
    RpcError::from_error(code, &error)
}

/// What a caller is told of a session's error.
pub(crate) fn ssh_error(error: SshError) -> RpcError {
    let code = match &error {
        SshError::Cancelled { .. } => ErrorCode::Cancelled,
        SshError::OutcomeUnknown { .. } => ErrorCode::OutcomeUnknown,
        _ => ErrorCode::Failed,
    };
    RpcError::from_error(code, &error)
}

/// What a caller is told of a tool's error.
pub(crate) fn tool_error(error: ToolError) -> RpcError {
    let code = match error.kind {
        ErrorKind::NotFound => ErrorCode::NotFound,
        ErrorKind::Conflict | ErrorKind::Exists => ErrorCode::Conflict,
        ErrorKind::BadRequest
        | ErrorKind::NoMatch
        | ErrorKind::IsFolder
        | ErrorKind::NotFolder
        | ErrorKind::TooLarge => ErrorCode::BadRequest,
        ErrorKind::PermissionDenied | ErrorKind::NoSpace | ErrorKind::Garbled | ErrorKind::Failed => ErrorCode::Failed,
    };
    RpcError { hint: error.hint, ..RpcError::new(code, error.message) }
}
