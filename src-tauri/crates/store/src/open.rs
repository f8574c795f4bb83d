//! Opening the database: checked, replaced when damaged, copied and migrated when old.
//!
//! ```text
//!   berth.db ─ sound ──────────────────────────────► old format? ─ backup, migrate ─► open
//!      │                                                  ▲
//!      ├─ of a newer Berth, unreadable folder ─► error    │
//!      └─ damaged ─► newest good backup copied to berth.db.restored
//!                    berth.db(-wal) renamed to berth-damaged-<time>.db(-wal)
//!                    berth.db.restored renamed to berth.db, or nothing: a new one ─┘
//! ```
//!
//! A crash between any two of these steps is finished or repeated by the next start, and no step deletes what a person
//! could want back.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use berth_model::{ErrorCode, RpcError};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite_migration::{M, Migrations};

use crate::backup::Backups;
use crate::file::{beside, connect, create_private, damage, database, timestamp, unused};
use crate::{StoreError, schema};

/// What a check found.
enum Check {
    Sound(Connection),
    Damaged(String),
}

/// Opens the database in a folder; what had to be done to it that a person should know comes back beside it.
pub(crate) fn open(data_dir: &Path) -> Result<(Connection, Vec<RpcError>), StoreError> {
    open_with(data_dir, schema::STEPS)
}

fn open_with(data_dir: &Path, steps: &[M<'static>]) -> Result<(Connection, Vec<RpcError>), StoreError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::File { path, source }
    };
    fs::create_dir_all(data_dir).map_err(file(data_dir))?;
    let path = database(data_dir);
    let restored = beside(&path, ".restored");
    let backups = Backups::new(data_dir);
    let mut problems = Vec::new();

    if !path.exists() {
        // Either the very first start, or one was ended between setting aside and restoring.
        set_aside(&path).map_err(file(&path))?;
        if restored.exists() {
            fs::rename(&restored, &path).map_err(file(&path))?;
        }
    }
    let emptied = fs::metadata(&path).is_ok_and(|found| found.len() == 0) && backups.newest_good().is_some();
    create_private(&path).map_err(file(&path))?;
    let checked = if emptied { Check::Damaged("the file is empty".to_owned()) } else { check(&path)? };
    let mut connection = match checked {
        Check::Sound(connection) => connection,
        Check::Damaged(reason) => {
            let backup = backups.newest_good();
            if let Some(backup) = &backup {
                fs::copy(&backup.path, &restored)
                    .and_then(|_| File::open(&restored)?.sync_all())
                    .map_err(file(&restored))?;
            }
            let kept = set_aside(&path).map_err(file(&path))?.unwrap_or_else(|| path.clone());
            if backup.is_some() {
                fs::rename(&restored, &path).map_err(file(&path))?;
            }
            let made = backup.map(|backup| backup.made());
            tracing::error!(reason, kept = %kept.display(), restored = made.as_deref(), "the database was damaged");
            problems.push(told(&reason, &kept, made.as_deref()));
            create_private(&path).map_err(file(&path))?;
            match check(&path)? {
                Check::Sound(connection) => connection,
                // It was sound a moment ago, or is new.
                Check::Damaged(reason) => {
                    return Err(StoreError::File { path, source: io::Error::other(reason) });
                }
            }
        }
    };

    migrate(&mut connection, &path, &backups, steps)?;
    configure(&connection)?;
    Ok((connection, problems))
}

/// Opens the database and looks through it. Only what is wrong with the file's content is damage: a folder without
/// rights or a full disk is an error, and says nothing about the file.
fn check(path: &Path) -> Result<Check, StoreError> {
    let attempt = || -> rusqlite::Result<Check> {
        let connection = connect(path)?;
        // Closing a damaged database must leave it and its write-ahead log as they are.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        if let Some(damage) = damage(&connection)? {
            return Ok(Check::Damaged(damage));
        }
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        Ok(Check::Sound(connection))
    };
    attempt().or_else(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            Ok(Check::Damaged(error.to_string()))
        }
        _ => Err(error.into()),
    })
}

