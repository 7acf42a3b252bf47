//! Random afternoons in a workspace, every decision checked against rules written down a second time, without indexes.
//! A failure names its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{
    ActivitySid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, TransferSid, WorkerSid, WorkflowSid,
};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::json;
use taskrouter::{
    Activity, AssignmentStatus, Attributes, Counts, Cumulative, Engine, Event, Expression, Input, NewTask, NewTransfer,
    NewWorker, Output, RealTime, ReservationStatus, Route, RoutingTarget, Scope, Spread, Task, TaskChange, TaskChannel,
    TaskOrder, TaskQueue, TaskRouterEventType, TasksByStatus, Transfer, TransferMode, TransferStatus,
    TransferStatus::Initiated, TransferTarget, Worker, WorkerChange, Workflow, Workspace,
};

const OFFLINE: ActivitySid = ActivitySid::from_bits(1);
const AVAILABLE: ActivitySid = ActivitySid::from_bits(2);
const WORKFLOW: WorkflowSid = WorkflowSid::from_bits(1);
const WORKERS: u128 = 6;
const QUEUES: u128 = 4;
const CHANNELS: u128 = 2;

/// Queue 1: team a, queue 2: team b, queue 3: anybody, queue 4: team a, last in first out, three at once.
fn queue(sid: u128) -> TaskQueue {
    let target_workers = ["team == \"a\"", "worker.team == \"b\"", "1==1", "team IN ['a']"][sid as usize - 1];
    TaskQueue {
        sid: TaskQueueSid::from_bits(sid),
        friendly_name: format!("queue {sid}"),
        target_workers: Some(Expression::parse(target_workers).expect("valid")),
        max_reserved_workers: if sid == 4 { 3 } else { 1 },
        task_order: if sid == 4 { TaskOrder::Lifo } else { TaskOrder::Fifo },
        reservation_activity: None,
        assignment_activity: None,
    }
}

/// As it is, or `cut` down: tasks may be where nothing is any more.
fn workflow(cut: bool) -> Workflow {
    let queue = |sid: u128| TaskQueueSid::from_bits(sid).to_string();
    let configuration = json!({"task_routing": {
        "filters": [
            {"expression": "kind == 'level'", "targets": [
                {"queue": queue(1), "expression": "worker.level >= task.min", "order_by": "worker.level DESC", "timeout": 40},
                {"queue": queue(2), "priority": 7, "timeout": 60}]},
            {"expression": "kind == 'known'", "targets": [
                {"queue": queue(3), "known_worker_friendly_name": "task.who", "timeout": 50}, {"timeout": 500}]},
            {"expression": "kind == 'crowd'", "targets": [{"queue": queue(4)}]},
        ],
        "default_filter": {"queue": queue(3)},
    }});
    let mut configuration = configuration;
    if cut {
        let filters = configuration["task_routing"]["filters"].as_array_mut().expect("filters");
        filters.pop();
        filters[0]["targets"].as_array_mut().expect("targets").pop();
    }
    let timeout = Duration::from_secs(20);
    Workflow::parse(WORKFLOW, "w", &configuration.to_string(), timeout, |_| true).expect("valid")
}

struct Afternoon {
    engine: Engine,
    random: StdRng,
    now: Timestamp,
    multi_task: bool,
    tasks: u128,
    transfers: u128,
    reservation_events: BTreeMap<ReservationSid, Vec<TaskRouterEventType>>,
    task_events: BTreeMap<TaskSid, Vec<TaskRouterEventType>>,
    events: Vec<Event>,
    assigned: usize,
    transferred: usize,
}

impl Afternoon {
    fn begin(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let multi_task = random.random_bool(0.7);
        let workspace = Workspace {
            multi_task,
            prioritize_queue_order: if random.random_bool(0.5) { TaskOrder::Fifo } else { TaskOrder::Lifo },
            default_activity: Some(OFFLINE),
            timeout_activity: Some(OFFLINE),
        };
        let mut afternoon = Self {
            engine: Engine::new(workspace, seed),
            random,
            now: Timestamp::from_micros(1_000_000_000),
            multi_task,
            tasks: 0,
            transfers: 0,
            reservation_events: BTreeMap::new(),
            task_events: BTreeMap::new(),
            events: Vec::new(),
            assigned: 0,
            transferred: 0,
        };
        for (sid, name, available) in [(OFFLINE, "Offline", false), (AVAILABLE, "Available", true)] {
            afternoon.ask(Input::PutActivity(Activity { sid, friendly_name: name.to_owned(), available }));
        }
        for sid in 1..=CHANNELS {
            let unique_name = format!("channel{sid}");
            afternoon.ask(Input::PutChannel(TaskChannel {
                sid: TaskChannelSid::from_bits(sid),
                unique_name,
                optimized: sid == 2,
            }));
        }
        (1..=QUEUES).for_each(|sid| afternoon.ask(Input::PutQueue(queue(sid))));
        afternoon.ask(Input::PutWorkflow { workflow: workflow(false), re_evaluate: false });
        for sid in 1..=WORKERS {
            let attributes = afternoon.worker_attributes();
            afternoon.ask(Input::CreateWorker(NewWorker {
                sid: WorkerSid::from_bits(sid),
                friendly_name: format!("worker{sid}"),
                attributes,
                activity: AVAILABLE,
            }));
        }
        afternoon
    }

