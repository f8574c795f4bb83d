//! A channel's whole life in a real sandbox, by `berthctl` alone.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

mod common;

use std::path::Path;
use std::process::Stdio;

use berth_model::SandboxState;
use berth_store::Store;
use berth_testbed::until;
use common::{Computer, contains};
use serde_json::{Value, json};

fn jobs(computer: &Computer, channel: &str) -> Vec<Value> {
    let list = computer.call("job.list", json!({ "channel": channel }));
    list["jobs"].as_array().cloned().unwrap_or_default()
}

fn state(computer: &Computer, channel: &str) -> Value {
    computer.call("channel.get", json!({ "channel": channel }))["sandbox"]["state"].clone()
}

fn rows(computer: &Computer) -> Vec<Value> {
    computer.call("audit.list", json!({ "limit": 1000 }))["rows"].as_array().cloned().unwrap_or_default()
}

/// Whether any process has this text in its command line, other than those that ask.
fn runs(text: &str) -> bool {
    let has = |entry: std::fs::DirEntry| {
        contains(&std::fs::read(entry.path().join("cmdline")).unwrap_or_default(), text.as_bytes())
    };
    std::fs::read_dir("/proc").expect("/proc").flatten().any(has)
}

/// Whether a path below has this text in its name.
fn named(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        entry.file_name().to_string_lossy().contains(text)
            || (entry.file_type().is_ok_and(|kind| kind.is_dir()) && named(&entry.path(), text))
    })
}

#[test]
fn a_channel_lives_sleeps_wakes_and_leaves_nothing() {
    let computer = Computer::new();
    let channel = computer.channel("harbour", json!({ "kind": "website" }));
    assert_eq!(channel["sandbox"]["state"], "running", "{channel}");
    let id = channel["id"].as_str().expect("an id").to_owned();
    let here = json!({ "channel": "harbour" });

    let ran = computer.run("harbour", "echo out; echo err >&2; exit 3");
    assert_eq!((&ran["stdout"], &ran["stderr"], &ran["exit_code"]), (&json!("out\n"), &json!("err\n"), &json!(3)));
    let own = computer.run("harbour", "exit 124");
    assert_eq!((&own["exit_code"], &own["timed_out"]), (&json!(124), &json!(false)));
    let late = json!({ "channel": "harbour", "command": "sleep 60", "timeout_s": 1 });
    assert_eq!(computer.call("action.run", late)["timed_out"], true);
    computer.call("action.write", json!({ "channel": "harbour", "path": "a/b.txt", "content": "kept\n" }));
    let file = computer.call("action.read", json!({ "channel": "harbour", "path": "a/b.txt" }));
    assert_eq!(file["content"]["text"], "kept\n");
    until("the server answers", || {
        computer.call("preview.open", json!({ "channel": "harbour", "port": 3000 }))["listening"] == true
    });
    let nothing = computer.call("preview.open", json!({ "channel": "harbour", "port": 4999 }));
    assert_eq!(nothing["listening"], false);

    // Two jobs: the server that came with the start, and one that is stopped while all sleeps.
    let start = json!({ "channel": "harbour", "command": "sleep 1000", "background": true, "service": true });
    let idle = computer.call("action.run", start)["job"].clone();
    computer.call("sandbox.sleep", here.clone());
    assert_eq!(state(&computer, "harbour"), "asleep");
    assert!(!runs(&id), "nothing of it runs");
    let stopped = computer.call("job.stop", json!({ "channel": "harbour", "job": idle }));
    assert_eq!(stopped["status"]["state"], "stopped");
    let loss = computer.call("channel.loss", here.clone());
    assert_eq!(
        (&loss["uncommitted"], state(&computer, "harbour")),
        (&Value::Null, json!("asleep")),
        "not woken for it"
    );

    assert_eq!(computer.run("harbour", "cat a/b.txt")["stdout"], "kept\n", "an action wakes it");
    let of = |job: &Value| jobs(&computer, "harbour").into_iter().find(|other| other["id"] == *job).expect("the job");
    let server = jobs(&computer, "harbour").into_iter().find(|job| job["command"] == "sh serve.sh").expect("a server");
    until("the server runs again", || of(&server["id"])["status"]["state"] == "running");
    assert_eq!(of(&idle)["status"]["state"], "stopped", "what was stopped stays so");
    computer.call("job.stop", json!({ "channel": "harbour", "job": server["id"] }));

    let rows = rows(&computer);
    let by_berth = |verb: &str| rows.iter().any(|row| row["author"]["kind"] == "berth" && row["verb"] == verb);
    assert!(by_berth("write") && by_berth("run"), "what the start wrote and ran is in the log: {rows:?}");
    assert!(rows.iter().any(|row| row["subject"] == "Stop sh serve.sh"), "{rows:?}");
    let scripted = |row: &&Value| row["script"].as_str().is_some_and(|script| !script.is_empty());
    assert_eq!(rows.iter().filter(scripted).count(), rows.len(), "each with its script");
    assert!(rows.iter().all(|row| row["bytes_in"].as_u64() > Some(0)), "and what it sent");

    computer.call("channel.destroy", here);
    assert_eq!(computer.call("channel.list", json!({}))["channels"], json!([]));
    assert!(!runs(&id), "no process");
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    assert!(!mounts.contains(&id), "no mount");
    assert!(!named(computer.path(), &id), "no file");
}

