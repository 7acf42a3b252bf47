//! One stream over a bad network, in virtual time: what comes out of [`Playout`] tick by tick.

use std::f64::consts::TAU;

use media::{Codec, Encoder, JitterBuffer, Playout, PlayoutConfig, PlayoutStats, Pulled, Pushed, rtp};

const TICK_US: u64 = 20_000;
/// Packets are sent this long after a tick.
const PHASE_US: u64 = 7_000;

/// A packet on its way.
#[derive(Debug, Clone)]
struct Sent {
    arrival_us: u64,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: Vec<u8>,
}

impl Sent {
    fn packet(&self) -> rtp::Packet<'_> {
        let &Sent { payload_type, sequence, timestamp, ssrc, ref payload, .. } = self;
        rtp::Packet { payload_type, marker: false, sequence, timestamp, ssrc, payload }
    }
}

/// Sequence number of the first packet: wraps soon. The timestamp does, too.
const FIRST_SEQUENCE: u16 = 65_500;

/// What a sender makes of `pcm`: a packet every `ptime_ms` from [`PHASE_US`] on, all of them at once on their way.
fn send(codec: Codec, pcm: &[i16], ptime_ms: usize) -> Vec<Sent> {
    let mut encoder = Encoder::new(codec).expect("a known codec");
    let samples = ptime_ms * codec.rate_hz() as usize / 1000;
    let encode = |(i, frame): (usize, &[i16])| {
        let mut payload = vec![0; codec.payload_len_max(samples)];
        let len = encoder.encode(frame, &mut payload).expect("a frame");
        payload.truncate(len);
        Sent {
            arrival_us: PHASE_US + (i * ptime_ms) as u64 * 1000,
            payload_type: 0,
            sequence: (i as u16).wrapping_add(FIRST_SEQUENCE),
            timestamp: (i as u32).wrapping_mul(ptime_ms as u32 * codec.clock_hz() / 1000).wrapping_sub(10_000),
            ssrc: 1,
            payload,
        }
    };
    pcm.chunks_exact(samples).enumerate().map(encode).collect()
}

/// What is heard, and how.
struct Heard {
    pcm: Vec<i16>,
    frames: Vec<Pulled>,
    stats: PlayoutStats,
}

/// Lets `packets` arrive when they do, and pulls a frame every 20 ms until all have arrived.
fn hear(codec: Codec, packets: Vec<Sent>) -> Heard {
    hear_with(codec, PlayoutConfig::default(), packets)
}

fn hear_with(codec: Codec, config: PlayoutConfig, mut packets: Vec<Sent>) -> Heard {
    packets.sort_by_key(|sent| sent.arrival_us);
    let mut playout = Playout::new(codec, config, 1).expect("a known codec");
    let (mut pcm, mut frames) = (vec![], vec![]);
    let mut frame = vec![0; codec.frame_samples()];
    let end_us = packets.last().map_or(0, |sent| sent.arrival_us) + TICK_US;
    let mut arriving = packets.iter().peekable();
    for now_us in (0..=end_us).step_by(TICK_US as usize) {
        while let Some(sent) = arriving.next_if(|sent| sent.arrival_us <= now_us) {
            playout.push(&sent.packet(), sent.arrival_us);
        }
        frames.push(playout.pull(now_us, &mut frame));
        pcm.extend_from_slice(&frame);
    }
    Heard { pcm, frames, stats: playout.stats() }
}

impl Heard {
    fn count(&self, what: Pulled) -> usize {
        self.frames.iter().filter(|&&pulled| pulled == what).count()
    }

    /// The frame in which the first sound is.
    fn start(&self) -> usize {
        self.frames.iter().position(|&pulled| pulled == Pulled::Voice).expect("something is heard")
    }
}

/// A tone whose period divides no packet.
fn tone(codec: Codec, seconds: usize) -> Vec<i16> {
    let rate_hz = codec.rate_hz() as usize;
    (0..seconds * rate_hz).map(|i| (8_000.0 * (i as f64 / rate_hz as f64 * 437.0 * TAU).sin()) as i16).collect()
}

/// At 8 kHz; no piece resembles another.
fn noise(seconds: usize) -> Vec<i16> {
    let mut random = Random(7);
    (0..seconds * 8_000).map(|_| (random.next() % 16_000) as i16 - 8_000).collect()
}

struct Random(u64);

