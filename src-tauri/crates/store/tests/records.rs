//! What is written down comes back, in order, whoever asks and however many at once.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::BTreeMap;

use berth_model::{
    ActionCard, ActionId, ActionStatus, AuditRow, Author, ChannelId, Entry, EntryBody, EntryId, Inventory, Job, JobId,
    JobStatus, NetworkMode, RpcError, SandboxState, Settings, Start, Theme, Verb,
};
use berth_store::{ChannelRecord, JobRecord, Store, StoreError};
use common::{channel, message, names, open};
use tempfile::TempDir;

#[tokio::test]
async fn channels_come_back_as_they_were_written() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let mut first = channel("first");
    let second = ChannelRecord {
        start: Start::Git { url: "https://example.org/x.git".to_owned() },
        network: Some(NetworkMode::Proxied),
        inventory: Some(Inventory { tools: Vec::new(), system: Some("Debian".to_owned()) }),
        last_ports: vec![3000, 65535],
        created_at: first.created_at + 1,
        ..channel("second")
    };
    store.insert_channel(first.clone()).await.unwrap();
    store.insert_channel(second.clone()).await.unwrap();

    first.name = "renamed".to_owned();
    first.state = SandboxState::Running;
    first.since += 5;
    store.update_channel(first.clone()).await.unwrap();
    drop(store);
    assert_eq!(open(&folder).channels().await.unwrap(), [first, second]);
}

#[tokio::test]
async fn a_name_belongs_to_one_channel() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    store.insert_channel(channel("taken")).await.unwrap();
    let refused = store.insert_channel(channel("taken")).await.unwrap_err();
    assert!(matches!(&refused, StoreError::NameTaken(name) if name == "taken"), "{refused:?}");
    assert_eq!(RpcError::from(refused).code, berth_model::ErrorCode::Conflict);

    let other = channel("other");
    store.insert_channel(other.clone()).await.unwrap();
    let renamed = ChannelRecord { name: "taken".to_owned(), ..other.clone() };
    assert!(matches!(store.update_channel(renamed).await, Err(StoreError::NameTaken(_))));
    // A second record with the same id is another fault, and not one of names.
    let twin = ChannelRecord { name: "twin".to_owned(), ..other };
    assert!(matches!(store.insert_channel(twin).await, Err(StoreError::Sqlite(_))));
    assert!(matches!(store.update_channel(channel("gone")).await, Err(StoreError::NoSuchChannel(_))));
}

#[tokio::test]
async fn a_destroyed_channel_leaves_its_audit_rows_only() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let (doomed, kept) = (channel("doomed"), channel("kept"));
    for record in [&doomed, &kept] {
        store.insert_channel(record.clone()).await.unwrap();
        store.append_entry(message(&record.id, "hello")).await.unwrap();
        store.upsert_job(&record.id, job("sleep 1")).await.unwrap();
        store.append_audit(audit(&record.id)).await.unwrap();
    }
    store.delete_channel(&doomed.id).await.unwrap();
    assert!(matches!(store.delete_channel(&doomed.id).await, Err(StoreError::NoSuchChannel(_))));
    assert_eq!(names(&store).await, ["kept"]);
    for (id, left) in [(&doomed.id, 0), (&kept.id, 1)] {
        assert_eq!(store.timeline(id, None, 10).await.unwrap().entries.len(), left);
        assert_eq!(store.jobs(id).await.unwrap().len(), left);
        assert_eq!(store.audit(Some(id), None, 10).await.unwrap().len(), 1);
    }

    // What an action that ended too late still wants to write is no fault of the store.
    assert!(matches!(store.append_entry(message(&doomed.id, "late")).await, Err(StoreError::NoSuchChannel(_))));
    store.enqueue_entry(message(&doomed.id, "late")).await.unwrap();
    store.enqueue_replace_entry(message(&doomed.id, "late")).await.unwrap();
    store.enqueue_job(&doomed.id, job("late")).await.unwrap();
    store.enqueue_channel(doomed).await.unwrap();
    store.flush().await.unwrap();
}

