//! A machine of the person's own, as the app uses it: through the engine's socket, with what it keeps and writes down.
//!
//! A command costs 4 to 5 ms beyond the way there and back, on two cores: 1.1 round trips are more than that from 50 ms
//! away on, and less at 20 ms, where the target is missed. Of 4 ms, the engine takes 0.3 before and 0.3 after, OpenSSH's
//! server and the wakings on both sides 1.0, and the shell 2.5: a fork for the script 0.5, reading it 0.3, three files
//! made 0.2, the command's own shell from its fork to its end 1.2, telling of it 0.2. The outcome is there 0.4 before the
//! frame's end, which is waited for since it frees the shell. Nothing waits for the engine's disk. Where ext4 has no
//! journal it passes over the inodes of files that were just deleted: each file made then takes up to 0.6 ms more.

use std::time::{Duration, Instant};

use berth_engine::front::client::Client;
use berth_testbed::{Way, free_port, round_trip};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::app::Place;
use crate::machine::{Machine, User, millis};
use crate::table::{Table, Target, median};

/// Measures it all.
pub async fn measure(table: &mut Table) {
    let machine = Machine::start(User::Plain);
    let place = Place::new();
    let client = place.engine().await;
    for away in [0, 20, 50, 200] {
        let delay = Duration::from_millis(away / 2);
        let way = Way::to(machine.port, delay).await;
        let (name, port) = (&format!("away-{away}"), if away == 0 { machine.port } else { way.port });
        channel(&client, &machine, name, port).await;
        let ssh = tokio::task::block_in_place(|| machine.ssh(port));
        let (mut berth, mut peer) = (Vec::new(), Vec::new());
        // The first of each is not counted.
        for _ in 0..if away == 0 { 41 } else { 31 } {
            let begun = Instant::now();
            let run = json!({ "channel": name, "command": "true" });
            let ran = client.call("action.run", run).await.expect("run");
            assert_eq!(ran["exit_code"], 0);
            berth.push(millis(begun));
            peer.push(tokio::task::block_in_place(|| ssh.run("true")));
        }
        let (berth, peer) = (median(berth.split_off(1)), median(peer.split_off(1)));
        let name = format!("a command in a channel, kept and in the audit log, {away} ms away");
        table.beside(&name, berth, "ssh, multiplexed", peer, "ms", Target::RatioAtMost(1.0));
        if away > 0 {
            let trip = round_trip(delay).await;
            table.alone(&format!("{name}, in round trips"), berth / trip, "trips", Target::AtMost(1.1));
        }
    }
    forward(&client, &machine, table).await;
    client.call("engine.stop", json!({})).await.expect("stopped");
}

/// A channel on the machine, by this port.
async fn channel(client: &Client, machine: &Machine, name: &str, port: u16) {
    let key = machine.path().join("key");
    let added = json!({ "name": name, "address": format!("{}@127.0.0.1:{port}", machine.user()), "identity": key });
    client.call("machine.add", added).await.expect("added");
    let made = json!({ "name": name, "provider": "machine", "machine": name });
    client.call("channel.create", made).await.expect("made");
    loop {
        let snapshot = client.call("app.snapshot", json!({})).await.expect("a snapshot");
        if let Some(Value::String(question)) = snapshot.pointer("/questions/0/id") {
            let yes = json!({ "question": question, "answers": [] });
            client.call("question.answer", yes).await.expect("answered");
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rests = client.call("channel.get", json!({ "channel": name, "wait_s": 30 })).await.expect("made");
    assert_eq!(rests["sandbox"]["state"], "running", "{rests}");
}

/// 64 connections at once through a port that is open on this computer, each of which is sent 1 MB.
async fn forward(client: &Client, machine: &Machine, table: &mut Table) {
    const SIZE: usize = 1_000_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(&vec![7; SIZE]).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    let (ours, theirs) = (free_port(), free_port());
    let open = json!({ "channel": "away-0", "port": server, "local_port": ours });
    client.call("forward.open", open).await.expect("open");
    let ssh = tokio::task::block_in_place(|| machine.ssh(machine.port));
    tokio::task::block_in_place(|| ssh.forward(theirs, server));
    let (mut berth, mut peer) = (Vec::new(), Vec::new());
    for round in 0..4 {
        for (port, rates) in [(ours, &mut berth), (theirs, &mut peer)] {
            let begun = Instant::now();
            let all = (0..64).map(|_| async {
                let mut all = Vec::new();
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a stream");
                stream.read_to_end(&mut all).await.expect("read");
                assert_eq!(all.len(), SIZE);
            });
            futures::future::join_all(all).await;
            // In the first one connections are made.
            if round > 0 {
                rates.push(64.0 * SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64());
            }
        }
    }
    let name = "64 connections through an open port";
    table.beside(name, median(berth), "ssh -L", median(peer), "MB/s", Target::RatioAtLeast(1.0));
}
