//! The one owner of a channel's state.
//!
//! The state is an `enum` whose variants own their tasks: leaving a state ends what ran in it. Tasks report by notes
//! that carry the state's number, so a note from a state that was left is never taken for one of the present.

mod seen;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use berth_model::{
    Author, Channel, ChannelId, Connection, EntryBody, ErrorCode, Job, JobId, JobStatus, ProviderKind, RpcError,
    Sandbox, SandboxState,
};
use berth_providers::{Found, SandboxSpec};
use berth_ssh::{Session, SessionOptions};
use berth_store::ChannelRecord;
use tokio::sync::{mpsc, watch};

use self::seen::preview;
use super::messages::{Answer, Listener, Note, Notes, Published, Reached, Request};
use super::policy::{Move, Wish, decide};
use super::{setup, watch as watcher};
use crate::error::{ssh_error, store_error};
use crate::gateway::Gateway;
use crate::hub::now;
use crate::jobs;
use crate::live::Live;
use crate::scripts::call;
use crate::tasks::Task;
use crate::terminals;
use crate::world::World;

/// A machine that is left is given so long to end this channel's jobs.
const LEAVING: Duration = Duration::from_secs(15);

/// Where the driver is; each variant owns what runs in it.
enum State {
    Resting,
    Looking { _task: Task },
    Starting { reached: Option<Reached>, _task: Task },
    Running { _tasks: Vec<Task> },
    Stopping { _task: Task },
    Removing { _task: Task },
    Gone,
}

/// See the module.
pub(super) struct Driver {
    world: Arc<World>,
    record: ChannelRecord,
    view: Channel,
    live: Option<Arc<Live>>,
    state: State,
    state_number: u64,
    sessions: HashMap<u32, JobId>,
    waiting: Vec<(Wish, Answer)>,
    inbox: mpsc::Receiver<Request>,
    notes: mpsc::UnboundedReceiver<(u64, Note)>,
    note_sender: mpsc::UnboundedSender<(u64, Note)>,
    publish: watch::Sender<Published>,
}

impl Driver {
    pub(super) fn new(
        world: Arc<World>,
        record: ChannelRecord,
        jobs: Vec<Job>,
        inbox: mpsc::Receiver<Request>,
    ) -> (Self, watch::Receiver<Published>) {
        let (note_sender, notes) = mpsc::unbounded_channel();
        let previews = record.last_ports.iter().map(|port| preview(&world, &record, *port, None)).collect();
        let view = Channel {
            id: record.id.clone(),
            name: record.name.clone(),
            created_at: record.created_at,
            provider: record.provider,
            machine: record.machine.clone(),
            start: record.start.clone(),
            sandbox: Sandbox {
                state: record.state,
                since: record.since,
                steps: Vec::new(),
                network: record.network,
                network_note: None,
                limits: None,
                inventory: record.inventory.clone(),
                connection: Connection::Closed,
                failure: None,
            },
            jobs,
            previews,
            workdir: record.workdir.clone(),
        };
        let (publish, published) = watch::channel(Published { channel: view.clone(), live: None });
        let driver = Self {
            world,
            record,
            view,
            live: None,
            state: State::Resting,
            state_number: 0,
            sessions: HashMap::new(),
            waiting: Vec::new(),
            inbox,
            notes,
            note_sender,
            publish,
        };
        (driver, published)
    }

    /// Runs until the channel is destroyed or its last handle is dropped.
    pub(super) async fn run(mut self) {
        self.begin().await;
        self.show();
        while !matches!(self.state, State::Gone) {
            tokio::select! {
                request = self.inbox.recv() => match request {
                    Some(request) => self.request(request).await,
                    None => break,
                },
                Some((state, note)) = self.notes.recv() => {
                    if state == self.state_number {
                        self.note(note).await;
                    }
                }
            }
            self.show();
        }
    }

    /// The database says where the channel was left; what is really there decides.
    async fn begin(&mut self) {
        match self.record.state {
            SandboxState::Wanted | SandboxState::Provisioning | SandboxState::Starting => self.start().await,
            SandboxState::Destroying => self.remove().await,
            SandboxState::Failed => {
                self.view.sandbox.failure = Some(
                    RpcError::new(ErrorCode::Failed, "The sandbox could not be started the last time.")
                        .hint("Start it again to see whether what was wrong has been mended."),
                );
            }
            _ => {
                let notes = self.enter();
                let (world, record) = (self.world.clone(), self.record.clone());
                self.state = State::Looking { _task: Task::spawn("look", look(world, record, notes)) };
            }
        }
    }

