//! What a machine does otherwise than most.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use russh::ChannelWriteHalf;
use russh::client::Msg;

use super::error::SshError;

/// What is known of a machine's ways.
#[derive(Debug, Default)]
pub(crate) struct Manner {
    /// Standard error comes within standard output.
    in_band: AtomicBool,
    /// A start-up file starts another shell, which reads commands from its input: none that is asked for is run.
    headstrong: AtomicBool,
}

impl Manner {
    pub(crate) fn in_band(&self) -> bool {
        self.in_band.load(Ordering::Relaxed)
    }

    pub(crate) fn is_in_band(&self) {
        self.in_band.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_headstrong(&self) {
        self.headstrong.store(true, Ordering::Relaxed);
    }

    /// Begins a command on a channel.
    pub(crate) async fn begin(&self, writer: &ChannelWriteHalf<Msg>, command: &[u8]) -> Result<(), SshError> {
        writer.exec(false, command.to_vec()).await?;
        if self.headstrong.load(Ordering::Relaxed) {
            let mut line = command.to_vec();
            line.push(b'\n');
            writer.data_bytes(Bytes::from(line)).await?;
        }
        Ok(())
    }
}
