//! Turns the wish for a sandbox into a machine reached by SSH.
//!
//! A provider makes, finds, puts to sleep and takes away machines, and says how to reach them; what is done in them
//! goes over SSH and is none of its business. There are [`Local`], this computer, and [`OwnMachine`], a machine of the
//! person's own.

#[cfg(unix)]
pub mod egress;
mod error;
#[cfg_attr(windows, expect(dead_code, reason = "a part is for files of sandboxes, which are in WSL"))]
mod files;
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "a part is for Linux only"))]
mod layout;
#[cfg(target_os = "linux")]
mod local;
mod own_machine;
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
use futures::future::BoxFuture;

pub use error::ProviderError;
#[cfg(target_os = "linux")]
pub use local::{Limits, Local};
pub use own_machine::OwnMachine;
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

/// Turns the wish for a sandbox into a machine reached by SSH, and back into nothing.
pub trait Provider: Send + Sync {
    /// Makes the sandbox run: makes what is missing, takes over what runs.
    fn start<'a>(&'a self, spec: &'a SandboxSpec) -> BoxFuture<'a, Result<Started, ProviderError>>;

    /// How it is now. One that runs is taken over.
    fn find<'a>(&'a self, id: &'a ChannelId) -> BoxFuture<'a, Result<Found, ProviderError>>;

    /// Ends all of its processes and keeps its files.
    fn sleep<'a>(&'a self, id: &'a ChannelId) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Takes away what it made. What is gone is no error.
    fn destroy<'a>(&'a self, id: &'a ChannelId) -> BoxFuture<'a, Result<(), ProviderError>>;
}

impl Provider for Local {
    fn start<'a>(&'a self, spec: &'a SandboxSpec) -> BoxFuture<'a, Result<Started, ProviderError>> {
        Box::pin(Local::start(self, spec))
    }

    fn find<'a>(&'a self, id: &'a ChannelId) -> BoxFuture<'a, Result<Found, ProviderError>> {
        Box::pin(Local::find(self, id))
    }

    fn sleep<'a>(&'a self, id: &'a ChannelId) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(Local::sleep(self, id))
    }

    fn destroy<'a>(&'a self, id: &'a ChannelId) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(Local::destroy(self, id))
    }
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
    /// Its network, where the provider has a say in it.
    pub network: Option<NetworkMode>,
    /// A sentence on it, where there is something to say.
    pub network_note: Option<String>,
    /// What it may take, in words, where there is a limit.
    pub limits: Option<String>,
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
