//! A room takes the slot in which its packets wait least, once its legs are heard.

use media::{Codec, Config, rtp};

use crate::hall::{Hall, ROOM, Voice, config};

/// When, in milliseconds, packets left for the first phone, and what they were.
fn departures(hall: &mut Hall, ms: u64) -> Vec<(u64, Vec<u8>)> {
    let mut departures = Vec::new();
    for _ in 0..ms {
        hall.run_ms(1);
        let phone = &mut hall.phones[0];
        departures.extend(phone.datagrams.drain(..).map(|datagram| (hall.now_us / 1_000, datagram)));
    }
    departures
}

#[test]
fn packets_wait_less_once_a_room_knows_when_they_come() {
    let mut hall = Hall::with(Config { chooses_slots: true, ..config(1) });
    for phase_us in [4_900, 5_000] {
        let phone = hall.join(ROOM, Codec::Pcmu, Voice::Level(4_000));
        hall.phones[phone].phase_us = phase_us;
    }
    let departures = departures(&mut hall, 3_000);
    let moments: Vec<u64> = departures.iter().map(|(ms, _)| ms % 20).collect();
    let changed = moments.iter().position(|&moment| moment != moments[0]).expect("the room takes another slot");
    let lead_ms = |moment: u64| (moment + 20 - 5) % 20;
    assert!(lead_ms(moments[0]) > 6, "it begins where packets wait: at {} ms", moments[0]);
    assert!(moments[changed..].iter().all(|&moment| moment == moments[changed]), "it stays: {moments:?}");
    assert!((3..5).contains(&lead_ms(moments[changed])), "it takes the first slot they beat: {}", moments[changed]);
    assert!((20..50).contains(&changed), "after half a second, not at once: after {changed} packets");
    let packets: Vec<_> = departures.iter().map(|(_, bytes)| rtp::Packet::parse(bytes).expect("RTP")).collect();
    for (pair, times) in packets.windows(2).zip(departures.windows(2)) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160), "no time is lost or told twice");
        assert!(times[1].0 - times[0].0 < 40, "a gap of {} ms", times[1].0 - times[0].0);
    }
}

#[test]
fn a_room_chooses_anew_when_somebody_joins_and_not_otherwise() {
    let mut hall = Hall::with(Config { chooses_slots: true, ..config(1) });
    let first = hall.join(ROOM, Codec::Pcmu, Voice::Level(4_000));
    hall.phones[first].phase_us = 5_000;
    let settled = departures(&mut hall, 2_000).last().expect("packets").0 % 20;
    hall.phones[first].phase_us = 15_000;
    let drifted = departures(&mut hall, 3_000).last().expect("packets").0 % 20;
    assert_eq!(settled, drifted, "a phone that changes its phase moves nobody");
    for phone in [1, 2] {
        assert_eq!(hall.join(ROOM, Codec::Pcmu, Voice::Level(2_000)), phone);
        hall.phones[phone].phase_us = 15_000;
    }
    let chosen = departures(&mut hall, 2_000).last().expect("packets").0 % 20;
    assert!((3..5).contains(&((chosen + 20 - 15) % 20)), "now most come at 15 ms: {chosen}");
}
