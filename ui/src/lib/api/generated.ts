// Generated from the crate `berth-model` by `make types`. Do not edit.

export type ActionCancel = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * Which.
 */
action: ActionId, };

export type ActionCard = { 
/**
 * The action.
 */
action: ActionId, 
/**
 * What kind it is.
 */
verb: Verb, 
/**
 * What it was done to, in one line: a path, a pattern, a command.
 */
subject: string, 
/**
 * What came of it, in a few words: "9 matches in 3 files", "+4 −1".
 */
summary: string | null, 
/**
 * How it stands.
 */
status: ActionStatus, 
/**
 * How long it took, once ended.
 */
duration_ms: number | null, 
/**
 * The first and last part of what it printed, or a unified diff for an edit; at most 16 KiB.
 */
output: string | null, 
/**
 * The job it started.
 */
job: JobId | null, };

export type ActionDelete = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * The path.
 */
path: string, 
/**
 * With everything in it.
 */
recursive: boolean, };

export type ActionEdit = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * The file.
 */
path: string, 
/**
 * The text to find, exactly; it must occur once unless `all`.
 */
old: string, 
/**
 * What stands there afterwards.
 */
new: string, 
/**
 * Replace every occurrence.
 */
all: boolean, 
/**
 * Refuse (`conflict`) unless the file still has this version.
 */
version?: string, };

export type ActionGlob = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * Such as `src/{a,b}/*.rs`, relative to `path`; `**` stands for any number of folders.
 */
pattern: string, 
/**
 * The folder to look in; the working folder without it.
 */
path?: string, 
/**
 * At most so many; 1,000 without it.
 */
limit?: number, };

export type ActionGrep = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * An extended regular expression (POSIX ERE; where ripgrep is present its syntax, which contains it).
 */
pattern: string, 
/**
 * The file or folder to look in; the working folder without it.
 */
path?: string, 
/**
 * Only files whose name matches, such as `*.py`.
 */
glob?: string, 
/**
 * Upper and lower case are the same.
 */
ignore_case: boolean, 
/**
 * The pattern is plain text.
 */
literal: boolean, 
/**
 * At most so many matches; 500 without it.
 */
limit?: number, };

export type ActionId = string;

export type ActionList = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * The folder; the working folder without it.
 */
path?: string, 
/**
 * How many entries to pass over.
 */
offset?: number, 
/**
 * At most so many; 1,000 without it.
 */
limit?: number, };

export type ActionMove = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * From.
 */
from: string, 
/**
 * To.
 */
to: string, 
/**
 * Replace what stands there.
 */
replace: boolean, };

export type ActionRead = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * The file.
 */
path: string, 
/**
 * The first line wanted, from 1.
 */
offset?: number, 
/**
 * How many lines; without it up to 2,000 (and 1 MiB).
 */
limit?: number, };

export type ActionRun = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * The command, as one would type it into `sh`.
 */
command: string, 
/**
 * The folder; the working folder without it.
 */
cwd?: string, 
/**
 * After so many seconds it is stopped (`exit_code` 124); 120 without it, 3,600 at most. Not for background.
 */
timeout_s?: number, 
/**
 * More environment.
 */
env?: { [key in string]: string }, 
/**
 * Start it as a job and return at once.
 */
background: boolean, 
/**
 * With `background`: start it again after the sandbox slept.
 */
service: boolean, 
/**
 * An id of the caller's choosing, so that `action.cancel` can name it while it runs.
 */
id?: ActionId, };

export type ActionStat = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * The path.
 */
path: string, };

export type ActionStatus = { "state": "running" } | { "state": "done", 
/**
 * The command's exit code; `None` for actions that are no command.
 */
exit_code: number | null, } | { "state": "failed", 
/**
 * What a caller can act on.
 */
code: ErrorCode, 
/**
 * The message.
 */
message: string, };

export type ActionWrite = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * The file.
 */
path: string, 
/**
 * The new content.
 */
content: string, 
/**
 * How `content` is written down.
 */
encoding?: Encoding, 
/**
 * Refuse (`conflict`) unless the file still has this version.
 */
version?: string, };

export type AppFocus = { 
/**
 * A channel to show.
 */
channel?: ChannelRef, 
/**
 * A preview of it to show.
 */
port?: number, };

