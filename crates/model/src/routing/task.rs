//! A task: something to be done by somebody.

use std::time::Duration;

use crate::{
    AccountSid, CallSid, TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, WorkerSid, WorkflowSid, WorkspaceSid,
    word_enum,
};

/// A task as the API shows it and the store keeps it (taskrouter §6). Its reservations are rows of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// `WT…`.
    pub sid: TaskSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// What expressions may ask about it: a JSON object, byte for byte as it was given.
    pub attributes: String,
    /// What kind of work it is.
    pub task_channel_sid: TaskChannelSid,
    /// The workflow that routes it, or whose assignment callback is asked if it is routed without.
    pub workflow_sid: Option<WorkflowSid>,
    /// The queue it is in, or was accepted from.
    pub task_queue_sid: Option<TaskQueueSid>,
    /// Since when it is in that.
    pub task_queue_entered: Option<Timestamp>,
    /// How it stands.
    pub assignment_status: AssignmentStatus,
    /// Why it was canceled or completed.
    pub reason: Option<String>,
    /// Higher is first.
    pub priority: u32,
    /// How old it may become without being assigned; whole seconds.
    pub timeout: Duration,
    /// What orders it in its queue.
    pub virtual_start: Timestamp,
    /// Where it was sent by whoever made it.
    pub routing_target: Option<RoutingTarget>,
    /// Of a worker as target: whether or not it is available and has room.
    pub ignore_capacity: bool,
    /// How far its workflow has come with it. Not shown.
    pub step: Option<WorkflowStep>,
    /// Its workflow is to be run anew once its reservations have failed.
    pub re_evaluate: bool,
    /// The caller who waits for it (`<Enqueue workflowSid>`). Not shown.
    pub call_sid: Option<CallSid>,
    /// When it was assigned. Not shown.
    pub assigned: Option<Timestamp>,
    /// When it was completed or canceled. Not shown.
    pub ended: Option<Timestamp>,
    /// Grows with every change: its ETag.
    pub version: u32,
    /// First seen; its age counts from here.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

/// How far a workflow has come with a task (taskrouter §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkflowStep {
    /// By which revision of its workflow.
    pub revision: u32,
    /// Which filter; `None` is the default filter.
    pub filter: Option<u32>,
    /// Which of its targets.
    pub target: u32,
    /// From when the timeouts of the targets count.
    pub since: Timestamp,
    /// The sum of the timeouts of all targets so far, this one's included.
    pub allowed: Duration,
    /// When this target is left; `None`: never by time.
    pub expires: Option<Timestamp>,
    /// Some target before was left by time rather than skipped.
    pub timed_out: bool,
    /// Its `skip_if` has been asked, and is not asked again until an offer has failed.
    pub stays: bool,
}

/// Where a task is sent past the filters (`RoutingTarget`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutingTarget {
    /// To one worker.
    Worker(WorkerSid),
    /// To the workers of a queue.
    Queue(TaskQueueSid),
    /// Through a workflow, as `WorkflowSid`.
    Workflow(WorkflowSid),
}

impl std::fmt::Display for RoutingTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Worker(sid) => sid.fmt(f),
            Self::Queue(sid) => sid.fmt(f),
            Self::Workflow(sid) => sid.fmt(f),
        }
    }
}

impl std::str::FromStr for RoutingTarget {
    type Err = crate::SidError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.get(..2) {
            Some(WorkerSid::PREFIX) => text.parse().map(Self::Worker),
            Some(TaskQueueSid::PREFIX) => text.parse().map(Self::Queue),
            _ => text.parse().map(Self::Workflow),
        }
    }
}

word_enum! {
    /// How a task stands (taskrouter §6.2).
    AssignmentStatus {
        /// It waits.
        Pending = "pending",
        /// It is offered to one worker or several.
        Reserved = "reserved",
        /// A worker has it.
        Assigned = "assigned",
        /// That worker finishes up.
        Wrapping = "wrapping",
        /// Done.
        Completed = "completed",
        /// Given up.
        Canceled = "canceled",
    }
}

impl AssignmentStatus {
    /// The state machine of §6.2.
    pub const fn may_become(self, next: Self) -> bool {
        use AssignmentStatus as S;
        match self {
            S::Pending => matches!(next, S::Reserved | S::Canceled),
            S::Reserved => matches!(next, S::Pending | S::Assigned | S::Canceled),
            S::Assigned => matches!(next, S::Wrapping | S::Completed),
            S::Wrapping => matches!(next, S::Completed),
            S::Completed | S::Canceled => false,
        }
    }

    /// Completed or canceled.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Canceled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReservationStatus as R;

    #[test]
    fn the_state_machines_have_the_contracts_edges_only() {
        use AssignmentStatus::{Assigned, Canceled, Completed, Pending, Reserved, Wrapping};
        let tasks = [Pending, Reserved, Assigned, Wrapping, Completed, Canceled];
        let legal: Vec<_> = tasks.iter().flat_map(|from| tasks.iter().map(move |to| (*from, *to))).collect();
        let legal: Vec<_> = legal.into_iter().filter(|(from, to)| from.may_become(*to)).collect();
        // §6.2
        assert_eq!(
            legal,
            [
                (Pending, Reserved),
                (Pending, Canceled),
                (Reserved, Pending),
                (Reserved, Assigned),
                (Reserved, Canceled),
                (Assigned, Wrapping),
                (Assigned, Completed),
                (Wrapping, Completed),
            ]
        );
        let all =
            [R::Pending, R::Accepted, R::Wrapping, R::Completed, R::Rejected, R::Timeout, R::Rescinded, R::Canceled];
        let edges = |from: R| all.iter().filter(|to| from.may_become(**to)).count();
        assert_eq!(all.map(edges), [5, 3, 2, 0, 0, 0, 0, 0]); // §7.1
        for from in all {
            assert_eq!(from.is_open(), edges(from) > 0, "{from:?}");
        }
    }
}
