//! Opening an engine, and what it is made of.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use berth_model::{
    ActionStatus, Author, Channel, ChannelId, ChannelRef, EntryBody, ErrorCode, Job, JobStatus,
    Keychain as KeychainStatus, NetworkMode, ProviderInfo, ProviderKind, RpcError, SandboxState, Snapshot, Start,
};
use berth_providers::{Local, LocalConfig};
use berth_store::{ChannelRecord, Keychain, Store};
use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::EngineError;
use crate::asker::Said;
use crate::channel::Handle;
use crate::checks::Checks;
use crate::error::store_error;
use crate::forwards::Forwards;
use crate::front::folders::Folders;
use crate::front::lock::Host;
use crate::front::presence::Presence;
use crate::front::{Door, Terminal, socket};
use crate::gateway::{BoxStream, Gateway, Upstream, UpstreamError};
use crate::hub::{Events, Hub, now};
use crate::questions::Questions;
use crate::tasks::Task;
use crate::terminals;
use crate::transfers::Transfers;
use crate::world::World;

/// How long actions may take to end by themselves when the engine ends, and again once they were stopped.
const LAST_ACTIONS: Duration = Duration::from_secs(3);

/// The folder that a channel's work is in, in the home of its sandbox.
const WORK: &str = "work";

/// Where an engine keeps its things, and who hosts it.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Its folders; they exist, and its host holds their lock.
    pub folders: Folders,
    /// What kind of process it runs in.
    pub host: Host,
}

/// An open engine; clones are the same one.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

/// What an engine is made of.
pub(crate) struct Inner {
    pub config: EngineConfig,
    pub world: Arc<World>,
    pub channels: Arc<Channels>,
    pub transfers: Transfers,
    pub forwards: Forwards,
    pub stop: CancellationToken,
    pub mcp: std::sync::OnceLock<(String, PathBuf)>,
    gateway: Mutex<Option<Gateway>>,
    surroundings: Mutex<Option<Task>>,
}

/// All channels, by id.
#[derive(Default)]
pub(crate) struct Channels(RwLock<HashMap<ChannelId, Arc<Handle>>>);

impl Channels {
    pub fn remove(&self, id: &ChannelId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    pub fn all(&self) -> Vec<Arc<Handle>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// By id, else by name.
    pub fn find(&self, channel: &str) -> Option<Arc<Handle>> {
        let channels = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let by_id = channels.get(&ChannelId(channel.to_owned()));
        // One that is going may still have the name that another was given.
        let named = || channels.values().filter(|handle| handle.channel().name == channel);
        by_id.or_else(|| named().max_by_key(|handle| handle.channel().created_at)).cloned()
    }

    /// Starts a channel; it is forgotten when it is gone.
    pub fn start(self: &Arc<Self>, world: &Arc<World>, record: ChannelRecord, jobs: Vec<Job>) -> Arc<Handle> {
        let (channels, id) = (Arc::downgrade(self), record.id.clone());
        // Held until the handle is in, so that one that ends at once is not forgotten before it was known.
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let handle = Handle::start(world.clone(), record, jobs, move || {
            if let Some(channels) = channels.upgrade() {
                channels.remove(&id);
            }
        });
        all.insert(handle.id(), handle.clone());
        handle
    }
}

impl Engine {
    /// Opens what is in the data folder: the store is checked, channels are found again, previews are served.
    pub fn open(config: EngineConfig) -> BoxFuture<'static, Result<Self, EngineError>> {
        Box::pin(Self::opened(config))
    }

