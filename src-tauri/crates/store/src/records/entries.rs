//! Timelines.

use berth_model::{ChannelId, Entry, EntryId, Timeline};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::oneshot;

use crate::json::{Json, signed, unsigned};
use crate::{Store, StoreError};

const RUNNING: &str = "SELECT * FROM entries WHERE json_extract(body, '$.card.status.state') = 'running' ORDER BY seq";

impl Store {
    /// Appends an entry and returns it with its `seq`: one more than the newest of all channels, whatever was in there.
    pub async fn append_entry(&self, entry: Entry) -> Result<Entry, StoreError> {
        let (reply, written) = oneshot::channel();
        let entry = self
            .enqueue_numbered(|seq| {
                let entry = Entry { seq, ..entry };
                let copy = entry.clone();
                (
                    entry,
                    Box::new(move |connection: &mut Connection| {
                        let _ = reply.send(append(connection, &copy));
                        Ok(())
                    }),
                )
            })
            .await?;
        written.await.map_err(|_| StoreError::Closed)??;
        Ok(entry)
    }

    /// [`append_entry`](Self::append_entry) without waiting for the write.
    pub async fn enqueue_entry(&self, entry: Entry) -> Result<Entry, StoreError> {
        self.enqueue_numbered(|seq| {
            let entry = Entry { seq, ..entry };
            let copy = entry.clone();
            (entry, Box::new(move |connection: &mut Connection| append(connection, &copy)))
        })
        .await
    }

    /// Writes author, time and body of an entry anew, found by its id; channel and `seq` stay as they are.
    pub async fn replace_entry(&self, entry: Entry) -> Result<(), StoreError> {
        self.run(move |connection| replace(connection, &entry)).await
    }

    /// [`replace_entry`](Self::replace_entry) without waiting for the write.
    pub async fn enqueue_replace_entry(&self, entry: Entry) -> Result<(), StoreError> {
        self.enqueue(move |connection| replace(connection, &entry)).await
    }

    /// A page of a channel's timeline: the newest `limit` entries before the `seq` given, oldest first.
    pub async fn timeline(&self, channel: &ChannelId, before: Option<u64>, limit: u32) -> Result<Timeline, StoreError> {
        let channel = channel.clone();
        self.run(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT * FROM entries WHERE channel = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3")?;
            let before = before.map_or(i64::MAX, signed);
            // One more than asked for tells whether there are older ones.
            let rows = query.query_map(params![channel.as_str(), before, i64::from(limit) + 1], from_row)?;
            let mut entries = rows.collect::<Result<Vec<_>, _>>()?;
            let more = entries.len() > limit as usize;
            entries.truncate(limit as usize);
            entries.reverse();
            Ok(Timeline { entries, more })
        })
        .await
    }

    /// One entry.
    pub async fn entry(&self, id: &EntryId) -> Result<Entry, StoreError> {
        let id = id.clone();
        self.run(move |connection| {
            let mut query = connection.prepare_cached("SELECT * FROM entries WHERE id = ?1")?;
            query.query_row([id.as_str()], from_row).optional()?.ok_or(StoreError::NoSuchEntry(id))
        })
        .await
    }

    /// The action cards that say they run, of all channels, oldest first: after a start, what the engine before did not
    /// live to see the end of.
    pub async fn running_entries(&self) -> Result<Vec<Entry>, StoreError> {
        self.run(|connection| {
            let mut query = connection.prepare_cached(RUNNING)?;
            let rows = query.query_map([], from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// The largest `seq` ever given.
pub(crate) fn last_seq(connection: &Connection) -> Result<u64, StoreError> {
    let last = connection
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'entries'", [], |row| row.get(0))
        .optional()?;
    Ok(unsigned(last.unwrap_or(0)))
}

fn append(connection: &Connection, entry: &Entry) -> Result<(), StoreError> {
    // Selecting from `channels` makes a channel that is gone an insert of no row instead of one of SQLite's errors.
    let inserted = connection
        .prepare_cached(
            "INSERT INTO entries (seq, id, channel, at, author, body)
             SELECT ?1, ?2, channels.id, ?4, ?5, ?6 FROM channels WHERE channels.id = ?3",
        )?
        .execute(params![
            signed(entry.seq),
            entry.id.as_str(),
            entry.channel.as_str(),
            entry.at,
            Json(&entry.author),
            Json(&entry.body),
        ])?;
    if inserted == 0 { Err(StoreError::NoSuchChannel(entry.channel.clone())) } else { Ok(()) }
}

fn replace(connection: &Connection, entry: &Entry) -> Result<(), StoreError> {
    let updated = connection
        .prepare_cached("UPDATE entries SET at = ?2, author = ?3, body = ?4 WHERE id = ?1")?
        .execute(params![entry.id.as_str(), entry.at, Json(&entry.author), Json(&entry.body)])?;
    if updated == 0 { Err(StoreError::NoSuchEntry(entry.id.clone())) } else { Ok(()) }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: EntryId(row.get("id")?),
        channel: ChannelId(row.get("channel")?),
        at: row.get("at")?,
        seq: unsigned(row.get("seq")?),
        author: row.get::<_, Json<_>>("author")?.0,
        body: row.get::<_, Json<_>>("body")?.0,
    })
}
