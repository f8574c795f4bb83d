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

/// It lets in, and there is nothing that runs a command.
#[test]
fn a_machine_that_is_reached_and_cannot_be_a_sandbox() {
    let computer = Computer::new();
    let sshd = Sshd::with("ForceCommand echo This account is for mail only.; exit 1");
    let (address, key, hosts) = known(&sshd);
    let (report, ok) = json(&computer, &address, &["--identity", &key, "--known-hosts", &hosts]);
    assert!(!ok && report["ok"] == false && check(&report, "auth-key")["ok"] == true, "{report:#}");
    let shell = check(&report, "shell");
    assert!(shell["ok"] == false && shell["detail"].as_str().unwrap().contains("for mail only"), "{report:#}");
    let output = computer.output(&["check", &address, "--identity", &key, "--known-hosts", &hosts]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && text.starts_with("This machine cannot be a sandbox."), "{text}");
}

#[test]
fn what_is_not_understood_of_a_configuration_is_told() {
    // OpenSSH reads the file of the account's home, whatever `HOME` says; only root can put another one in its place.
    if !berth_testbed::is_root() {
        return;
    }
    let (computer, sshd) = (Computer::new(), Sshd::start());
    let (_, key, hosts) = known(&sshd);
    let ssh = computer.path().join("home/.ssh");
    fs::create_dir_all(&ssh).unwrap();
    let host = format!("HostName 127.0.0.1\n Port {}\n User {}\n IdentityFile {key}", sshd.port, sshd.target.user);
    let config = format!("Host noted\n {host}\n UserKnownHostsFile {hosts}\n Ciphers aes128-ctr\n");
    fs::write(ssh.join("config"), config).unwrap();
    let accounts = computer.path().join("passwd");
    fs::write(&accounts, format!("root:x:0:0::{}:/bin/sh\n", computer.path().join("home").display())).unwrap();
    let mut command = computer.command("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg("mount --bind \"$0\" /etc/passwd && exec \"$1\" check noted --json").arg(accounts);
    command.arg(computer.berthctl().get_program());
    let report: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let told = check(&report, "config");
    assert!(report["ok"] == true && told["detail"].as_str().unwrap().contains("Ciphers"), "{report:#}");
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
