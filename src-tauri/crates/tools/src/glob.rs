//! Finding files by name.
//!
//! Which files are looked at, [`crate::walk`] says. Newest first to the second or better, as `stat` tells; on a machine
//! whose `stat` has no `-c`, by name.

use crate::{
    Place, Reply, Script, ShellScript, Tool, ToolError, path,
    pattern::Pattern,
    reply::{FOLDER, Fields, HELPERS, REPO},
    walk,
};

/// Finds files by name, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// The folder to look in.
    pub at: Place,
    /// Such as `**/*.ts` or `src/{a,b}/*.rs`, relative to `at`.
    pub pattern: String,
    /// At most so many; 1,000 without it.
    pub limit: Option<u32>,
}

/// Files found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Relative to the folder that was looked in; newest first.
    pub paths: Vec<String>,
    /// Whether there were more.
    pub truncated: bool,
}

/// Without a limit, so many.
const LIMIT: u32 = 1_000;
/// At most so many, and so many candidates where the machine cannot tell which of them match.
const MOST: u32 = 20_000;
/// At most so many bytes of names.
const BYTES: usize = 16 << 20;

impl Glob {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIMIT).min(MOST)
    }

    /// The folder and the pattern. An absolute pattern, or one under the home, is seen from there.
    fn split(&self) -> Result<(Place, Pattern, &str), ToolError> {
        for root in ["/", "~/"] {
            if let Some(pattern) = self.pattern.strip_prefix(root) {
                return Ok((Place::new(self.at.cwd.clone(), root), Pattern::parse(pattern)?, root));
            }
        }
        Ok((self.at.clone(), Pattern::parse(&self.pattern)?, ""))
    }
}

impl Tool for Glob {
    type Output = Found;

    fn script(&self) -> Result<Script, ToolError> {
        let (at, pattern, _) = self.split()?;
        let mut script = ShellScript::new();
        script.raw(HELPERS).raw(REPO).place("p", &at).raw(FOLDER);
        let exact = walk::define(&mut script, Some(&pattern));
        let most = if exact { self.limit() } else { MOST } + 1;
        script.raw("if stat --printf '' . >/dev/null 2>&1; then\nprintf 'z\\0'\n");
        script.raw("files | xargs -0 -r stat --printf '%.9Y/%n\\0' -- 2>/dev/null | sort -z -t/ -k1,1nr |\n");
        script.raw(&format!("tr '\\0\\n' '\\n\\0' | head -n {most} | tr '\\0\\n' '\\n\\0'\n"));
        script.raw("elif stat -c %Y . >/dev/null 2>&1; then\nprintf 'c\\0'\n");
        script.raw(&format!("files | xargs -0 -r stat -c '%.9Y/%n//' -- 2>/dev/null | head -c {BYTES}\n"));
        script.raw(&format!("else\nprintf 'n\\0'\nfiles | head -c {BYTES}\nfi\nexit 0\n"));
        script.finish(BYTES + 16, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Found, ToolError> {
        let (at, pattern, root) = self.split()?;
        let mut fields = reply.fields(&at.display())?;
        let how = fields.next()?;
        let mut rest = fields.rest();
        let cut = rest.len() >= BYTES;
        let mut found = Vec::new();
        let mut seen = 0;
        while !rest.is_empty() {
            let mut record = Fields::of(rest);
            let time = if how == b"n" { 0 } else { nanos(record.until(b'/')?)? };
            let name = match how {
                b"z" | b"n" => record.next(),
                // No path of ours holds `//`, so nothing in a name can be taken for its end.
                b"c" => until_line(&mut record),
                _ => return Err(ToolError::garbled("files are found in no known way")),
            };
            let name = match name {
                Ok(name) => name,
                Err(_) if cut => break,
                Err(error) => return Err(error),
            };
            rest = record.rest();
            seen += 1;
            let name = name.strip_prefix(b"./").unwrap_or(name);
            let wire = path::to_wire(name);
            if pattern.matches(&wire) {
                found.push((std::cmp::Reverse(time), name.to_vec(), wire));
            }
        }
        found.sort();
        // Git tells a file twice while a merge is not resolved.
        found.dedup_by(|a, b| a.1 == b.1);
        let limit = self.limit() as usize;
        let truncated = cut || seen > MOST as usize || found.len() > limit;
        let prefix = if root == "/" { "/" } else { root };
        Ok(Found {
            paths: found.into_iter().take(limit).map(|(_, _, wire)| format!("{prefix}{wire}")).collect(),
            truncated,
        })
    }
}

fn until_line<'a>(record: &mut Fields<'a>) -> Result<&'a [u8], ToolError> {
    let whole = record.clone().rest();
    let end = whole.windows(3).position(|window| window == b"//\n");
    let end = end.ok_or_else(|| ToolError::garbled("a name has no end"))?;
    *record = Fields::of(&whole[end + 3..]);
    Ok(&whole[..end])
}

/// Seconds with or without a fraction, in nanoseconds.
fn nanos(field: &[u8]) -> Result<i128, ToolError> {
    let garbled = || ToolError::garbled("a time is none");
    let text = std::str::from_utf8(field).map_err(|_| garbled())?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().map_err(|_| garbled())?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let part: i128 = digits.parse().map_err(|_| garbled())?;
    Ok(i128::from(seconds) * 1_000_000_000 + if whole.starts_with('-') { -part } else { part })
}
