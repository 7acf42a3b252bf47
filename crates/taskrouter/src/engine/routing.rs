//! A task's way through its workflow (taskrouter §5.2).

use std::ops::Bound::{Excluded, Unbounded};

use model::TaskRouterEventType;

use super::*;
use crate::event::TaskFacts;
use crate::{KnownWorker, Target, TargetNames, TaskNames, WorkersNames, WorkflowStep, expression};

impl Task {
    /// The workflow that says where it goes.
    pub(crate) fn routed_by(&self) -> Option<WorkflowSid> {
        match self.route {
            Route::Workflow { workflow, .. } => Some(workflow),
            Route::Queue(_) | Route::Worker { .. } => None,
        }
    }

    pub(crate) fn step(&self) -> Option<WorkflowStep> {
        match self.route {
            Route::Workflow { step, .. } => step,
            Route::Queue(_) | Route::Worker { .. } => None,
        }
    }
}

impl Engine {
    pub(super) fn create_task(&mut self, now: Timestamp, new: NewTask) -> Result<(), Refusal> {
        if self.tasks.len() >= TASKS_MAX {
            return Err(Refusal::Full(TASKS_MAX));
        }
        if self.tasks.contains_key(&new.sid) {
            return Err(Refusal::InUse(new.sid.to_string()));
        }
        if !self.channels.contains_key(&new.channel) {
            return Err(not_found(new.channel));
        }
        let knows = |queue: TaskQueueSid| if self.queues.contains_key(&queue) { Ok(()) } else { Err(not_found(queue)) };
        let (route, queue) = match new.to {
            RoutingTarget::Workflow(workflow) if !self.workflows.contains_key(&workflow) => {
                return Err(not_found(workflow));
            }
            RoutingTarget::Workflow(workflow) => (Route::Workflow { workflow, step: None }, None),
            RoutingTarget::Queue(queue) => (Route::Queue(queue), Some(queue)),
            RoutingTarget::Worker { worker, .. } if !self.workers.contains_key(&worker) => {
                return Err(not_found(worker));
            }
            RoutingTarget::Worker { worker, ignore_capacity, queue } => {
                (Route::Worker { worker, ignore_capacity }, queue)
            }
        };
        queue.map_or(Ok(()), knows)?;
        let workflow = match route {
            Route::Workflow { workflow, .. } => Some(workflow),
            Route::Queue(_) | Route::Worker { .. } => new.workflow,
        };
        if let Some(workflow) = workflow.filter(|workflow| !self.workflows.contains_key(workflow)) {
            return Err(not_found(workflow));
        }
        let task = Task {
            workflow,
            sid: new.sid,
            attributes: new.attributes,
            channel: new.channel,
            priority: new.priority,
            created: now,
            virtual_start: new.virtual_start.unwrap_or(now),
            timeout: new.timeout,
            status: AssignmentStatus::Pending,
            reason: None,
            queue: None,
            queue_entered: None,
            route,
            reservations: Vec::new(),
            transfers: Vec::new(),
            transfer: None,
            re_evaluate: false,
            assigned: None,
            ended: None,
            version: 0,
        };
        let sid = task.sid;
        self.timers.insert((now + task.timeout, Timer::TaskTimeout(sid)));
        self.come_to_channel(task.channel);
        self.tasks.insert(sid, task);
        match new.to {
            RoutingTarget::Workflow(_) => {
                self.tell_task(now, TaskRouterEventType::WorkflowEntered, sid);
                let step = self.first_step(sid, None, now);
                match step {
                    Some(step) => self.enter(now, sid, step, true),
                    None => {
                        self.tell_task(now, TaskRouterEventType::TaskCreated, sid);
                        self.outputs.push_back(Output::Warning { code: NO_FILTER, task: sid, worker: None });
                        self.cancel(now, sid, Some("No matching filter".to_owned()));
                    }
                }
            }
            RoutingTarget::Queue(_) | RoutingTarget::Worker { .. } => {
                if let Some(queue) = queue {
                    self.move_to(now, sid, queue);
                }
                self.tell_task(now, TaskRouterEventType::TaskCreated, sid);
                self.queue_up(sid);
            }
        }
        Ok(())
    }

