//! Fan-out: what happens once is heard by many, each at its own pace.
//!
//! Whoever follows a key has a queue of its own, bounded. What no longer fits is dropped, and all that follows, until the
//! follower has noticed: it then reads what it missed from where that is kept, and follows again. So nobody who is slow
//! holds up who publishes, and nobody misses anything without being told.
//!
//! ```text
//! publish ─▶ [ e7 e8 e9 ] ─ next ─▶ Item(e7) …        full: [ e7 e8 e9 ] ✗ e10 ✗ e11 ─▶ Item(e9), Lagged, Item(e12)
//! ```

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Hands on what is published, by key.
#[derive(Debug)]
pub struct Fanout<K, T> {
    bounds: FanoutBounds,
    state: Mutex<State<K, T>>,
}

/// Bounds of one [`Fanout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FanoutBounds {
    /// Followers at once.
    pub followers_max: usize,
    /// Those of one key.
    pub followers_per_key_max: usize,
    /// What waits for one follower; with more it lags.
    pub queue_max: usize,
}

/// How much is followed, and how much has been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FanoutCounts {
    /// Followers there are.
    pub followers: usize,
    /// Those for whom there was no room.
    pub refused: u64,
    /// How often one of them lagged.
    pub lagged: u64,
}

/// As many follow as may, or nothing is published any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFollowed {
    /// As many follow as may.
    TooMany,
    /// It is closed.
    Closed,
}

/// What a follower hears next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard<T> {
    /// What was published.
    Item(T),
    /// Some of what was published by now did not fit. What is published from now on is heard again.
    Lagged,
    /// Nothing more will come.
    Closed,
}

#[derive(Debug)]
struct State<K, T> {
    lines: HashMap<K, Vec<Arc<Line<T>>>>,
    counts: FanoutCounts,
    closed: bool,
}

/// What waits for one follower.
#[derive(Debug)]
struct Line<T> {
    waiting: Mutex<Waiting<T>>,
    wake: Notify,
}

#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<T>,
    lags: bool,
    closed: bool,
}

impl<K: Eq + Hash + Clone, T: Clone> Fanout<K, T> {
    /// Nobody follows yet.
    pub fn new(bounds: FanoutBounds) -> Self {
        let state = State { lines: HashMap::new(), counts: FanoutCounts::default(), closed: false };
        Self { bounds, state: Mutex::new(state) }
    }

    /// Follows what is published under that key from now on.
    pub fn follow(self: &Arc<Self>, key: K) -> Result<Follower<K, T>, NotFollowed> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(NotFollowed::Closed);
        }
        let of_key = state.lines.get(&key).map_or(0, Vec::len);
        if state.counts.followers >= self.bounds.followers_max || of_key >= self.bounds.followers_per_key_max {
            state.counts.refused += 1;
            return Err(NotFollowed::TooMany);
        }
        let waiting = Waiting { items: VecDeque::new(), lags: false, closed: false };
        let line = Arc::new(Line { waiting: Mutex::new(waiting), wake: Notify::new() });
        state.lines.entry(key.clone()).or_default().push(Arc::clone(&line));
        state.counts.followers += 1;
        Ok(Follower { fanout: Arc::clone(self), key, line })
    }

    /// Hands `items` to all who follow `key`; they are made only if somebody does.
    pub fn publish<I: IntoIterator<Item = T>>(&self, key: &K, items: impl FnOnce() -> I) {
        let mut state = lock(&self.state);
        let State { lines, counts, .. } = &mut *state;
        let Some(lines) = lines.get(key) else { return };
        for item in items() {
            for line in lines {
                let mut waiting = lock(&line.waiting);
                if waiting.lags {
                    continue;
                }
                if waiting.items.len() >= self.bounds.queue_max {
                    waiting.lags = true;
                    counts.lagged += 1;
                } else {
                    waiting.items.push_back(item.clone());
                }
                drop(waiting);
                line.wake.notify_one();
            }
        }
    }

    /// Nothing more will be published: followers hear what waits for them, and that it was the last.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        for line in state.lines.values().flatten() {
            lock(&line.waiting).closed = true;
            line.wake.notify_one();
        }
    }

    /// How much is followed.
    pub fn counts(&self) -> FanoutCounts {
        lock(&self.state).counts
    }
}

