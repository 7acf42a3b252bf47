//! Rooms too large for one thread: in several shares, they sound as in one.

use std::sync::Arc;

use media::{Codec, Command, Config, Event, MAIN, Pages};
use model::{Clip, PlaybackId, RoomId};
use proptest::prelude::*;

use crate::ear::level_dbfs;
use crate::hall::{Hall, NOISE_PEAK, Phone, ROOM, Voice, config};
use crate::streams::{check_continuity, check_counted, counting};

/// A room on this many threads, two legs on each before the next one is used.
fn small_shares(threads: usize) -> Hall {
    Hall::with(Config { share_legs_max: 2, ..config(threads) })
}

fn sound(ms: usize, hz: f64) -> Arc<Pages> {
    let samples = (0..8 * ms).map(|i| (6_000.0 * (i as f64 * hz / 8_000.0 * std::f64::consts::TAU).sin()) as i16);
    Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: samples.collect() }))
}

/// What a phone was sent is the same, but for a packet that is under way a slot longer.
fn check_same(one: &Phone, other: &Phone, case: &str) {
    let both = one.datagrams.iter().zip(&other.datagrams);
    let different = both.clone().position(|(one, other)| one != other);
    assert_eq!(different, None, "{case}: packet of {} and {}", one.datagrams.len(), other.datagrams.len());
    assert!(one.datagrams.len().abs_diff(other.datagrams.len()) <= 1, "{case}");
    assert!(both.len() > 10, "{case}: {} packets", both.len());
}

/// Shares there are now.
fn shares(hall: &Hall) -> u64 {
    hall.plane.stats().iter().map(|thread| thread.rooms.get()).sum()
}

/// Parts that shares had to mix without.
fn missed(hall: &Hall) -> u64 {
    hall.plane.stats().iter().map(|thread| thread.parts_missed.get()).sum()
}

/// What has been told of rooms, not of legs: of one room after the other, since those on several threads tell it a
/// slot later.
fn told(hall: &Hall) -> Vec<Event> {
    let room = |event: &Event| match event {
        Event::AnnouncementEnded { room, .. } | Event::Speaker { room, .. } => Some(*room),
        _ => None,
    };
    let mut told: Vec<Event> = hall.events.iter().filter(|&event| room(event).is_some()).cloned().collect();
    told.sort_by_key(|event| room(event).map(|room| room.0));
    told
}

/// A conference with all there is: joins and leaves, three rates, mute, hold, a coach, a sound for all and one for one,
/// packets that are lost, more open microphones than are heard whole.
fn conference(mut hall: Hall) -> Hall {
    let codecs = [Codec::Pcmu, Codec::G722, Codec::Pcma, Codec::L16 { rate_hz: 16_000 }];
    let lossy = |phone: usize, sequence: u16| !(usize::from(sequence) * 31 + phone * 7).is_multiple_of(23);
    for number in 0..6 {
        hall.join(ROOM, codecs[number % 4], Voice::Tone(301.0 + 97.0 * number as f64, 5_000.0));
        hall.run_ms_with(110, lossy);
    }
    hall.route(1, 0, MAIN); // muted
    hall.run_ms_with(130, lossy);
    hall.route(2, 2, MAIN); // coaches 3
    hall.route(3, MAIN, MAIN | 2);
    hall.run_ms_with(150, lossy);
    let leg = hall.phones[4].leg;
    hall.plane.apply(vec![
        Command::Route { leg, emit: 0, hear: 0 },
        Command::Play { leg, playback: PlaybackId(1), sound: sound(170, 500.0), loops: 0 },
    ]);
    hall.run_ms_with(210, lossy);
    let announce =
        |playback| Command::Announce { room: ROOM, playback: PlaybackId(playback), sound: sound(250, 880.0) };
    hall.plane.apply(vec![announce(2), announce(3)]);
    for number in 6..14 {
        hall.join(ROOM, codecs[number % 4], Voice::Tone(1_301.0 + 97.0 * number as f64, 900.0 * number as f64));
        hall.run_ms_with(50, lossy);
    }
    hall.plane.apply(vec![Command::StopPlay { leg }, Command::Route { leg, emit: MAIN, hear: MAIN }]);
    hall.route(1, MAIN, MAIN);
    hall.route(2, MAIN, MAIN);
    hall.route(3, MAIN, MAIN);
    hall.run_ms_with(370, lossy);
    for phone in [0, 7, 8, 9, 10, 11, 13] {
        hall.close(phone);
        hall.run_ms_with(30, lossy);
    }
    hall.run_ms_with(300, lossy);
    hall
}

