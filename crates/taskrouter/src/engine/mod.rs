//! One workspace: what is asked of it, what it answers, and who gets which task.
//!
//! ```text
//! handle(now, Input) ─▶ the change itself, at once ─┐
//! work(now, budget)  ─▶ timeouts, matching ─────────┴─▶ poll() ─▶ Event, Assign, Warning …
//! ```
//!
//! After [`Engine::handle`], and whenever [`Engine::next_deadline`] has come: [`Engine::work`] until it says that
//! there is no more, and [`Engine::poll`] until there is none. Time is wall-clock time: a task's age outlives the process.
//! Every row can be read out ([`Engine::tasks`] and its kin), [`Engine::poll_changed`] says which to save, and
//! [`Engine::restore`] makes the same of them: the indexes follow.

mod end;
mod jobs;
mod life;
mod matching;
mod restore;
mod routing;
mod settings;
mod transfer;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{
    ActivitySid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, TransferSid, WorkerSid, WorkflowSid,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use jobs::{Job, Settling};
pub use restore::{Mended, Saved};

use crate::free::FreeWorkers;
use crate::rows::Rows;
use crate::statistics::{BucketRow, Cumulative, Ledger, RealTime, Scope, Standings};
use crate::waiting::Waiting;
use crate::{
    Activity, AssignmentStatus, Attributes, Event, Reservation, ReservationStatus, Route, Task, TaskChannel, TaskOrder,
    TaskQueue, Transfer, TransferMode, TransferStatus, TransferTarget, Worker, WorkersNames, Workflow,
};

/// What holds for a whole workspace (taskrouter §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Workers may have several tasks at once, as far as their channels have room.
    pub multi_task: bool,
    /// Which kind of queue comes first among equal priority.
    pub prioritize_queue_order: TaskOrder,
    /// What a worker does to whom nothing else was said: it is offline.
    pub default_activity: Option<ActivitySid>,
    /// What a worker does who lets a reservation time out; `None` leaves it as it is.
    pub timeout_activity: Option<ActivitySid>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the resources' own words
pub enum Input {
    SetWorkspace(Workspace),
    PutActivity(Activity),
    DeleteActivity(ActivitySid),
    PutChannel(TaskChannel),
    DeleteChannel(TaskChannelSid),
    CreateWorker(NewWorker),
    UpdateWorker {
        worker: WorkerSid,
        change: WorkerChange,
    },
    UpdateWorkerChannel {
        worker: WorkerSid,
        channel: TaskChannelSid,
        capacity: Option<u32>,
        available: Option<bool>,
    },
    DeleteWorker(WorkerSid),
    PutQueue(TaskQueue),
    DeleteQueue(TaskQueueSid),
    /// Tasks that are there go by what the workflow did when they came; `re_evaluate`: those that are not yet assigned
    /// begin anew.
    PutWorkflow {
        workflow: Workflow,
        re_evaluate: bool,
    },
    DeleteWorkflow(WorkflowSid),
    CreateTask(NewTask),
    UpdateTask {
        task: TaskSid,
        change: TaskChange,
    },
    /// The `AssignmentStatus` of an update: canceled, wrapping or completed.
    EndTask {
        task: TaskSid,
        status: AssignmentStatus,
        reason: Option<String>,
    },
    DeleteTask(TaskSid),
    Accept(ReservationSid),
    Reject {
        reservation: ReservationSid,
        activity: Option<ActivitySid>,
    },
    /// The worker did not answer the call of an instruction.
    NoAnswer(ReservationSid),
    /// The call of an instruction failed.
    Fail {
        reservation: ReservationSid,
        code: u16,
    },
    Wrap(ReservationSid),
    Complete(ReservationSid),
    /// An accepted reservation's task goes to somebody else.
    Transfer(NewTransfer),
    CancelTransfer(TransferSid),
}

/// A worker to be.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // as in `Worker`
pub struct NewWorker {
    pub sid: WorkerSid,
    pub friendly_name: String,
    pub attributes: Attributes,
    pub activity: ActivitySid,
}

/// What changes about a worker.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)] // as in `Worker`
pub struct WorkerChange {
    pub friendly_name: Option<String>,
    pub attributes: Option<Attributes>,
    pub activity: Option<ActivitySid>,
    /// If the new activity is unavailable, what is offered to the worker is rejected.
    pub reject_pending_reservations: bool,
}

/// A task to be.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // as in `Task`
pub struct NewTask {
    pub sid: TaskSid,
    pub attributes: Attributes,
    pub channel: TaskChannelSid,
    pub priority: u32,
    pub timeout: Duration,
    pub virtual_start: Option<Timestamp>,
    pub to: RoutingTarget,
    /// Of a task that goes to a queue or a worker directly: as `Task::workflow`.
    pub workflow: Option<WorkflowSid>,
}

/// Where a new task goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutingTarget {
    /// Through a workflow.
    Workflow(WorkflowSid),
    /// To the workers of a queue.
    Queue(TaskQueueSid),
    /// To one worker; the queue is where it is counted.
    Worker {
        /// Who.
        worker: WorkerSid,
        /// Whether or not available and with room.
        ignore_capacity: bool,
        /// The queue it is counted in.
        queue: Option<TaskQueueSid>,
    },
}

