//! Queues, without who waits in them.

use model::{AccountSid, Queue, QueueSid};
use sqlx::sqlite::SqliteRow;

use super::upsert::Upsert;
use crate::column::{narrow, number, text, time, word};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

impl Store {
    /// The one of that SID, if it is this account's.
    pub async fn queue(&self, account: AccountSid, sid: QueueSid) -> Result<Option<Queue>, StoreError> {
        Select::new("SELECT * FROM queues WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// This account's.
    pub async fn queues(&self, account: AccountSid, page: Page) -> Result<Rows<Queue>, StoreError> {
        Select::new("SELECT * FROM queues WHERE")
            .push(" account_sid = ", account.to_string())
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn queue_seq(&self, account: AccountSid, sid: QueueSid) -> Result<Option<i64>, StoreError> {
        let select = Select::new("SELECT seq FROM queues WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string());
        self.place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &Queue) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("queues", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .text("friendly_name", &row.friendly_name)?
        .number("max_size", row.max_size)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<Queue, StoreError> {
    Ok(Queue {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        friendly_name: text(row, "friendly_name")?,
        max_size: narrow(row, "max_size")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO deleted_places (name, seq) SELECT sid, seq FROM queues WHERE sid = $1 ON CONFLICT (name) DO NOTHING",
    "DELETE FROM queues WHERE sid = $1",
];