impl Random {
    /// splitmix64
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// The payloads decoded one after another: what a perfect network delivers.
fn perfect(codec: Codec, packets: &[Sent]) -> Vec<i16> {
    let mut decoder = media::Decoder::new(codec).expect("a known codec");
    let decode = |sent: &Sent| {
        let mut frame = vec![0; codec.samples_in(&sent.payload).expect("our own")];
        decoder.decode(&sent.payload, &mut frame).expect("our own");
        frame
    };
    packets.iter().flat_map(decode).collect()
}

const CODECS: [Codec; 6] =
    [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::L16 { rate_hz: 8_000 }, Codec::L16 { rate_hz: 16_000 }];

#[test]
fn a_quiet_network_is_played_at_the_first_tick_and_sample_for_sample() {
    for codec in CODECS {
        let packets = send(codec, &tone(codec, 10), 20);
        let want = perfect(codec, &packets);
        let heard = hear(codec, packets);
        let frame = codec.frame_samples();
        assert_eq!(heard.frames[0], Pulled::Silence, "{codec:?}");
        assert!(heard.frames[1..=500].iter().all(|&pulled| pulled == Pulled::Voice), "{codec:?}");
        assert!(heard.pcm[frame..frame + want.len()] == want, "{codec:?}");
    }
}

#[test]
fn every_phase_and_packet_time_passes_sample_for_sample() {
    for ptime_ms in [10, 20, 30, 40, 60] {
        for phase_us in (0..20_000).step_by(1_000) {
            let mut packets = send(Codec::Pcmu, &noise(6), ptime_ms);
            for sent in &mut packets {
                sent.arrival_us += phase_us;
            }
            let want = perfect(Codec::Pcmu, &packets);
            let heard = hear(Codec::Pcmu, packets);
            let case = format!("{ptime_ms} ms, {phase_us} µs: {:?}", heard.stats);
            // at the first tick or, if the packets after it might be late, at the second
            let arrived = (PHASE_US + phase_us).div_ceil(TICK_US) as usize;
            assert!(
                heard.start() - arrived <= 1,
                "starts {} ticks after the first packet, {case}",
                heard.start() - arrived
            );
            let len = want.len() - 60 * 8;
            assert!(heard.pcm[heard.start() * 160..][..len] == want[..len], "{case}");
        }
    }
}

#[test]
fn reordered_and_repeated_packets_are_put_right() {
    let mut packets = send(Codec::Pcmu, &noise(10), 10);
    let want = perfect(Codec::Pcmu, &packets);
    for pair in packets.chunks_exact_mut(2).skip(2).step_by(3) {
        let [early, late] = [pair[0].arrival_us, pair[1].arrival_us];
        pair[0].arrival_us = late;
        pair[1].arrival_us = early;
    }
    let copy = |sent: &Sent| Sent { arrival_us: sent.arrival_us + 35_000, ..sent.clone() };
    let copies: Vec<Sent> = packets.iter().step_by(7).map(copy).collect();
    let copied = copies.len() as u64;
    packets.extend(copies);
    let heard = hear(Codec::Pcmu, packets);
    assert_eq!((heard.stats.duplicate, heard.stats.late), (copied, 0), "{:?}", heard.stats);
    assert_eq!(heard.count(Pulled::Concealed), 0, "{:?}", heard.stats);
    assert!(heard.pcm[heard.start() * 160..][..70_000] == want[..70_000]);
}

/// Loudness of each 5 ms, in dB of full scale.
fn loudness_dbfs(pcm: &[i16], rate_hz: u32) -> Vec<f64> {
    let energy = |sample: &i16| f64::from(*sample).powi(2);
    pcm.chunks_exact(rate_hz as usize / 200)
        .map(|piece| 10.0 * (piece.iter().map(energy).sum::<f64>() / piece.len() as f64 / 1.07e9 + 1e-12).log10())
        .collect()
}

#[test]
fn a_lost_packet_is_bridged_and_a_long_gap_fades_to_silence() {
    for codec in CODECS {
        let mut packets = send(codec, &tone(codec, 4), 20);
        let lost = |i: u16| i == 50 || (100..102).contains(&i) || (150..158).contains(&i);
        packets.retain(|sent| !lost(sent.sequence.wrapping_sub(FIRST_SEQUENCE)));
        let heard = hear(codec, packets);
        let loudness = loudness_dbfs(&heard.pcm, codec.rate_hz());
        let at = |packet: usize| &loudness[(packet + 1) * 4..(packet + 2) * 4];
        assert_eq!(heard.frames[51], Pulled::Concealed, "{codec:?}");
        if codec != Codec::Opus {
            // libopus takes a tone for noise and is more careful
            assert!(at(50).iter().all(|&level| level > -20.0), "{codec:?}: one packet: {:?}", at(50));
            assert!(at(101)[0] > -26.0, "{codec:?}: two packets: {:?}", at(101));
            assert!(at(154).iter().all(|&level| level < -90.0), "{codec:?}: eight packets: {:?}", at(154));
        }
        assert!(at(160).iter().all(|&level| level > -17.0), "{codec:?}: back again: {:?}", at(160));
        assert_eq!(heard.stats.late, 0, "{codec:?}");
    }
}

#[test]
fn every_codec_lives_through_loss_at_any_rate() {
    for codec in CODECS {
        for percent in [1, 5, 30, 90] {
            let mut random = Random(percent);
            let mut packets = send(codec, &tone(codec, 10), 20);
            packets.retain(|_| random.next() % 100 >= percent);
            let kept = packets.len();
            let heard = hear(codec, packets);
            let case = format!("{codec:?}, {percent} %: {:?}", heard.stats);
            assert_eq!(heard.stats.queued as usize, kept, "{case}");
            assert!(heard.count(Pulled::Voice) <= kept + 1 && heard.count(Pulled::Concealed) > 0, "{case}");
        }
    }
}

#[test]
fn jitter_is_waited_for_and_the_delay_falls_when_it_ends() {
    for seed in 0..5 {
        let mut random = Random(seed);
        let mut packets = send(Codec::Pcmu, &tone(Codec::Pcmu, 60), 20);
        for sent in &mut packets[..1500] {
            sent.arrival_us += random.next() % 30_000;
        }
        let heard = hear(Codec::Pcmu, packets);
        let case = format!("seed {seed}: {:?}", heard.stats);
        let disturbed = heard.frames[50..1500].iter().filter(|&&pulled| pulled != Pulled::Voice).count();
        assert!(disturbed <= 8, "{disturbed} frames in 29 s, {case}");
        assert!(heard.frames[1600..3000].iter().all(|&pulled| pulled == Pulled::Voice), "{case}");
        assert!(heard.stats.late <= 5, "{case}");
        assert!(heard.stats.headroom_us < 60_000, "{case}");
    }
}

#[test]
fn a_stall_of_300_ms_is_caught_up_within_four_seconds() {
    for (case, pcm) in [("a tone", tone(Codec::Pcmu, 10)), ("silence", vec![0; 80_000]), ("noise", noise(10))] {
        let mut packets = send(Codec::Pcmu, &pcm, 20);
        for sent in &mut packets[100..116] {
            sent.arrival_us = PHASE_US + 115 * TICK_US + 1;
        }
        packets.truncate(116 + 200);
        let heard = hear(Codec::Pcmu, packets);
        assert!(heard.stats.headroom_us < 25_000, "{case}: {:?}", heard.stats);
        assert_eq!(heard.stats.late, 0, "{case}: {:?}", heard.stats);
    }
}

#[test]
fn no_more_jitter_is_ridden_out_than_asked_for() {
    // half a minute in which each packet is late by up to 150 ms
    let mut packets = send(Codec::Pcmu, &tone(Codec::Pcmu, 30), 20);
    let mut random = Random(3);
    for sent in &mut packets {
        sent.arrival_us += random.next() % 4 * 50_000;
    }
    for (jitter_buffer, delay_ms, disturbed_max, late) in [
        (JitterBuffer::Off, 0..25, 1_500, 1_000..1_200),
        (JitterBuffer::Small, 60..90, 800, 650..800),
        (JitterBuffer::Medium, 120..145, 15, 0..30),
        (JitterBuffer::Large, 145..180, 15, 0..30),
    ] {
        let config = PlayoutConfig { jitter_buffer, ..PlayoutConfig::default() };
        let heard = hear_with(Codec::Pcmu, config, packets.clone());
        let disturbed = heard.frames[50..].iter().filter(|&&pulled| pulled != Pulled::Voice).count();
        let case = format!("{jitter_buffer:?}: {disturbed} frames disturbed, {:?}", heard.stats);
        assert!(delay_ms.contains(&(heard.stats.delay_us / 1_000)), "{case}");
        assert!(disturbed <= disturbed_max, "{case}");
        assert!(late.contains(&heard.stats.late), "{case}");
    }
}

#[test]
fn without_a_jitter_buffer_what_is_late_is_dropped_and_the_rest_heard_in_its_time() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        for ptime_ms in [20, 60] {
            let mut packets = send(codec, &tone(codec, 8), ptime_ms);
            let late: Vec<usize> = (20..packets.len() - 20).step_by(9).collect();
            for &at in &late {
                packets[at].arrival_us += 30_000;
            }
            let want = perfect(codec, &packets);
            let config = PlayoutConfig { jitter_buffer: JitterBuffer::Off, ..PlayoutConfig::default() };
            let heard = hear_with(codec, config, packets);
            let case = format!("{codec:?}, {ptime_ms} ms: {:?}", heard.stats);
            assert_eq!(heard.stats.late, if ptime_ms == 20 { late.len() as u64 } else { 0 }, "{case}");
            assert_eq!(heard.stats.dropped_samples + heard.stats.repeated_samples, 0, "{case}");
            // where nothing was missing shortly before, it is what was sent when it was sent
            let (frame, packet) = (codec.frame_samples(), codec.frame_samples() * ptime_ms / 20);
            let start = heard.start() * frame;
            if codec == Codec::Pcmu {
                for at in late.iter().flat_map(|late| late + 2..late + 8) {
                    let piece = at * packet..(at + 1) * packet;
                    assert!(heard.pcm[start + piece.start..start + piece.end] == want[piece], "{case}: packet {at}");
                }
            }
        }
    }
    // all of them late for good: that is no jitter
    let mut packets = send(Codec::Pcmu, &tone(Codec::Pcmu, 10), 20);
    for sent in &mut packets[100..] {
        sent.arrival_us += 25_000;
    }
    let config = PlayoutConfig { jitter_buffer: JitterBuffer::Off, ..PlayoutConfig::default() };
    let heard = hear_with(Codec::Pcmu, config, packets);
    assert!(heard.frames[250..].iter().all(|&pulled| pulled == Pulled::Voice), "{:?}", heard.stats);
}

