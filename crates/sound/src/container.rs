//! AIFF, FLAC and Ogg files, taken apart by `symphonia`; Opus is decoded by libopus, everything else by `symphonia`, too.

use model::Clip;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, ReadOnlySource};
use symphonia::default::formats::{AiffReader, FlacReader, OggReader};
use symphonia::default::get_codecs;

use crate::decode::{DecodeError, RATES_HZ, samples_max};
use crate::opus_track;

/// What the file is called by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Aiff,
    Flac,
    Ogg,
}

impl Container {
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.get(..4)? {
            b"FORM" if matches!(bytes.get(8..12), Some(b"AIFF" | b"AIFC")) => Some(Self::Aiff),
            b"fLaC" => Some(Self::Flac),
            b"OggS" => Some(Self::Ogg),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Aiff => "AIFF",
            Self::Flac => "FLAC",
            Self::Ogg => "Ogg",
        }
    }

    /// Decodes its first track; what is damaged is skipped.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<Clip, DecodeError> {
        let malformed = |why: String| DecodeError::Malformed { format: self.name(), why };
        let failed = |error: symphonia::core::errors::Error| malformed(error.to_string());
        // As a stream that cannot seek: a file that was cut short is read as far as it goes.
        let source = MediaSourceStream::new(Box::new(ReadOnlySource::new(bytes)), Default::default());
        let options = FormatOptions::default();
        let mut reader: Box<dyn FormatReader + '_> = match self {
            Self::Aiff => Box::new(AiffReader::try_new(source, options).map_err(failed)?),
            Self::Flac => Box::new(FlacReader::try_new(source, options).map_err(failed)?),
            Self::Ogg => Box::new(OggReader::try_new(source, options).map_err(failed)?),
        };
        let track = reader.tracks().first().and_then(|track| Some((track.id, track.codec_params.clone()?)));
        let Some((track, CodecParameters::Audio(parameters))) = track else { return Err(DecodeError::NotAudio) };
        if parameters.codec == CODEC_ID_OPUS {
            let head = parameters.extra_data.unwrap_or_default();
            return opus_track::decode(&mut *reader, track, &head);
        }
        let mut decoder =
            get_codecs().make_audio_decoder(&parameters, &AudioDecoderOptions::default()).map_err(failed)?;

        let rate_hz = parameters.sample_rate.filter(|rate| RATES_HZ.contains(rate));
        let rate_hz = rate_hz.ok_or_else(|| malformed("a sample rate that no sound has".to_owned()))?;
        let mut clip = Clip { rate_hz, samples: Vec::new() };
        let mut interleaved: Vec<f32> = Vec::new();
        // What breaks off gives what it has.
        while let Ok(Some(packet)) = reader.next_packet() {
            if packet.track_id != track {
                continue;
            }
            let Ok(frame) = decoder.decode(&packet) else { continue };
            frame.copy_to_vec_interleaved(&mut interleaved);
            let channels = frame.spec().channels().count().max(1);
            let mean = |all: &[f32]| (all.iter().sum::<f32>() / channels as f32 * 32_768.0).round() as i16;
            clip.samples.extend(interleaved.chunks_exact(channels).map(mean));
            if clip.samples.len() > samples_max(rate_hz) {
                return Err(DecodeError::TooLong);
            }
        }
        Ok(clip)
    }
}
