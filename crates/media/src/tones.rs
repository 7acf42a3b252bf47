//! The tones of a country's telephones: what is heard while the other end rings, and when it is busy.
//!
//! Frequencies and cadences are those that administrations have told the ITU (E.180, supplement 2). A tone is one whole
//! cadence, to be played again and again; it takes 1 MB and 5 to 15 ms of work, so each is made once, when it is first asked
//! for.

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::Arc;

use model::Clip;

use crate::Pages;

/// The tones that have been asked for so far.
#[derive(Debug, Default)]
pub struct Tones {
    made: HashMap<(&'static str, Kind), Arc<Pages>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Ring,
    Busy,
}

impl Tones {
    /// What a caller hears while it rings in a country (twiml §5.1: `de`, `us`, `us-old` …). `None`: not known.
    pub fn ring(&mut self, country: &str) -> Option<Arc<Pages>> {
        self.tone(country, Kind::Ring)
    }

    /// The same when the other end is busy.
    pub fn busy(&mut self, country: &str) -> Option<Arc<Pages>> {
        self.tone(country, Kind::Busy)
    }

    fn tone(&mut self, country: &str, kind: Kind) -> Option<Arc<Pages>> {
        let (country, ring, busy) = COUNTRIES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(country))?;
        let tone = if kind == Kind::Ring { ring } else { busy };
        Some(self.made.entry((country, kind)).or_insert_with(|| Arc::new(Pages::new(&tone.clip()))).clone())
    }
}

/// What sounds, and for how long it does and does not.
#[derive(Debug, Clone, Copy)]
struct Tone {
    sound: Sound,
    /// On and off by turns, in ms.
    cadence_ms: &'static [u32],
}

#[derive(Debug, Clone, Copy)]
enum Sound {
    One(u16),
    /// Both at once.
    Sum(u16, u16),
    /// The first, as loud as the second says.
    Modulated(u16, u16),
}
use Sound::{Modulated, One, Sum};

impl Tone {
    fn clip(&self) -> Clip {
        let mut samples = Vec::new();
        for (turn, &ms) in self.cadence_ms.iter().enumerate() {
            let len = (RATE_HZ * ms / 1_000) as usize;
            let is_on = turn % 2 == 0;
            samples.extend((0..len).map(|at| if is_on { self.sound.at(at, len) } else { 0 }));
        }
        Clip { rate_hz: RATE_HZ, samples }
    }
}

impl Sound {
    fn at(self, at: usize, len: usize) -> i16 {
        let wave = |hz: u16| (TAU * f64::from(hz) * at as f64 / f64::from(RATE_HZ)).sin();
        let sound = match self {
            One(hz) => wave(hz),
            Sum(low, high) => (wave(low) + wave(high)) / 2_f64.sqrt(),
            Modulated(hz, by) => wave(hz) * (0.9 + 0.6 * wave(by)),
        };
        let edge = |from_edge: usize| (from_edge as f64 / EASE).min(1.0);
        (PEAK * sound * edge(at).min(edge(len - 1 - at))).round() as i16
    }
}

const RATE_HZ: u32 = 8_000;
/// −20 dBov, as loud as a talker.
const PEAK: f64 = 4_634.0;
/// A tone rises and falls over 5 ms.
const EASE: f64 = RATE_HZ as f64 * 0.005;

const fn tone(sound: Sound, cadence_ms: &'static [u32]) -> Tone {
    Tone { sound, cadence_ms }
}

/// Two rings, then a pause.
const DOUBLE: &[u32] = &[400, 200, 400, 2_000];
const HALF: &[u32] = &[500, 500];

