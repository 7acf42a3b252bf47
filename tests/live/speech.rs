//! What documents say and play is heard.

use std::fs;

use testkit::server::wait_until;
use testkit::tone::Tone;

use crate::centre::{Centre, check_hearing};
use crate::party::PATIENCE;

const NUMBER: &str = "+15005550001";
const ANA: Tone = Tone { hz: 409 };

#[test]
fn what_is_to_be_said_is_spoken() {
    let centre = Centre::start();
    let text = "Good morning, and welcome. This sentence is here to be heard for a while. This sentence is here, too.";
    centre.number(NUMBER, &format!("/say?text={}", text.replace(' ', "+").replace(',', "%2C")), "");
    let ana = centre.dial(NUMBER).humming(ANA).connect();
    check_hearing(&[("ana", &ana, ANA)], "ana sound\n ana - x");
    // Speech comes and goes: in its course it is loud and quiet by turns, and afterwards it is silent.
    let speaks = |from: usize| {
        let packets = ana.heard();
        let loud = packets[from..].chunks(5).map(|five| {
            let pcm: Vec<i16> = five.iter().flat_map(testkit::rtp::HeardPacket::pcm).collect();
            pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / pcm.len().max(1) as f64
                > 300.0f64.powi(2)
        });
        loud.filter(|loud| *loud).count()
    };
    assert!(wait_until(PATIENCE, || speaks(0) > 25), "two and a half seconds of voice, not {} tenths", speaks(0));
    check_hearing(&[("ana", &ana, ANA)], "ana sound\n ana - .");
    centre.wait_notified(&centre.call_of(NUMBER), &[]);
    centre.check_requests();
}

#[test]
fn files_of_both_kinds_are_played() {
    let mp3 = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/tone_44100_stereo.mp3");
    for (file, column) in [("/announcement.wav", "announcement"), ("/tone.mp3", "sound")] {
        let centre = Centre::start();
        fs::copy(mp3, centre.server.data().join("files/tone.mp3")).expect("a file of the application");
        centre.number(NUMBER, &format!("/play?loop=5&file={file}"), "");
        let ana = centre.dial(NUMBER).humming(ANA).connect();
        check_hearing(&[("ana", &ana, ANA)], &format!("ana {column}\n ana - x"));
        check_hearing(&[("ana", &ana, ANA)], &format!("ana {column}\n ana - ."));
        centre.wait_notified(&centre.call_of(NUMBER), &[]);
        assert!(!ana.is_ended(), "{file}");
    }
}

#[test]
fn what_cannot_be_played_is_passed_over_and_noted() {
    let centre = Centre::start();
    centre.number(NUMBER, "/play?file=/no-such.wav", "");
    let ana = centre.dial(NUMBER).humming(ANA).connect();
    let call = centre.call_of(NUMBER);
    centre.wait_notified(&call, &["11200"]);
    check_hearing(&[("ana", &ana, ANA)], "ana sound\n ana - .");
    assert!(!ana.is_ended(), "the next verb runs");
}
