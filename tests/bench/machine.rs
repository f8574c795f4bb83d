//! An OpenSSH server of the bench's own, and OpenSSH's client with a multiplexed connection to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use berth_ssh::{Endpoint, Session, SessionOptions, SshTarget};
use berth_testbed::Sshd;

/// Whose login environment commands get.
#[derive(Clone, Copy)]
pub enum User {
    /// An empty home.
    Plain,
    /// A home whose `.bashrc` loads version managers, as many people's does.
    Loaded,
}

/// A running `sshd`.
pub struct Machine {
    sshd: Sshd,
    /// The port it listens on.
    pub port: u16,
}

/// What version managers do at each start of a shell: a few dozen programs, and functions by the thousand.
const LOADED: &str = r#"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do v="$(env | grep -c PATH)"; d="$(dirname "$PWD")"; done
i=0; while [ $i -lt 1500 ]; do eval "berth_fn_$i() { echo $i; }"; i=$((i+1)); done
"#;

impl Machine {
    /// Starts one.
    pub fn start(user: User) -> Self {
        let sshd = Sshd::start();
        if let User::Loaded = user {
            std::fs::write(sshd.path("home/.bashrc"), LOADED).expect("a .bashrc");
            std::fs::write(sshd.path("home/.profile"), ". ~/.bashrc\n").expect("a .profile");
        }
        Self { port: sshd.port, sshd }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.sshd.dir.path()
    }

    /// Whom it lets in.
    pub fn user(&self) -> &str {
        &self.sshd.target.user
    }

    /// A session of Berth's to it, through this port of this computer.
    pub fn session(&self, port: u16) -> Session {
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port };
        Session::new(SshTarget { endpoint, ..self.sshd.target.clone() }, SessionOptions::default())
    }

    /// OpenSSH's client with its connection kept open.
    pub fn ssh(&self, port: u16) -> Ssh {
        let socket = self.path().join(format!("control-{port}"));
        let ssh = Ssh { socket, key: self.sshd.path("key"), port, user: self.sshd.target.user.clone() };
        let started = ssh.command("ssh").args(["-M", "-N", "-f"]).arg(ssh.host()).status().expect("ssh");
        assert!(started.success(), "OpenSSH's client cannot connect");
        ssh
    }
}

/// OpenSSH's client.
pub struct Ssh {
    socket: PathBuf,
    key: PathBuf,
    port: u16,
    user: String,
}

impl Ssh {
    /// One of OpenSSH's programs over the kept connection.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        command.args(["-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"]);
        command.arg("-o").arg(format!("Port={}", self.port));
        command.arg("-o").arg(format!("ControlPath={}", self.socket.display()));
        command.arg("-i").arg(&self.key).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Whom it goes to.
    pub fn host(&self) -> String {
        format!("{}@127.0.0.1", self.user)
    }

    /// Opens a port there on this computer.
    pub fn forward(&self, local: u16, port: u16) {
        let mut command = self.command("ssh");
        command.args(["-O", "forward", "-L"]).arg(format!("{local}:127.0.0.1:{port}")).arg(self.host());
        assert!(command.status().expect("ssh").success(), "no forward");
    }

    /// Sends a folder by rsync over the kept connection.
    pub fn rsync(&self, from: &str, into: &str) {
        let ssh = self.command("ssh");
        let words = std::iter::once(ssh.get_program()).chain(ssh.get_args());
        let line = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
        let mut rsync = Command::new("rsync");
        rsync.arg("-a").args(["-e", &line]).arg(from).arg(format!("{}:{into}", self.host()));
        assert!(rsync.status().expect("rsync").success(), "rsync failed");
    }

    /// Runs a command there; milliseconds.
    pub fn run(&self, script: &str) -> f64 {
        let begun = Instant::now();
        let status = self.command("ssh").arg(self.host()).arg(script).status().expect("ssh");
        assert!(status.success(), "ssh failed");
        millis(begun)
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        let _ = self.command("ssh").args(["-O", "exit"]).arg(self.host()).stderr(Stdio::null()).status();
    }
}

/// Milliseconds since.
pub fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}
