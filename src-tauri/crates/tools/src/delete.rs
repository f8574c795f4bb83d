//! Deleting.

use crate::{
    ErrorKind, Place, Reply, Script, ShellScript, Tool, ToolError,
    reply::{GUARD, HELPERS},
};

/// Deletes a file, a link (not what it leads to) or an empty folder; a full folder only when `recursive`.
/// Never `/`, the home, or a folder that holds the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The path.
    pub at: Place,
    /// With everything in it.
    pub recursive: bool,
}

/// A folder that its owner may not write to (Go keeps such ones) is made writable when it is in the way.
const DELETE: &str = r#"[ -e "$p" ] || [ -L "$p" ] || gone "$p"
if [ -L "$p" ] || [ ! -d "$p" ]; then
rm -f -- "$p" || exit 80
exit 0
fi
guard "$p"
if [ -z "$recursive" ]; then
rmdir -- "$p" 2>/dev/null && exit 0
set -- "$p"/* "$p"/.[!.]* "$p"/..?*
for f do
[ ! -e "$f" ] && [ ! -L "$f" ] || exit 83
done
rmdir -- "$p" || exit 80
exit 0
fi
rm -rf -- "$p" 2>/dev/null && exit 0
chmod -R u+rwX -- "$p" 2>/dev/null
rm -rf -- "$p" || exit 91
exit 0
"#;

impl Tool for Delete {
    type Output = ();

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = ShellScript::new();
        script
            .raw(HELPERS)
            .raw(GUARD)
            .place("p", &self.at)
            .set("recursive", if self.recursive { b"1" } else { b"" })
            .raw(DELETE);
        script.finish(4 << 10, false)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<(), ToolError> {
        let what = self.at.display();
        match reply.exit_code {
            83 => Err(ToolError::new(
                ErrorKind::IsFolder,
                format!("{what} is a folder with something in it. Nothing was deleted."),
            )
            .hint("Say that all that is in it may be deleted too.")),
            91 => Err(ToolError::new(
                crate::reply::classify(reply.stderr),
                format!(
                    "{what} could not be deleted whole ({}). What could be deleted is gone.",
                    crate::reply::detail(reply.stderr)
                ),
            )),
            92 => Err(ToolError::bad_request(format!("{what} is the home or holds it, and is never deleted."))
                .hint("Destroy the channel to be rid of everything.")),
            _ => reply.fields(&what).map(|_| ()),
        }
    }
}
