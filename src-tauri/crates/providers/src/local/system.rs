//! What of this computer a sandbox sees: its *system*. Today that is the computer's own programs, read-only; a root file
//! system from an image would be another function with the same result.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::bubblewrap::{Mount, USER_ID};
use super::tools::HomeTools;
use super::{Account, Env};

/// Folders of programs at the top of the file system; where they are links into /usr the links are made.
const PROGRAMS: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];

/// Configuration that programs need and that holds nothing secret. Never all of /etc: that has keys, passwords in
/// other programs' settings, and the names of everyone.
const ETC: &[&str] = &[
    "ImageMagick-6",
    "ImageMagick-7",
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies/back-ends",
    "debian_version",
    "emacs",
    "fonts",
    "gai.conf",
    "glvnd",
    "host.conf",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "lsb-release",
    "magic",
    "magic.mime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "perl",
    "pki/ca-trust/extracted",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "protocols",
    "python3",
    "rpc",
    "services",
    "shells",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
    "xml",
];

/// Links in /etc whose target says something by its name.
const ETC_LINKS: &[&str] = &["localtime"];

/// Variables that name a file of certificates.
const CERTIFICATES: &[&str] = &[
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "DENO_CERT",
    "GIT_SSL_CAINFO",
    "NIX_SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
];

/// Variables that say how the person reads and writes.
const LOCALE: &[&str] = &["LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LC_TIME", "TZ"];

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The system of a sandbox.
#[derive(Debug, Clone)]
pub(super) struct System {
    pub(super) mounts: Vec<Mount>,
    /// Files that are shown with their folders, and must not be.
    secret: Vec<PathBuf>,
    pub(super) env: Env,
    /// An absolute path that exists in it.
    pub(super) shell: &'static str,
}

impl System {
    /// This computer's programs, for a sandbox that runs as `account`.
    pub(super) fn of_computer(home: Option<&Path>, env: &Env, account: &Account) -> Self {
        let mut mounts = Vec::new();
        PROGRAMS.iter().filter_map(|path| program_folder(Path::new(path))).for_each(|mount| mounts.push(mount));
        mounts.extend(packages(Path::new("/opt")).map(Mount::Shown));
        let etc = Path::new("/etc");
        for name in ETC.iter().map(|name| etc.join(name)).chain(java(etc)) {
            if name.exists() {
                mounts.push(Mount::Shown(name));
            }
        }
        for at in ETC_LINKS.iter().map(|name| etc.join(name)) {
            match fs::read_link(&at) {
                Ok(to) if normal(&etc.join(&to)).starts_with("/usr") => mounts.push(Mount::Link { to, at }),
                _ if at.exists() => mounts.push(Mount::Shown(at)),
                _ => {}
            }
        }

        let tools = home.map(|home| HomeTools::of(home, env)).unwrap_or_default();
        let barrier = tools.shown.iter().filter_map(|path| Some((path, account.barrier(path.parent()?)?))).next();
        if let Some((path, barrier)) = barrier {
            tracing::warn!(
                barrier = %barrier.display(),
                path = %path.display(),
                "some tool managers are not shown to sandboxes: their user may not pass through a folder on the way"
            );
        }
        let tools = tools.without(|path| path.parent().is_some_and(|folder| account.barrier(folder).is_some()));
        mounts.extend(tools.shown.into_iter().map(Mount::Shown));

        let mut inside = Env::from([("LANG".to_owned(), "C.UTF-8".to_owned())]);
        inside.extend(LOCALE.iter().filter_map(|name| Some(((*name).to_owned(), env.get(*name)?.clone()))));
        inside.extend(tools.env.iter().map(|(name, value)| ((*name).to_owned(), text(value))));
        let path: Vec<String> = tools.path.iter().map(|path| text(path)).chain([SYSTEM_PATH.to_owned()]).collect();
        inside.insert("PATH".into(), path.join(":"));
        let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
        Self { mounts, secret: tools.secret, env: inside, shell }
    }

    /// Where a folder is seen in the sandbox, whatever links lead to it or to what shows it; and the folder itself.
    pub(super) fn seen_as(&self, folder: &Path) -> Vec<PathBuf> {
        let mut seen = vec![folder.to_owned()];
        if let Ok(real) = fs::canonicalize(folder) {
            seen.extend(self.mounts.iter().filter_map(|mount| {
                let Mount::Shown(shown) = mount else { return None };
                Some(shown.join(real.strip_prefix(fs::canonicalize(shown).ok()?).ok()?))
            }));
        }
        seen.sort();
        seen.dedup();
        seen
    }

    /// Whether a path of the computer is seen in the sandbox.
    fn shows(&self, path: &Path) -> bool {
        self.mounts.iter().any(|mount| matches!(mount, Mount::Shown(shown) if path.starts_with(shown)))
    }
}

