//! What a machine has to do to be a sandbox, tried on the machine itself.
//!
//! The same contract holds for every provider: it is what *Check machine* and `berthctl check` show to a person, and what
//! the conformance test demands of servers of all kinds. First comes how the connection came about, step by step, which
//! makes the report the connection's doctor, too.

use std::time::{Duration, Instant};

use berth_model::{ChangedKey, Check, CheckReport};
use berth_ssh::{RunOptions, RunOutput, Session, SshError, SshTarget, Step};
use berth_tools::{Inventory, Tool};
use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use tokio::sync::watch;

use crate::reply::reply;
use crate::terminals::FIND_KEEPER;

/// A check that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(40);
/// So many round trips are measured; the middle one counts.
const ROUNDS: usize = 7;
/// A home with less room than this will not do for long, in bytes.
const ROOM: u64 = 256 * 1024 * 1024;

/// Tries it all. The connections made for it are closed at the end. `notes` are what of an SSH configuration is not
/// understood or not followed: that is no fault of the machine, and is said first. Whatever is found is told at once,
/// with all that was found before it.
pub fn check<'a>(target: &'a SshTarget, notes: &'a [String], tell: Tell<'a>) -> BoxFuture<'a, CheckReport> {
    Box::pin(checked(target, notes, tell))
}

/// Is told what was found so far.
pub type Tell<'a> = &'a (dyn Fn(Vec<Check>) + Send + Sync);

async fn checked(target: &SshTarget, notes: &[String], tell: Tell<'_>) -> CheckReport {
    let mut report = Report { checks: Vec::new(), round_trip_ms: None, tell };
    if !notes.is_empty() {
        report.add("config", "SSH configuration", true, Duration::ZERO, Found::good(notes.join("; ")));
    }
    match report.reach(target).await {
        Err(error) => {
            if report.checks.iter().all(|check| check.ok) {
                let why = error.to_string();
                report.add("connection", "Connection", false, Duration::ZERO, Found::wrong(why, None));
            }
            if let (Some(key), Some(last)) = (error.changed_key(), report.checks.last_mut()) {
                last.changed_key = Some(ChangedKey {
                    host: key.host.clone(),
                    known: key.known.clone(),
                    shown: key.shown.clone(),
                    file: key.file.display().to_string(),
                    ours: key.ours,
                });
            }
        }
        Ok(session) => {
            report.contract(&session).await;
            session.close().await;
        }
    }
    report.finish()
}

/// One step of a connection.
fn connected(step: Step) -> Check {
    let mut label = step.label;
    if let Some(first) = label.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Check {
        optional: false,
        overtaken: false,
        id: step.id,
        label,
        ok: step.ok,
        detail: step.detail,
        hint: step.hint,
        duration_ms: millis(step.duration),
        changed_key: None,
    }
}

struct Report<'a> {
    checks: Vec<Check>,
    round_trip_ms: Option<f64>,
    tell: Tell<'a>,
}

/// What came of one look.
struct Found {
    ok: bool,
    detail: String,
    hint: Option<String>,
}

impl Found {
    fn good(detail: impl Into<String>) -> Self {
        Self { ok: true, detail: detail.into(), hint: None }
    }

    fn wrong(detail: impl Into<String>, hint: Option<&str>) -> Self {
        Self { ok: false, detail: detail.into(), hint: hint.map(str::to_owned) }
    }
}

