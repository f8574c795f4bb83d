//! A real network between two computers, of which this one is both: two namespaces and a cable.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{has, is_root, processes};

static LAID: AtomicUsize = AtomicUsize::new(0);

/// The cable. Its near end is a client's, its far end a machine's; gone when dropped, with what runs at its ends.
pub struct Link {
    name: String,
}

impl Link {
    /// The machine's address.
    pub const FAR: &str = "10.77.0.1";

    /// A cable that is plugged in. Only root can lay one.
    pub fn lay() -> Option<Self> {
        if !is_root() {
            eprintln!("no namespaces for networks: they are only root's to make");
            return None;
        }
        if !has("ip") || !has("nc") {
            return None;
        }
        sweep();
        let laid = LAID.fetch_add(1, Ordering::Relaxed);
        let link = Self { name: format!("berth-{}-{laid}", std::process::id()) };
        let (near, far) = (link.near(), link.far());
        for end in [&near, &far] {
            ip(&["netns", "add", end]);
            ip(&["-n", end, "link", "set", "lo", "up"]);
        }
        ip(&["link", "add", "cable", "netns", &near, "type", "veth", "peer", "name", "cable", "netns", &far]);
        ip(&["-n", &far, "addr", "add", &format!("{}/24", Self::FAR), "dev", "cable"]);
        ip(&["-n", &far, "link", "set", "cable", "up"]);
        link.plug(2);
        Some(link)
    }

    /// Takes the cable out, and the client's address with it.
    pub fn unplug(&self) {
        ip(&["-n", &self.near(), "link", "set", "cable", "down"]);
        ip(&["-n", &self.near(), "addr", "flush", "dev", "cable"]);
    }

    /// Puts it in again; the client has this address now: `10.77.0.<number>`.
    pub fn plug(&self, number: u8) {
        ip(&["-n", &self.near(), "addr", "add", &format!("10.77.0.{number}/24"), "dev", "cable"]);
        ip(&["-n", &self.near(), "link", "set", "cable", "up"]);
    }

    /// A program at one of its ends, or on this computer.
    pub fn within(end: Option<&str>, program: &str) -> Command {
        let Some(end) = end else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", end, program]);
        command
    }

    /// The client's end.
    pub fn near(&self) -> String {
        format!("{}-near", self.name)
    }

    /// The machine's end.
    pub fn far(&self) -> String {
        format!("{}-far", self.name)
    }
}

/// Takes away what a test that was killed has left.
fn sweep() {
    let left =
        Command::new("ip").args(["-o", "netns", "list"]).output().map(|output| output.stdout).unwrap_or_default();
    for name in String::from_utf8_lossy(&left).lines().filter_map(|line| line.split_ascii_whitespace().next()) {
        let owner = name.strip_prefix("berth-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|id| !std::path::Path::new(&format!("/proc/{id}")).exists()) {
            remove(name);
        }
    }
}

/// Takes an end away, with what runs there.
fn remove(end: &str) {
    let inside = Command::new("ip").args(["netns", "pids", end]).stderr(Stdio::null()).output();
    let inside = inside.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    processes::kill(&inside.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>());
    let _ = Command::new("ip").args(["netns", "del", end]).stderr(Stdio::null()).status();
}

impl Drop for Link {
    fn drop(&mut self) {
        remove(&self.near());
        remove(&self.far());
    }
}

fn ip(arguments: &[&str]) {
    assert!(Command::new("ip").args(arguments).status().unwrap().success(), "ip {arguments:?}");
}
