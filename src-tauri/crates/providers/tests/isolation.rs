//! The isolation list: each thing is tried from inside and fails, as root and as an ordinary user; and each is tried
//! outside, where it succeeds, so that none fails for a reason of its own.
//!
//! Both runs are this program again with an environment, a home and a user of their own.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "helpers of tests are tests")]

#[path = "support/again.rs"]
mod again;
#[path = "support/attempts.rs"]
mod attempts;
mod support;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};

use again::Who;
use attempts::{ATTEMPTS, Control};
use berth_model::NetworkMode;
use support::{World, is_root};

#[test]
fn holds_for_root() {
    if is_root() {
        again::run("the_list", &Who::Root);
    } else {
        eprintln!("skipped: not root");
    }
}

#[test]
fn holds_for_an_ordinary_user() {
    again::run("the_list", &Who::Person);
}

#[tokio::test]
#[ignore = "run by the others, each in its own surroundings"]
async fn the_list() {
    let world = World::new();
    let home = std::env::var("HOME").unwrap();
    let home = Path::new(&home);
    let secrets = [
        (".ssh/id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\n"),
        (".npmrc", "//host/:_authToken=token\n"),
        (".cargo/bin/mycargo", "#!/bin/sh\necho it works\n"),
        (".cargo/credentials.toml", "token = \"secret\"\n"),
        (".local/share/uv/credentials/c", "token\n"),
        (".local/share/uv/python/cpython-3.99.0/bin/python3.99", "#!/bin/sh\necho 3.99\n"),
        (".config/gh/hosts.yml", "oauth_token: secret\n"),
        (".nvm/versions/node/v99.0.0/bin/mynode", "#!/bin/sh\necho v99\n"),
        (".nvm/versions/node/v99.0.0/etc/npmrc", "//host/:_authToken=token\n"),
    ];
    for (name, content) in secrets {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        if name.contains("/bin/") {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&path, mode).unwrap();
        }
    }

    // As a library of the app might leave one open: without the mark that closes it in programs that are started.
    let planted = home.join("planted");
    fs::write(&planted, "").unwrap();
    let _planted = nix::fcntl::open(&planted, nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty()).unwrap();

    let sandbox = world.start(Some(NetworkMode::Proxied)).await;
    let on_host = world.start(Some(NetworkMode::Host)).await;
    let other = world.start(Some(NetworkMode::Proxied)).await;
    let serve = "python3 -m http.server $P --bind 127.0.0.1 > /dev/null 2>&1 &
        for i in $(seq 100); do python3 -c \"import socket; socket.create_connection(('127.0.0.1', $P))\" && exit; done; exit 1";
    other
        .ok(&format!(
            "echo secret > secret; setsid bash -c 'exec -a 0.{} sleep 600' > /dev/null 2>&1 & P={OTHER_PORT}; {serve}",
            other.id()
        ))
        .await;

    // Before anything is tried: what is tried may leave something.
    for sandbox in [&sandbox, &on_host] {
        let list = async |folder: &str| sandbox.ok(&format!("LC_ALL=C ls -A {folder}")).await.replace('\n', " ");
        let net = if std::ptr::eq(sandbox, &on_host) { "" } else { "berth-net " };
        assert_eq!(list("/run").await, format!("berth-lock {net}sandboxd"));
        assert_eq!(list("/var").await, "run tmp");
        assert_eq!(list("/dev").await, "core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero");
        for (folder, expected) in [("/", ROOT), ("/etc", ETC)] {
            let unexpected: Vec<_> =
                list(folder).await.split(' ').filter(|name| !expected.contains(name)).map(str::to_owned).collect();
            assert_eq!(unexpected, Vec::<String>::new(), "in {folder}");
        }
    }

    // The surroundings that a person's computer has.
    let runtime = std::env::var("XDG_RUNTIME_DIR").unwrap();
    let listen = |name: &str| {
        let path = Path::new(&runtime).join(name);
        (UnixListener::bind(&path).unwrap(), path.to_string_lossy().into_owned())
    };
    let (_agent, agent) = listen("agent");
    let (_bus, bus) = listen("bus");
    let _session = ["wayland-0", "docker.sock"].map(listen);
    let engine = world.folder.path().join("run/engine.sock");
    let _engine = UnixListener::bind(&engine).unwrap();
    let x_folder = Path::new("/tmp/.X11-unix");
    if !x_folder.exists() {
        fs::create_dir(x_folder).unwrap();
        fs::set_permissions(x_folder, std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    }
    let display = x_folder.join(format!("X9{}", std::process::id()));
    let _display = UnixListener::bind(&display).unwrap();
    let of_display = SocketAddr::from_abstract_name(display.to_str().unwrap()).unwrap();
    let _display_too = UnixListener::bind_addr(&of_display).unwrap();
    let abstract_name = format!("berth-test-{}", std::process::id());
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name).unwrap()).unwrap();
    let loopback = TcpListener::bind("0.0.0.0:0").unwrap();
    let mark = format!("{}", std::process::id() + 1_000_000);
    let mut victim = Command::new("sleep").args(["600", &format!("0.{mark}")]).spawn().unwrap();
    let shm = segment();

    let variables = [
        ("PERSON", home.to_string_lossy().into_owned()),
        ("DATA", world.folder.path().join("data").to_string_lossy().into_owned()),
        ("RUN", world.folder.path().join("run").to_string_lossy().into_owned()),
        ("RUNTIME", runtime.clone()),
        ("OWN", sandbox.id().to_string()),
        ("OTHER_PORT", OTHER_PORT.to_string()),
        ("OTHER", other.id().to_string()),
        ("ENGINE", engine.to_string_lossy().into_owned()),
        ("AGENT", agent),
        ("BUS", bus),
        ("XSOCKET", display.to_string_lossy().into_owned()),
        ("ABSTRACT", abstract_name),
        ("PORT", loopback.local_addr().unwrap().port().to_string()),
        ("VICTIM", victim.id().to_string()),
        ("MARK_A", "0.".to_owned()),
        ("MARK_B", mark),
        ("SHM", shm.clone()),
        ("PY", "/usr/bin/python3 -c".to_owned()),
        ("SPY", CONNECT.to_owned()),
        ("SEEN", SEEN.to_owned()),
    ];
    let mut exports: String = variables.map(|(name, value)| format!("export {name}={}\n", quoted(&value))).concat();
    exports.push_str(FUNCTIONS);

    let mut wrong = Vec::new();
    for attempt in ATTEMPTS {
        let outside = match attempt.control {
            Control::Outside => Some(""),
            Control::OutsideForRoot => is_root().then_some(""),
            Control::OutsideForPerson => (!is_root()).then_some(""),
            Control::With(variables) => Some(variables),
        };
        let controlled = outside.map(|more| {
            let folder = tempfile::tempdir().unwrap();
            let temp = quoted(&folder.path().to_string_lossy());
            bash(&format!("{exports}export TEMP={temp}\n{more}\n{}\n", attempt.script))
        });
        if let Some(Err(said)) = controlled {
            wrong.push(format!("{}: it fails outside too, which shows nothing: {said}", attempt.what));
        }
        let inside = format!("{exports}export TEMP=$(mktemp -d)\ncd\n{}", in_bash(attempt.script));
        for (at, sandbox) in [("inside", &sandbox), ("on the computer's network", &on_host)] {
            // What that network has is reached there, and the note says so.
            let note = sandbox.started.network_note.as_deref().unwrap_or_default();
            let is_told = |what| attempt.what.contains(what) && note.contains("own network");
            if is_told("loopback") || attempt.what.contains("abstract") && note.contains("display") {
                continue;
            }
            let ran = sandbox.run(&inside).await;
            if ran.code == 0 {
                wrong.push(format!("{}: SUCCEEDS {at}: {}", attempt.what, ran.out));
            }
            eprintln!("{:60} {at}: {} {}", attempt.what, ran.code, ran.err.lines().last().unwrap_or_default());
        }
    }
    let victim_lives = victim.try_wait().unwrap().is_none();
    victim.kill().unwrap();
    victim.wait().unwrap();
    let _ = Command::new("ipcrm").args(["-m", &shm]).status();
    fs::remove_file(display).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(victim_lives);

    // The other way round: what is to be seen is seen.
    if sandbox.run("command -v mycargo").await.code == 0 || !is_root() {
        assert_eq!(sandbox.ok("mycargo; mynode; python3.99").await, "it works\nv99\n3.99");
    }
    sandbox.ok("ls /usr/bin/env && touch ~/mine /tmp/mine && test -w /dev/null && test -r /dev/urandom").await;
    // Groups that the person has besides are known inside as nobody's.
    let groups = "id -G | tr ' ' '\\n' | grep -vx 65534";
    assert_eq!(sandbox.ok(&format!("ls -A /home; {groups}; grep -c . /proc/net/route")).await, visible_homes(home));
    assert_eq!(
        sandbox.ok("grep NoNewPrivs /proc/self/status; grep CapBnd /proc/self/status").await,
        "NoNewPrivs:\t1\nCapBnd:\t0000000000000000"
    );
    only_own_descriptors(&world, sandbox.id());
}

