//! What happened in a workspace, as callbacks, the list of events and workers' screens tell of it (taskrouter §12).

use std::borrow::Cow;
use std::sync::Arc;

use crate::{
    AccountSid, ActivitySid, EventSid, Reservation, ReservationSid, Task, TaskChannelSid, TaskQueueSid, TaskSid,
    Timestamp, Transfer, Worker, WorkerChannel, WorkerSid, WorkflowSid, WorkspaceSid, word_enum,
};

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRouterEvent {
    /// `EV…`.
    pub sid: EventSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// What.
    pub event_type: TaskRouterEventType,
    /// The same for people.
    pub description: String,
    /// When.
    pub at: Timestamp,
    /// To what: its SID begins with what it is.
    pub resource: EventResource,
    /// By whom.
    pub actor: EventActor,
    /// The task concerned; also in `data`, as those below are.
    pub task_sid: Option<TaskSid>,
    /// The worker concerned.
    pub worker_sid: Option<WorkerSid>,
    /// The queue concerned.
    pub task_queue_sid: Option<TaskQueueSid>,
    /// The workflow concerned.
    pub workflow_sid: Option<WorkflowSid>,
    /// The reservation concerned.
    pub reservation_sid: Option<ReservationSid>,
    /// The task channel concerned.
    pub task_channel_sid: Option<TaskChannelSid>,
    /// `event_data`: its members in snake_case, in order; [`TaskRouterEvent::parameter`] spells the callback's.
    pub data: Vec<(Cow<'static, str>, String)>,
    /// The rows concerned, as they were: for workers' screens. Not kept.
    pub concerned: Option<Arc<Concerned>>,
    /// Order among all events, handed out by the switch.
    pub seq: i64,
}

/// Rows as they were when something happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concerned {
    /// The task.
    pub task: Option<Task>,
    /// The worker.
    pub worker: Option<Worker>,
    /// Whether what the worker does is available.
    pub worker_available: bool,
    /// The channel of that worker.
    pub worker_channel: Option<WorkerChannel>,
    /// The reservation.
    pub reservation: Option<Reservation>,
    /// The transfer.
    pub transfer: Option<Transfer>,
    /// Of an event of a task itself: who has the task, or had it until then.
    pub workers: Vec<WorkerSid>,
}

/// What an event is about: `resource_type` and `resource_sid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the resources' own words
pub enum EventResource {
    Workspace(WorkspaceSid),
    Activity(ActivitySid),
    TaskChannel(TaskChannelSid),
    Worker(WorkerSid),
    TaskQueue(TaskQueueSid),
    Workflow(WorkflowSid),
    Task(TaskSid),
    Reservation(ReservationSid),
}

impl EventResource {
    /// `resource_type`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Workspace(_) => "workspace",
            Self::Activity(_) => "activity",
            Self::TaskChannel(_) => "taskchannel",
            Self::Worker(_) => "worker",
            Self::TaskQueue(_) => "taskqueue",
            Self::Workflow(_) => "workflow",
            Self::Task(_) => "task",
            Self::Reservation(_) => "reservation",
        }
    }
}

impl std::fmt::Display for EventResource {
    /// `resource_sid`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Workspace(sid) => sid.fmt(f),
            Self::Activity(sid) => sid.fmt(f),
            Self::TaskChannel(sid) => sid.fmt(f),
            Self::Worker(sid) => sid.fmt(f),
            Self::TaskQueue(sid) => sid.fmt(f),
            Self::Workflow(sid) => sid.fmt(f),
            Self::Task(sid) => sid.fmt(f),
            Self::Reservation(sid) => sid.fmt(f),
        }
    }
}

impl std::str::FromStr for EventResource {
    type Err = crate::SidError;
    fn from_str(sid: &str) -> Result<Self, Self::Err> {
        match sid.get(..2) {
            Some(ActivitySid::PREFIX) => sid.parse().map(Self::Activity),
            Some(TaskChannelSid::PREFIX) => sid.parse().map(Self::TaskChannel),
            Some(WorkerSid::PREFIX) => sid.parse().map(Self::Worker),
            Some(TaskQueueSid::PREFIX) => sid.parse().map(Self::TaskQueue),
            Some(WorkflowSid::PREFIX) => sid.parse().map(Self::Workflow),
            Some(TaskSid::PREFIX) => sid.parse().map(Self::Task),
            Some(ReservationSid::PREFIX) => sid.parse().map(Self::Reservation),
            _ => sid.parse().map(Self::Workspace),
        }
    }
}

/// Who made something happen: `actor_type` and `actor_sid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventActor {
    /// The workspace itself: time, a workflow, an instruction.
    Workspace(WorkspaceSid),
    /// Whoever acts for the account, by REST.
    Account(AccountSid),
    /// A worker, from its own screen.
    Worker(WorkerSid),
}

impl EventActor {
    /// `actor_type`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Workspace(_) => "workspace",
            Self::Account(_) => "account",
            Self::Worker(_) => "worker",
        }
    }
}

impl std::fmt::Display for EventActor {
    /// `actor_sid`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Workspace(sid) => sid.fmt(f),
            Self::Account(sid) => sid.fmt(f),
            Self::Worker(sid) => sid.fmt(f),
        }
    }
}

impl std::str::FromStr for EventActor {
    type Err = crate::SidError;
    fn from_str(sid: &str) -> Result<Self, Self::Err> {
        match sid.get(..2) {
            Some(AccountSid::PREFIX) => sid.parse().map(Self::Account),
            Some(WorkerSid::PREFIX) => sid.parse().map(Self::Worker),
            _ => sid.parse().map(Self::Workspace),
        }
    }
}

