//! Bringing a sandbox up, step by step, in view.

use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_model::{ErrorCode, Job, RpcError, Start, Step, StepStatus};
use berth_providers::{SandboxSpec, Started};
use berth_ssh::{RunOptions, Session, SessionOptions};
use berth_tools::{Place, ShellScript, Tool, quote};
use tokio::sync::{Notify, mpsc};

use super::Live;
use super::driver::{Note, Notes, Reached};
use crate::actions::{call, ssh_error, tool_error};
use crate::jobs;
use crate::starts::{self, StartingPoint};
use crate::world::World;

/// A repository that takes longer to clone is cloned by hand, in a terminal.
const CLONE_LIMIT: Duration = Duration::from_secs(3_600);

/// What has to be done until a sandbox runs.
pub(super) struct Plan {
    pub world: Arc<World>,
    pub spec: SandboxSpec,
    pub workdir: String,
    /// What to lay out; nothing when the sandbox only wakes up.
    pub start: Option<Start>,
    /// Services to start again.
    pub services: Vec<Job>,
}

impl Plan {
    /// Does it, and tells the driver as it goes.
    pub(super) async fn carry_out(self, notes: Notes) {
        let mut steps = Steps::new(&notes);
        let result = self.steps(&mut steps, &notes).await;
        if result.is_err() {
            steps.fail();
        }
        notes.send(Note::Started(result));
    }

    async fn steps(&self, steps: &mut Steps<'_>, notes: &Notes) -> Result<(), RpcError> {
        let point = match &self.start {
            Some(Start::Website) => Some(starts::WEBSITE),
            Some(Start::Python) => Some(starts::PYTHON),
            _ => None,
        };
        steps.announce(&self.start, point.as_ref(), &self.services);

        steps.begin("start");
        let started = self.world.local.start(&self.spec).await?;
        let reached = reached(started, self.workdir.clone());
        let live = reached.live.clone();
        make_folder(&live).await?;
        steps.done("Started the sandbox", None);
        notes.send(Note::Reached(reached));

        if let Some(point) = &point {
            steps.begin("files");
            lay_out(&live, point).await?;
            steps.done(point.copied, None);
            steps.begin("server");
            let job = jobs::start(&live, point.serve, Place::here(&self.workdir), true).await?;
            notes.send(Note::Job(job));
            steps.done("Started its server", None);
        }
        if let Some(Start::Git { url }) = &self.start {
            steps.begin("clone");
            clone(&live, url, steps).await?;
            steps.done("Cloned the repository", None);
        }
        for service in &self.services {
            steps.begin(&format!("service-{}", service.id));
            let job = jobs::restart(&live, service).await?;
            notes.send(Note::Job(job));
            steps.done(&format!("Started {} again", service.command), None);
        }
        Ok(())
    }
}

/// What the driver needs of a sandbox that answers.
pub(super) fn reached(started: Started, workdir: String) -> Reached {
    let session = Session::new(started.target.clone(), SessionOptions::default());
    Reached {
        live: Arc::new(Live { session, target: started.target, workdir, changed: Notify::new() }),
        network: started.network,
        network_note: started.network_note,
        limits: started.limits,
    }
}

async fn make_folder(live: &Live) -> Result<(), RpcError> {
    let mut script = ShellScript::new();
    script.command(&["mkdir", "-p", "--", &live.workdir]);
    let script = script.finish(4_096, true).map_err(tool_error)?;
    let output = live.session.run(&script.text, RunOptions::default()).await.map_err(ssh_error)?;
    if output.exit_code == 0 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr.bytes).trim().to_owned();
    Err(RpcError::new(ErrorCode::Failed, format!("The sandbox’s folder could not be made: {said}")))
}

async fn lay_out(live: &Live, point: &StartingPoint) -> Result<(), RpcError> {
    for (name, content) in point.files {
        let at = Place::new(&live.workdir, *name);
        // What is there already was somebody's work: an interrupted start is repeated, never written over.
        if call(&live.session, &berth_tools::Stat { at: at.clone() }).await.is_err() {
            let content = content.as_bytes().to_vec();
            call(&live.session, &berth_tools::Write { at, content, version: None }).await?;
        }
    }
    Ok(())
}

