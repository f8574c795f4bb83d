//! Jobs: commands that outlive the action that started them.
//!
//! What a job is lives in the sandbox (`~/.berth/jobs/<id>`), where it survives a lost connection and a restart of the
//! app; this is how the engine asks for it. Whether a job is a service is known here only.

use berth_model::{ActionId, Job, JobId, JobStatus, RpcError};
use berth_tools::Place;
use berth_tools::jobs::{Restart, Seen, Start, State, Stop};

use crate::actions::call;
use crate::channel::Live;

/// How long a job may take to end by itself before it is killed, in milliseconds.
pub const GRACE_MS: u32 = 3_000;

/// What starts a job.
pub fn new(command: &str, at: Place, env: Vec<(String, String)>) -> Start {
    Start { id: JobId::fresh().0, command: command.to_owned(), at, env }
}

/// Starts a job that no action asked for.
pub async fn start(live: &Live, command: &str, at: Place, service: bool) -> Result<Job, RpcError> {
    let seen = call(&live.session, &new(command, at, Vec::new())).await?;
    Ok(job(&seen, service, None))
}

/// Starts a job again as it was started before.
pub async fn restart(live: &Live, known: &Job) -> Result<Job, RpcError> {
    let seen = call(&live.session, &Restart { id: known.id.0.clone(), grace_ms: GRACE_MS }).await?;
    Ok(job(&seen, known.service, None))
}

/// Stops a job with everything it started.
pub async fn stop(live: &Live, known: &Job) -> Result<Job, RpcError> {
    let seen = call(&live.session, &Stop { id: known.id.0.clone(), grace_ms: GRACE_MS }).await?;
    Ok(merge(Some(known), &seen))
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

/// What the sandbox tells of a job, with what only the engine knows of it.
pub fn merge(known: Option<&Job>, seen: &Seen) -> Job {
    let mut now = job(seen, known.is_some_and(|job| job.service), known.and_then(|job| job.action.clone()));
    // The machine does not know when a job ended whose processes were just gone.
    now.ended_at = now.ended_at.or_else(|| known.and_then(|job| job.ended_at));
    now
}
