//! From the bytes of an audio file to PCM.
//!
//! What a file is called and what type a server claims for it are often wrong, so the bytes decide:
//! `RIFF…WAVE` is a WAV file, two MPEG audio frames in a row are an MP3, and so on for AIFF, AU, FLAC, Ogg and GSM. Only
//! raw G.711, and a few frames of GSM, are known by their content type alone.
//! Several channels become one, by their mean. The rate stays as it is; the audio plane resamples.
//!
//! Hostile files: sizes in headers are only ever believed up to the bytes that are there, so what is
//! allocated is bounded by the file's length (WAV, AU) or by [`DURATION_MAX`] (the others).

use std::time::Duration;

use model::Clip;

use crate::container::Container;
use crate::{gsm, mp3, raw, wav};

/// Longer sounds are refused: 20 minutes at 48 kHz are 115 MB of PCM.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(20 * 60);

/// Sample rates that occur in audio files, 4 to 192 kHz.
pub(crate) const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// Why bytes are not a sound we can play.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// None of the kinds we know.
    #[error("no WAV, MP3, AIFF, AU, FLAC, Ogg or GSM file")]
    NotAudio,
    /// A WAV or MP3 file that cannot be read.
    #[error("broken {format} file: {why}")]
    Malformed {
        /// `WAV` or `MP3`.
        format: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A WAV file in a coding we do not know.
    #[error("WAV format tag {tag:#06x} with {bits} bits a sample, expected PCM, float, µ-law, A-law, GSM or MP3")]
    Unsupported {
        /// `wFormatTag`.
        tag: u16,
        /// `wBitsPerSample`.
        bits: u16,
    },
    /// It has no sample at all.
    #[error("the file holds no sound")]
    Empty,
    /// It plays for too long.
    #[error("longer than {} minutes", DURATION_MAX.as_secs() / 60)]
    TooLong,
}

/// Decodes a file of any of the kinds above.
///
/// A file that ends early gives what it has. A minute of CD-quality stereo takes about 20 ms as WAV and 80 ms
/// as MP3: call it off the threads that must not wait.
///
/// # Errors
/// [`DecodeError`], in words for a log line.
pub fn decode(bytes: &[u8]) -> Result<Clip, DecodeError> {
    decode_as(bytes, None)
}

/// The same for what came with a content type, which decides where the bytes do not: raw G.711.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_as(bytes: &[u8], content_type: Option<&str>) -> Result<Clip, DecodeError> {
    let clip = if wav::is_wav(bytes) {
        wav::decode(bytes)?
    } else if raw::is_au(bytes) {
        raw::decode_au(bytes)?
    } else if let Some(container) = Container::of(bytes) {
        container.decode(bytes)?
    } else if gsm::is_gsm(bytes) || matches!(content_type, Some("audio/gsm" | "audio/x-gsm")) {
        gsm::decode(bytes)?
    } else if let Some(clip) = content_type.and_then(|content_type| raw::decode(bytes, content_type)) {
        clip?
    } else if let Some(start) = mp3::first_frame(bytes) {
        mp3::decode(&bytes[start..])?
    } else {
        return Err(DecodeError::NotAudio);
    };
    if clip.samples.is_empty() { Err(DecodeError::Empty) } else { Ok(clip) }
}

