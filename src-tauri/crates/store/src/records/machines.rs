//! The person's own machines, as they are written down.

use berth_model::{Machine, MachineId};
use rusqlite::{ErrorCode, Row, params};

use crate::{Store, StoreError};

impl Store {
    /// All machines, by name.
    pub async fn machines(&self) -> Result<Vec<Machine>, StoreError> {
        self.run(|connection| {
            let mut query = connection.prepare_cached("SELECT * FROM machines ORDER BY name, id")?;
            let rows = query.query_map([], from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Writes a machine down, new or changed; [`StoreError::NameTaken`] where another has its name.
    pub async fn keep_machine(&self, machine: Machine) -> Result<(), StoreError> {
        self.run(move |connection| {
            let written = connection
                .prepare_cached(
                    "INSERT INTO machines (id, name, address, identity, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (id) DO UPDATE SET name = ?2, address = ?3, identity = ?4",
                )?
                .execute(params![
                    machine.id.as_str(),
                    machine.name,
                    machine.address,
                    machine.identity,
                    machine.created_at
                ]);
            match written {
                Ok(_) => Ok(()),
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
                        && error.to_string().contains("machines.name") =>
                {
                    Err(StoreError::NameTaken(machine.name))
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Forgets a machine; [`StoreError::MachineInUse`] while a channel is on it. One that is not there is fine.
    pub async fn delete_machine(&self, id: &MachineId) -> Result<(), StoreError> {
        let id = id.clone();
        self.run(move |connection| {
            match connection.prepare_cached("DELETE FROM machines WHERE id = ?1")?.execute([id.as_str()]) {
                Ok(_) => Ok(()),
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    Err(StoreError::MachineInUse(id))
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Machine> {
    Ok(Machine {
        id: MachineId(row.get("id")?),
        name: row.get("name")?,
        address: row.get("address")?,
        identity: row.get("identity")?,
        created_at: row.get("created_at")?,
    })
}
