//! Task queues (taskrouter §4).

use std::ops::RangeInclusive;

use axum::http::StatusCode;
use axum::response::Response;
use model::{TaskOrder, TaskQueue, WorkerSid, WorkspaceSid};
use serde::Serialize;
use serde_json::Value;
use store::{ListPage, ListPlace, OrderBy, Rows, TaskQueueNames};
use switch::routing::{NewTaskQueue, TaskQueueUpdate, WorkspaceOrder};

use super::list::{List, RowPlace};
use super::matching::{self, QueueAsked};
use super::workspaces::task_order;
use super::{FRIENDLY_NAME, Links, Scope, name, number, required_name, row, sid};
use crate::directory::sid_set;
use crate::json;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// A queue, and the names of its activities.
type Row = (TaskQueue, TaskQueueNames);

/// `GET /TaskQueues`
pub(crate) async fn list(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let (list, rows) = rows(&scope, &parameters).await?;
    let url = scope.url(scope.workspace()?, "/TaskQueues");
    let place = |row: &Row| place(&list, row);
    Ok(list.answer("task_queues", &url, &rows, place, |(row, names)| TaskQueueJson::of(&scope, row, names.clone())))
}

/// A page of the list.
pub(crate) async fn rows<'a>(scope: &Scope, parameters: &'a Parameters) -> Result<(List<'a>, Rows<Row>), Problem> {
    let friendly_name = parameters.filled(FRIENDLY_NAME).map(str::to_owned);
    let expected = "DateUpdated:asc or DateUpdated:desc";
    let list = List::ordered(parameters, expected, &[("DateUpdated", OrderBy::Updated)])?;
    let (store, account, workspace) = (&scope.api.store, scope.account, scope.existing_workspace().await?);
    let page = list.page(|sid| store.task_queue_seq(account, workspace, sid)).await?;
    let asked = asked(scope, workspace, parameters).await?;
    let read = async |page: ListPage| store.task_queues(account, workspace, friendly_name.clone(), &page).await;
    let rows = if asked.is_empty() {
        read(page).await?
    } else {
        let keys = |row: &TaskQueue| list.order().keys().map(|_| row.updated.micros()).collect();
        let place = |(row, _): &Row| ListPlace { keys: keys(row), seq: row.seq };
        let holds = |(row, _): &Row| asked.iter().all(|asked| matching::queue_has(&row.target_workers, asked));
        matching::page(page, read, place, holds).await?
    };
    Ok((list, rows))
}

/// Where a queue stands in it.
pub(crate) fn place(list: &List, (row, _): &Row) -> RowPlace {
    RowPlace::in_order(list.order(), row.sid, |_| row.updated.micros())
}

/// `POST /TaskQueues`
pub(crate) async fn create(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let new = NewTaskQueue {
        friendly_name: required_name(&parameters, FRIENDLY_NAME)?,
        target_workers: parameters.get("TargetWorkers").map(str::to_owned),
        max_reserved_workers: max_reserved_workers(&parameters)?.unwrap_or(1),
        task_order: task_order(&parameters, "TaskOrder")?.unwrap_or(TaskOrder::Fifo),
        reservation_activity: sid(&parameters, "ReservationActivitySid")?,
        assignment_activity: sid(&parameters, "AssignmentActivitySid")?,
    };
    let row = row!(scope.change(WorkspaceOrder::CreateTaskQueue(new)).await?, TaskQueue);
    shown(&scope, StatusCode::CREATED, row).await
}

/// `GET /TaskQueues/{WQ}`
pub(crate) async fn fetch(scope: Scope) -> Result<Response, Problem> {
    let found = scope.api.store.task_queue(scope.account, scope.workspace()?, scope.sid("queue")?).await?;
    let (row, names) = found.ok_or(Problem::NotFound)?;
    Ok(json::ok(&TaskQueueJson::of(&scope, &row, names)))
}

/// `POST /TaskQueues/{WQ}`
pub(crate) async fn update(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let order = WorkspaceOrder::UpdateTaskQueue {
        queue: scope.sid("queue")?,
        change: TaskQueueUpdate {
            friendly_name: name(&parameters, FRIENDLY_NAME)?,
            target_workers: parameters.get("TargetWorkers").map(str::to_owned),
            max_reserved_workers: max_reserved_workers(&parameters)?,
            task_order: task_order(&parameters, "TaskOrder")?,
            reservation_activity: sid_set(&parameters, "ReservationActivitySid")?,
            assignment_activity: sid_set(&parameters, "AssignmentActivitySid")?,
        },
    };
    let row = row!(scope.change(order).await?, TaskQueue);
    shown(&scope, StatusCode::OK, row).await
}

