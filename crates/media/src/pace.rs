//! How long packets wait before they are played, and hence when a stream is played faster or slower for a moment.
//!
//! *Headroom* is how long before its turn the least delayed packet arrives. It should be the network's jitter and a
//! little more: with less, late packets are missed; with more, people talk into each other's words.
//!
//! `│ jitter │ repeat │  as it came  │ drop whole granules …` by what headroom there is
//!
//! Voices are stretched by a period at a time, seldom enough that nobody hears it. Data (a modem, an alarm, a text
//! telephone) never is: it waits for all the jitter there may be from the start, and leaves out whole frames where
//! its clock has filled the buffer.

/// The most jitter that is ridden out, whatever the network does: Twilio's `JitterBufferSize`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum JitterBuffer {
    /// None: a packet that misses its turn is dropped.
    Off,
    /// 60 ms.
    Small,
    /// 120 ms.
    Medium,
    /// 400 ms.
    #[default]
    Large,
}

impl JitterBuffer {
    fn cap_us(self) -> i64 {
        match self {
            JitterBuffer::Off => 0,
            JitterBuffer::Small => 60_000,
            JitterBuffer::Medium => 120_000,
            JitterBuffer::Large => 400_000,
        }
    }
}

/// See the [module](self).
pub(crate) struct Pace {
    jitter_buffer: JitterBuffer,
    data_mode: bool,
    /// Samples to be played before the next one is dropped or repeated: nobody hears 5 %. Below zero, as many too many
    /// have been played already, up to a frame.
    steady: i32,
    /// So often in a row nothing was found that could be dropped or repeated.
    misses: u32,
}

/// What to do to the sound that lies ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plan {
    Keep,
    /// Repeat a period, or in silence so many samples.
    Repeat(usize),
    /// Leave out a period.
    Drop(Cut),
    /// Leave out a whole frame, whatever is in it.
    DropFrame,
}

/// What may be left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cut {
    /// Samples at most.
    pub(crate) most: usize,
    /// How much less alike than usual the sides of the cut may be.
    pub(crate) hurry: f32,
    /// Noise may be cut, too.
    pub(crate) noise_too: bool,
}

/// How a stream stands.
pub(crate) struct Standing {
    pub(crate) headroom_us: i64,
    pub(crate) jitter_us: i64,
    /// Samples ahead beyond whole granules.
    pub(crate) over: usize,
    /// What packets and frames have in common, and a frame, in samples.
    pub(crate) granule: usize,
    pub(crate) frame: usize,
}

/// What the least delayed packet has left before its turn, beyond the jitter: a stream begins with at least so much, …
const HEADROOM_START_US: i64 = 1_000;
/// … is slowed down below this, …
const HEADROOM_LOW_US: i64 = 750;
/// … and sped up so as to keep this.
const HEADROOM_TARGET_US: i64 = 3_000;
/// So far beyond the target, it is sped up by 10 % instead of 5 %, and wherever it is.
const HURRY_US: i64 = 100_000;
/// After so many misses in a row it is tried every 160 ms: often enough for the pauses of speech.
const MISSES_MAX: u32 = 4;
const FRAME_US: i64 = 20_000;

impl Pace {
    pub(crate) fn new(jitter_buffer: JitterBuffer, data_mode: bool) -> Pace {
        Pace { jitter_buffer, data_mode, steady: 0, misses: 0 }
    }

    pub(crate) fn set_jitter_buffer(&mut self, jitter_buffer: JitterBuffer) {
        self.jitter_buffer = jitter_buffer;
    }

    pub(crate) fn set_data_mode(&mut self, data_mode: bool) {
        self.data_mode = data_mode;
    }

    /// Nothing that was sent may be changed.
    pub(crate) fn is_data(&self) -> bool {
        self.data_mode
    }

    /// Is this as much as may be waited for? What is late then has no turn any more.
    pub(crate) fn is_at_cap(&self, headroom_us: i64) -> bool {
        headroom_us >= self.jitter_buffer.cap_us()
    }

    /// Is this more than ever has to be waited for, at a tick?
    pub(crate) fn is_beyond_cap(&self, headroom_us: i64) -> bool {
        headroom_us >= self.jitter_buffer.cap_us() + HEADROOM_START_US + FRAME_US
    }

    /// Is there headroom enough to begin?
    pub(crate) fn may_begin(&self, headroom_us: i64, jitter_us: i64) -> bool {
        let wait_us = if self.data_mode { self.jitter_buffer.cap_us() } else { self.ridden_out_us(jitter_us) };
        headroom_us >= wait_us + HEADROOM_START_US
    }

    /// Of the network's jitter, what we are asked to ride out.
    fn ridden_out_us(&self, jitter_us: i64) -> i64 {
        jitter_us.min(self.jitter_buffer.cap_us())
    }

