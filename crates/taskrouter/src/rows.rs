//! Rows that remember which of them changed, so that nobody looks for that.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

/// Rows by SID. There is no way to change one that is not noted.
#[derive(Debug)]
pub(crate) struct Rows<K, V> {
    rows: BTreeMap<K, V>,
    changed: BTreeSet<K>,
    /// The same, for whoever counts them; only of rows that are counted.
    uncounted: Option<Vec<K>>,
}

impl<K, V> Default for Rows<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), changed: BTreeSet::new(), uncounted: None }
    }
}

impl<K: Ord + Copy, V> Rows<K, V> {
    /// Rows that are counted.
    pub(crate) fn counted() -> Self {
        Self { uncounted: Some(Vec::new()), ..Self::default() }
    }

    /// A row to be changed.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        self.changed.insert(*key);
        self.uncounted.iter_mut().for_each(|keys| keys.push(*key));
        Some(row)
    }

    pub(crate) fn insert(&mut self, key: K, row: V) -> Option<V> {
        self.note(key);
        self.uncounted.iter_mut().for_each(|keys| keys.push(key));
        self.rows.insert(key, row)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.rows.remove(key)?;
        self.note(*key);
        self.uncounted.iter_mut().for_each(|keys| keys.push(*key));
        Some(row)
    }

    /// Forgets the first row, and that it ever was there. False: there is none.
    pub(crate) fn take_first(&mut self) -> bool {
        self.changed.pop_first();
        self.uncounted.as_mut().and_then(Vec::pop);
        self.rows.pop_first().is_some()
    }

    /// One that has changed, or is gone, since it was counted last; perhaps more than once.
    pub(crate) fn uncounted(&mut self) -> Option<K> {
        self.uncounted.as_mut()?.pop()
    }

    /// Names a row as changed that somebody else has not as it is here.
    pub(crate) fn note(&mut self, key: K) {
        self.changed.insert(key);
    }

    /// One that has changed, or is gone, since it was named last.
    pub(crate) fn poll(&mut self) -> Option<K> {
        self.changed.pop_first()
    }

    /// Everything is as somebody else has it already.
    pub(crate) fn forget_changes(&mut self) {
        self.changed.clear();
    }
}

impl<K, V> Deref for Rows<K, V> {
    type Target = BTreeMap<K, V>;
    fn deref(&self) -> &BTreeMap<K, V> {
        &self.rows
    }
}
