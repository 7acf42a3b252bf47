//! More microphones open than anybody could follow: who is heard whole, and that nobody is cut.

use media::{Codec, MAIN};

use crate::hall::{Hall, ROOM, Voice};
use crate::hearing::{TONES, check_picture};

/// A tone in a noisy background, of −44.3 dBFS.
const FAINT_PEAK: f64 = 200.0;

/// The tone of a bystander.
fn faint_hz(number: usize) -> f64 {
    306.0 + 98.0 * number as f64
}

/// Six who talk in turn of syllables, and bystanders with a faint tone each.
fn hall_of(bystanders: usize) -> Hall {
    let mut hall = Hall::new(1);
    for tone in TONES {
        hall.join(ROOM, Codec::Pcmu, Voice::Syllables(tone, 4_000.0));
    }
    for number in 0..bystanders {
        hall.join(ROOM, Codec::Pcmu, Voice::Tone(faint_hz(number), FAINT_PEAK));
    }
    hall.run_ms(3_000);
    hall
}

#[test]
fn six_of_many_are_heard_whole() {
    for bystanders in [2, 3, 12, 30] {
        let hall = hall_of(bystanders);
        let everybody: Vec<String> = (0..6 + bystanders)
            .map(|listener| (0..6).map(|talker| if talker == listener { '-' } else { 'x' }).collect())
            .collect();
        let everybody: Vec<&str> = everybody.iter().map(String::as_str).collect();
        check_picture(&hall, &format!("{bystanders} bystanders"), &everybody, -24.29);
        // The faint are whole beside no more than eight, and ducked but never cut beside more.
        let expected_dbfs = if 6 + bystanders <= 8 { -44.3 } else { -64.3 };
        for (listener, phone) in hall.phones.iter().enumerate() {
            for bystander in (0..bystanders.min(8)).filter(|bystander| 6 + bystander != listener) {
                let level = phone.level_dbfs(faint_hz(bystander));
                let is_right = (level - expected_dbfs).abs() < 3.0; // of a tone so faint, µ-law leaves that much
                assert!(is_right, "{listener} hears {bystander} of {bystanders} at {level:.1} dBFS");
            }
        }
    }
}

#[test]
fn who_begins_to_speak_is_in_with_that_frame() {
    let codec = Codec::L16 { rate_hz: 8_000 };
    let mut hall = Hall::new(1);
    // Nine whose microphones are open, and one of them begins to speak; two more never do.
    let phones: Vec<usize> =
        (0..11).map(|number| hall.join(ROOM, codec, Voice::Level(if number < 9 { 20 } else { 0 }))).collect();
    hall.run_ms(1_000);
    let whole = hall.phones[phones[10]].last_ms(20)[0];
    assert_eq!(whole, 6 * 20 + 3 * 2, "six whole, three ducked");
    for talker in [8, 0, 4] {
        hall.phones[phones[talker]].voice = Voice::Level(8_000);
        hall.run_ms(200);
        let heard = &hall.phones[phones[10]].heard;
        let begin = heard.iter().rposition(|&sample| sample < 200).expect("before it speaks") + 1;
        let frame = begin / 160 * 160;
        let in_full = heard[frame..].iter().position(|&sample| sample >= 8_000).expect("heard whole");
        assert!(in_full <= 80, "{talker} is heard whole after {in_full} samples of the first frame");
        hall.phones[phones[talker]].voice = Voice::Level(20);
        hall.run_ms(1_000);
    }
}

#[test]
fn whoever_closes_the_microphone_makes_room() {
    let mut hall = hall_of(3);
    hall.route(8, 0, MAIN);
    hall.run_ms(600);
    for bystander in [0, 1] {
        let level = hall.phones[0].level_dbfs(faint_hz(bystander));
        assert!((level + 44.3).abs() < 1.5, "{bystander} at {level:.1} dBFS beside seven others");
    }
    assert!(hall.phones[0].level_dbfs(faint_hz(2)) <= -60.0);
}

#[test]
fn who_sends_silence_is_not_counted() {
    let mut hall = Hall::new(1);
    let talkers: Vec<usize> = (0..6).map(|at| hall.join(ROOM, Codec::Pcmu, Voice::Tone(TONES[at], 4_000.0))).collect();
    for _ in 0..20 {
        hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    }
    hall.run_ms(4_000);
    for (talker, tone) in talkers.into_iter().zip(TONES) {
        let level = hall.phones[25].level_dbfs(tone);
        assert!((level + 18.27).abs() <= 0.3, "{talker} at {level:.1} dBFS");
    }
}
