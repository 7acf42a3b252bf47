//! Digits in and out, from one bridge to another and back.

use media::{Codec, Command, Event, MAIN};
use model::RoomId;

use crate::hall::{EVENT_TYPE, Hall, ROOM, Voice};

const KEYS: &str = "1234567890*#ABCD";

/// What a phone's leg was told, in order.
fn told(hall: &Hall, phone: usize) -> String {
    let leg = hall.phones[phone].leg;
    let digit = |event: &Event| match event {
        Event::Digit { leg: of, digit, .. } if *of == leg => Some(*digit),
        _ => None,
    };
    hall.events.iter().filter_map(digit).collect()
}

/// How often a leg was told that its digits are out.
fn sent(hall: &Hall, phone: usize) -> usize {
    let leg = hall.phones[phone].leg;
    hall.events.iter().filter(|event| **event == Event::DigitsSent { leg }).count()
}

fn dial(hall: &mut Hall, phone: usize, digits: &str) {
    let leg = hall.phones[phone].leg;
    hall.plane.apply(vec![Command::SendDigits { leg, digits: digits.parse().expect("digits") }]);
}

/// Two bridges, each with a leg to the other: what one sends to its phone is what the other's phone says.
struct Trunk {
    near: Hall,
    far: Hall,
    carried: usize,
}

impl Trunk {
    fn new(codec: Codec, events: bool, ptime_ms: u8) -> Self {
        let [near, far] = [0; 2].map(|_| {
            let mut hall = Hall::new(1);
            hall.join(ROOM, codec, Voice::Nothing);
            hall.agree(0, |stream| {
                stream.ptime_ms = ptime_ms;
                stream.telephone_event = stream.telephone_event.filter(|_| events);
            });
            hall
        });
        Self { near, far, carried: 0 }
    }

    /// Lets time pass; of the packets from near to far, those that `lost` says by their number are lost.
    fn run_ms(&mut self, ms: u64, lost: impl Fn(usize) -> bool) {
        for _ in 0..ms / 2 {
            self.near.run_ms(2);
            let (out, into) = (&self.near.phones[0], &self.far.phones[0]);
            for datagram in &out.datagrams[self.carried..] {
                if !lost(self.carried) {
                    self.far.network.send(into.port, into.address, datagram);
                }
                self.carried += 1;
            }
            self.far.run_ms(2);
        }
    }
}

#[test]
fn digits_go_from_bridge_to_bridge() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16 { rate_hz: 16_000 }, Codec::Opus] {
        for (events, ptime_ms) in [(true, 20), (true, 40), (true, 10), (false, 20), (false, 40), (false, 10)] {
            if (codec, events, ptime_ms) == (Codec::Opus, false, 40) {
                continue; // in packets longer than 20 ms Opus models a voice, and makes no two tones of it
            }
            let case = format!("{codec:?}, events: {events}, {ptime_ms} ms");
            let mut trunk = Trunk::new(codec, events, ptime_ms);
            let ana = trunk.near.join(ROOM, codec, Voice::Tone(440.0, 8_000.0));
            trunk.run_ms(300, |_| false);
            dial(&mut trunk.near, 0, KEYS);
            trunk.run_ms(1_000, |_| false);
            dial(&mut trunk.near, 0, "w5W55");
            trunk.run_ms(2_260, |_| false);
            assert_eq!(sent(&trunk.near, 0), 0, "{case}: not all are out");
            trunk.run_ms(2_500, |_| false);
            assert_eq!(told(&trunk.far, 0), KEYS.to_owned() + "555", "{case}");
            assert_eq!((told(&trunk.near, ana), sent(&trunk.near, 0)), (String::new(), 1), "{case}");

            let packets = trunk.near.phones[0].packets();
            let is_event = |packet: &&media::rtp::Packet| packet.payload_type == EVENT_TYPE;
            assert_eq!(packets.iter().filter(is_event).count(), if events { 19 * 7 } else { 0 }, "{case}");
            for pair in packets.windows(2) {
                assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "{case}");
                assert_eq!(pair[1].ssrc, pair[0].ssrc, "{case}");
            }
            // The time of the stream has gone on under the events.
            let audio: Vec<_> = packets.iter().filter(|packet| !is_event(packet)).collect();
            let (first, last) = (audio[0], audio[audio.len() - 1]);
            let passed_ms = last.timestamp.wrapping_sub(first.timestamp) / (codec.clock_hz() / 1_000);
            assert!((5_950..6_070).contains(&passed_ms), "{case}: {passed_ms} ms");
            trunk.run_ms(500, |_| false);
            let level = trunk.near.phones[0].level_dbfs(440.0);
            assert!((level + 12.2).abs() < 0.5, "{case}: ana is heard at {level:.1} dBFS again");
        }
    }
}

