//! Workers (taskrouter §3).

use axum::http::StatusCode;
use axum::response::Response;
use model::{TaskQueueSid, Worker, WorkspaceSid};
use serde::Serialize;
use store::{ListOrder, ListPage, ListPlace, OrderBy, Rows, WorkerActivity, WorkerFilter};
use switch::routing::{NewWorker, WorkerUpdate, WorkspaceOrder};
use taskrouter::Expression;

use super::list::{List, RowPlace};
use super::matching::{self, WorkersAsked};
use super::{FRIENDLY_NAME, Links, Scope, changed_attributes, name, required_name, row, sid, versioned, yes_or_no};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// A worker, and what it does.
type Row = (Worker, WorkerActivity);

/// `GET /Workers`
pub(crate) async fn list(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let (list, rows) = rows(&scope, &parameters).await?;
    let url = scope.url(scope.workspace()?, "/Workers");
    let place = |row: &Row| place(&list, row);
    Ok(list.answer("workers", &url, &rows, place, |(row, does)| WorkerJson::of(&scope, row, does.clone())))
}

/// A page of the list.
pub(crate) async fn rows<'a>(scope: &Scope, parameters: &'a Parameters) -> Result<(List<'a>, Rows<Row>), Problem> {
    let filter = WorkerFilter {
        friendly_name: parameters.filled(FRIENDLY_NAME).map(str::to_owned),
        activity_sid: sid(parameters, "ActivitySid")?,
        activity_name: parameters.filled("ActivityName").map(str::to_owned),
        available: yes_or_no(parameters, "Available")?,
    };
    let expected = "DateStatusChanged:asc or DateStatusChanged:desc";
    let list = List::ordered(parameters, expected, &[("DateStatusChanged", OrderBy::StatusChanged)])?;
    let (store, account, workspace) = (&scope.api.store, scope.account, scope.existing_workspace().await?);
    let page = list.page(|sid| store.worker_seq(account, workspace, sid)).await?;
    let asked = asked(scope, workspace, parameters).await?;
    let rows = if asked.is_empty() {
        store.workers(account, workspace, &filter, &page).await?
    } else {
        let read = async |page: ListPage| store.workers(account, workspace, &filter, &page).await;
        let place = |(row, _): &Row| ListPlace { keys: keys(list.order(), row), seq: row.seq };
        matching::page(page, read, place, |(row, does)| asked.iter().all(|asked| asked.holds(row, does))).await?
    };
    Ok((list, rows))
}

/// Where a worker stands in it.
pub(crate) fn place(list: &List, (row, _): &Row) -> RowPlace {
    RowPlace::in_order(list.order(), row.sid, |_| row.status_changed.micros())
}

/// `POST /Workers`
pub(crate) async fn create(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let new = NewWorker {
        friendly_name: required_name(&parameters, FRIENDLY_NAME)?,
        activity: sid(&parameters, "ActivitySid")?,
        attributes: parameters.filled("Attributes").map(str::to_owned),
    };
    let row = row!(scope.change(WorkspaceOrder::CreateWorker(new)).await?, Worker);
    shown(&scope, StatusCode::CREATED, row).await
}

/// `GET /Workers/{WK}`
pub(crate) async fn fetch(scope: Scope) -> Result<Response, Problem> {
    let found = scope.api.store.worker(scope.account, scope.workspace()?, scope.sid("worker")?).await?;
    let (row, does) = found.ok_or(Problem::NotFound)?;
    Ok(versioned(StatusCode::OK, row.version, &WorkerJson::of(&scope, &row, does)))
}

/// `POST /Workers/{WK}`
pub(crate) async fn update(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let row = change(&scope, &parameters).await?;
    shown(&scope, StatusCode::OK, row).await
}

/// Has the worker that the path names changed.
pub(crate) async fn change(scope: &Scope, parameters: &Parameters) -> Result<Worker, Problem> {
    let order = WorkspaceOrder::UpdateWorker {
        worker: scope.sid("worker")?,
        if_match: scope.if_match()?,
        change: WorkerUpdate {
            friendly_name: name(parameters, FRIENDLY_NAME)?,
            activity: sid(parameters, "ActivitySid")?,
            attributes: changed_attributes(parameters),
            reject_pending_reservations: parameters.flag_filter("RejectPendingReservations")?.unwrap_or(false),
        },
    };
    Ok(row!(scope.change(order).await?, Worker))
}

