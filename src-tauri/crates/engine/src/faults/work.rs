//! What is done on a machine while its network fails, and what must have come of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use berth_model::{ChannelId, ErrorCode, RpcError};
use berth_ssh::{Session, SshTarget, TreeOptions};
use berth_tools::jobs::{self, State};
use berth_tools::{Fetch, Place, Run, Tool, Write};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::front::{TerminalInput, TerminalOutput};
use crate::kept::Keeper;
use crate::live::Live;
use crate::scripts::call;
use crate::terminals;

/// Between two tries of what a person, too, would try again.
const AGAIN: Duration = Duration::from_millis(50);

/// So many run commands at a time, and so many each, one after the other.
pub(super) const COMMANDS: u64 = 3;
const ROUNDS: u64 = 2;

/// One machine in one schedule.
pub(super) struct On<'a> {
    pub(super) session: Session,
    pub(super) target: SshTarget,
    /// Where all that is done leaves its marks.
    pub(super) folder: &'a Path,
    pub(super) seed: u64,
    /// A port of the machine that says what it hears.
    pub(super) echo: u16,
    /// Whether there was a connection before: from then on one that is lost is waited for.
    pub(super) connected: &'a AtomicBool,
}

/// Some commands, one after the other: each runs once, its output is whole, its exit code right.
pub(super) async fn commands(on: &On<'_>, keeper: &Keeper, number: u64) -> Result<(), String> {
    let On { session, folder, seed, .. } = on;
    for round in 0..ROUNDS {
        let mark = format!("{seed}-{number}-{round}");
        let (lines, code) = (200 + 300 * number, (seed + number + round) % 7);
        let command = format!(
            "echo ran >>{}/{mark}; i=0; while [ $i -lt {lines} ]; do i=$((i + 1)); echo line $i of {mark}; done; \
             sleep 0.{}; echo {mark} >{}; exit {code}",
            folder.display(),
            number + round,
            // By name it prints into pipes that are read into what is kept.
            if (seed + round) % 2 == 0 { "&2" } else { "/dev/stderr" },
        );
        let run = Run { at: Place::here("/"), command, env: Vec::new() };
        let cancel = CancellationToken::new();
        let outcome = loop {
            let (live, _) = mpsc::channel(16);
            match keeper.run(session, &run, Duration::from_secs(60), &cancel, live).await {
                Ok(outcome) => break outcome,
                // There was no connection yet: nothing was run, and a person would try again.
                Err(error) if error.message.contains("Nothing was run") && !on.connected.load(Ordering::Relaxed) => {
                    sleep(AGAIN).await;
                }
                Err(error) => return Err(format!("{mark}: {error}")),
            }
        };
        let wanted: String = (1..=lines).map(|line| format!("line {line} of {mark}\n")).collect();
        let ran = outcome.ran;
        if ran.stdout != wanted || ran.stderr != format!("{mark}\n") || ran.exit_code != code as i32 {
            return Err(format!("{mark}: {} bytes, {:?}, {}", ran.stdout.len(), ran.stderr, ran.exit_code));
        }
        once(&folder.join(&mark))?;
    }
    Ok(())
}

/// A job is started once, and all that it prints is told, from where it was known.
pub(super) async fn job(on: &On<'_>) -> Result<(), String> {
    let mark = on.folder.join(format!("{}-job", on.seed));
    let id = format!("fault-{}-{}", std::process::id(), on.seed);
    let command = format!(
        "echo ran >>{}; i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo line $i; done; sleep 0.3; exit 5",
        mark.display()
    );
    let start = jobs::Start { id: id.clone(), command, at: Place::here("/"), env: Vec::new() };
    insist(on, &start).await?;
    let (mut offset, mut told) = (0, Vec::new());
    let last = loop {
        let part = insist(on, &jobs::Tail { id: id.clone(), offset, limit: 700 }).await?;
        if part.offset != offset.unsigned_abs() {
            return Err(format!("a job's output from {offset} is told from {}", part.offset));
        }
        told.extend(part.bytes);
        offset = i64::try_from(part.next_offset).unwrap_or(i64::MAX);
        if part.job.state != State::Running && part.next_offset == part.size {
            break part.job;
        }
    };
    let wanted: String = (1..=300).map(|line| format!("line {line}\n")).collect();
    if told != wanted.as_bytes() || last.state != (State::Exited { code: 5 }) {
        return Err(format!("a job: {} bytes, {:?}", told.len(), last.state));
    }
    once(&mark)
}

