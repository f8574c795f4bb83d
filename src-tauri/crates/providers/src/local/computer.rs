//! What this computer can do for sandboxes. Found out by trying, once, and remembered for as long as nothing that
//! matters has changed: a start must not wait for it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use landlock::{CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::limits::{Holder, Limits, Manager};
use super::pasta::{self, Pasta};
use super::program::{output, program};
use super::{Account, Env, process};
use crate::ProviderError;

/// What was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Computer {
    pub(super) bwrap: PathBuf,
    /// Whether bubblewrap can limit the size of memory file systems (0.7 and later).
    pub(super) sized_tmpfs: bool,
    /// The way to a full network, or why there is none.
    pub(super) pasta: Result<Pasta, String>,
    pub(super) holder: Holder,
    /// What the finding rests on.
    basis: String,
}

impl Computer {
    /// What was written to `path` earlier, where it still holds.
    pub(super) fn remembered(path: &Path, env: &Env, account: &Account) -> Option<Self> {
        let found: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (found.basis == basis(env, account)).then_some(found)
    }

    /// Keeps the finding, unless it is one that may change by itself: a network that is down comes back.
    pub(super) fn remember(&self, path: &Path) {
        let lasting = match &self.pasta {
            Ok(_) => true,
            Err(reason) => pasta::is_lasting(reason),
        };
        if lasting && let Ok(text) = serde_json::to_vec(self) {
            let _ = crate::files::replace(path, &text);
        }
    }

    /// Finds out.
    pub(super) async fn probe(env: &Env, account: &Account) -> Result<Self, ProviderError> {
        let Some(bwrap) = program(env, "bwrap") else {
            return Err(ProviderError::NoIsolation {
                reason: "bubblewrap, the program that keeps sandboxes apart from your files, is not installed.".into(),
                mend: install("bubblewrap"),
            });
        };
        let help = output(Command::new(&bwrap).arg("--help"), &Account::Person).await.0;
        if !help.contains("--clearenv") || !help.contains("--perms") {
            return Err(ProviderError::NoIsolation {
                reason: "the bubblewrap that is installed is older than 0.5.".into(),
                mend: format!("{} (0.5 or later)", install("bubblewrap")),
            });
        }
        let (_, errors, success) = output(Command::new(&bwrap).args(TRIAL), account).await;
        if !success {
            return Err(diagnose(errors.trim(), sysctl));
        }
        let (pasta, holder) = tokio::join!(Pasta::probe(env, account), holder(env, account));
        Ok(Self { bwrap, sized_tmpfs: help.contains("--size"), pasta, holder, basis: basis(env, account) })
    }
}

/// The namespaces and file systems of a sandbox around a program that does nothing.
const TRIAL: &[&str] = &[
    "--unshare-user",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-uts",
    "--uid",
    "1000",
    "--gid",
    "1000",
    "--cap-drop",
    "ALL",
    "--ro-bind",
    "/",
    "/",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
    "--",
    "/bin/sh",
    "-c",
    ":",
];

/// Says why bubblewrap failed, by what it said and by the switches that are known to forbid it.
fn diagnose(errors: &str, sysctl: impl Fn(&str) -> Option<String>) -> ProviderError {
    let is = |name: &str, value: &str| sysctl(name).as_deref() == Some(value);
    let (reason, mend) = if is("kernel/apparmor_restrict_unprivileged_userns", "1") {
        (
            "AppArmor forbids bubblewrap to make user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1).",
            "Allow it to bubblewrap alone: write a file /etc/apparmor.d/bwrap with the lines\n\
             abi <abi/4.0>,\nprofile bwrap /usr/bin/bwrap flags=(unconfined) { userns, }\n\
             and run: sudo apparmor_parser -r /etc/apparmor.d/bwrap",
        )
    } else if is("kernel/unprivileged_userns_clone", "0") {
        (
            "this computer forbids ordinary users to make user namespaces (kernel.unprivileged_userns_clone is 0).",
            "Allow it: echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/50-userns.conf \
             && sudo sysctl --system",
        )
    } else if is("user/max_user_namespaces", "0") {
        (
            "this computer forbids user namespaces (user.max_user_namespaces is 0).",
            "Allow them: echo user.max_user_namespaces=15000 | sudo tee /etc/sysctl.d/50-userns.conf \
             && sudo sysctl --system",
        )
    } else if errors.contains("mount proc") {
        (
            "a container around Berth keeps part of /proc from being seen, so that sandboxes cannot have their own.",
            "Run Berth outside the container, or give the container an unmasked /proc \
             (Docker: --security-opt systempaths=unconfined).",
        )
    } else {
        (
            "bubblewrap could not make the namespaces that keep a sandbox apart.",
            "Where Berth runs in a container, it must be allowed to make user namespaces.",
        )
    };
    let reason = if errors.is_empty() { reason.to_owned() } else { format!("{reason} It said: {errors}") };
    ProviderError::NoIsolation { reason, mend: mend.to_owned() }
}

fn sysctl(name: &str) -> Option<String> {
    fs::read_to_string(Path::new("/proc/sys").join(name)).ok().map(|value| value.trim().to_owned())
}

/// How to install a package here.
fn install(package: &str) -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let is = |names: &[&str]| {
        let mut ids = release.lines().filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")));
        ids.any(|ids| ids.trim_matches('"').split(' ').any(|id| names.contains(&id)))
    };
    let command = if is(&["debian", "ubuntu"]) {
        "sudo apt install"
    } else if is(&["fedora", "rhel", "centos"]) {
        "sudo dnf install"
    } else if is(&["arch"]) {
        "sudo pacman -S"
    } else if is(&["suse", "opensuse"]) {
        "sudo zypper install"
    } else if is(&["alpine"]) {
        "sudo apk add"
    } else {
        return format!("Install the package {package}.");
    };
    format!("Install it: {command} {package}")
}

