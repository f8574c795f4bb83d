//! What a sandbox reaches, and how.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "helpers of tests are tests")]

#[path = "support/again.rs"]
mod again;
#[path = "support/origin.rs"]
mod origin;
mod support;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Arc, Mutex};

use berth_model::NetworkMode;
use berth_providers::egress::{EgressOptions, EgressOutcome, EgressRecord};
use berth_providers::{Found, Limits};
use support::{Sandbox, World};

const PROXIED: Option<NetworkMode> = Some(NetworkMode::Proxied);
const SERVE: &str = "mkdir -p ~/www; cd ~/www; echo $WHO > who; \
                     setsid python3 -m http.server 3000 --bind 127.0.0.1 > /dev/null 2>&1 & \
                     for i in $(seq 100); do curl -s --fail http://localhost:3000/who && exit; sleep 0.1; done; exit 1";

#[tokio::test]
async fn two_serve_on_the_same_port() {
    let world = World::new();
    for network in [PROXIED, None] {
        let (one, two) = tokio::join!(world.start(network), world.start(network));
        assert_eq!(one.ok(&format!("WHO=one; {SERVE}")).await, "one");
        assert_eq!(two.ok(&format!("WHO=two; {SERVE}")).await, "two");
        assert_eq!(one.ok("curl -s http://127.0.0.1:3000/who").await, "one");
    }
}

#[tokio::test]
async fn proxied_has_loopback_and_the_way_out_and_nothing_else() {
    let world = World::new();
    let sandbox = world.start(PROXIED).await;
    assert_eq!(sandbox.ok("grep -c : /proc/net/dev").await, "1");
    for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        assert_eq!(sandbox.ok(&format!("echo ${name}")).await, "http://127.100.0.1:3128");
    }
    assert!(sandbox.started.network_note.as_ref().unwrap().contains("HTTP"));
    let refused = sandbox
        .run("curl -sS --max-time 5 -o /dev/null -w '%{http_code}' -x $http_proxy --noproxy '' http://127.0.0.1/")
        .await;
    assert_eq!(refused.out, "403", "{refused:?}");
    assert_ne!(sandbox.run("getent hosts example.invalid").await.code, 0);
    assert_ne!(sandbox.run("bash -c 'exec 5<>/dev/tcp/192.0.2.1/80'").await.code, 0);
}

#[tokio::test]
async fn the_way_out_is_there_again_after_a_restart_of_the_app() {
    let mut world = World::new();
    let sandbox = world.start(PROXIED).await;
    let ask = "curl -s --max-time 5 -o /dev/null -w '%{http_code}' --noproxy '' http://127.0.0.1/";
    assert_eq!(sandbox.ok(ask).await, "403");
    let restarted = world.restarted();
    drop(std::mem::replace(&mut world.local, restarted));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_ne!(sandbox.run(ask).await.code, 0, "the control: without an app nobody answers");
    let Found::Running(found) = world.local.find(sandbox.id()).await.unwrap() else { panic!("gone") };
    assert_eq!(Sandbox::new(sandbox.spec.clone(), *found).ok(ask).await, "403");
}

#[tokio::test]
async fn the_computers_own_network_only_when_chosen() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let probe = format!("bash -c 'exec 5<>/dev/tcp/127.0.0.1/{}'", listener.local_addr().unwrap().port());
    let world = World::new();
    let chosen = world.start(Some(NetworkMode::Host)).await;
    assert_eq!(chosen.started.network, Some(NetworkMode::Host));
    assert!(chosen.started.network_note.as_ref().unwrap().contains("every service"));
    chosen.ok(&probe).await;
    // Neither its display nor its D-Bus, where the kernel can tell them apart; where not, the note says so.
    let name = format!("berth-network-{}", std::process::id());
    let _display = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let connect = format!("python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"\\0{name}\")'");
    let reached = chosen.run(&connect).await.code == 0;
    assert_eq!(reached, chosen.started.network_note.as_ref().unwrap().contains("display"));
    let own = "python3 -c 'import socket as s; a=s.socket(s.AF_UNIX); a.bind(\"\\0mine\"); a.listen(); s.socket(s.AF_UNIX).connect(\"\\0mine\")'";
    chosen.ok(own).await;
    let other = world.start(None).await;
    assert_ne!(other.started.network, Some(NetworkMode::Host));
    assert_ne!(other.run(&probe).await.code, 0);
}

