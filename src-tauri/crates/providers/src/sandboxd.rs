//! `sandboxd`, the program that runs in every sandbox, seen from outside: where it is, and what it is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::ProviderError;

/// Variables by name.
pub(crate) type Env = BTreeMap<String, String>;

/// The user inside.
pub(crate) const USER: &str = "dev";

/// What `sandboxd` is told.
#[derive(Serialize)]
pub(crate) struct Settings<'a> {
    /// Nothing where it is given a socket that listens.
    pub(crate) socket: Option<String>,
    pub(crate) lock: String,
    pub(crate) host_key: &'a str,
    pub(crate) authorized_keys: [String; 1],
    pub(crate) user: &'a str,
    pub(crate) home: &'a str,
    pub(crate) shell: &'a str,
    pub(crate) env: Env,
    pub(crate) egress: Option<Forwarder>,
    pub(crate) limits: Option<Watched>,
}

#[derive(Serialize)]
pub(crate) struct Forwarder {
    pub(crate) listen: String,
    pub(crate) socket: String,
}

#[derive(Serialize)]
pub(crate) struct Watched {
    /// Nothing where a cgroup holds it.
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) tasks: u64,
    /// What the kernel is told.
    pub(crate) most_tasks: u64,
}

/// This process's own variables, those that are text.
pub(crate) fn own_env() -> Env {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Where `sandboxd` is: as configured, as the environment says, or beside this program.
pub(crate) fn program(configured: Option<&Path>, env: &Env) -> Result<PathBuf, ProviderError> {
    let beside = || {
        let program = std::env::current_exe().unwrap_or_default();
        program.with_file_name("sandboxd")
    };
    let path =
        configured.map(Path::to_owned).or_else(|| env.get("BERTH_SANDBOXD").map(PathBuf::from)).unwrap_or_else(beside);
    if path.is_file() { Ok(path) } else { Err(ProviderError::NoSandboxd { looked_for: path }) }
}

const PROXIES: [&str; 6] = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
const NO_PROXIES: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The computer's own proxy settings, where there is no password in them.
pub(crate) fn open_proxies(computer: &Env) -> impl Iterator<Item = (String, String)> {
    let settings = PROXIES.into_iter().chain(NO_PROXIES).filter_map(|name| computer.get_key_value(name));
    settings.filter(|(_, value)| !value.contains('@')).map(|(name, value)| (name.clone(), value.clone()))
}

/// The variables that lead programs through the proxy at `address`.
pub(crate) fn proxied_env(address: &str) -> impl Iterator<Item = (String, String)> {
    let proxy = format!("http://{address}");
    let local = "localhost,127.0.0.1,127.0.0.0/8,::1,.localhost".to_owned();
    PROXIES
        .map(|name| (name.to_owned(), proxy.clone()))
        .into_iter()
        .chain(NO_PROXIES.map(|name| (name.to_owned(), local.clone())))
        // Node's own fetch and http follow the variables only when told to.
        .chain([("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned())])
}
