//! A computer of a test's own, with `berthctl` as people have it. Everything started here ends with it.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use berth_testbed::until;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything on a busy machine may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Folders of its own, and nothing of the real environment but where programs are.
pub struct Computer {
    folder: TempDir,
}

impl Computer {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("bc").tempdir_in("/tmp").expect("a temporary folder");
        // As root, sandboxes run as somebody else, who must be able to pass through.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("its mode");
        std::fs::create_dir(folder.path().join("home")).expect("a home");
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// A command with this computer's environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        for name in ["PATH", "BERTH_SANDBOXD", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.path().join("home"))
            .env("BERTH_DATA_DIR", self.data())
            .env("BERTH_RUNTIME_DIR", self.path().join("run"))
            .stdin(Stdio::null());
        command
    }

    pub fn berthctl(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_berthctl"))
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.berthctl().args(arguments).output().expect("berthctl runs")
    }

    /// Calls a command; its reply, or the error's JSON.
    pub fn ask(&self, name: &str, payload: Value) -> Result<Value, Value> {
        let output = self.output(&["call", name, &payload.to_string()]);
        match output.status.code() {
            Some(0) => Ok(serde_json::from_slice(&output.stdout).expect("a reply in JSON")),
            Some(1) => Err(serde_json::from_slice(&output.stderr).expect("an error in JSON")),
            other => panic!("{name} ended with {other:?}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Calls a command that must succeed.
    pub fn call(&self, name: &str, payload: Value) -> Value {
        self.ask(name, payload).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Makes a channel and waits until it came to rest.
    pub fn channel(&self, name: &str, start: Value) -> Value {
        self.call("channel.create", json!({ "name": name, "start": start }));
        self.settled(name)
    }

    pub fn settled(&self, name: &str) -> Value {
        self.call("channel.get", json!({ "channel": name, "wait_s": 60 }))
    }

    pub fn run(&self, channel: &str, command: &str) -> Value {
        self.call("action.run", json!({ "channel": channel, "command": command }))
    }

    /// Ends the engine as a crash does.
    pub fn kill_engine(&self) {
        let pid = self.call("app.info", json!({}))["pid"].as_i64().expect("a process");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a process"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
        until("the engine is gone", || !Path::new(&format!("/proc/{pid}/exe")).exists());
    }

    /// Ends the engine and waits until nobody owns the data folder.
    pub fn stop_engine(&self) {
        self.call("engine.stop", json!({}));
        let lock = std::fs::File::open(self.data().join("engine.lock")).expect("a lock");
        until("the engine has ended", || lock.try_lock().is_ok());
    }

    /// The engines of this computer that run.
    pub fn engines(&self) -> usize {
        let ours = |entry: std::fs::DirEntry| {
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            contains(&environ, self.data().as_os_str().as_encoded_bytes()) && contains(&line, b"berthctl\0engine")
        };
        std::fs::read_dir("/proc").expect("/proc").flatten().map(ours).filter(|ours| *ours).count()
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        if !self.data().exists() {
            return;
        }
        // Sandboxes outlive their engine: they have to be taken away by name.
        if let Ok(list) = self.ask("channel.list", json!({})) {
            for channel in list["channels"].as_array().into_iter().flatten() {
                let _ = self.ask("channel.destroy", json!({ "channel": channel["id"] }));
            }
        }
        let _ = self.ask("engine.stop", json!({}));
        let lock = std::fs::File::open(self.data().join("engine.lock"));
        let deadline = Instant::now() + PATIENCE;
        while lock.as_ref().is_ok_and(|lock| lock.try_lock().is_err()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