    async fn opened(config: EngineConfig) -> Result<Self, EngineError> {
        let (store, problems) = Store::open(&config.folders.data)?;
        let settings = store.settings().await?;
        let channels = Arc::new(Channels::default());
        let gateway = Gateway::start(Some(config.folders.preferred_port()), Arc::new(Ports(channels.clone())))
            .await
            .map_err(EngineError::Gateway)?;
        let life = ChannelId::fresh().0;
        let local = Local::new(LocalConfig {
            data_dir: config.folders.data.clone(),
            runtime_dir: config.folders.runtime.clone(),
            sandboxd: std::env::var_os("BERTH_SANDBOXD").map(PathBuf::from),
        });
        let hub = Arc::new(Hub::new(life, settings, KeychainStatus::Available, problems));
        let world = Arc::new(World {
            store,
            questions: Arc::new(Questions::new(hub.clone())),
            hub,
            local,
            gateway_port: gateway.port(),
            keychain: Keychain::open(),
            said: Said::default(),
            checks: Checks::default(),
            known_hosts: config.folders.data.join("ssh/known_hosts"),
            late: TaskTracker::new(),
        });
        world.hub.machines(world.store.machines().await?);
        settle_interrupted(&world).await?;
        for record in load(&world).await? {
            let jobs = world.store.jobs(&record.id).await?.into_iter().map(|record| record.job).collect();
            channels.start(&world, record, jobs);
        }
        let looking = world.clone();
        let surroundings = Task::spawn("surroundings", async move { look_around(&looking).await });
        Ok(Self(Arc::new(Inner {
            config,
            world,
            channels,
            transfers: Transfers::default(),
            forwards: Forwards::default(),
            stop: CancellationToken::new(),
            mcp: std::sync::OnceLock::new(),
            gateway: Mutex::new(Some(gateway)),
            surroundings: Mutex::new(Some(surroundings)),
        })))
    }

    /// Answers a command of the table.
    pub fn call<'a>(
        &'a self,
        caller: &'a Author,
        name: &'a str,
        payload: Value,
    ) -> BoxFuture<'a, Result<Value, RpcError>> {
        Box::pin(berth_model::dispatch(self, caller, name, payload))
    }

    /// Serves clients of the socket until it is stopped, and then lets what they asked for end: for a while.
    pub fn serve(&self, listener: socket::Listener, presence: Presence) -> BoxFuture<'static, ()> {
        let engine = self.clone();
        let stop = self.0.stop.clone().cancelled_owned();
        Box::pin(socket::serve(listener, engine, presence, stop))
    }

    /// Where things stand, and every change after that.
    pub fn subscribe(&self) -> (Snapshot, Events) {
        self.0.world.hub.subscribe()
    }

    /// Opens a terminal in a channel's sandbox, waking it up if need be.
    pub fn open_terminal<'a>(
        &'a self,
        channel: &'a ChannelRef,
        cols: u16,
        rows: u16,
    ) -> BoxFuture<'a, Result<Terminal, RpcError>> {
        Box::pin(async move {
            let handle = self.handle(channel)?;
            terminals::open(&*handle.live().await?, &handle.id(), cols, rows).await
        })
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    /// Tells `app.info` where MCP clients reach this engine by HTTP.
    pub fn set_mcp_address(&self, url: String, token_file: PathBuf) {
        let _ = self.0.mcp.set((url, token_file));
    }

    /// Whether its end would be felt: an action runs, somebody looks at a preview, or a job has only this engine's
    /// egress proxy to reach the network by.
    pub fn is_busy(&self) -> bool {
        let viewed =
            self.0.gateway.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, Gateway::connections);
        viewed > 0 || self.0.channels.all().iter().any(|handle| handle.busy() > 0 || needs_proxy(&handle.channel()))
    }

    /// Asks it to end, as `engine.stop` does.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Returns once somebody asked it to end.
    pub async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// Ends it: actions may end, for a while; what is to be written is written, connections are closed. Sandboxes go on.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.end())
    }

    async fn end(&self) {
        self.stop();
        self.0.forwards.close_all(&self.0.world).await;
        self.0.transfers.end().await;
        let handles = self.0.channels.all();
        if !idle(&handles, LAST_ACTIONS).await {
            handles.iter().for_each(|handle| handle.cancel_all());
            idle(&handles, LAST_ACTIONS).await;
        }
        for handle in handles {
            let live = handle.live_now();
            handle.end().await;
            if let Some(live) = live {
                live.session.close().await;
            }
        }
        self.0.channels.0.write().unwrap_or_else(PoisonError::into_inner).clear();
        let surroundings = self.0.surroundings.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = surroundings {
            task.end().await;
        }
        let gateway = self.0.gateway.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(gateway) = gateway {
            gateway.close().await;
        }
        self.0.world.late.close();
        if tokio::time::timeout(LAST_ACTIONS, self.0.world.late.wait()).await.is_err() {
            tracing::warn!("the ends of some actions were not written down");
        }
        if let Err(error) = self.0.world.store.close().await {
            tracing::error!(%error, "the last writes were not kept");
        }
    }

    pub(crate) fn handle(&self, channel: &ChannelRef) -> Result<Arc<Handle>, RpcError> {
        self.0.channels.find(&channel.0).ok_or_else(|| {
            RpcError::new(ErrorCode::NotFound, format!("There is no channel {:?}.", channel.0))
                .hint("`channel.list` names the channels there are.")
        })
    }

    pub(crate) fn channels(&self) -> Vec<Channel> {
        self.0.world.hub.channels()
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("data", &self.0.config.folders.data).finish_non_exhaustive()
    }
}

