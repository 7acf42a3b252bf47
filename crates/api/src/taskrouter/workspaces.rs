//! Workspaces (taskrouter §2).

use axum::http::StatusCode;
use axum::response::Response;
use model::{TaskOrder, Workspace};
use serde::Serialize;
use store::{ListOrder, WorkspaceNames};
use switch::routing::{NewWorkspace, RoutingAnswer, RoutingOrder, WorkspaceOrder, WorkspaceUpdate};

use super::list::{List, RowPlace};
use super::{FRIENDLY_NAME, Links, Scope, mismatch, name, required_name, row, sid};
use crate::directory::{set, url_set};
use crate::json::{self, WORKSPACES_PATH};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /Workspaces`
pub(crate) async fn list(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let friendly_name = parameters.filled(FRIENDLY_NAME).map(str::to_owned);
    let list = List::read(&parameters, ListOrder::default())?;
    let store = &scope.api.store;
    let page = list.page(|sid| store.workspace_seq(scope.account, sid)).await?;
    let rows = store.workspaces(scope.account, friendly_name, &page).await?;
    let url = format!("{}{WORKSPACES_PATH}", scope.base.as_str());
    let place = |(row, _): &(Workspace, WorkspaceNames)| RowPlace::of(row.sid);
    Ok(list.answer("workspaces", &url, &rows, place, |(row, names)| WorkspaceJson::of(&scope, row, names.clone())))
}

/// `POST /Workspaces`
pub(crate) async fn create(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let new = NewWorkspace {
        friendly_name: required_name(&parameters, FRIENDLY_NAME)?,
        event_callback_url: url_set(&parameters, "EventCallbackUrl", 20001)?.flatten(),
        events_filter: events_filter(&parameters)?.flatten(),
        multi_task_enabled: parameters.flag_filter("MultiTaskEnabled")?.unwrap_or(true),
        prioritize_queue_order: task_order(&parameters, "PrioritizeQueueOrder")?.unwrap_or(TaskOrder::Fifo),
        fifo: match parameters.filled("Template") {
            None | Some("NONE") => false,
            Some("FIFO") => true,
            Some(_) => return Err(Problem::Parameter { name: "Template", expected: "NONE or FIFO" }),
        },
    };
    match scope.order(RoutingOrder::CreateWorkspace(new)).await? {
        RoutingAnswer::Row(row) => shown(&scope, StatusCode::CREATED, row!(*row, Workspace)).await,
        other => Err(mismatch(other)),
    }
}

/// `GET /Workspaces/{WS}`
pub(crate) async fn fetch(scope: Scope) -> Result<Response, Problem> {
    let found = scope.api.store.workspace(scope.account, scope.workspace()?).await?;
    let (row, names) = found.ok_or(Problem::NotFound)?;
    Ok(json::ok(&WorkspaceJson::of(&scope, &row, names)))
}

/// `POST /Workspaces/{WS}`
pub(crate) async fn update(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let change = WorkspaceUpdate {
        friendly_name: name(&parameters, FRIENDLY_NAME)?,
        event_callback_url: url_set(&parameters, "EventCallbackUrl", 20001)?,
        events_filter: events_filter(&parameters)?,
        multi_task_enabled: parameters.flag_filter("MultiTaskEnabled")?,
        prioritize_queue_order: task_order(&parameters, "PrioritizeQueueOrder")?,
        default_activity: sid(&parameters, "DefaultActivitySid")?,
        timeout_activity: sid(&parameters, "TimeoutActivitySid")?,
    };
    let row = row!(scope.change(WorkspaceOrder::Update(change)).await?, Workspace);
    shown(&scope, StatusCode::OK, row).await
}

/// `DELETE /Workspaces/{WS}`
pub(crate) async fn delete(scope: Scope) -> Result<Response, Problem> {
    scope.delete(WorkspaceOrder::Delete).await
}

/// Types of events, as they were given; none is all.
fn events_filter(parameters: &Parameters) -> Result<switch::Set<String>, Problem> {
    set(parameters, "EventsFilter", |text| {
        let is_known = |of: &str| of.parse::<model::TaskRouterEventType>().is_ok();
        let mut types = text.split(',').map(str::trim).filter(|of| !of.is_empty());
        let expected = "types of events, such as task.created, with commas between them";
        if types.all(is_known) {
            Ok(text.to_owned())
        } else {
            Err(Problem::Parameter { name: "EventsFilter", expected })
        }
    })
}

/// FIFO or LIFO, in any case.
pub(super) fn task_order(parameters: &Parameters, name: &'static str) -> Result<Option<TaskOrder>, Problem> {
    let Some(text) = parameters.filled(name) else { return Ok(None) };
    let order = text.to_ascii_uppercase().parse();
    order.map(Some).map_err(|_| Problem::Parameter { name, expected: "FIFO or LIFO" })
}

async fn shown(scope: &Scope, status: StatusCode, row: Workspace) -> Result<Response, Problem> {
    let found = scope.api.store.workspace(scope.account, row.sid).await?;
    let names = found.map(|(_, names)| names).unwrap_or_default();
    Ok(json::answer(status, &WorkspaceJson::of(scope, &row, names)))
}

#[derive(Serialize)]
struct WorkspaceJson {
    sid: String,
    account_sid: String,
    friendly_name: String,
    event_callback_url: Option<String>,
    events_filter: Option<String>,
    multi_task_enabled: bool,
    prioritize_queue_order: &'static str,
    default_activity_name: Option<String>,
    default_activity_sid: Option<String>,
    timeout_activity_name: Option<String>,
    timeout_activity_sid: Option<String>,
    date_created: String,
    date_updated: String,
    url: String,
    links: Links,
}

impl WorkspaceJson {
    fn of(scope: &Scope, row: &Workspace, names: WorkspaceNames) -> Self {
        let link = |name, path: &str| (name, scope.url(row.sid, path));
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            friendly_name: row.friendly_name.clone(),
            event_callback_url: row.event_callback_url.clone(),
            events_filter: row.events_filter.clone(),
            multi_task_enabled: row.multi_task_enabled,
            prioritize_queue_order: row.prioritize_queue_order.as_str(),
            default_activity_name: names.default_activity,
            default_activity_sid: row.default_activity_sid.map(|sid| sid.to_string()),
            timeout_activity_name: names.timeout_activity,
            timeout_activity_sid: row.timeout_activity_sid.map(|sid| sid.to_string()),
            date_created: row.created.rfc3339(),
            date_updated: row.updated.rfc3339(),
            url: scope.url(row.sid, ""),
            links: Links::from([
                link("activities", "/Activities"),
                link("statistics", "/Statistics"),
                link("real_time_statistics", "/RealTimeStatistics"),
                link("cumulative_statistics", "/CumulativeStatistics"),
                link("task_queues", "/TaskQueues"),
                link("tasks", "/Tasks"),
                link("workers", "/Workers"),
                link("workflows", "/Workflows"),
                link("task_channels", "/TaskChannels"),
                link("events", "/Events"),
            ]),
        }
    }
}
