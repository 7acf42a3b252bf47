//! What the callers speak: PCMU, or another codec whose payloads somebody else has encoded.

use crate::pcmu::{self, FRAME_SAMPLES};
use crate::rtp;
use crate::tone::{HUM_DBFS, Tone};

/// A codec, as callers offer and send it. Only PCMU is listened to by ear; of all others every packet is counted.
#[derive(Debug, Clone, Copy)]
pub struct Audio {
    /// In the header of every packet.
    pub payload_type: u8,
    /// Name and clock, as in `a=rtpmap`.
    pub rtpmap: &'static str,
    /// What a timestamp grows by from packet to packet: 20 ms of the clock.
    pub packet_units: u32,
    /// The payloads of a second of this tone, or of silence; at most [`PAYLOAD_MAX`] bytes each.
    pub encode: fn(Option<Tone>) -> Vec<Vec<u8>>,
}

impl Audio {
    /// What every phone speaks.
    pub const PCMU: Self = Self {
        payload_type: rtp::PCMU,
        rtpmap: "PCMU/8000",
        packet_units: FRAME_SAMPLES as u32,
        encode: |tone| match tone {
            Some(tone) => pcmu::encode_all(&tone.second(HUM_DBFS)).chunks(FRAME_SAMPLES).map(<[u8]>::to_vec).collect(),
            None => vec![vec![pcmu::SILENCE; FRAME_SAMPLES]],
        },
    };

    /// It can be decoded here, to be judged by ear.
    pub(super) fn is_heard(&self) -> bool {
        self.payload_type == rtp::PCMU
    }
}

/// The longest payload that callers send.
pub const PAYLOAD_MAX: usize = 400;
