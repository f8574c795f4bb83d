//! The release app itself: from *Create channel* to a first command, from a start to a window, memory, size.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use berth_engine::front::client::Client;
use berth_testbed::processes;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::machine::millis;
use crate::table::{Table, Target, median};

/// Measures it all.
pub async fn measure(table: &mut Table) {
    first_command(table).await;
    tokio::task::block_in_place(|| window(table));
    for name in ["berth", "berthctl", "sandboxd"] {
        let size = std::fs::metadata(binary(name)).map_or(0, |file| file.len());
        table.alone(&format!("size of {name}"), size as f64 / 1e6, "MB", Target::None);
    }
}

fn binary(name: &str) -> PathBuf {
    std::env::current_exe().expect("this program").with_file_name(name)
}

/// Folders of an engine's own.
pub struct Place(TempDir);

impl Place {
    /// Empty ones.
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::Builder::new().prefix("bb").tempdir_in("/tmp").expect("a folder");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).expect("its mode");
        std::fs::create_dir(folder.path().join("home")).expect("a home");
        Self(folder)
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("HOME", self.0.path().join("home"))
            .env("BERTH_DATA_DIR", self.0.path().join("data"))
            .env("BERTH_RUNTIME_DIR", self.0.path().join("run"));
        command
    }

    /// An engine without a window.
    pub async fn engine(&self) -> Client {
        self.call("channel.list", &json!({}));
        Client::connect(&self.0.path().join("run/engine.sock")).await.expect("the engine")
    }

    fn call(&self, name: &str, payload: &Value) -> Value {
        let output = self.command(binary("berthctl")).args(["call", name, &payload.to_string()]).output();
        let output = output.expect("berthctl");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

/// As a script sees it: two calls over the engine's socket.
async fn first_command(table: &mut Table) {
    let place = Place::new();
    let client = place.engine().await;
    let mut times = Vec::new();
    for number in 0..10 {
        let name = format!("bench-{number}");
        let begun = Instant::now();
        client.call("channel.create", json!({ "name": name, "provider": "local" })).await.expect("made");
        let run = json!({ "channel": name, "command": "echo hello" });
        let output = client.call("action.run", run).await.expect("run");
        times.push(millis(begun));
        assert_eq!(output["stdout"], "hello\n");
        client.call("channel.destroy", json!({ "channel": name })).await.expect("destroyed");
    }
    table.alone("Create channel to the first command's output", median(times), "ms", Target::AtMost(150.0));
    client.call("engine.stop", json!({})).await.expect("stopped");
}

/// From the start of the release app to a window that answers; and what all its processes hold in memory then.
fn window(table: &mut Table) {
    let place = Place::new();
    let mut display = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1920x1080x24", "-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb");
    let mut number = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(display.stdout.take().expect("its output")), &mut number)
        .expect("a display");
    let mut times = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let mut app = place
            .command("dbus-run-session")
            .arg("--")
            .arg(binary("berth"))
            .env("DISPLAY", format!(":{}", number.trim()))
            .env("BERTH_LOG", "berth=info")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the app");
        let mut said = std::io::BufReader::new(app.stderr.take().expect("its log"));
        let mut line = String::new();
        // The page says so itself, once it has drawn what a person can use.
        while !line.contains("the window is ready") {
            line.clear();
            let read = std::io::BufRead::read_line(&mut said, &mut line).expect("its log");
            assert!(read > 0, "the app ended before its window was ready");
        }
        times.push(millis(begun));
        std::thread::sleep(std::time::Duration::from_secs(2));
        memory.push(tree_memory(app.id()));
        place.call("engine.stop", &json!({}));
        let _ = app.wait();
    }
    let _ = display.kill();
    let _ = display.wait();
    table.alone("cold start to an interactive window", median(times), "ms", Target::AtMost(1_000.0));
    table.alone("idle memory of all its processes (PSS)", median(memory), "MB", Target::None);
}

/// The proportional memory of a process and all its descendants, in MB.
fn tree_memory(root: u32) -> f64 {
    let pss = |process: u32| {
        let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()
    };
    processes::tree(root).into_iter().filter_map(pss).sum::<f64>() / 1_000.0
}