export type AppInfo = { 
/**
 * Its version.
 */
version: string, 
/**
 * `app` or `headless`.
 */
host: string, 
/**
 * The folder all state lives in.
 */
data_dir: string, 
/**
 * The port of the preview gateway on 127.0.0.1.
 */
gateway_port: number, 
/**
 * Where MCP clients reach it by HTTP.
 */
mcp_url: string | null, 
/**
 * The file that holds the bearer token for it (mode 0600).
 */
mcp_token_file: string | null, 
/**
 * The program `berthctl`, for whoever starts it from elsewhere.
 */
berthctl: string, 
/**
 * The engine's process.
 */
pid: number, };

export type Ask = { "kind": "host_key", 
/**
 * Its name or address, as it is written into the file of known hosts.
 */
host: string, 
/**
 * The kind of its key, such as `ssh-ed25519`.
 */
algorithm: string, 
/**
 * The key's fingerprint: `SHA256:…`.
 */
fingerprint: string, } | { "kind": "password", 
/**
 * Whose.
 */
user: string, 
/**
 * Where.
 */
host: string, 
/**
 * Whether the one before was refused.
 */
again: boolean, } | { "kind": "passphrase", 
/**
 * The key's file.
 */
file: string, 
/**
 * Whether the one before was wrong.
 */
again: boolean, } | { "kind": "prompts", 
/**
 * The machine's title for it.
 */
title: string, 
/**
 * What it says before.
 */
instructions: string, 
/**
 * What it asks.
 */
prompts: Array<Prompt>, };

export type Audit = { 
/**
 * Newest first.
 */
rows: Array<AuditRow>, };

export type AuditList = { 
/**
 * Only this channel's.
 */
channel?: ChannelRef, 
/**
 * Only rows before this one.
 */
before?: number, 
/**
 * At most so many; 200 without it.
 */
limit?: number, };

export type AuditRow = { 
/**
 * Its number; larger is later.
 */
row: number, 
/**
 * The action.
 */
action: ActionId, 
/**
 * Where.
 */
channel: ChannelId, 
/**
 * The channel's name then.
 */
channel_name: string, 
/**
 * Who.
 */
author: Author, 
/**
 * What kind.
 */
verb: Verb, 
/**
 * To what, in one line.
 */
subject: string, 
/**
 * The exact script that ran, cut at 64 KiB.
 */
script: string, 
/**
 * When it started.
 */
at: number, 
/**
 * How long it took.
 */
duration_ms: number, 
/**
 * The exit code, where there was one.
 */
exit_code: number | null, 
/**
 * What went wrong, where something did.
 */
error: string | null, 
/**
 * Bytes sent to the sandbox.
 */
bytes_in: number, 
/**
 * Bytes that came back.
 */
bytes_out: number, };

export type Author = { "kind": "person" } | { "kind": "agent", 
/**
 * Such as "claude-code". Hostile text: shown, never interpreted.
 */
name: string, } | { "kind": "script" } | { "kind": "berth" };

export type ChangedKey = { 
/**
 * The machine, as it is written into the file of known hosts. It may be a jump host on the way.
 */
host: string, 
/**
 * The fingerprint that is known: `SHA256:…`.
 */
known: string, 
/**
 * The fingerprint that it shows.
 */
shown: string, 
/**
 * The file that has the known one.
 */
file: string, 
/**
 * Whether that file is Berth's own: only what Berth has written down can be forgotten by it.
 */
ours: boolean, };

export type Channel = { 
/**
 * Its id, which never changes.
 */
id: ChannelId, 
/**
 * Its name: lower-case letters, digits and dashes, unique, at most 40 characters.
 */
name: string, 
/**
 * When it was made.
 */
created_at: number, 
/**
 * Where its sandbox runs.
 */
provider: ProviderKind, 
/**
 * The machine its sandbox is, where it is one of the person's own.
 */
machine: MachineId | null, 
/**
 * What it started with.
 */
start: Start, 
/**
 * Its sandbox.
 */
sandbox: Sandbox, 
/**
 * Jobs that run, and those that ended lately; newest first.
 */
jobs: Array<Job>, 
/**
 * Ports that answer, or answered and are coming back.
 */
previews: Array<Preview>, 
/**
 * The folder in which commands run and that the file list shows, absolute in the sandbox.
 */
workdir: string, };