    /// A frame is being played.
    pub(crate) fn play(&mut self, frame: usize) {
        let frame = frame as i32;
        self.steady = (self.steady - frame).max(-frame);
    }

    /// What to do now; afterwards, [`Pace::done`] says what became of it.
    pub(crate) fn plan(&self, now: &Standing) -> Plan {
        if self.steady > 0 {
            return Plan::Keep;
        }
        if self.data_mode {
            // jitter beyond the cap has made its own room: it is not taken back as long as it may come again
            let most_us = self.jitter_buffer.cap_us().max(now.jitter_us) + HEADROOM_TARGET_US + 2 * FRAME_US;
            return if now.headroom_us > most_us { Plan::DropFrame } else { Plan::Keep };
        }
        let spare_us = now.headroom_us - self.ridden_out_us(now.jitter_us);
        if spare_us < HEADROOM_LOW_US {
            return Plan::Repeat(now.granule - now.over);
        }
        // what is over a whole granule delays and helps nobody: it may go whatever is spare
        let beyond_us = (spare_us - HEADROOM_TARGET_US).max(0);
        let (beyond, granule) = (beyond_us as usize * now.frame, now.granule * FRAME_US as usize);
        if now.over == 0 && beyond < granule {
            return Plan::Keep;
        }
        let granules = beyond / granule;
        let most = now.over + granules * now.granule;
        // what resembles nothing, as music or noise, must not delay us for ever: the more waits, the less is asked
        let hurry = beyond_us as f32 / HURRY_US as f32;
        // a noise is left as it came unless that makes it a whole frame earlier, or it has been cut before
        Plan::Drop(Cut { most, hurry, noise_too: now.over > 0 || granules * now.granule >= now.frame })
    }

    /// So many samples were dropped or repeated: leaves the sound as it is for a while. If there was nothing to be
    /// done to it, for one frame, then for two, and so on: what cannot be cut now can hardly be cut 20 ms later, and
    /// looking costs more than playing.
    pub(crate) fn done(&mut self, stretched: usize, plan: Plan, frame: usize) {
        let pace = if matches!(plan, Plan::Drop(cut) if cut.hurry > 1.0) { 10 } else { 20 };
        if stretched > 0 {
            self.misses = 0;
            self.steady += stretched as i32 * pace;
        } else {
            self.misses = (self.misses + 1).min(MISSES_MAX);
            self.steady = (frame as i32) << (self.misses - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_nothing_is_tried_ever_less_often() {
        let mut pace = Pace::new(JitterBuffer::Large, false);
        let mut after = |found: usize| {
            pace.done(found, Plan::Repeat(160), 160);
            let steady = pace.steady;
            (0..100).for_each(|_| pace.play(160));
            steady
        };
        assert_eq!([0, 0, 0, 0, 0, 37, 0].map(&mut after), [160, 320, 640, 1_280, 1_280, 740 - 160, 160]);
    }

    #[test]
    fn headroom_decides() {
        let plan = |jitter_buffer, data_mode, headroom_ms: i64, jitter_ms: i64| {
            let (headroom_us, jitter_us) = (headroom_ms * 1000, jitter_ms * 1000);
            let standing = Standing { headroom_us, jitter_us, over: 0, granule: 160, frame: 160 };
            Pace::new(jitter_buffer, data_mode).plan(&standing)
        };
        let drop = |frames: usize, hurry| Plan::Drop(Cut { most: frames * 160, hurry, noise_too: true });
        for (case, data_mode, jitter_buffer, headroom_ms, jitter_ms, want) in [
            ("too little", false, JitterBuffer::Large, 0, 0, Plan::Repeat(160)),
            ("just enough", false, JitterBuffer::Large, 1, 0, Plan::Keep),
            ("enough", false, JitterBuffer::Large, 3, 0, Plan::Keep),
            ("up to a frame too much", false, JitterBuffer::Large, 22, 0, Plan::Keep),
            ("more than a frame too much", false, JitterBuffer::Large, 23, 0, drop(1, 0.2)),
            ("far too much", false, JitterBuffer::Large, 303, 100, drop(10, 2.0)),
            ("too little for the jitter", false, JitterBuffer::Large, 100, 100, Plan::Repeat(160)),
            ("jitter beyond the cap", false, JitterBuffer::Small, 63, 100, Plan::Keep),
            ("jitter that is not ridden out", false, JitterBuffer::Off, 3, 100, Plan::Keep),
            ("data is never slowed", true, JitterBuffer::Small, -5, 0, Plan::Keep),
            ("data waits for all", true, JitterBuffer::Small, 100, 0, Plan::Keep),
            ("but not for more", true, JitterBuffer::Small, 104, 0, Plan::DropFrame),
            ("unless there is more", true, JitterBuffer::Small, 104, 80, Plan::Keep),
        ] {
            assert_eq!(plan(jitter_buffer, data_mode, headroom_ms, jitter_ms), want, "{case}");
        }
    }
}