/// Any number that nothing else here serves.
const OTHER_PORT: u16 = 45_671;

/// What may be seen of the whole. Programs are where this computer has them.
const ROOT: &[&str] = &[
    "bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "nix", "opt", "proc", "run", "sbin", "tmp", "usr",
    "var",
];

/// What may be seen of the configuration: the sandbox's own, and that of programs.
#[rustfmt::skip]
const ETC: &[&str] = &[
    "ImageMagick-6", "ImageMagick-7", "alternatives", "berth", "ca-certificates", "ca-certificates.conf",
    "crypto-policies", "debian_version", "emacs", "environment", "fonts", "gai.conf", "glvnd", "group", "host.conf",
    "hostname", "hosts", "inputrc", "java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "locale.alias", "localtime", "lsb-release", "magic", "magic.mime", "mime.types", "nsswitch.conf",
    "os-release", "passwd", "perl", "pki", "profile", "protocols", "python3", "resolv.conf", "rpc", "services", "shells",
    "ssl", "terminfo", "timezone", "vim", "xml",
];

/// The homes seen below /home: the sandbox's own, and the person's where tools of it are shown; the groups; the routes.
fn visible_homes(home: &Path) -> String {
    let person = home.strip_prefix("/home").ok().and_then(|rest| rest.iter().next()).map(|name| name.to_string_lossy());
    let mut homes = vec!["dev".to_owned()];
    homes.extend(person.map(|name| name.into_owned()));
    homes.sort();
    format!("{}\n1000\n1", homes.join("\n"))
}

