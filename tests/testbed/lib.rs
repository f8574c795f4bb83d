//! Real SSH servers and bad ways to them, for tests and measurements. All listens on loopback, or in namespaces
//! made for it, and ends with its owner.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that cannot go on stops")]

mod keys;
mod link;
pub mod machine;
pub mod processes;
mod sshd;
mod way;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

pub use link::Link;
pub use sshd::Sshd;
pub use way::{Way, round_trip};

/// Waits until something is so, a minute at most.
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not so after a minute: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A port that nothing listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a program is.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Whether a program is there; where CI says that all is installed, it must be.
pub fn has(program: &str) -> bool {
    let there = which(program).is_some();
    assert!(there || std::env::var_os("CI").is_none(), "{program} is not installed");
    if !there {
        eprintln!("no {program} here: what needs it is left out");
    }
    there
}

/// Who runs this.
pub fn user() -> String {
    output("id", &["-un"])
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    output("id", &["-u"]) == "0"
}

/// Whether an SSH server of this user's can open terminals. One that is not root's cannot give them to the group of
/// terminals, which the system does by itself where it was set up so, as on most desktops.
pub fn has_terminals() -> bool {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let able = is_root() || mounts.lines().any(|line| line.starts_with("devpts ") && line.contains("gid="));
    if !able {
        eprintln!("no terminals: /dev/pts has no group here, and only root could give it one");
    }
    able
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
