//! Commands whose outcome is kept in the machine until it was seen: a connection that drops loses nothing, and nothing
//! runs twice.
//!
//! Runs come in sets: run `<set>-<n>` has files in the folder `berth-run-<set>`, `<n>.run`, and `<n>.out` and `<n>.err` with
//! what it printed. `<n>.run` is a line: `---`, the shell that runs it, when that was born, the computer's name and its boot.
//! Making this file is the right to run: whoever finds none by [`Look`] makes it, with the word `tomb` in it, and a start
//! that comes late, from a connection that was given up, finds it and does nothing. At the end the exit code is written
//! over the `---`, which needs no room on a disk that the command has filled.
//!
//! The folder is in `~/.berth/runs`, or where that cannot be written (no home, a full disk) in a folder for temporary
//! files; where nothing can be written at all, nothing is run.
//!
//! A command that opens /dev/stdout or /dev/stderr by name opens such a file, and begins it anew. One whose text says so
//! prints into a pipe, and a program reads that into the file, which takes some milliseconds; one that does so unseen, in
//! a script that it runs, is found out, for each file begins with the run's mark, and its end says that something is gone.
//! What a command prints that meets a full disk is lost, as the command is told.
//!
//! What is done before and after each command is done by the shell itself where it can be: each program that is started
//! takes about a millisecond, and a fast connection's whole way takes less than one.

use crate::{
    BORN, ErrorKind, Ran, Reply, Run, Script, ShellScript, Tool, ToolError, path, reply::Fields, shell::FRESH,
};

/// Runs a command and keeps its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// The run's id: letters, digits and `-`, 64 at most; up to the last `-` it names the set. Never used again.
    pub id: String,
    /// What to run.
    pub run: Run,
    /// Runs whose outcome was seen: they are forgotten.
    pub seen: Vec<String>,
    /// Whether those are forgotten, too, that ended a month ago and that nobody asked after.
    pub sweep: bool,
}

/// Looks after a run whose connection was lost, or which takes its time. Where there is none, there never will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The run's id.
    pub id: String,
    /// Up to where its standard output is known: 0, or what [`Standing::Running`] said.
    pub out: u64,
    /// Up to where its standard error is known, likewise.
    pub err: u64,
}

/// Ends a run with everything it started, first kindly. One that has not begun will not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The run's id.
    pub id: String,
}

/// What became of a command that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It ended.
    Ended(Ran),
    /// It ended, and its output is long: [`Look`] tells of it.
    Untold,
    /// It ended, and not all of what it printed came: [`Look`] tells of it. What was seen may not be forgotten.
    Cut,
    /// It has begun under this id before, or will never.
    Taken,
    /// Nothing can be kept there. Nothing was run.
    NoRoom,
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It never began, and will not: it may be run anew under another id.
    Never,
    /// It runs, and has printed this since.
    Running {
        /// Standard output.
        out: Vec<u8>,
        /// Up to here.
        out_to: u64,
        /// Standard error.
        err: Vec<u8>,
        /// Up to here.
        err_to: u64,
    },
    /// It ended.
    Ended(Ran),
    /// It is gone without an exit code: it was killed, or the machine was started anew.
    Lost,
    /// Nothing is known of it, since nothing can be kept there: it may yet begin.
    Unkept,
}

/// What comes first, once the command has its folder: from here on it may be looked after.
pub const BEGAN: &[u8] = b"began\0";

/// So many bytes of each stream come back with the mark before them: the first and the last half.
const LIMIT: u64 = 512 * 1024;
/// So many bytes of each stream are kept in the machine while a command runs; beyond, its first part and its last.
const CAP: u64 = 64 * 1024 * 1024;
/// The exit code of a script whose command ended without its outcome being told.
const UNTOLD: i32 = 79;
/// So many bytes of each stream come with one look.
const PART: u64 = 64 * 1024;

