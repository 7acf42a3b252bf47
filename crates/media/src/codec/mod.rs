//! The voice codecs: what SDP names, from RTP payload to PCM and back.
//!
//! | codec | PCM | RTP clock | 20 ms |
//! |---|---|---|---|
//! | PCMU, PCMA | 8 kHz | 8 kHz | 160 bytes |
//! | G.722 | 16 kHz | 8 kHz (RFC 3551 §4.5.2: a historical error, kept) | 160 bytes |
//! | Opus | 48 kHz | 48 kHz | variable |
//! | L16 | 8 or 16 kHz | as PCM | 320 or 640 bytes |
//!
//! Everything is mono. No allocation after `new`.

mod g711;
mod g722;
mod l16;
mod opus;

/// A codec with the parameters that change what its bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s (mode 1).
    G722,
    /// Opus, RFC 7587.
    Opus,
    /// Linear 16-bit PCM in network byte order, RFC 3551 §4.5.11.
    L16 {
        /// 8000 or 16000.
        rate_hz: u32,
    },
}

/// The longest packet we accept: twice what phones send at most (60 ms), and the longest Opus allows.
pub const PACKET_MS_MAX: u32 = 120;

impl Codec {
    /// Samples a second on the PCM side.
    pub fn rate_hz(self) -> u32 {
        match self {
            Codec::Pcmu | Codec::Pcma => 8_000,
            Codec::G722 => 16_000,
            Codec::Opus => 48_000,
            Codec::L16 { rate_hz } => rate_hz,
        }
    }

    /// RTP timestamp units a second.
    pub fn clock_hz(self) -> u32 {
        match self {
            Codec::G722 => 8_000,
            codec => codec.rate_hz(),
        }
    }

    /// PCM samples in one 20 ms frame.
    pub fn frame_samples(self) -> usize {
        self.rate_hz() as usize / 50
    }

    /// RTP timestamp units in one 20 ms frame.
    pub fn frame_ticks(self) -> u32 {
        self.clock_hz() / 50
    }

    /// How large a buffer the payload of one packet of `samples` needs.
    pub fn payload_len_max(self, samples: usize) -> usize {
        match self {
            Codec::Pcmu | Codec::Pcma => samples,
            Codec::G722 => samples / 2,
            Codec::Opus => opus::PACKET_LEN_MAX,
            Codec::L16 { .. } => samples * 2,
        }
    }

    /// How many PCM samples `payload` decodes to; an error where no packet of this codec looks like that.
    pub fn samples_in(self, payload: &[u8]) -> Result<usize, CodecError> {
        let samples = match self {
            Codec::Pcmu | Codec::Pcma => payload.len(),
            Codec::G722 => payload.len() * 2,
            Codec::Opus => opus::samples_in(payload)?,
            Codec::L16 { .. } if payload.len() % 2 == 1 => return Err(CodecError::HalfSample { len: payload.len() }),
            Codec::L16 { .. } => payload.len() / 2,
        };
        let samples_max = (self.rate_hz() / 1000 * PACKET_MS_MAX) as usize;
        if samples == 0 || samples > samples_max {
            return Err(CodecError::PacketLength { samples, samples_max });
        }
        Ok(samples)
    }
}

/// How long `count` samples or timestamp units last at `hz` a second, in microseconds. No division but by constants at
/// the rates there are: this is asked for several times a packet.
pub(crate) fn micros(count: i64, hz: u32) -> i64 {
    match hz {
        8_000 => count * 125,
        16_000 => count * 125 / 2,
        48_000 => count * 125 / 6,
        hz => count * 1_000_000 / i64::from(hz),
    }
}

/// From PCM to payloads, with the memory the codec keeps between packets.
pub struct Encoder(Coder<Box<g722::Encoder>, opus::Encoder>);

/// From payloads to PCM, with the memory the codec keeps between packets.
pub struct Decoder(Coder<Box<g722::Decoder>, opus::Decoder>);

/// G.711 and L16 remember nothing; the other two bring their own state, elsewhere, since most legs have none.
enum Coder<G722, Opus> {
    Pcmu,
    Pcma,
    G722(G722),
    Opus(Opus),
    L16,
}

impl Encoder {
    /// A fresh encoder, as at the start of a stream.
    pub fn new(codec: Codec) -> Result<Encoder, CodecError> {
        Ok(Encoder(match codec {
            Codec::Pcmu => Coder::Pcmu,
            Codec::Pcma => Coder::Pcma,
            Codec::G722 => Coder::G722(Box::new(g722::Encoder::new())),
            Codec::Opus => Coder::Opus(opus::Encoder::new()?),
            Codec::L16 { rate_hz: 8_000 | 16_000 } => Coder::L16,
            Codec::L16 { rate_hz } => return Err(CodecError::Rate { rate_hz }),
        }))
    }

    /// Goes on from where another encoder of the same codec stands, so that a listener may change from one to the
    /// other unheard. `false` where that cannot be: what libopus remembers is its own.
    pub fn continue_from(&mut self, other: &Encoder) -> bool {
        match (&mut self.0, &other.0) {
            (Coder::G722(own), Coder::G722(other)) => own.clone_from(other),
            (Coder::Opus(_), _) => return false,
            (own, other) => return std::mem::discriminant(own) == std::mem::discriminant(other),
        }
        true
    }

