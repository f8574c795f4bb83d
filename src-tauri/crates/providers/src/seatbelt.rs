//! Sandboxes on macOS: Seatbelt, by `sandbox-exec`, around a `sandboxd` that serves SSH on a Unix socket.
//!
//! **This has not been run on macOS.** On Linux it is compiled for tests only, and what of it is pure is tested.
//!
//! A sandbox reads the system's programs, writes only to its home, and signals only itself; no process leaves its
//! profile, whatever it starts. As on Linux, a sandbox outlives whoever started it, and the next [`Local`] on the same
//! folders takes it over: the lock that `sandboxd` holds says that it runs, the record says which process that is.
//!
//! What takes namespaces is missing: a sandbox shares the computer's ports, sees names and arguments of all processes,
//! and has no limits.

mod profile;

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_model::{ChannelId, NetworkMode, ProviderInfo, ProviderKind};
use berth_ssh::{Endpoint, HostKeyCheck, Identity, SshTarget};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, geteuid};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::sync::{Mutex, OnceCell, OwnedMutexGuard};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::egress::{EgressOptions, Proxy};
use crate::error::Doing;
use crate::layout::{Layout, Places};
use crate::sandboxd::{self, Env, Forwarder, Settings, USER};
use crate::{Found, LocalConfig, ProviderError, SandboxSpec, Started, files, remove};

const SANDBOX_EXEC: &str = "/usr/bin/sandbox-exec";
const SHELL: &str = "/bin/zsh";
/// For temporary files, in the home: /tmp is everybody's.
const TEMPORARY: &str = ".tmp";
/// The command line tools come before the stand-ins for them in /usr/bin, which ask services that are out of reach.
const PATH: &str = "/opt/homebrew/bin:/opt/homebrew/sbin:/usr/local/bin:/Library/Developer/CommandLineTools/usr/bin:\
                    /usr/bin:/bin:/usr/sbin:/sbin";
const LIMITS: &str = "this computer's memory and CPUs, with no limit of its own";

/// How long a sandbox has to be ready, and to end by itself.
const PATIENCE: Duration = Duration::from_secs(20);
const GRACE: Duration = Duration::from_secs(3);

