//! A session: keeps a connection while it is wanted, and runs scripts over it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use russh::ChannelMsg;
use russh::client::Msg;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::capture::{Capture, Captured};
use super::connection::Connection;
use super::error::SshError;
use super::frame::{self, Decoder, Part};
use super::target::SshTarget;
use super::worker::Worker;

/// A stream through the machine.
pub type SshStream = russh::ChannelStream<Msg>;

/// How a session behaves.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// How many scripts may run at once: OpenSSH allows ten channels on a connection, of which some are for others.
    pub max_workers: usize,
    /// How long a resident shell waits for the next script before it is closed.
    pub idle: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { max_workers: 8, idle: Duration::from_secs(60) }
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
    /// It was lost; the next try comes by itself.
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
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { stdin: None, output_limit: 1024 * 1024, timeout: None, cancel: CancellationToken::new(), live: None }
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
    }
}

struct Inner {
    target: SshTarget,
    options: SessionOptions,
    state: watch::Sender<SessionState>,
    connection: watch::Sender<Option<Arc<Connection>>>,
    wanted: Notify,
    closing: CancellationToken,
    idle: Mutex<Vec<(Arc<Connection>, Worker)>>,
    slots: Semaphore,
}

impl Session {
    /// A session that connects when it is first used. Must be called inside a Tokio runtime.
    pub fn new(target: SshTarget, options: SessionOptions) -> Self {
        let slots = Semaphore::new(options.max_workers.max(1));
        let inner = Arc::new(Inner {
            target,
            options,
            state: watch::Sender::new(SessionState::Closed),
            connection: watch::Sender::new(None),
            wanted: Notify::new(),
            closing: CancellationToken::new(),
            idle: Mutex::default(),
            slots,
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
        let _slot = inner.slots.acquire().await.map_err(|_| closed())?;
        match &options.stdin {
            None => inner.run_resident(script, options).await,
            Some(stdin) => {
                let stdin = stdin.clone();
                inner.run_with_stdin(script, stdin, options).await
            }
        }
    }

    /// Connects to a port as the machine reaches it.
    pub async fn forward_tcp(&self, host: &str, port: u16) -> Result<SshStream, SshError> {
        Ok(self.0.inner.connected().await?.tcp(host, port).await?.into_stream())
    }

    /// Connects to a Unix socket in the machine.
    pub async fn forward_unix(&self, path: &str) -> Result<SshStream, SshError> {
        Ok(self.0.inner.connected().await?.unix(path).await?.into_stream())
    }

    pub(crate) async fn channel(&self) -> Result<russh::Channel<Msg>, SshError> {
        self.0.inner.connected().await?.channel().await
    }

    /// Ends it: what runs over it ends as if the connection had broken.
    pub async fn close(&self) {
        let inner = &self.0.inner;
        inner.closing.cancel();
        inner.idle().clear();
        let connection = inner.connection.send_replace(None);
        if let Some(connection) = connection {
            connection.close().await;
        }
        inner.state.send_replace(SessionState::Closed);
    }
}

fn closed() -> SshError {
    SshError::NotConnected { reason: "the session was closed".to_owned() }
}

/// Keeps a connection from the first time that one is wanted.
async fn supervise(inner: Arc<Inner>) {
    tokio::select! {
        () = inner.wanted.notified() => {}
        () = inner.closing.cancelled() => return,
    }
    inner.state.send_replace(SessionState::Connecting);
    let mut attempt = 0;
    loop {
        let opened = tokio::select! {
            opened = Connection::open(&inner.target) => opened,
            () = inner.closing.cancelled() => return,
        };
        match opened {
            Ok(connection) => {
                attempt = 0;
                let connection = Arc::new(connection);
                inner.connection.send_replace(Some(connection.clone()));
                inner.state.send_replace(SessionState::Connected);
                tokio::select! {
                    () = connection.closed() => {}
                    () = inner.closing.cancelled() => return,
                    () = inner.tidy() => {}
                }
                inner.connection.send_replace(None);
                inner.idle().clear();
                let reason = "the connection was lost".to_owned();
                inner.state.send_replace(SessionState::Reconnecting { attempt, reason });
            }
            Err(error) => {
                attempt += 1;
                let reason = match error {
                    // Whoever waits is told so in these words again.
                    SshError::NotConnected { reason } => reason,
                    error => error.to_string(),
                };
                inner.state.send_replace(SessionState::Reconnecting { attempt, reason });
            }
        }
        let pause = Duration::from_millis(200 * 2_u64.pow(attempt.min(6))).min(Duration::from_secs(15));
        let jitter = pause.mul_f64(rand::random_range(0.0..0.25));
        tokio::select! {
            () = tokio::time::sleep(pause + jitter) => {}
            () = inner.closing.cancelled() => return,
        }
    }
}

impl Inner {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Arc<Connection>, Worker)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes resident shells that nobody used for a while.
    async fn tidy(&self) {
        loop {
            tokio::time::sleep(self.options.idle / 4).await;
            self.idle().retain(|(_, worker)| worker.since.elapsed() < self.options.idle);
        }
    }

    async fn connected(&self) -> Result<Arc<Connection>, SshError> {
        if self.closing.is_cancelled() {
            return Err(closed());
        }
        self.wanted.notify_one();
        let mut connection = self.connection.subscribe();
        let mut state = self.state.subscribe();
        loop {
            if let Some(connection) = connection.borrow_and_update().as_ref().filter(|c| !c.is_closed()) {
                return Ok(connection.clone());
            }
            if let SessionState::Reconnecting { attempt: 1.., reason } = &*state.borrow_and_update() {
                return Err(SshError::NotConnected { reason: reason.clone() });
            }
            tokio::select! {
                _ = connection.changed() => {}
                _ = state.changed() => {}
                () = self.closing.cancelled() => return Err(closed()),
            }
        }
    }

    async fn worker(&self) -> Result<(Arc<Connection>, Worker), SshError> {
        let connection = self.connected().await?;
        while let Some((at, worker)) = { self.idle().pop() } {
            if Arc::ptr_eq(&at, &connection) {
                return Ok((at, worker));
            }
        }
        let worker = Worker::start(&connection).await?;
        Ok((connection, worker))
    }

    async fn run_resident(&self, script: &[u8], options: RunOptions) -> Result<RunOutput, SshError> {
        let (connection, mut worker) = self.worker().await?;
        let nonce = frame::nonce();
        let text = frame::encode(&nonce, script);
        let bytes_in = text.len() as u64;
        worker.send(text).await?;
        let mut run = Running::new(&nonce, &options, connection.clone());
        let ended = loop {
            tokio::select! {
                bytes = worker.next() => match bytes {
                    Some(bytes) => {
                        if let Some(code) = run.take(&bytes, &options) {
                            break Some(code);
                        }
                    }
                    None => break None,
                },
                () = run.stop_asked(&options) => run.stop(),
            }
        };
        let Some(exit_code) = ended else {
            run.over();
            return Err(if run.cancelled { SshError::Cancelled {} } else { SshError::OutcomeUnknown {} });
        };
        run.over();
        worker.since = Instant::now();
        self.idle().push((connection, worker));
        run.finish(exit_code, bytes_in)
    }

    /// On a channel of its own: the script reads the channel's input.
    async fn run_with_stdin(&self, script: &[u8], stdin: Bytes, options: RunOptions) -> Result<RunOutput, SshError> {
        let connection = self.connected().await?;
        let (mut reader, writer) = connection.channel().await?.split();
        let nonce = frame::nonce();
        let mut inner = Vec::new();
        inner.extend_from_slice(b"echo ");
        inner.extend_from_slice(nonce.as_bytes());
        inner.extend_from_slice(b" $$; (eval ");
        frame::quote(script, &mut inner);
        inner.extend_from_slice(b"); echo ");
        inner.extend_from_slice(nonce.as_bytes());
        inner.extend_from_slice(b" $? 0");
        let mut command = b"exec sh -c ".to_vec();
        frame::quote(&inner, &mut command);
        let bytes_in = (command.len() + stdin.len()) as u64;
        writer.exec(false, command).await?;
        let sending = async {
            // A script that does not read to the end is no fault.
            let _ = writer.data_bytes(stdin).await;
            let _ = writer.eof().await;
            std::future::pending::<()>().await;
        };
        tokio::pin!(sending);
        let mut run = Running::new(&nonce, &options, connection.clone());
        let ended = loop {
            tokio::select! {
                message = reader.wait() => match message {
                    Some(ChannelMsg::Data { data }) => {
                        if let Some(code) = run.take(&data, &options) {
                            break Some(code);
                        }
                    }
                    Some(ChannelMsg::ExtendedData { data, .. }) => run.stderr.push(&data),
                    Some(ChannelMsg::Close) | None => break None,
                    Some(_) => {}
                },
                () = &mut sending => {}
                () = run.stop_asked(&options) => run.stop(),
            }
        };
        run.over();
        match ended {
            Some(code) => run.finish(code, bytes_in),
            None if run.cancelled => Err(SshError::Cancelled {}),
            None => Err(SshError::OutcomeUnknown {}),
        }
    }
}

/// A script that runs. Dropped before its end, it is stopped.
struct Running {
    decoder: Decoder,
    stdout: Capture,
    stderr: Capture,
    bytes_out: u64,
    pid: u32,
    deadline: Option<tokio::time::Instant>,
    connection: Arc<Connection>,
    stopping: bool,
    cancelled: bool,
    timed_out: bool,
    over: bool,
}

impl Running {
    fn new(nonce: &str, options: &RunOptions, connection: Arc<Connection>) -> Self {
        Self {
            decoder: Decoder::new(nonce),
            stdout: Capture::new(options.output_limit),
            stderr: Capture::new(options.output_limit),
            bytes_out: 0,
            pid: 0,
            deadline: options.timeout.map(|timeout| tokio::time::Instant::now() + timeout),
            connection,
            stopping: false,
            cancelled: false,
            timed_out: false,
            over: false,
        }
    }

