//! The tokens in OpenSSH's configuration that `ssh -G` leaves as they are.

use std::path::PathBuf;

use super::hosts;

/// What the tokens stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens<'a> {
    /// As it was typed.
    pub(crate) name: &'a str,
    /// Where it is.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) user: &'a str,
    /// What its key is known by.
    pub(crate) alias: &'a str,
}

impl Tokens<'_> {
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match (c == '%').then(|| rest.next()) {
                None => expanded.push(c),
                Some(Some('%')) | Some(None) => expanded.push('%'),
                Some(Some('h')) => expanded.push_str(self.host),
                Some(Some('p')) => expanded.push_str(&self.port.to_string()),
                Some(Some('r')) => expanded.push_str(self.user),
                Some(Some('n')) => expanded.push_str(self.name),
                Some(Some('k')) => expanded.push_str(self.alias),
                Some(Some('d')) => expanded.push_str(&hosts::home().unwrap_or_default().to_string_lossy()),
                Some(Some('u')) => {
                    let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
                    expanded.push_str(&user.unwrap_or_default());
                }
                Some(Some(other)) => expanded.extend(['%', other]),
            }
        }
        expanded
    }

    /// A file, with the person's folder for `~`.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        let text = self.expand(text.trim_matches('"'));
        match (text.strip_prefix("~/"), hosts::home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => text.into(),
        }
    }

    /// Files in one line. `ssh -G` prints them without quotes: what does not begin as a path does belongs to the one
    /// before.
    pub(crate) fn paths(&self, text: &str) -> Vec<PathBuf> {
        let mut words: Vec<String> = Vec::new();
        for word in text.split(' ') {
            let begins = word.starts_with(['/', '~', '%', '\\']) || word.get(1..3).is_some_and(|drive| drive == ":\\");
            match words.last_mut().filter(|_| !begins) {
                Some(last) => {
                    last.push(' ');
                    last.push_str(word);
                }
                None => words.push(word.to_owned()),
            }
        }
        words.iter().filter(|word| !word.is_empty() && *word != "none").map(|word| self.path(word)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: Tokens<'_> = Tokens { name: "alias", host: "h", port: 22, user: "me", alias: "key" };

    #[test]
    fn tokens_are_what_they_stand_for() {
        assert_eq!(TOKENS.expand("nc %h %p %r %n %k 100%% %Z %"), "nc h 22 me alias key 100% %Z %");
    }

    #[test]
    fn a_space_in_a_file_does_not_make_two() {
        let files = TOKENS.paths("/a/one /b/with space/two none");
        assert_eq!(files, [PathBuf::from("/a/one"), PathBuf::from("/b/with space/two none")]);
        assert_eq!(TOKENS.paths("none"), Vec::<PathBuf>::new());
    }
}
