//! A day of a contact centre in virtual time: calls by time of day, callers who lose patience, agents in shifts who accept,
//! refuse, oversee, transfer and finish up. What happens is checked all along; the same seed is the same day.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use model::{
    ActivitySid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, TransferSid, WorkerSid, WorkflowSid,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use taskrouter::{
    Activity, AssignmentStatus, Attributes, Counts, Engine, Event, Expression, Input, NewTask, NewTransfer, NewWorker,
    Output, ReservationStatus, Route, RoutingTarget, Scope, Task, TaskChannel, TaskOrder, TaskQueue,
    TaskRouterEventType, TransferMode, TransferTarget, Worker, WorkerChange, Workflow, Workspace,
};

/// How large a day it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) calls: u32,
    pub(crate) agents: u32,
    /// How often the process ends and begins anew from its rows, which nobody may notice.
    pub(crate) restarts: u32,
}

/// What has come of it.
#[derive(Debug)]
pub(crate) struct Report {
    /// Of everything that happened, in order.
    pub(crate) digest: u64,
    pub(crate) table: String,
    /// What workspace statistics say of the whole day.
    pub(crate) counts: Counts,
    /// How long [`Engine::handle`] and one [`Engine::work`] took at most, and all of them together.
    pub(crate) slowest: Duration,
    pub(crate) busy: Duration,
}

/// What somebody outside does, sooner or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Call(u32),
    LosesPatience(TaskSid),
    Answers(ReservationSid),
    Refuses(ReservationSid),
    CannotBeReached(ReservationSid),
    Transfers(ReservationSid),
    HangsUp(ReservationSid),
    IsDone(ReservationSid),
    Begins(WorkerSid),
    Ends(WorkerSid),
    Restart,
    Look,
}

struct Day {
    plan: Plan,
    engine: Engine,
    random: StdRng,
    now: Timestamp,
    agenda: BinaryHeap<Reverse<(Timestamp, u64, Happening)>>,
    planned: u64,
    /// Whose shift it is.
    on_duty: BTreeSet<WorkerSid>,
    transfers: u128,
    digest: u64,
    seen: Counts,
    report: String,
    waiting_most: u32,
    slowest: Duration,
    busy: Duration,
}

/// Lives through a day, or panics with what is wrong and the seed.
pub(crate) fn live(plan: Plan) -> Report {
    let mut day = Day::dawn(plan);
    while let Some(at) = day.next() {
        day.now = day.now.max(at);
        match day.agenda.peek() {
            Some(Reverse((planned, _, _))) if *planned <= day.now => {
                let Some(Reverse((_, _, happening))) = day.agenda.pop() else { break };
                day.happen(happening);
            }
            _ => day.follow(),
        }
    }
    day.dusk()
}

impl Day {
    fn dawn(plan: Plan) -> Self {
        let workspace = Workspace {
            multi_task: true,
            prioritize_queue_order: TaskOrder::Fifo,
            default_activity: Some(OFFLINE),
            timeout_activity: Some(OFFLINE),
        };
        let mut day = Self {
            plan,
            engine: Engine::new(workspace, plan.seed),
            random: StdRng::seed_from_u64(plan.seed),
            now: MIDNIGHT,
            agenda: BinaryHeap::new(),
            planned: 0,
            on_duty: BTreeSet::new(),
            transfers: 0,
            digest: 0xcbf2_9ce4_8422_2325,
            seen: Counts::default(),
            report: String::from("hour  calls  accepted  abandoned  longest wait  average  waiting at most  agents\n"),
            waiting_most: 0,
            slowest: Duration::ZERO,
            busy: Duration::ZERO,
        };
        for (sid, name, available) in
            [(OFFLINE, "Offline", false), (AVAILABLE, "Available", true), (BREAK, "Break", false)]
        {
            day.ask(Input::PutActivity(Activity { sid, friendly_name: name.to_owned(), available }));
        }
        for (sid, name) in [(VOICE, "voice"), (CHAT, "chat")] {
            day.ask(Input::PutChannel(TaskChannel { sid, unique_name: name.to_owned(), optimized: sid == CHAT }));
        }
        day.queues();
        for number in 1..=plan.agents {
            day.agent(number);
        }
        for number in 0..plan.calls {
            let at = day.time_of_call();
            day.plan_at(at, Happening::Call(number));
        }
        for hour in 1..=26 {
            day.plan_at(MIDNIGHT + HOUR * hour, Happening::Look);
        }
        for _ in 0..plan.restarts {
            // Drawn apart, so that a day with restarts is the same as one without.
            let hour = StdRng::seed_from_u64(plan.seed ^ day.planned).random_range(0..24);
            day.plan_at(MIDNIGHT + HOUR * hour + Duration::from_secs(1_799), Happening::Restart);
        }
        day
    }

