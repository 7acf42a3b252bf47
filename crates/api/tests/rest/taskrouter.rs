//! Workspaces and what is in them: every operation once, for the table of answers; lists, filters, orders, versions.

use std::borrow::Cow;
use std::time::Duration;

use model::{
    Activity, ActivitySid, AssignmentStatus, EventActor, EventResource, EventSid, Reservation, ReservationSid,
    ReservationStatus, RoutingKey, RoutingRow, Task, TaskChannel, TaskChannelSid, TaskOrder, TaskQueue, TaskQueueSid,
    TaskRouterEvent, TaskRouterEventType, TaskSid, Worker, WorkerChannel, WorkerChannelSid, WorkerSid, Workflow,
    WorkflowSid, Workspace, WorkspaceSid,
};
use store::Row;
use switch::routing::{
    Instruction, NewTask, NewTaskQueue, NewWorker, NewWorkflow, NewWorkspace, ReservationOf, ReservationUpdate,
    RoutingAnswer, RoutingCommand, RoutingOrder, RoutingRefusal, TaskChannelRef, TaskUpdate, WorkerChannelRef,
    WorkerUpdate, WorkspaceOrder, WorkspaceUpdate,
};
use switch::{Answer, Command, Refusal};

use crate::bridge::{ACCOUNT, Bridge, Reply, at};

pub(crate) const WORKSPACE: WorkspaceSid = WorkspaceSid::from_bits(1);
pub(crate) const OFFLINE: ActivitySid = ActivitySid::from_bits(1);
pub(crate) const IDLE: ActivitySid = ActivitySid::from_bits(2);
const VOICE: TaskChannelSid = TaskChannelSid::from_bits(1);
const QUEUE: TaskQueueSid = TaskQueueSid::from_bits(1);
const WORKFLOW: WorkflowSid = WorkflowSid::from_bits(1);
const RESERVATION: ReservationSid = ReservationSid::from_bits(1);
const EVENT: EventSid = EventSid::from_bits(1);

fn workspace() -> Workspace {
    Workspace {
        sid: WORKSPACE,
        account_sid: ACCOUNT,
        friendly_name: "Sales".to_owned(),
        event_callback_url: Some("https://app.test/events".to_owned()),
        events_filter: None,
        multi_task_enabled: true,
        prioritize_queue_order: TaskOrder::Fifo,
        default_activity_sid: Some(OFFLINE),
        timeout_activity_sid: Some(OFFLINE),
        created: at(0),
        updated: at(1),
        seq: 1,
    }
}

fn activity(sid: ActivitySid, name: &str, available: bool, seq: i64) -> Activity {
    let (friendly_name, created, updated) = (name.to_owned(), at(0), at(1));
    Activity { sid, account_sid: ACCOUNT, workspace_sid: WORKSPACE, friendly_name, available, created, updated, seq }
}

fn channel() -> TaskChannel {
    TaskChannel {
        sid: VOICE,
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        friendly_name: "Voice".to_owned(),
        unique_name: "voice".to_owned(),
        channel_optimized_routing: false,
        created: at(0),
        updated: at(1),
        seq: 4,
    }
}

/// Worker number `number`, of that level; of odd numbers those are idle.
pub(crate) fn worker(number: u32) -> Worker {
    Worker {
        sid: WorkerSid::from_bits(number.into()),
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        friendly_name: format!("worker {number}"),
        attributes: format!("{{\"languages\": [\"en\"],  \"level\":{number}}}"),
        activity_sid: if number % 2 == 1 { IDLE } else { OFFLINE },
        status_changed: at(10 - i64::from(number)),
        idle_since: at(0),
        last_reserved: None,
        version: 7,
        created: at(0),
        updated: at(1),
        seq: 100 + i64::from(number),
    }
}

pub(crate) fn worker_channel() -> WorkerChannel {
    WorkerChannel {
        sid: WorkerChannelSid::from_bits(1),
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        worker_sid: worker(1).sid,
        task_channel_sid: VOICE,
        configured_capacity: 3,
        available: true,
        assigned_tasks: 1,
        idle_since: at(0),
        last_reserved: None,
        created: at(0),
        updated: at(1),
        seq: 5,
    }
}

fn queue(number: u32, target_workers: &str) -> TaskQueue {
    TaskQueue {
        sid: TaskQueueSid::from_bits(number.into()),
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        friendly_name: format!("queue {number}"),
        target_workers: target_workers.to_owned(),
        max_reserved_workers: 1,
        task_order: TaskOrder::Fifo,
        reservation_activity_sid: None,
        assignment_activity_sid: Some(IDLE),
        created: at(0),
        updated: at(10 - i64::from(number)),
        seq: 200 + i64::from(number),
    }
}

fn workflow() -> Workflow {
    Workflow {
        sid: WORKFLOW,
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        friendly_name: "Languages".to_owned(),
        configuration: " {\"task_routing\": {}}".to_owned(),
        revision: 0,
        anew_from: 0,
        former: Vec::new(),
        assignment_callback_url: Some("https://app.test/assign".to_owned()),
        fallback_assignment_callback_url: None,
        task_reservation_timeout: Duration::from_secs(120),
        created: at(0),
        updated: at(1),
        seq: 6,
    }
}

