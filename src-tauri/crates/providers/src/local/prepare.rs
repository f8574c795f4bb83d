//! Everything a sandbox needs before it can start: its folders, keys, home and files of its own. All of it may be there
//! already, from an earlier start.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use berth_model::NetworkMode;
use berth_ssh::Identity;

use super::bubblewrap::{self, Spec};
use super::computer::Computer;
use super::launch::Launch;
use super::limits::Holder;
use super::system::{self, System};
use super::{Account, Env, Inner, pasta, seccomp};
use crate::error::Doing;
use crate::files::{key, private};
use crate::layout::Places;
use crate::sandboxd::{self, Forwarder, Settings, USER, Watched};
use crate::{ProviderError, SandboxSpec};

/// Where the way out listens, inside. An address of loopback that no program takes by chance.
const FORWARDER: &str = "127.100.0.1:3128";
/// The first of 65,536 users that root gives to sandboxes: far above those of people, and of containers by default.
pub(super) const FIRST_UID: u32 = 2_000_000;

/// What a launch is made of.
pub(super) struct Prepared {
    pub(super) account: Account,
    pub(super) host_key: Identity,
    host_key_text: String,
    system: System,
    sandboxd: PathBuf,
}

/// Makes what is missing.
pub(super) fn prepare(
    inner: &Inner,
    spec: &SandboxSpec,
    places: &Places,
    computer: &Computer,
    network: NetworkMode,
) -> Result<Prepared, ProviderError> {
    if !is_hostname(&spec.hostname) {
        return Err(ProviderError::BadId(spec.hostname.clone()));
    }
    let account = account(inner, places);
    folders(inner, places, &account)?;
    let sandboxd = install_sandboxd(inner)?;
    let (host_key, host_key_text) = key(&places.host_key)?;
    let filter = seccomp::filter(watches_memory(computer.holder));
    let doing = "Writing the sandbox's files";
    if fs::read(&places.filter).ok().as_ref() != Some(&filter) {
        fs::write(&places.filter, &filter).doing(doing, &places.filter)?;
    }
    let _ = fs::remove_file(&places.pasta_pid);
    let home = inner.env.get("HOME").map(Path::new);
    let mut system = System::of_computer(home, &inner.env, &account);
    system::write_etc(&mut system, &places.etc, &spec.hostname, &resolv_conf(network), &inner.env)
        .doing(doing, &places.etc)?;
    Ok(Prepared { account, host_key, host_key_text, system, sandboxd })
}

impl Prepared {
    /// The launch.
    #[expect(clippy::too_many_arguments, reason = "each is a different part of what a start is made of")]
    pub(super) fn launch<'a>(
        &'a self,
        inner: &'a Inner,
        spec: &'a SandboxSpec,
        places: &'a Places,
        computer: &'a Computer,
        network: NetworkMode,
        egress: bool,
        client_key: &str,
    ) -> Launch<'a> {
        let limits = inner.limits;
        let private = [Some(inner.layout.data.as_path()), Some(inner.layout.runtime.as_path())]
            .into_iter()
            .chain([inner.env.get("HOME").map(Path::new)])
            .flatten();
        let hidden: Vec<PathBuf> = private.flat_map(|path| self.system.seen_as(path)).collect();
        let hidden: Vec<&Path> = hidden.iter().map(PathBuf::as_path).collect();
        let arguments = bubblewrap::arguments(&Spec {
            hostname: &spec.hostname,
            share_network: network != NetworkMode::Proxied,
            system: &self.system.mounts,
            hidden: &hidden,
            home: &places.home,
            lock: &places.lock,
            net_dir: egress.then_some(places.net_dir.as_path()),
            sandboxd: &self.sandboxd,
            scratch: computer.sized_tmpfs.then(|| limits.scratch()),
        });
        Launch {
            places,
            account: &self.account,
            env: &inner.env,
            bwrap: &computer.bwrap,
            arguments,
            limits,
            holder: computer.holder,
            unit: format!("berth-sandbox-{}.scope", spec.id),
            pasta: computer.pasta.as_ref().ok().filter(|_| network == NetworkMode::Full),
            settings: Settings {
                socket: None,
                lock: bubblewrap::LOCK.into(),
                host_key: &self.host_key_text,
                authorized_keys: [client_key.to_owned()],
                user: USER,
                home: bubblewrap::HOME,
                shell: self.system.shell,
                env: self.env(network, egress, &inner.env),
                egress: egress.then(|| Forwarder {
                    listen: FORWARDER.into(),
                    socket: format!("{}/egress.sock", bubblewrap::NET),
                }),
                limits: Some(Watched {
                    memory_bytes: watches_memory(computer.holder).then_some(limits.memory),
                    tasks: limits.tasks,
                    most_tasks: limits.most_tasks(),
                }),
            },
        }
    }

    fn env(&self, network: NetworkMode, egress: bool, computer: &Env) -> Env {
        let mut env = self.system.env.clone();
        if egress {
            env.extend(sandboxd::proxied_env(FORWARDER));
        } else if network == NetworkMode::Host {
            env.extend(sandboxd::open_proxies(computer));
        }
        env
    }
}

/// Whether `sandboxd` looks after the memory.
fn watches_memory(holder: Holder) -> bool {
    !matches!(holder, Holder::Systemd { ends_whole: true, .. })
}

