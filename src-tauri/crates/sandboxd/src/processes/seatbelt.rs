//! As macOS tells of them from inside a sandbox. **This has not been run there.**
//!
//! `ps` would show them, but is setuid, and Seatbelt starts nothing that is. Who can be signalled is told by Seatbelt
//! itself: the processes of this sandbox, those included that left their session or their parent, and no others.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, getpgid, getpid, getppid};

use super::Process;

/// The highest number that macOS gives to a process.
const HIGHEST: i32 = 99_999;

/// Whether signals are known to stay in the sandbox. Outside of any, everything of the person's could be signalled.
static CONFINED: AtomicBool = AtomicBool::new(false);

/// Nothing becomes the parent of orphans here. Instead this looks whether they can be told, while whoever started this
/// process waits for it: a process of the same user, outside. Seatbelt's refusals differ from those of a file's mode.
pub fn keep_orphans() {
    let starter = getppid();
    let no_signal = starter.as_raw() > 1 && kill(starter, None) == Err(Errno::EPERM);
    let no_files = std::fs::read_dir("/Users").is_err_and(|error| error.raw_os_error() == Some(Errno::EPERM as i32));
    CONFINED.store(no_signal && no_files, Ordering::Relaxed);
}

/// There are no namespaces.
pub fn is_first() -> bool {
    false
}

/// The sandbox's processes without this one; none when that cannot be told.
pub fn all() -> Vec<Process> {
    if !CONFINED.load(Ordering::Relaxed) {
        return Vec::new();
    }
    let others = (2..=HIGHEST).filter(|&pid| pid != getpid().as_raw() && is_ours(Pid::from_raw(pid)));
    // Neither parents nor threads can be told.
    others.map(|pid| Process { pid, parent: 0, tasks: 1 }).collect()
}

/// One that ended may be signalled by anyone until it is waited for, but has no group.
fn is_ours(pid: Pid) -> bool {
    kill(pid, None).is_ok() && getpgid(Some(pid)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_of_any_sandbox_nobody_is_ours() {
        keep_orphans();
        assert!(!is_first() && all().is_empty());
        assert!(is_ours(getpid()) && !is_ours(Pid::from_raw(i32::MAX)));
    }
}
