//! What is done in a sandbox: each command is an action of a tool.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use berth_model::*;
use berth_tools::{Content, Kind, Place};

use crate::actions::Action;
use crate::channel::Handle;
use crate::engine::Engine;
use crate::error::tool_error;
use crate::jobs;
use crate::scripts::Told;

/// How long a command may take unless its caller says so, in seconds.
const RUN_SECONDS: u32 = 120;
/// And how long at most.
const RUN_SECONDS_MOST: u32 = 3_600;

/// An action that is about to be performed.
pub fn action<'a>(
    engine: &'a Engine,
    handle: &'a Arc<Handle>,
    caller: &'a Author,
    verb: Verb,
    subject: &str,
) -> Action<'a> {
    Action { world: &engine.0.world, handle, caller, verb, subject: subject.to_owned(), id: None, quiet: false }
}

pub async fn read(engine: &Engine, caller: &Author, request: ActionRead) -> Result<FileRead, RpcError> {
    let handle = engine.handle(&request.channel)?;
    action(engine, &handle, caller, Verb::Read, &request.path)
        .perform(
            |runner| {
                Box::pin(async move {
                    let at = Place::new(runner.workdir(), request.path);
                    let tool = berth_tools::Read { at, offset: request.offset, limit: request.limit };
                    runner.tool(&tool).await.map(file_read)
                })
            },
            |file| Told {
                summary: Some(match &file.content {
                    FileContent::Text { text, .. } => count(text.lines().count(), "line", "lines"),
                    FileContent::Image { mime, .. } => mime.clone(),
                    FileContent::Binary { .. } => "not text".to_owned(),
                }),
                ..Told::default()
            },
        )
        .await
}

pub async fn write(engine: &Engine, caller: &Author, request: ActionWrite) -> Result<FileWritten, RpcError> {
    let handle = engine.handle(&request.channel)?;
    let content = match request.encoding.unwrap_or(Encoding::Utf8) {
        Encoding::Utf8 => request.content.into_bytes(),
        Encoding::Base64 => BASE64.decode(request.content).map_err(|error| {
            RpcError::new(ErrorCode::BadRequest, format!("The content is not Base64: {error}. Nothing was written."))
        })?,
    };
    let subject = request.path.clone();
    action(engine, &handle, caller, Verb::Write, &subject)
        .perform(
            |runner| {
                Box::pin(async move {
                    let at = Place::new(runner.workdir(), request.path);
                    let tool = berth_tools::Write { at, content, version: request.version };
                    let written = runner.tool(&tool).await?;
                    Ok(FileWritten {
                        path: written.path,
                        size: written.size,
                        version: written.version,
                        created: written.created,
                    })
                })
            },
            |file| Told {
                summary: Some(format!("{}, {} bytes", if file.created { "new" } else { "replaced" }, file.size)),
                changed: vec![file.path.clone()],
                ..Told::default()
            },
        )
        .await
}

pub async fn edit(engine: &Engine, caller: &Author, request: ActionEdit) -> Result<FileEdited, RpcError> {
    let handle = engine.handle(&request.channel)?;
    let subject = request.path.clone();
    action(engine, &handle, caller, Verb::Edit, &subject)
        .perform(
            |runner| {
                Box::pin(async move {
                    let edit = berth_tools::Edit {
                        at: Place::new(runner.workdir(), request.path),
                        old: request.old,
                        new: request.new,
                        all: request.all,
                        version: request.version,
                    };
                    let file = runner.tool(&edit.fetch()).await?;
                    let applied = edit.apply(&file).map_err(tool_error)?;
                    let written = runner.tool(&applied.write).await?;
                    Ok(FileEdited {
                        path: written.path,
                        replaced: applied.replaced,
                        version: written.version,
                        diff: applied.diff,
                        added: applied.added,
                        removed: applied.removed,
                    })
                })
            },
            |file| Told {
                summary: Some(format!("+{} −{}", file.added, file.removed)),
                output: Some(file.diff.clone()),
                changed: vec![file.path.clone()],
                ..Told::default()
            },
        )
        .await
}

