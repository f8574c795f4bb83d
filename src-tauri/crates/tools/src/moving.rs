//! Moving and renaming.

use crate::{
    ErrorKind, FileStat, Place, Reply, Script, ShellScript, Tool, ToolError,
    reply::{GUARD, HELPERS, REPO, VERSION},
    stat::{DESCRIBE, described},
};

/// Moves or renames. An existing target is refused unless `replace`, and a folder is never replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// From.
    pub from: Place,
    /// To: the new path itself, not a folder to put it in.
    pub to: Place,
    /// Replace the file or link that stands there.
    pub replace: bool,
}

const MOVE: &str = r#"[ -e "$q" ] || [ -L "$q" ] || gone "$q"
[ ! -d "$q" ] || [ -L "$q" ] || guard "$q"
case $p/ in
"$q"/*) exit 93;;
esac
d=${p%/*}
[ -d "$d/" ] || exit 94
if [ -e "$p" ] || [ -L "$p" ]; then
[ -n "$replace" ] || exit 85
[ ! -d "$p" ] || [ -L "$p" ] || exit 95
[ ! -d "$q" ] || [ -L "$q" ] || exit 95
[ ! -d "$p" ] || rm -f -- "$p" || exit 80
fi
mv -f -- "$q" "$p" || exit 80
"#;

impl Tool for Move {
    type Output = FileStat;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = ShellScript::new();
        script.raw(HELPERS).raw(GUARD).raw(VERSION).raw(REPO).place("q", &self.from).place("p", &self.to);
        script.set("replace", if self.replace { b"1" } else { b"" }).raw(MOVE).raw(DESCRIBE);
        script.finish(64 << 10, false)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<FileStat, ToolError> {
        let (from, to) = (self.from.display(), self.to.display());
        match reply.exit_code {
            85 => Err(ToolError::new(ErrorKind::Exists, format!("{to} exists already. Nothing was moved."))
                .hint("Choose another name, or say that it may be replaced.")),
            92 => Err(ToolError::bad_request(format!("{from} is the home or holds it, and is never moved."))),
            93 => Err(ToolError::bad_request(format!("{from} cannot be moved to itself or into itself."))),
            94 => {
                Err(ToolError::new(ErrorKind::NotFound, format!("There is no folder to hold {to}. Nothing was moved."))
                    .hint("Make the folder first."))
            }
            95 => Err(ToolError::new(
                ErrorKind::Exists,
                format!(
                    "{to} exists already, and a folder neither is replaced nor replaces a file. Nothing was moved."
                ),
            )
            .hint("Delete it first, or choose another name.")),
            _ => described(reply.fields(&from)?),
        }
    }
}
