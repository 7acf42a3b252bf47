//! Who has answered: a person, a machine or a fax.
//!
//! A person says little and then waits; a machine talks on, and ends in a beep; a fax whistles. So what counts is how long
//! somebody talks before the first real pause, and whether a single tone is heard:
//!
//! `frame ─▶ 8 kHz ─▶ level over the noise · is it one steady tone? ─▶ speech, pause, beep, fax ─▶ verdict`
//!
//! The noise is the lowest level of the last two seconds, so that a street is no voice; but it grows no faster than a street
//! does, so that who talks without a pause is no noise. One tone is what two samples
//! predict the third of: no frequency has to be guessed beforehand. Cost: 1 µs for 20 ms, and only while it is asked for.

use std::time::Duration;

use model::AnsweredBy;

use crate::mixer;
use crate::speech::FULL_SCALE;

/// How an answering machine is looked for (rest-voice §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineDetection {
    /// Go on until the machine's message is over, so that one can be left (`DetectMessageEnd`).
    pub until_end: bool,
    /// When to give up; 30 s.
    pub timeout: Duration,
    /// Who talks for longer is a machine; 2.4 s.
    pub speech_threshold: Duration,
    /// A pause of so long ends what was said; 1.2 s.
    pub speech_end_threshold: Duration,
    /// When nobody says anything for so long, from the beginning on, it is unknown who it is; 5 s.
    pub silence_timeout: Duration,
}

impl Default for MachineDetection {
    fn default() -> Self {
        Self {
            until_end: false,
            timeout: Duration::from_secs(30),
            speech_threshold: Duration::from_millis(2_400),
            speech_end_threshold: Duration::from_millis(1_200),
            silence_timeout: Duration::from_secs(5),
        }
    }
}

/// Listens to one leg until it knows who it is.
#[derive(Debug)]
pub struct MachineDetector {
    detection: MachineDetection,
    /// Frames so far; all times below are such.
    now: u32,
    floor: Floor,
    tone: Tone,
    /// When somebody began to talk, and was last heard to.
    spoke: Option<(u32, u32)>,
    /// Voiced frames of late, one a bit: a click is no voice.
    voiced: u32,
    /// It is one; what is awaited is the end of its message.
    is_machine: bool,
    /// A beep was heard, which lasts or has just ended.
    beep: bool,
}

impl MachineDetector {
    /// From the next frame on.
    pub fn new(detection: MachineDetection) -> Self {
        Self {
            detection,
            now: 0,
            floor: Floor::default(),
            tone: Tone::default(),
            spoke: None,
            voiced: 0,
            is_machine: false,
            beep: false,
        }
    }

    /// Takes 20 ms at 8, 16 or 48 kHz, or that nothing has come. Once it knows, so does whoever asks: it should not be
    /// asked again.
    pub fn hear(&mut self, frame: Option<&[i16]>) -> Option<AnsweredBy> {
        self.now += 1;
        let mut narrow = [0; FRAME];
        if let Some(frame) = frame {
            // The mean of those that become one is filter enough: what is looked for is far below 4 kHz.
            let ratio = (frame.len() / FRAME).max(1);
            for (out, samples) in narrow.iter_mut().zip(frame.chunks_exact(ratio)) {
                *out = (samples.iter().map(|&sample| i32::from(sample)).sum::<i32>() / ratio as i32) as i16;
            }
        }
        let level = mixer::level(&narrow);
        self.tone.hear(&narrow, level);
        let threshold = (self.floor.hear(level) * OVER_FLOOR).max(VOICE_MIN);
        let is_voice = level > threshold && !self.tone.is_steady();
        self.voiced = self.voiced << 1 | u32::from(is_voice);
        if is_voice && (self.voiced & RECENT).count_ones() >= VOICED_MIN {
            let first = self.spoke.map_or(self.now - VOICED_MIN, |(first, _)| first);
            self.spoke = Some((first, self.now));
        }
        self.judge()
    }

    /// How long it has listened.
    pub fn after(&self) -> Duration {
        FRAME_TIME * self.now
    }

