//! A provider on folders of its own, and commands in its sandboxes over real SSH.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use berth_model::{ChannelId, NetworkMode};
use berth_providers::egress::EgressOptions;
use berth_providers::{Limits, Local, LocalConfig, SandboxSpec, Started};
use berth_ssh::{Auth, Endpoint, HostKeyCheck};

/// The program under test, as `cargo build -p berth-sandboxd` leaves it.
pub fn sandboxd() -> PathBuf {
    let path = std::env::var_os("BERTH_SANDBOXD").map(PathBuf::from).unwrap_or_else(|| {
        let here = std::env::current_exe().unwrap();
        here.ancestors().nth(2).unwrap().join("sandboxd")
    });
    assert!(path.is_file(), "{} is missing: run `cargo build -p berth-sandboxd` first", path.display());
    path
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Folders of a provider. Whatever still runs in them is ended when dropped.
pub struct World {
    pub folder: tempfile::TempDir,
    pub local: Local,
}

impl World {
    pub fn new() -> Self {
        Self::with(EgressOptions::default(), Limits { memory: 2 << 30, tasks: 1024 })
    }

    pub fn with(egress: EgressOptions, limits: Limits) -> Self {
        let folder = tempfile::Builder::new().prefix("berth-").tempdir_in("/tmp").unwrap();
        // As root, the users of sandboxes pass through it.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let local = Local::with(Self::config(folder.path()), egress, limits);
        Self { folder, local }
    }

    fn config(folder: &Path) -> LocalConfig {
        LocalConfig { data_dir: folder.join("data"), runtime_dir: folder.join("run"), sandboxd: Some(sandboxd()) }
    }

    /// What a next start of the app has.
    pub fn restarted(&self) -> Local {
        Local::new(Self::config(self.folder.path()))
    }

    pub async fn start(&self, network: Option<NetworkMode>) -> Sandbox {
        let spec = spec(network);
        let started = self.local.start(&spec).await.unwrap_or_else(|error| {
            panic!("{error}\n{:?}", error.mend());
        });
        Sandbox::new(spec, started)
    }

    pub fn root_of(&self, id: &ChannelId) -> PathBuf {
        self.folder.path().join("data/sandboxes").join(id.as_str())
    }

    pub fn sockets_of(&self, id: &ChannelId) -> PathBuf {
        self.folder.path().join("run/sb").join(id.as_str())
    }

    /// The number of a sandbox's first process, by its record.
    pub fn first_process(&self, id: &ChannelId) -> Option<i32> {
        let record = std::fs::read(self.root_of(id).join("sandbox.json")).ok()?;
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        record["running"]["first"]["pid"].as_i64().map(|pid| pid as i32)
    }
}

/// The PID namespace of a sandbox, and the number of its first process. They are seen at a process that is started in it
/// for the purpose: the first one shows an ordinary user nothing of itself.
pub async fn namespace_of(world: &World, sandbox: &Sandbox) -> (PathBuf, i32) {
    let first = world.first_process(sandbox.id()).unwrap();
    sandbox.ok("setsid sleep 600 < /dev/null > /dev/null 2>&1 &").await;
    let child = processes().find(|pid| parent_of(*pid) == Some(first)).expect("it has no process");
    (std::fs::read_link(format!("/proc/{child}/ns/pid")).unwrap(), first)
}

/// How many processes there are in a PID namespace, without its first.
pub fn count_in(namespace: &(PathBuf, i32)) -> usize {
    let is_in = |pid: &i32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|link| link == namespace.0);
    processes().filter(|pid| *pid != namespace.1 && is_in(pid)).count()
}

/// Whether a process runs.
pub fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

impl Drop for World {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.folder.path().join("data/sandboxes")).into_iter().flatten().flatten() {
            let id = ChannelId(entry.file_name().to_string_lossy().into_owned());
            if let Some(pid) = self.first_process(&id)
                && mentions(pid, self.folder.path())
            {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
            }
            let carrier = self.folder.path().join("run/net").join(id.as_str()).join("pasta.pid");
            if let Some(pid) = std::fs::read_to_string(&carrier).ok().and_then(|text| text.trim().parse().ok())
                && std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line.contains(&carrier.display().to_string()))
            {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
            }
        }
    }
}

/// Whether a process has a mount of this folder: the record alone could name a number that was used again.
fn mentions(pid: i32, folder: &Path) -> bool {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default().contains(&name)
}

pub fn spec(network: Option<NetworkMode>) -> SandboxSpec {
    SandboxSpec { id: ChannelId::fresh(), hostname: "demo".into(), network }
}

/// A running sandbox, spoken to by OpenSSH's own client: it has to serve any.
pub struct Sandbox {
    pub spec: SandboxSpec,
    pub started: Started,
    keys: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub out: String,
    pub err: String,
    pub code: i32,
}

/// Carries standard input and output to and from a Unix socket, as OpenSSH wants it.
const BRIDGE: &str = "\
import os, socket, sys, threading
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
def up():
    while (b := os.read(0, 65536)): s.sendall(b)
    s.shutdown(1)
threading.Thread(target=up, daemon=True).start()
while (b := s.recv(65536)): os.write(1, b)
";

impl Sandbox {
    pub fn new(spec: SandboxSpec, started: Started) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let private = |name: &str, content: &str| {
            let path = keys.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        let HostKeyCheck::Pinned(host_key) = &started.target.host_key else { panic!("its key is known") };
        let Auth::Key(identity) = &started.target.auth else { panic!("it has a key of ours") };
        private("key", &identity.to_openssh().unwrap());
        private("known", &format!("sandbox {host_key}\n"));
        private("bridge.py", BRIDGE);
        Self { spec, started, keys }
    }

    pub fn id(&self) -> &ChannelId {
        &self.spec.id
    }

    pub async fn run(&self, script: &str) -> Ran {
        let Endpoint::Unix(socket) = &self.started.target.endpoint else { panic!("not a socket") };
        let file = |name: &str| self.keys.path().join(name).display().to_string();
        let mut ssh = tokio::process::Command::new("ssh");
        ssh.args(["-F", "none", "-i", &file("key")]);
        for option in [
            "BatchMode=yes".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "LogLevel=ERROR".to_owned(),
            format!("UserKnownHostsFile={}", file("known")),
            format!("ProxyCommand=/usr/bin/python3 {} {}", file("bridge.py"), socket.display()),
        ] {
            ssh.args(["-o", &option]);
        }
        ssh.arg(format!("{}@sandbox", self.started.target.user)).arg(script);
        let output = ssh.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Ran { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code().unwrap_or(-1) }
    }

    /// The output of a command that must succeed.
    pub async fn ok(&self, script: &str) -> String {
        let ran = self.run(script).await;
        assert_eq!(ran.code, 0, "{script}\n{}\n{}", ran.out, ran.err);
        ran.out
    }
}
