//! What tests of sessions share.

#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use berth_ssh::{RunOptions, RunOutput, Session, SshError, SshTarget, Step};
use tokio::sync::watch;

pub mod person;

pub async fn run(session: &Session, script: &str) -> Result<RunOutput, SshError> {
    session.run(script.as_bytes(), RunOptions::default()).await
}

/// Connects, and says what happened on the way.
pub async fn diagnose(target: &SshTarget) -> (Vec<Step>, Result<Session, SshError>) {
    let steps = watch::Sender::new(Vec::new());
    let taken = steps.subscribe();
    let result = berth_ssh::diagnose(target, steps).await;
    (taken.borrow().clone(), result)
}

/// What a script printed; it must not take long.
#[track_caller]
pub fn says(session: &Session, script: &str) -> impl Future<Output = String> {
    let (session, script) = (session.clone(), script.to_owned());
    async move {
        let output = tokio::time::timeout(Duration::from_secs(20), run(&session, &script)).await;
        let output = output.unwrap_or_else(|_| panic!("no answer: {script}")).unwrap();
        String::from_utf8_lossy(&output.stdout.bytes).trim_end().to_owned()
    }
}

pub fn within(millis: u64) -> RunOptions {
    RunOptions { timeout: Some(Duration::from_millis(millis)), ..RunOptions::default() }
}

/// Whether a process runs, of which a command told the id.
pub fn runs(process: &str) -> bool {
    berth_testbed::processes::runs(process.trim().parse().unwrap())
}
