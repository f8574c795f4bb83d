//! What a script prints is what comes back, and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod support;

use std::time::Duration;

use berth_ssh::RunOptions;
use berth_testbed::{Sshd, until};
use support::{run, runs, says};

#[tokio::test(flavor = "multi_thread")]
async fn both_streams_and_the_exit_code_are_exact() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let output = run(&session, "echo out; echo err >&2; exit 7").await.unwrap();
    assert_eq!(
        (&output.stdout.bytes[..], &output.stderr.bytes[..], output.exit_code),
        (&b"out\n"[..], &b"err\n"[..], 7)
    );
    assert_ne!(run(&session, "echo 'unbalanced").await.unwrap().exit_code, 0);
    assert_eq!(run(&session, "kill -9 $(exec sh -c 'echo $PPID')").await.unwrap().exit_code, 137);
    let binary = "for i in 0 1 2 3 4 5 6 7; do printf '\\000\\001\\377\\n'; done";
    let output = run(&session, &format!("{binary}; {{ {binary}; }} >&2")).await.unwrap();
    assert_eq!((output.stdout.bytes, output.stderr.bytes), (b"\0\x01\xff\n".repeat(8), b"\0\x01\xff\n".repeat(8)));
    assert_eq!(says(&session, "cat; x=1; cd /; echo $x").await, "1");
    assert_eq!(says(&session, "echo $x").await, "", "a script sets nothing for the next");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shell_serves_one_action_after_the_other() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let tidy = || RunOptions { tidy: true, ..RunOptions::default() };
    let mut shells = std::collections::BTreeSet::new();
    for _ in 0..20 {
        shells.insert(session.run(b"echo $$", tidy()).await.unwrap().stdout.bytes);
    }
    assert_eq!(shells.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_output_keeps_both_ends_and_is_bounded() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let script = "echo first; echo first >&2; head -c 40000000 /dev/zero | tee /dev/stderr; echo last >&2; echo last";
    let output =
        session.run(script.as_bytes(), RunOptions { output_limit: 1000, ..RunOptions::default() }).await.unwrap();
    for stream in [output.stdout, output.stderr] {
        assert!(stream.bytes.starts_with(b"first\n") && stream.bytes.ends_with(b"last\n"));
        assert_eq!(stream.bytes.len() as u64 + stream.dropped, 40_000_011);
    }
    let at = says(&session, "echo $$; ls -d /dev/shm/.berth-$$-* /tmp/.berth-$$-* 2>/dev/null").await;
    assert_eq!(at.lines().count(), 1, "standard error is kept in a file: {at}");
}

#[tokio::test(flavor = "multi_thread")]
async fn input_is_read_to_its_end_and_both_streams_are_whole() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let stdin = Some(vec![b'q'; 3_000_000].into());
    let options = RunOptions { stdin: stdin.clone(), output_limit: 8_000_000, ..RunOptions::default() };
    for _ in 0..3 {
        let output = session.run(b"tee /dev/stderr; printf x >&2; exit 3", options.clone()).await.unwrap();
        assert_eq!((output.stdout.bytes.len(), output.stderr.bytes.len(), output.exit_code), (3_000_000, 3_000_001, 3));
    }
    // A script that does not read it.
    let output =
        session.run(b"echo 'it'\\''s \\\\ fine'; exit 4", RunOptions { stdin, ..RunOptions::default() }).await.unwrap();
    assert_eq!((output.stdout.bytes.as_slice(), output.exit_code), (&b"it's \\ fine\n"[..], 4));
}

/// What is left in the background goes on, and prints into nobody's reply.
#[tokio::test(flavor = "multi_thread")]
async fn a_background_process_does_not_leak_into_later_replies() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let loops = [
        "sh -c 'while :; do echo LEAK; sleep 0.01; done' 2>/dev/null & echo pid $!",
        "sh -c 'while :; do echo LEAK >&2; sleep 0.01; done' >/dev/null & echo pid $!",
        "setsid sh -c 'echo pid $$; while :; do echo LEAK; echo LEAK >&2; sleep 0.01; done' & sleep 0.3",
    ];
    let mut left = Vec::new();
    for script in loops {
        let said = says(&session, script).await;
        left.push(said.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().to_owned());
    }
    for i in 0..30 {
        let output = run(&session, &format!("echo {i}; sleep 0.02")).await.unwrap();
        assert_eq!((output.stdout.bytes, output.stderr.bytes), (format!("{i}\n").into_bytes(), Vec::new()));
    }
    for process in left {
        assert!(runs(&process), "it died, as of a broken pipe");
        run(&session, &format!("kill -9 {process}")).await.unwrap();
        until("it ended", || !runs(&process));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_closes_its_streams_costs_no_shell() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let first = says(&session, "sleep 5 >/dev/null 2>&1 & sleep 0.2; echo $$").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(says(&session, "echo $$").await, first);
}

/// What a command prints may look like what the frame around it says: none of it is taken for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_prints_what_a_trailer_looks_like_is_followed_to_its_own() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let forged = r#"echo "nonce is [$_n]"; for n in "" "$_n" 0123456789abcdef0123456789abcdef; do
        printf '%s 0 0 0 free\n' "$n"; printf '%s 7 0 0 free\n' "$n" >&2; printf '%s 42\n' "$n"; done
        set | grep -c "^_n=." ; exit 3"#;
    let output = run(&session, forged).await.unwrap();
    assert_eq!(output.exit_code, 3);
    let said = String::from_utf8(output.stdout.bytes).unwrap();
    assert!(said.starts_with("nonce is []\n") && said.ends_with("\n0\n"), "the script knows the nonce: {said}");
    assert_eq!(said.lines().count(), 8, "all of it is output: {said}");
    assert_eq!(says(&session, "echo on").await, "on");
}
