//! What happens at the limits: rooms that are full, threads that are busy, an owner that does not listen.

use std::sync::Arc;
use std::time::Duration;

use media::{Codec, Command, Config, Event, MAIN, Pages, Plane, Refusal};
use model::{Clip, LegId, PlaybackId, RoomId};

use crate::hall::{BRIDGE, EVENT_TYPE, Hall, ROOM, Voice, config};

/// The plane's owner may live on any thread.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Plane>();
};

fn refusals(hall: &Hall) -> Vec<(LegId, Refusal)> {
    let refusal = |event: &Event| if let Event::LegRefused { leg, why } = event { Some((*leg, *why)) } else { None };
    hall.events.iter().filter_map(refusal).collect()
}

/// Who stays where it was.
fn unmoved(hall: &Hall) -> Vec<(LegId, Refusal)> {
    let refusal = |event: &Event| if let Event::MoveRefused { leg, why } = event { Some((*leg, *why)) } else { None };
    hall.events.iter().filter_map(refusal).collect()
}

#[test]
fn a_full_room_takes_nobody() {
    let mut hall = Hall::with(Config { room_legs_max: 2, ..config(1) });
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    let cho = hall.join(RoomId(2), Codec::Pcmu, Voice::Tone(440.0, 8_000.0));
    let dan = hall.join(RoomId(2), Codec::Pcmu, Voice::Silence);
    let leg = hall.phones[cho].leg;
    hall.plane.apply(vec![
        Command::OpenLeg { leg: LegId(99), room: ROOM, address: BRIDGE },
        Command::Move { leg, room: ROOM, emit: MAIN, hear: MAIN },
    ]);
    hall.run_ms(500);
    assert_eq!(refusals(&hall), [(LegId(99), Refusal::RoomFull)]);
    assert_eq!(unmoved(&hall), [(leg, Refusal::RoomFull)], "which is not to say that there is no such leg");
    assert!(hall.phones[dan].level_dbfs(440.0) > -13.0, "who could not move stays where it was");
    hall.close(ana);
    hall.plane.apply(vec![Command::Move { leg, room: ROOM, emit: MAIN, hear: MAIN }]);
    hall.run_ms(500);
    assert_eq!(unmoved(&hall).len(), 1, "there is room again");
    assert!(hall.phones[1].level_dbfs(440.0) > -13.0);
}

#[test]
fn every_announcement_ends() {
    let mut hall = Hall::new(1);
    hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    let sound = Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: vec![3_000; 160] }));
    let announce = |number| Command::Announce { room: ROOM, playback: PlaybackId(number), sound: sound.clone() };
    for batch in 0..3 {
        hall.plane.apply((batch * 100..batch * 100 + 100).map(announce).collect());
        hall.run_ms(if batch == 1 { 20 } else { 1_000 });
    }
    let ended = |event: &Event| match event {
        Event::AnnouncementEnded { room: ROOM, playback } => Some(playback.0),
        _ => None,
    };
    let mut ended: Vec<u64> = hall.events.iter().filter_map(ended).collect();
    ended.sort_unstable();
    assert_eq!(ended, (0..300).collect::<Vec<_>>(), "each of them once, played or refused");
}