export type ChannelCreate = { 
/**
 * Its name: lower-case letters, digits and dashes; 40 characters at most.
 */
name: string, 
/**
 * Where its sandbox runs; this computer without it.
 */
provider?: ProviderKind, 
/**
 * Which machine, where the provider is `machine`.
 */
machine?: MachineRef, 
/**
 * The folder to work in, on a machine: absolute, or from its user's home; `berth/<name>` without it.
 */
folder?: string, 
/**
 * What it starts with; an empty folder without it.
 */
start?: Start, 
/**
 * How it reaches the network; `full` where it works, else `proxied`, without it.
 */
network?: NetworkMode, };

export type ChannelGet = { 
/**
 * Its id or name.
 */
channel: ChannelRef, 
/**
 * Wait so many seconds (600 at most) until its sandbox is running, asleep or failed.
 */
wait_s?: number, };

export type ChannelId = string;

export type ChannelList = { 
/**
 * Oldest first.
 */
channels: Array<Channel>, };

export type ChannelName = { 
/**
 * Its id or name.
 */
channel: ChannelRef, };

export type ChannelRef = string;

export type ChannelRename = { 
/**
 * Which.
 */
channel: ChannelRef, 
/**
 * Its new name.
 */
name: string, };

export type Check = { 
/**
 * A stable name, such as `tcp`, `host-key`, `shell`, `disk`.
 */
id: string, 
/**
 * What was looked at, in words.
 */
label: string, 
/**
 * Whether it is as it should be.
 */
ok: boolean, 
/**
 * Whether a machine that fails here can still be a sandbox, with less.
 */
optional: boolean, 
/**
 * Whether it failed and another way was found: a key that was refused before the one that was not, an address
 * that did not answer before the one that did.
 */
overtaken: boolean, 
/**
 * What was found.
 */
detail: string, 
/**
 * What to do, where something is wrong.
 */
hint?: string, 
/**
 * How long it took.
 */
duration_ms: number, 
/**
 * The machine's key, where it is not the one that is known.
 */
changed_key?: ChangedKey, };

export type CheckOf = { "kind": "machine", 
/**
 * Which.
 */
id: MachineId, } | { "kind": "channel", 
/**
 * Which channel.
 */
id: ChannelId, };

export type CheckReport = { 
/**
 * Whether it can be a sandbox.
 */
ok: boolean, 
/**
 * In the order they were made: first how the connection came about, then what the machine can do.
 */
checks: Array<Check>, 
/**
 * The time of one round trip to it and back; unknown where it was not reached.
 */
round_trip_ms: number | null, 
/**
 * All of it as text, without secrets: to be copied.
 */
text: string, };

export type ConfigHosts = { 
/**
 * Its hosts that are no patterns, in its order.
 */
hosts: Array<string>, 
/**
 * What of it is not understood, and what that means.
 */
notes: Array<string>, };

export type Connection = { "state": "closed" } | { "state": "connecting" } | { "state": "connected" } | { "state": "reconnecting", 
/**
 * How many tries have failed since it was lost.
 */
attempt: number, 
/**
 * What the last try said.
 */
reason: string, 
/**
 * Whether the machine refused us: the next try comes when something is to be done, and not by itself.
 */
refused: boolean, };

export type DirEntry = { 
/**
 * Its name.
 */
name: string, 
/**
 * What it is.
 */
kind: FileKind, 
/**
 * Its size in bytes; of a link, that of what it leads to.
 */
size: number, 
/**
 * When it was changed.
 */
modified: number, 
/**
 * Its permission bits, such as 0o644.
 */
mode: number, 
/**
 * Where a link leads, as it stands in the link.
 */
target: string | null, 
/**
 * Whether Git ignores it.
 */
ignored: boolean, };

export type Empty = Record<symbol, never>;

export type Encoding = "utf8" | "base64";

export type Entry = { 
/**
 * Its id.
 */
id: EntryId, 
/**
 * The channel it is in.
 */
channel: ChannelId, 
/**
 * When it was made; the order of a timeline is that of `seq`.
 */
at: number, 
/**
 * Its place in the timeline: larger is later.
 */
seq: number, 
/**
 * Who made it.
 */
author: Author, 
/**
 * What it is.
 */
body: EntryBody, };

export type EntryBody = { "kind": "message", 
/**
 * Plain text.
 */
text: string, } | { "kind": "action", 
/**
 * The card.
 */
card: ActionCard, } | { "kind": "preview", 
/**
 * The port; its present state is in the channel's `previews`.
 */
port: number, } | { "kind": "notice", 
/**
 * One sentence.
 */
text: string, 
/**
 * The failure, where it is one.
 */
error: RpcError | null, };

