//! A damaged database is set aside whole, the newest good backup takes its place, and the person is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use berth_model::{ErrorCode, RpcError};
use berth_store::{Store, StoreError};
use common::{channel, message, names, open};
use rusqlite::Connection;
use tempfile::TempDir;

/// Makes a store with a channel of that name, closed.
async fn filled(folder: &TempDir, name: &str) {
    let store = open(folder);
    let record = channel(name);
    store.insert_channel(record.clone()).await.unwrap();
    for number in 0..500 {
        store.enqueue_entry(message(&record.id, &format!("message {number} {}", "x".repeat(200)))).await.unwrap();
    }
    store.close().await.unwrap();
}

fn database(folder: &TempDir) -> PathBuf {
    folder.path().join("berth.db")
}

/// Puts a copy of the database among the backups, as one made then.
fn backup(folder: &TempDir, time: &str) -> PathBuf {
    let backups = folder.path().join("backups");
    fs::create_dir_all(&backups).unwrap();
    let path = backups.join(format!("berth-1-{time}.db"));
    fs::copy(database(folder), &path).unwrap();
    path
}

/// Overwrites pages in the middle, where quick_check finds it but opening does not.
fn damage(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let (from, to) = (bytes.len() / 4, bytes.len() / 2);
    bytes[from..to].fill(0xA5);
    fs::write(path, &bytes).unwrap();
    bytes
}

/// The files set aside, by what follows the time in their names.
fn aside(folder: &TempDir, suffix: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("berth-damaged-") && name.ends_with(suffix)
        })
        .collect();
    found.sort();
    found
}

fn only(problems: Vec<RpcError>) -> RpcError {
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.into_iter().next().unwrap();
    assert_eq!(problem.code, ErrorCode::Failed);
    assert!(problem.hint.is_some() && !problem.causes.is_empty());
    problem
}

#[tokio::test]
async fn without_a_backup_a_new_database_is_made() {
    let folder = TempDir::new().unwrap();
    filled(&folder, "lost").await;
    let damaged = damage(&database(&folder));

    let (store, problems) = Store::open(folder.path()).unwrap();
    let problem = only(problems);
    let kept = aside(&folder, ".db");
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read(&kept[0]).unwrap(), damaged, "the damaged file is kept byte for byte");
    assert!(problem.message.contains(kept[0].to_str().unwrap()), "{}", problem.message);
    assert!(problem.message.contains("empty"), "{}", problem.message);
    assert!(names(&store).await.is_empty());
    store.insert_channel(channel("new")).await.unwrap();
    drop(store);
    assert_eq!(names(&open(&folder)).await, ["new"], "told once, and sound from then on");
}

#[tokio::test]
async fn the_newest_backup_that_is_good_takes_its_place() {
    let folder = TempDir::new().unwrap();
    filled(&folder, "monday").await;
    backup(&folder, "20261102T080000Z");
    filled(&folder, "tuesday").await;
    let newest_good = backup(&folder, "20261103T080000Z");
    filled(&folder, "wednesday").await;
    damage(&backup(&folder, "20261104T080000Z"));
    // Of a newer Berth: sound, but of no use to this one.
    let newer = folder.path().join("backups/berth-99-20261105T080000Z.db");
    fs::copy(&newest_good, &newer).unwrap();
    damage(&database(&folder));
    let backups_before = listing(&folder.path().join("backups"));

    let (store, problems) = Store::open(folder.path()).unwrap();
    let problem = only(problems);
    assert!(problem.message.contains("2026-11-03 08:00 UTC"), "{}", problem.message);
    assert_eq!(names(&store).await, ["monday", "tuesday"]);
    assert_eq!(aside(&folder, ".db").len(), 1);
    drop(store);
    assert_eq!(listing(&folder.path().join("backups")), backups_before, "no backup is used up");
    assert!(!folder.path().join("berth.db.restored").exists());
}

