//! One resident shell.

use std::time::{Duration, Instant};

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

use super::connection::Connection;
use super::error::SshError;
use super::frame;

/// How long a login shell may take until it answers.
const READY: Duration = Duration::from_secs(30);
/// How much a login shell may print before it answers.
const GREETING: usize = 256 * 1024;

/// A shell that waits for scripts.
pub(crate) struct Worker {
    pub(crate) reader: ChannelReadHalf,
    pub(crate) writer: ChannelWriteHalf<Msg>,
    pub(crate) since: Instant,
}

impl Worker {
    pub(crate) async fn start(connection: &Connection) -> Result<Self, SshError> {
        let (reader, writer) = connection.channel().await?.split();
        let mut worker = Self { reader, writer, since: Instant::now() };
        let mark = frame::nonce();
        worker.writer.exec(false, frame::login(&mark)).await?;
        // The mark is written in two halves, so that an echo of the line is not taken for an answer.
        let (first, second) = mark.split_at(16);
        let bootstrap = frame::BOOTSTRAP.replacen("MARK", &mark[..8], 1).replacen(
            "echo MARK",
            &format!("echo {first}''{second}"),
            1,
        );
        worker.writer.data_bytes(Bytes::from(bootstrap)).await?;
        match tokio::time::timeout(READY, worker.ready(mark.as_bytes())).await {
            Ok(result) => result.map(|()| worker),
            Err(_) => Err(SshError::NoShell(format!("nothing within {} s", READY.as_secs()))),
        }
    }

    async fn ready(&mut self, mark: &[u8]) -> Result<(), SshError> {
        let mut greeting = Vec::new();
        loop {
            match self.reader.wait().await {
                Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                    greeting.extend_from_slice(&data);
                    if greeting.windows(mark.len()).any(|window| window == mark) {
                        return Ok(());
                    }
                    if greeting.len() > GREETING {
                        return Err(SshError::NoShell("it prints without end".to_owned()));
                    }
                }
                Some(ChannelMsg::Close | ChannelMsg::Eof) | None => {
                    let said: String = String::from_utf8_lossy(&greeting).chars().take(400).collect();
                    return Err(SshError::NoShell(format!("it ended and said {said:?}")));
                }
                Some(_) => {}
            }
        }
    }

    pub(crate) async fn send(&self, bytes: Vec<u8>) -> Result<(), SshError> {
        Ok(self.writer.data_bytes(Bytes::from(bytes)).await?)
    }

    /// The next bytes of its output; `None` when it ended.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.reader.wait().await? {
                ChannelMsg::Data { data } => return Some(data),
                ChannelMsg::Close | ChannelMsg::Eof => return None,
                _ => {}
            }
        }
    }
}
