//! Sandboxes on this computer: namespaces made by bubblewrap, with `sandboxd` as first process, which serves SSH on a
//! Unix socket that was opened outside and handed in, so that nothing inside can put something else in its place.
//!
//! ```text
//!        start                     sleep
//! Gone ─────────► Running ◄──────────────────► Asleep ──► Gone
//!                    └────────────── destroy ────┴─────────┘
//! ```
//!
//! A sandbox outlives whoever started it. What is known of it is in its record: the next [`Local`] on the same folders
//! takes it over. As an ordinary user, sandboxes run as that user; root gives each a user of its own, so that nothing
//! in a sandbox is root by any account.
//!
//! There is no sandbox without isolation. Where namespaces are missing this provider refuses and says what mends it.
//! Landlock, which needs none, is deliberately no substitute: it restricts files and TCP ports, but gives no network of
//! one's own (two sandboxes could not serve on the same port), hides no process, and leaves what is reached by Unix
//! sockets in the file system (D-Bus, the SSH agent, Docker) in reach.

mod bubblewrap;
mod computer;
mod keeper;
mod launch;
mod limits;
mod pasta;
mod prepare;
mod process;
mod program;
mod record;
mod seccomp;
mod system;
mod tools;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use berth_model::{ChannelId, NetworkMode, ProviderInfo, ProviderKind};
use berth_ssh::{Endpoint, HostKeyCheck, Identity, SshTarget};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, OnceCell, OwnedMutexGuard};

use self::computer::Computer;
use self::keeper::Keeper;
use self::record::{Record, Running};
use crate::egress::EgressOptions;
use crate::layout::{Layout, Places};
use crate::sandboxd::{self, Env};
use crate::{Found, LocalConfig, ProviderError, SandboxSpec, Started, files, remove};

pub use self::limits::Limits;

/// A failure to isolate is looked into again after so long: the person may have mended it.
const REMEMBER_FAILURE: Duration = Duration::from_secs(3);

/// What this computer can do, or why there are no sandboxes on it and what mends that.
type Finding = Result<Arc<Computer>, (String, String)>;

/// The provider of sandboxes on this computer. Cheap to clone; all clones are the same provider.
///
/// One at a time may use a data folder; that is the business of the engine.
#[derive(Clone)]
pub struct Local(Arc<Inner>);

struct Inner {
    layout: Layout,
    sandboxd: Option<PathBuf>,
    env: Env,
    root: bool,
    egress: EgressOptions,
    limits: Limits,
    identity: OnceCell<Identity>,
    computer: Mutex<Option<(Instant, Finding)>>,
    turns: StdMutex<HashMap<ChannelId, Arc<Mutex<()>>>>,
    keepers: StdMutex<HashMap<ChannelId, Keeper>>,
}

/// Who a sandbox's processes are, outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// Whoever runs Berth.
    Person,
    /// A user that is nobody else; only root can give one.
    Own { uid: u32 },
}

impl Account {
    /// Makes a command run as this account.
    fn assume(&self, command: &mut Command) {
        if let Self::Own { uid } = self {
            command.uid(*uid).gid(*uid);
        }
    }
}

impl Local {
    /// A provider on these folders. Nothing is touched before the first use.
    pub fn new(config: LocalConfig) -> Self {
        Self::with(config, EgressOptions::default(), Limits::of_computer())
    }