#[tokio::test]
async fn every_kind_of_damage_is_found() {
    type Damage = fn(&Path);
    let kinds: [(&str, Damage); 5] = [
        ("no database at all", |path| fs::write(path, "It is a text now. ".repeat(500)).unwrap()),
        ("cut short", |path| {
            let length = fs::metadata(path).unwrap().len();
            fs::File::options().write(true).open(path).unwrap().set_len(length / 2).unwrap();
        }),
        ("emptied", |path| fs::write(path, "").unwrap()),
        ("header gone", |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[..64].fill(0);
            fs::write(path, bytes).unwrap();
        }),
        ("pages gone", |path| drop(damage(path))),
    ];
    for (kind, damage) in kinds {
        let folder = TempDir::new().unwrap();
        filled(&folder, "x").await;
        backup(&folder, "20261102T080000Z");
        damage(&database(&folder));
        let (store, problems) = Store::open(folder.path()).unwrap();
        assert_eq!(problems.len(), 1, "{kind}");
        assert_eq!(names(&store).await, ["x"], "{kind}");
        assert_eq!(aside(&folder, ".db").len(), 1, "{kind}");
    }
}

#[tokio::test]
async fn the_log_goes_with_the_file_it_belongs_to() {
    let folder = TempDir::new().unwrap();
    filled(&folder, "backed-up").await;
    backup(&folder, "20261102T080000Z");
    // As a killed app leaves them: the last writes are in the log only.
    let copy = TempDir::new().unwrap();
    let store = open(&folder);
    store.insert_channel(channel("in-the-log")).await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("berth.db{suffix}");
        fs::copy(folder.path().join(&name), copy.path().join(&name)).unwrap();
    }
    drop(store);
    fs::create_dir(copy.path().join("backups")).unwrap();
    fs::copy(
        folder.path().join("backups/berth-1-20261102T080000Z.db"),
        copy.path().join("backups/berth-1-20261102T080000Z.db"),
    )
    .unwrap();
    let log = fs::read(copy.path().join("berth.db-wal")).unwrap();
    assert!(!log.is_empty());
    damage(&database(&copy));

    let (store, problems) = Store::open(copy.path()).unwrap();
    only(problems);
    assert_eq!(names(&store).await, ["backed-up"]);
    let (kept, kept_log) = (aside(&copy, ".db"), aside(&copy, ".db-wal"));
    assert_eq!(fs::read(&kept_log[0]).unwrap(), log);
    assert_eq!(format!("{}-wal", kept[0].display()), kept_log[0].display().to_string());
}

#[tokio::test]
async fn what_a_killed_process_had_committed_is_there() {
    let folder = TempDir::new().unwrap();
    let killed = TempDir::new().unwrap();
    let store = open(&folder);
    let record = channel("committed");
    store.insert_channel(record.clone()).await.unwrap();
    for _ in 0..100 {
        store.append_entry(message(&record.id, "x")).await.unwrap();
    }
    // The files as they lie there at this moment: what a SIGKILL leaves.
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("berth.db{suffix}");
        fs::copy(folder.path().join(&name), killed.path().join(&name)).unwrap();
    }
    let store = open(&killed);
    assert_eq!(names(&store).await, ["committed"]);
    assert_eq!(store.timeline(&record.id, None, 1000).await.unwrap().entries.len(), 100);
}