#[tokio::test]
async fn a_timeline_is_paged_from_its_end() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let (one, two) = (channel("one"), channel("two"));
    store.insert_channel(one.clone()).await.unwrap();
    store.insert_channel(two.clone()).await.unwrap();
    let mut written = Vec::new();
    for number in 0..7 {
        written.push(store.append_entry(message(&one.id, &number.to_string())).await.unwrap());
        store.append_entry(message(&two.id, "between")).await.unwrap();
    }
    assert!(written.windows(2).all(|pair| pair[0].seq < pair[1].seq));

    let newest = store.timeline(&one.id, None, 3).await.unwrap();
    assert_eq!((newest.entries.as_slice(), newest.more), (&written[4..], true));
    let before = store.timeline(&one.id, Some(newest.entries[0].seq), 3).await.unwrap();
    assert_eq!((before.entries.as_slice(), before.more), (&written[1..4], true));
    let first = store.timeline(&one.id, Some(before.entries[0].seq), 3).await.unwrap();
    assert_eq!((first.entries.as_slice(), first.more), (&written[..1], false));
    let exactly = store.timeline(&one.id, None, 7).await.unwrap();
    assert_eq!((exactly.entries.len(), exactly.more), (7, false));
    assert_eq!(store.timeline(&one.id, Some(u64::MAX), 7).await.unwrap(), exactly);
}

#[tokio::test]
async fn numbers_are_not_given_twice() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let mut record = channel("short-lived");
    store.insert_channel(record.clone()).await.unwrap();
    let mut last = 0;
    for _ in 0..3 {
        last = store.append_entry(message(&record.id, "x")).await.unwrap().seq;
    }
    store.delete_channel(&record.id).await.unwrap();
    drop(store);
    let store = open(&folder);
    record.id = ChannelId::fresh();
    store.insert_channel(record.clone()).await.unwrap();
    assert_eq!(store.append_entry(message(&record.id, "y")).await.unwrap().seq, last + 1);
}

#[tokio::test]
async fn a_card_changes_in_its_place() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let record = channel("cards");
    store.insert_channel(record.clone()).await.unwrap();
    let running = store.append_entry(card(&record.id, ActionStatus::Running)).await.unwrap();
    let later = store.append_entry(message(&record.id, "meanwhile")).await.unwrap();
    let other = store.append_entry(card(&record.id, ActionStatus::Running)).await.unwrap();
    assert_eq!(store.running_entries().await.unwrap(), [running.clone(), other.clone()]);

    let done = Entry { body: card(&record.id, ActionStatus::Done { exit_code: Some(0) }).body, ..running };
    // Whatever `seq` and channel it says: an entry does not move.
    store.replace_entry(Entry { seq: 99, channel: ChannelId::fresh(), ..done.clone() }).await.unwrap();
    assert_eq!(store.entry(&done.id).await.unwrap(), done);
    assert_eq!(store.running_entries().await.unwrap(), std::slice::from_ref(&other));
    assert_eq!(store.timeline(&record.id, None, 9).await.unwrap().entries, [done, later, other]);
    assert!(matches!(store.entry(&EntryId::fresh()).await, Err(StoreError::NoSuchEntry(_))));
    assert!(matches!(store.replace_entry(message(&record.id, "?")).await, Err(StoreError::NoSuchEntry(_))));
}

