//! Statistics (taskrouter §13): of the workspace, of queues, workflows and workers; as it stands, what has happened, both.
//!
//! Numbers come from the switch, names from the store. Which of the numbers are shown of what, [`Kind`] says.

use std::collections::BTreeSet;

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use model::{Activity, TaskQueueSid, Timestamp, Worker, WorkerSid, WorkspaceSid};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::{ActivityFilter, ListFrom, ListOrder, ListPage, ListPlace, Rows, TaskQueueNames, WorkerFilter};
use switch::routing::{
    RoutingAnswer, RoutingOrder, STATISTICS_SCOPES_MAX, Statistics, StatisticsOrder, WorkspaceOrder,
};
use taskrouter::{Counts, Cumulative, Figures, RealTime, Scope as Of, Side, Spread};

use super::list::{List, RowPlace};
use super::{FRIENDLY_NAME, Scope, mismatch, span_of_figures, words, workers};
use crate::api::Api;
use crate::json;
use crate::parameters::{Parameters, json_body};
use crate::problem::Problem;

/// Of what statistics are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Workspace,
    Queue,
    Workflow,
    Workers,
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    RealTime,
    Cumulative,
    Both,
}

/// `GET /RealTimeStatistics`
pub(crate) async fn workspace_real_time(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_workspace(&scope, &parameters, Part::RealTime).await
}

/// `GET /CumulativeStatistics`
pub(crate) async fn workspace_cumulative(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_workspace(&scope, &parameters, Part::Cumulative).await
}

/// `GET /Statistics`
pub(crate) async fn workspace_both(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_workspace(&scope, &parameters, Part::Both).await
}

/// `GET /TaskQueues/{WQ}/RealTimeStatistics`
pub(crate) async fn queue_real_time(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_queue(&scope, &parameters, Part::RealTime).await
}

/// `GET /TaskQueues/{WQ}/CumulativeStatistics`
pub(crate) async fn queue_cumulative(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_queue(&scope, &parameters, Part::Cumulative).await
}

/// `GET /TaskQueues/{WQ}/Statistics`
pub(crate) async fn queue_both(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_queue(&scope, &parameters, Part::Both).await
}

/// `GET /Workflows/{WW}/RealTimeStatistics`
pub(crate) async fn workflow_real_time(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_workflow(&scope, &parameters, Part::RealTime).await
}

/// `GET /Workflows/{WW}/CumulativeStatistics`
pub(crate) async fn workflow_cumulative(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_workflow(&scope, &parameters, Part::Cumulative).await
}

/// `GET /Workflows/{WW}/Statistics`
pub(crate) async fn workflow_both(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_workflow(&scope, &parameters, Part::Both).await
}

/// `GET /Workers/RealTimeStatistics`
pub(crate) async fn workers_real_time(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_workers(&scope, &parameters, Part::RealTime).await
}

/// `GET /Workers/CumulativeStatistics`
pub(crate) async fn workers_cumulative(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_workers(&scope, &parameters, Part::Cumulative).await
}

/// `GET /Workers/Statistics`
pub(crate) async fn workers_both(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    of_workers(&scope, &parameters, Part::Both).await
}

/// `GET /Workers/{WK}/Statistics`: cumulative only.
pub(crate) async fn worker(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let (workspace, sid): (_, WorkerSid) = (scope.workspace()?, scope.sid("worker")?);
    scope.api.store.worker(scope.account, workspace, sid).await?.ok_or(Problem::NotFound)?;
    let asked = Asked::read(&scope, &parameters, Part::Cumulative)?;
    let shown = Shown { kind: Kind::Workers, asked: &asked, activities: &activities(&scope, workspace).await? };
    let statistics = asked.one(&scope, Of::Worker(sid)).await?;
    let mut body = envelope(&scope, workspace, format_args!("/Workers/{sid}/Statistics"));
    body.insert("worker_sid".to_owned(), json!(sid.to_string()));
    body.insert("cumulative".to_owned(), shown.cumulative(statistics.cumulative.as_ref()).into());
    Ok(json::ok(&body))
}

