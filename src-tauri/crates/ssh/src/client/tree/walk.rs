//! What there is to send.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::local;
use super::outcome::Missed;

/// A file, folder or link on this computer.
pub(super) struct Item {
    /// Where it is.
    pub(super) at: PathBuf,
    /// Where it goes, below the folder it is sent to.
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) mtime: u64,
}

/// What it is.
pub(super) enum Kind {
    Folder,
    /// Of so many bytes.
    File(u64),
    /// To there.
    Link(PathBuf),
}

impl Item {
    pub(super) fn size(&self) -> u64 {
        if let Kind::File(size) = self.kind { size } else { 0 }
    }
}

/// All that is at and below `sources`, each folder before what is in it. Links are what they are, not what they lead to.
pub(super) fn walk(sources: &[PathBuf], cancel: &CancellationToken, missed: &mut Missed) -> Result<Vec<Item>, String> {
    let (mut items, mut names) = (Vec::new(), HashSet::new());
    for source in sources {
        let name = source.file_name().ok_or_else(|| format!("{} has no name to go by", source.display()))?;
        if !names.insert(name) {
            return Err(format!("two of them are called {}", Path::new(name).display()));
        }
        // What was asked for by name has to be there; what is below may come and go.
        fs::symlink_metadata(source).map_err(|error| format!("{} cannot be read: {error}", source.display()))?;
        let mut waiting = vec![(source.clone(), local::bytes(name).to_vec())];
        while let Some((at, name)) = waiting.pop() {
            if cancel.is_cancelled() {
                return Ok(items);
            }
            match look(&at, &name) {
                Ok(Some(item)) => {
                    if matches!(item.kind, Kind::Folder) {
                        below(&at, &name, &mut waiting, missed);
                    }
                    items.push(item);
                }
                Ok(None) => missed.left_out(&name, "it is neither file, folder nor link"),
                Err(error) => missed.failed(&name, &error.to_string()),
            }
        }
    }
    Ok(items)
}

fn look(at: &Path, name: &[u8]) -> std::io::Result<Option<Item>> {
    let about = fs::symlink_metadata(at)?;
    let kind = if about.is_dir() {
        Kind::Folder
    } else if about.is_file() {
        Kind::File(about.len())
    } else if about.is_symlink() {
        Kind::Link(fs::read_link(at)?)
    } else {
        return Ok(None);
    };
    let (mode, mtime) = (local::mode(&about), local::mtime(&about));
    Ok(Some(Item { at: at.to_owned(), name: name.to_vec(), kind, mode, mtime }))
}

fn below(at: &Path, name: &[u8], waiting: &mut Vec<(PathBuf, Vec<u8>)>, missed: &mut Missed) {
    let entries = match fs::read_dir(at) {
        Ok(entries) => entries,
        Err(error) => return missed.failed(name, &error.to_string()),
    };
    for entry in entries {
        match entry {
            Ok(entry) => {
                let below = [name, b"/", local::bytes(&entry.file_name())].concat();
                waiting.push((entry.path(), below));
            }
            Err(error) => missed.failed(name, &error.to_string()),
        }
    }
}
