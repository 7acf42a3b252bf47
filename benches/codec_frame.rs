//! What one frame of 20 ms costs: each codec both ways, a playout tick, a change of rate, a look for digits.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use media::inband::Detector;
use media::vector::{self, Instructions};
use media::{Codec, Decoder, Encoder, Playout, PlayoutConfig, Resampler, rtp};

const CODECS: [(&str, Codec); 5] = [
    ("pcmu", Codec::Pcmu),
    ("pcma", Codec::Pcma),
    ("l16", Codec::L16 { rate_hz: 16_000 }),
    ("g722", Codec::G722),
    ("opus", Codec::Opus),
];

/// Something like a voice: 140 Hz with harmonics.
fn voice(rate_hz: u32, samples: usize) -> Vec<i16> {
    let sample = |i: usize| {
        let turns = i as f64 / f64::from(rate_hz) * 140.0 * std::f64::consts::TAU;
        ((1..12).map(|k| (turns * f64::from(k)).sin() / f64::from(k)).sum::<f64>() * 6_000.0) as i16
    };
    (0..samples).map(sample).collect()
}

fn codecs(c: &mut Criterion) {
    for (name, codec) in CODECS {
        let pcm = voice(codec.rate_hz(), codec.frame_samples());
        let mut encoder = Encoder::new(codec).expect("a known codec");
        let mut payload = vec![0; codec.payload_len_max(pcm.len())];
        c.bench_function(&format!("encode/{name}"), |b| b.iter(|| encoder.encode(black_box(&pcm), &mut payload)));
        let len = encoder.encode(&pcm, &mut payload).expect("a frame");
        let mut decoder = Decoder::new(codec).expect("a known codec");
        let mut out = vec![0; pcm.len()];
        c.bench_function(&format!("decode/{name}"), |b| {
            b.iter(|| decoder.decode(black_box(&payload[..len]), &mut out))
        });
    }
}

/// What G.711 gains by larger vectors.
fn g711(c: &mut Criterion) {
    let pcm = voice(8_000, 160);
    for instructions in Instructions::ALL.into_iter().filter(|&set| set <= Instructions::available()) {
        vector::use_at_most(instructions);
        for (name, codec) in &CODECS[..2] {
            let (mut payload, mut out) = ([0; 160], [0; 160]);
            let mut encoder = Encoder::new(*codec).expect("a known codec");
            let mut decoder = Decoder::new(*codec).expect("a known codec");
            c.bench_function(&format!("encode/{name}/{instructions:?}"), |b| {
                b.iter(|| encoder.encode(black_box(&pcm), &mut payload))
            });
            c.bench_function(&format!("decode/{name}/{instructions:?}"), |b| {
                b.iter(|| decoder.decode(black_box(&payload), &mut out))
            });
        }
    }
    vector::use_at_most(Instructions::Avx512);
}

fn playout(c: &mut Criterion) {
    for (name, lost_every) in [("quiet", u64::MAX), ("5 % lost", 20)] {
        let mut playout = Playout::new(Codec::Pcmu, PlayoutConfig::default(), 1).expect("a known codec");
        let mut payload = [0; 160];
        Encoder::new(Codec::Pcmu).and_then(|mut pcmu| pcmu.encode(&voice(8_000, 160), &mut payload)).expect("a frame");
        let mut frame = [0; 160];
        let mut i = 0;
        c.bench_function(&format!("playout/pcmu, {name}"), |b| {
            b.iter(|| {
                let (sequence, timestamp) = (i as u16, i as u32 * 160);
                let packet =
                    rtp::Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc: 1, payload: &payload };
                if i % lost_every != 7 {
                    playout.push(&packet, i * 20_000 + 10_000);
                }
                i += 1;
                playout.pull(i * 20_000, &mut frame)
            })
        });
    }
}

fn resampling(c: &mut Criterion) {
    for (from_hz, to_hz) in [(8_000, 16_000), (16_000, 8_000), (8_000, 48_000), (48_000, 8_000), (48_000, 16_000)] {
        let mut resampler = Resampler::new(from_hz, to_hz).expect("a bus rate");
        let pcm = voice(from_hz, from_hz as usize / 50);
        let mut out = vec![0; to_hz as usize / 50];
        c.bench_function(&format!("resample/{from_hz} to {to_hz}"), |b| {
            b.iter(|| resampler.process(black_box(&pcm), &mut out))
        });
    }
}

fn digits(c: &mut Criterion) {
    for rate_hz in [8_000, 16_000, 48_000] {
        let pcm = voice(rate_hz, rate_hz as usize / 50);
        let silence = vec![0; pcm.len()];
        let mut detector = Detector::new(rate_hz);
        c.bench_function(&format!("digits/voice at {rate_hz}"), |b| b.iter(|| detector.push(black_box(&pcm))));
        c.bench_function(&format!("digits/silence at {rate_hz}"), |b| b.iter(|| detector.push(black_box(&silence))));
    }
}

criterion_group!(benches, codecs, g711, playout, resampling, digits);
criterion_main!(benches);
