//! Serving: connections in, bounded in number and patience.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::api::Config;
use crate::request_line::Lenient;

/// Answers the connections of `listener` until `shutdown`, then finishes the requests under way.
pub async fn serve(listener: TcpListener, routes: Router, config: &Config, shutdown: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(config.connections_max));
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(config.request_timeout);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        // A place first: without one the client waits in the listener's backlog.
        let accepted = async {
            let place = places.clone().acquire_owned().await.expect("nobody closes the semaphore");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(reason) => {
                // The connection is gone, or there are no descriptors left: going on at once would spin.
                tracing::warn!(%reason, "no connection accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(routes.clone());
        let connection = connections.watch(http.serve_connection(TokioIo::new(Lenient::new(stream)), service));
        tokio::spawn(async move {
            if let Err(reason) = connection.await {
                tracing::debug!(%reason, "connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    connections.shutdown().await;
}

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
