//! What is known about one name in a folder.

use crate::{ToolError, reply};

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link to anything but a folder, or to nothing.
    Link,
    /// A symbolic link that leads to a folder.
    LinkToFolder,
    /// A socket, a pipe, a device.
    Other,
}

/// One entry of a folder. Size, time and mode of a link are those of what it leads to, or its own where that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// When it was changed, in milliseconds since 1970.
    pub modified: i64,
    /// Its permission bits, such as 0o644.
    pub mode: u32,
    /// Where a link leads, as it stands in the link.
    pub target: Option<String>,
    /// Whether Git ignores it.
    pub ignored: bool,
}

/// What `stat` says about one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Type and permission bits as the kernel has them.
    pub mode: u32,
    pub size: u64,
    pub modified: i64,
}

const TYPE: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

impl Meta {
    /// The fields of `stat -c '%f %s %.9Y'`.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, ToolError> {
        let mut words = text.split(|byte| *byte == b' ');
        let mut word = || words.next().ok_or_else(|| ToolError::garbled("what `stat` says is too short"));
        let mode = std::str::from_utf8(word()?).ok().and_then(|hex| u32::from_str_radix(hex, 16).ok());
        Ok(Self {
            mode: mode.ok_or_else(|| ToolError::garbled("a mode is not hexadecimal"))?,
            size: reply::number(word()?)?,
            modified: reply::millis(word()?)?,
        })
    }

    pub(crate) fn is_link(&self) -> bool {
        self.mode & TYPE == LINK
    }

    pub(crate) fn is_folder(&self) -> bool {
        self.mode & TYPE == FOLDER
    }
}

impl Entry {
    /// An entry from what is known of the name itself and, where it is a link, of what it leads to.
    pub(crate) fn new(name: String, own: Meta, leads_to: Option<Meta>, target: Option<String>) -> Self {
        let kind = match own.mode & TYPE {
            FOLDER => Kind::Folder,
            FILE => Kind::File,
            LINK if leads_to.is_some_and(|meta| meta.is_folder()) => Kind::LinkToFolder,
            LINK => Kind::Link,
            _ => Kind::Other,
        };
        let shown = leads_to.filter(|_| own.is_link()).unwrap_or(own);
        Self {
            name,
            kind,
            size: shown.size,
            modified: shown.modified,
            mode: shown.mode & 0o7777,
            target: target.filter(|_| own.is_link()),
            ignored: false,
        }
    }
}
