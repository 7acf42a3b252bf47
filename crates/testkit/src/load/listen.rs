//! Judging a sampled leg by ear: the tones it should hear, those it should not, clicks, and delay.

use std::time::Duration;

use super::Part;
use super::traffic::HeardLeg;
use crate::chirp;
use crate::pcmu::FRAME_SAMPLES;
use crate::rtp::{self, HeardPacket};
use crate::tone::{self, HUM_DBFS, RATE_HZ, Tone};
use crate::wire::Moment;

/// What one sampled leg heard.
#[derive(Debug, Clone)]
pub struct Listened {
    /// Its number, in the order of the calls.
    pub leg: usize,
    /// How far an expected tone was from the level it was hummed at, at worst, in dB.
    pub expected_off_db: f64,
    /// The loudest tone that should not have been there.
    pub forbidden_dbfs: f64,
    /// Its frequency.
    pub forbidden_hz: u32,
    /// 20 ms frames that were judged.
    pub frames: usize,
    /// Those with a signal-to-noise ratio below 25 dB: gaps and clicks.
    pub frames_broken: usize,
    /// Those of them that came just after a talker's packet was sent late: no fault of the bridge.
    pub frames_excused: usize,
    /// The worst frame's.
    pub snr_db_min: f64,
    /// How long each chirp took through the bridge.
    pub delays: Vec<Duration>,
    /// Chirps that never came out.
    pub chirps_lost: usize,
}

/// Listens to what leg `leg` recorded between the two moments, and to the chirps after them. `late`: when its room's talkers
/// sent late.
pub(super) fn judge(
    leg: usize,
    parts: &[Part],
    heard: &HeardLeg,
    (from, until): (Moment, Moment),
    chirped: &[Moment],
    late: &[Moment],
) -> Listened {
    let part = parts[leg];
    let expected: Vec<Tone> = parts
        .iter()
        .filter(|other| other.room == part.room && other.place != part.place)
        .filter_map(|other| other.tone)
        .collect();
    let packets = between(&heard.recording, from, until);
    let talk: Vec<_> = packets.iter().flat_map(HeardPacket::pcm).collect();
    let delays: Vec<_> = chirped.iter().filter_map(|&sent| delay(&heard.recording, sent)).collect();
    let mut listened = Listened {
        leg,
        expected_off_db: 0.0,
        forbidden_dbfs: f64::NEG_INFINITY,
        forbidden_hz: 0,
        frames: 0,
        frames_broken: 0,
        frames_excused: 0,
        snr_db_min: f64::INFINITY,
        chirps_lost: chirped.len() - delays.len(),
        delays,
    };
    for window in talk.chunks_exact(WINDOW) {
        for &tone in &expected {
            let off_db = (tone.level_dbfs(window) - HUM_DBFS).abs();
            listened.expected_off_db = listened.expected_off_db.max(off_db);
        }
        for hz in Tone::PALETTE.into_iter().filter(|&hz| !expected.contains(&Tone { hz })) {
            let level_dbfs = Tone { hz }.level_dbfs(window);
            if level_dbfs > listened.forbidden_dbfs {
                (listened.forbidden_dbfs, listened.forbidden_hz) = (level_dbfs, hz);
            }
        }
    }
    let frames = if expected.is_empty() { 0 } else { talk.len() / FRAME_SAMPLES };
    for (frame, packet) in talk.chunks_exact(FRAME_SAMPLES).zip(packets).take(frames) {
        let snr_db = tone::snr_db(frame, &expected);
        listened.frames += 1;
        if snr_db < SNR_DB_MIN {
            let is_excused = late.iter().any(|&late| packet.arrived >= late && packet.arrived.since(late) <= EXCUSED);
            listened.frames_broken += 1;
            listened.frames_excused += usize::from(is_excused);
        }
        listened.snr_db_min = listened.snr_db_min.min(snr_db);
    }
    listened
}

/// From the moment a chirp's first sample was sent until the moment it would be played.
fn delay(recording: &[HeardPacket], sent: Moment) -> Option<Duration> {
    let packets = between(recording, sent, sent.plus(CHIRP_WITHIN));
    let at = chirp::find(&rtp::pcm(packets))?;
    let within = Duration::from_secs(1) * (at % FRAME_SAMPLES) as u32 / RATE_HZ;
    Some(packets[at / FRAME_SAMPLES].arrived.since(sent) + within)
}