#[tokio::test]
async fn the_audit_log_is_read_newest_first() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    // Destroyed, renamed or never written down: the log does not ask.
    let (one, two) = (ChannelId::fresh(), ChannelId::fresh());
    let mut rows = Vec::new();
    for number in 0..6 {
        let row = AuditRow {
            row: 77,
            author: Author::Agent { name: "an \"agent\"\n\u{0}".to_owned() },
            bytes_in: u64::MAX,
            bytes_out: 1 << 40,
            ..audit(if number % 2 == 0 { &one } else { &two })
        };
        let written = store.append_audit(row.clone()).await.unwrap();
        // What does not fit SQLite's integers is cut, and nothing real is that large.
        rows.push(AuditRow { row: written.row, bytes_in: i64::MAX as u64, ..row });
    }
    rows.reverse();
    assert!(rows.windows(2).all(|pair| pair[0].row > pair[1].row));
    assert_eq!(store.audit(None, None, 100).await.unwrap(), rows);
    assert_eq!(store.audit(None, Some(rows[1].row), 2).await.unwrap(), rows[2..4]);
    let of_one: Vec<_> = rows.iter().filter(|row| row.channel == one).cloned().collect();
    assert_eq!(store.audit(Some(&one), None, 100).await.unwrap(), of_one);
    assert_eq!(store.audit(Some(&one), Some(of_one[0].row), 1).await.unwrap(), of_one[1..2]);
}

#[tokio::test]
async fn the_audit_log_cannot_be_changed() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let written = store.append_audit(audit(&ChannelId::fresh())).await.unwrap();
    store.close().await.unwrap();

    // Not even by a program that opens the file itself.
    let connection = rusqlite::Connection::open(folder.path().join("berth.db")).unwrap();
    for sql in [
        "UPDATE audit SET script = ''",
        "DELETE FROM audit",
        r#"INSERT OR REPLACE INTO audit SELECT "row", 'x', channel, channel_name, author, verb, subject, script, at,
           duration_ms, exit_code, error, bytes_in, bytes_out FROM audit"#,
        r#"UPDATE OR REPLACE audit SET "row" = "row" + 1"#,
    ] {
        let refused = connection.execute(sql, []).unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{sql}: {refused}");
    }
    drop(connection);
    assert_eq!(open(&folder).audit(None, None, 9).await.unwrap(), [written]);
}

#[tokio::test]
async fn jobs_are_written_over() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let record = channel("jobs");
    store.insert_channel(record.clone()).await.unwrap();
    let mut old = job("python3 -m http.server");
    old.job.started_at = 1;
    old.env = BTreeMap::from([("PORT".to_owned(), "3000".to_owned())]);
    let new = job("npm run dev");
    store.upsert_job(&record.id, old.clone()).await.unwrap();
    store.enqueue_job(&record.id, new.clone()).await.unwrap();
    old.job.status = JobStatus::Exited { code: 137 };
    store.upsert_job(&record.id, old.clone()).await.unwrap();
    assert_eq!(store.jobs(&record.id).await.unwrap(), [new.clone(), old.clone()]);
    store.delete_job(&new.job.id).await.unwrap();
    assert!(matches!(store.delete_job(&new.job.id).await, Err(StoreError::NoSuchJob(_))));
    assert_eq!(store.jobs(&record.id).await.unwrap(), [old]);
    let nowhere = store.upsert_job(&ChannelId::fresh(), new).await;
    assert!(matches!(nowhere, Err(StoreError::NoSuchChannel(_))), "{nowhere:?}");
}

#[tokio::test]
async fn settings_survive_what_another_berth_wrote() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    assert_eq!(store.settings().await.unwrap(), Settings::default());
    let chosen = Settings { theme: Theme::Dark, space_name: "Hafen ⚓".to_owned() };
    store.set_settings(chosen.clone()).await.unwrap();
    store.close().await.unwrap();

    let connection = rusqlite::Connection::open(folder.path().join("berth.db")).unwrap();
    connection.execute("INSERT INTO settings VALUES ('of_the_future', '[1]')", []).unwrap();
    connection.execute("UPDATE settings SET value = '\"ultraviolet\"' WHERE key = 'theme'", []).unwrap();
    drop(connection);
    let found = open(&folder).settings().await.unwrap();
    assert_eq!(found, Settings { theme: Theme::default(), ..chosen });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_lose_nothing() {
    const WRITERS: usize = 16;
    const EACH: usize = 200;
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let record = channel("busy");
    store.insert_channel(record.clone()).await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, id) = (store.clone(), record.id.clone());
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                for number in 0..EACH {
                    let entry = message(&id, &format!("{writer} {number}"));
                    let written = if number % 10 == 0 {
                        store.append_entry(entry).await.unwrap()
                    } else {
                        store.enqueue_entry(entry).await.unwrap()
                    };
                    store.enqueue_audit(audit(&id)).await.unwrap();
                    seqs.push(written.seq);
                }
                seqs
            })
        })
        .collect();
    let mut all = Vec::new();
    for writer in writers {
        let seqs = writer.await.unwrap();
        assert!(seqs.is_sorted(), "one writer's entries keep its order");
        all.extend(seqs);
    }
    store.flush().await.unwrap();
    all.sort_unstable();
    assert_eq!(all, (1..=(WRITERS * EACH) as u64).collect::<Vec<_>>());
    let found = store.timeline(&record.id, None, 100_000).await.unwrap().entries;
    assert_eq!(found.iter().map(|entry| entry.seq).collect::<Vec<_>>(), all);
    assert_eq!(store.audit(None, None, 100_000).await.unwrap().len(), WRITERS * EACH);
}

