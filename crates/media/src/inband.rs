//! Digits as tones in the audio (ITU-T Q.23), found in what a leg decodes.
//!
//! A key is one of four low and one of four high tones at once. Sound is taken in blocks of 10 ms; each is compared
//! with the eight tones, and a key counts as pressed once three blocks in a row are one pair of tones and nearly
//! nothing else, level and steady, at the right frequencies:
//!
//! `block:  ·  ◔  5  5  5  5  ◔  ·  ·  ─▶ Digit 5, 50 ms`
//!
//! That is what tells a key from a voice (ITU-T Q.24): speech has its power at the multiples of one frequency that
//! glides. A tone of 40 ms always holds three whole blocks, one of 23 ms never does. How far off a tone is, shows in
//! the angle it turns by from block to block; a block by itself is too short to tell.
//!
//! No clock, no allocation after `new`. A frame that is too quiet for any digit costs its peak, any other
//! [`Detector::push`] less than 0.1 µs at 8 kHz; at 16 and 48 kHz what it takes to come down to that.

use std::f64::consts::TAU;
use std::sync::LazyLock;

use crate::dtmf::Digit;
use crate::vector::vectorised;

/// The keypad: a row for each of the [`LOW_HZ`], a column for each of the [`HIGH_HZ`].
const KEYPAD: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
const LOW_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];

/// The two tones of a key in Hz, the low one first; `None` if that is no key.
pub fn tones_of(key: char) -> Option<[f64; 2]> {
    let key = key.to_ascii_uppercase();
    let row = KEYPAD.iter().position(|row| row.contains(&key))?;
    let column = KEYPAD[row].iter().position(|&other| other == key)?;
    Some([LOW_HZ[row], HIGH_HZ[column]])
}

/// Finds the keys pressed in one stream of sound.
#[derive(Debug, Clone)]
pub struct Detector {
    tones: &'static Tones,
    /// Samples of the stream for one at 8 kHz.
    step: usize,
    /// Nothing is under way, and the search is as new: while that is so, nobody looks there.
    is_idle: bool,
    search: Box<Search>,
}

/// Where a digit may be.
#[derive(Debug, Clone, Default)]
struct Search {
    /// The newest last.
    blocks: [Block; WINDOW],
    down: Option<Down>,
}

/// 10 ms of sound as the eight tones see it.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    lines: [Line; TONES],
    /// Sum of the squares, in units of 8 × 8.
    energy: f32,
    /// The tones that stand out, if two do: one of the first four, one of the last.
    pair: Option<[usize; 2]>,
}

/// How much of a tone there is, and at which angle.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    re: f32,
    im: f32,
}

/// A key that is down.
#[derive(Debug, Clone, Copy)]
struct Down {
    pair: [usize; 2],
    /// The amplitude of its low tone in a whole block.
    amplitude: f32,
    /// How long it has been down, in blocks.
    length: f32,
    /// Blocks without it since it was last heard, and how much of it was in them.
    missed: u32,
    missed_length: f32,
}

/// Samples in a block, at 8 kHz.
const BLOCK: usize = 80;
/// Half a block, filled up to what compilers make the most of: less than half the time of 40.
const HALF: usize = 64;
const BLOCK_MS: f32 = 10.0;
const TONES: usize = 8;
/// Blocks in a row that make a key.
const WINDOW: usize = 3;
/// A key is up again after so many blocks without it: shorter interruptions are the line's, pauses last 40 ms.
const MISSED_MAX: u32 = 3;

/// Samples that stay below are not searched: a digit's tones at [`LEVEL_MIN`] add up to more.
const PEAK_MIN: i16 = 1_000;
/// The amplitude of one tone, from which it is one: −33 dB of full scale. ITU-T Q.24 asks for −25 dBm0, which is −28.
const LEVEL_MIN: f32 = 730.0;
/// A block belongs to a pair of tones that makes up half of it, …
const SHARE_MIN: f32 = 0.5;
/// … and to the three of a key little else does: noise 9 dB below it. Of the tones that are as far off as they may be,
/// less is taken: a vowel that is held can hit upon a key, with nine tenths of its power, but hardly in the middle.
const REST_MAX: f32 = 0.12;
const REST_MAX_OFF: f32 = 0.03;
/// The high tone may be so much stronger (6 dB) or weaker (10 dB) than the low one; lines differ, and so do phones.
const TWIST: std::ops::RangeInclusive<f32> = 0.1..=4.0;
/// Of the amplitudes of one tone in three blocks, the smallest is not far below the largest.
const STEADY_MIN: f32 = 0.8;
/// From block to block a tone keeps its frequency but for 8 Hz, here in radians a block: voices glide.
const GLIDE_MAX: f32 = 0.5;
/// Tones this far off are taken, as a part of their frequency: 1.5 % must be, 3.5 % must not.
const OFF_MAX: f64 = 0.0245;
/// The same for the highest, where 3.5 % turn by more than half a circle in a block and look like less.
const OFF_MAX_HZ: f64 = 36.0;

