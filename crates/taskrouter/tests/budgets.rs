//! No event looks at more than its budget, however many workers, queues and tasks there are: counted, not timed.

use std::time::Duration;

use model::{ActivitySid, TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, WorkerSid, WorkflowSid};
use serde_json::json;
use taskrouter::{
    Activity, AssignmentStatus, Attributes, Engine, Expression, Input, NewTask, NewWorker, Output, RoutingTarget,
    TaskChannel, TaskOrder, TaskQueue, WorkerChange, Workflow, Workspace,
};

const AVAILABLE: ActivitySid = ActivitySid::from_bits(1);
const OFFLINE: ActivitySid = ActivitySid::from_bits(2);
const VOICE: TaskChannelSid = TaskChannelSid::from_bits(1);
const CHAT: TaskChannelSid = TaskChannelSid::from_bits(2);
const WORKFLOW: WorkflowSid = WorkflowSid::from_bits(1);
const WORKERS: u128 = 800;
const QUEUES: u128 = 40;
const TASKS: u128 = 6_000;
const BUDGET: usize = 50;
/// What an event may look at beside its budget: the task or worker it is about, its reservations and queues.
const OWN: u64 = 50;

struct Centre {
    engine: Engine,
    now: Timestamp,
    tasks: u128,
    offers: usize,
    /// Of the events since this was asked last: how many pieces, and how many looks the longest took.
    pieces: usize,
    longest: u64,
}

fn workspace(order: TaskOrder) -> Workspace {
    Workspace {
        multi_task: true,
        prioritize_queue_order: order,
        default_activity: Some(OFFLINE),
        timeout_activity: None,
    }
}

fn channel(sid: TaskChannelSid, unique_name: &str) -> Input {
    Input::PutChannel(TaskChannel { sid, unique_name: unique_name.to_owned(), optimized: false })
}

fn queue(sid: u128, target_workers: &str, task_order: TaskOrder) -> TaskQueue {
    TaskQueue {
        sid: TaskQueueSid::from_bits(sid),
        friendly_name: format!("queue {sid}"),
        target_workers: Expression::parse(target_workers).ok(),
        max_reserved_workers: 1,
        task_order,
        reservation_activity: None,
        assignment_activity: None,
    }
}

fn activity(sid: ActivitySid, friendly_name: &str) -> Input {
    Input::PutActivity(Activity { sid, friendly_name: friendly_name.to_owned(), available: sid == AVAILABLE })
}

/// A filter for whoever is named, one for each of the queues but the last, whose target is skipped for want of workers,
/// and the rest.
fn workflow(level: &str) -> Workflow {
    let named = |queue: u128| TaskQueueSid::from_bits(queue).to_string();
    let mut filters = vec![json!({"expression": "agent != null", "targets": [
        {"queue": named(1), "known_worker_friendly_name": "task.agent"}]})];
    filters.extend((1..QUEUES).map(|queue| {
        json!({"expression": format!("skill == {queue}"), "targets": [
            {"queue": named(queue), "expression": format!("worker.level >= {level}")}]})
    }));
    filters.push(json!({"expression": "skill == 1000", "targets": [
        {"queue": named(1), "expression": "worker.level > 100", "skip_if": "workers.available == 0"},
        {"queue": named(2), "expression": "worker.level > 100"}]}));
    let configuration = json!({"task_routing": {"filters": filters}}).to_string();
    Workflow::parse(WORKFLOW, "w", &configuration, Duration::from_secs(120), |_| true).expect("valid")
}

