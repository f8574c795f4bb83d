//! The processes of the sandbox, as `/proc` shows them.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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

/// Makes this process the parent of what its descendants orphan, as PID 1 is anyhow.
pub fn adopt_orphans() {
    // Refused only by kernels older than 3.4.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Whether this process is the first of its namespace: all others there are the sandbox's, and die with it.
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// The sandbox's processes without this one: its descendants, or all when it is the first.
pub fn all() -> Vec<Process> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let processes = scan().filter(|process| process.pid != own);
    if is_first() { processes.collect() } else { descendants(own, processes.collect()) }
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

fn scan() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        parse(pid, &std::fs::read(entry.path().join("stat")).ok()?)
    })
}

/// `pid (name) state ppid …`, where the name may hold anything, parentheses too.
fn parse(pid: i32, stat: &[u8]) -> Option<Process> {
    let end = stat.iter().rposition(|&b| b == b')')?;
    let fields = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    // Counted from `state`: ppid is 1, num_threads 17.
    let fields: Vec<_> = fields.split_ascii_whitespace().collect();
    Some(Process { pid, parent: fields.get(1)?.parse().ok()?, tasks: fields.get(17)?.parse().ok()? })
}

fn descendants(root: i32, processes: Vec<Process>) -> Vec<Process> {
    let mut children = HashMap::<i32, Vec<i32>>::new();
    for process in &processes {
        children.entry(process.parent).or_default().push(process.pid);
    }
    let mut found = HashSet::new();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        for &child in children.get(&pid).into_iter().flatten() {
            if found.insert(child) {
                open.push(child);
            }
        }
    }
    processes.into_iter().filter(|process| found.contains(&process.pid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_rest_of_the_line() {
        let stat = b"7 (a) R 1 (b) S 5 7 7 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 3 0 100 1 1";
        assert_eq!(parse(7, stat), Some(Process { pid: 7, parent: 5, tasks: 3 }));
        assert_eq!(parse(7, b"7 (a"), None);
    }

    #[test]
    fn own_process_is_seen_as_the_kernel_sees_it() {
        let own = i32::try_from(std::process::id()).unwrap();
        let seen = scan().find(|process| process.pid == own).unwrap();
        assert_eq!(seen.parent, nix::unistd::getppid().as_raw());
        assert!(seen.tasks >= 1);
    }

    #[test]
    fn descendants_are_those_below_only() {
        let process = |pid, parent| Process { pid, parent, tasks: 1 };
        let all = vec![process(2, 1), process(3, 2), process(4, 3), process(5, 1), process(6, 5)];
        let pids: Vec<_> = descendants(2, all).into_iter().map(|p| p.pid).collect();
        assert_eq!(pids, [3, 4]);
    }
}
