//! Workers' screens: who is let in, what they may ask, what they hear (taskrouter §14).

use std::sync::Arc;
use std::time::Duration;

use api::Config;
use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::{
    AccountSid, AssignmentStatus, CallSid, Concerned, ConferenceSid, EventActor, Reservation, ReservationStatus,
    RoutingRow, TaskRouterEvent, TaskRouterEventType, Transfer, TransferMode, TransferSid, TransferStatus,
    TransferTarget, WorkerSid,
};
use serde_json::{Value, json};
use sha2::Sha256;
use store::Row;
use switch::routing::{
    Instruction, ReservationOf, ReservationUpdate, RoutingCommand, RoutingOrder, WorkerUpdate, WorkspaceOrder,
};
use switch::{Answer, Command, ConferenceRef, ParticipantChange, ParticipantRef};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::bridge::{ACCOUNT, Bridge, Reply, TOKEN, account, at, participant};
use crate::taskrouter::{
    IDLE, OFFLINE, WORKSPACE, answered, event, fill, reservation, saved, task, worker, worker_channel,
};

/// A bridge with a workspace, and a key to sign with.
struct Desk {
    bridge: Bridge,
    key: String,
    secret: String,
}

impl Desk {
    async fn set_up() -> Self {
        let bridge = Bridge::start().await;
        fill(&bridge).await;
        let made = bridge.post("/Keys.json", "").await.json();
        let text = |name: &str| made[name].as_str().expect("is text").to_owned();
        Self { key: text("sid"), secret: text("secret"), bridge }
    }

    fn claims(&self, role: &str, worker: WorkerSid) -> Value {
        let now = at(0).seconds();
        json!({
            "jti": format!("{}-{now}", self.key), "iss": self.key, "sub": ACCOUNT.to_string(),
            "nbf": now, "exp": now + 3600,
            "grants": {"identity": "ana", "task_router": {
                "workspace_sid": WORKSPACE.to_string(), "worker_sid": worker.to_string(), "role": role}},
        })
    }

    fn token(&self, role: &str) -> String {
        sign(&HEADER(), &self.claims(role, worker(1).sid), &self.secret)
    }

    async fn ask_with(&self, token: &str, method: &str, url: &str, params: Value, headers: &[(&str, &str)]) -> Reply {
        let body = json!({"url": url, "method": method, "params": params, "token": token});
        let mut request = Request::builder().method("POST").uri("/v1/wschannels").header("apiVersion", "v2");
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.bridge.send(request.body(body.to_string().into()).expect("is a request")).await
    }

    async fn ask(&self, role: &str, method: &str, path: &str, params: Value) -> Reply {
        self.ask_with(&self.token(role), method, &format!("Workspaces/{WORKSPACE}{path}"), params, &[]).await
    }

    /// What the answer shows.
    async fn shown(&self, role: &str, method: &str, path: &str, params: Value) -> Value {
        let reply = self.ask(role, method, path, params).await;
        assert_eq!(reply.outcome(), (200, 0), "{method} {path}: {}", reply.body);
        reply.json()["payload"].take()
    }

    /// What TaskRouter was asked to do.
    fn order(&self) -> WorkspaceOrder {
        let asked = self.bridge.asked();
        match asked.as_slice() {
            [Command::Routing(command)] => match &**command {
                RoutingCommand { account: ACCOUNT, actor, order: RoutingOrder::In { workspace: WORKSPACE, order } } => {
                    assert_eq!(*actor, EventActor::Worker(worker(1).sid));
                    order.clone()
                }
                other => panic!("{other:?}"),
            },
            other => panic!("one order, not {other:?}"),
        }
    }

    async fn has(&self, row: RoutingRow) {
        self.bridge.save(&[saved(row)]).await;
    }
}

#[allow(non_snake_case)] // a constant in all but its type
fn HEADER() -> Value {
    json!({"alg": "HS256", "typ": "JWT", "cty": "twilio-fpa;v=1"})
}

