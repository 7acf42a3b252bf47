//! No time passes between a worker who becomes available and the question to the application (taskrouter §8).
//!
//! Every case ends without [`World::run_for`]: what is asked then was asked in the very moment, by no timer and no pass over
//! what waits. What the wire adds is `benches/assignment`'s to measure.

use std::time::Duration;

use model::{AssignmentStatus, RoutingRow, WorkerSid};
use switch::routing::{
    Instruction, NewTask, ReservationOf, ReservationUpdate, TaskChannelRef, TaskQueueUpdate, TaskUpdate,
    WorkerChannelRef, WorkerUpdate, WorkflowUpdate, WorkspaceOrder,
};

use crate::centre::{Centre, HOTLINE, Rules, dequeue};
use crate::phone::State;
use crate::world::World;

/// What the only worker has to do, by its case.
struct Setting {
    world: World,
    centre: Centre,
    gus: WorkerSid,
}

impl Setting {
    fn new(seed: u64, languages: &str) -> Self {
        let mut world = World::new(seed);
        let centre = Centre::set_up(&mut world, Rules::default());
        let gus = centre.agent(&mut world, "gus", languages);
        Self { world, centre, gus }
    }

    fn order(&mut self, order: WorkspaceOrder) {
        self.world.workspace_order(self.centre.workspace, order).expect("it may be asked");
    }

    fn update(&mut self, change: WorkerUpdate) {
        self.order(WorkspaceOrder::UpdateWorker { worker: self.gus, if_match: None, change });
    }

    fn channel(&mut self, capacity: Option<u32>, available: Option<bool>) {
        let channel = WorkerChannelRef::TaskChannel(TaskChannelRef::UniqueName("default".to_owned()));
        self.order(WorkspaceOrder::UpdateWorkerChannel { worker: self.gus, channel, capacity, available });
    }

    fn begin(&mut self) {
        self.centre.moves(&mut self.world, self.gus, self.centre.available);
    }