export type EntryId = string;

export type ErrorCode = "bad_request" | "not_found" | "conflict" | "not_running" | "cancelled" | "outcome_unknown" | "no_isolation" | "no_keychain" | "failed";

export type Event = { 
/**
 * One more than the event's before it.
 */
seq: number, 
/**
 * When.
 */
at: number, 
/**
 * What.
 */
body: EventBody, };

export type EventBody = { "kind": "channel", 
/**
 * As it is now.
 */
channel: Channel, } | { "kind": "channel_removed", 
/**
 * Which.
 */
id: ChannelId, } | { "kind": "entry", 
/**
 * As it is now.
 */
entry: Entry, } | { "kind": "output", 
/**
 * Where.
 */
channel: ChannelId, 
/**
 * Which.
 */
action: ActionId, 
/**
 * What, at most 16 KiB an event; bytes that are not UTF-8 are replaced.
 */
text: string, } | { "kind": "files", 
/**
 * Where.
 */
channel: ChannelId, 
/**
 * Absolute paths that were written, moved or deleted; empty where it is not known which.
 */
paths: Array<string>, } | { "kind": "surroundings", 
/**
 * What channels can be made on.
 */
providers: Array<ProviderInfo>, 
/**
 * Whether keys can be kept.
 */
keychain: Keychain, } | { "kind": "machines", 
/**
 * As they are now.
 */
machines: Array<Machine>, } | { "kind": "checking", 
/**
 * Of what.
 */
of: CheckOf, 
/**
 * What was found so far, in the order it was looked at. What is found out later may change what stands here.
 */
checks: Array<Check>, } | { "kind": "questions", 
/**
 * As it is now.
 */
questions: Array<Question>, } | { "kind": "transfer", 
/**
 * As it is now.
 */
transfer: Transfer, } | { "kind": "transfer_removed", 
/**
 * Which.
 */
id: TransferId, } | { "kind": "forwards", 
/**
 * As they are now.
 */
forwards: Array<Forward>, } | { "kind": "settings", 
/**
 * As they are now.
 */
settings: Settings, } | { "kind": "focus", 
/**
 * Which channel to show.
 */
channel: ChannelId | null, 
/**
 * Which preview of it to show.
 */
port: number | null, };

export type FileContent = { "kind": "text", 
/**
 * The lines asked for, exactly as they stand, final newline included.
 */
text: string, 
/**
 * The number of its first line.
 */
first_line: number, 
/**
 * How many lines the file has; unknown (`None`) where the file is too large to count at once.
 */
total_lines: number | null, 
/**
 * Whether lines follow that were not sent.
 */
more: boolean, } | { "kind": "image", 
/**
 * Such as `image/png`.
 */
mime: string, 
/**
 * Its bytes in Base64.
 */
base64: string, } | { "kind": "binary", 
/**
 * What it looks like, such as "ELF program"; nothing where unknown.
 */
looks_like: string | null, };

export type FileEdited = { 
/**
 * The path, absolute.
 */
path: string, 
/**
 * How many places were replaced.
 */
replaced: number, 
/**
 * Its version now.
 */
version: string, 
/**
 * What changed, as a unified diff with three lines of context.
 */
diff: string, 
/**
 * Lines added.
 */
added: number, 
/**
 * Lines removed.
 */
removed: number, };

export type FileKind = "file" | "folder" | "link" | "link_to_folder" | "other";

export type FileRead = { 
/**
 * The path, absolute.
 */
path: string, 
/**
 * Its size in bytes.
 */
size: number, 
/**
 * Changes whenever the file does; give it back to `action.edit` and `action.write`.
 */
version: string, 
/**
 * What is in it.
 */
content: FileContent, };

export type FileStat = { 
/**
 * The path, absolute.
 */
path: string, 
/**
 * Name, kind, size and so on.
 */
entry: DirEntry, 
/**
 * Changes whenever the file does.
 */
version: string, };

export type FileWritten = { 
/**
 * The path, absolute.
 */
path: string, 
/**
 * Its size now.
 */
size: number, 
/**
 * Its version now.
 */
version: string, 
/**
 * Whether it was made by this.
 */
created: boolean, };

