//! Serving gRPC: HTTP/2 in the clear, bounded in connections, in calls of one, and in what a call may keep waiting.

use std::future::Future;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::accepting;
use crate::attending::{Activity, Patience, UnderWay, attend};

/// Answers the connections of `listener` until `shutdown`, then finishes the calls under way: streams, too, which end
/// when whoever feeds them says so.
pub async fn serve(listener: TcpListener, routes: Router, shutdown: impl Future<Output = ()>) {
    accept(listener, routes, PREFACE_PATIENCE, IDLE_PATIENCE, shutdown).await;
}

async fn accept(
    listener: TcpListener,
    routes: Router,
    preface: Duration,
    idle: Patience,
    shutdown: impl Future<Output = ()>,
) {
    accepting::accept(listener, CONNECTIONS_MAX, shutdown, |stream, stopping| {
        attend_to(stream, routes.clone(), preface, idle, stopping)
    })
    .await;
}

/// One connection, from its begin to its end.
async fn attend_to(
    stream: TcpStream,
    routes: Router,
    preface: Duration,
    idle: Patience,
    mut stopping: watch::Receiver<()>,
) {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(CALLS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_send_buf_size(SEND_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_PATIENCE);
    let activity = Activity::new();
    let counted = Arc::clone(&activity);
    let service = service_fn(move |request| answer(routes.clone(), counted.begin(), request));
    let begun = tokio::select! {
        begun = timeout(preface, begin(stream)) => begun.unwrap_or(None),
        _ = stopping.changed() => None,
    };
    let Some(stream) = begun else {
        tracing::debug!("gRPC connection closed: it has not begun with HTTP/2");
        return;
    };
    let connection = http.serve_connection(TokioIo::new(stream), service);
    attend(connection, |connection| connection.graceful_shutdown(), &activity, idle, stopping).await;
}

/// Answers one call, which is under way until its last message.
async fn answer(
    routes: Router,
    under_way: UnderWay,
    request: hyper::Request<Incoming>,
) -> Result<axum::response::Response, std::convert::Infallible> {
    let answer = routes.oneshot(request.map(Body::new)).await?;
    Ok(answer.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _lasts = &under_way;
            frame
        }))
    }))
}

/// Waits for a connection to begin as HTTP/2 does; the same connection, to be read from its begin on. `None`: it does not.
async fn begin(mut stream: TcpStream) -> Option<impl AsyncRead + AsyncWrite + Unpin + Send> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await.ok()?;
    let (read, write) = stream.into_split();
    (preface == *PREFACE).then(|| tokio::io::join(Cursor::new(preface).chain(read), write))
}

/// What every connection of HTTP/2 begins with (RFC 9113 §3.4) …
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// … and how long that may take: whoever says nothing shall not have a place.
const PREFACE_PATIENCE: Duration = Duration::from_secs(10);
/// Who asks nothing, but for whether we are there, gives its place up after a while: clients connect again when they have
/// something to ask.
const IDLE_PATIENCE: Patience = Patience { quiet: Duration::from_secs(300), goodbye: PING_PATIENCE };
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::AsyncWriteExt as _;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;

    async fn start(preface: Duration, idle: Patience) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has one");
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(accept(listener, Router::new(), preface, idle, async { drop(stopped.await) }));
        (address, stop, served)
    }

    /// A frame of no settings (RFC 9113 §6.5), which follows the preface.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    async fn say(address: SocketAddr, said: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(said).await.expect("goes");
        stream
    }

    #[tokio::test]
    async fn who_does_not_begin_with_http_2_is_closed() {
        let (address, _stop, _served) = start(Duration::from_millis(20), IDLE_PATIENCE).await;
        for (case, said) in [
            ("silent", &b""[..]),
            ("half of it", &PREFACE[..20]),
            ("something else", &b"GET / HTTP/1.1\r\nhost: bridge.test\r\n\r\n"[..]),
        ] {
            let mut answer = Vec::new();
            // Closed with something unread, it may be reset.
            let _ = say(address, said).await.read_to_end(&mut answer).await;
            assert_eq!(answer, b"", "{case}");
        }
    }

    #[tokio::test]
    async fn who_begins_is_served_and_who_says_nothing_holds_up_no_end() {
        let (address, stop, served) = start(Duration::from_secs(3_600), IDLE_PATIENCE).await;
        let _silent = say(address, b"").await;
        let settings = SETTINGS;
        let mut begun = say(address, &[&PREFACE[..], &settings].concat()).await;
        let mut head = [0; 9];
        begun.read_exact(&mut head).await.expect("is answered");
        assert_eq!(head[3], settings[3], "with settings of ours");
        drop(begun);
        drop(stop);
        served.await.expect("ends");
    }

    #[tokio::test]
    async fn who_only_pings_gives_its_place_up() {
        let idle = Patience { quiet: Duration::from_millis(20), goodbye: Duration::from_millis(20) };
        let (address, _stop, _served) = start(Duration::from_secs(3_600), idle).await;
        let (mut heard, mut says) = say(address, &[&PREFACE[..], &SETTINGS].concat()).await.into_split();
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let pings = async {
            while says.write_all(&ping).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        let frames = async {
            let (mut kinds, mut head) = (Vec::new(), [0; 9]);
            while heard.read_exact(&mut head).await.is_ok() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                let mut rest = vec![0; length];
                if heard.read_exact(&mut rest).await.is_err() {
                    break;
                }
                if kinds.last() != Some(&head[3]) {
                    kinds.push(head[3]);
                }
            }
            kinds
        };
        let kinds = tokio::select! {
            kinds = frames => kinds,
            () = async { pings.await; std::future::pending().await } => Vec::new(),
        };
        let (ping, go_away) = (6, 7);
        assert!(kinds.contains(&ping) && kinds.contains(&go_away), "{kinds:?}");
    }
}