#[test]
fn a_room_sounds_the_same_in_one_share_and_in_several() {
    let one = conference(small_shares(1));
    assert_eq!(shares(&one), 1);
    for threads in [2, 4] {
        let several = conference(small_shares(threads));
        assert!(shares(&several) > 1);
        assert_eq!(missed(&several), 0, "{threads} threads");
        for (number, (one, other)) in one.phones.iter().zip(&several.phones).enumerate() {
            check_same(one, other, &format!("phone {number} on {threads} threads"));
        }
        assert_eq!(told(&one), told(&several), "{threads} threads");
        assert!(told(&one).len() > 3);
    }
}

#[test]
fn all_rates_meet_in_several_shares() {
    let codecs = [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::L16 { rate_hz: 16_000 }, Codec::Opus, Codec::Pcma];
    let tones = [402.5, 717.5, 1_132.5, 1_477.5, 1_907.5, 2_302.5];
    let mut hall = small_shares(3);
    let phones: Vec<usize> = (codecs.iter().zip(tones))
        .map(|(&codec, hz)| {
            hall.run_ms(60); // the later ones come into a room that is heard already
            hall.join(ROOM, codec, Voice::Tone(hz, 4_000.0))
        })
        .collect();
    let listens_only = hall.join(ROOM, Codec::Opus, Voice::Silence);
    hall.run_ms(1_500);
    assert_eq!((shares(&hall), missed(&hall)), (3, 0));
    for listener in phones.iter().copied().chain([listens_only]) {
        for (talker, hz) in phones.iter().copied().zip(tones) {
            let level = hall.phones[listener].level_dbfs(hz);
            // libopus shifts each of several tones a little
            let is_right = if listener == talker { level < -50.0 } else { (level + 18.3).abs() < 1.5 };
            assert!(is_right, "{listener} hears {talker} at {level:.2} dBFS");
        }
    }
}

#[test]
fn a_thousand_legs_in_one_room_on_one_thread_and_on_two() {
    let [one, two] = [1, 2].map(|threads| {
        let mut hall = Hall::with(Config { room_legs_max: 1_000, ..config(threads) });
        for number in 0..1_000 {
            let tone = Voice::Tone(301.0 + 13.0 * f64::from(number), 6_000.0);
            let voice = if number % 300 == 1 { tone } else { Voice::Nothing };
            hall.join(ROOM, Codec::Pcmu, voice);
            if number % 100 == 0 {
                hall.run_ms(20); // as many orders as a thread takes at once
            }
        }
        hall.run_ms(260);
        hall
    });
    let legs = |hall: &Hall| hall.plane.stats().iter().map(|thread| thread.legs.get()).collect::<Vec<_>>();
    assert_eq!((legs(&one), legs(&two)), (vec![1_000], vec![500, 500]));
    assert_eq!(missed(&two), 0);
    for (number, (one, other)) in one.phones.iter().zip(&two.phones).enumerate() {
        check_same(one, other, &format!("phone {number}"));
        let is_heard = |&sample: &i16| sample > 4_000;
        assert!(one.last_ms(100).iter().any(is_heard), "phone {number} hears who speaks");
    }
}

#[test]
fn a_room_splits_and_grows_together_under_talk() {
    let mut hall = small_shares(3);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Nothing);
    let ben = hall.join(ROOM, Codec::Pcmu, Voice::Nothing);
    counting(&mut hall, ana, 0..10);
    let from = hall.phones[ben].heard.len();
    let others = [(); 4].map(|()| {
        let other = hall.join(ROOM, Codec::Pcmu, Voice::Nothing);
        counting(&mut hall, ana, 10..15);
        other
    });
    assert_eq!(shares(&hall), 3);
    for other in others {
        let leg = hall.phones[other].leg;
        hall.plane.apply(vec![Command::CloseLeg { leg }]);
        counting(&mut hall, ana, 10..15);
    }
    assert_eq!(shares(&hall), 1);
    check_counted(&hall.phones[ben].heard[from..], "ben");
    for phone in [ana, ben] {
        check_continuity(&hall.phones[phone], 160);
    }
    assert_eq!(missed(&hall), 0);
}

