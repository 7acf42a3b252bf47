//! Partyline: the audio plane: RTP in, mixed RTP out.
//!
//! From the wire to PCM: [`rtp`] parses a packet in place, [`Playout`] puts the packets of one stream in order
//! and hands out 20 ms of PCM per tick, decoding by [`Decoder`] and concealing what never came.
//! [`dtmf`] reads the digits a phone sends beside its voice.

mod codec;
mod jitter;
mod playout;

pub mod dtmf;
pub mod rtp;

pub use codec::{Codec, CodecError, Decoder, Encoder, PACKET_MS_MAX};
pub use playout::{Playout, PlayoutConfig, PlayoutStats, Pulled, Pushed};