/// `DELETE /Workers/{WK}`
pub(crate) async fn delete(scope: Scope) -> Result<Response, Problem> {
    scope.delete(WorkspaceOrder::DeleteWorker { worker: scope.sid("worker")?, if_match: scope.if_match()? }).await
}

/// What the expressions among the filters ask: the caller's own, and those of the queues that are named.
pub(super) async fn asked(
    scope: &Scope,
    workspace: WorkspaceSid,
    parameters: &Parameters,
) -> Result<Vec<WorkersAsked>, Problem> {
    let (store, account) = (&scope.api.store, scope.account);
    let mut asked = Vec::new();
    const EXPRESSION: &str = "TargetWorkersExpression";
    if let Some(text) = parameters.filled(EXPRESSION) {
        matching::count(scope)?;
        asked.push(WorkersAsked::Listed(matching::expression(EXPRESSION, text)?));
    }
    // A queue that is not there, or of nobody, has no workers.
    let of_queue = |target_workers: Option<&str>| match target_workers.map(Expression::parse) {
        Some(Ok(expression)) => WorkersAsked::OfQueue(expression),
        _ => WorkersAsked::Nobody,
    };
    if let Some(queue) = sid::<TaskQueueSid>(parameters, "TaskQueueSid")? {
        let queue = store.task_queue(account, workspace, queue).await?;
        asked.push(of_queue(queue.as_ref().map(|(queue, _)| queue.target_workers.as_str())));
    }
    if let Some(name) = parameters.filled("TaskQueueName") {
        let page = ListPage { size: 1, order: ListOrder::default(), from: None };
        let queues = store.task_queues(account, workspace, Some(name.to_owned()), &page).await?;
        asked.push(of_queue(queues.rows.first().map(|(queue, _)| queue.target_workers.as_str())));
    }
    Ok(asked)
}

fn keys(order: &ListOrder, row: &Worker) -> Vec<i64> {
    order.keys().map(|_| row.status_changed.micros()).collect()
}

async fn shown(scope: &Scope, status: StatusCode, row: Worker) -> Result<Response, Problem> {
    let found = scope.api.store.worker(scope.account, row.workspace_sid, row.sid).await?;
    let does = found.map(|(_, does)| does).unwrap_or_default();
    Ok(versioned(status, row.version, &WorkerJson::of(scope, &row, does)))
}

#[derive(Serialize)]
struct WorkerJson {
    sid: String,
    account_sid: String,
    workspace_sid: String,
    friendly_name: String,
    attributes: String,
    activity_sid: String,
    activity_name: String,
    available: bool,
    date_status_changed: String,
    date_created: String,
    date_updated: String,
    url: String,
    links: Links,
}

impl WorkerJson {
    fn of(scope: &Scope, row: &Worker, does: WorkerActivity) -> Self {
        let at = |path| scope.url(row.workspace_sid, format_args!("/Workers/{}{path}", row.sid));
        let of_all = |path| scope.url(row.workspace_sid, format_args!("/Workers/{path}"));
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            workspace_sid: row.workspace_sid.to_string(),
            friendly_name: row.friendly_name.clone(),
            attributes: row.attributes.clone(),
            activity_sid: row.activity_sid.to_string(),
            activity_name: does.name,
            available: does.available,
            date_status_changed: row.status_changed.rfc3339(),
            date_created: row.created.rfc3339(),
            date_updated: row.updated.rfc3339(),
            url: at(""),
            links: Links::from([
                ("workspace", scope.url(row.workspace_sid, "")),
                ("activity", scope.url(row.workspace_sid, format_args!("/Activities/{}", row.activity_sid))),
                ("channels", at("/Channels")),
                ("worker_channels", at("/Channels")),
                ("reservations", at("/Reservations")),
                ("worker_statistics", at("/Statistics")),
                ("statistics", of_all("Statistics")),
                ("real_time_statistics", of_all("RealTimeStatistics")),
                ("cumulative_statistics", of_all("CumulativeStatistics")),
            ]),
        }
    }
}
