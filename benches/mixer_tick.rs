//! What one tick of mixing costs, beside what mixing each listener from scratch would.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use media::mixer;
use media::vector::{self, Instructions};

/// One frame at 8 kHz.
const FRAME: usize = 160;

/// A room of legs that all speak: sum once, subtract each listener. The baseline sums anew for each.
fn rooms(c: &mut Criterion) {
    let mut group = c.benchmark_group("mixer_tick");
    for legs in [3, 10, 50, 250] {
        let voices: Vec<[i16; FRAME]> =
            (0..legs).map(|leg| std::array::from_fn(|i| (i * 97 + leg * 1_031) as i16)).collect();
        let mut out = vec![[0_i16; FRAME]; legs];
        group.throughput(Throughput::Elements(legs as u64));
        group.bench_function(BenchmarkId::new("mix_minus", legs), |bench| {
            bench.iter(|| {
                let mut total = [0_i32; FRAME];
                for voice in &voices {
                    mixer::add(&mut total, black_box(voice));
                }
                for (voice, out) in voices.iter().zip(&mut out) {
                    mixer::mix_minus(&total, voice, out);
                }
                black_box(&mut out);
            });
        });
        if legs > 50 {
            continue; // the baseline is quadratic: 250 legs take a millisecond
        }
        group.bench_function(BenchmarkId::new("baseline_each_anew", legs), |bench| {
            bench.iter(|| {
                for (listener, out) in out.iter_mut().enumerate() {
                    let mut total = [0_i32; FRAME];
                    for (_, voice) in voices.iter().enumerate().filter(|(talker, _)| *talker != listener) {
                        mixer::add(&mut total, black_box(voice));
                    }
                    mixer::saturate(&total, out);
                }
                black_box(&mut out);
            });
        });
    }
    group.finish();
}

/// The loops of one leg's tick, with each set of instructions there is.
fn loops(c: &mut Criterion) {
    let voice: [i16; FRAME] = std::array::from_fn(|i| (i * 97) as i16);
    let (mut sum, mut out) = ([0_i32; FRAME], [0_i16; FRAME]);
    for instructions in Instructions::ALL.into_iter().filter(|&set| set <= Instructions::available()) {
        vector::use_at_most(instructions);
        let mut group = c.benchmark_group(format!("loops/{instructions:?}"));
        group.bench_function("add and mix_minus", |bench| {
            bench.iter(|| {
                sum.fill(0);
                mixer::add(&mut sum, black_box(&voice));
                mixer::mix_minus(&sum, black_box(&voice), &mut out)
            });
        });
        group.bench_function("level", |bench| bench.iter(|| mixer::level(black_box(&voice))));
        group.bench_function("duck", |bench| {
            bench.iter(|| mixer::apply_gain(black_box(&mut out), mixer::Gain::Ducked, mixer::Gain::Ducked));
        });
        group.finish();
    }
    vector::use_at_most(Instructions::Avx512);
}

/// One fade, as each change of who hears whom costs once.
fn fades(c: &mut Criterion) {
    let mut group = c.benchmark_group("fade");
    let (mut frame, mut leaving) = ([1_000_i16; FRAME], [0_i16; FRAME]);
    group.bench_function("split_fade", |bench| {
        bench.iter(|| mixer::split_fade(black_box(&mut frame), black_box(&mut leaving)));
    });
    group.finish();
}

criterion_group!(benches, rooms, loops, fades);
criterion_main!(benches);