/// Closes what this process inherited from its own parent, which no safe Rust can between fork and exec, and keeps a
/// sandbox's memory out of core dumps.
const LAUNCH: &str = "\
for fd in /dev/fd/*; do
    fd=${fd##*/}
    [ \"$fd\" -le 2 ] || eval \"exec $fd>&-\"
done
umask 022
ulimit -c 0
exec \"$@\"";

/// The first and the number of the ports for forwarders: above the engine's own, below those that macOS hands out.
const FORWARDERS: (u16, u16) = (41_000, 8_000);

/// The provider of sandboxes on this computer. Cheap to clone; all clones are the same provider.
///
/// One at a time may use a data folder; that is the business of the engine.
#[derive(Clone)]
pub struct Local(Arc<Inner>);

struct Inner {
    layout: Layout,
    sandboxd: Option<PathBuf>,
    env: Env,
    identity: OnceCell<Identity>,
    turns: Mutex<HashMap<ChannelId, Arc<Mutex<()>>>>,
    /// The ways out of those that run; dropping one closes it.
    proxies: Mutex<HashMap<ChannelId, JoinSet<()>>>,
}

/// A start, as written down before `sandboxd` is told to serve. It means something only while the lock is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// `sandboxd`, the leader of its process group.
    pid: i32,
    /// When that process began: a number alone may be another's by now.
    born: String,
    network: NetworkMode,
    home: String,
}

impl Local {
    /// A provider on these folders. Nothing is touched before the first use.
    pub fn new(config: LocalConfig) -> Self {
        Self(Arc::new(Inner {
            layout: Layout { data: config.data_dir, runtime: config.runtime_dir },
            sandboxd: config.sandboxd,
            env: sandboxd::own_env(),
            identity: OnceCell::new(),
            turns: Mutex::default(),
            proxies: Mutex::default(),
        }))
    }

    /// Whether sandboxes can be made here, and what is missing where not. Starts none.
    pub async fn info(&self) -> ProviderInfo {
        let problem = self.0.program().err();
        ProviderInfo {
            kind: ProviderKind::Local,
            label: "This computer".into(),
            note: "Uses the programs of this computer, kept apart from your files. No account needed.".into(),
            available: problem.is_none(),
            problem: problem.map(Into::into),
        }
    }

    /// Makes the sandbox run: makes what is missing, takes over what runs.
    pub async fn start(&self, spec: &SandboxSpec) -> Result<Started, ProviderError> {
        let places = self.0.layout.places(&spec.id)?;
        let _turn = self.turn(&spec.id).await;
        if let Some(record) = running(&places).await?
            // A link there would lead wherever the sandbox likes.
            && fs::symlink_metadata(&places.socket).is_ok_and(|meta| meta.file_type().is_socket())
            && UnixStream::connect(&places.socket).await.is_ok()
        {
            return self.started(&spec.id, &places, record).await;
        }
        self.end(&spec.id, &places).await?;
        match self.launch(spec).await {
            Ok(record) => self.started(&spec.id, &places, record).await,
            Err(error) => {
                self.end(&spec.id, &places).await?;
                Err(error)
            }
        }
    }

    /// How a sandbox is now. One that runs is taken over.
    pub async fn find(&self, id: &ChannelId) -> Result<Found, ProviderError> {
        let places = self.0.layout.places(id)?;
        let _turn = self.turn(id).await;
        if let Some(record) = running(&places).await? {
            return Ok(Found::Running(Box::new(self.started(id, &places, record).await?)));
        }
        Ok(if places.root.exists() { Found::Asleep } else { Found::Gone })
    }

    /// Ends all of the sandbox's processes and keeps its files.
    pub async fn sleep(&self, id: &ChannelId) -> Result<(), ProviderError> {
        let places = self.0.layout.places(id)?;
        let _turn = self.turn(id).await;
        self.end(id, &places).await
    }

    /// Takes the sandbox away: no process and no file of it is left. One that is gone is no error.
    pub async fn destroy(&self, id: &ChannelId) -> Result<(), ProviderError> {
        let places = self.0.layout.places(id)?;
        let _turn = self.turn(id).await;
        self.end(id, &places).await?;
        remove::sandbox(&self.0.layout, id, &places).await?;
        self.0.turns.lock().await.remove(id);
        Ok(())
    }

    /// The home of a sandbox's user: a folder of this computer, as Seatbelt shows none under another name.
    pub fn home(&self, id: &ChannelId) -> String {
        self.0.layout.places(id).map(|places| places.home.display().to_string()).unwrap_or_default()
    }

    /// The sandboxes that exist, running or asleep. Finishes deletions that were cut short.
    pub async fn list(&self) -> Vec<ChannelId> {
        remove::leftovers(&self.0.layout).await;
        self.0.layout.ids()
    }

    async fn launch(&self, spec: &SandboxSpec) -> Result<Record, ProviderError> {
        let inner = &self.0;
        let program = inner.program()?;
        let (layout, places) = folders(&inner.layout, &spec.id)?;
        let (network, forwarder) = (choose_network(spec.network), forwarder(&spec.id));
        let person = inner.env.get("HOME").map(fs::canonicalize).and_then(Result::ok);
        let hidden: Vec<&Path> =
            [&layout.data, &layout.runtime].into_iter().chain(&person).map(PathBuf::as_path).collect();
        let profile = profile::text(network, &program, &places, forwarder, &hidden)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let home = text(&places.home);
        let settings = Settings {
            socket: Some(text(&places.socket)),
            lock: text(&places.lock),
            host_key: &files::key(&places.host_key)?.1,
            authorized_keys: [self.identity().await?.public()],
            user: USER,
            home: &home,
            shell: SHELL,
            env: env(&inner.env, &home, network, forwarder),
            egress: (network == NetworkMode::Proxied)
                .then(|| Forwarder { listen: address(forwarder), socket: text(&places.egress) }),
            limits: None,
        };
        let settings = serde_json::to_vec(&settings).map_err(|error| failed(&error.to_string()))?;
        let begin = fs::metadata(&places.log).map_or(0, |log| log.len());
        let mut child = Command::new("/bin/bash")
            .args(["-c", LAUNCH, "bash", SANDBOX_EXEC, "-p", &profile])
            .arg(&program)
            .current_dir("/")
            .env_clear()
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(files::open_log(&places.log).doing("Opening the sandbox's log", &places.log)?)
            .spawn()
            .doing("Starting sandbox-exec", Path::new(SANDBOX_EXEC))?;
        let handshake = async {
            let gone = || failed("it ended before it was ready.");
            let (mut stdin, stdout) = child.stdin.take().zip(child.stdout.take()).ok_or_else(gone)?;
            let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).ok_or_else(gone)?;
            let record = Record { pid, born: born(pid).await.ok_or_else(gone)?, network, home: home.clone() };
            files::write_record(&places.record, &record)?;
            stdin.write_all(&settings).await.map_err(|_| gone())?;
            drop(stdin);
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).await.map_err(|_| gone())?;
            if line == "ready\n" { Ok(record) } else { Err(gone()) }
        };
        let slow = || failed(&format!("it was not ready after {} seconds.", PATIENCE.as_secs()));
        // Once it is ready the runtime waits for it, and the lock tells of its end.
        let mut result = timeout(PATIENCE, handshake).await.unwrap_or_else(|_| Err(slow()));
        if let Err(error) = &mut result {
            let _ = timeout(Duration::from_millis(500), child.wait()).await;
            let _ = child.kill().await;
            if let (ProviderError::Start { log, .. }, Ok(mut file)) = (error, fs::File::open(&places.log)) {
                *log = files::last_words(&mut file, begin);
            }
        }
        result
    }

    /// Gives a sandbox that runs what it needs from this process.
    async fn started(&self, id: &ChannelId, places: &Places, record: Record) -> Result<Started, ProviderError> {
        let mut proxies = self.0.proxies.lock().await;
        if record.network == NetworkMode::Proxied && !proxies.contains_key(id) {
            let _ = fs::remove_file(&places.egress);
            let listener = UnixListener::bind(&places.egress).doing("Opening the sandbox's way out", &places.egress)?;
            let env = self.0.env.clone();
            let proxy = Proxy::new(id.clone(), &EgressOptions::default(), |name| env.get(name).cloned());
            let tasks = proxies.entry(id.clone()).or_default();
            tasks.spawn(proxy.serve(listener));
        }
        let host_key = files::read_key(&places.host_key)?;
        Ok(Started {
            target: SshTarget {
                endpoint: Endpoint::Unix(places.socket.clone()),
                user: USER.into(),
                auth: self.identity().await?.clone().into(),
                host_key: HostKeyCheck::Pinned(host_key.public()),
            },
            network: Some(record.network),
            network_note: Some(note(record.network).into()),
            limits: Some(LIMITS.into()),
        })
    }

    /// Ends whatever of the sandbox runs, and leaves nothing of it but its files.
    async fn end(&self, id: &ChannelId, places: &Places) -> Result<(), ProviderError> {
        drop(self.0.proxies.lock().await.remove(id));
        if let Some(record) = running(places).await? {
            let pid = Pid::from_raw(record.pid);
            // `sandboxd` ends all that is in its sandbox, and is the last.
            let _ = kill(pid, Signal::SIGTERM);
            if !released_within(&places.lock, GRACE).await {
                let _ = killpg(pid, Signal::SIGKILL);
                if !released_within(&places.lock, GRACE).await {
                    return Err(ProviderError::Stuck { source: io::ErrorKind::TimedOut.into() });
                }
            }
        }
        for file in [&places.socket, &places.egress] {
            let _ = fs::remove_file(file);
        }
        Ok(())
    }

    async fn identity(&self) -> Result<&Identity, ProviderError> {
        let path = self.0.layout.client_key();
        let made = async || {
            let folder = path.parent().unwrap_or(&path);
            files::private(folder).doing("Making the folder for keys", folder)?;
            files::key(&path).map(|(key, _)| key)
        };
        self.0.identity.get_or_try_init(made).await
    }

    /// One thing at a time is done to a sandbox.
    async fn turn(&self, id: &ChannelId) -> OwnedMutexGuard<()> {
        let turn = self.0.turns.lock().await.entry(id.clone()).or_default().clone();
        turn.lock_owned().await
    }
}

