//! IP access control lists (rest-voice §9).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{DirectoryRow, IpAccessControlList};
use serde::Serialize;
use serde_json::{Value, json};
use switch::{Command, DirectoryCommand};

use super::{change, delete as deleted, required_name, sid};
use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self as answers, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /SIP/IpAccessControlLists.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let paging = Paging::read(&parameters)?;
    let page = paging.page(|sid| api.store.ip_access_control_list_seq(caller.sid(), sid)).await?;
    let rows = api.store.ip_access_control_lists(caller.sid(), page).await?;
    let path = format!("{}/SIP/IpAccessControlLists", account_path(caller.sid()));
    Ok(paging.answer("ip_access_control_lists", &path, &rows, |row| row.sid.to_string(), ListJson::of))
}

/// `POST /SIP/IpAccessControlLists.json`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let friendly_name = required_name(&parameters, FIELDS)?;
    let command = DirectoryCommand::CreateIpList { account: caller.sid(), friendly_name };
    change(&api, command, StatusCode::CREATED, shown).await
}

/// `GET /SIP/IpAccessControlLists/{AL}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let row = api.store.ip_access_control_list(caller.sid(), sid(&list)?).await?.ok_or(Problem::NotFound)?;
    Ok(answers::ok(&ListJson::of(&row)))
}

/// `POST /SIP/IpAccessControlLists/{AL}.json`
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let list = sid(&list)?;
    let friendly_name = required_name(&parameters, FIELDS)?;
    let command = DirectoryCommand::UpdateIpList { account: caller.sid(), sid: list, friendly_name };
    change(&api, command, StatusCode::OK, shown).await
}

/// `DELETE /SIP/IpAccessControlLists/{AL}.json`
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::DeleteIpList { account: caller.sid(), sid: sid(&list)? };
    deleted(&api, Command::Directory(command)).await
}

/// What is wrong with a field of an IP access control list.
const FIELDS: u32 = 21235;

fn shown(row: &DirectoryRow) -> Option<ListJson> {
    match row {
        DirectoryRow::IpAccessControlList(row) => Some(ListJson::of(row)),
        _ => None,
    }
}

#[derive(Serialize)]
struct ListJson {
    sid: String,
    account_sid: String,
    friendly_name: String,
    date_created: String,
    date_updated: String,
    uri: String,
    subresource_uris: Value,
}

impl ListJson {
    fn of(row: &IpAccessControlList) -> Self {
        let path = format!("{}/SIP/IpAccessControlLists/{}", account_path(row.account_sid), row.sid);
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            friendly_name: row.friendly_name.clone(),
            date_created: row.created.rfc2822(),
            date_updated: row.updated.rfc2822(),
            subresource_uris: json!({ "ip_addresses": format!("{path}/IpAddresses.json") }),
            uri: format!("{path}.json"),
        }
    }
}
