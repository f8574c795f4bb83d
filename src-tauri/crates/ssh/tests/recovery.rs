//! Connections that break, and machines that are not the right one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod support;

use std::time::{Duration, Instant};

use berth_ssh::{HostKeyCheck, Identity, Session, SessionOptions, SessionState, SshError};
use support::{Sshd, run, says, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_made_again() {
    let sshd = Sshd::start();
    let session = sshd.session();
    for _ in 0..3 {
        assert_eq!(says(&session, "echo on").await, "on");
        let at = sshd.path("runs");
        let script = format!("touch {}; sleep 100", at.display());
        let running = tokio::spawn({
            let session = session.clone();
            async move { run(&session, &script).await }
        });
        until("it runs", || at.exists());
        std::fs::remove_file(&at).unwrap();
        sshd.cut();
        assert!(matches!(running.await.unwrap(), Err(SshError::OutcomeUnknown {})));
    }
    assert_eq!(says(&session, "echo on").await, "on");
    assert_eq!(*session.state().borrow(), SessionState::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_action_does_not_wait_for_the_backoff() {
    let mut sshd = Sshd::start();
    let session = sshd.session();
    assert_eq!(says(&session, "echo on").await, "on");
    sshd.down();
    until("it is noticed", || *session.state().borrow() != SessionState::Connected);
    for _ in 0..6 {
        assert!(matches!(run(&session, "true").await, Err(SshError::NotConnected { .. })));
    }
    assert!(matches!(&*session.state().borrow(), SessionState::Reconnecting { attempt: 5.., .. }));
    sshd.up();
    let begun = Instant::now();
    assert_eq!(says(&session, "echo on").await, "on");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_another_key_is_named_and_left_alone() {
    let sshd = Sshd::start();
    let mut target = sshd.target.clone();
    target.host_key = HostKeyCheck::Pinned(Identity::generate().unwrap().public());
    let session = Session::new(target, SessionOptions::default());
    assert!(matches!(run(&session, "true").await, Err(SshError::HostKey { .. })));
    let mut state = session.state();
    state.mark_unchanged();
    assert!(matches!(run(&session, "true").await, Err(SshError::HostKey { .. })));
    let changed = tokio::time::timeout(Duration::from_millis(1500), state.changed()).await;
    assert!(changed.is_err(), "it was tried again: {:?}", *state.borrow());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_is_told() {
    let sshd = Sshd::start();
    let mut target = sshd.target.clone();
    target.auth = Identity::generate().unwrap().into();
    let session = Session::new(target, SessionOptions::default());
    for _ in 0..3 {
        assert!(matches!(run(&session, "true").await, Err(SshError::Refused(_))));
    }
    session.close().await;
    assert!(matches!(run(&session, "true").await, Err(SshError::NotConnected { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_dropped_leaves_no_connection() {
    let sshd = Sshd::start();
    let session = sshd.session();
    run(&session, "sleep 0.01 & echo").await.unwrap();
    assert!(!sshd.connections().is_empty());
    drop(session);
    tokio::time::sleep(Duration::from_millis(100)).await;
    until("the connection is closed", || sshd.connections().is_empty());
}