impl Report<'_> {
    /// Connects. What is found out about a step later stands with it.
    async fn reach(&mut self, target: &SshTarget) -> Result<Session, SshError> {
        let (before, steps) = (self.checks.len(), watch::Sender::new(Vec::new()));
        let mut taken = steps.subscribe();
        let mut reaching = std::pin::pin!(berth_ssh::diagnose(target, steps));
        loop {
            let reached = tokio::select! {
                reached = &mut reaching => Some(reached),
                Ok(()) = taken.changed() => None,
            };
            self.checks.truncate(before);
            self.checks.extend(taken.borrow_and_update().iter().cloned().map(connected));
            self.told();
            if let Some(reached) = reached {
                return reached;
            }
        }
    }

    fn told(&self) {
        let mut checks = self.checks.clone();
        overtake(&mut checks);
        (self.tell)(checks);
    }

    fn add(&mut self, id: &str, label: &str, optional: bool, took: Duration, found: Found) {
        self.checks.push(Check {
            id: id.to_owned(),
            label: label.to_owned(),
            ok: found.ok,
            optional,
            overtaken: false,
            detail: found.detail,
            hint: found.hint,
            duration_ms: millis(took),
            changed_key: None,
        });
        self.told();
    }

    async fn look(&mut self, id: &str, label: &str, optional: bool, look: impl Future<Output = Found>) -> bool {
        let begun = Instant::now();
        let found = tokio::time::timeout(PATIENCE, look).await;
        let found = found.unwrap_or_else(|_| Found::wrong(format!("no answer within {} s", PATIENCE.as_secs()), None));
        let ok = found.ok;
        self.add(id, label, optional, begun.elapsed(), found);
        ok
    }

    async fn contract(&mut self, session: &Session) {
        if !self.look("shell", "A shell that answers", false, shell(session)).await {
            return;
        }
        self.look("exit-code", "Exit codes", false, exit_code(session)).await;
        self.look("streams", "Output, byte for byte", false, streams(session)).await;
        self.look("input", "Input, byte for byte", false, input(session)).await;
        let begun = Instant::now();
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            if session.run(b":", RunOptions { tidy: true, ..limited() }).await.is_ok() {
                rounds.push(begun.elapsed().as_secs_f64() * 1_000.0);
            }
        }
        rounds.sort_by(f64::total_cmp);
        self.round_trip_ms = rounds.get(rounds.len() / 2).map(|ms| (ms * 100.0).round() / 100.0);
        let found = match self.round_trip_ms {
            Some(ms) => Found::good(format!("an action takes {ms} ms")),
            None => Found::wrong("nothing came back", None),
        };
        self.add("round-trip", "Time of one action", false, begun.elapsed(), found);
        self.look("many", "Several at once", false, many(session)).await;
        self.look("write", "Writing files", true, write(session)).await;
        self.look("home", "The home folder", true, home(session)).await;
        self.look("disk", "Disk space", true, disk(session)).await;
        self.look("forwarding", "Reaching its ports", true, forwarding(session)).await;
        self.look("utf-8", "Characters", true, characters(session)).await;
        self.look("multiplexer", "Terminals that survive", true, multiplexer(session)).await;
        self.tools(session).await;
    }

    /// One line for each program: a person sees at once what is missing.
    async fn tools(&mut self, session: &Session) {
        let begun = Instant::now();
        let Ok(script) = Inventory.script() else { return };
        let output = session.run(&script.text, RunOptions { output_limit: script.reply_limit, ..limited() }).await;
        let found = output.ok().and_then(|output| Inventory.parse(&reply(&output)).ok());
        let Some(found) = found else {
            let wrong = Found::wrong("it could not be found out", None);
            return self.add("tools", "Programs", true, begun.elapsed(), wrong);
        };
        if let Some(system) = found.system {
            self.add("system", "System", true, begun.elapsed(), Found::good(system));
        }
        for tool in found.tools {
            let id = format!("tool-{}", tool.name.to_lowercase().replace(' ', "-"));
            let found = match (tool.version, tool.hint) {
                (Some(version), _) => Found::good(version),
                (None, Some(hint)) => Found::wrong("not there", Some(&format!("Install it with: {hint}"))),
                (None, None) => Found::wrong("not there", None),
            };
            self.add(&id, tool.name, true, Duration::ZERO, found);
        }
    }

    fn finish(mut self) -> CheckReport {
        overtake(&mut self.checks);
        let fine = |check: &Check| check.ok || check.optional || check.overtaken;
        let ok = self.round_trip_ms.is_some() && self.checks.iter().all(fine);
        let text = text(ok, &self.checks, self.round_trip_ms);
        CheckReport { ok, checks: self.checks, round_trip_ms: self.round_trip_ms, text }
    }
}

/// Marks what failed and was made up for later.
fn overtake(checks: &mut [Check]) {
    for at in 0..checks.len() {
        let (before, after) = checks.split_at_mut(at + 1);
        if let Some(check) = before.last_mut().filter(|check| !check.ok) {
            let way = way(&check.id);
            check.overtaken = way.is_some() && after.iter().any(|later| later.ok && self::way(&later.id) == way);
        }
    }
}

/// What a step is one of several tries at: one of a machine's addresses, one of the ways to sign in to it.
fn way(id: &str) -> Option<&str> {
    if id.ends_with("tcp") {
        return Some(id);
    }
    id.find("auth").and_then(|at| id.get(..at + 4))
}

