//! All routes, on one page.
//!
//! Paths are as the front door hands them on: no extension, no trailing slash. `PUT` on an instance is `POST`.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodRouter, get, post};
use model::NumberType;

use crate::api::Api;
use crate::directory::{
    applications, available_phone_numbers, credential_lists, credentials, incoming_phone_numbers,
    ip_access_control_lists, ip_addresses, outgoing_caller_ids, queue_members, queues, sip_domain_mappings,
    sip_domains,
};
use crate::json::WORKSPACES_PATH;
use crate::problem::Problem;
use crate::taskrouter;
use crate::{
    accounts, call_events, calls, conferences, description, event_bridge, events, front_door, health, keys,
    media_statistics, notifications, participants, streams, tuning,
};

/// The HTTP side of the bridge, ready to be served.
pub fn router(api: impl Into<Arc<Api>>) -> Router {
    let api = api.into();
    let routes = Router::new()
        .nest("/2010-04-01", resources())
        .nest(WORKSPACES_PATH, workspaces())
        .merge(event_bridge::routes())
        .merge(ours())
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .with_state(api.clone());
    Router::new().fallback(move |request: Request| front_door::enter(api.clone(), routes.clone(), request))
}

/// What is ours, and none of Twilio's; `openapi.json` describes all of it.
fn ours() -> Router<Arc<Api>> {
    let mut router = Router::new();
    for (path, methods) in OWN {
        router = router.route(path, methods());
    }
    router
}

