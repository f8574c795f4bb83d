//! What every part of the engine shares.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use berth_model::{
    AuditRow, Author, ChannelId, Entry, EntryBody, EntryId, ErrorCode, Job, Machine, ProviderKind, RpcError,
};
use berth_providers::{Local, OwnMachine, Provider};
use berth_ssh::Resolve;
use berth_store::{ChannelRecord, JobRecord, Keychain, Store, StoreError};
use tokio_util::task::TaskTracker;

use crate::asker::{MachineAsker, Said};
use crate::checks::Checks;
use crate::hub::{Hub, now};
use crate::questions::Questions;

/// The store, the listeners and the provider: one of each in an engine.
pub struct World {
    /// The truth.
    pub store: Store,
    /// Everybody who listens.
    pub hub: Arc<Hub>,
    /// What waits for a person's answer.
    pub questions: Arc<Questions>,
    /// Sandboxes on this computer.
    pub local: Local,
    /// The port of the preview gateway; fixed before the first channel starts.
    pub gateway_port: u16,
    /// Where secrets are kept: one, so that what is kept in memory lasts as long as the engine.
    pub keychain: Keychain,
    /// What was said of machines.
    pub said: Said,
    /// Checks of machines that run.
    pub checks: Checks,
    /// Our own file of known hosts: what a person has said yes to.
    pub known_hosts: PathBuf,
    /// Writes that nobody waits for but the engine's end.
    pub late: TaskTracker,
}

impl World {
    /// Where a channel's sandbox comes from.
    pub fn provider(&self, record: &ChannelRecord) -> Result<Arc<dyn Provider>, RpcError> {
        match record.provider {
            ProviderKind::Local => Ok(Arc::new(self.local.clone())),
            ProviderKind::Machine => {
                let machine = record.machine.as_ref().and_then(|id| self.hub.machine(id)).ok_or_else(|| {
                    RpcError::new(
                        ErrorCode::NotFound,
                        "The machine that this channel was made on is not known any more.",
                    )
                })?;
                Ok(Arc::new(self.own_machine(machine)))
            }
        }
    }

    /// A machine of the person's own, who is asked what only a person knows.
    pub fn own_machine(&self, machine: Machine) -> OwnMachine {
        let options = Resolve {
            identity: machine.identity.as_ref().map(PathBuf::from),
            own_known_hosts: self.known_hosts.clone(),
            asker: Some(Arc::new(MachineAsker::new(self.questions.clone(), self.keychain.clone(), &machine))),
            accounts: self.said.of(&machine.id),
            ..Resolve::default()
        };
        OwnMachine::new(machine.address, options)
    }

    /// Adds an entry to a timeline and tells the listeners. A timeline that cannot be written is logged, not fatal:
    /// the work it tells of goes on.
    pub async fn tell(&self, channel: &ChannelId, author: Author, body: EntryBody) -> Entry {
        let entry = Entry { id: EntryId::fresh(), channel: channel.clone(), at: now(), seq: 0, author, body };
        let entry = match self.store.enqueue_entry(entry.clone()).await {
            Ok(numbered) => numbered,
            Err(error) => {
                tracing::error!(%error, "a timeline entry was not kept");
                entry
            }
        };
        self.hub.entry(entry.clone());
        entry
    }

    /// Changes an entry, in the store and for the listeners.
    pub async fn retell(&self, entry: Entry) {
        log("a timeline entry", self.store.enqueue_replace_entry(entry.clone()).await);
        self.hub.entry(entry);
    }

    /// Remembers an action that goes on, so that the log has it even if this process does not live to see its end.
    pub async fn begun(&self, row: AuditRow) {
        log("an action that began", self.store.enqueue_unfinished(row).await);
    }

    /// Adds a row to the audit log.
    pub async fn audit(&self, row: AuditRow) {
        log("an audit row", self.store.enqueue_audit(row).await);
    }

    /// Remembers a job.
    pub async fn keep_job(&self, channel: &ChannelId, job: &Job) {
        let record = JobRecord { job: job.clone(), env: BTreeMap::new() };
        log("a job", self.store.enqueue_job(channel, record).await);
    }
}

fn log(what: &str, result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::error!(%error, "{what} was not kept");
    }
}
