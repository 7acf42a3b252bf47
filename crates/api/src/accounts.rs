//! Accounts (rest-voice §2): read only.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use model::Account;
use serde::Serialize;
use serde_json::{Map, Value};
use store::AccountFilter;

use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, VERSION_PATH, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /Accounts.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let filter = AccountFilter {
        friendly_name: parameters.filled("FriendlyName").map(str::to_owned),
        status: parameters.word_filter("Status", "active, suspended or closed")?,
    };
    let paging = Paging::read(&parameters)?;
    let page = paging.page(|sid| api.store.account_seq(caller.sid(), sid)).await?;
    let rows = api.store.accounts(caller.sid(), &filter, page).await?;
    Ok(paging.answer(
        "accounts",
        &format!("{VERSION_PATH}/Accounts"),
        &rows,
        |account| account.sid.to_string(),
        AccountJson::of,
    ))
}

/// `GET /Accounts/{Sid}.json`
pub(crate) async fn fetch(Extension(caller): Extension<Caller>) -> Response {
    json::ok(&AccountJson::of(&caller.account))
}

#[derive(Serialize)]
struct AccountJson {
    sid: String,
    owner_account_sid: String,
    friendly_name: String,
    auth_token: String,
    status: &'static str,
    r#type: &'static str,
    date_created: String,
    date_updated: String,
    uri: String,
    subresource_uris: Map<String, Value>,
}

impl AccountJson {
    fn of(account: &Account) -> Self {
        let path = account_path(account.sid);
        Self {
            sid: account.sid.to_string(),
            owner_account_sid: account.owner_account_sid.to_string(),
            friendly_name: account.friendly_name.clone(),
            auth_token: account.auth_token.clone(),
            status: account.status.as_str(),
            r#type: "Full",
            date_created: account.created.rfc2822(),
            date_updated: account.updated.rfc2822(),
            subresource_uris: SUBRESOURCES
                .iter()
                .map(|(name, file)| ((*name).to_owned(), format!("{path}/{file}.json").into()))
                .collect(),
            uri: format!("{path}.json"),
        }
    }
}

/// All that an account may have; most answer 404 here.
const SUBRESOURCES: &[(&str, &str)] = &[
    ("addresses", "Addresses"),
    ("applications", "Applications"),
    ("authorized_connect_apps", "AuthorizedConnectApps"),
    ("available_phone_numbers", "AvailablePhoneNumbers"),
    ("balance", "Balance"),
    ("calls", "Calls"),
    ("conferences", "Conferences"),
    ("connect_apps", "ConnectApps"),
    ("incoming_phone_numbers", "IncomingPhoneNumbers"),
    ("keys", "Keys"),
    ("messages", "Messages"),
    ("notifications", "Notifications"),
    ("outgoing_caller_ids", "OutgoingCallerIds"),
    ("queues", "Queues"),
    ("recordings", "Recordings"),
    ("short_codes", "SMS/ShortCodes"),
    ("signing_keys", "SigningKeys"),
    ("sip", "SIP"),
    ("transcriptions", "Transcriptions"),
    ("usage", "Usage"),
];
