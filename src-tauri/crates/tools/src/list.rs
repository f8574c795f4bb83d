//! Listing a folder.

use std::collections::{HashMap, HashSet};

use crate::{
    Entry, Place, Reply, Script, ShellScript, Tool, ToolError,
    entry::Meta,
    ls::{self, Today},
    path,
    reply::{self, FOLDER, Fields, HELPERS, REPO},
};

/// A page of a folder: folders first, then by name, upper and lower case alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The folder.
    pub at: Place,
    /// How many entries to pass over.
    pub offset: Option<u32>,
    /// At most so many; 1,000 without it.
    pub limit: Option<u32>,
}

/// A page of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The folder, absolute.
    pub path: String,
    /// The entries of this page.
    pub entries: Vec<Entry>,
    /// How many the folder has.
    pub total: u32,
}

/// Without a limit, so many entries.
const PAGE: u32 = 1_000;
/// At most so many entries a page.
const MOST: u32 = 10_000;

/// A folder of this size is described whole by GNU find, in one go; sorting and cutting is done here. In a larger one,
/// and where find is not GNU's, the machine sorts the names alone, cuts the page, and describes what is on it.
const WHOLE: u32 = 2_000;

///
/// `g` is the folder itself and what is in it, counted up to one too many; nothing where find is not GNU's.
const GNU: &str = r#"g=$(find . -maxdepth 1 -printf . 2>/dev/null | head -c 2002 | wc -c)
g=$((g))
if [ "$g" -gt 0 ] && [ "$g" -le 2001 ]; then
printf '%s\0whole\0' "$p"
find . -mindepth 1 -maxdepth 1 -type l -exec stat -L -c '%n/%f %s %.9Y/' {} + 2>/dev/null
printf '\0'
find . -mindepth 1 -maxdepth 1 -printf '%f/%y %s %T@ %m/%l\0' 2>/dev/null
if repo; then
find . -mindepth 1 -maxdepth 1 -printf './%f\0' | git check-ignore -z --stdin >&2 2>/dev/null
fi
exit 0
fi
"#;

/// A name is one line here: NUL becomes newline, and a newline in a name becomes `/`, which no name can hold. A line is
/// a rank (folders before the rest), the name, a byte that sorts before all others, and the kind.
const NAMES: &str = r#"S=$(printf '\001')
nl='
'
names() {
if [ "$g" -gt 0 ]; then
find . -mindepth 1 -maxdepth 1 \( -type d -printf 0 -o -type l -xtype d -printf 0 -o -printf 1 \) -printf '%f\001%y\0' | tr '\0\n' '\n/'
else
find . ! -name . -prune -type d -print0 | tr '\0\n' '\n/' | sed "s,^\./\(.*\)\$,0\1${S}d,"
find . ! -name . -prune ! -type d ! -type l -print0 | tr '\0\n' '\n/' | sed "s,^\./\(.*\)\$,1\1${S}f,"
find . ! -name . -prune -type l -exec sh -c 'for f do
if [ -d "$f" ]; then k=0; else k=1; fi
printf "$k%s\001l\0" "${f#./}"
done' sh {} + | tr '\0\n' '\n/'
fi 2>/dev/null
}
pick() { printf '%s\n' "$page" | sed -e '$d' -e "$1" -e 's/^.//' -e 's/..$//' | tr '\n/' '\0\n'; }
"#;

const DESCRIBE: &str = r#"printf '%s\0page\0%s\0' "$p" "$page"
links=
case $page in
*"${S}l$nl"*) links=1;;
esac
if stat -c %i . >/dev/null 2>&1; then
printf 's\0'
pick '' | xargs -0 -r stat -c '%n/%f %s %.9Y/' -- 2>/dev/null
printf '\0'
[ -z "$links" ] || pick "/${S}l\$/!d" | xargs -0 -r stat -L -c '%n/%f %s %.9Y/' -- 2>/dev/null
printf '\0'
else
printf 'l\0%s\0' "$(date -u '+%Y %m %d')"
TZ=UTC0
export TZ
pick '' | xargs -0 -r sh -c 'for f do
printf "%s\0" "$f"; ls -ldn -- "$f"; printf "\0"
[ ! -L "$f" ] || ls -ldnL -- "$f"
printf "\0"
done' sh 2>/dev/null
printf '\0'
fi
[ -z "$links" ] || pick "/${S}l\$/!d" | xargs -0 -r sh -c 'for f do
printf "%s/" "$f"; readlink -n -- "$f"; printf "\0"
done' sh 2>/dev/null
if repo; then
pick '' | xargs -0 -r printf './%s\0' | git check-ignore -z --stdin >&2 2>/dev/null
fi
exit 0
"#;

impl List {
    fn page(&self) -> (u32, u32) {
        (self.offset.unwrap_or(0), self.limit.unwrap_or(PAGE).min(MOST))
    }
}

impl Tool for List {
    type Output = Listing;

