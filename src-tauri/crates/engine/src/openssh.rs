//! How OpenSSH's own programs reach a sandbox.

use std::path::Path;

use berth_model::{Channel, SshAccess};
use berth_ssh::{Endpoint, HostKeyCheck, SshTarget};

/// A `Host` block for `ssh_config`, with everything that `ssh`, `scp`, `sftp` and `rsync` need.
pub fn access(channel: &Channel, target: &SshTarget, identity: &Path) -> SshAccess {
    let host = format!("berth-{}", channel.name);
    let HostKeyCheck::Pinned(key) = &target.host_key;
    let (way, socket) = match &target.endpoint {
        Endpoint::Unix(path) => (format!("ProxyCommand berthctl proxy {}", channel.name), path.display().to_string()),
        Endpoint::Tcp { host, port } => (format!("HostName {host}\n  Port {port}"), String::new()),
        Endpoint::Command { program, arguments } => {
            let words = std::iter::once(program.display().to_string()).chain(arguments.iter().cloned());
            (format!("ProxyCommand {}", words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")), String::new())
        }
    };
    // The key is known to Berth, so nobody has to be asked; no other known key counts.
    let config = format!(
        "Host {host}\n  {way}\n  User {user}\n  IdentityFile \"{identity}\"\n  IdentitiesOnly yes\n  HostKeyAlias {id}\n  \
         KnownHostsCommand /bin/echo {id} {key}\n  UserKnownHostsFile /dev/null\n  GlobalKnownHostsFile /dev/null\n  \
         StrictHostKeyChecking yes\n",
        user = target.user,
        identity = identity.display(),
        id = channel.id,
    );
    SshAccess { config, host, socket }
}

/// A word of a `ProxyCommand`, which a shell reads after `%` was replaced in it.
fn quoted(word: &str) -> String {
    String::from_utf8_lossy(&berth_tools::quote(word.replace('%', "%%").as_bytes())).into_owned()
}
