//! OpenSSH's own server, on a port of its own, ended with the test.

#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use berth_ssh::{
    Endpoint, HostKeyCheck, Identity, RunOptions, RunOutput, Session, SessionOptions, SshError, SshTarget,
};
use tempfile::TempDir;

pub mod person;
pub mod way;

pub struct Sshd {
    child: Option<Child>,
    pub dir: TempDir,
    pub port: u16,
    pub target: SshTarget,
}

impl Sshd {
    pub fn start() -> Self {
        Self::with("")
    }

    /// With more lines of configuration; `{dir}` is the test's folder.
    pub fn with(lines: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("berth-ssh").tempdir_in("/tmp").unwrap();
        let at = dir.path();
        let (host, identity) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        fs::write(at.join("host_key"), host.to_openssh().unwrap()).unwrap();
        fs::set_permissions(at.join("host_key"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(at.join("keys"), identity.public()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // Of several such lines the first counts.
        let home = if lines.contains("SetEnv") { "" } else { "SetEnv HOME={dir}\n" };
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {{dir}}/host_key\nAuthorizedKeysFile {{dir}}/keys\n\
             {home}StrictModes no\nPidFile none\nUsePAM no\nMaxStartups 100\nLogLevel ERROR\n{lines}\n"
        );
        fs::write(at.join("config"), config.replace("{dir}", &at.display().to_string())).unwrap();
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let target = SshTarget {
            endpoint: Endpoint::Tcp { host: "127.0.0.1".into(), port },
            user: user.trim().to_owned(),
            auth: identity.into(),
            host_key: HostKeyCheck::Pinned(host.public()),
        };
        let mut sshd = Self { child: None, dir, port, target };
        sshd.up();
        sshd
    }

    /// Starts it, where it does not run.
    pub fn up(&mut self) {
        // A server that runs as root wants this folder; an ordinary user's does not.
        let _ = fs::create_dir_all("/run/sshd");
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(self.dir.path().join("config")).stdin(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        until("sshd listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Ends the server, and its connections.
    pub fn down(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let connections = servers(child.id());
        let _ = child.kill();
        let _ = child.wait();
        kill(&connections);
    }

    /// Breaks the connections; the server stays.
    pub fn cut(&self) {
        kill(&servers(self.child.as_ref().unwrap().id()));
    }

    /// Breaks the connections when it is called, from wherever that is.
    pub fn cutter(&self) -> impl Fn() + Send + Sync + 'static {
        let server = self.child.as_ref().unwrap().id();
        move || kill(&servers(server))
    }

    /// The processes that serve a connection each.
    pub fn connections(&self) -> Vec<u32> {
        children(self.child.as_ref().unwrap().id())
    }

    pub fn session(&self) -> Session {
        Session::new(self.target.clone(), SessionOptions::default())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.down();
    }
}

fn kill(processes: &[u32]) {
    for process in processes {
        let _ = Command::new("kill").args(["-9", &process.to_string()]).stderr(Stdio::null()).status();
    }
}

fn stat(process: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(process.join("stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    processes
        .filter(|process| stat(process).is_some_and(|fields| fields[1] == parent.to_string()))
        .filter_map(|process| process.file_name()?.to_str()?.parse().ok())
        .collect()
}

/// All that serve the connections of a server: each may have one more that works for it, and holds the socket too.
fn servers(server: u32) -> Vec<u32> {
    let is_sshd =
        |process: &u32| fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.starts_with("sshd"));
    let connections = children(server);
    let workers: Vec<_> = connections.iter().flat_map(|process| children(*process)).filter(is_sshd).collect();
    connections.into_iter().chain(workers).collect()
}

/// Whether a process runs.
pub fn runs(process: &str) -> bool {
    stat(&Path::new("/proc").join(process.trim())).is_some_and(|fields| fields[0] != "Z")
}

/// Waits until it is so.
#[track_caller]
pub fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "not so after 30 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub async fn run(session: &Session, script: &str) -> Result<RunOutput, SshError> {
    session.run(script.as_bytes(), RunOptions::default()).await
}

/// What a script printed; it must not take long.
#[track_caller]
pub fn says(session: &Session, script: &str) -> impl Future<Output = String> {
    let (session, script) = (session.clone(), script.to_owned());
    async move {
        let output = tokio::time::timeout(Duration::from_secs(20), run(&session, &script)).await;
        let output = output.unwrap_or_else(|_| panic!("no answer: {script}")).unwrap();
        String::from_utf8_lossy(&output.stdout.bytes).trim_end().to_owned()
    }
}

pub fn within(millis: u64) -> RunOptions {
    RunOptions { timeout: Some(Duration::from_millis(millis)), ..RunOptions::default() }
}

/// Whether a program is there; where CI says that all is installed, it must be.
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    assert!(there || std::env::var_os("CI").is_none(), "{program} is not installed");
    there
}
