//! What is decoded and played.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

use media::{Codec, Decoder, Encoder, JitterBuffer, PACKET_MS_MAX, Playout, PlayoutConfig, Pulled, rtp};

use crate::random::Random;
use crate::without_allocating;

pub(crate) fn decode_pcmu(random: &mut Random) -> u64 {
    decode(Codec::Pcmu, random)
}

pub(crate) fn decode_pcma(random: &mut Random) -> u64 {
    decode(Codec::Pcma, random)
}

pub(crate) fn decode_l16(random: &mut Random) -> u64 {
    decode(Codec::L16 { rate_hz: if random.one_in(2) { 8_000 } else { 16_000 } }, random)
}

pub(crate) fn decode_g722(random: &mut Random) -> u64 {
    decode(Codec::G722, random)
}

pub(crate) fn decode_opus(random: &mut Random) -> u64 {
    decode(Codec::Opus, random)
}

pub(crate) fn playout_pcmu(random: &mut Random) -> u64 {
    playout(Codec::Pcmu, random)
}

pub(crate) fn playout_pcma(random: &mut Random) -> u64 {
    playout(Codec::Pcma, random)
}

pub(crate) fn playout_l16(random: &mut Random) -> u64 {
    playout(Codec::L16 { rate_hz: if random.one_in(2) { 8_000 } else { 16_000 } }, random)
}

pub(crate) fn playout_g722(random: &mut Random) -> u64 {
    playout(Codec::G722, random)
}

pub(crate) fn playout_opus(random: &mut Random) -> u64 {
    playout(Codec::Opus, random)
}

/// Payloads that were really encoded: two seconds of words and pauses, in packets of 20 ms.
fn speech(codec: Codec) -> &'static [Vec<u8>] {
    static SPEECH: OnceLock<Vec<(Codec, Vec<Vec<u8>>)>> = OnceLock::new();
    let all = SPEECH.get_or_init(|| {
        let codecs = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];
        let linear = [8_000, 16_000].map(|rate_hz| Codec::L16 { rate_hz });
        codecs.into_iter().chain(linear).map(|codec| (codec, encode(codec))).collect()
    });
    all.iter().find(|(of, _)| *of == codec).map_or(&[], |(_, payloads)| payloads)
}

fn encode(codec: Codec) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec).expect("a known codec");
    let mut random = Random::new("speech", 0);
    let frames = (0..100).map(|frame: usize| {
        let samples = codec.frame_samples();
        let sample = |i: usize| {
            let t = (frame * samples + i) as f64 / f64::from(codec.rate_hz());
            let voice: f64 =
                (1..9).map(|k| (t * 140.0 * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k)).sum();
            (voice * if frame % 50 < 30 { 6_000.0 } else { 0.0 } + random.below(100) as f64 - 50.0) as i16
        };
        let pcm: Vec<i16> = (0..samples).map(sample).collect();
        let mut payload = vec![0; codec.payload_len_max(samples)];
        let len = encoder.encode(&pcm, &mut payload).expect("a frame");
        payload.truncate(len);
        payload
    });
    frames.collect()
}

const PAYLOAD_MAX: usize = 4_096;

/// A payload as it was encoded, or spoilt, or nothing like one; returns its length.
fn payload(codec: Codec, random: &mut Random, spoilt_in: usize, out: &mut [u8; PAYLOAD_MAX]) -> usize {
    let speech = speech(codec);
    let payload = &speech[random.below(speech.len())];
    out[..payload.len()].copy_from_slice(payload);
    let mut len = payload.len();
    if random.one_in(spoilt_in) {
        if random.one_in(4) {
            let len_max = if random.one_in(8) { PAYLOAD_MAX } else { 400 };
            len = random.below(len_max);
            random.fill(&mut out[..len]);
        } else {
            len = random.spoil(out, len);
        }
    }
    len
}

fn decode(codec: Codec, random: &mut Random) -> u64 {
    let mut decoder = Decoder::new(codec).expect("a known codec");
    let (mut bytes, mut pcm) = ([0; PAYLOAD_MAX], [0; 48 * PACKET_MS_MAX as usize]);
    let inputs = 16;
    for _ in 0..inputs {
        let len = payload(codec, random, 2, &mut bytes);
        let room = if random.one_in(4) { random.below(pcm.len()) } else { pcm.len() };
        let (bytes, pcm) = (&bytes[..len], &mut pcm[..room]);
        let lost = random.one_in(8);
        without_allocating(|| {
            let samples = codec.samples_in(bytes).ok();
            if lost {
                let step = (codec.rate_hz() / 400) as usize;
                let missing = codec.frame_samples().min(room / step * step);
                let _ = decoder.recover(Some(bytes), &mut pcm[..missing]);
            }
            match decoder.decode(bytes, pcm) {
                Ok(decoded) => assert!(decoded <= room && samples.is_none_or(|samples| samples == decoded)),
                Err(_) => assert!(codec == Codec::Opus || samples.is_none_or(|samples| samples > room)),
            }
        });
    }
    inputs
}

