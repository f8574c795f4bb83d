//! A machine of the person's own, in the real window: added, asked about, checked, worked on, lost and found again.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use berth_testbed::{Sshd, Way, free_port, has, has_terminals, is_root, until, user};
use serde_json::json;
use support::{Desk, Group, Window};

/// OpenSSH's own server with accounts of its own, in a mount namespace of its own: one lets in by a password, the other by
/// a password and a one-time code. Only root can make one.
struct Accounts {
    _servers: Group,
    by_password: u16,
    by_code: u16,
}

const PASSWORD: &str = "correct horse";
/// Each lets in once.
const CODES: [&str; 3] = ["31415926", "27182818", "16180339"];

const SERVE: &str = "\
for name in passwd shadow group; do mount --bind $0/$name /etc/$name || exit 1; done
mount --bind $0/pam /etc/pam.d/sshd || exit 1
/usr/sbin/sshd -D -e -f $0/by-password & exec /usr/sbin/sshd -D -e -f $0/by-code";

impl Accounts {
    fn start(folder: &Path) -> Self {
        let folder = folder.join("accounts");
        let home = folder.join("home");
        std::fs::create_dir_all(&home).expect("a home");
        // Nobody's number on this computer.
        std::os::unix::fs::chown(&home, Some(47_001), Some(47_001)).expect("its owner");
        let text = folder.display().to_string();
        let hash = Command::new("openssl").args(["passwd", "-6", PASSWORD]).output().expect("openssl").stdout;
        let hash = String::from_utf8(hash).expect("text");
        let write = |name: &str, content: String, mode: u32| {
            std::fs::write(folder.join(name), content).expect("written");
            std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(mode)).expect("its mode");
        };
        write(
            "passwd",
            format!(
                "root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n\
                 visitor:x:47001:47001::{text}/home:/bin/bash\n"
            ),
            0o644,
        );
        write("shadow", format!("root:*:1::::::\nsshd:*:1::::::\nvisitor:{}:19000::::::\n", hash.trim()), 0o600);
        write("group", "root:x:0:\nnogroup:x:65534:\nvisitor:x:47001:\n".to_owned(), 0o644);
        write(
            "pam",
            format!(
                "auth required pam_unix.so\nauth required pam_google_authenticator.so secret={text}/codes user=root\n\
                 account required pam_permit.so\nsession required pam_permit.so\n"
            ),
            0o644,
        );
        write("codes", format!("JBSWY3DPEHPK3PXP\n\" TOTP_AUTH\n{}\n", CODES.join("\n")), 0o600);
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join("host")).status();
        assert!(made.expect("ssh-keygen").success());
        let (by_password, by_code) = (free_port(), free_port());
        let common = format!(
            "ListenAddress 127.0.0.1\nHostKey {text}/host\nPubkeyAuthentication no\nPidFile none\nLogLevel ERROR\n"
        );
        let first = "UsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n";
        let second = "UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\n";
        write("by-password", format!("Port {by_password}\n{common}{first}"), 0o600);
        write("by-code", format!("Port {by_code}\n{common}{second}"), 0o600);
        let _ = std::fs::create_dir_all("/run/sshd");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", SERVE]).arg(&folder);
        let servers = Group::start(&mut command);
        for port in [by_password, by_code] {
            until("sshd listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        }
        Self { _servers: servers, by_password, by_code }
    }
}

