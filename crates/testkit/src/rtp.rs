//! RTP as a phone needs it: twelve bytes written and read, and what was heard kept.

use crate::pcmu;
use crate::tone::Tone;
use crate::wire::Moment;

/// Length of a header without extension or contributing sources, as every phone sends it.
pub const HEADER_LEN: usize = 12;
/// PCMU's static payload type (RFC 3551).
pub const PCMU: u8 = 0;
/// The payload type we offer for RFC 4733 events.
pub const EVENT: u8 = 101;

/// The fields of a header that change from packet to packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the payload is.
    pub payload_type: u8,
    /// First packet of a talk spurt or of an event.
    pub marker: bool,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples.
    pub timestamp: u32,
    /// Names the stream.
    pub ssrc: u32,
}

impl Header {
    /// The twelve bytes.
    pub fn write(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = 0x80;
        bytes[1] = self.payload_type | if self.marker { 0x80 } else { 0 };
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }

    /// The header of an RTP packet; `None` for anything else, RTCP on the same port included (RFC 5761).
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER_LEN)?;
        if bytes[0] != 0x80 || (192..=223).contains(&bytes[1]) {
            return None;
        }
        Some(Self {
            payload_type: bytes[1] & 0x7F,
            marker: bytes[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
            timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            ssrc: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
        })
    }
}

/// One packet of PCMU that was heard.
#[derive(Debug, Clone)]
pub struct HeardPacket {
    /// When it reached our socket.
    pub arrived: Moment,
    /// Its header.
    pub header: Header,
    /// Its payload, still encoded.
    pub payload: Vec<u8>,
}

impl HeardPacket {
    /// A received packet of PCMU, or `None` when it is something else.
    pub fn read(bytes: &[u8], arrived: Moment) -> Option<Self> {
        let header = Header::read(bytes).filter(|header| header.payload_type == PCMU)?;
        Some(Self { arrived, header, payload: bytes[HEADER_LEN..].to_vec() })
    }

    /// Its sound.
    pub fn pcm(&self) -> Vec<i16> {
        self.payload.iter().map(|&byte| pcmu::decode(byte)).collect()
    }

    /// How loud a tone is in these 20 ms. Tells apart tones that differ by 200 Hz or more.
    pub fn level_dbfs(&self, tone: Tone) -> f64 {
        tone.level_dbfs(&self.pcm())
    }
}

/// The sound of packets that follow each other.
pub fn pcm(packets: &[HeardPacket]) -> Vec<i16> {
    packets.iter().flat_map(HeardPacket::pcm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_wire_and_nothing_else_passes_for_one() {
        let header = Header { payload_type: 101, marker: true, sequence: 0xABCD, timestamp: 0x0102_0304, ssrc: 7 };
        assert_eq!(Header::read(&header.write()), Some(header));
        for (case, bytes) in [
            ("short", &[0x80, 0, 0][..]),
            ("RTCP sender report", &[0x80, 200, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]),
            ("STUN", &[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0]),
        ] {
            assert_eq!(Header::read(bytes), None, "{case}");
        }
    }
}
