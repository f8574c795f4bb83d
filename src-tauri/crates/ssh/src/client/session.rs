//! A session: keeps a connection while it is wanted, and runs scripts over it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::attempt::Attempt;
use super::channel::{self, Reader, Writer};
use super::connection::Connection;
use super::error::{SshError, lost};
use super::frame::{self, Frame};
use super::line::{Lane, Slot};
use super::link::{Link, SessionState};
use super::manner::Manner;
use super::run::{self, RunOptions, RunOutput, Sent};
use super::stream::SshStream;
use super::target::SshTarget;
use super::trace::{Step, Trace};
use super::worker::Worker;

/// Work waits so long for a channel of a busy connection before another connection is opened for it.
const PATIENCE: Duration = Duration::from_millis(100);

/// One beside a connection that stands takes no longer than this, or something on its way was lost.
const BESIDE: Duration = Duration::from_secs(6);

/// Who could not open one beside it does not try again before: nor does whoever waited for that try.
const UNABLE: Duration = Duration::from_secs(1);

/// So often in a row a connection may end under whoever starts a shell on it.
const LOST: u32 = 8;

/// So often a stream is tried again where the connection under it ended.
const STREAM_TRIES: u32 = 2;

/// What a login set is good for so long: one who changes a profile sees it soon, and a burst of work logs in once.
const LOGIN: Duration = Duration::from_secs(60);

/// How a session behaves.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// How many channels a connection is given: OpenSSH allows ten, of which two are left for what stops a script.
    pub max_workers: usize,
    /// How many connections scripts are run over: another one is opened when those before are busy.
    pub max_connections: usize,
    /// How long a resident shell waits for the next script before it is closed.
    pub idle: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { max_workers: 8, max_connections: 8, idle: Duration::from_secs(60) }
    }
}

/// One authenticated session to one machine. Clones are the same one; the last one's drop ends it.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    inner: Inner,
    supervisor: JoinHandle<()>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("state", &*self.0.inner.link.state.borrow()).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.supervisor.abort();
        self.inner.link.end();
    }
}

struct Inner {
    link: Arc<Link>,
    options: SessionOptions,
    /// One connection more at a time.
    growing: Mutex<()>,
    /// When the last try of that failed.
    unable: std::sync::Mutex<Option<Instant>>,
    login: Mutex<Option<Login>>,
}

/// What a login set.
#[derive(Clone)]
struct Login {
    at: Instant,
    environment: Bytes,
}

/// Connects once, and says what happens on the way: whoever watches `steps` sees each when it was taken. Asks a person as
/// any connection does. The session goes on with the connection that was made.
pub async fn diagnose(target: &SshTarget, steps: watch::Sender<Vec<Step>>) -> Result<Session, SshError> {
    let attempt = Attempt::traced(Trace::into(steps));
    let connection = Connection::open(target, &attempt).await?;
    Ok(Session::with(target.clone(), SessionOptions::default(), Some((connection, attempt))))
}

impl Session {
    /// A session that connects when it is first used. Must be called inside a Tokio runtime.
    pub fn new(target: SshTarget, options: SessionOptions) -> Self {
        Self::with(target, options, None)
    }

    fn with(target: SshTarget, options: SessionOptions, first: Option<(Connection, Attempt)>) -> Self {
        let link = Link::new(target, options.max_workers, options.idle);
        let first = first.map(|(connection, attempt)| {
            link.came_by(&attempt);
            connection
        });
        let supervisor = tokio::spawn(link.clone().supervise(first));
        let inner = Inner {
            link,
            options,
            growing: Mutex::new(()),
            unable: std::sync::Mutex::default(),
            login: Mutex::new(None),
        };
        Self(Arc::new(Shared { inner, supervisor }))
    }

