//! Every rule of who gets which task, by the section that says so.

use std::time::Duration;

use model::{
    ActivitySid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, TransferSid, WorkerSid, WorkflowSid,
};
use serde_json::{Value as Json, json};
use taskrouter::{
    Activity, AssignmentStatus, Attributes, CONCURRENT_MAX, Engine, Expression, Input, NewTask, NewTransfer, NewWorker,
    Output, RESERVATIONS_MAX, Refusal, ReservationStatus, Route, RoutingTarget, Scope, TaskChange, TaskChannel,
    TaskOrder, TaskQueue, TaskRouterEventType, TransferMode, TransferStatus, TransferTarget, WorkerChange, Workflow,
    Workspace,
};

const OFFLINE: ActivitySid = ActivitySid::from_bits(1);
const AVAILABLE: ActivitySid = ActivitySid::from_bits(2);
const BUSY: ActivitySid = ActivitySid::from_bits(3);
const VOICE: TaskChannelSid = TaskChannelSid::from_bits(1);
const CHAT: TaskChannelSid = TaskChannelSid::from_bits(2);
const WORKFLOW: WorkflowSid = WorkflowSid::from_bits(1);
const START: i64 = 1_000_000;

fn worker(number: u128) -> WorkerSid {
    WorkerSid::from_bits(number)
}

fn task(number: u128) -> TaskSid {
    TaskSid::from_bits(number)
}

fn queue(sid: u128, target_workers: &str) -> TaskQueue {
    TaskQueue {
        sid: TaskQueueSid::from_bits(sid),
        friendly_name: format!("queue {sid}"),
        target_workers: Expression::parse(target_workers).ok(),
        max_reserved_workers: 1,
        task_order: TaskOrder::Fifo,
        reservation_activity: None,
        assignment_activity: None,
    }
}

fn named(queue: u128) -> String {
    TaskQueueSid::from_bits(queue).to_string()
}

/// A workspace with three queues of everybody; what happens is kept as short words.
struct World {
    engine: Engine,
    seconds: i64,
    told: Vec<String>,
    refused: Option<Refusal>,
}

impl World {
    fn new(configuration: Json) -> Self {
        Self::with(true, configuration)
    }

    fn with(multi_task: bool, configuration: Json) -> Self {
        let workspace = Workspace {
            multi_task,
            prioritize_queue_order: TaskOrder::Fifo,
            default_activity: Some(OFFLINE),
            timeout_activity: Some(OFFLINE),
        };
        let mut world = Self { engine: Engine::new(workspace, 1), seconds: START, told: Vec::new(), refused: None };
        for (sid, name, available) in
            [(OFFLINE, "Offline", false), (AVAILABLE, "Available", true), (BUSY, "Busy", false)]
        {
            world.ask(Input::PutActivity(Activity { sid, friendly_name: name.to_owned(), available }));
        }
        for (sid, name) in [(VOICE, "voice"), (CHAT, "chat")] {
            world.ask(Input::PutChannel(TaskChannel { sid, unique_name: name.to_owned(), optimized: false }));
        }
        (1..=3).for_each(|sid| world.ask(Input::PutQueue(queue(sid, "1==1"))));
        world.configure(configuration, false);
        world.told.clear();
        world
    }

    fn configure(&mut self, configuration: Json, re_evaluate: bool) {
        let timeout = Duration::from_secs(120);
        let json = json!({ "task_routing": configuration }).to_string();
        let workflow = Workflow::parse(WORKFLOW, "w", &json, timeout, |_| true).expect("valid");
        self.ask(Input::PutWorkflow { workflow, re_evaluate });
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.seconds * 1_000_000)
    }

    fn ask(&mut self, input: Input) {
        self.refused = self.engine.handle(self.now(), input).err();
        while self.engine.work(self.now(), 3) {}
        while let Some(output) = self.engine.poll() {
            let after = self.seconds - START;
            match output {
                Output::Event(event) => {
                    let event = *event;
                    let facts = event.task.as_ref();
                    let queue = facts.and_then(|task| task.queue).map(|queue| queue.to_string().split_off(33));
                    let who =
                        event.worker.filter(|_| event.reservation.is_some()).map(|w| w.sid.to_string().split_off(33));
                    let what = match event.kind {
                        TaskRouterEventType::TaskQueueEntered
                        | TaskRouterEventType::TaskQueueMoved
                        | TaskRouterEventType::TaskQueueTimeout => queue,
                        TaskRouterEventType::TaskCanceled => facts.and_then(|task| task.reason.clone()),
                        _ => who,
                    };
                    self.told.push(
                        format!("{after} {} {}", event.kind.as_str(), what.unwrap_or_default()).trim().to_owned(),
                    );
                }
                Output::Assign { .. } => {}
                Output::Warning { code, .. } => self.told.push(format!("{after} warning {code}")),
            }
        }
    }

    fn pass(&mut self, seconds: i64) {
        let end = self.seconds + seconds;
        while let Some(at) = self.engine.next_deadline().filter(|at| at.seconds() <= end) {
            self.seconds = self.seconds.max(at.seconds());
            self.work();
        }
        self.seconds = end;
    }

    fn work(&mut self) {
        self.ask(Input::UpdateTask { task: task(0), change: TaskChange::default() }); // refused: only work
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn worker(&mut self, number: u128, activity: ActivitySid, attributes: Json) {
        let attributes = Attributes::parse(&attributes.to_string()).expect("valid");
        let friendly_name = format!("worker{number}");
        self.ask(Input::CreateWorker(NewWorker { sid: worker(number), friendly_name, attributes, activity }));
        assert_eq!(self.refused, None);
    }

    fn activity(&mut self, number: u128, activity: ActivitySid) {
        let change = WorkerChange { activity: Some(activity), ..WorkerChange::default() };
        self.ask(Input::UpdateWorker { worker: worker(number), change });
    }

    fn task(&mut self, number: u128, attributes: Json) {
        self.route(number, attributes, 0, RoutingTarget::Workflow(WORKFLOW));
    }

    fn route(&mut self, number: u128, attributes: Json, priority: u32, to: RoutingTarget) {
        self.ask(Input::CreateTask(NewTask {
            workflow: None,
            sid: task(number),
            attributes: Attributes::parse(&attributes.to_string()).expect("valid"),
            channel: VOICE,
            priority,
            timeout: Duration::from_secs(86_400),
            virtual_start: None,
            to,
        }));
        assert_eq!(self.refused, None);
    }

    fn status(&self, number: u128) -> Option<AssignmentStatus> {
        self.engine.task(task(number)).map(|task| task.status)
    }

    /// The reservation of a task with a worker that is open.
    fn open(&self, number: u128, who: u128) -> Option<ReservationSid> {
        let mut all = self.engine.reservations().filter(|r| r.task == task(number) && r.worker == worker(who));
        all.find(|r| r.status.is_open()).map(|r| r.sid)
    }

    fn offer(&self, number: u128, who: u128) -> ReservationSid {
        self.open(number, who).unwrap_or_else(|| panic!("task {number} is not with worker {who}"))
    }

    fn accept(&mut self, number: u128, who: u128) {
        self.ask(Input::Accept(self.offer(number, who)));
        assert_eq!(self.refused, None);
    }

    fn end(&mut self, number: u128, status: AssignmentStatus) {
        self.ask(Input::EndTask { task: task(number), status, reason: None });
    }
}

fn everybody() -> Json {
    json!({"filters": [], "default_filter": {"queue": named(1)}})
}

fn filter(expression: &str, targets: Json) -> Json {
    json!({"expression": expression, "targets": targets})
}

