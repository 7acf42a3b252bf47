//! How a leg is doing, measured as it is heard, and told every few seconds.
//!
//! What only needs counting is counted here, tick by tick; what others count anyway (packets, RTCP, the playout buffer)
//! is gathered when somebody asks. A measurement is one event of many that may be given up: when its owner is slow, the
//! next tick tries again, and the call's end tells all in any case.

use model::LegStats;

use crate::emodel::{self, Path};
use crate::mixer;
use crate::speech::FULL_SCALE;
use crate::{Codec, Pulled};

/// One leg's measuring instruments: what every tick touches, in one cache line; and the rest.
#[derive(Debug)]
pub(crate) struct Measure {
    heard: Heard,
    /// What was made up since the last packet that came. It counts once another one comes: what is made up when the peer
    /// has hung up, and nobody knows yet, was never missing.
    made_up_us: u32,
    /// The last digits of what the playout buffer had made up by the last frame, in samples.
    concealed_samples: u32,
    level_in: Level,
    clipped: u32,
    /// Frames sent since the last one whose level was taken.
    unmeasured: u32,
    /// When to tell next; never before there is anything to.
    due_us: u64,
    rare: Box<Rare>,
}

/// What is touched now and then.
#[derive(Debug, Default)]
struct Rare {
    level_out: Level,
    /// What was heard until the last measurement.
    heard_before: Heard,
    buffers_ms: u64,
    turns: u64,
    mos_recent_thousandths: u32,
    mos_lowest_thousandths: u32,
}

/// What was played of the peer.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    voice_us: u64,
    concealed_us: u64,
    bursts: u32,
}

/// The level of some frames: the mean and the highest of their mean squares.
#[derive(Debug, Default)]
struct Level {
    sum: f64,
    frames: u32,
    max: f32,
}

impl Measure {
    /// Allocates: not in a tick.
    pub(crate) fn new() -> Self {
        Self {
            heard: Heard::default(),
            made_up_us: 0,
            concealed_samples: 0,
            level_in: Level::default(),
            clipped: 0,
            unmeasured: 0,
            due_us: u64::MAX,
            rare: Box::default(),
        }
    }

    /// The peer may be heard from now on.
    pub(crate) fn begin(&mut self, now_us: u64) {
        self.due_us = now_us + FIRST_US;
    }

    /// Another playout buffer begins to count.
    pub(crate) fn change_codec(&mut self) {
        self.concealed_samples = 0;
    }

    /// One frame was played; `concealed_samples`: so much the playout buffer has made up by now. It takes back what it
    /// has made up for a pause.
    pub(crate) fn heard(&mut self, pulled: Pulled, codec: Codec, concealed_samples: u64) {
        let concealed_samples = concealed_samples as u32;
        let before = std::mem::replace(&mut self.concealed_samples, concealed_samples);
        let mut now_us = 0;
        if concealed_samples != before {
            let us = |samples: u32| (u64::from(samples) * 1_000_000 / u64::from(codec.rate_hz())) as u32;
            match concealed_samples.wrapping_sub(before) as i32 {
                made_up @ 0.. => now_us = us(made_up.unsigned_abs()),
                taken_back => self.made_up_us = self.made_up_us.saturating_sub(us(taken_back.unsigned_abs())),
            }
            self.made_up_us = self.made_up_us.saturating_add(now_us);
        }
        if pulled == Pulled::Voice {
            self.heard.bursts += u32::from(self.made_up_us > 0);
            self.heard.concealed_us += u64::from(std::mem::take(&mut self.made_up_us));
            self.heard.voice_us += u64::from(FRAME_US.saturating_sub(now_us));
        }
    }

    /// The level of what was played, if anybody could hear it, and whether somebody talks.
    pub(crate) fn level_in(&mut self, level: f32, talks: bool, frame: &[i16]) {
        if talks {
            self.level_in.add(level);
        }
        self.level_in.max = self.level_in.max.max(level);
        // A single sample at full scale gives its frame no less than this: most frames need no closer look.
        let full = f32::from(CLIPPED_FROM);
        if level * frame.len() as f32 >= full * full {
            self.clipped += u32::from(frame.iter().any(|sample| sample.unsigned_abs() >= CLIPPED_FROM as u16));
        }
    }