/// Writes the sandbox's own files of /etc, adds them to the system, and gives it the computer's further certificates.
pub(super) fn write_etc(
    system: &mut System,
    etc: &Path,
    hostname: &str,
    resolv_conf: &str,
    computer: &Env,
) -> io::Result<()> {
    let certificates = etc.join("certificates");
    fs::create_dir_all(&certificates)?;
    let own = [
        ("passwd", passwd(system.shell)),
        ("group", format!("root:x:0:\ndev:x:{USER_ID}:\nnogroup:x:65534:\n")),
        ("hostname", format!("{hostname}\n")),
        ("hosts", format!("127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 {hostname}\n")),
        ("resolv.conf", resolv_conf.to_owned()),
        ("profile", PROFILE.to_owned()),
        ("environment", String::new()),
    ];
    for (name, content) in own {
        let from = etc.join(name);
        write_if_changed(&from, content.as_bytes())?;
        system.mounts.push(Mount::Own { from, at: Path::new("/etc").join(name) });
    }
    let nothing = etc.join("nothing");
    write_if_changed(&nothing, b"")?;
    system.mounts.extend(system.secret.drain(..).map(|at| Mount::Own { from: nothing.clone(), at }));
    let mut copied = false;
    for name in CERTIFICATES {
        let Some(file) = computer.get(*name).filter(|value| value.starts_with('/')) else { continue };
        let real = fs::canonicalize(file).unwrap_or_default();
        if system.shows(Path::new(file)) && system.shows(&real) {
            system.env.insert((*name).into(), file.clone());
        } else if let Some(content) = fs::read_to_string(&real).ok().map(|pem| only_certificates(&pem)) {
            let inside = format!("{name}.pem");
            write_if_changed(&certificates.join(&inside), content.as_bytes())?;
            system.env.insert((*name).into(), format!("{CERTIFICATES_INSIDE}/{inside}"));
            copied = true;
        }
    }
    if let Some(folder) = computer.get("SSL_CERT_DIR").filter(|folder| system.shows(Path::new(folder))) {
        system.env.insert("SSL_CERT_DIR".into(), folder.clone());
    }
    if copied {
        system.mounts.push(Mount::Own { from: certificates, at: CERTIFICATES_INSIDE.into() });
    }
    Ok(())
}

const CERTIFICATES_INSIDE: &str = "/etc/berth/certificates";

/// Lays out a home that is new: nothing in it is ever overwritten later.
pub(super) fn write_skeleton(home: &Path) -> io::Result<()> {
    fs::create_dir(home)?;
    fs::write(home.join(".profile"), SKELETON_PROFILE)?;
    fs::write(home.join(".bashrc"), SKELETON_BASHRC)
}

const PROFILE: &str = "# Login shells read this; what a sandbox offers is in its environment already.\numask 022\n";

const SKELETON_PROFILE: &str = "\
# Read by login shells.
PATH=\"$HOME/.local/bin:$HOME/bin:$PATH\"
export PATH
if [ -n \"${BASH_VERSION:-}\" ] && [ -f \"$HOME/.bashrc\" ]; then
    . \"$HOME/.bashrc\"
fi
";

const SKELETON_BASHRC: &str = "\
# Read by interactive shells.
case $- in *i*) ;; *) return ;; esac
HISTCONTROL=ignoreboth
HISTSIZE=5000
shopt -s checkwinsize histappend
PS1='\\[\\e[1;32m\\]\\h\\[\\e[0m\\]:\\[\\e[1;34m\\]\\w\\[\\e[0m\\]\\$ '
alias ls='ls --color=auto' grep='grep --color=auto' ll='ls -l'
";

fn passwd(shell: &str) -> String {
    format!(
        "root:x:0:0:root:/root:/usr/sbin/nologin\n\
         dev:x:{USER_ID}:{USER_ID}:dev:{}:{shell}\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        super::bubblewrap::HOME
    )
}

/// A file that also holds a private key must not carry it inside.
fn only_certificates(pem: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in pem.lines() {
        inside |= line.contains("BEGIN") && line.contains("CERTIFICATE-----");
        if inside {
            kept.push_str(line);
            kept.push('\n');
        }
        inside &= !line.starts_with("-----END");
    }
    kept
}

/// Certificates change rarely, and a running sandbox of the same folder reads them.
fn write_if_changed(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    fs::write(path, content)
}

fn program_folder(path: &Path) -> Option<Mount> {
    match fs::read_link(path) {
        Ok(to) => Some(Mount::Link { to, at: path.to_owned() }),
        Err(_) if path.is_dir() => Some(Mount::Shown(path.to_owned())),
        Err(_) => None,
    }
}