#[test]
fn events_arrive_whatever_the_network_loses() {
    for lost_of_ten in [1, 3, 5] {
        let mut trunk = Trunk::new(Codec::Pcmu, true, 20);
        trunk.run_ms(300, |_| false);
        for _ in 0..4 {
            dial(&mut trunk.near, 0, KEYS);
        }
        // Of a press of seven packets one or more always come.
        trunk.run_ms(14_000, |number| number * 7 % 10 < lost_of_ten);
        assert_eq!(told(&trunk.far, 0), KEYS.repeat(4), "{lost_of_ten} of ten lost");
        assert!(trunk.far.close(0).lost > 50);
    }
}

#[test]
fn each_peer_gets_digits_its_own_way_and_nobody_else_hears_of_it() {
    let mut hall = Hall::new(1);
    let with_events = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    let without = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    let listener = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.join(ROOM, Codec::Pcmu, Voice::Level(988));
    hall.agree(without, |stream| stream.telephone_event = None);
    hall.run_ms(500);
    let heard_before = hall.phones[listener].heard.len();
    for phone in [with_events, without] {
        dial(&mut hall, phone, "90");
    }
    hall.run_ms(500);
    assert_eq!([with_events, without].map(|phone| sent(&hall, phone)), [1, 1]);
    let events =
        |phone: usize| hall.phones[phone].packets().iter().filter(|packet| packet.payload_type == EVENT_TYPE).count();
    assert_eq!([with_events, without, listener].map(events), [14, 0, 0]);
    let [nine, loud] = [852.0, 1_477.0].map(|hz| {
        let start = hall.phones[without].heard.len() - 25 * 160;
        crate::ear::level_dbfs(&hall.phones[without].heard[start + 320..start + 640], 8_000.0, hz)
    });
    assert!(nine > -14.0 && loud > -12.0, "9 is {nine:.1} and {loud:.1} dBFS");
    assert!(hall.phones[listener].heard[heard_before..].iter().all(|&sample| sample == 988));
    assert!(hall.phones[without].last_ms(40).iter().all(|&sample| sample == 988), "the room is back");
}

#[test]
fn a_tone_is_a_digit_of_whose_phone_plays_it() {
    for (codec, emit) in [(Codec::Pcmu, MAIN), (Codec::G722, MAIN), (Codec::Opus, MAIN), (Codec::Pcma, 0)] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, codec, Voice::Silence);
        let ben = hall.join(ROOM, codec, Voice::Silence);
        hall.route(ana, emit, MAIN); // muted, too
        hall.run_ms(500);
        for key in "4#".chars() {
            hall.phones[ana].voice = Voice::Key(key);
            hall.run_ms(60);
            hall.phones[ana].voice = Voice::Silence;
            hall.run_ms(60);
        }
        hall.run_ms(300);
        assert_eq!((told(&hall, ana), told(&hall, ben)), ("4#".to_owned(), String::new()), "{codec:?}, emits {emit}");
        let heard = hall.phones[ben].heard.iter().any(|&sample| sample > 5_000);
        assert_eq!(heard, emit != 0, "{codec:?}: ben hears the tone, if anybody does");
    }
}

#[test]
fn digits_move_with_their_leg_and_wait_while_nothing_may_be_sent() {
    let mut hall = Hall::new(4);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(100);
    dial(&mut hall, ana, "123456");
    hall.run_ms(500);
    let leg = hall.phones[ana].leg;
    hall.plane.apply(vec![Command::Move { leg, room: RoomId(2), emit: MAIN, hear: MAIN }]);
    hall.run_ms(200);
    hall.agree(ana, |stream| stream.sends = false);
    let before = hall.phones[ana].packets().len();
    hall.run_ms(2_000);
    assert_eq!((hall.phones[ana].packets().len(), sent(&hall, ana)), (before, 0));
    hall.agree(ana, |stream| stream.sends = true);
    hall.run_ms(700);
    assert_eq!(sent(&hall, ana), 1);
    let packets = hall.phones[ana].packets();
    let starts = packets.iter().filter(|packet| packet.payload_type == EVENT_TYPE && packet.marker);
    assert_eq!(starts.map(|packet| packet.payload[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn no_digits_are_out_at_once_and_too_many_are_refused() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    hall.run_ms(100);
    dial(&mut hall, ana, "");
    hall.run_ms(40);
    assert_eq!(sent(&hall, ana), 1);
    for _ in 0..5 {
        dial(&mut hall, ana, &"7".repeat(32));
    }
    hall.run_ms(40);
    assert_eq!(hall.plane.stats()[0].commands_dropped.get(), 1);
    assert_eq!(
        "1234567890123456789012345678901w3".parse::<media::dtmf::DigitString>().map_err(|e| e.to_string()),
        Err("33 keys and pauses, expected at most 32".to_owned())
    );
    assert_eq!(
        "12e".parse::<media::dtmf::DigitString>().map_err(|e| e.to_string()),
        Err("'e' is no key, expected 0-9, *, #, A-D, w or W".to_owned())
    );
}
