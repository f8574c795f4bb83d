//! Sandboxes on Windows: in the default WSL distribution, by a script (`wsl.sh`) that `wsl.exe` runs there.
//!
//! **This has not been run on Windows.** The script is run by the tests on Linux, where only `wsl.exe` is left out.
//!
//! A sandbox has namespaces of its own by bubblewrap, and `sandboxd` as first process. Of the distribution it sees the
//! programs, read-only; of Windows nothing, for /run is its own: there lie the sockets by which programs of Windows are
//! started. It outlives the app, but not WSL, which runs on while a sandbox does. No Unix socket of WSL can be reached
//! from Windows, so a connection is a `wsl.exe` around a `sandboxd --connect`.
//!
//! What there is on Linux and not here: a filter of system calls (VSOCK sockets, which lead to Windows' own services,
//! have no namespace), a user for each sandbox where root is the distribution's user, a proxied network, a limit of
//! memory, and tool managers in the home folder. Data folders on one WSL user share their sandboxes.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use berth_model::{ChannelId, NetworkMode, ProviderInfo, ProviderKind};
use berth_ssh::{Endpoint, HostKeyCheck, Identity, SshTarget};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::error::Doing;
use crate::layout::Layout;
use crate::sandboxd::{self, Env, Settings, USER, Watched};
use crate::{Found, LocalConfig, ProviderError, SandboxSpec, Started, files};

const SCRIPT: &str = include_str!("wsl.sh");
const HOME: &str = "/home/dev";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const TASKS: u64 = 4096;
/// A distribution that was stopped starts first.
const PATIENCE: Duration = Duration::from_secs(60);
/// The script's exit code where pasta failed.
const NO_NETWORK: i32 = 3;
const INSTALL: &str = "Install it in WSL: sudo apt install bubblewrap passt";

/// The provider of sandboxes on this computer. Cheap to clone; all clones are the same provider.
#[derive(Clone)]
pub struct Local(Arc<Inner>);

struct Inner {
    /// What is put before a program to run it in the distribution.
    prefix: Vec<String>,
    /// Of this side: it has the keys and nothing else.
    layout: Layout,
    sandboxd: Option<PathBuf>,
    keys: Mutex<()>,
}

impl Local {
    /// A provider on these folders. Nothing is touched before the first use.
    #[cfg_attr(not(windows), expect(dead_code, reason = "the tests leave `wsl.exe` out"))]
    pub fn new(config: LocalConfig) -> Self {
        Self::with(config, &["wsl.exe", "--exec"])
    }

    fn with(config: LocalConfig, prefix: &[&str]) -> Self {
        let prefix = prefix.iter().map(|word| (*word).to_owned()).collect();
        let layout = Layout { data: config.data_dir, runtime: PathBuf::new() };
        Self(Arc::new(Inner { prefix, layout, sandboxd: config.sandboxd, keys: Mutex::default() }))
    }

    /// Whether sandboxes can be made here, and what is missing where not. Starts none.
    pub async fn info(&self) -> ProviderInfo {
        let problem = match self.check(NetworkMode::Full, "").await {
            Ok(_) => sandboxd::program(self.0.sandboxd.as_deref(), &sandboxd::own_env()).err(),
            Err(error) => Some(error),
        };
        ProviderInfo {
            kind: ProviderKind::Local,
            label: "This computer".into(),
            note: "Uses the programs of your WSL distribution, kept apart from your files. No account needed.".into(),
            available: problem.is_none(),
            problem: problem.map(Into::into),
        }
    }

    /// Makes the sandbox run: makes what is missing, takes over what runs.
    pub async fn start(&self, spec: &SandboxSpec) -> Result<Started, ProviderError> {
        match self.find(&spec.id).await {
            Ok(Found::Running(started)) => return Ok(*started),
            Ok(_) => {}
            // Where there is no WSL, that is the better answer.
            Err(error) => return Err(self.check(NetworkMode::Host, "").await.err().unwrap_or(error)),
        }
        let letters = spec.hostname.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !letters || spec.hostname.starts_with('-') || !(1..=63).contains(&spec.hostname.len()) {
            return Err(ProviderError::BadId(spec.hostname.clone()));
        }
        let network = choose_network(spec.network)?;
        self.install(network).await?;
        let launched = timeout(PATIENCE, self.launch(spec, network)).await.unwrap_or_else(|_| {
            let reason = format!("it was not ready after {} seconds.", PATIENCE.as_secs());
            Err(ProviderError::Start { reason, log: String::new() })
        });
        if let Err(error) = launched {
            // What it came to, if anything.
            let _ = self.sleep(&spec.id).await;
            return Err(error);
        }
        self.started(&spec.id, network)
    }

