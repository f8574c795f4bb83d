//! A bad network: schedules of delays, stalls, cuts, half-closed connections and such as overtake each other, between a
//! session and a real SSH server, over mixed work. In every one each command and each job runs once, its output is whole,
//! its exit code right, files are what was written, terminals come back, and nothing hangs.
//!
//! A schedule follows from its seed alone, which a failure names. `BERTH_FAULT_SCHEDULES` says how many are played,
//! `BERTH_FAULT_SEED` the first; alone, it is the only one, and its network is told of as it goes.

mod network;
mod work;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use berth_ssh::{Endpoint, Session, SessionOptions, SessionState};
use berth_testbed::machine::{Kind, Machine};
use futures::future::{OptionFuture, try_join_all};
use futures::stream::{self, StreamExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use self::network::network;
use self::work::{COMMANDS, On};
use crate::kept::Keeper;

/// No schedule may take longer, whatever happens in it.
const DEADLINE: Duration = Duration::from_secs(90);

/// So long after the end of the network nothing more begins.
const LATE: Duration = Duration::from_millis(300);

/// One schedule: a bit of everything at once.
async fn play(machine: &Machine, folder: &Path, echo: u16, seed: u64) -> Result<(), String> {
    let Endpoint::Tcp { port, .. } = machine.target.endpoint else { return Err("it is reached by TCP".to_owned()) };
    let (port, serving) = network(SocketAddr::from(([127, 0, 0, 1], port)), seed).await;
    let mut target = machine.target.clone();
    target.endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port };
    let session = Session::new(target.clone(), SessionOptions::default());
    let (mut state, connected) = (session.state(), AtomicBool::new(false));
    let watch = async {
        let _ = state.wait_for(|state| *state == SessionState::Connected).await;
        connected.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    };
    let on = On { session: session.clone(), target, folder, seed, echo, connected: &connected };
    let keeper = Keeper::default();
    // A multiplexer for each costs more than all the rest.
    let terminal =
        OptionFuture::from((seed.is_multiple_of(4) && berth_testbed::has_terminals()).then(|| work::terminal(&on)));
    let left = Mutex::new(BTreeSet::new());
    let all = async {
        tokio::try_join!(
            done(&left, "commands", try_join_all((0..COMMANDS).map(|number| work::commands(&on, &keeper, number)))),
            done(&left, "files", work::files(&on)),
            done(&left, "a job", work::job(&on)),
            done(&left, "writes", work::writes(&on)),
            done(&left, "a port", work::port(&on)),
            done(&left, "a terminal", async { terminal.await.unwrap_or(Ok(())) }),
        )
    };
    let played = tokio::select! {
        played = timeout(DEADLINE, all) => played,
        () = watch => unreachable!("it watches to the end"),
    };
    session.close().await;
    serving.abort();
    match played {
        Ok(done) => {
            done?;
            // What the machine has got, it has begun by then.
            sleep(LATE).await;
            work::all_once(folder, seed)
        }
        Err(_) => Err(format!("it hung: {:?}", left.lock().unwrap())),
    }
}

/// Remembers what is not done yet.
async fn done<T>(
    left: &Mutex<BTreeSet<&'static str>>,
    name: &'static str,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    left.lock().unwrap().insert(name);
    // On the heap: all of it together is more than a stack.
    let done = Box::pin(work).await;
    left.lock().unwrap().remove(name);
    done
}

/// A port of this computer, which is the machine's too, that says what it hears.
async fn echo() -> (u16, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    (port, AbortOnDropHandle::new(serving))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_network_does_all_is_done_once_and_told_whole() {
    let kind = Kind { name: "a bad network", shell: "bash", config: "MaxSessions 10", ..Default::default() };
    let Some(machine) = Machine::start(&kind) else { return };
    let folder = machine.path("marks");
    std::fs::create_dir(&folder).unwrap();
    let (echo, _echoing) = echo().await;
    let seed = number("BERTH_FAULT_SEED");
    let count = number("BERTH_FAULT_SCHEDULES").unwrap_or(if seed.is_some() { 1 } else { 24 });
    let first = seed.unwrap_or(1);
    let begun = Instant::now();
    let (machine, folder) = (&machine, &folder);
    // Those that were faults once: the end of a connection that is being written to, two tries at one upload, what clears
    // away old terminals, come late, and two tries at one write.
    let known = [60_001_151, 80_000_543, 130_000_188, 150_001_006].into_iter().filter(|_| seed.is_none());
    let played = stream::iter((first..first + count).chain(known))
        .map(|seed| async move { (seed, play(machine, folder, echo, seed).await) });
    let faults: Vec<_> = played
        .buffer_unordered(16)
        .filter_map(|(seed, played)| async move {
            let fault = format!("seed {seed}: {}", played.err()?);
            // At once: a long run may be ended before its end.
            eprintln!("FAULT {fault}");
            Some(fault)
        })
        .collect()
        .await;
    eprintln!("{count} schedules from seed {first} in {:.1} s", begun.elapsed().as_secs_f64());
    assert!(faults.is_empty(), "{} of {count} schedules:\n{}", faults.len(), faults.join("\n"));
}
