//! A session's work beside OpenSSH's client, on the same server.

use std::time::{Duration, Instant};

use berth_ssh::{RunOptions, Session};
use berth_testbed::{Way, round_trip};

use crate::machine::{Machine, User, millis};
use crate::table::{Table, Target, median};

/// Measures it all.
pub async fn measure(table: &mut Table) {
    let delay = Duration::from_millis(25);
    for (user, name) in [(User::Plain, "a plain user"), (User::Loaded, "a loaded .bashrc")] {
        let machine = Machine::start(user);
        let (berth, peer) = one_action(&machine, machine.port, 40).await;
        let target = Target::RatioAtMost(0.15);
        table.beside(&format!("one action, 0 ms away, {name}"), berth, "ssh, multiplexed", peer, "ms", target);

        let far = Way::to(machine.port, delay).await;
        let (berth, peer) = one_action(&machine, far.port, 12).await;
        let round_trips = berth / round_trip(delay).await;
        let name = format!("one action, 50 ms away, {name}");
        table.beside(&name, berth, "ssh, multiplexed", peer, "ms", Target::RatioAtMost(1.0));
        let target = Target::AtMost(1.1);
        table.alone(&format!("{name}, in round trips"), round_trips, "trips", target);
    }

    let machine = Machine::start(User::Plain);
    let (berth, peer) = many_actions(&machine).await;
    table.beside("32 actions at once", berth, "ssh, multiplexed", peer, "ms", Target::None);
    listing(&machine, table).await;
}

async fn act(session: &Session) -> f64 {
    let begun = Instant::now();
    session.run(b"true", RunOptions::default()).await.expect("it runs");
    millis(begun)
}

async fn one_action(machine: &Machine, port: u16, times: usize) -> (f64, f64) {
    let session = machine.session(port);
    let ssh = tokio::task::block_in_place(|| machine.ssh(port));
    act(&session).await;
    tokio::task::block_in_place(|| ssh.run("true"));
    let (mut berth, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..times {
        berth.push(act(&session).await);
        peer.push(tokio::task::block_in_place(|| ssh.run("true")));
    }
    (median(berth), median(peer))
}

async fn many_actions(machine: &Machine) -> (f64, f64) {
    let session = machine.session(machine.port);
    let ssh = tokio::task::block_in_place(|| machine.ssh(machine.port));
    let (mut berth, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let begun = Instant::now();
        futures::future::join_all((0..32).map(|_| act(&session))).await;
        berth.push(millis(begun));
        // Ten at a time: more sessions than that on one connection OpenSSH's server refuses.
        let begun = Instant::now();
        tokio::task::block_in_place(|| {
            for batch in [10, 10, 10, 2] {
                std::thread::scope(|scope| {
                    for _ in 0..batch {
                        scope.spawn(|| ssh.run("true"));
                    }
                });
            }
        });
        peer.push(millis(begun));
    }
    (median(berth), median(peer))
}

async fn listing(machine: &Machine, table: &mut Table) {
    use berth_tools::Tool;
    let folder = machine.path().join("many");
    std::fs::create_dir(&folder).expect("a folder");
    for number in 0..100_000 {
        std::fs::File::create(folder.join(format!("file-{number:06}"))).expect("a file");
    }
    let session = machine.session(machine.port);
    let ssh = tokio::task::block_in_place(|| machine.ssh(machine.port));
    let folder = folder.display().to_string();
    let list = berth_tools::List { at: berth_tools::Place::here(&folder), offset: None, limit: None };
    let (mut berth, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let begun = Instant::now();
        let script = list.script().expect("a script");
        let options = RunOptions { output_limit: script.reply_limit, ..RunOptions::default() };
        let output = session.run(&script.text, options).await.expect("it runs");
        let reply = berth_tools::Reply {
            stdout: &output.stdout.bytes,
            stderr: &output.stderr.bytes,
            exit_code: output.exit_code,
            truncated: false,
        };
        assert_eq!(list.parse(&reply).expect("a listing").total, 100_000);
        berth.push(millis(begun));
        peer.push(tokio::task::block_in_place(|| ssh.run(&format!("ls -la {folder}"))));
    }
    let name = "listing a folder of 100,000 files, first page";
    table.beside(name, median(berth), "ssh ls -la", median(peer), "ms", Target::None);
}
