//! Copies of the database: before each migration, and once a day while it is open.
//!
//! Copies lie in `<data>/backups` as `berth-<format>-<time>.db`. A copy is made by `VACUUM INTO`: one consistent state,
//! and an error where the database is damaged, so that no damage is ever kept as a backup.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, OpenFlags};

use crate::{StoreError, file, schema};

/// How many copies are kept, besides the newest of each older format.
const KEPT: usize = 5;
const DAY: Duration = Duration::from_hours(24);
const LOOK_AGAIN: Duration = Duration::from_hours(1);
/// A start has better things to do.
const AFTER_START: Duration = Duration::from_mins(1);

/// The folder of the copies.
#[derive(Clone)]
pub(crate) struct Backups {
    folder: PathBuf,
}

/// One copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backup {
    pub path: PathBuf,
    /// Of the database's format.
    version: i64,
    /// As in the name: `20261124T040506Z`.
    time: String,
}

impl Backup {
    fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (version, time) = name.strip_prefix("berth-")?.strip_suffix(".db")?.split_once('-')?;
        Some(Self { path: path.to_owned(), version: version.parse().ok()?, time: time.to_owned() })
    }

    /// When it was made, as people read it: "2026-11-24 04:05 UTC".
    pub(crate) fn made(&self) -> String {
        let part = |from, to| self.time.get(from..to).unwrap_or("?");
        format!("{}-{}-{} {}:{} UTC", part(0, 4), part(4, 6), part(6, 8), part(9, 11), part(11, 13))
    }
}

impl Backups {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("backups") }
    }

    /// Copies the database and takes away what is older than the copies to be kept.
    pub(crate) fn make(&self, connection: &Connection) -> Result<Backup, StoreError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::File { path, source }
        };
        fs::create_dir_all(&self.folder).map_err(fail(&self.folder))?;
        let version = schema::version(connection)?;
        let time = file::timestamp(connection)?;
        let path = file::unused(&self.folder, &format!("berth-{version}-{time}"), ".db");
        // Under a name that is no backup's until it is whole. What an interrupted copy left is overwritten.
        let part = self.folder.join("unfinished");
        remove_if_there(&part).map_err(fail(&part))?;
        file::create_private(&part).map_err(fail(&part))?;
        connection.execute("VACUUM INTO ?1", [part.to_string_lossy()])?;
        File::open(&part).and_then(|file| file.sync_all()).map_err(fail(&part))?;
        fs::rename(&part, &path).map_err(fail(&path))?;
        self.prune();
        Ok(Backup { path, version, time })
    }

    /// The newest copy that passes the check and that this program can read.
    pub(crate) fn newest_good(&self) -> Option<Backup> {
        self.list()
            .into_iter()
            .find(|backup| backup.version <= schema::format(schema::STEPS) && file::passes(&backup.path))
    }

    /// All copies, newest first.
    fn list(&self) -> Vec<Backup> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut found: Vec<_> = entries.flatten().filter_map(|entry| Backup::parse(&entry.path())).collect();
        found.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| b.path.cmp(&a.path)));
        found
    }

    fn prune(&self) {
        let mut seen = Vec::new();
        for (place, backup) in self.list().into_iter().enumerate() {
            let newest_of_its_format = !seen.contains(&backup.version);
            seen.push(backup.version);
            if place >= KEPT
                && !newest_of_its_format
                && let Err(error) = fs::remove_file(&backup.path)
            {
                tracing::warn!(%error, path = %backup.path.display(), "an old backup stays");
            }
        }
    }

    /// Whether the newest copy is older than a day, or there is none.
    fn due(&self) -> bool {
        let newest = self.list().into_iter().next().and_then(|newest| fs::metadata(newest.path).ok()?.modified().ok());
        newest.is_none_or(|made| made.elapsed().is_ok_and(|age| age >= DAY))
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A thread that makes a copy once a day, on a connection of its own: in WAL mode it keeps no writer waiting. Dropping
/// this interrupts and ends it.
pub(crate) struct Daily {
    stop: Option<mpsc::Sender<()>>,
    interrupt: InterruptHandle,
    thread: Option<JoinHandle<()>>,
}

impl Daily {
    pub(crate) fn start(data_dir: &Path) -> Result<Self, StoreError> {
        Self::start_after(data_dir, AFTER_START)
    }

    fn start_after(data_dir: &Path, delay: Duration) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file::database(data_dir), flags)?;
        let interrupt = connection.get_interrupt_handle();
        let backups = Backups::new(data_dir);
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("berth-backup".to_owned())
            .spawn(move || {
                let mut wait = delay;
                while stopped.recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Timeout) {
                    wait = LOOK_AGAIN;
                    if backups.due()
                        && let Err(error) = backups.make(&connection)
                    {
                        tracing::warn!(error = &error as &dyn std::error::Error, "no backup was made");
                    }
                }
            })
            .map_err(|source| StoreError::File { path: data_dir.to_owned(), source })?;
        Ok(Self { stop: Some(stop), interrupt, thread: Some(thread) })
    }
}

impl Drop for Daily {
    fn drop(&mut self) {
        self.stop = None;
        self.interrupt.interrupt();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;

    #[test]
    fn a_backup_is_made_when_the_newest_is_a_day_old_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let backups = Backups::new(folder.path());
        let (connection, _) = crate::open::open(folder.path()).unwrap();
        assert!(backups.due());
        let daily = Daily::start_after(folder.path(), Duration::ZERO).unwrap();
        let begun = Instant::now();
        while backups.list().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no backup came");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(daily);
        assert!(!backups.due());
        let newest = backups.newest_good().unwrap();
        let yesterday = SystemTime::now() - DAY;
        File::options().write(true).open(&newest.path).unwrap().set_modified(yesterday).unwrap();
        assert!(backups.due());
        drop(connection);
    }

    #[test]
    fn a_backup_tells_when_it_was_made() {
        let backup = Backup::parse(Path::new("/x/berth-12-20261124T040506Z.db")).unwrap();
        assert_eq!((backup.version, backup.made().as_str()), (12, "2026-11-24 04:05 UTC"));
        for other in ["berth-damaged-20261124T040506Z.db", "unfinished", "berth-1-x", "berth.db"] {
            assert_eq!(Backup::parse(Path::new(other)), None);
        }
    }
}
