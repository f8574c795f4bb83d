//! A channel at work: one driver task owns its state, everybody else holds a [`Handle`].
//!
//! Requests reach the driver by `mpsc`, state leaves it by `watch`. Actions do not pass through the driver: they take
//! the [`Live`] machine from the published state and talk to it themselves, so that a slow action holds up nothing.

mod driver;
mod messages;
mod policy;
mod setup;
mod watch;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_model::{ActionId, Channel, ChannelId, ErrorCode, Job, RpcError, SandboxState};
use berth_store::ChannelRecord;
use tokio::sync::{mpsc, oneshot, watch as watched};
use tokio_util::sync::CancellationToken;

use crate::live::Live;
use crate::tasks::Task;
use crate::world::World;

use messages::{Answer, Published, Request};
pub use policy::Wish;
pub(crate) use setup::usual_folder;

/// What is cancelled has so long to end.
const STOPPING: Duration = Duration::from_secs(5);

/// Everybody's way to a channel.
pub struct Handle {
    requests: mpsc::Sender<Request>,
    published: watched::Receiver<Published>,
    running: Mutex<HashMap<ActionId, CancellationToken>>,
    driver: Mutex<Option<Task>>,
}

impl Handle {
    /// Starts the driver of a channel, which is known to listeners from here on. `fresh` ones are brought up at once;
    /// others are looked for first. `ended` is called when the channel is gone.
    pub fn start(
        world: Arc<World>,
        record: ChannelRecord,
        jobs: Vec<Job>,
        ended: impl FnOnce() + Send + 'static,
    ) -> Arc<Self> {
        let (requests, inbox) = mpsc::channel(64);
        let (driver, published) = driver::Driver::new(world, record, jobs, inbox);
        driver.show();
        let driver = Task::spawn("channel", async move {
            driver.run().await;
            ended();
        });
        Arc::new(Self { requests, published, running: Mutex::default(), driver: Mutex::new(Some(driver)) })
    }

    /// Ends the driver and waits until nothing of it runs. The sandbox goes on.
    pub async fn end(&self) {
        let driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(driver) = driver {
            driver.end().await;
        }
    }

    /// The channel as it is now.
    pub fn channel(&self) -> Channel {
        self.published.borrow().channel.clone()
    }

    /// Its id.
    pub fn id(&self) -> ChannelId {
        self.published.borrow().channel.id.clone()
    }

    /// Asks for a state and waits until it is reached, or cannot be.
    pub async fn wish(&self, wish: Wish) -> Result<(), RpcError> {
        self.ask(|answer| Request::Wish(wish, answer)).await
    }

    /// Gives the channel another name.
    pub async fn rename(&self, name: String) -> Result<(), RpcError> {
        self.ask(|answer| Request::Rename(name, answer)).await
    }

    /// A job is new or differs.
    pub async fn job(&self, job: Job) {
        // A driver that is gone has no jobs to keep.
        let _ = self.requests.send(Request::Job(Box::new(job))).await;
    }

    /// The machine, woken up when it sleeps. Many callers wake it once.
    pub async fn live(&self) -> Result<Arc<Live>, RpcError> {
        let (state, live) = self.now();
        match (state, live) {
            (SandboxState::Running, Some(live)) => Ok(live),
            (SandboxState::Destroying, _) => Err(destroyed()),
            _ => {
                self.wish(Wish::Wake).await?;
                self.now().1.ok_or_else(|| {
                    RpcError::new(ErrorCode::NotRunning, "The sandbox stopped while it was being waited for.")
                        .hint("Try again: it is started when it is needed.")
                })
            }
        }
    }

    /// The machine, if it runs now.
    pub fn live_now(&self) -> Option<Arc<Live>> {
        self.published.borrow().live.clone()
    }

    /// Waits until the channel is in none of the states that pass by themselves.
    pub async fn settled(&self) -> Channel {
        let mut published = self.published.clone();
        let settled = published
            .wait_for(|now| {
                use SandboxState as S;
                matches!(now.channel.sandbox.state, S::Running | S::Asleep | S::Failed)
            })
            .await;
        match settled {
            Ok(now) => now.channel.clone(),
            Err(_) => self.channel(),
        }
    }

    /// Remembers a running action, so that it can be cancelled by its id until the guard is dropped. Nothing where one
    /// of this id runs.
    pub fn track(self: &Arc<Self>, action: &ActionId, token: CancellationToken) -> Option<Tracked> {
        match self.running().entry(action.clone()) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(place) => drop(place.insert(token)),
        }
        Some(Tracked { handle: self.clone(), action: action.clone() })
    }

    /// Cancels a running action. `false` when no such action runs.
    pub fn cancel(&self, action: &ActionId) -> bool {
        self.running().get(action).map(CancellationToken::cancel).is_some()
    }

    /// Cancels all that run.
    pub fn cancel_all(&self) {
        self.running().values().for_each(CancellationToken::cancel);
    }

    /// How many actions run now.
    pub fn busy(&self) -> usize {
        self.running().len()
    }

    /// Cancels what runs, and waits a moment for its end: a machine that stays when its sandbox is left would go on with it.
    pub async fn stop_actions(&self) {
        self.running().values().for_each(CancellationToken::cancel);
        let by = tokio::time::Instant::now() + STOPPING;
        while self.busy() > 0 && tokio::time::Instant::now() < by {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<ActionId, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> (SandboxState, Option<Arc<Live>>) {
        let now = self.published.borrow();
        (now.channel.sandbox.state, now.live.clone())
    }

    async fn ask(&self, request: impl FnOnce(Answer) -> Request) -> Result<(), RpcError> {
        let (answer, result) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| destroyed())?;
        result.await.map_err(|_| destroyed())?
    }
}

fn destroyed() -> RpcError {
    RpcError::new(ErrorCode::NotFound, "This channel is gone.")
}

/// A running action that can be cancelled; dropped when it ended.
pub struct Tracked {
    handle: Arc<Handle>,
    action: ActionId,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.handle.running().remove(&self.action);
    }
}
