//! What screens ask (taskrouter §14.3): `{"url","method","params","token"}`, one path a line, answered with
//! `{"payload":…}`.
//!
//! Parameters are those of REST by the same names, read and done by the same pages; what differs is how things look, how
//! lists go on, and that a worker may touch only itself and its tasks.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::response::Response;
use model::{
    Reservation, ReservationSid, ReservationStatus, RoutingTarget, Task, TaskSid, Transfer, TransferMode,
    TransferTarget, WorkerSid,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use store::{ActivityFilter, ListOrder, ListPage, ReservationFilter, TaskNames};
use switch::routing::WorkspaceOrder;

use super::policy;
use super::visitor::Visitor;
use super::{object, participant};
use crate::api::Api;
use crate::base_url::BaseUrl;
use crate::paging::AFTER;
use crate::parameters::{Parameters, read_body};
use crate::problem::Problem;
use crate::taskrouter::list::{List, RowPlace};
use crate::taskrouter::{Scope, number, reservations, row, sid, task_queues, tasks, workers};

/// A request in a request.
pub(super) struct Asked {
    url: String,
    method: String,
    params: Map<String, Value>,
    /// The same as they were written: attributes stay as they came (taskrouter §2).
    written: HashMap<String, Box<RawValue>>,
    pub(super) token: Option<String>,
}

impl Asked {
    /// Reads it, whatever its body is called: browsers call it a form (taskrouter §14.3).
    pub(super) async fn read(request: Request, api: &Api) -> Result<Self, Problem> {
        let body = read_body(request.into_body(), api).await?;
        let malformed = Problem::MalformedForm { why: "the body is not the JSON object that is expected here" };
        let Ok(Value::Object(mut members)) = serde_json::from_slice(&body) else { return Err(malformed) };
        let Ok(Written { params: written }) = serde_json::from_slice(&body) else { return Err(malformed) };
        let mut text = |name: &str| match members.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (url, method, token) = (text("url"), text("method"), text("token"));
        let params = match members.remove("params") {
            Some(Value::Object(params)) => params,
            Some(Value::Null) | None => Map::new(),
            Some(_) => return Err(malformed),
        };
        let url = url.ok_or(Problem::Missing { code: 20001, name: "url" })?;
        Ok(Self {
            url,
            method: method.unwrap_or_else(|| "GET".to_owned()).to_ascii_uppercase(),
            params,
            written: written.unwrap_or_default(),
            token,
        })
    }

    /// What it has, as a form would: objects are JSON in text, as REST has attributes.
    fn parameters(&self) -> Parameters {
        let mut pairs = Vec::new();
        for (name, value) in &self.params {
            let values = match value {
                Value::Array(values) => values.iter().collect(),
                value => vec![value],
            };
            for value in values {
                let text = match value {
                    Value::Null => continue,
                    Value::String(text) => text.clone(),
                    Value::Object(_) => {
                        let written = self.written.get(name).filter(|written| written.get().starts_with('{'));
                        written.map_or_else(|| value.to_string(), |written| written.get().to_owned())
                    }
                    other => other.to_string(),
                };
                pairs.push((renamed(name).to_owned(), text));
            }
        }
        Parameters::of_pairs(pairs)
    }
}

/// What of a request is taken as it is written.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    params: Option<HashMap<String, Box<RawValue>>>,
}

/// What REST calls it.
fn renamed(name: &str) -> &str {
    match name {
        "TaskChannelUniqueName" | "TaskChannelSid" => "TaskChannel",
        other => other,
    }
}

