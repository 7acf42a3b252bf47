//! A row as it is now, written over what is stored of it.
//!
//! The text is put together from constants only; values travel as arguments.

use std::fmt::Write as _;
use std::time::Duration;

use model::{Hook, Timestamp};
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::StoreError;
use crate::column::storable;

/// An INSERT that becomes an UPDATE where the key is there already.
pub(crate) struct Upsert {
    table: &'static str,
    key: &'static str,
    columns: Vec<(&'static str, Value)>,
}

enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
}

impl Upsert {
    /// `key`: the columns of the primary key, with commas between them.
    pub(crate) fn into(table: &'static str, key: &'static str) -> Self {
        Self { table, key, columns: Vec::new() }
    }

    /// A SID or a word.
    pub(crate) fn word(self, column: &'static str, word: impl ToString) -> Self {
        self.push(column, Value::Text(Some(word.to_string())))
    }

    /// A SID or a word that may be absent.
    pub(crate) fn word_if(self, column: &'static str, word: Option<impl ToString>) -> Self {
        self.push(column, Value::Text(word.map(|word| word.to_string())))
    }

    /// A text.
    pub(crate) fn text(self, column: &'static str, text: &str) -> Result<Self, StoreError> {
        let text = storable(text, column)?.to_owned();
        Ok(self.push(column, Value::Text(Some(text))))
    }

    /// A text that may be absent.
    pub(crate) fn text_if(self, column: &'static str, text: Option<&str>) -> Result<Self, StoreError> {
        match text {
            Some(text) => self.text(column, text),
            None => Ok(self.push(column, Value::Text(None))),
        }
    }

    /// A URL and its method.
    pub(crate) fn hook(self, [url, method]: [&'static str; 2], hook: &Hook) -> Result<Self, StoreError> {
        Ok(self.text_if(url, hook.url.as_deref())?.word(method, hook.method))
    }

    /// A number, or a boolean as 0 or 1.
    pub(crate) fn number(self, column: &'static str, number: impl Into<i64>) -> Self {
        self.push(column, Value::Integer(Some(number.into())))
    }

    /// A number that may be absent.
    pub(crate) fn number_if(self, column: &'static str, number: Option<impl Into<i64>>) -> Self {
        self.push(column, Value::Integer(number.map(Into::into)))
    }

    /// A moment.
    pub(crate) fn time(self, column: &'static str, at: Timestamp) -> Self {
        self.number(column, at.micros())
    }

    /// A moment that may be absent.
    pub(crate) fn time_if(self, column: &'static str, at: Option<Timestamp>) -> Self {
        self.number_if(column, at.map(Timestamp::micros))
    }

    /// A span of time.
    pub(crate) fn span(self, column: &'static str, span: Duration) -> Self {
        self.number(column, i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
    }

    /// A span of time that may be absent.
    pub(crate) fn span_if(self, column: &'static str, span: Option<Duration>) -> Self {
        match span {
            Some(span) => self.span(column, span),
            None => self.number_if(column, None::<i64>),
        }
    }

    /// When it was made and last changed, and its place.
    pub(crate) fn times(self, created: Timestamp, updated: Timestamp, seq: i64) -> Self {
        self.time("created", created).time("updated", updated).number("seq", seq)
    }

    /// Runs it.
    pub(crate) async fn execute(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let mut sql = format!("INSERT INTO {} (", self.table);
        let mut values = String::new();
        let mut changes = String::new();
        for (index, (column, _)) in self.columns.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(sql, "{comma}{column}");
            let _ = write!(values, "{comma}${}", index + 1);
            let _ = write!(changes, "{comma}{column} = excluded.{column}");
        }
        let _ = write!(sql, ") VALUES ({values}) ON CONFLICT ({}) DO UPDATE SET {changes}", self.key);
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (_, value) in self.columns {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Integer(number) => query.bind(number),
            };
        }
        query.execute(connection).await?;
        Ok(())
    }

    fn push(mut self, column: &'static str, value: Value) -> Self {
        self.columns.push((column, value));
        self
    }
}
