//! Running a command for a client that may want to hear of its progress, and may give up on it.

use std::convert::Infallible;
use std::time::Duration;

use berth_model::{ActionCancel, ActionId, ActionRun, Author, ErrorCode, Event, EventBody, RpcError, RunResult};
use futures::StreamExt as _;
use futures::future::Either;
use futures::stream::{self, BoxStream};
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};
use tokio::time::Instant;

use crate::toolbox::{Toolbox, ask};

/// How often a client is told of progress.
const PACE: Duration = Duration::from_secs(1);

/// How long a cancelled command may take to say how it ended.
const GRACE: Duration = Duration::from_secs(10);

/// How much of a line a progress message shows.
const MESSAGE: usize = 200;

/// Runs a command: tells of its progress where the client asked for that, and stops it when the client gives up.
pub async fn run(
    toolbox: &dyn Toolbox,
    author: &Author,
    request: ActionRun,
    context: &RequestContext<RoleServer>,
) -> Result<RunResult, RpcError> {
    let action = request.id.clone().unwrap_or_else(ActionId::fresh);
    let cancel = ActionCancel { channel: request.channel.clone(), action: action.clone() };
    let request = ActionRun { id: Some(action.clone()), ..request };
    let progress = match context.meta.get_progress_token() {
        // Heard from before the command starts, so that nothing it prints is missed.
        Some(token) => Some(Progress::new(token, context.peer.clone(), action, toolbox.events().await)),
        None => None,
    };
    let mut result = std::pin::pin!(ask(toolbox, author, "action.run", &request));
    let progress = match progress {
        Some(progress) => Either::Left(progress.tell()),
        None => Either::Right(std::future::pending::<Infallible>()),
    };
    tokio::select! {
        result = &mut result => return result,
        () = context.ct.cancelled() => {}
        never = progress => match never {},
    }
    let stop = async {
        // The action may not have begun when its cancellation comes.
        while toolbox.call(author, "action.cancel", serde_json::json!(cancel)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<Infallible>().await
    };
    let given_up = || RpcError::new(ErrorCode::Cancelled, "The command was cancelled.");
    tokio::select! {
        result = &mut result => result,
        () = tokio::time::sleep(GRACE) => Err(given_up()),
        never = stop => match never {},
    }
}

/// Tells a client how a command goes on.
struct Progress {
    token: ProgressToken,
    peer: Peer<RoleServer>,
    action: ActionId,
    events: BoxStream<'static, Event>,
}

impl Progress {
    fn new(
        token: ProgressToken,
        peer: Peer<RoleServer>,
        action: ActionId,
        events: Option<BoxStream<'static, Event>>,
    ) -> Self {
        // A command whose output cannot be heard still shows that time goes by.
        let events = events.unwrap_or_else(|| stream::empty().boxed()).chain(stream::pending()).boxed();
        Self { token, peer, action, events }
    }

    async fn tell(mut self) -> Infallible {
        let begun = Instant::now();
        let mut pace = tokio::time::interval_at(begun + PACE, PACE);
        let mut last = None;
        loop {
            tokio::select! {
                Some(event) = self.events.next() => {
                    if let EventBody::Output { action, text, .. } = event.body
                        && action == self.action
                        && let Some(line) = text.lines().rev().find(|line| !line.trim().is_empty())
                    {
                        last = Some(line.trim().chars().take(MESSAGE).collect::<String>());
                    }
                }
                _ = pace.tick() => {
                    let seconds = begun.elapsed().as_secs();
                    let message = last.clone().unwrap_or_else(|| format!("running for {seconds} s"));
                    let progress = ProgressNotificationParam::new(self.token.clone(), begun.elapsed().as_secs_f64());
                    // A client that cannot be told is noticed by whoever serves it.
                    let _ = self.peer.notify_progress(progress.with_message(message)).await;
                }
            }
        }
    }
}
