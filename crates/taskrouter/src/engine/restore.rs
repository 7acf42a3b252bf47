//! A workspace comes back as its rows say, after a restart.
//!
//! Indexes, timers, capacity and who stands where follow from the rows. What a deadline was passed meanwhile happens with
//! the first [`Engine::work`]. Rows that contradict each other are mended or left out and reported, for whoever keeps them to know.

use super::*;
use crate::worker::{CAPACITY_MAX, WorkerChannel};

/// What a store's rows hold of one workspace, in whatever order.
///
/// `open` of workers and their channels and `reservations`, `transfers` and `transfer` of tasks follow from the other rows
/// and are not read.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the resources' own words
pub struct Saved {
    pub workspace: Workspace,
    pub activities: Vec<Activity>,
    pub channels: Vec<TaskChannel>,
    pub workers: Vec<Worker>,
    pub queues: Vec<TaskQueue>,
    pub workflows: Vec<Workflow>,
    /// What they did before, by their revisions then.
    pub former: Vec<Workflow>,
    pub tasks: Vec<Task>,
    /// Made in the same moment, they were made in this order.
    pub reservations: Vec<Reservation>,
    /// As above.
    pub transfers: Vec<Transfer>,
    /// As [`Engine::poll_bucket`] told them.
    pub buckets: Vec<BucketRow>,
}

/// A row that contradicted others, and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// Its SID.
    pub row: String,
    /// What was done, and why.
    pub what: &'static str,
}

impl Engine {
    /// The workspace that was saved, and what had to be mended. What was mended is told as changed ([`Engine::poll_changed`]).
    pub fn restore(now: Timestamp, seed: u64, saved: Saved) -> (Self, Vec<Mended>) {
        let mut engine = Self::new(saved.workspace, seed);
        let mut mended = Mending::default();
        engine.activities.extend(saved.activities.into_iter().map(|activity| (activity.sid, activity)));
        engine.channels.extend(saved.channels.into_iter().map(|channel| (channel.sid, channel)));
        engine.queues.extend(saved.queues.into_iter().map(|queue| (queue.sid, Arc::new(queue))));
        for workflow in saved.workflows {
            engine.name_queues(workflow.queues().collect(), None);
            engine.workflows.insert(workflow.sid, Arc::new(workflow));
        }
        let former = saved.former.into_iter();
        engine.former.extend(former.map(|workflow| ((workflow.sid, workflow.revision), Arc::new(workflow))));
        for worker in saved.workers {
            engine.restore_worker(now, worker, &mut mended);
        }
        for task in saved.tasks {
            engine.restore_task(task, &mut mended);
        }
        let mut transfers = saved.transfers;
        transfers.sort_by_key(|transfer| transfer.created);
        for transfer in transfers {
            engine.restore_transfer(transfer, &mut mended);
        }
        let mut reservations = saved.reservations;
        reservations.sort_by_key(|reservation| reservation.created);
        for reservation in reservations {
            engine.restore_reservation(now, reservation, &mut mended);
        }
        let tasks: Vec<TaskSid> = engine.tasks.keys().copied().collect();
        for task in tasks {
            engine.mend_task(now, task, &mut mended);
            engine.resume_task(task);
        }
        // Who was to begin anew, and had not when the process ended.
        let waits = |task: &&Task| task.status == AssignmentStatus::Pending;
        let waiting = engine.tasks.values().filter(waits);
        let behind: BTreeSet<WorkflowSid> = waiting.filter_map(|task| engine.behind(task.sid)).collect();
        engine.jobs.extend(behind.into_iter().map(|workflow| Job::ReEvaluate { workflow, after: None }));
        engine.forget_changes();
        for row in saved.buckets {
            if !engine.ledger.restore(&row) {
                mended.note(
                    None,
                    format!("{:?} {:?}", row.scope, row.begins),
                    "statistics left out: no figures, or twice",
                );
            }
        }
        engine.count();
        for changed in mended.changed {
            engine.mark(changed);
        }
        engine.settling.push_front(Settling::Evaluate { activity: None, after: None });
        (engine, mended.reports)
    }

