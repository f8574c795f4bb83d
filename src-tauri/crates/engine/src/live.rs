//! A machine that can be talked to.

use std::sync::atomic::{AtomicBool, Ordering};

use berth_model::TerminalId;
use berth_ssh::{Endpoint, Session, SshTarget};
use tokio::sync::Notify;

use crate::kept::Keeper;

/// A machine that can be talked to.
pub struct Live {
    /// The session to it.
    pub session: Session,
    /// Where that leads.
    pub target: SshTarget,
    /// The folder commands run in, absolute.
    pub workdir: String,
    /// Runs commands whose outcome outlives the connection; nothing where no connection is ever lost.
    pub keeper: Option<Keeper>,
    /// What the names of its terminals begin with, after the channel's: who clears away what was left before spares these.
    pub stay: TerminalId,
    /// Whether a terminal was opened on it.
    has_terminal: AtomicBool,
    /// Rings when something may have changed that the watcher looks at: a job started, a command ended.
    pub changed: Notify,
}

impl Live {
    /// A machine to which `session` leads.
    pub fn new(session: Session, target: SshTarget, workdir: String) -> Self {
        // A socket on this computer does not drop.
        let keeper = (!matches!(target.endpoint, Endpoint::Unix(_))).then(Keeper::default);
        let (stay, has_terminal, changed) = (TerminalId::fresh(), AtomicBool::new(false), Notify::new());
        Self { session, target, workdir, keeper, stay, has_terminal, changed }
    }

    /// Whether the terminal that is about to be opened is the first one.
    pub fn first_terminal(&self) -> bool {
        !self.has_terminal.swap(true, Ordering::Relaxed)
    }
}
