//! The contract of a sandbox, demanded of real SSH servers of many kinds and of a sandbox on this computer, and all that
//! an agent or a person does in one.
//!
//! What came of it is `CONFORMANCE.md` beside this crate's manifest; the test fails where the page no longer tells the
//! truth, and writes it with `BERTH_WRITE_DOCS=1`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that cannot go on stops")]

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use berth_engine::check::check;
use berth_model::{ChannelId, CheckReport};
use berth_providers::{Local, LocalConfig, SandboxSpec};
use berth_ssh::{PtyRequest, RunOptions, Session, SessionOptions, SshTarget, TreeOptions};
use berth_testbed::machine::{Home, Kind, Machine};
use berth_testbed::{has_terminals, is_root};
use berth_tools::kept::{Keep, Kept, Look, Standing};
use berth_tools::{Content, Place, Ran, Reply, Run, Tool, ToolError, jobs};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

const PRINTS: &str = "echo 'Welcome! You have mail.'; echo noise >&2\n";

fn kinds() -> Vec<Kind> {
    let shell = |name, shell| Kind { name, shell, ..Kind::default() };
    let mut kinds = vec![
        shell("OpenSSH, bash", "bash"),
        shell("OpenSSH, dash", "dash"),
        shell("OpenSSH, zsh", "zsh"),
        shell("OpenSSH, fish", "fish"),
        shell("OpenSSH, tcsh", "tcsh"),
        shell("OpenSSH, BusyBox ash", "ash"),
        Kind { name: "dropbear", dropbear: true, shell: "sh", ..Kind::default() },
        Kind { name: "dropbear -j (no forwarding)", dropbear: true, shell: "sh", config: "-j", ..Kind::default() },
        Kind { name: "MaxSessions 1", shell: "bash", config: "MaxSessions 1", ..Kind::default() },
        Kind {
            name: "AllowTcpForwarding no",
            shell: "bash",
            config: "AllowTcpForwarding no\nAllowStreamLocalForwarding no",
            ..Kind::default()
        },
        Kind {
            name: ".bashrc prints text",
            shell: "bash",
            files: &[(".bashrc", PRINTS), (".profile", PRINTS)],
            ..Kind::default()
        },
        Kind { name: ".bashrc sleeps 2 s", shell: "bash", files: &[(".bashrc", "sleep 2\n")], ..Kind::default() },
        Kind { name: ".bashrc has exec zsh", shell: "bash", files: &[(".bashrc", "exec zsh\n")], ..Kind::default() },
        Kind { name: "read-only home", shell: "bash", home: Home::ReadOnly, ..Kind::default() },
        Kind { name: "full disk", shell: "bash", home: Home::Full, ..Kind::default() },
        Kind { name: "locale that is not UTF-8", shell: "bash", config: "SetEnv LC_ALL=C LANG=C", ..Kind::default() },
    ];
    // Which of the two the test itself is, the others are, too.
    if is_root() {
        kinds.push(Kind { name: "a user who is not root", shell: "bash", other_user: true, ..Kind::default() });
    }
    kinds
}

/// What is done on each, and what the page calls it.
const COLUMNS: [&str; 7] = ["contract", "files", "runs", "jobs", "terminal", "transfers", "ports"];

/// What the contract's report must say is wrong with a machine, and of no other one.
fn lacks(kind: &str) -> &'static [&'static str] {
    match kind {
        "AllowTcpForwarding no" | "dropbear -j (no forwarding)" => &["forwarding"],
        "read-only home" => &["home"],
        "full disk" => &["write", "home"],
        "locale that is not UTF-8" => &["utf-8"],
        _ => &[],
    }
}

