//! From one sample rate to another: in frames while a call runs, and whole files beforehand.
//!
//! Both filter with a sinc under a Kaiser window, cut off just below half of the lower rate: what would be folded
//! into the band of speech is 87 dB down.

use std::f64::consts::PI;
use std::sync::LazyLock;

use crate::mixer::to_sample;
use crate::vector::vectorised;

/// Streaming conversion between the rates of the mix buses: 8, 16 and 48 kHz.
///
/// A polyphase FIR that reaches 16 samples of the lower rate to either side: 2 ms of delay at 8 kHz, 1 ms at 16 kHz.
/// No allocation after `new`; the coefficients are shared. Cost: 1 to 4 µs for 20 ms.
pub struct Resampler {
    conversion: Conversion,
    /// The newest input of the previous call.
    history: Box<[f32]>,
}

/// Each phase is a filter at the lower rate.
#[derive(Clone, Copy)]
enum Conversion {
    Same,
    /// Every output phase from all of the input.
    Up {
        phases: &'static [[f32; TAPS]],
    },
    /// The output as the sum of what every input phase contributes.
    Down {
        phases: &'static [[f32; TAPS]],
    },
}

/// How far the filter reaches, in samples of the lower rate.
const TAPS: usize = 32;
/// The middle of the transition from pass to stop, as a part of the lower rate: 3.85 kHz of 8.
const CUTOFF: f64 = 0.481;
/// Kaiser's β for 90 dB in the stop band.
const BETA: f64 = 8.96;
/// From 8 to 48 kHz.
const RATIO_MAX: usize = 6;
/// Samples of the lower rate worked on at a time: 20 ms at 8 kHz, 10 at 16.
const BLOCK: usize = 160;

impl Resampler {
    /// `None` unless both rates are 8, 16 or 48 kHz.
    pub fn new(from_hz: u32, to_hz: u32) -> Option<Resampler> {
        if ![from_hz, to_hz].iter().all(|rate_hz| [8_000, 16_000, 48_000].contains(rate_hz)) {
            return None;
        }
        let filters = match from_hz.max(to_hz) / from_hz.min(to_hz) {
            2 => &*TIMES_2,
            3 => &*TIMES_3,
            6 => &*TIMES_6,
            _ => return Some(Resampler { conversion: Conversion::Same, history: [].into() }),
        };
        let (conversion, history) = if from_hz < to_hz {
            (Conversion::Up { phases: &filters.up }, TAPS - 1)
        } else {
            (Conversion::Down { phases: &filters.down }, (TAPS - 1) * filters.down.len())
        };
        Some(Resampler { conversion, history: vec![0.0; history].into() })
    }

    /// Goes on from where another resampler between the same rates stands.
    pub(crate) fn continue_from(&mut self, other: &Self) {
        self.history.copy_from_slice(&other.history);
    }

    /// Converts `input` into the front of `out`, which has room for it, and returns the number of samples.
    /// When going down, `input` is a multiple of the ratio long, as every frame is.
    pub fn process(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        self.convert(input, out)
    }

    /// The same for a sum of voices, which may not fit into 16 bits: it need not be clipped to be carried elsewhere.
    pub(crate) fn process_sum(&mut self, input: &[i32], out: &mut [i32]) {
        self.convert(input, out);
    }

    fn convert<T: Sample>(&mut self, input: &[T], out: &mut [T]) -> usize {
        match self.conversion {
            Conversion::Same => {
                out[..input.len()].copy_from_slice(input);
                input.len()
            }
            Conversion::Up { phases } => {
                let ratio = phases.len();
                for (input, out) in input.chunks(BLOCK).zip(out.chunks_mut(BLOCK * ratio)) {
                    self.up(phases, input, out);
                }
                input.len() * ratio
            }
            Conversion::Down { phases } => {
                let ratio = phases.len();
                for (input, out) in input.chunks(BLOCK * ratio).zip(out.chunks_mut(BLOCK)) {
                    self.down(phases, input, out);
                }
                input.len() / ratio
            }
        }
    }

    fn up<T: Sample>(&mut self, phases: &[[f32; TAPS]], input: &[T], out: &mut [T]) {
        let mut window = [0.0; BLOCK + TAPS - 1];
        let end = self.slide(input, &mut window);
        for (phase, taps) in phases.iter().enumerate() {
            let mut sums = [0.0; BLOCK];
            add_filtered(&window[..end], taps, &mut sums[..input.len()]);
            for (out, &sum) in out[phase..].iter_mut().step_by(phases.len()).zip(&sums[..input.len()]) {
                *out = T::from_f32(sum);
            }
        }
    }