pub(crate) fn task(number: u32) -> Task {
    Task {
        sid: TaskSid::from_bits(number.into()),
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        attributes: format!("{{\"selected_language\":\"en\", \"number\":{number}}}"),
        task_channel_sid: VOICE,
        workflow_sid: Some(WORKFLOW),
        task_queue_sid: Some(QUEUE),
        task_queue_entered: Some(at(-60)),
        assignment_status: AssignmentStatus::Pending,
        reason: None,
        priority: number % 2,
        timeout: Duration::from_secs(86_400),
        virtual_start: at(-60),
        routing_target: None,
        ignore_capacity: false,
        step: None,
        re_evaluate: false,
        call_sid: None,
        assigned: None,
        ended: None,
        version: 3,
        created: at(-60),
        updated: at(1),
        seq: 300 + i64::from(number),
    }
}

pub(crate) fn reservation() -> Reservation {
    Reservation {
        sid: RESERVATION,
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        task_sid: task(1).sid,
        worker_sid: worker(1).sid,
        task_channel_sid: VOICE,
        reservation_status: ReservationStatus::Pending,
        canceled_reason_code: None,
        times_out: at(120),
        transfer_sid: None,
        worker_call_sid: None,
        post_work_activity_sid: None,
        work_end: model::WorkEnd::Wrap,
        version: 5,
        created: at(0),
        updated: at(1),
        seq: 400,
    }
}

pub(crate) fn event() -> TaskRouterEvent {
    TaskRouterEvent {
        sid: EVENT,
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        event_type: TaskRouterEventType::ReservationCreated,
        description: "Reservation created".to_owned(),
        at: at(-30),
        resource: EventResource::Reservation(RESERVATION),
        actor: EventActor::Account(ACCOUNT),
        task_sid: Some(task(1).sid),
        worker_sid: Some(worker(1).sid),
        task_queue_sid: None,
        workflow_sid: None,
        reservation_sid: Some(RESERVATION),
        task_channel_sid: Some(VOICE),
        data: vec![(Cow::Borrowed("task_age"), "30".to_owned()), (Cow::Borrowed("worker_name"), "worker 1".to_owned())],
        concerned: None,
        seq: 500,
    }
}

pub(crate) fn saved(row: RoutingRow) -> Row {
    Row::Routing(Box::new(row))
}

/// A bridge with one of each in a workspace.
async fn bridge() -> Bridge {
    let bridge = Bridge::start().await;
    fill(&bridge).await;
    bridge
}

pub(crate) async fn fill(bridge: &Bridge) {
    let rows = [
        RoutingRow::Workspace(workspace()),
        RoutingRow::Activity(activity(OFFLINE, "Offline", false, 2)),
        RoutingRow::Activity(activity(IDLE, "Idle", true, 3)),
        RoutingRow::TaskChannel(channel()),
        RoutingRow::Worker(worker(1)),
        RoutingRow::WorkerChannel(worker_channel()),
        RoutingRow::TaskQueue(queue(1, "languages HAS \"en\"")),
        RoutingRow::Workflow(workflow()),
        RoutingRow::Task(task(1)),
        RoutingRow::Reservation(reservation()),
    ];
    bridge.save(&rows.map(saved)).await;
    bridge.save(&[Row::TaskRouterEvent(event().into())]).await;
}

pub(crate) fn answered(row: RoutingRow) -> Result<Answer, Refusal> {
    Ok(Answer::Routing(Box::new(RoutingAnswer::Row(Box::new(row)))))
}