    /// The same, with a say in what leaves the sandboxes and in what they may take.
    pub fn with(config: LocalConfig, egress: EgressOptions, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            layout: Layout { data: config.data_dir, runtime: config.runtime_dir },
            sandboxd: config.sandboxd,
            env: sandboxd::own_env(),
            root: nix::unistd::geteuid().is_root(),
            egress,
            limits,
            identity: OnceCell::new(),
            computer: Mutex::default(),
            turns: StdMutex::default(),
            keepers: StdMutex::default(),
        }))
    }

    /// Whether sandboxes can be made here, and what is missing where not. Starts none.
    pub async fn info(&self) -> ProviderInfo {
        let problem = match self.computer().await {
            Ok(_) => sandboxd::program(self.0.sandboxd.as_deref(), &self.0.env).err(),
            Err(error) => Some(error),
        };
        ProviderInfo {
            kind: ProviderKind::Local,
            label: "This computer".into(),
            note: "Uses the programs of this computer, kept apart from your files. No account needed.".into(),
            available: problem.is_none(),
            problem: problem.map(Into::into),
        }
    }

    /// Makes the sandbox run: makes what is missing, takes over what runs.
    pub async fn start(&self, spec: &SandboxSpec) -> Result<Started, ProviderError> {
        let places = self.0.layout.places(&spec.id)?;
        let _turn = self.turn(&spec.id).await;
        if let Some(started) = self.take_over(&spec.id, &places).await? {
            return Ok(started);
        }
        let computer = self.computer().await?;
        let (mut network, mut note) = choose_network(spec.network, computer.pasta.as_ref().err());
        loop {
            match self.launch(spec, &places, &computer, network, note).await {
                Ok(started) => return Ok(started),
                Err(launch::LaunchError::Other(error)) => {
                    // Perhaps what was found out about this computer does not hold any more: then that is the reason.
                    if matches!(error, ProviderError::Start { .. }) {
                        self.forget_computer().await;
                        self.computer().await?;
                    }
                    return Err(error);
                }
                Err(launch::LaunchError::Pasta(reason)) => {
                    tracing::warn!(sandbox = %spec.id, reason, "no full network");
                    (network, note) = choose_network(spec.network, Some(&reason));
                }
            }
        }
    }

    /// How a sandbox is now. One that runs is taken over.
    pub async fn find(&self, id: &ChannelId) -> Result<Found, ProviderError> {
        let places = self.0.layout.places(id)?;
        let _turn = self.turn(id).await;
        if let Some(running) = running(&places)?
            && places.host_key.exists()
        {
            return Ok(Found::Running(Box::new(self.adopt(id, &places, &running).await?)));
        }
        Ok(if places.root.exists() { Found::Asleep } else { Found::Gone })
    }

    /// Ends all of the sandbox's processes and keeps its files.
    pub async fn sleep(&self, id: &ChannelId) -> Result<(), ProviderError> {
        let places = self.0.layout.places(id)?;
        let _turn = self.turn(id).await;
        self.end(id, &places).await
    }

    /// Takes the sandbox away: no process, no mount and no file of it is left. One that is gone is no error.
    pub async fn destroy(&self, id: &ChannelId) -> Result<(), ProviderError> {
        let places = self.0.layout.places(id)?;
        let _turn = self.turn(id).await;
        self.end(id, &places).await?;
        remove::sandbox(&self.0.layout, id, &places).await?;
        lock(&self.0.turns).remove(id);
        Ok(())
    }

    /// The home of a sandbox's user, as it is called inside.
    pub fn home(&self, _: &ChannelId) -> String {
        bubblewrap::HOME.into()
    }

    /// The sandboxes that exist, running or asleep. Finishes deletions that were cut short.
    pub async fn list(&self) -> Vec<ChannelId> {
        remove::leftovers(&self.0.layout).await;
        self.0.layout.ids()
    }

    /// What runs at this moment, if it can be reached; what runs and cannot be reached is ended.
    async fn take_over(&self, id: &ChannelId, places: &Places) -> Result<Option<Started>, ProviderError> {
        let Some(running) = running(places)? else {
            // Also what no record tells of any more.
            self.end(id, places).await?;
            return Ok(None);
        };
        if tokio::net::UnixStream::connect(&places.socket).await.is_ok() {
            return self.adopt(id, places, &running).await.map(Some);
        }
        tracing::warn!(sandbox = %id, "it runs but does not answer, and is started again");
        self.end(id, places).await?;
        Ok(None)
    }

    async fn launch(
        &self,
        spec: &SandboxSpec,
        places: &Places,
        computer: &Computer,
        network: NetworkMode,
        note: Option<String>,
    ) -> Result<Started, launch::LaunchError> {
        let inner = &self.0;
        let identity = self.identity().await?;
        let prepared = prepare::prepare(inner, spec, places, computer, network)?;
        let egress = network == NetworkMode::Proxied || (network == NetworkMode::Full && has_proxy(&inner.env));
        let keeper = self.keeper(&spec.id, places, egress, &prepared.account)?;
        let running = |first: &process::Process, monitor: &process::Process| Running {
            first: first.clone(),
            monitor: monitor.clone(),
            network,
            network_note: note.clone(),
            egress,
            limits: inner.limits.text(),
        };

        let mut written = None;
        let launch = prepared.launch(inner, spec, places, computer, network, egress, &identity.public());
        let launched = launch
            .run(|first, monitor| {
                let running = written.insert(running(first, monitor));
                Record { running: Some(running.clone()) }.write(places)
            })
            .await;
        match (launched, written) {
            (Ok(child), Some(running)) => {
                self.keep(&spec.id, keeper.watch(places, &running, Some(child)));
                Ok(self.started(places, &running, identity, &prepared.host_key))
            }
            (Ok(child), None) => {
                drop::<Child>(child);
                Err(ProviderError::Start { reason: "its processes are not known.".into(), log: String::new() }.into())
            }
            (Err(error), _) => {
                drop(keeper);
                self.end(&spec.id, places).await?;
                Err(error)
            }
        }
    }

    /// Gives a sandbox that runs what it needs from this process.
    async fn adopt(&self, id: &ChannelId, places: &Places, running: &Running) -> Result<Started, ProviderError> {
        let identity = self.identity().await?;
        let host_key = files::read_key(&places.host_key)?;
        if !lock(&self.0.keepers).contains_key(id) {
            let account = prepare::account(&self.0, places);
            let keeper = self.keeper(id, places, running.egress, &account)?;
            self.keep(id, keeper.watch(places, running, None));
        }
        Ok(self.started(places, running, identity, &host_key))
    }

    fn keeper(
        &self,
        id: &ChannelId,
        places: &Places,
        egress: bool,
        account: &Account,
    ) -> Result<Keeper, ProviderError> {
        let mut keeper = Keeper::default();
        if egress {
            keeper.serve_egress(id, places, account, &self.0)?;
        }
        Ok(keeper)
    }

    fn keep(&self, id: &ChannelId, keeper: Keeper) {
        lock(&self.0.keepers).insert(id.clone(), keeper);
    }

    fn started(&self, places: &Places, running: &Running, identity: &Identity, host_key: &Identity) -> Started {
        Started {
            target: SshTarget {
                endpoint: Endpoint::Unix(places.socket.clone()),
                user: sandboxd::USER.into(),
                auth: identity.clone().into(),
                host_key: HostKeyCheck::Pinned(host_key.public()),
            },
            network: Some(running.network),
            network_note: running.network_note.clone(),
            limits: Some(running.limits.clone()),
        }
    }

    /// Ends whatever of the sandbox runs, and leaves nothing of it but its files.
    async fn end(&self, id: &ChannelId, places: &Places) -> Result<(), ProviderError> {
        drop(lock(&self.0.keepers).remove(id));
        let record = Record::read(places).unwrap_or_default().unwrap_or_default();
        let stuck = |source| ProviderError::Stuck { source };
        if let Some(running) = &record.running {
            running.first.end().await.map_err(stuck)?;
            // It reaps the first process, then has nothing to wait for.
            running.monitor.end_with_others().await.map_err(stuck)?;
        }
        // Where the record was lost.
        if let Some(first) = record::holder_of(&places.lock) {
            first.end().await.map_err(stuck)?;
        }
        if let Some(pasta) = pasta::daemon(&places.pasta_pid) {
            pasta.end().await.map_err(stuck)?;
        }
        for file in [&places.socket, &places.egress, &places.pasta_pid] {
            let _ = std::fs::remove_file(file);
        }
        if record.running.is_some() {
            Record::default().write(places)?;
        }
        Ok(())
    }

    /// What this computer can do; tried at most once while nothing changes.
    async fn computer(&self) -> Result<Arc<Computer>, ProviderError> {
        let inner = &self.0;
        let mut known = inner.computer.lock().await;
        match &*known {
            Some((_, Ok(computer))) => return Ok(computer.clone()),
            Some((since, Err((reason, mend)))) if since.elapsed() < REMEMBER_FAILURE => {
                return Err(ProviderError::NoIsolation { reason: reason.clone(), mend: mend.clone() });
            }
            _ => {}
        }
        let account = if inner.root { Account::Own { uid: prepare::FIRST_UID } } else { Account::Person };
        let path = inner.layout.probe();
        let found = match Computer::remembered(&path, &inner.env, &account) {
            Some(computer) => Ok(computer),
            None => Computer::probe(&inner.env, &account).await.inspect(|found| {
                prepare::data_folder(inner).map(|()| found.remember(&path)).unwrap_or_default();
            }),
        };
        match found {
            Ok(computer) => {
                let computer = Arc::new(computer);
                *known = Some((Instant::now(), Ok(computer.clone())));
                Ok(computer)
            }
            Err(ProviderError::NoIsolation { reason, mend }) => {
                *known = Some((Instant::now(), Err((reason.clone(), mend.clone()))));
                Err(ProviderError::NoIsolation { reason, mend })
            }
            Err(error) => Err(error),
        }
    }

    async fn forget_computer(&self) {
        let _ = std::fs::remove_file(self.0.layout.probe());
        *self.0.computer.lock().await = None;
    }

    async fn identity(&self) -> Result<&Identity, ProviderError> {
        self.0.identity.get_or_try_init(async || prepare::client_key(&self.0)).await
    }

    /// One thing at a time is done to a sandbox.
    async fn turn(&self, id: &ChannelId) -> OwnedMutexGuard<()> {
        let turn = lock(&self.0.turns).entry(id.clone()).or_default().clone();
        turn.lock_owned().await
    }
}

