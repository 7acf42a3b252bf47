//! µ-law (ITU-T G.711) written a second time.
//!
//! The bridge has its own in `media`. Its tests must not agree with it by sharing its tables, so this one is
//! the textbook's arithmetic: slow, obvious, and used to make tables once.

/// One packet's worth at 20 ms: samples, and bytes.
pub const FRAME_SAMPLES: usize = 160;
/// What µ-law writes for no sound at all.
pub const SILENCE: u8 = 0xFF;

const BIAS: i32 = 0x84;
const CLIP: i32 = 32_635;

/// The byte nearest to `sample`.
pub fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    let exponent = (magnitude as u32).ilog2() - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | (exponent as u8) << 4 | mantissa as u8)
}

/// The sample a byte stands for.
pub fn decode(byte: u8) -> i16 {
    let bits = !byte;
    let exponent = (bits >> 4) & 0x07;
    let mantissa = i32::from(bits & 0x0F);
    let magnitude = (((mantissa << 3) + BIAS) << exponent) - BIAS;
    if bits & 0x80 == 0 { magnitude as i16 } else { -magnitude as i16 }
}

/// Every sample of `pcm`, encoded.
pub fn encode_all(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().map(|&sample| encode(sample)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_a_round_trip_but_negative_zero() {
        for byte in 0..=u8::MAX {
            let want = if byte == 0x7F { 0xFF } else { byte };
            assert_eq!(encode(decode(byte)), want, "byte {byte:#04x}");
        }
    }

    #[test]
    fn the_corners_are_those_of_the_recommendation() {
        for (case, sample, byte) in [
            ("silence", 0, 0xFF),
            ("loudest", i16::MAX, 0x80),
            ("loudest negative", i16::MIN, 0x00),
            ("smallest step", 8, 0xFE),
            ("smallest negative step", -8, 0x7E),
        ] {
            assert_eq!(encode(sample), byte, "{case}");
        }
    }
}