#[test]
fn a_starting_point_is_laid_out_until_it_is_done_and_never_again() {
    let computer = Computer::new();
    // A clone that fails is tried again by the next start, not taken for done.
    let failed = computer.channel("clone", json!({ "kind": "git", "url": "https://127.0.0.1:1/x.git" }));
    assert_eq!(failed["sandbox"]["state"], "failed", "{failed}");
    let again = computer.ask("sandbox.wake", json!({ "channel": "clone" })).expect_err("it still cannot be cloned");
    assert!(again["message"].as_str().is_some_and(|message| message.contains("cloned")), "{again}");
    computer.call("channel.destroy", json!({ "channel": "clone" }));

    // A crash during a plain wake must not bring back what a person deleted since.
    computer.channel("site", json!({ "kind": "website" }));
    computer.run("site", "rm index.html");
    computer.stop_engine();
    set_state(&computer, "site", SandboxState::Starting);
    assert_eq!(computer.settled("site")["sandbox"]["state"], "running");
    assert_eq!(computer.run("site", "test -e index.html")["exit_code"], 1);
    let servers = jobs(&computer, "site").into_iter().filter(|job| job["command"] == "sh serve.sh").count();
    assert_eq!(servers, 1);
}

#[test]
fn a_destruction_that_was_cut_short_gives_the_name_free() {
    let computer = Computer::new();
    let old = computer.channel("again", json!({ "kind": "blank" }));
    computer.run("again", "echo old > file");
    computer.stop_engine();
    set_state(&computer, "again", SandboxState::Destroying);
    until("it is destroyed", || computer.call("channel.list", json!({}))["channels"] == json!([]));
    let new = computer.channel("again", json!({ "kind": "blank" }));
    assert_ne!(old["id"], new["id"]);
    assert_eq!(computer.run("again", "test -e file")["exit_code"], 1, "the name means the new one");
    // Asked for at once after a start, while it is still looked for.
    computer.stop_engine();
    let slept = computer.call("sandbox.sleep", json!({ "channel": "again" }));
    assert_eq!(slept["sandbox"]["state"], "asleep");
}

