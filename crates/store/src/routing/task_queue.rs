//! Task queues.

use model::{AccountSid, TaskQueue, TaskQueueSid, WorkspaceSid};
use sqlx::sqlite::SqliteRow;

use super::{ListPage, within};
use crate::column::{narrow, number, text, text_if, time, word, word_if};
use crate::directory::upsert::Upsert;
use crate::{Rows, Store, StoreError};

/// The names of the activities that a queue brings its workers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskQueueNames {
    /// While they are offered a task.
    pub reservation_activity: Option<String>,
    /// While they have it.
    pub assignment_activity: Option<String>,
}

impl Store {
    /// The one of that SID, if it is in this workspace.
    pub async fn task_queue(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: TaskQueueSid,
    ) -> Result<Option<(TaskQueue, TaskQueueNames)>, StoreError> {
        within(SELECT, account, workspace).push(" AND sid = ", sid.to_string()).first(&self.readers, decode_named).await
    }

    /// This workspace's, of all names or of one, byte for byte.
    pub async fn task_queues(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        friendly_name: Option<String>,
        page: &ListPage,
    ) -> Result<Rows<(TaskQueue, TaskQueueNames)>, StoreError> {
        within(SELECT, account, workspace)
            .push_if(" AND friendly_name = ", friendly_name)
            .list(page, &self.readers, decode_named)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn task_queue_seq(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: TaskQueueSid,
    ) -> Result<Option<i64>, StoreError> {
        let select =
            within("SELECT seq FROM task_queues WHERE", account, workspace).push(" AND sid = ", sid.to_string());
        self.routing_place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &TaskQueue) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("task_queues", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("workspace_sid", row.workspace_sid)
        .text("friendly_name", &row.friendly_name)?
        .text("target_workers", &row.target_workers)?
        .number("max_reserved_workers", row.max_reserved_workers)
        .word("task_order", row.task_order)
        .word_if("reservation_activity_sid", row.reservation_activity_sid)
        .word_if("assignment_activity_sid", row.assignment_activity_sid)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<TaskQueue, StoreError> {
    Ok(TaskQueue {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        workspace_sid: word(row, "workspace_sid")?,
        friendly_name: text(row, "friendly_name")?,
        target_workers: text(row, "target_workers")?,
        max_reserved_workers: narrow(row, "max_reserved_workers")?,
        task_order: word(row, "task_order")?,
        reservation_activity_sid: word_if(row, "reservation_activity_sid")?,
        assignment_activity_sid: word_if(row, "assignment_activity_sid")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

fn decode_named(row: &SqliteRow) -> Result<(TaskQueue, TaskQueueNames), StoreError> {
    let names = TaskQueueNames {
        reservation_activity: text_if(row, "reservation_activity_name")?,
        assignment_activity: text_if(row, "assignment_activity_name")?,
    };
    Ok((decode(row)?, names))
}

const SELECT: &str = "SELECT task_queues.*, \
    (SELECT a.friendly_name FROM activities a WHERE a.sid = reservation_activity_sid) AS reservation_activity_name, \
    (SELECT a.friendly_name FROM activities a WHERE a.sid = assignment_activity_sid) AS assignment_activity_name \
    FROM task_queues WHERE";

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO routing_places (sid, seq, deletion) \
        SELECT sid, seq, (SELECT COALESCE(MAX(deletion), 0) FROM routing_places) + 1 FROM task_queues WHERE sid = $1 \
        ON CONFLICT (sid) DO NOTHING",
    "DELETE FROM task_queues WHERE sid = $1",
];
