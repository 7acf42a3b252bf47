//! Workflows: which filter takes a task, and where its targets send it (taskrouter §5).

use std::sync::Arc;
use std::time::Duration;

use model::{TaskQueueSid, WorkflowSid};
use serde_json::{Map, Value as Json};

use crate::{Expression, ExpressionError, Path};

/// What brings tasks into queues.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// Its name in the API.
    pub sid: WorkflowSid,
    /// Its name for people.
    pub friendly_name: String,
    /// Grows when what it does changes. The engine sees to that.
    pub revision: u32,
    /// Waiting tasks that came by a revision before this one begin anew. As above.
    pub anew_from: u32,
    /// Tested in order.
    pub filters: Vec<Filter>,
    /// For what no filter takes.
    pub default_filter: Option<Target>,
    /// How long a reservation may be pending.
    pub reservation_timeout: Duration,
}

/// Takes the tasks its expression is true of.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// Its name for people.
    pub friendly_name: String,
    /// Over the task's attributes.
    pub expression: Expression,
    /// Where they go, one after the other; at least one.
    pub targets: Vec<Target>,
}

/// One step of routing.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its name for people, if it has one.
    pub friendly_name: String,
    /// The queue whose workers are asked.
    pub queue: TaskQueueSid,
    /// Which of them; all without.
    pub expression: Option<Arc<Expression>>,
    /// The task's priority from here on.
    pub priority: Option<u32>,
    /// How long this step lasts.
    pub timeout: Option<Duration>,
    /// Who comes first.
    pub order_by: OrderBy,
    /// Left at once if nobody can take the task and this is true.
    pub skip_if: Option<Arc<Expression>>,
    /// The one worker who may.
    pub known_worker: Option<KnownWorker>,
}

/// Whose name stands in an attribute of the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownWorker {
    /// By SID.
    Sid(Path),
    /// By name.
    FriendlyName(Path),
}

/// `worker.level DESC, worker.cost ASC`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderBy(pub Vec<(Path, Direction)>);

/// Which end of an order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The least.
    Ascending,
    /// The greatest.
    Descending,
}

/// Why a configuration is refused: the place, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigurationError {
    /// As in `task_routing.filters[1].targets[0].queue`.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

impl Workflow {
    /// Understands `configuration`; `knows` says which queues there are.
    pub fn parse(
        sid: WorkflowSid,
        friendly_name: &str,
        configuration: &str,
        reservation_timeout: Duration,
        knows: impl Fn(TaskQueueSid) -> bool,
    ) -> Result<Self, ConfigurationError> {
        if configuration.len() > CONFIGURATION_MAX {
            return Err(error("configuration", format!("more than {CONFIGURATION_MAX} bytes")));
        }
        let json: Json = serde_json::from_str(configuration).map_err(|wrong| error("configuration", wrong))?;
        let routing = &json["task_routing"];
        let routing = routing.as_object().ok_or_else(|| error("task_routing", "an object is expected"))?;
        let mut filters = Vec::new();
        for (at, json) in array(routing, "filters", "task_routing")?.iter().enumerate() {
            filters.push(filter(json, &format!("task_routing.filters[{at}]"), &knows)?);
        }
        let default_filter = match routing.get("default_filter") {
            None | Some(Json::Null) => None,
            Some(json) => Some(target(json, "task_routing.default_filter", None, &knows)?),
        };
        // Nothing but a task's own timeout ends what the default filter has begun (§5.1).
        let default_filter = default_filter.map(|target| Target { timeout: None, ..target });
        let friendly_name = friendly_name.to_owned();
        Ok(Self { sid, friendly_name, revision: 0, anew_from: 0, filters, default_filter, reservation_timeout })
    }

    /// The targets of a filter, or of the default filter.
    pub fn targets(&self, filter: Option<usize>) -> &[Target] {
        match filter {
            Some(filter) => self.filters.get(filter).map_or(&[], |filter| &filter.targets),
            None => self.default_filter.as_slice(),
        }
    }

    /// Every queue it may send a task to.
    pub fn queues(&self) -> impl Iterator<Item = TaskQueueSid> + '_ {
        let targets = self.filters.iter().flat_map(|filter| &filter.targets).chain(&self.default_filter);
        targets.map(|target| target.queue)
    }
}