/// `GET /TaskQueues/Statistics`: a list, of both.
pub(crate) async fn queues(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let friendly_name = parameters.filled(FRIENDLY_NAME).map(str::to_owned);
    let list = List::read(&parameters, ListOrder::default())?;
    let asked = Asked::read(&scope, &parameters, Part::Both)?;
    let (store, account, workspace) = (&scope.api.store, scope.account, scope.existing_workspace().await?);
    let page = list.page(|sid| store.task_queue_seq(account, workspace, sid)).await?;
    let Rows { rows, more } = store.task_queues(account, workspace, friendly_name, &page).await?;
    let shown = Shown { kind: Kind::Queue, asked: &asked, activities: &activities(&scope, workspace).await? };
    let scopes = rows.iter().map(|(queue, _)| Of::Queue(queue.sid)).collect();
    let statistics = asked.each(&scope, scopes).await?;
    let rows: Vec<(TaskQueueSid, Statistics)> =
        rows.iter().map(|(queue, _): &(_, TaskQueueNames)| queue.sid).zip(statistics).collect();
    let url = scope.url(workspace, "/TaskQueues/Statistics");
    Ok(list.answer(
        "task_queues_statistics",
        &url,
        &Rows { rows, more },
        |(sid, _)| RowPlace::of(*sid),
        |(sid, statistics)| {
            json!({
                "account_sid": scope.account.to_string(),
                "workspace_sid": workspace.to_string(),
                "task_queue_sid": sid.to_string(),
                "realtime": shown.real_time(statistics.real_time.as_ref()),
                "cumulative": shown.cumulative(statistics.cumulative.as_ref()),
            })
        },
    ))
}

/// What is asked of many queues at once.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Bulk {
    task_queue_sids: Vec<String>,
    task_channel: Option<String>,
}

impl FromRequest<std::sync::Arc<Api>> for Bulk {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &std::sync::Arc<Api>) -> Result<Self, Problem> {
        json_body(request, api).await
    }
}

/// `POST /TaskQueues/RealTimeStatistics`
pub(crate) async fn bulk(scope: Scope, bulk: Bulk) -> Result<Response, Problem> {
    const SIDS: &str = "TaskQueueSids";
    let workspace = scope.existing_workspace().await?;
    if bulk.task_queue_sids.is_empty() || bulk.task_queue_sids.len() > BULK_MAX {
        return Err(Problem::Parameter { name: SIDS, expected: "1 to 50 SIDs of queues" });
    }
    let mut queues = BTreeSet::new();
    for sid in &bulk.task_queue_sids {
        let sid = sid.parse().map_err(|_| Problem::SidMalformed { name: SIDS })?;
        if scope.api.store.task_queue(scope.account, workspace, sid).await?.is_some() {
            queues.insert(sid);
        }
    }
    let channel = bulk.task_channel.filter(|channel| !channel.is_empty());
    let asked = Asked { part: Part::RealTime, channel, span: None, splits: Vec::new() };
    let statistics = asked.each(&scope, queues.iter().copied().map(Of::Queue).collect()).await?;
    let shown = Shown { kind: Kind::Queue, asked: &asked, activities: &activities(&scope, workspace).await? };
    let data = queues.iter().zip(&statistics).map(|(sid, statistics)| {
        let mut data = shown.real_time(statistics.real_time.as_ref());
        data.insert("task_queue_sid".to_owned(), json!(sid.to_string()));
        data
    });
    let data: Vec<Map<String, Value>> = data.collect();
    let mut body = envelope(&scope, workspace, "/TaskQueues/RealTimeStatistics");
    body.insert("task_queue_response_count".to_owned(), json!(data.len()));
    body.insert("task_queue_data".to_owned(), json!(data));
    Ok(json::ok(&body))
}