/// A file is written again and again: it always is what was written last, and whole.
pub(super) async fn writes(on: &On<'_>) -> Result<(), String> {
    let at = || Place::new("/", on.folder.join(format!("{}-written", on.seed)).display().to_string());
    let content = |round: u64| format!("{} {round}\n", on.seed).repeat(500 * round as usize).into_bytes();
    // Not over the network: what comes late would be taken for a fault, and has no version to be told by.
    std::fs::write(on.folder.join(format!("{}-written", on.seed)), content(1)).map_err(|error| error.to_string())?;
    let mut version = insist(on, &Fetch { at: at(), max: 1 << 20 }).await?.version;
    for round in 2..5 {
        // One that comes late from a connection that was given up finds another version.
        let write = Write { at: at(), content: content(round), version: Some(version.clone()) };
        loop {
            match call(&on.session, &write).await {
                Ok(written) => break version = written.version,
                Err(error) if is_about_connection(&error) || error.code == ErrorCode::Conflict => sleep(AGAIN).await,
                Err(error) => return Err(format!("writing: {error}")),
            }
            let there = insist(on, &Fetch { at: at(), max: 1 << 20 }).await?;
            if there.bytes == content(round) {
                break version = there.version;
            }
            if there.bytes != content(round - 1) || there.version != version {
                return Err(format!("round {round}: {} bytes are in the file", there.bytes.len()));
            }
        }
    }
    let there = insist(on, &Fetch { at: at(), max: 1 << 20 }).await?;
    if there.bytes == content(4) { Ok(()) } else { Err("something else is in the file at the end".to_owned()) }
}

/// What comes back by a port is what was sent, as far as it comes.
pub(super) async fn port(on: &On<'_>) -> Result<(), String> {
    let sent: Vec<u8> = (0..60_000_u64).map(|at| ((at * 31 + on.seed) % 251) as u8).collect();
    loop {
        let Ok(stream) = on.session.forward_tcp("127.0.0.1", on.echo).await else {
            sleep(AGAIN).await;
            continue;
        };
        let (mut from, mut to) = tokio::io::split(stream);
        let mut came = Vec::new();
        let write = async {
            let _ = to.write_all(&sent).await;
            let _ = to.shutdown().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = from.read_to_end(&mut came) => {}
            () = write => {}
        }
        if !sent.starts_with(&came) {
            return Err(format!("what came by a port is not what was sent, after {} bytes", came.len()));
        }
        if came.len() == sent.len() {
            return Ok(());
        }
        sleep(AGAIN).await;
    }
}

/// A terminal comes back, and its shell is the one that it was.
pub(super) async fn terminal(on: &On<'_>) -> Result<(), String> {
    let live = Live::new(on.session.clone(), on.target.clone(), "/".to_owned());
    let channel = ChannelId::fresh();
    let mut terminal = loop {
        match terminals::open(&live, &channel, 80, 24).await {
            Ok(terminal) => break terminal,
            Err(error) if is_about_connection(&error) => sleep(AGAIN).await,
            Err(error) => return Err(format!("a terminal: {error}")),
        }
    };
    let mut shown = String::new();
    let (begun, mut typed) = (Instant::now(), Instant::now());
    let commands = [format!("kept={}; echo begun-$((1 + 1))-\n", on.seed), "echo still-$kept-\n".to_owned()];
    let answers = ["begun-2-".to_owned(), format!("still-{}-", on.seed)];
    for (command, answer) in commands.iter().zip(&answers) {
        let mut first = true;
        while !shown.contains(answer.as_str()) {
            // What is typed while the machine is away is lost, and typed again.
            if std::mem::take(&mut first) || typed.elapsed() > Duration::from_secs(2) {
                let _ = terminal.input.send(TerminalInput::Write(Bytes::from(command.clone()))).await;
                typed = Instant::now();
            }
            match timeout(Duration::from_millis(200), terminal.output.recv()).await {
                Ok(Some(TerminalOutput::Data(bytes))) => shown.push_str(&String::from_utf8_lossy(&bytes)),
                Ok(Some(TerminalOutput::Exit(code))) => return Err(format!("a terminal ended: {code:?}: {shown}")),
                Ok(None) => return Err("a terminal is gone".to_owned()),
                Err(_) => {}
            }
            if begun.elapsed() > super::DEADLINE {
                return Err(format!("a terminal hung: {shown}"));
            }
        }
        // The connection may be lost between the two.
        sleep(Duration::from_millis(500)).await;
    }
    drop(terminal);
    terminals::end(&on.session, &channel).await;
    Ok(())
}

/// A folder goes up and comes down again, however often that takes.
pub(super) async fn files(on: &On<'_>) -> Result<(), String> {
    let On { session, folder, seed, .. } = on;
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

/// As a person does it: again, while it is the connection that fails.
async fn insist<T: Tool>(on: &On<'_>, tool: &T) -> Result<T::Output, String> {
    loop {
        match call(&on.session, tool).await {
            Err(error) if is_about_connection(&error) => sleep(AGAIN).await,
            done => return done.map_err(|error| format!("{}: {error}", std::any::type_name::<T>())),
        }
    }
}

fn is_about_connection(error: &RpcError) -> bool {
    error.code == ErrorCode::OutcomeUnknown || error.message.contains("Nothing was run")
}

/// What a network brings late, when all is done, starts nothing either.
pub(super) fn all_once(folder: &Path, seed: u64) -> Result<(), String> {
    let commands = (0..COMMANDS).flat_map(|number| (0..ROUNDS).map(move |round| format!("{seed}-{number}-{round}")));
    commands.chain([format!("{seed}-job")]).try_for_each(|mark| once(&folder.join(mark)))
}

fn once(mark: &Path) -> Result<(), String> {
    let times = std::fs::read_to_string(mark).unwrap_or_default();
    if times == "ran\n" { Ok(()) } else { Err(format!("{} ran {} times", mark.display(), times.lines().count())) }
}
