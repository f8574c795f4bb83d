//! The scripts' own words for jobs.
//!
//! Where the home cannot be written to they are in a folder for temporary files, of a name of their own.
//!
//! `~/.berth/jobs/<id>/` holds `cmd`, `cwd` and `env` (what to run), `pid` (who runs it: process id, when that process
//! was born, in which boot, the clock then, and the computer's name), `out` (what it printed), `exit` (exit code and clock) and `stopped`
//! (clock), where someone stopped it. The leader outlives a TERM to its group, so that it can write down how its
//! command ended.

use crate::{Reply, ShellScript, ToolError, path, reply};

use super::{Seen, State};

/// `alive` says whether the leader of job `$j` runs, and sets `pid`. A process that merely got the same number was born
/// at another time.
pub(super) const JOBS: &str = r#"jobs=${HOME%/}/.berth/jobs
temp=${TMPDIR:-/tmp}/berth-jobs-${HOME##*/} shm=/dev/shm/berth-jobs-${HOME##*/}
seek() { for b in "$jobs" "$temp" "$shm"; do
[ ! -d "$b/$1" ] || { [ "$b" != "$jobs" ] && [ ! -O "$b" ]; } || { j=$b/$1; return 0; }
done; return 1; }
born() {
b=
if [ -r /proc/self/stat ]; then
{ read -r b </proc/"$1"/stat; } 2>/dev/null || return 1
b=${b##*) }
set -- $b
[ "$1" != Z ] && [ "$1" != X ] || return 1
g=$3 b=${20}
else
b=$(LC_ALL=C ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _) g=$(ps -o pgid= -p "$1" 2>/dev/null)
g=$((g + 0))
fi
[ -n "$b" ]
}
boot() {
k=-
{ read -r k </proc/sys/kernel/random/boot_id; } 2>/dev/null
}
alive() {
pid= was= in= at= on=
{ read -r pid was in at on <"$j/pid"; } 2>/dev/null
case $pid in
'' | *[!0-9]* | 0* | 1) pid=; return 1;;
esac
boot
born "$pid" && [ "$b" = "$was" ] && [ "$k" = "$in" ]
}
ended() { { read -r code end <"$j/exit"; } 2>/dev/null; }
stands() {
code= end= s=running
in= on=
if ended || ! alive; then
s=lost
h=
{ read -r h </proc/sys/kernel/hostname; } 2>/dev/null
[ -z "$h" ] || [ "$on" != "$h" ] || [ "$k" = "$in" ] || s=rebooted
! ended || s=exited
if [ -e "$j/stopped" ]; then
s=stopped
[ -n "$end" ] || { read -r end <"$j/stopped"; } 2>/dev/null
fi
pid= at=
{ read -r x x x at x <"$j/pid"; } 2>/dev/null
fi
printf '%s\0' "${j##*/}" "$s" "$code" "$pid" "$at" "$end"
}
report() {
stands
[ ! -f "$j/cwd" ] || cat <"$j/cwd"
printf '\0'
[ ! -f "$j/cmd" ] || cat <"$j/cmd"
printf '\0'
}
"#;

/// Tells how all jobs stand, and then what they are, by one `cat`; of those that ended, the oldest are then forgotten.
pub(super) const LIST: &str = r#"n=0 old= z=
set --
for base in "$jobs" "$temp" "$shm"; do
[ -d "$base" ] && { [ "$base" = "$jobs" ] || [ -O "$base" ]; } || continue
for j in "$base"/*; do
[ -f "$j/cmd" ] || continue
if [ -z "$z" ]; then
z=$base/.nul
[ -s "$z" ] || printf '\0' >"$z"
fi
stands
set -- "$@" "$j/cwd" "$z" "$j/cmd" "$z"
case $base/$s in
"$jobs/exited" | "$jobs/stopped") n=$((n + 1)) old="$old ${j##*/}";;
esac
done
done
printf '\0'
[ $# -gt 0 ] || exit 0
cat -- "$@" 2>/dev/null
if [ "$n" -gt 60 ]; then
cd -- "$jobs" && ls -dt $old | tail -n +51 | xargs rm -rf
fi
exit 0
"#;

/// One restart of job `$j` at a time. Whoever died over it holds the lock for two minutes.
pub(super) const LOCK: &str = r#"lock=$j/restarting now=$(date +%s)
if ! mkdir -- "$lock" 2>/dev/null; then
held=$now
{ read -r held <"$lock/at"; } 2>/dev/null
[ "$((now - held))" -gt 120 ] || { echo 'it is being restarted already' >&2; exit 80; }
fi
echo "$now" >"$lock/at"
trap 'rm -rf -- "$lock"' 0
trap 'exit 143' HUP INT TERM
"#;

/// Makes the folder of job `$id`, where something can be written: that is the right to start it, and whoever has it goes
/// on though the connection ends. Another one waits until it did.
pub(super) const AGAIN: &str = r#"trap : HUP INT TERM PIPE
room() { mkdir -p -m 700 -- "$1" && [ ! -L "$1" ] && { [ "$1" = "$jobs" ] || [ -O "$1" ]; } &&
echo x >"$1/.room" && [ -s "$1/.room" ]; }
make() { for b in "$jobs" "$temp" "$shm"; do
room "$b" || continue
j=$b/$id
if mkdir -m 700 -- "$j"; then mine=1; return 0; fi
[ ! -d "$j" ] || return 1
done; return 1; } 2>/dev/null
mine=
seek "$id" || make
if [ -z "$mine" ]; then
[ -d "$j" ] || { LC_ALL=C mkdir -p -- "$jobs" && { LC_ALL=C; echo x >"$jobs/.room"; }; exit 80; }
i=0
while [ -d "$j" ] && [ ! -e "$j/pid" ] && [ "$i" -lt 50 ]; do
sleep 0.1 2>/dev/null || sleep 1
i=$((i + 1))
done
[ -f "$j/cmd" ] || { echo 'its start did not get far' >&2; exit 80; }
report
exit 0
fi
"#;

/// `launch` starts job `$j` and returns once its leader has written down who it is. The leader says so on descriptor 3
/// and keeps none of the session's own descriptors.
pub(super) const LAUNCH: &str = r#"launch() {
boot
rm -f -- "$j/exit" "$j/stopped" "$j/pid"
if command -v setsid >/dev/null 2>&1; then
up=$(setsid sh -c "$leader" sh "$j" "$k" 3>&1 >>"$j/out" 2>&1 </dev/null 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &)
else
up=$(set -m 2>/dev/null; sh -c "$leader" sh "$j" "$k" 3>&1 >>"$j/out" 2>&1 </dev/null 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &)
fi
[ -n "$up" ] || { echo 'the job did not start' >&2; exit 80; }
}
"#;

