//! Why an engine cannot open.

use berth_model::{ErrorCode, RpcError};
use berth_store::StoreError;

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
        StoreError::NameTaken(_) => ErrorCode::Conflict,
        StoreError::NoSuchChannel(_) => ErrorCode::NotFound,
        _ => ErrorCode::Failed,
    };
    RpcError::from_error(code, &error)
}