    /// How a sandbox is now.
    pub async fn find(&self, id: &ChannelId) -> Result<Found, ProviderError> {
        let host_key = self.0.layout.places(id)?.host_key;
        let said = self.call("Looking for the sandbox", &["find", id.as_str()], &[]).await?;
        let running = |network| Ok(Found::Running(Box::new(self.started(id, network)?)));
        match said.trim() {
            // Whose key is not known is started again.
            "running full" if host_key.exists() => running(NetworkMode::Full),
            "running host" if host_key.exists() => running(NetworkMode::Host),
            "gone" => Ok(Found::Gone),
            _ => Ok(Found::Asleep),
        }
    }

    /// Ends all of the sandbox's processes and keeps its files.
    pub async fn sleep(&self, id: &ChannelId) -> Result<(), ProviderError> {
        self.0.layout.places(id)?;
        self.call("Ending the sandbox's processes", &["sleep", id.as_str()], &[]).await.map(drop)
    }

    /// Takes the sandbox away: no process and no file of it is left. One that is gone is no error.
    pub async fn destroy(&self, id: &ChannelId) -> Result<(), ProviderError> {
        let places = self.0.layout.places(id)?;
        let doing = "Deleting the sandbox's files";
        self.call(doing, &["destroy", id.as_str()], &[]).await?;
        match std::fs::remove_dir_all(&places.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).doing(doing, &places.root),
            _ => Ok(()),
        }
    }

    /// The home of a sandbox's user, as it is called inside.
    #[cfg_attr(target_os = "linux", expect(dead_code, reason = "on Linux the rest of it is tested"))]
    pub fn home(&self, _: &ChannelId) -> String {
        HOME.into()
    }

    /// The sandboxes that exist, running or asleep. Finishes deletions that were cut short.
    pub async fn list(&self) -> Vec<ChannelId> {
        let said = self.call("Listing the sandboxes", &["list"], &[]).await.unwrap_or_else(|error| {
            tracing::warn!(%error, cause = error.source(), "the sandboxes in WSL are not known");
            String::new()
        });
        let ids = said.lines().map(|line| ChannelId(line.to_owned()));
        ids.filter(|id| self.0.layout.places(id).is_ok()).collect()
    }

    /// Whether `sandboxd` must be put there first; an error where there can be no sandbox with such a network.
    async fn check(&self, network: NetworkMode, sandboxd: &str) -> Result<bool, ProviderError> {
        let said = self.call("Asking WSL", &["check", sandboxd], &[]).await.map_err(|error| {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            ProviderError::NoIsolation {
                reason: format!("WSL 2, in which sandboxes run on Windows, does not answer: {cause}"),
                mend: "Install it by `wsl --install`, and restart Windows.".into(),
            }
        })?;
        let lacks = |line: &&str| match *line {
            "pasta" => network == NetworkMode::Full,
            line => line != "sandboxd" && !line.contains(' '),
        };
        let lacking: Vec<_> = said.lines().filter(lacks).collect();
        if !lacking.is_empty() {
            let reason = format!("the WSL distribution lacks {}.", lacking.join(", "));
            return Err(ProviderError::NoIsolation { reason, mend: INSTALL.into() });
        }
        if let Some(complaint) = said.lines().find_map(|line| line.strip_prefix("namespaces ")) {
            return Err(ProviderError::NoIsolation {
                reason: format!("bubblewrap could not make the namespaces that keep a sandbox apart: {complaint}"),
                mend: "It takes WSL 2 and bubblewrap 0.5 or later: wsl --list --verbose shows the version of WSL."
                    .into(),
            });
        }
        Ok(said.lines().any(|line| line == "sandboxd"))
    }

    /// Puts `sandboxd` into the distribution where it is not there yet.
    async fn install(&self, network: NetworkMode) -> Result<(), ProviderError> {
        let doing = "Installing the program that runs in sandboxes";
        let path = sandboxd::program(self.0.sandboxd.as_deref(), &sandboxd::own_env())?;
        let meta = std::fs::metadata(&path).doing(doing, &path)?;
        let changed = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let name = format!("sandboxd-{}-{}", meta.len(), changed.as_nanos());
        if self.check(network, &name).await? {
            let program = std::fs::read(&path).doing(doing, &path)?;
            self.call(doing, &["install", &name, &program.len().to_string()], &program).await?;
        }
        Ok(())
    }

    async fn launch(&self, spec: &SandboxSpec, network: NetworkMode) -> Result<(), ProviderError> {
        let host_key = self.0.layout.places(&spec.id)?.host_key;
        let (client, host_key) = (self.key(&self.0.layout.client_key())?.0, self.key(&host_key)?.1);
        let network = if network == NetworkMode::Host { "host" } else { "full" };
        let doing = "Starting the sandbox in WSL";
        let mut child = self.spawn(doing, &["start", spec.id.as_str(), &spec.hostname, network])?;
        let (mut stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut lines = BufReader::new(stdout.ok_or_else(|| failed(doing, "it has no output".into()))?).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line == "ready" {
                let _ = child.wait().await;
                return Ok(());
            }
            // Its first process is written down by now, and gives up where no settings come.
            if let (Some(shell), Some(mut stdin)) = (line.strip_prefix("launched "), stdin.take()) {
                let settings = settings(&client, &host_key, shell).map_err(|error| failed(doing, error.to_string()))?;
                let _ = stdin.write_all(&settings).await;
            }
        }
        drop(stdin);
        let output = child.wait_with_output().await.map_err(|error| failed(doing, error.to_string()))?;
        let log = said(&output);
        if output.status.code() == Some(NO_NETWORK) {
            return Err(ProviderError::NoIsolation {
                reason: format!("it would have no network of its own: {log}"),
                mend: "Pasta (package passt) works for an ordinary user of the WSL distribution, not for root. \
                       A channel can also be on WSL's own network."
                    .into(),
            });
        }
        Err(ProviderError::Start { reason: "it ended before it was ready.".into(), log })
    }

    /// What the script printed; its complaint where it failed.
    async fn call(&self, doing: &'static str, words: &[&str], input: &[u8]) -> Result<String, ProviderError> {
        let mut child = self.spawn(doing, words)?;
        let stdin = child.stdin.take();
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // Where it stopped reading it says why.
                let _ = stdin.write_all(input).await;
            }
        };
        let Ok((output, ())) = timeout(PATIENCE, async { tokio::join!(child.wait_with_output(), feed) }).await else {
            return Err(failed(doing, format!("there was no answer within {} seconds", PATIENCE.as_secs())));
        };
        let output = output.map_err(|error| failed(doing, error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(doing, said(&output)))
    }

    fn spawn(&self, doing: &'static str, words: &[&str]) -> Result<Child, ProviderError> {
        let (program, arguments) = self.line(words);
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // No console window beside the app's; its own complaints not in UTF-16.
        #[cfg(windows)]
        command.creation_flags(0x0800_0000).env("WSL_UTF8", "1");
        command.spawn().map_err(|error| failed(doing, error.to_string()))
    }

    /// The command that takes a step of the script.
    fn line(&self, words: &[&str]) -> (PathBuf, Vec<String>) {
        // Git may have given the file Windows' line ends.
        let script = SCRIPT.replace('\r', "");
        let shell = ["/bin/sh", "-c", &script, "sh"].into_iter().chain(words.iter().copied()).map(str::to_owned);
        let mut line = self.0.prefix.iter().cloned().chain(shell);
        (line.next().unwrap_or_default().into(), line.collect())
    }

    fn started(&self, id: &ChannelId, network: NetworkMode) -> Result<Started, ProviderError> {
        let (program, arguments) = self.line(&["connect", id.as_str()]);
        let host_key = self.0.layout.places(id)?.host_key;
        Ok(Started {
            target: SshTarget {
                endpoint: Endpoint::Command { program, arguments },
                user: USER.into(),
                auth: self.key(&self.0.layout.client_key())?.0.into(),
                host_key: HostKeyCheck::Pinned(self.key(&host_key)?.0.public()),
            },
            network: Some(network),
            network_note: (network == NetworkMode::Host)
                .then(|| "It is on WSL's own network, where it can reach every service that runs there.".into()),
            limits: Some(format!("the memory and CPUs of WSL, {TASKS} tasks")),
        })
    }

    /// A key of this side and its text; made where it is missing.
    fn key(&self, path: &std::path::Path) -> Result<(Identity, String), ProviderError> {
        let _one_maker = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = path.parent() {
            files::private(folder).doing("Making the folder for keys", folder)?;
        }
        files::key(path)
    }
}

