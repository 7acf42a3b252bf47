//! What is played where nothing came: the last period of the voice, again and again, and ever softer.
//!
//! In the spirit of G.711 appendix I, but without its delay:
//!
//! `…heard│ p p│pp pp pp│ppp ppp…  fading to silence │merge│heard…`
//!
//! One period is repeated for 10 ms, then two and three, so that it does not sound like a machine. What comes after
//! the gap begins under a cross-fade with the repetition going on. Costs something only when something is lost.

use crate::pitch::most_alike;
use crate::tape::{HISTORY_MS, PERIOD_MS_MAX, mix};

pub(crate) struct Concealer {
    ms: usize,
    /// The last sound before the gap: up to three periods, and a quarter that joins their end to their beginning.
    source: Box<[i16]>,
    period: usize,
    cursor: Cursor,
    /// The shorter repetition that is being faded into the longer, and how far that has come.
    fading: Option<(Cursor, usize)>,
    /// Samples since the gap began; `None` while nothing is missing.
    made: Option<usize>,
    /// The jump from the last sample heard to the first repeated one, smoothed away over [`STEP_MS`].
    step: i32,
}

/// A place in a repeated stretch of `periods`.
#[derive(Clone, Copy)]
struct Cursor {
    periods: usize,
    at: usize,
}

/// The shortest period looked for: a higher voice is repeated by two or three of its periods.
const PERIOD_MS_MIN: usize = 5;
/// How much of the latest sound is compared with what went before.
const COMPARED_MS: usize = 20;
/// Full loudness up to here, silence from there.
const FADE_FROM_MS: usize = 10;
/// See [`FADE_FROM_MS`].
pub(crate) const FADE_TO_MS: usize = 60;
/// When two periods, when three are repeated.
const GROW_MS: [usize; 2] = [10, 20];
const STEP_MS: usize = 2;
/// The merge: 4 ms and as much more per 10 ms of gap, within limits.
const MERGE_MS: usize = 4;
const MERGE_MS_MAX: usize = 10;

impl Concealer {
    pub(crate) fn new(rate_hz: u32) -> Concealer {
        let ms = rate_hz as usize / 1000;
        Concealer {
            ms,
            source: vec![0; HISTORY_MS * ms].into(),
            period: ms * PERIOD_MS_MAX,
            cursor: Cursor { periods: 1, at: 0 },
            fading: None,
            made: None,
            step: 0,
        }
    }

    /// Is a gap being concealed?
    pub(crate) fn is_active(&self) -> bool {
        self.made.is_some()
    }

    /// Has it gone on for so long that nothing is heard any more?
    pub(crate) fn is_silent(&self) -> bool {
        self.made.is_some_and(|made| made >= FADE_TO_MS * self.ms)
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

    /// Fades from the repetition into `heard`, the first sound after the gap, and ends the gap.
    pub(crate) fn merge(&mut self, heard: &mut [i16]) {
        let Some(made) = self.made.take() else { return };
        let len = (MERGE_MS * self.ms + made * MERGE_MS / 10).min(MERGE_MS_MAX * self.ms).min(heard.len());
        for (i, sample) in heard[..len].iter_mut().enumerate() {
            *sample = mix(self.next_sample(made + i), *sample, i, len);
        }
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
        self.cursor = Cursor { periods: 1, at: 0 };
        self.fading = None;
        let last = sound.len() - 1;
        self.step = i32::from(sound[last]) - i32::from(sound[last - self.period]);
    }

    /// The sample `made` samples into the gap.
    fn next_sample(&mut self, made: usize) -> i16 {
        if made >= FADE_TO_MS * self.ms {
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
        let (from, to) = ((FADE_FROM_MS * self.ms) as i32, (FADE_TO_MS * self.ms) as i32);
        let gain = (to - made).min(to - from);
        (sample.clamp(-32768, 32767) * gain / (to - from)) as i16
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