fn filter(json: &Json, place: &str, knows: &impl Fn(TaskQueueSid) -> bool) -> Result<Filter, ConfigurationError> {
    let members = json.as_object().ok_or_else(|| error(place, "an object is expected"))?;
    let name = text(members, "filter_friendly_name", place)?.or(text(members, "friendly_name", place)?);
    let expression = text(members, "expression", place)?
        .ok_or_else(|| error(&format!("{place}.expression"), "an expression is expected"))?;
    let expression = Expression::parse(expression).map_err(|wrong| error(&format!("{place}.expression"), wrong))?;
    let mut targets: Vec<Target> = Vec::new();
    for (at, json) in array(members, "targets", place)?.iter().enumerate() {
        let inherited = targets.last().map(|target| target.queue);
        targets.push(target(json, &format!("{place}.targets[{at}]"), inherited, knows)?);
    }
    if targets.is_empty() {
        return Err(error(&format!("{place}.targets"), "at least one target is expected"));
    }
    Ok(Filter { friendly_name: name.unwrap_or_default().to_owned(), expression, targets })
}

fn target(
    json: &Json,
    place: &str,
    inherited: Option<TaskQueueSid>,
    knows: &impl Fn(TaskQueueSid) -> bool,
) -> Result<Target, ConfigurationError> {
    let members = json.as_object().ok_or_else(|| error(place, "an object is expected"))?;
    let at = |member: &str| format!("{place}.{member}");
    let queue = match text(members, "queue", place)? {
        Some(sid) => sid.parse().map_err(|wrong| error(&at("queue"), wrong))?,
        None => inherited.ok_or_else(|| error(&at("queue"), "a queue is expected"))?,
    };
    if !knows(queue) {
        return Err(error(&at("queue"), format!("{queue} is no queue of this workspace")));
    }
    let path = |member: &str| -> Result<Option<Path>, ConfigurationError> {
        let Some(text) = text(members, member, place)? else { return Ok(None) };
        let path = Path::parse(text).map_err(|wrong| error(&at(member), wrong))?;
        if path.root != "task" || path.steps.is_empty() {
            return Err(error(&at(member), "task.<attribute> is expected"));
        }
        Ok(Some(path))
    };
    let known_worker = match path("known_worker_sid")? {
        Some(path) => Some(KnownWorker::Sid(path)),
        None => path("known_worker_friendly_name")?.map(KnownWorker::FriendlyName),
    };
    Ok(Target {
        friendly_name: text(members, "friendly_name", place)?.unwrap_or_default().to_owned(),
        queue,
        expression: expression(members, "expression", place)?,
        priority: whole(members, "priority", place, PRIORITY_MAX)?,
        timeout: whole(members, "timeout", place, TASK_TIMEOUT_MAX)?.map(|s| Duration::from_secs(s.into())),
        order_by: OrderBy::parse(text(members, "order_by", place)?.unwrap_or_default())
            .map_err(|wrong| error(&at("order_by"), wrong))?,
        skip_if: expression(members, "skip_if", place)?,
        known_worker,
    })
}

impl OrderBy {
    /// `worker.<attribute>` and ASC (which may be left out) or DESC, separated by commas; nothing is no order.
    pub fn parse(text: &str) -> Result<Self, OrderByError> {
        let mut order = Vec::new();
        for part in text.split(',').filter(|_| !text.trim().is_empty()) {
            let part = part.trim();
            let (path, direction) = part.split_once(char::is_whitespace).unwrap_or((part, "ASC"));
            let direction = match direction.trim() {
                word if word.eq_ignore_ascii_case("ASC") => Direction::Ascending,
                word if word.eq_ignore_ascii_case("DESC") => Direction::Descending,
                word => return Err(OrderByError::Direction(word.to_owned())),
            };
            let path = Path::parse(path)?;
            if path.root != "worker" || path.steps.is_empty() {
                return Err(OrderByError::Worker);
            }
            order.push((path, direction));
        }
        Ok(Self(order))
    }
}

/// Why a text is no `order_by`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderByError {
    /// Neither ASC nor DESC.
    #[error("ASC or DESC is expected, not {0:?}")]
    Direction(String),
    /// Something else than an attribute of the worker.
    #[error("worker.<attribute> is expected")]
    Worker,
    /// Not even that.
    #[error(transparent)]
    Path(#[from] ExpressionError),
}