/// A sender with everything that can be wrong with one, and the network after it.
struct Sender {
    codec: Codec,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    /// When the next packet is sent, and how late packets are at the moment.
    at_us: u64,
    late_us: u64,
    ptime_us: u64,
}

impl Sender {
    fn new(codec: Codec, random: &mut Random) -> Sender {
        let (sequence, timestamp) = (random.next() as u16, random.next() as u32);
        Sender { codec, sequence, timestamp, ssrc: 1, at_us: 1_000_000, late_us: 0, ptime_us: 20_000 }
    }

    /// Goes on to the next packet, or to one that follows in some stranger way.
    fn step(&mut self, random: &mut Random) {
        let ticks = |us: u64| (us * u64::from(self.codec.clock_hz()) / 1_000_000) as u32;
        let (mut packets, mut passed_us) = (1, self.ptime_us);
        match random.below(100) {
            0..8 => packets = random.below(20) as u64,           // lost, or again the same
            8..12 => passed_us = random.below(3_000_000) as u64, // a pause
            12..14 => self.timestamp = random.next() as u32,
            14..16 => self.sequence = random.next() as u16,
            16 => self.ssrc = random.below(4) as u32,
            17..22 => self.late_us = random.below(400_000) as u64,
            22..26 => self.late_us = 0,
            26 => self.ptime_us = [2_500, 10_000, 20_000, 30_000, 60_000, 19_000][random.below(6)],
            27..29 => self.sequence = self.sequence.wrapping_sub(random.below(8) as u16),
            29 => self.timestamp = self.timestamp.wrapping_add(random.below(4_000) as u32),
            _ => {}
        }
        self.sequence = self.sequence.wrapping_add(packets as u16);
        self.timestamp = self.timestamp.wrapping_add(ticks(passed_us * packets.max(1)));
        self.at_us += passed_us * packets;
    }
}

/// Some seconds of a stream.
fn playout(codec: Codec, random: &mut Random) -> u64 {
    let inputs = 64;
    let twice = random.one_in(16);
    let seed = random.next();
    let once = stream(codec, &mut Random::new("stream", seed), inputs);
    if twice {
        assert_eq!(stream(codec, &mut Random::new("stream", seed), inputs), once, "another sound the second time");
    }
    inputs
}

/// Plays a stream of so many packets; returns a hash of its sound.
fn stream(codec: Codec, random: &mut Random, packets: u64) -> u64 {
    let jitter_buffer = |random: &mut Random| {
        [JitterBuffer::Off, JitterBuffer::Small, JitterBuffer::Medium, JitterBuffer::Large][random.below(4)]
    };
    let config = PlayoutConfig {
        comfort_noise_payload_type: Some(13),
        jitter_buffer: jitter_buffer(random),
        data_mode: random.one_in(8),
    };
    let mut playout = Playout::new(codec, config, random.next()).expect("a known codec");
    let mut sender = Sender::new(codec, random);
    let spoilt_in = [3, 30, 1_000][random.below(3)];
    let (mut bytes, mut frame) = ([0; PAYLOAD_MAX], [0; 960]);
    let frame = &mut frame[..codec.frame_samples()];
    let (mut now_us, mut hash, mut pulls) = (sender.at_us, DefaultHasher::new(), 0);
    for _ in 0..packets {
        sender.step(random);
        let comfort_noise = random.one_in(20);
        let len = if comfort_noise {
            let len = random.below(16);
            random.fill(&mut bytes[..len]);
            len
        } else {
            payload(codec, random, spoilt_in, &mut bytes)
        };
        let Sender { sequence, timestamp, ssrc, .. } = sender;
        let payload_type = if comfort_noise { 13 } else { 0 };
        let packet = rtp::Packet { payload_type, marker: false, sequence, timestamp, ssrc, payload: &bytes[..len] };
        let arrival_us = sender.at_us + sender.late_us;
        // no further than the pauses that matter
        now_us = now_us.max(arrival_us.saturating_sub(700_000));
        let (aside, change) = (random.one_in(50), random.one_in(200));
        without_allocating(|| {
            while now_us < arrival_us {
                let pulled = playout.pull(now_us, frame);
                pulls += 1;
                (pulled as u8, &*frame).hash(&mut hash);
                assert!(pulled != Pulled::Silence || frame.iter().all(|&sample| sample == 0), "silence is silent");
                now_us += 20_000;
            }
            if aside {
                playout.pass(&packet);
            } else {
                playout.push(&packet, arrival_us);
            }
        });
        if change {
            playout.set_jitter_buffer(jitter_buffer(random));
            playout.set_data_mode(random.one_in(4));
        }
        let stats = playout.stats();
        assert_eq!(stats.played_samples, pulls * frame.len() as u64);
        assert_eq!(stats.voice_frames + stats.concealed_frames + stats.noise_frames + stats.silent_frames, pulls);
        assert!((0..1_000_000).contains(&stats.buffer_us), "{stats:?}");
        assert!(stats.jitter_us <= 500_000, "{stats:?}");
    }
    hash.finish()
}