    /// How it stands, now and from now on.
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.0.inner.link.state.subscribe()
    }

    /// Returns once there is use in trying by oneself: at once, or where the machine or the person has refused, when
    /// somebody else's try has connected. Who tries again nevertheless has a person asked again.
    pub async fn welcome(&self) {
        if self.0.inner.link.refusal().is_some() {
            let mut state = self.state();
            // The sender lives as long as this does.
            let _ = state.wait_for(|state| *state == SessionState::Connected).await;
        }
    }

    /// Runs a script with `sh` in the login environment, and waits for it.
    pub async fn run(&self, script: &[u8], options: RunOptions) -> Result<RunOutput, SshError> {
        let inner = &self.0.inner;
        let nonce = frame::nonce();
        let by = options.timeout.map(|timeout| Instant::now() + timeout);
        let ready = async {
            let Some(stdin) = &options.stdin else {
                let worker = inner.worker(by).await?;
                let frame = Frame { stdin: false, in_band: worker.in_band, look: !options.tidy };
                let frame = Bytes::from(frame::encode(&nonce, script, frame));
                let bytes = frame.len() as u64;
                return Ok::<_, SshError>((worker, Sent { nonce: nonce.clone(), frame, stdin: None, bytes }));
            };
            let frame = Frame { stdin: true, in_band: false, look: false };
            let command = frame::command(&frame::encode(&nonce, script, frame));
            let bytes = (command.len() + stdin.len()) as u64;
            let worker = inner.exec(command, by).await?;
            Ok((worker, Sent { nonce: nonce.clone(), frame: Bytes::new(), stdin: Some(stdin.clone()), bytes }))
        };
        let (worker, sent) = tokio::select! {
            biased;
            () = options.cancel.cancelled() => return Err(SshError::Cancelled {}),
            ready = ready => ready?,
        };
        let (output, rest) = run::run(&inner.link.pool, worker, sent, &options).await;
        if let Some(rest) = rest.filter(|_| options.stdin.is_none()) {
            inner.link.pool.rest(rest.worker, rest.free);
        }
        output
    }

    /// Returns once a connection stands, or the next try has failed. A person who did not want to answer is asked again.
    pub async fn connect(&self) -> Result<(), SshError> {
        self.0.inner.link.insist().await
    }

    /// Connects to a port as the machine reaches it. Where the machine or the person has refused, that is said at once:
    /// a page that looks for its server every second must not have a person asked as often.
    pub async fn forward_tcp(&self, host: &str, port: u16) -> Result<SshStream, SshError> {
        // A connection that ends meanwhile, as after a sleep, is no reason to fail: nothing was sent yet.
        let mut tries = 0;
        loop {
            if let Some(refusal) = self.0.inner.link.refusal() {
                return Err(refusal);
            }
            let slot = self.0.inner.slot(Lane::Streams, None).await?;
            let (line, host) = (slot.line().clone(), host.to_owned());
            let opening = channel::finish(async move {
                let channel = slot.line().connection.tcp(&host, port).await?;
                Ok(SshStream::new(channel.into_stream(), slot))
            });
            match line.lasting(opening).await {
                Err(_) if line.is_closed() && tries < STREAM_TRIES => tries += 1,
                opened => return opened,
            }
        }
    }

    /// A channel of its own, away from those that actions use.
    pub(super) async fn channel(&self, lane: Lane) -> Result<(russh::ChannelReadHalf, Writer), SshError> {
        let mut tries = 0;
        loop {
            let slot = self.0.inner.slot(lane, None).await?;
            let line = slot.line().clone();
            match line.lasting(channel::open(slot)).await {
                Err(SshError::Ssh(russh::Error::ChannelOpenFailure(_))) if line.lower(&mut tries).await => {}
                opened => return opened,
            }
        }
    }

    /// A channel on which `sh` runs a script, with its own input and output.
    pub(super) async fn script(&self, lane: Lane, script: &[u8]) -> Result<(Reader, Writer), SshError> {
        let manner = self.manner().await?;
        channel::script(self.channel(lane).await?, script, manner).await
    }

    /// What the machine does otherwise than most; logs in where that was not found out yet.
    pub(super) async fn manner(&self) -> Result<&Manner, SshError> {
        self.0.inner.known(None).await?;
        Ok(&self.0.inner.link.pool.manner)
    }

    /// Ends it: what runs over it ends as if the connection had broken.
    pub async fn close(&self) {
        let link = &self.0.inner.link;
        for line in link.end() {
            line.connection.close().await;
        }
        link.state.send_replace(SessionState::Closed);
    }
}

impl Inner {
    /// The right to a channel; waits for one until `by`.
    async fn slot(&self, lane: Lane, by: Option<Instant>) -> Result<Slot, SshError> {
        let channels = self.options.max_workers.max(1);
        loop {
            self.link.connected().await?;
            let freed = self.link.pool.freed.notified();
            if let Some(slot) = self.link.pool.take(lane, lane.fair(channels)) {
                return Ok(slot);
            }
            if lane == Lane::Actions {
                // A shell that only waits makes room.
                self.link.pool.spare();
            } else if self.grow(lane).await {
                continue;
            } else if let Some(slot) = self.link.pool.take(lane, lane.most(channels)) {
                return Ok(slot);
            } else if self.link.pool.connections(lane) == 0
                // A machine that takes one connection only.
                && let Some(slot) = self.link.pool.take(Lane::Actions, channels)
            {
                return Ok(slot);
            }
            if tokio::time::timeout(PATIENCE, freed).await.is_ok() {
                continue;
            }
            if by.is_some_and(|by| Instant::now() >= by) {
                return Err(SshError::Busy {});
            }
            if lane == Lane::Actions {
                self.grow(lane).await;
            }
        }
    }