/// All that a machine may want to know is asked for in the window, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_machine_asks_is_answered_in_the_window() {
    let desk = Desk::new();
    let mut server = Sshd::start();
    let locked = server.path("key");
    let lock = Command::new("ssh-keygen").args(["-q", "-p", "-N", "open sesame", "-f"]).arg(&locked).status();
    assert!(lock.expect("ssh-keygen").success());
    let window = desk.open().await;
    window.size(1280, 800).await;
    window.click("//button[contains(., 'Settings') or @aria-label='Settings']").await;
    window.click("//nav[@aria-label='Settings']//button[contains(., 'Machines')]").await;

    add(&window, &format!("{}@127.0.0.1:{}", user(), server.port), Some(&locked)).await;
    asked(&window, "Passphrase for a private key").await;
    answer(&window, "Passphrase", "wrong", "Unlock").await;
    window.element("//*[@role='dialog' or @role='alertdialog'][contains(., 'does not open the key')]").await;
    look(&desk, &window, "machine-passphrase").await;
    window.click("//label[contains(., 'Remember in the keychain')]/input").await;
    answer(&window, "Passphrase", "open sesame", "Unlock").await;
    asked(&window, "This machine can be a sandbox").await;
    window.click("//button[normalize-space()='Done']").await;
    // It is in the keychain now: nobody is asked again, by another start of the app either.
    desk.kill(window).await;
    let window = desk.open().await;
    window.size(1280, 800).await;
    window.click("//button[contains(., 'Settings') or @aria-label='Settings']").await;
    window.click("//nav[@aria-label='Settings']//button[contains(., 'Machines')]").await;
    window.click("//button[starts-with(@aria-label, 'Check machine')]").await;
    window.element("//*[contains(text(), 'This machine can be a sandbox')]").await;

    // Another machine answers there, or the same one was set up anew: it is refused, and what that means is said.
    server.down();
    server.change_key();
    server.up();
    window.click("//button[starts-with(@aria-label, 'Check machine')]").await;
    window.element("//*[contains(text(), 'could not connect')][contains(., 'key')]").await;
    look(&desk, &window, "machine-changed-key").await;

    if !is_root() {
        eprintln!("skipped: accounts with passwords are only root's to make");
        window.client.close().await.expect("closed");
        return;
    }
    let accounts = Accounts::start(desk.computer.path());
    add(&window, &format!("visitor@127.0.0.1:{}", accounts.by_password), None).await;
    asked(&window, "Password for visitor").await;
    answer(&window, "Password of visitor", "wrong", "Sign in").await;
    window.element("//*[@role='dialog' or @role='alertdialog'][contains(., 'That password was refused')]").await;
    look(&desk, &window, "machine-password").await;
    answer(&window, "Password of visitor", PASSWORD, "Sign in").await;
    asked(&window, "This machine can be a sandbox").await;
    window.click("//button[normalize-space()='Done']").await;

    // What was said for the check is not asked for again by a channel.
    let on = |name: &str, port: u16| {
        let machines = desk.computer.call("machine.list", json!({}));
        let ours = |machine: &&serde_json::Value| machine["address"] == format!("visitor@127.0.0.1:{port}");
        let machine = machines["machines"].as_array().expect("machines").iter().find(ours).expect("ours")["id"].clone();
        desk.computer.call("channel.create", json!({ "name": name, "provider": "machine", "machine": machine }));
    };
    on("by-password", accounts.by_password);
    let ran = desk.computer.call("action.run", json!({ "channel": "by-password", "command": "id -un" }));
    assert_eq!(ran["stdout"], "visitor\n");

    // The machine's own words, and a real one-time code: one for a check, one for a channel, whatever they do.
    add(&window, &format!("visitor@127.0.0.1:{}", accounts.by_code), None).await;
    asked(&window, "Password").await;
    answer(&window, "Password", PASSWORD, "Answer").await;
    asked(&window, "Verification code").await;
    look(&desk, &window, "machine-code").await;
    answer(&window, "Verification code", CODES[0], "Answer").await;
    asked(&window, "This machine can be a sandbox").await;
    window.click("//button[normalize-space()='Done']").await;
    on("by-code", accounts.by_code);
    asked(&window, "Verification code").await;
    answer(&window, "Verification code", CODES[1], "Answer").await;
    let ran = desk.computer.call("action.run", json!({ "channel": "by-code", "command": "id -un" }));
    assert_eq!(ran["stdout"], "visitor\n");

    // Refused by the person: said plainly, and nothing is left that waits.
    window.click("//button[@aria-label='Check machine 127.0.0.1-2']").await;
    asked(&window, "Verification code").await;
    window.click("//*[@role='dialog']//button[normalize-space()='Cancel']").await;
    window.element("//*[contains(text(), 'Could not be checked') or contains(text(), 'could not connect')]").await;
    look(&desk, &window, "machine-unanswered").await;
    window.client.close().await.expect("closed");
}

