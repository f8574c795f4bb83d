//! Where a session leads, and who it is there.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::{Algorithm, PrivateKey, decode_secret_key};
use zeroize::Zeroizing;

use super::keys::Kept;

/// A machine, and how to be let in.
#[derive(Debug, Clone)]
pub struct SshTarget {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The user to be.
    pub user: String,
    /// How to be let in.
    pub auth: Auth,
    /// How to know that it is the right machine.
    pub host_key: HostKeyCheck,
}

/// How to be let in.
#[derive(Debug, Clone)]
pub enum Auth {
    /// By this key, and nothing else.
    Key(Identity),
    /// By what a person has.
    Person(Arc<Credentials>),
}

impl From<Identity> for Auth {
    fn from(identity: Identity) -> Self {
        Self::Key(identity)
    }
}

/// What a person may be let in by, in the order that it is tried: keys of the agent, keys in files, what the machine
/// asks, a password.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// What the person calls the machine, for questions and errors; without it that is its host.
    pub called: Option<String>,
    /// Private keys. `<file>-cert.pub` beside one is its certificate.
    pub key_files: Vec<PathBuf>,
    /// More certificates of those keys.
    pub certificates: Vec<PathBuf>,
    /// The agent's socket; a named pipe on Windows. None is asked without it.
    pub agent: Option<PathBuf>,
    /// Of the agent's keys only those that are also among the files.
    pub identities_only: bool,
    /// A password is not tried.
    pub no_password: bool,
    /// What the machine asks in its own words is not answered.
    pub no_prompts: bool,
    /// Asked for what only a person knows; without one nothing is tried that needs it.
    pub asker: Option<Arc<dyn Asker>>,
    /// What was said before: nothing at first. Clones share it.
    pub kept: Kept,
}

/// Asks a person.
pub trait Asker: std::fmt::Debug + Send + Sync {
    /// One answer for each thing that is asked (for [`Question::HostKey`] any number means yes); `None` where the
    /// person does not want to, and then nothing is asked again.
    fn ask(&self, question: Question) -> futures::future::BoxFuture<'_, Option<Vec<Zeroizing<String>>>>;
}

/// What only a person can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Whether a machine that was never seen is the right one.
    HostKey {
        /// As it is written into the file of known hosts: `host`, or `[host]:port`.
        host: String,
        /// The kind of its key, such as `ssh-ed25519`.
        algorithm: String,
        /// The key's fingerprint: `SHA256:…`.
        fingerprint: String,
    },
    /// The password of an account.
    Password {
        /// Whose.
        user: String,
        /// Where.
        host: String,
        /// Whether the one before was refused.
        again: bool,
    },
    /// What a private key is encrypted with.
    Passphrase {
        /// The key's file.
        file: PathBuf,
        /// Whether the one before was wrong.
        again: bool,
    },
    /// What the machine asks in its own words.
    Prompts {
        /// The machine's title for it.
        title: String,
        /// What it says before.
        instructions: String,
        /// What it asks, and whether the answer may be seen while it is typed.
        prompts: Vec<(String, bool)>,
    },
}

/// Where an SSH server listens.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// A Unix socket on this computer.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A TCP port that another machine reaches: OpenSSH's `ProxyJump`.
    Jump {
        /// That machine.
        through: Box<SshTarget>,
        /// Name or address, as it knows it.
        host: String,
        /// Port.
        port: u16,
    },
    /// A program whose standard input and output are the connection: OpenSSH's `ProxyCommand`.
    Command {
        /// The program.
        program: PathBuf,
        /// Its arguments as they are: no shell reads them.
        arguments: Vec<String>,
    },
}

/// A private key. Shown as nothing.
#[derive(Clone)]
pub struct Identity(pub(crate) Arc<PrivateKey>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// A key that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("this is not a private key that can be used")]
pub struct BadKey(#[source] russh::keys::Error);

impl Identity {
    /// A new Ed25519 key.
    pub fn generate() -> Result<Self, BadKey> {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)
            .map_err(|error| BadKey(error.into()))?;
        Ok(Self(Arc::new(key)))
    }

    /// From OpenSSH's own format.
    pub fn from_openssh(text: &str) -> Result<Self, BadKey> {
        decode_secret_key(text, None).map(|key| Self(Arc::new(key))).map_err(BadKey)
    }

    /// In OpenSSH's own format. A secret.
    pub fn to_openssh(&self) -> Result<String, BadKey> {
        let text = self.0.to_openssh(Default::default()).map_err(|error| BadKey(error.into()))?;
        Ok(text.to_string())
    }

    /// The public half: `ssh-ed25519 AAAA…`.
    pub fn public(&self) -> String {
        self.0.public_key().to_openssh().unwrap_or_default()
    }
}

/// The files of known hosts in which a machine is looked for.
#[derive(Debug, Clone)]
pub struct KnownHosts {
    /// Its name there: its `HostKeyAlias`, else its host name or address.
    pub host: String,
    /// Its port; other than 22 it is part of the name. `None` for an alias.
    pub port: Option<u16>,
    /// Files that are read, such as OpenSSH's own.
    pub files: Vec<PathBuf>,
    /// Our own file: read too, and what a person has said yes to is written into it.
    pub own: PathBuf,
    /// Asked about a machine that is in none of them; without one it is refused.
    pub asker: Option<Arc<dyn Asker>>,
}

/// How to know that it is the right machine.
#[derive(Debug, Clone)]
pub enum HostKeyCheck {
    /// It shows exactly this key: `ssh-ed25519 AAAA…`.
    Pinned(String),
    /// It shows a key that files of known hosts have for it; where they have none, a person is asked.
    Known(Arc<KnownHosts>),
}
