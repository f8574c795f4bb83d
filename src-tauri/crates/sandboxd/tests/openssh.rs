//! OpenSSH's own clients against the server: what a person, `git` and every script will use.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{Sandbox, eventually, feed, key, noise, text};

const MEGABYTE: usize = 1024 * 1024;

#[test]
fn exit_codes_and_both_streams_come_back() {
    let sandbox = Sandbox::new();
    for code in [0, 1, 7, 127, 254] {
        let output = sandbox.run(&format!("echo out; echo err >&2; exit {code}"));
        assert_eq!(output.status.code(), Some(code));
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n", "err\n"));
    }
    assert_eq!(sandbox.run("no-such-command 2>/dev/null").status.code(), Some(127));
}

#[test]
fn every_byte_passes_both_ways() {
    let sandbox = Sandbox::new();
    let all: Vec<u8> = (0..=255).cycle().take(256 * 700 + 13).collect();
    let output = sandbox.run_with("tee /dev/stderr", &all);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == all && output.stderr == all);
}

#[test]
fn a_hundred_megabytes_pass_both_ways_at_once_in_little_memory() {
    let sandbox = Sandbox::new();
    let bytes = noise(100 * MEGABYTE);
    let output = sandbox.run_with("cat", &bytes);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == bytes);
    assert!(sandbox.peak_memory() < 64 * MEGABYTE as u64, "{} bytes", sandbox.peak_memory());
}

#[test]
fn a_client_gets_to_the_socket_through_the_program_itself() {
    let sandbox = Sandbox::new();
    let way = format!("ProxyCommand={} --connect {}", support::SANDBOXD, sandbox.path("ssh.sock").display());
    let bytes = noise(4 * MEGABYTE);
    let output = feed(sandbox.ssh(&["-o", &way, "box", "cat; exit 7"]), &bytes);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    assert!(output.stdout == bytes);

    let mut nowhere = std::process::Command::new(support::SANDBOXD);
    nowhere.args(["--connect", "/nonexistent/socket"]);
    let output = feed(nowhere, b"");
    assert!(!output.status.success() && text(&output.stderr).contains("/nonexistent/socket"));
}

#[test]
fn the_end_of_input_reaches_the_command_and_its_answer_comes_back() {
    let sandbox = Sandbox::new();
    let output = sandbox.run_with("wc -c; echo after", b"12345");
    assert_eq!(text(&output.stdout).split_whitespace().collect::<Vec<_>>(), ["5", "after"]);
}

#[test]
fn a_command_that_does_not_read_stops_neither_its_end_nor_its_connection() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run_with("exit 3", &noise(8 * MEGABYTE)).status.code(), Some(3));

    let _master = Master::new(&sandbox);
    let mut stuck = sandbox.ssh(&["-S", "mux", "box", "echo started; exec sleep 1000"]);
    let mut stuck = stuck.stdin(fs::File::open("/dev/zero").unwrap()).stdout(Stdio::piped()).spawn().unwrap();
    BufReader::new(stuck.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    // Long enough for what is sent to fill every window and buffer on the way.
    std::thread::sleep(Duration::from_secs(2));
    for _ in 0..10 {
        let start = Instant::now();
        let output = sandbox.ssh(&["-S", "mux", "box", "cat; echo $((6 * 7))"]).output().unwrap();
        assert_eq!(text(&output.stdout), "42\n");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
    assert!(sandbox.peak_memory() < 64 * MEGABYTE as u64, "{} bytes", sandbox.peak_memory());
    stuck.kill().unwrap();
    stuck.wait().unwrap();
}

#[test]
fn a_command_killed_by_a_signal_has_no_exit_code() {
    let sandbox = Sandbox::new();
    // What OpenSSH's client makes of it.
    assert_eq!(sandbox.run("kill -KILL $$").status.code(), Some(255));
    assert_eq!(sandbox.run("kill -TERM $$").status.code(), Some(255));
}

#[test]
fn a_forced_terminal_is_one() {
    let sandbox = Sandbox::new();
    let mut ssh = sandbox.ssh(&["-tt", "box", "test -t 0 && test -t 1 && test -t 2 && echo \"$TERM $(tty)\"; exit 9"]);
    let output = ssh.env("TERM", "vt100").output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    let shown = text(&output.stdout);
    assert!(shown.starts_with("vt100 /dev/pts/") && shown.ends_with("\r\n"), "{shown:?}");
}

#[test]
fn a_terminal_is_the_controlling_one_and_interrupts() {
    let sandbox = Sandbox::new();
    let mut ssh = sandbox.ssh(&["-tt", "box", "echo ready > /dev/tty; sleep 1000; echo \"ended by $?\""]);
    let mut ssh = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(ssh.stdout.take().unwrap());
    let mut line = String::new();
    shown.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\r\n");
    // The shell's child must run before it can be interrupted.
    eventually("sleep", || sandbox.run("ps -e -o args | grep -c '^[s]leep 1000'").stdout.first() == Some(&b'1'));
    ssh.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    assert_eq!(ssh.wait().unwrap().code(), Some(255), "SIGINT ends the shell, too");
}

#[test]
fn a_shell_is_a_login_shell_at_home() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.home(".profile"), "FROM_PROFILE=read\n").unwrap();
    let output = feed(sandbox.ssh(&["-T", "box"]), b"echo \"$0 $FROM_PROFILE\"; pwd; exit 6\n");
    assert_eq!(output.status.code(), Some(6));
    let home = sandbox.home("").canonicalize().unwrap();
    assert_eq!(text(&output.stdout), format!("-sh read\n{}\n", home.display()));
}

