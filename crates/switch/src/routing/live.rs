//! One workspace, live: its rows, and the engine that decides.
//!
//! What the engine knows is kept there only; here is what its rows have beside that. After a turn, every row that the
//! engine names as changed is saved once.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use model::{
    Activity, ActivitySid, Reservation, ReservationSid, RoutingKey, RoutingRow, Task, TaskChannel, TaskChannelSid,
    TaskQueue, TaskQueueSid, TaskSid, Timestamp, Transfer, TransferSid, Worker, WorkerChannel, WorkerChannelSid,
    WorkerSid, Workflow, WorkflowSid, Workspace,
};
use taskrouter::{Changed, Engine, Input, Output};

use super::desk::Desk;
use super::rows::{self, ChannelNote, Place, ReservationNote, TaskNote, WorkerNote};
use super::{RoutingRefusal, TaskChannelRef};

/// One workspace.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) row: Workspace,
    pub(super) activities: BTreeMap<ActivitySid, Activity>,
    pub(super) channels: BTreeMap<TaskChannelSid, TaskChannel>,
    pub(super) queues: BTreeMap<TaskQueueSid, TaskQueue>,
    pub(super) workflows: BTreeMap<WorkflowSid, Workflow>,
    pub(super) workers: HashMap<WorkerSid, WorkerNote>,
    pub(super) tasks: HashMap<TaskSid, TaskNote>,
    pub(super) reservations: HashMap<ReservationSid, ReservationNote>,
    /// Their order.
    pub(super) transfers: HashMap<TransferSid, i64>,
    pub(super) engine: Engine,
    /// Reservations from before a restart, of which nobody knows whether the application has been asked.
    pub(super) unasked: VecDeque<ReservationSid>,
    /// Reservations that changed in what the engine does not know.
    pub(super) noted: BTreeSet<ReservationSid>,
    /// When its engine wants to work next, as it stands in the list of all deadlines.
    pub(super) deadline: Option<Timestamp>,
    /// It waits for its turn to work.
    pub(super) is_queued: bool,
}

impl Live {
    pub(super) fn new(row: Workspace, engine: Engine) -> Self {
        Self {
            row,
            activities: BTreeMap::new(),
            channels: BTreeMap::new(),
            queues: BTreeMap::new(),
            workflows: BTreeMap::new(),
            workers: HashMap::new(),
            tasks: HashMap::new(),
            reservations: HashMap::new(),
            transfers: HashMap::new(),
            engine,
            unasked: VecDeque::new(),
            noted: BTreeSet::new(),
            deadline: None,
            is_queued: false,
        }
    }

    pub(super) fn place(&self) -> Place {
        Place { account: self.row.account_sid, workspace: self.row.sid }
    }

    /// Has the engine do something, and tells what comes of it.
    pub(super) fn input(&mut self, input: Input, desk: &mut Desk) -> Result<(), RoutingRefusal> {
        let done = self.engine.handle(desk.now, input).map_err(refused);
        self.drain(desk);
        done
    }

