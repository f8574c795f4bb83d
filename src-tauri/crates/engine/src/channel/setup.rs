//! Bringing a sandbox up, step by step, in view.

use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_model::{ErrorCode, Job, RpcError, Start, Step, StepStatus, Verb};
use berth_providers::{Provider, SandboxSpec, Started};
use berth_ssh::{RunOptions, Session, SessionOptions};
use berth_tools::jobs::{ListAll, Seen, State};
use berth_tools::{Place, ShellScript, quote};
use tokio::sync::mpsc;

use super::messages::{Note, Notes, Reached};
use crate::error::{ssh_error, tool_error};
use crate::jobs;
use crate::live::Live;
use crate::scripts::{Audited, call};
use crate::starts::{self, StartingPoint};
use crate::world::World;

/// A repository that takes longer to clone is cloned by hand, in a terminal.
const CLONE_LIMIT: Duration = Duration::from_secs(3_600);

/// What has to be done until a sandbox runs.
pub(super) struct Plan {
    pub world: Arc<World>,
    pub provider: Arc<dyn Provider>,
    pub spec: SandboxSpec,
    /// The channel's name, for the audit log.
    pub name: String,
    pub workdir: String,
    /// What to lay out; nothing when the sandbox only wakes up.
    pub start: Option<Start>,
    /// Services to start again.
    pub services: Vec<Job>,
}

/// Where a channel works on a machine of the person's own, unless they say otherwise: from the home on.
pub(crate) fn usual_folder(name: &str) -> String {
    format!("berth/{name}")
}

impl Plan {
    /// Where nobody chose the folder, and nothing is put into it.
    fn may_work_at_home(&self) -> bool {
        self.workdir == usual_folder(&self.name) && matches!(self.start, None | Some(Start::Blank))
    }

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
        let started = self.provider.start(&self.spec).await?;
        let session = Session::new(started.target.clone(), SessionOptions::default());
        let (workdir, note) = make_folder(&session, &self.workdir, self.may_work_at_home()).await?;
        let reached = reached(started, session, workdir);
        let live = reached.live.clone();
        steps.done("Started the sandbox", note);
        notes.send(Note::Reached(reached));

        let channel = (&self.spec.id, self.name.as_str());
        let audited = Audited { world: &self.world, channel, live: &live };
        let seen = match point.is_some() || !self.services.is_empty() {
            true => call(&live.session, &ListAll).await?,
            false => Vec::new(),
        };
        let runs = |job: &Seen| job.state == State::Running;
        if let Some(point) = &point {
            steps.begin("files");
            lay_out(&audited, point).await?;
            steps.done(point.copied, None);
            steps.begin("server");
            // It is there when the start before this one got so far: running, or among the services.
            let again = self.services.iter().any(|job| job.command == point.serve);
            if !again && !seen.iter().any(|job| job.command == point.serve && runs(job)) {
                let job = jobs::start(&audited, point.serve, Place::here(&live.workdir), true).await?;
                notes.send(Note::Job(job));
            }
            steps.done("Started its server", None);
        }
        if let Some(Start::Git { url }) = &self.start {
            steps.begin("clone");
            clone(&audited, url, steps).await?;
            steps.done("Cloned the repository", None);
        }
        for service in &self.services {
            steps.begin(&format!("service-{}", service.id));
            if !seen.iter().any(|job| job.id == service.id.0 && runs(job)) {
                let job = jobs::restart(&audited, service).await?;
                notes.send(Note::Job(job));
            }
            steps.done(&format!("Started {} again", service.command), None);
        }
        Ok(())
    }
}

/// What the driver needs of a sandbox that answers.
pub(super) fn reached(started: Started, session: Session, workdir: String) -> Reached {
    let Started { target, network, network_note, limits } = started;
    Reached { live: Arc::new(Live::new(session, target, workdir.clone())), network, network_note, limits, workdir }
}

/// How long a machine may take for that, a slow start-up file included.
const FOLDER: Duration = Duration::from_secs(90);

