//! The HTTP side: the API, wired to the run loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use api::{Api, Switchboard};
use model::Timestamp;
use rand::Rng;
use store::Store;
use switch::{Answer, Command, Refusal};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::metrics::Sources;
use crate::run_loop::{Inbox, Input};

/// The running HTTP server.
pub(crate) struct Server {
    draining: Arc<AtomicBool>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// How long requests that are under way at the end may still take.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

impl Server {
    /// Serves the API on `listener`.
    pub(crate) fn start(
        listener: TcpListener,
        config: api::Config,
        store: Store,
        inbox: Inbox,
        sources: Sources,
    ) -> Self {
        let draining = Arc::new(AtomicBool::new(false));
        let is_draining = Arc::clone(&draining);
        let heartbeat = sources.snapshots.clone();
        let clock = || Timestamp::from(SystemTime::now());
        let api = Api::new(config.clone(), store, RunLoopSwitchboard { inbox }, clock, rand::rng().next_u64())
            .with_writer(Arc::clone(&sources.writer))
            .with_metrics(move || sources.collect())
            .with_readiness(move || !is_draining.load(Ordering::Relaxed) && heartbeat.is_fresh());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            // Sent at the end, or dropped: both mean stop.
            let stopped = async { drop(stopped.await) };
            api::serve(listener, api::router(api), &config, stopped).await;
        });
        Self { draining, stop, task }
    }

    /// `/readyz` says no from now on.
    pub(crate) fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Finishes the requests under way, and closes.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // A client that never finishes its request shall not keep us from ending.
        let _ = tokio::time::timeout(LAST_REQUESTS, self.task).await;
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
