//! What a text that is not there was probably meant to be: for the message of an edit that failed.

use std::collections::{HashMap, HashSet};

/// No more lines are compared letter by letter.
const LINES: usize = 50_000;
/// No more lines are shown.
const SHOWN: usize = 12;
/// A shown line is cut at so many characters.
const WIDTH: usize = 160;
/// Lines less alike than this are not worth showing.
const ALIKE: f64 = 0.4;

/// The lines that come nearest to a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nearest {
    /// The number of the first, from 1.
    pub line: usize,
    /// The lines, numbered, fit for a message.
    pub shown: String,
    /// Whether they are the same but for white space.
    pub but_for_space: bool,
}

/// The lines of `text` that come nearest to `wanted`, if any come near.
pub(crate) fn nearest(text: &str, wanted: &str) -> Option<Nearest> {
    let lines: Vec<&str> = text.lines().collect();
    let words: Vec<String> = lines.iter().map(|line| squeezed(line)).collect();
    let mut sought: Vec<String> = wanted.lines().map(squeezed).collect();
    let blank = sought.iter().take_while(|line| line.is_empty()).count();
    sought.drain(..blank);
    while sought.last().is_some_and(String::is_empty) {
        sought.pop();
    }
    let start = by_lines(&words, &sought).or_else(|| by_letters(&words, &sought))?;
    let end = words.len().min(start + sought.len());
    let shown: Vec<String> = (start..end.min(start + SHOWN))
        .map(|at| format!("{:>5}| {}", at + 1, lines[at].chars().take(WIDTH).collect::<String>()))
        .collect();
    Some(Nearest { line: start + 1, shown: shown.join("\n"), but_for_space: words[start..end] == sought[..] })
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where most of the lines sought stand in their order. A line of a letter or two, such as a brace, does not count.
fn by_lines(words: &[String], sought: &[String]) -> Option<usize> {
    let mut wanted: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, line) in sought.iter().enumerate().filter(|(_, line)| line.len() > 2) {
        wanted.entry(line).or_default().push(at);
    }
    let mut votes: HashMap<usize, usize> = HashMap::new();
    for (at, line) in words.iter().enumerate() {
        for offset in wanted.get(line.as_str()).into_iter().flatten().take(8) {
            if let Some(start) = at.checked_sub(*offset) {
                *votes.entry(start).or_default() += 1;
            }
        }
    }
    votes.into_iter().max_by_key(|(start, count)| (*count, std::cmp::Reverse(*start))).map(|(start, _)| start)
}

/// Where a line stands that shares most pairs of letters with the longest line sought.
fn by_letters(words: &[String], sought: &[String]) -> Option<usize> {
    let (offset, longest) = sought.iter().enumerate().max_by_key(|(_, line)| line.len())?;
    let pairs = |line: &str| -> HashSet<(char, char)> {
        let letters: Vec<char> = line.chars().take(400).flat_map(char::to_lowercase).collect();
        letters.windows(2).map(|pair| (pair[0], pair[1])).collect()
    };
    let wanted = pairs(longest);
    let alike = |line: &String| {
        let has = pairs(line);
        let both = wanted.intersection(&has).count();
        2.0 * both as f64 / (wanted.len() + has.len()).max(1) as f64
    };
    let scored = words.iter().take(LINES).enumerate().map(|(at, line)| (at, alike(line)));
    let (at, score) = scored.max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.cmp(a)))?;
    (score >= ALIKE).then(|| at.saturating_sub(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "fn a() {\n    one();\n}\n\nfn b() {\n\ttwo(1, 2);\n    three();\n}\n";

    #[test]
    fn lines_that_differ_in_white_space() {
        let near = nearest(TEXT, "fn b() {\n    two(1,  2);\n    three();\n").unwrap();
        assert_eq!((near.line, near.but_for_space), (5, true));
        assert_eq!(near.shown, "    5| fn b() {\n    6| \ttwo(1, 2);\n    7|     three();");
    }

    #[test]
    fn a_line_among_others_that_match() {
        let near = nearest(TEXT, "fn b() {\n    four();\n    three();").unwrap();
        assert_eq!((near.line, near.but_for_space), (5, false));
    }

    #[test]
    fn a_line_that_looks_alike_or_nothing() {
        assert_eq!(nearest(TEXT, "thre()").unwrap().line, 7);
        assert_eq!(nearest(TEXT, "something else entirely"), None);
        assert_eq!(nearest("", "x"), None);
        assert_eq!(nearest("\n\n", "\n"), None);
    }
}
