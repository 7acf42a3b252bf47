//! What accounts set up: one file a resource. Rows that are deleted are gone; only their places in the lists stay.

mod application;
mod credential;
mod credential_list;
mod incoming_phone_number;
mod ip_access_control_list;
mod ip_address;
mod outgoing_caller_id;
mod queue;
mod sip_domain;
mod sip_domain_mapping;
#[cfg(test)]
mod tests;
pub(crate) mod upsert;

pub use application::ApplicationFilter;
pub use incoming_phone_number::NumberFilter;
pub use outgoing_caller_id::CallerIdFilter;
pub use sip_domain_mapping::{MappingKind, NamedMapping};

use model::{DirectoryKey, DirectoryRow};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::column::number;
use crate::select::Select;
use crate::{Store, StoreError};

impl Store {
    /// Everything there is, for the switch to start with.
    pub async fn directory(&self) -> Result<Vec<DirectoryRow>, StoreError> {
        let mut rows = Vec::new();
        self.add_all(
            EVERY_NUMBER,
            incoming_phone_number::decode,
            |row| DirectoryRow::IncomingPhoneNumber(Box::new(row)),
            &mut rows,
        )
        .await?;
        self.add_all(EVERY_APPLICATION, application::decode, DirectoryRow::Application, &mut rows).await?;
        self.add_all(EVERY_DOMAIN, sip_domain::decode, DirectoryRow::SipDomain, &mut rows).await?;
        self.add_all(EVERY_MAPPING, sip_domain_mapping::decode, DirectoryRow::SipDomainMapping, &mut rows).await?;
        self.add_all(EVERY_CREDENTIAL_LIST, credential_list::decode, DirectoryRow::CredentialList, &mut rows).await?;
        self.add_all(EVERY_CREDENTIAL, credential::decode, DirectoryRow::Credential, &mut rows).await?;
        self.add_all(EVERY_IP_LIST, ip_access_control_list::decode, DirectoryRow::IpAccessControlList, &mut rows)
            .await?;
        self.add_all(EVERY_IP_ADDRESS, ip_address::decode, DirectoryRow::IpAddress, &mut rows).await?;
        self.add_all(EVERY_CALLER_ID, outgoing_caller_id::decode, DirectoryRow::OutgoingCallerId, &mut rows).await?;
        self.add_all(EVERY_QUEUE, queue::decode, DirectoryRow::Queue, &mut rows).await?;
        Ok(rows)
    }

    async fn add_all<T>(
        &self,
        sql: &'static str,
        decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
        row: impl Fn(T) -> DirectoryRow,
        rows: &mut Vec<DirectoryRow>,
    ) -> Result<(), StoreError> {
        rows.extend(Select::new(sql).all(&self.readers, decode).await?.into_iter().map(row));
        Ok(())
    }

    /// The place that `select` finds, or the one where the row of that name stood before it was deleted.
    pub(crate) async fn place(&self, select: Select, name: String) -> Result<Option<i64>, StoreError> {
        let seq = |row: &SqliteRow| number(row, "seq");
        if let Some(place) = select.first(&self.readers, seq).await? {
            return Ok(Some(place));
        }
        Select::new("SELECT seq FROM deleted_places WHERE").push(" name = ", name).first(&self.readers, seq).await
    }
}

/// Writes the row as it is now.
pub(crate) async fn save(row: &DirectoryRow, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let upsert = match row {
        DirectoryRow::IncomingPhoneNumber(row) => incoming_phone_number::upsert(row),
        DirectoryRow::Application(row) => application::upsert(row),
        DirectoryRow::SipDomain(row) => sip_domain::upsert(row),
        DirectoryRow::SipDomainMapping(row) => sip_domain_mapping::upsert(row),
        DirectoryRow::CredentialList(row) => credential_list::upsert(row),
        DirectoryRow::Credential(row) => credential::upsert(row),
        DirectoryRow::IpAccessControlList(row) => ip_access_control_list::upsert(row),
        DirectoryRow::IpAddress(row) => ip_address::upsert(row),
        DirectoryRow::OutgoingCallerId(row) => outgoing_caller_id::upsert(row),
        DirectoryRow::Queue(row) => queue::upsert(row),
    };
    upsert?.execute(connection).await
}

/// Deletes the row, and what is in it.
pub(crate) async fn delete(key: &DirectoryKey, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let statements: &[&'static str] = match key {
        DirectoryKey::IncomingPhoneNumber(_) => &incoming_phone_number::DELETE,
        DirectoryKey::Application(_) => &application::DELETE,
        DirectoryKey::SipDomain(_) => &sip_domain::DELETE,
        DirectoryKey::SipDomainMapping(domain, list) => {
            return sip_domain_mapping::delete(*domain, *list, connection).await;
        }
        DirectoryKey::CredentialList(_) => &credential_list::DELETE,
        DirectoryKey::Credential(_) => &credential::DELETE,
        DirectoryKey::IpAccessControlList(_) => &ip_access_control_list::DELETE,
        DirectoryKey::IpAddress(_) => &ip_address::DELETE,
        DirectoryKey::OutgoingCallerId(_) => &outgoing_caller_id::DELETE,
        DirectoryKey::Queue(_) => &queue::DELETE,
    };
    for statement in statements {
        sqlx::query(*statement).bind(name(key)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The SID of what is deleted.
fn name(key: &DirectoryKey) -> String {
    match key {
        DirectoryKey::IncomingPhoneNumber(sid) | DirectoryKey::OutgoingCallerId(sid) => sid.to_string(),
        DirectoryKey::Application(sid) => sid.to_string(),
        DirectoryKey::SipDomain(sid) | DirectoryKey::SipDomainMapping(sid, _) => sid.to_string(),
        DirectoryKey::CredentialList(sid) => sid.to_string(),
        DirectoryKey::Credential(sid) => sid.to_string(),
        DirectoryKey::IpAccessControlList(sid) => sid.to_string(),
        DirectoryKey::IpAddress(sid) => sid.to_string(),
        DirectoryKey::Queue(sid) => sid.to_string(),
    }
}

const EVERY_NUMBER: &str = "SELECT * FROM incoming_phone_numbers";
const EVERY_APPLICATION: &str = "SELECT * FROM applications";
const EVERY_DOMAIN: &str = "SELECT * FROM sip_domains";
const EVERY_MAPPING: &str = "SELECT * FROM sip_domain_mappings";
const EVERY_CREDENTIAL_LIST: &str = "SELECT * FROM credential_lists";
const EVERY_CREDENTIAL: &str = "SELECT * FROM credentials";
const EVERY_IP_LIST: &str = "SELECT * FROM ip_access_control_lists";
const EVERY_IP_ADDRESS: &str = "SELECT * FROM ip_addresses";
const EVERY_CALLER_ID: &str = "SELECT * FROM outgoing_caller_ids";
const EVERY_QUEUE: &str = "SELECT * FROM queues";
