//! What one sandbox may take of this computer.

use std::fs;

use serde::{Deserialize, Serialize};

const GIB: u64 = 1 << 30;

/// Who holds a sandbox to its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Holder {
    /// A systemd, by a cgroup. One older than 253 cannot be told to end a scope as a whole when its memory is used up:
    /// there `sandboxd` looks after the memory too.
    Systemd { manager: Manager, ends_whole: bool },
    /// `sandboxd`, which looks and ends the sandbox; and the kernel's limit on a user's tasks.
    Watchdog,
}

/// Whose systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Manager {
    /// The person's.
    User,
    /// The computer's; for root.
    System,
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
        let Holder::Systemd { manager, ends_whole } = holder else {
            return ["nice", "-n", "5"].map(String::from).to_vec();
        };
        let manager = match manager {
            Manager::User => "--user",
            Manager::System => "--system",
        };
        let mut words =
            ["systemd-run", manager, "--scope", "--quiet", "--collect", "--unit", unit].map(String::from).to_vec();
        let mut properties = vec![
            format!("MemoryMax={}", self.memory),
            "MemorySwapMax=0".to_owned(),
            format!("TasksMax={}", self.most_tasks()),
            "CPUWeight=50".to_owned(),
        ];
        if ends_whole {
            // The kernel ends one process of many; what is left of a sandbox is worth nothing.
            properties.push("OOMPolicy=kill".to_owned());
        }
        for property in properties {
            words.extend(["-p".to_owned(), property]);
        }
        words.push("--".into());
        words
    }

    /// What the kernel allows: it stops what outruns the watchdog, hence more than the watchdog does. A limit that is
    /// only kept would leave a fork bomb sitting at it.
    pub(super) fn most_tasks(&self) -> u64 {
        self.tasks + self.tasks / 4 + 64
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
    fn a_cgroup_holds_everything_and_leaves_the_watchdog_time_for_tasks() {
        let holder = |ends_whole| Holder::Systemd { manager: Manager::User, ends_whole };
        let words = |ends_whole| Limits { memory: 1 << 20, tasks: 8 }.scope(holder(ends_whole), "u.scope");
        for word in ["--user", "MemoryMax=1048576", "TasksMax=74", "OOMPolicy=kill"] {
            assert!(words(true).contains(&word.to_owned()), "{word}");
        }
        assert!(!words(false).contains(&"OOMPolicy=kill".to_owned()));
    }
}
