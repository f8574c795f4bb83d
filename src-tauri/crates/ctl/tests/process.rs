//! `berthctl` as a process: what it prints, how it ends, and how many engines there are.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use berth_testbed::until;
use common::Computer;
use serde_json::{Value, json};

fn error(output: &std::process::Output) -> Value {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "nothing but replies goes to standard output");
    serde_json::from_slice(&output.stderr).expect("one JSON object on standard error")
}

#[test]
fn replies_go_to_standard_output_and_errors_to_standard_error() {
    let computer = Computer::new();
    let output = computer.output(&["call", "channel.list"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).expect("JSON"), json!({ "channels": [] }));

    let unknown = error(&computer.output(&["call", "channel.paint", "{}"]));
    assert_eq!(unknown["code"], "bad_request");
    assert!(unknown["hint"].as_str().is_some_and(|hint| hint.contains("berthctl help call")), "{unknown}");
    let garbled = error(&computer.output(&["call", "channel.list", "{"]));
    assert_eq!(garbled["code"], "bad_request");
    let misfit = error(&computer.output(&["call", "channel.get", "{\"channel\":7}"]));
    assert_eq!(misfit["code"], "bad_request");
    let missing = error(&computer.output(&["call", "channel.get", "{\"channel\":\"nobody\"}"]));
    assert_eq!(missing["code"], "not_found");
    assert_eq!(computer.output(&["dance"]).status.code(), Some(2), "a wrong command line is told by clap");
}

#[test]
fn what_is_too_long_for_a_line_is_refused_and_the_engine_lives_on() {
    let computer = Computer::new();
    let payload = computer.path().join("payload");
    let text = json!({ "channel": "x", "text": "a".repeat(17 * 1024 * 1024) }).to_string();
    std::fs::write(&payload, text).expect("written");
    let input = std::fs::File::open(&payload).expect("opened");
    let output = computer.berthctl().args(["call", "message.post", "-"]).stdin(input).output().expect("runs");
    let refused = error(&output);
    assert_eq!(refused["code"], "bad_request");
    assert!(refused["message"].as_str().is_some_and(|message| message.contains("bytes")), "{refused}");
    computer.call("channel.list", json!({}));
}

#[test]
fn events_begin_with_a_snapshot() {
    let computer = Computer::new();
    let mut events = computer.berthctl().arg("events").stdout(Stdio::piped()).spawn().expect("runs");
    let mut lines = BufReader::new(events.stdout.take().expect("its output")).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().expect("a line").expect("text")).expect("JSON");
    let first = next();
    let seq = first["snapshot"]["seq"].as_u64().expect("a snapshot with a number");
    computer.call("settings.set", json!({ "theme": "dark", "space_name": "Quay" }));
    let mut expected = seq;
    loop {
        let event = next();
        expected += 1;
        assert_eq!(event["event"]["seq"], expected, "without a gap");
        if event["event"]["body"]["kind"] == "settings" {
            assert_eq!(event["event"]["body"]["settings"]["space_name"], "Quay");
            break;
        }
    }
    computer.stop_engine();
    assert_eq!(events.wait().expect("ends with the engine").code(), Some(1));
}

#[test]
fn many_that_start_at_once_share_one_engine() {
    let computer = Computer::new();
    let starts: Vec<_> = (0..6)
        .map(|_| computer.berthctl().args(["call", "app.info"]).stdout(Stdio::piped()).spawn().expect("runs"))
        .collect();
    let pids: Vec<Value> = starts
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().expect("ends");
            assert!(output.status.success());
            serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["pid"].clone()
        })
        .collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    until("the others have ended", || computer.engines() == 1);
}

#[test]
fn an_engine_that_is_stopped_says_so_first() {
    let computer = Computer::new();
    for _ in 0..8 {
        let info = computer.call("app.info", json!({}));
        assert_eq!(info["host"], "headless");
        assert_eq!(computer.call("engine.stop", json!({})), json!({}));
    }
    until("all have ended", || computer.engines() == 0);
    assert!(!computer.path().join("run/engine.sock").exists() && !computer.data().join("engine.json").exists());
}

#[test]
fn a_second_data_folder_with_the_same_runtime_folder_is_refused() {
    let computer = Computer::new();
    let first = computer.call("app.info", json!({}));
    let other = computer.path().join("other");
    let output = computer.berthctl().args(["engine"]).env("BERTH_DATA_DIR", &other).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("BERTH_RUNTIME_DIR"), "{told}");
    assert_eq!(computer.call("app.info", json!({}))["pid"], first["pid"], "the first goes on");
}

#[test]
fn a_database_of_a_newer_berth_is_told_and_left_alone() {
    let computer = Computer::new();
    computer.call("channel.list", json!({}));
    computer.stop_engine();
    let database = computer.data().join("berth.db");
    let mut bytes = std::fs::read(&database).expect("the database");
    // `user_version` stands at byte 60 of SQLite's header.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&database, bytes).expect("written");
    let refused = computer.ask("channel.list", json!({})).expect_err("it cannot be opened");
    assert!(refused["causes"].to_string().contains("newer"), "{refused}");
}
