//! Starting bubblewrap with `sandboxd` in it.
//!
//! The chain is one process that becomes the next: a session of its own (it outlives the app), the limits, perhaps the
//! namespaces for pasta, a shell that opens two descriptors, bubblewrap. Bubblewrap tells the number of the sandbox's
//! first process, which is written down while that process waits for its settings; then it gets them and says `ready`.
//!
//! Standard input is the socket on which SSH is served; standard output is one that carries all of that talk, both ways.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::limits::{Holder, Limits, Manager};
use super::pasta::{self, Pasta};
use super::process::Process;
use super::{Account, Env};
use crate::ProviderError;
use crate::error::Doing;
use crate::files::{last_words, open_log};
use crate::layout::Places;
use crate::sandboxd::Settings;

const PATIENCE: Duration = Duration::from_secs(20);

/// What the shell does on the way: it can close and open descriptors and lower limits, which no safe Rust can between
/// fork and exec. What this process inherited from its own parent must not be inherited by a sandbox; closing
/// descriptors by number above 9 is beyond plain `sh`, so bash does it where there is one. A sandbox's memory must not
/// end up in the computer's store of core dumps, and when memory runs out it is to go first.
const SHELL: &str = "\
if [ -n \"$BASH_VERSION\" ]; then
    for fd in /proc/self/fd/*; do
        fd=${fd##*/}
        [ \"$fd\" -le 2 ] || eval \"exec $fd>&-\"
    done
fi
umask 022
ulimit -c 0
{ echo 500 > /proc/self/oom_score_adj; } 2> /dev/null
exec \"$@\" 3>&1 4< \"$0\"";

/// All that a start needs.
pub(super) struct Launch<'a> {
    pub(super) places: &'a Places,
    pub(super) account: &'a Account,
    pub(super) env: &'a Env,
    pub(super) bwrap: &'a Path,
    pub(super) arguments: Vec<OsString>,
    pub(super) limits: Limits,
    pub(super) holder: Holder,
    /// A unit's name, where a systemd holds the limits.
    pub(super) unit: String,
    pub(super) pasta: Option<&'a Pasta>,
    pub(super) settings: Settings<'a>,
}

/// Why a launch failed.
#[derive(Debug)]
pub(super) enum LaunchError {
    /// Pasta did not give the sandbox its network; everything else might have worked.
    Pasta(String),
    Other(ProviderError),
}

impl From<ProviderError> for LaunchError {
    fn from(error: ProviderError) -> Self {
        Self::Other(error)
    }
}