/// Who the sandbox is, outside. Its home's owner says so for ever after.
pub(super) fn account(inner: &Inner, places: &Places) -> Account {
    if !inner.root {
        return Account::Person;
    }
    match fs::metadata(&places.home) {
        Ok(meta) if meta.uid() != 0 => Account::Own { uid: meta.uid() },
        _ => Account::Own { uid: free_uid(inner, places) },
    }
}

/// A user that no other sandbox of this folder has.
fn free_uid(inner: &Inner, places: &Places) -> u32 {
    let owner = |id| Some(fs::metadata(inner.layout.places(&id).ok()?.home).ok()?.uid());
    let taken: Vec<u32> = inner.layout.ids().into_iter().filter_map(owner).collect();
    let mut hasher = DefaultHasher::new();
    places.root.hash(&mut hasher);
    let first = (hasher.finish() & 0xffff) as u32;
    let mut candidates = (0..0x1_0000).map(|nth| FIRST_UID + ((first + nth) & 0xffff));
    candidates.find(|uid| !taken.contains(uid)).unwrap_or(FIRST_UID + first)
}

/// Makes the data folder. As root, a sandbox's user must be able to pass through it to its home; what is private in it
/// is private by its own mode.
pub(super) fn data_folder(inner: &Inner) -> Result<(), ProviderError> {
    passable(&inner.layout.data, inner.root)
}

fn folders(inner: &Inner, places: &Places, account: &Account) -> Result<(), ProviderError> {
    let doing = "Making the sandbox's folders";
    data_folder(inner)?;
    let up = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let (sockets, nets) = (up(&places.socket_dir), up(&places.net_dir));
    for folder in [&inner.layout.sandboxes(), &places.root, &inner.layout.runtime, &sockets, &nets, &places.socket_dir]
    {
        passable(folder, inner.root)?;
    }
    for folder in [&places.root, &places.socket_dir, &inner.layout.data] {
        if let Some(barrier) = account.barrier(folder) {
            return Err(ProviderError::Barred(barrier));
        }
    }
    private(&places.net_dir).doing(doing, &places.net_dir)?;
    own(&places.net_dir, account).doing(doing, &places.net_dir)?;
    let lock = fs::OpenOptions::new().create(true).append(true).open(&places.lock).doing(doing, &places.lock)?;
    lock.set_permissions(fs::Permissions::from_mode(0o644)).doing(doing, &places.lock)?;
    if !places.home.exists() {
        // Laid out aside: a crash on the way must not pass for a home.
        let fresh = places.root.join("home.new");
        let _ = fs::remove_dir_all(&fresh);
        system::write_skeleton(&fresh).doing(doing, &fresh)?;
        for entry in fs::read_dir(&fresh).doing(doing, &fresh)?.flatten() {
            own(&entry.path(), account).doing(doing, &entry.path())?;
        }
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o700)).doing(doing, &fresh)?;
        own(&fresh, account).doing(doing, &fresh)?;
        fs::rename(&fresh, &places.home).doing(doing, &places.home)?;
    }
    Ok(())
}

/// Makes a folder that as root others may pass through, and nobody else may look into.
fn passable(folder: &Path, root: bool) -> Result<(), ProviderError> {
    let doing = "Making the sandbox's folders";
    private(folder).doing(doing, folder)?;
    if root {
        let mode = fs::metadata(folder).doing(doing, folder)?.permissions().mode();
        if mode & 0o011 != 0o011 {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode | 0o011)).doing(doing, folder)?;
        }
    }
    Ok(())
}

fn own(path: &Path, account: &Account) -> io::Result<()> {
    match account {
        Account::Person => Ok(()),
        Account::Own { uid } => chown(path, Some(*uid), Some(*uid)),
    }
}

/// Copies `sandboxd` to the data folder: where it was installed may be out of the reach of a sandbox's user, or, being
/// an AppImage, vanish with the app while sandboxes run on.
fn install_sandboxd(inner: &Inner) -> Result<PathBuf, ProviderError> {
    let doing = "Installing the program that runs in sandboxes";
    let source = sandboxd::program(inner.sandboxd.as_deref(), &inner.env)?;
    let meta = fs::metadata(&source).doing(doing, &source)?;
    let folder = inner.layout.programs();
    let installed = folder.join(format!("sandboxd-{}-{}-{}", meta.len(), meta.mtime(), meta.mtime_nsec()));
    if installed.exists() {
        return Ok(installed);
    }
    passable(&folder, inner.root)?;
    let fresh = folder.join(format!("sandboxd.new-{}", std::process::id()));
    fs::copy(&source, &fresh).doing(doing, &fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).doing(doing, &fresh)?;
    fs::rename(&fresh, &installed).doing(doing, &installed)?;
    // Earlier ones: those that still run keep their file.
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten().filter(|entry| entry.path() != installed) {
        let _ = fs::remove_file(entry.path());
    }
    Ok(installed)
}

/// The key by which sandboxes know this app.
pub(super) fn client_key(inner: &Inner) -> Result<Identity, ProviderError> {
    let path = inner.layout.client_key();
    data_folder(inner)?;
    if let Some(folder) = path.parent() {
        private(folder).doing("Making the folder for keys", folder)?;
    }
    key(&path).map(|(key, _)| key)
}

fn resolv_conf(network: NetworkMode) -> String {
    match network {
        NetworkMode::Full => pasta::RESOLV_CONF.to_owned(),
        // Nobody answers there, at once: names are the proxy's business.
        NetworkMode::Proxied => "# Names are looked up by the proxy.\nnameserver 127.0.0.1\n".to_owned(),
        NetworkMode::Host => fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
    }
}

fn is_hostname(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
}
