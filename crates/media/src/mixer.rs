//! The arithmetic of a room: sums, mix-minus and fades over one 20 ms frame.
//!
//! Free functions over slices, no state. Sums are exact `i32` (65,536 full-scale voices fit), so the order
//! in which voices are added, and the thread that adds them, cannot change a single bit. Only the last step
//! saturates to 16 bits: a crowd clips, it never wraps, and nobody hears what is left of their own voice.
//! Written so that the compiler vectorises each loop, for several processors; `benches/mixer_tick.rs` holds the numbers.

use crate::vector::vectorised;

/// A PCM rate that rooms mix at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// 8 kHz: G.711, narrow L16.
    Narrow = 0,
    /// 16 kHz: G.722, wide L16.
    Wide = 1,
    /// 48 kHz: Opus.
    Full = 2,
}

impl Rate {
    /// Every rate, lowest first; `rate as usize` is the index.
    pub(crate) const ALL: [Self; 3] = [Self::Narrow, Self::Wide, Self::Full];

    /// The rate of a codec's PCM. Codecs know no others.
    pub(crate) const fn from_hz(rate_hz: u32) -> Self {
        match rate_hz {
            8_000 => Self::Narrow,
            16_000 => Self::Wide,
            _ => Self::Full,
        }
    }

    /// The rate at which a frame is so long.
    pub(crate) const fn of_frame(frame: &[i16]) -> Self {
        Self::from_hz(frame.len() as u32 * 50)
    }

    /// Samples a second.
    pub(crate) const fn hz(self) -> u32 {
        match self {
            Self::Narrow => 8_000,
            Self::Wide => 16_000,
            Self::Full => 48_000,
        }
    }

    /// Samples in the 20 ms of a tick.
    pub(crate) const fn frame(self) -> usize {
        self.hz() as usize / 50
    }
}

/// Samples in a frame at the highest rate.
pub(crate) const FRAME_MAX: usize = Rate::Full.frame();

vectorised! {
    /// Adds a voice to a sum, sample by sample. Both have the same length.
    pub fn add(sum: &mut [i32], voice: &[i16]) {
        for (sum, &voice) in sum.iter_mut().zip(voice) {
            *sum += i32::from(voice);
        }
    }

    /// Takes a voice out of a sum again: exactly what [`add`] put in.
    pub fn subtract(sum: &mut [i32], voice: &[i16]) {
        for (sum, &voice) in sum.iter_mut().zip(voice) {
            *sum -= i32::from(voice);
        }
    }

    /// Adds one sum to another.
    pub fn add_sum(total: &mut [i32], sum: &[i32]) {
        for (total, &sum) in total.iter_mut().zip(sum) {
            *total += sum;
        }
    }

    /// Writes into `out` what a listener hears: the total without its own voice, saturated (RFC 7667 §3.6.1). Returns
    /// the peak of it before that.
    ///
    /// All three have the same length, one frame at one rate. Adding a leg and mixing for it: 30 ns with SSE2.
    pub fn mix_minus(total: &[i32], own: &[i16], out: &mut [i16]) -> i32 {
        let mut peak = 0;
        for ((out, &total), &own) in out.iter_mut().zip(total).zip(own) {
            let heard = total - i32::from(own);
            peak = peak.max(heard.abs());
            *out = saturate_sample(heard);
        }
        peak
    }

    /// Writes a total into `out` as 16-bit PCM, clipping what does not fit. Returns its peak before that.
    pub fn saturate(total: &[i32], out: &mut [i16]) -> i32 {
        let mut peak = 0;
        for (out, &total) in out.iter_mut().zip(total) {
            peak = peak.max(total.abs());
            *out = saturate_sample(total);
        }
        peak
    }

    /// The peak of a sum.
    pub(crate) fn peak(sum: &[i32]) -> i32 {
        sum.iter().fold(0, |peak, sample| peak.max(sample.abs()))
    }

    /// The level of a frame: the mean of its squares, 2³⁰ at most. Sixteen sums side by side, so that it vectorises and
    /// still adds in the same order everywhere. Cost: 10 ns at 8 kHz.
    pub fn level(frame: &[i16]) -> f32 {
        let (sixteens, rest) = frame.as_chunks::<16>();
        let mut sums = [0.0_f32; 16];
        for sixteen in sixteens {
            for (sum, &sample) in sums.iter_mut().zip(sixteen) {
                *sum += f32::from(sample) * f32::from(sample);
            }
        }
        let rest: f32 = rest.iter().map(|&sample| f32::from(sample) * f32::from(sample)).sum();
        (sums.iter().sum::<f32>() + rest) / frame.len().max(1) as f32
    }

    /// Multiplies a frame by a gain in 2⁻¹⁵, of 1 at most.
    pub(crate) fn scale(frame: &mut [i16], gain: i32) {
        for sample in frame {
            *sample = ((i32::from(*sample) * gain + (1 << (GAIN_BITS - 1))) >> GAIN_BITS) as i16;
        }
    }

    /// Makes a voice louder or softer by any factor, clipping what does not fit.
    pub(crate) fn amplify(frame: &mut [i16], factor: f32) {
        for sample in frame {
            *sample = to_sample(f32::from(*sample) * factor);
        }
    }

    /// Writes a sum into `out` under a gain that goes from one value towards another along it.
    pub(crate) fn ramp(sum: &[i32], from: f32, to: f32, out: &mut [i16]) {
        let step = (to - from) / sum.len().max(1) as f32;
        for (i, (out, &sample)) in out.iter_mut().zip(sum).enumerate() {
            *out = to_sample(sample as f32 * (from + step * i as f32));
        }
    }
}