    fn judge(&mut self) -> Option<AnsweredBy> {
        let MachineDetection { until_end, timeout, speech_threshold, speech_end_threshold, silence_timeout } =
            self.detection;
        let has_talked = self.spoke.is_some_and(|(first, last)| FRAME_TIME * (last - first) >= LITTLE_SPEECH);
        let whistles = !has_talked && self.tone.is_of_fax();
        if whistles && self.tone.frames >= FAX {
            return Some(AnsweredBy::Fax);
        }
        if self.tone.is_beep() && !whistles {
            (self.beep, self.is_machine) = (true, true);
            if !until_end {
                return Some(AnsweredBy::MachineStart);
            }
        } else if self.beep && !self.tone.is_steady() {
            return Some(AnsweredBy::MachineEndBeep);
        }
        let talked = self.spoke.map(|(first, last)| (FRAME_TIME * (last - first), FRAME_TIME * (self.now - last)));
        match talked {
            Some((speech, _)) if !self.is_machine && speech >= speech_threshold => {
                self.is_machine = true;
                if !until_end {
                    return Some(AnsweredBy::MachineStart);
                }
            }
            // A tone that may yet prove to be a beep ends no message.
            Some((_, pause)) if pause >= speech_end_threshold && !self.tone.is_steady() => {
                return Some(if self.is_machine { AnsweredBy::MachineEndSilence } else { AnsweredBy::Human });
            }
            None if self.after() >= silence_timeout && !self.tone.is_steady() => return Some(AnsweredBy::Unknown),
            _ => {}
        }
        (self.after() >= timeout).then_some(if self.is_machine {
            AnsweredBy::MachineEndOther
        } else {
            AnsweredBy::Unknown
        })
    }
}

/// The noise behind the voice: the lowest level of the last two seconds, which takes its time to rise.
#[derive(Debug)]
struct Floor {
    /// The lowest of each of the last blocks of time; the first is not complete.
    minima: [f32; BLOCKS],
    frames: u32,
    /// Of the frames before, smoothed: one quiet frame of a noise is not its level.
    smooth: f32,
    /// What it was taken to be.
    taken: f32,
}

impl Default for Floor {
    fn default() -> Self {
        Self { minima: [f32::INFINITY; BLOCKS], frames: 0, smooth: 0.0, taken: f32::INFINITY }
    }
}

impl Floor {
    fn hear(&mut self, level: f32) -> f32 {
        self.smooth =
            if self.frames == 0 && self.minima[0].is_infinite() { level } else { (self.smooth + level) / 2.0 };
        self.minima[0] = self.minima[0].min(self.smooth);
        self.frames += 1;
        if self.frames == BLOCK_FRAMES {
            self.frames = 1;
            self.minima.rotate_right(1);
            self.minima[0] = self.smooth;
        }
        let lowest = self.minima.iter().copied().fold(f32::INFINITY, f32::min).min(FLOOR_MAX);
        self.taken = lowest.min(self.taken.max(VOICE_MIN / OVER_FLOOR) * RISE);
        self.taken
    }
}

/// One steady tone, and how long it has been heard.
#[derive(Debug, Default)]
struct Tone {
    hz: f32,
    level: f32,
    frames: u32,
    /// Frames since it began that did not fit: a codec or a packet lost may spoil one.
    misses: u32,
}

impl Tone {
    fn hear(&mut self, frame: &[i16; FRAME], level: f32) {
        let heard = (level > TONE_MIN).then(|| frequency(frame)).flatten();
        let fits = heard.is_some_and(|hz| (hz - self.hz).abs() <= self.hz * SAME_HZ + 4.0)
            && level < self.level * SAME_LEVEL
            && level * SAME_LEVEL > self.level;
        match heard {
            Some(hz) if self.frames > 0 && fits => {
                self.hz += (hz - self.hz) / 8.0;
                (self.level, self.misses) = (level, 0);
                self.frames += 1;
            }
            _ if self.frames >= STEADY && self.misses < 1 && level > TONE_MIN => self.misses += 1,
            Some(hz) => *self = Self { hz, level, frames: 1, misses: 0 },
            None => *self = Self::default(),
        }
    }

    /// It goes on for longer than any vowel is still.
    fn is_steady(&self) -> bool {
        self.frames >= STEADY && (BEEP_HZ.0..BEEP_HZ.1).contains(&self.hz)
    }

    fn is_beep(&self) -> bool {
        self.frames >= BEEP && self.is_steady()
    }

    /// It is as high as CNG, a caller's, or CED, which answers (ITU-T T.30 §4).
    fn is_of_fax(&self) -> bool {
        let is = |hz: f32, tolerance: f32| (self.hz - hz).abs() <= tolerance;
        is(1_100.0, 45.0) || is(2_100.0, 30.0)
    }
}

