//! GSM full rate, as voice mail systems keep it: `.gsm` files, and WAV files of format 0x31.
//!
//! A frame of 20 ms is a filter (log area ratios) and four stretches of 5 ms, each of which says what of the last 15 ms
//! goes on (long-term prediction) and which 13 pulses excite the filter. All of it is arithmetic of 16 bits that
//! saturates, to the bit as ETSI EN 300 961 (GSM 06.10) §5.3 has it: so every decoder gives the same samples.
//!
//! `33 bytes: 1101, most significant bit first` in a `.gsm` file; `65 bytes: two frames, least significant bit first` in
//! a WAV file.

use model::Clip;

use crate::decode::{DecodeError, samples_max};

/// Whether these bytes are GSM frames and nothing else; fewer than [`FRAMES_MIN`] of them could be so by chance.
pub(crate) fn is_gsm(bytes: &[u8]) -> bool {
    bytes.len() >= FRAMES_MIN * FRAME_LEN && bytes.chunks_exact(FRAME_LEN).all(is_frame)
}

/// Decodes a `.gsm` file; ends at what is no frame.
pub(crate) fn decode(bytes: &[u8]) -> Result<Clip, DecodeError> {
    let frames = bytes.chunks_exact(FRAME_LEN).take_while(|frame| is_frame(frame));
    clip(frames.map(|frame| {
        let mut bits = Bits { bytes: frame, at: MARK_BITS, most_significant_first: true };
        Frame::read(&mut bits)
    }))
}

/// Decodes the data of a WAV file.
pub(crate) fn decode_wav(data: &[u8]) -> Result<Clip, DecodeError> {
    clip(data.chunks_exact(BLOCK_LEN).flat_map(|block| {
        let mut bits = Bits { bytes: block, at: 0, most_significant_first: false };
        [Frame::read(&mut bits), Frame::read(&mut bits)]
    }))
}

fn is_frame(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first >> 4 == MARK)
}

fn clip(frames: impl Iterator<Item = Frame>) -> Result<Clip, DecodeError> {
    let (mut decoder, mut samples) = (Decoder::default(), Vec::new());
    for frame in frames {
        samples.extend(decoder.decode(&frame));
        if samples.len() > samples_max(RATE_HZ) {
            return Err(DecodeError::TooLong);
        }
    }
    Ok(Clip { rate_hz: RATE_HZ, samples })
}

/// Numbers of a few bits each, one after the other.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    most_significant_first: bool,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> i16 {
        let bit = |n: usize| {
            let byte = self.bytes.get(n / 8).copied().unwrap_or_default();
            i16::from(if self.most_significant_first { byte >> (7 - n % 8) & 1 } else { byte >> (n % 8) & 1 })
        };
        let from = self.at;
        self.at += count;
        (0..count).fold(0, |value, n| {
            if self.most_significant_first { value << 1 | bit(from + n) } else { value | bit(from + n) << n }
        })
    }
}

/// What 20 ms are coded as (§1.7, table 1.1).
struct Frame {
    /// `LARc`.
    ratios: [i16; ORDER],
    stretches: [Stretch; 4],
}

/// What 5 ms are.
#[derive(Clone, Copy, Default)]
struct Stretch {
    /// `Nc`: how long ago what goes on was, …
    lag: i16,
    /// `bc`: … and how loudly it does.
    gain: i16,
    /// `Mc`: at which of the first samples the pulses begin; each is three after the one before.
    grid: i16,
    /// `xmaxc`: how large the largest is, …
    largest: i16,
    /// `xMc`: … and how large each is beside it.
    pulses: [i16; PULSES],
}

impl Frame {
    fn read(bits: &mut Bits<'_>) -> Self {
        let ratios = RATIO_BITS.map(|count| bits.take(count));
        let stretches = [(); 4].map(|()| Stretch {
            lag: bits.take(7),
            gain: bits.take(2),
            grid: bits.take(2),
            largest: bits.take(6),
            pulses: [(); PULSES].map(|()| bits.take(3)),
        });
        Self { ratios, stretches }
    }
}