fn sign(header: &Value, claims: &Value, secret: &str) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_token_is_taken_only_if_all_of_it_is_right() {
    let desk = Desk::set_up().await;
    let right = desk.claims("worker", worker(1).sid);
    let but = |name: &str, value: Value| {
        let mut claims = right.clone();
        claims[name] = value;
        sign(&HEADER(), &claims, &desk.secret)
    };
    let now = at(0).seconds();
    let stranger = AccountSid::from_bits(8);
    desk.bridge.store.save_account(&account(stranger, stranger)).await.expect("writes");
    let whole = sign(&HEADER(), &right, &desk.secret);
    let unsigned = format!("{}.", whole.rsplit_once('.').expect("three parts").0);
    let none = sign(&json!({"alg": "none", "typ": "JWT"}), &right, "");
    for (case, token, want) in [
        ("right", whole.clone(), (200, 0)),
        ("nothing", String::new(), (401, 20101)),
        ("no token", "a.b".to_owned(), (401, 20101)),
        ("too long", format!("{whole}{}", "x".repeat(40_000)), (401, 20101)),
        ("another algorithm", none, (401, 20102)),
        ("no header", format!("!.{}", &whole[5..]), (401, 20102)),
        ("nobody's", but("iss", json!("SK00000000000000000000000000000009")), (401, 20103)),
        ("of another account", but("sub", json!(stranger.to_string())), (401, 20103)),
        ("over", but("exp", json!(now)), (401, 20104)),
        ("forever", but("exp", json!(now + 200_000)), (401, 20104)),
        ("without end", but("exp", Value::Null), (401, 20104)),
        ("to come", but("nbf", json!(now + 3_000)), (401, 20105)),
        ("a clock that is ahead", but("nbf", json!(now + 30)), (200, 0)),
        ("no grants", but("grants", json!({"identity": "ana"})), (401, 20106)),
        ("another's signature", sign(&HEADER(), &right, "another"), (401, 20107)),
        ("no signature", unsigned, (401, 20107)),
    ] {
        let url = format!("Workspaces/{WORKSPACE}/Workers/{}", worker(1).sid);
        let reply = desk.ask_with(&token, "GET", &url, json!({}), &[]).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
        assert!(!reply.headers.contains_key(header::WWW_AUTHENTICATE), "no browser asks its user for a password");
    }
    desk.bridge.ask("DELETE", &format!("/Keys/{}.json", desk.key), None).await;
    assert_eq!(desk.ask("worker", "GET", "/Activities", json!({})).await.outcome(), (401, 20103), "its key is gone");
}

#[tokio::test]
async fn what_a_screen_begins_with_is_there_as_it_knows_it() {
    let desk = Desk::set_up().await;
    let own = format!("/Workers/{}", worker(1).sid);
    let shown = desk.shown("worker", "GET", &own, json!({})).await;
    let (created, updated) = (at(0).seconds(), at(1).seconds());
    assert_eq!(
        shown,
        json!({
            "account_sid": ACCOUNT.to_string(), "workspace_sid": WORKSPACE.to_string(), "sid": worker(1).sid.to_string(),
            "friendly_name": "worker 1", "activity_sid": IDLE.to_string(), "activity_name": "Idle", "available": true,
            "attributes": worker(1).attributes, "date_created": created, "date_updated": updated,
            "date_status_changed": at(9).seconds(), "version": 7,
        })
    );
    let activities = desk.shown("worker", "GET", "/Activities", json!({"PageSize": 1000})).await;
    assert_eq!(activities["contents"].as_array().map(Vec::len), Some(2));
    assert_eq!((&activities["after_sid"], activities.get("meta")), (&Value::Null, None));
    let channels = desk.shown("worker", "GET", &format!("{own}/WorkerChannels"), json!({})).await;
    assert_eq!(channels["contents"][0]["task_channel_unique_name"], "voice");
    assert_eq!(channels["contents"][0]["available_capacity_percentage"], 66);
    let active = json!({"Active": "true"});
    let reservations = desk.shown("worker", "GET", &format!("{own}/Reservations"), active.clone()).await;
    let first = &reservations["contents"][0];
    assert_eq!((&first["reservation_timeout"], &first["reservation_status"]), (&json!(120), &json!("pending")));
    assert_eq!(first["task"]["queue_name"], "queue 1");
    assert_eq!((first["task"]["addons"].as_str(), first["task"]["age"].as_u64()), (Some("{}"), Some(60)));
    assert_eq!(first.get("task_transfer"), None, "the SDK takes a null for an object");
    desk.has(RoutingRow::Reservation(Reservation { reservation_status: ReservationStatus::Timeout, ..reservation() }))
        .await;
    let reservations = desk.shown("worker", "GET", &format!("{own}/Reservations"), active).await;
    assert_eq!(reservations["contents"], json!([]));
}

