//! What may be asked of TaskRouter, and why it may not be done.
//!
//! What is malformed has been refused at the edge. Here it is refused what does not fit what is there: names that are
//! taken, SIDs that are nobody's, expressions and configurations that cannot be understood.

use std::time::Duration;

use model::{
    AccountSid, ActivitySid, AssignmentStatus, EventActor, ReservationSid, RoutingRow, RoutingTarget, TaskChannelSid,
    TaskOrder, TaskQueueSid, TaskSid, Timestamp, TransferMode, TransferSid, TransferTarget, WorkerChannelSid,
    WorkerSid, WorkflowSid, WorkspaceSid,
};

use taskrouter::{Cumulative, RealTime, Scope};

use super::Instruction;
use crate::directory::Set;

/// One operation on a workspace or what is in it (taskrouter §2 to §7, §15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingCommand {
    /// Whose workspace.
    pub account: AccountSid,
    /// Who asks: events name it.
    pub actor: EventActor,
    /// What.
    pub order: RoutingOrder,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingOrder {
    /// Make a workspace; answered with its row.
    CreateWorkspace(NewWorkspace),
    /// Something in one.
    In {
        /// Which.
        workspace: WorkspaceSid,
        /// What.
        order: WorkspaceOrder,
    },
}

/// What is asked of a workspace. Making and changing answer with the row as it is now, deleting with
/// [`RoutingAnswer::Removed`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the resources' own words
pub enum WorkspaceOrder {
    /// Change the workspace itself.
    Update(WorkspaceUpdate),
    /// Delete it with all that is in it, unless tasks are assigned.
    Delete,
    CreateActivity {
        friendly_name: String,
        available: bool,
    },
    UpdateActivity {
        activity: ActivitySid,
        friendly_name: Option<String>,
    },
    DeleteActivity(ActivitySid),
    CreateTaskChannel {
        friendly_name: String,
        unique_name: String,
        channel_optimized_routing: bool,
    },
    UpdateTaskChannel {
        channel: TaskChannelRef,
        friendly_name: Option<String>,
        channel_optimized_routing: Option<bool>,
    },
    DeleteTaskChannel(TaskChannelRef),
    CreateWorker(NewWorker),
    UpdateWorker {
        worker: WorkerSid,
        /// The version it must have (`If-Match`).
        if_match: Option<u32>,
        change: WorkerUpdate,
    },
    DeleteWorker {
        worker: WorkerSid,
        if_match: Option<u32>,
    },
    UpdateWorkerChannel {
        worker: WorkerSid,
        channel: WorkerChannelRef,
        capacity: Option<u32>,
        available: Option<bool>,
    },
    CreateTaskQueue(NewTaskQueue),
    UpdateTaskQueue {
        queue: TaskQueueSid,
        change: TaskQueueUpdate,
    },
    DeleteTaskQueue(TaskQueueSid),
    CreateWorkflow(NewWorkflow),
    UpdateWorkflow {
        workflow: WorkflowSid,
        change: WorkflowUpdate,
    },
    DeleteWorkflow(WorkflowSid),
    CreateTask(NewTask),
    UpdateTask {
        task: TaskSid,
        if_match: Option<u32>,
        change: TaskUpdate,
    },
    DeleteTask {
        task: TaskSid,
        if_match: Option<u32>,
    },
    /// `ReservationStatus`: accepted, rejected, wrapping or completed.
    UpdateReservation {
        reservation: ReservationSid,
        /// Whose path it was named by; another's reservation is not found.
        of: ReservationOf,
        if_match: Option<u32>,
        change: ReservationUpdate,
    },
    /// `Instruction`; answered at once with the reservation, still pending.
    Instruct {
        reservation: ReservationSid,
        of: ReservationOf,
        if_match: Option<u32>,
        instruction: Instruction,
    },
    /// Hand a task on to somebody else; the worker is the one whose screen asks.
    CreateTransfer {
        worker: WorkerSid,
        task: TaskSid,
        reservation: ReservationSid,
        to: TransferTarget,
        mode: TransferMode,
        priority: Option<u32>,
        attributes: Option<String>,
    },
    /// How things stand, and what has happened (taskrouter §13). Changes nothing; answered with
    /// [`RoutingAnswer::Statistics`].
    Statistics(StatisticsOrder),
    /// Take it back.
    CancelTransfer {
        worker: WorkerSid,
        transfer: TransferSid,
    },
}