/// How many samples a sound at `rate_hz` may have.
pub(crate) fn samples_max(rate_hz: u32) -> usize {
    usize::try_from(DURATION_MAX.as_secs() * u64::from(rate_hz)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The fixtures that `fixtures/audio/tones.py` writes: half a second of a 440 Hz tone, 8,000 peak.
    const TONES: [(&str, u32, &[u8]); 15] = [
        ("pcm8_8000_mono", 8_000, include_bytes!("../../../fixtures/audio/pcm8_8000_mono.wav")),
        ("pcm16_8000_mono", 8_000, include_bytes!("../../../fixtures/audio/pcm16_8000_mono.wav")),
        ("pcm16_44100_stereo", 44_100, include_bytes!("../../../fixtures/audio/pcm16_44100_stereo.wav")),
        ("pcm16_11025_mono", 11_025, include_bytes!("../../../fixtures/audio/pcm16_11025_mono.wav")),
        ("pcm24_16000_stereo", 16_000, include_bytes!("../../../fixtures/audio/pcm24_16000_stereo.wav")),
        ("pcm32_16000_mono", 16_000, include_bytes!("../../../fixtures/audio/pcm32_16000_mono.wav")),
        ("float32_48000_mono", 48_000, include_bytes!("../../../fixtures/audio/float32_48000_mono.wav")),
        ("ulaw_8000_mono", 8_000, include_bytes!("../../../fixtures/audio/ulaw_8000_mono.wav")),
        ("ulaw_8000_stereo", 8_000, include_bytes!("../../../fixtures/audio/ulaw_8000_stereo.wav")),
        ("alaw_8000_mono", 8_000, include_bytes!("../../../fixtures/audio/alaw_8000_mono.wav")),
        ("aiff", 16_000, include_bytes!("../../../fixtures/audio/tone_16000_mono.aiff")),
        ("flac", 16_000, include_bytes!("../../../fixtures/audio/tone_16000_mono.flac")),
        ("ogg", 16_000, include_bytes!("../../../fixtures/audio/tone_16000_mono.ogg")),
        ("mp3 cbr mono 16000", 16_000, include_bytes!("../../../fixtures/audio/tone_16000_mono.mp3")),
        ("mp3 vbr stereo 44100", 44_100, include_bytes!("../../../fixtures/audio/tone_44100_stereo.mp3")),
    ];

    /// How much of `samples` is a tone of `tone_hz`: its amplitude, and the share of the whole energy.
    fn tone(clip: &Clip, tone_hz: f64) -> (f64, f64) {
        // The middle 400 ms: 176 whole periods, so the correlation has no leakage.
        let rate = f64::from(clip.rate_hz);
        let skip = (clip.samples.len() - (rate * 0.4) as usize) / 2;
        let middle = &clip.samples[skip..skip + (rate * 0.4) as usize];
        let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
        for (i, &sample) in middle.iter().enumerate() {
            let (sin, cos) = (std::f64::consts::TAU * tone_hz * i as f64 / rate).sin_cos();
            let sample = f64::from(sample);
            re += sample * cos;
            im += sample * sin;
            energy += sample * sample;
        }
        let amplitude = 2.0 * re.hypot(im) / middle.len() as f64;
        (amplitude, amplitude * amplitude / 2.0 / (energy / middle.len() as f64))
    }

    #[test]
    fn every_format_gives_the_tone_that_was_written() {
        for (case, rate_hz, bytes) in TONES {
            let clip = decode(bytes).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(clip.rate_hz, rate_hz, "{case}");
            let ms = clip.samples.len() as f64 * 1000.0 / f64::from(rate_hz);
            assert!((ms - 500.0).abs() < 1.0, "{case}: {ms} ms");
            let (amplitude, share) = tone(&clip, 440.0);
            // LAME turns what it codes at a constant rate down by 5 %.
            let amplitude_min = if case.starts_with("mp3") { 7_500.0 } else { 7_900.0 };
            assert!((amplitude_min..8_100.0).contains(&amplitude), "{case}: amplitude {amplitude}");
            let share_min = if case.starts_with("pcm8") { 0.998 } else { 0.999 };
            assert!(share > share_min, "{case}: {share} of the energy is the tone");
        }
    }

    #[test]
    fn what_is_not_audio_is_refused() {
        for (case, bytes) in [
            ("nothing", &b""[..]),
            ("a page", b"<html><body>404 Not Found</body></html>"),
            ("a PNG", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
            ("RIFF, but video", b"RIFF\x10\0\0\0AVI LIST"),
            ("one lone frame sync", b"\xff\xfb\x90\x64and then text that is no frame at all"),
        ] {
            assert_eq!(decode(bytes), Err(DecodeError::NotAudio), "{case}");
        }
        let noise: Vec<u8> = (0..400_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 19) as u8).collect();
        assert_eq!(decode(&noise), Err(DecodeError::NotAudio), "noise");
    }

    #[test]
    fn a_file_cut_short_gives_what_it_has() {
        // A block of FLAC, and a page of Ogg, is longer than half of these.
        for (case, _, bytes) in TONES.into_iter().filter(|(case, ..)| !matches!(*case, "flac" | "ogg")) {
            let whole = decode(bytes).expect("a fixture").samples.len();
            let half = decode(&bytes[..bytes.len() / 2]).unwrap_or_else(|e| panic!("{case}: {e}")).samples.len();
            assert!(half > whole / 4 && half < whole * 3 / 4, "{case}: {half} of {whole}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let _ = decode(&bytes);
            let _ = wav::decode(&bytes);
            let _ = mp3::decode(&bytes);
        }

        #[test]
        fn no_damaged_file_panics_or_grows(
            which in 0..TONES.len(),
            damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..24),
            in_header in any::<bool>(),
        ) {
            let mut bytes = TONES[which].2.to_vec();
            let reach = if in_header { 64 } else { bytes.len() };
            for (at, value) in damage {
                bytes[at.index(reach)] = value;
            }
            if let Ok(clip) = decode(&bytes) {
                // The densest coding is MP3: 1152 samples from a frame of 24 bytes.
                prop_assert!(clip.samples.len() <= bytes.len() * 48);
                prop_assert!(RATES_HZ.contains(&clip.rate_hz));
            }
        }
    }
}
