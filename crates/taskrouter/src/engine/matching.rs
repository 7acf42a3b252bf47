//! Who gets the task (taskrouter §11).

use std::cmp::Reverse;
use std::collections::hash_map;
use std::ops::Bound::{Excluded, Unbounded};

use super::*;
use crate::free::{Place, Shelf, ShelfId};
use crate::waiting::{Fresh, LineId, LineKey, Rank};
use crate::{KnownWorker, RESERVATIONS_MAX, TargetNames, expression};

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
        let mut looks = 0;
        for queue in self.queues_of.get(&sid).into_iter().flatten() {
            looks += 1;
            for (id, shelf) in self.free.shelves_of(*queue).to_vec() {
                looks += 1;
                if roomy.contains(&shelf.channel)
                    && let Some(place) = self.place(worker, &shelf)
                {
                    self.free.place(id, place);
                }
            }
            for channel in &roomy {
                self.waiting.freshen(*queue, *channel, sid);
            }
        }
        self.steps.set(self.steps.get() + looks / PLACED_FOR_ONE);
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
        self.spend(1);
        let (Some(key), rank) = (self.line_key(task), self.rank(task)) else {
            if let Some(claim) = self.claim(task) {
                self.claims.insert(sid, claim.clone());
                self.unclaimed.entry(claim).or_default().insert(sid);
            }
            return;
        };
        let shelf = shelf_of(&key).map(|shelf| self.free.open(&shelf));
        if let (true, Some(shelf)) = (self.waiting.join(key, rank), shelf) {
            self.free.use_shelf(shelf);
        }
    }

    pub(super) fn leave_line(&mut self, sid: TaskSid) {
        if let Some(shelf) = self.waiting.leave(sid).and_then(|key| shelf_of(&key)) {
            self.free.leave_shelf(&shelf);
        }
        if let Some(claim) = self.claims.remove(&sid)
            && let hash_map::Entry::Occupied(mut tasks) = self.unclaimed.entry(claim)
        {
            tasks.get_mut().remove(&sid);
            if tasks.get().is_empty() {
                tasks.remove();
            }
        }
    }

    /// Whom a task asks for that is not there.
    fn claim(&self, task: &Task) -> Option<Claim> {
        let known = self.target_of(task)?.known_worker.as_ref()?;
        let (KnownWorker::Sid(path) | KnownWorker::FriendlyName(path)) = known;
        let name = expression::find(task.attributes.json(), &path.steps)?.as_str()?;
        match known {
            KnownWorker::Sid(_) => name.parse().ok().map(Claim::Sid),
            KnownWorker::FriendlyName(_) => Some(Claim::Name(name.to_lowercase())),
        }
    }

    /// Puts some of the workers of a queue on a shelf that is new. False: they all stand there.
    fn fill(&mut self, id: ShelfId, shelf: &Shelf, budget: usize) -> bool {
        let Some(last) = self.free.unfilled(id) else { return false };
        let from = last.map_or(Unbounded, Excluded);
        let members = self.members.get(&shelf.queue).into_iter().flat_map(|of| of.range((from, Unbounded)));
        let batch: Vec<WorkerSid> = members.take(budget).copied().collect();
        self.spend(batch.len());
        for sid in &batch {
            // Whoever has changed meanwhile stands there already.
            if self.free.place_of(*sid, id).is_none()
                && let Some(worker) = self.workers.get(sid)
                && self.is_available(worker)
                && worker.has_room(shelf.channel, self.workspace.multi_task)
                && let Some(place) = self.place(worker, shelf)
            {
                self.free.place(id, place);
            }
        }
        let is_whole = batch.len() < budget;
        self.free.filled(id, batch.last().copied().filter(|_| !is_whole));
        !is_whole
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

    /// Looks at the foremost task of the line that is due; what is left of that, at the next piece of work.
    pub(super) fn match_line(&mut self, now: Timestamp, id: LineId, task: TaskSid, budget: usize) {
        self.spend(1);
        let Some(line) = self.waiting.line(id) else { return };
        let (key, is_wide) = (line.key.clone(), line.fresh == Fresh::Everybody);
        let look = match shelf_of(&key).map(|shelf| (self.free.find(&shelf), shelf)) {
            None => self.look_at_one(task, &key),
            Some((None, _)) => Look::default(),
            Some((Some(shelf), of)) if self.fill(shelf, &of, budget) => return,
            Some((Some(shelf), _)) if is_wide => match self.scan(id, task, &key, shelf, budget) {
                Some(look) => look,
                None => return,
            },
            Some((Some(shelf), _)) => self.look_at_fresh(id, task, &key, shelf),
        };
        if !look.found.is_empty() {
            self.reserve(now, task, &look.found);
        } else if look.passed {
            self.waiting.pass_over(id);
        } else {
            self.waiting.settle(id);
        }
    }

    /// Whether a worker is to be offered a task; `passed`: not this one, but others of its line.
    fn fits(&self, task: &Task, key: &LineKey, worker: WorkerSid, passed: &mut bool) -> bool {
        self.spend(1);
        let fits = self.may_take(task, key, worker);
        let paused = fits && self.pauses.contains_key(&(task.sid, worker));
        let has_it = fits && task.transfer.is_some() && self.holds(task.sid, worker);
        *passed |= paused || has_it;
        fits && !paused && !has_it
    }

    /// Of a line that waits for one worker only.
    fn look_at_one(&self, task: TaskSid, key: &LineKey) -> Look {
        let mut look = Look::default();
        if let (Some(task), Some(worker)) = (self.tasks.get(&task), key.only)
            && self.fits(task, key, worker, &mut look.passed)
        {
            look.found.push(worker);
        }
        look
    }

    /// How many workers a task may be offered to at once.
    fn at_once(&self, task: &Task, key: &LineKey) -> usize {
        let most = key.queue.and_then(|queue| self.queues.get(&queue)).map_or(1, |queue| queue.max_reserved_workers);
        (most as usize).min(RESERVATIONS_MAX.saturating_sub(task.reservations.len())).max(1)
    }

    /// Those of these who suit, whoever comes first in front.
    fn choose(
        &self,
        task: &Task,
        key: &LineKey,
        shelf: ShelfId,
        workers: impl Iterator<Item = WorkerSid>,
        passed: &mut bool,
    ) -> Vec<WorkerSid> {
        let mut places: Vec<&Place> = workers.filter_map(|worker| self.free.place_of(worker, shelf)).collect();
        places.sort();
        places.dedup();
        let workers = places.into_iter().map(|place| place.worker);
        workers.filter(|worker| self.fits(task, key, *worker, passed)).collect()
    }

    /// Looks at those who have come since the last look.
    fn look_at_fresh(&self, id: LineId, task: TaskSid, key: &LineKey, shelf: ShelfId) -> Look {
        let mut look = Look::default();
        let (Some(line), Some(task)) = (self.waiting.line(id), self.tasks.get(&task)) else { return look };
        let Fresh::These(workers) = &line.fresh else { return look };
        look.found = self.choose(task, key, shelf, workers.iter().copied(), &mut look.passed);
        look.found.truncate(self.at_once(task, key));
        if look.found.is_empty() {
            look.found.extend(self.initiator(task, shelf));
        }
        look
    }

    /// Looks at everybody, in the order they are to be asked, until enough of them suit. `None`: that goes on.
    fn scan(&mut self, id: LineId, task: TaskSid, key: &LineKey, shelf: ShelfId, budget: usize) -> Option<Look> {
        let before = self.waiting.take_scan(id).filter(|scan| scan.task == Some(task) || !scan.passed);
        let mut scan = before.unwrap_or_default();
        scan.task = Some(task);
        let row = self.tasks.get(&task)?;
        let at_once = self.at_once(row, key);
        let mut is_over = true;
        let mut last = None;
        for (nth, place) in self.free.on(shelf, scan.after.as_ref()).enumerate() {
            if scan.found.len() >= at_once {
                break;
            }
            if nth >= budget {
                is_over = false;
                break;
            }
            last = Some(place);
            if self.fits(row, key, place.worker, &mut scan.passed) {
                scan.found.push(place.worker);
            }
        }
        scan.after = last.cloned().or(scan.after.take());
        if !is_over {
            self.waiting.put_scan(id, scan);
            return None;
        }
        // Who has come to a place before those may come first, and who was found may have gone.
        let mut found = scan.found.clone();
        if !scan.missed.is_empty() || scan.found.len() > at_once {
            let all: BTreeSet<WorkerSid> = scan.found.drain(..).chain(std::mem::take(&mut scan.missed)).collect();
            found = self.choose(row, key, shelf, all.into_iter(), &mut scan.passed);
        }
        scan.found.clear();
        scan.missed.extend(found.drain(at_once.min(found.len())..));
        if found.is_empty() && self.free.on(shelf, scan.after.as_ref()).next().is_some() {
            self.waiting.put_scan(id, scan); // all of them have gone
            return None;
        }
        if found.is_empty() {
            found.extend(self.initiator(row, shelf));
        }
        let look = Look { found, passed: scan.passed };
        // The next of the line begins where this one ended.
        self.waiting.put_scan(id, scan);
        Some(look)
    }

    /// Whoever gives a task to a queue may be the only one there who can take it.
    fn initiator(&self, task: &Task, shelf: ShelfId) -> Option<WorkerSid> {
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

/// What a look at workers has come to.
#[derive(Default)]
struct Look {
    /// Whom the task is to be offered to.
    found: Vec<WorkerSid>,
    /// Somebody may have another task of the line, but not this one.
    passed: bool,
}

/// Places that are found in the time one task or worker is looked at.
const PLACED_FOR_ONE: u64 = 8;

/// Where the workers stand that a line is for; nowhere, if it is for one.
fn shelf_of(key: &LineKey) -> Option<Shelf> {
    let queue = key.queue.filter(|_| key.only.is_none())?;
    Some(Shelf { queue, channel: key.channel, order: key.order.clone() })
}
