//! Who hears whom, and how exactly.

use media::Codec;

use crate::hall::{Hall, ROOM, Voice};

const LOUD: f64 = 8_000.0;
const LOUD_DBFS: f64 = -12.25;

/// Tones without common multiples: what G.711 adds to one of them is not at another. All of them go whole times into
/// the 500 ms that are listened to.
pub(crate) const TONES: [f64; 6] = [402.0, 718.0, 1_132.0, 1_478.0, 1_906.0, 2_342.0];

/// The coach's own group.
const COACH: u64 = 2;

#[test]
fn one_talker_is_heard_bit_exactly() {
    // From the first packet on, however loud or faint, and every byte there is; beside others who say nothing.
    let voices = [Voice::Tone(440.0, 8_000.0), Voice::Tone(1_000.0, 32_767.0), Voice::Noise(12), Voice::Noise(32_767)];
    for codec in [Codec::Pcmu, Codec::Pcma] {
        for voice in voices {
            let mut hall = Hall::new(1);
            let ana = hall.join(ROOM, codec, Voice::Nothing);
            let ben = hall.join(ROOM, codec, Voice::Nothing);
            let cho = hall.join(ROOM, codec, Voice::Silence);
            hall.run_ms(500);
            hall.phones[ana].voice = voice;
            let mut said = Vec::new();
            let packets = hall.phones[ben].packets().len();
            for _ in 0..100 {
                hall.run_ms(20);
                said.extend_from_slice(&hall.phones[ana].last_said);
            }
            // Negative zero is the one value of µ-law that does not come back as it was.
            said.iter_mut().filter(|byte| codec == Codec::Pcmu && **byte == 0x7F).for_each(|byte| *byte = 0xFF);
            for listener in [ben, cho] {
                let heard = hall.phones[listener].packets();
                let heard: Vec<u8> = heard[packets..].iter().flat_map(|packet| packet.payload.to_vec()).collect();
                let begin = (0..5).map(|packet| packet * 160).find(|&at| said.starts_with(&heard[at..heard.len()]));
                assert!(begin.is_some(), "{codec:?}, {voice:?}: {listener} hears something else");
            }
        }
    }
}

#[test]
fn roles_hear_what_they_should() {
    // Which groups each emits into and hears; then the picture: rows hear columns.
    for (case, routes, picture) in [
        ("everybody", [(1, 1), (1, 1), (1, 1)], ["-xx", "x-x", "xx-"]),
        ("ana is muted, or monitors", [(0, 1), (1, 1), (1, 1)], ["-xx", ".-x", ".x-"]),
        ("ana is on hold", [(0, 0), (1, 1), (1, 1)], ["-..", ".-x", ".x-"]),
        ("ana coaches ben", [(COACH, 1), (1, 1 | COACH), (1, 1)], ["-xx", "x-x", ".x-"]),
        ("ana barges in", [(1 | COACH, 1), (1, 1 | COACH), (1, 1)], ["-xx", "x-x", "xx-"]),
        ("ana is deaf", [(1, 0), (1, 1), (1, 1)], ["-..", "x-x", "xx-"]),
    ] {
        for codecs in
            [[Codec::Pcmu, Codec::Pcma, Codec::Pcmu], [Codec::G722, Codec::Pcmu, Codec::L16 { rate_hz: 16_000 }]]
        {
            let mut hall = Hall::new(1);
            for (tone, codec) in TONES.into_iter().zip(codecs) {
                hall.join(ROOM, codec, Voice::Tone(tone, LOUD));
            }
            hall.run_ms(200);
            for (phone, (emit, hear)) in routes.into_iter().enumerate() {
                hall.route(phone, emit, hear);
            }
            hall.run_ms(600);
            check_picture(&hall, &format!("{case}, {codecs:?}"), &picture, LOUD_DBFS);
        }
    }
}

#[test]
fn six_talk_at_once() {
    let mut hall = Hall::new(1);
    for (number, tone) in TONES.into_iter().enumerate() {
        let codec = [Codec::Pcmu, Codec::Pcma, Codec::G722][number % 3];
        hall.join(ROOM, codec, Voice::Tone(tone, 4_000.0));
    }
    hall.run_ms(800);
    check_picture(&hall, "six", &["-xxxxx", "x-xxxx", "xx-xxx", "xxx-xx", "xxxx-x", "xxxxx-"], LOUD_DBFS - 6.02);
}

/// Rows hear columns: `x` at a level of so much, by ±0.3 dB; `.` and `-` (themselves) at −60 dBFS at most.
pub(crate) fn check_picture(hall: &Hall, case: &str, picture: &[&str], expected_dbfs: f64) {
    for (listener, row) in picture.iter().enumerate() {
        for (expected, (talker, tone)) in row.chars().zip(TONES.into_iter().enumerate()) {
            let level = hall.phones[listener].level_dbfs(tone);
            let is_right = if expected == 'x' { (level - expected_dbfs).abs() <= 0.3 } else { level <= -60.0 };
            assert!(is_right, "{case}: {listener} hears {talker} at {level:.2} dBFS");
        }
    }
}

