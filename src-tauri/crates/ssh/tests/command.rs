//! A connection by a program, with OpenSSH's server as the program.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::path::Path;
use std::time::Duration;

use berth_ssh::{Endpoint, HostKeyCheck, Identity, RunOptions, Session, SessionOptions, SshError, SshTarget};

fn target(program: &str, arguments: &[&str], host_key: &Identity) -> SshTarget {
    SshTarget {
        endpoint: Endpoint::Command {
            program: program.into(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        },
        user: berth_testbed::user(),
        auth: Identity::generate().unwrap().into(),
        host_key: HostKeyCheck::Pinned(host_key.public()),
    }
}

/// `sshd -i` serves the one connection that its standard input and output are.
fn sshd(folder: &Path) -> SshTarget {
    let host_key = Identity::generate().unwrap();
    let config = folder.join("config");
    let mut target = target("/usr/sbin/sshd", &["-i", "-e", "-f", config.to_str().unwrap()], &host_key);
    let identity = Identity::generate().unwrap();
    target.auth = identity.clone().into();
    let key = folder.join("host_key");
    std::fs::write(&key, host_key.to_openssh().unwrap()).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(folder.join("keys"), identity.public()).unwrap();
    let text = format!(
        "HostKey {0}/host_key\nAuthorizedKeysFile {0}/keys\nStrictModes no\nPidFile none\nUsePAM no\n",
        folder.display()
    );
    std::fs::write(config, text).unwrap();
    // Where root runs it, it wants a folder to give up its rights in.
    let _ = std::fs::create_dir_all("/run/sshd");
    target
}

async fn refusal(target: SshTarget) -> String {
    let session = Session::new(target, SessionOptions::default());
    match session.run(b":", RunOptions::default()).await {
        Err(SshError::NotConnected { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_run_over_a_programs_standard_input_and_output() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(sshd(folder.path()), SessionOptions::default());
    let output = session.run(b"echo out; echo err >&2; exit 7", RunOptions::default()).await.unwrap();
    assert_eq!(
        (&output.stdout.bytes[..], &output.stderr.bytes[..], output.exit_code),
        (&b"out\n"[..], &b"err\n"[..], 7)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_ends_with_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let mut target = sshd(folder.path());
    let Endpoint::Command { program, arguments } = &mut target.endpoint else { panic!("another endpoint") };
    let line = format!("echo $$ > {}; exec {} \"$@\"", pid.display(), program.display());
    arguments.splice(0..0, ["-c".to_owned(), line, "sh".to_owned()]);
    *program = "/bin/sh".into();
    let session = Session::new(target, SessionOptions::default());
    session.run(b":", RunOptions::default()).await.unwrap();
    let process = Path::new("/proc").join(std::fs::read_to_string(pid).unwrap().trim());
    assert!(process.exists());
    drop(session);
    for _ in 0..500 {
        if !process.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_says_why_in_its_own_words() {
    let key = Identity::generate().unwrap();
    let told = refusal(target("/bin/sh", &["-c", "echo first >&2; echo no such sandbox >&2; exit 1"], &key)).await;
    assert_eq!(told, "no such sandbox");
    let silent = refusal(target("/bin/sh", &["-c", "exit 3"], &key)).await;
    assert_eq!(silent, "/bin/sh ended (exit status: 3)");
    let missing = refusal(target("/nonexistent/program", &[], &key)).await;
    assert!(missing.starts_with("/nonexistent/program could not be started: "), "{missing}");
}