    /// A queue for each language and product, one for each language, and a workflow that goes from one to the other.
    fn queues(&mut self) {
        let mut filters = Vec::new();
        for (at, language) in (0..).zip(LANGUAGES) {
            let wide = TaskQueueSid::from_bits(100 + at);
            let mut queues = vec![(wide, format!("languages HAS \"{language}\""), 2)];
            for (product_at, product) in (0..).zip(PRODUCTS) {
                let narrow = TaskQueueSid::from_bits(1 + at * 10 + product_at);
                queues.push((narrow, format!("languages HAS \"{language}\" AND products HAS \"{product}\""), 1));
                let [narrow, wide] = [narrow, wide].map(|queue| queue.to_string());
                filters.push(json!({
                    "filter_friendly_name": format!("{language} {product}"),
                    "expression": format!("language == \"{language}\" AND product == \"{product}\""),
                    "targets": [
                        {"queue": narrow, "expression": "worker.level >= task.level", "order_by": "worker.level ASC",
                         "skip_if": "workers.available == 0", "timeout": 30},
                        {"queue": narrow, "timeout": 60},
                        {"queue": wide, "priority": 10, "timeout": 1200}],
                }));
            }
            for (sid, target_workers, max_reserved_workers) in queues {
                self.ask(Input::PutQueue(TaskQueue {
                    sid,
                    friendly_name: target_workers.clone(),
                    target_workers: Expression::parse(&target_workers).ok(),
                    max_reserved_workers,
                    task_order: TaskOrder::Fifo,
                    reservation_activity: None,
                    assignment_activity: None,
                }));
            }
        }
        let configuration = json!({"task_routing": {"filters": filters}}).to_string();
        let workflow = Workflow::parse(WORKFLOW, "calls", &configuration, Duration::from_secs(20), |_| true);
        self.ask(Input::PutWorkflow { workflow: workflow.expect("valid"), re_evaluate: false });
    }

    fn agent(&mut self, number: u32) {
        let sid = WorkerSid::from_bits(number.into());
        let mut languages = vec![LANGUAGES[number as usize % LANGUAGES.len()]];
        languages.extend(LANGUAGES.iter().filter(|_| self.random.random_bool(0.2)));
        let mut products = vec![PRODUCTS[(number / 4) as usize % PRODUCTS.len()]];
        products.extend(PRODUCTS.iter().filter(|_| self.random.random_bool(0.3)));
        let attributes =
            json!({"languages": languages, "products": products, "level": self.random.random_range(1..=5)});
        let attributes = Attributes::parse(&attributes.to_string()).expect("valid");
        let friendly_name = format!("agent {number}");
        self.ask(Input::CreateWorker(NewWorker { sid, friendly_name, attributes, activity: OFFLINE }));
        let (worker, channel, capacity) = (sid, CHAT, Some(2));
        self.ask(Input::UpdateWorkerChannel { worker, channel, capacity, available: None });
        let share = f64::from(number) / f64::from(self.plan.agents);
        let begins = SHIFTS.iter().find(|(_, until)| share <= *until).map_or(8, |(hour, _)| *hour);
        let begins = MIDNIGHT + HOUR * begins + self.between(0, 600);
        self.plan_at(begins, Happening::Begins(sid));
        self.plan_at(begins + HOUR * 4, Happening::Ends(sid)); // lunch
        self.plan_at(begins + HOUR * 4 + Duration::from_secs(1_800), Happening::Begins(sid));
        self.plan_at(begins + HOUR * 8, Happening::Ends(sid));
    }

