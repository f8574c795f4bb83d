//! Deleting what a sandbox wrote. Its processes are gone by then, so nothing changes underneath.

use std::io;
use std::path::Path;
use std::process::Stdio;

use berth_model::ChannelId;
use tokio::process::Command;

use crate::ProviderError;
use crate::error::Doing;
use crate::layout::{Layout, Places};

/// Deletes all that lies in a sandbox's folders.
pub(crate) async fn sandbox(layout: &Layout, id: &ChannelId, places: &Places) -> Result<(), ProviderError> {
    let removing = "Deleting the sandbox's files";
    let doomed = layout.doomed(id);
    tree(&doomed).await.doing(removing, &doomed)?;
    // Its own folder goes last: while that is there the rest is known to be somebody's.
    for folder in [&places.socket_dir, &places.net_dir] {
        tree(folder).await.doing(removing, folder)?;
    }
    if places.root.exists() {
        std::fs::rename(&places.root, &doomed).doing(removing, &places.root)?;
    }
    tree(&doomed).await.doing(removing, &doomed)?;
    Ok(())
}

/// Finishes deletions that were cut short.
pub(crate) async fn leftovers(layout: &Layout) {
    for leftover in layout.leftovers() {
        if let Err(error) = tree(&leftover).await {
            tracing::warn!(path = %leftover.display(), %error, "what is left of a sandbox could not be deleted");
        }
    }
}

/// Deletes a folder with everything in it, however deep and whatever its modes: a tool may have left folders that even
/// their owner may not write to (Go's module cache), and a sandbox may have left worse. The system's own `rm` does it
/// without a stack or a descriptor for each level.
async fn tree(path: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    if rm(path).await.is_ok() {
        return Ok(());
    }
    // It may complain of what it cannot change; what counts is whether `rm` succeeds then.
    let _ = run(Command::new("chmod").args(["-R", "u+rwx", "--"]).arg(path)).await;
    rm(path).await
}

async fn rm(path: &Path) -> io::Result<()> {
    // Only GNU's knows the word; elsewhere a sandbox has no way to mount anything.
    let bounded = cfg!(target_os = "linux").then_some("--one-file-system");
    run(Command::new("rm").arg("-rf").args(bounded).arg("--").arg(path)).await
}

async fn run(command: &mut Command) -> io::Result<()> {
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = command.output().await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(said.lines().next().unwrap_or("it did not say why").to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use nix::fcntl::{OFlag, openat};
    use nix::sys::stat::{Mode, mkdirat};

    use super::*;

    #[tokio::test]
    async fn deletes_closed_folders_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let (tree_root, outside) = (folder.path().join("tree"), folder.path().join("outside"));
        fs::create_dir_all(tree_root.join("a/b/c")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        fs::write(tree_root.join("a/b/c/file"), "").unwrap();
        symlink(&outside, tree_root.join("a/link")).unwrap();
        for (closed, mode) in [("a/b/c", 0o500), ("a/b", 0o000), ("a", 0o400)] {
            fs::set_permissions(tree_root.join(closed), fs::Permissions::from_mode(mode)).unwrap();
        }
        tree(&tree_root).await.unwrap();
        assert!(!tree_root.exists() && outside.join("kept").exists());
        tree(&tree_root).await.unwrap();
    }

    #[tokio::test]
    async fn deletes_what_is_deeper_than_any_path() {
        let folder = tempfile::tempdir().unwrap();
        let open = |parent: &OwnedFd, name: &str| {
            mkdirat(parent, name, Mode::S_IRWXU).unwrap();
            openat(parent, name, OFlag::O_DIRECTORY, Mode::empty()).unwrap()
        };
        let mut level = open(&fs::File::open(folder.path()).unwrap().into(), "t");
        for _ in 0..3000 {
            level = open(&level, "deeper");
        }
        tree(&folder.path().join("t")).await.unwrap();
        assert!(!folder.path().join("t").exists());
    }
}
