//! What each phone is sent, packet by packet: RTP that never breaks, whatever happens to the leg.

use std::net::SocketAddr;
use std::sync::Arc;

use media::{Codec, Command, Event, MAIN, Pages, rtcp, rtp};
use model::{Clip, PlaybackId, RoomId};

use crate::ear;
use crate::hall::{Hall, NOISE_PEAK, Phone, ROOM, Voice, config};

/// Sequence numbers without a gap, timestamps that count every sample, one SSRC.
pub(crate) fn check_continuity(phone: &Phone, units: u32) {
    let packets = phone.packets();
    for (at, pair) in packets.windows(2).enumerate() {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "sequence after packet {at}");
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(units), "timestamp after packet {at}");
        assert_eq!(pair[1].ssrc, pair[0].ssrc, "SSRC after packet {at}");
        assert!(!pair[1].marker, "a marker in the middle, after packet {at}");
    }
    assert!(packets[0].marker, "the first packet is marked");
}

fn hum(ms: usize) -> Arc<Pages> {
    let samples = (0..8 * ms).map(|i| (8_000.0 * (i as f64 * 0.35).sin()) as i16).collect();
    Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples }))
}

#[test]
fn rtp_never_breaks() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Tone(440.0, 8_000.0));
    let ben = hall.join(ROOM, Codec::G722, Voice::Nothing);
    let leg = hall.phones[ana].leg;
    hall.run_ms(200);
    hall.route(ana, 0, 0);
    let (playback, sound) = (PlaybackId(1), hum(330));
    hall.plane.apply(vec![Command::Play { leg, playback, sound, loops: 0 }]);
    hall.run_ms(500);
    hall.plane.apply(vec![Command::StopPlay { leg }]);
    hall.route(ana, MAIN, MAIN);
    hall.run_ms(200);
    hall.route(ana, 0, MAIN);
    hall.run_ms(500);
    hall.route(ana, MAIN, 0);
    hall.run_ms(300);
    hall.route(ana, 0, 0); // without music
    hall.phones[ana].voice = Voice::Nothing;
    hall.run_ms(400);
    hall.route(ana, MAIN, MAIN);
    hall.run_ms(600); // nobody speaks
    hall.agree(ana, |stream| stream.receives = false); // the phone holds us
    hall.run_ms(200);
    hall.phones[ana].voice = Voice::Tone(440.0, 8_000.0);
    hall.agree(ana, |stream| stream.receives = true);
    hall.run_ms(200);
    hall.agree(ana, |_| {}); // a refresh
    hall.run_ms(200);
    hall.agree(ana, |stream| (stream.codec, stream.payload_type_in, stream.payload_type_out) = (Codec::Pcma, 8, 8));
    hall.run_ms(200);
    for phone in [ana, ben] {
        check_continuity(&hall.phones[phone], 160);
        let packets = hall.phones[phone].packets().len();
        assert!((174..=175).contains(&packets), "{packets} packets in 3.5 s");
    }
}

#[test]
fn a_clock_that_changes_starts_another_stream() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(100);
    let before = hall.phones[ana].packets().last().map(|packet| packet.ssrc);
    hall.agree(ana, |stream| (stream.codec, stream.payload_type_in, stream.payload_type_out) = (Codec::Opus, 111, 111));
    hall.run_ms(100);
    let packets = hall.phones[ana].packets();
    let first = packets.iter().find(|packet| packet.payload_type == 111).expect("Opus");
    assert!(first.marker && Some(first.ssrc) != before);
}

#[test]
fn packet_times() {
    for (ptime_ms, codec, units, packets) in [
        (10, Codec::Pcmu, 80, 100),
        (20, Codec::Pcmu, 160, 50),
        (30, Codec::Pcmu, 160, 50),
        (40, Codec::Pcma, 320, 25),
        (60, Codec::G722, 480, 16),
        (10, Codec::Opus, 480, 100),
        (40, Codec::Opus, 1_920, 25),
        (60, Codec::L16 { rate_hz: 16_000 }, 960, 16),
    ] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, codec, Voice::Silence);
        hall.join(ROOM, codec, Voice::Tone(440.0, 8_000.0));
        hall.agree(ana, |stream| stream.ptime_ms = ptime_ms);
        hall.run_ms(1_010);
        check_continuity(&hall.phones[ana], units);
        let sent = hall.phones[ana].packets().len();
        assert!(sent.abs_diff(packets) <= 2, "{codec:?} at {ptime_ms} ms: {sent} packets a second");
        let level = hall.phones[ana].level_dbfs(440.0);
        assert!((level + 12.2).abs() < 0.5, "{codec:?} at {ptime_ms} ms: {level:.1} dBFS");
    }
}

