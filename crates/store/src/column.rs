//! Columns: from a stored value to the model's type, and texts that may be stored.

use std::str::FromStr;

use model::Timestamp;
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

/// Reads a number of a few bits.
pub(crate) fn small(row: &SqliteRow, column: &'static str) -> Result<i8, StoreError> {
    let value = number(row, column)?;
    value.try_into().map_err(|_| StoreError::Unreadable { column, value: value.to_string() })
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

/// Lets a text through that both databases can store.
pub(crate) fn storable<'a>(text: &'a str, column: &'static str) -> Result<&'a str, StoreError> {
    if text.contains('\0') { Err(StoreError::Nul { column }) } else { Ok(text) }
}

fn parse<T: FromStr>(value: String, column: &'static str) -> Result<T, StoreError> {
    value.parse().map_err(|_| StoreError::Unreadable { column, value })
}
