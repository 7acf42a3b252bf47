//! L16: 16-bit samples in network byte order (RFC 3551 §4.5.11).

/// Encodes `pcm[i]` into `out[2 * i..][..2]`; the shorter slice decides.
pub(super) fn encode(pcm: &[i16], out: &mut [u8]) {
    for (bytes, sample) in out.as_chunks_mut().0.iter_mut().zip(pcm) {
        *bytes = sample.to_be_bytes();
    }
}

/// Decodes `payload[2 * i..][..2]` into `out[i]`; the shorter slice decides.
pub(super) fn decode(payload: &[u8], out: &mut [i16]) {
    for (sample, &bytes) in out.iter_mut().zip(payload.as_chunks().0) {
        *sample = i16::from_be_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_byte_comes_first() {
        let mut bytes = [0; 6];
        encode(&[0x1234, -2, i16::MIN], &mut bytes);
        assert_eq!(bytes, [0x12, 0x34, 0xFF, 0xFE, 0x80, 0x00]);
        let mut pcm = [0; 3];
        decode(&bytes, &mut pcm);
        assert_eq!(pcm, [0x1234, -2, i16::MIN]);
    }
}