/// What a machine is not expected to do, and why.
fn excused(kind: &Kind, column: &str) -> Option<&'static str> {
    match (kind.name, column) {
        ("AllowTcpForwarding no" | "dropbear -j (no forwarding)", "ports") => Some("its server forbids it"),
        ("full disk", "jobs") => Some("there is no room to keep one"),
        ("read-only home" | "full disk", "files" | "transfers") => Some("nothing can be written there"),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_machine_is_a_sandbox() {
    let mut page = String::from(
        "# What works on which machine\n\n\
         Made by `cargo test -p berth-engine --test conformance` with `BERTH_WRITE_DOCS=1`, against the real servers on\n\
         Linux; run as root with all of them installed, the test fails where this page does not tell the truth. *contract* is what `berthctl check` looks at.\n\n",
    );
    let _ = writeln!(page, "| machine | {} |\n|---|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
    let mut faults = Vec::new();
    let mut whole = true;
    let computer = Computer::start().await;
    for kind in [Kind { name: HERE, ..Kind::default() }].into_iter().chain(kinds()) {
        let machine = if kind.name == HERE { None } else { Machine::start(&kind) };
        let ours = computer.as_ref().filter(|_| kind.name == HERE).map(|computer| &computer.target);
        let Some(target) = ours.or(machine.as_ref().map(|machine| &machine.target)) else {
            whole = false;
            continue;
        };
        eprintln!("on {}", kind.name);
        let report = check(target, &[], &|_| {}).await;
        // Most of these have no locale at all.
        let looked = ["write", "home", "forwarding", "shell", "streams", "input", "many"];
        for id in looked.iter().chain(lacks(kind.name)) {
            let ok = report.checks.iter().find(|check| check.id == *id).map(|check| check.ok);
            if ok != Some(!lacks(kind.name).contains(id)) {
                faults.push(format!("{}: the report says of {id}: {ok:?}", kind.name));
            }
        }
        let session = Session::new(target.clone(), SessionOptions::default());
        let mut cells = Vec::new();
        for column in COLUMNS {
            let acting = async {
                match column {
                    // It has a network of its own: what listens here is not reached from there.
                    "ports" if kind.name == HERE => port_inside(&session).await,
                    _ => act(column, &report, &session).await,
                }
            };
            let done = tokio::time::timeout(Duration::from_secs(90), acting).await;
            // What cannot be done is said, not waited for.
            let excuse = excused(&kind, column).filter(|_| done.is_ok());
            let done = done.unwrap_or_else(|_| Err("it hung".to_owned()));
            cells.push(match (done, excuse) {
                (Ok(()), None) => "yes".to_owned(),
                (Err(_), Some(why)) => format!("no: {why}"),
                (Ok(()), Some(_)) => {
                    faults.push(format!("{}: {column} works, and was not expected to", kind.name));
                    "yes".to_owned()
                }
                (Err(why), None) => {
                    faults.push(format!("{}: {column}: {why}", kind.name));
                    "NO".to_owned()
                }
            });
        }
        session.close().await;
        let _ = writeln!(page, "| {} | {} |", kind.name, cells.join(" | "));
    }
    if let Some(computer) = computer {
        computer.end().await;
    }
    let _ = std::fs::remove_dir_all("/tmp/berth-jobs-home");
    // Where a home cannot be written, runs are kept here, until a later one says that they were seen.
    for entry in std::fs::read_dir("/tmp").unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("berth-run-conformance") {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    assert!(faults.is_empty(), "{page}\n{}", faults.join("\n"));
    let path = "CONFORMANCE.md";
    if std::env::var_os("BERTH_WRITE_DOCS").is_some() {
        std::fs::write(path, page).unwrap();
    } else if whole && is_root() {
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page, "write it with BERTH_WRITE_DOCS=1");
    }
}

/// A sandbox on this computer, as the app makes one.
const HERE: &str = "this computer (a local sandbox)";

struct Computer {
    local: Local,
    id: ChannelId,
    target: SshTarget,
    _folder: TempDir,
}

impl Computer {
    /// Nothing where this computer has no sandboxes; where CI says that all is there, it has.
    async fn start() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("bf").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let local = Local::new(LocalConfig {
            data_dir: folder.path().join("data"),
            runtime_dir: folder.path().join("run"),
            sandboxd: None,
        });
        let id = ChannelId::fresh();
        let spec = SandboxSpec { id: id.clone(), hostname: "demo".to_owned(), network: None };
        match local.start(&spec).await {
            Ok(started) => Some(Self { local, id, target: started.target, _folder: folder }),
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "{error}");
                eprintln!("no sandbox here: {error}");
                None
            }
        }
    }

    async fn end(self) {
        self.local.destroy(&self.id).await.unwrap();
    }
}

