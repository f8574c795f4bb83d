//! Whatever happens to a script, its action ends, and what it started ends with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::time::{Duration, Instant};

use berth_ssh::{RunOptions, SshError};
use berth_testbed::{Sshd, until};
use support::{run, runs, says, within};
use tokio_util::sync::CancellationToken;

/// A script that notes both its processes; neither is to live on.
fn two(at: &std::path::Path, deaf: bool) -> String {
    let trap = if deaf { "trap '' TERM;" } else { "" };
    format!(
        "{trap} sh -c '{trap} echo $$ >>{0}; while :; do sleep 0.2; done' & echo $! >>{0}; wait; sleep 100",
        at.display()
    )
}

fn dead(at: &std::path::Path) {
    let told = std::fs::read_to_string(at).unwrap();
    until("both are dead", || told.lines().all(|process| !runs(process)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_ends_the_whole_tree() {
    let sshd = Sshd::start();
    let session = sshd.session();
    for (name, deaf) in [("kind", false), ("deaf", true)] {
        let at = sshd.path(name);
        let begun = Instant::now();
        let output = session.run(format!("echo begun; {}", two(&at, deaf)).as_bytes(), within(1000)).await.unwrap();
        assert!(output.timed_out && output.stdout.bytes == b"begun\n", "{output:?}");
        assert!(begun.elapsed() < Duration::from_secs(6));
        dead(&at);
    }
    // The one that reads is ended like the others.
    let at = sshd.path("reads");
    let options = RunOptions { stdin: Some("x".into()), ..within(1000) };
    assert!(session.run(two(&at, false).as_bytes(), options).await.unwrap().timed_out);
    dead(&at);
    assert_eq!(says(&session, "echo on").await, "on");
}

/// Its first child is told to end long before the last one.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_stopped_does_not_go_on_with_its_next_command() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let many = "sleep 30 & p=$!; i=0; while [ $i -lt 150 ]; do sleep 30 & i=$((i + 1)); done";
    let output = session.run(format!("{many}; echo begun; wait $p; echo next").as_bytes(), within(3000)).await.unwrap();
    assert!(output.timed_out, "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout.bytes), "begun\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_script_and_one_whose_caller_left_are_ended() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let at = sshd.path("cancelled");
    assert_eq!(says(&session, "echo on").await, "on");
    let cancel = CancellationToken::new();
    let options = RunOptions { cancel: cancel.clone(), ..RunOptions::default() };
    let seen = at.clone();
    std::thread::spawn(move || {
        until("both run", || std::fs::read_to_string(&seen).is_ok_and(|told| told.lines().count() == 2));
        cancel.cancel();
    });
    assert!(matches!(session.run(two(&at, false).as_bytes(), options).await, Err(SshError::Cancelled {})));
    dead(&at);

    let at = sshd.path("left");
    let script = two(&at, false);
    let told = async {
        while !std::fs::read_to_string(&at).is_ok_and(|told| told.lines().count() == 2) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        output = run(&session, &script) => panic!("{output:?}"),
        () = told => {}
    }
    dead(&at);
    assert_eq!(says(&session, "echo on").await, "on");

    let cancel = CancellationToken::new();
    cancel.cancel();
    let at = sshd.path("never");
    let options = RunOptions { cancel, ..RunOptions::default() };
    let script = format!("touch {}", at.display());
    assert!(matches!(session.run(script.as_bytes(), options).await, Err(SshError::Cancelled {})));
    assert!(!at.exists(), "it was cancelled before it began");
}

/// A caller that leaves at once, before it is known which process the script is.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_at_once_leaves_nothing_running() {
    let sshd = Sshd::start();
    let session = sshd.session();
    for i in 0..20 {
        says(&session, ":").await;
        let at = sshd.path(&format!("at-once-{i}"));
        let script = format!("echo $(exec sh -c 'echo $PPID') >{0}.new; mv {0}.new {0}; sleep 100", at.display());
        let _ = tokio::time::timeout(Duration::from_micros(50 * i), run(&session, &script)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if at.exists() {
            dead(&at);
        }
    }
}

/// The shell that serves an action is no more than any process of that user.
#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_dies_ends_its_action_and_no_other() {
    let sshd = Sshd::start();
    let session = sshd.session();
    for script in
        ["kill -9 $$", "kill -9 $$; sleep 100", "exec sh -c 'kill -9 $PPID; sleep 100'", "kill -STOP $$; kill -9 $$"]
    {
        let begun = Instant::now();
        assert!(matches!(run(&session, script).await, Err(SshError::OutcomeUnknown {})), "{script}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{script}");
        assert_eq!(says(&session, "echo on").await, "on");
    }
    // It is not dead, and will not answer either.
    let output = session.run(b"kill -STOP $$; sleep 100", within(200)).await.unwrap();
    assert!(output.timed_out);
    assert_eq!(says(&session, "exec echo on").await, "on");
}

/// One that died while it waited is not used.
#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_died_while_it_waited_is_not_used() {
    let sshd = Sshd::start();
    let session = sshd.session();
    for _ in 0..10 {
        let shell = says(&session, "echo $$").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        std::process::Command::new("kill").args(["-9", &shell]).status().unwrap();
        until("it ended", || !runs(&shell));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(says(&session, "echo on").await, "on");
    }
}
