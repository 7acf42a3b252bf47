//! Digits as telephone-event packets (RFC 4733): received, and generated.
//!
//! A key held for 60 ms, as it goes over the wire; the last packet is sent three times, since it ends the digit:
//!
//! `ts 800: [5 80] [5 160+M] [5 320] [5 480 E] [5 480 E] [5 480 E]`
//!
//! All packets of one press carry the timestamp of its start; that is what makes a press *one* press, however many of
//! its packets are lost or repeated. A digit is reported when it has **ended**: at its first end packet, when the next
//! digit begins, or after [`SILENCE_US_MAX`] without any of its packets.

use std::fmt;
use std::str::FromStr;

/// A key that was pressed and released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digit {
    /// `0`–`9`, `*`, `#`, `A`–`D`.
    pub digit: char,
    /// How long it was held, as far as its packets say.
    pub duration_ms: u32,
    /// It was a tone in the peer's audio: whoever hears the peer has heard it, too.
    pub in_audio: bool,
}

/// Keys to be pressed one after the other, with pauses: `w` for half a second, `W` for a second.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DigitString {
    keys: [u8; Self::LEN_MAX],
    len: u8,
}

impl DigitString {
    /// Keys and pauses in one string.
    pub const LEN_MAX: usize = 32;

    /// The keys and pauses, one a byte.
    pub fn as_bytes(&self) -> &[u8] {
        &self.keys[..usize::from(self.len)]
    }
}

impl FromStr for DigitString {
    type Err = DigitStringError;

    /// Takes `0`–`9`, `*`, `#`, `A`–`D` (small ones, too), `w` and `W`.
    fn from_str(text: &str) -> Result<Self, DigitStringError> {
        let is_known = |c: char| KEYS.contains(&c.to_ascii_uppercase()) || matches!(c, 'w' | 'W');
        if let Some(found) = text.chars().find(|&c| !is_known(c)) {
            return Err(DigitStringError::NoKey { found });
        }
        let len = text.len();
        let mut keys = [0; Self::LEN_MAX];
        keys.get_mut(..len).ok_or(DigitStringError::TooLong { len })?.copy_from_slice(text.as_bytes());
        Ok(Self { keys, len: len as u8 })
    }
}

impl fmt::Debug for DigitString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

/// Text that is no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigitStringError {
    /// A character that is on no keypad.
    #[error("{found:?} is no key, expected 0-9, *, #, A-D, w or W")]
    NoKey {
        /// The first such.
        found: char,
    },
    /// More than [`DigitString::LEN_MAX`].
    #[error("{len} keys and pauses, expected at most {}", DigitString::LEN_MAX)]
    TooLong {
        /// How many there are.
        len: usize,
    },
}

/// One telephone-event payload (RFC 4733 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// 0–15 are the keys; tones and signals beyond are not ours.
    pub code: u8,
    /// The key has been released.
    pub end: bool,
    /// Power in −dBm0: 0 to 63, lower is louder.
    pub volume: u8,
    /// Since the timestamp, in its units.
    pub duration: u16,
}

/// Bytes of one event.
pub const EVENT_LEN: usize = 4;
/// The keys in the order of their codes.
const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];
/// Senders repeat a running event every 20 to 50 ms: this is three of the longest, so its end packets are lost.
pub const SILENCE_US_MAX: u64 = 150_000;

impl Event {
    /// Parses a payload; only its first event, if it carries several.
    pub fn parse(payload: &[u8]) -> Result<Event, EventError> {
        let Some(&[code, flags, high, low]) = payload.first_chunk::<EVENT_LEN>() else {
            return Err(EventError { len: payload.len() });
        };
        Ok(Event { code, end: flags & 0x80 != 0, volume: flags & 0x3F, duration: u16::from_be_bytes([high, low]) })
    }

    /// The payload of this event.
    pub fn to_bytes(self) -> [u8; EVENT_LEN] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, if self.end { 0x80 } else { 0 } | self.volume & 0x3F, high, low]
    }

    /// The key, if it is one.
    pub fn key(self) -> Option<char> {
        KEYS.get(usize::from(self.code)).copied()
    }
}