export type Forward = { 
/**
 * Its id.
 */
id: ForwardId, 
/**
 * The channel.
 */
channel: ChannelId, 
/**
 * The host as the sandbox reaches it.
 */
host: string, 
/**
 * The port there.
 */
port: number, 
/**
 * The port on this computer's 127.0.0.1.
 */
local_port: number, 
/**
 * Connections that stand now.
 */
connections: number, };

export type ForwardId = string;

export type ForwardList = { 
/**
 * Oldest first.
 */
forwards: Array<Forward>, };

export type ForwardName = { 
/**
 * Which.
 */
forward: ForwardId, };

export type ForwardOpen = { 
/**
 * Whose.
 */
channel: ChannelRef, 
/**
 * The port in the sandbox.
 */
port: number, 
/**
 * The host as the sandbox reaches it; the sandbox itself without it.
 */
host?: string, 
/**
 * The port on this computer's 127.0.0.1; the same where it is free, else any, without it.
 */
local_port?: number, };

export type GlobResult = { 
/**
 * Relative to the folder that was looked in.
 */
paths: Array<string>, 
/**
 * Whether there were more.
 */
truncated: boolean, };

export type GrepMatch = { 
/**
 * Relative to the folder that was looked in.
 */
path: string, 
/**
 * From 1.
 */
line: number, 
/**
 * The line, cut at 400 characters.
 */
text: string, };

export type GrepResult = { 
/**
 * By file, then by line.
 */
matches: Array<GrepMatch>, 
/**
 * In how many files.
 */
files: number, 
/**
 * Whether there were more.
 */
truncated: boolean, };

export type Hidden = string;

export type InstalledTool = { 
/**
 * As people name it: "Node", "Python", "Git", "C compiler".
 */
name: string, 
/**
 * Its version, or nothing where it is missing.
 */
version: string | null, 
/**
 * How to get it where it is missing.
 */
hint: string | null, };

export type Inventory = { 
/**
 * In the order shown: Node, Python, Git, build tools, and what else was looked for.
 */
tools: Array<InstalledTool>, 
/**
 * The system's name, such as "Debian GNU/Linux 12 (bookworm)".
 */
system: string | null, };

export type Job = { 
/**
 * Its id, which is also its folder's name in the sandbox (`~/.berth/jobs/<id>`).
 */
id: JobId, 
/**
 * The command as given.
 */
command: string, 
/**
 * The folder it runs in, absolute in the sandbox.
 */
cwd: string, 
/**
 * Whether it is started again after the sandbox slept.
 */
service: boolean, 
/**
 * How it stands.
 */
status: JobStatus, 
/**
 * When it was started.
 */
started_at: number, 
/**
 * When it ended.
 */
ended_at: number | null, 
/**
 * The action that started it; `None` for one started by a wake or a restart.
 */
action: ActionId | null, };

export type JobId = string;

export type JobList = { 
/**
 * Newest first.
 */
jobs: Array<Job>, };

export type JobOutput = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * Which.
 */
job: JobId, 
/**
 * From this byte on; negative counts from the end. 0 without it.
 */
offset?: number, 
/**
 * At most so many bytes; 65,536 without it, 1,048,576 at most.
 */
limit?: number, 
/**
 * Wait up to so many milliseconds (30,000 at most) for something new when there is nothing past `offset`.
 */
wait_ms?: number, };

export type JobOutputPart = { 
/**
 * The text; bytes that are not UTF-8 are replaced.
 */
text: string, 
/**
 * The offset of its first byte.
 */
offset: number, 
/**
 * Where to read on.
 */
next_offset: number, 
/**
 * How long the output is now.
 */
size: number, 
/**
 * How the job stands.
 */
job: Job, };

export type JobRef = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * Which.
 */
job: JobId, };

export type JobStatus = { "state": "running" } | { "state": "exited", 
/**
 * Its exit code; 128 + the signal's number where a signal ended it.
 */
code: number, } | { "state": "stopped" } | { "state": "lost" };

export type KeyForget = { 
/**
 * The machine, as it is written into Berth's own file of known hosts.
 */
host: string, 
/**
 * The fingerprint that is known: `SHA256:…`. Other keys of the machine stay.
 */
fingerprint: string, };

export type Keychain = { "state": "available" } | { "state": "missing", 
/**
 * Why, and what to do.
 */
reason: string, };

export type Listing = { 
/**
 * The folder, absolute.
 */
path: string, 
/**
 * The entries of this page.
 */
entries: Array<DirEntry>, 
/**
 * How many the folder has.
 */
total: number, };

