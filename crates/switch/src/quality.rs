//! How all legs are doing together, for those who watch the whole bridge.
//!
//! Numbers of single legs are in the calls' own records. Here they are counted into a few bins, so that ten thousand legs
//! cost no more than one to keep, to read and to store: each leg is one sample every few seconds, so that a bin grows by
//! the time that legs have spent in it.

use model::LegStats;

/// How legs have been doing since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Estimated mean opinion score, in thousandths.
    pub mos_thousandths: Histogram,
    /// Interarrival jitter, in microseconds.
    pub jitter_us: Histogram,
    /// Packets lost of those sent to us, in millionths.
    pub lost_ppm: Histogram,
    /// What we add to the way of a voice, in microseconds.
    pub added_delay_us: Histogram,
    /// What was played as it came.
    pub voice_ms: u64,
    /// What had to be made up.
    pub concealed_ms: u64,
    /// Samples left out or repeated.
    pub stretched_samples: u64,
    /// Frames of 20 ms with samples at full scale.
    pub clipped: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came too late.
    pub late: u64,
}

/// How often a number fell between which bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram {
    /// The highest number of each bin.
    pub bounds: &'static [u32; BINS],
    /// How often it fell into each.
    pub counts: [u64; BINS],
    /// How often it was higher.
    pub above: u64,
    /// All numbers together.
    pub sum: u64,
}

/// Bins of a histogram.
pub(crate) const BINS: usize = 10;

const MOS_THOUSANDTHS: [u32; BINS] = [1_500, 2_000, 2_500, 3_000, 3_300, 3_600, 3_900, 4_100, 4_300, 4_500];
const JITTER_US: [u32; BINS] = [250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000];
const LOST_PPM: [u32; BINS] = [0, 1_000, 2_500, 5_000, 10_000, 20_000, 30_000, 50_000, 100_000, 200_000];
const ADDED_DELAY_US: [u32; BINS] = [5_000, 10_000, 15_000, 20_000, 30_000, 40_000, 60_000, 100_000, 200_000, 400_000];

impl Quality {
    pub(crate) const fn new() -> Self {
        Self {
            mos_thousandths: Histogram::new(&MOS_THOUSANDTHS),
            jitter_us: Histogram::new(&JITTER_US),
            lost_ppm: Histogram::new(&LOST_PPM),
            added_delay_us: Histogram::new(&ADDED_DELAY_US),
            voice_ms: 0,
            concealed_ms: 0,
            stretched_samples: 0,
            clipped: 0,
            lost: 0,
            late: 0,
        }
    }

    /// A leg that lives has been measured, and before.
    pub(crate) fn measured(&mut self, before: &LegStats, now: &LegStats) {
        self.count(before, now);
        let packets_in = now.packets_in.saturating_sub(before.packets_in);
        if packets_in == 0 {
            return; // on hold at the phone's end, or gone: that says nothing about the network
        }
        let lost = now.lost.saturating_sub(before.lost);
        self.lost_ppm.count(lost * 1_000_000 / (lost + packets_in));
        self.jitter_us.count(now.jitter_us.into());
        self.added_delay_us.count(now.added_delay_us.into());
        if now.mos_recent_thousandths > 0 {
            self.mos_thousandths.count(now.mos_recent_thousandths.into());
        }
    }

    /// A leg was measured for the last time, or before.
    pub(crate) fn count(&mut self, before: &LegStats, now: &LegStats) {
        self.voice_ms += now.voice_ms.saturating_sub(before.voice_ms);
        self.concealed_ms += now.concealed_ms.saturating_sub(before.concealed_ms);
        self.stretched_samples += now.stretched_samples.saturating_sub(before.stretched_samples);
        self.clipped += now.clipped.saturating_sub(before.clipped);
        self.lost += now.lost.saturating_sub(before.lost);
        self.late += now.late.saturating_sub(before.late);
    }
}

impl Histogram {
    const fn new(bounds: &'static [u32; BINS]) -> Self {
        Self { bounds, counts: [0; BINS], above: 0, sum: 0 }
    }

    fn count(&mut self, number: u64) {
        self.sum += number;
        match self.bounds.iter().position(|&bound| number <= bound.into()) {
            Some(bin) => self.counts[bin] += 1,
            None => self.above += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_between_two_measurements_is_counted_once() {
        let mut quality = Quality::new();
        let first = LegStats { packets_in: 50, voice_ms: 1_000, mos_recent_thousandths: 4_409, ..LegStats::default() };
        quality.measured(&LegStats::default(), &first);
        let second = LegStats {
            packets_in: 290,
            lost: 10,
            voice_ms: 5_800,
            concealed_ms: 200,
            jitter_us: 250,
            mos_recent_thousandths: 3_950,
            ..first
        };
        quality.measured(&first, &second);
        let last = LegStats { packets_in: 300, lost: 12, voice_ms: 6_000, concealed_ms: 240, ..second };
        quality.count(&second, &last);
        assert_eq!((quality.voice_ms, quality.concealed_ms, quality.lost), (6_000, 240, 12));
        assert_eq!(quality.mos_thousandths.counts, [0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
        assert_eq!((quality.mos_thousandths.above, quality.mos_thousandths.sum), (0, 8_359));
        assert_eq!(quality.lost_ppm.counts, [1, 0, 0, 0, 0, 0, 0, 1, 0, 0], "none of 50, then 10 of 250");
        assert_eq!(quality.jitter_us.counts[0], 2);
        quality.measured(&last, &last);
        assert_eq!(quality.jitter_us.counts[0], 2, "who sends nothing is no sample");
    }
}
