//! A stream that is read while a write to it waits.
//!
//! russh, at either end, writes out what it has before it reads on. Where both ends are russh's, and both have much to
//! say, each would wait for ever for the other to listen.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is asked of the stream at once.
const READ: usize = 64 * 1024;
/// How much is held at most. Channels' windows keep an honest peer far below.
const HELD: usize = 64 * 1024 * 1024;

/// The stream, and what came while a write waited.
pub(crate) struct ReadAhead<S> {
    stream: S,
    held: BytesMut,
    /// How the reading ended, told once what was held is read.
    end: Option<io::Result<()>>,
}

impl<S> ReadAhead<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, held: BytesMut::new(), end: None }
    }
}

impl<S: AsyncRead + Unpin> ReadAhead<S> {
    /// Takes what there is, and sees to it that the writer is woken when there is more.
    fn listen(&mut self, cx: &mut Context<'_>) {
        while self.end.is_none() && self.held.len() < HELD {
            let at = self.held.len();
            self.held.resize(at + READ, 0);
            let mut buf = ReadBuf::new(&mut self.held[at..]);
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut buf);
            let length = buf.filled().len();
            self.held.truncate(at + length);
            match polled {
                Poll::Ready(Ok(())) if length > 0 => {}
                Poll::Ready(end) => self.end = Some(end),
                Poll::Pending => return,
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.held.is_empty() {
            let length = this.held.len().min(buf.remaining());
            buf.put_slice(&this.held[..length]);
            this.held.advance(length);
            if this.held.is_empty() {
                // Not kept for the connection's life.
                this.held = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        match &mut this.end {
            Some(end) => Poll::Ready(std::mem::replace(end, Ok(()))),
            None => Pin::new(&mut this.stream).poll_read(cx, buf),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, buf);
        if polled.is_pending() {
            this.listen(cx);
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        if polled.is_pending() {
            this.listen(cx);
        }
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn two_that_both_speak_first_hear_each_other() {
        let (left, right) = duplex(16);
        let speak = async |stream, byte: u8| {
            let mut stream = ReadAhead::new(stream);
            stream.write_all(&vec![byte; 100_000]).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
            heard
        };
        let both = async { tokio::join!(speak(left, 1), speak(right, 2)) };
        let (left, right) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("nobody waits for ever");
        assert!(left == vec![2; 100_000] && right == vec![1; 100_000]);
    }

    #[tokio::test]
    async fn what_came_before_the_end_is_read_before_it() {
        let (mut left, right) = duplex(4);
        let mut right = ReadAhead::new(right);
        let writing = tokio::spawn(async move {
            let failed = right.write_all(&[0; 64]).await.is_err();
            let mut heard = Vec::new();
            right.read_to_end(&mut heard).await.unwrap();
            (failed, heard)
        });
        left.write_all(b"the last words").await.unwrap();
        drop(left);
        assert_eq!(writing.await.unwrap(), (true, b"the last words".to_vec()));
    }
}