    pub(super) fn update_task(&mut self, now: Timestamp, sid: TaskSid, change: TaskChange) -> Result<(), Refusal> {
        if let Some(channel) = change.channel.filter(|channel| !self.channels.contains_key(channel)) {
            return Err(not_found(channel));
        }
        let task = self.tasks.get_mut(&sid).ok_or_else(|| not_found(sid))?;
        task.attributes = change.attributes.unwrap_or_else(|| task.attributes.clone());
        // What is reserved on a channel stays on it: each reservation knows its own.
        let (from, to) = (task.channel, change.channel.unwrap_or(task.channel));
        task.channel = to;
        task.priority = change.priority.unwrap_or(task.priority);
        task.virtual_start = change.virtual_start.unwrap_or(task.virtual_start);
        task.version += 1;
        self.come_to_channel(to);
        self.go_from_channel(from);
        self.tell_task(now, TaskRouterEventType::TaskUpdated, sid);
        self.queue_up(sid);
        Ok(())
    }

    /// The first target of the first filter after `after` that takes a task, or that of the default filter.
    fn first_step(&self, sid: TaskSid, after: Option<WorkflowStep>, since: Timestamp) -> Option<WorkflowStep> {
        let task = self.tasks.get(&sid)?;
        let workflow = match after {
            Some(step) => self.revision(task.routed_by()?, step.revision)?,
            None => self.workflows.get(&task.routed_by()?)?,
        };
        let allowed = after.map_or(Duration::ZERO, |step| step.allowed);
        let timed_out = after.is_some_and(|step| step.timed_out);
        let from = after.map_or(Some(0), |step| step.filter.map(|filter| filter + 1))?;
        let names = TaskNames(&task.attributes);
        let filter =
            workflow.filters.iter().enumerate().skip(from).find(|(_, filter)| filter.expression.is_true(&names));
        let filter = match filter {
            Some((at, _)) => Some(at),
            // Only if every filter was skipped or did not match (§5.2, 5).
            None if !timed_out && workflow.default_filter.is_some() => None,
            None => return None,
        };
        let timeout = workflow.targets(filter).first()?.timeout;
        Some(step_into(workflow.revision, (filter, 0), since, allowed, timeout, timed_out))
    }

    /// The step after one that is left, `by_time` or skipped.
    fn next_step(&self, sid: TaskSid, by_time: bool) -> Option<WorkflowStep> {
        let task = self.tasks.get(&sid)?;
        let mut step = task.step()?;
        step.timed_out |= by_time;
        let workflow = self.revision(task.routed_by()?, step.revision)?;
        loop {
            step = match workflow.targets(step.filter).get(step.target + 1) {
                Some(next) => {
                    let place = (step.filter, step.target + 1);
                    step_into(step.revision, place, step.since, step.allowed, next.timeout, step.timed_out)
                }
                None => self.first_step(sid, Some(step), step.since)?,
            };
            // A queue that only a former configuration names may be gone: its target is skipped.
            let queue = workflow.targets(step.filter).get(step.target)?.queue;
            if self.queues.contains_key(&queue) {
                return Some(step);
            }
        }
    }

    /// A workflow as it is or was by that revision, if any task goes by it.
    pub fn revision(&self, sid: WorkflowSid, revision: u32) -> Option<&Arc<Workflow>> {
        let now = self.workflows.get(&sid).filter(|workflow| workflow.revision == revision);
        now.or_else(|| self.former.get(&(sid, revision)))
    }

    /// The workflow that routes a task as the task goes by it, or in whose figures it is counted.
    fn workflow_of(&self, task: &Task) -> Option<&Arc<Workflow>> {
        let now = || self.workflows.get(&task.workflow?);
        match (task.routed_by(), task.step()) {
            (Some(workflow), Some(step)) => self.revision(workflow, step.revision).or_else(now),
            _ => now(),
        }
    }

