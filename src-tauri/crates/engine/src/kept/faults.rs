//! A bad network: thousands of schedules of delays, stalls, cuts and half-closed connections between a session and a real
//! SSH server. In every one each command runs once, its output is whole, its exit code right, and nothing hangs.
//!
//! A schedule follows from its seed alone, which a failure names. `BERTH_FAULT_SCHEDULES` says how many are played,
//! `BERTH_FAULT_SEED` the first.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use berth_ssh::{Endpoint, Session, SessionOptions, TreeOptions};
use berth_testbed::machine::{Kind, Machine};
use berth_tools::{Place, Run};
use futures::stream::{self, StreamExt as _};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Keeper;

/// No schedule may take longer, whatever happens in it.
const DEADLINE: Duration = Duration::from_secs(90);

/// What a connection suffers.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// Ends at once.
    Refuse,
    /// Ends after so many bytes, both ways.
    Cut(u64),
    /// Carries nothing for a while after so many bytes.
    Stall(u64, Duration),
    /// Carries nothing any more after so many bytes, and nobody is told.
    Vanish(u64),
    /// The way back ends after so many bytes; the way there does not.
    HalfClose(u64),
}

fn fault(random: &mut StdRng, connection: u64) -> Fault {
    // A network that never works cannot be survived.
    if connection >= 6 {
        return Fault::None;
    }
    // The key exchange takes some 4,000 bytes: faults fall before, into and after it, into the work and into a transfer.
    let far = random.random_bool(0.25);
    let at = random.random_range(0..if far { 200_000 } else { 9_000 });
    match random.random_range(0..10) {
        0 => Fault::None,
        1 => Fault::Refuse,
        2..=5 => Fault::Cut(at),
        6 | 7 => Fault::Stall(at, Duration::from_millis(random.random_range(50..900))),
        8 => Fault::HalfClose(at),
        _ => Fault::Vanish(at),
    }
}

/// A port that leads to another one over a network with this seed.
async fn network(to: SocketAddr, seed: u64) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut random = StdRng::seed_from_u64(seed);
        let mut connections = tokio::task::JoinSet::new();
        for number in 0.. {
            let Ok((near, _)) = listener.accept().await else { return };
            let fault = fault(&mut random, number);
            if std::env::var_os("BERTH_FAULT_SEED").is_some() {
                eprintln!("seed {seed}: connection {number}: {fault:?}");
            }
            let delay = Duration::from_micros(random.random_range(0..4_000));
            connections.spawn(async move {
                if matches!(fault, Fault::Refuse) {
                    return;
                }
                let Ok(far) = TcpStream::connect(to).await else { return };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                let passed = Arc::new(AtomicU64::new(0));
                let there = carry(near_in, far_out, fault, false, delay, passed.clone());
                let back = carry(far_in, near_out, fault, true, delay, passed);
                tokio::select! {
                    () = async { tokio::join!(there, back); } => {}
                    () = sleep(DEADLINE) => {}
                }
            });
        }
    });
    (port, serving)
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    fault: Fault,
    back: bool,
    delay: Duration,
    passed: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; 2_048];
    let mut stalled = false;
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let before = passed.fetch_add(read as u64, Ordering::SeqCst);
        let over = |at: u64| before + read as u64 > at;
        match fault {
            Fault::Cut(at) if over(at) => {
                let part = usize::try_from(at.saturating_sub(before)).unwrap_or(0).min(read);
                let _ = to.write_all(&buffer[..part]).await;
                // Both ways end with this one: its peer finds the socket closed.
                let _ = to.shutdown().await;
                return;
            }
            Fault::HalfClose(at) if back && over(at) => {
                let _ = to.shutdown().await;
                std::future::pending::<()>().await;
            }
            Fault::Vanish(at) if over(at) => std::future::pending::<()>().await,
            Fault::Stall(at, pause) if over(at) && !std::mem::replace(&mut stalled, true) => sleep(pause).await,
            _ => {}
        }
        sleep(delay).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// One schedule: some commands at once, a few after another.
async fn play(machine: &Machine, folder: &Path, seed: u64) -> Result<(), String> {
    let Endpoint::Tcp { port, .. } = machine.target.endpoint else { return Err("it is reached by TCP".to_owned()) };
    let (port, serving) = network(SocketAddr::from(([127, 0, 0, 1], port)), seed).await;
    let mut target = machine.target.clone();
    target.endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port };
    let session = Session::new(target, SessionOptions::default());
    let keeper = Keeper::default();
    let work = (0..3_u64).map(|number| {
        let (session, keeper) = (&session, &keeper);
        async move {
            for round in 0..2_u64 {
                let mark = format!("{seed}-{number}-{round}");
                let (lines, code) = (200 + 300 * number, (seed + number + round) % 7);
                let command = format!(
                    "echo ran >>{}/{mark}; i=0; while [ $i -lt {lines} ]; do i=$((i + 1)); echo line $i of {mark}; done; \
                     sleep 0.{}; echo {mark} >&2; exit {code}",
                    folder.display(),
                    number + round,
                );
                let run = Run { at: Place::here("/"), command, env: Vec::new() };
                let cancel = CancellationToken::new();
                let begun = Instant::now();
                let outcome = loop {
                    let (live, _) = mpsc::channel(16);
                    match keeper.run(session, &run, Duration::from_secs(60), &cancel, live).await {
                        Ok(outcome) => break outcome,
                        // There was no connection yet: nothing was run, and a person would try again.
                        Err(error) if error.message.contains("Nothing was run") && begun.elapsed() < DEADLINE => {
                            sleep(Duration::from_millis(50)).await;
                        }
                        Err(error) => return Err(format!("{mark}: {error}")),
                    }
                };
                let wanted: String = (1..=lines).map(|line| format!("line {line} of {mark}\n")).collect();
                let ran = outcome.ran;
                if ran.stdout != wanted || ran.stderr != format!("{mark}\n") || ran.exit_code != code as i32 {
                    return Err(format!("{mark}: {} bytes, {:?}, {}", ran.stdout.len(), ran.stderr, ran.exit_code));
                }
                let times = std::fs::read_to_string(folder.join(&mark)).unwrap_or_default();
                if times != "ran\n" {
                    return Err(format!("{mark} ran {} times", times.lines().count()));
                }
            }
            Ok(())
        }
    });
    let moved = move_files(&session, folder, seed);
    let all = async { tokio::try_join!(futures::future::try_join_all(work), moved) };
    let played = timeout(DEADLINE, all).await;
    session.close().await;
    serving.abort();
    match played {
        Ok(done) => done.map(|_| ()),
        Err(_) => Err("it hung".to_owned()),
    }
}

