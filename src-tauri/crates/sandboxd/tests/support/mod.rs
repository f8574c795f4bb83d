//! A `sandboxd` on a socket of its own, outside of any sandbox, and OpenSSH's clients to drive it.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const SANDBOXD: &str = env!("CARGO_BIN_EXE_sandboxd");

/// A running server; dropping it ends it.
pub struct Sandbox {
    pub dir: TempDir,
    pub client_key: PrivateKey,
    process: Child,
    port: u16,
}

/// A key for a test.
pub fn key() -> PrivateKey {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut seed).unwrap();
    Ed25519Keypair::from_seed(&seed).into()
}

/// The settings of a server that keeps all it has in `dir`.
pub fn settings(dir: &Path, client_key: &PrivateKey) -> Value {
    json!({
        "socket": dir.join("ssh.sock"),
        "lock": dir.join("lock"),
        "host_key": key().to_openssh(LineEnding::LF).unwrap().as_str(),
        "authorized_keys": [client_key.public_key().to_openssh().unwrap()],
        "user": "dev",
        "home": dir.join("home"),
        "shell": "/bin/sh",
        "env": { "FROM_SETTINGS": "yes" },
        "egress": null,
        "limits": null,
    })
}

/// Starts `sandboxd` by `command`, gives it its settings, and waits until it is ready.
pub fn start(mut command: Command, settings: &Value) -> (Child, ChildStdout) {
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(settings.to_string().as_bytes()).unwrap();
    let mut stdout = process.stdout.take().unwrap();
    let mut ready = [0; 6];
    if stdout.read_exact(&mut ready).is_err() {
        let mut said = String::new();
        process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("sandboxd did not start: {said}");
    }
    assert_eq!(&ready, b"ready\n");
    (process, stdout)
}

impl Sandbox {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// With settings that `change` changed.
    pub fn with(change: impl FnOnce(&mut Value)) -> Self {
        let dir = tempfile::Builder::new().prefix("sandboxd").tempdir().unwrap();
        let client_key = key();
        let mut settings = settings(dir.path(), &client_key);
        change(&mut settings);
        std::fs::create_dir(dir.path().join("home")).unwrap();
        let (process, _) = start(Command::new(SANDBOXD), &settings);
        let port = bridge(dir.path().join("ssh.sock"));
        let sandbox = Self { dir, client_key, process, port };
        sandbox.write_client_files();
        sandbox
    }

    fn write_client_files(&self) {
        self.write_key("id", &self.client_key);
        let config = format!(
            "Host box\n HostName 127.0.0.1\n Port {}\n User dev\n IdentityFile {}\n IdentitiesOnly yes\n \
             StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n LogLevel ERROR\n SendEnv LC_* MY_*\n",
            self.port,
            self.path("id").display()
        );
        std::fs::write(self.path("config"), config).unwrap();
    }

    /// Writes a key where an OpenSSH client accepts it.
    pub fn write_key(&self, name: &str, key: &PrivateKey) {
        let path = self.path(name);
        std::fs::write(&path, key.to_openssh(LineEnding::LF).unwrap().as_bytes()).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn home(&self, name: &str) -> PathBuf {
        self.path("home").join(name)
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// One of OpenSSH's clients, which finds the server as `box`.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // An agent's keys, and what a locale sends, differ between machines.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir(self.dir.path());
        command.arg("-F").arg(self.path("config")).stdin(Stdio::null());
        command
    }

    pub fn ssh(&self, arguments: &[&str]) -> Command {
        let mut command = self.client("ssh");
        command.args(arguments);
        command
    }

    /// Runs a command line, with `input` and then the end of input.
    pub fn run_with(&self, line: &str, input: &[u8]) -> Output {
        feed(self.ssh(&["box", line]), input)
    }

    pub fn run(&self, line: &str) -> Output {
        self.ssh(&["box", line]).output().unwrap()
    }

    /// The most memory that the server ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub fn terminate(&mut self) -> Option<i32> {
        signal(self.pid(), "TERM");
        self.process.wait().unwrap().code()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            signal(self.pid(), "TERM");
            let _ = self.process.wait();
        }
    }
}

pub fn signal(pid: u32, name: &str) {
    let pid = nix::unistd::Pid::from_raw(pid.try_into().unwrap());
    nix::sys::signal::kill(pid, Some(format!("SIG{name}").parse().unwrap())).unwrap();
}

/// Runs `command` with `input`, written while its output is read.
pub fn feed(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A command may end without reading all.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

/// OpenSSH connects to ports: this one leads to the socket.
fn bridge(socket: PathBuf) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(server) = UnixStream::connect(&socket) else { continue };
            let (mut to_client, mut from_client) = (stream.try_clone().unwrap(), stream);
            let (mut to_server, mut from_server) = (server.try_clone().unwrap(), server);
            thread::spawn(move || {
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(std::net::Shutdown::Write);
            });
            thread::spawn(move || {
                let _ = std::io::copy(&mut from_server, &mut to_client);
                let _ = to_client.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    port
}

/// Bytes without a pattern that a bug could repeat.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

/// Waits for something that happens elsewhere.
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A server that answers a connection with what it was sent, in capitals, once the client has ended its sending.
pub fn shouting(mut stream: TcpStream) {
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    stream.write_all(&heard.to_ascii_uppercase()).unwrap();
}
