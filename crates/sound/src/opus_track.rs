//! Opus in Ogg files (RFC 7845): `symphonia` takes the file apart, libopus decodes what is in it.

use model::Clip;
use opus::{Channels, Decoder};
use symphonia::core::formats::FormatReader;

use crate::decode::{DecodeError, samples_max};

/// Decodes the packets of a track, whose identification header is `head`. What is damaged is skipped, and what breaks off
/// gives what it has.
pub(crate) fn decode(reader: &mut dyn FormatReader, track: u32, head: &[u8]) -> Result<Clip, DecodeError> {
    let malformed = |why: &str| DecodeError::Malformed { format: "Opus", why: why.to_owned() };
    let (Some(&[skip_low, skip_high]), Some(&[low, high, family])) =
        (head.get(SKIP_AT..SKIP_AT + 2), head.get(GAIN_AT..GAIN_AT + 3))
    else {
        return Err(malformed("a header that is too short"));
    };
    // More than two channels are several streams in one.
    if family != 0 {
        return Err(malformed("more than two channels"));
    }
    let refused = |error: opus::Error| malformed(&error.to_string());
    let mut decoder = Decoder::new(RATE_HZ, Channels::Mono).map_err(refused)?; // libopus makes one of two
    decoder.set_gain(i16::from_le_bytes([low, high]).into()).map_err(refused)?;
    let mut clip = Clip { rate_hz: RATE_HZ, samples: Vec::new() };
    let mut frame = vec![0; PACKET_SAMPLES_MAX];
    // What the decoder needs to settle. `symphonia` does not always tell, but it tells what the last page leaves out.
    let mut skip = usize::from(u16::from_le_bytes([skip_low, skip_high]));
    while let Ok(Some(packet)) = reader.next_packet() {
        // An empty packet would ask libopus for what is lost.
        if packet.track_id != track || packet.data.is_empty() {
            continue;
        }
        let Ok(len) = decoder.decode(&packet.data, &mut frame, false) else { continue };
        let end = len.saturating_sub(packet.trim_end.get() as usize);
        let start = skip.min(end);
        skip -= start;
        clip.samples.extend(&frame[start..end]);
        if clip.samples.len() > samples_max(RATE_HZ) {
            return Err(DecodeError::TooLong);
        }
    }
    Ok(clip)
}

/// Opus counts in these, whatever was coded (RFC 7845 §4).
const RATE_HZ: u32 = 48_000;
/// 120 ms, the longest packet.
const PACKET_SAMPLES_MAX: usize = 5_760;
/// Where the header says how many samples come first that are not to be heard.
const SKIP_AT: usize = 10;
/// Where the gain is in the header, and behind it the family of channels (RFC 7845 §5.1).
const GAIN_AT: usize = 16;

#[cfg(test)]
mod tests {
    use opus::{Application, Encoder};

    use super::*;
    use crate::decode::decode as decode_any;

    /// An Ogg page with these packets, each short enough for it (RFC 3533 §6).
    fn page(flags: u8, number: u32, position: u64, packets: &[Vec<u8>]) -> Vec<u8> {
        let segments: Vec<u8> = packets
            .iter()
            .flat_map(|packet| {
                let (whole, rest) = (packet.len() / 255, (packet.len() % 255) as u8);
                std::iter::repeat_n(255, whole).chain([rest])
            })
            .collect();
        let mut page = [&b"OggS\0"[..], &[flags], &position.to_le_bytes(), &7_u32.to_le_bytes()].concat();
        page.extend(number.to_le_bytes());
        page.extend([0; 4]);
        page.push(segments.len() as u8);
        page.extend(segments);
        page.extend(packets.concat());
        let crc = page.iter().fold(0_u32, |crc, byte| {
            let step = |crc: u32, _| if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
            (0..8).fold(crc ^ u32::from(*byte) << 24, step)
        });
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Half a second of a tone of 400 Hz, of so many channels, to be heard `gain` times 1/256 dB louder.
    fn file(channels: u8, family: u8, gain: i16) -> Vec<u8> {
        const SKIP: u16 = 312;
        let layout = if channels == 2 { Channels::Stereo } else { Channels::Mono };
        let mut encoder = Encoder::new(RATE_HZ, layout, Application::Audio).expect("an encoder");
        let sample = |n: usize| ((n as f64 / 120.0 * std::f64::consts::TAU).sin() * 8_000.0) as i16;
        let packets = (0..26).map(|packet| {
            let frame = (0..960).flat_map(|n| std::iter::repeat_n(sample(packet * 960 + n), channels.into()));
            encoder.encode_vec(&frame.collect::<Vec<_>>(), 1_200).expect("encoded")
        });
        let mut head = [&b"OpusHead\x01"[..], &[channels], &SKIP.to_le_bytes(), &RATE_HZ.to_le_bytes()].concat();
        head.extend(gain.to_le_bytes());
        head.push(family);
        if family != 0 {
            head.extend([1, u8::from(channels == 2), 0, 1].iter().take(2 + usize::from(channels)));
        }
        let tags = [&b"OpusTags"[..], &[0; 8]].concat();
        let packets: Vec<_> = packets.collect();
        let end = 24_000 + u64::from(SKIP);
        [page(2, 0, 0, &[head]), page(0, 1, 0, &[tags]), page(4, 2, end, &packets)].concat()
    }

    #[test]
    fn a_tone_is_as_long_and_as_loud_as_it_was() {
        let loudest = |clip: &Clip| clip.samples[4_800..19_200].iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
        for (case, channels, gain, want) in
            [("one channel", 1, 0, 8_000), ("two", 2, 0, 8_000), ("6 dB fainter", 1, -1_541, 4_000)]
        {
            let clip = decode_any(&file(channels, 0, gain)).unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!((clip.rate_hz, clip.samples.len()), (48_000, 24_000), "{case}");
            assert!(loudest(&clip).abs_diff(want) < want / 10, "{case}: {}", loudest(&clip));
        }
    }

    #[test]
    fn several_streams_in_one_are_refused() {
        let refused = decode_any(&file(2, 1, 0));
        assert!(matches!(refused, Err(DecodeError::Malformed { format: "Opus", .. })), "{refused:?}");
    }

    #[test]
    fn a_damaged_file_does_no_harm() {
        let whole = file(1, 0, 0);
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x5a;
            let _ = decode_any(&bytes);
            let _ = decode_any(&whole[..at]);
        }
    }
}
