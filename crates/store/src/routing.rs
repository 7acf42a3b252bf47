//! What TaskRouter keeps.

use model::{RoutingKey, RoutingRow, TaskRouterEvent};
use sqlx::SqliteConnection;

use crate::StoreError;

/// Writes the row as it is now.
pub(crate) async fn save(row: &RoutingRow, _connection: &mut SqliteConnection) -> Result<(), StoreError> {
    Err(StoreError::Unreadable { column: "routing", value: format!("{row:?}") })
}

/// Deletes the row, and what is in it.
pub(crate) async fn delete(key: &RoutingKey, _connection: &mut SqliteConnection) -> Result<(), StoreError> {
    Err(StoreError::Unreadable { column: "routing", value: format!("{key:?}") })
}

/// Adds to the log.
pub(crate) async fn save_event(event: &TaskRouterEvent, _connection: &mut SqliteConnection) -> Result<(), StoreError> {
    Err(StoreError::Unreadable { column: "routing", value: event.sid.to_string() })
}
