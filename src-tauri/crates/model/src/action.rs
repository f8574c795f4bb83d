//! Requests and results of the actions in a sandbox.
//!
//! A path is absolute, or relative to the channel's working folder; `~` and `~/…` mean the sandbox's home. Any byte but
//! NUL and `/` is legal in a name: a byte that is not part of valid UTF-8 crosses as the private-use character
//! U+10FF00 + byte (and so does each byte of a name that really holds such a character), which makes the mapping
//! lossless. `berth-tools` does it, in one place.

use crate::{ActionId, ChannelRef, JobId, UnixMillis, wire};

wire! {
    /// Reads a file.
    pub struct ActionRead {
        /// Where.
        pub channel: ChannelRef,
        /// The file.
        pub path: String,
        /// The first line wanted, from 1.
        #[serde(default)] #[ts(optional)]
        pub offset: Option<u64>,
        /// How many lines; without it up to 2,000 (and 1 MiB).
        #[serde(default)] #[ts(optional)]
        pub limit: Option<u64>,
    }

    /// A file's content.
    pub struct FileRead {
        /// The path, absolute.
        pub path: String,
        /// Its size in bytes.
        pub size: u64,
        /// Changes whenever the file does; give it back to `action.edit` and `action.write`.
        pub version: String,
        /// What is in it.
        pub content: FileContent,
    }

    /// What is in a file.
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum FileContent {
        /// Text, or a part of it.
        Text {
            /// The lines asked for, exactly as they stand, final newline included.
            text: String,
            /// The number of its first line.
            first_line: u64,
            /// How many lines the file has; unknown (`None`) where the file is too large to count at once.
            total_lines: Option<u64>,
            /// Whether lines follow that were not sent.
            more: bool,
        },
        /// An image.
        Image {
            /// Such as `image/png`.
            mime: String,
            /// Its bytes in Base64.
            base64: String,
        },
        /// Not text; not sent.
        Binary {
            /// What it looks like, such as "ELF program"; nothing where unknown.
            looks_like: Option<String>,
        },
    }

    /// Writes a whole file: atomically, with its folders, keeping mode and owner of what was there.
    pub struct ActionWrite {
        /// Where.
        pub channel: ChannelRef,
        /// The file.
        pub path: String,
        /// The new content.
        pub content: String,
        /// How `content` is written down.
        #[serde(default)] #[ts(optional)]
        pub encoding: Option<Encoding>,
        /// Refuse (`conflict`) unless the file still has this version.
        #[serde(default)] #[ts(optional)]
        pub version: Option<String>,
    }

    /// A file was written.
    pub struct FileWritten {
        /// The path, absolute.
        pub path: String,
        /// Its size now.
        pub size: u64,
        /// Its version now.
        pub version: String,
        /// Whether it was made by this.
        pub created: bool,
    }

    /// Replaces exact text in a file.
    pub struct ActionEdit {
        /// Where.
        pub channel: ChannelRef,
        /// The file.
        pub path: String,
        /// The text to find, exactly; it must occur once unless `all`.
        pub old: String,
        /// What stands there afterwards.
        pub new: String,
        /// Replace every occurrence.
        #[serde(default)]
        pub all: bool,
        /// Refuse (`conflict`) unless the file still has this version.
        #[serde(default)] #[ts(optional)]
        pub version: Option<String>,
    }

    /// A file was edited.
    pub struct FileEdited {
        /// The path, absolute.
        pub path: String,
        /// How many places were replaced.
        pub replaced: u32,
        /// Its version now.
        pub version: String,
        /// What changed, as a unified diff with three lines of context.
        pub diff: String,
        /// Lines added.
        pub added: u32,
        /// Lines removed.
        pub removed: u32,
    }

    /// Finds files by name.
    pub struct ActionGlob {
        /// Where.
        pub channel: ChannelRef,
        /// Such as `src/{a,b}/*.rs`, relative to `path`; `**` stands for any number of folders.
        pub pattern: String,
        /// The folder to look in; the working folder without it.
        #[serde(default)] #[ts(optional)]
        pub path: Option<String>,
        /// At most so many; 1,000 without it.
        #[serde(default)] #[ts(optional)]
        pub limit: Option<u32>,
    }

    /// Files found, newest first.
    pub struct GlobResult {
        /// Relative to the folder that was looked in.
        pub paths: Vec<String>,
        /// Whether there were more.
        pub truncated: bool,
    }

    /// Finds text in files.
    pub struct ActionGrep {
        /// Where.
        pub channel: ChannelRef,
        /// An extended regular expression (POSIX ERE; where ripgrep is present its syntax, which contains it).
        pub pattern: String,
        /// The file or folder to look in; the working folder without it.
        #[serde(default)] #[ts(optional)]
        pub path: Option<String>,
        /// Only files whose name matches, such as `*.py`.
        #[serde(default)] #[ts(optional)]
        pub glob: Option<String>,
        /// Upper and lower case are the same.
        #[serde(default)]
        pub ignore_case: bool,
        /// The pattern is plain text.
        #[serde(default)]
        pub literal: bool,
        /// At most so many matches; 500 without it.
        #[serde(default)] #[ts(optional)]
        pub limit: Option<u32>,
    }

    /// Text found.
    pub struct GrepResult {
        /// By file, then by line.
        pub matches: Vec<GrepMatch>,
        /// In how many files.
        pub files: u32,
        /// Whether there were more.
        pub truncated: bool,
    }

    /// One line that matches.
    pub struct GrepMatch {
        /// Relative to the folder that was looked in.
        pub path: String,
        /// From 1.
        pub line: u64,
        /// The line, cut at 400 characters.
        pub text: String,
    }

    /// Lists a folder, a page at a time: folders first, then by name.
    pub struct ActionList {
        /// Where.
        pub channel: ChannelRef,
        /// The folder; the working folder without it.
        #[serde(default)] #[ts(optional)]
        pub path: Option<String>,
        /// How many entries to pass over.
        #[serde(default)] #[ts(optional)]
        pub offset: Option<u32>,
        /// At most so many; 1,000 without it.
        #[serde(default)] #[ts(optional)]
        pub limit: Option<u32>,
    }

    /// A page of a folder.
    pub struct Listing {
        /// The folder, absolute.
        pub path: String,
        /// The entries of this page.
        pub entries: Vec<DirEntry>,
        /// How many the folder has.
        pub total: u32,
    }

    /// One entry of a folder.
    pub struct DirEntry {
        /// Its name.
        pub name: String,
        /// What it is.
        pub kind: FileKind,
        /// Its size in bytes; of a link, that of what it leads to.
        pub size: u64,
        /// When it was changed.
        pub modified: UnixMillis,
        /// Its permission bits, such as 0o644.
        pub mode: u32,
        /// Where a link leads, as it stands in the link.
        pub target: Option<String>,
        /// Whether Git ignores it.
        pub ignored: bool,
    }

    /// Asks about a path.
    pub struct ActionStat {
        /// Where.
        pub channel: ChannelRef,
        /// The path.
        pub path: String,
    }

    /// What is known about a path.
    pub struct FileStat {
        /// The path, absolute.
        pub path: String,
        /// Name, kind, size and so on.
        pub entry: DirEntry,
        /// Changes whenever the file does.
        pub version: String,
    }

    /// Moves or renames. An existing target is refused unless `replace`.
    pub struct ActionMove {
        /// Where.
        pub channel: ChannelRef,
        /// From.
        pub from: String,
        /// To.
        pub to: String,
        /// Replace what stands there.
        #[serde(default)]
        pub replace: bool,
    }

    /// Deletes a file, a link or an empty folder; a full folder only when `recursive`.
    pub struct ActionDelete {
        /// Where.
        pub channel: ChannelRef,
        /// The path.
        pub path: String,
        /// With everything in it.
        #[serde(default)]
        pub recursive: bool,
    }

    /// Runs a command by `sh -c` in the login environment.
    pub struct ActionRun {
        /// Where.
        pub channel: ChannelRef,
        /// The command, as one would type it into `sh`.
        pub command: String,
        /// The folder; the working folder without it.
        #[serde(default)] #[ts(optional)]
        pub cwd: Option<String>,
        /// After so many seconds it is stopped (`exit_code` 124); 120 without it, 3,600 at most. Not for background.
        #[serde(default)] #[ts(optional)]
        pub timeout_s: Option<u32>,
        /// More environment.
        #[serde(default)] #[ts(optional)]
        pub env: Option<std::collections::BTreeMap<String, String>>,
        /// Start it as a job and return at once.
        #[serde(default)]
        pub background: bool,
        /// With `background`: start it again after the sandbox slept.
        #[serde(default)]
        pub service: bool,
        /// An id of the caller's choosing, so that `action.cancel` can name it while it runs.
        #[serde(default)] #[ts(optional)]
        pub id: Option<ActionId>,
    }

    /// What a command did.
    pub struct RunResult {
        /// What it printed; bytes that are not UTF-8 are replaced. At most 1 MiB: the first and the last half.
        pub stdout: String,
        /// What it printed to standard error, likewise.
        pub stderr: String,
        /// Its exit code; 128 + the signal's number; 124 when its time ran out; 0 for a job that started.
        pub exit_code: i32,
        /// Whether its time ran out; a command may also end with 124 by itself.
        #[serde(default)] #[ts(as = "Option<bool>", optional)]
        pub timed_out: bool,
        /// From the request to the result.
        pub duration_ms: u64,
        /// Whether a part of the output is missing, as the middle of a long one.
        pub truncated: bool,
        /// The job, with `background`.
        pub job: Option<JobId>,
    }

    /// Stops a running action.
    pub struct ActionCancel {
        /// Where.
        pub channel: ChannelRef,
        /// Which.
        pub action: ActionId,
    }

    /// Reads a part of a job's output.
    pub struct JobOutput {
        /// Where.
        pub channel: ChannelRef,
        /// Which.
        pub job: JobId,
        /// From this byte on; negative counts from the end. 0 without it.
        #[serde(default)] #[ts(optional)]
        pub offset: Option<i64>,
        /// At most so many bytes; 65,536 without it, 1,048,576 at most.
        #[serde(default)] #[ts(optional)]
        pub limit: Option<u32>,
        /// Wait up to so many milliseconds (30,000 at most) for something new when there is nothing past `offset`.
        #[serde(default)] #[ts(optional)]
        pub wait_ms: Option<u32>,
    }

    /// A part of a job's output: standard output and standard error as they came.
    pub struct JobOutputPart {
        /// The text; bytes that are not UTF-8 are replaced.
        pub text: String,
        /// The offset of its first byte.
        pub offset: u64,
        /// Where to read on.
        pub next_offset: u64,
        /// How long the output is now.
        pub size: u64,
        /// How the job stands.
        pub job: crate::Job,
    }

    /// Names a job of a channel.
    pub struct JobRef {
        /// Where.
        pub channel: ChannelRef,
        /// Which.
        pub job: JobId,
    }
}

/// How bytes are written down in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As text.
    Utf8,
    /// In Base64.
    Base64,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; to a folder when `LinkToFolder`.
    Link,
    /// A symbolic link that leads to a folder.
    LinkToFolder,
    /// A socket, a pipe, a device.
    Other,
}