/// What changes about a task.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)] // as in `Task`
pub struct TaskChange {
    pub attributes: Option<Attributes>,
    pub channel: Option<TaskChannelSid>,
    pub priority: Option<u32>,
    pub virtual_start: Option<Timestamp>,
}

/// A transfer to be.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // as in `Transfer`
pub struct NewTransfer {
    pub sid: TransferSid,
    /// By which the initiator has the task.
    pub reservation: ReservationSid,
    pub to: TransferTarget,
    pub mode: TransferMode,
    /// The task's from then on.
    pub priority: Option<u32>,
    /// As above.
    pub attributes: Option<Attributes>,
}

/// A row that is not as it was: to be saved, or, if it can no longer be found, deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the resources' own words
pub enum Changed {
    /// When it is deleted, its channels are named, too.
    Worker(WorkerSid),
    WorkerChannel(WorkerSid, TaskChannelSid),
    Task(TaskSid),
    Reservation(ReservationSid),
    Transfer(TransferSid),
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// To be told and kept.
    Event(Box<Event>),
    /// A reservation is made: the assignment callback is to be sent. Its event has gone before.
    Assign {
        /// What is offered.
        task: TaskSid,
        /// To whom.
        worker: WorkerSid,
        /// By this.
        reservation: ReservationSid,
    },
    /// Something the developer is to be told in the log.
    Warning {
        /// As in the contract's table of errors.
        code: u16,
        /// On account of which task.
        task: TaskSid,
        /// On account of which worker, whom its attributes name by SID.
        worker: Option<WorkerSid>,
    },
}

/// Why something asked for is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none by that SID.
    #[error("{0} was not found")]
    NotFound(String),
    /// The reservation has gone on.
    #[error("the reservation is {0:?}")]
    Reservation(ReservationStatus),
    /// The transfer has gone on.
    #[error("the transfer is {0:?}")]
    Transfer(TransferStatus),
    /// The task is not where it would have to be.
    #[error("a task that is {from:?} cannot become {to:?}")]
    Task {
        /// How it stands.
        from: AssignmentStatus,
        /// What was asked.
        to: AssignmentStatus,
    },
    /// Something still needs it.
    #[error("{0} is in use")]
    InUse(String),
    /// As many as there may be.
    #[error("there are {0} already")]
    Full(usize),
    /// More workers that are not offline than there may be (14240).
    #[error("{0} workers are not offline already")]
    Concurrent(usize),
    /// The worker a task is to be transferred to is not available.
    #[error("{0} is not available")]
    Unavailable(WorkerSid),
    /// An activity's availability, which cannot change, or a capacity that is too high.
    #[error("{0} is out of bounds")]
    Invalid(&'static str),
}

/// When something happens by itself. The order is that within one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Reservation(ReservationSid),
    TaskTimeout(TaskSid),
    TargetTimeout(TaskSid),
    PauseOver(TaskSid, WorkerSid),
    /// Assigned for a day.
    Stale(TaskSid),
    /// Over for five minutes.
    Gone(TaskSid),
}

/// A worker that a task asks for by name, and that there is not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Claim {
    Sid(WorkerSid),
    /// In lower case.
    Name(String),
}

/// A look at the workers of a target, for its `skip_if`.
#[derive(Debug)]
struct Counting {
    task: TaskSid,
    /// The last that was looked at.
    after: WorkerSid,
    so_far: WorkersNames,
}

