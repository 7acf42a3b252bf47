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

/// The upper end of what RFC 7587 §3.1.1 recommends for full-band speech: below about 34 000, libopus leaves out the
/// redundancy.
const BITRATE: i32 = 40_000;
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

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 960;

    /// A second of a voice that rises and falls, in syllables: what was said in a frame cannot be guessed from the one before.
    fn voice() -> Vec<i16> {
        let mut turns = 0.0f64;
        let sample = |i: u32| {
            let t = f64::from(i) / f64::from(RATE_HZ);
            turns += (140.0 + 60.0 * (t * 40.0).sin()) / f64::from(RATE_HZ) * std::f64::consts::TAU;
            let voice: f64 = (1..20).map(|k| (turns * f64::from(k)).sin() / f64::from(k)).sum();
            (voice * 6_000.0 * (t * 12.0).sin().powi(2)) as i16
        };
        (0..RATE_HZ).map(sample).collect()
    }

    fn packets(pcm: &[i16]) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new().expect("libopus");
        let encode = |frame: &[i16]| {
            let mut packet = vec![0; PACKET_LEN_MAX];
            let len = encoder.encode(frame, &mut packet).expect("a frame");
            packet.truncate(len);
            packet
        };
        pcm.chunks_exact(FRAME).map(encode).collect()
    }

    #[test]
    fn what_is_lost_is_recovered_from_the_packet_after_it_or_made_up() {
        let packets = packets(&voice());
        let mut errors = [0.0f64; 2];
        for lost in [10, 15, 20, 25, 30, 35, 40] {
            for (error, knows_next) in errors.iter_mut().zip([true, false]) {
                let mut decoder = Decoder::new().expect("libopus");
                let (mut frame, mut want) = ([0; FRAME], [0; FRAME]);
                for packet in &packets[..lost] {
                    assert_eq!(decoder.decode(packet, &mut frame), Ok(FRAME));
                }
                if knows_next {
                    decoder.recover(&packets[lost + 1], &mut frame).expect("redundancy");
                } else {
                    decoder.conceal(&mut frame).expect("concealment");
                }
                let mut decoder = Decoder::new().expect("libopus");
                for packet in &packets[..=lost] {
                    decoder.decode(packet, &mut want).expect("our own");
                }
                *error += frame.iter().zip(want).map(|(&x, y)| f64::from(x - y).powi(2)).sum::<f64>();
            }
        }
        assert!(errors[0] * 2.0 < errors[1], "redundancy {:.0}, concealment {:.0}", errors[0], errors[1]);
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let mut decoder = Decoder::new().expect("libopus");
        let mut out = [0; FRAME];
        assert!(decoder.decode(&[], &mut out).is_err(), "empty");
        assert!(decoder.decode(&[0xFF], &mut out).is_err(), "a frame count that is not there");
        assert!(decoder.decode(&packets(&voice())[0], &mut out[..480]).is_err(), "no room");
        let mut encoder = Encoder::new().expect("libopus");
        assert!(encoder.encode(&[0; 100], &mut [0; 100]).is_err(), "not a frame length of Opus");
    }
}