    /// This was sent; `is_silent`: it is nothing but comfort noise. One frame of [`SENT_EVERY`] is looked at.
    pub(crate) fn sent(&mut self, frame: &[i16], is_silent: bool) {
        self.unmeasured = (self.unmeasured + 1) % SENT_EVERY;
        if self.unmeasured == 0 && !is_silent {
            let level = mixer::level(frame);
            if level > HEARD_MIN {
                self.rare.level_out.add(level);
            }
        }
    }

    /// It is time to tell.
    pub(crate) fn is_due(&self, now_us: u64) -> bool {
        self.due_us <= now_us
    }

    /// Ends the interval that the recent score is about.
    pub(crate) fn turn(&mut self, codec: Codec, stats: &mut LegStats, now_us: u64) {
        self.due_us = now_us + EVERY_US;
        let rare = &mut *self.rare;
        rare.turns += 1;
        rare.buffers_ms += u64::from(stats.buffer_ms);
        let recent = self.heard.since(&rare.heard_before);
        rare.heard_before = self.heard;
        // A pause says nothing about the network.
        if recent.voice_us + recent.concealed_us >= SAMPLE_US_MIN {
            rare.mos_recent_thousandths = recent.mos_thousandths(codec, stats);
            let lowest = Some(rare.mos_lowest_thousandths).filter(|&lowest| lowest > 0);
            rare.mos_lowest_thousandths = rare.mos_recent_thousandths.min(lowest.unwrap_or(u32::MAX));
        }
        self.add_intervals(stats);
    }

    /// Adds what was measured to a leg's statistics, whose delay is known already.
    pub(crate) fn add_to(&self, stats: &mut LegStats, codec: Codec) {
        let Heard { voice_us, concealed_us, bursts } = self.heard;
        (stats.voice_ms, stats.concealed_ms) = (voice_us / 1_000, concealed_us / 1_000);
        stats.concealed_bursts = bursts.into();
        stats.concealed_permille = (concealed_us * 1_000 / (voice_us + concealed_us).max(1)) as u32;
        (stats.level_in_db, stats.level_in_db_max) = (self.level_in.mean_db(), decibel(self.level_in.max));
        stats.level_out_db = self.rare.level_out.mean_db();
        stats.clipped = self.clipped.into();
        stats.mos_thousandths = self.heard.mos_thousandths(codec, stats);
        self.add_intervals(stats);
    }

    fn add_intervals(&self, stats: &mut LegStats) {
        stats.buffer_ms_mean = (self.rare.buffers_ms / self.rare.turns.max(1)) as u32;
        stats.mos_recent_thousandths = self.rare.mos_recent_thousandths;
        stats.mos_lowest_thousandths = self.rare.mos_lowest_thousandths;
    }
}

impl Heard {
    fn since(&self, before: &Self) -> Self {
        Self {
            voice_us: self.voice_us - before.voice_us,
            concealed_us: self.concealed_us - before.concealed_us,
            bursts: self.bursts - before.bursts,
        }
    }

    fn mos_thousandths(&self, codec: Codec, stats: &LegStats) -> u32 {
        // A packet is full before it leaves; then half the round trip, and what we add.
        let delay_us = FRAME_US as f32 + (stats.round_trip_us / 2) as f32 + stats.added_delay_us as f32;
        let (voice_ms, concealed_ms) = (self.voice_us / 1_000, self.concealed_us / 1_000);
        let delay_ms = delay_us / 1_000.0;
        emodel::mos_thousandths(&Path { codec, delay_ms, voice_ms, concealed_ms, bursts: self.bursts.into() })
    }
}

impl Level {
    fn add(&mut self, level: f32) {
        self.sum += f64::from(level);
        self.frames += 1;
    }

    fn mean_db(&self) -> i32 {
        decibel((self.sum / f64::from(self.frames.max(1))) as f32)
    }
}

