//! Numbers that can be called.

use model::{AccountSid, IncomingPhoneNumber, NumberType, PhoneNumberSid};
use sqlx::sqlite::SqliteRow;

use super::upsert::Upsert;
use crate::column::{flag, number, sms_hooks, text, time, voice_hooks, word, word_if};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

/// Which numbers to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberFilter {
    /// Shown name, byte for byte.
    pub friendly_name: Option<String>,
    /// Part of the number, `*` standing for any one digit.
    pub phone_number: Option<String>,
    /// Its kind.
    pub number_type: Option<NumberType>,
}

impl NumberFilter {
    /// The part that is looked for, as LIKE wants it.
    fn pattern(&self) -> Option<String> {
        let part = self.phone_number.as_ref()?;
        let mut pattern = String::from("%");
        for c in part.chars() {
            match c {
                '*' => pattern.push('_'),
                '%' | '_' | '\\' => pattern.extend(['\\', c]),
                c => pattern.push(c),
            }
        }
        pattern.push('%');
        Some(pattern)
    }
}

impl Store {
    /// The one of that SID, if it is this account's.
    pub async fn incoming_phone_number(
        &self,
        account: AccountSid,
        sid: PhoneNumberSid,
    ) -> Result<Option<IncomingPhoneNumber>, StoreError> {
        Select::new("SELECT * FROM incoming_phone_numbers WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// This account's.
    pub async fn incoming_phone_numbers(
        &self,
        account: AccountSid,
        filter: &NumberFilter,
        page: Page,
    ) -> Result<Rows<IncomingPhoneNumber>, StoreError> {
        Select::new("SELECT * FROM incoming_phone_numbers WHERE")
            .push(" account_sid = ", account.to_string())
            .push_if(" AND friendly_name = ", filter.friendly_name.clone())
            .push_if(" AND number_type = ", filter.number_type.map(|of| of.to_string()))
            .like_if(" AND phone_number LIKE ", filter.pattern())
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn incoming_phone_number_seq(
        &self,
        account: AccountSid,
        sid: PhoneNumberSid,
    ) -> Result<Option<i64>, StoreError> {
        let select = Select::new("SELECT seq FROM incoming_phone_numbers WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string());
        self.place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &IncomingPhoneNumber) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("incoming_phone_numbers", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .text("phone_number", &row.phone_number)?
        .word("number_type", row.number_type)
        .text("friendly_name", &row.friendly_name)?
        .text("api_version", &row.api_version)?
        .hook(["voice_url", "voice_method"], &row.voice.voice)?
        .hook(["voice_fallback_url", "voice_fallback_method"], &row.voice.fallback)?
        .hook(["status_callback", "status_callback_method"], &row.voice.status_callback)?
        .number("voice_caller_id_lookup", row.voice_caller_id_lookup)
        .word_if("voice_application_sid", row.voice_application_sid)
        .word_if("trunk_sid", row.trunk_sid)
        .word("voice_receive_mode", row.voice_receive_mode)
        .hook(["sms_url", "sms_method"], &row.sms.sms)?
        .hook(["sms_fallback_url", "sms_fallback_method"], &row.sms.fallback)?
        .word_if("sms_application_sid", row.sms_application_sid)
        .word("emergency_status", row.emergency_status)
        .word_if("emergency_address_sid", row.emergency_address_sid)
        .word_if("address_sid", row.address_sid)
        .word_if("identity_sid", row.identity_sid)
        .word_if("bundle_sid", row.bundle_sid)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<IncomingPhoneNumber, StoreError> {
    Ok(IncomingPhoneNumber {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        phone_number: text(row, "phone_number")?,
        number_type: word(row, "number_type")?,
        friendly_name: text(row, "friendly_name")?,
        api_version: text(row, "api_version")?,
        voice: voice_hooks(row)?,
        voice_caller_id_lookup: flag(row, "voice_caller_id_lookup")?,
        voice_application_sid: word_if(row, "voice_application_sid")?,
        trunk_sid: word_if(row, "trunk_sid")?,
        voice_receive_mode: word(row, "voice_receive_mode")?,
        sms: sms_hooks(row)?,
        sms_application_sid: word_if(row, "sms_application_sid")?,
        emergency_status: word(row, "emergency_status")?,
        emergency_address_sid: word_if(row, "emergency_address_sid")?,
        address_sid: word_if(row, "address_sid")?,
        identity_sid: word_if(row, "identity_sid")?,
        bundle_sid: word_if(row, "bundle_sid")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO deleted_places (name, seq) SELECT sid, seq FROM incoming_phone_numbers WHERE sid = $1 ON CONFLICT (name) DO NOTHING",
    "DELETE FROM incoming_phone_numbers WHERE sid = $1",
];