#[test]
fn a_leg_changes_thread_into_and_out_of_rooms_of_several_shares() {
    let rooms = [ROOM, RoomId(2), RoomId(3)];
    for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        // Two others in the first room, so that with her there are two shares; in the others enough for two, and three.
        let [one, three] = [1, 3].map(|threads| {
            let mut hall = small_shares(threads);
            let ana = hall.join(rooms[from], Codec::Pcmu, Voice::Nothing);
            for (room, count) in rooms.into_iter().zip([2, 3, 5]) {
                for _ in 0..count {
                    hall.join(room, Codec::Pcmu, Voice::Nothing);
                }
            }
            counting(&mut hall, ana, 0..10);
            let leg = hall.phones[ana].leg;
            hall.plane.apply(vec![Command::Move { leg, room: rooms[to], emit: MAIN, hear: MAIN }]);
            counting(&mut hall, ana, 10..30);
            check_continuity(&hall.phones[ana], 160);
            assert_eq!(missed(&hall), 0, "{from} to {to}");
            let stats = hall.close(ana);
            assert_eq!((stats.lost, stats.late, stats.concealed_ms), (0, 0, 0), "{from} to {to}");
            hall
        });
        for (number, (one, other)) in one.phones.iter().zip(&three.phones).enumerate() {
            check_same(one, other, &format!("{from} to {to}, phone {number}"));
        }
        if (from, to) != (0, 1) {
            continue; // the others change how long her packets wait by so much that playing out is made to follow
        }
        // Those in the room she comes to hear her from the end of the fade on, and until she leaves.
        let first = 1 + [0, 2, 5][to];
        for listener in first..first + [2, 3, 5][to] {
            let heard = &three.phones[listener].heard;
            let begin = heard.iter().position(|&sample| sample > NOISE_PEAK).expect("something heard") + 160;
            let end = heard.iter().rposition(|&sample| sample > NOISE_PEAK).expect("something heard") - 160;
            let counted = &heard[begin.next_multiple_of(160)..end / 160 * 160];
            check_counted(counted, &format!("{from} to {to}, listener {listener}"));
        }
    }
}

#[test]
fn a_thread_that_is_held_up_leaves_the_others_speaking() {
    for (held_up_ms, ticks_lost) in [(60, 0), (300, 14)] {
        let mut hall = small_shares(3);
        let tones = [402.5, 717.5, 1_132.5, 1_477.5, 1_907.5, 2_302.5];
        let phones = tones.map(|hz| hall.join(ROOM, Codec::Pcmu, Voice::Tone(hz, 3_000.0)));
        hall.run_ms(600);
        let sent = |hall: &Hall| phones.map(|phone| hall.phones[phone].packets().len());
        let before = sent(&hall);
        hall.plane.hold_up(1, held_up_ms * 1_000);
        hall.run_ms(400);
        let is_heard = |hall: &Hall, listener: usize, talker: usize, ms: usize| {
            let heard = hall.phones[phones[listener]].last_ms(ms);
            level_dbfs(heard, 8_000.0, tones[talker]) > -24.0
        };
        for listener in [0, 1, 4, 5] {
            for talker in [0, 1, 4, 5].into_iter().filter(|&talker| talker != listener) {
                assert!(is_heard(&hall, listener, talker, 400), "{held_up_ms} ms: {listener} hears {talker}");
            }
        }
        assert!(missed(&hall) >= held_up_ms / 20 - 1, "{held_up_ms} ms: {} parts", missed(&hall));
        let received = sent(&hall);
        for listener in 0..phones.len() {
            let lost = if [2, 3].contains(&listener) { ticks_lost } else { 0 };
            let count = received[listener] - before[listener];
            assert!((20 - lost - 1..=20 - lost).contains(&count), "{held_up_ms} ms: {listener} is sent {count}");
        }
        hall.run_ms(1_000);
        let last_missed = missed(&hall);
        hall.run_ms(400);
        assert_eq!(missed(&hall), last_missed, "{held_up_ms} ms: and then it is on time again");
        for listener in 0..phones.len() {
            for talker in (0..phones.len()).filter(|&talker| talker != listener) {
                assert!(is_heard(&hall, listener, talker, 400), "{held_up_ms} ms: {listener} hears {talker} again");
            }
        }
    }
}