/// Adds a machine in the settings, and trusts it.
async fn add(window: &Window, address: &str, key: Option<&Path>) {
    window.click("//button[contains(., 'Add a machine')]").await;
    fill(window, "Address", address).await;
    if let Some(key) = key {
        fill(window, "Private key (optional)", &key.display().to_string()).await;
    }
    window.click("//button[contains(., 'Add and check')]").await;
    asked(window, "Is this the right machine?").await;
    window.click("//button[contains(., 'Trust and connect')]").await;
}

async fn asked(window: &Window, what: &str) {
    window.element(&format!("//*[@role='dialog' or @role='alertdialog' or self::dialog][contains(., '{what}')]")).await;
}

async fn answer(window: &Window, label: &str, text: &str, button: &str) {
    fill(window, label, text).await;
    window.click(&format!("//button[normalize-space()='{button}']")).await;
}

/// What other programs are given who paste.
const CLIPBOARD: &str = r#"
import gi
gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk
print(Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).wait_for_text())
"#;

/// A slow way to the machine: there is time to see how far it is, to stop it and to go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_stopped_in_the_window_and_goes_on() {
    let desk = Desk::new();
    let server = Sshd::start();
    let road = Way::narrow(server.port, 4_000_000).await;
    let window = desk.open().await;
    window.size(1280, 800).await;
    window.click("//button[contains(., 'Settings') or @aria-label='Settings']").await;
    window.click("//nav[@aria-label='Settings']//button[contains(., 'Machines')]").await;
    add(&window, &format!("{}@127.0.0.1:{}", user(), road.port), Some(&server.path("key"))).await;
    asked(&window, "This machine can be a sandbox").await;
    window.click("//button[normalize-space()='Done']").await;
    let machines = desk.computer.call("machine.list", json!({}));
    let machine = &machines["machines"][0]["id"];
    desk.computer.call("channel.create", json!({ "name": "slow", "provider": "machine", "machine": machine }));
    window.click("//nav[@aria-label='Space']//button[contains(., 'slow')]").await;
    window.click("//*[@role='tab'][contains(., 'Files')]").await;
    window.element("//section[@aria-label='File list']").await;

    let big = desk.computer.path().join("big.bin");
    let content: Vec<u8> = (0..40_000_000_u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(&big, &content).expect("a file");
    desk.computer.call("transfer.upload", json!({ "channel": "slow", "from": [big], "to": "." }));
    let part = "const bar = document.querySelector('progress'); return bar !== null && bar.position > 0.2";
    window.until("a fifth of it is there", part).await;
    look(&desk, &window, "transfer").await;
    window.click("//button[@aria-label='Stop: Upload of big.bin']").await;
    window.element("//button[@aria-label='Resume: Upload of big.bin']").await;
    look(&desk, &window, "transfer-stopped").await;
    let there = server.path("home/berth/slow/big.bin");
    assert!(!there.exists(), "no half of it is seen");
    window.click("//button[@aria-label='Resume: Upload of big.bin']").await;
    until("all of it is there", || std::fs::read(&there).is_ok_and(|came| came == content));
    window.element("//*[@role='treeitem'][contains(., 'big.bin')]").await;
    desk.computer.call("channel.destroy", json!({ "channel": "slow" }));
    window.client.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_of_ones_own() {
    let desk = Desk::new();
    let mut server = Sshd::start();
    let (address, key) = (format!("{}@127.0.0.1:{}", user(), server.port), server.path("key").display().to_string());
    let ssh = desk.computer.path().join("home/.ssh");
    std::fs::create_dir_all(&ssh).expect("a folder");
    let host = format!("HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {key}", server.port, user());
    // What is for a person at a terminal is nothing for Berth.
    let more = "RemoteCommand echo no\n  LocalForward 1 localhost:1";
    std::fs::write(ssh.join("config"), format!("Host the-box\n  {host}\n  {more}\n")).expect("a configuration");
    let window = desk.open().await;
    window.size(1280, 800).await;

    let name = window.element("//input[@aria-label='Channel name']").await;
    name.clear().await.expect("empty");
    name.send_keys("on-the-box").await.expect("typed");
    window.click("//label[contains(., 'A machine I have')]").await;
    let picked = "//*[@aria-label='From your SSH configuration']//button[normalize-space()='the-box']";
    window.element(picked).await;
    look(&desk, &window, "machine-add").await;
    // For another account than root OpenSSH reads that account's own file, which is none of a test's.
    if is_root() {
        window.click(picked).await;
    } else {
        fill(&window, "Address", &address).await;
        fill(&window, "Private key (optional)", &key).await;
    }
    look(&desk, &window, "machine-added").await;
    window.click("//button[contains(., 'Add and check')]").await;
    // It was never seen before: a person is shown its fingerprint.
    window
        .element(
            "//*[@role='dialog' or @role='alertdialog' or self::dialog][contains(., 'Is this the right machine?')]",
        )
        .await;
    look(&desk, &window, "machine-host-key").await;
    window.click("//button[contains(., 'Trust and connect')]").await;
    window.element("//*[contains(text(), 'This machine can be a sandbox')]").await;
    look(&desk, &window, "machine-checked").await;
    window.click("//button[contains(., 'Create channel')]").await;
    window.element("//header//*[contains(., 'Running')]").await;
    let composer = window.element("//textarea[starts-with(@aria-label, 'Message to')]").await;
    composer.click().await.expect("in the composer");
    composer.send_keys("/run echo made here > note.txt").await.expect("typed");
    composer.send_keys("\u{E007}").await.expect("sent");
    let note = server.path("home/berth/on-the-box/note.txt");
    until("the command has run on the machine", || {
        std::fs::read_to_string(&note).is_ok_and(|text| text == "made here\n")
    });

    // A command is on its way when the network goes, and in a terminal a word is typed.
    let terminals = has_terminals();
    if terminals {
        open_terminal(&window).await;
    }
    let computer = &desk.computer;
    let marks = server.path("marks");
    let command =
        format!("echo begun >>{}; for i in 1 2 3 4 5 6; do echo step $i; sleep 1; done; exit 5", marks.display());
    let ran = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let run =
                scope.spawn(|| computer.call("action.run", json!({ "channel": "on-the-box", "command": command })));
            until("the command has begun", || marks.exists());
            server.down();
            std::thread::sleep(std::time::Duration::from_secs(2));
            server.up();
            run.join().expect("it ran")
        })
    });
    assert_eq!(
        (&ran["exit_code"], &ran["stdout"]),
        (&json!(5), &json!("step 1\nstep 2\nstep 3\nstep 4\nstep 5\nstep 6\n"))
    );
    assert_eq!(std::fs::read_to_string(&marks).expect("it ran"), "begun\n", "it ran once");
    if terminals && has("tmux") {
        type_into_terminal(&window, "echo $kept-here\n").await;
        window.until("the terminal has come back as it was", &shows("still-here")).await;
        window.until("what it showed is still there", &shows("seen-42")).await;
    }
    window.until("nothing is said to be wrong", "return !document.body.innerText.includes('What is wrong?')").await;
    window.element("//header//*[contains(., 'Running')]").await;
    look(&desk, &window, "machine-channel").await;

    // A port of the machine, open on this computer until it is closed.
    let there = std::net::TcpListener::bind("127.0.0.1:0").expect("a server");
    let (port, here) = (there.local_addr().expect("its address").port(), free_port());
    std::thread::spawn(move || {
        for stream in there.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut &stream, b"from the machine");
        }
    });
    window.click("//button[@aria-label='More about this channel']").await;
    window.click("//*[@role='menuitem'][contains(., 'Ports')]").await;
    fill(&window, "Port", &port.to_string()).await;
    fill(&window, "Port here (optional)", &here.to_string()).await;
    window.click("//*[@role='dialog']//button[normalize-space()='Open']").await;
    window.element(&format!("//*[@aria-label='Open ports']//*[contains(., 'port {port} of the sandbox')]")).await;
    let heard = || {
        let mut said = String::new();
        let stream = std::net::TcpStream::connect(("127.0.0.1", here));
        stream.and_then(|mut stream| std::io::Read::read_to_string(&mut stream, &mut said)).map(|_| said)
    };
    assert_eq!(heard().expect("it is open"), "from the machine");
    look(&desk, &window, "machine-ports").await;
    window.click("//*[@aria-label='Open ports']//button[starts-with(@aria-label, 'Close')]").await;
    until("the port is closed", || heard().is_err());
    window.click("//*[@role='dialog']//button[@aria-label='Close']").await;

    // What is wrong, in one click, when the machine is gone.
    server.down();
    window.element("//button[contains(., 'What is wrong?')]").await;
    look(&desk, &window, "machine-lost").await;
    window.click("//button[contains(., 'What is wrong?')]").await;
    window.element("//*[@role='dialog'][contains(., 'refused')]").await;
    look(&desk, &window, "machine-doctor").await;
    window.click("//*[@role='dialog']//button[contains(., 'Copy as text')]").await;
    window.element("//*[@role='dialog']//button[contains(., 'Copied')]").await;
    let copied = desk.on_screen("/usr/bin/python3").args(["-c", CLIPBOARD]).output().expect("python").stdout;
    let copied = String::from_utf8_lossy(&copied);
    assert!(copied.starts_with("Berth could not connect") && copied.contains("refused"), "{copied}");
    window.click("//button[contains(., 'Close') or @aria-label='Close']").await;
    server.up();
    window.click("//button[contains(., 'Settings')]").await;
    window.click("//nav[@aria-label='Settings']//button[contains(., 'Machines')]").await;
    window.click("//button[starts-with(@aria-label, 'Check machine')]").await;
    window.element("//*[contains(text(), 'This machine can be a sandbox')]").await;
    look(&desk, &window, "machine-report").await;
    desk.computer.call("channel.destroy", json!({ "channel": "on-the-box" }));
    assert!(note.exists(), "the machine's files are its owner's");
    window.client.close().await.expect("closed");
}

