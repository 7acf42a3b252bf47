//! The log of an account by WebSocket (RFC 6455): one event a frame, as it is committed.
//!
//! `GET /partyline/v1/events?after=SEQ` with `Upgrade: websocket`. Each text frame is one event, the same JSON as in the
//! list; the next `after` is the `seq` of the last one seen. We ping, and close on whoever is silent for too long; what
//! the client sends besides is passed over. Close codes: 1001 the bridge stops, 1008 the log does not reach there any
//! more or the credentials are not valid any more, 1011 it cannot be read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::api::Api;
use crate::auth::{Caller, Standing};
use crate::events::{after, event_json};
use crate::feed::{FeedEnded, Filter, Subscription};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// Whether a request wants a WebSocket.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    upgrade.split(',').any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

/// Agrees to a WebSocket, and serves it for as long as it lasts.
pub(crate) async fn open(
    api: &Arc<Api>,
    caller: &Caller,
    mut request: Request,
    parameters: &Parameters,
) -> Result<Response, Problem> {
    let why = "no WebSocket handshake as RFC 6455 has it";
    if is_foreign(request.headers()) {
        return Err(Problem::ForeignOrigin);
    }
    let standing = Standing::of(api, request.headers(), caller.sid());
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or(Problem::MalformedForm { why })?;
    let agreed = create_response(&request.map(|_| ())).map_err(|_| Problem::MalformedForm { why })?;
    let after = after(parameters)?;
    let place = api.feeds.socket_place()?;
    let mut events = api.feeds.subscribe(&api.store, caller.sid(), after, Filter::default()).await?.by(standing);
    let account = caller.sid().to_string();
    tokio::spawn(async move {
        // Until the last word is said.
        let _place = place;
        let Ok(stream) = upgrade.await.inspect_err(|reason| tracing::debug!(%reason, "no WebSocket")) else { return };
        let bounds =
            WebSocketConfig::default().max_message_size(Some(HEARD_BYTES_MAX)).max_frame_size(Some(HEARD_BYTES_MAX));
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, Some(bounds)).await;
        if let Some(frame) = serve(&mut socket, &account, &mut events).await {
            let _ = timeout(GOODBYE_PATIENCE, part(&mut socket, frame)).await;
        }
    });
    Ok(agreed.map(|()| Body::empty()))
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Sends what happens. In the end: what is to be said at closing, if anybody is still there to hear it.
async fn serve(socket: &mut Socket, account: &str, events: &mut Subscription) -> Option<CloseFrame> {
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let mut is_heard = true;
    loop {
        let message = tokio::select! {
            event = events.next() => match event {
                Ok(event) => Message::text(event_json(account, &event).to_string()),
                Err(ended) => return Some(closing(&ended)),
            },
            heard = socket.next() => match heard {
                // The library answers pings and the client's goodbye by itself, as we read on.
                Some(Ok(_)) => {
                    is_heard = true;
                    continue;
                }
                Some(Err(_)) | None => return None,
            },
            _ = pings.tick() => {
                if !std::mem::take(&mut is_heard) {
                    return None;
                }
                Message::Ping(Bytes::new())
            }
        };
        // Who takes nothing for so long is gone; meanwhile what happens waits in the log.
        if !matches!(timeout(SEND_PATIENCE, socket.send(message)).await, Ok(Ok(()))) {
            return None;
        }
    }
}

/// Says goodbye, and waits for the same: what nobody reads would make the kernel take back what was said (RFC 1122
/// §4.2.2.13).
async fn part(socket: &mut Socket, frame: CloseFrame) {
    if socket.close(Some(frame)).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}

fn closing(ended: &FeedEnded) -> CloseFrame {
    let code = match ended {
        FeedEnded::Closed => CloseCode::Away,
        FeedEnded::OutOfRange { .. } | FeedEnded::TooMany | FeedEnded::NotPermitted => CloseCode::Policy,
        FeedEnded::Store(_) => CloseCode::Error,
    };
    CloseFrame { code, reason: ended.to_string().into() }
}

/// A page of somebody else's asks, with credentials that the browser may have kept for us: it could read the answer,
/// other than that of a request (RFC 6455 §10.2).
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return false };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_none() || host != text(header::HOST)
}

/// Between two pings; who says nothing from one to the next but one is gone.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long a client may take for one frame.
const SEND_PATIENCE: Duration = Duration::from_secs(30);
/// How long a client may take for our goodbye, and for its own.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(4);
/// Longest message of a client's; none is expected.
const HEARD_BYTES_MAX: usize = 4 * 1024;
