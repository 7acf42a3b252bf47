//! Every resource of a workspace: written, read, listed, filtered, ordered, deleted.

use std::borrow::Cow;
use std::time::Duration;

use model::{
    AccountSid, Activity, ActivitySid, AssignmentStatus, CallSid, EventActor, EventResource, EventSid,
    FormerConfiguration, Reservation, ReservationSid, ReservationStatus, RoutingKey, RoutingRow, RoutingTarget, Task,
    TaskChannel, TaskChannelSid, TaskOrder, TaskQueue, TaskQueueSid, TaskRouterEvent, TaskRouterEventType, TaskSid,
    Timestamp, Transfer, TransferMode, TransferSid, TransferStatus, TransferTarget, Worker, WorkerChannel,
    WorkerChannelSid, WorkerSid, Workflow, WorkflowSid, WorkflowStep, Workspace, WorkspaceSid,
};

use super::*;
use crate::recover::SEQ_SKIP;
use crate::testing::{ACCOUNT, open};
use crate::{Row, Rows, Span};

const SOMEBODY_ELSE: AccountSid = AccountSid::from_bits(0xE15E);
const WORKSPACE: WorkspaceSid = WorkspaceSid::from_bits(1);
const OFFLINE: ActivitySid = ActivitySid::from_bits(1);
const IDLE: ActivitySid = ActivitySid::from_bits(2);
const VOICE: TaskChannelSid = TaskChannelSid::from_bits(1);
const WORKER: WorkerSid = WorkerSid::from_bits(1);
const QUEUE: TaskQueueSid = TaskQueueSid::from_bits(1);
const WORKFLOW: WorkflowSid = WorkflowSid::from_bits(1);
const TASK: TaskSid = TaskSid::from_bits(1);
const RESERVATION: ReservationSid = ReservationSid::from_bits(1);
const TRANSFER: TransferSid = TransferSid::from_bits(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000 + 7)
}

fn page(order: ListOrder) -> ListPage {
    ListPage { size: 50, order, from: None }
}

fn all() -> ListPage {
    page(ListOrder::default())
}

fn activity(sid: ActivitySid, friendly_name: &str, available: bool, seq: i64) -> Activity {
    let friendly_name = friendly_name.to_owned();
    let (created, updated) = (at(1), at(2));
    Activity { sid, account_sid: ACCOUNT, workspace_sid: WORKSPACE, friendly_name, available, created, updated, seq }
}

fn worker(number: u32, activity_sid: ActivitySid) -> Worker {
    Worker {
        sid: WorkerSid::from_bits(number.into()),
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        friendly_name: format!("worker {number}"),
        attributes: " {\"b\": 1.0, \"a\":2}".to_owned(),
        activity_sid,
        status_changed: at(3),
        idle_since: at(4),
        last_reserved: Some(at(5)),
        version: 6,
        created: at(1),
        updated: at(2),
        seq: 100 + i64::from(number),
    }
}

fn task(number: u32) -> Task {
    Task {
        sid: TaskSid::from_bits(number.into()),
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        attributes: "{\"selected_language\" : \"en\"}".to_owned(),
        task_channel_sid: VOICE,
        workflow_sid: Some(WORKFLOW),
        task_queue_sid: Some(QUEUE),
        task_queue_entered: Some(at(3)),
        assignment_status: AssignmentStatus::Pending,
        reason: Some("why".to_owned()),
        priority: 7,
        timeout: Duration::from_secs(86_400),
        virtual_start: at(4),
        routing_target: Some(RoutingTarget::Queue(QUEUE)),
        ignore_capacity: true,
        step: Some(WorkflowStep {
            revision: 5,
            filter: Some(1),
            target: 2,
            since: at(5),
            allowed: Duration::from_secs(90),
            expires: Some(at(95)),
            timed_out: true,
            stays: true,
        }),
        re_evaluate: true,
        call_sid: Some(CallSid::from_bits(9)),
        assigned: Some(at(6)),
        ended: Some(at(7)),
        version: 8,
        created: at(1),
        updated: at(2),
        seq: 200 + i64::from(number),
    }
}

fn queue(number: u32) -> TaskQueue {
    TaskQueue {
        sid: TaskQueueSid::from_bits(number.into()),
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        friendly_name: format!("queue {number}"),
        target_workers: "languages HAS \"en\"".to_owned(),
        max_reserved_workers: 3,
        task_order: TaskOrder::Lifo,
        reservation_activity_sid: Some(OFFLINE),
        assignment_activity_sid: Some(IDLE),
        created: at(1),
        updated: at(2),
        seq: 300 + i64::from(number),
    }
}

