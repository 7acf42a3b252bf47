//! Who speaks, by the level of one leg's voice over the noise it comes with.
//!
//! `frame ─▶ level ─▶ floor: the lowest level of the last seconds ─▶ well above it for 200 ms: talks · for 800 ms not: stops`
//!
//! The floor is found by minimum statistics: between syllables one hears the room, and the lowest of a few seconds is
//! the noise, whoever talks. What goes on evenly for longer (a fan, a street) is noise by that measure, unless it is too
//! loud for it. Levels are mean squares, [`FULL_SCALE`] is 0 dBov: comparing and fading them takes no logarithm.

use crate::codec::Codec;
use crate::mixer;

/// What is known of one leg's voice.
pub(crate) struct Speech {
    /// Of the last frame.
    level: f32,
    /// The noise it comes with.
    floor: f32,
    /// The same in tenths of a dBov, every now and then: logarithms are dear.
    floor_decibov: i32,
    /// The levels of the last frames.
    last: [f32; LASTING],
    /// The lowest level that lasted, of each of the last blocks of time; the first one's is not complete.
    minima: [f32; BLOCKS],
    /// Frames in the first block so far.
    block_ticks: u32,
    /// The level of the frames so far: rises with them at once, falls slowly over pauses between syllables.
    envelope: f32,
    /// Frames since somebody may have begun to talk, and those of them with a voice.
    onset_ticks: u32,
    voiced_ticks: u32,
    /// Frames without, since the last one with.
    quiet_ticks: u32,
    talks: bool,
    /// Frames for which the leg stays open without sending anything.
    open_ticks: u32,
}

impl Default for Speech {
    fn default() -> Self {
        Self {
            level: 0.0,
            floor: FLOOR_START,
            floor_decibov: decibov(FLOOR_START),
            last: [f32::INFINITY; LASTING],
            minima: [f32::INFINITY; BLOCKS],
            block_ticks: 0,
            envelope: 0.0,
            onset_ticks: 0,
            voiced_ticks: 0,
            quiet_ticks: SYLLABLES_APART_TICKS,
            talks: false,
            open_ticks: 0,
        }
    }
}

impl Speech {
    /// Takes this tick's frame of a leg that others may hear, or that none has come; `is_noise`: it is known for the noise
    /// behind the voice, however loud. Cost: 20 ns at 8 kHz.
    pub(crate) fn hear(&mut self, frame: Option<(Codec, &[i16])>, is_noise: bool) {
        self.open_ticks = self.open_ticks.saturating_sub(1);
        let mut level = 0.0;
        if let Some((codec, frame)) = frame {
            level = mixer::level(frame);
            if !is_silence(codec, frame, level) {
                self.open_ticks = OPEN_TICKS;
                self.track_floor(level);
            }
            level = if is_noise { 0.0 } else { level };
        }
        self.level = level;
        self.envelope = level.max(self.envelope * ENVELOPE_FALL);
        let threshold = if self.talks { STAY_OVER_FLOOR } else { START_OVER_FLOOR };
        let voiced = level > (self.floor * threshold).max(SPEECH_MIN);
        self.quiet_ticks = if voiced { 0 } else { self.quiet_ticks + 1 };
        if self.talks {
            self.talks = self.quiet_ticks < STOP_TICKS;
            return;
        }
        if self.quiet_ticks >= SYLLABLES_APART_TICKS {
            (self.onset_ticks, self.voiced_ticks) = (0, 0);
        } else {
            self.onset_ticks += 1;
            self.voiced_ticks += u32::from(voiced);
        }
        self.talks = voiced && self.onset_ticks >= START_TICKS && self.voiced_ticks >= VOICED_TICKS;
        if self.talks {
            (self.onset_ticks, self.voiced_ticks) = (0, 0);
        }
    }

    /// Nobody hears this leg now: whatever it says, it does not talk.
    pub(crate) fn rest(&mut self) {
        (self.onset_ticks, self.voiced_ticks, self.quiet_ticks) = (0, 0, SYLLABLES_APART_TICKS);
        (self.level, self.envelope) = (0.0, 0.0);
        (self.talks, self.open_ticks) = (false, 0);
    }

    /// The level of the last frame; 0 if there was none, or nobody to hear it.
    pub(crate) fn level(&self) -> f32 {
        self.level
    }

    /// Somebody talks: for 200 ms at least, and not silent for 800 ms.
    pub(crate) fn talks(&self) -> bool {
        self.talks
    }

    /// Its microphone is open: something, be it ever so faint, has come within the last second. While it is not,
    /// the frame is silence as the codec spells it.
    pub(crate) fn is_open(&self) -> bool {
        self.open_ticks > 0
    }

