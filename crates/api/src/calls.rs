//! Calls (rest-voice §3).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use model::{AnsweredBy, Call, CallSid, CallStatus, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use store::CallFilter;
use switch::{Answer, CallChange, Command, Refusal};

use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, API_VERSION, account_path};
use crate::new_call::{call_change, new_call};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /Calls.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let filter = CallFilter {
        to: parameters.filled("To").map(address),
        from: parameters.filled("From").map(address),
        parent_call_sid: parameters.call_sid("ParentCallSid")?,
        status: parameters.word_filter("Status", "a status of a call")?,
        started: parameters.span(["StartTime", "StartTime<", "StartTime>"])?,
        ended: parameters.span(["EndTime", "EndTime<", "EndTime>"])?,
    };
    let paging = Paging::read(&parameters)?;
    let page = paging.page(|sid| api.store.call_seq(caller.sid(), sid)).await?;
    let rows = api.store.calls(caller.sid(), &filter, page).await?;
    let path = format!("{}/Calls", account_path(caller.sid()));
    Ok(paging.answer("calls", &path, &rows, |call| call.sid.to_string(), CallJson::of))
}

/// `POST /Calls.json`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let new = new_call(caller.sid(), &parameters)?;
    match api.command(Command::CreateCall(Box::new(new))).await? {
        Answer::Call(call) => Ok(json::answer(StatusCode::CREATED, &CallJson::of(&call))),
        other => Err(Problem::mismatch(&other)),
    }
}

/// `GET /Calls/{CA}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, call)): Path<(String, String)>,
) -> Result<Response, Problem> {
    Ok(json::ok(&CallJson::of(&stored(&api, &caller, &call).await?)))
}

/// `POST /Calls/{CA}.json`: ends the call, or gives it something else to do.
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, call)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    // What is wrong with the parameters is said even of a call that is not there.
    let change = call_change(caller.sid(), CallSid::from_bits(0), &parameters)?;
    let call = stored(&api, &caller, &call).await?;
    let change = CallChange { call: call.sid, ..change };
    if change == CallChange::none(caller.sid(), call.sid) {
        return Ok(json::ok(&CallJson::of(&call)));
    }
    let redirects = change.instructions.is_some();
    if redirects && change.end.is_none() && call.status != CallStatus::InProgress {
        return Err(Problem::NotInProgress);
    }
    match api.command(Command::UpdateCall(Box::new(change))).await {
        Ok(Answer::Call(call)) => Ok(json::ok(&CallJson::of(&call))),
        Ok(other) => Err(Problem::mismatch(&other)),
        // Over by now, and what is over stays as it is.
        Err(Problem::Refused(Refusal::CallNotFound)) if redirects => Err(Problem::NotInProgress),
        Err(Problem::Refused(Refusal::CallNotFound)) => {
            Ok(json::ok(&CallJson::of(&stored(&api, &caller, &call.sid.to_string()).await?)))
        }
        Err(problem) => Err(problem),
    }
}

/// `DELETE /Calls/{CA}.json`: forgets a call that is over.
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, call)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let call = stored(&api, &caller, &call).await?;
    if !call.status.is_final() {
        return Err(Problem::CallNotOver);
    }
    match api.store.delete_call(caller.sid(), call.sid, api.now()).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(Problem::NotFound), // somebody else was quicker
    }
}

/// The call that a path names.
pub(crate) async fn stored(api: &Api, caller: &Caller, sid: &str) -> Result<Call, Problem> {
    let sid: CallSid = sid.parse().map_err(|_| Problem::NotFound)?;
    api.store.call(caller.sid(), sid).await?.ok_or(Problem::NotFound)
}

/// A number is compared without the punctuation that people write it with (rest-voice §1.10).
fn address(text: &str) -> String {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    let is_number = digits.strip_prefix('+').unwrap_or(&digits).bytes().all(|b| b.is_ascii_digit());
    if is_number { digits } else { text.to_owned() }
}

