//! The processes of the sandbox.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(not(target_os = "linux"), test))]
mod seatbelt;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[cfg(target_os = "linux")]
pub use self::linux::{all, is_first, keep_orphans};
#[cfg(not(target_os = "linux"))]
pub use self::seatbelt::{all, is_first, keep_orphans};

/// How long to go on ending processes that go on starting others.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long processes have to bring what they work on to an end.
const GRACE: Duration = Duration::from_secs(2);

/// What is known of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// How many threads it has.
    pub tasks: u64,
}

/// Asks every process of the sandbox to end, and waits for those that do: a database writes down what it has.
pub fn ask_to_end() {
    let start = Instant::now();
    let mut asked = HashSet::new();
    while start.elapsed() < GRACE {
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
        let processes = all();
        if processes.is_empty() {
            break;
        }
        for process in processes.into_iter().filter(|process| asked.insert(process.pid)) {
            for signal in [Signal::SIGTERM, Signal::SIGCONT] {
                let _ = kill(Pid::from_raw(process.pid), signal);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Ends every process of the sandbox. The kernel does it when the first one exits.
pub fn end_all() {
    if is_first() {
        return;
    }
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let processes = all();
        if processes.is_empty() {
            break;
        }
        for process in processes {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
        std::thread::sleep(Duration::from_millis(1));
    }
}
