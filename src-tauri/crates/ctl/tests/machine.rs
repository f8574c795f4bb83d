//! A channel on a machine of the person's own, by `berthctl` alone: what is asked, what is kept, what is said.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod common;

use std::fs;

use berth_testbed::{Sshd, until};
use common::Computer;
use serde_json::{Value, json};

/// Adds a machine and begins to make a channel on it.
fn begun(computer: &Computer, sshd: &Sshd) {
    let address = format!("{}@127.0.0.1:{}", sshd.target.user, sshd.port);
    computer.call("machine.add", json!({ "address": address, "name": "box", "identity": sshd.path("key") }));
    computer.call("channel.create", json!({ "name": "demo", "provider": "machine", "machine": "box" }));
}

fn asked(computer: &Computer) -> Vec<Value> {
    computer.call("app.snapshot", json!({}))["questions"].as_array().cloned().unwrap_or_default()
}

/// The next question, once it is there.
fn question(computer: &Computer) -> Value {
    until("a question is asked", || !asked(computer).is_empty());
    asked(computer).remove(0)
}

fn answer(computer: &Computer) {
    let question = question(computer);
    assert_eq!(question["ask"]["kind"], "host_key", "{question}");
    computer.call("question.answer", json!({ "question": question["id"], "answers": [] }));
}

fn channel(computer: &Computer) -> Value {
    computer.call("channel.get", json!({ "channel": "demo" }))
}

fn notices(computer: &Computer) -> String {
    let entries = computer.call("timeline.list", json!({ "channel": "demo" }));
    entries["entries"].to_string()
}

#[test]
fn what_is_sent_before_the_first_connection_arrives_in_the_channels_folder() {
    let (computer, sshd) = (Computer::new(), Sshd::start());
    begun(&computer, &sshd);
    let file = computer.path().join("sent.txt");
    fs::write(&file, "sent\n").unwrap();
    // It is not known yet where the folder is.
    let question = question(&computer);
    let transfer = computer.call("transfer.upload", json!({ "channel": "demo", "from": [file], "to": "in" }));
    computer.call("question.answer", json!({ "question": question["id"], "answers": [] }));
    let stands = || {
        let all = computer.call("transfer.list", json!({}));
        let one = all["transfers"].as_array().unwrap().iter().find(|one| one["id"] == transfer["id"]).cloned();
        one.unwrap()["status"]["state"].clone()
    };
    until("it arrives", || stands() != "running");
    assert_eq!(stands(), "done");
    let folder = sshd.path("home/berth/demo/in");
    assert_eq!(fs::read_to_string(folder.join("sent.txt")).unwrap(), "sent\n");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "what was hidden on the way is gone");
}

#[test]
fn who_says_no_is_asked_again_only_when_somebody_wants_it() {
    let (computer, sshd) = (Computer::new(), Sshd::start());
    begun(&computer, &sshd);
    answer(&computer);
    assert_eq!(computer.settled("demo")["sandbox"]["state"], "running");
    // The machine shows another key: nobody is asked, and nothing is tried by itself.
    let mut sshd = sshd;
    sshd.down();
    sshd.change_key();
    sshd.up();
    let refused = |computer: &Computer| channel(computer)["sandbox"]["connection"]["refused"] == true;
    until("it is refused", || refused(&computer));
    let report = computer.call("sandbox.check", json!({ "channel": "demo" }));
    let changed = report["checks"].as_array().unwrap().iter().find_map(|check| check.get("changed_key")).unwrap();
    assert_eq!(changed["ours"], true, "{report:#}");
    let error = computer.ask("sandbox.wake", json!({ "channel": "demo" })).unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("has changed") && refused(&computer), "{error}");
    // What Berth wrote down itself can be forgotten; then the new one is a new machine's.
    let forget = json!({ "host": changed["host"], "fingerprint": changed["known"] });
    computer.call("machine.forget_key", forget.clone());
    assert_eq!(computer.ask("machine.forget_key", forget).unwrap_err()["code"], "not_found");
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(asked(&computer).is_empty(), "nothing is tried by itself");
    std::thread::scope(|scope| {
        let waking = scope.spawn(|| computer.ask("sandbox.wake", json!({ "channel": "demo" })));
        let asked = question(&computer);
        computer.call("question.refuse", json!({ "question": asked["id"] }));
        assert!(waking.join().unwrap().unwrap_err()["message"].as_str().unwrap().contains("was not answered"));
        let waking = scope.spawn(|| computer.ask("sandbox.wake", json!({ "channel": "demo" })));
        answer(&computer);
        waking.join().unwrap().unwrap();
    });
    assert_eq!(computer.run("demo", "echo in")["stdout"], "in\n");
}

