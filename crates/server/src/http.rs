//! The HTTP side: the API, REST and gRPC, wired to the run loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use api::{Api, Feeds, Switchboard};
use model::Timestamp;
use rand::Rng;
use rustls::ServerConfig;
use store::Store;
use switch::{Answer, Command, Refusal};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::metrics::Sources;
use crate::run_loop::{Inbox, Input};

/// The running HTTP server.
pub(crate) struct Server {
    draining: Arc<AtomicBool>,
    health: api::grpc::Health,
    stop: watch::Sender<()>,
    tasks: JoinSet<()>,
    feeds: Arc<Feeds>,
}

/// Where it is served.
pub(crate) struct Listeners {
    pub(crate) http: TcpListener,
    /// By TLS.
    pub(crate) https: Option<(TcpListener, ServerConfig)>,
    pub(crate) grpc: Option<TcpListener>,
}

/// How long requests that are under way at the end may still take.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

impl Server {
    /// Serves the API on those listeners. `feeds` is told what has been committed.
    pub(crate) async fn start(
        Listeners { http, https, grpc }: Listeners,
        config: api::Config,
        store: Store,
        inbox: Inbox,
        sources: Sources,
        feeds: Arc<Feeds>,
    ) -> Self {
        let draining = Arc::new(AtomicBool::new(false));
        let is_draining = Arc::clone(&draining);
        let heartbeat = sources.snapshots.clone();
        let clock = || Timestamp::from(SystemTime::now());
        let api = Api::new(config.clone(), store, RunLoopSwitchboard { inbox }, clock, rand::rng().next_u64())
            .with_writer(Arc::clone(&sources.writer))
            .with_feeds(Arc::clone(&feeds))
            .with_metrics(move || sources.collect())
            .with_readiness(move || !is_draining.load(Ordering::Relaxed) && heartbeat.is_fresh());
        let api = Arc::new(api);
        let routes = api::router(Arc::clone(&api));
        let (grpc_routes, health) = api::grpc::routes(api).await;
        let (stop, stopping) = watch::channel(());
        // Closed at the end, which is a change, too.
        let stopped = || {
            let mut stopping = stopping.clone();
            async move { drop(stopping.changed().await) }
        };
        let mut tasks = JoinSet::new();
        if let Some((listener, tls)) = https {
            let (routes, config, stopped) = (routes.clone(), config.clone(), stopped());
            tasks.spawn(async move { api::serve_tls(listener, tls, routes, &config, stopped).await });
        }
        if let Some(listener) = grpc {
            let stopped = stopped();
            tasks.spawn(async move { api::grpc::serve(listener, grpc_routes, stopped).await });
        }
        let stopped = stopped();
        tasks.spawn(async move { api::serve(http, routes, &config, stopped).await });
        Self { draining, health, stop, tasks, feeds }
    }

    /// `/readyz` and gRPC's health say no from now on.
    pub(crate) async fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.health.set_draining().await;
    }

    /// Finishes the requests under way, and closes; to be called when the feeds have been closed.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // A client that never finishes its request shall not keep us from ending.
        let last = async { tokio::join!(self.tasks.join_all(), self.feeds.told()) };
        let _ = tokio::time::timeout(LAST_REQUESTS, last).await;
    }
}

/// Carries commands to the run loop.
struct RunLoopSwitchboard {
    inbox: Inbox,
}

impl Switchboard for RunLoopSwitchboard {
    async fn send(&self, command: Command) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        if !self.inbox.offer(Input::Command { command, reply }) {
            return Err(Refusal::Overloaded);
        }
        // The channel closes unanswered when what was done could not even be handed to the database.
        answer.await.unwrap_or(Err(Refusal::NotSaved))
    }
}
