//! What it costs to say who gets a task: 10,000 workers, of whom 7,500 may be there at once, 100 queues, 100,000 waiting
//! tasks, of which nobody free may take any. The yardstick is 200 µs an event.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use model::{ActivitySid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, WorkerSid, WorkflowSid};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use taskrouter::{
    Activity, AssignmentStatus, Attributes, CONCURRENT_MAX, Engine, Expression, Input, NewTask, NewWorker, Output,
    RoutingTarget, TaskChannel, TaskOrder, TaskQueue, WorkerChange, Workflow, Workspace,
};

const WORKERS: u128 = 10_000;
const QUEUES: u128 = 100;
const WAITING: u128 = 100_000;
/// Workers and tasks looked at in one piece of work.
const BUDGET: usize = 64;
const AVAILABLE: ActivitySid = ActivitySid::from_bits(1);
const OFFLINE: ActivitySid = ActivitySid::from_bits(2);
const VOICE: TaskChannelSid = TaskChannelSid::from_bits(1);
const WORKFLOW: WorkflowSid = WorkflowSid::from_bits(1);

struct Centre {
    engine: Engine,
    random: StdRng,
    now: Timestamp,
    tasks: u128,
    offers: Vec<(TaskSid, ReservationSid)>,
    /// How long each piece of work took.
    pieces: Vec<Duration>,
}

/// A filter for each queue.
fn workflow() -> Workflow {
    let filters: Vec<_> = (1..=QUEUES)
        .map(|queue| {
            json!({"expression": format!("skill == {queue}"), "targets": [
                {"queue": TaskQueueSid::from_bits(queue).to_string(), "expression": "worker.level >= task.min"}]})
        })
        .collect();
    let configuration = json!({"task_routing": {"filters": filters}}).to_string();
    Workflow::parse(WORKFLOW, "w", &configuration, Duration::from_secs(86_400), |_| true).expect("valid")
}

impl Centre {
    fn busy() -> Self {
        let workspace = Workspace {
            multi_task: true,
            prioritize_queue_order: TaskOrder::Fifo,
            default_activity: Some(OFFLINE),
            timeout_activity: None,
        };
        let mut centre = Self {
            engine: Engine::new(workspace, 1),
            random: StdRng::seed_from_u64(1),
            now: Timestamp::from_micros(0),
            tasks: 0,
            offers: Vec::new(),
            pieces: Vec::new(),
        };
        for (sid, name, available) in [(OFFLINE, "Offline", false), (AVAILABLE, "Available", true)] {
            centre.ask(Input::PutActivity(Activity { sid, friendly_name: name.to_owned(), available }));
        }
        centre.ask(Input::PutChannel(TaskChannel { sid: VOICE, unique_name: "voice".to_owned(), optimized: false }));
        for queue in 1..=QUEUES {
            let expression = Expression::parse(&format!("skills HAS {queue}")).expect("valid");
            centre.ask(Input::PutQueue(TaskQueue {
                sid: TaskQueueSid::from_bits(queue),
                friendly_name: format!("queue {queue}"),
                target_workers: Some(expression),
                max_reserved_workers: 1,
                task_order: TaskOrder::Fifo,
                reservation_activity: None,
                assignment_activity: None,
            }));
        }
        centre.ask(Input::PutWorkflow { workflow: workflow(), re_evaluate: false });
        for worker in 1..=WORKERS {
            let attributes = centre.worker_attributes();
            let friendly_name = format!("worker {worker}");
            let sid = WorkerSid::from_bits(worker);
            let activity = if worker <= CONCURRENT_MAX as u128 { AVAILABLE } else { OFFLINE };
            centre.ask(Input::CreateWorker(NewWorker { sid, friendly_name, attributes, activity }));
        }
        (0..CONCURRENT_MAX as u128 + WAITING).for_each(|_| centre.task());
        centre
    }

