//! Which of the cycle's slots a room ticks in.
//!
//! A packet waits from its arrival to the tick that plays it: 20 ms at the worst, by nothing but chance. Packets of one
//! phone always come at the same moment of the cycle, so once those who have joined are heard, the room may take the
//! slot that comes soonest after most of them:
//!
//! `arrivals   · ··        ·     ` \
//! `slots    |   | * |   |   |   |   * waits least in all`
//!
//! Changing it costs every listener one gap of less than 20 ms beyond the usual, so it is done once after legs have
//! joined, and only where it saves more than a slot's length a leg.

use crate::worker::{SLOT_US, SLOTS};

/// How long the packets of a room wait in all, for each slot it could tick in.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    us: [u64; SLOTS as usize],
    legs: u64,
}

impl Waits {
    /// Adds a leg whose packets arrive at this moment of the media clock, modulo 20 ms.
    pub(crate) fn add(&mut self, arrival_us: u64) {
        self.legs += 1;
        for (slot, waits_us) in (0..SLOTS).zip(&mut self.us) {
            // What beats the tick by less is played a tick later: jitter would make it late too often.
            let lead_us = (slot * SLOT_US + CYCLE_US - arrival_us % CYCLE_US) % CYCLE_US;
            *waits_us += if lead_us < LEAD_US_MIN { lead_us + CYCLE_US } else { lead_us };
        }
    }

    /// The slot to take instead of `own`, among those that have room; `None` to stay.
    pub(crate) fn better_than(&self, own: u64, has_room: impl Fn(u64) -> bool) -> Option<u64> {
        let best =
            (0..SLOTS).filter(|&slot| slot == own || has_room(slot)).min_by_key(|&slot| self.us[slot as usize])?;
        let saved_us = self.us[own as usize] - self.us[best as usize];
        (saved_us > self.legs * SLOT_US).then_some(best)
    }
}

/// Ticks from the last join to the choice: half a second, in which whoever joined is heard.
pub(crate) const TICKS_TO_CHOICE: u32 = 25;

const CYCLE_US: u64 = SLOTS * SLOT_US;

/// The headroom that playout keeps.
const LEAD_US_MIN: u64 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_that_waits_least_is_taken_if_that_is_worth_it_and_it_has_room() {
        for (case, arrivals_ms, own, full, better) in [
            ("one leg, just missed", &[1][..], 1, &[][..], Some(2)),
            ("one leg, just right", &[1], 2, &[], None),
            ("a slot later is no gain", &[1], 3, &[], None),
            ("two slots later is", &[1], 4, &[], Some(2)),
            ("the best is full", &[1], 9, &[2, 3], Some(4)),
            ("around the end of the cycle", &[19, 19], 9, &[], Some(1)),
            ("most of three", &[5, 5, 12], 0, &[], Some(4)),
            ("a crowd spread evenly", &[0, 2, 4, 6, 8, 10, 12, 14, 16, 18], 7, &[], None),
            ("nobody", &[], 5, &[], None),
        ] {
            let mut waits = Waits::default();
            arrivals_ms.iter().for_each(|&arrival_ms| waits.add(1_000_000 + arrival_ms * 1_000));
            let has_room = |slot| !full.contains(&slot);
            assert_eq!(waits.better_than(own, has_room), better, "{case}: {waits:?}");
        }
    }
}
