//! Queues (rest-voice §7).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{Queue, QueueSid};
use serde::Serialize;
use store::Rows;
use switch::{Answer, Command, QueueCommand, QueueLoad};

use super::{delete as deleted, friendly_name, required_name, sid};
use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /Queues.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let paging = Paging::read(&parameters)?;
    let page = paging.page(|sid| api.store.queue_seq(caller.sid(), sid)).await?;
    let Rows { rows, more } = api.store.queues(caller.sid(), page).await?;
    let loads = loads(&api, &caller, rows.iter().map(|queue| queue.sid).collect()).await?;
    let rows = Rows { rows: rows.into_iter().zip(loads).collect(), more };
    let path = format!("{}/Queues", account_path(caller.sid()));
    let name = |(queue, _): &(Queue, QueueLoad)| queue.sid.to_string();
    Ok(paging.answer("queues", &path, &rows, name, |(queue, load)| QueueJson::of(queue, *load)))
}

/// `POST /Queues.json`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let command = QueueCommand::Create {
        account: caller.sid(),
        friendly_name: required_name(&parameters, 20002)?,
        max_size: max_size(&parameters)?.unwrap_or(Queue::MAX_SIZE_DEFAULT),
    };
    change(&api, command, StatusCode::CREATED).await
}

/// `GET /Queues/{QU}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, queue)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let queue = stored(&api, &caller, &queue).await?;
    let load = loads(&api, &caller, vec![queue.sid]).await?.first().copied().unwrap_or_default();
    Ok(json::ok(&QueueJson::of(&queue, load)))
}

/// `POST /Queues/{QU}.json`
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, queue)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let name = friendly_name(&parameters, 20002)?;
    if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err(Problem::Invalid { code: 20002, name: "FriendlyName", expected: "1 to 64 characters" });
    }
    let command = QueueCommand::Update {
        account: caller.sid(),
        queue: sid(&queue)?,
        friendly_name: name,
        max_size: max_size(&parameters)?,
    };
    change(&api, command, StatusCode::OK).await
}

/// `DELETE /Queues/{QU}.json`
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, queue)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let command = QueueCommand::Delete { account: caller.sid(), queue: sid(&queue)? };
    deleted(&api, Command::Queue(command)).await
}

/// The queue that a path names.
pub(super) async fn stored(api: &Api, caller: &Caller, queue: &str) -> Result<Queue, Problem> {
    api.store.queue(caller.sid(), sid(queue)?).await?.ok_or(Problem::NotFound)
}

/// How full these are.
async fn loads(api: &Api, caller: &Caller, queues: Vec<QueueSid>) -> Result<Vec<QueueLoad>, Problem> {
    if queues.is_empty() {
        return Ok(Vec::new());
    }
    let count = queues.len();
    match api.command(Command::Queue(QueueCommand::Measure { account: caller.sid(), queues })).await? {
        Answer::QueueLoads(loads) if loads.len() == count => Ok(loads),
        other => Err(Problem::mismatch(&other)),
    }
}

async fn change(api: &Api, command: QueueCommand, status: StatusCode) -> Result<Response, Problem> {
    match api.command(Command::Queue(command)).await? {
        Answer::Queue(state) => Ok(json::answer(status, &QueueJson::of(&state.queue, state.load))),
        other => Err(Problem::mismatch(&other)),
    }
}

fn max_size(parameters: &Parameters) -> Result<Option<u32>, Problem> {
    match parameters.filled("MaxSize") {
        None => Ok(None),
        Some(_) => parameters.number("MaxSize", "a number from 1 to 5000", Queue::MAX_SIZE),
    }
}

#[derive(Serialize)]
struct QueueJson {
    sid: String,
    account_sid: String,
    friendly_name: String,
    current_size: u32,
    max_size: u32,
    average_wait_time: u64,
    date_created: String,
    date_updated: String,
    uri: String,
}

impl QueueJson {
    fn of(queue: &Queue, load: QueueLoad) -> Self {
        Self {
            sid: queue.sid.to_string(),
            account_sid: queue.account_sid.to_string(),
            friendly_name: queue.friendly_name.clone(),
            current_size: load.current_size,
            max_size: queue.max_size,
            average_wait_time: load.average_wait.as_secs(),
            date_created: queue.created.rfc2822(),
            date_updated: queue.updated.rfc2822(),
            uri: format!("{}/Queues/{}.json", account_path(queue.account_sid), queue.sid),
        }
    }
}
