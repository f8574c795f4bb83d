//! Where the local provider keeps what: the only place that knows the names of its files.

use std::path::PathBuf;

use berth_model::ChannelId;

use crate::ProviderError;

/// The kernel's limit for a Unix socket's path, with its final NUL.
const SOCKET_PATH: usize = if cfg!(target_os = "linux") { 108 } else { 104 };

/// The provider's folders.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) data: PathBuf,
    pub(super) runtime: PathBuf,
}

/// The files of one sandbox. Of all these only `home` is written to from inside; `etc`, `lock` and `net_dir` are seen
/// there, read-only.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) root: PathBuf,
    pub(super) home: PathBuf,
    pub(super) etc: PathBuf,
    pub(super) host_key: PathBuf,
    pub(super) record: PathBuf,
    pub(super) log: PathBuf,
    pub(super) filter: PathBuf,
    pub(super) socket_dir: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) net_dir: PathBuf,
    pub(super) egress: PathBuf,
    pub(super) pasta_pid: PathBuf,
}

impl Layout {
    pub(super) fn client_key(&self) -> PathBuf {
        self.data.join("ssh").join("id_ed25519")
    }

    pub(super) fn programs(&self) -> PathBuf {
        self.data.join("bin")
    }

    pub(super) fn probe(&self) -> PathBuf {
        self.data.join("isolation.json")
    }

    pub(super) fn sandboxes(&self) -> PathBuf {
        self.data.join("sandboxes")
    }

    /// Where a sandbox's folder goes before it is deleted: a crash meanwhile must not leave half a sandbox.
    pub(super) fn doomed(&self, id: &ChannelId) -> PathBuf {
        self.sandboxes().join(format!("{DOOMED}{id}"))
    }

    pub(super) fn places(&self, id: &ChannelId) -> Result<Places, ProviderError> {
        if !is_id(id.as_str()) {
            return Err(ProviderError::BadId(id.to_string()));
        }
        let root = self.sandboxes().join(id.as_str());
        let socket_dir = self.runtime.join("sb").join(id.as_str());
        let net_dir = self.runtime.join("net").join(id.as_str());
        let places = Places {
            home: root.join("home"),
            etc: root.join("etc"),
            host_key: root.join("host_key"),
            record: root.join("sandbox.json"),
            log: root.join("log"),
            filter: root.join("seccomp"),
            root,
            socket: socket_dir.join("ssh.sock"),
            lock: socket_dir.join("lock"),
            socket_dir,
            egress: net_dir.join("egress.sock"),
            pasta_pid: net_dir.join("pasta.pid"),
            net_dir,
        };
        let longest = [&places.socket, &places.egress].into_iter().max_by_key(|path| path.as_os_str().len());
        match longest.filter(|path| path.as_os_str().len() >= SOCKET_PATH) {
            Some(path) => Err(ProviderError::SocketPath(path.clone())),
            None => Ok(places),
        }
    }

    /// The sandboxes that have a folder.
    pub(super) fn ids(&self) -> Vec<ChannelId> {
        self.names().filter(|name| is_id(name)).map(ChannelId).collect()
    }

    /// Folders whose deletion was cut short.
    pub(super) fn leftovers(&self) -> Vec<PathBuf> {
        self.names().filter(|name| name.starts_with(DOOMED)).map(|name| self.sandboxes().join(name)).collect()
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let entries = std::fs::read_dir(self.sandboxes()).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok())
    }
}

const DOOMED: &str = ".doomed-";

/// Ids become names of folders and parts of command lines.
fn is_id(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        let layout = Layout { data: "/d".into(), runtime: "/r".into() };
        for bad in ["", "..", "a/b", "A", "-rf", "a b", ".doomed-a", &"a".repeat(41)] {
            assert!(layout.places(&ChannelId(bad.into())).is_err(), "{bad:?}");
        }
        assert!(layout.places(&ChannelId::fresh()).is_ok());
    }

    #[test]
    fn a_socket_that_the_kernel_would_refuse_is_refused_first() {
        let layout = Layout { data: "/d".into(), runtime: format!("/{}", "r".repeat(80)).into() };
        assert!(matches!(layout.places(&ChannelId::fresh()), Err(ProviderError::SocketPath(_))));
    }
}
