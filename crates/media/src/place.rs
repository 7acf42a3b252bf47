//! Where the plane keeps a room, and how much has to fit there.
//!
//! Media threads never allocate, so whatever a leg needs beside its own box must be there before it comes: a seat in
//! its share, and room for its frame where the tick works. The plane counts both, and orders more in time.

use crate::order::{Growth, ShareIndex};
use crate::room::{Seats, Voices};

/// Where a room is.
pub(crate) struct Place {
    pub(crate) slot: u64,
    pub(crate) holding: Holding,
}

/// A share of a room on a thread.
pub(crate) struct Holding {
    pub(crate) thread: usize,
    pub(crate) index: ShareIndex,
    /// What is in it, or on its way to it, or has not left it yet.
    pub(crate) size: Size,
    /// Seats it has.
    seats: usize,
}

/// Legs, and the samples in one frame of each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) legs: usize,
    pub(crate) samples: usize,
}

impl Size {
    /// What the room is to be made for: at most twice as much, so that it need not be made again soon.
    fn with_reserve(self) -> Self {
        Self { legs: self.legs.next_power_of_two().max(SEATS_MIN), samples: self.samples.next_power_of_two() }
    }

    fn or_larger(self, other: Self) -> Self {
        Self { legs: self.legs.max(other.legs), samples: self.samples.max(other.samples) }
    }
}

impl Holding {
    /// Nobody, and room for nobody.
    pub(crate) fn new(thread: usize, index: ShareIndex) -> Self {
        Self { thread, index, size: Size::default(), seats: 0 }
    }

    /// What has to be ordered before its size may be what it is; `voices` is the room for voices where it is ticked.
    pub(crate) fn growth(&mut self, voices: &mut Size) -> Option<Box<Growth>> {
        let wanted = self.size.with_reserve();
        let seats = (self.seats < self.size.legs).then(|| {
            self.seats = wanted.legs;
            Seats::new(wanted.legs)
        });
        let voices = (*voices != voices.or_larger(self.size)).then(|| {
            *voices = voices.or_larger(wanted);
            Voices::new(voices.legs, voices.samples)
        });
        (seats.is_some() || voices.is_some()).then(|| Box::new(Growth { seats, voices }))
    }
}

/// A conference has three parties more often than two.
const SEATS_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_before_it_is_needed_and_seldom() {
        let (mut holding, mut voices) = (Holding::new(0, 0), Size::default());
        let mut ordered = (0, 0);
        for legs in 1..=1_000 {
            holding.size = Size { legs, samples: legs * 160 };
            let growth = holding.growth(&mut voices);
            ordered.0 += growth.iter().filter(|growth| growth.seats.is_some()).count();
            ordered.1 += growth.iter().filter(|growth| growth.voices.is_some()).count();
            assert!(holding.seats >= legs && voices.legs >= legs && voices.samples >= legs * 160, "{legs} legs");
        }
        assert_eq!((holding.seats, voices.samples), (1_024, 262_144), "no more than twice what is needed");
        assert!(ordered.0 <= 9 && ordered.1 <= 20, "{ordered:?}");
        let mut small = Holding::new(0, 1);
        small.size = Size { legs: 3, samples: 480 };
        let growth = small.growth(&mut voices).expect("seats");
        assert!(growth.seats.is_some() && growth.voices.is_none(), "the thread has room for voices already");
        assert!(small.growth(&mut voices).is_none());
    }
}
