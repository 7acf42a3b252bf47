//! Workers' channels.

use model::{AccountSid, TaskChannelSid, WorkerChannel, WorkerChannelSid, WorkerSid, WorkspaceSid};
use sqlx::sqlite::SqliteRow;

use super::{ListPage, within};
use crate::column::{flag, narrow, number, text, time, time_if, word};
use crate::directory::upsert::Upsert;
use crate::{Rows, Store, StoreError};

impl Store {
    /// The one of that SID, if it is this worker's; with the unique name of its task channel.
    pub async fn worker_channel(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        worker: WorkerSid,
        sid: WorkerChannelSid,
    ) -> Result<Option<(WorkerChannel, String)>, StoreError> {
        within(SELECT, account, workspace)
            .push(" AND worker_sid = ", worker.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode_named)
            .await
    }

    /// This worker's of that task channel; with the unique name of that.
    pub async fn worker_channel_of(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        worker: WorkerSid,
        channel: TaskChannelSid,
    ) -> Result<Option<(WorkerChannel, String)>, StoreError> {
        within(SELECT, account, workspace)
            .push(" AND worker_sid = ", worker.to_string())
            .push(" AND task_channel_sid = ", channel.to_string())
            .first(&self.readers, decode_named)
            .await
    }

    /// This worker's, with the unique names of their task channels.
    pub async fn worker_channels(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        worker: WorkerSid,
        page: &ListPage,
    ) -> Result<Rows<(WorkerChannel, String)>, StoreError> {
        within(SELECT, account, workspace)
            .push(" AND worker_sid = ", worker.to_string())
            .list(page, &self.readers, decode_named)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn worker_channel_seq(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: WorkerChannelSid,
    ) -> Result<Option<i64>, StoreError> {
        let select =
            within("SELECT seq FROM worker_channels WHERE", account, workspace).push(" AND sid = ", sid.to_string());
        self.routing_place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &WorkerChannel) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("worker_channels", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("workspace_sid", row.workspace_sid)
        .word("worker_sid", row.worker_sid)
        .word("task_channel_sid", row.task_channel_sid)
        .number("configured_capacity", row.configured_capacity)
        .number("available", row.available)
        .number("assigned_tasks", row.assigned_tasks)
        .time("idle_since", row.idle_since)
        .time_if("last_reserved", row.last_reserved)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<WorkerChannel, StoreError> {
    Ok(WorkerChannel {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        workspace_sid: word(row, "workspace_sid")?,
        worker_sid: word(row, "worker_sid")?,
        task_channel_sid: word(row, "task_channel_sid")?,
        configured_capacity: narrow(row, "configured_capacity")?,
        available: flag(row, "available")?,
        assigned_tasks: narrow(row, "assigned_tasks")?,
        idle_since: time(row, "idle_since")?,
        last_reserved: time_if(row, "last_reserved")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

fn decode_named(row: &SqliteRow) -> Result<(WorkerChannel, String), StoreError> {
    Ok((decode(row)?, text(row, "task_channel_unique_name")?))
}

const SELECT: &str = "SELECT worker_channels.*, \
    COALESCE((SELECT c.unique_name FROM task_channels c WHERE c.sid = task_channel_sid), '') \
    AS task_channel_unique_name FROM worker_channels WHERE";

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO routing_places (sid, seq, deletion) \
        SELECT sid, seq, (SELECT COALESCE(MAX(deletion), 0) FROM routing_places) + 1 FROM worker_channels WHERE sid = $1 \
        ON CONFLICT (sid) DO NOTHING",
    "DELETE FROM worker_channels WHERE sid = $1",
];
