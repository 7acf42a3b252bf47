//! What an engine knows, as rows, and rows as what an engine knows.

use std::collections::BTreeMap;

use model::{
    AccountSid, ActivitySid, CallSid, FormerConfiguration, Reservation, RoutingTarget, Task, TaskChannelSid, TaskQueue,
    TaskQueueSid, Timestamp, Transfer, WorkEnd, Worker, WorkerChannel, WorkerChannelSid, WorkerSid, Workflow,
    WorkflowStep, Workspace, WorkspaceSid,
};
use taskrouter::{Attributes, AttributesError, Expression};

use super::RoutingRefusal;

/// What a worker's row has and its engine does not know.
#[derive(Debug)]
pub(super) struct WorkerNote {
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) version: u32,
    pub(super) seq: i64,
    pub(super) channels: BTreeMap<TaskChannelSid, ChannelNote>,
}

/// What a worker channel's row has.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelNote {
    pub(super) sid: WorkerChannelSid,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) seq: i64,
}

/// What a task's row has.
#[derive(Debug)]
pub(super) struct TaskNote {
    pub(super) updated: Timestamp,
    pub(super) version: u32,
    pub(super) seq: i64,
    /// The caller who waits for it.
    pub(super) call: Option<CallSid>,
    /// That caller has been told that it is over, or has said so itself.
    pub(super) is_told: bool,
    pub(super) target: Option<RoutingTarget>,
}

/// What a reservation's row has.
#[derive(Debug, Default)]
pub(super) struct ReservationNote {
    pub(super) seq: i64,
    /// An instruction is being carried out for it.
    pub(super) is_carried: bool,
    /// By which the worker does it, until that is over.
    pub(super) worker_call: Option<CallSid>,
    /// Whose work it is, also when the reservation is gone.
    pub(super) worker: Option<WorkerSid>,
    pub(super) post_work_activity: Option<ActivitySid>,
    pub(super) end: Option<WorkEnd>,
}

/// Whose rows they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) account: AccountSid,
    pub(super) workspace: WorkspaceSid,
}

pub(super) fn workspace_settings(row: &Workspace) -> taskrouter::Workspace {
    taskrouter::Workspace {
        multi_task: row.multi_task_enabled,
        prioritize_queue_order: row.prioritize_queue_order,
        default_activity: row.default_activity_sid,
        timeout_activity: row.timeout_activity_sid,
    }
}

pub(super) fn activity_to_engine(row: &model::Activity) -> taskrouter::Activity {
    taskrouter::Activity { sid: row.sid, friendly_name: row.friendly_name.clone(), available: row.available }
}

pub(super) fn channel_to_engine(row: &model::TaskChannel) -> taskrouter::TaskChannel {
    taskrouter::TaskChannel {
        sid: row.sid,
        unique_name: row.unique_name.clone(),
        optimized: row.channel_optimized_routing,
    }
}

pub(super) fn queue_to_engine(row: &TaskQueue) -> Result<taskrouter::TaskQueue, RoutingRefusal> {
    let target_workers = match row.target_workers.trim() {
        "" => None,
        text => Some(
            Expression::parse(text)
                .map_err(|error| RoutingRefusal::Invalid(format!("Invalid TargetWorkers expression: {error}")))?,
        ),
    };
    Ok(taskrouter::TaskQueue {
        sid: row.sid,
        friendly_name: row.friendly_name.clone(),
        target_workers,
        max_reserved_workers: row.max_reserved_workers,
        task_order: row.task_order,
        reservation_activity: row.reservation_activity_sid,
        assignment_activity: row.assignment_activity_sid,
    })
}

pub(super) fn workflow_to_engine(
    row: &Workflow,
    knows: impl Fn(TaskQueueSid) -> bool,
) -> Result<taskrouter::Workflow, RoutingRefusal> {
    let (name, timeout) = (&row.friendly_name, row.task_reservation_timeout);
    let workflow = taskrouter::Workflow::parse(row.sid, name, &row.configuration, timeout, knows)
        .map_err(|error| RoutingRefusal::Invalid(format!("Invalid Configuration: {error}")))?;
    Ok(taskrouter::Workflow { revision: row.revision, anew_from: row.anew_from, ..workflow })
}