    fn down<T: Sample>(&mut self, phases: &[[f32; TAPS]], input: &[T], out: &mut [T]) {
        let mut window = [0.0; (BLOCK + TAPS - 1) * RATIO_MAX];
        let end = self.slide(input, &mut window);
        let len = input.len() / phases.len();
        let mut sums = [0.0; BLOCK];
        for (phase, taps) in phases.iter().enumerate() {
            let mut every = [0.0; BLOCK + TAPS - 1];
            for (x, &sample) in every.iter_mut().zip(window[phase..end].iter().step_by(phases.len())) {
                *x = sample;
            }
            add_filtered(&every[..len + TAPS - 1], taps, &mut sums[..len]);
        }
        for (out, &sum) in out.iter_mut().zip(&sums[..len]) {
            *out = T::from_f32(sum);
        }
    }

    /// Puts what is remembered and then `input` into `window`, and remembers the end of that; where it is.
    fn slide<T: Sample>(&mut self, input: &[T], window: &mut [f32]) -> usize {
        let past = self.history.len();
        let end = past + input.len();
        window[..past].copy_from_slice(&self.history);
        for (x, &sample) in window[past..end].iter_mut().zip(input) {
            *x = sample.to_f32();
        }
        self.history.copy_from_slice(&window[end - past..end]);
        end
    }
}

vectorised! {
    /// Adds to `sums[i]` the sum of `window[i + k] × taps[k]`; `window` is longer than `sums` by all taps but one.
    ///
    /// Eight sums at a time, which stay in registers while the taps go by: vectorises, where a sum over the taps would
    /// not, since floating-point sums must not be reordered.
    fn add_filtered(window: &[f32], taps: &[f32; TAPS], sums: &mut [f32]) {
        let (eights, rest) = sums.as_chunks_mut::<8>();
        let done = eights.len() * 8;
        for (i, sums) in eights.iter_mut().enumerate() {
            let window = &window[i * 8..i * 8 + TAPS + 7];
            for (k, tap) in taps.iter().enumerate() {
                for (sum, x) in sums.iter_mut().zip(&window[k..k + 8]) {
                    *sum += x * tap;
                }
            }
        }
        for (i, sum) in rest.iter_mut().enumerate() {
            *sum += dot(&window[done + i..done + i + TAPS], taps);
        }
    }
}

/// The coefficients for one ratio, in both directions.
struct Filters {
    up: Vec<[f32; TAPS]>,
    down: Vec<[f32; TAPS]>,
}

static TIMES_2: LazyLock<Filters> = LazyLock::new(|| Filters::new(2));
static TIMES_3: LazyLock<Filters> = LazyLock::new(|| Filters::new(3));
static TIMES_6: LazyLock<Filters> = LazyLock::new(|| Filters::new(6));

impl Filters {
    fn new(ratio: usize) -> Filters {
        let centre = (TAPS * ratio - 1) as f64 / 2.0;
        let tap = |i: usize| windowed_sinc((i as f64 - centre) / ratio as f64, CUTOFF, TAPS as f64 / 2.0);
        // the phases' sums differ in the fifth digit: without levelling, a steady input would ripple
        let phase = |phase: usize| {
            let taps: [f64; TAPS] = std::array::from_fn(|k| tap(k * ratio + phase));
            let sum: f64 = taps.iter().sum();
            taps.map(|tap| tap / sum)
        };
        let up = |mut taps: [f64; TAPS]| {
            taps.reverse(); // the newest sample meets the first tap
            taps.map(|tap| tap as f32)
        };
        let down = |taps: [f64; TAPS]| taps.map(|tap| (tap / ratio as f64) as f32);
        Filters { up: (0..ratio).map(phase).map(up).collect(), down: (0..ratio).map(phase).map(down).collect() }
    }
}

/// Sum of the products, in eight lanes, so that it vectorises.
fn dot(window: &[f32], filter: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for (window, filter) in window.as_chunks::<8>().0.iter().zip(filter.as_chunks::<8>().0) {
        for lane in 0..8 {
            sums[lane] += window[lane] * filter[lane];
        }
    }
    sums.iter().sum()
}

/// What a resampler takes and gives: voices, and sums of them, which are wider.
trait Sample: Copy {
    fn to_f32(self) -> f32;
    /// Rounds and saturates.
    fn from_f32(value: f32) -> Self;
}

impl Sample for i16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self.into()
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        to_sample(value)
    }
}

