//! The programs of this computer: where they are, and what they print.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::{Account, Env};

const PATIENCE: Duration = Duration::from_secs(10);

/// Where a program is. The folders of system programs are not on everyone's PATH.
pub(super) fn program(env: &Env, name: &str) -> Option<PathBuf> {
    let path = env.get("PATH").map(String::as_str).unwrap_or_default();
    let folders =
        std::env::split_paths(path).chain(["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin"].map(PathBuf::from));
    folders
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0))
}

/// What a program printed, what it complained of, and whether it succeeded in time.
pub(super) async fn output(command: &mut Command, account: &Account) -> (String, String, bool) {
    command.current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
    account.assume(command);
    match timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (text(&output.stdout), text(&output.stderr), output.status.success())
        }
        Ok(Err(error)) => (String::new(), error.to_string(), false),
        Err(_) => (String::new(), "it did not end in time".to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_in_absolute_folders() {
        assert_eq!(program(&Env::from([("PATH".into(), "relative:/nonexistent".into())]), "no-such-program"), None);
        assert!(program(&Env::new(), "env").is_some());
    }
}
