//! Jobs.

use std::collections::BTreeMap;

use berth_model::{ChannelId, Job, JobId};
use rusqlite::{Connection, params};

use crate::json::Json;
use crate::{Store, StoreError};

/// What is remembered of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// The job as last seen.
    pub job: Job,
    /// The environment it was given besides the login's, for starting it again.
    pub env: BTreeMap<String, String>,
}

impl Store {
    /// A channel's jobs, newest first.
    pub async fn jobs(&self, channel: &ChannelId) -> Result<Vec<JobRecord>, StoreError> {
        let channel = channel.clone();
        self.run(move |connection| {
            let mut query = connection
                .prepare_cached("SELECT job, env FROM jobs WHERE channel = ?1 ORDER BY started_at DESC, rowid DESC")?;
            let rows = query.query_map([channel.as_str()], |row| {
                Ok(JobRecord { job: row.get::<_, Json<_>>(0)?.0, env: row.get::<_, Json<_>>(1)?.0 })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Writes a job down, new or known.
    pub async fn upsert_job(&self, channel: &ChannelId, record: JobRecord) -> Result<(), StoreError> {
        let channel = channel.clone();
        self.run(move |connection| upsert(connection, &channel, &record)).await
    }

    /// [`upsert_job`](Self::upsert_job) without waiting for the write.
    pub async fn enqueue_job(&self, channel: &ChannelId, record: JobRecord) -> Result<(), StoreError> {
        let channel = channel.clone();
        self.enqueue(move |connection| upsert(connection, &channel, &record)).await
    }

    /// Forgets a job.
    pub async fn delete_job(&self, id: &JobId) -> Result<(), StoreError> {
        let id = id.clone();
        self.run(move |connection| {
            let deleted = connection.prepare_cached("DELETE FROM jobs WHERE id = ?1")?.execute([id.as_str()])?;
            if deleted == 0 { Err(StoreError::NoSuchJob(id)) } else { Ok(()) }
        })
        .await
    }
}

fn upsert(connection: &Connection, channel: &ChannelId, record: &JobRecord) -> Result<(), StoreError> {
    let written = connection
        .prepare_cached(
            "INSERT INTO jobs (id, channel, started_at, job, env)
             SELECT ?1, channels.id, ?3, ?4, ?5 FROM channels WHERE channels.id = ?2
             ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at, job = excluded.job, env = excluded.env",
        )?
        .execute(params![
            record.job.id.as_str(),
            channel.as_str(),
            record.job.started_at,
            Json(&record.job),
            Json(&record.env),
        ])?;
    if written == 0 { Err(StoreError::NoSuchChannel(channel.clone())) } else { Ok(()) }
}
