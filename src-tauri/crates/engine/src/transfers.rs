//! Files and folders on their way between this computer and sandboxes.
//!
//! Each transfer is one task that ends by itself, by `stop`, or with the engine. A connection that breaks is waited for
//! and the transfer goes on from where it was; only when it does not come back is it told as failed.

mod order;

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_model::{Author, ChannelId, Empty, ErrorCode, RpcError, Transfer, TransferId, TransferStatus};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::channel::Handle;
use crate::hub::Hub;
use crate::tasks::Task;
use crate::world::World;

use order::{Order, Tell, What};

/// How long one that was stopped may take to end by itself.
const STOPPING: Duration = Duration::from_secs(5);

/// All that are on their way, or were and are not dismissed.
#[derive(Default)]
pub struct Transfers(Arc<Shared>);

#[derive(Default)]
struct Shared(Mutex<Vec<Known>>);

/// A transfer that is known.
struct Known {
    transfer: Transfer,
    order: Arc<Order>,
    cancel: CancellationToken,
    task: Option<Task>,
}

impl Transfers {
    /// Sends files and folders of this computer into a folder of a channel's sandbox.
    pub fn upload(
        &self,
        world: &Arc<World>,
        handle: Arc<Handle>,
        caller: &Author,
        from: Vec<String>,
        to: &str,
    ) -> Result<Transfer, RpcError> {
        let from: Vec<PathBuf> = from.into_iter().map(PathBuf::from).collect();
        for path in &from {
            if !path.is_absolute() {
                return Err(bad(format!("{} is no absolute path of this computer.", path.display())));
            }
            if let Err(error) = std::fs::symlink_metadata(path) {
                return Err(RpcError::new(ErrorCode::NotFound, format!("{}: {error}.", path.display()))
                    .hint("Nothing was sent. Choose a file or folder that is there."));
            }
        }
        let name = called(&from, |path| path.file_name().map(|name| name.to_string_lossy().into_owned()))?;
        let to = within(&handle, to)?;
        let shown = to.clone();
        self.begin(world, handle, caller, What::Up { from, to }, name, shown)
    }

    /// Fetches files and folders of a channel's sandbox into a folder of this computer.
    pub fn download(
        &self,
        world: &Arc<World>,
        handle: Arc<Handle>,
        caller: &Author,
        (from, to): (Vec<String>, String),
        replace: bool,
    ) -> Result<Transfer, RpcError> {
        let folder = PathBuf::from(&to);
        if !folder.is_absolute() || !folder.is_dir() {
            return Err(bad(format!("{to} is no folder of this computer."))
                .hint("Nothing was fetched. Give the absolute path of a folder that is there."));
        }
        let from = from.iter().map(|path| within(&handle, path)).collect::<Result<Vec<_>, _>>()?;
        let name = called(&from, |path| path.rsplit('/').find(|part| !part.is_empty()).map(str::to_owned))?;
        if !replace {
            let names = from.iter().filter_map(|path| path.rsplit('/').find(|part| !part.is_empty()));
            let there: Vec<_> = names.filter(|name| folder.join(name).symlink_metadata().is_ok()).collect();
            if let Some(first) = there.first() {
                let more = if there.len() > 1 { format!(" and {} more", there.len() - 1) } else { String::new() };
                return Err(conflict(&format!("{first}{more} is in {to} already. Nothing was fetched."))
                    .hint("Choose another folder, or let it be replaced."));
            }
        }
        let from = from.into_iter().map(String::into_bytes).collect();
        self.begin(world, handle, caller, What::Down { from, to: folder }, name, to)
    }

    /// Stops one; what has arrived is kept.
    pub async fn stop(&self, id: &TransferId) -> Result<Transfer, RpcError> {
        let task = {
            let mut all = self.0.lock();
            let known = find(&mut all, id)?;
            known.cancel.cancel();
            known.task.take()
        };
        self.0.wind_up(id, task).await;
        Ok(find(&mut self.0.lock(), id)?.transfer.clone())
    }

    /// Goes on with one that stopped or failed.
    pub async fn resume(&self, id: &TransferId) -> Result<Transfer, RpcError> {
        let ended = {
            let mut all = self.0.lock();
            let known = find(&mut all, id)?;
            match known.transfer.status {
                TransferStatus::Running => return Err(conflict("It is on its way already.")),
                TransferStatus::Done => return Err(conflict("All of it has arrived already.")),
                _ => known.task.take(),
            }
        };
        if let Some(task) = ended {
            task.end().await;
        }
        let mut all = self.0.lock();
        let known = find(&mut all, id)?;
        if known.transfer.status == TransferStatus::Running {
            return Err(conflict("It is on its way already."));
        }
        known.transfer.status = TransferStatus::Running;
        known.order.world.hub.transfer(known.transfer.clone());
        start(&self.0, known, true);
        Ok(known.transfer.clone())
    }

    /// Forgets one that does not run, with what is kept of it for another try.
    pub fn dismiss(&self, id: &TransferId) -> Result<Empty, RpcError> {
        let known = {
            let mut all = self.0.lock();
            let at = all.iter().position(|known| known.transfer.id == *id).ok_or_else(unknown)?;
            if all[at].transfer.status == TransferStatus::Running {
                return Err(conflict("It is on its way.").hint("Stop it first."));
            }
            all.remove(at)
        };
        let order = known.order;
        order.world.hub.transfer_removed(id);
        if known.transfer.status != TransferStatus::Done {
            let late = order.world.late.clone();
            late.spawn(async move { order.tidy().await });
        }
        Ok(Empty {})
    }

