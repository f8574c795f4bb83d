//! What a machine or a file says, made fit to be shown to a person.

/// At most `most` characters of it, in one line, without what moves a cursor or turns text around.
pub(crate) fn line(text: &str, most: usize) -> String {
    let plain = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !hidden(*c));
    plain.take(most).collect::<String>().trim().to_owned()
}

/// The same for what may have lines.
pub(crate) fn lines(text: &str, most: usize) -> String {
    text.chars().filter(|c| *c == '\n' || !hidden(*c)).take(most).collect::<String>().trim().to_owned()
}

/// What a system says went wrong, without its number, which tells a person nothing.
pub(crate) fn io(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_shown_moves_no_cursor_and_has_an_end() {
        assert_eq!(super::line("a\x1b[31mred\r\n\u{202e}b\tc", 100), "a[31mred  b c");
        assert_eq!(super::line("abcdef", 3), "abc");
        assert_eq!(super::io(&std::io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(super::lines("a\nb\x07", 10), "a\nb");
    }
}
