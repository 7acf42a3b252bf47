//! Probes: whether we live, whether we take calls, and how we do.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use crate::api::Api;
use crate::metrics;

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> impl IntoResponse {
    "ok\n"
}

/// `GET /readyz`: new calls are welcome.
pub(crate) async fn ready(State(api): State<Arc<Api>>) -> impl IntoResponse {
    if api.ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}

/// `GET /metrics`: Prometheus's text format.
pub(crate) async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::exposition(&api.metrics()))
}
