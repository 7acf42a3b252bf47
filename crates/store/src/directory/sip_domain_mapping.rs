//! Mappings: which lists count for a SIP domain, and for what.

use model::{AccountSid, MappedList, SipDomainMapping, SipDomainSid};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::upsert::Upsert;
use crate::column::{number, text, time, word};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

/// What a mapped list counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MappingKind {
    /// Who may call by address.
    CallsIpAccessControlList,
    /// Who may call by name and password.
    CallsCredentialList,
    /// Who may register.
    RegistrationsCredentialList,
}

/// A mapping, and the name of its list.
pub type NamedMapping = (SipDomainMapping, String);

impl Store {
    /// The mapping of that list, with the list's name.
    pub async fn sip_domain_mapping(
        &self,
        account: AccountSid,
        domain: SipDomainSid,
        list: MappedList,
    ) -> Result<Option<NamedMapping>, StoreError> {
        let (kind, sid) = parts(list);
        of_domain(SELECT, account, domain, kind).push(" AND list_sid = ", sid).first(&self.readers, decode_named).await
    }

    /// A domain's mappings of one kind, with the lists' names.
    pub async fn sip_domain_mappings(
        &self,
        account: AccountSid,
        domain: SipDomainSid,
        kind: MappingKind,
        page: Page,
    ) -> Result<Rows<NamedMapping>, StoreError> {
        of_domain(SELECT, account, domain, kind.as_str()).page(page, &self.readers, decode_named).await
    }

    /// Where the mapping of that list stands or stood.
    pub async fn sip_domain_mapping_seq(
        &self,
        account: AccountSid,
        domain: SipDomainSid,
        list: MappedList,
    ) -> Result<Option<i64>, StoreError> {
        const SEQ: &str = "SELECT seq FROM sip_domain_mappings WHERE";
        let (kind, sid) = parts(list);
        let select = of_domain(SEQ, account, domain, kind).push(" AND list_sid = ", sid.clone());
        self.place(select, format!("{domain}/{kind}/{sid}")).await
    }
}

impl MappingKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::CallsIpAccessControlList => "calls-ip",
            Self::CallsCredentialList => "calls-credential",
            Self::RegistrationsCredentialList => "registrations-credential",
        }
    }
}

pub(super) fn upsert(row: &SipDomainMapping) -> Result<Upsert, StoreError> {
    let (kind, sid) = parts(row.list);
    let upsert = Upsert::into("sip_domain_mappings", "domain_sid, kind, list_sid")
        .word("domain_sid", row.domain_sid)
        .word("kind", kind)
        .word("list_sid", sid)
        .word("account_sid", row.account_sid)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<SipDomainMapping, StoreError> {
    let list = match text(row, "kind")?.as_str() {
        "calls-ip" => MappedList::CallsIpAccessControlList(word(row, "list_sid")?),
        "calls-credential" => MappedList::CallsCredentialList(word(row, "list_sid")?),
        "registrations-credential" => MappedList::RegistrationsCredentialList(word(row, "list_sid")?),
        other => return Err(StoreError::Unreadable { column: "kind", value: other.to_owned() }),
    };
    Ok(SipDomainMapping {
        domain_sid: word(row, "domain_sid")?,
        account_sid: word(row, "account_sid")?,
        list,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

/// Keeps its place, and forgets the rest.
pub(super) async fn delete(
    domain: SipDomainSid,
    list: MappedList,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    const KEEP: &str = "INSERT INTO deleted_places (name, seq) \
        SELECT $1, seq FROM sip_domain_mappings WHERE domain_sid = $2 AND kind = $3 AND list_sid = $4 \
        ON CONFLICT (name) DO UPDATE SET seq = excluded.seq";
    const DELETE: &str = "DELETE FROM sip_domain_mappings WHERE domain_sid = $1 AND kind = $2 AND list_sid = $3";
    let (kind, sid) = parts(list);
    let domain = domain.to_string();
    let name = format!("{domain}/{kind}/{sid}");
    sqlx::query(KEEP).bind(name).bind(&domain).bind(kind).bind(&sid).execute(&mut *connection).await?;
    sqlx::query(DELETE).bind(domain).bind(kind).bind(sid).execute(connection).await?;
    Ok(())
}

fn of_domain(head: &'static str, account: AccountSid, domain: SipDomainSid, kind: &str) -> Select {
    Select::new(head)
        .push(" account_sid = ", account.to_string())
        .push(" AND domain_sid = ", domain.to_string())
        .push(" AND kind = ", kind.to_owned())
}

fn decode_named(row: &SqliteRow) -> Result<NamedMapping, StoreError> {
    Ok((decode(row)?, text(row, "friendly_name")?))
}

/// A kind and a SID, as they are stored.
fn parts(list: MappedList) -> (&'static str, String) {
    match list {
        MappedList::CallsIpAccessControlList(sid) => (MappingKind::CallsIpAccessControlList.as_str(), sid.to_string()),
        MappedList::CallsCredentialList(sid) => (MappingKind::CallsCredentialList.as_str(), sid.to_string()),
        MappedList::RegistrationsCredentialList(sid) => {
            (MappingKind::RegistrationsCredentialList.as_str(), sid.to_string())
        }
    }
}

/// A list that is mapped is there, in one table or the other.
const SELECT: &str = "SELECT m.*, COALESCE(\
    (SELECT friendly_name FROM credential_lists WHERE sid = m.list_sid), \
    (SELECT friendly_name FROM ip_access_control_lists WHERE sid = m.list_sid)) AS friendly_name \
    FROM sip_domain_mappings AS m WHERE";
