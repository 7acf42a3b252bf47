//! Activities, workers, queues and workflows come, change and go (taskrouter §2 to §5).

use std::ops::Bound::{Excluded, Unbounded};

use model::TaskRouterEventType;

use super::*;
use crate::event::WorkerFacts;
use crate::worker::{CAPACITY_MAX, WorkerChannel};
use crate::{Expression, WorkerNames};

impl Engine {
    pub(super) fn set_workspace(&mut self, now: Timestamp, workspace: Workspace) {
        let reordered = self.workspace.prioritize_queue_order != workspace.prioritize_queue_order;
        self.workspace = workspace;
        self.emit(Event::new(TaskRouterEventType::WorkspaceUpdated, now));
        if reordered {
            self.requeue(|_| true);
        }
        self.refresh_all();
    }

    pub(super) fn put_activity(&mut self, now: Timestamp, activity: Activity) -> Result<(), Refusal> {
        let kind = match self.activities.get(&activity.sid) {
            Some(old) if old.available != activity.available => return Err(Refusal::Invalid("Available")),
            Some(_) => TaskRouterEventType::ActivityUpdated,
            None if self.activities.len() >= ACTIVITIES_MAX => return Err(Refusal::Full(ACTIVITIES_MAX)),
            None => TaskRouterEventType::ActivityCreated,
        };
        let sid = activity.sid;
        self.activities.insert(sid, activity);
        self.emit(Event { activity: Some(sid), ..Event::new(kind, now) });
        if kind == TaskRouterEventType::ActivityUpdated {
            // Its name is one that expressions may ask for.
            let workers: Vec<_> = self.workers.values().filter(|w| w.activity == sid).map(|w| w.sid).collect();
            workers.into_iter().for_each(|worker| self.evaluate_worker(worker));
        }
        Ok(())
    }

    pub(super) fn delete_activity(&mut self, now: Timestamp, sid: ActivitySid) -> Result<(), Refusal> {
        let of_workspace = [self.workspace.default_activity, self.workspace.timeout_activity];
        let in_use = of_workspace.contains(&Some(sid)) || self.workers.values().any(|w| w.activity == sid);
        if in_use {
            return Err(Refusal::InUse(sid.to_string()));
        }
        self.activities.remove(&sid).ok_or_else(|| not_found(sid))?;
        self.doing.remove(&sid);
        self.emit(Event { activity: Some(sid), ..Event::new(TaskRouterEventType::ActivityDeleted, now) });
        Ok(())
    }

    pub(super) fn put_channel(&mut self, now: Timestamp, channel: TaskChannel) -> Result<(), Refusal> {
        let sid = channel.sid;
        let is_new = !self.channels.contains_key(&sid);
        if is_new && self.channels.len() >= CHANNELS_MAX {
            return Err(Refusal::Full(CHANNELS_MAX));
        }
        self.channels.insert(sid, channel);
        let kind =
            if is_new { TaskRouterEventType::TaskChannelCreated } else { TaskRouterEventType::TaskChannelUpdated };
        self.emit(Event { channel: Some(sid), ..Event::new(kind, now) });
        if is_new {
            let workers: Vec<WorkerSid> = self.workers.keys().copied().collect();
            for worker in workers {
                if let Some(row) = self.workers.get_mut(&worker) {
                    row.channels.insert(sid, WorkerChannel::new(now));
                    self.changed_channels.insert((worker, sid));
                }
            }
        }
        self.refresh_all();
        Ok(())
    }

    pub(super) fn delete_channel(&mut self, now: Timestamp, sid: TaskChannelSid) -> Result<(), Refusal> {
        // A task that was moved from it may still be reserved on it.
        let in_use = self.tasks.values().any(|task| task.channel == sid)
            || self.workers.values().any(|worker| worker.channels.get(&sid).is_some_and(|on| on.open > 0));
        if in_use {
            return Err(Refusal::InUse(sid.to_string()));
        }
        self.channels.remove(&sid).ok_or_else(|| not_found(sid))?;
        self.emit(Event { channel: Some(sid), ..Event::new(TaskRouterEventType::TaskChannelDeleted, now) });
        let workers: Vec<WorkerSid> = self.workers.keys().copied().collect();
        for worker in workers {
            if let Some(row) = self.workers.get_mut(&worker)
                && row.channels.remove(&sid).is_some()
            {
                self.changed_channels.insert((worker, sid));
            }
        }
        self.refresh_all();
        Ok(())
    }

