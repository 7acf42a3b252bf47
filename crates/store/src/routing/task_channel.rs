//! Task channels.

use model::{AccountSid, TaskChannel, TaskChannelSid, WorkspaceSid};
use sqlx::sqlite::SqliteRow;

use super::{ListPage, within};
use crate::column::{flag, number, text, time, word};
use crate::directory::upsert::Upsert;
use crate::{Rows, Store, StoreError};

impl Store {
    /// The one of that SID, if it is in this workspace.
    pub async fn task_channel(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: TaskChannelSid,
    ) -> Result<Option<TaskChannel>, StoreError> {
        within(SELECT, account, workspace).push(" AND sid = ", sid.to_string()).first(&self.readers, decode).await
    }

    /// The one of that unique name.
    pub async fn task_channel_named(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        unique_name: &str,
    ) -> Result<Option<TaskChannel>, StoreError> {
        within(SELECT, account, workspace)
            .push(" AND unique_name = ", unique_name.to_owned())
            .first(&self.readers, decode)
            .await
    }

    /// This workspace's.
    pub async fn task_channels(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        page: &ListPage,
    ) -> Result<Rows<TaskChannel>, StoreError> {
        within(SELECT, account, workspace).list(page, &self.readers, decode).await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn task_channel_seq(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: TaskChannelSid,
    ) -> Result<Option<i64>, StoreError> {
        let select =
            within("SELECT seq FROM task_channels WHERE", account, workspace).push(" AND sid = ", sid.to_string());
        self.routing_place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &TaskChannel) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("task_channels", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("workspace_sid", row.workspace_sid)
        .text("friendly_name", &row.friendly_name)?
        .text("unique_name", &row.unique_name)?
        .number("channel_optimized_routing", row.channel_optimized_routing)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<TaskChannel, StoreError> {
    Ok(TaskChannel {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        workspace_sid: word(row, "workspace_sid")?,
        friendly_name: text(row, "friendly_name")?,
        unique_name: text(row, "unique_name")?,
        channel_optimized_routing: flag(row, "channel_optimized_routing")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

const SELECT: &str = "SELECT * FROM task_channels WHERE";

/// Keeps its place, and forgets the rest, with the workers' channels of it.
pub(super) const DELETE: [&str; 3] = [
    "INSERT INTO routing_places (sid, seq, deletion) \
        SELECT sid, seq, (SELECT COALESCE(MAX(deletion), 0) FROM routing_places) + 1 FROM task_channels WHERE sid = $1 \
        ON CONFLICT (sid) DO NOTHING",
    "DELETE FROM worker_channels WHERE task_channel_sid = $1",
    "DELETE FROM task_channels WHERE sid = $1",
];
