//! Jobs: commands that outlive the connection that started them.
//!
//! A job lives in `~/.berth/jobs/<id>/`, or where that cannot be written to in a folder for temporary files. It is the leader of a session of its own, its output goes to a file, and its
//! exit code is kept: nothing in the machine waits for us.

mod script;

use crate::{ErrorKind, Place, Reply, Script, ShellScript, Tool, ToolError, run};
use script::{AGAIN, JOBS, LAUNCH, LEADER, LOCK, STOP};

/// Starts a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Its id: letters, digits, `-` and `_`, 64 at most, and no other job's. What has it already is this start, sent
    /// again because nobody saw what came of it: it is told of, and nothing is started.
    pub id: String,
    /// The command, as one would type it into `sh`.
    pub command: String,
    /// The folder to run in.
    pub at: Place,
    /// More environment.
    pub env: Vec<(String, String)>,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its processes run.
    Running,
    /// It ended by itself.
    Exited {
        /// Its exit code; 128 + the signal's number where a signal ended it.
        code: i32,
    },
    /// It was stopped on request.
    Stopped,
    /// Its processes are gone and left no exit code: the sandbox slept, or they were killed.
    Lost,
}

/// A job as its folder tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// The command as given.
    pub command: String,
    /// The folder it runs in, absolute.
    pub cwd: String,
    /// How it stands.
    pub state: State,
    /// Its leader's process id while it runs; also its session's and its process group's.
    pub pid: Option<u32>,
    /// When it was started last, in milliseconds since 1970 (whole seconds where the machine knows no finer).
    pub started: i64,
    /// When it ended, where that is known.
    pub ended: Option<i64>,
    /// Whether it was lost because the machine has been started anew since.
    pub rebooted: bool,
}

/// Asks how one job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub id: String,
}

/// Lists all jobs that have a folder, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListAll;

/// Reads a part of a job's output, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Which.
    pub id: String,
    /// From this byte on; negative counts from the end.
    pub offset: i64,
    /// At most so many bytes.
    pub limit: u32,
}

/// A part of a job's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes: standard output and standard error as they came.
    pub bytes: Vec<u8>,
    /// The offset of the first.
    pub offset: u64,
    /// Where to read on.
    pub next_offset: u64,
    /// How long the output is now.
    pub size: u64,
    /// How the job stands.
    pub job: Seen,
}

/// Stops a job: its whole process group, first kindly (TERM), after the grace for good (KILL).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Which.
    pub id: String,
    /// How long it may take to end by itself; the script takes at most a second more.
    pub grace_ms: u32,
}

/// Starts a job again with the same command, folder and environment; stops it first where it runs. Its output goes on
/// where it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// Which.
    pub id: String,
    /// How long it may take to end by itself, where it runs.
    pub grace_ms: u32,
}

/// Removes an ended job's folder. One that runs is refused; one that is not there is fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forget {
    /// Which.
    pub id: String,
}

/// The kernel takes no longer argument.
const COMMAND: usize = 120_000;
/// Room for a job's record in a reply: its command, its folder, and little else.
const RECORD: usize = COMMAND + 8_192;

impl Tool for Start {
    type Output = Seen;

