//! One script on one channel: sent, followed to its trailer, or stopped.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use russh::ChannelMsg;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::capture::{Capture, Captured};
use super::error::SshError;
use super::frame::{Decoder, Part};
use super::pool::Pool;
use super::stop::kill_tree;
use super::worker::Worker;

/// A script that was stopped has so long to say that it ended; then nobody will.
const STOPPED: Duration = Duration::from_secs(4);
/// So long may output come after the shell's exit, or standard error after standard output's trailer.
const AFTER: Duration = Duration::from_secs(1);
/// A caller that leaves before the script said which process it is leaves somebody to wait so long for that.
const HEADER: Duration = Duration::from_secs(10);

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

/// What is sent: a frame, and what the script reads.
pub(super) struct Sent {
    pub(super) nonce: String,
    pub(super) frame: Bytes,
    pub(super) stdin: Option<Bytes>,
    /// Bytes sent in all.
    pub(super) bytes: u64,
}

/// A shell that saw its script end.
pub(super) struct Rest {
    pub(super) worker: Worker,
    /// Whether nothing that the script left prints into it.
    pub(super) free: bool,
}

/// Runs a script. Where no trailer comes, its channel is closed, and what it started is ended.
pub(super) async fn run(
    pool: &Arc<Pool>,
    worker: Worker,
    sent: Sent,
    options: &RunOptions,
) -> (Result<RunOutput, SshError>, Option<Rest>) {
    let mut run = Running { pool: pool.clone(), worker: Some(worker), told: Told::new(&sent.nonce, options) };
    let bytes_in = sent.bytes;
    let end = run.follow(sent, options).await;
    let worker = if end == End::Lost { None } else { run.worker.take() };
    let told = &mut run.told;
    let output = match end {
        _ if told.cancelled => Err(SshError::Cancelled {}),
        // What a shell says of a command that was killed.
        End::Lost if told.timed_out => Ok(told.output(128 + 9, bytes_in)),
        End::Lost => Err(SshError::OutcomeUnknown {}),
        End::Whole(code) | End::Cut(code) => Ok(told.output(code, bytes_in)),
    };
    let free = told.free;
    (output, worker.filter(|_| matches!(end, End::Whole(_))).map(|worker| Rest { worker, free }))
}

/// How following a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Both streams came to their trailer.
    Whole(i32),
    /// One did.
    Cut(i32),
    /// None did.
    Lost,
}

/// A script that runs. Dropped before its end, it is stopped.
struct Running {
    pool: Arc<Pool>,
    worker: Option<Worker>,
    told: Told,
}

