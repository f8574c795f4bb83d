//! Listens to what a server says first: who it is, and that it is no SSH server at all; and whether it says anything.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::shown;

/// How much is kept.
const KEPT: usize = 512;

/// What a server said first, and how much it has said in all. That it takes more, after it took no more for a while, is a
/// word, too: there is room only for what TCP was told has arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    first: Arc<Mutex<Vec<u8>>>,
    /// When it said its first word.
    since: Arc<OnceLock<Instant>>,
    bytes: Arc<AtomicU64>,
    /// Whether whoever reads has read all there was.
    waits: Arc<AtomicBool>,
    cut: CancellationToken,
}

impl Heard {
    /// Its identification: `SSH-2.0-OpenSSH_9.2p1`.
    pub(crate) fn banner(&self) -> Option<String> {
        let bytes = self.bytes();
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let line = lines.find(|line| line.starts_with(b"SSH-"))?;
        Some(shown::line(&String::from_utf8_lossy(line), 255))
    }

    /// What it is, where it is no SSH server.
    pub(crate) fn stranger(&self) -> Option<String> {
        let bytes = self.bytes();
        if bytes.is_empty() || self.banner().is_some() {
            return None;
        }
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let said = shown::line(&String::from_utf8_lossy(first), 80);
        Some(match &bytes[..] {
            [b'H', b'T', b'T', b'P', b'/', ..] | [b'<', ..] => format!("a web server answers there ({said})"),
            [0x15 | 0x16, 3, ..] => "a TLS server answers there".to_owned(),
            _ => format!("what answers there is no SSH server (it said: {said})"),
        })
    }

    /// When it said its first word.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since.get().copied()
    }

    /// Whether it said anything.
    pub(crate) fn is_silent(&self) -> bool {
        self.bytes().is_empty()
    }

    fn bytes(&self) -> Vec<u8> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Grows with what it says.
    pub(crate) fn count(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether more is waited for. Where what came is not read on, as when a browser stops taking a page, more may have
    /// come unheard.
    pub(crate) fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// Ends the stream at once, also where its writes wait for ever.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    fn hear(&self, bytes: &[u8]) -> bool {
        if !bytes.is_empty() {
            self.since.get_or_init(Instant::now);
        }
        let mut heard = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT - heard.len();
        heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
        heard.len() < KEPT
    }
}

/// A stream of which the beginning is heard, all is counted, and which can be cut from outside.
pub(crate) struct Tap<S> {
    stream: S,
    heard: Heard,
    /// Whether that is still the beginning.
    first: bool,
    /// Whether it takes no more for now.
    full: bool,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> Tap<S> {
    pub(crate) fn new(stream: S, heard: Heard) -> Self {
        let cut = Box::pin(heard.cut.clone().cancelled_owned());
        Self { stream, first: true, full: false, heard, cut }
    }

    /// Whoever waits for the stream is woken when it is cut.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_cut(cx)?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        let heard = &this.heard;
        let came = buf.filled().len() - before;
        heard.bytes.fetch_add(came as u64, Ordering::Relaxed);
        // At its end, too, nothing is there that was not heard: a write that waits would wait for ever.
        heard.waits.store(polled.is_pending() || came == 0, Ordering::Relaxed);
        this.first = this.first && heard.hear(&buf.filled()[before..]);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_cut(cx)?;
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        if std::mem::replace(&mut this.full, polled.is_pending()) && matches!(polled, Poll::Ready(Ok(_))) {
            this.heard.bytes.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_cut(cx)?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
