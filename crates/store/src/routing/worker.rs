//! Workers.

use model::{AccountSid, ActivitySid, Worker, WorkerSid, WorkspaceSid};
use sqlx::sqlite::SqliteRow;

use super::{ListPage, within};
use crate::column::{flag, narrow, number, text, time, time_if, word};
use crate::directory::upsert::Upsert;
use crate::{Rows, Store, StoreError};

/// Which workers to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerFilter {
    /// Its name, byte for byte.
    pub friendly_name: Option<String>,
    /// What it does.
    pub activity_sid: Option<ActivitySid>,
    /// The name of what it does, byte for byte.
    pub activity_name: Option<String>,
    /// Whether who does that is available.
    pub available: Option<bool>,
}

/// What is said of a worker's activity beside its SID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerActivity {
    /// Its name.
    pub name: String,
    /// Whether who does it is available.
    pub available: bool,
}

impl Store {
    /// The one of that SID, if it is in this workspace.
    pub async fn worker(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: WorkerSid,
    ) -> Result<Option<(Worker, WorkerActivity)>, StoreError> {
        within(SELECT, account, workspace).push(" AND sid = ", sid.to_string()).first(&self.readers, decode_named).await
    }

    /// This workspace's.
    pub async fn workers(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        filter: &WorkerFilter,
        page: &ListPage,
    ) -> Result<Rows<(Worker, WorkerActivity)>, StoreError> {
        let mut select = within(SELECT, account, workspace)
            .push_if(" AND friendly_name = ", filter.friendly_name.clone())
            .push_if(" AND activity_sid = ", filter.activity_sid.map(|sid| sid.to_string()));
        if let Some(name) = &filter.activity_name {
            select =
                select.push(ACTIVITIES, workspace.to_string()).push(" AND a.friendly_name = ", name.clone()).text(")");
        }
        if let Some(available) = filter.available {
            select = select.push(ACTIVITIES, workspace.to_string()).push(" AND a.available = ", available).text(")");
        }
        select.list(page, &self.readers, decode_named).await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn worker_seq(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: WorkerSid,
    ) -> Result<Option<i64>, StoreError> {
        let select = within("SELECT seq FROM workers WHERE", account, workspace).push(" AND sid = ", sid.to_string());
        self.routing_place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &Worker) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("workers", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("workspace_sid", row.workspace_sid)
        .text("friendly_name", &row.friendly_name)?
        .text("attributes", &row.attributes)?
        .word("activity_sid", row.activity_sid)
        .time("status_changed", row.status_changed)
        .time("idle_since", row.idle_since)
        .time_if("last_reserved", row.last_reserved)
        .number("version", row.version)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<Worker, StoreError> {
    Ok(Worker {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        workspace_sid: word(row, "workspace_sid")?,
        friendly_name: text(row, "friendly_name")?,
        attributes: text(row, "attributes")?,
        activity_sid: word(row, "activity_sid")?,
        status_changed: time(row, "status_changed")?,
        idle_since: time(row, "idle_since")?,
        last_reserved: time_if(row, "last_reserved")?,
        version: narrow(row, "version")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

fn decode_named(row: &SqliteRow) -> Result<(Worker, WorkerActivity), StoreError> {
    let activity = WorkerActivity { name: text(row, "activity_name")?, available: flag(row, "available")? };
    Ok((decode(row)?, activity))
}

/// An activity that is not there has no name, and nobody who does it is available.
const SELECT: &str = "SELECT workers.*, \
    COALESCE((SELECT a.friendly_name FROM activities a WHERE a.sid = activity_sid), '') AS activity_name, \
    COALESCE((SELECT a.available FROM activities a WHERE a.sid = activity_sid), 0) AS available \
    FROM workers WHERE";

const ACTIVITIES: &str = " AND activity_sid IN (SELECT a.sid FROM activities a WHERE a.workspace_sid = ";

/// Keeps its place, and forgets the rest, with its channels and its past reservations.
pub(super) const DELETE: [&str; 4] = [
    "INSERT INTO routing_places (sid, seq, deletion) \
        SELECT sid, seq, (SELECT COALESCE(MAX(deletion), 0) FROM routing_places) + 1 FROM workers WHERE sid = $1 \
        ON CONFLICT (sid) DO NOTHING",
    "DELETE FROM worker_channels WHERE worker_sid = $1",
    "DELETE FROM reservations WHERE worker_sid = $1",
    "DELETE FROM workers WHERE sid = $1",
];
