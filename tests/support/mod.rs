//! A computer of a test's own: home, data, D-Bus with a keychain, a display, and Berth's real window driven by
//! WebDriver. Everything started here ends with it.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use berth_testbed::{free_port, is_root, until};
use fantoccini::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything on a busy machine with two cores may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Finds what keeps people out of a page; its rules are those of WCAG 2.2 AA.
const AXE: &str = include_str!("../../ui/node_modules/axe-core/axe.min.js");
const AXE_RUN: &str = "
    const done = arguments[arguments.length - 1];
    const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    // Colours on their way from one theme to the other are nobody's to judge; a preview's page is not ours.
    // What turns or pulses for long is nothing to wait for.
    const ends = (animation) => animation.effect.getComputedTiming().endTime < 5000;
    Promise.all(document.getAnimations().filter(ends).map((animation) => animation.finished.catch(() => null)))
      .then(() => axe.run(document, { runOnly, iframes: false }))
      .then(({ violations }) => done(violations.map(({ id, nodes }) =>
        `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? node.failureSummary}`)}`)))
      .catch((error) => done([String(error)]));";

/// A data folder of its own, and the programs that were built.
pub struct Computer {
    folder: TempDir,
}

impl Computer {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("bt").tempdir_in("/tmp").expect("a temporary folder");
        // As root, sandboxes run as somebody else, who must be able to pass through.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).expect("set its mode");
        std::fs::create_dir(folder.path().join("home")).expect("a home");
        Self { folder }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program of Berth's, with this computer's environment and nothing else of the real one.
    pub fn program(&self, name: &str) -> Command {
        self.surround(Command::new(binary(name)))
    }

    /// Gives a command this computer's environment.
    pub fn surround(&self, mut command: Command) -> Command {
        command.env_clear();
        for name in ["PATH", "LANG", "TERM", "BERTH_SANDBOXD", "SSL_CERT_FILE", "SSL_CERT_DIR", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.path().join("home"))
            .env("BERTH_DATA_DIR", self.path().join("data"))
            .env("BERTH_RUNTIME_DIR", self.path().join("run"))
            .env("XDG_RUNTIME_DIR", self.path().join("run"));
        command
    }

    /// A program for which this computer's home is the account's, as OpenSSH looks it up: it does not ask `HOME`. Only root
    /// can have that.
    fn at_home(&self, program: &str) -> Command {
        if !is_root() {
            return self.surround(Command::new(program));
        }
        let accounts = std::fs::read_to_string("/etc/passwd").expect("the accounts");
        let home = format!("root:x:0:0::{}:/bin/sh", self.path().join("home").display());
        let lines = accounts.lines().map(|line| if line.starts_with("root:") { &home } else { line });
        let file = self.path().join("passwd");
        std::fs::write(&file, lines.map(|line| format!("{line}\n")).collect::<String>()).expect("written");
        let allowed = Command::new("unshare").args(["--mount", "true"]).status();
        assert!(allowed.is_ok_and(|status| status.success()), "root may not make a mount namespace here");
        let mut command = self.surround(Command::new("unshare"));
        let script = "mount --bind \"$0\" /etc/passwd && exec \"$@\"";
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]).arg(file).arg(program);
        command
    }

    /// Calls a command of the engine; panics with the error where it fails.
    pub fn call(&self, name: &str, payload: Value) -> Value {
        let output =
            self.program("berthctl").args(["call", name, &payload.to_string()]).output().expect("run berthctl");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        serde_json::from_slice(&output.stdout).expect("JSON from berthctl")
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        // Sandboxes outlive their engine: they have to be taken away by name.
        let Ok(output) = self.program("berthctl").args(["call", "channel.list"]).output() else { return };
        if let Ok(list) = serde_json::from_slice::<Value>(&output.stdout) {
            for channel in list["channels"].as_array().into_iter().flatten() {
                let payload = json!({ "channel": channel["id"] }).to_string();
                let _ = self.program("berthctl").args(["call", "channel.destroy", &payload]).output();
            }
        }
        let _ = self.program("berthctl").args(["call", "engine.stop"]).output();
    }
}

/// Where a program of this build is.
pub fn binary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_berth")).with_file_name(name)
}

/// A session bus that starts nothing by itself: what it started would outlive it.
const BUS: &str = "<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>\
    <policy context='default'><allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/>\
    </policy></busconfig>";

/// A computer with a display, a session bus with an unlocked keychain, and a WebDriver.
pub struct Desk {
    driver: Group,
    display: Group,
    screen: String,
    port: u16,
    /// Last: its drop needs the engine, which the others' end may end.
    pub computer: Computer,
}

impl Desk {
    /// Starts one.
    pub fn new() -> Self {
        let computer = Computer::new();
        let mut display = Group::start(
            Command::new("Xvfb")
                .args(["-displayfd", "1", "-screen", "0", "1920x1080x24", "-nolisten", "tcp"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        );
        let screen = format!(":{}", display.first_line());
        let port = free_port();
        let bus = computer.path().join("bus.conf");
        std::fs::write(&bus, BUS).expect("the bus's configuration");
        let mut session = computer.at_home("dbus-run-session");
        session
            .arg(format!("--config-file={}", bus.display()))
            .args(["--", "sh", "-c"])
            .arg(
                "printf 'a password\\n' | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; \
                 exec WebKitWebDriver --host=127.0.0.1 --port=\"$0\"",
            )
            .arg(port.to_string())
            .env("DISPLAY", &screen)
            .env("TAURI_AUTOMATION", "true")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let driver = Group::start(&mut session);
        until("the WebDriver listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { driver, display, screen, port, computer }
    }

    /// Starts the app and gives its window.
    pub async fn open(&self) -> Window {
        let options = json!({ "binary": binary("berth"), "args": [] });
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("webkitgtk:browserOptions".to_owned(), options);
        let address = format!("http://127.0.0.1:{}", self.port);
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let opened = Client::with_capabilities_and_connector(&address, &capabilities, connector.clone()).await;
            match opened {
                Ok(client) => {
                    let window = Window { client };
                    // A size that is asked for before the window is on the screen is never answered.
                    window.until("the page is there", "return document.querySelector('main') !== null").await;
                    return window;
                }
                // One session at a time: the last one may be on its way out.
                Err(error) if Instant::now() > deadline => panic!("the window did not open: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    }

    /// A program of Berth's on this desk: with its display, and with no session bus.
    pub fn program(&self, name: &str) -> Command {
        let mut command = self.computer.program(name);
        command.env("DISPLAY", &self.screen);
        command
    }

    /// Another program on this desk's screen.
    pub fn on_screen(&self, name: &str) -> Command {
        let mut command = self.computer.surround(Command::new(name));
        command.env("DISPLAY", &self.screen);
        command
    }

    /// Ends the app as a crash would.
    pub async fn kill(&self, window: Window) {
        let pid = self.computer.call("app.info", json!({}))["pid"].as_i64().expect("a pid");
        let pid = i32::try_from(pid).expect("a process id");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).expect("killed");
        // The driver finds out that its browser is gone when it is asked to close it.
        let _ = window.client.close().await;
    }
}

/// The app's window.
pub struct Window {
    /// The WebDriver session.
    pub client: Client,
}

/// A process and everything that it starts in its group; ended with it.
pub struct Group(Child);

impl Group {
    /// Starts a process in a group of its own.
    pub fn start(command: &mut Command) -> Self {
        let program = command.get_program().to_owned();
        Self(
            command
                .process_group(0)
                .stdin(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("{program:?}: {error}")),
        )
    }

    /// The first line it prints.
    pub fn first_line(&mut self) -> String {
        let mut line = String::new();
        let output = self.0.stdout.take().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).expect("a process id"));
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

impl Window {
    /// The first element that an XPath means, once it is there.
    pub async fn element(&self, xpath: &str) -> fantoccini::elements::Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(fantoccini::Locator::XPath(xpath)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("not in the window: {xpath}: {error}\n{}", self.text().await),
        }
    }

    /// Clicks it.
    pub async fn click(&self, xpath: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.element(xpath).await.click().await {
                Ok(()) => return,
                // It moved or was drawn anew between the look and the click.
                Err(error) if Instant::now() > deadline => panic!("{xpath} cannot be clicked: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// All text that a person sees now.
    pub async fn text(&self) -> String {
        let text = self.client.execute("return document.body.innerText", Vec::new()).await;
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Waits until a script returns something true.
    pub async fn until(&self, what: &str, script: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let so = self.client.execute(script, Vec::new()).await;
            if matches!(&so, Ok(Value::Bool(true))) {
                return;
            }
            if Instant::now() > deadline {
                panic!("not in time: {what} ({so:?})\n{}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a script returns inside the preview's frame, as text.
    pub async fn in_preview(&self, script: &str) -> String {
        self.client.enter_frame(0).await.expect("the frame");
        let said = self.client.execute(script, Vec::new()).await.expect("the script");
        self.client.enter_parent_frame().await.expect("the page");
        said.as_str().map_or_else(|| said.to_string(), str::to_owned)
    }

    /// Gives the window a size.
    pub async fn size(&self, width: u32, height: u32) {
        self.client.set_window_size(width, height).await.expect("sized");
    }

    /// Leaves screenshots in both themes, at the two sizes that must look right; does nothing without `BERTH_SHOTS`.
    pub async fn shots(&self, desk: &Desk, name: &str) {
        if std::env::var_os("BERTH_SHOTS").is_none() {
            return;
        }
        for (width, height) in [(1280, 800), (1920, 1080)] {
            self.size(width, height).await;
            for theme in ["light", "dark"] {
                self.theme(desk, theme).await;
                self.shot(&format!("{name}-{theme}-{width}")).await;
            }
        }
        self.size(1280, 800).await;
    }

    /// Shows it in a theme.
    async fn theme(&self, desk: &Desk, theme: &str) {
        desk.computer.call("settings.set", json!({ "theme": theme, "space_name": "My space" }));
        let themed = format!("return document.documentElement.dataset.theme === '{theme}'");
        self.until("the theme is chosen", &themed).await;
    }

    /// Fails where axe finds something that keeps people out, in either theme.
    pub async fn is_open_to_all(&self, desk: &Desk, room: &str) {
        for theme in ["light", "dark"] {
            self.theme(desk, theme).await;
            self.client.execute(AXE, Vec::new()).await.expect("axe loads");
            let found = self.client.execute_async(AXE_RUN, Vec::new()).await.expect("axe runs");
            assert_eq!(found, json!([]), "{room} in the {theme} theme");
        }
    }

    /// Waits until the preview shows a text, and looks for it inside the frame.
    pub async fn preview_shows(&self, text: &str) {
        self.element("//iframe").await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.client.enter_frame(0).await.expect("the frame");
            let found = self.text().await;
            self.client.enter_parent_frame().await.expect("the page");
            if found.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "the preview does not show {text:?} but: {found}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Leaves a screenshot where `BERTH_SHOTS` says, for a person to look at.
    pub async fn shot(&self, name: &str) {
        let Some(folder) = std::env::var_os("BERTH_SHOTS") else { return };
        // What is still being laid out and painted is not what a person sees.
        tokio::time::sleep(Duration::from_millis(400)).await;
        let painted = "requestAnimationFrame(() => requestAnimationFrame(arguments[arguments.length - 1]))";
        let _ = self.client.execute_async(painted, Vec::new()).await;
        let picture = self.client.screenshot().await.expect("a screenshot");
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), picture).expect("kept");
    }
}
