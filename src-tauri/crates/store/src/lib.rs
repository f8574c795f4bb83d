//! What Berth keeps: records in SQLite, secrets in the operating system's keychain.
//!
//! [`Store`] is the truth of the app: channels, their timelines, the audit log, jobs and settings. It knows how its
//! file is checked, backed up, migrated and replaced when it is damaged; nothing it finds is ever deleted.
//! [`Keychain`] keeps what must not be in a database; [`Secret`] carries it without showing it.
//!
//! Deliberately not here: what records mean. No state machine, no event, no path of a sandbox: the engine decides, this
//! crate remembers. Nor does it guard against a second process: whoever opens a store owns its data folder.

mod backup;
mod error;
mod file;
mod json;
mod keychain;
mod open;
mod records;
mod schema;
mod secret;
mod store;

pub use error::StoreError;
pub use keychain::{Keychain, KeychainError};
pub use records::{ChannelRecord, JobRecord};
pub use secret::Secret;
pub use store::Store;
