//! The real keychain of a Linux desktop, in a session bus and a home of the test's own; and no session bus at all.
//!
//! A process has one keychain for its life, so each test runs the other test of this file, `inside`, in a process of
//! its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Stdio};

use berth_model::Keychain as Status;
use berth_store::{Keychain, Secret};

/// Names what `inside` shall do.
const PART: &str = "BERTH_TEST_KEYCHAIN_PART";

#[test]
fn secrets_are_kept_by_the_secret_service() {
    if let Some(missing) = ["dbus-run-session", "gnome-keyring-daemon"].into_iter().find(|name| !installed(name)) {
        eprintln!("SKIPPED: {missing} is not installed, so no real keychain was tried.");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    // The daemon's first start makes the keyring; a second one, in a new session, must find what the first was given.
    for part in ["write", "read"] {
        let this = std::env::current_exe().unwrap();
        let script = "printf 'pw\\n' | gnome-keyring-daemon --unlock --components=secrets >/dev/null && \
                      exec \"$0\" --exact inside --ignored --nocapture";
        let mut command = Command::new("dbus-run-session");
        command.args(["--", "sh", "-c", script]).arg(this).env(PART, part);
        succeeds(command, home.path());
    }
    // What is on the disk is the daemon's, and encrypted.
    let found = Command::new("grep").args(["-r", "hunter2"]).arg(home.path()).output().unwrap();
    assert_eq!(found.status.code(), Some(1), "{}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn without_a_session_bus_they_are_kept_in_memory() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "inside", "--ignored", "--nocapture"]).env(PART, "no bus");
    // Where nothing listens; without the variable a library may look for a bus by itself.
    command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", home.path().join("nothing").display()));
    succeeds(command, home.path());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing is written anywhere");
}

#[tokio::test]
#[ignore = "run by the other tests, each in a process of its own"]
async fn inside() {
    let keychain = Keychain::open();
    match std::env::var(PART).unwrap().as_str() {
        "write" => {
            assert_eq!(keychain.status().await, Status::Available);
            assert!(keychain.get("key").await.unwrap().is_none());
            keychain.set("key", Secret::new("hunter1".to_owned())).await.unwrap();
            keychain.set("key", Secret::new("hunter2 ⚓".to_owned())).await.unwrap();
            keychain.set("other", Secret::new("x".repeat(100_000))).await.unwrap();
            assert_eq!(keychain.get("key").await.unwrap().unwrap().expose(), "hunter2 ⚓");
        }
        "read" => {
            assert_eq!(keychain.get("key").await.unwrap().unwrap().expose(), "hunter2 ⚓");
            assert_eq!(keychain.get("other").await.unwrap().unwrap().expose().len(), 100_000);
            keychain.delete("key").await.unwrap();
            keychain.delete("key").await.unwrap();
            assert!(keychain.get("key").await.unwrap().is_none());
            assert!(keychain.get("other").await.unwrap().is_some());
        }
        "no bus" => {
            let Status::Missing { reason } = keychain.status().await else { panic!("there should be none") };
            assert!(reason.contains("until Berth closes"), "{reason}");
            keychain.set("key", Secret::new("hunter2".to_owned())).await.unwrap();
            assert_eq!(keychain.get("key").await.unwrap().unwrap().expose(), "hunter2");
        }
        other => panic!("there is no part {other:?}"),
    }
    println!("inside: done");
}

fn installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

fn succeeds(mut command: Command, home: &Path) {
    let output = command
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .env_remove("XDG_DATA_HOME")
        .env_remove("DISPLAY")
        .env_remove("GNOME_KEYRING_CONTROL")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("inside: done"),
        "{}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}
