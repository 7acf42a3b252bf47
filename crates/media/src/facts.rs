//! What a leg has to tell call control, until the event channel has room for it.
//!
//! Nobody may make a leg forget: what is either so or not so (digits are sent, the peer is quiet) is kept as
//! a flag (of talk, whether it goes on), and only digits and the ends of sounds queue. A queue has an end, so digits are
//! refused where they come in, faster than any hand or dialler presses keys; one that was accepted is never given up.

use std::collections::VecDeque;

use model::{AnsweredBy, LegId, PlaybackId};

use crate::dtmf::Digit;
use crate::message::Event;

/// The untold facts of one leg: what every tick asks; and the rest.
pub(crate) struct Facts {
    /// The peer talks, and what was last told of that.
    talks: bool,
    told_talks: bool,
    /// There may be something else.
    has_more: bool,
    more: Box<More>,
}

/// All but who talks: of a moment now and then.
struct More {
    leg: LegId,
    /// Sounds that have ended, oldest first.
    ended: VecDeque<PlaybackId>,
    quiet_ms: Option<u64>,
    /// Who has answered, and after how many ms that was known.
    answered: Option<(AnsweredBy, u32)>,
    /// All digits that were to be sent are out.
    digits_sent: bool,
    digits: VecDeque<Digit>,
    /// When the next digit would come if they came as fast as they may.
    next_digit_us: u64,
    digits_refused: u64,
    /// Given up since the last look: refused digits, and ends of sounds with too many behind them.
    dropped: u64,
}

impl Facts {
    /// Allocates: not in a tick.
    pub(crate) fn new(leg: LegId) -> Self {
        let more = More {
            leg,
            ended: VecDeque::with_capacity(ENDED_MAX),
            quiet_ms: None,
            answered: None,
            digits_sent: false,
            digits: VecDeque::with_capacity(DIGITS_MAX),
            next_digit_us: 0,
            digits_refused: 0,
            dropped: 0,
        };
        Self { talks: false, told_talks: false, has_more: false, more: Box::new(more) }
    }

    /// Where something is about to be kept.
    fn more(&mut self) -> &mut More {
        self.has_more = true;
        &mut self.more
    }

    /// A key was pressed.
    pub(crate) fn digit(&mut self, digit: Digit, now_us: u64) {
        let more = self.more();
        let next_us = more.next_digit_us.max(now_us);
        if more.digits.len() == DIGITS_MAX || next_us >= now_us + DIGITS_BURST * DIGIT_US {
            more.digits_refused += 1;
            more.dropped += 1;
            return;
        }
        more.next_digit_us = next_us + DIGIT_US;
        more.digits.push_back(digit);
    }

    /// The private sound has come to its end.
    pub(crate) fn playback_ended(&mut self, playback: PlaybackId) {
        let more = self.more();
        if more.ended.len() == ENDED_MAX {
            more.dropped += u64::from(more.ended.pop_front().is_some());
        }
        more.ended.push_back(playback);
    }

    /// The peer has been quiet for so long.
    pub(crate) fn quiet(&mut self, since_ms: u64) {
        self.more().quiet_ms = Some(since_ms);
    }

    /// The peer is not quiet, or not any more.
    pub(crate) fn heard(&mut self) {
        if self.has_more {
            self.more.quiet_ms = None;
        }
    }

    /// It is known who has answered.
    pub(crate) fn answered(&mut self, by: AnsweredBy, after_ms: u32) {
        self.more().answered = Some((by, after_ms));
    }

    /// All digits that were to be sent are out.
    pub(crate) fn digits_sent(&mut self) {
        self.more().digits_sent = true;
    }

    /// The peer talks, or does not. Told when it is another than was told last.
    pub(crate) fn speech(&mut self, talks: bool) {
        self.talks = talks;
    }

