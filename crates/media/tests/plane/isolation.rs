//! One leg that sends what it likes: everybody else is sent what they would have been sent, bit for bit.

use media::{Codec, MAIN};
use model::LegStats;

use crate::hall::{Hall, ROOM, Voice, config};

struct Random(u64);

impl Random {
    /// splitmix64
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// What a misbehaving phone does in each 20 ms.
type Misbehaves = fn(&mut Hall, usize, &mut Random);

fn send(hall: &Hall, phone: usize, datagram: &[u8]) {
    hall.network.send(hall.phones[phone].port, hall.phones[phone].address, datagram);
}

/// Nothing that is RTP or RTCP, and something that looks like it; to both ports.
fn garbage(hall: &mut Hall, phone: usize, random: &mut Random) {
    for _ in 0..50 {
        let len = random.below(400);
        let bytes = random.bytes(len);
        send(hall, phone, &bytes);
        let (port, address) = (hall.phones[phone].port, hall.phones[phone].address);
        hall.network.send(port + 1, address, &bytes);
        let payload_type = hall.phones[phone].stream.payload_type_in;
        let packet = hall.phones[phone].packet(payload_type, &bytes);
        send(hall, phone, &packet);
    }
}

/// Nothing for a while, then all at once, and far too much.
fn bursts(hall: &mut Hall, phone: usize, random: &mut Random) {
    if random.below(20) == 0 {
        for _ in 0..random.below(200) {
            speak(hall, phone);
        }
    }
}

/// Two packets where there should be one.
fn double_rate(hall: &mut Hall, phone: usize, _: &mut Random) {
    speak(hall, phone);
    speak(hall, phone);
}

fn speak(hall: &mut Hall, phone: usize) {
    hall.phones[phone].voice = Voice::Tone(440.0, 8_000.0);
    let packet = hall.phones[phone].speak().expect("it has a voice");
    hall.phones[phone].voice = Voice::Nothing;
    send(hall, phone, &packet);
}

/// Packets of its voice, digits, reports, with something wrong in many of them.
fn spoilt(hall: &mut Hall, phone: usize, random: &mut Random) {
    for _ in 0..random.below(6) {
        hall.phones[phone].voice = Voice::Tone(440.0, 8_000.0);
        let mut datagram = match random.below(8) {
            0 => {
                let event = random.bytes(4);
                hall.phones[phone].packet(crate::hall::EVENT_TYPE, &event)
            }
            1 => {
                let noise = random.bytes(random.0 as usize % 14);
                hall.phones[phone].packet(13, &noise)
            }
            2 => {
                let mut report = [0; 200];
                let block = media::rtcp::ReportBlock { ssrc: random.next() as u32, ..Default::default() };
                let len = media::rtcp::write_report(&mut report, 7, None, Some(block), "someone").expect("room");
                report[..len].to_vec()
            }
            _ => hall.phones[phone].speak().expect("it has a voice"),
        };
        hall.phones[phone].voice = Voice::Nothing;
        for _ in 0..random.below(3) {
            let at = random.below(datagram.len().min(40));
            match random.below(4) {
                0 => datagram.truncate(at + 1),
                1 => datagram[at] = random.next() as u8,
                2 => datagram[at] ^= 1 << random.below(8),
                _ => datagram.extend(random.bytes(at)),
            }
        }
        send(hall, phone, &datagram);
        if random.below(4) == 0 {
            send(hall, phone, &datagram);
        }
    }
}

/// What three others are sent while a fourth, whom nobody hears, misbehaves for `ms`; and what became of its packets.
fn others(codec: Codec, misbehaves: Option<Misbehaves>, seed: u64, ms: u64) -> (Vec<Vec<Vec<u8>>>, LegStats) {
    let mut hall = Hall::with(config(1));
    let voices = [Voice::Sweeps, Voice::Tone(440.0, 8_000.0), Voice::Silence];
    let codecs = [Codec::Pcmu, Codec::G722, Codec::Opus];
    let others = [0, 1, 2].map(|i| hall.join(ROOM, codecs[i], voices[i]));
    let fourth = hall.open(ROOM, codec, Voice::Nothing);
    hall.agree(fourth, |stream| stream.comfort_noise_payload_type = Some(13));
    hall.route(fourth, 0, MAIN);
    let mut random = Random(seed);
    for _ in 0..ms / 20 {
        if let Some(misbehaves) = misbehaves {
            misbehaves(&mut hall, fourth, &mut random);
        }
        hall.run_ms(20);
    }
    (others.map(|phone| hall.phones[phone].datagrams.clone()).to_vec(), hall.close(fourth))
}

#[test]
fn whatever_one_leg_sends_is_heard_by_nobody_else() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::L16 { rate_hz: 16_000 }] {
        let (clean, _) = others(codec, None, 0, 3_000);
        assert!(clean.iter().all(|datagrams| datagrams.len() > 100), "{codec:?}");
        for (case, misbehaves, packets_in) in [
            ("garbage", garbage as Misbehaves, 1_000..10_000),
            ("bursts", bursts, 30..2_000),
            ("double rate", double_rate, 290..310),
            ("spoilt", spoilt, 100..600),
        ] {
            for seed in 0..if case == "spoilt" { 8 } else { 1 } {
                let (disturbed, stats) = others(codec, Some(misbehaves), seed, 3_000);
                assert!(clean == disturbed, "{codec:?}, {case}, seed {seed}: what the others are sent has changed");
                assert!(packets_in.contains(&stats.packets_in), "{codec:?}, {case}, seed {seed}: {stats:?}");
            }
        }
    }
}