#[test]
fn the_jitter_buffer_can_be_changed_while_it_plays() {
    let mut packets = send(Codec::Pcmu, &tone(Codec::Pcmu, 60), 20);
    let mut random = Random(5);
    for sent in &mut packets {
        sent.arrival_us += random.next() % 2 * 90_000;
    }
    packets.sort_by_key(|sent| sent.arrival_us);
    let mut playout = Playout::new(Codec::Pcmu, PlayoutConfig::default(), 1).expect("a known codec");
    let (mut arriving, mut frame, mut delays_ms) = (packets.iter().peekable(), [0; 160], vec![]);
    for tick in 0..3_000 {
        let now_us = tick * TICK_US;
        match tick {
            1_000 => playout.set_jitter_buffer(JitterBuffer::Off),
            2_000 => playout.set_jitter_buffer(JitterBuffer::Large),
            _ => {}
        }
        while let Some(sent) = arriving.next_if(|sent| sent.arrival_us <= now_us) {
            playout.push(&sent.packet(), sent.arrival_us);
        }
        playout.pull(now_us, &mut frame);
        if tick % 1_000 == 999 {
            delays_ms.push(playout.stats().delay_us / 1_000);
        }
    }
    let [before, off, after] = delays_ms[..] else { panic!("{delays_ms:?}") };
    assert!((88..120).contains(&before) && (0..25).contains(&off) && (88..120).contains(&after), "{delays_ms:?}");
}

#[test]
fn data_is_played_bit_for_bit_through_all_jitter_within_the_cap() {
    for (jitter_buffer, cap_us) in
        [(JitterBuffer::Small, 60_000), (JitterBuffer::Medium, 120_000), (JitterBuffer::Large, 400_000)]
    {
        for ptime_ms in [10, 20, 30] {
            let mut packets = send(Codec::Pcmu, &noise(60), ptime_ms);
            let want = perfect(Codec::Pcmu, &packets);
            let mut random = Random(cap_us);
            for sent in &mut packets[1..] {
                // mostly early, now and then as late as may be
                sent.arrival_us += random.next() % cap_us * (random.next() % 5 / 4);
            }
            let config = PlayoutConfig { jitter_buffer, data_mode: true, ..PlayoutConfig::default() };
            let heard = hear_with(Codec::Pcmu, config, packets);
            let case = format!("{jitter_buffer:?}, {ptime_ms} ms: {:?}", heard.stats);
            let start = heard.start();
            assert!((start as u64 * TICK_US - PHASE_US) < cap_us + 2_000 + TICK_US, "{case}");
            let len = want.len().min(heard.pcm.len() - start * 160);
            assert!(heard.pcm[start * 160..][..len] == want[..len], "{case}");
            assert_eq!((heard.stats.dropped_samples, heard.stats.repeated_samples), (0, 0), "{case}");
        }
    }
}

