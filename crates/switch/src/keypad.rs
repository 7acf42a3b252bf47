//! Keypad: the keys of one phone, each counted once however often it is told.
//!
//! The audio plane reports a key whether it came as an event (RFC 4733) or as a tone; many a phone can be set up to say the
//! same by INFO, too, and some do so as they come out of the box:
//!
//! `1 in RTP, 1 by INFO, 1 by INFO, 1 in RTP ─▶ 1, nothing, 1, nothing`

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// By which way a key was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Rtp,
    Info,
}

/// What a phone has told lately and not yet told the other way.
#[derive(Debug, Default)]
pub(crate) struct Keypad {
    told: VecDeque<(char, By, Instant)>,
}

/// By how much the two may be apart: the audio plane reports a key when it is let go, INFO may say it as it is pressed.
const APART_MAX: Duration = Duration::from_secs(2);
/// Keys that are remembered: nobody presses as many in that time.
const TOLD_MAX: usize = 32;

impl Keypad {
    /// Whether this is a key of its own, and not one that has been told the other way.
    pub(crate) fn press(&mut self, now: Instant, key: char, by: By) -> bool {
        self.told.retain(|(.., at)| now.saturating_duration_since(*at) <= APART_MAX);
        if let Some(before) = self.told.iter().position(|(other, way, _)| *other == key && *way != by) {
            self.told.remove(before);
            return false;
        }
        if self.told.len() == TOLD_MAX {
            self.told.pop_front();
        }
        self.told.push_back((key, by, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_counts_once_however_it_is_told() {
        use By::{Info, Rtp};
        let start = Instant::now();
        for (case, presses, want) in [
            ("one way alone", vec![(0, '1', Rtp), (100, '1', Rtp), (200, '1', Rtp)], "111"),
            ("both ways", vec![(0, '1', Rtp), (20, '1', Info)], "1"),
            ("the other way about", vec![(0, '1', Info), (900, '1', Rtp)], "1"),
            ("one key twice", vec![(0, '1', Rtp), (20, '1', Info), (300, '1', Info), (310, '1', Rtp)], "11"),
            ("one after the other", vec![(0, '1', Rtp), (200, '2', Rtp), (210, '1', Info), (220, '2', Info)], "12"),
            ("different keys", vec![(0, '1', Rtp), (10, '2', Info)], "12"),
            ("long after", vec![(0, '1', Rtp), (2_001, '1', Info)], "11"),
        ] {
            let mut keypad = Keypad::default();
            let at = |ms| start + Duration::from_millis(ms);
            let counted = presses.iter().filter(|(ms, key, by)| keypad.press(at(*ms), *key, *by));
            assert_eq!(counted.map(|(_, key, _)| *key).collect::<String>(), want, "{case}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut keypad = Keypad::default();
        let now = Instant::now();
        assert!((0..1_000).all(|_| keypad.press(now, '5', By::Info)));
        assert_eq!(keypad.told.len(), TOLD_MAX);
    }
}
