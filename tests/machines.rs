//! A machine of the person's own, in the real window: added, asked about, checked, worked on, lost and found again.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use support::{Desk, Window, free_port, until};

/// OpenSSH's own server, with a key that lets us in and a home of its own.
struct Server {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let folder = folder.join("machine");
        std::fs::create_dir_all(folder.join("home")).expect("a home");
        let key = |name: &str| {
            let mut made = Command::new("ssh-keygen");
            made.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(name));
            assert!(made.status().expect("ssh-keygen").success());
        };
        key("host");
        key("me");
        let text = folder.display();
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {text}/host\nAuthorizedKeysFile {text}/me.pub\n\
             StrictModes no\nPidFile none\nUsePAM no\nSetEnv HOME={text}/home\nLogLevel ERROR\n"
        );
        std::fs::write(folder.join("config"), config).expect("a config");
        std::fs::set_permissions(folder.join("me"), PermissionsExt::from_mode(0o600)).expect("closed");
        // A server that runs as root wants this folder; an ordinary user's does not.
        let _ = std::fs::create_dir_all("/run/sshd");
        let child = Self::up(&folder);
        let server = Self { child, folder, port };
        until("sshd listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    fn up(folder: &Path) -> Child {
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(folder.join("config")).stdin(Stdio::null());
        command.spawn().expect("OpenSSH's server")
    }

    /// Ends the server and its connections, as a machine does that loses its network.
    fn down(&mut self) {
        let mut all = vec![self.child.id()];
        let mut next = 0;
        while next < all.len() {
            let path = format!("/proc/{0}/task/{0}/children", all[next]);
            // Only what serves a connection: what people run on the machine goes on.
            let is_sshd = |pid: &u32| {
                std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("sshd"))
            };
            let children = std::fs::read_to_string(path).unwrap_or_default();
            all.extend(children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()).filter(is_sshd));
            next += 1;
        }
        for pid in all {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.child.wait();
    }

    fn again(&mut self) {
        self.child = Self::up(&self.folder);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.down();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_of_ones_own() {
    let desk = Desk::new();
    let mut server = Server::start(desk.computer.path());
    let window = desk.open().await;
    window.size(1280, 800).await;
    let user = Command::new("id").arg("-un").output().expect("id").stdout;
    let address = format!("{}@127.0.0.1:{}", String::from_utf8_lossy(&user).trim(), server.port);

    let name = window.element("//input[@aria-label='Channel name']").await;
    name.clear().await.expect("empty");
    name.send_keys("on-the-box").await.expect("typed");
    window.click("//label[contains(., 'A machine I have')]").await;
    fill(&window, "Address", &address).await;
    fill(&window, "Private key (optional)", &server.folder.join("me").display().to_string()).await;
    look(&desk, &window, "machine-add").await;
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
    let note = server.folder.join("home/berth/on-the-box/note.txt");
    until("the command has run on the machine", || {
        std::fs::read_to_string(&note).is_ok_and(|text| text == "made here\n")
    });

    // A command is on its way when the network goes, and in a terminal a word is typed.
    window.click("//*[@role='tab'][contains(., 'Terminal')]").await;
    let terminal = window.element("//*[contains(@class, 'xterm-helper-textarea')]").await;
    let shows =
        |what: &str| format!("return document.querySelector('.xterm-rows')?.innerText.includes('{what}') ?? false");
    window
        .until("the shell prompts", "return document.querySelector('.xterm-rows')?.innerText.trim().length > 0")
        .await;
    terminal.send_keys("kept=still; echo seen-$((40+2))\n").await.expect("typed");
    window.until("the terminal answers", &shows("seen-42")).await;
    let computer = &desk.computer;
    let marks = server.folder.join("marks");
    let command =
        format!("echo begun >>{}; for i in 1 2 3 4 5 6; do echo step $i; sleep 1; done; exit 5", marks.display());
    let ran = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let run =
                scope.spawn(|| computer.call("action.run", json!({ "channel": "on-the-box", "command": command })));
            until("the command has begun", || marks.exists());
            server.down();
            std::thread::sleep(std::time::Duration::from_secs(2));
            server.again();
            run.join().expect("it ran")
        })
    });
    assert_eq!(
        (&ran["exit_code"], &ran["stdout"]),
        (&json!(5), &json!("step 1\nstep 2\nstep 3\nstep 4\nstep 5\nstep 6\n"))
    );
    assert_eq!(std::fs::read_to_string(&marks).expect("it ran"), "begun\n", "it ran once");
    if has("tmux") {
        terminal.send_keys("echo $kept-here\n").await.expect("typed");
        window.until("the terminal has come back as it was", &shows("still-here")).await;
    }
    look(&desk, &window, "machine-channel").await;

    // What is wrong, in one click, when the machine is gone.
    server.down();
    window.element("//button[contains(., 'What is wrong?')]").await;
    look(&desk, &window, "machine-lost").await;
    window.click("//button[contains(., 'What is wrong?')]").await;
    window.element("//*[@role='dialog'][contains(., 'refused')]").await;
    look(&desk, &window, "machine-doctor").await;
    window.click("//button[contains(., 'Close') or @aria-label='Close']").await;
    server.again();
    window.click("//button[contains(., 'Settings')]").await;
    window.click("//nav[@aria-label='Settings']//button[contains(., 'Machines')]").await;
    window.click("//button[starts-with(@aria-label, 'Check machine')]").await;
    window.element("//*[contains(text(), 'This machine can be a sandbox')]").await;
    look(&desk, &window, "machine-report").await;
    desk.computer.call("channel.destroy", json!({ "channel": "on-the-box" }));
    assert!(note.exists(), "the machine's files are its owner's");
    window.client.close().await.expect("closed");
}

fn has(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
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
