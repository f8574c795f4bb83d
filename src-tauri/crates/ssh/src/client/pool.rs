//! The connections of a session and the channels on them.
//!
//! Actions have connections of their own: russh stops reading a connection while one of its channels is not read, so a
//! terminal or a preview that nobody reads must not share one with them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::worker::Worker;

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
            Self::Terminals | Self::Transfers => 1,
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

/// A channel that the machine does not allow is asked for again after so long, and so often.
const REFUSED: Duration = Duration::from_millis(100);
const TRIES: u32 = 50;
/// So many channels are kept open for what commands left in the background.
const KEPT: usize = 4;

pub(crate) struct Pool {
    state: Mutex<State>,
    /// Told one waiter at a time that a slot or a shell is free.
    pub(crate) freed: Notify,
    closing: CancellationToken,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    resting: Vec<Resting>,
    /// Shells that will wait in a moment.
    returning: usize,
    kept: std::collections::VecDeque<CancellationToken>,
}

/// A connection.
struct Line {
    lane: Lane,
    connection: Arc<Connection>,
    used: usize,
    most: usize,
    /// Lower than that while the machine says so.
    limit: usize,
    /// The one that tells how the session stands: it is never closed for being idle.
    first: bool,
    since: Instant,
}

/// A resident shell that waits; its own task reads what comes of it meanwhile.
struct Resting {
    ask: oneshot::Sender<oneshot::Sender<Worker>>,
    since: Instant,
}

/// The right to a channel on a connection.
pub(crate) struct Slot {
    pool: Arc<Pool>,
    connection: Arc<Connection>,
}

impl Slot {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The same connection, to be asked about later.
    pub(crate) fn again(&self) -> Again {
        Again { pool: self.pool.clone(), connection: self.connection.clone() }
    }
}

/// A connection on which a channel was tried.
pub(crate) struct Again {
    pool: Arc<Pool>,
    connection: Arc<Connection>,
}

impl Again {
    /// Another slot on it: for a channel in place of one that is being closed.
    pub(crate) fn slot(&self) -> Option<Slot> {
        let mut state = self.pool.state();
        let line = state.line(&self.connection)?;
        line.used += 1;
        Some(Slot { pool: self.pool.clone(), connection: self.connection.clone() })
    }

    /// Whether it is over.
    pub(crate) fn is_gone(&self) -> bool {
        self.connection.is_closed()
    }

    /// The machine allowed no more channels than there are on it, which may be for a moment only: OpenSSH counts a
    /// session until its last process ended. Says whether to try again.
    pub(crate) async fn lower(&self, tries: &mut u32) -> bool {
        if let Some(line) = self.pool.state().line(&self.connection) {
            line.limit = line.limit.min(line.used).max(1);
        }
        *tries += 1;
        tokio::time::sleep(REFUSED).await;
        *tries < TRIES
    }
}

impl State {
    fn line(&mut self, connection: &Arc<Connection>) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| Arc::ptr_eq(&line.connection, connection))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        if let Some(line) = state.line(&self.connection) {
            line.used = line.used.saturating_sub(1);
            line.since = Instant::now();
        }
        drop(state);
        self.pool.freed.notify_one();
    }
}

