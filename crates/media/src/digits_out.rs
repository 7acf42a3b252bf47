//! Keys that a leg presses: events (RFC 4733) in place of its audio where its peer takes them, tones otherwise.
//!
//! Every key lasts 100 ms and is followed by 100 ms without one:
//!
//! `as events:  [5M[5 [5 [5 [5E[5E[5E audio audio audio [6M …`
//! `as tones:   ▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂ silence ▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂ …`
//!
//! Between the digits `w` waits half a second and `W` a second, in which everything is as ever.

use std::f64::consts::TAU;

use crate::dtmf::{DigitString, EVENT_LEN, EventSender};
use crate::inband::tones_of;
use crate::message::TelephoneEvent;
use crate::mixer::{self, FRAME_MAX, Rate};

/// Digits on their way out of one leg, tick by tick.
#[derive(Debug)]
pub(crate) struct DigitsOut {
    queue: [u8; QUEUE_MAX],
    len: usize,
    step: Step,
    /// What was heard last is a tone, or the silence after it: audio fades in.
    after_tone: bool,
}

#[derive(Debug)]
enum Step {
    /// Audio, for so long.
    Rest { ticks: u32 },
    /// A key as events.
    Events { events: EventSender, tick: u32 },
    /// A key as tones.
    Tone { key: char, tick: u32 },
}

/// What goes out instead of a frame of audio.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventPacket {
    pub(crate) payload: [u8; EVENT_LEN],
    /// It is the first of its key.
    pub(crate) starts: bool,
}

impl DigitsOut {
    /// Allocates: not in a tick.
    pub(crate) fn new(digits: DigitString) -> Box<Self> {
        let mut new = Self { queue: [0; QUEUE_MAX], len: 0, step: Step::Rest { ticks: 0 }, after_tone: false };
        new.append(digits.as_bytes());
        Box::new(new)
    }

    /// Sends another's digits after its own; `false` when there is no room for all of them.
    pub(crate) fn continue_with(&mut self, other: &Self) -> bool {
        self.append(&other.queue[..other.len])
    }

    fn append(&mut self, keys: &[u8]) -> bool {
        let Some(free) = self.queue.get_mut(self.len..self.len + keys.len()) else { return false };
        free.copy_from_slice(keys);
        self.len += keys.len();
        true
    }

    /// There is something to send yet, or to wait for.
    pub(crate) fn is_busy(&self) -> bool {
        self.len > 0 || self.after_tone || !matches!(self.step, Step::Rest { ticks: 0 })
    }

    /// Goes on by a tick: what is to be sent in place of `frame`, the audio of this tick, or how the frame is changed.
    pub(crate) fn next(
        &mut self,
        agreed: Option<TelephoneEvent>,
        rate: Rate,
        frame: &mut [i16],
    ) -> Option<EventPacket> {
        if let Step::Rest { ticks: 0 } = self.step {
            self.begin(agreed);
        }
        let (packet, is_over) = match &mut self.step {
            Step::Tone { key, tick } => {
                play(*key, *tick, self.after_tone, rate, frame);
                self.after_tone = true;
                *tick += 1;
                (None, *tick == KEY_TICKS + PAUSE_TICKS)
            }
            other => {
                if std::mem::take(&mut self.after_tone) {
                    mixer::fade_in(frame);
                }
                match other {
                    Step::Events { events, tick } => {
                        *tick += 1;
                        (events.next().filter(|_| agreed.is_some()), *tick == KEY_TICKS + PAUSE_TICKS)
                    }
                    Step::Rest { ticks } => {
                        *ticks = ticks.saturating_sub(1);
                        (None, false)
                    }
                    Step::Tone { .. } => (None, false), // dealt with above
                }
            }
        };
        if is_over {
            self.step = Step::Rest { ticks: 0 };
        }
        packet.map(|(payload, starts)| EventPacket { payload, starts })
    }

    /// Takes the next key out of the queue.
    fn begin(&mut self, agreed: Option<TelephoneEvent>) {
        let Some((&next, rest)) = self.queue[..self.len].split_first() else { return };
        self.len = rest.len();
        self.queue.rotate_left(1);
        let key = char::from(next);
        self.step = match (key, agreed) {
            ('w', _) => Step::Rest { ticks: WAIT_TICKS },
            ('W', _) => Step::Rest { ticks: 2 * WAIT_TICKS },
            (_, None) => Step::Tone { key, tick: 0 },
            (_, Some(event)) => match EventSender::new(key, KEY_TICKS * TICK_MS, event.clock_hz) {
                Some(events) => Step::Events { events, tick: 0 },
                None => Step::Rest { ticks: 0 },
            },
        };
    }
}