    fn script(&self) -> Result<Script, ToolError> {
        if self.command.len() > COMMAND {
            return Err(ToolError::new(ErrorKind::TooLarge, "The command is too long for a job; nothing was started.")
                .hint("Write it to a file, and run that."));
        }
        let mut env = ShellScript::bare();
        run::exports(&mut env, &self.env)?;
        let env = env.finish(0, false)?.text;
        let mut script = script::begin();
        script.raw(LAUNCH);
        script::name(&mut script, &self.id)?;
        script.place("p", &self.at);
        script.raw("[ -e \"$p\" ] || exit 91\n[ -d \"$p\" ] || exit 92\n[ -x \"$p\" ] || exit 93\n");
        script.raw(AGAIN);
        script.set("leader", LEADER.as_bytes());
        script.raw("{ printf %s \"$p\" >\"$j/cwd\" && printf %s ").word(&env).raw(" >\"$j/env\" && printf %s ");
        script.word(self.command.as_bytes()).raw(" >\"$j/cmd\"; } || { rm -rf -- \"$j\"; exit 80; }\n");
        script.raw("launch\nreport\nexit 0\n");
        script.finish(RECORD, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Seen, ToolError> {
        let folder = self.at.display();
        let error = |kind, message| Err(ToolError::new(kind, message).hint("Nothing was started."));
        match reply.exit_code {
            81 | 91 => error(ErrorKind::NotFound, format!("There is no folder {folder} to run in.")),
            92 => error(ErrorKind::NotFolder, format!("{folder} is not a folder to run in.")),
            93 => error(ErrorKind::PermissionDenied, format!("The sandbox's user may not enter {folder}.")),
            _ => script::seen(&mut script::fields(reply, &self.id)?),
        }
    }
}

impl Tool for Status {
    type Output = Seen;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = script::begin();
        script::job(&mut script, &self.id)?;
        script.raw("report\nexit 0\n");
        script.finish(RECORD, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Seen, ToolError> {
        script::seen(&mut script::fields(reply, &self.id)?)
    }
}

impl Tool for ListAll {
    type Output = Vec<Seen>;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = script::begin();
        script.raw(JOBS).raw(script::LIST);
        script.finish(64 * RECORD, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Vec<Seen>, ToolError> {
        let mut fields = reply.fields("the list of jobs")?;
        let mut jobs = Vec::new();
        loop {
            let id = fields.text()?;
            if id.is_empty() {
                break;
            }
            jobs.push(script::stands(id, &mut fields)?);
        }
        for job in &mut jobs {
            (job.cwd, job.command) = script::what(&mut fields)?;
        }
        jobs.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.id.cmp(&b.id)));
        Ok(jobs)
    }
}

impl Tool for Tail {
    type Output = Part;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = script::begin();
        script::job(&mut script, &self.id)?;
        // How it stands comes before how much it printed: who is told that it ended has been told all the output.
        script.raw("report\nn=0\n[ ! -f \"$j/out\" ] || n=$(wc -c <\"$j/out\")\nn=$((n))\n");
        match self.offset {
            0.. => script.raw(&format!("o={}\n", self.offset)),
            _ => script.raw(&format!("o=$((n - {}))\n", self.offset.unsigned_abs().min(1 << 60))),
        };
        script.raw("[ \"$o\" -ge 0 ] || o=0\n[ \"$o\" -le \"$n\" ] || o=$n\nprintf '%s\\0' \"$o\" \"$n\"\n");
        script
            .raw(&format!("[ \"$o\" = \"$n\" ] || tail -c +$((o + 1)) <\"$j/out\" | head -c {}\nexit 0\n", self.limit));
        script.finish(RECORD + self.limit as usize, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Part, ToolError> {
        let mut fields = script::fields(reply, &self.id)?;
        let job = script::seen(&mut fields)?;
        let (offset, size): (u64, u64) = (fields.number()?, fields.number()?);
        let mut bytes = fields.rest().to_vec();
        // The rest of a character is on the next page, or has not been printed yet.
        let more = offset.saturating_add(bytes.len() as u64) < size || job.state == State::Running;
        if let Some(from) = partial(&bytes).filter(|from| more && *from > 0) {
            bytes.truncate(from);
        }
        let next_offset = offset.saturating_add(bytes.len() as u64);
        Ok(Part { bytes, offset, next_offset, size: size.max(next_offset), job })
    }
}

/// Where a character of UTF-8 begins that is not whole at the end of `bytes`.
fn partial(bytes: &[u8]) -> Option<usize> {
    let from = (bytes.len().saturating_sub(3)..bytes.len()).rev().find(|at| bytes[*at] & 0xC0 != 0x80)?;
    let error = std::str::from_utf8(&bytes[from..]).err()?;
    (error.valid_up_to() == 0 && error.error_len().is_none()).then_some(from)
}

impl Tool for Stop {
    type Output = Seen;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = script::begin();
        script::job(&mut script, &self.id)?;
        script.raw(STOP).raw(&format!("stop {}\nreport\nexit 0\n", self.grace_ms.div_ceil(100)));
        script.finish(RECORD, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Seen, ToolError> {
        script::seen(&mut script::fields(reply, &self.id)?)
    }
}

impl Tool for Restart {
    type Output = Seen;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = script::begin();
        script::job(&mut script, &self.id)?;
        script.raw(STOP).raw(LAUNCH).set("leader", LEADER.as_bytes());
        script.raw(LOCK).raw(&format!("stop {}\nlaunch\nreport\nexit 0\n", self.grace_ms.div_ceil(100)));
        script.finish(RECORD, false)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Seen, ToolError> {
        script::seen(&mut script::fields(reply, &self.id)?)
    }
}

impl Tool for Forget {
    type Output = ();

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = script::begin();
        script::name(&mut script, &self.id)?;
        script.raw("! alive || exit 82\nrm -rf -- \"$j\" || exit 80\nexit 0\n");
        script.finish(4 << 10, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<(), ToolError> {
        if reply.exit_code == 82 {
            let message = format!("Job {} runs; its record is kept.", crate::path::display(&self.id));
            return Err(ToolError::new(ErrorKind::Conflict, message).hint("Stop it first."));
        }
        script::fields(reply, &self.id).map(|_| ())
    }
}