fn reservation(number: u32) -> Reservation {
    Reservation {
        sid: ReservationSid::from_bits(number.into()),
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        task_sid: TASK,
        worker_sid: WORKER,
        task_channel_sid: VOICE,
        reservation_status: ReservationStatus::Canceled,
        canceled_reason_code: Some(13_224),
        times_out: at(3),
        transfer_sid: Some(TRANSFER),
        worker_call_sid: Some(CallSid::from_bits(4)),
        post_work_activity_sid: Some(IDLE),
        work_end: model::WorkEnd::Nothing,
        version: 5,
        created: at(1),
        updated: at(2),
        seq: 400 + i64::from(number),
    }
}

/// One of each, every field set; two activities.
fn every_row() -> Vec<RoutingRow> {
    let (account_sid, workspace_sid, created, updated) = (ACCOUNT, WORKSPACE, at(1), at(2));
    vec![
        RoutingRow::Workspace(Workspace {
            sid: WORKSPACE,
            account_sid,
            friendly_name: "Sales".to_owned(),
            event_callback_url: Some("https://app.test/events".to_owned()),
            events_filter: Some("task.created, task.canceled".to_owned()),
            multi_task_enabled: true,
            prioritize_queue_order: TaskOrder::Lifo,
            default_activity_sid: Some(OFFLINE),
            timeout_activity_sid: Some(IDLE),
            created,
            updated,
            seq: 1,
        }),
        RoutingRow::Activity(activity(OFFLINE, "Offline", false, 2)),
        RoutingRow::Activity(activity(IDLE, "Idle", true, 3)),
        RoutingRow::TaskChannel(TaskChannel {
            sid: VOICE,
            account_sid,
            workspace_sid,
            friendly_name: "Voice".to_owned(),
            unique_name: "voice".to_owned(),
            channel_optimized_routing: true,
            created,
            updated,
            seq: 4,
        }),
        RoutingRow::Worker(worker(1, IDLE)),
        RoutingRow::WorkerChannel(WorkerChannel {
            sid: WorkerChannelSid::from_bits(1),
            account_sid,
            workspace_sid,
            worker_sid: WORKER,
            task_channel_sid: VOICE,
            configured_capacity: 3,
            available: true,
            assigned_tasks: 1,
            idle_since: at(3),
            last_reserved: Some(at(4)),
            created,
            updated,
            seq: 5,
        }),
        RoutingRow::TaskQueue(queue(1)),
        RoutingRow::Workflow(Workflow {
            sid: WORKFLOW,
            account_sid,
            workspace_sid,
            friendly_name: "Languages".to_owned(),
            configuration: "{ \"task_routing\":{}}".to_owned(),
            revision: 7,
            anew_from: 6,
            former: vec![FormerConfiguration { revision: 5, configuration: "{\"task_routing\": {}}".to_owned() }],
            assignment_callback_url: Some("https://app.test/assign".to_owned()),
            fallback_assignment_callback_url: Some("https://app.test/fallback".to_owned()),
            task_reservation_timeout: Duration::from_secs(120),
            created,
            updated,
            seq: 6,
        }),
        RoutingRow::Task(task(1)),
        RoutingRow::Reservation(reservation(1)),
        RoutingRow::Transfer(Transfer {
            sid: TRANSFER,
            account_sid,
            workspace_sid,
            task_sid: TASK,
            transfer_mode: TransferMode::Cold,
            transfer_to: TransferTarget::Queue(QUEUE),
            transfer_status: TransferStatus::Failed,
            transfer_failed_reason: Some("nobody".to_owned()),
            initiating_reservation_sid: RESERVATION,
            initiating_worker_sid: WORKER,
            initiating_queue_sid: Some(QUEUE),
            initiating_workflow_sid: Some(WORKFLOW),
            created,
            updated,
            seq: 7,
        }),
    ]
}

fn saves(rows: impl IntoIterator<Item = RoutingRow>) -> Vec<Row> {
    rows.into_iter().map(|row| Row::Routing(Box::new(row))).collect()
}

