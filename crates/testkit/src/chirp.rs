//! A chirp: the marker whose way through the bridge is timed.
//!
//! A sweep has one sharp correlation peak, found to the sample even under tones and noise:
//! `heard: ~~~~~~/\/\/|~~~~ ─▶ find ─▶ Some(6)`.

use std::f64::consts::{PI, TAU};

use crate::tone::{RATE_HZ, amplitude};

/// Length of the sweep, 32 ms; two packets carry it.
pub const LENGTH: usize = 256;
const FROM_HZ: f64 = 400.0;
const TO_HZ: f64 = 3_200.0;
const PEAK_DBFS: f64 = -12.0;
/// Below this normalised correlation it is not our chirp. Noise reaches 0.3, a chirp under two tones 0.7.
const LIKENESS_MIN: f64 = 0.5;

/// The sweep, 400 to 3200 Hz, with soft ends.
pub fn samples() -> Vec<i16> {
    let seconds = LENGTH as f64 / f64::from(RATE_HZ);
    let sweep = (TO_HZ - FROM_HZ) / seconds;
    (0..LENGTH)
        .map(|n| {
            let t = n as f64 / f64::from(RATE_HZ);
            let envelope = (PI * (n as f64 + 0.5) / LENGTH as f64).sin();
            let phase = TAU * (FROM_HZ * t + sweep * t * t / 2.0);
            (amplitude(PEAK_DBFS) * envelope * phase.sin()).round() as i16
        })
        .collect()
}

/// Where in `heard` the chirp begins, if it is there.
pub fn find(heard: &[i16]) -> Option<usize> {
    let chirp: Vec<f64> = samples().into_iter().map(f64::from).collect();
    let chirp_energy: f64 = chirp.iter().map(|c| c * c).sum();
    let likeness = |window: &[i16]| {
        let energy: f64 = window.iter().map(|&h| f64::from(h).powi(2)).sum();
        let product: f64 = window.iter().zip(&chirp).map(|(&h, c)| f64::from(h) * c).sum();
        if energy == 0.0 { 0.0 } else { product / (energy * chirp_energy).sqrt() }
    };
    heard
        .windows(LENGTH)
        .map(likeness)
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .filter(|&(_, best)| best >= LIKENESS_MIN)
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{HUM_DBFS, Tone};

    #[test]
    fn it_is_found_to_the_sample_under_other_voices() {
        let mut heard = Tone::nth(7).second(HUM_DBFS);
        heard.iter_mut().zip(Tone::nth(31).second(HUM_DBFS)).for_each(|(h, t)| *h += t);
        assert_eq!(find(&heard), None, "nobody chirped");
        heard[1_234..].iter_mut().zip(samples()).for_each(|(h, c)| *h += c);
        assert_eq!(find(&heard), Some(1_234));
    }
}
