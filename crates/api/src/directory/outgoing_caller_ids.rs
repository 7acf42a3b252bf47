//! Numbers of others that an account's calls may be shown to come from (rest-voice §8).
//!
//! Twilio has whoever answers that number type a code. Here the account's own word counts: POST allows the number at
//! once, and its answer has neither call nor code.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{DirectoryRow, OutgoingCallerId};
use serde::Serialize;
use store::CallerIdFilter;
use switch::{Command, DirectoryCommand};

use super::{NotE164, change, delete as deleted, e164, friendly_name, sid};
use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
use crate::new_call::link;
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /OutgoingCallerIds.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let filter = CallerIdFilter {
        friendly_name: parameters.filled("FriendlyName").map(str::to_owned),
        phone_number: parameters.filled("PhoneNumber").map(|text| e164(text).unwrap_or_else(|_| text.to_owned())),
    };
    let paging = Paging::read(&parameters)?;
    let page = paging.page(|sid| api.store.outgoing_caller_id_seq(caller.sid(), sid)).await?;
    let rows = api.store.outgoing_caller_ids(caller.sid(), &filter, page).await?;
    let path = format!("{}/OutgoingCallerIds", account_path(caller.sid()));
    Ok(paging.answer("outgoing_caller_ids", &path, &rows, |row| row.sid.to_string(), CallerIdJson::of))
}

/// `POST /OutgoingCallerIds.json`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let number = parameters.filled("PhoneNumber").ok_or(Problem::Missing { code: 20001, name: "PhoneNumber" })?;
    let phone_number = e164(number).map_err(|why| Problem::Invalid {
        code: if why == NotE164::Malformed { 21401 } else { 21421 },
        name: "PhoneNumber",
        expected: "a plus, a country code and a number, such as +15005550006",
    })?;
    // Nobody is called, so that there is nothing to wait for, and nothing to tell of.
    parameters.number("CallDelay", "seconds from 0 to 60", 0..=60_u8)?;
    link(&parameters, "StatusCallback", "StatusCallbackMethod", 21609)?;
    let command = DirectoryCommand::CreateCallerId {
        account: caller.sid(),
        phone_number,
        friendly_name: friendly_name(&parameters, 20002)?.filter(|name| !name.is_empty()),
    };
    change(&api, command, StatusCode::OK, |row| match row {
        DirectoryRow::OutgoingCallerId(row) => Some(ValidationJson {
            account_sid: row.account_sid.to_string(),
            call_sid: None,
            friendly_name: row.friendly_name.clone(),
            phone_number: row.phone_number.clone(),
            validation_code: None,
        }),
        _ => None,
    })
    .await
}

/// `GET /OutgoingCallerIds/{PN}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, number)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let row = api.store.outgoing_caller_id(caller.sid(), sid(&number)?).await?.ok_or(Problem::NotFound)?;
    Ok(json::ok(&CallerIdJson::of(&row)))
}

/// `POST /OutgoingCallerIds/{PN}.json`
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, number)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::UpdateCallerId {
        account: caller.sid(),
        sid: sid(&number)?,
        friendly_name: friendly_name(&parameters, 20002)?.filter(|name| !name.is_empty()),
    };
    change(&api, command, StatusCode::OK, |row| match row {
        DirectoryRow::OutgoingCallerId(row) => Some(CallerIdJson::of(row)),
        _ => None,
    })
    .await
}

/// `DELETE /OutgoingCallerIds/{PN}.json`
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, number)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::DeleteCallerId { account: caller.sid(), sid: sid(&number)? };
    deleted(&api, Command::Directory(command)).await
}

#[derive(Serialize)]
struct ValidationJson {
    account_sid: String,
    call_sid: Option<String>,
    friendly_name: String,
    phone_number: String,
    validation_code: Option<String>,
}

#[derive(Serialize)]
struct CallerIdJson {
    sid: String,
    account_sid: String,
    friendly_name: String,
    phone_number: String,
    date_created: String,
    date_updated: String,
    uri: String,
}

impl CallerIdJson {
    fn of(row: &OutgoingCallerId) -> Self {
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            friendly_name: row.friendly_name.clone(),
            phone_number: row.phone_number.clone(),
            date_created: row.created.rfc2822(),
            date_updated: row.updated.rfc2822(),
            uri: format!("{}/OutgoingCallerIds/{}.json", account_path(row.account_sid), row.sid),
        }
    }
}