impl Detector {
    /// `rate_hz`: of the frames that will be pushed: 8, 16 or 48 kHz. The first one computes the tables of all.
    pub fn new(rate_hz: u32) -> Self {
        let step = (rate_hz / 8_000).clamp(1, STEP_MAX as u32) as usize;
        Self { tones: &TABLES, step, is_idle: true, search: Box::default() }
    }

    /// Listens to a frame of 20 ms; the digit that has ended in it.
    pub fn push(&mut self, frame: &[i16]) -> Option<Digit> {
        if peak(frame) < PEAK_MIN {
            return self.push_silence();
        }
        let mut narrow = [0; 2 * BLOCK];
        let frame = match self.step {
            1 => frame.first_chunk()?,
            step => {
                decimate(frame, step, &mut narrow);
                &narrow
            }
        };
        let [first, second] = [&frame[..BLOCK], &frame[BLOCK..]].map(<[i16]>::first_chunk);
        let second = self.tones.look_at(second?);
        // Three blocks in a row always hold the second of a frame: while nothing is under way, it alone is looked at.
        if second.pair.is_none() && self.is_idle {
            return None;
        }
        let first = self.tones.look_at(first?);
        let ended = self.take(first);
        self.take(second).or(ended) // never both: a key is down for longer than a block
    }

    /// Passes over 20 ms without anything to listen to; the digit that has ended.
    pub fn push_silence(&mut self) -> Option<Digit> {
        if self.is_idle {
            return None;
        }
        let ended = self.take(Block::default());
        self.take(Block::default()).or(ended)
    }

    /// Goes on by one block; the digit that has ended before it.
    fn take(&mut self, block: Block) -> Option<Digit> {
        let ended = self.search.take(block, self.tones);
        self.is_idle = self.search.is_over();
        if self.is_idle {
            *self.search = Search::default();
        }
        ended
    }
}

impl Search {
    fn take(&mut self, block: Block, tones: &Tones) -> Option<Digit> {
        let before = self.blocks[0];
        self.blocks.rotate_left(1);
        self.blocks[WINDOW - 1] = block;
        let ended = match &mut self.down {
            Some(down) if block.pair == Some(down.pair) => {
                down.length += down.missed as f32 + down.part(&block);
                (down.missed, down.missed_length) = (0, 0.0);
                None
            }
            Some(down) => {
                down.missed += 1;
                down.missed_length += down.part(&block);
                if down.missed == MISSED_MAX { self.release() } else { None }
            }
            None => None,
        };
        if self.down.is_none() {
            self.down = self.pressed(&before, tones);
        }
        ended
    }

    /// No key is down, and none of the blocks may be one.
    fn is_over(&self) -> bool {
        self.down.is_none() && self.blocks.iter().all(|block| block.pair.is_none())
    }

    fn release(&mut self) -> Option<Digit> {
        let down = self.down.take()?;
        let [low, high] = down.pair;
        let length = down.length + down.missed_length.min(1.0);
        Some(Digit { digit: KEYPAD[low][high - 4], duration_ms: (length * BLOCK_MS).round() as u32, in_audio: true })
    }

    /// The key that all blocks of the window are; it may have begun in the one `before`.
    fn pressed(&self, before: &Block, tones: &Tones) -> Option<Down> {
        let pair = self.blocks[WINDOW - 1].pair?;
        if self.blocks.iter().any(|block| block.pair != Some(pair)) {
            return None;
        }
        let [low, high] = pair.map(|tone| self.power_of(tone, tones));
        let ((low, low_off), (high, high_off)) = (low?, high?);
        let energy: f32 = self.blocks.iter().map(|block| block.energy).sum();
        let rest_max = REST_MAX + (REST_MAX_OFF - REST_MAX) * low_off.max(high_off);
        let is_key = energy - low - high <= energy * rest_max && TWIST.contains(&(high / low));
        let amplitude = self.blocks.iter().map(|block| block.lines[pair[0]].power()).fold(0.0, f32::max).sqrt();
        let down = Down { pair, amplitude, length: WINDOW as f32, missed: 0, missed_length: 0.0 };
        is_key.then(|| Down { length: down.length + down.part(before), ..down })
    }

