//! What a screen is told: `{"event_type":…,"payload":…}` for what happens to its worker (taskrouter §14.4).
//!
//! A frame shows what it is about as it was when it happened, with the names that others have now.

use model::{TaskRouterEvent, TaskRouterEventType as E, Timestamp, WorkerSid};
use serde_json::{Value, json};
use store::{Store, StoreError};

use super::object;

/// Whose screens are told of it: those of the worker it happens to, or of all who have the task.
pub(crate) fn listeners(event: &TaskRouterEvent) -> Vec<WorkerSid> {
    match event.event_type {
        E::TaskUpdated | E::TaskCanceled | E::TaskWrapup | E::TaskCompleted => {
            event.concerned.as_ref().map(|concerned| concerned.workers.clone()).unwrap_or_default()
        }
        kind if is_of_worker(kind) => event.worker_sid.into_iter().collect(),
        _ => Vec::new(),
    }
}

fn is_of_worker(kind: E) -> bool {
    let family = kind.as_str();
    family.starts_with("reservation.")
        || family.starts_with("task.transfer-")
        || matches!(
            kind,
            E::WorkerActivityUpdate
                | E::WorkerAttributesUpdate
                | E::WorkerCapacityUpdate
                | E::WorkerChannelAvailabilityUpdate
                // No screen is shown this one: it closes.
                | E::WorkerDeleted
        )
}

/// The frame of an event; `None`: there is nothing to show of it.
pub(super) async fn of(store: &Store, event: &TaskRouterEvent, now: Timestamp) -> Result<Option<String>, StoreError> {
    let Some(payload) = payload(store, event, now).await? else { return Ok(None) };
    Ok(Some(json!({ "event_type": event.event_type.as_str(), "payload": payload }).to_string()))
}

async fn payload(store: &Store, event: &TaskRouterEvent, now: Timestamp) -> Result<Option<Value>, StoreError> {
    let Some(concerned) = event.concerned.as_deref() else { return Ok(None) };
    let named = |name: &str| event.data.iter().find(|(of, _)| of == name).map_or("", |(_, value)| value.as_str());
    let task = || async {
        let Some(row) = &concerned.task else { return Ok(None) };
        let found = store.task(row.account_sid, row.workspace_sid, row.sid).await?;
        let names = found.map(|(_, names)| names).unwrap_or_default();
        Ok::<_, StoreError>(Some(object::task(row, &names, now)))
    };
    Ok(match event.event_type {
        E::WorkerActivityUpdate | E::WorkerAttributesUpdate => {
            let shown = |row| object::worker(row, named("worker_activity_name"), concerned.worker_available);
            concerned.worker.as_ref().map(shown)
        }
        E::WorkerCapacityUpdate | E::WorkerChannelAvailabilityUpdate => {
            concerned.worker_channel.as_ref().map(|row| object::channel(row, named("task_channel_unique_name")))
        }
        kind if kind.as_str().starts_with("task.transfer-") => concerned.transfer.as_ref().map(object::transfer),
        kind if kind.as_str().starts_with("reservation.") => {
            let (Some(row), Some(task)) = (&concerned.reservation, task().await?) else { return Ok(None) };
            let of = (row.account_sid, row.workspace_sid);
            let came_of = match row.transfer_sid {
                Some(sid) => store.transfer(of.0, of.1, sid).await?,
                None => None,
            };
            let begun = store.transfer_of(of.0, of.1, row.task_sid, row.sid).await?;
            Some(object::reservation(row, task, came_of.as_ref(), begun.as_ref()))
        }
        _ => task().await?,
    })
}