/// `DELETE /TaskQueues/{WQ}`
pub(crate) async fn delete(scope: Scope) -> Result<Response, Problem> {
    scope.delete(WorkspaceOrder::DeleteTaskQueue(scope.sid("queue")?)).await
}

/// Whose queues the filters ask for.
async fn asked(scope: &Scope, workspace: WorkspaceSid, parameters: &Parameters) -> Result<Vec<QueueAsked>, Problem> {
    const ATTRIBUTES: &str = "EvaluateWorkerAttributes";
    const WORKER: &str = "WorkerSid";
    let mut asked = Vec::new();
    if let Some(text) = parameters.filled(ATTRIBUTES) {
        matching::count(scope)?;
        let attributes = serde_json::from_str(text).ok().filter(Value::is_object);
        let expected = "a worker's attributes, a JSON object";
        asked.push(QueueAsked::Attributes(attributes.ok_or(Problem::Parameter { name: ATTRIBUTES, expected })?));
    }
    if let Some(worker) = sid::<WorkerSid>(parameters, WORKER)? {
        let worker = scope.api.store.worker(scope.account, workspace, worker).await?;
        let worker = worker.and_then(|(worker, does)| QueueAsked::worker(&worker, does));
        asked.push(worker.ok_or(Problem::Parameter { name: WORKER, expected: "a worker of this workspace" })?);
    }
    Ok(asked)
}

fn max_reserved_workers(parameters: &Parameters) -> Result<Option<u32>, Problem> {
    number(parameters, "MaxReservedWorkers", "a number from 1 to 50", MAX_RESERVED_WORKERS)
}

async fn shown(scope: &Scope, status: StatusCode, row: TaskQueue) -> Result<Response, Problem> {
    let found = scope.api.store.task_queue(scope.account, row.workspace_sid, row.sid).await?;
    let names = found.map(|(_, names)| names).unwrap_or_default();
    Ok(json::answer(status, &TaskQueueJson::of(scope, &row, names)))
}

#[derive(Serialize)]
struct TaskQueueJson {
    sid: String,
    account_sid: String,
    workspace_sid: String,
    friendly_name: String,
    target_workers: String,
    max_reserved_workers: u32,
    task_order: &'static str,
    reservation_activity_sid: Option<String>,
    reservation_activity_name: Option<String>,
    assignment_activity_sid: Option<String>,
    assignment_activity_name: Option<String>,
    date_created: String,
    date_updated: String,
    url: String,
    links: Links,
}

impl TaskQueueJson {
    fn of(scope: &Scope, row: &TaskQueue, names: TaskQueueNames) -> Self {
        let at = |path| scope.url(row.workspace_sid, format_args!("/TaskQueues/{}{path}", row.sid));
        let of_all = |path| scope.url(row.workspace_sid, format_args!("/TaskQueues/{path}"));
        // Every link is there; without an activity it leads to all of them.
        let activity = |sid: Option<model::ActivitySid>| match sid {
            Some(sid) => scope.url(row.workspace_sid, format_args!("/Activities/{sid}")),
            None => scope.url(row.workspace_sid, "/Activities"),
        };
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            workspace_sid: row.workspace_sid.to_string(),
            friendly_name: row.friendly_name.clone(),
            target_workers: row.target_workers.clone(),
            max_reserved_workers: row.max_reserved_workers,
            task_order: row.task_order.as_str(),
            reservation_activity_sid: row.reservation_activity_sid.map(|sid| sid.to_string()),
            reservation_activity_name: names.reservation_activity,
            assignment_activity_sid: row.assignment_activity_sid.map(|sid| sid.to_string()),
            assignment_activity_name: names.assignment_activity,
            date_created: row.created.rfc3339(),
            date_updated: row.updated.rfc3339(),
            url: at(""),
            links: Links::from([
                ("workspace", scope.url(row.workspace_sid, "")),
                ("assignment_activity", activity(row.assignment_activity_sid)),
                ("reservation_activity", activity(row.reservation_activity_sid)),
                ("statistics", at("/Statistics")),
                ("real_time_statistics", at("/RealTimeStatistics")),
                ("cumulative_statistics", at("/CumulativeStatistics")),
                ("list_statistics", of_all("Statistics")),
                ("bulk_real_time_statistics", of_all("RealTimeStatistics")),
            ]),
        }
    }
}

/// Workers who are offered a task at once (taskrouter §4).
const MAX_RESERVED_WORKERS: RangeInclusive<u32> = 1..=50;
