//! Several tries to connect beside each other: a packet that was lost at the beginning of one holds up no other.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::attempt::Attempt;
use super::connection::Connection;
use super::error::SshError;
use super::target::SshTarget;

/// Another one is tried this often.
pub(crate) const AGAIN: Duration = Duration::from_millis(500);
/// So many go on at once: the oldest then makes room, after eight seconds.
const TRIES: usize = 16;

/// Tries, until one has won or it is dropped. Nobody is asked anything.
pub(crate) struct Race {
    target: SshTarget,
    tries: JoinSet<Result<Connection, SshError>>,
    order: VecDeque<AbortHandle>,
    again: Interval,
    may: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Race {
    /// The first try comes after so long; none is made while there `may` be none.
    pub(crate) fn new(target: SshTarget, after: Duration, may: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let mut again = interval_at(tokio::time::Instant::now() + after, AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { target, tries: JoinSet::new(), order: VecDeque::new(), again, may: Box::new(may) }
    }

    /// The first connection that comes about.
    pub(crate) async fn won(&mut self) -> Connection {
        loop {
            tokio::select! {
                biased;
                Some(Ok(Ok(made))) = self.tries.join_next() => return made,
                _ = self.again.tick() => {
                    if !(self.may)() {
                        continue;
                    }
                    while self.order.len() >= TRIES
                        && let Some(oldest) = self.order.pop_front()
                    {
                        oldest.abort();
                    }
                    let target = self.target.clone();
                    let open = async move { Connection::open(&target, &Attempt::silent()).await };
                    self.order.push_back(self.tries.spawn(open));
                }
            }
        }
    }
}
