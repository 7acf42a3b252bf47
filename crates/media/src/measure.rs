//! How a leg is doing, measured as it is heard, and told every few seconds.
//!
//! What only needs counting is counted here, tick by tick; what others count anyway (packets, RTCP, the playout buffer)
//! is gathered when somebody asks. A measurement is one event of many that may be given up: when its owner is slow, the
//! next tick tries again, and the call's end tells all in any case.

use model::LegStats;

use crate::emodel::{self, Path};
use crate::{Codec, Pulled};

/// One leg's measuring instruments.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    heard: Heard,
    /// What was heard until the last measurement.
    heard_before: Heard,
    /// Frames made up since the last that came. They count once another one comes: what is made up when the peer has
    /// hung up, and nobody knows yet, was never missing.
    made_up: u64,
    due_us: Option<u64>,
    mos_recent_thousandths: u32,
    mos_lowest_thousandths: u32,
}

/// What was played of the peer, in frames.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    voice: u64,
    concealed: u64,
    bursts: u64,
}

impl Measure {
    /// The peer may be heard from now on.
    pub(crate) fn begin(&mut self, now_us: u64) {
        self.due_us.get_or_insert(now_us + FIRST_US);
    }

    /// One frame was played.
    pub(crate) fn heard(&mut self, pulled: Pulled) {
        match pulled {
            Pulled::Voice => {
                self.heard.voice += 1;
                self.heard.bursts += u64::from(self.made_up > 0);
                self.heard.concealed += std::mem::take(&mut self.made_up);
            }
            Pulled::Concealed => self.made_up += 1,
            Pulled::Noise | Pulled::Silence => {}
        }
    }

    /// It is time to tell.
    pub(crate) fn is_due(&self, now_us: u64) -> bool {
        self.due_us.is_some_and(|due_us| due_us <= now_us)
    }

    /// Ends the interval that the recent score is about.
    pub(crate) fn turn(&mut self, codec: Codec, stats: &mut LegStats, now_us: u64) {
        self.due_us = Some(now_us + EVERY_US);
        let recent = self.heard.since(&self.heard_before);
        self.heard_before = self.heard;
        if recent.voice + recent.concealed < FRAMES_MIN {
            return; // a pause says nothing about the network
        }
        self.mos_recent_thousandths = recent.mos_thousandths(codec, stats);
        let lowest = if self.mos_lowest_thousandths == 0 { u32::MAX } else { self.mos_lowest_thousandths };
        self.mos_lowest_thousandths = lowest.min(self.mos_recent_thousandths);
        self.add_scores(stats);
    }

    fn add_scores(&self, stats: &mut LegStats) {
        stats.mos_recent_thousandths = self.mos_recent_thousandths;
        stats.mos_lowest_thousandths = self.mos_lowest_thousandths;
    }

    /// Adds what was measured to a leg's statistics, whose delay is known already.
    pub(crate) fn add_to(&self, stats: &mut LegStats, codec: Codec) {
        let Heard { voice, concealed, bursts } = self.heard;
        (stats.voice, stats.concealed, stats.concealed_bursts) = (voice, concealed, bursts);
        let frames = voice + concealed;
        stats.concealed_permille = permille(concealed, frames);
        stats.stretched_permille = permille(stats.stretched_samples, frames * codec.frame_samples() as u64);
        stats.mos_thousandths = self.heard.mos_thousandths(codec, stats);
        self.add_scores(stats);
    }
}

impl Heard {
    fn since(&self, before: &Self) -> Self {
        Self {
            voice: self.voice - before.voice,
            concealed: self.concealed - before.concealed,
            bursts: self.bursts - before.bursts,
        }
    }

    fn mos_thousandths(&self, codec: Codec, stats: &LegStats) -> u32 {
        // A packet is full before it leaves; then half the round trip, and what we add.
        let delay_ms = FRAME_MS + (stats.round_trip_us / 2 + stats.added_delay_us) as f32 / 1_000.0;
        let Self { voice, concealed, bursts } = *self;
        emodel::mos_thousandths(&Path { codec, delay_ms, voice, concealed, bursts })
    }
}

fn permille(part: u64, whole: u64) -> u32 {
    (part * 1_000 / whole.max(1)) as u32
}

/// The first measurement of a leg, so that those who have just come can be seen …
const FIRST_US: u64 = 1_000_000;

/// … and the time between two: as often as RTCP. Legs come at all times, so that their measurements do, too.
pub(crate) const EVERY_US: u64 = 5_000_000;

/// Less than a second of voice is no sample.
const FRAMES_MIN: u64 = 50;

const FRAME_MS: f32 = 20.0;