#[test]
fn data_from_a_fast_or_slow_clock_loses_or_gains_whole_frames_and_no_more() {
    for ppm in [500, -500] {
        let mut packets = send(Codec::Pcmu, &noise(600), 20);
        let want = perfect(Codec::Pcmu, &packets);
        for sent in &mut packets {
            sent.arrival_us = (sent.arrival_us as i64 * (1_000_000 - ppm) / 1_000_000) as u64;
        }
        let config = PlayoutConfig { jitter_buffer: JitterBuffer::Small, data_mode: true, ..PlayoutConfig::default() };
        let heard = hear_with(Codec::Pcmu, config, packets);
        // every frame that is voice is one that was sent; they follow one another but for a few
        let (mut next, mut jumps) = (0, 0);
        let (sent, got) = (want.as_chunks::<160>().0, heard.pcm.as_chunks::<160>().0);
        for (frame, _) in got.iter().zip(&heard.frames).filter(|(_, pulled)| **pulled == Pulled::Voice) {
            if frame != &sent[next] {
                jumps += 1;
                next += 1;
            }
            assert!(frame == &sent[next], "{ppm} ppm: frame {next} is not what was sent");
            next += 1;
        }
        let missed = heard.frames[heard.start()..].iter().filter(|&&pulled| pulled != Pulled::Voice).count();
        // 300 ms too many or too few, of which the buffer takes what it can hold
        let case = format!("{ppm} ppm: {jumps} frames left out, {missed} made up, {:?}", heard.stats);
        assert!(
            if ppm > 0 { (10..=15).contains(&jumps) && missed <= 1 } else { jumps == 0 && (10..=16).contains(&missed) },
            "{case}"
        );
    }
}

#[test]
fn data_mode_begins_and_ends_while_it_plays() {
    let packets = send(Codec::Pcmu, &noise(30), 20);
    let mut playout = Playout::new(Codec::Pcmu, PlayoutConfig::default(), 1).expect("a known codec");
    playout.set_jitter_buffer(JitterBuffer::Medium);
    let (mut frame, mut delays_ms) = ([0; 160], vec![]);
    for (i, sent) in packets.iter().enumerate() {
        match i {
            200 => playout.set_data_mode(true),
            600 => playout.set_data_mode(false),
            _ => {}
        }
        playout.push(&sent.packet(), sent.arrival_us);
        playout.pull(sent.arrival_us + 10_000, &mut frame);
        if [199, 599, 1_499].contains(&i) {
            delays_ms.push(playout.stats().delay_us / 1_000);
        }
    }
    let [before, data, after] = delays_ms[..] else { panic!("{delays_ms:?}") };
    assert!(before < 25 && (122..145).contains(&data) && after < 25, "{delays_ms:?}");
}

#[test]
fn minutes_of_drift_are_corrected_a_little_at_a_time_and_measured() {
    for (ppm, jitter_us) in [(100, 0), (-100, 0), (100, 10_000), (-100, 10_000), (0, 10_000)] {
        for seed in 0..3 {
            let mut random = Random(seed);
            let mut packets = send(Codec::Pcmu, &tone(Codec::Pcmu, 300), 20);
            for sent in &mut packets {
                let late_us = if jitter_us > 0 { (random.next() % jitter_us) as i64 } else { 0 };
                sent.arrival_us = (sent.arrival_us as i64 * (1_000_000 - ppm) / 1_000_000 + late_us) as u64;
            }
            let minute = hear(Codec::Pcmu, packets[..3_000].to_vec()).stats;
            let heard = hear(Codec::Pcmu, packets).stats;
            let case = format!("{ppm} ppm, {jitter_us} µs of jitter, seed {seed}: {heard:?}");
            assert!((i64::from(heard.drift_ppm) - ppm).abs() <= 3, "{case}");
            assert!((i64::from(minute.drift_ppm) - ppm).abs() <= 10, "after a minute: {minute:?}, {case}");
            assert!(heard.delay_us < jitter_us as i64 + 26_000, "{case}");
            // 10 ms in 100 s, a stretch being 2.5 to 15 ms
            let stretched_ms = (heard.dropped_samples as i64 - heard.repeated_samples as i64) / 8;
            assert!((stretched_ms - 3 * ppm / 10).abs() <= 20, "{stretched_ms} ms, {case}");
            assert!(heard.dropped_samples + heard.repeated_samples < 8 * 90, "no to and fro: {case}");
        }
    }
}

#[test]
fn an_hour_of_clock_drift_neither_grows_the_delay_nor_tears_the_sound() {
    for (ppm, codec) in [(500, Codec::Pcmu), (-500, Codec::Pcmu), (100, Codec::Pcmu), (-100, Codec::G722)] {
        let mut packets = send(codec, &tone(codec, 3600), 20);
        for sent in &mut packets {
            sent.arrival_us = (sent.arrival_us as i64 * (1_000_000 - ppm) / 1_000_000) as u64;
        }
        let heard = hear(codec, packets);
        let case = format!("{ppm} ppm: {:?}", heard.stats);
        let disturbed = heard.frames[1..].iter().filter(|&&pulled| pulled != Pulled::Voice).count();
        assert!(disturbed <= 3, "{disturbed} frames, {case}");
        assert!((0..26_000).contains(&heard.stats.headroom_us), "{case}");
        let shift = heard.stats.dropped_samples as i64 - heard.stats.repeated_samples as i64;
        let want = 3600 * ppm * i64::from(codec.rate_hz()) / 1_000_000;
        assert!((shift - want).abs() < i64::from(codec.rate_hz()) / 20, "{shift} samples, not {want}, {case}");
        // a cut in the wrong place would be a dip or a click
        let loudness = loudness_dbfs(&heard.pcm, codec.rate_hz());
        let steady = &loudness[8..loudness.len() - 8];
        let (low, high) = steady.iter().fold((0.0f64, -99.0f64), |(low, high), &x| (low.min(x), high.max(x)));
        assert!(high - low < 3.0, "between {low:.1} and {high:.1} dB, {case}");
    }
}

