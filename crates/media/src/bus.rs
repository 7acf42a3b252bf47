//! The buses of a room: what is said into it, and what is heard out of it.
//!
//! A [`Bus`] sums everybody who emits into the same groups; a [`Mix`] sums the buses that one set of ears
//! can hear. A conference has one of each; a coach adds one of each. Both keep a frame at every rate, and
//! only the rates in use are ever touched:
//!
//! `voices ──add──▶ Bus (8, 16, 48 kHz) ──resample the sums──▶ Mix (8, 16, 48 kHz) ──minus own──▶ listeners`

use std::mem::offset_of;
use std::ops::{Index, IndexMut};

use crate::limiter::Limiter;
use crate::message::Groups;
use crate::mixer::{self, FRAME_MAX, Rate};
use crate::noise::Noise;
use crate::prefetch::{prefetch, prefetch_first};
use crate::{Codec, CodecError, Encoder, Resampler};

/// One frame at each rate.
pub(crate) struct Frames<T>([T; FRAMES_LEN]);

const FRAMES_LEN: usize = Rate::Narrow.frame() + Rate::Wide.frame() + Rate::Full.frame();

impl<T: Copy + Default> Frames<T> {
    pub(crate) fn new() -> Self {
        Self([T::default(); FRAMES_LEN])
    }
}

impl<T> Index<Rate> for Frames<T> {
    type Output = [T];
    fn index(&self, rate: Rate) -> &[T] {
        let start = frame_start(rate);
        &self.0[start..start + rate.frame()]
    }
}

impl<T> IndexMut<Rate> for Frames<T> {
    fn index_mut(&mut self, rate: Rate) -> &mut [T] {
        let start = frame_start(rate);
        &mut self.0[start..start + rate.frame()]
    }
}

const fn frame_start(rate: Rate) -> usize {
    match rate {
        Rate::Narrow => 0,
        Rate::Wide => Rate::Narrow.frame(),
        Rate::Full => Rate::Narrow.frame() + Rate::Wide.frame(),
    }
}

/// Everybody who emits into one set of groups, summed.
///
/// A voice is added at its own rate. What other rates hear of it is the resampled sum, kept apart: so a
/// listener's own voice, subtracted at its own rate, is subtracted from exactly where it was added.
#[repr(C)]
pub(crate) struct Bus {
    pub(crate) emit: Groups,
    sums: Option<Box<Sums>>,
    /// How many voices were said, at each rate.
    voices: [usize; 3],
    carries: [bool; 3],
    /// Such a sound is played.
    plays: bool,
    /// Ticks the resamplers from this rate still hold sound for after the last voice.
    ringing: [u8; 3],
    /// What is heard of a rate this tick is the end of what they hold.
    rings: [bool; 3],
    /// Indexed by `from`, then `to`. Behind all that a room with one rate touches.
    resamplers: [[Option<Resampler>; 3]; 3],
}

/// A bus's sound of one tick. Nothing of it lasts, so buses take turns with the same few, which stay near.
pub(crate) struct Sums {
    /// Sums of the voices, each at its own rate.
    said: Frames<i32>,
    /// What came from other rates, and from sound that exists at every rate.
    carried: Frames<i32>,
}

impl Sums {
    /// Allocates: not in a tick.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self { said: Frames::new(), carried: Frames::new() })
    }
}

impl Bus {
    /// A silent bus. Allocates: not in a tick.
    pub(crate) fn new(emit: Groups) -> Box<Self> {
        let resampler = |from: Rate, to: Rate| Resampler::new(from.hz(), to.hz()).filter(|_| from != to);
        Box::new(Self {
            emit,
            sums: None,
            voices: [0; 3],
            carries: [false; 3],
            plays: false,
            resamplers: Rate::ALL.map(|from| Rate::ALL.map(|to| resampler(from, to))),
            ringing: [0; 3],
            rings: [false; 3],
        })
    }

    /// Remembers what another bus of these groups does of the last tick.
    pub(crate) fn recall(&mut self, other: &Self) {
        for (own, other) in self.resamplers.as_flattened_mut().iter_mut().zip(other.resamplers.as_flattened()) {
            if let (Some(own), Some(other)) = (own, other) {
                own.continue_from(other);
            }
        }
        self.ringing = other.ringing;
    }

