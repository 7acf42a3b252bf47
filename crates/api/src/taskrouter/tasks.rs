//! Tasks (taskrouter §6).

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use model::{AssignmentStatus, Task, Timestamp};
use serde::Serialize;
use store::{ListPage, ListPlace, OrderBy, Rows, TaskFilter, TaskNames};
use switch::routing::{NewTask, TaskUpdate, WorkspaceOrder};
use taskrouter::{Attributes, TaskNames as NamesOfTask};

use super::list::{List, RowPlace};
use super::{Links, Scope, changed_attributes, dates, matching, number, row, sid, versioned, words};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// A task, and the names of where it is.
type Row = (Task, TaskNames);

/// `GET /Tasks`
pub(crate) async fn list(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    const EXPRESSION: &str = "EvaluateTaskAttributes";
    let filter = filter(&parameters)?;
    let list = List::ordered(&parameters, ORDERS_EXPECTED, &ORDERS)?;
    let (store, account, workspace) = (&scope.api.store, scope.account, scope.existing_workspace().await?);
    let page = list.page(|sid| store.task_seq(account, workspace, sid)).await?;
    let read = async |page: ListPage| store.tasks(account, workspace, &filter, &page).await;
    let rows = match parameters.filled(EXPRESSION) {
        // There are no add-ons.
        _ if parameters.flag_filter("HasAddons")? == Some(true) => Rows { rows: Vec::new(), more: false },
        None => read(page).await?,
        Some(text) => {
            matching::count(&scope)?;
            let expression = matching::expression(EXPRESSION, text)?;
            let place = |(row, _): &Row| ListPlace {
                keys: list.order().keys().map(|by| value(row, by)).collect(),
                seq: row.seq,
            };
            let holds = |(row, _): &Row| {
                Attributes::parse(&row.attributes).is_ok_and(|of| expression.is_true(&NamesOfTask(&of)))
            };
            matching::page(page, read, place, holds).await?
        }
    };
    let url = scope.url(workspace, "/Tasks");
    let now = scope.api.now();
    let place = |(row, _): &Row| RowPlace::in_order(list.order(), row.sid, |by| value(row, by));
    Ok(list.answer("tasks", &url, &rows, place, |(row, names)| TaskJson::of(&scope, row, names.clone(), now)))
}

/// `POST /Tasks`
pub(crate) async fn create(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let new = new(&scope, &parameters)?;
    let row = row!(scope.change(WorkspaceOrder::CreateTask(new)).await?, Task);
    shown(&scope, StatusCode::CREATED, row).await
}

/// A task as the parameters describe it.
pub(crate) fn new(scope: &Scope, parameters: &Parameters) -> Result<NewTask, Problem> {
    Ok(NewTask {
        attributes: parameters.filled("Attributes").map(str::to_owned),
        workflow: sid(parameters, "WorkflowSid")?,
        channel: parameters.filled("TaskChannel").map(Into::into),
        priority: priority(parameters)?,
        timeout: number(parameters, "Timeout", "seconds from 1 to 1209600", TIMEOUT_SECONDS)?.map(Duration::from_secs),
        virtual_start: virtual_start(scope, parameters)?,
        routing_target: routing_target(parameters)?,
        ignore_capacity: parameters.flag_filter("IgnoreCapacity")?,
        task_queue: sid(parameters, "TaskQueueSid")?,
    })
}

/// `GET /Tasks/{WT}`
pub(crate) async fn fetch(scope: Scope) -> Result<Response, Problem> {
    let found = scope.api.store.task(scope.account, scope.workspace()?, scope.sid("task")?).await?;
    let (row, names) = found.ok_or(Problem::NotFound)?;
    Ok(versioned(StatusCode::OK, row.version, &TaskJson::of(&scope, &row, names, scope.api.now())))
}

/// `POST /Tasks/{WT}`
pub(crate) async fn update(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let row = change(&scope, &parameters).await?;
    shown(&scope, StatusCode::OK, row).await
}

/// Has the task that the path names changed.
pub(crate) async fn change(scope: &Scope, parameters: &Parameters) -> Result<Task, Problem> {
    let order = WorkspaceOrder::UpdateTask {
        task: scope.sid("task")?,
        if_match: scope.if_match()?,
        change: TaskUpdate {
            attributes: changed_attributes(parameters),
            channel: parameters.filled("TaskChannel").map(Into::into),
            priority: priority(parameters)?,
            virtual_start: virtual_start(scope, parameters)?,
            assignment_status: parameters.word_filter("AssignmentStatus", STATUSES_EXPECTED)?,
            reason: parameters.get("Reason").map(str::to_owned),
        },
    };
    Ok(row!(scope.change(order).await?, Task))
}

/// `DELETE /Tasks/{WT}`
pub(crate) async fn delete(scope: Scope) -> Result<Response, Problem> {
    scope.delete(WorkspaceOrder::DeleteTask { task: scope.sid("task")?, if_match: scope.if_match()? }).await
}

/// The filters, but for the expression.
fn filter(parameters: &Parameters) -> Result<TaskFilter, Problem> {
    let status = |word: &str| {
        let wrong = Problem::Parameter { name: "AssignmentStatus", expected: STATUSES_EXPECTED };
        word.parse::<AssignmentStatus>().map_err(|_| wrong)
    };
    Ok(TaskFilter {
        priority: priority(parameters)?,
        assignment_status: words(parameters, "AssignmentStatus").map(status).collect::<Result<_, _>>()?,
        workflow_sid: sid(parameters, "WorkflowSid")?,
        workflow_name: parameters.filled("WorkflowName").map(str::to_owned),
        task_queue_sid: sid(parameters, "TaskQueueSid")?,
        task_queue_name: parameters.filled("TaskQueueName").map(str::to_owned),
        routing_target: routing_target(parameters)?,
    })
}

