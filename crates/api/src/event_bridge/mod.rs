//! What workers' screens are served by (taskrouter §14): one socket each, on which they hear, and one address, at which
//! they ask. The package `twilio-taskrouter` works with it as it is.
//!
//! ```text
//! GET  /v1/wschannels?token=…          a socket: init, blanks, frames                    socket, frame, presence
//! POST /v1/wschannels                  {"url","method","params","token"} ─▶ {"payload"}  call
//! …    /v1/wschannels/{AC}/{WK}        the same with tokens of version 1                 visitor, policy
//! ```

mod call;
mod fault;
mod frame;
mod jwt;
mod object;
mod participant;
mod policy;
mod presence;
mod socket;
mod visitor;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

pub(crate) use fault::TokenFault;
pub(crate) use frame::listeners;
pub(crate) use presence::Presence;

use crate::api::Api;
use crate::base_url::BaseUrl;
use crate::events_socket::is_wanted;
use crate::parameters::Parameters;
use crate::problem::Problem;
use visitor::{Standing, Visitor};

/// Where screens come to.
pub(crate) fn routes() -> Router<Arc<Api>> {
    let with_access_token = get(async |State(api), request| enter(api, None, request).await)
        .post(async |State(api), request| ask(api, None, request).await)
        .options(preflight);
    let with_capability_token = get(async |State(api), Path(path), request| enter(api, Some(path), request).await)
        .post(async |State(api), Path(path), request| ask(api, Some(path), request).await)
        .options(preflight);
    Router::new()
        .route(PATH, with_access_token)
        .route(&format!("{PATH}/{{account}}/{{channel}}"), with_capability_token)
}

/// The account and the channel that a path of version 1 names.
type Named = Option<(String, String)>;

/// A screen wants a socket.
async fn enter(api: Arc<Api>, named: Named, request: Request) -> Result<Response, Problem> {
    let parameters = Parameters::of_query(request.uri())?;
    let standing = Standing::of(&api, parameters.filled(TOKEN).unwrap_or_default(), named.clone());
    let visitor = standing.visitor().await?;
    if named.is_some() {
        visitor.may("GET", request.uri().path(), &serde_json::Map::new())?;
    }
    api.count_request(visitor.account, Instant::now())?;
    if !is_wanted(request.headers()) {
        return Err(Problem::MethodNotAllowed);
    }
    socket::open(api, visitor, standing, &parameters, request).await
}

/// A screen asks something.
async fn ask(api: Arc<Api>, named: Named, request: Request) -> Result<Response, Problem> {
    let _place = api.admit()?;
    let base = BaseUrl::of(&api.config, &request);
    let if_match = request.headers().get(header::IF_MATCH).cloned();
    let own_path = request.uri().path().to_owned();
    let in_query = Parameters::of_query(request.uri())?;
    let asked = call::Asked::read(request, &api).await?;
    let token = asked.token.as_deref().or(in_query.filled(TOKEN)).unwrap_or_default();
    let visitor = Visitor::of(&api, token, &named).await?;
    if named.is_some() {
        visitor.may("POST", &own_path, &serde_json::Map::new())?;
    }
    api.count_request(visitor.account, Instant::now())?;
    call::answer(api.clone(), &visitor, base, if_match, asked).await
}

/// A page of whatever origin may ask (Fetch §4.8): what counts is the token it has.
async fn preflight(request: Request) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        asked.unwrap_or(HeaderValue::from_static("Content-Type, apiVersion, clientVersion, If-Match")),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

const PATH: &str = "/v1/wschannels";
const TOKEN: &str = "token";
