//! What the engine tells its listeners.

use crate::{
    ActionId, Channel, ChannelId, Check, CheckOf, Entry, Forward, Machine, ProviderInfo, Question, RpcError, Transfer,
    TransferId, UnixMillis, wire,
};

wire! {
    /// Everything a new listener needs; events with a larger `seq` follow it.
    pub struct Snapshot {
        /// The number of the last event that is already in here.
        pub seq: u64,
        /// Marks one life of an engine: when it differs, sequence numbers start anew.
        pub engine: String,
        /// All channels, oldest first.
        pub channels: Vec<Channel>,
        /// What channels can be made on.
        pub providers: Vec<ProviderInfo>,
        /// The person's own machines, by name.
        pub machines: Vec<Machine>,
        /// What waits for a person's answer, oldest first.
        pub questions: Vec<Question>,
        /// Files and folders on their way, or lately, oldest first.
        pub transfers: Vec<Transfer>,
        /// Ports of sandboxes that are open on this computer, oldest first.
        pub forwards: Vec<Forward>,
        /// How the app looks.
        pub settings: Settings,
        /// Whether keys can be kept.
        pub keychain: Keychain,
        /// What a person should know before anything else, such as a database that did not pass its check.
        pub problems: Vec<RpcError>,
    }

    /// One change. On a gap in `seq`, take a new snapshot.
    pub struct Event {
        /// One more than the event's before it.
        pub seq: u64,
        /// When.
        pub at: UnixMillis,
        /// What.
        pub body: EventBody,
    }

    /// What changed.
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum EventBody {
        /// A channel is new or differs: state, steps, jobs, previews.
        Channel {
            /// As it is now.
            channel: Channel,
        },
        /// A channel is gone.
        ChannelRemoved {
            /// Which.
            id: ChannelId,
        },
        /// A timeline entry is new or differs.
        Entry {
            /// As it is now.
            entry: Entry,
        },
        /// A running action printed something.
        Output {
            /// Where.
            channel: ChannelId,
            /// Which.
            action: ActionId,
            /// What, at most 16 KiB an event; bytes that are not UTF-8 are replaced.
            text: String,
        },
        /// Files below these folders may have changed.
        Files {
            /// Where.
            channel: ChannelId,
            /// Absolute paths that were written, moved or deleted; empty where it is not known which.
            paths: Vec<String>,
        },
        /// It was found out what channels can be made on, and whether keys can be kept.
        Surroundings {
            /// What channels can be made on.
            providers: Vec<ProviderInfo>,
            /// Whether keys can be kept.
            keychain: Keychain,
        },
        /// The person's own machines differ.
        Machines {
            /// As they are now.
            machines: Vec<Machine>,
        },
        /// A check of a machine goes on.
        Checking {
            /// Of what.
            of: CheckOf,
            /// What was found so far, in the order it was looked at. What is found out later may change what stands here.
            checks: Vec<Check>,
        },
        /// What waits for a person's answer differs.
        Questions {
            /// As it is now.
            questions: Vec<Question>,
        },
        /// A transfer is new or differs.
        Transfer {
            /// As it is now.
            transfer: Transfer,
        },
        /// A transfer was dismissed.
        TransferRemoved {
            /// Which.
            id: TransferId,
        },
        /// The ports that are open on this computer differ.
        Forwards {
            /// As they are now.
            forwards: Vec<Forward>,
        },
        /// Settings differ.
        Settings {
            /// As they are now.
            settings: Settings,
        },
        /// Somebody started the app again, or asks to see a channel: come to the front.
        Focus {
            /// Which channel to show.
            channel: Option<ChannelId>,
            /// Which preview of it to show.
            port: Option<u16>,
        },
    }

    /// How the app looks and behaves.
    pub struct Settings {
        /// Light, dark, or as the system.
        pub theme: Theme,
        /// What the space is called.
        pub space_name: String,
    }

    /// Whether keys can be kept.
    #[serde(tag = "state", rename_all = "snake_case")]
    pub enum Keychain {
        /// The operating system's keychain works.
        Available,
        /// There is none: keys are kept until the app closes.
        Missing {
            /// Why, and what to do.
            reason: String,
        },
    }
}

/// Light, dark, or as the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the system.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Default for Settings {
    fn default() -> Self {
        Self { theme: Theme::System, space_name: "My space".to_owned() }
    }
}
