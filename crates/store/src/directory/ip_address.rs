//! IP addresses: what is in an IP access control list.

use model::{AccountSid, IpAccessControlListSid, IpAddress, IpAddressSid};
use sqlx::sqlite::SqliteRow;

use super::upsert::Upsert;
use crate::column::{narrow, number, text, time, word};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

impl Store {
    /// The one of that SID, if it is this account's.
    pub async fn ip_address(
        &self,
        account: AccountSid,
        list: IpAccessControlListSid,
        sid: IpAddressSid,
    ) -> Result<Option<IpAddress>, StoreError> {
        Select::new("SELECT * FROM ip_addresses WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND ip_access_control_list_sid = ", list.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// Those in a list.
    pub async fn ip_addresses(
        &self,
        account: AccountSid,
        list: IpAccessControlListSid,
        page: Page,
    ) -> Result<Rows<IpAddress>, StoreError> {
        Select::new("SELECT * FROM ip_addresses WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND ip_access_control_list_sid = ", list.to_string())
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn ip_address_seq(
        &self,
        account: AccountSid,
        list: IpAccessControlListSid,
        sid: IpAddressSid,
    ) -> Result<Option<i64>, StoreError> {
        let select = Select::new("SELECT seq FROM ip_addresses WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND ip_access_control_list_sid = ", list.to_string())
            .push(" AND sid = ", sid.to_string());
        self.place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &IpAddress) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("ip_addresses", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("ip_access_control_list_sid", row.ip_access_control_list_sid)
        .text("friendly_name", &row.friendly_name)?
        .word("ip_address", row.ip_address)
        .number("cidr_prefix_length", row.cidr_prefix_length)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<IpAddress, StoreError> {
    Ok(IpAddress {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        ip_access_control_list_sid: word(row, "ip_access_control_list_sid")?,
        friendly_name: text(row, "friendly_name")?,
        ip_address: word(row, "ip_address")?,
        cidr_prefix_length: narrow(row, "cidr_prefix_length")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO deleted_places (name, seq) SELECT sid, seq FROM ip_addresses WHERE sid = $1 ON CONFLICT (name) DO NOTHING",
    "DELETE FROM ip_addresses WHERE sid = $1",
];
