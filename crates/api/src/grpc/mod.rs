//! The gRPC side: conferences under the hand of programs that route calls, and the log of what happens as a stream.
//!
//! The messages and services are those of `proto/`. Every call becomes what REST makes of it: the same credentials, the
//! same readers of parameters, the same commands to the switch, and of the same problems a [`status`]. Reflection and
//! health are open to everybody, as REST's probes are.
//!
//! ```text
//! serve ─▶ HTTP/2 ─▶ deadline ─▶ ConferenceControl ─▶ store, switch      Events ─▶ feed
//! ```

mod conference_control;
mod deadline;
mod events;
mod listener;
mod message;
mod status;

use std::sync::Arc;

use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

pub use listener::serve;

use crate::api::Api;
use crate::auth::{Caller, authenticate};
use crate::json::account_path;
use crate::problem::Problem;
use conference_control::Control;
use events::Watching;
use proto::conference_control_server::ConferenceControlServer;
use proto::events_server::EventsServer;

/// What `build.rs` makes of `proto/`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery)]
pub mod proto {
    tonic::include_proto!("partyline.v1");
}

/// The description of it all, for reflection.
const DESCRIBED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/partyline.bin"));

/// Longest request, in bytes: as REST has it.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Longest answer, in bytes: a page of a thousand is far from it.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Says whether we serve: to be told when that changes.
#[derive(Clone, Debug)]
pub struct Health(HealthReporter);

impl Health {
    /// From now on nobody should ask any more.
    pub async fn set_draining(&self) {
        for service in ["", "partyline.v1.ConferenceControl", "partyline.v1.Events"] {
            self.0.set_service_status(service, ServingStatus::NotServing).await;
        }
    }
}

/// The gRPC side, ready to be [served](serve).
pub async fn routes(api: Arc<Api>) -> (axum::Router, Health) {
    let reporter = HealthReporter::new();
    for service in ["", "partyline.v1.ConferenceControl", "partyline.v1.Events"] {
        reporter.set_service_status(service, ServingStatus::Serving).await;
    }
    let control = ConferenceControlServer::new(Control { api: Arc::clone(&api) })
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ANSWER_BYTES_MAX);
    let events = EventsServer::new(Watching { api }).max_decoding_message_size(REQUEST_BYTES_MAX);
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIBED)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
    let routes = Routes::new(control)
        .add_service(events)
        .add_service(health)
        .add_service(described().build_v1().expect("what was just compiled can be described"))
        .add_service(described().build_v1alpha().expect("what was just compiled can be described"));
    let routes = routes.into_axum_router().layer(axum::middleware::from_fn(deadline::keep));
    (routes, Health(reporter))
}

/// Who asks, and on which account, as REST would have it for a path of that account.
async fn enter(api: &Api, metadata: &MetadataMap, account: &str) -> Result<Caller, Problem> {
    let headers = metadata.clone().into_headers();
    let path = match account {
        "" => String::new(),
        account => format!("{}/Conferences", account_path(account.parse().map_err(|_| Problem::NotFound)?)),
    };
    let caller = authenticate(api, &headers, &path).await?;
    api.count_request(caller.sid(), std::time::Instant::now())?;
    Ok(caller)
}
