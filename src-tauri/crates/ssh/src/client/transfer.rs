//! Files, up and down, over a connection of their own. `cat` is everywhere; SFTP is not.

use russh::ChannelMsg;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::channel::{Reader, Writer};
use super::error::SshError;
use super::frame;
use super::line::Lane;
use super::session::Session;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;
/// How much of a complaint is kept.
const COMPLAINT: usize = 4_096;

/// `$p` may be a link: what it leads to is written, beside its place first, with the mode and owner of what was there.
const BEGIN: &str = r#"LC_ALL=C; export LC_ALL; t=$p i=0
fail() { echo "$1" >&2; exit 1; }
while [ -L "$t" ]; do
i=$((i + 1)); [ "$i" -le 40 ] || fail 'too many levels of symbolic links'
l=$(readlink -n -- "$t" && echo .) || exit 1
l=${l%.}
case $l in /*) t=$l;; *) t=${t%/*}/$l;; esac
done
[ ! -d "$t" ] || fail 'there is a folder of that name'
[ ! -e "$t" ] || [ -f "$t" ] || fail 'what is there is no file'
m=${t%/*}/.berth.$$; trap 'rm -f -- "$m"' 0; trap 'exit 1' 1 2 15
if [ -e "$t" ]; then cp --attributes-only -p -- "$t" "$m" 2>/dev/null || cp -p -- "$t" "$m" || exit 1; fi
"#;

/// How the machine's side of a transfer ended.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) said: Vec<u8>,
    complaint: Vec<u8>,
    pub(super) exit: Option<u32>,
}

impl Session {
    /// Sends a file: beside its place first, then renamed into it, so that no half of it is ever seen there.
    ///
    /// `path` is absolute, `size` is how many bytes `source` has. Without a `mode` a file that is there keeps its own.
    /// `progress` is told the bytes sent so far. Dropping the future leaves what was there before.
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
        script.push(b'\n');
        script.extend_from_slice(BEGIN.as_bytes());
        // A cut connection looks to `cat` like the end of the file; only the size tells them apart.
        let kept =
            format!("cat >\"$m\" || exit 1\n[ \"$(wc -c <\"$m\")\" -eq {size} ] || fail 'only a part of it arrived'\n");
        script.extend_from_slice(kept.as_bytes());
        if let Some(mode) = mode {
            script.extend_from_slice(format!("chmod {:o} \"$m\" || exit 1\n", mode & 0o7777).as_bytes());
        }
        script.extend_from_slice(b"mv -f -- \"$m\" \"$t\" && echo kept\n");
        let (mut reader, writer) = self.open(&script).await?;
        let sending = async {
            let mut buffer = vec![0; CHUNK];
            let mut sent = 0;
            loop {
                let read = source.read(&mut buffer).await.map_err(|error| Failed::Source(error.to_string()))?;
                if read == 0 {
                    break;
                }
                let bytes = bytes::Bytes::copy_from_slice(&buffer[..read]);
                writer.data_bytes(bytes).await.map_err(|_| Failed::Broken)?;
                sent += read as u64;
                progress(sent);
            }
            if sent != size {
                return Err(Failed::Source(format!("it has {sent} bytes and not {size}")));
            }
            writer.eof().await.map_err(|_| Failed::Broken)?;
            Ok(sent)
        };
        let ending = ended(&mut reader);
        tokio::pin!(sending, ending);
        // A machine that refuses says so at once: what is left of the file need not be sent.
        let (sent, ended) = tokio::select! {
            biased;
            ended = &mut ending => (0, ended),
            sent = &mut sending => match sent {
                Ok(sent) => (sent, ending.await),
                Err(Failed::Source(why)) => return Err(untouched(&format!("it could not be read: {why}"))),
                Err(Failed::Broken) => (0, ending.await),
            },
        };
        match ended.exit {
            _ if ended.said == b"kept\n" => Ok(sent.max(size)),
            None => Err(SshError::TransferCut {}),
            Some(_) => Err(untouched(&ended.why())),
        }
    }

    /// Fetches a file. `progress` is told the bytes received so far. Where it fails, the sink has got a part of it.
    pub async fn download(
        &self,
        path: &[u8],
        mut sink: impl AsyncWrite + Unpin,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, SshError> {
        let unwritten = |error: std::io::Error| SshError::Transfer(format!("what came could not be written: {error}"));
        let mut script = b"export LC_ALL=C; exec cat -- ".to_vec();
        frame::quote(path, &mut script);
        let (mut reader, _writer) = self.open(&script).await?;
        let (mut received, mut ended) = (0, Ended::default());
        while let Some(message) = reader.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    sink.write_all(&data).await.map_err(unwritten)?;
                    received += data.len() as u64;
                    progress(received);
                }
                message => {
                    if ended.take(message) {
                        break;
                    }
                }
            }
        }
        sink.flush().await.map_err(unwritten)?;
        if ended.exit == Some(0) { Ok(received) } else { Err(ended.error()) }
    }

    /// A channel on which `sh` runs a script, with its own input and output.
    pub(super) async fn open(&self, script: &[u8]) -> Result<(Reader, Writer), SshError> {
        self.script(Lane::Transfers, script).await
    }
}

/// Why sending ended early.
enum Failed {
    Source(String),
    Broken,
}

async fn ended(reader: &mut Reader) -> Ended {
    let mut ended = Ended::default();
    ended.follow(reader).await;
    ended
}

impl Ended {
    /// Reads to the end.
    pub(super) async fn follow(&mut self, reader: &mut Reader) {
        while let Some(message) = reader.wait().await {
            if self.take(message) {
                break;
            }
        }
    }

    /// What is to be told of an end that was no success: whether it may be tried again is the caller's to see.
    pub(super) fn error(&self) -> SshError {
        if self.exit.is_none() { SshError::TransferCut {} } else { SshError::Transfer(self.why()) }
    }

    /// Says whether that was the last.
    pub(super) fn take(&mut self, message: ChannelMsg) -> bool {
        let keep = |kept: &mut Vec<u8>, data: &[u8]| {
            let room = COMPLAINT.saturating_sub(kept.len());
            kept.extend_from_slice(&data[..data.len().min(room)]);
        };
        match message {
            ChannelMsg::Data { data } => keep(&mut self.said, &data),
            ChannelMsg::ExtendedData { data, .. } => keep(&mut self.complaint, &data),
            ChannelMsg::ExitStatus { exit_status } => self.exit = Some(exit_status),
            ChannelMsg::Close => return true,
            _ => {}
        }
        false
    }

    pub(super) fn why(&self) -> String {
        let said = String::from_utf8_lossy(&self.complaint).trim().trim_end_matches('.').to_owned();
        match self.exit {
            _ if !said.is_empty() => said,
            None => "the connection broke".to_owned(),
            Some(code) => format!("the machine’s `sh` ended with exit code {code}"),
        }
    }
}

fn untouched(why: &str) -> SshError {
    SshError::Transfer(format!("{why}. What was there before is untouched"))
}
