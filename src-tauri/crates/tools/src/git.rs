//! What Git says would be lost with a folder.

use crate::{
    Place, Reply, Script, ShellScript, Tool, ToolError,
    reply::{self, FOLDER, HELPERS, REPO},
};

/// Counts what a repository holds that nobody else has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitLoss {
    /// The folder.
    pub at: Place,
}

/// What would be lost; nothing known where the folder is no repository, or there is no Git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// Files that Git says are changed or unknown to it.
    pub uncommitted: Option<u32>,
    /// Commits that no remote has.
    pub unpushed: Option<u32>,
}

const LOSS: &str = r#"repo || exit 0
GIT_OPTIONAL_LOCKS=0
export GIT_OPTIONAL_LOCKS
u=$(git status --porcelain --untracked-files=all 2>/dev/null && echo .) || exit 0
printf '%s\0' "$(($(printf '%s\n' "$u" | wc -l) - 1))"
h=
! git rev-parse -q --verify HEAD >/dev/null 2>&1 || h=HEAD
git rev-list --count $h --branches --tags --not --remotes 2>/dev/null
exit 0
"#;

impl Tool for GitLoss {
    type Output = Loss;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = ShellScript::new();
        script.raw(HELPERS).raw(REPO).place("p", &self.at).raw(FOLDER).raw(LOSS);
        script.finish(4 << 10, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Loss, ToolError> {
        let mut fields = reply.fields(&self.at.display())?;
        if fields.is_empty() {
            return Ok(Loss::default());
        }
        let uncommitted = Some(fields.number()?);
        let unpushed = match fields.rest() {
            b"" => None,
            count => Some(reply::number(count)?),
        };
        Ok(Loss { uncommitted, unpushed })
    }
}