    /// Stops all of a channel that is gone, and forgets them.
    pub async fn forget_channel(&self, world: &World, channel: &ChannelId) {
        let gone: Vec<Known> = self.0.lock().extract_if(.., |known| known.transfer.channel == *channel).collect();
        for known in gone {
            known.cancel.cancel();
            if let Some(task) = known.task {
                task.end().await;
            }
            world.hub.transfer_removed(&known.transfer.id);
        }
    }

    /// Stops all, at the engine's end.
    pub async fn end(&self) {
        let running: Vec<_> = {
            let mut all = self.0.lock();
            all.iter_mut()
                .map(|known| {
                    known.cancel.cancel();
                    (known.transfer.id.clone(), known.task.take())
                })
                .collect()
        };
        for (id, task) in running {
            self.0.wind_up(&id, task).await;
        }
    }

    fn begin(
        &self,
        world: &Arc<World>,
        handle: Arc<Handle>,
        caller: &Author,
        what: What,
        name: String,
        to: String,
    ) -> Result<Transfer, RpcError> {
        if matches!(caller, Author::Agent { .. }) {
            return Err(bad("An agent does not reach the files of this computer.".to_owned())
                .hint("A person moves them, in the app."));
        }
        let (id, channel) = (TransferId::fresh(), handle.id());
        let up = matches!(what, What::Up { .. });
        let status = TransferStatus::Running;
        let transfer = Transfer { id: id.clone(), channel, up, name, to, done: 0, total: None, status };
        let (world, caller) = (world.clone(), caller.clone());
        let (done, total) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        let order = Arc::new(Order { id, world, handle, caller, what, done, total });
        let mut known = Known { transfer: transfer.clone(), order, cancel: CancellationToken::new(), task: None };
        known.order.world.hub.transfer(transfer.clone());
        let mut all = self.0.lock();
        start(&self.0, &mut known, false);
        all.push(known);
        Ok(transfer)
    }
}

fn start(shared: &Arc<Shared>, known: &mut Known, resume: bool) {
    known.cancel = CancellationToken::new();
    let (shared, order, cancel) = (shared.clone(), known.order.clone(), known.cancel.clone());
    known.task = Some(Task::spawn("transfer", async move {
        let teller = Teller { shared, hub: order.world.hub.clone() };
        order.carry_out(&teller, &cancel, resume).await;
    }));
}

/// Tells listeners of one transfer.
struct Teller {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
}

impl Tell for Teller {
    fn progress(&self, id: &TransferId, done: u64, total: Option<u64>) {
        self.shared.tell(&self.hub, id, |transfer| (transfer.done, transfer.total) = (done, total));
    }

    fn ended(&self, id: &TransferId, status: TransferStatus) {
        self.shared.tell(&self.hub, id, |transfer| transfer.status = status);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        // Every single change leaves the list whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of one changes; listeners are told where it does.
    fn tell(&self, hub: &Hub, id: &TransferId, change: impl FnOnce(&mut Transfer)) {
        let mut all = self.lock();
        let Some(known) = all.iter_mut().find(|known| known.transfer.id == *id) else { return };
        let before = known.transfer.clone();
        change(&mut known.transfer);
        if known.transfer != before {
            hub.transfer(known.transfer.clone());
        }
    }

    /// One that was stopped ends by itself, or is ended.
    async fn wind_up(&self, id: &TransferId, task: Option<Task>) {
        let Some(task) = task else { return };
        let running = || self.lock().iter().any(|known| known.transfer.id == *id && is_running(&known.transfer));
        let by = Instant::now() + STOPPING;
        while running() && Instant::now() < by {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        task.end().await;
        let hub = self.lock().iter().find(|known| known.transfer.id == *id).map(|known| known.order.world.hub.clone());
        if let Some(hub) = hub {
            self.tell(&hub, id, |transfer| {
                if is_running(transfer) {
                    transfer.status = TransferStatus::Stopped;
                }
            });
        }
    }
}

fn is_running(transfer: &Transfer) -> bool {
    transfer.status == TransferStatus::Running
}

/// A path of the sandbox, absolute.
fn within(handle: &Handle, path: &str) -> Result<String, RpcError> {
    if path.contains('\0') {
        return Err(bad("A path has no NUL in it.".to_owned()));
    }
    // Until the machine was reached for the first time only it knows where that is.
    Ok(absolute(&handle.channel().workdir, path).unwrap_or_else(|| path.to_owned()))
}

/// What a path means in a folder; nothing where it is not known where that folder is.
fn absolute(folder: &str, path: &str) -> Option<String> {
    match path {
        path if path.starts_with('/') => Some(path.to_owned()),
        _ if !folder.starts_with('/') => None,
        "" | "." => Some(folder.to_owned()),
        path => Some(format!("{folder}/{path}")),
    }
}

/// A transfer's name: that of its one thing, else how many there are.
fn called<T>(from: &[T], name: impl Fn(&T) -> Option<String>) -> Result<String, RpcError> {
    match from {
        [] => Err(bad("Nothing was chosen to be transferred.".to_owned())),
        [one] => name(one).ok_or_else(|| bad("A whole file system is not transferred.".to_owned())),
        many => Ok(format!("{} items", many.len())),
    }
}

fn find<'a>(all: &'a mut [Known], id: &TransferId) -> Result<&'a mut Known, RpcError> {
    all.iter_mut().find(|known| known.transfer.id == *id).ok_or_else(unknown)
}

fn unknown() -> RpcError {
    RpcError::new(ErrorCode::NotFound, "There is no such transfer. It may have been dismissed.")
        .hint("`transfer.list` names the transfers there are.")
}

fn bad(message: String) -> RpcError {
    RpcError::new(ErrorCode::BadRequest, message)
}

fn conflict(message: &str) -> RpcError {
    RpcError::new(ErrorCode::Conflict, message)
}
