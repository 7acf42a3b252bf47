//! Workers with room, by queue, channel and order: whoever is to be asked first stands first.
//!
//! A worker stands in every shelf of its queues whose channel it has room on. `order_by` has a shelf of its own, so that
//! a decision walks the workers in the order it would ask them, and stops at the first who fits.

use std::collections::{BTreeSet, HashMap};
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

/// Every shelf, and where each worker stands.
#[derive(Debug, Default)]
pub(crate) struct FreeWorkers {
    shelves: HashMap<Shelf, BTreeSet<Place>>,
    /// How many lines of tasks use a shelf; those that none does are not here.
    used: HashMap<Shelf, usize>,
    of_queue: HashMap<TaskQueueSid, Vec<Shelf>>,
    places: HashMap<WorkerSid, Vec<(Shelf, Place)>>,
}

impl FreeWorkers {
    /// Sets up a shelf. True: it is new, and its workers are to be placed.
    pub(crate) fn open(&mut self, shelf: &Shelf) -> bool {
        if self.shelves.contains_key(shelf) {
            return false;
        }
        self.shelves.insert(shelf.clone(), BTreeSet::new());
        self.of_queue.entry(shelf.queue).or_default().push(shelf.clone());
        true
    }

    /// One line more looks for workers on a shelf.
    pub(crate) fn use_shelf(&mut self, shelf: &Shelf) {
        *self.used.entry(shelf.clone()).or_default() += 1;
    }

    /// One line fewer. Of those that none uses any more, a queue keeps some: the next task may well be of that kind.
    pub(crate) fn leave_shelf(&mut self, shelf: &Shelf) {
        let Some(lines) = self.used.get_mut(shelf) else { return };
        *lines = lines.saturating_sub(1);
        if *lines > 0 {
            return;
        }
        self.used.remove(shelf);
        let Some(shelves) = self.of_queue.get_mut(&shelf.queue) else { return };
        if shelves.len() <= UNUSED_MAX {
            return;
        }
        let mut unused = shelves.iter().enumerate().filter(|(_, shelf)| !self.used.contains_key(shelf));
        let oldest = unused.next().map(|(at, _)| at);
        if let Some(oldest) = oldest.filter(|_| unused.count() >= UNUSED_MAX) {
            let oldest = shelves.remove(oldest);
            self.clear(&oldest);
        }
    }

    fn clear(&mut self, shelf: &Shelf) {
        for place in self.shelves.remove(shelf).unwrap_or_default() {
            if let Some(places) = self.places.get_mut(&place.worker) {
                places.retain(|(other, _)| other != shelf);
            }
        }
    }

    pub(crate) fn shelves_of(&self, queue: TaskQueueSid) -> &[Shelf] {
        self.of_queue.get(&queue).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn place(&mut self, shelf: &Shelf, place: Place) {
        if let Some(places) = self.shelves.get_mut(shelf) {
            self.places.entry(place.worker).or_default().push((shelf.clone(), place.clone()));
            places.insert(place);
        }
    }

    /// Takes a worker from wherever it stands.
    pub(crate) fn remove(&mut self, worker: WorkerSid) {
        for (shelf, place) in self.places.remove(&worker).unwrap_or_default() {
            if let Some(places) = self.shelves.get_mut(&shelf) {
                places.remove(&place);
            }
        }
    }

    pub(crate) fn close(&mut self, queue: TaskQueueSid) {
        for shelf in self.of_queue.remove(&queue).unwrap_or_default() {
            self.clear(&shelf);
        }
    }

    /// Everybody on a shelf, whoever is to be asked first in front.
    pub(crate) fn on(&self, shelf: &Shelf) -> impl Iterator<Item = &Place> {
        self.shelves.get(shelf).into_iter().flatten()
    }

    pub(crate) fn place_of(&self, worker: WorkerSid, shelf: &Shelf) -> Option<&Place> {
        let places = self.places.get(&worker)?;
        places.iter().find(|(other, _)| other == shelf).map(|(_, place)| place)
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
        for number in 0..100 {
            assert!(free.open(&shelf(number)));
            (0..2).for_each(|_| free.use_shelf(&shelf(number)));
        }
        (0..100).for_each(|number| free.leave_shelf(&shelf(number)));
        assert_eq!(free.shelves_of(queue).len(), 100, "each has a line left");
        (1..100).for_each(|number| free.leave_shelf(&shelf(number)));
        assert_eq!(free.shelves_of(queue).len(), UNUSED_MAX + 1);
        assert!(!free.open(&shelf(0)), "it is used");
        assert!(free.open(&shelf(1)), "it was closed");
        assert!(!free.open(&shelf(99)), "it was left last");
        assert_eq!(free.shelves.len(), free.shelves_of(queue).len());
    }
}
