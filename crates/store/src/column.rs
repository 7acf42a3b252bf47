//! Columns: from a stored value to the model's type, and texts that may be stored.

use std::str::FromStr;
use std::time::Duration;

use model::{Hook, SmsHooks, Timestamp, VoiceHooks};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::StoreError;

/// Reads a SID or a word.
pub(crate) fn word<T: FromStr>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError> {
    parse(row.try_get(column)?, column)
}

/// Reads a SID or a word that may be absent.
pub(crate) fn word_if<T: FromStr>(row: &SqliteRow, column: &'static str) -> Result<Option<T>, StoreError> {
    row.try_get::<Option<String>, _>(column)?.map(|text| parse(text, column)).transpose()
}

/// Reads a text.
pub(crate) fn text(row: &SqliteRow, column: &'static str) -> Result<String, StoreError> {
    Ok(row.try_get(column)?)
}

/// Reads a text that may be absent.
pub(crate) fn text_if(row: &SqliteRow, column: &'static str) -> Result<Option<String>, StoreError> {
    Ok(row.try_get(column)?)
}

/// Reads a number.
pub(crate) fn number(row: &SqliteRow, column: &'static str) -> Result<i64, StoreError> {
    Ok(row.try_get(column)?)
}

/// Reads a number that may be absent.
pub(crate) fn number_if(row: &SqliteRow, column: &'static str) -> Result<Option<i64>, StoreError> {
    Ok(row.try_get(column)?)
}

/// Reads a number that fits into fewer bits than are stored.
pub(crate) fn narrow<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError> {
    let value = number(row, column)?;
    value.try_into().map_err(|_| StoreError::Unreadable { column, value: value.to_string() })
}

/// Reads the hooks for calls.
pub(crate) fn voice_hooks(row: &SqliteRow) -> Result<VoiceHooks, StoreError> {
    Ok(VoiceHooks {
        voice: hook(row, ["voice_url", "voice_method"])?,
        fallback: hook(row, ["voice_fallback_url", "voice_fallback_method"])?,
        status_callback: hook(row, ["status_callback", "status_callback_method"])?,
    })
}

/// Reads the hooks for messages.
pub(crate) fn sms_hooks(row: &SqliteRow) -> Result<SmsHooks, StoreError> {
    Ok(SmsHooks {
        sms: hook(row, ["sms_url", "sms_method"])?,
        fallback: hook(row, ["sms_fallback_url", "sms_fallback_method"])?,
    })
}

fn hook(row: &SqliteRow, [url, method]: [&'static str; 2]) -> Result<Hook, StoreError> {
    Ok(Hook { url: text_if(row, url)?, method: word(row, method)? })
}

/// Reads a boolean.
pub(crate) fn flag(row: &SqliteRow, column: &'static str) -> Result<bool, StoreError> {
    Ok(number(row, column)? != 0)
}

/// Reads a time.
pub(crate) fn time(row: &SqliteRow, column: &'static str) -> Result<Timestamp, StoreError> {
    number(row, column).map(Timestamp::from_micros)
}

/// Reads a time that may be absent.
pub(crate) fn time_if(row: &SqliteRow, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_micros))
}

/// Reads a span of time.
pub(crate) fn span(row: &SqliteRow, column: &'static str) -> Result<Duration, StoreError> {
    narrow(row, column).map(Duration::from_micros)
}

/// Lets a text through that both databases can store.
pub(crate) fn storable<'a>(text: &'a str, column: &'static str) -> Result<&'a str, StoreError> {
    if text.contains('\0') { Err(StoreError::Nul { column }) } else { Ok(text) }
}

fn parse<T: FromStr>(value: String, column: &'static str) -> Result<T, StoreError> {
    value.parse().map_err(|_| StoreError::Unreadable { column, value })
}