pub async fn glob(engine: &Engine, caller: &Author, request: ActionGlob) -> Result<GlobResult, RpcError> {
    let handle = engine.handle(&request.channel)?;
    let subject = request.pattern.clone();
    action(engine, &handle, caller, Verb::Glob, &subject)
        .perform(
            |runner| {
                Box::pin(async move {
                    let at = place(runner.workdir(), request.path);
                    let tool = berth_tools::Glob { at, pattern: request.pattern, limit: request.limit };
                    let found = runner.tool(&tool).await?;
                    Ok(GlobResult { paths: found.paths, truncated: found.truncated })
                })
            },
            |found| Told { summary: Some(count(found.paths.len(), "file", "files")), ..Told::default() },
        )
        .await
}

pub async fn grep(engine: &Engine, caller: &Author, request: ActionGrep) -> Result<GrepResult, RpcError> {
    let handle = engine.handle(&request.channel)?;
    let subject = format!("“{}”", request.pattern);
    action(engine, &handle, caller, Verb::Grep, &subject)
        .perform(
            |runner| {
                Box::pin(async move {
                    let tool = berth_tools::Grep {
                        at: place(runner.workdir(), request.path),
                        pattern: request.pattern,
                        glob: request.glob,
                        ignore_case: request.ignore_case,
                        literal: request.literal,
                        limit: request.limit,
                    };
                    let found = runner.tool(&tool).await?;
                    let matches = found
                        .matches
                        .into_iter()
                        .map(|one| GrepMatch { path: one.path, line: one.line, text: one.text })
                        .collect();
                    Ok(GrepResult { matches, files: found.files, truncated: found.truncated })
                })
            },
            |found| {
                let files = usize::try_from(found.files).unwrap_or(usize::MAX);
                let matches = count(found.matches.len(), "match", "matches");
                Told { summary: Some(format!("{matches} in {}", count(files, "file", "files"))), ..Told::default() }
            },
        )
        .await
}

pub async fn list(engine: &Engine, caller: &Author, request: ActionList) -> Result<Listing, RpcError> {
    let handle = engine.handle(&request.channel)?;
    let subject = request.path.clone().unwrap_or_else(|| ".".to_owned());
    action(engine, &handle, caller, Verb::List, &subject)
        .perform(
            |runner| {
                Box::pin(async move {
                    let at = place(runner.workdir(), request.path);
                    let tool = berth_tools::List { at, offset: request.offset, limit: request.limit };
                    let listing = runner.tool(&tool).await?;
                    let entries = listing.entries.into_iter().map(entry).collect();
                    Ok(Listing { path: listing.path, entries, total: listing.total })
                })
            },
            |listing| {
                let total = usize::try_from(listing.total).unwrap_or(usize::MAX);
                Told { summary: Some(count(total, "entry", "entries")), ..Told::default() }
            },
        )
        .await
}

pub async fn stat(engine: &Engine, caller: &Author, request: ActionStat) -> Result<FileStat, RpcError> {
    let handle = engine.handle(&request.channel)?;
    let subject = request.path.clone();
    action(engine, &handle, caller, Verb::Stat, &subject)
        .perform(
            |runner| {
                Box::pin(async move {
                    let at = Place::new(runner.workdir(), request.path);
                    runner.tool(&berth_tools::Stat { at }).await.map(file_stat)
                })
            },
            |_| Told::default(),
        )
        .await
}

pub async fn rename(engine: &Engine, caller: &Author, request: ActionMove) -> Result<FileStat, RpcError> {
    let handle = engine.handle(&request.channel)?;
    let subject = format!("{} → {}", request.from, request.to);
    action(engine, &handle, caller, Verb::Move, &subject)
        .perform(
            |runner| {
                Box::pin(async move {
                    let tool = berth_tools::Move {
                        from: Place::new(runner.workdir(), request.from),
                        to: Place::new(runner.workdir(), request.to),
                        replace: request.replace,
                    };
                    runner.tool(&tool).await.map(file_stat)
                })
            },
            |moved| Told { changed: vec![moved.path.clone()], ..Told::default() },
        )
        .await
}

pub async fn delete(engine: &Engine, caller: &Author, request: ActionDelete) -> Result<Empty, RpcError> {
    let handle = engine.handle(&request.channel)?;
    let subject = request.path.clone();
    let changed = absolute(&handle.channel().workdir, &request.path);
    action(engine, &handle, caller, Verb::Delete, &subject)
        .perform(
            |runner| {
                Box::pin(async move {
                    let at = Place::new(runner.workdir(), request.path);
                    runner.tool(&berth_tools::Delete { at, recursive: request.recursive }).await?;
                    Ok(Empty {})
                })
            },
            |_| Told { changed: vec![changed], ..Told::default() },
        )
        .await
}

