//! A command whose outcome outlives the connection: it is begun once, followed, and asked after until its end is known.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use berth_model::{ErrorCode, JobId, RpcError};
use berth_ssh::{RunOptions, Session, SessionState, SshError};
use berth_tools::kept::{BEGAN, End, Keep, Kept, Look, Standing};
use berth_tools::{Ran, Run, Script, Tool};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::error::{ssh_error, tool_error};
use crate::reply::reply;

/// What takes longer is looked after while it runs, first so often and then less.
const FOLLOW: Duration = Duration::from_millis(150);
const CALM: Duration = Duration::from_secs(1);
/// A look takes no longer than the way there and back; one that does is tried again.
const LOOK: Duration = Duration::from_secs(20);
/// A connection that was lost is waited for so long before it is said that nothing was run.
const BEGIN: Duration = Duration::from_secs(15);
/// So many outcomes that were seen lie in the machine, before one command's way is used to forget them; fewer, where they
/// are of so many bytes.
const GATHER: usize = 16;
const GATHER_BYTES: u64 = 256 * 1024;
/// The most that a look may take: a long output comes slowly on a slow way.
const LOOK_MOST: Duration = Duration::from_secs(30 * 60);
/// A machine that answers, and for so long nothing that means anything, is not asked any more.
const NONSENSE: Duration = Duration::from_secs(120);
/// What has not ended after so many kills does not end.
const ENDS: u32 = 3;

/// What a command did, and what went to and fro for it.
#[derive(Debug)]
pub struct Outcome {
    /// What it did.
    pub ran: Ran,
    /// Whether its time ran out.
    pub timed_out: bool,
    /// Bytes sent.
    pub bytes_in: u64,
    /// Bytes that came back.
    pub bytes_out: u64,
}

/// Runs commands on one machine. Remembers which outcomes were seen, until the machine was told.
#[derive(Debug)]
pub struct Keeper {
    /// What the ids of its runs begin with.
    set: String,
    next: AtomicU64,
    seen: Mutex<Seen>,
    swept: AtomicBool,
}

/// Runs whose outcomes were seen, and how much came back for them.
#[derive(Debug, Default)]
struct Seen {
    ids: Vec<String>,
    bytes: u64,
}

impl Default for Keeper {
    fn default() -> Self {
        let (next, seen, swept) = (AtomicU64::new(1), Mutex::default(), AtomicBool::default());
        Self { set: JobId::fresh().0, next, seen, swept }
    }
}

/// One command on its way.
struct Way<'a> {
    session: &'a Session,
    run: &'a Run,
    deadline: Instant,
    cancel: &'a CancellationToken,
    live: mpsc::Sender<Bytes>,
    out: u64,
    err: u64,
    bytes_in: u64,
    bytes_out: u64,
    timed_out: bool,
    /// So long a look may take.
    patience: Duration,
    /// Since when no answer meant anything.
    nonsense: Option<Instant>,
    /// Whether it was heard to begin.
    begun: bool,
    /// The run that may go on, until its end is known.
    open: Option<String>,
}

impl Drop for Way<'_> {
    /// Sees to it that a command that nobody waits for any more ends: at once, or when the machine is back.
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.open.take(), Handle::try_current()) else { return };
        let session = self.session.clone();
        runtime.spawn(async move {
            let Ok(script) = (End { id }).script() else { return };
            let until = Instant::now() + Duration::from_secs(3_600);
            let options = || RunOptions { timeout: Some(LOOK), ..RunOptions::default() };
            // A person who did not want to answer is not asked for this.
            let _ = timeout_at(until, session.welcome()).await;
            while session.run(&script.text, options()).await.is_err()
                && *session.state().borrow() != SessionState::Closed
                && Instant::now() < until
            {
                sleep(CALM).await;
                let _ = timeout_at(until, session.welcome()).await;
            }
        });
    }
}

impl Keeper {
    /// Runs a command once, however often the connection breaks meanwhile, and waits for its end. After `limit` it is
    /// stopped; `live` is given what it prints as it comes.
    pub async fn run(
        &self,
        session: &Session,
        run: &Run,
        limit: Duration,
        cancel: &CancellationToken,
        live: mpsc::Sender<Bytes>,
    ) -> Result<Outcome, RpcError> {
        let deadline = Instant::now() + limit;
        let mut way = Way {
            session,
            run,
            deadline,
            cancel,
            live,
            out: 0,
            err: 0,
            bytes_in: 0,
            bytes_out: 0,
            timed_out: false,
            patience: LOOK,
            nonsense: None,
            begun: false,
            open: None,
        };
        loop {
            let id = format!("{}-{}", self.set, self.next.fetch_add(1, Relaxed));
            let keep = Keep { id: id.clone(), run: run.clone(), seen: self.take(), sweep: !self.swept.load(Relaxed) };
            way.open = Some(id.clone());
            let begun = way.begin(&keep).await;
            if !matches!(begun, Ok(Begun::Ended(_) | Begun::Untold)) {
                self.put(keep.seen, 0);
            }
            let ran = match begun {
                Ok(Begun::Ended(ran)) => {
                    self.swept.store(true, Relaxed);
                    Ok(Some(ran))
                }
                Ok(Begun::Not) => Ok(None),
                Ok(Begun::Unknown | Begun::Untold) => way.resume(&id).await,
                Ok(Begun::NoRoom) => {
                    way.open = None;
                    way.unkept().await.map(Some)
                }
                Err(error) => Err(error),
            };
            // What somebody gave up may run: it is ended.
            if !ran.as_ref().is_err_and(|error| error.code == ErrorCode::Cancelled) {
                way.open = None;
            }
            if let Some(ran) = ran? {
                self.put(vec![id], way.bytes_out);
                let (timed_out, bytes_in, bytes_out) = (way.timed_out, way.bytes_in, way.bytes_out);
                return Ok(Outcome { ran, timed_out, bytes_in, bytes_out });
            }
        }
    }

