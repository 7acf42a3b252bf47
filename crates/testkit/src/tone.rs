//! Tones: what each phone hums, and how much of a tone is in what another phone hears.
//!
//! Every talker has a frequency of its own, so who hears whom is read off a spectrum:
//!
//! `heard ─▶ level_dbfs(heard, ana) = -20.0, level_dbfs(heard, ben) = -78.3` : hears ana, not ben.
//! All of it at telephone rate, 8 kHz. Levels are relative to a full-scale sine.

use std::f64::consts::TAU;

/// Samples a second of everything here.
pub const RATE_HZ: u32 = 8_000;
/// How loudly phones hum. Six at once stay below the bridge's limiter (-1 dBFS peak).
pub const HUM_DBFS: f64 = -20.0;

/// A steady sine at a whole number of hertz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tone {
    /// Cycles a second.
    pub hz: u32,
}

impl Tone {
    /// A tone well inside the telephone band, one of [`Tone::PALETTE`]; the same index, the same tone.
    pub fn nth(index: usize) -> Self {
        Self { hz: Self::PALETTE[index % Self::PALETTE.len()] }
    }

    /// Primes about 50 Hz apart. A prime shares no factor with 8000, so its G.711 quantisation noise spreads
    /// evenly (≤ -80 dBFS a bin) instead of piling up on harmonics that would look like another talker.
    pub const PALETTE: [u32; 60] = [
        307, 359, 409, 457, 509, 557, 607, 659, 709, 757, 809, 857, 907, 953, 1009, 1061, 1109, 1163, 1213, 1259, 1307,
        1361, 1409, 1459, 1511, 1559, 1607, 1657, 1709, 1759, 1811, 1861, 1907, 1951, 2011, 2063, 2111, 2161, 2207,
        2267, 2309, 2357, 2411, 2459, 2503, 2557, 2609, 2657, 2707, 2753, 2803, 2857, 2909, 2957, 3011, 3061, 3109,
        3163, 3209, 3259,
    ];

    /// One second at `peak_dbfs`: starts and ends at a zero, so that repeated it has no seam.
    pub fn second(self, peak_dbfs: f64) -> Vec<i16> {
        self.second_at(RATE_HZ, peak_dbfs)
    }

    /// The same at another rate than telephones have.
    pub fn second_at(self, rate_hz: u32, peak_dbfs: f64) -> Vec<i16> {
        let peak = amplitude(peak_dbfs);
        let step = TAU * f64::from(self.hz) / f64::from(rate_hz);
        (0..rate_hz).map(|n| (peak * (step * f64::from(n)).sin()).round() as i16).collect()
    }

    /// How loud this tone is in `heard`; 50 ms or more tell neighbours of the palette apart.
    ///
    /// One bin of a Hann-windowed Fourier transform: exact for a steady tone, blind to tones ≥ 4 bins away.
    pub fn level_dbfs(self, heard: &[i16]) -> f64 {
        let length = heard.len() as f64;
        let step = TAU * f64::from(self.hz) / f64::from(RATE_HZ);
        let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
        for (n, &sample) in heard.iter().enumerate() {
            let n = n as f64;
            let hann = 0.5 - 0.5 * (TAU * (n + 0.5) / length).cos();
            let (sin, cos) = (step * n).sin_cos();
            re += hann * f64::from(sample) * cos;
            im += hann * f64::from(sample) * sin;
            weight += hann;
        }
        if weight == 0.0 { f64::NEG_INFINITY } else { to_dbfs(2.0 * re.hypot(im) / weight) }
    }
}

/// How well `heard` is explained as a sum of steady `tones`: their power over the power of all the rest, in dB.
///
/// Least squares over amplitude and phase of each tone, the fit of IEEE Std 1057 §4.1.4 for known frequencies.
/// One talker through G.711 once gives about 38 dB; a click, a gap or a stranger shows at once.
pub fn snr_db(heard: &[i16], tones: &[Tone]) -> f64 {
    let total: f64 = heard.iter().map(|&s| f64::from(s).powi(2)).sum();
    let rest: f64 = residual(heard, tones).iter().map(|r| r * r).sum();
    10.0 * ((total - rest).max(f64::MIN_POSITIVE) / rest.max(f64::MIN_POSITIVE)).log10()
}

/// How loud `heard` is without these `tones`: music, noise, strangers. A sine's scale, as all levels here.
pub fn rest_dbfs(heard: &[i16], tones: &[Tone]) -> f64 {
    let rest: f64 = residual(heard, tones).iter().map(|r| r * r).sum();
    to_dbfs((2.0 * rest / heard.len().max(1) as f64).sqrt())
}

