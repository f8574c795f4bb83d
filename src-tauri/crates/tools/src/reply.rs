//! What scripts and parsers agree on: exit codes for failures, and fields that end in NUL.

use std::str::FromStr;

use crate::{ErrorKind, Reply, ToolError, path};

/// What a script may use to fail. Each failure of a kind that callers tell apart has an exit code of its own; any other
/// exit code is told by what stands on standard error.
pub(crate) const HELPERS: &str = r#"gone() { ls -dL -- "$1" >/dev/null; exit 80; }
"#;

/// Fails unless `$p` is a file that can be read.
pub(crate) const READABLE: &str = r#"[ -e "$p" ] || gone "$p"
[ -d "$p" ] && exit 83
[ -f "$p" ] || exit 90
[ -r "$p" ] || exit 86
"#;

/// Says what is wrong where `$p` is not a folder that can be read, and goes there.
pub(crate) const FOLDER: &str = r#"[ -e "$p" ] || gone "$p"
[ -d "$p" ] || exit 84
[ -r "$p" ] || exit 86
cd -P -- "$p" || exit 86
"#;

/// `guard FOLDER` ends the script with 92 where a folder is the home or holds it. Links are resolved, so that no detour
/// leads there.
///
/// bash 5.2 does not match a pattern that opens with an expansion to nothing in quotes, as `/` would be here: hence the
/// underscores.
pub(crate) const GUARD: &str = r#"guard() {
h=$(cd -P -- "${HOME:-/}" 2>/dev/null && printf %s. "${PWD%/}")
x=$(cd -P -- "$1" 2>/dev/null && printf %s. "${PWD%/}") || exit 86
h=_${h%.} x=_${x%.}
[ "$x" != _ ] || exit 92
case $h/ in
"$x"/*) exit 92;;
esac
}
"#;

/// `ver PATH` sets `v` to the version of a file (or folder) and `n` to its size. A version names the inode, the size
/// and both times to the nanosecond; where `stat` cannot tell these, it is a checksum.
pub(crate) const VERSION: &str = r#"ver() {
v=$(stat -L -c '%s %i-%s-%.9Y-%.9Z' -- "$1" 2>/dev/null)
case $v in
*.*.*)
n=${v%% *} v=${v#* }
return 0;;
esac
s=cksum
command -v cksum >/dev/null 2>&1 || s=md5sum
if [ -f "$1" ]; then
n=$(wc -c <"$1") && v=$("$s" <"$1") || return 1
n=$((n)) v=k${v%% *}-$((n))
else
n=0 v=$(ls -Lldin -- "$1" | "$s") || return 1
v=l${v%% *}
fi
}
"#;

/// `repo` says whether the current folder (entered by `cd -P`) lies in a Git work tree, and Git is there.
pub(crate) const REPO: &str = r#"repo() {
x=$PWD
while [ ! -e "$x/.git" ]; do
[ -n "$x" ] || return 1
x=${x%/*}
done
command -v git >/dev/null 2>&1
}
"#;

impl<'a> Reply<'a> {
    /// The reply's fields, or why the action on `what` failed.
    pub(crate) fn fields(&self, what: &str) -> Result<Fields<'a>, ToolError> {
        match self.failure(what) {
            Some(error) => Err(error),
            None => Ok(Fields { rest: self.stdout }),
        }
    }

    fn failure(&self, what: &str) -> Option<ToolError> {
        let detail = detail(self.stderr);
        let kind = match self.exit_code {
            0 if self.truncated => ErrorKind::TooLarge,
            0 => return None,
            81 => ErrorKind::NotFound,
            82 => ErrorKind::Conflict,
            83 => ErrorKind::IsFolder,
            84 => ErrorKind::NotFolder,
            85 => ErrorKind::Exists,
            86 => ErrorKind::PermissionDenied,
            87 => ErrorKind::NoSpace,
            88 => ErrorKind::TooLarge,
            89 => ErrorKind::BadRequest,
            90 => {
                return Some(ToolError::bad_request(format!(
                    "{what} is a device, a pipe or a socket; only files can be read and written."
                )));
            }
            _ => classify(self.stderr),
        };
        Some(about(kind, what, &detail, self.exit_code))
    }
}

/// The kind of failure that a utility's message means, in the C locale.
pub(crate) fn classify(stderr: &[u8]) -> ErrorKind {
    let text = String::from_utf8_lossy(stderr).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["no space left", "quota exceeded"]) {
        ErrorKind::NoSpace
    } else if says(&["permission denied", "not permitted", "read-only file system"]) {
        ErrorKind::PermissionDenied
    } else if says(&["not a directory"]) {
        ErrorKind::NotFolder
    } else if says(&["is a directory"]) {
        ErrorKind::IsFolder
    } else if says(&["file exists"]) {
        ErrorKind::Exists
    } else if says(&["no such file", "nonexistent"]) {
        ErrorKind::NotFound
    } else if says(&["name too long", "too many levels of symbolic links"]) {
        ErrorKind::BadRequest
    } else {
        ErrorKind::Failed
    }
}

fn about(kind: ErrorKind, what: &str, detail: &str, exit_code: i32) -> ToolError {
    let said = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    let error = |message: String| ToolError::new(kind, message);
    match kind {
        ErrorKind::NotFound => error(format!("There is no {what}.")),
        ErrorKind::Conflict => error(format!("{what} has changed since it was read. Nothing was written."))
            .hint("Read it again, and repeat the change on what stands there now."),
        ErrorKind::IsFolder => error(format!("{what} is a folder.")),
        ErrorKind::NotFolder => error(format!("{what} is not a folder, or lies in something that is none.")),
        ErrorKind::Exists => error(format!("{what} exists already. Nothing was changed.")),
        ErrorKind::PermissionDenied => error(format!("The sandbox's user may not do this with {what}{said}.")),
        ErrorKind::NoSpace => error(format!("There is no space left for {what}. What was there before is kept."))
            .hint("Delete what is not needed, then try again."),
        ErrorKind::TooLarge => error(format!("{what} is too large for this.")),
        ErrorKind::BadRequest | ErrorKind::NoMatch => error(format!("{what} cannot be used like this{said}.")),
        ErrorKind::Garbled | ErrorKind::Failed => {
            error(format!("The action on {what} failed with exit code {exit_code}{said}."))
        }
    }
}

/// The last line of what a script said, fit for a message.
pub(crate) fn detail(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    path::display(line.trim())
}

/// Fields that end in NUL, read one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The next field.
    pub(crate) fn next(&mut self) -> Result<&'a [u8], ToolError> {
        self.until(0)
    }

    /// What stands before the next `end`.
    pub(crate) fn until(&mut self, end: u8) -> Result<&'a [u8], ToolError> {
        let Some(at) = self.rest.iter().position(|byte| *byte == end) else {
            return Err(ToolError::garbled("a field has no end"));
        };
        let field = &self.rest[..at];
        self.rest = &self.rest[at + 1..];
        Ok(field)
    }

    /// The next field as text that is no name: a number, a version.
    pub(crate) fn text(&mut self) -> Result<&'a str, ToolError> {
        std::str::from_utf8(self.next()?).map_err(|_| ToolError::garbled("a field that should be plain text is not"))
    }

    /// The next field as a name or path on the wire.
    pub(crate) fn wire(&mut self) -> Result<String, ToolError> {
        Ok(path::to_wire(self.next()?))
    }

    /// The next field as a number.
    pub(crate) fn number<T: FromStr>(&mut self) -> Result<T, ToolError> {
        number(self.next()?)
    }

    /// All that was not read.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// A number that stands alone in a field.
pub(crate) fn number<T: FromStr>(field: &[u8]) -> Result<T, ToolError> {
    std::str::from_utf8(field)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| ToolError::garbled("a number is missing"))
}

/// Seconds since 1970 with or without a fraction, in milliseconds.
pub(crate) fn millis(field: &[u8]) -> Result<i64, ToolError> {
    let text = std::str::from_utf8(field).unwrap_or_default().trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = number(whole.as_bytes())?;
    let digits = fraction.bytes().take(3).take_while(u8::is_ascii_digit);
    let part = digits.zip([100, 10, 1]).map(|(digit, weight)| i64::from(digit - b'0') * weight).sum::<i64>();
    // The fraction of a time before 1970 counts back from zero, as GNU stat writes it.
    let part = if whole.starts_with('-') { -part } else { part };
    seconds.checked_mul(1000).and_then(|ms| ms.checked_add(part)).ok_or_else(|| ToolError::garbled("a time is absurd"))
}
