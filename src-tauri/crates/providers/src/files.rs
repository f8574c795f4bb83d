//! Files about a sandbox, which it never sees: keys, records, logs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use berth_ssh::Identity;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ProviderError;
use crate::error::Doing;

/// How much of the log is told when a start fails.
const LAST_WORDS: u64 = 2000;

/// Makes a folder, and those on the way to it, for this user only.
pub(crate) fn private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.recursive(true).create(folder)
}

/// Files that are made for this user only. On Windows the folder above sees to that.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    options.mode(0o600);
    options
}

/// Writes a private file so that whoever reads it finds the old or the new content.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = private_file().create_new(true).open(&fresh)?;
    file.write_all(content)?;
    fs::rename(&fresh, path)
}

/// What is written down in `path`, if anything is.
pub(crate) fn read_record<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ProviderError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing("Reading what is known of the sandbox", path),
    };
    serde_json::from_slice(&text).map(Some).map_err(|source| ProviderError::Record { path: path.to_owned(), source })
}

/// Writes it down.
pub(crate) fn write_record<T: Serialize>(path: &Path, record: &T) -> Result<(), ProviderError> {
    let text = serde_json::to_vec(record).map_err(|source| ProviderError::Record { path: path.to_owned(), source })?;
    replace(path, &text).doing("Writing down what is known of the sandbox", path)
}

/// The key in a file, which is made where it is missing; and its text.
pub(crate) fn key(path: &Path) -> Result<(Identity, String), ProviderError> {
    let bad = |source| ProviderError::Key { path: path.to_owned(), source };
    if !path.exists() {
        let text = Identity::generate().and_then(|key| key.to_openssh()).map_err(|error| bad(Box::new(error)))?;
        replace(path, text.as_bytes()).doing("Writing a key", path)?;
    }
    let text = fs::read_to_string(path).doing("Reading a key", path)?;
    let key = Identity::from_openssh(&text).map_err(|error| bad(Box::new(error)))?;
    Ok((key, text))
}

/// The key in a file.
pub(crate) fn read_key(path: &Path) -> Result<Identity, ProviderError> {
    let text = fs::read_to_string(path).doing("Reading a key", path)?;
    Identity::from_openssh(&text).map_err(|error| ProviderError::Key { path: path.to_owned(), source: Box::new(error) })
}

/// Opens the log to append to, and keeps it from growing from start to start.
pub(crate) fn open_log(path: &Path) -> io::Result<File> {
    bound_log(path)?;
    private_file().append(true).open(path)
}

/// Empties a log that has become large. Whoever writes it appends, hence goes on at its new end.
pub(crate) fn bound_log(path: &Path) -> io::Result<()> {
    const LARGE: u64 = 1 << 20;
    match OpenOptions::new().write(true).open(path) {
        Ok(file) if file.metadata()?.len() > LARGE => file.set_len(0),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The end of what was written to the log since `begin`.
pub(crate) fn last_words(log: &mut File, begin: u64) -> String {
    let end = log.seek(SeekFrom::End(0)).unwrap_or(0);
    let mut bytes = Vec::new();
    let _ = log.seek(SeekFrom::Start(begin.max(end.saturating_sub(LAST_WORDS))));
    let _ = log.take(LAST_WORDS).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