#[test]
fn a_check_that_is_given_up_asks_nothing_more() {
    let (computer, sshd) = (Computer::new(), Sshd::start());
    let address = format!("{}@127.0.0.1:{}", sshd.target.user, sshd.port);
    let machine = computer.call("machine.add", json!({ "address": address, "name": "box" }));
    std::thread::scope(|scope| {
        let checking = scope.spawn(|| computer.ask("machine.check", json!({ "machine": "box" })));
        question(&computer);
        computer.call("check.cancel", json!({ "kind": "machine", "id": machine["id"] }));
        assert_eq!(checking.join().unwrap().unwrap_err()["code"], "cancelled");
        until("its question is gone", || asked(&computer).is_empty());
    });
}

#[test]
fn after_a_start_of_the_machine_its_services_run_again_and_that_is_said() {
    let (computer, sshd) = (Computer::new(), Sshd::start());
    begun(&computer, &sshd);
    answer(&computer);
    assert_eq!(computer.settled("demo")["sandbox"]["state"], "running");
    let start = |command: &str, service: bool| {
        let run = json!({ "channel": "demo", "command": command, "background": true, "service": service });
        computer.call("action.run", run)["job"].as_str().unwrap().to_owned()
    };
    let (service, job) = (start("echo served >>times; exec sleep 1001", true), start("exec sleep 1002", false));
    let stands = |id: &str| {
        let jobs = channel(&computer)["jobs"].clone();
        let job = jobs.as_array().unwrap().iter().find(|job| job["id"] == id).unwrap();
        job["status"]["state"].clone()
    };
    until("both run", || stands(&service) == "running" && stands(&job) == "running");
    let times = || fs::read_to_string(sshd.path("home/berth/demo/times")).unwrap_or_default();
    until("it serves", || times() == "served\n");
    // As it stands after a start: both were begun in another boot.
    let mut ended = Vec::new();
    for id in [&service, &job] {
        let who = sshd.path(&format!("home/.berth/jobs/{id}/pid"));
        let here = fs::read_to_string(&who).unwrap();
        let fields: Vec<_> = here.trim_end().split(' ').collect();
        let there = format!("{} {} another {} {}\n", fields[0], fields[1], fields[3], fields[4]);
        ended.push((who, there, nix::unistd::Pid::from_raw(fields[0].parse().unwrap())));
    }
    // At once, so that one look sees both.
    for (who, there, _) in &ended {
        fs::write(who, there).unwrap();
    }
    for (_, _, pid) in ended {
        let _ = nix::sys::signal::killpg(pid, nix::sys::signal::Signal::SIGKILL);
    }
    until("the service runs again", || times() == "served\nserved\n" && stands(&service) == "running");
    until("the job does not", || stands(&job) == "lost");
    until("it is said", || notices(&computer).contains("Started again: "));
    let said = notices(&computer);
    assert!(
        said.contains("The machine was started anew.") && said.contains("With it ended: exec sleep 1002."),
        "{said}"
    );
}

#[test]
fn a_machine_that_is_left_does_not_go_on_with_what_an_action_ran() {
    let (computer, sshd) = (Computer::new(), Sshd::start());
    begun(&computer, &sshd);
    answer(&computer);
    assert_eq!(computer.settled("demo")["sandbox"]["state"], "running");
    let pid = sshd.path("home/berth/demo/pid");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            let run = json!({ "channel": "demo", "command": "echo $$ >pid; sleep 1003" });
            computer.ask("action.run", run)
        });
        let process = || fs::read_to_string(&pid).ok().and_then(|pid| pid.trim().parse::<u32>().ok());
        until("it runs", || process().is_some());
        computer.call("sandbox.sleep", json!({ "channel": "demo" }));
        assert_eq!(running.join().unwrap().unwrap_err()["code"], "cancelled");
        until("it is gone", || !berth_testbed::processes::runs(process().unwrap()));
    });
}