/// The leader itself.
pub(super) const LEADER: &str = r#"trap : HUP INT QUIT TERM
j=$1
if [ -r /proc/self/stat ]; then
read -r b </proc/$$/stat
b=${b##*) }
set -- $2 $b
b=${21}
else
set -- $2
b=$(LC_ALL=C ps -o lstart= -p $$ | tr -s " " _)
fi
h=
{ read -r h </proc/sys/kernel/hostname; } 2>/dev/null
printf "%s\n" "$$ $b $1 $(date +%s) $h" >"$j/pid.new" && mv -f -- "$j/pid.new" "$j/pid" && echo up >&3
exec 3>&-
BERTH_JOB=${j##*/}
export BERTH_JOB
over() {
printf "%s\n" "$1 $(date +%s)" >"$j/exit.new"
mv -f -- "$j/exit.new" "$j/exit"
exit 0
}
d=$(cat <"$j/cwd" && echo .)
cd -- "${d%.}" || over 125
c=$(cat <"$j/cmd" && echo .)
. "$j/env"
sh -c "${c%.}"
over $?
"#;

/// `stop TENTHS` ends job `$j`: its process group, and those of its processes that left it. What has the job's mark in
/// its environment is its own.
pub(super) const STOP: &str = r#"marked() {
for f in $(grep -la "BERTH_JOB=${j##*/}" /proc/[0-9]*/environ 2>/dev/null); do
f=${f#/proc/}
f=${f%/*}
if [ "$f" != $$ ] && born "$f" && [ "-$g" != "$group" ]; then echo "$f/$b"; fi
done
}
any() {
[ -z "$group" ] || ! kill -0 "$group" 2>/dev/null || return 0
for f in $others; do
! born "${f%/*}" || [ "$b" != "${f#*/}" ] || return 0
done
return 1
}
all() {
[ -z "$group" ] || kill "$1" "$group" 2>/dev/null
for f in $others; do
! born "${f%/*}" || [ "$b" != "${f#*/}" ] || kill "$1" "${f%/*}" 2>/dev/null
done
}
patience() {
i=0
while any && [ "$i" -lt "$1" ]; do
sleep 0.1 2>/dev/null || sleep 1
i=$((i + 1))
done
}
stop() {
group=
if alive; then
date +%s >"$j/stopped"
group=$pid
[ "$g" != "$pid" ] || group=-$pid
fi
others=$(marked)
all -TERM
patience "$1"
if any; then
all -KILL
patience 10
fi
}
"#;

/// A script that leaves the locale alone: a job speaks the person's language, not C.
pub(super) fn begin() -> ShellScript {
    let mut script = ShellScript::bare();
    script.raw("lost() { exit 81; }\n");
    script
}

/// Sets `j` to the folder of a job that must be there.
pub(super) fn job(script: &mut ShellScript, id: &str) -> Result<(), ToolError> {
    name(script, id)?;
    script.raw("[ -f \"$j/cmd\" ] || exit 81\n");
    Ok(())
}

/// Sets `j` to the folder of a job.
pub(super) fn name(script: &mut ShellScript, id: &str) -> Result<(), ToolError> {
    if !is_id(id) {
        return Err(ToolError::bad_request(format!("`{}` is no job's id.", path::display(id))));
    }
    script.raw(JOBS).raw("id=").quoted(id.as_bytes()).raw("; j=$jobs/$id; seek \"$id\"\n");
    Ok(())
}

fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

/// What `report` printed of one job.
pub(super) fn seen(fields: &mut reply::Fields<'_>) -> Result<Seen, ToolError> {
    let id = fields.text()?;
    let mut seen = stands(id, fields)?;
    (seen.cwd, seen.command) = what(fields)?;
    Ok(seen)
}

/// What `report` printed of a job last: its folder and its command.
pub(super) fn what(fields: &mut reply::Fields<'_>) -> Result<(String, String), ToolError> {
    Ok((fields.wire()?, String::from_utf8_lossy(fields.next()?).into_owned()))
}

/// What `stands` printed of one job, after its id.
pub(super) fn stands(id: &str, fields: &mut reply::Fields<'_>) -> Result<Seen, ToolError> {
    let state = fields.next()?;
    let rebooted = state == b"rebooted";
    let code = fields.next()?;
    let pid = optional(fields.next()?)?;
    let started = optional::<i64>(fields.next()?)?.unwrap_or(0).saturating_mul(1000);
    let ended = optional::<i64>(fields.next()?)?.map(|seconds| seconds.saturating_mul(1000));
    let state = match state {
        b"running" => State::Running,
        b"exited" => State::Exited { code: reply::number(code)? },
        b"stopped" => State::Stopped,
        b"lost" | b"rebooted" => State::Lost,
        _ => return Err(ToolError::garbled("a job stands in no known way")),
    };
    if !is_id(id) {
        return Err(ToolError::garbled("a job's id is none"));
    }
    let (id, cwd, command) = (id.to_owned(), String::new(), String::new());
    Ok(Seen { id, command, cwd, state, pid, started, ended, rebooted })
}

fn optional<T: std::str::FromStr>(field: &[u8]) -> Result<Option<T>, ToolError> {
    if field.is_empty() { Ok(None) } else { reply::number(field).map(Some) }
}

/// The reply's fields, or why the action on the job failed.
pub(super) fn fields<'a>(reply: &Reply<'a>, id: &str) -> Result<reply::Fields<'a>, ToolError> {
    reply.fields(&format!("job {}", path::display(id)))
}