    /// Starts a tick with nothing said, in memory that is lent for it. Without, nobody is heard.
    pub(crate) fn begin(&mut self, lender: &mut Vec<Box<Sums>>) {
        if self.sums.is_none() {
            self.sums = lender.pop();
        }
        self.voices = [0; 3];
        self.carries = [false; 3];
        self.plays = false;
        self.rings = [false; 3];
    }

    /// Ends a tick.
    pub(crate) fn end(&mut self) -> Option<Box<Sums>> {
        self.sums.take()
    }

    /// Adds a voice at its own rate.
    pub(crate) fn say(&mut self, rate: Rate, voice: &[i16]) {
        let Some(sums) = &mut self.sums else { return };
        let voices = &mut self.voices[rate as usize];
        add_to(&mut sums.said[rate], *voices == 0, voice, mixer::add);
        *voices += 1;
    }

    /// Adds sound that is there at every rate, so that none of it needs resampling.
    pub(crate) fn play(&mut self, rate: Rate, sound: &[i16]) {
        let Some(sums) = &mut self.sums else { return };
        let carries = std::mem::replace(&mut self.carries[rate as usize], true);
        add_to(&mut sums.carried[rate], !carries, sound, mixer::add);
        self.plays = true;
    }

    /// How many voices were said at a rate, and their sum.
    pub(crate) fn said(&self, rate: Rate) -> Option<(usize, &[i32])> {
        let voices = self.voices[rate as usize];
        self.sums.as_ref().filter(|_| voices > 0).map(|sums| (voices, &sums.said[rate]))
    }

    /// Adds the sum of so many voices at their own rate.
    pub(crate) fn say_sum(&mut self, rate: Rate, voices: usize, sum: &[i32]) {
        let Some(sums) = &mut self.sums else { return };
        let own = &mut self.voices[rate as usize];
        add_to(&mut sums.said[rate], *own == 0, sum, mixer::add_sum);
        *own += voices;
    }

    /// What was played at a rate. Only before [`Bus::carry`].
    pub(crate) fn played(&self, rate: Rate) -> Option<&[i32]> {
        self.sums.as_ref().filter(|_| self.carries[rate as usize]).map(|sums| &sums.carried[rate])
    }

    /// Adds sound that is there at every rate.
    pub(crate) fn play_sum(&mut self, rate: Rate, sound: &[i32]) {
        let Some(sums) = &mut self.sums else { return };
        let carries = std::mem::replace(&mut self.carries[rate as usize], true);
        add_to(&mut sums.carried[rate], !carries, sound, mixer::add_sum);
        self.plays = true;
    }

    /// Carries each rate's sum to the other rates that somebody listens at.
    pub(crate) fn carry(&mut self, listening: [bool; 3]) {
        let Some(sums) = &mut self.sums else { return };
        for from in Rate::ALL {
            let speaks = self.voices[from as usize] > 0;
            if !speaks && self.ringing[from as usize] == 0 {
                continue;
            }
            self.rings[from as usize] = !speaks;
            self.ringing[from as usize] = if speaks { RINGING_TICKS } else { self.ringing[from as usize] - 1 };
            if !speaks {
                sums.said[from].fill(0);
            }
            for to in Rate::ALL {
                if to == from || !listening[to as usize] {
                    continue;
                }
                if let Some(resampler) = &mut self.resamplers[from as usize][to as usize] {
                    let mut carried = [0_i32; FRAME_MAX];
                    let carried = &mut carried[..to.frame()];
                    resampler.process_sum(&sums.said[from], carried);
                    let carries = std::mem::replace(&mut self.carries[to as usize], true);
                    add_to(&mut sums.carried[to], !carries, carried, mixer::add_sum);
                }
            }
        }
    }

    /// Its resamplers still hold sound.
    pub(crate) fn is_ringing(&self) -> bool {
        self.ringing.iter().any(|&ticks| ticks > 0)
    }

    /// Brings what a tick looks at first towards the cache.
    pub(crate) fn prefetch(&self) {
        prefetch_first(self, offset_of!(Bus, resamplers));
    }

    /// How many voices are to be heard of this bus: without any, there is nothing to add.
    fn heard(&self, rate: Rate) -> usize {
        if self.sums.is_none() {
            return 0;
        }
        let rings = Rate::ALL.iter().any(|&from| from != rate && self.rings[from as usize]);
        self.voices.iter().sum::<usize>() + usize::from(self.plays) + usize::from(rings)
    }

