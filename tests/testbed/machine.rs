//! Machines of many kinds: real SSH servers, each in a mount namespace with a passwd file, a home and a disk of its own.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use berth_ssh::{Auth, Credentials, Endpoint, HostKeyCheck, KnownHosts, SshTarget};
use tempfile::TempDir;

use crate::keys::Keys;
use crate::{free_port, output, processes, which};

/// A kind of machine.
#[derive(Debug, Clone, Default)]
pub struct Kind {
    /// What it is called in the table.
    pub name: &'static str,
    /// Its SSH server; OpenSSH's without it.
    pub dropbear: bool,
    /// The login shell; a name is looked for in the PATH.
    pub shell: &'static str,
    /// More of OpenSSH's configuration, or of dropbear's arguments.
    pub config: &'static str,
    /// Files of the home: name and content.
    pub files: &'static [(&'static str, &'static str)],
    /// What the home is.
    pub home: Home,
    /// Somebody other than who runs the test; only root can do that.
    pub other_user: bool,
}

/// What a home is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Home {
    /// A folder.
    #[default]
    Plain,
    /// A folder that cannot be written to.
    ReadOnly,
    /// A file system without a free block; so are those for temporary files.
    Full,
}

/// A machine that runs; ended with the test.
pub struct Machine {
    child: Child,
    folder: TempDir,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// How it is reached.
    pub target: SshTarget,
}