/// §12.2, and §6.2, §7.1 on the way.
#[test]
fn a_task_from_creation_to_its_end() {
    let mut world = World::new(json!({"filters": [filter("1==1", json!([{"queue": named(1)}]))]}));
    world.worker(1, AVAILABLE, json!({}));
    assert_eq!(world.told(), ["0 worker.created"]);
    world.task(1, json!({}));
    assert_eq!(
        world.told(),
        [
            "0 workflow.entered",
            "0 task-queue.entered 1",
            "0 task.created",
            "0 workflow.target-matched",
            "0 reservation.created 1",
        ]
    );
    assert_eq!(world.status(1), Some(AssignmentStatus::Reserved));
    let reservation = world.offer(1, 1);
    world.accept(1, 1);
    assert_eq!(
        (world.told(), world.status(1)),
        (vec!["0 reservation.accepted 1".to_owned()], Some(AssignmentStatus::Assigned))
    );
    world.ask(Input::Accept(reservation));
    assert_eq!(world.refused, Some(Refusal::Reservation(ReservationStatus::Accepted)));
    world.ask(Input::Wrap(reservation));
    world.ask(Input::Complete(reservation));
    assert_eq!(
        world.told(),
        ["0 reservation.wrapup 1", "0 task.wrapup", "0 reservation.completed 1", "0 task.completed",]
    );
    world.pass(299);
    assert_eq!(world.told(), Vec::<String>::new());
    world.pass(1);
    assert_eq!((world.told(), world.status(1)), (vec!["300 task.deleted".to_owned()], None));
    assert_eq!(world.engine.reservations().count(), 0);
}

/// §5.2: the worked example, and the same with its first target skipped.
#[test]
fn targets_time_out_against_the_tasks_age() {
    for (skip_if, want) in [
        (
            "1 == 2",
            vec![
                "0 task-queue.entered 1",
                "60 task-queue.timeout 1",
                "60 task-queue.moved 2",
                "90 task-queue.timeout 2",
                "90 task-queue.moved 3",
                "135 task-queue.timeout 3",
                "135 workflow.timeout",
                "135 task.canceled Task canceled on Workflow timeout",
            ],
        ),
        (
            "workers.available == 0",
            vec![
                "0 task-queue.entered 1",
                "0 workflow.skipped",
                "0 task-queue.moved 2",
                "90 task-queue.timeout 2",
                "90 task-queue.moved 3",
                "135 task-queue.timeout 3",
                "135 workflow.timeout",
                "135 task.canceled Task canceled on Workflow timeout",
            ],
        ),
    ] {
        let mut world = World::new(json!({"filters": [
            filter("a == 1", json!([{"queue": named(1), "timeout": 60, "skip_if": skip_if}, {"queue": named(2), "timeout": 30}])),
            filter("a == 2", json!([{"queue": named(1)}])),
            filter("a > 0", json!([{"queue": named(3), "timeout": 45}])),
        ]}));
        world.task(1, json!({"a": 1}));
        world.pass(200);
        let left_out = ["workflow.entered", "task.created", "workflow.target-matched"];
        let told: Vec<String> =
            world.told().into_iter().filter(|line| !left_out.iter().any(|word| line.ends_with(word))).collect();
        assert_eq!(told, want, "{skip_if}");
    }
}

/// §5.2, 5: the default filter is for what was skipped or did not match, not for what timed out.
#[test]
fn the_default_filter_is_the_last_resort() {
    let skipped = filter("a == 1", json!([{"queue": named(1), "skip_if": "1==1"}]));
    let timed = filter("b == 1", json!([{"queue": named(2), "timeout": 10}]));
    for (case, attributes, default, want) in [
        ("no filter matches", json!({}), true, Some(AssignmentStatus::Pending)),
        ("all skipped", json!({"a": 1}), true, Some(AssignmentStatus::Pending)),
        ("one timed out", json!({"a": 1, "b": 1}), true, Some(AssignmentStatus::Canceled)),
        ("nothing matches, no default", json!({}), false, Some(AssignmentStatus::Canceled)),
        ("all skipped, no default", json!({"a": 1}), false, Some(AssignmentStatus::Canceled)),
    ] {
        let filters = json!([skipped, timed]);
        let default = if default { json!({"queue": named(3)}) } else { Json::Null };
        let mut world = World::new(json!({"filters": filters, "default_filter": default}));
        world.task(1, attributes);
        world.pass(20);
        assert_eq!(world.status(1), want, "{case}");
        if want == Some(AssignmentStatus::Pending) {
            let row = world.engine.task(task(1)).expect("it is there");
            assert_eq!(row.queue, Some(TaskQueueSid::from_bits(3)), "{case}");
        }
    }
    let mut world = World::new(json!({"filters": []}));
    world.task(1, json!({}));
    assert_eq!(
        world.told(),
        ["0 workflow.entered", "0 task.created", "0 warning 14222", "0 task.canceled No matching filter"]
    );
}

/// §5.1, §5.2, 3.
#[test]
fn skip_if_counts_the_workers_of_the_target() {
    let target = |skip_if: &str| json!([{"queue": named(1), "expression": "worker.level >= task.min", "skip_if": skip_if}, {"queue": named(2)}]);
    for (skip_if, queue) in [
        ("workers.available == 0", 2),
        ("workers.available == 1", 1),
        ("workers.unavailable == 1", 2),
        (&*format!("workers.{OFFLINE} == 1"), 2),
        (&*format!("workers.{BUSY} == 0"), 2),
        ("workers.WA00 == 0", 1),
    ] {
        let mut world = World::new(json!({"filters": [filter("1==1", target(skip_if))]}));
        world.ask(Input::PutQueue(queue_without(2)));
        world.worker(1, AVAILABLE, json!({"level": 1}));
        world.worker(2, OFFLINE, json!({"level": 5}));
        world.task(1, json!({"min": 3}));
        let row = world.engine.task(task(1)).expect("it is there");
        assert_eq!(row.queue, Some(TaskQueueSid::from_bits(queue)), "{skip_if}");
    }
    // Not while somebody takes it; again when that has failed.
    let mut world = World::new(
        json!({"filters": [filter("1==1", json!([{"queue": named(1), "skip_if": "1==1"}, {"queue": named(2)}]))]}),
    );
    world.worker(1, AVAILABLE, json!({}));
    world.task(1, json!({}));
    assert!(!world.told().contains(&"0 workflow.skipped".to_owned()));
    world.ask(Input::Reject { reservation: world.offer(1, 1), activity: Some(BUSY) });
    assert!(world.told().contains(&"0 workflow.skipped".to_owned()));
}

fn queue_without(sid: u128) -> TaskQueue {
    queue(sid, "")
}

/// §5.1: one worker and no other, who may be missing.
#[test]
fn a_known_worker() {
    for (case, attributes, warning, taken_by) in [
        ("by name", json!({"who": "worker2"}), None, Some(2)),
        ("nobody asked for", json!({}), None, None),
        ("null", json!({"who": null}), None, None),
        ("unknown", json!({"who": "worker9"}), Some("0 warning 40154"), None),
        ("in another case", json!({"who": "Worker2"}), Some("0 warning 40154"), None),
        ("not a name", json!({"who": 2}), Some("0 warning 40154"), None),
        ("in another queue", json!({"who": "worker3"}), Some("0 warning 40152"), None),
    ] {
        let targets =
            json!([{"queue": named(1), "known_worker_friendly_name": "task.who", "timeout": 30}, {"queue": named(2)}]);
        let mut world = World::new(json!({"filters": [filter("1==1", targets)]}));
        world.ask(Input::PutQueue(queue(1, "team == 1")));
        for (number, team) in [(1, 1), (2, 1), (3, 2)] {
            world.worker(number, AVAILABLE, json!({"team": team}));
        }
        world.told.clear();
        world.task(1, attributes);
        let told = world.told();
        let warnings: Vec<&str> = told.iter().map(|line| &**line).filter(|line| line.contains("warning")).collect();
        assert_eq!(warnings, warning.into_iter().collect::<Vec<_>>(), "{case}");
        assert_eq!((1..=3).find(|who| world.open(1, *who).is_some()), taken_by, "{case}");
        world.pass(30);
        assert!(taken_by.is_some() || world.open(1, 1).is_some(), "{case}: the next target is for everybody");
    }
    let targets = json!([{"queue": named(1), "known_worker_sid": "task.who"}]);
    let mut world = World::new(json!({"filters": [filter("1==1", targets)]}));
    world.task(1, json!({"who": worker(7).to_string()}));
    world.worker(7, AVAILABLE, json!({}));
    assert!(world.open(1, 7).is_some(), "created after the task that asks for it");
}

