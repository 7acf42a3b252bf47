//! The keys of one peer, by whichever way it tells of them: as events (RFC 4733), or as tones in its audio.
//!
//! Many phones tell twice: a gateway lets the beginning of the tone through before it has recognised it, or all of it.
//! Whoever has sent an event means events, so from the first one on nobody listens to the tones any more while events
//! are agreed; and where they are agreed but none has come yet, a tone waits for [`EVENT_WAIT_US`] whether one does:
//!
//! `tone 5 ▁▁▂▂▂▂▁▁▁▁     tone 5 ▂▂▂▂▂▂▁▁▁▁▁▁▁▁`
//! `event 5    [5 [5 [5E ─▶ one 5     (no event)        ─▶ one 5, a little later`

use std::collections::VecDeque;
use std::mem::offset_of;

use crate::dtmf::{Digit, Event, EventReceiver};
use crate::inband::Detector;
use crate::message::{Stream, TelephoneEvent};

/// Takes events and sound, gives digits, each once.
#[repr(C)]
pub(crate) struct Keypad {
    tones: Detector,
    /// The peer has sent an event.
    sends_events: bool,
    /// A key may be down, or a digit waiting: while that is not so, nobody looks at what follows.
    is_waiting: bool,
    agreed: Option<TelephoneEvent>,
    rate_hz: u32,
    events: Option<EventReceiver>,
    /// Digits heard as tones, and when each has waited long enough.
    waiting: VecDeque<(Digit, u64)>,
}

impl Keypad {
    /// What is looked at of it while no key is pressed.
    pub(crate) const STEADY_BYTES: usize = offset_of!(Keypad, agreed);

    /// Allocates: not in a tick.
    pub(crate) fn new(stream: &Stream) -> Self {
        let rate_hz = stream.codec.rate_hz();
        Self {
            agreed: stream.telephone_event,
            events: stream.telephone_event.map(|event| EventReceiver::new(event.clock_hz)),
            sends_events: false,
            is_waiting: false,
            rate_hz,
            tones: Detector::new(rate_hz),
            waiting: VecDeque::with_capacity(WAITING_MAX),
        }
    }

    /// Goes on, as far as what was agreed is the same, where the one `before` was.
    pub(crate) fn continue_from(&mut self, before: &mut Keypad) {
        if self.agreed == before.agreed {
            std::mem::swap(&mut self.events, &mut before.events);
            std::mem::swap(&mut self.waiting, &mut before.waiting);
            self.sends_events = before.sends_events;
            self.is_waiting = true;
        }
        if self.rate_hz == before.rate_hz {
            std::mem::swap(&mut self.tones, &mut before.tones);
        }
    }

    /// Takes an event packet.
    pub(crate) fn event(&mut self, payload: &[u8], timestamp: u32, marker: bool, now_us: u64) -> Option<Digit> {
        self.is_waiting = true;
        if Event::parse(payload).is_ok_and(|event| event.key().is_some()) {
            self.sends_events = true;
            self.waiting.clear();
        }
        self.events.as_mut()?.push(payload, timestamp, marker, now_us)
    }

    /// Takes the sound of a tick, `None` where there was none.
    pub(crate) fn listen(&mut self, frame: Option<&[i16]>, now_us: u64) -> Option<Digit> {
        if self.sends_events {
            return None;
        }
        let digit = match frame {
            Some(frame) => self.tones.push(frame),
            None => self.tones.push_silence(),
        }?;
        if self.agreed.is_none() {
            return Some(digit);
        }
        let oldest = if self.waiting.len() == WAITING_MAX { self.waiting.pop_front() } else { None };
        self.waiting.push_back((digit, now_us + EVENT_WAIT_US));
        self.is_waiting = true;
        oldest.map(|(digit, _)| digit)
    }

    /// The digit whose end has not come, or that no event has come for. To be called every tick.
    pub(crate) fn poll(&mut self, now_us: u64) -> Option<Digit> {
        if !self.is_waiting {
            return None;
        }
        let digit = self.look(now_us);
        self.is_waiting = !self.waiting.is_empty() || self.events.as_ref().is_some_and(|events| events.is_pressed());
        digit
    }

    fn look(&mut self, now_us: u64) -> Option<Digit> {
        let ended = self.events.as_mut().and_then(|events| events.poll(now_us));
        if ended.is_some() || self.waiting.front().is_none_or(|&(_, until_us)| now_us < until_us) {
            return ended;
        }
        self.waiting.pop_front().map(|(digit, _)| digit)
    }
}

/// How long after a tone's end an event may still come for it.
const EVENT_WAIT_US: u64 = 200_000;

