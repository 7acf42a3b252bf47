//! What concerns many at once, done piece by piece: an event only notes it, and no piece looks at more than its budget.
//!
//! *Settling* comes before everything else, since it says who belongs where: timers and matching decide by that. *Jobs* take
//! turns with matching, which sees to it that what it meets is in line already ([`Engine::behind`]).

use std::ops::Bound::{Excluded, Unbounded};

use super::*;
use crate::statistics::Series;
use crate::worker::WorkerChannel;
use crate::{Expression, WorkerNames};

/// Work that is done before anything is decided by it.
#[derive(Debug)]
pub(super) enum Settling {
    /// Has the workers after this one, or of them those who do that, looked at for which queues they belong to.
    Evaluate { activity: Option<ActivitySid>, after: Option<WorkerSid> },
    /// Looks at the workers after this one for whether they belong to a queue.
    Membership { queue: TaskQueueSid, after: Option<WorkerSid> },
    /// Takes a queue that is gone from those who belonged to it.
    Disband { queue: TaskQueueSid, members: BTreeSet<WorkerSid> },
    /// Gives the workers after this one the channels there are, and a place by what holds for the workspace.
    Equip { after: Option<WorkerSid> },
    /// Puts the waiting tasks after this one, or of them those of a queue, where they stand now.
    Requeue { queue: Option<TaskQueueSid>, after: Option<TaskSid> },
    /// The worker that these tasks ask for is there.
    Claimed(BTreeSet<TaskSid>),
}

/// Work that takes turns with matching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// Has the tasks after this one begin anew that are to.
    ReEvaluate { workflow: WorkflowSid, after: Option<TaskSid> },
    /// Has the tasks after this one look for whom they name, if that was this worker.
    GiveUp { worker: WorkerSid, after: Option<TaskSid> },
    /// Makes hours of the minutes of statistics that are old, after this series.
    Fold { after: Option<Series> },
}

impl Engine {
    pub(super) fn is_settling(&self) -> bool {
        !self.unsettled.is_empty() || !self.settling.is_empty()
    }

    /// A piece of what is to be settled. False: nothing is.
    pub(super) fn settle_some(&mut self, now: Timestamp, budget: usize) -> bool {
        if let Some((worker, after)) = self.unsettled.pop_first() {
            self.evaluate_piece(worker, after, budget);
            return true;
        }
        let Some(job) = self.settling.pop_front() else { return false };
        if let Some(rest) = self.settle_piece(now, job, budget) {
            self.settling.push_front(rest);
        }
        true
    }

    /// What is left of it.
    fn settle_piece(&mut self, now: Timestamp, mut job: Settling, budget: usize) -> Option<Settling> {
        let until = self.steps.get() + budget as u64;
        while self.steps.get() < until {
            self.spend(1);
            match &mut job {
                Settling::Evaluate { activity, after } => {
                    let (worker, row) = next(&self.workers, after)?;
                    if activity.is_none_or(|activity| activity == row.activity) {
                        self.unsettled.insert(worker, None);
                    }
                }
                Settling::Membership { queue, after } => {
                    let (worker, _) = next(&self.workers, after)?;
                    let config = self.queues.get(queue)?;
                    let belongs = self.belongs(worker, config.target_workers.as_ref());
                    if self.set_member(*queue, worker, belongs) {
                        self.refresh_worker(worker);
                    }
                }
                Settling::Disband { queue, members } => {
                    let worker = members.pop_first()?;
                    if let Some(queues) = self.queues_of.get_mut(&worker) {
                        queues.remove(queue);
                    }
                }
                Settling::Equip { after } => {
                    let (worker, _) = next(&self.workers, after)?;
                    self.equip(now, worker);
                    self.refresh_worker(worker);
                }
                Settling::Requeue { queue, after } => {
                    let (task, row) = next(&self.tasks, after)?;
                    if queue.is_none() || row.queue == *queue {
                        self.queue_up(task);
                    }
                }
                Settling::Claimed(tasks) => {
                    let task = tasks.pop_first()?;
                    self.queue_up(task);
                }
            }
        }
        Some(job)
    }

    /// A piece of a long job.
    pub(super) fn work_job(&mut self, now: Timestamp, budget: usize) {
        let Some(job) = self.jobs.pop_front() else { return };
        let until = self.steps.get() + budget as u64;
        match job {
            Job::Fold { after } => {
                if let Some((series, spent)) = self.ledger.fold(now, after) {
                    self.spend(spent);
                    self.jobs.push_front(Job::Fold { after: Some(series) });
                }
            }
            Job::GiveUp { worker, mut after } => {
                while self.steps.get() < until {
                    self.spend(1);
                    let Some((task, _)) = next(&self.tasks, &mut after) else { return };
                    if self.waiting.is_for(task, worker) {
                        self.queue_up(task);
                    }
                }
                self.jobs.push_front(Job::GiveUp { worker, after });
            }
            Job::ReEvaluate { workflow, mut after } => {
                while self.steps.get() < until {
                    let Some((task, _)) = next(&self.tasks, &mut after) else { return };
                    self.re_evaluate(now, task, workflow);
                }
                self.jobs.push_front(Job::ReEvaluate { workflow, after });
            }
        }
    }