/// Replaces `frame` by a tick of a key: its tone rises from the audio it displaces (or from the pause after another
/// key) and falls to silence.
fn play(key: char, tick: u32, after_tone: bool, rate: Rate, frame: &mut [i16]) {
    let mut sound = [0; FRAME_MAX];
    let sound = &mut sound[..frame.len()];
    if tick <= KEY_TICKS {
        tone(key, tick as usize * frame.len(), rate, sound);
    }
    match tick {
        0 if !after_tone => {
            mixer::fade_in(sound);
            mixer::fade_out(frame);
            sound.iter_mut().zip(&*frame).for_each(|(tone, &audio)| *tone = tone.saturating_add(audio));
        }
        0 => mixer::fade_in(sound),
        KEY_TICKS => mixer::fade_out(sound),
        _ => {}
    }
    frame.copy_from_slice(sound);
}

/// The tone of a key, `start` samples after its beginning.
pub(crate) fn tone(key: char, start: usize, rate: Rate, out: &mut [i16]) {
    let Some(hz) = tones_of(key) else { return out.fill(0) };
    for (i, out) in (start..).zip(out) {
        let at = i as f64 / f64::from(rate.hz()) * TAU;
        *out = ((hz[0] * at).sin() * LOW_PEAK + (hz[1] * at).sin() * HIGH_PEAK) as i16;
    }
}

/// −9 and −7 dBm0: lines weaken the higher tone more.
const LOW_PEAK: f64 = 8_100.0;
const HIGH_PEAK: f64 = 10_200.0;

const TICK_MS: u32 = 20;
/// 100 ms of each key, and as long a pause: twice what ITU-T Q.24 has every receiver recognise.
const KEY_TICKS: u32 = 5;
const PAUSE_TICKS: u32 = 5;
/// Half a second.
const WAIT_TICKS: u32 = 25;