/// How long the network is away; `BERTH_AWAY_S` in the environment says otherwise.
fn away() -> u64 {
    std::env::var("BERTH_AWAY_S").map_or(20, |seconds| seconds.parse().expect("seconds"))
}

/// The network comes back.
struct Back<'a>(&'a Way);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.is_gone(false);
    }
}

/// Nothing comes through any more, and nobody is told: the laptop sleeps, or is carried out of the network's reach.
#[tokio::test(flavor = "multi_thread")]
async fn the_network_is_away() {
    let desk = Desk::new();
    let server = Sshd::start();
    let road = Way::to(server.port, Duration::ZERO).await;
    let window = desk.open().await;
    window.size(1280, 800).await;
    window.click("//button[contains(., 'Settings') or @aria-label='Settings']").await;
    window.click("//nav[@aria-label='Settings']//button[contains(., 'Machines')]").await;
    add(&window, &format!("{}@127.0.0.1:{}", user(), road.port), Some(&server.path("key"))).await;
    asked(&window, "This machine can be a sandbox").await;
    window.click("//button[normalize-space()='Done']").await;
    let machines = desk.computer.call("machine.list", json!({}));
    let machine = &machines["machines"][0]["id"];
    desk.computer.call("channel.create", json!({ "name": "far-away", "provider": "machine", "machine": machine }));
    window.click("//nav[@aria-label='Space']//button[contains(., 'far-away')]").await;
    let terminals = has_terminals() && has("tmux");
    if terminals {
        open_terminal(&window).await;
    }

    let (away, marks, served) = (away(), server.path("marks"), server.path("served"));
    let steps = away + 6;
    let count = |file: &Path| {
        let file = file.display();
        format!(
            "echo begun >>{file}; i=0; while [ $i -lt {steps} ]; do i=$((i+1)); echo step $i; sleep 1; done; \
             echo ended >>{file}; exit 5"
        )
    };
    let run = |more: serde_json::Value| {
        let mut request = json!({ "channel": "far-away", "timeout_s": steps + 300 });
        request.as_object_mut().expect("fields").append(&mut more.as_object().expect("fields").clone());
        desk.computer.call("action.run", request)
    };
    let job = run(json!({ "command": count(&served), "background": true }))["job"].clone();
    let cut = async {
        until("the command has begun", || marks.exists());
        road.is_gone(true);
        // Should this fail, the command is not waited for until its time is over.
        let _back = Back(&road);
        tokio::time::sleep(Duration::from_secs(away)).await;
        // It is seen that the machine does not answer, and told.
        window.element("//*[contains(., 'The connection to') or contains(., 'is not reached')]").await;
        window.element("//button[contains(., 'What is wrong?')]").await;
        look(&desk, &window, "machine-away").await;
    };
    let runtime = tokio::runtime::Handle::current();
    let ran = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let run = scope.spawn(|| run(json!({ "command": count(&marks) })));
            runtime.block_on(cut);
            run.join().expect("it ran")
        })
    });
    let said: String = (1..=steps).map(|step| format!("step {step}\n")).collect();
    assert_eq!((&ran["exit_code"], &ran["stdout"]), (&json!(5), &json!(said)));
    assert_eq!(std::fs::read_to_string(&marks).expect("it ran"), "begun\nended\n", "it ran once");
    until("the job has ended", || {
        let jobs = desk.computer.call("job.list", json!({ "channel": "far-away" }));
        let ours = |found: &&serde_json::Value| found["id"] == job;
        let ours = jobs["jobs"].as_array().expect("jobs").iter().find(ours).expect("ours");
        ours["status"] == json!({ "state": "exited", "code": 5 })
    });
    let output = desk.computer.call("job.output", json!({ "channel": "far-away", "job": job }));
    assert!(output.to_string().contains(&format!("step {steps}\\n")), "{output}");
    assert_eq!(std::fs::read_to_string(&served).expect("it ran"), "begun\nended\n", "it ran once");
    if terminals {
        type_into_terminal(&window, "echo $kept-here\n").await;
        window.until("the terminal has come back as it was", &shows("still-here")).await;
        window.until("what it showed is still there", &shows("seen-42")).await;
    }
    window.until("nothing is said to be wrong", "return !document.body.innerText.includes('What is wrong?')").await;
    window.element("//header//*[contains(., 'Running')]").await;
    look(&desk, &window, "machine-back").await;
    desk.computer.call("channel.destroy", json!({ "channel": "far-away" }));
    window.client.close().await.expect("closed");
}

