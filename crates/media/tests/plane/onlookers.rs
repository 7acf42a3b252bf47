//! Those who listen in on a leg beside its room, and speak to it.

use media::{Codec, Command, Event, Heard, MAIN, MachineDetection, NotHeard, Tap, TapFrame, TapReader, ToUlaw};
use model::{AnsweredBy, TapId, Track, Tracks};

use crate::ear;
use crate::hall::{Hall, ROOM, Voice};

/// Everything that a tap has told, frame by frame, and its marks.
fn drain(reader: &mut TapReader) -> (Vec<TapFrame>, Vec<u32>) {
    let (mut frames, mut marks) = (Vec::new(), Vec::new());
    loop {
        match reader.poll() {
            Ok(Heard::Frame(frame)) => frames.push(frame),
            Ok(Heard::Mark(mark)) => marks.push(mark),
            Err(NotHeard::Yet | NotHeard::Over) => return (frames, marks),
        }
    }
}

/// One track's sound as µ-law decodes to.
fn narrow(frames: &[TapFrame], track: Track) -> Vec<i16> {
    let (mut to_ulaw, mut decoder) = (ToUlaw::default(), media::Decoder::new(Codec::Pcmu).expect("G.711"));
    let mut heard = Vec::new();
    for frame in frames.iter().filter(|frame| frame.track == track) {
        let mut pcm = [0; 160];
        decoder.decode(&to_ulaw.encode(frame), &mut pcm).expect("160 bytes");
        heard.extend(pcm);
    }
    heard
}

#[test]
fn a_tap_hears_each_track_apart_in_every_codec() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::L16 { rate_hz: 16_000 }] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, codec, Voice::Tone(440.0, 8_000.0));
        let ben = hall.join(ROOM, Codec::Pcmu, Voice::Tone(1_000.0, 8_000.0));
        hall.run_ms(1_000);
        let (tap, mut reader) = Tap::new(TapId(1), Tracks::Both);
        hall.plane.apply(vec![Command::Tap { leg: hall.phones[ana].leg, tap }]);
        hall.run_ms(1_000);
        let (frames, _) = drain(&mut reader);
        assert_eq!(reader.overflowed(), 0, "{codec:?}");
        for (track, own_hz, other_hz) in [(Track::Inbound, 440.0, 1_000.0), (Track::Outbound, 1_000.0, 440.0)] {
            let ticks: Vec<u64> = frames.iter().filter(|frame| frame.track == track).map(|frame| frame.tick).collect();
            assert!((48..=50).contains(&ticks.len()), "{codec:?}, {track:?}: {} frames", ticks.len());
            assert!(ticks.windows(2).all(|pair| pair[1] == pair[0] + 1), "{codec:?}, {track:?}: {ticks:?}");
            let heard = narrow(&frames, track);
            let last = &heard[heard.len() - 4_000..];
            let [own, other] = [own_hz, other_hz].map(|hz| ear::level_dbfs(last, 8_000.0, hz));
            assert!((own + 12.2).abs() < 1.0 && other < -40.0, "{codec:?}, {track:?}: {own} and {other} dBFS");
        }
        assert!((hall.phones[ana].level_dbfs(1_000.0) + 12.2).abs() < 1.0, "{codec:?}: hears on");
        assert!((hall.phones[ben].level_dbfs(440.0) + 12.2).abs() < 1.0, "{codec:?}: is heard on");
    }
}

#[test]
fn a_full_ring_loses_frames_and_counts_them() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    let (tap, mut reader) = Tap::new(TapId(1), Tracks::Inbound);
    hall.plane.apply(vec![Command::Tap { leg: hall.phones[ana].leg, tap }]);
    hall.run_ms(5_000);
    let (frames, _) = drain(&mut reader);
    assert!(frames.len() >= 100, "{} frames", frames.len());
    let told = frames.len() as u64 + reader.overflowed();
    assert!((248..=250).contains(&told), "{told} frames in 5 s");
}

