//! Long-lived work with an owner: a [`Task`] ends when it is dropped.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// A running task that is aborted when its owner lets go of it.
#[derive(Debug)]
#[must_use = "a task ends when it is dropped"]
pub struct Task(JoinHandle<()>);

impl Task {
    /// Starts `work`; logs call it `name`.
    pub fn spawn(name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work.instrument(tracing::debug_span!("task", name))))
    }

    /// Ends it and waits until nothing of it runs.
    pub async fn end(mut self) {
        self.0.abort();
        // Cancelled is what was asked for.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
