//! Serving: connections in, in the clear or by TLS, bounded in number and patience.
//!
//! In the clear it is HTTP/1.1; by TLS whatever client and we agree on in the handshake (ALPN, RFC 7301), HTTP/2 where
//! the client speaks it. Patience is the same for both: a handshake, a head, a body, and a client that neither asks nor
//! takes its answer.

use std::future::Future;
use std::sync::Arc;

use axum::body::Body;
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower::ServiceExt as _;

use crate::accepting;
use crate::api::Config;
use crate::attending::{Activity, Patience, attend};
use crate::base_url::Scheme;
use crate::request_line::Lenient;

/// Answers the connections of `listener` in the clear until `shutdown`, then finishes the requests under way.
pub async fn serve(listener: TcpListener, routes: Router, config: &Config, shutdown: impl Future<Output = ()>) {
    accept(listener, None, routes.layer(Extension(Scheme::Http)), config, shutdown).await;
}

/// As [`serve`], by TLS.
pub async fn serve_tls(
    listener: TcpListener,
    mut tls: ServerConfig,
    routes: Router,
    config: &Config,
    shutdown: impl Future<Output = ()>,
) {
    tls.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    accept(listener, Some(acceptor), routes.layer(Extension(Scheme::Https)), config, shutdown).await;
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    routes: Router,
    config: &Config,
    shutdown: impl Future<Output = ()>,
) {
    accepting::accept(listener, config.connections_max, shutdown, |stream, stopping| {
        let serving = Serving { routes: routes.clone(), config: config.clone(), stopping };
        let tls = tls.clone();
        async move {
            match tls {
                None => serving.http_1(stream).await,
                Some(acceptor) => serving.by_tls(&acceptor, stream).await,
            }
        }
    })
    .await;
}

/// One connection: what it is served, and how patiently.
struct Serving {
    routes: Router,
    config: Config,
    /// Closed when nothing more is to be asked.
    stopping: watch::Receiver<()>,
}

impl Serving {
    async fn by_tls(&self, acceptor: &TlsAcceptor, stream: TcpStream) {
        let mut stopping = self.stopping.clone();
        let handshake = timeout(self.config.handshake_timeout, acceptor.accept(stream));
        let stream = tokio::select! {
            stream = handshake => stream,
            _ = stopping.changed() => return,
        };
        match stream {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) => self.http_2(stream).await,
            Ok(Ok(stream)) => self.http_1(stream).await,
            Ok(Err(reason)) => tracing::debug!(%reason, "no TLS"),
            Err(_) => tracing::debug!("no TLS: the handshake took too long"),
        }
    }

    async fn http_1(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let activity = Activity::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.config.request_timeout);
        let service = service_fn(|request| answer(self.routes.clone(), activity.clone(), request));
        let connection = http.serve_connection(TokioIo::new(Lenient::new(stream)), service).with_upgrades();
        attend(connection, |open| open.graceful_shutdown(), &activity, self.patience(), self.stopping.clone()).await;
    }

    async fn http_2(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let activity = Activity::new();
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_BYTES_MAX)
            .max_send_buf_size(SEND_BYTES_MAX)
            .keep_alive_interval(self.config.request_timeout)
            .keep_alive_timeout(self.config.request_timeout);
        let (routes, counted) = (self.routes.clone(), activity.clone());
        let service = service_fn(move |request| answer(routes.clone(), counted.clone(), request));
        let connection = http.serve_connection(TokioIo::new(stream), service);
        attend(connection, |open| open.graceful_shutdown(), &activity, self.patience(), self.stopping.clone()).await;
    }

    fn patience(&self) -> Patience {
        Patience { quiet: self.config.request_timeout, goodbye: self.config.request_timeout }
    }
}

async fn answer(
    routes: Router,
    activity: Arc<Activity>,
    request: hyper::Request<Incoming>,
) -> Result<axum::response::Response, std::convert::Infallible> {
    let _under_way = activity.begin();
    routes.oneshot(request.map(Body::new)).await
}

/// Names of protocols in the handshake (RFC 7301 §6, RFC 9113 §3.2).
const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";
/// Requests of one HTTP/2 connection at once; what asks more waits.
const STREAMS_MAX: u32 = 128;
/// Longest head of an HTTP/2 request, in bytes; HTTP/1.1's bound is the library's.
const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// Bytes of an answer that a stream of HTTP/2 keeps for a client that does not take them.
const SEND_BYTES_MAX: usize = 256 * 1024;