impl Sample for i32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self as f32
    }

    /// As [`to_sample`] does; what 128 voices at full scale add up to fits.
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        const MAGIC: f32 = 12_582_912.0;
        const MOST: f32 = 4_194_303.0;
        (value.clamp(-MOST, MOST) + MAGIC).to_bits() as i32 - MAGIC.to_bits() as i32
    }
}

/// A sinc that cuts off at `cutoff` (cycles per sample), `at` samples from its centre, under a window that ends
/// `reach` samples from it.
fn windowed_sinc(at: f64, cutoff: f64, reach: f64) -> f64 {
    let x = 2.0 * PI * cutoff * at;
    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
    let edge = at / reach;
    if edge.abs() > 1.0 { 0.0 } else { sinc * bessel(BETA * (1.0 - edge * edge).sqrt()) / bessel(BETA) }
}

/// Modified Bessel function of the first kind, order 0, by its series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

/// Converts a whole sound between any two rates from [`RATE_HZ_MIN`] to [`RATE_HZ_MAX`]. Takes its time: not for the
/// tick. The sound stays where it is in time; it is taken as silent before and after.
pub fn resample(samples: &[i16], from_hz: u32, to_hz: u32) -> Result<Vec<i16>, RateError> {
    for rate_hz in [from_hz, to_hz] {
        if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
            return Err(RateError { rate_hz });
        }
    }
    if from_hz == to_hz {
        return Ok(samples.to_vec());
    }
    // going down, the filter widens with the ratio; a multiple of 8 taps suits `dot`
    let slower = f64::from(to_hz.min(from_hz)) / f64::from(from_hz);
    let half = ((FILE_REACH / slower / 4.0).ceil() * 4.0) as usize;
    let bank: Vec<Vec<f32>> = (0..=PHASES)
        .map(|phase| {
            let offset = phase as f64 / PHASES as f64;
            let at = |i: usize| i as f64 - (half - 1) as f64 - offset;
            let taps: Vec<f64> =
                (0..2 * half).map(|i| windowed_sinc(at(i), FILE_CUTOFF * slower, half as f64)).collect();
            let sum: f64 = taps.iter().sum();
            taps.iter().map(|tap| (tap / sum) as f32).collect()
        })
        .collect();
    let silence = std::iter::repeat_n(0.0, half);
    let padded: Vec<f32> =
        silence.clone().chain(samples.iter().map(|&sample| f32::from(sample))).chain(silence).collect();
    let len = samples.len() as u64 * u64::from(to_hz) / u64::from(from_hz);
    let output = |n: u64| {
        let position = n * u64::from(from_hz);
        let start = (position / u64::from(to_hz)) as usize + 1;
        let offset = (position % u64::from(to_hz)) as f64 / f64::from(to_hz) * PHASES as f64;
        let (phase, between) = (offset as usize, offset.fract() as f32);
        let window = &padded[start..start + 2 * half];
        let (before, after) = (dot(window, &bank[phase]), dot(window, &bank[phase + 1]));
        to_sample(before + (after - before) * between)
    };
    Ok((0..len).map(output).collect())
}

/// The lowest and highest rate a sound file is accepted at.
pub const RATE_HZ_MIN: u32 = 4_000;
/// See [`RATE_HZ_MIN`].
pub const RATE_HZ_MAX: u32 = 192_000;
/// Samples of the lower rate to either side: steeper than in a call, where delay counts.
const FILE_REACH: f64 = 40.0;
const FILE_CUTOFF: f64 = 0.47;
/// Positions between two samples; linear interpolation between their filters is good for 100 dB.
const PHASES: usize = 512;