fn key(row: &RoutingRow) -> RoutingKey {
    match row {
        RoutingRow::Workspace(row) => RoutingKey::Workspace(row.sid),
        RoutingRow::Activity(row) => RoutingKey::Activity(row.sid),
        RoutingRow::TaskChannel(row) => RoutingKey::TaskChannel(row.sid),
        RoutingRow::Worker(row) => RoutingKey::Worker(row.sid),
        RoutingRow::WorkerChannel(row) => RoutingKey::WorkerChannel(row.sid),
        RoutingRow::TaskQueue(row) => RoutingKey::TaskQueue(row.sid),
        RoutingRow::Workflow(row) => RoutingKey::Workflow(row.sid),
        RoutingRow::Task(row) => RoutingKey::Task(row.sid),
        RoutingRow::Reservation(row) => RoutingKey::Reservation(row.sid),
        RoutingRow::Transfer(row) => RoutingKey::Transfer(row.sid),
    }
}

/// The row by its own SID, the rows of its list, and its place in that list.
async fn found(store: &Store, account: AccountSid, row: &RoutingRow) -> (Option<RoutingRow>, usize, Option<i64>) {
    use RoutingRow as R;
    macro_rules! ask {
        ($variant:path, $one:ident, $many:ident($($filter:expr),*), $seq:ident, $sid:expr, $bare:expr) => {{
            let one = store.$one(account, WORKSPACE, $sid).await.expect("reads").map($bare).map($variant);
            let many = store.$many(account, WORKSPACE, $($filter,)* &all()).await.expect("reads").rows.len();
            (one, many, store.$seq(account, WORKSPACE, $sid).await.expect("reads"))
        }};
    }
    match row {
        R::Workspace(row) => {
            let one = store.workspace(account, row.sid).await.expect("reads");
            let many = store.workspaces(account, None, &all()).await.expect("reads").rows.len();
            let seq = store.workspace_seq(account, row.sid).await.expect("reads");
            (one.map(|(row, _)| R::Workspace(row)), many, seq)
        }
        R::Activity(row) => {
            let filter = ActivityFilter { available: Some(row.available), ..ActivityFilter::default() };
            ask!(R::Activity, activity, activities(&filter), activity_seq, row.sid, |row| row)
        }
        R::TaskChannel(row) => {
            ask!(R::TaskChannel, task_channel, task_channels(), task_channel_seq, row.sid, |row| row)
        }
        R::Worker(row) => {
            ask!(R::Worker, worker, workers(&WorkerFilter::default()), worker_seq, row.sid, |(row, _)| row)
        }
        R::WorkerChannel(row) => {
            let one = store.worker_channel(account, WORKSPACE, WORKER, row.sid).await.expect("reads");
            let many = store.worker_channels(account, WORKSPACE, WORKER, &all()).await.expect("reads").rows.len();
            let seq = store.worker_channel_seq(account, WORKSPACE, row.sid).await.expect("reads");
            (one.map(|(row, _)| R::WorkerChannel(row)), many, seq)
        }
        R::TaskQueue(row) => {
            ask!(R::TaskQueue, task_queue, task_queues(None), task_queue_seq, row.sid, |(row, _)| row)
        }
        R::Workflow(row) => ask!(R::Workflow, workflow, workflows(None), workflow_seq, row.sid, |row| row),
        R::Task(row) => ask!(R::Task, task, tasks(&TaskFilter::default()), task_seq, row.sid, |(row, _)| row),
        R::Reservation(row) => {
            let filter = ReservationFilter { task_sid: Some(TASK), ..ReservationFilter::default() };
            ask!(R::Reservation, reservation, reservations(&filter), reservation_seq, row.sid, |(row, _)| row)
        }
        R::Transfer(row) => {
            let one = store.transfer(account, WORKSPACE, row.sid).await.expect("reads").map(R::Transfer);
            let many = usize::from(one.is_some());
            (one, many, None)
        }
    }
}

#[tokio::test]
async fn each_resource_is_read_as_it_was_written_until_it_is_deleted_and_its_place_stays() {
    let (_scratch, store) = open().await;
    let rows = every_row();
    for _twice in 0..2 {
        store.commit(&saves(rows.clone())).await.expect("writes");
    }
    assert_eq!(store.routing().await.expect("reads"), rows);
    for row in &rows {
        let (one, many, place) = found(&store, ACCOUNT, row).await;
        assert_eq!((one.as_ref(), many), (Some(row), 1), "{row:?}");
        assert_eq!(place.is_none(), matches!(row, RoutingRow::Transfer(_)), "{row:?}");
        assert_eq!(found(&store, SOMEBODY_ELSE, row).await, (None, 0, None), "{row:?}");
    }
    assert_eq!(store.recover(at(9)).await.expect("recovers").seq_max, 401 + SEQ_SKIP);
    for row in rows.iter().rev() {
        let (_, _, place) = found(&store, ACCOUNT, row).await;
        store.commit(&[Row::RoutingDeleted(key(row))]).await.expect("deletes");
        assert_eq!(found(&store, ACCOUNT, row).await, (None, 0, place), "{row:?}");
    }
    assert_eq!(store.routing().await.expect("reads"), []);
    assert_eq!(store.recover(at(9)).await.expect("recovers").seq_max, 401 + SEQ_SKIP, "no place is given twice");
}