#[test]
fn a_tap_ends_when_it_is_told_to_and_with_its_leg_and_when_there_are_too_many() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
    let leg = hall.phones[ana].leg;
    let mut readers: Vec<TapReader> = (0..5)
        .map(|number| {
            let (tap, reader) = Tap::new(TapId(number), Tracks::Inbound);
            hall.plane.apply(vec![Command::Tap { leg, tap }]);
            reader
        })
        .collect();
    hall.run_ms(100);
    let mut over = |hall: &mut Hall| -> Vec<bool> {
        hall.collect();
        let is_over = |reader: &mut TapReader| loop {
            match reader.poll() {
                Ok(_) => {}
                Err(why) => break why == NotHeard::Over,
            }
        };
        readers.iter_mut().map(is_over).collect()
    };
    assert_eq!(over(&mut hall), [false, false, false, false, true]);
    hall.plane.apply(vec![Command::Untap { leg, tap: TapId(2) }, Command::Untap { leg, tap: TapId(77) }]);
    hall.run_ms(100);
    assert_eq!(over(&mut hall), [false, false, true, false, true]);
    hall.close(ana);
    assert_eq!(over(&mut hall), [true; 5]);
}

#[test]
fn who_is_fed_is_heard_by_the_party_alone_until_it_is_cleared() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut hall = Hall::new(1);
        let ana = hall.join(ROOM, codec, Voice::Silence);
        let ben = hall.join(ROOM, Codec::Pcmu, Voice::Silence);
        hall.run_ms(500);
        let (tap, mut reader, mut feeder) = Tap::with_feed(TapId(1), Tracks::Inbound);
        hall.plane.apply(vec![Command::Tap { leg: hall.phones[ana].leg, tap }]);
        let mut encoder = media::Encoder::new(Codec::Pcmu).expect("G.711");
        let tone = |at: usize| (8_000.0 * (std::f64::consts::TAU * 600.0 * at as f64 / 8_000.0).sin()) as i16;
        let mut said = 0;
        let mut feed = |feeder: &mut media::TapFeeder, frames: usize| {
            for _ in 0..frames {
                let pcm: Vec<i16> = (said * 160..(said + 1) * 160).map(tone).collect();
                let mut ulaw = [0; 160];
                encoder.encode(&pcm, &mut ulaw).expect("160 bytes");
                assert!(feeder.feed(&ulaw), "there is room");
                said += 1;
            }
        };
        feed(&mut feeder, 40);
        assert!(feeder.mark(7));
        hall.run_ms(760);
        let heard = hall.phones[ana].level_dbfs(600.0);
        assert!((heard + 12.2).abs() < 1.0, "{codec:?}: {heard} dBFS");
        assert!(hall.phones[ben].level_dbfs(600.0) < -60.0, "{codec:?}: nobody else hears it");
        hall.run_ms(100);
        assert_eq!(drain(&mut reader).1, [7], "{codec:?}");

        feed(&mut feeder, 40);
        assert!(feeder.mark(8));
        hall.run_ms(300);
        feeder.clear();
        hall.run_ms(100);
        assert_eq!(drain(&mut reader).1, [8], "{codec:?}: what was cleared counts as heard");
        assert_eq!(feeder.room(), 50, "{codec:?}");
        hall.run_ms(600);
        let left = hall.phones[ana].level_dbfs(600.0);
        assert!(left < -60.0, "{codec:?}: {left} dBFS");
    }
}

#[test]
fn who_has_answered_is_told_once_with_its_time() {
    /// Half a second of a buzz, then nothing.
    fn hello(sample: u64, rate_hz: f64) -> f64 {
        let t = sample as f64 / rate_hz;
        let buzz =
            (1..10).map(|k| (std::f64::consts::TAU * 120.0 * f64::from(k) * t + f64::from(k * k)).sin()).sum::<f64>();
        if (1.0..1.6).contains(&t) { 1_500.0 * buzz } else { 0.0 }
    }
    for (voice, by, after_ms) in [
        (Voice::Sound(hello), AnsweredBy::Human, 2_500..3_100),
        (Voice::Tone(2_100.0, 6_000.0), AnsweredBy::Fax, 400..700),
        (Voice::Nothing, AnsweredBy::Unknown, 5_000..5_100),
    ] {
        let mut hall = Hall::new(1);
        let ana = hall.open(ROOM, Codec::Pcmu, voice);
        let leg = hall.phones[ana].leg;
        hall.plane.apply(vec![Command::DetectMachine { leg, detection: MachineDetection::default() }]);
        hall.route(ana, 0, MAIN); // whoever is to be judged need not be heard
        hall.run_ms(8_000);
        let answered = hall.events.iter().filter_map(|event| match event {
            Event::Answered { leg: of, by, after_ms } if *of == leg => Some((*by, *after_ms)),
            _ => None,
        });
        let answered: Vec<_> = answered.collect();
        assert!(matches!(answered[..], [(who, ms)] if who == by && after_ms.contains(&ms)), "{by}: {answered:?}");
    }
}
