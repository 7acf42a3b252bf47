//! Deadlines: who wants to be woken when.
//!
//! One entry an owner, moved when its deadline moves, so the queue is never longer than the tables it serves.
//! Setting and taking cost O(log n).

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// A queue of deadlines, at most one for each `K`.
#[derive(Debug)]
pub(crate) struct Deadlines<K> {
    queue: BTreeSet<(Instant, K)>,
    by_owner: HashMap<K, Instant>,
}

impl<K: Copy + Ord + Hash> Deadlines<K> {
    /// Nobody waits.
    pub(crate) fn new() -> Self {
        Self { queue: BTreeSet::new(), by_owner: HashMap::new() }
    }

    /// Wakes `owner` at `at` and no more at the moment it named before; `None` lets it sleep.
    pub(crate) fn set(&mut self, owner: K, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_owner.insert(owner, at),
            None => self.by_owner.remove(&owner),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.queue.remove(&(before, owner));
        }
        if let Some(at) = at {
            self.queue.insert((at, owner));
        }
    }

    /// The earliest moment anybody waits for.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes out one owner whose moment has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (at, owner) = *self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        self.by_owner.remove(&owner);
        Some(owner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn owners_come_in_order_and_at_their_latest_word() {
        let start = Instant::now();
        let at = |s| Some(start + Duration::from_secs(s));
        let mut deadlines = Deadlines::new();
        deadlines.set('a', at(3));
        deadlines.set('b', at(2));
        deadlines.set('c', at(1));
        deadlines.set('a', at(1));
        deadlines.set('c', None);
        assert_eq!((deadlines.next(), deadlines.queue.len()), (at(1), 2));
        assert_eq!(deadlines.pop_due(start), None);
        let late = start + Duration::from_secs(9);
        assert_eq!(
            [deadlines.pop_due(late), deadlines.pop_due(late), deadlines.pop_due(late)],
            [Some('a'), Some('b'), None]
        );
        assert_eq!(deadlines.queue.len(), 0);
    }
}
