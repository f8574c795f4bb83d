//! The command line of bubblewrap: a pure function of what a sandbox is to see.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where things are inside.
pub(super) const HOME: &str = "/home/dev";
pub(super) const LOCK: &str = "/run/berth-lock";
pub(super) const NET: &str = "/run/berth-net";
const SANDBOXD: &str = "/run/sandboxd";

/// The descriptors that the launching shell opens for bubblewrap.
pub(super) const INFO_FD: &str = "3";
pub(super) const FILTER_FD: &str = "4";

/// The numbers by which a sandbox's user is known inside.
pub(super) const USER_ID: u32 = 1000;

/// One thing of the computer that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mount {
    /// A file or folder, read-only, where it is.
    Shown(PathBuf),
    /// A symbolic link.
    Link { to: PathBuf, at: PathBuf },
    /// An own file or folder, read-only, in place of the computer's.
    Own { from: PathBuf, at: PathBuf },
}

/// What a sandbox sees.
#[derive(Debug)]
pub(super) struct Spec<'a> {
    pub(super) hostname: &'a str,
    /// Stay in the network namespace of whoever starts bubblewrap.
    pub(super) share_network: bool,
    /// The system, in order.
    pub(super) system: &'a [Mount],
    /// Covered by nothing where they lie in something that is shown.
    pub(super) hidden: &'a [&'a Path],
    pub(super) home: &'a Path,
    pub(super) lock: &'a Path,
    pub(super) net_dir: Option<&'a Path>,
    pub(super) sandboxd: &'a Path,
    /// Bytes for /tmp, where bubblewrap can limit them.
    pub(super) scratch: Option<u64>,
}