    fn worker_attributes(&mut self) -> Attributes {
        let team = ["a", "b", "c"][self.random.random_range(0..3)];
        let level: Option<u32> = self.random.random_bool(0.8).then(|| self.random.random_range(0..4));
        Attributes::parse(&json!({"team": team, "level": level}).to_string()).expect("valid")
    }

    fn task_attributes(&mut self) -> Attributes {
        let kind = ["level", "level", "known", "crowd", "other"][self.random.random_range(0..5)];
        let (min, who) = (self.random.random_range(0..4), self.random.random_range(1..=WORKERS + 1));
        let attributes = json!({"kind": kind, "min": min, "who": format!("worker{who}")});
        Attributes::parse(&attributes.to_string()).expect("valid")
    }

    /// Does something, which may well be refused, and then whatever follows from it, one step at a time.
    fn ask(&mut self, input: Input) {
        // What is put off when a workflow changes is not kept; all else is.
        let is_kept = !matches!(input, Input::PutWorkflow { .. });
        let refused = self.engine.handle(self.now, input).is_err();
        if refused {
            assert!(self.engine.poll().is_none(), "what is refused has no consequences");
        }
        self.look(None);
        if is_kept && self.random.random_bool(0.05) {
            self.restart();
        }
        for _ in 0..10_000 {
            let before = self.snapshot();
            let more = self.engine.work(self.now, 1);
            self.look(Some(&before));
            if !more {
                self.check_nobody_idles();
                if self.tasks > 0 && self.random.random_bool(0.1) {
                    self.check_statistics();
                }
                if self.random.random_bool(0.05) {
                    self.restart();
                    while self.engine.work(self.now, 3) {}
                    assert_eq!(self.engine.poll(), None, "a restart changes nothing");
                    assert_eq!(self.engine.poll_changed(), None, "a restart changes nothing");
                }
                return;
            }
        }
        panic!("work without end");
    }

    /// The process ends and begins anew: all that is left of the workspace is its rows, in any order.
    fn restart(&mut self) {
        let saved = self.engine.save();
        let mut rows = saved.clone();
        rows.workers.shuffle(&mut self.random);
        rows.tasks.shuffle(&mut self.random);
        rows.queues.shuffle(&mut self.random);
        let (engine, mended) = Engine::restore(self.now, self.random.random(), rows);
        assert_eq!(mended, []);
        assert_eq!(engine.save(), saved);
        self.engine = engine;
    }

