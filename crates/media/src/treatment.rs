//! What is done to one leg's voice before anybody hears it: noise suppression, then gain.
//!
//! Off by default, and then not even here: a leg that was never tuned has no treatment, one that is back to neutral
//! passes untouched, bit for bit. Every change fades over 10 ms. Digits are looked for before.

use crate::message::Tuning;
use crate::mixer::{self, FRAME_MAX, Rate};
use crate::suppress::Suppressor;

/// The treatment of one leg, as it is and as it is to be.
pub(crate) struct Treatment {
    /// As a factor: now, and from the next frame on.
    gain: f32,
    gain_next: f32,
    suppressor: Option<Box<Suppressor>>,
    suppression: Suppression,
}

/// Where a suppressor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suppression {
    Off,
    /// It hears the voice already, but nobody hears it.
    Begins,
    /// It fades in.
    Rises,
    On,
    /// It fades out.
    Falls,
}

impl Treatment {
    /// What a tuning asks for, from neutral on. `rate`: of the leg's codec, if it has one yet. Allocates: not in a
    /// tick.
    pub(crate) fn new(tuning: Tuning, rate: Option<Rate>) -> Box<Self> {
        let gain_db = tuning.gain_db.clamp(-Tuning::GAIN_DB_MAX, Tuning::GAIN_DB_MAX);
        let processes = !tuning.data_mode;
        let suppresses = processes && tuning.noise_suppression;
        Box::new(Self {
            gain: 1.0,
            gain_next: if processes { 10_f32.powf(f32::from(gain_db) / 20.0) } else { 1.0 },
            suppressor: rate.filter(|_| suppresses).map(Suppressor::new),
            suppression: if suppresses { Suppression::Begins } else { Suppression::Off },
        })
    }

    /// Goes on where the one `before` was, which keeps what is to be freed.
    pub(crate) fn continue_from(&mut self, before: &mut Treatment) {
        self.gain = before.gain;
        // What was about to fall was heard until now; what was about to rise was not.
        let was_heard = matches!(before.suppression, Suppression::On | Suppression::Falls);
        self.suppression = match self.suppression {
            Suppression::Off if was_heard => Suppression::Falls,
            Suppression::Off => Suppression::Off,
            _ if was_heard => Suppression::On,
            _ if before.suppression == Suppression::Rises => Suppression::Rises,
            _ => Suppression::Begins,
        };
        if self.suppression != Suppression::Off && before.suppression != Suppression::Off {
            std::mem::swap(&mut self.suppressor, &mut before.suppressor);
        }
    }

    /// Takes the suppressor for another codec, if it needs one. Returns what is to be freed.
    pub(crate) fn agree(&mut self, rate: Rate, mut new: Option<Box<Suppressor>>) -> Option<Box<Suppressor>> {
        let has_it = self.suppressor.as_ref().is_some_and(|suppressor| suppressor.rate() == rate);
        if !has_it && self.suppression != Suppression::Off {
            std::mem::swap(&mut self.suppressor, &mut new);
            self.suppression = match self.suppression {
                Suppression::Falls => Suppression::Off,
                _ => Suppression::Begins,
            };
        }
        new
    }

    /// Treats a frame; `audible`: there is something in it. Returns whether there is still.
    pub(crate) fn process(&mut self, frame: &mut [i16], audible: bool) -> bool {
        let audible = self.suppress(frame, audible);
        if audible && (self.gain, self.gain_next) != (1.0, 1.0) {
            self.amplify(frame);
        }
        self.gain = self.gain_next;
        audible
    }

    fn suppress(&mut self, frame: &mut [i16], audible: bool) -> bool {
        let suppressor = match &mut self.suppressor {
            Some(suppressor) if self.suppression != Suppression::Off => suppressor,
            _ => return audible,
        };
        let mut dry = [0; FRAME_MAX];
        let dry = &mut dry[..frame.len()];
        if audible && self.suppression != Suppression::On {
            dry.copy_from_slice(frame);
        }
        let still_audible = suppressor.process(frame, audible);
        match self.suppression {
            Suppression::Off | Suppression::On => {}
            Suppression::Begins => {
                frame.copy_from_slice(dry);
                self.suppression = Suppression::Rises;
                return audible;
            }
            Suppression::Rises => {
                mixer::blend(frame, dry);
                self.suppression = Suppression::On;
            }
            Suppression::Falls => {
                mixer::blend(dry, frame);
                frame.copy_from_slice(dry);
                self.suppression = Suppression::Off;
            }
        }
        still_audible
    }

    fn amplify(&self, frame: &mut [i16]) {
        if self.gain == self.gain_next {
            return mixer::amplify(frame, self.gain);
        }
        let mut before = [0; FRAME_MAX];
        let before = &mut before[..frame.len()];
        before.copy_from_slice(frame);
        mixer::amplify(before, self.gain);
        mixer::amplify(frame, self.gain_next);
        mixer::blend(frame, before);
    }
}
