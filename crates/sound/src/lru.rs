//! What was used last, within a bound of bytes.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Keeps values until all of them take more than so many bytes; the one that was not used for longest goes first.
#[derive(Debug)]
pub struct Lru<K, V> {
    bytes_max: usize,
    bytes: usize,
    /// Counts uses.
    now: u64,
    entries: HashMap<K, Entry<V>>,
    /// By their last use.
    uses: BTreeMap<u64, K>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    /// An empty one that holds up to `bytes_max`.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, now: 0, entries: HashMap::new(), uses: BTreeMap::new() }
    }

    /// The value, which counts as a use.
    pub fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.get_mut(key)?;
        self.now += 1;
        let key = self.uses.remove(&std::mem::replace(&mut entry.used, self.now))?;
        self.uses.insert(self.now, key);
        Some(&entry.value)
    }

    /// Keeps a value in place of the one there was. What is larger than all there is room for is not kept.
    pub fn insert(&mut self, key: K, value: V, bytes: usize) {
        self.remove(&key);
        if bytes > self.bytes_max {
            return;
        }
        self.bytes += bytes;
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.uses.pop_first() else { break };
            self.bytes -= self.entries.remove(&oldest).map_or(0, |entry| entry.bytes);
        }
        self.now += 1;
        self.uses.insert(self.now, key.clone());
        self.entries.insert(key, Entry { value, bytes, used: self.now });
    }

    /// Forgets a value.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let entry = self.entries.remove(key)?;
        self.uses.remove(&entry.used);
        self.bytes -= entry.bytes;
        Some(entry.value)
    }

    /// What all values take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut lru = Lru::new(10);
        lru.insert("a", 1, 4);
        lru.insert("b", 2, 4);
        assert_eq!(lru.get("a").copied(), Some(1));
        lru.insert("c", 3, 4);
        assert_eq!((lru.get("a").copied(), lru.bytes()), (Some(1), 8));
        assert_eq!((lru.get("b").copied(), lru.get("c").copied()), (None, Some(3)));
        lru.insert("c", 4, 6);
        assert_eq!((lru.get("c").copied(), lru.get("a").copied(), lru.bytes()), (Some(4), Some(1), 10));
        lru.insert("d", 5, 11);
        assert_eq!((lru.get("d").copied(), lru.bytes()), (None, 10), "too large to be kept");
        lru.insert("e", 6, 10);
        assert_eq!((lru.get("e").copied(), lru.get("a").copied(), lru.get("c").copied()), (Some(6), None, None));
        assert_eq!((lru.remove("e"), lru.bytes()), (Some(6), 0));
        assert!(lru.entries.is_empty() && lru.uses.is_empty());
    }
}
