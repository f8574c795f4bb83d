//! Ends the sandbox before it takes the computer with it, as far as no cgroup holds it. Only Linux tells of memory.
//!
//! Looking is second best: memory that is mapped by nobody any more, but still held (pages of a shared mapping that were
//! let go of), is not seen. What is left to it then is that the kernel ends a sandbox's processes before all others.

use std::collections::HashSet;
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::statvfs::statvfs;

use crate::processes;
use crate::settings::Limits;

const CALM: Duration = Duration::from_secs(1);
/// Above half of a limit, looks are frequent: the rest can be gone in a second.
const ALERT: Duration = Duration::from_millis(50);

/// The limit that was exceeded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// Memory.
    #[error("the sandbox used {used} bytes of memory of {limit} allowed, and was ended")]
    Memory {
        /// What it had when it was seen.
        used: u64,
        /// What it may have.
        limit: u64,
    },
    /// Processes and threads.
    #[error("the sandbox ran {used} processes and threads of {limit} allowed, and was ended")]
    Tasks {
        /// What it had when it was seen.
        used: u64,
        /// What it may have.
        limit: u64,
    },
}

struct Usage {
    memory_bytes: u64,
    tasks: u64,
}

/// Has the kernel hold the tasks, which it counts by themselves in the sandbox's user namespace.
pub fn limit_tasks(limits: Limits) -> nix::Result<()> {
    match limits.most_tasks {
        Some(most) if processes::is_first() => setrlimit(Resource::RLIMIT_NPROC, most, most),
        _ => Ok(()),
    }
}

/// Returns when a limit is exceeded; never without limits.
pub async fn watch(limits: Limits) -> Exceeded {
    if limits.memory_bytes.is_none() && limits.tasks.is_none() {
        return std::future::pending().await;
    }
    loop {
        let usage = usage(limits);
        if let Some(exceeded) = check(&usage, limits) {
            return exceeded;
        }
        let pause = if is_near(&usage, limits) { ALERT } else { CALM };
        tokio::time::sleep(pause).await;
    }
}

fn check(usage: &Usage, limits: Limits) -> Option<Exceeded> {
    if let Some(limit) = limits.memory_bytes
        && usage.memory_bytes > limit
    {
        return Some(Exceeded::Memory { used: usage.memory_bytes, limit });
    }
    if let Some(limit) = limits.tasks
        && usage.tasks > limit
    {
        return Some(Exceeded::Tasks { used: usage.tasks, limit });
    }
    None
}

fn is_near(usage: &Usage, limits: Limits) -> bool {
    limits.memory_bytes.is_some_and(|limit| usage.memory_bytes > limit / 2)
        || limits.tasks.is_some_and(|limit| usage.tasks > limit / 2)
}

fn usage(limits: Limits) -> Usage {
    let processes = processes::all();
    let tasks = processes.iter().map(|process| process.tasks).sum();
    if limits.memory_bytes.is_none() {
        return Usage { memory_bytes: 0, tasks };
    }
    let nobodys = temporary_files() + segments();
    let sum = |of: fn(i32) -> Option<u64>| processes.iter().filter_map(|process| of(process.pid)).sum::<u64>();
    let mut memory_bytes = nobodys + sum(resident);
    // What several share counts several times in that sum. To share it out is exact, and takes the kernel its time.
    if limits.memory_bytes.is_some_and(|limit| memory_bytes > limit) {
        memory_bytes = nobodys + sum(|pid| proportional(pid).or_else(|| resident(pid)));
    }
    Usage { memory_bytes, tasks }
}

/// What a process has of memory that is no file's on a disk, shared or not, and of swap.
fn resident(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    kilobytes(&status, &["RssAnon:", "RssShmem:", "VmSwap:"])
}

/// The same, with what is shared divided among those who share it. A process may hide this.
fn proportional(pid: i32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    kilobytes(&rollup, &["Pss_Anon:", "Pss_Shmem:", "SwapPss:"])
}

/// The sum of some lines, each of which must be there, in bytes.
fn kilobytes(text: &str, names: &[&str]) -> Option<u64> {
    let line = |name: &&str| text.lines().find_map(|line| line.strip_prefix(*name));
    let value = |line: &str| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok();
    names.iter().map(|name| line(name).and_then(value).map(|kilobytes| kilobytes * 1024)).sum()
}

