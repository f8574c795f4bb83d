//! What `sandboxd` is told: one JSON object. The keys in it reach neither a disk nor a command line.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use berth_ssh::server::ServerConfig;
use russh::keys::{PrivateKey, PublicKey};
use serde::{Deserialize, Deserializer, de::Error as _};

/// Everything, parsed.
pub struct Settings {
    /// Where to listen for SSH; not needed where a socket was given.
    pub socket: Option<PathBuf>,
    /// Held for as long as this process lives.
    pub lock: PathBuf,
    /// What the SSH server needs.
    pub server: ServerConfig,
    /// The way out for web traffic, where there is no other.
    pub egress: Option<Egress>,
    /// What the sandbox may use, as far as no cgroup holds it.
    pub limits: Limits,
}

/// Connections to `listen` are led to the Unix socket `socket`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// An address and port of this network namespace.
    pub listen: std::net::SocketAddr,
    /// Where the proxy listens.
    pub socket: PathBuf,
}

/// `None` is no limit.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The memory of all processes together.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// The same, as the kernel is told it: what outruns a look.
    pub most_tasks: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default)]
    socket: Option<PathBuf>,
    lock: PathBuf,
    #[serde(deserialize_with = "private_key")]
    host_key: PrivateKey,
    #[serde(deserialize_with = "public_keys")]
    authorized_keys: Vec<PublicKey>,
    user: String,
    home: PathBuf,
    shell: PathBuf,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    egress: Option<Egress>,
    #[serde(default)]
    limits: Option<Limits>,
}

impl Settings {
    /// Takes the first JSON value; whoever writes it need not close its end.
    pub fn read(input: impl Read) -> Result<Self, serde_json::Error> {
        let input = std::io::BufReader::new(input);
        let wire = Wire::deserialize(&mut serde_json::Deserializer::from_reader(input))?;
        let Wire { socket, lock, host_key, authorized_keys, user, home, shell, env, egress, limits } = wire;
        let server = ServerConfig { host_key, authorized_keys, user, home, shell, env };
        Ok(Self { socket, lock, server, egress, limits: limits.unwrap_or_default() })
    }
}

fn private_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PrivateKey, D::Error> {
    // The text of the error could show the key.
    PrivateKey::from_openssh(String::deserialize(deserializer)?)
        .map_err(|_| D::Error::custom("host_key is not an OpenSSH private key"))
}

fn public_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PublicKey>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| PublicKey::from_openssh(text).map_err(D::Error::custom)).collect()
}
