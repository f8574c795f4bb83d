//! Ends the sandbox before it takes the computer with it, where no cgroup holds it. Only Linux tells of memory.

use std::collections::HashSet;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use nix::unistd::{SysconfVar, sysconf};

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

/// Returns when a limit is exceeded; never without limits.
pub async fn watch(limits: Limits) -> Exceeded {
    if limits.memory_bytes.is_none() && limits.tasks.is_none() {
        return std::future::pending().await;
    }
    loop {
        let usage = usage();
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

fn usage() -> Usage {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| u64::try_from(size).ok()).unwrap_or(4096);
    let mut usage = Usage { memory_bytes: temporary_files(), tasks: 0 };
    for process in processes::all() {
        usage.tasks += process.tasks;
        usage.memory_bytes += own_pages(process.pid).unwrap_or(0) * page;
    }
    usage
}

/// Resident pages that are no file's and shared with nobody, so that counting them twice is impossible; what is
/// shared copy-on-write counts in each process, as it does in a plain sum of their memory.
fn own_pages(pid: i32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut fields = statm.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(resident.saturating_sub(shared))
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
/// outside (the folder of our socket, say), and what fills it is not ours.
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
        let limits = Limits { memory_bytes: Some(10), tasks: Some(2) };
        assert_eq!(check(&Usage { memory_bytes: 10, tasks: 2 }, limits), None);
        let memory = check(&Usage { memory_bytes: 11, tasks: 2 }, limits);
        assert_eq!(memory, Some(Exceeded::Memory { used: 11, limit: 10 }));
        let tasks = check(&Usage { memory_bytes: 0, tasks: 3 }, limits);
        assert_eq!(tasks, Some(Exceeded::Tasks { used: 3, limit: 2 }));
        assert_eq!(check(&Usage { memory_bytes: u64::MAX, tasks: u64::MAX }, Limits::default()), None);
    }

    #[test]
    fn looks_are_frequent_above_half() {
        let limits = Limits { memory_bytes: Some(10), tasks: None };
        assert!(!is_near(&Usage { memory_bytes: 5, tasks: 1000 }, limits));
        assert!(is_near(&Usage { memory_bytes: 6, tasks: 0 }, limits));
    }

    #[test]
    fn only_whole_memory_file_systems_count_and_each_once() {
        let mountinfo = "\
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 0:30 / /tmp rw - tmpfs tmpfs rw
22 20 0:30 / /var/tmp rw - tmpfs tmpfs rw
23 20 0:25 /user/berth /run/berth rw master:5 - tmpfs tmpfs rw
24 20 0:31 / /dev rw - tmpfs tmpfs rw";
        assert_eq!(temporary_mounts(mountinfo), ["/tmp", "/dev"]);
    }
}