/// The ordinary clients against a registry on loopback that stands behind this computer's proxy: what they ask for goes
/// through the sandbox's forwarder, the egress proxy, and the computer's own proxy in turn.
#[test]
fn npm_pip_and_git_fetch_through_the_proxies() {
    let origin = origin::Origin::start();
    let (proxy, certificate) = (format!("http://me:secret@{}", origin.address), origin.certificate());
    let certificate = certificate.to_str().unwrap();
    let env = [
        ("http_proxy", proxy.clone()),
        ("https_proxy", proxy),
        ("GIT_SSL_CAINFO", certificate.to_owned()),
        ("NODE_EXTRA_CA_CERTS", certificate.to_owned()),
        ("PIP_CERT", certificate.to_owned()),
    ];
    again::run_with(&["--exact", "fetches", "--ignored"], &again::Who::Person, &env);
    let seen = origin.seen();
    let by = |start: &str| seen.iter().any(|line| line.starts_with(start));
    for path in ["/tiny", "/simple/tinypy/", "/repo.git/info/refs"] {
        assert!(by(&format!("GET {path}")), "{path} over https, in {seen:?}");
    }
    assert!(by(&format!("GET http://{}/repo.git/info/refs", origin::HOST)), "{seen:?}");
    // What goes to the proxy itself, and not through the tunnels that it opens.
    let to_proxy = |line: &&String| line.starts_with("CONNECT") || line.starts_with("GET http");
    assert!(seen.iter().filter(to_proxy).all(|line| line.contains("Basic bWU6c2VjcmV0")), "{seen:?}");
}

#[tokio::test]
#[ignore = "run by another, with a proxy"]
async fn fetches() {
    let records = Arc::new(Mutex::new(Vec::<EgressRecord>::new()));
    let observer = {
        let records = records.clone();
        Arc::new(move |record: &EgressRecord| records.lock().unwrap().push(record.clone()))
    };
    let options = EgressOptions { observer: Some(observer), allow: None };
    let world = World::with(options, Limits::of_computer());
    let sandbox = world.start(PROXIED).await;
    assert!(!sandbox.ok("env").await.contains("secret"), "the proxy's password is inside");
    let host = origin::HOST;
    // A computer's own npm may have a list of authorities of its own, which would go first.
    sandbox.ok(&format!("mkdir n && cd n && npm install --cafile $NODE_EXTRA_CA_CERTS --registry https://{host}/ --no-audit --no-fund tiny")).await;
    assert_eq!(sandbox.ok("cd n && node -p 'require(\"tiny\")'").await, "tiny works");
    let pip = format!("python3 -m venv v && v/bin/pip install --quiet --index-url https://{host}/simple tinypy");
    sandbox.ok(&pip).await;
    assert_eq!(sandbox.ok("v/bin/python -c 'import tinypy; print(tinypy.says)'").await, "tinypy works");
    assert_eq!(sandbox.ok(&format!("git clone -q https://{host}/repo.git && cat repo/file")).await, "from git");
    assert_eq!(sandbox.ok(&format!("git clone -q http://{host}/repo.git plain && cat plain/file")).await, "from git");
    let unknown = sandbox.run(&format!("GIT_SSL_CAINFO= git clone -q https://{host}/repo.git unknown")).await;
    assert_ne!(unknown.code, 0, "the control: nobody else vouches for it");
    let records = records.lock().unwrap();
    assert!(
        records.iter().any(|record| record.host == host && record.outcome == EgressOutcome::Relayed { address: None })
    );
}

