//! One action in a sandbox: performed over the session, written to the audit log, shown as a card.
//!
//! Every action passes through [`Action::perform`]. It is audited whoever asked for it and whatever came of it; whether
//! it also makes a card in the timeline depends on who asked, so that browsing files does not drown the talk.

mod runner;
mod trail;

use std::sync::Arc;
use std::time::Duration;

use berth_model::{ActionCard, ActionId, ActionStatus, Author, EntryBody, ErrorCode, EventBody, JobId, RpcError, Verb};
use berth_ssh::SshError;
use berth_tools::{ErrorKind, ToolError};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::channel::Handle;
use crate::world::World;

pub use runner::{Audited, Runner, call};
use trail::Trail;

/// The most of an output that a card shows, in bytes; the timeline is no archive.
const CARD_OUTPUT: usize = 16 * 1024;

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
    /// Whether it makes no card, whoever asked.
    pub quiet: bool,
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
        let cancel = CancellationToken::new();
        let Some(_tracked) = self.handle.track(&action, cancel.clone()) else {
            return Err(RpcError::new(ErrorCode::Conflict, "An action with this id is running. Nothing was done."));
        };
        let channel = self.handle.channel();
        let mut entry = None;
        if !self.quiet && shows(self.caller, self.verb) {
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
        let shown = entry.is_some();
        let row = trail::row(action, (&channel.id, &channel.name), self.caller, self.verb, self.subject);
        let trail = Trail::begin(self.world, row, entry).await;
        let mut runner = Runner::new(self.world, trail.row(), cancel, shown);

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
        let told = result.as_ref().ok().map(told).unwrap_or_default();
        if !told.changed.is_empty() {
            self.world.hub.event(EventBody::Files { channel: channel.id, paths: told.changed.clone() });
        } else if self.verb == Verb::Run {
            self.world.hub.event(EventBody::Files { channel: channel.id, paths: Vec::new() });
        }
        trail.end(result.as_ref().err(), told).await;
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
