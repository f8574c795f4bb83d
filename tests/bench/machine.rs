//! An OpenSSH server of the bench's own, and OpenSSH's client with a multiplexed connection to it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use berth_ssh::{Endpoint, HostKeyCheck, Identity, Session, SessionOptions, SshTarget};
use tempfile::TempDir;

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
    server: Child,
    folder: TempDir,
    identity: Identity,
    host_key: Identity,
    user: String,
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
        let folder = tempfile::Builder::new().prefix("bb").tempdir_in("/tmp").expect("a folder");
        let path = folder.path();
        let home = path.join("home");
        std::fs::create_dir(&home).expect("a home");
        if let User::Loaded = user {
            std::fs::write(home.join(".bashrc"), LOADED).expect("a .bashrc");
            std::fs::write(home.join(".profile"), ". ~/.bashrc\n").expect("a .profile");
        }
        let (identity, host_key) = (Identity::generate().expect("a key"), Identity::generate().expect("a key"));
        secret(&path.join("host"), &host_key.to_openssh().expect("text"));
        secret(&path.join("me"), &identity.to_openssh().expect("text"));
        std::fs::write(path.join("authorized"), identity.public()).expect("authorized");
        let port = free_port();
        let folder_text = path.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {folder_text}/host\nAuthorizedKeysFile {folder_text}/authorized\n\
             StrictModes no\nPidFile none\nUsePAM no\nMaxSessions 10\nMaxStartups 100\nSetEnv HOME={folder_text}/home\n\
             Subsystem sftp internal-sftp\n"
        );
        std::fs::write(path.join("config"), config).expect("a config");
        let _ = std::fs::create_dir_all("/run/sshd");
        let server = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(path.join("config"))
            .stderr(Stdio::null())
            .spawn()
            .expect("OpenSSH's server");
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "sshd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let user = Command::new("id").arg("-un").output().expect("id").stdout;
        let user = String::from_utf8_lossy(&user).trim().to_owned();
        Self { server, folder, identity, host_key, user, port }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A session of Berth's to it.
    pub fn session(&self, port: u16) -> Session {
        let target = SshTarget {
            endpoint: Endpoint::Tcp { host: "127.0.0.1".to_owned(), port },
            user: self.user.clone(),
            auth: self.identity.clone().into(),
            host_key: HostKeyCheck::Pinned(self.host_key.public()),
        };
        Session::new(target, SessionOptions::default())
    }

    /// OpenSSH's client with its connection kept open.
    pub fn ssh(&self, port: u16) -> Ssh {
        let socket = self.path().join(format!("control-{port}"));
        let ssh = Ssh { socket, key: self.path().join("me"), port, user: self.user.clone() };
        let started = ssh.command("ssh").args(["-M", "-N", "-f"]).arg(ssh.host()).status().expect("ssh");
        assert!(started.success(), "OpenSSH's client cannot connect");
        ssh
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
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

fn secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("closed");
}

/// A port that nothing listens on now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Milliseconds since.
pub fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}