    /// What a tone has of the energy of the window, if it is steady there and at its frequency; and how far off it is,
    /// as a part of what it may be.
    fn power_of(&self, tone: usize, tones: &Tones) -> Option<(f32, f32)> {
        let lines = self.blocks.map(|block| block.lines[tone]);
        let powers = lines.map(Line::power);
        let most = powers.iter().copied().fold(0.0, f32::max);
        if powers.iter().any(|&power| power < most * STEADY_MIN * STEADY_MIN) {
            return None;
        }
        // How far the tone turns from one block to the next, and how much further than it should.
        let turns = [lines[1].over(lines[0]), lines[2].over(lines[1])];
        if turns[1].over(turns[0]).angle().abs() > GLIDE_MAX {
            return None;
        }
        let turn = turns[0].plus(turns[1]);
        let angle = turn.over(tones.turns[tone]).angle();
        let off = angle.abs() / tones.off_max[tone];
        if off > 1.0 {
            return None;
        }
        // All blocks turned back to where the first is: what is no such tone cancels.
        let back = turn.scaled(1.0 / turn.power().sqrt().max(f32::MIN_POSITIVE)).conjugate();
        let sum = lines[0].plus(lines[1].times(back)).plus(lines[2].times(back.times(back)));
        // A block sees less of a tone that is off.
        let half = (angle / 2.0).abs().max(1e-3);
        let seen = half.sin() / half;
        Some((sum.power() / (seen * seen * WINDOW as f32) * POWER_TO_ENERGY, off))
    }
}

impl Down {
    /// How much of a block the key sounds: one when it is as strong as ever.
    fn part(&self, block: &Block) -> f32 {
        let part = block.lines[self.pair[0]].power().sqrt() / self.amplitude;
        if part >= STEADY_MIN { 1.0 } else { part }
    }
}

impl Line {
    fn power(self) -> f32 {
        self.re * self.re + self.im * self.im
    }

    fn plus(self, other: Line) -> Line {
        Line { re: self.re + other.re, im: self.im + other.im }
    }

    fn scaled(self, by: f32) -> Line {
        Line { re: self.re * by, im: self.im * by }
    }

    fn angle(self) -> f32 {
        self.im.atan2(self.re)
    }

    fn conjugate(self) -> Line {
        Line { re: self.re, im: -self.im }
    }

    fn times(self, other: Line) -> Line {
        Line { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }

    /// The angle from `before` to this one, as strong as both.
    fn over(self, before: Line) -> Line {
        self.times(before.conjugate())
    }
}

/// Full scale of the sines that a block is compared with: the sum of its products then just fits into 32 bits.
const SINE: f64 = 800.0;
/// From the square of a [`Line`] to the energy of a whole block of that tone, in the units of [`Block::energy`].
const POWER_TO_ENERGY: f32 = (2.0 / (SINE * SINE * BLOCK as f64 * 64.0)) as f32;
/// The square of a [`Line`] at [`LEVEL_MIN`], less what a tone that is off loses.
const POWER_MIN: f32 = 0.8 * LEVEL_MIN * LEVEL_MIN * (SINE * SINE * (BLOCK * BLOCK) as f64 / 4.0) as f32;

/// The eight tones, to be compared with.
#[derive(Debug)]
struct Tones {
    /// Cosine and sine of each, from the middle of a block to its end, twice [`SINE`] high; zeros behind that.
    waves: [[[i16; HALF]; 2]; TONES],
    /// How far each turns in a block.
    turns: [Line; TONES],
    /// How much of a high tone (by number) is seen as a low one, and the other way round: a block is too short to keep
    /// them apart by itself.
    leaks: [[f32; 4]; 4],
    /// How much further it may turn.
    off_max: [f32; TONES],
}

static TABLES: LazyLock<Tones> = LazyLock::new(Tones::new);

impl Tones {
    fn new() -> Self {
        let hz: [f64; TONES] = std::array::from_fn(|tone| [LOW_HZ, HIGH_HZ][tone / 4][tone % 4]);
        let angle = |hz: f64, sample: f64| TAU * hz * sample / 8_000.0;
        Self {
            waves: hz.map(|hz| {
                let sample = |i: usize, shape: fn(f64) -> f64| (shape(angle(hz, i as f64 + 0.5)) * 2.0 * SINE).round();
                let wave = |shape| std::array::from_fn(|i| if i < BLOCK / 2 { sample(i, shape) as i16 } else { 0 });
                [wave(f64::cos), wave(f64::sin)]
            }),
            turns: hz.map(|hz| {
                let (sin, cos) = angle(hz, BLOCK as f64).sin_cos();
                Line { re: cos as f32, im: sin as f32 }
            }),
            leaks: LOW_HZ.map(|low| {
                HIGH_HZ.map(|high| {
                    let half = angle(high - low, 0.5);
                    ((half * BLOCK as f64).sin() / (half.sin() * BLOCK as f64)) as f32
                })
            }),
            off_max: hz.map(|hz| angle((hz * OFF_MAX).min(OFF_MAX_HZ), BLOCK as f64) as f32),
        }
    }