#[tokio::test]
async fn with_a_row_goes_what_is_in_it() {
    for (of, stay) in [
        (RoutingKey::Workspace(WORKSPACE), vec![]),
        (RoutingKey::TaskChannel(VOICE), vec![1, 2, 3, 101, 301, 6, 201, 401, 7]),
        (RoutingKey::Worker(WORKER), vec![1, 2, 3, 4, 301, 6, 201, 7]),
        (RoutingKey::Task(TASK), vec![1, 2, 3, 4, 101, 5, 301, 6]),
        (RoutingKey::Reservation(RESERVATION), vec![1, 2, 3, 4, 101, 5, 301, 6, 201, 7]),
    ] {
        let (_scratch, store) = open().await;
        store.commit(&saves(every_row())).await.expect("writes");
        let mut batch = saves([RoutingRow::Task(task(1))]);
        batch.push(Row::RoutingDeleted(of));
        store.commit(&batch).await.expect("deletes what the same batch wrote");
        let seqs: Vec<i64> = store.routing().await.expect("reads").iter().map(seq).collect();
        assert_eq!(seqs, stay, "{of:?}");
    }
}

fn seq(row: &RoutingRow) -> i64 {
    match row {
        RoutingRow::Workspace(row) => row.seq,
        RoutingRow::Activity(row) => row.seq,
        RoutingRow::TaskChannel(row) => row.seq,
        RoutingRow::Worker(row) => row.seq,
        RoutingRow::WorkerChannel(row) => row.seq,
        RoutingRow::TaskQueue(row) => row.seq,
        RoutingRow::Workflow(row) => row.seq,
        RoutingRow::Task(row) => row.seq,
        RoutingRow::Reservation(row) => row.seq,
        RoutingRow::Transfer(row) => row.seq,
    }
}

#[tokio::test]
async fn a_reservation_that_goes_with_its_task_keeps_its_place_in_its_workers_list() {
    let (_scratch, store) = open().await;
    store.commit(&saves(every_row())).await.expect("writes");
    store.commit(&[Row::RoutingDeleted(RoutingKey::Task(TASK))]).await.expect("deletes");
    assert_eq!(store.reservation_seq(ACCOUNT, WORKSPACE, RESERVATION).await.expect("reads"), Some(401));
}

#[tokio::test]
async fn of_the_places_of_what_is_gone_the_last_stay() {
    let (_scratch, store) = open().await;
    store.commit(&saves([RoutingRow::Task(task(1)), RoutingRow::Task(task(2))])).await.expect("writes");
    store.commit(&[Row::RoutingDeleted(RoutingKey::Task(TASK))]).await.expect("deletes");
    // As many deletions as are remembered later.
    let later = "INSERT INTO routing_places (sid, seq, deletion) VALUES ('another', 1, $1)";
    sqlx::query(later).bind(PLACES_MAX).execute(&store.writer).await.expect("writes");
    store.commit(&[Row::RoutingDeleted(RoutingKey::Task(task(2).sid))]).await.expect("deletes");
    for (number, want) in [(1, None), (2, Some(202))] {
        let place = store.task_seq(ACCOUNT, WORKSPACE, task(number).sid).await.expect("reads");
        assert_eq!(place, want, "task {number}");
    }
}