/// Whether the terminal shows this, in the window's own language.
fn shows(what: &str) -> String {
    format!("return document.querySelector('.xterm-rows')?.innerText.includes('{what}') ?? false")
}

/// Opens a terminal, and leaves something in its shell and on its screen.
async fn open_terminal(window: &Window) {
    window.click("//*[@role='tab'][contains(., 'Terminal')]").await;
    window
        .until("the shell prompts", "return document.querySelector('.xterm-rows')?.innerText.trim().length > 0")
        .await;
    type_into_terminal(window, "kept=still; echo seen-$((40+2))\n").await;
    window.until("the terminal answers", &shows("seen-42")).await;
}

async fn type_into_terminal(window: &Window, text: &str) {
    let terminal = window.element("//*[contains(@class, 'xterm-helper-textarea')]").await;
    terminal.send_keys(text).await.expect("typed");
}

async fn fill(window: &Window, label: &str, text: &str) {
    let field = window
        .element(&format!("//label[contains(., '{label}')]/following::input[1] | //input[@aria-label='{label}']"))
        .await;
    field.click().await.expect("in the field");
    field.send_keys(text).await.expect("typed");
}

async fn look(desk: &Desk, window: &Window, room: &str) {
    window.is_open_to_all(desk, room).await;
    window.shots(desk, room).await;
}