/// Makes the folder to work in, where it is missing, and says what the machine calls it. A relative one is in the home.
/// Where it cannot be made, the home is worked in, `else_home`, and that is said.
async fn make_folder(session: &Session, folder: &str, else_home: bool) -> Result<(String, Option<String>), RpcError> {
    let mut script = ShellScript::new();
    script.set("w", folder.as_bytes());
    script.raw("case $w in /*) ;; *) w=${HOME%/}/$w;; esac\n");
    script.raw("if mkdir -p -- \"$w\"; then cd -- \"$w\" && pwd -P\n");
    script.raw(if else_home { "else cd && [ -x . ] && echo home && pwd -P; fi\n" } else { "else exit 1; fi\n" });
    let script = script.finish(4_096, true).map_err(tool_error)?;
    let options = RunOptions { timeout: Some(FOLDER), ..RunOptions::default() };
    let output = session.run(&script.text, options).await.map_err(ssh_error)?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match String::from_utf8(output.stdout.bytes) {
        Ok(path) if output.exit_code == 0 && path.starts_with('/') => {
            Ok((path.trim_end_matches('\n').to_owned(), None))
        }
        Ok(path) if output.exit_code == 0 && path.starts_with("home\n/") => {
            let home = path.trim_start_matches("home\n").trim_end_matches('\n').to_owned();
            let note = format!("~/{folder} could not be made, so it works in the home: {}", said(&output.stderr.bytes));
            Ok((home, Some(note)))
        }
        Ok(_) if output.timed_out => {
            Err(RpcError::new(ErrorCode::Failed, "The machine did not make the folder to work in within 90 s.")
                .hint("A start-up file or a slow disk may be in the way: Check machine says what takes so long."))
        }
        Ok(_) => {
            let why = said(&output.stderr.bytes);
            Err(RpcError::new(ErrorCode::Failed, format!("The folder {folder} could not be made there: {why}"))
                .hint("Choose a folder that this account may write to."))
        }
        Err(_) => Err(RpcError::new(ErrorCode::Failed, "The folder’s path on the machine is not text in UTF-8.")),
    }
}

async fn lay_out(audited: &Audited<'_>, point: &StartingPoint) -> Result<(), RpcError> {
    for (name, content) in point.files {
        let at = Place::new(&audited.live.workdir, *name);
        // What is there already was somebody's work: an interrupted start is repeated, never written over.
        if call(&audited.live.session, &berth_tools::Stat { at: at.clone() }).await.is_err() {
            let content = content.as_bytes().to_vec();
            audited.tool(Verb::Write, name, &berth_tools::Write { at, content, version: None }).await?;
        }
    }
    Ok(())
}

async fn clone(audited: &Audited<'_>, url: &str, steps: &mut Steps<'_>) -> Result<(), RpcError> {
    let folder = &audited.live.workdir;
    let command = berth_tools::Run { at: Place::here(folder), command: clone_script(url, folder), env: Vec::new() };
    let (sender, mut chunks) = mpsc::channel(64);
    let subject = format!("git clone {url}");
    let work = audited.command(&subject, &command, CLONE_LIMIT, sender);
    tokio::pin!(work);
    let output = loop {
        tokio::select! {
            output = &mut work => break output?,
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
    let said = output.stdout.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("Git said nothing.");
    Err(RpcError::new(ErrorCode::Failed, format!("The repository could not be cloned: {}", said.trim()))
        .hint("Check the address, and that it can be read without a password, then try again."))
}

/// Clones beside the folder and then gives the clone its name: what a killed Git left is never taken for a repository.
fn clone_script(url: &str, folder: &str) -> String {
    let quoted = |text: &str| String::from_utf8_lossy(&quote(text.as_bytes())).into_owned();
    let (url, folder, draft) = (quoted(url), quoted(folder), quoted(&format!("{folder}.cloning")));
    format!(
        "exec 2>&1\ntest -d .git && exit 0\nrm -rf -- {draft}\nGIT_TERMINAL_PROMPT=0 git clone --progress -- {url} {draft} \
         || {{ code=$?; rm -rf -- {draft}; exit $code; }}\ncd / && rmdir -- {folder} && mv -- {draft} {folder}"
    )
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
    use berth_testbed::machine::{Home, Kind, Machine};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn where_no_folder_can_be_made_the_home_is_worked_in_unless_another_one_was_chosen() {
        for home in [Home::Plain, Home::ReadOnly] {
            let kind = Kind { name: "one to work on", shell: "bash", home, ..Default::default() };
            let Some(machine) = Machine::start(&kind) else { return };
            let session = Session::new(machine.target.clone(), SessionOptions::default());
            let at_home = machine.home().display().to_string();
            let made = make_folder(&session, "berth/demo", true).await.unwrap();
            match home {
                Home::Plain => assert_eq!(made, (format!("{at_home}/berth/demo"), None)),
                _ => {
                    assert_eq!(made.0, at_home);
                    assert!(made.1.unwrap().starts_with("~/berth/demo could not be made"));
                    let error = make_folder(&session, "berth/demo", false).await.unwrap_err();
                    assert!(error.message.contains("Read-only") && error.hint.is_some(), "{error:?}");
                }
            }
            session.close().await;
        }
    }

    #[test]
    fn progress_is_the_last_that_git_told() {
        let told = b"remote: Counting objects: 100% (9/9)\rReceiving objects:  45% (4/9)\r";
        assert_eq!(clone_progress(told).as_deref(), Some("Receiving objects: 45%"));
        assert_eq!(clone_progress(b"Cloning into '.'...\n"), None);
        assert_eq!(clone_progress(b"100%"), None);
    }
}
