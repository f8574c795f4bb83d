//! What one sandbox may take of this computer.

use std::fs;

use serde::{Deserialize, Serialize};

const GIB: u64 = 1 << 30;

/// Who holds a sandbox to its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Holder {
    /// The person's systemd, by a cgroup.
    UserManager,
    /// The computer's systemd, by a cgroup; for root.
    SystemManager,
    /// `sandboxd`, which looks and ends the sandbox; and the kernel's limit on a user's tasks.
    Watchdog,
}

/// What one sandbox may take of this computer. Its processors it may have all, after everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, files in /tmp included.
    pub memory: u64,
    /// Processes and threads.
    pub tasks: u64,
}

impl Limits {
    /// Half of the computer's memory, and tasks enough for any build.
    pub fn of_computer() -> Self {
        let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| parse_total(&text)).unwrap_or(4 * GIB);
        Self { memory: (memory / 2).max(GIB / 2), tasks: 4096 }
    }

    /// The limits in words.
    pub(super) fn text(&self) -> String {
        let cpus = match std::thread::available_parallelism().map_or(1, usize::from) {
            1 => "1 CPU".to_owned(),
            cpus => format!("{cpus} CPUs"),
        };
        format!("{} of memory, {cpus} after everything else, {} tasks", size(self.memory), self.tasks)
    }

    /// Bytes for the files of /tmp, which are memory.
    pub(super) fn scratch(&self) -> u64 {
        self.memory / 2
    }

    /// What is put before a command to hold it.
    pub(super) fn scope(&self, holder: Holder, unit: &str) -> Vec<String> {
        let manager = match holder {
            Holder::UserManager => Some("--user"),
            Holder::SystemManager => Some("--system"),
            Holder::Watchdog => None,
        };
        let Some(manager) = manager else { return ["nice", "-n", "5"].map(String::from).to_vec() };
        let mut words =
            ["systemd-run", manager, "--scope", "--quiet", "--collect", "--unit", unit].map(String::from).to_vec();
        for property in [
            format!("MemoryMax={}", self.memory),
            "MemorySwapMax=0".to_owned(),
            format!("TasksMax={}", self.tasks),
            "CPUWeight=50".to_owned(),
            // The kernel ends one process of many; what is left of a sandbox is worth nothing.
            "OOMPolicy=kill".to_owned(),
        ] {
            words.extend(["-p".to_owned(), property]);
        }
        words.push("--".into());
        words
    }

    /// What is put before the first process inside: the kernel counts tasks in the sandbox's user namespace by
    /// themselves. It stops what outruns the watchdog, hence more than the watchdog allows.
    pub(super) fn wrapper(&self, holder: Holder) -> Vec<String> {
        match holder {
            Holder::Watchdog => {
                let tasks = self.tasks + self.tasks / 4 + 64;
                vec!["/usr/bin/prlimit".into(), format!("--nproc={tasks}:{tasks}"), "--".into()]
            }
            Holder::UserManager | Holder::SystemManager => Vec::new(),
        }
    }
}

fn parse_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn size(bytes: u64) -> String {
    if bytes >= 10 * GIB {
        format!("{} GB", bytes / GIB)
    } else if bytes >= GIB {
        format!("{:.1} GB", bytes as f64 / GIB as f64)
    } else {
        format!("{} MB", bytes >> 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_in_words() {
        let text = Limits { memory: 12 * GIB, tasks: 4096 }.text();
        assert!(
            text.starts_with("12 GB of memory, ") && text.ends_with(" after everything else, 4096 tasks"),
            "{text}"
        );
        assert_eq!(size(3 * GIB / 2), "1.5 GB");
        assert_eq!(size(GIB / 2), "512 MB");
    }

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(parse_total("MemFree: 1 kB\nMemTotal:       16384 kB\n"), Some(16 << 20));
        assert_eq!(parse_total("nothing"), None);
    }

    #[test]
    fn a_cgroup_holds_everything() {
        let words = Limits { memory: 1 << 20, tasks: 7 }.scope(Holder::UserManager, "u.scope");
        for word in ["--user", "MemoryMax=1048576", "TasksMax=7", "OOMPolicy=kill"] {
            assert!(words.contains(&word.to_owned()), "{word}");
        }
        assert!(Limits { memory: 1, tasks: 1 }.wrapper(Holder::UserManager).is_empty());
    }
}
