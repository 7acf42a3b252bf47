//! The log of what happened in conferences, to calls and in queues: ours, for people, tests and those who would rather ask
//! than be called.
//!
//! Oldest first. Whoever asks again with the `after` of the last answer misses nothing and sees nothing twice, as long as
//! the store keeps it: what came before `pruned` is gone. Whoever would rather be told asks for a WebSocket.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequest as _, Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use store::LoggedEvent;

use crate::api::Api;
use crate::auth::Caller;
use crate::events_socket;
use crate::json;
use crate::media_statistics;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /partyline/v1/events`, of the credentials' account or `AccountSid`, one of its own: a page, or a WebSocket.
pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let mut asked = Request::new(Body::empty());
    *asked.uri_mut() = request.uri().clone();
    let parameters = Parameters::from_request(asked, &api).await?;
    let caller = match parameters.filled("AccountSid") {
        Some(account) => caller.acting_on(&api, account).await?,
        None => caller,
    };
    match events_socket::is_wanted(request.headers()) {
        true => events_socket::open(&api, &caller, request, &parameters).await,
        false => list(&api, &caller, &parameters).await,
    }
}

/// From where on: `after`, or as REST writes its parameters, `After`.
pub(crate) fn after(parameters: &Parameters) -> Result<Option<i64>, Problem> {
    match parameters.whole("after")? {
        Some(after) => Ok(Some(after)),
        None => parameters.whole("After"),
    }
}

/// `?after=SEQ&Limit=N`
async fn list(api: &Api, caller: &Caller, parameters: &Parameters) -> Result<Response, Problem> {
    let after = after(parameters)?.unwrap_or(0);
    let limit = match parameters.whole("Limit")? {
        None => LIMIT_DEFAULT,
        Some(0) => return Err(Problem::Parameter { name: "Limit", expected: "a number from 1 on" }),
        Some(limit) => u32::try_from(limit).unwrap_or(LIMIT_MAX).min(LIMIT_MAX),
    };
    let (page, bounds) = api.store.events(caller.sid(), after, limit).await?;
    let account = caller.sid().to_string();
    let events: Vec<_> = page.rows.iter().map(|event| event_json(&account, event)).collect();
    let after = page.rows.last().map_or(after, |last| last.seq);
    Ok(json::ok(&json!({ "events": events, "after": after, "more": page.more, "pruned": bounds.pruned })))
}

/// One event, wherever it is told.
pub(crate) fn event_json(account: &str, event: &LoggedEvent) -> Value {
    json!({
        "seq": event.seq,
        "type": event.name,
        "account_sid": account,
        "conference_sid": event.conference_sid.map(|sid| sid.to_string()),
        "call_sid": event.call_sid.map(|sid| sid.to_string()),
        "queue_sid": event.queue_sid.map(|sid| sid.to_string()),
        "date_created": event.at.rfc2822(),
        "parameters": event.parameters,
        "media_statistics": event.leg_stats.as_ref().map(media_statistics::shown),
    })
}

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;