/// A telephone-event payload that is too short to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes of telephone-event, expected {EVENT_LEN}")]
pub struct EventError {
    /// Bytes received.
    pub len: usize,
}

/// Turns the event packets of one stream into digits.
#[derive(Debug, Clone)]
pub struct EventReceiver {
    clock_hz: u32,
    held: Option<Held>,
    /// Timestamps of the presses reported last: late and repeated packets of theirs change nothing any more.
    reported: [Option<u32>; REPORTED],
    reported_next: usize,
}

/// As many presses back as reordering could ever reach.
const REPORTED: usize = 4;

/// A key that is down.
#[derive(Debug, Clone, Copy)]
struct Held {
    key: char,
    /// Of the press, or of its current segment.
    timestamp: u32,
    /// Ticks in this segment, and in those before it: an event longer than 16 bits continues under a new timestamp.
    duration: u16,
    duration_before: u32,
    heard_us: u64,
}

impl Held {
    /// An event with this timestamp is the next segment of the same press (RFC 4733 §2.5.1.3). It begins where this one
    /// ends, which is near what 16 bits can say; how near, depends on the sender's packets and on which of them came.
    fn is_continued_at(&self, timestamp: u32, clock_hz: u32) -> bool {
        let ticks = timestamp.wrapping_sub(self.timestamp);
        let near = u64::from(u16::MAX).saturating_sub(SILENCE_US_MAX * u64::from(clock_hz) / 1_000_000);
        u64::from(self.duration) >= near && (self.duration.into()..=u16::MAX.into()).contains(&ticks)
    }
}

impl EventReceiver {
    /// `clock_hz`: of the telephone-event payload type, 8000 or 48000.
    pub fn new(clock_hz: u32) -> EventReceiver {
        EventReceiver { clock_hz: clock_hz.max(1), held: None, reported: [None; REPORTED], reported_next: 0 }
    }

    /// A key is down.
    pub(crate) fn is_pressed(&self) -> bool {
        self.held.is_some()
    }

    /// Takes one event packet. A payload that is no key, or no event at all, changes nothing.
    ///
    /// The marker is set on the first packet of a press but may be lost, so nothing depends on it, except that
    /// a marked packet never continues an earlier segment.
    pub fn push(&mut self, payload: &[u8], timestamp: u32, marker: bool, now_us: u64) -> Option<Digit> {
        let event = Event::parse(payload).ok()?;
        let key = event.key()?;
        if self.reported.contains(&Some(timestamp)) {
            return None;
        }
        let (mut ended, clock_hz) = (None, self.clock_hz);
        match &mut self.held {
            Some(held) if held.timestamp == timestamp => {
                held.duration = held.duration.max(event.duration);
                held.heard_us = now_us;
            }
            Some(held) if held.key == key && !marker && held.is_continued_at(timestamp, clock_hz) => {
                held.duration_before += timestamp.wrapping_sub(held.timestamp);
                held.timestamp = timestamp;
                held.duration = event.duration;
                held.heard_us = now_us;
            }
            // a packet of an older press than the one held: its press ended unreported before we saw it
            Some(held) if (timestamp.wrapping_sub(held.timestamp) as i32) < 0 && !marker => return None,
            _ => {
                ended = self.release();
                let duration = event.duration;
                self.held = Some(Held { key, timestamp, duration, duration_before: 0, heard_us: now_us });
            }
        }
        // a new press whose very first packet already ends it reports the one before now, itself at the next end
        // packet or by `poll`
        if event.end && ended.is_none() { self.release() } else { ended }
    }

    /// The key that was held but has not been heard of for [`SILENCE_US_MAX`]. To be called every tick.
    pub fn poll(&mut self, now_us: u64) -> Option<Digit> {
        let held = self.held.as_ref()?;
        if now_us.saturating_sub(held.heard_us) < SILENCE_US_MAX {
            return None;
        }
        self.release()
    }