#[tokio::test]
async fn lists_go_on_from_the_last_that_was_seen() {
    let desk = Desk::set_up().await;
    for number in 2..=5 {
        desk.has(RoutingRow::Worker(worker(number))).await;
    }
    let number = |sid: &Value| u32::from_str_radix(&sid.as_str().expect("a SID")[26..], 16).expect("is small");
    for (ordering, want) in [(None, [1, 2, 3, 4, 5]), (Some("DateStatusChanged:asc"), [5, 4, 3, 2, 1])] {
        let (mut seen, mut params) = (Vec::new(), json!({"PageSize": 2}));
        if let Some(ordering) = ordering {
            params["Ordering"] = ordering.into();
        }
        loop {
            let page = desk.shown("worker", "GET", "/Workers", params.clone()).await;
            seen.extend(page["contents"].as_array().expect("a list").iter().map(|row| number(&row["sid"])));
            let next = if ordering.is_some() { &page["meta"]["next_token"] } else { &page["after_sid"] };
            if next.is_null() {
                break;
            }
            params[if ordering.is_some() { "NextToken" } else { "AfterSid" }] = next.clone();
        }
        assert_eq!(seen, want, "{ordering:?}");
    }
    let some = desk.shown("worker", "GET", "/Workers", json!({"TargetWorkersExpression": "level > 3"})).await;
    assert_eq!(some["contents"].as_array().map(Vec::len), Some(2));
    let queues = desk.shown("worker", "GET", "/TaskQueues", json!({"WorkerSid": worker(1).sid.to_string()})).await;
    assert_eq!(queues["contents"][0]["lifo_queue"], false);
}

