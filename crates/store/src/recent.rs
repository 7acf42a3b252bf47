//! What was read a moment ago, and asked for with every request: whose credentials these are.
//!
//! What this process changes is forgotten as it is changed; what another one has changed (`partyline key` beside a bridge
//! that runs) is seen when what was read has grown old.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Rows as they were read, none of them for long.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    state: Mutex<State<K, V>>,
}

#[derive(Debug)]
struct State<K, V> {
    rows: HashMap<K, (Instant, V)>,
    /// How often something has been forgotten.
    changes: u64,
}

/// Goes before a read; without it, what was read before a change could be kept after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before(u64);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { state: Mutex::new(State { rows: HashMap::new(), changes: 0 }) }
    }
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// The row as it was read, or what is needed to keep it once it has been.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Result<V, Before> {
        let state = self.lock();
        match state.rows.get(key) {
            Some((read, row)) if now.saturating_duration_since(*read) < AGE_MAX => Ok(row.clone()),
            _ => Err(Before(state.changes)),
        }
    }

    /// Keeps a row that was read at `now` or later.
    pub(crate) fn keep(&self, before: Before, key: K, row: V, now: Instant) {
        let mut state = self.lock();
        if state.changes != before.0 {
            return;
        }
        if state.rows.len() >= ROWS_MAX {
            state.rows.retain(|_, (read, _)| now.saturating_duration_since(*read) < AGE_MAX);
        }
        if state.rows.len() < ROWS_MAX {
            state.rows.insert(key, (now, row));
        }
    }

    /// It has changed, or is gone.
    pub(crate) fn forget(&self, key: &K) {
        let mut state = self.lock();
        state.changes += 1;
        state.rows.remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a row is as good as read.
const AGE_MAX: Duration = Duration::from_secs(1);
/// Rows kept; with more, the others are read each time.
const ROWS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_kept_for_a_second_unless_it_changes() {
        let (recent, begin) = (Recent::<u8, &str>::default(), Instant::now());
        let before = recent.get(&1, begin).expect_err("nothing has been read");
        recent.keep(before, 1, "one", begin);
        assert_eq!(recent.get(&1, begin + AGE_MAX / 2).ok(), Some("one"));
        let before = recent.get(&1, begin + AGE_MAX).expect_err("is old");
        recent.forget(&1);
        recent.keep(before, 1, "as it was before", begin + AGE_MAX);
        assert!(recent.get(&1, begin + AGE_MAX).is_err(), "it was read before it changed");
    }

    #[test]
    fn there_are_never_too_many() {
        let (recent, begin) = (Recent::<usize, ()>::default(), Instant::now());
        let read = |key, at| recent.get(&key, at).map_err(|before| recent.keep(before, key, (), at)).is_ok();
        (0..ROWS_MAX).for_each(|key| assert!(!read(key, begin)));
        assert_eq!((read(ROWS_MAX, begin), read(ROWS_MAX, begin)), (false, false), "there is no room");
        let later = begin + AGE_MAX;
        assert_eq!((read(ROWS_MAX, later), read(ROWS_MAX, later)), (false, true), "the old ones make some");
    }
}
