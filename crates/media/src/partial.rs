//! What the shares of one room tell each other in every tick.
//!
//! A [`Partial`] holds what one share has heard, as exactly as the room will need it: the sums of the voices that
//! cannot be heard whole, and the others one by one. Whoever has everybody's can mix as if all legs were its own.
//! Written by one share, then read by all others, who give it back by letting go of it.

use crate::Codec;
use crate::bus::{self, Asked, Bus, Frames};
use crate::message::Groups;
use crate::mixer::{FRAME_MAX, Gain, Rate};
use crate::selection::{Nominee, OPEN_MAX};

/// What one share has heard in one tick.
pub(crate) struct Partial {
    /// The slot it was heard in.
    pub(crate) slot: u64,
    /// The rates somebody listens at.
    pub(crate) listening: [bool; 3],
    /// How many microphones are open, and the sum of the noise they come with.
    pub(crate) open: usize,
    pub(crate) floors_decibov: i32,
    /// An announcement, which the room's first share plays to all.
    announcement: Frames<i32>,
    announces: bool,
    sums: Box<[Sum]>,
    sums_len: usize,
    nominations: Box<[Nomination]>,
    nominations_len: usize,
    /// Who only listens, and by which codecs.
    asks: Box<[(Groups, Asked)]>,
    asks_len: usize,
}

/// The voices on one bus.
struct Sum {
    emit: Groups,
    voices: [usize; 3],
    said: Frames<i32>,
}

/// A leg that may be heard whole, with its voice as it came.
pub(crate) struct Nomination {
    pub(crate) nominee: Nominee,
    pub(crate) voice: Option<Rate>,
    pub(crate) emit: Groups,
    pub(crate) emit_before: Option<Groups>,
    pub(crate) gain_before: Gain,
    pub(crate) frame: [i16; FRAME_MAX],
}

impl Partial {
    /// Room for so many buses and mixes: the mix of nothing comes on top. Allocates: not in a tick.
    pub(crate) fn new(routes: usize) -> Self {
        let sum = || Sum { emit: 0, voices: [0; 3], said: Frames::new() };
        let nomination = || Nomination {
            nominee: Nominee::new(model::LegId(0), 0, 0.0, false, false),
            voice: None,
            emit: 0,
            emit_before: None,
            gain_before: Gain::Whole,
            frame: [0; FRAME_MAX],
        };
        Self {
            slot: 0,
            listening: [false; 3],
            open: 0,
            floors_decibov: 0,
            announcement: Frames::new(),
            announces: false,
            sums: std::iter::repeat_with(sum).take(routes).collect(),
            sums_len: 0,
            nominations: std::iter::repeat_with(nomination).take(OPEN_MAX).collect(),
            nominations_len: 0,
            asks: vec![(0, Asked::default()); routes + 1].into(),
            asks_len: 0,
        }
    }

    /// The buses there is room for.
    pub(crate) fn routes(&self) -> usize {
        self.sums.len()
    }

    /// Begins with a tick of which nothing is known yet.
    pub(crate) fn begin(&mut self, slot: u64) {
        self.slot = slot;
        self.announces = false;
        self.sums_len = 0;
        self.nominations_len = 0;
        self.asks_len = 0;
    }

    /// Notes what has been said into a bus. `false` where there is no room for it.
    pub(crate) fn add_bus(&mut self, bus: &Bus) -> bool {
        if Rate::ALL.iter().all(|&rate| bus.said(rate).is_none()) {
            return true;
        }
        let Some(sum) = self.sums.get_mut(self.sums_len) else { return false };
        self.sums_len += 1;
        sum.emit = bus.emit;
        for rate in Rate::ALL {
            sum.voices[rate as usize] = 0;
            if let Some((voices, said)) = bus.said(rate) {
                sum.voices[rate as usize] = voices;
                sum.said[rate].copy_from_slice(said);
            }
        }
        true
    }

    /// Notes what is announced, if anything is.
    pub(crate) fn add_announcement(&mut self, bus: &Bus) {
        for rate in Rate::ALL {
            if let Some(played) = bus.played(rate) {
                self.announces = true;
                self.announcement[rate].copy_from_slice(played);
            }
        }
    }

    /// A place for one more nomination; there are as many as a share can nominate.
    pub(crate) fn nominate(&mut self) -> Option<&mut Nomination> {
        self.nominations_len += 1;
        self.nominations.get_mut(self.nominations_len - 1)
    }

    /// Everybody who was nominated.
    pub(crate) fn nominations(&self) -> &[Nomination] {
        &self.nominations[..self.nominations_len.min(self.nominations.len())]
    }

    /// Notes that somebody who only listens hears these groups by this codec. `false` where there is no room for it.
    pub(crate) fn ask(&mut self, hear: Groups, codec: Codec) -> bool {
        let known = self.asks[..self.asks_len].iter().position(|&(asked, _)| asked == hear);
        let at = known.unwrap_or(self.asks_len);
        let Some(entry) = self.asks.get_mut(at) else { return false };
        if known.is_none() {
            *entry = (hear, Asked::default());
            self.asks_len += 1;
        }
        bus::ask(&mut entry.1, codec);
        true
    }

    /// What is asked for, by the groups that are heard.
    pub(crate) fn asks(&self) -> &[(Groups, Asked)] {
        &self.asks[..self.asks_len]
    }

    /// Adds what was said, and announced, to the buses of another share. Returns how many of the sums are for a bus
    /// that is not there.
    pub(crate) fn add_to(&self, buses: &mut [Box<Bus>], listening: [bool; 3]) -> u64 {
        let mut unknown = 0;
        for sum in &self.sums[..self.sums_len] {
            let Some(bus) = buses.iter_mut().find(|bus| bus.emit == sum.emit) else {
                unknown += 1;
                continue;
            };
            for rate in Rate::ALL.into_iter().filter(|&rate| sum.voices[rate as usize] > 0) {
                bus.say_sum(rate, sum.voices[rate as usize], &sum.said[rate]);
            }
        }
        for rate in Rate::ALL.into_iter().filter(|&rate| self.announces && listening[rate as usize]) {
            buses[0].play_sum(rate, &self.announcement[rate]);
        }
        unknown
    }
}