    async fn request(&mut self, request: Request) {
        match request {
            Request::Wish(wish, answer) => self.wish(wish, answer).await,
            Request::Rename(name, answer) => {
                let old = std::mem::replace(&mut self.record.name, name);
                let result = self.world.store.update_channel(self.record.clone()).await;
                if result.is_err() {
                    self.record.name = old;
                } else {
                    self.view.name = self.record.name.clone();
                    for preview in &mut self.view.previews {
                        preview.url = Gateway::url_at(self.world.gateway_port, &self.view.name, preview.port);
                    }
                }
                let _ = answer.send(result.map_err(store_error));
            }
            Request::Job(job) => self.job(*job).await,
        }
    }

    async fn wish(&mut self, wish: Wish, answer: Answer) {
        // While it is being looked for, nobody knows yet what a wish means.
        if matches!(self.state, State::Looking { .. }) && wish != Wish::Destroy {
            self.waiting.push((wish, answer));
            return;
        }
        match decide(self.view.sandbox.state, wish) {
            Move::Nothing => match self.live.clone().filter(|_| wish == Wish::Wake) {
                // It runs, and may be out of reach: somebody who asks for it wants it tried now, and may be asked.
                Some(live) => drop(tokio::spawn(async move {
                    let _ = answer.send(live.session.connect().await.map_err(ssh_error));
                })),
                None => drop(answer.send(Ok(()))),
            },
            Move::Refuse(why) => drop(answer.send(Err(RpcError::new(ErrorCode::NotRunning, why)))),
            Move::Wait => self.waiting.push((wish, answer)),
            Move::Start => {
                self.waiting.push((wish, answer));
                self.start().await;
            }
            Move::Stop => {
                self.waiting.push((wish, answer));
                self.stop().await;
            }
            Move::Remove => {
                self.waiting.push((wish, answer));
                self.remove().await;
            }
        }
    }

    async fn note(&mut self, note: Note) {
        match note {
            Note::Steps(steps) => self.view.sandbox.steps = steps,
            Note::Reached(reached) => self.reached(reached).await,
            Note::Started(Ok(())) => self.started().await,
            Note::Started(Err(error)) => self.failed("could not start", error).await,
            Note::Inventory(inventory) => {
                self.view.sandbox.inventory = Some(inventory.clone());
                self.record.inventory = Some(inventory);
                self.keep().await;
            }
            Note::Job(job) => self.job(job).await,
            Note::Jobs(seen) => self.jobs(seen).await,
            Note::Ports(listeners) => self.ports(listeners).await,
            Note::Connection(connection) => self.view.sandbox.connection = connection,
            Note::Ended => self.ended().await,
            Note::Stopped(result) => self.stopped(result).await,
            Note::Removed(result) => self.removed(result).await,
        }
    }

    /// Until the starting point was laid out to its end, each start lays it out, from where the last one got to.
    async fn start(&mut self) {
        self.set(SandboxState::Starting).await;
        self.view.sandbox.failure = None;
        self.view.sandbox.steps.clear();
        let provider = match self.world.provider(&self.record) {
            Ok(provider) => provider,
            Err(error) => return self.failed("could not start", error).await,
        };
        let notes = self.enter();
        let plan = setup::Plan {
            world: self.world.clone(),
            provider,
            spec: SandboxSpec {
                id: self.record.id.clone(),
                hostname: self.record.name.clone(),
                network: self.record.network,
            },
            name: self.record.name.clone(),
            workdir: self.record.workdir.clone(),
            start: (!self.record.laid_out).then(|| self.record.start.clone()),
            services: self.services(),
        };
        self.state = State::Starting { reached: None, _task: Task::spawn("start", plan.carry_out(notes)) };
    }