impl Launch<'_> {
    /// Starts the sandbox. `written_down` is called with its first process and its monitor before it gets its settings.
    pub(super) async fn run(
        self,
        written_down: impl FnOnce(&Process, &Process) -> Result<(), ProviderError>,
    ) -> Result<Child, LaunchError> {
        let opening = "Opening the sandbox's log";
        let log = open_log(&self.places.log).doing(opening, &self.places.log)?;
        let mut log_reader = File::open(&self.places.log).doing(opening, &self.places.log)?;
        let begin = log_reader.seek(SeekFrom::End(0)).doing(opening, &self.places.log)?;
        let starting = "Starting bubblewrap";
        let namespace =
            self.pasta.map(|_| pasta::namespace()).transpose().map_err(LaunchError::Pasta)?.unwrap_or_default();
        let listener = listen(&self.places.socket).doing("Opening the sandbox's socket", &self.places.socket)?;
        let (talk, theirs) = talk().doing(starting, self.bwrap)?;
        let mut child = self.command(namespace, listener, theirs, log).spawn().doing(starting, self.bwrap)?;

        match timeout(PATIENCE, self.handshake(&mut child, talk, written_down)).await {
            Ok(Ok(())) => Ok(child),
            Ok(Err(Failure::Launch(error))) => {
                end(child).await;
                Err(error)
            }
            Ok(Err(Failure::Silent(reason))) => {
                end(child).await;
                Err(ProviderError::Start { reason, log: last_words(&mut log_reader, begin) }.into())
            }
            Err(_) => {
                end(child).await;
                let reason = format!("it was not ready after {} seconds.", PATIENCE.as_secs());
                Err(ProviderError::Start { reason, log: last_words(&mut log_reader, begin) }.into())
            }
        }
    }

    fn command(&self, namespace: Vec<String>, listener: OwnedFd, talk: OwnedFd, log: File) -> Command {
        let mut words: Vec<OsString> = vec!["setsid".into()];
        words.extend(self.limits.scope(self.holder, &self.unit).into_iter().map(OsString::from));
        let account = match (self.holder, self.account) {
            // Only root may ask that systemd, so root is given up after it.
            (Holder::Systemd { manager: Manager::System, .. }, Account::Own { uid }) => {
                let uid = uid.to_string();
                words.extend(["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups", "--"].map(OsString::from));
                &Account::Person
            }
            (_, account) => account,
        };
        words.extend(namespace.into_iter().map(OsString::from));
        // To bash a socket on its standard input means that somebody logged in, for whom there is a file to read.
        let shell: &[&str] = if Path::new("/bin/bash").exists() { &["/bin/bash", "--norc"] } else { &["/bin/sh"] };
        words.extend(shell.iter().map(OsString::from));
        words.extend(["-c".into(), SHELL.into(), self.places.filter.clone().into(), self.bwrap.into()]);
        words.extend(self.arguments.iter().cloned());

        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir("/").env_clear();
        for name in ["PATH", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"] {
            command.envs(self.env.get(name).map(|value| (name, value)));
        }
        command.stdin(listener).stdout(talk).stderr(log);
        account.assume(&mut command);
        command
    }

    async fn handshake(
        &self,
        child: &mut Child,
        talk: UnixStream,
        written_down: impl FnOnce(&Process, &Process) -> Result<(), ProviderError>,
    ) -> Result<(), Failure> {
        let mut talk = BufReader::new(talk);
        let gone = || Failure::Silent("it ended before it was ready.".into());
        let first = read_info(&mut talk).await.and_then(Process::of_pid).ok_or_else(gone)?;
        let monitor = child.id().and_then(|pid| Process::of_pid(pid as i32)).ok_or_else(gone)?;
        written_down(&first, &monitor).map_err(|error| Failure::Launch(error.into()))?;
        if let Some(pasta) = self.pasta {
            let attached = pasta.attach(monitor.pid() as u32, Some(&self.places.pasta_pid), self.account).await;
            attached.map_err(|reason| Failure::Launch(LaunchError::Pasta(reason)))?;
        }
        let settings = serde_json::to_vec(&self.settings).map_err(|error| Failure::Silent(error.to_string()))?;
        talk.write_all(&settings).await.map_err(|_| gone())?;
        let mut line = String::new();
        talk.read_line(&mut line).await.map_err(|_| gone())?;
        if line == "ready\n" { Ok(()) } else { Err(gone()) }
    }
}

enum Failure {
    Launch(LaunchError),
    /// Its log says more.
    Silent(String),
}

/// The number of the first process, from what bubblewrap tells: an object over several lines.
async fn read_info(talk: &mut BufReader<UnixStream>) -> Option<i32> {
    let mut text = String::new();
    while !text.trim_end().ends_with('}') {
        if talk.read_line(&mut text).await.ok()? == 0 || text.len() > 4096 {
            return None;
        }
    }
    let info: serde_json::Value = serde_json::from_str(&text).ok()?;
    info.get("child-pid")?.as_i64()?.try_into().ok()
}

/// The socket on which SSH will be served, which only this user may connect to.
fn listen(path: &Path) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener.into())
}

/// Both ends of the talk with what is started: ours, and what it gets.
fn talk() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = theirs.into_std()?;
    theirs.set_nonblocking(false)?;
    Ok((ours, theirs.into()))
}

/// Ends what was begun: the first process sees the end of its input, but the monitor might wait for something else.
async fn end(mut child: Child) {
    let _ = timeout(Duration::from_millis(500), child.wait()).await;
    let _ = child.kill().await;
}
