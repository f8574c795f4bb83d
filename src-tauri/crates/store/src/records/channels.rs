//! Channels, as they are written down.

use berth_model::{ChannelId, Inventory, MachineId, NetworkMode, ProviderKind, SandboxState, Start, UnixMillis};
use rusqlite::{Connection, ErrorCode, Row, params};

use crate::json::Json;
use crate::{Store, StoreError};

/// What is remembered of a channel. The rest of [`berth_model::Channel`] is found out anew at every start.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelRecord {
    /// Its id, which never changes.
    pub id: ChannelId,
    /// Its name; no other channel has it.
    pub name: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Where its sandbox runs.
    pub provider: ProviderKind,
    /// The machine its sandbox is, where that is one of the person's own.
    pub machine: Option<MachineId>,
    /// What it started with.
    pub start: Start,
    /// The network asked for; nothing where the provider chooses.
    pub network: Option<NetworkMode>,
    /// Where its sandbox is, or was last meant to be, in its life.
    pub state: SandboxState,
    /// Since when.
    pub since: UnixMillis,
    /// The folder in which commands run.
    pub workdir: String,
    /// What was last found installed.
    pub inventory: Option<Inventory>,
    /// The ports that last answered: previews that are expected to come back.
    pub last_ports: Vec<u16>,
    /// Whether what it starts with was laid out to its end; until then each start does it.
    pub laid_out: bool,
}

impl Store {
    /// All channels, oldest first.
    pub async fn channels(&self) -> Result<Vec<ChannelRecord>, StoreError> {
        self.run(|connection| {
            let mut query = connection.prepare_cached("SELECT * FROM channels ORDER BY created_at, rowid")?;
            let rows = query.query_map([], from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Writes a new channel down; [`StoreError::NameTaken`] where another has its name.
    pub async fn insert_channel(&self, record: ChannelRecord) -> Result<(), StoreError> {
        self.run(move |connection| {
            write(
                connection,
                &record,
                "INSERT INTO channels
                 (id, name, created_at, provider, start, network, state, since, workdir, inventory, last_ports, laid_out,
                  machine)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?;
            Ok(())
        })
        .await
    }

    /// Writes all of a channel's record anew; [`StoreError::NoSuchChannel`] where it is gone.
    pub async fn update_channel(&self, record: ChannelRecord) -> Result<(), StoreError> {
        self.run(move |connection| update(connection, &record)).await
    }

    /// [`update_channel`](Self::update_channel) without waiting for the write. The name should not be changed this way:
    /// nobody would hear that it is taken.
    pub async fn enqueue_channel(&self, record: ChannelRecord) -> Result<(), StoreError> {
        self.enqueue(move |connection| update(connection, &record)).await
    }

    /// Forgets a channel with its timeline and its jobs. Its audit rows stay.
    pub async fn delete_channel(&self, id: &ChannelId) -> Result<(), StoreError> {
        let id = id.clone();
        self.run(move |connection| {
            let deleted = connection.prepare_cached("DELETE FROM channels WHERE id = ?1")?.execute([id.as_str()])?;
            if deleted == 0 { Err(StoreError::NoSuchChannel(id)) } else { Ok(()) }
        })
        .await
    }
}

fn update(connection: &Connection, record: &ChannelRecord) -> Result<(), StoreError> {
    let updated = write(
        connection,
        record,
        "UPDATE channels SET name = ?2, created_at = ?3, provider = ?4, start = ?5, network = ?6, state = ?7,
         since = ?8, workdir = ?9, inventory = ?10, last_ports = ?11, laid_out = ?12, machine = ?13 WHERE id = ?1",
    )?;
    if updated == 0 { Err(StoreError::NoSuchChannel(record.id.clone())) } else { Ok(()) }
}

fn write(connection: &Connection, record: &ChannelRecord, sql: &str) -> Result<usize, StoreError> {
    let written = connection.prepare_cached(sql)?.execute(params![
        record.id.as_str(),
        record.name,
        record.created_at,
        Json(record.provider),
        Json(&record.start),
        Json(record.network),
        Json(record.state),
        record.since,
        record.workdir,
        Json(&record.inventory),
        Json(&record.last_ports),
        record.laid_out,
        record.machine.as_ref().map(MachineId::as_str),
    ]);
    written.map_err(|error| {
        let taken = error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
            && error.to_string().contains("channels.name");
        if taken { StoreError::NameTaken(record.name.clone()) } else { error.into() }
    })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ChannelRecord> {
    Ok(ChannelRecord {
        id: ChannelId(row.get("id")?),
        name: row.get("name")?,
        created_at: row.get("created_at")?,
        provider: row.get::<_, Json<_>>("provider")?.0,
        start: row.get::<_, Json<_>>("start")?.0,
        network: row.get::<_, Json<_>>("network")?.0,
        state: row.get::<_, Json<_>>("state")?.0,
        since: row.get("since")?,
        workdir: row.get("workdir")?,
        inventory: row.get::<_, Json<_>>("inventory")?.0,
        last_ports: row.get::<_, Json<_>>("last_ports")?.0,
        laid_out: row.get("laid_out")?,
        machine: row.get::<_, Option<String>>("machine")?.map(MachineId),
    })
}