    fn time_of_call(&mut self) -> Timestamp {
        let mut draw = self.random.random_range(0..CALLS_BY_HOUR.iter().sum::<u32>());
        let mut hour = 0;
        for (at, share) in (0..).zip(CALLS_BY_HOUR) {
            hour = at;
            if draw < share {
                break;
            }
            draw -= share;
        }
        MIDNIGHT + HOUR * hour + Duration::from_micros(self.random.random_range(0..3_600_000_000))
    }

    fn between(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(self.random.random_range(from * 1_000_000..to * 1_000_000))
    }

    /// Often little, at times much: around `mean` seconds.
    fn about(&mut self, mean: f64) -> Duration {
        let share: f64 = self.random.random_range(0.001..1.0);
        Duration::from_secs_f64((-share.ln() * mean).max(1.0))
    }

    fn plan_at(&mut self, at: Timestamp, happening: Happening) {
        self.planned += 1;
        self.agenda.push(Reverse((at, self.planned, happening)));
    }

    fn plan(&mut self, after: Duration, happening: Happening) {
        self.plan_at(self.now + after, happening);
    }

    fn next(&self) -> Option<Timestamp> {
        let planned = self.agenda.peek().map(|Reverse((at, _, _))| *at);
        planned.into_iter().chain(self.engine.next_deadline()).min()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Call(number) => {
                let sid = TaskSid::from_bits(u128::from(number) + 1);
                let language = LANGUAGES[[0, 0, 0, 0, 1, 1, 2, 3][self.random.random_range(0..8)]];
                let product = PRODUCTS[self.random.random_range(0..PRODUCTS.len())];
                let level = self.random.random_range(1..=5);
                let attributes = json!({"language": language, "product": product, "level": level}).to_string();
                let patience = Duration::from_secs(20) + self.about(240.0);
                let channel = if self.random.random_bool(0.1) { CHAT } else { VOICE };
                let priority = u32::from(self.random.random_bool(0.05));
                self.ask(Input::CreateTask(NewTask {
                    workflow: None,
                    sid,
                    attributes: Attributes::parse(&attributes).expect("valid"),
                    channel,
                    priority,
                    timeout: HOUR,
                    virtual_start: None,
                    to: RoutingTarget::Workflow(WORKFLOW),
                }));
                self.plan(patience, Happening::LosesPatience(sid));
            }
            Happening::LosesPatience(task) => {
                let waits = [AssignmentStatus::Pending, AssignmentStatus::Reserved];
                if self.engine.task(task).is_some_and(|task| waits.contains(&task.status)) {
                    let reason = Some("hangup".to_owned());
                    self.ask(Input::EndTask { task, status: AssignmentStatus::Canceled, reason });
                }
            }
            Happening::Answers(reservation) => self.ask_if(reservation, PENDING, Input::Accept(reservation)),
            Happening::Refuses(reservation) => {
                self.ask_if(reservation, PENDING, Input::Reject { reservation, activity: Some(BREAK) });
            }
            Happening::CannotBeReached(reservation) => {
                self.ask_if(reservation, PENDING, Input::Fail { reservation, code: 13_224 });
            }
            Happening::Transfers(reservation) => self.transfer(reservation),
            Happening::HangsUp(reservation) => {
                self.ask_if(reservation, ReservationStatus::Accepted, Input::Wrap(reservation));
            }
            Happening::IsDone(reservation) => {
                self.ask_if(reservation, ReservationStatus::Wrapping, Input::Complete(reservation));
            }
            Happening::Begins(worker) => {
                self.on_duty.insert(worker);
                self.activity(worker, AVAILABLE);
            }
            Happening::Ends(worker) => {
                self.on_duty.remove(&worker);
                self.activity(worker, OFFLINE);
            }
            Happening::Restart => self.restart(),
            Happening::Look => self.look(),
        }
    }

    fn ask_if(&mut self, reservation: ReservationSid, status: ReservationStatus, input: Input) {
        if self.engine.reservation(reservation).is_some_and(|row| row.status == status) {
            self.ask(input);
        }
    }

    fn activity(&mut self, worker: WorkerSid, activity: ActivitySid) {
        let change = WorkerChange { activity: Some(activity), ..WorkerChange::default() };
        self.ask(Input::UpdateWorker { worker, change });
    }

    fn transfer(&mut self, reservation: ReservationSid) {
        let Some(row) = self.engine.reservation(reservation) else { return };
        let task = row.task;
        let Some(queue) = self.engine.task(task).and_then(|task| task.queue) else { return };
        let colleague = self.engine.members(queue).find(|other| *other > row.worker);
        let to = match colleague.filter(|_| self.random.random_bool(0.5)) {
            Some(worker) => TransferTarget::Worker(worker),
            None => TransferTarget::Queue(queue),
        };
        let mode = if self.random.random_bool(0.5) { TransferMode::Warm } else { TransferMode::Cold };
        self.transfers += 1;
        let sid = TransferSid::from_bits(self.transfers);
        let input = Input::Transfer(NewTransfer { sid, reservation, to, mode, priority: None, attributes: None });
        let begun = Instant::now();
        // Refused when the colleague is not free, or the call is over.
        let is_done = self.engine.handle(self.now, input).is_ok();
        self.took(begun);
        self.follow();
        if is_done {
            self.plan(Duration::from_secs(300), Happening::LosesPatience(task));
        }
    }

    /// Does what must be allowed.
    fn ask(&mut self, input: Input) {
        let begun = Instant::now();
        let done = self.engine.handle(self.now, input.clone());
        self.took(begun);
        assert_eq!(done, Ok(()), "seed {}: {input:?}", self.plan.seed);
        self.follow();
    }

    fn took(&mut self, begun: Instant) {
        let took = begun.elapsed();
        self.slowest = self.slowest.max(took);
        self.busy += took;
    }

    /// Everything that follows.
    fn follow(&mut self) {
        loop {
            let begun = Instant::now();
            let more = self.engine.work(self.now, BUDGET);
            self.took(begun);
            while let Some(output) = self.engine.poll() {
                match output {
                    Output::Event(event) => self.hear(&event),
                    Output::Assign { reservation, .. } => self.offer(reservation),
                    Output::Warning { code, task, .. } => panic!("seed {}: {code} of {task}", self.plan.seed),
                }
            }
            while self.engine.poll_changed().is_some() {}
            while self.engine.poll_bucket().is_some() {}
            if !more {
                return;
            }
        }
    }

    fn offer(&mut self, reservation: ReservationSid) {
        let after = self.between(2, 12);
        match self.random.random_range(0..100) {
            0..92 => self.plan(after, Happening::Answers(reservation)),
            92..95 => self.plan(after, Happening::Refuses(reservation)),
            95..98 => self.plan(after, Happening::CannotBeReached(reservation)),
            _ => {} // overlooked
        }
    }

    fn hear(&mut self, event: &Event) {
        use TaskRouterEventType as E;
        self.digest(event);
        let worker = event.worker.as_ref().map(|worker| worker.sid);
        let reservation = event.reservation.as_ref().map(|reservation| reservation.sid);
        match (event.kind, reservation, worker) {
            (E::TaskCreated, ..) => self.seen.tasks_entered += 1,
            (E::TaskCanceled, ..) => self.seen.tasks_canceled += 1,
            (E::TaskCompleted, ..) => self.seen.tasks_completed += 1,
            (E::TaskDeleted, ..) => {} // by itself, which is not counted
            (E::TaskSystemDeleted, ..) => panic!("seed {}: a task was forgotten", self.plan.seed),
            (E::TaskQueueMoved, ..) => self.seen.tasks_moved += 1,
            (E::WorkflowTimeout, ..) => self.seen.tasks_timed_out_in_workflow += 1,
            (E::ReservationCreated, _, Some(worker)) => {
                self.seen.reservations_created += 1;
                self.check_worker(self.engine.worker(worker).expect("it is there"));
            }
            (E::ReservationAccepted, Some(reservation), _) => {
                self.seen.reservations_accepted += 1;
                let handling = self.about(170.0);
                self.plan(handling, Happening::HangsUp(reservation));
                if self.random.random_bool(0.04) {
                    self.plan(handling / 2, Happening::Transfers(reservation));
                }
                self.check_task(event.task.as_ref().map(|task| task.sid).expect("it has one"));
            }
            (E::ReservationWrapup, Some(reservation), _) => {
                let after = self.between(5, 35);
                self.plan(after, Happening::IsDone(reservation));
            }
            (E::ReservationRejected | E::ReservationTimeout, _, Some(worker)) => {
                *(if event.kind == E::ReservationRejected {
                    &mut self.seen.reservations_rejected
                } else {
                    &mut self.seen.reservations_timed_out
                }) += 1;
                if self.on_duty.contains(&worker) {
                    self.plan(Duration::from_secs(120), Happening::Begins(worker));
                }
            }
            (E::ReservationCanceled, ..) => self.seen.reservations_canceled += 1,
            (E::ReservationRescinded, ..) => self.seen.reservations_rescinded += 1,
            (E::TaskTransferCompleted, Some(reservation), _) => {
                self.plan(Duration::from_secs(20), Happening::HangsUp(reservation));
            }
            _ => {}
        }
    }

    /// FNV-1a over what happened, to what and to whom. A reservation's own SID is drawn anew after a restart.
    fn digest(&mut self, event: &Event) {
        let mut line = format!("{} {}", event.at.micros(), event.kind.as_str());
        if let Some(task) = &event.task {
            let _ = write!(line, " {} {:?} {}", task.sid, task.status, task.version);
        }
        if let Some(worker) = &event.worker {
            let _ = write!(line, " {} {} {}", worker.sid, worker.activity, worker.version);
        }
        for byte in line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn restart(&mut self) {
        let (engine, mended) = Engine::restore(self.now, self.plan.seed ^ self.planned, self.engine.save());
        assert_eq!(mended, [], "seed {}", self.plan.seed);
        self.engine = engine;
        self.follow();
    }

    /// Once an hour: everything is as it should be, and a line of the table.
    fn look(&mut self) {
        let seed = self.plan.seed;
        self.engine.workers().for_each(|worker| self.check_worker(worker));
        let tasks: Vec<TaskSid> = self.engine.tasks().map(|task| task.sid).collect();
        tasks.into_iter().for_each(|task| self.check_task(task));
        for task in self.engine.tasks().filter(|task| task.status == AssignmentStatus::Pending) {
            let idle = self.engine.workers().find(|worker| self.may_take(task, worker));
            assert_eq!(idle.map(|worker| worker.sid), None, "seed {seed}: idles while {} waits", task.sid);
        }
        let from = Timestamp::from_micros(self.now.micros() - 3_600_000_000);
        let hour = self.engine.cumulative(self.now, Scope::Workspace, None, (from, self.now), true).figures;
        let now = self.engine.real_time(self.now, Scope::Workspace, None);
        let _ = writeln!(
            self.report,
            "{:4}  {:5}  {:8}  {:9}  {:11}s  {:6}s  {:15}  {:6}",
            (from.micros() - MIDNIGHT.micros()) / 3_600_000_000,
            hour.counts.tasks_entered,
            hour.counts.reservations_accepted,
            hour.counts.tasks_canceled,
            hour.until_accepted.max.as_secs(),
            hour.until_accepted.avg().as_secs(),
            std::mem::take(&mut self.waiting_most).max(now.tasks.pending),
            now.available_workers,
        );
    }

    fn check_worker(&self, worker: &Worker) {
        for (channel, on) in &worker.channels {
            let open = worker.open.iter().filter_map(|reservation| self.engine.reservation(*reservation));
            let open = open.filter(|reservation| reservation.channel == *channel).count();
            assert!(
                open == on.open as usize && on.open <= on.capacity,
                "seed {}: {} has {open} of {}",
                self.plan.seed,
                worker.sid,
                on.capacity
            );
        }
    }

    fn check_task(&self, sid: TaskSid) {
        let Some(task) = self.engine.task(sid) else { return };
        let of = |status: ReservationStatus| {
            let all = task.reservations.iter().filter_map(|reservation| self.engine.reservation(*reservation));
            all.filter(|reservation| reservation.status == status).count()
        };
        let accepted = of(ReservationStatus::Accepted);
        let one = accepted <= 1 || !task.transfers.is_empty();
        let stands = match task.status {
            AssignmentStatus::Assigned => accepted > 0 && of(PENDING) == 0,
            AssignmentStatus::Reserved => of(PENDING) > 0,
            AssignmentStatus::Wrapping => accepted == 0 && of(ReservationStatus::Wrapping) > 0,
            AssignmentStatus::Pending => of(PENDING) == 0 && (accepted == 0 || task.transfer.is_some()),
            AssignmentStatus::Completed | AssignmentStatus::Canceled => accepted + of(PENDING) == 0,
        };
        assert!(one && stands, "seed {}: {task:?}", self.plan.seed);
    }

    /// The rules once more, without indexes.
    fn may_take(&self, task: &Task, worker: &Worker) -> bool {
        let on = &worker.channels[&task.channel];
        let is_free = worker.activity == AVAILABLE && on.open < on.capacity;
        let is_member = task.queue.is_some_and(|queue| self.engine.members(queue).any(|member| member == worker.sid));
        let is_paused = self.engine.pauses().any(|(of, who, _)| (of, who) == (task.sid, worker.sid));
        let has_it = worker.open.iter().filter_map(|reservation| self.engine.reservation(*reservation));
        let has_it = has_it.into_iter().any(|reservation| reservation.task == task.sid);
        let level = |json: &serde_json::Value| json["level"].as_i64();
        let is_first_target = matches!(task.route, Route::Workflow { step: Some(step), .. } if step.target == 0)
            && task.transfer.is_none();
        let fits = !is_first_target || level(worker.attributes.json()) >= level(task.attributes.json());
        is_free && is_member && fits && !is_paused && !has_it
    }

    /// The day is over: nobody waits, nothing is left.
    fn dusk(self) -> Report {
        let seed = self.plan.seed;
        let left = (self.engine.tasks().count(), self.engine.reservations().count(), self.engine.transfers().count());
        assert_eq!(left, (0, 0, 0), "seed {seed}: tasks, reservations and transfers that stay");
        assert_eq!((self.engine.pauses().count(), self.engine.next_deadline()), (0, None), "seed {seed}");
        assert!(self.engine.workers().all(|worker| worker.open.is_empty()), "seed {seed}: work without end");
        let counts =
            self.engine.cumulative(self.now, Scope::Workspace, None, (MIDNIGHT, self.now + HOUR), true).figures.counts;
        assert_eq!(counts, self.seen, "seed {seed}: what statistics say, and what happened");
        assert_eq!((counts.tasks_entered, self.engine.lost_statistics()), (self.plan.calls, 0), "seed {seed}");
        Report { digest: self.digest, table: self.report, counts, slowest: self.slowest, busy: self.busy }
    }
}

