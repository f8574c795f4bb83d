//! What a client may do with files.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::statvfs::{Statvfs, fstatvfs, statvfs};
use russh_sftp::extensions::{self, LimitsExtension};
use russh_sftp::protocol::{Attrs, ExtendedReply, FileAttributes, Handle, OpenFlags, Packet, StatusCode, Version};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::attributes::{self, Subject};
use super::reply::{self, Refusal};
use super::{MAX_PACKET, wire};

/// OpenSSH leaves as much of a packet for what is not data.
const MAX_DATA: usize = MAX_PACKET - 1024;

/// So many names fit into a packet, however long they are.
const NAMES_IN_A_REPLY: usize = 100;

type Reply = Result<Bytes, Refusal>;

/// A client's open files, and all it can do.
pub struct Files {
    home: PathBuf,
    open: HashMap<u32, Open>,
    next: u32,
}

enum Open {
    File(File),
    Folder { path: PathBuf, entries: Entries },
}

type Entries = Box<dyn Iterator<Item = io::Result<OsString>>>;

impl Files {
    pub fn new(home: PathBuf) -> Self {
        Self { home, open: HashMap::new(), next: 0 }
    }

    /// The reply to a request, which is never nothing.
    pub fn answer(&mut self, packet: Bytes) -> Bytes {
        let id = wire::request_id(&packet);
        let reply = wire::decode(packet).ok_or(StatusCode::BadMessage.into()).and_then(|request| self.execute(request));
        reply.unwrap_or_else(|refusal| refusal.encode(id))
    }

    fn execute(&mut self, request: Packet) -> Reply {
        match request {
            Packet::Init(_) => Ok(version()),
            Packet::Open(r) => self.open(r.id, &self.path(&r.filename), r.pflags, &r.attrs),
            Packet::Close(r) => {
                self.open.remove(&number(&r.handle)?).ok_or(StatusCode::Failure)?;
                Ok(reply::ok(r.id))
            }
            Packet::Read(r) => {
                let file = self.file(&r.handle)?;
                let length = (r.len as usize).min(MAX_DATA);
                wire::data(r.id, length, |buffer| read_full(file, buffer, r.offset))?.ok_or(StatusCode::Eof.into())
            }
            Packet::Write(r) => done(r.id, self.file(&r.handle)?.write_all_at(&r.data, r.offset)),
            Packet::Lstat(r) => stat(r.id, fs::symlink_metadata(self.path(&r.path))),
            Packet::Stat(r) => stat(r.id, fs::metadata(self.path(&r.path))),
            Packet::Fstat(r) => stat(r.id, self.metadata(&r.handle)?),
            Packet::SetStat(r) => done(r.id, attributes::set(Subject::Path(&self.path(&r.path)), &r.attrs)),
            Packet::FSetStat(r) => match self.get(&r.handle)? {
                Open::File(file) => done(r.id, attributes::set(Subject::File(file), &r.attrs)),
                Open::Folder { path, .. } => done(r.id, attributes::set(Subject::Path(path), &r.attrs)),
            },
            Packet::OpenDir(r) => self.open_folder(r.id, self.path(&r.path)),
            Packet::ReadDir(r) => self.read_folder(r.id, &r.handle),
            Packet::Remove(r) => done(r.id, fs::remove_file(self.path(&r.filename))),
            Packet::MkDir(r) => {
                let mode = r.attrs.permissions.unwrap_or(0o777) & 0o7777;
                done(r.id, DirBuilder::new().mode(mode).create(self.path(&r.path)))
            }
            Packet::RmDir(r) => done(r.id, fs::remove_dir(self.path(&r.path))),
            Packet::RealPath(r) => Ok(one_name(r.id, &real_path(&self.path(&r.path))?)),
            Packet::Rename(r) => done(r.id, rename_to_new(&self.path(&r.oldpath), &self.path(&r.newpath))),
            Packet::ReadLink(r) => Ok(one_name(r.id, &fs::read_link(self.path(&r.path))?)),
            // OpenSSH sends the two in the other order than the protocol's draft, and all clients follow it.
            Packet::Symlink(r) => {
                let (target, link) = (wire::unescape(&r.linkpath), self.path(&r.targetpath));
                done(r.id, std::os::unix::fs::symlink(target, link))
            }
            Packet::Extended(r) => self.extended(r.id, &r.request, r.data.into()),
            _ => Err(StatusCode::BadMessage.into()),
        }
    }

