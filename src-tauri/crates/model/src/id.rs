//! Identifiers. Each is its own type, so that a job's id cannot be passed where a channel's is wanted.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
        #[serde(transparent)]
        #[ts(type = "string")]
        pub struct $name(pub String);

        impl $name {
            /// A new random id: 16 lower-case hexadecimal digits (64 bits), short enough for a Unix socket's path.
            pub fn fresh() -> Self {
                let mut text = uuid::Uuid::new_v4().simple().to_string();
                text.truncate(16);
                Self(text)
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}

ids! {
    /// A channel. Its sandbox carries the same id: a channel has exactly one home sandbox.
    ChannelId,
    /// One entry of a channel's timeline.
    EntryId,
    /// One action in a sandbox; also the key of its audit row.
    ActionId,
    /// A command that outlives the action that started it.
    JobId,
    /// An open terminal.
    TerminalId,
    /// A person's own machine.
    MachineId,
    /// Something that only a person can answer.
    QuestionId,
    /// Files and folders on their way.
    TransferId,
    /// A port of a sandbox that is open on this computer.
    ForwardId,
}

/// How a caller names a channel: by id or by its current name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct ChannelRef(pub String);

impl From<&ChannelId> for ChannelRef {
    fn from(id: &ChannelId) -> Self {
        Self(id.0.clone())
    }
}
