//! The database's file: where it is, whether it is sound, and the names of its copies.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// The database's file.
pub(crate) fn database(data_dir: &Path) -> PathBuf {
    data_dir.join("berth.db")
}

/// Whether a copy of a database passes the check.
pub(crate) fn passes(path: &Path) -> bool {
    connect(path).and_then(|connection| damage(&connection)).is_ok_and(|damage| damage.is_none())
}

pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// What SQLite's own check finds first, if anything.
pub(crate) fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

/// The time as file names carry it: `20261124T040506Z`.
pub(crate) fn timestamp(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("SELECT strftime('%Y%m%dT%H%M%SZ', 'now')", [], |row| row.get(0))
}

/// A path in a folder that nothing has yet: `<stem><suffix>`, else `<stem>.2<suffix>` and so on.
pub(crate) fn unused(folder: &Path, stem: &str, suffix: &str) -> PathBuf {
    let mut path = folder.join(format!("{stem}{suffix}"));
    let mut number = 2;
    while path.exists() {
        path = folder.join(format!("{stem}.{number}{suffix}"));
        number += 1;
    }
    path
}

/// Makes an empty file that only its owner may read, unless there is one. SQLite gives its other files the same rights.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