#[test]
fn a_killed_engine_loses_neither_the_sandbox_nor_the_row_of_what_it_did() {
    let computer = Computer::new();
    computer.channel("deck", json!({ "kind": "blank" }));
    computer.run("deck", "sleep 1000 & echo $! > pid");
    let mut long = computer
        .berthctl()
        .args(["call", "action.run", &json!({ "channel": "deck", "command": "sleep 999" }).to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    until("it runs", || computer.run("deck", "pgrep -f 'sleep 99[9]'")["exit_code"] == 0);
    computer.kill_engine();
    assert_eq!(long.wait().expect("ends").code(), Some(1));

    assert_eq!(computer.settled("deck")["sandbox"]["state"], "running", "found again");
    let row = rows(&computer).into_iter().find(|row| row["subject"] == "sleep 999").expect("a row");
    assert!(row["script"].as_str().is_some_and(|script| script.contains("sleep 999")), "{row}");
    assert!(row["error"].as_str().is_some_and(|error| error.contains("not known")), "{row}");
}

#[test]
fn openssh_reaches_a_sandbox() {
    let computer = Computer::new();
    let channel = computer.channel("ferry", json!({ "kind": "blank" }));
    let config = computer.output(&["ssh-config", "ferry"]);
    assert!(config.status.success());
    let file = computer.path().join("ssh config");
    std::fs::write(&file, &config.stdout).expect("written");
    let file = file.to_str().expect("text");
    // As from a person's shell: no variable of Berth's, and no folder of its programs in the PATH.
    let program = |name: &str| {
        let mut command = computer.command(name);
        command.env_remove("BERTH_DATA_DIR").env_remove("BERTH_RUNTIME_DIR").current_dir(computer.path());
        command
    };
    let bytes: Vec<u8> = (0..300_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (from, back) = (computer.path().join("from"), computer.path().join("back"));
    std::fs::write(&from, &bytes).expect("written");
    let check = |what: &str, output: std::process::Output| {
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let there = |path: &str| format!("berth-ferry:{path}");

    let ran = program("ssh").args(["-F", file, "berth-ferry", "cat; echo err >&2; exit 7"]).output().expect("ssh");
    assert_eq!((ran.status.code(), ran.stderr.as_slice()), (Some(7), b"err\n".as_slice()));
    let input = std::fs::File::open(&from).expect("opened");
    let echoed = program("ssh").args(["-F", file, "berth-ferry", "cat"]).stdin(input).output().expect("ssh");
    assert!(echoed.stdout == bytes, "binary-exact");

    check("scp", program("scp").args(["-F", file, "from", &there("work/scp")]).output().expect("scp"));
    check("scp back", program("scp").args(["-F", file, &there("work/scp"), "back"]).output().expect("scp"));
    assert!(std::fs::read(&back).expect("fetched") == bytes);

    let batch = computer.path().join("batch");
    std::fs::write(&batch, "put from work/sftp\nget work/sftp back\n").expect("written");
    std::fs::remove_file(&back).expect("removed");
    check("sftp", program("sftp").args(["-F", file, "-b", "batch", "berth-ferry"]).output().expect("sftp"));
    assert!(std::fs::read(&back).expect("fetched") == bytes);

    let rsh = format!("ssh -F '{file}'");
    check("rsync", program("rsync").args(["-e", &rsh, "from", &there("work/rsync")]).output().expect("rsync"));
    let sums = computer.run("ferry", "cksum < scp; cksum < sftp; cksum < rsync");
    let sums: Vec<&str> = sums["stdout"].as_str().expect("sums").lines().collect();
    assert!(sums.len() == 3 && sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");

    // The block stays true under another name.
    computer.call("channel.rename", json!({ "channel": "ferry", "name": "tug" }));
    let ran = program("ssh").args(["-F", file, "berth-ferry", "echo still"]).output().expect("ssh");
    assert_eq!(ran.stdout, b"still\n", "{}", channel["id"]);
}

/// As a crash would have left the record.
fn set_state(computer: &Computer, channel: &str, state: SandboxState) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (store, _) = Store::open(&computer.data()).expect("the database");
        let mut records = store.channels().await.expect("channels").into_iter();
        let mut record = records.find(|record| record.name == channel).expect("the channel");
        record.state = state;
        store.update_channel(record).await.expect("written");
        store.close().await.expect("closed");
    });
}