/// Country, ringing, busy.
const COUNTRIES: &[(&str, Tone, Tone)] = &[
    ("at", tone(One(420), &[1_000, 5_000]), tone(One(420), &[400, 400])),
    ("au", tone(Modulated(425, 25), DOUBLE), tone(One(425), &[375, 375])),
    ("be", tone(One(425), &[1_000, 3_000]), tone(One(425), HALF)),
    ("bg", tone(One(425), &[1_000, 4_000]), tone(One(425), HALF)),
    ("br", tone(One(425), &[1_000, 4_000]), tone(One(425), &[250, 250])),
    ("ch", tone(One(425), &[1_000, 4_000]), tone(One(425), HALF)),
    ("cl", tone(One(400), &[1_000, 3_000]), tone(One(400), HALF)),
    ("cn", tone(One(450), &[1_000, 4_000]), tone(One(450), &[350, 350])),
    ("cz", tone(One(425), &[1_000, 4_000]), tone(One(425), &[330, 330])),
    ("de", tone(One(425), &[1_000, 4_000]), tone(One(425), &[480, 480])),
    ("dk", tone(One(425), &[1_000, 4_000]), tone(One(425), HALF)),
    ("ee", tone(One(425), &[1_000, 4_000]), tone(One(425), &[300, 300])),
    ("es", tone(One(425), &[1_500, 3_000]), tone(One(425), &[200, 200])),
    ("fi", tone(One(425), &[1_000, 4_000]), tone(One(425), &[300, 300])),
    ("fr", tone(One(440), &[1_500, 3_500]), tone(One(440), HALF)),
    ("gr", tone(One(425), &[1_000, 4_000]), tone(One(425), &[300, 300])),
    ("hu", tone(One(425), &[1_250, 3_750]), tone(One(425), &[300, 300])),
    ("il", tone(One(400), &[1_000, 3_000]), tone(One(400), HALF)),
    ("in", tone(Modulated(400, 25), DOUBLE), tone(One(400), &[750, 750])),
    ("it", tone(One(425), &[1_000, 4_000]), tone(One(425), HALF)),
    ("jp", tone(Modulated(400, 16), &[1_000, 2_000]), tone(One(400), HALF)),
    ("lt", tone(One(425), &[1_000, 4_000]), tone(One(425), &[350, 350])),
    ("mx", tone(One(425), &[1_000, 4_000]), tone(One(425), &[250, 250])),
    ("my", tone(One(425), DOUBLE), tone(One(425), HALF)),
    ("nl", tone(One(425), &[1_000, 4_000]), tone(One(425), HALF)),
    ("no", tone(One(425), &[1_000, 4_000]), tone(One(425), HALF)),
    ("nz", tone(Sum(400, 450), DOUBLE), tone(One(400), HALF)),
    ("ph", tone(Sum(425, 480), &[1_000, 4_000]), tone(Sum(480, 620), HALF)),
    ("pl", tone(One(425), &[1_000, 4_000]), tone(One(425), HALF)),
    ("pt", tone(One(425), &[1_000, 5_000]), tone(One(425), HALF)),
    ("ru", tone(One(425), &[1_000, 3_200]), tone(One(425), &[350, 350])),
    ("se", tone(One(425), &[1_000, 5_000]), tone(One(425), &[250, 250])),
    ("sg", tone(Modulated(425, 24), DOUBLE), tone(One(425), &[750, 750])),
    ("th", tone(One(400), &[1_000, 4_000]), tone(One(400), HALF)),
    ("tw", tone(Sum(440, 480), &[1_000, 2_000]), tone(Sum(480, 620), HALF)),
    ("uk", tone(Sum(400, 450), DOUBLE), tone(One(400), &[375, 375])),
    ("us", tone(Sum(440, 480), &[2_000, 4_000]), tone(Sum(480, 620), HALF)),
    ("us-old", tone(Modulated(420, 40), &[2_000, 4_000]), tone(Modulated(500, 100), HALF)),
    ("ve", tone(One(425), &[1_000, 4_000]), tone(One(425), HALF)),
    ("za", tone(Modulated(400, 33), DOUBLE), tone(One(400), HALF)),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value of `ringTone` (twiml §5.1).
    const CONTRACT: &str = "at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz ph pl pt ru se sg th uk us \
        us-old tw ve za";

    fn rms_dbov(samples: &[i16]) -> f64 {
        let mean_square = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * (mean_square / 32_768_f64.powi(2)).log10()
    }

    #[test]
    fn every_country_of_the_contract_rings_at_talking_level() {
        for country in CONTRACT.split_whitespace() {
            let (_, ring, busy) = COUNTRIES.iter().find(|(known, ..)| *known == country).expect(country);
            for tone in [ring, busy] {
                let Clip { samples, .. } = tone.clip();
                let on = (RATE_HZ * tone.cadence_ms[0] / 1_000) as usize;
                assert!((rms_dbov(&samples[..on]) + 20.0).abs() < 1.5, "{country}: {} dBov", rms_dbov(&samples[..on]));
                assert_eq!((samples[0], samples[on - 1], samples[samples.len() - 1]), (0, 0, 0), "{country}: no click");
                let off = (RATE_HZ * tone.cadence_ms[1] / 1_000) as usize;
                assert!(samples[on..on + off].iter().all(|&sample| sample == 0), "{country}");
            }
        }
        assert_eq!(CONTRACT.split_whitespace().count(), COUNTRIES.len());
    }

    #[test]
    fn a_tone_is_made_once_and_is_as_long_as_its_cadence() {
        let mut tones = Tones::default();
        let ring = tones.ring("uk").expect("known");
        assert_eq!(ring.duration(), std::time::Duration::from_millis(3_000));
        assert!(Arc::ptr_eq(&ring, &tones.ring("UK").expect("known")));
        assert_eq!(tones.busy("de").expect("known").duration(), std::time::Duration::from_millis(960));
        assert!(tones.ring("xx").is_none() && tones.made.len() == 2);
    }
}