#[inline(always)]
fn saturate_sample(sample: i32) -> i16 {
    sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

/// Rounds and saturates. Added to 1.5 × 2²³, a number's integer part is the mantissa's lower end: a cast would check
/// for what cannot happen any more, and keep the loop from being vectorised.
#[inline(always)]
pub(crate) fn to_sample(value: f32) -> i16 {
    const MAGIC: f32 = 12_582_912.0;
    (value.clamp(-32_768.0, 32_767.0) + MAGIC).to_bits() as i16
}

/// How loud a voice is in the mix: as it came, or 20 dB lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gain {
    /// To the bit.
    #[default]
    Whole,
    /// Ducked: still to be heard, but not in the way.
    Ducked,
}

impl Gain {
    fn fixed_point(self) -> i32 {
        match self {
            Self::Whole => 1 << GAIN_BITS,
            Self::Ducked => (1 << GAIN_BITS) / 10,
        }
    }
}

/// Gives a frame its gain; where that was another one until now, over its first 10 ms.
pub fn apply_gain(frame: &mut [i16], before: Gain, now: Gain) {
    if before == now && now == Gain::Whole {
        return;
    }
    let (before, now) = (before.fixed_point(), now.fixed_point());
    if before == now {
        return scale(frame, now);
    }
    let step = fade_step(frame.len());
    for (i, sample) in frame.iter_mut().enumerate() {
        let gain = now + (((before - now) * fade_out_gain(i * step)) >> GAIN_BITS);
        *sample = ((i32::from(*sample) * gain + (1 << (GAIN_BITS - 1))) >> GAIN_BITS) as i16;
    }
}

/// Splits a frame into what fades out (into `leaving`) and what fades in (stays in `frame`) over the first
/// 10 ms of it: the two always add up to the frame as it was, to the bit.
pub fn split_fade(frame: &mut [i16], leaving: &mut [i16]) {
    let step = fade_step(frame.len());
    for (i, (arriving, leaving)) in frame.iter_mut().zip(leaving).enumerate() {
        *leaving = faded(*arriving, fade_out_gain(i * step));
        *arriving -= *leaving;
    }
}

/// Lets a frame rise from silence over its first 10 ms.
pub fn fade_in(frame: &mut [i16]) {
    let step = fade_step(frame.len());
    for (i, sample) in frame.iter_mut().enumerate() {
        *sample -= faded(*sample, fade_out_gain(i * step));
    }
}

/// Lets a frame fall to silence over its first 10 ms.
pub fn fade_out(frame: &mut [i16]) {
    let step = fade_step(frame.len());
    for (i, sample) in frame.iter_mut().enumerate() {
        *sample = faded(*sample, fade_out_gain(i * step));
    }
}

/// Lets a frame fall to silence over the last 10 ms before `end`, a number of samples from its start, which
/// may lie in a later frame.
pub fn fade_towards(frame: &mut [i16], end: usize) {
    let step = fade_step(frame.len());
    for (i, sample) in frame.iter_mut().enumerate() {
        let left = end.saturating_sub(i + 1) * step;
        if left < FADE_SAMPLES {
            *sample = faded(*sample, fade_out_gain(FADE_SAMPLES - 1 - left));
        }
    }
}

/// Passes from what a listener heard (`before`) to what it hears now (`now`, changed in place) over 10 ms.
pub fn cross_fade(now: &mut [i32], before: &[i32]) {
    let step = fade_step(now.len());
    for (i, (now, &before)) in now.iter_mut().zip(before).enumerate() {
        let gain = i64::from(fade_out_gain(i * step));
        *now += (((i64::from(before) - i64::from(*now)) * gain) >> GAIN_BITS) as i32;
    }
}