#[test]
fn after_a_disturbance_the_delay_falls_to_a_frame_within_ten_seconds() {
    for (case, pcm) in [("a tone", tone(Codec::Pcmu, 60)), ("silence", vec![0; 60 * 8_000]), ("noise", noise(60))] {
        for seed in 0..5 {
            let mut random = Random(seed);
            let mut packets = send(Codec::Pcmu, &pcm, 20);
            let mut last_us = 0;
            // a busy machine: hardly any packet in time, some very late, none out of order
            for sent in &mut packets[..2_500] {
                let late_us = if random.next().is_multiple_of(50) { 40_000 } else { random.next() % 6_000 };
                sent.arrival_us = last_us.max(sent.arrival_us + late_us);
                last_us = sent.arrival_us;
            }
            let disturbed = hear(Codec::Pcmu, packets[..2_500].to_vec());
            assert!(disturbed.stats.headroom_us > 40_000, "{case}, seed {seed}: {:?}", disturbed.stats);
            let heard = hear(Codec::Pcmu, packets);
            assert!(heard.stats.headroom_us < 26_000, "{case}, seed {seed}: {:?}", heard.stats);
            // a cut in the wrong place would be a dip or a click
            let last = loudness_dbfs(&heard.pcm[52 * 8_000..heard.pcm.len() - 160], 8_000);
            let (low, high) = last.iter().fold((0.0f64, -200.0f64), |(low, high), &x| (low.min(x), high.max(x)));
            let spread = if case == "noise" { 6.0 } else { 3.0 };
            assert!(high - low < spread, "{case}, seed {seed}: between {low:.1} and {high:.1} dB");
        }
    }
}

#[test]
fn even_noise_is_caught_up_with() {
    let mut packets = send(Codec::Pcmu, &noise(600), 20);
    for sent in &mut packets {
        sent.arrival_us = (sent.arrival_us as i64 * (1_000_000 - 500) / 1_000_000) as u64;
    }
    let heard = hear(Codec::Pcmu, packets);
    assert!(heard.frames[1..].iter().all(|&pulled| pulled == Pulled::Voice), "{:?}", heard.stats);
    assert!(heard.stats.headroom_us < 26_000, "{:?}", heard.stats);
}

#[test]
fn silence_that_is_not_sent_is_silence_and_not_loss() {
    for (case, gap_ms, comfort_noise) in [
        ("a pause", 400, None),
        ("a pause announced by comfort noise", 400, Some(60)),
        ("a pause announced as silent", 400, Some(127)),
        ("a long pause", 5_000, None),
        ("a very long pause announced by comfort noise", 50_000, Some(60)),
    ] {
        let mut packets = send(Codec::Pcmu, &noise(6), 20);
        let want = perfect(Codec::Pcmu, &packets);
        let announcement = packets[100].clone();
        for sent in &mut packets[100..] {
            sent.arrival_us += gap_ms * 1000;
            sent.timestamp = sent.timestamp.wrapping_add(gap_ms as u32 * 8);
            sent.sequence = sent.sequence.wrapping_add(comfort_noise.is_some().into());
        }
        if let Some(level) = comfort_noise {
            packets.push(Sent { payload_type: 13, payload: vec![level], ..announcement });
        }
        let heard = hear(Codec::Pcmu, packets);
        assert_eq!((heard.stats.sources, heard.stats.stray), (1, 0), "{case}");
        // unannounced, the first frames of a pause may be a loss just as well
        let concealed = heard.count(Pulled::Concealed);
        assert!(concealed <= if comfort_noise.is_some() { 0 } else { 3 }, "{case}: {concealed} frames concealed");
        assert_eq!(heard.stats.concealed_samples, 0, "{case}: once it is known to be a pause");
        let resumed = 101 + gap_ms as usize / 20;
        let pause = &heard.pcm[106 * 160..resumed * 160];
        if comfort_noise == Some(60) {
            assert!(heard.frames[106..resumed].iter().all(|&pulled| pulled == Pulled::Noise), "{case}");
            assert!((level_dbov(pause) + 60.0).abs() < 1.0, "{case}: {:.1}", level_dbov(pause));
        } else {
            assert!(heard.frames[106..resumed].iter().all(|&pulled| pulled == Pulled::Silence), "{case}");
            assert!(pause.iter().all(|&sample| sample == 0), "{case}");
        }
        assert!(heard.pcm[resumed * 160..][..20_000] == want[100 * 160..][..20_000], "{case}: resumes as it was sent");
    }
}

/// Of a square wave at full scale.
fn level_dbov(pcm: &[i16]) -> f64 {
    let energy: f64 = pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    20.0 * ((energy / pcm.len() as f64).sqrt() / 32_768.0).log10()
}

/// Half seconds of a tone and half seconds without, over a room's noise of −56 dBov.
fn talk_in_a_room(codec: Codec, seconds: usize) -> Vec<i16> {
    let mut random = Random(11);
    let room = |(i, sample): (usize, i16)| {
        let room = (random.next() % 181) as i16 - 90;
        if (i * 2 / codec.rate_hz() as usize).is_multiple_of(2) { sample + room } else { room }
    };
    tone(codec, seconds).into_iter().enumerate().map(room).collect()
}