/// Does what is asked, and shows what came of it.
pub(super) async fn answer(
    api: Arc<Api>,
    visitor: &Visitor,
    base: BaseUrl,
    if_match: Option<HeaderValue>,
    asked: Asked,
) -> Result<Response, Problem> {
    let segments: Vec<&str> = policy::segments(&asked.url).collect();
    let ["v1", "Workspaces", workspace, path @ ..] = &segments[..] else { return Err(Problem::NotFound) };
    if workspace.parse() != Ok(visitor.workspace) {
        return Err(Problem::TokenForbids);
    }
    visitor.may(&asked.method, &asked.url, &asked.params)?;
    let scope = Scope::of_screen(api, visitor.account, visitor.workspace, visitor.actor(), base, if_match);
    let call = Call { scope, visitor, parameters: asked.parameters() };
    let payload = match (asked.method.as_str(), path) {
        ("GET", ["Activities"]) => call.activities().await?,
        ("GET", ["Workers"]) => call.workers().await?,
        ("GET", ["Workers", worker]) => call.worker(worker).await?,
        ("POST", ["Workers", worker]) => call.update_worker(worker).await?,
        ("GET", ["Workers", worker, "WorkerChannels" | "Channels"]) => call.channels(worker).await?,
        ("GET", ["Workers", worker, "Reservations"]) => call.reservations(worker).await?,
        ("GET", ["Workers", worker, "Reservations", sid]) => call.reservation(worker, sid).await?,
        ("POST", ["Workers", worker, "Reservations", sid]) => {
            call.own(worker)?;
            call.update_reservation(&[("worker", worker), ("reservation", sid)]).await?
        }
        ("POST", ["Workers", worker, "Transfers"]) => call.create_transfer(worker).await?,
        ("POST", ["Workers", worker, "Transfers", sid]) => call.update_transfer(worker, sid).await?,
        ("POST", ["Workers", worker, "CustomerParticipant"]) => {
            call.own(worker)?;
            participant::customer(&call).await?
        }
        ("POST", ["Workers", worker, "WorkerParticipant"]) => participant::worker(&call, call.own(worker)?).await?,
        ("POST", ["Workers", worker, "HoldWorkerParticipant"]) => {
            call.own(worker)?;
            participant::hold_worker(&call).await?
        }
        ("POST", ["Workers", worker, "KickWorkerParticipant"]) => {
            call.own(worker)?;
            participant::kick_worker(&call).await?
        }
        ("GET", ["TaskQueues"]) => call.task_queues().await?,
        ("GET", ["TaskQueues", queue]) => call.task_queue(queue).await?,
        ("POST", ["Tasks"]) => call.create_task().await?,
        ("GET", ["Tasks", task]) => call.task(task).await?,
        ("POST", ["Tasks", task]) => call.update_task(task).await?,
        ("POST", ["Tasks", task, "Reservations", sid]) => {
            if visitor.is_only_worker() {
                return Err(Problem::TokenForbids);
            }
            call.update_reservation(&[("task", task), ("reservation", sid)]).await?
        }
        _ => return Err(Problem::NotFound),
    };
    Ok(crate::json::ok(&json!({ "payload": payload })))
}

/// One request of a screen.
pub(super) struct Call<'a> {
    pub(super) scope: Scope,
    pub(super) visitor: &'a Visitor,
    pub(super) parameters: Parameters,
}