/// Which statistics are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatisticsOrder {
    /// Of these, each by itself; at most [`STATISTICS_SCOPES_MAX`].
    pub scopes: Vec<Scope>,
    /// On one channel; on all without.
    pub channel: Option<TaskChannelRef>,
    /// How things stand.
    pub real_time: bool,
    /// What has happened, from when until when.
    pub cumulative: Option<(Timestamp, Timestamp)>,
    /// Of that, how many waited longer than some time is to be told, which is most of the work.
    pub waits: bool,
}

/// Statistics of one scope, as far as they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How things stand.
    pub real_time: Option<RealTime>,
    /// What has happened.
    pub cumulative: Option<Cumulative>,
}

/// Scopes that are asked for at once: their sums are made within one turn.
pub const STATISTICS_SCOPES_MAX: usize = 50;
/// Minutes and hours of them that are added up within one turn, some 5 ms. What goes beyond is not answered, the first
/// scope aside: to be asked for again.
pub const STATISTICS_BUCKETS_MAX: usize = 5_000;

/// A workspace to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // as in `model::Workspace`
pub struct NewWorkspace {
    pub friendly_name: String,
    pub event_callback_url: Option<String>,
    pub events_filter: Option<String>,
    pub multi_task_enabled: bool,
    pub prioritize_queue_order: TaskOrder,
    /// `Template=FIFO`: with one queue and one workflow.
    pub fifo: bool,
}

/// What changes about a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // as in `model::Workspace`
pub struct WorkspaceUpdate {
    pub friendly_name: Option<String>,
    pub event_callback_url: Set<String>,
    pub events_filter: Set<String>,
    pub multi_task_enabled: Option<bool>,
    pub prioritize_queue_order: Option<TaskOrder>,
    pub default_activity: Option<ActivitySid>,
    pub timeout_activity: Option<ActivitySid>,
}

/// A task channel as a path or a parameter names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskChannelRef {
    /// By SID.
    Sid(TaskChannelSid),
    /// By unique name.
    UniqueName(String),
}

impl From<&str> for TaskChannelRef {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::UniqueName(text.to_owned()), Self::Sid)
    }
}

/// A worker's channel as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerChannelRef {
    /// By its own SID.
    Sid(WorkerChannelSid),
    /// By its task channel.
    TaskChannel(TaskChannelRef),
}

impl From<&str> for WorkerChannelRef {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::TaskChannel(text.into()), Self::Sid)
    }
}

/// A worker to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorker {
    /// Its name.
    pub friendly_name: String,
    /// What it is doing; the workspace's default activity without.
    pub activity: Option<ActivitySid>,
    /// JSON; `{}` without.
    pub attributes: Option<String>,
}

/// What changes about a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // as in `model::Worker`
pub struct WorkerUpdate {
    pub friendly_name: Option<String>,
    pub activity: Option<ActivitySid>,
    pub attributes: Option<String>,
    /// If the new activity is unavailable, what is offered to the worker is rejected.
    pub reject_pending_reservations: bool,
}

/// A queue to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // as in `model::TaskQueue`
pub struct NewTaskQueue {
    pub friendly_name: String,
    /// `1==1` without; empty is nobody.
    pub target_workers: Option<String>,
    pub max_reserved_workers: u32,
    pub task_order: TaskOrder,
    pub reservation_activity: Option<ActivitySid>,
    pub assignment_activity: Option<ActivitySid>,
}