fn settings(client: &Identity, host_key: &str, shell: &str) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Settings {
        socket: Some("/run/berth/ssh.sock".into()),
        lock: "/run/berth.lock".into(),
        host_key,
        authorized_keys: [client.public()],
        user: USER,
        home: HOME,
        shell,
        env: Env::from([("PATH", PATH), ("LANG", "C.UTF-8")].map(|(name, value)| (name.into(), value.into()))),
        egress: None,
        limits: Some(Watched { memory_bytes: None, tasks: TASKS, most_tasks: TASKS + TASKS / 4 }),
    })
}

/// The network that is wanted, where there is such a one here; never another that lets more through.
fn choose_network(wanted: Option<NetworkMode>) -> Result<NetworkMode, ProviderError> {
    match wanted {
        Some(NetworkMode::Host) => Ok(NetworkMode::Host),
        Some(NetworkMode::Full) | None => Ok(NetworkMode::Full),
        Some(NetworkMode::Proxied) => Err(ProviderError::NoIsolation {
            reason: "a network by Berth's proxy is not to be had on Windows.".into(),
            mend: "Choose the full network.".into(),
        }),
    }
}

fn failed(doing: &'static str, said: String) -> ProviderError {
    ProviderError::Io { doing, path: "WSL".into(), source: io::Error::other(said) }
}