    fn worker_attributes(&mut self) -> Attributes {
        let skills: Vec<u128> = (0..10).map(|_| self.random.random_range(1..=QUEUES)).collect();
        let level = self.random.random_range(1..=5);
        Attributes::parse(&json!({"skills": skills, "level": level}).to_string()).expect("valid")
    }

    fn task(&mut self) {
        self.tasks += 1;
        let attributes = json!({"skill": self.random.random_range(1..=QUEUES), "min": self.random.random_range(1..=5)});
        let priority = self.random.random_range(0..3);
        self.ask(Input::CreateTask(NewTask {
            workflow: None,
            sid: TaskSid::from_bits(self.tasks),
            attributes: Attributes::parse(&attributes.to_string()).expect("valid"),
            channel: VOICE,
            priority,
            timeout: Duration::from_secs(1_000_000),
            virtual_start: None,
            to: RoutingTarget::Workflow(WORKFLOW),
        }));
    }

    fn ask(&mut self, input: Input) {
        self.now = self.now + Duration::from_micros(1);
        let mut begun = Instant::now();
        self.engine.handle(self.now, input).expect("allowed");
        loop {
            let more = self.engine.work(self.now, BUDGET);
            while let Some(output) = self.engine.poll() {
                if let Output::Assign { task, reservation, .. } = black_box(output) {
                    self.offers.push((task, reservation));
                }
            }
            while let Some(changed) = self.engine.poll_changed() {
                black_box(changed);
            }
            self.pieces.push(begun.elapsed());
            if !more {
                return;
            }
            begun = Instant::now();
        }
    }

    /// Somebody is done with a task and gets the next; a new one takes its place in the queue.
    fn next_task(&mut self) {
        let at = self.random.random_range(0..self.offers.len());
        let (task, reservation) = self.offers.swap_remove(at);
        self.ask(Input::Accept(reservation));
        self.ask(Input::EndTask { task, status: AssignmentStatus::Completed, reason: None });
        self.ask(Input::DeleteTask(task));
        self.task();
    }

    /// A task comes, waits and is given up.
    fn passing_task(&mut self) {
        self.task();
        self.ask(Input::DeleteTask(TaskSid::from_bits(self.tasks)));
    }

    fn report(&mut self, what: &str) {
        self.pieces.sort_unstable();
        let at = |share: f64| self.pieces.get(((self.pieces.len() as f64 - 1.0) * share) as usize);
        println!("{what}: a piece takes {:?} at the median, {:?} at p99.9, {:?} at most", at(0.5), at(0.999), at(1.0));
        self.pieces.clear();
    }
}

fn workflow_match(c: &mut Criterion) {
    let begun = Instant::now();
    let mut centre = Centre::busy();
    let waiting = centre.engine.tasks().filter(|task| task.status == AssignmentStatus::Pending).count();
    println!("{waiting} tasks wait, {} are offered; set up in {:?}", centre.offers.len(), begun.elapsed());
    centre.report("set-up");
    let mut group = c.benchmark_group("workflow_match");
    group.bench_function("a_task_comes_and_goes", |b| b.iter(|| centre.passing_task()));
    centre.report("a task comes and goes");
    group.bench_function("a_worker_gets_the_next_task", |b| b.iter(|| centre.next_task()));
    centre.report("a worker gets the next task");
    group.bench_function("attributes_change", |b| {
        b.iter(|| {
            let attributes = centre.worker_attributes();
            let worker = centre.random.random_range(1..=WORKERS);
            let change = WorkerChange { attributes: Some(attributes), ..WorkerChange::default() };
            centre.ask(Input::UpdateWorker { worker: WorkerSid::from_bits(worker), change });
        });
    });
    centre.report("attributes change");
    group.finish();
    for (what, re_evaluate) in [("a workflow changes", false), ("every task is evaluated anew", true)] {
        centre.ask(Input::PutWorkflow { workflow: workflow(), re_evaluate });
        println!("{what}: {} pieces, {:?}", centre.pieces.len(), centre.pieces.iter().sum::<Duration>());
        centre.report(what);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    targets = workflow_match
}
criterion_main!(benches);