    /// Tells what the engine has to say.
    pub(super) fn drain(&mut self, desk: &mut Desk) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Event(event) => self.tell(&event, desk),
                Output::Assign { task, worker, reservation } => self.ask(task, worker, reservation, desk),
                Output::Warning { code, task, worker } => self.warn(code, task, worker, desk),
            }
        }
    }

    /// Saves every row that has changed.
    pub(super) fn save(&mut self, desk: &mut Desk) {
        while let Some(changed) = self.engine.poll_changed() {
            match changed {
                Changed::Worker(sid) => match self.worker(sid, desk.now) {
                    Some(row) => desk.save(RoutingRow::Worker(row)),
                    None => {
                        self.workers.remove(&sid);
                        desk.index.workers.remove(&sid);
                        desk.delete(RoutingKey::Worker(sid));
                    }
                },
                Changed::WorkerChannel(worker, channel) => match self.worker_channel(worker, channel, desk) {
                    Some(row) => desk.save(RoutingRow::WorkerChannel(row)),
                    None => {
                        let note = self.workers.get_mut(&worker).and_then(|note| note.channels.remove(&channel));
                        if let Some(note) = note {
                            desk.delete(RoutingKey::WorkerChannel(note.sid));
                        }
                    }
                },
                Changed::Task(sid) => match self.task(sid, desk.now) {
                    Some(row) => desk.save(RoutingRow::Task(row)),
                    None => {
                        self.tasks.remove(&sid);
                        desk.index.tasks.remove(&sid);
                        desk.delete(RoutingKey::Task(sid));
                    }
                },
                Changed::Reservation(sid) => {
                    self.noted.remove(&sid);
                    self.save_reservation(sid, desk);
                }
                Changed::Transfer(sid) => match self.transfer(sid) {
                    Some(row) => desk.save(RoutingRow::Transfer(row)),
                    None => {
                        self.transfers.remove(&sid);
                        desk.delete(RoutingKey::Transfer(sid));
                    }
                },
            }
        }
        while let Some(sid) = self.noted.pop_first() {
            self.save_reservation(sid, desk);
        }
        self.save_statistics(desk);
    }

    fn save_reservation(&mut self, sid: ReservationSid, desk: &mut Desk) {
        match self.reservation(sid) {
            Some(row) => desk.save(RoutingRow::Reservation(row)),
            None => {
                let is_done = |note: &ReservationNote| note.worker_call.is_none() || note.post_work_activity.is_none();
                // Its worker still talks, and is to do something else after that.
                if self.reservations.get(&sid).is_none_or(is_done) {
                    self.reservations.remove(&sid);
                    desk.index.reservations.remove(&sid);
                }
                desk.delete(RoutingKey::Reservation(sid));
            }
        }
    }

    /// A worker's row; it is dated now if it has changed since it was last asked for.
    pub(super) fn worker(&mut self, sid: WorkerSid, now: Timestamp) -> Option<Worker> {
        let (worker, note) = (self.engine.worker(sid)?, self.workers.get_mut(&sid)?);
        if note.version != worker.version {
            (note.version, note.updated) = (worker.version, now);
        }
        Some(rows::worker_row(Place { account: self.row.account_sid, workspace: self.row.sid }, worker, note))
    }

    /// A worker channel's row; it is given a name when it is first asked for.
    pub(super) fn worker_channel(
        &mut self,
        worker: WorkerSid,
        channel: TaskChannelSid,
        desk: &mut Desk,
    ) -> Option<WorkerChannel> {
        let place = self.place();
        let (worker, note) = (self.engine.worker(worker)?, self.workers.get_mut(&worker)?);
        worker.channels.get(&channel)?;
        let note = note.channels.entry(channel).or_insert_with(|| ChannelNote {
            sid: WorkerChannelSid::from_bits(desk.names.bits()),
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        });
        rows::worker_channel_row(place, worker, channel, *note)
    }

    /// As [`Live::worker`].
    pub(super) fn task(&mut self, sid: TaskSid, now: Timestamp) -> Option<Task> {
        let (task, note) = (self.engine.task(sid)?, self.tasks.get_mut(&sid)?);
        if note.version != task.version {
            (note.version, note.updated) = (task.version, now);
        }
        Some(rows::task_row(Place { account: self.row.account_sid, workspace: self.row.sid }, task, note))
    }

    pub(super) fn reservation(&self, sid: ReservationSid) -> Option<Reservation> {
        Some(rows::reservation_row(self.place(), self.engine.reservation(sid)?, self.reservations.get(&sid)?))
    }

    pub(super) fn transfer(&self, sid: TransferSid) -> Option<Transfer> {
        Some(rows::transfer_row(self.place(), self.engine.transfer_row(sid)?, *self.transfers.get(&sid)?))
    }

    /// The task channel that a path or a parameter names.
    pub(super) fn find_channel(&self, named: &TaskChannelRef) -> Option<TaskChannelSid> {
        match named {
            TaskChannelRef::Sid(sid) => self.channels.contains_key(sid).then_some(*sid),
            TaskChannelRef::UniqueName(name) => {
                self.channels.values().find(|channel| channel.unique_name == *name).map(|channel| channel.sid)
            }
        }
    }

    pub(super) fn expect_activity(&self, parameter: &str, sid: Option<ActivitySid>) -> Result<(), RoutingRefusal> {
        match sid.filter(|sid| !self.activities.contains_key(sid)) {
            None => Ok(()),
            Some(sid) => {
                Err(RoutingRefusal::Invalid(format!("{parameter} {sid} is not an activity of this workspace")))
            }
        }
    }
}

/// What an engine does not do.
pub(super) fn refused(refusal: taskrouter::Refusal) -> RoutingRefusal {
    use taskrouter::Refusal as R;
    match refusal {
        R::Concurrent(most) => RoutingRefusal::Coded {
            code: TOO_MANY_CONCURRENT,
            message: format!("{most} workers of this workspace are not offline already"),
        },
        other => RoutingRefusal::Invalid(other.to_string()),
    }
}

/// As many workers as there may be are not offline.
const TOO_MANY_CONCURRENT: u16 = 14_240;
