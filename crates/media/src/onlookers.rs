//! Those who listen in on one leg beside its room: [taps](crate::tap), which may speak to it, and who is to find out
//! [who has answered](crate::machine).
//!
//! Few legs have any, so a leg without pays one look at a pointer. A leg with a tap of what it hears, or one that
//! speaks to it, is mixed for on its own: what all others share is encoded already.

use crossbeam_channel::TrySendError;
use model::{AnsweredBy, TapId, Track};

use crate::Resampler;
use crate::machine::{MachineDetection, MachineDetector};
use crate::mixer::{self, FRAME_MAX, Rate};
use crate::tap::{Fed, Heard, NARROW, Tap, TapFrame};
use crate::worker::{SLOTS, Tick};

/// All of one leg's.
pub(crate) struct Onlookers {
    #[expect(clippy::vec_box, reason = "they come and go as boxes, in ticks")]
    taps: Vec<Box<LegTap>>,
    machine: Option<Box<MachineDetector>>,
    /// It does not know yet.
    detects: bool,
}

/// A tap, as the leg holds it.
pub(crate) struct LegTap {
    tap: Tap,
    /// From 8 kHz to the higher rates, where it is fed.
    up: Option<[Resampler; 2]>,
    /// What was fed is being heard.
    speaks: bool,
    /// The epoch that belongs to.
    epoch: u32,
    /// Reached, and not reported yet.
    mark: Option<u32>,
}

impl LegTap {
    /// Allocates: not in a tick.
    pub(crate) fn new(tap: Tap) -> Box<Self> {
        let up = |rate: Rate| Resampler::new(Rate::Narrow.hz(), rate.hz()).expect("rates of ours");
        let up = tap.fed.is_some().then(|| [up(Rate::Wide), up(Rate::Full)]);
        let epoch = tap.shared.epoch();
        Box::new(Self { tap, up, speaks: false, epoch, mark: None })
    }
}

impl Onlookers {
    /// The first of a leg, or one more. Allocates: not in a tick.
    pub(crate) fn new(tap: Option<Box<LegTap>>, machine: Option<MachineDetection>) -> Box<Self> {
        let mut taps = Vec::with_capacity(TAPS_MAX);
        taps.extend(tap);
        let machine = machine.map(|detection| Box::new(MachineDetector::new(detection)));
        Box::new(Self { taps, detects: machine.is_some(), machine })
    }

    /// Lets those of `others` look on, too, as far as there is room. What is left of them is to be freed.
    pub(crate) fn welcome(&mut self, others: &mut Self) {
        while self.taps.len() < TAPS_MAX {
            match others.taps.pop() {
                Some(tap) => self.taps.push(tap),
                None => break,
            }
        }
        if others.machine.is_some() {
            std::mem::swap(&mut self.machine, &mut others.machine);
            self.detects = true;
        }
    }

    /// One of them looks on no longer. Returns what is to be freed.
    pub(crate) fn dismiss(&mut self, tap: TapId) -> Option<Box<LegTap>> {
        let at = self.taps.iter().position(|other| other.tap.id == tap)?;
        Some(self.taps.swap_remove(at))
    }

    /// Nobody is left. A detector that knows stays until then: to free it is not for a tick.
    pub(crate) fn is_empty(&self) -> bool {
        self.taps.is_empty() && !self.detects
    }

    /// Has the detector hear what the leg says. Who it is, once that is known, and after how many ms.
    pub(crate) fn detect(&mut self, pcm: Option<&[i16]>) -> Option<(AnsweredBy, u32)> {
        let detector = self.machine.as_mut().filter(|_| self.detects)?;
        let by = detector.hear(pcm)?;
        self.detects = false;
        Some((by, detector.after().as_millis() as u32))
    }

    /// What the leg hears has to be made for it alone.
    pub(crate) fn want_what_it_hears(&self) -> bool {
        self.taps.iter().any(|own| own.tap.fed.is_some() || own.tap.tracks.has(Track::Outbound))
    }

    /// Somebody may speak to the leg.
    pub(crate) fn may_speak(&self) -> bool {
        self.taps.iter().any(|own| own.tap.fed.is_some())
    }

    /// Takes a frame of a track, or that there is none.
    pub(crate) fn take(&mut self, track: Track, rate: Rate, pcm: Option<&[i16]>, tick: Tick) {
        let listening = self.taps.iter().filter(|own| own.tap.tracks.has(track));
        let mut frame = None;
        for own in listening {
            let frame = frame.get_or_insert_with(|| TapFrame::new(track, tick.slot / SLOTS, rate, pcm));
            if let Err(TrySendError::Full(_)) = own.tap.heard.try_send(Heard::Frame(*frame)) {
                own.tap.shared.overflow();
            }
        }
    }

    /// Writes what is said to the leg in this tick; `false`: nothing.
    pub(crate) fn speak(&mut self, rate: Rate, out: &mut [i16]) -> bool {
        self.taps.iter_mut().find_map(|own| own.up.is_some().then(|| own.speak(rate, out))).unwrap_or(false)
    }
}

impl LegTap {
    fn speak(&mut self, rate: Rate, out: &mut [i16]) -> bool {
        let Self { tap, up, speaks, epoch, mark } = self;
        let (Some(fed), Some(up)) = (&tap.fed, up) else { return false };
        let mut narrow = [0; NARROW];
        let speaks_now = loop {
            if let Some(reached) = mark.take()
                && let Err(TrySendError::Full(_)) = tap.heard.try_send(Heard::Mark(reached))
            {
                // Told in another tick: nothing that follows may be heard before.
                *mark = Some(reached);
                break false;
            }
            match fed.try_recv() {
                Ok(Fed::Mark { mark: reached }) => *mark = Some(reached),
                Ok(Fed::Frame { epoch: said, mut pcm }) => {
                    let is_stale = said != tap.shared.epoch();
                    // What is cut short fades out; whatever else was cleared with it is skipped.
                    if !is_stale {
                        *epoch = said;
                    } else if std::mem::replace(speaks, false) && *epoch == said {
                        mixer::fade_out(&mut pcm);
                    } else {
                        continue;
                    }
                    narrow = pcm;
                    *speaks = !is_stale;
                    break true;
                }
                Err(_) => {
                    *speaks = false;
                    break false;
                }
            }
        };
        match rate {
            Rate::Narrow => out.copy_from_slice(&narrow),
            Rate::Wide => drop(up[0].process(&narrow, out)),
            Rate::Full => drop(up[1].process(&narrow, out)),
        }
        debug_assert!(out.len() <= FRAME_MAX);
        speaks_now
    }
}

/// Taps of one leg: a media stream and a recording, and two more.
const TAPS_MAX: usize = 4;
