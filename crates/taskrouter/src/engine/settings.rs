//! Activities, workers, queues and workflows come, change and go (taskrouter §2 to §5).
//!
//! What concerns many workers or tasks is only noted here; `jobs` does it.

use std::collections::btree_map::Entry;
use std::collections::hash_map;

use model::TaskRouterEventType;

use super::*;
use crate::event::WorkerFacts;
use crate::worker::{CAPACITY_MAX, WorkerChannel};

impl Engine {
    pub(super) fn set_workspace(&mut self, now: Timestamp, workspace: Workspace) {
        let reordered = self.workspace.prioritize_queue_order != workspace.prioritize_queue_order;
        self.workspace = workspace;
        self.emit(Event::new(TaskRouterEventType::WorkspaceUpdated, now));
        if reordered {
            self.requeue(None);
        }
        self.equip_all();
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
            self.settling.push_back(Settling::Evaluate { activity: Some(sid), after: None });
        }
        Ok(())
    }

    pub(super) fn delete_activity(&mut self, now: Timestamp, sid: ActivitySid) -> Result<(), Refusal> {
        let of_workspace = [self.workspace.default_activity, self.workspace.timeout_activity];
        let is_done = self.doing.get(&sid).is_some_and(|workers| *workers > 0);
        if of_workspace.contains(&Some(sid)) || is_done {
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
        self.equip_all();
        Ok(())
    }

    pub(super) fn delete_channel(&mut self, now: Timestamp, sid: TaskChannelSid) -> Result<(), Refusal> {
        // A task that was moved from it may still be reserved on it.
        if self.on_channel.contains_key(&sid) {
            return Err(Refusal::InUse(sid.to_string()));
        }
        self.channels.remove(&sid).ok_or_else(|| not_found(sid))?;
        self.emit(Event { channel: Some(sid), ..Event::new(TaskRouterEventType::TaskChannelDeleted, now) });
        self.equip_all();
        Ok(())
    }

    /// A task or an open reservation has come to a channel.
    pub(super) fn come_to_channel(&mut self, channel: TaskChannelSid) {
        *self.on_channel.entry(channel).or_default() += 1;
    }

    /// It is gone from there.
    pub(super) fn go_from_channel(&mut self, channel: TaskChannelSid) {
        if let Entry::Occupied(mut count) = self.on_channel.entry(channel) {
            *count.get_mut() = count.get().saturating_sub(1);
            if *count.get() == 0 {
                count.remove();
            }
        }
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
        self.claimed(sid);
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
        let (mut told, mut renamed) = (false, false);
        if let Some(name) = change.friendly_name.filter(|name| *name != worker.friendly_name) {
            if self.worker_names.get(&name.to_lowercase()).is_some_and(|other| *other != sid) {
                return Err(Refusal::InUse(name));
            }
            self.worker_names.remove(&worker.friendly_name.to_lowercase());
            self.worker_names.insert(name.to_lowercase(), sid);
            worker.friendly_name = name;
            (told, renamed) = (true, true);
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
            self.claimed(sid);
            self.give_up_claims(sid);
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

    /// A worker does something else from now on.
    pub(super) fn move_worker(&mut self, now: Timestamp, sid: WorkerSid, activity: ActivitySid) {
        let Some(is_available) = self.activities.get(&activity).map(|activity| activity.available) else { return };
        let Some(worker) = self.workers.get(&sid).filter(|worker| worker.activity != activity) else { return };
        let (previous, since, was_available) = (worker.activity, worker.status_changed, self.is_available(worker));
        for queue in self.queues_of.get(&sid).into_iter().flatten() {
            // It may be gone, and not all who belonged to it know.
            if let Some(staff) = self.staff.get_mut(queue) {
                count_down(staff, previous);
                *staff.entry(activity).or_default() += 1;
            }
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
        self.equip(now, sid);
        // One task at a time leaves no more room on any channel (§3).
        let capacity = capacity.map(|capacity| if self.workspace.multi_task { capacity } else { capacity.min(1) });
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
            self.changed_channels.insert((sid, channel));
        }
        for (kind, previous_capacity) in told {
            if let Some(worker) = self.workers.get_mut(&sid) {
                worker.version += 1; // whoever hears of both counts two
            }
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
        self.unsettled.remove(&sid);
        self.give_up_claims(sid);
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
            self.requeue(Some(sid));
        }
        if evaluate {
            self.settling.retain(|job| !matches!(job, Settling::Membership { queue, .. } if *queue == sid));
            self.settling.push_back(Settling::Membership { queue: sid, after: None });
        }
        Ok(())
    }

    pub(super) fn delete_queue(&mut self, now: Timestamp, sid: TaskQueueSid) -> Result<(), Refusal> {
        if self.named.contains_key(&sid) || self.standings.unassigned_in(sid) {
            return Err(Refusal::InUse(sid.to_string()));
        }
        let queue = self.queues.remove(&sid).ok_or_else(|| not_found(sid))?;
        self.settling.retain(|job| !matches!(job, Settling::Membership { queue, .. } if *queue == sid));
        let members = self.members.remove(&sid).unwrap_or_default();
        self.settling.push_back(Settling::Disband { queue: sid, members });
        self.staff.remove(&sid);
        self.free.close(sid);
        self.emit(Event { queue: Some(queue), ..Event::new(TaskRouterEventType::TaskQueueDeleted, now) });
        Ok(())
    }

    pub(super) fn put_workflow(&mut self, now: Timestamp, mut workflow: Workflow, anew: bool) -> Result<(), Refusal> {
        let sid = workflow.sid;
        if let Some(queue) = workflow.queues().find(|queue| !self.queues.contains_key(queue)) {
            return Err(not_found(queue));
        }
        let old = self.workflows.get(&sid).cloned();
        let is_new = old.is_none();
        if is_new && self.workflows.len() >= WORKFLOWS_MAX {
            return Err(Refusal::Full(WORKFLOWS_MAX));
        }
        if let Some(old) = &old {
            let differs = (&old.filters, &old.default_filter) != (&workflow.filters, &workflow.default_filter);
            workflow.revision = old.revision + u32::from(differs || anew);
            if workflow.revision != old.revision {
                self.former.insert((sid, old.revision), Arc::clone(old));
            }
            let spared = self.spare_former(sid).max(old.anew_from);
            workflow.anew_from = if anew { workflow.revision } else { spared };
        }
        let begins_anew = old.as_ref().is_some_and(|old| old.anew_from != workflow.anew_from);
        let now_named: BTreeSet<TaskQueueSid> = workflow.queues().collect();
        self.workflows.insert(sid, Arc::new(workflow));
        self.name_queues(now_named, old.as_deref());
        let kind = if is_new { TaskRouterEventType::WorkflowCreated } else { TaskRouterEventType::WorkflowUpdated };
        self.emit(Event { workflow: self.workflows.get(&sid).cloned(), ..Event::new(kind, now) });
        if begins_anew {
            self.jobs.retain(|job| !matches!(job, Job::ReEvaluate { workflow, .. } if *workflow == sid));
            self.jobs.push_back(Job::ReEvaluate { workflow: sid, after: None });
        }
        Ok(())
    }

    /// Forgets what a workflow did that no task goes by any more, and, of the rest, what is too much: the revision from
    /// which on all is kept.
    fn spare_former(&mut self, sid: WorkflowSid) -> u32 {
        let all = self.former.range((sid, 0)..=(sid, u32::MAX)).map(|((_, revision), _)| *revision);
        let (kept, unused): (Vec<u32>, Vec<u32>) = all.partition(|revision| self.standings.goes_by(sid, *revision));
        let too_many = &kept[..kept.len().saturating_sub(FORMER_MAX)];
        for revision in unused.iter().chain(too_many) {
            self.former.remove(&(sid, *revision));
        }
        too_many.last().map_or(0, |revision| revision + 1)
    }

    pub(super) fn delete_workflow(&mut self, now: Timestamp, sid: WorkflowSid) -> Result<(), Refusal> {
        if self.standings.any_of(sid) {
            return Err(Refusal::InUse(sid.to_string()));
        }
        let workflow = self.workflows.remove(&sid).ok_or_else(|| not_found(sid))?;
        self.jobs.retain(|job| !matches!(job, Job::ReEvaluate { workflow, .. } if *workflow == sid));
        self.former.retain(|(of, _), _| *of != sid);
        self.name_queues(BTreeSet::new(), Some(&workflow));
        self.emit(Event { workflow: Some(workflow), ..Event::new(TaskRouterEventType::WorkflowDeleted, now) });
        Ok(())
    }

    /// A workflow names these queues from now on, and not those of the `old` one any more.
    pub(super) fn name_queues(&mut self, now: BTreeSet<TaskQueueSid>, old: Option<&Workflow>) {
        for queue in now {
            *self.named.entry(queue).or_default() += 1;
        }
        for queue in old.into_iter().flat_map(Workflow::queues).collect::<BTreeSet<_>>() {
            if let hash_map::Entry::Occupied(mut count) = self.named.entry(queue) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }

    pub(super) fn about_worker(&self, now: Timestamp, kind: TaskRouterEventType, sid: WorkerSid) -> Event {
        Event { worker: self.workers.get(&sid).map(WorkerFacts::from), ..Event::new(kind, now) }
    }

    fn tell_worker(&mut self, now: Timestamp, kind: TaskRouterEventType, sid: WorkerSid) {
        let event = self.about_worker(now, kind, sid);
        self.emit(event);
    }
}

pub(super) fn count_down(staff: &mut BTreeMap<ActivitySid, u32>, activity: ActivitySid) {
    if let Some(count) = staff.get_mut(&activity) {
        *count = count.saturating_sub(1);
    }
}