/// A mean square in dB to full scale; 0 if there was none.
fn decibel(level: f32) -> i32 {
    if level > 0.0 { (10.0 * (level / FULL_SCALE).log10()).round() as i32 } else { 0 }
}

/// The first measurement of a leg, so that those who have just come can be seen …
const FIRST_US: u64 = 1_000_000;

/// … and the time between two: as often as RTCP. Legs come at all times, so that their measurements do, too.
const EVERY_US: u64 = 5_000_000;

/// Less than a second of voice is no sample.
const SAMPLE_US_MIN: u64 = 1_000_000;

const FRAME_US: u32 = 20_000;

/// The loudest that µ-law can say: who comes so far would have gone further. A-law and the others reach beyond.
const CLIPPED_FROM: i16 = 32_124;

/// Of what is sent, six levels a second are enough for a mean.
const SENT_EVERY: u32 = 8;

/// What lies below −60 dBov is noise.
const HEARD_MIN: f32 = FULL_SCALE * 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames played one after the other: `v`oice, `c`oncealed, silence; and a voice after a `p`ause of three frames.
    fn heard(frames: &str) -> LegStats {
        let (mut measure, mut concealed_samples) = (Measure::new(), 0_i64);
        for frame in frames.chars() {
            let (pulled, samples) = match frame {
                'v' => (Pulled::Voice, 0),
                'h' => (Pulled::Voice, 80), // half of it is made up
                'p' => (Pulled::Voice, -480),
                'c' => (Pulled::Concealed, 160),
                _ => (Pulled::Silence, 0),
            };
            concealed_samples += samples;
            measure.heard(pulled, Codec::Pcmu, concealed_samples.unsigned_abs());
        }
        let mut stats = LegStats::default();
        measure.add_to(&mut stats, Codec::Pcmu);
        stats
    }

    #[test]
    fn what_was_made_up_counts_once_the_voice_is_back() {
        for (case, frames, want) in [
            ("nothing came", "....", (0, 0, 0)),
            ("all came", "vvvv", (80, 0, 0)),
            ("one lost", "vvcv", (60, 20, 1)),
            ("two in a row, and one", "vccvcv", (60, 60, 2)),
            ("half of one", "vhv", (50, 10, 1)),
            ("an outage that outlasts concealment", "vccc......v", (40, 60, 1)),
            ("a pause", "vcvccc.pv", (80, 20, 1)),
            ("hung up", "vvvccc...", (60, 0, 0)),
        ] {
            let stats = heard(frames);
            assert_eq!((stats.voice_ms, stats.concealed_ms, stats.concealed_bursts), want, "{case}");
        }
    }

    #[test]
    fn what_every_tick_touches_fits_a_cache_line() {
        assert!(size_of::<Measure>() <= 72, "{} bytes, 8 of them the way to the rest", size_of::<Measure>());
    }

    #[test]
    fn levels_are_of_who_talks_and_clips_of_whoever_is_heard() {
        let mut measure = Measure::new();
        let square = |height: i16| [height; 160];
        for (talks, frame) in [
            (false, square(30)),
            (true, square(3_277)),
            (true, square(-3_277)),
            (false, square(-32_768)),
            (true, [[0; 159].as_slice(), &[32_124]].concat().try_into().expect("160 samples")),
        ] {
            measure.level_in(mixer::level(&frame), talks, &frame);
        }
        measure.level_in(0.0, false, &square(32_767)); // muted: nobody's business
        for (height, is_silent) in [(328, false), (1, false), (32_767, true)] {
            (0..SENT_EVERY).for_each(|_| measure.sent(&square(height), is_silent));
        }
        let mut stats = LegStats::default();
        measure.add_to(&mut stats, Codec::Pcmu);
        // Two frames of −20 dB and one of a single sample, −22 dB.
        assert_eq!((stats.level_in_db, stats.level_in_db_max, stats.clipped), (-21, 0, 2));
        assert_eq!(stats.level_out_db, -40);
    }
}
