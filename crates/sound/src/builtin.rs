//! Sounds that are always there: no file to find, no URL to answer.

use model::Clip;

use crate::decode::decode;

/// What a waiting or held caller hears by default: 51.2 s that loop without a seam (`fixtures/audio/`).
///
/// Decodes it each time; make the pages that are played from it once.
pub fn hold_music() -> Clip {
    const FILE: &[u8] = include_bytes!("../../../fixtures/audio/hold_music.wav");
    decode(FILE).expect("the built-in music is a WAV file")
}

/// The short beep of someone leaving: 250 ms of 880 Hz at −20 dBFS, eased in and out.
pub fn beep() -> Clip {
    const RATE_HZ: u32 = 16_000;
    const TONE_HZ: f64 = 880.0;
    const PEAK: f64 = 4_634.0; // −20 dBFS RMS: as loud as a talker
    let (len, ease) = (RATE_HZ / 4, f64::from(RATE_HZ) * 0.015);
    let raised_cosine = |x: f64| 0.5 - 0.5 * (std::f64::consts::PI * x.min(1.0)).cos();
    let sample = |i: u32| {
        let envelope = raised_cosine(f64::from(i) / ease) * raised_cosine(f64::from(len - 1 - i) / ease);
        let phase = std::f64::consts::TAU * TONE_HZ * f64::from(i) / f64::from(RATE_HZ);
        (PEAK * envelope * phase.sin()).round() as i16
    };
    Clip { rate_hz: RATE_HZ, samples: (0..len).map(sample).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rms_dbfs(samples: &[i16]) -> f64 {
        let mean_square = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * (mean_square / 32_768f64.powi(2)).log10()
    }

    /// The largest bend of the wave around each sample: a click is a bend far above the rest.
    fn bend(samples: &[i16], at: usize) -> i32 {
        let [a, b, c] = [0, 1, 2].map(|i| i32::from(samples[(at + i) % samples.len()]));
        (a - 2 * b + c).abs()
    }

    #[test]
    fn the_music_is_at_talking_level_and_loops_without_a_click() {
        let Clip { rate_hz, samples } = hold_music();
        assert_eq!((rate_hz, samples.len()), (16_000, 819_200));
        assert!((rms_dbfs(&samples) + 20.0).abs() < 0.1, "{} dBFS", rms_dbfs(&samples));
        let loudest = samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
        assert!(loudest < 29_000, "a peak of {loudest} would reach the limiter");
        for second in samples.chunks_exact(16_000) {
            assert!((rms_dbfs(second) + 20.0).abs() < 3.0, "one second is at {} dBFS", rms_dbfs(second));
        }
        let last = samples.len() - 1;
        let seam = bend(&samples, last).max(bend(&samples, last - 1));
        let inside = (0..last - 1).map(|at| bend(&samples, at)).max().unwrap_or(0);
        assert!(seam * 4 < inside, "a bend of {seam} at the seam, at most {inside} elsewhere");
    }

    #[test]
    fn the_beep_begins_and_ends_in_silence() {
        let Clip { rate_hz, samples } = beep();
        assert_eq!(samples.len() as u32 * 4, rate_hz);
        assert_eq!((samples[0], samples[samples.len() - 1]), (0, 0));
        assert!((rms_dbfs(&samples[400..3600]) + 20.0).abs() < 0.1);
    }
}
