//! A channel's timeline.

use crate::{ActionId, ChannelId, EntryId, ErrorCode, JobId, RpcError, UnixMillis, wire};

wire! {
    /// Who did something.
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum Author {
        /// The person at this app.
        Person,
        /// An agent: an MCP client, by the name it gave.
        Agent {
            /// Such as "claude-code". Hostile text: shown, never interpreted.
            name: String,
        },
        /// A script, by `berthctl call`.
        Script,
        /// The app itself.
        Berth,
    }

    /// One entry of a timeline.
    pub struct Entry {
        /// Its id.
        pub id: EntryId,
        /// The channel it is in.
        pub channel: ChannelId,
        /// When it was made; the order of a timeline is that of `seq`.
        pub at: UnixMillis,
        /// Its place in the timeline: larger is later.
        pub seq: u64,
        /// Who made it.
        pub author: Author,
        /// What it is.
        pub body: EntryBody,
    }

    /// What an entry is.
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum EntryBody {
        /// Somebody said something.
        Message {
            /// Plain text.
            text: String,
        },
        /// Something was done in the sandbox.
        Action {
            /// The card.
            card: ActionCard,
        },
        /// A port began to answer.
        Preview {
            /// The port; its present state is in the channel's `previews`.
            port: u16,
        },
        /// The sandbox changed its state in a way worth telling: made, woke, slept, failed.
        Notice {
            /// One sentence.
            text: String,
            /// The failure, where it is one.
            error: Option<RpcError>,
        },
    }

    /// An action, collapsed to a line: verb, subject, result, duration; open: the script and its output.
    pub struct ActionCard {
        /// The action.
        pub action: ActionId,
        /// What kind it is.
        pub verb: Verb,
        /// What it was done to, in one line: a path, a pattern, a command.
        pub subject: String,
        /// What came of it, in a few words: "9 matches in 3 files", "+4 −1".
        pub summary: Option<String>,
        /// How it stands.
        pub status: ActionStatus,
        /// How long it took, once ended.
        pub duration_ms: Option<u64>,
        /// The first and last part of what it printed, or a unified diff for an edit; at most 16 KiB.
        pub output: Option<String>,
        /// The job it started.
        pub job: Option<JobId>,
    }

    /// How an action stands.
    #[serde(tag = "state", rename_all = "snake_case")]
    pub enum ActionStatus {
        /// Running.
        Running,
        /// It ended; a command with its exit code.
        Done {
            /// The command's exit code; `None` for actions that are no command.
            exit_code: Option<i32>,
        },
        /// It failed.
        Failed {
            /// What a caller can act on.
            code: ErrorCode,
            /// The message.
            message: String,
        },
    }
}

/// The kinds of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Read a file.
    Read,
    /// Wrote a file.
    Write,
    /// Replaced text in a file.
    Edit,
    /// Looked for files by name.
    Glob,
    /// Looked for text in files.
    Grep,
    /// Listed a folder.
    List,
    /// Ran a command.
    Run,
    /// Asked about a path.
    Stat,
    /// Moved or renamed.
    Move,
    /// Deleted.
    Delete,
    /// Sent files of this computer.
    Upload,
    /// Fetched files to this computer.
    Download,
}
