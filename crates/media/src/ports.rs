//! The pool of RTP ports: even ports, RTCP one above.
//!
//! Handed out round-robin from anywhere on, and a port rests after its leg is gone: the last packets of one call, and
//! a phone that has not noticed, must not speak into the next. A port that somebody else holds rests, too.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Pairs of ports.
pub(crate) struct Ports {
    first: u16,
    /// Of each pair from `first` on.
    states: Vec<State>,
    next: usize,
    /// Pairs that rest, with the end of their rest; the first to end it is in front.
    resting: VecDeque<(u64, usize)>,
    rest_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Taken,
    Resting,
}

impl Ports {
    /// A range's pairs; an odd first port is left out, and so is a last one without a partner.
    ///
    /// `start`: any number, it picks the first pair handed out. Two bridges on one machine, or one that restarts,
    /// begin where the other most likely is not.
    pub(crate) fn new(range: &RangeInclusive<u16>, rest_us: u64, start: u64) -> Self {
        let first = *range.start() & !1;
        let first = if first < *range.start() { first.saturating_add(2) } else { first };
        let pairs = (usize::from(*range.end()) + 1).saturating_sub(usize::from(first)) / 2;
        let next = (start % pairs.max(1) as u64) as usize;
        Self { first, states: vec![State::Free; pairs], next, resting: VecDeque::with_capacity(pairs), rest_us }
    }

    /// How many pairs there are, in whatever state.
    pub(crate) fn pairs(&self) -> usize {
        self.states.len()
    }

    /// The RTP port of the next free pair. When only resting ones are left, the one that has rested longest.
    pub(crate) fn take(&mut self, now_us: u64) -> Option<u16> {
        while let Some(&(until_us, pair)) = self.resting.front() {
            if until_us > now_us {
                break;
            }
            self.resting.pop_front();
            self.states[pair] = State::Free;
        }
        let len = self.states.len();
        let free = (self.next..self.next + len).map(|at| at % len).find(|&pair| self.states[pair] == State::Free);
        let pair = free.or_else(|| self.resting.pop_front().map(|(_, pair)| pair))?;
        self.states[pair] = State::Taken;
        self.next = (pair + 1) % len;
        Some(self.first + 2 * pair as u16)
    }

    /// Takes a pair back.
    pub(crate) fn release(&mut self, port: u16, now_us: u64) {
        let pair = usize::from(port.wrapping_sub(self.first) / 2);
        if self.states.get(pair) == Some(&State::Taken) {
            self.states[pair] = State::Resting;
            self.resting.push_back((now_us + self.rest_us, pair));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_lie_within_the_range() {
        for (range, pairs) in [
            (10_000..=10_001, &[10_000][..]),
            (10_001..=10_004, &[10_002]),
            (10_001..=10_005, &[10_002, 10_004]),
            (65_534..=65_535, &[65_534]),
            (10_001..=10_001, &[]),
            #[expect(clippy::reversed_empty_ranges, reason = "what a configuration may say")]
            (20_000..=10_000, &[]),
        ] {
            let mut ports = Ports::new(&range, 0, 0);
            let taken: Vec<u16> = std::iter::from_fn(|| ports.take(0)).collect();
            assert_eq!(taken, pairs, "{range:?}");
        }
    }

    #[test]
    fn the_first_pair_is_any() {
        for (start, taken) in [(1, [10_002, 10_004, 10_000]), (u64::MAX, [10_000, 10_002, 10_004])] {
            let mut ports = Ports::new(&(10_000..=10_005), 0, start);
            assert_eq!(std::array::from_fn(|_| ports.take(0).expect("a free pair")), taken, "{start}");
        }
    }

    #[test]
    fn a_port_rests_before_it_is_used_again() {
        let mut ports = Ports::new(&(10_000..=10_005), 1_000, 0);
        assert_eq!(ports.take(0), Some(10_000));
        ports.release(10_000, 0);
        assert_eq!(ports.take(0), Some(10_002), "round-robin");
        assert_eq!(ports.take(0), Some(10_004));
        assert_eq!(ports.take(500), Some(10_000), "rather one that has not rested than none");
        assert_eq!(ports.take(500), None);
        ports.release(10_004, 500);
        ports.release(10_002, 600);
        assert_eq!(ports.take(1_600), Some(10_002), "both have rested: the next in turn");
        ports.release(9_998, 0);
        ports.release(10_000, 0);
        ports.release(10_000, 0);
        assert_eq!((ports.take(2_000), ports.take(2_000), ports.take(2_000)), (Some(10_004), Some(10_000), None));
    }
}