    /// Opens a connection more. Says whether there is one.
    async fn grow(&self, lane: Lane) -> bool {
        let before = self.link.pool.connections(lane);
        let _one = self.growing.lock().await;
        let now = self.link.pool.connections(lane);
        if now > before {
            return true;
        }
        let enough = now >= lane.connections(self.options.max_connections) || self.link.alone.load(Relaxed);
        if enough || self.link.closing.is_cancelled() || self.unable().is_some_and(|at| at.elapsed() < UNABLE) {
            return false;
        }
        let attempt = Attempt::silent();
        let opened = tokio::time::timeout(BESIDE, Connection::open(&self.link.target, &attempt)).await;
        match opened.unwrap_or_else(|_| Err(SshError::NotConnected { reason: "no answer".to_owned() })) {
            Ok(connection) => {
                self.link.pool.add(lane, connection, lane.most(self.options.max_workers.max(1)), false);
                true
            }
            Err(error) => {
                *self.unable() = Some(Instant::now());
                // A person is asked for the first connection only.
                self.link.alone.fetch_or(error.is_final(), Relaxed);
                tracing::warn!(%error, "another connection to the machine could not be made");
                false
            }
        }
    }

    fn unable(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.unable.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A resident shell: one that waits, or a new one; a busy machine is waited for until `by`.
    async fn worker(&self, by: Option<Instant>) -> Result<Worker, SshError> {
        let channels = self.options.max_workers.max(1);
        let (mut tries, mut lost) = (0, 0);
        loop {
            self.link.connected().await?;
            let freed = self.link.pool.freed.notified();
            if let Some(worker) = self.link.pool.rested().await {
                return Ok(worker);
            }
            // A machine that ends the connection of whoever starts a shell would be logged into for ever.
            if lost == LOST {
                let reason = "the machine ends the connection whenever a shell is started".to_owned();
                return Err(SshError::NotConnected { reason });
            }
            if by.is_some_and(|by| lost > 0 && Instant::now() >= by) {
                return Err(super::error::lost());
            }
            let returning = self.link.pool.is_returning();
            if !returning && let Some(slot) = self.link.pool.take(Lane::Actions, channels) {
                let tried = tries;
                if let Some(worker) = self.start(slot, &mut tries).await? {
                    return Ok(worker);
                }
                lost += u32::from(tries == tried);
                continue;
            }
            if tokio::time::timeout(PATIENCE, freed).await.is_ok() {
                continue;
            }
            match self.link.pool.take(Lane::Actions, channels) {
                Some(slot) => {
                    if let Some(worker) = self.start(slot, &mut tries).await? {
                        return Ok(worker);
                    }
                }
                None if by.is_some_and(|by| Instant::now() >= by) => return Err(SshError::Busy {}),
                None if returning => {}
                None => {
                    self.grow(Lane::Actions).await;
                }
            }
        }
    }

    /// A new resident shell; nothing where that has to be tried again.
    async fn start(&self, slot: Slot, tries: &mut u32) -> Result<Option<Worker>, SshError> {
        let line = slot.line().clone();
        match line.lasting(self.boot(slot)).await {
            Err(SshError::Ssh(russh::Error::ChannelOpenFailure(_))) if line.lower(tries).await => Ok(None),
            Err(_) if line.is_closed() => Ok(None),
            started => started.map(Some),
        }
    }

    /// The first logs in, as do those that come long after; the others get its environment.
    async fn boot(&self, slot: Slot) -> Result<Worker, SshError> {
        let line = slot.line().clone();
        let mut login = self.login.lock().await;
        let Some(known) = login.clone().filter(|known| known.at.elapsed() < LOGIN) else {
            let (worker, environment) = match Worker::login(slot, &self.link.pool.manner).await {
                Err(SshError::NoShell(why)) => {
                    tracing::warn!(why, "the login shell does not answer; a plain one is tried");
                    let slot = line.again().ok_or_else(lost)?;
                    (Worker::plain(slot, &self.link.pool.manner, b"").await?, Vec::new())
                }
                started => started?,
            };
            *login = Some(Login { at: Instant::now(), environment: environment.into() });
            return Ok(worker);
        };
        drop(login);
        match Worker::plain(slot, &self.link.pool.manner, &known.environment).await {
            Err(SshError::NoShell(why)) => {
                tracing::warn!(why, "no shell can be started in the login environment; one logs in");
                let slot = line.again().ok_or_else(lost)?;
                Ok(Worker::login(slot, &self.link.pool.manner).await?.0)
            }
            started => started,
        }
    }

    /// Sees to it that the machine's ways are known.
    async fn known(&self, by: Option<Instant>) -> Result<(), SshError> {
        if self.login.lock().await.is_none() {
            let worker = self.worker(by).await?;
            self.link.pool.rest(worker, true);
        }
        Ok(())
    }

    /// A channel on which a command runs.
    async fn exec(&self, command: Vec<u8>, by: Option<Instant>) -> Result<Worker, SshError> {
        self.known(by).await?;
        let mut tries = 0;
        loop {
            let slot = self.slot(Lane::Actions, by).await?;
            let line = slot.line().clone();
            match line.lasting(Worker::exec(slot, &self.link.pool.manner, command.clone())).await {
                Err(SshError::Ssh(russh::Error::ChannelOpenFailure(_))) if line.lower(&mut tries).await => {}
                started => return started,
            }
        }
    }
}
