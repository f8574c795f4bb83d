//! The frame around a script in a resident shell. Pure.
//!
//! ```text
//! → _n=NONCE                            ← NONCE PID\n          the subshell, at once, on both streams
//!   ( … exec </dev/null                 ← whatever the script prints
//!     eval 'SCRIPT' ); _b $?            ← NONCE CODE 0 0 free\n   on both streams
//! ```
//!
//! The nonce has 128 random bits, is new for each script, and is unset in the subshell before the script begins: the
//! script cannot print a trailer. (A process of the same user that reads the resident shell's memory could; it could
//! also replace the shell.) A server that brings no standard error gets it within standard output: it goes to a file, and
//! the trailer is `NONCE CODE LENGTH DROPPED free\n` and LENGTH bytes of it.
//!
//! The script finds its process in `_p`, and in `_x` what else /proc/self/stat says of it, where there is one: to read that
//! once more would take it a tenth of a millisecond.
//!
//! What a command leaves in the background holds the shell's streams, and would print into later replies. `_h` looks
//! for that before the trailer: at standard output and error of every process that may be seen, and at the sessions of those that may not.
//! Of a command that took no time it looks only at processes with higher numbers than there were before, which cannot have
//! begun anew. Without a /proc it cannot tell, and says that the shell is held.

use bytes::{Buf, BytesMut};
use rand::Rng;

/// The login environment, then a shell that reads its commands from us. Any login shell understands this line.
pub(crate) const LOGIN: &str = r#"exec env BERTH_LOGIN=yes sh -c 'exec "${SHELL:-/bin/sh}" -l -c "exec sh"'"#;
/// A shell that reads its commands from us, where the login shell gave none.
pub(crate) const PLAIN: &str = "exec sh";

/// Makes a shell resident. Nothing of it may print but the mark.
const BOOTSTRAP: &str = r#"unset HISTFILE ENV; PS1=; PS2=; exec 9>&- 8>&2 2>/dev/null
if [ -n "$ZSH_VERSION" ]; then emulate sh; fi
_e=; trap '[ -z "$_e" ] || rm -f "$_e"' 0; trap 'exit 0' 1 15
_b() { printf '%s %s 0 0 %s\n' "$_n" "$1" "$_y" >&8; printf '%s %s 0 0 %s\n' "$_n" "$1" "$_y"; }
_f() { for _d in "$TMPDIR" /dev/shm /tmp "$HOME"; do
  [ -n "$_d" ] && [ -d "$_d" ] && [ -w "$_d" ] && _e="$_d/.berth-$$-ID" && (umask 077; : >"$_e") && return; _e=; done
  _e=/dev/null; }
_i() { _l=0 _x=0; if [ -s "$_e" ]; then _l=$(wc -c <"$_e"); _l=$((_l)); fi
  if [ "$_l" -gt 1048576 ]; then _x=$((_l - 1048576)) _l=1048576; fi; printf '%s %s %s %s %s\n' "$_n" "$1" "$_l" "$_x" "$_y"
  if [ "$_x" != 0 ]; then head -c 524288 "$_e"; tail -c 524288 "$_e"; : >"$_e"
  elif [ "$_l" != 0 ]; then head -c "$_l" "$_e"; : >"$_e"; fi; }
