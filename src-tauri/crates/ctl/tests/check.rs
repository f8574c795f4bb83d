//! `berthctl check`: what a script is told of a machine, by its exit code and in JSON.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod common;

use std::fs;

use berth_ssh::HostKeyCheck;
use berth_testbed::Sshd;
use berth_testbed::machine::{Home, Kind, Machine};
use common::Computer;
use serde_json::Value;

/// What is printed as JSON, and whether it ended well.
fn json(computer: &Computer, address: &str, more: &[&str]) -> (Value, bool) {
    let output = computer.output(&[&["check", address, "--json"], more].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {} {}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    (report, output.status.success())
}

fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["id"] == id).unwrap_or(&Value::Null)
}

/// What a person gives it: the address, the key, the file of known hosts.
fn known(sshd: &Sshd) -> (String, String, String) {
    let HostKeyCheck::Pinned(key) = &sshd.target.host_key else { panic!("another check") };
    fs::write(sshd.path("known"), format!("[127.0.0.1]:{} {}\n", sshd.port, key.trim())).unwrap();
    let path = |name: &str| sshd.path(name).display().to_string();
    (format!("ssh://{}@127.0.0.1:{}", sshd.target.user, sshd.port), path("key"), path("known"))
}

#[test]
fn a_machine_that_is_well_and_one_that_is_not_trusted() {
    let (computer, sshd) = (Computer::new(), Sshd::start());
    let (address, key, hosts) = known(&sshd);
    let (report, ok) = json(&computer, &address, &["--identity", &key, "--known-hosts", &hosts]);
    assert!(ok && report["ok"] == true, "{report:#}");
    assert!(report["round_trip_ms"].as_f64().unwrap() > 0.0);
    for id in ["tcp", "banner", "kex", "host-key", "auth-key", "shell", "round-trip", "forwarding", "tool-git"] {
        assert!(check(&report, id)["ok"] == true && check(&report, id)["detail"].is_string(), "{id}: {report:#}");
    }
    assert!(check(&report, "disk")["detail"].as_str().unwrap().contains("GB free"));
    // The same for a person: the verdict first.
    let output = computer.output(&["check", &address, "--identity", &key, "--known-hosts", &hosts]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.starts_with("This machine can be a sandbox."), "{text}");

    // Nobody is asked about a machine that was never seen, and nothing of it is remembered.
    fs::write(&hosts, "").unwrap();
    for _ in 0..2 {
        let (report, ok) = json(&computer, &address, &["--identity", &key, "--known-hosts", &hosts]);
        assert!(!ok && report["ok"] == false && report["round_trip_ms"].is_null(), "{report:#}");
        assert_eq!(check(&report, "host-key")["ok"], false);
    }
    // Nor is a changed key gone past.
    let (_, _, hosts) = known(&sshd);
    let mut sshd = sshd;
    sshd.down();
    sshd.change_key();
    sshd.up();
    let (report, ok) = json(&computer, &address, &["--identity", &key, "--known-hosts", &hosts]);
    let changed = &check(&report, "host-key")["changed_key"];
    assert!(!ok && changed["ours"] == false && changed["file"] == hosts.as_str(), "{report:#}");
    assert_ne!(changed["known"], changed["shown"]);
}

#[test]
fn a_program_is_told_in_json_whatever_is_wrong() {
    let computer = Computer::new();
    for (address, more) in [
        ("ssh://box:99999", &[][..]),
        ("-oProxyCommand=touch$IFS/tmp/x", &[]),
        ("box", &["--identity", "/nonexistent"]),
        ("ssh://box@127.0.0.1:1", &[]),
    ] {
        // What begins with a dash is an option to the shell's user, and refused before there is a report.
        if address.starts_with('-') {
            assert!(!computer.output(&["check", address, "--json"]).status.success());
            continue;
        }
        let (report, ok) = json(&computer, address, more);
        let last = report["checks"].as_array().unwrap().last().unwrap();
        assert!(!ok && report["ok"] == false && last["ok"] == false && last["detail"].is_string(), "{report:#}");
    }
}

#[test]
fn a_machine_that_cannot_be_written_to_says_so() {
    let kind = Kind { name: "a read-only home", shell: "bash", home: Home::ReadOnly, ..Default::default() };
    let Some(machine) = Machine::start(&kind) else { return };
    let computer = Computer::new();
    let (key, hosts) = (machine.path("key").display().to_string(), machine.path("known_hosts").display().to_string());
    let address = format!("{}@127.0.0.1:{}", machine.target.user, machine.port);
    let (report, ok) = json(&computer, &address, &["--identity", &key, "--known-hosts", &hosts]);
    assert!(ok, "runs and terminals work there: {report:#}");
    let home = check(&report, "home");
    assert!(home["ok"] == false && home["optional"] == true && home["hint"].is_string(), "{report:#}");
}