    /// Is a key down? Its packets stand for audio that is not sent.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    fn release(&mut self) -> Option<Digit> {
        let held = self.held.take()?;
        self.reported[self.reported_next] = Some(held.timestamp);
        self.reported_next = (self.reported_next + 1) % REPORTED;
        let ticks = u64::from(held.duration_before) + u64::from(held.duration);
        Some(Digit { digit: held.key, duration_ms: (ticks * 1000 / u64::from(self.clock_hz)) as u32, in_audio: false })
    }
}

/// The packets of one press, one every 20 ms: what to send instead of audio.
#[derive(Debug, Clone)]
pub struct EventSender {
    code: u8,
    frame_ticks: u32,
    duration_ticks: u32,
    /// Packets handed out.
    sent: u32,
}

/// How often the end is told.
const END_COPIES: u32 = 3;
/// −10 dBm0, as phones send.
const VOLUME: u8 = 10;

impl EventSender {
    /// A press of `digit` for `duration_ms` (rounded up to 20 ms, at most what one segment holds);
    /// `None` if that is not a key.
    pub fn new(digit: char, duration_ms: u32, clock_hz: u32) -> Option<EventSender> {
        let code = KEYS.iter().position(|&key| key == digit.to_ascii_uppercase())? as u8;
        let frame_ticks = (clock_hz / 50).max(1);
        let frames = duration_ms.div_ceil(20).clamp(1, u32::from(u16::MAX) / frame_ticks);
        Some(EventSender { code, frame_ticks, duration_ticks: frames * frame_ticks, sent: 0 })
    }
}

/// Payload and marker of each packet. All of them carry the timestamp of the first; the sequence number goes on.
impl Iterator for EventSender {
    type Item = ([u8; EVENT_LEN], bool);

