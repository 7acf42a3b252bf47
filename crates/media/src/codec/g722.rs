//! G.722 at 64 kbit/s (mode 1): 16 kHz PCM, one byte per two samples.
//!
//! A quadrature mirror filter splits the signal at 4 kHz; each half is coded as the difference from a prediction,
//! 6 bits for the low band, 2 for the high. Both ends adapt predictor and quantiser from what was *sent*, so the
//! decoder follows the encoder without side information. Block names in brackets are the recommendation's (§6).
//!
//! The filter is run over whole blocks, and what the predictor does to each of its coefficients is written for eight of
//! them, of which two are idle: both are what a vector holds. 256 bits are taken at most, since 512 are slower here.

use crate::vector::vectorised;

/// Two samples in, one byte out.
#[derive(Clone)]
pub(super) struct Encoder {
    low: Band,
    high: Band,
    /// The newest samples of the previous call, for the filter.
    history: [i32; QMF_HISTORY],
}

/// One byte in, two samples out.
pub(super) struct Decoder {
    low: Band,
    high: Band,
    /// The newest sums and differences of the bands, for the filter.
    history: [i32; QMF_HISTORY],
}

impl Encoder {
    pub(super) fn new() -> Encoder {
        Encoder { low: Band::new(LOW_STEP), high: Band::new(HIGH_STEP), history: [0; QMF_HISTORY] }
    }

    /// Encodes `pcm[2 * i..][..2]` into `out[i]`.
    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) {
        encode(self, pcm, out);
    }
}

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder { low: Band::new(LOW_STEP), high: Band::new(HIGH_STEP), history: [0; QMF_HISTORY] }
    }

    /// Decodes `payload[i]` into `out[2 * i..][..2]`.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [i16]) {
        decode(self, payload, out);
    }
}

vectorised! {
    up to 256 bits:

    fn encode(encoder: &mut Encoder, pcm: &[i16], out: &mut [u8]) {
        let (mut window, mut halves) = ([0; WINDOW], Halves::default());
        let Encoder { low, high, history } = encoder;
        let (mut bands, into) = ((low.clone(), high.clone()), (low, high)); // out of memory's way
        let (low, high) = (&mut bands.0, &mut bands.1);
        for (pcm, out) in pcm.chunks(2 * BLOCK).zip(out.chunks_mut(BLOCK)) {
            window[..QMF_HISTORY].copy_from_slice(history);
            for (x, &sample) in window[QMF_HISTORY..].iter_mut().zip(pcm) {
                *x = i32::from(sample);
            }
            halves.filter(&window);
            for (byte, (even, odd)) in out.iter_mut().zip(halves.pairs()) {
                let low = low.encode_low((odd + even) >> 14);
                let high = high.encode_high((odd - even) >> 14);
                *byte = high << 6 | low;
            }
            history.copy_from_slice(&window[pcm.len()..][..QMF_HISTORY]);
        }
        (*into.0, *into.1) = bands;
    }

    fn decode(decoder: &mut Decoder, payload: &[u8], out: &mut [i16]) {
        let (mut window, mut halves) = ([0; WINDOW], Halves::default());
        let Decoder { low, high, history } = decoder;
        let (mut bands, into) = ((low.clone(), high.clone()), (low, high));
        let (low, high) = (&mut bands.0, &mut bands.1);
        for (payload, out) in payload.chunks(BLOCK).zip(out.chunks_mut(2 * BLOCK)) {
            window[..QMF_HISTORY].copy_from_slice(history);
            for (x, &byte) in window[QMF_HISTORY..].as_chunks_mut().0.iter_mut().zip(payload) {
                let low = low.decode_low(byte & 0x3F);
                let high = high.decode_high(byte >> 6);
                *x = [low + high, low - high];
            }
            halves.filter(&window);
            for (samples, (even, odd)) in out.as_chunks_mut().0.iter_mut().zip(halves.pairs()) {
                *samples = [saturate(odd >> 11) as i16, saturate(even >> 11) as i16];
            }
            history.copy_from_slice(&window[2 * payload.len()..][..QMF_HISTORY]);
        }
        (*into.0, *into.1) = bands;
    }
}

/// Bytes worked on at a time: 10 ms.
const BLOCK: usize = 80;
const QMF_TAPS: usize = 24;
/// A window moves by two samples and overlaps the previous one by the rest.
const QMF_HISTORY: usize = QMF_TAPS - 2;