#[test]
fn a_stream_that_may_not_send_is_silent_and_its_time_passes() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(100);
    hall.agree(ana, |stream| stream.sends = false);
    let before = hall.phones[ana].packets().len();
    hall.run_ms(200);
    assert_eq!(hall.phones[ana].packets().len(), before);
    hall.agree(ana, |stream| stream.sends = true);
    hall.run_ms(100);
    let packets = hall.phones[ana].packets();
    let (last, next) = (packets[before - 1], packets[before]);
    assert_eq!(next.sequence, last.sequence.wrapping_add(1));
    assert_eq!(next.timestamp.wrapping_sub(last.timestamp), 11 * 160);
    assert!(next.marker);
}

#[test]
fn a_held_leg_hears_its_player_without_a_gap() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.join(ROOM, Codec::Pcmu, Voice::Tone(718.0, 8_000.0));
    hall.run_ms(200);
    let leg = hall.phones[ana].leg;
    let batch = hall.plane.apply(vec![
        Command::Route { leg, emit: 0, hear: 0 },
        Command::Play { leg, playback: PlaybackId(1), sound: hum(330), loops: 0 },
    ]);
    while !hall.events.iter().any(|event| matches!(event, Event::Applied { batch: done, .. } if *done == batch)) {
        hall.run_ms(2);
    }
    let from = hall.phones[ana].heard.len();
    hall.run_ms(700);
    let heard = &hall.phones[ana].heard[from..];
    let expected: Vec<i16> = (0..8 * 330).map(|i| (8_000.0 * (f64::from(i) * 0.35).sin()) as i16).collect();
    // The whole loop, again and again from where the acknowledgement came, within the steps of µ-law.
    let is_looped = |start: usize| {
        heard.iter().enumerate().all(|(i, &sample)| {
            let expected = expected[(start + i) % expected.len()];
            (i32::from(sample) - i32::from(expected)).abs() <= 16 + i32::from(expected).abs() / 16
        })
    };
    assert!((0..=640).step_by(160).any(is_looped), "the sound and nothing else, all along");
    let room_dbfs = ear::level_dbfs(&heard[160..160 + 4_000], 8_000.0, 718.0);
    assert!(room_dbfs <= -60.0, "one tick after the acknowledgement the room is heard at {room_dbfs:.1} dBFS");
}

