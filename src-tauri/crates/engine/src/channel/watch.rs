//! What is watched in a running sandbox: what listens, which jobs run, whether the connection stands.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_model::{Connection, InstalledTool, Inventory};
use berth_providers::Found;
use berth_ssh::SessionState;
use berth_store::ChannelRecord;
use berth_tools::jobs::ListAll;
use tokio::time::{sleep, sleep_until};

use super::messages::{Listener, Note, Notes};
use crate::live::Live;
use crate::scripts::call;
use crate::tasks::Task;
use crate::world::World;

/// A look costs a few milliseconds in the sandbox; a server that starts is seen within a second.
const CALM: Duration = Duration::from_millis(1_000);
/// After something happened, looks come faster for a while: first after 50 ms, then each wait doubles.
const EAGER: Duration = Duration::from_millis(50);

/// So often what is installed is looked for.
const STOCK_TRIES: u32 = 5;

/// Starts what watches a running sandbox.
pub(super) fn tasks(
    world: Arc<World>,
    record: ChannelRecord,
    live: Arc<Live>,
    take_stock: bool,
    notes: &Notes,
) -> Vec<Task> {
    let mut tasks = vec![
        Task::spawn("looks", looks(record.last_ports.clone(), live.clone(), notes.clone())),
        Task::spawn("connection", connection(world, record, live.clone(), notes.clone())),
    ];
    if take_stock {
        tasks.push(Task::spawn("inventory", inventory(live, notes.clone())));
    }
    tasks
}

/// A port that listens for less than this is told of to nobody: a test's server, most likely. One that the system chose
/// says so by its number.
const LASTING: Duration = Duration::from_millis(400);
const LASTING_CHOSEN: Duration = Duration::from_secs(4);
const CHOSEN: std::ops::RangeFrom<u16> = 32_768..;

async fn looks(known: Vec<u16>, live: Arc<Live>, notes: Notes) {
    let mut known: HashSet<u16> = known.into_iter().collect();
    let mut jobs = Vec::new();
    let mut last = Vec::new();
    let mut since: HashMap<u16, Instant> = HashMap::new();
    let mut pause = EAGER;
    loop {
        // A machine that a person did not want to answer is left alone.
        live.session.welcome().await;
        if let Ok(seen) = call(&live.session, &ListAll).await
            && seen != jobs
        {
            jobs.clone_from(&seen);
            notes.send(Note::Jobs(seen));
        }
        if let Ok(ports) = call(&live.session, &berth_tools::Ports::default()).await {
            let mut listeners: Vec<Listener> = ports
                .into_iter()
                .filter(|port| port.loopback)
                .map(|port| Listener { port: port.port, process: port.process, session: port.session })
                .collect();
            since.retain(|port, _| listeners.iter().any(|listener| listener.port == *port));
            let mut soon = false;
            listeners.retain(|listener| {
                let listens = since.entry(listener.port).or_insert_with(Instant::now).elapsed();
                soon |= listens < LASTING;
                let chosen = CHOSEN.contains(&listener.port) && !known.contains(&listener.port);
                listens >= if chosen { LASTING_CHOSEN } else { LASTING }
            });
            known.extend(listeners.iter().map(|listener| listener.port));
            if soon {
                pause = EAGER;
            }
            if listeners != last {
                last.clone_from(&listeners);
                notes.send(Note::Ports(listeners));
            }
        }
        // Not at once when something happened: the next command, if one follows, has the machine for itself.
        let mut due = Instant::now() + pause;
        pause = (pause * 2).min(CALM);
        while due > Instant::now() {
            tokio::select! {
                () = sleep_until(due.into()) => {}
                () = live.changed.notified() => {
                    due = due.min(Instant::now() + EAGER);
                    pause = EAGER;
                }
            }
        }
    }
}

/// A session's state, as it is shown.
pub(super) fn told(state: &SessionState) -> Connection {
    match state.clone() {
        SessionState::Closed => Connection::Closed,
        SessionState::Connecting => Connection::Connecting,
        SessionState::Connected => Connection::Connected,
        SessionState::Reconnecting { attempt, reason, refused } => {
            Connection::Reconnecting { attempt, reason, refused }
        }
    }
}

async fn connection(world: Arc<World>, record: ChannelRecord, live: Arc<Live>, notes: Notes) {
    let mut state = live.session.state();
    loop {
        let now = state.borrow_and_update().clone();
        let lost = matches!(now, SessionState::Reconnecting { .. });
        notes.send(Note::Connection(told(&now)));
        // A connection is lost by a fault on the way, or because the machine has ended: the provider knows.
        if lost
            && let Ok(provider) = world.provider(&record)
            && matches!(provider.find(&record.id).await, Ok(Found::Asleep | Found::Gone))
        {
            notes.send(Note::Ended);
            return;
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

async fn inventory(live: Arc<Live>, notes: Notes) {
    for _ in 0..STOCK_TRIES {
        match call(&live.session, &berth_tools::Inventory).await {
            Ok(found) => {
                let tools = found.tools.into_iter().map(|tool| InstalledTool {
                    name: tool.name.to_owned(),
                    version: tool.version,
                    hint: tool.hint,
                });
                return notes.send(Note::Inventory(Inventory { system: found.system, tools: tools.collect() }));
            }
            Err(error) => tracing::warn!(%error, "what is installed could not be seen"),
        }
        // The connection may have broken just then.
        live.session.welcome().await;
        sleep(CALM).await;
    }
}