impl Pool {
    pub(crate) fn new(closing: CancellationToken) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), freed: Notify::new(), closing })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, lane: Lane, connection: Arc<Connection>, most: usize, first: bool) {
        self.state().lines.push(Line { lane, connection, used: 0, most, limit: most, first, since: Instant::now() });
        self.freed.notify_waiters();
    }

    /// A slot on the least used connection that has fewer than `most` in use.
    pub(crate) fn take(self: &Arc<Self>, lane: Lane, most: usize) -> Option<Slot> {
        let mut state = self.state();
        state.lines.retain(|line| !line.connection.is_closed());
        let free = state.lines.iter_mut().filter(|line| line.lane == lane && line.used < most.min(line.limit));
        // The first that is busy already: the others may then end.
        let line = if lane == Lane::Actions { free.max_by_key(|line| line.used) } else { free.min_by_key(|l| l.used) }?;
        line.used += 1;
        Some(Slot { pool: self.clone(), connection: line.connection.clone() })
    }

    pub(crate) fn connections(&self, lane: Lane) -> usize {
        self.state().lines.iter().filter(|line| line.lane == lane && !line.connection.is_closed()).count()
    }

    /// All connections that stand, those for actions first.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        let state = self.state();
        let standing = |actions| {
            state
                .lines
                .iter()
                .filter(move |line| (line.lane == Lane::Actions) == actions && !line.connection.is_closed())
        };
        standing(true).chain(standing(false)).map(|line| line.connection.clone()).collect()
    }

    /// A resident shell that waits.
    pub(crate) async fn rested(&self) -> Option<Worker> {
        while let Some(resting) = { self.state().resting.pop() } {
            let (give, given) = oneshot::channel();
            if resting.ask.send(give).is_ok()
                && let Ok(worker) = given.await
                && !worker.connection().is_closed()
            {
                return Some(worker);
            }
        }
        None
    }

    /// Whether a shell may be free in a moment.
    pub(crate) fn is_returning(&self) -> bool {
        self.state().returning > 0
    }

    /// Lets the shell that waits longest go, so that its slot is free for something else.
    pub(crate) fn spare(&self) -> bool {
        let mut state = self.state();
        if state.resting.is_empty() {
            return false;
        }
        state.resting.remove(0);
        true
    }

    /// Closes shells, and connections but the first, that nobody used for a while.
    pub(crate) fn tidy(&self, idle: Duration) {
        let mut unused = Vec::new();
        let mut state = self.state();
        state.resting.retain(|resting| resting.since.elapsed() < idle);
        state.lines.retain_mut(|line| {
            line.limit = line.most;
            let keep = line.first || line.used > 0 || line.since.elapsed() < idle;
            if !keep {
                unused.push(line.connection.clone());
            }
            keep
        });
        drop(state);
        for connection in unused {
            tokio::spawn(async move { connection.close().await });
        }
    }

    /// Lets go of everything; returns what connections there were.
    pub(crate) fn clear(&self) -> Vec<Arc<Connection>> {
        let mut state = self.state();
        state.resting.clear();
        for kept in state.kept.drain(..) {
            kept.cancel();
        }
        state.lines.drain(..).map(|line| line.connection).collect()
    }

    /// Takes a shell back: to be used again where it is free of what its scripts left.
    pub(crate) fn rest(self: &Arc<Self>, worker: Worker, free: bool) {
        if free {
            self.state().returning += 1;
            tokio::spawn(self.clone().wait(worker));
        } else {
            tokio::spawn(self.clone().keep(worker));
        }
    }

    async fn wait(self: Arc<Self>, mut worker: Worker) {
        let mut returning = 1;
        loop {
            let (ask, asked) = oneshot::channel();
            if self.closing.is_cancelled() {
                return;
            }
            {
                let mut state = self.state();
                state.returning -= std::mem::take(&mut returning);
                state.resting.push(Resting { ask, since: Instant::now() });
            }
            self.freed.notify_one();
            tokio::select! {
                biased;
                give = asked => match give {
                    Ok(give) => match give.send(worker) {
                        Ok(()) => return,
                        Err(back) => worker = back,
                    },
                    Err(_) => return worker.retire().await,
                },
                // It died, or something prints into it that should not.
                () = worker.noise() => return,
            }
        }
    }

    /// Lets a shell end, and reads what its children print until the last of them is gone: a server that is started with
    /// `&` would die of the broken pipe.
    async fn keep(self: Arc<Self>, mut worker: Worker) {
        let over = CancellationToken::new();
        {
            let mut state = self.state();
            state.kept.retain(|kept| !kept.is_cancelled());
            state.kept.push_back(over.clone());
            if state.kept.len() > KEPT
                && let Some(oldest) = state.kept.pop_front()
            {
                oldest.cancel();
            }
        }
        tokio::select! {
            () = over.cancelled() => {}
            () = self.closing.cancelled() => {}
            () = worker.drain() => {}
        }
        over.cancel();
    }
}