    /// Encodes `pcm` as one payload into the front of `out` and returns its length in bytes.
    /// Any number of samples but for G.722 (even) and Opus (2.5, 5, 10, 20, 40 or 60 ms).
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        match &mut self.0 {
            Coder::Pcmu => g711::encode_ulaw(pcm, room(out, pcm.len())?),
            Coder::Pcma => g711::encode_alaw(pcm, room(out, pcm.len())?),
            Coder::G722(encoder) if pcm.len().is_multiple_of(2) => encoder.encode(pcm, room(out, pcm.len() / 2)?),
            Coder::G722(_) => return Err(CodecError::OddFrame { samples: pcm.len() }),
            Coder::Opus(encoder) => return encoder.encode(pcm, out),
            Coder::L16 => {
                l16::encode(pcm, room(out, pcm.len() * 2)?);
                return Ok(pcm.len() * 2);
            }
        }
        Ok(if matches!(self.0, Coder::G722(_)) { pcm.len() / 2 } else { pcm.len() })
    }
}

impl Decoder {
    /// A fresh decoder, as at the start of a stream.
    pub fn new(codec: Codec) -> Result<Decoder, CodecError> {
        Ok(Decoder(match codec {
            Codec::Pcmu => Coder::Pcmu,
            Codec::Pcma => Coder::Pcma,
            Codec::G722 => Coder::G722(Box::new(g722::Decoder::new())),
            Codec::Opus => Coder::Opus(opus::Decoder::new()?),
            Codec::L16 { rate_hz: 8_000 | 16_000 } => Coder::L16,
            Codec::L16 { rate_hz } => return Err(CodecError::Rate { rate_hz }),
        }))
    }

    /// Decodes one payload into the front of `out` and returns how many samples that are.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let samples = match &mut self.0 {
            Coder::Pcmu | Coder::Pcma => payload.len(),
            Coder::G722(_) => payload.len() * 2,
            Coder::Opus(decoder) => return decoder.decode(payload, out),
            Coder::L16 if payload.len() % 2 == 1 => return Err(CodecError::HalfSample { len: payload.len() }),
            Coder::L16 => payload.len() / 2,
        };
        let out = room(out, samples)?;
        match &mut self.0 {
            Coder::Pcmu => g711::decode_ulaw(payload, out),
            Coder::Pcma => g711::decode_alaw(payload, out),
            Coder::G722(decoder) => decoder.decode(payload, out),
            Coder::Opus(_) => {} // returned above
            Coder::L16 => l16::decode(payload, out),
        }
        Ok(samples)
    }

    /// Forgets what came before, as for a new stream.
    pub fn reset(&mut self) -> Result<(), CodecError> {
        match &mut self.0 {
            Coder::Pcmu | Coder::Pcma | Coder::L16 => {}
            Coder::G722(decoder) => **decoder = g722::Decoder::new(),
            Coder::Opus(decoder) => decoder.reset()?,
        }
        Ok(())
    }

    /// Fills `out` for a packet that is lost, as the codec itself proposes: from the redundancy in `next`, the packet
    /// after it, where that is known, otherwise by continuing what was heard. `out` is as long as the lost packet.
    /// False where the codec has no such means (all but Opus): concealment is then the caller's.
    pub fn recover(&mut self, next: Option<&[u8]>, out: &mut [i16]) -> Result<bool, CodecError> {
        match (&mut self.0, next) {
            (Coder::Opus(decoder), Some(next)) => decoder.recover(next, out)?,
            (Coder::Opus(decoder), None) => decoder.conceal(out)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The first `needed` places of `out`.
fn room<T>(out: &mut [T], needed: usize) -> Result<&mut [T], CodecError> {
    let available = out.len();
    out.get_mut(..needed).ok_or(CodecError::NoRoom { needed, available })
}

/// Why a payload or a frame was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The caller's buffer is too small.
    #[error("the output holds {available}, this needs {needed}")]
    NoRoom {
        /// Bytes or samples to be written.
        needed: usize,
        /// Bytes or samples there is room for.
        available: usize,
    },
    /// An empty payload, or more audio than one packet carries.
    #[error("a packet of {samples} samples, expected 1 to {samples_max}")]
    PacketLength {
        /// What it would decode to.
        samples: usize,
        /// The most we accept.
        samples_max: usize,
    },
    /// 16-bit samples in an odd number of bytes.
    #[error("{len} bytes cannot be 16-bit samples")]
    HalfSample {
        /// Bytes of payload.
        len: usize,
    },
    /// G.722 codes samples in pairs.
    #[error("{samples} samples cannot be paired for G.722")]
    OddFrame {
        /// Samples given.
        samples: usize,
    },
    /// L16 at a rate we do not speak.
    #[error("L16 at {rate_hz} Hz, expected 8000 or 16000")]
    Rate {
        /// The rate asked for.
        rate_hz: u32,
    },
    /// libopus refused.
    #[error("opus: {0}")]
    Opus(&'static str),
}