/// A path, and what may be done with it.
type Own = (&'static str, fn() -> MethodRouter<Arc<Api>>);

const OWN: [Own; 8] = [
    ("/2010-04-01/Accounts/{account}/Calls/{call}/MediaStatistics", || get(media_statistics::fetch)),
    ("/2010-04-01/Accounts/{account}/Conferences/{conference}/Participants/{participant}/Tuning", || {
        get(tuning::fetch).post(tuning::update).put(tuning::update)
    }),
    ("/2010-04-01/Accounts/{account}/SIP/Domains/{domain}/Digest", || {
        get(sip_domains::fetch_digest).post(sip_domains::update_digest).put(sip_domains::update_digest)
    }),
    ("/partyline/v1/events", || get(events::get)),
    ("/partyline/openapi.json", || get(description::openapi)),
    ("/healthz", || get(health::alive)),
    ("/readyz", || get(health::ready)),
    ("/metrics", || get(health::metrics)),
];

fn resources() -> Router<Arc<Api>> {
    let account = Router::new()
        .route("/", get(accounts::fetch).post(accounts::update).put(accounts::update))
        .route("/Calls", get(calls::list).post(calls::create))
        .route("/Calls/{call}", get(calls::fetch).post(calls::update).put(calls::update).delete(calls::delete))
        .route("/Calls/{call}/Events", get(call_events::list))
        .route("/Calls/{call}/Streams", post(streams::create))
        .route("/Calls/{call}/Streams/{stream}", post(streams::update).put(streams::update))
        .route("/Calls/{call}/Notifications", get(notifications::list_of_call))
        .route("/Calls/{call}/Notifications/{notification}", get(notifications::fetch_of_call))
        .route("/Keys", keys::every(keys::KEYS))
        .route("/Keys/{key}", keys::one())
        .route("/SigningKeys", keys::every(keys::SIGNING_KEYS))
        .route("/SigningKeys/{key}", keys::one())
        .route("/Notifications", get(notifications::list))
        .route("/Notifications/{notification}", get(notifications::fetch))
        .route("/Conferences", get(conferences::list))
        .route("/Conferences/{conference}", get(conferences::fetch).post(conferences::update).put(conferences::update))
        .route("/Conferences/{conference}/Participants", get(participants::list).post(participants::create))
        .route(
            "/Conferences/{conference}/Participants/{participant}",
            get(participants::fetch).post(participants::update).put(participants::update).delete(participants::remove),
        );
    let account = account.merge(numbers()).nest("/SIP", sip()).merge(waiting());
    Router::new().route("/Accounts", get(accounts::list).post(accounts::create)).nest("/Accounts/{account}", account)
}

/// Numbers, and what calls to and from them need.
fn numbers() -> Router<Arc<Api>> {
    Router::new()
        .route("/IncomingPhoneNumbers", every_number(None))
        .route("/IncomingPhoneNumbers/Local", every_number(Some(NumberType::Local)))
        .route("/IncomingPhoneNumbers/TollFree", every_number(Some(NumberType::TollFree)))
        .route("/IncomingPhoneNumbers/Mobile", every_number(Some(NumberType::Mobile)))
        .route(
            "/IncomingPhoneNumbers/{number}",
            get(incoming_phone_numbers::fetch)
                .post(incoming_phone_numbers::update)
                .put(incoming_phone_numbers::update)
                .delete(incoming_phone_numbers::delete),
        )
        .route("/AvailablePhoneNumbers/{country}/Local", get(available_phone_numbers::list))
        .route("/OutgoingCallerIds", get(outgoing_caller_ids::list).post(outgoing_caller_ids::create))
        .route(
            "/OutgoingCallerIds/{number}",
            get(outgoing_caller_ids::fetch)
                .post(outgoing_caller_ids::update)
                .put(outgoing_caller_ids::update)
                .delete(outgoing_caller_ids::delete),
        )
        .route("/Applications", get(applications::list).post(applications::create))
        .route(
            "/Applications/{application}",
            get(applications::fetch).post(applications::update).put(applications::update).delete(applications::delete),
        )
}

fn every_number(only: Option<NumberType>) -> MethodRouter<Arc<Api>> {
    get(move |api, caller, parameters| incoming_phone_numbers::list(only, api, caller, parameters))
        .post(move |api, caller, parameters| incoming_phone_numbers::create(only, api, caller, parameters))
}

/// SIP domains, and who may call and register at them.
fn sip() -> Router<Arc<Api>> {
    let mut router = Router::new()
        .route("/Domains", get(sip_domains::list).post(sip_domains::create))
        .route(
            "/Domains/{domain}",
            get(sip_domains::fetch).post(sip_domains::update).put(sip_domains::update).delete(sip_domains::delete),
        )
        .route("/CredentialLists", get(credential_lists::list).post(credential_lists::create))
        .route(
            "/CredentialLists/{list}",
            get(credential_lists::fetch)
                .post(credential_lists::update)
                .put(credential_lists::update)
                .delete(credential_lists::delete),
        )
        .route("/CredentialLists/{list}/Credentials", get(credentials::list).post(credentials::create))
        .route(
            "/CredentialLists/{list}/Credentials/{credential}",
            get(credentials::fetch).post(credentials::update).put(credentials::update).delete(credentials::delete),
        )
        .route("/IpAccessControlLists", get(ip_access_control_lists::list).post(ip_access_control_lists::create))
        .route(
            "/IpAccessControlLists/{list}",
            get(ip_access_control_lists::fetch)
                .post(ip_access_control_lists::update)
                .put(ip_access_control_lists::update)
                .delete(ip_access_control_lists::delete),
        )
        .route("/IpAccessControlLists/{list}/IpAddresses", get(ip_addresses::list).post(ip_addresses::create))
        .route(
            "/IpAccessControlLists/{list}/IpAddresses/{address}",
            get(ip_addresses::fetch).post(ip_addresses::update).put(ip_addresses::update).delete(ip_addresses::delete),
        );
    for (path, place) in [
        ("/Domains/{domain}/IpAccessControlListMappings", sip_domain_mappings::IP),
        ("/Domains/{domain}/CredentialListMappings", sip_domain_mappings::CREDENTIAL),
        ("/Domains/{domain}/Auth/Calls/IpAccessControlListMappings", sip_domain_mappings::CALLS_IP),
        ("/Domains/{domain}/Auth/Calls/CredentialListMappings", sip_domain_mappings::CALLS_CREDENTIAL),
        ("/Domains/{domain}/Auth/Registrations/CredentialListMappings", sip_domain_mappings::REGISTRATIONS),
    ] {
        router = router
            .route(path, sip_domain_mappings::every(place))
            .route(&format!("{path}/{{list}}"), sip_domain_mappings::one(place));
    }
    router
}

/// Queues, and who waits in them.
fn waiting() -> Router<Arc<Api>> {
    Router::new()
        .route("/Queues", get(queues::list).post(queues::create))
        .route("/Queues/{queue}", get(queues::fetch).post(queues::update).put(queues::update).delete(queues::delete))
        .route("/Queues/{queue}/Members", get(queue_members::list))
        .route(
            "/Queues/{queue}/Members/{member}",
            get(queue_members::fetch).post(queue_members::dequeue).put(queue_members::dequeue),
        )
}

/// Workspaces, and what is in them (taskrouter §1).
fn workspaces() -> Router<Arc<Api>> {
    use taskrouter::{
        activities, events, reservations, statistics, task_channels, task_queues, tasks, worker_channels, workers,
        workflows, workspaces,
    };
    let workspace = Router::new()
        .route("/", get(workspaces::fetch).post(workspaces::update).delete(workspaces::delete))
        .route("/RealTimeStatistics", get(statistics::workspace_real_time))
        .route("/CumulativeStatistics", get(statistics::workspace_cumulative))
        .route("/Statistics", get(statistics::workspace_both))
        .route("/Activities", get(activities::list).post(activities::create))
        .route("/Activities/{activity}", get(activities::fetch).post(activities::update).delete(activities::delete))
        .route("/TaskChannels", get(task_channels::list).post(task_channels::create))
        .route(
            "/TaskChannels/{channel}",
            get(task_channels::fetch).post(task_channels::update).delete(task_channels::delete),
        )
        .route("/Workers", get(workers::list).post(workers::create))
        .route("/Workers/RealTimeStatistics", get(statistics::workers_real_time))
        .route("/Workers/CumulativeStatistics", get(statistics::workers_cumulative))
        .route("/Workers/Statistics", get(statistics::workers_both))
        .route("/Workers/{worker}/Statistics", get(statistics::worker))
        .route("/Workers/{worker}", get(workers::fetch).post(workers::update).delete(workers::delete))
        .route("/Workers/{worker}/Channels", get(worker_channels::list))
        .route("/Workers/{worker}/Channels/{channel}", get(worker_channels::fetch).post(worker_channels::update))
        .route("/Workers/{worker}/Reservations", get(reservations::list))
        .route("/Workers/{worker}/Reservations/{reservation}", get(reservations::fetch).post(reservations::update))
        .route("/TaskQueues", get(task_queues::list).post(task_queues::create))
        .route("/TaskQueues/{queue}", get(task_queues::fetch).post(task_queues::update).delete(task_queues::delete))
        .route("/TaskQueues/RealTimeStatistics", post(statistics::bulk))
        .route("/TaskQueues/Statistics", get(statistics::queues))
        .route("/TaskQueues/{queue}/RealTimeStatistics", get(statistics::queue_real_time))
        .route("/TaskQueues/{queue}/CumulativeStatistics", get(statistics::queue_cumulative))
        .route("/TaskQueues/{queue}/Statistics", get(statistics::queue_both))
        .route("/Workflows", get(workflows::list).post(workflows::create))
        .route("/Workflows/{workflow}", get(workflows::fetch).post(workflows::update).delete(workflows::delete))
        .route("/Workflows/{workflow}/RealTimeStatistics", get(statistics::workflow_real_time))
        .route("/Workflows/{workflow}/CumulativeStatistics", get(statistics::workflow_cumulative))
        .route("/Workflows/{workflow}/Statistics", get(statistics::workflow_both))
        .route("/Tasks", get(tasks::list).post(tasks::create))
        .route("/Tasks/{task}", get(tasks::fetch).post(tasks::update).delete(tasks::delete))
        .route("/Tasks/{task}/Reservations", get(reservations::list))
        .route("/Tasks/{task}/Reservations/{reservation}", get(reservations::fetch).post(reservations::update))
        .route("/Events", get(events::list))
        .route("/Events/{event}", get(events::fetch));
    Router::new().route("/", get(workspaces::list).post(workspaces::create)).nest("/{workspace}", workspace)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A path without the names of its parameters.
    fn shape(path: &str) -> String {
        let path = path.strip_suffix(".json").unwrap_or(path);
        let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
        segments.collect::<Vec<_>>().join("/")
    }

    #[test]
    fn whatever_is_ours_is_described_and_nothing_else() {
        let described: BTreeSet<_> =
            description::OPENAPI["paths"].as_object().expect("has paths").keys().map(|path| shape(path)).collect();
        assert_eq!(OWN.iter().map(|(path, _)| shape(path)).collect::<BTreeSet<_>>(), described);
    }
}