    fn script(&self) -> Result<Script, ToolError> {
        let (offset, limit) = self.page();
        let mut script = ShellScript::new();
        script.raw(HELPERS).raw(REPO).place("p", &self.at).raw(FOLDER).raw(GNU).raw(NAMES);
        let last = u64::from(offset) + u64::from(limit);
        script.raw(&format!(
            "page=$(names | sort -f | awk 'NR > {offset} && NR <= {last} {{ print }} END {{ print NR }}')\n"
        ));
        script.raw(DESCRIBE);
        script.finish((limit.max(WHOLE) as usize) * 1_500 + (16 << 10), true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Listing, ToolError> {
        let mut fields = reply.fields(&self.at.display())?;
        let path = fields.wire()?;
        let (mut entries, total) = match fields.next()? {
            b"whole" => self.whole(fields)?,
            b"page" => page(fields)?,
            _ => return Err(ToolError::garbled("a folder is listed in no known way")),
        };
        // Standard error has what Git ignores; without a `./` before it, it is somebody's complaint.
        let names = reply.stderr.split(|byte| *byte == 0).filter_map(|name| name.strip_prefix(b"./"));
        let ignored: HashSet<String> = names.map(path::to_wire).collect();
        for entry in &mut entries {
            entry.ignored = ignored.contains(&entry.name);
        }
        Ok(Listing { path, entries, total })
    }
}

impl List {
    fn whole(&self, mut fields: Fields<'_>) -> Result<(Vec<Entry>, u32), ToolError> {
        let leads_to = records(fields.next()?)?;
        let mut found = Vec::new();
        while !fields.is_empty() {
            let mut record = Fields::of(fields.next()?);
            let (name, about, target) = (record.until(b'/')?, record.until(b'/')?, record.rest());
            let mut words = about.split(|byte| *byte == b' ');
            let mut word = || words.next().ok_or_else(|| ToolError::garbled("what `find` says is too short"));
            let kind = match word()? {
                b"d" => 0o040_000,
                b"f" => 0o100_000,
                b"l" => 0o120_000,
                _ => 0,
            };
            let (size, modified) = (reply::number(word()?)?, reply::millis(word()?)?);
            let bits = std::str::from_utf8(word()?).ok().and_then(|octal| u32::from_str_radix(octal, 8).ok());
            let bits = bits.ok_or_else(|| ToolError::garbled("a mode is not octal"))?;
            let own = Meta { mode: kind | (bits & 0o7777), size, modified };
            let leads_to = leads_to.get(name).copied();
            let rank = !(own.is_folder() || leads_to.is_some_and(|meta| own.is_link() && meta.is_folder()));
            let entry = Entry::new(path::to_wire(name), own, leads_to, Some(path::to_wire(target)));
            found.push(((rank, sort_key(name)), entry));
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (offset, limit) = self.page();
        let total = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let page = found.into_iter().skip(offset as usize).take(limit as usize).map(|(_, entry)| entry);
        Ok((page.collect(), total))
    }
}

/// Orders names as `sort -f` does in the C locale: upper and lower case alike, and by bytes where that is the same. A
/// newline stands where `/` would.
fn sort_key(name: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let plain: Vec<u8> = name.iter().map(|byte| if *byte == b'\n' { b'/' } else { *byte }).chain([1]).collect();
    (plain.to_ascii_uppercase(), plain)
}

/// A page that the machine sorted and cut.
fn page(mut fields: Fields<'_>) -> Result<(Vec<Entry>, u32), ToolError> {
    let garbled = || ToolError::garbled("a page of names is not one");
    let mut lines: Vec<&[u8]> = fields.next()?.split(|byte| *byte == b'\n').collect();
    let total = reply::number(lines.pop().ok_or_else(garbled)?)?;
    let (mut own, mut leads_to) = (HashMap::new(), HashMap::new());
    match fields.next()? {
        b"s" => {
            own = records(fields.next()?)?;
            leads_to = records(fields.next()?)?;
        }
        b"l" => {
            let today = Today::parse(fields.next()?)?;
            loop {
                let name = fields.next()?;
                if name.is_empty() {
                    break;
                }
                let (line, followed) = (fields.next()?, fields.next()?);
                // What has gone since the names were read has no line.
                if !line.is_empty() {
                    own.insert(name.to_vec(), ls::parse(line, today)?);
                }
                if !followed.is_empty() {
                    leads_to.insert(name.to_vec(), ls::parse(followed, today)?);
                }
            }
        }
        _ => return Err(garbled()),
    }
    let mut targets = HashMap::new();
    while !fields.is_empty() {
        let mut record = Fields::of(fields.next()?);
        let name = record.until(b'/')?;
        targets.insert(name, path::to_wire(record.rest()));
    }
    let mut entries = Vec::with_capacity(lines.len());
    for line in lines {
        let name = line.get(1..line.len().saturating_sub(2)).ok_or_else(garbled)?;
        let name: Vec<u8> = name.iter().map(|byte| if *byte == b'/' { b'\n' } else { *byte }).collect();
        if let Some(meta) = own.get(&name) {
            let target = targets.remove(name.as_slice());
            entries.push(Entry::new(path::to_wire(&name), *meta, leads_to.get(&name).copied(), target));
        }
    }
    Ok((entries, total))
}

/// Lines of `stat -c '%n/%f %s %.9Y/'`, for names with or without `./` before them. No name holds a `/`, so a name
/// that holds a newline cannot be taken for two.
fn records(bytes: &[u8]) -> Result<HashMap<Vec<u8>, Meta>, ToolError> {
    let mut fields = Fields::of(bytes);
    let mut found = HashMap::new();
    while !fields.is_empty() {
        let mut name = fields.until(b'/')?;
        if name == b"." {
            name = fields.until(b'/')?;
        }
        let meta = Meta::parse(fields.until(b'/')?)?;
        found.insert(name.to_vec(), meta);
        if !fields.until(b'\n')?.is_empty() {
            return Err(ToolError::garbled("what `stat` says does not end where it should"));
        }
    }
    Ok(found)
}
