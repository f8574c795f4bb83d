//! What a network does to it: far machines, many connections, and a network that goes away.

use std::time::{Duration, Instant};

use berth_engine::kept::Keeper;
use berth_ssh::RunOptions;
use berth_testbed::{Way, free_port, round_trip};
use berth_tools::{Place, Run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::machine::{Machine, User, millis};
use crate::table::{Table, Target, median};

/// Measures it all.
///
/// With `long` a network that is gone for ten minutes is waited for, once.
pub async fn measure(table: &mut Table, long: bool) {
    let machine = Machine::start(User::Plain);
    for trip in [20, 200_u64] {
        let way = Way::to(machine.port, Duration::from_millis(trip / 2)).await;
        let session = machine.session(way.port);
        let ssh = tokio::task::block_in_place(|| machine.ssh(way.port));
        session.run(b"true", RunOptions::default()).await.expect("it runs");
        let (mut berth, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            let begun = Instant::now();
            session.run(b"true", RunOptions::default()).await.expect("it runs");
            berth.push(millis(begun));
            peer.push(tokio::task::block_in_place(|| ssh.run("true")));
        }
        let name = format!("one action, {trip} ms away");
        let (berth, peer) = (median(berth), median(peer));
        table.beside(&name, berth, "ssh, multiplexed", peer, "ms", Target::None);
        let trip = round_trip(Duration::from_millis(trip / 2)).await;
        table.alone(&format!("{name}, in round trips"), berth / trip, "trips", Target::AtMost(1.1));
    }
    forward(&machine, table).await;
    for (cut, times) in [(1, 8), (10, 3)].into_iter().chain(long.then_some((600, 1))) {
        recovery(&machine, table, Duration::from_secs(cut), times).await;
    }
}

/// 64 connections at once, each of which is sent 1 MB.
async fn forward(machine: &Machine, table: &mut Table) {
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
    let session = machine.session(machine.port);
    session.run(b"true", RunOptions::default()).await.expect("it runs");
    let local = free_port();
    let ssh = tokio::task::block_in_place(|| machine.ssh(machine.port));
    tokio::task::block_in_place(|| ssh.forward(local, server));
    let (mut berth, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let begun = Instant::now();
        let all = (0..64).map(|_| async {
            let mut all = Vec::new();
            session
                .forward_tcp("127.0.0.1", server)
                .await
                .expect("a stream")
                .read_to_end(&mut all)
                .await
                .expect("read");
            assert_eq!(all.len(), SIZE);
        });
        futures::future::join_all(all).await;
        berth.push(64.0 * SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let all = (0..64).map(|_| async {
            let mut all = Vec::new();
            let mut stream = TcpStream::connect(("127.0.0.1", local)).await.expect("a stream");
            stream.read_to_end(&mut all).await.expect("read");
            assert_eq!(all.len(), SIZE);
        });
        futures::future::join_all(all).await;
        peer.push(64.0 * SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64());
    }
    let name = "64 connections through a forward";
    table.beside(name, median(berth), "ssh -L", median(peer), "MB/s", Target::RatioAtLeast(1.0));
}

/// From the network's return to the next byte of a command that runs.
async fn recovery(machine: &Machine, table: &mut Table, cut: Duration, times: usize) {
    let mut measured = Vec::new();
    for _ in 0..times {
        let way = Way::to(machine.port, Duration::ZERO).await;
        let session = machine.session(way.port);
        let (live, mut heard) = mpsc::channel(1_024);
        let lines = (cut.as_secs() + 20) * 20;
        let command = format!("i=0; while [ $i -lt {lines} ]; do i=$((i + 1)); echo $i; sleep 0.05; done");
        let run = Run { at: Place::here("/"), command, env: Vec::new() };
        let (keeper, cancel) = (Keeper::default(), CancellationToken::new());
        let running = keeper.run(&session, &run, cut + Duration::from_secs(60), &cancel, live);
        let measure = async {
            heard.recv().await.expect("it prints");
            way.is_gone(true);
            tokio::time::sleep(cut).await;
            while heard.try_recv().is_ok() {}
            way.is_gone(false);
            let begun = Instant::now();
            heard.recv().await.expect("it prints again");
            millis(begun)
        };
        tokio::select! {
            _ = running => panic!("it ended"),
            ms = measure => measured.push(ms),
        }
        cancel.cancel();
        session.close().await;
    }
    measured.sort_by(f64::total_cmp);
    let at = |part: f64| measured[((measured.len() - 1) as f64 * part).round() as usize];
    let name = format!("the network was gone for {} s: its return to the next byte", cut.as_secs());
    table.alone(&format!("{name}, p50"), at(0.5), "ms", Target::None);
    table.alone(&format!("{name}, p95"), at(0.95), "ms", Target::AtMost(1_000.0));
}