/// What a workflow did before. Of the queues it names, some may be gone.
pub(super) fn former_to_engine(
    row: &Workflow,
    former: &FormerConfiguration,
) -> Result<taskrouter::Workflow, RoutingRefusal> {
    let (revision, configuration) = (former.revision, former.configuration.clone());
    workflow_to_engine(&Workflow { revision, configuration, former: Vec::new(), ..row.clone() }, |_| true)
}

pub(super) fn attributes(text: &str) -> Result<Attributes, RoutingRefusal> {
    Attributes::parse(text).map_err(attributes_refused)
}

pub(super) fn attributes_refused(error: AttributesError) -> RoutingRefusal {
    RoutingRefusal::Invalid(format!("Invalid Attributes: {error}"))
}

pub(super) fn worker_to_engine(row: &Worker, channels: &[WorkerChannel]) -> Result<taskrouter::Worker, RoutingRefusal> {
    let channel = |row: &WorkerChannel| {
        let channel = taskrouter::WorkerChannel {
            capacity: row.configured_capacity,
            available: row.available,
            open: 0, // counted from the reservations
            idle_since: row.idle_since,
            last_reserved: row.last_reserved,
        };
        (row.task_channel_sid, channel)
    };
    Ok(taskrouter::Worker {
        sid: row.sid,
        friendly_name: row.friendly_name.clone(),
        attributes: Attributes::kept(&row.attributes).map_err(attributes_refused)?,
        activity: row.activity_sid,
        status_changed: row.status_changed,
        channels: channels.iter().map(channel).collect(),
        open: Default::default(),
        idle_since: row.idle_since,
        last_reserved: row.last_reserved,
        version: row.version,
    })
}

pub(super) fn worker_row(place: Place, worker: &taskrouter::Worker, note: &WorkerNote) -> Worker {
    Worker {
        sid: worker.sid,
        account_sid: place.account,
        workspace_sid: place.workspace,
        friendly_name: worker.friendly_name.clone(),
        attributes: worker.attributes.as_str().to_owned(),
        activity_sid: worker.activity,
        status_changed: worker.status_changed,
        idle_since: worker.idle_since,
        last_reserved: worker.last_reserved,
        version: worker.version,
        created: note.created,
        updated: note.updated,
        seq: note.seq,
    }
}

pub(super) fn worker_channel_row(
    place: Place,
    worker: &taskrouter::Worker,
    channel: TaskChannelSid,
    note: ChannelNote,
) -> Option<WorkerChannel> {
    let on = worker.channels.get(&channel)?;
    Some(WorkerChannel {
        sid: note.sid,
        account_sid: place.account,
        workspace_sid: place.workspace,
        worker_sid: worker.sid,
        task_channel_sid: channel,
        configured_capacity: on.capacity,
        available: on.available,
        assigned_tasks: on.open,
        idle_since: on.idle_since,
        last_reserved: on.last_reserved,
        created: note.created,
        updated: note.updated,
        seq: note.seq,
    })
}

/// `None`: nothing routes it.
pub(super) fn task_to_engine(row: &Task) -> Result<Option<taskrouter::Task>, RoutingRefusal> {
    use taskrouter::Route;
    let step = |step: WorkflowStep| taskrouter::WorkflowStep {
        revision: step.revision,
        filter: step.filter.map(|filter| filter as usize),
        target: step.target as usize,
        since: step.since,
        allowed: step.allowed,
        expires: step.expires,
        timed_out: step.timed_out,
        stays: step.stays,
    };
    let route = match (row.routing_target, row.workflow_sid) {
        (Some(RoutingTarget::Worker(worker)), _) => Route::Worker { worker, ignore_capacity: row.ignore_capacity },
        (Some(RoutingTarget::Queue(queue)), _) => Route::Queue(queue),
        (_, Some(workflow)) => Route::Workflow { workflow, step: row.step.map(step) },
        (_, None) => return Ok(None),
    };
    Ok(Some(taskrouter::Task {
        sid: row.sid,
        attributes: Attributes::kept(&row.attributes).map_err(attributes_refused)?,
        channel: row.task_channel_sid,
        priority: row.priority,
        created: row.created,
        virtual_start: row.virtual_start,
        timeout: row.timeout,
        status: row.assignment_status,
        reason: row.reason.clone(),
        queue: row.task_queue_sid,
        queue_entered: row.task_queue_entered,
        workflow: row.workflow_sid,
        route,
        // These follow from their own rows.
        reservations: Vec::new(),
        transfers: Vec::new(),
        transfer: None,
        re_evaluate: row.re_evaluate,
        assigned: row.assigned,
        ended: row.ended,
        version: row.version,
    }))
}

