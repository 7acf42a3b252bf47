//! A media thread: the clock and the core that drive a [`Worker`].
//!
//! The one place, beside the sockets, where this crate meets the system: it pins the thread, asks for real-time
//! scheduling, sleeps until the next slot, and measures how late it woke. All of that happens between ticks.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::{io, thread};

use crate::clock::MediaClock;
use crate::stats::ThreadStats;
use crate::suppress;
use crate::worker::{SLOT_US, SLOTS, Tick, Worker};

/// Starts media thread number `number`, which runs `worker` until `stop`.
pub(crate) fn start(
    number: usize,
    worker: Worker,
    clock: Arc<MediaClock>,
    stats: Arc<ThreadStats>,
    stop: Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("media-{number}")).spawn(move || {
        let core = pin(number);
        let real_time = ask_for_real_time();
        if real_time {
            tracing::info!(number, ?core, "media thread runs with real-time priority");
        } else {
            shorten_timer_slack();
            tracing::info!(
                number,
                ?core,
                "media thread runs with ordinary priority: real-time scheduling is not permitted"
            );
        }
        suppress::warm_up();
        run(worker, &clock, &stats, &stop);
    })
}

/// Slot after slot, until `stop`.
fn run(mut worker: Worker, clock: &MediaClock, stats: &ThreadStats, stop: &AtomicBool) {
    let mut run_queue = RunQueue::open();
    let mut occupancy = Occupancy::begin(clock.now_us());
    let mut slot = clock.now_us() / SLOT_US + 1;
    while !stop.load(Ordering::Relaxed) {
        clock.sleep_until(slot * SLOT_US);
        let woke_us = clock.now_us();
        let late_us = woke_us.saturating_sub(slot * SLOT_US);
        stats.woke(late_us);
        clock.follow_wall_clock();
        let ticks = ticks_given_up(late_us);
        if ticks > 0 {
            slot += ticks * SLOTS;
            stats.overruns.add(1);
            stats.ticks_skipped.add(ticks);
        }
        let tick = Tick::new(slot, clock.wall_zero_us());
        worker.take_orders(tick);
        worker.tick(tick);
        let done_us = clock.now_us();
        worker.was_busy(slot, done_us - woke_us);
        let second_over = occupancy.add(woke_us, done_us, stats);
        if late_us > LATE_US {
            stats.late_ticks.add(1);
        }
        if late_us > LATE_US || second_over {
            let waited_us = run_queue.waited_us(stats);
            if late_us.saturating_sub(waited_us) > LATE_US {
                stats.late_ticks_own.add(1);
            }
        }
        slot = worker.next_busy(slot + 1, IDLE_SLOTS);
    }
}

/// The ticks a thread gives up when it is so late: none if it can make up for all of them. Otherwise whole cycles, so
/// that every room keeps its slot.
pub(crate) fn ticks_given_up(late_us: u64) -> u64 {
    if late_us > CATCH_UP_TICKS * SLOTS * SLOT_US { late_us / (SLOTS * SLOT_US) } else { 0 }
}

/// How much of each second the thread is busy.
struct Occupancy {
    began_us: u64,
    busy_us: u64,
}

impl Occupancy {
    fn begin(now_us: u64) -> Self {
        Self { began_us: now_us, busy_us: 0 }
    }

    /// Counts one slot's work; `true` when that ended a second.
    fn add(&mut self, woke_us: u64, done_us: u64, stats: &ThreadStats) -> bool {
        self.busy_us += done_us - woke_us;
        let passed_us = done_us - self.began_us;
        if passed_us < 1_000_000 {
            return false;
        }
        stats.occupancy_permille.set(self.busy_us * 1_000 / passed_us);
        *self = Self::begin(done_us);
        true
    }
}

/// How long this thread stood ready without a core, by `/proc/thread-self/schedstat`: its second number, in
/// nanoseconds. Lateness that the machine caused is not ours.
struct RunQueue {
    file: Option<File>,
    waited_ns: u64,
}

impl RunQueue {
    fn open() -> Self {
        Self { file: File::open("/proc/thread-self/schedstat").ok(), waited_ns: 0 }
    }

    /// The wait since the last call.
    fn waited_us(&mut self, stats: &ThreadStats) -> u64 {
        let mut text = [0; 64];
        let read = self.file.as_ref().and_then(|file| file.read_at(&mut text, 0).ok());
        let waited = read.and_then(|len| std::str::from_utf8(&text[..len]).ok()?.split(' ').nth(1)?.parse().ok());
        let Some(waited_ns) = waited else { return 0 };
        let before_ns = std::mem::replace(&mut self.waited_ns, waited_ns);
        stats.run_queue_wait_ns.set(waited_ns);
        (waited_ns - before_ns.min(waited_ns)) / 1_000
    }
}

/// Gives thread `number` a core of its own among those we may use, leaving the first to everybody else while
/// there are enough. Returns the core.
#[allow(unsafe_code)]
fn pin(number: usize) -> Option<usize> {
    // SAFETY: all-zero is the empty set.
    let mut allowed: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: pointer and size are those of one set.
    if unsafe { libc::sched_getaffinity(0, size_of_val(&allowed), &raw mut allowed) } != 0 {
        return None;
    }
    // SAFETY: every index is below CPU_SETSIZE.
    let is_allowed = |core: &usize| unsafe { libc::CPU_ISSET(*core, &allowed) };
    let cores: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(is_allowed).collect();
    let core = *cores.get((number + 1) % cores.len().max(1))?;
    // SAFETY: as above.
    let mut own: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `core` was found in a set, so it fits one.
    unsafe { libc::CPU_SET(core, &mut own) };
    // SAFETY: pointer and size are those of one set.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&own), &raw const own) };
    (result == 0).then_some(core)
}

/// Asks for `SCHED_FIFO`; `false` when that is not permitted.
#[allow(unsafe_code)]
fn ask_for_real_time() -> bool {
    let priority = libc::sched_param { sched_priority: REAL_TIME_PRIORITY };
    // SAFETY: the parameter is valid and outlives the call; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) == 0 }
}

/// Has the kernel wake this thread when it asked to be woken, not up to 50 µs later.
#[allow(unsafe_code)]
fn shorten_timer_slack() {
    // SAFETY: this option takes one number of nanoseconds and cannot fail.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
}

/// Above everything ordinary, below the kernel's own threads.
const REAL_TIME_PRIORITY: libc::c_int = 10;

/// Missed ticks that are made up for, back to back.
const CATCH_UP_TICKS: u64 = 5;

/// A wake-up this late counts as late.
const LATE_US: u64 = 1_000;

/// The longest sleep of a thread with nothing to do: half a cycle, so that an order does not wait for long.
const IDLE_SLOTS: u64 = 5;
