//! The table of commands, answered.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use berth_model::*;
use berth_tools::{Content, Kind, Place};

use crate::actions::{Action, Told, call, tool_error};
use crate::channel::Wish;
use crate::engine::{Engine, check_name, check_repository, insert, new_record};
use crate::error::store_error;
use crate::front::lock::Host;
use crate::gateway::Gateway;
use crate::hub::now;
use crate::jobs;

/// How long a command may take unless its caller says so, in seconds.
const RUN_SECONDS: u32 = 120;
/// And how long at most.
const RUN_SECONDS_MOST: u32 = 3_600;
/// The most that a message may be, in bytes.
const MESSAGE: usize = 64 * 1024;

impl Engine {
    fn action<'a>(
        &'a self,
        handle: &'a std::sync::Arc<crate::channel::Handle>,
        caller: &'a Author,
        verb: Verb,
        subject: &str,
    ) -> Action<'a> {
        Action { world: &self.0.world, handle, caller, verb, subject: subject.to_owned(), id: None }
    }

    fn job_of(&self, reference: &JobRef) -> Result<(std::sync::Arc<crate::channel::Handle>, Job), RpcError> {
        let handle = self.handle(&reference.channel)?;
        let job = handle.channel().jobs.into_iter().find(|job| job.id == reference.job);
        let job = job.ok_or_else(|| {
            RpcError::new(ErrorCode::NotFound, format!("There is no job {} in this channel.", reference.job))
                .hint("`job.list` names the jobs there are.")
        })?;
        Ok((handle, job))
    }
}

impl Commands for Engine {
    async fn app_snapshot(&self, _: &Author, _: Empty) -> Result<Snapshot, RpcError> {
        Ok(self.0.world.hub.snapshot())
    }

