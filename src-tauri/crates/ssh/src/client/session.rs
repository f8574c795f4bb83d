//! A session: keeps a connection while it is wanted, and runs scripts over it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::capture::Captured;
use super::channel::{self, Writer};
use super::connection::Connection;
use super::error::SshError;
use super::frame::{self, Frame};
use super::pool::{Lane, Pool, Slot};
use super::run::{self, Sent};
use super::stream::SshStream;
use super::supervise::{Link, lost, supervise};
use super::target::SshTarget;
use super::worker::Worker;

/// Work waits so long for a channel of a busy connection before another connection is opened for it.
const PATIENCE: Duration = Duration::from_millis(100);

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

/// How a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    /// No connection is wanted.
    Closed,
    /// One is being made.
    Connecting,
    /// One stands.
    Connected,
    /// It was lost; the next try comes by itself, or where the machine refused us, when something is to be done again.
    Reconnecting {
        /// How many tries have failed since.
        attempt: u32,
        /// What the last one said.
        reason: String,
    },
}

/// How a script is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// What it reads; nothing without it.
    pub stdin: Option<Bytes>,
    /// How many bytes of each stream are kept: the first and the last half.
    pub output_limit: usize,
    /// After this it is stopped with everything it started.
    pub timeout: Option<Duration>,
    /// Stops it with everything it started.
    pub cancel: CancellationToken,
    /// Is given its output as it comes; what does not fit is left out.
    pub live: Option<mpsc::Sender<Bytes>>,
    /// It is known to leave nothing behind that prints: its shell is used again without a look.
    pub tidy: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            stdin: None,
            output_limit: 1024 * 1024,
            timeout: None,
            cancel: CancellationToken::new(),
            live: None,
            tidy: false,
        }
    }
}

/// What a script did.
#[derive(Debug, Clone)]
pub struct RunOutput {
    /// What it printed.
    pub stdout: Captured,
    /// What it printed to standard error.
    pub stderr: Captured,
    /// Its exit code; 128 + the signal's number.
    pub exit_code: i32,
    /// Whether its time ran out.
    pub timed_out: bool,
    /// Bytes sent.
    pub bytes_in: u64,
    /// Bytes that came back.
    pub bytes_out: u64,
}

/// One authenticated session to one machine. Clones are the same one; the last one's drop ends it.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    inner: Arc<Inner>,
    supervisor: JoinHandle<()>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.supervisor.abort();
        self.inner.closing.cancel();
        drop(self.inner.end());
    }
}

pub(super) struct Inner {
    pub(super) target: SshTarget,
    pub(super) options: SessionOptions,
    pub(super) state: watch::Sender<SessionState>,
    pub(super) link: watch::Sender<Link>,
    pub(super) wanted: Notify,
    pub(super) closing: CancellationToken,
    pub(super) pool: Arc<Pool>,
    /// One connection more at a time.
    growing: Mutex<()>,
    in_band: AtomicBool,
    login: Mutex<Option<Login>>,
}

/// What a login set.
#[derive(Clone)]
struct Login {
    at: Instant,
    environment: Bytes,
}

impl Session {
    /// A session that connects when it is first used. Must be called inside a Tokio runtime.
    pub fn new(target: SshTarget, options: SessionOptions) -> Self {
        let closing = CancellationToken::new();
        let inner = Arc::new(Inner {
            target,
            options,
            state: watch::Sender::new(SessionState::Closed),
            link: watch::Sender::new(Link::default()),
            wanted: Notify::new(),
            pool: Pool::new(closing.clone()),
            closing,
            growing: Mutex::new(()),
            in_band: AtomicBool::new(false),
            login: Mutex::new(None),
        });
        let supervisor = tokio::spawn(supervise(inner.clone()));
        Self(Arc::new(Shared { inner, supervisor }))
    }

    /// How it stands, now and from now on.
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.0.inner.state.subscribe()
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
        let (output, rest) = run::run(&inner.pool, worker, sent, &options).await;
        if let Some(rest) = rest.filter(|_| options.stdin.is_none()) {
            inner.pool.rest(rest.worker, rest.free);
        }
        output
    }

    /// Connects to a port as the machine reaches it.
    pub async fn forward_tcp(&self, host: &str, port: u16) -> Result<SshStream, SshError> {
        let slot = self.0.inner.slot(Lane::Streams, None).await?;
        let host = host.to_owned();
        channel::finish(async move {
            let stream = slot.connection().tcp(&host, port).await?.into_stream();
            Ok(SshStream::new(stream, slot))
        })
        .await
    }

    /// Connects to a Unix socket in the machine.
    pub async fn forward_unix(&self, path: &str) -> Result<SshStream, SshError> {
        let slot = self.0.inner.slot(Lane::Streams, None).await?;
        let path = path.to_owned();
        channel::finish(async move {
            let stream = slot.connection().unix(&path).await?.into_stream();
            Ok(SshStream::new(stream, slot))
        })
        .await
    }

    /// A channel of its own, away from those that actions use.
    pub(super) async fn channel(&self, lane: Lane) -> Result<(russh::ChannelReadHalf, Writer), SshError> {
        let mut tries = 0;
        loop {
            let slot = self.0.inner.slot(lane, None).await?;
            let again = slot.again();
            match channel::open(slot).await {
                Err(SshError::Ssh(russh::Error::ChannelOpenFailure(_))) if again.lower(&mut tries).await => {}
                opened => return opened,
            }
        }
    }

    /// Ends it: what runs over it ends as if the connection had broken.
    pub async fn close(&self) {
        let inner = &self.0.inner;
        inner.closing.cancel();
        for connection in inner.end() {
            connection.close().await;
        }
        inner.state.send_replace(SessionState::Closed);
    }
}

