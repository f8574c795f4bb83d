//! Keeping a connection: the first one, those that are lost, and when to try again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::connection::Connection;
use super::error::{SshError, closed};
use super::line::{Lane, Line};
use super::pool::Pool;
use super::race::{AGAIN, Race};
use super::target::{Endpoint, SshTarget};

/// A connection that stood for so long was a good one: the next try after it comes at once.
const STABLE: Duration = Duration::from_secs(5);
/// A machine that refused us is not asked again before.
const REFUSED: Duration = Duration::from_secs(5);
/// A connection on which something is wanted is asked for an answer so often, and is taken for dead without one for so
/// long.
const BEAT: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_millis(1_500);
/// One beside the first is asked after so many silent beats, and again after as many more; it is dead after so many while
/// the first one answers. A slow way up takes seconds from one word of the machine to the next.
const ASKED: u32 = 3;
const DEAD: u32 = 10;
/// What takes longer than this to connect to may never have heard of us.
const SLOW: Duration = Duration::from_secs(4);
/// Between tries, however much somebody wants one: at first, for so many, and then. What is back within a minute is found
/// at once, and what is away for hours costs little.
const LEAST: Duration = Duration::from_millis(100);
const QUICK: u32 = 300;
const LEAST_LATER: Duration = Duration::from_millis(500);

/// How a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    /// No connection is wanted.
    Closed,
    /// One is being made.
    Connecting,
    /// One stands.
    Connected,
    /// It was lost.
    Reconnecting {
        /// How many tries have failed since.
        attempt: u32,
        /// What the last one said; empty where it was let in and lost again.
        reason: String,
        /// Whether the machine refused us: the next try comes when something is to be done again, and not by itself.
        refused: bool,
    },
}

/// Keeps a connection from the first time that one is wanted.
pub(crate) struct Link {
    pub(crate) target: SshTarget,
    pub(crate) state: watch::Sender<SessionState>,
    standing: watch::Sender<Standing>,
    wanted: Notify,
    /// A person wants one though they, or the machine, have just refused.
    insisted: Notify,
    pub(crate) closing: CancellationToken,
    pub(crate) pool: Arc<Pool>,
    /// No more connections: the machine let only the first one in, as one that wants a one-time code does.
    pub(crate) alone: AtomicBool,
    channels: usize,
    idle: Duration,
}

/// The connection, or why there is none.
#[derive(Default)]
struct Standing {
    line: Option<Arc<Line>>,
    /// How many tries have failed.
    tries: u64,
    failure: Option<SshError>,
    /// The machine refused us a moment ago: there is no use in asking.
    refusing: bool,
}

impl Link {
    /// A link whose connections take `channels` channels each, and whose shells wait for `idle`.
    pub(crate) fn new(target: SshTarget, channels: usize, idle: Duration) -> Arc<Self> {
        let closing = CancellationToken::new();
        Arc::new(Self {
            target,
            state: watch::Sender::new(SessionState::Closed),
            standing: watch::Sender::default(),
            wanted: Notify::new(),
            insisted: Notify::new(),
            pool: Pool::new(closing.clone()),
            alone: AtomicBool::new(false),
            closing,
            channels: channels.max(1),
            idle,
        })
    }

    /// Runs until the link is closed.
    /// It begins with a connection that stands, where there is one.
    pub(crate) async fn supervise(self: Arc<Self>, first: Option<Connection>) {
        tokio::select! {
            () = self.closing.cancelled() => {}
            () = self.keep(first) => {}
        }
    }