impl Machine {
    /// Starts one; nothing where this computer lacks a program for it. Where CI says that all is there, it must be.
    pub fn start(kind: &Kind) -> Option<Self> {
        let lacks = |what: &str| {
            assert!(std::env::var_os("CI").is_none(), "{what} is not installed");
            eprintln!("no {what} here: {} is left out", kind.name);
        };
        let folder = tempfile::Builder::new().prefix("berth-m").tempdir_in("/tmp").unwrap();
        let at = folder.path();
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
        let text = at.display().to_string();
        let shell = if kind.shell.is_empty() { "sh" } else { kind.shell };
        let shell = if shell == "ash" {
            let Some(busybox) = which("busybox") else {
                lacks("busybox");
                return None;
            };
            symlink(busybox, at.join("ash")).unwrap();
            at.join("ash")
        } else {
            let Some(path) = which(shell) else {
                lacks(shell);
                return None;
            };
            path
        };
        let home = at.join("home");
        fs::create_dir_all(home.join(".ssh")).unwrap();
        let Keys { host, identity } = Keys::lay_out(at);
        fs::write(home.join(".ssh/authorized_keys"), identity.public()).unwrap();
        for (name, content) in kind.files {
            fs::write(home.join(name), content).unwrap();
        }
        let user = if kind.other_user { "visitor".to_owned() } else { crate::user() };
        let (uid, gid) = if kind.other_user {
            ("4711".into(), "4711".into())
        } else {
            (output("id", &["-u"]), output("id", &["-g"]))
        };
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        let others = passwd.lines().filter(|line| !line.starts_with(&format!("{user}:")));
        let me = format!("{user}:x:{uid}:{gid}::{}:{}", home.display(), shell.display());
        fs::write(at.join("passwd"), others.chain([me.as_str()]).collect::<Vec<_>>().join("\n") + "\n").unwrap();
        if kind.other_user {
            assert!(Command::new("chown").args(["-R", "4711:4711"]).arg(&home).status().unwrap().success());
        }
        let port = free_port();
        let server = if kind.dropbear {
            let Some(dropbear) = which("dropbear") else {
                lacks("dropbear");
                return None;
            };
            let key = format!("{text}/dropbear");
            // Its own kind of key file; the client is told the public half.
            output("dropbearkey", &["-t", "ed25519", "-f", &key]);
            format!("{} -F -E -m -r {key} -p 127.0.0.1:{port} -P {text}/pid {}", dropbear.display(), kind.config)
        } else {
            // Its tmux is its own: one that several machines shared would end with the first of them.
            let own = matches!(kind.home, Home::Plain) && !kind.other_user && !kind.config.contains("SetEnv");
            let own = if own { format!("SetEnv TMUX_TMPDIR={text}\n") } else { String::new() };
            let config = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {text}/host\nAuthorizedKeysFile {text}/keys\n\
                 StrictModes no\nPidFile none\nUsePAM no\nMaxStartups 100\nLogLevel ERROR\nAcceptEnv none\n{own}\
                 Subsystem sftp internal-sftp\n{}\n",
                kind.config
            );
            fs::write(at.join("config"), config).unwrap();
            let Some(sshd) = which("sshd") else {
                lacks("sshd");
                return None;
            };
            format!("{} -D -e -f {text}/config", sshd.display())
        };
        let public = if kind.dropbear {
            let told = output("dropbearkey", &["-y", "-f", &format!("{text}/dropbear")]);
            let line = told.lines().find(|line| line.starts_with("ssh-ed25519")).unwrap();
            line.split(' ').take(2).collect::<Vec<_>>().join(" ")
        } else {
            host.public()
        };
        let mut command = Command::new("bwrap");
        command.args(["--die-with-parent", "--dev-bind", "/", "/"]);
        command.args(["--ro-bind", &format!("{text}/passwd"), "/etc/passwd"]);
        let home_text = home.display().to_string();
        let before = match kind.home {
            Home::Plain => "",
            Home::ReadOnly => {
                command.args(["--ro-bind", &home_text, &home_text]);
                ""
            }
            Home::Full => {
                // What the server needs stays where it is; then every block is taken.
                for folder in ["/tmp", "/var/tmp", "/dev/shm"] {
                    command.args(["--size", "65536", "--tmpfs", folder]);
                }
                command.args(["--bind", &text, &text, "--size", "65536", "--tmpfs", &home_text]);
                "for d in \"$0\" /tmp /var/tmp /dev/shm; do cat /dev/zero >\"$d/full\" 2>/dev/null; done; "
            }
        };
        let _ = fs::create_dir_all("/run/sshd");
        command.args(["--", "sh", "-c", &format!("{before}exec {server}"), &home_text]);
        let log = fs::File::create(at.join("log")).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(at.join("log")).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none(), "{}: the server ended: {}", kind.name, log());
            assert!(Instant::now() < deadline, "{}: the server does not listen: {}", kind.name, log());
            std::thread::sleep(Duration::from_millis(20));
        }
        let known = at.join("known_hosts");
        fs::write(&known, format!("[127.0.0.1]:{port} {public}\n")).unwrap();
        let credentials = Credentials { key_files: vec![at.join("key")], ..Credentials::default() };
        let target = SshTarget {
            endpoint: Endpoint::Tcp { host: "127.0.0.1".to_owned(), port },
            user,
            auth: Auth::Person(credentials.into()),
            host_key: HostKeyCheck::Known(
                KnownHosts {
                    host: "127.0.0.1".to_owned(),
                    port: Some(port),
                    files: vec![known],
                    own: at.join("own_known_hosts"),
                    asker: None,
                }
                .into(),
            ),
        };
        Some(Self { child, folder, port, target })
    }

    /// Ends all that runs there but the server that listens, as a machine does that starts anew: the connections, and what
    /// is in the session of the process `also`.
    pub fn start_anew(&self, also: u32) {
        let of_session = processes::of_session(also);
        processes::kill(&self.after_the_server());
        processes::kill(&of_session);
    }

    /// Breaks the connections; what runs goes on.
    pub fn cut(&self) {
        let connections: Vec<_> =
            self.after_the_server().into_iter().filter(|process| processes::is_server(*process)).collect();
        processes::kill(&connections);
    }

    /// What the server that listens has started, connections first. Before it stands what made its namespace.
    fn after_the_server(&self) -> Vec<u32> {
        let all = processes::tree(self.child.id()).into_iter();
        all.skip_while(|process| !processes::is_server(*process)).skip(1).collect()
    }

    /// A file of the machine's own folder on this computer.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The home of its user.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The servers of its connections are its children's children: they are told first.
        let mut all = processes::tree(self.child.id());
        all.reverse();
        processes::kill(&all);
        let _ = self.child.wait();
        // What a test leaves that failed: its jobs and terminals outlive a connection.
        processes::kill(&processes::at_home_in(self.folder.path()));
    }
}