/// §7.1: exactly one acceptance.
#[test]
fn the_first_to_accept_has_it() {
    let mut world = World::new(everybody());
    world.ask(Input::PutQueue(TaskQueue { max_reserved_workers: 2, ..queue(1, "1==1") }));
    (1..=3).for_each(|number| world.worker(number, AVAILABLE, json!({})));
    world.task(1, json!({}));
    assert_eq!([1, 2, 3].map(|who| world.open(1, who).is_some()), [true, true, false]);
    let (first, second) = (world.offer(1, 1), world.offer(1, 2));
    world.told.clear();
    world.accept(1, 2);
    assert_eq!(world.told(), ["0 reservation.accepted 2", "0 reservation.rescinded 1"]);
    world.ask(Input::Accept(first));
    assert_eq!(world.refused, Some(Refusal::Reservation(ReservationStatus::Rescinded)));
    assert_eq!(world.engine.reservation(second).map(|r| r.status), Some(ReservationStatus::Accepted));
    assert!(world.engine.worker(worker(1)).is_some_and(|worker| worker.open.is_empty()));
    // Pending again only when the last offer has failed.
    world.task(2, json!({}));
    world.ask(Input::Reject { reservation: world.offer(2, 1), activity: Some(BUSY) });
    assert_eq!(world.status(2), Some(AssignmentStatus::Reserved));
    world.ask(Input::Reject { reservation: world.offer(2, 3), activity: Some(BUSY) });
    assert_eq!(world.status(2), Some(AssignmentStatus::Pending));
}

/// §7.1, §7.3: what becomes of worker and task when an offer fails.
#[test]
fn an_offer_that_fails() {
    for (case, how, activity, offered_again_after) in [
        ("rejected, activity unchanged", 0, AVAILABLE, Some(0)),
        ("rejected, and away", 1, BUSY, None),
        ("timed out", 2, OFFLINE, None),
        ("no answer", 3, OFFLINE, None),
        ("the call failed", 4, AVAILABLE, Some(5)),
    ] {
        let mut world = World::new(everybody());
        world.worker(1, AVAILABLE, json!({}));
        world.task(1, json!({}));
        let reservation = world.offer(1, 1);
        match how {
            0 => world.ask(Input::Reject { reservation, activity: None }),
            1 => world.ask(Input::Reject { reservation, activity: Some(BUSY) }),
            2 => world.pass(120),
            3 => world.ask(Input::NoAnswer(reservation)),
            _ => world.ask(Input::Fail { reservation, code: 13_224 }),
        }
        assert_eq!(world.engine.worker(worker(1)).map(|worker| worker.activity), Some(activity), "{case}");
        let code = world.engine.reservation(reservation).and_then(|reservation| reservation.canceled_reason_code);
        assert_eq!(code, (how == 4).then_some(13_224), "{case}");
        let again = (0..10).find(|_| {
            let is = world.open(1, 1).is_some();
            world.pass(i64::from(!is));
            is
        });
        assert_eq!(again, offered_again_after, "{case}");
    }
    // A pause is for that task alone: another is offered at once, though it waits in the same line.
    let mut world = World::new(everybody());
    world.worker(1, AVAILABLE, json!({}));
    world.task(1, json!({}));
    world.task(2, json!({}));
    world.ask(Input::Fail { reservation: world.offer(1, 1), code: 13_224 });
    assert!(world.open(2, 1).is_some());
    let nobody = ActivitySid::from_bits(99);
    world.ask(Input::Reject { reservation: world.offer(2, 1), activity: Some(nobody) });
    assert_eq!(world.refused, Some(Refusal::NotFound(nobody.to_string())), "40100");
}

/// §6.2.
#[test]
fn what_a_task_may_be_updated_to() {
    use AssignmentStatus::{Assigned, Canceled, Completed, Pending, Reserved, Wrapping};
    for (from, to, want) in [
        (Pending, Canceled, true),
        (Pending, Wrapping, false),
        (Pending, Completed, false),
        (Pending, Pending, true),
        (Pending, Reserved, false),
        (Reserved, Canceled, true),
        (Reserved, Assigned, false),
        (Reserved, Completed, false),
        (Assigned, Wrapping, true),
        (Assigned, Completed, true),
        (Assigned, Canceled, false),
        (Assigned, Assigned, true),
        (Wrapping, Completed, true),
        (Wrapping, Wrapping, true),
        (Wrapping, Canceled, false),
        (Completed, Completed, true),
        (Completed, Canceled, false),
        (Canceled, Canceled, true),
        (Canceled, Completed, false),
    ] {
        let mut world = World::new(everybody());
        world.task(1, json!({}));
        if from != Pending {
            world.worker(1, AVAILABLE, json!({}));
        }
        if [Assigned, Wrapping, Completed].contains(&from) {
            world.accept(1, 1);
        }
        if [Wrapping, Completed, Canceled].contains(&from) {
            world.end(1, from);
        }
        assert_eq!(world.status(1), Some(from));
        world.told.clear();
        world.end(1, to);
        let refusal = (!want).then_some(Refusal::Task { from, to });
        assert_eq!(world.refused, refusal, "{from:?} to {to:?}");
        assert_eq!(world.status(1), Some(if want { to } else { from }));
        assert_eq!(world.told.is_empty(), !want || from == to, "{from:?} to {to:?}");
        if from == Reserved && to == Canceled {
            assert_eq!(world.told(), ["0 reservation.canceled 1", "0 task.canceled"]);
        }
    }
}

/// §6.1, §6.2: nothing lasts.
#[test]
fn what_time_does_to_a_task() {
    let mut world = World::new(everybody());
    world.task(1, json!({}));
    world.told.clear();
    world.pass(86_400);
    assert_eq!(world.told(), ["86400 task.canceled Task TTL Exceeded"]);
    let mut world = World::new(everybody());
    world.worker(1, AVAILABLE, json!({}));
    world.task(1, json!({}));
    world.accept(1, 1);
    world.told.clear();
    world.pass(86_400);
    assert_eq!(world.told(), ["86400 reservation.canceled 1", "86400 task.system-deleted"]);
    assert!(world.engine.worker(worker(1)).is_some_and(|worker| worker.open.is_empty()));
    // §6.2: the thousandth offer is the last.
    world.task(2, json!({}));
    for _ in 0..RESERVATIONS_MAX {
        world.ask(Input::Reject { reservation: world.offer(2, 1), activity: None });
    }
    assert_eq!(world.status(2), Some(AssignmentStatus::Canceled));
    world.ask(Input::DeleteTask(task(2)));
    assert_eq!((world.status(2), world.engine.next_deadline()), (None, None), "nothing is left behind");
}

