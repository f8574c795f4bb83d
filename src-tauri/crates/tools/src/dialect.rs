//! One regular expression for every engine.
//!
//! People and models write Perl's syntax; what lines match must not depend on what a machine has. What all engines can
//! express is translated into the dialect of each; the rest is refused before an engine is chosen. Only whole lines are
//! told, so a lazy quantifier finds what a greedy one does.

use crate::ToolError;

/// A pattern in the two dialects there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Dialects {
    /// ripgrep's.
    pub(crate) rust: String,
    /// An extended regular expression of POSIX, with `\b`, `\B`, `\<` and `\>`.
    pub(crate) posix: String,
    /// It opened with `(?i)`.
    pub(crate) ignore_case: bool,
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Translates a pattern, or says what in it not every engine can do.
pub(crate) fn translate(pattern: &str) -> Result<Dialects, ToolError> {
    let mut out = Dialects::default();
    let pattern = match pattern.strip_prefix("(?i)") {
        Some(rest) => {
            out.ignore_case = true;
            rest
        }
        None => pattern,
    };
    let mut chars = pattern.chars().peekable();
    let mut quantified = false;
    while let Some(c) = chars.next() {
        let mut quantifier = false;
        match c {
            '\\' => escape(&mut chars, &mut out)?,
            '[' => class(&mut chars, &mut out)?,
            '(' if chars.peek() == Some(&'?') => {
                chars.next();
                if chars.next() != Some(':') {
                    return Err(refused("`(?` but for `(?:` and a `(?i)` at the beginning"));
                }
                out.both("(");
            }
            '?' if quantified => {}
            '*' | '+' | '?' => {
                quantifier = true;
                out.both(c.encode_utf8(&mut [0; 4]));
            }
            '{' => match counted(chars.clone()) {
                Some(count) => {
                    quantifier = true;
                    for _ in 0..=count.len() {
                        chars.next();
                    }
                    out.both(&format!("{{{count}}}"));
                }
                None => out.both("\\{"),
            },
            '}' => out.both("\\}"),
            c => out.both(c.encode_utf8(&mut [0; 4])),
        }
        quantified = quantifier;
    }
    Ok(out)
}

impl Dialects {
    fn both(&mut self, text: &str) {
        self.rust.push_str(text);
        self.posix.push_str(text);
    }
}

fn refused(what: &str) -> ToolError {
    ToolError::bad_request(format!("The pattern uses {what}, which not every machine can search for."))
        .hint("Say it in an extended regular expression, or search for plain text (`literal`).")
}

