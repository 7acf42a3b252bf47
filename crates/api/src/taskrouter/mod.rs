//! TaskRouter (taskrouter §1 to §7, §12.3, §13): one file a resource, and here what they share.
//!
//! A page reads as the others: lists and single ones come from the store, changes go to the switch as one
//! [`WorkspaceOrder`] and come back as the row that is to be shown, with the names of others from the store. What is
//! malformed is refused here, by the table of a resource's parameters; what does not fit what there is, by the switch.

pub(crate) mod activities;
pub(crate) mod events;
mod instruction;
pub(crate) mod list;
mod matching;
pub(crate) mod reservations;
pub(crate) mod statistics;
pub(crate) mod task_channels;
pub(crate) mod task_queues;
pub(crate) mod tasks;
pub(crate) mod worker_channels;
pub(crate) mod workers;
pub(crate) mod workflows;
pub(crate) mod workspaces;

pub(crate) use instruction::of_json as instruction_of_json;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use model::{AccountSid, EventActor, RoutingRow, Timestamp, WorkspaceSid};
use serde::Serialize;
use store::{Span, TASK_ROUTER_EVENTS_KEPT_FOR};
use switch::routing::{RoutingAnswer, RoutingCommand, RoutingOrder, RoutingRefusal, WorkspaceOrder};
use switch::{Answer, Command, Refusal};

use crate::api::Api;
use crate::auth::Caller;
use crate::base_url::BaseUrl;
use crate::date;
use crate::json::{self, WORKSPACES_PATH};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// Where a request is about: whose, and what its path names.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) api: Arc<Api>,
    pub(crate) account: AccountSid,
    base: BaseUrl,
    path: HashMap<String, String>,
    if_match: Option<HeaderValue>,
    /// Who asks, as events tell.
    actor: EventActor,
}

impl FromRequestParts<Arc<Api>> for Scope {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, api).await.map_err(|_| Problem::NotFound)?;
        let path = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (caller, base) = (parts.extensions.get::<Caller>(), parts.extensions.get::<BaseUrl>());
        let (Some(caller), Some(base)) = (caller, base) else {
            tracing::error!("a request came past the front door");
            return Err(Problem::Internal);
        };
        let if_match = parts.headers.get(header::IF_MATCH).cloned();
        let (account, actor) = (caller.sid(), EventActor::Account(caller.sid()));
        Ok(Self { api: api.clone(), account, base: base.clone(), path, if_match, actor })
    }
}

impl Scope {
    /// What a worker's screen asks about.
    pub(crate) fn of_screen(
        api: Arc<Api>,
        account: AccountSid,
        workspace: WorkspaceSid,
        actor: EventActor,
        base: BaseUrl,
        if_match: Option<HeaderValue>,
    ) -> Self {
        let path = HashMap::from([("workspace".to_owned(), workspace.to_string())]);
        Self { api, account, base, path, if_match, actor }
    }