/// §11: which task first.
#[test]
fn which_task_a_worker_is_offered_first() {
    let lifo = TaskQueue { task_order: TaskOrder::Lifo, ..queue(2, "1==1") };
    for (case, prefers, tasks, want) in [
        ("the oldest", TaskOrder::Fifo, [(1, 0, 20), (1, 0, 10), (1, 0, 30)], 2),
        ("the highest priority", TaskOrder::Fifo, [(1, 1, 20), (1, 2, 30), (1, 1, 10)], 2),
        ("the newest of a LIFO queue", TaskOrder::Fifo, [(2, 0, 20), (2, 0, 10), (2, 0, 30)], 3),
        ("FIFO before LIFO", TaskOrder::Fifo, [(2, 0, 10), (2, 0, 50), (1, 0, 30)], 3),
        ("LIFO before FIFO", TaskOrder::Lifo, [(2, 0, 10), (2, 0, 50), (1, 0, 30)], 2),
        ("across queues", TaskOrder::Fifo, [(1, 0, 20), (3, 0, 10), (1, 0, 30)], 2),
        ("SID", TaskOrder::Fifo, [(3, 0, 10), (1, 0, 10), (1, 0, 10)], 1),
    ] {
        let mut world = World::new(everybody());
        world.ask(Input::PutQueue(lifo.clone()));
        let workspace = Workspace { prioritize_queue_order: prefers, ..world.engine.workspace().clone() };
        world.ask(Input::SetWorkspace(workspace));
        for (number, (queue, priority, start)) in (1..).zip(tasks) {
            world.route(number, json!({}), priority, RoutingTarget::Queue(TaskQueueSid::from_bits(queue)));
            let virtual_start = Some(Timestamp::from_micros((START - 100 + start) * 1_000_000));
            world.ask(Input::UpdateTask {
                task: task(number),
                change: TaskChange { virtual_start, ..TaskChange::default() },
            });
        }
        world.worker(1, AVAILABLE, json!({}));
        assert_eq!((1..=3).find(|number| world.open(*number, 1).is_some()), Some(want), "{case}");
    }
}

/// §11: which worker first.
#[test]
fn which_worker_a_task_is_offered_to_first() {
    let by = |order: &str| json!({"filters": [filter("1==1", json!([{"queue": named(1), "order_by": order}]))]});
    for (case, order, levels, want) in [
        ("longest idle", "", [json!({}), json!({}), json!({})], 2),
        ("descending", "worker.level DESC", [json!({"level": 1}), json!({"level": 3}), json!({"level": 5.5})], 3),
        ("ascending", "worker.level", [json!({"level": -1}), json!({"level": 3}), json!({"level": 2})], 1),
        ("missing last", "worker.level ASC", [json!({}), json!({"level": "0"}), json!({"level": 2})], 3),
        (
            "then the next key",
            "worker.a DESC, worker.b ASC",
            [json!({"a": 1, "b": 2}), json!({"a": 1, "b": 1}), json!({"b": 0})],
            2,
        ),
        ("ties: longest idle", "worker.a", [json!({"a": 1}), json!({"a": 1}), json!({"a": 1})], 2),
    ] {
        let mut world = World::new(by(order));
        for (number, level) in (1..).zip(levels) {
            world.worker(number, OFFLINE, level);
        }
        for number in [2, 3, 1] {
            world.activity(number, AVAILABLE);
            world.pass(1);
        }
        world.task(1, json!({}));
        assert_eq!((1..=3).find(|who| world.open(1, *who).is_some()), Some(want), "{case}");
    }
}

/// §11: with multitasking, who has no task comes first, then whoever was offered one longest ago; §3: capacity.
#[test]
fn several_tasks_at_once() {
    let mut world = World::new(everybody());
    for number in 1..=2 {
        world.worker(number, AVAILABLE, json!({}));
        world.ask(Input::UpdateWorkerChannel {
            worker: worker(number),
            channel: VOICE,
            capacity: Some(2),
            available: None,
        });
    }
    let mut order = Vec::new();
    for number in 1..=5 {
        world.task(number, json!({}));
        order.extend((1..=2).filter(|who| world.open(number, *who).is_some()));
        world.pass(1);
    }
    assert_eq!((order, world.status(5)), (vec![1, 2, 1, 2], Some(AssignmentStatus::Pending)));
    world.ask(Input::UpdateWorkerChannel { worker: worker(2), channel: VOICE, capacity: Some(3), available: None });
    assert!(world.open(5, 2).is_some(), "more room");
    world.ask(Input::UpdateWorkerChannel { worker: worker(2), channel: VOICE, capacity: Some(51), available: None });
    assert_eq!(world.refused, Some(Refusal::Invalid("Capacity")));
    world.ask(Input::DeleteWorker(worker(2)));
    assert!(matches!(world.refused, Some(Refusal::InUse(_))), "it has tasks");
}

/// §3, §4: a single-task workspace.
#[test]
fn one_task_at_a_time() {
    let mut world = World::with(false, everybody());
    let queue = TaskQueue { reservation_activity: Some(BUSY), assignment_activity: Some(OFFLINE), ..queue(1, "1==1") };
    world.ask(Input::PutQueue(queue));
    world.worker(1, AVAILABLE, json!({}));
    let activity = |world: &World| world.engine.worker(worker(1)).map(|worker| worker.activity);
    world.ask(Input::UpdateWorkerChannel { worker: worker(1), channel: VOICE, capacity: Some(5), available: None });
    world.task(1, json!({}));
    assert_eq!(activity(&world), Some(BUSY));
    world.accept(1, 1);
    assert_eq!(activity(&world), Some(OFFLINE));
    world.activity(1, AVAILABLE);
    world.task(2, json!({}));
    assert_eq!(world.status(2), Some(AssignmentStatus::Pending), "one is enough, whatever the capacity");
    world.end(1, AssignmentStatus::Completed);
    assert!(world.open(2, 1).is_some());
}

/// §6.1, §11: past the workflow.
#[test]
fn direct_routing() {
    for (ignore_capacity, want) in [(true, true), (false, false)] {
        let mut world = World::new(everybody());
        world.worker(1, OFFLINE, json!({}));
        world.route(1, json!({}), 0, RoutingTarget::Worker { worker: worker(1), ignore_capacity, queue: None });
        assert_eq!(world.open(1, 1).is_some(), want, "ignore capacity: {ignore_capacity}");
        world.activity(1, AVAILABLE);
        assert!(world.open(1, 1).is_some(), "it has waited for this worker");
    }
    let mut world = World::new(everybody());
    world.ask(Input::PutQueue(queue(2, "team == 2")));
    world.worker(1, AVAILABLE, json!({"team": 1}));
    world.route(1, json!({}), 0, RoutingTarget::Queue(TaskQueueSid::from_bits(2)));
    assert_eq!(world.open(1, 1), None);
    let attributes = Attributes::parse("{\"team\":2}").ok();
    world
        .ask(Input::UpdateWorker { worker: worker(1), change: WorkerChange { attributes, ..WorkerChange::default() } });
    assert!(world.open(1, 1).is_some(), "attributes that change make a member");
}

