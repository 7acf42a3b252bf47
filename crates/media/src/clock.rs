//! The media clock: microseconds since the plane started, on the kernel's monotonic clock.
//!
//! One of the files of this crate that touch the outside. Packets carry the kernel's wall-clock time of
//! arrival; the offset between the two clocks is read at each wake-up, so that a step of the wall clock
//! misplaces the packets of one slot and no more.

use std::sync::atomic::{AtomicI64, Ordering};

/// Where the media clock stands. Shared by the media threads and their sockets.
pub(crate) struct MediaClock {
    /// Monotonic time when the media clock showed zero.
    origin_us: i64,
    /// What to take off wall-clock time to get media time.
    wall_offset_us: AtomicI64,
    /// When that was last read, in media time.
    followed_us: AtomicI64,
}

impl MediaClock {
    /// A clock that shows zero now.
    pub(crate) fn new() -> Self {
        let clock = Self {
            origin_us: read_us(libc::CLOCK_MONOTONIC),
            wall_offset_us: AtomicI64::new(0),
            followed_us: AtomicI64::new(0),
        };
        clock.follow_wall_clock();
        clock
    }

    /// The time now.
    pub(crate) fn now_us(&self) -> u64 {
        (read_us(libc::CLOCK_MONOTONIC) - self.origin_us).max(0) as u64
    }

    /// Reads how far the wall clock is ahead.
    pub(crate) fn follow_wall_clock(&self) {
        let now_us = self.now_us() as i64;
        self.wall_offset_us.store(read_us(libc::CLOCK_REALTIME) - now_us, Ordering::Relaxed);
        self.followed_us.store(now_us, Ordering::Relaxed);
    }

    /// Media time of the wall-clock time at which a packet came: not much later than the clock was last read.
    pub(crate) fn at_wall(&self, wall_us: i64) -> u64 {
        let latest_us = self.followed_us.load(Ordering::Relaxed) + TICK_US_MAX;
        (wall_us - self.wall_offset_us.load(Ordering::Relaxed)).clamp(0, latest_us) as u64
    }

    /// What the wall clock shows, in microseconds since 1970, when the media clock shows zero.
    pub(crate) fn wall_zero_us(&self) -> u64 {
        self.wall_offset_us.load(Ordering::Relaxed).max(0) as u64
    }

    /// Sleeps until this time of the media clock; returns at once when it has passed.
    #[allow(unsafe_code)]
    pub(crate) fn sleep_until(&self, media_us: u64) {
        let until_us = self.origin_us + media_us as i64;
        let until = libc::timespec { tv_sec: until_us / 1_000_000, tv_nsec: (until_us % 1_000_000) * 1_000 };
        // An absolute time: interrupted or not, going back to sleep is right, and nothing adds up.
        loop {
            // SAFETY: `until` is a valid timespec that outlives the call; the remainder is not asked for.
            let error = unsafe {
                libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &until, std::ptr::null_mut())
            };
            if error != libc::EINTR {
                return;
            }
        }
    }
}

/// No tick takes longer, so no packet read in it can be younger.
const TICK_US_MAX: i64 = 100_000;

/// Reads a kernel clock; on Linux without entering the kernel.
#[allow(unsafe_code)]
fn read_us(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to. Both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}
