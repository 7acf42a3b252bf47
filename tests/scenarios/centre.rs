//! A contact centre: a workspace as flow F0 sets it up, its agents with phones, and what its application asks and says.

use std::time::Duration;

use model::{
    ActivitySid, AssignmentStatus, EventActor, JitterBufferSize, Reservation, ReservationSid, ReservationStatus,
    RoutingRow, Task, TaskOrder, TaskQueueSid, TaskSid, TransferSid, TransferStatus, Worker, WorkerSid, WorkflowSid,
    WorkspaceSid,
};
use switch::routing::{
    CallWorker, ConferWorker, Dequeue, Instruction, LegFlags, NewTask, NewTaskQueue, NewWorker, NewWorkflow,
    NewWorkspace, RoutingAnswer, RoutingCommand, RoutingOrder, RoutingRefusal, TaskUpdate, WorkerLeg, WorkerUpdate,
    WorkspaceOrder,
};
use switch::{Answer, Command, HttpMethod, Link, NewRoom, Refusal, WaitAudio};

use crate::phone::State;
use crate::world::{ACCOUNT, World};

/// What a customer dials.
pub(crate) const HOTLINE: &str = "+15005550006";
/// What waiting sounds like here.
pub(crate) const MUSIC_HZ: u32 = 1_009;

/// A workspace, and the names of what is in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Centre {
    pub(crate) workspace: WorkspaceSid,
    pub(crate) available: ActivitySid,
    pub(crate) offline: ActivitySid,
    pub(crate) wrap_up: ActivitySid,
    pub(crate) hindi: TaskQueueSid,
    pub(crate) workflow: WorkflowSid,
}

/// How the workspace differs from one of flow F0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Workers may have several tasks.
    pub(crate) multi_task: bool,
    /// How long a task waits in a queue.
    pub(crate) target_timeout_s: u32,
    /// How long a reservation may be pending.
    pub(crate) reservation_timeout: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self { multi_task: true, target_timeout_s: 1200, reservation_timeout: Duration::from_secs(120) }
    }
}