impl Inner {
    /// `sandboxd`, where sandboxes can be made at all.
    fn program(&self) -> Result<PathBuf, ProviderError> {
        isolation(Path::new(SANDBOX_EXEC).exists(), geteuid().is_root())?;
        let program = sandboxd::program(self.sandboxd.as_deref(), &self.env)?;
        fs::canonicalize(&program).doing("Finding Berth's program for sandboxes", &program)
    }
}

/// Whether Seatbelt can hold a sandbox here.
fn isolation(has_seatbelt: bool, is_root: bool) -> Result<(), ProviderError> {
    let (reason, mend) = match (has_seatbelt, is_root) {
        (false, _) => ("the program /usr/bin/sandbox-exec is missing.", "It is a part of macOS: install macOS again."),
        (_, true) => ("Seatbelt alone does not hold root.", "Start Berth as an ordinary user."),
        (true, false) => return Ok(()),
    };
    Err(ProviderError::NoIsolation { reason: reason.into(), mend: mend.into() })
}

/// Makes what is missing, and says where it really is: Seatbelt knows files by paths without links.
fn folders(layout: &Layout, id: &ChannelId) -> Result<(Layout, Places), ProviderError> {
    let doing = "Making the sandbox's folders";
    let real = |folder: &Path| files::private(folder).and_then(|()| fs::canonicalize(folder)).doing(doing, folder);
    let layout = Layout { data: real(&layout.data)?, runtime: real(&layout.runtime)? };
    let places = layout.places(id)?;
    for folder in [&places.home, &places.socket_dir, &places.net_dir] {
        files::private(folder).doing(doing, folder)?;
    }
    let _ = files::private(&places.home.join(TEMPORARY));
    // From inside it can be opened, and not made.
    OpenOptions::new().append(true).create(true).mode(0o600).open(&places.lock).doing(doing, &places.lock)?;
    Ok((layout, places))
}

