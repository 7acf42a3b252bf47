//! Lists that an expression filters: rows are read a chunk at a time, and the page is what holds of them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Instant;

use model::Worker;
use serde_json::Value;
use store::{ListFrom, ListPage, ListPlace, Rows, StoreError, WorkerActivity};
use taskrouter::{Attributes, Expression, Names, Path, WorkerNames, descend};

use super::Scope;
use crate::problem::Problem;

/// Counts a list that has an expression of the caller's own to evaluate (taskrouter §9).
pub(super) fn count(scope: &Scope) -> Result<(), Problem> {
    scope.api.count_evaluation(scope.account, Instant::now())
}

/// An expression as a parameter has it.
pub(super) fn expression(name: &'static str, text: &str) -> Result<Expression, Problem> {
    Expression::parse(text).map_err(|error| Problem::Expression { name, why: error.to_string() })
}

/// The page of the rows that `holds` keeps. `read` reads a page of them all, `place` tells where a row stands.
pub(super) async fn page<T, F>(
    page: ListPage,
    read: impl Fn(ListPage) -> F,
    place: impl Fn(&T) -> ListPlace,
    holds: impl Fn(&T) -> bool,
) -> Result<Rows<T>, Problem>
where
    F: Future<Output = Result<Rows<T>, StoreError>>,
{
    let is_backwards = matches!(page.from, Some(ListFrom::Before(_)));
    let wanted = page.size as usize + usize::from(!is_backwards); // one more tells whether rows follow
    let mut chunk = ListPage { size: CHUNK_ROWS, ..page };
    let mut kept: Vec<T> = Vec::new();
    loop {
        let Rows { mut rows, .. } = read(chunk.clone()).await?;
        let is_last = rows.len() < CHUNK_ROWS as usize;
        let edge = if is_backwards { rows.first() } else { rows.last() };
        chunk.from =
            edge.map(|row| if is_backwards { ListFrom::Before(place(row)) } else { ListFrom::After(place(row)) });
        if is_backwards {
            rows.reverse();
        }
        kept.extend(rows.into_iter().filter(&holds).take(wanted - kept.len()));
        if is_last || kept.len() == wanted {
            break;
        }
    }
    let more = is_backwards || kept.len() == wanted;
    kept.truncate(page.size as usize);
    if is_backwards {
        kept.reverse();
    }
    Ok(Rows { rows: kept, more })
}

/// What is asked of workers.
pub(super) enum WorkersAsked {
    /// By a caller: what is known of a worker has no prefix.
    Listed(Expression),
    /// By a queue.
    OfQueue(Expression),
    /// What nobody meets.
    Nobody,
}

impl WorkersAsked {
    /// Whether a worker meets it.
    pub(super) fn holds(&self, worker: &Worker, activity: &WorkerActivity) -> bool {
        let Some(worker) = as_evaluated(worker) else { return false };
        let names = |bare| WorkerNames { worker: &worker, activity_name: &activity.name, bare };
        match self {
            Self::Listed(expression) => expression.is_true(&names(true)),
            Self::OfQueue(expression) => expression.is_true(&names(false)),
            Self::Nobody => false,
        }
    }
}

/// Whether a queue's expression, as it is stored, means this worker. An empty one is nobody.
pub(super) fn queue_has(target_workers: &str, asked: &QueueAsked) -> bool {
    let Ok(expression) = Expression::parse(target_workers) else { return false };
    match asked {
        QueueAsked::Worker(worker, activity) => {
            expression.is_true(&WorkerNames { worker, activity_name: &activity.name, bare: false })
        }
        QueueAsked::Attributes(attributes) => expression.is_true(&NobodyNames(attributes)),
    }
}

/// Whose queues are asked for.
pub(super) enum QueueAsked {
    /// Those of a worker there is.
    Worker(Box<taskrouter::Worker>, WorkerActivity),
    /// Those of one with such attributes.
    Attributes(Value),
}

impl QueueAsked {
    /// Of a worker there is; `None` if its attributes cannot be read.
    pub(super) fn worker(worker: &Worker, activity: WorkerActivity) -> Option<Self> {
        Some(Self::Worker(Box::new(as_evaluated(worker)?), activity))
    }
}

/// Attributes that are no worker's yet, with `worker.` or without.
struct NobodyNames<'a>(&'a Value);

impl Names for NobodyNames<'_> {
    fn value(&self, path: &Path) -> taskrouter::Value<'_> {
        if path.root == "worker" && !path.steps.is_empty() { descend(self.0, &path.steps) } else { self.0.value(path) }
    }
}

/// A worker as expressions see it; of its work they are not asked here.
fn as_evaluated(row: &Worker) -> Option<taskrouter::Worker> {
    Some(taskrouter::Worker {
        sid: row.sid,
        friendly_name: row.friendly_name.clone(),
        attributes: Attributes::parse(&row.attributes).ok()?,
        activity: row.activity_sid,
        status_changed: row.status_changed,
        channels: BTreeMap::new(),
        open: BTreeSet::new(),
        idle_since: row.idle_since,
        last_reserved: row.last_reserved,
        version: row.version,
    })
}

/// Rows read at once.
const CHUNK_ROWS: u32 = 500;
