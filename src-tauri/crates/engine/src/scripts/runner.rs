//! Scripts on their way to a sandbox and back, counted.

use std::sync::Arc;
use std::time::Duration;

use berth_model::{ActionId, Author, ChannelId, ErrorCode, EventBody, RpcError, Verb};
use berth_ssh::{RunOptions, RunOutput, Session, SshError};
use berth_tools::{Ran, Run, Script, Tool};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::trail::{CARD_OUTPUT, Row, Told, Trail, row};
use crate::error::{ssh_error, tool_error};
use crate::live::Live;
use crate::reply::reply;
use crate::tasks::Task;
use crate::world::World;

/// Output comes in bursts; listeners are told at most so often.
const LIVE_PAUSE: Duration = Duration::from_millis(60);

/// Runs an action's scripts and keeps count of them.
pub struct Runner {
    world: Arc<World>,
    row: Row,
    action: ActionId,
    cancel: CancellationToken,
    shown: bool,
    live: Option<Arc<Live>>,
}

impl Runner {
    pub fn new(world: &Arc<World>, row: Row, cancel: CancellationToken, shown: bool) -> Self {
        let action = row.copy().action;
        Self { world: world.clone(), row, action, cancel, shown, live: None }
    }

    pub fn on(&mut self, live: Arc<Live>) -> &mut Self {
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

    /// Runs a tool. One that may be repeated is sent again when the connection broke before its outcome was seen. Where
    /// that cannot be sent any more, the outcome of the first is still not known.
    pub async fn tool<T: Tool>(&mut self, tool: &T) -> Result<T::Output, RpcError> {
        let script = tool.script().map_err(tool_error)?;
        let tidy = || RunOptions { tidy: true, ..RunOptions::default() };
        let output = match self.run(&script, tidy()).await {
            Err(unknown) if script.repeatable && unknown.code == ErrorCode::OutcomeUnknown => {
                self.run(&script, tidy()).await.map_err(|error| match error.code {
                    ErrorCode::Cancelled => error,
                    _ => unknown,
                })?
            }
            other => other?,
        };
        tool.parse(&reply(&output)).map_err(tool_error)
    }

    /// Runs a command with a time limit, and lets listeners see its output as it comes.
    /// Says whether its time ran out.
    pub async fn command(&mut self, tool: &Run, timeout: Duration) -> Result<(Ran, bool), RpcError> {
        let (live, chunks) = mpsc::channel(256);
        let _heard = Task::spawn("output", hear(self.world.clone(), self.row.clone(), self.shown, chunks));
        self.command_heard(tool, timeout, live).await
    }

    async fn command_heard(
        &mut self,
        tool: &Run,
        timeout: Duration,
        live: mpsc::Sender<Bytes>,
    ) -> Result<(Ran, bool), RpcError> {
        let script = tool.script().map_err(tool_error)?;
        let machine = self.live()?;
        if let Some(keeper) = &machine.keeper {
            let before = self.row.sends(&script);
            self.world.begun(self.row.copy()).await;
            let outcome = keeper.run(&machine.session, tool, timeout, &self.cancel, live).await?;
            self.row.counts(before.0 + outcome.bytes_in, before.1 + outcome.bytes_out);
            return Ok((outcome.ran, outcome.timed_out));
        }
        let options = RunOptions { timeout: Some(timeout), live: Some(live), ..RunOptions::default() };
        let output = self.run(&script, options).await?;
        let parsed = tool.parse(&reply(&output)).map_err(tool_error)?;
        Ok((parsed, output.timed_out))
    }

    async fn run(&mut self, script: &Script, options: RunOptions) -> Result<RunOutput, RpcError> {
        let live = self.live()?;
        let before = self.row.sends(script);
        self.world.begun(self.row.copy()).await;
        match run(&live.session, script, RunOptions { cancel: self.cancel.clone(), ..options }).await {
            Ok(output) => {
                self.row.counts(before.0 + output.bytes_in, before.1 + output.bytes_out);
                Ok(output)
            }
            Err(error) => {
                if !error.is_final() && !matches!(error, SshError::OutcomeUnknown {} | SshError::Cancelled {}) {
                    self.row.counts(before.0, before.1);
                }
                Err(ssh_error(error))
            }
        }
    }
}

/// Counts what a command prints, and lets listeners see it where it has a card.
async fn hear(world: Arc<World>, row: Row, shown: bool, mut chunks: mpsc::Receiver<Bytes>) {
    let mut text = Vec::new();
    let known = row.copy();
    while let Some(chunk) = chunks.recv().await {
        row.hears(chunk.len());
        if !shown {
            continue;
        }
        text.extend_from_slice(&chunk);
        tokio::time::sleep(LIVE_PAUSE).await;
        while let Ok(more) = chunks.try_recv() {
            row.hears(more.len());
            text.extend_from_slice(&more);
        }
        let from = text.len().saturating_sub(CARD_OUTPUT);
        let body = EventBody::Output {
            channel: known.channel.clone(),
            action: known.action.clone(),
            text: String::from_utf8_lossy(&text[from..]).into_owned(),
        };
        world.hub.event(body);
        text.clear();
    }
}

/// A sandbox in which the app does something by itself while it comes up: each thing has its audit row, none a card.
pub struct Audited<'a> {
    /// What the engine shares.
    pub world: &'a Arc<World>,
    /// The channel's id and name.
    pub channel: (&'a ChannelId, &'a str),
    /// The machine.
    pub live: &'a Arc<Live>,
}

impl Audited<'_> {
    /// Runs a tool.
    pub async fn tool<T: Tool>(&self, verb: Verb, subject: &str, tool: &T) -> Result<T::Output, RpcError> {
        let (trail, mut runner) = self.begin(verb, subject).await;
        let result = runner.tool(tool).await;
        trail.end(result.as_ref().err(), Told::default()).await;
        result
    }

    /// Runs a command with a time limit; `heard` is given what it prints as it comes.
    pub async fn command(
        &self,
        subject: &str,
        command: &Run,
        limit: Duration,
        heard: mpsc::Sender<Bytes>,
    ) -> Result<Ran, RpcError> {
        let (trail, mut runner) = self.begin(Verb::Run, subject).await;
        let result = runner.command_heard(command, limit, heard).await.map(|(ran, _)| ran);
        let exit_code = result.as_ref().ok().map(|ran| ran.exit_code);
        trail.end(result.as_ref().err(), Told { exit_code, ..Told::default() }).await;
        result
    }

    async fn begin(&self, verb: Verb, subject: &str) -> (Trail, Runner) {
        let row = row(ActionId::fresh(), self.channel, &Author::Berth, verb, subject.to_owned());
        let trail = Trail::begin(self.world, row, None).await;
        let mut runner = Runner::new(self.world, trail.row(), CancellationToken::new(), false);
        runner.on(self.live.clone());
        (trail, runner)
    }
}

/// Runs a tool that no one asked for in particular: no audit row, no card. For looking only.
pub async fn call<T: Tool>(session: &Session, tool: &T) -> Result<T::Output, RpcError> {
    let script = tool.script().map_err(tool_error)?;
    let output = run(session, &script, RunOptions { tidy: true, ..RunOptions::default() }).await.map_err(ssh_error)?;
    tool.parse(&reply(&output)).map_err(tool_error)
}

async fn run(session: &Session, script: &Script, options: RunOptions) -> Result<RunOutput, SshError> {
    let stdin = script.stdin.clone().map(Bytes::from);
    let options = RunOptions { stdin, output_limit: script.reply_limit, ..options };
    session.run(&script.text, options).await
}
