//! The connection doctor: what is said of machines that are not well.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use berth_ssh::{Endpoint, Identity, SshError, SshTarget, Step};

mod support;

use berth_testbed::Sshd;
use support::diagnose;
use tokio::sync::watch;

fn at(sshd: &Sshd, host: &str, port: u16) -> SshTarget {
    SshTarget { endpoint: Endpoint::Tcp { host: host.into(), port }, ..sshd.target.clone() }
}

/// The last step, which failed, and the error.
async fn failure(target: SshTarget) -> (Step, SshError) {
    let (mut steps, result) = diagnose(&target).await;
    let last = steps.pop().unwrap();
    assert!(!last.ok && steps.iter().all(|step| step.ok), "{steps:#?} {last:#?}");
    (last, result.unwrap_err())
}

/// Accepts one connection and does something with it.
fn server(serve: impl FnOnce(std::net::TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.accept().map(|(stream, _)| serve(stream)));
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_well() {
    let sshd = Sshd::start();
    let (steps, result) = diagnose(&at(&sshd, "localhost", sshd.port)).await;
    result.unwrap();
    let ids: Vec<_> = steps.iter().filter(|step| step.ok).map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["name", "tcp", "banner", "kex", "host-key", "auth-key"]);
    let detail = |id: &str| steps.iter().rfind(|step| step.id == id).unwrap().detail.clone();
    assert!(detail("banner").starts_with("SSH-2.0-OpenSSH"), "{}", detail("banner"));
    assert!(detail("kex").contains("ssh-ed25519"), "{}", detail("kex"));
    assert!(steps.iter().all(|step| step.duration > Duration::ZERO), "{steps:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told_while_the_rest_is_waited_for() {
    let sshd = Sshd::start();
    let (answer, wait) = std::sync::mpsc::channel::<()>();
    let slow = server(move |mut stream| {
        let _ = wait.recv();
        let _ = stream.write_all(b"not SSH\r\n");
    });
    let steps = watch::Sender::new(Vec::new());
    let mut taken = steps.subscribe();
    let target = at(&sshd, "127.0.0.1", slow);
    let reaching = tokio::spawn(async move { berth_ssh::diagnose(&target, steps).await });
    let told = taken.wait_for(|steps: &Vec<Step>| steps.iter().any(|step| step.id == "tcp")).await.unwrap().clone();
    assert!(told.iter().all(|step| step.ok) && !reaching.is_finished(), "{told:#?}");
    answer.send(()).unwrap();
    reaching.await.unwrap().unwrap_err();
    assert_eq!(taken.borrow().last().unwrap().id, "banner");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_known_and_a_port_that_is_closed() {
    let mut sshd = Sshd::start();
    let (step, error) = failure(at(&sshd, "no-such-machine.invalid", 22)).await;
    assert_eq!(step.id, "name");
    assert!(step.hint.unwrap().contains("VPN"));
    assert!(matches!(error, SshError::NotConnected { .. }));
    sshd.down();
    let (step, error) = failure(at(&sshd, "127.0.0.1", sshd.port)).await;
    assert_eq!(step.id, "tcp");
    assert!(step.hint.unwrap().contains("is sshd running"));
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_server_and_a_tls_server() {
    let sshd = Sshd::start();
    let web = server(|mut stream| {
        let _ = stream.read(&mut [0; 100]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad\x1b[31m Request\r\nConnection: close\r\n\r\n");
    });
    let (step, error) = failure(at(&sshd, "127.0.0.1", web)).await;
    assert_eq!(step.id, "banner");
    assert!(step.detail.contains("web server") && !step.detail.contains('\u{1b}'), "{step:?}");
    assert!(error.to_string().contains("web server"), "{error}");
    let tls = server(|mut stream| {
        let _ = stream.read(&mut [0; 100]);
        let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, 70]);
    });
    let (step, _) = failure(at(&sshd, "127.0.0.1", tls)).await;
    assert!(step.detail.contains("TLS"), "{step:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_and_one_that_hangs_up() {
    let sshd = Sshd::start();
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let silent = server(move |_stream| wait.recv().unwrap_or_default());
    let begun = Instant::now();
    let (step, error) = failure(at(&sshd, "127.0.0.1", silent)).await;
    drop(done);
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(step.id, "banner");
    assert!(error.to_string().contains("says nothing"), "{error}");
    let (step, _) = failure(at(&sshd, "127.0.0.1", server(drop))).await;
    assert_eq!(step.id, "banner");
    let (step, _) =
        failure(at(&sshd, "127.0.0.1", server(|mut stream| drop(stream.write_all(b"SSH-2.0-x\r\n"))))).await;
    assert_eq!(step.id, "kex");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key() {
    let sshd = Sshd::start();
    let target = SshTarget { auth: Identity::generate().unwrap().into(), ..sshd.target.clone() };
    let (step, error) = failure(target).await;
    assert_eq!(step.id, "auth-key");
    let SshError::Refused(refusal) = error else { panic!("{error:?}") };
    assert!(refusal.offered.contains(&"publickey".to_owned()), "{refusal}");
    assert!(refusal.to_string().contains("authorized_keys"), "{refusal}");
}
