//! What passes between a channel's driver, the tasks that it owns, and everybody else.

use std::sync::Arc;

use berth_model::{Channel, Connection, Inventory, Job, NetworkMode, RpcError, Step};
use berth_tools::jobs::Seen;
use tokio::sync::{mpsc, oneshot};

use super::policy::Wish;
use crate::live::Live;

/// What a driver tells the rest of the engine.
#[derive(Clone)]
pub(super) struct Published {
    /// As people see it.
    pub channel: Channel,
    /// The machine, while it runs.
    pub live: Option<Arc<Live>>,
}

/// What can be asked of a driver.
#[derive(Debug)]
pub(super) enum Request {
    Wish(Wish, Answer),
    Rename(String, Answer),
    Job(Box<Job>),
}

pub(super) type Answer = oneshot::Sender<Result<(), RpcError>>;

/// What a task tells its driver.
pub(super) enum Note {
    /// The steps as they stand.
    Steps(Vec<Step>),
    /// The sandbox answers; the starting point may still be laid out.
    Reached(Reached),
    /// All is done that brings it up, or it could not be done.
    Started(Result<(), RpcError>),
    /// What is installed.
    Inventory(Inventory),
    /// A job is new or differs.
    Job(Job),
    /// The jobs as the sandbox tells of them.
    Jobs(Vec<Seen>),
    /// What listens.
    Ports(Vec<Listener>),
    /// How the connection stands.
    Connection(Connection),
    /// The machine is gone though nobody asked for it.
    Ended,
    /// It is asleep, or could not be put to sleep.
    Stopped(Result<(), RpcError>),
    /// Everything is taken away, or could not be.
    Removed(Result<(), RpcError>),
}

/// A sandbox that answers.
pub(super) struct Reached {
    pub live: Arc<Live>,
    pub network: Option<NetworkMode>,
    pub network_note: Option<String>,
    pub limits: Option<String>,
    /// The folder to work in, as the machine itself calls it.
    pub workdir: String,
}

/// Sends notes from one state's tasks.
#[derive(Debug, Clone)]
pub(super) struct Notes {
    sender: mpsc::UnboundedSender<(u64, Note)>,
    state: u64,
}

impl Notes {
    /// To the receiver of `sender`, from tasks of the state of this number.
    pub(super) fn new(sender: mpsc::UnboundedSender<(u64, Note)>, state: u64) -> Self {
        Self { sender, state }
    }

    pub(super) fn send(&self, note: Note) {
        // The driver is gone only when the channel is.
        let _ = self.sender.send((self.state, note));
    }
}

/// A port on which something listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    pub port: u16,
    pub process: Option<String>,
    /// The session it belongs to: that of the job that started it.
    pub session: Option<u32>,
}
