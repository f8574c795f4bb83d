//! Whatever shell a machine has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use berth_ssh::RunOptions;
use berth_testbed::{Sshd, has, which};
use support::{run, says, within};

/// A server whose user has this login shell.
fn with_login(shell: &str) -> Sshd {
    Sshd::with(&format!("ForceCommand SHELL={shell} exec {shell} -c \"$SSH_ORIGINAL_COMMAND\""))
}

async fn serves(sshd: &Sshd, name: &str) {
    let session = sshd.session();
    let output = run(&session, "printf 'it'\\''s \\\\ %s\\n' \"$((6 * 7))\"; echo err >&2; exit 5").await.unwrap();
    let said = (output.stdout.bytes.as_slice(), output.stderr.bytes.as_slice(), output.exit_code);
    assert_eq!(said, (&b"it's \\ 42\n"[..], &b"err\n"[..], 5), "{name}");
    let stdin = Some("a\\b'c".into());
    let output = session
        .run(b"cat; printf '\\\\n'; printf 'x\\n' >&2", RunOptions { stdin, ..RunOptions::default() })
        .await
        .unwrap();
    assert_eq!((output.stdout.bytes, output.stderr.bytes), (b"a\\b'c\\n".to_vec(), b"x\n".to_vec()), "{name}");
    assert!(session.run(b"sleep 100 & sleep 100", within(200)).await.unwrap().timed_out, "{name}");
    let output = run(&session, "sleep 1 & echo $!").await.unwrap();
    assert!(!output.stdout.bytes.is_empty());
    for i in 0..5 {
        assert_eq!(says(&session, &format!("echo {i}; exit 0")).await, i.to_string(), "{name}");
    }
    let output = run(&session, "kill -9 $(exec sh -c 'echo $PPID')").await.unwrap();
    assert_eq!((output.exit_code, output.stderr.bytes), (137, Vec::new()), "{name}");
    // A shell that only printed is used again: the look for what is left works here.
    let first = says(&session, "echo $$").await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(says(&session, "echo $$").await, first, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sh_is_a_resident_shell() {
    for name in ["dash", "bash", "busybox", "zsh"] {
        if !has(name) {
            continue;
        }
        let sshd = with_login("{dir}/login");
        fs::create_dir(sshd.path("bin")).unwrap();
        symlink(which(name).unwrap(), sshd.path("bin/sh")).unwrap();
        let login = format!(
            "#!/bin/sh\nPATH={}:$PATH\nexport PATH\n[ \"$1\" != -l ] || shift\nexec sh \"$@\"\n",
            sshd.path("bin").display()
        );
        fs::write(sshd.path("login"), login).unwrap();
        fs::set_permissions(sshd.path("login"), fs::Permissions::from_mode(0o755)).unwrap();
        serves(&sshd, name).await;
        let is = says(&sshd.session(), "readlink /proc/$$/exe").await;
        assert!(is.ends_with(name), "{name}: {is}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fish_is_a_login_shell() {
    if has("fish") {
        serves(&with_login(&which("fish").unwrap().display().to_string()), "fish").await;
    }
}

/// One that prints a greeting, and ones that give no shell at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_shell_that_is_none_is_done_without() {
    for login in ["echo hello; exec sh", "exit 3", "echo no >&2; kill -9 $$", "exec 2>/dev/null; exec sh", "exec yes"] {
        let sshd = Sshd::with("ForceCommand SHELL={dir}/login exec sh -c \"$SSH_ORIGINAL_COMMAND\"");
        fs::write(sshd.path("login"), format!("#!/bin/sh\n{login}\n")).unwrap();
        fs::set_permissions(sshd.path("login"), fs::Permissions::from_mode(0o755)).unwrap();
        let session = sshd.session();
        let output = run(&session, "echo on; echo err >&2; exit 3").await.unwrap();
        assert_eq!((output.stdout.bytes, output.stderr.bytes), (b"on\n".to_vec(), b"err\n".to_vec()), "{login}");
        assert_eq!(says(&session, "echo on").await, "on");
    }
}

/// It is not logged in to for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_the_connection_of_whoever_starts_a_shell_is_given_up() {
    let sshd = Sshd::with("ForceCommand kill -9 $PPID");
    let error = run(&sshd.session(), "true").await.unwrap_err();
    assert!(error.to_string().contains("whenever a shell is started"), "{error}");
}