/// A block, and what the filter needs of the one before it.
const WINDOW: usize = QMF_HISTORY + 2 * BLOCK;

/// What the mirror filter gives for each pair of samples in a block [TRANSMIT/RECEIVE QMF].
struct Halves {
    even: [i32; BLOCK],
    odd: [i32; BLOCK],
}

impl Default for Halves {
    fn default() -> Self {
        Self { even: [0; BLOCK], odd: [0; BLOCK] }
    }
}

impl Halves {
    /// Half of the filter on the even samples of `window`, the mirrored half on the odd ones.
    #[inline(always)]
    fn filter(&mut self, window: &[i32; WINDOW]) {
        let (mut evens, mut odds) = ([0; WINDOW / 2], [0; WINDOW / 2]);
        for ((even, odd), &[x0, x1]) in evens.iter_mut().zip(&mut odds).zip(window.as_chunks().0) {
            (*even, *odd) = (x0, x1);
        }
        for i in 0..BLOCK {
            let (mut even, mut odd) = (0, 0);
            for k in 0..QMF.len() {
                even += evens[i + k] * QMF[k];
                odd += odds[i + k] * QMF[QMF.len() - 1 - k];
            }
            (self.even[i], self.odd[i]) = (even, odd);
        }
    }

    #[inline(always)]
    fn pairs(&self) -> impl Iterator<Item = (i32, i32)> {
        self.even.iter().copied().zip(self.odd.iter().copied())
    }
}

/// Adaptive prediction and quantiser step of one band.
#[derive(Clone)]
struct Band {
    /// What the next sample is expected to be [S].
    estimate: i32,
    /// The part of it that comes from past differences [SZ].
    zero_estimate: i32,
    /// Twice the newest reconstructed sample; the older one enters `estimate` at once [RLT].
    reconstructed: i32,
    /// Signs of the two newest differences plus zero section [PLT], as 0 or −1.
    partial_signs: [i32; 2],
    /// Second-order pole section [AL].
    poles: [i32; 2],
    /// Sixth-order zero section [BL] and twice the differences it works on [DLT], newest first. Of those in the last two
    /// places there are none.
    zeros: [i32; 8],
    differences: [i32; 8],
    /// Logarithm of the quantiser step, and the step [NB, DET].
    log_step: i32,
    step: i32,
}

/// Steps at reset: what the scale tables give for a logarithm of zero.
const LOW_STEP: i32 = 32;
const HIGH_STEP: i32 = 8;

impl Band {
    fn new(step: i32) -> Band {
        Band {
            estimate: 0,
            zero_estimate: 0,
            reconstructed: 0,
            partial_signs: [0; 2],
            poles: [0; 2],
            zeros: [0; 8],
            differences: [0; 8],
            log_step: 0,
            step,
        }
    }

    #[inline(always)]
    fn encode_low(&mut self, sample: i32) -> u8 {
        let difference = saturate(sample - self.estimate);
        let sign = difference >> 31;
        let magnitude = difference ^ sign;
        // [QUANTL] LOW_LEVELS[i] × step >> 12 are the decision levels: how many of them are reached? All are asked, since
        // no processor guesses where a search would turn.
        let step = self.step;
        let reached: i32 = LOW_LEVELS.iter().map(|level| i32::from((level * step) >> 12 <= magnitude)).sum();
        let interval = reached.min(LOW_INTERVALS - 1);
        let code = match (sign, interval) {
            (0, _) => 61 - interval,
            (_, 0 | 1) => 63 - interval,
            _ => 33 - interval,
        } as u8;
        self.adapt_low(code >> 2);
        code
    }

    /// The sample for a 6-bit code; the predictor sees only its upper 4 bits, as in the lower modes.
    #[inline(always)]
    fn decode_low(&mut self, code: u8) -> i32 {
        let difference = (self.step * LOW_6BIT[usize::from(code)]) >> 15;
        let sample = (self.estimate + difference).clamp(-16384, 16383);
        self.adapt_low(code >> 2);
        sample
    }

    #[inline(always)]
    fn adapt_low(&mut self, code: u8) {
        let difference = (self.step * LOW_4BIT[usize::from(code)]) >> 15; // [INVQAL]
        let log_step = ((self.log_step * 127) >> 7) + LOW_LOG_STEP[usize::from(code)]; // [LOGSCL]
        self.set_step(log_step.clamp(0, 18432), 8);
        self.predict(difference);
    }