impl Centre {
    /// Flow F0, and a number whose callers wait for whoever speaks Hindi.
    pub(crate) fn set_up(world: &mut World, rules: Rules) -> Self {
        let made = world.routing_order(RoutingOrder::CreateWorkspace(NewWorkspace {
            friendly_name: "Support".to_owned(),
            event_callback_url: Some("https://app.test/events".to_owned()),
            events_filter: None,
            multi_task_enabled: rules.multi_task,
            prioritize_queue_order: TaskOrder::Fifo,
            fifo: false,
        }));
        let RoutingRow::Workspace(workspace) = row(made) else { panic!("a workspace") };
        let workspace = workspace.sid;
        let activity = |world: &World, name: &str| {
            let found = world.routing.values().find_map(|row| match row {
                RoutingRow::Activity(activity) if activity.friendly_name == name => Some(activity.sid),
                _ => None,
            });
            found.unwrap_or_else(|| panic!("an activity {name}"))
        };
        let wrap_up = WorkspaceOrder::CreateActivity { friendly_name: "Wrap-Up".to_owned(), available: false };
        world.workspace_order(workspace, wrap_up).expect("a new activity");
        let queue = |world: &mut World, name: &str, language: &str| {
            let order = WorkspaceOrder::CreateTaskQueue(NewTaskQueue {
                friendly_name: name.to_owned(),
                target_workers: Some(format!("languages HAS \"{language}\"")),
                max_reserved_workers: 1,
                task_order: TaskOrder::Fifo,
                reservation_activity: None,
                assignment_activity: None,
            });
            let made = world.workspace_order(workspace, order).expect("a new queue");
            let RoutingRow::TaskQueue(queue) = row(made) else { panic!("a queue") };
            queue.sid
        };
        let (english, hindi) = (queue(world, "English", "en"), queue(world, "Hindi", "hi"));
        let timeout = rules.target_timeout_s;
        let configuration = format!(
            r#"{{"task_routing":{{"filters":[
                {{"filter_friendly_name":"by name","expression":"requested_agent != null","targets":[
                    {{"queue":"{english}","known_worker_friendly_name":"task.requested_agent","timeout":30}}]}},
                {{"expression":"selected_language == \"en\"","targets":[{{"queue":"{english}","timeout":{timeout}}}]}},
                {{"expression":"selected_language == \"hi\"","targets":[{{"queue":"{hindi}","timeout":{timeout}}}]}}]}}}}"#
        );
        let order = WorkspaceOrder::CreateWorkflow(NewWorkflow {
            friendly_name: "Calls".to_owned(),
            configuration,
            assignment_callback_url: Some("https://app.test/assignment".to_owned()),
            fallback_assignment_callback_url: None,
            task_reservation_timeout: rules.reservation_timeout,
        });
        let made = world.workspace_order(workspace, order).expect("a new workflow");
        let RoutingRow::Workflow(workflow) = row(made) else { panic!("a workflow") };
        let workflow = workflow.sid;
        world.number(HOTLINE, "https://app.test/incoming");
        world.documents(
            "https://app.test/incoming",
            &[&format!(
                "<Enqueue workflowSid=\"{workflow}\" waitUrl=\"/music\" waitUrlMethod=\"GET\" action=\"/left\">\
                 <Task>{{\"selected_language\":\"hi\"}}</Task></Enqueue>"
            )],
        );
        world.documents("https://app.test/music", &["<Play loop=\"0\">/music.wav</Play>"]);
        world.file("https://app.test/music.wav", MUSIC_HZ);
        world.documents("https://app.test/left", &["<Pause length=\"60\"/>"]);
        Self {
            workspace,
            available: activity(world, "Available"),
            offline: activity(world, "Offline"),
            wrap_up: activity(world, "Wrap-Up"),
            hindi,
            workflow,
        }
    }

    /// An agent with a phone, who speaks these languages and is not at work yet.
    pub(crate) fn agent(&self, world: &mut World, name: &str, languages: &str) -> WorkerSid {
        let contact = world.phone_waits(name);
        let languages = languages.split(' ').map(|language| format!("\"{language}\"")).collect::<Vec<_>>().join(",");
        let order = WorkspaceOrder::CreateWorker(NewWorker {
            friendly_name: name.to_owned(),
            activity: None,
            attributes: Some(format!(r#"{{"languages":[{languages}],"contact_uri":"{contact}"}}"#)),
        });
        let RoutingRow::Worker(worker) = row(world.workspace_order(self.workspace, order).expect("a new worker"))
        else {
            panic!("a worker")
        };
        worker.sid
    }

    /// The agent begins, or ends, to work.
    pub(crate) fn moves(&self, world: &mut World, worker: WorkerSid, activity: ActivitySid) {
        let change = WorkerUpdate { activity: Some(activity), ..WorkerUpdate::default() };
        let order = WorkspaceOrder::UpdateWorker { worker, if_match: None, change };
        world.workspace_order(self.workspace, order).expect("a change of activity");
        world.run_for(Duration::from_millis(100));
    }

    pub(crate) fn task(&self, world: &mut World, attributes: &str) -> TaskSid {
        let new =
            NewTask { attributes: Some(attributes.to_owned()), workflow: Some(self.workflow), ..NewTask::default() };
        let made = world.workspace_order(self.workspace, WorkspaceOrder::CreateTask(new)).expect("a new task");
        let RoutingRow::Task(task) = row(made) else { panic!("a task") };
        world.run_for(Duration::from_millis(100));
        task.sid
    }

    /// The application says how a task stands.
    pub(crate) fn end(
        &self,
        world: &mut World,
        task: TaskSid,
        status: AssignmentStatus,
    ) -> Result<RoutingAnswer, RoutingRefusal> {
        let change =
            TaskUpdate { assignment_status: Some(status), reason: Some("done".to_owned()), ..TaskUpdate::default() };
        let order = WorkspaceOrder::UpdateTask { task, if_match: None, change };
        let answer = world.workspace_order(self.workspace, order);
        world.run_for(Duration::from_millis(100));
        answer
    }
}

fn row(answer: RoutingAnswer) -> RoutingRow {
    match answer {
        RoutingAnswer::Row(row) => *row,
        other => panic!("a row, not {other:?}"),
    }
}

/// `dequeue`, shown to come from the hotline.
pub(crate) fn dequeue(centre: &Centre) -> Instruction {
    Instruction::Dequeue(Box::new(Dequeue { leg: from_hotline(), post_work_activity: Some(centre.wrap_up) }))
}

/// `conference`, as an application asks for it that says next to nothing.
pub(crate) fn conference() -> ConferWorker {
    ConferWorker {
        leg: from_hotline(),
        post_work_activity: None,
        room_name: None,
        flags: LegFlags {
            muted: false,
            beep_on_enter: false,
            beep_on_exit: false,
            start_conference_on_enter: true,
            end_conference_on_exit: false,
            wait: WaitAudio::Playlist,
            early_media: true,
            jitter_buffer_size: JitterBufferSize::Large,
        },
        beep_on_customer_entrance: false,
        end_conference_on_customer_exit: true,
        room: NewRoom::default(),
    }
}

/// `call`, which accepts when somebody answers.
pub(crate) fn call(url: &str) -> Instruction {
    let url = Link { url: url.to_owned(), method: HttpMethod::Post };
    Instruction::Call(Box::new(CallWorker { leg: from_hotline(), url, accept: true }))
}

fn from_hotline() -> WorkerLeg {
    WorkerLeg { from: Some(HOTLINE.to_owned()), ring_timeout: Duration::from_secs(20), ..WorkerLeg::default() }
}

impl World {
    /// What REST would ask of TaskRouter.
    pub(crate) fn routing_order(&mut self, order: RoutingOrder) -> RoutingAnswer {
        self.try_routing_order(order).expect("it fits")
    }

    pub(crate) fn workspace_order(
        &mut self,
        workspace: WorkspaceSid,
        order: WorkspaceOrder,
    ) -> Result<RoutingAnswer, RoutingRefusal> {
        self.try_routing_order(RoutingOrder::In { workspace, order })
    }

    fn try_routing_order(&mut self, order: RoutingOrder) -> Result<RoutingAnswer, RoutingRefusal> {
        let command = RoutingCommand { account: ACCOUNT, actor: EventActor::Account(ACCOUNT), order };
        match self.command(Command::Routing(Box::new(command))) {
            Ok(Answer::Routing(answer)) => Ok(*answer),
            Err(Refusal::Routing(refusal)) => Err(refusal),
            other => panic!("TaskRouter's own answer, not {other:?}"),
        }
    }

    /// Every task there is, in the order of their creation.
    pub(crate) fn tasks(&self) -> Vec<&Task> {
        let tasks = self.routing.values().filter_map(|row| match row {
            RoutingRow::Task(task) => Some(task),
            _ => None,
        });
        let mut tasks: Vec<_> = tasks.collect();
        tasks.sort_by_key(|task| task.seq);
        tasks
    }

    /// The newest task.
    pub(crate) fn last_task(&self) -> &Task {
        self.tasks().pop().unwrap_or_else(|| panic!("a task ({self})"))
    }

    pub(crate) fn task_status(&self, sid: TaskSid) -> AssignmentStatus {
        let task = self.tasks().into_iter().find(|task| task.sid == sid);
        task.unwrap_or_else(|| panic!("a task ({self})")).assignment_status
    }

    /// Every reservation there was, in the order of their creation.
    pub(crate) fn reservations(&self) -> Vec<&Reservation> {
        let reservations = self.routing.values().filter_map(|row| match row {
            RoutingRow::Reservation(reservation) => Some(reservation),
            _ => None,
        });
        let mut reservations: Vec<_> = reservations.collect();
        reservations.sort_by_key(|reservation| reservation.seq);
        reservations
    }

    pub(crate) fn reservation_statuses(&self) -> Vec<ReservationStatus> {
        self.reservations().into_iter().map(|reservation| reservation.reservation_status).collect()
    }

    pub(crate) fn last_reservation(&self) -> ReservationSid {
        self.reservations().pop().unwrap_or_else(|| panic!("a reservation ({self})")).sid
    }

    pub(crate) fn worker(&self, sid: WorkerSid) -> &Worker {
        match self.routing.get(&sid.to_string()) {
            Some(RoutingRow::Worker(worker)) => worker,
            _ => panic!("a worker ({self})"),
        }
    }

    /// How a transfer stands.
    pub(crate) fn transfer_status(&self, sid: TransferSid) -> TransferStatus {
        match self.routing.get(&sid.to_string()) {
            Some(RoutingRow::Transfer(transfer)) => transfer.transfer_status,
            _ => panic!("a transfer ({self})"),
        }
    }

    /// What happened in the workspace, in order, as far as it concerns tasks and reservations.
    pub(crate) fn task_events(&self) -> Vec<String> {
        let names = self.routing_events.iter().map(|event| event.event_type.as_str().to_owned());
        names.filter(|name| name.starts_with("task.") || name.starts_with("reservation.")).collect()
    }
}

/// Cus waits at the hotline; gus, who speaks Hindi, is off.
pub(crate) fn waiting(seed: u64, rules: Rules) -> (World, Centre, WorkerSid) {
    let mut world = World::new(seed);
    let centre = Centre::set_up(&mut world, rules);
    let gus = centre.agent(&mut world, "gus", "hi");
    world.try_dial("cus", HOTLINE);
    seconds(&mut world, 2);
    assert_eq!(world.phone("cus").state, State::Talking, "{world}");
    (world, centre, gus)
}

/// The same, and gus is offered the call with this instruction, and takes it.
pub(crate) fn talking(
    seed: u64,
    rules: Rules,
    instruction: impl FnOnce(&Centre) -> Instruction,
) -> (World, Centre, WorkerSid) {
    let (mut world, centre, gus) = waiting(seed, rules);
    world.instructions.push_back(instruction(&centre));
    centre.moves(&mut world, gus, centre.available);
    assert_eq!(world.phone("gus").state, State::Ringing, "{world}");
    world.take_up("gus");
    seconds(&mut world, 1);
    (world, centre, gus)
}

pub(crate) fn confer() -> Instruction {
    Instruction::Conference(Box::new(conference()))
}

pub(crate) fn seconds(world: &mut World, seconds: u64) {
    world.run_for(Duration::from_secs(seconds));
}

pub(crate) fn is_over(world: &World, name: &str) -> bool {
    matches!(world.phone(name).state, State::Over(_))
}

pub(crate) const MUSIC: &str = "    cus gus music
                         cus  -   .   x
                         gus  .   -   .  ";
pub(crate) const BOTH_TALK: &str = "    cus gus music
                         cus  -   x   .
                         gus  x   -   .  ";