/// Brings the database to this program's format, after copying it where it holds something.
fn migrate(
    connection: &mut Connection,
    path: &Path,
    backups: &Backups,
    steps: &[M<'static>],
) -> Result<(), StoreError> {
    let (found, known) = (schema::version(connection)?, schema::format(steps));
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        let backup = backups.make(connection)?;
        tracing::info!(from = found, to = known, backup = %backup.path.display(), "migrating the database");
    }
    // A step that rebuilds a table must not make its rows' children go: foreign keys are switched on afterwards.
    connection.pragma_update(None, "foreign_keys", false)?;
    Migrations::from_slice(steps)
        .to_latest(connection)
        .map_err(|source| StoreError::Migration { path: path.to_owned(), source })
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    // NORMAL does not wait for the disk at a commit. Without WAL (some network drives) it would risk the file itself.
    connection.pragma_update(None, "synchronous", if mode == "wal" { "NORMAL" } else { "FULL" })?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Renames a database and what belongs to it to a name that tells; nothing where there is no database.
fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    let found: Vec<_> = ["-wal", "-shm", ""].into_iter().filter(|suffix| beside(path, suffix).exists()).collect();
    if found.is_empty() {
        return Ok(None);
    }
    let time = Connection::open_in_memory().and_then(|connection| timestamp(&connection)).map_err(io::Error::other)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let kept = unused(folder, &format!("berth-damaged-{time}"), ".db");
    // The log goes first: left behind, SQLite would play it into whatever database comes to stand there.
    for suffix in found {
        fs::rename(beside(path, suffix), beside(&kept, suffix))?;
    }
    Ok(Some(kept))
}

