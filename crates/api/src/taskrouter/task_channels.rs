//! Task channels (taskrouter §2): named by SID or by unique name.

use axum::http::StatusCode;
use axum::response::Response;
use model::{TaskChannel, WorkspaceSid};
use serde::Serialize;
use store::ListOrder;
use switch::routing::{TaskChannelRef, WorkspaceOrder};

use super::list::{List, RowPlace};
use super::{FRIENDLY_NAME, Links, Scope, name, required_name, row};
use crate::json;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /TaskChannels`
pub(crate) async fn list(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let list = List::read(&parameters, ListOrder::default())?;
    let (store, account, workspace) = (&scope.api.store, scope.account, scope.existing_workspace().await?);
    let page = list.page(|sid| store.task_channel_seq(account, workspace, sid)).await?;
    let rows = store.task_channels(account, workspace, &page).await?;
    let url = scope.url(workspace, "/TaskChannels");
    Ok(list.answer("channels", &url, &rows, |row| RowPlace::of(row.sid), |row| TaskChannelJson::of(&scope, row)))
}

/// `POST /TaskChannels`
pub(crate) async fn create(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let order = WorkspaceOrder::CreateTaskChannel {
        friendly_name: required_name(&parameters, FRIENDLY_NAME)?,
        unique_name: required_name(&parameters, "UniqueName")?,
        channel_optimized_routing: parameters.flag_filter("ChannelOptimizedRouting")?.unwrap_or(false),
    };
    let row = row!(scope.change(order).await?, TaskChannel);
    Ok(json::answer(StatusCode::CREATED, &TaskChannelJson::of(&scope, &row)))
}

/// `GET /TaskChannels/{TC}`
pub(crate) async fn fetch(scope: Scope) -> Result<Response, Problem> {
    let row = named(&scope, scope.workspace()?, scope.text("channel")).await?.ok_or(Problem::NotFound)?;
    Ok(json::ok(&TaskChannelJson::of(&scope, &row)))
}

/// `POST /TaskChannels/{TC}`
pub(crate) async fn update(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let order = WorkspaceOrder::UpdateTaskChannel {
        channel: scope.text("channel").into(),
        friendly_name: name(&parameters, FRIENDLY_NAME)?,
        channel_optimized_routing: parameters.flag_filter("ChannelOptimizedRouting")?,
    };
    let row = row!(scope.change(order).await?, TaskChannel);
    Ok(json::ok(&TaskChannelJson::of(&scope, &row)))
}

/// `DELETE /TaskChannels/{TC}`
pub(crate) async fn delete(scope: Scope) -> Result<Response, Problem> {
    scope.delete(WorkspaceOrder::DeleteTaskChannel(scope.text("channel").into())).await
}

/// The channel that a path or a filter names.
pub(super) async fn named(scope: &Scope, workspace: WorkspaceSid, text: &str) -> Result<Option<TaskChannel>, Problem> {
    let store = &scope.api.store;
    Ok(match TaskChannelRef::from(text) {
        TaskChannelRef::Sid(sid) => store.task_channel(scope.account, workspace, sid).await?,
        TaskChannelRef::UniqueName(name) => store.task_channel_named(scope.account, workspace, &name).await?,
    })
}

#[derive(Serialize)]
struct TaskChannelJson {
    sid: String,
    account_sid: String,
    workspace_sid: String,
    friendly_name: String,
    unique_name: String,
    channel_optimized_routing: bool,
    date_created: String,
    date_updated: String,
    url: String,
    links: Links,
}

impl TaskChannelJson {
    fn of(scope: &Scope, row: &TaskChannel) -> Self {
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            workspace_sid: row.workspace_sid.to_string(),
            friendly_name: row.friendly_name.clone(),
            unique_name: row.unique_name.clone(),
            channel_optimized_routing: row.channel_optimized_routing,
            date_created: row.created.rfc3339(),
            date_updated: row.updated.rfc3339(),
            url: scope.url(row.workspace_sid, format_args!("/TaskChannels/{}", row.sid)),
            links: Links::from([("workspace", scope.url(row.workspace_sid, ""))]),
        }
    }
}