    fn something(&mut self) {
        let worker = WorkerSid::from_bits(self.random.random_range(1..=WORKERS));
        let reservation = self.any_reservation();
        let task = TaskSid::from_bits(self.random.random_range(1..=self.tasks.max(1)));
        let channel = TaskChannelSid::from_bits(self.random.random_range(1..=CHANNELS));
        let input = match self.random.random_range(0..100) {
            0..28 => self.new_task(),
            28..30 => self.pass(),
            30..38 => {
                let activity = if self.random.random_bool(0.7) { AVAILABLE } else { OFFLINE };
                let reject_pending_reservations = self.random.random_bool(0.3);
                let change =
                    WorkerChange { activity: Some(activity), reject_pending_reservations, ..Default::default() };
                Input::UpdateWorker { worker, change }
            }
            38..42 => {
                let attributes = Some(self.worker_attributes());
                Input::UpdateWorker { worker, change: WorkerChange { attributes, ..Default::default() } }
            }
            42..46 => {
                let open =
                    self.engine.worker(worker).and_then(|worker| worker.channels.get(&channel)).map_or(0, |on| on.open);
                let capacity = Some(self.random.random_range(open..=open.max(3)));
                let available = Some(self.random.random_bool(0.8));
                Input::UpdateWorkerChannel { worker, channel, capacity, available }
            }
            46..60 => {
                let pending = self.engine.reservations().find(|r| r.status == ReservationStatus::Pending);
                Input::Accept(pending.map_or(reservation, |reservation| reservation.sid))
            }
            60..66 => {
                let activity = self.random.random_bool(0.7).then_some(OFFLINE);
                Input::Reject {
                    reservation,
                    activity: activity.or(Some(AVAILABLE)).filter(|_| self.random.random_bool(0.9)),
                }
            }
            66..70 => Input::Fail { reservation, code: 13_224 },
            70..74 => Input::Wrap(reservation),
            74..82 => Input::Complete(reservation),
            82..86 => {
                let status = [AssignmentStatus::Canceled, AssignmentStatus::Wrapping, AssignmentStatus::Completed]
                    [self.random.random_range(0..3)];
                Input::EndTask { task, status, reason: None }
            }
            86..88 => Input::DeleteTask(task),
            88..91 => {
                let attributes = self.random.random_bool(0.5).then(|| self.task_attributes());
                let priority = Some(self.random.random_range(0..4));
                Input::UpdateTask { task, change: TaskChange { attributes, priority, ..Default::default() } }
            }
            91..95 => self.new_transfer(),
            95..96 => {
                let under_way: Vec<TransferSid> = self.engine.tasks().filter_map(|task| task.transfer).collect();
                Input::CancelTransfer(under_way.first().copied().unwrap_or(TransferSid::from_bits(0)))
            }
            96..97 => {
                let cut = self.random.random_bool(0.5);
                Input::PutWorkflow { workflow: workflow(cut), re_evaluate: self.random.random_bool(0.3) }
            }
            97..98 => {
                let changed = self.random.random_range(1..=QUEUES);
                Input::PutQueue(TaskQueue { target_workers: None, ..queue(changed) })
            }
            _ => self.pass(),
        };
        self.ask(input);
    }

    /// Time passes.
    fn pass(&mut self) -> Input {
        self.now = self.now + Duration::from_secs(self.random.random_range(0..25));
        Input::PutQueue(queue(self.random.random_range(1..=QUEUES)))
    }

    fn new_transfer(&mut self) -> Input {
        self.transfers += 1;
        let accepted: Vec<ReservationSid> =
            self.engine.reservations().filter(|r| r.status == ReservationStatus::Accepted).map(|r| r.sid).collect();
        let reservation = accepted.choose(&mut self.random).copied().unwrap_or(ReservationSid::from_bits(0));
        let to = if self.random.random_bool(0.4) {
            TransferTarget::Worker(WorkerSid::from_bits(self.random.random_range(1..=WORKERS)))
        } else {
            TransferTarget::Queue(TaskQueueSid::from_bits(self.random.random_range(1..=QUEUES)))
        };
        Input::Transfer(NewTransfer {
            sid: TransferSid::from_bits(self.transfers),
            reservation,
            to,
            mode: if self.random.random_bool(0.5) { TransferMode::Warm } else { TransferMode::Cold },
            priority: self.random.random_bool(0.5).then_some(3),
            attributes: None,
        })
    }

    fn new_task(&mut self) -> Input {
        self.tasks += 1;
        let back = self.random.random_range(0..3);
        let to = match self.random.random_range(0..10) {
            0 => RoutingTarget::Queue(TaskQueueSid::from_bits(self.random.random_range(1..=QUEUES))),
            1 => RoutingTarget::Worker {
                worker: WorkerSid::from_bits(self.random.random_range(1..=WORKERS)),
                ignore_capacity: false,
                queue: None,
            },
            _ => RoutingTarget::Workflow(WORKFLOW),
        };
        Input::CreateTask(NewTask {
            workflow: self.random.random_bool(0.5).then_some(WORKFLOW),
            sid: TaskSid::from_bits(self.tasks),
            attributes: self.task_attributes(),
            channel: TaskChannelSid::from_bits(self.random.random_range(1..=CHANNELS)),
            priority: self.random.random_range(0..3),
            timeout: Duration::from_secs(600),
            virtual_start: Some(Timestamp::from_micros(self.now.micros() - back * 60_000_000)),
            to,
        })
    }