impl Door for Engine {
    async fn call(&self, author: &Author, name: &str, payload: Value) -> Result<Value, RpcError> {
        Engine::call(self, author, name, payload).await
    }

    fn subscribe(&self) -> (Snapshot, Events) {
        Engine::subscribe(self)
    }

    async fn open_terminal(&self, channel: &ChannelRef, cols: u16, rows: u16) -> Result<Terminal, RpcError> {
        Engine::open_terminal(self, channel, cols, rows).await
    }
}

/// Reaches ports of sandboxes for the preview gateway.
struct Ports(Arc<Channels>);

impl Upstream for Ports {
    fn connect(&self, channel: &str, port: u16) -> BoxFuture<'_, Result<BoxStream, UpstreamError>> {
        let handle = self.0.find(channel);
        Box::pin(async move {
            let handle = handle.ok_or(UpstreamError::NoSuchChannel)?;
            let Some(live) = handle.live_now() else {
                let state = handle.channel().sandbox.state;
                return Err(UpstreamError::NotRunning(words(state).to_owned()));
            };
            match live.session.forward_tcp("127.0.0.1", port).await {
                Ok(stream) => Ok(Box::new(stream) as BoxStream),
                // A server that listens on ::1 only is reached there.
                Err(berth_ssh::SshError::ForwardRefused { .. }) => match live.session.forward_tcp("::1", port).await {
                    Ok(stream) => Ok(Box::new(stream) as BoxStream),
                    Err(berth_ssh::SshError::ForwardRefused { .. }) => Err(UpstreamError::Refused),
                    Err(error) => Err(UpstreamError::Other(error.to_string())),
                },
                Err(error) => Err(UpstreamError::Other(error.to_string())),
            }
        })
    }
}

