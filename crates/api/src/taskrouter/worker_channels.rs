//! Workers' channels (taskrouter §3): named by their own SID, by their task channel's or by its unique name.

use std::ops::RangeInclusive;

use axum::response::Response;
use model::{WorkerChannel, WorkerSid, WorkspaceSid};
use serde::Serialize;
use store::ListOrder;
use switch::routing::{TaskChannelRef, WorkerChannelRef, WorkspaceOrder};

use super::list::{List, RowPlace};
use super::{Scope, number, row, task_channels};
use crate::json;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// A channel, and the unique name of its task channel.
type Row = (WorkerChannel, String);

/// `GET /Workers/{WK}/Channels`
pub(crate) async fn list(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let list = List::read(&parameters, ListOrder::default())?;
    let (store, account, workspace) = (&scope.api.store, scope.account, scope.workspace()?);
    let worker: WorkerSid = scope.sid("worker")?;
    store.worker(account, workspace, worker).await?.ok_or(Problem::NotFound)?;
    let page = list.page(|sid| store.worker_channel_seq(account, workspace, sid)).await?;
    let rows = store.worker_channels(account, workspace, worker, &page).await?;
    let url = scope.url(workspace, format_args!("/Workers/{worker}/Channels"));
    let place = |(row, _): &Row| RowPlace::of(row.sid);
    Ok(list.answer("channels", &url, &rows, place, |(row, name)| WorkerChannelJson::of(&scope, row, name.clone())))
}

/// `GET /Workers/{WK}/Channels/{WC}`
pub(crate) async fn fetch(scope: Scope) -> Result<Response, Problem> {
    let found = named(&scope, scope.workspace()?, scope.sid("worker")?, scope.text("channel").into()).await?;
    let (row, name) = found.ok_or(Problem::NotFound)?;
    Ok(json::ok(&WorkerChannelJson::of(&scope, &row, name)))
}

/// `POST /Workers/{WK}/Channels/{WC}`
pub(crate) async fn update(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let order = WorkspaceOrder::UpdateWorkerChannel {
        worker: scope.sid("worker")?,
        channel: scope.text("channel").into(),
        capacity: number(&parameters, "Capacity", "a number from 0 to 50", CAPACITY)?,
        available: parameters.flag_filter("Available")?,
    };
    let row = row!(scope.change(order).await?, WorkerChannel);
    let found = scope.api.store.worker_channel(scope.account, row.workspace_sid, row.worker_sid, row.sid).await?;
    let name = found.map(|(_, name)| name).unwrap_or_default();
    Ok(json::ok(&WorkerChannelJson::of(&scope, &row, name)))
}

async fn named(
    scope: &Scope,
    workspace: WorkspaceSid,
    worker: WorkerSid,
    channel: WorkerChannelRef,
) -> Result<Option<Row>, Problem> {
    let (store, account) = (&scope.api.store, scope.account);
    let channel = match channel {
        WorkerChannelRef::Sid(sid) => return Ok(store.worker_channel(account, workspace, worker, sid).await?),
        WorkerChannelRef::TaskChannel(TaskChannelRef::Sid(sid)) => sid,
        WorkerChannelRef::TaskChannel(TaskChannelRef::UniqueName(name)) => {
            let channel = task_channels::named(scope, workspace, &name).await?;
            channel.ok_or(Problem::NotFound)?.sid
        }
    };
    Ok(store.worker_channel_of(account, workspace, worker, channel).await?)
}

#[derive(Serialize)]
struct WorkerChannelJson {
    sid: String,
    account_sid: String,
    workspace_sid: String,
    worker_sid: String,
    task_channel_sid: String,
    task_channel_unique_name: String,
    configured_capacity: u32,
    available: bool,
    assigned_tasks: u32,
    available_capacity_percentage: u32,
    date_created: String,
    date_updated: String,
    url: String,
}

impl WorkerChannelJson {
    fn of(scope: &Scope, row: &WorkerChannel, task_channel_unique_name: String) -> Self {
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            workspace_sid: row.workspace_sid.to_string(),
            worker_sid: row.worker_sid.to_string(),
            task_channel_sid: row.task_channel_sid.to_string(),
            task_channel_unique_name,
            configured_capacity: row.configured_capacity,
            available: row.available,
            assigned_tasks: row.assigned_tasks,
            available_capacity_percentage: row.available_capacity_percentage(),
            date_created: row.created.rfc3339(),
            date_updated: row.updated.rfc3339(),
            url: scope.url(row.workspace_sid, format_args!("/Workers/{}/Channels/{}", row.worker_sid, row.sid)),
        }
    }
}

/// Tasks of one kind at once (taskrouter §3).
const CAPACITY: RangeInclusive<u32> = 0..=50;
