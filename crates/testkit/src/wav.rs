//! WAV files as other programs write and read them: what a softphone recorded, what the bridge shall play.

/// Mono 16-bit PCM at 8 kHz, in a WAV file.
pub fn write(pcm: &[i16]) -> Vec<u8> {
    write_at(pcm, crate::tone::RATE_HZ, 1)
}

/// 16-bit PCM at any rate in a WAV file, the same in every channel.
pub fn write_at(pcm: &[i16], rate_hz: u32, channels: u16) -> Vec<u8> {
    let frame_length = 2 * channels;
    let data_length = pcm.len() as u32 * u32::from(frame_length);
    let mut file = Vec::with_capacity(44 + data_length as usize);
    file.extend(b"RIFF");
    file.extend((36 + data_length).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend(1u16.to_le_bytes()); // linear PCM
    file.extend(channels.to_le_bytes());
    file.extend(rate_hz.to_le_bytes());
    file.extend((rate_hz * u32::from(frame_length)).to_le_bytes());
    file.extend(frame_length.to_le_bytes());
    file.extend(16u16.to_le_bytes());
    file.extend(b"data");
    file.extend(data_length.to_le_bytes());
    let frame = |sample: &i16| sample.to_le_bytes().repeat(channels.into());
    file.extend(pcm.iter().flat_map(frame));
    file
}

/// The rate and the first channel of a 16-bit file.
///
/// Read to where the bytes end, whatever the header claims: a recorder that was stopped leaves a header that
/// still says 0.
pub fn read(file: &[u8]) -> Option<(u32, Vec<i16>)> {
    let (mut rate_hz, mut channels) = (0, 1);
    let mut at = 12;
    while let Some(header) = file.get(at..at + 8) {
        let claimed = u32::from_le_bytes(header[4..].try_into().expect("four bytes")) as usize;
        let body = &file[at + 8..];
        match &header[..4] {
            b"fmt " => {
                let format = body.get(..16)?;
                if format[..2] != [1, 0] || format[14] != 16 {
                    return None;
                }
                channels = usize::from(format[2]).max(1);
                rate_hz = u32::from_le_bytes(format[4..8].try_into().expect("four bytes"));
            }
            b"data" => {
                let length = if claimed == 0 { body.len() } else { claimed.min(body.len()) };
                let samples = body[..length].chunks_exact(2 * channels).map(|two| i16::from_le_bytes([two[0], two[1]]));
                return Some((rate_hz, samples.collect()));
            }
            _ => {}
        }
        at += 8 + claimed.next_multiple_of(2);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let pcm = [0, 1, -1, i16::MAX, i16::MIN];
        assert_eq!(read(&write_at(&pcm, 16_000, 1)), Some((16_000, pcm.to_vec())));
        assert_eq!(read(&write_at(&pcm, 48_000, 2)), Some((48_000, pcm.to_vec())), "of two channels the first");
        assert_eq!(read(b"RIFF....WAVEjunk"), None);
    }

    #[test]
    fn a_recording_cut_short_is_read_as_far_as_it_goes() {
        let mut file = write(&[1, 2, 3]);
        file[40..44].fill(0);
        assert_eq!(read(&file), Some((8_000, vec![1, 2, 3])));
    }
}
