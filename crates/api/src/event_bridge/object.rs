//! Objects as screens know them (taskrouter §14.4): every member they check for, moments in seconds since 1970.
//!
//! What there is only sometimes is left out rather than null: the SDK takes a null for an object.

use model::{
    Activity, Reservation, Task, TaskOrder, TaskQueue, Timestamp, Transfer, TransferTarget, Worker, WorkerChannel,
};
use serde_json::{Value, json};
use store::{TaskNames, TaskQueueNames};

pub(super) fn worker(row: &Worker, activity_name: &str, available: bool) -> Value {
    json!({
        "account_sid": row.account_sid.to_string(),
        "workspace_sid": row.workspace_sid.to_string(),
        "sid": row.sid.to_string(),
        "friendly_name": row.friendly_name,
        "activity_sid": row.activity_sid.to_string(),
        "activity_name": activity_name,
        "available": available,
        "attributes": row.attributes,
        "date_created": row.created.seconds(),
        "date_updated": row.updated.seconds(),
        "date_status_changed": row.status_changed.seconds(),
        "version": row.version,
    })
}

pub(super) fn activity(row: &Activity) -> Value {
    json!({
        "account_sid": row.account_sid.to_string(),
        "workspace_sid": row.workspace_sid.to_string(),
        "sid": row.sid.to_string(),
        "friendly_name": row.friendly_name,
        "available": row.available,
        "date_created": row.created.seconds(),
        "date_updated": row.updated.seconds(),
    })
}

pub(super) fn channel(row: &WorkerChannel, task_channel_unique_name: &str) -> Value {
    json!({
        "account_sid": row.account_sid.to_string(),
        "workspace_sid": row.workspace_sid.to_string(),
        "worker_sid": row.worker_sid.to_string(),
        "sid": row.sid.to_string(),
        "task_channel_sid": row.task_channel_sid.to_string(),
        "task_channel_unique_name": task_channel_unique_name,
        "available": row.available,
        "assigned_tasks": row.assigned_tasks,
        "configured_capacity": row.configured_capacity,
        "available_capacity_percentage": row.available_capacity_percentage(),
        "last_reserved_time": row.last_reserved.map(|at| at.micros() / 1_000),
        "date_created": row.created.seconds(),
        "date_updated": row.updated.seconds(),
    })
}

/// With its task, the transfer it came of, and the one that its worker has begun.
pub(super) fn reservation(
    row: &Reservation,
    task: Value,
    came_of: Option<&Transfer>,
    begun: Option<&Transfer>,
) -> Value {
    let mut object = json!({
        "account_sid": row.account_sid.to_string(),
        "workspace_sid": row.workspace_sid.to_string(),
        "worker_sid": row.worker_sid.to_string(),
        "sid": row.sid.to_string(),
        "reservation_status": row.reservation_status.as_str(),
        "reservation_timeout": row.times_out.since(row.created).as_secs(),
        "task": task,
        "version": row.version,
        "date_created": row.created.seconds(),
        "date_updated": row.updated.seconds(),
    });
    let sometimes = [
        ("canceled_reason_code", row.canceled_reason_code.map(Value::from)),
        ("task_transfer", came_of.map(transfer)),
        ("active_outgoing_task_transfer", begun.map(transfer)),
    ];
    for (name, value) in sometimes {
        if let Some(value) = value {
            object[name] = value;
        }
    }
    object
}

pub(super) fn task(row: &Task, names: &TaskNames, now: Timestamp) -> Value {
    json!({
        "account_sid": row.account_sid.to_string(),
        "workspace_sid": row.workspace_sid.to_string(),
        "sid": row.sid.to_string(),
        "age": now.since(row.created).as_secs(),
        "attributes": row.attributes,
        "addons": "{}",
        "priority": row.priority,
        "reason": row.reason,
        "assignment_status": row.assignment_status.as_str(),
        "queue_sid": row.task_queue_sid.map(|sid| sid.to_string()),
        "queue_name": names.task_queue,
        "workflow_sid": row.workflow_sid.map(|sid| sid.to_string()),
        "workflow_name": names.workflow,
        "task_channel_sid": row.task_channel_sid.to_string(),
        "task_channel_unique_name": names.task_channel,
        "timeout": row.timeout.as_secs(),
        "routing_target": row.routing_target.map(|target| target.to_string()),
        "virtual_start_time": row.virtual_start.seconds(),
        "version": row.version,
        "date_created": row.created.seconds(),
        "date_updated": row.updated.seconds(),
    })
}

pub(super) fn transfer(row: &Transfer) -> Value {
    let transfer_type = match row.transfer_to {
        TransferTarget::Worker(_) => "WORKER",
        TransferTarget::Queue(_) => "QUEUE",
    };
    json!({
        "account_sid": row.account_sid.to_string(),
        "workspace_sid": row.workspace_sid.to_string(),
        "sid": row.sid.to_string(),
        "task_sid": row.task_sid.to_string(),
        "transfer_mode": row.transfer_mode.as_str(),
        "transfer_type": transfer_type,
        "transfer_to": row.transfer_to.to_string(),
        "transfer_status": row.transfer_status.as_str(),
        "transfer_failed_reason": row.transfer_failed_reason,
        "initiating_reservation_sid": row.initiating_reservation_sid.to_string(),
        "initiating_worker_sid": row.initiating_worker_sid.to_string(),
        "initiating_queue_sid": row.initiating_queue_sid.map(|sid| sid.to_string()),
        "initiating_workflow_sid": row.initiating_workflow_sid.map(|sid| sid.to_string()),
        "date_created": row.created.seconds(),
        "date_updated": row.updated.seconds(),
    })
}

pub(super) fn task_queue(row: &TaskQueue, names: &TaskQueueNames) -> Value {
    json!({
        "account_sid": row.account_sid.to_string(),
        "workspace_sid": row.workspace_sid.to_string(),
        "sid": row.sid.to_string(),
        "friendly_name": row.friendly_name,
        "target_workers": row.target_workers,
        "max_reserved_workers": row.max_reserved_workers,
        "task_order": row.task_order.as_str(),
        "lifo_queue": row.task_order == TaskOrder::Lifo,
        "assignment_activity_sid": row.assignment_activity_sid.map(|sid| sid.to_string()),
        "assignment_activity_name": names.assignment_activity,
        "reservation_activity_sid": row.reservation_activity_sid.map(|sid| sid.to_string()),
        "reservation_activity_name": names.reservation_activity,
        "date_created": row.created.seconds(),
        "date_updated": row.updated.seconds(),
    })
}