    fn any_reservation(&mut self) -> ReservationSid {
        let all: Vec<ReservationSid> =
            self.engine.reservations().filter(|r| r.status.is_open()).map(|r| r.sid).collect();
        if all.is_empty() { ReservationSid::from_bits(0) } else { all[self.random.random_range(0..all.len())] }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            now: self.now,
            multi_task: self.multi_task,
            tasks: self.engine.tasks().filter(|task| task.status == AssignmentStatus::Pending).cloned().collect(),
            transfers: self.engine.transfers().map(|transfer| (transfer.sid, transfer.clone())).collect(),
            held: (self.engine.reservations().filter(|r| r.status.is_open()))
                .map(|r| (r.task, r.worker, r.sid))
                .collect(),
            workers: self.engine.workers().cloned().collect(),
            open: (self.engine.reservations().filter(|r| r.status.is_open())).map(|r| (r.worker, r.channel)).collect(),
            members: (1..=QUEUES).map(TaskQueueSid::from_bits).map(|q| (q, self.engine.members(q).collect())).collect(),
            paused: self.engine.pauses().map(|(task, worker, _)| (task, worker)).collect(),
        }
    }

    /// Every output, in order; what was assigned in one step must be what the rules want on the state before it.
    fn look(&mut self, before: Option<&Snapshot>) {
        let mut offered: Vec<(TaskSid, WorkerSid)> = Vec::new();
        let mut moved = false;
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Event(event) => {
                    moved |= event.kind != TaskRouterEventType::ReservationCreated;
                    self.check_event(&event);
                    self.events.push(*event);
                }
                Output::Assign { task, worker, reservation } => {
                    let row = self.engine.reservation(reservation).expect("it exists");
                    assert_eq!((row.task, row.worker, row.status), (task, worker, ReservationStatus::Pending));
                    offered.push((task, worker));
                }
                Output::Warning { code, .. } => assert!([40_152, 40_154].contains(&code), "{code}"),
            }
        }
        if let (Some((task, _)), Some(before)) = (offered.first(), before) {
            assert!(!moved, "a decision is a step of its own");
            self.assigned += 1;
            let foremost = before.foremost(&self.engine);
            assert_eq!(foremost.as_ref().map(|(task, _)| *task), Some(*task), "higher priority, then longest waiting");
            assert_eq!(foremost.map(|(_, workers)| workers), Some(offered.iter().map(|(_, worker)| *worker).collect()));
        }
        let after = self.snapshot();
        for worker in &after.workers {
            for (channel, on) in &worker.channels {
                let open = after.open.iter().filter(|open| **open == (worker.sid, *channel)).count();
                assert_eq!(open, on.open as usize);
                assert!(open <= on.capacity as usize, "{} above its capacity", worker.friendly_name);
            }
            let open = after.open.iter().filter(|(who, _)| *who == worker.sid).count();
            assert!(self.multi_task || open <= 1, "one task at a time");
            assert_eq!(open, worker.open.len());
        }
        for task in self.engine.tasks() {
            let of_task = self.engine.reservations().filter(|r| r.task == task.sid);
            let (mut pending, mut accepted, mut wrapping) = (0, 0, 0);
            of_task.for_each(|r| match r.status {
                ReservationStatus::Pending => pending += 1,
                ReservationStatus::Accepted => accepted += 1,
                ReservationStatus::Wrapping => wrapping += 1,
                _ => {}
            });
            let under_way = self.engine.transfers().filter(|t| t.task == task.sid && t.status == Initiated).count();
            assert_eq!(under_way, usize::from(task.transfer.is_some()), "one transfer at a time");
            let (is_transferred, kept) = (under_way == 1, accepted + wrapping);
            match task.status {
                AssignmentStatus::Reserved => assert!(pending > 0 && (is_transferred || kept == 0)),
                AssignmentStatus::Pending => assert!(pending == 0 && (is_transferred || kept == 0)),
                AssignmentStatus::Assigned => assert!(pending == 0 && accepted > 0 && !is_transferred),
                AssignmentStatus::Wrapping => assert!(pending + accepted == 0 && wrapping > 0 && !is_transferred),
                AssignmentStatus::Completed | AssignmentStatus::Canceled => {
                    assert!(pending + kept == 0 && !is_transferred)
                }
            }
            assert!(accepted < 2 || !task.transfers.is_empty(), "two have it");
        }
    }

    fn check_event(&mut self, event: &Event) {
        use TaskRouterEventType as E;
        let of_transfer = match event.kind {
            E::TaskTransferInitiated | E::TaskTransferAttemptFailed => Some(Initiated),
            E::TaskTransferCompleted => Some(TransferStatus::Complete),
            E::TaskTransferFailed => Some(TransferStatus::Failed),
            E::TaskTransferCanceled => Some(TransferStatus::Canceled),
            _ => None,
        };
        if let Some(status) = of_transfer {
            assert_eq!(event.transfer.as_ref().map(|transfer| transfer.status), Some(status));
            self.transferred += usize::from(status == TransferStatus::Complete);
        } else if let (Some(reservation), Some(task)) = (&event.reservation, &event.task) {
            assert_eq!(event.transfer.as_ref().map(|transfer| transfer.sid), reservation.transfer);
            let seen = self.reservation_events.entry(reservation.sid).or_default();
            let status = |kind| match kind {
                E::ReservationCreated => ReservationStatus::Pending,
                E::ReservationAccepted => ReservationStatus::Accepted,
                E::ReservationWrapup => ReservationStatus::Wrapping,
                E::ReservationCompleted => ReservationStatus::Completed,
                E::ReservationRejected => ReservationStatus::Rejected,
                E::ReservationTimeout => ReservationStatus::Timeout,
                E::ReservationRescinded => ReservationStatus::Rescinded,
                E::ReservationCanceled => ReservationStatus::Canceled,
                kind => panic!("{} about a reservation", kind.as_str()),
            };
            assert_eq!(reservation.status, status(event.kind));
            match seen.last() {
                Some(last) => assert!(status(*last).may_become(reservation.status), "{last:?} to {:?}", event.kind),
                None => assert_eq!(event.kind, E::ReservationCreated),
            }
            seen.push(event.kind);
            assert!(!self.task_events.get(&task.sid).is_some_and(|seen| seen.contains(&E::TaskDeleted)));
        } else if let Some(task) = &event.task {
            let seen = self.task_events.entry(task.sid).or_default();
            let once =
                [E::TaskCreated, E::TaskCanceled, E::TaskWrapup, E::TaskCompleted, E::TaskDeleted, E::WorkflowEntered];
            assert!(!once.contains(&event.kind) || !seen.contains(&event.kind), "{} twice", event.kind.as_str());
            assert!(!seen.contains(&E::TaskDeleted), "{} after the end", event.kind.as_str());
            let over = seen.contains(&E::TaskCanceled) || seen.contains(&E::TaskCompleted);
            assert!(
                !over || [E::TaskDeleted, E::TaskUpdated].contains(&event.kind),
                "{} when over",
                event.kind.as_str()
            );
            match event.kind {
                E::TaskCanceled => assert_eq!(task.status, AssignmentStatus::Canceled),
                E::TaskCompleted => assert_eq!(task.status, AssignmentStatus::Completed),
                E::TaskWrapup => assert_eq!(task.status, AssignmentStatus::Wrapping),
                _ => {}
            }
            seen.push(event.kind);
        }
    }

    fn check_nobody_idles(&self) {
        let now = self.snapshot();
        assert_eq!(now.foremost(&self.engine), None, "a worker idles while a task it may take waits");
        for task in now.tasks.iter().filter(|task| task.transfer.is_none()) {
            if let Route::Workflow { step, workflow } = task.route {
                let goes_by = step.and_then(|step| Some((self.engine.revision(workflow, step.revision)?, step)));
                let target = goes_by.and_then(|(workflow, step)| workflow.targets(step.filter).get(step.target));
                assert_eq!(target.map(|target| target.queue), task.queue, "it waits where its workflow says");
            }
        }
    }

    /// Statistics are what looking at everything comes to.
    fn check_statistics(&mut self) {
        let queues = (1..=QUEUES).map(|sid| Scope::Queue(TaskQueueSid::from_bits(sid)));
        let workers = (1..=WORKERS).map(|sid| Scope::Worker(WorkerSid::from_bits(sid)));
        let scopes: Vec<Scope> =
            [Scope::Workspace, Scope::Workflow(WORKFLOW)].into_iter().chain(queues).chain(workers).collect();
        let minutes = [1, 3, 1000][self.random.random_range(0..3)];
        let from = Timestamp::from_micros(self.now.micros() - minutes * 60_000_000);
        let to = self.now + Duration::from_micros(1);
        for scope in scopes {
            for channel in [None, Some(TaskChannelSid::from_bits(1)), Some(TaskChannelSid::from_bits(2))] {
                if !matches!(scope, Scope::Worker(_)) {
                    assert_eq!(self.engine.real_time(self.now, scope, channel), self.real_time(scope, channel));
                }
                let got = self.engine.cumulative(self.now, scope, channel, (from, to), true);
                assert_eq!(got.start.micros(), from.micros().div_euclid(60_000_000) * 60_000_000);
                self.compare(&got, scope, channel);
            }
        }
    }

    fn real_time(&self, scope: Scope, channel: Option<TaskChannelSid>) -> RealTime {
        let is_in = |task: &&Task| {
            let fits = match scope {
                Scope::Queue(queue) => task.queue == Some(queue),
                Scope::Workflow(workflow) => task.workflow == Some(workflow),
                Scope::Workspace | Scope::Worker(_) => true,
            };
            fits && channel.is_none_or(|channel| task.channel == channel) && !task.status.is_over()
        };
        let tasks: Vec<&Task> = self.engine.tasks().filter(is_in).collect();
        let of = |status| tasks.iter().filter(|task| task.status == status).count() as u32;
        let waits = |task: &&&Task| {
            matches!(task.status, AssignmentStatus::Pending | AssignmentStatus::Reserved) && task.assigned.is_none()
        };
        let mut tasks_by_priority = BTreeMap::new();
        for task in tasks.iter().filter(waits) {
            *tasks_by_priority.entry(task.priority).or_default() += 1;
        }
        let oldest = tasks.iter().filter(waits).map(|task| (task.created, task.sid)).min();
        let first = tasks.iter().filter(waits).filter_map(|task| Some((task.queue_entered?, task.sid))).min();
        let age = |(since, task): (Timestamp, TaskSid)| (task, self.now.since(since));
        let workers: Vec<&Worker> = match scope {
            Scope::Workspace => self.engine.workers().collect(),
            Scope::Queue(queue) => self.engine.members(queue).filter_map(|sid| self.engine.worker(sid)).collect(),
            Scope::Workflow(_) | Scope::Worker(_) => Vec::new(),
        };
        let doing = |activity| workers.iter().filter(|worker| worker.activity == activity).count() as u32;
        RealTime {
            tasks: TasksByStatus {
                pending: of(AssignmentStatus::Pending),
                reserved: of(AssignmentStatus::Reserved),
                assigned: of(AssignmentStatus::Assigned),
                wrapping: of(AssignmentStatus::Wrapping),
            },
            tasks_by_priority,
            longest_waiting: oldest.map(age),
            longest_in_queue: first.filter(|_| matches!(scope, Scope::Queue(_))).map(age),
            eligible_workers: workers.len() as u32,
            available_workers: doing(AVAILABLE),
            activities: [OFFLINE, AVAILABLE].into_iter().map(|activity| (activity, doing(activity))).collect(),
        }
    }

    fn compare(&self, got: &Cumulative, scope: Scope, channel: Option<TaskChannelSid>) {
        use TaskRouterEventType as E;
        let (mut counts, mut in_queue, mut activities) = (Counts::default(), Spread::default(), BTreeMap::new());
        let (mut accepted, mut canceled): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
        for event in self.events.iter().filter(|event| event.at >= got.start && event.at < got.end) {
            let worker = event.worker.as_ref().map(|worker| worker.sid);
            if let (E::WorkerActivityUpdate, true) = (event.kind, worker.map(Scope::Worker) == Some(scope)) {
                let (did, since) = (event.activity.expect("told"), event.activity_since.expect("told"));
                let spread: &mut Spread = activities.entry(did).or_default();
                spread.add(event.at.since(since.max(got.start)));
            }
            let Some(task) = event.task.as_ref().filter(|task| channel.is_none_or(|channel| task.channel == channel))
            else {
                continue;
            };
            let is_queue = matches!(scope, Scope::Queue(_));
            let was_here = is_queue && event.previous_queue.map(Scope::Queue) == Some(scope);
            let is_here = match scope {
                Scope::Workspace => true,
                Scope::Queue(queue) => task.queue == Some(queue),
                Scope::Workflow(workflow) => task.workflow == Some(workflow),
                Scope::Worker(sid) => event.kind.as_str().starts_with("reservation.") && worker == Some(sid),
            };
            if event.kind == E::TaskQueueMoved && (was_here || (is_here && !is_queue)) {
                counts.tasks_moved += 1;
            }
            if !is_here {
                continue;
            }
            let age = event.at.since(task.created);
            let entered = match scope {
                Scope::Queue(_) => [E::TaskQueueEntered, E::TaskQueueMoved].contains(&event.kind),
                Scope::Workflow(_) => event.kind == E::WorkflowEntered,
                Scope::Workspace | Scope::Worker(_) => event.kind == E::TaskCreated,
            };
            counts.tasks_entered += u32::from(entered);
            match event.kind {
                E::ReservationCreated => counts.reservations_created += 1,
                E::ReservationAccepted => {
                    counts.reservations_accepted += 1;
                    if task.assigned.is_none() {
                        accepted.push(age);
                        if is_queue {
                            in_queue.add(event.at.since(task.queue_entered.expect("it is in it")));
                        }
                    }
                }
                E::ReservationRejected => counts.reservations_rejected += 1,
                E::ReservationTimeout => counts.reservations_timed_out += 1,
                E::ReservationCanceled => counts.reservations_canceled += 1,
                E::ReservationRescinded => counts.reservations_rescinded += 1,
                E::TaskCanceled => {
                    counts.tasks_canceled += 1;
                    canceled.extend(task.assigned.is_none().then_some(age));
                }
                E::TaskCompleted => counts.tasks_completed += 1,
                // Of itself, five minutes after its end.
                E::TaskDeleted if task.ended.is_some_and(|ended| event.at.since(ended) >= Duration::from_secs(300)) => {
                }
                E::TaskDeleted | E::TaskSystemDeleted => counts.tasks_deleted += 1,
                E::WorkflowTimeout if !is_queue => counts.tasks_timed_out_in_workflow += 1,
                _ => {}
            }
        }
        if let Scope::Worker(worker) = scope
            && let Some(worker) = self.engine.worker(worker)
        {
            let spent = self.now.since(worker.status_changed.max(got.start));
            if !spent.is_zero() {
                activities.entry(worker.activity).or_default().add(spent);
            }
        }
        let spread = |all: &[Duration]| {
            let mut spread = Spread::default();
            all.iter().for_each(|one| spread.add(*one));
            spread
        };
        let figures = &got.figures;
        let brief = self.engine.cumulative(self.now, scope, channel, (got.start, got.end), false);
        assert_eq!(brief.figures.split(0), Default::default());
        assert_eq!((brief.figures.counts, brief.figures.until_accepted), (figures.counts, figures.until_accepted));
        assert_eq!((scope, figures.counts), (scope, counts));
        assert_eq!((figures.until_accepted, figures.until_canceled), (spread(&accepted), spread(&canceled)));
        assert_eq!((figures.in_queue_until_accepted, &figures.activities), (in_queue, &activities));
        for seconds in [1, 5, 20, 60] {
            let below = |all: &[Duration]| all.iter().filter(|wait| wait.as_secs_f64() < f64::from(seconds)).count();
            let split = figures.split(seconds);
            assert_eq!(split.below.reservations_accepted as usize, below(&accepted));
            assert_eq!(split.above.reservations_accepted as usize, accepted.len() - below(&accepted));
            assert_eq!(split.below.tasks_canceled as usize, below(&canceled));
            assert_eq!(split.above.tasks_canceled as usize, canceled.len() - below(&canceled));
        }
    }

    /// Time passes until nothing is left to happen.
    fn end(mut self) -> (usize, usize) {
        let wrapping: Vec<TaskSid> =
            self.engine.tasks().filter(|t| t.status == AssignmentStatus::Wrapping).map(|t| t.sid).collect();
        for task in wrapping {
            self.ask(Input::EndTask { task, status: AssignmentStatus::Completed, reason: None });
        }
        for worker in 1..=WORKERS {
            let change = WorkerChange { activity: Some(OFFLINE), ..Default::default() };
            self.ask(Input::UpdateWorker { worker: WorkerSid::from_bits(worker), change });
        }
        while let Some(at) = self.engine.next_deadline() {
            self.now = self.now.max(at);
            self.ask(Input::PutQueue(queue(1)));
        }
        assert_eq!((self.engine.tasks().count(), self.engine.reservations().count()), (0, 0));
        assert_eq!((self.engine.pauses().count(), self.engine.transfers().count()), (0, 0));
        for (task, seen) in &self.task_events {
            let end = [TaskRouterEventType::TaskDeleted, TaskRouterEventType::TaskSystemDeleted];
            assert!(seen.last().is_some_and(|last| end.contains(last)), "{task}: {seen:?}");
        }
        (self.assigned, self.transferred)
    }
}

