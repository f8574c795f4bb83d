//! One action in a sandbox: performed over the session, written to the audit log, shown as a card.
//!
//! Every action passes through [`Action::perform`]. It is audited whoever asked for it and whatever came of it; whether
//! it also makes a card in the timeline depends on who asked, so that browsing files does not drown the talk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_model::{
    ActionCard, ActionId, ActionStatus, AuditRow, Author, ChannelId, Entry, EntryBody, ErrorCode, EventBody, JobId,
    RpcError, Verb,
};
use berth_ssh::{RunOptions, RunOutput, Session, SshError};
use berth_tools::{ErrorKind, Reply, Script, Tool, ToolError};
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::channel::{Handle, Live};
use crate::hub::now;
use crate::tasks::Task;
use crate::world::World;

/// The most of an output that a card shows, in bytes; the timeline is no archive.
const CARD_OUTPUT: usize = 16 * 1024;
/// The most of a script that the audit log keeps, in bytes.
const AUDIT_SCRIPT: usize = 64 * 1024;
/// Output comes in bursts; listeners are told at most so often.
const LIVE_PAUSE: Duration = Duration::from_millis(60);

/// An action about to be performed.
pub struct Action<'a> {
    /// What the engine shares.
    pub world: &'a Arc<World>,
    /// The channel it is done in.
    pub handle: &'a Arc<Handle>,
    /// Who asked.
    pub caller: &'a Author,
    /// What kind it is.
    pub verb: Verb,
    /// To what, in one line.
    pub subject: String,
    /// Its id, where the caller chose one.
    pub id: Option<ActionId>,
}

/// What a card and the audit log tell of an action that succeeded.
#[derive(Debug, Default)]
pub struct Told {
    /// A few words.
    pub summary: Option<String>,
    /// Output or a diff.
    pub output: Option<String>,
    /// A command's exit code.
    pub exit_code: Option<i32>,
    /// The job it started.
    pub job: Option<JobId>,
    /// Absolute paths that changed.
    pub changed: Vec<String>,
}

impl Action<'_> {
    /// Performs it by `work`; `told` says what the card shows.
    pub async fn perform<T>(
        self,
        work: impl for<'r> FnOnce(&'r mut Runner) -> BoxFuture<'r, Result<T, RpcError>>,
        told: impl FnOnce(&T) -> Told,
    ) -> Result<T, RpcError> {
        let action = self.id.clone().unwrap_or_else(ActionId::fresh);
        let (at, begun) = (now(), Instant::now());
        let channel = self.handle.channel();
        let mut entry = None;
        if shows(self.caller, self.verb) {
            let card = ActionCard {
                action: action.clone(),
                verb: self.verb,
                subject: self.subject.clone(),
                summary: None,
                status: ActionStatus::Running,
                duration_ms: None,
                output: None,
                job: None,
            };
            entry = Some(self.world.tell(&channel.id, self.caller.clone(), EntryBody::Action { card }).await);
        }

        let cancel = CancellationToken::new();
        let tracked = self.handle.track(action.clone(), cancel.clone());
        let mut runner = Runner::new(self.world.clone(), &channel.id, action.clone(), cancel, entry.is_some());
        // A caller that goes away drops this future: the action then ends as cancelled, and is still told of.
        let mut unfinished = Unfinished { world: self.world.clone(), entry, audit: None };
        let mut audit = AuditRow {
            row: 0,
            action,
            channel: channel.id.clone(),
            channel_name: channel.name,
            author: self.caller.clone(),
            verb: self.verb,
            subject: self.subject,
            script: String::new(),
            at,
            duration_ms: 0,
            exit_code: None,
            error: Some("The caller went away before it ended.".to_owned()),
            bytes_in: 0,
            bytes_out: 0,
        };
        unfinished.audit = Some(audit.clone());

        let result = match self.handle.live().await {
            Ok(live) => {
                let result = work(runner.on(live.clone())).await;
                if matches!(self.verb, Verb::Run) {
                    live.changed.notify_one();
                }
                result
            }
            Err(error) => Err(error),
        };
        drop(tracked);
        let entry = unfinished.disarm();
        let duration = begun.elapsed();
        audit.duration_ms = millis(duration);
        audit.script = runner.script_text();
        (audit.bytes_in, audit.bytes_out) = (runner.bytes_in, runner.bytes_out);
        audit.error = result.as_ref().err().map(|error| error.message.clone());
        let told = result.as_ref().ok().map(told).unwrap_or_default();
        audit.exit_code = told.exit_code;
        self.world.audit(audit).await;
        if !told.changed.is_empty() {
            self.world.hub.event(EventBody::Files { channel: channel.id, paths: told.changed.clone() });
        } else if self.verb == Verb::Run {
            self.world.hub.event(EventBody::Files { channel: channel.id, paths: Vec::new() });
        }
        if let Some(entry) = entry {
            let status = match &result {
                Ok(_) => ActionStatus::Done { exit_code: told.exit_code },
                Err(error) => ActionStatus::Failed { code: error.code, message: error.message.clone() },
            };
            finish(self.world, entry, status, duration, told).await;
        }
        result
    }
}

