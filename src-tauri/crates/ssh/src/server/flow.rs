//! Flow control for what clients send.
//!
//! russh gives a channel's window back when bytes *arrive*, not when they are used, so a command that does not read
//! would make us either keep all a client sends or stop the whole connection. But russh asks, with each grant, how
//! large the next window shall be, and the answer here is: as large as what is free. A client whose command does not
//! read is thus slowed to a trickle of a few bytes instead of being stopped, while the connection's other channels,
//! their output and their signals go on. The one thing shared is bulk sending: while one command of a connection
//! does not read, other large uploads on the same connection wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

/// The window a channel opens with, and the most it ever has. OpenSSH's is as large.
pub(super) const WINDOW: u32 = 2 * 1024 * 1024;

/// The least target for which russh still grants something; below, a stopped channel would never start again.
const TRICKLE: u32 = 2;

/// How long a trickling packet is held: 500 of them a second cost nothing, and other channels wait no longer.
const HOLD: Duration = Duration::from_millis(2);

/// The sending half of what a client sends to a channel.
pub(super) struct Inlet {
    chunks: Option<mpsc::UnboundedSender<Bytes>>,
    level: Arc<Level>,
}

/// The receiving half: what a command, a forwarding or SFTP consumes.
pub(super) struct Outlet {
    chunks: mpsc::UnboundedReceiver<Bytes>,
    level: Arc<Level>,
    /// The size of the chunk handed out last: it counts until the next is asked for, so when it was used.
    lent: usize,
}

#[derive(Default)]
struct Level {
    bytes: AtomicUsize,
    fell: Notify,
}

pub(super) fn pipe() -> (Inlet, Outlet) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let level = Arc::<Level>::default();
    (Inlet { chunks: Some(sender), level: level.clone() }, Outlet { chunks: receiver, level, lent: 0 })
}

impl Inlet {
    /// Takes what arrived, and waits a moment when there is already a window's worth of it.
    pub async fn push(&mut self, data: &[u8]) {
        let Some(chunks) = &self.chunks else { return };
        let level = self.level.bytes.fetch_add(data.len(), Ordering::Relaxed) + data.len();
        if chunks.send(Bytes::copy_from_slice(data)).is_err() {
            // Nobody reads any more; like a closed pipe, but the client need not know.
            self.end();
            return;
        }
        if level >= WINDOW as usize {
            tokio::select! {
                () = self.level.fell.notified() => {}
                () = tokio::time::sleep(HOLD) => {}
            }
        }
    }

    /// The client sends no more.
    pub fn end(&mut self) {
        self.chunks = None;
        self.level.bytes.store(0, Ordering::Relaxed);
    }

    /// Bytes that were received and not yet used.
    pub fn level(&self) -> usize {
        match &self.chunks {
            Some(chunks) if !chunks.is_closed() => self.level.bytes.load(Ordering::Relaxed),
            _ => 0,
        }
    }
}

impl Outlet {
    /// The next bytes, or `None` when the client has ended its sending.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.settle();
        let chunk = self.chunks.recv().await?;
        self.lent = chunk.len();
        Some(chunk)
    }

    /// The same for a thread that may block.
    pub fn blocking_next(&mut self) -> Option<Bytes> {
        self.settle();
        let chunk = self.chunks.blocking_recv()?;
        self.lent = chunk.len();
        Some(chunk)
    }

    fn settle(&mut self) {
        let lent = std::mem::take(&mut self.lent);
        if lent > 0 {
            let _ =
                self.level.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |b| Some(b.saturating_sub(lent)));
            self.level.fell.notify_waiters();
        }
    }
}

/// The window to grant next when the fullest channel of a connection holds `level` bytes.
pub(super) fn next_window(level: usize) -> u32 {
    let free = (WINDOW as usize).saturating_sub(level);
    u32::try_from(free).unwrap_or(WINDOW).max(TRICKLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_is_what_is_free_and_never_nothing() {
        assert_eq!(next_window(0), WINDOW);
        assert_eq!(next_window(WINDOW as usize / 2), WINDOW / 2);
        assert_eq!(next_window(WINDOW as usize), TRICKLE);
        assert_eq!(next_window(usize::MAX), TRICKLE);
    }

    #[tokio::test]
    async fn a_chunk_counts_until_the_next_is_asked_for() {
        let (mut inlet, mut outlet) = pipe();
        inlet.push(b"abc").await;
        inlet.push(b"de").await;
        assert_eq!(inlet.level(), 5);
        assert_eq!(outlet.next().await.as_deref(), Some(&b"abc"[..]));
        assert_eq!(inlet.level(), 5);
        assert_eq!(outlet.next().await.as_deref(), Some(&b"de"[..]));
        assert_eq!(inlet.level(), 2);
        inlet.end();
        assert_eq!(outlet.next().await, None);
    }

    #[tokio::test]
    async fn what_nobody_reads_counts_nothing() {
        let (mut inlet, outlet) = pipe();
        inlet.push(b"abc").await;
        drop(outlet);
        assert_eq!(inlet.level(), 0);
        inlet.push(b"abc").await;
        assert_eq!(inlet.level(), 0);
    }
}
