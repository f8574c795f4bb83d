//! A program whose standard input and output are the connection, as OpenSSH's `ProxyCommand` is.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, Join};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_util::task::AbortOnDropHandle;

use super::error::SshError;

/// How long a program whose connection has failed may take to end and say why.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How much is kept of what it says.
const KEPT: usize = 4096;

/// The connection.
pub(crate) type Pipes = Join<ChildStdout, ChildStdin>;

/// A program that runs for one connection; dropping it ends it.
pub(crate) struct Program {
    name: String,
    child: Child,
    /// Read to the end, so that it never waits for a reader.
    complaint: AbortOnDropHandle<String>,
}

impl Program {
    pub(crate) fn start(program: &Path, arguments: &[String]) -> Result<(Self, Pipes), SshError> {
        let name = program.display().to_string();
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Who is asked something on the way is asked in a window, never on the terminal that the app was started from.
        command.env("SSH_ASKPASS_REQUIRE", "force");
        // No console window beside the app's.
        #[cfg(windows)]
        command.creation_flags(0x0800_0000);
        let mut child = command
            .spawn()
            .map_err(|error| SshError::NotConnected { reason: format!("{name} could not be started: {error}") })?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(SshError::NotConnected { reason: format!("{name} was started without its pipes") });
        };
        let complaint = AbortOnDropHandle::new(tokio::spawn(last_line(stderr)));
        Ok((Self { name, child, complaint }, tokio::io::join(stdout, stdin)))
    }

    /// Why there is no connection: in the program's own words, where it has ended.
    pub(crate) async fn explain(mut self, error: SshError) -> SshError {
        if error.is_final() {
            return error;
        }
        let Ok(Ok(status)) = tokio::time::timeout(LAST_WORDS, self.child.wait()).await else { return error };
        // What it started may hold its standard error open.
        let complaint = tokio::time::timeout(LAST_WORDS, self.complaint).await;
        let complaint = complaint.ok().and_then(Result::ok).filter(|line| !line.is_empty());
        SshError::NotConnected { reason: complaint.unwrap_or_else(|| format!("{} ended ({status})", self.name)) }
    }
}

async fn last_line(mut stderr: ChildStderr) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..length]);
        kept.drain(..kept.len().saturating_sub(KEPT));
    }
    // Windows' own programs may write UTF-16, of which this leaves the ASCII.
    let text = String::from_utf8_lossy(&kept).replace('\0', "");
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}
