//! The handle, and the one thread that owns the connection.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use berth_model::RpcError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::StoreError;
use crate::backup::Daily;
use crate::{open, records};

/// How many writes may wait. A writer that finds the queue full waits for a place, so memory stays bounded and no row is
/// dropped.
const QUEUE: usize = 1024;

type Task = Box<dyn FnOnce(&mut Connection) -> Result<(), StoreError> + Send>;

enum Message {
    Task(Task),
    Flush(oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// The database. A cheap handle: every clone speaks to the same thread, which does what it is told in the order in
/// which it was told.
///
/// Methods return when their work is committed: it then survives the process, though not yet a power cut (that is
/// [`flush`](Self::flush)). The `enqueue_…` variants return as soon as the write has a place in the queue, so that no
/// action waits for the disk; a write that fails there is logged and reported by the next `flush` or `close`.
///
/// Dropping the last handle writes what is queued and waits for it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    // Fields drop in this order: the queue must close before the thread is waited for.
    queue: mpsc::Sender<Message>,
    last_seq: Mutex<u64>,
    _thread: JoinOnDrop,
}

struct JoinOnDrop(Option<JoinHandle<()>>);

impl Drop for JoinOnDrop {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // The thread never panics by itself; if it did, there is nothing left to do.
            let _ = thread.join();
        }
    }
}

impl Store {
    /// Opens the database in a data folder, which the caller owns; makes folder and database where missing.
    ///
    /// A damaged database is set aside and replaced; what happened comes back as problems to show to the person.
    /// Blocks while the file is checked, and for a backup and migrations where there are some.
    pub fn open(data_dir: &Path) -> Result<(Self, Vec<RpcError>), StoreError> {
        let (connection, problems) = open::open(data_dir)?;
        let last_seq = records::last_seq(&connection)?;
        let daily = Daily::start(data_dir)?;
        let (queue, messages) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("berth-store".to_owned())
            .spawn(move || work(connection, messages, daily))
            .map_err(|source| StoreError::File { path: data_dir.to_owned(), source })?;
        let inner = Inner { queue, last_seq: Mutex::new(last_seq), _thread: JoinOnDrop(Some(thread)) };
        Ok((Self { inner: Arc::new(inner) }, problems))
    }

    /// Waits until everything asked for before is written and synced to the disk.
    ///
    /// Fails where an enqueued write failed since the last call.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let (reply, result) = oneshot::channel();
        self.send(Message::Flush(reply)).await?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes what is queued and closes the database; whatever is asked of any handle afterwards is
    /// [`StoreError::Closed`].
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, result) = oneshot::channel();
        self.send(Message::Close(reply)).await?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Does `task` on the connection, after all that was asked before, and returns what it returned.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let task = move |connection: &mut Connection| {
            // The caller may have been cancelled; the work counts all the same.
            let _ = reply.send(task(connection));
            Ok(())
        };
        self.send(Message::Task(Box::new(task))).await?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Puts `task` into the queue and returns.
    pub(crate) async fn enqueue(
        &self,
        task: impl FnOnce(&mut Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.send(Message::Task(Box::new(task))).await
    }

    /// Puts the task that `make` builds for the next timeline number into the queue: numbers grow in the order in which
    /// entries are written.
    pub(crate) async fn enqueue_numbered<T>(
        &self,
        make: impl FnOnce(u64) -> (T, Task) + Send,
    ) -> Result<T, StoreError> {
        let place = self.inner.queue.reserve().await.map_err(|_| StoreError::Closed)?;
        let mut last = self.inner.last_seq.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let (made, task) = make(*last);
        place.send(Message::Task(task));
        Ok(made)
    }

    async fn send(&self, message: Message) -> Result<(), StoreError> {
        self.inner.queue.send(message).await.map_err(|_| StoreError::Closed)
    }
}

fn work(mut connection: Connection, mut messages: mpsc::Receiver<Message>, daily: Daily) {
    let mut failed: Option<StoreError> = None;
    while let Some(message) = messages.blocking_recv() {
        match message {
            Message::Task(task) => match task(&mut connection) {
                Ok(()) => {}
                Err(error) if error.is_gone() => tracing::debug!(%error, "a late write met a destroyed channel"),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a queued write failed");
                    failed.get_or_insert(error);
                }
            },
            Message::Flush(reply) => {
                let synced = checkpoint(&connection, "PASSIVE");
                let _ = reply.send(failed.take().map_or(synced, Err));
            }
            Message::Close(reply) => {
                // The last connection to close is the one that empties the log.
                drop(daily);
                let _ = checkpoint(&connection, "TRUNCATE");
                let closed = connection.close().map_err(|(_, error)| StoreError::from(error));
                let _ = reply.send(failed.take().map_or(closed, Err));
                return;
            }
        }
    }
    drop(daily);
    if let Err(error) = checkpoint(&connection, "TRUNCATE") {
        tracing::warn!(error = &error as &dyn std::error::Error, "the last checkpoint failed");
    }
}

/// Moves the write-ahead log into the database, which syncs both.
fn checkpoint(connection: &Connection, mode: &str) -> Result<(), StoreError> {
    Ok(connection.pragma(None, "wal_checkpoint", mode, |_| Ok(()))?)
}
