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
/// voice needs no more than at 8. Every start must leave room for the reference's length.
pub(crate) fn most_alike(
    sound: &[i16],
    reference: Range<usize>,
    starts: RangeInclusive<usize>,
    stride: usize,
) -> Match {
    let alike = |start: usize| Match { start, correlation: correlation(sound, reference.clone(), start, stride) };
    let better = |a: Match, b: Match| if b.correlation > a.correlation { b } else { a };
    let (first, last) = (*starts.start(), *starts.end());
    let coarse = starts.step_by(stride).map(alike).fold(Match { start: first, correlation: -1.0 }, better);
    let around = coarse.start.saturating_sub(stride - 1).max(first)..=(coarse.start + stride - 1).min(last);
    if stride == 1 { coarse } else { around.map(alike).fold(coarse, better) }
}

fn correlation(sound: &[i16], reference: Range<usize>, start: usize, stride: usize) -> f32 {
    let other = &sound[start..start + reference.len()];
    let reference = &sound[reference];
    if stride == 1 {
        return normalised(reference, other);
    }
    // gathered first, since strided loads do not vectorise
    let (mut a, mut b) = ([0; GATHERED_MAX], [0; GATHERED_MAX]);
    let len = reference.len().div_ceil(stride).min(GATHERED_MAX);
    for (a, &sample) in a.iter_mut().zip(reference.iter().step_by(stride)) {
        *a = sample;
    }
    for (b, &sample) in b.iter_mut().zip(other.iter().step_by(stride)) {
        *b = sample;
    }
    normalised(&a[..len], &b[..len])
}

/// 20 ms at 8 kHz.
const GATHERED_MAX: usize = 160;

fn normalised(a: &[i16], b: &[i16]) -> f32 {
    let (mut ab, mut aa, mut bb) = ([0.0f32; 8], [0.0f32; 8], [0.0f32; 8]);
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for lane in 0..8 {
            let (a, b) = (f32::from(a[lane]), f32::from(b[lane]));
            ab[lane] += a * b;
            aa[lane] += a * a;
            bb[lane] += b * b;
        }
    }
    let sum = |lanes: [f32; 8]| lanes.iter().sum::<f32>();
    // a hundred in the denominator: silence resembles nothing
    sum(ab) / ((sum(aa) + 100.0) * (sum(bb) + 100.0)).sqrt()
}

/// Root mean square.
pub(crate) fn loudness(sound: &[i16]) -> f32 {
    let energy: f32 = sound.iter().map(|&sample| f32::from(sample) * f32::from(sample)).sum();
    (energy / sound.len().max(1) as f32).sqrt()
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
    fn silence_resembles_nothing() {
        assert_eq!(most_alike(&[0; 400], 240..400, 120..=200, 1).correlation, 0.0);
    }
}