_s() { read -r _x <"$1/stat" || return 1; set -- ${_x##*) }; _x=$4; }
_q() { _a=; { read -r _x _x _x _x _a </proc/loadavg && read -r _t _x </proc/uptime; } 2>/dev/null; }
_h() { _y=held; { _w=$_a _v=$_t _m=0
  if [ -n "$_w" ] && _q && [ "$_a" -ge "$_w" ] && [ $((${_t%.*} - ${_v%.*})) -le 1 ]; then
    _m=$_w; if [ $((_a - _w)) -le 64 ]; then set --; _p=$_w
    while [ "$_p" -lt "$_a" ]; do _p=$((_p + 1)); [ ! -d "/proc/$_p" ] || set -- "$@" "/proc/$_p"; done; else set -- /proc/[0-9]*; fi
  else set -- /proc/[0-9]*; fi
  if [ "$_o/fd/1" -ef "$_o/fd/1" ] && [ -n "$_g" ]; then _y=free; for _p in "$@"; do
    if [ "${_p#/proc/}" -le "$_m" ] || [ "$_p" = "$_o" ]; then continue
    elif [ ! -r "$_p/fd" ]; then if _s "$_p" && [ "$_x" = "$_g" ]; then _y=held; fi
    else for _d in 1 2; do
      if [ "$_p/fd/$_d" -ef "$_o/fd/1" ] || [ "$_p/fd/$_d" -ef "$_o/fd/8" ] || [ "$_p/fd/$_d" -ef "${_e:-/proc/-}" ]
      then _y=held; fi; done; fi; done; fi; } 2>/dev/null; }
_o=/proc/$$ _g=; { _s "$_o" && _g=$_x; } 2>/dev/null
_k=${BERTH_LOGIN:-no}; unset BERTH_LOGIN; echo "$_k "MARK; export -p; echo "umask $(umask)"; echo MARK.; echo MARK >&8
"#;

/// The bootstrap, after the environment that is to stand. The mark is written in two halves, so that an echo of the line
/// is not taken for an answer.
pub(crate) fn bootstrap(mark: &str, environment: &[u8]) -> Vec<u8> {
    let (first, second) = mark.split_at(16);
    let text = BOOTSTRAP.replace("ID", &mark[..8]).replace("MARK", &format!("{first}''{second}"));
    let mut whole = environment.to_vec();
    if !environment.is_empty() {
        whole.extend_from_slice(b"cd -- \"$PWD\" 2>/dev/null\n");
    }
    whole.extend_from_slice(text.as_bytes());
    whole
}

/// The environment that a bootstrapped shell told of, once it has: a script that sets it in another one.
pub(crate) fn environment<'a>(greeting: &'a [u8], mark: &str) -> Option<&'a [u8]> {
    let end = find(greeting, format!("{mark}.\n").as_bytes())?;
    let begin = find(greeting, format!("{mark}\n").as_bytes())? + mark.len() + 1;
    greeting.get(begin..end)
}

/// Whether the shell that answered was started by our line. Where a start-up file of the account's starts another shell
/// in its place (`exec zsh`), no command that is asked for is ever run: that shell reads commands from its input.
pub(crate) fn heeded(greeting: &[u8], mark: &str) -> bool {
    find(greeting, format!("yes {mark}\n").as_bytes()).is_some()
}

/// A random word that nothing else prints.
pub(crate) fn nonce() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

/// How a script is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// It reads the channel's input, not nothing.
    pub(crate) stdin: bool,
    /// Standard error comes within standard output.
    pub(crate) in_band: bool,
    /// The shell says afterwards whether anything of the script is left.
    pub(crate) look: bool,
}

/// What is written to a shell to run a script. A command of its own (`stdin`) needs no bootstrap.
pub(crate) fn encode(nonce: &str, script: &[u8], frame: Frame) -> Vec<u8> {
    let mut text = Vec::with_capacity(script.len() + script.len() / 16 + 512);
    text.extend_from_slice(if frame.stdin { &b"exec 8>&2 2>/dev/null; _n="[..] } else { b"_n=" });
    text.extend_from_slice(nonce.as_bytes());
    if frame.in_band && !frame.stdin {
        text.extend_from_slice(b"\n[ -n \"$_e\" ] || _f");
    }
    if frame.look {
        text.extend_from_slice(b"\n_q");
    }
    text.extend_from_slice(
        b"\n({ read -r _p _x </proc/self/stat || _p=$(exec sh -c 'echo $PPID'); } 2>/dev/null\n\
          printf '%s %s\\n' \"$_n\" \"$_p\" >&8; printf '%s %s\\n' \"$_n\" \"$_p\"; unset _n; ",
    );
    text.extend_from_slice(match (frame.stdin, frame.in_band) {
        (true, _) => &b"exec 2>&8 8>&-; "[..],
        (false, true) => b"exec </dev/null 2>>\"$_e\" 8>&-; ",
        (false, false) => b"exec </dev/null 2>&8 8>&-; ",
    });
    text.extend_from_slice(b"eval ");
    quote(script, &mut text);
    text.extend_from_slice(match (frame.stdin, frame.in_band) {
        (true, _) => {
            &b"\n); set -- $?; printf '%s %s 0\\n' \"$_n\" \"$1\" >&8; printf '%s %s 0\\n' \"$_n\" \"$1\"\n"[..]
        }
        (false, true) if frame.look => b"\n); _z=$?; _h; _i $_z\n",
        (false, false) if frame.look => b"\n); _z=$?; _h; _b $_z\n",
        (false, true) => b"\n); _z=$?; _y=free; _i $_z\n",
        (false, false) => b"\n); _z=$?; _y=free; _b $_z\n",
    });
    text
}

