//! Previews: ports of a sandbox that the app can show.

use crate::{JobId, wire};

wire! {
    /// A port on which something in the sandbox listens.
    pub struct Preview {
        /// The port in the sandbox.
        pub port: u16,
        /// Where the app and the system's browser reach it: `http://<channel>-<port>.localhost:<gateway>/`.
        pub url: String,
        /// Whether something listens on it now.
        pub listening: bool,
        /// The program that listens, as far as can be told: "node", "python3".
        pub process: Option<String>,
        /// The job it belongs to, as far as can be told.
        pub job: Option<JobId>,
    }
}
