//! How long events keep the run loop: whatever comes meanwhile waits as long.

use std::time::Duration;

/// Events by how long each was handled and done, since the start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns {
    /// How many took up to each of [`BOUNDS_US`] …
    pub(crate) counts: [u64; BOUNDS_US.len()],
    /// … and how many longer.
    pub(crate) above: u64,
    pub(crate) total: Duration,
    pub(crate) longest: Duration,
}

impl Turns {
    pub(crate) fn took(&mut self, time: Duration) {
        match BOUNDS_US.iter().position(|bound| time <= Duration::from_micros(*bound)) {
            Some(bin) => self.counts[bin] += 1,
            None => self.above += 1,
        }
        self.total += time;
        self.longest = self.longest.max(time);
    }
}

/// Upper bounds of the bins.
pub(crate) const BOUNDS_US: [u64; 10] = [20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 20_000, 100_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_is_counted_once_and_the_longest_kept() {
        let mut turns = Turns::default();
        for us in [3, 20, 21, 900, 100_000, 100_001] {
            turns.took(Duration::from_micros(us));
        }
        assert_eq!(turns.counts, [2, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!((turns.above, turns.longest), (1, Duration::from_micros(100_001)));
        assert_eq!(turns.total, Duration::from_micros(200_945));
    }
}