    async fn keep(self: &Arc<Self>, first: Option<Connection>) {
        if first.is_none() {
            self.wanted.notified().await;
            self.state.send_replace(SessionState::Connecting);
        }
        let mut attempt = 0;
        let (mut next, mut known) = (first, false);
        loop {
            let opened = match next.take() {
                Some(made) => Ok(made),
                None => self.open(known).await,
            };
            let given_up = match opened {
                Ok(connection) => {
                    let since = Instant::now();
                    known = true;
                    next = self.stand(connection).await;
                    if next.is_some() {
                        continue;
                    }
                    attempt = if since.elapsed() >= STABLE { 0 } else { attempt + 1 };
                    self.state.send_replace(SessionState::Reconnecting {
                        attempt,
                        reason: String::new(),
                        refused: false,
                    });
                    false
                }
                Err(error) => {
                    attempt += 1;
                    let (failure, is_final) = (error.told(), error.is_final());
                    let reason = failure.whole();
                    self.state.send_replace(SessionState::Reconnecting { attempt, reason, refused: is_final });
                    self.standing.send_modify(|standing| {
                        standing.tries += 1;
                        standing.refusing = is_final;
                        standing.failure = Some(failure);
                    });
                    is_final
                }
            };
            if given_up {
                let _ = self.insisted.notified().now_or_never();
                tokio::select! {
                    biased;
                    () = self.insisted.notified() => {}
                    () = tokio::time::sleep(REFUSED) => {
                        // Who wanted a connection before was told why there is none: nothing is tried by itself, for a
                        // person might be asked again.
                        let _ = self.wanted.notified().now_or_never();
                        self.standing.send_modify(|standing| standing.refusing = false);
                        tokio::select! {
                            () = self.wanted.notified() => {}
                            () = self.insisted.notified() => {}
                        }
                    }
                }
            } else if attempt > 0 {
                let pause = Duration::from_millis(200 * 2_u64.pow(attempt.min(6))).min(Duration::from_secs(15));
                let jitter = pause.mul_f64(rand::random_range(0.0..0.25));
                tokio::time::sleep(if attempt <= QUICK { LEAST } else { LEAST_LATER }).await;
                tokio::select! {
                    () = tokio::time::sleep(pause + jitter) => {}
                    () = self.wanted.notified() => {}
                }
            }
        }
    }

    /// Connects. Other tries are made beside one that takes long, early where the machine let us in before.
    async fn open(self: &Arc<Self>, known: bool) -> Result<Connection, SshError> {
        let attempt = Attempt::default();
        let first = Connection::open(&self.target, &attempt);
        // While a person thinks, others could only be refused.
        let (link, first_try) = (self.clone(), attempt.clone());
        let may = move || !first_try.has_waited() && !link.alone.load(Relaxed);
        let mut race = Race::new(self.target.clone(), if known { AGAIN } else { SLOW }, may);
        let opened = tokio::select! {
            opened = first => opened,
            made = race.won() => Ok(made),
        };
        self.came_by(&attempt);
        opened
    }

    /// What is to be heeded from now on after a connection that came about by an attempt.
    pub(crate) fn came_by(&self, attempt: &Attempt) {
        self.alone.fetch_or(attempt.asks_each_time(), Relaxed);
    }

    /// While a connection stands. Returns the next one where that was there before this one was seen to be over.
    async fn stand(self: &Arc<Self>, connection: Connection) -> Option<Connection> {
        let line = self.pool.add(Lane::Actions, connection, self.channels, true);
        self.state.send_replace(SessionState::Connected);
        self.standing.send_modify(|standing| {
            standing.line = Some(line.clone());
            standing.failure = None;
        });
        let tidy = async {
            loop {
                tokio::time::sleep(self.idle / 4).await;
                self.pool.tidy(self.idle);
            }
        };
        let next = tokio::select! {
            () = line.connection.closed() => None,
            () = tidy => None,
            () = self.cut_the_dead(&line) => None,
            next = self.replacement(&line.connection) => Some(next),
        };
        self.standing.send_modify(|standing| standing.line = None);
        if next.is_some() {
            // Whoever waits for the dead ones is told at once, and begins anew.
            self.pool.clear().iter().for_each(|line| line.connection.cut());
        }
        next
    }

