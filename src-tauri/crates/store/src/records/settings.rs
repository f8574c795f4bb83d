//! Settings: a row for each field, so that one that was never set has its default and one that Berth no longer knows
//! does no harm.

use berth_model::Settings;
use rusqlite::params;
use serde_json::Value;

use crate::json::Json;
use crate::{Store, StoreError};

impl Store {
    /// The settings, with defaults for what was never set.
    pub async fn settings(&self) -> Result<Settings, StoreError> {
        self.run(|connection| {
            let mut query = connection.prepare_cached("SELECT key, value FROM settings")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, Json<Value>>(1)?.0)))?;
            let mut settings = Settings::default();
            for row in rows {
                let (key, value): (String, Value) = row?;
                match with_field(&settings, &key, value) {
                    Some(changed) => settings = changed,
                    None => tracing::warn!(key, "a setting has a value that is not known"),
                }
            }
            Ok(settings)
        })
        .await
    }

    /// Writes all settings.
    pub async fn set_settings(&self, settings: Settings) -> Result<(), StoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            if let Ok(Value::Object(fields)) = serde_json::to_value(&settings) {
                for (key, value) in fields {
                    transaction
                        .prepare_cached(
                            "INSERT INTO settings (key, value) VALUES (?1, ?2)
                             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                        )?
                        .execute(params![key, Json(value)])?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

/// The settings with one field changed; nothing where it does not fit.
fn with_field(settings: &Settings, key: &str, value: Value) -> Option<Settings> {
    let mut fields = serde_json::to_value(settings).ok()?;
    fields.as_object_mut()?.insert(key.to_owned(), value);
    serde_json::from_value(fields).ok()
}