#[test]
fn sounds_end_once() {
    let mut hall = Hall::new(1);
    let ana = hall.open(ROOM, Codec::Pcmu, Voice::Silence);
    let leg = hall.phones[ana].leg;
    hall.run_ms(40);
    let play = |playback| Command::Play { leg, playback: PlaybackId(playback), sound: hum(100), loops: 1 };
    hall.plane.apply(vec![play(1)]);
    hall.run_ms(50);
    hall.plane.apply(vec![play(2)]); // replaces the first before its end
    hall.run_ms(200);
    hall.plane.apply(vec![play(3), Command::StopPlay { leg }]);
    let announce = |room, playback| Command::Announce { room, playback: PlaybackId(playback), sound: hum(100) };
    hall.plane.apply(vec![announce(ROOM, 4), announce(ROOM, 5), announce(RoomId(99), 6)]);
    hall.run_ms(300);
    hall.plane.apply(vec![announce(ROOM, 7), Command::CloseLeg { leg }]);
    hall.run_ms(100);
    let ends: Vec<u64> = (hall.events.iter())
        .filter_map(|event| match event {
            Event::PlaybackEnded { playback, .. } | Event::AnnouncementEnded { playback, .. } => Some(playback.0),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [2, 6, 4, 5, 7]);
}

#[test]
fn an_announcement_is_heard_by_all_who_hear_the_conversation() {
    let mut hall = Hall::new(1);
    let codecs = [Codec::Pcmu, Codec::Opus, Codec::Pcmu];
    let phones = codecs.map(|codec| hall.join(ROOM, codec, Voice::Silence));
    hall.route(phones[2], 0, 0); // on hold
    hall.run_ms(100);
    hall.plane.apply(vec![Command::Announce { room: ROOM, playback: PlaybackId(1), sound: hum(1_000) }]);
    hall.run_ms(800);
    let tone_hz = 0.35 * 8_000.0 / std::f64::consts::TAU;
    for (phone, expected_dbfs) in phones.into_iter().zip([-12.2, -12.2, -200.0]) {
        let level = hall.phones[phone].level_dbfs(tone_hz);
        assert!((level - expected_dbfs).abs() < 0.5 || level < -60.0 && expected_dbfs < -60.0, "{phone}: {level:.1}");
    }
}

/// A phone whose samples count: each packet carries one value, and the next packet another.
pub(crate) fn counting(hall: &mut Hall, phone: usize, packets: std::ops::Range<i16>) {
    for value in packets {
        hall.phones[phone].voice = Voice::Level(LEVELS[value as usize % LEVELS.len()]);
        hall.run_ms(20);
    }
}

/// Of whoever counts, every value is heard for 160 samples and in its turn.
pub(crate) fn check_counted(heard: &[i16], case: &str) {
    let mut runs: Vec<(i16, usize)> = Vec::new();
    for &sample in heard {
        match runs.last_mut() {
            Some((value, count)) if *value == sample => *count += 1,
            _ => runs.push((sample, 1)),
        }
    }
    assert!(runs.len() > 10, "{case}: {} runs", runs.len());
    for pair in runs.windows(2) {
        let at = LEVELS.iter().position(|&level| level == pair[0].0).expect("a value that was sent");
        assert_eq!(pair[0].1, 160, "{case}: no sample lost, none repeated: {runs:?}");
        assert_eq!(pair[1].0, LEVELS[(at + 1) % LEVELS.len()], "{case}: {runs:?}");
    }
}

/// Values that µ-law keeps as they are.
const LEVELS: [i16; 5] = [924, 1_052, 1_180, 1_308, 1_436];

#[test]
fn a_leg_changes_thread_under_talk() {
    for threads in [1, 2] {
        let mut hall = Hall::new(threads);
        let other = RoomId(2);
        // Legs in both rooms, so that they are open, in different slots, and with two threads on different ones.
        let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
        let ben = hall.join(other, Codec::Pcmu, Voice::Nothing);
        counting(&mut hall, ana, 0..20);
        let (leg, before) = (hall.phones[ana].leg, hall.phones[ana].packets().len());
        hall.plane.apply(vec![Command::Move { leg, room: other, emit: MAIN, hear: MAIN }]);
        let batch = hall.plane.apply(vec![Command::Route { leg, emit: MAIN, hear: MAIN }]);
        let mut gap_ms = 0;
        let mut gap_ms_max = 0;
        let mut sent = before;
        for value in 20..40_usize {
            hall.phones[ana].voice = Voice::Level(LEVELS[value % LEVELS.len()]);
            for _ in 0..10 {
                hall.run_ms(2);
                gap_ms += 2;
                if hall.phones[ana].packets().len() > sent {
                    sent = hall.phones[ana].packets().len();
                    gap_ms_max = gap_ms.max(gap_ms_max);
                    gap_ms = 0;
                }
            }
        }
        assert!(gap_ms_max <= 40, "{threads} threads: a gap of {gap_ms_max} ms");
        assert!(hall.events.iter().any(|event| matches!(event, Event::Applied { batch: done, .. } if *done == batch)));
        check_continuity(&hall.phones[ana], 160);

        // From the end of the fade on.
        let heard = &hall.phones[ben].heard;
        let begin = heard.iter().position(|&sample| sample > NOISE_PEAK).expect("something heard") + 160;
        check_counted(&heard[begin.next_multiple_of(160)..], &format!("{threads} threads"));
        let stats = hall.close(ana);
        assert_eq!((stats.lost, stats.late, stats.concealed_ms), (0, 0, 0), "{threads} threads");
    }
}

#[test]
fn one_worker_and_four_send_the_same() {
    let run = |threads: usize| {
        let mut hall = Hall::new(threads);
        let codecs = [Codec::Pcmu, Codec::G722, Codec::Pcma, Codec::Opus];
        for number in 0..24_usize {
            let voice = Voice::Tone(300.0 + 70.0 * number as f64, 4_000.0);
            hall.join(RoomId(1 + number as u64 / 3), codecs[number % 4], voice);
        }
        // Losses come from the packet's own numbers, so that they are the same in every run.
        let passes = |phone: usize, sequence: u16| !(usize::from(sequence) * 31 + phone * 7).is_multiple_of(23);
        hall.run_ms_with(300, passes);
        for phone in [0, 5, 9] {
            let leg = hall.phones[phone].leg;
            hall.plane.apply(vec![Command::Move { leg, room: RoomId(7), emit: MAIN, hear: MAIN }]);
            hall.plane.apply(vec![Command::Play { leg, playback: PlaybackId(1), sound: hum(90), loops: 1 }]);
        }
        hall.run_ms_with(300, passes);
        hall.route(3, 0, MAIN);
        hall.route(4, 2, MAIN);
        hall.close(2);
        hall.run_ms_with(300, passes);
        hall.phones.into_iter().map(|phone| phone.datagrams).collect::<Vec<_>>()
    };
    let one = run(1);
    for threads in [2, 4] {
        assert!(one == run(threads), "{threads} threads send something else than one");
    }
    assert!(one.iter().all(|datagrams| !datagrams.is_empty()));
}

#[test]
fn packets_from_elsewhere() {
    let elsewhere: SocketAddr = "203.0.113.5:5004".parse().expect("an address");
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    let ben = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(100);
    let port = hall.phones[ana].port;
    assert_eq!(hall.network.lock().connected.get(&port), Some(&hall.phones[ana].address));
    for _ in 0..20 {
        let injected = hall.phones[ben].packet(0, &[0x80; 160]);
        hall.network.send(port, elsewhere, &injected);
        hall.run_ms(20);
    }
    assert!(hall.phones[ben].last_ms(300).iter().all(|&sample| sample.abs() < NOISE_PEAK), "nothing of it is heard");
    assert!(hall.network.take(elsewhere).is_empty(), "and nothing is sent there");
}

/// What ben hears of packets that reach ana's leg from anywhere: bytes 0x80 are a level nobody else speaks at.
const FROM_ELSEWHERE: i16 = 32_124;

/// Sends to a phone's leg from another address, 50 packets a second; returns how many the leg sent there.
fn send_from(hall: &mut Hall, phone: usize, source: SocketAddr, ms: u64) -> usize {
    hall.network.take(source);
    let port = hall.phones[phone].port;
    let ssrc = u32::from(source.port());
    for number in 0..ms / 20 {
        let (sequence, timestamp) = (number as u16, number as u32 * 160);
        let payload = &[0x80; 160];
        let packet = rtp::Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc, payload };
        let mut datagram = [0; 172];
        packet.write(&mut datagram).expect("room for it");
        hall.network.send(port, source, &datagram);
        hall.run_ms(20);
    }
    hall.network.take(source).len()
}

