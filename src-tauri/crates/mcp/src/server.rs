//! One channel's sandbox as an MCP server.

use std::sync::{Arc, PoisonError, RwLock};

use berth_model::{
    ActionEdit, ActionGlob, ActionGrep, ActionList, ActionRead, ActionRun, ActionStat, ActionWrite, Author, Channel,
    ChannelName, ChannelRef, ErrorCode, FileContent, FileEdited, FileKind, FileRead, FileStat, FileWritten, GlobResult,
    GrepResult, Job, JobId, JobList, JobOutput, JobOutputPart, JobRef, JobStatus, Listing, Preview, PreviewOpen,
    RpcError, RunResult,
};
use futures::future::BoxFuture;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, JsonObject, ListToolsResult,
    PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt as _};
use serde_json::json;

use crate::seen::{Seen, SeenByName};
use crate::toolbox::{Toolbox, ask};
use crate::{cut, instructions, run, tools};

/// The most of a client's name that is kept: it is shown to people, and written by strangers.
const NAME: usize = 60;

/// A channel's sandbox as an MCP server, for one session of one client.
#[derive(Debug, Clone)]
pub struct BerthServer {
    toolbox: Arc<dyn Toolbox>,
    channel: ChannelRef,
    /// Shared by all clients' servers: a sandbox that has woken up has more to tell.
    instructions: Arc<RwLock<String>>,
    seen: Seen,
    seen_by_name: SeenByName,
}

impl BerthServer {
    /// A server for this channel.
    pub fn new(toolbox: Arc<dyn Toolbox>, channel: &Channel) -> Self {
        Self {
            toolbox,
            channel: ChannelRef::from(&channel.id),
            instructions: Arc::new(RwLock::new(instructions::of(channel))),
            seen: Seen::default(),
            seen_by_name: SeenByName::default(),
        }
    }

    /// Serves one client over standard input and output, until it closes them.
    pub fn serve_stdio(self) -> BoxFuture<'static, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            self.serve(rmcp::transport::stdio()).await?.waiting().await?;
            Ok(())
        })
    }

    /// Tells clients that come from now on how the channel stands.
    pub(crate) fn describe(&self, channel: &Channel) {
        *self.instructions.write().unwrap_or_else(PoisonError::into_inner) = instructions::of(channel);
    }

    /// The same for another client, which has read nothing yet.
    pub(crate) fn for_another_client(&self) -> Self {
        Self { seen: Seen::default(), ..self.clone() }
    }
}

impl ServerHandler for BerthServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("berth", env!("CARGO_PKG_VERSION")).with_title("Berth"))
            .with_instructions(self.instructions.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let client = context.client_info().map_or_else(|| "mcp".to_owned(), |client| plain_name(&client.name));
        // From 2026-07-28 on there are no sessions: each request stands alone, and may be served by a server of its own.
        let alone = context.meta.protocol_version().is_some_and(|version| version >= ProtocolVersion::NO_INITIALIZE);
        let call = ToolCall {
            toolbox: &*self.toolbox,
            channel: &self.channel,
            seen: if alone { self.seen_by_name.of(&client) } else { self.seen.clone() },
            author: Author::Agent { name: client },
            context: &context,
        };
        let result = match call.perform(&request.name, request.arguments).await {
            Some(Ok(result)) => result,
            Some(Err(Failure(message))) => CallToolResult::error(vec![ContentBlock::text(message)]),
            None => {
                let message = format!("There is no tool named {:?}.", request.name);
                return Err(ErrorData::invalid_params(message, None));
            }
        };
        Ok(result.into())
    }
}

/// A client's name, fit to be shown in a line.
fn plain_name(name: &str) -> String {
    let name: String = name.chars().filter(|character| !character.is_control()).take(NAME).collect();
    if name.trim().is_empty() { "mcp".to_owned() } else { name }
}

/// Why a tool failed, in words for the model.
struct Failure(String);

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        let mut text = error.message;
        for cause in error.causes {
            text.push_str(&format!("\nBecause: {cause}"));
        }
        if let Some(hint) = error.hint {
            text.push_str(&format!("\n{hint}"));
        }
        Self(text)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self(message)
    }
}

type Outcome = Result<CallToolResult, Failure>;

fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// One call of one tool.
struct ToolCall<'a> {
    toolbox: &'a dyn Toolbox,
    channel: &'a ChannelRef,
    seen: Seen,
    author: Author,
    context: &'a RequestContext<RoleServer>,
}