/// One who follows; no longer when it is dropped.
#[derive(Debug)]
pub struct Follower<K: Eq + Hash, T> {
    fanout: Arc<Fanout<K, T>>,
    key: K,
    line: Arc<Line<T>>,
}

impl<K: Eq + Hash, T> Follower<K, T> {
    /// What comes next, as soon as it is there. Nothing is lost if this is given up while it waits.
    pub async fn next(&mut self) -> Heard<T> {
        loop {
            let woken = self.line.wake.notified();
            if let Some(heard) = lock(&self.line.waiting).next() {
                return heard;
            }
            woken.await;
        }
    }
}

impl<T> Waiting<T> {
    fn next(&mut self) -> Option<Heard<T>> {
        if let Some(item) = self.items.pop_front() {
            return Some(Heard::Item(item));
        }
        match (std::mem::take(&mut self.lags), self.closed) {
            (true, _) => Some(Heard::Lagged),
            (false, true) => Some(Heard::Closed),
            (false, false) => None,
        }
    }
}

impl<K: Eq + Hash, T> Drop for Follower<K, T> {
    fn drop(&mut self) {
        let mut state = lock(&self.fanout.state);
        state.counts.followers -= 1;
        if let Some(lines) = state.lines.get_mut(&self.key) {
            lines.retain(|line| !Arc::ptr_eq(line, &self.line));
            if lines.is_empty() {
                state.lines.remove(&self.key);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fanout(followers_max: usize, followers_per_key_max: usize) -> Arc<Fanout<&'static str, u32>> {
        Arc::new(Fanout::new(FanoutBounds { followers_max, followers_per_key_max, queue_max: 3 }))
    }

    #[tokio::test]
    async fn each_hears_its_own_key_in_order() {
        let fanout = fanout(10, 10);
        let (mut ana, mut ben) = (fanout.follow("a").expect("room"), fanout.follow("b").expect("room"));
        fanout.publish(&"a", || [1, 2]);
        fanout.publish(&"b", || [3]);
        fanout.publish(&"c", || -> [u32; 0] { panic!("nobody follows, so nothing is made") });
        let heard = [ana.next().await, ana.next().await, ben.next().await];
        assert_eq!(heard, [Heard::Item(1), Heard::Item(2), Heard::Item(3)]);
        let waits = ana.next();
        fanout.publish(&"a", || [4]);
        assert_eq!(waits.await, Heard::Item(4));
    }

    #[tokio::test]
    async fn who_is_slow_is_told_and_holds_up_nobody() {
        let fanout = fanout(10, 10);
        let (mut slow, mut quick) = (fanout.follow("a").expect("room"), fanout.follow("a").expect("room"));
        for number in 1..=5 {
            fanout.publish(&"a", || [number]);
            assert_eq!(quick.next().await, Heard::Item(number));
        }
        for want in [Heard::Item(1), Heard::Item(2), Heard::Item(3), Heard::Lagged] {
            assert_eq!(slow.next().await, want);
        }
        fanout.publish(&"a", || [6]);
        assert_eq!(slow.next().await, Heard::Item(6), "and follows again");
        assert_eq!(fanout.counts(), FanoutCounts { followers: 2, refused: 0, lagged: 1 });
    }

    #[tokio::test]
    async fn followers_are_counted_and_bounded() {
        let fanout = fanout(3, 2);
        let first = fanout.follow("a").expect("room");
        let second = fanout.follow("a").expect("room");
        assert_eq!(fanout.follow("a").err(), Some(NotFollowed::TooMany), "two of a key");
        let third = fanout.follow("b").expect("room");
        assert_eq!(fanout.follow("c").err(), Some(NotFollowed::TooMany), "three in all");
        drop((first, third));
        let _fourth = fanout.follow("a").expect("room again");
        assert_eq!(fanout.counts(), FanoutCounts { followers: 2, refused: 2, lagged: 0 });
        drop(second);
    }

    #[tokio::test]
    async fn the_last_is_heard_before_the_end() {
        let fanout = fanout(3, 3);
        let mut ana = fanout.follow("a").expect("room");
        fanout.publish(&"a", || [1]);
        fanout.close();
        assert_eq!(
            [ana.next().await, ana.next().await, ana.next().await],
            [Heard::Item(1), Heard::Closed, Heard::Closed]
        );
        assert_eq!(fanout.follow("a").err(), Some(NotFollowed::Closed));
    }
}