#[test]
fn a_gap_fades_to_the_noise_of_the_room() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16 { rate_hz: 16_000 }] {
        for (case, lost) in [("in a word", 300..320), ("between words", 325..345), ("for good", 375..2_000)] {
            let mut packets = send(codec, &talk_in_a_room(codec, 20), 20);
            packets.retain(|sent| !lost.contains(&usize::from(sent.sequence.wrapping_sub(FIRST_SEQUENCE))));
            let last = packets.last().expect("some").clone();
            packets.extend((lost.end == 2_000).then(|| Sent {
                ssrc: 9,
                arrival_us: last.arrival_us + 20_000_000,
                ..last
            }));
            let heard = hear(codec, packets);
            let frame = codec.frame_samples();
            let case = format!("{codec:?}, {case}: {:?}", heard.stats);
            // from 60 ms on for a second at most, until the room is heard again
            let from = lost.start + 5;
            let until = lost.end.min(from + 50);
            assert!(heard.frames[from..until].iter().all(|&pulled| pulled == Pulled::Noise), "{case}");
            let level = level_dbov(&heard.pcm[from * frame..until * frame]);
            assert!((level + 56.0).abs() < 2.0, "{level:.1} dBov, {case}");
            if lost.end == 2_000 {
                let noise = heard.frames[lost.start..].iter().position(|&pulled| pulled == Pulled::Silence);
                assert!(noise.is_some_and(|frames| (500..520).contains(&frames)), "{noise:?} frames, {case}");
                let rest = &heard.pcm[(lost.start + 520) * frame..(lost.start + 1_000) * frame];
                assert!(rest.iter().all(|&sample| sample == 0), "{case}");
            }
        }
    }
}

/// A voice at 48 kHz that rises and falls, in syllables: what was said in a frame cannot be guessed from the one before.
fn syllables(seconds: u32) -> Vec<i16> {
    let mut turns = 0.0f64;
    let sample = |i: u32| {
        let t = f64::from(i) / 48_000.0;
        turns += (140.0 + 60.0 * (t * 40.0).sin()) / 48_000.0 * TAU;
        let voice: f64 = (1..20).map(|k| (turns * f64::from(k)).sin() / f64::from(k)).sum();
        (voice * 6_000.0 * (t * 12.0).sin().powi(2)) as i16
    };
    (0..seconds * 48_000).map(sample).collect()
}

/// The energy of what is in `heard` and not in `want`.
fn error(want: &[i16], heard: &[i16]) -> f64 {
    want.iter().zip(heard).map(|(&want, &heard)| (f64::from(want) - f64::from(heard)).powi(2)).sum()
}

#[test]
fn opus_recovers_what_is_lost_from_the_packet_after_it() {
    for (case, burst, gain_db_min) in [("one", 1, 3.0), ("two in a row", 2, 2.0)] {
        let all = send(Codec::Opus, &syllables(10), 20);
        let want = perfect(Codec::Opus, &all);
        let is_lost = |i: usize| i > 20 && i % 7 < burst;
        // all but the first packet come 33 ms before their turn, so that the one after the gap can be asked; or 13 ms
        let errors = [25_000, 0].map(|later_us| {
            let mut packets = all.clone();
            packets[0].arrival_us += later_us;
            let config =
                PlayoutConfig { data_mode: true, jitter_buffer: JitterBuffer::Off, ..PlayoutConfig::default() };
            let packets = packets.into_iter().enumerate().filter(|(i, _)| !is_lost(*i)).map(|(_, sent)| sent).collect();
            let heard = hear_with(Codec::Opus, config, packets);
            let start = heard.start() * 960;
            let lost = (0..480).filter(|&i| is_lost(i) && !is_lost(i + 1));
            lost.map(|i| error(&want[i * 960..(i + 1) * 960], &heard.pcm[start + i * 960..])).sum::<f64>()
        });
        let gain_db = 10.0 * (errors[1] / errors[0]).log10();
        assert!(gain_db > gain_db_min, "{case}: {gain_db:.1} dB");
    }
}

#[test]
fn opus_pauses_are_heard_as_libopus_makes_them() {
    // a second of voice over a noise, a second without
    let mut random = Random(2);
    let mut room = |sample: i16| sample.saturating_add((random.next() % 121) as i16 - 60);
    let voice = syllables(20);
    let pcm: Vec<i16> = voice.iter().enumerate().map(|(i, &x)| room(if i / 48_000 % 2 == 0 { x } else { 0 })).collect();
    let mut encoder = opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).expect("libopus");
    encoder.set_dtx(true).and_then(|()| encoder.set_bitrate(opus::Bitrate::Bits(20_000))).expect("libopus");
    let (mut packets, mut sequence) = (vec![], 0);
    for (i, frame) in pcm.chunks_exact(960).enumerate() {
        let payload = encoder.encode_vec(frame, 1_275).expect("a frame");
        if payload.len() <= 2 {
            continue; // not worth sending, says libopus
        }
        let (arrival_us, timestamp) = (PHASE_US + i as u64 * TICK_US, i as u32 * 960);
        packets.push(Sent { arrival_us, payload_type: 0, sequence, timestamp, ssrc: 1, payload });
        sequence += 1;
    }
    assert!(packets.len() < 800, "it does pause: {} of 1000 packets", packets.len());
    let heard = hear(Codec::Opus, packets);
    assert_eq!((heard.stats.sources, heard.stats.late), (1, 0), "{:?}", heard.stats);
    assert!(heard.count(Pulled::Noise) > 200, "{:?}", heard.stats);
    // a pause is never a dead line between two words
    for second in (3..19).step_by(2) {
        let pause = &heard.pcm[second * 48_000 + 28_800..][..19_200];
        let quietest = pause.chunks_exact(1_920).map(level_dbov).fold(0.0, f64::min);
        assert!((-75.0..-45.0).contains(&quietest), "{quietest:.1} dBov in second {second}");
    }
}