#[test]
fn a_phone_behind_a_nat_is_found_and_kept() {
    let outside: SocketAddr = "203.0.113.5:61000".parse().expect("an address");
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Nothing);
    let ben = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.agree(ana, |stream| stream.remote = "10.1.2.3:4000".parse().ok());
    assert!(send_from(&mut hall, ana, outside, 10_000) > 490, "it is sent to where it speaks from");
    assert!(hall.phones[ben].last_ms(300).iter().all(|&sample| sample == FROM_ELSEWHERE), "and is heard");
    let stranger: SocketAddr = "198.51.100.66:9".parse().expect("an address");
    assert_eq!(send_from(&mut hall, ana, stranger, 5_000), 0, "also after silence, nobody else is");
    assert!(hall.phones[ben].last_ms(300).iter().all(|&sample| sample.abs() < NOISE_PEAK));
    let other_port = SocketAddr::new(outside.ip(), 61_001);
    assert!(send_from(&mut hall, ana, other_port, 1_000) > 40, "but the phone, where the NAT forgot it");
}

#[test]
fn a_phone_that_falls_silent_is_not_replaced_by_a_stranger() {
    let stranger: SocketAddr = "203.0.113.5:61000".parse().expect("an address");
    let neighbour = |phone: SocketAddr| SocketAddr::new(phone.ip(), 61_000);
    for (same_host, taken) in [(false, false), (true, true)] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
        let ben = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
        hall.run_ms(1_000);
        hall.phones[ana].voice = Voice::Nothing;
        hall.run_ms(3_300);
        let source = if same_host { neighbour(hall.phones[ana].address) } else { stranger };
        assert_eq!(send_from(&mut hall, ana, source, 2_000) > 0, taken);
        let heard = hall.phones[ben].last_ms(300).contains(&FROM_ELSEWHERE);
        assert_eq!(heard, taken, "same host: {same_host}");

        hall.phones[ana].voice = Voice::Level(924);
        hall.run_ms(40);
        assert_eq!(send_from(&mut hall, ana, source, 2_000), 0, "the phone was there first");
        assert!(hall.phones[ben].last_ms(300).iter().all(|&sample| sample == 924), "the phone is heard again");
        assert!(hall.phones[ana].packets().len() > 200, "and hears");
    }
}

