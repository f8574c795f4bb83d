//! Writing a whole file.

use crate::{
    ErrorKind, Place, Reply, Script, ShellScript, Tool, ToolError,
    reply::{HELPERS, VERSION},
    shell::FRESH,
};

/// Writes a whole file: atomically, with its folders, keeping mode and owner of what was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The file. A link is followed, not replaced.
    pub at: Place,
    /// The new content.
    pub content: Vec<u8>,
    /// Refuse ([`crate::ErrorKind::Conflict`]) unless the file still has this version.
    pub version: Option<String>,
}

/// A file was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The path, absolute.
    pub path: String,
    /// Its size now.
    pub size: u64,
    /// Its version now.
    pub version: String,
    /// Whether it was made by this.
    pub created: bool,
}

/// A payload up to this size stands in the script itself, which saves a channel of its own.
const INLINE: usize = 64 << 10;
/// How much of it one `printf` gets.
const PIECE: usize = 8 << 10;

/// `$p` may be a link, to where nothing is yet: what is written is what it leads to.
const FOLLOW: &str = r#"t=$p i=0
while [ -L "$t" ]; do
i=$((i + 1))
[ "$i" -le 40 ] || { echo 'too many levels of symbolic links' >&2; exit 80; }
l=$(readlink -n -- "$t" && echo .) || exit 80
l=${l%.}
case $l in
/*) t=$l;;
*) t=${t%/*}/$l;;
esac
done
case $t in
*/) exit 83;;
esac
[ -d "$t" ] && exit 83
d=${t%/*} c=1
if [ -e "$t" ]; then
c=0
[ -f "$t" ] || exit 90
[ -w "$t" ] || exit 86
fi
if [ ! -d "$d/" ]; then
[ ! -e "$d" ] || exit 84
mkdir -p -- "$d" || exit 80
fi
"#;

/// Sets `m` to a new file beside the target with its mode and owner. A target in a folder that cannot be written to is
/// written in place: better not atomic than not at all.
const BESIDE: &str = r#"if [ "$c" = 0 ] && [ ! -w "$d/" ]; then
same
m=$t
else
i=0 k= m=$d/.berth.$$.0
while [ -e "$m" ] || [ -L "$m" ]; do
i=$((i + 1)) m=$d/.berth.$$.$i
done
trap 'rm -f -- "$m" "${k:-$m}"' 0
trap 'exit 143' HUP INT TERM
if [ "$c" = 0 ]; then
cp --attributes-only -p -- "$t" "$m" 2>/dev/null || cp -p -- "$t" "$m" || [ -f "$m" ] || exit 80
fi
fi
"#;

/// Between the look at the version and the new name no other writer of ours does anything: who makes the file `$k` may go
/// on. One that was killed there left it, and is waited for no longer than it could take.
///
/// A target that cannot be renamed over, such as a file mounted into a container, is written in place too.
const RENAME: &str = r#"if [ "$m" != "$t" ]; then
i=0 l=$d/.berth.lock.${t##*/}
until _fresh "$l"; do
[ -e "$l" ] && [ "$i" -lt 100 ] || break
sleep 0.02 2>/dev/null || { sleep 1; i=$((i + 49)); }
i=$((i + 1))
done
k=$l
same
mv -f -- "$m" "$t" 2>/dev/null || { [ "$c" = 0 ] && cat <"$m" >"$t"; } || mv -f -- "$m" "$t" || exit 80
ver "$t" || exit 80
rm -f -- "$m" "$k"
trap - 0 HUP INT TERM
else
ver "$t" || exit 80
fi
printf '%s\0' "$p" "$n" "$v" "$c"
exit 0
"#;

impl Tool for Write {
    type Output = Written;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = ShellScript::new();
        script.raw(HELPERS).raw(VERSION).place("p", &self.at);
        match &self.version {
            Some(version) => {
                script.raw("same() {\n[ \"$c\" = 0 ] && ver \"$t\" && [ \"$v\" = ").word(version.as_bytes());
                script.raw(" ] || exit 82\n}\n");
            }
            None => {
                script.raw("same() { :; }\n");
            }
        }
        script.raw(FOLLOW).raw(BESIDE);
        let inline = self.content.len() <= INLINE;
        if inline {
            script.raw("{\n:\n");
            for piece in self.content.chunks(PIECE) {
                script.raw("printf ").quoted(&printf_format(piece)).raw(" || exit 80\n");
            }
            script.raw("} >\"$m\" || exit 80\n");
        } else {
            // A connection that breaks ends the input early; what came is then not the file.
            script.raw("cat >\"$m\" || exit 80\n");
            script.raw(&format!("[ \"$(wc -c <\"$m\")\" -eq {} ] || exit 91\n", self.content.len()));
        }
        script.raw(FRESH).raw(RENAME);
        let mut script = script.finish(16 << 10, self.version.is_none())?;
        script.stdin = (!inline).then(|| self.content.clone());
        Ok(script)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Written, ToolError> {
        let what = self.at.display();
        if reply.exit_code == 91 {
            return Err(ToolError::new(
                ErrorKind::Failed,
                format!("Only a part of the new content of {what} arrived. The file is as it was."),
            )
            .hint("Try again."));
        }
        let mut fields = reply.fields(&what)?;
        let written = Written {
            path: fields.wire()?,
            size: fields.number()?,
            version: fields.text()?.to_owned(),
            created: fields.next()? == b"1",
        };
        if written.size != self.content.len() as u64 {
            return Err(ToolError::garbled("the file has not the size that was written"));
        }
        Ok(written)
    }
}

/// A format that makes `printf` print exactly these bytes. It never opens with a dash.
fn printf_format(bytes: &[u8]) -> Vec<u8> {
    let mut format = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => format.extend_from_slice(b"%%"),
            b'\\' => format.extend_from_slice(b"\\\\"),
            0 => format.extend_from_slice(b"\\000"),
            b'-' if i == 0 => format.extend_from_slice(b"\\055"),
            byte => format.push(*byte),
        }
    }
    format
}