    /// A task comes to a target; `is_new`: with its first, it is created.
    fn enter(&mut self, now: Timestamp, sid: TaskSid, step: WorkflowStep, is_new: bool) {
        self.unset_target_timer(sid);
        let Some(task) = self.tasks.get_mut(&sid) else { return };
        let Some(workflow) = task.routed_by() else { return };
        task.route = Route::Workflow { workflow, step: Some(step) };
        task.version += u32::from(!is_new);
        if let Some(expires) = step.expires {
            self.timers.insert((expires, Timer::TargetTimeout(sid)));
        }
        let Some(target) = self.tasks.get(&sid).and_then(|task| self.target_of(task)).cloned() else { return };
        if let (Some(task), Some(priority)) = (self.tasks.get_mut(&sid), target.priority) {
            task.priority = priority;
        }
        self.move_to(now, sid, target.queue);
        if is_new {
            self.tell_task(now, TaskRouterEventType::TaskCreated, sid);
        }
        self.tell_task(now, TaskRouterEventType::WorkflowTargetMatched, sid);
        if let (Some(known), Some(task)) = (&target.known_worker, self.tasks.get(&sid)) {
            let wrong = match self.known_worker(task, known) {
                Ok(worker) => {
                    let is_member = self.members.get(&target.queue).is_some_and(|members| members.contains(&worker));
                    (!is_member).then_some(KNOWN_WORKER_NOT_IN_QUEUE)
                }
                Err(code) => code,
            };
            if let Some(code) = wrong {
                let worker = match known {
                    KnownWorker::Sid(path) => expression::find(task.attributes.json(), &path.steps),
                    KnownWorker::FriendlyName(_) => None,
                };
                let worker = worker.and_then(|name| name.as_str()?.parse().ok());
                self.outputs.push_back(Output::Warning { code, task: sid, worker });
            }
        }
        self.wait(sid);
    }

    /// A pending task stands in line, and is skipped on if its target says so and nobody takes it.
    pub(super) fn wait(&mut self, sid: TaskSid) {
        self.counting.take_if(|counting| counting.task == sid);
        self.queue_up(sid);
        let task = self.tasks.get(&sid).filter(|task| task.status == AssignmentStatus::Pending);
        let asked = |task: &&Task| task.step().is_some_and(|step| step.stays);
        let target = task.filter(|task| !asked(task)).and_then(|task| self.target_of(task));
        if target.is_some_and(|target| target.skip_if.is_some()) {
            self.skips.insert(sid);
        }
    }

    pub(super) fn move_to(&mut self, now: Timestamp, sid: TaskSid, queue: TaskQueueSid) {
        let Some(task) = self.tasks.get_mut(&sid).filter(|task| task.queue != Some(queue)) else { return };
        task.queue_entered = Some(now);
        let previous_queue = task.queue.replace(queue);
        let kind = match previous_queue {
            None => TaskRouterEventType::TaskQueueEntered,
            Some(_) => TaskRouterEventType::TaskQueueMoved,
        };
        let event = Event { previous_queue, ..self.about_task(now, kind, sid) };
        self.emit(event);
    }

    /// The target a task is at; a transfer has left it behind.
    pub(super) fn target_of(&self, task: &Task) -> Option<&Target> {
        let step = task.step().filter(|_| task.transfer.is_none())?;
        self.revision(task.routed_by()?, step.revision)?.targets(step.filter).get(step.target)
    }

    /// Its workflow has no target where the task is.
    pub(super) fn is_lost(&self, task: &Task) -> bool {
        let is_routed = task.routed_by().is_some_and(|workflow| self.workflows.contains_key(&workflow));
        is_routed && task.transfer.is_none() && self.target_of(task).is_none()
    }

    /// The worker an attribute of the task names. It may be missing, which is no error (`Err(None)`).
    pub(super) fn known_worker(&self, task: &Task, known: &KnownWorker) -> Result<WorkerSid, Option<u16>> {
        let path = match known {
            KnownWorker::Sid(path) | KnownWorker::FriendlyName(path) => path,
        };
        let value =
            expression::find(task.attributes.json(), &path.steps).filter(|value| !value.is_null()).ok_or(None)?;
        let name = value.as_str().ok_or(Some(KNOWN_WORKER_UNKNOWN))?;
        let worker = match known {
            KnownWorker::Sid(_) => name.parse().ok().filter(|sid| self.workers.contains_key(sid)),
            KnownWorker::FriendlyName(_) => {
                let sid = self.worker_names.get(&name.to_lowercase()).copied();
                sid.filter(|sid| self.workers.get(sid).is_some_and(|worker| worker.friendly_name == name))
            }
        };
        worker.ok_or(Some(KNOWN_WORKER_UNKNOWN))
    }