    fn path(&self, text: &str) -> PathBuf {
        self.home.join(wire::unescape(text))
    }

    fn get(&self, handle: &str) -> Result<&Open, Refusal> {
        Ok(self.open.get(&number(handle)?).ok_or(StatusCode::Failure)?)
    }

    fn file(&self, handle: &str) -> Result<&File, Refusal> {
        match self.get(handle)? {
            Open::File(file) => Ok(file),
            Open::Folder { .. } => Err(StatusCode::Failure.into()),
        }
    }

    fn metadata(&self, handle: &str) -> Result<io::Result<fs::Metadata>, Refusal> {
        Ok(match self.get(handle)? {
            Open::File(file) => file.metadata(),
            Open::Folder { path, .. } => fs::metadata(path),
        })
    }

    fn hold(&mut self, id: u32, open: Open) -> Bytes {
        let handle = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.insert(handle, open);
        reply::packet(Packet::Handle(Handle { id, handle: handle.to_string() }))
    }

    fn open(&mut self, id: u32, path: &Path, flags: OpenFlags, attributes: &FileAttributes) -> Reply {
        let mode = Mode::from_bits_truncate(attributes.permissions.unwrap_or(0o666) & 0o7777);
        let file = File::from(open(path, open_flags(flags) | OFlag::O_CLOEXEC | OFlag::O_NOCTTY, mode)?);
        Ok(self.hold(id, Open::File(file)))
    }

    fn open_folder(&mut self, id: u32, path: PathBuf) -> Reply {
        let own = [".", ".."].map(|name| Ok(OsString::from(name)));
        let others = fs::read_dir(&path)?.map(|entry| Ok(entry?.file_name()));
        let entries = Box::new(own.into_iter().chain(others));
        Ok(self.hold(id, Open::Folder { path, entries }))
    }

    fn read_folder(&mut self, id: u32, handle: &str) -> Reply {
        let Some(Open::Folder { path, entries }) = self.open.get_mut(&number(handle)?) else {
            return Err(StatusCode::Failure.into());
        };
        let mut found = Vec::new();
        for name in entries.by_ref() {
            let name = name?;
            // Gone since the folder was read.
            let Ok(metadata) = fs::symlink_metadata(path.join(&name)) else { continue };
            let attributes = attributes::encode(&attributes::of(&metadata));
            found.push(wire::Entry { name, listing: attributes::listing(&metadata), attributes });
            if found.len() == NAMES_IN_A_REPLY {
                break;
            }
        }
        if found.is_empty() { Err(StatusCode::Eof.into()) } else { Ok(wire::names(id, &found)) }
    }

    fn extended(&self, id: u32, request: &str, mut data: Bytes) -> Reply {
        let mut next = || wire::take_string(&mut data).ok_or(Refusal::from(StatusCode::BadMessage));
        let path = |bytes: &Bytes| self.home.join(wire::os_name(bytes));
        match request {
            "posix-rename@openssh.com" => done(id, fs::rename(path(&next()?), path(&next()?))),
            extensions::HARDLINK => done(id, fs::hard_link(path(&next()?), path(&next()?))),
            extensions::FSYNC => done(id, self.file(&String::from_utf8_lossy(&next()?))?.sync_all()),
            extensions::STATVFS => space(id, &statvfs(&path(&next()?))?),
            "fstatvfs@openssh.com" => space(id, &fstatvfs(self.file(&String::from_utf8_lossy(&next()?))?)?),
            "lsetstat@openssh.com" => {
                let path = path(&next()?);
                let attributes = russh_sftp::de::from_bytes(&mut data).map_err(|_| StatusCode::BadMessage)?;
                done(id, attributes::set(Subject::Link(&path), &attributes))
            }
            extensions::LIMITS => {
                let data = MAX_DATA as u64;
                // 0 is "as many as there may be".
                let limits = LimitsExtension {
                    max_packet_len: MAX_PACKET as u64,
                    max_read_len: data,
                    max_write_len: data,
                    max_open_handles: 0,
                };
                extended_reply(id, &limits)
            }
            extensions::EXPAND_PATH => Ok(one_name(id, &real_path(&self.expand(&next()?))?)),
            _ => Err(StatusCode::OpUnsupported.into()),
        }
    }