const OFFLINE: ActivitySid = ActivitySid::from_bits(1);
const AVAILABLE: ActivitySid = ActivitySid::from_bits(2);
const BREAK: ActivitySid = ActivitySid::from_bits(3);
const VOICE: TaskChannelSid = TaskChannelSid::from_bits(1);
const CHAT: TaskChannelSid = TaskChannelSid::from_bits(2);
const WORKFLOW: WorkflowSid = WorkflowSid::from_bits(1);
const PENDING: ReservationStatus = ReservationStatus::Pending;
const LANGUAGES: [&str; 4] = ["en", "de", "fr", "es"];
const PRODUCTS: [&str; 3] = ["billing", "technology", "sales"];
const HOUR: Duration = Duration::from_secs(3_600);
/// 2026-01-05, a Monday.
const MIDNIGHT: Timestamp = Timestamp::from_micros(1_767_571_200_000_000);
/// Shares of the day's calls.
const CALLS_BY_HOUR: [u32; 24] = [1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 18, 16, 14, 15, 16, 15, 13, 10, 7, 5, 4, 3, 2, 1];
/// When shifts of eight hours begin, and up to which share of the agents has begun by then.
const SHIFTS: [(u32, f64); 6] = [(0, 0.06), (6, 0.16), (8, 0.56), (9, 0.68), (12, 0.84), (16, 1.0)];
/// Workers and tasks looked at in one piece of work.
const BUDGET: usize = 64;
