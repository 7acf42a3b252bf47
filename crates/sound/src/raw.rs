//! G.711 without a file around it, which only its content type gives away; and Sun's `.au`, which says so itself.

use model::Clip;

use crate::decode::{DecodeError, RATES_HZ, samples_max};
use crate::wav::{alaw, ulaw};

/// How samples of a byte are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Law {
    Ulaw,
    Alaw,
}

/// Whether these bytes begin like an `.au` file.
pub(crate) fn is_au(bytes: &[u8]) -> bool {
    bytes.starts_with(b".snd")
}

/// Decodes an `.au` file: G.711 or 16-bit PCM, big-endian.
pub(crate) fn decode_au(bytes: &[u8]) -> Result<Clip, DecodeError> {
    let malformed = |why: &str| DecodeError::Malformed { format: "AU", why: why.to_owned() };
    let field = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let (Some(start), Some(coding), Some(rate_hz), Some(channels)) = (field(4), field(12), field(16), field(20)) else {
        return Err(malformed("a header that is too short"));
    };
    if !RATES_HZ.contains(&rate_hz) || !(1..=2).contains(&channels) {
        return Err(malformed("a rate or channels that no sound has"));
    }
    let data = bytes.get(start as usize..).unwrap_or_default();
    let samples: Vec<i32> = match coding {
        1 => data.iter().map(|&code| ulaw(code)).collect(),
        27 => data.iter().map(|&code| alaw(code)).collect(),
        3 => data.chunks_exact(2).map(|b| i16::from_be_bytes([b[0], b[1]]).into()).collect(),
        _ => return Err(malformed("a coding that is neither G.711 nor 16-bit PCM")),
    };
    let channels = channels as usize;
    let mean = |frame: &[i32]| (frame.iter().sum::<i32>() / channels as i32) as i16;
    bounded(rate_hz, samples.chunks_exact(channels).map(mean).collect())
}

/// Decodes what a content type says is raw G.711 at 8 kHz; `None` if it does not.
pub(crate) fn decode(bytes: &[u8], content_type: &str) -> Option<Result<Clip, DecodeError>> {
    let law = match content_type {
        "audio/basic" | "audio/ulaw" | "audio/x-ulaw" | "audio/mulaw" | "audio/x-mulaw" | "audio/pcmu" => Law::Ulaw,
        "audio/alaw" | "audio/x-alaw" | "audio/pcma" => Law::Alaw,
        _ => return None,
    };
    let decode = |&code: &u8| match law {
        Law::Ulaw => ulaw(code) as i16,
        Law::Alaw => alaw(code) as i16,
    };
    Some(bounded(8_000, bytes.iter().map(decode).collect()))
}

fn bounded(rate_hz: u32, samples: Vec<i16>) -> Result<Clip, DecodeError> {
    if samples.len() > samples_max(rate_hz) { Err(DecodeError::TooLong) } else { Ok(Clip { rate_hz, samples }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_content_type_says_is_believed_where_nothing_else_tells() {
        for (content_type, want) in [
            ("audio/basic", Some(vec![0, 32_124, -32_124])),
            ("audio/ulaw", Some(vec![0, 32_124, -32_124])),
            ("audio/pcma", Some(vec![848, 5_504, -5_504])),
            ("audio/mpeg", None),
        ] {
            let clip = decode(&[0xff, 0x80, 0x00], content_type);
            let samples = clip.map(|clip| clip.expect("short").samples);
            assert_eq!(samples, want, "{content_type}");
        }
    }

    #[test]
    fn an_au_file_says_what_it_is() {
        let file = |coding: u32, rate_hz: u32, channels: u32, data: &[u8]| {
            let fields = [24, u32::MAX, coding, rate_hz, channels].map(u32::to_be_bytes).concat();
            [b".snd", &fields[..], data].concat()
        };
        for (case, file, want) in [
            ("µ-law", file(1, 8_000, 1, &[0xff, 0x80]), Ok(vec![0, 32_124])),
            ("PCM, two channels", file(3, 16_000, 2, &[1, 0, 3, 0, 9]), Ok(vec![512])),
            ("floats", file(6, 8_000, 1, &[0; 8]), Err(())),
            ("no rate", file(1, 0, 1, &[0; 8]), Err(())),
            ("no channels", file(1, 8_000, 0, &[0; 8]), Err(())),
            ("no header", b".snd\0\0".to_vec(), Err(())),
        ] {
            let clip = decode_au(&file);
            assert_eq!(clip.map(|clip| clip.samples).map_err(|_| ()), want, "{case}");
        }
    }
}