/// The ordinary clients against whatever registry is theirs, for a person to run where there is an Internet.
#[tokio::test]
#[ignore = "needs the Internet"]
async fn fetches_from_the_internet() {
    let world = World::new();
    for network in [PROXIED, None] {
        let sandbox = world.start(network).await;
        eprintln!("{:?} {:?}", sandbox.started.network, sandbox.started.network_note);
        sandbox
            .ok("mkdir n && cd n && npm install --no-audit --no-fund is-number && node -p 'require(\"is-number\")(5)'")
            .await;
        sandbox.ok("python3 -m venv v && v/bin/pip install --quiet six && v/bin/python -c 'import six'").await;
    }
}

#[test]
fn full_by_pasta_where_the_device_may_be_opened() {
    if !support::is_root() {
        eprintln!("skipped: only root can give /dev/net/tun to everyone");
        return;
    }
    // As a second network, or that of a container engine, gives one.
    let second = SECOND.to_owned();
    let _address = SecondAddress::add();
    if !again::run_with(&["--exact", "full", "--ignored"], &again::Who::PersonWithTun, &[("SECOND", second)]) {
        eprintln!("skipped: /dev/net/tun could not be given to everyone");
    }
}

/// Of a block that no network has.
const SECOND: &str = "198.18.77.1";

struct SecondAddress;

impl SecondAddress {
    fn add() -> Self {
        Self::ip("add");
        Self
    }

    fn ip(verb: &str) {
        let _ = std::process::Command::new("ip").args(["address", verb, SECOND, "dev", "lo"]).output();
    }
}

impl Drop for SecondAddress {
    fn drop(&mut self) {
        Self::ip("del");
    }
}

#[tokio::test]
#[ignore = "run by another, with a device"]
async fn full() {
    let world = World::new();
    let sandbox = world.start(None).await;
    if sandbox.started.network != Some(NetworkMode::Full) {
        eprintln!("skipped: {:?}", sandbox.started.network_note);
        return;
    }
    assert_eq!(sandbox.started.network_note, None);
    assert_eq!(sandbox.ok("echo $http_proxy; tail -n +3 /proc/net/dev | wc -l").await, "2");
    // This computer is out of reach by each of its names.
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = own_address();
    let probe = |address: &str| format!("bash -c 'exec 5<>/dev/tcp/{address}/{port}'");
    let gateway = "$(awk '$2 == \"00000000\" {print $3}' /proc/net/route | fold -w2 | tac | while read -r h; do printf %d. 0x$h; done | sed s/.$//)";
    let second = std::env::var("SECOND").unwrap();
    for address in ["127.0.0.1", &own, &second, gateway] {
        assert_ne!(
            sandbox.run(&format!("a={address}; timeout 3 {}", probe("$a").replace('\'', "\""))).await.code,
            0,
            "{address}"
        );
    }
    for address in [&own, &second] {
        std::net::TcpStream::connect((address.as_str(), port)).unwrap();
    }
    sandbox.ok("ip route get 192.0.2.9").await;
    for address in [second.as_str(), "169.254.169.254", "100.100.100.200"] {
        assert_ne!(sandbox.run(&format!("ip route get {address}")).await.code, 0, "{address}");
    }
    assert_ne!(sandbox.run(&format!("ip route del unreachable {second}")).await.code, 0);
    let pasta = pasta_of(&world, &sandbox);
    assert!(pasta.is_some());
    world.local.destroy(sandbox.id()).await.unwrap();
    // Whoever adopted it may not have waited for it yet.
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pasta.unwrap())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "pasta is left: {state}");
}

fn own_address() -> String {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    // Sends nothing: it asks the routing table only.
    socket.connect("192.0.2.1:9").unwrap();
    socket.local_addr().unwrap().ip().to_string()
}

fn pasta_of(world: &World, sandbox: &Sandbox) -> Option<String> {
    let file = world.folder.path().join("run/net").join(sandbox.id().as_str()).join("pasta.pid");
    std::fs::read_to_string(file).ok().map(|pid| pid.trim().to_owned())
}