/// One workspace, live.
#[derive(Debug)]
pub struct Engine {
    workspace: Workspace,
    activities: BTreeMap<ActivitySid, Activity>,
    channels: BTreeMap<TaskChannelSid, TaskChannel>,
    workers: Rows<WorkerSid, Worker>,
    /// Channels of workers that changed.
    changed_channels: BTreeSet<(WorkerSid, TaskChannelSid)>,
    /// By friendly name in lower case: no two differ in case only.
    worker_names: HashMap<String, WorkerSid>,
    queues: BTreeMap<TaskQueueSid, Arc<TaskQueue>>,
    workflows: BTreeMap<WorkflowSid, Arc<Workflow>>,
    /// What workflows did before, as long as tasks go by that.
    former: BTreeMap<(WorkflowSid, u32), Arc<Workflow>>,
    tasks: Rows<TaskSid, Task>,
    reservations: Rows<ReservationSid, Reservation>,
    /// Those by which workers have a task.
    held: BTreeSet<ReservationSid>,
    transfers: Rows<TransferSid, Transfer>,
    /// Whose tasks a queue's are, and the other way round.
    members: HashMap<TaskQueueSid, BTreeSet<WorkerSid>>,
    queues_of: HashMap<WorkerSid, BTreeSet<TaskQueueSid>>,
    /// How many workers are in which activity.
    doing: BTreeMap<ActivitySid, u32>,
    /// How many members of a queue are in which activity.
    staff: HashMap<TaskQueueSid, BTreeMap<ActivitySid, u32>>,
    free: FreeWorkers,
    waiting: Waiting,
    /// Tasks that wait for a worker there is not, and which.
    unclaimed: HashMap<Claim, BTreeSet<TaskSid>>,
    claims: HashMap<TaskSid, Claim>,
    /// How many tasks there are, and open reservations, on each channel.
    on_channel: BTreeMap<TaskChannelSid, u32>,
    /// How many workflows name a queue.
    named: HashMap<TaskQueueSid, u32>,
    /// Whom a task is not offered to until then: its last call there failed.
    pauses: HashMap<(TaskSid, WorkerSid), Timestamp>,
    timers: BTreeSet<(Timestamp, Timer)>,
    jobs: VecDeque<Job>,
    /// What is settled before anything is decided by it.
    settling: VecDeque<Settling>,
    /// Workers of whom it is to be seen which queues they belong to, and the last queue that was looked at.
    unsettled: BTreeMap<WorkerSid, Option<TaskQueueSid>>,
    /// The next piece of work is one of these, not matching.
    job_is_next: bool,
    /// Tasks whose target is skipped if nobody takes them in this round.
    skips: BTreeSet<TaskSid>,
    /// The first of them, if its workers are being counted.
    counting: Option<Counting>,
    /// Looks at tasks, workers and queues since the start: what budgets are made of.
    steps: Cell<u64>,
    standings: Standings,
    ledger: Ledger,
    outputs: VecDeque<Output>,
    random: StdRng,
}