fn error(place: &str, what: impl ToString) -> ConfigurationError {
    ConfigurationError { place: place.to_owned(), what: what.to_string() }
}

fn array<'a>(members: &'a Map<String, Json>, member: &str, place: &str) -> Result<&'a [Json], ConfigurationError> {
    match members.get(member) {
        None | Some(Json::Null) => Ok(&[]),
        Some(Json::Array(elements)) => Ok(elements),
        Some(_) => Err(error(&format!("{place}.{member}"), "an array is expected")),
    }
}

fn text<'a>(members: &'a Map<String, Json>, member: &str, place: &str) -> Result<Option<&'a str>, ConfigurationError> {
    match members.get(member) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(error(&format!("{place}.{member}"), "a string is expected")),
    }
}

/// An optional expression; an empty one, as consoles leave it, is none.
fn expression(
    members: &Map<String, Json>,
    member: &str,
    place: &str,
) -> Result<Option<Arc<Expression>>, ConfigurationError> {
    match text(members, member, place)? {
        None => Ok(None),
        Some(text) if text.trim().is_empty() => Ok(None),
        Some(text) => match Expression::parse(text) {
            Ok(expression) => Ok(Some(Arc::new(expression))),
            Err(wrong) => Err(error(&format!("{place}.{member}"), wrong)),
        },
    }
}

/// An integer, or a string of one.
fn whole(members: &Map<String, Json>, member: &str, place: &str, max: u32) -> Result<Option<u32>, ConfigurationError> {
    let number = match members.get(member) {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::Number(number)) => number.as_u64().or_else(|| number.as_f64().and_then(without_fraction)),
        Some(Json::String(digits)) => digits.trim().parse().ok(),
        Some(_) => None,
    };
    let number = number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number <= max);
    number
        .map(Some)
        .ok_or_else(|| error(&format!("{place}.{member}"), format!("a whole number of at most {max} is expected")))
}

/// A number that is whole however it is written: `60.0`, `1e2`.
fn without_fraction(number: f64) -> Option<u64> {
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    is_whole.then_some(number as u64)
}

/// Bytes of a configuration (taskrouter §5.1).
pub const CONFIGURATION_MAX: usize = 1_038_576;
/// Highest priority of a task (taskrouter §6.1).
pub const PRIORITY_MAX: u32 = 2_147_483_647;
/// Longest timeout of a task, and of a target, in seconds (taskrouter §9).
pub const TASK_TIMEOUT_MAX: u32 = 1_209_600;

#[cfg(test)]
mod tests {
    use super::*;

    const Q: &str = "WQ00000000000000000000000000000001";

    fn parse(configuration: &str) -> Result<Workflow, ConfigurationError> {
        let known = |queue| queue == TaskQueueSid::from_bits(1) || queue == TaskQueueSid::from_bits(2);
        Workflow::parse(WorkflowSid::from_bits(1), "w", configuration, Duration::from_secs(120), known)
    }

