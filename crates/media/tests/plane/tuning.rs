//! What a leg that is tuned sounds like to the others, and that nobody else sounds different.

use std::f64::consts::TAU;

use media::{Codec, Command, Event, JitterBuffer, MAIN, Tuning};
use model::RoomId;

use crate::ear::{splatter_dbov, total_dbov};
use crate::hall::{Hall, ROOM, Voice};

fn tune(hall: &mut Hall, phone: usize, tuning: Tuning) -> u64 {
    let leg = hall.phones[phone].leg;
    hall.plane.apply(vec![Command::Tune { leg, tuning }])
}

fn gain(gain_db: i8) -> Tuning {
    Tuning { gain_db, ..Tuning::default() }
}

const SUPPRESSED: Tuning =
    Tuning { gain_db: 0, noise_suppression: true, jitter_buffer: JitterBuffer::Large, data_mode: false };

#[test]
fn gain_is_heard_as_asked_for_by_everybody_and_of_nobody_else() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16 { rate_hz: 16_000 }, Codec::Opus] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, codec, Voice::Tone(442.0, 1_500.0));
        let ben = hall.join(ROOM, codec, Voice::Tone(998.0, 1_500.0));
        let cho = hall.join(ROOM, Codec::L16 { rate_hz: 16_000 }, Voice::Silence);
        hall.run_ms(1_000);
        let levels = |hall: &Hall| {
            [(ben, 442.0), (cho, 442.0), (ana, 998.0), (cho, 998.0)]
                .map(|(phone, hz)| hall.phones[phone].level_dbfs(hz))
        };
        let before = levels(&hall);
        for gain_db in [-12, -7, 1, 6, 20, 0] {
            tune(&mut hall, ana, gain(gain_db));
            hall.run_ms(600);
            let after = levels(&hall);
            let asked = f64::from(gain_db);
            for (i, want) in [asked, asked, 0.0, 0.0].into_iter().enumerate() {
                let change = after[i] - before[i];
                assert!((change - want).abs() < 0.3, "{codec:?}, {gain_db} dB: ear {i} hears {change:.2} dB more");
            }
        }
    }
}

#[test]
fn a_tuning_that_changes_nothing_changes_no_bit() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Level(988));
    let ben = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(200);
    for tuning in [Tuning::default(), Tuning { data_mode: true, gain_db: 9, ..SUPPRESSED }, gain(0)] {
        tune(&mut hall, ana, tuning);
        hall.run_ms(1_000); // in data mode, the longest jitter is waited for first
        assert!(hall.phones[ben].last_ms(200).iter().all(|&sample| sample == 988), "{tuning:?}");
    }
    for tuning in [gain(12), SUPPRESSED] {
        tune(&mut hall, ana, tuning);
        hall.run_ms(200);
        assert!(hall.phones[ben].last_ms(20).iter().all(|&sample| sample != 988), "{tuning:?}");
        tune(&mut hall, ana, Tuning::default());
        hall.run_ms(200);
        assert!(hall.phones[ben].last_ms(100).iter().all(|&sample| sample == 988), "back from {tuning:?}");
    }
}

#[test]
fn too_much_gain_clips_and_never_wraps() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::L16 { rate_hz: 16_000 }, Voice::Level(20_000));
    let ben = hall.join(ROOM, Codec::L16 { rate_hz: 16_000 }, Voice::Silence);
    hall.run_ms(500);
    for (gain_db, sign) in [(20, 1), (i8::MAX, 1), (i8::MIN, 1), (20, -1)] {
        hall.phones[ana].voice = Voice::Level(sign * 20_000);
        tune(&mut hall, ana, gain(gain_db));
        hall.run_ms(500);
        let loud = hall.phones[ben].last_ms(100).iter().all(|&sample| i32::from(sample) * i32::from(sign) > 25_000);
        let soft = hall.phones[ben].last_ms(100).iter().all(|&sample| (1_990..=2_010).contains(&sample));
        assert_eq!((loud, soft), (gain_db > 0, gain_db < 0), "{gain_db} dB");
    }
}

#[test]
fn no_change_of_gain_is_heard_as_a_click() {
    for (from_db, to_db) in [(0, 6), (6, -6), (-20, 0), (0, -1)] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, Codec::Pcmu, Voice::Tone(402.0, 4_000.0));
        let ben = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
        tune(&mut hall, ana, gain(from_db));
        hall.run_ms(1_000);
        let before_dbov = splatter_dbov(hall.phones[ben].last_ms(400));
        tune(&mut hall, ana, gain(to_db));
        hall.run_ms(450);
        let while_dbov = splatter_dbov(hall.phones[ben].last_ms(450));
        hall.run_ms(450);
        let after_dbov = splatter_dbov(hall.phones[ben].last_ms(400));
        let floor_dbov = before_dbov.max(after_dbov);
        assert!(while_dbov <= floor_dbov + 3.0, "{from_db} to {to_db} dB: {while_dbov:.1} of {floor_dbov:.1} dBov");
    }
}

/// As a fan sounds: many steady tones without any order, weaker the higher they are.
const FAN: Voice = Voice::Sound(|i, rate| {
    let tone = |k: u64| {
        let hz = 90.0 + 37.7 * k as f64 + (k * k % 23) as f64;
        (TAU * hz * i as f64 / rate + (k * k * 7 % 11) as f64).sin() * 400.0 / (1.0 + k as f64 / 6.0)
    };
    (0..80).map(tone).sum()
});

