//! WAV files: the RIFF chunks that matter, and the codings telephony uses.
//!
//! Written here and not left to `symphonia`, which refuses what phone systems write: µ-law in a 16-byte
//! `fmt ` chunk, a `data` chunk longer than the file or the RIFF around it, sizes never filled in by a
//! program that wrote to a pipe.

use model::Clip;

use crate::decode::{DecodeError, RATES_HZ, samples_max};
use crate::{gsm, mp3};

/// Whether these bytes begin like a WAV file (or its 64-bit form, whose sizes we take from the file).
pub(crate) fn is_wav(bytes: &[u8]) -> bool {
    matches!(bytes.get(..4), Some(b"RIFF" | b"RF64")) && bytes.get(8..12) == Some(b"WAVE")
}

/// Decodes a WAV file. Chunks may come in any order, unknown ones are skipped.
pub(crate) fn decode(bytes: &[u8]) -> Result<Clip, DecodeError> {
    let mut format = None;
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let [i0, i1, i2, i3, l0, l1, l2, l3, body @ ..] = rest {
        let claimed = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let body_len = claimed.min(body.len());
        match &[*i0, *i1, *i2, *i3] {
            b"fmt " => format = Some(Format::parse(&body[..body_len])?),
            b"data" => {
                let format = format.ok_or_else(|| malformed("data before the fmt chunk"))?;
                // A size of 0, or beyond the file, was never filled in: the sound goes on to the end.
                let filled_in = (1..=body.len()).contains(&claimed);
                return format.decode(if filled_in { &body[..body_len] } else { without_tail(body) });
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        rest = body.get(body_len + (claimed & 1)..).unwrap_or_default();
    }
    Err(malformed(if format.is_some() { "no data chunk" } else { "no fmt chunk" }))
}

/// Takes off the chunks after a sound of unknown length, which would be heard as a click: known ones only, one
/// after the other, exactly up to the end of the file. No sound looks like that by chance.
fn without_tail(data: &[u8]) -> &[u8] {
    let tail = (0..data.len()).find(|&at| is_tail(&data[at..]));
    &data[..tail.unwrap_or(data.len())]
}

fn is_tail(mut bytes: &[u8]) -> bool {
    for _ in 0..TAIL_CHUNKS_MAX {
        let [i0, i1, i2, i3, l0, l1, l2, l3, body @ ..] = bytes else { return false };
        let len = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        if !TAIL_CHUNKS.contains(&&[*i0, *i1, *i2, *i3]) || len > body.len() {
            return false;
        }
        // The padding of the last one is often forgotten.
        bytes = body.get(len + (len & 1)..).unwrap_or_default();
        if bytes.is_empty() {
            return true;
        }
    }
    false
}

/// What the `fmt ` chunk says.
struct Format {
    coding: Coding,
    channels: usize,
    rate_hz: u32,
}

#[derive(Clone, Copy)]
enum Coding {
    /// Unsigned 8-bit.
    Pcm8,
    /// Signed, little-endian, this many bytes; only the two highest are heard.
    Pcm {
        sample_len: usize,
    },
    Float32,
    Float64,
    Ulaw,
    Alaw,
    Gsm,
    Mp3,
}

impl Format {
    fn parse(chunk: &[u8]) -> Result<Self, DecodeError> {
        let field = |at: usize| chunk.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let (Some(tag), Some(channels), Some(rate_low), Some(rate_high), Some(bits)) =
            (field(0), field(2), field(4), field(6), field(14))
        else {
            return Err(malformed("fmt chunk shorter than 16 bytes"));
        };
        // WAVE_FORMAT_EXTENSIBLE: the coding proper is the head of the GUID at byte 24.
        let tag = if tag == EXTENSIBLE { field(24).unwrap_or(tag) } else { tag };
        let coding = match (tag, bits) {
            (1, 1..=8) => Coding::Pcm8,
            // 12 or 20 bits are kept in the high bits of whole bytes.
            (1, 9..=32) => Coding::Pcm { sample_len: usize::from(bits.div_ceil(8)) },
            (3, 32) => Coding::Float32,
            (3, 64) => Coding::Float64,
            (6, _) => Coding::Alaw,
            (7, _) => Coding::Ulaw,
            (0x31, _) => Coding::Gsm,
            (0x55, _) => Coding::Mp3,
            _ => return Err(DecodeError::Unsupported { tag, bits }),
        };
        let rate_hz = u32::from(rate_low) | u32::from(rate_high) << 16;
        if !RATES_HZ.contains(&rate_hz) {
            return Err(malformed(format!("{rate_hz} samples a second")));
        }
        if !(1..=CHANNELS_MAX).contains(&channels) {
            return Err(malformed(format!("{channels} channels")));
        }
        Ok(Self { coding, channels: usize::from(channels), rate_hz })
    }

    fn decode(&self, data: &[u8]) -> Result<Clip, DecodeError> {
        let samples = match self.coding {
            Coding::Pcm8 => self.mix_down(data, 1, |b| (i32::from(b[0]) - 128) << 8),
            Coding::Pcm { sample_len } => {
                self.mix_down(data, sample_len, |b| i16::from_le_bytes([b[b.len() - 2], b[b.len() - 1]]).into())
            }
            Coding::Float32 => self.mix_down(data, 4, |b| {
                // `as` saturates and reads NaN as 0, which is what a stray float should sound like.
                (f32::from_le_bytes([b[0], b[1], b[2], b[3]]) * 32_768.0).round() as i16 as i32
            }),
            Coding::Float64 => self.mix_down(data, 8, |b| {
                (f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) * 32_768.0).round() as i16 as i32
            }),
            Coding::Ulaw => self.mix_down(data, 1, |b| ulaw(b[0])),
            Coding::Alaw => self.mix_down(data, 1, |b| alaw(b[0])),
            Coding::Gsm if self.channels == 1 && self.rate_hz == 8_000 => return gsm::decode_wav(data),
            Coding::Gsm => return Err(malformed("GSM that is not one channel at 8 kHz")),
            Coding::Mp3 => {
                let start = mp3::first_frame(data).ok_or_else(|| malformed("no MP3 frame in it"))?;
                return mp3::decode(&data[start..]);
            }
        };
        Ok(Clip { rate_hz: self.rate_hz, samples: samples? })
    }

    /// The mean of the channels of each whole frame in `data`; an incomplete frame at the end is dropped.
    fn mix_down(&self, data: &[u8], sample_len: usize, sample: impl Fn(&[u8]) -> i32) -> Result<Vec<i16>, DecodeError> {
        let frames = data.chunks_exact(sample_len * self.channels);
        if frames.len() > samples_max(self.rate_hz) {
            return Err(DecodeError::TooLong);
        }
        let channels = self.channels as i32; // at most CHANNELS_MAX
        let mean = |frame: &[u8]| (frame.chunks_exact(sample_len).map(&sample).sum::<i32>() / channels) as i16;
        Ok(frames.map(mean).collect())
    }
}

/// ITU-T G.711 µ-law to linear, 16-bit scale.
pub(crate) fn ulaw(code: u8) -> i32 {
    let code = !code;
    let magnitude = (((i32::from(code & 0x0f) << 3) + 0x84) << (code >> 4 & 7)) - 0x84;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

/// ITU-T G.711 A-law to linear, 16-bit scale.
pub(crate) fn alaw(code: u8) -> i32 {
    let code = code ^ 0x55;
    let step = i32::from(code & 0x0f) << 4;
    let magnitude = match code >> 4 & 7 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

fn malformed(why: impl Into<String>) -> DecodeError {
    DecodeError::Malformed { format: "WAV", why: why.into() }
}

/// `WAVE_FORMAT_EXTENSIBLE`.
const EXTENSIBLE: u16 = 0xfffe;

/// More channels than any studio file has are a broken header.
const CHANNELS_MAX: u16 = 32;

/// Chunks that writers put behind the sound.
const TAIL_CHUNKS: [&[u8; 4]; 12] =
    [b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"_PMX", b"cue ", b"smpl", b"inst", b"fact", b"JUNK", b"PAD "];

/// No writer puts more there; it bounds the search.
const TAIL_CHUNKS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// A `fmt ` chunk, 16 bytes as the smallest writers make it.
    fn fmt(tag: u16, channels: u16, rate_hz: u32, bits: u16) -> Vec<u8> {
        let align = channels.wrapping_mul(bits / 8);
        let mut chunk = Vec::new();
        chunk.extend(tag.to_le_bytes());
        chunk.extend(channels.to_le_bytes());
        chunk.extend(rate_hz.to_le_bytes());
        chunk.extend(rate_hz.wrapping_mul(align.into()).to_le_bytes());
        chunk.extend(align.to_le_bytes());
        chunk.extend(bits.to_le_bytes());
        chunk
    }

    /// A file of these chunks; a chunk's size is its length unless given.
    fn file(chunks: &[(&[u8; 4], &[u8], Option<u32>)]) -> Vec<u8> {
        let mut bytes = b"RIFF\xff\xff\xff\xffWAVE".to_vec();
        for (id, body, size) in chunks {
            bytes.extend(*id);
            bytes.extend(size.unwrap_or(body.len() as u32).to_le_bytes());
            bytes.extend(*body);
            if body.len() % 2 == 1 && size.is_none() {
                bytes.push(0);
            }
        }
        bytes
    }

    #[test]
    fn chunks_are_read_as_found_in_the_wild() {
        let mono = fmt(1, 1, 8000, 16);
        let data = [1, 0, 2, 0, 3, 0];
        let want = vec![1, 2, 3];
        let extensible = [&fmt(0xfffe, 1, 8000, 16)[..], &[22, 0, 16, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 16, 0]].concat();
        for (case, bytes) in [
            ("plain", file(&[(b"fmt ", &mono, None), (b"data", &data, None)])),
            (
                "chunks around",
                file(&[(b"LIST", b"odd", None), (b"fmt ", &mono, None), (b"data", &data, None), (b"id3 ", b"x", None)]),
            ),
            ("size never filled in", file(&[(b"fmt ", &mono, None), (b"data", &data, Some(0))])),
            ("size unknown", file(&[(b"fmt ", &mono, None), (b"data", &data, Some(u32::MAX))])),
            (
                "size never filled in, chunks after it",
                file(&[
                    (b"fmt ", &mono, None),
                    (b"data", &data, Some(0)),
                    (b"LIST", b"INFOISFT\x05\0\0\0Lavf\0", None),
                    (b"id3 ", b"ID3", None),
                ]),
            ),
            (
                "size unknown, a chunk after it without its padding",
                [&file(&[(b"fmt ", &mono, None), (b"data", &data, Some(u32::MAX))])[..], b"LIST\x01\0\0\0x"].concat(),
            ),
            ("size too large", file(&[(b"fmt ", &mono, None), (b"data", &data, Some(4000))])),
            ("half a sample at the end", file(&[(b"fmt ", &mono, None), (b"data", &[1, 0, 2, 0, 3, 0, 9], None)])),
            ("extensible", file(&[(b"fmt ", &extensible, None), (b"data", &data, None)])),
        ] {
            assert_eq!(decode(&bytes).map(|c| c.samples), Ok(want.clone()), "{case}");
        }
    }

    #[test]
    fn sound_that_only_resembles_a_chunk_is_sound() {
        let mono = fmt(1, 1, 8000, 16);
        for (case, sound) in [
            ("more follows", &b"LIST\x02\0\0\0abcd"[..]),
            ("longer than the file", b"LIST\x09\0\0\0abcd"),
            ("unknown", b"lost\x04\0\0\0abcd"),
            ("half a header", b"abLIST"),
        ] {
            let clip = decode(&file(&[(b"fmt ", &mono, None), (b"data", sound, Some(0))]));
            assert_eq!(clip.map(|c| c.samples.len()), Ok(sound.len() / 2), "{case}");
        }
    }

    #[test]
    fn hostile_headers_are_errors() {
        for (case, bytes) in [
            ("no chunk", file(&[])),
            ("no data", file(&[(b"fmt ", &fmt(1, 1, 8000, 16), None)])),
            ("data first", file(&[(b"data", &[0; 8], None)])),
            ("short fmt", file(&[(b"fmt ", &[1, 0, 1, 0], None), (b"data", &[0; 8], None)])),
            ("no channel", file(&[(b"fmt ", &fmt(1, 0, 8000, 16), None), (b"data", &[0; 8], None)])),
            ("65535 channels", file(&[(b"fmt ", &fmt(1, 65_535, 8000, 16), None), (b"data", &[0; 8], None)])),
            ("no rate", file(&[(b"fmt ", &fmt(1, 1, 0, 16), None), (b"data", &[0; 8], None)])),
            ("4 GHz", file(&[(b"fmt ", &fmt(1, 1, u32::MAX, 16), None), (b"data", &[0; 8], None)])),
            ("MP3 inside that is none", file(&[(b"fmt ", &fmt(0x55, 1, 8000, 0), None), (b"data", &[0; 8], None)])),
        ] {
            assert!(matches!(decode(&bytes), Err(DecodeError::Malformed { .. })), "{case}");
        }
        for (case, tag, bits) in [("ADPCM", 2, 4), ("64-bit PCM", 1, 64), ("no bits", 1, 0)] {
            let bytes = file(&[(b"fmt ", &fmt(tag, 1, 8000, bits), None), (b"data", &[0; 8], None)]);
            assert_eq!(decode(&bytes), Err(DecodeError::Unsupported { tag, bits }), "{case}");
        }
    }

    #[test]
    fn samples_are_scaled_to_16_bits() {
        for (case, tag, bits, data, want) in [
            ("8-bit is unsigned", 1, 8, &[0, 128, 255][..], vec![-32_768, 0, 32_512]),
            ("24-bit", 1, 24, &[0xff, 0xff, 0x7f, 0, 0, 0x80], vec![32_767, -32_768]),
            ("32-bit", 1, 32, &[0, 0, 0, 0x40], vec![16_384]),
            ("12 bits in the high bits of two bytes", 1, 12, &[0xf0, 0x7f], vec![0x7ff0]),
            ("float", 3, 32, &[0, 0, 0, 0x3f], vec![16_384]),
            ("float over full scale", 3, 32, &[0, 0, 0x80, 0x40], vec![32_767]),
            ("float that is no number", 3, 32, &[0, 0, 0xc0, 0x7f], vec![0]),
            ("µ-law", 7, 8, &[0x00, 0x80, 0x7f, 0xff, 0xef], vec![-32_124, 32_124, 0, 0, 132]),
            ("A-law", 6, 8, &[0x2a, 0xaa, 0xd5, 0x55], vec![-32_256, 32_256, 8, -8]),
        ] {
            let bytes = file(&[(b"fmt ", &fmt(tag, 1, 8000, bits), None), (b"data", data, None)]);
            assert_eq!(decode(&bytes).map(|c| c.samples), Ok(want), "{case}");
        }
    }

    #[test]
    fn channels_become_their_mean() {
        let loud =
            [i16::MAX.to_le_bytes(), i16::MAX.to_le_bytes(), 100i16.to_le_bytes(), (-300i16).to_le_bytes()].concat();
        let bytes = file(&[(b"fmt ", &fmt(1, 2, 44_100, 16), None), (b"data", &loud, None)]);
        assert_eq!(decode(&bytes), Ok(Clip { rate_hz: 44_100, samples: vec![i16::MAX, -100] }));
    }

    #[test]
    fn too_long_is_refused_before_it_is_decoded() {
        let data = vec![0xff; 4_000 * 20 * 60 + 1];
        let bytes = file(&[(b"fmt ", &fmt(7, 1, 4_000, 8), None), (b"data", &data, None)]);
        assert_eq!(decode(&bytes), Err(DecodeError::TooLong));
    }
}
