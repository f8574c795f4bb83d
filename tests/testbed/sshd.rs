//! OpenSSH's own server, on a port of its own.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use berth_ssh::{Endpoint, HostKeyCheck, Identity, Session, SessionOptions, SshTarget};
use tempfile::TempDir;

use crate::keys::{self, Keys};
use crate::{Link, free_port, processes, until};

/// A server for this user, ended with its owner.
pub struct Sshd {
    child: Option<Child>,
    apart: Option<String>,
    /// Its folder: `config`, `host` and `host.pub`, `key` and `key.pub` (which lets in), `keys` (what lets in), `home`.
    pub dir: TempDir,
    /// Where it listens, on 127.0.0.1 or its link's end.
    pub port: u16,
    /// How it is reached, by the key that lets in.
    pub target: SshTarget,
}

impl Sshd {
    /// Starts one.
    pub fn start() -> Self {
        Self::with("")
    }

    /// With more lines of configuration; `{dir}` is its folder.
    pub fn with(lines: &str) -> Self {
        Self::at("127.0.0.1", None, lines)
    }

    /// At the far end of a link.
    pub fn behind(link: &Link) -> Self {
        Self::at(Link::FAR, Some(link.far()), "")
    }

    fn at(address: &str, apart: Option<String>, lines: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("berth-ssh").tempdir_in("/tmp").unwrap();
        let at = dir.path();
        let Keys { host, identity } = Keys::lay_out(at);
        fs::create_dir(at.join("home")).unwrap();
        let port = free_port();
        // Of several such lines the first counts. With a tmux of its own, it does not end another machine's terminals.
        let home = if lines.contains("SetEnv") { "" } else { "SetEnv HOME={dir}/home TMUX_TMPDIR={dir}\n" };
        let config = format!(
            "Port {port}\nListenAddress {address}\nHostKey {{dir}}/host\nAuthorizedKeysFile {{dir}}/keys\n\
             {home}StrictModes no\nPidFile none\nUsePAM no\nMaxStartups 100\nLogLevel ERROR\n\
             Subsystem sftp internal-sftp\n{lines}\n"
        );
        fs::write(at.join("config"), config.replace("{dir}", &at.display().to_string())).unwrap();
        let target = SshTarget {
            endpoint: Endpoint::Tcp { host: address.to_owned(), port },
            user: crate::user(),
            auth: identity.into(),
            host_key: HostKeyCheck::Pinned(host.public()),
        };
        let mut sshd = Self { child: None, apart, dir, port, target };
        sshd.up();
        sshd
    }

    /// Starts it, where it does not run.
    pub fn up(&mut self) {
        if self.child.is_some() {
            return;
        }
        // A server that runs as root wants this folder; an ordinary user's does not.
        let _ = fs::create_dir_all("/run/sshd");
        let mut command = Link::within(self.apart.as_deref(), "/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(self.path("config")).stdin(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        until("sshd listens", || match &self.apart {
            None => TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
            apart => {
                let mut asked = Link::within(apart.as_deref(), "nc");
                asked.args(["-z", Link::FAR, &self.port.to_string()]).status().unwrap().success()
            }
        });
    }

    /// Ends the server and its connections, as a machine does that loses its network: what runs there goes on.
    pub fn down(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let connections = servers(child.id());
        let _ = child.kill();
        let _ = child.wait();
        processes::kill(&connections);
        // One that has just begun still holds the socket that is listened on, and would be taken for the next server.
        let listens = || self.apart.is_none() && TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        (0..100).take_while(|_| listens()).for_each(|_| std::thread::sleep(Duration::from_millis(10)));
    }

    /// Breaks the connections; the server stays.
    pub fn cut(&self) {
        self.cutter()();
    }

    /// Breaks the connections when it is called, from wherever that is.
    pub fn cutter(&self) -> impl Fn() + Send + Sync + 'static {
        let server = self.child.as_ref().unwrap().id();
        move || processes::kill(&servers(server))
    }

    /// The processes that serve a connection each.
    pub fn connections(&self) -> Vec<u32> {
        processes::children(self.child.as_ref().unwrap().id())
    }

    /// Another key of the server's, from its next start on.
    pub fn change_key(&self) {
        keys::write(self.dir.path(), "host", &Identity::generate().unwrap());
    }

    /// A session to it.
    pub fn session(&self) -> Session {
        Session::new(self.target.clone(), SessionOptions::default())
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.down();
        // What a test leaves that failed: its jobs and terminals outlive a connection.
        processes::kill(&processes::at_home_in(self.dir.path()));
    }
}

/// All that serve the connections of a server: each may have one more that works for it, and holds the socket too.
fn servers(server: u32) -> Vec<u32> {
    let all = processes::tree(server).split_off(1);
    all.into_iter().filter(|process| processes::is_server(*process)).collect()
}
