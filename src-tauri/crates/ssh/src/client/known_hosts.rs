//! OpenSSH's files of known hosts.
//!
//! Read line by line: a line that cannot be read is passed over, where a parser of whole files gives up.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::{HashAlg, PublicKey};
use sha1::Sha1;

use super::target::KnownHosts;

/// How much of a file is read.
const FILE: u64 = 16 * 1024 * 1024;
/// The longest line that is one.
const LINE: usize = 64 * 1024;

/// What a line says of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// It is the machine's.
    Host,
    /// It signs the machine's.
    Authority,
    /// It is never to be trusted.
    Revoked,
}

/// A line about the machine that is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) marker: Marker,
    pub(crate) key: PublicKey,
    pub(crate) file: PathBuf,
    /// From 1.
    pub(crate) line: usize,
    /// Whether it names the machine with its port; one without is about any port.
    pub(crate) exact: bool,
}

impl Entry {
    pub(crate) fn place(&self) -> String {
        format!("{} line {}", self.file.display(), self.line)
    }
}

/// What the files say about one machine.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) entries: Vec<Entry>,
    /// Lines and files that could not be read.
    pub(crate) skipped: Vec<String>,
}

impl Book {
    pub(crate) fn read(known: &KnownHosts) -> Self {
        let name = name(known);
        let mut book = Self::default();
        let mut seen: Vec<&Path> = Vec::new();
        for file in known.files.iter().chain([&known.own]) {
            if seen.contains(&file.as_path()) {
                continue;
            }
            seen.push(file);
            // Opening a pipe might never end, and /dev/null knows nobody.
            if fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
                continue;
            }
            let mut text = Vec::new();
            match fs::File::open(file).and_then(|opened| opened.take(FILE).read_to_end(&mut text)) {
                Ok(_) => book.add(file, &text, &name, &known.host),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => book.skipped.push(format!("{}: {error}", file.display())),
            }
        }
        book
    }

    fn add(&mut self, file: &Path, text: &[u8], name: &str, host: &str) {
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = match parse(line) {
                Ok(Some(line)) => line,
                Ok(None) => continue,
                Err(why) => {
                    if self.skipped.len() < 20 {
                        self.skipped.push(format!("{} line {}: {why}", file.display(), at + 1));
                    }
                    continue;
                }
            };
            let exact = line.names.has(name);
            if exact || line.names.has(host) {
                let (marker, key) = (line.marker, line.key);
                self.entries.push(Entry { marker, key, file: file.to_owned(), line: at + 1, exact });
            }
        }
    }
}

/// The machine's name, as it stands in a file.
pub(crate) fn name(known: &KnownHosts) -> String {
    match known.port {
        Some(port) if port != 22 => format!("[{}]:{port}", known.host),
        _ => known.host.clone(),
    }
}

/// Who writes our own file: what one takes out and another adds at the same time would be lost.
static WRITING: Mutex<()> = Mutex::new(());

/// Writes a machine down in our own file, which is made where it is missing.
pub(crate) fn remember(known: &KnownHosts, key: &PublicKey) -> io::Result<()> {
    let name = name(known);
    // Such a name would be read as something else.
    let odd = |c: char| !c.is_ascii_graphic() || matches!(c, ',' | '*' | '?' | '!');
    if name.is_empty() || name.starts_with(['@', '#', '|']) || name.chars().any(odd) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the machine's name cannot be written down"));
    }
    let key = PublicKey::new(key.key_data().clone(), "").to_openssh().map_err(io::Error::other)?;
    if let Some(folder) = known.own.parent() {
        fs::create_dir_all(folder)?;
    }
    let _one = WRITING.lock();
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&known.own)?;
    let mut text = String::new();
    if !ends_line(&known.own)? {
        text.push('\n');
    }
    text.push_str(&format!("{name} {}\n", key.trim()));
    // One write at the end of the file: what another one writes at the same time is before it or after it.
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Takes a machine's key out of our own file, by its name there and its fingerprint. Says whether it was there.
pub fn forget_host_key(own: &Path, host: &str, fingerprint: &str) -> io::Result<bool> {
    let _one = WRITING.lock();
    let text = fs::read(own)?;
    let is_it = |line: &&[u8]| {
        parse(line).ok().flatten().is_some_and(|line| {
            line.marker == Marker::Host
                && line.names.has(host)
                && line.key.fingerprint(HashAlg::Sha256).to_string() == fingerprint
        })
    };
    let (gone, left): (Vec<_>, Vec<_>) = text.split_inclusive(|byte| *byte == b'\n').partition(is_it);
    if gone.is_empty() {
        return Ok(false);
    }
    let folder = own.parent().ok_or(io::ErrorKind::NotFound)?;
    // Whole or not at all. A temporary file is its owner's alone, as this one is.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&left.concat())?;
    file.as_file().sync_all()?;
    file.persist(own)?;
    Ok(true)
}

fn ends_line(file: &Path) -> io::Result<bool> {
    let text = fs::read(file)?;
    Ok(text.last().is_none_or(|last| *last == b'\n'))
}

struct Line {
    marker: Marker,
    names: Names,
    key: PublicKey,
}

enum Names {
    Patterns(Vec<String>),
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

impl Names {
    fn has(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        match self {
            Self::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(hash).is_ok()),
            Self::Patterns(patterns) => {
                let mut found = false;
                for pattern in patterns {
                    match pattern.strip_prefix('!') {
                        Some(not) if matches(not.as_bytes(), name.as_bytes()) => return false,
                        Some(_) => {}
                        None => found |= matches(pattern.as_bytes(), name.as_bytes()),
                    }
                }
                found
            }
        }
    }
}