async fn act(column: &str, report: &CheckReport, session: &Session) -> Result<(), String> {
    match column {
        "contract" => {
            if report.ok {
                Ok(())
            } else {
                Err(report.text.clone())
            }
        }
        "files" => files(session).await,
        "runs" => runs(session).await,
        "jobs" => jobs_of(session).await,
        "terminal" => terminal(session).await,
        "transfers" => transfers(session).await,
        _ => ports(report, session).await,
    }
}

async fn tool<T: Tool>(session: &Session, tool: &T) -> Result<T::Output, String> {
    let told = |error: ToolError| format!("{}: {}", std::any::type_name::<T>(), error.message);
    let script = tool.script().map_err(told)?;
    let stdin = script.stdin.clone().map(Bytes::from);
    let options = RunOptions { stdin, output_limit: script.reply_limit, ..RunOptions::default() };
    let output = session.run(&script.text, options).await.map_err(|error| error.to_string())?;
    let (stdout, stderr) = (output.stdout.bytes.as_slice(), output.stderr.bytes.as_slice());
    tool.parse(&Reply { stdout, stderr, exit_code: output.exit_code, truncated: false }).map_err(told)
}

fn must(that: bool, what: &str) -> Result<(), String> {
    if that { Ok(()) } else { Err(what.to_owned()) }
}

async fn home(session: &Session) -> Result<String, String> {
    let output = session.run(b"printf %s \"$HOME\"", RunOptions::default()).await.map_err(|error| error.to_string())?;
    String::from_utf8(output.stdout.bytes).map_err(|error| error.to_string())
}

async fn files(session: &Session) -> Result<(), String> {
    let at = |name: &str| Place::new("~/tree", name);
    let content = b"one\ntwo\nthr\xc3\xa9e\n".to_vec();
    tool(session, &berth_tools::Write { at: at("a b/it's"), content: content.clone(), version: None }).await?;
    let read = tool(session, &berth_tools::Fetch { at: at("a b/it's"), max: 1 << 20 }).await?;
    must(
        format!("{read:?}").contains("two") || format!("{read:?}").contains("116, 119, 111"),
        "the file reads differently",
    )?;
    let large = vec![b'x'; 300_000];
    tool(session, &berth_tools::Write { at: at("large"), content: large, version: None }).await?;
    let listing = tool(session, &berth_tools::List { at: at("."), offset: None, limit: None }).await?;
    must(listing.total == 2, "the listing is not of two entries")?;
    let some = berth_tools::Read { at: at("a b/it's"), offset: Some(2), limit: Some(1) };
    let some = tool(session, &some).await?.content;
    must(matches!(some, Content::Text { text, .. } if text == "two\n"), "a part of a file reads differently")?;
    let (old, new) = ("two".to_owned(), "2".to_owned());
    let edit = berth_tools::Edit { at: at("a b/it's"), old, new, all: false, version: None };
    let fetched = tool(session, &edit.fetch()).await?;
    let applied = edit.apply(&fetched).map_err(|error| error.message)?;
    tool(session, &applied.write).await?;
    let grep = berth_tools::Grep {
        at: at("."),
        pattern: "^(2|thr.+)$".to_owned(),
        glob: None,
        ignore_case: false,
        literal: false,
        limit: None,
    };
    let lines: Vec<u64> = tool(session, &grep).await?.matches.iter().map(|found| found.line).collect();
    must(lines == [2, 3], "text is not found where it was put")?;
    let found =
        tool(session, &berth_tools::Glob { at: at("."), pattern: "**/it*".to_owned(), limit: Some(10) }).await?;
    must(found.paths.len() == 1, "glob does not find the file")?;
    let stat = tool(session, &berth_tools::Stat { at: at("large") }).await?;
    must(format!("{stat:?}").contains("300000"), "stat tells another size")?;
    tool(session, &berth_tools::Move { from: at("large"), to: at("moved"), replace: false }).await?;
    tool(session, &berth_tools::Delete { at: at("."), recursive: true }).await?;
    Ok(())
}