    /// There is nothing to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.talks == self.told_talks && (!self.has_more || self.more.is_empty())
    }

    /// One fact that has not been told; of the digits, the oldest.
    pub(crate) fn take(&mut self) -> Option<Event> {
        let leg = self.more.leg;
        if self.has_more
            && let Some(event) = self.more.take_first()
        {
            return Some(event);
        }
        if self.talks != self.told_talks {
            self.told_talks = self.talks;
            return Some(Event::Speech { leg, talking: self.talks });
        }
        if self.has_more { self.more.take_digit() } else { None }
    }

    /// Digits that came too fast, in the leg's whole life.
    pub(crate) fn digits_refused(&self) -> u64 {
        self.more.digits_refused
    }

    /// How many facts were given up since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        if !self.has_more {
            return 0;
        }
        let dropped = std::mem::take(&mut self.more.dropped);
        self.has_more = !self.more.is_empty();
        dropped
    }
}

impl More {
    fn is_empty(&self) -> bool {
        self.ended.is_empty()
            && self.quiet_ms.is_none()
            && self.answered.is_none()
            && !self.digits_sent
            && self.digits.is_empty()
            && self.dropped == 0
    }

    /// The first of all facts but talk and digits.
    fn take_first(&mut self) -> Option<Event> {
        let leg = self.leg;
        if let Some(playback) = self.ended.pop_front() {
            return Some(Event::PlaybackEnded { leg, playback });
        }
        if let Some(since_ms) = self.quiet_ms.take() {
            return Some(Event::Quiet { leg, since_ms });
        }
        if let Some((by, after_ms)) = self.answered.take() {
            return Some(Event::Answered { leg, by, after_ms });
        }
        std::mem::take(&mut self.digits_sent).then_some(Event::DigitsSent { leg })
    }

    fn take_digit(&mut self) -> Option<Event> {
        let Digit { digit, duration_ms, in_audio } = self.digits.pop_front()?;
        Some(Event::Digit { leg: self.leg, digit, duration_ms, in_audio })
    }
}

/// Ends of sounds that wait: one is asked for after the other has ended, so more are of an owner that reads nothing.
const ENDED_MAX: usize = 8;

/// Digits that wait: more than six seconds at the fastest, with an owner that reads nothing.
const DIGITS_MAX: usize = 128;

/// Time for one digit. Diallers take 80 ms and more for a tone and the pause after it (ITU-T Q.24).
const DIGIT_US: u64 = 50_000;

/// Digits that may come at once, where a network has held them up.
const DIGITS_BURST: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_sounds_wait_in_their_order() {
        for (ended, told, dropped) in [(1, 1..=1, 0), (3, 1..=3, 0), (ENDED_MAX as u64, 1..=8, 0), (10, 3..=10, 2)] {
            let mut facts = Facts::new(LegId(1));
            (1..=ended).for_each(|n| facts.playback_ended(PlaybackId(n)));
            assert_eq!(facts.take_dropped(), dropped, "{ended}");
            let events: Vec<_> = std::iter::from_fn(|| facts.take()).collect();
            let want: Vec<_> = told.map(|n| Event::PlaybackEnded { leg: LegId(1), playback: PlaybackId(n) }).collect();
            assert_eq!(events, want, "{ended}");
            assert!(facts.is_empty());
        }
    }

    #[test]
    fn digits_are_accepted_as_fast_as_a_dialler_sends_them() {
        let last_us = 4_000_000;
        for (case, every_us, burst, accepted) in [
            ("a dialler", 80_000, 1, 51),
            ("after two seconds of held-up packets", 2_000_000, 25, 75),
            ("a flood", 20_000, 30, 32 + 80),
        ] {
            let mut facts = Facts::new(LegId(1));
            let mut told = 0;
            for now_us in (0..=last_us).step_by(every_us as usize) {
                (0..burst).for_each(|_| facts.digit(Digit { digit: '5', duration_ms: 50, in_audio: false }, now_us));
                told += std::iter::from_fn(|| facts.take()).count() as u64;
            }
            let sent = (last_us / every_us + 1) * burst;
            assert_eq!((told, facts.digits_refused()), (accepted, sent - accepted), "{case}");
        }
    }
}