    fn look_at(&self, pcm: &[i16; BLOCK]) -> Block {
        let (sums, energy) = compare(pcm, &self.waves);
        let energy = energy as f32;
        let lines = sums.map(|[re, im]| Line { re: re as f32, im: im as f32 });
        let powers = lines.map(Line::power);
        let strongest = |from: usize| {
            (from + 1..from + 4).fold(from, |best, tone| if powers[tone] > powers[best] { tone } else { best })
        };
        let pair = [strongest(0), strongest(4)];
        let [low, high] = pair.map(|tone| powers[tone]);
        let stands_out = low >= POWER_MIN && high >= POWER_MIN && (low + high) * POWER_TO_ENERGY >= energy * SHARE_MIN;
        let mut block = Block { lines, energy, pair: stands_out.then_some(pair) };
        if stands_out {
            let leak = self.leaks[pair[0]][pair[1] - 4];
            let [low, high] = pair.map(|tone| lines[tone]);
            let rest = 1.0 / (1.0 - leak * leak);
            block.lines[pair[0]] = low.plus(high.scaled(-leak)).scaled(rest);
            block.lines[pair[1]] = high.plus(low.scaled(-leak)).scaled(rest);
        }
        block
    }
}

vectorised! {
    /// What a block has in common with the cosine and the sine of each tone, and its energy in units of 8 × 8.
    ///
    /// 640 products of 16 bits: seen from its middle, a block is a part that only the cosines meet and a part that only
    /// the sines meet, each half as long.
    fn compare(pcm: &[i16; BLOCK], waves: &[[[i16; HALF]; 2]; TONES]) -> ([[i32; 2]; TONES], i32) {
        let energy = pcm.iter().map(|&x| i32::from(x >> 3) * i32::from(x >> 3)).sum();
        let [mut even, mut odd] = [[0_i16; HALF]; 2];
        for (i, (even, odd)) in even.iter_mut().zip(&mut odd).enumerate().take(BLOCK / 2) {
            let (after, before) = (i32::from(pcm[BLOCK / 2 + i]), i32::from(pcm[BLOCK / 2 - 1 - i]));
            *even = ((after + before) >> 1) as i16;
            *odd = ((before - after) >> 1) as i16;
        }
        let mut sums = [[0; 2]; TONES];
        for ([re, im], [cosine, sine]) in sums.iter_mut().zip(waves) {
            *re = even.iter().zip(cosine).map(|(&x, &w)| i32::from(x) * i32::from(w)).sum();
            *im = odd.iter().zip(sine).map(|(&x, &w)| i32::from(x) * i32::from(w)).sum();
        }
        (sums, energy)
    }

    /// The loudest sample.
    fn peak(frame: &[i16]) -> i16 {
        frame.iter().fold(0, |peak: i16, &x| peak.max(x.saturating_abs()))
    }
}

/// The mean of every `step` samples: what lies above 4 kHz is folded down weakened by 10 dB or more, which hides no
/// digit and is none.
fn decimate(frame: &[i16], step: usize, narrow: &mut [i16; 2 * BLOCK]) {
    fn by<const STEP: usize>(frame: &[i16], narrow: &mut [i16]) {
        for (mean, samples) in narrow.iter_mut().zip(frame.as_chunks::<STEP>().0) {
            *mean = (samples.iter().map(|&x| i32::from(x)).sum::<i32>() / STEP as i32) as i16;
        }
    }
    match step {
        2 => by::<2>(frame, narrow),
        _ => by::<STEP_MAX>(frame, narrow),
    }
}

/// From 48 kHz.
const STEP_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Decoder, Encoder};

    const KEYS: &str = "1234567890*#ABCD";

    /// A key, as some phone on some line would send it.
    #[derive(Clone, Copy)]
    struct Press {
        hz: [f64; 2],
        /// Peak of each tone, against full scale.
        dbfs: [f64; 2],
        ms: f64,
        pause_ms: f64,
    }

    impl Press {
        fn of(key: char) -> Self {
            Press { hz: tones_of(key).expect("a key"), dbfs: [-13.0, -11.0], ms: 50.0, pause_ms: 45.0 }
        }

        fn be_off(&mut self, by: [f64; 2]) {
            (self.hz[0], self.hz[1]) = (self.hz[0] * by[0], self.hz[1] * by[1]);
        }
    }

    /// What is odd about all presses of a case.
    type Change = fn(&mut Press);

    /// A line that presses come over.
    struct Line {
        rate_hz: u32,
        sound: Vec<f64>,
        noise: u64,
    }

    impl Line {
        fn new(rate_hz: u32) -> Self {
            Line { rate_hz, sound: Vec::new(), noise: 1 }
        }

        fn samples(&self, ms: f64) -> f64 {
            ms * f64::from(self.rate_hz) / 1_000.0
        }

        /// A pause and a press after it, which begins anywhere within a frame.
        fn press(&mut self, press: &Press) {
            let start = self.sound.len() as f64 + self.samples(press.pause_ms);
            let end = start + self.samples(press.ms);
            while (self.sound.len() as f64) < end {
                let at = self.sound.len() as f64 - start;
                let tone = |i: usize| {
                    let turns = press.hz[i] * at / f64::from(self.rate_hz);
                    32_768.0 * 10_f64.powf(press.dbfs[i] / 20.0) * (TAU * turns + 1.0).sin()
                };
                self.sound.push(if at < 0.0 { 0.0 } else { tone(0) + tone(1) });
            }
        }

        /// Several rounds of all keys, at moments that drift through the frame.
        fn press_all(&mut self, rounds: usize, change: impl Fn(&mut Press)) {
            for drift in 0..rounds * 16 {
                let mut press = Press::of(KEYS.as_bytes()[drift % 16].into());
                press.pause_ms += drift as f64 * 0.7 % 20.0;
                change(&mut press);
                self.press(&press);
            }
        }

        /// White noise, all along, of this power against a full-scale tone's.
        fn add_noise(&mut self, dbfs: f64) {
            let peak = 32_768.0 * 10_f64.powf(dbfs / 20.0) * 1.5_f64.sqrt();
            for x in &mut self.sound {
                self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *x += peak * ((self.noise >> 11) as f64 / (1_u64 << 52) as f64 - 1.0);
            }
        }

        /// As samples, with silence behind them.
        fn pcm(&self) -> Vec<i16> {
            let silence = std::iter::repeat_n(0, self.samples(200.0) as usize);
            self.sound.iter().map(|&x| x.round().clamp(-32_768.0, 32_767.0) as i16).chain(silence).collect()
        }
    }

    fn digits(pcm: &[i16], rate_hz: u32) -> Vec<Digit> {
        let mut detector = Detector::new(rate_hz);
        let found = pcm.chunks_exact(rate_hz as usize / 50).filter_map(|frame| detector.push(frame)).collect();
        assert!(detector.is_idle);
        found
    }

    fn keys(pcm: &[i16], rate_hz: u32) -> String {
        digits(pcm, rate_hz).iter().map(|digit| digit.digit).collect()
    }

    #[test]
    fn what_must_be_taken_is_taken() {
        let cases: [(&str, Option<f64>, Change); 15] = [
            ("50 ms", None, |_| {}),
            ("40 ms", None, |press| press.ms = 40.0),
            ("500 ms", None, |press| press.ms = 500.0),
            ("1.5 % and 2 Hz too high", None, |press| press.be_off([1.0175, 1.0175])),
            ("1.5 % and 2 Hz too low", None, |press| press.be_off([0.9825, 0.9825])),
            ("0 dBm0", None, |press| press.dbfs = [-3.1, -3.1]),
            ("-25 dBm0", None, |press| press.dbfs = [-28.1, -28.1]),
            ("so loud that it clips", None, |press| press.dbfs = [0.0, 0.0]),
            ("the high tone 4 dB above", None, |press| press.dbfs = [-17.0, -13.0]),
            ("the high tone 8 dB below", None, |press| press.dbfs = [-13.0, -21.0]),
            ("noise 15 dB below", Some(-28.0), |press| press.dbfs = [-16.0, -16.0]),
            ("noise 12 dB below", Some(-25.0), |press| press.dbfs = [-16.0, -16.0]),
            ("noise 15 dB below, too high", Some(-28.0), |press| press.be_off([1.015, 1.015])),
            ("noise 15 dB below, too low", Some(-28.0), |press| press.be_off([0.985, 0.985])),
            ("noise 15 dB below, twisted", Some(-27.5), |press| press.dbfs = [-13.0, -19.0]),
        ];
        for rate_hz in [8_000, 16_000, 48_000] {
            for (case, noise_dbfs, change) in &cases {
                let mut line = Line::new(rate_hz);
                line.press_all(8, change);
                noise_dbfs.iter().for_each(|&dbfs| line.add_noise(dbfs));
                assert_eq!(keys(&line.pcm(), rate_hz), KEYS.repeat(8), "{case}, {rate_hz} Hz");
            }
        }
    }

    #[test]
    fn what_must_not_be_taken_is_not() {
        let cases: [(&str, Change); 9] = [
            ("3.5 % too high", |press| press.be_off([1.035, 1.035])),
            ("3.5 % too low", |press| press.be_off([0.965, 0.965])),
            ("only the low tone 3.5 % too high", |press| press.be_off([1.035, 1.0])),
            ("only the high tone 3.5 % too low", |press| press.be_off([1.0, 0.965])),
            ("only the high tone, weak, 3.5 % too high", |press| {
                press.be_off([1.0, 1.035]);
                press.dbfs[1] = -21.0;
            }),
            ("23 ms", |press| press.ms = 23.0),
            ("-40 dBm0", |press| press.dbfs = [-43.0, -43.0]),
            ("no high tone", |press| press.dbfs[1] = -90.0),
            ("no low tone", |press| press.dbfs[0] = -90.0),
        ];
        for rate_hz in [8_000, 16_000, 48_000] {
            for (case, change) in &cases {
                let mut line = Line::new(rate_hz);
                line.press_all(8, change);
                line.add_noise(-60.0);
                assert_eq!(keys(&line.pcm(), rate_hz), "", "{case}, {rate_hz} Hz");
            }
        }
    }

    #[test]
    fn tones_of_the_network_and_noise_are_no_digits() {
        for (case, hz) in [
            ("dial tone", [350.0, 440.0]),
            ("dial tone", [425.0, 425.0]),
            ("ringing", [440.0, 480.0]),
            ("busy", [480.0, 620.0]),
            ("call waiting, and its second tone", [440.0, 1_320.0]),
            ("fax calls", [1_100.0, 1_100.0]),
            ("fax answers", [2_100.0, 2_100.0]),
            ("between four keys", [733.0, 1_272.0]),
            ("R2 signalling", [1_380.0, 1_500.0]),
            ("C5 signalling", [700.0, 1_700.0]),
            ("C5 signalling", [900.0, 1_300.0]),
        ] {
            for dbfs in [-6.0, -13.0, -20.0] {
                let mut line = Line::new(8_000);
                let press = Press { hz, dbfs: [dbfs, dbfs], ms: 500.0, pause_ms: 50.3 };
                (0..20).for_each(|_| line.press(&press));
                assert_eq!(keys(&line.pcm(), 8_000), "", "{case}: {hz:?} Hz");
            }
        }
        let mut line = Line::new(8_000);
        line.sound = vec![0.0; 60 * 8_000];
        line.add_noise(-12.0);
        assert_eq!(keys(&line.pcm(), 8_000), "", "a minute of noise");
    }

    #[test]
    fn a_digit_says_how_long_it_was() {
        for rate_hz in [8_000, 48_000] {
            for ms in [40.0, 50.0, 63.0, 100.0, 250.0, 3_000.0] {
                for drift in 0..20 {
                    let mut line = Line::new(rate_hz);
                    line.press(&Press { ms, pause_ms: 60.0 + f64::from(drift), ..Press::of('7') });
                    let [digit] = digits(&line.pcm(), rate_hz)[..] else { panic!("one digit of {ms} ms, {drift}") };
                    assert!((f64::from(digit.duration_ms) - ms).abs() <= 6.0, "{ms} ms at {drift}: {digit:?}");
                }
            }
        }
    }

    #[test]
    fn pauses_part_digits_and_interruptions_do_not() {
        for (pause_ms, want) in [(5.0, "5"), (10.0, "5"), (40.0, "55"), (50.0, "55")] {
            for drift in 0..20 {
                let mut line = Line::new(8_000);
                line.press(&Press { ms: 60.0, pause_ms: 60.0 + f64::from(drift), ..Press::of('5') });
                line.press(&Press { ms: 60.0, pause_ms, ..Press::of('5') });
                assert_eq!(keys(&line.pcm(), 8_000), want, "{pause_ms} ms apart, {drift}");
            }
        }
        for drift in 0..20 {
            let mut line = Line::new(8_000);
            line.press(&Press { pause_ms: 60.0 + f64::from(drift), ..Press::of('1') });
            line.press(&Press { pause_ms: 0.0, ..Press::of('2') });
            assert_eq!(keys(&line.pcm(), 8_000), "12", "without any pause, {drift}");
        }
    }

    #[test]
    fn every_codec_carries_digits() {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16 { rate_hz: 16_000 }, Codec::Opus] {
            for twist_db in [-4.0, 0.0, 2.0] {
                let mut line = Line::new(codec.rate_hz());
                line.press_all(4, |press| press.dbfs = [-13.0, -13.0 + twist_db]);
                let (mut encoder, mut decoder) =
                    (Encoder::new(codec).expect("a codec"), Decoder::new(codec).expect("a codec"));
                let mut heard = Vec::new();
                for frame in line.pcm().chunks_exact(codec.frame_samples()) {
                    let (mut payload, mut pcm) = ([0; 2_000], [0; 960]);
                    let len = encoder.encode(frame, &mut payload).expect("a frame");
                    let samples = decoder.decode(&payload[..len], &mut pcm).expect("a payload");
                    heard.extend(&pcm[..samples]);
                }
                assert_eq!(keys(&heard, codec.rate_hz()), KEYS.repeat(4), "{codec:?}, {twist_db} dB");
            }
        }
    }

    #[test]
    fn music_is_no_digit() {
        let wav = include_bytes!("../../../fixtures/audio/hold_music.wav");
        let music: Vec<i16> = wav[44..].as_chunks().0.iter().map(|&bytes| i16::from_le_bytes(bytes)).collect();
        assert!(music.len() > 50 * 16_000);
        for gain in [1, 2] {
            let louder: Vec<i16> = music.iter().map(|x| x.saturating_mul(gain)).collect();
            let narrow = crate::resample(&louder, 16_000, 8_000).expect("sane rates");
            assert_eq!((keys(&louder, 16_000), keys(&narrow, 8_000)), (String::new(), String::new()), "{gain} times");
        }
    }

    #[test]
    fn what_is_too_quiet_changes_nothing() {
        let mut detector = Detector::new(8_000);
        assert_eq!((detector.push(&[0; 160]), detector.push_silence()), (None, None));
        let mut line = Line::new(8_000);
        line.press(&Press { pause_ms: 0.0, ms: 60.0, ..Press::of('#') });
        let mut found = line
            .sound
            .chunks_exact(160)
            .filter_map(|frame| detector.push(&frame.iter().map(|&x| x as i16).collect::<Vec<_>>()));
        assert_eq!(found.next(), None, "the key is still down");
        drop(found);
        assert_eq!(detector.push(&[900; 160]), None, "20 ms may be an interruption");
        assert_eq!(detector.push_silence().map(|digit| digit.digit), Some('#'));
        assert!(detector.is_idle);
        assert_eq!(tones_of('d'), Some([941.0, 1_633.0]));
        assert_eq!(tones_of('E'), None);
    }
}