#[tokio::test]
async fn rows_come_with_the_names_of_others() {
    let (_scratch, store) = open().await;
    store.commit(&saves(every_row())).await.expect("writes");
    let name = |text: &str| Some(text.to_owned());
    let (_, names) = store.workspace(ACCOUNT, WORKSPACE).await.expect("reads").expect("is there");
    assert_eq!(names, WorkspaceNames { default_activity: name("Offline"), timeout_activity: name("Idle") });
    let (_, does) = store.worker(ACCOUNT, WORKSPACE, WORKER).await.expect("reads").expect("is there");
    assert_eq!(does, WorkerActivity { name: "Idle".to_owned(), available: true });
    let (_, names) = store.task_queue(ACCOUNT, WORKSPACE, QUEUE).await.expect("reads").expect("is there");
    assert_eq!(names, TaskQueueNames { reservation_activity: name("Offline"), assignment_activity: name("Idle") });
    let (_, names) = store.task(ACCOUNT, WORKSPACE, TASK).await.expect("reads").expect("is there");
    let want = TaskNames { task_queue: name("queue 1"), workflow: name("Languages"), task_channel: name("voice") };
    assert_eq!(names, want);
    let (_, worker) = store.reservation(ACCOUNT, WORKSPACE, RESERVATION).await.expect("reads").expect("is there");
    assert_eq!(worker, "worker 1");
    let channel = store.worker_channel_of(ACCOUNT, WORKSPACE, WORKER, VOICE).await.expect("reads");
    assert_eq!(channel.expect("is there").1, "voice");
    let channel = store.task_channel_named(ACCOUNT, WORKSPACE, "voice").await.expect("reads");
    assert_eq!(channel.map(|channel| channel.sid), Some(VOICE));
}

#[tokio::test]
async fn each_filter_of_workers_keeps_what_it_names() {
    let (_scratch, store) = open().await;
    store.commit(&saves(every_row())).await.expect("writes");
    store
        .commit(&saves([RoutingRow::Worker(worker(2, OFFLINE)), RoutingRow::Worker(worker(3, IDLE))]))
        .await
        .expect("writes");
    let none = WorkerFilter::default;
    let name = |text: &str| Some(text.to_owned());
    for (case, filter, want) in [
        ("none", none(), vec![1, 2, 3]),
        ("name", WorkerFilter { friendly_name: name("worker 2"), ..none() }, vec![2]),
        ("activity", WorkerFilter { activity_sid: Some(OFFLINE), ..none() }, vec![2]),
        ("its name", WorkerFilter { activity_name: name("Idle"), ..none() }, vec![1, 3]),
        ("available", WorkerFilter { available: Some(true), ..none() }, vec![1, 3]),
        ("not available", WorkerFilter { available: Some(false), ..none() }, vec![2]),
        ("two that no one meets", WorkerFilter { available: Some(false), activity_sid: Some(IDLE), ..none() }, vec![]),
    ] {
        let rows = store.workers(ACCOUNT, WORKSPACE, &filter, &all()).await.expect("reads").rows;
        assert_eq!(rows.iter().map(|(row, _)| row.seq - 100).collect::<Vec<_>>(), want, "{case}");
    }
}

#[tokio::test]
async fn each_filter_of_tasks_keeps_what_it_names() {
    let (_scratch, store) = open().await;
    store.commit(&saves(every_row())).await.expect("writes");
    let second = Task {
        assignment_status: AssignmentStatus::Assigned,
        priority: 1,
        workflow_sid: None,
        task_queue_sid: Some(TaskQueueSid::from_bits(2)),
        routing_target: Some(RoutingTarget::Worker(WORKER)),
        ..task(2)
    };
    let third = Task { assignment_status: AssignmentStatus::Wrapping, routing_target: None, ..task(3) };
    store
        .commit(&saves([RoutingRow::TaskQueue(queue(2)), RoutingRow::Task(second), RoutingRow::Task(third)]))
        .await
        .expect("writes");
    let none = TaskFilter::default;
    let name = |text: &str| Some(text.to_owned());
    let status = |of: &[AssignmentStatus]| TaskFilter { assignment_status: of.to_vec(), ..none() };
    for (case, filter, want) in [
        ("none", none(), vec![1, 2, 3]),
        ("priority", TaskFilter { priority: Some(7), ..none() }, vec![1, 3]),
        ("status", status(&[AssignmentStatus::Assigned]), vec![2]),
        ("either", status(&[AssignmentStatus::Pending, AssignmentStatus::Wrapping]), vec![1, 3]),
        ("workflow", TaskFilter { workflow_sid: Some(WORKFLOW), ..none() }, vec![1, 3]),
        ("its name", TaskFilter { workflow_name: name("Languages"), ..none() }, vec![1, 3]),
        ("queue", TaskFilter { task_queue_sid: Some(QUEUE), ..none() }, vec![1, 3]),
        ("its name", TaskFilter { task_queue_name: name("queue 2"), ..none() }, vec![2]),
        ("target", TaskFilter { routing_target: Some(RoutingTarget::Worker(WORKER)), ..none() }, vec![2]),
        ("nobody's name", TaskFilter { task_queue_name: name("queue"), ..none() }, vec![]),
    ] {
        let rows = store.tasks(ACCOUNT, WORKSPACE, &filter, &all()).await.expect("reads").rows;
        assert_eq!(rows.iter().map(|(row, _)| row.seq - 200).collect::<Vec<_>>(), want, "{case}");
    }
}

