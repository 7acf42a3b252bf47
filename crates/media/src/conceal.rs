//! What is played where nothing came: the last period of the voice, again and again, and ever softer.
//!
//! In the spirit of G.711 appendix I, but without its delay:
//!
//! `…heard│ p p│pp pp pp│ppp ppp…  fading to silence │merge│heard…`
//!
//! Under it the background comes up ([`crate::background`]), which is not in here. One period is repeated for 10 ms, then two and three, so that it does not sound like a machine. What comes after
//! the gap begins under a short cross-fade with the repetition going on. Costs something only when something is lost.
//!
//! The numbers are those that did best under PESQ with six voices: looking at no more than the last 7 ms, fading from
//! the first sample on, and merging quickly each bring 0.03 to 0.06 at 5 % loss over the appendix's 20, 10 and 4 ms.

use std::mem::offset_of;

use crate::pitch::most_alike;
use crate::tape::{HISTORY_MS, PERIOD_MS_MAX, mix};

#[repr(C)]
pub(crate) struct Concealer {
    ms: usize,
    /// Samples since the gap began; `None` while nothing is missing.
    made: Option<usize>,
    /// The last sound before the gap: up to three periods, and a quarter that joins their end to their beginning.
    source: Box<[i16]>,
    period: usize,
    cursor: Cursor,
    /// The shorter repetition that is being faded into the longer, and how far that has come.
    fading: Option<(Cursor, usize)>,
    /// The jump from the last sample heard to the first repeated one, smoothed away over [`STEP_MS`].
    step: i32,
    random: u64,
}

/// A place in a repeated stretch of `periods`.
#[derive(Clone, Copy)]
struct Cursor {
    periods: usize,
    at: usize,
}

/// The shortest period looked for: a higher voice is repeated by two or three of its periods.
const PERIOD_MS_MIN: usize = 3;
/// What resembles its past less is a noise. It is repeated at a random long period: any fixed one would whistle.
const VOICED_MIN: f32 = 0.45;
const NOISE_SPREAD_MS: usize = 5;
/// How much of the latest sound is compared with what went before.
const COMPARED_MS: usize = 7;
/// From full loudness to silence.
const FADE_MS: usize = 60;
/// When two periods, when three are repeated.
const GROW_MS: [usize; 2] = [10, 20];
const STEP_MS: usize = 2;
/// The merge: 1 ms and a tenth of the gap, within limits.
const MERGE_MS: usize = 1;
const MERGE_MS_MAX: usize = 10;

impl Concealer {
    /// What is looked at of it while nothing is missing.
    pub(crate) const STEADY_BYTES: usize = offset_of!(Concealer, source);

    /// `seed`: for what has no period.
    pub(crate) fn new(rate_hz: u32, seed: u64) -> Concealer {
        let ms = rate_hz as usize / 1000;
        Concealer {
            ms,
            source: vec![0; HISTORY_MS * ms].into(),
            period: ms * PERIOD_MS_MAX,
            cursor: Cursor { periods: 1, at: 0 },
            fading: None,
            made: None,
            step: 0,
            random: seed,
        }
    }

    /// Is a gap being concealed?
    pub(crate) fn is_active(&self) -> bool {
        self.made.is_some()
    }

    /// Has it gone on for so long that nothing is heard any more?
    pub(crate) fn is_silent(&self) -> bool {
        self.made.is_some_and(|made| made >= FADE_MS * self.ms)
    }

    /// How far the voice has faded: from 0 at once after the last sound heard, or while nothing is missing, to 1.
    pub(crate) fn faded(&self) -> f32 {
        (self.made.unwrap_or(0) as f32 / (FADE_MS * self.ms) as f32).min(1.0)
    }

    /// Fills `gap`, which follows on `sound`. Goes on where the previous call left off, until [`Concealer::merge`].
    pub(crate) fn fill(&mut self, sound: &[i16], gap: &mut [i16]) {
        let made = match self.made {
            Some(made) => made,
            None => {
                self.begin(sound);
                0
            }
        };
        self.made = Some(made + gap.len());
        for (i, sample) in gap.iter_mut().enumerate() {
            *sample = self.next_sample(made + i);
        }
    }

    /// Fades from the repetition into `heard`, the first sound after the gap, and ends the gap. Returns how long that
    /// takes.
    pub(crate) fn merge(&mut self, heard: &mut [i16]) -> usize {
        let made = self.made.unwrap_or(0);
        self.merge_over(heard, (MERGE_MS * self.ms + made / 10).min(MERGE_MS_MAX * self.ms))
    }

    /// The same over `len` samples.
    pub(crate) fn merge_over(&mut self, heard: &mut [i16], len: usize) -> usize {
        let Some(made) = self.made.take() else { return 0 };
        let len = len.min(heard.len());
        for (i, sample) in heard[..len].iter_mut().enumerate() {
            *sample = mix(self.next_sample(made + i), *sample, i, len);
        }
        len
    }

    /// The gap is over without a merge.
    pub(crate) fn reset(&mut self) {
        self.made = None;
    }