/// What a decision is made on.
struct Snapshot {
    now: Timestamp,
    multi_task: bool,
    tasks: Vec<Task>,
    transfers: BTreeMap<TransferSid, Transfer>,
    /// Who has, or is offered, what.
    held: BTreeSet<(TaskSid, WorkerSid, ReservationSid)>,
    workers: Vec<Worker>,
    open: Vec<(WorkerSid, TaskChannelSid)>,
    members: BTreeMap<TaskQueueSid, BTreeSet<WorkerSid>>,
    paused: BTreeSet<(TaskSid, WorkerSid)>,
}

impl Snapshot {
    /// The first task that anybody free may have, and to whom it goes.
    fn foremost(&self, engine: &Engine) -> Option<(TaskSid, Vec<WorkerSid>)> {
        let fifo_first = engine.workspace().prioritize_queue_order == TaskOrder::Fifo;
        let mut tasks: Vec<&Task> = self.tasks.iter().collect();
        tasks.sort_by_key(|task| {
            let lifo = task.queue == Some(TaskQueueSid::from_bits(4));
            let start = task.virtual_start.micros();
            (u32::MAX - task.priority, lifo == fifo_first, if lifo { -start } else { start }, task.sid)
        });
        tasks.into_iter().map(|task| (task.sid, self.takers(task))).find(|(_, takers)| !takers.is_empty())
    }

