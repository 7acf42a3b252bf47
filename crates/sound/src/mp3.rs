//! MP3 files, decoded by `symphonia` (pure Rust, safe, fuzzed; MPL-2.0).
//!
//! It is handed bytes only after two matching frame headers in a row were found, because almost any
//! file holds something that looks like one frame, and would play as noise.

use model::Clip;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, ReadOnlySource};
use symphonia::default::codecs::MpaDecoder;
use symphonia::default::formats::MpaReader;

use crate::decode::{DecodeError, samples_max};

/// Where the first MP3 frame begins: after ID3v2 tags, and within [`SEARCH_BYTES`] of junk.
///
/// A frame counts when a second one of the same kind follows it.
pub(crate) fn first_frame(bytes: &[u8]) -> Option<usize> {
    let tags_len = id3_tags_len(bytes);
    let after_tags = bytes.get(tags_len..)?;
    (0..after_tags.len().min(SEARCH_BYTES))
        .find(|&at| {
            let Some((kind, len)) = FrameKind::parse(&after_tags[at..]) else { return false };
            after_tags.get(at + len..).and_then(FrameKind::parse).is_some_and(|(next, _)| next == kind)
        })
        .map(|at| tags_len + at)
}

/// Decodes MP3 frames; damaged ones are skipped.
pub(crate) fn decode(bytes: &[u8]) -> Result<Clip, DecodeError> {
    // Read as a stream that cannot seek: of a file it can seek in, `symphonia` guesses the length from
    // the first frames' bit rate and then cuts the sound off there.
    let source = MediaSourceStream::new(Box::new(ReadOnlySource::new(bytes)), Default::default());
    let mut reader = MpaReader::try_new(source, FormatOptions::default()).map_err(malformed)?;
    let Some(CodecParameters::Audio(parameters)) = reader.tracks().first().and_then(|t| t.codec_params.clone()) else {
        return Err(DecodeError::NotAudio);
    };
    let mut decoder = MpaDecoder::try_new(&parameters, &AudioDecoderOptions::default()).map_err(malformed)?;

    let mut clip = Clip { rate_hz: parameters.sample_rate.unwrap_or_default(), samples: Vec::new() };
    let mut interleaved: Vec<f32> = Vec::new();
    while let Some(packet) = reader.next_packet().map_err(malformed)? {
        let Ok(frame) = decoder.decode(&packet) else { continue };
        frame.copy_to_vec_interleaved(&mut interleaved);
        // `as` saturates: lossy coding may overshoot full scale.
        let channels = frame.spec().channels().count().max(1);
        let mean = |all: &[f32]| (all.iter().sum::<f32>() / channels as f32 * 32_768.0).round() as i16;
        clip.samples.extend(interleaved.chunks_exact(channels).map(mean));
        if clip.samples.len() > samples_max(clip.rate_hz) {
            return Err(DecodeError::TooLong);
        }
    }
    Ok(clip)
}

/// What all frames of a file have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FrameKind {
    version: u8,
    rate: u8,
}

impl FrameKind {
    /// The layer III frame header at the start of `bytes`, and the frame's length (ISO 11172-3 §2.4.1.3).
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let &[0xff, flags, rates, ..] = bytes else { return None };
        let (version, layer) = (flags >> 3 & 3, flags >> 1 & 3);
        let (bit_rate, rate, padding) = (rates >> 4, rates >> 2 & 3, rates >> 1 & 1);
        if flags & 0xe0 != 0xe0 || layer != LAYER_III || rate == 3 {
            return None;
        }
        // Per version: MPEG-1, MPEG-2 and the unofficial MPEG-2.5 for low rates.
        let (kbit_s, rate_divisor, slots) = match version {
            3 => (KBIT_S_MPEG1, 1, 144_000),
            2 => (KBIT_S_MPEG2, 2, 72_000),
            0 => (KBIT_S_MPEG2, 4, 72_000),
            _ => return None,
        };
        let kbit_s = *kbit_s.get(usize::from(bit_rate)).filter(|&&kbit_s| kbit_s > 0)?;
        let rate_hz = [44_100, 48_000, 32_000][usize::from(rate)] / rate_divisor;
        Some((Self { version, rate }, slots * kbit_s / rate_hz + usize::from(padding)))
    }
}

/// The length of the ID3v2 tags that `bytes` begins with; pictures make them long.
fn id3_tags_len(bytes: &[u8]) -> usize {
    let mut len = 0;
    while let Some(&[b'I', b'D', b'3', _, _, flags, a, b, c, d, ..]) = bytes.get(len..) {
        // Seven bits a byte, so that a size never looks like a frame; a footer repeats the header.
        let body_len = [a, b, c, d].iter().fold(0, |len, byte| len << 7 | usize::from(byte & 0x7f));
        len += 10 + body_len + if flags & 0x10 == 0 { 0 } else { 10 };
    }
    len
}

fn malformed(error: symphonia::core::errors::Error) -> DecodeError {
    DecodeError::Malformed { format: "MP3", why: error.to_string() }
}

/// How far after the tags the first frame may be: encoders pad, editors cut mid-frame.
const SEARCH_BYTES: usize = 64 * 1024;

const LAYER_III: u8 = 1;

/// Bit rates of layer III by header index; 0 ("free") is not decoded.
const KBIT_S_MPEG1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBIT_S_MPEG2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

#[cfg(test)]
mod tests {
    use super::*;

    const TONE: &[u8] = include_bytes!("../../../fixtures/audio/tone_16000_mono.mp3");

    #[test]
    fn frames_are_found_after_tags_and_junk() {
        let tag = [&b"ID3\x04\0\0\0\0\x02\x00"[..], &[0xff; 256]].concat();
        let claims_all = b"ID3\x04\0\0\x7f\x7f\x7f\x7f".to_vec();
        for (case, before, want) in [
            ("at once", vec![], Some(0)),
            ("after a tag", tag.clone(), Some(266)),
            ("after two tags", [&tag[..], &tag].concat(), Some(532)),
            ("after zeros", vec![0; 4000], Some(4000)),
            ("after too much", vec![0; SEARCH_BYTES], None),
            ("a tag longer than the file", claims_all, None),
        ] {
            let bytes = [&before[..], TONE].concat();
            assert_eq!(first_frame(&bytes), want, "{case}");
        }
    }

    #[test]
    fn damaged_frames_are_skipped() {
        let mut bytes = TONE.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 300].fill(0x55);
        let (whole, damaged) = (decode(TONE).expect("fixture"), decode(&bytes).expect("still frames"));
        assert!(damaged.samples.len() > whole.samples.len() / 2);
    }
}