    async fn app_info(&self, _: &Author, _: Empty) -> Result<AppInfo, RpcError> {
        let config = self.config();
        Ok(AppInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: match config.host {
                Host::App => "app".to_owned(),
                Host::Headless => "headless".to_owned(),
            },
            data_dir: config.folders.data.display().to_string(),
            gateway_port: self.0.world.gateway_port,
            mcp_url: self.0.mcp.get().map(|(url, _)| url.clone()),
            mcp_token_file: self.0.mcp.get().map(|(_, file)| file.display().to_string()),
            pid: std::process::id(),
        })
    }

    async fn app_focus(&self, _: &Author, request: AppFocus) -> Result<Empty, RpcError> {
        let channel = match request.channel {
            Some(channel) => Some(self.handle(&channel)?.id()),
            None => None,
        };
        self.0.world.hub.event(EventBody::Focus { channel, port: request.port });
        Ok(Empty {})
    }

    async fn settings_set(&self, _: &Author, settings: Settings) -> Result<Settings, RpcError> {
        let name = settings.space_name.trim();
        if name.is_empty() || name.chars().count() > 60 {
            return Err(RpcError::new(ErrorCode::BadRequest, "A space’s name has 1 to 60 characters."));
        }
        let settings = Settings { space_name: name.to_owned(), ..settings };
        self.0.world.store.set_settings(settings.clone()).await.map_err(store_error)?;
        self.0.world.hub.settings(settings.clone());
        Ok(settings)
    }

    async fn channel_create(&self, caller: &Author, request: ChannelCreate) -> Result<Channel, RpcError> {
        check_name(&request.name)?;
        if let Start::Git { url } = &request.start {
            check_repository(url)?;
        }
        let mut record = new_record(ChannelId::fresh(), request.name, SandboxState::Wanted, request.start);
        record.network = request.network;
        Ok(insert(self, record, caller).await?.channel())
    }

    async fn channel_list(&self, _: &Author, _: Empty) -> Result<ChannelList, RpcError> {
        Ok(ChannelList { channels: self.channels() })
    }

    async fn channel_get(&self, _: &Author, request: ChannelGet) -> Result<Channel, RpcError> {
        let handle = self.handle(&request.channel)?;
        let Some(seconds) = request.wait_s else { return Ok(handle.channel()) };
        let wait = Duration::from_secs(seconds.min(600).into());
        Ok(tokio::time::timeout(wait, handle.settled()).await.unwrap_or_else(|_| handle.channel()))
    }

    async fn channel_rename(&self, _: &Author, request: ChannelRename) -> Result<Channel, RpcError> {
        check_name(&request.name)?;
        let handle = self.handle(&request.channel)?;
        handle.rename(request.name).await?;
        Ok(handle.channel())
    }

    async fn channel_loss(&self, _: &Author, request: ChannelName) -> Result<Loss, RpcError> {
        let handle = self.handle(&request.channel)?;
        let channel = handle.channel();
        let running = channel.jobs.iter().filter(|job| job.status == JobStatus::Running).count();
        // A sandbox that cannot be started can still be destroyed; what it holds is then not known.
        let git = match handle.live().await {
            Ok(live) => {
                let tool = berth_tools::GitLoss { at: Place::here(&channel.workdir) };
                call(&live.session, &tool).await.ok()
            }
            Err(_) => None,
        };
        Ok(Loss {
            uncommitted: git.as_ref().and_then(|git| git.uncommitted),
            unpushed: git.as_ref().and_then(|git| git.unpushed),
            running_jobs: u32::try_from(running).unwrap_or(u32::MAX),
        })
    }

    async fn channel_destroy(&self, _: &Author, request: ChannelName) -> Result<Empty, RpcError> {
        let handle = self.handle(&request.channel)?;
        let id = handle.id();
        handle.wish(Wish::Destroy).await?;
        self.0.channels.remove(&id);
        Ok(Empty {})
    }

    async fn timeline_list(&self, _: &Author, request: TimelineList) -> Result<Timeline, RpcError> {
        let id = self.handle(&request.channel)?.id();
        let limit = request.limit.unwrap_or(200).clamp(1, 1_000);
        self.0.world.store.timeline(&id, request.before, limit).await.map_err(store_error)
    }

    async fn message_post(&self, caller: &Author, request: MessagePost) -> Result<Entry, RpcError> {
        let handle = self.handle(&request.channel)?;
        let text = request.text.trim();
        if text.is_empty() || text.len() > MESSAGE {
            return Err(RpcError::new(ErrorCode::BadRequest, "A message has some text, and at most 64 KiB of it."));
        }
        let body = EntryBody::Message { text: text.to_owned() };
        Ok(self.0.world.tell(&handle.id(), caller.clone(), body).await)
    }

    async fn sandbox_sleep(&self, _: &Author, request: ChannelName) -> Result<Channel, RpcError> {
        let handle = self.handle(&request.channel)?;
        handle.wish(Wish::Sleep).await?;
        Ok(handle.channel())
    }

    async fn sandbox_wake(&self, _: &Author, request: ChannelName) -> Result<Channel, RpcError> {
        let handle = self.handle(&request.channel)?;
        handle.wish(Wish::Wake).await?;
        Ok(handle.channel())
    }

    async fn sandbox_ssh(&self, _: &Author, request: ChannelName) -> Result<SshAccess, RpcError> {
        let handle = self.handle(&request.channel)?;
        let live = handle.live().await?;
        let identity = self.config().folders.data.join("ssh/id_ed25519");
        Ok(crate::openssh::access(&handle.channel(), &live.target, &identity))
    }

    async fn action_read(&self, caller: &Author, request: ActionRead) -> Result<FileRead, RpcError> {
        let handle = self.handle(&request.channel)?;
        self.action(&handle, caller, Verb::Read, &request.path)
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

    async fn action_write(&self, caller: &Author, request: ActionWrite) -> Result<FileWritten, RpcError> {
        let handle = self.handle(&request.channel)?;
        let content = match request.encoding.unwrap_or(Encoding::Utf8) {
            Encoding::Utf8 => request.content.into_bytes(),
            Encoding::Base64 => BASE64.decode(request.content).map_err(|error| {
                RpcError::new(
                    ErrorCode::BadRequest,
                    format!("The content is not Base64: {error}. Nothing was written."),
                )
            })?,
        };
        let subject = request.path.clone();
        self.action(&handle, caller, Verb::Write, &subject)
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

    async fn action_edit(&self, caller: &Author, request: ActionEdit) -> Result<FileEdited, RpcError> {
        let handle = self.handle(&request.channel)?;
        let subject = request.path.clone();
        self.action(&handle, caller, Verb::Edit, &subject)
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

    async fn action_glob(&self, caller: &Author, request: ActionGlob) -> Result<GlobResult, RpcError> {
        let handle = self.handle(&request.channel)?;
        let subject = request.pattern.clone();
        self.action(&handle, caller, Verb::Glob, &subject)
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

    async fn action_grep(&self, caller: &Author, request: ActionGrep) -> Result<GrepResult, RpcError> {
        let handle = self.handle(&request.channel)?;
        let subject = format!("“{}”", request.pattern);
        self.action(&handle, caller, Verb::Grep, &subject)
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

    async fn action_list(&self, caller: &Author, request: ActionList) -> Result<Listing, RpcError> {
        let handle = self.handle(&request.channel)?;
        let subject = request.path.clone().unwrap_or_else(|| ".".to_owned());
        self.action(&handle, caller, Verb::List, &subject)
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

    async fn action_stat(&self, caller: &Author, request: ActionStat) -> Result<FileStat, RpcError> {
        let handle = self.handle(&request.channel)?;
        let subject = request.path.clone();
        self.action(&handle, caller, Verb::Stat, &subject)
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

    async fn action_move(&self, caller: &Author, request: ActionMove) -> Result<FileStat, RpcError> {
        let handle = self.handle(&request.channel)?;
        let subject = format!("{} → {}", request.from, request.to);
        self.action(&handle, caller, Verb::Move, &subject)
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

    async fn action_delete(&self, caller: &Author, request: ActionDelete) -> Result<Empty, RpcError> {
        let handle = self.handle(&request.channel)?;
        let subject = request.path.clone();
        let changed = absolute(&handle.channel().workdir, &request.path);
        self.action(&handle, caller, Verb::Delete, &subject)
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

    async fn action_run(&self, caller: &Author, request: ActionRun) -> Result<RunResult, RpcError> {
        let handle = self.handle(&request.channel)?;
        let begun = std::time::Instant::now();
        let timeout = request.timeout_s.unwrap_or(RUN_SECONDS).clamp(1, RUN_SECONDS_MOST);
        let action = Action { id: request.id.clone(), ..self.action(&handle, caller, Verb::Run, &request.command) };
        let jobs_of = handle.clone();
        action
            .perform(
                |runner| {
                    Box::pin(async move {
                        let at = place(runner.workdir(), request.cwd);
                        let env = request.env.unwrap_or_default().into_iter().collect();
                        if request.background {
                            let seen = runner.tool(&jobs::new(&request.command, at, env)).await?;
                            let job = jobs::job(&seen, request.service, Some(runner.action().clone()));
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

    async fn action_cancel(&self, _: &Author, request: ActionCancel) -> Result<Empty, RpcError> {
        if self.handle(&request.channel)?.cancel(&request.action) {
            return Ok(Empty {});
        }
        Err(RpcError::new(ErrorCode::NotFound, "No such action runs now. It may have just ended."))
    }

    async fn job_list(&self, _: &Author, request: ChannelName) -> Result<JobList, RpcError> {
        Ok(JobList { jobs: self.handle(&request.channel)?.channel().jobs })
    }

    async fn job_output(&self, _: &Author, request: JobOutput) -> Result<JobOutputPart, RpcError> {
        let reference = JobRef { channel: request.channel, job: request.job };
        let (handle, known) = self.job_of(&reference)?;
        let live = handle.live().await?;
        let tail = berth_tools::jobs::Tail {
            id: known.id.0.clone(),
            offset: request.offset.unwrap_or(0),
            limit: request.limit.unwrap_or(65_536).clamp(1, 1_048_576),
        };
        let wait = Duration::from_millis(request.wait_ms.unwrap_or(0).min(30_000).into());
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let part = call(&live.session, &tail).await?;
            let job = jobs::merge(Some(&known), &part.job);
            let ended = job.status != JobStatus::Running;
            if !part.bytes.is_empty() || ended || tokio::time::Instant::now() >= deadline {
                return Ok(JobOutputPart {
                    text: String::from_utf8_lossy(&part.bytes).into_owned(),
                    offset: part.offset,
                    next_offset: part.next_offset,
                    size: part.size,
                    job,
                });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn job_stop(&self, _: &Author, request: JobRef) -> Result<Job, RpcError> {
        let (handle, known) = self.job_of(&request)?;
        let job = match handle.live_now() {
            Some(live) => jobs::stop(&live, &known).await?,
            // Nothing runs in a sandbox that sleeps; it is not to be started again either.
            None => Job { status: JobStatus::Stopped, ended_at: known.ended_at.or(Some(now())), ..known },
        };
        handle.job(job.clone()).await;
        Ok(job)
    }

    async fn job_restart(&self, _: &Author, request: JobRef) -> Result<Job, RpcError> {
        let (handle, known) = self.job_of(&request)?;
        let live = handle.live().await?;
        let job = jobs::restart(&live, &known).await?;
        handle.job(job.clone()).await;
        Ok(job)
    }

    async fn preview_list(&self, _: &Author, request: ChannelName) -> Result<PreviewList, RpcError> {
        Ok(PreviewList { previews: self.handle(&request.channel)?.channel().previews })
    }

    async fn preview_open(&self, caller: &Author, request: PreviewOpen) -> Result<Preview, RpcError> {
        let handle = self.handle(&request.channel)?;
        if request.port == 0 {
            return Err(RpcError::new(ErrorCode::BadRequest, "Port 0 cannot be opened."));
        }
        handle.live().await?;
        let channel = handle.channel();
        if *caller != Author::Person {
            self.0.world.hub.event(EventBody::Focus { channel: Some(channel.id.clone()), port: Some(request.port) });
        }
        let known = channel.previews.into_iter().find(|preview| preview.port == request.port);
        Ok(known.unwrap_or_else(|| Preview {
            port: request.port,
            url: Gateway::url_at(self.0.world.gateway_port, &channel.name, request.port),
            listening: false,
            process: None,
            job: None,
        }))
    }

    async fn audit_list(&self, _: &Author, request: AuditList) -> Result<Audit, RpcError> {
        let channel = match request.channel {
            Some(channel) => Some(self.handle(&channel)?.id()),
            None => None,
        };
        let limit = request.limit.unwrap_or(200).clamp(1, 1_000);
        let rows = self.0.world.store.audit(channel.as_ref(), request.before, limit).await.map_err(store_error)?;
        Ok(Audit { rows })
    }

    async fn engine_stop(&self, _: &Author, _: Empty) -> Result<Empty, RpcError> {
        self.stop();
        Ok(Empty {})
    }
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