fn between(recording: &[HeardPacket], from: Moment, until: Moment) -> &[HeardPacket] {
    let place = |moment| recording.partition_point(|packet| packet.arrived < moment);
    &recording[place(from)..place(until).max(place(from))]
}

/// A frame below this has a click or a gap in it.
pub(super) const SNR_DB_MIN: f64 = 25.0;
/// Half a second.
const WINDOW: usize = RATE_HZ as usize / 2;
/// So long after a packet that came late, what was concealed in its place may be heard.
const EXCUSED: Duration = Duration::from_millis(100);
/// A chirp that has not come out by then is lost, and the next is not yet on its way.
const CHIRP_WITHIN: Duration = Duration::from_millis(450);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::stream::Stream;
    use crate::pcmu;
    use crate::rtp::Header;

    fn recording(pcm: &[i16]) -> Vec<HeardPacket> {
        let packet = |(nth, frame): (usize, &[i16])| HeardPacket {
            arrived: Moment(nth as u64 * 20_000_000),
            header: Header { payload_type: 0, marker: false, sequence: nth as u16, timestamp: 0, ssrc: 0 },
            payload: pcmu::encode_all(frame),
        };
        pcm.chunks_exact(FRAME_SAMPLES).enumerate().map(packet).collect()
    }

    fn leg(recording: Vec<HeardPacket>) -> HeardLeg {
        let stream = Stream::default();
        HeardLeg { stream, paused: false, recording, chirped: Vec::new(), late: Vec::new(), overflowed: 0, unsent: 0 }
    }

    fn parts() -> [Part; 3] {
        let tones = [Some(Tone::nth(0)), Some(Tone::nth(10)), None];
        let part = |place: usize| Part {
            room: 0,
            room_legs: 3,
            place,
            tone: tones[place],
            sampled: place == 2,
            chirps: (place == 0).then_some(0),
        };
        [part(0), part(1), part(2)]
    }

    const SECOND: (Moment, Moment) = (Moment(0), Moment(1_000_000_000));

    #[test]
    fn a_clean_leg_is_clean_and_a_leak_a_gap_and_a_missing_voice_are_not() {
        let mix = |tones: &[Tone]| {
            let mut sum = vec![0i16; RATE_HZ as usize];
            tones.iter().for_each(|tone| sum.iter_mut().zip(tone.second(HUM_DBFS)).for_each(|(s, t)| *s += t));
            sum
        };
        let both = [Tone::nth(0), Tone::nth(10)];
        let clean = judge(2, &parts(), &leg(recording(&mix(&both))), SECOND, &[], &[]);
        assert!(clean.expected_off_db < 0.1 && clean.forbidden_dbfs < -65.0, "{clean:?}");
        assert_eq!((clean.frames, clean.frames_broken), (50, 0), "{clean:?}");

        let leaking = judge(2, &parts(), &leg(recording(&mix(&[both[0], both[1], Tone::nth(33)]))), SECOND, &[], &[]);
        assert_eq!(leaking.forbidden_hz, Tone::nth(33).hz);
        assert!(leaking.forbidden_dbfs > -21.0);

        let alone = judge(2, &parts(), &leg(recording(&mix(&both[..1]))), SECOND, &[], &[]);
        assert!(alone.expected_off_db > 40.0, "{alone:?}");

        let mut gapped = mix(&both);
        gapped[1_610..1_640].fill(0);
        // The gap is in the packet that came at 200 ms.
        for (late_ms, excused) in [(&[][..], 0), (&[180, 700], 1), (&[90], 0), (&[210], 0)] {
            let late: Vec<_> = late_ms.iter().map(|ms| Moment(ms * 1_000_000)).collect();
            let heard = judge(2, &parts(), &leg(recording(&gapped)), SECOND, &[], &late);
            assert_eq!((heard.frames_broken, heard.frames_excused), (1, excused), "late at {late_ms:?} ms");
        }
    }

    #[test]
    fn a_chirp_is_timed_from_its_first_sample() {
        let mut pcm = vec![0; RATE_HZ as usize];
        pcm[200..200 + chirp::LENGTH].copy_from_slice(&chirp::samples());
        let heard = leg(recording(&pcm));
        let listened = judge(2, &parts(), &heard, SECOND, &[Moment(10_000_000), Moment(500_000_000)], &[]);
        // Sample 200 is the 40th of the packet that came at 20 ms.
        assert_eq!(listened.delays, [Duration::from_millis(15)]);
        assert_eq!(listened.chirps_lost, 1);
    }
}