#[test]
fn the_environment_is_the_settings_and_what_the_client_sends() {
    let sandbox = Sandbox::new();
    let line = "echo \"$HOME|$USER|$LOGNAME|$SHELL|$FROM_SETTINGS|$LC_NAME|$MY_1|${SECRET-unset}\"";
    let mut ssh = sandbox.ssh(&["box", line]);
    let output = ssh.env("LC_NAME", "n").env("MY_1", "a b=c").env("SECRET", "s").output().unwrap();
    let home = sandbox.home("");
    let home = home.to_str().unwrap().trim_end_matches('/');
    assert_eq!(text(&output.stdout), format!("{home}|dev|dev|/bin/sh|yes|n|a b=c|unset\n"));
    let output = sandbox.run("cat /proc/$PPID/environ | tr '\\0' '\\n' | grep -c LC_NAME=");
    assert_eq!(text(&output.stdout), "0\n", "a client's variables are not the server's");
}

#[test]
fn only_the_right_key_and_user_get_in() {
    let sandbox = Sandbox::new();
    sandbox.write_key("other", &key());
    let config = fs::read_to_string(sandbox.path("config")).unwrap();
    fs::write(sandbox.path("config"), config.replace("/id\n", "/other\n")).unwrap();
    let output = sandbox.run("true");
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("Permission denied (publickey)"), "{}", text(&output.stderr));

    fs::write(sandbox.path("config"), &config).unwrap();
    assert_eq!(sandbox.ssh(&["-l", "root", "box", "true"]).output().unwrap().status.code(), Some(255));
    assert_eq!(sandbox.run("true").status.code(), Some(0));
}

#[test]
fn a_client_that_leaves_hangs_its_command_up() {
    let sandbox = Sandbox::new();
    // A shell whose child was hung up says so, and there is nobody any more to say it to.
    let line = "exec 2>/dev/null; trap 'echo hung up > told; exit' HUP; echo ready; while :; do sleep 0.01; done";
    for terminal in ["-T", "-tt"] {
        let _ = fs::remove_file(sandbox.home("told"));
        let mut ssh = sandbox.ssh(&[terminal, "box", line]);
        let mut ssh = ssh.stdout(Stdio::piped()).spawn().unwrap();
        BufReader::new(ssh.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        ssh.kill().unwrap();
        ssh.wait().unwrap();
        eventually("SIGHUP", || fs::read(sandbox.home("told")).is_ok_and(|told| told == b"hung up\n"));
    }
}

#[test]
fn a_child_in_the_background_that_holds_the_output_keeps_the_channel() {
    let sandbox = Sandbox::new();
    let start = Instant::now();
    let output = sandbox.run("(sleep 1; echo late) & echo early; exit 4");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(4), "early\nlate\n"));
    assert!(start.elapsed() >= Duration::from_secs(1));

    let start = Instant::now();
    assert_eq!(sandbox.run("sleep 1017 >/dev/null 2>&1 </dev/null & exit 5").status.code(), Some(5));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(text(&sandbox.run("ps -e -o args | grep -c '^[s]leep 1017'").stdout), "1\n", "it was not hung up");
}

