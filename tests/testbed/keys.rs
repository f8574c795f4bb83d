//! The keys of a server and of who may come in.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use berth_ssh::Identity;

pub(crate) struct Keys {
    pub(crate) host: Identity,
    pub(crate) identity: Identity,
}

impl Keys {
    /// New ones, in files: `host` and `key`, each with its public half, and `keys`, which lists who may come in.
    pub(crate) fn lay_out(at: &Path) -> Self {
        let keys = Self { host: Identity::generate().unwrap(), identity: Identity::generate().unwrap() };
        for (name, key) in [("host", &keys.host), ("key", &keys.identity)] {
            write(at, name, key);
        }
        fs::write(at.join("keys"), keys.identity.public()).unwrap();
        keys
    }
}

pub(crate) fn write(at: &Path, name: &str, key: &Identity) {
    fs::write(at.join(name), key.to_openssh().unwrap()).unwrap();
    fs::set_permissions(at.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(at.join(format!("{name}.pub")), key.public()).unwrap();
}