/// Asks every operation, of rows that the store has; what changes is answered by the switch as it is told to.
pub(crate) async fn answers(bridge: &Bridge) -> Vec<(&'static str, Reply)> {
    fill(bridge).await;
    let mut answers = Vec::new();
    let (worker, task) = (worker(1), task(1));
    let resources = [
        ("Workspace", String::new(), WORKSPACE.to_string(), "FriendlyName=a", RoutingRow::Workspace(workspace())),
        (
            "Activity",
            format!("/{WORKSPACE}/Activities"),
            OFFLINE.to_string(),
            "FriendlyName=a",
            RoutingRow::Activity(activity(OFFLINE, "Offline", false, 2)),
        ),
        (
            "TaskChannel",
            format!("/{WORKSPACE}/TaskChannels"),
            VOICE.to_string(),
            "FriendlyName=a&UniqueName=a",
            RoutingRow::TaskChannel(channel()),
        ),
        (
            "Worker",
            format!("/{WORKSPACE}/Workers"),
            worker.sid.to_string(),
            "FriendlyName=a",
            RoutingRow::Worker(worker.clone()),
        ),
        (
            "TaskQueue",
            format!("/{WORKSPACE}/TaskQueues"),
            QUEUE.to_string(),
            "FriendlyName=a",
            RoutingRow::TaskQueue(queue(1, "1==1")),
        ),
        (
            "Workflow",
            format!("/{WORKSPACE}/Workflows"),
            WORKFLOW.to_string(),
            "FriendlyName=a&Configuration={}",
            RoutingRow::Workflow(workflow()),
        ),
        ("Task", format!("/{WORKSPACE}/Tasks"), task.sid.to_string(), "", RoutingRow::Task(task.clone())),
        (
            "WorkerChannel",
            format!("/{WORKSPACE}/Workers/{}/Channels", worker.sid),
            "voice".to_owned(),
            "Capacity=2",
            RoutingRow::WorkerChannel(worker_channel()),
        ),
        (
            "WorkerReservation",
            format!("/{WORKSPACE}/Workers/{}/Reservations", worker.sid),
            RESERVATION.to_string(),
            "ReservationStatus=accepted",
            RoutingRow::Reservation(reservation()),
        ),
        (
            "TaskReservation",
            format!("/{WORKSPACE}/Tasks/{}/Reservations", task.sid),
            RESERVATION.to_string(),
            "Instruction=accept",
            RoutingRow::Reservation(reservation()),
        ),
    ];
    for (resource, path, sid, form, row) in resources {
        let one = format!("{path}/{sid}");
        let can_be_made = !matches!(resource, "WorkerChannel" | "WorkerReservation" | "TaskReservation");
        answers.push((operation("List", resource), bridge.v1("GET", &path, "", &[]).await));
        answers.push((operation("Fetch", resource), bridge.v1("GET", &one, "", &[]).await));
        bridge.will_answer(answered(row.clone()));
        answers.push((operation("Update", resource), bridge.v1("POST", &one, form, &[]).await));
        if can_be_made {
            bridge.will_answer(answered(row));
            answers.push((operation("Create", resource), bridge.v1("POST", &path, form, &[]).await));
            bridge.will_answer(Ok(Answer::Routing(Box::new(RoutingAnswer::Removed))));
            answers.push((operation("Delete", resource), bridge.v1("DELETE", &one, "", &[]).await));
        }
    }
    answers.push(("ListEvent", bridge.v1("GET", &format!("/{WORKSPACE}/Events"), "", &[]).await));
    answers.push(("FetchEvent", bridge.v1("GET", &format!("/{WORKSPACE}/Events/{EVENT}"), "", &[]).await));
    answers
}

fn operation(verb: &str, resource: &str) -> &'static str {
    Box::leak(format!("{verb}{resource}").into_boxed_str())
}

/// What the list at that path has, by the last digits of their SIDs.
async fn listed(bridge: &Bridge, path: &str) -> Vec<u32> {
    let body = bridge.v1("GET", path, "", &[]).await.json();
    let key = body["meta"]["key"].as_str().unwrap_or_else(|| panic!("{path}: {body}")).to_owned();
    let rows = body[&key].as_array().expect("is a list").iter();
    rows.map(|row| u32::from_str_radix(&row["sid"].as_str().expect("has one")[24..], 16).expect("is small")).collect()
}

/// The path of the page that a list goes on with.
fn path_of(url: &serde_json::Value) -> Option<String> {
    let url = url.as_str()?;
    Some(url.strip_prefix("http://bridge.test/v1/Workspaces").expect("is ours").to_owned())
}

