//! How well it sounds: noise, gaps, clicks, and what is left of many who shout at once.

use std::sync::Arc;

use media::{Codec, Command, MAIN, Pages};
use model::{Clip, PlaybackId, RoomId};

use crate::ear::{self, Fit};
use crate::hall::{Hall, NOISE_PEAK, ROOM, Voice};
use crate::hearing::TONES;

/// The coach's own group.
const COACH: u64 = 2;

#[test]
fn a_tone_stands_35_db_above_the_noise_and_33_in_a_mix() {
    // (libopus leaves 34.7 dB at the rate of one voice.)
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16 { rate_hz: 16_000 }] {
        for (case, talkers, snr_db_min) in [("one pass", 1, 35.0), ("in a mix", 3, 33.0)] {
            let mut hall = Hall::new(1);
            for tone in TONES.into_iter().take(talkers) {
                hall.join(ROOM, codec, Voice::Tone(tone, 8_000.0));
            }
            let listener = hall.join(ROOM, codec, Voice::Silence);
            hall.run_ms(1_000);
            let heard = hall.phones[listener].last_ms(500);
            let snr_db = Fit::new(heard, codec.rate_hz().into(), &TONES[..talkers]).snr_db();
            assert!(snr_db >= snr_db_min, "{codec:?}, {case}: {snr_db:.1} dB");
        }
    }
}

#[test]
fn ten_minutes_have_no_gap() {
    let mut hall = Hall::new(1);
    for (number, tone) in TONES.into_iter().enumerate().take(3) {
        hall.join(ROOM, [Codec::Pcmu, Codec::Pcma, Codec::Pcmu][number], Voice::Tone(tone, 8_000.0));
    }
    hall.run_ms(1_000);
    for minute in 0..10 {
        for phone in &mut hall.phones {
            phone.heard.clear();
            phone.datagrams.clear();
        }
        hall.run_ms(60_000);
        for (listener, phone) in hall.phones.iter().enumerate() {
            let others: Vec<f64> = (0..3).filter(|&talker| talker != listener).map(|talker| TONES[talker]).collect();
            assert_eq!(phone.heard.len(), 60_000 * 8, "minute {minute}: what {listener} is sent");
            for (frame, pcm) in phone.heard.chunks(160).enumerate() {
                let snr_db = Fit::new(pcm, 8_000.0, &others).snr_db();
                assert!(snr_db >= 25.0, "minute {minute}, {listener} hears {snr_db:.1} dB in frame {frame}");
            }
        }
    }
}

#[test]
fn many_who_shout_are_heard_evenly_and_nobody_hears_an_echo() {
    for (talkers, listeners_hear) in [(3, 3), (8, 8), (50, 6)] {
        let mut hall = Hall::new(1);
        // At no regular distances: what µ-law adds to a regular sum lies where its tones are.
        let tone_hz = |talker: usize| (304 + 62 * talker + 2 * (talker * talker * 7 % 13)) as f64;
        for talker in 0..talkers {
            hall.join(ROOM, Codec::Pcmu, Voice::Tone(tone_hz(talker), 32_000.0));
        }
        let listener = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
        hall.run_ms(1_500);
        for talker in 0..talkers {
            let echo = hall.phones[talker].level_dbfs(tone_hz(talker));
            assert!(echo <= -50.0, "{talker} of {talkers} hears itself at {echo:.1} dBFS");
        }
        // Even a sum that is far too loud is the sum of what they say, only softer: nothing wraps, little is clipped.
        let heard = &hall.phones[listener];
        let mut levels: Vec<f64> = (0..talkers).map(|talker| heard.level_dbfs(tone_hz(talker))).collect();
        levels.sort_by(|a, b| b.total_cmp(a));
        let whole = &levels[..listeners_hear];
        assert!(whole[0] - whole[listeners_hear - 1] < 1.0, "{talkers}: {whole:.1?}");
        let sum_dbfs = whole[0] + 20.0 * (listeners_hear as f64).log10();
        assert!((-4.0..6.0).contains(&sum_dbfs), "{talkers}: {whole:.1?} add up to {sum_dbfs:.1} dBFS");
        let peak = heard.last_ms(500).iter().map(|sample| sample.unsigned_abs()).max();
        assert!(peak.is_some_and(|peak| peak < 31_000), "{talkers}: {peak:?}");
        let tones: Vec<f64> = (0..talkers).map(tone_hz).collect();
        let snr_db = Fit::new(heard.last_ms(500), 8_000.0, &tones).snr_db();
        assert!(snr_db > 12.0, "{talkers}: {snr_db:.1} dB");
    }
}

fn music() -> Arc<Pages> {
    let sample = |i: usize| (6_000.0 * (std::f64::consts::TAU * 350.0 * i as f64 / 8_000.0).sin()) as i16;
    Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: (0..8_000).map(sample).collect() }))
}

