//! Finding text in files.
//!
//! Which files are looked at, and in which order, is the same everywhere ([`crate::walk`], then by path): ripgrep, GNU
//! grep and a POSIX grep only look into them. A file that holds a NUL byte is binary and passed over. Each gets the pattern in
//! its own dialect ([`crate::dialect`]); one that ripgrep refuses and grep takes is left to grep. Where there is neither ripgrep nor GNU
//! grep, a character is a byte: `.` then matches a part of `é`, and only plain letters have two cases.

use crate::{
    ErrorKind, Place, Reply, Script, ShellScript, Tool, ToolError,
    dialect::{self, Dialects},
    path,
    pattern::Pattern,
    reply::{self, Fields, HELPERS, REPO},
    walk,
};

/// Finds text in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grep {
    /// The file or folder to look in.
    pub at: Place,
    /// An extended regular expression, with what of Perl's every engine can express; plain text when `literal`.
    pub pattern: String,
    /// Only files whose name matches, such as `*.py`; with a `/` in it, whose path does.
    pub glob: Option<String>,
    /// Upper and lower case are the same.
    pub ignore_case: bool,
    /// The pattern is plain text.
    pub literal: bool,
    /// At most so many matches; 500 without it.
    pub limit: Option<u32>,
}

/// Text found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrepFound {
    /// By file, then by line.
    pub matches: Vec<Match>,
    /// In how many files.
    pub files: u32,
    /// Whether there were more.
    pub truncated: bool,
}

/// One line that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Relative to the folder that was looked in; of a file that was asked for, its name.
    pub path: String,
    /// From 1.
    pub line: u64,
    /// The line, cut at 400 characters.
    pub text: String,
}

/// Without a limit, so many matches.
const LIMIT: u32 = 500;
/// At most so many, and so many candidates where the machine cannot tell whether a file's name matches.
const MOST: u32 = 20_000;
/// A line is cut at so many characters.
const LINE: usize = 400;
/// No longer pattern.
const PATTERN: usize = 32 << 10;

/// Lists, in order, what stands in the way of a search: a folder's files, or the one file that was named.
const WHERE: &str = r#"[ -e "$p" ] || gone "$p"
if [ -d "$p" ]; then
[ -r "$p" ] || exit 86
cd -P -- "$p" || exit 86
printf 'folder\0'
list() { files | sort -z; }
else
[ -f "$p" ] || exit 90
[ -r "$p" ] || exit 86
d=${p%/*}
cd -P -- "${d:-/}" || exit 86
printf 'file\0'
list() { printf './%s\0' "${p##*/}"; }
fi
"#;

/// ripgrep: which files match, which of these are text, and where. One thread keeps the order; no file is guessed at.
const RIPGREP: &str = r#"if command -v rg >/dev/null 2>&1; then
rg='rg --no-config --no-messages --color=never --no-heading -j1 -E none -a'
$rg $ro -q -e "$rust" -- /dev/null 2>/dev/null
if [ $? -le 1 ]; then
printf 'l\0'
list | xargs -0 -r $rg $ro -l -0 -e "$rust" -- 2>/dev/null | xargs -0 -r $rg --files-without-match -0 -e '\x00' -- 2>/dev/null |
xargs -0 -r $rg $ro -n -H -0 -e "$rust" -- 2>/dev/null | cut -b 1-6000 | head -n "$most"
exit 0
fi
fi
"#;

const GNU: &str = r#"utf=C.UTF-8
echo | LC_ALL=$utf grep $go -e "$pattern" >/dev/null
[ $? -le 1 ] || exit 91
if grep -qZaP '\x00' /dev/null 2>/dev/null || [ $? -eq 1 ]; then
printf 'l\0'
list | LC_ALL=$utf xargs -0 -r grep $go -a -l -Z -e "$pattern" -- 2>/dev/null | xargs -0 -r grep -a -L -Z -P '\x00' -- 2>/dev/null |
LC_ALL=$utf xargs -0 -r grep $go -a -n -H -Z -e "$pattern" -- 2>/dev/null | cut -b 1-6000 | head -n "$most"
exit 0
fi
"#;

/// What any grep can do: names of files that match, of which those with a newline are asked for one by one; then each
/// that is text, by itself.
const POSIX: &str = r#"export go pattern
printf 'f\0'
list | xargs -0 -r sh -c 'n="
"
y=
for f do
case $f in
*"$n"*) y=1;;
esac
done
if [ -n "$y" ]; then
for f do
! grep $go -q -e "$pattern" -- "$f" || printf "%s\0" "$f"
done
else
grep $go -l -e "$pattern" -- "$@" | tr "\n" "\0"
fi' sh 2>/dev/null | xargs -0 -r sh -c 'for f do
if tr -d "\0" <"$f" | cmp -s - "$f"; then
printf "%s\0" "$f"
grep $go -n -e "$pattern" -- "$f" | cut -b 1-2000
printf "\0"
fi
done' sh 2>/dev/null | head -n "$most"
exit 0
"#;