/// The sandbox's processes, where they are those that the record names.
fn running(places: &Places) -> Result<Option<Running>, ProviderError> {
    match Record::read(places) {
        Ok(record) => Ok(record.unwrap_or_default().running.filter(|running| running.first.is_alive())),
        // Nothing is lost with it but the processes; `end` finds those by their lock.
        Err(ProviderError::Record { path, source }) => {
            tracing::warn!(path = %path.display(), %source, "a sandbox's record is damaged");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The network that is wanted, or the nearest to it, and a sentence for the person.
fn choose_network(wanted: Option<NetworkMode>, no_pasta: Option<&String>) -> (NetworkMode, Option<String>) {
    match (wanted, no_pasta) {
        (Some(NetworkMode::Host), _) => (
            NetworkMode::Host,
            Some(format!(
                "It is on this computer's own network, where it can reach every service that runs here{}.",
                if computer::scopes_abstract_sockets() { "" } else { ", and what your display and D-Bus listen on" }
            )),
        ),
        (Some(NetworkMode::Proxied), _) => {
            (NetworkMode::Proxied, Some("Only HTTP and HTTPS leave it, through Berth's proxy.".into()))
        }
        (_, None) => (NetworkMode::Full, None),
        (_, Some(reason)) => (
            NetworkMode::Proxied,
            Some(format!("Only HTTP and HTTPS leave it, through Berth's proxy, since {reason}.")),
        ),
    }
}

/// Whether this computer reaches the world by a proxy only.
fn has_proxy(env: &Env) -> bool {
    let names = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
    names.iter().any(|name| env.get(*name).is_some_and(|value| !value.trim().is_empty()))
}

/// No panic leaves these maps half changed.
fn lock<T>(mutex: &StdMutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