#[test]
fn a_phone_that_speaks_late_displaces_a_stranger() {
    let stranger: SocketAddr = "203.0.113.5:61000".parse().expect("an address");
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Nothing);
    let ben = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    send_from(&mut hall, ana, stranger, 2_600);
    hall.phones[ana].voice = Voice::Level(924);
    send_from(&mut hall, ana, stranger, 100);
    assert_eq!(send_from(&mut hall, ana, stranger, 2_000), 0);
    assert!(hall.phones[ben].last_ms(300).iter().all(|&sample| sample == 924));
    let (port, address) = (hall.phones[ana].port, hall.phones[ana].address);
    assert_eq!(hall.network.lock().connected.get(&port), Some(&address));
}

#[test]
fn a_phone_on_hold_keeps_its_place() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    let ben = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(500);
    let (port, address) = (hall.phones[ana].port, hall.phones[ana].address);
    hall.phones[ana].voice = Voice::Nothing;
    hall.agree(ana, |stream| stream.receives = false);
    let neighbour = SocketAddr::new(address.ip(), 61_000);
    assert_eq!(send_from(&mut hall, ana, neighbour, 10_000), 0);
    hall.agree(ana, |stream| stream.receives = true);
    assert_eq!(send_from(&mut hall, ana, neighbour, 2_500), 0, "nor is it missed as soon as hold is over");
    assert_eq!(hall.network.lock().connected.get(&port), Some(&address));
    hall.phones[ana].voice = Voice::Level(924);
    hall.run_ms(500);
    assert!(hall.phones[ben].last_ms(300).iter().all(|&sample| sample == 924));
}

#[test]
fn a_phone_that_moves_by_re_invite_is_followed() {
    let new: SocketAddr = "203.0.113.5:61000".parse().expect("an address");
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    let ben = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(500);
    hall.agree(ana, |stream| stream.remote = Some(new));
    // Its last packets from where it was are still under way.
    assert!(send_from(&mut hall, ana, new, 1_000) >= 49);
    assert!(hall.phones[ben].last_ms(300).iter().all(|&sample| sample == FROM_ELSEWHERE));
    assert_eq!(hall.network.lock().connected.get(&hall.phones[ana].port), Some(&new));
}

#[test]
fn digits_are_reported_once() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(100);
    let (leg, port, address) = (hall.phones[ana].leg, hall.phones[ana].port, hall.phones[ana].address);
    hall.phones[ana].voice = Voice::Nothing;
    let timestamp = hall.phones[ana].timestamp;
    for (end, duration) in [(0, 160_u16), (0, 320), (0x80, 480), (0x80, 480), (0x80, 480)] {
        let [high, low] = duration.to_be_bytes();
        hall.phones[ana].timestamp = timestamp;
        let packet = hall.phones[ana].packet(crate::hall::EVENT_TYPE, &[5, end | 10, high, low]);
        hall.network.send(port, address, &packet);
        hall.run_ms(20);
    }
    hall.run_ms(300);
    let digits: Vec<&Event> = hall.events.iter().filter(|event| matches!(event, Event::Digit { .. })).collect();
    assert_eq!(digits, [&Event::Digit { leg, digit: '5', duration_ms: 60, in_audio: false }]);
}