/// The same for one voice: from `before` to `now`.
pub fn blend(now: &mut [i16], before: &[i16]) {
    let step = fade_step(now.len());
    for (i, (now, &before)) in now.iter_mut().zip(before).enumerate() {
        let change = (i32::from(before) - i32::from(*now)) * fade_out_gain(i * step);
        *now = (i32::from(*now) + (change >> GAIN_BITS)) as i16; // between the two
    }
}

#[inline]
fn faded(sample: i16, gain: i32) -> i16 {
    ((i32::from(sample) * gain) >> GAIN_BITS) as i16
}

/// How far one sample of a frame this long moves along the 48 kHz fade table.
fn fade_step(frame: usize) -> usize {
    FRAME_MAX / frame.max(1)
}

#[inline]
fn fade_out_gain(position: usize) -> i32 {
    FADE_OUT.get(position).copied().unwrap_or(0)
}

/// Gains are fixed point with this many bits behind the point.
const GAIN_BITS: u32 = 15;

/// 10 ms at 48 kHz, the longest fade in samples; lower rates take every third or sixth gain.
const FADE_SAMPLES: usize = 480;

/// A raised cosine from 1 to 0. A hard cut would splatter 14–19 dB above the noise floor of G.711.
static FADE_OUT: [i32; FADE_SAMPLES] = raised_cosine();