    /// Adds all that is to be heard of this bus to a mix.
    fn add_into(&self, rate: Rate, total: &mut [i32]) {
        let Some(sums) = &self.sums else { return };
        if self.voices[rate as usize] > 0 {
            mixer::add_sum(total, &sums.said[rate]);
        }
        if self.carries[rate as usize] {
            mixer::add_sum(total, &sums.carried[rate]);
        }
    }
}

/// The first voice of a tick starts the sum, so that an idle rate costs nothing, not even zeroing.
fn add_to<T>(sum: &mut [i32], begins: bool, voice: &[T], add: impl Fn(&mut [i32], &[T])) {
    if begins {
        sum.fill(0);
    }
    add(sum, voice);
}

/// A resampler's history is shorter than one frame: one more tick after the last voice empties it.
const RINGING_TICKS: u8 = 1;

/// What one set of ears hears of everybody, the listener included; and its encodings, for those who listen
/// only.
pub(crate) struct Mix {
    pub(crate) hear: Groups,
    heard: Option<Box<Heard>>,
    /// How many voices it is of.
    voices: [usize; 3],
    was_quiet: [bool; 3],
    /// Somebody who listens only has asked for what all those hear.
    is_fresh: [bool; 3],
    limiters: [Limiter; 3],
    /// As they were at the end of the last tick, if somebody asked then; otherwise at rest.
    limiters_before: [Limiter; 3],
    /// Those of codecs with memory come with the first leg that listens by them, where a room is whole.
    encodings: [Option<Box<Encoding>>; SHARED_CODECS.len()],
    /// Those that are of this tick.
    is_encoded: [bool; SHARED_CODECS.len()],
}

/// A mix's sound of one tick, which lasts no longer than a bus's.
pub(crate) struct Heard {
    total: Frames<i32>,
    /// What all who listen only hear, once somebody has asked for it.
    limited: Frames<i16>,
}

impl Heard {
    /// Allocates: not in a tick.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self { total: Frames::new(), limited: Frames::new() })
    }
}

impl Mix {
    /// A silent mix. Allocates: not in a tick.
    pub(crate) fn new(hear: Groups) -> Box<Self> {
        let encodings = SHARED_CODECS.map(|codec| if has_memory(codec) { None } else { Encoding::new(codec).ok() });
        Box::new(Self {
            hear,
            heard: None,
            voices: [0; 3],
            was_quiet: [true; 3],
            is_fresh: [false; 3],
            limiters: [Limiter::default(); 3],
            limiters_before: [Limiter::default(); 3],
            encodings,
            is_encoded: [false; SHARED_CODECS.len()],
        })
    }

    /// A silent mix that can encode for everybody at once, as those of a room on several threads: there, a leg's own
    /// encoder comes to one share, and all need one. Allocates: not in a tick.
    pub(crate) fn complete(hear: Groups) -> Box<Self> {
        let mut mix = Self::new(hear);
        for (encoding, codec) in mix.encodings.iter_mut().zip(SHARED_CODECS) {
            if encoding.is_none() {
                *encoding = Encoding::new(codec).ok();
            }
        }
        mix
    }

    /// Takes the encodings it has not got from another mix.
    pub(crate) fn complete_from(&mut self, other: &mut Self) {
        for (own, other) in self.encodings.iter_mut().zip(&mut other.encodings) {
            if own.is_none() {
                std::mem::swap(own, other);
            }
        }
    }

    /// Remembers what another mix for the same ears does of the last tick. What libopus remembers is its own: it
    /// begins anew, for legs that do, too.
    pub(crate) fn recall(&mut self, other: &Self) {
        (self.voices, self.is_fresh, self.limiters) = (other.voices, other.is_fresh, other.limiters);
        for (own, other) in self.encodings.iter_mut().zip(&other.encodings) {
            if let (Some(own), Some(other)) = (own, other) {
                own.encoder.continue_from(&other.encoder);
                own.frames.copy_from_slice(&other.frames);
                own.next = other.next;
            }
        }
    }

