//! Where on this computer what comes down may go. Names, kinds and links are the machine's word, and are checked here.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use super::big::{BIG, fresh, part};
use super::local;
use super::outcome::Missed;

/// The longest path that is taken.
const LONGEST: usize = 4_096;

/// A folder of this computer into which named things of a machine come, and nothing else.
pub(super) struct Place {
    root: PathBuf,
    asked: HashSet<Vec<u8>>,
    id: String,
    /// Folders that were seen to be real ones: nothing here ever makes one of them a link.
    folders: HashSet<PathBuf>,
    /// Files that this transfer brought.
    ours: HashSet<PathBuf>,
    /// Folders get their own modes and times when all is in them.
    late: Vec<(PathBuf, u32, u64)>,
    pub(super) missed: Missed,
}

/// Why something is not written.
enum Refused {
    /// It is never written.
    Rule(&'static str),
    /// It could not be.
    Failed(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Place {
    /// `asked` are the names that may stand in `root`; `id` is the transfer's.
    pub(super) fn new(root: PathBuf, asked: HashSet<Vec<u8>>, id: String) -> Self {
        let (folders, ours) = (HashSet::from([root.clone()]), HashSet::new());
        Self { root, asked, id, folders, ours, late: Vec::new(), missed: Missed::default() }
    }

    /// A folder.
    pub(super) fn folder(&mut self, name: &[u8], mode: u32, mtime: u64) {
        let made = self.parts(name).and_then(|parts| {
            let at = self.reach(&parts)?;
            self.late.push((at, mode, mtime));
            Ok(())
        });
        self.note(name, made);
    }

    /// A link, as long as it stays within what was asked for.
    pub(super) fn link(&mut self, name: &[u8], target: &[u8]) {
        let made = self.parts(name).and_then(|parts| {
            self.leads_inside(&parts, target)?;
            let at = self.reach_parent(&parts)?;
            let target = local::os(target).ok_or(Refused::Rule("it leads to a name that cannot be one here"))?;
            let kept = self.kept(&at);
            let _ = fs::remove_file(&kept);
            local::link(&target, &kept)?;
            put(&kept, &at)
        });
        self.note(name, made);
    }

    /// A file that has the content of another one that came. It becomes one of its own.
    pub(super) fn copy(&mut self, name: &[u8], of: &[u8], mode: u32, mtime: u64) {
        let made = self.parts(name).and_then(|parts| {
            let of = self.parts(of)?.iter().fold(self.root.clone(), |path, part| path.join(part));
            if !self.ours.contains(&of) {
                return Err(Refused::Rule("it is a second name of a file that did not come"));
            }
            let at = self.reach_parent(&parts)?;
            let kept = self.kept(&at);
            let mut file = fresh(&kept)?;
            io::copy(&mut File::open(&of)?, &mut file)?;
            self.settle(&file, &kept, &at, mode, mtime)
        });
        self.note(name, made);
    }

    /// Where a file that comes is kept until it is whole, and where it goes then. Nothing where it may go nowhere.
    pub(super) fn file(&mut self, name: &[u8]) -> Option<(PathBuf, PathBuf)> {
        let found = self.parts(name).and_then(|parts| {
            let at = self.reach_parent(&parts)?;
            Ok((self.kept(&at), at))
        });
        match found {
            Ok(found) => Some(found),
            Err(refused) => {
                self.note(name, Err(refused));
                None
            }
        }
    }

    /// Writes a file that comes: first beside its place, so that no half of it is ever seen there.
    pub(super) fn write(
        &mut self,
        name: &[u8],
        (mode, mtime): (u32, u64),
        size: u64,
        content: &mut impl Read,
    ) -> io::Result<()> {
        let Some((kept, at)) = self.file(name) else { return Ok(()) };
        let mut file = match fresh(&kept) {
            Ok(file) => file,
            Err(error) => {
                self.note(name, Err(error.into()));
                return Ok(());
            }
        };
        let copied = io::copy(content, &mut file).and_then(|copied| {
            let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
            if copied == size { file.flush() } else { Err(short()) }
        });
        if let Err(error) = copied {
            // A big one goes on from here.
            if size < BIG {
                let _ = fs::remove_file(&kept);
            }
            return Err(error);
        }
        let settled = self.settle(&file, &kept, &at, mode, mtime);
        self.note(name, settled);
        Ok(())
    }

    /// A file that was fetched into where it is kept is whole.
    pub(super) fn whole(&mut self, name: &[u8], mode: u32, mtime: u64) {
        let Some((kept, at)) = self.file(name) else { return };
        let settled = File::options()
            .write(true)
            .open(&kept)
            .map_err(Refused::from)
            .and_then(|file| self.settle(&file, &kept, &at, mode, mtime));
        self.note(name, settled);
    }

    /// Whether a file of this name, size and time is there. It counts as one that came.
    pub(super) fn has(&mut self, name: &[u8], size: u64, mtime: u64) -> bool {
        let Ok(parts) = self.parts(name) else { return false };
        let mut at = self.root.clone();
        for part in &parts {
            if !self.folders.contains(&at) {
                match fs::symlink_metadata(&at) {
                    Ok(about) if about.is_dir() => drop(self.folders.insert(at.clone())),
                    _ => return false,
                }
            }
            at.push(part);
        }
        let there = fs::symlink_metadata(&at)
            .is_ok_and(|about| about.is_file() && about.len() == size && local::mtime(&about) == mtime);
        if there {
            self.ours.insert(at);
        }
        there
    }

    /// All has come that comes.
    pub(super) fn finish(&mut self) {
        for (at, mode, mtime) in std::mem::take(&mut self.late).into_iter().rev() {
            // A folder whose time or mode cannot be set is there all the same.
            if let Ok(folder) = File::open(&at) {
                let _ = local::set_mtime(&folder, mtime);
            }
            let _ = local::set_mode(&at, mode);
        }
    }

    /// Beside its place, and there at each try the same.
    fn kept(&self, at: &Path) -> PathBuf {
        at.with_file_name(part(&self.id, local::bytes(at.file_name().unwrap_or_default())))
    }

    fn settle(&mut self, file: &File, kept: &Path, at: &Path, mode: u32, mtime: u64) -> Result<(), Refused> {
        local::set_mode(kept, mode)?;
        local::set_mtime(file, mtime)?;
        put(kept, at)?;
        self.ours.insert(at.to_owned());
        Ok(())
    }

    /// The parts of a name, once it is one of what was asked for or below it.
    fn parts(&self, name: &[u8]) -> Result<Vec<std::ffi::OsString>, Refused> {
        if name.len() > LONGEST || name.contains(&0) {
            return Err(Refused::Rule("no file can be called that"));
        }
        if name.starts_with(b"/") {
            return Err(Refused::Rule("it would be written elsewhere"));
        }
        let parts: Vec<&[u8]> =
            name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
        if parts.contains(&&b".."[..]) {
            return Err(Refused::Rule("it would be written elsewhere"));
        }
        if !parts.first().is_some_and(|first| self.asked.contains(*first)) {
            return Err(Refused::Rule("it was not asked for"));
        }
        let names = parts.into_iter().map(local::os).collect::<Option<Vec<_>>>();
        names.ok_or(Refused::Rule("no file of this computer can be called that"))
    }

    /// A link may go up by as many folders as it is deep, and then down: what goes up after it went down could do so
    /// from behind another link.
    fn leads_inside(&self, parts: &[std::ffi::OsString], target: &[u8]) -> Result<(), Refused> {
        let outside = Err(Refused::Rule("it is a link that leads outside"));
        if target.starts_with(b"/") || target.len() > LONGEST || target.contains(&0) {
            return outside;
        }
        let mut at: Vec<&[u8]> = parts[..parts.len() - 1].iter().map(|part| local::bytes(part)).collect();
        let mut down = false;
        for part in target.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
            if part == b".." {
                if down || at.pop().is_none() {
                    return outside;
                }
            } else {
                down = true;
                at.push(part);
            }
        }
        if at.first().is_some_and(|first| self.asked.contains(*first)) { Ok(()) } else { outside }
    }

    /// Where it goes; the folders above it are there then, and are none but real ones.
    fn reach_parent(&mut self, parts: &[std::ffi::OsString]) -> Result<PathBuf, Refused> {
        let Some((last, above)) = parts.split_last() else { return Err(Refused::Rule("it has no name")) };
        let at = self.reach(above)?.join(last);
        match fs::symlink_metadata(&at) {
            Ok(about) if about.is_dir() => Err(Refused::Failed("there is a folder of that name".to_owned())),
            _ => Ok(at),
        }
    }

    fn reach(&mut self, parts: &[std::ffi::OsString]) -> Result<PathBuf, Refused> {
        let mut at = self.root.clone();
        for part in parts {
            at.push(part);
            if self.folders.contains(&at) {
                continue;
            }
            match fs::symlink_metadata(&at) {
                Ok(about) if about.is_dir() => {}
                Ok(about) if about.is_symlink() => return Err(Refused::Rule("it would be written through a link")),
                Ok(_) => return Err(Refused::Failed("what is there is no folder".to_owned())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&at)?,
                Err(error) => return Err(error.into()),
            }
            self.folders.insert(at.clone());
        }
        Ok(at)
    }

    fn note(&mut self, name: &[u8], made: Result<(), Refused>) {
        match made {
            Ok(()) => {}
            Err(Refused::Rule(why)) => self.missed.left_out(name, why),
            Err(Refused::Failed(why)) => self.missed.failed(name, &why),
        }
    }
}

/// Moves what is whole into its place.
fn put(kept: &Path, at: &Path) -> Result<(), Refused> {
    fs::rename(kept, at).map_err(|error| {
        let _ = fs::remove_file(kept);
        error.into()
    })
}
