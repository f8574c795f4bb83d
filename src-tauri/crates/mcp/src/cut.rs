//! Keeps what a model is given at a size it can use.

/// How many characters a result may have.
pub const CHARACTERS: usize = 30_000;

/// How many lines a result may have.
pub const LINES: usize = 2_000;

/// The first and the last part of a text that is too long, with a line between them that says what is missing, and
/// the text itself where it is not. Says whether something was left out.
pub fn both_ends(text: &str) -> (String, bool) {
    let head = start_of(text, LINES / 2, CHARACTERS / 2);
    let whole = text.lines().nth(LINES).is_none() && text.chars().nth(CHARACTERS).is_none();
    if whole {
        return (text.to_owned(), false);
    }
    let tail = end_of(&text[head..], LINES / 2, CHARACTERS / 2) + head;
    let missing = &text[head..tail];
    let note =
        format!("[… {} lines, {} characters left out …]", missing.matches('\n').count(), missing.chars().count());
    let (head, tail) = (text[..head].trim_end_matches('\n'), text[tail..].trim_start_matches('\n'));
    (format!("{head}\n{note}\n{tail}"), true)
}

/// Where the first `lines` lines end, or the first `characters` characters where that is less.
fn start_of(text: &str, lines: usize, characters: usize) -> usize {
    let by_lines = text.match_indices('\n').nth(lines.saturating_sub(1)).map_or(text.len(), |(at, _)| at + 1);
    let by_characters = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    if by_lines <= by_characters {
        return by_lines;
    }
    // At the end of a line, unless that line alone is most of it.
    match text[..by_characters].rfind('\n') {
        Some(at) if at + 1 > by_characters / 2 => at + 1,
        _ => by_characters,
    }
}

/// Where the last `lines` lines begin, or the last `characters` characters where that is less.
fn end_of(text: &str, lines: usize, characters: usize) -> usize {
    let trimmed = text.strip_suffix('\n').unwrap_or(text);
    let by_lines = trimmed.rmatch_indices('\n').nth(lines.saturating_sub(1)).map_or(0, |(at, _)| at + 1);
    let by_characters = text.char_indices().rev().nth(characters.saturating_sub(1)).map_or(0, |(at, _)| at);
    if by_lines >= by_characters {
        return by_lines;
    }
    match text[by_characters..].find('\n') {
        Some(at) if at < (text.len() - by_characters) / 2 => by_characters + at + 1,
        _ => by_characters,
    }
}

/// Lines with their numbers, as many as fit, and the number of the first line that did not.
pub fn numbered(text: &str, first: u64) -> (String, Option<u64>) {
    /// A line longer than this is data, not something to read.
    const LONG: usize = 2_000;

    let mut shown = String::new();
    let mut used = 0;
    for (number, (count, line)) in (first..).zip(text.lines().enumerate()) {
        let mut line = line.to_owned();
        if let Some((at, _)) = line.char_indices().nth(LONG) {
            let missing = line[at..].chars().count();
            line.truncate(at);
            line.push_str(&format!(" [… {missing} characters left out …]"));
        }
        let line = format!("{number:>6}\t{line}\n");
        used += line.chars().count();
        if count > 0 && (used > CHARACTERS || count >= LINES) {
            return (shown, Some(number));
        }
        shown.push_str(&line);
    }
    (shown, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_whole() {
        for text in ["", "a", "a\nb\n", &"x\n".repeat(LINES), &"é".repeat(CHARACTERS)] {
            assert_eq!(both_ends(text), (text.to_owned(), false));
        }
    }

    #[test]
    fn many_lines_keep_both_ends() {
        let text: String = (0..5_000).map(|line| format!("line {line}\n")).collect();
        let (cut, missing) = both_ends(&text);
        assert!(missing);
        assert!(cut.starts_with("line 0\n") && cut.ends_with("line 4999\n"), "{cut}");
        assert!(cut.contains("line 999\n[… 3000 lines, ") && cut.contains("…]\nline 4000\n"), "{cut}");
    }

    #[test]
    fn one_long_line_keeps_both_ends_and_whole_characters() {
        let text = format!("start{}end", "é".repeat(CHARACTERS * 2));
        let (cut, missing) = both_ends(&text);
        assert!(missing && cut.starts_with("start") && cut.ends_with("end"));
        assert!(cut.chars().count() < CHARACTERS + 100);
    }

    #[test]
    fn numbered_lines_say_where_to_read_on() {
        assert_eq!(numbered("a\nb", 7), ("     7\ta\n     8\tb\n".to_owned(), None));
        let many = "x\n".repeat(LINES + 1);
        assert_eq!(numbered(&many, 1).1, Some(LINES as u64 + 1));
        let (shown, next) = numbered(&format!("{}\nb", "y".repeat(CHARACTERS)), 1);
        assert!(shown.contains("28000 characters left out") && next.is_none(), "{shown}");
    }
}