#[test]
fn a_place_is_free_when_who_had_it_has_left() {
    for threads in [1, 2] {
        let mut hall = Hall::with(Config { room_legs_max: 2, ..config(threads) });
        let ana = hall.join(ROOM, Codec::Opus, Voice::Silence);
        let ben = hall.join(ROOM, Codec::Opus, Voice::Tone(440.0, 8_000.0));
        let cho = hall.join(RoomId(2), Codec::Opus, Voice::Silence);
        hall.run_ms(100);
        let leg = hall.phones[ana].leg;
        let open = |leg| Command::OpenLeg { leg: LegId(leg), room: ROOM, address: BRIDGE };
        // She still fades out where she was when the other would come in.
        hall.plane.apply(vec![Command::Move { leg, room: RoomId(2), emit: MAIN, hear: MAIN }, open(98)]);
        hall.run_ms(100);
        assert_eq!(refusals(&hall), [(LegId(98), Refusal::RoomFull)], "{threads} threads");
        hall.plane.apply(vec![open(99)]);
        let leg = hall.phones[ben].leg;
        hall.plane.apply(vec![Command::Move { leg, room: RoomId(2), emit: MAIN, hear: MAIN }]);
        hall.close(ana);
        hall.plane.apply(vec![Command::Move { leg, room: RoomId(2), emit: MAIN, hear: MAIN }]);
        hall.run_ms(700);
        assert_eq!(refusals(&hall).len(), 1, "{threads} threads: {:?}", refusals(&hall));
        assert_eq!(unmoved(&hall), [(leg, Refusal::RoomFull)], "{threads} threads");
        assert!(hall.phones[cho].level_dbfs(440.0) > -13.0, "{threads} threads: and then it is");
        hall.close(ben);
        hall.close(cho);
        hall.plane.apply(vec![Command::CloseLeg { leg: LegId(99) }]);
        hall.run_ms(100);
        let open: u64 = hall.plane.stats().iter().map(|thread| thread.legs.get() + thread.rooms.get()).sum();
        assert_eq!(open, 0, "{threads} threads: no leg and no room is left");
    }
}

#[test]
fn a_busy_thread_takes_nobody() {
    // Nothing is below a bound of zero.
    let mut hall = Hall::with(Config { occupancy_permille_max: 0, ..config(1) });
    hall.plane.apply(vec![Command::OpenLeg { leg: LegId(1), room: ROOM, address: BRIDGE }]);
    hall.run_ms(20);
    assert_eq!(refusals(&hall), [(LegId(1), Refusal::Overloaded)]);
}

#[test]
fn ports_that_others_hold_are_passed_over_and_not_tried_again() {
    for seed in 0..20 {
        let mut hall = Hall::with(Config { ports: 20_000..=20_083, seed, ..config(1) });
        hall.network.lock().taken = 20_000..20_080;
        for leg in 1..=2 {
            hall.plane.apply(vec![Command::OpenLeg { leg: LegId(leg), room: ROOM, address: BRIDGE }]);
        }
        hall.run_ms(20);
        let opened = hall.events.iter().filter(|event| matches!(event, Event::LegOpened { .. })).count();
        assert_eq!((opened, refusals(&hall)), (2, vec![]), "seed {seed}");
        assert!(hall.network.lock().refused <= 40, "seed {seed}: each of 40 pairs is tried once at most");
    }
}

#[test]
fn nothing_is_lost_on_an_owner_who_does_not_listen() {
    let mut hall = Hall::new(1);
    let ana = hall.open(ROOM, Codec::Pcmu, Voice::Silence);
    let (leg, mut now_us) = (hall.phones[ana].leg, 0);
    let sound = Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: vec![0; 160] }));
    let batches = 10_000;
    for batch in 0..batches {
        hall.plane.apply(vec![Command::Route { leg, emit: batch % 2, hear: MAIN }]);
        now_us += 2_000;
        hall.plane.run_until(now_us);
    }
    hall.plane.apply(vec![Command::Play { leg, playback: PlaybackId(1), sound, loops: 1 }]);
    hall.plane.run_until(now_us + 1_000_000);
    hall.plane.apply(vec![Command::CloseLeg { leg }, Command::CloseLeg { leg }]);
    let mut events = Vec::new();
    for step in 0..1_000 {
        hall.plane.run_until(now_us + 1_000_000 + step * 2_000);
        events.extend(std::iter::from_fn(|| hall.plane.poll()));
    }
    let count = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, Event::Applied { .. })), batches as usize + 4);
    assert_eq!(count(|event| matches!(event, Event::PlaybackEnded { .. })), 1);
    assert_eq!(count(|event| matches!(event, Event::LegClosed { .. })), 1);
    assert_eq!(hall.plane.stats()[0].legs.get(), 0);
    assert_eq!(hall.plane.stats()[0].rooms.get(), 0);
    assert_eq!(hall.plane.stats()[0].commands_dropped.get(), 1, "the second close");
}