    /// Starts a tick, in memory that is lent for it: sums the buses these ears can hear.
    pub(crate) fn begin(&mut self, lender: &mut Vec<Box<Heard>>, buses: &[Box<Bus>], listening: [bool; 3]) {
        if self.heard.is_none() {
            self.heard = lender.pop();
        }
        self.is_encoded = [false; SHARED_CODECS.len()];
        let Some(heard) = &mut self.heard else { return };
        for rate in Rate::ALL.into_iter().filter(|&rate| listening[rate as usize]) {
            let (total, at) = (&mut heard.total[rate], rate as usize);
            self.limiters_before[at] = if self.is_fresh[at] { self.limiters[at] } else { Limiter::default() };
            self.is_fresh[at] = false;
            self.was_quiet[at] = self.voices[at] == 0;
            let audible = || buses.iter().filter(|bus| bus.emit & self.hear != 0);
            self.voices[at] = audible().map(|bus| bus.heard(rate)).sum();
            if self.voices[at] > 0 {
                total.fill(0);
                audible().for_each(|bus| bus.add_into(rate, total));
            }
        }
    }

    /// Brings what a tick looks at towards the cache.
    pub(crate) fn prefetch(&self) {
        prefetch(self);
    }

    /// The same for what was encoded in the last tick and may be in this one.
    pub(crate) fn prefetch_encodings(&self) {
        let encoded = self.encodings.iter().zip(self.is_encoded).filter(|(_, is_encoded)| *is_encoded);
        encoded.filter_map(|(encoding, _)| encoding.as_deref()).for_each(prefetch);
    }

    /// Ends a tick.
    pub(crate) fn end(&mut self) -> Option<Box<Heard>> {
        self.heard.take()
    }

    /// How many voices are to be heard at a rate.
    pub(crate) fn voices(&self, rate: Rate) -> usize {
        self.voices[rate as usize]
    }

    /// The sum at a rate.
    pub(crate) fn total(&self, rate: Rate) -> &[i32] {
        let heard = self.heard.as_ref().filter(|_| self.voices[rate as usize] > 0);
        heard.map_or(&SILENCE[..rate.frame()], |heard| &heard.total[rate])
    }

    /// Makes this tick's frame for all who listen only.
    fn refresh(&mut self, rate: Rate, noise: &Noise) {
        let Some(Heard { total, limited }) = self.heard.as_deref_mut() else { return };
        let (at, total, out) = (rate as usize, &total[rate], &mut limited[rate]);
        if std::mem::replace(&mut self.is_fresh[at], true) {
            return;
        }
        self.limiters[at] = self.limiters_before[at];
        if self.voices[at] == 0 {
            noise.frame(rate, !self.was_quiet[at], out);
            self.limiters[at] = Limiter::default();
        } else if !self.limiters[at].passes(mixer::saturate(total, out), self.voices[at]) {
            self.limiters[at].limit(total, self.voices[at], out);
        }
    }

    /// This tick's frame, encoded once for everybody who listens only. Takes the `spare` encoding if it has none
    /// for this codec. Leaves its limiter with the listener; `None` for one who would hear the change from its own,
    /// or if there is no encoding to take.
    ///
    /// Whoever asks keeps it going, so it does not matter in which order they do, or in which share.
    pub(crate) fn encoded(
        &mut self,
        codec: Codec,
        spare: &mut Option<Box<Encoding>>,
        noise: &Noise,
        limiter: &mut Limiter,
    ) -> Option<&[u8]> {
        let at = SHARED_CODECS.iter().position(|&shared| shared == codec)?;
        let rate = Rate::from_hz(codec.rate_hz());
        if self.encodings[at].is_none() {
            self.encodings[at] = spare.take();
        }
        self.encodings[at].as_ref()?;
        self.refresh(rate, noise);
        let encoding = self.encodings[at].as_mut()?;
        if !std::mem::replace(&mut self.is_encoded[at], true) {
            encoding.encode(&self.heard.as_ref()?.limited[rate]);
        }
        if !self.limiters_before[rate as usize].is_like(*limiter) {
            return None;
        }
        *limiter = self.limiters[rate as usize];
        Some(&encoding.payload[..encoding.len])
    }

    /// Somebody in another share asks for these encodings: what is remembered of them goes on here, too.
    pub(crate) fn follow(&mut self, asked: Asked, noise: &Noise) {
        for (codec, _) in SHARED_CODECS.into_iter().zip(asked).filter(|&(_, asked)| asked) {
            if has_memory(codec) {
                let _ = self.encoded(codec, &mut None, noise, &mut Limiter::default());
            } else {
                self.refresh(Rate::from_hz(codec.rate_hz()), noise);
            }
        }
    }