impl Engine {
    /// An empty workspace. `seed` is where the SIDs of reservations come from.
    pub fn new(workspace: Workspace, seed: u64) -> Self {
        Self {
            workspace,
            activities: BTreeMap::new(),
            channels: BTreeMap::new(),
            workers: Rows::default(),
            changed_channels: BTreeSet::new(),
            worker_names: HashMap::new(),
            queues: BTreeMap::new(),
            workflows: BTreeMap::new(),
            former: BTreeMap::new(),
            tasks: Rows::counted(),
            reservations: Rows::default(),
            held: BTreeSet::new(),
            transfers: Rows::default(),
            members: HashMap::new(),
            queues_of: HashMap::new(),
            doing: BTreeMap::new(),
            staff: HashMap::new(),
            free: FreeWorkers::default(),
            waiting: Waiting::default(),
            unclaimed: HashMap::new(),
            claims: HashMap::new(),
            on_channel: BTreeMap::new(),
            named: HashMap::new(),
            pauses: HashMap::new(),
            timers: BTreeSet::new(),
            jobs: VecDeque::new(),
            settling: VecDeque::new(),
            unsettled: BTreeMap::new(),
            job_is_next: false,
            skips: BTreeSet::new(),
            counting: None,
            steps: Cell::new(0),
            standings: Standings::default(),
            ledger: Ledger::default(),
            outputs: VecDeque::new(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// Does what is asked, or says why not and leaves everything as it was. Nobody is offered anything yet: that is work.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<(), Refusal> {
        if self.ledger.is_due(now) {
            self.jobs.push_back(Job::Fold { after: None });
        }
        let done = self.change(now, input);
        self.count();
        done
    }

    fn change(&mut self, now: Timestamp, input: Input) -> Result<(), Refusal> {
        match input {
            Input::SetWorkspace(workspace) => self.set_workspace(now, workspace),
            Input::PutActivity(activity) => self.put_activity(now, activity)?,
            Input::DeleteActivity(activity) => self.delete_activity(now, activity)?,
            Input::PutChannel(channel) => self.put_channel(now, channel)?,
            Input::DeleteChannel(channel) => self.delete_channel(now, channel)?,
            Input::CreateWorker(worker) => self.create_worker(now, worker)?,
            Input::UpdateWorker { worker, change } => self.update_worker(now, worker, change)?,
            Input::UpdateWorkerChannel { worker, channel, capacity, available } => {
                self.update_worker_channel(now, worker, channel, capacity, available)?;
            }
            Input::DeleteWorker(worker) => self.delete_worker(now, worker)?,
            Input::PutQueue(queue) => self.put_queue(now, queue)?,
            Input::DeleteQueue(queue) => self.delete_queue(now, queue)?,
            Input::PutWorkflow { workflow, re_evaluate } => self.put_workflow(now, workflow, re_evaluate)?,
            Input::DeleteWorkflow(workflow) => self.delete_workflow(now, workflow)?,
            Input::CreateTask(task) => self.create_task(now, task)?,
            Input::UpdateTask { task, change } => self.update_task(now, task, change)?,
            Input::EndTask { task, status, reason } => self.end_task(now, task, status, reason)?,
            Input::DeleteTask(task) => self.delete_task(now, task)?,
            Input::Accept(reservation) => self.accept(now, reservation)?,
            Input::Reject { reservation, activity } => self.reject(now, reservation, activity)?,
            Input::NoAnswer(reservation) => self.no_answer(now, reservation)?,
            Input::Fail { reservation, code } => self.fail(now, reservation, code)?,
            Input::Wrap(reservation) => self.wrap(now, reservation)?,
            Input::Complete(reservation) => self.complete(now, reservation)?,
            Input::Transfer(transfer) => self.transfer(now, transfer)?,
            Input::CancelTransfer(transfer) => self.cancel_transfer(now, transfer)?,
        }
        Ok(())
    }

    /// Does what is due, looking at about `budget` workers and tasks. True: there is more, so come back at once.
    pub fn work(&mut self, now: Timestamp, budget: usize) -> bool {
        let until = self.steps.get() + budget.max(1) as u64;
        while self.steps.get() < until {
            let before = self.steps.get();
            let left = usize::try_from(until - before).unwrap_or(usize::MAX);
            if !self.work_piece(now, left) {
                return false;
            }
            self.count();
            if self.steps.get() == before {
                self.spend(1);
            }
        }
        self.has_work(now)
    }

    /// One piece of work. False: there is none.
    fn work_piece(&mut self, now: Timestamp, left: usize) -> bool {
        // Who belongs where is known before anything is decided by it.
        if self.settle_some(now, left) {
            return true;
        }
        if let Some((_, timer)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            self.fire(now, timer);
            return true;
        }
        // Long work and matching take turns: nobody waits for an offer until all is done.
        if std::mem::take(&mut self.job_is_next) && !self.jobs.is_empty() {
            self.work_job(now, left.min(PIECE));
            return true;
        }
        self.job_is_next = true;
        self.match_next(now, left) || !self.jobs.is_empty()
    }

    /// A look at whoever is first among those who wait. False: nobody is to be looked at.
    fn match_next(&mut self, now: Timestamp, budget: usize) -> bool {
        if let Some(spent) = self.waiting.spread(budget) {
            self.spend(spent);
        } else if let Some((line, task)) = self.waiting.due() {
            match self.behind(task) {
                None => self.match_line(now, line, task, budget),
                Some(workflow) => self.re_evaluate(now, task, workflow),
            }
        } else if let Some(task) = self.skips.first().copied() {
            self.skip_if_nobody_took(now, task, budget);
        } else {
            return false;
        }
        true
    }

    fn has_work(&self, now: Timestamp) -> bool {
        self.is_settling()
            || !self.jobs.is_empty()
            || self.waiting.is_stirred()
            || self.waiting.due().is_some()
            || !self.skips.is_empty()
            || self.timers.first().is_some_and(|(at, _)| *at <= now)
    }

    /// So many more looks at a task, a worker or a queue.
    fn spend(&self, steps: usize) {
        self.steps.set(self.steps.get() + steps as u64);
    }

    /// How many workers, tasks and queues have been looked at since the start: how long an event takes, without a clock.
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// What has come of it, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A row that has changed since it was named last: to be asked for after every turn, and read then. What is put
    /// (workspace, activities, channels, queues, workflows) is as it was put.
    pub fn poll_changed(&mut self) -> Option<Changed> {
        if let Some(worker) = self.workers.poll() {
            return Some(Changed::Worker(worker));
        }
        if let Some((worker, channel)) = self.changed_channels.pop_first() {
            return Some(Changed::WorkerChannel(worker, channel));
        }
        let task = self.tasks.poll().map(Changed::Task);
        let reservation = || self.reservations.poll().map(Changed::Reservation);
        task.or_else(reservation).or_else(|| self.transfers.poll().map(Changed::Transfer))
    }

    fn forget_changes(&mut self) {
        self.workers.forget_changes();
        self.changed_channels.clear();
        self.tasks.forget_changes();
        self.reservations.forget_changes();
        self.transfers.forget_changes();
    }

    fn mark(&mut self, changed: Changed) {
        match changed {
            Changed::Worker(worker) => self.workers.note(worker),
            Changed::WorkerChannel(worker, channel) => drop(self.changed_channels.insert((worker, channel))),
            Changed::Task(task) => self.tasks.note(task),
            Changed::Reservation(reservation) => self.reservations.note(reservation),
            Changed::Transfer(transfer) => self.transfers.note(transfer),
        }
    }

    /// How things stand now, on one channel or all.
    pub fn real_time(&self, now: Timestamp, scope: Scope, channel: Option<TaskChannelSid>) -> RealTime {
        let staff = match scope {
            Scope::Workspace => Some(&self.doing),
            Scope::Queue(queue) => self.staff.get(&queue),
            Scope::Workflow(_) | Scope::Worker(_) => None,
        };
        let in_activity = |sid: &ActivitySid| staff.and_then(|staff| staff.get(sid)).copied().unwrap_or_default();
        let available = self.activities.values().filter(|activity| activity.available);
        RealTime {
            eligible_workers: staff.into_iter().flatten().map(|(_, count)| count).sum(),
            available_workers: available.map(|activity| in_activity(&activity.sid)).sum(),
            activities: self.activities.keys().map(|sid| (*sid, in_activity(sid))).collect(),
            ..self.standings.tasks(now, scope, channel)
        }
    }

    /// What happened from one moment to another, on one channel or all. What workers did is told of one worker only:
    /// that of many is their sum ([`Figures::merge`](crate::Figures::merge)). `waits`: thresholds are to be asked for
    /// ([`Figures::split`](crate::Figures::split)), which is most of the work.
    pub fn cumulative(
        &self,
        now: Timestamp,
        scope: Scope,
        channel: Option<TaskChannelSid>,
        (from, to): (Timestamp, Timestamp),
        waits: bool,
    ) -> Cumulative {
        match scope {
            Scope::Worker(worker) => {
                self.ledger.sum_worker(now, worker, self.workers.get(&worker), channel, (from, to), waits)
            }
            scope => self.ledger.sum(now, scope, channel, (from, to), waits),
        }
    }

    /// How many buckets [`Engine::cumulative`] looks at.
    pub fn effort(&self, scope: Scope, channel: Option<TaskChannelSid>, span: (Timestamp, Timestamp)) -> usize {
        self.ledger.effort(scope, channel, span)
    }

    /// A bucket of statistics that is not as it was saved last: to be asked for after every turn.
    pub fn poll_bucket(&mut self) -> Option<BucketRow> {
        self.ledger.poll()
    }

    /// What was not counted because there were [`BUCKETS_MAX`](crate::BUCKETS_MAX) buckets.
    pub fn lost_statistics(&self) -> u64 {
        self.ledger.lost()
    }

    /// Counts the tasks that have changed.
    fn count(&mut self) {
        while let Some(task) = self.tasks.uncounted() {
            self.standings.count(task, self.tasks.get(&task));
        }
    }

    /// When [`Engine::work`] is to be called next, even if nothing is asked.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// What holds for all of it.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Every task, those that were completed or canceled less than five minutes ago included.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// One task.
    pub fn task(&self, sid: TaskSid) -> Option<&Task> {
        self.tasks.get(&sid)
    }

    /// Every reservation of those tasks.
    pub fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        self.reservations.values()
    }

    /// One reservation.
    pub fn reservation(&self, sid: ReservationSid) -> Option<&Reservation> {
        self.reservations.get(&sid)
    }

    /// A reservation by which a worker has a task, if there is any.
    pub fn held(&self) -> Option<&Reservation> {
        self.reservations.get(self.held.first()?)
    }

    /// One transfer.
    pub fn transfer_row(&self, sid: TransferSid) -> Option<&Transfer> {
        self.transfers.get(&sid)
    }

    /// Every transfer of those tasks.
    pub fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        self.transfers.values()
    }

