//! A tar stream of a machine, taken apart with a limit to everything.
//!
//! The headers are read by the `tar` crate; its own loop is not used, since it reads names of any length into memory.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use tar::{EntryType, Header, PaxExtensions};

use super::place::Place;

/// A block of the format.
const BLOCK: usize = 512;
/// The most of a name that does not fit its header.
const NAME: u64 = 64 * 1024;
/// The most of what else is said of an entry.
const EXTENSIONS: u64 = 1024 * 1024;

/// Why a stream was not read to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// It was cut.
    Cut,
    /// It is none, or what came could not be written.
    Failed(String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Cut,
            _ => Self::Failed(format!("what came could not be written: {error}")),
        }
    }
}

/// What stands before an entry and is about it.
#[derive(Default)]
struct About {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    mtime: Option<u64>,
}

/// Writes all entries to their places. `done` grows by the bytes of content.
pub(super) fn unpack(source: impl Read, place: &mut Place, done: &AtomicU64) -> Result<(), Broken> {
    let mut source = Counted { source, done };
    let mut about = About::default();
    loop {
        let mut block = [0; BLOCK];
        source.source.read_exact(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let header = Header::from_byte_slice(&block);
        if header.cksum().ok() != Some(sum(&block)) {
            return Err(garbled("a header has another checksum than it says"));
        }
        let size = header.entry_size().map_err(|_| garbled("an entry has no size"))?;
        match header.entry_type() {
            EntryType::GNULongName => about.name = Some(text(&mut source.source, size, NAME)?),
            EntryType::GNULongLink => about.link = Some(text(&mut source.source, size, NAME)?),
            EntryType::XHeader => extend(&mut about, &bytes(&mut source.source, size, EXTENSIONS)?)?,
            EntryType::XGlobalHeader => drop(bytes(&mut source.source, size, EXTENSIONS)?),
            _ => entry(header, std::mem::take(&mut about), size, place, &mut source)?,
        }
    }
}

fn entry<R: Read>(
    header: &Header,
    about: About,
    size: u64,
    place: &mut Place,
    source: &mut Counted<'_, R>,
) -> Result<(), Broken> {
    let name = about.name.unwrap_or_else(|| header.path_bytes().into_owned());
    let link = || about.link.or_else(|| header.link_name_bytes().map(|name| name.into_owned())).unwrap_or_default();
    let mode = header.mode().unwrap_or(0o644) & super::local::MODE;
    // What is older than 1970 is told in a way that reads as far in the future.
    let mtime = about.mtime.or_else(|| header.mtime().ok()).filter(|at| *at < 1 << 40).unwrap_or(0);
    let size = about.size.unwrap_or(size);
    let kind = header.entry_type();
    let mut content = Left { source, left: 0 };
    match kind {
        EntryType::Directory => place.folder(&name, mode, mtime),
        EntryType::Symlink => place.link(&name, &link()),
        EntryType::Link => place.copy(&name, &link(), mode, mtime),
        _ if kind.is_file() && name.ends_with(b"/") => place.folder(&name, mode, mtime),
        _ if kind.is_file() => {
            content.left = size;
            place.write(&name, (mode, mtime), size, &mut content)?;
            skip(&mut content)?;
            return pad(&mut content.source.source, size);
        }
        _ => place.missed.left_out(&name, "it is neither file, folder nor link"),
    }
    // Only files have content; what else says that it has is passed over.
    let mut rest = (&mut content.source.source).take(size);
    let passed = io::copy(&mut rest, &mut io::sink())?;
    if passed < size {
        return Err(Broken::Cut);
    }
    pad(&mut content.source.source, size)
}

/// A source whose content is counted.
struct Counted<'a, R> {
    source: R,
    done: &'a AtomicU64,
}

/// What is left of a file's content.
struct Left<'a, 'b, R> {
    source: &'a mut Counted<'b, R>,
    left: u64,
}

impl<R: Read> Read for Left<'_, '_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.source.source.read(&mut into[..most])?;
        self.left -= read as u64;
        self.source.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Passes over what of a file was not written.
fn skip<R: Read>(content: &mut Left<'_, '_, R>) -> Result<(), Broken> {
    io::copy(content, &mut io::sink())?;
    if content.left == 0 { Ok(()) } else { Err(Broken::Cut) }
}

fn pad(source: &mut impl Read, size: u64) -> Result<(), Broken> {
    let over = (size % BLOCK as u64) as usize;
    if over > 0 {
        source.read_exact(&mut [0; BLOCK][over..])?;
    }
    Ok(())
}

fn bytes(source: &mut impl Read, size: u64, most: u64) -> Result<Vec<u8>, Broken> {
    if size > most {
        return Err(garbled("a name is too long"));
    }
    let mut bytes = Vec::new();
    let read = source.take(size).read_to_end(&mut bytes)?;
    if (read as u64) < size {
        return Err(Broken::Cut);
    }
    pad(source, size)?;
    Ok(bytes)
}

fn text(source: &mut impl Read, size: u64, most: u64) -> Result<Vec<u8>, Broken> {
    let mut bytes = bytes(source, size, most)?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

fn extend(about: &mut About, bytes: &[u8]) -> Result<(), Broken> {
    for extension in PaxExtensions::new(bytes) {
        let extension = extension.map_err(|_| garbled("what is said of an entry makes no sense"))?;
        let value = extension.value_bytes();
        let number = || std::str::from_utf8(value).ok()?.split('.').next()?.parse::<u64>().ok();
        match extension.key_bytes() {
            b"path" => about.name = Some(value.to_vec()),
            b"linkpath" => about.link = Some(value.to_vec()),
            b"size" => about.size = number(),
            b"mtime" => about.mtime = number(),
            _ => {}
        }
    }
    Ok(())
}

/// The checksum of a header, of which its own field counts as spaces.
fn sum(block: &[u8; BLOCK]) -> u32 {
    let own = 148..156;
    let byte = |(at, byte): (usize, &u8)| u32::from(if own.contains(&at) { b' ' } else { *byte });
    block.iter().enumerate().map(byte).sum()
}

fn garbled(why: &str) -> Broken {
    Broken::Failed(format!("what came is no tar stream: {why}"))
}