    /// Where tasks stand is no longer so: of one queue, or all.
    pub(super) fn requeue(&mut self, queue: Option<TaskQueueSid>) {
        self.settling.retain(|job| !matches!(job, Settling::Requeue { queue: other, .. } if *other == queue));
        self.settling.push_back(Settling::Requeue { queue, after: None });
    }

    /// What workers have of each channel, or where they stand by it, is no longer so.
    pub(super) fn equip_all(&mut self) {
        self.settling.retain(|job| !matches!(job, Settling::Equip { .. }));
        self.settling.push_back(Settling::Equip { after: None });
    }

    /// A worker has every channel there is, and no other.
    pub(super) fn equip(&mut self, now: Timestamp, sid: WorkerSid) {
        let Some(worker) = self.workers.get(&sid) else { return };
        if worker.channels.keys().eq(self.channels.keys()) {
            return;
        }
        let gone: Vec<_> = worker.channels.keys().filter(|on| !self.channels.contains_key(on)).copied().collect();
        let new: Vec<_> = self.channels.keys().filter(|on| !worker.channels.contains_key(on)).copied().collect();
        self.changed_channels.extend(gone.iter().chain(&new).map(|channel| (sid, *channel)));
        let Some(worker) = self.workers.get_mut(&sid) else { return };
        worker.channels.retain(|channel, _| !gone.contains(channel));
        worker.channels.extend(new.into_iter().map(|channel| (channel, WorkerChannel::new(now))));
    }

    /// Which queues a worker belongs to is to be seen, after something about it has changed.
    pub(super) fn evaluate_worker(&mut self, sid: WorkerSid) {
        self.unsettled.insert(sid, None);
    }

    /// Looks at some of the queues, and puts the worker where it stands when it has been seen which it belongs to.
    fn evaluate_piece(&mut self, sid: WorkerSid, after: Option<TaskQueueSid>, budget: usize) {
        let from = after.map_or(Unbounded, Excluded);
        let most = budget * EVALUATED_FOR_ONE;
        let batch: Vec<Arc<TaskQueue>> =
            self.queues.range((from, Unbounded)).take(most).map(|(_, queue)| queue.clone()).collect();
        self.spend(batch.len().div_ceil(EVALUATED_FOR_ONE));
        for queue in &batch {
            let belongs = self.belongs(sid, queue.target_workers.as_ref());
            self.set_member(queue.sid, sid, belongs);
        }
        match batch.last() {
            Some(last) if batch.len() == most => drop(self.unsettled.insert(sid, Some(last.sid))),
            _ => self.refresh_worker(sid),
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

    /// True: that is a change.
    pub(super) fn set_member(&mut self, queue: TaskQueueSid, worker: WorkerSid, belongs: bool) -> bool {
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
                if belongs { *staff.entry(activity).or_default() += 1 } else { settings::count_down(staff, activity) }
            }
        }
        changed
    }

    /// A worker is there, or has this name: tasks that ask for it may have it.
    pub(super) fn claimed(&mut self, sid: WorkerSid) {
        let Some(name) = self.workers.get(&sid).map(|worker| worker.friendly_name.to_lowercase()) else { return };
        for claim in [Claim::Sid(sid), Claim::Name(name)] {
            if let Some(tasks) = self.unclaimed.remove(&claim) {
                self.settling.push_back(Settling::Claimed(tasks));
            }
        }
    }

    /// A worker is gone, or has another name: tasks that asked for it look for whom they name.
    pub(super) fn give_up_claims(&mut self, worker: WorkerSid) {
        if self.waiting.waits_for(worker) {
            self.jobs.retain(|job| !matches!(job, Job::GiveUp { worker: other, .. } if *other == worker));
            self.jobs.push_back(Job::GiveUp { worker, after: None });
        }
    }
}

/// The row after one, which is the last that was looked at from then on.
fn next<'a, K: Ord + Copy, V>(rows: &'a BTreeMap<K, V>, after: &mut Option<K>) -> Option<(K, &'a V)> {
    let (key, row) = rows.range((after.map_or(Unbounded, Excluded), Unbounded)).next()?;
    *after = Some(*key);
    Some((*key, row))
}

/// Queues that a worker is held against in the time one task or worker is looked at.
const EVALUATED_FOR_ONE: usize = 8;
