//! One action in a sandbox: performed over the session, written to the audit log, shown as a card.
//!
//! Every action passes through [`Action::perform`]. It is audited whoever asked for it and whatever came of it; whether
//! it also makes a card in the timeline depends on who asked, so that browsing files does not drown the talk.

use std::sync::Arc;

use berth_model::{ActionCard, ActionId, ActionStatus, Author, EntryBody, ErrorCode, EventBody, RpcError, Verb};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::channel::Handle;
use crate::scripts::{Runner, Told, Trail, row};
use crate::world::World;

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
        let row = row(action, (&channel.id, &channel.name), self.caller, self.verb, self.subject);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_who_browses_makes_no_cards() {
        assert!(!shows(&Author::Person, Verb::List));
        assert!(shows(&Author::Person, Verb::Run));
        assert!(shows(&Author::Agent { name: "a".to_owned() }, Verb::List));
    }
}