#[test]
fn many_channels_share_a_connection() {
    let sandbox = Sandbox::new();
    let _master = Master::new(&sandbox);
    let waiting: Vec<_> = (0..40)
        .map(|n| {
            let mut ssh = sandbox.ssh(&["-S", "mux", "box", &format!("read go; echo {n}; exit {n}")]);
            ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for (n, mut ssh) in waiting.into_iter().enumerate() {
        ssh.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let output = ssh.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(i32::try_from(n).unwrap()));
        assert_eq!(text(&output.stdout), format!("{n}\n"));
    }
}

#[test]
fn scp_copies_in_both_of_its_modes() {
    let sandbox = Sandbox::new();
    let bytes = noise(5 * MEGABYTE + 1);
    fs::create_dir(sandbox.path("tree")).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd \xff\xfe name");
    fs::write(sandbox.path("tree").join(odd), &bytes).unwrap();
    fs::write(sandbox.path("tree/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(sandbox.path("tree/run"), PermissionsExt::from_mode(0o751)).unwrap();
    set_old(&sandbox.path("tree/run"));
    for mode in ["-s", "-O"] {
        let mut up = sandbox.client("scp");
        assert!(up.args([mode, "-q", "-p", "-r", "tree", &format!("box:up{mode}")]).status().unwrap().success());
        let copy = sandbox.home(&format!("up{mode}"));
        assert_eq!(fs::metadata(copy.join("run")).unwrap().permissions().mode() & 0o7777, 0o751);
        let mut down = sandbox.client("scp");
        assert!(down.args([mode, "-q", "-p", "-r", &format!("box:up{mode}"), "down"]).status().unwrap().success());
        let back = sandbox.path("down");
        assert!(fs::read(back.join(odd)).unwrap() == bytes);
        let metadata = fs::metadata(back.join("run")).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o751, OLD));
        fs::remove_dir_all(back).unwrap();
    }
    let mut absent = sandbox.client("scp");
    assert_eq!(absent.args(["-q", "box:absent", "x"]).stderr(Stdio::null()).status().unwrap().code(), Some(1));
}

#[test]
fn rsync_mirrors_a_tree() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("tree/a/b")).unwrap();
    fs::write(sandbox.path("tree/a/b/bytes"), noise(MEGABYTE)).unwrap();
    fs::write(sandbox.path("tree/a/run"), "x").unwrap();
    fs::set_permissions(sandbox.path("tree/a/run"), PermissionsExt::from_mode(0o700)).unwrap();
    set_old(&sandbox.path("tree/a/run"));
    symlink("a/run", sandbox.path("tree/link")).unwrap();
    let shell = format!("ssh -F {}", sandbox.path("config").display());
    for (from, to) in [("tree/", "box:mirror/"), ("box:mirror/", "back/")] {
        let mut rsync = std::process::Command::new("rsync");
        let status = rsync.args(["-a", "-e", &shell, from, to]).current_dir(sandbox.dir.path()).status().unwrap();
        assert!(status.success());
    }
    assert_eq!(fs::read_link(sandbox.path("back/link")).unwrap().to_str(), Some("a/run"));
    assert!(fs::read(sandbox.path("back/a/b/bytes")).unwrap() == noise(MEGABYTE));
    let metadata = fs::metadata(sandbox.path("back/a/run")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o700, OLD));
}