    async fn reached(&mut self, reached: Reached) {
        self.view.sandbox.network = reached.network;
        self.view.sandbox.network_note = reached.network_note.clone();
        self.view.sandbox.limits = reached.limits.clone();
        self.record.workdir.clone_from(&reached.workdir);
        self.view.workdir.clone_from(&reached.workdir);
        self.view.sandbox.connection = watcher::told(&reached.live.session.state().borrow());
        match &mut self.state {
            State::Starting { reached: slot, .. } => *slot = Some(reached),
            // It ran all along: nothing has to be laid out.
            _ => {
                self.live = Some(reached.live);
                self.become_running().await;
            }
        }
    }

    async fn started(&mut self) {
        if let State::Starting { reached, .. } = &mut self.state
            && let Some(reached) = reached.take()
        {
            self.live = Some(reached.live);
            self.record.laid_out = true;
            self.become_running().await;
            self.keep().await;
        }
    }

    async fn become_running(&mut self) {
        let Some(live) = self.live.clone() else { return };
        self.mark(SandboxState::Running);
        let notes = self.enter();
        self.state = State::Running {
            _tasks: watcher::tasks(
                self.world.clone(),
                self.record.clone(),
                live,
                self.record.inventory.is_none(),
                &notes,
            ),
        };
        self.answer(&[Wish::Wake], &Ok(()));
        self.ask_again().await;
    }

    /// Who waited for it to be in a state that lasts, waits for what is now to be done about it.
    async fn ask_again(&mut self) {
        for (wish, answer) in std::mem::take(&mut self.waiting) {
            Box::pin(self.wish(wish, answer)).await;
        }
    }

    /// `what` was asked of it and was not done: "could not start".
    async fn failed(&mut self, what: &str, error: RpcError) {
        self.set(SandboxState::Failed).await;
        self.enter();
        self.state = State::Resting;
        self.live = None;
        self.view.sandbox.failure = Some(error.clone());
        self.notice(&format!("The sandbox {what}."), Some(error.clone())).await;
        self.answer(&[Wish::Wake, Wish::Sleep], &Err(error));
    }

    async fn stop(&mut self) {
        let left = self.leave().await;
        self.set(SandboxState::Stopping).await;
        let notes = self.enter();
        let (provider, id) = (self.world.provider(&self.record), self.record.id.clone());
        self.state = State::Stopping {
            _task: Task::spawn("stop", async move {
                left.end().await;
                let stopped = async { Ok(provider?.sleep(&id).await?) };
                notes.send(Note::Stopped(stopped.await));
            }),
        };
    }

    async fn stopped(&mut self, result: Result<(), RpcError>) {
        match result {
            Ok(()) => {
                self.rest().await;
                self.answer(&[Wish::Sleep], &Ok(()));
                // Who needs it now, needed it while it went to sleep.
                self.ask_again().await;
            }
            Err(error) => self.failed("could not be put to sleep", error).await,
        }
    }

    /// The machine ended by itself: out of memory, killed, the computer restarted.
    async fn ended(&mut self) {
        let was_running = self.view.sandbox.state == SandboxState::Running && self.live.is_some();
        self.close_live().await;
        self.rest().await;
        if was_running {
            self.notice("The sandbox ended unexpectedly. Its files are kept; it starts again when it is used.", None)
                .await;
        }
        self.ask_again().await;
    }

    async fn rest(&mut self) {
        self.set(SandboxState::Asleep).await;
        self.enter();
        self.state = State::Resting;
        self.view.sandbox.connection = Connection::Closed;
        for job in self.view.jobs.clone() {
            if job.status == JobStatus::Running {
                self.job(Job { status: JobStatus::Lost, ended_at: Some(now()), ..job }).await;
            }
        }
        for preview in &mut self.view.previews {
            preview.listening = false;
        }
    }

    async fn remove(&mut self) {
        let left = self.leave().await;
        self.set(SandboxState::Destroying).await;
        let notes = self.enter();
        let (provider, id) = (self.world.provider(&self.record), self.record.id.clone());
        self.state = State::Removing {
            _task: Task::spawn("destroy", async move {
                left.end().await;
                let removed = async { Ok(provider?.destroy(&id).await?) };
                notes.send(Note::Removed(removed.await));
            }),
        };
        let error = RpcError::new(ErrorCode::NotRunning, "This channel is being destroyed.");
        self.answer(&[Wish::Wake, Wish::Sleep], &Err(error));
    }