/// `heard` less its best fit by a constant and the given tones.
fn residual(heard: &[i16], tones: &[Tone]) -> Vec<f64> {
    let mut waves = vec![vec![1.0; heard.len()]];
    for tone in tones {
        let step = TAU * f64::from(tone.hz) / f64::from(RATE_HZ);
        waves.push((0..heard.len()).map(|n| (step * n as f64).cos()).collect());
        waves.push((0..heard.len()).map(|n| (step * n as f64).sin()).collect());
    }
    let signal: Vec<f64> = heard.iter().map(|&s| f64::from(s)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let normal = waves.iter().map(|a| waves.iter().map(|b| dot(a, b)).collect()).collect();
    let weights = solve(normal, waves.iter().map(|wave| dot(wave, &signal)).collect());
    let mut rest = signal;
    for (wave, weight) in waves.iter().zip(weights) {
        rest.iter_mut().zip(wave).for_each(|(r, w)| *r -= weight * w);
    }
    rest
}

/// Solves `matrix · x = right` by Gaussian elimination with pivots; a column without information gets 0.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for column in 0..size {
        let best = (column..size).max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()));
        let pivot = best.expect("the range holds at least this column");
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        if matrix[column][column].abs() < 1e-9 {
            continue;
        }
        let pivot_row = matrix[column].clone();
        for row in column + 1..size {
            let factor = matrix[row][column] / pivot_row[column];
            matrix[row].iter_mut().zip(&pivot_row).for_each(|(m, p)| *m -= factor * p);
            right[row] -= factor * right[column];
        }
    }
    let mut x = vec![0.0; size];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|k| matrix[row][k] * x[k]).sum();
        if matrix[row][row].abs() >= 1e-9 {
            x[row] = (right[row] - known) / matrix[row][row];
        }
    }
    x
}

/// The peak, in samples, of a sine this loud.
pub(crate) fn amplitude(peak_dbfs: f64) -> f64 {
    32_768.0 * 10f64.powf(peak_dbfs / 20.0)
}

fn to_dbfs(peak: f64) -> f64 {
    20.0 * (peak / 32_768.0).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcmu;

    fn through_pcmu(pcm: &[i16]) -> Vec<i16> {
        pcm.iter().map(|&sample| pcmu::decode(pcmu::encode(sample))).collect()
    }

    fn mix(tones: &[Tone]) -> Vec<i16> {
        let mut sum = vec![0i16; RATE_HZ as usize];
        for tone in tones {
            sum.iter_mut().zip(tone.second(HUM_DBFS)).for_each(|(s, t)| *s += t);
        }
        sum
    }

    #[test]
    fn a_tone_is_as_loud_as_it_was_made_and_no_other_is_there() {
        for &hz in &Tone::PALETTE {
            let tone = Tone { hz };
            let heard = through_pcmu(&tone.second(HUM_DBFS));
            let half_second = &heard[1_234..5_234];
            assert!((tone.level_dbfs(half_second) - HUM_DBFS).abs() < 0.1, "{hz} Hz");
            for &other in Tone::PALETTE.iter().filter(|&&other| other != hz) {
                let level = Tone { hz: other }.level_dbfs(half_second);
                assert!(level < -65.0, "{hz} Hz hummed, {other} Hz at {level:.1} dBFS");
            }
        }
    }

    #[test]
    fn the_palette_is_one_of_primes() {
        for hz in Tone::PALETTE {
            assert!((2..hz).take_while(|d| d * d <= hz).all(|d| hz % d != 0), "{hz}");
        }
    }

    #[test]
    fn the_fit_tells_clean_from_clicking() {
        let tones = [Tone::nth(3), Tone::nth(23)];
        let clean = through_pcmu(&mix(&tones));
        assert!(snr_db(&clean[..160], &tones) > 30.0);
        assert!(snr_db(&clean[..160], &tones[..1]) < 3.0, "a stranger of equal power");
        let mut clicking = clean.clone();
        clicking[80..84].fill(0);
        assert!(snr_db(&clicking[..160], &tones) < 25.0);
    }

    #[test]
    fn the_rest_is_what_no_known_tone_explains() {
        let (known, stranger) = (Tone::nth(5), Tone::nth(30));
        let both = mix(&[known, stranger]);
        assert!((rest_dbfs(&both[..4_000], &[known]) - HUM_DBFS).abs() < 0.1);
        assert!(rest_dbfs(&both[..4_000], &[known, stranger]) < -70.0);
    }
}