/// What one frame leaves to the next.
struct Decoder {
    /// `drp`: what has excited the filter in the last 15 ms.
    excitation: [i16; LAG_MAX],
    /// `nrp`: the last lag that was one.
    lag: usize,
    /// `LARpp` of the frame before.
    ratios: [i16; ORDER],
    /// `v`: what is in the filter.
    filter: [i16; ORDER + 1],
    /// `msr`: the last sample, before it was made louder.
    last: i16,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { excitation: [0; LAG_MAX], lag: LAG_MIN, ratios: [0; ORDER], filter: [0; ORDER + 1], last: 0 }
    }
}

impl Decoder {
    fn decode(&mut self, frame: &Frame) -> [i16; FRAME] {
        let mut samples = [0; FRAME];
        for (stretch, samples) in frame.stretches.iter().zip(samples.chunks_exact_mut(STRETCH)) {
            self.excite(stretch, samples);
        }
        self.synthesize(&frame.ratios, &mut samples);
        for sample in &mut samples {
            // De-emphasis (§5.3.5), and 13 bits made 16.
            self.last = sample.saturating_add(product(self.last, 28_180));
            *sample = self.last.saturating_add(self.last) & !7;
        }
        samples
    }

    /// The pulses (§5.3.1), and what goes on of before (§5.3.2).
    fn excite(&mut self, stretch: &Stretch, out: &mut [i16]) {
        let pulses = pulses(stretch);
        for (n, pulse) in pulses.into_iter().enumerate() {
            out[stretch.grid as usize + 3 * n] = pulse;
        }
        self.lag = Some(stretch.lag as usize).filter(|lag| (LAG_MIN..=LAG_MAX).contains(lag)).unwrap_or(self.lag);
        let gain = GAINS[stretch.gain as usize];
        for (n, sample) in out.iter_mut().enumerate() {
            let before = self.excitation[LAG_MAX - self.lag + n];
            *sample = sample.saturating_add(product(gain, before));
        }
        self.excitation.copy_within(STRETCH.., 0);
        self.excitation[LAG_MAX - STRETCH..].copy_from_slice(out);
    }

    /// The filter (§5.3.4), which becomes that of this frame within its first 5 ms (§5.2.9).
    fn synthesize(&mut self, coded: &[i16; ORDER], samples: &mut [i16; FRAME]) {
        let before = std::mem::replace(&mut self.ratios, ratios(coded));
        let now = self.ratios;
        let between = |mix: Mix| std::array::from_fn(|n| reflection(mix(before[n], now[n])));
        let steps: [(_, Mix); 4] = [
            (0..13, |before, now| (before >> 2).saturating_add(now >> 2).saturating_add(before >> 1)),
            (13..27, |before, now| (before >> 1).saturating_add(now >> 1)),
            (27..40, |before, now| (before >> 2).saturating_add(now >> 2).saturating_add(now >> 1)),
            (40..FRAME, |_, now| now),
        ];
        for (range, mix) in steps {
            let reflections: [i16; ORDER] = between(mix);
            for sample in &mut samples[range] {
                for (n, reflection) in reflections.into_iter().enumerate().rev() {
                    *sample = sample.saturating_sub(product(reflection, self.filter[n]));
                    self.filter[n + 1] = self.filter[n].saturating_add(product(reflection, *sample));
                }
                self.filter[0] = *sample;
            }
        }
    }
}

/// A ratio between that of the frame before and that of this one.
type Mix = fn(i16, i16) -> i16;

/// How large the pulses are (§5.2.15, §5.2.16).
fn pulses(stretch: &Stretch) -> [i16; PULSES] {
    let mut exponent = if stretch.largest > 15 { (stretch.largest >> 3) - 1 } else { 0 };
    let mut mantissa = stretch.largest - (exponent << 3);
    if mantissa == 0 {
        (exponent, mantissa) = (-4, 7);
    } else {
        while mantissa <= 7 {
            (exponent, mantissa) = (exponent - 1, mantissa << 1 | 1);
        }
        mantissa -= 8;
    }
    let (factor, shift) = (MANTISSAS[mantissa as usize], 6 - exponent); // 0 to 10
    let half = if shift > 0 { 1 << (shift - 1) } else { 0 };
    stretch.pulses.map(|pulse| product(factor, ((pulse << 1) - 7) << 12).saturating_add(half) >> shift)
}

/// Log area ratios from what they are coded as (§5.2.8).
fn ratios(coded: &[i16; ORDER]) -> [i16; ORDER] {
    std::array::from_fn(|n| {
        let (offset, least, inverse) = RATIOS[n];
        let ratio = product(inverse, ((coded[n] + least) << 10).saturating_sub(offset << 1));
        ratio.saturating_add(ratio)
    })
}