/// A word of such a line has at most so many bytes: csh takes no longer ones.
const WORD: usize = 960;

/// A line for any login shell that runs a script with `sh`. Between quotes csh knows no line break, no shell of that
/// family an exclamation mark, and fish some backslashes: so no word of it has any of these.
pub(crate) fn command(script: &[u8]) -> Vec<u8> {
    let mut command = br#"exec sh -c 'eval "$(IFS=; printf %b "$*")"' sh"#.to_vec();
    let mut room = 0;
    for &byte in script {
        // A NUL cannot be in any script.
        if byte == 0 {
            continue;
        }
        if room < 5 {
            command.extend_from_slice(if room == 0 && command.ends_with(b"sh") { b" '" } else { b"' '" });
            room = WORD;
        }
        let plain = byte == b' ' || (byte.is_ascii_graphic() && !matches!(byte, b'\'' | b'\\' | b'!'));
        if plain {
            command.push(byte);
            room -= 1;
        } else {
            command.extend_from_slice(format!("\\0{byte:03o}").as_bytes());
            room -= 5;
        }
    }
    command.extend_from_slice(if script.is_empty() { b" ''" } else { b"'" });
    command
}

/// One word that means exactly `bytes`.
pub(crate) fn quote(bytes: &[u8], text: &mut Vec<u8>) {
    text.push(b'\'');
    for &byte in bytes {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            // A NUL cannot be in any script; it would end the word in some shells and vanish in others.
            0 => {}
            _ => text.push(byte),
        }
    }
    text.push(b'\'');
}

/// What a decoder found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The script runs as this process.
    Started(u32),
    /// It printed.
    Output(Vec<u8>),
    /// It printed to standard error; comes before the end.
    Stderr(Vec<u8>),
    /// So many bytes of that were left out.
    Dropped(u64),
    /// It ended.
    Ended(i32),
    /// Nothing of it holds the shell's streams; comes before the end.
    Free,
}

/// Takes a stream apart.
#[derive(Debug)]
pub(crate) struct Decoder {
    nonce: Vec<u8>,
    buffer: BytesMut,
    state: State,
}

#[derive(Debug)]
enum State {
    Header,
    Output,
    Stderr { code: i32, left: usize, dropped: u64, free: bool },
    Ended,
}

/// The longest header or trailer: nonce, code, lengths.
const LINE: usize = 128;

impl Decoder {
    pub(crate) fn new(nonce: &str) -> Self {
        Self { nonce: format!("{nonce} ").into_bytes(), buffer: BytesMut::new(), state: State::Header }
    }