/// `_find` sets `_d` to what the names of the run's files begin with. `_claim WORDS` makes the first of them, and fails with
/// `_d` empty where nothing can be written, with `_d` set where somebody else has made it. The names are such that no
/// command means them.
const FILES: &str = r#"_home=${HOME%/}/.berth/runs
_bases() { for _b in "$_home" "${TMPDIR:-/tmp}" /dev/shm
do _o=$_b/berth-run-${_id%-*}; _d=$_o/${_id##*-}; ! "$_does" || return 0; done; _d=; return 1; }
_ours() { [ "$_b" = "$_home" ] || { [ ! -L "$_o" ] && [ -O "$_o" ]; }; }
_there() { [ -e "$_d.run" ] && _ours; }
_find() { _does=_there; _bases; }
_make() { if [ ! -d "$_o" ]; then
if [ "$_b" = "$_home" ] && [ ! -d "$_b" ]; then mkdir -p -m 700 -- "$_b" 2>/dev/null || return 1; fi
mkdir -m 700 -- "$_o" 2>/dev/null || [ -d "$_o" ] || return 1; fi; _ours || return 1
_fresh "$_d.run" || { [ -e "$_d.run" ]; return; }
{ echo "$_words" >"$_d.run" && echo "$_id" >"$_d.err" && echo "$_id" >"$_d.out"; } 2>/dev/null && _mine=1 && return 0
rm -f -- "$_d".*; return 1; }
_claim() { _mine= _words=$1; ! _find || return 1; _does=_make; _bases && [ -n "$_mine" ]; }
"#;

/// `_piped` lets a command print into two pipes that are read into its files, and sets `_c` to its exit code and
/// `_piped`; where there are none it does nothing. A pipe has no name any more once it is open, since who reads the home would read it. Who reads
/// a pipe outlives a signal, and a full disk, of which `gone` tells. A while after the command it is no longer waited for,
/// since what the command left behind may print on.
const PIPED: &str = r#"_piped() { mkfifo -m 600 -- "$_d.po" "$_d.pe" || return; _piped=1
( exec <"$_d.po"; rm -f -- "$_d.po"; _through "$_d.out" ) >>"$_d.out" 3>&- & _po=$!
( exec <"$_d.pe"; rm -f -- "$_d.pe"; _through "$_d.err" ) >>"$_d.err" 3>&- & _pe=$!
_t=3 _l=; trap '_t=0.3' HUP INT TERM; ( eval "$_run" ) </dev/null >"$_d.po" 2>"$_d.pe" 3>&-; _c=$?
trap '_l=1' ALRM; ( sleep "$_t" || sleep 1; kill -s ALRM "$_p" ) >/dev/null 3>&- & _q=$!
[ -n "$_l" ] || wait "$_po" "$_pe" || [ -n "$_l" ] || sleep 0.3 || sleep 1
trap '' ALRM; kill "$_q"; trap : HUP INT TERM; }
_through() { trap '' HUP INT TERM; until cat || [ "$?" -gt 1 ]; do { :; } >>"$1.gone"; done; }
"#;

/// `_none FILE FD` says that nothing was printed into a file, where that can be known without a program: nothing was written
/// by the descriptor that the command had, and who reads the file comes to its end behind the mark.
const NONE: &str = r#"_none() { [ -z "$_piped" ] && _at "$2" && [ "$_y" = 0 ] &&
{ read -r _x <&6 && [ "$_x" = "$_id" ] && { read -r _x <&6; _at 6; } && [ "$_y" = $((${#_id} + 1)) ]; } 6<"$1"; }
_at() { _y=; read -r _x _y </proc/self/fdinfo/"$1"; }
"#;

/// `_show CODE` tells of a run that ended: fields, and then exactly as many bytes as these say. Of a stream, `_n` is what
/// is in its file, `_g` what was taken out of that while it ran, `_a` what it had in all, `_s` what is sent of it.
const SHOW: &str = r#"_size() { _n=0 _g=0
[ ! -s "$1" ] || _n=$(wc -c <"$1"); _n=$((_n))
[ ! -f "$1.gone" ] || { read -r _g <"$1.gone"; } 2>/dev/null; _g=$((_g)); }
_tell() { _size "$1"; _a=$((_g + _n)) _s=$_n
if [ -f "$1.head" ]; then [ "$_s" -le "$_half" ] || _s=$_half; _s=$((_s + _half))
elif [ "$_s" -gt $((_half * 2)) ]; then _s=$((_half * 2)); fi
[ ! -e "$1.gone" ] || [ "$_a" -gt "$_s" ] || _a=$((_s + 1)); }
_send() { if [ "$2" = 0 ]; then :
elif [ -f "$1.head" ]; then head -c "$_half" <"$1.head"; [ "$2" = "$_half" ] || tail -c "$(($2 - _half))" <"$1"
elif [ "$2" = $((_half * 2)) ]; then head -c "$_half" <"$1"; tail -c "$_half" <"$1"
else head -c "$2" <"$1"; fi; }
_show() { _tell "$_d.out"; _oa=$_a _os=$_s; _tell "$_d.err"
printf 'ended\0%s\0%s\0%s\0%s\0%s\0' "$1" "$_oa" "$_os" "$_a" "$_s"
_send "$_d.out" "$_os"; _send "$_d.err" "$_s"; }
"#;

/// `_host` sets `_k` and `_r` to the computer and its boot. `_me` sets `_p` to the shell's process and `_x` to when it was born,
/// of what the session's frame has read of it, or else by itself: each file of the kernel's costs a tenth of a millisecond,
/// and dash takes two to look for the last `) ` of a line. The name of a shell has none within.
const ME: &str = r#"_host() { _k= _r=; { read -r _k </proc/sys/kernel/hostname; read -r _r </proc/sys/kernel/random/boot_id; } 2>/dev/null; }
_me() { [ -n "$_p" ] || { read -r _p _x </proc/self/stat; } 2>/dev/null; set -- ${_x#*) }; _x=${20}
[ -n "$_p" ] || _p=$(exec sh -c 'echo $PPID'); }
"#;

/// `_over` sets `_c` to the exit code of a run that ended. `_alive`: who runs it, by the process, when that was born, and on
/// which computer, since several may share a home. One that is elsewhere is taken to run there while it prints, and is
/// process 0 here. A run that has not said so for minutes never will.
const WHO: &str = r#"_over() { _c=; { read -r _c _x <"$_d.run"; } 2>/dev/null; _c=${_c%%-*}; [ -n "$_c" ]; }
_alive() { _p= _was= _on= _in=; { read -r _x _p _was _on _in <"$_d.run"; } 2>/dev/null
if [ -z "$_p" ]; then [ -n "$(find "$_d.run" -prune -mmin -2 2>/dev/null)" ]; return; fi
_host; if [ -n "$_in" ] && [ "$_on" != "$_k" ] && [ "$_in" != "$_r" ]; then
_p=0; [ -n "$(find "$_d".* -prune -mmin -60 2>/dev/null)" ]; return; fi
{ kill -0 "$_p" 2>/dev/null && _born "$_p" && [ "$_x" = "$_was" ]; }; }
"#;

/// Keeps a long output small while its command runs; ends with it. `gone` says so before anything is taken out.
const WATCH: &str = r#"_watch() { if [ "${_p:-0}" != 0 ] && [ ! -e "$_d.watch" ]; then { :; } >"$_d.watch"
( trap '' HUP; while [ -e "$_d.run" ] && ! _over && _alive; do
for _f in "$_d.out" "$_d.err"; do _size "$_f"; if [ "$_n" -gt "$_cap" ]; then
[ -e "$_f.head" ] || { head -c "$_half" <"$_f" >"$_f.new" && mv -f "$_f.new" "$_f.head"; }
{ :; } >>"$_f.gone" && { :; } >"$_f"; echo "$((_g + _n))" >"$_f.gone"; fi; done; sleep 1; done ) </dev/null >/dev/null 2>&1 8>&- 9>&- &
fi; }
"#;

/// What an app that ended left: of the last of its runs it could not say any more that it had seen their outcome.
const SWEEP: &str = r#"( cd -- "$_home" 2>/dev/null || exit 0
find . ! -name . -prune -name 'berth-run-*' -mtime +30 2>/dev/null | while IFS= read -r _o; do
case $_o in ./berth-run-*) _y=; for _d in "$_o"/*.run; do
_d=${_d%.run}; [ ! -e "$_d.run" ] || _over || ! _alive || _y=1; done
[ -n "$_y" ] || rm -rf -- "$_o";; esac; done )
"#;

fn check(id: &str) -> Result<(), ToolError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=64).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(());
    }
    Err(ToolError::bad_request(format!("`{}` is no run's id.", path::display(id))))
}

/// What each of a run's two files begins with.
fn mark(id: &str) -> Vec<u8> {
    [id.as_bytes(), b"\n"].concat()
}

fn begin(id: &str) -> Result<ShellScript, ToolError> {
    check(id)?;
    let mut script = ShellScript::bare();
    script.raw(&format!("_id={id} _half={} _cap={CAP}\n", LIMIT / 2)).raw(FRESH).raw(FILES);
    Ok(script)
}

impl Tool for Keep {
    type Output = Kept;

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = begin(&self.id)?;
        let command = self.run.script()?.text;
        // First, for it makes room.
        if !self.seen.is_empty() {
            script.raw("( set --; for _id in");
            for id in &self.seen {
                check(id)?;
                script.raw(" ").raw(id);
            }
            script.raw("; do ! _find || set -- \"$@\" \"$_d\".*; done; rm -f -- \"$@\" ) 2>/dev/null\n");
        }
        // What is looked for is there before the command begins, and its end is written down before it is told.
        // Nor does it end because nobody reads what it says: that is when its outcome is kept for later.
        script.raw(ME).raw("trap : HUP INT TERM PIPE\n_me; _host; if _claim \"--- $_p $_x $_k $_r\"; then\n");
        script.raw("exec 3>&2 2>/dev/null\nprintf 'began\\0'\n_run=").word(&command).raw("\n");
        script.raw("_piped=\n");
        if names_its_output(&self.run.command) {
            script.raw(PIPED).raw("_piped\n");
        }
        script.raw("if [ -z \"$_piped\" ]; then exec 4>>\"$_d.out\" 5>>\"$_d.err\"\n");
        script.raw("( eval \"$_run\" ) </dev/null >&4 2>&5 3>&- 4>&- 5>&-; _c=$?; fi\n");
        // zsh would tell what comes now twice, where a signal comes meanwhile.
        script.raw("printf %s \"$_c\" 1<>\"$_d.run\"; trap '' TERM\n").raw(NONE);
        script.raw(&format!(
            "_send() {{ if _none \"$1\" \"$2\"; then printf '%s\\n\\0%s\\0' \"$_id\" \"$_id\"\n\
             else head -c {} <\"$1\" && printf '\\0%s\\0' \"$_id\"; fi; }}\n\
             printf 'ended\\0%s\\0' \"$_c\"; _send \"$_d.out\" 4; _send \"$_d.err\" 5 >&3\n",
            LIMIT + 1
        ));
        if self.sweep {
            script.raw(BORN).raw("\n").raw(WHO).raw(SWEEP);
        }
        script.raw(&format!("[ ! -e \"$_d.out.gone\" ] && [ ! -e \"$_d.err.gone\" ] || exit {UNTOLD}\n"));
        script.raw("elif [ -n \"$_d\" ]; then printf 'taken\\0'\nelse printf 'full\\0'; fi\nexit 0\n");
        script.finish(2 * usize::try_from(LIMIT).unwrap_or(usize::MAX) + 4_096, false)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<Kept, ToolError> {
        if reply.exit_code == UNTOLD {
            return Ok(Kept::Untold);
        }
        let stdout = reply.stdout.strip_prefix(BEGAN).unwrap_or(reply.stdout);
        let mut fields = Reply { stdout, ..*reply }.fields("the command")?;
        match fields.next()? {
            b"taken" => Ok(Kept::Taken),
            b"full" => Ok(Kept::NoRoom),
            b"ended" => {
                let exit_code = fields.number()?;
                // Each stream comes to its end, which is no part of it, or came only in part.
                let end = [b"\0", self.id.as_bytes(), b"\0"].concat();
                let whole = |stream: &'_ [u8]| stream.len().checked_sub(end.len()).filter(|_| stream.ends_with(&end));
                let stdout = fields.rest();
                let (Some(out), Some(err)) = (whole(stdout), whole(reply.stderr)) else { return Ok(Kept::Cut) };
                if out.max(err) as u64 > LIMIT {
                    return Ok(Kept::Untold);
                }
                let (stdout, stderr) = (&stdout[..out], &reply.stderr[..err]);
                ran(&self.id, &self.run, &Reply { stdout, stderr, exit_code, truncated: false }).map(Kept::Ended)
            }
            _ => Err(ToolError::garbled("a run stands in no known way")),
        }
    }
}

impl Look {
    /// What the machine's reply means for `run`, which was started under this id.
    pub fn standing(&self, run: &Run, reply: &Reply<'_>) -> Result<Standing, ToolError> {
        let mut fields = reply.fields("the command")?;
        Ok(match fields.next()? {
            b"never" => Standing::Never,
            b"lost" => Standing::Lost,
            b"unkept" => Standing::Unkept,
            b"ended" => Standing::Ended(ended(&self.id, run, fields)?),
            b"running" => {
                let (out_to, out_len, err_to) = (fields.number()?, fields.number::<usize>()?, fields.number()?);
                let rest = fields.rest();
                let (out, err) = rest.split_at_checked(out_len).ok_or_else(|| ToolError::garbled("it is cut"))?;
                let mark = mark(&self.id);
                let printed = |from, part: &[u8]| match part.strip_prefix(&mark[..]) {
                    Some(printed) if from == 0 => printed.to_vec(),
                    _ => part.to_vec(),
                };
                let (out, err) = (printed(self.out, out), printed(self.err, err));
                Standing::Running { out, out_to, err, err_to }
            }
            _ => return Err(ToolError::garbled("a run stands in no known way")),
        })
    }

    /// What to run in the machine. It may be repeated.
    pub fn script(&self) -> Result<Script, ToolError> {
        let mut script = begin(&self.id)?;
        script.raw(SHOW).raw(ME).raw(BORN).raw("\n").raw(WHO).raw(WATCH);
        // Whoever makes the folder now has made it for good.
        script.raw("if _claim tomb; then printf 'never\\0'; exit 0; fi\n");
        script.raw("if [ -z \"$_d\" ]; then printf 'unkept\\0'; exit 0; fi\n");
        // It may end between the two looks, and then its code is there at the second.
        script.raw(
            "if ! _over && ! _alive && ! _over; then printf 'lost\\0'; exit 0; fi\n\
             case $_c in tomb) printf 'never\\0'; exit 0;; ?*) _show \"$_c\"; exit 0;; esac; _watch\n",
        );
        // A part of each stream from where it is known, never beyond what there was when it was measured.
        script.raw(&format!(
            "_part() {{ _size \"$1\"; _o=$(($2 - _g)); [ \"$_o\" -ge 0 ] || _o=0; [ \"$_o\" -le \"$_n\" ] || _o=$_n\n\
             _s=$((_n - _o)); [ \"$_s\" -le {PART} ] || _s={PART}; _t=$((_g + _o + _s)); }}\n\
             _bytes() {{ [ \"$3\" = 0 ] || tail -c +\"$(($2 + 1))\" <\"$1\" | head -c \"$3\"; }}\n\
             _part \"$_d.out\" {out}; _oo=$_o _os=$_s _ot=$_t; _part \"$_d.err\" {err}\n\
             printf 'running\\0%s\\0%s\\0%s\\0' \"$_ot\" \"$_os\" \"$_t\"\n\
             _bytes \"$_d.out\" \"$_oo\" \"$_os\"; _bytes \"$_d.err\" \"$_o\" \"$_s\"; exit 0\n",
            out = self.out,
            err = self.err,
        ));
        script.finish(2 * usize::try_from(LIMIT).unwrap_or(usize::MAX) + 4_096, true)
    }
}

impl Tool for End {
    type Output = ();

    fn script(&self) -> Result<Script, ToolError> {
        let mut script = begin(&self.id)?;
        // One that has not begun never will; one that begins just now is waited for.
        script.raw(ME).raw(BORN).raw("\n").raw(WHO).raw("if _claim tomb; then exit 0; fi\n_i=0\n");
        script.raw("while [ -n \"$_d\" ] && [ ! -s \"$_d.run\" ] && [ \"$_i\" -lt 20 ]; do\n");
        script.raw("sleep 0.1 2>/dev/null || sleep 1; _i=$((_i + 1)); done\n");
        script.raw("[ -n \"$_d\" ] && ! _over && _alive && [ \"${_p:-0}\" -gt 1 ] 2>/dev/null || exit 0\n");
        script.raw(END);
        script.finish(4_096, true)
    }

    fn parse(&self, reply: &Reply<'_>) -> Result<(), ToolError> {
        reply.fields("the command").map(|_| ())
    }
}

/// The shell that runs a command outlives the first signal, to write down how it ended. Parents are told first: one whose
/// child has ended goes on with its next command.
const END: &str = r#"_all() { if [ -r /proc/self/stat ]; then
for _f in /proc/[0-9]*/stat; do { read -r _x <"$_f"; } 2>/dev/null || continue
set -- ${_x##*) }; _f=${_f%/stat}; echo "${_f#/proc/} $2"; done
else ps -A -o pid= -o ppid=; fi; }
_tree() { _all 2>/dev/null | awk -v r="$_p" '{ k[$2]=k[$2]" "$1 }
function w(q, n,i,c) { n=split(k[q],c," "); for(i=1;i<=n;i++) { print c[i]; w(c[i]) } } END { w(r) }'; }
_t=$(echo $(_tree)); for _q in $_t; do kill -TERM "$_q" 2>/dev/null; done
_i=0; while [ "$_i" -lt 10 ] && ! _over; do sleep 0.1 2>/dev/null || sleep 1; _i=$((_i + 1)); done
_over || for _q in $_t $(echo $(_tree)); do kill -KILL "$_q" 2>/dev/null; done
exit 0
"#;

/// What `_show` printed after its first word.
fn ended(id: &str, run: &Run, mut fields: Fields<'_>) -> Result<Ran, ToolError> {
    let exit_code = fields.number()?;
    let (out_all, out_len): (u64, usize) = (fields.number()?, fields.number()?);
    let (err_all, err_len): (u64, usize) = (fields.number()?, fields.number()?);
    let rest = fields.rest();
    let (Some((stdout, rest)), true) = (rest.split_at_checked(out_len), rest.len() == out_len.saturating_add(err_len))
    else {
        return Err(ToolError::new(ErrorKind::Garbled, "The command's output is not as long as it was said to be."));
    };
    let truncated = out_all > out_len as u64 || err_all > err_len as u64;
    ran(id, run, &Reply { stdout, stderr: rest, exit_code, truncated })
}

/// What a command did, of what is in its files.
fn ran(id: &str, run: &Run, reply: &Reply<'_>) -> Result<Ran, ToolError> {
    let mark = mark(id);
    let (stdout, stderr) = (reply.stdout.strip_prefix(&mark[..]), reply.stderr.strip_prefix(&mark[..]));
    let anew = [("stdout", stdout), ("stderr", stderr)].into_iter().filter(|(_, stream)| stream.is_none());
    let anew: Vec<&str> = anew.map(|(name, _)| name).collect();
    let (stdout, stderr) = (stdout.unwrap_or(reply.stdout), stderr.unwrap_or(reply.stderr));
    let mut ran = run.parse(&Reply { stdout, stderr, ..*reply })?;
    if !ran.truncated {
        for name in &anew {
            ran.stderr.push_str(&format!(
                "\nberth: a program began {name} anew, as `>/dev/{name}` does: what was printed there before is not here. \
                 `>>/dev/{name}` would have kept it.\n"
            ));
        }
        ran.truncated = !anew.is_empty();
    }
    Ok(ran)
}

/// Whether a command says that it opens its output by name.
fn names_its_output(command: &str) -> bool {
    ["/dev/std", "/dev/fd/", "/proc/self/fd/"].iter().any(|name| command.contains(name))
}
