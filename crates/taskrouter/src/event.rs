//! What is told about all this (taskrouter §12), as it was when it happened.

use std::sync::Arc;

use model::{
    ActivitySid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskRouterEventType, TaskSid, Timestamp, TransferSid,
    WorkerSid, WorkflowSid,
};

use crate::{
    AssignmentStatus, Attributes, Reservation, ReservationStatus, Route, Task, TaskQueue, Transfer, Worker,
    WorkerChannel, Workflow,
};

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What.
    pub kind: TaskRouterEventType,
    /// When.
    pub at: Timestamp,
    /// The task concerned.
    pub task: Option<TaskFacts>,
    /// The worker concerned.
    pub worker: Option<WorkerFacts>,
    /// The reservation concerned.
    pub reservation: Option<ReservationFacts>,
    /// The transfer concerned: the one that is told of, or the one a reservation is offered by.
    pub transfer: Option<Transfer>,
    /// The queue concerned, or the task's.
    pub queue: Option<Arc<TaskQueue>>,
    /// The queue a task left for that.
    pub previous_queue: Option<TaskQueueSid>,
    /// The workflow concerned, or the task's.
    pub workflow: Option<Arc<Workflow>>,
    /// The activity concerned; the one before of `worker.activity.update`.
    pub activity: Option<ActivitySid>,
    /// Since when the worker did that.
    pub activity_since: Option<Timestamp>,
    /// The task channel concerned.
    pub channel: Option<TaskChannelSid>,
    /// That channel of the worker, as it is now.
    pub worker_channel: Option<WorkerChannel>,
    /// What the channel's capacity was before.
    pub previous_capacity: Option<u32>,
}

/// Where in its workflow a task was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // as in `Filter` and `Target`
pub struct FilterFacts<'a> {
    pub name: &'a str,
    pub expression: &'a str,
    pub target_name: &'a str,
    pub target_expression: &'a str,
}

/// A task as it was.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // as in `Task`
pub struct TaskFacts {
    pub sid: TaskSid,
    pub attributes: Attributes,
    pub status: AssignmentStatus,
    pub priority: u32,
    pub created: Timestamp,
    pub queue: Option<TaskQueueSid>,
    pub queue_entered: Option<Timestamp>,
    pub route: Route,
    /// As [`Task::workflow`].
    pub workflow: Option<WorkflowSid>,
    pub channel: TaskChannelSid,
    pub reason: Option<String>,
    pub re_evaluate: bool,
    pub assigned: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub version: u32,
}

/// A worker as it was.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // as in `Worker`
pub struct WorkerFacts {
    pub sid: WorkerSid,
    pub friendly_name: String,
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
    pub transfer: Option<TransferSid>,
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
            workflow: task.workflow,
            channel: task.channel,
            reason: task.reason.clone(),
            re_evaluate: task.re_evaluate,
            assigned: task.assigned,
            ended: task.ended,
            version: task.version,
        }
    }
}

impl From<&Worker> for WorkerFacts {
    fn from(worker: &Worker) -> Self {
        Self {
            sid: worker.sid,
            friendly_name: worker.friendly_name.clone(),
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
            transfer: reservation.transfer,
            version: reservation.version,
        }
    }
}

impl Event {
    pub(crate) fn new(kind: TaskRouterEventType, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            task: None,
            worker: None,
            reservation: None,
            transfer: None,
            queue: None,
            previous_queue: None,
            workflow: None,
            activity: None,
            activity_since: None,
            channel: None,
            worker_channel: None,
            previous_capacity: None,
        }
    }

    /// Where in its workflow the task was.
    pub fn filter(&self) -> Option<FilterFacts<'_>> {
        let Route::Workflow { step: Some(step), .. } = self.task.as_ref()?.route else { return None };
        let workflow = self.workflow.as_ref().filter(|workflow| workflow.revision == step.revision)?;
        let target = workflow.targets(step.filter).get(step.target)?;
        let (name, expression) = match step.filter {
            Some(filter) => workflow.filters.get(filter).map(|f| (&*f.friendly_name, f.expression.as_str()))?,
            None => ("default_filter", ""),
        };
        let target_expression = target.expression.as_ref().map_or("", |expression| expression.as_str());
        Some(FilterFacts { name, expression, target_name: &target.friendly_name, target_expression })
    }
}