    async fn removed(&mut self, result: Result<(), RpcError>) {
        let result = match result {
            Ok(()) => self.world.store.delete_channel(&self.record.id).await.map_err(store_error),
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {
                self.state = State::Gone;
                self.answer(&[Wish::Destroy], &Ok(()));
            }
            Err(error) => {
                self.answer(&[Wish::Destroy], &Err(error.clone()));
                self.failed("could not be taken away", error).await;
            }
        }
    }

    /// Lets go of the machine. One that stays when its sandbox goes is to be left without this channel's jobs.
    async fn leave(&mut self) -> Left {
        let jobs = self.view.jobs.iter().filter(|job| job.status == JobStatus::Running).cloned().collect();
        match self.live.take() {
            Some(live) if self.record.provider == ProviderKind::Machine => {
                self.state = State::Resting;
                Left(Some((live, jobs, self.record.id.clone())))
            }
            live => {
                self.live = live;
                self.close_live().await;
                Left(None)
            }
        }
    }

    async fn close_live(&mut self) {
        self.state = State::Resting;
        if let Some(live) = self.live.take() {
            live.session.close().await;
        }
    }

    async fn notice(&self, text: &str, error: Option<RpcError>) {
        let body = EntryBody::Notice { text: text.to_owned(), error };
        self.world.tell(&self.record.id, Author::Berth, body).await;
    }

    fn answer(&mut self, wishes: &[Wish], result: &Result<(), RpcError>) {
        let (answered, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(wish, _)| wishes.contains(wish));
        self.waiting = waiting;
        let answered: Vec<(Wish, Answer)> = answered;
        // Whoever asks must see the state that answers them.
        self.show();
        for (_, answer) in answered {
            let _ = answer.send(result.clone());
        }
    }

    /// Notes of the state that is left are stale from here on.
    fn enter(&mut self) -> Notes {
        self.state_number += 1;
        self.notes_of_now()
    }

    /// For what runs as long as this state lasts.
    fn notes_of_now(&self) -> Notes {
        Notes::new(self.note_sender.clone(), self.state_number)
    }

    fn mark(&mut self, state: SandboxState) {
        self.record.state = state;
        self.record.since = now();
        self.view.sandbox.state = state;
        self.view.sandbox.since = self.record.since;
    }

    async fn set(&mut self, state: SandboxState) {
        self.mark(state);
        self.keep().await;
        self.show();
    }

    async fn keep(&self) {
        if let Err(error) = self.world.store.update_channel(self.record.clone()).await {
            tracing::error!(%error, channel = %self.record.id, "a channel's state was not kept");
        }
    }

    /// Tells everybody how things stand.
    pub(super) fn show(&self) {
        if matches!(self.state, State::Gone) {
            self.world.hub.channel_removed(&self.record.id);
            return;
        }
        self.world.hub.channel(&self.view);
        self.publish.send_replace(Published { channel: self.view.clone(), live: self.live.clone() });
    }
}

/// A machine that stays when its sandbox goes, and the jobs that ran on it.
struct Left(Option<(Arc<Live>, Vec<Job>, ChannelId)>);

impl Left {
    /// Ends the jobs, as far as the machine can be reached, and closes the connection.
    async fn end(self) {
        let Some((live, jobs, channel)) = self.0 else { return };
        let ending = async {
            terminals::end(&live.session, &channel).await;
            for job in &jobs {
                if let Err(error) = call(&live.session, &jobs::end(job)).await {
                    tracing::warn!(job = %job.id, %error, "a job on a machine could not be ended");
                }
            }
        };
        let _ = tokio::time::timeout(LEAVING, ending).await;
        live.session.close().await;
    }
}

/// Looks whether the sandbox of an earlier life still runs.
async fn look(world: Arc<World>, record: ChannelRecord, notes: Notes) {
    let found = async { Ok::<_, RpcError>(world.provider(&record)?.find(&record.id).await?) };
    match found.await {
        Ok(Found::Running(started)) => {
            let session = Session::new(started.target.clone(), SessionOptions::default());
            notes.send(Note::Reached(setup::reached(*started, session, record.workdir)));
        }
        Ok(Found::Asleep | Found::Gone) => notes.send(Note::Ended),
        Err(error) => notes.send(Note::Started(Err(error))),
    }
}
