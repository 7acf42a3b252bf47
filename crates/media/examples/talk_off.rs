//! Which digits are heard in a sound: for `tests/python/talk_off.py`, which lets voices speak and wants none.
//!
//! `talk_off RATE < SOUND`: SOUND is 16-bit PCM, mono, RATE samples a second. Brought to −6 dBFS it is listened to at
//! each rate that legs have, at 8 kHz as µ-law. Prints the seconds listened to, and then a line for each digit.

use std::error::Error;
use std::io::Read;

use media::inband::Detector;
use media::{Codec, Decoder, Encoder, resample};

const PEAK: f64 = 16_384.0;

fn main() -> Result<(), Box<dyn Error>> {
    let rate_hz: u32 = std::env::args().nth(1).ok_or("usage: talk_off RATE < SOUND")?.parse()?;
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let sound: Vec<i16> = bytes.as_chunks().0.iter().map(|&bytes| i16::from_le_bytes(bytes)).collect();
    let peak = sound.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0).max(1);
    let sound: Vec<i16> = sound.iter().map(|&x| (f64::from(x) * PEAK / f64::from(peak)) as i16).collect();

    let mut seconds = 0.0;
    let mut digits = Vec::new();
    for codec in [Codec::Pcmu, Codec::G722, Codec::L16 { rate_hz: 16_000 }, Codec::Opus] {
        let mut detector = Detector::new(codec.rate_hz());
        let (mut encoder, mut decoder) = (Encoder::new(codec)?, Decoder::new(codec)?);
        let pcm = resample(&sound, rate_hz, codec.rate_hz())?;
        for (number, frame) in pcm.chunks_exact(codec.frame_samples()).enumerate() {
            let (mut payload, mut heard) = ([0; 2_000], frame.to_vec());
            // Opus takes longer than everything else together, and what it adds is not what matters.
            if codec != Codec::Opus {
                let len = encoder.encode(frame, &mut payload)?;
                decoder.decode(&payload[..len], &mut heard)?;
            }
            seconds += 0.02;
            let digit = detector.push(&heard);
            digits.extend(digit.map(|digit| (codec, number as f64 * 0.02, digit)));
        }
    }
    println!("{seconds:.1}");
    for (codec, at, digit) in digits {
        println!("{codec:?} at {at:.2} s: {} for {} ms", digit.digit, digit.duration_ms);
    }
    Ok(())
}
