//! One resident shell.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::time::timeout;

use super::channel::{self, Writer};
use super::error::{SshError, lost};
use super::frame;
use super::line::{Line, Slot};
use super::manner::Manner;

/// How long a login shell may take until it answers.
const READY: Duration = Duration::from_secs(30);
/// How long standard error may take after standard output; a server that has none takes longer.
const STDERR: Duration = Duration::from_secs(1);
/// How much a login shell may print before it answers.
const GREETING: usize = 1024 * 1024;
/// How much may come of a shell that waits, such as what a shell says of a child that ended.
const NOISE: usize = 64 * 1024;
/// How long a shell may take to end.
const RETIRE: Duration = Duration::from_secs(2);

/// A channel that scripts are run on.
pub(crate) struct Worker {
    pub(crate) reader: ChannelReadHalf,
    pub(crate) writer: Writer,
    /// Whether standard error comes within standard output, as this server brings none.
    pub(crate) in_band: bool,
    line: Arc<Line>,
}

impl Worker {
    /// A resident shell in the login environment, and that environment.
    pub(crate) async fn login(slot: Slot, manner: &Manner) -> Result<(Self, Vec<u8>), SshError> {
        Self::boot(slot, manner, frame::LOGIN, b"").await
    }

    /// A resident shell in this environment: without the time that a login takes.
    pub(crate) async fn plain(slot: Slot, manner: &Manner, environment: &[u8]) -> Result<Self, SshError> {
        Ok(Self::boot(slot, manner, frame::PLAIN, environment).await?.0)
    }

    /// A channel on which one command runs.
    pub(crate) async fn exec(slot: Slot, manner: &Manner, command: Vec<u8>) -> Result<Self, SshError> {
        let line = slot.line().clone();
        let (reader, writer) = channel::open(slot).await?;
        manner.begin(&writer, &command).await?;
        Ok(Self { reader, writer, in_band: manner.in_band(), line })
    }

    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    async fn boot(slot: Slot, manner: &Manner, command: &str, environment: &[u8]) -> Result<(Self, Vec<u8>), SshError> {
        let line = slot.line().clone();
        let (reader, writer) = channel::open(slot).await?;
        let mut worker = Self { reader, writer, in_band: manner.in_band(), line };
        let mark = frame::nonce();
        worker.writer.exec(false, command).await?;
        worker.writer.data_bytes(Bytes::from(frame::bootstrap(&mark, environment))).await?;
        let mut stderr = Vec::new();
        let (environment, heeded) = match timeout(READY, worker.ready(&mark, &mut stderr)).await {
            Ok(Err(_)) if worker.line.is_closed() => return Err(lost()),
            Ok(result) => result?,
            Err(_) => return Err(SshError::NoShell(format!("nothing within {} s", READY.as_secs()))),
        };
        if !worker.in_band && timeout(STDERR, worker.heard(mark.as_bytes(), stderr)).await.is_err() {
            worker.in_band = true;
            manner.is_in_band();
        }
        if command == frame::LOGIN && !heeded {
            manner.is_headstrong();
        }
        Ok((worker, environment))
    }

    async fn ready(&mut self, mark: &str, stderr: &mut Vec<u8>) -> Result<(Vec<u8>, bool), SshError> {
        let mut greeting = Vec::new();
        loop {
            match self.reader.wait().await {
                Some(ChannelMsg::Data { data }) => {
                    greeting.extend_from_slice(&data);
                    if let Some(environment) = frame::environment(&greeting, mark) {
                        return Ok((environment.to_vec(), frame::heeded(&greeting, mark)));
                    }
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => stderr.extend_from_slice(&data),
                Some(ChannelMsg::Close | ChannelMsg::Eof) | None => {
                    greeting.extend_from_slice(stderr);
                    let said: String = String::from_utf8_lossy(&greeting).chars().take(400).collect();
                    return Err(SshError::NoShell(format!("it ended and said {said:?}")));
                }
                Some(_) => {}
            }
            if greeting.len() + stderr.len() > GREETING {
                return Err(SshError::NoShell("it prints without end".to_owned()));
            }
        }
    }

    /// Returns once the mark has come by standard error too.
    async fn heard(&mut self, mark: &[u8], mut stderr: Vec<u8>) {
        while frame::find(&stderr, mark).is_none() {
            match self.reader.wait().await {
                Some(ChannelMsg::ExtendedData { data, .. }) => stderr.extend_from_slice(&data),
                Some(_) => {}
                None => return,
            }
        }
    }

    /// The next bytes of its output; `None` when it ended.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.reader.wait().await? {
                ChannelMsg::Data { data } => return Some(data),
                ChannelMsg::Close | ChannelMsg::Eof | ChannelMsg::ExitStatus { .. } | ChannelMsg::ExitSignal { .. } => {
                    return None;
                }
                _ => {}
            }
        }
    }

    /// Returns when it is no good any more: it ended, or prints without being asked.
    pub(crate) async fn noise(&mut self) {
        let mut heard = 0;
        while heard < NOISE {
            match self.reader.wait().await {
                Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => heard += data.len(),
                Some(ChannelMsg::WindowAdjusted { .. } | ChannelMsg::Success) => {}
                _ => return,
            }
        }
    }

    /// Tells it to end, and reads until nobody prints into it any more.
    pub(crate) async fn drain(&mut self) {
        let _ = self.writer.eof().await;
        while !matches!(self.reader.wait().await, Some(ChannelMsg::Close) | None) {}
    }

    /// Lets it end by itself: some servers hang up on all that a shell started when its channel is closed before.
    pub(crate) async fn retire(mut self) {
        let _ = timeout(RETIRE, self.drain()).await;
    }
}
