//! Channels and what they start with.

use crate::{ChannelId, Job, MachineId, Preview, ProviderKind, Sandbox, UnixMillis, wire};

wire! {
    /// One line of work: a timeline, and one home sandbox.
    pub struct Channel {
        /// Its id, which never changes.
        pub id: ChannelId,
        /// Its name: lower-case letters, digits and dashes, unique, at most 40 characters.
        pub name: String,
        /// When it was made.
        pub created_at: UnixMillis,
        /// Where its sandbox runs.
        pub provider: ProviderKind,
        /// The machine its sandbox is, where it is one of the person's own.
        pub machine: Option<MachineId>,
        /// What it started with.
        pub start: Start,
        /// Its sandbox.
        pub sandbox: Sandbox,
        /// Jobs that run, and those that ended lately; newest first.
        pub jobs: Vec<Job>,
        /// Ports that answer, or answered and are coming back.
        pub previews: Vec<Preview>,
        /// The folder in which commands run and that the file list shows, absolute in the sandbox.
        pub workdir: String,
    }

    /// What a channel starts with.
    #[derive(Default)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum Start {
        /// An empty folder.
        #[default]
        Blank,
        /// A page with a server that runs at once.
        Website,
        /// An HTTP service in Python with a test.
        Python,
        /// A clone of a repository.
        Git {
            /// What `git clone` is given: `https://…`, `ssh://…` or `user@host:path`.
            url: String,
        },
    }

    /// What destroying a channel would lose.
    pub struct Loss {
        /// Files that Git says are changed or unknown to it; `None` where the folder is no repository.
        pub uncommitted: Option<u32>,
        /// Commits that no remote has.
        pub unpushed: Option<u32>,
        /// Jobs that run now.
        pub running_jobs: u32,
    }
}
