//! Script text: the one place where anything is quoted.

use crate::{Place, Script, ToolError};

/// Quotes any bytes but NUL so that every `sh` reads them back as one word, unchanged.
pub fn quote(bytes: &[u8]) -> Vec<u8> {
    let mut word = Vec::with_capacity(bytes.len() + 2);
    word.push(b'\'');
    for byte in bytes {
        match byte {
            b'\'' => word.extend_from_slice(b"'\\''"),
            byte => word.push(*byte),
        }
    }
    word.push(b'\'');
    word
}

/// `_born PID` sets `_x` to when a process was born, by the kernel's clock: its number may be another's one day. Nothing
/// where there is no /proc.
pub const BORN: &str = r#"_born() { _x=; { read -r _x </proc/"$1"/stat; } 2>/dev/null; set -- ${_x##*) }; _x=${20}; }"#;

/// `_fresh FILE` makes a file, and fails where there is one or none can be made: of several who try, one succeeds. It needs
/// no program.
pub(crate) const FRESH: &str = r#"_fresh() { set -C; { { :; } >"$1"; } 2>/dev/null; _x=$?; set +C; return "$_x"; }
"#;

/// A script in the making. What is wrong with its parts is kept, and told by [`ShellScript::finish`].
#[derive(Debug, Default)]
pub struct ShellScript {
    text: Vec<u8>,
    wrong: Option<ToolError>,
}

impl ShellScript {
    /// A script that starts empty: the person's own environment, as a command wants it. Who names a place in it defines
    /// `lost`, which ends the script where a `..` leads nowhere.
    pub fn bare() -> Self {
        Self::default()
    }

    /// A script in the C locale, where a byte is a byte, sorting is by bytes, and messages are in English.
    pub fn new() -> Self {
        let mut script = Self::default();
        script.raw("LC_ALL=C\nexport LC_ALL\nlost() { exit 81; }\n");
        script
    }

    /// Script text as it stands. For text of ours only.
    pub fn raw(&mut self, text: &str) -> &mut Self {
        self.text.extend_from_slice(text.as_bytes());
        self
    }

    /// One word, or a part of one, that means exactly `bytes`.
    pub fn quoted(&mut self, bytes: &[u8]) -> &mut Self {
        if bytes.contains(&0) {
            self.wrong.get_or_insert_with(|| ToolError::bad_request("A NUL byte cannot stand in a path or a command."));
        } else if !bytes.is_empty() {
            self.text.extend_from_slice(&quote(bytes));
        }
        self
    }

    /// Exactly one whole word, also where it is empty.
    pub fn word(&mut self, bytes: &[u8]) -> &mut Self {
        if bytes.is_empty() { self.raw("''") } else { self.quoted(bytes) }
    }

    /// A simple command: each element of `argv` is one word.
    pub fn command<W: AsRef<[u8]>>(&mut self, argv: &[W]) -> &mut Self {
        for (i, word) in argv.iter().enumerate() {
            if i > 0 {
                self.raw(" ");
            }
            self.word(word.as_ref());
        }
        self.raw("\n")
    }

    /// `name=value`. The name is ours, the value any bytes but NUL.
    pub fn set(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.raw(name).raw("=").quoted(value).raw("\n")
    }

    /// Another script's text, as a part of this one.
    pub(crate) fn join(&mut self, other: Self) -> &mut Self {
        self.text.extend_from_slice(&other.text);
        if let Some(error) = other.wrong {
            self.wrong.get_or_insert(error);
        }
        self
    }

    /// `name=value` where the value is a script for another shell.
    pub(crate) fn set_script(&mut self, name: &str, script: Self) -> &mut Self {
        self.set(name, &script.text);
        self.join(Self { text: Vec::new(), wrong: script.wrong })
    }

    /// Sets `name` to the absolute path of a place.
    pub fn place(&mut self, name: &str, place: &Place) -> &mut Self {
        if let Err(error) = place.emit(self, name) {
            self.wrong.get_or_insert(error);
        }
        self
    }

    /// The script, or what is wrong with the request.
    pub fn finish(self, reply_limit: usize, repeatable: bool) -> Result<Script, ToolError> {
        match self.wrong {
            Some(error) => Err(error),
            None => Ok(Script { text: self.text, stdin: None, reply_limit, repeatable }),
        }
    }
}
