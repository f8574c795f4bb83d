//! A real network between the engine and a machine: it goes, and comes back under another address.

#![expect(clippy::expect_used, reason = "helpers of tests are tests")]

mod common;

use std::process::Child;
use std::time::{Duration, Instant};

use berth_testbed::{Link, Sshd, until};
use common::{Computer, PATIENCE};
use serde_json::json;

/// An engine at the near end of a cable and a machine at the far end. They end in this order.
struct Far {
    computer: Computer,
    engine: Ended,
    sshd: Sshd,
    link: Link,
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Far {
    fn lay() -> Option<Self> {
        let link = Link::lay()?;
        let (sshd, computer) = (Sshd::behind(&link), Computer::new());
        let ours = computer.data().join("ssh");
        std::fs::create_dir_all(&ours).expect("a folder");
        let key = std::fs::read_to_string(sshd.path("host.pub")).expect("its key");
        std::fs::write(ours.join("known_hosts"), format!("[{}]:{} {key}\n", Link::FAR, sshd.port)).expect("written");
        let plain = computer.berthctl();
        let mut command = Link::within(Some(&link.near()), &plain.get_program().to_string_lossy());
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).arg("engine");
        let engine = Ended(command.spawn().expect("an engine"));
        let socket = computer.path().join("run/engine.sock");
        until("the engine runs", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        Some(Self { computer, engine, sshd, link })
    }
}

#[test]
fn a_network_that_is_gone_costs_nothing_and_comes_back_under_another_address() {
    let Some(Far { computer, sshd, link, .. }) = &Far::lay() else { return };
    let address = format!("{}@{}:{}", berth_testbed::user(), Link::FAR, sshd.port);
    let machine = computer.call("machine.add", json!({ "address": address, "identity": sshd.path("key") }));
    computer.call("channel.create", json!({ "name": "far", "provider": "machine", "machine": machine["id"] }));
    assert_eq!(computer.settled("far")["sandbox"]["state"], "running");
    let beats = "while :; do date >>beats; sleep 0.2; done";
    computer.call("action.run", json!({ "channel": "far", "command": beats, "background": true }));
    let count = "echo begun >>begun; i=0; while [ $i -lt 30 ]; do i=$((i + 1)); echo line $i; sleep 0.3; done; exit 7";
    let counted = std::thread::scope(|scope| {
        let counting = scope.spawn(|| computer.run("far", count));
        until("it has begun", || sshd.path("home/berth/far/begun").exists());
        link.unplug();
        std::thread::sleep(Duration::from_secs(6));
        link.plug(99);
        let begun = Instant::now();
        let said = computer.run("far", "echo here");
        assert_eq!((&said["stdout"], &said["exit_code"]), (&json!("here\n"), &json!(0)));
        assert!(begun.elapsed() < PATIENCE);
        counting.join().expect("it ended")
    });
    let all: String = (1..=30).map(|line| format!("line {line}\n")).collect();
    assert_eq!((&counted["stdout"], &counted["exit_code"]), (&json!(all), &json!(7)));
    assert_eq!(std::fs::read_to_string(sshd.path("home/berth/far/begun")).expect("it ran"), "begun\n", "it ran once");
    assert_eq!(computer.call("job.list", json!({ "channel": "far" }))["jobs"][0]["status"]["state"], "running");
}

/// The computer is asleep: nothing of Berth runs, the network goes, and it wakes up elsewhere.
#[test]
fn what_ran_when_the_computer_fell_asleep_is_whole_when_it_wakes_up() {
    let Some(Far { computer, engine, sshd, link }) = &Far::lay() else { return };
    let address = format!("{}@{}:{}", berth_testbed::user(), Link::FAR, sshd.port);
    let machine = computer.call("machine.add", json!({ "address": address, "identity": sshd.path("key") }));
    computer.call("channel.create", json!({ "name": "far", "provider": "machine", "machine": machine["id"] }));
    assert_eq!(computer.settled("far")["sandbox"]["state"], "running");
    let engine = nix::unistd::Pid::from_raw(i32::try_from(engine.0.id()).expect("a process"));
    let count = "echo begun >>begun; i=0; while [ $i -lt 20 ]; do i=$((i + 1)); echo line $i; sleep 0.2; done; exit 7";
    let counted = std::thread::scope(|scope| {
        let counting = scope.spawn(|| computer.run("far", count));
        until("it has begun", || sshd.path("home/berth/far/begun").exists());
        nix::sys::signal::kill(engine, nix::sys::signal::Signal::SIGSTOP).expect("asleep");
        link.unplug();
        std::thread::sleep(Duration::from_secs(6));
        link.plug(98);
        nix::sys::signal::kill(engine, nix::sys::signal::Signal::SIGCONT).expect("awake");
        counting.join().expect("it ended")
    });
    let all: String = (1..=20).map(|line| format!("line {line}\n")).collect();
    assert_eq!((&counted["stdout"], &counted["exit_code"]), (&json!(all), &json!(7)));
    assert_eq!(std::fs::read_to_string(sshd.path("home/berth/far/begun")).expect("it ran"), "begun\n", "it ran once");
}
