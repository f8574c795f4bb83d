//! Where an engine keeps its state and its sockets.

use std::io;
use std::path::{Path, PathBuf};

/// The two folders of an engine. Everything Berth keeps is under one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// What must last: `BERTH_DATA_DIR`, else the platform's data folder.
    pub data: PathBuf,
    /// Sockets, which do not: `BERTH_RUNTIME_DIR`, else a folder of this user for this data folder.
    pub runtime: PathBuf,
}

/// Why there are no folders.
#[derive(Debug, thiserror::Error)]
pub enum FoldersError {
    /// The platform names no home.
    #[error("this user has no home folder to keep data in; set BERTH_DATA_DIR")]
    NoHome,
    /// A folder could not be made.
    #[error("{path} cannot be made", path = .path.display())]
    Make {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else made the folder first.
    #[error("{path} belongs to another user; set BERTH_RUNTIME_DIR to a folder of your own", path = .path.display())]
    NotOurs {
        /// Which.
        path: PathBuf,
    },
}

impl Folders {
    /// As the environment says.
    pub fn from_env() -> Result<Self, FoldersError> {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let named =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from).map(absolute);
        let usual = Self::usual();
        let data = named("BERTH_DATA_DIR").or_else(|| usual.as_ref().map(|usual| usual.data.clone()));
        let data = data.ok_or(FoldersError::NoHome)?;
        let runtime = named("BERTH_RUNTIME_DIR").unwrap_or_else(|| match usual {
            Some(usual) if usual.data == data => usual.runtime,
            _ => default_runtime(runtime_base(), &data, false),
        });
        Ok(Self { data, runtime })
    }

    /// Where they are when nobody says otherwise. Root's are outside its home, which no sandbox's user may pass through.
    pub fn usual() -> Option<Self> {
        if let Some((data, runtime)) = berth_providers::advised_folders() {
            return Some(Self { data, runtime });
        }
        let data = directories::ProjectDirs::from("", "", "berth")?.data_dir().to_owned();
        let runtime = default_runtime(runtime_base(), &data, true);
        Some(Self { data, runtime })
    }

    /// Makes both; only this user may look into them.
    pub fn make(&self) -> Result<(), FoldersError> {
        make_private(&self.data)?;
        make_private(&self.runtime)
    }

    /// Where the engine listens.
    pub fn socket(&self) -> PathBuf {
        self.runtime.join("engine.sock")
    }

    /// The port that previews are served on unless it is taken: the same at every start, so that addresses last.
    pub fn preferred_port(&self) -> u16 {
        port(&self.data, 0)
    }

    /// The port that MCP is served on unless it is taken, likewise.
    pub fn preferred_mcp_port(&self) -> u16 {
        port(&self.data, 1)
    }
}

/// Below 32,768, where Linux starts to hand out ports by itself, and above what services have for their own.
fn port(data: &Path, which: u16) -> u16 {
    let slot = u16::try_from(fingerprint(data) % 5_000).unwrap_or_default();
    20_000 + slot * 2 + which
}

fn runtime_base() -> Option<PathBuf> {
    directories::BaseDirs::new().and_then(|dirs| dirs.runtime_dir().map(Path::to_owned))
}

/// A runtime folder must differ for each data folder, or two engines would fight for one socket.
fn default_runtime(base: Option<PathBuf>, data: &Path, usual: bool) -> PathBuf {
    let (base, mut name) = match base {
        Some(base) => (base, "berth".to_owned()),
        // A folder that others can write to: the name carries the user, and `make` checks the owner.
        None => (std::env::temp_dir(), format!("berth-{}", user())),
    };
    if !usual {
        name.push_str(&format!("-{:08x}", fingerprint(data)));
    }
    base.join(name)
}

/// FNV-1a: the same in every build, which the standard library's hasher does not promise.
fn fingerprint(path: &Path) -> u32 {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(unix)]
fn user() -> String {
    nix::unistd::Uid::current().to_string()
}

#[cfg(not(unix))]
fn user() -> String {
    std::env::var("USERNAME").unwrap_or_default()
}

#[cfg(unix)]
fn make_private(path: &Path) -> Result<(), FoldersError> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};

    let make = |source| FoldersError::Make { path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(make)?;
    let found = std::fs::symlink_metadata(path).map_err(make)?;
    if found.uid() != nix::unistd::Uid::effective().as_raw() {
        return Err(FoldersError::NotOurs { path: path.to_owned() });
    }
    let mode = found.permissions().mode();
    if found.is_dir() && mode & 0o066 != 0 {
        // Passing through stays: as root, the users of sandboxes must get to what is theirs.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o711)).map_err(make)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> Result<(), FoldersError> {
    std::fs::create_dir_all(path).map_err(|source| FoldersError::Make { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_data_folders_have_two_runtime_folders() {
        let base = Some(PathBuf::from("/run/user/1"));
        let usual = default_runtime(base.clone(), Path::new("/home/a/data"), true);
        let one = default_runtime(base.clone(), Path::new("/home/a/one"), false);
        let two = default_runtime(base, Path::new("/home/a/two"), false);
        assert_eq!(usual, Path::new("/run/user/1/berth"));
        assert!(one != two && one != usual, "{one:?} {two:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_was_open_to_others_is_closed() {
        use std::os::unix::fs::PermissionsExt as _;

        let temp = tempfile::tempdir().expect("a folder");
        let folders = Folders { data: temp.path().join("a/data"), runtime: temp.path().join("run") };
        std::fs::create_dir(&folders.runtime).expect("made");
        std::fs::set_permissions(&folders.runtime, std::fs::Permissions::from_mode(0o755)).expect("opened");
        folders.make().expect("made");
        for folder in [&folders.data, &folders.runtime] {
            let mode = std::fs::metadata(folder).expect("is there").permissions().mode();
            assert_eq!(mode & 0o766, 0o700, "{folder:?}");
        }
        std::fs::set_permissions(&folders.data, std::fs::Permissions::from_mode(0o711)).expect("opened");
        folders.make().expect("made");
        let mode = std::fs::metadata(&folders.data).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o711, "a provider's users still pass through it");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn root_keeps_its_things_where_the_users_of_sandboxes_may_pass() {
        let usual = Folders::usual().expect("folders");
        let at_home = directories::ProjectDirs::from("", "", "berth").expect("a home").data_dir().to_owned();
        if nix::unistd::Uid::effective().is_root() {
            assert_eq!(usual.data, Path::new("/var/lib/berth"));
            assert_eq!(usual.runtime, Path::new("/run/berth"));
        } else {
            assert_eq!(usual.data, at_home);
        }
    }
}