#[tokio::test]
async fn a_replacement_that_was_interrupted_is_finished() {
    let folder = TempDir::new().unwrap();
    filled(&folder, "restored").await;
    // Set aside and copied, but ended before the copy got its name; and a log of the old file still lies there.
    fs::rename(database(&folder), folder.path().join("berth.db.restored")).unwrap();
    fs::write(folder.path().join("berth.db-wal"), "of another file").unwrap();
    let store = open(&folder);
    assert_eq!(names(&store).await, ["restored"]);
    assert_eq!(fs::read_to_string(&aside(&folder, ".db-wal")[0]).unwrap(), "of another file");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_not_called_damaged() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(database(&folder)).unwrap();
    let refused = Store::open(folder.path()).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::File { .. } | StoreError::Sqlite(_)), "{refused:?}");
    assert!(database(&folder).is_dir() && aside(&folder, ".db").is_empty());

    let inside_a_file = folder.path().join("file/data");
    fs::write(folder.path().join("file"), "").unwrap();
    let refused = Store::open(&inside_a_file).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::File { .. }), "{refused:?}");
    assert!(RpcError::from(refused).hint.is_some());
}

#[tokio::test]
async fn a_database_of_a_newer_berth_is_refused() {
    let folder = TempDir::new().unwrap();
    filled(&folder, "future").await;
    let connection = Connection::open(database(&folder)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = fs::read(database(&folder)).unwrap();
    let refused = Store::open(folder.path()).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, .. }), "{refused:?}");
    let told = RpcError::from(refused);
    assert!(told.message.contains("newer Berth") && told.hint.is_some(), "{told:?}");
    assert_eq!(fs::read(database(&folder)).unwrap(), before);
    assert!(aside(&folder, ".db").is_empty());
}

/// A database as the first format wrote it. It stays here for every later format to be brought up from.
#[tokio::test]
async fn a_database_of_the_first_format_is_still_read() {
    let folder = TempDir::new().unwrap();
    let connection = Connection::open(database(&folder)).unwrap();
    connection.execute_batch(include_str!("data/format-1.sql")).unwrap();
    drop(connection);
    let store = open(&folder);
    let channels = store.channels().await.unwrap();
    assert_eq!(names(&store).await, ["website", "cloned"]);
    assert_eq!(channels[0].last_ports, [3000]);
    let timeline = store.timeline(&channels[0].id, None, 9).await.unwrap();
    assert_eq!(timeline.entries.len(), 3);
    assert_eq!(store.jobs(&channels[0].id).await.unwrap().len(), 1);
    assert_eq!(store.audit(None, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.settings().await.unwrap().space_name, "Harbour");
    assert_eq!(store.append_entry(message(&channels[0].id, "new")).await.unwrap().seq, 9);
    assert!(channels.iter().all(|record| record.laid_out), "both had come to their end");
    let backups = listing(&folder.path().join("backups"));
    assert!(backups.len() == 1 && backups[0].starts_with("berth-1-"), "{backups:?}");
}

#[tokio::test]
async fn a_start_that_the_first_format_left_in_the_middle_is_not_taken_for_done() {
    let folder = TempDir::new().unwrap();
    let connection = Connection::open(database(&folder)).unwrap();
    connection.execute_batch(include_str!("data/format-1.sql")).unwrap();
    connection.execute(r#"UPDATE channels SET state = '"failed"'"#, []).unwrap();
    drop(connection);
    let laid_out: Vec<bool> = open(&folder).channels().await.unwrap().iter().map(|record| record.laid_out).collect();
    assert_eq!(laid_out, [true, false], "only the first had been seen to run");
}

/// A database as the second format wrote it, with an action that its writer did not live to see the end of.
#[tokio::test]
async fn a_database_of_the_second_format_is_still_read() {
    let folder = TempDir::new().unwrap();
    let connection = Connection::open(database(&folder)).unwrap();
    connection.execute_batch(include_str!("data/format-2.sql")).unwrap();
    drop(connection);
    let store = open(&folder);
    let channels = store.channels().await.unwrap();
    assert_eq!(channels.iter().map(|record| record.laid_out).collect::<Vec<_>>(), [true, false]);
    let settled = store.settle_unfinished().await.unwrap();
    assert_eq!(settled.len(), 1);
    assert_eq!(store.settle_unfinished().await.unwrap(), [], "once");
    let rows = store.audit(None, None, 9).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].row, rows[0].script.as_str()), (2, "sleep 600"));
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
