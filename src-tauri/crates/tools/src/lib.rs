//! What can be done in a sandbox, as text: an action becomes a POSIX `sh` script, the machine's reply becomes a
//! result.
//!
//! The crate is pure. It opens no file, starts no process and knows no connection; a session runs [`Script::text`] in
//! a subshell of `sh` (dash, bash, BusyBox ash or zsh's sh mode) with standard input from `/dev/null`, or from
//! [`Script::stdin`] where there is one, and hands back what came as a [`Reply`].
//!
//! What scripts may count on: POSIX.1-2024's shell and utilities (of the newer ones `find -print0`, `xargs -0 -r` and
//! `readlink`), and `sort -z`, `head -c` and `tail -c`. GNU, BusyBox, toybox and the BSDs have all of these. Faster
//! ways (`find -printf`, `stat -c`, ripgrep, Git, /proc) are looked for by the script itself, at run time.
//!
//! The machine is not trusted. Every byte of a reply is parsed as hostile input: a reply that makes no sense is
//! [`ErrorKind::Garbled`], never a panic; names are separated by NUL or by what cannot stand in a name, never by
//! newlines; and quoting happens in one place, [`ShellScript`].

mod delete;
mod dialect;
mod edit;
mod entry;
mod error;
mod git;
mod glob;
mod grep;
mod inventory;
pub mod jobs;
pub mod kept;
mod list;
mod ls;
mod moving;
mod nearest;
pub mod path;
mod pattern;
mod ports;
mod read;
mod reply;
mod run;
mod shell;
mod sniff;
mod stat;
mod walk;
mod write;

pub use delete::Delete;
pub use edit::{Applied, Edit, Fetch, Fetched};
pub use entry::{Entry, Kind};
pub use error::{ErrorKind, ToolError};
pub use git::{GitLoss, Loss};
pub use glob::{Found, Glob};
pub use grep::{Grep, GrepFound, Match};
pub use inventory::{Installed, Installs, Inventory};
pub use list::{List, Listing};
pub use moving::Move;
pub use path::Place;
pub use ports::{Port, Ports};
pub use read::{Content, FileRead, Read};
pub use run::{Ran, Run};
pub use shell::{BORN, ShellScript, quote};
pub use stat::{FileStat, Stat};
pub use write::{Write, Written};

/// One thing that can be done in a sandbox.
pub trait Tool {
    /// What is known afterwards.
    type Output;

    /// What to run. Fails only where the request itself is wrong ([`ErrorKind::BadRequest`]).
    fn script(&self) -> Result<Script, ToolError>;

    /// What the machine's reply means.
    fn parse(&self, reply: &Reply<'_>) -> Result<Self::Output, ToolError>;
}

/// What to run, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The script. No byte of it is NUL.
    pub text: Vec<u8>,
    /// What it reads, where the payload is too large to stand in the text.
    pub stdin: Option<Vec<u8>>,
    /// How many bytes of standard output the reply may have; the session must not cut it below that.
    pub reply_limit: usize,
    /// Whether running it twice is the same as running it once: it may be sent again when its outcome is unknown.
    pub repeatable: bool,
}

/// What came back.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// Its standard output.
    pub stdout: &'a [u8],
    /// Its standard error.
    pub stderr: &'a [u8],
    /// Its exit code.
    pub exit_code: i32,
    /// Whether a part of either stream was dropped because it was too long.
    pub truncated: bool,
}
