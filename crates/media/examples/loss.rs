//! What a listener hears when packets are lost: for `tests/python/pesq_loss.py`, which judges it.
//!
//! `loss SPEECH OUT [pcmu|pcma|g722|l16|opus] [SEEDS]`: SPEECH is 16-bit PCM, mono, 8 kHz. Sent through codec and
//! [`Playout`] with 1, 3 and 5 % of the packets lost at random, it is written to `OUT/concealed-PERCENT-SEED.raw`; with
//! silence in the same gaps, to `OUT/silence-PERCENT-SEED.raw`; with nothing lost, to `OUT/clean.raw`.

use std::error::Error;
use std::path::Path;

use media::{Codec, Decoder, Encoder, Playout, PlayoutConfig, Pulled, resample, rtp};

const TICK_US: u64 = 20_000;
const RATE_HZ: u32 = 8_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [speech, out, more @ ..] = &arguments[..] else {
        return Err("usage: loss SPEECH OUT [CODEC] [SEEDS]".into());
    };
    let codec = match more.first().map_or("pcmu", |codec| codec) {
        "pcmu" => Codec::Pcmu,
        "pcma" => Codec::Pcma,
        "g722" => Codec::G722,
        "l16" => Codec::L16 { rate_hz: 16_000 },
        "opus" => Codec::Opus,
        other => return Err(format!("{other} is no codec").into()),
    };
    let seeds: u64 = more.get(1).map_or(Ok(10), |seeds| seeds.parse())?;
    let speech: Vec<i16> =
        std::fs::read(speech)?.as_chunks().0.iter().map(|&bytes| i16::from_le_bytes(bytes)).collect();
    let packets = encode(codec, &resample(&speech, RATE_HZ, codec.rate_hz())?)?;

    let out = Path::new(out);
    std::fs::create_dir_all(out)?;
    let write = |name: String, pcm: Vec<i16>| -> Result<(), Box<dyn Error>> {
        let bytes: Vec<u8> = resample(&pcm, codec.rate_hz(), RATE_HZ)?.iter().flat_map(|x| x.to_le_bytes()).collect();
        Ok(std::fs::write(out.join(name), bytes)?)
    };
    let clean = hear(codec, &packets, &vec![false; packets.len()])?;
    write("clean.raw".into(), clean)?;
    for percent in [1, 3, 5] {
        for seed in 0..seeds {
            let lost = losses(packets.len(), percent, seed);
            write(format!("concealed-{percent}-{seed}.raw"), hear(codec, &packets, &lost)?)?;
            write(format!("silence-{percent}-{seed}.raw"), hear_without_concealment(codec, &packets, &lost)?)?;
        }
    }
    Ok(())
}

fn encode(codec: Codec, pcm: &[i16]) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut encoder = Encoder::new(codec)?;
    let mut packets = vec![];
    for frame in pcm.chunks_exact(codec.frame_samples()) {
        let mut payload = vec![0; codec.payload_len_max(frame.len())];
        let len = encoder.encode(frame, &mut payload)?;
        payload.truncate(len);
        packets.push(payload);
    }
    Ok(packets)
}

/// Every packet is lost with the same probability, but for the first ones.
fn losses(packets: usize, percent: u64, seed: u64) -> Vec<bool> {
    let mut state = seed * 1_000 + percent;
    let mut random = || {
        // splitmix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    (0..packets).map(|i| random() % 100 < percent && i > 5).collect()
}

/// Each packet arrives 10 ms before its tick, or not at all.
fn hear(codec: Codec, packets: &[Vec<u8>], lost: &[bool]) -> Result<Vec<i16>, Box<dyn Error>> {
    let mut playout = Playout::new(codec, PlayoutConfig::default(), 1)?;
    let mut pcm = vec![];
    let mut frame = vec![0; codec.frame_samples()];
    for (i, (payload, lost)) in packets.iter().zip(lost).enumerate() {
        let timestamp = i as u32 * codec.clock_hz() / 50;
        let packet = rtp::Packet { payload_type: 96, marker: i == 0, sequence: i as u16, timestamp, ssrc: 1, payload };
        let tick_us = (i as u64 + 1) * TICK_US;
        if !lost {
            playout.push(&packet, tick_us - TICK_US / 2);
        }
        let pulled = playout.pull(tick_us, &mut frame);
        assert!(*lost || pulled == Pulled::Voice, "packet {i} is played at its tick");
        pcm.extend_from_slice(&frame);
    }
    Ok(pcm)
}

/// The same packets at the same ticks, with silence where one is lost.
fn hear_without_concealment(codec: Codec, packets: &[Vec<u8>], lost: &[bool]) -> Result<Vec<i16>, Box<dyn Error>> {
    let mut decoder = Decoder::new(codec)?;
    let mut pcm = vec![0; packets.len() * codec.frame_samples()];
    let frames = pcm.chunks_mut(codec.frame_samples()).zip(packets);
    for ((frame, payload), _) in frames.zip(lost).filter(|(_, lost)| !**lost) {
        decoder.decode(payload, frame)?;
    }
    Ok(pcm)
}
