//! What is heard where nobody speaks: the quiet noise of a room, and RTP that goes on.

use media::{Codec, MAIN};

use crate::ear;
use crate::hall::{Hall, ROOM, Voice};

const CODECS: [Codec; 5] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::L16 { rate_hz: 16_000 }];

#[test]
fn who_hears_nobody_hears_noise() {
    for codec in CODECS {
        for (case, others) in [
            ("alone", &[][..]),
            ("with somebody who sends nothing", &[(Voice::Nothing, MAIN)]),
            ("with somebody who sends silence", &[(Voice::Silence, MAIN)]),
            ("with somebody who is muted", &[(Voice::Tone(440.0, 8_000.0), 0)]),
        ] {
            for (role, route) in
                [("listens", (0, MAIN)), ("talks", (MAIN, MAIN)), ("is on hold", (0, 0)), ("is deaf", (MAIN, 0))]
            {
                let mut hall = Hall::new(1);
                let ana = hall.join(ROOM, codec, Voice::Tone(700.0, 8_000.0));
                hall.route(ana, route.0, route.1);
                for &(voice, emit) in others {
                    let other = hall.join(ROOM, Codec::Pcmu, voice);
                    hall.route(other, emit, MAIN);
                }
                hall.run_ms(2_000);
                for (at, block) in hall.phones[ana].last_ms(800).chunks(codec.rate_hz() as usize / 5).enumerate() {
                    let level = ear::total_dbov(block);
                    assert!((-70.0..=-63.0).contains(&level), "{codec:?} {role} {case}: {level:.1} dBov, {at}");
                }
            }
        }
    }
}

#[test]
fn it_is_as_loud_as_the_room_was() {
    // A peak of 50 is noise of −61 dBov, of 25 it is −67, of 10 it is −75.
    for (peak, expected_dbov) in [(50, -64.0), (25, -67.0), (10, -70.0)] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, Codec::L16 { rate_hz: 8_000 }, Voice::Noise(peak));
        let ben = hall.join(ROOM, Codec::L16 { rate_hz: 8_000 }, Voice::Nothing);
        hall.run_ms(6_000);
        hall.route(ana, 0, MAIN);
        hall.run_ms(1_000);
        let level = ear::total_dbov(hall.phones[ben].last_ms(800));
        assert!((level - expected_dbov).abs() < 1.5, "{peak}: {level:.1} dBov");
    }
}

#[test]
fn who_listens_only_shares_it_and_who_talks_hears_the_same() {
    let mut hall = Hall::new(1);
    let phones = [Voice::Nothing, Voice::Nothing, Voice::Tone(440.0, 8_000.0), Voice::Tone(700.0, 8_000.0)]
        .map(|voice| hall.join(ROOM, Codec::Pcmu, voice));
    hall.route(phones[2], 0, MAIN);
    hall.run_ms(1_000);
    let last = |hall: &Hall, phone: usize| hall.phones[phone].packets().last().map(|packet| packet.payload.to_vec());
    assert_eq!(last(&hall, phones[3]).map(|payload| payload.len()), Some(160));
    hall.route(phones[3], 0, MAIN);
    hall.run_ms(200);
    for phone in phones {
        assert_eq!(last(&hall, phone), last(&hall, phones[0]));
    }
}

#[test]
fn it_comes_softly_and_goes_at_once() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::L16 { rate_hz: 8_000 }, Voice::Nothing);
    let ben = hall.join(ROOM, Codec::L16 { rate_hz: 8_000 }, Voice::Nothing);
    hall.run_ms(500);
    hall.phones[ana].voice = Voice::Level(4_000);
    hall.run_ms(100);
    let heard = &hall.phones[ben].heard;
    let begin = heard.iter().position(|&sample| sample == 4_000).expect("what she says");
    assert_eq!(begin % 160, 0);
    assert!(heard[begin..].iter().all(|&sample| sample == 4_000), "nothing is added to a voice, not even at its start");
    assert!(heard[begin - 160..begin].iter().any(|&sample| sample != 0), "nor is anything taken away before");
}
