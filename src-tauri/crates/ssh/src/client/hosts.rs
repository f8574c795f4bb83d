//! The machines that a person's OpenSSH configuration names.
//!
//! A reader of its own: parsers of the whole configuration give up at a line that they do not know, or at a bad value,
//! and a person would find none of his machines.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use super::known_hosts::matches;
use super::shown;

/// How much of a file is read.
const FILE: u64 = 1024 * 1024;
/// How many files there may be, how deep they may include each other, and how many machines they may name.
const FILES: usize = 256;
const DEPTH: usize = 16;
const NAMES: usize = 10_000;

/// The person's folder.
pub(crate) fn home() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
    home.filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// The names on the `Host` lines of a configuration that are no patterns, in their order, and what could not be read.
/// Without a path it is the person's own.
pub fn hosts(config: Option<&Path>) -> (Vec<String>, Vec<String>) {
    let mut reader = Reader { home: home(), files: 0, names: Vec::new(), notes: Vec::new() };
    match (config, reader.home.clone()) {
        (Some(config), _) => reader.file(config, 0, true),
        (None, Some(home)) => reader.file(&home.join(".ssh/config"), 0, false),
        (None, None) => {}
    }
    (reader.names, reader.notes)
}

struct Reader {
    home: Option<PathBuf>,
    files: usize,
    names: Vec<String>,
    notes: Vec<String>,
}

impl Reader {
    fn file(&mut self, path: &Path, depth: usize, wanted: bool) {
        self.files += 1;
        if depth > DEPTH || self.files > FILES {
            return self.note(format!("{}: too many files include each other", path.display()));
        }
        let mut text = Vec::new();
        match fs::File::open(path).and_then(|file| file.take(FILE).read_to_end(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && !wanted => return,
            Err(error) => return self.note(format!("{}: {error}", path.display())),
        }
        for line in String::from_utf8_lossy(&text).lines() {
            let mut words = words(line);
            if words.is_empty() {
                continue;
            }
            match words.remove(0).to_ascii_lowercase().as_str() {
                "host" => words.into_iter().for_each(|name| self.name(name)),
                "include" => words.iter().for_each(|pattern| self.include(pattern, depth)),
                _ => {}
            }
        }
    }

    fn name(&mut self, name: String) {
        let plain = !name.contains(['*', '?', '!']) && shown::line(&name, 256) == name && !name.starts_with('-');
        if plain && self.names.len() < NAMES && !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    fn include(&mut self, pattern: &str, depth: usize) {
        let path = match (pattern.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            (None, Some(home)) => home.join(".ssh").join(pattern),
            (_, None) => PathBuf::from(pattern),
        };
        for path in expand(&path) {
            self.file(&path, depth + 1, false);
        }
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < 20 {
            self.notes.push(shown::line(&note, 300));
        }
    }
}

/// The files that a path with `*` and `?` means, in order.
fn expand(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        let Component::Normal(name) = component else {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        let pattern = name.to_string_lossy();
        if !pattern.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(name));
            continue;
        }
        let mut next = Vec::new();
        for folder in &found {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(NAMES);
            let names = entries.map(|entry| entry.file_name());
            let hits = names.filter(|name| {
                let name = name.to_string_lossy();
                matches(pattern.as_bytes(), name.as_bytes()) && name.starts_with('.') == pattern.starts_with('.')
            });
            let mut hits: Vec<_> = hits.map(|name| folder.join(name)).collect();
            hits.sort();
            next.extend(hits);
            next.truncate(FILES);
        }
        found = next;
    }
    found
}

/// The keyword and what follows; an `=` may stand between, and quotes around.
fn words(line: &str) -> Vec<String> {
    let line = line.trim();
    if line.starts_with('#') {
        return Vec::new();
    }
    let (keyword, rest) = line.split_at(line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len()));
    let mut words = vec![keyword.to_owned()];
    let rest = rest.trim_start();
    let mut rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_found_whatever_else_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("more")).unwrap();
        fs::write(at("more/10.conf"), "HOST=\"included\"\nPort nonsense\nInclude loop\n").unwrap();
        fs::write(at("more/.hidden.conf"), "Host hidden\n").unwrap();
        let text = format!(
            "# Host comment\nInclude {0}/more/*.conf\nHost a b *.c !d\n  Bogus yes\nMatch host x\n  User m\n\
             Include {0}/config\nhost\te # f\n\u{1b}[2J\nHost -oProxyCommand=x\n",
            folder.path().display()
        );
        fs::write(at("config"), text).unwrap();
        let (names, notes) = hosts(Some(&at("config")));
        assert_eq!(names, ["included", "a", "b", "e"]);
        assert!(notes.iter().any(|note| note.contains("include each other")), "{notes:?}");
        let (names, notes) = hosts(Some(&at("nothing")));
        assert!(names.is_empty() && notes.len() == 1, "{notes:?}");
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC{0,60}|[ =\"#a-z\\t]{0,40}") {
            words(&line);
        }
    }
}