/// Which actions make a card: all that an agent does; of the others', those that change something.
fn shows(caller: &Author, verb: Verb) -> bool {
    match caller {
        Author::Agent { .. } => true,
        Author::Person => verb == Verb::Run,
        Author::Script | Author::Berth => {
            matches!(verb, Verb::Run | Verb::Write | Verb::Edit | Verb::Move | Verb::Delete)
        }
    }
}

async fn finish(world: &World, mut entry: Entry, status: ActionStatus, duration: Duration, told: Told) {
    if let EntryBody::Action { card } = &mut entry.body {
        card.status = status;
        card.duration_ms = Some(millis(duration));
        card.summary = told.summary;
        card.output = told.output.map(|output| excerpt(&output));
        card.job = told.job;
    }
    world.retell(entry).await;
}

/// Tells of an action whose caller went away.
struct Unfinished {
    world: Arc<World>,
    entry: Option<Entry>,
    audit: Option<AuditRow>,
}

impl Unfinished {
    fn disarm(mut self) -> Option<Entry> {
        self.audit = None;
        self.entry.take()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(audit) = self.audit.take() else { return };
        let (world, entry) = (self.world.clone(), self.entry.take());
        // Nobody waits for it any more, and writing it down takes no time worth owning.
        tokio::spawn(async move {
            world.audit(audit).await;
            if let Some(entry) = entry {
                let message = "Whoever asked for it went away before it ended; it was stopped.".to_owned();
                let status = ActionStatus::Failed { code: ErrorCode::Cancelled, message };
                finish(&world, entry, status, Duration::ZERO, Told::default()).await;
            }
        });
    }
}

/// Runs an action's scripts and keeps count of them.
pub struct Runner {
    world: Arc<World>,
    channel: ChannelId,
    action: ActionId,
    cancel: CancellationToken,
    shown: bool,
    live: Option<Arc<Live>>,
    script: Vec<u8>,
    bytes_in: u64,
    bytes_out: u64,
}