    /// Adds what came, and says what it means.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Part> {
        self.buffer.extend_from_slice(bytes);
        let mut parts = Vec::new();
        while let Some(part) = self.step(&mut parts) {
            parts.push(part);
        }
        parts
    }

    fn step(&mut self, parts: &mut Vec<Part>) -> Option<Part> {
        match &mut self.state {
            State::Header => {
                let fields = self.line(&mut None)?;
                self.state = State::Output;
                Some(Part::Started(number(&fields, 0).unwrap_or(0)))
            }
            State::Output => {
                let mut before = Some(Vec::new());
                let fields = self.line(&mut before);
                if let Some(bytes) = before.filter(|bytes| !bytes.is_empty()) {
                    parts.push(Part::Output(bytes));
                }
                let fields = fields?;
                let code = number(&fields, 0).unwrap_or(255);
                let (left, dropped) = (number(&fields, 1).unwrap_or(0), number(&fields, 2).unwrap_or(0));
                let free = fields.get(3).is_some_and(|word| word == "free");
                self.state = State::Stderr { code, left, dropped, free };
                self.step(parts)
            }
            State::Stderr { code, left, dropped, free } => {
                if *left == 0 {
                    let (code, dropped) = (*code, *dropped);
                    if *free {
                        parts.push(Part::Free);
                    }
                    self.state = State::Ended;
                    if dropped > 0 {
                        parts.push(Part::Dropped(dropped));
                    }
                    return Some(Part::Ended(code));
                }
                let take = (*left).min(self.buffer.len());
                if take == 0 {
                    return None;
                }
                *left -= take;
                Some(Part::Stderr(self.buffer.split_to(take).to_vec()))
            }
            State::Ended => {
                self.buffer.clear();
                None
            }
        }
    }

    /// The fields of the next line that begins with the nonce. What stands before it goes to `before`, or is dropped;
    /// of an incomplete line nothing is taken.
    fn line(&mut self, before: &mut Option<Vec<u8>>) -> Option<Vec<String>> {
        let found = find(&self.buffer, &self.nonce);
        // The nonce may be cut by the end of what came.
        let keep = found.unwrap_or_else(|| self.buffer.len() - partial(&self.buffer, &self.nonce));
        let taken = self.buffer.split_to(keep);
        if let Some(before) = before {
            before.extend_from_slice(&taken);
        }
        found?;
        let Some(end) = self.buffer.iter().take(LINE).position(|byte| *byte == b'\n') else {
            // A machine that writes on and on after the nonce tells no end.
            self.buffer.truncate(LINE);
            return None;
        };
        let line = self.buffer.split_to(end);
        self.buffer.advance(1);
        let text = String::from_utf8_lossy(&line[self.nonce.len()..]).into_owned();
        Some(text.split_ascii_whitespace().map(str::to_owned).collect())
    }
}

fn number<T: std::str::FromStr>(fields: &[String], at: usize) -> Option<T> {
    fields.get(at).and_then(|field| field.parse().ok())
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

/// How many bytes at the end of `haystack` could be the beginning of `needle`.
fn partial(haystack: &[u8], needle: &[u8]) -> usize {
    (1..needle.len().min(haystack.len() + 1)).rev().find(|n| haystack.ends_with(&needle[..*n])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_cut_anywhere_means_the_same() {
        let reply = b"noise of before ab 42\nabout\nab 3 4 9 free\nerr!";
        for cut in 0..reply.len() {
            let mut decoder = Decoder::new("ab");
            let (first, second) = reply.split_at(cut);
            let mut parts: Vec<Part> = [first, second].iter().flat_map(|bytes| decoder.push(bytes)).collect();
            assert_eq!(parts.remove(0), Part::Started(42), "{cut}");
            let text =
                |of: fn(&Part) -> Option<&Vec<u8>>| parts.iter().filter_map(of).flatten().copied().collect::<Vec<u8>>();
            assert_eq!(text(|part| if let Part::Output(bytes) = part { Some(bytes) } else { None }), b"about\n");
            assert_eq!(text(|part| if let Part::Stderr(bytes) = part { Some(bytes) } else { None }), b"err!");
            assert!(parts.ends_with(&[Part::Free, Part::Dropped(9), Part::Ended(3)]), "{cut}: {parts:?}");
        }
    }

    #[test]
    fn a_machine_that_writes_on_and_on_fills_no_memory() {
        let mut decoder = Decoder::new("ab");
        decoder.push(b"ab 42\nab ");
        for _ in 0..100 {
            assert!(decoder.push(&[b'x'; 10_000]).is_empty());
        }
        assert!(decoder.buffer.len() <= LINE);
        let mut decoder = Decoder::new("ab");
        assert!(decoder.push(b"ab 42\nab 0 0 0 held\n").contains(&Part::Ended(0)));
        decoder.push(&[b'x'; 10_000]);
        assert!(decoder.buffer.is_empty());
    }

    #[test]
    fn a_command_has_nothing_that_some_shell_takes_for_its_own() {
        let script: Vec<u8> = (1..=255).cycle().take(5_000).collect();
        let command = command(&script);
        let words = command.strip_prefix(br#"exec sh -c 'eval "$(IFS=; printf %b "$*")"' sh "#).unwrap();
        assert!(words.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'!'));
        for word in words.split(|byte| *byte == b'\'').filter(|word| *word != b" ") {
            assert!(word.len() <= WORD + 5, "{}", word.len());
        }
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(String::from_utf8(super::command(b"printf '%s!\\n' \"it's\"; exit 3")).unwrap())
            .output()
            .unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"it's!\n"[..], Some(3)));
    }
}
