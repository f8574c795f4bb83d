//! Which files a client has read, and in which version: one that it has not read, or that changed since, is not
//! changed by it. So no work of a person, of another agent or of a command is lost unseen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many files are remembered; past it all are forgotten, and read again at need.
const FILES: usize = 4_096;

/// How many clients without a session are remembered.
const CLIENTS: usize = 64;

/// What one client has read.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Files>>);

#[derive(Debug, Default)]
struct Files {
    versions: HashMap<String, String>,
    /// What a path that was asked for turned out to be.
    absolute: HashMap<String, String>,
}

impl Seen {
    /// The file that was called `asked` has this version.
    pub fn note(&self, asked: &str, absolute: &str, version: &str) {
        let mut files = self.lock();
        if files.versions.len() >= FILES || files.absolute.len() >= FILES {
            *files = Files::default();
        }
        files.absolute.insert(asked.to_owned(), absolute.to_owned());
        files.versions.insert(absolute.to_owned(), version.to_owned());
    }

    /// The version of a file as it was last seen.
    pub fn version(&self, asked: &str) -> Option<String> {
        let files = self.lock();
        let absolute = files.absolute.get(asked).map_or(asked, String::as_str);
        files.versions.get(absolute).cloned()
    }

    /// The file is not as it was: it must be read again.
    pub fn forget(&self, asked: &str) {
        let mut files = self.lock();
        let absolute = files.absolute.get(asked).cloned().unwrap_or_else(|| asked.to_owned());
        files.versions.remove(&absolute);
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        // Every single change leaves the tables whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What clients have read that speak a protocol without sessions: told apart by the name they give.
#[derive(Debug, Clone, Default)]
pub struct SeenByName(Arc<Mutex<HashMap<String, Seen>>>);

impl SeenByName {
    /// What the client of this name has read.
    pub fn of(&self, name: &str) -> Seen {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS && !clients.contains_key(name) {
            clients.clear();
        }
        clients.entry(name.to_owned()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_every_name_it_was_read_by() {
        let seen = Seen::default();
        assert_eq!(seen.version("a.txt"), None);
        seen.note("a.txt", "/home/dev/work/a.txt", "1");
        assert_eq!(seen.version("a.txt").as_deref(), Some("1"));
        assert_eq!(seen.version("/home/dev/work/a.txt").as_deref(), Some("1"));
        seen.note("/home/dev/work/a.txt", "/home/dev/work/a.txt", "2");
        assert_eq!(seen.version("a.txt").as_deref(), Some("2"));
        seen.forget("a.txt");
        assert_eq!(seen.version("/home/dev/work/a.txt"), None);
    }

    #[test]
    fn clients_do_not_share_what_they_read() {
        let seen = SeenByName::default();
        seen.of("one").note("a", "/a", "1");
        assert_eq!(seen.of("one").version("/a").as_deref(), Some("1"));
        assert_eq!(seen.of("two").version("/a"), None);
    }
}