    /// How much it deserves to be heard: its level, from this very frame on; of noise, much less than of a voice.
    pub(crate) fn prominence(&self) -> f32 {
        if self.envelope > self.floor * STAY_OVER_FLOOR { self.envelope } else { self.envelope * NOISE_PROMINENCE }
    }

    /// The noise it comes with, in tenths of a dBov.
    pub(crate) fn floor_decibov(&self) -> i32 {
        self.floor_decibov
    }

    fn track_floor(&mut self, level: f32) {
        self.last.rotate_right(1);
        self.last[0] = level;
        let lasted = self.last.iter().copied().fold(0.0, f32::max);
        self.minima[0] = self.minima[0].min(lasted);
        self.block_ticks += 1;
        if self.block_ticks == BLOCK_TICKS {
            self.floor = self.minima.iter().copied().fold(f32::INFINITY, f32::min).clamp(FLOOR_MIN, FLOOR_MAX);
            self.floor_decibov = decibov(self.floor);
            self.minima.rotate_right(1);
            self.minima[0] = f32::INFINITY;
            self.block_ticks = 0;
        } else if lasted < self.floor {
            self.floor = lasted.max(FLOOR_MIN);
        }
    }
}

/// What a codec makes of digital silence: the adaptive ones hover about zero, and A-law has none but one step above it,
/// always the same.
fn is_silence(codec: Codec, frame: &[i16], level: f32) -> bool {
    match codec {
        Codec::Pcmu | Codec::L16 { .. } => level == 0.0,
        Codec::Pcma => level <= 64.0 && frame.iter().all(|sample| sample == &frame[0]),
        Codec::G722 | Codec::Opus => level <= 64.0,
    }
}

/// A level in tenths of a dBov.
fn decibov(level: f32) -> i32 {
    (100.0 * (level / FULL_SCALE).log10()) as i32
}

/// The level of a square wave at full scale: 0 dBov.
pub(crate) const FULL_SCALE: f32 = 32_768.0 * 32_768.0;

/// Where the floor is (−60 dBov) before anything is known, for the first 0.8 s: whoever talks at once is heard to talk.
const FLOOR_START: f32 = FULL_SCALE * 1e-6;

/// No floor lies below −72 dBov: there the rounding of G.711 begins.
const FLOOR_MIN: f32 = FULL_SCALE * 6.3e-8;

/// No floor lies above −36 dBov: whatever is so loud is no background, be it ever so even.
const FLOOR_MAX: f32 = FULL_SCALE * 2.5e-4;

/// No speech lies below −52 dBov.
const SPEECH_MIN: f32 = FULL_SCALE * 6.3e-6;

/// Speech begins 9 dB above the floor …
const START_OVER_FLOOR: f32 = 8.0;

/// … and goes on down to 5 dB above it.
const STAY_OVER_FLOOR: f32 = 3.2;

/// Speech begins after 200 ms of it and ends after 800 ms without (twiml.md §6.2).
const START_TICKS: u32 = 10;
const STOP_TICKS: u32 = 40;

/// Syllables follow on each other within 100 ms: what does not is no talk, but a cough and another one …
const SYLLABLES_APART_TICKS: u32 = 5;

/// … and so is what is quiet for more than a third of the time.
const VOICED_TICKS: u32 = 7;

/// Prominence falls by 1 dB a frame, so that a pause between two words costs nobody their place.
const ENVELOPE_FALL: f32 = 0.794;

/// Noise counts 20 dB less than a voice.
const NOISE_PROMINENCE: f32 = 0.01;

/// A leg stays open for 1 s after the last frame that was not silent.
const OPEN_TICKS: u32 = 50;

/// The floor is the lowest level of the last 2.4 to 3.2 s.
const BLOCKS: usize = 4;
const BLOCK_TICKS: u32 = 40;

