//! Runs a test of this program again, as somebody else.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support;

/// Whom to be.
pub enum Who {
    /// Root, with a home of its own that others may pass through.
    Root,
    /// An ordinary user: nobody in particular when root runs the tests.
    Person,
    /// The same, on a computer where everyone may open /dev/net/tun, as on most desktops. Only root can make that so.
    PersonWithTun,
}

/// A user that owns nothing. One with a name, without which OpenSSH does not start.
const NOBODY_IN_PARTICULAR: u32 = 65_534;

/// Runs the ignored test `name`, and fails when it does.
pub fn run(name: &str, who: &Who) {
    run_with(&["--exact", name, "--ignored"], who, &[]);
}

/// Gives /dev/net/tun to everyone in a mount namespace that only its arguments are run in.
const WITH_TUN: &str = "\
folder=$1; shift
mkdir \"$folder/dev\" && mount -t tmpfs -o dev none \"$folder/dev\" && mknod \"$folder/dev/tun\" c 10 200 &&
chmod 666 \"$folder/dev/tun\" && mount --bind \"$folder/dev/tun\" /dev/net/tun || exit 77
exec \"$@\"";

/// Runs tests of this program by these arguments; false where the surroundings could not be made.
pub fn run_with(arguments: &[&str], who: &Who, env: &[(&str, String)]) -> bool {
    // A home where homes are, and a runtime folder where those are: what lies in /tmp is out of a sandbox's reach anyhow.
    let (homes, runtimes) = if support::is_root() { ("/home", "/run") } else { ("/tmp", "/tmp") };
    let folder_in = |place| tempfile::Builder::new().prefix("berth-again-").tempdir_in(place).unwrap();
    let (folder, runtime) = (folder_in(homes), folder_in(runtimes));
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = |from: &Path, name: &str| -> PathBuf {
        let to = folder.path().join(name);
        std::fs::copy(from, &to).unwrap();
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).unwrap();
        to
    };
    // Where these are built may be closed to that user.
    let program = copy(&std::env::current_exe().unwrap(), "test");
    let sandboxd = copy(&support::sandboxd(), "sandboxd");
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();

    let mut command = match who {
        Who::Person | Who::PersonWithTun if support::is_root() => {
            for own in [home.as_path(), runtime.path()] {
                chown(own, Some(NOBODY_IN_PARTICULAR), Some(NOBODY_IN_PARTICULAR)).unwrap();
            }
            let user = NOBODY_IN_PARTICULAR.to_string();
            let mut command = Command::new("unshare");
            if matches!(who, Who::PersonWithTun) {
                command.args(["--mount", "--propagation", "private", "sh", "-c", WITH_TUN, "sh"]).arg(folder.path());
            } else {
                command = Command::new("env");
            }
            command.args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", "--"]).arg(&program);
            command
        }
        _ => Command::new(&program),
    };
    command.args(arguments).args(["--nocapture", "--test-threads", "1"]);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", &home).current_dir("/");
    command.env("XDG_RUNTIME_DIR", runtime.path());
    command.env("BERTH_SANDBOXD", sandboxd).env("BERTH_TEST_SECRET", "secret");
    command.envs(env.iter().map(|(name, value)| (name, value)));
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprintln!("{text}");
    if output.status.code() == Some(77) {
        return false;
    }
    assert!(output.status.success(), "see above");
    assert!(!text.contains(" 0 passed"), "no such test");
    true
}
