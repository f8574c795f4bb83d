//! Replacing exact text in a file: fetch it, change it here, write it back if it is still the same.

use similar::TextDiff;

use crate::{
    ErrorKind, Place, Reply, Script, ShellScript, Tool, ToolError, Write,
    nearest::nearest,
    reply::{HELPERS, READABLE, VERSION},
};

/// An edit of a larger file is refused.
const MOST: u64 = 8 << 20;
/// A file is binary when a NUL stands in so many first bytes.
const SNIFFED: usize = 8_192;

/// Replaces exact text. Not one script but two: run [`Edit::fetch`], give what came to [`Edit::apply`], run the
/// [`Applied::write`] it returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The file.
    pub at: Place,
    /// The text to find, exactly; it must occur once unless `all`.
    pub old: String,
    /// What stands there afterwards.
    pub new: String,
    /// Replace every occurrence.
    pub all: bool,
    /// Refuse ([`crate::ErrorKind::Conflict`]) unless the file still has this version.
    pub version: Option<String>,
}

/// Fetches a whole file, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The file.
    pub at: Place,
    /// Refuse ([`crate::ErrorKind::TooLarge`]) above so many bytes.
    pub max: u64,
}

/// A file's content and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The path, absolute.
    pub path: String,
    /// Changes whenever the file does.
    pub version: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// An edit worked out, and not yet written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Writes it, unless the file changed meanwhile.
    pub write: Write,
    /// How many places were replaced.
    pub replaced: u32,
    /// What changed, as a unified diff with three lines of context.
    pub diff: String,
    /// Lines added.
    pub added: u32,
    /// Lines removed.
    pub removed: u32,
}

impl Edit {
    /// The first step.
    pub fn fetch(&self) -> Fetch {
        Fetch { at: self.at.clone(), max: MOST }
    }

    /// The second step, which asks nobody: the new content, or why the edit cannot be made.
    pub fn apply(&self, file: &Fetched) -> Result<Applied, ToolError> {
        let what = self.at.display();
        if self.old.is_empty() {
            return Err(
                ToolError::bad_request("The text to replace is empty.").hint("To write a whole file, write it.")
            );
        }
        if self.old == self.new {
            return Err(ToolError::bad_request("The new text is the same as the old; nothing would change."));
        }
        if self.version.as_ref().is_some_and(|version| *version != file.version) {
            return Err(ToolError::new(
                ErrorKind::Conflict,
                format!("{what} has changed since it was read. Nothing was written."),
            )
            .hint("Read it again, and repeat the change on what stands there now."));
        }
        if file.bytes[..file.bytes.len().min(SNIFFED)].contains(&0) {
            return Err(ToolError::bad_request(format!("{what} is binary; only text is edited.")));
        }
        let places = occurrences(&file.bytes, self.old.as_bytes());
        match places.len() {
            0 => return Err(self.missing(&file.bytes)),
            _ if self.all => {}
            1 if !self.overlaps(&file.bytes, places[0]) => {}
            count => return Err(self.ambiguous(&file.bytes, &places, count.max(2))),
        }
        let content = replaced(&file.bytes, &places, self.old.len(), self.new.as_bytes());
        let diff = TextDiff::configure()
            // A diff that would take long may be longer than it need be, and is still right.
            .timeout(std::time::Duration::from_secs(1))
            .diff_lines(file.bytes.as_slice(), content.as_slice());
        let (mut added, mut removed) = (0_u32, 0_u32);
        for op in diff.ops().iter().filter(|op| op.tag() != similar::DiffTag::Equal) {
            added = added.saturating_add(count(op.new_range().len()));
            removed = removed.saturating_add(count(op.old_range().len()));
        }
        let name = crate::path::display(&file.path);
        let diff = diff.unified_diff().context_radius(3).header(&name, &name).to_string();
        let write = Write { at: self.at.clone(), content, version: Some(file.version.clone()) };
        Ok(Applied { write, replaced: count(places.len()), diff, added, removed })
    }

