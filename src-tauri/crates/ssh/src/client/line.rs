//! One connection and the channels on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::connection::Connection;
use super::error::{SshError, lost};

/// A channel that the machine does not allow is asked for again after so long, and so often.
const REFUSED: Duration = Duration::from_millis(100);
const TRIES: u32 = 50;

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Actions,
    Terminals,
    Streams,
    Transfers,
}

impl Lane {
    /// So many channels on a connection before another one is opened, where another may be.
    pub(crate) fn fair(self, channels: usize) -> usize {
        match self {
            Self::Actions => channels,
            Self::Terminals => 1,
            // One that reads slowly holds up those beside it, and each connection more takes a login.
            Self::Transfers => 4,
            Self::Streams => 16,
        }
    }

    /// So many channels on a connection at most.
    pub(crate) fn most(self, channels: usize) -> usize {
        match self {
            // OpenSSH does not count these.
            Self::Streams => 256,
            _ => channels,
        }
    }

    /// So many connections at most.
    pub(crate) fn connections(self, actions: usize) -> usize {
        if self == Self::Actions { actions.max(1) } else { 4 }
    }
}

/// A connection, and how many of its channels are in use.
pub(crate) struct Line {
    pub(crate) lane: Lane,
    pub(crate) connection: Connection,
    /// The one that tells how the session stands: it is never closed for being idle.
    first: bool,
    most: usize,
    /// Told one waiter at a time that a channel is free.
    freed: Arc<Notify>,
    state: Mutex<Use>,
}

struct Use {
    channels: usize,
    /// Lower than `most` while the machine says so.
    limit: usize,
    since: Instant,
    heard: u64,
    silent: u32,
}

impl Line {
    /// A connection of which `most` channels may be used at once; `freed` is told when one is given back.
    pub(crate) fn new(lane: Lane, connection: Connection, most: usize, first: bool, freed: Arc<Notify>) -> Arc<Self> {
        let now = Use { channels: 0, limit: most, since: Instant::now(), heard: 0, silent: 0 };
        Arc::new(Self { lane, connection, first, most, freed, state: Mutex::new(now) })
    }

    fn now(&self) -> MutexGuard<'_, Use> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many of its channels are in use.
    pub(crate) fn channels(&self) -> usize {
        self.now().channels
    }

    /// The right to a channel, while fewer than `most` are in use.
    pub(crate) fn take(self: &Arc<Self>, most: usize) -> Option<Slot> {
        let mut now = self.now();
        if now.channels >= most.min(now.limit) || self.is_closed() {
            return None;
        }
        now.channels += 1;
        Some(Slot(self.clone()))
    }

    /// The right to one more: for a channel in place of one that is being closed.
    pub(crate) fn again(self: &Arc<Self>) -> Option<Slot> {
        if self.is_closed() {
            return None;
        }
        self.now().channels += 1;
        Some(Slot(self.clone()))
    }

    /// The machine allowed no more channels than there are on it, which may be for a moment only: OpenSSH counts a
    /// session until its last process ended. Says whether to try again.
    pub(crate) async fn lower(&self, tries: &mut u32) -> bool {
        {
            let mut now = self.now();
            now.limit = now.limit.min(now.channels).max(1);
        }
        *tries += 1;
        tokio::time::sleep(REFUSED).await;
        *tries < TRIES
    }

    /// For how many beats, of which this is one, nothing came although it is waited for while all else was well. Beats and
    /// no time: a computer that slept has heard nothing either.
    pub(crate) fn beat(&self, well: bool) -> u32 {
        let mut now = self.now();
        let heard = self.connection.heard();
        let silent = heard == now.heard && (now.channels > 0 || self.first) && self.connection.waits();
        (now.heard, now.silent) = (heard, if silent && well { now.silent + 1 } else { 0 });
        now.silent
    }

    /// Asks for as much as at first, and says whether it is of use: not when nobody used it for so long.
    pub(crate) fn is_wanted(&self, idle: Duration) -> bool {
        let mut now = self.now();
        now.limit = self.most;
        self.first || now.channels > 0 || now.since.elapsed() < idle
    }

    /// Work on it, which ends with it at the latest: what is asked of a connection just as it ends is not always answered.
    pub(crate) async fn lasting<T>(&self, work: impl Future<Output = Result<T, SshError>>) -> Result<T, SshError> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.ended() => Err(lost()),
        }
    }

    /// Returns a moment after it is over: what had come by then has been heard.
    pub(crate) async fn ended(&self) {
        self.connection.closed().await;
        tokio::time::sleep(REFUSED).await;
    }

    /// Whether it is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }
}

/// The right to a channel on a connection; dropped, it is given back.
pub(crate) struct Slot(Arc<Line>);

impl Slot {
    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut now = self.0.now();
        now.channels = now.channels.saturating_sub(1);
        now.since = Instant::now();
        drop(now);
        self.0.freed.notify_one();
    }
}