#[test]
fn noise_is_suppressed_and_another_leg_is_not_touched() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let hear = |tuned: bool| {
            let mut hall = Hall::new(1);
            let ana = hall.join(ROOM, codec, FAN);
            let ben = hall.join(ROOM, codec, Voice::Tone(440.0, 4_000.0));
            hall.route(ben, 2, MAIN); // nobody but cho hears ben, and nobody but dee hears ana
            let cho = hall.join(ROOM, codec, Voice::Silence);
            hall.route(cho, MAIN, 2);
            let dee = hall.join(ROOM, codec, Voice::Silence);
            hall.run_ms(1_000);
            if tuned {
                tune(&mut hall, ana, SUPPRESSED);
            }
            hall.run_ms(2_000);
            let left_dbov = total_dbov(hall.phones[dee].last_ms(500));
            let by_cho = hall.phones[cho].heard.clone();
            tune(&mut hall, ana, Tuning::default());
            hall.run_ms(1_000);
            (left_dbov, total_dbov(hall.phones[dee].last_ms(500)), by_cho)
        };
        let [(plain, _, untouched), (suppressed, back, by_cho)] = [false, true].map(hear);
        assert!(plain > -40.0, "{codec:?}: {plain:.1} dBov of noise");
        assert!(suppressed < plain - 15.0, "{codec:?}: {suppressed:.1} dBov of {plain:.1} are left");
        assert!((back - plain).abs() < 1.0, "{codec:?}: {back:.1} dBov again");
        assert!(untouched == by_cho, "{codec:?}: what cho hears of ben is the same to the bit");
    }
}

#[test]
fn suppression_survives_another_codec_and_another_room_and_comes_before_the_first_agreement() {
    let mut hall = Hall::new(4);
    let ana = hall.connect(ROOM, Codec::Opus, FAN);
    tune(&mut hall, ana, SUPPRESSED);
    hall.agree(ana, |_| {});
    hall.route(ana, MAIN, MAIN);
    let there = RoomId(2);
    let [here, elsewhere] = [ROOM, there].map(|room| hall.join(room, Codec::Pcmu, Voice::Silence));
    let quiet = |hall: &Hall, phone: usize, case: &str| {
        let left = total_dbov(hall.phones[phone].last_ms(500));
        assert!(left < -50.0, "{case}: {left:.1} dBov");
    };
    hall.run_ms(3_000);
    quiet(&hall, here, "tuned before anything was agreed");
    hall.agree(ana, |stream| (stream.codec, stream.payload_type_in, stream.payload_type_out) = (Codec::Pcmu, 0, 0));
    hall.run_ms(3_000);
    quiet(&hall, here, "another codec");
    let leg = hall.phones[ana].leg;
    hall.plane.apply(vec![Command::Move { leg, room: there, emit: MAIN, hear: MAIN }]);
    hall.run_ms(1_000);
    quiet(&hall, elsewhere, "another room");
    tune(&mut hall, ana, Tuning::default());
    hall.run_ms(1_000);
    let plain = total_dbov(hall.phones[elsewhere].last_ms(500));
    assert!(plain > -40.0, "it was there all the time: {plain:.1} dBov");
}

#[test]
fn a_tuning_is_in_force_when_its_batch_is() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Level(988));
    let ben = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(200);
    let batch = tune(&mut hall, ana, gain(-20));
    let mut waited_ms = 0;
    while !hall.events.iter().any(|event| matches!(event, Event::Applied { batch: done, .. } if *done == batch)) {
        hall.run_ms(2);
        waited_ms += 2;
    }
    assert!(waited_ms <= 24, "{waited_ms} ms");
    hall.run_ms(20);
    assert!(hall.phones[ben].last_ms(20).iter().all(|&sample| (90..110).contains(&sample)));
}

#[test]
fn the_jitter_buffer_is_as_asked_for() {
    let late = |jitter_buffer: JitterBuffer| {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, Codec::Pcmu, Voice::Tone(440.0, 8_000.0));
        tune(&mut hall, ana, Tuning { jitter_buffer, ..Tuning::default() });
        for round in 0..500 {
            // Four packets at once, alternately after 60 and after 100 ms.
            let phone = &mut hall.phones[ana];
            let packets: Vec<_> = (0..4).filter_map(|_| phone.speak()).collect();
            phone.voice = Voice::Nothing;
            hall.run_ms(if round % 2 == 0 { 60 } else { 100 });
            let phone = &mut hall.phones[ana];
            phone.voice = Voice::Tone(440.0, 8_000.0);
            let (port, address) = (phone.port, phone.address);
            packets.iter().for_each(|packet| hall.network.send(port, address, packet));
        }
        hall.close(ana).late
    };
    let [off, large] = [JitterBuffer::Off, JitterBuffer::Large].map(late);
    assert!(large < 60 && off > 2 * large.max(50), "late packets: {off} without, {large} with");
}

#[test]
fn digits_are_heard_whatever_becomes_of_the_voice() {
    for tuning in [gain(-20), gain(20), SUPPRESSED, Tuning { data_mode: true, ..gain(3) }] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
        tune(&mut hall, ana, tuning);
        hall.run_ms(600);
        for key in "08".chars() {
            hall.phones[ana].voice = Voice::Key(key);
            hall.run_ms(60);
            hall.phones[ana].voice = Voice::Silence;
            hall.run_ms(60);
        }
        hall.run_ms(800);
        let digit = |event: &Event| match event {
            Event::Digit { digit, .. } => Some(*digit),
            _ => None,
        };
        assert_eq!(hall.events.iter().filter_map(digit).collect::<String>(), "08", "{tuning:?}");
    }
}
