//! SIP domains.

use model::{AccountSid, SipDomain, SipDomainSid};
use sqlx::sqlite::SqliteRow;

use super::upsert::Upsert;
use crate::column::{flag, number, text, text_if, time, voice_hooks, word, word_if};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

impl Store {
    /// The one of that SID, if it is this account's.
    pub async fn sip_domain(&self, account: AccountSid, sid: SipDomainSid) -> Result<Option<SipDomain>, StoreError> {
        Select::new("SELECT * FROM sip_domains WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// This account's.
    pub async fn sip_domains(&self, account: AccountSid, page: Page) -> Result<Rows<SipDomain>, StoreError> {
        Select::new("SELECT * FROM sip_domains WHERE")
            .push(" account_sid = ", account.to_string())
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn sip_domain_seq(&self, account: AccountSid, sid: SipDomainSid) -> Result<Option<i64>, StoreError> {
        let select = Select::new("SELECT seq FROM sip_domains WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string());
        self.place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &SipDomain) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("sip_domains", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .text("domain_name", &row.domain_name)?
        .text_if("friendly_name", row.friendly_name.as_deref())?
        .text("api_version", &row.api_version)?
        .hook(["voice_url", "voice_method"], &row.voice.voice)?
        .hook(["voice_fallback_url", "voice_fallback_method"], &row.voice.fallback)?
        .hook(["status_callback", "status_callback_method"], &row.voice.status_callback)?
        .word("auth_type", row.auth_type.as_str())
        .number("sip_registration", row.sip_registration)
        .number("secure", row.secure)
        .word_if("digest", row.digest)
        .number("emergency_calling_enabled", row.emergency_calling_enabled)
        .word_if("byoc_trunk_sid", row.byoc_trunk_sid)
        .word_if("emergency_caller_sid", row.emergency_caller_sid)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<SipDomain, StoreError> {
    Ok(SipDomain {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        domain_name: text(row, "domain_name")?,
        friendly_name: text_if(row, "friendly_name")?,
        api_version: text(row, "api_version")?,
        voice: voice_hooks(row)?,
        auth_type: word(row, "auth_type")?,
        sip_registration: flag(row, "sip_registration")?,
        secure: flag(row, "secure")?,
        digest: word_if(row, "digest")?,
        emergency_calling_enabled: flag(row, "emergency_calling_enabled")?,
        byoc_trunk_sid: word_if(row, "byoc_trunk_sid")?,
        emergency_caller_sid: word_if(row, "emergency_caller_sid")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO deleted_places (name, seq) SELECT sid, seq FROM sip_domains WHERE sid = $1 ON CONFLICT (name) DO NOTHING",
    "DELETE FROM sip_domains WHERE sid = $1",
];