impl ToolCall<'_> {
    /// Performs a tool; nothing where there is no such tool.
    async fn perform(&self, name: &str, given: Option<JsonObject>) -> Option<Outcome> {
        macro_rules! with {
            ($method:ident) => {
                match tools::arguments(name, given) {
                    Ok(arguments) => self.$method(arguments).await,
                    Err(wrong) => Err(Failure(wrong)),
                }
            };
        }
        Some(match name {
            "read" => with!(read),
            "write" => with!(write),
            "edit" => with!(edit),
            "glob" => with!(glob),
            "grep" => with!(grep),
            "list" => with!(list),
            "run" => with!(run),
            "job_output" => with!(job_output),
            "job_stop" => with!(job_stop),
            "preview_open" => with!(preview_open),
            _ => return None,
        })
    }

    /// Calls a command for the client; one that the client gives up is dropped, which ends what it does.
    async fn ask<R: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        request: &impl serde::Serialize,
    ) -> Result<R, RpcError> {
        self.for_somebody(&self.author, name, request).await
    }

    async fn for_somebody<R: serde::de::DeserializeOwned>(
        &self,
        author: &Author,
        name: &str,
        request: &impl serde::Serialize,
    ) -> Result<R, RpcError> {
        tokio::select! {
            answer = ask(self.toolbox, author, name, request) => answer,
            () = self.context.ct.cancelled() => {
                Err(RpcError::new(ErrorCode::Cancelled, "The call was cancelled by its caller."))
            }
        }
    }

    fn channel(&self) -> ChannelRef {
        self.channel.clone()
    }

    async fn read(&self, given: tools::Read) -> Outcome {
        let (path, offset, limit) = (given.path.clone(), given.offset.filter(|line| *line > 0), given.limit);
        let request = ActionRead { channel: self.channel(), path, offset, limit };
        let file: FileRead = self.ask("action.read", &request).await?;
        self.seen.note(&given.path, &file.path, &file.version);
        Ok(match file.content {
            FileContent::Text { text: content, first_line, total_lines, more } => {
                if content.is_empty() {
                    return Ok(text(match (file.size, total_lines) {
                        (0, _) => format!("{} is empty.", file.path),
                        (_, Some(lines)) => format!("{} has only {lines} lines.", file.path),
                        (_, None) => format!("{} has no line {first_line}.", file.path),
                    }));
                }
                let (mut shown, cut_at) = cut::numbered(&content, first_line);
                let lines = u64::try_from(content.lines().count()).unwrap_or(u64::MAX);
                if let Some(next) = cut_at.or_else(|| more.then_some(first_line + lines)) {
                    let total = total_lines.map(|total| format!(" of {total}")).unwrap_or_default();
                    let last = next.saturating_sub(1);
                    shown.push_str(&format!("[Lines {first_line} to {last}{total}; read on with offset {next}.]\n"));
                }
                text(shown)
            }
            FileContent::Image { mime, base64 } => {
                let name = format!("{} ({mime}, {} bytes)", file.path, file.size);
                CallToolResult::success(vec![ContentBlock::text(name), ContentBlock::image(base64, mime)])
            }
            FileContent::Binary { looks_like } => {
                let what = looks_like.map(|what| format!(" ({what})")).unwrap_or_default();
                text(format!("{} is a binary file{what} of {} bytes; it is not shown.", file.path, file.size))
            }
        })
    }

    async fn write(&self, given: tools::Write) -> Outcome {
        let mut version = self.seen.version(&given.path);
        if version.is_none()
            && let Some(file) = self.stat(&given.path).await?
        {
            // It may have been read under another name.
            version = self.seen.version(&file.path);
            match (file.entry.kind, &version) {
                (FileKind::Folder | FileKind::LinkToFolder, _) => {
                    return Err(format!("{} is a folder; nothing was written.", file.path).into());
                }
                (_, None) => {
                    let message = format!(
                        "{} exists and you have not read it; nothing was written. Read it first, or use `edit` to \
                         change a part of it.",
                        file.path
                    );
                    return Err(message.into());
                }
                (_, Some(_)) => {}
            }
        }
        let request = ActionWrite {
            channel: self.channel(),
            path: given.path.clone(),
            content: given.content,
            encoding: None,
            version,
        };
        let file: FileWritten =
            self.ask("action.write", &request).await.map_err(|error| self.changed(&given.path, error))?;
        self.seen.note(&given.path, &file.path, &file.version);
        let done = if file.created { "Made" } else { "Overwrote" };
        let mut result = text(format!("{done} {} ({} bytes).", file.path, file.size));
        result.structured_content = Some(json!({ "path": file.path, "size": file.size, "created": file.created }));
        Ok(result)
    }

    async fn edit(&self, given: tools::Edit) -> Outcome {
        let mut version = self.seen.version(&given.path);
        if version.is_none() {
            // It may have been read under another name. That it does not exist is for the edit itself to say.
            if let Some(file) = self.stat(&given.path).await? {
                version = self.seen.version(&file.path);
                if version.is_none() {
                    let message = format!("You have not read {}; nothing was changed. Read it first.", file.path);
                    return Err(message.into());
                }
            }
        }
        let request = ActionEdit {
            channel: self.channel(),
            path: given.path.clone(),
            old: given.old,
            new: given.new,
            all: given.all,
            version,
        };
        let file: FileEdited =
            self.ask("action.edit", &request).await.map_err(|error| self.changed(&given.path, error))?;
        self.seen.note(&given.path, &file.path, &file.version);
        let places = if file.replaced == 1 { "1 place".to_owned() } else { format!("{} places", file.replaced) };
        let (diff, _) = cut::both_ends(&file.diff);
        Ok(text(format!("Edited {}: {places}, +{} −{}.\n{diff}", file.path, file.added, file.removed)))
    }

    /// What is known about a path; nothing where nothing is there. The client did not ask for it, so it makes no card.
    async fn stat(&self, path: &str) -> Result<Option<FileStat>, RpcError> {
        let request = ActionStat { channel: self.channel(), path: path.to_owned() };
        match self.for_somebody(&Author::Script, "action.stat", &request).await {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.code == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A conflict means that what this client read is old news.
    fn changed(&self, path: &str, error: RpcError) -> Failure {
        if error.code != ErrorCode::Conflict {
            return error.into();
        }
        self.seen.forget(path);
        Failure(format!(
            "{path} changed since you read it; nothing was written. Somebody else or a command changed it: read it \
             again, then make your change to what is there now."
        ))
    }

    async fn glob(&self, given: tools::Glob) -> Outcome {
        let limit = Some(given.limit.unwrap_or(200).clamp(1, 1_000));
        let request = ActionGlob { channel: self.channel(), pattern: given.pattern, path: given.path, limit };
        let found: GlobResult = self.ask("action.glob", &request).await?;
        if found.paths.is_empty() {
            return Ok(text("No file matches."));
        }
        let (mut shown, cut) = cut::both_ends(&(found.paths.join("\n") + "\n"));
        if found.truncated || cut {
            shown.push_str("[There are more; use a narrower pattern or folder, or a higher limit.]\n");
        }
        Ok(text(shown))
    }

    async fn grep(&self, given: tools::Grep) -> Outcome {
        let request = ActionGrep {
            channel: self.channel(),
            pattern: given.pattern,
            path: given.path,
            glob: given.glob,
            ignore_case: given.ignore_case,
            literal: given.literal,
            limit: Some(given.limit.unwrap_or(200).clamp(1, 500)),
        };
        let found: GrepResult = self.ask("action.grep", &request).await?;
        if found.matches.is_empty() {
            return Ok(text("No line matches."));
        }
        let lines: String =
            found.matches.iter().map(|hit| format!("{}:{}: {}\n", hit.path, hit.line, hit.text)).collect();
        let (mut shown, cut) = cut::both_ends(&lines);
        if found.truncated || cut {
            shown.push_str("[There are more; use a narrower pattern, folder or `glob`.]\n");
        }
        Ok(text(shown))
    }

    async fn list(&self, given: tools::List) -> Outcome {
        let offset = given.offset.unwrap_or(0);
        let limit = Some(given.limit.unwrap_or(200).clamp(1, 1_000));
        let request = ActionList { channel: self.channel(), path: given.path, offset: Some(offset), limit };
        let folder: Listing = self.ask("action.list", &request).await?;
        let mut lines = format!("{}\n", folder.path);
        for entry in &folder.entries {
            let mut line = match entry.kind {
                FileKind::Folder => format!("{}/", entry.name),
                FileKind::File => format!("{}  {} bytes", entry.name, entry.size),
                FileKind::Link | FileKind::LinkToFolder => {
                    format!("{} -> {}", entry.name, entry.target.as_deref().unwrap_or("?"))
                }
                FileKind::Other => format!("{}  (socket, pipe or device)", entry.name),
            };
            if entry.ignored {
                line.push_str("  (ignored by Git)");
            }
            lines.push_str(&line);
            lines.push('\n');
        }
        if folder.total == 0 {
            lines.push_str("[The folder is empty.]\n");
        }
        let (mut shown, _) = cut::both_ends(&lines);
        let next = offset.saturating_add(u32::try_from(folder.entries.len()).unwrap_or(u32::MAX));
        if next < folder.total {
            shown.push_str(&format!("[Entries up to {next} of {}; go on with offset {next}.]\n", folder.total));
        }
        Ok(text(shown))
    }

    async fn run(&self, given: tools::Run) -> Outcome {
        let request = ActionRun {
            channel: self.channel(),
            command: given.command,
            cwd: given.cwd,
            timeout_s: given.timeout,
            env: None,
            background: given.background,
            service: given.service,
            id: None,
        };
        let ran: RunResult = run::run(self.toolbox, &self.author, request, self.context).await?;
        if let Some(job) = &ran.job {
            return Ok(text(format!("Started job {job}. Look at it with `job_output`; end it with `job_stop`.")));
        }
        let printed = printed(&ran);
        let (mut shown, cut) = cut::both_ends(&printed);
        if cut {
            let kept = self.keep(&printed).await;
            shown.push_str(&match kept {
                Ok(path) if ran.truncated => {
                    format!("\n[{path} holds the first and the last half megabyte; what was between is lost.]")
                }
                Ok(path) => format!("\n[All of it is in {path}: use `read` with an offset, or `grep`.]"),
                Err(error) => format!("\n[The rest could not be kept: {error}]"),
            });
        }
        if !shown.is_empty() && !shown.ends_with('\n') {
            shown.push('\n');
        }
        shown.push_str(&if ran.timed_out {
            format!(
                "[Exit code {} after {}: it was stopped when its time ran out. Give a longer `timeout`, or run it \
                 in the background.]",
                ran.exit_code,
                seconds(ran.duration_ms)
            )
        } else {
            format!("[Exit code {} after {}.]", ran.exit_code, seconds(ran.duration_ms))
        });
        Ok(text(shown))
    }

    /// Keeps output that is too long to be shown in a file of the sandbox.
    async fn keep(&self, printed: &str) -> Result<String, RpcError> {
        let request = ActionWrite {
            channel: self.channel(),
            path: format!("/tmp/berth-output-{}.txt", JobId::fresh()),
            content: printed.to_owned(),
            encoding: None,
            version: None,
        };
        let file: FileWritten = self.ask("action.write", &request).await?;
        Ok(file.path)
    }

    async fn job_output(&self, given: tools::JobOutput) -> Outcome {
        let Some(job) = given.job else { return self.jobs().await };
        let request = JobOutput {
            channel: self.channel(),
            job: JobId(job),
            offset: given.offset,
            limit: None,
            wait_ms: given.wait.map(|seconds| seconds.min(30) * 1_000),
        };
        let part: JobOutputPart = self.ask("job.output", &request).await?;
        let (mut shown, cut) = cut::both_ends(&part.text);
        if cut {
            shown.push_str("\n[For what was left out, read from an offset in between.]");
        }
        if !shown.is_empty() && !shown.ends_with('\n') {
            shown.push('\n');
        }
        let rest = if part.next_offset < part.size { format!(" of {}", part.size) } else { String::new() };
        shown.push_str(&format!(
            "[Bytes {} to {}{rest}; next offset {}. The job {}.]",
            part.offset,
            part.next_offset,
            part.next_offset,
            how_it_stands(&part.job.status)
        ));
        Ok(text(shown))
    }

    async fn jobs(&self) -> Outcome {
        let list: JobList = self.ask("job.list", &ChannelName { channel: self.channel() }).await?;
        if list.jobs.is_empty() {
            return Ok(text("There are no jobs."));
        }
        let line = |job: &Job| {
            let command = job.command.lines().next().unwrap_or_default();
            let command: String = command.chars().take(200).collect();
            format!("{}  {}  (in {}): {command}\n", job.id, how_it_stands(&job.status), job.cwd)
        };
        Ok(text(cut::both_ends(&list.jobs.iter().map(line).collect::<String>()).0))
    }

    async fn job_stop(&self, given: tools::JobStop) -> Outcome {
        let request = JobRef { channel: self.channel(), job: JobId(given.job) };
        let job: Job = self.ask("job.stop", &request).await?;
        Ok(text(format!("The job {}.", how_it_stands(&job.status))))
    }

    async fn preview_open(&self, given: tools::PreviewOpen) -> Outcome {
        let request = PreviewOpen { channel: self.channel(), port: given.port };
        let preview: Preview = self.ask("preview.open", &request).await?;
        let mut result = text(if preview.listening {
            format!("The person sees port {} at {}", preview.port, preview.url)
        } else {
            format!(
                "The address is {} but nothing listens on port {} yet: look at the server's `job_output`.",
                preview.url, preview.port
            )
        });
        result.structured_content =
            Some(json!({ "port": preview.port, "url": preview.url, "listening": preview.listening }));
        Ok(result)
    }
}

/// What a command printed, standard error told apart where there is any.
fn printed(ran: &RunResult) -> String {
    let mut text = ran.stdout.clone();
    if !ran.stderr.is_empty() {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        if !text.is_empty() {
            text.push_str("[Standard error:]\n");
        }
        text.push_str(&ran.stderr);
    }
    text
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:01} s", milliseconds / 1_000, milliseconds % 1_000 / 100)
}

fn how_it_stands(status: &JobStatus) -> String {
    match status {
        JobStatus::Running => "runs".to_owned(),
        JobStatus::Exited { code } => format!("ended with exit code {code}"),
        JobStatus::Stopped => "was stopped".to_owned(),
        JobStatus::Lost => "is gone: its processes ended without an exit code".to_owned(),
    }
}