impl Inner {
    fn end(&self) -> Vec<Arc<Connection>> {
        self.link.send_modify(|link| link.connection = None);
        self.pool.clear()
    }

    /// The right to a channel; waits for one until `by`.
    async fn slot(&self, lane: Lane, by: Option<Instant>) -> Result<Slot, SshError> {
        let channels = self.options.max_workers.max(1);
        loop {
            self.connected().await?;
            let freed = self.pool.freed.notified();
            if let Some(slot) = self.pool.take(lane, lane.fair(channels)) {
                return Ok(slot);
            }
            if lane == Lane::Actions {
                // A shell that only waits makes room.
                self.pool.spare();
            } else if self.grow(lane).await {
                continue;
            } else if let Some(slot) = self.pool.take(lane, lane.most(channels)) {
                return Ok(slot);
            } else if self.pool.connections(lane) == 0
                // A machine that takes one connection only.
                && let Some(slot) = self.pool.take(Lane::Actions, channels)
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
        let before = self.pool.connections(lane);
        let _one = self.growing.lock().await;
        let now = self.pool.connections(lane);
        if now > before {
            return true;
        }
        if now >= lane.connections(self.options.max_connections) || self.closing.is_cancelled() {
            return false;
        }
        match Connection::open(&self.target).await {
            Ok(connection) => {
                self.pool.add(lane, Arc::new(connection), lane.most(self.options.max_workers.max(1)), false);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "another connection to the machine could not be made");
                false
            }
        }
    }

    /// A resident shell: one that waits, or a new one; a busy machine is waited for until `by`.
    async fn worker(&self, by: Option<Instant>) -> Result<Worker, SshError> {
        let channels = self.options.max_workers.max(1);
        let mut tries = 0;
        loop {
            self.connected().await?;
            let freed = self.pool.freed.notified();
            if let Some(worker) = self.pool.rested().await {
                return Ok(worker);
            }
            let returning = self.pool.is_returning();
            if !returning && let Some(slot) = self.pool.take(Lane::Actions, channels) {
                if let Some(worker) = self.start(slot, &mut tries).await? {
                    return Ok(worker);
                }
                continue;
            }
            if tokio::time::timeout(PATIENCE, freed).await.is_ok() {
                continue;
            }
            match self.pool.take(Lane::Actions, channels) {
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
        let again = slot.again();
        match self.boot(slot).await {
            Err(SshError::Ssh(russh::Error::ChannelOpenFailure(_))) if again.lower(tries).await => Ok(None),
            Err(_) if again.is_gone() => Ok(None),
            started => started.map(Some),
        }
    }

    /// The first logs in, as do those that come long after; the others get its environment.
    async fn boot(&self, slot: Slot) -> Result<Worker, SshError> {
        let again = slot.again();
        let mut login = self.login.lock().await;
        let Some(known) = login.clone().filter(|known| known.at.elapsed() < LOGIN) else {
            let (worker, environment) = match Worker::login(slot, &self.in_band).await {
                Err(SshError::NoShell(why)) => {
                    tracing::warn!(why, "the login shell does not answer; a plain one is tried");
                    let slot = again.slot().ok_or_else(lost)?;
                    (Worker::plain(slot, &self.in_band, b"").await?, Vec::new())
                }
                started => started?,
            };
            *login = Some(Login { at: Instant::now(), environment: environment.into() });
            return Ok(worker);
        };
        drop(login);
        match Worker::plain(slot, &self.in_band, &known.environment).await {
            Err(SshError::NoShell(why)) => {
                tracing::warn!(why, "no shell can be started in the login environment; one logs in");
                let slot = again.slot().ok_or_else(lost)?;
                Ok(Worker::login(slot, &self.in_band).await?.0)
            }
            started => started,
        }
    }

    /// A channel on which a command runs.
    async fn exec(&self, command: Vec<u8>, by: Option<Instant>) -> Result<Worker, SshError> {
        let mut tries = 0;
        loop {
            let slot = self.slot(Lane::Actions, by).await?;
            let again = slot.again();
            match Worker::exec(slot, &self.in_band, command.clone()).await {
                Err(SshError::Ssh(russh::Error::ChannelOpenFailure(_))) if again.lower(&mut tries).await => {}
                started => return started,
            }
        }
    }
}