#[test]
fn a_thread_that_is_a_little_late_is_waited_for() {
    let mut hall = small_shares(2);
    let phones = [402.5, 717.5, 1_132.5, 1_477.5].map(|hz| hall.join(ROOM, Codec::Pcmu, Voice::Tone(hz, 3_000.0)));
    hall.run_ms(600);
    assert_eq!(shares(&hall), 2);
    for thread in [0, 1] {
        // Wherever in the cycle that is.
        for _ in 0..10 {
            hall.plane.hold_up(thread, 6_000);
            hall.run_ms(102);
        }
    }
    assert_eq!(missed(&hall), 0);
    phones.iter().for_each(|&phone| check_continuity(&hall.phones[phone], 160));
}

#[test]
fn orders_are_carried_out_though_somebody_is_always_late() {
    let mut hall = Hall::with(Config { share_legs_max: 1, ..config(2) });
    let join = |nth: u64| hall.join(RoomId(nth % 12), Codec::Pcmu, Voice::Tone(440.0, 3_000.0));
    let phones: Vec<usize> = (0..24).map(join).collect();
    hall.run_ms(600);
    assert_eq!(shares(&hall), 24, "each room is on both threads");
    hall.plane.fall_behind(1, 1);
    hall.run_ms(200);
    let leg = hall.phones[phones[0]].leg;
    let batch = hall.plane.apply(vec![Command::Route { leg, emit: 0, hear: MAIN }]);
    hall.run_ms(100);
    let is_applied = |event: &Event| matches!(event, Event::Applied { batch: applied, .. } if *applied == batch);
    assert!(hall.events.iter().any(is_applied), "{} parts were mixed without", missed(&hall));
}

#[test]
fn a_room_grows_together_again() {
    let mut hall = small_shares(3);
    let phones: Vec<usize> = (0..6).map(|_| hall.join(ROOM, Codec::Pcmu, Voice::Tone(440.0, 4_000.0))).collect();
    hall.run_ms(100);
    assert_eq!(shares(&hall), 3);
    for phone in [5, 4] {
        hall.close(phones[phone]);
    }
    assert_eq!(shares(&hall), 2);
    for phone in [0, 1] {
        hall.close(phones[phone]);
    }
    hall.run_ms(40);
    assert_eq!(shares(&hall), 2, "the first share stays");
    let late = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    for phone in [2, 3] {
        hall.close(phones[phone]);
    }
    hall.run_ms(40);
    assert_eq!(shares(&hall), 1);
    assert_eq!(hall.plane.stats()[0].rooms.get(), 1);
    hall.close(late);
    hall.run_ms(40);
    assert_eq!((shares(&hall), missed(&hall)), (0, 0));
    let opened = hall.join(RoomId(2), Codec::Pcmu, Voice::Silence);
    hall.run_ms(40);
    hall.close(opened);
}

/// One thing that happens in a conference.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Join { room: u64, codec: usize, peak: f64 },
    Route { who: usize, emit: u64, hear: u64 },
    Speak { who: usize, peak: f64 },
    FallSilent { who: usize },
    Hold { who: usize },
    Unhold { who: usize },
    Announce { room: u64 },
    Move { who: usize, room: u64 },
    Leave { who: usize },
}