export type Loss = { 
/**
 * Files that Git says are changed or unknown to it; `None` where the folder is no repository.
 */
uncommitted: number | null, 
/**
 * Commits that no remote has.
 */
unpushed: number | null, 
/**
 * Jobs that run now.
 */
running_jobs: number, };

export type Machine = { 
/**
 * Its id, which never changes.
 */
id: MachineId, 
/**
 * What it is called; no other machine is.
 */
name: string, 
/**
 * How it is reached, as the person said: `user@host:port`, or a name of `~/.ssh/config`.
 */
address: string, 
/**
 * A private key to try first.
 */
identity: string | null, 
/**
 * When it was added.
 */
created_at: number, };

export type MachineAdd = { 
/**
 * `user@host:port`, `ssh://user@host:port`, or a name of `~/.ssh/config`; user and port may be left out.
 */
address: string, 
/**
 * What to call it; the address without it.
 */
name?: string, 
/**
 * A private key to try first.
 */
identity?: string, };

export type MachineChange = { 
/**
 * Which.
 */
machine: MachineRef, 
/**
 * Its name.
 */
name: string, 
/**
 * Its address.
 */
address: string, 
/**
 * A private key to try first.
 */
identity?: string, };

export type MachineId = string;

export type MachineList = { 
/**
 * By name.
 */
machines: Array<Machine>, };

export type MachineName = { 
/**
 * Its id or name.
 */
machine: MachineRef, };

export type MachineRef = string;

export type MessagePost = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * Plain text, 64 KiB at most.
 */
text: string, };

export type NetworkMode = "full" | "proxied" | "host";

export type Preview = { 
/**
 * The port in the sandbox.
 */
port: number, 
/**
 * Where the app and the system's browser reach it: `http://<channel>-<port>.localhost:<gateway>/`.
 */
url: string, 
/**
 * Whether something listens on it now.
 */
listening: boolean, 
/**
 * The program that listens, as far as can be told: "node", "python3".
 */
process: string | null, 
/**
 * The job it belongs to, as far as can be told.
 */
job: JobId | null, };

export type PreviewList = { 
/**
 * By port.
 */
previews: Array<Preview>, };

export type PreviewOpen = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * The port in the sandbox.
 */
port: number, };

export type Prompt = { 
/**
 * What it asks.
 */
text: string, 
/**
 * Whether the answer may be seen while it is typed.
 */
echo: boolean, };

export type ProviderInfo = { 
/**
 * Which one.
 */
kind: ProviderKind, 
/**
 * Its name as shown: "This computer".
 */
label: string, 
/**
 * One sentence on what it is.
 */
note: string, 
/**
 * Whether a channel can be made on it now.
 */
available: boolean, 
/**
 * Why not, and the mend.
 */
problem: RpcError | null, };

export type ProviderKind = "local" | "machine";

export type Question = { 
/**
 * Its id.
 */
id: QuestionId, 
/**
 * What it is asked for: a machine's name.
 */
machine: string, 
/**
 * What is asked.
 */
ask: Ask, };

export type QuestionAnswer = { 
/**
 * Which.
 */
question: QuestionId, 
/**
 * One for each thing that was asked.
 */
answers: Array<Hidden>, 
/**
 * Keep it in the operating system's keychain.
 */
remember?: boolean, };

export type QuestionId = string;

export type QuestionName = { 
/**
 * Which.
 */
question: QuestionId, };

export type RpcError = { 
/**
 * What the caller may act on.
 */
code: ErrorCode, 
/**
 * What happened and what was kept, in a sentence a person reads.
 */
message: string, 
/**
 * What to do about it.
 */
hint?: string, 
/**
 * The chain of causes, outermost first, without the message itself.
 */
causes?: Array<string>, };

export type RunResult = { 
/**
 * What it printed; bytes that are not UTF-8 are replaced. At most 1 MiB: the first and the last half.
 */
stdout: string, 
/**
 * What it printed to standard error, likewise.
 */
stderr: string, 
/**
 * Its exit code; 128 + the signal's number; 124 when its time ran out; 0 for a job that started.
 */
exit_code: number, 
/**
 * Whether its time ran out; a command may also end with 124 by itself.
 */
timed_out?: boolean, 
/**
 * From the request to the result.
 */
duration_ms: number, 
/**
 * Whether a part of the output is missing, as the middle of a long one.
 */
truncated: boolean, 
/**
 * The job, with `background`.
 */
job: JobId | null, };