    fn takers(&self, task: &Task) -> Vec<WorkerSid> {
        let mut takers: Vec<&Worker> = self.workers.iter().filter(|worker| self.may_take(task, worker)).collect();
        let transfer = task.transfer.map(|transfer| &self.transfers[&transfer]);
        let of = |worker: WorkerSid| self.held.iter().filter(move |(of, who, _)| *of == task.sid && *who == worker);
        if let Some(transfer) = transfer {
            // Nobody who has it already; if there is nobody else, its initiator, unless offered it just now.
            let mut initiator: Vec<&Worker> = takers.iter().copied().filter(|w| w.sid == transfer.worker).collect();
            initiator.retain(|worker| of(worker.sid).all(|(_, _, held)| *held == transfer.reservation));
            takers.retain(|worker| of(worker.sid).next().is_none());
            takers = if takers.is_empty() { initiator } else { takers };
        }
        let attributes = task.attributes.json();
        let by_level = transfer.is_none()
            && matches!(task.route, Route::Workflow { .. })
            && attributes["kind"] == "level"
            && task.queue == Some(TaskQueueSid::from_bits(1));
        takers.sort_by_key(|worker| {
            let level = worker.attributes.json()["level"].as_i64().map_or(i64::MAX, |level| -level);
            let on = &worker.channels[&task.channel];
            let optimized = task.channel == TaskChannelSid::from_bits(2);
            let (since, last) =
                if optimized { (on.idle_since, on.last_reserved) } else { (worker.idle_since, worker.last_reserved) };
            let mut open = self
                .open
                .iter()
                .filter(|(who, channel)| *who == worker.sid && (!optimized || *channel == task.channel));
            let idle = if open.next().is_some() { (1, last.expect("it has a task")) } else { (0, since) };
            (if by_level { level } else { 0 }, idle, worker.sid)
        });
        let at_once = if task.queue == Some(TaskQueueSid::from_bits(4)) { 3 } else { 1 };
        takers.iter().take(at_once).map(|worker| worker.sid).collect()
    }

