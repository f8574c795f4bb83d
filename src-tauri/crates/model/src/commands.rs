//! The table of commands, and the requests that belong to no other file.

use std::future::Future;

use serde_json::Value;

use crate::{
    ActionCancel, ActionDelete, ActionEdit, ActionGlob, ActionGrep, ActionId, ActionList, ActionMove, ActionRead,
    ActionRun, ActionStat, ActionWrite, Author, Channel, ChannelRef, CheckOf, CheckReport, ConfigHosts, Entry,
    ErrorCode, FileEdited, FileRead, FileStat, FileWritten, Forward, ForwardList, ForwardName, ForwardOpen, GlobResult,
    GrepResult, Job, JobOutput, JobOutputPart, JobRef, KeyForget, Listing, Loss, Machine, MachineAdd, MachineChange,
    MachineList, MachineName, MachineRef, NetworkMode, Preview, ProviderKind, QuestionAnswer, QuestionName, RpcError,
    RunResult, Settings, Snapshot, Start, Transfer, TransferDownload, TransferList, TransferName, TransferUpload,
    UnixMillis, Verb, wire,
};

/// Declares the table: a trait that the engine implements, a dispatcher by name, and the names for TypeScript.
macro_rules! commands {
    ($(#[doc = $doc:literal] $name:literal $method:ident($request:ty) -> $response:ty;)*) => {
        /// A handler for every command of the table. `caller` is who asks.
        pub trait Commands: Send + Sync {
            $(#[doc = $doc] fn $method(&self, caller: &Author, request: $request)
                -> impl Future<Output = Result<$response, RpcError>> + Send;)*
        }

        /// Calls the handler that `name` means. An unknown name or a payload that does not fit is `bad_request`.
        pub async fn dispatch<C: Commands>(
            handlers: &C,
            caller: &Author,
            name: &str,
            payload: Value,
        ) -> Result<Value, RpcError> {
            match name {
                $($name => {
                    let request: $request = parse(name, payload)?;
                    to_value(&handlers.$method(caller, request).await?)
                })*
                _ => Err(unknown(name)),
            }
        }

        /// Every command's name and what it does, in the table's order.
        pub const COMMANDS: &[(&str, &str)] = &[$(($name, $doc.trim_ascii_start())),*];

        pub(crate) fn typescript_table(config: &ts_rs::Config) -> Vec<(&'static str, String, String)> {
            vec![$(($name, <$request as ts_rs::TS>::name(config), <$response as ts_rs::TS>::name(config))),*]
        }

        pub(crate) fn visit_types(visitor: &mut impl ts_rs::TypeVisitor) {
            $(visitor.visit::<$request>(); visitor.visit::<$response>();)*
        }
    };
}

commands! {
    /// Everything a new listener needs.
    "app.snapshot" app_snapshot(Empty) -> Snapshot;
    /// Looks again at what this computer offers.
    "app.check" app_check(Empty) -> Snapshot;
    /// Version, folders and addresses of this engine.
    "app.info" app_info(Empty) -> AppInfo;
    /// Brings the app's window to the front, if there is one.
    "app.focus" app_focus(AppFocus) -> Empty;
    /// Changes the settings.
    "settings.set" settings_set(Settings) -> Settings;
    /// Makes a channel and starts its sandbox; returns at once, the steps follow as events.
    "channel.create" channel_create(ChannelCreate) -> Channel;
    /// All channels, oldest first.
    "channel.list" channel_list(Empty) -> ChannelList;
    /// One channel; with `wait_s` only when its sandbox is running, asleep or failed.
    "channel.get" channel_get(ChannelGet) -> Channel;
    /// Renames a channel.
    "channel.rename" channel_rename(ChannelRename) -> Channel;
    /// What destroying a channel would lose.
    "channel.loss" channel_loss(ChannelName) -> Loss;
    /// Destroys a channel: its processes, its files, its timeline.
    "channel.destroy" channel_destroy(ChannelName) -> Empty;
    /// A page of a channel's timeline, newest last.
    "timeline.list" timeline_list(TimelineList) -> Timeline;
    /// Says something in a channel.
    "message.post" message_post(MessagePost) -> Entry;
    /// Ends all processes of a sandbox; files are kept.
    "sandbox.sleep" sandbox_sleep(ChannelName) -> Channel;
    /// Starts a sleeping or failed sandbox again, with its services; returns when it runs.
    "sandbox.wake" sandbox_wake(ChannelName) -> Channel;
    /// How OpenSSH's own programs reach the sandbox.
    "sandbox.ssh" sandbox_ssh(ChannelName) -> SshAccess;
    /// The person's own machines.
    "machine.list" machine_list(Empty) -> MachineList;
    /// Adds a machine; nothing is asked of it yet.
    "machine.add" machine_add(MachineAdd) -> Machine;
    /// Changes a machine's name, address or key.
    "machine.change" machine_change(MachineChange) -> Machine;
    /// Forgets a machine that no channel is on, with what was kept of it in the keychain.
    "machine.remove" machine_remove(MachineName) -> Empty;
    /// The hosts of `~/.ssh/config`.
    "machine.hosts" machine_hosts(Empty) -> ConfigHosts;
    /// Connects to a machine step by step and tries what a sandbox needs.
    "machine.check" machine_check(MachineName) -> CheckReport;
    /// The same for a channel's sandbox, wherever it is.
    "sandbox.check" sandbox_check(ChannelName) -> CheckReport;
    /// Ends a check that runs.
    "check.cancel" check_cancel(CheckOf) -> Empty;
    /// Forgets the key of a machine that Berth itself has written down: its new one is asked about.
    "machine.forget_key" machine_forget_key(KeyForget) -> Empty;
    /// Answers a question.
    "question.answer" question_answer(QuestionAnswer) -> Empty;
    /// Leaves a question unanswered: what waited for it ends.
    "question.refuse" question_refuse(QuestionName) -> Empty;
    /// Sends files and folders into a sandbox; returns at once, progress follows as events.
    "transfer.upload" transfer_upload(TransferUpload) -> Transfer;
    /// Fetches files and folders from a sandbox; returns at once, progress follows as events.
    "transfer.download" transfer_download(TransferDownload) -> Transfer;
    /// Stops a transfer; what has arrived is kept.
    "transfer.stop" transfer_stop(TransferName) -> Transfer;
    /// Goes on with a transfer that stopped or failed, from where it was.
    "transfer.resume" transfer_resume(TransferName) -> Transfer;
    /// Forgets a transfer that does not run.
    "transfer.dismiss" transfer_dismiss(TransferName) -> Empty;
    /// Transfers that run or were not dismissed.
    "transfer.list" transfer_list(Empty) -> TransferList;
    /// Opens a port of a sandbox on this computer.
    "forward.open" forward_open(ForwardOpen) -> Forward;
    /// Closes it, with the connections through it.
    "forward.close" forward_close(ForwardName) -> Empty;
    /// The ports that are open on this computer.
    "forward.list" forward_list(Empty) -> ForwardList;
    /// Reads a file.
    "action.read" action_read(ActionRead) -> FileRead;
    /// Writes a whole file.
    "action.write" action_write(ActionWrite) -> FileWritten;
    /// Replaces exact text in a file.
    "action.edit" action_edit(ActionEdit) -> FileEdited;
    /// Finds files by name.
    "action.glob" action_glob(ActionGlob) -> GlobResult;
    /// Finds text in files.
    "action.grep" action_grep(ActionGrep) -> GrepResult;
    /// Lists a folder.
    "action.list" action_list(ActionList) -> Listing;
    /// Asks about a path.
    "action.stat" action_stat(ActionStat) -> FileStat;
    /// Moves or renames.
    "action.move" action_move(ActionMove) -> FileStat;
    /// Deletes.
    "action.delete" action_delete(ActionDelete) -> Empty;
    /// Runs a command.
    "action.run" action_run(ActionRun) -> RunResult;
    /// Stops a running action.
    "action.cancel" action_cancel(ActionCancel) -> Empty;
    /// A channel's jobs, newest first.
    "job.list" job_list(ChannelName) -> JobList;
    /// Reads a part of a job's output.
    "job.output" job_output(JobOutput) -> JobOutputPart;
    /// Stops a job: its whole process group, first kindly.
    "job.stop" job_stop(JobRef) -> Job;
    /// Starts a job again with the same command, folder and environment.
    "job.restart" job_restart(JobRef) -> Job;
    /// The ports of a sandbox that can be shown.
    "preview.list" preview_list(ChannelName) -> PreviewList;
    /// The address of a port, whether or not something answers on it yet.
    "preview.open" preview_open(PreviewOpen) -> Preview;
    /// The audit log, newest first.
    "audit.list" audit_list(AuditList) -> Audit;
    /// Ends this engine; sandboxes go on.
    "engine.stop" engine_stop(Empty) -> Empty;
}

wire! {
    /// Nothing.
    #[derive(Default)]
    pub struct Empty {}

    /// What this engine is.
    pub struct AppInfo {
        /// Its version.
        pub version: String,
        /// `app` or `headless`.
        pub host: String,
        /// The folder all state lives in.
        pub data_dir: String,
        /// The port of the preview gateway on 127.0.0.1.
        pub gateway_port: u16,
        /// Where MCP clients reach it by HTTP.
        pub mcp_url: Option<String>,
        /// The file that holds the bearer token for it (mode 0600).
        pub mcp_token_file: Option<String>,
        /// The program `berthctl`, for whoever starts it from elsewhere.
        pub berthctl: String,
        /// The engine's process.
        pub pid: u32,
    }

    /// What to bring to the front.
    #[derive(Default)]
    pub struct AppFocus {
        /// A channel to show.
        #[serde(default)] #[ts(optional)]
        pub channel: Option<ChannelRef>,
        /// A preview of it to show.
        #[serde(default)] #[ts(optional)]
        pub port: Option<u16>,
    }

    /// Names a channel.
    pub struct ChannelName {
        /// Its id or name.
        pub channel: ChannelRef,
    }

    /// Names a channel, and how long to wait for it.
    pub struct ChannelGet {
        /// Its id or name.
        pub channel: ChannelRef,
        /// Wait so many seconds (600 at most) until its sandbox is running, asleep or failed.
        #[serde(default)] #[ts(optional)]
        pub wait_s: Option<u32>,
    }

    /// A channel to make.
    pub struct ChannelCreate {
        /// Its name: lower-case letters, digits and dashes; 40 characters at most.
        pub name: String,
        /// Where its sandbox runs; this computer without it.
        #[serde(default)]
        #[ts(as = "Option<ProviderKind>", optional)]
        pub provider: ProviderKind,
        /// Which machine, where the provider is `machine`.
        #[serde(default)] #[ts(optional)]
        pub machine: Option<MachineRef>,
        /// The folder to work in, on a machine: absolute, or from its user's home; `berth/<name>` without it.
        #[serde(default)] #[ts(optional)]
        pub folder: Option<String>,
        /// What it starts with; an empty folder without it.
        #[serde(default)]
        #[ts(as = "Option<Start>", optional)]
        pub start: Start,
        /// How it reaches the network; `full` where it works, else `proxied`, without it.
        #[serde(default)] #[ts(optional)]
        pub network: Option<NetworkMode>,
    }

    /// A new name.
    pub struct ChannelRename {
        /// Which.
        pub channel: ChannelRef,
        /// Its new name.
        pub name: String,
    }

    /// All channels.
    pub struct ChannelList {
        /// Oldest first.
        pub channels: Vec<Channel>,
    }

    /// Which part of a timeline.
    pub struct TimelineList {
        /// Where.
        pub channel: ChannelRef,
        /// Only entries before this `seq`.
        #[serde(default)] #[ts(optional)]
        pub before: Option<u64>,
        /// At most so many; 200 without it.
        #[serde(default)] #[ts(optional)]
        pub limit: Option<u32>,
    }

    /// A page of a timeline.
    pub struct Timeline {
        /// Oldest first.
        pub entries: Vec<Entry>,
        /// Whether there are older ones.
        pub more: bool,
    }

    /// Something to say.
    pub struct MessagePost {
        /// Where.
        pub channel: ChannelRef,
        /// Plain text, 64 KiB at most.
        pub text: String,
    }

    /// How OpenSSH's own programs reach a sandbox.
    pub struct SshAccess {
        /// A `Host` block for `ssh_config`.
        pub config: String,
        /// The host's name in it.
        pub host: String,
        /// The Unix socket that the sandbox's SSH server listens on, where it listens on one.
        pub socket: Option<String>,
    }

    /// A channel's jobs.
    pub struct JobList {
        /// Newest first.
        pub jobs: Vec<Job>,
    }

    /// A channel's previews.
    pub struct PreviewList {
        /// By port.
        pub previews: Vec<Preview>,
    }

    /// Which port to open.
    pub struct PreviewOpen {
        /// Where.
        pub channel: ChannelRef,
        /// The port in the sandbox.
        pub port: u16,
    }

    /// Which part of the audit log.
    #[derive(Default)]
    pub struct AuditList {
        /// Only this channel's.
        #[serde(default)] #[ts(optional)]
        pub channel: Option<ChannelRef>,
        /// Only rows before this one.
        #[serde(default)] #[ts(optional)]
        pub before: Option<i64>,
        /// At most so many; 200 without it.
        #[serde(default)] #[ts(optional)]
        pub limit: Option<u32>,
    }

    /// A page of the audit log.
    pub struct Audit {
        /// Newest first.
        pub rows: Vec<AuditRow>,
    }

    /// One action, written once and never changed.
    pub struct AuditRow {
        /// Its number; larger is later.
        pub row: i64,
        /// The action.
        pub action: ActionId,
        /// Where.
        pub channel: crate::ChannelId,
        /// The channel's name then.
        pub channel_name: String,
        /// Who.
        pub author: Author,
        /// What kind.
        pub verb: Verb,
        /// To what, in one line.
        pub subject: String,
        /// The exact script that ran, cut at 64 KiB.
        pub script: String,
        /// When it started.
        pub at: UnixMillis,
        /// How long it took.
        pub duration_ms: u64,
        /// The exit code, where there was one.
        pub exit_code: Option<i32>,
        /// What went wrong, where something did.
        pub error: Option<String>,
        /// Bytes sent to the sandbox.
        pub bytes_in: u64,
        /// Bytes that came back.
        pub bytes_out: u64,
    }
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, payload: Value) -> Result<T, RpcError> {
    // A command without arguments may be called without a payload.
    let payload = if payload.is_null() { Value::Object(serde_json::Map::new()) } else { payload };
    serde_json::from_value(payload).map_err(|error| {
        RpcError::new(ErrorCode::BadRequest, format!("{name}: {error}."))
            .hint("`berthctl help call` lists the commands with their fields.")
    })
}

fn to_value<T: serde::Serialize>(response: &T) -> Result<Value, RpcError> {
    serde_json::to_value(response).map_err(|error| RpcError::from_error(ErrorCode::Failed, &error))
}

fn unknown(name: &str) -> RpcError {
    RpcError::new(ErrorCode::BadRequest, format!("There is no command named {name:?}."))
        .hint("`berthctl help call` lists the commands.")
}