async fn of_workspace(scope: &Scope, parameters: &Parameters, part: Part) -> Result<Response, Problem> {
    let workspace = scope.existing_workspace().await?;
    let asked = Asked::read(scope, parameters, part)?;
    let statistics = asked.one(scope, Of::Workspace).await?;
    let body = envelope(scope, workspace, part.path());
    answer(scope, workspace, Kind::Workspace, &asked, &statistics, body).await
}

async fn of_queue(scope: &Scope, parameters: &Parameters, part: Part) -> Result<Response, Problem> {
    let (workspace, sid) = (scope.workspace()?, scope.sid("queue")?);
    scope.api.store.task_queue(scope.account, workspace, sid).await?.ok_or(Problem::NotFound)?;
    let asked = Asked::read(scope, parameters, part)?;
    let statistics = asked.one(scope, Of::Queue(sid)).await?;
    let mut body = envelope(scope, workspace, format_args!("/TaskQueues/{sid}{}", part.path()));
    body.insert("task_queue_sid".to_owned(), json!(sid.to_string()));
    answer(scope, workspace, Kind::Queue, &asked, &statistics, body).await
}

async fn of_workflow(scope: &Scope, parameters: &Parameters, part: Part) -> Result<Response, Problem> {
    let (workspace, sid) = (scope.workspace()?, scope.sid("workflow")?);
    scope.api.store.workflow(scope.account, workspace, sid).await?.ok_or(Problem::NotFound)?;
    let asked = Asked::read(scope, parameters, part)?;
    let statistics = asked.one(scope, Of::Workflow(sid)).await?;
    let mut body = envelope(scope, workspace, format_args!("/Workflows/{sid}{}", part.path()));
    body.insert("workflow_sid".to_owned(), json!(sid.to_string()));
    answer(scope, workspace, Kind::Workflow, &asked, &statistics, body).await
}

/// Of all workers, or of those that are named by themselves or by their queues.
async fn of_workers(scope: &Scope, parameters: &Parameters, part: Part) -> Result<Response, Problem> {
    let workspace = scope.existing_workspace().await?;
    let asked = Asked::read(scope, parameters, part)?;
    let restricted =
        ["TaskQueueSid", "TaskQueueName", FRIENDLY_NAME].iter().any(|name| parameters.filled(name).is_some());
    let restricted = restricted && part == Part::Both;
    let mut statistics = Statistics::default();
    if part != Part::Cumulative && !restricted {
        statistics.real_time = asked.with(Part::RealTime).one(scope, Of::Workspace).await?.real_time;
    }
    if part != Part::RealTime {
        let workers =
            if restricted { named(scope, workspace, parameters).await? } else { every(scope, workspace).await? };
        if restricted {
            let mut real_time = RealTime::default();
            for worker in &workers {
                real_time.eligible_workers += 1;
                *real_time.activities.entry(worker.activity_sid).or_default() += 1;
            }
            statistics.real_time = Some(real_time);
        }
        statistics.cumulative = asked.sum(scope, &workers).await?;
        // Workers who are gone have left their offers with the workspace.
        if !restricted && let Some(all) = asked.with(Part::Cumulative).one(scope, Of::Workspace).await?.cumulative {
            let mut sum =
                statistics.cumulative.unwrap_or_else(|| Cumulative { figures: Figures::default(), ..all.clone() });
            sum.figures.counts = all.figures.counts;
            statistics.cumulative = Some(sum);
        }
    }
    let body = envelope(scope, workspace, format_args!("/Workers{}", part.path()));
    answer(scope, workspace, Kind::Workers, &asked, &statistics, body).await
}

async fn answer(
    scope: &Scope,
    workspace: WorkspaceSid,
    kind: Kind,
    asked: &Asked,
    statistics: &Statistics,
    mut body: Map<String, Value>,
) -> Result<Response, Problem> {
    let shown = Shown { kind, asked, activities: &activities(scope, workspace).await? };
    match asked.part {
        Part::RealTime => body.extend(shown.real_time(statistics.real_time.as_ref())),
        Part::Cumulative => body.extend(shown.cumulative(statistics.cumulative.as_ref())),
        Part::Both => {
            body.insert("realtime".to_owned(), shown.real_time(statistics.real_time.as_ref()).into());
            body.insert("cumulative".to_owned(), shown.cumulative(statistics.cumulative.as_ref()).into());
        }
    }
    Ok(json::ok(&body))
}

