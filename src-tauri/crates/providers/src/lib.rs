//! Turns the wish for a sandbox into a machine reached by SSH.
//!
//! A provider makes, finds, puts to sleep and takes away machines, and says how to reach them; what is done in them
//! goes over SSH and is none of its business. Today there is one: [`Local`], this computer. The trait comes with the
//! second.

#[cfg(unix)]
pub mod egress;
mod error;
#[cfg_attr(windows, expect(dead_code, reason = "a part is for files of sandboxes, which are in WSL"))]
mod files;
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "a part is for Linux only"))]
mod layout;
#[cfg(target_os = "linux")]
mod local;
#[cfg(unix)]
mod remove;
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "a part is for Linux only"))]
mod sandboxd;
#[cfg(any(target_os = "macos", all(test, target_os = "linux")))]
#[cfg_attr(target_os = "linux", expect(dead_code, reason = "on Linux its pure parts are tested and nothing is run"))]
mod seatbelt;
#[cfg(any(windows, all(test, target_os = "linux")))]
mod wsl;

use std::path::PathBuf;

use berth_model::{ChannelId, NetworkMode};
use berth_ssh::SshTarget;

pub use error::ProviderError;
#[cfg(target_os = "linux")]
pub use local::{Limits, Local};
#[cfg(target_os = "macos")]
pub use seatbelt::Local;
#[cfg(windows)]
pub use wsl::Local;

/// Where the local provider keeps its things.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// Files that last. As root, the users of sandboxes must be able to pass through it: see [`advised_folders`].
    pub data_dir: PathBuf,
    /// Sockets; a short name, since a socket's path is 107 bytes at most.
    pub runtime_dir: PathBuf,
    /// The program that runs in every sandbox; without it the one that `BERTH_SANDBOXD` names, else the one beside this
    /// program.
    pub sandboxd: Option<PathBuf>,
}

/// The data and the runtime folder that root should use, since root's home is closed to the users of sandboxes.
pub fn advised_folders() -> Option<(PathBuf, PathBuf)> {
    #[cfg(target_os = "linux")]
    if nix::unistd::geteuid().is_root() {
        return Some(("/var/lib/berth".into(), "/run/berth".into()));
    }
    None
}

/// The sandbox that is wanted.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// The channel whose home it is.
    pub id: ChannelId,
    /// Letters, digits and dashes, 63 at most.
    pub hostname: String,
    /// The network; without it, or where it cannot be had, the best that works. Never the host's unless asked for.
    pub network: Option<NetworkMode>,
}

/// A sandbox that runs.
#[derive(Debug, Clone)]
pub struct Started {
    /// How it is reached.
    pub target: SshTarget,
    /// Its network.
    pub network: NetworkMode,
    /// A sentence on it, where there is something to say.
    pub network_note: Option<String>,
    /// What it may take, in words.
    pub limits: String,
    /// The home inside, absolute.
    pub home: String,
}

/// How a sandbox is now.
#[derive(Debug, Clone)]
pub enum Found {
    /// It runs.
    Running(Box<Started>),
    /// It has files and no process.
    Asleep,
    /// There is none.
    Gone,
}