impl Call<'_> {
    /// The worker that a path names, if the visitor may speak for it.
    fn own(&self, worker: &str) -> Result<WorkerSid, Problem> {
        let worker: WorkerSid = worker.parse().map_err(|_| Problem::NotFound)?;
        match self.visitor.is_only_worker() && self.visitor.worker != Some(worker) {
            true => Err(Problem::TokenForbids),
            false => Ok(worker),
        }
    }

    /// Whether the visitor may touch that task: a worker those that it has, or is offered.
    pub(super) async fn expect_own_task(&self, task: TaskSid) -> Result<(), Problem> {
        let (true, Some(worker)) = (self.visitor.is_only_worker(), self.visitor.worker) else { return Ok(()) };
        let filter =
            ReservationFilter { task_sid: Some(task), worker_sid: Some(worker), reservation_status: OPEN.to_vec() };
        let first = ListPage { size: 1, order: ListOrder::default(), from: None };
        let found = self.scope.api.store.reservations(self.scope.account, self.visitor.workspace, &filter, &first);
        match found.await?.rows.is_empty() {
            true => Err(Problem::TokenForbids),
            false => Ok(()),
        }
    }

    /// A SID that must be said.
    pub(super) fn required_sid<S: std::str::FromStr>(&self, name: &'static str) -> Result<S, Problem> {
        sid(&self.parameters, name)?.ok_or(Problem::Missing { code: 20001, name })
    }

    /// The parameters of a list, as REST has them.
    fn list_parameters(&self) -> Parameters {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in self.parameters.iter().filter(|(_, value)| !value.is_empty()) {
            match name {
                "AfterSid" => pairs.push(("PageToken".to_owned(), format!("{AFTER}{value}"))),
                "NextToken" => {
                    let (sid, keys) = value.split_once('.').unwrap_or((value, ""));
                    pairs.push(("PageToken".to_owned(), format!("{AFTER}{sid}")));
                    pairs.push(("PageKeys".to_owned(), keys.to_owned()));
                }
                // Nobody else is listed here, and pages are not asked for by number.
                "Page" | "PageToken" | "PageKeys" => {}
                _ => pairs.push((name.to_owned(), value.to_owned())),
            }
        }
        Parameters::of_pairs(pairs)
    }

    /// A page of a list; the next one goes on from `next`.
    fn page(&self, contents: Vec<Value>, next: Option<RowPlace>) -> Value {
        let mut page = json!({ "contents": contents });
        let (after, token) = next.map(|next| (next.sid().to_owned(), next.token())).unzip();
        if self.parameters.filled("Ordering").is_some() {
            page["meta"] = json!({ "next_token": token });
            page["after_sid"] = Value::Null;
        } else {
            page["after_sid"] = json!(after);
        }
        page
    }

    async fn activities(&self) -> Result<Value, Problem> {
        let parameters = self.list_parameters();
        let list = List::read(&parameters, ListOrder::default())?;
        let (store, account, workspace) = (&self.scope.api.store, self.scope.account, self.visitor.workspace);
        let page = list.page(|sid| store.activity_seq(account, workspace, sid)).await?;
        let rows = store.activities(account, workspace, &ActivityFilter::default(), &page).await?;
        let next = RowPlace::next(&rows, |row| RowPlace::of(row.sid));
        Ok(self.page(rows.rows.iter().map(object::activity).collect(), next))
    }

    async fn workers(&self) -> Result<Value, Problem> {
        let parameters = self.list_parameters();
        let (list, rows) = workers::rows(&self.scope, &parameters).await?;
        let next = RowPlace::next(&rows, |row| workers::place(&list, row));
        let shown = rows.rows.iter().map(|(row, does)| object::worker(row, &does.name, does.available));
        Ok(self.page(shown.collect(), next))
    }

    async fn worker(&self, worker: &str) -> Result<Value, Problem> {
        let worker = worker.parse().map_err(|_| Problem::NotFound)?;
        self.shown_worker(worker).await
    }

    async fn shown_worker(&self, worker: WorkerSid) -> Result<Value, Problem> {
        let found = self.scope.api.store.worker(self.scope.account, self.visitor.workspace, worker).await?;
        let (row, does) = found.ok_or(Problem::NotFound)?;
        Ok(object::worker(&row, &does.name, does.available))
    }

    async fn update_worker(&self, worker: &str) -> Result<Value, Problem> {
        self.own(worker)?;
        // Screens have no name for it (taskrouter §14.3); a token of version 1 says itself what it allows.
        if !self.visitor.is_listed() && self.parameters.get("FriendlyName").is_some() {
            return Err(Problem::TokenForbids);
        }
        let row = workers::change(&self.scope.at(&[("worker", worker)]), &self.parameters).await?;
        self.shown_worker(row.sid).await
    }

    async fn channels(&self, worker: &str) -> Result<Value, Problem> {
        let worker = self.own(worker)?;
        let parameters = self.list_parameters();
        let list = List::read(&parameters, ListOrder::default())?;
        let (store, account, workspace) = (&self.scope.api.store, self.scope.account, self.visitor.workspace);
        let page = list.page(|sid| store.worker_channel_seq(account, workspace, sid)).await?;
        let rows = store.worker_channels(account, workspace, worker, &page).await?;
        let next = RowPlace::next(&rows, |(row, _)| RowPlace::of(row.sid));
        Ok(self.page(rows.rows.iter().map(|(row, name)| object::channel(row, name)).collect(), next))
    }

    async fn reservations(&self, worker: &str) -> Result<Value, Problem> {
        let worker = self.own(worker)?;
        let parameters = self.list_parameters();
        let list = List::read(&parameters, ListOrder::default())?;
        let (store, account, workspace) = (&self.scope.api.store, self.scope.account, self.visitor.workspace);
        let is_active = self.parameters.flag_filter("Active")?.unwrap_or(false);
        let filter = ReservationFilter {
            worker_sid: Some(worker),
            reservation_status: if is_active { OPEN.to_vec() } else { Vec::new() },
            ..ReservationFilter::default()
        };
        let page = list.page(|sid| store.reservation_seq(account, workspace, sid)).await?;
        let rows = store.reservations(account, workspace, &filter, &page).await?;
        let mut contents = Vec::new();
        for (row, _) in &rows.rows {
            // One whose task is gone by now has nothing to show.
            contents.extend(self.shown_reservation(row).await?);
        }
        let next = RowPlace::next(&rows, |(row, _)| RowPlace::of(row.sid));
        Ok(self.page(contents, next))
    }

    async fn reservation(&self, worker: &str, sid: &str) -> Result<Value, Problem> {
        let row = self.stored_reservation(sid.parse().map_err(|_| Problem::NotFound)?).await?;
        if row.worker_sid != self.own(worker)? {
            return Err(Problem::NotFound);
        }
        self.shown_reservation(&row).await?.ok_or(Problem::NotFound)
    }

    pub(super) async fn stored_reservation(&self, sid: ReservationSid) -> Result<Reservation, Problem> {
        let found = self.scope.api.store.reservation(self.scope.account, self.visitor.workspace, sid).await?;
        found.map(|(row, _)| row).ok_or(Problem::NotFound)
    }

    pub(super) async fn shown_reservation(&self, row: &Reservation) -> Result<Option<Value>, Problem> {
        let (store, account, workspace) = (&self.scope.api.store, self.scope.account, self.visitor.workspace);
        let Some((task, names)) = store.task(account, workspace, row.task_sid).await? else { return Ok(None) };
        let came_of = match row.transfer_sid {
            Some(sid) => store.transfer(account, workspace, sid).await?,
            None => None,
        };
        let begun = store.transfer_of(account, workspace, row.task_sid, row.sid).await?;
        let task = object::task(&task, &names, self.scope.api.now());
        Ok(Some(object::reservation(row, task, came_of.as_ref(), begun.as_ref())))
    }

    async fn update_reservation(&self, path: &[(&str, &str)]) -> Result<Value, Problem> {
        let row = reservations::change(&self.scope.at(path), &self.parameters).await?;
        self.shown_reservation(&row).await?.ok_or(Problem::NotFound)
    }

    async fn task_queues(&self) -> Result<Value, Problem> {
        let parameters = self.list_parameters();
        let (list, rows) = task_queues::rows(&self.scope, &parameters).await?;
        let next = RowPlace::next(&rows, |row| task_queues::place(&list, row));
        Ok(self.page(rows.rows.iter().map(|(row, names)| object::task_queue(row, names)).collect(), next))
    }

    async fn task_queue(&self, queue: &str) -> Result<Value, Problem> {
        let queue = queue.parse().map_err(|_| Problem::NotFound)?;
        let found = self.scope.api.store.task_queue(self.scope.account, self.visitor.workspace, queue).await?;
        let (row, names) = found.ok_or(Problem::NotFound)?;
        Ok(object::task_queue(&row, &names))
    }

    async fn create_task(&self) -> Result<Value, Problem> {
        let new = tasks::new(&self.scope, &self.parameters)?;
        // A worker calls out for itself (taskrouter §14.3), and makes no work for others.
        let for_itself =
            matches!(new.routing_target, Some(RoutingTarget::Worker(of)) if Some(of) == self.visitor.worker);
        if self.visitor.is_only_worker() && !for_itself {
            return Err(Problem::TokenForbids);
        }
        let row = row!(self.scope.change(WorkspaceOrder::CreateTask(new)).await?, Task);
        self.shown_task(row.sid).await
    }

    async fn task(&self, task: &str) -> Result<Value, Problem> {
        let task = task.parse().map_err(|_| Problem::NotFound)?;
        self.expect_own_task(task).await?;
        self.shown_task(task).await
    }

    async fn update_task(&self, task: &str) -> Result<Value, Problem> {
        let sid = task.parse().map_err(|_| Problem::NotFound)?;
        self.expect_own_task(sid).await?;
        tasks::change(&self.scope.at(&[("task", task)]), &self.parameters).await?;
        self.shown_task(sid).await
    }

    pub(super) async fn stored_task(&self, sid: TaskSid) -> Result<(Task, TaskNames), Problem> {
        let found = self.scope.api.store.task(self.scope.account, self.visitor.workspace, sid).await?;
        found.ok_or(Problem::NotFound)
    }

    pub(super) async fn shown_task(&self, sid: TaskSid) -> Result<Value, Problem> {
        let (row, names) = self.stored_task(sid).await?;
        Ok(object::task(&row, &names, self.scope.api.now()))
    }

    async fn create_transfer(&self, worker: &str) -> Result<Value, Problem> {
        const TO: &str = "To";
        let worker = self.own(worker)?;
        let to = self.parameters.filled(TO).ok_or(Problem::Missing { code: 20001, name: TO })?;
        let to = to.parse().map(TransferTarget::Worker).or_else(|_| to.parse().map(TransferTarget::Queue));
        let order = WorkspaceOrder::CreateTransfer {
            worker,
            task: self.required_sid("TaskSid")?,
            reservation: self.required_sid("ReservationSid")?,
            to: to.map_err(|_| Problem::SidMalformed { name: TO })?,
            mode: self.parameters.word_filter("Mode", "WARM or COLD")?.unwrap_or(TransferMode::Warm),
            priority: number(&self.parameters, "Priority", "a number from 0 to 2147483647", 0..=i32::MAX as u32)?,
            attributes: self.parameters.filled("Attributes").map(str::to_owned),
        };
        let transfer: Transfer = row!(self.scope.change(order).await?, Transfer);
        Ok(object::transfer(&transfer))
    }

    async fn update_transfer(&self, worker: &str, sid: &str) -> Result<Value, Problem> {
        const STATUS: &str = "TransferStatus";
        let worker = self.own(worker)?;
        let transfer = sid.parse().map_err(|_| Problem::NotFound)?;
        match self.parameters.filled(STATUS) {
            Some("canceled") => {}
            Some(_) => return Err(Problem::Parameter { name: STATUS, expected: "canceled" }),
            None => return Err(Problem::Missing { code: 20001, name: STATUS }),
        }
        let order = WorkspaceOrder::CancelTransfer { worker, transfer };
        let transfer: Transfer = row!(self.scope.change(order).await?, Transfer);
        Ok(object::transfer(&transfer))
    }
}

/// Reservations that take room of their worker.
const OPEN: [ReservationStatus; 3] =
    [ReservationStatus::Pending, ReservationStatus::Accepted, ReservationStatus::Wrapping];