    pub(super) fn create_worker(&mut self, now: Timestamp, new: NewWorker) -> Result<(), Refusal> {
        if self.workers.len() >= WORKERS_MAX {
            return Err(Refusal::Full(WORKERS_MAX));
        }
        if self.workers.contains_key(&new.sid) {
            return Err(Refusal::InUse(new.sid.to_string()));
        }
        if self.worker_names.contains_key(&new.friendly_name.to_lowercase()) {
            return Err(Refusal::InUse(new.friendly_name));
        }
        self.may_do(None, new.activity)?;
        let worker = Worker {
            sid: new.sid,
            friendly_name: new.friendly_name,
            attributes: new.attributes,
            activity: new.activity,
            status_changed: now,
            channels: self.channels.keys().map(|channel| (*channel, WorkerChannel::new(now))).collect(),
            open: BTreeSet::new(),
            idle_since: now,
            last_reserved: None,
            version: 0,
        };
        let sid = worker.sid;
        self.changed_channels.extend(worker.channels.keys().map(|channel| (sid, *channel)));
        self.worker_names.insert(worker.friendly_name.to_lowercase(), sid);
        *self.doing.entry(worker.activity).or_default() += 1;
        self.workers.insert(sid, worker);
        self.tell_worker(now, TaskRouterEventType::WorkerCreated, sid);
        self.evaluate_worker(sid);
        self.requeue_unclaimed();
        Ok(())
    }

    pub(super) fn update_worker(
        &mut self,
        now: Timestamp,
        sid: WorkerSid,
        change: WorkerChange,
    ) -> Result<(), Refusal> {
        if let Some(activity) = change.activity {
            self.may_do(Some(sid), activity)?;
        }
        let worker = self.workers.get_mut(&sid).ok_or_else(|| not_found(sid))?;
        let (mut told, renamed) = (false, change.friendly_name.is_some());
        if let Some(name) = change.friendly_name.filter(|name| *name != worker.friendly_name) {
            if self.worker_names.get(&name.to_lowercase()).is_some_and(|other| *other != sid) {
                return Err(Refusal::InUse(name));
            }
            self.worker_names.remove(&worker.friendly_name.to_lowercase());
            self.worker_names.insert(name.to_lowercase(), sid);
            worker.friendly_name = name;
            told = true;
        }
        if let Some(attributes) = change.attributes {
            worker.attributes = attributes;
            told = true;
        }
        if told {
            worker.version += 1;
            self.tell_worker(now, TaskRouterEventType::WorkerAttributesUpdate, sid);
        }
        if let Some(activity) = change.activity {
            self.move_worker(now, sid, activity);
            let worker = self.workers.get(&sid).filter(|worker| !self.is_available(worker));
            if let Some(worker) = worker.filter(|_| change.reject_pending_reservations) {
                for reservation in worker.open.clone() {
                    if self.reservations.get(&reservation).is_some_and(|r| r.status == ReservationStatus::Pending) {
                        self.reject(now, reservation, None)?;
                    }
                }
            }
        }
        self.evaluate_worker(sid);
        if renamed {
            self.requeue_unclaimed();
        }
        Ok(())
    }

    /// Whether a worker, or a new one, may do that from now on: not too many may be other than offline.
    pub(super) fn may_do(&self, worker: Option<WorkerSid>, activity: ActivitySid) -> Result<(), Refusal> {
        if !self.activities.contains_key(&activity) {
            return Err(not_found(activity));
        }
        let now = worker.and_then(|worker| self.workers.get(&worker)).map(|worker| worker.activity);
        if self.is_offline(activity) || now.is_some_and(|now| !self.is_offline(now)) {
            return Ok(());
        }
        let others = self.doing.iter().filter(|(activity, _)| !self.is_offline(**activity));
        let concurrent: u32 = others.map(|(_, count)| count).sum();
        if concurrent as usize >= CONCURRENT_MAX { Err(Refusal::Concurrent(CONCURRENT_MAX)) } else { Ok(()) }
    }

    /// What the workspace puts workers into of whom nothing is known, unless tasks are offered there.
    fn is_offline(&self, activity: ActivitySid) -> bool {
        let of_workspace = [self.workspace.default_activity, self.workspace.timeout_activity];
        of_workspace.contains(&Some(activity)) && self.activities.get(&activity).is_some_and(|row| !row.available)
    }

