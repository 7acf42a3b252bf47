//! TaskRouter in virtual time: what is asked, what comes of it, and what is left after a restart.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{
    AccountSid, AccountStatus, ActivitySid, AssignmentStatus, CallSid, EventActor, Exchange, HttpMethod,
    ReservationSid, ReservationStatus, RoutingKey, RoutingRow, RoutingTarget, StatisticsBucket, TaskChannelSid,
    TaskOrder, TaskQueueSid, TaskRouterEvent, TaskSid, Timestamp, TransferMode, TransferStatus, TransferTarget,
    WorkerSid, WorkflowSid, WorkspaceSid,
};
use proptest::prelude::*;

use super::*;
use crate::directory::Directory;
use crate::effect::{Effect, Row};
use crate::follow_up::FollowUp;
use crate::turn::Names;
use crate::webhook::{AskFailed, Callback, Lane, QueueResult};

const ACCOUNT: AccountSid = AccountSid::from_bits(1);
const START_US: i64 = 1_770_000_000_000_000;

/// TaskRouter alone: time is a number, and rows are kept as a store would.
struct Centre {
    routing: Routing,
    directory: Directory,
    names: Names,
    started: Instant,
    now_us: i64,
    rows: BTreeMap<String, RoutingRow>,
    buckets: BTreeMap<(String, Option<TaskChannelSid>, Timestamp), StatisticsBucket>,
    events: Vec<Arc<TaskRouterEvent>>,
    callbacks: Vec<Callback>,
    assignments: Vec<Assignment>,
    notifications: Vec<u16>,
    follow_ups: Vec<FollowUp>,
    workspace: WorkspaceSid,
}

impl Centre {
    /// A workspace with these settings.
    fn new(new: NewWorkspace) -> Self {
        let mut centre = Self {
            routing: Routing::default(),
            directory: Directory::default(),
            names: Names::new(1, 0),
            started: Instant::now(),
            now_us: START_US,
            rows: BTreeMap::new(),
            buckets: BTreeMap::new(),
            events: Vec::new(),
            callbacks: Vec::new(),
            assignments: Vec::new(),
            notifications: Vec::new(),
            follow_ups: Vec::new(),
            workspace: WorkspaceSid::from_bits(0),
        };
        let row = centre.ask(RoutingOrder::CreateWorkspace(new)).expect("a workspace");
        let RoutingAnswer::Row(row) = row else { panic!("a row") };
        centre.workspace = row.workspace();
        centre
    }

