//! The frame around a script in a resident shell. Pure.
//!
//! ```text
//! → _n=NONCE                            ← NONCE PID\n          the subshell, at once
//!   ( … exec </dev/null 2>>$_e          ← whatever the script prints
//!     eval 'SCRIPT' ); _b $?            ← NONCE CODE LENGTH\n  then LENGTH bytes of standard error
//! ```
//!
//! The nonce has 128 random bits, is new for each script, and is unset in the subshell before the script begins: the
//! script cannot print a trailer. (A process of the same user that reads the resident shell's memory could; it could
//! also replace the shell.) What background processes of an earlier script print before the next header is dropped;
//! after it, it is that script's output, as in any shell.

use bytes::{Buf, BytesMut};
use rand::Rng;

/// Makes a shell resident. Nothing of it may print.
pub(crate) const BOOTSTRAP: &str = r#"unset HISTFILE ENV; PS1=; PS2=; exec 9>&- 8<&- 2>/dev/null
if [ -n "$ZSH_VERSION" ]; then emulate sh; fi
_e=; for _d in "$TMPDIR" /dev/shm /tmp "$HOME"; do
  [ -n "$_d" ] && [ -d "$_d" ] && [ -w "$_d" ] && _e="$_d/.berth-$$-MARK" && (umask 077; : >"$_e") && break; _e=; done
: "${_e:=/dev/null}"
trap 'rm -f "$_e"' 0; trap 'exit 0' 1 15
_b() { _l=0; if [ -s "$_e" ]; then _l=$(wc -c <"$_e"); _l=$((_l)); fi
  printf '%s %s %s\n' "$_n" "$1" "$_l"; if [ "$_l" != 0 ]; then head -c "$_l" "$_e"; : >"$_e"; fi; }
echo MARK
"#;

/// The login environment, then a shell that reads its commands from us. Any login shell understands this line; a
/// login shell that fails leaves plain `sh`.
pub(crate) fn login(mark: &str) -> String {
    format!("exec sh -c '\"${{SHELL:-/bin/sh}}\" -l -c \"exec sh\" || exec sh' {mark}")
}

/// A random word that nothing else prints.
pub(crate) fn nonce() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

/// What is written to a resident shell to run a script.
pub(crate) fn encode(nonce: &str, script: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(script.len() + script.len() / 16 + 256);
    text.extend_from_slice(b"_n=");
    text.extend_from_slice(nonce.as_bytes());
    text.extend_from_slice(
        b"\n(read -r _p _x </proc/self/stat || _p=$(exec sh -c 'echo $PPID'); printf '%s %s\\n' \"$_n\" \"$_p\"; \
          unset _n _p _x; exec </dev/null 2>>\"$_e\"; eval ",
    );
    quote(script, &mut text);
    text.extend_from_slice(b"\n); _b $?\n");
    text
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
    /// It printed to standard error; comes once, before the end.
    Stderr(Vec<u8>),
    /// It ended.
    Ended(i32),
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
    Stderr { code: i32, left: usize },
    Ended,
}

/// The longest header or trailer: nonce, code, length.
const LINE: usize = 96;

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
                Some(Part::Started(fields.first().and_then(|pid| pid.parse().ok()).unwrap_or(0)))
            }
            State::Output => {
                let mut before = Some(Vec::new());
                let fields = self.line(&mut before);
                if let Some(bytes) = before.filter(|bytes| !bytes.is_empty()) {
                    parts.push(Part::Output(bytes));
                }
                let fields = fields?;
                let code = fields.first().and_then(|code| code.parse().ok()).unwrap_or(255);
                let left = fields.get(1).and_then(|length| length.parse().ok()).unwrap_or(0);
                self.state = State::Stderr { code, left };
                self.step(parts)
            }
            State::Stderr { code, left } => {
                if *left == 0 {
                    let code = *code;
                    self.state = State::Ended;
                    return Some(Part::Ended(code));
                }
                let take = (*left).min(self.buffer.len());
                if take == 0 {
                    return None;
                }
                *left -= take;
                Some(Part::Stderr(self.buffer.split_to(take).to_vec()))
            }
            State::Ended => None,
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
        let end = self.buffer.iter().take(LINE).position(|byte| *byte == b'\n')?;
        let line = self.buffer.split_to(end);
        self.buffer.advance(1);
        let text = String::from_utf8_lossy(&line[self.nonce.len()..]).into_owned();
        Some(text.split_ascii_whitespace().map(str::to_owned).collect())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// How many bytes at the end of `haystack` could be the beginning of `needle`.
fn partial(haystack: &[u8], needle: &[u8]) -> usize {
    (1..needle.len().min(haystack.len() + 1)).rev().find(|n| haystack.ends_with(&needle[..*n])).unwrap_or(0)
}