fn turn() -> impl Strategy<Value = Turn> {
    let who = || 0..12_usize;
    let room = || 1..3_u64;
    let peak = || prop_oneof![Just(300.0), Just(3_000.0), Just(20_000.0), Just(32_000.0)];
    prop_oneof![
        6 => (room(), 0..5_usize, peak()).prop_map(|(room, codec, peak)| Turn::Join { room, codec, peak }),
        3 => (who(), 0..4_u64, 0..4_u64).prop_map(|(who, emit, hear)| Turn::Route { who, emit, hear }),
        2 => (who(), peak()).prop_map(|(who, peak)| Turn::Speak { who, peak }),
        2 => who().prop_map(|who| Turn::FallSilent { who }),
        1 => who().prop_map(|who| Turn::Hold { who }),
        1 => who().prop_map(|who| Turn::Unhold { who }),
        1 => room().prop_map(|room| Turn::Announce { room }),
        2 => (who(), room()).prop_map(|(who, room)| Turn::Move { who, room }),
        2 => who().prop_map(|who| Turn::Leave { who }),
    ]
}

/// Plays what happens, each thing so many ticks after the one before, while no tick is under way.
fn play(mut hall: Hall, turns: &[(Turn, u64)]) -> Hall {
    let codecs = [Codec::Pcmu, Codec::G722, Codec::Pcma, Codec::L16 { rate_hz: 16_000 }, Codec::L16 { rate_hz: 8_000 }];
    hall.run_ms(10);
    for (number, &(turn, ticks)) in turns.iter().enumerate() {
        let phones = hall.phones.len();
        let leg = |hall: &Hall, who: usize| hall.phones[who % phones].leg;
        let playback = PlaybackId(number as u64);
        match turn {
            Turn::Join { room, codec, peak } if phones < 12 => {
                let hz = 301.0 + 97.0 * phones as f64;
                hall.join(RoomId(room), codecs[codec], Voice::Tone(hz, peak));
            }
            Turn::Announce { room } => {
                let announce = Command::Announce { room: RoomId(room), playback, sound: sound(110, 880.0) };
                hall.plane.apply(vec![announce]);
            }
            _ if phones == 0 => {}
            Turn::Join { .. } => {}
            Turn::Route { who, emit, hear } => drop(hall.route(who % phones, emit, hear)),
            Turn::Speak { who, peak } => {
                hall.phones[who % phones].voice = Voice::Tone(301.0 + 97.0 * (who % phones) as f64, peak);
            }
            Turn::FallSilent { who } => hall.phones[who % phones].voice = Voice::Silence,
            Turn::Hold { who } => {
                let leg = leg(&hall, who);
                let sound = sound(70, 500.0);
                hall.plane.apply(vec![
                    Command::Route { leg, emit: 0, hear: 0 },
                    Command::Play { leg, playback, sound, loops: 0 },
                ]);
            }
            Turn::Unhold { who } => {
                let leg = leg(&hall, who);
                hall.plane.apply(vec![Command::StopPlay { leg }, Command::Route { leg, emit: MAIN, hear: MAIN }]);
            }
            Turn::Move { who, room } => {
                let leg = leg(&hall, who);
                hall.plane.apply(vec![Command::Move { leg, room: RoomId(room), emit: MAIN, hear: MAIN }]);
            }
            Turn::Leave { who } => drop(hall.plane.apply(vec![Command::CloseLeg { leg: leg(&hall, who) }])),
        }
        hall.run_ms(20 * ticks);
    }
    hall.run_ms(100);
    hall
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens, nobody hears how many threads there are.
    #[test]
    fn any_conference_sounds_the_same_on_one_thread_and_on_three(
        turns in prop::collection::vec((turn(), 0..6_u64), 10..50),
    ) {
        let (one, three) = (play(small_shares(1), &turns), play(small_shares(3), &turns));
        prop_assert_eq!(missed(&three), 0);
        for (number, (one, other)) in one.phones.iter().zip(&three.phones).enumerate() {
            let different = one.datagrams.iter().zip(&other.datagrams).position(|(one, other)| one != other);
            prop_assert_eq!(different, None, "phone {}: of {} packets", number, one.datagrams.len());
            prop_assert!(one.datagrams.len().abs_diff(other.datagrams.len()) <= 1, "phone {}", number);
        }
        prop_assert_eq!(told(&one), told(&three));
    }
}
