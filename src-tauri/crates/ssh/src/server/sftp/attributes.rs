//! Attributes of files, from the file system and to it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, fchown, lchown};
use std::path::Path;

use bytes::Bytes;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, futimens, utimensat};
use nix::sys::time::TimeSpec;
use russh_sftp::protocol::{File, FileAttributes};

/// What to change the attributes of.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// What a path leads to.
    Path(&'a Path),
    /// The link itself, where the path is one.
    Link(&'a Path),
    /// An open file.
    File(&'a std::fs::File),
}

/// The protocol's seconds have 32 bits without a sign; what does not fit is cut to the nearest that does.
pub fn of(metadata: &Metadata) -> FileAttributes {
    let seconds = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
    FileAttributes {
        size: Some(metadata.len()),
        uid: Some(metadata.uid()),
        gid: Some(metadata.gid()),
        permissions: Some(metadata.mode()),
        atime: Some(seconds(metadata.atime())),
        mtime: Some(seconds(metadata.mtime())),
        ..FileAttributes::default()
    }
}

pub fn encode(attributes: &FileAttributes) -> Bytes {
    russh_sftp::ser::to_bytes(attributes).unwrap_or_default()
}

/// What a long listing shows before the name.
pub fn listing(metadata: &Metadata) -> String {
    let mut line = File::new("", of(metadata)).longname;
    let kind = metadata.file_type();
    // The crate knows directories only.
    let letter = match () {
        () if kind.is_symlink() => "l",
        () if kind.is_fifo() => "p",
        () if kind.is_socket() => "s",
        () if kind.is_char_device() => "c",
        () if kind.is_block_device() => "b",
        () => return line,
    };
    line.replace_range(..1, letter);
    line
}

/// Sets what `attributes` names, in OpenSSH's order, and goes on after a failure; the last one is told.
pub fn set(subject: Subject<'_>, attributes: &FileAttributes) -> io::Result<()> {
    let mut result = Ok(());
    let mut attempt = |outcome: io::Result<()>| {
        if outcome.is_err() {
            result = outcome;
        }
    };
    if let Some(size) = attributes.size {
        attempt(truncate(subject, size));
    }
    if let Some(mode) = attributes.permissions {
        attempt(set_mode(subject, mode & 0o7777));
    }
    if let (Some(accessed), Some(modified)) = (attributes.atime, attributes.mtime) {
        attempt(set_times(subject, accessed, modified));
    }
    if let (Some(uid), Some(gid)) = (attributes.uid, attributes.gid) {
        attempt(match subject {
            Subject::Path(path) => chown(path, Some(uid), Some(gid)),
            Subject::Link(path) => lchown(path, Some(uid), Some(gid)),
            Subject::File(file) => fchown(file, Some(uid), Some(gid)),
        });
    }
    result
}

fn truncate(subject: Subject<'_>, size: u64) -> io::Result<()> {
    match subject {
        Subject::Path(path) => std::fs::File::options().write(true).open(path)?.set_len(size),
        Subject::File(file) => file.set_len(size),
        Subject::Link(_) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn set_mode(subject: Subject<'_>, mode: u32) -> io::Result<()> {
    let permissions = std::fs::Permissions::from_mode(mode);
    match subject {
        Subject::Path(path) => std::fs::set_permissions(path, permissions),
        Subject::File(file) => file.set_permissions(permissions),
        // Linux has no modes of links.
        Subject::Link(path) if path.is_symlink() => Err(io::ErrorKind::Unsupported.into()),
        Subject::Link(path) => std::fs::set_permissions(path, permissions),
    }
}

fn set_times(subject: Subject<'_>, accessed: u32, modified: u32) -> io::Result<()> {
    let [accessed, modified] = [accessed, modified].map(|seconds| TimeSpec::new(i64::from(seconds), 0));
    let at = |path: &Path, flags| utimensat(AT_FDCWD, path, &accessed, &modified, flags);
    let done = match subject {
        Subject::Path(path) => at(path, UtimensatFlags::FollowSymlink),
        Subject::Link(path) => at(path, UtimensatFlags::NoFollowSymlink),
        Subject::File(file) => futimens(file, &accessed, &modified),
    };
    Ok(done?)
}
