//! Files and folders on their way between this computer and a sandbox, and ports of a sandbox on this computer.

use crate::{ChannelId, ChannelRef, ForwardId, RpcError, TransferId, wire};

wire! {
    /// Files and folders to send into a sandbox.
    pub struct TransferUpload {
        /// Where to.
        pub channel: ChannelRef,
        /// Absolute paths on this computer.
        pub from: Vec<String>,
        /// A folder in the sandbox; relative ones start at the channel's folder.
        pub to: String,
    }

    /// Files and folders to fetch from a sandbox.
    pub struct TransferDownload {
        /// Where from.
        pub channel: ChannelRef,
        /// Paths in the sandbox; relative ones start at the channel's folder.
        pub from: Vec<String>,
        /// An absolute path of a folder on this computer.
        pub to: String,
        /// Files of the same names that are there are replaced, and folders filled up; without it nothing is fetched then.
        #[serde(default)]
        #[ts(as = "Option<bool>", optional)]
        pub replace: bool,
    }

    /// Names a transfer.
    pub struct TransferName {
        /// Which.
        pub transfer: TransferId,
    }

    /// All transfers of this engine's life that were not dismissed.
    pub struct TransferList {
        /// Oldest first.
        pub transfers: Vec<Transfer>,
    }

    /// Files and folders on their way.
    pub struct Transfer {
        /// Its id.
        pub id: TransferId,
        /// The channel whose sandbox it goes to or comes from.
        pub channel: ChannelId,
        /// Whether it goes into the sandbox.
        pub up: bool,
        /// What is sent, in a few words: a name, or "3 items".
        pub name: String,
        /// The folder it goes to.
        pub to: String,
        /// Bytes of content that have arrived.
        pub done: u64,
        /// Bytes of content in all, once that is known.
        pub total: Option<u64>,
        /// How it stands.
        pub status: TransferStatus,
    }

    /// How a transfer stands.
    #[serde(tag = "state", rename_all = "snake_case")]
    pub enum TransferStatus {
        /// On its way.
        Running,
        /// All of it has arrived.
        Done,
        /// It was stopped; what had arrived is kept, and it can go on from there.
        Stopped,
        /// It failed; what had arrived is kept, and it can go on from there.
        Failed {
            /// Why, and what to do.
            error: RpcError,
        },
    }

    /// A port to open on this computer.
    pub struct ForwardOpen {
        /// Whose.
        pub channel: ChannelRef,
        /// The port in the sandbox.
        pub port: u16,
        /// The host as the sandbox reaches it; the sandbox itself without it.
        #[serde(default)] #[ts(optional)]
        pub host: Option<String>,
        /// The port on this computer's 127.0.0.1; the same where it is free, else any, without it.
        #[serde(default)] #[ts(optional)]
        pub local_port: Option<u16>,
    }

    /// Names an open port.
    pub struct ForwardName {
        /// Which.
        pub forward: ForwardId,
    }

    /// A port of a sandbox that is open on this computer.
    pub struct Forward {
        /// Its id.
        pub id: ForwardId,
        /// The channel.
        pub channel: ChannelId,
        /// The host as the sandbox reaches it.
        pub host: String,
        /// The port there.
        pub port: u16,
        /// The port on this computer's 127.0.0.1.
        pub local_port: u16,
        /// Connections that stand now.
        pub connections: u32,
    }

    /// All ports that are open on this computer.
    pub struct ForwardList {
        /// Oldest first.
        pub forwards: Vec<Forward>,
    }
}
