//! Lists of version 1 (rest-voice §1.7): absolute URLs, and paging by token only (taskrouter §1).
//!
//! `PageToken` is `PA` and the SID of the last row seen, or `PB` and that of the first, to go back. In a list whose order
//! can change while it is read `PageKeys` has what that row was ordered by when it was seen.

use std::fmt::Write as _;
use std::future::Future;
use std::str::FromStr;

use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use store::{ListFrom, ListOrder, ListPage, ListPlace, OrderBy, OrderColumn, Rows, StoreError};

use crate::form::encode;
use crate::json;
use crate::paging::{AFTER, BEFORE, size, whole};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// A page of a list as a request asks for it.
pub(crate) struct List<'a> {
    parameters: &'a Parameters,
    number: u64,
    size: u32,
    token: Option<&'a str>,
    order: ListOrder,
}

impl<'a> List<'a> {
    /// Reads `Page`, `PageSize` and `PageToken` of a list in that order.
    pub(crate) fn read(parameters: &'a Parameters, order: ListOrder) -> Result<Self, Problem> {
        let token = parameters.filled("PageToken");
        let number = match parameters.filled("Page") {
            None => 0,
            Some(text) => whole(text).ok_or(Problem::Parameter { name: "Page", expected: "a number from 0 on" })?,
        };
        if number > 0 && token.is_none() {
            return Err(Problem::PageByNumber);
        }
        Ok(Self { parameters, number, size: size(parameters)?, token, order })
    }

    /// As [`List::read`], in the order that `Ordering` names of those that the list may have.
    pub(super) fn ordered(
        parameters: &'a Parameters,
        expected: &'static str,
        names: &[(&str, OrderBy)],
    ) -> Result<Self, Problem> {
        let wrong = || Problem::Parameter { name: ORDERING, expected };
        let mut columns = Vec::new();
        for pair in super::words(parameters, ORDERING) {
            let (name, direction) = pair.split_once(':').unwrap_or((pair, "asc"));
            let by = names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).ok_or_else(wrong)?.1;
            let descending = match direction.to_ascii_lowercase().as_str() {
                "asc" => false,
                "desc" => true,
                _ => return Err(wrong()),
            };
            columns.push(OrderColumn { by, descending });
        }
        let has = |by| columns.iter().any(|column| column.by == by);
        if has(OrderBy::Created) && has(OrderBy::VirtualStart) {
            return Err(wrong());
        }
        Self::read(parameters, ListOrder::new(columns))
    }

    /// Where in the store's list the page starts. `seq` finds the place of a row.
    pub(crate) async fn page<S, F>(&self, seq: impl FnOnce(S) -> F) -> Result<ListPage, Problem>
    where
        S: FromStr,
        F: Future<Output = Result<Option<i64>, StoreError>>,
    {
        let from = match self.token {
            None => None,
            Some(token) => {
                let (direction, sid) = token.split_at_checked(AFTER.len()).ok_or(Problem::PageToken)?;
                let sid = sid.parse().map_err(|_| Problem::PageToken)?;
                let place = ListPlace { keys: self.keys()?, seq: seq(sid).await?.ok_or(Problem::PageToken)? };
                Some(match direction {
                    AFTER => ListFrom::After(place),
                    BEFORE => ListFrom::Before(place),
                    _ => return Err(Problem::PageToken),
                })
            }
        };
        Ok(ListPage { size: self.size, order: self.order.clone(), from })
    }

    /// What the row that the page goes on from was ordered by.
    fn keys(&self) -> Result<Vec<i64>, Problem> {
        let text = self.parameters.filled(PAGE_KEYS).unwrap_or_default();
        let keys: Result<Vec<i64>, _> = text.split(',').filter(|key| !key.is_empty()).map(str::parse).collect();
        keys.ok().filter(|keys| keys.len() == self.order.keys().count()).ok_or(Problem::PageToken)
    }

    /// The answer: that page of the list `key` at `url`. `row` tells where a row stands.
    pub(super) fn answer<T, J: Serialize>(
        &self,
        key: &str,
        url: &str,
        list: &Rows<T>,
        row: impl Fn(&T) -> RowPlace,
        resource: impl Fn(&T) -> J,
    ) -> Response {
        let place = |direction: &str, of: &T| {
            let RowPlace { sid, keys } = row(of);
            (format!("{direction}{sid}"), keys)
        };
        let page_url = |number, from| self.url(url, number, from);
        let next =
            list.rows.last().filter(|_| list.more).map(|last| page_url(self.number + 1, Some(place(AFTER, last))));
        let first = list.rows.first().zip(self.number.checked_sub(1));
        let previous = first.map(|(first, number)| page_url(number, Some(place(BEFORE, first))));
        let this = self.token.map(|token| (token.to_owned(), self.keys().unwrap_or_default()));
        json::ok(&json!({
            key: list.rows.iter().map(resource).collect::<Vec<J>>(),
            "meta": {
                "key": key,
                "page": self.number,
                "page_size": self.size,
                "first_page_url": page_url(0, None),
                "previous_page_url": previous,
                "next_page_url": next,
                "url": page_url(self.number, this),
            },
        }) as &Value)
    }

    /// With the caller's filters.
    fn url(&self, url: &str, number: u64, from: Option<(String, Vec<i64>)>) -> String {
        let mut url = format!("{url}?");
        for (name, value) in self.parameters.iter().filter(|(name, _)| !PAGING.contains(name)) {
            let _ = write!(url, "{}={}&", encode(name), encode(value)); // writing to a String cannot fail
        }
        let _ = write!(url, "PageSize={}&Page={number}", self.size);
        if let Some((token, keys)) = from {
            let _ = write!(url, "&PageToken={}", encode(&token));
            let keys: Vec<String> = keys.iter().map(i64::to_string).collect();
            if !keys.is_empty() {
                let _ = write!(url, "&{PAGE_KEYS}={}", encode(&keys.join(",")));
            }
        }
        url
    }

    /// In which order.
    pub(super) fn order(&self) -> &ListOrder {
        &self.order
    }
}

/// What a page may go on from.
pub(crate) struct RowPlace {
    /// Its name.
    sid: String,
    /// What it is ordered by beside its creation.
    keys: Vec<i64>,
}

impl RowPlace {
    /// In a list by creation alone.
    pub(crate) fn of(sid: impl ToString) -> Self {
        Self { sid: sid.to_string(), keys: Vec::new() }
    }

    /// The one that the page after this goes on from, if there is another.
    pub(crate) fn next<T>(list: &Rows<T>, row: impl Fn(&T) -> Self) -> Option<Self> {
        list.rows.last().filter(|_| list.more).map(row)
    }

    /// Its name.
    pub(crate) fn sid(&self) -> &str {
        &self.sid
    }

    /// Its name, and what it is ordered by: `SID.key,key`.
    pub(crate) fn token(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(i64::to_string).collect();
        match keys.is_empty() {
            true => self.sid.clone(),
            false => format!("{}.{}", self.sid, keys.join(",")),
        }
    }

    /// In any other; `value` is what the row has of each key.
    pub(super) fn in_order(order: &ListOrder, sid: impl ToString, value: impl Fn(OrderBy) -> i64) -> Self {
        Self { sid: sid.to_string(), keys: order.keys().map(value).collect() }
    }
}

const ORDERING: &str = "Ordering";
const PAGE_KEYS: &str = "PageKeys";
const PAGING: [&str; 4] = ["Page", "PageSize", "PageToken", PAGE_KEYS];