export type Sandbox = { 
/**
 * Where it is in its life.
 */
state: SandboxState, 
/**
 * When it entered that state.
 */
since: number, 
/**
 * What is being done, or was last done, to bring it up; in order.
 */
steps: Array<Step>, 
/**
 * How it reaches the network; unknown until it first started.
 */
network: NetworkMode | null, 
/**
 * One sentence on the network: why it is not `full`, what that means.
 */
network_note: string | null, 
/**
 * What limits hold, in words, such as "4 GB of memory, 2 CPUs, 512 tasks".
 */
limits: string | null, 
/**
 * What is installed in it; unknown until it first started.
 */
inventory: Inventory | null, 
/**
 * Whether its SSH connection stands.
 */
connection: Connection, 
/**
 * Why it failed, with what was kept and what to do.
 */
failure: RpcError | null, };

export type SandboxState = "wanted" | "provisioning" | "starting" | "running" | "stopping" | "asleep" | "failed" | "destroying";

export type Settings = { 
/**
 * Light, dark, or as the system.
 */
theme: Theme, 
/**
 * What the space is called.
 */
space_name: string, };

export type Snapshot = { 
/**
 * The number of the last event that is already in here.
 */
seq: number, 
/**
 * Marks one life of an engine: when it differs, sequence numbers start anew.
 */
engine: string, 
/**
 * All channels, oldest first.
 */
channels: Array<Channel>, 
/**
 * What channels can be made on.
 */
providers: Array<ProviderInfo>, 
/**
 * The person's own machines, by name.
 */
machines: Array<Machine>, 
/**
 * What waits for a person's answer, oldest first.
 */
questions: Array<Question>, 
/**
 * Files and folders on their way, or lately, oldest first.
 */
transfers: Array<Transfer>, 
/**
 * Ports of sandboxes that are open on this computer, oldest first.
 */
forwards: Array<Forward>, 
/**
 * How the app looks.
 */
settings: Settings, 
/**
 * Whether keys can be kept.
 */
keychain: Keychain, 
/**
 * What a person should know before anything else, such as a database that did not pass its check.
 */
problems: Array<RpcError>, };

export type SshAccess = { 
/**
 * A `Host` block for `ssh_config`.
 */
config: string, 
/**
 * The host's name in it.
 */
host: string, 
/**
 * The Unix socket that the sandbox's SSH server listens on, where it listens on one.
 */
socket: string | null, };

export type Start = { "kind": "blank" } | { "kind": "website" } | { "kind": "python" } | { "kind": "git", 
/**
 * What `git clone` is given: `https://…`, `ssh://…` or `user@host:path`.
 */
url: string, };

export type Step = { 
/**
 * A stable name, such as `files`, `start`, `inventory`, `clone`, `server`.
 */
id: string, 
/**
 * What is (or was) done, in words.
 */
label: string, 
/**
 * A detail, such as versions found or a progress percentage in words.
 */
detail: string | null, 
/**
 * How it stands.
 */
status: StepStatus, 
/**
 * How long it took, once ended.
 */
duration_ms: number | null, };

export type StepStatus = "waiting" | "running" | "done" | "failed";

export type Theme = "system" | "light" | "dark";

export type Timeline = { 
/**
 * Oldest first.
 */
entries: Array<Entry>, 
/**
 * Whether there are older ones.
 */
more: boolean, };

export type TimelineList = { 
/**
 * Where.
 */
channel: ChannelRef, 
/**
 * Only entries before this `seq`.
 */
before?: number, 
/**
 * At most so many; 200 without it.
 */
limit?: number, };

export type Transfer = { 
/**
 * Its id.
 */
id: TransferId, 
/**
 * The channel whose sandbox it goes to or comes from.
 */
channel: ChannelId, 
/**
 * Whether it goes into the sandbox.
 */
up: boolean, 
/**
 * What is sent, in a few words: a name, or "3 items".
 */
name: string, 
/**
 * The folder it goes to.
 */
to: string, 
/**
 * Bytes of content that have arrived.
 */
done: number, 
/**
 * Bytes of content in all, once that is known.
 */
total: number | null, 
/**
 * How it stands.
 */
status: TransferStatus, };

export type TransferDownload = { 
/**
 * Where from.
 */
channel: ChannelRef, 
/**
 * Paths in the sandbox; relative ones start at the channel's folder.
 */
from: Array<string>, 
/**
 * An absolute path of a folder on this computer.
 */
to: string, 
/**
 * Files of the same names that are there are replaced, and folders filled up; without it nothing is fetched then.
 */
replace?: boolean, };

