//! The database's format and its steps.
//!
//! A step that was released is never changed: a change is a new step at the end.

use rusqlite::Connection;
use rusqlite_migration::M;

/// All steps, oldest first. How many are applied is the database's `user_version`.
pub(crate) const STEPS: &[M<'static>] = &[
    M::up(include_str!("schema/001_records.sql")),
    M::up(include_str!("schema/002_unfinished.sql")),
    M::up(include_str!("schema/003_machines.sql")),
];

/// The format that these steps lead to.
pub(crate) fn format(steps: &[M<'static>]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// The format a database has; 0 is an empty one.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
