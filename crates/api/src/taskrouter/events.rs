//! What happened in a workspace (taskrouter §12.3): newest first, of the last quarter of an hour if nothing else is said.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::response::Response;
use model::{EventActor, EventResource, TaskRouterEvent};
use serde::Serialize;
use store::{ListOrder, Rows, Span, TaskRouterEventFilter};

use super::list::{List, RowPlace};
use super::{Scope, sid, span, task_channels};
use crate::json;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /Events`
pub(crate) async fn list(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let (start, end) = span(&parameters, scope.api.now() + A_MOMENT)?;
    let mut filter = TaskRouterEventFilter {
        sid: sid(&parameters, "Sid")?,
        event_type: parameters.word_filter("EventType", "a type of event, such as task.created")?,
        at: Span { from: Some(start), until: Some(end) },
        task_sid: sid(&parameters, "TaskSid")?,
        worker_sid: sid(&parameters, "WorkerSid")?,
        task_queue_sid: sid(&parameters, "TaskQueueSid")?,
        workflow_sid: sid(&parameters, "WorkflowSid")?,
        reservation_sid: sid(&parameters, "ReservationSid")?,
        task_channel_sid: None,
    };
    let list = List::read(&parameters, ListOrder::newest_first())?;
    let (store, account, workspace) = (&scope.api.store, scope.account, scope.existing_workspace().await?);
    let mut nothing = false;
    if let Some(channel) = parameters.filled("TaskChannel") {
        filter.task_channel_sid = task_channels::named(&scope, workspace, channel).await?.map(|channel| channel.sid);
        nothing = filter.task_channel_sid.is_none();
    }
    let page = list.page(|sid| store.task_router_event_seq(account, workspace, sid)).await?;
    let rows = match nothing {
        true => Rows { rows: Vec::new(), more: false },
        false => store.task_router_events(account, workspace, &filter, &page).await?,
    };
    let url = scope.url(workspace, "/Events");
    Ok(list.answer("events", &url, &rows, |row| RowPlace::of(row.sid), |row| EventJson::of(&scope, row)))
}

/// `GET /Events/{EV}`
pub(crate) async fn fetch(scope: Scope) -> Result<Response, Problem> {
    let (workspace, sid) = (scope.existing_workspace().await?, scope.sid("event")?);
    let row = scope.api.store.task_router_event(scope.account, workspace, sid).await?;
    Ok(json::ok(&EventJson::of(&scope, &row.ok_or(Problem::NotFound)?)))
}

#[derive(Serialize)]
struct EventJson {
    sid: String,
    account_sid: String,
    workspace_sid: String,
    event_type: &'static str,
    description: String,
    event_date: String,
    event_date_ms: i64,
    resource_type: &'static str,
    resource_sid: String,
    resource_url: String,
    actor_type: &'static str,
    actor_sid: String,
    actor_url: Option<String>,
    source: Option<String>,
    source_ip_address: Option<String>,
    event_data: BTreeMap<String, String>,
    url: String,
}

impl EventJson {
    fn of(scope: &Scope, row: &TaskRouterEvent) -> Self {
        let workspace = row.workspace_sid;
        let at =
            |collection: &str, sid: &dyn std::fmt::Display| scope.url(workspace, format_args!("/{collection}/{sid}"));
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            workspace_sid: workspace.to_string(),
            event_type: row.event_type.as_str(),
            description: row.description.clone(),
            event_date: row.at.rfc3339(),
            event_date_ms: row.at.micros().div_euclid(1_000),
            resource_type: row.resource.kind(),
            resource_sid: row.resource.to_string(),
            resource_url: match (row.resource, row.task_sid) {
                (EventResource::Workspace(sid), _) => scope.url(sid, ""),
                (EventResource::Activity(sid), _) => at("Activities", &sid),
                (EventResource::TaskChannel(sid), _) => at("TaskChannels", &sid),
                (EventResource::Worker(sid), _) => at("Workers", &sid),
                (EventResource::TaskQueue(sid), _) => at("TaskQueues", &sid),
                (EventResource::Workflow(sid), _) => at("Workflows", &sid),
                (EventResource::Task(sid), _) => at("Tasks", &sid),
                (EventResource::Reservation(sid), Some(task)) => at(&format!("Tasks/{task}/Reservations"), &sid),
                (EventResource::Reservation(_), None) => scope.url(workspace, ""),
            },
            actor_type: row.actor.kind(),
            actor_sid: row.actor.to_string(),
            actor_url: match row.actor {
                EventActor::Workspace(sid) => Some(scope.url(sid, "")),
                EventActor::Worker(sid) => Some(at("Workers", &sid)),
                EventActor::Account(_) => None,
            },
            source: None,
            source_ip_address: None,
            event_data: row.data.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
            url: at("Events", &row.sid),
        }
    }
}

/// What has just happened is in, however the clocks stand.
const A_MOMENT: Duration = Duration::from_secs(1);
