//! Workers with room, by queue, channel and order: whoever is to be asked first stands first.
//!
//! A worker stands in every shelf of its queues whose channel it has room on. `order_by` has a shelf of its own, so that
//! a decision walks the workers in the order it would ask them, and stops at the first who fits.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use model::{TaskChannelSid, TaskQueueSid, WorkerSid};

use crate::worker::Idle;
use crate::{Direction, Names, OrderBy, Value};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shelf {
    pub(crate) queue: TaskQueueSid,
    pub(crate) channel: TaskChannelSid,
    pub(crate) order: Arc<OrderBy>,
}

/// Where a worker stands: by the keys of the order, then longest idle, then SID (taskrouter §11).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    keys: Vec<SortKey>,
    idle: Idle,
    pub(crate) worker: WorkerSid,
}

#[derive(Debug, Clone, Copy)]
enum SortKey {
    Number(f64),
    Missing,
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        use std::cmp::Ordering::{Equal, Greater, Less};
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.total_cmp(right),
            (Self::Number(_), Self::Missing) => Less,
            (Self::Missing, Self::Number(_)) => Greater,
            (Self::Missing, Self::Missing) => Equal,
        }
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SortKey {}

impl Place {
    pub(crate) fn new(order: &OrderBy, names: &impl Names, idle: Idle, worker: WorkerSid) -> Self {
        let key = |(path, direction): &(crate::Path, Direction)| {
            let Value::Number(number) = names.value(path) else { return SortKey::Missing };
            let number = number.as_f64().unwrap_or_default() + 0.0; // not −0, which sorts apart
            SortKey::Number(if *direction == Direction::Descending { 0.0 - number } else { number })
        };
        Self { keys: order.0.iter().map(key).collect(), idle, worker }
    }
}

/// A shelf that is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ShelfId(u64);

#[derive(Debug)]
struct SetUp {
    places: BTreeSet<Place>,
    /// How many lines of tasks look here.
    lines: usize,
    filled: Filled,
}

/// Who of a queue stands on a shelf that is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// Those up to this one.
    UpTo(Option<WorkerSid>),
    Whole,
}

/// Every shelf, and where each worker stands.
#[derive(Debug, Default)]
pub(crate) struct FreeWorkers {
    shelves: HashMap<ShelfId, SetUp>,
    by_key: HashMap<Arc<Shelf>, ShelfId>,
    of_queue: HashMap<TaskQueueSid, Vec<(ShelfId, Arc<Shelf>)>>,
    /// Places on shelves that are gone do no harm: they go with the worker's next change.
    places: HashMap<WorkerSid, Vec<(ShelfId, Place)>>,
    last: u64,
}

impl FreeWorkers {
    /// Sets up a shelf, unless there is one. Its workers come to a new one piece by piece ([`FreeWorkers::unfilled`]).
    pub(crate) fn open(&mut self, shelf: &Shelf) -> ShelfId {
        if let Some(id) = self.by_key.get(shelf) {
            return *id;
        }
        self.last += 1;
        let (id, key) = (ShelfId(self.last), Arc::new(shelf.clone()));
        self.shelves.insert(id, SetUp { places: BTreeSet::new(), lines: 0, filled: Filled::UpTo(None) });
        self.of_queue.entry(shelf.queue).or_default().push((id, key.clone()));
        self.by_key.insert(key, id);
        id
    }

    pub(crate) fn find(&self, shelf: &Shelf) -> Option<ShelfId> {
        self.by_key.get(shelf).copied()
    }

    /// One line more looks for workers on a shelf.
    pub(crate) fn use_shelf(&mut self, id: ShelfId) {
        if let Some(shelf) = self.shelves.get_mut(&id) {
            shelf.lines += 1;
        }
    }

    /// One line fewer. Of those that none uses any more, a queue keeps some: the next task may well be of that kind.
    pub(crate) fn leave_shelf(&mut self, shelf: &Shelf) {
        let Some(left) = self.find(shelf).and_then(|id| self.shelves.get_mut(&id)) else { return };
        left.lines = left.lines.saturating_sub(1);
        if left.lines > 0 {
            return;
        }
        let Some(shelves) = self.of_queue.get_mut(&shelf.queue).filter(|shelves| shelves.len() > UNUSED_MAX) else {
            return;
        };
        let is_unused = |id: &ShelfId| self.shelves.get(id).is_none_or(|shelf| shelf.lines == 0);
        let mut unused = shelves.iter().enumerate().filter(|(_, (id, _))| is_unused(id));
        let oldest = unused.next().map(|(at, _)| at);
        if let Some(oldest) = oldest.filter(|_| unused.count() >= UNUSED_MAX) {
            let (id, key) = shelves.remove(oldest);
            self.shelves.remove(&id);
            self.by_key.remove(&key);
        }
    }

    pub(crate) fn shelves_of(&self, queue: TaskQueueSid) -> &[(ShelfId, Arc<Shelf>)] {
        self.of_queue.get(&queue).map_or(&[], Vec::as_slice)
    }

    /// The last worker of the queue that was looked at for a new shelf, if that is not all of them.
    pub(crate) fn unfilled(&self, id: ShelfId) -> Option<Option<WorkerSid>> {
        match self.shelves.get(&id)?.filled {
            Filled::UpTo(last) => Some(last),
            Filled::Whole => None,
        }
    }

