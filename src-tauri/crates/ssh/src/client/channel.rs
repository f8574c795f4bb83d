//! A session channel that ends when it is let go of: russh leaves one that is dropped open for ever.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::error::{SshError, closed};
use super::frame;
use super::line::Slot;
use super::manner::Manner;

/// Opens a channel in a slot. Who leaves meanwhile leaves no channel.
pub(crate) async fn open(slot: Slot) -> Result<(ChannelReadHalf, Writer), SshError> {
    finish(async move {
        let (reader, half) = slot.line().connection.channel().await?.split();
        Ok((reader, Writer { half: Arc::new(half), slot: Some(slot) }))
    })
    .await
}

/// What comes out of a channel.
pub(crate) struct Reader {
    half: ChannelReadHalf,
    first: Option<Bytes>,
}

impl Reader {
    /// What comes next; `None` when it is over.
    pub(crate) async fn wait(&mut self) -> Option<ChannelMsg> {
        match self.first.take() {
            Some(data) => Some(ChannelMsg::Data { data }),
            None => self.half.wait().await,
        }
    }
}

/// What a script of its own channel says first; what comes before is a start-up file's.
const READY: &str = "berth-ready-";
/// How long a login may take, and how much it may print.
const LOGIN: Duration = Duration::from_secs(30);
const GREETING: usize = 1024 * 1024;

/// Runs a script on a channel, with its own input and output: nothing is to be sent before this returns, for until then
/// it might be read by something else.
pub(crate) async fn script(
    (mut half, writer): (ChannelReadHalf, Writer),
    script: &[u8],
    manner: &Manner,
) -> Result<(Reader, Writer), SshError> {
    let mark = format!("{READY}{}", frame::nonce());
    let mut text = format!("echo {mark}\n").into_bytes();
    text.extend_from_slice(script);
    manner.begin(&writer, &frame::command(&text)).await?;
    let (mark, mut said) = (format!("{mark}\n").into_bytes(), BytesMut::new());
    let ready = async {
        loop {
            match half.wait().await {
                Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                    said.extend_from_slice(&data)
                }
                Some(ChannelMsg::Close) | None => return false,
                Some(_) => {}
            }
            if frame::find(&said, &mark).is_some() {
                return true;
            }
            if said.len() > GREETING {
                return false;
            }
        }
    };
    let is_ready = timeout(LOGIN, ready).await.unwrap_or(false);
    let Some(at) = frame::find(&said, &mark).filter(|_| is_ready) else {
        let told: String = String::from_utf8_lossy(&said).chars().take(400).collect();
        return Err(SshError::NoShell(format!("no script was run, and it said {told:?}")));
    };
    let first = said.split_off(at + mark.len()).freeze();
    Ok((Reader { half, first: Some(first).filter(|first| !first.is_empty()) }, writer))
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
