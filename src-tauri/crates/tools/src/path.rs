//! Paths as they cross the wire, and where they lead in the sandbox.
//!
//! On the wire a path is a string; in the sandbox it is bytes. A byte that is not part of valid UTF-8 crosses as the
//! private-use character U+10FF00 + byte, and so does each byte of a name that really holds a character of that range:
//! the mapping is lossless from bytes to the wire and back.
//!
//! What is not done here: nothing is looked up. A `..` is left to the machine, because what it means depends on links.

use crate::{ShellScript, ToolError};

const ESCAPES: std::ops::RangeInclusive<char> = '\u{10FF00}'..='\u{10FFFF}';

/// A name or path in the sandbox, as it crosses the wire.
pub fn to_wire(bytes: &[u8]) -> String {
    let mut wire = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if ESCAPES.contains(&c) {
                let mut utf8 = [0; 4];
                wire.extend(c.encode_utf8(&mut utf8).bytes().map(escape));
            } else {
                wire.push(c);
            }
        }
        wire.extend(chunk.invalid().iter().copied().map(escape));
    }
    wire
}

/// The bytes that a path on the wire means.
pub fn from_wire(wire: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(wire.len());
    for c in wire.chars() {
        if ESCAPES.contains(&c) {
            bytes.push((u32::from(c) & 0xFF) as u8);
        } else {
            let mut utf8 = [0; 4];
            bytes.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
        }
    }
    bytes
}

fn escape(byte: u8) -> char {
    char::from_u32(0x10_FF00 + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// A path as a person reads it in a message: what cannot be shown is escaped, what is long is cut.
pub fn display(wire: &str) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(&from_wire(wire)).chars() {
        if text.len() > 300 {
            text.push('…');
            break;
        }
        if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

/// A path in a sandbox: absolute, under the home (`~`, `~/…`), or relative to the working folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The working folder: absolute, or under the home.
    pub cwd: String,
    /// The path, as it came over the wire.
    pub path: String,
}

/// What a path is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    Root,
    Home,
}

impl Place {
    /// A path seen from a working folder.
    pub fn new(cwd: impl Into<String>, path: impl Into<String>) -> Self {
        Self { cwd: cwd.into(), path: path.into() }
    }

    /// The working folder itself.
    pub fn here(cwd: impl Into<String>) -> Self {
        Self::new(cwd, ".")
    }

    /// The path as a person reads it in a message.
    pub fn display(&self) -> String {
        display(&self.path)
    }

    /// Sets the shell variable `name` to the absolute path, free of `.` and of empty components. A `..` is resolved by
    /// the machine, up to the last one; where that fails the script calls `lost`, which ends it.
    pub(crate) fn emit(&self, script: &mut ShellScript, name: &str) -> Result<(), ToolError> {
        let (anchor, parts) = self.resolve()?;
        let (climb, rest) = match parts.iter().rposition(|part| part == b"..") {
            Some(last) => parts.split_at(last + 1),
            None => parts.split_at(0),
        };
        if climb.is_empty() {
            script.raw(name).raw("=");
            anchored(script, anchor, rest);
        } else {
            script.raw("cd -P -- ");
            anchored(script, anchor, climb);
            script.raw(" 2>/dev/null || lost\n").raw(name).raw("=\"${PWD%/}\"").quoted(&joined(rest));
        }
        script.raw("\n").raw(name).raw("=${").raw(name).raw(":-/}\n");
        Ok(())
    }

    fn resolve(&self) -> Result<(Anchor, Vec<Vec<u8>>), ToolError> {
        if self.path.is_empty() {
            return Err(ToolError::bad_request("The path is empty.").hint("Use `.` for the working folder."));
        }
        let (mut anchor, mut parts) = (Anchor::Root, Vec::new());
        for (wire, must_be_absolute) in [(&self.cwd, true), (&self.path, false)] {
            let bytes = from_wire(wire);
            let mut from_home = false;
            if bytes.first() == Some(&b'/') {
                (anchor, parts) = (Anchor::Root, Vec::new());
            } else if bytes == b"~" || bytes.starts_with(b"~/") {
                (anchor, parts) = (Anchor::Home, Vec::new());
                from_home = true;
            } else if must_be_absolute {
                return Err(ToolError::bad_request(format!("The working folder {} is not absolute.", display(wire))));
            }
            let components = bytes.split(|byte| *byte == b'/').skip(usize::from(from_home));
            for part in components.filter(|part| !part.is_empty() && *part != b".") {
                if part == b".." && parts.is_empty() && anchor == Anchor::Root {
                    continue;
                }
                parts.push(part.to_vec());
            }
        }
        Ok((anchor, parts))
    }
}

fn anchored(script: &mut ShellScript, anchor: Anchor, parts: &[Vec<u8>]) {
    match anchor {
        Anchor::Root if parts.is_empty() => script.raw("/"),
        Anchor::Root => script.quoted(&joined(parts)),
        Anchor::Home => script.raw("\"${HOME%/}\"").quoted(&joined(parts)),
    };
}

fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.iter().fold(Vec::new(), |mut path, part| {
        path.push(b'/');
        path.extend_from_slice(part);
        path
    })
}