#[test]
fn comfort_noise_goes_on_as_it_was_described_last() {
    // word, pause, word, pause …, each pause with a packet of comfort noise now and then, ever softer
    let voice = send(Codec::Pcmu, &tone(Codec::Pcmu, 1), 20);
    let mut packets = vec![];
    let (mut sequence, mut levels) = (0u16, vec![]);
    let mut packet = |sent: &Sent, at: usize, payload_type: u8, payload: Vec<u8>| {
        let (arrival_us, timestamp) = (PHASE_US + at as u64 * TICK_US, at as u32 * 160);
        packets.push(Sent { arrival_us, payload_type, sequence, timestamp, payload, ..sent.clone() });
        sequence += 1;
    };
    for word in 0..4 {
        for (i, sent) in voice.iter().enumerate() {
            packet(sent, word * 150 + i, 0, sent.payload.clone());
        }
        for update in 0..4u8 {
            let (at, level) = (word * 150 + 50 + usize::from(update) * 25, 40 + 5 * update);
            packet(&voice[0], at, 13, vec![level, 127 - 60, 127 + 20]);
            levels.push((at, f64::from(level)));
        }
    }
    packet(&voice[0], 600, 0, voice[0].payload.clone());
    let heard = hear(Codec::Pcmu, packets);
    assert_eq!((heard.stats.concealed_frames, heard.stats.sources, heard.stats.late), (0, 1, 0), "{:?}", heard.stats);
    for (at, level) in levels {
        let pause = &heard.pcm[(at + 3) * 160..(at + 25) * 160];
        assert!((level_dbov(pause) + level).abs() < 1.5, "{:.1} dBov at {at}, expected −{level}", level_dbov(pause));
    }
    let want = perfect(Codec::Pcmu, &voice);
    for word in 0..4 {
        assert!(heard.pcm[(word * 150 + 1) * 160..][..want.len()] == want, "word {word}");
    }
}

#[test]
fn a_stray_packet_changes_nothing() {
    let mut packets = send(Codec::Pcmu, &noise(8), 20);
    let want = perfect(Codec::Pcmu, &packets);
    for i in [100, 101, 200] {
        let near = packets[i].clone();
        packets.push(Sent { ssrc: 9 + i as u32, sequence: 5 * i as u16, arrival_us: near.arrival_us + 1, ..near });
    }
    let heard = hear(Codec::Pcmu, packets);
    assert_eq!((heard.stats.stray, heard.stats.sources), (3, 1));
    assert!(heard.pcm[160..60_000] == want[..59_840]);
}

#[test]
fn another_source_takes_over_at_its_second_packet() {
    let packets = send(Codec::Pcmu, &noise(8), 20);
    let want = perfect(Codec::Pcmu, &packets);
    for (case, change) in [
        ("SSRC", (|sent| sent.ssrc = 2) as fn(&mut Sent)),
        ("SSRC, sequence and timestamp", |sent| {
            sent.ssrc = 3;
            sent.sequence = sent.sequence.wrapping_add(30_000);
            sent.timestamp = sent.timestamp.wrapping_sub(1 << 31);
        }),
        ("a sequence far away", |sent| sent.sequence = sent.sequence.wrapping_sub(20_000)),
        ("a timestamp two seconds on", |sent| sent.timestamp = sent.timestamp.wrapping_add(16_000)),
        ("a timestamp two seconds back", |sent| sent.timestamp = sent.timestamp.wrapping_sub(16_000)),
    ] {
        let mut packets = packets.clone();
        packets[200..].iter_mut().for_each(change);
        let heard = hear(Codec::Pcmu, packets);
        assert_eq!((heard.stats.stray, heard.stats.sources), (1, 2), "{case}");
        let disturbed = heard.frames[1..390].iter().filter(|&&pulled| pulled != Pulled::Voice).count();
        assert!(disturbed <= 2, "{case}: {disturbed} frames");
        assert!(heard.pcm[210 * 160..380 * 160] == want[209 * 160..379 * 160], "{case}: goes on");
    }
}

#[test]
fn another_source_comes_in_under_a_fade_of_5_ms() {
    // packets of one value only; the change is noticed at the second packet of the new source, 20 ms on
    for (case, before, after) in [("begins", 0xFF, 0x80), ("ends", 0x80, 0xFF), ("turns over", 0x80, 0x00)] {
        let mut packets = send(Codec::Pcmu, &[0; 16_000], 20);
        for (i, sent) in packets.iter_mut().enumerate() {
            sent.payload.fill(if i < 50 { before } else { after });
            sent.ssrc += u32::from(i >= 50);
        }
        let heard = hear(Codec::Pcmu, packets);
        assert_eq!(heard.stats.sources, 2, "{case}");
        let steps = heard.pcm[200..].windows(2).map(|pair| i32::from(pair[1]).abs_diff(i32::from(pair[0])));
        // 5 ms are 40 samples; a cut would be 32,124 or twice that, at once
        assert!(steps.max() <= Some(32_124 / 40 + 32_124 / 40 + 1), "{case}");
        let level = |code: u8| {
            perfect(Codec::Pcmu, &[Sent { payload: vec![code], ..send(Codec::Pcmu, &[0; 160], 20)[0].clone() }])[0]
        };
        let settled = heard.pcm.iter().rposition(|&sample| sample != level(after)).expect("what was before") / 8;
        assert!(settled <= 51 * 20 + 20 + 6, "{case}: settled after {settled} ms");
        let disturbed = heard.pcm[200..].iter().position(|&sample| sample != level(before)).expect("what comes after");
        assert!((disturbed + 200) / 8 >= 51 * 20, "{case}: disturbed after {disturbed} samples");
    }
}