/// A systemd that can hold a scope to its limits: tried with small ones in the very words of a start, which are then
/// read back.
async fn holder(env: &Env, account: &Account) -> Holder {
    let (manager, socket) = match account {
        Account::Person => {
            let runtime = env.get("XDG_RUNTIME_DIR").map(PathBuf::from).unwrap_or_default();
            (Manager::User, runtime.join("systemd/private"))
        }
        Account::Own { .. } => (Manager::System, PathBuf::from("/run/systemd/private")),
    };
    let Some(program) = program(env, "systemd-run").filter(|_| socket.exists()) else { return Holder::Watchdog };
    let limits = Limits { memory: 64 << 20, tasks: 64 };
    let read_back = "g=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup); cat $g/memory.max $g/pids.max";
    for ends_whole in [true, false] {
        let holder = Holder::Systemd { manager, ends_whole };
        let words = limits.scope(holder, &format!("berth-trial-{}-{ends_whole}.scope", std::process::id()));
        let mut command = Command::new(&program);
        command.args(&words[1..]).args(["sh", "-c", read_back]);
        let (found, _, _) = output(&mut command, &Account::Person).await;
        if found.split_whitespace().eq([limits.memory, limits.most_tasks()].map(|limit| limit.to_string())) {
            return holder;
        }
    }
    Holder::Watchdog
}

/// Whether `sandboxd` can keep a sandbox from abstract sockets that are not its own.
pub(super) fn scopes_abstract_sockets() -> bool {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset.scope(Scope::AbstractUnixSocket).and_then(Ruleset::create).is_ok()
}

/// What a finding rests on: this run of the computer, who asks, the programs, and the switches.
fn basis(env: &Env, account: &Account) -> String {
    let file = |path: Option<PathBuf>| {
        let meta = path.as_ref().and_then(|path| fs::metadata(path).ok());
        meta.map(|meta| (path, meta.ino(), meta.len(), meta.mtime(), meta.permissions().mode()))
    };
    let switches = [
        "kernel/apparmor_restrict_unprivileged_userns",
        "kernel/unprivileged_userns_clone",
        "user/max_user_namespaces",
    ];
    let runtime = env.get("XDG_RUNTIME_DIR").map(|folder| Path::new(folder).join("systemd/private").exists());
    let rests = (
        process::boot_id(),
        (matches!(account, Account::Person), nix::unistd::geteuid().as_raw()),
        ["bwrap", "pasta", "systemd-run"].map(|name| file(program(env, name))),
        file(Some("/dev/net/tun".into())),
        (switches.map(sysctl), runtime),
        env!("CARGO_PKG_VERSION"),
    );
    format!("{rests:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(errors: &str, switch: Option<(&str, &str)>) -> (String, String) {
        let error = diagnose(errors, |name| switch.filter(|switch| switch.0 == name).map(|switch| switch.1.to_owned()));
        (error.to_string(), error.mend().unwrap())
    }

    #[test]
    fn each_way_to_forbid_namespaces_has_its_mend() {
        let (text, mend) = reason(
            "bwrap: setting up uid map: Permission denied",
            Some(("kernel/apparmor_restrict_unprivileged_userns", "1")),
        );
        assert!(text.contains("AppArmor") && text.contains("uid map") && mend.contains("/etc/apparmor.d/bwrap"));
        let (_, mend) = reason("", Some(("kernel/unprivileged_userns_clone", "0")));
        assert!(mend.contains("unprivileged_userns_clone=1"));
        let (_, mend) = reason("", Some(("user/max_user_namespaces", "0")));
        assert!(mend.contains("max_user_namespaces="));
        let (text, _) = reason("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", None);
        assert!(text.contains("container"));
        let (text, _) = reason("", Some(("user/max_user_namespaces", "100")));
        assert!(text.ends_with("apart."), "{text}");
    }

    #[tokio::test]
    async fn a_systemd_that_does_not_know_every_word_is_used_as_far_as_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("systemd")).unwrap();
        fs::write(at("systemd/private"), "").unwrap();
        let env =
            Env::from(["PATH", "XDG_RUNTIME_DIR"].map(|name| (name.to_owned(), folder.path().display().to_string())));
        for (script, ends_whole) in [
            ("echo 67108864 144", Some(true)),
            ("case \"$*\" in *OOMPolicy*) echo Unknown assignment >&2; exit 1;; esac; echo 67108864 144", Some(false)),
            ("echo 67108864 max", None),
        ] {
            fs::write(at("systemd-run"), format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(at("systemd-run"), fs::Permissions::from_mode(0o755)).unwrap();
            let expected = ends_whole
                .map_or(Holder::Watchdog, |ends_whole| Holder::Systemd { manager: Manager::User, ends_whole });
            assert_eq!(holder(&env, &Account::Person).await, expected, "{script}");
        }
    }

    #[test]
    fn a_finding_is_forgotten_when_its_basis_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("found.json");
        let env = Env::new();
        let mut found = Computer {
            bwrap: "/usr/bin/bwrap".into(),
            sized_tmpfs: true,
            pasta: Err(pasta::NOT_INSTALLED.into()),
            holder: Holder::Watchdog,
            basis: basis(&env, &Account::Person),
        };
        found.remember(&path);
        assert!(Computer::remembered(&path, &env, &Account::Person).is_some());
        assert!(Computer::remembered(&path, &env, &Account::Own { uid: 2_000_000 }).is_none());
        found.basis.push('x');
        found.remember(&path);
        assert!(Computer::remembered(&path, &env, &Account::Person).is_none());
    }
}
