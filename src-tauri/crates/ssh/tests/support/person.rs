//! A person who connects: what he has, what he is asked, and what he answers.

use std::collections::VecDeque;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use berth_ssh::{Asker, Auth, Credentials, HostKeyCheck, KnownHosts, Question, SshTarget};
use futures::future::{BoxFuture, FutureExt as _};

use berth_testbed::{Sshd, until};

/// Answers one thing after the other, and then nothing.
#[derive(Debug, Default)]
pub struct Person {
    answers: Mutex<VecDeque<Vec<String>>>,
    asked: Mutex<Vec<Question>>,
    /// How long he thinks.
    thinks: std::time::Duration,
}

impl Person {
    pub fn says(answers: &[&str]) -> Arc<Self> {
        Self::thinks(std::time::Duration::ZERO, answers)
    }

    pub fn thinks(thinks: std::time::Duration, answers: &[&str]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| vec![(*answer).to_owned()]).collect();
        Arc::new(Self { answers: Mutex::new(answers), thinks, ..Self::default() })
    }

    pub fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }
}

impl Asker for Person {
    fn ask(&self, question: Question) -> BoxFuture<'_, Option<Vec<zeroize::Zeroizing<String>>>> {
        self.asked.lock().unwrap().push(question);
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.map(|all| all.into_iter().map(zeroize::Zeroizing::new).collect());
        async move {
            tokio::time::sleep(self.thinks).await;
            answer
        }
        .boxed()
    }
}

/// With what a person has instead of a key of the app.
pub fn by(sshd: &Sshd, credentials: Credentials) -> SshTarget {
    SshTarget { auth: Auth::Person(Arc::new(credentials)), ..sshd.target.clone() }
}

/// With files of known hosts instead of a pinned key; our own file is `own` in the test's folder.
pub fn known(sshd: &Sshd, files: &[PathBuf], person: Option<&Arc<Person>>) -> SshTarget {
    let known = KnownHosts {
        host: "127.0.0.1".into(),
        port: Some(sshd.port),
        files: files.to_vec(),
        own: sshd.path("own/known_hosts"),
        asker: person.map(|person| person.clone() as Arc<dyn Asker>),
    };
    SshTarget { host_key: HostKeyCheck::Known(Arc::new(known)), ..sshd.target.clone() }
}

pub fn keygen(arguments: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.arg("-q").args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    assert!(command.status().unwrap().success(), "ssh-keygen {arguments:?}");
}

/// A new key in the test's folder; its public half is what the server takes, if wanted.
pub fn key(sshd: &Sshd, name: &str, passphrase: &str, wanted: bool) -> PathBuf {
    let path = sshd.path(name);
    keygen(&["-t", "ed25519", "-N", passphrase, "-C", name, "-f", path.to_str().unwrap()]);
    if wanted {
        std::fs::copy(sshd.path(&format!("{name}.pub")), sshd.path("keys")).unwrap();
    }
    path
}

/// An agent of the test's own.
pub struct Agent {
    child: Child,
    pub socket: PathBuf,
}

impl Agent {
    pub fn start(folder: &Path) -> Self {
        let socket = folder.join("agent");
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a"]).arg(&socket).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        until("the agent listens", || UnixStream::connect(&socket).is_ok());
        Self { child, socket }
    }

    pub fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).stdin(Stdio::null());
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
