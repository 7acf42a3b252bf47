//! Keeps a sum of voices within 16 bits without clipping it.
//!
//! While the sum stays below −1 dBFS nothing is touched, to the bit. Above, the gain comes down just so far: it is found
//! for every 2.5 ms of the frame beforehand, so that it is down when the peak comes, and no delay is added. It stays there
//! for 40 ms, so that it does not follow the beat of two voices (which would make a third one of them), and rises again
//! with a time constant of 50 ms. One voice alone is in nobody's way and is never touched.

use crate::mixer;

/// One limited signal: what one leg hears, or all who hear the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limiter {
    /// At the end of the last frame; 1 while nothing is limited.
    gain: f32,
    /// Blocks for which it will not rise.
    held: u8,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0, held: 0 }
    }
}

impl Limiter {
    /// A sum of so many voices, with this peak, is left as it is.
    pub(crate) fn passes(&self, peak: i32, voices: usize) -> bool {
        self.gain == 1.0 && peak <= ceiling(voices)
    }

    /// Limits one frame of a sum of so many voices. Cost: 0.3 µs at 8 kHz, and only where it is loud.
    pub(crate) fn limit(&mut self, sum: &[i32], voices: usize, out: &mut [i16]) {
        let len = (sum.len() / BLOCKS).max(1);
        let ceiling = ceiling(voices) as f32;
        let mut allowed = [1.0; BLOCKS];
        for (allowed, block) in allowed.iter_mut().zip(sum.chunks(len)) {
            *allowed = (ceiling / mixer::peak(block) as f32).min(1.0);
        }
        for (number, (block, out)) in sum.chunks(len).zip(out.chunks_mut(len)).enumerate() {
            let here = allowed[number.min(BLOCKS - 1)];
            let next = allowed[(number + 1).min(BLOCKS - 1)];
            let attack = if here < self.gain { block.len() / ATTACK_PART } else { 0 };
            let start = self.gain.min(here);
            if here < 1.0 && here < start * NEARLY {
                self.held = HELD_BLOCKS;
            }
            let risen = if self.held > 0 { start } else { 1.0 - (1.0 - start) * RELEASE };
            self.held = self.held.saturating_sub(1);
            let end = risen.min(here).min(next);
            // Only the first block can ask for less than the frame before has ended with.
            mixer::ramp(&block[..attack], self.gain, start, &mut out[..attack]);
            mixer::ramp(&block[attack..], start, end, &mut out[attack..]);
            self.gain = end;
        }
        if self.gain > RELEASED {
            self.gain = 1.0;
        }
    }

    /// One may take the place of the other without being heard: within 0.2 dB.
    pub(crate) fn is_like(&self, other: Self) -> bool {
        (self.gain - other.gain).abs() < 0.02
    }
}

/// What a sum of so many voices may reach: −1 dBFS, which leaves room for what codecs make of it; one voice alone has
/// been within 16 bits before.
fn ceiling(voices: usize) -> i32 {
    if voices > 1 { 29_204 } else { 32_768 }
}

/// Of 2.5 ms each.
const BLOCKS: usize = 8;

/// The gain falls within a fifth of the first block, 0.5 ms, where it was not known before that it had to.
const ATTACK_PART: usize = 5;

/// 40 ms: longer than the period of any beat that can be heard as a tone.
const HELD_BLOCKS: u8 = 16;

/// What needs nearly as low a gain, within 3 dB, keeps it from rising. (With 0.5 dB, of eight who shout one hears itself at
/// −49 dBFS, made up by the gain's going up and down; with 3 dB at −65 at most, measured.)
const NEARLY: f32 = 1.4;

/// What is missing in the gain falls to this part in 2.5 ms: a time constant of 50 ms.
const RELEASE: f32 = 0.951;

/// What is missing is less than 0.02 dB.
const RELEASED: f32 = 0.998;

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(peak: f64, samples: usize) -> Vec<i32> {
        (0..samples).map(|i| (peak * (TAU * 400.0 * i as f64 / 8_000.0 + 0.3).sin()) as i32).collect()
    }

    /// Limits a sum frame by frame as the mixer does.
    fn limited(sum: &[i32], voices: usize) -> Vec<i16> {
        let (mut limiter, mut heard) = (Limiter::default(), Vec::new());
        for frame in sum.chunks(160) {
            let mut out = [0; 160];
            if !limiter.passes(mixer::saturate(frame, &mut out), voices) {
                limiter.limit(frame, voices, &mut out);
            }
            heard.extend(out);
        }
        heard
    }

    #[test]
    fn what_is_not_loud_passes_to_the_bit() {
        for (case, peak, voices) in [("two voices", 29_204.0, 2), ("one voice at full scale", 32_767.0, 1)] {
            let sum = tone(peak, 1_600);
            let heard: Vec<i32> = limited(&sum, voices).into_iter().map(i32::from).collect();
            assert_eq!(heard, sum, "{case}");
        }
    }

    #[test]
    fn what_is_loud_is_lowered_and_not_clipped() {
        for loudness in [1.1, 3.0, 50.0, 250.0] {
            let heard = limited(&tone(32_767.0 * loudness, 3_200), 3);
            let peak = heard[160..].iter().map(|sample| sample.unsigned_abs()).max();
            assert!(peak.is_some_and(|peak| (28_500..=29_205).contains(&peak)), "{loudness}: {peak:?}");
            let clipped = heard.iter().filter(|sample| sample.unsigned_abs() > 32_000).count();
            assert!(clipped <= 8, "{loudness}: {clipped} samples");
        }
    }

    #[test]
    fn it_does_not_follow_a_beat() {
        let other = (0..8_000).map(|i| (30_000.0 * (TAU * 470.0 * i as f64 / 8_000.0).sin()) as i32);
        let beat: Vec<i32> = tone(32_767.0, 8_000).into_iter().zip(other).map(|(one, other)| one + other).collect();
        let heard = limited(&beat, 3);
        let gains =
            (4_000..8_000).filter(|&i| beat[i].abs() > 20_000).map(|i| f64::from(heard[i]) / f64::from(beat[i]));
        let (least, most) = gains.fold((f64::MAX, 0.0), |(least, most), gain| (gain.min(least), gain.max(most)));
        assert!(most / least < 1.01, "from {least} to {most}");
    }

    #[test]
    fn it_is_down_before_the_peak_and_soon_up_after_it() {
        let mut sum = vec![10_000; 4_800];
        sum[250..260].fill(90_000); // in the middle of the second frame
        let heard = limited(&sum, 2);
        assert!(heard[..160].iter().all(|&sample| sample == 10_000), "no delay, and nothing known of it before");
        assert!(heard[250..260].iter().all(|&sample| (29_000..29_210).contains(&sample)), "{:?}", &heard[245..265]);
        assert!(heard.windows(2).enumerate().all(|(i, pair)| i == 249 || i == 259 || pair[0].abs_diff(pair[1]) < 400));
        let at_ms = |ms: usize| f64::from(heard[260 + ms * 8]) / 10_000.0;
        assert!(
            at_ms(20) < 0.6 && at_ms(100) > 0.8 && at_ms(300) > 0.98,
            "{} {} {}",
            at_ms(20),
            at_ms(100),
            at_ms(300)
        );
        assert_eq!(heard.last(), Some(&10_000), "and then to the bit");
    }
}
