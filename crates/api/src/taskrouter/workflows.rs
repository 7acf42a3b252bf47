//! Workflows (taskrouter §5).

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use model::Workflow;
use serde::Serialize;
use store::ListOrder;
use switch::routing::{NewWorkflow, WorkflowUpdate, WorkspaceOrder};

use super::list::{List, RowPlace};
use super::{FRIENDLY_NAME, Links, Scope, name, number, required_name, row};
use crate::directory::url_set;
use crate::json;
use crate::parameters::{LargeParameters, Parameters};
use crate::problem::Problem;

/// `GET /Workflows`
pub(crate) async fn list(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let friendly_name = parameters.filled(FRIENDLY_NAME).map(str::to_owned);
    let list = List::read(&parameters, ListOrder::default())?;
    let (store, account, workspace) = (&scope.api.store, scope.account, scope.existing_workspace().await?);
    let page = list.page(|sid| store.workflow_seq(account, workspace, sid)).await?;
    let rows = store.workflows(account, workspace, friendly_name, &page).await?;
    let url = scope.url(workspace, "/Workflows");
    Ok(list.answer("workflows", &url, &rows, |row| RowPlace::of(row.sid), |row| WorkflowJson::of(&scope, row)))
}

/// `POST /Workflows`
pub(crate) async fn create(scope: Scope, LargeParameters(parameters): LargeParameters) -> Result<Response, Problem> {
    let new = NewWorkflow {
        friendly_name: required_name(&parameters, FRIENDLY_NAME)?,
        configuration: parameters.filled(CONFIGURATION).ok_or(MISSING)?.to_owned(),
        assignment_callback_url: url_set(&parameters, "AssignmentCallbackUrl", 20001)?.flatten(),
        fallback_assignment_callback_url: url_set(&parameters, "FallbackAssignmentCallbackUrl", 20001)?.flatten(),
        task_reservation_timeout: reservation_timeout(&parameters)?.unwrap_or(RESERVATION_TIMEOUT_DEFAULT),
    };
    let row = row!(scope.change(WorkspaceOrder::CreateWorkflow(new)).await?, Workflow);
    Ok(json::answer(StatusCode::CREATED, &WorkflowJson::of(&scope, &row)))
}

/// `GET /Workflows/{WW}`
pub(crate) async fn fetch(scope: Scope) -> Result<Response, Problem> {
    let row = scope.api.store.workflow(scope.account, scope.workspace()?, scope.sid("workflow")?).await?;
    Ok(json::ok(&WorkflowJson::of(&scope, &row.ok_or(Problem::NotFound)?)))
}

/// `POST /Workflows/{WW}`
pub(crate) async fn update(scope: Scope, LargeParameters(parameters): LargeParameters) -> Result<Response, Problem> {
    let order = WorkspaceOrder::UpdateWorkflow {
        workflow: scope.sid("workflow")?,
        change: WorkflowUpdate {
            friendly_name: name(&parameters, FRIENDLY_NAME)?,
            configuration: parameters.get(CONFIGURATION).map(str::to_owned),
            assignment_callback_url: url_set(&parameters, "AssignmentCallbackUrl", 20001)?,
            fallback_assignment_callback_url: url_set(&parameters, "FallbackAssignmentCallbackUrl", 20001)?,
            task_reservation_timeout: reservation_timeout(&parameters)?,
            re_evaluate_tasks: parameters.flag_filter("ReEvaluateTasks")?.unwrap_or(false),
        },
    };
    let row = row!(scope.change(order).await?, Workflow);
    Ok(json::ok(&WorkflowJson::of(&scope, &row)))
}

/// `DELETE /Workflows/{WW}`
pub(crate) async fn delete(scope: Scope) -> Result<Response, Problem> {
    scope.delete(WorkspaceOrder::DeleteWorkflow(scope.sid("workflow")?)).await
}

fn reservation_timeout(parameters: &Parameters) -> Result<Option<Duration>, Problem> {
    let seconds = number(parameters, "TaskReservationTimeout", "seconds from 1 to 86400", RESERVATION_TIMEOUT_SECONDS)?;
    Ok(seconds.map(Duration::from_secs))
}

#[derive(Serialize)]
struct WorkflowJson {
    sid: String,
    account_sid: String,
    workspace_sid: String,
    friendly_name: String,
    configuration: String,
    document_content_type: &'static str,
    assignment_callback_url: Option<String>,
    fallback_assignment_callback_url: Option<String>,
    task_reservation_timeout: u64,
    date_created: String,
    date_updated: String,
    url: String,
    links: Links,
}

impl WorkflowJson {
    fn of(scope: &Scope, row: &Workflow) -> Self {
        let at = |path| scope.url(row.workspace_sid, format_args!("/Workflows/{}{path}", row.sid));
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            workspace_sid: row.workspace_sid.to_string(),
            friendly_name: row.friendly_name.clone(),
            configuration: row.configuration.clone(),
            document_content_type: "application/json",
            assignment_callback_url: row.assignment_callback_url.clone(),
            fallback_assignment_callback_url: row.fallback_assignment_callback_url.clone(),
            task_reservation_timeout: row.task_reservation_timeout.as_secs(),
            date_created: row.created.rfc3339(),
            date_updated: row.updated.rfc3339(),
            url: at(""),
            links: Links::from([
                ("statistics", at("/Statistics")),
                ("real_time_statistics", at("/RealTimeStatistics")),
                ("cumulative_statistics", at("/CumulativeStatistics")),
            ]),
        }
    }
}

const CONFIGURATION: &str = "Configuration";
const MISSING: Problem = Problem::Missing { code: 20001, name: CONFIGURATION };
/// How long a reservation may be pending (taskrouter §5).
const RESERVATION_TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=86_400;
const RESERVATION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(120);
