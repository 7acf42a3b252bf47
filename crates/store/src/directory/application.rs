//! Applications.

use model::{AccountSid, Application, ApplicationSid};
use sqlx::sqlite::SqliteRow;

use super::upsert::Upsert;
use crate::column::{flag, number, sms_hooks, text, text_if, time, voice_hooks, word};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

/// Which applications to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationFilter {
    /// Shown name, byte for byte.
    pub friendly_name: Option<String>,
}

impl Store {
    /// The one of that SID, if it is this account's.
    pub async fn application(
        &self,
        account: AccountSid,
        sid: ApplicationSid,
    ) -> Result<Option<Application>, StoreError> {
        Select::new("SELECT * FROM applications WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// This account's.
    pub async fn applications(
        &self,
        account: AccountSid,
        filter: &ApplicationFilter,
        page: Page,
    ) -> Result<Rows<Application>, StoreError> {
        Select::new("SELECT * FROM applications WHERE")
            .push(" account_sid = ", account.to_string())
            .push_if(" AND friendly_name = ", filter.friendly_name.clone())
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn application_seq(&self, account: AccountSid, sid: ApplicationSid) -> Result<Option<i64>, StoreError> {
        let select = Select::new("SELECT seq FROM applications WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string());
        self.place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &Application) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("applications", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .text_if("friendly_name", row.friendly_name.as_deref())?
        .text("api_version", &row.api_version)?
        .hook(["voice_url", "voice_method"], &row.voice.voice)?
        .hook(["voice_fallback_url", "voice_fallback_method"], &row.voice.fallback)?
        .hook(["status_callback", "status_callback_method"], &row.voice.status_callback)?
        .number("voice_caller_id_lookup", row.voice_caller_id_lookup)
        .hook(["sms_url", "sms_method"], &row.sms.sms)?
        .hook(["sms_fallback_url", "sms_fallback_method"], &row.sms.fallback)?
        .text_if("sms_status_callback", row.sms_status_callback.as_deref())?
        .text_if("message_status_callback", row.message_status_callback.as_deref())?
        .number("public_application_connect_enabled", row.public_application_connect_enabled)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<Application, StoreError> {
    Ok(Application {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        friendly_name: text_if(row, "friendly_name")?,
        api_version: text(row, "api_version")?,
        voice: voice_hooks(row)?,
        voice_caller_id_lookup: flag(row, "voice_caller_id_lookup")?,
        sms: sms_hooks(row)?,
        sms_status_callback: text_if(row, "sms_status_callback")?,
        message_status_callback: text_if(row, "message_status_callback")?,
        public_application_connect_enabled: flag(row, "public_application_connect_enabled")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO deleted_places (name, seq) SELECT sid, seq FROM applications WHERE sid = $1 ON CONFLICT (name) DO NOTHING",
    "DELETE FROM applications WHERE sid = $1",
];