    /// What all who listen only hear in this tick, once it was [`Mix::encoded`].
    pub(crate) fn heard(&self, rate: Rate) -> &[i16] {
        self.heard.as_ref().map_or(&[], |heard| &heard.limited[rate])
    }

    /// Lets `own` take over, for one listener, from the encoder that served all until the last tick.
    pub(crate) fn hand_over(&self, codec: Codec, own: &mut Encoder) {
        let Some(at) = SHARED_CODECS.iter().position(|&shared| shared == codec) else { return };
        let Some(encoding) = &self.encodings[at] else { return };
        // The others may have been served already: we go on from before that.
        let before = encoding.before.as_ref().filter(|_| self.is_encoded[at]);
        if own.continue_from(before.unwrap_or(&encoding.encoder)) {
            return;
        }
        // The last two frames bring an encoder close; more bring it no closer (measured with a tone: 8 dB above
        // the codec's own noise for 10 ms, 16 after one frame, 27 after none). They have been sent already.
        for ticks in [2, 1] {
            let mut unsent = [0; PAYLOAD_MAX];
            let _ = own.encode(encoding.frame_before(ticks + usize::from(self.is_encoded[at])), &mut unsent);
        }
    }
}

/// One encoding of a mix, made when the first listener of a tick asks for it.
pub(crate) struct Encoding {
    codec: Codec,
    encoder: Encoder,
    /// The encoder before the last frame, if that is any use.
    before: Option<Encoder>,
    payload: Box<[u8]>,
    len: usize,
    /// The last frames, a ring; the next goes to number `next`. None where the encoder remembers none.
    frames: Box<[i16]>,
    frame: usize,
    next: usize,
}

impl Encoding {
    /// Allocates: not in a tick.
    pub(crate) fn new(codec: Codec) -> Result<Box<Self>, CodecError> {
        let frame = codec.frame_samples();
        Ok(Box::new(Self {
            codec,
            encoder: Encoder::new(codec)?,
            before: if codec == Codec::G722 { Some(Encoder::new(codec)?) } else { None },
            payload: vec![0; codec.payload_len_max(frame)].into(),
            len: 0,
            frames: vec![0; if has_memory(codec) { frame * FRAMES_KEPT } else { 0 }].into(),
            frame,
            next: 0,
        }))
    }

    /// It is by this codec.
    pub(crate) fn is_by(&self, codec: Codec) -> bool {
        self.codec == codec
    }

    fn encode(&mut self, frame: &[i16]) {
        if !self.frames.is_empty() {
            let start = self.next * self.frame;
            self.next = (self.next + 1) % FRAMES_KEPT;
            self.frames[start..start + self.frame].copy_from_slice(frame);
        }
        if let Some(before) = &mut self.before {
            before.continue_from(&self.encoder);
        }
        self.len = self.encoder.encode(frame, &mut self.payload).unwrap_or(0);
    }

    /// The frame encoded last, and those before it, counted from 1.
    fn frame_before(&self, back: usize) -> &[i16] {
        let start = (self.next + FRAMES_KEPT - back) % FRAMES_KEPT * self.frame;
        &self.frames[start..start + self.frame]
    }
}

/// The frame encoded last, and two before it.
const FRAMES_KEPT: usize = 3;

/// The encoder remembers what it has encoded, and the decoder at the other end with it: a listener cannot
/// change from one encoder to another at any moment without a click.
pub(crate) fn has_memory(codec: Codec) -> bool {
    matches!(codec, Codec::G722 | Codec::Opus)
}

/// What is heard of nobody.
static SILENCE: [i32; FRAME_MAX] = [0; FRAME_MAX];

/// All codecs.
const SHARED_CODECS: [Codec; 6] =
    [Codec::Pcmu, Codec::Pcma, Codec::L16 { rate_hz: 8_000 }, Codec::L16 { rate_hz: 16_000 }, Codec::G722, Codec::Opus];

/// Which of them somebody asks for.
pub(crate) type Asked = [bool; SHARED_CODECS.len()];

/// Notes that somebody asks for a codec.
pub(crate) fn ask(asked: &mut Asked, codec: Codec) {
    for (asked, _) in asked.iter_mut().zip(SHARED_CODECS).filter(|&(_, shared)| shared == codec) {
        *asked = true;
    }
}

/// 20 ms of Opus at its most; L16 at 16 kHz is half that.
const PAYLOAD_MAX: usize = 1_276;
