//! Jobs: commands that outlive the action that started them.

use crate::{ActionId, JobId, UnixMillis, wire};

wire! {
    /// A job as last seen.
    pub struct Job {
        /// Its id, which is also its folder's name in the sandbox (`~/.berth/jobs/<id>`).
        pub id: JobId,
        /// The command as given.
        pub command: String,
        /// The folder it runs in, absolute in the sandbox.
        pub cwd: String,
        /// Whether it is started again after the sandbox slept.
        pub service: bool,
        /// How it stands.
        pub status: JobStatus,
        /// When it was started.
        pub started_at: UnixMillis,
        /// When it ended.
        pub ended_at: Option<UnixMillis>,
        /// The action that started it; `None` for one started by a wake or a restart.
        pub action: Option<ActionId>,
    }

    /// How a job stands.
    #[serde(tag = "state", rename_all = "snake_case")]
    pub enum JobStatus {
        /// Its processes run.
        Running,
        /// It ended by itself.
        Exited {
            /// Its exit code; 128 + the signal's number where a signal ended it.
            code: i32,
        },
        /// It was stopped on request.
        Stopped,
        /// Its processes are gone and left no exit code: the sandbox slept, or was killed.
        Lost,
    }
}
