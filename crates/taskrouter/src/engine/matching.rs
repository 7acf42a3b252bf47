//! Who gets the task (taskrouter §11).

use std::cmp::Reverse;

use super::*;
use crate::free::{Place, Shelf};
use crate::waiting::{Fresh, LineId, LineKey, Rank};
use crate::{RESERVATIONS_MAX, TargetNames, expression};

impl Engine {
    /// Something about a worker has changed: it stands where it belongs, and whoever waits for one like it is looked at.
    pub(super) fn refresh_worker(&mut self, sid: WorkerSid) {
        self.free.remove(sid);
        let Some(worker) = self.workers.get(&sid) else { return };
        // Tasks that ask for nothing but this worker may do without its room.
        self.waiting.freshen_own(sid);
        if !self.is_available(worker) {
            return;
        }
        let roomy: Vec<TaskChannelSid> = (worker.channels.keys().copied())
            .filter(|channel| worker.has_room(*channel, self.workspace.multi_task))
            .collect();
        for queue in self.queues_of.get(&sid).into_iter().flatten() {
            for shelf in self.free.shelves_of(*queue).to_vec() {
                if roomy.contains(&shelf.channel)
                    && let Some(place) = self.place(worker, &shelf)
                {
                    self.free.place(&shelf, place);
                }
            }
            for channel in &roomy {
                self.waiting.freshen(*queue, *channel, sid);
            }
        }
    }

    fn place(&self, worker: &Worker, shelf: &Shelf) -> Option<Place> {
        let idle = worker.idle(self.channels.get(&shelf.channel)?)?;
        let names = TargetNames { task: None, worker: self.worker_names(worker), channels: &self.channels };
        Some(Place::new(&shelf.order, &names, idle, worker.sid))
    }

    /// A pending task waits for whoever may take it, if anybody may.
    pub(super) fn queue_up(&mut self, sid: TaskSid) {
        self.leave_line(sid);
        let Some(task) = self.tasks.get(&sid).filter(|task| task.status == AssignmentStatus::Pending) else { return };
        let (Some(key), rank) = (self.line_key(task), self.rank(task)) else {
            self.unclaimed.insert(sid);
            return;
        };
        let shelf = shelf_of(&key);
        if let Some(shelf) = &shelf {
            self.open_shelf(shelf);
        }
        if let (true, Some(shelf)) = (self.waiting.join(key, rank), shelf) {
            self.free.use_shelf(&shelf);
        }
    }

    pub(super) fn leave_line(&mut self, sid: TaskSid) {
        if let Some(shelf) = self.waiting.leave(sid).and_then(|key| shelf_of(&key)) {
            self.free.leave_shelf(&shelf);
        }
        self.unclaimed.remove(&sid);
    }

    /// As [`Engine::queue_up`], of all that a setting concerns.
    pub(super) fn requeue(&mut self, concerns: impl Fn(&Task) -> bool) {
        let waits = |task: &&Task| task.status == AssignmentStatus::Pending && concerns(task);
        let tasks: Vec<TaskSid> = self.tasks.values().filter(waits).map(|task| task.sid).collect();
        tasks.into_iter().for_each(|task| self.queue_up(task));
    }

    /// The first task of its kind sets up where its workers stand.
    fn open_shelf(&mut self, shelf: &Shelf) {
        if !self.free.open(shelf) {
            return;
        }
        for sid in self.members.get(&shelf.queue).into_iter().flatten() {
            if let Some(worker) = self.workers.get(sid)
                && self.is_available(worker)
                && worker.has_room(shelf.channel, self.workspace.multi_task)
                && let Some(place) = self.place(worker, shelf)
            {
                self.free.place(shelf, place);
            }
        }
    }

    fn rank(&self, task: &Task) -> Rank {
        let order =
            task.queue.and_then(|queue| self.queues.get(&queue)).map_or(TaskOrder::Fifo, |queue| queue.task_order);
        let start = task.virtual_start.micros();
        Rank {
            priority: Reverse(task.priority),
            kind: u8::from(order != self.workspace.prioritize_queue_order),
            start: if order == TaskOrder::Fifo { start } else { start.saturating_neg() },
            task: task.sid,
        }
    }

    /// `None`: nobody may take it, as long as it stays with this target.
    fn line_key(&self, task: &Task) -> Option<LineKey> {
        let mut key = LineKey {
            queue: task.queue,
            channel: task.channel,
            only: None,
            ignore_capacity: false,
            order: Arc::default(),
            expression: String::new(),
            values: Vec::new(),
        };
        match task.route {
            _ if task.transfer.is_some() => {} // any worker of the queue it was sent to
            Route::Queue(queue) => key.queue = Some(queue),
            Route::Worker { worker, ignore_capacity } => {
                (key.queue, key.only, key.ignore_capacity) = (None, Some(worker), ignore_capacity);
            }
            Route::Workflow { .. } => {
                let target = self.target_of(task)?;
                if let Some(known) = &target.known_worker {
                    key.only = Some(self.known_worker(task, known).ok()?);
                }
                key.order = Arc::new(target.order_by.clone());
                if let Some(expression) = &target.expression {
                    key.expression = expression.as_str().to_owned();
                    let of_task = expression.paths().into_iter().filter(|path| path.root == "task");
                    let value = |path: &crate::Path| {
                        expression::find(task.attributes.json(), &path.steps).map(ToString::to_string)
                    };
                    key.values = of_task.map(|path| value(path).unwrap_or_default()).collect();
                }
            }
        }
        Some(key)
    }