/// §3, §4, §5: what a change of settings sets going, and what is in use.
#[test]
fn settings_that_change() {
    let mut world = World::new(json!({"filters": [filter("a == 1", json!([{"queue": named(1), "priority": 3}]))]}));
    world.ask(Input::PutQueue(queue(1, "team == 1")));
    world.worker(1, AVAILABLE, json!({"team": 2}));
    world.task(1, json!({"a": 1}));
    world.task(2, json!({"a": 1, "b": 1}));
    assert_eq!(world.engine.task(task(1)).map(|task| task.priority), Some(3));
    world.told.clear();
    world.ask(Input::PutQueue(queue(1, "team > 1")));
    assert_eq!(world.told(), ["0 task-queue.expression.updated", "0 reservation.created 1"]);
    world.ask(Input::DeleteQueue(TaskQueueSid::from_bits(1)));
    assert_eq!(world.refused, Some(Refusal::InUse(named(1))));
    world.ask(Input::DeleteWorkflow(WORKFLOW));
    assert!(matches!(world.refused, Some(Refusal::InUse(_))));
    // §5: re-evaluated, what is reserved once that has failed.
    world.configure(json!({"filters": [filter("b == 1", json!([{"queue": named(2)}])), filter("1==1", json!([{"queue": named(3)}]))]}), true);
    let queue_of = |world: &World, number| world.engine.task(task(number)).and_then(|task| task.queue);
    assert_eq!(
        (queue_of(&world, 1), queue_of(&world, 2)),
        (Some(TaskQueueSid::from_bits(1)), Some(TaskQueueSid::from_bits(2)))
    );
    world.ask(Input::Reject { reservation: world.offer(1, 1), activity: Some(BUSY) });
    assert_eq!(queue_of(&world, 1), Some(TaskQueueSid::from_bits(3)));
    // §3: what is offered to a worker who goes away is rejected only if that is asked for.
    world.activity(1, AVAILABLE);
    world.told.clear();
    let away = |reject_pending_reservations| WorkerChange {
        activity: Some(BUSY),
        reject_pending_reservations,
        ..WorkerChange::default()
    };
    world.ask(Input::UpdateWorker { worker: worker(1), change: away(false) });
    assert_eq!(world.told(), ["0 worker.activity.update"]);
    world.ask(Input::UpdateWorker { worker: worker(1), change: away(true) });
    assert_eq!(world.told().first().map(|line| &line[..22]), Some("0 reservation.rejected"));
    // §2: an activity's availability cannot change, nor can it go while it is somebody's.
    world.ask(Input::PutActivity(Activity { sid: BUSY, friendly_name: "Busy".to_owned(), available: true }));
    assert_eq!(world.refused, Some(Refusal::Invalid("Available")));
    world.ask(Input::DeleteActivity(BUSY));
    assert_eq!(world.refused, Some(Refusal::InUse(BUSY.to_string())));
}

/// §6.1: a task past its workflow's filters is the workflow's all the same.
#[test]
fn a_direct_task_is_its_workflows() {
    let direct = |number, workflow| NewTask {
        workflow,
        sid: task(number),
        attributes: Attributes::parse("{}").expect("valid"),
        channel: VOICE,
        priority: 0,
        timeout: Duration::from_secs(86_400),
        virtual_start: None,
        to: RoutingTarget::Queue(TaskQueueSid::from_bits(1)),
    };
    let mut world = World::new(everybody());
    world.worker(1, AVAILABLE, json!({}));
    let json = json!({ "task_routing": everybody() }).to_string();
    let workflow = Workflow::parse(WORKFLOW, "w", &json, Duration::from_secs(20), |_| true).expect("valid");
    world.ask(Input::PutWorkflow { workflow, re_evaluate: false });
    world.ask(Input::CreateTask(direct(1, Some(WORKFLOW))));
    let reservation = world.engine.reservation(world.offer(1, 1)).expect("made");
    assert_eq!(reservation.times_out, world.now() + Duration::from_secs(20));
    let scope = Scope::Workflow(WORKFLOW);
    assert_eq!(world.engine.real_time(world.now(), scope, None).tasks.reserved, 1);
    let until = world.now() + Duration::from_secs(1);
    let counts = world.engine.cumulative(world.now(), scope, None, (world.now(), until), true).figures.counts;
    assert_eq!(counts.reservations_created, 1);
    world.ask(Input::DeleteWorkflow(WORKFLOW));
    assert_eq!(world.refused, Some(Refusal::InUse(WORKFLOW.to_string())));
    let nobodys = WorkflowSid::from_bits(2);
    world.ask(Input::CreateTask(direct(2, Some(nobodys))));
    assert_eq!(world.refused, Some(Refusal::NotFound(nobodys.to_string())));
}

/// §3: one task at a time leaves room for one on a channel, whatever is asked for. §12.1: each of two changes is told of
/// with a version of its own.
#[test]
fn a_workers_channel_that_changes() {
    for (case, multi_task, want, events) in [("several at once", true, (5, 80), 2), ("one at a time", false, (1, 0), 1)]
    {
        let mut world = World::with(multi_task, everybody());
        world.worker(1, AVAILABLE, json!({}));
        world.task(1, json!({}));
        world.accept(1, 1);
        let before = world.engine.worker(worker(1)).expect("is there").version;
        let (capacity, available) = (Some(5), Some(false));
        let input = Input::UpdateWorkerChannel { worker: worker(1), channel: VOICE, capacity, available };
        world.engine.handle(world.now(), input).expect("changes");
        let on = &world.engine.worker(worker(1)).expect("is there").channels[&VOICE];
        assert_eq!((on.capacity, on.available_capacity_percentage()), want, "{case}");
        let told = std::iter::from_fn(|| world.engine.poll()).filter_map(|output| match output {
            Output::Event(event) => event.worker.map(|worker| worker.version),
            Output::Assign { .. } | Output::Warning { .. } => None,
        });
        assert!(told.eq(before + 1..=before + events), "{case}");
    }
}

/// §5: a task keeps its target when the workflow changes, be it reserved or waiting.
#[test]
fn a_target_that_goes_while_its_task_is_reserved() {
    let two =
        json!({"filters": [filter("1==1", json!([{"queue": named(1), "skip_if": "1==1"}, {"queue": named(2)}]))]});
    let mut world = World::new(two);
    world.ask(Input::PutQueue(queue_without(1)));
    world.worker(1, AVAILABLE, json!({}));
    world.task(1, json!({}));
    let offer = world.offer(1, 1);
    world.configure(json!({"filters": [filter("1==1", json!([{"queue": named(3)}]))]}), false);
    world.told.clear();
    world.ask(Input::Reject { reservation: offer, activity: None });
    assert_eq!(world.told(), ["0 reservation.rejected 1", "0 reservation.created 1"]);
}

/// §5: without ReEvaluateTasks a waiting task goes by what the workflow did when it came, and new ones by what it does
/// now; among those whom the same may have, who has waited longest comes first.
#[test]
fn a_workflow_that_changes_leaves_waiting_tasks_where_they_are() {
    let english = || filter("lang == \"en\"", json!([{"queue": named(1), "timeout": 60}, {"queue": named(2)}]));
    let vip = filter("vip == true", json!([{"queue": named(1), "expression": "worker.vip == true", "priority": 50}]));
    let elsewhere = filter("1==1", json!([{"queue": named(3)}]));
    for (case, filters, second) in [
        ("another filter comes before it", json!([vip, english()]), 2),
        ("its filter goes", json!([elsewhere]), 2),
        ("its filter goes where there are none", json!([]), 3),
    ] {
        let mut world = World::new(json!({ "filters": [english()] }));
        world.task(1, json!({"lang": "en"}));
        world.pass(10);
        world.told.clear();
        world.configure(json!({ "filters": filters, "default_filter": {"queue": named(1)} }), false);
        assert_eq!(world.told(), ["10 workflow.updated"], "{case}");
        let new = second;
        world.task(new, json!({"lang": "en"}));
        world.told.clear();
        world.worker(1, AVAILABLE, json!({}));
        assert!(world.open(1, 1).is_some(), "{case}: {:?}", world.told);
        world.ask(Input::Reject { reservation: world.offer(1, 1), activity: Some(BUSY) });
        // … and what follows its target is what followed it then.
        world.told.clear();
        world.pass(51);
        assert_eq!(world.told(), ["60 task-queue.timeout 1", "60 task-queue.moved 2", "60 workflow.target-matched"]);
        let by = |world: &World, number| match world.engine.task(task(number)).map(|task| task.route) {
            Some(Route::Workflow { step: Some(step), .. }) => step.revision,
            other => panic!("{case}: {other:?}"),
        };
        assert!(by(&world, 1) < by(&world, new), "{case}");
        let former = by(&world, 1);
        assert!(world.engine.is_former(WORKFLOW, former), "{case}");
        world.end(1, AssignmentStatus::Canceled);
        world.configure(json!({ "filters": [], "default_filter": {"queue": named(2)} }), false);
        assert!(!world.engine.is_former(WORKFLOW, former), "{case}: nobody goes by it any more");
    }
}

