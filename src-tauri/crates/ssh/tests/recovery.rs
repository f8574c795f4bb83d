//! Connections that break, and machines that are not the right one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod support;

use std::time::{Duration, Instant};

use berth_ssh::{HostKeyCheck, Identity, PtyRequest, Session, SessionOptions, SessionState, SshError, SshStream};
use berth_testbed::Way;
use berth_testbed::{Sshd, until};
use support::{run, says};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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

/// A server on this computer that says back what it hears.
async fn echo() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    port
}

async fn echoes(stream: &mut SshStream) -> std::io::Result<bool> {
    stream.write_all(b"hi").await?;
    let mut heard = [0; 2];
    Ok(stream.read_exact(&mut heard).await.is_ok() && heard == *b"hi")
}

/// Without a word, as when a computer sleeps or a network is gone for good.
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_over_a_dead_connection_ends_and_the_next_goes_on() {
    let (sshd, port) = (Sshd::start(), echo().await);
    let way = Way::to(sshd.port, Duration::ZERO).await;
    let session = Session::new(way.target(&sshd.target), SessionOptions::default());
    // Of russh's own signs of life three have to fail, ten seconds apart: nobody waits for those.
    let patience = Duration::from_secs(25);
    let mut stream = session.forward_tcp("127.0.0.1", port).await.unwrap();
    assert!(echoes(&mut stream).await.unwrap());
    let mut terminal = session.pty(PtyRequest { command: Some("cat".into()), ..PtyRequest::default() }).await.unwrap();
    assert_eq!(way.connections(), 3, "one for actions, one for streams, one for terminals");

    // That of the streams alone: nobody else is disturbed.
    way.kill(2);
    let told = tokio::time::timeout(patience, echoes(&mut stream)).await.expect("it does not wait for ever");
    assert!(!told.unwrap_or(false));
    let mut again = session.forward_tcp("127.0.0.1", port).await.unwrap();
    assert!(echoes(&mut again).await.unwrap());
    assert_eq!(says(&session, "echo on").await, "on");

    // All of them.
    (1..=way.connections()).for_each(|number| way.kill(number));
    let over = async { while terminal.reader.recv().await.is_some() {} };
    let going_on = async {
        let mut stream = session.forward_tcp("127.0.0.1", port).await?;
        Ok::<_, SshError>(echoes(&mut stream).await.unwrap_or(false))
    };
    let both = async { tokio::join!(over, going_on) };
    let ((), went_on) = tokio::time::timeout(patience, both).await.expect("neither waits for ever");
    assert!(went_on.unwrap());
    assert_eq!(says(&session, "echo on").await, "on");
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

/// As slow as a telephone: ten seconds pass from one word of the machine to the next, but it takes more meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_way_up_is_not_taken_for_a_dead_one() {
    let sshd = Sshd::start();
    let way = Way::narrow(sshd.port, 10 * 1024).await;
    let session = Session::new(way.target(&sshd.target), SessionOptions::default());
    assert_eq!(says(&session, "echo on").await, "on");
    let (source, at) = (vec![5; 200 * 1024], sshd.path("slowly"));
    let size = source.len() as u64;
    let sent = session.upload(&source[..], size, at.to_str().unwrap().as_bytes(), None, |_| {}).await;
    assert_eq!(sent.unwrap(), size);
    assert_eq!(way.connections(), 2, "one for actions, one for the file");
}

/// russh stops reading a connection while nobody takes what came by it: that is no silence of the machine's.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_reads_for_a_while_is_not_taken_for_dead() {
    const SIZE: usize = 64 * 1024 * 1024;
    let sshd = Sshd::start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&vec![7; SIZE]).await.unwrap();
    });
    let session = sshd.session();
    let mut stream = session.forward_tcp("127.0.0.1", port).await.unwrap();
    tokio::time::sleep(Duration::from_secs(14)).await;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert!(heard.len() == SIZE && heard.iter().all(|byte| *byte == 7), "{} of {SIZE}", heard.len());
}
