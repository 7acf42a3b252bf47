//! Who speaks, as applications are told.

use media::{Codec, Event, MAIN};
use model::LegId;

use crate::hall::{Hall, ROOM, Voice};

const TALKS: Voice = Voice::Syllables(440.0, 12_000.0);

/// Loud from the first moment on: syllables take a while to become so.
const SPEAKS: Voice = Voice::Tone(440.0, 8_000.0);

/// Lets time pass; what was said of speech meanwhile, with the time from the start of it.
fn listen(hall: &mut Hall, ms: u64) -> Vec<(u64, Event)> {
    let (start_us, mut told) = (hall.now_us, Vec::new());
    while hall.now_us < start_us + ms * 1_000 {
        hall.run_ms(2);
        let after_ms = (hall.now_us - start_us) / 1_000;
        let events = hall.events.extract_if(.., |event| matches!(event, Event::Speech { .. } | Event::Speaker { .. }));
        told.extend(events.map(|event| (after_ms, event)));
    }
    told
}

fn speech(told: &[(u64, Event)]) -> Vec<(u64, LegId, bool)> {
    let one = |(ms, event): &(u64, Event)| match event {
        Event::Speech { leg, talking } => Some((*ms, *leg, *talking)),
        _ => None,
    };
    told.iter().filter_map(one).collect()
}

fn speakers(told: &[(u64, Event)]) -> Vec<(u64, Option<LegId>)> {
    let one = |(ms, event): &(u64, Event)| match event {
        Event::Speaker { room: ROOM, leg } => Some((*ms, *leg)),
        _ => None,
    };
    told.iter().filter_map(one).collect()
}

#[test]
fn talk_is_reported_after_200_ms_and_its_end_after_800_ms() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, codec, Voice::Silence);
        hall.join(ROOM, Codec::Pcmu, Voice::Silence);
        let leg = hall.phones[ana].leg;
        assert_eq!(listen(&mut hall, 1_000), [], "{codec:?}");
        hall.phones[ana].voice = TALKS;
        let told = listen(&mut hall, 5_000);
        let (start, speaker) = (speech(&told), speakers(&told));
        assert!(matches!(start[..], [(200..=300, who, true)] if who == leg), "{codec:?}: {told:?}");
        assert!(matches!(speaker[..], [(200..=300, who)] if who == Some(leg)), "{codec:?}: {told:?}");
        hall.phones[ana].voice = if codec == Codec::Pcma { Voice::Nothing } else { Voice::Silence };
        let told = listen(&mut hall, 2_000);
        assert!(matches!(speech(&told)[..], [(700..=1_000, who, false)] if who == leg), "{codec:?}: {told:?}");
        assert!(matches!(speakers(&told)[..], [(700..=1_000, None)]), "{codec:?}: {told:?}");
    }
}

#[test]
fn who_is_muted_or_held_does_not_talk() {
    for (case, hear) in [("muted", MAIN), ("held", 0)] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, Codec::Pcmu, TALKS);
        hall.route(ana, 0, hear);
        assert_eq!(listen(&mut hall, 2_000), [], "{case}");
        hall.route(ana, MAIN, MAIN);
        let told = listen(&mut hall, 1_000);
        assert!(matches!(speech(&told)[..], [(200..=400, _, true)]), "{case}: {told:?}");
        hall.route(ana, 0, hear);
        let told = listen(&mut hall, 2_000);
        assert!(matches!(speech(&told)[..], [(0..=60, _, false)]), "{case}: {told:?}");
        assert!(matches!(speakers(&told)[..], [(0..=60, None)]), "{case}: {told:?}");
    }
}

#[test]
fn nobody_makes_talk_forgotten() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, TALKS);
    hall.run_ms(100);
    hall.owner_listens = false;
    hall.run_ms(5_000);
    hall.phones[ana].voice = Voice::Silence;
    hall.run_ms(2_000);
    hall.owner_listens = true;
    let leg = hall.phones[ana].leg;
    let told: Vec<bool> =
        speech(&listen(&mut hall, 100)).into_iter().filter(|told| told.1 == leg).map(|told| told.2).collect();
    assert_eq!(told, [true, false]);
}

#[test]
fn the_speaker_changes_within_300_ms_and_at_most_once_a_second() {
    let mut hall = Hall::new(1);
    let phones: Vec<usize> = (0..3).map(|_| hall.join(ROOM, Codec::Pcmu, Voice::Silence)).collect();
    let legs: Vec<LegId> = phones.iter().map(|&phone| hall.phones[phone].leg).collect();
    listen(&mut hall, 500);
    for turn in 0..6 {
        let (speaks, spoke) = (phones[turn % 3], phones[(turn + 2) % 3]);
        hall.phones[spoke].voice = Voice::Silence;
        hall.phones[speaks].voice = SPEAKS;
        let told = speakers(&listen(&mut hall, 3_000));
        assert!(matches!(told[..], [(200..=300, who)] if who == Some(legs[speaks])), "turn {turn}: {told:?}");
    }
    // Two who break in on each other every 400 ms.
    let mut changes = Vec::new();
    for turn in 0..20 {
        let start_ms = hall.now_us / 1_000;
        hall.phones[phones[turn % 2]].voice = SPEAKS;
        hall.phones[phones[(turn + 1) % 2]].voice = Voice::Silence;
        hall.phones[phones[2]].voice = Voice::Silence;
        changes.extend(speakers(&listen(&mut hall, 400)).into_iter().map(|(ms, who)| (start_ms + ms, who)));
    }
    let named: Vec<u64> = changes.iter().filter(|change| change.1.is_some()).map(|change| change.0).collect();
    assert!(named.len() > 3 && named.windows(2).all(|pair| pair[1] - pair[0] >= 1_000), "{changes:?}");
}