    /// Whether the text stands a second time within itself, as `aa` does in `aaa`.
    fn overlaps(&self, bytes: &[u8], at: usize) -> bool {
        let length = self.old.len();
        let end = bytes.len().min(at + 2 * length - 1);
        length > 1 && !occurrences(&bytes[at + 1..end], self.old.as_bytes()).is_empty()
    }

    fn missing(&self, bytes: &[u8]) -> ToolError {
        let what = self.at.display();
        let text = String::from_utf8_lossy(bytes);
        let error = |why: String| ToolError::new(ErrorKind::NoMatch, why);
        if text.contains("\r\n") && !self.old.contains('\r') && text.replace("\r\n", "\n").contains(&self.old) {
            return error(format!(
                "The lines of {what} end in CR LF, those of the text to replace in LF. Nothing was written."
            ))
            .hint("Write the ends of lines as they stand in the file (\\r\\n).");
        }
        match nearest(&text, &self.old) {
            Some(near) if near.but_for_space => error(format!(
                "The text to replace stands in {what} at line {}, but with other white space. Nothing was written.",
                near.line
            ))
            .hint(format!("Give it exactly as it stands:\n{}", near.shown)),
            Some(near) => error(format!("The text to replace is not in {what}. Nothing was written."))
                .hint(format!("The nearest, at line {}:\n{}", near.line, near.shown)),
            None => error(format!("The text to replace is not in {what}, nor anything like it. Nothing was written."))
                .hint("Read the file again."),
        }
    }

    fn ambiguous(&self, bytes: &[u8], places: &[usize], count: usize) -> ToolError {
        let line = |at: &usize| bytes[..*at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let mut lines: Vec<String> = places.iter().take(10).map(|at| line(at).to_string()).collect();
        if count > lines.len() {
            lines.push("…".into());
        }
        ToolError::new(
            ErrorKind::NoMatch,
            format!(
                "The text to replace stands more than once in {} (found {count} times, at lines {}). Nothing was written.",
                self.at.display(),
                lines.join(", ")
            ),
        )
        .hint("Give more of what stands around it, so that it is there once; or replace all.")
    }
}

/// Where a text stands, from the first on, none overlapping another.
fn occurrences(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    if let (Ok(whole), Ok(part)) = (std::str::from_utf8(bytes), std::str::from_utf8(text)) {
        return whole.match_indices(part).map(|(at, _)| at).collect();
    }
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(text.len()).position(|window| window == text) {
        found.push(from + at);
        from += at + text.len();
    }
    found
}

fn replaced(bytes: &[u8], places: &[usize], length: usize, new: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(bytes.len() + places.len() * new.len());
    let mut from = 0;
    for at in places {
        content.extend_from_slice(&bytes[from..*at]);
        content.extend_from_slice(new);
        from = at + length;
    }
    content.extend_from_slice(&bytes[from..]);
    content
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Tool for Fetch {
    type Output = Fetched;

    fn script(&self) -> Result<Script, ToolError> {
        let max = self.max.min(1 << 40);
        let mut script = ShellScript::new();
        script.raw(HELPERS).raw(VERSION).place("p", &self.at).raw(READABLE);
        // The version is taken before the content: a change in between makes the write fail, not succeed.
        script.raw("ver \"$p\" || exit 80\n").raw(&format!("[ \"$n\" -le {max} ] || exit 88\n"));
        script.raw(&format!("printf '%s\\0' \"$p\" \"$v\"\nhead -c {} <\"$p\"\nexit 0\n", max + 1));
        script.finish(usize::try_from(max).unwrap_or(usize::MAX).saturating_add(16 << 10), true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Fetched, ToolError> {
        let what = self.at.display();
        let mut fields = reply.fields(&what)?;
        let (path, version) = (fields.wire()?, fields.text()?.to_owned());
        let bytes = fields.rest().to_vec();
        if bytes.len() as u64 > self.max {
            return Err(ToolError::new(ErrorKind::TooLarge, format!("{what} is too large for this.")));
        }
        Ok(Fetched { path, version, bytes })
    }
}