fn priority(parameters: &Parameters) -> Result<Option<u32>, Problem> {
    number(parameters, "Priority", "a number from 0 to 2147483647", PRIORITY)
}

fn routing_target(parameters: &Parameters) -> Result<Option<model::RoutingTarget>, Problem> {
    parameters.word_filter("RoutingTarget", "the SID of a worker, a queue or a workflow")
}

/// Neither to come nor before 1900.
fn virtual_start(scope: &Scope, parameters: &Parameters) -> Result<Option<Timestamp>, Problem> {
    const NAME: &str = "VirtualStartTime";
    let Some(at) = dates(parameters, NAME)?.from else { return Ok(None) };
    if at < VIRTUAL_START_MIN || at > scope.api.now() {
        return Err(Problem::Parameter { name: NAME, expected: "a moment from 1900 until now" });
    }
    Ok(Some(at))
}

fn value(row: &Task, by: OrderBy) -> i64 {
    match by {
        OrderBy::Priority => row.priority.into(),
        OrderBy::VirtualStart => row.virtual_start.micros(),
        _ => row.seq,
    }
}

async fn shown(scope: &Scope, status: StatusCode, row: Task) -> Result<Response, Problem> {
    let found = scope.api.store.task(scope.account, row.workspace_sid, row.sid).await?;
    let names = found.map(|(_, names)| names).unwrap_or_default();
    Ok(versioned(status, row.version, &TaskJson::of(scope, &row, names, scope.api.now())))
}

#[derive(Serialize)]
struct TaskJson {
    sid: String,
    account_sid: String,
    workspace_sid: String,
    age: u64,
    assignment_status: &'static str,
    attributes: String,
    addons: &'static str,
    priority: u32,
    reason: Option<String>,
    timeout: u64,
    task_queue_sid: Option<String>,
    task_queue_friendly_name: Option<String>,
    task_queue_entered_date: Option<String>,
    task_channel_sid: String,
    task_channel_unique_name: Option<String>,
    workflow_sid: Option<String>,
    workflow_friendly_name: Option<String>,
    virtual_start_time: String,
    ignore_capacity: bool,
    routing_target: Option<String>,
    date_created: String,
    date_updated: String,
    url: String,
    links: Links,
}

impl TaskJson {
    fn of(scope: &Scope, row: &Task, names: TaskNames, now: Timestamp) -> Self {
        let in_workspace = |path: std::fmt::Arguments<'_>| scope.url(row.workspace_sid, path);
        let url = in_workspace(format_args!("/Tasks/{}", row.sid));
        let mut links = Links::from([
            ("workspace", scope.url(row.workspace_sid, "")),
            ("reservations", format!("{url}/Reservations")),
        ]);
        // Every link is there; without a workflow or a queue it leads to all of them.
        links.insert(
            "workflow",
            match row.workflow_sid {
                Some(sid) => in_workspace(format_args!("/Workflows/{sid}")),
                None => in_workspace(format_args!("/Workflows")),
            },
        );
        links.insert(
            "task_queue",
            match row.task_queue_sid {
                Some(sid) => in_workspace(format_args!("/TaskQueues/{sid}")),
                None => in_workspace(format_args!("/TaskQueues")),
            },
        );
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            workspace_sid: row.workspace_sid.to_string(),
            age: now.since(row.created).as_secs(),
            assignment_status: row.assignment_status.as_str(),
            attributes: row.attributes.clone(),
            addons: "{}",
            priority: row.priority,
            reason: row.reason.clone(),
            timeout: row.timeout.as_secs(),
            task_queue_sid: row.task_queue_sid.map(|sid| sid.to_string()),
            task_queue_friendly_name: names.task_queue,
            task_queue_entered_date: row.task_queue_entered.map(Timestamp::rfc3339),
            task_channel_sid: row.task_channel_sid.to_string(),
            task_channel_unique_name: names.task_channel,
            workflow_sid: row.workflow_sid.map(|sid| sid.to_string()),
            workflow_friendly_name: names.workflow,
            virtual_start_time: row.virtual_start.rfc3339(),
            ignore_capacity: row.ignore_capacity,
            routing_target: row.routing_target.map(|target| target.to_string()),
            date_created: row.created.rfc3339(),
            date_updated: row.updated.rfc3339(),
            url,
            links,
        }
    }
}

const STATUSES_EXPECTED: &str = "pending, reserved, assigned, wrapping, completed or canceled";
const ORDERS: [(&str, OrderBy); 3] =
    [("DateCreated", OrderBy::Created), ("Priority", OrderBy::Priority), ("VirtualStartTime", OrderBy::VirtualStart)];
const ORDERS_EXPECTED: &str =
    "DateCreated, Priority or VirtualStartTime, each with :asc or :desc, and not the first together with the last";
const PRIORITY: RangeInclusive<u32> = 0..=2_147_483_647;
const TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=1_209_600;
/// 1900-01-01T00:00:00Z
const VIRTUAL_START_MIN: Timestamp = Timestamp::from_micros(-2_208_988_800 * 1_000_000);
