//! How it sounds, packet by packet: when a change is heard, and that nothing else is.

use testkit::application::Application;
use testkit::pcmu;
use testkit::rest::Answer;
use testkit::rtp::HeardPacket;
use testkit::server::wait_until;
use testkit::tone::{HUM_DBFS, Tone, snr_db};
use testkit::wav;
use testkit::wire::Moment;

use crate::party::{PATIENCE, Party};

/// 40 ms: a change may need this many packets after the HTTP answer, and not one more.
const PACKETS_TO_CHANGE: usize = 2;
/// How many packets after that must all be as they should.
const PACKETS_CHECKED: usize = 40;

/// Checks that, from two packets after the answer on, every packet has the tone or every packet lacks it.
///
/// Counted in packets that arrived after the answer was read: a machine that runs us late makes the test
/// laxer, never wrong. What a stalled phone did not send in time is forgiven.
#[track_caller]
fn check_change(party: &Party, listener: &str, talker: &str, answer: &Answer, audible: bool) {
    let (phone, tone) = (&party.guest(listener).phone, party.guest(talker).tone);
    let heard = phone.hear_after(answer.at, PACKETS_TO_CHANGE + PACKETS_CHECKED);
    let levels: Vec<_> = heard.iter().map(|packet| packet.level_dbfs(tone)).collect();
    let wrong = |&&level: &&f64| if audible { (level - HUM_DBFS).abs() > 1.0 } else { level > -60.0 };
    let wrong = levels[PACKETS_TO_CHANGE..].iter().filter(wrong).count();
    let forgiven = if audible { party.forgiven(&[talker], answer.at) } else { 0 };
    assert!(wrong <= forgiven, "{listener} hears {talker} in the packets after the answer at {levels:.0?} dBFS");
}

#[test]
fn a_mute_is_heard_within_two_packets_of_the_answer() {
    let party = Party::of(["ana", "ben"]);
    party.check_hearing("ana ben music\n ben x - .");
    check_change(&party, "ben", "ana", &party.post("ana", &[("Muted", "true")]), false);
    check_change(&party, "ben", "ana", &party.post("ana", &[("Muted", "false")]), true);
}

#[test]
fn a_hold_is_heard_within_two_packets_of_the_answer() {
    let party = Party::of(["ana", "ben"]);
    party.check_hearing("ana ben music\n ana - x .\n ben x - .");
    // Music has something of every tone in it; silence has not.
    let silence = Application::start().file("/silence.wav", "audio/wav", &wav::write(&[0; 80_000]));
    let held = party.post("ana", &[("Hold", "true"), ("HoldUrl", &silence)]);
    check_change(&party, "ben", "ana", &held, false);
    check_change(&party, "ana", "ben", &held, false);
    let back = party.post("ana", &[("Hold", "false")]);
    check_change(&party, "ben", "ana", &back, true);
    check_change(&party, "ana", "ben", &back, true);
}

#[test]
fn a_whisper_is_heard_within_two_packets_of_the_answer() {
    let party = Party::of(["ana", "ben", "cho"]);
    party.check_hearing("ana ben cho music\n ana - x x .\n ben x - x .");
    let whispering = party.coach("cho", "ana");
    check_change(&party, "ben", "cho", &whispering, false);
    check_change(&party, "ana", "cho", &whispering, true);
    let barging = party.post("cho", &[("Coaching", "false")]);
    check_change(&party, "ben", "cho", &barging, true);
    check_change(&party, "ana", "cho", &barging, true);
}

#[test]
fn the_removed_fall_silent_within_two_packets_of_the_answer() {
    let party = Party::of(["ana", "ben", "cho"]);
    party.check_hearing("ana ben cho music\n ben x - x .");
    let answer = party.rest.delete(&party.participant("cho")).expect(204);
    check_change(&party, "ben", "cho", &answer, false);
    check_change(&party, "ben", "ana", &answer, true);
}

