//! What a network does to it: far machines, many connections, and a network that goes away.

use std::time::{Duration, Instant};

use berth_engine::kept::Keeper;
use berth_ssh::RunOptions;
use berth_testbed::{Way, round_trip};
use berth_tools::{Place, Run};
use futures::stream::{self, StreamExt as _};
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
        table.beside(&name, berth, "ssh, multiplexed", peer, "ms", Target::RatioAtMost(1.0));
        let trip = round_trip(Duration::from_millis(trip / 2)).await;
        table.alone(&format!("{name}, in round trips"), berth / trip, "trips", Target::AtMost(1.1));
    }
    for (cut, times) in [(1, 20), (10, 20)].into_iter().chain(long.then_some((600, 5))) {
        for trip in [0, 50] {
            recovery(&machine, table, Duration::from_secs(cut), trip, times).await;
        }
    }
}

/// From the network's return to the next byte of a command that runs: a few at once, each with a network of its own.
async fn recovery(machine: &Machine, table: &mut Table, cut: Duration, trip: u32, times: usize) {
    let all = (0..times).map(|_| one_recovery(machine, cut, Duration::from_millis(trip.into())));
    let mut measured: Vec<f64> = stream::iter(all).buffered(5).collect().await;
    measured.sort_by(f64::total_cmp);
    let at = |part: f64| measured[((measured.len() - 1) as f64 * part).round() as usize];
    let name = format!("gone for {} s, {trip} ms away: its return to the next byte", cut.as_secs());
    table.alone(&format!("{name}, p50"), at(0.5), "ms", Target::None);
    table.alone(&format!("{name}, p95"), at(0.95), "ms", Target::AtMost(1_000.0 + 4.0 * f64::from(trip)));
}

async fn one_recovery(machine: &Machine, cut: Duration, trip: Duration) -> f64 {
    let way = Way::to(machine.port, trip / 2).await;
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
    let measured = tokio::select! {
        _ = running => panic!("it ended"),
        ms = measure => ms,
    };
    cancel.cancel();
    session.close().await;
    measured
}