#[test]
fn silence_of_the_network_is_reported_and_repeated() {
    let mut hall = Hall::with(media::Config { rtp_timeout: std::time::Duration::from_secs(2), ..config(1) });
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(3_000);
    assert!(!hall.events.iter().any(|event| matches!(event, Event::Quiet { .. })));
    hall.phones[ana].voice = Voice::Nothing;
    hall.run_ms(4_500);
    let quiet: Vec<u64> = (hall.events.iter())
        .filter_map(|event| if let Event::Quiet { since_ms, .. } = event { Some(since_ms / 100) } else { None })
        .collect();
    assert_eq!(quiet, [20, 40]);
}

#[test]
fn reports_go_out_and_come_in() {
    for rtcp_mux in [true, false] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, Codec::Pcmu, Voice::Tone(440.0, 8_000.0));
        hall.agree(ana, |stream| stream.rtcp_mux = rtcp_mux);
        let control =
            if rtcp_mux { hall.phones[ana].address } else { SocketAddr::new(hall.phones[ana].address.ip(), 4_001) };
        let mut reports = Vec::new();
        let mut asked = false;
        for _ in 0..150 {
            hall.run_ms(100);
            reports.extend(hall.network.take(control));
            reports.extend(hall.phones[ana].datagrams.extract_if(.., |datagram| rtcp::is_rtcp(datagram)));
            if let (Some(packet), false) = (hall.phones[ana].packets().last(), asked) {
                asked = true;
                let block = rtcp::ReportBlock { ssrc: packet.ssrc, lost: 7, jitter: 80, ..Default::default() };
                let mut datagram = [0; 200];
                let len = rtcp::write_report(&mut datagram, 1_000, None, Some(block), "ana").expect("room");
                let port = hall.phones[ana].port + u16::from(!rtcp_mux);
                hall.network.send(port, control, &datagram[..len]);
            }
        }
        assert!((2..=6).contains(&reports.len()), "{} reports in 15 s", reports.len());
        let first = rtcp::packets(&reports[1]).next().expect("a packet").expect("well formed");
        let rtcp::Packet::SenderReport { sent, mut blocks, .. } = first else { panic!("{first:?}") };
        assert!(sent.packets > 100);
        assert_eq!(blocks.next().map(|block| (block.ssrc, block.lost)), Some((1_000, 0)));
        let stats = hall.close(ana);
        assert_eq!((stats.peer_lost, stats.peer_jitter_us), (7, 10_000), "mux {rtcp_mux}");
        reports.extend(hall.network.take(control));
        reports.extend(hall.phones[ana].datagrams.extract_if(.., |datagram| rtcp::is_rtcp(datagram)));
        let last = reports.last().expect("a report");
        assert!(rtcp::packets(last).any(|packet| matches!(packet, Ok(rtcp::Packet::Bye { .. }))), "says BYE");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever bytes arrive on either port, from whomever: no panic, and the leg goes on.
    #[test]
    fn any_datagram_is_survived(
        datagrams in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), 1..40),
        as_rtp in proptest::prelude::any::<bool>(),
        mux in proptest::prelude::any::<bool>(),
    ) {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, Codec::Opus, Voice::Silence);
        let ben = hall.join(ROOM, Codec::G722, Voice::Nothing);
        hall.agree(ana, |stream| stream.rtcp_mux = mux);
        hall.run_ms(60);
        let (port, address) = (hall.phones[ana].port, hall.phones[ana].address);
        for datagram in &datagrams {
            let datagram = if as_rtp { hall.phones[ana].packet(111, datagram) } else { datagram.clone() };
            hall.network.send(port, address, &datagram);
            hall.network.send(port + 1, address, &datagram);
            hall.run_ms(20);
        }
        hall.run_ms(1_000);
        check_continuity(&hall.phones[ana], 960);
        check_continuity(&hall.phones[ben], 160);
    }
}
