//! The records: their tables' reads and writes, a file for each.

mod audit;
mod channels;
mod entries;
mod jobs;
mod machines;
mod settings;

pub use channels::ChannelRecord;
pub(crate) use entries::last_seq;
pub use jobs::JobRecord;
