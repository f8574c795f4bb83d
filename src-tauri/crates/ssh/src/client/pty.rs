//! Terminals.

use std::sync::Arc;

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf};

use super::channel::Writer;
use super::error::{SshError, lost};
use super::frame;
use super::line::Lane;
use super::session::Session;

/// So often a terminal is tried again where the connection ended under it.
const TRIES: u32 = 2;

/// What terminal to open.
#[derive(Debug, Clone, Default)]
pub struct PtyRequest {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
    /// Its kind, as in `TERM`.
    pub term: String,
    /// What `sh` runs in it; the login shell without it.
    pub command: Option<String>,
}

/// An open terminal.
pub struct Pty {
    /// What it prints.
    pub reader: PtyReader,
    /// The way in.
    pub writer: PtyWriter,
}

/// What a terminal prints.
pub struct PtyReader {
    channel: ChannelReadHalf,
    exit_code: Option<i32>,
    closed: bool,
}

/// The way into a terminal. With the last of its clones the terminal is closed.
#[derive(Clone)]
pub struct PtyWriter(Arc<Writer>);

impl Session {
    /// Opens a terminal. A connection that ends meanwhile is no reason to fail: another one is tried.
    pub async fn pty(&self, request: PtyRequest) -> Result<Pty, SshError> {
        let mut tries = 0;
        loop {
            match self.open_pty(&request).await {
                // That one is refused is no matter of the connection.
                refused @ Err(SshError::Ssh(russh::Error::ChannelOpenFailure(_))) => return refused,
                Err(SshError::Ssh(_)) if tries < TRIES => tries += 1,
                Err(SshError::Ssh(_)) => return Err(lost()),
                opened => return opened,
            }
        }
    }

    async fn open_pty(&self, request: &PtyRequest) -> Result<Pty, SshError> {
        // A start-up file may start a shell that does not run what is asked for, but what is typed.
        let manner = if request.command.is_some() { Some(self.manner().await?) } else { None };
        let (reader, writer) = self.channel(Lane::Terminals).await?;
        writer.request_pty(false, &request.term, request.cols.into(), request.rows.into(), 0, 0, &[]).await?;
        match request.command.as_deref().zip(manner) {
            Some((command, manner)) => manner.begin(&writer, &frame::command(command.as_bytes())).await?,
            None => writer.request_shell(false).await?,
        }
        Ok(Pty {
            reader: PtyReader { channel: reader, exit_code: None, closed: false },
            writer: PtyWriter(Arc::new(writer)),
        })
    }
}

impl PtyReader {
    /// What it prints next; `None` when it ended.
    pub async fn recv(&mut self) -> Option<Bytes> {
        loop {
            match self.channel.wait().await? {
                ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => return Some(data),
                ChannelMsg::ExitStatus { exit_status } => self.exit_code = i32::try_from(exit_status).ok(),
                ChannelMsg::ExitSignal { .. } => self.closed = true,
                ChannelMsg::Close => {
                    self.closed = true;
                    return None;
                }
                _ => {}
            }
        }
    }

    /// Whether it did not end, but the connection did.
    pub fn is_lost(&self) -> bool {
        !self.closed && self.exit_code.is_none()
    }

    /// Its exit code, once it ended and told one.
    pub fn exit_code(&self) -> Option<i32> {
        self.exit_code
    }
}

impl PtyWriter {
    /// Types.
    pub async fn write(&self, bytes: Bytes) -> Result<(), SshError> {
        Ok(self.0.data_bytes(bytes).await?)
    }

    /// Tells it its new size, in character cells.
    pub async fn resize(&self, cols: u16, rows: u16) -> Result<(), SshError> {
        Ok(self.0.window_change(cols.into(), rows.into(), 0, 0).await?)
    }

    /// Ends it.
    pub async fn close(&self) -> Result<(), SshError> {
        Ok(self.0.close().await?)
    }
}