impl Part {
    const fn path(self) -> &'static str {
        match self {
            Self::RealTime => "/RealTimeStatistics",
            Self::Cumulative => "/CumulativeStatistics",
            Self::Both => "/Statistics",
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone)]
struct Asked {
    part: Part,
    channel: Option<String>,
    /// From when until when; `None` of what only stands.
    span: Option<(Timestamp, Timestamp)>,
    /// Thresholds in seconds.
    splits: Vec<u32>,
}

impl Asked {
    fn read(scope: &Scope, parameters: &Parameters, part: Part) -> Result<Self, Problem> {
        const SPLIT: &str = "SplitByWaitTime";
        let expected = "up to 20 numbers of seconds, with commas between them";
        let threshold = |word: &str| word.parse().map_err(|_| Problem::Parameter { name: SPLIT, expected });
        let splits: Vec<u32> = words(parameters, SPLIT).map(threshold).collect::<Result<_, _>>()?;
        if splits.len() > SPLITS_MAX {
            return Err(Problem::Parameter { name: SPLIT, expected });
        }
        let span = match part {
            Part::RealTime => None,
            Part::Cumulative | Part::Both => Some(span_of_figures(parameters, scope.api.now())?),
        };
        Ok(Self { part, channel: parameters.filled("TaskChannel").map(str::to_owned), span, splits })
    }

    /// The same question for one part.
    fn with(&self, part: Part) -> Self {
        Self { part, span: self.span.filter(|_| part != Part::RealTime), ..self.clone() }
    }

    async fn one(&self, scope: &Scope, of: Of) -> Result<Statistics, Problem> {
        Ok(self.each(scope, vec![of]).await?.pop().unwrap_or_default())
    }

    /// One answer for each, asked for a few at a time, so that the switch does other things in between.
    async fn each(&self, scope: &Scope, of: Vec<Of>) -> Result<Vec<Statistics>, Problem> {
        let mut answers = Vec::with_capacity(of.len());
        let mut left = of.as_slice();
        while !left.is_empty() {
            let scopes = &left[..left.len().min(STATISTICS_SCOPES_MAX)];
            let order = WorkspaceOrder::Statistics(StatisticsOrder {
                scopes: scopes.to_vec(),
                channel: self.channel.as_deref().map(Into::into),
                real_time: self.part != Part::Cumulative,
                cumulative: self.span,
                waits: !self.splits.is_empty(),
            });
            match scope.order(RoutingOrder::In { workspace: scope.workspace()?, order }).await? {
                RoutingAnswer::Statistics(statistics) if (1..=scopes.len()).contains(&statistics.len()) => {
                    left = &left[statistics.len()..];
                    answers.extend(statistics);
                }
                other => return Err(mismatch(other)),
            }
        }
        Ok(answers)
    }

    /// What all these workers did together.
    async fn sum(&self, scope: &Scope, workers: &[Worker]) -> Result<Option<Cumulative>, Problem> {
        let of = workers.iter().map(|worker| Of::Worker(worker.sid)).collect();
        let mut sum: Option<Cumulative> = None;
        for statistics in self.with(Part::Cumulative).each(scope, of).await? {
            match (&mut sum, statistics.cumulative) {
                (Some(sum), Some(one)) => sum.figures.merge(&one.figures),
                (sum, one) => *sum = one,
            }
        }
        Ok(sum)
    }
}

/// How numbers are shown.
struct Shown<'a> {
    kind: Kind,
    asked: &'a Asked,
    activities: &'a [Activity],
}