    /// The same further down.
    pub(crate) fn at(&self, names: &[(&str, &str)]) -> Self {
        let mut scope = self.clone();
        scope.path.extend(names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        scope
    }

    /// What the path has at that name.
    fn text(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// The SID that the path has at that name.
    fn sid<S: FromStr>(&self, name: &str) -> Result<S, Problem> {
        self.text(name).parse().map_err(|_| Problem::NotFound)
    }

    /// The workspace that the path names, whether or not there is one.
    fn workspace(&self) -> Result<WorkspaceSid, Problem> {
        self.sid("workspace")
    }

    /// The same, if there is one: a list of nothing is another thing than nothing to list.
    async fn existing_workspace(&self) -> Result<WorkspaceSid, Problem> {
        let sid = self.workspace()?;
        self.api.store.workspace(self.account, sid).await?.map(|_| sid).ok_or(Problem::NotFound)
    }

    /// The version that what is changed must have (`If-Match`, with quotes or without).
    fn if_match(&self) -> Result<Option<u32>, Problem> {
        let Some(value) = &self.if_match else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        if text.is_empty() || text == "*" {
            return Ok(None);
        }
        let version = text.strip_prefix("W/").unwrap_or(text).trim_matches('"').parse();
        // What is no version is nobody's.
        version.map(Some).map_err(|_| Problem::Refused(Refusal::Routing(RoutingRefusal::PreconditionFailed)))
    }

    /// An absolute URL below the workspaces.
    fn url(&self, workspace: WorkspaceSid, rest: impl Display) -> String {
        format!("{}{WORKSPACES_PATH}/{workspace}{rest}", self.base.as_str())
    }

    /// Has the switch change something in the workspace.
    pub(crate) async fn change(&self, order: WorkspaceOrder) -> Result<RoutingRow, Problem> {
        match self.order(RoutingOrder::In { workspace: self.workspace()?, order }).await? {
            RoutingAnswer::Row(row) => Ok(*row),
            other => Err(mismatch(other)),
        }
    }

    /// Has the switch delete something in the workspace.
    async fn delete(&self, order: WorkspaceOrder) -> Result<Response, Problem> {
        match self.order(RoutingOrder::In { workspace: self.workspace()?, order }).await? {
            RoutingAnswer::Removed => Ok(StatusCode::NO_CONTENT.into_response()),
            other => Err(mismatch(other)),
        }
    }

    async fn order(&self, order: RoutingOrder) -> Result<RoutingAnswer, Problem> {
        let command = RoutingCommand { account: self.account, actor: self.actor, order };
        match self.api.command(Command::Routing(Box::new(command))).await? {
            Answer::Routing(answer) => Ok(*answer),
            other => Err(Problem::mismatch(&other)),
        }
    }
}

/// The switch answered another order than the one it was given.
pub(crate) fn mismatch(answer: RoutingAnswer) -> Problem {
    Problem::mismatch(&Answer::Routing(Box::new(answer)))
}

/// What a change must have been answered with.
macro_rules! row {
    ($row:expr, $variant:ident) => {
        match $row {
            model::RoutingRow::$variant(row) => row,
            other => return Err($crate::taskrouter::mismatch(switch::routing::RoutingAnswer::Row(Box::new(other)))),
        }
    };
}
pub(crate) use row;

/// An answer with the version of what it shows.
fn versioned(status: StatusCode, version: u32, resource: &impl Serialize) -> Response {
    let mut response = json::answer(status, resource);
    let tag = HeaderValue::try_from(format!("\"{version}\"")).expect("a number in quotes");
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// Names and absolute URLs.
type Links = BTreeMap<&'static str, String>;

/// A shown name within its bound; a blank one is none.
fn name(parameters: &Parameters, of: &'static str) -> Result<Option<String>, Problem> {
    match parameters.get(of) {
        None => Ok(None),
        Some(name) if name.trim().is_empty() || name.chars().count() > NAME_CHARACTERS_MAX => {
            Err(Problem::Parameter { name: of, expected: "1 to 64 characters" })
        }
        Some(name) => Ok(Some(name.to_owned())),
    }
}

/// A shown name that must be there.
fn required_name(parameters: &Parameters, of: &'static str) -> Result<String, Problem> {
    let filled = parameters.get(of).filter(|name| !name.trim().is_empty());
    filled.ok_or(Problem::Missing { code: 20001, name: of })?;
    Ok(name(parameters, of)?.unwrap_or_default())
}

/// Attributes that replace those there are; empty they are none, as when something is made.
fn changed_attributes(parameters: &Parameters) -> Option<String> {
    let text = parameters.get("Attributes")?;
    Some(if text.is_empty() { "{}" } else { text }.to_owned())
}

/// A whole number within a range; without a value it is not said.
pub(crate) fn number<T: FromStr + PartialOrd>(
    parameters: &Parameters,
    name: &'static str,
    expected: &'static str,
    range: RangeInclusive<T>,
) -> Result<Option<T>, Problem> {
    match parameters.filled(name) {
        None => Ok(None),
        Some(_) => parameters.number(name, expected, range),
    }
}

/// A SID that a change or a filter names; without a value it is not said.
pub(crate) fn sid<S: FromStr>(parameters: &Parameters, name: &'static str) -> Result<Option<S>, Problem> {
    parameters.filled(name).map(|text| text.trim().parse().map_err(|_| Problem::SidMalformed { name })).transpose()
}

/// A boolean as a filter: `yes` and `no` will do, too.
fn yes_or_no(parameters: &Parameters, name: &'static str) -> Result<Option<bool>, Problem> {
    match parameters.filled(name).map(str::to_ascii_lowercase).as_deref() {
        Some("yes") => Ok(Some(true)),
        Some("no") => Ok(Some(false)),
        _ => parameters.flag_filter(name),
    }
}

/// Every value of that name, however they are put together: repeated, or between commas or blanks.
fn words<'a>(parameters: &'a Parameters, name: &str) -> impl Iterator<Item = &'a str> {
    let values = parameters.words(name).unwrap_or_default();
    values.into_iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty())
}

/// From `StartDate` to the end of `EndDate`, or so many `Minutes` up to that end, or to now.
fn span(parameters: &Parameters, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let end = dates(parameters, "EndDate")?.until.unwrap_or(now);
    span_to(parameters, end, now)
}

/// As above, of what is summed up: to the moment that `EndDate` names, or to the end of a day. It begins before it ends, and
/// is not all out of reach.
fn span_of_figures(parameters: &Parameters, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let end = match dates(parameters, "EndDate")? {
        Span { from: Some(from), until: Some(until) } if until.since(from) <= A_SECOND => from,
        Span { until, .. } => until.unwrap_or(now),
    };
    if end < before(now, TASK_ROUTER_EVENTS_KEPT_FOR) {
        return Err(Problem::StartTooOld);
    }
    let (start, end) = span_to(parameters, end, now)?;
    if start > end {
        return Err(Problem::Parameter { name: "StartDate", expected: "a date before the end" });
    }
    Ok((start, end))
}

fn span_to(parameters: &Parameters, end: Timestamp, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let minutes = number(parameters, "Minutes", "a number from 1 to 43200", 1..=MINUTES_MAX)?;
    let start = match dates(parameters, "StartDate")?.from {
        None => before(end, Duration::from_secs(minutes.unwrap_or(MINUTES_DEFAULT) * 60)),
        Some(start) if start < before(now, TASK_ROUTER_EVENTS_KEPT_FOR) => return Err(Problem::StartTooOld),
        Some(start) => start,
    };
    Ok((start, end))
}

fn before(end: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_micros(end.micros().saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
}

/// The day or the second that a parameter names.
fn dates(parameters: &Parameters, name: &'static str) -> Result<Span, Problem> {
    let expected = "YYYY-MM-DD or an ISO 8601 date and time";
    let Some(text) = parameters.filled(name) else { return Ok(Span::default()) };
    date::span(text).ok_or(Problem::Parameter { name, expected })
}

/// What a date with a time names.
const A_SECOND: Duration = Duration::from_secs(1);

/// Of a span that is not named otherwise (taskrouter §12.3, §13).
const MINUTES_DEFAULT: u64 = 15;
/// As far as what is kept reaches.
const MINUTES_MAX: u64 = 30 * 24 * 60;

/// Longest shown name (taskrouter §2 to §5).
const NAME_CHARACTERS_MAX: usize = 64;

/// What every resource's shown name is called.
const FRIENDLY_NAME: &str = "FriendlyName";
