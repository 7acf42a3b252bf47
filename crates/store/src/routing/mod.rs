//! What TaskRouter keeps: one file a resource. Rows that are deleted are gone, with what was in them; of their places in
//! the lists those of the last [`PLACES_MAX`] deletions stay.

mod activity;
mod event;
mod order;
mod reservation;
mod statistics;
mod task;
mod task_channel;
mod task_queue;
#[cfg(test)]
mod tests;
mod transfer;
mod worker;
mod worker_channel;
mod workflow;
mod workspace;

pub use activity::ActivityFilter;
pub use event::{TASK_ROUTER_EVENTS_KEPT_FOR, TASK_ROUTER_EVENTS_MAX, TaskRouterEventFilter};
pub use order::{ListFrom, ListOrder, ListPage, ListPlace, OrderBy, OrderColumn};
pub use reservation::ReservationFilter;
pub use task::{TaskFilter, TaskNames};
pub use task_queue::TaskQueueNames;
pub use worker::{WorkerActivity, WorkerFilter};
pub use workspace::WorkspaceNames;

pub(crate) use event::{prune as prune_events, save as save_event};

pub(crate) use statistics::save as save_statistics;

use model::{AccountSid, RoutingKey, RoutingRow, WorkspaceSid};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::column::number;
use crate::select::Select;
use crate::{Store, StoreError};

impl Store {
    /// Everything there is, for the switch to start with: what others are in before what is in them.
    pub async fn routing(&self) -> Result<Vec<RoutingRow>, StoreError> {
        let mut rows = Vec::new();
        self.add_routing(EVERY_WORKSPACE, workspace::decode, RoutingRow::Workspace, &mut rows).await?;
        self.add_routing(EVERY_ACTIVITY, activity::decode, RoutingRow::Activity, &mut rows).await?;
        self.add_routing(EVERY_TASK_CHANNEL, task_channel::decode, RoutingRow::TaskChannel, &mut rows).await?;
        self.add_routing(EVERY_WORKER, worker::decode, RoutingRow::Worker, &mut rows).await?;
        self.add_routing(EVERY_WORKER_CHANNEL, worker_channel::decode, RoutingRow::WorkerChannel, &mut rows).await?;
        self.add_routing(EVERY_TASK_QUEUE, task_queue::decode, RoutingRow::TaskQueue, &mut rows).await?;
        self.add_routing(EVERY_WORKFLOW, workflow::decode, RoutingRow::Workflow, &mut rows).await?;
        self.add_routing(EVERY_TASK, task::decode, RoutingRow::Task, &mut rows).await?;
        self.add_routing(EVERY_RESERVATION, reservation::decode, RoutingRow::Reservation, &mut rows).await?;
        self.add_routing(EVERY_TRANSFER, transfer::decode, RoutingRow::Transfer, &mut rows).await?;
        Ok(rows)
    }

    async fn add_routing<T>(
        &self,
        sql: &'static str,
        decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
        row: impl Fn(T) -> RoutingRow,
        rows: &mut Vec<RoutingRow>,
    ) -> Result<(), StoreError> {
        rows.extend(Select::new(sql).all(&self.readers, decode).await?.into_iter().map(row));
        Ok(())
    }

    /// The place that `select` finds, or the one where the row of that SID stood before it was deleted.
    async fn routing_place(&self, select: Select, sid: String) -> Result<Option<i64>, StoreError> {
        let seq = |row: &SqliteRow| number(row, "seq");
        if let Some(place) = select.first(&self.readers, seq).await? {
            return Ok(Some(place));
        }
        Select::new("SELECT seq FROM routing_places WHERE").push(" sid = ", sid).first(&self.readers, seq).await
    }
}

/// Rows in one workspace of one account; `head` ends in WHERE.
fn within(head: &'static str, account: AccountSid, workspace: WorkspaceSid) -> Select {
    Select::new(head).push(" workspace_sid = ", workspace.to_string()).push(" AND account_sid = ", account.to_string())
}

/// Writes the row as it is now.
pub(crate) async fn save(row: &RoutingRow, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let upsert = match row {
        RoutingRow::Workspace(row) => workspace::upsert(row),
        RoutingRow::Activity(row) => activity::upsert(row),
        RoutingRow::TaskChannel(row) => task_channel::upsert(row),
        RoutingRow::Worker(row) => worker::upsert(row),
        RoutingRow::WorkerChannel(row) => worker_channel::upsert(row),
        RoutingRow::TaskQueue(row) => task_queue::upsert(row),
        RoutingRow::Workflow(row) => workflow::upsert(row),
        RoutingRow::Task(row) => task::upsert(row),
        RoutingRow::Reservation(row) => reservation::upsert(row),
        RoutingRow::Transfer(row) => transfer::upsert(row),
    };
    upsert?.execute(connection).await
}

/// Deletes the row, and what is in it.
pub(crate) async fn delete(key: &RoutingKey, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM routing_places WHERE deletion <= (SELECT MAX(deletion) FROM routing_places) - $1";
    let (sid, statements): (String, &[&'static str]) = match key {
        RoutingKey::Workspace(sid) => (sid.to_string(), &workspace::DELETE),
        RoutingKey::Activity(sid) => (sid.to_string(), &activity::DELETE),
        RoutingKey::TaskChannel(sid) => (sid.to_string(), &task_channel::DELETE),
        RoutingKey::Worker(sid) => (sid.to_string(), &worker::DELETE),
        RoutingKey::WorkerChannel(sid) => (sid.to_string(), &worker_channel::DELETE),
        RoutingKey::TaskQueue(sid) => (sid.to_string(), &task_queue::DELETE),
        RoutingKey::Workflow(sid) => (sid.to_string(), &workflow::DELETE),
        RoutingKey::Task(sid) => (sid.to_string(), &task::DELETE),
        RoutingKey::Reservation(sid) => (sid.to_string(), &reservation::DELETE),
        RoutingKey::Transfer(sid) => (sid.to_string(), &transfer::DELETE),
    };
    for statement in statements {
        sqlx::query(*statement).bind(&sid).execute(&mut *connection).await?;
    }
    sqlx::query(FORGET).bind(PLACES_MAX).execute(connection).await?;
    Ok(())
}

const EVERY_WORKSPACE: &str = "SELECT * FROM workspaces";
const EVERY_ACTIVITY: &str = "SELECT * FROM activities";
const EVERY_TASK_CHANNEL: &str = "SELECT * FROM task_channels";
const EVERY_WORKER: &str = "SELECT * FROM workers";
const EVERY_WORKER_CHANNEL: &str = "SELECT * FROM worker_channels";
const EVERY_TASK_QUEUE: &str = "SELECT * FROM task_queues";
const EVERY_WORKFLOW: &str = "SELECT * FROM workflows";
const EVERY_TASK: &str = "SELECT * FROM tasks";
const EVERY_RESERVATION: &str = "SELECT * FROM reservations";
const EVERY_TRANSFER: &str = "SELECT * FROM transfers";

/// Deletions after which a place in a list is forgotten: more than there are while somebody reads one.
const PLACES_MAX: i64 = 10_000;
