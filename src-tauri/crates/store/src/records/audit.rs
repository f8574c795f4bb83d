//! The audit log. The database itself refuses to change or delete a row of it.

use berth_model::{ActionId, AuditRow, ChannelId};
use rusqlite::{Connection, Row, params};

use crate::json::{Json, signed, unsigned};
use crate::{Store, StoreError};

impl Store {
    /// Appends a row and returns it with its number, whatever was in there.
    pub async fn append_audit(&self, row: AuditRow) -> Result<AuditRow, StoreError> {
        self.run(move |connection| {
            append(connection, &row)?;
            Ok(AuditRow { row: connection.last_insert_rowid(), ..row })
        })
        .await
    }

    /// [`append_audit`](Self::append_audit) without waiting for the write.
    pub async fn enqueue_audit(&self, row: AuditRow) -> Result<(), StoreError> {
        self.enqueue(move |connection| append(connection, &row)).await
    }

    /// Remembers an action that goes on, as its row would be if nothing more were heard of it, until its row is appended.
    pub async fn enqueue_unfinished(&self, row: AuditRow) -> Result<(), StoreError> {
        self.enqueue(move |connection| {
            connection
                .prepare_cached(r#"INSERT OR REPLACE INTO unfinished (action, "row") VALUES (?1, ?2)"#)?
                .execute(params![row.action.as_str(), Json(&row)])?;
            Ok(())
        })
        .await
    }

    /// Appends the rows of actions whose end an earlier life did not see, and returns them.
    pub async fn settle_unfinished(&self) -> Result<Vec<AuditRow>, StoreError> {
        self.run(|connection| {
            let rows = connection
                .prepare(r#"SELECT "row" FROM unfinished ORDER BY rowid"#)?
                .query_map([], |row| Ok(row.get::<_, Json<AuditRow>>(0)?.0))?
                .collect::<Result<Vec<_>, _>>()?;
            for row in &rows {
                append(connection, row)?;
            }
            Ok(rows)
        })
        .await
    }

    /// The newest `limit` rows before the number given, newest first, of one channel or of all (destroyed ones too).
    pub async fn audit(
        &self,
        channel: Option<&ChannelId>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let channel = channel.cloned();
        self.run(move |connection| {
            let before = before.unwrap_or(i64::MAX);
            let rows = match &channel {
                Some(channel) => connection
                    .prepare_cached(
                        r#"SELECT * FROM audit WHERE channel = ?1 AND "row" < ?2 ORDER BY "row" DESC LIMIT ?3"#,
                    )?
                    .query_map(params![channel.as_str(), before, limit], from_row)?
                    .collect::<Result<_, _>>()?,
                None => connection
                    .prepare_cached(r#"SELECT * FROM audit WHERE "row" < ?1 ORDER BY "row" DESC LIMIT ?2"#)?
                    .query_map(params![before, limit], from_row)?
                    .collect::<Result<_, _>>()?,
            };
            Ok(rows)
        })
        .await
    }
}

fn append(connection: &Connection, row: &AuditRow) -> Result<(), StoreError> {
    // Both or neither: an action is never in the log twice.
    let both = connection.unchecked_transaction()?;
    connection.prepare_cached("DELETE FROM unfinished WHERE action = ?1")?.execute([row.action.as_str()])?;
    connection
        .prepare_cached(
            "INSERT INTO audit (action, channel, channel_name, author, verb, subject, script, at, duration_ms,
             exit_code, error, bytes_in, bytes_out) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            row.action.as_str(),
            row.channel.as_str(),
            row.channel_name,
            Json(&row.author),
            Json(row.verb),
            row.subject,
            row.script,
            row.at,
            signed(row.duration_ms),
            row.exit_code,
            row.error,
            signed(row.bytes_in),
            signed(row.bytes_out),
        ])?;
    Ok(both.commit()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        row: row.get("row")?,
        action: ActionId(row.get("action")?),
        channel: ChannelId(row.get("channel")?),
        channel_name: row.get("channel_name")?,
        author: row.get::<_, Json<_>>("author")?.0,
        verb: row.get::<_, Json<_>>("verb")?.0,
        subject: row.get("subject")?,
        script: row.get("script")?,
        at: row.get("at")?,
        duration_ms: unsigned(row.get("duration_ms")?),
        exit_code: row.get("exit_code")?,
        error: row.get("error")?,
        bytes_in: unsigned(row.get("bytes_in")?),
        bytes_out: unsigned(row.get("bytes_out")?),
    })
}
