//! Events of a call: what its application asked us, and we it (rest-voice §10).

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use model::{AccountSid, CallEvent, CallSid, Timestamp};
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::auth::Caller;
use crate::calls;
use crate::form::{Form, encode};
use crate::json::{VERSION_PATH, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::webhook::kept;

/// `GET /Calls/{CA}/Events.json`: oldest first.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, call)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let call = calls::stored(&api, &caller, &call).await?;
    let paging = Paging::read(&parameters)?;
    // An event has no SID: its place is its name.
    let page = paging.page(|seq: i64| async move { Ok(Some(seq)) }).await?;
    let rows = api.store.call_events(caller.sid(), call.sid, page).await?;
    let path = format!("{}/Calls/{}/Events", account_path(caller.sid()), call.sid);
    Ok(paging.answer("events", &path, &rows, |(seq, _)| seq.to_string(), |(_, event)| shown(event)))
}

fn shown(event: &CallEvent) -> Value {
    // What is cut in the middle of an escape is still worth showing as far as it goes.
    let parameters = Form::parse(event.parameters.as_bytes()).unwrap_or_default();
    let parameters: Map<_, _> = parameters.iter().map(|(name, value)| (snake_case(name), json!(value))).collect();
    json!({
        "request": { "method": event.method, "url": event.url, "parameters": parameters },
        "response": {
            "response_code": event.status,
            "request_duration": u64::try_from(event.duration.as_millis()).unwrap_or(u64::MAX),
            "content_type": event.content_type,
            "response_body": event.body,
            "date_created": event.at.rfc2822(),
        },
    })
}

/// `CallSidToCoach` as `call_sid_to_coach`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 8);
    let mut after_lower = false;
    for character in name.chars() {
        if character.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// A request that changes a call: its answer makes it an event.
#[derive(Clone)]
pub(crate) struct Change {
    account: AccountSid,
    /// As the path names it; one that is just being made is named by the answer.
    call: Option<CallSid>,
    method: Method,
    url: String,
    at: Timestamp,
    arrived: Instant,
    parameters: Noted,
}

/// The parameters of a request, left here by whoever reads them.
#[derive(Clone, Default)]
pub(crate) struct Noted(Arc<Mutex<Option<Form>>>);

impl Noted {
    pub(crate) fn note(&self, form: &Form) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(form.clone());
    }

    /// As a form is written, passwords left out.
    fn text(&self) -> String {
        let form = self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let mut text = String::new();
        for (name, value) in form.iter() {
            let value = if name.to_ascii_lowercase().contains("password") { "***" } else { value };
            let separator = if text.is_empty() { "" } else { "&" };
            let _ = write!(text, "{separator}{}={}", encode(name), encode(value)); // writing to a String cannot fail
        }
        text
    }
}

impl Change {
    /// What a request to `path` changes, if it changes a call.
    pub(crate) fn of(
        api: &Api,
        caller: &Caller,
        (method, path): (&Method, &str),
        headers: &HeaderMap,
        arrived: Instant,
    ) -> Option<Self> {
        let call = changed_call(method, path)?;
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = header(header::HOST).unwrap_or_default();
        Some(Self {
            account: caller.sid(),
            call,
            method: method.clone(),
            url: format!("http://{host}{path}.json"),
            at: api.now(),
            arrived,
            parameters: Noted::default(),
        })
    }

    /// Where the request's parameters go.
    pub(crate) fn parameters(&self) -> Noted {
        self.parameters.clone()
    }

    /// Keeps the request among the events of its call, and hands its answer on.
    pub(crate) async fn keep(self, api: &Api, answer: Response) -> Response {
        let (head, body) = answer.into_parts();
        let Ok(body) = to_bytes(body, usize::MAX).await else {
            return Response::from_parts(head, Body::empty()); // ours are in memory, and cannot break off
        };
        let named = || {
            let answer: Value = serde_json::from_slice(&body).ok().filter(|_| head.status.is_success())?;
            ["call_sid", "sid"].iter().find_map(|name| answer[name].as_str()?.parse().ok())
        };
        if let Some(call) = self.call.or_else(named) {
            api.keep_event(CallEvent {
                account_sid: self.account,
                call_sid: call,
                method: self.method.to_string(),
                url: kept(&self.url),
                parameters: kept(&self.parameters.text()),
                status: Some(head.status.as_u16()),
                content_type: head
                    .headers
                    .get(header::CONTENT_TYPE)
                    .map_or("", |v| v.to_str().unwrap_or(""))
                    .to_owned(),
                body: kept(&String::from_utf8_lossy(&body)),
                at: self.at,
                duration: self.arrived.elapsed(),
            });
        }
        Response::from_parts(head, Body::from(body))
    }
}

/// Whether a request changes a call, and which if its path names it.
fn changed_call(method: &Method, path: &str) -> Option<Option<CallSid>> {
    let path = path.strip_prefix(VERSION_PATH)?.strip_prefix("/Accounts/")?;
    let segments: Vec<_> = path.split('/').skip(1).collect();
    match (segments.as_slice(), method.as_str()) {
        (_, "GET" | "HEAD" | "TRACE") => None,
        (["Calls", _], "DELETE") => None, // nobody can ask for the events of a call that is forgotten
        (["Calls"] | ["Conferences", _, "Participants"], _) => Some(None),
        (["Calls", call, ..] | ["Conferences", _, "Participants", call, ..], _) => call.parse().ok().map(Some),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_change_a_call_are_known_by_their_path() {
        let call = CallSid::from_bits(1);
        let named = Some(Some(call));
        for (method, path, want) in [
            (Method::GET, format!("/Calls/{call}"), None),
            (Method::POST, format!("/Calls/{call}"), named),
            (Method::PUT, format!("/Calls/{call}"), named),
            (Method::DELETE, format!("/Calls/{call}"), None),
            (Method::POST, format!("/Calls/{call}/Recordings"), named),
            (Method::POST, "/Calls".to_owned(), Some(None)),
            (Method::POST, "/Conferences/standup/Participants".to_owned(), Some(None)),
            (Method::DELETE, format!("/Conferences/standup/Participants/{call}"), named),
            (Method::POST, format!("/Conferences/standup/Participants/{call}/Tuning"), named),
            (Method::POST, "/Conferences/standup/Participants/by-label".to_owned(), None),
            (Method::POST, "/Conferences/standup".to_owned(), None),
        ] {
            let path = format!("/2010-04-01/Accounts/AC1{path}");
            assert_eq!(changed_call(&method, &path), want, "{method} {path}");
        }
    }

    #[test]
    fn names_are_written_as_json_writes_them() {
        for (name, want) in [
            ("CallSid", "call_sid"),
            ("CallSidToCoach", "call_sid_to_coach"),
            ("To", "to"),
            ("SipHeader_X-Tenant", "sip_header_x-tenant"),
            ("already_snake", "already_snake"),
            ("URL", "url"),
            ("", ""),
        ] {
            assert_eq!(snake_case(name), want);
        }
    }
}
