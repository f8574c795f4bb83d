//! Processes that outlive this one, named so that a reused number is never taken for them.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// How long processes have to end by themselves.
const GRACE: Duration = Duration::from_secs(3);
/// How long the kernel has to end them: it may be writing a full memory's worth to a slow disk.
const FORCE: Duration = Duration::from_secs(30);

/// One process, in one run of the computer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pid: i32,
    /// In clock ticks since the computer started.
    started: u64,
    boot: String,
}

impl Process {
    /// The process that has the number now, if any.
    pub(super) fn of_pid(pid: i32) -> Option<Self> {
        let started = stat(pid)?.started;
        Some(Self { pid, started, boot: boot_id()? })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it still runs. One that ended and was not yet waited for does not.
    pub(super) fn is_alive(&self) -> bool {
        boot_id().as_ref() == Some(&self.boot)
            && stat(self.pid).is_some_and(|stat| stat.started == self.started && !stat.ended)
    }

    /// Ends it: politely, then by force. Returns when it is gone; at once where it was gone already.
    ///
    /// The first process of a PID namespace counts as ended only when every other one in it has, so that ending it is
    /// ending them all.
    pub(super) async fn end(&self) -> io::Result<()> {
        for (signal, patience) in [(Signal::SIGTERM, GRACE), (Signal::SIGKILL, FORCE)] {
            if !self.is_alive() {
                return Ok(());
            }
            match kill(Pid::from_raw(self.pid), signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
            if self.gone_within(patience).await {
                return Ok(());
            }
        }
        Err(io::Error::from(io::ErrorKind::TimedOut))
    }

    /// Waits for it to end because something else has; ends it when it does not.
    pub(super) async fn end_with_others(&self) -> io::Result<()> {
        if self.gone_within(Duration::from_secs(1)).await { Ok(()) } else { self.end().await }
    }

    async fn gone_within(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(1);
        while self.is_alive() {
            if begun.elapsed() > patience {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        true
    }

    /// Whether `text` is one of its arguments.
    pub(super) fn has_argument(&self, text: &Path) -> bool {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == text.as_os_str().as_encoded_bytes())
    }
}

struct Stat {
    started: u64,
    ended: bool,
}

fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The program's name stands in parentheses and may hold anything, parentheses and spaces too.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let ended = matches!(fields.next()?, "Z" | "X");
    let started = fields.nth(18)?.parse().ok()?;
    Some(Stat { started, ended })
}

/// Which run of the computer this is.
pub(super) fn boot_id() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_name_cannot_forge_the_fields() {
        let line = "7 (a) R 9 (b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 2";
        assert_eq!(parse_stat(line).unwrap().started, 4242);
    }

    #[tokio::test]
    async fn ends_what_it_names_and_nothing_else() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of_pid(child.id() as i32).unwrap();
        let namesake = Process { started: process.started + 1, ..process.clone() };
        assert!(!namesake.is_alive());
        namesake.end().await.unwrap();
        assert!(process.is_alive(), "another process of the same number was signalled");
        let before_restart = Process { boot: "another run".into(), ..process.clone() };
        before_restart.end().await.unwrap();
        assert!(process.is_alive());
        process.end().await.unwrap();
        assert!(!process.is_alive());
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn ends_what_does_not_listen() {
        let mut child = Command::new("sh")
            .args(["-c", "trap '' TERM; echo; read line"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        let process = Process::of_pid(child.id() as i32).unwrap();
        process.end().await.unwrap();
        assert!(!process.is_alive());
        child.wait().unwrap();
    }
}