#[derive(Serialize)]
struct CallJson {
    sid: String,
    account_sid: String,
    parent_call_sid: Option<String>,
    to: String,
    to_formatted: String,
    from: String,
    from_formatted: String,
    phone_number_sid: Option<String>,
    status: &'static str,
    start_time: Option<String>,
    end_time: Option<String>,
    duration: Option<String>,
    price: Option<String>,
    price_unit: &'static str,
    direction: &'static str,
    answered_by: Option<&'static str>,
    api_version: &'static str,
    forwarded_from: Option<String>,
    group_sid: Option<String>,
    caller_name: Option<String>,
    queue_time: &'static str,
    trunk_sid: Option<String>,
    date_created: String,
    date_updated: String,
    uri: String,
    subresource_uris: Map<String, Value>,
}

impl CallJson {
    fn of(call: &Call) -> Self {
        let path = format!("{}/Calls/{}", account_path(call.account_sid), call.sid);
        let talked = call.answered.zip(call.ended).map(|(answered, ended)| ended.since(answered).as_secs());
        Self {
            sid: call.sid.to_string(),
            account_sid: call.account_sid.to_string(),
            parent_call_sid: call.parent_call_sid.map(|sid| sid.to_string()),
            to: call.to.clone(),
            to_formatted: formatted(&call.to),
            from: call.from.clone(),
            from_formatted: formatted(&call.from),
            phone_number_sid: call.phone_number_sid.map(|sid| sid.to_string()),
            status: call.status.as_str(),
            start_time: call.started.map(Timestamp::rfc2822),
            end_time: call.ended.map(Timestamp::rfc2822),
            duration: talked.map(|seconds| seconds.to_string()),
            price: None, // nobody sells these calls
            price_unit: "USD",
            direction: call.direction.as_str(),
            answered_by: call.answered_by.map(AnsweredBy::as_str),
            api_version: API_VERSION,
            forwarded_from: call.forwarded_from.clone(),
            group_sid: None,
            caller_name: call.caller_name.clone(),
            queue_time: "0", // calls are placed at once
            trunk_sid: None,
            date_created: call.created.rfc2822(),
            date_updated: call.updated.rfc2822(),
            subresource_uris: SUBRESOURCES
                .iter()
                .map(|(name, file)| ((*name).to_owned(), format!("{path}/{file}.json").into()))
                .collect(),
            uri: format!("{path}.json"),
        }
    }
}

/// `(500) 555-0006` for a number of North America, anything else as it is.
pub(crate) fn formatted(address: &str) -> String {
    let national = address.strip_prefix("+1").filter(|n| n.len() == 10 && n.bytes().all(|b| b.is_ascii_digit()));
    match national {
        Some(number) => format!("({}) {}-{}", &number[..3], &number[3..6], &number[6..]),
        None => address.to_owned(),
    }
}

const SUBRESOURCES: &[(&str, &str)] = &[
    ("events", "Events"),
    ("notifications", "Notifications"),
    ("payments", "Payments"),
    ("recordings", "Recordings"),
    ("siprec", "Siprec"),
    ("streams", "Streams"),
    ("transcriptions", "Transcriptions"),
    ("user_defined_message_subscriptions", "UserDefinedMessageSubscriptions"),
    ("user_defined_messages", "UserDefinedMessages"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_and_compared_as_people_write_them() {
        for (case, text, want) in [
            ("North America", "+15005550006", "(500) 555-0006"),
            ("elsewhere", "+442071838750", "+442071838750"),
            ("one digit short", "+1500555000", "+1500555000"),
            ("a SIP address", "sip:standup@bridge.test", "sip:standup@bridge.test"),
            ("not ASCII", "+1５00555000", "+1５00555000"),
        ] {
            assert_eq!(formatted(text), want, "{case}");
        }
        for (text, want) in [
            ("+1 (500) 555-0006", "+15005550006"),
            ("500.555.0006", "5005550006"),
            ("sip:a-b.c@bridge.test", "sip:a-b.c@bridge.test"),
        ] {
            assert_eq!(address(text), want);
        }
    }
}
