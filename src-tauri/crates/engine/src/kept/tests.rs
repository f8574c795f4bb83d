//! What becomes of a command whose machine, or whose caller, goes away.

use std::path::Path;
use std::time::Duration;

use berth_ssh::{Endpoint, SessionOptions};
use berth_testbed::Way as Road;
use berth_testbed::machine::{Home, Kind, Machine};
use berth_tools::Place;
use tokio::time::timeout;

use super::*;

const DEADLINE: Duration = Duration::from_secs(90);

/// A command that runs for long, and where it says which process it is.
fn long(pid: &Path) -> Run {
    let command = format!("echo $$ >{}; sleep 300; echo never", pid.display());
    Run { at: Place::here("/"), command, env: Vec::new() }
}

async fn process(pid: &Path) -> u32 {
    loop {
        sleep(Duration::from_millis(50)).await;
        if let Ok(process) = std::fs::read_to_string(pid).unwrap_or_default().trim().parse() {
            return process;
        }
    }
}

/// However it is given up, and though the network is away just then.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_given_up_while_the_machine_is_away_ends_when_it_is_back() {
    let kind = Kind { name: "one that is away", shell: "bash", ..Default::default() };
    let Some(machine) = Machine::start(&kind) else { return };
    let Endpoint::Tcp { port, .. } = machine.target.endpoint else { panic!("it is reached by TCP") };
    for cancels in [true, false] {
        let road = Road::to(port, Duration::ZERO).await;
        let session = Session::new(road.target(&machine.target), SessionOptions::default());
        let (keeper, cancel) = (Keeper::default(), CancellationToken::new());
        let pid = machine.path(if cancels { "cancelled" } else { "dropped" });
        let run = long(&pid);
        let (live, _) = mpsc::channel(16);
        let process = {
            let mut running = Box::pin(keeper.run(&session, &run, Duration::from_secs(200), &cancel, live));
            let process = tokio::select! {
                process = process(&pid) => process,
                outcome = &mut running => panic!("it ended: {outcome:?}"),
            };
            road.is_gone(true);
            let _ = timeout_at(Instant::now() + Duration::from_secs(4), &mut running).await;
            if cancels {
                cancel.cancel();
                let outcome = timeout_at(Instant::now() + Duration::from_secs(20), running).await;
                assert_eq!(outcome.expect("who cancels need not wait").unwrap_err().code, ErrorCode::Cancelled);
            }
            process
        };
        sleep(Duration::from_secs(1)).await;
        assert!(berth_testbed::processes::runs(process), "there was no way to it");
        road.is_gone(false);
        let begun = Instant::now();
        while berth_testbed::processes::runs(process) {
            assert!(begun.elapsed() < Duration::from_secs(30), "it runs on");
            sleep(Duration::from_millis(50)).await;
        }
        session.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_starts_anew_takes_along_what_ran_on_it_and_that_is_told() {
    let kind = Kind { name: "one that starts anew", shell: "bash", ..Default::default() };
    let Some(machine) = Machine::start(&kind) else { return };
    let session = Session::new(machine.target.clone(), SessionOptions::default());
    let (keeper, cancel) = (Keeper::default(), CancellationToken::new());
    let pid = machine.path("pid");
    let run = long(&pid);
    let (live, _) = mpsc::channel(16);
    let running = keeper.run(&session, &run, Duration::from_secs(200), &cancel, live);
    let anew = async {
        let process = process(&pid).await;
        tokio::task::block_in_place(|| machine.start_anew(process));
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

/// Where no room is, nothing is kept, and it runs all the same; one that takes the last room still has an exit code.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_keeps_no_command_from_running_and_costs_none_its_exit_code() {
    let kind = Kind { name: "one that is full", shell: "bash", home: Home::Full, ..Default::default() };
    let Some(machine) = Machine::start(&kind) else { return };
    let session = Session::new(machine.target.clone(), SessionOptions::default());
    let (keeper, cancel) = (Keeper::default(), CancellationToken::new());
    let run = async |command: &str| {
        let run = Run { at: Place::here("/"), command: command.to_owned(), env: Vec::new() };
        let (live, mut heard) = mpsc::channel(256);
        let outcome = timeout(DEADLINE, keeper.run(&session, &run, Duration::from_secs(60), &cancel, live)).await;
        let ran = outcome.expect("it ends").unwrap().ran;
        (ran, heard.try_recv().is_ok())
    };
    let (ran, heard) = run("echo out; echo err >&2; exit 3").await;
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.exit_code), ("out\n", "err\n", 3));
    assert!(heard, "its output is told as it comes");
    assert_eq!(run("rm /tmp/full").await.0.exit_code, 0);
    let (ran, _) = run("cat /dev/zero; exit 5").await;
    assert_eq!(ran.exit_code, 5);
    assert!(ran.stdout.len() > 16_384, "{}", ran.stdout.len());
    // What it wrote down is there on the full disk, and room is made by who comes next.
    let look = Look { id: format!("{}-{}", keeper.set, 3), out: 0, err: 0 }.script().unwrap();
    let output = session.run(&look.text, RunOptions::default()).await.unwrap();
    assert!(output.stdout.bytes.starts_with(b"ended\x005\0"), "{output:?}");
    keeper.put(Vec::new(), GATHER_BYTES);
    assert_eq!(run("echo on").await.0.stdout, "on\n");
    let look = Look { id: format!("{}-{}", keeper.set, 4), out: 0, err: 0 }.script().unwrap();
    let output = session.run(&look.text, RunOptions::default()).await.unwrap();
    assert!(output.stdout.bytes.starts_with(b"ended\x000\0"), "{output:?}");
    // One that prints into a pipe is not ended by what cannot be kept of it.
    assert_eq!(run("head -c 50000000 /dev/zero >/dev/stdout; exit 6").await.0.exit_code, 6);
    session.close().await;
}
