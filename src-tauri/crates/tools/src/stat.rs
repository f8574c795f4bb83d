//! Asking about one path.

use crate::{
    Entry, Place, Reply, Script, ShellScript, Tool, ToolError,
    entry::Meta,
    ls::{self, Today},
    path,
    reply::{Fields, HELPERS, REPO, VERSION},
};

/// Asks about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The path.
    pub at: Place,
}

/// What is known about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStat {
    /// The path, absolute.
    pub path: String,
    /// Name, kind, size and so on.
    pub entry: Entry,
    /// Changes whenever the file does.
    pub version: String,
}

/// Describes `$p`, which exists or is a link.
pub(crate) const DESCRIBE: &str = r#"printf '%s\0' "$p"
b=
if a=$(stat -c '%f %s %.9Y' -- "$p" 2>/dev/null); then
[ ! -L "$p" ] || b=$(stat -L -c '%f %s %.9Y' -- "$p" 2>/dev/null)
printf 's\0%s\0%s\0' "$a" "$b"
else
TZ=UTC0
export TZ
a=$(ls -ldn -- "$p") || exit 80
[ ! -L "$p" ] || b=$(ls -ldnL -- "$p" 2>/dev/null)
printf 'l\0%s\0%s\0%s\0' "$(date -u '+%Y %m %d')" "$a" "$b"
fi
[ ! -L "$p" ] || readlink -n -- "$p"
v=link
[ ! -e "$p" ] || ver "$p" || exit 80
printf '\0%s\0' "$v"
d=${p%/*}
if cd -P -- "${d:-/}" 2>/dev/null && repo && git check-ignore -q -- "./${p##*/}" 2>/dev/null
then echo ignored; fi
exit 0
"#;

impl Tool for Stat {
    type Output = FileStat;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = ShellScript::new();
        script.raw(HELPERS).raw(VERSION).raw(REPO).place("p", &self.at);
        script.raw("[ -e \"$p\" ] || [ -L \"$p\" ] || gone \"$p\"\n").raw(DESCRIBE);
        script.finish(64 << 10, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<FileStat, ToolError> {
        described(reply.fields(&self.at.display())?)
    }
}

/// What [`DESCRIBE`] says.
pub(crate) fn described(mut fields: Fields<'_>) -> Result<FileStat, ToolError> {
    let path = fields.next()?;
    let today = match fields.next()? {
        b"s" => None,
        b"l" => Some(Today::parse(fields.next()?)?),
        _ => return Err(ToolError::garbled("a file is described in no known way")),
    };
    let meta = |text| today.map_or_else(|| Meta::parse(text), |today| ls::parse(text, today));
    let own = meta(fields.next()?)?;
    let leads_to = match fields.next()? {
        b"" => None,
        text => Some(meta(text)?),
    };
    let target = fields.wire()?;
    let version = fields.text()?.to_owned();
    let name = path.rsplit(|byte| *byte == b'/').next().filter(|name| !name.is_empty()).unwrap_or(b"/");
    let mut entry = Entry::new(path::to_wire(name), own, leads_to, Some(target));
    entry.ignored = !fields.is_empty();
    Ok(FileStat { path: path::to_wire(path), entry, version })
}