    /// What is to be forgotten, once that is worth a program's start in the machine.
    fn take(&self) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.ids.len() < GATHER && seen.bytes < GATHER_BYTES {
            return Vec::new();
        }
        std::mem::take(&mut *seen).ids
    }

    fn put(&self, ids: Vec<String>, bytes: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.ids.extend(ids);
        seen.bytes += bytes;
    }
}

/// What is known once the first connection has told all it could.
enum Begun {
    Ended(Ran),
    /// It may run.
    Unknown,
    /// It ended, and a look tells how.
    Untold,
    /// Nothing can be kept there, and it does not run.
    NoRoom,
    /// It did not begin, and under this id it will not.
    Not,
}

impl Way<'_> {
    async fn begin(&mut self, keep: &Keep) -> Result<Begun, RpcError> {
        let script = keep.script().map_err(tool_error)?;
        let patience = Instant::now() + BEGIN;
        loop {
            let (begun, seen_to_begin) = mpsc::channel(16);
            let options = RunOptions {
                output_limit: script.reply_limit,
                timeout: Some(self.deadline.saturating_duration_since(Instant::now())),
                cancel: self.cancel.clone(),
                live: Some(begun),
                stdin: None,
                // What the command leaves behind prints into files, and holds nothing of the shell's.
                tidy: true,
            };
            let session = self.session;
            let running = session.run(&script.text, options);
            let followed = self.follow(&keep.id, seen_to_begin);
            let output = tokio::select! {
                output = running => output,
                () = followed => Err(SshError::OutcomeUnknown {}),
            };
            match output {
                Ok(output) => {
                    self.bytes_in += output.bytes_in;
                    self.bytes_out += output.bytes_out;
                    self.timed_out |= output.timed_out;
                    // Who follows may not have heard it yet.
                    self.begun |= output.stdout.bytes.starts_with(BEGAN);
                    let reply = reply(&output);
                    return match keep.parse(&reply) {
                        Ok(Kept::Ended(ran)) => Ok(Begun::Ended(ran)),
                        Ok(Kept::Taken) => Ok(Begun::Not),
                        Ok(Kept::Cut) => Ok(Begun::Unknown),
                        Ok(Kept::Untold) => Ok(Begun::Untold),
                        Ok(Kept::NoRoom) => Ok(Begun::NoRoom),
                        // Its shell was stopped so hard, by us or from outside, that it told nothing; what was printed is kept.
                        Err(_) if output.timed_out || output.exit_code > 128 => Ok(Begun::Unknown),
                        Err(error) => Err(tool_error(error)),
                    };
                }
                Err(SshError::OutcomeUnknown { .. }) => return Ok(Begun::Unknown),
                // Nothing was run. A connection that was there a moment ago is given time to come back.
                Err(error) if !error.is_final() && !matches!(error, SshError::Cancelled {} | SshError::Busy {}) => {
                    let coming = matches!(*self.session.state().borrow(), SessionState::Reconnecting { .. });
                    if !coming || Instant::now() >= patience {
                        return Err(ssh_error(error));
                    }
                    self.pause(FOLLOW).await?;
                }
                Err(error) => return Err(ssh_error(error)),
            }
        }
    }

    /// Runs it as any other command, where nothing can be kept.
    async fn unkept(&mut self) -> Result<Ran, RpcError> {
        let script = self.run.script().map_err(tool_error)?;
        let options = RunOptions {
            output_limit: script.reply_limit,
            timeout: Some(self.deadline.saturating_duration_since(Instant::now())),
            cancel: self.cancel.clone(),
            live: Some(self.live.clone()),
            ..RunOptions::default()
        };
        let output = self.session.run(&script.text, options).await.map_err(|error| match error {
            SshError::OutcomeUnknown {} => no_room(),
            error => ssh_error(error),
        })?;
        self.bytes_in += output.bytes_in;
        self.bytes_out += output.bytes_out;
        self.timed_out |= output.timed_out;
        self.run.parse(&reply(&output)).map_err(tool_error)
    }

    /// Tells what a command prints, from when it is known to have begun. Ends only where it is gone.
    async fn follow(&mut self, id: &str, mut begun: mpsc::Receiver<Bytes>) {
        let mut said = Vec::new();
        while !said.starts_with(BEGAN) {
            match begun.recv().await {
                Some(bytes) if said.len() < BEGAN.len() => said.extend_from_slice(&bytes),
                // Where nothing can be kept it runs as any other command.
                _ => return std::future::pending().await,
            }
        }
        self.begun = true;
        let mut pause = 2 * FOLLOW;
        loop {
            sleep(pause).await;
            pause = (pause * 3 / 2).min(CALM);
            if let Ok(Some(Standing::Lost | Standing::Never)) = self.look(id).await {
                return;
            }
        }
    }

    /// Asks until its end is known; nothing where it never began.
    async fn resume(&mut self, id: &str) -> Result<Option<Ran>, RpcError> {
        let (mut pause, mut ends) = (FOLLOW / 3, 0);
        self.nonsense = None;
        loop {
            match self.look(id).await {
                Ok(None) => {
                    return Err(RpcError::new(
                        ErrorCode::OutcomeUnknown,
                        "The machine is there, and what it says of the command has meant nothing for minutes.",
                    )
                    .hint("Look at what it has done before you run it again."));
                }
                Ok(Some(Standing::Never)) if !self.begun => return Ok(None),
                Ok(Some(Standing::Ended(ran))) => return Ok(Some(ran)),
                // Its folder may be gone with the machine's temporary files.
                Ok(Some(Standing::Lost | Standing::Never)) => {
                    return Err(RpcError::new(
                        ErrorCode::OutcomeUnknown,
                        "The command was ended from outside, or the machine was started anew while it ran.",
                    )
                    .hint("Look at what it has done before you run it again."));
                }
                Ok(Some(Standing::Unkept)) => return Err(no_room()),
                Ok(Some(Standing::Running { .. })) if ends == ENDS => {
                    return Err(RpcError::new(
                        ErrorCode::OutcomeUnknown,
                        "The command’s time ran out, and it could not be ended.",
                    )
                    .hint("It may wait for a disk or a device, or run on another computer with the same home."));
                }
                Ok(Some(Standing::Running { .. })) if Instant::now() >= self.deadline => {
                    self.timed_out = true;
                    ends += 1;
                    let end = End { id: id.to_owned() };
                    let _ = self.tool(&end.script().map_err(tool_error)?).await;
                }
                Ok(Some(Standing::Running { .. })) => {
                    self.pause(pause).await?;
                    pause = (pause * 3 / 2).min(CALM);
                }
                Err(error) if error.code == ErrorCode::Cancelled => return Err(error),
                Err(_) if *self.session.state().borrow() == SessionState::Closed => {
                    return Err(RpcError::new(
                        ErrorCode::OutcomeUnknown,
                        "The sandbox was left while the command ran: it is not known whether it ran to its end.",
                    ));
                }
                // The machine answers nonsense, or not at all: it is asked again when it is back.
                Err(_) => {
                    let _ = self.cancel.run_until_cancelled(self.session.welcome()).await;
                    self.pause(FOLLOW).await?;
                }
            }
        }
    }

    /// How it stands. Nothing where the machine answers, and has not said so for long.
    async fn look(&mut self, id: &str) -> Result<Option<Standing>, RpcError> {
        let look = Look { id: id.to_owned(), out: self.out, err: self.err };
        let answer = self.tool(&look.script().map_err(tool_error)?).await;
        let output = answer.inspect_err(|_| self.nonsense = None)?;
        let standing = look.standing(self.run, &reply(&output)).map_err(tool_error);
        match &standing {
            Ok(_) => self.nonsense = None,
            Err(_) if output.timed_out => self.patience = (self.patience * 2).min(LOOK_MOST),
            Err(_) if self.nonsense.get_or_insert_with(Instant::now).elapsed() > NONSENSE => return Ok(None),
            Err(_) => {}
        }
        let standing = standing?;
        if let Standing::Running { out, out_to, err, err_to } = &standing {
            (self.out, self.err) = (*out_to, *err_to);
            for bytes in [out, err] {
                if !bytes.is_empty() {
                    let _ = self.live.try_send(Bytes::copy_from_slice(bytes));
                }
            }
        }
        Ok(Some(standing))
    }

    async fn tool(&mut self, script: &Script) -> Result<berth_ssh::RunOutput, RpcError> {
        let options = RunOptions {
            output_limit: script.reply_limit,
            cancel: self.cancel.clone(),
            tidy: true,
            timeout: Some(self.patience),
            ..RunOptions::default()
        };
        let output = self.session.run(&script.text, options).await.map_err(ssh_error)?;
        self.bytes_in += output.bytes_in;
        self.bytes_out += output.bytes_out;
        Ok(output)
    }

    async fn pause(&self, pause: Duration) -> Result<(), RpcError> {
        match timeout_at(Instant::now() + pause, self.cancel.cancelled()).await {
            Ok(()) => Err(ssh_error(SshError::Cancelled {})),
            Err(_) => Ok(()),
        }
    }
}

fn no_room() -> RpcError {
    RpcError::new(
        ErrorCode::OutcomeUnknown,
        "The connection broke, and the machine has no room to keep what a command does: it is not known whether it ran to \
         its end.",
    )
    .hint("Free some space there. Look at what it has done before you run it again.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]
mod tests;