fn told(reason: &str, kept: &Path, restored: Option<&str>) -> RpcError {
    let now = match restored {
        Some(made) => format!(
            "The backup of {made} was put in its place, so channels and timelines stand as they did then; \
             what came after is only in the damaged file."
        ),
        None => "There was no backup, so Berth begins with an empty one.".to_owned(),
    };
    let mut problem = RpcError::new(
        ErrorCode::Failed,
        format!(
            "Berth's database was damaged and has been set aside as {}. {now} Sandboxes and their files were not touched.",
            kept.display()
        ),
    )
    .hint(
        "Keep the damaged file: much of it can often be read with the `.recover` command of SQLite's own shell. \
         If this happens again, check the disk.",
    );
    problem.causes.push(reason.to_owned());
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How the copies of a database of this program's format are named.
    fn newest() -> String {
        format!("berth-{}-", schema::STEPS.len())
    }

    fn backups_in(data_dir: &Path) -> Vec<String> {
        let Ok(found) = fs::read_dir(data_dir.join("backups")) else { return Vec::new() };
        let mut names: Vec<_> = found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn with_another_step(sql: &'static str) -> Vec<M<'static>> {
        schema::STEPS.iter().cloned().chain([M::up(sql)]).collect()
    }

    #[test]
    fn a_migration_keeps_the_data_and_is_preceded_by_a_backup() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, problems) = open(folder.path()).unwrap();
        assert!(problems.is_empty() && backups_in(folder.path()).is_empty());
        connection.execute("INSERT INTO settings (key, value) VALUES ('theme', '\"dark\"')", []).unwrap();
        drop(connection);

        let steps = with_another_step("ALTER TABLE settings ADD COLUMN since INTEGER NOT NULL DEFAULT 7;");
        let (connection, problems) = open_with(folder.path(), &steps).unwrap();
        assert!(problems.is_empty());
        let row: (String, i64) = connection
            .query_row("SELECT value, since FROM settings", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(row, ("\"dark\"".to_owned(), 7));
        drop(connection);

        let backups = backups_in(folder.path());
        assert_eq!(backups.len(), 1, "{backups:?}");
        let backup = folder.path().join("backups").join(&backups[0]);
        assert!(backups[0].starts_with(&newest()));
        let copy = Connection::open(backup).unwrap();
        assert_eq!(schema::version(&copy).unwrap(), schema::format(schema::STEPS));
        copy.query_row("SELECT value FROM settings WHERE key = 'theme'", [], |_| Ok(())).unwrap();

        // Up to date: nothing to copy.
        drop(open_with(folder.path(), &steps).unwrap());
        assert_eq!(backups_in(folder.path()).len(), 1);
        // And this program, which knows one step less, leaves the file alone.
        let before = fs::read(database(folder.path())).unwrap();
        let refused = open(folder.path()).unwrap_err();
        let known_to_us = schema::format(schema::STEPS);
        assert!(
            matches!(refused, StoreError::Newer { found, known, .. } if found == known + 1 && known == known_to_us),
            "{refused:?}"
        );
        assert_eq!(fs::read(database(folder.path())).unwrap(), before);
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = open(folder.path()).unwrap();
        connection.execute("INSERT INTO settings (key, value) VALUES ('theme', '\"dark\"')", []).unwrap();
        drop(connection);
        let steps = with_another_step("DROP TABLE settings; ALTER TABLE nothing_there ADD COLUMN x;");
        let refused = open_with(folder.path(), &steps).unwrap_err();
        assert!(matches!(refused, StoreError::Migration { .. }), "{refused:?}");
        assert_eq!(backups_in(folder.path()).len(), 1);

        let (connection, problems) = open(folder.path()).unwrap();
        assert!(problems.is_empty());
        connection.query_row("SELECT value FROM settings WHERE key = 'theme'", [], |_| Ok(())).unwrap();
    }

    #[test]
    fn a_step_that_rebuilds_a_table_keeps_what_refers_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = open(folder.path()).unwrap();
        connection
            .execute_batch(
                "INSERT INTO channels VALUES ('c', 'x', 0, '\"local\"', '{}', 'null', '\"asleep\"', 0, '/', 'null', '[]', 1, NULL);
                 INSERT INTO jobs VALUES ('j', 'c', 0, '{}', '{}');",
            )
            .unwrap();
        drop(connection);
        let steps = with_another_step(
            "CREATE TABLE channels_2 AS SELECT * FROM channels; DROP TABLE channels;
             ALTER TABLE channels_2 RENAME TO channels; CREATE UNIQUE INDEX channels_id ON channels (id);",
        );
        let (connection, _) = open_with(folder.path(), &steps).unwrap();
        assert_eq!(connection.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0)), Ok(1));
        assert_eq!(connection.query_row("PRAGMA foreign_keys", [], |row| row.get(0)), Ok(1));
    }

    #[test]
    fn five_backups_stay_and_the_newest_of_each_format() {
        let folder = tempfile::tempdir().unwrap();
        let backups = Backups::new(folder.path());
        let (connection, _) = open(folder.path()).unwrap();
        backups.make(&connection).unwrap();
        let real = backups_in(folder.path()).remove(0);
        let inside = folder.path().join("backups");
        let old = ["berth-0-20200101T000000Z.db", "berth-0-20200102T000000Z.db"];
        for name in old {
            fs::copy(inside.join(&real), inside.join(name)).unwrap();
        }
        fs::write(inside.join("notes.txt"), "mine").unwrap();
        for _ in 0..7 {
            backups.make(&connection).unwrap();
        }
        let left = backups_in(folder.path());
        assert_eq!(left.iter().filter(|name| name.starts_with(&newest())).count(), 5, "{left:?}");
        assert!(left.contains(&old[1].to_owned()) && !left.contains(&old[0].to_owned()), "{left:?}");
        assert!(left.contains(&"notes.txt".to_owned()));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_what_is_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = open(folder.path()).unwrap();
        connection.execute("INSERT INTO settings (key, value) VALUES ('theme', '\"dark\"')", []).unwrap();
        let backup = Backups::new(folder.path()).make(&connection).unwrap();
        let path = database(folder.path());
        for file in [beside(&path, ""), beside(&path, "-wal"), beside(&path, "-shm"), backup.path] {
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
    }
}