    fn begin(&mut self, sound: &[i16]) {
        let sound = &sound[sound.len() - self.source.len()..];
        self.source.copy_from_slice(sound);
        let reference = sound.len() - COMPARED_MS * self.ms..sound.len();
        let starts = reference.start - PERIOD_MS_MAX * self.ms..=reference.start - PERIOD_MS_MIN * self.ms;
        let found = most_alike(sound, reference.clone(), starts, self.ms / 8);
        self.period = reference.start - found.start;
        if found.correlation < VOICED_MIN {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1); // Knuth's MMIX
            self.period = PERIOD_MS_MAX * self.ms - (self.random >> 40) as usize % (NOISE_SPREAD_MS * self.ms);
        }
        self.cursor = Cursor { periods: 1, at: 0 };
        self.fading = None;
        let last = sound.len() - 1;
        self.step = i32::from(sound[last]) - i32::from(sound[last - self.period]);
    }

    /// The sample `made` samples into the gap.
    fn next_sample(&mut self, made: usize) -> i16 {
        if made >= FADE_MS * self.ms {
            return 0;
        }
        if let Some(grown) = GROW_MS.iter().position(|&at_ms| made == at_ms * self.ms) {
            self.fading = Some((self.cursor, 0));
            self.cursor = Cursor { periods: grown + 2, at: self.cursor.at % self.period };
        }
        let mut sample = self.repeated(self.cursor);
        self.cursor.at = (self.cursor.at + 1) % (self.cursor.periods * self.period);
        if let Some((mut old, i)) = self.fading {
            let len = self.period / 4;
            sample = mix(self.repeated(old), sample, i, len);
            old.at = (old.at + 1) % (old.periods * self.period);
            self.fading = (i + 1 < len).then_some((old, i + 1));
        }
        let (made, step_len) = (made as i32, (STEP_MS * self.ms) as i32);
        let mut sample = i32::from(sample);
        if made < step_len {
            sample += self.step * (step_len - made) / step_len;
        }
        let fade_len = (FADE_MS * self.ms) as i32;
        (sample.clamp(-32768, 32767) * (fade_len - made) / fade_len) as i16
    }

    /// The sound under `cursor`; the last quarter period turns into what came before the stretch, so that its end
    /// joins its beginning.
    fn repeated(&self, cursor: Cursor) -> i16 {
        let len = cursor.periods * self.period;
        let start = self.source.len() - len;
        let quarter = self.period / 4;
        let sample = self.source[start + cursor.at];
        match cursor.at.checked_sub(len - quarter) {
            Some(i) => mix(sample, self.source[start - quarter + i], i, quarter),
            None => sample,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 49 ms of a voice at 8 kHz, and what comes after it.
    fn voice() -> (Vec<i16>, Vec<i16>) {
        let sample = |i: usize| {
            let turns = i as f64 / 61.5 * std::f64::consts::TAU;
            (7_000.0 * turns.sin() + 4_000.0 * (3.0 * turns).sin()) as i16
        };
        ((0..392).map(sample).collect(), (392..1392).map(sample).collect())
    }

    fn snr_db(want: &[i16], got: &[i16]) -> f64 {
        let energy = |x: f64| x * x;
        let signal: f64 = want.iter().map(|&x| energy(x.into())).sum();
        let noise: f64 = want.iter().zip(got).map(|(&x, &y)| energy(f64::from(x) - f64::from(y))).sum();
        10.0 * (signal / noise).log10()
    }

    #[test]
    fn a_voice_goes_on_and_fades() {
        let (before, after) = voice();
        let mut concealer = Concealer::new(8_000, 1);
        let mut gap = [0; 640];
        for (i, frame) in gap.chunks_mut(160).enumerate() {
            assert_eq!(concealer.is_silent(), i == 3);
            concealer.fill(&before, frame);
        }
        let faded: Vec<i16> = after.iter().enumerate().map(|(i, &x)| mix(x, 0, i.min(480), 480)).collect();
        assert!(snr_db(&faded[..160], &gap) > 12.0, "{:.1} dB", snr_db(&faded[..160], &gap));
        assert!(gap[480..].iter().all(|&sample| sample == 0));
    }

    #[test]
    fn the_first_sound_after_a_gap_begins_as_the_gap_ends() {
        let (before, after) = voice();
        let mut concealer = Concealer::new(8_000, 1);
        let mut gap = [0; 160];
        concealer.fill(&before, &mut gap);
        let mut heard = after[160..320].to_vec();
        concealer.merge(&mut heard);
        assert!(!concealer.is_active());
        assert_eq!(heard[24..], after[184..320], "3 ms for a gap of 20");
        let step = (i32::from(heard[0]) - i32::from(gap[159])).abs();
        assert!(step < 3_000, "a step of {step}");
        let mut again = after[320..480].to_vec();
        concealer.merge(&mut again);
        assert_eq!(again, after[320..480], "nothing to merge with");
    }

    #[test]
    fn nothing_is_made_of_silence_and_noise_does_not_repeat_alike() {
        let mut gap = [1; 480];
        Concealer::new(8_000, 1).fill(&[0; 392], &mut gap);
        assert_eq!(gap, [0; 480]);

        let mut random = 1u64;
        let mut noise = [0; 392];
        noise.fill_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 50) as i16 - 8192
        });
        let mut concealer = Concealer::new(8_000, 1);
        let mut periods: Vec<usize> = (0..4)
            .map(|_| {
                concealer.reset();
                concealer.fill(&noise, &mut [0; 160]);
                concealer.period
            })
            .collect();
        periods.dedup();
        assert!(periods.len() > 1 && periods.iter().all(|period| (81..=120).contains(period)), "{periods:?}");
    }
}