#[tokio::test]
async fn each_filter_of_reservations_keeps_what_it_names() {
    let (_scratch, store) = open().await;
    let mut second = reservation(2);
    (second.reservation_status, second.worker_sid) = (ReservationStatus::Pending, WorkerSid::from_bits(2));
    let third = Reservation { task_sid: TaskSid::from_bits(2), ..reservation(3) };
    store.commit(&saves([reservation(1), second, third].map(RoutingRow::Reservation))).await.expect("writes");
    let none = ReservationFilter::default;
    for (case, filter, want) in [
        ("task", ReservationFilter { task_sid: Some(TASK), ..none() }, vec![1, 2]),
        ("worker", ReservationFilter { worker_sid: Some(WORKER), ..none() }, vec![1, 3]),
        ("both", ReservationFilter { task_sid: Some(TASK), worker_sid: Some(WORKER), ..none() }, vec![1]),
        ("status", ReservationFilter { reservation_status: vec![ReservationStatus::Pending], ..none() }, vec![2]),
    ] {
        let rows = store.reservations(ACCOUNT, WORKSPACE, &filter, &all()).await.expect("reads").rows;
        assert_eq!(rows.iter().map(|(row, _)| row.seq - 400).collect::<Vec<_>>(), want, "{case}");
    }
}

/// Numbers of the tasks of every page, of so many rows each, there and back again.
async fn pages(store: &Store, order: &ListOrder, size: u32) -> (Vec<i64>, Vec<i64>) {
    let place = |row: &Task| ListPlace {
        keys: order
            .keys()
            .map(|by| match by {
                OrderBy::Priority => i64::from(row.priority),
                _ => row.virtual_start.micros(),
            })
            .collect(),
        seq: row.seq,
    };
    let read = async |from| {
        let page = ListPage { size, order: order.clone(), from };
        let Rows { rows, more } = store.tasks(ACCOUNT, WORKSPACE, &TaskFilter::default(), &page).await.expect("reads");
        (rows.into_iter().map(|(row, _)| row).collect::<Vec<_>>(), more)
    };
    let (mut there, mut back) = (Vec::new(), Vec::new());
    let mut from = None;
    let last = loop {
        let (rows, more) = read(from).await;
        let last = rows.last().cloned().expect("no page is empty");
        there.extend(rows.iter().map(|row| row.seq - 200));
        if !more {
            break last;
        }
        from = Some(ListFrom::After(place(&last)));
    };
    let mut from = Some(ListFrom::Before(place(&last)));
    loop {
        let (rows, _) = read(from).await;
        let Some(first) = rows.first() else { return (there, back) };
        from = Some(ListFrom::Before(place(first)));
        back.splice(0..0, rows.iter().map(|row| row.seq - 200));
    }
}

#[tokio::test]
async fn every_order_reads_the_same_in_pages_of_any_size_and_backwards() {
    let (_scratch, store) = open().await;
    let rows = [(5, 30), (1, 20), (5, 10), (1, 20), (9, 10)].into_iter().zip(1..).map(|((priority, start), number)| {
        RoutingRow::Task(Task { priority, virtual_start: at(start), ..task(number) })
    });
    store.commit(&saves(rows)).await.expect("writes");
    let by = |by, descending| OrderColumn { by, descending };
    use OrderBy::{Created, Priority, VirtualStart};
    for (case, order, want) in [
        ("made", vec![], vec![1, 2, 3, 4, 5]),
        ("made, newest first", vec![by(Created, true)], vec![5, 4, 3, 2, 1]),
        ("priority", vec![by(Priority, false)], vec![2, 4, 1, 3, 5]),
        ("priority, highest first", vec![by(Priority, true)], vec![5, 1, 3, 2, 4]),
        ("and then made, newest first", vec![by(Priority, true), by(Created, true)], vec![5, 3, 1, 4, 2]),
        ("and then virtual start", vec![by(Priority, true), by(VirtualStart, false)], vec![5, 3, 1, 2, 4]),
        ("virtual start, then priority", vec![by(VirtualStart, true), by(Priority, false)], vec![1, 2, 4, 3, 5]),
        ("what follows creation says nothing", vec![by(Created, true), by(Priority, true)], vec![5, 4, 3, 2, 1]),
        ("what is said twice counts once", vec![by(Priority, false), by(Priority, true)], vec![2, 4, 1, 3, 5]),
    ] {
        let order = ListOrder::new(order);
        for size in [1, 2, 5, 50] {
            let (there, back) = pages(&store, &order, size).await;
            assert_eq!(there, want, "{case}, {size} a page");
            assert_eq!(back, want[..4], "{case}, {size} a page, backwards from the last");
        }
    }
}