/// What changes about a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // as in `model::TaskQueue`
pub struct TaskQueueUpdate {
    pub friendly_name: Option<String>,
    pub target_workers: Option<String>,
    pub max_reserved_workers: Option<u32>,
    pub task_order: Option<TaskOrder>,
    pub reservation_activity: Set<ActivitySid>,
    pub assignment_activity: Set<ActivitySid>,
}

/// A workflow to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // as in `model::Workflow`
pub struct NewWorkflow {
    pub friendly_name: String,
    pub configuration: String,
    pub assignment_callback_url: Option<String>,
    pub fallback_assignment_callback_url: Option<String>,
    pub task_reservation_timeout: Duration,
}

/// What changes about a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // as in `model::Workflow`
pub struct WorkflowUpdate {
    pub friendly_name: Option<String>,
    pub configuration: Option<String>,
    pub assignment_callback_url: Set<String>,
    pub fallback_assignment_callback_url: Set<String>,
    pub task_reservation_timeout: Option<Duration>,
    /// Every task that is not yet assigned begins anew.
    pub re_evaluate_tasks: bool,
}

/// A task to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTask {
    /// JSON; `{}` without.
    pub attributes: Option<String>,
    /// Which workflow; without, the only one there is.
    pub workflow: Option<WorkflowSid>,
    /// What kind of work; `default` without.
    pub channel: Option<TaskChannelRef>,
    /// Higher is first; 0 without.
    pub priority: Option<u32>,
    /// How old it may become without being assigned; a day without.
    pub timeout: Option<Duration>,
    /// What orders it in its queue; now without.
    pub virtual_start: Option<Timestamp>,
    /// Past the filters, to whom.
    pub routing_target: Option<RoutingTarget>,
    /// Of a worker as target: whether or not available and with room; without, yes.
    pub ignore_capacity: Option<bool>,
    /// The queue a task for one worker is counted in.
    pub task_queue: Option<TaskQueueSid>,
}

/// What changes about a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // as in `model::Task`
pub struct TaskUpdate {
    pub attributes: Option<String>,
    pub channel: Option<TaskChannelRef>,
    pub priority: Option<u32>,
    pub virtual_start: Option<Timestamp>,
    pub assignment_status: Option<AssignmentStatus>,
    /// Why it is canceled, wrapped or completed.
    pub reason: Option<String>,
}

/// Whose reservation it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationOf {
    /// `/Tasks/{WT}/Reservations/{WR}`.
    Task(TaskSid),
    /// `/Workers/{WK}/Reservations/{WR}`.
    Worker(WorkerSid),
}

/// What becomes of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationUpdate {
    /// The worker has the task.
    Accepted,
    /// The worker will not have it.
    Rejected {
        /// `WorkerActivitySid`: what the worker does from now on.
        activity: Option<ActivitySid>,
    },
    /// The worker finishes up.
    Wrapping,
    /// Done.
    Completed,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingAnswer {
    /// The resource as it is now. The names of others in it are the store's to find, which has it by now.
    Row(Box<RoutingRow>),
    /// It is gone.
    Removed,
    /// One for each scope, in their order.
    Statistics(Vec<Statistics>),
}

/// Why a command changed nothing. The control layer has one table from these to its own codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoutingRefusal {
    /// What the path names is not there (404, 20404).
    #[error("no such resource")]
    NotFound,
    /// It has changed since (412, 20412).
    #[error("If-Match does not match the version")]
    PreconditionFailed,
    /// A parameter that is needed here (400, 20001).
    #[error("Missing required parameter {0} in the post body")]
    Missing(&'static str),
    /// Somebody has that name (409, 20409).
    #[error("{0}")]
    Taken(String),
    /// It does not fit what is there; the sentence says what (400, 20001).
    #[error("{0}")]
    Invalid(String),
    /// With a code of its own (400): instructions, and limits.
    #[error("{message}")]
    Coded {
        /// Of the error dictionary.
        code: u16,
        /// What was seen.
        message: String,
    },
}