/// At 93 ms a digit, the fastest a dialler may be, so many wait at a time; of more, the oldest has waited long enough.
const WAITING_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Codec;
    use crate::digits_out::tone;
    use crate::dtmf::EventSender;
    use crate::mixer::Rate;

    const TICK_US: u64 = 20_000;

    fn keypad(telephone_event: bool) -> Keypad {
        Keypad::new(&stream(telephone_event))
    }

    fn stream(telephone_event: bool) -> Stream {
        let event = TelephoneEvent { payload_type_in: 101, payload_type_out: 101, clock_hz: 8_000 };
        Stream {
            remote: None,
            rtcp: None,
            rtcp_mux: false,
            codec: Codec::Pcmu,
            payload_type_in: 0,
            payload_type_out: 0,
            telephone_event: telephone_event.then_some(event),
            comfort_noise_payload_type: None,
            ptime_ms: 20,
            sends: true,
            receives: true,
        }
    }

    /// What a phone does: from tick to tick a tone, an event, both, or neither.
    struct Phone {
        keypad: Keypad,
        now_us: u64,
        digits: Vec<(char, u64)>,
    }

    impl Phone {
        fn new(telephone_event: bool) -> Self {
            Self { keypad: keypad(telephone_event), now_us: 0, digits: Vec::new() }
        }

        fn tick(&mut self, tone_of: Option<(char, usize)>, packet: Option<([u8; 4], u32, bool)>) {
            let mut found = Vec::new();
            if let Some((payload, timestamp, marker)) = packet {
                found.extend(self.keypad.event(&payload, timestamp, marker, self.now_us));
            }
            found.extend(self.keypad.poll(self.now_us));
            let frame = tone_of.map(|(key, at)| {
                let mut frame = [0; 160];
                tone(key, at * 160, Rate::Narrow, &mut frame);
                frame
            });
            found.extend(self.keypad.listen(frame.as_ref().map(|frame| &frame[..]), self.now_us));
            self.digits.extend(found.iter().map(|digit| (digit.digit, self.now_us / 1_000)));
            self.now_us += TICK_US;
        }

        /// A press: `tone_ticks` of audible tone, and events (if any) from tick `event_from` on, for 100 ms.
        fn press(&mut self, key: char, tone_ticks: usize, event_from: Option<usize>) {
            let timestamp = (self.now_us / 125) as u32;
            let mut events = EventSender::new(key, 100, 8_000).expect("a key");
            for tick in 0..15 {
                let packet = event_from.filter(|&from| tick >= from).and_then(|_| events.next());
                let packet = packet.map(|(payload, marker)| (payload, timestamp, marker));
                self.tick((tick < tone_ticks).then_some((key, tick)), packet);
            }
        }
    }

    #[test]
    fn a_press_is_one_digit_whichever_way_it_is_told() {
        for (case, agreed, tone_ticks, event_from) in [
            ("an event", true, 0, Some(0)),
            ("the tone leaks before the event", true, 2, Some(2)),
            ("the tone leaks a little", true, 1, Some(1)),
            ("both, all along", true, 5, Some(0)),
            ("both, the event late", true, 5, Some(3)),
            ("the event after the tone", true, 5, Some(8)),
            ("a tone, events being agreed", true, 5, None),
            ("a tone, no events being agreed", false, 5, None),
        ] {
            let mut phone = Phone::new(agreed);
            "15#".chars().for_each(|key| phone.press(key, tone_ticks, event_from));
            (0..20).for_each(|_| phone.tick(None, None));
            let keys: String = phone.digits.iter().map(|&(key, _)| key).collect();
            assert_eq!(keys, "15#", "{case}");
        }
    }

    #[test]
    fn a_tone_waits_for_its_event_only_where_events_are_agreed() {
        for (agreed, expected_ms) in [(false, 120..140), (true, 320..340)] {
            let mut phone = Phone::new(agreed);
            phone.press('7', 5, None);
            (0..20).for_each(|_| phone.tick(None, None));
            let [('7', at_ms)] = phone.digits[..] else { panic!("{:?}", phone.digits) };
            assert!(expected_ms.contains(&at_ms), "after {at_ms} ms, agreed: {agreed}");
        }
    }

    #[test]
    fn who_has_sent_an_event_is_not_listened_to_until_something_else_is_agreed() {
        let mut phone = Phone::new(true);
        phone.press('1', 0, Some(0));
        phone.press('2', 5, None);
        let mut refreshed = keypad(true);
        refreshed.continue_from(&mut phone.keypad);
        phone.keypad = refreshed;
        phone.press('3', 5, None);
        let mut without_events = keypad(false);
        without_events.continue_from(&mut phone.keypad);
        phone.keypad = without_events;
        phone.press('4', 5, None);
        let keys: String = phone.digits.iter().map(|&(key, _)| key).collect();
        assert_eq!(keys, "14");
    }

    #[test]
    fn fast_digits_all_come_in_order() {
        let mut phone = Phone::new(true);
        let keys = "1234567890";
        for key in keys.chars() {
            (0..3).for_each(|at| phone.tick(Some((key, at)), None));
            (0..2).for_each(|_| phone.tick(None, None));
        }
        (0..20).for_each(|_| phone.tick(None, None));
        assert_eq!(phone.digits.iter().map(|&(key, _)| key).collect::<String>(), keys);
    }
}
