//! Serving gRPC: HTTP/2 in the clear, bounded in connections, in calls of one, and in what a call may keep waiting.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

/// Answers the connections of `listener` until `shutdown`, then finishes the calls under way: streams, too, which end
/// when whoever feeds them says so.
pub async fn serve(listener: TcpListener, routes: Router, shutdown: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stop, stopping) = watch::channel(());
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
                tracing::warn!(%reason, "no gRPC connection accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let routes = routes.clone();
        let mut stopping = stopping.clone();
        tokio::spawn(async move {
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .max_concurrent_streams(CALLS_MAX)
                .max_header_list_size(HEAD_BYTES_MAX)
                .max_send_buf_size(SEND_BYTES_MAX)
                .keep_alive_interval(PING_EVERY)
                .keep_alive_timeout(PING_PATIENCE);
            let service =
                service_fn(|request: hyper::Request<Incoming>| routes.clone().oneshot(request.map(Body::new)));
            let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                _ = stopping.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(reason) = ended {
                tracing::debug!(%reason, "gRPC connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    drop(stop);
    // Every place is free again when the last connection has ended.
    drop(places.acquire_many(u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX)).await);
}

/// Connections at once; one more waits to be accepted.
const CONNECTIONS_MAX: usize = 256;
/// Calls of one connection at once, streams among them; what asks more waits.
const CALLS_MAX: u32 = 128;
/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: u32 = 16 * 1024;
/// Bytes that one call keeps for a client that does not take them: then whoever makes them waits.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// How often a silent connection is asked whether somebody is there …
const PING_EVERY: Duration = Duration::from_secs(30);
/// … and how long that may take.
const PING_PATIENCE: Duration = Duration::from_secs(20);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