/// Segments of shared memory, attached or not.
fn segments() -> u64 {
    if !processes::is_first() {
        return 0;
    }
    parse_segments(&std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default())
}

/// The last two columns are what is in memory and what is swapped out.
fn parse_segments(table: &str) -> u64 {
    let numbers =
        |line: &str| line.split_ascii_whitespace().rev().take(2).filter_map(|n| n.parse::<u64>().ok()).sum::<u64>();
    table.lines().skip(1).map(numbers).sum()
}

/// Files in memory (`/tmp` of a sandbox) are nobody's pages. Only in a namespace of our own are all of them ours.
fn temporary_files() -> u64 {
    if !processes::is_first() {
        return 0;
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let used = temporary_mounts(&mounts).into_iter().filter_map(|point| statvfs(point).ok());
    // The numbers' types differ between systems.
    let bytes =
        used.map(|fs| u128::from(fs.blocks() - fs.blocks_free()) * u128::from(fs.fragment_size())).sum::<u128>();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Where the memory file systems of this namespace are mounted. One that shows only a folder of itself was bound from
/// outside (the folder of the way out, say), and what fills it is not ours.
fn temporary_mounts(mountinfo: &str) -> Vec<&str> {
    let mut seen = HashSet::new();
    let mounts = mountinfo.lines().filter_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(2);
        let (device, root, point) = (fields.next()?, fields.next()?, fields.next()?);
        let ours = filesystem.starts_with("tmpfs ") && root == "/" && seen.insert(device);
        ours.then_some(point)
    });
    mounts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_exceeded_when_it_is_passed_not_when_it_is_met() {
        let limits = Limits { memory_bytes: Some(10), tasks: Some(2), most_tasks: None };
        assert_eq!(check(&Usage { memory_bytes: 10, tasks: 2 }, limits), None);
        let memory = check(&Usage { memory_bytes: 11, tasks: 2 }, limits);
        assert_eq!(memory, Some(Exceeded::Memory { used: 11, limit: 10 }));
        let tasks = check(&Usage { memory_bytes: 0, tasks: 3 }, limits);
        assert_eq!(tasks, Some(Exceeded::Tasks { used: 3, limit: 2 }));
        assert_eq!(check(&Usage { memory_bytes: u64::MAX, tasks: u64::MAX }, Limits::default()), None);
    }

    #[test]
    fn looks_are_frequent_above_half() {
        let limits = Limits { memory_bytes: Some(10), ..Limits::default() };
        assert!(!is_near(&Usage { memory_bytes: 5, tasks: 1000 }, limits));
        assert!(is_near(&Usage { memory_bytes: 6, tasks: 0 }, limits));
    }

    #[test]
    fn lines_are_added_up_and_none_may_be_missing() {
        let status = "VmRSS:\t  900 kB\nRssAnon:\t     100 kB\nRssShmem:\t      20 kB\nVmSwap:\t       3 kB\n";
        assert_eq!(kilobytes(status, &["RssAnon:", "RssShmem:", "VmSwap:"]), Some(123 * 1024));
        assert_eq!(kilobytes(status, &["RssAnon:", "Pss:"]), None);
    }

    #[test]
    fn a_segment_counts_with_what_is_swapped_out() {
        let table = "key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap\n\
                     0 1 600 99999 7 7 0 0 0 0 0 0 0 0 8192 4096\n0 2 600 9 7 7 0 0 0 0 0 0 0 0 4096 0\n";
        assert_eq!(parse_segments(table), 16384);
    }

    #[test]
    fn only_whole_memory_file_systems_count_and_each_once() {
        let mountinfo = "\
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 0:30 / /tmp rw - tmpfs tmpfs rw
22 20 0:30 / /var/tmp rw - tmpfs tmpfs rw
23 20 0:25 /user/berth /run/bound rw master:5 - tmpfs tmpfs rw
24 20 0:31 / /dev rw - tmpfs tmpfs rw";
        assert_eq!(temporary_mounts(mountinfo), ["/tmp", "/dev"]);
    }
}
