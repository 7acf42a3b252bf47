//! What is to be heard where nobody is: the quiet noise of a room. A line without any sounds dead, and carriers hang
//! up on it.

use std::sync::LazyLock;

use model::Clip;

use crate::mixer::{self, FRAME_MAX, Rate};
use crate::player::Pages;

/// The noise of one room: as loud as its legs' own.
#[derive(Debug, Clone)]
pub(crate) struct Noise {
    /// In tenths of a dBov.
    level_decibov: i32,
    /// What the pages are multiplied by, in 2⁻¹⁵.
    gain: i32,
    /// Whoever is in the room, on whichever thread, hears the same in the same tick.
    tick: u64,
}

impl Noise {
    /// The noise of a new room. Allocates when there was none before: not in a tick.
    pub(crate) fn new() -> Self {
        LazyLock::force(&PAGES);
        Self { level_decibov: LEVEL_DECIBOV, gain: gain(LEVEL_DECIBOV), tick: 0 }
    }

    /// Begins a tick, of this number since the plane began.
    pub(crate) fn begin(&mut self, tick: u64) {
        self.tick = tick;
    }

    /// Follows the mean floor of the room's open legs, of which there are so many, slowly.
    pub(crate) fn follow(&mut self, floors_decibov: i32, open: usize) {
        if open == 0 {
            return;
        }
        let floor_decibov = (floors_decibov / open as i32).clamp(LEVEL_DECIBOV_MIN, LEVEL_DECIBOV_MAX);
        let step = (floor_decibov - self.level_decibov).signum();
        if step != 0 {
            self.level_decibov += step;
            self.gain = gain(self.level_decibov);
        }
    }

    /// Writes this tick's frame; `rises`: it is the first after something else.
    pub(crate) fn frame(&self, rate: Rate, rises: bool, out: &mut [i16]) {
        // Frames in no order that anybody could hear come round.
        let page = (self.tick.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % PAGES_COUNT;
        out.copy_from_slice(&PAGES.at(rate)[page * rate.frame()..(page + 1) * rate.frame()]);
        mixer::scale(out, self.gain);
        if rises {
            mixer::fade_in(out);
        }
    }

    /// Adds this tick's frame to a sum.
    pub(crate) fn add_to(&self, rate: Rate, rises: bool, sum: &mut [i32]) {
        let mut noise = [0; FRAME_MAX];
        let noise = &mut noise[..rate.frame()];
        self.frame(rate, rises, noise);
        mixer::add(sum, noise);
    }
}

/// The noise itself, white up to 4 kHz as telephones send it, at every rate: loud, so that scaled down it is exact.
static PAGES: LazyLock<Pages> = LazyLock::new(|| {
    let mut random = 1_u32;
    let mut uniform = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) as i32 - 32_768
    };
    // The sum of three is near enough to what heat sounds like.
    let samples = (0..PAGES_COUNT * Rate::Narrow.frame())
        .map(|_| ((uniform() + uniform() + uniform()) as f32 * PAGES_RMS / 32_768.0) as i16)
        .collect();
    Pages::new(&Clip { rate_hz: Rate::Narrow.hz(), samples })
});

/// Frames of noise.
const PAGES_COUNT: usize = 64;

/// Three uniform numbers from −1 to 1 add up to a mean square of 1: this is their level (−24 dBov).
const PAGES_RMS: f32 = 2_048.0;

/// The gain for a level, in 2⁻¹⁵.
fn gain(level_decibov: i32) -> i32 {
    (10.0_f32.powf(level_decibov as f32 / 200.0) * 32_768.0 / PAGES_RMS * 32_768.0) as i32
}

/// −66 dBov, before anything is known of the room.
const LEVEL_DECIBOV: i32 = -660;

/// Quieter, A-law can hardly say it.
const LEVEL_DECIBOV_MIN: i32 = -700;

/// Louder, and as loud as a tone of −60 dBFS, it might be taken for something of the room by whoever must not hear it.
const LEVEL_DECIBOV_MAX: i32 = -640;

#[cfg(test)]
mod tests {
    use super::*;

    fn level_dbov(noise: &mut Noise, rate: Rate) -> f32 {
        let mut sum = 0.0;
        for tick in 0..200 {
            noise.begin(tick);
            let mut frame = vec![0; rate.frame()];
            noise.frame(rate, false, &mut frame);
            sum += mixer::level(&frame);
        }
        10.0 * (sum / 200.0 / 32_768.0 / 32_768.0).log10()
    }

    #[test]
    fn it_follows_the_floor_of_the_room_within_bounds() {
        for (case, floor_dbov, expected_dbov) in [
            ("nobody is there", None, -66.0),
            ("an ordinary room", Some(-65.0), -65.0),
            ("a studio", Some(-90.0), -70.0),
            ("a street", Some(-40.0), -64.0),
        ] {
            let mut noise = Noise::new();
            for _ in 0..100 {
                noise.follow(
                    floor_dbov.map_or(0, |floor: f32| 3 * (floor * 10.0) as i32),
                    if floor_dbov.is_some() { 3 } else { 0 },
                );
            }
            for rate in Rate::ALL {
                let level = level_dbov(&mut noise, rate);
                assert!((level - expected_dbov).abs() < 0.7, "{case} at {rate:?}: {level}");
            }
        }
    }

    #[test]
    fn it_is_white_and_never_zero() {
        let mut noise = Noise::new();
        let mut heard = Vec::new();
        for tick in 0..100 {
            noise.begin(tick);
            let mut frame = [0; 160];
            noise.frame(Rate::Narrow, false, &mut frame);
            heard.extend(frame.map(f64::from));
        }
        let correlation = |lag: usize| heard.iter().zip(&heard[lag..]).map(|(a, b)| a * b).sum::<f64>();
        for lag in [1, 2, 40, 160, 320, 1_600] {
            assert!(correlation(lag).abs() < 0.05 * correlation(0), "{lag}");
        }
        assert!(heard.windows(10).all(|ten| ten.iter().any(|&sample| sample != 0.0)));
    }
}