impl Shown<'_> {
    fn real_time(&self, real_time: Option<&RealTime>) -> Map<String, Value> {
        let none = RealTime::default();
        let real_time = real_time.unwrap_or(&none);
        let mut members = Map::new();
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        if self.kind != Kind::Workers {
            let tasks = real_time.tasks;
            add("total_tasks", json!(tasks.total()));
            let by_status = json!({
                "pending": tasks.pending,
                "reserved": tasks.reserved,
                "assigned": tasks.assigned,
                "wrapping": tasks.wrapping,
            });
            add("tasks_by_status", by_status);
            let by_priority =
                real_time.tasks_by_priority.iter().map(|(priority, tasks)| (priority.to_string(), json!(tasks)));
            add("tasks_by_priority", by_priority.collect::<Map<_, _>>().into());
            let longest = real_time.longest_waiting;
            add("longest_task_waiting_age", json!(longest.map_or(0, |(_, age)| age.as_secs())));
            add("longest_task_waiting_sid", json!(longest.map(|(sid, _)| sid.to_string())));
        }
        if self.kind == Kind::Queue {
            let longest = real_time.longest_in_queue;
            add("longest_relative_task_age_in_queue", json!(longest.map_or(0, |(_, age)| age.as_secs())));
            add("longest_relative_task_sid_in_queue", json!(longest.map(|(sid, _)| sid.to_string())));
            add("total_eligible_workers", json!(real_time.eligible_workers));
            add("total_available_workers", json!(real_time.available_workers));
        }
        if matches!(self.kind, Kind::Workspace | Kind::Workers) {
            add("total_workers", json!(real_time.eligible_workers));
        }
        if self.kind != Kind::Workflow {
            let statistics = self.activities.iter().map(|activity| {
                json!({
                    "sid": activity.sid.to_string(),
                    "friendly_name": activity.friendly_name,
                    "workers": real_time.activities.get(&activity.sid).copied().unwrap_or_default(),
                })
            });
            add("activity_statistics", statistics.collect());
        }
        members
    }

    fn cumulative(&self, cumulative: Option<&Cumulative>) -> Map<String, Value> {
        let none = Figures::default();
        let (asked_from, asked_to) = self.asked.span.unwrap_or((Timestamp::from_micros(0), Timestamp::from_micros(0)));
        let (start, end, figures) = match cumulative {
            Some(Cumulative { start, end, figures }) => (*start, *end, figures),
            None => (asked_from, asked_to, &none),
        };
        let Counts {
            reservations_created,
            reservations_accepted,
            reservations_rejected,
            reservations_timed_out,
            reservations_canceled,
            reservations_rescinded,
            ..
        } = figures.counts;
        let mut members = Map::new();
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        add("start_time", json!(start.rfc3339()));
        add("end_time", json!(end.rfc3339()));
        for (name, count) in [
            ("reservations_created", reservations_created),
            ("reservations_accepted", reservations_accepted),
            ("reservations_rejected", reservations_rejected),
            ("reservations_timed_out", reservations_timed_out),
            ("reservations_canceled", reservations_canceled),
            ("reservations_rescinded", reservations_rescinded),
        ] {
            add(name, json!(count));
        }
        if self.kind == Kind::Workers {
            let durations = self.activities.iter().map(|activity| {
                let mut duration = spread(figures.activities.get(&activity.sid).copied().unwrap_or_default());
                duration["sid"] = json!(activity.sid.to_string());
                duration["friendly_name"] = json!(activity.friendly_name);
                duration
            });
            add("activity_durations", durations.collect());
            return members;
        }
        let counts = figures.counts;
        let entered = if self.kind == Kind::Workspace { "tasks_created" } else { "tasks_entered" };
        for (name, count) in [
            (entered, counts.tasks_entered),
            ("tasks_canceled", counts.tasks_canceled),
            ("tasks_completed", counts.tasks_completed),
            ("tasks_deleted", counts.tasks_deleted),
            ("tasks_moved", counts.tasks_moved),
        ] {
            add(name, json!(count));
        }
        if self.kind != Kind::Queue {
            add("tasks_timed_out_in_workflow", json!(counts.tasks_timed_out_in_workflow));
        }
        add("avg_task_acceptance_time", json!(figures.until_accepted.avg().as_secs()));
        add("wait_duration_until_accepted", spread(figures.until_accepted));
        add("wait_duration_until_canceled", spread(figures.until_canceled));
        if self.kind == Kind::Queue {
            add("wait_duration_in_queue_until_accepted", spread(figures.in_queue_until_accepted));
        }
        let splits = self.asked.splits.iter().map(|seconds| {
            let split = figures.split(*seconds);
            (seconds.to_string(), json!({"above": side(split.above), "below": side(split.below)}))
        });
        add("split_by_wait_time", splits.collect::<Map<_, _>>().into());
        members
    }
}