    fn may_take(&self, task: &Task, worker: &Worker) -> bool {
        let on = &worker.channels[&task.channel];
        let of_worker = || self.open.iter().filter(|(who, _)| *who == worker.sid);
        let on_channel = of_worker().filter(|(_, channel)| *channel == task.channel).count();
        let room = if self.multi_task {
            on_channel < on.capacity as usize
        } else {
            on.capacity > 0 && of_worker().count() == 0
        };
        let is_free = worker.activity == AVAILABLE && on.available && room;
        let is_member = |queue: TaskQueueSid| self.members[&queue].contains(&worker.sid);
        let (attributes, of_worker) = (task.attributes.json(), worker.attributes.json());
        let fits = match task.route {
            _ if task.transfer.is_some() => is_member(task.queue.expect("it was sent to one")),
            Route::Worker { worker: only, .. } => only == worker.sid,
            Route::Queue(queue) => is_member(queue),
            Route::Workflow { step, .. } => {
                let (queue, step) = (task.queue.expect("it is in a queue"), step.expect("it is somewhere"));
                is_member(queue)
                    && match (step.filter, step.target) {
                        (Some(0), 0) => of_worker["level"]
                            .as_i64()
                            .is_some_and(|level| level >= attributes["min"].as_i64().unwrap_or(9)),
                        (Some(1), 0) => attributes["who"] == worker.friendly_name.as_str(),
                        _ => true,
                    }
            }
        };
        is_free && fits && !self.paused.contains(&(task.sid, worker.sid)) && self.now >= task.created
    }
}

#[test]
fn every_decision_is_what_the_rules_want() {
    let (mut assigned, mut transferred) = (0, 0);
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| {
            let mut afternoon = Afternoon::begin(seed);
            (0..STEPS).for_each(|_| afternoon.something());
            afternoon.end()
        });
        let (decisions, transfers) = run.unwrap_or_else(|_| panic!("seed {seed}"));
        assigned += decisions;
        transferred += transfers;
    }
    assert!(transferred > SEEDS as usize, "{transferred} transfers are too few to prove anything");
    assert!(assigned > 20 * SEEDS as usize, "{assigned} decisions are too few to prove anything");
}

#[test]
fn the_same_seed_is_the_same_afternoon() {
    let run = || {
        let mut afternoon = Afternoon::begin(7);
        (0..STEPS).for_each(|_| afternoon.something());
        (afternoon.reservation_events.clone(), afternoon.engine.tasks().cloned().collect::<Vec<_>>())
    };
    assert_eq!(run(), run());
}

const SEEDS: u64 = 16;
const STEPS: usize = 250;