fn event(number: u32, event_type: TaskRouterEventType) -> TaskRouterEvent {
    TaskRouterEvent {
        sid: EventSid::from_bits(number.into()),
        account_sid: ACCOUNT,
        workspace_sid: WORKSPACE,
        event_type,
        description: "Reservation created".to_owned(),
        at: at(number.into()),
        resource: EventResource::Reservation(RESERVATION),
        actor: EventActor::Worker(WORKER),
        task_sid: Some(TASK),
        worker_sid: Some(WORKER),
        task_queue_sid: Some(QUEUE),
        workflow_sid: Some(WORKFLOW),
        reservation_sid: Some(RESERVATION),
        task_channel_sid: Some(VOICE),
        data: vec![
            (Cow::Borrowed("worker_name"), "caf\u{e9} \"quoted\"".to_owned()),
            (Cow::Borrowed("task_age"), "3".to_owned()),
        ],
        concerned: None,
        seq: number.into(),
    }
}

fn told(events: impl IntoIterator<Item = TaskRouterEvent>) -> Vec<Row> {
    events.into_iter().map(|event| Row::TaskRouterEvent(event.into())).collect()
}

#[tokio::test]
async fn each_filter_of_events_keeps_what_it_names_newest_first() {
    use TaskRouterEventType as T;
    let (_scratch, store) = open().await;
    let other = |number: u32| TaskRouterEvent {
        task_sid: None,
        worker_sid: Some(WorkerSid::from_bits(2)),
        task_queue_sid: None,
        workflow_sid: None,
        reservation_sid: None,
        task_channel_sid: Some(TaskChannelSid::from_bits(2)),
        ..event(number, T::WorkerCapacityUpdate)
    };
    let events =
        [event(1, T::ReservationCreated), event(2, T::ReservationAccepted), other(3), event(1, T::TaskCreated)];
    store.commit(&told(events)).await.expect("writes, of the one that is there already nothing");
    let none = TaskRouterEventFilter::default;
    let since = |seconds| Span { from: Some(at(seconds)), until: None };
    let until = |seconds| Span { from: None, until: Some(at(seconds)) };
    for (case, filter, want) in [
        ("none", none(), vec![3, 2, 1]),
        ("itself", TaskRouterEventFilter { sid: Some(EventSid::from_bits(2)), ..none() }, vec![2]),
        ("type", TaskRouterEventFilter { event_type: Some(T::ReservationCreated), ..none() }, vec![1]),
        ("since", TaskRouterEventFilter { at: since(2), ..none() }, vec![3, 2]),
        ("until", TaskRouterEventFilter { at: until(2), ..none() }, vec![1]),
        ("task", TaskRouterEventFilter { task_sid: Some(TASK), ..none() }, vec![2, 1]),
        ("worker", TaskRouterEventFilter { worker_sid: Some(WORKER), ..none() }, vec![2, 1]),
        ("queue", TaskRouterEventFilter { task_queue_sid: Some(QUEUE), ..none() }, vec![2, 1]),
        ("workflow", TaskRouterEventFilter { workflow_sid: Some(WORKFLOW), ..none() }, vec![2, 1]),
        ("reservation", TaskRouterEventFilter { reservation_sid: Some(RESERVATION), ..none() }, vec![2, 1]),
        ("channel", TaskRouterEventFilter { task_channel_sid: Some(TaskChannelSid::from_bits(2)), ..none() }, vec![3]),
    ] {
        let page = page(ListOrder::newest_first());
        let rows = store.task_router_events(ACCOUNT, WORKSPACE, &filter, &page).await.expect("reads").rows;
        assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), want, "{case}");
    }
    let first = event(1, T::ReservationCreated);
    let read = store.task_router_event(ACCOUNT, WORKSPACE, first.sid).await.expect("reads");
    assert_eq!(read.as_ref(), Some(&first));
    assert_eq!(store.task_router_event_seq(ACCOUNT, WORKSPACE, first.sid).await.expect("reads"), Some(1));
    assert_eq!(store.task_router_event(SOMEBODY_ELSE, WORKSPACE, first.sid).await.expect("reads"), None);
    assert_eq!(store.recover(at(9)).await.expect("recovers").seq_max, 3 + SEQ_SKIP);
}