/// A folder goes up and comes down again, however often that takes.
async fn move_files(session: &Session, folder: &Path, seed: u64) -> Result<(), String> {
    let at = folder.join(format!("{seed}-files"));
    let (from, there, back) = (at.join("from"), at.join("there"), at.join("back"));
    let content = |number: u64| format!("{seed} {number}\n").repeat(2_000 * number as usize);
    std::fs::create_dir_all(from.join("sub")).map_err(|error| error.to_string())?;
    std::fs::create_dir(&back).map_err(|error| error.to_string())?;
    for number in 0..4 {
        let name = if number % 2 == 0 { format!("{number}") } else { format!("sub/{number}") };
        std::fs::write(from.join(name), content(number)).map_err(|error| error.to_string())?;
    }
    let (up, down) = (there.display().to_string().into_bytes(), there.join("from").display().to_string().into_bytes());
    for upwards in [true, false] {
        let mut resume = false;
        loop {
            let options = TreeOptions {
                id: format!("{seed}"),
                resume,
                cancel: CancellationToken::new(),
                progress: Arc::new(|_, _| {}),
            };
            let moved = if upwards {
                session.upload_tree(std::slice::from_ref(&from), &up, &options).await
            } else {
                session.download_tree(std::slice::from_ref(&down), &back, &options).await
            };
            match moved {
                Ok(outcome) if outcome.missed.count == 0 => break,
                Ok(outcome) => return Err(format!("not all was moved: {:?}", outcome.missed)),
                Err(error) if error.is_final() => return Err(format!("moving files: {error}")),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
            resume = true;
        }
    }
    for number in 0..4 {
        let name = if number % 2 == 0 { format!("{number}") } else { format!("sub/{number}") };
        let arrived = std::fs::read_to_string(back.join("from").join(&name)).map_err(|error| error.to_string())?;
        if arrived != content(number) {
            return Err(format!("{name}: {} bytes instead of {}", arrived.len(), content(number).len()));
        }
    }
    Ok(())
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_network_does_each_command_runs_once_and_is_told_whole() {
    let kind = Kind { name: "a bad network", shell: "bash", config: "MaxSessions 10", ..Default::default() };
    let Some(machine) = Machine::start(&kind) else { return };
    let folder = machine.path("marks");
    std::fs::create_dir(&folder).unwrap();
    let (first, count) = (number("BERTH_FAULT_SEED", 1), number("BERTH_FAULT_SCHEDULES", 16));
    let begun = Instant::now();
    let (machine, folder) = (&machine, &folder);
    let played =
        stream::iter(first..first + count).map(|seed| async move { (seed, play(machine, folder, seed).await) });
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

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_starts_anew_takes_along_what_ran_on_it_and_that_is_told() {
    let kind = Kind { name: "one that starts anew", shell: "bash", ..Default::default() };
    let Some(machine) = Machine::start(&kind) else { return };
    let session = Session::new(machine.target.clone(), SessionOptions::default());
    let (keeper, cancel) = (Keeper::default(), CancellationToken::new());
    let pid = machine.path("pid");
    let command = format!("echo $$ >{}; sleep 300; echo never", pid.display());
    let run = Run { at: Place::here("/"), command, env: Vec::new() };
    let (live, _) = mpsc::channel(16);
    let running = keeper.run(&session, &run, Duration::from_secs(200), &cancel, live);
    let anew = async {
        loop {
            sleep(Duration::from_millis(50)).await;
            let told = std::fs::read_to_string(&pid).unwrap_or_default();
            if let Ok(process) = told.trim().parse() {
                return tokio::task::block_in_place(|| machine.start_anew(process));
            }
        }
    };
    let both = async { tokio::join!(running, anew) };
    let (outcome, ()) = timeout(DEADLINE, both).await.expect("it is not waited for until its time is over");
    let error = outcome.unwrap_err();
    assert!(error.message.contains("started anew") && error.hint.is_some(), "{error:?}");
    let (live, _) = mpsc::channel(16);
    let run = Run { at: Place::here("/"), command: "echo on".to_owned(), env: Vec::new() };
    let outcome = keeper.run(&session, &run, Duration::from_secs(60), &cancel, live).await.unwrap();
    assert_eq!(outcome.ran.stdout, "on\n");
}