#[tokio::test]
async fn what_a_screen_asks_for_is_done_in_its_workers_name() {
    let desk = Desk::set_up().await;
    let (own, own_task) = (format!("/Workers/{}", worker(1).sid), format!("/Tasks/{}", task(1).sid));
    let url = format!("Workspaces/{WORKSPACE}{own}");
    desk.bridge.will_answer(answered(RoutingRow::Worker(worker(1))));
    let params =
        json!({"ActivitySid": OFFLINE.to_string(), "Attributes": {"level": 9}, "RejectPendingReservations": true});
    let reply = desk.ask_with(&desk.token("worker"), "POST", &url, params, &[("If-Match", "7")]).await;
    assert_eq!(reply.json()["payload"]["sid"], worker(1).sid.to_string());
    let change = WorkerUpdate {
        friendly_name: None,
        activity: Some(OFFLINE),
        attributes: Some("{\"level\":9}".to_owned()),
        reject_pending_reservations: true,
    };
    assert_eq!(desk.order(), WorkspaceOrder::UpdateWorker { worker: worker(1).sid, if_match: Some(7), change });

    // Attributes stay as they are written; of none, none are left.
    let written = "{ \"z\": 1.0, \"a\":1e2}";
    let token = desk.token("worker");
    for (sent, want) in [(written, written), ("\"\"", "{}")] {
        desk.bridge.will_answer(answered(RoutingRow::Worker(worker(1))));
        let body = format!(r#"{{"url":"{url}","method":"POST","params":{{"Attributes":{sent}}},"token":"{token}"}}"#);
        let request = Request::builder().method("POST").uri("/v1/wschannels").body(Body::from(body));
        assert_eq!(desk.bridge.send(request.expect("is a request")).await.outcome(), (200, 0));
        let WorkspaceOrder::UpdateWorker { change, .. } = desk.order() else { panic!("a change of a worker") };
        assert_eq!(change.attributes.as_deref(), Some(want));
    }

    desk.bridge.will_answer(answered(RoutingRow::Reservation(reservation())));
    let path = format!("{own}/Reservations/{}", reservation().sid);
    let params = json!({"ReservationStatus": "rejected", "WorkerActivitySid": OFFLINE.to_string()});
    let shown = desk.shown("worker", "POST", &path, params).await;
    assert_eq!(shown["task"]["sid"], task(1).sid.to_string());
    let (of, sid) = (ReservationOf::Worker(worker(1).sid), reservation().sid);
    let change = ReservationUpdate::Rejected { activity: Some(OFFLINE) };
    assert_eq!(desk.order(), WorkspaceOrder::UpdateReservation { reservation: sid, of, if_match: None, change });

    desk.bridge.will_answer(answered(RoutingRow::Reservation(reservation())));
    let params = json!({"Instruction": "conference", "EndConferenceOnExit": true, "From": "+15005550006"});
    desk.shown("worker", "POST", &path, params).await;
    let WorkspaceOrder::Instruct { instruction: Instruction::Conference(conference), .. } = desk.order() else {
        panic!("an instruction")
    };
    assert!(conference.flags.end_conference_on_exit);

    desk.bridge.will_answer(answered(RoutingRow::Task(task(1))));
    desk.shown("worker", "POST", &own_task, json!({"AssignmentStatus": "completed", "Reason": "done"})).await;
    let WorkspaceOrder::UpdateTask { change, .. } = desk.order() else { panic!("a change of a task") };
    assert_eq!(change.assignment_status, Some(AssignmentStatus::Completed));

    desk.bridge.will_answer(answered(RoutingRow::Transfer(transfer())));
    let params = json!({"TaskSid": task(1).sid.to_string(), "ReservationSid": sid.to_string(),
        "To": worker(2).sid.to_string(), "Mode": "COLD", "Priority": 5, "Attributes": {"why": "sick"}});
    let shown = desk.shown("worker", "POST", &format!("{own}/Transfers"), params).await;
    assert_eq!((&shown["transfer_type"], &shown["transfer_mode"]), (&json!("WORKER"), &json!("COLD")));
    assert_eq!(
        desk.order(),
        WorkspaceOrder::CreateTransfer {
            worker: worker(1).sid,
            task: task(1).sid,
            reservation: sid,
            to: TransferTarget::Worker(worker(2).sid),
            mode: TransferMode::Cold,
            priority: Some(5),
            attributes: Some("{\"why\":\"sick\"}".to_owned()),
        }
    );
    desk.bridge.will_answer(answered(RoutingRow::Transfer(transfer())));
    let path = format!("{own}/Transfers/{}", transfer().sid);
    desk.shown("worker", "POST", &path, json!({"TransferStatus": "canceled"})).await;
    let want = WorkspaceOrder::CancelTransfer { worker: worker(1).sid, transfer: transfer().sid };
    assert_eq!(desk.order(), want);

    desk.bridge.will_answer(answered(RoutingRow::Task(task(1))));
    let params = json!({"RoutingTarget": worker(1).sid.to_string(), "TaskChannelUniqueName": "voice",
        "Attributes": {"outbound_to": "+15005550009", "from": "+15005550006"}});
    desk.shown("worker", "POST", "/Tasks", params).await;
    let WorkspaceOrder::CreateTask(new) = desk.order() else { panic!("a task") };
    assert_eq!(new.attributes.as_deref(), Some("{\"from\":\"+15005550006\",\"outbound_to\":\"+15005550009\"}"));
}

fn transfer() -> Transfer {
    Transfer {
        sid: TransferSid::from_bits(1),
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        task_sid: task(1).sid,
        transfer_mode: TransferMode::Cold,
        transfer_to: TransferTarget::Worker(worker(2).sid),
        transfer_status: TransferStatus::Initiated,
        transfer_failed_reason: None,
        initiating_reservation_sid: reservation().sid,
        initiating_worker_sid: worker(1).sid,
        initiating_queue_sid: task(1).task_queue_sid,
        initiating_workflow_sid: task(1).workflow_sid,
        created: at(0),
        updated: at(1),
        seq: 600,
    }
}

#[tokio::test]
async fn a_worker_touches_itself_and_its_tasks_a_supervisor_the_workspace() {
    let desk = Desk::set_up().await;
    for row in [RoutingRow::Worker(worker(2)), RoutingRow::Task(task(2))] {
        desk.has(row).await;
    }
    let supervise =
        json!({"Instruction": "supervise", "Supervisor": worker(1).sid.to_string(), "SupervisorMode": "whisper"});
    let other = worker(2).sid;
    let (idle, done) = (json!({"ActivitySid": IDLE.to_string()}), json!({"AssignmentStatus": "completed"}));
    let out = json!({"RoutingTarget": other.to_string()});
    let of_task = format!("/Tasks/{}/Reservations/{}", task(1).sid, reservation().sid);
    for (case, path, params, row) in [
        ("another worker", format!("/Workers/{other}"), idle, RoutingRow::Worker(worker(2))),
        ("another's task", format!("/Tasks/{}", task(2).sid), done, RoutingRow::Task(task(2))),
        ("a task for another", "/Tasks".to_owned(), out, RoutingRow::Task(task(2))),
        ("to supervise", of_task, supervise, RoutingRow::Reservation(reservation())),
    ] {
        let reply = desk.ask("worker", "POST", &path, params.clone()).await;
        assert_eq!(reply.outcome(), (403, 20403), "{case}: {}", reply.body);
        assert!(desk.bridge.asked().is_empty(), "{case}");
        desk.bridge.will_answer(answered(row));
        assert_eq!(desk.ask("supervisor", "POST", &path, params).await.outcome(), (200, 0), "{case}");
        desk.order();
    }
    for role in ["worker", "supervisor"] {
        let path = format!("/Workers/{}", worker(1).sid);
        let reply = desk.ask(role, "POST", &path, json!({"FriendlyName": "Queen of all"})).await;
        assert_eq!(reply.outcome(), (403, 20403), "a screen renames nobody: {}", reply.body);
        assert!(desk.bridge.asked().is_empty(), "{role}");
    }
    for (case, path, want) in [
        ("another's reservations", format!("/Workers/{other}/Reservations"), (403, 20403)),
        ("who else is there", format!("/Workers/{other}"), (200, 0)),
        ("nothing", "/Workflows".to_owned(), (404, 20404)),
        ("nobody", "/Workers/WK1".to_owned(), (404, 20404)),
    ] {
        assert_eq!(desk.ask("worker", "GET", &path, json!({})).await.outcome(), want, "{case}");
    }
    let elsewhere = format!("Workspaces/WS{:032x}/Activities", 9);
    let reply = desk.ask_with(&desk.token("supervisor"), "GET", &elsewhere, json!({}), &[]).await;
    assert_eq!(reply.outcome(), (403, 20403), "another workspace");
}

#[tokio::test]
async fn people_in_the_room_of_a_task_are_held_muted_and_sent_away() {
    let desk = Desk::set_up().await;
    let (room, [mine, customer, theirs]) = (ConferenceSid::from_bits(1), [1, 2, 3].map(CallSid::from_bits));
    let mut with_room = task(1);
    with_room.attributes = format!(
        "{{\"conference\":{{\"sid\":\"{room}\",\"participants\":{{\"worker\":\"{mine}\",\"customer\":\"{customer}\"}}}}}}"
    );
    let mut of_other = reservation();
    (of_other.sid, of_other.seq) = (model::ReservationSid::from_bits(2), 401);
    (of_other.worker_sid, of_other.worker_call_sid) = (worker(2).sid, Some(theirs));
    let mut own = reservation();
    own.worker_call_sid = Some(mine);
    for row in [
        RoutingRow::Task(with_room),
        RoutingRow::Worker(worker(2)),
        RoutingRow::Reservation(own),
        RoutingRow::Reservation(of_other),
    ] {
        desk.has(row).await;
    }
    let task = task(1).sid.to_string();
    let (target, sid) = (worker(2).sid.to_string(), reservation().sid.to_string());
    let updates = |leg: CallSid, change: ParticipantChange| Command::UpdateParticipant {
        account: ACCOUNT,
        conference: ConferenceRef::Sid(room),
        participant: ParticipantRef::Call(leg),
        change,
    };
    let hold = ParticipantChange { hold: Some(false), ..ParticipantChange::default() };
    let mute =
        ParticipantChange { muted: Some(true), end_conference_on_exit: Some(true), ..ParticipantChange::default() };
    let kick = Command::RemoveParticipant {
        account: ACCOUNT,
        conference: ConferenceRef::Sid(room),
        participant: ParticipantRef::Call(theirs),
    };
    for (name, params, want, shows) in [
        ("CustomerParticipant", json!({"TaskSid": task, "Hold": false}), updates(customer, hold.clone()), &task),
        (
            "WorkerParticipant",
            json!({"ReservationSid": sid, "Mute": true, "EndConferenceOnExit": true}),
            updates(mine, mute),
            &sid,
        ),
        (
            "HoldWorkerParticipant",
            json!({"TaskSid": task, "TargetWorkerSid": target, "Hold": false}),
            updates(theirs, hold),
            &task,
        ),
        ("KickWorkerParticipant", json!({"TaskSid": task, "TargetWorkerSid": target}), kick, &task),
    ] {
        let answer = if name.starts_with("Kick") { Answer::Removed } else { Answer::Participant(participant(1)) };
        desk.bridge.will_answer(Ok(answer));
        let shown = desk.shown("worker", "POST", &format!("/Workers/{}/{name}", worker(1).sid), params).await;
        assert_eq!(shown["sid"], **shows, "{name}");
        assert_eq!(desk.bridge.asked(), [want], "{name}");
    }
    let params = json!({"TaskSid": format!("WT{:032x}", 2), "Hold": true});
    let path = format!("/Workers/{}/CustomerParticipant", worker(1).sid);
    assert_eq!(desk.ask("worker", "POST", &path, params).await.outcome(), (403, 20403), "a task of nobody");
}

#[tokio::test]
async fn a_page_of_any_origin_may_ask() {
    let desk = Desk::set_up().await;
    let request = Request::builder()
        .method("OPTIONS")
        .uri("/v1/wschannels")
        .header(header::ORIGIN, "https://desk.test")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "apiversion,clientversion,content-type,if-match");
    let reply = desk.bridge.send(request.body(Body::empty()).expect("is a request")).await;
    assert_eq!(reply.status.as_u16(), 204);
    assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, POST, OPTIONS");
    let allowed = &reply.headers[header::ACCESS_CONTROL_ALLOW_HEADERS];
    assert_eq!(allowed, "apiversion,clientversion,content-type,if-match");
}

