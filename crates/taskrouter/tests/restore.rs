//! A workspace comes back from its rows, and rows that contradict each other are mended.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{ActivitySid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, TransferSid, WorkerSid};
use taskrouter::{
    Activity, AssignmentStatus, Attributes, Changed, Engine, Expression, Input, NewTask, NewWorker, Output,
    Reservation, ReservationStatus, RoutingTarget, Saved, Task, TaskChannel, TaskOrder, TaskQueue, TaskRouterEventType,
    Transfer, TransferMode, TransferStatus, TransferTarget, WorkerChange, Workspace,
};

const OFFLINE: ActivitySid = ActivitySid::from_bits(1);
const AVAILABLE: ActivitySid = ActivitySid::from_bits(2);
const VOICE: TaskChannelSid = TaskChannelSid::from_bits(1);
const QUEUE: TaskQueueSid = TaskQueueSid::from_bits(1);
const WORKER: WorkerSid = WorkerSid::from_bits(1);
const TASK: TaskSid = TaskSid::from_bits(1);
const NOBODY: WorkerSid = WorkerSid::from_bits(99);

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn ask(engine: &mut Engine, now: Timestamp, input: Input) -> Vec<TaskRouterEventType> {
    engine.handle(now, input).expect("allowed");
    work(engine, now)
}

fn work(engine: &mut Engine, now: Timestamp) -> Vec<TaskRouterEventType> {
    while engine.work(now, 2) {}
    std::iter::from_fn(|| engine.poll())
        .filter_map(|output| match output {
            Output::Event(event) => Some(event.kind),
            Output::Assign { .. } | Output::Warning { .. } => None,
        })
        .collect()
}

/// One worker, one queue of everybody, and a task that is offered.
fn offered() -> Engine {
    let workspace = Workspace {
        multi_task: true,
        prioritize_queue_order: TaskOrder::Fifo,
        default_activity: Some(OFFLINE),
        timeout_activity: Some(OFFLINE),
    };
    let mut engine = Engine::new(workspace, 1);
    for (sid, available) in [(OFFLINE, false), (AVAILABLE, true)] {
        let friendly_name = format!("{available}");
        ask(&mut engine, at(0), Input::PutActivity(Activity { sid, friendly_name, available }));
    }
    let channel = TaskChannel { sid: VOICE, unique_name: "voice".to_owned(), optimized: false };
    ask(&mut engine, at(0), Input::PutChannel(channel));
    let queue = TaskQueue {
        sid: QUEUE,
        friendly_name: "queue".to_owned(),
        target_workers: Expression::parse("1==1").ok(),
        max_reserved_workers: 1,
        task_order: TaskOrder::Fifo,
        reservation_activity: None,
        assignment_activity: None,
    };
    ask(&mut engine, at(0), Input::PutQueue(queue));
    let attributes = Attributes::parse("{}").expect("valid");
    let worker =
        NewWorker { sid: WORKER, friendly_name: "Ana".to_owned(), attributes: attributes.clone(), activity: AVAILABLE };
    ask(&mut engine, at(1), Input::CreateWorker(worker));
    let task = NewTask {
        workflow: None,
        sid: TASK,
        attributes,
        channel: VOICE,
        priority: 0,
        timeout: Duration::from_secs(3600),
        virtual_start: None,
        to: RoutingTarget::Queue(QUEUE),
    };
    ask(&mut engine, at(2), Input::CreateTask(task));
    engine
}

fn offer(engine: &Engine) -> Reservation {
    engine.reservations().next().cloned().expect("it is offered")
}

#[test]
fn a_deadline_that_passed_meanwhile_is_kept_with_the_first_work() {
    let (mut engine, mended) = Engine::restore(at(500), 2, offered().save());
    assert_eq!((mended, engine.poll_changed()), (Vec::new(), None));
    assert_eq!(engine.next_deadline(), Some(at(122)), "the offer");
    assert_eq!(
        work(&mut engine, at(500)),
        [TaskRouterEventType::ReservationTimeout, TaskRouterEventType::WorkerActivityUpdate]
    );
    let (mut engine, _) = Engine::restore(at(4000), 2, offered().save());
    assert_eq!(engine.task(TASK).map(|task| task.status), Some(AssignmentStatus::Reserved));
    work(&mut engine, at(4000));
    assert_eq!(
        engine.task(TASK).map(|task| task.status),
        Some(AssignmentStatus::Canceled),
        "its own time is over, too"
    );
}

#[test]
fn what_is_to_be_saved_is_what_changed() {
    let mut engine = offered();
    while engine.poll_changed().is_some() {}
    let reservation = offer(&engine).sid;
    ask(&mut engine, at(3), Input::Accept(reservation));
    let changed = |engine: &mut Engine| std::iter::from_fn(|| engine.poll_changed()).collect::<Vec<_>>();
    assert_eq!(changed(&mut engine), [Changed::Task(TASK), Changed::Reservation(reservation)]);
    ask(&mut engine, at(4), Input::Complete(reservation));
    let channel = Changed::WorkerChannel(WORKER, VOICE);
    let all = [Changed::Worker(WORKER), channel, Changed::Task(TASK), Changed::Reservation(reservation)];
    assert_eq!(changed(&mut engine), all);
    ask(&mut engine, at(5), Input::DeleteTask(TASK));
    assert_eq!(changed(&mut engine), [Changed::Task(TASK), Changed::Reservation(reservation)]);
    assert_eq!((engine.task(TASK), engine.reservation(reservation)), (None, None), "gone");
    ask(&mut engine, at(6), Input::DeleteWorker(WORKER));
    assert_eq!(changed(&mut engine), [Changed::Worker(WORKER), channel]);
    assert!(engine.handle(at(7), Input::UpdateWorker { worker: WORKER, change: WorkerChange::default() }).is_err());
    assert_eq!(changed(&mut engine), [], "what is refused changes nothing");
}