    #[inline(always)]
    fn encode_high(&mut self, sample: i32) -> u8 {
        let difference = saturate(sample - self.estimate);
        let sign = difference >> 31;
        let large = (difference ^ sign) >= (564 * self.step) >> 12; // [QUANTH]
        let code = match (sign, large) {
            (0, false) => 3,
            (0, true) => 2,
            (_, false) => 1,
            (_, true) => 0,
        };
        self.adapt_high(code);
        code
    }

    #[inline(always)]
    fn decode_high(&mut self, code: u8) -> i32 {
        let difference = (self.step * HIGH_2BIT[usize::from(code)]) >> 15;
        let sample = (self.estimate + difference).clamp(-16384, 16383);
        self.adapt_high(code);
        sample
    }

    #[inline(always)]
    fn adapt_high(&mut self, code: u8) {
        let difference = (self.step * HIGH_2BIT[usize::from(code)]) >> 15; // [INVQAH]
        let log_step = ((self.log_step * 127) >> 7) + HIGH_LOG_STEP[usize::from(code)]; // [LOGSCH]
        self.set_step(log_step.clamp(0, 22528), 10);
        self.predict(difference);
    }

    /// [SCALEL, SCALEH]
    #[inline(always)]
    fn set_step(&mut self, log_step: i32, shift: i32) {
        let mantissa = INVERSE_LOG[(log_step >> 6 & 31) as usize];
        let shift = shift - (log_step >> 11);
        self.log_step = log_step;
        self.step = if shift < 0 { mantissa << -shift } else { mantissa >> shift } << 2;
    }

    /// Takes in the quantised `difference`, adapts the predictor and predicts the next sample (block 4).
    #[inline(always)]
    fn predict(&mut self, difference: i32) {
        let reconstructed = saturate(self.estimate + difference); // [RECONS]
        let sign = saturate(self.zero_estimate + difference) >> 15; // [PARREC]
        let like_last = sign == self.partial_signs[0];
        let like_last_but_one = sign == self.partial_signs[1];
        self.partial_signs = [sign, self.partial_signs[0]];

        // [UPPOL2, UPPOL1] leaky sign-sign adaptation, kept inside the triangle of stability
        let [a1, a2] = self.poles;
        let turn = saturate(a1 << 2);
        let turn = if like_last { -turn } else { turn }.min(32767);
        let a2 = (turn >> 7) + if like_last_but_one { 128 } else { -128 } + ((a2 * 32512) >> 15);
        let a2 = a2.clamp(-12288, 12288);
        let a1 = if like_last { 192 } else { -192 } + ((a1 * 32640) >> 15);
        let a1 = a1.clamp(-(15360 - a2), 15360 - a2);
        self.poles = [a1, a2];

        // [UPZERO] the same for the zeros, against the sign of each past difference
        let pull = if difference == 0 { 0 } else { 128 };
        let (mut zeros, past) = (self.zeros, &self.differences);
        for (zero, past) in zeros.iter_mut().zip(past) {
            let opposite = (past ^ difference) >> 31; // −1 where signs differ
            *zero = ((pull ^ opposite) - opposite) + ((*zero * 32640) >> 15);
        }

        // [DELAYA, FILTEP, FILTEZ, PREDIC]
        let past = [saturate(difference << 1), past[0], past[1], past[2], past[3], past[4], 0, 0];
        let reconstructed = saturate(reconstructed << 1);
        let pole_estimate = ((a1 * reconstructed) >> 15) + ((a2 * self.reconstructed) >> 15);
        let zero_estimate = zeros.iter().zip(&past).map(|(zero, past)| (zero * past) >> 15).sum();
        (self.zeros, self.differences, self.reconstructed) = (zeros, past, reconstructed);
        self.zero_estimate = saturate(zero_estimate);
        self.estimate = saturate(saturate(pole_estimate) + self.zero_estimate);
    }
}

#[inline(always)]
fn saturate(value: i32) -> i32 {
    value.clamp(-32768, 32767)
}

/// Coefficients of the mirror filter (table 11), every other one.
const QMF: [i32; QMF_TAPS / 2] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Between the decision levels of the low band.
const LOW_INTERVALS: i32 = 30;