    /// The transfer that the worker of this reservation has under way (`active_outgoing_task_transfer`).
    pub fn outgoing_transfer(&self, sid: ReservationSid) -> Option<&Transfer> {
        let task = self.tasks.get(&self.reservations.get(&sid)?.task)?;
        self.transfers.get(&task.transfer?).filter(|transfer| transfer.reservation == sid)
    }

    /// Every activity.
    pub fn activities(&self) -> impl Iterator<Item = &Activity> {
        self.activities.values()
    }

    /// Every task channel.
    pub fn channels(&self) -> impl Iterator<Item = &TaskChannel> {
        self.channels.values()
    }

    /// One queue.
    pub fn queue(&self, sid: TaskQueueSid) -> Option<&TaskQueue> {
        self.queues.get(&sid).map(|queue| &**queue)
    }

    /// One workflow.
    pub fn workflow(&self, sid: WorkflowSid) -> Option<&Workflow> {
        self.workflows.get(&sid).map(|workflow| &**workflow)
    }

    /// Whether tasks go by what a workflow did then.
    pub fn is_former(&self, sid: WorkflowSid, revision: u32) -> bool {
        self.former.contains_key(&(sid, revision))
    }

    /// Every worker.
    pub fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.workers.values()
    }

    /// One worker.
    pub fn worker(&self, sid: WorkerSid) -> Option<&Worker> {
        self.workers.get(&sid)
    }

    /// The worker of that name, whatever its letters' case.
    pub fn worker_named(&self, friendly_name: &str) -> Option<WorkerSid> {
        self.worker_names.get(&friendly_name.to_lowercase()).copied()
    }

    /// Whose tasks a queue's are.
    pub fn members(&self, queue: TaskQueueSid) -> impl Iterator<Item = WorkerSid> {
        self.members.get(&queue).into_iter().flatten().copied()
    }

    /// Until when a task is not offered to a worker whose last call failed.
    pub fn pauses(&self) -> impl Iterator<Item = (TaskSid, WorkerSid, Timestamp)> {
        self.pauses.iter().map(|((task, worker), until)| (*task, *worker, *until))
    }

    fn is_available(&self, worker: &Worker) -> bool {
        self.activities.get(&worker.activity).is_some_and(|activity| activity.available)
    }

    fn emit(&mut self, event: Event) {
        self.ledger.hear(&event);
        self.outputs.push_back(Output::Event(Box::new(event)));
    }
}

