//! A session channel that ends when it is let go of: russh leaves one that is dropped open for ever.

use std::ops::Deref;
use std::sync::Arc;

use russh::client::Msg;
use russh::{ChannelReadHalf, ChannelWriteHalf};
use tokio::runtime::Handle;

use super::error::SshError;
use super::pool::Slot;
use super::supervise::closed;

/// Opens a channel in a slot. Who leaves meanwhile leaves no channel.
pub(crate) async fn open(slot: Slot) -> Result<(ChannelReadHalf, Writer), SshError> {
    finish(async move {
        let (reader, half) = slot.connection().channel().await?.split();
        Ok((reader, Writer { half: Arc::new(half), slot: Some(slot) }))
    })
    .await
}

/// Sees an opening through, also when nobody waits for it any more: what was opened is then dropped, and so closed.
pub(crate) async fn finish<T: Send + 'static>(
    opening: impl Future<Output = Result<T, SshError>> + Send + 'static,
) -> Result<T, SshError> {
    tokio::spawn(opening).await.unwrap_or_else(|_| Err(closed()))
}

/// The way into a channel. Dropped, it closes the channel, and then gives its slot back.
pub(crate) struct Writer {
    half: Arc<ChannelWriteHalf<Msg>>,
    slot: Option<Slot>,
}

impl Deref for Writer {
    type Target = ChannelWriteHalf<Msg>;

    fn deref(&self) -> &ChannelWriteHalf<Msg> {
        &self.half
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let (half, slot) = (self.half.clone(), self.slot.take());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ = half.close().await;
                drop(slot);
            });
        }
    }
}