/// Those levels, for a step of 4096 (table 14); the last is there four times, to fill vectors.
const LOW_LEVELS: [i32; 32] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919, 2919, 2919, 2919,
];

/// What a 6-bit code of the low band means, in steps of 2⁻¹⁵ (table 18).
const LOW_6BIT: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// The same for its upper 4 bits.
const LOW_4BIT: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];

/// How a 4-bit code moves the logarithm of the step (tables 19 and 20).
const LOW_LOG_STEP: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];

/// What a code of the high band means, and how it moves the logarithm of the step.
const HIGH_2BIT: [i32; 4] = [-7408, -1616, 7408, 1616];
const HIGH_LOG_STEP: [i32; 4] = [798, -214, 798, -214];

/// 2048 × 2^(i/32), rounded as in table 21.
const INVERSE_LOG: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

#[cfg(test)]
mod tests {
    use audio_codec::g722::{G722Decoder, G722Encoder};
    use audio_codec::{Decoder as _, Encoder as _};

    use super::*;

    /// Two seconds of something like a vowel: a gliding pitch, its harmonics falling by 12 dB an octave, in syllables.
    fn speech() -> Vec<i16> {
        let mut phase = 0.0f64;
        (0..32_000)
            .map(|i| {
                let t = f64::from(i) / 16_000.0;
                phase += (120.0 + 60.0 * (t * 3.0).sin()) / 16_000.0 * std::f64::consts::TAU;
                let voice: f64 = (1..=40).map(|k| (phase * f64::from(k)).sin() / f64::from(k * k)).sum();
                (voice * 9_000.0 * (t * 6.0).sin().powi(2)) as i16
            })
            .collect()
    }

    fn ours(pcm: &[i16]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        let mut bytes = vec![0; pcm.len() / 2];
        for (pcm, bytes) in pcm.chunks(320).zip(bytes.chunks_mut(160)) {
            encoder.encode(pcm, bytes);
        }
        bytes
    }

    fn heard_by_us(bytes: &[u8]) -> Vec<i16> {
        let mut decoder = Decoder::new();
        let mut pcm = vec![0; bytes.len() * 2];
        for (bytes, pcm) in bytes.chunks(160).zip(pcm.chunks_mut(320)) {
            decoder.decode(bytes, pcm);
        }
        pcm
    }

    /// Of `heard` against `said`, 22 samples later: the delay of the two filters.
    fn snr_db(said: &[i16], heard: &[i16]) -> f64 {
        let energy = |x: f64| x * x;
        let signal: f64 = said.iter().map(|&s| energy(s.into())).sum();
        let noise: f64 = said.iter().zip(&heard[22..]).map(|(&s, &h)| energy(f64::from(s) - f64::from(h))).sum();
        10.0 * (signal / noise).log10()
    }

    #[test]
    fn a_second_implementation_and_ours_understand_each_other() {
        let said = speech();
        let theirs = G722Encoder::new().encode(&said);
        assert_eq!(heard_by_us(&theirs), G722Decoder::new().decode(&theirs), "the same bytes are the same sound");
        for (case, heard) in [
            ("ours to ours", heard_by_us(&ours(&said))),
            ("ours to theirs", G722Decoder::new().decode(&ours(&said))),
            ("theirs to ours", heard_by_us(&theirs)),
        ] {
            let snr = snr_db(&said, &heard);
            assert!(snr >= 24.0, "{case}: {snr:.1} dB");
        }
    }

    #[test]
    fn the_length_of_a_call_does_not_matter() {
        let said = speech();
        let mut encoder = Encoder::new();
        let mut bytes = vec![0; said.len() / 2];
        let (mut at, mut len) = (0, 2);
        while at < said.len() {
            let len_now = len.min(said.len() - at);
            encoder.encode(&said[at..at + len_now], &mut bytes[at / 2..(at + len_now) / 2]);
            at += len_now;
            len = len * 3 % 1022;
        }
        assert_eq!(bytes, ours(&said));
    }

    #[test]
    fn any_bytes_decode_without_overflow() {
        let bytes: Vec<u8> = (0u32..100_000).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        heard_by_us(&bytes);
        heard_by_us(&[0; 1000]);
        heard_by_us(&[0x20; 1000]);
        ours(&[i16::MIN; 2000]);
        ours(&[[i16::MAX, i16::MIN]; 1000].concat());
    }
}