    /// Tasks that ask for a worker there was not: perhaps there is now.
    fn requeue_unclaimed(&mut self) {
        std::mem::take(&mut self.unclaimed).into_iter().for_each(|task| self.queue_up(task));
    }

    /// A worker does something else from now on.
    pub(super) fn move_worker(&mut self, now: Timestamp, sid: WorkerSid, activity: ActivitySid) {
        let Some(is_available) = self.activities.get(&activity).map(|activity| activity.available) else { return };
        let Some(worker) = self.workers.get(&sid).filter(|worker| worker.activity != activity) else { return };
        let (previous, since, was_available) = (worker.activity, worker.status_changed, self.is_available(worker));
        for queue in self.queues_of.get(&sid).into_iter().flatten() {
            let staff = self.staff.entry(*queue).or_default();
            count_down(staff, previous);
            *staff.entry(activity).or_default() += 1;
        }
        count_down(&mut self.doing, previous);
        *self.doing.entry(activity).or_default() += 1;
        let Some(worker) = self.workers.get_mut(&sid) else { return };
        worker.activity = activity;
        worker.status_changed = now;
        worker.version += 1;
        if is_available && !was_available {
            worker.idle_since = now;
            worker.channels.values_mut().for_each(|channel| channel.idle_since = now);
            self.changed_channels.extend(worker.channels.keys().map(|channel| (sid, *channel)));
        }
        let event = Event {
            activity: Some(previous),
            activity_since: Some(since),
            ..self.about_worker(now, TaskRouterEventType::WorkerActivityUpdate, sid)
        };
        self.emit(event);
        self.evaluate_worker(sid);
    }

    pub(super) fn update_worker_channel(
        &mut self,
        now: Timestamp,
        sid: WorkerSid,
        channel: TaskChannelSid,
        capacity: Option<u32>,
        available: Option<bool>,
    ) -> Result<(), Refusal> {
        if capacity.is_some_and(|capacity| capacity > CAPACITY_MAX) {
            return Err(Refusal::Invalid("Capacity"));
        }
        let worker = self.workers.get_mut(&sid).ok_or_else(|| not_found(sid))?;
        let on = worker.channels.get_mut(&channel).ok_or_else(|| not_found(channel))?;
        let mut told = Vec::new();
        if let Some(capacity) = capacity.filter(|capacity| *capacity != on.capacity) {
            told.push((TaskRouterEventType::WorkerCapacityUpdate, Some(on.capacity)));
            on.capacity = capacity;
        }
        if let Some(available) = available.filter(|available| *available != on.available) {
            told.push((TaskRouterEventType::WorkerChannelAvailabilityUpdate, None));
            on.available = available;
        }
        let as_it_is = Some(on.clone());
        if !told.is_empty() {
            worker.version += told.len() as u32; // whoever hears of both counts two
            self.changed_channels.insert((sid, channel));
        }
        for (kind, previous_capacity) in told {
            let (channel, worker_channel) = (Some(channel), as_it_is.clone());
            let event = Event { channel, worker_channel, previous_capacity, ..self.about_worker(now, kind, sid) };
            self.emit(event);
        }
        self.refresh_worker(sid);
        Ok(())
    }

    pub(super) fn delete_worker(&mut self, now: Timestamp, sid: WorkerSid) -> Result<(), Refusal> {
        let worker = self.workers.get(&sid).ok_or_else(|| not_found(sid))?;
        if !worker.open.is_empty() {
            return Err(Refusal::InUse(sid.to_string()));
        }
        self.tell_worker(now, TaskRouterEventType::WorkerDeleted, sid);
        self.free.remove(sid);
        for queue in self.queues_of.get(&sid).cloned().unwrap_or_default() {
            self.set_member(queue, sid, false);
        }
        self.queues_of.remove(&sid);
        if let Some(worker) = self.workers.remove(&sid) {
            count_down(&mut self.doing, worker.activity);
            self.changed_channels.extend(worker.channels.keys().map(|channel| (sid, *channel)));
            self.worker_names.remove(&worker.friendly_name.to_lowercase());
        }
        Ok(())
    }

