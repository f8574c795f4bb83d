//! A bounded pipe between a thread that blocks and a task that does not.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::sync::mpsc;

/// How much goes through at once.
pub(super) const CHUNK: usize = 256 * 1024;
/// So many chunks wait at most.
const WAITING: usize = 4;

/// From a thread to a task.
pub(super) fn outward() -> (Sink, mpsc::Receiver<Bytes>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Sink { sender, buffer: BytesMut::with_capacity(CHUNK) }, receiver)
}

/// From a task to a thread.
pub(super) fn inward() -> (mpsc::Sender<Bytes>, Source) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (sender, Source { receiver, now: Bytes::new() })
}

/// The thread's end that is written to. What is written last goes out by `flush`.
pub(super) struct Sink {
    sender: mpsc::Sender<Bytes>,
    buffer: BytesMut,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK.saturating_sub(self.buffer.len()).max(1).min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..room]);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(CHUNK)).freeze();
        self.sender.blocking_send(bytes).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The thread's end that is read.
pub(super) struct Source {
    receiver: mpsc::Receiver<Bytes>,
    now: Bytes,
}

impl Source {
    /// What comes next, as it comes.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        if self.now.is_empty() { self.receiver.blocking_recv() } else { Some(std::mem::take(&mut self.now)) }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() {
            match self.receiver.blocking_recv() {
                Some(bytes) => self.now = bytes,
                None => return Ok(0),
            }
        }
        let length = self.now.len().min(into.len());
        self.now.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}
