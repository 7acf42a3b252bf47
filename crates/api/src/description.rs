//! `GET /partyline/openapi.json`: what is ours beyond Twilio, described for programs. No credentials are asked for: it tells
//! nothing of anybody.

use std::sync::{Arc, LazyLock};

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use crate::api::Api;
use crate::base_url::BaseUrl;
use crate::json;

/// The description, with the address it was asked for at.
pub(crate) async fn openapi(State(api): State<Arc<Api>>, request: Request) -> Response {
    let mut described = OPENAPI.clone();
    described["servers"] = json!([{ "url": BaseUrl::of(&api.config, &request).as_str() }]);
    json::ok(&described)
}

/// As it is in the sources.
pub(crate) static OPENAPI: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../openapi.json")).expect("a test reads it"));
