//! What happened in workspaces, newest first, and no more than [`TASK_ROUTER_EVENTS_MAX`] an account and
//! [`TASK_ROUTER_EVENTS_KEPT_FOR`].

use std::borrow::Cow;
use std::time::Duration;

use model::{
    AccountSid, EventSid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskRouterEvent, TaskRouterEventType, TaskSid,
    WorkerSid, WorkflowSid, WorkspaceSid,
};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::{ListPage, within};
use crate::column::{number, storable, text, time, word, word_if};
use crate::{Rows, Span, Store, StoreError};

/// Which events to list; what is `None` or open does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskRouterEventFilter {
    /// Itself.
    pub sid: Option<EventSid>,
    /// What.
    pub event_type: Option<TaskRouterEventType>,
    /// When.
    pub at: Span,
    /// The task concerned.
    pub task_sid: Option<TaskSid>,
    /// The worker concerned.
    pub worker_sid: Option<WorkerSid>,
    /// The queue concerned.
    pub task_queue_sid: Option<TaskQueueSid>,
    /// The workflow concerned.
    pub workflow_sid: Option<WorkflowSid>,
    /// The reservation concerned.
    pub reservation_sid: Option<ReservationSid>,
    /// The task channel concerned.
    pub task_channel_sid: Option<TaskChannelSid>,
}

impl Store {
    /// The one of that SID, if it happened in this workspace.
    pub async fn task_router_event(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: EventSid,
    ) -> Result<Option<TaskRouterEvent>, StoreError> {
        within(SELECT, account, workspace).push(" AND sid = ", sid.to_string()).first(&self.readers, decode).await
    }

    /// What happened in this workspace.
    pub async fn task_router_events(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        filter: &TaskRouterEventFilter,
        page: &ListPage,
    ) -> Result<Rows<TaskRouterEvent>, StoreError> {
        within(SELECT, account, workspace)
            .push_if(" AND sid = ", filter.sid.map(|sid| sid.to_string()))
            .push_if(" AND type = ", filter.event_type.map(|of| of.to_string()))
            .push_if(" AND task_sid = ", filter.task_sid.map(|sid| sid.to_string()))
            .push_if(" AND worker_sid = ", filter.worker_sid.map(|sid| sid.to_string()))
            .push_if(" AND task_queue_sid = ", filter.task_queue_sid.map(|sid| sid.to_string()))
            .push_if(" AND workflow_sid = ", filter.workflow_sid.map(|sid| sid.to_string()))
            .push_if(" AND reservation_sid = ", filter.reservation_sid.map(|sid| sid.to_string()))
            .push_if(" AND task_channel_sid = ", filter.task_channel_sid.map(|sid| sid.to_string()))
            .within(" AND created >= ", " AND created < ", filter.at)
            .list(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands in the list.
    pub async fn task_router_event_seq(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: EventSid,
    ) -> Result<Option<i64>, StoreError> {
        within("SELECT seq FROM task_router_events WHERE", account, workspace)
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, |row| number(row, "seq"))
            .await
    }
}

/// Adds it. One that is there already stays as it is.
pub(crate) async fn save(event: &TaskRouterEvent, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const SAVE: &str = "INSERT INTO task_router_events (sid, account_sid, workspace_sid, type, description, \
        resource_sid, actor_sid, task_sid, worker_sid, task_queue_sid, workflow_sid, reservation_sid, \
        task_channel_sid, data, created, seq) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (sid) DO NOTHING";
    for (_, value) in &event.data {
        storable(value, "task_router_events.data")?;
    }
    let data = serde_json::to_string(&event.data).expect("pairs of texts cannot fail to serialize");
    sqlx::query(SAVE)
        .bind(event.sid.to_string())
        .bind(event.account_sid.to_string())
        .bind(event.workspace_sid.to_string())
        .bind(event.event_type.as_str())
        .bind(storable(&event.description, "task_router_events.description")?)
        .bind(event.resource.to_string())
        .bind(event.actor.to_string())
        .bind(event.task_sid.map(|sid| sid.to_string()))
        .bind(event.worker_sid.map(|sid| sid.to_string()))
        .bind(event.task_queue_sid.map(|sid| sid.to_string()))
        .bind(event.workflow_sid.map(|sid| sid.to_string()))
        .bind(event.reservation_sid.map(|sid| sid.to_string()))
        .bind(event.task_channel_sid.map(|sid| sid.to_string()))
        .bind(data)
        .bind(event.at.micros())
        .bind(event.seq)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes the oldest that are too old or too many, [`PRUNED_MAX`] of each at most, so that no writer waits for it.
pub(crate) async fn prune(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    prune_to(connection, TASK_ROUTER_EVENTS_MAX).await
}

pub(super) async fn prune_to(connection: &mut SqliteConnection, most: i64) -> Result<(), sqlx::Error> {
    // By the clock of the events themselves: nothing is too old as long as nothing new happens.
    const TOO_OLD: &str = "DELETE FROM task_router_events WHERE \
        created < (SELECT created FROM task_router_events ORDER BY seq DESC LIMIT 1) - $1 \
        AND seq IN (SELECT seq FROM task_router_events ORDER BY seq LIMIT $2)";
    const TOO_MANY: &str = "SELECT account_sid, kept FROM task_router_events_kept WHERE kept > $1";
    const THOSE: &str = "DELETE FROM task_router_events WHERE \
        seq IN (SELECT seq FROM task_router_events WHERE account_sid || '' = $1 ORDER BY seq LIMIT $2)";
    let kept_for = i64::try_from(TASK_ROUTER_EVENTS_KEPT_FOR.as_micros()).unwrap_or(i64::MAX);
    sqlx::query(TOO_OLD).bind(kept_for).bind(PRUNED_MAX).execute(&mut *connection).await?;
    let accounts = sqlx::query_as::<_, (String, i64)>(TOO_MANY).bind(most).fetch_all(&mut *connection).await?;
    let mut left = PRUNED_MAX;
    for (account, kept) in accounts {
        let those = (kept - most).min(left);
        sqlx::query(THOSE).bind(account).bind(those).execute(&mut *connection).await?;
        left -= those;
    }
    Ok(())
}

fn decode(row: &SqliteRow) -> Result<TaskRouterEvent, StoreError> {
    let data = text(row, "data")?;
    let data: Vec<(Cow<'static, str>, String)> =
        serde_json::from_str(&data).map_err(|_| StoreError::Unreadable { column: "data", value: data })?;
    Ok(TaskRouterEvent {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        workspace_sid: word(row, "workspace_sid")?,
        event_type: word(row, "type")?,
        description: text(row, "description")?,
        at: time(row, "created")?,
        resource: word(row, "resource_sid")?,
        actor: word(row, "actor_sid")?,
        task_sid: word_if(row, "task_sid")?,
        worker_sid: word_if(row, "worker_sid")?,
        task_queue_sid: word_if(row, "task_queue_sid")?,
        workflow_sid: word_if(row, "workflow_sid")?,
        reservation_sid: word_if(row, "reservation_sid")?,
        task_channel_sid: word_if(row, "task_channel_sid")?,
        data,
        concerned: None,
        seq: number(row, "seq")?,
    })
}

const SELECT: &str = "SELECT * FROM task_router_events WHERE";

/// Events of the workspaces of one account kept at most: the newest.
pub const TASK_ROUTER_EVENTS_MAX: i64 = 2_000_000;

/// How long one is kept (taskrouter §9).
pub const TASK_ROUTER_EVENTS_KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Rows removed at once; more than are added between two looks.
const PRUNED_MAX: i64 = 2_000;