/// Waits until no action runs; `false` when some do after `patience`.
async fn idle(handles: &[Arc<Handle>], patience: Duration) -> bool {
    let wait = async {
        while handles.iter().any(|handle| handle.busy() > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(patience, wait).await.is_ok()
}

/// Whether a job runs that reaches the network by this engine's egress proxy.
fn needs_proxy(channel: &Channel) -> bool {
    channel.sandbox.state == SandboxState::Running
        && channel.sandbox.network == Some(NetworkMode::Proxied)
        && channel.jobs.iter().any(|job| job.status == JobStatus::Running)
}

fn words(state: SandboxState) -> &'static str {
    match state {
        SandboxState::Asleep => "asleep",
        SandboxState::Failed => "not running: it could not be started",
        SandboxState::Destroying => "being destroyed",
        _ => "starting",
    }
}

/// The channels of the database, and those that only their sandbox's folder still tells of: after a database had to be
/// replaced, somebody's files are there and must not be out of reach.
async fn load(world: &Arc<World>) -> Result<Vec<ChannelRecord>, EngineError> {
    let mut records = world.store.channels().await?;
    for id in world.local.list().await {
        if records.iter().any(|record| record.id == id) {
            continue;
        }
        let record = ChannelRecord {
            name: format!("recovered-{}", &id.as_str()[..id.as_str().len().min(8)]),
            laid_out: true,
            ..new_record(world, id, String::new(), SandboxState::Asleep, Start::Blank)
        };
        world.store.insert_channel(record.clone()).await?;
        tracing::warn!(channel = %record.id, "a sandbox without a channel was given one");
        records.push(record);
    }
    Ok(records)
}

pub(crate) fn new_record(
    world: &World,
    id: ChannelId,
    name: String,
    state: SandboxState,
    start: Start,
) -> ChannelRecord {
    let at = now();
    ChannelRecord {
        workdir: format!("{}/{WORK}", world.local.home(&id)),
        id,
        name,
        created_at: at,
        provider: ProviderKind::Local,
        machine: None,
        start,
        network: None,
        state,
        since: at,
        inventory: None,
        last_ports: Vec::new(),
        laid_out: false,
    }
}

/// Actions that were running when an earlier life ended will never be heard of again: their rows and cards say so.
async fn settle_interrupted(world: &Arc<World>) -> Result<(), EngineError> {
    let settled = world.store.settle_unfinished().await?;
    if !settled.is_empty() {
        tracing::warn!(actions = settled.len(), "an earlier engine ended before it saw the outcome");
    }
    for mut entry in world.store.running_entries().await? {
        if let EntryBody::Action { card } = &mut entry.body {
            card.status = ActionStatus::Failed {
                code: ErrorCode::OutcomeUnknown,
                message: "Berth ended before the outcome was seen.".to_owned(),
            };
            world.retell(entry).await;
        }
    }
    Ok(())
}

/// Asks the system what takes time to ask: a start does not wait for it, and sandboxes do not wait for the keychain.
pub(crate) async fn look_around(world: &World) {
    let machine = ProviderInfo {
        kind: ProviderKind::Machine,
        label: "A machine I have".to_owned(),
        note: "Any machine with SSH. Nothing is kept apart on it: agents have the rights of the account.".to_owned(),
        available: true,
        problem: None,
    };
    let providers = vec![world.local.info().await, machine];
    let known = world.keychain.known_status();
    world.hub.surroundings(providers.clone(), known.clone().unwrap_or(KeychainStatus::Available));
    if known.is_none() {
        world.hub.surroundings(providers, world.keychain.status().await);
    }
}

/// A name that can be a channel's: it is part of a preview's host name.
pub(crate) fn check_name(name: &str) -> Result<(), RpcError> {
    let fits = (1..=40).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if fits {
        return Ok(());
    }
    Err(RpcError::new(ErrorCode::BadRequest, format!("A channel cannot be named {name:?}."))
        .hint("Use up to 40 lower-case letters, digits and dashes, with no dash at either end."))
}

/// What `git clone` may be given: no local path, no option, no transport helper that runs commands.
pub(crate) fn check_repository(url: &str) -> Result<(), RpcError> {
    let remote = ["https://", "http://", "ssh://", "git://"].iter().any(|scheme| url.starts_with(scheme));
    let scp_like = url.split_once(':').is_some_and(|(host, path)| {
        host.contains('@') && !host.contains('/') && !path.starts_with(':') && !host.starts_with('-')
    });
    if (remote || scp_like) && !url.contains(char::is_whitespace) && !url.contains(char::is_control) {
        return Ok(());
    }
    Err(RpcError::new(ErrorCode::BadRequest, "This is not the address of a repository.")
        .hint("Give an address such as https://example.org/project.git or git@example.org:project.git."))
}

pub(crate) async fn insert(engine: &Engine, record: ChannelRecord, author: &Author) -> Result<Arc<Handle>, RpcError> {
    // The intent is on disk before anything is asked of the provider.
    let world = &engine.0.world;
    world.store.insert_channel(record.clone()).await.map_err(store_error)?;
    tracing::info!(channel = %record.id, ?author, "a channel was made");
    Ok(engine.0.channels.start(world, record, Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parts_of_host_names() {
        for good in ["a", "landing-page", "x1", &"a".repeat(40)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a.b", "ä", "a/b", &"a".repeat(41)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn repositories_are_remote() {
        for good in ["https://example.org/a.git", "git@example.org:a/b.git", "ssh://git@example.org/a"] {
            assert!(check_repository(good).is_ok(), "{good}");
        }
        for bad in ["", "/etc", "--upload-pack=x", "ext::sh -c id", "-oProxyCommand=x@y:z", "file:///etc", "a b"] {
            assert!(check_repository(bad).is_err(), "{bad}");
        }
    }
}
