//! Files of this computer as one tar stream.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tar::{Builder, EntryType, Header};

use super::local;
use super::outcome::Missed;
use super::pipe::Sink;
use super::walk::{Item, Kind};

/// The folder of the stream that has what is sent.
pub(super) const TREE: &str = "t";

/// Writes `items` below [`TREE`], and at the end the file `end`, by which the machine knows that this was all.
pub(super) fn pack(
    items: &[Item],
    end: (&str, &[u8]),
    sink: Sink,
    done: &AtomicU64,
    missed: &mut Missed,
) -> Result<(), String> {
    let mut builder = Builder::new(sink);
    let cut = |error: io::Error| error.to_string();
    folder(&mut builder, Path::new(TREE), 0o700, 0).map_err(cut)?;
    for item in items {
        let Some(name) = local::os(&item.name) else {
            missed.failed(&item.name, "its name is none");
            continue;
        };
        let name = Path::new(TREE).join(name);
        let named = |error: io::Error| format!("{}: {error}", item.at.display());
        match &item.kind {
            // Its own mode may forbid to put into it what follows: that comes at the end.
            Kind::Folder => folder(&mut builder, &name, item.mode | 0o700, item.mtime).map_err(named)?,
            Kind::Link(target) => {
                let mut header = header(EntryType::Symlink, 0, 0o777, item.mtime);
                builder.append_link(&mut header, &name, target).map_err(named)?;
            }
            Kind::File(size) => match File::open(&item.at) {
                Ok(file) => {
                    let mut header = header(EntryType::Regular, *size, item.mode, item.mtime);
                    let exactly = Exactly { file, left: *size, done };
                    builder.append_data(&mut header, &name, exactly).map_err(named)?;
                }
                Err(error) => missed.failed(&item.name, &error.to_string()),
            },
        }
    }
    let mut last = header(EntryType::Regular, end.1.len() as u64, 0o600, 0);
    builder.append_data(&mut last, end.0, end.1).map_err(cut)?;
    builder.into_inner().and_then(|mut sink| sink.flush()).map_err(cut)
}

fn folder(builder: &mut Builder<Sink>, name: &Path, mode: u32, mtime: u64) -> io::Result<()> {
    let mut header = header(EntryType::Directory, 0, mode, mtime);
    builder.append_data(&mut header, name, io::empty())
}

fn header(kind: EntryType, size: u64, mode: u32, mtime: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(mtime);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// A file as long as it was said to be: what was added meanwhile is left, and one that became shorter is an error.
struct Exactly<'a> {
    file: File,
    left: u64,
    done: &'a AtomicU64,
}

impl Read for Exactly<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.file.read(&mut into[..most])?;
        if read == 0 {
            return Err(io::Error::other("it became shorter while it was being sent"));
        }
        self.left -= read as u64;
        self.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
