//! One received stream, from packets to 20 ms frames of PCM.
//!
//! Packets go in as they arrive ([`Playout::push`]); one frame comes out per tick ([`Playout::pull`]), decoded, in
//! order, without duplicates:
//!
//! `push 7, 9, 10 ─▶ [ 7 | _ | 9 | 10 ] ─▶ pull: Voice, Concealed, Voice, Voice`
//!
//! No clock, no socket, no allocation after `new`. Times are microseconds on the media clock.

use crate::codec::{Codec, CodecError, Decoder};
use crate::jitter::{Jitter, Kind, NotTaken};
use crate::rtp;

/// What SDP and the operator say about a stream, beside its codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutConfig {
    /// The payload type of RFC 3389 comfort noise; 13 by convention.
    pub comfort_noise_payload_type: Option<u8>,
    /// The longest delay taken on to ride out jitter, in ms.
    pub delay_ms_max: u16,
}

impl Default for PlayoutConfig {
    fn default() -> PlayoutConfig {
        PlayoutConfig { comfort_noise_payload_type: Some(13), delay_ms_max: 120 }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It will be played.
    Queued,
    /// It will be played, and it is the first of a new stream: another SSRC, or a jump in time or sequence.
    NewSource,
    /// Its turn is over.
    Late,
    /// It is here already.
    Duplicate,
    /// There is no room: far too much is waiting.
    Overflow,
    /// Its payload is nothing this codec sends.
    Refused,
}

/// What a frame is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// What the peer sent, all of it or in part.
    Voice,
    /// Made up: what should be here is lost or late.
    Concealed,
    /// The peer sends nothing: not yet, not any more, or it suppresses silence.
    Silence,
}

/// What happened to a stream so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlayoutStats {
    /// Packets taken.
    pub queued: u64,
    /// Packets whose turn was over.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets for which there was no room.
    pub overflow: u64,
    /// Packets that were nothing of this codec.
    pub refused: u64,
    /// New streams: the first one, changes of SSRC, jumps.
    pub sources: u64,
    /// Frames with at least one sample from the peer.
    pub voice_frames: u64,
    /// Frames that were made up.
    pub concealed_frames: u64,
    /// Frames without anything.
    pub silent_frames: u64,
}

/// See the [module](self).
pub struct Playout {
    codec: Codec,
    config: PlayoutConfig,
    decoder: Decoder,
    jitter: Jitter,
    ssrc: Option<u32>,
    /// Newest sequence number and timestamp, unwrapped.
    newest: (i64, i64),
    next_sequence: i64,
    /// Decoded and not yet played.
    pcm: Box<[i16]>,
    pcm_len: usize,
    stats: PlayoutStats,
}

impl Playout {
    /// A stream that has not begun. `seed` colours what is made up.
    pub fn new(codec: Codec, config: PlayoutConfig, _seed: u64) -> Result<Playout, CodecError> {
        let packet = (codec.rate_hz() / 1000 * crate::codec::PACKET_MS_MAX) as usize;
        Ok(Playout {
            codec,
            config,
            decoder: Decoder::new(codec)?,
            jitter: Jitter::new(codec),
            ssrc: None,
            newest: (0, 0),
            next_sequence: 0,
            pcm: vec![0; packet + codec.frame_samples()].into(),
            pcm_len: 0,
            stats: PlayoutStats::default(),
        })
    }

    /// Takes a packet of this codec's payload type, or of comfort noise, that arrived at `arrival_us`.
    pub fn push(&mut self, packet: &rtp::Packet, _arrival_us: u64) -> Pushed {
        let kind = if self.config.comfort_noise_payload_type == Some(packet.payload_type) {
            Kind::ComfortNoise
        } else {
            match self.codec.samples_in(packet.payload) {
                Ok(samples) => Kind::Voice { samples },
                Err(_) => {
                    self.stats.refused += 1;
                    return Pushed::Refused;
                }
            }
        };
        let new = self.ssrc != Some(packet.ssrc);
        if new {
            self.ssrc = Some(packet.ssrc);
            self.jitter.clear();
            self.newest = (packet.sequence.into(), packet.timestamp.into());
            self.next_sequence = self.newest.0;
            self.stats.sources += 1;
        }
        let sequence = self.newest.0 + i64::from(packet.sequence.wrapping_sub(self.newest.0 as u16) as i16);
        let timestamp = self.newest.1 + i64::from(packet.timestamp.wrapping_sub(self.newest.1 as u32) as i32);
        if sequence < self.next_sequence {
            self.stats.late += 1;
            return Pushed::Late;
        }
        match self.jitter.insert(sequence, timestamp, kind, packet.payload) {
            Ok(()) => {
                self.newest = self.newest.max((sequence, timestamp));
                self.stats.queued += 1;
                if new { Pushed::NewSource } else { Pushed::Queued }
            }
            Err(NotTaken::Duplicate) => {
                self.stats.duplicate += 1;
                Pushed::Duplicate
            }
            Err(NotTaken::Full) => {
                self.stats.overflow += 1;
                Pushed::Overflow
            }
        }
    }

    /// Notes a packet of the same stream that carries no audio (telephone-event), so that it is not taken for lost.
    pub fn pass(&mut self, packet: &rtp::Packet) {
        if self.ssrc == Some(packet.ssrc) {
            let sequence = self.newest.0 + i64::from(packet.sequence.wrapping_sub(self.newest.0 as u16) as i16);
            if sequence >= self.next_sequence {
                let _ = self.jitter.insert(sequence, self.newest.1, Kind::Aside, &[]); // a duplicate is no news
            }
        }
    }

    /// Fills `out` with the frame to be played at `now_us`: [`Codec::frame_samples`] of them.
    pub fn pull(&mut self, _now_us: u64, out: &mut [i16]) -> Pulled {
        while self.pcm_len < out.len() {
            let Some(first) = self.jitter.first_from(self.next_sequence) else { break };
            self.next_sequence = first.sequence + 1;
            if let Kind::Voice { .. } = first.kind {
                let free = &mut self.pcm[self.pcm_len..];
                self.pcm_len += self.decoder.decode(self.jitter.payload(&first), free).unwrap_or(0);
            }
            self.jitter.remove(first.sequence);
        }
        let voice = self.pcm_len.min(out.len());
        out[..voice].copy_from_slice(&self.pcm[..voice]);
        out[voice..].fill(0);
        self.pcm.copy_within(voice..self.pcm_len, 0);
        self.pcm_len -= voice;
        if voice > 0 {
            self.stats.voice_frames += 1;
            Pulled::Voice
        } else {
            self.stats.silent_frames += 1;
            Pulled::Silence
        }
    }

    /// What happened so far.
    pub fn stats(&self) -> PlayoutStats {
        self.stats
    }
}