    /// Looks at the foremost task of the line that is due. How many were looked at.
    pub(super) fn match_line(&mut self, now: Timestamp, id: LineId, task: TaskSid) -> usize {
        let (mut spent, mut passed) = (1, false);
        let workers = self.candidates(id, task, &mut spent, &mut passed);
        if !workers.is_empty() {
            self.reserve(now, task, &workers);
        } else if passed {
            self.waiting.pass_over(id);
        } else {
            self.waiting.settle(id);
        }
        spent
    }

    /// Whom to offer a task, whoever comes first in front: as many as its queue allows.
    fn candidates(&self, id: LineId, task: TaskSid, spent: &mut usize, passed: &mut bool) -> Vec<WorkerSid> {
        let (Some(line), Some(task)) = (self.waiting.line(id), self.tasks.get(&task)) else { return Vec::new() };
        let mut fits = |worker: WorkerSid| {
            *spent += 1;
            let fits = self.may_take(task, &line.key, worker);
            let paused = fits && self.pauses.contains_key(&(task.sid, worker));
            let has_it = fits && task.transfer.is_some() && self.holds(task.sid, worker);
            *passed |= paused || has_it;
            fits && !paused && !has_it
        };
        if let Some(worker) = line.key.only {
            return if fits(worker) { vec![worker] } else { Vec::new() };
        }
        let Some(queue) = line.key.queue.and_then(|queue| self.queues.get(&queue)) else { return Vec::new() };
        let left = RESERVATIONS_MAX.saturating_sub(task.reservations.len());
        let at_once = (queue.max_reserved_workers as usize).min(left).max(1);
        let shelf = Shelf { queue: queue.sid, channel: line.key.channel, order: line.key.order.clone() };
        let found: Vec<WorkerSid> = match &line.fresh {
            Fresh::Everybody => {
                self.free.on(&shelf).map(|place| place.worker).filter(|worker| fits(*worker)).take(at_once).collect()
            }
            Fresh::These(workers) => {
                let mut places: Vec<&Place> =
                    workers.iter().filter_map(|worker| self.free.place_of(*worker, &shelf)).collect();
                places.sort();
                places.into_iter().map(|place| place.worker).filter(|worker| fits(*worker)).take(at_once).collect()
            }
        };
        if found.is_empty() { self.initiator(task, &shelf).into_iter().collect() } else { found }
    }

    /// Whoever gives a task to a queue may be the only one there who can take it.
    fn initiator(&self, task: &Task, shelf: &Shelf) -> Option<WorkerSid> {
        let transfer = self.transfers.get(&task.transfer?)?;
        let has_it = |reservation: &ReservationSid| {
            let reservation = self.reservations.get(reservation).filter(|_| *reservation != transfer.reservation);
            reservation.is_some_and(|reservation| reservation.task == task.sid)
        };
        let worker = self.workers.get(&transfer.worker)?;
        let is_free = self.free.place_of(worker.sid, shelf).is_some();
        let is_paused = self.pauses.contains_key(&(task.sid, worker.sid));
        (is_free && !is_paused && !worker.open.iter().any(has_it)).then_some(worker.sid)
    }

    /// Whether a worker may have what waits in a line. Who stands on the line's shelf is known to be free.
    fn may_take(&self, task: &Task, key: &LineKey, sid: WorkerSid) -> bool {
        let Some(worker) = self.workers.get(&sid) else { return false };
        if key.only.is_some() {
            let is_member = key.queue.is_none_or(|queue| self.members.get(&queue).is_some_and(|of| of.contains(&sid)));
            let is_free = self.is_available(worker) && worker.has_room(key.channel, self.workspace.multi_task);
            if !is_member || !(is_free || key.ignore_capacity) {
                return false;
            }
        }
        let Some(expression) = self.target_of(task).and_then(|target| target.expression.as_ref()) else { return true };
        let (task, worker) = (Some(&task.attributes), self.worker_names(worker));
        expression.is_true(&TargetNames { task, worker, channels: &self.channels })
    }
}

/// Where the workers stand that a line is for; nowhere, if it is for one.
fn shelf_of(key: &LineKey) -> Option<Shelf> {
    let queue = key.queue.filter(|_| key.only.is_none())?;
    Some(Shelf { queue, channel: key.channel, order: key.order.clone() })
}
