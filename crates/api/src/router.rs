//! All routes, on one page.
//!
//! Paths are as the front door hands them on: no extension, no trailing slash. `PUT` on an instance is `POST`.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::get;

use crate::api::Api;
use crate::problem::Problem;
use crate::{
    accounts, call_events, calls, conferences, events, front_door, health, media_statistics, notifications,
    participants, tuning,
};

/// The HTTP side of the bridge, ready to be served.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let routes = Router::new()
        .nest("/2010-04-01", resources())
        .route("/partyline/v1/events", get(events::list))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .with_state(api.clone());
    Router::new().fallback(move |request: Request| front_door::enter(api.clone(), routes.clone(), request))
}

fn resources() -> Router<Arc<Api>> {
    let account = Router::new()
        .route("/", get(accounts::fetch))
        .route("/Calls", get(calls::list).post(calls::create))
        .route("/Calls/{call}", get(calls::fetch).post(calls::update).put(calls::update).delete(calls::delete))
        .route("/Calls/{call}/MediaStatistics", get(media_statistics::fetch))
        .route("/Calls/{call}/Events", get(call_events::list))
        .route("/Calls/{call}/Notifications", get(notifications::list_of_call))
        .route("/Calls/{call}/Notifications/{notification}", get(notifications::fetch_of_call))
        .route("/Notifications", get(notifications::list))
        .route("/Notifications/{notification}", get(notifications::fetch))
        .route("/Conferences", get(conferences::list))
        .route("/Conferences/{conference}", get(conferences::fetch).post(conferences::update).put(conferences::update))
        .route("/Conferences/{conference}/Participants", get(participants::list).post(participants::create))
        .route(
            "/Conferences/{conference}/Participants/{participant}",
            get(participants::fetch).post(participants::update).put(participants::update).delete(participants::remove),
        )
        .route(
            "/Conferences/{conference}/Participants/{participant}/Tuning",
            get(tuning::fetch).post(tuning::update).put(tuning::update),
        );
    Router::new().route("/Accounts", get(accounts::list)).nest("/Accounts/{account}", account)
}