/// The frequency of a frame that is one tone: each sample is then a constant times the one before, less the one before
/// that. What is left over is how far around it the sound is spread; `None` where that is too far.
fn frequency(frame: &[i16; FRAME]) -> Option<f32> {
    let (mut both, mut middle, mut sum) = (0.0_f32, 0.0_f32, 0.0_f32);
    for w in frame.windows(3) {
        let [before, now, after] = [w[0], w[1], w[2]].map(f32::from);
        let ends = before + after;
        both += ends * now;
        middle += now * now;
        sum += ends * ends;
    }
    // Twice the cosine of the frequency, on average, and its variance: that of the frequency by the chain rule.
    let factor = both / middle.max(1.0);
    let variance = (sum - factor * both).max(0.0) / middle.max(1.0);
    let slope_squared = 4.0 - factor * factor;
    let angle = |hz: f32| hz * std::f32::consts::TAU / 8_000.0;
    (slope_squared > 0.0 && variance <= slope_squared * angle(SPREAD_HZ_MAX).powi(2))
        .then(|| (factor / 2.0).acos() / angle(1.0))
}

const FRAME: usize = 160;
const FRAME_TIME: Duration = Duration::from_millis(20);

/// What is voice is 8 dB above the noise, and not below −46 dBov.
const OVER_FLOOR: f32 = 6.3;
const VOICE_MIN: f32 = FULL_SCALE * 2.5e-5;
/// A noise louder than −26 dBov is no noise behind a voice.
const FLOOR_MAX: f32 = FULL_SCALE * 2.5e-3;
/// Of a frame: 3 dB a second.
const RISE: f32 = 1.014;
const BLOCKS: usize = 5;
const BLOCK_FRAMES: u32 = 20;

/// Of the last eight frames, so many are voiced before somebody talks.
const RECENT: u32 = 0xff;
const VOICED_MIN: u32 = 4;

/// −40 dBov.
const TONE_MIN: f32 = FULL_SCALE * 1e-4;
/// A tone of 1 kHz with 25 dB less of noise is spread so far; two voices of a vowel are farther apart.
const SPREAD_HZ_MAX: f32 = 100.0;
/// From one frame to the next, a tone keeps to 2 % and 3 dB.
const SAME_HZ: f32 = 0.02;
const SAME_LEVEL: f32 = 2.0;
/// 100, 160 and 400 ms.
const STEADY: u32 = 5;
const BEEP: u32 = 8;
const FAX: u32 = 20;
const BEEP_HZ: (f32, f32) = (350.0, 2_200.0);