    /// The round is over and nobody took the task: on to the next target, if this one is to be skipped then. Its workers
    /// may have to be counted before that is known.
    pub(super) fn skip_if_nobody_took(&mut self, now: Timestamp, sid: TaskSid, budget: usize) {
        self.spend(1);
        let task = self.tasks.get(&sid).filter(|task| task.status == AssignmentStatus::Pending);
        let target = task.and_then(|task| self.target_of(task));
        let skip_if = target.and_then(|target| target.skip_if.clone());
        let (Some(task), Some(target), Some(skip_if)) = (task, target, skip_if) else {
            self.skips.remove(&sid);
            return;
        };
        let begun = self.counting.as_ref().filter(|counting| counting.task == sid);
        let names = match self.count_workers(task, target, begun, budget) {
            Ok(names) => names,
            Err(counting) => return self.counting = Some(counting),
        };
        self.counting = None;
        self.skips.remove(&sid);
        if skip_if.is_true(&names) {
            self.tell_task(now, TaskRouterEventType::WorkflowSkipped, sid);
            self.leave_target(now, sid, false);
        } else {
            self.set_stays(sid, true);
        }
    }

    fn set_stays(&mut self, sid: TaskSid, stays: bool) {
        if self.tasks.get(&sid).and_then(Task::step).is_some_and(|step| step.stays != stays)
            && let Some(Route::Workflow { step: Some(step), .. }) = self.tasks.get_mut(&sid).map(|task| &mut task.route)
        {
            step.stays = stays;
        }
    }

    /// How many workers match a target, each as it is when it is looked at. `Err`: so far.
    fn count_workers(
        &self,
        task: &Task,
        target: &Target,
        begun: Option<&Counting>,
        budget: usize,
    ) -> Result<WorkersNames, Counting> {
        let mut so_far = begun.map_or_else(|| self.nobody(), |counting| counting.so_far.clone());
        let members = self.members.get(&target.queue);
        match &target.known_worker {
            None if target.expression.is_none() => {
                let staff = self.staff.get(&target.queue).into_iter().flatten();
                so_far.by_activity.extend(staff.map(|(activity, count)| (*activity, *count)));
            }
            Some(known) => {
                let known = self.known_worker(task, known).ok();
                let known = known.filter(|known| members.is_some_and(|members| members.contains(known)));
                known.into_iter().for_each(|worker| self.count_worker(task, target, worker, &mut so_far));
            }
            None => {
                let from = begun.map_or(Unbounded, |counting| Excluded(counting.after));
                let members = members.into_iter().flat_map(|members| members.range((from, Unbounded)));
                for (nth, worker) in members.enumerate() {
                    self.count_worker(task, target, *worker, &mut so_far);
                    if nth + 1 >= budget {
                        return Err(Counting { task: task.sid, after: *worker, so_far });
                    }
                }
            }
        }
        let is_available =
            |activity| self.activities.get(activity).is_some_and(|activity: &Activity| activity.available);
        for (activity, count) in &so_far.by_activity {
            *if is_available(activity) { &mut so_far.available } else { &mut so_far.unavailable } += count;
        }
        Ok(so_far)
    }

    /// Nobody in any activity.
    fn nobody(&self) -> WorkersNames {
        let by_activity = self.activities.keys().map(|activity| (*activity, 0)).collect();
        WorkersNames { available: 0, unavailable: 0, by_activity }
    }

    fn count_worker(&self, task: &Task, target: &Target, worker: WorkerSid, so_far: &mut WorkersNames) {
        self.spend(1);
        let Some(worker) = self.workers.get(&worker) else { return };
        let names =
            TargetNames { task: Some(&task.attributes), worker: self.worker_names(worker), channels: &self.channels };
        let matches = target.expression.as_ref().is_none_or(|expression| expression.is_true(&names));
        *so_far.by_activity.entry(worker.activity).or_default() += u32::from(matches);
    }

    /// A pending task goes on from the target it is at, and is canceled after the last.
    pub(super) fn leave_target(&mut self, now: Timestamp, sid: TaskSid, by_time: bool) {
        if let Some(workflow) = self.behind(sid) {
            return self.re_evaluate(now, sid, workflow);
        }
        self.leave_line(sid);
        self.skips.remove(&sid);
        match self.next_step(sid, by_time) {
            Some(step) => self.enter(now, sid, step, false),
            None => {
                self.tell_task(now, TaskRouterEventType::WorkflowTimeout, sid);
                self.cancel(now, sid, Some("Task canceled on Workflow timeout".to_owned()));
            }
        }
    }

    /// The time of a target is over. What is reserved stays so, and goes on only when that has failed.
    pub(super) fn target_timeout(&mut self, now: Timestamp, sid: TaskSid) {
        if self.tasks.get(&sid).is_some_and(|task| task.status == AssignmentStatus::Pending) {
            self.tell_task(now, TaskRouterEventType::TaskQueueTimeout, sid);
            self.leave_target(now, sid, true);
        }
    }