/// A sound at a rate that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{rate_hz} samples a second, expected {RATE_HZ_MIN} to {RATE_HZ_MAX}")]
pub struct RateError {
    /// The rate asked for.
    pub rate_hz: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, tone_hz: f64, samples: usize) -> Vec<i16> {
        let step = 2.0 * PI * tone_hz / f64::from(rate_hz);
        (0..samples).map(|i| ((i as f64 * step).sin() * 20_000.0).round() as i16).collect()
    }

    /// Amplitude at `tone_hz` against 20 000, in dB.
    fn level_db(samples: &[i16], rate_hz: u32, tone_hz: f64) -> f64 {
        let step = 2.0 * PI * tone_hz / f64::from(rate_hz);
        let (mut re, mut im, mut weights) = (0.0, 0.0, 0.0);
        for (i, &sample) in samples.iter().enumerate() {
            let weight = (PI * (i as f64 + 0.5) / samples.len() as f64).sin().powi(4);
            re += f64::from(sample) * weight * (i as f64 * step).cos();
            im += f64::from(sample) * weight * (i as f64 * step).sin();
            weights += weight;
        }
        20.0 * (re.hypot(im) * 2.0 / weights / 20_000.0).log10()
    }

    fn stream(samples: &[i16], from_hz: u32, to_hz: u32) -> Vec<i16> {
        let mut resampler = Resampler::new(from_hz, to_hz).expect("a bus rate");
        let mut out = vec![0; samples.len() * to_hz as usize / from_hz as usize];
        let (from, to) = (from_hz as usize / 50, to_hz as usize / 50);
        for (samples, out) in samples.chunks_exact(from).zip(out.chunks_exact_mut(to)) {
            assert_eq!(resampler.process(samples, out), to);
        }
        out
    }

    const RATES: [u32; 3] = [8_000, 16_000, 48_000];

    #[test]
    fn what_both_rates_can_carry_passes_unchanged() {
        for from_hz in RATES {
            for to_hz in RATES {
                let lower = f64::from(from_hz.min(to_hz));
                for tone_hz in [0.04 * lower, 0.125 * lower, 0.375 * lower] {
                    let out = stream(&tone(from_hz, tone_hz, from_hz as usize), from_hz, to_hz);
                    let level = level_db(&out[out.len() / 10..], to_hz, tone_hz);
                    assert!(level.abs() < 0.1, "{from_hz} to {to_hz}: {level:.2} dB at {tone_hz} Hz");
                }
            }
        }
    }

    #[test]
    fn aliases_and_images_are_87_db_down() {
        for (from_hz, to_hz, tone_hz, heard_hz) in [
            (16_000, 8_000, 4_700.0, 3_300.0),
            (16_000, 8_000, 6_000.0, 2_000.0),
            (48_000, 8_000, 5_000.0, 3_000.0),
            (48_000, 8_000, 23_000.0, 1_000.0),
            (48_000, 16_000, 9_500.0, 6_500.0),
            (8_000, 16_000, 1_000.0, 7_000.0),
            (8_000, 16_000, 3_000.0, 5_000.0),
            (8_000, 48_000, 1_000.0, 15_000.0),
            (16_000, 48_000, 5_000.0, 11_000.0),
        ] {
            let out = stream(&tone(from_hz, tone_hz, from_hz as usize), from_hz, to_hz);
            let level = level_db(&out[out.len() / 10..], to_hz, heard_hz);
            assert!(level < -87.0, "{from_hz} to {to_hz}: {tone_hz} Hz is heard at {heard_hz} Hz, {level:.1} dB");
        }
    }

    #[test]
    fn files_at_any_rate_come_out_clean() {
        for (from_hz, to_hz, tone_hz, alias_hz) in [
            (44_100, 8_000, 1_000.0, None),
            (44_100, 48_000, 15_000.0, None),
            (11_025, 16_000, 4_000.0, Some(7_025.0)),
            (22_050, 8_000, 3_000.0, Some(1_000.0)),
            (8_000, 48_000, 3_000.0, Some(5_000.0)),
            (7_919, 8_000, 2_000.0, None),
        ] {
            let out = resample(&tone(from_hz, tone_hz, from_hz as usize), from_hz, to_hz).expect("sane rates");
            let out = &out[to_hz as usize / 50..];
            let level = level_db(out, to_hz, tone_hz);
            assert!(level.abs() < 0.1, "{from_hz} to {to_hz}: {level:.2} dB at {tone_hz} Hz");
            if let Some(alias_hz) = alias_hz {
                let level = level_db(out, to_hz, alias_hz);
                assert!(level < -87.0, "{from_hz} to {to_hz}: {level:.1} dB at {alias_hz} Hz");
            }
        }
        let out = resample(&tone(44_100, 6_000.0, 44_100), 44_100, 8_000).expect("sane rates");
        assert!(level_db(&out, 8_000, 2_000.0) < -87.0, "what 8 kHz cannot carry is gone");
    }

    #[test]
    fn a_file_keeps_its_place_and_length() {
        let mut click = vec![0; 4410];
        click[2205] = 30_000;
        let out = resample(&click, 44_100, 8_000).expect("sane rates");
        assert_eq!(out.len(), 800);
        assert_eq!(out.iter().position(|&sample| sample == *out.iter().max().expect("not empty")), Some(400));
    }

    #[test]
    fn full_scale_saturates_and_rates_are_checked() {
        let square: Vec<i16> = (0..800).map(|i| if i / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = stream(&square, 8_000, 48_000);
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
        assert_eq!(resample(&[], 0, 8_000), Err(RateError { rate_hz: 0 }));
        assert_eq!(resample(&[], 44_100, 8_000), Ok(vec![]));
        assert!(Resampler::new(44_100, 8_000).is_none());
    }
}