/// What stands between braces that count.
fn counted(chars: Chars<'_>) -> Option<String> {
    let inner: String = chars.take_while(|c| *c != '}').take(16).collect();
    let (from, to) = inner.split_once(',').unwrap_or((&inner, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!from.is_empty() && digits(from) && digits(to)).then_some(inner)
}

/// The members of a class that a letter stands for, and whether it stands for all others.
fn named(letter: char) -> Option<(&'static str, bool)> {
    Some(match letter {
        'd' | 'D' => ("0-9", letter == 'D'),
        'w' | 'W' => ("[:alnum:]_", letter == 'W'),
        's' | 'S' => ("[:space:]", letter == 'S'),
        _ => return None,
    })
}

/// A character that a letter stands for.
fn control(letter: char) -> Option<char> {
    Some(match letter {
        't' => '\t',
        'r' => '\r',
        'f' => '\x0c',
        'v' => '\x0b',
        _ => return None,
    })
}

fn escape(chars: &mut Chars<'_>, out: &mut Dialects) -> Result<(), ToolError> {
    let Some(c) = chars.next() else { return Err(refused("a backslash at its end")) };
    if let Some((members, others)) = named(c) {
        out.both(&format!("[{}{members}]", if others { "^" } else { "" }));
    } else if let Some(control) = control(c) {
        out.both(control.encode_utf8(&mut [0; 4]));
    } else if matches!(
        c,
        'b' | 'B' | '<' | '>' | '.' | '[' | '\\' | '*' | '^' | '$' | '+' | '?' | '{' | '}' | '|' | '(' | ')'
    ) {
        out.both(&format!("\\{c}"));
    } else if c.is_alphanumeric() {
        return Err(refused(&format!("`\\{c}`")));
    } else {
        out.both(c.encode_utf8(&mut [0; 4]));
    }
    Ok(())
}

/// A bracket expression. A backslash within it escapes, as in Perl; POSIX has none there, and wants an order instead.
fn class(chars: &mut Chars<'_>, out: &mut Dialects) -> Result<(), ToolError> {
    let others = chars.next_if_eq(&'^').is_some();
    let (mut rust, mut posix, mut last) = (String::new(), String::new(), String::new());
    let mut first = true;
    loop {
        let Some(c) = chars.next() else {
            return Err(ToolError::bad_request("The pattern is not valid: a `[` has no `]`."));
        };
        let begins = std::mem::take(&mut first);
        let member = match c {
            ']' if !begins => break,
            '[' if matches!(chars.peek(), Some(':' | '.' | '=')) => {
                let kind = chars.next();
                let name: String = chars.by_ref().take_while(|c| *c != ']').collect();
                if kind != Some(':') || !name.ends_with(':') {
                    return Err(refused("a collating element"));
                }
                rust.push_str(&format!("[:{name}]"));
                posix.push_str(&format!("[:{name}]"));
                continue;
            }
            '\\' => {
                let Some(c) = chars.next() else { return Err(refused("a backslash at its end")) };
                match named(c) {
                    Some((_, true)) => return Err(refused(&format!("`\\{c}` within brackets"))),
                    Some((members, false)) => {
                        rust.push_str(members);
                        posix.push_str(members);
                        continue;
                    }
                    None => match control(c) {
                        Some(control) => control,
                        None if c.is_alphanumeric() => return Err(refused(&format!("`\\{c}` within brackets"))),
                        None => c,
                    },
                }
            }
            c => c,
        };
        if c != '\\' && chars.peek() == Some(&'-') && !matches!(chars.clone().nth(1), Some(']') | None) {
            chars.next();
            let mut end = chars.next().unwrap_or('-');
            if end == '\\' {
                end = chars.next().unwrap_or('\\');
            }
            let plain = |c: char| c.is_alphanumeric() || !c.is_ascii();
            if !plain(member) || !plain(end) {
                return Err(refused("a range between signs"));
            }
            rust.push_str(&format!("{member}-{end}"));
            posix.push_str(&format!("{member}-{end}"));
            continue;
        }
        if member.is_ascii_punctuation() {
            rust.push('\\');
        }
        rust.push(member);
        match member {
            ']' => posix.insert(0, ']'),
            '-' | '^' => last.push(member),
            member => posix.push(member),
        }
    }
    let not = if others { "^" } else { "" };
    out.rust.push_str(&format!("[{not}{rust}]"));
    // A `^` alone cannot be the first, nor a `-` be in the middle.
    let (hat, dash) = (last.contains('^'), last.contains('-'));
    match (hat, dash, posix.is_empty()) {
        (true, false, true) if !others => out.posix.push_str("\\^"),
        _ => {
            let (lead, hat) =
                if posix.is_empty() && hat && dash && !others { ("-", "^") } else { ("", if hat { "^" } else { "" }) };
            let dash = if dash && lead.is_empty() { "-" } else { "" };
            out.posix.push_str(&format!("[{not}{lead}{posix}{hat}{dash}]"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_engines_can_do_is_said_in_both_dialects() {
        for (pattern, rust, posix) in [
            (r"\d+\.\w*?", r"[0-9]+\.[[:alnum:]_]*", r"[0-9]+\.[[:alnum:]_]*"),
            (r"(?:a|b){2,}?c", "(a|b){2,}c", "(a|b){2,}c"),
            (r"[^\]\\-]", r"[^\]\\\-]", r"[^]\-]"),
            (r"[\d.a-f]", r"[0-9\.a-f]", "[0-9.a-f]"),
            (r"[\^]x{", r"[\^]x\{", r"\^x\{"),
            (r"a\/b\tc", "a/b\tc", "a/b\tc"),
            ("[[:digit:]]{1}", "[[:digit:]]{1}", "[[:digit:]]{1}"),
        ] {
            let out = translate(pattern).unwrap();
            assert_eq!((out.rust.as_str(), out.posix.as_str()), (rust, posix), "{pattern}");
        }
        assert!(translate("(?i)a").unwrap().ignore_case);
        for pattern in [r"\p{L}", r"(?=a)", r"(a)\1", r"a(?i)b", r"\x41", r"a\n", r"[\S]", r"[[.a.]]", "a\\"] {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
    }
}