/// A capability token of version 1, for what its policies say.
fn capability(channel: &str, policies: Value, secret: &str) -> String {
    let now = at(0).seconds();
    let claims = json!({"iss": ACCOUNT.to_string(), "account_sid": ACCOUNT.to_string(), "channel": channel,
        "workspace_sid": WORKSPACE.to_string(), "worker_sid": channel, "version": "v1", "friendly_name": "ana",
        "exp": now + 600, "policies": policies});
    sign(&json!({"alg": "HS256", "typ": "JWT"}), &claims, secret)
}

#[tokio::test]
async fn a_token_of_version_1_allows_what_its_policies_list() {
    let desk = Desk::set_up().await;
    let own = worker(1).sid.to_string();
    let at_bridge = format!("https://event-bridge.twilio.com/v1/wschannels/{ACCOUNT}/{own}");
    let in_workspace = |path: &str| format!("https://taskrouter.twilio.com/v1/Workspaces/{WORKSPACE}{path}");
    let policies = json!([
        {"url": at_bridge, "method": "GET", "allow": true},
        {"url": at_bridge, "method": "POST", "allow": true},
        {"url": in_workspace("/Activities"), "method": "GET", "allow": true},
    ]);
    let ask = async |token: String, path: String, url: String| {
        let body = json!({"url": url, "method": "GET", "token": token}).to_string();
        let request = Request::builder().method("POST").uri(path).body(Body::from(body));
        desk.bridge.send(request.expect("is a request")).await.outcome()
    };
    let path = format!("/v1/wschannels/{ACCOUNT}/{own}");
    let right = || capability(&own, policies.clone(), TOKEN);
    assert_eq!(ask(right(), path.clone(), in_workspace("/Activities")).await, (200, 0));
    assert_eq!(ask(right(), path.clone(), in_workspace("/Workers")).await, (403, 20403), "not listed");
    assert_eq!(ask(capability(&own, json!([]), TOKEN), path.clone(), in_workspace("/Activities")).await, (403, 20403));
    assert_eq!(ask(capability(&own, policies.clone(), "x"), path, in_workspace("/Activities")).await, (401, 20107));
    let others = format!("/v1/wschannels/{ACCOUNT}/{}", worker(2).sid);
    assert_eq!(ask(right(), others, in_workspace("/Activities")).await, (401, 20106), "another's channel");
}

