//! How tasks stand, counted as they change.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map};

use model::{TaskChannelSid, TaskQueueSid, TaskSid, Timestamp, WorkflowSid};

use super::{RealTime, Scope, TasksByStatus};
use crate::{AssignmentStatus, Task};

/// What is counted of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    status: AssignmentStatus,
    channel: TaskChannelSid,
    queue: Option<TaskQueueSid>,
    workflow: Option<WorkflowSid>,
    /// What routes it, as it goes by that.
    goes_by: Option<(WorkflowSid, u32)>,
    priority: u32,
    created: Timestamp,
    entered: Option<Timestamp>,
    /// It has never been assigned.
    waits: bool,
}

impl Standing {
    /// `None`: it is over, which is not counted.
    fn of(task: &Task) -> Option<Self> {
        let waits =
            matches!(task.status, AssignmentStatus::Pending | AssignmentStatus::Reserved) && task.assigned.is_none();
        (!task.status.is_over()).then_some(Self {
            status: task.status,
            channel: task.channel,
            queue: task.queue,
            workflow: task.workflow,
            goes_by: task.routed_by().zip(task.step().map(|step| step.revision)),
            priority: task.priority,
            created: task.created,
            entered: task.queue_entered,
            waits,
        })
    }

    fn scopes(&self) -> impl Iterator<Item = Scope> + use<> {
        let (queue, workflow) = (self.queue.map(Scope::Queue), self.workflow.map(Scope::Workflow));
        [Some(Scope::Workspace), queue, workflow].into_iter().flatten()
    }
}

/// The tasks of one scope on one channel.
#[derive(Debug, Default)]
struct Tally {
    tasks: TasksByStatus,
    by_priority: BTreeMap<u32, u32>,
    /// Those that wait, the oldest first.
    waiting: BTreeSet<(Timestamp, TaskSid)>,
    /// Those that wait in a queue, the one first that came first.
    in_queue: BTreeSet<(Timestamp, TaskSid)>,
}

impl Tally {
    fn of_status(&mut self, status: AssignmentStatus) -> Option<&mut u32> {
        match status {
            AssignmentStatus::Pending => Some(&mut self.tasks.pending),
            AssignmentStatus::Reserved => Some(&mut self.tasks.reserved),
            AssignmentStatus::Assigned => Some(&mut self.tasks.assigned),
            AssignmentStatus::Wrapping => Some(&mut self.tasks.wrapping),
            AssignmentStatus::Completed | AssignmentStatus::Canceled => None,
        }
    }

    fn add(&mut self, task: TaskSid, standing: &Standing, scope: Scope) {
        if let Some(count) = self.of_status(standing.status) {
            *count += 1;
        }
        if standing.waits {
            *self.by_priority.entry(standing.priority).or_default() += 1;
            self.waiting.insert((standing.created, task));
            if let (Scope::Queue(_), Some(entered)) = (scope, standing.entered) {
                self.in_queue.insert((entered, task));
            }
        }
    }

    fn subtract(&mut self, task: TaskSid, standing: &Standing) {
        if let Some(count) = self.of_status(standing.status) {
            *count = count.saturating_sub(1);
        }
        if standing.waits {
            if let Entry::Occupied(mut count) = self.by_priority.entry(standing.priority) {
                *count.get_mut() = count.get().saturating_sub(1);
                if *count.get() == 0 {
                    count.remove();
                }
            }
            self.waiting.remove(&(standing.created, task));
            if let Some(entered) = standing.entered {
                self.in_queue.remove(&(entered, task));
            }
        }
    }
}

/// Every task, counted.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    standings: HashMap<TaskSid, Standing>,
    tallies: HashMap<Scope, BTreeMap<TaskChannelSid, Tally>>,
    /// How many go by each revision of a workflow.
    revisions: HashMap<(WorkflowSid, u32), u32>,
}

impl Standings {
    /// A task is so from now on; `None`: it is gone.
    pub(crate) fn count(&mut self, sid: TaskSid, task: Option<&Task>) {
        let (old, new) = (self.standings.get(&sid).copied(), task.and_then(Standing::of));
        if old == new {
            return;
        }
        let goes_by = |standing: Option<Standing>| standing.and_then(|standing| standing.goes_by);
        if let Some(revision) = goes_by(new) {
            *self.revisions.entry(revision).or_default() += 1;
        }
        if let Some(revision) = goes_by(old)
            && let hash_map::Entry::Occupied(mut count) = self.revisions.entry(revision)
        {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
        for (scope, standing) in old.iter().flat_map(|old| old.scopes().map(move |scope| (scope, old))) {
            let Some(channels) = self.tallies.get_mut(&scope) else { continue };
            if let Some(tally) = channels.get_mut(&standing.channel) {
                tally.subtract(sid, standing);
                if tally.tasks.total() == 0 {
                    channels.remove(&standing.channel);
                }
            }
            if channels.is_empty() {
                self.tallies.remove(&scope);
            }
        }
        for (scope, standing) in new.iter().flat_map(|new| new.scopes().map(move |scope| (scope, new))) {
            let tally = self.tallies.entry(scope).or_default().entry(standing.channel).or_default();
            tally.add(sid, standing, scope);
        }
        match new {
            Some(new) => self.standings.insert(sid, new),
            None => self.standings.remove(&sid),
        };
    }

    /// The tasks of a scope, on one channel or all.
    pub(crate) fn tasks(&self, now: Timestamp, scope: Scope, channel: Option<TaskChannelSid>) -> RealTime {
        let mut real_time = RealTime::default();
        let (mut oldest, mut first) = (None, None);
        let tallies = self.tallies.get(&scope).into_iter().flatten();
        for (_, tally) in tallies.filter(|(on, _)| channel.is_none_or(|channel| channel == **on)) {
            real_time.tasks.pending += tally.tasks.pending;
            real_time.tasks.reserved += tally.tasks.reserved;
            real_time.tasks.assigned += tally.tasks.assigned;
            real_time.tasks.wrapping += tally.tasks.wrapping;
            for (priority, count) in &tally.by_priority {
                *real_time.tasks_by_priority.entry(*priority).or_default() += count;
            }
            oldest = earlier(oldest, tally.waiting.first().copied());
            first = earlier(first, tally.in_queue.first().copied());
        }
        real_time.longest_waiting = oldest.map(|(since, task)| (task, now.since(since)));
        real_time.longest_in_queue = first.map(|(since, task)| (task, now.since(since)));
        real_time
    }

    /// Whether a queue has tasks that are not over, whatever their status.
    pub(crate) fn unassigned_in(&self, queue: TaskQueueSid) -> bool {
        let tallies = self.tallies.get(&Scope::Queue(queue)).into_iter().flatten();
        tallies.map(|(_, tally)| tally.tasks).any(|tasks| tasks.pending + tasks.reserved > 0)
    }

    /// Whether tasks that are not over go by that revision of a workflow.
    pub(crate) fn goes_by(&self, workflow: WorkflowSid, revision: u32) -> bool {
        self.revisions.contains_key(&(workflow, revision))
    }

    /// Whether a workflow has tasks that are not over.
    pub(crate) fn any_of(&self, workflow: WorkflowSid) -> bool {
        self.tallies.contains_key(&Scope::Workflow(workflow))
    }
}

fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}
