//! What was asked for, and its way there.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use berth_model::{
    ActionId, Author, EntryBody, ErrorCode, EventBody, RpcError, SandboxState, TransferId, TransferStatus, Verb,
};
use berth_ssh::{Outcome, SshError, TreeOptions, forget_download};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::channel::Handle;
use crate::error::ssh_error;
use crate::live::Live;
use crate::scripts::{Told, Trail, row};
use crate::world::World;

/// Listeners are told of progress at most so often.
const PAUSE: Duration = Duration::from_millis(130);
/// A connection that does not come back for so long, without a byte, is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(8);
/// How long it may take to take away what is kept of one.
const TIDYING: Duration = Duration::from_secs(5);

/// How an order tells of itself.
pub(super) trait Tell: Send + Sync {
    /// So much has arrived, of so much.
    fn progress(&self, id: &TransferId, done: u64, total: Option<u64>);
    /// It ended.
    fn ended(&self, id: &TransferId, status: TransferStatus);
}

/// What was asked for.
pub(super) struct Order {
    pub(super) id: TransferId,
    pub(super) world: Arc<World>,
    pub(super) handle: Arc<Handle>,
    pub(super) caller: Author,
    pub(super) what: What,
    /// Bytes that have arrived, and in all; `u64::MAX` while that is not known.
    pub(super) done: AtomicU64,
    pub(super) total: AtomicU64,
}

/// Which way, from where, and to where.
pub(super) enum What {
    Up { from: Vec<PathBuf>, to: String },
    Down { from: Vec<Vec<u8>>, to: PathBuf },
}

impl Order {
    /// Sees it through.
    pub(super) async fn carry_out(self: Arc<Self>, teller: &impl Tell, cancel: &CancellationToken, resume: bool) {
        let channel = self.handle.channel();
        let (verb, subject) = self.described();
        let row = row(ActionId::fresh(), (&channel.id, &channel.name), &self.caller, verb, subject);
        row.runs(match self.what {
            What::Up { .. } => "tar -xpof -",
            What::Down { .. } => "tar -cf -",
        });
        let trail = Trail::begin(&self.world, row, None).await;
        self.done.store(0, Ordering::Relaxed);
        let ended = {
            let telling = async {
                loop {
                    tokio::time::sleep(PAUSE).await;
                    self.show(teller);
                }
            };
            tokio::select! {
                biased;
                ended = self.try_on(cancel, resume) => ended,
                () = telling => return,
            }
        };
        self.show(teller);
        let done = self.done.load(Ordering::Relaxed);
        match self.what {
            What::Up { .. } => trail.row().counts(done, 0),
            What::Down { .. } => trail.row().counts(0, done),
        }
        if let What::Up { to, .. } = &self.what {
            self.world.hub.event(EventBody::Files { channel: channel.id.clone(), paths: vec![to.clone()] });
        }
        let (status, error) = match ended {
            Ok(outcome) => match failure(&outcome) {
                None => (TransferStatus::Done, None),
                Some(error) => (TransferStatus::Failed { error: error.clone() }, Some(error)),
            },
            Err(error) if error.code == ErrorCode::Cancelled => (TransferStatus::Stopped, Some(error)),
            Err(error) => (TransferStatus::Failed { error: error.clone() }, Some(error)),
        };
        trail.end(error.as_ref(), Told::default()).await;
        teller.ended(&self.id, status);
    }

    fn show(&self, teller: &impl Tell) {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        teller.progress(&self.id, done, (total != u64::MAX).then_some(total));
    }

