//! Jobs: commands that outlive the action that started them.
//!
//! What a job is lives in the sandbox (`~/.berth/jobs/<id>`), where it survives a lost connection and a restart of the
//! app; this is how the engine asks for it. Whether a job is a service is known here only.

use berth_model::{ActionId, Job, JobId, JobStatus, RpcError, Verb};
use berth_tools::Place;
use berth_tools::jobs::{Restart, Seen, Start, State, Stop};

use crate::hub::now;
use crate::scripts::Audited;

/// How long a job may take to end by itself before it is killed, in milliseconds.
pub const GRACE_MS: u32 = 3_000;

/// What starts a job.
pub fn new(command: &str, at: Place, env: Vec<(String, String)>) -> Start {
    Start { id: JobId::fresh().0, command: command.to_owned(), at, env }
}

/// What starts a job again as it was started before.
pub fn again(known: &Job) -> Restart {
    Restart { id: known.id.0.clone(), grace_ms: GRACE_MS }
}

/// What stops a job with everything it started.
pub fn end(known: &Job) -> Stop {
    Stop { id: known.id.0.clone(), grace_ms: GRACE_MS }
}

/// Starts a job that no caller asked for.
pub async fn start(audited: &Audited<'_>, command: &str, at: Place, service: bool) -> Result<Job, RpcError> {
    let seen = audited.tool(Verb::Run, command, &new(command, at, Vec::new())).await?;
    Ok(job(&seen, service, None))
}

/// Starts a job again that ran when the sandbox went to sleep.
pub async fn restart(audited: &Audited<'_>, known: &Job) -> Result<Job, RpcError> {
    let seen = audited.tool(Verb::Run, &known.command, &again(known)).await?;
    Ok(job(&seen, known.service, None))
}

/// A job as the sandbox tells of it.
pub fn job(seen: &Seen, service: bool, action: Option<ActionId>) -> Job {
    Job {
        id: JobId(seen.id.clone()),
        command: seen.command.clone(),
        cwd: seen.cwd.clone(),
        service,
        status: match seen.state {
            State::Running => JobStatus::Running,
            State::Exited { code } => JobStatus::Exited { code },
            State::Stopped => JobStatus::Stopped,
            State::Lost => JobStatus::Lost,
        },
        started_at: seen.started,
        ended_at: seen.ended,
        action,
    }
}

/// A job of which nobody saw whether it was started.
pub fn unseen(start: &Start, cwd: String, service: bool, action: Option<ActionId>) -> Job {
    Job {
        id: JobId(start.id.clone()),
        command: start.command.clone(),
        cwd,
        service,
        status: JobStatus::Lost,
        started_at: now(),
        ended_at: None,
        action,
    }
}

/// What the sandbox tells of a job, with what only the engine knows of it.
pub fn merge(known: Option<&Job>, seen: &Seen) -> Job {
    let mut now = job(seen, known.is_some_and(|job| job.service), known.and_then(|job| job.action.clone()));
    // The machine does not know when a job ended whose processes were just gone.
    now.ended_at = now.ended_at.or_else(|| known.and_then(|job| job.ended_at));
    // Nor does it know of a job that ended with the sandbox, or was stopped while nothing ran: of one and the same run
    // the end that was seen first stands.
    let ended = |job: &Job| job.status != JobStatus::Running;
    if let Some(job) = known.filter(|job| ended(job) && ended(&now) && job.started_at == now.started_at) {
        now.status = job.status.clone();
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: State) -> Seen {
        let (id, command, cwd) = ("j".to_owned(), "serve".to_owned(), "/".to_owned());
        Seen { id, command, cwd, state, pid: None, started: 1, ended: None, rebooted: false }
    }

    #[test]
    fn the_end_that_was_seen_first_stands() {
        let running = job(&seen(State::Running), true, None);
        let lost = merge(Some(&running), &seen(State::Lost));
        assert_eq!(lost.status, JobStatus::Lost);
        for status in [JobStatus::Stopped, JobStatus::Exited { code: 3 }] {
            let known = Job { status: status.clone(), ..running.clone() };
            assert_eq!(merge(Some(&known), &seen(State::Lost)).status, status);
            assert_eq!(merge(Some(&known), &seen(State::Exited { code: 143 })).status, status, "the sandbox was ended");
            assert_eq!(merge(Some(&known), &seen(State::Running)).status, JobStatus::Running, "it was started again");
        }
    }
}