async fn runs(session: &Session) -> Result<(), String> {
    let at = Place::here("/");
    let keep = |command: &str| Keep {
        id: format!("conformance-{:x}", rand_id()),
        run: Run { at: at.clone(), command: command.to_owned(), env: vec![("A".to_owned(), "b c".to_owned())] },
        seen: Vec::new(),
        sweep: true,
    };
    let short = keep("echo \"$A\"; pwd; echo wrong >&2; exit 3");
    let ran = match tool(session, &short).await? {
        Kept::Ended(ran) => ran,
        Kept::NoRoom => tool(session, &short.run).await?,
        other => return Err(format!("it did not run: {other:?}")),
    };
    must((ran.stdout.as_str(), ran.stderr.as_str(), ran.exit_code) == ("b c\n/\n", "wrong\n", 3), &format!("{ran:?}"))?;
    let long = keep("yes | head -c 3000000");
    let ran = match tool(session, &long).await? {
        Kept::Untold => ended(session, &long).await?,
        Kept::NoRoom => tool(session, &long.run).await?,
        other => return Err(format!("a long output is told at once: {other:?}")),
    };
    must(ran.exit_code == 0 && ran.stdout.starts_with("y\ny\n"), "a long output is wrong")
}

/// What a look tells of a run that ended.
async fn ended(session: &Session, keep: &Keep) -> Result<Ran, String> {
    let look = Look { id: keep.id.clone(), out: 0, err: 0 };
    let script = look.script().map_err(|error| error.to_string())?;
    let options = RunOptions { output_limit: script.reply_limit, ..RunOptions::default() };
    let output = session.run(&script.text, options).await.map_err(|error| error.to_string())?;
    let reply = Reply { stdout: &output.stdout.bytes, stderr: &[], exit_code: output.exit_code, truncated: false };
    match look.standing(&keep.run, &reply).map_err(|error| error.to_string())? {
        Standing::Ended(ran) => Ok(ran),
        standing => Err(format!("it is not told of: {standing:?}")),
    }
}

fn rand_id() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