/// Keys and pauses that wait in one leg: four orders as long as they may be.
const QUEUE_MAX: usize = 4 * DigitString::LEN_MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::{Digit, EventReceiver};
    use crate::inband::Detector;

    const AUDIO: i16 = 500;

    fn digits(text: &str) -> DigitString {
        text.parse().expect("digits")
    }

    /// Everything that is sent until all digits are out: packets, and the frames of the other ticks.
    fn send(text: &str, agreed: Option<TelephoneEvent>, rate: Rate) -> Vec<Result<EventPacket, Vec<i16>>> {
        let mut out = DigitsOut::new(digits(text));
        let mut sent = Vec::new();
        while out.is_busy() {
            let mut frame = vec![AUDIO; rate.frame()];
            sent.push(out.next(agreed, rate, &mut frame).ok_or(frame));
            assert!(sent.len() < 10_000, "it never ends");
        }
        sent
    }

    fn agreed(clock_hz: u32) -> Option<TelephoneEvent> {
        Some(TelephoneEvent { payload_type_in: 101, payload_type_out: 101, clock_hz })
    }

    #[test]
    fn tones_are_what_our_own_detector_hears() {
        for rate in Rate::ALL {
            let mut detector = Detector::new(rate.hz());
            let keys = "1234567890*#ABCD";
            let mut heard = Vec::new();
            for tick in send(keys, None, rate) {
                heard.extend(detector.push(&tick.expect_err("no events are agreed")));
            }
            heard.extend((0..3).filter_map(|_| detector.push_silence()));
            assert_eq!(heard.iter().map(|digit| digit.digit).collect::<String>(), keys, "{rate:?}");
            assert!(heard.iter().all(|digit| digit.duration_ms.abs_diff(100) <= 12), "{heard:?}");
        }
    }

    #[test]
    fn events_are_what_our_own_receiver_hears() {
        for clock_hz in [8_000, 48_000] {
            let mut receiver = EventReceiver::new(clock_hz);
            let (mut heard, mut timestamp, mut start) = (Vec::new(), 0, 0);
            for tick in send("19#dw0", agreed(clock_hz), Rate::Narrow) {
                if let Ok(EventPacket { payload, starts }) = tick {
                    start = if starts { timestamp } else { start };
                    heard.extend(receiver.push(&payload, start, starts, u64::from(timestamp) * 1_000_000 / 8_000));
                }
                timestamp += 160;
            }
            let want = "19#D0".chars().map(|digit| Digit { digit, duration_ms: 100, in_audio: false });
            assert_eq!(heard, want.collect::<Vec<_>>(), "{clock_hz} Hz");
        }
    }

    #[test]
    fn a_key_as_events_is_packet_by_packet_what_rfc_4733_wants() {
        let sent = send("5", agreed(8_000), Rate::Narrow);
        let packets: Vec<_> = sent.iter().map(|tick| tick.as_ref().ok()).collect();
        let packet = |flags: u8, duration: u16, starts| {
            let [high, low] = duration.to_be_bytes();
            Some(EventPacket { payload: [5, flags | 10, high, low], starts })
        };
        let want = [
            packet(0, 160, true),
            packet(0, 320, false),
            packet(0, 480, false),
            packet(0, 640, false),
            packet(0x80, 800, false),
            packet(0x80, 800, false),
            packet(0x80, 800, false),
            None,
            None,
            None,
        ];
        assert_eq!(packets, want.each_ref().map(Option::as_ref));
        assert!(sent.iter().flat_map(|tick| tick.as_ref().err()).flatten().all(|&sample| sample == AUDIO));
    }

    #[test]
    fn tones_displace_the_audio_and_it_comes_back_without_a_click() {
        let sent = send("12w3", None, Rate::Narrow);
        let frames: Vec<_> = sent.iter().map(|tick| tick.as_ref().expect_err("no events")).collect();
        let silent = |frame: &[i16]| frame.iter().all(|&sample| sample == 0);
        // Two keys of ten ticks, half a second, one key, and the audio that comes back.
        assert_eq!(frames.len(), 10 + 10 + 25 + 10 + 1);
        for (tick, frame) in frames.iter().enumerate() {
            let pauses = [6..10, 16..20, 51..55].iter().any(|pause| pause.contains(&tick));
            assert_eq!(silent(frame), pauses, "tick {tick}");
            let audio = frame[80..].iter().all(|&sample| sample == AUDIO);
            assert_eq!(audio, (20..45).contains(&tick) || tick == 55, "tick {tick}");
        }
        for back in [20, 55] {
            assert!(frames[back][0] < AUDIO / 50 && frames[back][40].abs_diff(AUDIO / 2) < 30, "tick {back} fades in");
        }
        assert!(frames[0][0] > AUDIO - 50, "and fades out under the first tone");
        assert!(frames[21..45].iter().all(|frame| frame.iter().all(|&sample| sample == AUDIO)));
    }

    #[test]
    fn orders_follow_each_other_up_to_a_bound() {
        let mut out = DigitsOut::new(digits(&"1".repeat(32)));
        let more = DigitsOut::new(digits(&"2".repeat(32)));
        assert_eq!([0; 4].map(|_| out.continue_with(&more)), [true, true, true, false]);
        let mut keys = Vec::new();
        while out.is_busy() {
            let packet = out.next(agreed(8_000), Rate::Narrow, &mut [0; 160]).filter(|packet| packet.starts);
            keys.extend(packet.map(|packet| packet.payload[0]));
        }
        assert_eq!(keys, [[1; 32], [2; 32], [2; 32], [2; 32]].concat(), "all of those that had room");
        assert!(out.continue_with(&more) && out.is_busy(), "and then there is room again");
    }

    #[test]
    fn an_agreement_that_changes_in_the_middle_ends_the_key() {
        let mut out = DigitsOut::new(digits("12"));
        assert!(out.next(agreed(8_000), Rate::Narrow, &mut [0; 160]).is_some());
        let mut heard = String::new();
        let mut detector = Detector::new(8_000);
        while out.is_busy() {
            let mut frame = [0; 160];
            assert_eq!(out.next(None, Rate::Narrow, &mut frame), None);
            heard.extend(detector.push(&frame).map(|digit| digit.digit));
        }
        heard.extend((0..3).filter_map(|_| detector.push_silence()).map(|digit| digit.digit));
        assert_eq!(heard, "2", "the next one goes the new way");
    }
}