impl Runner {
    fn new(world: Arc<World>, channel: &ChannelId, action: ActionId, cancel: CancellationToken, shown: bool) -> Self {
        Self {
            world,
            channel: channel.clone(),
            action,
            cancel,
            shown,
            live: None,
            script: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    fn on(&mut self, live: Arc<Live>) -> &mut Self {
        self.live = Some(live);
        self
    }

    /// The machine.
    pub fn live(&self) -> Result<Arc<Live>, RpcError> {
        self.live.clone().ok_or_else(|| RpcError::new(ErrorCode::NotRunning, "The sandbox does not run."))
    }

    /// The action's id.
    pub fn action(&self) -> &ActionId {
        &self.action
    }

    /// The folder that relative paths start from.
    pub fn workdir(&self) -> String {
        self.live.as_ref().map(|live| live.workdir.clone()).unwrap_or_default()
    }

    /// Runs a tool. One that may be repeated is sent again when the connection broke before its outcome was seen.
    pub async fn tool<T: Tool>(&mut self, tool: &T) -> Result<T::Output, RpcError> {
        let script = tool.script().map_err(tool_error)?;
        let tidy = || RunOptions { tidy: true, ..RunOptions::default() };
        let output = match self.run(&script, tidy()).await {
            Err(error) if script.repeatable && error.code == ErrorCode::OutcomeUnknown => {
                self.run(&script, tidy()).await?
            }
            other => other?,
        };
        tool.parse(&reply(&output)).map_err(tool_error)
    }

    /// Runs a command with a time limit, and lets listeners see its output as it comes.
    /// Says whether its time ran out.
    pub async fn command<T: Tool>(&mut self, tool: &T, timeout: Duration) -> Result<(T::Output, bool), RpcError> {
        let (live, _told) = match self.shown {
            true => {
                let (sender, chunks) = mpsc::channel(256);
                let told = tell_output(self.world.clone(), self.channel.clone(), self.action.clone(), chunks);
                (Some(sender), Some(Task::spawn("output", told)))
            }
            false => (None, None),
        };
        let script = tool.script().map_err(tool_error)?;
        let output = self.run(&script, RunOptions { timeout: Some(timeout), live, ..RunOptions::default() }).await?;
        let parsed = tool.parse(&reply(&output)).map_err(tool_error)?;
        Ok((parsed, output.timed_out))
    }

    async fn run(&mut self, script: &Script, options: RunOptions) -> Result<RunOutput, RpcError> {
        let live = self.live()?;
        if !self.script.is_empty() {
            self.script.push(b'\n');
        }
        self.script.extend_from_slice(&script.text[..script.text.len().min(AUDIT_SCRIPT)]);
        let output = run(&live.session, script, RunOptions { cancel: self.cancel.clone(), ..options }).await?;
        self.bytes_in += output.bytes_in;
        self.bytes_out += output.bytes_out;
        Ok(output)
    }

    fn script_text(&self) -> String {
        String::from_utf8_lossy(&self.script[..self.script.len().min(AUDIT_SCRIPT)]).into_owned()
    }
}

async fn tell_output(world: Arc<World>, channel: ChannelId, action: ActionId, mut chunks: mpsc::Receiver<Bytes>) {
    let mut text = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        text.extend_from_slice(&chunk);
        tokio::time::sleep(LIVE_PAUSE).await;
        while let Ok(more) = chunks.try_recv() {
            text.extend_from_slice(&more);
        }
        let from = text.len().saturating_sub(CARD_OUTPUT);
        let body = EventBody::Output {
            channel: channel.clone(),
            action: action.clone(),
            text: String::from_utf8_lossy(&text[from..]).into_owned(),
        };
        world.hub.event(body);
        text.clear();
    }
}

/// Runs a tool that no one asked for in particular: no audit row, no card. For looking and for setting up.
pub async fn call<T: Tool>(session: &Session, tool: &T) -> Result<T::Output, RpcError> {
    let script = tool.script().map_err(tool_error)?;
    let output = run(session, &script, RunOptions { tidy: true, ..RunOptions::default() }).await?;
    tool.parse(&reply(&output)).map_err(tool_error)
}

async fn run(session: &Session, script: &Script, options: RunOptions) -> Result<RunOutput, RpcError> {
    let stdin = script.stdin.clone().map(Bytes::from);
    let options = RunOptions { stdin, output_limit: script.reply_limit, ..options };
    session.run(&script.text, options).await.map_err(ssh_error)
}

fn reply(output: &RunOutput) -> Reply<'_> {
    Reply {
        stdout: &output.stdout.bytes,
        stderr: &output.stderr.bytes,
        exit_code: output.exit_code,
        truncated: output.stdout.dropped > 0 || output.stderr.dropped > 0,
    }
}

/// What a caller is told of a session's error.
pub fn ssh_error(error: SshError) -> RpcError {
    let code = match &error {
        SshError::Cancelled { .. } => ErrorCode::Cancelled,
        SshError::OutcomeUnknown { .. } => ErrorCode::OutcomeUnknown,
        _ => ErrorCode::Failed,
    };
    RpcError::from_error(code, &error)
}

/// What a caller is told of a tool's error.
pub fn tool_error(error: ToolError) -> RpcError {
    let code = match error.kind {
        ErrorKind::NotFound => ErrorCode::NotFound,
        ErrorKind::Conflict | ErrorKind::Exists => ErrorCode::Conflict,
        ErrorKind::BadRequest
        | ErrorKind::NoMatch
        | ErrorKind::IsFolder
        | ErrorKind::NotFolder
        | ErrorKind::TooLarge => ErrorCode::BadRequest,
        ErrorKind::PermissionDenied | ErrorKind::NoSpace | ErrorKind::Garbled | ErrorKind::Failed => ErrorCode::Failed,
    };
    RpcError { hint: error.hint, ..RpcError::new(code, error.message) }
}

/// The first and the last part of a text that is too long for a card.
pub fn excerpt(text: &str) -> String {
    if text.len() <= CARD_OUTPUT {
        return text.to_owned();
    }
    let half = CARD_OUTPUT / 2;
    let head = floor(text, half);
    let tail = floor(text, text.len() - half);
    let left_out = tail - head;
    format!("{}\n… {left_out} bytes left out …\n{}", &text[..head], &text[tail..])
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_keeps_both_ends_and_whole_characters() {
        let long = format!("start{}end", "é".repeat(CARD_OUTPUT));
        let short = excerpt(&long);
        assert!(short.starts_with("start") && short.ends_with("end"));
        assert!(short.len() < CARD_OUTPUT + 100);
        assert_eq!(excerpt("kept"), "kept");
    }

    #[test]
    fn a_person_who_browses_makes_no_cards() {
        assert!(!shows(&Author::Person, Verb::List));
        assert!(shows(&Author::Person, Verb::Run));
        assert!(shows(&Author::Agent { name: "a".to_owned() }, Verb::List));
    }
}
