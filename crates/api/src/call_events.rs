//! Events of a call: what its application asked us, and we it (rest-voice §10).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use model::CallEvent;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::auth::Caller;
use crate::calls;
use crate::form::Form;
use crate::json::account_path;
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

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

#[cfg(test)]
mod tests {
    use super::*;

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
