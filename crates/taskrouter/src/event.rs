//! What is told about all this (taskrouter §12), as it was when it happened.

use model::{ActivitySid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, WorkerSid, WorkflowSid};

use crate::{Attributes, Reservation, ReservationStatus, Route, Task, TaskStatus, Worker};

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What.
    pub kind: EventType,
    /// When.
    pub at: Timestamp,
    /// The task concerned.
    pub task: Option<TaskFacts>,
    /// The worker concerned.
    pub worker: Option<WorkerFacts>,
    /// The reservation concerned.
    pub reservation: Option<ReservationFacts>,
    /// The queue concerned, if it is not the task's.
    pub queue: Option<TaskQueueSid>,
    /// The workflow concerned, if it is not the task's.
    pub workflow: Option<WorkflowSid>,
    /// The activity concerned; the one before of `worker.activity.update`.
    pub activity: Option<ActivitySid>,
    /// Since when the worker did that.
    pub activity_since: Option<Timestamp>,
    /// The task channel concerned.
    pub channel: Option<TaskChannelSid>,
    /// What the channel's capacity was before.
    pub previous_capacity: Option<u32>,
}

/// A task as it was.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // as in `Task`
pub struct TaskFacts {
    pub sid: TaskSid,
    pub attributes: Attributes,
    pub status: TaskStatus,
    pub priority: u32,
    pub created: Timestamp,
    pub queue: Option<TaskQueueSid>,
    pub queue_entered: Option<Timestamp>,
    pub route: Route,
    pub channel: TaskChannelSid,
    pub reason: Option<String>,
    pub re_evaluate: bool,
    pub version: u32,
}

/// A worker as it was.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // as in `Worker`
pub struct WorkerFacts {
    pub sid: WorkerSid,
    pub attributes: Attributes,
    pub activity: ActivitySid,
    pub version: u32,
}

/// A reservation as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // as in `Reservation`
pub struct ReservationFacts {
    pub sid: ReservationSid,
    pub status: ReservationStatus,
    pub canceled_reason_code: Option<u16>,
    pub version: u32,
}

impl From<&Task> for TaskFacts {
    fn from(task: &Task) -> Self {
        Self {
            sid: task.sid,
            attributes: task.attributes.clone(),
            status: task.status,
            priority: task.priority,
            created: task.created,
            queue: task.queue,
            queue_entered: task.queue_entered,
            route: task.route,
            channel: task.channel,
            reason: task.reason.clone(),
            re_evaluate: task.re_evaluate,
            version: task.version,
        }
    }
}

impl From<&Worker> for WorkerFacts {
    fn from(worker: &Worker) -> Self {
        Self {
            sid: worker.sid,
            attributes: worker.attributes.clone(),
            activity: worker.activity,
            version: worker.version,
        }
    }
}

impl From<&Reservation> for ReservationFacts {
    fn from(reservation: &Reservation) -> Self {
        Self {
            sid: reservation.sid,
            status: reservation.status,
            canceled_reason_code: reservation.canceled_reason_code,
            version: reservation.version,
        }
    }
}

impl Event {
    pub(crate) fn new(kind: EventType, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            task: None,
            worker: None,
            reservation: None,
            queue: None,
            workflow: None,
            activity: None,
            activity_since: None,
            channel: None,
            previous_capacity: None,
        }
    }
}

macro_rules! event_types {
    ($($name:ident = $word:literal),+ $(,)?) => {
        /// What happened, as the API spells it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType { $(#[doc = $word] $name),+ }

        impl EventType {
            /// `family.type`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}

event_types! {
    ActivityCreated = "activity.created",
    ActivityUpdated = "activity.updated",
    ActivityDeleted = "activity.deleted",
    WorkspaceUpdated = "workspace.updated",
    WorkerCreated = "worker.created",
    WorkerActivityUpdate = "worker.activity.update",
    WorkerAttributesUpdate = "worker.attributes.update",
    WorkerCapacityUpdate = "worker.capacity.update",
    WorkerChannelAvailabilityUpdate = "worker.channel.availability.update",
    WorkerDeleted = "worker.deleted",
    TaskChannelCreated = "task-channel.created",
    TaskChannelUpdated = "task-channel.updated",
    TaskQueueCreated = "task-queue.created",
    TaskQueueDeleted = "task-queue.deleted",
    TaskQueueEntered = "task-queue.entered",
    TaskQueueMoved = "task-queue.moved",
    TaskQueueTimeout = "task-queue.timeout",
    TaskQueueExpressionUpdated = "task-queue.expression.updated",
    WorkflowCreated = "workflow.created",
    WorkflowUpdated = "workflow.updated",
    WorkflowDeleted = "workflow.deleted",
    WorkflowEntered = "workflow.entered",
    WorkflowTargetMatched = "workflow.target-matched",
    WorkflowTimeout = "workflow.timeout",
    WorkflowSkipped = "workflow.skipped",
    TaskCreated = "task.created",
    TaskUpdated = "task.updated",
    TaskCanceled = "task.canceled",
    TaskWrapup = "task.wrapup",
    TaskCompleted = "task.completed",
    TaskDeleted = "task.deleted",
    TaskSystemDeleted = "task.system-deleted",
    ReservationCreated = "reservation.created",
    ReservationAccepted = "reservation.accepted",
    ReservationRejected = "reservation.rejected",
    ReservationTimeout = "reservation.timeout",
    ReservationCanceled = "reservation.canceled",
    ReservationRescinded = "reservation.rescinded",
    ReservationWrapup = "reservation.wrapup",
    ReservationCompleted = "reservation.completed",
}