pub async fn run(engine: &Engine, caller: &Author, request: ActionRun) -> Result<RunResult, RpcError> {
    let handle = engine.handle(&request.channel)?;
    let begun = std::time::Instant::now();
    let timeout = request.timeout_s.unwrap_or(RUN_SECONDS).clamp(1, RUN_SECONDS_MOST);
    let action = Action { id: request.id.clone(), ..action(engine, &handle, caller, Verb::Run, &request.command) };
    let jobs_of = handle.clone();
    action
        .perform(
            |runner| {
                Box::pin(async move {
                    let at = place(runner.workdir(), request.cwd);
                    let env = request.env.unwrap_or_default().into_iter().collect();
                    if request.background {
                        let start = jobs::new(&request.command, at, env);
                        let told = runner.tool(&start).await;
                        let action = Some(runner.action().clone());
                        let unseen =
                            |error: &RpcError| matches!(error.code, ErrorCode::OutcomeUnknown | ErrorCode::Cancelled);
                        if told.as_ref().is_err_and(unseen) {
                            // It may run: where it does, it is found by its id once the machine answers.
                            let cwd = start.at.display();
                            jobs_of.job(jobs::unseen(&start, cwd, request.service, action.clone())).await;
                        }
                        let job = jobs::job(&told?, request.service, action);
                        jobs_of.job(job.clone()).await;
                        return Ok(started(job.id, begun));
                    }
                    let tool = berth_tools::Run { at, command: request.command, env };
                    let (ran, timed_out) = runner.command(&tool, Duration::from_secs(timeout.into())).await?;
                    Ok(RunResult {
                        stdout: ran.stdout,
                        stderr: match timed_out {
                            true => format!("{}\nStopped after {timeout} s, as asked.\n", ran.stderr),
                            false => ran.stderr,
                        },
                        exit_code: if timed_out { 124 } else { ran.exit_code },
                        timed_out,
                        duration_ms: elapsed(begun),
                        truncated: ran.truncated,
                        job: None,
                    })
                })
            },
            |ran| Told {
                output: Some(format!("{}{}", ran.stdout, ran.stderr)).filter(|output| !output.is_empty()),
                exit_code: ran.job.is_none().then_some(ran.exit_code),
                job: ran.job.clone(),
                ..Told::default()
            },
        )
        .await
}

fn place(workdir: String, path: Option<String>) -> Place {
    match path {
        Some(path) => Place::new(workdir, path),
        None => Place::here(workdir),
    }
}

fn absolute(workdir: &str, path: &str) -> String {
    if path.starts_with('/') || path.starts_with('~') { path.to_owned() } else { format!("{workdir}/{path}") }
}

fn started(job: JobId, begun: std::time::Instant) -> RunResult {
    RunResult {
        stdout: String::new(),
        stderr: String::new(),
        exit_code: 0,
        timed_out: false,
        duration_ms: elapsed(begun),
        truncated: false,
        job: Some(job),
    }
}

fn elapsed(begun: std::time::Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

fn file_read(file: berth_tools::FileRead) -> FileRead {
    let content = match file.content {
        Content::Text { text, first_line, total_lines, more } => {
            FileContent::Text { text, first_line, total_lines, more }
        }
        Content::Image { mime, bytes } => FileContent::Image { mime: mime.to_owned(), base64: BASE64.encode(bytes) },
        Content::Binary { looks_like } => FileContent::Binary { looks_like: looks_like.map(str::to_owned) },
    };
    FileRead { path: file.path, size: file.size, version: file.version, content }
}

fn file_stat(stat: berth_tools::FileStat) -> FileStat {
    FileStat { path: stat.path, entry: entry(stat.entry), version: stat.version }
}

fn entry(entry: berth_tools::Entry) -> DirEntry {
    DirEntry {
        name: entry.name,
        kind: match entry.kind {
            Kind::File => FileKind::File,
            Kind::Folder => FileKind::Folder,
            Kind::Link => FileKind::Link,
            Kind::LinkToFolder => FileKind::LinkToFolder,
            Kind::Other => FileKind::Other,
        },
        size: entry.size,
        modified: entry.modified,
        mode: entry.mode,
        target: entry.target,
        ignored: entry.ignored,
    }
}