async fn jobs_of(session: &Session) -> Result<(), String> {
    let id = format!("c{:x}", rand_id());
    let command = "echo up; exec sleep 1000".to_owned();
    tool(session, &jobs::Start { id: id.clone(), command, at: Place::here("/"), env: Vec::new() }).await?;
    let mut out = Vec::new();
    for _ in 0..50 {
        out = tool(session, &jobs::Tail { id: id.clone(), offset: 0, limit: 100 }).await?.bytes;
        if out == b"up\n" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    must(out == b"up\n", "its output is not there")?;
    let stopped = tool(session, &jobs::Stop { id: id.clone(), grace_ms: 2_000 }).await?;
    must(stopped.state == jobs::State::Stopped, "it was not stopped")?;
    tool(session, &jobs::Forget { id }).await
}

async fn terminal(session: &Session) -> Result<(), String> {
    if !has_terminals() {
        return Ok(());
    }
    let request = PtyRequest {
        cols: 100,
        rows: 30,
        term: "xterm-256color".to_owned(),
        // As the app asks for one. What is asked for is run, and not only typed.
        command: Some("cd / && echo 'asked!'$((40 + 2)); exec sh".to_owned()),
    };
    let mut pty = session.pty(request).await.map_err(|error| error.to_string())?;
    let (mut said, mut typed) = (Vec::new(), false);
    while let Some(bytes) = pty.reader.recv().await {
        said.extend_from_slice(&bytes);
        // zsh loses what is typed while it hands the terminal over, in any terminal.
        if !typed && String::from_utf8_lossy(&said).contains("asked!42") {
            typed = true;
            let line = Bytes::from_static(b"stty size; exit 4\n");
            pty.writer.write(line).await.map_err(|error| error.to_string())?;
        }
    }
    let text = String::from_utf8_lossy(&said);
    must(text.contains("asked!42"), &format!("what was asked for was not run: {text}"))?;
    must(text.contains("30 100"), &format!("its size is not 30 by 100: {text}"))?;
    must(pty.reader.exit_code() == Some(4), "its exit code is not 4")
}

/// A folder goes up and comes down again, as it is dropped into the window and fetched from it.
async fn transfers(session: &Session) -> Result<(), String> {
    let here = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (from, back) = (here.path().join("sent"), here.path().join("back"));
    std::fs::create_dir_all(from.join("sub")).and(std::fs::create_dir(&back)).map_err(|error| error.to_string())?;
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 253) as u8).collect();
    for (name, bytes, mode) in [("large", &content[..], 0o640), ("sub/it's one", b"#!/bin/sh\n", 0o755)] {
        std::fs::write(from.join(name), bytes).map_err(|error| error.to_string())?;
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(from.join(name), mode).map_err(|error| error.to_string())?;
    }
    let options = TreeOptions {
        id: format!("conformance-{:x}", rand_id()),
        resume: false,
        cancel: CancellationToken::new(),
        progress: Arc::new(|_, _| {}),
    };
    let home = home(session).await?;
    let up = session
        .upload_tree(std::slice::from_ref(&from), home.as_bytes(), &options)
        .await
        .map_err(|error| error.to_string())?;
    must(up.missed.count == 0, &format!("{:?}", up.missed))?;
    let there = format!("{home}/sent").into_bytes();
    let down = session.download_tree(&[there], &back, &options).await.map_err(|error| error.to_string())?;
    must(down.missed.count == 0, &format!("{:?}", down.missed))?;
    for name in ["large", "sub/it's one"] {
        let (sent, came) = (from.join(name), back.join("sent").join(name));
        let same = std::fs::read(&sent).ok() == std::fs::read(&came).ok();
        let mode = |path: &Path| std::fs::metadata(path).map(|file| file.permissions().mode()).ok();
        must(same && mode(&sent) == mode(&came), &format!("{name} came back different"))?;
    }
    tool(session, &berth_tools::Delete { at: Place::new("~", "sent"), recursive: true }).await
}

/// The machine's own SSH server is what surely listens there.
async fn ports(report: &CheckReport, session: &Session) -> Result<(), String> {
    let told = report.checks.iter().find(|check| check.id == "forwarding").map(|check| check.ok);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let serve = async {
        let (mut stream, _) = listener.accept().await?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).await?;
        stream.write_all(&word).await
    };
    let ask = async {
        let mut stream = session.forward_tcp("127.0.0.1", port).await.map_err(|error| error.to_string())?;
        stream.write_all(b"ping").await.map_err(|error| error.to_string())?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(word)
    };
    let asked = tokio::select! {
        asked = ask => asked,
        Err(error) = serve => Err(error.to_string()),
    };
    must(told == Some(asked.is_ok()), "the check says otherwise")?;
    must(asked? == *b"ping", "something else came back")
}

/// A server of the sandbox's own.
async fn port_inside(session: &Session) -> Result<(), String> {
    let id = format!("c{:x}", rand_id());
    let command = "exec python3 -c 'import socket; s = socket.create_server((\"127.0.0.1\", 4711))
while True: c = s.accept()[0]; c.sendall(c.recv(4)); c.close()'"
        .to_owned();
    tool(session, &jobs::Start { id: id.clone(), command, at: Place::here("/"), env: Vec::new() }).await?;
    let mut word = [0; 4];
    for _ in 0..100 {
        if let Ok(mut stream) = session.forward_tcp("127.0.0.1", 4711).await
            && stream.write_all(b"ping").await.is_ok()
            && stream.read_exact(&mut word).await.is_ok()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tool(session, &jobs::Stop { id, grace_ms: 2_000 }).await?;
    must(word == *b"ping", "nothing came back")
}