    /// Everything there is to be saved, as rows.
    pub fn save(&self) -> Saved {
        let reservations = self.tasks.values().flat_map(|task| &task.reservations);
        let transfers = self.tasks.values().flat_map(|task| &task.transfers);
        Saved {
            workspace: self.workspace.clone(),
            activities: self.activities.values().cloned().collect(),
            channels: self.channels.values().cloned().collect(),
            workers: self.workers.values().cloned().collect(),
            queues: self.queues.values().map(|queue| TaskQueue::clone(queue)).collect(),
            workflows: self.workflows.values().map(|workflow| Workflow::clone(workflow)).collect(),
            former: self.former.values().map(|workflow| Workflow::clone(workflow)).collect(),
            tasks: self.tasks.values().cloned().collect(),
            reservations: reservations.filter_map(|sid| self.reservations.get(sid)).cloned().collect(),
            buckets: self.ledger.rows(),
            transfers: transfers.filter_map(|sid| self.transfers.get(sid)).cloned().collect(),
        }
    }

    fn restore_worker(&mut self, now: Timestamp, mut worker: Worker, mended: &mut Mending) {
        let sid = worker.sid;
        if !self.activities.contains_key(&worker.activity) {
            let away = self.activities.values().find(|activity| !activity.available).map(|activity| activity.sid);
            let known = |sid: &ActivitySid| self.activities.contains_key(sid);
            match self.workspace.default_activity.filter(known).or(away) {
                Some(activity) => {
                    worker.activity = activity;
                    mended.note(Changed::Worker(sid), sid, "does something that is no activity: set offline");
                }
                None => return mended.note(Changed::Worker(sid), sid, "left out: there is no activity for it"),
            }
        }
        let name = worker.friendly_name.to_lowercase();
        if *self.worker_names.entry(name).or_insert(sid) != sid {
            mended.note(None, sid, "has the name of another worker, who alone is found by it");
        }
        worker.open.clear();
        worker.channels.retain(|channel, _| self.channels.contains_key(channel));
        for channel in self.channels.keys() {
            let on = worker.channels.entry(*channel).or_insert_with(|| {
                mended.note(Changed::WorkerChannel(sid, *channel), sid, "lacked a channel: given one");
                WorkerChannel::new(now)
            });
            on.open = 0;
            if on.capacity > CAPACITY_MAX {
                on.capacity = CAPACITY_MAX;
                mended.note(Changed::WorkerChannel(sid, *channel), sid, "had more capacity than there may be");
            }
        }
        *self.doing.entry(worker.activity).or_default() += 1;
        self.workers.insert(sid, worker);
    }

    fn restore_task(&mut self, mut task: Task, mended: &mut Mending) {
        let sid = task.sid;
        if !self.channels.contains_key(&task.channel) {
            return mended.note(Changed::Task(sid), sid, "left out: its channel is not there");
        }
        let missing = match task.route {
            Route::Workflow { workflow, .. } => !self.workflows.contains_key(&workflow),
            Route::Queue(queue) => !self.queues.contains_key(&queue),
            Route::Worker { worker, .. } => !self.workers.contains_key(&worker),
        };
        if missing && !task.status.is_over() {
            mended.note(None, sid, "is routed by what is not there: waits until its time is over");
        }
        task.reservations.clear();
        task.transfers.clear();
        task.transfer = None;
        self.come_to_channel(task.channel);
        self.tasks.insert(sid, task);
    }

    fn restore_transfer(&mut self, transfer: Transfer, mended: &mut Mending) {
        let sid = transfer.sid;
        let Some(task) = self.tasks.get_mut(&transfer.task) else {
            return mended.note(Changed::Transfer(sid), sid, "left out: its task is not there");
        };
        task.transfers.push(sid);
        self.transfers.insert(sid, transfer);
    }

    fn restore_reservation(&mut self, now: Timestamp, mut reservation: Reservation, mended: &mut Mending) {
        let (sid, worker) = (reservation.sid, reservation.worker);
        let Some(task) = self.tasks.get_mut(&reservation.task) else {
            return mended.note(Changed::Reservation(sid), sid, "left out: its task is not there");
        };
        task.reservations.push(sid);
        let impossible = match self.workers.get(&worker) {
            _ if !reservation.status.is_open() => None,
            None => Some("canceled: its worker is not there"),
            Some(_) if task.status.is_over() => Some("canceled: its task is over"),
            Some(_) => None,
        };
        if let Some(what) = impossible {
            (reservation.status, reservation.changed) = (ReservationStatus::Canceled, now);
            reservation.version += 1;
            mended.note(Changed::Reservation(sid), sid, what);
        }
        if reservation.status.is_open()
            && let Some(worker) = self.workers.get_mut(&worker)
        {
            worker.open.insert(sid);
            *self.on_channel.entry(reservation.channel).or_default() += 1;
            if let Some(on) = worker.channels.get_mut(&reservation.channel) {
                on.open += 1;
            }
        }
        let until = reservation.changed + PAUSE;
        if reservation.canceled_reason_code.is_some() && !task.status.is_over() && until > now {
            self.pauses.insert((reservation.task, worker), until);
            self.timers.insert((until, Timer::PauseOver(reservation.task, worker)));
        }
        if reservation.status.is_held() {
            self.held.insert(sid);
        }
        if reservation.status == ReservationStatus::Pending {
            self.timers.insert((reservation.times_out, Timer::Reservation(sid)));
        }
        self.reservations.insert(sid, reservation);
    }