fn text(ok: bool, checks: &[Check], round_trip_ms: Option<f64>) -> String {
    let reached = checks.iter().any(|check| check.id == "shell");
    let verdict = match (ok, reached) {
        (true, _) => "This machine can be a sandbox.",
        (false, true) => "This machine cannot be a sandbox.",
        (false, false) => "Berth could not connect to this machine.",
    };
    let mut text = format!("{verdict}\n");
    for check in checks {
        let mark = match check {
            Check { ok: true, .. } => "ok     ",
            Check { overtaken: true, .. } => "skipped",
            Check { optional: true, .. } => "missing",
            _ => "FAILED ",
        };
        text.push_str(&format!("{mark} {}: {} ({} ms)\n", check.label, check.detail, check.duration_ms));
        if let Some(hint) = &check.hint {
            text.push_str(&format!("        {hint}\n"));
        }
    }
    if let Some(ms) = round_trip_ms {
        text.push_str(&format!("One action takes {ms} ms.\n"));
    }
    text
}

fn limited() -> RunOptions {
    RunOptions { timeout: Some(PATIENCE), ..RunOptions::default() }
}

async fn run(session: &Session, script: &str) -> Result<RunOutput, Found> {
    session.run(script.as_bytes(), limited()).await.map_err(|error| Found::wrong(error.to_string(), None))
}

fn said(output: &RunOutput) -> String {
    let text = String::from_utf8_lossy(&output.stdout.bytes);
    text.trim().chars().filter(|letter| !letter.is_control() || *letter == '\n').take(200).collect()
}

async fn shell(session: &Session) -> Found {
    match run(session, "printf '%s' \"${SHELL:-/bin/sh}\"").await {
        Ok(output) if output.exit_code == 0 => Found::good(format!("the login shell is {}", said(&output))),
        Ok(output) => Found::wrong(format!("a command that does nothing ended with {}", output.exit_code), None),
        Err(found) => Found {
            hint: Some(
                "The account needs a login shell that runs commands. A start-up file that ends the shell, waits for \
                 input or starts another program keeps it from that."
                    .to_owned(),
            ),
            ..found
        },
    }
}

async fn exit_code(session: &Session) -> Found {
    match run(session, "exit 7").await {
        Ok(output) if output.exit_code == 7 => Found::good("told exactly"),
        Ok(output) => Found::wrong(format!("{} came where 7 should have", output.exit_code), None),
        Err(found) => found,
    }
}

async fn streams(session: &Session) -> Found {
    let script =
        "i=1; while [ $i -lt 256 ]; do printf \"\\\\$(printf %03o $i)\"; i=$((i + 1)); done; printf 'wr\\200ng' >&2";
    let all: Vec<u8> = (1..=255).collect();
    match run(session, script).await {
        Ok(output) if output.stdout.bytes == all && output.stderr.bytes == b"wr\x80ng" => {
            Found::good("nothing is changed on the way, and errors come apart from output")
        }
        Ok(_) => Found::wrong("bytes are changed on the way", Some("A start-up file may set a terminal’s modes.")),
        Err(found) => found,
    }
}

async fn input(session: &Session) -> Found {
    let sent: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let options = RunOptions { stdin: Some(Bytes::from(sent.clone())), ..limited() };
    match session.run(b"cat", options).await {
        Ok(output) if output.stdout.bytes == sent => Found::good("200 kB went there and back"),
        Ok(_) => Found::wrong("bytes are lost on the way", None),
        Err(error) => Found::wrong(error.to_string(), None),
    }
}

async fn many(session: &Session) -> Found {
    let begun = Instant::now();
    let runs = join_all((0..12).map(|number| async move {
        let output = run(session, &format!("sleep 0.2; echo {number}")).await?;
        if said(&output) == number.to_string() { Ok(()) } else { Err(Found::wrong("an answer was another's", None)) }
    }));
    match runs.await.into_iter().collect::<Result<Vec<()>, Found>>() {
        Ok(_) => Found::good(format!("12 commands of 0.2 s took {:.1} s", begun.elapsed().as_secs_f64())),
        Err(found) => found,
    }
}

async fn write(session: &Session) -> Found {
    let script = "for d in \"$HOME\" \"${TMPDIR:-/tmp}\" /dev/shm; do f=$d/.berth-check-$$\n\
                  if { echo written >\"$f\"; } 2>/dev/null && [ \"$(cat \"$f\")\" = written ]; then rm -f \"$f\"; echo \"$d\"; exit 0; fi\n\
                  rm -f \"$f\" 2>/dev/null; done; exit 1";
    match run(session, script).await {
        Ok(output) if output.exit_code == 0 => Found::good(format!("files can be written in {}", said(&output))),
        Ok(_) => Found::wrong(
            "nothing can be written: not in the home, not for temporary files",
            Some("Free some space on its disk, or let this account write to its home."),
        ),
        Err(found) => found,
    }
}

