//! Workspaces.

use model::{AccountSid, Workspace, WorkspaceSid};
use sqlx::sqlite::SqliteRow;

use super::ListPage;
use crate::column::{flag, number, text, text_if, time, word, word_if};
use crate::directory::upsert::Upsert;
use crate::select::Select;
use crate::{Rows, Store, StoreError};

/// The names of what a workspace's workers do if nothing else is said, and after a timeout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceNames {
    /// Of the default activity.
    pub default_activity: Option<String>,
    /// Of the timeout activity.
    pub timeout_activity: Option<String>,
}

impl Store {
    /// The one of that SID, if it is this account's.
    pub async fn workspace(
        &self,
        account: AccountSid,
        sid: WorkspaceSid,
    ) -> Result<Option<(Workspace, WorkspaceNames)>, StoreError> {
        Select::new(SELECT)
            .push(" sid = ", sid.to_string())
            .push(" AND account_sid = ", account.to_string())
            .first(&self.readers, decode_named)
            .await
    }

    /// This account's.
    pub async fn workspaces(
        &self,
        account: AccountSid,
        friendly_name: Option<String>,
        page: &ListPage,
    ) -> Result<Rows<(Workspace, WorkspaceNames)>, StoreError> {
        Select::new(SELECT)
            .push(" account_sid = ", account.to_string())
            .push_if(" AND friendly_name = ", friendly_name)
            .list(page, &self.readers, decode_named)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn workspace_seq(&self, account: AccountSid, sid: WorkspaceSid) -> Result<Option<i64>, StoreError> {
        let select = Select::new("SELECT seq FROM workspaces WHERE")
            .push(" sid = ", sid.to_string())
            .push(" AND account_sid = ", account.to_string());
        self.routing_place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &Workspace) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("workspaces", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .text("friendly_name", &row.friendly_name)?
        .text_if("event_callback_url", row.event_callback_url.as_deref())?
        .text_if("events_filter", row.events_filter.as_deref())?
        .number("multi_task_enabled", row.multi_task_enabled)
        .word("prioritize_queue_order", row.prioritize_queue_order)
        .word_if("default_activity_sid", row.default_activity_sid)
        .word_if("timeout_activity_sid", row.timeout_activity_sid)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<Workspace, StoreError> {
    Ok(Workspace {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        friendly_name: text(row, "friendly_name")?,
        event_callback_url: text_if(row, "event_callback_url")?,
        events_filter: text_if(row, "events_filter")?,
        multi_task_enabled: flag(row, "multi_task_enabled")?,
        prioritize_queue_order: word(row, "prioritize_queue_order")?,
        default_activity_sid: word_if(row, "default_activity_sid")?,
        timeout_activity_sid: word_if(row, "timeout_activity_sid")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

fn decode_named(row: &SqliteRow) -> Result<(Workspace, WorkspaceNames), StoreError> {
    let names = WorkspaceNames {
        default_activity: text_if(row, "default_activity_name")?,
        timeout_activity: text_if(row, "timeout_activity_name")?,
    };
    Ok((decode(row)?, names))
}

const SELECT: &str = "SELECT workspaces.*, \
    (SELECT a.friendly_name FROM activities a WHERE a.sid = default_activity_sid) AS default_activity_name, \
    (SELECT a.friendly_name FROM activities a WHERE a.sid = timeout_activity_sid) AS timeout_activity_name \
    FROM workspaces WHERE";

/// Keeps its place, and forgets the rest, with all that was in it but for what happened.
pub(super) const DELETE: [&str; 12] = [
    "INSERT INTO routing_places (sid, seq, deletion) \
        SELECT sid, seq, (SELECT COALESCE(MAX(deletion), 0) FROM routing_places) + 1 FROM workspaces WHERE sid = $1 \
        ON CONFLICT (sid) DO NOTHING",
    "DELETE FROM statistics_buckets WHERE workspace_sid = $1",
    "DELETE FROM transfers WHERE workspace_sid = $1",
    "DELETE FROM reservations WHERE workspace_sid = $1",
    "DELETE FROM tasks WHERE workspace_sid = $1",
    "DELETE FROM workflows WHERE workspace_sid = $1",
    "DELETE FROM task_queues WHERE workspace_sid = $1",
    "DELETE FROM worker_channels WHERE workspace_sid = $1",
    "DELETE FROM workers WHERE workspace_sid = $1",
    "DELETE FROM task_channels WHERE workspace_sid = $1",
    "DELETE FROM activities WHERE workspace_sid = $1",
    "DELETE FROM workspaces WHERE sid = $1",
];
