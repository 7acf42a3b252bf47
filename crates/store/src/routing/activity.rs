//! Activities.

use model::{AccountSid, Activity, ActivitySid, WorkspaceSid};
use sqlx::sqlite::SqliteRow;

use super::{ListPage, within};
use crate::column::{flag, number, text, time, word};
use crate::directory::upsert::Upsert;
use crate::{Rows, Store, StoreError};

/// Which activities to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Its name, byte for byte.
    pub friendly_name: Option<String>,
    /// Whether who does it is available.
    pub available: Option<bool>,
}

impl Store {
    /// The one of that SID, if it is in this workspace.
    pub async fn activity(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: ActivitySid,
    ) -> Result<Option<Activity>, StoreError> {
        within(SELECT, account, workspace).push(" AND sid = ", sid.to_string()).first(&self.readers, decode).await
    }

    /// This workspace's.
    pub async fn activities(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        filter: &ActivityFilter,
        page: &ListPage,
    ) -> Result<Rows<Activity>, StoreError> {
        within(SELECT, account, workspace)
            .push_if(" AND friendly_name = ", filter.friendly_name.clone())
            .push_if(" AND available = ", filter.available)
            .list(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn activity_seq(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: ActivitySid,
    ) -> Result<Option<i64>, StoreError> {
        let select =
            within("SELECT seq FROM activities WHERE", account, workspace).push(" AND sid = ", sid.to_string());
        self.routing_place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &Activity) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("activities", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("workspace_sid", row.workspace_sid)
        .text("friendly_name", &row.friendly_name)?
        .number("available", row.available)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<Activity, StoreError> {
    Ok(Activity {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        workspace_sid: word(row, "workspace_sid")?,
        friendly_name: text(row, "friendly_name")?,
        available: flag(row, "available")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

const SELECT: &str = "SELECT * FROM activities WHERE";

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO routing_places (sid, seq, deletion) \
        SELECT sid, seq, (SELECT COALESCE(MAX(deletion), 0) FROM routing_places) + 1 FROM activities WHERE sid = $1 \
        ON CONFLICT (sid) DO NOTHING",
    "DELETE FROM activities WHERE sid = $1",
];