    /// Tries, and tries again while it is the connection that fails.
    async fn try_on(self: &Arc<Self>, cancel: &CancellationToken, mut resume: bool) -> Result<Outcome, RpcError> {
        let (mut pause, mut since, mut furthest) = (Duration::from_millis(250), Instant::now(), 0);
        // The first try wakes a sandbox that sleeps; later ones do not: somebody may have put it to sleep meanwhile.
        let mut live = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(ssh_error(SshError::Cancelled {})),
            live = self.handle.live() => live?,
        };
        loop {
            let error = match self.try_once(&live, cancel, resume).await {
                Ok(outcome) => {
                    self.left_out(&outcome).await;
                    return Ok(outcome);
                }
                Err(error) if is_about_connection(&error) => error,
                Err(error) => return Err(ssh_error(error).hint("What had arrived is kept: it can go on from there.")),
            };
            tracing::info!(%error, transfer = %self.id, "a transfer was cut and is tried again");
            resume = true;
            let done = self.done.load(Ordering::Relaxed);
            if done > furthest {
                (furthest, since, pause) = (done, Instant::now(), Duration::from_millis(250));
            }
            live = loop {
                if since.elapsed() > PATIENCE {
                    return Err(ssh_error(error).hint(
                        "The connection did not come back. What had arrived is kept: resume it when the sandbox answers.",
                    ));
                }
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => return Err(ssh_error(SshError::Cancelled {})),
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST);
                match (self.handle.live_now(), self.handle.channel().sandbox.state) {
                    (Some(live), _) => break live,
                    (None, SandboxState::Asleep | SandboxState::Failed | SandboxState::Destroying) => {
                        return Err(RpcError::new(
                            ErrorCode::NotRunning,
                            "The sandbox stopped while files were on their way.",
                        )
                        .hint("What had arrived is kept: resume it, and the sandbox is started."));
                    }
                    (None, _) => {}
                }
            };
        }
    }

    async fn try_once(
        self: &Arc<Self>,
        live: &Arc<Live>,
        cancel: &CancellationToken,
        resume: bool,
    ) -> Result<Outcome, SshError> {
        let order = self.clone();
        let progress = move |done, total: Option<u64>| {
            order.done.store(done, Ordering::Relaxed);
            if let Some(total) = total {
                order.total.store(total, Ordering::Relaxed);
            }
        };
        let options =
            TreeOptions { id: self.id.0.clone(), resume, cancel: cancel.clone(), progress: Arc::new(progress) };
        match &self.what {
            What::Up { from, to } => live.session.upload_tree(from, &there(live, to.as_bytes()), &options).await,
            What::Down { from, to } => {
                let from: Vec<_> = from.iter().map(|path| there(live, path)).collect();
                live.session.download_tree(&from, to, &options).await
            }
        }
    }

    /// A person is told what is never sent along, such as links that lead outside.
    async fn left_out(&self, outcome: &Outcome) {
        let left = &outcome.missed.left_out;
        if left.is_empty() {
            return;
        }
        let shown: Vec<_> = left.iter().take(5).map(String::as_str).collect();
        let more = if left.len() > shown.len() { ", and more" } else { "" };
        let text = format!("Left out on the way: {}{more}.", shown.join(", "));
        let body = EntryBody::Notice { text, error: None };
        self.world.tell(&self.handle.id(), Author::Berth, body).await;
    }

    fn described(&self) -> (Verb, String) {
        match &self.what {
            What::Up { from, to } => {
                let from: Vec<_> = from.iter().map(|path| path.display().to_string()).collect();
                (Verb::Upload, format!("{} → {to}", from.join(", ")))
            }
            What::Down { from, to } => {
                let from: Vec<_> = from.iter().map(|path| String::from_utf8_lossy(path)).collect();
                (Verb::Download, format!("{} → {}", from.join(", "), to.display()))
            }
        }
    }

    /// Takes away what is kept for another try. A sandbox that does not run is not started for it.
    pub(super) async fn tidy(&self) {
        match &self.what {
            What::Up { to, .. } => {
                let Some(live) = self.handle.live_now() else { return };
                let to = there(&live, to.as_bytes());
                let forget = live.session.forget_upload(&to, &self.id.0);
                if let Ok(Err(error)) = tokio::time::timeout(TIDYING, forget).await {
                    tracing::warn!(%error, "what was kept of an upload could not be taken away");
                }
            }
            What::Down { from, to } => {
                let names: Vec<Vec<u8>> = from.iter().filter_map(|path| last_part(path)).collect();
                let (to, id) = (to.clone(), self.id.0.clone());
                let _ = tokio::task::spawn_blocking(move || forget_download(&to, &names, &id)).await;
            }
        }
    }
}

/// Where a path is, now that the machine is known.
fn there(live: &Live, path: &[u8]) -> Vec<u8> {
    match path {
        [b'/', ..] => path.to_vec(),
        b"" | b"." => live.workdir.clone().into_bytes(),
        path => [live.workdir.as_bytes(), b"/", path].concat(),
    }
}

fn last_part(path: &[u8]) -> Option<Vec<u8>> {
    path.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty()).map(<[u8]>::to_vec)
}

/// What could not be read or written though the rest arrived.
fn failure(outcome: &Outcome) -> Option<RpcError> {
    let failed = &outcome.missed.failed;
    let first = failed.first()?;
    let more = if failed.len() > 1 { format!(", and {} more", failed.len() - 1) } else { String::new() };
    Some(
        RpcError::new(ErrorCode::Failed, format!("The rest arrived, but not {first}{more}."))
            .hint("See that it can be read and written, and resume: what has arrived is not sent again."),
    )
}

fn is_about_connection(error: &SshError) -> bool {
    matches!(
        error,
        SshError::TransferCut {}
            | SshError::NotConnected { .. }
            | SshError::OutcomeUnknown {}
            | SshError::Ssh(_)
            | SshError::Io(_)
    )
}
