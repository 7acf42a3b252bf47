//! Noise suppression by a small recurrent network (RNNoise, in Rust: `nnnoiseless`).
//!
//! `8, 16 or 48 kHz ─▶ 48 kHz ─▶ two times 10 ms through the network ─▶ back`
//!
//! Adds 10 ms of delay at 48 kHz, 12 at 16, 14 at 8. Costs more than all else a leg does: 100 µs a frame and more,
//! whatever the codec, so nothing of it runs for a leg that has not asked. Allocates in `new`, and the first time on a
//! thread (see [`warm_up`]).

use nnnoiseless::DenoiseState;

use crate::Resampler;
use crate::mixer::{FRAME_MAX, Rate, to_sample};

/// The suppressor of one leg.
pub(crate) struct Suppressor {
    rate: Rate,
    up: Resampler,
    network: Box<DenoiseState<'static>>,
    down: Resampler,
    /// Frames of silence until everything that was heard has come out.
    tail: u32,
}

impl Suppressor {
    /// Allocates: not in a tick.
    pub(crate) fn new(rate: Rate) -> Box<Self> {
        let resampler = |from: Rate, to: Rate| Resampler::new(from.hz(), to.hz()).expect("rates of buses");
        Box::new(Self {
            rate,
            up: resampler(rate, Rate::Full),
            network: DenoiseState::new(),
            down: resampler(Rate::Full, rate),
            tail: 0,
        })
    }

    /// For frames of which rate it is.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Replaces a frame by what there was of voice in it, a little later; `audible`: there is something in it. Returns
    /// whether there is still.
    pub(crate) fn process(&mut self, frame: &mut [i16], audible: bool) -> bool {
        match (audible, self.tail) {
            (true, _) => self.tail = TAIL_FRAMES,
            (false, 0) => return false,
            (false, _) => {
                self.tail -= 1;
                frame.fill(0);
            }
        }
        let mut full = [0; FRAME_MAX];
        self.up.process(frame, &mut full);
        for half in full.as_chunks_mut::<{ DenoiseState::FRAME_SIZE }>().0 {
            let mut clean = [0.0; DenoiseState::FRAME_SIZE];
            self.network.process_frame(&mut clean, &half.map(f32::from));
            *half = clean.map(to_sample);
        }
        self.down.process(&full, frame);
        true
    }
}

/// Has the network make, for the thread this is called on, what all suppressors on it share: tables of its Fourier
/// transform. Before the first tick.
pub(crate) fn warm_up() {
    let mut frame = [1_000; Rate::Full.frame()];
    Suppressor::new(Rate::Full).process(&mut frame, true);
}

/// What is delayed by 14 ms is out after one more.
const TAIL_FRAMES: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample;

    fn speech(rate: Rate) -> Vec<i16> {
        let wav = include_bytes!("../../../fixtures/audio/speech.wav");
        let speech: Vec<i16> = wav[44..].as_chunks().0.iter().map(|&bytes| i16::from_le_bytes(bytes)).collect();
        resample(&speech, 8_000, rate.hz()).expect("sane rates")
    }

    /// As a fan or a street: noise whose power falls from 500 Hz on.
    fn noise(rate: Rate, samples: usize, rms: f64) -> Vec<f64> {
        let (mut random, mut low) = (1_u64, 0.0);
        let step = 500.0 * std::f64::consts::TAU / f64::from(rate.hz());
        let white = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        });
        let noise: Vec<f64> = white
            .map(|white| {
                low += (white - low) * step;
                low
            })
            .take(samples)
            .collect();
        let scale = rms / rms_of(&noise);
        noise.iter().map(|x| x * scale).collect()
    }

    fn rms_of(sound: &[f64]) -> f64 {
        (sound.iter().map(|x| x * x).sum::<f64>() / sound.len() as f64).sqrt()
    }

    fn suppress(rate: Rate, sound: &[f64]) -> Vec<f64> {
        let mut suppressor = Suppressor::new(rate);
        let mut out = Vec::new();
        for frame in sound.chunks_exact(rate.frame()) {
            let mut frame: Vec<i16> = frame.iter().map(|&x| x.round() as i16).collect();
            assert!(suppressor.process(&mut frame, true));
            out.extend(frame.into_iter().map(f64::from));
        }
        out
    }

    /// How much of `heard` is `clean`, so many samples later and at whatever level, against all else, in dB.
    fn snr_db(clean: &[f64], heard: &[f64], delay: usize) -> f64 {
        let pairs = || heard[delay..].iter().zip(clean);
        let gain = pairs().map(|(x, y)| x * y).sum::<f64>() / pairs().map(|(_, y)| y * y).sum::<f64>();
        let rest: f64 = pairs().map(|(x, y)| (x - gain * y).powi(2)).sum();
        10.0 * (pairs().map(|(_, y)| (gain * y).powi(2)).sum::<f64>() / rest).log10()
    }

    const DELAYS: [(Rate, f64); 3] = [(Rate::Narrow, 13.875), (Rate::Wide, 11.9375), (Rate::Full, 10.0)];

    #[test]
    fn a_voice_comes_out_of_its_noise_a_little_later() {
        for (rate, delay_ms) in DELAYS {
            let delay = (delay_ms * f64::from(rate.hz()) / 1_000.0) as usize;
            let clean: Vec<f64> = speech(rate).into_iter().map(f64::from).collect();
            for (noise_db, want_db) in [(0.0, 4.0), (5.0, 8.0), (10.0, 11.5), (60.0, 18.0)] {
                let rms = rms_of(&clean) * 10_f64.powf(-noise_db / 20.0);
                let noise = noise(rate, clean.len(), rms);
                let noisy: Vec<f64> = clean.iter().zip(&noise).map(|(voice, noise)| voice + noise).collect();
                let heard = suppress(rate, &noisy);
                let snr = snr_db(&clean, &heard, delay);
                assert!(snr > want_db, "{rate:?}, {noise_db} dB: {snr:.1} dB");
                for off in [delay - delay / 20, delay + delay / 20] {
                    assert!(
                        snr_db(&clean, &heard, off) < snr,
                        "{rate:?}, {noise_db} dB: it is not {delay_ms} ms later"
                    );
                }
            }
        }
    }

    #[test]
    fn noise_alone_is_gone_within_a_second() {
        for rate in Rate::ALL {
            for rms in [30.0, 300.0, 2_000.0] {
                let noise = noise(rate, 2 * rate.hz() as usize, rms);
                let left = rms_of(&suppress(rate, &noise)[rate.hz() as usize..]);
                assert!(left < rms / 20.0, "{rate:?}: {left:.1} of {rms}");
            }
        }
    }

    #[test]
    fn what_is_inside_comes_out_and_then_silence_costs_nothing() {
        for rate in Rate::ALL {
            let voice = &speech(rate)[rate.frame() * 20..];
            let mut suppressor = Suppressor::new(rate);
            let mut frame = vec![0; rate.frame()];
            for heard in voice.chunks_exact(rate.frame()).take(20) {
                frame.copy_from_slice(heard);
                suppressor.process(&mut frame, true);
            }
            frame.fill(123); // whatever lies there: there is nothing in it
            assert!(suppressor.process(&mut frame, false), "{rate:?}");
            assert!(frame.iter().any(|&sample| sample.abs() > 10), "{rate:?}: the end of the voice");
            assert!(!suppressor.process(&mut frame, false), "{rate:?}");
        }
    }
}