    /// Ends those beside the first that are silent although the first is answered: whoever waits for them begins anew,
    /// on another.
    async fn cut_the_dead(&self, first: &Arc<Line>) {
        if matches!(self.target.endpoint, Endpoint::Unix(_)) {
            return std::future::pending().await;
        }
        loop {
            sleep(BEAT).await;
            let is_well = first.beat(true) < ASKED;
            for line in self.pool.all().into_iter().filter(|line| !Arc::ptr_eq(line, first)) {
                match line.beat(is_well) {
                    0 => {}
                    DEAD.. => line.connection.cut(),
                    silent if silent % ASKED == 0 => {
                        tokio::spawn(async move { timeout(SILENCE, line.connection.ping()).await });
                    }
                    _ => {}
                }
            }
        }
    }

    /// Another connection, in place of one that is silent although something is wanted of it. TCP waits longer and longer
    /// before it tries again: a network that was gone for ten seconds would be noticed ten seconds after it is back.
    async fn replacement(self: &Arc<Self>, connection: &Connection) -> Connection {
        if matches!(self.target.endpoint, Endpoint::Unix(_)) {
            return std::future::pending().await;
        }
        loop {
            sleep(BEAT).await;
            if !self.pool.is_busy() {
                continue;
            }
            // What came and was not read on may be an answer.
            if !connection.waits() {
                continue;
            }
            let heard = connection.heard();
            let mut ping = std::pin::pin!(connection.ping());
            if timeout(SILENCE, &mut ping).await.is_ok() || connection.heard() != heard {
                continue;
            }
            let reason = "the machine does not answer".to_owned();
            self.state.send_replace(SessionState::Reconnecting { attempt: 0, reason, refused: false });
            // Where each login needs the person nobody can win: TCP or a connection's own keepalive have the last word.
            let link = self.clone();
            let mut race = Race::new(self.target.clone(), Duration::ZERO, move || !link.alone.load(Relaxed));
            loop {
                tokio::select! {
                    biased;
                    () = &mut ping => break,
                    made = race.won() => return made,
                    () = sleep(BEAT) => {
                        if connection.heard() != heard || !connection.waits() {
                            break;
                        }
                    }
                }
            }
            self.state.send_replace(SessionState::Connected);
        }
    }

    /// Lets go of all connections; returns what there were.
    pub(crate) fn end(&self) -> Vec<Arc<Line>> {
        self.closing.cancel();
        self.standing.send_modify(|standing| standing.line = None);
        self.pool.clear()
    }

    /// What somebody has to change first, where the last try ended in that.
    pub(crate) fn refusal(&self) -> Option<SshError> {
        self.standing.borrow().failure.as_ref().filter(|failure| failure.is_final()).map(SshError::told)
    }

    /// The same, and a machine or a person who has just refused is asked once more.
    pub(crate) async fn insist(&self) -> Result<(), SshError> {
        if self.refusal().is_some() {
            self.standing.send_modify(|standing| standing.refusing = false);
            self.insisted.notify_one();
        }
        self.connected().await
    }

    /// Returns once a connection stands, or when a try that ended after this was called has failed.
    pub(crate) async fn connected(&self) -> Result<(), SshError> {
        let mut standing = self.standing.subscribe();
        let tries = standing.borrow().tries;
        let mut asked = false;
        loop {
            if self.closing.is_cancelled() {
                return Err(closed());
            }
            {
                let standing = standing.borrow_and_update();
                if standing.line.as_ref().is_some_and(|line| !line.is_closed()) {
                    return Ok(());
                }
                if let Some(failure) = standing.failure.as_ref().filter(|_| standing.refusing || standing.tries > tries)
                {
                    return Err(failure.told());
                }
            }
            if !asked {
                asked = true;
                self.wanted.notify_one();
            }
            tokio::select! {
                _ = standing.changed() => {}
                () = self.closing.cancelled() => {}
            }
        }
    }
}
