//! How OpenSSH's own programs reach a sandbox.

use std::path::{Path, PathBuf};

use berth_model::{Channel, SshAccess};
use berth_ssh::{Endpoint, HostKeyCheck, SshTarget};

use crate::front::folders::Folders;

/// A `Host` block for `ssh_config`, with everything that `ssh`, `scp`, `sftp` and `rsync` need. It stays true when the
/// channel is renamed, and wherever it is read: with another PATH, in another folder.
pub fn access(channel: &Channel, target: &SshTarget, folders: &Folders) -> SshAccess {
    let host = format!("berth-{}", channel.name);
    let (way, socket) = match &target.endpoint {
        Endpoint::Unix(path) => (format!("ProxyCommand {}", proxy(channel, folders)), Some(path.display().to_string())),
        Endpoint::Tcp { host, port } => (format!("HostName {host}\n  Port {port}"), None),
        Endpoint::Jump { through, host, port } => {
            let hop = match &through.endpoint {
                Endpoint::Tcp { host, port } => format!("\n  ProxyJump {}@{host}:{port}", through.user),
                // More hops are the person's own configuration's business.
                _ => String::new(),
            };
            (format!("HostName {host}\n  Port {port}{hop}"), None)
        }
        Endpoint::Command { program, arguments } => {
            let words = std::iter::once(program.as_path()).chain(arguments.iter().map(Path::new));
            let line = words.map(quoted).collect::<Vec<_>>().join(" ");
            (format!("ProxyCommand {}", percent(&line)), None)
        }
    };
    let id = &channel.id;
    let trust = match &target.host_key {
        // The key is known to Berth, so nobody has to be asked; no other known key counts.
        HostKeyCheck::Pinned(key) => format!(
            "  IdentityFile \"{identity}\"\n  IdentitiesOnly yes\n  HostKeyAlias {id}\n  \
             KnownHostsCommand /bin/echo {id} {key}\n  UserKnownHostsFile /dev/null\n  \
             GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n",
            identity = percent(&folders.data.join("ssh/id_ed25519").display().to_string()),
        ),
        // The person's own machine, keys and known hosts.
        HostKeyCheck::Known(_) => String::new(),
    };
    let config = format!("Host {host}\n  {way}\n  User {user}\n{trust}", user = target.user);
    SshAccess { config, host, socket }
}

/// The command line, for the person's shell, that connects to the sandbox's SSH server.
fn proxy(channel: &Channel, folders: &Folders) -> String {
    let mut line = String::new();
    if Folders::usual().as_ref() != Some(folders) {
        // OpenSSH puts `exec` before the line, after which no shell takes an assignment.
        line.push_str("env ");
        for (name, folder) in [("BERTH_DATA_DIR", &folders.data), ("BERTH_RUNTIME_DIR", &folders.runtime)] {
            line.push_str(&format!("{name}={} ", quoted(folder)));
        }
    }
    line.push_str(&format!("{} proxy {}", quoted(&berthctl()), channel.id));
    percent(&line)
}

/// The program beside this one; else whatever is in the PATH.
pub fn berthctl() -> PathBuf {
    let name = format!("berthctl{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(&name)));
    beside.filter(|program| program.exists()).unwrap_or_else(|| PathBuf::from(name))
}

/// One word of a command line.
fn quoted(word: &Path) -> String {
    let text = word.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    match text.bytes().all(plain) {
        true => text,
        false => String::from_utf8_lossy(&berth_tools::quote(text.as_bytes())).into_owned(),
    }
}

/// `%` begins a token of OpenSSH's.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}
