//! The children of this process: the only place that starts and waits for them.
//!
//! Being the first process of a PID namespace means to reap whatever is orphaned there; a second waiter beside the
//! reaper (as `tokio::process` would be) loses exit statuses to it. So there is one: every status comes here, those
//! of our own children go to who waits for them, the rest are strangers' and are dropped.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, WaitStatus, wait};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// `POSIX_SPAWN_SETSID`; of Apple's, from its <spawn.h>, the libc crate does not tell.
#[cfg(not(target_os = "macos"))]
const SETSID: libc::c_short = libc::POSIX_SPAWN_SETSID;
#[cfg(target_os = "macos")]
const SETSID: libc::c_short = 0x0400;

/// The table of running children. Cheap to clone; all clones are the same table.
#[derive(Clone)]
pub struct Children {
    running: Arc<Mutex<HashMap<i32, oneshot::Sender<WaitStatus>>>>,
}

/// A program to start, and what it gets.
pub(super) struct Program<'a> {
    pub path: &'a Path,
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    pub directory: &'a Path,
    /// How its descriptors 0, 1 and 2 come to be.
    pub descriptors: PosixSpawnFileActions,
}

/// A started child: the leader of a session of its own.
pub(super) struct Child {
    pid: Pid,
    children: Children,
    exit: oneshot::Receiver<WaitStatus>,
}

impl Children {
    /// Starts reaping; call it inside a runtime, once in a process.
    pub fn reap() -> io::Result<Self> {
        let mut arrivals = signal(SignalKind::child())?;
        let children = Self { running: Arc::default() };
        let table = children.clone();
        tokio::spawn(async move {
            loop {
                table.collect();
                if arrivals.recv().await.is_none() {
                    break;
                }
            }
        });
        Ok(children)
    }

    fn collect(&self) {
        // Held from before the first wait: a child that dies at birth is in the table when its status is looked up.
        let mut running = self.table();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if let Some(waiter) = running.remove(&pid.as_raw_nonzero().get()) {
                let _ = waiter.send(status);
            }
        }
    }

    /// `posix_spawn` and not fork: it copies no page table, and its child runs no code of ours.
    pub(super) fn spawn(&self, program: Program<'_>) -> io::Result<Child> {
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_flags(
            PosixSpawnFlags::from_bits_retain(SETSID.into())
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK,
        )?;
        // Rust ignores SIGPIPE, and that would be inherited.
        attributes.set_sigdefault(&SigSet::all())?;
        attributes.set_sigmask(&SigSet::empty())?;

        let mut running = self.table();
        // The working directory belongs to the whole process; the lock makes it this child's for the moment.
        // A home that is gone must not lock its owner out.
        if std::env::set_current_dir(program.directory).is_err() {
            std::env::set_current_dir("/")?;
        }
        let pid =
            posix_spawn(program.path, &program.descriptors, &attributes, &program.arguments, &program.environment)?;
        let (waiter, exit) = oneshot::channel();
        running.insert(pid.as_raw(), waiter);
        Ok(Child { pid, children: self.clone(), exit })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<i32, oneshot::Sender<WaitStatus>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends signals to a child's process group.
#[derive(Clone)]
pub(super) struct Group {
    leader: Pid,
    children: Children,
}

impl Group {
    /// Does nothing once the leader is reaped: its number may be another's by then.
    pub fn signal(&self, signal: Signal) {
        let running = self.children.table();
        if running.contains_key(&self.leader.as_raw()) {
            let _ = killpg(self.leader, signal);
        }
    }

    /// What a terminal that goes away does to its session; a stopped process must run to notice.
    pub fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
        self.signal(Signal::SIGCONT);
    }
}

impl Child {
    pub fn group(&self) -> Group {
        Group { leader: self.pid, children: self.children.clone() }
    }

    /// `None` only when the reaper is gone, so at the end of the world.
    pub async fn exited(&mut self) -> Option<WaitStatus> {
        (&mut self.exit).await.ok()
    }
}
