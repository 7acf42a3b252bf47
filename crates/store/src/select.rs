//! A list: which rows, in which order, how many, from where.
//!
//! Newest first by `seq`. The text is put together from constants only; values travel as arguments.

use std::fmt::Write as _;

use model::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, SqliteExecutor, SqlitePool};

use crate::StoreError;

/// How many rows of a list, and where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most so many.
    pub size: u32,
    /// From here.
    pub position: Position,
}

/// Where in a list (newest first) a page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// After skipping so many of the newest rows: moves when rows arrive.
    Offset(u64),
    /// With the rows next older than this `seq`: stays where it is.
    After(i64),
    /// With the rows next newer than this `seq`, so that the page ends just before it.
    Before(i64),
}

/// One page of a list, newest first, or of the log, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Others follow.
    pub more: bool,
}

/// A stretch of time, from `from` on and up to but without `until`; open where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// First moment that is in.
    pub from: Option<Timestamp>,
    /// First moment that is out.
    pub until: Option<Timestamp>,
}

impl Span {
    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let later = self.from.max(other.from); // `None` sorts first
        let sooner = match (self.until, other.until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { from: later, until: sooner }
    }
}

/// A SELECT under construction.
pub(crate) struct Select {
    sql: String,
    arguments: Vec<Argument>,
}

#[derive(Clone)]
enum Argument {
    Text(String),
    Integer(i64),
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Argument {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Argument {
    fn from(flag: bool) -> Self {
        Self::Integer(flag.into())
    }
}

impl Select {
    /// `head` ends in a condition, to which others are added.
    pub(crate) fn new(head: &'static str) -> Self {
        Self { sql: head.to_owned(), arguments: Vec::new() }
    }

    /// Adds `value` as the next argument; `before` is the text in front of its placeholder, such as `" AND sid = "`.
    #[expect(private_bounds, reason = "arguments are texts, numbers and flags: nothing outside needs to name that")]
    pub(crate) fn push(mut self, before: &'static str, value: impl Into<Argument>) -> Self {
        self.arguments.push(value.into());
        let _ = write!(self.sql, "{before}${}", self.arguments.len()); // writing to a String cannot fail
        self
    }

    /// As [`Select::push`], for a filter that may not be set.
    #[expect(private_bounds, reason = "as for `push`")]
    pub(crate) fn push_if(self, before: &'static str, value: Option<impl Into<Argument>>) -> Self {
        match value {
            Some(value) => self.push(before, value),
            None => self,
        }
    }

    /// Adds text that has no value in it.
    pub(crate) fn text(mut self, text: &'static str) -> Self {
        self.sql.push_str(text);
        self
    }

    /// Keeps rows in which a column is one of these, if any are named; `before` ends in its name.
    pub(crate) fn one_of(mut self, before: &'static str, values: impl IntoIterator<Item = String>) -> Self {
        let mut separator = " IN (";
        for value in values {
            if separator != ", " {
                self.sql.push_str(before);
            }
            self = self.push(separator, value);
            separator = ", ";
        }
        if separator == ", " { self.text(")") } else { self }
    }

    /// Keeps rows in which that column is as the pattern says, if there is one; a backslash makes what follows ordinary.
    pub(crate) fn like_if(mut self, column: &'static str, pattern: Option<String>) -> Self {
        if let Some(pattern) = pattern {
            self = self.push(column, pattern);
            self.sql.push_str(" ESCAPE '\\'");
        }
        self
    }

    /// Keeps rows whose time lies in `span`.
    pub(crate) fn within(self, from: &'static str, until: &'static str, span: Span) -> Self {
        self.push_if(from, span.from.map(Timestamp::micros)).push_if(until, span.until.map(Timestamp::micros))
    }

    /// Runs it for one page.
    pub(crate) async fn page<T>(
        self,
        page: Page,
        readers: &SqlitePool,
        decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Rows<T>, StoreError> {
        let size = page.size as usize;
        let one_more = i64::from(page.size) + 1; // tells whether rows follow
        let select = match page.position {
            Position::Offset(rows) => self
                .push(" ORDER BY seq DESC LIMIT ", one_more)
                .push(" OFFSET ", i64::try_from(rows).unwrap_or(i64::MAX)),
            Position::After(seq) => self.push(" AND seq < ", seq).push(" ORDER BY seq DESC LIMIT ", one_more),
            Position::Before(seq) => {
                self.push(" AND seq > ", seq).push(" ORDER BY seq ASC LIMIT ", i64::from(page.size))
            }
        };
        let mut rows = select.all(readers, decode).await?;
        let more = match page.position {
            Position::Before(_) => {
                rows.reverse();
                true // the row this page was asked from
            }
            Position::Offset(_) | Position::After(_) => rows.len() > size,
        };
        rows.truncate(size);
        Ok(Rows { rows, more })
    }

    /// Runs it for one page of a list that begins with its oldest row: what is after a place is newer.
    pub(crate) async fn page_oldest_first<T>(
        self,
        page: Page,
        readers: &SqlitePool,
        decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Rows<T>, StoreError> {
        match page.position {
            Position::After(seq) => self.next_after(seq, page.size, readers, decode).await,
            Position::Offset(rows) => {
                let select = self
                    .push(" ORDER BY seq ASC LIMIT ", i64::from(page.size) + 1) // tells whether rows follow
                    .push(" OFFSET ", i64::try_from(rows).unwrap_or(i64::MAX));
                let mut rows = select.all(readers, decode).await?;
                let more = rows.len() > page.size as usize;
                rows.truncate(page.size as usize);
                Ok(Rows { rows, more })
            }
            Position::Before(seq) => {
                let select = self.push(" AND seq < ", seq).push(" ORDER BY seq DESC LIMIT ", i64::from(page.size));
                let mut rows = select.all(readers, decode).await?;
                rows.reverse();
                Ok(Rows { rows, more: true }) // the row this page was asked from
            }
        }
    }

    /// Runs it for the rows next newer than `seq`, oldest first.
    pub(crate) async fn next_after<T>(
        self,
        seq: i64,
        limit: u32,
        readers: impl SqliteExecutor<'_>,
        decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Rows<T>, StoreError> {
        let one_more = i64::from(limit) + 1; // tells whether rows follow
        let select = self.push(" AND seq > ", seq).push(" ORDER BY seq ASC LIMIT ", one_more);
        let mut rows = select.all(readers, decode).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok(Rows { rows, more })
    }

    /// Runs it for the first row, if there is one.
    pub(crate) async fn first<T>(
        self,
        readers: &SqlitePool,
        decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.push(" ORDER BY seq DESC LIMIT ", 1).all(readers, decode).await?.into_iter().next())
    }

    /// Runs it for every row, in whatever order.
    pub(crate) async fn all<T>(
        self,
        readers: impl SqliteExecutor<'_>,
        decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        #[cfg(test)]
        crate::testing::check_plan(&self.sql, !self.arguments.is_empty()).await;
        let mut query = sqlx::query(AssertSqlSafe(self.sql));
        for argument in self.arguments {
            query = match argument {
                Argument::Text(text) => query.bind(text),
                Argument::Integer(number) => query.bind(number),
            };
        }
        query.fetch_all(readers).await?.iter().map(decode).collect()
    }
}
