//! The connections of a session and the shells that wait on them.
//!
//! Actions have connections of their own: russh stops reading a connection while one of its channels is not read, so a
//! terminal or a preview that nobody reads must not share one with them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::line::{Lane, Line, Slot};
use super::manner::Manner;
use super::worker::Worker;

/// So many channels are kept open for what commands left in the background.
const KEPT: usize = 4;

pub(crate) struct Pool {
    state: Mutex<State>,
    /// Told one waiter at a time that a slot or a shell is free.
    pub(crate) freed: Arc<Notify>,
    closing: CancellationToken,
    pub(crate) manner: Manner,
}

#[derive(Default)]
struct State {
    lines: Vec<Arc<Line>>,
    resting: Vec<Resting>,
    /// Shells that will wait in a moment.
    returning: usize,
    kept: VecDeque<CancellationToken>,
}

/// A resident shell that waits; its own task reads what comes of it meanwhile.
struct Resting {
    ask: oneshot::Sender<oneshot::Sender<Worker>>,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(closing: CancellationToken) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), freed: Arc::default(), closing, manner: Manner::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, lane: Lane, connection: Connection, most: usize, first: bool) -> Arc<Line> {
        let line = Line::new(lane, connection, most, first, self.freed.clone());
        self.state().lines.push(line.clone());
        self.freed.notify_waiters();
        line
    }

    /// A slot on a connection that has fewer than `most` in use.
    pub(crate) fn take(&self, lane: Lane, most: usize) -> Option<Slot> {
        let mut state = self.state();
        state.lines.retain(|line| !line.is_closed());
        let mut lines: Vec<_> = state.lines.iter().filter(|line| line.lane == lane).collect();
        lines.sort_by_key(|line| line.channels());
        if lane == Lane::Actions {
            // The first that is busy already: the others may then end.
            lines.reverse();
        }
        lines.into_iter().find_map(|line| line.take(most))
    }

    pub(crate) fn connections(&self, lane: Lane) -> usize {
        self.state().lines.iter().filter(|line| line.lane == lane && !line.is_closed()).count()
    }

    /// All connections that stand, those for actions first.
    pub(crate) fn all(&self) -> Vec<Arc<Line>> {
        let mut lines: Vec<_> = self.state().lines.iter().filter(|line| !line.is_closed()).cloned().collect();
        lines.sort_by_key(|line| line.lane != Lane::Actions);
        lines
    }

    /// A resident shell that waits.
    pub(crate) async fn rested(&self) -> Option<Worker> {
        while let Some(resting) = { self.state().resting.pop() } {
            let (give, given) = oneshot::channel();
            if resting.ask.send(give).is_ok()
                && let Ok(worker) = given.await
                && !worker.line().is_closed()
            {
                return Some(worker);
            }
        }
        None
    }

    /// Whether anything but waiting shells uses a connection.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.state();
        state.lines.iter().map(|line| line.channels()).sum::<usize>() > state.resting.len()
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
        state.lines.retain(|line| {
            let keep = line.is_wanted(idle);
            if !keep {
                unused.push(line.clone());
            }
            keep
        });
        drop(state);
        for line in unused {
            tokio::spawn(async move { line.connection.close().await });
        }
    }

    /// Lets go of everything; returns what connections there were.
    pub(crate) fn clear(&self) -> Vec<Arc<Line>> {
        let mut state = self.state();
        state.resting.clear();
        for kept in state.kept.drain(..) {
            kept.cancel();
        }
        std::mem::take(&mut state.lines)
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
