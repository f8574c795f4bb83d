//! More work than a connection has channels for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod support;

use std::time::{Duration, Instant};

use berth_ssh::{Endpoint, PtyRequest, RunOptions, Session, SessionOptions, SshError, SshTarget};
use berth_testbed::Sshd;
use futures::future::join_all;
use support::{run, says, within};
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

async fn at_once(session: &Session, count: usize) {
    let all = join_all((0..count).map(|i| async move { says(session, &format!("sleep 0.05; echo {i}")).await })).await;
    for (i, said) in all.iter().enumerate() {
        assert_eq!(*said, i.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_actions_as_there_are_all_finish() {
    for sessions in [10, 4] {
        let sshd = Sshd::with(&format!("MaxSessions {sessions}"));
        let session = sshd.session();
        at_once(&session, 32).await;
        at_once(&session, 64).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_runs_do_not_keep_a_short_one_waiting() {
    let sshd = Sshd::with("MaxSessions 10");
    let session = sshd.session();
    let stop = CancellationToken::new();
    let long = (0..20).map(|i| {
        let (session, cancel) = (session.clone(), stop.clone());
        let script = format!("touch {}; sleep 3600", sshd.path(&format!("run-{i}")).display());
        tokio::spawn(
            async move { session.run(script.as_bytes(), RunOptions { cancel, ..RunOptions::default() }).await },
        )
    });
    let long: Vec<_> = long.collect();
    berth_testbed::until("all run at once", || (0..20).all(|i| sshd.path(&format!("run-{i}")).exists()));
    let begun = Instant::now();
    assert_eq!(says(&session, "echo on").await, "on");
    let output = session.run(b"cat", RunOptions { stdin: Some("in".into()), ..RunOptions::default() }).await.unwrap();
    assert_eq!(output.stdout.bytes, b"in");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    stop.cancel();
    for run in long {
        assert!(matches!(run.await.unwrap(), Err(SshError::Cancelled {})));
    }
    at_once(&session, 32).await;
}

/// A server may let in only so many that have not logged in yet, from wherever they come.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_turns_newcomers_away_is_not_flooded() {
    let mut sshd = Sshd::start();
    let config = std::fs::read_to_string(sshd.path("config")).unwrap();
    std::fs::write(sshd.path("config"), config.replace("MaxStartups 100", "MaxStartups 3:100:3")).unwrap();
    sshd.down();
    sshd.up();
    let session = sshd.session();
    at_once(&session, 64).await;
    sshd.cut();
    let deadline = Instant::now() + Duration::from_secs(30);
    while run(&session, "true").await.is_err() {
        assert!(Instant::now() < deadline, "it does not come back");
    }
    at_once(&session, 64).await;
}

/// Many machines at a time; one that says nothing, and one that is not there, slow no other.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_machines_at_a_time_and_dead_ones_beside_them() {
    let machines: Vec<_> = (0..20).map(|_| Sshd::start()).collect();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = [silent.local_addr().unwrap().port(), 1].map(|port| {
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".into(), port };
        let session = Session::new(SshTarget { endpoint, ..machines[0].target.clone() }, SessionOptions::default());
        tokio::spawn(async move { session.run(b"true", RunOptions::default()).await.unwrap_err() })
    });
    let sessions: Vec<_> = machines.iter().map(Sshd::session).collect();
    let begun = Instant::now();
    let all = sessions.iter().flat_map(|session| (0..4).map(move |_| at_once(session, 4)));
    tokio::time::timeout(Duration::from_secs(60), join_all(all)).await.expect("all get through");
    let took = begun.elapsed();
    // A silent machine is waited for fifteen seconds: who waits for it, too, has ended later than that.
    assert!(took < Duration::from_secs(14), "{took:?}");
    for one in dead {
        assert!(matches!(one.await.unwrap(), SshError::NotConnected { .. }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_channel_heeds_the_caller() {
    let sshd = Sshd::start();
    let options = berth_ssh::SessionOptions { max_workers: 1, max_connections: 1, ..Default::default() };
    let session = Session::new(sshd.target.clone(), options);
    let busy = tokio::spawn({
        let session = session.clone();
        async move { run(&session, "sleep 3").await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    assert!(matches!(session.run(b"true", within(200)).await, Err(SshError::Busy {})));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let cancelled = session.run(b"true", RunOptions { cancel, ..RunOptions::default() }).await;
    assert!(matches!(cancelled, Err(SshError::Cancelled {})));
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(busy.await.unwrap().unwrap().exit_code, 0);
}

/// A terminal, a stream and a download that nobody reads: actions do not notice.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_reads_stops_no_action() {
    let sshd = Sshd::start();
    let session = sshd.session();
    let request = PtyRequest { cols: 80, rows: 24, term: "xterm".into(), command: Some("yes".into()) };
    let _pty = session.pty(request).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let flood = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    });
    let _stream = session.forward_tcp("127.0.0.1", port).await.unwrap();
    let (sink, _unread) = tokio::io::duplex(1024);
    let download = tokio::spawn({
        let session = session.clone();
        async move { session.download(b"/dev/zero", sink, |_| {}).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    for i in 0..50 {
        assert_eq!(says(&session, &format!("echo {i}")).await, i.to_string());
    }
    download.abort();
    flood.abort();
}

/// Channels that are let go of are closed: the machine has as many as are used.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_let_go_of_is_closed() {
    let sshd = Sshd::with("MaxSessions 10");
    let session = sshd.session();
    for i in 0..15 {
        let wait = Duration::from_millis(20 + 10 * i);
        let _ = tokio::time::timeout(wait, session.download(b"/dev/zero", tokio::io::sink(), |_| {})).await;
        let _ = tokio::time::timeout(wait, session.upload(tokio::io::repeat(1), 1 << 40, b"/tmp/.never", None, |_| {}))
            .await;
        drop(session.pty(PtyRequest { cols: 1, rows: 1, ..Default::default() }).await.unwrap());
        let _ = tokio::time::timeout(wait, run(&session, "sleep 100")).await;
    }
    let left = |what: &str| {
        let parents = sshd.connections();
        let all = std::process::Command::new("ps").args(["-eo", "ppid=,comm="]).output().unwrap().stdout;
        let all = String::from_utf8_lossy(&all).into_owned();
        let ours = |line: &&str| {
            let mut words = line.split_whitespace();
            let parent = words.next().unwrap_or_default();
            parents.iter().any(|id| id.to_string() == parent) && words.next() == Some(what)
        };
        all.lines().filter(ours).count()
    };
    berth_testbed::until("nothing is left but shells that wait", || {
        left("cat") == 0 && left("bash") == 0 && left("sh") <= 8
    });
}
