//! Opus by libopus, mono at 48 kHz (RFC 6716, RFC 7587).
//!
//! libopus works on the stack: neither direction allocates after `new`.

use opus::{Application, Channels, ErrorCode};

use super::CodecError;

/// The longest single frame (RFC 6716 §3.4), all we ever send.
pub(super) const PACKET_LEN_MAX: usize = 1275;
const RATE_HZ: u32 = 48_000;

/// How many samples a packet decodes to, by its table of contents.
pub(super) fn samples_in(payload: &[u8]) -> Result<usize, CodecError> {
    opus::packet::get_nb_samples(payload, RATE_HZ).map_err(refused)
}

/// Speech to packets: variable rate, in-band redundancy for the loss we are told of.
pub(super) struct Encoder(opus::Encoder);

impl Encoder {
    pub(super) fn new() -> Result<Encoder, CodecError> {
        let mut encoder = opus::Encoder::new(RATE_HZ, Channels::Mono, Application::Voip).map_err(refused)?;
        encoder.set_bitrate(opus::Bitrate::Bits(BITRATE)).map_err(refused)?;
        encoder.set_complexity(COMPLEXITY).map_err(refused)?;
        encoder.set_inband_fec(true).map_err(refused)?;
        encoder.set_packet_loss_perc(LOSS_PERCENT).map_err(refused)?;
        Ok(Encoder(encoder))
    }

    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        self.0.encode(pcm, out).map_err(refused)
    }
}

/// Wide-band speech with room for its redundancy.
const BITRATE: i32 = 32_000;
/// Of 10. Beyond 5, cost doubles and nobody hears it.
const COMPLEXITY: i32 = 5;
/// Enough for libopus to spend bits on redundancy at all.
const LOSS_PERCENT: i32 = 5;

/// Packets to speech; what is missing is made up by libopus itself.
pub(super) struct Decoder(opus::Decoder);

impl Decoder {
    pub(super) fn new() -> Result<Decoder, CodecError> {
        Ok(Decoder(opus::Decoder::new(RATE_HZ, Channels::Mono).map_err(refused)?))
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        samples_in(payload)?; // an empty payload would ask libopus for concealment
        self.0.decode(payload, out, false).map_err(refused)
    }

    pub(super) fn reset(&mut self) -> Result<(), CodecError> {
        self.0.reset_state().map_err(refused)
    }

    /// Makes up `out.len()` samples, a multiple of 2.5 ms, where nothing came.
    pub(super) fn conceal(&mut self, out: &mut [i16]) -> Result<(), CodecError> {
        self.0.decode(&[], out, false).map(drop).map_err(refused)
    }

    /// Recovers the packet before `next` from the redundancy inside `next`; conceals where it carries none.
    /// `out` is as long as the lost packet was.
    pub(super) fn recover(&mut self, next: &[u8], out: &mut [i16]) -> Result<(), CodecError> {
        samples_in(next)?;
        self.0.decode(next, out, true).map(drop).map_err(refused)
    }
}

fn refused(error: opus::Error) -> CodecError {
    CodecError::Opus(match error.code() {
        ErrorCode::BadArg => "a frame length it does not know",
        ErrorCode::BufferTooSmall => "buffer too small",
        ErrorCode::InvalidPacket => "not an Opus packet",
        ErrorCode::AllocFail => "out of memory",
        _ => "internal error",
    })
}
