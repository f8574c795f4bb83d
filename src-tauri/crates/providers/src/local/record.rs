//! What is written down about a sandbox. The record names the process *before* that process is told to serve, and it
//! gives up when nobody tells it: so nothing runs that no record knows, whenever Berth is killed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use berth_model::NetworkMode;
use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::layout::Places;
use crate::{ProviderError, files};

/// A sandbox, as written down.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// Nothing while it sleeps.
    pub(super) running: Option<Running>,
}

/// How a sandbox was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Running {
    /// Its first process: all others end with it.
    pub(super) first: Process,
    /// The bubblewrap that waits for it outside.
    pub(super) monitor: Process,
    pub(super) network: NetworkMode,
    pub(super) network_note: Option<String>,
    /// Whether web traffic leaves through the egress proxy.
    pub(super) egress: bool,
    pub(super) limits: String,
}

impl Record {
    /// The record, if there is one.
    pub(super) fn read(places: &Places) -> Result<Option<Self>, ProviderError> {
        files::read_record(&places.record)
    }

    pub(super) fn write(&self, places: &Places) -> Result<(), ProviderError> {
        files::write_record(&places.record, self)
    }
}

/// The sandbox that holds the lock, where the record of it was lost.
pub(super) fn holder_of(lock: &Path) -> Option<Process> {
    let meta = fs::symlink_metadata(lock).ok().filter(fs::Metadata::is_file)?;
    let (major, minor) = (nix::libc::major(meta.dev()), nix::libc::minor(meta.dev()));
    let file = format!("{major:02x}:{minor:02x}:{}", meta.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        (fields.get(1) == Some(&"FLOCK") && fields.get(5) == Some(&file.as_str())).then(|| fields[4].parse().ok())?
    })?;
    is_first_of_namespace(pid).then(|| Process::of_pid(pid))?
}

/// Somebody else may look at the lock by taking it, and is not to be ended for that.
fn is_first_of_namespace(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let numbers: Vec<_> = numbers.split_ascii_whitespace().collect();
    numbers.len() > 1 && numbers.last() == Some(&"1")
}
