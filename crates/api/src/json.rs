//! JSON answers, and the pieces every resource's JSON shares.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::AccountSid;
use serde::Serialize;

/// An answer with that value as its body.
pub(crate) fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("our values have string keys and cannot fail to serialize");
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// 200 with that resource.
pub(crate) fn ok(resource: &impl Serialize) -> Response {
    answer(StatusCode::OK, resource)
}

/// Path of what belongs to an account, without an extension; URIs are relative to the host.
pub(crate) fn account_path(account: AccountSid) -> String {
    format!("{VERSION_PATH}/Accounts/{account}")
}

/// What every path of this API starts with.
pub(crate) const VERSION_PATH: &str = "/2010-04-01";

/// What every path of a workspace starts with.
pub(crate) const WORKSPACES_PATH: &str = "/v1/Workspaces";

/// What every path of ours starts with, where it is none of Twilio's.
pub(crate) const PARTYLINE_PATH: &str = "/partyline/v1";

/// `api_version` in every resource that has it.
pub(crate) const API_VERSION: &str = "2010-04-01";