    pub(super) fn put_queue(&mut self, now: Timestamp, queue: TaskQueue) -> Result<(), Refusal> {
        let sid = queue.sid;
        let old = self.queues.get(&sid);
        if old.is_none() && self.queues.len() >= QUEUES_MAX {
            return Err(Refusal::Full(QUEUES_MAX));
        }
        let reordered = old.is_some_and(|old| old.task_order != queue.task_order);
        let (kind, evaluate) = match old {
            None => (Some(TaskRouterEventType::TaskQueueCreated), true),
            Some(old) if old.target_workers != queue.target_workers => {
                (Some(TaskRouterEventType::TaskQueueExpressionUpdated), true)
            }
            Some(_) => (None, false),
        };
        self.queues.insert(sid, Arc::new(queue));
        if let Some(kind) = kind {
            self.emit(Event { queue: self.queues.get(&sid).cloned(), ..Event::new(kind, now) });
        }
        if reordered {
            self.requeue(|task| task.queue == Some(sid));
        }
        if evaluate {
            self.jobs.retain(|job| !matches!(job, Job::Membership { queue, .. } if *queue == sid));
            // Before all that is decided by it.
            let first = usize::from(matches!(self.jobs.front(), Some(Job::Evaluate { .. })));
            self.jobs.insert(first, Job::Membership { queue: sid, after: None });
        }
        Ok(())
    }

    pub(super) fn delete_queue(&mut self, now: Timestamp, sid: TaskQueueSid) -> Result<(), Refusal> {
        let named = self.workflows.values().any(|workflow| workflow.queues().any(|queue| queue == sid));
        if named || self.standings.unassigned_in(sid) {
            return Err(Refusal::InUse(sid.to_string()));
        }
        let queue = self.queues.remove(&sid).ok_or_else(|| not_found(sid))?;
        self.jobs.retain(|job| !matches!(job, Job::Membership { queue, .. } if *queue == sid));
        for worker in self.members.remove(&sid).unwrap_or_default() {
            if let Some(queues) = self.queues_of.get_mut(&worker) {
                queues.remove(&sid);
            }
        }
        self.staff.remove(&sid);
        self.free.close(sid);
        self.emit(Event { queue: Some(queue), ..Event::new(TaskRouterEventType::TaskQueueDeleted, now) });
        Ok(())
    }

    pub(super) fn put_workflow(&mut self, now: Timestamp, workflow: Workflow, anew: bool) -> Result<(), Refusal> {
        let sid = workflow.sid;
        if let Some(queue) = workflow.queues().find(|queue| !self.queues.contains_key(queue)) {
            return Err(not_found(queue));
        }
        let old = self.workflows.get(&sid);
        let is_new = old.is_none();
        let as_before =
            |old: &Arc<Workflow>| (&old.filters, &old.default_filter) == (&workflow.filters, &workflow.default_filter);
        let is_moot = !anew && old.is_none_or(as_before);
        if is_new && self.workflows.len() >= WORKFLOWS_MAX {
            return Err(Refusal::Full(WORKFLOWS_MAX));
        }
        self.workflows.insert(sid, Arc::new(workflow));
        let kind = if is_new { TaskRouterEventType::WorkflowCreated } else { TaskRouterEventType::WorkflowUpdated };
        self.emit(Event { workflow: self.workflows.get(&sid).cloned(), ..Event::new(kind, now) });
        if !is_moot && !is_new {
            // Who begins anew need not be brought in line before.
            let done_with = |job: &Job| matches!(job, Job::ReEvaluate { workflow, anew: old, .. } if *workflow == sid && *old <= anew);
            self.jobs.retain(|job| !done_with(job));
            self.ahead.retain(|(workflow, _)| *workflow != sid);
            self.jobs.push_back(Job::ReEvaluate { workflow: sid, anew, after: None });
        }
        Ok(())
    }

    pub(super) fn delete_workflow(&mut self, now: Timestamp, sid: WorkflowSid) -> Result<(), Refusal> {
        if self.standings.any_of(sid) {
            return Err(Refusal::InUse(sid.to_string()));
        }
        let workflow = self.workflows.remove(&sid).ok_or_else(|| not_found(sid))?;
        self.jobs.retain(|job| !matches!(job, Job::ReEvaluate { workflow, .. } if *workflow == sid));
        self.ahead.retain(|(workflow, _)| *workflow != sid);
        self.emit(Event { workflow: Some(workflow), ..Event::new(TaskRouterEventType::WorkflowDeleted, now) });
        Ok(())
    }

