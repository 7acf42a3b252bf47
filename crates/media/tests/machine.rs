//! Who has answered, asked of forty greetings that flite and espeak-ng speak: people and machines, each with noise.

use std::io::Write;
use std::process::{Command, Stdio};

use media::{MachineDetection, MachineDetector, resample};
use model::AnsweredBy;

/// What people say when they answer.
const PEOPLE: [&str; 10] = [
    "Hello?",
    "Yes?",
    "Hello, who is this?",
    "Good morning.",
    "Smith speaking.",
    "Hi, this is Anna.",
    "Yeah, hello?",
    "Miller, hello.",
    "Good afternoon, Jane Parker.",
    "Hello. Hello?",
];

/// What machines say.
const MACHINES: [&str; 10] = [
    "Hi, you have reached the voicemail of John Miller. I cannot come to the phone right now. Please leave a message after the tone.",
    "Your call has been forwarded to an automatic voice message system. At the tone, please record your message.",
    "Hello, this is Anna. I am not at home at the moment, so leave your name and number after the beep.",
    "The person you are calling is not available. Please try again later, or leave a message.",
    "Thank you for calling Parker and Sons. Our office is closed. Our hours are nine to five, Monday to Friday.",
    "You have reached five five five, zero one two three. No one is available to take your call.",
    "Hey, it's Ben, I can't talk right now, you know what to do after the beep, bye.",
    "Welcome to the mailbox of extension four two one. Please speak after the signal.",
    "We are sorry, but nobody can take your call. Please leave your message and we will call you back.",
    "Good day. This is the answering machine of the Miller family. Please speak clearly and leave your number.",
];

/// The same at 8 kHz.
fn say(text: &str, engine: usize) -> Vec<i16> {
    let folder = std::env::temp_dir();
    let file = folder.join(format!("partyline-machine-{}-{engine}-{}.wav", std::process::id(), text.len()));
    let mut command = match engine {
        0 => Command::new("espeak-ng"),
        _ => Command::new("flite"),
    };
    match engine {
        0 => command.args(["--stdin", "-v", "en-us+f2", "-w"]).arg(&file),
        _ => command.args(["-voice", ["rms", "slt"][engine - 1], "-f", "/dev/stdin", "-o"]).arg(&file),
    };
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the engine is installed");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
    assert!(child.wait().expect("it ends").success(), "{command:?}");
    let bytes = std::fs::read(&file).expect("spoken");
    let _ = std::fs::remove_file(&file);
    let rate_hz = u32::from_le_bytes(bytes[24..28].try_into().expect("four bytes"));
    let samples: Vec<i16> = bytes[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(1).max(1);
    let samples: Vec<i16> = samples.iter().map(|&s| (i32::from(s) * 9_000 / i32::from(loudest)) as i16).collect();
    resample(&samples, rate_hz, 8_000).expect("a rate of speech")
}

/// The same by somebody who never pauses: without any 10 ms that are more than 20 dB below the loudest.
fn in_one_breath(greeting: &[i16]) -> Vec<i16> {
    let energy = |piece: &[i16]| piece.iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>();
    let loudest = greeting.chunks(80).map(energy).max().unwrap_or_default();
    greeting.chunks(80).filter(|piece| energy(piece) * 100 >= loudest).flatten().copied().collect()
}

/// What is heard of one call, over a street or a hum of so many dB below the voice.
fn call(greeting: &[i16], beep_hz: Option<f64>, noise_peak: f64, hum: bool, seed: u32) -> Vec<i16> {
    let mut heard = vec![0_i16; 8_000 * 6 / 10];
    heard.extend(greeting);
    if let Some(hz) = beep_hz {
        heard.extend(vec![0; 8_000 * 4 / 10]);
        let beep = |at: u32| (6_000.0 * (std::f64::consts::TAU * hz * f64::from(at) / 8_000.0).sin()) as i16;
        heard.extend((0..8_000 * 4 / 10).map(beep));
    }
    heard.resize(heard.len() + 8_000 * 3, 0);
    let (mut random, mut street) = (seed.wrapping_mul(2_654_435_761) | 1, 0.0);
    for (at, sample) in heard.iter_mut().enumerate() {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let white = f64::from(random) / f64::from(u32::MAX) * 2.0 - 1.0;
        street = 0.8 * street + 0.6 * white;
        let noise =
            if hum { (std::f64::consts::TAU * 100.0 * at as f64 / 8_000.0).sin() + 0.3 * white } else { street };
        *sample = sample.saturating_add((noise * noise_peak) as i16);
    }
    heard
}

fn judge(heard: &[i16], detection: MachineDetection) -> AnsweredBy {
    let mut detector = MachineDetector::new(detection);
    let frames = heard.chunks_exact(160).map(Some).chain(std::iter::repeat(None));
    frames.take(2_000).find_map(|frame| detector.hear(frame)).expect("within its time")
}

#[test]
fn forty_greetings_are_told_apart() {
    // Truth by verdict: human, machine_start, other.
    let mut confusion = [[0; 3]; 2];
    let (mut ends, mut breathless) = ((0, 0), (0, 0));
    for number in 0..20_usize {
        // Quiet, a room, a street, a hum.
        let (noise_peak, hum) = [(4.0, false), (40.0, false), (150.0, false), (80.0, true)][number % 4];
        for (truth, text) in [PEOPLE[number / 2], MACHINES[number / 2]].into_iter().enumerate() {
            let greeting = say(text, (number + number / 2) % 3);
            let beep_hz = (truth == 1).then_some([440.0, 850.0, 1_000.0, 1_400.0][number % 4]);
            let heard = call(&greeting, beep_hz, noise_peak, hum, number as u32 + 1);
            let verdict = judge(&heard, MachineDetection::default());
            let column = match verdict {
                AnsweredBy::Human => 0,
                AnsweredBy::MachineStart => 1,
                _ => 2,
            };
            confusion[truth][column] += 1;
            if column != truth {
                println!("{verdict}: {text:?}, noise {noise_peak}, hum {hum}, engine {}", (number + number / 2) % 3);
            }
            if truth == 1 {
                let greeting = in_one_breath(&greeting);
                // What is left of a greeting shall be long enough to be a machine's.
                if greeting.len() > 8_000 * 5 / 2 {
                    let heard = call(&greeting, beep_hz, noise_peak, hum, number as u32 + 1);
                    breathless.0 += u32::from(judge(&heard, MachineDetection::default()) == AnsweredBy::MachineStart);
                    breathless.1 += 1;
                }
                let end = judge(&heard, MachineDetection { until_end: true, ..MachineDetection::default() });
                ends.0 += u32::from(end == AnsweredBy::MachineEndBeep);
                ends.1 += 1;
            }
        }
    }
    println!("            human  machine  neither");
    for (truth, row) in ["a person ", "a machine"].iter().zip(confusion) {
        println!("{truth}   {:5}  {:7}  {:7}", row[0], row[1], row[2]);
    }
    println!("beeps found at the end of the message: {} of {}", ends.0, ends.1);
    println!("machines that never pause found out: {} of {}", breathless.0, breathless.1);
    let right = confusion[0][0] + confusion[1][1];
    assert!(right >= 36, "{right} of 40 are right");
    assert!(breathless.1 >= 16 && breathless.0 * 10 >= breathless.1 * 9, "{} of {}", breathless.0, breathless.1);
    assert!(ends.0 * 10 >= ends.1 * 8, "{} of {} beeps", ends.0, ends.1);
}
