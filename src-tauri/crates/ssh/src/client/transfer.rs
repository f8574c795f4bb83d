//! Files, up and down, over a channel of their own. `cat` is everywhere; SFTP is not.

use russh::ChannelMsg;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::error::SshError;
use super::frame;
use super::session::Session;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

impl Session {
    /// Sends a file: beside its place first, then renamed into it, so that no half of it is ever seen there.
    ///
    /// `path` is absolute, `size` is how many bytes `source` has. `progress` is told the bytes sent so far. Dropping the
    /// future leaves what was there before.
    pub async fn upload(
        &self,
        mut source: impl AsyncRead + Unpin,
        size: u64,
        path: &[u8],
        mode: Option<u32>,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, SshError> {
        let mut script = b"p=".to_vec();
        frame::quote(path, &mut script);
        script
            .extend_from_slice(b"; t=\"$p.berth-$$\"; trap 'rm -f -- \"$t\"' 0; trap 'exit 1' 1 2 15; cat >\"$t\" && ");
        // A cut connection looks to `cat` like the end of the file; only the size tells them apart.
        script.extend_from_slice(format!("[ $(wc -c <\"$t\") -eq {size} ] && ").as_bytes());
        if let Some(mode) = mode {
            script.extend_from_slice(format!("chmod {:o} \"$t\" && ", mode & 0o7777).as_bytes());
        }
        script.extend_from_slice(b"mv -f -- \"$t\" \"$p\" && echo kept");
        let (mut reader, writer) = self.open(&script).await?;
        let mut buffer = vec![0; CHUNK];
        let mut sent = 0;
        loop {
            let read = source.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            writer.data_bytes(bytes::Bytes::copy_from_slice(&buffer[..read])).await?;
            sent += read as u64;
            progress(sent);
        }
        writer.eof().await?;
        let mut said = Vec::new();
        let mut complaint = Vec::new();
        while let Some(message) = reader.wait().await {
            match message {
                ChannelMsg::Data { data } => said.extend_from_slice(&data[..data.len().min(64)]),
                ChannelMsg::ExtendedData { data, .. } => complaint.extend_from_slice(&data[..data.len().min(400)]),
                ChannelMsg::Close => break,
                _ => {}
            }
        }
        if said == b"kept\n" { Ok(sent) } else { Err(failed(&complaint)) }
    }

    /// Fetches a file. `progress` is told the bytes received so far.
    pub async fn download(
        &self,
        path: &[u8],
        mut sink: impl AsyncWrite + Unpin,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, SshError> {
        let mut script = b"exec cat -- ".to_vec();
        frame::quote(path, &mut script);
        let (mut reader, _writer) = self.open(&script).await?;
        let (mut received, mut complaint, mut exit) = (0, Vec::new(), None);
        while let Some(message) = reader.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    sink.write_all(&data).await?;
                    received += data.len() as u64;
                    progress(received);
                }
                ChannelMsg::ExtendedData { data, .. } => complaint.extend_from_slice(&data[..data.len().min(400)]),
                ChannelMsg::ExitStatus { exit_status } => exit = Some(exit_status),
                ChannelMsg::Close => break,
                _ => {}
            }
        }
        sink.flush().await?;
        if exit == Some(0) { Ok(received) } else { Err(failed(&complaint)) }
    }

    async fn open(
        &self,
        script: &[u8],
    ) -> Result<(russh::ChannelReadHalf, russh::ChannelWriteHalf<russh::client::Msg>), SshError> {
        let (reader, writer) = self.channel().await?.split();
        let mut command = b"exec sh -c ".to_vec();
        frame::quote(script, &mut command);
        writer.exec(false, command).await?;
        Ok((reader, writer))
    }
}

fn failed(complaint: &[u8]) -> SshError {
    let said = String::from_utf8_lossy(complaint).trim().to_owned();
    SshError::Transfer(if said.is_empty() { "the connection broke".to_owned() } else { said })
}