/// Nothing for an empty line and a comment.
fn parse(line: &[u8]) -> Result<Option<Line>, &'static str> {
    if line.len() > LINE {
        return Err("it is too long");
    }
    let text = std::str::from_utf8(line).map_err(|_| "it is not text")?.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let mut words = text.split_ascii_whitespace().peekable();
    let marker = match words.peek() {
        Some(&"@cert-authority") => Marker::Authority,
        Some(&"@revoked") => Marker::Revoked,
        Some(word) if word.starts_with('@') => return Err("its marker is not known"),
        _ => Marker::Host,
    };
    if marker != Marker::Host {
        words.next();
    }
    let (Some(names), Some(kind), Some(key)) = (words.next(), words.next(), words.next()) else {
        return Err("it has no key");
    };
    let names = match names.strip_prefix("|1|") {
        Some(hashed) => {
            let (salt, hash) = hashed.split_once('|').ok_or("its name is not hashed well")?;
            let decode = |text| BASE64_STANDARD.decode(text).map_err(|_| "its name is not hashed well");
            Names::Hashed { salt: decode(salt)?, hash: decode(hash)? }
        }
        None => Names::Patterns(names.split(',').map(str::to_ascii_lowercase).collect()),
    };
    let key = PublicKey::from_openssh(&format!("{kind} {key}")).map_err(|_| "its key cannot be read")?;
    Ok(Some(Line { marker, names, key }))
}

/// Whether a pattern with `*` and `?` is met. In time that grows with the product of both, whatever the pattern.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, t) = (at + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn knows(names: &str, name: &str) -> bool {
        parse(format!("{names} {KEY} a comment").as_bytes()).unwrap().unwrap().names.has(name)
    }

    #[test]
    fn names_are_patterns_with_exceptions() {
        assert!(knows("a.example,B.example", "b.Example"));
        assert!(knows("*.example,!c.example", "b.example"));
        assert!(!knows("*.example,!c.example", "c.example"));
        assert!(knows("h?st", "host") && !knows("h?st", "hst"));
        assert!(knows("[host]:2222", "[host]:2222") && !knows("[host]:2222", "host"));
        assert!(!knows("!other", "host"), "an exception alone is about nobody");
    }

    #[test]
    fn a_bad_line_is_passed_over() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("# comment\n\nhost\nhost ssh-ed25519 AAAA\n@odd host {KEY}\n\u{0}\u{1}\nhost {KEY}\n");
        fs::write(file.path(), [text.as_bytes(), b"\xff\xfe\n"].concat()).unwrap();
        let known =
            KnownHosts { host: "host".into(), port: None, files: vec![], own: file.path().to_owned(), asker: None };
        let book = Book::read(&known);
        assert_eq!(book.entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), [7]);
        assert_eq!(book.skipped.len(), 5, "{:?}", book.skipped);
    }

    #[test]
    fn a_name_that_would_be_read_as_something_else_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let key = PublicKey::from_openssh(KEY).unwrap();
        for host in ["a b", "a\nb", "*,!a", "#a", "@revoked", "", "*.corp", "b?x", "!box"] {
            let own = folder.path().join("own");
            let known = KnownHosts { host: host.into(), port: None, files: vec![], own: own.clone(), asker: None };
            assert!(remember(&known, &key).is_err(), "{host:?}");
            assert!(!own.exists());
        }
    }

    #[test]
    fn one_key_of_one_machine_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINqGJj3OGzJXmsHgnl7yUCFLRU8U0hJ5TJx4KjLXtKJF";
        let text = format!("# mine\n[box]:2222 {KEY}\n[box]:2222 {other}\nbox {KEY}\n@revoked [box]:2222 {KEY}\nodd");
        fs::write(&own, &text).unwrap();
        let print = PublicKey::from_openssh(KEY).unwrap().fingerprint(HashAlg::Sha256).to_string();
        assert!(!forget_host_key(&own, "[other]:2222", &print).unwrap());
        assert!(!forget_host_key(&own, "[box]:2222", "SHA256:other").unwrap());
        assert_eq!(fs::read_to_string(&own).unwrap(), text);
        assert!(forget_host_key(&own, "[box]:2222", &print).unwrap());
        let gone = text.replace(&format!("\n[box]:2222 {KEY}"), "");
        assert_eq!(fs::read_to_string(&own).unwrap(), gone);
        assert!(forget_host_key(&folder.path().join("none"), "box", &print).is_err());
    }

    proptest! {
        #[test]
        fn nothing_in_a_file_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            Book::default().add(Path::new("f"), &text, "[host]:22", "host");
        }

        #[test]
        fn no_line_makes_it_panic(names in "[|1@!*?,a-z=+/ ]{0,40}", key in "[ -~]{0,60}") {
            let _ = parse(format!("{names} {key}").as_bytes());
            let _ = parse(format!("{names} {KEY}").as_bytes()).map(|line| line.map(|line| line.names.has("host")));
        }

        #[test]
        fn a_name_meets_itself_and_a_star(name in "[a-z0-9.-]{1,30}", at in 0_usize..30) {
            prop_assert!(matches(name.as_bytes(), name.as_bytes()));
            prop_assert!(matches(b"*", name.as_bytes()));
            let at = at.min(name.len());
            let (begins, ends, longer) = (format!("{}*", &name[..at]), format!("*{}", &name[at..]), format!("{name}x"));
            prop_assert!(matches(begins.as_bytes(), name.as_bytes()));
            prop_assert!(matches(ends.as_bytes(), name.as_bytes()));
            prop_assert!(!matches(longer.as_bytes(), name.as_bytes()));
        }
    }
}
