//! Where a session leads, and who it is there.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::{Algorithm, PrivateKey, decode_secret_key};

/// A machine, and how to be let in.
#[derive(Debug, Clone)]
pub struct SshTarget {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The user to be.
    pub user: String,
    /// The key to be known by.
    pub identity: Identity,
    /// How to know that it is the right machine.
    pub host_key: HostKeyCheck,
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

/// How to know that it is the right machine.
#[derive(Debug, Clone)]
pub enum HostKeyCheck {
    /// It shows exactly this key: `ssh-ed25519 AAAA…`.
    Pinned(String),
}