#[tokio::test]
async fn events_that_are_too_old_go_and_the_rest_stays() {
    let (_scratch, store) = open().await;
    let month = i64::try_from(TASK_ROUTER_EVENTS_KEPT_FOR.as_secs()).expect("small");
    let late = |number: u32| TaskRouterEvent { at: at(month + 3), ..event(number, TaskRouterEventType::TaskCreated) };
    let events = (1..5).map(|number| event(number, TaskRouterEventType::TaskCreated)).chain([late(5)]);
    store.commit(&told(events)).await.expect("writes");
    prune_events(&mut store.writer.acquire().await.expect("the one there is")).await.expect("prunes");
    let (filter, page) = (TaskRouterEventFilter::default(), page(ListOrder::newest_first()));
    let rows = store.task_router_events(ACCOUNT, WORKSPACE, &filter, &page).await.expect("reads").rows;
    assert_eq!(
        rows.iter().map(|row| row.seq).collect::<Vec<_>>(),
        [5, 4, 3],
        "what is a month old to the second stays"
    );
}

#[tokio::test]
async fn an_account_with_too_many_events_loses_its_own_oldest() {
    let (_scratch, store) = open().await;
    let of = |account_sid, number| TaskRouterEvent { account_sid, ..event(number, TaskRouterEventType::TaskCreated) };
    let events = (1..=2).map(|number| of(SOMEBODY_ELSE, number)).chain((3..=7).map(|number| of(ACCOUNT, number)));
    store.commit(&told(events)).await.expect("writes");
    store.commit(&told([of(ACCOUNT, 7)])).await.expect("writes, once");
    let mut connection = store.writer.acquire().await.expect("the one there is");
    super::event::prune_to(&mut connection, 3).await.expect("prunes");
    drop(connection);
    for (account, want) in [(ACCOUNT, vec![7, 6, 5]), (SOMEBODY_ELSE, vec![2, 1])] {
        let (filter, page) = (TaskRouterEventFilter::default(), page(ListOrder::newest_first()));
        let rows = store.task_router_events(account, WORKSPACE, &filter, &page).await.expect("reads").rows;
        assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), want, "{account}");
    }
}

#[tokio::test]
async fn every_list_is_read_from_an_index_that_has_its_order() {
    let (_scratch, store) = open().await;
    for (sql, index) in [
        ("SELECT * FROM workers WHERE workspace_sid = 'a' AND account_sid = 'b' ORDER BY seq ASC", "workers_by_seq"),
        (
            "SELECT * FROM workers WHERE workspace_sid = 'a' AND account_sid = 'b' \
                ORDER BY status_changed DESC, seq DESC",
            "workers_by_status_changed",
        ),
        ("SELECT * FROM tasks WHERE workspace_sid = 'a' AND account_sid = 'b' ORDER BY seq ASC", "tasks_by_seq"),
        (
            "SELECT * FROM tasks WHERE workspace_sid = 'a' AND account_sid = 'b' AND priority >= 5 \
                AND (priority > 5 OR (priority = 5 AND (seq > 7))) ORDER BY priority ASC, seq ASC",
            "tasks_by_priority",
        ),
        (
            "SELECT * FROM tasks WHERE workspace_sid = 'a' AND account_sid = 'b' ORDER BY virtual_start ASC, seq ASC",
            "tasks_by_virtual_start",
        ),
        (
            "SELECT * FROM task_queues WHERE workspace_sid = 'a' AND account_sid = 'b' ORDER BY updated ASC, seq ASC",
            "task_queues_by_updated",
        ),
        (
            "SELECT * FROM reservations WHERE workspace_sid = 'a' AND account_sid = 'b' AND worker_sid = 'c' \
                ORDER BY seq ASC",
            "reservations_by_worker",
        ),
        (
            "SELECT * FROM task_router_events WHERE workspace_sid = 'a' AND account_sid = 'b' AND task_sid = 'c' \
                ORDER BY seq DESC",
            "task_router_events_by_task",
        ),
        (
            "SELECT * FROM task_router_events WHERE workspace_sid = 'a' AND account_sid = 'b' ORDER BY seq DESC",
            "task_router_events_by_workspace",
        ),
    ] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let plan = sqlx::query(explain).fetch_all(&store.readers).await.expect("explains");
        let plan: Vec<String> =
            plan.iter().map(|row| crate::column::text(row, "detail").expect("has a detail")).collect();
        assert!(plan.len() == 1 && plan[0].contains(index), "{sql}: {plan:?}");
    }
}
