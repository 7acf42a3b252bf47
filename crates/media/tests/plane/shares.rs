//! Rooms too large for one thread: in several shares, they sound as in one.

use std::sync::Arc;

use media::{Codec, Command, Config, Event, MAIN, Pages};
use model::{Clip, PlaybackId, RoomId};

use crate::hall::{Hall, Phone, ROOM, Voice, config};

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
        Command::Play { leg, playback: PlaybackId(1), sound: sound(170, 500.0), repeat: true },
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
        let told = |hall: &Hall| -> Vec<Event> {
            let is_told = |event: &&Event| matches!(event, Event::AnnouncementEnded { .. } | Event::Speaker { .. });
            hall.events.iter().filter(is_told).cloned().collect()
        };
        assert_eq!(told(&one), told(&several), "{threads} threads");
        assert!(told(&one).len() > 3);
    }
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
