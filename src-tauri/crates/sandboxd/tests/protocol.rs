//! The protocol itself, by a client that hides nothing of it; and what a start and an end leave.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use russh::client::{Handle, Msg};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Sig};
use support::{SANDBOXD, Sandbox, eventually, key, settings};
use tokio::io::AsyncReadExt;

struct AnyHost;

impl russh::client::Handler for AnyHost {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

async fn connect(sandbox: &Sandbox) -> Handle<AnyHost> {
    let stream = tokio::net::UnixStream::connect(sandbox.path("ssh.sock")).await.unwrap();
    let mut client = russh::client::connect_stream(Arc::default(), stream, AnyHost).await.unwrap();
    let key = PrivateKeyWithHashAlg::new(Arc::new(sandbox.client_key.clone()), None);
    assert!(client.authenticate_publickey("dev", key).await.unwrap().success());
    client
}

async fn exec(client: &Handle<AnyHost>, line: &str) -> Channel<Msg> {
    let channel = client.channel_open_session().await.unwrap();
    channel.exec(true, line).await.unwrap();
    channel
}

/// What comes until the channel is closed: standard output, and the kinds of all else.
async fn rest(mut channel: Channel<Msg>) -> (String, Vec<String>) {
    let (mut out, mut seen) = (Vec::new(), Vec::new());
    let all = async {
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => out.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => seen.push(format!("exit {exit_status}")),
                ChannelMsg::ExitSignal { signal_name, core_dumped, .. } => {
                    seen.push(format!("signal {signal_name:?} {core_dumped}"));
                }
                ChannelMsg::Eof => seen.push("eof".to_owned()),
                ChannelMsg::Close => seen.push("close".to_owned()),
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
    (String::from_utf8(out).unwrap(), seen)
}

/// Waits for the first output.
async fn first_line(channel: &mut Channel<Msg>) {
    while !matches!(channel.wait().await.unwrap(), ChannelMsg::Data { .. }) {}
}

#[tokio::test]
async fn an_end_is_told_before_the_channel_is_closed() {
    let sandbox = Sandbox::new();
    let client = connect(&sandbox).await;
    let (out, mut seen) = rest(exec(&client, "echo out; exit 7").await).await;
    assert_eq!(out, "out\n");
    assert!(seen.iter().position(|kind| kind == "eof") < seen.iter().position(|kind| kind == "close"), "{seen:?}");
    seen.retain(|kind| kind != "close");
    seen.sort();
    assert_eq!(seen, ["eof", "exit 7"]);
}

#[tokio::test]
async fn a_signal_that_ends_a_command_has_its_name() {
    let sandbox = Sandbox::new();
    let client = connect(&sandbox).await;
    for (name, told) in [("TERM", "signal TERM false"), ("KILL", "signal KILL false"), ("USR2", "USR2")] {
        let (_, seen) = rest(exec(&client, &format!("kill -{name} $$")).await).await;
        assert!(seen.iter().any(|kind| kind.contains(told)), "{seen:?}");
        assert!(!seen.iter().any(|kind| kind.starts_with("exit ")), "{seen:?}");
    }
}

#[tokio::test]
async fn a_signal_goes_to_the_whole_process_group() {
    let sandbox = Sandbox::new();
    let client = connect(&sandbox).await;
    let child = "sh -c 'trap \"echo child >> told; exit\" USR1; echo; while :; do sleep 0.05; done'";
    let mut channel =
        exec(&client, &format!("exec 2>/dev/null; trap 'echo shell >> told' USR1; {child}; wait; exit 0")).await;
    first_line(&mut channel).await;
    channel.signal(Sig::USR1).await.unwrap();
    rest(channel).await;
    let told = fs::read_to_string(sandbox.home("told")).unwrap();
    assert!(told.contains("child") && told.contains("shell"), "{told}");
}

#[tokio::test]
async fn a_terminal_has_the_size_that_it_is_told_then_and_later() {
    let sandbox = Sandbox::new();
    let client = connect(&sandbox).await;
    let mut channel = client.channel_open_session().await.unwrap();
    channel.request_pty(true, "vt100", 90, 30, 0, 0, &[]).await.unwrap();
    channel.exec(true, "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.05; done").await.unwrap();
    first_line(&mut channel).await;
    channel.window_change(101, 41, 0, 0).await.unwrap();
    let (out, _) = rest(channel).await;
    assert!(out.contains("41 101"), "{out}");
}

#[tokio::test]
async fn variables_are_taken_before_the_command_only_if_a_shell_could_export_them() {
    let sandbox = Sandbox::new();
    let client = connect(&sandbox).await;
    let channel = client.channel_open_session().await.unwrap();
    channel.set_env(true, "MINE", "a 'b' \u{e9}").await.unwrap();
    channel.set_env(true, "BASH_FUNC_x%%", "() { :; }").await.unwrap();
    channel.exec(true, "echo \"$MINE\"; env | grep -c BASH_FUNC").await.unwrap();
    assert_eq!(rest(channel).await.0, "a 'b' \u{e9}\n0\n");
}

#[tokio::test]
async fn a_socket_is_reached_by_its_path() {
    let sandbox = Sandbox::new();
    let client = connect(&sandbox).await;
    let path = sandbox.path("there");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"hello").unwrap());
    let channel = client.channel_open_direct_streamlocal(path.to_str().unwrap()).await.unwrap();
    let mut heard = Vec::new();
    channel.into_stream().read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"hello");
    let absent = sandbox.path("absent");
    client.channel_open_direct_streamlocal(absent.to_str().unwrap()).await.unwrap_err();
    // Names are looked up by nobody here: only this machine's own mean something.
    client.channel_open_direct_tcpip("example.invalid", 80, "127.0.0.1", 0).await.unwrap_err();
}

#[test]
fn the_socket_is_its_owners_and_the_lock_is_held() {
    let sandbox = Sandbox::new();
    assert_eq!(fs::metadata(sandbox.path("ssh.sock")).unwrap().permissions().mode() & 0o777, 0o600);
    let lock = fs::File::open(sandbox.path("lock")).unwrap();
    assert!(Flock::lock(lock, FlockArg::LockExclusiveNonblock).is_err());
    let mut second = Command::new(SANDBOXD).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    second.stdin.take().unwrap().write_all(settings(sandbox.dir.path(), &key()).to_string().as_bytes()).unwrap();
    let output = second.wait_with_output().unwrap();
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("holds the lock"));
    assert_eq!(sandbox.run("true").status.code(), Some(0), "the first one serves on");
}

#[test]
fn sigterm_ends_everything_and_waits_for_what_saves() {
    let mut sandbox = Sandbox::new();
    let saves = "trap 'sleep 0.3; echo saved > saved; exit' TERM; touch ready; while :; do sleep 0.05; done";
    let deaf = "trap '' TERM; echo $$ > deaf; while :; do sleep 0.05; done";
    for script in [saves, deaf] {
        sandbox.run(&format!("setsid sh -c \"{}\" > /dev/null 2>&1 < /dev/null &", script.replace('$', "\\$")));
    }
    eventually("both", || {
        sandbox.home("ready").exists() && fs::read(sandbox.home("deaf")).is_ok_and(|pid| !pid.is_empty())
    });
    let deaf = fs::read_to_string(sandbox.home("deaf")).unwrap();
    assert_eq!(sandbox.terminate(), Some(0));
    assert_eq!(fs::read_to_string(sandbox.home("saved")).unwrap(), "saved\n");
    let stat = fs::read_to_string(format!("/proc/{}/stat", deaf.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    assert!(!sandbox.path("ssh.sock").exists());
}