impl Centre {
    /// Everybody is in half of the queues, and nobody suits any of the tasks.
    fn new() -> Self {
        let engine = Engine::new(workspace(TaskOrder::Fifo), 1);
        let now = Timestamp::from_micros(1_000_000);
        let mut centre = Self { engine, now, tasks: 0, offers: 0, pieces: 0, longest: 0 };
        centre.ask(activity(AVAILABLE, "Available"));
        centre.ask(activity(OFFLINE, "Offline"));
        centre.ask(channel(VOICE, "voice"));
        for sid in 1..=QUEUES {
            let parity = sid % 2;
            centre.ask(Input::PutQueue(queue(sid, &format!("parity == {parity}"), TaskOrder::Fifo)));
        }
        centre.ask(Input::PutWorkflow { workflow: workflow("task.min"), re_evaluate: false });
        (1..=WORKERS).for_each(|worker| centre.worker(worker, &format!("worker {worker}")));
        (0..TASKS).for_each(|nth| match nth % 8 {
            0 => centre.task(r#"{"agent":"nobody"}"#),
            _ => centre.task(&format!(r#"{{"skill":{},"min":10}}"#, nth % (QUEUES - 1) + 1)),
        });
        centre
    }

    fn worker(&mut self, number: u128, friendly_name: &str) {
        let attributes = Attributes::parse(&format!(r#"{{"parity":{},"level":5}}"#, number % 2)).expect("valid");
        let (sid, friendly_name) = (WorkerSid::from_bits(number), friendly_name.to_owned());
        self.ask(Input::CreateWorker(NewWorker { sid, friendly_name, attributes, activity: AVAILABLE }));
    }

    fn task(&mut self, attributes: &str) {
        self.tasks += 1;
        self.ask(Input::CreateTask(NewTask {
            workflow: None,
            sid: TaskSid::from_bits(self.tasks),
            attributes: Attributes::parse(attributes).expect("valid"),
            channel: VOICE,
            priority: 0,
            timeout: Duration::from_secs(86_400),
            virtual_start: None,
            to: RoutingTarget::Workflow(WORKFLOW),
        }));
    }

    fn ask(&mut self, input: Input) {
        self.now = self.now + Duration::from_micros(1);
        let before = self.engine.steps();
        self.engine.handle(self.now, input).expect("allowed");
        self.counted(before);
        loop {
            let before = self.engine.steps();
            let has_more = self.engine.work(self.now, BUDGET);
            self.counted(before);
            while let Some(output) = self.engine.poll() {
                self.offers += usize::from(matches!(output, Output::Assign { .. }));
            }
            while self.engine.poll_changed().is_some() {}
            if !has_more {
                return;
            }
        }
    }

    fn counted(&mut self, before: u64) {
        self.pieces += 1;
        self.longest = self.longest.max(self.engine.steps() - before);
    }
}

#[test]
fn no_event_looks_at_more_than_its_budget() {
    struct Case {
        what: &'static str,
        ask: fn(&mut Centre),
        /// It is too much for one piece.
        is_long: bool,
    }
    let cases = [
        Case {
            what: "which queues come first",
            ask: |centre| centre.ask(Input::SetWorkspace(workspace(TaskOrder::Lifo))),
            is_long: true,
        },
        Case { what: "a channel comes", ask: |centre| centre.ask(channel(CHAT, "chat")), is_long: true },
        Case { what: "a channel changes", ask: |centre| centre.ask(channel(CHAT, "chats")), is_long: true },
        Case { what: "a channel goes", ask: |centre| centre.ask(Input::DeleteChannel(CHAT)), is_long: true },
        Case {
            what: "an activity has another name",
            ask: |centre| centre.ask(activity(AVAILABLE, "Ready")),
            is_long: true,
        },
        Case {
            what: "a queue's order",
            ask: |centre| centre.ask(Input::PutQueue(queue(1, "parity == 1", TaskOrder::Lifo))),
            is_long: true,
        },
        Case {
            what: "a queue's workers",
            ask: |centre| centre.ask(Input::PutQueue(queue(1, "1==1", TaskOrder::Lifo))),
            is_long: true,
        },
        Case {
            what: "a workflow, for tasks that stay",
            ask: |centre| centre.ask(Input::PutWorkflow { workflow: workflow("20"), re_evaluate: false }),
            is_long: false,
        },
        Case {
            what: "a workflow, for all anew",
            ask: |centre| centre.ask(Input::PutWorkflow { workflow: workflow("task.least"), re_evaluate: true }),
            is_long: true,
        },
        Case {
            what: "a worker whom thousands of tasks ask for",
            ask: |centre| {
                centre.worker(WORKERS + 1, "Nobody else");
                let (worker, change) = (WorkerSid::from_bits(WORKERS + 1), WorkerChange::default());
                let change = WorkerChange { friendly_name: Some("nobody".to_owned()), ..change };
                centre.ask(Input::UpdateWorker { worker, change });
            },
            is_long: true,
        },
        Case {
            what: "a worker goes whom thousands of tasks ask for",
            ask: |centre| {
                let task = centre.engine.reservations().find(|r| r.worker == WorkerSid::from_bits(WORKERS + 1));
                let task = task.expect("one of them").task;
                centre.ask(Input::EndTask { task, status: AssignmentStatus::Canceled, reason: None });
                let next = centre.engine.reservations().find(|r| r.status.is_open()).expect("the next").sid;
                centre.ask(Input::Reject { reservation: next, activity: Some(OFFLINE) });
                centre.ask(Input::DeleteWorker(WorkerSid::from_bits(WORKERS + 1)));
            },
            is_long: true,
        },
        Case {
            what: "a task of a new kind, for which everybody is looked at in vain",
            ask: |centre| centre.task(r#"{"skill":1,"least":11}"#),
            is_long: true,
        },
        Case {
            what: "a target is skipped for which nobody is there",
            ask: |centre| centre.task(r#"{"skill":1000}"#),
            is_long: true,
        },
        Case {
            what: "a queue goes",
            ask: |centre| centre.ask(Input::DeleteQueue(TaskQueueSid::from_bits(QUEUES))),
            is_long: true,
        },
        Case {
            what: "a worker's activity",
            ask: |centre| {
                let (worker, activity) = (WorkerSid::from_bits(1), Some(OFFLINE));
                let change = WorkerChange { activity, ..WorkerChange::default() };
                centre.ask(Input::UpdateWorker { worker, change });
            },
            is_long: false,
        },
    ];
    let mut centre = Centre::new();
    println!("set up: {} looks in the longest of {} pieces", centre.longest, centre.pieces);
    assert!(centre.longest <= BUDGET as u64 + OWN, "{}", centre.longest);
    for Case { what, ask, is_long } in cases {
        (centre.pieces, centre.longest) = (0, 0);
        ask(&mut centre);
        println!("{what}: {} looks in the longest of {} pieces", centre.longest, centre.pieces);
        assert!(centre.longest <= BUDGET as u64 + OWN, "{what}: {} looks", centre.longest);
        assert!(!is_long || centre.pieces > 5, "{what}: {} pieces", centre.pieces);
    }
    assert!(centre.offers >= 2, "those who asked for nobody");
    let mut pieces = 1;
    while centre.engine.dissolve(BUDGET) {
        pieces += 1;
    }
    assert!(pieces >= TASKS as usize / BUDGET, "a workspace goes piece by piece: {pieces}");
    assert_eq!(centre.engine.tasks().count() + centre.engine.workers().count(), 0);
}

/// The looks that a task costs that comes and waits, and one that is taken, by how many wait.
#[test]
fn what_a_decision_costs_hardly_grows_with_the_tasks_that_wait() {
    let mut costs = Vec::new();
    for waiting in [200, 2_000, 20_000_u128] {
        let mut centre = Centre::small();
        (0..waiting).for_each(|nth| centre.task(&format!(r#"{{"skill":{},"min":10}}"#, nth % 3 + 1)));
        centre.task(r#"{"skill":1,"min":1}"#);
        (1..=3).for_each(|number| {
            let (worker, activity) = (WorkerSid::from_bits(number), Some(AVAILABLE));
            let change = WorkerChange { activity, ..WorkerChange::default() };
            centre.ask(Input::UpdateWorker { worker, change });
        });
        let cost = |centre: &mut Centre, act: &dyn Fn(&mut Centre)| {
            let before = centre.engine.steps();
            act(centre);
            centre.engine.steps() - before
        };
        assert_eq!(centre.offers, 1, "the one that somebody suits");
        let waits = cost(&mut centre, &|centre| centre.task(r#"{"skill":1,"min":10}"#));
        let is_taken = cost(&mut centre, &|centre| centre.task(r#"{"skill":2,"min":1}"#));
        let is_asked_for = cost(&mut centre, &|centre| centre.task(r#"{"agent":"worker 3"}"#));
        assert_eq!(centre.offers, 3);
        let reservation = centre.engine.reservations().find(|r| r.status.is_open()).expect("an offer").sid;
        let comes_back =
            cost(&mut centre, &|centre| centre.ask(Input::Reject { reservation, activity: Some(OFFLINE) }));
        costs.push((waiting, [waits, is_taken, is_asked_for, comes_back]));
    }
    println!("looks at tasks, workers and queues, by tasks that wait: {costs:?}");
    for (waiting, cost) in &costs {
        assert_eq!(*cost, costs[0].1, "{waiting} wait"); // each look is one in a tree: the log is in there
    }
}

impl Centre {
    /// Three workers who are not at work.
    fn small() -> Self {
        let engine = Engine::new(workspace(TaskOrder::Fifo), 1);
        let now = Timestamp::from_micros(1_000_000);
        let mut centre = Self { engine, now, tasks: 0, offers: 0, pieces: 0, longest: 0 };
        centre.ask(activity(AVAILABLE, "Available"));
        centre.ask(activity(OFFLINE, "Offline"));
        centre.ask(channel(VOICE, "voice"));
        (1..=QUEUES).for_each(|sid| centre.ask(Input::PutQueue(queue(sid, "1==1", TaskOrder::Fifo))));
        centre.ask(Input::PutWorkflow { workflow: workflow("task.min"), re_evaluate: false });
        for number in 1..=3 {
            centre.worker(number, &format!("worker {number}"));
            let (worker, activity) = (WorkerSid::from_bits(number), Some(OFFLINE));
            centre.ask(Input::UpdateWorker { worker, change: WorkerChange { activity, ..WorkerChange::default() } });
        }
        centre
    }
}