/// §5: what a task has still before it may be gone when it comes there.
#[test]
fn a_queue_that_goes_while_tasks_are_on_their_way_to_it() {
    let three = json!([{"queue": named(1), "timeout": 10}, {"queue": named(2), "timeout": 10}, {"queue": named(3)}]);
    let mut world = World::new(json!({ "filters": [filter("1==1", three)] }));
    world.task(1, json!({}));
    world.configure(json!({ "filters": [], "default_filter": {"queue": named(3)} }), false);
    world.ask(Input::DeleteQueue(TaskQueueSid::from_bits(2)));
    assert_eq!(world.refused, None);
    world.told.clear();
    world.pass(11);
    assert_eq!(world.told(), ["10 task-queue.timeout 1", "10 task-queue.moved 3", "10 workflow.target-matched"]);
}

/// What a workflow did before is not kept for ever: of too much of it, the oldest goes, and its tasks begin anew.
#[test]
fn a_workflow_that_changes_again_and_again() {
    let configuration =
        |number: u32| json!({ "filters": [filter("1==1", json!([{"queue": named(1), "priority": number}]))] });
    let mut world = World::new(configuration(0));
    let changes = 20;
    for number in 1..=changes {
        world.task(number.into(), json!({}));
        world.configure(configuration(number), false);
    }
    let priorities: Vec<u32> =
        (1..=changes).filter_map(|number| Some(world.engine.task(task(number.into()))?.priority)).collect();
    let (anew, rest) = priorities.split_at(4);
    assert_eq!(anew, [17, 18, 19, 20], "each when it was one revision too many");
    assert!(rest.iter().copied().eq(4..20), "sixteen are kept: {rest:?}");
}

/// §5.2, 4: the time of targets counts from the task's creation, also if it begins anew.
#[test]
fn a_task_that_begins_anew_is_as_old_as_before() {
    let mut world = World::new(json!({ "filters": [filter("1==1", json!([{"queue": named(1), "timeout": 3}]))] }));
    world.task(1, json!({}));
    world.pass(2);
    let two = json!([{"queue": named(1), "timeout": 3}, {"queue": named(2), "timeout": 2}]);
    world.configure(json!({ "filters": [filter("1==1", two)] }), true);
    world.told.clear();
    world.pass(4);
    let want = [
        "3 task-queue.timeout 1",
        "3 task-queue.moved 2",
        "3 workflow.target-matched",
        "5 task-queue.timeout 2",
        "5 workflow.timeout",
        "5 task.canceled Task canceled on Workflow timeout",
    ];
    assert_eq!(world.told(), want);
}

/// §5, §11: nobody waits for an offer until a workflow's tasks have all begun anew, and then it is the workflow as it is.
#[test]
fn offers_are_made_while_tasks_are_re_evaluated() {
    let to = |queue, expression| json!({"filters": [filter("1==1", json!([{"queue": named(queue), "expression": expression}]))]});
    for anew in [false, true] {
        let mut world = World::new(to(1, "worker.level > 1"));
        world.worker(1, BUSY, json!({"level": 1}));
        (1..=1000).for_each(|number| world.task(number, json!({})));
        world.activity(1, AVAILABLE);
        assert_eq!(world.open(1, 1), None);
        let json = json!({ "task_routing": to(1, "worker.level > 0") }).to_string();
        let workflow = Workflow::parse(WORKFLOW, "w", &json, Duration::from_secs(120), |_| true).expect("valid");
        world.engine.handle(world.now(), Input::PutWorkflow { workflow, re_evaluate: anew }).expect("accepted");
        if !anew {
            assert!(!world.engine.work(world.now(), 1), "they are where they were");
            assert_eq!(world.open(1, 1), None);
            continue;
        }
        let mut steps = 1;
        while world.open(1, 1).is_none() {
            assert!(world.engine.work(world.now(), 1));
            steps += 1;
        }
        assert!(steps < 100, "{steps} steps");
        world.told.clear();
        world.work();
        let matched = world.told.iter().filter(|line| line.ends_with("workflow.target-matched")).count();
        assert_eq!(matched, 1000, "every task begins anew once");
    }
}

/// §5: what changes nothing about where tasks go leaves them alone.
#[test]
fn a_workflow_that_changes_in_name_only() {
    let mut world = World::new(everybody());
    (1..=20).for_each(|number| world.task(number, json!({})));
    let put = |name: &str, re_evaluate| {
        let json = json!({ "task_routing": everybody() }).to_string();
        let workflow = Workflow::parse(WORKFLOW, name, &json, Duration::from_secs(9), |_| true).expect("valid");
        Input::PutWorkflow { workflow, re_evaluate }
    };
    world.engine.handle(world.now(), put("renamed", false)).expect("accepted");
    assert!(!world.engine.work(world.now(), 1), "there is nothing to be done");
    world.engine.handle(world.now(), put("renamed", true)).expect("accepted");
    let mut re_evaluated = 0;
    while world.engine.work(world.now(), 1) {}
    while let Some(output) = world.engine.poll() {
        if let Output::Event(event) = output
            && event.kind == TaskRouterEventType::WorkflowTargetMatched
        {
            assert!(event.task.is_some_and(|task| task.re_evaluate), "§12.1 TaskReEvaluated");
            re_evaluated += 1;
        }
    }
    assert_eq!(re_evaluated, 20);
    assert!(world.engine.tasks().all(|task| !task.re_evaluate), "it is done");
}

/// However many kinds of tasks wait, a worker is told of in time, and still gets the foremost.
#[test]
fn a_worker_among_many_kinds_of_tasks() {
    let configuration = json!([{"queue": named(1), "expression": "worker.number == task.number"}]);
    let mut world = World::new(json!({"filters": [filter("1==1", configuration)]}));
    world.worker(1, BUSY, json!({"number": 777}));
    world.worker(2, BUSY, json!({"number": 3}));
    (1..=1000).for_each(|number| world.route(number, json!({"number": number}), 0, RoutingTarget::Workflow(WORKFLOW)));
    let available = |number| Input::UpdateWorker {
        worker: worker(number),
        change: WorkerChange { activity: Some(AVAILABLE), ..WorkerChange::default() },
    };
    world.engine.handle(world.now(), available(1)).expect("accepted");
    assert!(world.engine.work(world.now(), 10), "that is not all");
    world.engine.handle(world.now(), available(2)).expect("accepted");
    world.work();
    assert!(world.open(777, 1).is_some() && world.open(3, 2).is_some());
}

