//! Listening in on a leg from outside the media threads, and speaking to it.
//!
//! ```text
//! leg ──frames, 20 ms──▶ [ bounded ring ] ──▶ TapReader     a media stream, a recording
//! leg ◀──frames, marks── [ bounded ring ] ◀── TapFeeder     where somebody answers
//! ```
//! Frames leave at the leg's own rate, stamped with the tick they belong to: a copy is all it costs in a tick, and what
//! they are to become ([`ToUlaw`]) is made of them elsewhere. A full ring loses the newest frame, which is counted; the
//! media threads wake nobody, so both ends are looked at every tick or two.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use model::{TapId, Track, Tracks};

use crate::mixer::{FRAME_MAX, Rate};
use crate::{Codec, Decoder, Encoder, Resampler};

/// The leg's end of a tap, for [`crate::Command::Tap`]. When the leg is gone, its reader hears that it is over.
#[derive(Clone)]
pub struct Tap {
    pub(crate) id: TapId,
    pub(crate) tracks: Tracks,
    pub(crate) heard: Sender<Heard>,
    pub(crate) fed: Option<Receiver<Fed>>,
    pub(crate) shared: Arc<Shared>,
}

/// What both ends look at.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Frames for which there was no room.
    overflowed: AtomicU64,
    /// What was fed before this number last changed is not to be heard any more.
    epoch: AtomicU32,
}

impl Shared {
    pub(crate) fn overflow(&self) {
        self.overflowed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, tracks, fed, .. } = self;
        f.debug_struct("Tap").field("id", id).field("tracks", tracks).field("is_fed", &fed.is_some()).finish()
    }
}

impl Tap {
    /// A tap that only listens.
    pub fn new(id: TapId, tracks: Tracks) -> (Self, TapReader) {
        let (heard, frames) = bounded(HEARD_MAX);
        let shared = Arc::new(Shared::default());
        (Self { id, tracks, heard, fed: None, shared: shared.clone() }, TapReader { frames, shared })
    }

    /// A tap that also speaks to the party, beside whatever else it hears.
    pub fn with_feed(id: TapId, tracks: Tracks) -> (Self, TapReader, TapFeeder) {
        let (mut tap, reader) = Self::new(id, tracks);
        let (fed, fed_end) = bounded(FED_MAX);
        tap.fed = Some(fed_end);
        let feeder = TapFeeder { fed, shared: tap.shared.clone(), decoder: decoder() };
        (tap, reader, feeder)
    }
}

/// What a leg says about its audio.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation in a tick; nearly all are frames")]
pub enum Heard {
    /// 20 ms of one track.
    Frame(TapFrame),
    /// What was fed before this mark has been heard, or cleared.
    Mark(u32),
}

/// 20 ms of one track.
#[derive(Clone, Copy)]
pub struct TapFrame {
    /// Which.
    pub track: Track,
    /// The 20 ms tick it belongs to, counted since the plane started.
    pub tick: u64,
    rate: Rate,
    pcm: [i16; FRAME_MAX],
}

impl TapFrame {
    /// Takes what a leg says or hears; digital silence if it is nothing.
    pub(crate) fn new(track: Track, tick: u64, rate: Rate, pcm: Option<&[i16]>) -> Self {
        let mut frame = Self { track, tick, rate, pcm: [0; FRAME_MAX] };
        if let Some(pcm) = pcm {
            frame.pcm[..rate.frame()].copy_from_slice(&pcm[..rate.frame()]);
        }
        frame
    }

    /// Its samples.
    pub fn samples(&self) -> &[i16] {
        &self.pcm[..self.rate.frame()]
    }

    /// How many of them are a second: 8,000, 16,000 or 48,000.
    pub fn rate_hz(&self) -> u32 {
        self.rate.hz()
    }
}

impl fmt::Debug for TapFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { track, tick, rate, .. } = self;
        write!(f, "{track:?} at tick {tick}, {} Hz", rate.hz())
    }
}

/// The listener's end of a tap.
#[derive(Debug)]
pub struct TapReader {
    frames: Receiver<Heard>,
    shared: Arc<Shared>,
}