    /// A piece of what was put off; how much that was.
    pub(super) fn work_job(&mut self, now: Timestamp, budget: usize) -> usize {
        let Some(job) = self.jobs.pop_front() else { return 0 };
        match job {
            Job::Fold { after } => match self.ledger.fold(now, after) {
                Some((series, spent)) => {
                    self.jobs.push_front(Job::Fold { after: Some(series) });
                    spent
                }
                None => 1,
            },
            Job::Evaluate { after } => {
                let from = after.map_or(Unbounded, Excluded);
                let Some(worker) = self.workers.range((from, Unbounded)).next().map(|(sid, _)| *sid) else { return 1 };
                self.evaluate_worker(worker);
                self.jobs.push_front(Job::Evaluate { after: Some(worker) });
                self.queues.len()
            }
            Job::Membership { queue, after } => {
                let from = after.map_or(Unbounded, Excluded);
                let batch: Vec<WorkerSid> =
                    self.workers.range((from, Unbounded)).take(budget).map(|(sid, _)| *sid).collect();
                let Some(config) = self.queues.get(&queue).cloned() else { return 1 };
                for worker in &batch {
                    let belongs = self.belongs(*worker, config.target_workers.as_ref());
                    if self.set_member(queue, *worker, belongs) {
                        self.refresh_worker(*worker);
                    }
                }
                if batch.len() == budget {
                    self.jobs.push_front(Job::Membership { queue, after: batch.last().copied() });
                }
                batch.len()
            }
            Job::ReEvaluate { workflow, anew, mut after } => {
                let mut spent = 0;
                while spent < budget {
                    let from = after.map_or(Unbounded, Excluded);
                    let Some(task) = self.tasks.range((from, Unbounded)).next().map(|(sid, _)| *sid) else {
                        self.ahead.retain(|(of, _)| *of != workflow);
                        return spent;
                    };
                    after = Some(task);
                    let is_ahead = self.ahead.remove(&(workflow, task));
                    spent += if is_ahead { 1 } else { self.re_evaluate(now, task, workflow, anew) };
                }
                self.jobs.push_front(Job::ReEvaluate { workflow, anew, after });
                spent
            }
        }
    }

    fn belongs(&self, worker: WorkerSid, expression: Option<&Expression>) -> bool {
        let (Some(worker), Some(expression)) = (self.workers.get(&worker), expression) else { return false };
        expression.is_true(&self.worker_names(worker))
    }

    pub(super) fn worker_names<'a>(&'a self, worker: &'a Worker) -> WorkerNames<'a> {
        let activity = self.activities.get(&worker.activity);
        WorkerNames { worker, activity_name: activity.map_or("", |activity| &activity.friendly_name), bare: false }
    }

    /// Which queues a worker belongs to, after something about it has changed.
    pub(super) fn evaluate_worker(&mut self, sid: WorkerSid) {
        let queues: Vec<Arc<TaskQueue>> = self.queues.values().cloned().collect();
        for queue in queues {
            let belongs = self.belongs(sid, queue.target_workers.as_ref());
            self.set_member(queue.sid, sid, belongs);
        }
        self.refresh_worker(sid);
    }

    /// True: that is a change.
    fn set_member(&mut self, queue: TaskQueueSid, worker: WorkerSid, belongs: bool) -> bool {
        let members = self.members.entry(queue).or_default();
        let changed = if belongs { members.insert(worker) } else { members.remove(&worker) };
        if changed {
            let queues = self.queues_of.entry(worker).or_default();
            if belongs {
                queues.insert(queue)
            } else {
                queues.remove(&queue)
            };
            if let Some(activity) = self.workers.get(&worker).map(|worker| worker.activity) {
                let staff = self.staff.entry(queue).or_default();
                if belongs { *staff.entry(activity).or_default() += 1 } else { count_down(staff, activity) }
            }
        }
        changed
    }

    fn refresh_all(&mut self) {
        let workers: Vec<WorkerSid> = self.workers.keys().copied().collect();
        workers.into_iter().for_each(|worker| self.refresh_worker(worker));
    }

    pub(super) fn about_worker(&self, now: Timestamp, kind: TaskRouterEventType, sid: WorkerSid) -> Event {
        Event { worker: self.workers.get(&sid).map(WorkerFacts::from), ..Event::new(kind, now) }
    }

    fn tell_worker(&mut self, now: Timestamp, kind: TaskRouterEventType, sid: WorkerSid) {
        let event = self.about_worker(now, kind, sid);
        self.emit(event);
    }
}

fn count_down(staff: &mut BTreeMap<ActivitySid, u32>, activity: ActivitySid) {
    if let Some(count) = staff.get_mut(&activity) {
        *count = count.saturating_sub(1);
    }
}