type Socket = WebSocketStream<TcpStream>;

/// The same, served.
struct Served {
    desk: Desk,
    host: String,
}

impl Served {
    async fn set_up() -> Self {
        let desk = Desk::set_up().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let host = listener.local_addr().expect("has one").to_string();
        let routes = desk.bridge.routes.clone();
        tokio::spawn(async move { api::serve(listener, routes, &Config::default(), std::future::pending()).await });
        Self { desk, host }
    }

    /// A socket, or the status that was answered instead.
    async fn open(&self, query: &str) -> Result<Socket, u16> {
        let stream = TcpStream::connect(&self.host).await.expect("connects");
        match client_async(format!("ws://{}/v1/wschannels{query}", self.host), stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// One that has been told that it is there.
    async fn opened(&self, more: &str) -> Socket {
        let query = format!("?token={}&closeExistingSessions={more}&clientVersion=2.1.1", self.desk.token("worker"));
        let mut socket = self.open(&query).await.expect("opens");
        let init = next(&mut socket).await;
        assert_eq!(init["event_type"], "init");
        assert_eq!(
            init["payload"],
            json!({"channel_id": worker(1).sid.to_string(), "account_sid": ACCOUNT.to_string(),
                "workspace_sid": WORKSPACE.to_string(), "token_lifetime": 3_599_750})
        );
        socket
    }

    async fn happens(&self, kind: TaskRouterEventType, concerned: Concerned) {
        let mut event = TaskRouterEvent { event_type: kind, concerned: Some(Arc::new(concerned)), ..event() };
        if kind == TaskRouterEventType::TaskUpdated {
            event.worker_sid = None;
        }
        event.data.push(("worker_activity_name".into(), "Offline".to_owned()));
        event.data.push(("task_channel_unique_name".into(), "voice".to_owned()));
        self.desk.bridge.writer.write(vec![Row::TaskRouterEvent(Arc::new(event))]).await.expect("writes");
    }
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.expect("is open").expect("is a frame") {
            Message::Text(text) if text.trim().is_empty() => {}
            Message::Text(text) => return serde_json::from_str(&text).expect("is JSON"),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn closed(socket: &mut Socket) -> CloseCode {
    loop {
        match socket.next().await.expect("says goodbye").expect("is a frame") {
            Message::Close(Some(frame)) => return frame.code,
            Message::Close(None) => panic!("without a code"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_screen_hears_what_happens_to_its_worker_and_its_tasks() {
    use TaskRouterEventType as E;
    let served = Served::set_up().await;
    let (mut one, mut two) = (served.opened("false").await, served.opened("false").await);
    let about_task = Concerned { task: Some(task(1)), ..Concerned::default() };
    let about_worker = Concerned { worker: Some(worker(2)), worker_available: false, ..Concerned::default() };
    served.happens(E::TaskUpdated, Concerned { workers: vec![worker(2).sid], ..about_task.clone() }).await;
    served.happens(E::TaskCreated, about_task.clone()).await;
    served.happens(E::WorkerActivityUpdate, about_worker).await;
    served.happens(E::TaskUpdated, Concerned { workers: vec![worker(1).sid], ..about_task.clone() }).await;
    let about_channel = Concerned { worker_channel: Some(worker_channel()), ..Concerned::default() };
    served.happens(E::WorkerCapacityUpdate, about_channel).await;
    let offered = Concerned { reservation: Some(reservation()), ..about_task.clone() };
    served.happens(E::ReservationCreated, offered.clone()).await;
    served.desk.has(RoutingRow::Transfer(transfer())).await;
    let came_of = Reservation { transfer_sid: Some(transfer().sid), ..reservation() };
    served.happens(E::ReservationAccepted, Concerned { reservation: Some(came_of), ..offered }).await;
    served.happens(E::TaskTransferInitiated, Concerned { transfer: Some(transfer()), ..about_task }).await;
    for socket in [&mut one, &mut two] {
        let mut told = Vec::new();
        for _ in 0..6 {
            told.push(next(socket).await);
        }
        let kinds: Vec<_> = told.iter().map(|frame| frame["event_type"].as_str().expect("is text")).collect();
        assert_eq!(
            kinds,
            [
                "worker.activity.update",
                "task.updated",
                "worker.capacity.update",
                "reservation.created",
                "reservation.accepted",
                "task.transfer-initiated",
            ]
        );
        assert_eq!(told[0]["payload"]["activity_name"], "Offline");
        assert_eq!(told[1]["payload"]["queue_name"], "queue 1");
        assert_eq!(told[2]["payload"]["task_channel_unique_name"], "voice");
        assert_eq!(told[3]["payload"]["task"]["sid"], task(1).sid.to_string());
        assert_eq!(told[4]["payload"]["task_transfer"]["sid"], transfer().sid.to_string());
        assert_eq!(told[4]["payload"]["active_outgoing_task_transfer"]["transfer_status"], "initiated");
        assert_eq!(told[5]["payload"]["initiating_reservation_sid"], reservation().sid.to_string());
    }
}

#[tokio::test]
async fn sockets_are_closed_with_a_reason() {
    let served = Served::set_up().await;
    let (mut one, mut two) = (served.opened("false").await, served.opened("true").await);
    assert_eq!(closed(&mut one).await, CloseCode::Normal, "another wants to be alone");
    served.desk.bridge.feeds.close();
    assert_eq!(closed(&mut two).await, CloseCode::Away);
    let query = format!("?token={}", served.desk.token("worker"));
    assert_eq!(served.open(&query).await.err(), Some(503), "the bridge stops");
}

#[tokio::test]
async fn a_socket_lasts_no_longer_than_its_worker_and_its_key() {
    let served = Served::set_up().await;
    let mut fired = served.opened("false").await;
    served.happens(TaskRouterEventType::WorkerDeleted, Concerned::default()).await;
    assert_eq!(closed(&mut fired).await, CloseCode::Policy, "its worker is gone");

    let mut locked_out = served.opened("false").await;
    let Desk { bridge, key, .. } = &served.desk;
    let other = bridge.post("/Keys.json", "").await.json();
    let other = other["sid"].as_str().expect("is text");
    assert_eq!(bridge.ask("DELETE", &format!("/Keys/{other}.json"), None).await.outcome().0, 204);
    let about_task = Concerned { task: Some(task(1)), workers: vec![worker(1).sid], ..Concerned::default() };
    served.happens(TaskRouterEventType::TaskUpdated, about_task).await;
    assert_eq!(next(&mut locked_out).await["event_type"], "task.updated", "another key is nothing to it");
    assert_eq!(bridge.ask("DELETE", &format!("/Keys/{key}.json"), None).await.outcome().0, 204);
    assert_eq!(closed(&mut locked_out).await, CloseCode::Policy, "its key is gone");
}

#[tokio::test]
async fn who_may_not_have_a_socket_is_told_why() {
    let served = Served::set_up().await;
    let desk = &served.desk;
    let nobody = sign(&HEADER(), &desk.claims("worker", worker(9).sid), &desk.secret);
    for (case, query, want) in [
        ("no token", String::new(), 401),
        ("no worker", format!("?token={nobody}"), 404),
        ("a token of version 2 by the path of version 1", format!("/{ACCOUNT}/{}?token={nobody}", worker(9).sid), 401),
    ] {
        assert_eq!(served.open(&query).await.err(), Some(want), "{case}");
    }
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(served.opened("false").await);
    }
    let query = format!("?token={}", desk.token("worker"));
    assert_eq!(served.open(&query).await.err(), Some(429), "as many as one worker may have");
    drop(open.pop());
    let again = async {
        while served.open(&query).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("there is room again");
}