    /// Its reservations have failed: the task waits again, or goes on if its target's time has run out meanwhile.
    pub(super) fn resume(&mut self, now: Timestamp, sid: TaskSid) {
        let Some(task) = self.tasks.get(&sid) else { return };
        match (self.behind(sid), task.step().and_then(|step| step.expires)) {
            (Some(workflow), _) => self.re_evaluate(now, sid, workflow),
            (None, Some(expires)) if expires <= now => self.target_timeout(now, sid),
            _ => {
                self.set_stays(sid, false);
                self.wait(sid);
            }
        }
    }

    /// A task begins its workflow anew, if it is to: now, or when what is offered of it has failed.
    pub(super) fn re_evaluate(&mut self, now: Timestamp, sid: TaskSid, workflow: WorkflowSid) {
        self.spend(1);
        if self.behind(sid) != Some(workflow) {
            return;
        }
        let Some(task) = self.tasks.get(&sid) else { return };
        let (status, created, is_noted) = (task.status, task.created, task.re_evaluate);
        let waits = status == AssignmentStatus::Pending;
        if !matches!(status, AssignmentStatus::Pending | AssignmentStatus::Reserved) || (is_noted && !waits) {
            return;
        }
        if let Some(task) = self.tasks.get_mut(&sid) {
            task.re_evaluate = true; // as what is told of it says
        }
        if !waits {
            return;
        }
        self.unset_target_timer(sid);
        self.leave_line(sid);
        self.skips.remove(&sid);
        // The time of its targets counts from its creation, as ever (§5.2, 4).
        match self.first_step(sid, None, created) {
            Some(step) => self.enter(now, sid, step, false),
            None => {
                self.outputs.push_back(Output::Warning { code: NO_FILTER, task: sid, worker: None });
                self.cancel(now, sid, Some("No matching filter".to_owned()));
            }
        }
        if let Some(task) = self.tasks.get_mut(&sid) {
            task.re_evaluate = false;
        }
        // A filter is tested in a sixteenth of the time that a task and what is told of it take.
        self.spend(3 + self.workflows.get(&workflow).map_or(0, |workflow| workflow.filters.len() / 16));
    }

    /// The workflow that a task has yet to begin anew.
    pub(super) fn behind(&self, sid: TaskSid) -> Option<WorkflowSid> {
        let task = self.tasks.get(&sid).filter(|task| task.transfer.is_none())?;
        let workflow = self.workflows.get(&task.routed_by()?)?;
        let is_behind = task.step().is_some_and(|step| step.revision < workflow.anew_from);
        (is_behind || self.is_lost(task)).then_some(workflow.sid)
    }

    pub(super) fn unset_target_timer(&mut self, sid: TaskSid) {
        if let Some(expires) = self.tasks.get(&sid).and_then(Task::step).and_then(|step| step.expires) {
            self.timers.remove(&(expires, Timer::TargetTimeout(sid)));
        }
    }

    pub(super) fn tell_task(&mut self, now: Timestamp, kind: TaskRouterEventType, sid: TaskSid) {
        let event = self.about_task(now, kind, sid);
        self.emit(event);
    }

    pub(super) fn about_task(&self, now: Timestamp, kind: TaskRouterEventType, sid: TaskSid) -> Event {
        let task = self.tasks.get(&sid);
        Event {
            queue: task.and_then(|task| task.queue).and_then(|queue| self.queues.get(&queue)).cloned(),
            workflow: task.and_then(|task| self.workflow_of(task)).cloned(),
            task: task.map(TaskFacts::from),
            ..Event::new(kind, now)
        }
    }
}

/// Timeouts add up, whether a target before was left by time or skipped; without one, there is no end to a target.
fn step_into(
    revision: u32,
    (filter, target): (Option<usize>, usize),
    since: Timestamp,
    before: Duration,
    timeout: Option<Duration>,
    timed_out: bool,
) -> WorkflowStep {
    let allowed = before + timeout.unwrap_or_default();
    let expires = timeout.map(|_| since + allowed);
    WorkflowStep { revision, filter, target, since, allowed, expires, timed_out, stays: false }
}

/// "task could not be created": no filter takes it.
pub(super) const NO_FILTER: u16 = 14_222;
/// The worker a task asks for is not one of the target's queue.
const KNOWN_WORKER_NOT_IN_QUEUE: u16 = 40_152;
/// There is no such worker.
const KNOWN_WORKER_UNKNOWN: u16 = 40_154;