    /// A task is in the state that its reservations say.
    fn mend_task(&mut self, now: Timestamp, sid: TaskSid, mended: &mut Mending) {
        let Some(task) = self.tasks.get(&sid) else { return };
        let is_over = task.status.is_over();
        let initiated =
            |sid: &TransferSid| self.transfers.get(sid).is_some_and(|t| t.status == TransferStatus::Initiated);
        let under_way: Vec<TransferSid> = task.transfers.iter().copied().filter(initiated).collect();
        let last = under_way.last().copied().filter(|last| !is_over && self.is_under_way(*last));
        for other in under_way.into_iter().filter(|other| Some(*other) != last) {
            if let Some(row) = self.transfers.get_mut(&other) {
                (row.status, row.changed) = (TransferStatus::Canceled, now);
                mended.note(Changed::Transfer(other), other, "canceled: it cannot be under way");
            }
        }
        if let (Some(_), Some(task)) = (last, self.tasks.get_mut(&sid)) {
            task.transfer = last;
        }
        let Some(task) = self.tasks.get(&sid) else { return };
        let (status, ended) = (task.status, task.ended);
        let to = match status {
            status if status.is_over() => status,
            status => self.standing(sid).unwrap_or(match status {
                AssignmentStatus::Pending | AssignmentStatus::Reserved => AssignmentStatus::Pending,
                _ => AssignmentStatus::Canceled,
            }),
        };
        let lost = to.is_over() && ended.is_none();
        if to == status && !lost {
            return;
        }
        mended.note(Changed::Task(sid), sid, "was in a state that its reservations belie");
        if let Some(task) = self.tasks.get_mut(&sid) {
            task.status = to;
            task.version += 1;
            task.ended = to.is_over().then_some(now);
            if status != AssignmentStatus::Assigned && to == AssignmentStatus::Assigned {
                task.assigned = task.assigned.or(Some(now));
            }
        }
    }

    /// Offered to one worker, a transfer lasts as long as that offer.
    fn is_under_way(&self, sid: TransferSid) -> bool {
        let offered = |reservation: &Reservation| {
            reservation.transfer == Some(sid) && reservation.status == ReservationStatus::Pending
        };
        self.transfers.get(&sid).is_some_and(|transfer| match transfer.to {
            TransferTarget::Queue(_) => true,
            TransferTarget::Worker(_) => self.tasks.get(&transfer.task).is_some_and(|task| {
                task.reservations.iter().rev().filter_map(|sid| self.reservations.get(sid)).any(offered)
            }),
        })
    }

    /// A task's timers run and it stands in line, as if nothing had happened.
    fn resume_task(&mut self, sid: TaskSid) {
        let Some(task) = self.tasks.get(&sid) else { return };
        match (task.status, task.assigned) {
            (AssignmentStatus::Completed | AssignmentStatus::Canceled, _) => {
                if let Some(ended) = task.ended {
                    self.timers.insert((ended + KEPT, Timer::Gone(sid)));
                }
            }
            (AssignmentStatus::Wrapping, _) => {}
            (_, Some(assigned)) => drop(self.timers.insert((assigned + ASSIGNED_MAX, Timer::Stale(sid)))),
            (_, None) => {
                self.timers.insert((task.created + task.timeout, Timer::TaskTimeout(sid)));
                if let Some(expires) = task.step().and_then(|step| step.expires) {
                    self.timers.insert((expires, Timer::TargetTimeout(sid)));
                }
            }
        }
        if task.status == AssignmentStatus::Pending {
            self.wait(sid);
        }
    }
}

#[derive(Default)]
struct Mending {
    reports: Vec<Mended>,
    changed: Vec<Changed>,
}

impl Mending {
    fn note(&mut self, changed: impl Into<Option<Changed>>, row: impl std::fmt::Display, what: &'static str) {
        self.changed.extend(changed.into());
        self.reports.push(Mended { row: row.to_string(), what });
    }
}
