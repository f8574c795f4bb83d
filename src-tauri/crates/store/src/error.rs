//! What can go wrong with the store.

use std::path::PathBuf;

use berth_model::{ChannelId, EntryId, ErrorCode, JobId, MachineId, RpcError};

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A folder or file of the store cannot be made, read or moved.
    #[error("{} cannot be used.", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A newer Berth wrote the database.
    #[error(
        "The database {} was written by a newer Berth (its format is {found}, this Berth knows {known} at most). \
         It was not touched.",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The format found.
        found: i64,
        /// The newest format this program knows.
        known: i64,
    },
    /// A migration failed.
    #[error("The database {} could not be brought to this Berth's format. It stands as it was.", path.display())]
    Migration {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite_migration::Error,
    },
    /// SQLite refused.
    #[error("The database could not do what was asked.")]
    Sqlite(#[source] rusqlite::Error),
    /// Another channel, or another machine, has the name.
    #[error("There is already one named {0:?}.")]
    NameTaken(String),
    /// A channel is on the machine.
    #[error("A channel is on this machine.")]
    MachineInUse(MachineId),
    /// No channel has the id.
    #[error("There is no channel {0}.")]
    NoSuchChannel(ChannelId),
    /// No timeline entry has the id.
    #[error("There is no timeline entry {0}.")]
    NoSuchEntry(EntryId),
    /// No job has the id.
    #[error("There is no job {0}.")]
    NoSuchJob(JobId),
    /// The store was closed.
    #[error("The database is closed.")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite(source)
    }
}

impl StoreError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NameTaken(_) => Some("Choose another name."),
            Self::MachineInUse(_) => Some("Destroy the channels on it first."),
            Self::Newer { .. } => {
                Some("Start the newer Berth, or choose another data folder by the variable BERTH_DATA_DIR.")
            }
            Self::File { .. } => Some("Check that the folder exists, is yours, and has space left."),
            Self::Migration { .. } => {
                Some("The copy made before the attempt is in the folder `backups` beside it. Please report this.")
            }
            _ => None,
        }
    }

    /// Whether the record's channel (or the record) is gone: what a late write of a finished action meets after its
    /// channel was destroyed.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::NoSuchChannel(_) | Self::NoSuchEntry(_) | Self::NoSuchJob(_))
    }
}

impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NameTaken(_) => ErrorCode::Conflict,
            error if error.is_gone() => ErrorCode::NotFound,
            _ => ErrorCode::Failed,
        };
        Self { hint: error.hint().map(str::to_owned), ..Self::from_error(code, &error) }
    }
}