/// What was installed below /opt by the computer's administrator: others put there what is theirs.
fn packages(opt: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(opt).into_iter().flatten().flatten();
    let is_package = |path: &PathBuf| {
        fs::symlink_metadata(path)
            .is_ok_and(|meta| meta.is_dir() && meta.uid() == 0 && meta.permissions().mode() & 0o022 == 0)
    };
    entries.map(|entry| entry.path()).filter(is_package)
}

/// Debian keeps the configuration of each Java there.
fn java(etc: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(etc).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("java")).map(|entry| entry.path())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Takes away `..` by text alone.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, part| {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
        normal
    })
}

impl Account {
    /// The first folder on the way to `path`, itself included, that this account may not pass through, as far as mode
    /// bits tell.
    pub(super) fn barrier(&self, path: &Path) -> Option<PathBuf> {
        let Self::Own { uid } = self else { return None };
        let mut ways: Vec<&Path> = path.ancestors().collect();
        ways.reverse();
        let barred = ways.into_iter().find(|way| {
            fs::metadata(way).is_ok_and(|meta| {
                let needed = if meta.uid() == *uid { 0o100 } else { 0o001 };
                meta.is_dir() && meta.permissions().mode() & needed == 0
            })
        });
        barred.map(Path::to_owned)
    }
}

const PROXIES: [&str; 6] = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
const NO_PROXIES: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The computer's own proxy settings, where there is no password in them.
pub(super) fn open_proxies(computer: &Env) -> impl Iterator<Item = (String, String)> {
    let settings = PROXIES.into_iter().chain(NO_PROXIES).filter_map(|name| computer.get_key_value(name));
    settings.filter(|(_, value)| !value.contains('@')).map(|(name, value)| (name.clone(), value.clone()))
}

/// The variables that lead programs through the proxy at `address`.
pub(super) fn proxied_env(address: &str) -> impl Iterator<Item = (String, String)> {
    let proxy = format!("http://{address}");
    let local = "localhost,127.0.0.1,127.0.0.0/8,::1,.localhost".to_owned();
    PROXIES
        .map(|name| (name.to_owned(), proxy.clone()))
        .into_iter()
        .chain(NO_PROXIES.map(|name| (name.to_owned(), local.clone())))
        // Node's own fetch and http follow the variables only when told to.
        .chain([("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etc_is_never_shown_whole() {
        let system = System::of_computer(None, &Env::new(), &Account::Person);
        for secret in ["/etc", "/etc/shadow", "/etc/ssl/private", "/etc/ssh", "/etc/passwd", "/etc/hosts", "/root"] {
            assert!(!system.shows(Path::new(secret)), "{secret}");
        }
        assert!(system.shows(Path::new("/usr/bin/env")));
    }

    #[test]
    fn a_folder_is_known_behind_links() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("real/me")).unwrap();
        std::os::unix::fs::symlink(at("real"), at("shown")).unwrap();
        std::os::unix::fs::symlink(at("real/me"), at("home")).unwrap();
        let mut system = System::of_computer(None, &Env::new(), &Account::Person);
        system.mounts = vec![Mount::Shown(at("shown"))];
        assert_eq!(system.seen_as(&at("home")), [at("home"), at("shown/me")]);
    }

    #[test]
    fn only_what_the_administrator_installed_is_shown_of_opt() {
        let folder = tempfile::tempdir().unwrap();
        for (name, mode) in [("open", 0o777), ("closed", 0o755)] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let own = nix::unistd::geteuid().is_root().then(|| folder.path().join("closed"));
        assert_eq!(packages(folder.path()).collect::<Vec<_>>(), own.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn no_private_key_comes_with_a_certificate() {
        let pem = "x\n-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n\
                   -----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\ny\n";
        assert_eq!(only_certificates(pem), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    }

    #[test]
    fn certificates_from_elsewhere_are_copied_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("corp.pem");
        fs::write(&bundle, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let computer = Env::from([
            ("SSL_CERT_FILE".to_owned(), text(&bundle)),
            ("PIP_CERT".to_owned(), "/nonexistent".to_owned()),
            ("HOME".to_owned(), "/home/me".to_owned()),
        ]);
        let mut system = System::of_computer(None, &computer, &Account::Person);
        write_etc(&mut system, &folder.path().join("etc"), "demo", "", &computer).unwrap();
        assert_eq!(system.env["SSL_CERT_FILE"], "/etc/berth/certificates/SSL_CERT_FILE.pem");
        assert!(!system.env.contains_key("PIP_CERT") && !system.env.contains_key("HOME"));
    }

    #[test]
    fn a_folder_closed_to_others_is_a_barrier_to_an_own_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(folder.path().join("a"), fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account::Own { uid: 2_345_678 };
        assert_eq!(stranger.barrier(&inner), Some(folder.path().join("a")));
        assert_eq!(stranger.barrier(folder.path()), None);
        assert_eq!(Account::Person.barrier(&inner), None);
    }
}