const fn raised_cosine() -> [i32; FADE_SAMPLES] {
    // One rotation by π/480 per sample, starting half a sample in: cos and sin of π/480 and π/960.
    let (step_cos, step_sin) = (0.999_978_581_664_129_2, 0.006_544_937_967_351_858);
    let (mut cos, mut sin) = (0.999_994_645_401_696_5_f64, 0.003_272_486_506_526_625_f64);
    let mut gains = [0; FADE_SAMPLES];
    let mut i = 0;
    while i < FADE_SAMPLES {
        gains[i] = ((0.5 + 0.5 * cos) * (1 << GAIN_BITS) as f64) as i32;
        (cos, sin) = (cos * step_cos - sin * step_sin, sin * step_cos + cos * step_sin);
        i += 1;
    }
    gains
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vector::{self, Instructions};

    fn frame() -> impl Strategy<Value = Vec<i16>> {
        prop::collection::vec(any::<i16>(), 160)
    }

    #[test]
    fn a_crowd_clips_and_never_wraps() {
        for (case, voices, heard) in [
            ("silence", &[0, 0, 0][..], [0, 0, 0]),
            ("one talker", &[1_000, 0, 0], [0, 1_000, 1_000]),
            ("three at full scale", &[32_767, 32_767, 32_767], [32_767, 32_767, 32_767]),
            ("three at negative full scale", &[-32_768, -32_768, -32_768], [-32_768, -32_768, -32_768]),
            ("loud against loud", &[32_767, -32_768, 32_767], [-1, 32_767, -1]),
        ] {
            let mut total = [0];
            voices.iter().for_each(|&voice| add(&mut total, &[voice]));
            for (&own, expected) in voices.iter().zip(heard) {
                let mut out = [0];
                mix_minus(&total, &[own], &mut out);
                assert_eq!(out, [expected], "{case}, own voice {own}");
            }
        }
    }

    #[test]
    fn fades_are_10_ms_at_every_rate() {
        for rate in Rate::ALL {
            let fade = rate.frame() / 2;
            let mut frame = vec![10_000_i16; rate.frame()];
            fade_in(&mut frame);
            assert!(frame[0] < 10 && frame[fade / 2].abs_diff(5_000) < 250 && frame[fade - 1] > 9_990, "{rate:?}");
            assert!(frame[fade..].iter().all(|&sample| sample == 10_000), "{rate:?}");
            assert!(frame.windows(2).all(|pair| pair[0] <= pair[1]), "{rate:?}: rises all the way");
            let mut frame = vec![10_000_i16; rate.frame()];
            fade_out(&mut frame);
            assert!(frame[0] > 9_990 && frame[fade - 1] < 10 && frame[fade..].iter().all(|&s| s == 0), "{rate:?}");
            let mut frame = vec![10_000_i16; rate.frame()];
            fade_towards(&mut frame, fade);
            assert!(frame[0] > 9_990 && frame[fade..].iter().all(|&s| s == 0), "{rate:?}: over before it is");
            fade_towards(&mut frame, rate.frame() + fade);
            assert!(frame[0] > 9_980, "{rate:?}: a later end does not touch this frame's beginning");
        }
    }

    #[test]
    fn a_gain_changes_over_10_ms() {
        use Gain::{Ducked, Whole};
        for (before, now, first, last) in [
            (Whole, Whole, 10_000, 10_000),
            (Whole, Ducked, 10_000, 1_000),
            (Ducked, Ducked, 1_000, 1_000),
            (Ducked, Whole, 1_000, 10_000),
        ] {
            for rate in Rate::ALL {
                let mut frame = vec![10_000_i16; rate.frame()];
                apply_gain(&mut frame, before, now);
                assert!(frame[0].abs_diff(first) < 12, "{before:?} to {now:?}: {} at first", frame[0]);
                assert!(
                    frame[rate.frame() / 2..].iter().all(|sample| sample.abs_diff(last) <= 1),
                    "{before:?} to {now:?}"
                );
                let middle = frame[rate.frame() / 4];
                assert!(middle.abs_diff((first + last) / 2) < 500, "{before:?} to {now:?}: {middle} in the middle");
            }
        }
        let mut voice: Vec<i16> = (0..160).map(|i| (i * 409 - 32_768) as i16).collect();
        let whole = voice.clone();
        apply_gain(&mut voice, Whole, Whole);
        assert_eq!(voice, whole, "to the bit");
    }

    #[test]
    fn a_level_is_the_mean_square() {
        for rate in Rate::ALL {
            assert_eq!(level(&vec![-32_768; rate.frame()]), 2.0_f32.powi(30), "{rate:?}");
        }
        assert_eq!((level(&[0; 160]), level(&[3, 4]), level(&[])), (0.0, 12.5, 0.0));
    }

    #[test]
    fn a_cross_fade_goes_from_one_to_the_other() {
        let (mut now, before) = ([-2_000_000; 160], [2_000_000; 160]);
        cross_fade(&mut now, &before);
        assert!(now[0] > 1_990_000 && now[79] < -1_990_000);
        assert!(now[80..].iter().all(|&sample| sample == -2_000_000));
        assert!(now.windows(2).all(|pair| pair[0] >= pair[1]));
    }

    #[test]
    fn every_processor_comes_to_the_same() {
        let mut results = Vec::new();
        for instructions in Instructions::ALL.into_iter().filter(|&set| set <= Instructions::available()) {
            vector::use_at_most(instructions);
            // Lengths that fill no vector, too, and samples of all sizes.
            for len in [1, 7, 33, 160, 320, 960] {
                let voice: Vec<i16> = (0..len).map(|i| (i * i * 7_919 + i * 31) as i16).collect();
                let mut sum: Vec<i32> = (0..len).map(|i| (i as i32 - 80) * 977).collect();
                let total = sum.clone();
                let mut out = vec![0; len];
                add(&mut sum, &voice);
                add_sum(&mut sum, &total);
                subtract(&mut sum, &out);
                let mut result = vec![mix_minus(&sum, &voice, &mut out)];
                result.extend(out.iter().map(|&sample| i32::from(sample)));
                result.extend([saturate(&sum, &mut out), peak(&sum), level(&voice).to_bits() as i32]);
                result.extend(out.iter().map(|&sample| i32::from(sample)));
                ramp(&sum, 0.9, 0.1, &mut out);
                scale(&mut out, 23_456);
                result.extend(out.iter().map(|&sample| i32::from(sample)));
                results.push((len, result));
            }
        }
        vector::use_at_most(Instructions::Avx512);
        for result in &results {
            assert_eq!(Some(result), results.iter().find(|first| first.0 == result.0), "frames of {}", result.0);
        }
    }

    proptest! {
        #[test]
        fn what_everybody_hears_is_the_exact_sum_of_the_others(
            voices in prop::collection::vec(frame(), 1..6),
            first in 0..6_usize,
        ) {
            // Whatever the order.
            let mut total = [0; 160];
            for at in 0..voices.len() {
                add(&mut total, &voices[(first + at) % voices.len()]);
            }
            for (listener, own) in voices.iter().enumerate() {
                let mut out = [0; 160];
                mix_minus(&total, own, &mut out);
                for (i, &heard) in out.iter().enumerate() {
                    let others = voices.iter().enumerate().filter(|(talker, _)| *talker != listener);
                    let sum: i32 = others.map(|(_, voice)| i32::from(voice[i])).sum();
                    prop_assert_eq!(i32::from(heard), sum.clamp(-32_768, 32_767));
                }
            }
        }

        #[test]
        fn a_split_frame_adds_up(frame in frame()) {
            let (mut arriving, mut leaving) = (frame.clone(), vec![0; 160]);
            split_fade(&mut arriving, &mut leaving);
            for i in 0..160 {
                prop_assert_eq!(i32::from(arriving[i]) + i32::from(leaving[i]), i32::from(frame[i]));
            }
            prop_assert!(leaving[80..].iter().all(|&sample| sample == 0));
        }

        #[test]
        fn subtracting_undoes_adding(start in prop::collection::vec(-1_000_000..1_000_000, 160), voice in frame()) {
            let mut sum = start.clone();
            add(&mut sum, &voice);
            subtract(&mut sum, &voice);
            prop_assert_eq!(sum, start);
        }
    }
}