fn not_found(sid: impl std::fmt::Display) -> Refusal {
    Refusal::NotFound(sid.to_string())
}

/// How much of a long job is done before somebody is offered something.
const PIECE: usize = 16;
/// After the call of an instruction failed, its worker is not offered the task again for so long (taskrouter §7.1).
pub const PAUSE: Duration = Duration::from_secs(5);
/// How long a task that is over can still be read (taskrouter §6.2).
pub const KEPT: Duration = Duration::from_secs(5 * 60);
/// How long a task may be assigned (taskrouter §6.2).
pub const ASSIGNED_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a reservation that no workflow made may be pending (taskrouter §5).
pub const RESERVATION_TIMEOUT: Duration = Duration::from_secs(120);
/// Limits of taskrouter §9.
pub const WORKERS_MAX: usize = 15_000;
/// As above.
pub const QUEUES_MAX: usize = 5_000;
/// As above.
pub const WORKFLOWS_MAX: usize = 1_000;
/// What one workflow did before, while tasks go by it. Tasks that go by what is older begin anew.
pub(crate) const FORMER_MAX: usize = 16;
/// As above.
pub const ACTIVITIES_MAX: usize = 100;
/// As above.
pub const CHANNELS_MAX: usize = 15;
/// As above: workers that are not offline.
pub const CONCURRENT_MAX: usize = 7_500;
/// As above; those that are over but not yet gone are counted, too.
pub const TASKS_MAX: usize = 500_000;
