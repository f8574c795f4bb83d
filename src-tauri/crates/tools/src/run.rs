//! Running a command and waiting for it.

use crate::{ErrorKind, Place, Reply, Script, ShellScript, Tool, ToolError};

/// Runs a command by `sh -c`, in the environment of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The folder to run in.
    pub at: Place,
    /// The command, as one would type it into `sh`.
    pub command: String,
    /// More environment.
    pub env: Vec<(String, String)>,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// What it printed; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it printed to standard error, likewise.
    pub stderr: String,
    /// Its exit code; 128 + the signal's number.
    pub exit_code: i32,
    /// Whether a part of the output is missing.
    pub truncated: bool,
}

/// The kernel takes no argument of 128 KiB; a longer command is run by the session's own shell.
const ARGUMENT: usize = 120_000;

/// What stands on standard error, and nothing on standard output, when the folder was not there to run in.
const NO_FOLDER: &[u8] = b"berth: no folder ";

impl Tool for Run {
    type Output = Ran;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = ShellScript::bare();
        script.raw("lost() { printf 'berth: no folder %s' \"$1\" >&2; exit 125; }\n").place("berth_at", &self.at);
        script.raw("cd -- \"$berth_at\" 2>/dev/null || {\n[ -e \"$berth_at\" ] || lost 81\n");
        script.raw("[ -d \"$berth_at\" ] || lost 84\nlost 86\n}\n");
        exports(&mut script, &self.env)?;
        script.raw(if self.command.len() < ARGUMENT { "exec sh -c " } else { "eval " });
        script.word(self.command.as_bytes()).raw("\n");
        script.finish(1 << 20, false)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Ran, ToolError> {
        if reply.exit_code == 125 && reply.stdout.is_empty() && reply.stderr.starts_with(NO_FOLDER) {
            let what = format!("folder {} to run in", self.at.display());
            return Err(match &reply.stderr[NO_FOLDER.len()..] {
                b"84" => {
                    ToolError::new(ErrorKind::NotFolder, format!("{} is not a folder to run in.", self.at.display()))
                }
                b"86" => {
                    ToolError::new(ErrorKind::PermissionDenied, format!("The sandbox's user may not enter the {what}."))
                }
                _ => ToolError::new(ErrorKind::NotFound, format!("There is no {what}.")),
            }
            .hint("Nothing was run."));
        }
        Ok(Ran {
            stdout: String::from_utf8_lossy(reply.stdout).into_owned(),
            stderr: String::from_utf8_lossy(reply.stderr).into_owned(),
            exit_code: reply.exit_code,
            truncated: reply.truncated,
        })
    }
}

/// Adds to the environment of what the script runs.
pub(crate) fn exports(script: &mut ShellScript, env: &[(String, String)]) -> Result<(), ToolError> {
    for (name, value) in env {
        let mut letters = name.bytes();
        let opens = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || letter == b'_');
        if !opens || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_') {
            return Err(ToolError::bad_request(format!(
                "`{}` cannot be the name of an environment variable.",
                crate::path::display(name)
            )));
        }
        script.raw("export ").raw(name).raw("=").quoted(value.as_bytes()).raw("\n");
    }
    Ok(())
}
