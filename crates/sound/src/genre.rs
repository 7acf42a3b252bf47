//! Music that applications expect at well-known addresses, made here: a server of one's own may have no way there, and the
//! music should be free of anybody's rights.
//!
//! A genre is a few chords, a tempo, and how a note sounds. The same every time, to the sample; notes that ring past the
//! end go on at the beginning, so that a loop has no seam.

use std::f64::consts::TAU;

use model::Clip;
use web::Url;

/// A kind of music.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Genre {
    /// Also what `com.twilio.sounds.music` has.
    Classical,
    /// Long chords.
    Ambient,
    /// Fast and even.
    Electronica,
    /// Plucked strings.
    Guitars,
    /// Fifths, and a beat.
    Rock,
    /// The same, slower and softer.
    SoftRock,
}

impl Genre {
    /// The music that an address stands for (twiml §3), if it is one of the well-known ones.
    pub fn at(url: &str) -> Option<Self> {
        let url = Url::parse(url.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let host = url.host_str()?.to_ascii_lowercase();
        if matches!(host.as_str(), "twimlets.com" | "www.twimlets.com") && url.path() == "/holdmusic" {
            let bucket = url.query_pairs().find(|(name, _)| name == "Bucket").map(|(_, bucket)| bucket.into_owned());
            return Self::in_bucket(bucket.as_deref().unwrap_or("com.twilio.music.classical"));
        }
        let before = host.strip_suffix(".amazonaws.com")?;
        match before.rsplit_once(".s3") {
            // `com.twilio.music.rock.s3.amazonaws.com`, with a region after `s3` or not.
            Some((bucket, region)) if region.is_empty() || region.starts_with(['-', '.']) => Self::in_bucket(bucket),
            _ => Self::in_bucket(url.path_segments()?.next()?),
        }
    }

    fn in_bucket(bucket: &str) -> Option<Self> {
        Some(match bucket {
            "com.twilio.sounds.music" | "com.twilio.music.classical" => Self::Classical,
            "com.twilio.music.ambient" => Self::Ambient,
            "com.twilio.music.electronica" => Self::Electronica,
            "com.twilio.music.guitars" => Self::Guitars,
            "com.twilio.music.rock" => Self::Rock,
            "com.twilio.music.soft-rock" => Self::SoftRock,
            _ => return None,
        })
    }

    /// 13 to 38 seconds of it, made in some 100 ms: not on a thread that must not wait.
    pub fn music(self) -> Clip {
        let style = self.style();
        let step = (f64::from(RATE_HZ) * 60.0 / style.steps_a_minute).round() as usize;
        let len = step * STEPS_A_CHORD * style.chords.len();
        let mut sum = vec![0.0; len];
        for (number, chord) in style.chords.iter().enumerate() {
            for (at, &which) in style.pattern.iter().enumerate() {
                let start = (number * STEPS_A_CHORD + at) * step;
                for note in chord.iter().enumerate().filter(|(nth, _)| which & 1 << nth != 0).map(|(_, &note)| note) {
                    style.play(&mut sum, start, note);
                }
            }
        }
        let mean_square = sum.iter().map(|sample| sample * sample).sum::<f64>() / len as f64;
        let gain = LEVEL / mean_square.sqrt();
        // Peaks bend rather than break.
        let bend = |sample: f64| (sample * gain / PEAK).tanh() * PEAK;
        Clip { rate_hz: RATE_HZ, samples: sum.into_iter().map(|sample| bend(sample).round() as i16).collect() }
    }

    fn style(self) -> Style {
        // Of each chord, by bit: bass, and three notes above. Notes are in semitones from A at 110 Hz.
        const WALTZ: [u8; STEPS_A_CHORD] = [0b0001, 0b0010, 0b0100, 0b1000, 0b0100, 0b0010, 0b1000, 0b0100];
        const PICKED: [u8; STEPS_A_CHORD] = [0b0011, 0b0100, 0b1000, 0b0100, 0b0001, 0b1000, 0b0100, 0b0010];
        const HELD: [u8; STEPS_A_CHORD] = [0b1111, 0, 0, 0, 0b1000, 0, 0b0100, 0];
        const STRAIGHT: [u8; STEPS_A_CHORD] = [0b0111, 0b0001, 0b0111, 0b0001, 0b0111, 0b0001, 0b0111, 0b0101];
        const BACK: [u8; STEPS_A_CHORD] = [0b0001, 0, 0b1110, 0b0001, 0b0001, 0, 0b1110, 0b1000];
        let major = |root: i32| [root, root + 12, root + 16, root + 19];
        let minor = |root: i32| [root, root + 12, root + 15, root + 19];
        let fifth = |root: i32| [root, root + 7, root + 12, root + 19];
        match self {
            Self::Classical => Style {
                steps_a_minute: 200.0,
                chords: vec![major(3), major(-2), minor(0), minor(-5), major(-4), major(3), major(-4), major(-2)],
                pattern: WALTZ,
                harmonics: &[1.0, 0.35, 0.12, 0.05],
                attack_s: 0.004,
                decay_s: 0.5,
            },
            Self::Ambient => Style {
                steps_a_minute: 100.0,
                chords: vec![minor(0), major(-4), major(3), major(-2), minor(0), minor(5), major(-4), minor(-5)],
                pattern: HELD,
                harmonics: &[1.0, 0.2, 0.08],
                attack_s: 0.8,
                decay_s: 2.5,
            },
            Self::Electronica => Style {
                steps_a_minute: 480.0,
                chords: [minor(0), minor(0), major(-4), major(-2)].repeat(4),
                pattern: [0b0001, 0b0100, 0b1000, 0b0010, 0b0101, 0b1000, 0b0010, 0b1000],
                harmonics: &[1.0, 0.0, 0.33, 0.0, 0.2, 0.0, 0.14],
                attack_s: 0.002,
                decay_s: 0.12,
            },
            Self::Guitars => Style {
                steps_a_minute: 260.0,
                chords: vec![major(-2), minor(7), minor(0), major(5), major(-2), major(3), major(5), major(5)],
                pattern: PICKED,
                harmonics: &[1.0, 0.6, 0.35, 0.25, 0.15, 0.1],
                attack_s: 0.002,
                decay_s: 0.35,
            },
            Self::Rock => Style {
                steps_a_minute: 300.0,
                chords: [fifth(0), fifth(3), fifth(-2), fifth(5)].repeat(2),
                pattern: STRAIGHT,
                harmonics: &[1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2],
                attack_s: 0.003,
                decay_s: 0.22,
            },
            Self::SoftRock => Style {
                steps_a_minute: 220.0,
                chords: vec![major(3), minor(0), major(-4), major(-2), major(3), minor(7), major(-4), major(-2)],
                pattern: BACK,
                harmonics: &[1.0, 0.4, 0.25, 0.1],
                attack_s: 0.006,
                decay_s: 0.4,
            },
        }
    }
}

/// How a kind of music is played.
struct Style {
    steps_a_minute: f64,
    chords: Vec<[i32; 4]>,
    /// Which notes of the chord sound, step by step.
    pattern: [u8; STEPS_A_CHORD],
    /// How loud each multiple of the note is.
    harmonics: &'static [f64],
    attack_s: f64,
    decay_s: f64,
}

impl Style {
    fn play(&self, sum: &mut [f64], start: usize, note: i32) {
        let (rate, len) = (f64::from(RATE_HZ), sum.len());
        let hz = 110.0 * 2_f64.powf(f64::from(note) / 12.0);
        let lasts = (((self.attack_s + DECAYS * self.decay_s) * rate) as usize).min(len);
        let falls = (-1.0 / (self.decay_s * rate)).exp();
        for (k, &loud) in (1..).zip(self.harmonics).filter(|(_, loud)| **loud > 0.0) {
            // Each sample is the one before, turned a little and fainter: much cheaper than to ask for each sine.
            let (turn_sin, turn_cos) = (TAU * hz * f64::from(k) / rate).sin_cos();
            let (mut sin, mut cos, mut rings) = (0.0, 1.0, 1.0);
            for at in 0..lasts {
                let rises = (at as f64 / (self.attack_s * rate)).min(1.0);
                sum[(start + at) % len] += loud * sin * rises * (rings - LEFT);
                (sin, cos) = (sin * turn_cos + cos * turn_sin, cos * turn_cos - sin * turn_sin);
                if rises >= 1.0 {
                    rings = (rings * falls).max(LEFT);
                }
            }
        }
    }
}

const RATE_HZ: u32 = 16_000;
const STEPS_A_CHORD: usize = 8;
/// −20 dBov, as loud as a talker.
const LEVEL: f64 = 3_277.0;
const PEAK: f64 = 20_000.0;
/// A note is over after so many times its decay.
const DECAYS: f64 = 5.0;
/// What is left of it by then: e⁻⁵.
const LEFT: f64 = 0.006_737_947;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Genre; 6] =
        [Genre::Classical, Genre::Ambient, Genre::Electronica, Genre::Guitars, Genre::Rock, Genre::SoftRock];

    #[test]
    fn well_known_addresses_are_known_in_each_style() {
        for (url, want) in [
            ("http://com.twilio.sounds.music.s3.amazonaws.com/MARKOVICHAMP-Borghestral.mp3", Some(Genre::Classical)),
            ("https://s3.amazonaws.com/com.twilio.sounds.music/index.xml", Some(Genre::Classical)),
            ("http://com.twilio.music.soft-rock.s3.amazonaws.com/x.mp3", Some(Genre::SoftRock)),
            ("https://com.twilio.music.rock.s3.eu-west-1.amazonaws.com/x.mp3", Some(Genre::Rock)),
            ("https://s3-us-west-2.amazonaws.com/com.twilio.music.guitars/x.mp3", Some(Genre::Guitars)),
            ("http://twimlets.com/holdmusic?Bucket=com.twilio.music.ambient&x=y", Some(Genre::Ambient)),
            ("http://twimlets.com/holdmusic", Some(Genre::Classical)),
            ("http://twimlets.com/forward?Bucket=com.twilio.music.ambient", None),
            ("http://twimlets.com/holdmusic?Bucket=com.example.music", None),
            ("https://s3.amazonaws.com/com.example/x.mp3", None),
            ("https://com.twilio.music.rock.s3.amazonaws.com.evil.example/x.mp3", None),
            ("https://app.example/com.twilio.music.rock/x.mp3", None),
            ("no url", None),
        ] {
            assert_eq!(Genre::at(url), want, "{url}");
        }
    }

    #[test]
    fn every_genre_is_music_of_its_own_at_talking_level_without_a_seam() {
        let mut seen = Vec::new();
        for genre in ALL {
            let Clip { rate_hz, samples } = genre.music();
            let seconds = samples.len() as f64 / f64::from(rate_hz);
            assert!((12.0..40.0).contains(&seconds), "{genre:?}: {seconds} s");
            let mean_square = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64;
            let dbov = 10.0 * (mean_square / 32_768_f64.powi(2)).log10();
            assert!((dbov + 20.0).abs() < 1.0, "{genre:?}: {dbov} dBov");
            let step = |at: usize| (i32::from(samples[(at + 1) % samples.len()]) - i32::from(samples[at])).abs();
            let largest = (0..samples.len() - 1).map(step).max().unwrap_or(0);
            assert!(step(samples.len() - 1) <= largest, "{genre:?}: a seam");
            assert!(!seen.contains(&samples), "{genre:?}");
            assert!(samples == genre.music().samples, "{genre:?}: the same every time");
            seen.push(samples);
        }
    }
}