impl TaskRouterEvent {
    /// How a callback spells a member of `data`: `TaskChannelSid` for `task_channel_sid`.
    pub fn parameter(member: &str) -> String {
        let mut words = String::with_capacity(member.len());
        for word in member.split('_') {
            let mut letters = word.chars();
            words.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            words.extend(letters);
        }
        words
    }
}

word_enum! {
    /// What may happen (taskrouter §12.2).
    TaskRouterEventType {
        /// An activity was made …
        ActivityCreated = "activity.created",
        /// … renamed …
        ActivityUpdated = "activity.updated",
        /// … deleted.
        ActivityDeleted = "activity.deleted",
        /// A workspace was made …
        WorkspaceCreated = "workspace.created",
        /// … changed …
        WorkspaceUpdated = "workspace.updated",
        /// … deleted.
        WorkspaceDeleted = "workspace.deleted",
        /// A worker was made …
        WorkerCreated = "worker.created",
        /// … does something else …
        WorkerActivityUpdate = "worker.activity.update",
        /// … is described otherwise …
        WorkerAttributesUpdate = "worker.attributes.update",
        /// … takes more or less at once …
        WorkerCapacityUpdate = "worker.capacity.update",
        /// … takes a kind of work, or does not …
        WorkerChannelAvailabilityUpdate = "worker.channel.availability.update",
        /// … was deleted.
        WorkerDeleted = "worker.deleted",
        /// A task channel was made …
        TaskChannelCreated = "task-channel.created",
        /// … changed …
        TaskChannelUpdated = "task-channel.updated",
        /// … deleted.
        TaskChannelDeleted = "task-channel.deleted",
        /// A queue was made …
        TaskQueueCreated = "task-queue.created",
        /// … deleted.
        TaskQueueDeleted = "task-queue.deleted",
        /// A task came into its first queue …
        TaskQueueEntered = "task-queue.entered",
        /// … into another …
        TaskQueueMoved = "task-queue.moved",
        /// … and its time there was up.
        TaskQueueTimeout = "task-queue.timeout",
        /// A queue is other workers' from now on.
        TaskQueueExpressionUpdated = "task-queue.expression.updated",
        /// A workflow was made …
        WorkflowCreated = "workflow.created",
        /// … changed …
        WorkflowUpdated = "workflow.updated",
        /// … deleted.
        WorkflowDeleted = "workflow.deleted",
        /// A task came into its workflow …
        WorkflowEntered = "workflow.entered",
        /// … to a target of it …
        WorkflowTargetMatched = "workflow.target-matched",
        /// … to its end …
        WorkflowTimeout = "workflow.timeout",
        /// … past a target.
        WorkflowSkipped = "workflow.skipped",
        /// A task was made …
        TaskCreated = "task.created",
        /// … changed …
        TaskUpdated = "task.updated",
        /// … given up …
        TaskCanceled = "task.canceled",
        /// … is being finished up …
        TaskWrapup = "task.wrapup",
        /// … is done …
        TaskCompleted = "task.completed",
        /// … is gone …
        TaskDeleted = "task.deleted",
        /// … was removed, assigned for too long.
        TaskSystemDeleted = "task.system-deleted",
        /// A transfer began …
        TaskTransferInitiated = "task.transfer-initiated",
        /// … one of those asked would not …
        TaskTransferAttemptFailed = "task.transfer-attempt-failed",
        /// … none would …
        TaskTransferFailed = "task.transfer-failed",
        /// … it was taken back …
        TaskTransferCanceled = "task.transfer-canceled",
        /// … somebody has taken over.
        TaskTransferCompleted = "task.transfer-completed",
        /// A task was offered to a worker …
        ReservationCreated = "reservation.created",
        /// … who took it …
        ReservationAccepted = "reservation.accepted",
        /// … would not …
        ReservationRejected = "reservation.rejected",
        /// … said nothing …
        ReservationTimeout = "reservation.timeout",
        /// … is not asked any more …
        ReservationCanceled = "reservation.canceled",
        /// … came too late …
        ReservationRescinded = "reservation.rescinded",
        /// … finishes up …
        ReservationWrapup = "reservation.wrapup",
        /// … is done …
        ReservationCompleted = "reservation.completed",
        /// … could not.
        ReservationFailed = "reservation.failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_spell_members_in_their_own_way() {
        for (member, want) in [
            ("task_sid", "TaskSid"),
            ("worker_time_in_previous_activity_ms", "WorkerTimeInPreviousActivityMs"),
            ("task_re_evaluated", "TaskReEvaluated"),
            ("reason", "Reason"),
            ("", ""),
        ] {
            assert_eq!(TaskRouterEvent::parameter(member), want);
        }
    }

    #[test]
    fn what_an_event_is_about_is_told_by_its_sid() {
        let sids = [
            "WS00000000000000000000000000000001",
            "WA00000000000000000000000000000001",
            "TC00000000000000000000000000000001",
            "WK00000000000000000000000000000001",
            "WQ00000000000000000000000000000001",
            "WW00000000000000000000000000000001",
            "WT00000000000000000000000000000001",
            "WR00000000000000000000000000000001",
        ];
        for sid in sids {
            assert_eq!(sid.parse::<EventResource>().expect(sid).to_string(), sid);
        }
        for sid in [sids[0], "AC00000000000000000000000000000001", sids[3]] {
            assert_eq!(sid.parse::<EventActor>().expect(sid).to_string(), sid);
        }
        assert!("CA00000000000000000000000000000001".parse::<EventResource>().is_err());
        assert!("".parse::<EventActor>().is_err());
    }
}