#[test]
fn no_change_is_heard_as_a_click() {
    type Change = fn(&mut Hall) -> Vec<Command>;
    // Ana (0) and ben (1) hum, cho (2) listens; dee (3) hums and is in another room.
    fn leg(hall: &Hall, phone: usize) -> model::LegId {
        hall.phones[phone].leg
    }
    fn route(hall: &Hall, phone: usize, emit: u64, hear: u64) -> Command {
        Command::Route { leg: leg(hall, phone), emit, hear }
    }
    let changes: [(&str, Change, Change); 8] = [
        ("mute, and unmute", |hall| vec![route(hall, 0, 0, MAIN)], |hall| vec![route(hall, 0, MAIN, MAIN)]),
        (
            "hold, and unhold",
            |hall| {
                let play = Command::Play { leg: leg(hall, 0), playback: PlaybackId(1), sound: music(), loops: 0 };
                vec![route(hall, 0, 0, 0), play]
            },
            |hall| vec![Command::StopPlay { leg: leg(hall, 0) }, route(hall, 0, MAIN, MAIN)],
        ),
        (
            "coach, and stop coaching",
            |hall| vec![route(hall, 0, COACH, MAIN), route(hall, 1, MAIN, MAIN | COACH)],
            |hall| vec![route(hall, 0, MAIN, MAIN), route(hall, 1, MAIN, MAIN)],
        ),
        (
            "leave for another room, and come back",
            |hall| vec![Command::Move { leg: leg(hall, 0), room: RoomId(9), emit: MAIN, hear: MAIN }],
            |hall| vec![Command::Move { leg: leg(hall, 0), room: ROOM, emit: MAIN, hear: MAIN }],
        ),
        (
            "hold of the listener, and unhold",
            |hall| vec![route(hall, 2, 0, 0)],
            |hall| vec![route(hall, 2, MAIN, MAIN)],
        ),
        ("an announcement, and another one", |hall| vec![announce(hall, 1)], |hall| vec![announce(hall, 2)]),
        (
            "join, and be kicked",
            |hall| vec![Command::Move { leg: leg(hall, 3), room: ROOM, emit: MAIN, hear: MAIN }],
            |hall| vec![Command::CloseLeg { leg: leg(hall, 3) }],
        ),
        (
            "be kicked, and another one too",
            |hall| vec![Command::CloseLeg { leg: leg(hall, 0) }],
            |hall| vec![Command::CloseLeg { leg: leg(hall, 1) }],
        ),
    ];
    fn announce(_: &Hall, playback: u64) -> Command {
        let sample = |i: usize| (6_000.0 * (std::f64::consts::TAU * 350.0 * i as f64 / 8_000.0).sin()) as i16;
        let sound = Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: (0..1_600).map(sample).collect() }));
        Command::Announce { room: ROOM, playback: PlaybackId(playback), sound }
    }
    let floor = |hall: &Hall| [0, 1, 2].map(|phone: usize| ear::splatter_dbov(hall.phones[phone].last_ms(400)));
    let hall_of = |room_of_dee: RoomId| {
        let mut hall = Hall::new(1);
        hall.join(ROOM, Codec::Pcmu, Voice::Tone(402.0, 8_000.0));
        hall.join(ROOM, Codec::Pcmu, Voice::Tone(718.0, 8_000.0));
        hall.join(ROOM, Codec::Pcmu, Voice::Silence);
        hall.join(room_of_dee, Codec::Pcmu, Voice::Tone(586.0, 8_000.0));
        hall.run_ms(1_000);
        hall
    };
    // The noise of G.711 itself, with as much to be heard as there ever is.
    let noise_dbov = floor(&hall_of(ROOM));
    for (name, change, back) in changes {
        let mut hall = hall_of(RoomId(9));
        for what in [change, back] {
            let commands = what(&mut hall);
            hall.plane.apply(commands);
            hall.run_ms(450);
            for (phone, residual) in floor(&hall).into_iter().enumerate() {
                let floor = noise_dbov[phone];
                assert!(residual <= floor + 3.0, "{name}: {phone} hears {residual:.1} dBov, G.711 alone {floor:.1}");
            }
        }
    }
}

#[test]
fn what_ends_fades_within_10_ms() {
    let change = |name: &str, hall: &mut Hall, phones: [usize; 2]| match name {
        "mute" => drop(hall.route(phones[0], 0, 1)),
        "hold" => drop(hall.route(phones[1], 0, 0)),
        "leave" => drop(hall.plane.apply(vec![Command::CloseLeg { leg: hall.phones[phones[0]].leg }])),
        _ => drop(hall.plane.apply(vec![Command::Move {
            leg: hall.phones[phones[0]].leg,
            room: RoomId(9),
            emit: 1,
            hear: 1,
        }])),
    };
    for name in ["mute", "hold", "leave", "move"] {
        let mut hall = Hall::new(1);
        let talker = hall.join(ROOM, Codec::Pcmu, Voice::Tone(402.0, 8_000.0));
        let listener = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
        hall.run_ms(500);
        change(name, &mut hall, [talker, listener]);
        hall.run_ms(200);
        let heard = hall.phones[listener].last_ms(300);
        let quiet_from = heard.iter().rposition(|&sample| sample.abs() > NOISE_PEAK).expect("the tone before");
        let loud_until = heard.iter().rposition(|&sample| sample.abs() > 7_000).expect("the tone before");
        let fade_ms = (quiet_from - loud_until) as f64 / 8.0;
        assert!((4.0..14.0).contains(&fade_ms), "{name}: fades over {fade_ms} ms");
    }
}
