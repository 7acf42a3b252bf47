//! What each media thread counts about itself, for anybody to read at any time.
//!
//! Relaxed atomics: a reader sees each number right, but not all of one instant.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds, in microseconds, of the lateness histogram's bins; one more bin counts what is later.
pub const LATENESS_BOUNDS_US: [u64; 8] = [50, 100, 250, 500, 1_000, 2_000, 5_000, 20_000];

/// A number that only ever grows, or that its one owner sets.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number as of about now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// One media thread's counters.
#[derive(Debug, Default)]
pub struct ThreadStats {
    /// Room ticks run.
    pub ticks: Counter,
    /// Wake-ups more than 1 ms after the planned instant.
    pub late_ticks: Counter,
    /// Of these, the ones that stay late when the time spent waiting for a core is taken off.
    pub late_ticks_own: Counter,
    /// Times the thread fell so far behind that it gave up ticks to be on time again (`tick_overrun`).
    pub overruns: Counter,
    /// 20 ms ticks given up so.
    pub ticks_skipped: Counter,
    /// Lateness of wake-ups, in the bins of [`LATENESS_BOUNDS_US`].
    pub lateness: [Counter; LATENESS_BOUNDS_US.len() + 1],
    /// All lateness together, in microseconds.
    pub lateness_us_total: Counter,
    /// The longest lateness seen, in microseconds.
    pub lateness_us_max: Counter,
    /// Share of the last second the thread was busy, in thousandths.
    pub occupancy_permille: Counter,
    /// Nanoseconds this thread stood ready but got no core, as the kernel counts them.
    pub run_queue_wait_ns: Counter,
    /// Legs on this thread now.
    pub legs: Counter,
    /// Rooms on this thread now, or parts of them.
    pub rooms: Counter,
    /// RTP packets accepted.
    pub packets_in: Counter,
    /// RTP packets sent.
    pub packets_out: Counter,
    /// Commands for a leg or a room that is not there, or beyond a bound.
    pub commands_dropped: Counter,
    /// Parts of rooms on several threads that the others had to mix without: their thread was too late.
    pub parts_missed: Counter,
    /// Events that were given up: digits that came faster than keys can be pressed, and the end of a sound whose
    /// successor had ended, too, before the owner asked.
    pub events_dropped: Counter,
}

impl ThreadStats {
    pub(crate) fn woke(&self, late_us: u64) {
        let bin = LATENESS_BOUNDS_US.iter().position(|&bound| late_us <= bound).unwrap_or(LATENESS_BOUNDS_US.len());
        self.lateness[bin].add(1);
        self.lateness_us_total.add(late_us);
        if late_us > self.lateness_us_max.get() {
            self.lateness_us_max.set(late_us);
        }
    }
}