/// A level lasts when three frames are no louder: a pause of 60 ms shows the floor, a single quiet frame does not.
const LASTING: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const PCMU: Codec = Codec::Pcmu;

    /// A frame of noise with this peak: always another one, always the same ones.
    fn noise(peak: i32, random: &mut u32) -> [i16; 160] {
        std::array::from_fn(|_| {
            *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((*random >> 16) as i32 % (2 * peak + 1) - peak) as i16
        })
    }

    /// Runs through frames of noise with these peaks, of so many ticks each; the ticks in which talk starts and stops.
    fn changes(course: &[(u32, i32)]) -> Vec<(u32, bool)> {
        let (mut speech, mut random, mut tick, mut changes) = (Speech::default(), 1, 0, Vec::new());
        for &(ticks, peak) in course {
            for _ in 0..ticks {
                tick += 1;
                let talked = speech.talks();
                speech.hear(Some((PCMU, &noise(peak, &mut random))), false);
                if speech.talks() != talked {
                    changes.push((tick, speech.talks()));
                }
            }
        }
        changes
    }

    #[test]
    fn talk_starts_after_200_ms_and_stops_after_800_ms_of_silence() {
        for (case, course, expected) in [
            ("silence", &[(500, 0)][..], &[][..]),
            ("a talker in silence", &[(100, 0), (100, 3_000), (100, 0)], &[(110, true), (240, false)]),
            ("at once", &[(100, 3_000), (100, 0)], &[(10, true), (140, false)]),
            ("a cough", &[(100, 0), (9, 3_000), (100, 0)], &[]),
            ("and another one", &[(100, 0), (9, 3_000), (5, 0), (9, 3_000), (100, 0)], &[]),
            ("syllables", &[(100, 0), (5, 3_000), (3, 0), (5, 3_000), (100, 0)], &[(110, true), (153, false)]),
            (
                "pauses between words",
                &[(50, 0), (30, 3_000), (39, 0), (30, 3_000), (50, 0)],
                &[(60, true), (189, false)],
            ),
            ("with a fan", &[(200, 150), (300, 300), (100, 3_000), (100, 300)], &[(510, true), (640, false)]),
            ("a quiet talker", &[(200, 8), (100, 250), (100, 8)], &[(210, true), (340, false)]),
            ("nobody talks so quietly", &[(200, 0), (100, 60)], &[]),
            ("no background is so loud", &[(50, 0), (1_000, 3_000)], &[(60, true)]),
        ] {
            assert_eq!(changes(course), expected, "{case}");
        }
    }

    #[test]
    fn what_goes_on_evenly_is_noise() {
        for (case, course, expected) in [
            ("a fan that was there", &[(650, 500), (100, 20_000)][..], &[(10, true), (79, false), (660, true)][..]),
            ("a fan switched on", &[(50, 20), (600, 500), (100, 20_000)], &[(60, true), (279, false), (660, true)]),
        ] {
            assert_eq!(changes(course), expected, "{case} passes for a voice only until the floor is known");
        }
    }

    #[test]
    fn the_floor_is_the_noise_whoever_talks() {
        let (mut speech, mut random) = (Speech::default(), 1);
        for tick in 0..1_000 {
            // Words of 400 ms with pauses of 200 ms over noise of −50.1 dBov.
            let peak = if tick % 30 < 20 { 8_000 } else { 178 };
            speech.hear(Some((PCMU, &noise(peak, &mut random))), false);
        }
        let floor = speech.floor_decibov();
        assert!((-520..=-490).contains(&floor), "{floor}");
    }

    #[test]
    fn a_microphone_is_open_until_a_second_of_silence() {
        let mut speech = Speech::default();
        speech.hear(Some((PCMU, &[0; 160])), false);
        assert!(!speech.is_open(), "not before something is heard");
        let mut faint = [0; 160];
        faint[7] = 8;
        speech.hear(Some((PCMU, &faint)), false);
        assert!(speech.is_open(), "be it ever so faint");
        (0..49).for_each(|_| speech.hear(Some((PCMU, &[0; 160])), false));
        assert!(speech.is_open());
        speech.hear(Some((PCMU, &[0; 160])), false);
        assert!(!speech.is_open());
        (0..99).for_each(|_| speech.hear(Some((Codec::Pcma, &[8; 160])), false));
        assert!(!speech.is_open(), "the silence of A-law");
        let faintest: [i16; 160] = std::array::from_fn(|i| if i % 5 < 2 { 8 } else { -8 });
        speech.hear(Some((Codec::Pcma, &faintest)), false);
        assert!(speech.is_open(), "be it ever so faint");
    }

    #[test]
    fn the_noise_of_a_pause_is_no_voice() {
        let (mut speech, mut random) = (Speech::default(), 1);
        for _ in 0..100 {
            speech.hear(Some((PCMU, &noise(3_000, &mut random))), true);
            assert!(!speech.talks() && speech.is_open() && speech.prominence() == 0.0);
        }
    }

    #[test]
    fn who_is_muted_does_not_talk() {
        let (mut speech, mut random) = (Speech::default(), 1);
        (0..20).for_each(|_| speech.hear(Some((PCMU, &noise(3_000, &mut random))), false));
        assert!(speech.talks() && speech.is_open() && speech.prominence() > 0.0);
        speech.rest();
        assert!(!speech.talks() && !speech.is_open() && speech.prominence() == 0.0);
    }
}
