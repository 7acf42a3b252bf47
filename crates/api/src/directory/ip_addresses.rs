//! IP addresses: what is in an IP access control list (rest-voice §9).

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{DirectoryRow, IpAccessControlListSid, IpAddress};
use serde::Serialize;
use switch::{Command, DirectoryCommand};

use super::{change, delete as deleted, friendly_name, required_name, sid};
use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /SIP/IpAccessControlLists/{AL}/IpAddresses.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let list: IpAccessControlListSid = sid(&list)?;
    let paging = Paging::read(&parameters)?;
    api.store.ip_access_control_list(caller.sid(), list).await?.ok_or(Problem::NotFound)?;
    let page = paging.page(|sid| api.store.ip_address_seq(caller.sid(), list, sid)).await?;
    let rows = api.store.ip_addresses(caller.sid(), list, page).await?;
    let path = format!("{}/SIP/IpAccessControlLists/{list}/IpAddresses", account_path(caller.sid()));
    Ok(paging.answer("ip_addresses", &path, &rows, |row| row.sid.to_string(), IpAddressJson::of))
}

/// `POST /SIP/IpAccessControlLists/{AL}/IpAddresses.json`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let list = sid(&list)?;
    let command = DirectoryCommand::CreateIpAddress {
        account: caller.sid(),
        list,
        friendly_name: required_name(&parameters, FIELDS)?,
        ip_address: address_of(&parameters)?.ok_or(Problem::Missing { code: FIELDS, name: "IpAddress" })?,
        cidr_prefix_length: prefix_length(&parameters)?.unwrap_or(32),
    };
    change(&api, command, StatusCode::CREATED, shown).await
}

/// `GET /SIP/IpAccessControlLists/{AL}/IpAddresses/{IP}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list, address)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let row = api.store.ip_address(caller.sid(), sid(&list)?, sid(&address)?).await?.ok_or(Problem::NotFound)?;
    Ok(json::ok(&IpAddressJson::of(&row)))
}

/// `POST /SIP/IpAccessControlLists/{AL}/IpAddresses/{IP}.json`
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list, address)): Path<(String, String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::UpdateIpAddress {
        account: caller.sid(),
        list: sid(&list)?,
        sid: sid(&address)?,
        friendly_name: friendly_name(&parameters, FIELDS)?.filter(|name| !name.is_empty()),
        ip_address: address_of(&parameters)?,
        cidr_prefix_length: prefix_length(&parameters)?,
    };
    change(&api, command, StatusCode::OK, shown).await
}

/// `DELETE /SIP/IpAccessControlLists/{AL}/IpAddresses/{IP}.json`
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, list, address)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::DeleteIpAddress { account: caller.sid(), list: sid(&list)?, sid: sid(&address)? };
    deleted(&api, Command::Directory(command)).await
}

/// `IpAddress`
fn address_of(parameters: &Parameters) -> Result<Option<Ipv4Addr>, Problem> {
    let wrong = Problem::Invalid { code: FIELDS, name: "IpAddress", expected: "an IPv4 address" };
    parameters.filled("IpAddress").map(|text| text.parse().map_err(|_| wrong)).transpose()
}

/// `CidrPrefixLength`
fn prefix_length(parameters: &Parameters) -> Result<Option<u8>, Problem> {
    let wrong = Problem::Invalid { code: FIELDS, name: "CidrPrefixLength", expected: "a number from 0 to 32" };
    let read = |text: &str| text.parse().ok().filter(|length| *length <= 32);
    parameters.filled("CidrPrefixLength").map(|text| read(text).ok_or(wrong)).transpose()
}

/// What is wrong with a field of an address.
const FIELDS: u32 = 21238;

fn shown(row: &DirectoryRow) -> Option<IpAddressJson> {
    match row {
        DirectoryRow::IpAddress(row) => Some(IpAddressJson::of(row)),
        _ => None,
    }
}

#[derive(Serialize)]
struct IpAddressJson {
    sid: String,
    account_sid: String,
    ip_access_control_list_sid: String,
    friendly_name: String,
    ip_address: String,
    cidr_prefix_length: u8,
    date_created: String,
    date_updated: String,
    uri: String,
}

impl IpAddressJson {
    fn of(row: &IpAddress) -> Self {
        let list =
            format!("{}/SIP/IpAccessControlLists/{}", account_path(row.account_sid), row.ip_access_control_list_sid);
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            ip_access_control_list_sid: row.ip_access_control_list_sid.to_string(),
            friendly_name: row.friendly_name.clone(),
            ip_address: row.ip_address.to_string(),
            cidr_prefix_length: row.cidr_prefix_length,
            date_created: row.created.rfc2822(),
            date_updated: row.updated.rfc2822(),
            uri: format!("{list}/IpAddresses/{}.json", row.sid),
        }
    }
}
