//! Who is heard whole when many microphones are open at once.
//!
//! Up to [`OPEN_MAX`] open legs everybody is, and nothing is touched. Above, the noise of all the others would add up:
//! the [`WHOLE_MAX`] most prominent are heard whole and everybody else 20 dB lower, never cut; a leg that begins to
//! speak is in with that very frame.
//!
//! In two steps, so that a room may lie on several threads. Each share [nominates](Nominees::nominate) its most
//! prominent legs, as many as could possibly be heard whole, and lowers the rest into its sums at once. Then one
//! [decision](decide) over the nominees of all shares, the same wherever it is made, says who of them is heard whole.
//! Nominees are added only now, each as decided. Sums are integers: the result is the same however the room is split.

use model::LegId;

/// Up to so many open legs in a room, everybody is heard whole.
pub(crate) const OPEN_MAX: usize = 8;

/// So many are where there are more.
pub(crate) const WHOLE_MAX: usize = 6;

/// A leg that may be heard whole this tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Nominee {
    pub(crate) leg: LegId,
    /// The share that nominates it, counted by whoever decides: its own is 0.
    pub(crate) share: usize,
    /// Where its voice is there.
    pub(crate) at: usize,
    /// How much it deserves it, with the bonus of who was heard whole in the last tick.
    pub(crate) prominence: f32,
    /// It takes part in the conversation, and talks.
    pub(crate) talks: bool,
    /// How it is heard this tick, once that is decided.
    pub(crate) whole: bool,
}

impl Nominee {
    /// Whoever was heard whole goes first among equals, by 3 dB.
    pub(crate) fn new(leg: LegId, at: usize, prominence: f32, was_whole: bool, talks: bool) -> Self {
        let bonus = if was_whole { 2.0 } else { 1.0 };
        Self { leg, share: 0, at, prominence: prominence * bonus, talks, whole: true }
    }

    /// The more prominent first; of equals, who came first. Never equal, so that all shares agree.
    fn comes_before(&self, other: &Self) -> bool {
        self.prominence.total_cmp(&other.prominence).then(other.leg.cmp(&self.leg)).is_gt()
    }
}

/// The most prominent legs, in order.
#[derive(Default)]
pub(crate) struct Nominees {
    list: [Option<Nominee>; OPEN_MAX],
    len: usize,
}

impl Nominees {
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn list(&self) -> impl Iterator<Item = &Nominee> {
        self.list[..self.len].iter().flatten()
    }

    /// Takes a leg in, and returns the one that has to make way for it: itself, if all others are more prominent.
    pub(crate) fn nominate(&mut self, nominee: Nominee) -> Option<Nominee> {
        let at = self.list().position(|other| nominee.comes_before(other)).unwrap_or(self.len);
        if at == OPEN_MAX {
            return Some(nominee);
        }
        let last = if self.len == OPEN_MAX { self.list[OPEN_MAX - 1] } else { None };
        self.len = (self.len + 1).min(OPEN_MAX);
        self.list[at..self.len].rotate_right(1);
        self.list[at] = Some(nominee);
        last
    }

    /// Decides who is heard whole, where `open` legs are open in the whole room. Nominees of all its shares are here.
    pub(crate) fn decide(&mut self, open: usize) {
        let whole = if open > OPEN_MAX { WHOLE_MAX } else { OPEN_MAX };
        for (place, nominee) in self.list[..self.len].iter_mut().flatten().enumerate() {
            nominee.whole = place < whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nominee(leg: u64, prominence: f32) -> Nominee {
        Nominee::new(LegId(leg), leg as usize, prominence, false, true)
    }

    fn whole(nominees: &Nominees) -> Vec<u64> {
        nominees.list().filter(|nominee| nominee.whole).map(|nominee| nominee.leg.0).collect()
    }

    #[test]
    fn up_to_eight_are_heard_whole_and_six_of_more() {
        for (open, expected) in [(1, 1), (8, 8), (9, 6), (250, 6)] {
            let mut nominees = Nominees::default();
            for leg in 0..open {
                nominees.nominate(nominee(leg, 100.0 + leg as f32));
            }
            nominees.decide(open as usize);
            let loudest: Vec<u64> = (0..open).rev().take(expected).collect();
            assert_eq!(whole(&nominees), loudest, "{open} open legs");
        }
    }

    #[test]
    fn who_is_in_stays_in_among_equals() {
        for (case, level, expected) in [("as loud", 100.0, 1), ("2 dB louder", 158.0, 1), ("4 dB louder", 251.0, 2)] {
            let mut nominees = Nominees::default();
            nominees.nominate(nominee(2, level));
            nominees.nominate(Nominee::new(LegId(1), 0, 100.0, true, true));
            assert_eq!(nominees.list().next().map(|first| first.leg.0), Some(expected), "{case}");
        }
    }

    #[test]
    fn the_order_of_coming_does_not_matter() {
        let levels = [5.0, 3.0, 3.0, 9.0, 0.0, 3.0, 7.0, 3.0, 8.0, 3.0, 3.0, 2.0];
        let mut results = Vec::new();
        for start in 0..levels.len() {
            let (mut nominees, mut out) = (Nominees::default(), Vec::new());
            for i in 0..levels.len() {
                let leg = (start + i * 5) % levels.len();
                out.extend(nominees.nominate(nominee(leg as u64, levels[leg])).map(|nominee| nominee.leg));
            }
            nominees.decide(levels.len());
            assert_eq!(out.len(), levels.len() - OPEN_MAX);
            results.push(whole(&nominees));
        }
        assert!(results.iter().all(|result| *result == [3, 8, 6, 0, 1, 2]), "{results:?}");
    }
}
