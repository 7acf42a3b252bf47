//! Credential lists.

use model::{AccountSid, CredentialList, CredentialListSid};
use sqlx::sqlite::SqliteRow;

use super::upsert::Upsert;
use crate::column::{number, text, time, word};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

impl Store {
    /// The one of that SID, if it is this account's.
    pub async fn credential_list(
        &self,
        account: AccountSid,
        sid: CredentialListSid,
    ) -> Result<Option<CredentialList>, StoreError> {
        Select::new("SELECT * FROM credential_lists WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// This account's.
    pub async fn credential_lists(&self, account: AccountSid, page: Page) -> Result<Rows<CredentialList>, StoreError> {
        Select::new("SELECT * FROM credential_lists WHERE")
            .push(" account_sid = ", account.to_string())
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn credential_list_seq(
        &self,
        account: AccountSid,
        sid: CredentialListSid,
    ) -> Result<Option<i64>, StoreError> {
        let select = Select::new("SELECT seq FROM credential_lists WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string());
        self.place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &CredentialList) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("credential_lists", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .text("friendly_name", &row.friendly_name)?
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<CredentialList, StoreError> {
    Ok(CredentialList {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        friendly_name: text(row, "friendly_name")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 3] = [
    "INSERT INTO deleted_places (name, seq) SELECT sid, seq FROM credential_lists WHERE sid = $1 ON CONFLICT (name) DO NOTHING",
    "DELETE FROM credential_lists WHERE sid = $1",
    "DELETE FROM credentials WHERE credential_list_sid = $1",
];