    /// Workers of the queue up to this one have been looked at; `None`: all have.
    pub(crate) fn filled(&mut self, id: ShelfId, up_to: Option<WorkerSid>) {
        if let Some(shelf) = self.shelves.get_mut(&id) {
            shelf.filled = up_to.map_or(Filled::Whole, |last| Filled::UpTo(Some(last)));
        }
    }

    pub(crate) fn place(&mut self, id: ShelfId, place: Place) {
        if let Some(shelf) = self.shelves.get_mut(&id) {
            let worker = place.worker;
            shelf.places.insert(place.clone());
            let places = self.places.entry(worker).or_default();
            places.retain(|(id, _)| self.shelves.contains_key(id));
            places.push((id, place));
        }
    }

    /// Takes a worker from wherever it stands.
    pub(crate) fn remove(&mut self, worker: WorkerSid) {
        for (id, place) in self.places.remove(&worker).unwrap_or_default() {
            if let Some(shelf) = self.shelves.get_mut(&id) {
                shelf.places.remove(&place);
            }
        }
    }

    pub(crate) fn close(&mut self, queue: TaskQueueSid) {
        for (id, key) in self.of_queue.remove(&queue).unwrap_or_default() {
            self.shelves.remove(&id);
            self.by_key.remove(&key);
        }
    }

    /// Those on a shelf who come after a place, or all, whoever is to be asked first in front.
    pub(crate) fn on(&self, id: ShelfId, after: Option<&Place>) -> impl Iterator<Item = &Place> {
        let from = after.map_or(Unbounded, Excluded);
        self.shelves.get(&id).into_iter().flat_map(move |shelf| shelf.places.range::<Place, _>((from, Unbounded)))
    }

    pub(crate) fn place_of(&self, worker: WorkerSid, id: ShelfId) -> Option<&Place> {
        let places = self.places.get(&worker)?;
        places.iter().find(|(other, _)| *other == id).map(|(_, place)| place)
    }
}

/// Shelves of one queue that are kept though no line uses them.
const UNUSED_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Path;

    #[test]
    fn shelves_are_closed_that_nobody_uses() {
        let queue = TaskQueueSid::from_bits(1);
        let shelf = |number: usize| {
            let path = Path::parse(&format!("worker.level{number}")).expect("a path");
            let order = Arc::new(OrderBy(vec![(path, Direction::Ascending)]));
            Shelf { queue, channel: TaskChannelSid::from_bits(1), order }
        };
        let mut free = FreeWorkers::default();
        let ids: Vec<ShelfId> = (0..100).map(|number| free.open(&shelf(number))).collect();
        ids.iter().for_each(|id| (0..2).for_each(|_| free.use_shelf(*id)));
        (0..100).for_each(|number| free.leave_shelf(&shelf(number)));
        assert_eq!(free.shelves_of(queue).len(), 100, "each has a line left");
        (1..100).for_each(|number| free.leave_shelf(&shelf(number)));
        assert_eq!(free.shelves_of(queue).len(), UNUSED_MAX + 1);
        assert_eq!(free.open(&shelf(0)), ids[0], "it is used");
        assert_ne!(free.open(&shelf(1)), ids[1], "it was closed");
        assert_eq!(free.open(&shelf(99)), ids[99], "it was left last");
        assert_eq!(free.shelves.len(), free.shelves_of(queue).len());
        assert_eq!(free.by_key.len(), free.shelves.len());
    }

    #[test]
    fn a_shelf_that_is_gone_leaves_nobody_standing_on_the_next_of_its_kind() {
        let shelf =
            Shelf { queue: TaskQueueSid::from_bits(1), channel: TaskChannelSid::from_bits(1), order: Arc::default() };
        let worker = WorkerSid::from_bits(1);
        let mut free = FreeWorkers::default();
        let first = free.open(&shelf);
        let now = model::Timestamp::from_micros(0);
        let channel = crate::TaskChannel { sid: shelf.channel, unique_name: String::new(), optimized: false };
        let row = crate::Worker {
            sid: worker,
            friendly_name: String::new(),
            attributes: crate::Attributes::parse("{}").expect("an object"),
            activity: model::ActivitySid::from_bits(1),
            status_changed: now,
            channels: [(shelf.channel, crate::WorkerChannel::new(now))].into(),
            open: BTreeSet::new(),
            idle_since: now,
            last_reserved: None,
            version: 0,
        };
        let names = crate::WorkerNames { worker: &row, activity_name: "", bare: false };
        let place = Place::new(&shelf.order, &names, row.idle(&channel).expect("it has the channel"), worker);
        free.place(first, place.clone());
        assert_eq!(free.on(first, None).count(), 1);
        assert_eq!(free.on(first, Some(&place)).count(), 0, "nobody comes after");
        free.close(shelf.queue);
        let second = free.open(&shelf);
        assert_eq!((free.place_of(worker, second), free.unfilled(second)), (None, Some(None)));
        free.place(second, place);
        assert_eq!(free.places[&worker].len(), 1, "the old place is forgotten");
    }
}
