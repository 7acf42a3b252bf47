//! Tasks, and the life they have (taskrouter §6).

use std::time::Duration;

use model::{
    AssignmentStatus, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, TransferSid, WorkerSid,
    WorkflowSid,
};

use crate::Attributes;

/// Something to be done by somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its name in the API.
    pub sid: TaskSid,
    /// What expressions may ask about it.
    pub attributes: Attributes,
    /// What kind of work it is.
    pub channel: TaskChannelSid,
    /// Higher is first.
    pub priority: u32,
    /// When it was created; its age counts from here.
    pub created: Timestamp,
    /// What orders it in its queue.
    pub virtual_start: Timestamp,
    /// How old it may become without being assigned.
    pub timeout: Duration,
    /// How it stands.
    pub status: AssignmentStatus,
    /// Why it was canceled or completed.
    pub reason: Option<String>,
    /// The queue it is in, or was accepted from.
    pub queue: Option<TaskQueueSid>,
    /// Since when it is in that.
    pub queue_entered: Option<Timestamp>,
    /// Whose time for reservations holds, and in whose statistics it is counted, whether or not that routes it.
    pub workflow: Option<WorkflowSid>,
    /// Where it is routed, and how far that has come.
    pub route: Route,
    /// Every reservation it has had, the newest last; at most [`RESERVATIONS_MAX`].
    pub reservations: Vec<ReservationSid>,
    /// Every transfer it has had, the newest last; at most [`TRANSFERS_MAX`](crate::TRANSFERS_MAX).
    pub transfers: Vec<TransferSid>,
    /// The transfer that is under way.
    pub transfer: Option<TransferSid>,
    /// The workflow is to be run anew once its reservations have failed.
    pub re_evaluate: bool,
    /// When it was last assigned.
    pub assigned: Option<Timestamp>,
    /// When it was completed or canceled.
    pub ended: Option<Timestamp>,
    /// Grows with every change.
    pub version: u32,
}

/// Who is to get a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// By a workflow, which has come to this step.
    Workflow {
        /// Which.
        workflow: WorkflowSid,
        /// Where in it, unless none of its filters matched.
        step: Option<WorkflowStep>,
    },
    /// Any worker of a queue.
    Queue(TaskQueueSid),
    /// One worker.
    Worker {
        /// Who.
        worker: WorkerSid,
        /// Whether or not it is available and has room.
        ignore_capacity: bool,
    },
}

/// How far a workflow has come with a task (taskrouter §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkflowStep {
    /// By which [`revision`](crate::Workflow::revision) of the workflow: a task goes by what it came by.
    pub revision: u32,
    /// Which filter; `None` is the default filter.
    pub filter: Option<usize>,
    /// Which of its targets.
    pub target: usize,
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

/// Reservations of one task (taskrouter §6.2, §9).
pub const RESERVATIONS_MAX: usize = 1000;