async fn clone(live: &Live, url: &str, steps: &mut Steps<'_>) -> Result<(), RpcError> {
    let url = String::from_utf8_lossy(&quote(url.as_bytes())).into_owned();
    let command = berth_tools::Run {
        at: Place::here(&live.workdir),
        // An interrupted clone left nothing that counts: Git takes away what it began.
        command: format!("test -d .git || GIT_TERMINAL_PROMPT=0 git clone --progress -- {url} . 2>&1"),
        env: Vec::new(),
    };
    let script = command.script().map_err(tool_error)?;
    let (sender, mut chunks) = mpsc::channel(64);
    let options =
        RunOptions { live: Some(sender), output_limit: 64 * 1024, timeout: Some(CLONE_LIMIT), ..RunOptions::default() };
    let work = live.session.run(&script.text, options);
    tokio::pin!(work);
    let output = loop {
        tokio::select! {
            output = &mut work => break output.map_err(ssh_error)?,
            Some(chunk) = chunks.recv() => {
                if let Some(progress) = clone_progress(&chunk) {
                    steps.detail(progress);
                }
            }
        }
    };
    if output.exit_code == 0 {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout.bytes).into_owned();
    let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("Git said nothing.");
    Err(RpcError::new(ErrorCode::Failed, format!("The repository could not be cloned: {}", said.trim())).hint(
        "Check the address, and that it can be read without a password. Start the channel again to try once more.",
    ))
}

/// The last progress that Git told: "Receiving objects: 45%".
fn clone_progress(chunk: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(chunk);
    let line = text.split(['\r', '\n']).rev().find(|line| line.contains('%'))?;
    let (done, _) = line.split_once('%')?;
    let (phase, percent) = done.rsplit_once(':')?;
    let phase = phase.trim_start_matches("remote:").trim();
    let percent: u8 = percent.trim().parse().ok()?;
    (percent <= 100 && phase.len() < 40).then(|| format!("{phase}: {percent}%"))
}

/// The steps, as the driver is told of them.
struct Steps<'a> {
    notes: &'a Notes,
    list: Vec<Step>,
    since: Instant,
}

impl<'a> Steps<'a> {
    fn new(notes: &'a Notes) -> Self {
        Self { notes, list: Vec::new(), since: Instant::now() }
    }

    fn announce(&mut self, start: &Option<Start>, point: Option<&StartingPoint>, services: &[Job]) {
        self.wait("start", "Starting the sandbox");
        if let Some(point) = point {
            self.wait("files", point.copying);
            self.wait("server", "Starting its server");
        }
        if matches!(start, Some(Start::Git { .. })) {
            self.wait("clone", "Cloning the repository");
        }
        for service in services {
            self.wait(&format!("service-{}", service.id), &format!("Starting {} again", service.command));
        }
        self.tell();
    }

    fn wait(&mut self, id: &str, label: &str) {
        self.list.push(Step {
            id: id.to_owned(),
            label: label.to_owned(),
            detail: None,
            status: StepStatus::Waiting,
            duration_ms: None,
        });
    }

    fn begin(&mut self, id: &str) {
        self.since = Instant::now();
        if let Some(step) = self.list.iter_mut().find(|step| step.id == id) {
            step.status = StepStatus::Running;
        }
        self.tell();
    }

    fn detail(&mut self, detail: String) {
        if let Some(step) = self.running() {
            step.detail = Some(detail);
        }
        self.tell();
    }

    fn done(&mut self, label: &str, detail: Option<String>) {
        let duration = u64::try_from(self.since.elapsed().as_millis()).ok();
        if let Some(step) = self.running() {
            step.status = StepStatus::Done;
            step.label = label.to_owned();
            step.detail = detail;
            step.duration_ms = duration;
        }
        self.tell();
    }

    fn fail(&mut self) {
        if let Some(step) = self.running() {
            step.status = StepStatus::Failed;
        }
        self.tell();
    }

    fn running(&mut self) -> Option<&mut Step> {
        self.list.iter_mut().find(|step| step.status == StepStatus::Running)
    }

    fn tell(&self) {
        self.notes.send(Note::Steps(self.list.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::clone_progress;

    #[test]
    fn progress_is_the_last_that_git_told() {
        let told = b"remote: Counting objects: 100% (9/9)\rReceiving objects:  45% (4/9)\r";
        assert_eq!(clone_progress(told).as_deref(), Some("Receiving objects: 45%"));
        assert_eq!(clone_progress(b"Cloning into '.'...\n"), None);
        assert_eq!(clone_progress(b"100%"), None);
    }
}
