//! Pages of a list (rest-voice §1.6).
//!
//! A page is asked for by number, or by the row it is to start from: `PA` and the SID of the last row seen, so
//! that rows that arrive in between move nothing. `PB` and the SID of the first row seen leads back.

use std::fmt::Write as _;
use std::future::Future;
use std::str::FromStr;

use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{Page, Position, Rows, StoreError};

use crate::form::encode;
use crate::json;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// A page as a request asks for it.
pub(crate) struct Paging<'a> {
    parameters: &'a Parameters,
    number: u64,
    size: u32,
    token: Option<&'a str>,
}

impl<'a> Paging<'a> {
    /// Reads `Page`, `PageSize` and `PageToken`.
    pub(crate) fn read(parameters: &'a Parameters) -> Result<Self, Problem> {
        let number = match parameters.filled("Page") {
            None => 0,
            Some(text) => {
                let number = whole(text).ok_or(Problem::Parameter { name: "Page", expected: "a number from 0 on" })?;
                number.min(PAGE_MAX)
            }
        };
        Ok(Self { parameters, number, size: size(parameters)?, token: parameters.filled("PageToken") })
    }

    /// Where in the store's list the page starts. `seq` finds the place of a row.
    pub(crate) async fn page<S, F>(&self, seq: impl FnOnce(S) -> F) -> Result<Page, Problem>
    where
        S: FromStr,
        F: Future<Output = Result<Option<i64>, StoreError>>,
    {
        let position = match self.token {
            None => Position::Offset(self.number.saturating_mul(self.size.into())),
            Some(token) => {
                let (direction, sid) = token.split_at_checked(AFTER.len()).ok_or(Problem::PageToken)?;
                let sid = sid.parse().map_err(|_| Problem::PageToken)?;
                let seq = seq(sid).await?.ok_or(Problem::PageToken)?;
                match direction {
                    AFTER => Position::After(seq),
                    BEFORE => Position::Before(seq),
                    _ => return Err(Problem::PageToken),
                }
            }
        };
        Ok(Page { size: self.size, position })
    }

    /// How many rows come before the page, and how many it has: for lists whose rows have no lasting places.
    pub(crate) fn window(&self) -> (usize, usize) {
        let skip = self.number.saturating_mul(self.size.into());
        (usize::try_from(skip).unwrap_or(usize::MAX), self.size as usize)
    }

    /// The answer of such a list: its pages are asked for by number alone.
    pub(crate) fn answer_by_number<T, J: Serialize>(
        &self,
        key: &str,
        path: &str,
        list: &Rows<T>,
        resource: impl Fn(&T) -> J,
    ) -> Response {
        self.write(key, path, list, |_| None, resource)
    }

    /// The answer: that page of the list `key` at `path`.
    pub(crate) fn answer<T, J: Serialize>(
        &self,
        key: &str,
        path: &str,
        list: &Rows<T>,
        sid: impl Fn(&T) -> String,
        resource: impl Fn(&T) -> J,
    ) -> Response {
        self.write(key, path, list, |row| Some(sid(row)), resource)
    }

    fn write<T, J: Serialize>(
        &self,
        key: &str,
        path: &str,
        list: &Rows<T>,
        sid: impl Fn(&T) -> Option<String>,
        resource: impl Fn(&T) -> J,
    ) -> Response {
        let token = |direction: &str, row: &T| sid(row).map(|sid| format!("{direction}{sid}"));
        let rows: Vec<J> = list.rows.iter().map(resource).collect();
        let uri = |number: u64, token: Option<String>| self.uri(path, number, token);
        let next = list.rows.last().filter(|_| list.more);
        let next = next.map(|last| uri(self.number + 1, token(AFTER, last)));
        let previous = self.number.checked_sub(1);
        let previous = previous.map(|number| uri(number, list.rows.first().and_then(|first| token(BEFORE, first))));
        let start = if rows.is_empty() { 0 } else { self.number.saturating_mul(self.size.into()) };

        let mut body = Map::new();
        body.insert(key.to_owned(), json!(rows));
        body.insert("page".to_owned(), json!(self.number));
        body.insert("page_size".to_owned(), json!(self.size));
        body.insert("start".to_owned(), json!(start));
        body.insert("end".to_owned(), json!(start + (rows.len() as u64).saturating_sub(1)));
        body.insert("uri".to_owned(), json!(uri(self.number, self.token.map(str::to_owned))));
        body.insert("first_page_uri".to_owned(), json!(uri(0, None)));
        body.insert("next_page_uri".to_owned(), json!(next));
        body.insert("previous_page_uri".to_owned(), json!(previous));
        json::ok(&Value::Object(body))
    }

    /// Relative to the host, with the caller's filters.
    fn uri(&self, path: &str, number: u64, token: Option<String>) -> String {
        let mut uri = format!("{path}.json?");
        for (name, value) in self.parameters.iter().filter(|(name, _)| !PAGING.contains(name)) {
            let _ = write!(uri, "{}={}&", encode(name), encode(value)); // writing to a String cannot fail
        }
        let _ = write!(uri, "PageSize={}&Page={number}", self.size);
        if let Some(token) = token {
            let _ = write!(uri, "&PageToken={}", encode(&token));
        }
        uri
    }
}

/// Reads `PageSize`.
pub(crate) fn size(parameters: &Parameters) -> Result<u32, Problem> {
    match parameters.filled("PageSize") {
        None => Ok(SIZE_DEFAULT),
        Some(text) => match whole(text).ok_or(Problem::PageSize)? {
            0 => Err(Problem::PageSize),
            size => Ok(u32::try_from(size).unwrap_or(SIZE_MAX).min(SIZE_MAX)),
        },
    }
}

/// A number written with digits only; one too large to count with is as large as one gets.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

pub(crate) const AFTER: &str = "PA";
pub(crate) const BEFORE: &str = "PB";
const PAGING: [&str; 3] = ["Page", "PageSize", "PageToken"];
const SIZE_DEFAULT: u32 = 50;
const SIZE_MAX: u32 = 1000;
/// Past any list; keeps the row numbers of a page countable.
const PAGE_MAX: u64 = u32::MAX as u64;
