//! What names mean in each place an expression may stand in (taskrouter §10.3).

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::{ActivitySid, TaskChannelSid};

use crate::{Attributes, Names, Path, Step, TaskChannel, Value, Worker, descend};

/// In a filter: a task's attributes, with `task.` or without.
#[derive(Debug, Clone, Copy)]
pub struct TaskNames<'a>(pub &'a Attributes);

impl Names for TaskNames<'_> {
    fn value(&self, path: &Path) -> Value<'_> {
        if path.root == "task" && !path.steps.is_empty() {
            descend(self.0.json(), &path.steps)
        } else {
            self.0.json().value(path)
        }
    }
}

/// In a queue's `TargetWorkers`: a worker's attributes, and what is known of it as `worker.sid` and so on.
#[derive(Debug, Clone, Copy)]
pub struct WorkerNames<'a> {
    /// Who.
    pub worker: &'a Worker,
    /// What it is doing.
    pub activity_name: &'a str,
    /// `sid`, `friendly_name`, `activity_sid` and `activity_name` want no prefix, as in the list of workers.
    pub bare: bool,
}

impl<'a> WorkerNames<'a> {
    fn known(&self, name: &str) -> Option<Value<'a>> {
        Some(Value::Text(match name {
            "sid" => Cow::Owned(self.worker.sid.to_string()),
            "friendly_name" => Cow::Borrowed(&*self.worker.friendly_name),
            "activity_sid" => Cow::Owned(self.worker.activity.to_string()),
            "activity_name" => Cow::Borrowed(self.activity_name),
            _ => return None,
        }))
    }

    /// What stands behind `worker.`.
    fn prefixed(&self, steps: &[Step]) -> Value<'a> {
        match steps {
            [] => Value::Object,
            [Step::Name(name), rest @ ..] => match self.known(name) {
                Some(value) if rest.is_empty() => value,
                Some(_) => Value::Null, // a path through a scalar
                None => descend(self.worker.attributes.json(), steps),
            },
            [Step::Index(_), ..] => Value::Null,
        }
    }
}

impl Names for WorkerNames<'_> {
    fn value(&self, path: &Path) -> Value<'_> {
        if path.root == "worker" {
            return self.prefixed(&path.steps);
        }
        match self.known(&path.root).filter(|_| self.bare) {
            Some(value) if path.steps.is_empty() => value,
            Some(_) => Value::Null,
            None => self.worker.attributes.json().value(path),
        }
    }
}

/// In a target: `task.<attribute>`, `worker.<attribute>` and what is known of the worker, its channels included.
#[derive(Debug, Clone, Copy)]
pub struct TargetNames<'a> {
    /// Attributes of the task; none in an order of workers.
    pub task: Option<&'a Attributes>,
    /// Who may get it.
    pub worker: WorkerNames<'a>,
    /// Every kind of work there is.
    pub channels: &'a BTreeMap<TaskChannelSid, TaskChannel>,
}

impl Names for TargetNames<'_> {
    fn value(&self, path: &Path) -> Value<'_> {
        match (&*path.root, &*path.steps) {
            ("task", steps) => self.task.map_or(Value::Null, |task| descend(task.json(), steps)),
            ("worker", [Step::Name(channel), rest @ ..]) if channel == "channel" => {
                let [Step::Name(name), Step::Name(figure)] = rest else { return Value::Null };
                let channel = self.channels.values().find(|channel| channel.unique_name == *name);
                let channel = channel.and_then(|channel| self.worker.worker.channels.get(&channel.sid));
                match (channel, figure.as_str()) {
                    (Some(channel), "configured_capacity") => channel.capacity.into(),
                    (Some(channel), "assigned_tasks") => channel.open.into(),
                    (Some(channel), "available_capacity_percentage") => channel.available_capacity_percentage().into(),
                    _ => Value::Null,
                }
            }
            ("worker", steps) => self.worker.prefixed(steps),
            _ => Value::Null,
        }
    }
}

/// In `skip_if`: how many workers match the target, by what they are doing.
#[derive(Debug, Clone, Default)]
pub struct WorkersNames {
    /// Whose activity is available.
    pub available: u32,
    /// Whose is not.
    pub unavailable: u32,
    /// One entry for every activity of the workspace.
    pub by_activity: BTreeMap<ActivitySid, u32>,
}

impl Names for WorkersNames {
    fn value(&self, path: &Path) -> Value<'_> {
        let ("workers", [Step::Name(name)]) = (&*path.root, &*path.steps) else { return Value::Null };
        match name.as_str() {
            "available" => self.available.into(),
            "unavailable" => self.unavailable.into(),
            sid => {
                let count = sid.parse().ok().and_then(|sid: ActivitySid| self.by_activity.get(&sid));
                count.map_or(Value::Null, |count| (*count).into())
            }
        }
    }
}