#[test]
fn one_talker_arrives_bit_by_bit() {
    let party = Party::of(["ana", "ben"]);
    party.guest("ben").phone.hum(None);
    party.check_hearing("ana music\n ben x .");
    // Negative zero has no opposite number in PCM and becomes zero.
    let hummed: Vec<u8> = pcmu::encode_all(&party.guest("ana").tone.second(HUM_DBFS));
    let hummed: Vec<u8> = hummed.into_iter().map(|byte| if byte == 0x7F { pcmu::SILENCE } else { byte }).collect();
    // Until the room has taken its slot, and the buffers what delay that needs, a period may be left out or repeated.
    let exact = (0..LISTENED_MAX).any(|_| {
        let heard = party.guest("ben").phone.hear_after(Moment::now(), 100);
        let heard: Vec<u8> = heard.iter().flat_map(|packet| packet.payload.clone()).collect();
        let follows = |at: usize| heard.iter().eq(hummed.iter().cycle().skip(at).take(heard.len()));
        (0..hummed.len()).any(follows)
    });
    assert!(exact, "what ben hears is not what ana hums, byte for byte");
}

/// Two seconds each.
const LISTENED_MAX: usize = 15;

#[test]
fn a_stream_is_one_stream_without_gaps_through_every_change() {
    let party = Party::of(["ana", "ben", "cho"]);
    for (name, form) in [
        ("ana", ("Muted", "true")),
        ("ana", ("Muted", "false")),
        ("ben", ("Hold", "true")),
        ("ben", ("Hold", "false")),
        ("cho", ("Muted", "true")),
    ] {
        let answer = party.post(name, &[form]);
        party.guest("ben").phone.hear_after(answer.at, 10);
    }
    check_stream(&party.guest("ben").phone.heard());
}

/// One SSRC, sequence +1, timestamp +160, from the first packet to the last.
fn check_stream(packets: &[HeardPacket]) {
    for two in packets.windows(2) {
        let (before, after) = (two[0].header, two[1].header);
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1), "after {before:?}");
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(160), "after {before:?}");
        assert_eq!(two[1].payload.len(), 160);
    }
}

#[test]
fn keys_pressed_are_digits_and_leave_the_voices_alone() {
    let party = Party::of(["ana", "ben", "cho"]);
    party.check_hearing("ana ben cho music\n ben x - x .");
    party.guest("cho").phone.press("159#");
    party.guest("cho").phone.hum(None);
    let heard = party.guest("ben").phone.hear_after(Moment::now(), 60);
    let digits = || testkit::rest::metric(&party.server.metrics(), "partyline_digits_total");
    assert!(wait_until(PATIENCE, || digits() == Some(4.0)), "{:?} digits of 4", digits());
    // In-band tones of the keys must not appear: the events are for us, not for the room.
    for hz in [697, 770, 852, 941, 1209, 1336, 1477] {
        let loudest = heard.iter().map(|packet| Tone { hz }.level_dbfs(&packet.pcm())).fold(f64::MIN, f64::max);
        let voices = [party.guest("ana").tone, party.guest("cho").tone];
        if voices.iter().all(|voice| voice.hz.abs_diff(hz) > 150) {
            assert!(loudest < -40.0, "{hz} Hz at {loudest:.0} dBFS");
        }
    }
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   .   .
         ben   x   -   .   .
         cho   x   x   -   .  ",
    );
}

#[test]
fn a_steady_voice_has_no_broken_frame() {
    let party = Party::of(["ana", "ben", "cho"]);
    party.check_hearing("ana ben cho music\n ben x - x .");
    let voices = [party.guest("ana").tone, party.guest("cho").tone];
    let from = Moment::now();
    let heard = party.guest("ben").phone.hear_after(from, 250);
    let broken: Vec<_> = heard.iter().map(|packet| snr_db(&packet.pcm(), &voices)).filter(|&snr| snr < 25.0).collect();
    assert!(broken.len() <= party.forgiven(&["ana", "cho"], from), "broken of {} frames: {broken:.1?} dB", heard.len());
}