/// The arguments of bubblewrap.
pub(super) fn arguments(spec: &Spec<'_>) -> Vec<OsString> {
    let mut line = Line(Vec::new());
    line.add(["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]);
    if !spec.share_network {
        line.add(["--unshare-net"]);
    }
    let id = USER_ID.to_string();
    line.add(["--uid", &id, "--gid", &id, "--hostname", spec.hostname, "--clearenv", "--new-session", "--as-pid-1"]);
    line.add(["--cap-drop", "ALL", "--info-fd", INFO_FD, "--seccomp", FILTER_FD]);

    line.add(["--proc", "/proc", "--dev", "/dev"]);
    line.tmpfs("/dev/shm", "1777", spec.scratch);
    line.add(["--remount-ro", "/dev"]);
    line.tmpfs("/tmp", "1777", spec.scratch);
    line.add(["--dir", "/var", "--symlink", "/tmp", "/var/tmp", "--symlink", "/run", "/var/run"]);
    line.tmpfs("/run", "0755", spec.scratch.map(|bytes| bytes / 16));

    let (behind, plain): (Vec<_>, Vec<_>) = spec.system.iter().partition(|mount| spec.is_hidden(mount.at()));
    plain.into_iter().for_each(|mount| line.mount(mount));
    let covered: Vec<_> = spec.hidden.iter().filter(|hidden| spec.shows(hidden)).collect();
    for hidden in &covered {
        line.add(["--perms", "0755", "--tmpfs"]);
        line.path(hidden);
    }
    // Such as the tool managers of a home that lies below /opt.
    behind.into_iter().for_each(|mount| line.mount(mount));
    for hidden in &covered {
        line.add(["--remount-ro"]);
        line.path(hidden);
    }

    line.bind("--ro-bind", spec.sandboxd, SANDBOXD);
    line.bind("--ro-bind", spec.lock, LOCK);
    if let Some(net_dir) = spec.net_dir {
        line.bind("--ro-bind", net_dir, NET);
    }
    line.bind("--bind", spec.home, HOME);
    // Shown again on top: where the person's own home is also /home/dev it lies over the tools in it.
    for mount in spec.system.iter().filter(|mount| mount.at().starts_with(HOME)) {
        line.mount(mount);
    }
    line.add(["--remount-ro", "/", "--chdir", HOME, "--"]);
    line.add([SANDBOXD]);
    line.0
}

impl Mount {
    fn at(&self) -> &Path {
        match self {
            Self::Shown(at) | Self::Link { at, .. } | Self::Own { at, .. } => at,
        }
    }
}

impl Spec<'_> {
    fn is_hidden(&self, path: &Path) -> bool {
        self.hidden.iter().any(|hidden| path.starts_with(hidden))
    }

    fn shows(&self, path: &Path) -> bool {
        self.system.iter().any(|mount| matches!(mount, Mount::Shown(shown) if path.starts_with(shown)))
    }
}

struct Line(Vec<OsString>);

impl Line {
    fn add<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(OsString::from));
    }

    fn path(&mut self, path: &Path) {
        self.0.push(path.into());
    }

    fn bind(&mut self, kind: &str, from: &Path, at: &str) {
        self.add([kind]);
        self.path(from);
        self.add([at]);
    }

    fn mount(&mut self, mount: &Mount) {
        let (kind, from, at) = match mount {
            // What vanishes between looking and mounting is no reason to fail.
            Mount::Shown(path) => ("--ro-bind-try", path, path),
            Mount::Link { to, at } => ("--symlink", to, at),
            Mount::Own { from, at } => ("--ro-bind", from, at),
        };
        self.add([kind]);
        self.path(from);
        self.path(at);
    }

    fn tmpfs(&mut self, at: &str, mode: &str, bytes: Option<u64>) {
        self.add(["--perms", mode]);
        if let Some(bytes) = bytes {
            self.add(["--size", &bytes.to_string()]);
        }
        self.add(["--tmpfs", at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec<'a>(system: &'a [Mount], hidden: &'a [&'a Path]) -> Spec<'a> {
        Spec {
            hostname: "demo",
            share_network: false,
            system,
            hidden,
            home: Path::new("/data/sandboxes/a/home"),
            lock: Path::new("/rt/sb/a/lock"),
            net_dir: Some(Path::new("/rt/net/a")),
            sandboxd: Path::new("/data/bin/sandboxd"),
            scratch: Some(1 << 30),
        }
    }

    fn line(spec: &Spec<'_>) -> Vec<String> {
        arguments(spec).into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    fn position(line: &[String], words: &[&str]) -> usize {
        line.windows(words.len()).position(|window| window == words).unwrap_or_else(|| panic!("{words:?} in {line:?}"))
    }

    #[test]
    fn every_namespace_is_its_own() {
        let line = line(&spec(&[], &[]));
        for namespace in ["user", "ipc", "pid", "uts", "net"] {
            assert!(line.contains(&format!("--unshare-{namespace}")), "{namespace}");
        }
        position(&line, &["--cap-drop", "ALL"]);
        assert!(line.contains(&"--clearenv".into()) && line.contains(&"--as-pid-1".into()));
        assert!(!line.contains(&"--die-with-parent".into()), "a sandbox outlives the app");
    }

    #[test]
    fn only_what_is_its_own_can_be_written() {
        let system = [Mount::Shown("/usr".into())];
        let line = line(&spec(&system, &[]));
        let writable: Vec<_> = line.windows(3).filter(|words| words[0] == "--bind").map(|words| &words[2]).collect();
        assert_eq!(writable, [HOME]);
        let last = line.len();
        assert_eq!(line[last - 6..], ["--remount-ro", "/", "--chdir", HOME, "--", SANDBOXD].map(String::from));
    }

    #[test]
    fn private_folders_in_shown_ones_are_covered_before_anything_is_put_there() {
        let system = [Mount::Shown("/opt".into()), Mount::Shown("/opt/me/.nvm".into())];
        let hidden = [Path::new("/opt/berth"), Path::new("/opt/me"), Path::new("/srv/elsewhere")];
        let line = line(&spec(&system, &hidden));
        let shown = position(&line, &["--ro-bind-try", "/opt", "/opt"]);
        let covered = position(&line, &["--tmpfs", "/opt/me"]);
        let again = position(&line, &["--ro-bind-try", "/opt/me/.nvm", "/opt/me/.nvm"]);
        assert!(shown < covered && covered < again && again < position(&line, &["--remount-ro", "/opt/me"]));
        assert!(shown < position(&line, &["--tmpfs", "/opt/berth"]));
        assert!(!line.contains(&"/srv/elsewhere".into()));
    }

    #[test]
    fn tools_of_a_person_who_is_called_dev_too_lie_over_the_home() {
        let system = [Mount::Shown("/home/dev/.nvm".into())];
        let line = line(&spec(&system, &[]));
        let home = position(&line, &["--bind", "/data/sandboxes/a/home", HOME]);
        assert!(line[home..].contains(&"/home/dev/.nvm".into()));
    }
}