#[test]
fn the_same_packets_make_the_same_sound() {
    for codec in CODECS {
        let run = |seed: u64| {
            // of everything that can happen: jitter, loss, pauses with and without noise, another source, a fast clock
            let mut random = Random(9);
            let pcm = match codec {
                Codec::Opus => syllables(20),
                codec => talk_in_a_room(codec, 20),
            };
            let mut packets = send(codec, &pcm, 20);
            for (i, sent) in packets.iter_mut().enumerate() {
                sent.arrival_us = sent.arrival_us * 9_995 / 10_000 + random.next() % 40_000 * (i as u64 / 250 % 2);
                sent.payload_type = if i % 97 == 0 { 13 } else { 0 };
                sent.ssrc += i as u32 / 700;
            }
            packets.retain(|sent| !random.next().is_multiple_of(20) && !(300..330).contains(&(sent.sequence % 500)));
            packets.sort_by_key(|sent| sent.arrival_us);
            let mut playout = Playout::new(codec, PlayoutConfig::default(), seed).expect("a known codec");
            let (mut frame, mut hash) = (vec![0; codec.frame_samples()], std::hash::DefaultHasher::new());
            let mut arriving = packets.iter().peekable();
            for now_us in (0..20_000_000).step_by(TICK_US as usize) {
                while let Some(sent) = arriving.next_if(|sent| sent.arrival_us <= now_us) {
                    playout.push(&sent.packet(), sent.arrival_us);
                }
                std::hash::Hash::hash(&(playout.pull(now_us, &mut frame) as u8, &frame), &mut hash);
            }
            let stats = playout.stats();
            assert!(
                stats.concealed_frames > 20 && stats.noise_frames > 5 && stats.sources == 2,
                "{codec:?}: {stats:?}"
            );
            std::hash::Hasher::finish(&hash)
        };
        assert_eq!(run(1), run(1), "{codec:?}");
    }
}

#[test]
fn digits_between_the_voice_are_no_loss() {
    let packets = send(Codec::Pcmu, &noise(4), 20);
    let mut playout = Playout::new(Codec::Pcmu, PlayoutConfig::default(), 1).expect("a known codec");
    let mut frame = [0; 160];
    let mut concealed = 0;
    for (i, sent) in packets.iter().enumerate() {
        if (50..60).contains(&i) {
            playout.pass(&sent.packet());
        } else {
            assert_ne!(playout.push(&sent.packet(), sent.arrival_us), Pushed::Late);
        }
        concealed += usize::from(playout.pull(sent.arrival_us + 10_000, &mut frame) == Pulled::Concealed);
    }
    assert!(concealed <= 3, "{concealed}");
    assert_eq!(playout.stats().voice_frames, 190);
}

#[test]
fn far_too_much_at_once_is_thrown_away_and_the_newest_played() {
    let mut packets = send(Codec::Pcmu, &noise(10), 20);
    for sent in &mut packets[..300] {
        sent.arrival_us = 300 * TICK_US; // six seconds that were stuck somewhere
    }
    let heard = hear(Codec::Pcmu, packets);
    assert!(heard.stats.overflow > 0);
    assert!(heard.stats.headroom_us < 520_000, "{:?}", heard.stats);
    assert!(heard.frames[310..500].iter().all(|&pulled| pulled == Pulled::Voice));
}

#[test]
fn what_the_codec_never_sends_is_refused() {
    for (codec, payload) in [
        (Codec::Pcmu, vec![]),
        (Codec::Pcmu, vec![0; 961]),
        (Codec::L16 { rate_hz: 8_000 }, vec![0; 3]),
        (Codec::Opus, vec![]),
        (Codec::Opus, vec![0xFF; 2]),
    ] {
        let mut playout = Playout::new(codec, PlayoutConfig::default(), 1).expect("a known codec");
        let sent = Sent { arrival_us: 0, payload_type: 0, sequence: 0, timestamp: 0, ssrc: 0, payload };
        assert_eq!(playout.push(&sent.packet(), 0), Pushed::Refused, "{codec:?}, {sent:?}");
    }
    assert!(Playout::new(Codec::L16 { rate_hz: 44_100 }, PlayoutConfig::default(), 1).is_err());
}

mod anything {
    use proptest::prelude::*;

    use super::*;

    /// Mostly a stream with errors, sometimes anything; and how long after the one before it arrives.
    fn packet() -> impl Strategy<Value = (Sent, u64)> {
        let header = prop_oneof![
            9 => (0..300u16, 0..48_000u32, Just(1u32)),
            1 => (any::<u16>(), any::<u32>(), 0..3u32),
        ];
        let payload = proptest::collection::vec(any::<u8>(), 0..400);
        (header, payload, prop_oneof![Just(0u8), Just(13u8)], 0..60_000u64).prop_map(
            |((sequence, timestamp, ssrc), payload, payload_type, passed_us)| {
                (Sent { arrival_us: 0, payload_type, sequence, timestamp, ssrc, payload }, passed_us)
            },
        )
    }

    proptest! {
        #[test]
        fn is_played_or_not(
            packets in proptest::collection::vec(packet(), 0..100),
            codec in proptest::sample::select(CODECS.to_vec()),
        ) {
            let mut now_us = 0;
            let packets = packets.into_iter().map(|(sent, passed_us)| {
                now_us += passed_us;
                Sent { arrival_us: now_us, ..sent }
            });
            hear(codec, packets.collect());
        }

        #[test]
        fn decodes_or_not(
            payload in proptest::collection::vec(any::<u8>(), 0..1600),
            codec in proptest::sample::select(CODECS.to_vec()),
            room in 0..6000usize,
        ) {
            let mut decoder = media::Decoder::new(codec).expect("a known codec");
            let _ = decoder.decode(&payload, &mut vec![0; room]);
            let _ = decoder.decode(&payload, &mut vec![0; 6000]);
        }
    }
}