impl Grep {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIMIT).min(MOST)
    }

    fn files(&self) -> Result<Option<Pattern>, ToolError> {
        self.glob.as_deref().map(|glob| Ok(Pattern::parse(glob)?.at_any_depth())).transpose()
    }

    /// Whether the machine can tell which files' names match.
    fn is_exact(&self) -> Result<bool, ToolError> {
        Ok(walk::define(&mut ShellScript::bare(), self.files()?.as_ref()))
    }

    /// How many lines the machine sends: one more than wanted, so that it is known whether there are more.
    fn most(&self, exact: bool) -> u32 {
        if exact { self.limit() + 1 } else { MOST + 1 }
    }
}

impl Tool for Grep {
    type Output = GrepFound;

    fn script(&self) -> Result<Script, ToolError> {
        if self.pattern.is_empty() {
            return Err(ToolError::bad_request("The pattern is empty."));
        }
        if self.pattern.contains('\n') {
            return Err(ToolError::bad_request("The pattern holds a line break; text is searched line by line.")
                .hint("Search for one of the lines."));
        }
        if self.pattern.len() > PATTERN {
            return Err(ToolError::bad_request("The pattern is too long."));
        }
        let files = self.files()?;
        let mut script = ShellScript::new();
        script.raw(HELPERS).raw(REPO).place("p", &self.at);
        let exact = walk::define(&mut script, files.as_ref());
        let dialects = match self.literal {
            true => Dialects { rust: self.pattern.clone(), posix: self.pattern.clone(), ignore_case: false },
            false => dialect::translate(&self.pattern)?,
        };
        let ignore_case = self.ignore_case || dialects.ignore_case;
        if dialects.posix.is_empty() {
            return Err(ToolError::bad_request("The pattern is empty."));
        }
        let case = if ignore_case { "-i" } else { "-s" };
        script.raw(&format!("ro='{case}{}'\n", if self.literal { " -F" } else { "" }));
        let case = if ignore_case { " -i" } else { "" };
        script.raw(&format!("go='{}{case}'\n", if self.literal { "-F" } else { "-E" }));
        script.raw(&format!("most={}\n", self.most(exact))).set("pattern", dialects.posix.as_bytes());
        script.set("rust", dialects.rust.as_bytes());
        script.raw(WHERE).raw(RIPGREP).raw(GNU).raw(POSIX);
        script.finish(self.most(exact) as usize * 6_100 + 64, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<GrepFound, ToolError> {
        if reply.exit_code == 91 {
            let why = reply::detail(reply.stderr);
            return Err(ToolError::new(ErrorKind::BadRequest, format!("The pattern is not valid: {why}"))
                .hint("Search for it as plain text (`literal`), or mend it."));
        }
        let mut fields = reply.fields(&self.at.display())?;
        let in_folder = match fields.next()? {
            b"folder" => true,
            b"file" => false,
            _ => return Err(ToolError::garbled("neither a file nor a folder was searched")),
        };
        let mut matches = match fields.next()? {
            b"l" => by_line(fields)?,
            b"f" => by_file(fields)?,
            _ => return Err(ToolError::garbled("text is found in no known way")),
        };
        // A name with line breaks takes several lines: then fewer matches fit, and there may be more.
        let lines = reply.stdout.iter().filter(|byte| **byte == b'\n').count();
        let mut truncated = lines >= self.most(self.is_exact()?) as usize;
        // A file that was asked for is searched whatever its name.
        if let Some(pattern) = self.files()?.filter(|_| in_folder) {
            matches.retain(|found| pattern.matches(&found.path));
        }
        let limit = self.limit() as usize;
        truncated |= matches.len() > limit;
        matches.truncate(limit);
        let mut paths: Vec<&str> = matches.iter().map(|found| found.path.as_str()).collect();
        paths.dedup();
        let files = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        Ok(GrepFound { matches, files, truncated })
    }
}

/// `path NUL line:text newline`, as ripgrep and GNU grep write it.
fn by_line(mut fields: Fields<'_>) -> Result<Vec<Match>, ToolError> {
    let mut matches = Vec::new();
    while !fields.is_empty() {
        let path = named(fields.next()?);
        matches.push(found(&path, fields.until(b'\n')?)?);
    }
    Ok(matches)
}

/// `path NUL lines NUL`, where the last lines may have been cut off.
fn by_file(mut fields: Fields<'_>) -> Result<Vec<Match>, ToolError> {
    let mut matches = Vec::new();
    while !fields.is_empty() {
        let path = named(fields.next()?);
        let rest = fields.clone().rest();
        let block = fields.next().unwrap_or_else(|_| {
            fields = Fields::of(&[]);
            rest
        });
        let lines = block.strip_suffix(b"\n").unwrap_or(block).split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            matches.push(found(&path, line)?);
        }
    }
    Ok(matches)
}

fn named(path: &[u8]) -> String {
    path::to_wire(path.strip_prefix(b"./").unwrap_or(path))
}

fn found(path: &str, line: &[u8]) -> Result<Match, ToolError> {
    let mut fields = Fields::of(line);
    let number = reply::number(fields.until(b':')?)?;
    let text = String::from_utf8_lossy(fields.rest());
    let text = text.trim_end_matches('\r').chars().take(LINE).collect();
    Ok(Match { path: path.to_owned(), line: number, text })
}