export type TransferId = string;

export type TransferList = { 
/**
 * Oldest first.
 */
transfers: Array<Transfer>, };

export type TransferName = { 
/**
 * Which.
 */
transfer: TransferId, };

export type TransferStatus = { "state": "running" } | { "state": "done" } | { "state": "stopped" } | { "state": "failed", 
/**
 * Why, and what to do.
 */
error: RpcError, };

export type TransferUpload = { 
/**
 * Where to.
 */
channel: ChannelRef, 
/**
 * Absolute paths on this computer.
 */
from: Array<string>, 
/**
 * A folder in the sandbox; relative ones start at the channel's folder.
 */
to: string, };

export type Verb = "read" | "write" | "edit" | "glob" | "grep" | "list" | "run" | "stat" | "move" | "delete" | "upload" | "download";

/** Every command with its request and its response. */
export interface Commands {
  "app.snapshot": { request: Empty; response: Snapshot };
  "app.check": { request: Empty; response: Snapshot };
  "app.info": { request: Empty; response: AppInfo };
  "app.focus": { request: AppFocus; response: Empty };
  "settings.set": { request: Settings; response: Settings };
  "channel.create": { request: ChannelCreate; response: Channel };
  "channel.list": { request: Empty; response: ChannelList };
  "channel.get": { request: ChannelGet; response: Channel };
  "channel.rename": { request: ChannelRename; response: Channel };
  "channel.loss": { request: ChannelName; response: Loss };
  "channel.destroy": { request: ChannelName; response: Empty };
  "timeline.list": { request: TimelineList; response: Timeline };
  "message.post": { request: MessagePost; response: Entry };
  "sandbox.sleep": { request: ChannelName; response: Channel };
  "sandbox.wake": { request: ChannelName; response: Channel };
  "sandbox.ssh": { request: ChannelName; response: SshAccess };
  "machine.list": { request: Empty; response: MachineList };
  "machine.add": { request: MachineAdd; response: Machine };
  "machine.change": { request: MachineChange; response: Machine };
  "machine.remove": { request: MachineName; response: Empty };
  "machine.hosts": { request: Empty; response: ConfigHosts };
  "machine.check": { request: MachineName; response: CheckReport };
  "sandbox.check": { request: ChannelName; response: CheckReport };
  "check.cancel": { request: CheckOf; response: Empty };
  "machine.forget_key": { request: KeyForget; response: Empty };
  "question.answer": { request: QuestionAnswer; response: Empty };
  "question.refuse": { request: QuestionName; response: Empty };
  "transfer.upload": { request: TransferUpload; response: Transfer };
  "transfer.download": { request: TransferDownload; response: Transfer };
  "transfer.stop": { request: TransferName; response: Transfer };
  "transfer.resume": { request: TransferName; response: Transfer };
  "transfer.dismiss": { request: TransferName; response: Empty };
  "transfer.list": { request: Empty; response: TransferList };
  "forward.open": { request: ForwardOpen; response: Forward };
  "forward.close": { request: ForwardName; response: Empty };
  "forward.list": { request: Empty; response: ForwardList };
  "action.read": { request: ActionRead; response: FileRead };
  "action.write": { request: ActionWrite; response: FileWritten };
  "action.edit": { request: ActionEdit; response: FileEdited };
  "action.glob": { request: ActionGlob; response: GlobResult };
  "action.grep": { request: ActionGrep; response: GrepResult };
  "action.list": { request: ActionList; response: Listing };
  "action.stat": { request: ActionStat; response: FileStat };
  "action.move": { request: ActionMove; response: FileStat };
  "action.delete": { request: ActionDelete; response: Empty };
  "action.run": { request: ActionRun; response: RunResult };
  "action.cancel": { request: ActionCancel; response: Empty };
  "job.list": { request: ChannelName; response: JobList };
  "job.output": { request: JobOutput; response: JobOutputPart };
  "job.stop": { request: JobRef; response: Job };
  "job.restart": { request: JobRef; response: Job };
  "preview.list": { request: ChannelName; response: PreviewList };
  "preview.open": { request: PreviewOpen; response: Preview };
  "audit.list": { request: AuditList; response: Audit };
  "engine.stop": { request: Empty; response: Empty };
}