/// Whole seconds.
fn spread(spread: Spread) -> Value {
    json!({
        "avg": spread.avg().as_secs(),
        "min": spread.min.as_secs(),
        "max": spread.max.as_secs(),
        "total": spread.total.as_secs(),
    })
}

fn side(side: Side) -> Value {
    json!({"tasks_canceled": side.tasks_canceled, "reservations_accepted": side.reservations_accepted})
}

/// What all statistics have.
fn envelope(scope: &Scope, workspace: WorkspaceSid, path: impl std::fmt::Display) -> Map<String, Value> {
    let members = [
        ("account_sid", scope.account.to_string()),
        ("workspace_sid", workspace.to_string()),
        ("url", scope.url(workspace, path)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// Every activity there is, whose names the numbers go by.
async fn activities(scope: &Scope, workspace: WorkspaceSid) -> Result<Vec<Activity>, Problem> {
    let page = ListPage { size: ACTIVITIES_MAX, order: ListOrder::default(), from: None };
    Ok(scope.api.store.activities(scope.account, workspace, &ActivityFilter::default(), &page).await?.rows)
}

/// The workers that the filters name.
async fn named(scope: &Scope, workspace: WorkspaceSid, parameters: &Parameters) -> Result<Vec<Worker>, Problem> {
    let asked = workers::asked(scope, workspace, parameters).await?;
    let friendly_name = parameters.filled(FRIENDLY_NAME).map(str::to_owned);
    let filter = WorkerFilter { friendly_name, ..WorkerFilter::default() };
    read(scope, workspace, &filter, |worker, does| asked.iter().all(|asked| asked.holds(worker, does))).await
}

async fn every(scope: &Scope, workspace: WorkspaceSid) -> Result<Vec<Worker>, Problem> {
    read(scope, workspace, &WorkerFilter::default(), |_, _| true).await
}

/// Reads workers a chunk at a time.
async fn read(
    scope: &Scope,
    workspace: WorkspaceSid,
    filter: &WorkerFilter,
    holds: impl Fn(&Worker, &store::WorkerActivity) -> bool,
) -> Result<Vec<Worker>, Problem> {
    let mut page = ListPage { size: WORKERS_AT_ONCE, order: ListOrder::default(), from: None };
    let mut workers = Vec::new();
    loop {
        let Rows { rows, more } = scope.api.store.workers(scope.account, workspace, filter, &page).await?;
        let last = rows.last().map(|(worker, _)| worker.seq);
        workers.extend(rows.into_iter().filter(|(worker, does)| holds(worker, does)).map(|(worker, _)| worker));
        match last.filter(|_| more) {
            Some(seq) => page.from = Some(ListFrom::After(ListPlace { keys: Vec::new(), seq })),
            None => return Ok(workers),
        }
    }
}

/// Queues that one request may ask for (taskrouter §13).
const BULK_MAX: usize = 50;
const SPLITS_MAX: usize = 20;
/// Of a workspace (taskrouter §9).
const ACTIVITIES_MAX: u32 = 100;
/// Workers read at once.
const WORKERS_AT_ONCE: u32 = 1000;