/// Whoever has said more is no fax.
const LITTLE_SPEECH: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// What is sent: for so many ms, a tone of so many Hz (0: none) over noise, at so many dBov.
    fn sound(parts: &[(u32, f64, f64)], noise_dbov: f64, rate_hz: u32) -> Vec<i16> {
        let (mut samples, mut random) = (Vec::new(), 0x2545_f491_u32);
        let amplitude = |dbov: f64| 32_768.0 * 10_f64.powf(dbov / 20.0) * 2_f64.sqrt();
        for &(ms, hz, dbov) in parts {
            for at in 0..ms * rate_hz / 1_000 {
                random ^= random << 13;
                random ^= random >> 17;
                random ^= random << 5;
                let noise = (f64::from(random) / f64::from(u32::MAX) - 0.5) * 2.0 * amplitude(noise_dbov) * 1.2;
                let tone = if hz > 0.0 {
                    amplitude(dbov) * (TAU * hz * f64::from(at) / f64::from(rate_hz)).sin()
                } else {
                    0.0
                };
                samples.push((tone + noise) as i16);
            }
        }
        samples
    }

    /// A voice of a kind: syllables of 180 ms, each of many tones, 60 ms apart.
    fn talk(ms: u32) -> Vec<i16> {
        talk_with_gaps(ms, 60)
    }

    /// The same with gaps of so many ms.
    fn talk_with_gaps(ms: u32, gap_ms: u32) -> Vec<i16> {
        let period = (180 + gap_ms) * 8;
        let syllable = |at: u32, t: u32| {
            let pitch = 110.0 + 20.0 * f64::from(at % 5);
            (1..12)
                .map(|k| (TAU * pitch * f64::from(k) * f64::from(t) / 8_000.0 + f64::from(k * k)).sin() / f64::from(k))
                .sum::<f64>()
        };
        (0..ms * 8)
            .map(|at| if at % period < 1_440 { (2_500.0 * syllable(at / period, at % period)) as i16 } else { 3 })
            .collect()
    }

    fn run(samples: &[i16], rate_hz: u32, detection: MachineDetection) -> (Option<AnsweredBy>, u128) {
        let mut detector = MachineDetector::new(detection);
        let frames = samples.chunks_exact(rate_hz as usize / 50).map(Some).chain(std::iter::repeat(None)).take(3_000);
        for frame in frames {
            if let Some(by) = detector.hear(frame) {
                return (Some(by), detector.after().as_millis());
            }
        }
        (None, 0)
    }

    #[test]
    fn cadence_tells_who_it_is() {
        use AnsweredBy::*;
        let silence = |ms| sound(&[(ms, 0.0, 0.0)], -65.0, 8_000);
        let beep = sound(&[(400, 1_000.0, -15.0)], -65.0, 8_000);
        let long = talk(4_000);
        let until_end = MachineDetection { until_end: true, ..MachineDetection::default() };
        let enable = MachineDetection::default();
        for (case, samples, detection, want, after_ms) in [
            ("hello", [silence(500), talk(700), silence(4_000)].concat(), enable, Human, 2_300..2_600),
            ("hello, at once", [talk(700), silence(4_000)].concat(), enable, Human, 1_700..2_100),
            ("a machine", [silence(500), long.clone()].concat(), enable, MachineStart, 2_800..3_300),
            (
                "one that never pauses",
                [silence(500), talk_with_gaps(4_000, 0), silence(3_000)].concat(),
                enable,
                MachineStart,
                2_800..3_300,
            ),
            (
                "one that hardly does",
                [silence(500), talk_with_gaps(4_000, 30), silence(3_000)].concat(),
                enable,
                MachineStart,
                2_800..3_300,
            ),
            (
                "a person in a hurry",
                [silence(500), talk_with_gaps(900, 0), silence(3_000)].concat(),
                enable,
                Human,
                2_500..2_800,
            ),
            ("its end", [long.clone(), silence(4_000)].concat(), until_end, MachineEndSilence, 5_000..5_500),
            (
                "its beep",
                [long.clone(), silence(500), beep.clone(), silence(500)].concat(),
                until_end,
                MachineEndBeep,
                4_800..5_100,
            ),
            ("nothing but a beep", [talk(900), beep.clone(), silence(500)].concat(), enable, MachineStart, 900..1_300),
            ("it never ends", talk(31_000), until_end, MachineEndOther, 30_000..30_100),
            ("silence", silence(9_000), enable, Unknown, 5_000..5_100),
            ("no packets", Vec::new(), enable, Unknown, 5_000..5_100),
            (
                "a pause within",
                [talk(500), silence(900), talk(500), silence(2_000)].concat(),
                enable,
                Human,
                2_900..3_500,
            ),
        ] {
            let (by, ms) = run(&samples, 8_000, detection);
            assert_eq!(by, Some(want), "{case}, after {ms} ms");
            assert!(after_ms.contains(&ms), "{case}: after {ms} ms");
        }
    }

    #[test]
    fn a_fax_whistles() {
        for (case, rate_hz, parts, noise, want) in [
            ("CNG", 8_000, vec![(700, 0.0, 0.0), (500, 1_100.0, -15.0), (3_000, 0.0, 0.0)], -60.0, AnsweredBy::Fax),
            ("CED", 8_000, vec![(200, 0.0, 0.0), (2_600, 2_100.0, -12.0)], -60.0, AnsweredBy::Fax),
            ("CED by G.722", 16_000, vec![(200, 0.0, 0.0), (2_600, 2_100.0, -12.0)], -60.0, AnsweredBy::Fax),
            ("CNG by Opus", 48_000, vec![(500, 1_120.0, -15.0), (3_000, 0.0, 0.0)], -40.0, AnsweredBy::Fax),
            ("neither", 8_000, vec![(100, 0.0, 0.0), (600, 1_400.0, -15.0)], -60.0, AnsweredBy::MachineStart),
        ] {
            let samples = sound(&parts, noise, rate_hz);
            assert_eq!(run(&samples, rate_hz, MachineDetection::default()).0, Some(want), "{case}");
        }
    }

    #[test]
    fn the_frequency_of_a_tone_is_known_and_of_noise_is_none() {
        for hz in [400.0, 1_000.0, 1_100.0, 2_100.0] {
            let frame: [i16; FRAME] = sound(&[(20, hz, -20.0)], -55.0, 8_000).try_into().expect("a frame");
            let heard = frequency(&frame).expect("a tone");
            assert!((f64::from(heard) - hz).abs() < hz * 0.01, "{heard} for {hz} Hz");
        }
        let noise: [i16; FRAME] = sound(&[(20, 0.0, 0.0)], -20.0, 8_000).try_into().expect("a frame");
        assert_eq!(frequency(&noise), None);
    }
}
