//! What can go wrong with a session.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::shown;

/// What can go wrong with a session.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// There is no connection, and none could be made. Nothing was run.
    #[error("The machine cannot be reached: {reason}. Nothing was run.")]
    NotConnected {
        /// What the last try said.
        reason: String,
    },
    /// As much runs in the machine as may at once, and went on for as long as this one was to take.
    #[error("As much runs in the machine as may at once, and its time ran out before it could begin. Nothing was run.")]
    Busy {},
    /// The connection broke before success or failure was seen.
    #[error("The connection broke before the outcome was seen; it is not known whether the command ran.")]
    OutcomeUnknown {},
    /// The caller ended it.
    #[error("It was stopped.")]
    Cancelled {},
    /// Nothing answers there, in the machine.
    #[error("Nothing answers there in the machine.")]
    ForwardRefused {},
    /// The machine's SSH server forbids forwarding.
    #[error("The machine’s SSH server forbids forwarding, so its ports cannot be reached from here.")]
    ForwardForbidden {},
    /// The machine shows another key than it should.
    #[error("The machine shows the key {shown}, and not {expected} as it should. No command was sent to it.")]
    HostKey {
        /// The fingerprint that was expected.
        expected: String,
        /// The fingerprint that was shown.
        shown: String,
    },
    /// The machine shows another key than a file of known hosts has for it.
    #[error("{0}")]
    HostKeyChanged(Box<ChangedKey>),
    /// The machine's key is not trusted, for another reason.
    #[error("The machine's key is not trusted: {reason}. No password was sent to it, and nothing was run.")]
    HostKeyRefused {
        /// Why, and what to do.
        reason: String,
    },
    /// The machine does not let us in.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The person who was asked did not want to answer.
    #[error("It was not connected: the question about {what} was not answered. Connect again to be asked again.")]
    Declined {
        /// What was asked for.
        what: String,
    },
    /// What is written about the machine cannot be used.
    #[error("The address or its SSH configuration cannot be used: {reason}.")]
    Config {
        /// Why, and what to do.
        reason: String,
    },
    /// A machine on the way failed.
    #[error("The jump host {hop} could not be used. {source}")]
    Hop {
        /// Which one: `bastion (2 of 3)`.
        hop: String,
        /// Why.
        source: Box<SshError>,
    },
    /// The machine has no shell that answers.
    #[error("The machine's shell does not answer as a shell does: {0}")]
    NoShell(String),
    /// A file could not be sent or fetched.
    #[error("The file was not transferred: {0}.")]
    Transfer(String),
    /// The connection broke while files were on their way.
    #[error("The connection broke. What had arrived is kept.")]
    TransferCut {},
    /// SSH itself failed.
    #[error("SSH failed")]
    Ssh(#[from] russh::Error),
    /// The socket failed.
    #[error("The connection failed")]
    Io(#[from] io::Error),
}

/// A host key that is not the one that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedKey {
    /// The machine, as it stands in the file.
    pub host: String,
    /// The fingerprint that is known.
    pub known: String,
    /// The fingerprint that was shown.
    pub shown: String,
    /// The kind of the key that was shown.
    pub algorithm: String,
    /// The file that has the known one.
    pub file: PathBuf,
    /// Whether that is our own file.
    pub ours: bool,
    /// Its line, from 1.
    pub line: usize,
}

impl fmt::Display for ChangedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The key of {} has changed. It shows {} ({}), and {} line {} has {}. Either the machine was set up anew, or \
             somebody is in between and could read what is sent. Nothing was sent and nothing was run. Ask whoever runs \
             the machine for its fingerprint; only if it is the new one, {} and connect again.",
            self.host,
            self.shown,
            self.algorithm,
            self.file.display(),
            self.line,
            self.known,
            if self.ours { "let Berth forget the old one (Check machine)" } else { "remove that line" },
        )
    }
}

/// How a machine did not let us in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Who wanted in; nobody where it is a key of this app.
    pub user: String,
    /// What the machine accepts, in SSH's words: `publickey`, `password`.
    pub offered: Vec<String>,
    /// What was tried, and what came of it.
    pub tried: Vec<Tried>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// One way in that was tried. Has no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What: a key and where it is, or a method's name.
    pub what: String,
    /// What came of it.
    pub outcome: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The machine does not let {} in.", self.user)?;
        if !self.offered.is_empty() {
            write!(f, " It accepts: {}.", self.offered.join(", "))?;
        }
        match &self.tried[..] {
            [] => f.write_str(" There was nothing to try.")?,
            tried => {
                let tried: Vec<_> = tried.iter().map(|one| format!("{}: {}", one.what, one.outcome)).collect();
                write!(f, " Tried: {}.", tried.join("; "))?;
            }
        }
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " {hint}"))
    }
}

impl SshError {
    /// Whether there is no use in trying again before somebody has changed something.
    pub fn is_final(&self) -> bool {
        match self {
            Self::HostKey { .. }
            | Self::HostKeyChanged(_)
            | Self::HostKeyRefused { .. }
            | Self::Refused(_)
            | Self::Declined { .. }
            | Self::Config { .. } => true,
            Self::Hop { source, .. } => source.is_final(),
            _ => false,
        }
    }

    /// The key that has changed, of the machine or of one on the way to it.
    pub fn changed_key(&self) -> Option<&ChangedKey> {
        match self {
            Self::HostKeyChanged(key) => Some(key),
            Self::Hop { source, .. } => source.changed_key(),
            _ => None,
        }
    }

    /// The same once more, for another one who has to be told why there is no connection.
    pub(super) fn told(&self) -> Self {
        match self {
            Self::HostKey { expected, shown } => Self::HostKey { expected: expected.clone(), shown: shown.clone() },
            Self::HostKeyChanged(key) => Self::HostKeyChanged(key.clone()),
            Self::HostKeyRefused { reason } => Self::HostKeyRefused { reason: reason.clone() },
            Self::Refused(refusal) => Self::Refused(refusal.clone()),
            Self::Declined { what } => Self::Declined { what: what.clone() },
            Self::Config { reason } => Self::Config { reason: reason.clone() },
            Self::Hop { hop, source } => Self::Hop { hop: hop.clone(), source: Box::new(source.told()) },
            Self::NotConnected { reason } => Self::NotConnected { reason: reason.clone() },
            error => Self::NotConnected { reason: error.whole() },
        }
    }

    /// With what caused it.
    pub(super) fn whole(&self) -> String {
        match self {
            Self::NotConnected { reason } => reason.clone(),
            Self::Ssh(cause) => format!("SSH failed: {cause}"),
            Self::Io(cause) => format!("The connection failed: {}", shown::io(cause)),
            error => error.to_string(),
        }
    }
}

pub(super) fn lost() -> SshError {
    SshError::NotConnected { reason: "the connection was lost".to_owned() }
}

pub(super) fn closed() -> SshError {
    SshError::NotConnected { reason: "the session was closed".to_owned() }
}
