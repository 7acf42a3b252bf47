//! How unevenly packets arrive, and hence how long a packet must wait so that the next ones are there in time.
//!
//! *Transit* is arrival less timestamp: the unknown path delay plus what the network adds to this one packet. Its
//! minimum over 2 s stands for the path; what a packet has beyond it is its *relative* delay. The worst of each
//! 500 ms enters a histogram that slowly forgets; a quantile of it is the jitter to be ridden out: what happened in
//! two half seconds of the last few counts, what happened in one does not.
//! After WebRTC's NetEQ, with finer bins; and it starts as on a quiet network instead of giving the first half seconds
//! more weight: after a stall of 300 ms within the first two seconds, the delay is back under 45 ms in 3.4 s instead of
//! 8, and under even jitter nothing more is missed (80 ms of it: 6.0 frames in the first ten seconds instead of 5.6).

use crate::drift::Drift;

/// See the [module](self).
pub(crate) struct Delay {
    /// Least transit in this half second and the three before it, in µs; [`NONE`] where none has come.
    least: [i64; WINDOWS],
    /// Largest relative delay in this half second.
    worst_us: i64,
    window_end_us: u64,
    /// What follows from the past, and is asked for in every tick.
    jitter_us: i64,
    past: Box<Past>,
}

/// What changes twice a second, out of the way of what every packet touches.
struct Past {
    /// Largest relative delay in each of the last half seconds, in no order.
    recent_us: [u32; RECENT],
    recent_next: usize,
    histogram: [f32; BINS.len()],
    drift: Drift,
}

/// No transit is so long.
const NONE: i64 = i64::MAX;
/// Windows of 500 ms; the minimum is taken over all of them.
const WINDOWS: usize = 4;
const WINDOW_US: u64 = 500_000;
/// Half seconds that show what may still happen: 8 s.
const RECENT: usize = 16;
/// What is left of a half second's weight after another: a half-life of 20 s.
const FORGET: f32 = 0.983;
/// So many half seconds must be without a late packet.
const QUANTILE: f32 = 0.97;

/// Where each bin begins, in ms: 2 ms wide to 40, 5 ms to 120, 20 ms to 500.
const BINS: [u16; 56] = {
    let mut bins = [0; 56];
    let mut i = 1;
    while i < bins.len() {
        let step = if bins[i - 1] < 40 {
            2
        } else if bins[i - 1] < 120 {
            5
        } else {
            20
        };
        bins[i] = bins[i - 1] + step;
        i += 1;
    }
    bins
};

impl Delay {
    pub(crate) fn new() -> Delay {
        let mut histogram = [0.0; BINS.len()];
        histogram[0] = 1.0;
        Delay {
            least: [NONE; WINDOWS],
            worst_us: 0,
            window_end_us: 0,
            jitter_us: 0,
            past: Box::new(Past { recent_us: [0; RECENT], recent_next: 0, histogram, drift: Drift::new() }),
        }
    }

    /// Begins anew, as with another stream.
    pub(crate) fn reset(&mut self) {
        (self.least, self.worst_us, self.window_end_us, self.jitter_us) = ([NONE; WINDOWS], 0, 0, 0);
        let past = &mut *self.past;
        past.histogram = [0.0; BINS.len()];
        past.histogram[0] = 1.0;
        (past.recent_us, past.recent_next, past.drift) = ([0; RECENT], 0, Drift::new());
    }

    /// Notes a packet's transit. Returns what it has beyond the least.
    pub(crate) fn push(&mut self, transit_us: i64, arrival_us: u64) {
        if arrival_us >= self.window_end_us {
            self.turn_window(arrival_us);
        }
        self.least[0] = transit_us.min(self.least[0]);
        if let Some(least) = self.least_us() {
            self.worst_us = self.worst_us.max(transit_us - least);
        }
    }

    /// The least transit of the last 2 s; `None` before the first packet.
    pub(crate) fn least_us(&self) -> Option<i64> {
        Some(self.least.into_iter().fold(NONE, i64::min)).filter(|&least| least != NONE)
    }

    /// The relative delay that all but a few half seconds stay below, and lately all: to a bin, and within that bin, which
    /// may be as wide as a packet is long, as far as it was reached twice lately.
    pub(crate) fn jitter_us(&self) -> i64 {
        self.jitter_us
    }