    /// Several tasks at once, a queue and a workflow for everything, and an assignment callback.
    fn fifo() -> Self {
        Self::new(NewWorkspace { fifo: true, ..workspace() })
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now_us)
    }

    /// One turn.
    fn turn<T>(&mut self, act: impl FnOnce(&mut Workspaces, &mut Desk) -> T) -> T {
        let now = Now {
            instant: self.started + Duration::from_micros((self.now_us - START_US).unsigned_abs()),
            wall: self.now(),
        };
        let (mut effects, mut follow_ups) = (Vec::new(), VecDeque::new());
        let Routing { workspaces, index } = &mut self.routing;
        let mut desk = Desk {
            now: now.wall,
            actor: None,
            names: &mut self.names,
            effects: &mut effects,
            follow_ups: &mut follow_ups,
            index,
        };
        workspaces.begin(now);
        let answer = act(workspaces, &mut desk);
        desk.actor = None;
        while workspaces.settle(&self.directory, &mut desk) {}
        workspaces.save(&self.directory, &mut desk);
        self.follow_ups.extend(follow_ups);
        self.keep(effects);
        answer
    }

    fn keep(&mut self, effects: Vec<Effect>) {
        let mut saved = BTreeMap::new();
        for effect in effects {
            match effect {
                Effect::Save(Row::Routing(row)) => {
                    let key = key_of(&row);
                    *saved.entry(key.clone()).or_insert(0) += 1;
                    self.rows.insert(key, *row);
                }
                Effect::Save(Row::RoutingDeleted(key)) => self.delete(key),
                Effect::Save(Row::StatisticsBucket(row)) => {
                    let key = (row.scope.to_string(), row.task_channel_sid, row.begins);
                    match row.figures {
                        Some(_) => drop(self.buckets.insert(key, *row)),
                        None => drop(self.buckets.remove(&key)),
                    }
                }
                Effect::Save(Row::TaskRouterEvent(event)) => self.events.push(event),
                Effect::Save(Row::Notification(notification)) => self.notifications.push(notification.error_code),
                Effect::Callback(callback) => self.callbacks.push(*callback),
                Effect::Assign(assignment) => self.assignments.push(*assignment),
                other => panic!("TaskRouter does not do this: {other:?}"),
            }
        }
        let twice: Vec<_> = saved.into_iter().filter(|(_, times)| *times > 1).collect();
        assert_eq!(twice, [], "each row is saved once a turn");
    }

    /// As the store does.
    fn delete(&mut self, key: RoutingKey) {
        match key {
            RoutingKey::Workspace(sid) => self.rows.retain(|_, row| row.workspace() != sid),
            RoutingKey::Worker(sid) => {
                self.rows.remove(&sid.to_string());
                self.rows.retain(|_, row| match row {
                    RoutingRow::WorkerChannel(row) => row.worker_sid != sid,
                    RoutingRow::Reservation(row) => row.worker_sid != sid,
                    _ => true,
                });
            }
            RoutingKey::Task(sid) => {
                self.rows.remove(&sid.to_string());
                self.rows.retain(|_, row| match row {
                    RoutingRow::Reservation(row) => row.task_sid != sid,
                    RoutingRow::Transfer(row) => row.task_sid != sid,
                    _ => true,
                });
            }
            RoutingKey::TaskChannel(sid) => {
                self.rows.remove(&sid.to_string());
                self.rows
                    .retain(|_, row| !matches!(row, RoutingRow::WorkerChannel(row) if row.task_channel_sid == sid));
            }
            RoutingKey::Activity(sid) => drop(self.rows.remove(&sid.to_string())),
            RoutingKey::WorkerChannel(sid) => drop(self.rows.remove(&sid.to_string())),
            RoutingKey::TaskQueue(sid) => drop(self.rows.remove(&sid.to_string())),
            RoutingKey::Workflow(sid) => drop(self.rows.remove(&sid.to_string())),
            RoutingKey::Reservation(sid) => drop(self.rows.remove(&sid.to_string())),
            RoutingKey::Transfer(sid) => drop(self.rows.remove(&sid.to_string())),
        }
    }

    fn ask(&mut self, order: RoutingOrder) -> Result<RoutingAnswer, RoutingRefusal> {
        let command = RoutingCommand { account: ACCOUNT, actor: EventActor::Account(ACCOUNT), order };
        self.turn(|workspaces, desk| workspaces.command(command, desk))
    }

    fn order(&mut self, order: WorkspaceOrder) -> Result<RoutingAnswer, RoutingRefusal> {
        let workspace = self.workspace;
        self.ask(RoutingOrder::In { workspace, order })
    }

    fn row(&mut self, order: WorkspaceOrder) -> RoutingRow {
        match self.order(order).expect("done") {
            RoutingAnswer::Row(row) => *row,
            other => panic!("a row, not {other:?}"),
        }
    }

    /// Time passes; whatever is due on the way happens when it is.
    fn run_for(&mut self, span: Duration) {
        let until = self.now_us + i64::try_from(span.as_micros()).expect("a test's span");
        loop {
            let due = self.routing.next_deadline().map(|at| at.saturating_duration_since(self.started));
            let due = due.map(|due| START_US + i64::try_from(due.as_micros()).expect("a test's span"));
            match due.filter(|due| *due <= until) {
                Some(due) => {
                    self.now_us = self.now_us.max(due);
                    self.turn(|_, _| ());
                }
                None => break self.now_us = until,
            }
        }
    }

    fn activity(&self, name: &str) -> ActivitySid {
        let found = self.rows.values().find_map(|row| match row {
            RoutingRow::Activity(row) if row.friendly_name == name => Some(row.sid),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no activity {name}"))
    }

    fn queue(&self) -> TaskQueueSid {
        let mut rows = self.rows.values();
        rows.find_map(|row| if let RoutingRow::TaskQueue(row) = row { Some(row.sid) } else { None }).expect("a queue")
    }

    fn workflow(&self) -> WorkflowSid {
        let mut rows = self.rows.values();
        rows.find_map(|row| if let RoutingRow::Workflow(row) = row { Some(row.sid) } else { None }).expect("a workflow")
    }

    /// A worker who is there.
    fn worker(&mut self, name: &str, attributes: &str) -> WorkerSid {
        let (activity, attributes) = (Some(self.activity("Available")), Some(attributes.to_owned()));
        let new = NewWorker { friendly_name: name.to_owned(), activity, attributes };
        let RoutingRow::Worker(row) = self.row(WorkspaceOrder::CreateWorker(new)) else { panic!("a worker") };
        row.sid
    }

    fn task(&mut self, attributes: &str) -> TaskSid {
        let new = NewTask { attributes: Some(attributes.to_owned()), ..NewTask::default() };
        let RoutingRow::Task(row) = self.row(WorkspaceOrder::CreateTask(new)) else { panic!("a task") };
        row.sid
    }

    fn status(&self, task: TaskSid) -> Option<AssignmentStatus> {
        match self.rows.get(&task.to_string()) {
            Some(RoutingRow::Task(row)) => Some(row.assignment_status),
            _ => None,
        }
    }

    /// The reservation that was made last.
    fn reservation(&self) -> model::Reservation {
        let rows = self.rows.values().filter_map(|row| match row {
            RoutingRow::Reservation(row) => Some(row.clone()),
            _ => None,
        });
        rows.max_by_key(|row| row.seq).expect("a reservation")
    }

    fn update_reservation(&mut self, change: ReservationUpdate) -> Result<RoutingAnswer, RoutingRefusal> {
        let row = self.reservation();
        let of = ReservationOf::Task(row.task_sid);
        self.order(WorkspaceOrder::UpdateReservation { reservation: row.sid, of, if_match: None, change })
    }

    fn instruct(&mut self, instruction: Instruction) -> Result<RoutingAnswer, RoutingRefusal> {
        let row = self.reservation();
        let of = ReservationOf::Worker(row.worker_sid);
        self.order(WorkspaceOrder::Instruct { reservation: row.sid, of, if_match: None, instruction })
    }

    /// What has happened since this was last asked.
    fn told(&mut self) -> Vec<String> {
        self.events.drain(..).map(|event| event.event_type.to_string()).collect()
    }

    /// The same TaskRouter, as it is after a restart.
    fn restart(mut self) -> Self {
        self.turn(|workspaces, desk| workspaces.farewell(desk));
        self.crash()
    }

    /// As above, and the process has ended without a word.
    fn crash(self) -> Self {
        let routing = Routing::load(self.now(), 7, self.rows.values().cloned(), self.buckets.values().cloned());
        let mut after = Self { routing, follow_ups: Vec::new(), ..self };
        after.turn(|_, _| ());
        after
    }
}

fn workspace() -> NewWorkspace {
    NewWorkspace {
        friendly_name: "Support".to_owned(),
        event_callback_url: None,
        events_filter: None,
        multi_task_enabled: true,
        prioritize_queue_order: TaskOrder::Fifo,
        fifo: false,
    }
}

fn key_of(row: &RoutingRow) -> String {
    match row {
        RoutingRow::Workspace(row) => row.sid.to_string(),
        RoutingRow::Activity(row) => row.sid.to_string(),
        RoutingRow::TaskChannel(row) => row.sid.to_string(),
        RoutingRow::Worker(row) => row.sid.to_string(),
        RoutingRow::WorkerChannel(row) => row.sid.to_string(),
        RoutingRow::TaskQueue(row) => row.sid.to_string(),
        RoutingRow::Workflow(row) => row.sid.to_string(),
        RoutingRow::Task(row) => row.sid.to_string(),
        RoutingRow::Reservation(row) => row.sid.to_string(),
        RoutingRow::Transfer(row) => row.sid.to_string(),
    }
}

#[test]
fn a_new_workspace_has_what_belongs_in_one() {
    let centre = Centre::fifo();
    let mut rows: Vec<&RoutingRow> = centre.rows.values().collect();
    rows.sort_by_key(|row| match row {
        RoutingRow::Activity(row) => row.seq,
        RoutingRow::TaskChannel(row) => row.seq,
        RoutingRow::TaskQueue(row) => row.seq,
        RoutingRow::Workflow(row) => row.seq,
        _ => 0,
    });
    let names: Vec<&str> = rows
        .into_iter()
        .filter_map(|row| match row {
            RoutingRow::Activity(row) => Some(&*row.friendly_name),
            RoutingRow::TaskChannel(row) => Some(&row.unique_name),
            RoutingRow::TaskQueue(row) => Some(&row.friendly_name),
            RoutingRow::Workflow(row) => Some(&row.friendly_name),
            _ => None,
        })
        .collect();
    let want = ["Offline", "Available", "Unavailable", "default", "voice", "chat", "sms", "video"];
    assert_eq!(names[..8], want); // §2
    assert_eq!(names[8..], ["Sample Queue", "Default Fifo Workflow"]);
    let Some(RoutingRow::Workspace(row)) = centre.rows.get(&centre.workspace.to_string()) else { panic!("its row") };
    let offline = Some(centre.activity("Offline"));
    assert_eq!((row.default_activity_sid, row.timeout_activity_sid), (offline, offline));
    assert_eq!(centre.events[0].event_type.as_str(), "workspace.created");
    assert_eq!(centre.events.len(), 1 + 3 + 5 + 2);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut centre = Centre::fifo();
    let (queue, workflow) = (centre.queue(), centre.workflow());
    let (offline, available) = (centre.activity("Offline"), centre.activity("Available"));
    let worker = centre.worker("Ana", "{}");
    let waiting = {
        let new = NewTask { routing_target: Some(RoutingTarget::Queue(queue)), ..NewTask::default() };
        centre
            .order(WorkspaceOrder::UpdateWorker {
                worker,
                if_match: Some(0),
                change: WorkerUpdate { activity: Some(offline), ..WorkerUpdate::default() },
            })
            .expect("moves");
        let RoutingRow::Task(row) = centre.row(WorkspaceOrder::CreateTask(new)) else { panic!("a task") };
        row.sid
    };
    let version = |centre: &Centre| match centre.rows.get(&worker.to_string()) {
        Some(RoutingRow::Worker(row)) => row.version,
        _ => panic!("a worker"),
    };
    let before = version(&centre);
    let text = |text: &str| text.to_owned();
    let queue_named = |name: &str| NewTaskQueue {
        friendly_name: name.to_owned(),
        target_workers: None,
        max_reserved_workers: 1,
        task_order: TaskOrder::Fifo,
        reservation_activity: None,
        assignment_activity: None,
    };
    let named = |name: &str| NewWorker { friendly_name: name.to_owned(), activity: None, attributes: None };
    let workflow_of = |configuration: &str| NewWorkflow {
        friendly_name: "w".to_owned(),
        configuration: configuration.to_owned(),
        assignment_callback_url: None,
        fallback_assignment_callback_url: None,
        task_reservation_timeout: RESERVATION_TIMEOUT_DEFAULT,
    };
    let task = NewTask::default;
    use WorkspaceOrder as O;
    let invalid = |what: &str| RoutingRefusal::Invalid(what.to_owned());
    let nobody = ActivitySid::from_bits(9);
    let channel = |name: &str| TaskChannelRef::UniqueName(name.to_owned());
    for (case, order, want) in [
        // §2
        ("an activity's name", O::CreateActivity { friendly_name: text("Offline"), available: true }, {
            RoutingRefusal::Taken(text("Activity with name \"Offline\" exists already"))
        }),
        ("an activity there is not", O::DeleteActivity(nobody), RoutingRefusal::NotFound),
        ("the default activity", O::DeleteActivity(offline), invalid(&format!("{offline} is in use"))),
        (
            "a default activity that is none",
            { O::Update(WorkspaceUpdate { default_activity: Some(nobody), ..WorkspaceUpdate::default() }) },
            invalid(&format!("DefaultActivitySid {nobody} is not an activity of this workspace")),
        ),
        ("a channel that is built in", O::DeleteTaskChannel(channel("voice")), {
            invalid("TaskChannel voice is built in and cannot be deleted")
        }),
        (
            "a channel's name",
            {
                O::CreateTaskChannel {
                    friendly_name: text("x"),
                    unique_name: text("sms"),
                    channel_optimized_routing: false,
                }
            },
            RoutingRefusal::Taken(text("TaskChannel with name \"sms\" exists already")),
        ),
        (
            "another channel's SID for a name",
            {
                O::CreateTaskChannel {
                    friendly_name: text("x"),
                    unique_name: TaskChannelSid::from_bits(9).to_string(),
                    channel_optimized_routing: false,
                }
            },
            invalid("UniqueName must not be the SID of a task channel"),
        ),
        // §3
        ("a worker's name in other letters", O::CreateWorker(named("aNA")), {
            RoutingRefusal::Taken(text("Worker with name \"aNA\" exists already"))
        }),
        (
            "attributes that are no object",
            O::CreateWorker(NewWorker { attributes: Some(text("[]")), ..named("Ben") }),
            { invalid("Invalid Attributes: attributes are not a JSON object") },
        ),
        ("an activity that is none", O::CreateWorker(NewWorker { activity: Some(nobody), ..named("Ben") }), {
            invalid(&format!("ActivitySid {nobody} is not an activity of this workspace"))
        }),
        (
            "a version that was",
            O::DeleteWorker { worker, if_match: Some(before + 1) },
            RoutingRefusal::PreconditionFailed,
        ),
        (
            "too much capacity",
            { O::UpdateWorkerChannel { worker, channel: "voice".into(), capacity: Some(51), available: None } },
            invalid("Capacity must be between 0 and 50"),
        ),
        (
            "a channel the worker has not",
            { O::UpdateWorkerChannel { worker, channel: "fax".into(), capacity: None, available: None } },
            RoutingRefusal::NotFound,
        ),
        // §4
        ("a queue's name", O::CreateTaskQueue(queue_named("Sample Queue")), {
            RoutingRefusal::Taken(text("TaskQueue with name \"Sample Queue\" exists already"))
        }),
        ("nobody at once", O::CreateTaskQueue(NewTaskQueue { max_reserved_workers: 0, ..queue_named("q") }), {
            invalid("MaxReservedWorkers must be between 1 and 50")
        }),
        ("a queue in which a task waits", O::DeleteTaskQueue(queue), invalid(&format!("{queue} is in use"))),
        // §5
        ("a configuration that is none", O::CreateWorkflow(workflow_of("{}")), {
            invalid("Invalid Configuration: task_routing: an object is expected")
        }),
        (
            "no time for a reservation",
            { O::CreateWorkflow(NewWorkflow { task_reservation_timeout: Duration::ZERO, ..workflow_of("{}") }) },
            invalid("TaskReservationTimeout must be between 1 and 86400"),
        ),
        // §6
        ("a channel there is not", O::CreateTask(NewTask { channel: Some(channel("fax")), ..task() }), {
            invalid("TaskChannel fax is not in this workspace")
        }),
        (
            "later than now",
            {
                let virtual_start = Some(Timestamp::from_micros(START_US + 1));
                O::CreateTask(NewTask { virtual_start, ..task() })
            },
            invalid("VirtualStartTime may not be in the future"),
        ),
        (
            "too long a life",
            { O::CreateTask(NewTask { timeout: Some(Duration::from_secs(1_209_601)), ..task() }) },
            invalid("Timeout must be between 1 and 1209600"),
        ),
        (
            "to nobody",
            {
                let nobody = WorkerSid::from_bits(9);
                O::CreateTask(NewTask { routing_target: Some(RoutingTarget::Worker(nobody)), ..task() })
            },
            invalid("RoutingTarget WK00000000000000000000000000000009 is not in this workspace"),
        ),
        (
            "complete a task that waits",
            {
                let assignment_status = Some(AssignmentStatus::Completed);
                O::UpdateTask {
                    task: waiting,
                    if_match: None,
                    change: TaskUpdate { assignment_status, ..TaskUpdate::default() },
                }
            },
            invalid(&format!(
                "Cannot complete task {waiting} in state pending. Only tasks in state assigned or wrapping can be completed."
            )),
        ),
        (
            "wrap up a task that waits",
            {
                let assignment_status = Some(AssignmentStatus::Wrapping);
                O::UpdateTask {
                    task: waiting,
                    if_match: None,
                    change: TaskUpdate { assignment_status, ..TaskUpdate::default() },
                }
            },
            invalid(&format!("Cannot wrap up task {waiting} because it is not currently assigned.")),
        ),
        (
            "a task as it was",
            { O::UpdateTask { task: waiting, if_match: Some(9), change: TaskUpdate::default() } },
            RoutingRefusal::PreconditionFailed,
        ),
        (
            "a reservation there is not",
            {
                let (reservation, of) = (ReservationSid::from_bits(9), ReservationOf::Task(waiting));
                O::UpdateReservation { reservation, of, if_match: None, change: ReservationUpdate::Accepted }
            },
            RoutingRefusal::NotFound,
        ),
    ] {
        let rows = centre.rows.clone();
        assert_eq!(centre.order(order), Err(want), "{case}");
        assert_eq!(centre.rows, rows, "{case}: nothing has changed");
    }
    // §6: the status it has already is no change; with a second workflow, one has to be named.
    let change = TaskUpdate { assignment_status: Some(AssignmentStatus::Pending), ..TaskUpdate::default() };
    centre.order(O::UpdateTask { task: waiting, if_match: None, change }).expect("no change");
    let Some(RoutingRow::Workflow(row)) = centre.rows.get(&workflow.to_string()).cloned() else { panic!("a workflow") };
    centre.order(O::CreateWorkflow(workflow_of(&row.configuration))).expect("a second workflow");
    assert_eq!(centre.order(O::CreateTask(task())), Err(RoutingRefusal::Missing("WorkflowSid")));
    // Somebody else's workspace is nobody's.
    let order = RoutingOrder::In { workspace: centre.workspace, order: O::DeleteActivity(available) };
    let stranger = AccountSid::from_bits(2);
    let command = RoutingCommand { account: stranger, actor: EventActor::Account(stranger), order };
    let refused = centre.turn(|workspaces, desk| workspaces.command(command, desk));
    assert_eq!(refused, Err(RoutingRefusal::NotFound));
}

#[test]
fn a_tasks_life_is_told_in_the_contracts_order() {
    let mut centre = Centre::fifo();
    let (ana, ben) = (centre.worker("Ana", "{}"), centre.worker("Ben", "{}"));
    let change = TaskQueueUpdate { max_reserved_workers: Some(2), ..TaskQueueUpdate::default() };
    centre.order(WorkspaceOrder::UpdateTaskQueue { queue: centre.queue(), change }).expect("changes");
    centre.told();
    let task = centre.task(r#"{"a":1}"#);
    // §12.2
    let want = [
        "workflow.entered",
        "task-queue.entered",
        "task.created",
        "workflow.target-matched",
        "reservation.created",
        "reservation.created",
    ];
    assert_eq!(centre.told(), want);
    assert_eq!(centre.status(task), Some(AssignmentStatus::Reserved));
    centre.update_reservation(ReservationUpdate::Accepted).expect("accepts");
    assert_eq!(centre.told(), ["reservation.accepted", "reservation.rescinded"]);
    let taken = centre.rows.values().find_map(|row| match row {
        RoutingRow::Reservation(row) if row.reservation_status == ReservationStatus::Accepted => Some(row.clone()),
        _ => None,
    });
    let taken = taken.expect("one has it");
    assert!([ana, ben].contains(&taken.worker_sid));
    let change = |assignment_status| WorkspaceOrder::UpdateTask {
        task,
        if_match: None,
        change: TaskUpdate {
            assignment_status: Some(assignment_status),
            reason: Some("sold".to_owned()),
            ..TaskUpdate::default()
        },
    };
    centre.order(change(AssignmentStatus::Wrapping)).expect("wraps up");
    assert_eq!(centre.told(), ["reservation.wrapup", "task.wrapup"]);
    centre.order(change(AssignmentStatus::Completed)).expect("completes");
    let completed = Arc::clone(centre.events.last().expect("an event"));
    assert_eq!(centre.told(), ["reservation.completed", "task.completed"]);
    let member = |name: &str| completed.data.iter().find(|(member, _)| member == name).map(|(_, value)| &**value);
    for (name, want) in [
        ("task_attributes", Some(r#"{"a":1}"#)),
        ("task_assignment_status", Some("completed")),
        ("task_completed_reason", Some("sold")),
        ("task_canceled_reason", None),
        ("task_channel_unique_name", Some("default")),
        ("workspace_name", Some("Support")),
        ("task_queue_name", Some("Sample Queue")),
        ("workflow_name", Some("Default Fifo Workflow")),
        ("workflow_filter_name", Some("default_filter")),
    ] {
        assert_eq!(member(name), want, "{name}"); // §12.1
    }
    assert_eq!(completed.actor, EventActor::Account(ACCOUNT));
    centre.run_for(Duration::from_secs(5 * 60));
    assert_eq!(centre.told(), ["task.deleted"]);
    let left = centre.rows.values().filter(|row| matches!(row, RoutingRow::Task(_) | RoutingRow::Reservation(_)));
    assert_eq!(left.count(), 0);
    let Routing { index, .. } = &centre.routing;
    assert!(index.tasks.is_empty() && index.reservations.is_empty(), "nothing is left behind");
}

#[test]
fn an_application_is_told_what_it_wants_to_hear_in_order() {
    let url = || Some("https://app.example.test/events".to_owned());
    let mut centre = Centre::new(NewWorkspace { event_callback_url: url(), fifo: true, ..workspace() });
    assert_eq!(centre.callbacks.len(), centre.events.len(), "no filter, everything");
    let filter = "task.created, reservation.created,worker.activity.update".to_owned();
    let change = WorkspaceUpdate { events_filter: Some(Some(filter)), ..WorkspaceUpdate::default() };
    centre.order(WorkspaceOrder::Update(change)).expect("changes");
    centre.callbacks.clear();
    let worker = centre.worker("Ana", "{}");
    let task = centre.task("{}");
    let offline = Some(centre.activity("Offline"));
    let change = WorkerUpdate { activity: offline, ..WorkerUpdate::default() };
    centre.order(WorkspaceOrder::UpdateWorker { worker, if_match: None, change }).expect("moves");
    let lanes: Vec<Lane> = centre.callbacks.iter().map(|callback| callback.lane).collect();
    assert_eq!(lanes, [Lane::Task(task), Lane::Task(task), Lane::Worker(worker)]);
    let seqs: Vec<i64> = centre.callbacks.iter().map(|callback| callback.seq).collect();
    assert!(seqs.is_sorted());
}

/// A workspace with a worker who is offered a caller's task, and an application to ask.
fn with_offer(task: &str, worker: &str) -> Centre {
    let mut centre = Centre::fifo();
    let change = WorkflowUpdate {
        assignment_callback_url: Some(Some("https://app.example.test/assign".to_owned())),
        ..WorkflowUpdate::default()
    };
    centre.order(WorkspaceOrder::UpdateWorkflow { workflow: centre.workflow(), change }).expect("changes");
    centre.worker("Ana", worker);
    centre.task(task);
    centre
}

fn leg(from: Option<&str>) -> WorkerLeg {
    WorkerLeg {
        to: None,
        from: from.map(str::to_owned),
        ring_timeout: RING_TIMEOUT,
        status: twiml::CallCallback::default(),
        credentials: None,
        record: None,
    }
}

fn dequeue(from: Option<&str>, post_work_activity: Option<ActivitySid>) -> Instruction {
    Instruction::Dequeue(Box::new(Dequeue { leg: leg(from), post_work_activity }))
}

fn call(from: Option<&str>) -> Instruction {
    let url = twiml::Link { url: "https://app.example.test/agent".to_owned(), method: HttpMethod::Post };
    Instruction::Call(Box::new(CallWorker { leg: leg(from), url, accept: true }))
}

fn supervise(supervisor: &str) -> Instruction {
    Instruction::Supervise(Supervise { supervisor: supervisor.to_owned(), mode: SupervisorMode::Monitor })
}

#[test]
fn an_instruction_is_carried_out_if_all_is_there_that_it_needs() {
    const CALLER: &str =
        r#"{"call_sid":"CA00000000000000000000000000000001","to":"+15005550006","from":"+15005550001"}"#;
    const PHONE: &str = r#"{"contact_uri":"client:ana"}"#;
    let nobody = Some(ActivitySid::from_bits(9));
    for (case, task, worker, instruction, want) in [
        ("dequeue", CALLER, PHONE, dequeue(None, None), None),
        ("dequeue, and then something there is not", CALLER, PHONE, dequeue(None, nobody), Some(40_130)),
        ("dequeue nobody", "{}", PHONE, dequeue(Some("+1"), None), Some(40_140)),
        ("dequeue to a worker without a phone", CALLER, "{}", dequeue(None, None), Some(40_131)),
        ("dequeue from nowhere", r#"{"call_sid":"CA1"}"#, PHONE, dequeue(None, None), Some(40_132)),
        ("call", "{}", PHONE, call(Some("+1")), None),
        ("call from nowhere", CALLER, PHONE, call(None), Some(40_111)),
        ("call a worker without a phone", CALLER, "{}", call(Some("+1")), Some(40_110)),
        ("supervise before it is accepted", CALLER, PHONE, supervise("client:boss"), Some(40_146)),
        ("reject to an activity there is not", "{}", "{}", Instruction::Reject { activity: nobody }, Some(40_100)),
    ] {
        let mut centre = with_offer(task, worker);
        let got = centre.instruct(instruction.clone());
        let code = got.as_ref().err().map(|refusal| match refusal {
            RoutingRefusal::Coded { code, .. } => *code,
            other => panic!("{case}: {other}"),
        });
        assert_eq!(code, want, "{case}: {got:?}");
        let carried: Vec<_> = centre.follow_ups.drain(..).collect();
        match (want, carried.as_slice()) {
            (Some(_), []) => {}
            (None, [FollowUp::CarryOut { instruction: got, .. }]) => {
                assert_eq!(**got, instruction, "{case}");
                assert_eq!(centre.reservation().reservation_status, ReservationStatus::Pending, "{case}");
                let again = centre.instruct(instruction);
                assert!(matches!(again, Err(RoutingRefusal::Coded { .. })), "{case}: twice");
            }
            other => panic!("{case}: {other:?}"),
        }
    }
    const IN_ROOM: &str = r#"{"from":"+15005550001","conference_sid":"CF00000000000000000000000000000001"}"#;
    const FROM_NOWHERE: &str = r#"{"from":" ","conference_sid":"CF00000000000000000000000000000001"}"#;
    for (case, task, worker, instruction, want) in [
        ("dequeue", CALLER, PHONE, dequeue(None, None), Some(40_135)),
        ("call", CALLER, PHONE, call(Some("+1")), Some(40_114)),
        ("supervise", IN_ROOM, PHONE, supervise("client:boss"), None),
        ("supervise without a conference", CALLER, PHONE, supervise("client:boss"), Some(40_146)),
        ("supervise from nowhere", FROM_NOWHERE, PHONE, supervise("client:boss"), Some(40_148)),
        ("no supervisor", IN_ROOM, PHONE, supervise("  "), Some(40_147)),
        ("no address", IN_ROOM, PHONE, supervise("!!"), Some(40_147)),
        ("no number", IN_ROOM, PHONE, supervise("+1"), Some(40_147)),
        ("no such worker", IN_ROOM, PHONE, supervise("WK00000000000000000000000000000009"), Some(40_147)),
        ("a worker", IN_ROOM, PHONE, supervise("WORKER"), None),
        ("a worker without a phone", IN_ROOM, "{}", supervise("WORKER"), Some(40_147)),
        ("a worker whose phone is none", IN_ROOM, r#"{"contact_uri":"!!"}"#, supervise("WORKER"), Some(40_147)),
    ] {
        let mut centre = with_offer(task, worker);
        centre.update_reservation(ReservationUpdate::Accepted).expect("accepts");
        let instruction = match instruction {
            Instruction::Supervise(Supervise { supervisor, .. }) if supervisor == "WORKER" => {
                supervise(&centre.reservation().worker_sid.to_string())
            }
            other => other,
        };
        let code = match centre.instruct(instruction) {
            Err(RoutingRefusal::Coded { code, .. }) => Some(code),
            Err(other) => panic!("{case}: {other}"),
            Ok(_) => None,
        };
        assert_eq!(code, want, "after it is accepted: {case}");
    }
}

/// An exchange of which nothing matters.
fn answered() -> Arc<Exchange> {
    Arc::new(Exchange {
        method: HttpMethod::Post,
        url: String::new(),
        parameters: String::new(),
        status: Some(200),
        headers: String::new(),
        content_type: String::new(),
        body: String::new(),
        duration: Duration::ZERO,
    })
}

#[test]
fn what_an_application_answers_is_done_or_logged() {
    let exchange = answered();
    let failed = AskFailed { code: 11_205, message: "nobody there".to_owned(), url: String::new(), status: None };
    for (case, outcome, status, logged) in [
        ("accept", Ok(Some(Instruction::Accept)), ReservationStatus::Accepted, None),
        ("reject", Ok(Some(Instruction::Reject { activity: None })), ReservationStatus::Rejected, None),
        ("nothing", Ok(None), ReservationStatus::Pending, None),
        ("what cannot be done", Ok(Some(call(None))), ReservationStatus::Pending, Some(40_110)),
        ("no answer", Err(failed), ReservationStatus::Pending, Some(11_205)),
    ] {
        let mut centre = with_offer("{}", "{}");
        let [asked] = centre.assignments.as_slice() else { panic!("one question") };
        let offered = centre.reservation();
        assert_eq!((asked.reservation, asked.worker, asked.task), (offered.sid, offered.worker_sid, offered.task_sid));
        assert_eq!((&*asked.url, &asked.fallback_url), ("https://app.example.test/assign", &None));
        let id = asked.id;
        // Who rejects without going away is asked again at once.
        let reservation = offered.sid;
        centre.turn(|workspaces, desk| workspaces.assigned(id, outcome, Vec::new(), &exchange, desk));
        let Some(RoutingRow::Reservation(row)) = centre.rows.get(&reservation.to_string()) else { panic!("its row") };
        assert_eq!(row.reservation_status, status, "{case}");
        assert_eq!(centre.notifications, Vec::from_iter(logged), "{case}");
        // Told twice, or too late, nothing happens.
        let rows = centre.rows.clone();
        let accept = Ok(Some(Instruction::Accept));
        centre.turn(|workspaces, desk| workspaces.assigned(id, accept, Vec::new(), &exchange, desk));
        assert_eq!(centre.rows, rows, "{case}");
    }
}

/// A caller's task in a workspace without workers.
fn with_caller() -> (Centre, TaskSid) {
    let mut centre = Centre::fifo();
    let new = NewCallTask {
        account: ACCOUNT,
        workflow: centre.workflow(),
        call: CallSid::from_bits(1),
        document: Some(r#"{"language":"en"}"#.to_owned()),
        fields: vec![("call_sid", CallSid::from_bits(1).to_string()), ("from", "+15005550001".to_owned())],
        priority: 0,
        timeout: Duration::from_secs(60),
    };
    let now = centre.now();
    let Centre { routing, names, .. } = &mut centre;
    let task = routing.create_task_for_call(now, names, new).expect("a task");
    centre.turn(|_, _| ());
    (centre, task)
}

#[test]
fn a_caller_and_its_task_end_together() {
    let cancel = |task| WorkspaceOrder::UpdateTask {
        task,
        if_match: None,
        change: TaskUpdate {
            assignment_status: Some(AssignmentStatus::Canceled),
            reason: Some("closed".to_owned()),
            ..TaskUpdate::default()
        },
    };
    for (case, act, reason, told) in [
        ("it is canceled", 'c', Some("closed"), true),
        ("its time is up", 't', Some("Task TTL Exceeded"), true),
        ("it is deleted", 'd', None, true),
        ("the caller hangs up", 'h', Some("hangup"), false),
        ("the process ends", 'r', Some("hangup"), false),
    ] {
        let (mut centre, task) = with_caller();
        let Some(RoutingRow::Task(row)) = centre.rows.get(&task.to_string()) else { panic!("its row") };
        assert_eq!(row.call_sid, Some(CallSid::from_bits(1)));
        assert_eq!(
            row.attributes,
            r#"{"language":"en","call_sid":"CA00000000000000000000000000000001","from":"+15005550001"}"#
        );
        match act {
            'c' => drop(centre.order(cancel(task)).expect("cancels")),
            't' => centre.run_for(Duration::from_secs(61)),
            'd' => drop(centre.order(WorkspaceOrder::DeleteTask { task, if_match: None }).expect("deletes")),
            'h' => {
                let now = centre.now();
                centre.routing.caller_gone(now, task, QueueResult::Hangup).expect("is canceled");
                centre.turn(|_, _| ());
            }
            _ => centre = centre.restart(),
        }
        let after = match centre.rows.get(&task.to_string()) {
            Some(RoutingRow::Task(row)) => {
                assert_eq!(row.assignment_status, AssignmentStatus::Canceled, "{case}");
                row.reason.as_deref()
            }
            _ => None,
        };
        assert_eq!(after, reason, "{case}");
        let is_told = matches!(centre.follow_ups.as_slice(), [FollowUp::TaskEnded { task: got, .. }] if *got == task);
        assert_eq!((is_told, centre.follow_ups.len()), (told, usize::from(told)), "{case}");
    }
}

#[test]
fn work_that_was_done_on_a_call_is_over_with_it() {
    use model::WorkEnd::{Complete, Nothing, Wrap};
    for (case, multi_task_enabled, restart, end, ended_before, want) in [
        ("several tasks at once", true, false, Wrap, false, AssignmentStatus::Wrapping),
        ("one at a time", false, false, Wrap, false, AssignmentStatus::Completed),
        ("after a restart", true, true, Wrap, false, AssignmentStatus::Wrapping),
        ("completed before, by the application", true, false, Wrap, true, AssignmentStatus::Completed),
        ("dequeued, after a restart", true, true, Complete, false, AssignmentStatus::Completed),
        ("called, after a restart", true, true, Nothing, false, AssignmentStatus::Assigned),
    ] {
        let mut centre = Centre::new(NewWorkspace { multi_task_enabled, fifo: true, ..workspace() });
        let worker = centre.worker("Ana", r#"{"contact_uri":"client:ana"}"#);
        let task = centre.task("{}");
        centre.instruct(call(Some("+1"))).expect("is carried out");
        let (now, reservation) = (centre.now(), centre.reservation().sid);
        let after = Some(centre.activity("Unavailable"));
        centre.routing.carried(reservation, CallSid::from_bits(2), after, end);
        centre.routing.accept(now, reservation).expect("accepts");
        centre.turn(|_, _| ());
        if ended_before {
            centre.update_reservation(ReservationUpdate::Completed).expect("completes");
        }
        if restart {
            centre = centre.restart();
        } else {
            assert_eq!(centre.routing.work_over(now, reservation).is_err(), ended_before, "{case}");
            centre.turn(|_, _| ());
        }
        assert_eq!(centre.status(task), Some(want), "{case}");
        let Some(RoutingRow::Reservation(row)) = centre.rows.get(&reservation.to_string()) else { panic!("its row") };
        assert_eq!((row.worker_call_sid, row.post_work_activity_sid), (None, None), "{case}: it is over once");
        let Some(RoutingRow::Worker(row)) = centre.rows.get(&worker.to_string()) else { panic!("a worker") };
        assert_eq!(row.activity_sid, centre.activity("Unavailable"), "{case}");
        if want == AssignmentStatus::Completed {
            let change = TaskUpdate { assignment_status: Some(AssignmentStatus::Wrapping), ..TaskUpdate::default() };
            let wrapped = centre.order(WorkspaceOrder::UpdateTask { task, if_match: None, change });
            assert_eq!(wrapped.is_ok(), !multi_task_enabled, "{case}: its application wraps it up, too");
            assert_eq!(centre.status(task), Some(want), "{case}");
        }
    }
}

#[test]
fn a_caller_who_was_being_handed_over_is_gone_after_a_restart_and_its_worker_wraps_up() {
    for (case, mode, to_queue, want) in [
        ("to a queue", TransferMode::Warm, true, AssignmentStatus::Wrapping),
        ("to a queue, and the worker has left", TransferMode::Cold, true, AssignmentStatus::Wrapping),
        ("to a worker", TransferMode::Warm, false, AssignmentStatus::Wrapping),
    ] {
        let (mut centre, task) = with_caller();
        let ana = centre.worker("Ana", r#"{"contact_uri":"client:ana"}"#);
        let (now, own) = (centre.now(), centre.reservation().sid);
        centre.routing.carried(own, CallSid::from_bits(2), None, model::WorkEnd::Wrap);
        centre.routing.accept(now, own).expect("accepts");
        let ben = centre.worker("Ben", "{}");
        let to = if to_queue { TransferTarget::Queue(centre.queue()) } else { TransferTarget::Worker(ben) };
        let (priority, attributes) = (None, None);
        let order =
            WorkspaceOrder::CreateTransfer { worker: ana, task, reservation: own, to, mode, priority, attributes };
        let RoutingRow::Transfer(transfer) = centre.row(order) else { panic!("a transfer") };
        if mode == TransferMode::Cold {
            centre.routing.work_over(now, own).expect("its leg is gone");
            centre.turn(|_, _| ());
        }
        let offered = centre.reservation();
        assert_eq!((offered.worker_sid, offered.reservation_status), (ben, ReservationStatus::Pending), "{case}");
        let mut centre = centre.restart();
        centre.run_for(Duration::from_secs(200));
        assert_eq!(centre.status(task), Some(want), "{case}");
        let status = |sid: String| match centre.rows.get(&sid) {
            Some(RoutingRow::Reservation(row)) => row.reservation_status.to_string(),
            Some(RoutingRow::Transfer(row)) => row.transfer_status.to_string(),
            Some(RoutingRow::Worker(row)) => {
                let is_there = row.activity_sid == centre.activity("Available");
                if is_there { "available" } else { "away" }.to_owned()
            }
            other => panic!("{case}: {other:?}"),
        };
        let after = [own.to_string(), offered.sid.to_string(), transfer.sid.to_string(), ben.to_string()].map(status);
        assert_eq!(after, ["wrapping", "canceled", "canceled", "available"], "{case}");
    }
}

#[test]
fn what_follows_the_work_follows_though_its_task_is_deleted() {
    let mut centre = Centre::fifo();
    let worker = centre.worker("Ana", r#"{"contact_uri":"client:ana"}"#);
    let task = centre.task("{}");
    centre.instruct(call(Some("+1"))).expect("is carried out");
    let (now, reservation) = (centre.now(), centre.reservation().sid);
    let after = centre.activity("Unavailable");
    centre.routing.carried(reservation, CallSid::from_bits(2), Some(after), model::WorkEnd::Wrap);
    centre.routing.accept(now, reservation).expect("accepts");
    centre.order(WorkspaceOrder::DeleteTask { task, if_match: None }).expect("a task may always be deleted");
    let activity = |centre: &Centre| match centre.rows.get(&worker.to_string()) {
        Some(RoutingRow::Worker(row)) => row.activity_sid,
        _ => panic!("a worker"),
    };
    assert_ne!(activity(&centre), after, "they still talk");
    assert_eq!(centre.routing.work_over(now, reservation), Ok(()));
    centre.turn(|_, _| ());
    assert_eq!(activity(&centre), after);
    assert!(centre.routing.index.reservations.is_empty(), "nothing is left behind");
    assert_eq!(centre.routing.work_over(now, reservation), Err(RoutingRefusal::NotFound));
}

#[test]
fn what_we_add_to_attributes_is_no_reason_to_lose_them() {
    let mut centre = Centre::fifo();
    let attributes = format!("{{\"a\":\"{}\"}}", "x".repeat(taskrouter::ATTRIBUTES_MAX - 8));
    let task = centre.task(&attributes);
    let now = centre.now();
    centre.routing.enrich(now, task, &[(&["conference", "sid"], "CF1")]).expect("they are ours");
    centre.turn(|_, _| ());
    let mut centre = centre.restart();
    centre.turn(|_, _| ());
    let kept = centre.routing.task(task).expect("it is still there").attributes.clone();
    assert_eq!(kept.text(&["conference", "sid"]), Some("CF1"));
    let change = TaskUpdate { attributes: Some(kept.as_str().to_owned()), ..TaskUpdate::default() };
    let refused = centre.order(WorkspaceOrder::UpdateTask { task, if_match: None, change });
    assert!(matches!(refused, Err(RoutingRefusal::Invalid(_))), "{refused:?}"); // §9
}

#[test]
fn an_offer_that_somebody_else_ends_is_called_off() {
    let mut centre = with_offer("{}", r#"{"contact_uri":"client:ana"}"#);
    centre.instruct(call(Some("+1"))).expect("is carried out");
    let reservation = centre.reservation().sid;
    centre.follow_ups.clear();
    // The workflow's 120 seconds are over before the phone is answered: the worker goes offline.
    centre.run_for(Duration::from_secs(121));
    assert!(matches!(centre.follow_ups.as_slice(), [FollowUp::OfferOver(sid)] if *sid == reservation));
    // What the board itself says is not told to it.
    let mut centre = with_offer("{}", r#"{"contact_uri":"client:ana"}"#);
    centre.instruct(call(Some("+1"))).expect("is carried out");
    centre.follow_ups.clear();
    let (now, reservation) = (centre.now(), centre.reservation().sid);
    centre.routing.fail(now, reservation, 13_224).expect("fails");
    centre.turn(|_, _| ());
    assert_eq!(centre.follow_ups.len(), 0);
    let Some(RoutingRow::Reservation(row)) = centre.rows.get(&reservation.to_string()) else { panic!("its row") };
    assert_eq!((row.reservation_status, row.canceled_reason_code), (ReservationStatus::Canceled, Some(13_224)));
    // Five seconds later the worker is asked again (§7.1).
    let asked = centre.assignments.len();
    centre.run_for(Duration::from_secs(4));
    assert_eq!(centre.assignments.len(), asked);
    centre.run_for(Duration::from_secs(2));
    assert_eq!(centre.assignments.len(), asked + 1);
}

#[test]
fn an_account_that_may_not_act_waits_with_its_tasks() {
    let mut centre = Centre::fifo();
    centre.directory.set_account_status(ACCOUNT, AccountStatus::Suspended);
    let task = centre.task("{}");
    centre.worker("Ana", "{}");
    centre.run_for(Duration::from_secs(90_000));
    assert_eq!(centre.status(task), Some(AssignmentStatus::Pending), "nobody is asked, no time runs out");
    assert_eq!(centre.routing.next_deadline(), None);
    centre.directory.set_account_status(ACCOUNT, AccountStatus::Active);
    centre.turn(|workspaces, _| workspaces.account_changed(ACCOUNT));
    assert_eq!(centre.status(task), Some(AssignmentStatus::Canceled), "a day has passed");
    let task = centre.task("{}");
    assert_eq!(centre.status(task), Some(AssignmentStatus::Reserved));
}

#[test]
fn a_turn_has_its_bounds_and_what_is_left_is_done_at_once() {
    let mut centre = Centre::fifo();
    let queue = centre.queue();
    let nobody = TaskQueueUpdate { target_workers: Some(String::new()), ..TaskQueueUpdate::default() };
    centre.order(WorkspaceOrder::UpdateTaskQueue { queue, change: nobody }).expect("changes");
    for number in 0..150 {
        centre.worker(&format!("worker {number}"), "{}");
        centre.task("{}");
    }
    let everybody = TaskQueueUpdate { target_workers: Some("1==1".to_owned()), ..TaskQueueUpdate::default() };
    centre.order(WorkspaceOrder::UpdateTaskQueue { queue, change: everybody }).expect("changes");
    let reserved = |centre: &Centre| {
        let rows = centre.rows.values();
        rows.filter(|row| matches!(row, RoutingRow::Reservation(_))).count()
    };
    let at_first = reserved(&centre);
    assert!(at_first < 150, "{at_first} in one turn");
    let mut turns = 1;
    while centre.routing.next_deadline().is_some_and(|at| at <= centre.started) {
        turns += 1;
        assert!(turns < 1_000, "it comes to an end");
        centre.turn(|_, _| ());
    }
    assert_eq!(reserved(&centre), 150);
    assert!(turns > 2, "{turns}");
}

#[test]
fn what_nobody_asks_for_waits_while_the_store_is_behind() {
    let mut centre = Centre::fifo();
    centre.worker("ana", "{}");
    centre.run_for(Duration::ZERO);
    centre.routing.workspaces.saves_waiting(SAVES_AHEAD_MAX + 1);
    let task = centre.task("{}");
    assert_eq!(centre.status(task), Some(AssignmentStatus::Pending), "it is taken, and not decided on");
    assert_eq!(centre.routing.next_deadline(), Some(centre.started + CATCH_UP), "and that soon");
    centre.turn(|_, _| ());
    assert_eq!(centre.status(task), Some(AssignmentStatus::Pending));
    centre.routing.workspaces.saves_waiting(SAVES_AHEAD_MAX);
    centre.turn(|_, _| ());
    assert_eq!(centre.status(task), Some(AssignmentStatus::Reserved));
}

#[test]
fn tasks_that_are_to_begin_anew_do_so_after_a_crash_and_others_stay_where_they_are() {
    for re_evaluate_tasks in [false, true] {
        let mut centre = Centre::fifo();
        let (first, workflow) = (centre.queue(), centre.workflow());
        let new = NewTaskQueue {
            friendly_name: "Second".to_owned(),
            target_workers: None,
            max_reserved_workers: 1,
            task_order: TaskOrder::Fifo,
            reservation_activity: None,
            assignment_activity: None,
        };
        let RoutingRow::TaskQueue(second) = centre.row(WorkspaceOrder::CreateTaskQueue(new)) else { panic!("a queue") };
        let tasks: Vec<TaskSid> = (0..300).map(|_| centre.task("{}")).collect();
        let configuration =
            format!(r#"{{"task_routing":{{"filters":[],"default_filter":{{"queue":"{}"}}}}}}"#, second.sid);
        let change = WorkflowUpdate { configuration: Some(configuration), re_evaluate_tasks, ..Default::default() };
        centre.order(WorkspaceOrder::UpdateWorkflow { workflow, change }).expect("changes");
        let in_second = |centre: &Centre| {
            let queue = |task: &TaskSid| match &centre.rows[&task.to_string()] {
                RoutingRow::Task(row) => row.task_queue_sid,
                other => panic!("{other:?}"),
            };
            tasks.iter().filter(|task| queue(task) == Some(second.sid)).count()
        };
        assert!(in_second(&centre) < 300, "it is not done at once");
        let mut centre = centre.crash();
        centre.run_for(Duration::from_secs(1));
        assert_eq!(in_second(&centre), if re_evaluate_tasks { 300 } else { 0 });
        // They wait in line for whoever comes, the oldest first.
        centre.worker("Ana", "{}");
        centre.run_for(Duration::from_secs(1));
        let offer = centre.reservation();
        assert_eq!(Some(&offer.task_sid), tasks.iter().min(), "of the same age");
        let queue = |row: &RoutingRow| matches!(row, RoutingRow::Task(row) if row.task_queue_sid == Some(first));
        assert_eq!(centre.rows.values().filter(|row| queue(row)).count(), if re_evaluate_tasks { 0 } else { 300 });
    }
}

#[test]
fn an_application_that_may_not_have_answered_is_asked_again_after_a_crash() {
    let from = Some("+1");
    for (case, act, elapsed, want) in [
        ("the question is under way", 'q', 10, 1),
        ("it has said that it will act itself", 'n', 10, 1),
        ("the worker's phone rings", 'i', 10, 1),
        ("the worker has accepted", 'a', 10, 0),
        ("its time is over meanwhile", 'q', 121, 0),
        ("its workflow asks nobody any more", 'u', 10, 0),
    ] {
        let mut centre = with_offer("{}", r#"{"contact_uri":"client:ana"}"#);
        let asked = std::mem::take(&mut centre.assignments).remove(0);
        let reservation = centre.reservation();
        match act {
            'n' => {
                let exchange = answered();
                centre.turn(|workspaces, desk| workspaces.assigned(asked.id, Ok(None), Vec::new(), &exchange, desk));
            }
            'i' => drop(centre.instruct(call(from)).expect("is carried out")),
            'a' => drop(centre.update_reservation(ReservationUpdate::Accepted).expect("accepts")),
            'u' => {
                let change = WorkflowUpdate { assignment_callback_url: Some(None), ..WorkflowUpdate::default() };
                centre.order(WorkspaceOrder::UpdateWorkflow { workflow: centre.workflow(), change }).expect("changes");
            }
            _ => {}
        }
        centre.now_us += elapsed * 1_000_000;
        let mut centre = centre.crash();
        let again: Vec<_> = centre.assignments.iter().map(|again| (again.reservation, again.task_age)).collect();
        assert_eq!(again, vec![(reservation.sid, Duration::from_secs(10)); want], "{case}");
        let is_pending = |centre: &Centre| centre.reservation().reservation_status == ReservationStatus::Pending;
        assert_eq!(is_pending(&centre), elapsed < 120 && act != 'a', "{case}");
        if want == 0 {
            continue;
        }
        // There is as much time for the answer as was left, …
        assert_eq!(centre.reservation().times_out, reservation.times_out, "{case}");
        // … and what is answered is done once.
        centre.instruct(call(from)).expect("is carried out");
        let exchange = answered();
        let (id, answer) = (centre.assignments[0].id, Ok(Some(call(from))));
        centre.turn(|workspaces, desk| workspaces.assigned(id, answer, Vec::new(), &exchange, desk));
        let carried = centre.follow_ups.iter().filter(|up| matches!(up, FollowUp::CarryOut { .. })).count();
        assert_eq!((carried, centre.notifications.pop()), (1, Some(40_114)), "{case}");
    }
}

#[test]
fn a_task_is_transferred_and_both_sides_are_told() {
    let mut centre = Centre::fifo();
    let ana = centre.worker("Ana", "{}");
    let task = centre.task("{}");
    centre.update_reservation(ReservationUpdate::Accepted).expect("accepts");
    let first = centre.reservation();
    let ben = centre.worker("Ben", "{}");
    centre.told();
    let transfer = |worker, to| WorkspaceOrder::CreateTransfer {
        worker,
        task,
        reservation: first.sid,
        to,
        mode: TransferMode::Warm,
        priority: None,
        attributes: None,
    };
    let nobody = TransferTarget::Worker(WorkerSid::from_bits(9));
    assert!(matches!(centre.order(transfer(ana, nobody)), Err(RoutingRefusal::Invalid(_))));
    let to_ben = TransferTarget::Worker(ben);
    assert_eq!(centre.order(transfer(ben, to_ben)), Err(RoutingRefusal::NotFound), "not Ben's to give");
    let RoutingRow::Transfer(row) = centre.row(transfer(ana, to_ben)) else { panic!("a transfer") };
    assert_eq!((row.transfer_status, row.initiating_worker_sid), (TransferStatus::Initiated, ana));
    let told = centre.told();
    assert_eq!(told.first().map(String::as_str), Some("task.transfer-initiated"), "{told:?}");
    let offered = centre.reservation();
    assert_eq!((offered.worker_sid, offered.transfer_sid), (ben, Some(row.sid)));
    let redirect = Redirect {
        call: CallSid::from_bits(1),
        url: twiml::Link { url: "https://app.example.test/now".to_owned(), method: HttpMethod::Post },
        accept: true,
    };
    let refused = centre.instruct(Instruction::Redirect(Box::new(redirect)));
    assert!(matches!(refused, Err(RoutingRefusal::Coded { code: 40_151, .. })), "{refused:?}"); // §15
    centre = centre.restart();
    centre.update_reservation(ReservationUpdate::Accepted).expect("accepts");
    let Some(RoutingRow::Transfer(row)) = centre.rows.get(&row.sid.to_string()) else { panic!("its row") };
    assert_eq!(row.transfer_status, TransferStatus::Complete);
    assert_eq!(centre.status(task), Some(AssignmentStatus::Assigned));
}

#[test]
fn what_happened_is_measured_also_after_a_crash() {
    let mut centre = Centre::fifo();
    let begun = centre.now();
    centre.worker("Ana", "{}");
    centre.task("{}");
    centre.run_for(Duration::from_secs(5));
    centre.update_reservation(ReservationUpdate::Accepted).expect("accepts");
    centre.task("{}");
    let figures = |centre: &mut Centre| {
        let queue = centre.queue();
        let order = StatisticsOrder {
            scopes: vec![taskrouter::Scope::Workspace, taskrouter::Scope::Queue(queue)],
            channel: Some("default".into()),
            real_time: true,
            cumulative: Some((begun, centre.now())),
            waits: false,
        };
        let answer = centre.order(WorkspaceOrder::Statistics(order)).expect("is measured");
        let RoutingAnswer::Statistics(measured) = answer else { panic!("figures") };
        let tell = |measured: Statistics| {
            let (now, figures) = measured.real_time.zip(measured.cumulative).expect("was asked");
            (now.tasks.total(), now.available_workers, figures.figures.until_accepted)
        };
        measured.into_iter().map(tell).collect::<Vec<_>>()
    };
    let before = figures(&mut centre);
    assert_eq!(before.iter().map(|(tasks, workers, _)| (*tasks, *workers)).collect::<Vec<_>>(), [(2, 1), (2, 1)]);
    assert_eq!(before[0].2.avg(), Duration::from_secs(5));
    let mut after = centre.crash();
    assert_eq!(figures(&mut after), before);
}

/// Something that may be asked, with small numbers in the place of names.
#[derive(Debug, Clone)]
enum Step {
    Worker { activity: u8, level: u8 },
    Move { worker: u8, activity: u8 },
    Capacity { worker: u8, capacity: u8 },
    Task { priority: u8, level: u8, target: u8 },
    Reservation { which: u8, change: u8 },
    EndTask { which: u8, status: u8 },
    DeleteTask(u8),
    Transfer { which: u8, to: u8 },
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (any::<u8>(), 0..4_u8).prop_map(|(activity, level)| Step::Worker { activity, level }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(worker, activity)| Step::Move { worker, activity }),
        1 => (any::<u8>(), 0..4_u8).prop_map(|(worker, capacity)| Step::Capacity { worker, capacity }),
        5 => (0..3_u8, 0..4_u8, 0..6_u8).prop_map(|(priority, level, target)| Step::Task { priority, level, target }),
        6 => (any::<u8>(), 0..4_u8).prop_map(|(which, change)| Step::Reservation { which, change }),
        2 => (any::<u8>(), 0..3_u8).prop_map(|(which, status)| Step::EndTask { which, status }),
        1 => any::<u8>().prop_map(Step::DeleteTask),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(which, to)| Step::Transfer { which, to }),
        3 => (0..400_u16).prop_map(Step::Wait),
    ]
}

impl Centre {
    fn pick<T: Clone>(&self, which: u8, of: impl Fn(&RoutingRow) -> Option<T>) -> Option<T> {
        let all: Vec<T> = self.rows.values().filter_map(of).collect();
        all.get(usize::from(which) % all.len().max(1)).cloned()
    }

    fn take(&mut self, step: Step) {
        use WorkspaceOrder as O;
        let activity = |row: &RoutingRow| if let RoutingRow::Activity(row) = row { Some(row.sid) } else { None };
        let worker_of = |row: &RoutingRow| if let RoutingRow::Worker(row) = row { Some(row.sid) } else { None };
        let worker = worker_of;
        let task = |row: &RoutingRow| if let RoutingRow::Task(row) = row { Some(row.sid) } else { None };
        let reservation = |row: &RoutingRow| match row {
            RoutingRow::Reservation(row) => Some((row.sid, row.task_sid)),
            _ => None,
        };
        let order = match step {
            Step::Worker { activity: which, level } => O::CreateWorker(NewWorker {
                friendly_name: format!("worker {}", self.rows.len()),
                activity: self.pick(which, activity),
                attributes: Some(format!(r#"{{"level":{level}}}"#)),
            }),
            Step::Move { worker: which, activity: to } => {
                let Some(worker) = self.pick(which, worker) else { return };
                let change = WorkerUpdate {
                    activity: self.pick(to, activity),
                    reject_pending_reservations: to % 2 == 0,
                    ..WorkerUpdate::default()
                };
                O::UpdateWorker { worker, if_match: None, change }
            }
            Step::Capacity { worker: which, capacity } => {
                let Some(worker) = self.pick(which, worker) else { return };
                let (channel, available) = ("default".into(), Some(capacity != 3));
                O::UpdateWorkerChannel { worker, channel, capacity: Some(capacity.into()), available }
            }
            Step::Task { priority, level, target } => {
                let routing_target = match target {
                    0 => Some(RoutingTarget::Queue(self.queue())),
                    1 => self.pick(level, worker).map(RoutingTarget::Worker),
                    _ => None,
                };
                O::CreateTask(NewTask {
                    attributes: Some(format!(r#"{{"level":{level}}}"#)),
                    priority: Some(priority.into()),
                    routing_target,
                    ignore_capacity: Some(level == 0),
                    ..NewTask::default()
                })
            }
            Step::Reservation { which, change } => {
                let Some((reservation, task)) = self.pick(which, reservation) else { return };
                let change = match change {
                    0 => ReservationUpdate::Accepted,
                    1 => ReservationUpdate::Rejected { activity: self.pick(which, activity) },
                    2 => ReservationUpdate::Wrapping,
                    _ => ReservationUpdate::Completed,
                };
                O::UpdateReservation { reservation, of: ReservationOf::Task(task), if_match: None, change }
            }
            Step::EndTask { which, status } => {
                let Some(task) = self.pick(which, task) else { return };
                let statuses = [AssignmentStatus::Canceled, AssignmentStatus::Wrapping, AssignmentStatus::Completed];
                let assignment_status = Some(statuses[usize::from(status)]);
                O::UpdateTask {
                    task,
                    if_match: None,
                    change: TaskUpdate { assignment_status, ..TaskUpdate::default() },
                }
            }
            Step::DeleteTask(which) => {
                let Some(task) = self.pick(which, task) else { return };
                O::DeleteTask { task, if_match: None }
            }
            Step::Transfer { which, to } => {
                let accepted = |row: &RoutingRow| match row {
                    RoutingRow::Reservation(row) if row.reservation_status == ReservationStatus::Accepted => {
                        Some((row.worker_sid, row.task_sid, row.sid))
                    }
                    _ => None,
                };
                let Some((worker, task, reservation)) = self.pick(which, accepted) else { return };
                let to = match self.pick(to, worker_of).filter(|_| to % 3 != 0) {
                    Some(worker) => TransferTarget::Worker(worker),
                    None => TransferTarget::Queue(self.queue()),
                };
                let mode = if which % 2 == 0 { TransferMode::Warm } else { TransferMode::Cold };
                O::CreateTransfer { worker, task, reservation, to, mode, priority: None, attributes: None }
            }
            Step::Wait(seconds) => return self.run_for(Duration::from_secs(seconds.into())),
        };
        // What is not possible is refused: that is a step, too.
        let _ = self.order(order);
    }

    /// All that its engine knows, by SID, but for statistics.
    fn known(&self) -> taskrouter::Saved {
        let mut saved = self.routing.workspaces.live[&self.workspace].engine.save();
        saved.buckets.clear();
        saved.reservations.sort_by_key(|row| row.sid);
        saved
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_restart_changes_nothing(steps in proptest::collection::vec(step(), 1..60)) {
        let mut centre = Centre::fifo();
        let queue = centre.queue();
        let configuration = format!(
            r#"{{"task_routing":{{"filters":[
                {{"expression":"level > 1","targets":[
                    {{"queue":"{queue}","expression":"worker.level >= task.level","skip_if":"workers.available == 0",
                      "timeout":60}},
                    {{"queue":"{queue}","order_by":"worker.level DESC","priority":7,"timeout":120}}]}}],
                "default_filter":{{"queue":"{queue}"}}}}}}"#
        );
        let change = WorkflowUpdate { configuration: Some(configuration), ..WorkflowUpdate::default() };
        centre.order(WorkspaceOrder::UpdateWorkflow { workflow: centre.workflow(), change }).expect("changes");
        for step in steps {
            centre.take(step);
        }
        while centre.routing.next_deadline().is_some_and(|at| {
            at <= centre.started + Duration::from_micros((centre.now_us - START_US).unsigned_abs())
        }) {
            centre.turn(|_, _| ());
        }
        let (known, rows, asked) = (centre.known(), centre.rows.clone(), centre.assignments.len());
        let after = centre.restart();
        prop_assert_eq!(after.known(), known);
        prop_assert_eq!(after.rows, rows);
        prop_assert_eq!(after.assignments.len(), asked, "nothing is assigned twice");
    }
}

#[test]
fn an_activity_that_is_deleted_is_no_queues_any_more() {
    let mut centre = Centre::fifo();
    let queue = centre.queue();
    let order = WorkspaceOrder::CreateActivity { friendly_name: "Busy".to_owned(), available: false };
    let RoutingRow::Activity(busy) = centre.row(order) else { panic!("an activity") };
    let change = TaskQueueUpdate {
        reservation_activity: Some(Some(busy.sid)),
        assignment_activity: Some(Some(centre.activity("Unavailable"))),
        ..TaskQueueUpdate::default()
    };
    centre.order(WorkspaceOrder::UpdateTaskQueue { queue, change }).expect("changes");
    centre.order(WorkspaceOrder::DeleteActivity(busy.sid)).expect("is deleted");
    let Some(RoutingRow::TaskQueue(row)) = centre.rows.get(&queue.to_string()) else { panic!("a queue") };
    let unavailable = Some(centre.activity("Unavailable"));
    assert_eq!((row.reservation_activity_sid, row.assignment_activity_sid), (None, unavailable));
    let change = TaskQueueUpdate { friendly_name: Some("Renamed".to_owned()), ..TaskQueueUpdate::default() };
    centre.order(WorkspaceOrder::UpdateTaskQueue { queue, change }).expect("changes");
}

#[test]
fn a_workspace_stays_while_a_worker_has_a_task() {
    let delete = |centre: &mut Centre| centre.order(WorkspaceOrder::Delete);
    for (case, change) in [("accepted", None), ("wrapping", Some(ReservationUpdate::Wrapping))] {
        let mut centre = Centre::fifo();
        centre.worker("Ana", "{}");
        let task = centre.task("{}");
        centre.update_reservation(ReservationUpdate::Accepted).expect("accepts");
        if let Some(change) = change {
            centre.update_reservation(change).expect("goes on");
        }
        let refused = RoutingRefusal::Invalid(format!("Task {task} is assigned"));
        assert_eq!(delete(&mut centre), Err(refused), "{case}");
        centre.update_reservation(ReservationUpdate::Completed).expect("completes");
        assert_eq!(delete(&mut centre), Ok(RoutingAnswer::Removed), "{case}");
    }
}

#[test]
fn what_a_closed_account_had_is_dropped() {
    let mut centre = Centre::fifo();
    centre.worker("Ana", "{}");
    centre.task("{}");
    assert!(centre.routing.next_deadline().is_some());
    centre.routing.account_closed(AccountSid::from_bits(2));
    assert!(!centre.routing.index.tasks.is_empty(), "that was somebody else");
    let rows = centre.rows.clone();
    centre.routing.account_closed(ACCOUNT);
    centre.run_for(Duration::ZERO);
    assert_eq!(centre.routing.next_deadline(), None);
    let Index { tasks, reservations, workflows, workers, .. } = &centre.routing.index;
    assert_eq!((tasks.len(), reservations.len(), workflows.len(), workers.len()), (0, 0, 0, 0));
    assert_eq!(centre.order(WorkspaceOrder::Delete), Err(RoutingRefusal::NotFound));
    assert_eq!(centre.rows, rows, "what is kept stays");
}

#[test]
fn a_known_worker_of_another_workspace() {
    let mut centre = Centre::fifo();
    let here = centre.workspace;
    let new = NewWorkspace { friendly_name: "Elsewhere".to_owned(), ..workspace() };
    let Ok(RoutingAnswer::Row(row)) = centre.ask(RoutingOrder::CreateWorkspace(new)) else { panic!("a workspace") };
    centre.workspace = row.workspace();
    let offline = centre.rows.values().find_map(|found| match found {
        RoutingRow::Activity(found) if found.workspace_sid == row.workspace() => Some(found.sid),
        _ => None,
    });
    let new = NewWorker { friendly_name: "Eva".to_owned(), activity: offline, attributes: None };
    let RoutingRow::Worker(eva) = centre.row(WorkspaceOrder::CreateWorker(new)) else { panic!("a worker") };
    centre.workspace = here;
    let queue = centre.queue();
    let change = WorkflowUpdate {
        configuration: Some(format!(
            r#"{{"task_routing":{{"filters":[{{"expression":"1==1","targets":[
                {{"queue":"{queue}","known_worker_sid":"task.agent"}}]}}]}}}}"#
        )),
        ..WorkflowUpdate::default()
    };
    centre.order(WorkspaceOrder::UpdateWorkflow { workflow: centre.workflow(), change }).expect("changes");
    for (agent, want) in [(eva.sid, 40_155), (WorkerSid::from_bits(7), 40_154)] {
        centre.task(&format!(r#"{{"agent":"{agent}"}}"#));
        assert_eq!(centre.notifications.pop(), Some(want), "{agent}");
    }
}