/// A port that is this sandbox's at every start, unless it is taken.
fn forwarder(id: &ChannelId) -> u16 {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (0..16).map(|attempt| port(id, attempt)).find(free).unwrap_or_else(|| port(id, 0))
}

fn port(id: &ChannelId, attempt: u64) -> u16 {
    let mut hasher = DefaultHasher::new();
    id.as_str().hash(&mut hasher);
    let (first, count) = FORWARDERS;
    first + (hasher.finish().wrapping_add(attempt) % u64::from(count)) as u16
}

fn address(forwarder: u16) -> String {
    format!("127.0.0.1:{forwarder}")
}

fn env(computer: &Env, home: &str, network: NetworkMode, forwarder: u16) -> Env {
    let temporary = format!("{home}/{TEMPORARY}");
    let own =
        [("LANG", "en_US.UTF-8"), ("PATH", PATH), ("TMPDIR", &temporary), ("TMPPREFIX", &format!("{temporary}/zsh"))];
    let mut env: Env = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let locale = ["LANG", "LC_ALL", "LC_CTYPE", "TZ"].into_iter().filter_map(|name| computer.get_key_value(name));
    env.extend(locale.map(|(name, value)| (name.clone(), value.clone())));
    match network {
        NetworkMode::Host => env.extend(sandboxd::open_proxies(computer)),
        NetworkMode::Full | NetworkMode::Proxied => env.extend(sandboxd::proxied_env(&address(forwarder))),
    }
    env
}

/// Nothing gives a sandbox a network of its own.
fn choose_network(wanted: Option<NetworkMode>) -> NetworkMode {
    wanted.filter(|network| *network == NetworkMode::Host).unwrap_or(NetworkMode::Proxied)
}

fn note(network: NetworkMode) -> &'static str {
    match network {
        NetworkMode::Host => {
            "It is on this computer's own network, where it can reach every service that runs here, and two channels \
             cannot serve on the same port."
        }
        NetworkMode::Full | NetworkMode::Proxied => {
            "Only HTTP and HTTPS leave it, through Berth's proxy, and on macOS sandboxes share ports with this \
             computer, so two channels cannot serve on the same port."
        }
    }
}