#[tokio::test]
async fn urls_are_absolute_and_as_the_client_reaches_us() {
    let bridge = bridge().await;
    let path = format!("/{WORKSPACE}/Workers/{}", worker(1).sid);
    for (headers, base) in [
        (&[][..], "http://bridge.test"),
        (&[("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "voice.test")], "https://voice.test"),
    ] {
        let body = bridge.v1("GET", &path, "", headers).await.json();
        assert_eq!(body["url"], format!("{base}/v1/Workspaces{path}"));
        assert_eq!(body["links"]["activity"], format!("{base}/v1/Workspaces/{WORKSPACE}/Activities/{IDLE}"));
        let list = bridge.v1("GET", &format!("/{WORKSPACE}/Workers?Available=true"), "", headers).await.json();
        let want = format!("{base}/v1/Workspaces/{WORKSPACE}/Workers?Available=true&PageSize=50&Page=0");
        assert_eq!((&list["meta"]["url"], &list["meta"]["next_page_url"]), (&want.into(), &serde_json::Value::Null));
    }
}

#[tokio::test]
async fn what_is_said_of_a_resource_is_as_it_was_given_with_the_names_of_others() {
    let bridge = bridge().await;
    let body = bridge.v1("GET", &format!("/{WORKSPACE}/Workers/{}", worker(1).sid), "", &[]).await.json();
    assert_eq!(body["attributes"], "{\"languages\": [\"en\"],  \"level\":1}");
    assert_eq!((&body["activity_name"], &body["available"]), (&"Idle".into(), &true.into()));
    assert_eq!(body["date_created"], "2026-02-10T09:08:07Z");
    let body = bridge.v1("GET", &format!("/{WORKSPACE}/Workflows/{WORKFLOW}"), "", &[]).await.json();
    assert_eq!(body["configuration"], " {\"task_routing\": {}}");
    let body = bridge.v1("GET", &format!("/{WORKSPACE}/Tasks/{}", task(1).sid), "", &[]).await.json();
    for (field, want) in [
        ("age", serde_json::json!(60)),
        ("addons", "{}".into()),
        ("task_queue_friendly_name", "queue 1".into()),
        ("workflow_friendly_name", "Languages".into()),
        ("task_channel_unique_name", "voice".into()),
    ] {
        assert_eq!(body[field], want, "{field}");
    }
    let body =
        bridge.v1("GET", &format!("/{WORKSPACE}/Workers/{}/Channels/{VOICE}", worker(1).sid), "", &[]).await.json();
    assert_eq!(body["available_capacity_percentage"], 66);
    let body = bridge.v1("GET", &format!("/{WORKSPACE}/Events/{EVENT}"), "", &[]).await.json();
    assert_eq!(body["event_data"], serde_json::json!({"task_age": "30", "worker_name": "worker 1"}));
    assert_eq!(body["event_date_ms"], 1_770_714_457_250_i64);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let bridge = bridge().await;
    let elsewhere = WorkspaceSid::from_bits(0xE15E);
    for path in [
        format!("/{elsewhere}"),
        format!("/{elsewhere}/Workers"),
        format!("/{elsewhere}/Workers/{}", worker(1).sid),
        format!("/{WORKSPACE}/Workers/WK1"),
        format!("/{WORKSPACE}/Workers/{OFFLINE}"),
        format!("/{WORKSPACE}/Workers/{}/Channels", worker(9).sid),
        format!("/{WORKSPACE}/Workers/{}/Channels/chat", worker(1).sid),
        format!("/{WORKSPACE}/Workers/{}/Reservations/{RESERVATION}", worker(9).sid),
        format!("/{WORKSPACE}/Tasks/{}/Reservations", task(9).sid),
        format!("/{WORKSPACE}/TaskChannels/chat"),
        format!("/{WORKSPACE}/Workers.json"),
        "/WS1".to_owned(),
        format!("/{WORKSPACE}/Nothing"),
    ] {
        assert_eq!(bridge.v1("GET", &path, "", &[]).await.outcome(), (404, 20404), "{path}");
    }
    for path in [String::new(), format!("/{WORKSPACE}"), format!("/{WORKSPACE}/Workers/"), "/".to_owned()] {
        assert_eq!(bridge.v1("GET", &path, "", &[]).await.outcome(), (200, 0), "{path}");
    }
    for (verb, path) in
        [("PUT", format!("/{WORKSPACE}")), ("DELETE", format!("/{WORKSPACE}/Tasks")), ("PATCH", String::new())]
    {
        assert_eq!(bridge.v1(verb, &path, "", &[]).await.outcome(), (405, 20004), "{verb} {path}");
    }
    let nobody = axum::http::Request::get("/v1/Workspaces").body(axum::body::Body::empty()).expect("is a request");
    assert_eq!(bridge.send(nobody).await.outcome(), (401, 20003));
}

#[tokio::test]
async fn a_list_is_read_to_its_end_while_rows_come_and_go() {
    let bridge = bridge().await;
    bridge.save(&(2..=7).map(|number| saved(RoutingRow::Worker(worker(number)))).collect::<Vec<_>>()).await;
    let mut path = format!("/{WORKSPACE}/Workers?PageSize=3");
    let mut pages = Vec::new();
    for number in 0.. {
        pages.push(listed(&bridge, &path).await);
        let meta = bridge.v1("GET", &path, "", &[]).await.json()["meta"].clone();
        assert_eq!((&meta["page"], &meta["page_size"]), (&number.into(), &3.into()));
        // One comes at the end, and the last one seen goes.
        let gone = *pages[number].last().expect("no page is empty");
        bridge.save(&[Row::RoutingDeleted(RoutingKey::Worker(worker(gone).sid))]).await;
        if number == 0 {
            assert!(
                meta["next_page_url"].as_str().expect("goes on").ends_with(&format!("&PageToken=PA{}", worker(3).sid))
            );
            bridge.save(&[saved(RoutingRow::Worker(worker(8)))]).await;
        }
        match path_of(&meta["next_page_url"]) {
            Some(next) => path = next,
            None => {
                assert_eq!(listed(&bridge, &path_of(&meta["previous_page_url"]).expect("leads back")).await, [2, 4, 5]);
                break;
            }
        }
    }
    assert_eq!(pages, [vec![1, 2, 3], vec![4, 5, 6], vec![7, 8]]);
}

#[tokio::test]
async fn lists_have_the_orders_they_are_asked_for() {
    let bridge = bridge().await;
    bridge.save(&(2..=3).map(|number| saved(RoutingRow::Worker(worker(number)))).collect::<Vec<_>>()).await;
    bridge.save(&(2..=4).map(|number| saved(RoutingRow::Task(task(number)))).collect::<Vec<_>>()).await;
    bridge.save(&[saved(RoutingRow::TaskQueue(queue(2, "1==1")))]).await;
    for (path, want) in [
        ("Workers", vec![1, 2, 3]),
        ("Workers?Ordering=DateStatusChanged:asc", vec![3, 2, 1]),
        ("Workers?Ordering=DateStatusChanged:desc", vec![1, 2, 3]),
        ("TaskQueues?Ordering=DateUpdated:asc", vec![2, 1]),
        ("TaskQueues?Ordering=DateUpdated%3Adesc", vec![1, 2]),
        ("Tasks?Ordering=DateCreated:desc", vec![4, 3, 2, 1]),
        ("Tasks?Ordering=Priority:desc,DateCreated:asc", vec![1, 3, 2, 4]),
        ("Tasks?Ordering=Priority:asc,VirtualStartTime:desc", vec![2, 4, 1, 3]),
    ] {
        assert_eq!(listed(&bridge, &format!("/{WORKSPACE}/{path}")).await, want, "{path}");
        // The same a row at a time.
        let sign = if path.contains('?') { '&' } else { '?' };
        let (mut next, mut rows) = (Some(format!("/{WORKSPACE}/{path}{sign}PageSize=1")), Vec::new());
        while let Some(page) = next {
            rows.extend(listed(&bridge, &page).await);
            next = path_of(&bridge.v1("GET", &page, "", &[]).await.json()["meta"]["next_page_url"]);
        }
        assert_eq!(rows, want, "{path}, a row at a time");
    }
    for query in ["DateCreated:asc,VirtualStartTime:asc", "Age:asc", "Priority:up"] {
        let path = format!("/{WORKSPACE}/Tasks?Ordering={query}");
        assert_eq!(bridge.v1("GET", &path, "", &[]).await.outcome(), (400, 20001), "{query}");
    }
}

#[tokio::test]
async fn filters_keep_what_they_name() {
    let bridge = bridge().await;
    bridge.save(&(2..=4).map(|number| saved(RoutingRow::Worker(worker(number)))).collect::<Vec<_>>()).await;
    let assigned = Task { assignment_status: AssignmentStatus::Assigned, ..task(3) };
    bridge.save(&[saved(RoutingRow::Task(task(2))), saved(RoutingRow::Task(assigned))]).await;
    bridge
        .save(&[saved(RoutingRow::TaskQueue(queue(2, "level > 2"))), saved(RoutingRow::TaskQueue(queue(3, "")))])
        .await;
    let none: Vec<u32> = Vec::new();
    for (path, want) in [
        ("Activities?Available=true", vec![2]),
        ("Activities?FriendlyName=Offline&Available=", vec![1]),
        ("Workers?ActivityName=Idle", vec![1, 3]),
        ("Workers?Available=no", vec![2, 4]),
        ("Workers?FriendlyName=worker+2", vec![2]),
        ("Workers?TaskQueueName=queue+2", vec![3, 4]),
        ("Workers?TaskQueueName=queue+3", none.clone()),
        ("Workers?TaskQueueName=nothing", none.clone()),
        ("TaskQueues?FriendlyName=queue+2", vec![2]),
        ("TaskQueues?WorkerSid=WK00000000000000000000000000000001", vec![1]),
        ("TaskQueues?WorkerSid=WK00000000000000000000000000000003", vec![1, 2]),
        ("Tasks?AssignmentStatus=assigned,reserved", vec![3]),
        ("Tasks?AssignmentStatus=assigned&AssignmentStatus=pending", vec![1, 2, 3]),
        ("Tasks?Priority=0", vec![2]),
        ("Tasks?TaskQueueName=queue+1&WorkflowName=Languages&AssignmentStatus=pending", vec![1, 2]),
        ("Tasks?HasAddons=true", none.clone()),
        ("Tasks?HasAddons=false", vec![1, 2, 3]),
        ("Events?Minutes=1", vec![1]),
        ("Events?EventType=task.created", none.clone()),
        ("Events?TaskChannel=voice", vec![1]),
        ("Events?TaskChannel=chat", none.clone()),
        ("Events?EndDate=2026-02-09", none.clone()),
        ("Events?StartDate=2026-02-10", vec![1]),
    ] {
        assert_eq!(listed(&bridge, &format!("/{WORKSPACE}/{path}")).await, want, "{path}");
    }
    for (path, code) in [
        ("Workers?Page=3", 40153),
        ("Workers?PageSize=0", 20007),
        ("Workers?PageToken=PAWK00000000000000000000000000000099", 21481),
        ("Workers?PageToken=PAWK00000000000000000000000000000001&Ordering=DateStatusChanged:asc", 21481),
        ("Workers?ActivitySid=nobody", 20423),
        ("Workers?Available=perhaps", 20001),
        ("TaskQueues?WorkerSid=WK00000000000000000000000000000099", 20001),
        ("Tasks?AssignmentStatus=asleep", 20001),
        ("Tasks?Priority=-1", 20001),
        ("Events?EventType=nothing", 20001),
        ("Events?StartDate=2025-01-01", 14241),
        ("Events?Minutes=0", 20001),
    ] {
        assert_eq!(bridge.v1("GET", &format!("/{WORKSPACE}/{path}"), "", &[]).await.outcome(), (400, code), "{path}");
    }
    assert_eq!(listed(&bridge, &format!("/{WORKSPACE}/Workers?Page=0")).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn expressions_filter_page_by_page() {
    for (path, want) in [
        ("Workers?TargetWorkersExpression=level+%3E%3D+3&PageSize=1", vec![3, 4]),
        ("Workers?TargetWorkersExpression=activity_name+%3D%3D+%22Idle%22", vec![1, 3]),
        ("Tasks?EvaluateTaskAttributes=number+IN+%5B2%2C+3%5D", vec![2, 3]),
        ("TaskQueues?EvaluateWorkerAttributes=%7B%22level%22%3A5%7D", vec![2]),
    ] {
        let bridge = bridge().await; // each with its own three requests a second
        bridge.save(&(2..=4).map(|number| saved(RoutingRow::Worker(worker(number)))).collect::<Vec<_>>()).await;
        bridge.save(&(2..=3).map(|number| saved(RoutingRow::Task(task(number)))).collect::<Vec<_>>()).await;
        bridge.save(&[saved(RoutingRow::TaskQueue(queue(2, "worker.level > 2")))]).await;
        let (mut next, mut rows) = (Some(format!("/{WORKSPACE}/{path}")), Vec::new());
        while let Some(page) = next {
            let body = bridge.v1("GET", &page, "", &[]).await.json();
            let key = body["meta"]["key"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
            for row in body[&key].as_array().expect("is a list") {
                rows.push(row["sid"].as_str().expect("has one")[33..].parse::<u32>().expect("is small"));
            }
            next = path_of(&body["meta"]["next_page_url"]);
        }
        assert_eq!(rows, want, "{path}");
    }
    let bridge = bridge().await;
    let wrong = format!("/{WORKSPACE}/Tasks?EvaluateTaskAttributes=number+%3D%3D%3D+1");
    let mut outcomes = Vec::new();
    while outcomes.last() != Some(&(429, 20429)) && outcomes.len() < 100 {
        outcomes.push(bridge.v1("GET", &wrong, "", &[]).await.outcome());
    }
    assert_eq!(outcomes[..3], [(400, 20001); 3], "three in a second");
    assert_eq!(outcomes.last(), Some(&(429, 20429)), "and no more");
    assert_eq!(listed(&bridge, &format!("/{WORKSPACE}/Tasks")).await, [1], "others are not counted");
}

/// What the switch was asked, of which account and by whom.
fn order(bridge: &Bridge) -> RoutingOrder {
    let [Command::Routing(command)] = &bridge.asked()[..] else { panic!("one command") };
    let RoutingCommand { account, actor, order } = (**command).clone();
    assert_eq!((account, actor), (ACCOUNT, EventActor::Account(ACCOUNT)));
    order
}

fn within(order: WorkspaceOrder) -> RoutingOrder {
    RoutingOrder::In { workspace: WORKSPACE, order }
}

#[tokio::test]
async fn a_request_asks_the_switch_what_its_parameters_say() {
    let bridge = bridge().await;
    let text = |text: &str| Some(text.to_owned());
    let (one_worker, one_task) = (worker(1).sid, task(1).sid);
    let reservation =
        |of, change| WorkspaceOrder::UpdateReservation { reservation: RESERVATION, of, if_match: None, change };
    for (verb, path, form, want) in [
        (
            "POST",
            String::new(),
            "FriendlyName=Sales&Template=FIFO&EventsFilter=task.created,task.canceled&MultiTaskEnabled=false\
                &PrioritizeQueueOrder=LIFO&EventCallbackUrl=app.test/e"
                .to_owned(),
            RoutingOrder::CreateWorkspace(NewWorkspace {
                friendly_name: "Sales".to_owned(),
                event_callback_url: text("http://app.test/e"),
                events_filter: text("task.created,task.canceled"),
                multi_task_enabled: false,
                prioritize_queue_order: TaskOrder::Lifo,
                fifo: true,
            }),
        ),
        (
            "POST",
            format!("/{WORKSPACE}"),
            format!("EventCallbackUrl=&DefaultActivitySid={IDLE}"),
            within(WorkspaceOrder::Update(WorkspaceUpdate {
                event_callback_url: Some(None),
                default_activity: Some(IDLE),
                ..WorkspaceUpdate::default()
            })),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Activities"),
            "FriendlyName=Wrap-Up&Available=maybe".to_owned(),
            within(WorkspaceOrder::CreateActivity { friendly_name: "Wrap-Up".to_owned(), available: false }),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Activities"),
            "FriendlyName=Ready&Available=yes".to_owned(),
            within(WorkspaceOrder::CreateActivity { friendly_name: "Ready".to_owned(), available: true }),
        ),
        (
            "DELETE",
            format!("/{WORKSPACE}/TaskChannels/chat"),
            String::new(),
            within(WorkspaceOrder::DeleteTaskChannel(TaskChannelRef::UniqueName("chat".to_owned()))),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Workers"),
            "FriendlyName=Ana&Attributes=%7B%22a%22%3A+1.0%7D".to_owned(),
            within(WorkspaceOrder::CreateWorker(NewWorker {
                friendly_name: "Ana".to_owned(),
                activity: None,
                attributes: text("{\"a\": 1.0}"),
            })),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Workers/{one_worker}"),
            format!("ActivitySid={OFFLINE}&RejectPendingReservations=true"),
            within(WorkspaceOrder::UpdateWorker {
                worker: one_worker,
                if_match: None,
                change: WorkerUpdate {
                    activity: Some(OFFLINE),
                    reject_pending_reservations: true,
                    ..WorkerUpdate::default()
                },
            }),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Workers/{one_worker}/Channels/voice"),
            "Capacity=0&Available=false".to_owned(),
            within(WorkspaceOrder::UpdateWorkerChannel {
                worker: one_worker,
                channel: WorkerChannelRef::TaskChannel(TaskChannelRef::UniqueName("voice".to_owned())),
                capacity: Some(0),
                available: Some(false),
            }),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/TaskQueues"),
            "FriendlyName=Hindi&TargetWorkers=".to_owned(),
            within(WorkspaceOrder::CreateTaskQueue(NewTaskQueue {
                friendly_name: "Hindi".to_owned(),
                target_workers: text(""),
                max_reserved_workers: 1,
                task_order: TaskOrder::Fifo,
                reservation_activity: None,
                assignment_activity: None,
            })),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Workflows"),
            "FriendlyName=W&Configuration=%7B%7D&TaskReservationTimeout=30".to_owned(),
            within(WorkspaceOrder::CreateWorkflow(NewWorkflow {
                friendly_name: "W".to_owned(),
                configuration: "{}".to_owned(),
                assignment_callback_url: None,
                fallback_assignment_callback_url: None,
                task_reservation_timeout: Duration::from_secs(30),
            })),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Tasks"),
            format!(
                "TaskChannel=voice&Priority=5&Timeout=60&RoutingTarget={one_worker}&VirtualStartTime=2026-02-10T09:00:00Z"
            ),
            within(WorkspaceOrder::CreateTask(NewTask {
                channel: Some(TaskChannelRef::UniqueName("voice".to_owned())),
                priority: Some(5),
                timeout: Some(Duration::from_secs(60)),
                virtual_start: Some(model::Timestamp::from_micros(1_770_714_000_000_000)),
                routing_target: Some(model::RoutingTarget::Worker(one_worker)),
                ..NewTask::default()
            })),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Tasks/{one_task}"),
            "AssignmentStatus=completed&Reason=done".to_owned(),
            within(WorkspaceOrder::UpdateTask {
                task: one_task,
                if_match: None,
                change: TaskUpdate {
                    assignment_status: Some(AssignmentStatus::Completed),
                    reason: text("done"),
                    ..TaskUpdate::default()
                },
            }),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Workers/{one_worker}/Reservations/{RESERVATION}"),
            format!("ReservationStatus=rejected&WorkerActivitySid={OFFLINE}"),
            within(reservation(
                ReservationOf::Worker(one_worker),
                ReservationUpdate::Rejected { activity: Some(OFFLINE) },
            )),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Tasks/{one_task}/Reservations/{RESERVATION}"),
            "ReservationStatus=wrapping".to_owned(),
            within(reservation(ReservationOf::Task(one_task), ReservationUpdate::Wrapping)),
        ),
        (
            "POST",
            format!("/{WORKSPACE}/Tasks/{one_task}/Reservations/{RESERVATION}"),
            "Instruction=accept".to_owned(),
            within(WorkspaceOrder::Instruct {
                reservation: RESERVATION,
                of: ReservationOf::Task(one_task),
                if_match: None,
                instruction: Instruction::Accept,
            }),
        ),
    ] {
        bridge.will_answer(Err(Refusal::Routing(RoutingRefusal::NotFound)));
        assert_eq!(bridge.v1(verb, &path, &form, &[]).await.outcome(), (404, 20404), "{verb} {path} {form}");
        assert_eq!(order(&bridge), want, "{verb} {path} {form}");
    }
}

#[tokio::test]
async fn what_is_malformed_is_refused_before_anybody_is_asked() {
    let bridge = bridge().await;
    let missing = |name: &str| Some(format!("Missing required parameter {name} in the post body"));
    let (one_worker, one_task) = (worker(1).sid, task(1).sid);
    let reservation = format!("/{WORKSPACE}/Workers/{one_worker}/Reservations/{RESERVATION}");
    for (path, form, code, message) in [
        (String::new(), "", 20001, missing("FriendlyName")),
        (String::new(), "FriendlyName=a&Template=LIFO", 20001, None),
        (String::new(), "FriendlyName=a&EventsFilter=task.made", 20001, None),
        (String::new(), "FriendlyName=a&EventCallbackUrl=ftp://x", 20001, None),
        (format!("/{WORKSPACE}"), "FriendlyName=", 20001, None),
        (format!("/{WORKSPACE}/TaskChannels"), "FriendlyName=a", 20001, missing("UniqueName")),
        (format!("/{WORKSPACE}/Workers"), "Attributes={}", 20001, missing("FriendlyName")),
        (format!("/{WORKSPACE}/Workers"), "FriendlyName=a&ActivitySid=b", 20423, None),
        (format!("/{WORKSPACE}/Workers/{one_worker}/Channels/voice"), "Capacity=51", 20001, None),
        (format!("/{WORKSPACE}/TaskQueues"), "FriendlyName=a&MaxReservedWorkers=0", 20001, None),
        (format!("/{WORKSPACE}/TaskQueues"), "FriendlyName=a&TaskOrder=random", 20001, None),
        (format!("/{WORKSPACE}/Workflows"), "FriendlyName=a", 20001, missing("Configuration")),
        (format!("/{WORKSPACE}/Workflows"), "FriendlyName=a&Configuration={}&TaskReservationTimeout=0", 20001, None),
        (format!("/{WORKSPACE}/Tasks"), "Timeout=0", 20001, None),
        (format!("/{WORKSPACE}/Tasks"), "Priority=2147483648", 20001, None),
        (format!("/{WORKSPACE}/Tasks"), "VirtualStartTime=2027-01-01T00:00:00Z", 20001, None),
        (format!("/{WORKSPACE}/Tasks"), "VirtualStartTime=1899-12-31", 20001, None),
        (format!("/{WORKSPACE}/Tasks"), "RoutingTarget=WA00000000000000000000000000000001", 20001, None),
        (format!("/{WORKSPACE}/Tasks/{one_task}"), "AssignmentStatus=asleep", 20001, None),
        (reservation.clone(), "", 20001, missing("ReservationStatus")),
        (reservation.clone(), "ReservationStatus=pending", 20001, None),
        (reservation.clone(), "Instruction=dance", 55555, None),
        (reservation.clone(), "Instruction=supervise&Supervisor=client:boss", 20001, None),
        (reservation.clone(), "Instruction=call&CallFrom=%2B15005550006", 40112, missing("CallUrl")),
    ] {
        let reply = bridge.v1("POST", &path, form, &[]).await;
        assert_eq!(reply.outcome(), (400, code), "{path} {form}: {}", reply.body);
        if let Some(message) = message {
            assert_eq!(reply.json()["message"], message, "{path} {form}");
        }
    }
    let long = format!("FriendlyName={}", "é".repeat(65));
    assert_eq!(bridge.v1("POST", "", &long, &[]).await.outcome(), (400, 20001));
    assert_eq!(bridge.asked(), []);
}

#[tokio::test]
async fn what_changes_has_a_version_that_a_change_may_ask_for() {
    let bridge = bridge().await;
    let (one_worker, one_task) = (worker(1).sid, task(1).sid);
    let task_path = format!("/{WORKSPACE}/Tasks/{one_task}");
    for (path, tag) in [
        (format!("/{WORKSPACE}/Workers/{one_worker}"), "\"7\""),
        (task_path.clone(), "\"3\""),
        (format!("{task_path}/Reservations/{RESERVATION}"), "\"5\""),
    ] {
        assert_eq!(bridge.v1("GET", &path, "", &[]).await.headers["ETag"], tag, "{path}");
    }
    for (header, want) in [
        (None, Ok(None)),
        (Some("\"3\""), Ok(Some(3))),
        (Some("3"), Ok(Some(3))),
        (Some("W/\"3\""), Ok(Some(3))),
        (Some("*"), Ok(None)),
        (Some("\"three\""), Err((412, 20412))),
        (Some("-1"), Err((412, 20412))),
    ] {
        let headers: Vec<(&str, &str)> = header.map(|value| ("If-Match", value)).into_iter().collect();
        for verb in ["POST", "DELETE"] {
            bridge.will_answer(Err(Refusal::Routing(RoutingRefusal::PreconditionFailed)));
            let outcome = bridge.v1(verb, &task_path, "Priority=1", &headers).await.outcome();
            assert_eq!(outcome, (412, 20412), "{verb} {header:?}");
            let asked = bridge.asked();
            let given = match asked.first() {
                None => Err((412, 20412)),
                Some(Command::Routing(command)) => match &command.order {
                    RoutingOrder::In {
                        order: WorkspaceOrder::UpdateTask { if_match, .. } | WorkspaceOrder::DeleteTask { if_match, .. },
                        ..
                    } => Ok(*if_match),
                    other => panic!("unexpected: {other:?}"),
                },
                Some(other) => panic!("unexpected: {other:?}"),
            };
            assert_eq!(given, want, "{verb} {header:?}");
        }
    }
    bridge.will_answer(answered(RoutingRow::Task(Task { version: 4, ..task(1) })));
    assert_eq!(bridge.v1("POST", &task_path, "Priority=1", &[]).await.headers["ETag"], "\"4\"");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_as_the_switch_says() {
    let bridge = bridge().await;
    for (refusal, outcome, message) in [
        (
            RoutingRefusal::Missing("WorkflowSid"),
            (400, 20001),
            "Missing required parameter WorkflowSid in the post body",
        ),
        (RoutingRefusal::Taken("taken".to_owned()), (409, 20409), "taken"),
        (RoutingRefusal::Invalid("in use".to_owned()), (400, 20001), "in use"),
        (RoutingRefusal::Coded { code: 40_136, message: "not pending".to_owned() }, (400, 40_136), "not pending"),
    ] {
        bridge.will_answer(Err(Refusal::Routing(refusal.clone())));
        let reply = bridge.v1("POST", &format!("/{WORKSPACE}/Tasks"), "", &[]).await;
        assert_eq!((reply.outcome(), reply.json()["message"].as_str()), (outcome, Some(message)), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_workflow_may_be_large_and_other_bodies_not() {
    let bridge = bridge().await;
    let form = format!("FriendlyName=a&Configuration={}", "%20".repeat(1_000_000));
    bridge.will_answer(answered(RoutingRow::Workflow(workflow())));
    assert_eq!(bridge.v1("POST", &format!("/{WORKSPACE}/Workflows"), &form, &[]).await.outcome(), (201, 0));
    assert_eq!(bridge.v1("POST", &format!("/{WORKSPACE}/Tasks"), &form, &[]).await.outcome(), (413, 20413));
}