impl Running {
    async fn follow(&mut self, sent: Sent, options: &RunOptions) -> End {
        let Some(worker) = self.worker.as_mut() else { return End::Lost };
        let line = worker.line().clone();
        let Worker { reader, writer, in_band, .. } = worker;
        let mut ended = std::pin::pin!(line.ended());
        let told = &mut self.told;
        told.stderr_over = *in_band;
        let begun = Notify::new();
        let sending = async {
            // A script that does not read to the end is no fault, and a broken connection is seen below.
            if !sent.frame.is_empty() {
                let _ = writer.data_bytes(sent.frame).await;
            }
            if let Some(stdin) = sent.stdin {
                // Not before the script is there to read it: it might be read by something else, and be run.
                begun.notified().await;
                let _ = writer.data_bytes(stdin).await;
                let _ = writer.eof().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::pin!(sending);
        let mut until: Option<Instant> = None;
        loop {
            match told.code {
                Some(code) if told.stderr_over => return End::Whole(code),
                Some(_) => until = until.or_else(|| Some(Instant::now() + AFTER)),
                None => {}
            }
            if told.pid != 0 {
                begun.notify_one();
            }
            if told.is_stopping() && told.pid != 0 && !told.killed {
                told.killed = true;
                tokio::spawn(kill_tree(self.pool.clone(), told.pid));
            }
            tokio::select! {
                message = reader.wait() => match message {
                    Some(ChannelMsg::Data { data }) => told.stdout(&data, options),
                    Some(ChannelMsg::ExtendedData { data, .. }) => {
                        told.stderr(&data, options);
                        // Its trailer is on the way, behind what comes: a slow way is given time.
                        if told.code.is_some() && !told.is_stopping() {
                            until = Some(Instant::now() + AFTER);
                        }
                    }
                    Some(ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. }) => {
                        until = until.or_else(|| Some(Instant::now() + AFTER));
                    }
                    Some(ChannelMsg::Close) | None => break,
                    Some(_) => {}
                },
                () = &mut sending => {}
                () = &mut ended => break,
                () = told.stop_asked(options) => {
                    let stopped = Instant::now() + STOPPED;
                    until = Some(until.map_or(stopped, |until| until.min(stopped)));
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break,
            }
        }
        told.code.map_or(End::Lost, End::Cut)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (Some(mut worker), Ok(runtime)) = (self.worker.take(), Handle::try_current()) else { return };
        if self.told.killed || worker.line().is_closed() {
            return;
        }
        let (pool, pid) = (self.pool.clone(), self.told.pid);
        let mut decoder = std::mem::replace(&mut self.told.out, Decoder::new(""));
        runtime.spawn(async move {
            let pid = match pid {
                0 => timeout(HEADER, started(&mut worker, &mut decoder)).await.ok().flatten(),
                pid => Some(pid),
            };
            if let Some(pid) = pid.filter(|pid| *pid != 0) {
                kill_tree(pool, pid).await;
            }
        });
    }
}

/// Which process a script is, once it says so.
async fn started(worker: &mut Worker, decoder: &mut Decoder) -> Option<u32> {
    loop {
        let bytes = worker.next().await?;
        if let Some(Part::Started(pid)) = decoder.push(&bytes).into_iter().next() {
            return Some(pid);
        }
    }
}

/// What is known of a script so far.
struct Told {
    out: Decoder,
    err: Decoder,
    kept_out: Capture,
    kept_err: Capture,
    bytes_out: u64,
    pid: u32,
    code: Option<i32>,
    stderr_over: bool,
    deadline: Option<Instant>,
    cancelled: bool,
    timed_out: bool,
    killed: bool,
    free: bool,
}

impl Told {
    fn new(nonce: &str, options: &RunOptions) -> Self {
        Self {
            out: Decoder::new(nonce),
            err: Decoder::new(nonce),
            kept_out: Capture::new(options.output_limit),
            kept_err: Capture::new(options.output_limit),
            bytes_out: 0,
            pid: 0,
            code: None,
            stderr_over: false,
            deadline: options.timeout.map(|timeout| Instant::now() + timeout),
            cancelled: false,
            timed_out: false,
            killed: false,
            free: false,
        }
    }

    fn stdout(&mut self, bytes: &[u8], options: &RunOptions) {
        self.bytes_out += bytes.len() as u64;
        for part in self.out.push(bytes) {
            match part {
                Part::Started(pid) => self.pid = pid,
                Part::Output(bytes) => {
                    self.kept_out.push(&bytes);
                    show(bytes, options);
                }
                Part::Stderr(bytes) => {
                    self.kept_err.push(&bytes);
                    show(bytes, options);
                }
                Part::Dropped(count) => self.kept_err.dropped(count),
                Part::Ended(code) => self.code = Some(code),
                Part::Free => self.free = true,
            }
        }
    }

    fn stderr(&mut self, bytes: &[u8], options: &RunOptions) {
        self.bytes_out += bytes.len() as u64;
        for part in self.err.push(bytes) {
            match part {
                Part::Output(bytes) => {
                    self.kept_err.push(&bytes);
                    show(bytes, options);
                }
                Part::Ended(_) => self.stderr_over = true,
                _ => {}
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.cancelled || self.timed_out
    }

    /// Returns when it is to be stopped; not again once it is being stopped.
    async fn stop_asked(&mut self, options: &RunOptions) {
        if self.is_stopping() {
            return std::future::pending().await;
        }
        match self.deadline {
            Some(deadline) => {
                tokio::select! {
                    () = options.cancel.cancelled() => self.cancelled = true,
                    () = sleep_until(deadline) => self.timed_out = true,
                }
            }
            None => {
                options.cancel.cancelled().await;
                self.cancelled = true;
            }
        }
    }

    fn output(&mut self, exit_code: i32, bytes_in: u64) -> RunOutput {
        let stdout = std::mem::replace(&mut self.kept_out, Capture::new(0)).finish();
        let stderr = std::mem::replace(&mut self.kept_err, Capture::new(0)).finish();
        RunOutput { stdout, stderr, exit_code, timed_out: self.timed_out, bytes_in, bytes_out: self.bytes_out }
    }
}

fn show(bytes: Vec<u8>, options: &RunOptions) {
    if let Some(live) = &options.live {
        let _ = live.try_send(Bytes::from(bytes));
    }
}