pub(super) fn task_row(place: Place, task: &taskrouter::Task, note: &TaskNote) -> Task {
    use taskrouter::Route;
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let step = |step: taskrouter::WorkflowStep| WorkflowStep {
        revision: step.revision,
        filter: step.filter.map(number),
        target: number(step.target),
        since: step.since,
        allowed: step.allowed,
        expires: step.expires,
        timed_out: step.timed_out,
        stays: step.stays,
    };
    let (step, ignore_capacity) = match task.route {
        Route::Workflow { step: at, .. } => (at.map(step), false),
        Route::Queue(_) => (None, false),
        Route::Worker { ignore_capacity, .. } => (None, ignore_capacity),
    };
    Task {
        sid: task.sid,
        account_sid: place.account,
        workspace_sid: place.workspace,
        attributes: task.attributes.as_str().to_owned(),
        task_channel_sid: task.channel,
        workflow_sid: task.workflow,
        task_queue_sid: task.queue,
        task_queue_entered: task.queue_entered,
        assignment_status: task.status,
        reason: task.reason.clone(),
        priority: task.priority,
        timeout: task.timeout,
        virtual_start: task.virtual_start,
        routing_target: note.target,
        ignore_capacity,
        step,
        re_evaluate: task.re_evaluate,
        call_sid: note.call,
        assigned: task.assigned,
        ended: task.ended,
        version: task.version,
        created: task.created,
        updated: note.updated,
        seq: note.seq,
    }
}

pub(super) fn reservation_to_engine(row: &Reservation) -> taskrouter::Reservation {
    taskrouter::Reservation {
        sid: row.sid,
        task: row.task_sid,
        worker: row.worker_sid,
        channel: row.task_channel_sid,
        status: row.reservation_status,
        canceled_reason_code: row.canceled_reason_code,
        transfer: row.transfer_sid,
        created: row.created,
        changed: row.updated,
        times_out: row.times_out,
        version: row.version,
    }
}

pub(super) fn reservation_row(
    place: Place,
    reservation: &taskrouter::Reservation,
    note: &ReservationNote,
) -> Reservation {
    Reservation {
        sid: reservation.sid,
        account_sid: place.account,
        workspace_sid: place.workspace,
        task_sid: reservation.task,
        worker_sid: reservation.worker,
        task_channel_sid: reservation.channel,
        reservation_status: reservation.status,
        canceled_reason_code: reservation.canceled_reason_code,
        times_out: reservation.times_out,
        transfer_sid: reservation.transfer,
        worker_call_sid: note.worker_call,
        post_work_activity_sid: note.post_work_activity,
        work_end: note.end.unwrap_or(WorkEnd::Wrap),
        version: reservation.version,
        created: reservation.created,
        updated: reservation.changed,
        seq: note.seq,
    }
}

pub(super) fn transfer_to_engine(row: &Transfer) -> taskrouter::Transfer {
    taskrouter::Transfer {
        sid: row.sid,
        task: row.task_sid,
        reservation: row.initiating_reservation_sid,
        worker: row.initiating_worker_sid,
        queue: row.initiating_queue_sid,
        workflow: row.initiating_workflow_sid,
        mode: row.transfer_mode,
        to: row.transfer_to,
        status: row.transfer_status,
        failed_reason: row.transfer_failed_reason.clone(),
        created: row.created,
        changed: row.updated,
    }
}

pub(super) fn transfer_row(place: Place, transfer: &taskrouter::Transfer, seq: i64) -> Transfer {
    Transfer {
        sid: transfer.sid,
        account_sid: place.account,
        workspace_sid: place.workspace,
        task_sid: transfer.task,
        transfer_mode: transfer.mode,
        transfer_to: transfer.to,
        transfer_status: transfer.status,
        transfer_failed_reason: transfer.failed_reason.clone(),
        initiating_reservation_sid: transfer.reservation,
        initiating_worker_sid: transfer.worker,
        initiating_queue_sid: transfer.queue,
        initiating_workflow_sid: transfer.workflow,
        created: transfer.created,
        updated: transfer.changed,
        seq,
    }
}
