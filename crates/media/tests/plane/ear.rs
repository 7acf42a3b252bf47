//! Judging by ear: how loud a tone is, what is there beside the tones one knows, what clicks.

use std::f64::consts::TAU;

/// Full scale, squared.
const FULL_SCALE: f64 = 32_768.0 * 32_768.0;

/// The level of one tone, in dB of a full-scale tone (Goertzel's sum, by its definition).
pub(crate) fn level_dbfs(pcm: &[i16], rate_hz: f64, hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in pcm.iter().enumerate() {
        let angle = TAU * hz * i as f64 / rate_hz;
        re += f64::from(sample) * angle.cos();
        im += f64::from(sample) * angle.sin();
    }
    let peak = 2.0 * (re * re + im * im).sqrt() / pcm.len() as f64;
    20.0 * (peak / 32_768.0).max(1e-9).log10()
}

/// The level of all that is heard, in dB of a full-scale square wave.
pub(crate) fn total_dbov(pcm: &[i16]) -> f64 {
    let sum: f64 = pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    10.0 * (sum / pcm.len() as f64 / FULL_SCALE).max(1e-18).log10()
}

/// What steady tones and the rest of a sound are, in dBov each: the tones as fit best, by least squares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fit {
    pub(crate) tones_dbov: f64,
    pub(crate) rest_dbov: f64,
}

impl Fit {
    pub(crate) fn new(pcm: &[i16], rate_hz: f64, tones_hz: &[f64]) -> Self {
        let unknowns = 2 * tones_hz.len();
        let basis = |i: usize| -> Vec<f64> {
            tones_hz.iter().flat_map(|hz| <[f64; 2]>::from((TAU * hz * i as f64 / rate_hz).sin_cos())).collect()
        };
        let rows: Vec<Vec<f64>> = (0..pcm.len()).map(basis).collect();
        // The normal equations, the right side as the last column.
        let mut equations = vec![vec![0.0; unknowns + 1]; unknowns];
        for (row, &sample) in rows.iter().zip(pcm) {
            for (equation, x) in equations.iter_mut().zip(row) {
                equation.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
                equation[unknowns] += x * f64::from(sample);
            }
        }
        let amplitudes = solve(equations);
        let (mut tones, mut rest) = (0.0, 0.0);
        for (row, &sample) in rows.iter().zip(pcm) {
            let fitted: f64 = row.iter().zip(&amplitudes).map(|(x, amplitude)| x * amplitude).sum();
            tones += fitted * fitted;
            rest += (f64::from(sample) - fitted).powi(2);
        }
        let dbov = |sum: f64| 10.0 * (sum / pcm.len() as f64 / FULL_SCALE).max(1e-18).log10();
        Self { tones_dbov: dbov(tones), rest_dbov: dbov(rest) }
    }

    pub(crate) fn snr_db(&self) -> f64 {
        self.tones_dbov - self.rest_dbov
    }
}

/// Gauss's elimination; the matrix of a fit needs no pivots.
fn solve(mut equations: Vec<Vec<f64>>) -> Vec<f64> {
    let unknowns = equations.len();
    for at in 0..unknowns {
        let pivot = equations[at].clone();
        for (other, equation) in equations.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            let factor = equation[at] / pivot[at];
            let from = if other > at { at } else { 0 };
            equation[from..].iter_mut().zip(&pivot[from..]).for_each(|(x, y)| *x -= factor * y);
        }
    }
    equations.iter().enumerate().map(|(at, equation)| equation[unknowns] / equation[at]).collect()
}

/// The loudest 10 ms above 2.4 kHz at 8 kHz, in dBov: where low tones leave nothing but the noise of G.711, and clicks.
pub(crate) fn splatter_dbov(pcm: &[i16]) -> f64 {
    let tap = |k: i32| {
        let window = 0.42 + 0.5 * (TAU * f64::from(k) / 101.0).cos() + 0.08 * (2.0 * TAU * f64::from(k) / 101.0).cos();
        let at = f64::from(k) * TAU * 0.3;
        let low_pass = if k == 0 { 0.6 } else { at.sin() / (f64::from(k) * TAU / 2.0) };
        (if k == 0 { 1.0 - low_pass } else { -low_pass }) * window
    };
    let taps: Vec<f64> = (-50..=50).map(tap).collect();
    let high: Vec<f64> = pcm
        .windows(taps.len())
        .map(|window| window.iter().zip(&taps).map(|(&sample, tap)| f64::from(sample) * tap).sum())
        .collect();
    let power = |block: &[f64]| block.iter().map(|sample| sample * sample).sum::<f64>() / block.len() as f64;
    let loudest = high.windows(80).step_by(20).map(power).fold(0.0, f64::max);
    10.0 * (loudest / FULL_SCALE).max(1e-18).log10()
}