/// §3: names are unique, whatever their case.
#[test]
fn names_of_workers() {
    let mut world = World::new(everybody());
    (1..=2).for_each(|number| world.worker(number, AVAILABLE, json!({})));
    for (name, taken) in
        [("WORKER1", true), ("Worker2", false), ("carla", false), ("worker2", false), ("worker1", true)]
    {
        let change = WorkerChange { friendly_name: Some(name.to_owned()), ..WorkerChange::default() };
        world.ask(Input::UpdateWorker { worker: worker(2), change });
        assert_eq!(world.refused, taken.then(|| Refusal::InUse(name.to_owned())), "{name}");
    }
    world.ask(Input::DeleteWorker(worker(1)));
    let change = WorkerChange { friendly_name: Some("worker1".to_owned()), ..WorkerChange::default() };
    world.ask(Input::UpdateWorker { worker: worker(2), change });
    assert_eq!(world.refused, None, "free again");
}

/// §5.2, 4: an offer is not cut short by its target's time, but then the task moves on.
#[test]
fn a_target_that_runs_out_while_reserved() {
    let targets = json!([{"queue": named(1), "timeout": 30}, {"queue": named(2), "timeout": 200}]);
    let mut world = World::new(json!({"filters": [filter("1==1", targets)]}));
    world.worker(1, AVAILABLE, json!({}));
    world.task(1, json!({}));
    world.told.clear();
    world.pass(120);
    assert_eq!(
        world.told(),
        [
            "120 reservation.timeout 1",
            "120 worker.activity.update",
            "120 task-queue.timeout 1",
            "120 task-queue.moved 2",
            "120 workflow.target-matched",
        ]
    );
}

/// A task that worker 1 has, of queue 1, in a workspace of three workers who take two at once.
fn taken() -> World {
    let mut world = World::new(everybody());
    for number in 1..=3 {
        world.worker(number, if number == 1 { AVAILABLE } else { BUSY }, json!({"number": number}));
        let (worker, channel, capacity) = (worker(number), VOICE, Some(2));
        world.ask(Input::UpdateWorkerChannel { worker, channel, capacity, available: None });
    }
    world.ask(Input::PutQueue(queue(2, "number == 2")));
    world.ask(Input::PutQueue(queue(3, "number == 1")));
    world.task(1, json!({}));
    world.accept(1, 1);
    world.activity(2, AVAILABLE);
    world.told.clear();
    world
}

impl World {
    fn transfer(&mut self, number: u128, by: u128, to: TransferTarget, mode: TransferMode) {
        let reservation = self.offer(number, by);
        let sid = TransferSid::from_bits(self.engine.transfers().count() as u128 + 1);
        self.ask(Input::Transfer(NewTransfer { sid, reservation, to, mode, priority: None, attributes: None }));
    }

    fn transfer_status(&self, sid: u128) -> Option<TransferStatus> {
        self.engine.transfer_row(TransferSid::from_bits(sid)).map(|transfer| transfer.status)
    }
}

const fn to_queue(queue: u128) -> TransferTarget {
    TransferTarget::Queue(TaskQueueSid::from_bits(queue))
}

const fn to_worker(number: u128) -> TransferTarget {
    TransferTarget::Worker(WorkerSid::from_bits(number))
}

/// §15: what becomes of a transfer, by what its target does.
#[test]
fn a_transfer_and_how_it_ends() {
    use TransferMode::{Cold, Warm};
    let took: &[&str] = &["0 reservation.accepted 2", "0 task.transfer-completed 1"];
    let took_cold: &[&str] = &[
        "0 reservation.accepted 2",
        "0 task.transfer-completed 1",
        "0 reservation.wrapup 1",
        "0 reservation.completed 1",
    ];
    let failed: &[&str] = &["0 reservation.rejected 2", "0 worker.activity.update", "0 task.transfer-failed 1"];
    let tried: &[&str] = &["0 reservation.rejected 2", "0 worker.activity.update", "0 task.transfer-attempt-failed 1"];
    let away = |reservation| Input::Reject { reservation, activity: Some(BUSY) };
    for (case, to, mode, how, want, status, task_status) in [
        ("warm to a worker", to_worker(2), Warm, 0, took, TransferStatus::Complete, AssignmentStatus::Assigned),
        ("cold to a worker", to_worker(2), Cold, 0, took_cold, TransferStatus::Complete, AssignmentStatus::Assigned),
        ("warm to a queue", to_queue(2), Warm, 0, took, TransferStatus::Complete, AssignmentStatus::Assigned),
        ("cold to a queue", to_queue(2), Cold, 0, took_cold, TransferStatus::Complete, AssignmentStatus::Assigned),
        ("the worker will not", to_worker(2), Warm, 1, failed, TransferStatus::Failed, AssignmentStatus::Assigned),
        ("nobody of the queue will", to_queue(2), Warm, 1, tried, TransferStatus::Initiated, AssignmentStatus::Pending),
        (
            "his call fails",
            to_worker(2),
            Warm,
            2,
            &["0 reservation.canceled 2", "0 task.transfer-failed 1"],
            TransferStatus::Failed,
            AssignmentStatus::Assigned,
        ),
        (
            "taken back",
            to_queue(2),
            Cold,
            3,
            &["0 reservation.canceled 2", "0 task.transfer-canceled 1", "0 task-queue.moved 1"],
            TransferStatus::Canceled,
            AssignmentStatus::Assigned,
        ),
    ] {
        let mut world = taken();
        world.transfer(1, 1, to, mode);
        assert_eq!((world.refused.clone(), world.status(1)), (None, Some(AssignmentStatus::Reserved)), "{case}");
        let offer = world.offer(1, 2);
        let moved = if to == to_queue(2) { vec!["0 task-queue.moved 2"] } else { Vec::new() };
        let begun = [vec!["0 task.transfer-initiated 1"], moved, vec!["0 reservation.created 2"]].concat();
        assert_eq!(world.told(), begun, "{case}");
        let row = world.engine.reservation(offer).expect("made");
        assert_eq!(row.transfer, Some(TransferSid::from_bits(1)), "{case}");
        let outgoing = world.engine.outgoing_transfer(world.offer(1, 1)).map(|transfer| (transfer.to, transfer.mode));
        assert_eq!(outgoing, Some((to, mode)), "{case}");
        world.ask(match how {
            0 => Input::Accept(offer),
            1 => away(offer),
            2 => Input::Fail { reservation: offer, code: 13_224 },
            _ => Input::CancelTransfer(TransferSid::from_bits(1)),
        });
        assert_eq!(world.told(), want, "{case}");
        assert_eq!((world.transfer_status(1), world.status(1)), (Some(status), Some(task_status)), "{case}");
        // Whoever gets it gets it from where it was sent; what comes to nothing leaves it where it was.
        let is_back = to != to_queue(2) || status == TransferStatus::Canceled;
        let queue = world.engine.task(task(1)).and_then(|task| task.queue);
        assert_eq!(queue, Some(TaskQueueSid::from_bits(if is_back { 1 } else { 2 })), "{case}");
        for (number, tasks) in [(1, u32::from(is_back)), (2, u32::from(!is_back))] {
            let scope = Scope::Queue(TaskQueueSid::from_bits(number));
            let total = world.engine.real_time(world.now(), scope, None).tasks.total();
            assert_eq!(total, tasks, "{case}: queue {number}");
        }
        if status != TransferStatus::Initiated {
            world.ask(Input::CancelTransfer(TransferSid::from_bits(1)));
            let refused = (status != TransferStatus::Canceled).then_some(Refusal::Transfer(status));
            assert_eq!(world.refused, refused, "{case}");
        }
    }
}

