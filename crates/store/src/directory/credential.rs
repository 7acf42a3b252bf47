//! Credentials: what is in a credential list.

use model::{AccountSid, Credential, CredentialListSid, CredentialSid, Password};
use sqlx::sqlite::SqliteRow;

use super::upsert::Upsert;
use crate::column::{number, text, time, word};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

impl Store {
    /// The one of that SID, if it is this account's.
    pub async fn credential(
        &self,
        account: AccountSid,
        list: CredentialListSid,
        sid: CredentialSid,
    ) -> Result<Option<Credential>, StoreError> {
        Select::new("SELECT * FROM credentials WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND credential_list_sid = ", list.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// Those in a list.
    pub async fn credentials(
        &self,
        account: AccountSid,
        list: CredentialListSid,
        page: Page,
    ) -> Result<Rows<Credential>, StoreError> {
        Select::new("SELECT * FROM credentials WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND credential_list_sid = ", list.to_string())
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn credential_seq(
        &self,
        account: AccountSid,
        list: CredentialListSid,
        sid: CredentialSid,
    ) -> Result<Option<i64>, StoreError> {
        let select = Select::new("SELECT seq FROM credentials WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND credential_list_sid = ", list.to_string())
            .push(" AND sid = ", sid.to_string());
        self.place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &Credential) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("credentials", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("credential_list_sid", row.credential_list_sid)
        .text("username", &row.username)?
        .text("password", &row.password.0)?
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<Credential, StoreError> {
    Ok(Credential {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        credential_list_sid: word(row, "credential_list_sid")?,
        username: text(row, "username")?,
        password: Password(text(row, "password")?),
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO deleted_places (name, seq) SELECT sid, seq FROM credentials WHERE sid = $1 ON CONFLICT (name) DO NOTHING",
    "DELETE FROM credentials WHERE sid = $1",
];