#[test]
fn a_flood_of_digits_hides_nothing_else() {
    let mut hall = Hall::with(Config { rtp_timeout: Duration::from_secs(2), ..config(1) });
    let ana = hall.open(ROOM, Codec::Pcmu, Voice::Silence);
    let ben = hall.open(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(100);
    hall.owner_listens = false;
    let leg = hall.phones[ana].leg;
    for _ in 0..81 {
        for emit in 0..100 {
            hall.plane.apply(vec![Command::Route { leg, emit: emit % 2, hear: MAIN }]);
        }
        hall.run_ms(4); // until the way back is full of acknowledgements
    }
    let sound = Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: vec![0; 16_000] }));
    hall.plane.apply(vec![Command::Play { leg, playback: PlaybackId(1), sound, loops: 1 }]);
    let (port, address) = (hall.phones[ana].port, hall.phones[ana].address);
    hall.phones[ben].voice = Voice::Nothing;
    let (seconds, digits_a_tick) = (3, 30);
    for _ in 0..seconds * 50 {
        for _ in 0..digits_a_tick {
            let packet = hall.phones[ana].packet(EVENT_TYPE, &[5, 0x8A, 0, 160]);
            hall.network.send(port, address, &packet);
        }
        hall.run_ms(20);
    }
    hall.phones[ana].voice = Voice::Nothing;
    hall.phones[ben].voice = Voice::Silence;
    hall.run_ms(5_000);
    hall.owner_listens = true;
    hall.run_ms(40);

    let own = |event: &&Event| matches!(event, Event::PlaybackEnded { .. } | Event::Quiet { .. });
    let told: Vec<&Event> = hall.events.iter().filter(own).collect();
    let [&Event::PlaybackEnded { playback: PlaybackId(1), .. }, &Event::Quiet { leg: quiet, since_ms }] = told[..]
    else {
        panic!("{told:?}: and ben, who is back, is not quiet")
    };
    assert!(quiet == leg && (3_900..5_100).contains(&since_ms), "{quiet:?} for {since_ms} ms");
    let digits = hall.events.iter().filter(|event| matches!(event, Event::Digit { .. })).count() as u64;
    assert!((90..=110).contains(&digits), "{digits} digits, 20 a second and a burst");
    let refused = hall.close(ana).digits_refused;
    assert_eq!(digits + refused, seconds * 50 * digits_a_tick, "each is told or counted");
    assert_eq!(hall.plane.stats()[0].events_dropped.get(), refused);
}

#[test]
fn what_is_closed_is_given_back() {
    let mut hall = Hall::new(2);
    for round in 0..3 {
        let phones: Vec<usize> =
            (0..6).map(|leg| hall.join(RoomId(round * 10 + leg / 2), Codec::Pcmu, Voice::Silence)).collect();
        hall.run_ms(100);
        for phone in phones {
            let leg = hall.phones[phone].leg;
            hall.plane.apply(vec![Command::Move { leg, room: RoomId(99), emit: MAIN, hear: MAIN }]);
            hall.plane.apply(vec![Command::CloseLeg { leg }]); // while it moves
        }
        hall.run_ms(200);
    }
    let closed = hall.events.iter().filter(|event| matches!(event, Event::LegClosed { .. })).count();
    assert_eq!(closed, 18);
    assert_eq!(hall.network.lock().closed.len(), 36, "both ports of each");
    let open: u64 = hall.plane.stats().iter().map(|thread| thread.legs.get() + thread.rooms.get()).sum();
    assert_eq!(open, 0, "no leg and no room is left");
}
