//! Outgoing caller IDs.

use model::{AccountSid, OutgoingCallerId, PhoneNumberSid};
use sqlx::sqlite::SqliteRow;

use super::upsert::Upsert;
use crate::column::{number, text, time, word};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

/// Which outgoing caller IDs to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerIdFilter {
    /// Shown name, byte for byte.
    pub friendly_name: Option<String>,
    /// The number, digit for digit.
    pub phone_number: Option<String>,
}

impl Store {
    /// The one of that SID, if it is this account's.
    pub async fn outgoing_caller_id(
        &self,
        account: AccountSid,
        sid: PhoneNumberSid,
    ) -> Result<Option<OutgoingCallerId>, StoreError> {
        Select::new("SELECT * FROM outgoing_caller_ids WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// This account's.
    pub async fn outgoing_caller_ids(
        &self,
        account: AccountSid,
        filter: &CallerIdFilter,
        page: Page,
    ) -> Result<Rows<OutgoingCallerId>, StoreError> {
        Select::new("SELECT * FROM outgoing_caller_ids WHERE")
            .push(" account_sid = ", account.to_string())
            .push_if(" AND friendly_name = ", filter.friendly_name.clone())
            .push_if(" AND phone_number = ", filter.phone_number.clone())
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn outgoing_caller_id_seq(
        &self,
        account: AccountSid,
        sid: PhoneNumberSid,
    ) -> Result<Option<i64>, StoreError> {
        let select = Select::new("SELECT seq FROM outgoing_caller_ids WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string());
        self.place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &OutgoingCallerId) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("outgoing_caller_ids", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .text("friendly_name", &row.friendly_name)?
        .text("phone_number", &row.phone_number)?
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<OutgoingCallerId, StoreError> {
    Ok(OutgoingCallerId {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        friendly_name: text(row, "friendly_name")?,
        phone_number: text(row, "phone_number")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO deleted_places (name, seq) SELECT sid, seq FROM outgoing_caller_ids WHERE sid = $1 ON CONFLICT (name) DO NOTHING",
    "DELETE FROM outgoing_caller_ids WHERE sid = $1",
];