    /// `~` is the one user's home; there is no other user.
    fn expand(&self, path: &Bytes) -> PathBuf {
        match path.strip_prefix(b"~") {
            Some(rest) if rest.is_empty() || rest.starts_with(b"/") => {
                let below: &[u8] = rest.strip_prefix(b"/").unwrap_or(rest);
                self.home.join(OsStr::from_bytes(below))
            }
            _ => self.home.join(wire::os_name(path)),
        }
    }
}

fn version() -> Bytes {
    let mut version = Version::new();
    for (name, revision) in [
        ("posix-rename@openssh.com", "1"),
        (extensions::HARDLINK, "1"),
        (extensions::FSYNC, "1"),
        (extensions::STATVFS, "2"),
        ("fstatvfs@openssh.com", "2"),
        ("lsetstat@openssh.com", "1"),
        (extensions::LIMITS, "1"),
        (extensions::EXPAND_PATH, "1"),
    ] {
        version.extensions.insert(name.to_owned(), revision.to_owned());
    }
    reply::packet(Packet::Version(version))
}

fn number(handle: &str) -> Result<u32, Refusal> {
    handle.parse().map_err(|_| StatusCode::Failure.into())
}

fn done(id: u32, result: io::Result<()>) -> Reply {
    result?;
    Ok(reply::ok(id))
}

fn stat(id: u32, metadata: io::Result<fs::Metadata>) -> Reply {
    Ok(reply::packet(Packet::Attrs(Attrs { id, attrs: attributes::of(&metadata?) })))
}

fn one_name(id: u32, path: &Path) -> Bytes {
    let attributes = attributes::encode(&FileAttributes::default());
    wire::names(id, &[wire::Entry { name: path.into(), listing: String::new(), attributes }])
}

fn extended_reply(id: u32, value: &impl serde::Serialize) -> Reply {
    let data = russh_sftp::ser::to_bytes(value).map_err(|_| StatusCode::Failure)?;
    Ok(reply::packet(Packet::ExtendedReply(ExtendedReply { id, data: data.to_vec() })))
}

fn space(id: u32, fs: &Statvfs) -> Reply {
    extended_reply(
        id,
        &extensions::Statvfs {
            block_size: fs.block_size(),
            fragment_size: fs.fragment_size(),
            blocks: fs.blocks(),
            blocks_free: fs.blocks_free(),
            blocks_avail: fs.blocks_available(),
            inodes: fs.files(),
            inodes_free: fs.files_free(),
            inodes_avail: fs.files_available(),
            fs_id: fs.filesystem_id(),
            flags: fs.flags().bits(),
            name_max: fs.name_max(),
        },
    )
}

/// Fewer bytes than asked for mean the end of the file to some clients.
fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + count as u64) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

fn open_flags(flags: OpenFlags) -> OFlag {
    let mut result = match (flags.contains(OpenFlags::READ), flags.contains(OpenFlags::WRITE)) {
        (true, true) => OFlag::O_RDWR,
        (false, true) => OFlag::O_WRONLY,
        _ => OFlag::O_RDONLY,
    };
    for (flag, meaning) in [
        (OpenFlags::APPEND, OFlag::O_APPEND),
        (OpenFlags::CREATE, OFlag::O_CREAT),
        (OpenFlags::TRUNCATE, OFlag::O_TRUNC),
        (OpenFlags::EXCLUDE, OFlag::O_EXCL),
    ] {
        if flags.contains(flag) {
            result |= meaning;
        }
    }
    result
}

/// The protocol's own rename, other than OpenSSH's extension, replaces nothing.
fn rename_to_new(old: &Path, new: &Path) -> io::Result<()> {
    match renameat_with(CWD, old, CWD, new, RenameFlags::NOREPLACE) {
        // A file system that cannot promise it.
        Err(rustix::io::Errno::INVAL) if fs::symlink_metadata(new).is_err() => fs::rename(old, new),
        other => Ok(other?),
    }
}

/// The last part need not exist: clients ask before they make it.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(fs::canonicalize(parent)?.join(name)),
            _ => Err(error),
        },
        other => other,
    }
}