    fn wait(&mut self) {
        self.centre.task(&mut self.world, r#"{"selected_language":"hi"}"#);
    }

    fn accept(&mut self) {
        let reservation = self.world.last_reservation();
        let task = self.world.reservations().pop().expect("a reservation").task_sid;
        self.order(WorkspaceOrder::UpdateReservation {
            reservation,
            of: ReservationOf::Task(task),
            if_match: None,
            change: ReservationUpdate::Accepted,
        });
    }
}

#[test]
fn no_time_passes_between_a_worker_who_becomes_available_and_the_question() {
    struct Case {
        becomes: &'static str,
        languages: &'static str,
        before: fn(&mut Setting),
        at_once: fn(&mut Setting),
    }
    let cases = [
        Case {
            becomes: "does something else",
            languages: "hi",
            before: |setting| setting.wait(),
            at_once: |setting| {
                let activity = Some(setting.centre.available);
                setting.update(WorkerUpdate { activity, ..WorkerUpdate::default() });
            },
        },
        Case {
            becomes: "learns what is asked for",
            languages: "en",
            before: |setting| {
                setting.begin();
                setting.wait();
            },
            at_once: |setting| {
                let attributes = Some(r#"{"languages":["en","hi"]}"#.to_owned());
                setting.update(WorkerUpdate { attributes, ..WorkerUpdate::default() });
            },
        },
        Case {
            becomes: "takes this kind of work",
            languages: "hi",
            before: |setting| {
                setting.channel(None, Some(false));
                setting.begin();
                setting.wait();
            },
            at_once: |setting| setting.channel(None, Some(true)),
        },
        Case {
            becomes: "can do more at a time",
            languages: "hi",
            before: |setting| {
                setting.channel(Some(0), None);
                setting.begin();
                setting.wait();
            },
            at_once: |setting| setting.channel(Some(1), None),
        },
        Case {
            becomes: "has done a task",
            languages: "hi",
            before: |setting| {
                setting.begin();
                setting.wait();
                setting.accept();
                setting.wait();
            },
            at_once: |setting| {
                let task = setting.world.reservations()[0].task_sid;
                let change =
                    TaskUpdate { assignment_status: Some(AssignmentStatus::Completed), ..TaskUpdate::default() };
                setting.order(WorkspaceOrder::UpdateTask { task, if_match: None, change });
            },
        },
        Case {
            becomes: "belongs to the queue",
            languages: "en",
            before: |setting| {
                setting.begin();
                setting.wait();
            },
            at_once: |setting| {
                let target_workers = Some("languages HAS \"en\"".to_owned());
                let change = TaskQueueUpdate { target_workers, ..TaskQueueUpdate::default() };
                setting.order(WorkspaceOrder::UpdateTaskQueue { queue: setting.centre.hindi, change });
            },
        },
        Case {
            becomes: "is whom the workflow asks for",
            languages: "en",
            before: |setting| {
                setting.begin();
                setting.wait();
            },
            at_once: |setting| {
                let queue = setting.world.routing.values().find_map(|row| match row {
                    RoutingRow::TaskQueue(queue) if queue.friendly_name == "English" => Some(queue.sid),
                    _ => None,
                });
                let queue = queue.expect("a queue");
                let configuration =
                    Some(format!(r#"{{"task_routing":{{"filters":[],"default_filter":{{"queue":"{queue}"}}}}}}"#));
                let change = WorkflowUpdate { configuration, re_evaluate_tasks: true, ..WorkflowUpdate::default() };
                setting.order(WorkspaceOrder::UpdateWorkflow { workflow: setting.centre.workflow, change });
            },
        },
        Case {
            becomes: "was there before the task",
            languages: "hi",
            before: Setting::begin,
            at_once: |setting| {
                let new = NewTask {
                    attributes: Some(r#"{"selected_language":"hi"}"#.to_owned()),
                    workflow: Some(setting.centre.workflow),
                    ..NewTask::default()
                };
                setting.order(WorkspaceOrder::CreateTask(new));
            },
        },
    ];
    for Case { becomes, languages, before, at_once } in cases {
        let mut setting = Setting::new(760, languages);
        before(&mut setting);
        let asked = setting.world.assignments.len();
        at_once(&mut setting);
        let world = &setting.world;
        assert_eq!(world.assignments.len(), asked + 1, "a worker who {becomes} ({world})");
        assert_eq!(world.assignments[asked].worker, setting.gus, "{becomes}");
    }
}

#[test]
fn the_end_of_a_call_is_the_next_ones_beginning() {
    let Setting { mut world, centre, gus } = Setting::new(761, "hi");
    for name in ["cus", "dia"] {
        world.try_dial(name, HOTLINE);
        world.run_for(Duration::from_secs(1));
    }
    let mut instruction = dequeue(&centre);
    if let Instruction::Dequeue(dequeue) = &mut instruction {
        dequeue.post_work_activity = None;
    }
    world.instructions.push_back(instruction);
    centre.moves(&mut world, gus, centre.available);
    world.take_up("gus");
    world.run_for(Duration::from_secs(1));
    assert!(world.phone("gus").state == State::Talking && world.assignments.len() == 1, "{world}");
    world.hang_up("cus");
    assert_eq!(world.assignments.len(), 2, "dia's, with the very BYE ({world})");
}

#[test]
fn whoever_waits_longest_is_asked_about_in_the_moment_however_many_wait() {
    let mut setting = Setting::new(762, "hi");
    for _ in 0..500 {
        setting.order(WorkspaceOrder::CreateTask(NewTask {
            attributes: Some(r#"{"selected_language":"hi"}"#.to_owned()),
            workflow: Some(setting.centre.workflow),
            ..NewTask::default()
        }));
    }
    // All came in the same moment, so that it goes by their SIDs (taskrouter §11).
    let first = setting.world.tasks().into_iter().map(|task| task.sid).min().expect("they wait");
    // All of them begin anew, which is more than fits into a turn.
    let change = WorkflowUpdate { re_evaluate_tasks: true, ..WorkflowUpdate::default() };
    let workflow = setting.centre.workflow;
    setting.order(WorkspaceOrder::UpdateWorkflow { workflow, change });
    assert!(setting.world.is_due(), "that goes on");
    let activity = Some(setting.centre.available);
    setting.update(WorkerUpdate { activity, ..WorkerUpdate::default() });
    let [asked] = setting.world.assignments.as_slice() else { panic!("one question ({})", setting.world) };
    assert_eq!((asked.task, asked.worker), (first, setting.gus));
    assert!(setting.world.is_due(), "in between, not after it");
}
