//! The front door: what every request goes through before it is routed, and every answer on its way out.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse as _, Response};
use tower::ServiceExt as _;

use crate::api::Api;
use crate::auth::authenticate;
use crate::base_url::BaseUrl;
use crate::call_events::Change;
use crate::form::is_decodable_path;
use crate::json::{PARTYLINE_PATH, VERSION_PATH, WORKSPACES_PATH};
use crate::problem::Problem;

/// Answers one request.
pub(crate) async fn enter(api: Arc<Api>, routes: Router, request: Request) -> Response {
    let arrived = Instant::now();
    let request_sid = api.request_sid();
    let (method, path) = (request.method().clone(), resource_path(request.uri().path()).to_owned());

    let mut answer = pass(&api, routes, request, arrived).await.unwrap_or_else(Problem::into_response);
    let change = answer.extensions_mut().remove::<Change>();
    let mut answer = match answer.extensions().get::<Problem>() {
        Some(problem) => with_headers_of(&answer, problem.answer(&path)),
        None => answer,
    };
    if let Some(change) = change {
        answer = change.keep(&api, answer).await;
    }

    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let value = HeaderValue::try_from(request_sid.to_string()).expect("a SID is letters and digits");
    headers.insert(REQUEST_ID, value);
    let status = answer.status();
    api.requests.count(status);
    // Neither query nor headers: what is secret is there.
    tracing::debug!(%request_sid, %method, path, status = status.as_u16(), elapsed = ?arrived.elapsed(), "request");
    answer
}

async fn pass(api: &Api, routes: Router, mut request: Request, arrived: Instant) -> Result<Response, Problem> {
    // Probes and pages about ourselves need no place, no account and no normal form.
    let Some(rest) = resource(request.uri().path()) else { return Ok(route(routes, request).await) };
    let _place = api.admit()?;
    if !is_decodable_path(rest) {
        return Err(Problem::MalformedForm { why: "the path is not percent-encoded UTF-8" });
    }
    let path = resource_path(request.uri().path()).to_owned();
    let caller = authenticate(api, request.headers(), &path).await?;
    api.count_request(caller.sid(), arrived)?;
    if of_workspaces(&path).is_none() && (path.ends_with(".xml") || path.ends_with(".csv")) {
        return Err(Problem::NotFound); // JSON is all we speak
    }
    if request.method() == Method::HEAD {
        *request.method_mut() = Method::TRACE; // as little allowed, but not routed as GET
    }
    *request.uri_mut() = with_path(request.uri(), &path)?;
    let change = Change::of(api, &caller, (request.method(), &path), request.headers(), arrived);
    if let Some(change) = &change {
        request.extensions_mut().insert(change.parameters());
    }
    let base_url = BaseUrl::of(&api.config, &request);
    request.extensions_mut().insert(base_url);
    request.extensions_mut().insert(caller);
    let mut answer = route(routes, request).await;
    without_head(answer.headers_mut());
    if let Some(change) = change {
        answer.extensions_mut().insert(change);
    }
    Ok(answer)
}

async fn route(routes: Router, request: Request) -> Response {
    match routes.oneshot(request).await {
        Ok(answer) => answer,
        Err(infallible) => match infallible {},
    }
}

/// What follows the version, where a path names something that belongs to an account.
fn resource(path: &str) -> Option<&str> {
    let rest = [VERSION_PATH, PARTYLINE_PATH].iter().find_map(|version| path.strip_prefix(version));
    rest.filter(|rest| rest.starts_with('/')).or_else(|| of_workspaces(path))
}

/// What follows `/v1/Workspaces`.
fn of_workspaces(path: &str) -> Option<&str> {
    path.strip_prefix(WORKSPACES_PATH).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path that names the resource: without a trailing slash and, where resources have one, without `.json` (rest-voice
/// §1.1).
fn resource_path(path: &str) -> &str {
    if resource(path).is_none() {
        return path;
    }
    let without_slash = path.strip_suffix('/').unwrap_or(path);
    if of_workspaces(path).is_some() {
        return without_slash; // no extensions there, and a name may end in anything
    }
    without_slash.strip_suffix(".json").unwrap_or(without_slash)
}

fn with_path(uri: &Uri, path: &str) -> Result<Uri, Problem> {
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).map_err(|_| Problem::NotFound)?);
    Uri::from_parts(parts).map_err(|_| Problem::NotFound)
}

/// Keeps what the router said besides, such as the verbs it would have allowed.
fn with_headers_of(from: &Response, mut answer: Response) -> Response {
    if let Some(allow) = from.headers().get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    answer
}

/// The router allows HEAD wherever it allows GET; resources do not.
fn without_head(headers: &mut HeaderMap) {
    let Some(allow) = headers.get(header::ALLOW).and_then(|allow| allow.to_str().ok()) else { return };
    let verbs: Vec<_> = allow.split(',').filter(|verb| verb.trim() != "HEAD").collect();
    if let Ok(allow) = HeaderValue::try_from(verbs.join(",")) {
        headers.insert(header::ALLOW, allow);
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("twilio-request-id");