    #[test]
    fn the_contracts_example() {
        let workflow = parse(
            r#"{"task_routing":{"filters":[
            {"filter_friendly_name":"Transfer to a person","expression":"requested_agent != null","targets":[
              {"queue":"WQ00000000000000000000000000000001","known_worker_friendly_name":"task.requested_agent","timeout":30},
              {"queue":"WQ00000000000000000000000000000002","priority":5}]},
            {"friendly_name":"English","expression":"selected_language == \"en\"","unknown":[],"targets":[
              {"queue":"WQ00000000000000000000000000000001","expression":"worker.level >= task.min_level","skip_if":
               "workers.available == 0","order_by":"worker.level DESC, worker.cost ASC,worker.a","priority":"10","timeout":"60"},
              {"timeout":1200}]}],
            "default_filter":{"queue":"WQ00000000000000000000000000000002","timeout":5}}}"#,
        )
        .expect("valid");
        assert_eq!(workflow.queues().map(|queue| queue.to_string().split_off(33)).collect::<String>(), "12112");
        let names: Vec<&str> = workflow.filters.iter().map(|filter| &*filter.friendly_name).collect();
        assert_eq!(names, ["Transfer to a person", "English"]);
        let (first, second) = (&workflow.filters[0].targets[0], &workflow.filters[1].targets[0]);
        assert_eq!(first.known_worker, Path::parse("task.requested_agent").ok().map(KnownWorker::FriendlyName));
        assert_eq!((second.priority, second.timeout), (Some(10), Some(Duration::from_secs(60))));
        let directions: Vec<Direction> = second.order_by.0.iter().map(|(_, direction)| *direction).collect();
        assert_eq!(directions, [Direction::Descending, Direction::Ascending, Direction::Ascending]);
        assert_eq!(workflow.targets(None)[0].timeout, None, "the default filter has no timeout");
        assert_eq!(workflow.targets(Some(9)), []);
    }

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        for (written, want) in [
            ("60", Some(60)),
            ("\" 60 \"", Some(60)),
            ("60.0", Some(60)),
            ("1e2", Some(100)),
            ("0.0", Some(0)),
            ("1.5", None),
            ("-1.0", None),
            ("1e99", None),
            ("\"1e2\"", None),
            ("1209601", None),
        ] {
            let filter = format!(r#"{{"expression":"1==1","targets":[{{"queue":"{Q}","timeout":{written}}}]}}"#);
            let parsed = parse(&format!(r#"{{"task_routing":{{"filters":[{filter}]}}}}"#)).ok();
            let timeout = parsed.and_then(|workflow| workflow.filters[0].targets[0].timeout);
            assert_eq!(timeout, want.map(Duration::from_secs), "{written}");
        }
    }

    #[test]
    fn an_error_names_the_place() {
        let filter =
            |inner: &str| format!(r#"{{"task_routing":{{"filters":[{{"expression":"1==1","targets":[{inner}]}}]}}}}"#);
        for (configuration, place) in [
            ("{".to_owned(), "configuration"),
            (" ".repeat(CONFIGURATION_MAX + 1), "configuration"),
            ("{}".to_owned(), "task_routing"),
            (r#"{"task_routing":{"filters":{}}}"#.to_owned(), "task_routing.filters"),
            (r#"{"task_routing":{"filters":[1]}}"#.to_owned(), "task_routing.filters[0]"),
            (r#"{"task_routing":{"filters":[{"targets":[]}]}}"#.to_owned(), "task_routing.filters[0].expression"),
            (r#"{"task_routing":{"filters":[{"expression":"a ="}]}}"#.to_owned(), "task_routing.filters[0].expression"),
            (filter(""), "task_routing.filters[0].targets"),
            (filter("{}"), "task_routing.filters[0].targets[0].queue"),
            (
                filter(&Q.replace("WQ", "{\"queue\":\"WW").replace("01", "01\"}")),
                "task_routing.filters[0].targets[0].queue",
            ),
            (filter(r#"{"queue":"WQ00000000000000000000000000000003"}"#), "task_routing.filters[0].targets[0].queue"),
            (filter(&format!(r#"{{"queue":"{Q}"}},{{"timeout":-1}}"#)), "task_routing.filters[0].targets[1].timeout"),
            (filter(&format!(r#"{{"queue":"{Q}","priority":1.5}}"#)), "task_routing.filters[0].targets[0].priority"),
            (filter(&format!(r#"{{"queue":"{Q}","skip_if":"a b"}}"#)), "task_routing.filters[0].targets[0].skip_if"),
            (
                filter(&format!(r#"{{"queue":"{Q}","order_by":"worker.a UP"}}"#)),
                "task_routing.filters[0].targets[0].order_by",
            ),
            (
                filter(&format!(r#"{{"queue":"{Q}","order_by":"level"}}"#)),
                "task_routing.filters[0].targets[0].order_by",
            ),
            (
                filter(&format!(r#"{{"queue":"{Q}","known_worker_sid":"worker.sid"}}"#)),
                "task_routing.filters[0].targets[0].known_worker_sid",
            ),
            (r#"{"task_routing":{"default_filter":{}}}"#.to_owned(), "task_routing.default_filter.queue"),
        ] {
            let got = parse(&configuration).expect_err(place);
            assert_eq!(got.place, place, "{got}");
        }
    }
}