#[test]
fn rates_meet_in_one_room() {
    let codecs = [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::L16 { rate_hz: 16_000 }, Codec::L16 { rate_hz: 8_000 }];
    let mut hall = Hall::new(1);
    for (codec, tone) in codecs.into_iter().zip(TONES) {
        hall.join(ROOM, codec, Voice::Tone(tone, 4_000.0));
    }
    hall.run_ms(1_500);
    for (listener, listens) in codecs.into_iter().enumerate() {
        for (talker, (talks, tone)) in codecs.into_iter().zip(TONES).enumerate() {
            let level = hall.phones[listener].level_dbfs(tone);
            // libopus, at the rate of one voice, shifts each of five tones by half a dB and more
            let tolerance = if listens == Codec::Opus { 1.0 } else { 0.3 };
            let is_right = if listener == talker { level < -50.0 } else { (level + 18.3).abs() < tolerance };
            assert!(is_right, "{listens:?} hears {talks:?} at {level:.2} dBFS");
        }
    }
}

#[test]
fn who_begins_or_ceases_to_speak_hears_no_click() {
    // Their codecs remember, and those who only listen share an encoder: the change from it and to it.
    for (codec, click_dbfs_max) in [(Codec::G722, -68.0), (Codec::Opus, -40.0)] {
        let mut hall = Hall::new(1);
        let talker = hall.join(ROOM, Codec::L16 { rate_hz: 16_000 }, Voice::Tone(440.0, LOUD));
        let listeners = [Voice::Tone(1_000.0, LOUD), Voice::Silence].map(|voice| hall.join(ROOM, codec, voice));
        for listener in listeners {
            hall.route(listener, 0, 1);
        }
        hall.run_ms(800);
        let payloads = listeners.map(|phone| hall.phones[phone].packets().last().map(|packet| packet.payload.to_vec()));
        assert_eq!(payloads[0], payloads[1], "{codec:?}: one encoding for both");
        let steady_dbfs = worst_residual_dbfs(hall.phones[listeners[0]].last_ms(200), codec, 440.0);
        for (emit, change) in [(1, "begins to speak"), (0, "ceases to speak")] {
            hall.route(listeners[0], emit, 1);
            hall.run_ms(500);
            let residual = worst_residual_dbfs(hall.phones[listeners[0]].last_ms(500), codec, 440.0);
            assert!(residual < click_dbfs_max, "{codec:?} {change}: {residual:.1}, steady {steady_dbfs:.1} dBFS");
        }
        // A moment of silence brings the two together again.
        let last =
            |hall: &Hall| listeners.map(|at| hall.phones[at].packets().last().map(|packet| packet.payload.to_vec()));
        assert_ne!(last(&hall)[0], last(&hall)[1], "{codec:?}: an encoding each");
        hall.phones[talker].voice = Voice::Nothing;
        hall.run_ms(200);
        hall.phones[talker].voice = Voice::Tone(440.0, LOUD);
        hall.run_ms(200);
        assert_eq!(last(&hall)[0], last(&hall)[1], "{codec:?}: one encoding for both");
    }
}

/// What is left of the loudest 10 ms when the tone is taken out: noise, and clicks.
fn worst_residual_dbfs(pcm: &[i16], codec: Codec, hz: f64) -> f64 {
    let step = std::f64::consts::TAU * hz / f64::from(codec.rate_hz());
    let blocks = pcm.chunks_exact(codec.frame_samples() / 2).map(|block| {
        // The least-squares fit of a sine and a cosine: the normal equations of two unknowns.
        let (mut ss, mut sc, mut cc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (i, &sample) in block.iter().enumerate() {
            let (sin, cos) = (step * i as f64).sin_cos();
            let sample = f64::from(sample);
            (ss, sc, cc, xs, xc) =
                (ss + sin * sin, sc + sin * cos, cc + cos * cos, xs + sample * sin, xc + sample * cos);
        }
        let determinant = ss * cc - sc * sc;
        let (a, b) = ((xs * cc - xc * sc) / determinant, (xc * ss - xs * sc) / determinant);
        let residual = block.iter().enumerate().map(|(i, &sample)| {
            let (sin, cos) = (step * i as f64).sin_cos();
            (f64::from(sample) - a * sin - b * cos).powi(2)
        });
        10.0 * (residual.sum::<f64>() / block.len() as f64 / 32_768.0_f64.powi(2)).log10()
    });
    blocks.fold(f64::NEG_INFINITY, f64::max)
}