/// §15: who is asked next, and what happens to the task when those who had it go.
#[test]
fn a_transferred_task_goes_where_its_reservations_go() {
    // Not to himself while there is another; but to himself rather than to nobody.
    let mut world = taken();
    world.transfer(1, 1, to_queue(1), TransferMode::Warm);
    assert!(world.open(1, 2).is_some(), "the longest idle but him");
    let mut world = taken();
    world.transfer(1, 1, to_queue(3), TransferMode::Warm);
    let own = world.engine.reservations().find(|r| r.status == ReservationStatus::Pending).map(|r| (r.sid, r.worker));
    let (own, who) = own.expect("he is the only one there");
    assert_eq!(who, worker(1));
    world.ask(Input::Accept(own));
    let open = world.engine.worker(worker(1)).map(|worker| worker.open.len());
    assert_eq!((open, world.status(1)), (Some(1), Some(AssignmentStatus::Assigned)), "once is enough");
    // The initiator leaves a warm transfer: his reservation wraps up, the task does not.
    let mut world = taken();
    world.transfer(1, 1, to_worker(2), TransferMode::Warm);
    world.accept(1, 2);
    let (first, second) = (world.offer(1, 1), world.offer(1, 2));
    world.ask(Input::Wrap(first));
    world.ask(Input::Wrap(first));
    assert_eq!((&world.refused, world.status(1)), (&None, Some(AssignmentStatus::Assigned)));
    world.ask(Input::Complete(first));
    world.told.clear();
    world.ask(Input::Wrap(second));
    assert_eq!(world.told(), ["0 reservation.wrapup 2", "0 task.wrapup"]);
    world.ask(Input::Complete(second));
    world.ask(Input::Complete(second));
    assert_eq!(world.refused, None);
    assert_eq!(world.told(), ["0 reservation.completed 2", "0 task.completed"]);
    // Gone before anybody has taken over: the task waits anew, as long as it may.
    let mut world = taken();
    world.transfer(1, 1, to_worker(2), TransferMode::Cold);
    world.ask(Input::Wrap(world.offer(1, 1)));
    world.ask(Input::Complete(world.offer(1, 1)));
    world.activity(1, BUSY);
    world.ask(Input::Reject { reservation: world.offer(1, 2), activity: Some(BUSY) });
    assert_eq!(
        (world.status(1), world.transfer_status(1)),
        (Some(AssignmentStatus::Pending), Some(TransferStatus::Failed))
    );
    world.pass(86_400);
    assert_eq!(world.status(1), Some(AssignmentStatus::Canceled));
    // Canceled or deleted, it takes its transfer along.
    for delete in [false, true] {
        let mut world = taken();
        world.transfer(1, 1, to_queue(2), TransferMode::Warm);
        world.told.clear();
        world.ask(if delete {
            Input::DeleteTask(task(1))
        } else {
            Input::EndTask { task: task(1), status: AssignmentStatus::Canceled, reason: None }
        });
        let end = if delete { "0 task.deleted" } else { "0 task.canceled" };
        let canceled = ["0 reservation.canceled 1", "0 reservation.canceled 2", "0 task.transfer-canceled 1", end];
        assert_eq!(world.told(), canceled);
        world.pass(300);
        assert_eq!((world.engine.transfers().count(), world.engine.next_deadline()), (0, None), "nothing is left");
    }
}

/// §15: what is refused, and then changes nothing.
#[test]
fn transfers_that_are_refused() {
    let unknown = WorkerSid::from_bits(9);
    for (case, to, want) in [
        ("away", to_worker(3), Refusal::Unavailable(worker(3))),
        ("to himself", to_worker(1), Refusal::Unavailable(worker(1))),
        ("to nobody", TransferTarget::Worker(unknown), Refusal::NotFound(unknown.to_string())),
        ("to no queue", to_queue(9), Refusal::NotFound(named(9))),
    ] {
        let mut world = taken();
        world.transfer(1, 1, to, TransferMode::Warm);
        assert_eq!((world.refused.clone(), world.told()), (Some(want), Vec::new()), "{case}");
        assert_eq!(
            (world.status(1), world.engine.transfers().count()),
            (Some(AssignmentStatus::Assigned), 0),
            "{case}"
        );
    }
    let mut world = taken();
    world.transfer(1, 1, to_worker(2), TransferMode::Warm);
    world.transfer(1, 1, to_queue(2), TransferMode::Warm);
    assert!(matches!(world.refused, Some(Refusal::Task { .. })), "one after the other");
    world.transfer(1, 2, to_queue(2), TransferMode::Warm);
    assert_eq!(world.refused, Some(Refusal::Reservation(ReservationStatus::Pending)), "not accepted");
    world.end(1, AssignmentStatus::Completed);
    assert!(matches!(world.refused, Some(Refusal::Task { .. })), "not while it is under way");
}

/// §9: workers that are not offline.
#[test]
fn too_many_workers_at_once() {
    let mut world = World::new(everybody());
    (1..=CONCURRENT_MAX as u128 + 1).for_each(|number| world.worker(number, OFFLINE, json!({})));
    (1..=CONCURRENT_MAX as u128).for_each(|number| world.activity(number, BUSY));
    let last = CONCURRENT_MAX as u128 + 1;
    for (number, activity, refused) in
        [(last, AVAILABLE, true), (1, AVAILABLE, false), (2, OFFLINE, false), (last, BUSY, false)]
    {
        world.activity(number, activity);
        assert_eq!(world.refused, refused.then_some(Refusal::Concurrent(CONCURRENT_MAX)), "{number}"); // 14240
    }
}

/// §12.1: an event says where in its workflow a task was, and what changed about a channel.
#[test]
fn what_events_tell() {
    let targets = json!([{"queue": named(1), "friendly_name": "first", "expression": "worker.x == 1", "timeout": 10}, {"queue": named(2)}]);
    let filters = json!([{"filter_friendly_name": "all", "expression": "a == 1", "targets": targets}]);
    let mut world = World::new(json!({"filters": filters, "default_filter": {"queue": named(3)}}));
    world.worker(1, BUSY, json!({}));
    let attributes = Attributes::parse("{\"a\":1}").expect("valid");
    let (channel, timeout) = (VOICE, Duration::from_secs(100));
    let to = RoutingTarget::Workflow(WORKFLOW);
    let new =
        NewTask { workflow: None, sid: task(1), attributes, channel, priority: 0, timeout, virtual_start: None, to };
    let mut events = Vec::new();
    for (after, input) in [
        (0, Input::CreateTask(new)),
        (10, Input::UpdateWorkerChannel { worker: worker(1), channel, capacity: Some(3), available: Some(false) }),
    ] {
        world.seconds = START + after;
        world.engine.handle(world.now(), input).expect("allowed");
        while world.engine.work(world.now(), 3) {}
        while let Some(output) = world.engine.poll() {
            if let Output::Event(event) = output {
                events.push(*event);
            }
        }
    }
    let of = |kind| events.iter().rev().find(|event| event.kind == kind).expect("told");
    let matched = events.iter().find(|event| event.kind == TaskRouterEventType::WorkflowTargetMatched).expect("told");
    let facts =
        matched.filter().map(|facts| (facts.name, facts.expression, facts.target_name, facts.target_expression));
    assert_eq!(facts, Some(("all", "a == 1", "first", "worker.x == 1")));
    let moved = of(TaskRouterEventType::TaskQueueMoved);
    let queues = (moved.queue.as_ref().map(|queue| &*queue.friendly_name), moved.previous_queue);
    assert_eq!(queues, (Some("queue 2"), Some(TaskQueueSid::from_bits(1))));
    assert_eq!(of(TaskRouterEventType::TaskCreated).workflow.as_ref().map(|workflow| workflow.sid), Some(WORKFLOW));
    let capacity = of(TaskRouterEventType::WorkerCapacityUpdate);
    let on = capacity.worker_channel.as_ref().map(|on| (on.capacity, on.available, on.open));
    assert_eq!((on, capacity.previous_capacity), (Some((3, false, 0)), Some(1)));
    assert_eq!(capacity.worker.as_ref().map(|worker| &*worker.friendly_name), Some("worker1"));
}