/// What runs at this moment. A process that cannot be told for sure is never signalled.
async fn running(places: &Places) -> Result<Option<Record>, ProviderError> {
    if !is_held(&places.lock) {
        return Ok(None);
    }
    match files::read_record::<Record>(&places.record)? {
        Some(record) if born(record.pid).await.as_ref() == Some(&record.born) => Ok(Some(record)),
        _ => Err(ProviderError::Stuck { source: io::Error::other("which process holds its lock is not known") }),
    }
}

fn is_held(lock: &Path) -> bool {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(lock);
    file.is_ok_and(|file| matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK))))
}

async fn released_within(lock: &Path, patience: Duration) -> bool {
    let begun = Instant::now();
    while is_held(lock) {
        if begun.elapsed() > patience {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

/// When a process began, as text that is the same whenever it is asked for.
async fn born(pid: i32) -> Option<String> {
    let mut ps = Command::new("/bin/ps");
    ps.args(["-o", "lstart=", "-p", &pid.to_string()]).env_clear().envs([("LC_ALL", "C"), ("TZ", "UTC")]);
    let output = ps.stdin(Stdio::null()).output().await.ok()?;
    let born = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!born.is_empty()).then_some(born)
}

fn failed(reason: &str) -> ProviderError {
    ProviderError::Start { reason: reason.into(), log: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarders_port_is_its_sandboxs_own() {
        let (one, other) = (ChannelId("one".into()), ChannelId("other".into()));
        assert_eq!(port(&one, 0), port(&one, 0));
        assert!(port(&one, 0) != port(&other, 0) && port(&one, 0) != port(&one, 1));
        for id in [one, other, ChannelId::fresh()] {
            assert!((41_000..49_000).contains(&port(&id, 15)) && (41_000..49_000).contains(&forwarder(&id)));
        }
    }

    #[test]
    fn temporary_files_and_the_web_go_where_they_may() {
        let computer = Env::from([("TZ".into(), "UTC".into()), ("SECRET".into(), "x".into())]);
        let env = env(&computer, "/h", NetworkMode::Proxied, 41_007);
        assert_eq!([None, Some(NetworkMode::Full)].map(choose_network), [NetworkMode::Proxied; 2]);
        assert_eq!(choose_network(Some(NetworkMode::Host)), NetworkMode::Host);
        assert_eq!((env["TMPDIR"].as_str(), env["https_proxy"].as_str()), ("/h/.tmp", "http://127.0.0.1:41007"));
        assert!(env.contains_key("TZ") && !env.contains_key("SECRET"));
    }

    #[tokio::test]
    async fn it_runs_while_its_lock_is_held_and_only_what_the_record_names_is_signalled() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { data: folder.path().join("d"), runtime: folder.path().join("r") };
        let (_, places) = folders(&layout, &ChannelId("demo".into())).unwrap();
        assert!(places.home.join(TEMPORARY).is_dir() && running(&places).await.unwrap().is_none());
        let record = Record { pid: 1, born: "never".into(), network: NetworkMode::Proxied, home: "/h".into() };
        files::write_record(&places.record, &record).unwrap();
        assert_eq!(files::read_record::<Record>(&places.record).unwrap(), Some(record));
        assert!(running(&places).await.unwrap().is_none());
        let lock = Flock::lock(fs::File::open(&places.lock).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
        assert!(matches!(running(&places).await, Err(ProviderError::Stuck { .. })));
        drop(lock);
        assert!(released_within(&places.lock, Duration::ZERO).await);
    }

    #[tokio::test]
    async fn without_seatbelt_it_says_what_mends_it() {
        assert!(isolation(true, false).is_ok() && isolation(true, true).is_err());
        let config =
            LocalConfig { data_dir: "/nonexistent/d".into(), runtime_dir: "/nonexistent/r".into(), sandboxd: None };
        let info = Local::new(config).info().await;
        assert!(!info.available && info.problem.unwrap().hint.is_some());
    }
}
