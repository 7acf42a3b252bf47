//! Where does a piece of sound resemble another? The period of a voice, for concealing and stretching.

use std::ops::{Range, RangeInclusive};

/// The place most like the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Match {
    /// Where it begins.
    pub(crate) start: usize,
    /// How alike: 1.0 is the same shape, whatever the loudness; 0.0 has nothing in common.
    pub(crate) correlation: f32,
}

/// Finds the start among `starts` where `sound` is most like `sound[reference]`, by normalised cross-correlation.
///
/// `stride`: looks at every such sample only, and refines the best start to the sample afterwards: at 48 kHz, a
/// voice needs no more than at 8. Every start must leave room for the reference's length. At most
/// [`COMPARED_MAX`] strides are compared, and [`STARTS_MAX`] tried. 10 ms tried at 100 places: 1.5 µs.
pub(crate) fn most_alike(
    sound: &[i16],
    reference: Range<usize>,
    starts: RangeInclusive<usize>,
    stride: usize,
) -> Match {
    let alike = |start: usize| Match { start, correlation: correlation(sound, reference.clone(), start, stride) };
    let better = |a: Match, b: Match| if b.correlation > a.correlation { b } else { a };
    let (first, last) = (*starts.start(), *starts.end());
    let coarse = first + stride * most_alike_stride(sound, reference.clone(), starts, stride);
    let around = coarse.saturating_sub(stride - 1).max(first)..=(coarse + stride - 1).min(last);
    around.map(alike).fold(Match { start: coarse, correlation: -1.0 }, better)
}

/// How many strides into `starts` the reference is resembled most.
fn most_alike_stride(sound: &[i16], reference: Range<usize>, starts: RangeInclusive<usize>, stride: usize) -> usize {
    let len = reference.len().div_ceil(stride).min(COMPARED_MAX);
    let count = ((starts.end() - starts.start()) / stride + 1).min(STARTS_MAX);
    // gathered first, since strided loads do not vectorise; what is behind the reference's end counts for nothing
    let (mut a, mut b) = ([0.0; COMPARED_MAX], [0.0; STARTS_MAX + COMPARED_MAX]);
    for (a, &sample) in a.iter_mut().zip(sound[reference].iter().step_by(stride)) {
        *a = f32::from(sample);
    }
    for (b, &sample) in b[..count + len].iter_mut().zip(sound[*starts.start()..].iter().step_by(stride)) {
        *b = f32::from(sample);
    }
    let a = a[..len.next_multiple_of(LANES)].as_chunks::<LANES>().0;
    // whole numbers, exact: what is added can be taken away again
    let energy = |sample: f32| f64::from(sample).powi(2);
    let mut bb: f64 = b[..len].iter().copied().map(energy).sum();
    let mut best = (0, f32::NEG_INFINITY);
    for start in 0..count {
        let mut ab = [0.0f32; LANES];
        for (a, b) in a.iter().zip(b[start..].as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                ab[lane] += a[lane] * b[lane];
            }
        }
        let alike = ab.iter().sum::<f32>() / (bb as f32 + 100.0).sqrt();
        if alike > best.1 {
            best = (start, alike);
        }
        bb += energy(b[start + len]) - energy(b[start]);
    }
    best.0
}

fn correlation(sound: &[i16], reference: Range<usize>, start: usize, stride: usize) -> f32 {
    let other = &sound[start..start + reference.len()];
    let reference = &sound[reference];
    if stride == 1 {
        return normalised(reference, other);
    }
    // gathered first, since strided loads do not vectorise
    let (mut a, mut b) = ([0; COMPARED_MAX], [0; COMPARED_MAX]);
    let len = reference.len().div_ceil(stride).min(COMPARED_MAX);
    for (a, &sample) in a.iter_mut().zip(reference.iter().step_by(stride)) {
        *a = sample;
    }
    for (b, &sample) in b.iter_mut().zip(other.iter().step_by(stride)) {
        *b = sample;
    }
    normalised(&a[..len], &b[..len])
}

/// 20 ms at 8 kHz; whole [`LANES`].
const COMPARED_MAX: usize = 160;
/// 16 ms at 8 kHz.
const STARTS_MAX: usize = 128;
/// What a sum is split into, to be done side by side.
const LANES: usize = 8;

fn normalised(a: &[i16], b: &[i16]) -> f32 {
    let (mut ab, mut aa, mut bb) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let (a, b) = (f32::from(a[lane]), f32::from(b[lane]));
            ab[lane] += a * b;
            aa[lane] += a * a;
            bb[lane] += b * b;
        }
    }
    let sum = |lanes: [f32; LANES]| lanes.iter().sum::<f32>();
    // a hundred in the denominator: silence resembles nothing
    sum(ab) / ((sum(aa) + 100.0) * (sum(bb) + 100.0)).sqrt()
}

/// Root mean square.
pub(crate) fn loudness(sound: &[i16]) -> f32 {
    let energy: u64 = sound.iter().map(|&sample| u64::from(i32::from(sample).pow(2) as u32)).sum();
    (energy as f32 / sound.len().max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_found_at_every_rate() {
        for (rate_hz, stride) in [(8_000, 1), (16_000, 2), (48_000, 6)] {
            let period = rate_hz as f64 / 130.0;
            let sound: Vec<i16> = (0..rate_hz / 20)
                .map(|i| {
                    let turns = f64::from(i) / period * std::f64::consts::TAU;
                    (6_000.0 * turns.sin() + 3_000.0 * (2.0 * turns).sin() + 2_000.0 * (5.0 * turns).cos()) as i16
                })
                .collect();
            let ms = rate_hz as usize / 1000;
            let reference = sound.len() - 20 * ms..sound.len();
            let starts = reference.start - 15 * ms..=reference.start - 5 * ms;
            let found = most_alike(&sound, reference.clone(), starts, stride);
            assert!(found.correlation > 0.99, "{rate_hz}: {found:?}");
            let lag = (reference.start - found.start) as f64;
            assert!((lag - period).abs() <= 1.0, "{rate_hz}: {lag}, expected {period}");
        }
    }

    #[test]
    fn the_best_place_is_found() {
        let mut random = 1u64;
        for round in 0..200 {
            // a few partials anywhere in the telephone band, and some noise
            let mut next = || {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 40) as f64 / f64::from(1 << 24)
            };
            let base_hz = 90.0 + 210.0 * next();
            let partials: Vec<(f64, f64)> = (1..=10).map(|nth| (base_hz * f64::from(nth), 1_500.0 * next())).collect();
            let sound: Vec<i16> = (0..400)
                .map(|i| {
                    let partial =
                        |&(hz, peak): &(f64, f64)| peak * (f64::from(i) / 8e3 * hz * std::f64::consts::TAU).sin();
                    (partials.iter().map(partial).sum::<f64>() + 200.0 * next()) as i16
                })
                .collect();
            let reference = 240..320;
            let (first, last) = (120, 220);
            let fine =
                (first..=last).map(|start| correlation(&sound, reference.clone(), start, 1)).fold(-1.0, f32::max);
            let found = most_alike(&sound, reference.clone(), first..=last, 1);
            assert!(found.correlation > fine - 0.001, "round {round}: {found:?}, there is {fine}");
        }
    }

    #[test]
    fn silence_resembles_nothing() {
        assert_eq!(most_alike(&[0; 400], 240..400, 120..=200, 1).correlation, 0.0);
    }
}