async fn home(session: &Session) -> Found {
    match run(session, "cd && pwd && f=.berth-check-$$ && { echo x >\"$f\"; } 2>/dev/null && [ -s \"$f\" ]; c=$?; rm -f \"$f\"; exit $c").await {
        Ok(output) if output.exit_code == 0 => Found::good(format!("{} can be written to", said(&output))),
        Ok(output) => Found::wrong(
            format!("{} cannot be written to", said(&output)),
            Some(
                "Choose a folder to work in that this account may write to. Jobs do not outlive a restart of the machine.",
            ),
        ),
        Err(found) => found,
    }
}

async fn disk(session: &Session) -> Found {
    match run(session, "LC_ALL=C df -Pk \"$HOME\" | { read -r x; read -r x a b free x; echo \"$free\"; }").await {
        Ok(output) => match said(&output).parse::<u64>() {
            Ok(kilobytes) => {
                let bytes = kilobytes.saturating_mul(1024);
                let detail = format!("{:.1} GB free", bytes as f64 / 1e9);
                if bytes >= ROOM { Found::good(detail) } else { Found::wrong(detail, Some("Free some space.")) }
            }
            Err(_) => Found::wrong("it could not be found out", None),
        },
        Err(found) => found,
    }
}

/// Nothing listens on port 1: a server that allows forwarding says so, one that forbids it says that.
async fn forwarding(session: &Session) -> Found {
    match session.forward_tcp("127.0.0.1", 1).await {
        Ok(_) | Err(SshError::ForwardRefused { .. }) => Found::good("previews and ports work"),
        Err(SshError::ForwardForbidden { .. }) => Found::wrong(
            "its SSH server forbids forwarding: there are no previews, and no port can be opened",
            Some("Set AllowTcpForwarding to yes in its sshd_config, or start dropbear without -j."),
        ),
        Err(error) => Found::wrong(error.to_string(), None),
    }
}

async fn characters(session: &Session) -> Found {
    match run(session, "locale charmap 2>/dev/null || echo \"${LC_ALL:-${LC_CTYPE:-${LANG:-unknown}}}\"").await {
        Ok(output) => {
            let charmap = said(&output);
            match charmap.to_ascii_lowercase().replace('-', "").contains("utf8") {
                true => Found::good("UTF-8"),
                false => Found::wrong(
                    format!("its locale is {charmap}"),
                    Some("Programs may show other letters than English ones as question marks. Set LANG to C.UTF-8."),
                ),
            }
        }
        Err(found) => found,
    }
}

async fn multiplexer(session: &Session) -> Found {
    match run(session, FIND_KEEPER).await {
        Ok(output) if output.exit_code == 0 => Found::good(format!("kept by {}", said(&output))),
        Ok(_) => Found::wrong(
            "there is no tmux, screen or dtach that can be used: a terminal ends with its connection",
            Some("Install tmux for terminals that survive."),
        ),
        Err(found) => found,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_failed_is_overtaken_by_one_that_did_not() {
        let check = |id: &str, ok| {
            let (id, label, detail) = (id.to_owned(), String::new(), String::new());
            let (hint, changed_key) = (None, None);
            Check { id, label, ok, optional: false, overtaken: false, detail, hint, duration_ms: 0, changed_key }
        };
        let overtaken = |checks: Vec<Check>| {
            let report = Report { checks, round_trip_ms: Some(1.0), tell: &|_| {} }.finish();
            let ids: Vec<_> = report.checks.into_iter().filter(|check| check.overtaken).map(|check| check.id).collect();
            (report.ok, ids.join(" "))
        };
        let (hop, here) = (check("hop1-auth-key", false), check("auth-agent", false));
        let ways = vec![hop.clone(), check("hop1-auth-password", true), check("tcp", false), check("tcp", true)];
        let all = [ways.clone(), vec![here.clone(), check("auth-key", true), check("disk", true)]].concat();
        assert_eq!(overtaken(all), (true, "hop1-auth-key tcp auth-agent".to_owned()));
        // What went well on the way to it makes up for nothing that is wrong at its end.
        assert_eq!(overtaken([ways, vec![here]].concat()), (false, "hop1-auth-key tcp".to_owned()));
        assert_eq!(overtaken(vec![check("hop1-tcp", true), check("tcp", false)]), (false, String::new()));
        assert_eq!(overtaken(vec![check("shell", false), check("streams", true)]), (false, String::new()));
    }
}