/// What a step complained of; `wsl.exe` itself may do that on its standard output.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let complaints = [text(&output.stderr), text(&output.stdout), output.status.to_string()];
    complaints.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;
    use std::time::Instant;

    use berth_ssh::{RunOptions, Session, SessionOptions};

    use super::*;

    struct World {
        folder: tempfile::TempDir,
        local: Local,
    }

    impl World {
        /// A provider whose distribution is this computer, with a data folder of its own.
        fn new(path: Option<&str>) -> Self {
            let folder = tempfile::Builder::new().prefix("berth-wsl-").tempdir().unwrap();
            let target = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
            let config = LocalConfig {
                data_dir: folder.path().join("windows"),
                runtime_dir: PathBuf::new(),
                sandboxd: Some(target.join("sandboxd")),
            };
            let path = path.map_or_else(|| std::env::var("PATH").unwrap(), str::to_owned);
            let data = format!("XDG_DATA_HOME={}", folder.path().join("linux").display());
            let local = Local::with(config, &["/usr/bin/env", &data, &format!("PATH={path}")]);
            Self { folder, local }
        }

        /// Whether a process has something of it in its command line or its mounts.
        fn has_processes(&self) -> bool {
            let name = self.folder.path().file_name().unwrap().to_str().unwrap().to_owned();
            let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
            let mentions = |file: PathBuf| String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).contains(&name);
            processes.into_iter().any(|path| mentions(path.join("cmdline")) || mentions(path.join("mountinfo")))
        }

        async fn ended(&self) {
            let begun = Instant::now();
            while self.has_processes() {
                assert!(begun.elapsed() < Duration::from_secs(10), "a process is left");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            for entry in fs::read_dir(self.folder.path().join("linux/berth/sandboxes")).into_iter().flatten().flatten()
            {
                let (program, arguments) = self.local.line(&["destroy", entry.file_name().to_str().unwrap()]);
                let _ = std::process::Command::new(program).args(arguments).status();
            }
        }
    }

    fn spec(network: Option<NetworkMode>) -> SandboxSpec {
        SandboxSpec { id: ChannelId::fresh(), hostname: "demo".into(), network }
    }

    async fn ok(started: &Started, script: &str) -> String {
        let session = Session::new(started.target.clone(), SessionOptions::default());
        let output = session.run(script.as_bytes(), RunOptions::default()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert_eq!(output.exit_code, 0, "{script}\n{}", text(&output.stderr.bytes));
        text(&output.stdout.bytes)
    }

    fn has_bubblewrap() -> bool {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|path| path.join("bwrap").exists());
        if !found {
            println!("not tested: bubblewrap is not installed here");
        }
        found
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_sandbox_lives_sleeps_lives_again_and_goes() {
        if !has_bubblewrap() {
            return;
        }
        let world = World::new(None);
        let (local, spec) = (&world.local, spec(Some(NetworkMode::Host)));
        assert!(matches!(local.find(&spec.id).await.unwrap(), Found::Gone));
        let started = local.start(&spec).await.unwrap_or_else(|error| panic!("{error:?} {:?}", error.mend()));
        assert_eq!(started.network, Some(NetworkMode::Host));
        assert_eq!(ok(&started, "echo kept > file; id -un; hostname; pwd").await, "dev\ndemo\n/home/dev");
        assert_eq!(
            ok(&started, "ls /run /mnt /init /root 2>/dev/null; env | grep -c WSL || :").await,
            "/run:\nberth\nberth.lock\nsandboxd\n0"
        );
        assert_eq!(ok(&started, "ls /proc | grep -c '^[0-9]' | { read n; [ $n -lt 15 ] && echo few; }").await, "few");
        assert_eq!(ok(&started, "touch /usr/x /etc/x /x 2>/dev/null || echo read-only").await, "read-only");

        let Found::Running(again) = local.find(&spec.id).await.unwrap() else { panic!("it runs") };
        assert_eq!((again.network, ok(&again, "cat file").await.as_str()), (Some(NetworkMode::Host), "kept"));
        assert_eq!(local.start(&spec).await.unwrap().network, Some(NetworkMode::Host));

        local.sleep(&spec.id).await.unwrap();
        assert!(matches!(local.find(&spec.id).await.unwrap(), Found::Asleep));
        world.ended().await;
        let refused = Session::new(started.target.clone(), SessionOptions::default());
        let refused = refused.run(b":", RunOptions::default()).await.unwrap_err().to_string();
        assert!(refused.contains("The sandbox does not run."), "{refused}");

        let started = local.start(&spec).await.unwrap();
        assert_eq!(ok(&started, "cat file; mkdir -p a/b; chmod 0 a").await, "kept");
        assert_eq!(local.list().await, std::slice::from_ref(&spec.id));
        local.destroy(&spec.id).await.unwrap();
        assert!(local.list().await.is_empty());
        assert!(matches!(local.find(&spec.id).await.unwrap(), Found::Gone));
        world.ended().await;
        local.destroy(&spec.id).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_network_is_its_own_or_there_is_no_sandbox() {
        if !has_bubblewrap() {
            return;
        }
        let world = World::new(None);
        match world.local.start(&spec(None)).await {
            Ok(started) => {
                assert_eq!(started.network, Some(NetworkMode::Full));
                let here = fs::read_link("/proc/self/ns/net").unwrap();
                assert_ne!(ok(&started, "readlink /proc/self/ns/net").await, here.to_str().unwrap());
            }
            Err(error) => {
                assert!(
                    matches!(&error, ProviderError::NoIsolation { mend, .. } if mend.contains("passt")),
                    "{error:?}"
                );
                world.ended().await;
            }
        }
        let proxied = world.local.start(&spec(Some(NetworkMode::Proxied))).await.unwrap_err();
        assert!(matches!(proxied, ProviderError::NoIsolation { .. }), "{proxied:?}");
    }

    #[tokio::test]
    async fn what_is_missing_is_said() {
        let info = World::new(Some("/nonexistent")).local.info().await;
        let problem = format!("{:?}", info.problem.unwrap());
        assert!(
            problem.contains("lacks bwrap, flock, setsid, unshare, pasta.")
                && problem.contains("apt install bubblewrap passt"),
            "{problem}"
        );
        let mut world = World::new(None);
        world.local = Local::with(
            LocalConfig { data_dir: world.folder.path().into(), runtime_dir: PathBuf::new(), sandboxd: None },
            &["/nonexistent/wsl.exe"],
        );
        let problem = format!("{:?}", world.local.info().await.problem.unwrap());
        assert!(problem.contains("wsl --install"), "{problem}");
        let refused = world.local.start(&spec(None)).await.unwrap_err();
        assert!(matches!(refused, ProviderError::NoIsolation { .. }), "{refused:?}");
        assert!(world.local.list().await.is_empty());
    }

    #[tokio::test]
    async fn an_id_is_never_read_as_anything_else() {
        let world = World::new(None);
        for bad in ["", "..", "a/b", "-rf", "$(touch x)", "a b", "A"] {
            assert!(matches!(world.local.destroy(&ChannelId(bad.into())).await, Err(ProviderError::BadId(_))), "{bad}");
        }
        let hostname = SandboxSpec { hostname: "--bind".into(), ..spec(Some(NetworkMode::Host)) };
        assert!(matches!(world.local.start(&hostname).await, Err(ProviderError::BadId(_))));
    }
}