    fn take(&mut self, bytes: &[u8], options: &RunOptions) -> Option<i32> {
        self.bytes_out += bytes.len() as u64;
        for part in self.decoder.push(bytes) {
            match part {
                Part::Started(pid) => self.pid = pid,
                Part::Output(bytes) => {
                    self.stdout.push(&bytes);
                    if let Some(live) = &options.live {
                        let _ = live.try_send(Bytes::from(bytes));
                    }
                }
                Part::Stderr(bytes) => {
                    self.stderr.push(&bytes);
                    if let Some(live) = &options.live {
                        let _ = live.try_send(Bytes::from(bytes));
                    }
                }
                Part::Ended(code) => return Some(code),
            }
        }
        None
    }

    /// Returns when it is to be stopped; not again once it is being stopped.
    async fn stop_asked(&mut self, options: &RunOptions) {
        if self.stopping || self.pid == 0 {
            return std::future::pending().await;
        }
        match self.deadline {
            Some(deadline) => {
                tokio::select! {
                    () = options.cancel.cancelled() => self.cancelled = true,
                    () = tokio::time::sleep_until(deadline) => self.timed_out = true,
                }
            }
            None => {
                options.cancel.cancelled().await;
                self.cancelled = true;
            }
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        tokio::spawn(kill_tree(self.connection.clone(), self.pid));
    }

    fn over(&mut self) {
        self.over = true;
    }

    fn finish(mut self, exit_code: i32, bytes_in: u64) -> Result<RunOutput, SshError> {
        if self.cancelled {
            return Err(SshError::Cancelled {});
        }
        let stdout = std::mem::replace(&mut self.stdout, Capture::new(0)).finish();
        let stderr = std::mem::replace(&mut self.stderr, Capture::new(0)).finish();
        let (timed_out, bytes_out) = (self.timed_out, self.bytes_out);
        Ok(RunOutput { stdout, stderr, exit_code, timed_out, bytes_in, bytes_out })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.over && !self.stopping && self.pid != 0 {
            self.stop();
        }
    }
}

/// Ends a process and all that it started: kindly, and after a second for good.
async fn kill_tree(connection: Arc<Connection>, root: u32) {
    let script = format!(
        "t() {{ a=$(ps -A -o pid= -o ppid= 2>/dev/null | awk -v r={root} '{{k[$2]=k[$2]\" \"$1}} function w(p, n,i,c)\
         {{n=split(k[p],c,\" \"); for(i=1;i<=n;i++) w(c[i]); print p}} END {{w(r)}}'); echo ${{a:-{root}}}; }}\n\
         p=$(t); kill -TERM $p 2>/dev/null; i=0; while [ $i -lt 10 ] && kill -0 $p 2>/dev/null; do sleep 0.1; i=$((i+1)); done\n\
         kill -KILL $p $(t) 2>/dev/null"
    );
    let mut command = b"exec sh -c ".to_vec();
    frame::quote(script.as_bytes(), &mut command);
    let Ok(mut channel) = connection.channel().await else { return };
    if channel.exec(false, command).await.is_ok() {
        while let Some(message) = channel.wait().await {
            if matches!(message, ChannelMsg::Close) {
                break;
            }
        }
    }
}