#[test]
fn sftp_does_all_that_its_client_can_ask() {
    let sandbox = Sandbox::new();
    let bytes = noise(3 * MEGABYTE + 7);
    fs::write(sandbox.path("bytes"), &bytes).unwrap();
    fs::set_permissions(sandbox.path("bytes"), PermissionsExt::from_mode(0o640)).unwrap();
    set_old(&sandbox.path("bytes"));
    let batch = "mkdir made\ncd made\npwd\nput -p bytes\nrename bytes moved\nsymlink moved link\nln moved hard\nls -l\n\
                 chmod 600 hard\ndf\nget -p moved back\nrm link\nmkdir gone\nrmdir gone\nls -1 .\n";
    let output = feed(sftp(&sandbox), batch.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(
        shown.contains(&format!("directory: {}", sandbox.home("made").canonicalize().unwrap().display())),
        "{shown}"
    );
    let listed = |line: &str| shown.lines().any(|l| l.starts_with(line));
    assert!(listed("lrwxrwxrwx") && listed("-rw-r-----"), "{shown}");
    assert!(fs::read(sandbox.path("back")).unwrap() == bytes);
    let metadata = fs::metadata(sandbox.path("back")).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o600, OLD));
    let mut left: Vec<_> = fs::read_dir(sandbox.home("made")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["hard", "moved"]);
}

#[test]
fn sftp_refuses_with_the_reason() {
    let sandbox = Sandbox::new();
    for (request, reason) in [
        ("get absent", "not found"),
        ("rmdir absent", "No such file"),
        ("mkdir /proc/x", "No such file or directory"),
        ("ls absent", "not found"),
    ] {
        let output = feed(sftp(&sandbox), format!("{request}\n").as_bytes());
        assert_eq!(output.status.code(), Some(1), "{request}");
        assert!(text(&output.stderr).contains(reason), "{request}: {}", text(&output.stderr));
    }
}

#[test]
fn large_folders_are_listed_whole() {
    let sandbox = Sandbox::new();
    for n in 0..2500 {
        fs::write(sandbox.home(&format!("file-{n:04}-{}", "x".repeat(200))), "").unwrap();
    }
    let output = feed(sftp(&sandbox), b"ls -1\n");
    assert_eq!(text(&output.stdout).lines().filter(|line| line.starts_with("file-")).count(), 2500);
}

#[test]
fn ports_and_sockets_are_reached_through_the_connection() {
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            support::shouting(stream.unwrap());
        }
    });
    let bytes = vec![b'a'; 3 * MEGABYTE];
    for host in ["127.0.0.1", "localhost"] {
        let output = feed(sandbox.ssh(&["-W", &format!("{host}:{port}"), "box"]), &bytes);
        assert!(output.stdout == vec![b'A'; 3 * MEGABYTE], "{host}: {} bytes", output.stdout.len());
    }

    let listener = UnixListener::bind(sandbox.path("there")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            stream.unwrap().write_all(b"hello").unwrap();
        }
    });
    let forward = format!("{}:{}", sandbox.path("here").display(), sandbox.path("there").display());
    let mut ssh = sandbox.ssh(&["-N", "-L", &forward, "box"]).spawn().unwrap();
    let mut heard = String::new();
    eventually("forwarding", || UnixStream::connect(sandbox.path("here")).is_ok());
    UnixStream::connect(sandbox.path("here")).unwrap().read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
    ssh.kill().unwrap();
    ssh.wait().unwrap();
}

#[test]
fn a_port_where_nothing_listens_is_refused() {
    let sandbox = Sandbox::new();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let output = sandbox.ssh(&["-W", &format!("127.0.0.1:{closed}"), "box"]).output().unwrap();
    assert_eq!(output.status.code(), Some(255));
    let mut remote = sandbox.ssh(&["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "box", "true"]);
    assert_eq!(remote.output().unwrap().status.code(), Some(255), "remote forwarding is not offered");
}

/// 2001-02-03T04:05:06Z.
const OLD: i64 = 981_173_106;

fn set_old(path: &std::path::Path) {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(OLD.unsigned_abs());
    let times = fs::FileTimes::new().set_modified(time).set_accessed(time);
    fs::File::open(path).unwrap().set_times(times).unwrap();
}

fn sftp(sandbox: &Sandbox) -> std::process::Command {
    let mut sftp = sandbox.client("sftp");
    sftp.args(["-q", "-b", "-", "box"]);
    sftp
}

/// A connection that other clients share as `-S mux`.
struct Master(std::process::Child);

impl Master {
    fn new(sandbox: &Sandbox) -> Self {
        let master = sandbox.ssh(&["-M", "-N", "-S", "mux", "box"]).spawn().unwrap();
        eventually("the shared connection", || sandbox.path("mux").exists());
        Self(master)
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
