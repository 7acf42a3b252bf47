//! The RTP header (RFC 3550 §5.1): parsed in place, written in front of a payload.

/// The fixed header, all we ever send.
pub const HEADER_LEN: usize = 12;
const VERSION: u8 = 2;

/// One received packet, borrowed from the datagram it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What is in the payload, as agreed in SDP: 0 to 127.
    pub payload_type: u8,
    /// For audio: the first packet after silence.
    pub marker: bool,
    /// One more with every packet.
    pub sequence: u16,
    /// When the first sample was taken, in units of the payload's clock.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
    /// What is left after header, contributing sources, extension and padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Parses one datagram. Contributing sources and header extensions are skipped, padding is removed.
    pub fn parse(datagram: &'a [u8]) -> Result<Packet<'a>, PacketError> {
        let Some((header, mut rest)) = datagram.split_first_chunk::<HEADER_LEN>() else {
            return Err(PacketError::Truncated { len: datagram.len() });
        };
        let version = header[0] >> 6;
        if version != VERSION {
            return Err(PacketError::Version { version });
        }
        let sources_len = usize::from(header[0] & 0x0F) * 4;
        rest = rest.get(sources_len..).ok_or(PacketError::Sources { needed: sources_len, len: rest.len() })?;
        if header[0] & EXTENSION != 0 {
            rest = skip_extension(rest)?;
        }
        if header[0] & PADDING != 0 {
            let padding = rest.last().copied().unwrap_or(0);
            match rest.len().checked_sub(padding.into()) {
                Some(len) if padding > 0 => rest = &rest[..len],
                _ => return Err(PacketError::Padding { padding, len: rest.len() }),
            }
        }
        Ok(Packet {
            payload_type: header[1] & 0x7F,
            marker: header[1] & MARKER != 0,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            payload: rest,
        })
    }

    /// The header of this packet, to be sent in front of its payload.
    pub fn header(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[0] = VERSION << 6;
        header[1] = self.payload_type & 0x7F | if self.marker { MARKER } else { 0 };
        header[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        header[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        header
    }

    /// Writes the whole packet into the front of `datagram` and returns its length.
    pub fn write(&self, datagram: &mut [u8]) -> Result<usize, PacketError> {
        let len = HEADER_LEN + self.payload.len();
        let Some(out) = datagram.get_mut(..len) else {
            return Err(PacketError::Truncated { len: datagram.len() });
        };
        out[..HEADER_LEN].copy_from_slice(&self.header());
        out[HEADER_LEN..].copy_from_slice(self.payload);
        Ok(len)
    }
}

const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const MARKER: u8 = 0x80;

/// RFC 3550 §5.3.1: 16 bits of the profile's own, the length in 32-bit words, that many words.
fn skip_extension(rest: &[u8]) -> Result<&[u8], PacketError> {
    let error = PacketError::Extension { len: rest.len() };
    let Some((&[_, _, high, low], rest)) = rest.split_first_chunk::<4>() else {
        return Err(error);
    };
    rest.get(usize::from(u16::from_be_bytes([high, low])) * 4..).ok_or(error)
}

/// Why a datagram is not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Shorter than the fixed header, or a buffer too small to write to.
    #[error("{len} bytes is too short for the RTP packet")]
    Truncated {
        /// Bytes there are.
        len: usize,
    },
    /// Not version 2: often STUN, ZRTP or T.38.
    #[error("version {version}, expected {VERSION}")]
    Version {
        /// The version found.
        version: u8,
    },
    /// The list of contributing sources runs past the end.
    #[error("{needed} bytes of contributing sources, {len} left")]
    Sources {
        /// Bytes the header announces.
        needed: usize,
        /// Bytes after the header.
        len: usize,
    },
    /// The header extension runs past the end.
    #[error("the header extension does not end within {len} bytes")]
    Extension {
        /// Bytes from its start.
        len: usize,
    },
    /// Zero bytes of padding, or more than there is payload.
    #[error("{padding} bytes of padding, {len} of payload")]
    Padding {
        /// The count in the last byte.
        padding: u8,
        /// Bytes of payload with padding.
        len: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: [u8; 14] = [0x80, 0x88, 0x12, 0x34, 0, 0, 0x03, 0x20, 0xCA, 0xFE, 0xBA, 0xBE, 0xD5, 0x55];

    /// [`PLAIN`] with the bits of `flags` set and `inserted` between header and payload, `appended` after it.
    fn packet(flags: u8, inserted: &[u8], appended: &[u8]) -> Vec<u8> {
        let mut bytes = [&PLAIN[..12], inserted, &PLAIN[12..], appended].concat();
        bytes[0] |= flags;
        bytes
    }

    #[test]
    fn the_payload_is_found_whatever_surrounds_it() {
        for (case, bytes) in [
            ("plain", PLAIN.to_vec()),
            ("two contributing sources", packet(2, &[9; 8], &[])),
            ("an empty extension", packet(EXTENSION, &[0xBE, 0xDE, 0, 0], &[])),
            ("an extension of one word", packet(EXTENSION, &[0xBE, 0xDE, 0, 1, 1, 2, 3, 4], &[])),
            ("padding", packet(PADDING, &[], &[0, 0, 3])),
            ("all of it", packet(PADDING | EXTENSION | 1, &[7, 7, 7, 7, 0xBE, 0xDE, 0, 1, 1, 2, 3, 4], &[1])),
        ] {
            let packet = Packet::parse(&bytes).expect(case);
            assert_eq!(packet.payload, [0xD5, 0x55], "{case}");
            assert_eq!((packet.payload_type, packet.marker, packet.sequence), (8, true, 0x1234), "{case}");
            assert_eq!((packet.timestamp, packet.ssrc), (800, 0xCAFE_BABE), "{case}");
        }
    }

    #[test]
    fn what_is_malformed_is_named() {
        for (case, bytes, want) in [
            ("empty", vec![], PacketError::Truncated { len: 0 }),
            ("cut in the header", PLAIN[..11].to_vec(), PacketError::Truncated { len: 11 }),
            ("version 1", [&[0x40], &PLAIN[1..]].concat(), PacketError::Version { version: 1 }),
            ("sources past the end", packet(3, &[], &[]), PacketError::Sources { needed: 12, len: 2 }),
            ("half an extension header", packet(EXTENSION, &[], &[]), PacketError::Extension { len: 2 }),
            ("extension past the end", packet(EXTENSION, &[0, 0, 0, 2], &[]), PacketError::Extension { len: 6 }),
            ("no padding though announced", packet(PADDING, &[], &[0]), PacketError::Padding { padding: 0, len: 3 }),
            ("more padding than payload", packet(PADDING, &[], &[4]), PacketError::Padding { padding: 4, len: 3 }),
            (
                "padding of nothing",
                packet(PADDING, &[], &[])[..12].to_vec(),
                PacketError::Padding { padding: 0, len: 0 },
            ),
        ] {
            assert_eq!(Packet::parse(&bytes), Err(want), "{case}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_packet_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Packet::parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read_back(
            payload_type in 0u8..128, marker: bool, sequence: u16, timestamp: u32, ssrc: u32, payload: Vec<u8>,
        ) {
            let packet = Packet { payload_type, marker, sequence, timestamp, ssrc, payload: &payload };
            let mut datagram = vec![0; HEADER_LEN + payload.len()];
            prop_assert_eq!(packet.write(&mut datagram), Ok(datagram.len()));
            prop_assert_eq!(Packet::parse(&datagram), Ok(packet));
        }
    }
}