/// A reflection coefficient from its log area ratio (§5.2.9.2).
fn reflection(ratio: i16) -> i16 {
    let magnitude = match ratio.saturating_abs() {
        small @ ..11_059 => small << 1,
        middle @ 11_059..20_070 => middle + 11_059,
        large => (large >> 2).saturating_add(26_112),
    };
    if ratio < 0 { -magnitude } else { magnitude }
}

/// Of two fractions, rounded (`mult_r`).
fn product(a: i16, b: i16) -> i16 {
    let product = (i32::from(a) * i32::from(b) + 0x4000) >> 15;
    product.min(i16::MAX.into()) as i16 // only −1 times −1 is too large
}

const RATE_HZ: u32 = 8_000;
/// Samples of a frame, and of a stretch of it.
const FRAME: usize = 160;
const STRETCH: usize = 40;
/// What the first four bits of a frame are in a `.gsm` file.
const MARK: u8 = 0xd;
const MARK_BITS: usize = 4;
/// Bytes of a frame in a `.gsm` file, and of two in a WAV file.
const FRAME_LEN: usize = 33;
const BLOCK_LEN: usize = 65;
const FRAMES_MIN: usize = 8;
const ORDER: usize = 8;
const PULSES: usize = 13;
const LAG_MIN: usize = 40;
const LAG_MAX: usize = 120;
const RATIO_BITS: [usize; ORDER] = [6, 6, 5, 5, 4, 4, 3, 3];
/// `B`, `MIC` and `INVA` of each ratio (table 5.1).
const RATIOS: [(i16, i16, i16); ORDER] = [
    (0, -32, 13_107),
    (0, -32, 13_107),
    (2_048, -16, 13_107),
    (-2_560, -16, 13_107),
    (94, -8, 19_223),
    (-1_792, -8, 17_476),
    (-341, -4, 31_454),
    (-1_144, -4, 29_708),
];
/// `QLB` (table 5.3b).
const GAINS: [i16; 4] = [3_277, 11_469, 21_299, 32_767];
/// `FAC` (table 5.6).
const MANTISSAS: [i16; 8] = [18_431, 20_479, 22_527, 24_575, 26_623, 28_671, 30_719, 32_767];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{decode as decode_any, decode_as};

    /// A second of `speech.wav`, coded and decoded by sox.
    const FILE: &[u8] = include_bytes!("../../../fixtures/audio/speech_8000_mono.gsm");
    const WAV: &[u8] = include_bytes!("../../../fixtures/audio/speech_gsm.wav");
    const DECODED: &[u8] = include_bytes!("../../../fixtures/audio/speech_gsm_decoded.wav");

    #[test]
    fn speech_is_decoded_to_the_bit() {
        let want = decode_any(DECODED).expect("a fixture");
        for (case, clip) in [("a .gsm file", decode_any(FILE)), ("a WAV file", decode_any(WAV))] {
            let clip = clip.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(clip.rate_hz, want.rate_hz, "{case}");
            assert!(clip.samples.len() >= want.samples.len() && want.samples.len() > 7_000, "{case}");
            let differs = want.samples.iter().zip(&clip.samples).position(|(want, sample)| want != sample);
            assert_eq!(differs, None, "{case}: the first sample that is not the same");
        }
    }

    #[test]
    fn a_short_file_needs_its_content_type() {
        let short = &FILE[..3 * FRAME_LEN + 5];
        assert_eq!(decode_any(short), Err(DecodeError::NotAudio));
        assert_eq!(decode_as(short, Some("audio/x-gsm")).map(|clip| clip.samples.len()), Ok(3 * FRAME));
        assert_eq!(decode_as(b"<html>", Some("audio/gsm")), Err(DecodeError::Empty));
    }

    proptest! {
        #[test]
        fn no_frames_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..FRAME_LEN * 20)) {
            bytes.iter_mut().step_by(FRAME_LEN).for_each(|first| *first = *first & 0xf | MARK << 4);
            prop_assert_eq!(decode(&bytes).map(|clip| clip.samples.len()), Ok(bytes.len() / FRAME_LEN * FRAME));
            prop_assert!(decode_wav(&bytes).is_ok());
        }
    }
}