impl TapReader {
    /// What is next.
    ///
    /// # Errors
    /// [`NotHeard`]: nothing yet, or never again.
    pub fn poll(&mut self) -> Result<Heard, NotHeard> {
        self.frames.try_recv().map_err(|error| match error {
            TryRecvError::Empty => NotHeard::Yet,
            TryRecvError::Disconnected => NotHeard::Over,
        })
    }

    /// Frames that were lost since nobody read them in time.
    pub fn overflowed(&self) -> u64 {
        self.shared.overflowed.load(Ordering::Relaxed)
    }
}

/// Why there is nothing to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotHeard {
    /// Look again in the next tick.
    Yet,
    /// The leg is gone, or has been told to end it, or had no room for it (at most four listen to a leg).
    Over,
}

/// The end of a tap that speaks.
pub struct TapFeeder {
    fed: Sender<Fed>,
    shared: Arc<Shared>,
    decoder: Decoder,
}

impl fmt::Debug for TapFeeder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapFeeder").field("room", &self.room()).finish_non_exhaustive()
    }
}

/// What is on its way to a leg, in order.
#[expect(clippy::large_enum_variant, reason = "as above, and to be freed in one")]
pub(crate) enum Fed {
    Frame { epoch: u32, pcm: [i16; NARROW] },
    Mark { mark: u32 },
}

impl TapFeeder {
    /// How many frames and marks there is room for: at most a second's, so that the rest stays where it can be taken back.
    pub fn room(&self) -> usize {
        FED_MAX - self.fed.len()
    }

    /// Lets the party hear 20 ms of µ-law after all that was fed before. `false` when there is no room, or no leg.
    pub fn feed(&mut self, ulaw: &[u8; NARROW]) -> bool {
        let mut pcm = [0; NARROW];
        self.decoder.decode(ulaw, &mut pcm).expect("any byte is µ-law");
        self.fed.try_send(Fed::Frame { epoch: self.shared.epoch(), pcm }).is_ok()
    }

    /// Has [`Heard::Mark`] follow when all that was fed before has been heard. `false` when there is no room, or no leg.
    pub fn mark(&mut self, mark: u32) -> bool {
        self.fed.try_send(Fed::Mark { mark }).is_ok()
    }

    /// Lets the party hear nothing more of what was fed before.
    pub fn clear(&self) {
        self.shared.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

/// Makes 20 ms of µ-law at 8 kHz of each frame of one track, whatever its rate. Not for a media thread.
pub struct ToUlaw {
    /// Between the rates that are not 8 kHz and that.
    resamplers: [Resampler; 2],
    encoder: Encoder,
}

impl fmt::Debug for ToUlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ToUlaw")
    }
}

impl Default for ToUlaw {
    fn default() -> Self {
        let down = |rate: Rate| Resampler::new(rate.hz(), Rate::Narrow.hz()).expect("rates of ours");
        Self {
            resamplers: [down(Rate::Wide), down(Rate::Full)],
            encoder: Encoder::new(Codec::Pcmu).expect("G.711 needs no resources"),
        }
    }
}

impl ToUlaw {
    /// Encodes the next frame.
    pub fn encode(&mut self, frame: &TapFrame) -> [u8; NARROW] {
        let (mut narrow, mut ulaw) = ([0; NARROW], [0; NARROW]);
        match frame.rate {
            Rate::Narrow => narrow.copy_from_slice(frame.samples()),
            Rate::Wide => drop(self.resamplers[0].process(frame.samples(), &mut narrow)),
            Rate::Full => drop(self.resamplers[1].process(frame.samples(), &mut narrow)),
        }
        self.encoder.encode(&narrow, &mut ulaw).expect("one byte a sample");
        ulaw
    }
}

fn decoder() -> Decoder {
    Decoder::new(Codec::Pcmu).expect("G.711 needs no resources")
}

/// Samples of 20 ms at 8 kHz, and bytes of them as µ-law.
pub(crate) const NARROW: usize = 160;

/// Frames and marks on their way out: more than a second of both tracks, some 250 kB.
const HEARD_MAX: usize = 128;

/// Frames and marks on their way in: a second.
const FED_MAX: usize = 50;