#[test]
fn rows_that_contradict_each_other_are_mended() {
    let reservation = ReservationSid::from_bits(9);
    let transfer = TransferSid::from_bits(9);
    type Spoil = fn(&mut Saved);
    let cases: [(&str, Spoil, &[&str], Option<AssignmentStatus>); 10] = [
        ("nothing", |_| {}, &[], Some(AssignmentStatus::Reserved)),
        (
            "a reservation of a task that is not there",
            |saved| {
                let other = Reservation {
                    sid: ReservationSid::from_bits(9),
                    task: TaskSid::from_bits(9),
                    ..saved.reservations[0].clone()
                };
                saved.reservations.push(other);
            },
            &["WR9 left out: its task is not there"],
            Some(AssignmentStatus::Reserved),
        ),
        (
            "a reservation of a worker who is not there",
            |saved| {
                let sid = ReservationSid::from_bits(9);
                saved.reservations[0] = Reservation { sid, worker: NOBODY, ..saved.reservations[0].clone() };
            },
            &["WR9 canceled: its worker is not there", "WT1 was in a state that its reservations belie"],
            Some(AssignmentStatus::Reserved), // anew
        ),
        (
            "a worker who does nothing there is",
            |saved| saved.workers[0].activity = ActivitySid::from_bits(9),
            &["WK1 does something that is no activity: set offline"],
            Some(AssignmentStatus::Reserved),
        ),
        (
            "no activity at all",
            |saved| saved.activities.clear(),
            &[
                "WK1 left out: there is no activity for it",
                "WR9 canceled: its worker is not there",
                "WT1 was in a state that its reservations belie",
            ],
            Some(AssignmentStatus::Pending),
        ),
        (
            "a channel is not there",
            |saved| saved.channels.clear(),
            &["WT1 left out: its channel is not there", "WR9 left out: its task is not there"],
            None,
        ),
        (
            "a worker without channels, and another of its name",
            |saved| {
                saved.workers[0].channels = BTreeMap::new();
                let twin = taskrouter::Worker { sid: WorkerSid::from_bits(2), ..saved.workers[0].clone() };
                saved.workers.push(twin);
            },
            &[
                "WK1 lacked a channel: given one",
                "WK2 has the name of another worker, who alone is found by it",
                "WK2 lacked a channel: given one",
            ],
            Some(AssignmentStatus::Reserved),
        ),
        (
            "assigned to nobody",
            |saved| {
                saved.tasks[0] = Task { status: AssignmentStatus::Assigned, ..saved.tasks[0].clone() };
                saved.reservations.clear();
            },
            &["WT1 was in a state that its reservations belie"],
            Some(AssignmentStatus::Canceled),
        ),
        (
            "over, but since when",
            |saved| {
                saved.tasks[0].status = AssignmentStatus::Completed;
                saved.reservations[0].status = ReservationStatus::Accepted;
            },
            &["WR9 canceled: its task is over", "WT1 was in a state that its reservations belie"],
            Some(AssignmentStatus::Completed),
        ),
        (
            "transfers that cannot be",
            |saved| {
                let of = |task| Transfer {
                    sid: TransferSid::from_bits(9),
                    task,
                    reservation: ReservationSid::from_bits(9),
                    worker: WORKER,
                    queue: None,
                    workflow: None,
                    mode: TransferMode::Warm,
                    to: TransferTarget::Worker(NOBODY),
                    status: TransferStatus::Initiated,
                    failed_reason: None,
                    created: at(3),
                    changed: at(3),
                };
                saved.transfers =
                    vec![of(TASK), Transfer { sid: TransferSid::from_bits(8), ..of(TaskSid::from_bits(9)) }];
            },
            &["TT8 left out: its task is not there", "TT9 canceled: it cannot be under way"],
            Some(AssignmentStatus::Reserved),
        ),
    ];
    for (case, spoil, want, status) in cases {
        let mut saved = offered().save();
        saved.reservations[0].sid = reservation;
        spoil(&mut saved);
        let (mut engine, mended) = Engine::restore(at(10), 2, saved);
        let short = |sid: &str| format!("{}{}", &sid[..2], sid[2..].trim_start_matches('0'));
        let told: Vec<String> = mended.iter().map(|mended| format!("{} {}", short(&mended.row), mended.what)).collect();
        assert_eq!(told, want, "{case}");
        let named = std::iter::from_fn(|| engine.poll_changed()).count();
        assert_eq!(named == 0, want.is_empty(), "{case}: what was mended is to be saved");
        work(&mut engine, at(10));
        assert_eq!(engine.task(TASK).map(|task| task.status), status, "{case}");
        assert_ne!(engine.transfer_row(transfer).map(|row| row.status), Some(TransferStatus::Initiated), "{case}");
        // And nothing that happens from here on fails.
        while let Some(deadline) = engine.next_deadline() {
            work(&mut engine, deadline.max(at(10)));
        }
        assert_eq!(engine.tasks().count(), 0, "{case}");
    }
}