    fn quantile_us(&self) -> i64 {
        let Past { recent_us, histogram, .. } = &*self.past;
        let mut left = 1.0 - QUANTILE;
        // from the worst bin down, until the few are used up
        let bin = (0..BINS.len()).rev().find(|&bin| {
            left -= histogram[bin];
            left < 0.0
        });
        let (worst, second) =
            recent_us.iter().fold(
                (0, 0),
                |(worst, second), &late| {
                    if late > worst { (late, worst) } else { (worst, second.max(late)) }
                },
            );
        let bin = bin.unwrap_or(0).min(bin_of(worst.into()));
        let end = BINS.get(bin + 1).unwrap_or(&BINS[bin]);
        i64::from(second).clamp(i64::from(BINS[bin]) * 1_000, i64::from(*end) * 1_000)
    }

    /// How much faster than ours the sender's clock is, in parts per million; 0 until that is known.
    pub(crate) fn drift_ppm(&self) -> f32 {
        self.past.drift.ppm()
    }

    fn turn_window(&mut self, now_us: u64) {
        let least = self.least[0];
        if least != NONE {
            let past = &mut *self.past;
            past.drift.push(self.window_end_us, least);
            past.histogram.iter_mut().for_each(|weight| *weight *= FORGET);
            past.histogram[bin_of(self.worst_us)] += 1.0 - FORGET;
            past.recent_us[past.recent_next] = u32::try_from(self.worst_us).unwrap_or(u32::MAX);
            past.recent_next = (past.recent_next + 1) % RECENT;
            self.jitter_us = self.quantile_us();
        }
        // after a pause, the windows that passed without a packet are empty, at most all of them
        let passed = (now_us.saturating_sub(self.window_end_us) / WINDOW_US + 1).min(WINDOWS as u64) as usize;
        self.least.rotate_right(passed);
        self.least[..passed].fill(NONE);
        self.worst_us = 0;
        self.window_end_us = now_us - now_us % WINDOW_US + WINDOW_US;
    }
}

fn bin_of(late_us: i64) -> usize {
    BINS.partition_point(|&start| i64::from(start) * 1_000 <= late_us).max(1) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A minute of packets every 20 ms, the `i`th late by `late_us(i)`.
    fn after_a_minute(late_us: impl Fn(i64) -> i64) -> Delay {
        let mut delay = Delay::new();
        for i in 0..3000 {
            let late_us = late_us(i);
            delay.push(7_000 + late_us, (i * 20_000 + late_us) as u64);
        }
        delay
    }

    #[test]
    fn the_jitter_is_what_the_worst_of_nearly_every_half_second_stays_below() {
        for (case, late_us, jitter_us) in [
            ("none", (|_| 0) as fn(i64) -> i64, 0),
            ("half a millisecond", |i| i % 2 * 500, 500),
            ("ten", |i| i % 7 * 10_000 / 6, 10_000),
            ("in the middle of a wide bin", |i| i % 2 * 155_000, 155_000),
            ("one packet in a minute", |i| if i == 1500 { 90_000 } else { 0 }, 0),
            ("one packet in five seconds", |i| if i % 250 == 100 { 90_000 } else { 0 }, 90_000),
            ("until 10 s before the end", |i| if i < 2500 { i % 2 * 30_000 } else { 0 }, 0),
            ("again after 10 s", |i| if (2_400..2_950).contains(&i) { 0 } else { i % 2 * 30_000 }, 30_000),
            ("beyond all bins", |i| i % 2 * 900_000, 500_000),
        ] {
            assert_eq!(after_a_minute(late_us).jitter_us(), jitter_us, "{case}");
        }
    }

    #[test]
    fn the_least_transit_is_of_the_last_two_seconds() {
        let delay = after_a_minute(|i| if i < 2700 { 0 } else { 30_000 });
        assert_eq!(delay.least_us(), Some(37_000));
        let delay = after_a_minute(|i| if i < 2940 { 0 } else { 30_000 });
        assert_eq!(delay.least_us(), Some(7_000));
    }

    #[test]
    fn a_pause_is_forgotten_but_for_the_histogram() {
        let mut delay = after_a_minute(|i| i % 2 * 20_000);
        delay.push(90_000, 3_600_000_000);
        assert_eq!((delay.least_us(), delay.jitter_us()), (Some(90_000), 20_000));
    }
}
