//! What files are like on this computer.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// The permissions that are carried over: neither owner nor what lends the owner's rights.
pub(super) const MODE: u32 = 0o777;

/// When it was changed last, in whole seconds; what is older than 1970 counts as of then.
pub(super) fn mtime(about: &Metadata) -> u64 {
    let since = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.unwrap_or_default().as_secs()
}

/// Gives an open file its time.
pub(super) fn set_mtime(file: &fs::File, mtime: u64) -> io::Result<()> {
    // A time that no system knows is left as it is.
    match UNIX_EPOCH.checked_add(Duration::from_secs(mtime)) {
        Some(at) => file.set_modified(at),
        None => Ok(()),
    }
}

/// The permissions of a file or folder.
#[cfg(unix)]
pub(super) fn mode(about: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    about.permissions().mode() & MODE
}

/// The permissions of a file or folder, where files have none: what is usual.
#[cfg(not(unix))]
pub(super) fn mode(about: &Metadata) -> u32 {
    if about.is_dir() { 0o755 } else { 0o644 }
}

/// Gives it permissions.
#[cfg(unix)]
pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode & MODE))
}

/// Files have no such permissions here.
#[cfg(not(unix))]
pub(super) fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// Makes a link.
#[cfg(unix)]
pub(super) fn link(target: &OsStr, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

/// Links need rights that people do not have here.
#[cfg(not(unix))]
pub(super) fn link(_: &OsStr, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A name as the machine has it.
pub(super) fn bytes(name: &OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

/// A name of the machine's as this computer has it.
#[cfg(unix)]
pub(super) fn os(bytes: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(OsString::from_vec(bytes.to_vec()))
}

/// A name of the machine's as this computer has it; nothing where it would mean something else here.
#[cfg(not(unix))]
pub(super) fn os(bytes: &[u8]) -> Option<OsString> {
    let name = std::str::from_utf8(bytes).ok()?;
    let means_more = |c: char| c.is_control() || "\\:<>\"|?*".contains(c);
    (!name.contains(means_more) && !name.ends_with(['.', ' '])).then(|| name.into())
}
