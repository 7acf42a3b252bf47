//! What a room remembers from one tick to the next, beside its legs: for a share that comes in the middle.
//!
//! All shares compute the same from the same sums, so they remember the same; a new one has to begin with it, or
//! its legs would hear resamplers, limiters, encoders and noise begin anew. The room's first share copies what it
//! remembers into boxes that the plane has made, and the new share takes it over before its first mix.

use super::Share;
use crate::bus::{Bus, Mix};
use crate::message::{Groups, MAIN};
use crate::noise::Noise;

/// The memory of one room, as of the beginning of a tick.
pub(crate) struct Memory {
    /// The slot of that tick.
    pub(super) slot: u64,
    #[expect(clippy::vec_box, reason = "what makes one boxes it")]
    buses: Vec<Box<Bus>>,
    #[expect(clippy::vec_box, reason = "as above")]
    mixes: Vec<Box<Mix>>,
    noise: Noise,
}

impl Memory {
    /// Of a room in which these groups are in use beside the common ones. Allocates: not in a tick.
    pub(crate) fn new(emits: &[Groups], hears: &[Groups]) -> Box<Self> {
        Box::new(Self {
            slot: 0,
            buses: [MAIN].iter().chain(emits).map(|&emit| Bus::new(emit)).collect(),
            mixes: [0, MAIN].iter().chain(hears).map(|&hear| Mix::complete(hear)).collect(),
            noise: Noise::new(),
        })
    }
}

impl Share {
    /// Writes down what the room remembers now that a tick begins.
    pub(super) fn write_down(&self, slot: u64, memory: &mut Memory) {
        memory.slot = slot;
        for bus in &mut memory.buses {
            if let Some(own) = self.buses.iter().find(|own| own.emit == bus.emit) {
                bus.recall(own);
            }
        }
        for mix in &mut memory.mixes {
            if let Some(own) = self.mixes.iter().find(|own| own.hear == mix.hear) {
                mix.recall(own);
            }
        }
        memory.noise.clone_from(&self.noise);
    }

    /// Remembers what another share has written down.
    pub(super) fn recall(&mut self, memory: &Memory) {
        for bus in &mut self.buses {
            if let Some(other) = memory.buses.iter().find(|other| other.emit == bus.emit) {
                bus.recall(other);
            }
        }
        for mix in &mut self.mixes {
            if let Some(other) = memory.mixes.iter().find(|other| other.hear == mix.hear) {
                mix.recall(other);
            }
        }
        self.noise.clone_from(&memory.noise);
    }
}
