//! Accounts (rest-voice §2): a main account, and subaccounts that it owns.
//!
//! A subaccount is an account of its own: its calls, its webhooks and their signatures know it only. What it may not do
//! is change what it is: that is for its owner, which also acts on it by naming it in the path.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use model::{Account, AccountStatus, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{AccountFilter, Rows};
use switch::{Answer, Command};

use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
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
    if caller.sees_itself_alone() {
        return Ok(alone(&caller.account, &filter, &paging));
    }
    let page = paging.page(|sid| api.store.account_seq(caller.sid(), sid)).await?;
    let rows = api.store.accounts(caller.sid(), &filter, page).await?;
    Ok(paging.answer("accounts", PATH, &rows, |account| account.sid.to_string(), AccountJson::of))
}

/// A subaccount sees itself, and so does a key its account.
fn alone(account: &Account, filter: &AccountFilter, paging: &Paging) -> Response {
    let fits = filter.friendly_name.as_ref().is_none_or(|name| *name == account.friendly_name)
        && filter.status.is_none_or(|status| status == account.status)
        && paging.window().0 == 0;
    let rows = Rows { rows: Vec::from_iter(fits.then_some(account)), more: false };
    paging.answer_by_number("accounts", PATH, &rows, |account| AccountJson::of(account))
}

/// `POST /Accounts.json`: a subaccount.
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    if !caller.is_parent() {
        return Err(Problem::OnlyParent);
    }
    let now = api.now();
    let account = Account {
        sid: api.account_sid(),
        owner_account_sid: caller.sid(),
        friendly_name: friendly_name(&parameters)?.map_or_else(|| name_by_date(now), str::to_owned),
        auth_token: api.secret(),
        status: AccountStatus::Active,
        created: now,
        updated: now,
    };
    match api.store.add_subaccount(&account, SUBACCOUNTS_MAX).await? {
        true => Ok(json::answer(StatusCode::CREATED, &AccountJson::of(&account))),
        false => Err(Problem::TooManySubaccounts),
    }
}

/// `GET /Accounts/{Sid}.json`
pub(crate) async fn fetch(Extension(caller): Extension<Caller>) -> Response {
    json::ok(&AccountJson::of(&caller.account))
}

/// `POST /Accounts/{Sid}.json`: another name, or another status.
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let name = friendly_name(&parameters)?;
    let expected = "active, suspended or closed";
    let wrong = |_| Problem::Invalid { code: 21475, name: "Status", expected };
    let status = parameters.filled("Status").map(|text| text.parse().map_err(wrong)).transpose()?;

    let _turn = api.account_change().await;
    let account = api.store.account(caller.sid()).await?.ok_or(Problem::NotFound)?;
    if account.status == AccountStatus::Closed {
        return Err(Problem::AccountClosed);
    }
    let status = status.filter(|status| *status != account.status);
    if status.is_some() && caller.is_parent() {
        return Err(Problem::ParentStatus);
    }
    if status.is_some() && caller.acts_as() == caller.sid() {
        return Err(Problem::OnlyParent);
    }
    if name.is_none() && status.is_none() {
        return Ok(json::ok(&AccountJson::of(&account)));
    }
    // Who may not act stops acting first, and who may again begins last: what fails in between errs on that side.
    if let Some(status @ (AccountStatus::Suspended | AccountStatus::Closed)) = status {
        tell_switch(&api, &account, status).await?;
    }
    let account = api.store.update_account(account.sid, name, status, api.now()).await?;
    let account = account.ok_or(Problem::AccountClosed)?;
    api.feeds.credentials_changed();
    if let Some(status @ AccountStatus::Active) = status {
        tell_switch(&api, &account, status).await?;
    }
    Ok(json::ok(&AccountJson::of(&account)))
}

async fn tell_switch(api: &Api, account: &Account, status: AccountStatus) -> Result<(), Problem> {
    match api.command(Command::SetAccountStatus { account: account.sid, status }).await? {
        Answer::AccountStatus(_) => Ok(()),
        other => Err(Problem::mismatch(&other)),
    }
}

fn friendly_name(parameters: &Parameters) -> Result<Option<&str>, Problem> {
    let name = parameters.filled("FriendlyName");
    match name.filter(|name| name.chars().count() > FRIENDLY_NAME_CHARACTERS_MAX) {
        Some(_) => Err(Problem::Invalid { code: 20002, name: "FriendlyName", expected: "at most 64 characters" }),
        None => Ok(name),
    }
}

/// What a subaccount is called whose owner does not say.
fn name_by_date(now: Timestamp) -> String {
    let (year, month, day) = now.date();
    let minutes = now.seconds().rem_euclid(24 * 3600) / 60;
    let (hour, minute) = (minutes / 60, minutes % 60);
    let half = if hour < 12 { "am" } else { "pm" };
    format!("SubAccount Created at {year:04}-{month:02}-{day:02} {:02}:{minute:02} {half}", (hour + 11) % 12 + 1)
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

/// Of the list.
const PATH: &str = "/2010-04-01/Accounts";
/// Longest `FriendlyName`, in characters.
const FRIENDLY_NAME_CHARACTERS_MAX: usize = 64;
/// Subaccounts of one account that are not closed (21480).
const SUBACCOUNTS_MAX: u32 = 10_000;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subaccount_without_a_name_is_called_after_its_birth() {
        for (seconds, want) in [
            (0, "SubAccount Created at 1970-01-01 12:00 am"),
            (1_770_714_487, "SubAccount Created at 2026-02-10 09:08 am"),
            (43_260, "SubAccount Created at 1970-01-01 12:01 pm"),
            (86_399, "SubAccount Created at 1970-01-01 11:59 pm"),
        ] {
            assert_eq!(name_by_date(Timestamp::from_micros(seconds * 1_000_000)), want);
        }
    }
}
