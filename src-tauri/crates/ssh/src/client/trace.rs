//! What happened on the way to a connection, step by step, for one who wants to know why it fails.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// One step on the way to a connection. Has no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which one: `name`, `tcp`, `banner`, `kex`, `host-key`, `auth-…`; for a jump host `hop1-name` and so on.
    pub id: String,
    /// Its name for a person.
    pub label: String,
    /// Whether it went well.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do where it did not.
    pub hint: Option<String>,
    /// How long it took.
    pub duration: Duration,
}

/// Where steps are recorded; nowhere, for a connection that nobody looks at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    steps: Option<watch::Sender<Vec<Step>>>,
    /// The jump host that the steps are about, from 1.
    hop: Option<usize>,
}

impl Trace {
    pub(crate) fn into(steps: watch::Sender<Vec<Step>>) -> Self {
        Self { steps: Some(steps), hop: None }
    }

    /// For the steps of a jump host.
    pub(crate) fn hop(&self, hop: usize) -> Self {
        Self { steps: self.steps.clone(), hop: Some(hop) }
    }

    /// It went well.
    pub(crate) fn ok(&self, id: &str, label: &str, since: Instant, detail: impl FnOnce() -> String) {
        self.push(id, label, since.elapsed(), || (true, detail(), None));
    }

    /// It went well, and the next thing began `until` then.
    pub(crate) fn ok_until(
        &self,
        id: &str,
        label: &str,
        (since, until): (Instant, Instant),
        detail: impl FnOnce() -> String,
    ) {
        self.push(id, label, until.saturating_duration_since(since), || (true, detail(), None));
    }

    /// It failed.
    pub(crate) fn failed(
        &self,
        id: &str,
        label: &str,
        since: Instant,
        detail: impl FnOnce() -> String,
        hint: Option<String>,
    ) {
        self.push(id, label, since.elapsed(), || (false, detail(), hint));
    }

    /// What is found out about a step later.
    pub(crate) fn amend(&self, id: &str, detail: impl FnOnce() -> String) {
        let Some(steps) = &self.steps else { return };
        let id = self.id(id);
        steps.send_modify(|steps| {
            if let Some(step) = steps.iter_mut().rfind(|step| step.id == id) {
                step.detail = detail();
            }
        });
    }

    /// Whether there is such a step.
    pub(crate) fn has(&self, id: &str) -> bool {
        let Some(steps) = &self.steps else { return false };
        let id = self.id(id);
        steps.borrow().iter().any(|step| step.id == id)
    }

    /// Whether the last step of this machine failed.
    pub(crate) fn has_failed(&self) -> bool {
        let Some(steps) = &self.steps else { return false };
        steps.borrow().iter().rfind(|step| self.owns(&step.id)).is_some_and(|step| !step.ok)
    }

    fn id(&self, id: &str) -> String {
        self.hop.map_or_else(|| id.to_owned(), |hop| format!("hop{hop}-{id}"))
    }

    fn owns(&self, id: &str) -> bool {
        match self.hop {
            Some(hop) => id.starts_with(&format!("hop{hop}-")),
            None => !id.starts_with("hop"),
        }
    }

    fn push(&self, id: &str, label: &str, duration: Duration, what: impl FnOnce() -> (bool, String, Option<String>)) {
        let Some(steps) = &self.steps else { return };
        let (ok, detail, hint) = what();
        let label = match self.hop {
            Some(hop) => format!("Jump host {hop}: {label}"),
            None => label.to_owned(),
        };
        let step = Step { id: self.id(id), label, ok, detail, hint, duration };
        steps.send_modify(|steps| steps.push(step));
    }
}