#[tokio::test]
async fn what_is_queued_is_written_when_the_last_handle_goes() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let record = channel("queue");
    store.insert_channel(record.clone()).await.unwrap();
    for _ in 0..900 {
        store.enqueue_entry(message(&record.id, "x")).await.unwrap();
    }
    drop(store);
    let store = open(&folder);
    assert_eq!(store.timeline(&record.id, None, 1000).await.unwrap().entries.len(), 900);

    for _ in 0..900 {
        store.enqueue_entry(message(&record.id, "y")).await.unwrap();
    }
    let other = store.clone();
    store.close().await.unwrap();
    assert!(matches!(other.channels().await, Err(StoreError::Closed)));
    assert!(matches!(other.enqueue_entry(message(&record.id, "z")).await, Err(StoreError::Closed)));
    assert!(matches!(other.flush().await, Err(StoreError::Closed)));
    assert!(!folder.path().join("berth.db-wal").exists(), "closing leaves one file");
    let timeline = open(&folder).timeline(&record.id, None, 10_000).await.unwrap();
    assert_eq!(timeline.entries.len(), 1800);
}

#[tokio::test]
async fn a_queued_write_that_fails_is_told_once() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let record = channel("fail");
    store.insert_channel(record.clone()).await.unwrap();
    let entry = store.append_entry(message(&record.id, "x")).await.unwrap();
    store.enqueue_entry(entry).await.unwrap();
    assert!(matches!(store.flush().await, Err(StoreError::Sqlite(_))));
    store.flush().await.unwrap();
}

fn card(channel: &ChannelId, status: ActionStatus) -> Entry {
    let card = ActionCard {
        action: ActionId::fresh(),
        verb: Verb::Run,
        subject: "make".to_owned(),
        summary: None,
        status,
        duration_ms: None,
        output: None,
        job: None,
    };
    Entry { body: EntryBody::Action { card }, ..message(channel, "") }
}

fn job(command: &str) -> JobRecord {
    let job = Job {
        id: JobId::fresh(),
        command: command.to_owned(),
        cwd: "/home/dev".to_owned(),
        service: true,
        status: JobStatus::Running,
        started_at: 1_700_000_000_000,
        ended_at: None,
        action: Some(ActionId::fresh()),
    };
    JobRecord { job, env: BTreeMap::new() }
}

fn audit(channel: &ChannelId) -> AuditRow {
    AuditRow {
        row: 0,
        action: ActionId::fresh(),
        channel: channel.clone(),
        channel_name: "x".to_owned(),
        author: Author::Person,
        verb: Verb::Run,
        subject: "make".to_owned(),
        script: "make\n".to_owned(),
        at: 1_700_000_000_000,
        duration_ms: 12,
        exit_code: Some(2),
        error: None,
        bytes_in: 5,
        bytes_out: 0,
    }
}

#[expect(dead_code, reason = "it only has to compile")]
fn a_handle_can_go_anywhere(store: Store) -> impl Clone + Send + Sync + 'static {
    store
}