/// Nothing that the launch opened is left open inside: neither the filter nor the pipe to bubblewrap.
fn only_own_descriptors(world: &World, id: &berth_model::ChannelId) {
    let first = world.first_process(id).unwrap();
    let Ok(entries) = fs::read_dir(format!("/proc/{first}/fd")) else { return };
    for entry in entries.flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        assert!(!target.ends_with("seccomp") && !target.to_string_lossy().starts_with("pipe:"), "{target:?} is open");
    }
}

const FUNCTIONS: &str = "\
U() { /usr/bin/python3 -c \"$SPY\" \"$1\"; }
U=U
NS() { [ \"$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null)\" != 1 ] || exit 77; }
NS=NS
";

const CONNECT: &str = "\
import socket, sys
name = sys.argv[1]
socket.socket(socket.AF_UNIX).connect('\\0' + name[1:] if name[0] == '@' else name)";

/// In two halves, so as not to find itself.
const SEEN: &str = "\
import glob, sys
mark = (sys.argv[1] + sys.argv[2]).encode()
for name in glob.glob('/proc/[0-9]*/cmdline'):
    try:
        if mark in open(name, 'rb').read(): exit(0)
    except OSError: pass
exit(1)";

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Scripts use bash's /dev/tcp; sessions run `sh`.
fn in_bash(script: &str) -> String {
    format!("bash -c {}", quoted(&format!("{FUNCTIONS}{script}")))
}

/// Runs a script outside. It may end with 77, which the attempts explain.
fn bash(script: &str) -> Result<(), String> {
    let mut child =
        Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if matches!(output.status.code(), Some(0 | 77)) {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A segment of shared memory; its number.
fn segment() -> String {
    let output = Command::new("ipcmk").args(["-M", "4096", "-p", "0600"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().last().unwrap_or_default().to_owned()
}
