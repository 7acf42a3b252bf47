//! The socket of a worker's screen (taskrouter §14.2): first `init`, then what happens to its worker, in order, and a blank
//! now and then, by which the screen knows that we are there.
//!
//! Close codes: 1000 another screen is to be the only one, 1001 the bridge stops, 1008 the token is over or good no
//! longer, or its worker is gone, 1013 the screen is too slow: it asks for everything again when it is back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use model::{EventActor, TaskRouterEvent, TaskRouterEventType, WorkerSid};
use serde_json::json;
use switch::Command;
use switch::routing::{RoutingCommand, RoutingOrder, WorkerUpdate, WorkspaceOrder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, interval_at, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::frame;
use super::presence::Screen;
use super::visitor::{Standing, Visitor};
use crate::api::Api;
use crate::fanout::{Follower, Heard, NotFollowed};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// What a screen hears: what happens to its worker.
type Heeds = Follower<WorkerSid, Arc<TaskRouterEvent>>;

/// Agrees to a socket for a worker's screen, and serves it for as long as it lasts.
pub(super) async fn open(
    api: Arc<Api>,
    visitor: Visitor,
    mut standing: Standing,
    parameters: &Parameters,
    mut request: Request,
) -> Result<Response, Problem> {
    let why = "no WebSocket handshake as RFC 6455 has it";
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or(Problem::MalformedForm { why })?;
    let agreed = create_response(&request.map(|_| ())).map_err(|_| Problem::MalformedForm { why })?;
    let worker = visitor.worker.ok_or(Problem::NotFound)?;
    // First of all, so that it hears of its worker's end, whenever that is.
    let heeds = api.feeds.workers().follow(worker).map_err(|why| match why {
        NotFollowed::TooMany => Problem::TooManyRequests { after: RETRY_AFTER },
        NotFollowed::Closed => Problem::Unavailable,
    })?;
    api.store.worker(visitor.account, visitor.workspace, worker).await?.ok_or(Problem::NotFound)?;
    let closes_others = parameters.is_true("closeExistingSessions").unwrap_or(false);
    let mut screen = api.presence.enter(worker, closes_others);
    if parameters.is_true("setWorkerOfflineIfDisconnected").unwrap_or(false) {
        let (api, visitor) = (Arc::clone(&api), visitor.clone());
        screen.afterwards(Some(Box::pin(async move { go_offline(&api, &visitor, worker).await })));
    }
    tokio::spawn(async move {
        let Ok(stream) = upgrade.await.inspect_err(|reason| tracing::debug!(%reason, "no WebSocket")) else { return };
        let bounds =
            WebSocketConfig::default().max_message_size(Some(HEARD_BYTES_MAX)).max_frame_size(Some(HEARD_BYTES_MAX));
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, Some(bounds)).await;
        if let Some(frame) = serve(&mut socket, &api, &visitor, &mut standing, heeds, &mut screen).await {
            let goodbye = async {
                let _ = socket.close(Some(frame)).await;
                // What nobody reads would make the kernel take back what was said (RFC 1122 §4.2.2.13).
                while let Some(Ok(_)) = socket.next().await {}
            };
            // Whoever does not take it is gone.
            let _ = timeout(SEND_PATIENCE, goodbye).await;
        }
    });
    Ok(agreed.map(|()| Body::empty()))
}

/// Tells what happens. In the end: what is to be said at closing, if anybody is still there to hear it.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    api: &Api,
    visitor: &Visitor,
    standing: &mut Standing,
    mut heeds: Heeds,
    screen: &mut Screen,
) -> Option<CloseFrame> {
    let life = visitor.expires.since(api.now());
    let over = Instant::now() + life;
    let mut beats = interval_at(Instant::now() + BEAT_EVERY, BEAT_EVERY);
    let mut silent_beats = 0;
    let dismissed = screen.dismissed();
    let init = json!({ "event_type": "init", "payload": {
        "channel_id": visitor.worker.map(|sid| sid.to_string()),
        "account_sid": visitor.account.to_string(),
        "workspace_sid": visitor.workspace.to_string(),
        "token_lifetime": u64::try_from(life.as_millis()).unwrap_or(u64::MAX),
    }});
    send(socket, Message::text(init.to_string())).await?;
    loop {
        tokio::select! {
            heard = heeds.next() => match heard {
                Heard::Item(event) if event.event_type == TaskRouterEventType::WorkerDeleted => {
                    screen.afterwards(None);
                    return Some(closing(CloseCode::Policy, "the worker is gone"));
                }
                Heard::Item(event) => match frame::of(&api.store, &event, api.now()).await {
                    Ok(Some(text)) => send(socket, Message::text(text)).await?,
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(%error, "the store failed");
                        return Some(closing(CloseCode::Error, "what happened cannot be read"));
                    }
                },
                Heard::Lagged => return Some(closing(CloseCode::Again, "too slow for what happens")),
                Heard::Closed => {
                    // Its worker is no less there for that: it comes back when we do.
                    screen.afterwards(None);
                    return Some(closing(CloseCode::Away, "the bridge stops"));
                }
            },
            heard = socket.next() => match heard {
                // The library answers pings and the client's goodbye by itself, as we read on.
                Some(Ok(_)) => silent_beats = 0,
                Some(Err(_)) | None => return None,
            },
            () = dismissed.notified() => return Some(closing(CloseCode::Normal, "another session was opened")),
            () = sleep_until(over) => return Some(closing(CloseCode::Policy, "the token has expired")),
            () = standing.due() => {
                if !standing.look().await {
                    return Some(closing(CloseCode::Policy, "the token is good no longer"));
                }
            }
            _ = beats.tick() => {
                silent_beats += 1;
                if silent_beats > SILENT_BEATS_MAX {
                    return None;
                }
                send(socket, Message::text(" ")).await?;
                // Answered by every browser, so that we know of one that is gone.
                send(socket, Message::Ping(Bytes::new())).await?;
            }
        }
    }
}

/// Who takes nothing for so long is gone.
async fn send<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, message: Message) -> Option<()> {
    timeout(SEND_PATIENCE, socket.send(message)).await.ok()?.ok()
}

fn closing(code: CloseCode, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}

/// Its last screen has been gone for too long: the worker does what a new one does.
async fn go_offline(api: &Api, visitor: &Visitor, worker: WorkerSid) {
    let workspace = api.store.workspace(visitor.account, visitor.workspace).await;
    let Ok(Some((workspace, _))) = workspace else { return };
    let Some(activity) = workspace.default_activity_sid else { return };
    let change = WorkerUpdate { activity: Some(activity), ..WorkerUpdate::default() };
    let command = RoutingCommand {
        account: visitor.account,
        actor: EventActor::Workspace(visitor.workspace),
        order: RoutingOrder::In {
            workspace: visitor.workspace,
            order: WorkspaceOrder::UpdateWorker { worker, if_match: None, change },
        },
    };
    tracing::info!(worker_sid = %worker, "its screens are gone: offline");
    if let Err(problem) = api.command(Command::Routing(Box::new(command))).await {
        tracing::warn!(worker_sid = %worker, ?problem, "still what it was");
    }
}

/// Between two blanks; a screen that hears nothing for 30 s closes.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// Who has answered none of so many is gone.
const SILENT_BEATS_MAX: u32 = 3;
/// How long a screen may take for one frame.
const SEND_PATIENCE: Duration = Duration::from_secs(30);
/// When one for whom there is no room may come again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Longest message of a screen's; none is expected.
const HEARD_BYTES_MAX: usize = 4 * 1024;
