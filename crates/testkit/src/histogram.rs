//! Many short times, and what share of them is how long.

use std::time::Duration;

/// Counts times in bins of 10 µs up to 100 ms; what is longer is kept as "longer", and the longest exactly.
#[derive(Debug, Clone)]
pub struct Histogram {
    bins: Vec<u32>,
    count: u64,
    longest: Duration,
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, time: Duration) {
        let bin = (time.as_micros() / BIN.as_micros()) as usize;
        self.bins[bin.min(BINS - 1)] += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    /// The time that this share of all does not exceed, rounded up to a bin: `quantile(0.99)`.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bin, &count) in self.bins.iter().enumerate().take(BINS - 1) {
            seen += u64::from(count);
            if seen >= wanted {
                return (BIN * (bin as u32 + 1)).min(self.longest);
            }
        }
        self.longest
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest of all.
    pub fn longest(&self) -> Duration {
        self.longest
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: vec![0; BINS], count: 0, longest: Duration::ZERO }
    }
}

const BIN: Duration = Duration::from_micros(10);
/// The last one holds all that is longer.
const BINS: usize = 10_001;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        (1..=1_000).for_each(|n| histogram.add(Duration::from_micros(10 * n - 5)));
        histogram.add(Duration::from_secs(3));
        for (share, want) in [(0.5, 5_010), (0.99, 9_910), (0.999, 10_000), (1.0, 3_000_000)] {
            assert_eq!(histogram.quantile(share), Duration::from_micros(want), "{share}");
        }
        assert_eq!(histogram.longest(), Duration::from_secs(3));
    }
}
