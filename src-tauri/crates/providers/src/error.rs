//! Why a provider could not do what it was asked, in words for the person who asked.

use std::io;
use std::path::PathBuf;

use berth_model::{ErrorCode, RpcError};

/// A provider's failure. Nothing of a sandbox's files is lost by any of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// This computer cannot keep a sandbox apart from the person's files, so none was started.
    #[error("No sandbox was started: {reason}")]
    NoIsolation {
        /// What is missing or forbidden, as a sentence.
        reason: String,
        /// What to do about it.
        mend: String,
    },
    /// The program that runs in every sandbox is not where it should be.
    #[error("Berth's own program for sandboxes was not found. It should be {}.", looked_for.display())]
    NoSandboxd {
        /// Where it was looked for.
        looked_for: PathBuf,
    },
    /// What is no address of a machine.
    #[error("\"{address}\" is no address of a machine: {source}")]
    Address {
        /// What it is said to be.
        address: String,
        /// What is wrong with it.
        source: berth_ssh::BadAddress,
    },
    /// What the person's SSH configuration says of the machine cannot be used.
    #[error("{0}")]
    Reach(#[source] berth_ssh::SshError),
    /// An id that cannot name a folder.
    #[error("\"{0}\" is not the id of a sandbox.")]
    BadId(String),
    /// A folder that the sandbox's own user must pass through, and may not.
    #[error("Sandboxes run as a user of their own here, and that user may not pass through {}.", .0.display())]
    Barred(PathBuf),
    /// A path too long for a Unix socket.
    #[error("The folder for sockets has too long a name: {}", .0.display())]
    SocketPath(PathBuf),
    /// The operating system refused something.
    #[error("{doing} failed: {}", path.display())]
    Io {
        /// What was being done, as "Making the sandbox's folder".
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The sandbox ended before it was ready.
    #[error("The sandbox did not start: {reason}")]
    Start {
        /// What is known of it.
        reason: String,
        /// The last lines of its log.
        log: String,
    },
    /// Processes of the sandbox that would not end.
    #[error("The sandbox's processes could not be ended.")]
    Stuck {
        /// What the operating system said.
        source: io::Error,
    },
    /// A key that is not one.
    #[error("The key {} cannot be read.", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is written down about the sandbox cannot be understood.
    #[error("What Berth wrote down about the sandbox is damaged: {}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl ProviderError {
    /// What to do about it, where that is known.
    pub fn mend(&self) -> Option<String> {
        match self {
            Self::NoIsolation { mend, .. } => Some(mend.clone()),
            Self::NoSandboxd { .. } => {
                Some("Install Berth again, or set BERTH_SANDBOXD to where the program sandboxd is.".into())
            }
            Self::Barred(path) => Some(format!(
                "Keep Berth's data elsewhere by BERTH_DATA_DIR and BERTH_RUNTIME_DIR (/var/lib/berth and /run/berth \
                 for root), or let others pass: chmod o+x {}",
                path.display()
            )),
            Self::SocketPath(_) => Some("Set BERTH_RUNTIME_DIR to a folder with a short name.".into()),
            Self::Start { log, .. } if !log.is_empty() => Some(format!("Its last words were:\n{log}")),
            _ => None,
        }
    }
}

impl From<ProviderError> for RpcError {
    fn from(error: ProviderError) -> Self {
        let code = match error {
            ProviderError::NoIsolation { .. } => ErrorCode::NoIsolation,
            ProviderError::BadId(_) | ProviderError::Address { .. } => ErrorCode::BadRequest,
            _ => ErrorCode::Failed,
        };
        let rpc = Self::from_error(code, &error);
        match error.mend() {
            Some(mend) => rpc.hint(mend),
            None => rpc,
        }
    }
}

/// Gives an [`io::Error`] the sentence and the path that a person needs.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &std::path::Path) -> Result<T, ProviderError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &'static str, path: &std::path::Path) -> Result<T, ProviderError> {
        self.map_err(|source| ProviderError::Io { doing, path: path.to_owned(), source: source.into() })
    }
}