    fn next(&mut self) -> Option<Self::Item> {
        let frames = self.duration_ticks / self.frame_ticks;
        if self.sent >= frames + END_COPIES - 1 {
            return None;
        }
        let marker = self.sent == 0;
        self.sent += 1;
        let duration = (self.sent * self.frame_ticks).min(self.duration_ticks) as u16;
        let event = Event { code: self.code, end: self.sent >= frames, volume: VOLUME, duration };
        Some((event.to_bytes(), marker))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK_US: u64 = 20_000;

    /// What `receiver` reports for one press whose packets are sent every 20 ms, but for those `lost` by index.
    fn press(receiver: &mut EventReceiver, digit: char, timestamp: u32, start_us: u64, lost: &[usize]) -> Vec<Digit> {
        let sender = EventSender::new(digit, 60, receiver.clock_hz).expect("a key");
        let mut digits = vec![];
        for (i, (payload, marker)) in sender.enumerate() {
            let now_us = start_us + i as u64 * TICK_US;
            if !lost.contains(&i) {
                digits.extend(receiver.push(&payload, timestamp, marker, now_us));
            }
            digits.extend(receiver.poll(now_us));
        }
        for i in 5..14 {
            digits.extend(receiver.poll(start_us + i * TICK_US));
        }
        digits
    }

    #[test]
    fn a_press_is_one_digit_whatever_is_lost() {
        for (case, lost, duration_ms) in [
            ("all received", &[][..], 60),
            ("the first, with the marker", &[0], 60),
            ("two end packets", &[2, 3], 60),
            ("all but the last end packet", &[0, 1, 2, 3], 60),
            ("all end packets", &[2, 3, 4], 40),
            ("all but the first", &[1, 2, 3, 4], 20),
        ] {
            for clock_hz in [8_000, 48_000] {
                let digits = press(&mut EventReceiver::new(clock_hz), '#', 800, 0, lost);
                assert_eq!(digits, [Digit { digit: '#', duration_ms, in_audio: false }], "{case}, {clock_hz} Hz");
            }
        }
    }

    #[test]
    fn every_key_is_known() {
        let mut receiver = EventReceiver::new(8000);
        for (i, key) in "0123456789*#ABCD".chars().enumerate() {
            let i = i as u32;
            let digits = press(&mut receiver, key, i * 4000, u64::from(i) * 500_000, &[]);
            assert_eq!(digits, [Digit { digit: key, duration_ms: 60, in_audio: false }]);
        }
        assert!(EventSender::new('E', 60, 8000).is_none());
        assert_eq!(receiver.push(&[16, 0x80, 0, 160], 9, true, 0), None, "hook flash is no digit");
        assert_eq!(receiver.push(&[1, 0x80, 0], 10, true, 0), None, "too short to be an event");
    }

    #[test]
    fn the_same_key_twice_is_two_digits_even_without_end_packets() {
        let mut receiver = EventReceiver::new(8000);
        assert_eq!(receiver.push(&[5, 10, 1, 64], 800, true, 0), None);
        assert_eq!(
            receiver.push(&[5, 10, 0, 160], 2400, true, 100_000),
            Some(Digit { digit: '5', duration_ms: 40, in_audio: false }),
            "the next press ends the one before"
        );
        assert_eq!(receiver.poll(240_000), None);
        assert_eq!(receiver.poll(250_000), Some(Digit { digit: '5', duration_ms: 20, in_audio: false }));
        assert_eq!(receiver.poll(250_000), None);
    }

    #[test]
    fn late_and_repeated_packets_change_nothing() {
        let mut receiver = EventReceiver::new(8000);
        assert!(receiver.push(&[1, 0x8A, 1, 64], 800, false, 0).is_some());
        assert_eq!(receiver.push(&[1, 0x8A, 1, 64], 800, false, 20_000), None, "a copy of the end");
        assert_eq!(receiver.push(&[1, 10, 0, 160], 800, true, 20_000), None, "a packet overtaken by the end");
        assert_eq!(receiver.push(&[2, 10, 0, 160], 4000, true, 30_000), None);
        assert_eq!(receiver.push(&[1, 0x8A, 1, 64], 800, false, 40_000), None, "a copy within the next press");
        assert_eq!(receiver.push(&[2, 0x8A, 1, 64], 4000, false, 50_000).map(|digit| digit.digit), Some('2'));
    }

    #[test]
    fn a_key_held_beyond_one_segment_is_one_digit() {
        let mut receiver = EventReceiver::new(8000);
        assert_eq!(receiver.push(&[9, 10, 0xFF, 0xFF], 1000, true, 0), None);
        assert_eq!(receiver.push(&[9, 10, 0, 160], 1000 + 0xFFFF, false, 20_000), None);
        let digit = receiver.push(&[9, 0x8A, 1, 64], 1000 + 0xFFFF, false, 40_000);
        assert_eq!(digit, Some(Digit { digit: '9', duration_ms: (0xFFFF + 320) / 8, in_audio: false }));
    }

    /// Packets every 20 ms of a key held for so many, in segments of so many ticks: payload, timestamp and marker.
    fn segments(key: u8, start: u32, packets: u32, frame_ticks: u32, segment: u32) -> Vec<([u8; 4], u32, bool)> {
        (1..=packets)
            .map(|n| {
                let passed = n * frame_ticks;
                let before = (passed - 1) / segment * segment;
                let [high, low] = ((passed - before) as u16).to_be_bytes();
                let end = if n == packets { 0x80 } else { 0 };
                ([key, end | 10, high, low], start.wrapping_add(before), n == 1)
            })
            .collect()
    }

    #[test]
    fn segments_make_one_digit_whatever_is_lost() {
        for (case, clock_hz, frame_ticks, segment, lost) in [
            ("8 kHz", 8_000, 160, 0xFFFF, &[][..]),
            ("48 kHz, several segments", 48_000, 960, 0xFFFF, &[]),
            ("segments of whole packets", 48_000, 960, 68 * 960, &[]),
            ("the last of a segment", 48_000, 960, 68 * 960, &[67]),
            ("the last three of a segment and the first of the next", 48_000, 960, 68 * 960, &[65, 66, 67, 68]),
            ("the marker", 48_000, 960, 68 * 960, &[0, 1]),
        ] {
            let packets = if clock_hz == 8_000 { 500 } else { 250 };
            for start in [0, 0xFFFF_0000] {
                let mut receiver = EventReceiver::new(clock_hz);
                let mut digits = vec![];
                for (i, (payload, timestamp, marker)) in
                    segments(7, start, packets, frame_ticks, segment).into_iter().enumerate()
                {
                    let now_us = i as u64 * TICK_US;
                    if !lost.contains(&i) {
                        digits.extend(receiver.push(&payload, timestamp, marker, now_us));
                    }
                    digits.extend(receiver.poll(now_us));
                }
                assert_eq!(digits, [Digit { digit: '7', duration_ms: packets * 20, in_audio: false }], "{case}");
            }
        }
    }

    #[test]
    fn presses_that_overlap_are_told_once_each_and_in_order() {
        // The end of one is still being repeated, or was lost, when the next has begun.
        let one = [(0x0A, 160), (0x0A, 320), (0x8A, 480), (0x8A, 480), (0x8A, 480)].map(|(f, d)| (1, f, d, 800_u32));
        let two = [(0x0A, 160), (0x8A, 320), (0x8A, 320), (0x8A, 320)].map(|(f, d)| (2, f, d, 1_400_u32));
        for (case, order) in [
            ("one behind the other", [0, 1, 2, 3, 4, 10, 11, 12, 13]),
            ("ends among the next", [0, 1, 2, 10, 3, 11, 4, 12, 13]),
            ("the end not before the next", [0, 1, 10, 2, 3, 4, 11, 12, 13]),
            ("the next ends first", [0, 1, 10, 11, 2, 12, 3, 13, 4]),
        ] {
            for with_markers in [true, false] {
                let mut receiver = EventReceiver::new(8_000);
                let mut told = String::new();
                for (at, packet) in order.into_iter().enumerate() {
                    let (key, flags, duration, timestamp) = if packet < 10 { one[packet] } else { two[packet - 10] };
                    let [high, low] = u16::to_be_bytes(duration);
                    let marker = with_markers && packet % 10 == 0;
                    let digit = receiver.push(&[key, flags, high, low], timestamp, marker, at as u64 * TICK_US);
                    told.extend(digit.map(|digit| digit.digit));
                }
                told.extend(receiver.poll(1_000_000).map(|digit| digit.digit));
                assert_eq!(told, "12", "{case}, markers: {with_markers}");
            }
        }
    }

    #[test]
    fn of_two_presses_each_is_told_as_long_as_one_packet_came() {
        // Two keys, the same or not, of five packets each: every way to lose some.
        for keys in ["12", "33"] {
            for lost in 0..1_u32 << 10 {
                let mut receiver = EventReceiver::new(8_000);
                let (mut told, mut want, mut now_us) = (String::new(), String::new(), 0);
                for (press, key) in keys.chars().enumerate() {
                    let timestamp = 800 + press as u32 * 1_600;
                    let sender = EventSender::new(key, 60, 8_000).expect("a key");
                    let came = |i: usize| lost >> (press * 5 + i) & 1 == 0;
                    want.extend((0..5).any(came).then_some(key));
                    for (i, (payload, marker)) in sender.enumerate() {
                        let digit = came(i).then(|| receiver.push(&payload, timestamp, marker, now_us)).flatten();
                        told.extend(digit.or_else(|| receiver.poll(now_us)).map(|digit| digit.digit));
                        now_us += TICK_US;
                    }
                    for _ in 0..5 {
                        told.extend(receiver.poll(now_us).map(|digit| digit.digit));
                        now_us += TICK_US;
                    }
                }
                told.extend((0..10).filter_map(|i| receiver.poll(now_us + i * TICK_US)).map(|digit| digit.digit));
                assert_eq!(told, want, "{keys}, lost: {lost:010b}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_packets_are_taken(packets: Vec<([u8; 4], u32, bool, u32)>, short in proptest::collection::vec(any::<u8>(), 0..4)) {
            let mut receiver = EventReceiver::new(8000);
            receiver.push(&short, 0, false, 0);
            let mut now_us = 0;
            for (payload, timestamp, marker, passed_us) in packets {
                now_us += u64::from(passed_us);
                receiver.push(&payload, timestamp, marker, now_us);
                receiver.poll(now_us);
            }
        }
    }
}
