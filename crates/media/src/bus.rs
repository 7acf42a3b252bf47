//! The buses of a room: what is said into it, and what is heard out of it.
//!
//! A [`Bus`] sums everybody who emits into the same groups; a [`Mix`] sums the buses that one set of ears
//! can hear. A conference has one of each; a coach adds one of each. Both keep a frame at every rate, and
//! only the rates in use are ever touched:
//!
//! `voices ──add──▶ Bus (8, 16, 48 kHz) ──resample the sums──▶ Mix (8, 16, 48 kHz) ──minus own──▶ listeners`

use std::ops::{Index, IndexMut};

use crate::message::Groups;
use crate::mixer::{self, FRAME_MAX, Rate};
use crate::{Codec, Encoder, Resampler};

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
pub(crate) struct Bus {
    pub(crate) emit: Groups,
    /// Sums of the voices, each at its own rate.
    said: Frames<i32>,
    spoken: [bool; 3],
    /// What came from other rates, and from sound that exists at every rate.
    carried: Frames<i32>,
    carries: [bool; 3],
    /// Indexed by `from`, then `to`.
    resamplers: [[Option<Resampler>; 3]; 3],
    /// Ticks the resamplers from this rate still hold sound for after the last voice.
    ringing: [u8; 3],
}

impl Bus {
    /// A silent bus. Allocates: not in a tick.
    pub(crate) fn new(emit: Groups) -> Box<Self> {
        let resampler = |from: Rate, to: Rate| Resampler::new(from.hz(), to.hz()).filter(|_| from != to);
        Box::new(Self {
            emit,
            said: Frames::new(),
            spoken: [false; 3],
            carried: Frames::new(),
            carries: [false; 3],
            resamplers: Rate::ALL.map(|from| Rate::ALL.map(|to| resampler(from, to))),
            ringing: [0; 3],
        })
    }

    /// Starts a tick with nothing said.
    pub(crate) fn clear(&mut self) {
        self.spoken = [false; 3];
        self.carries = [false; 3];
    }

    /// Adds a voice at its own rate.
    pub(crate) fn say(&mut self, rate: Rate, voice: &[i16]) {
        add_to(&mut self.said[rate], &mut self.spoken[rate as usize], voice);
    }

    /// Adds sound that is there at every rate, so that none of it needs resampling.
    pub(crate) fn play(&mut self, rate: Rate, sound: &[i16]) {
        add_to(&mut self.carried[rate], &mut self.carries[rate as usize], sound);
    }

    /// Carries each rate's sum to the other rates that somebody listens at.
    pub(crate) fn carry(&mut self, listening: [bool; 3]) {
        for from in Rate::ALL {
            let spoken = self.spoken[from as usize];
            if !spoken && self.ringing[from as usize] == 0 {
                continue;
            }
            self.ringing[from as usize] = if spoken { RINGING_TICKS } else { self.ringing[from as usize] - 1 };
            let mut sum = [0_i16; FRAME_MAX];
            let sum = &mut sum[..from.frame()];
            if spoken {
                mixer::saturate(&self.said[from], sum);
            }
            for to in Rate::ALL {
                if !listening[to as usize] {
                    continue;
                }
                if let Some(resampler) = &mut self.resamplers[from as usize][to as usize] {
                    let mut carried = [0_i16; FRAME_MAX];
                    let carried = &mut carried[..to.frame()];
                    resampler.process(sum, carried);
                    add_to(&mut self.carried[to], &mut self.carries[to as usize], carried);
                }
            }
        }
    }

    /// Its resamplers still hold sound.
    pub(crate) fn rings(&self) -> bool {
        self.ringing.iter().any(|&ticks| ticks > 0)
    }

    /// Adds all that is to be heard of this bus to a mix.
    fn add_into(&self, rate: Rate, total: &mut [i32]) -> bool {
        let (spoken, carries) = (self.spoken[rate as usize], self.carries[rate as usize]);
        if spoken {
            mixer::add_sum(total, &self.said[rate]);
        }
        if carries {
            mixer::add_sum(total, &self.carried[rate]);
        }
        spoken || carries
    }
}

/// The first voice of a tick starts the sum, so that an idle rate costs nothing, not even zeroing.
fn add_to(sum: &mut [i32], begun: &mut bool, voice: &[i16]) {
    if !*begun {
        sum.fill(0);
        *begun = true;
    }
    mixer::add(sum, voice);
}

/// A resampler's history is shorter than one frame: one more tick after the last voice empties it.
const RINGING_TICKS: u8 = 1;

/// What one set of ears hears of everybody, the listener included; and its encodings, for those who listen
/// only.
pub(crate) struct Mix {
    pub(crate) hear: Groups,
    total: Frames<i32>,
    /// Somebody is audible at this rate; the total holds zeros otherwise.
    audible: [bool; 3],
    encodings: [Encoding; SHARED_CODECS.len()],
}

/// One encoding of a mix, made when the first listener of a tick asks for it.
struct Encoding {
    encoder: Encoder,
    payload: [u8; PAYLOAD_MAX],
    len: usize,
    is_fresh: bool,
}

impl Mix {
    /// A silent mix. Allocates: not in a tick.
    pub(crate) fn new(hear: Groups) -> Box<Self> {
        let encodings = SHARED_CODECS.map(|codec| Encoding {
            encoder: Encoder::new(codec).expect("codecs without memory need no resources"),
            payload: [0; PAYLOAD_MAX],
            len: 0,
            is_fresh: false,
        });
        Box::new(Self { hear, total: Frames::new(), audible: [false; 3], encodings })
    }

    /// Sums the buses these ears can hear.
    pub(crate) fn gather(&mut self, buses: &[Box<Bus>], listening: [bool; 3]) {
        for encoding in &mut self.encodings {
            encoding.is_fresh = false;
        }
        for rate in Rate::ALL.into_iter().filter(|&rate| listening[rate as usize]) {
            let total = &mut self.total[rate];
            // Zeros stay zeros: a room where nobody speaks is not cleared fifty times a second.
            if self.audible[rate as usize] {
                total.fill(0);
            }
            let mut audible = false;
            for bus in buses.iter().filter(|bus| bus.emit & self.hear != 0) {
                audible |= bus.add_into(rate, total);
            }
            self.audible[rate as usize] = audible;
        }
    }

    /// The sum at a rate.
    pub(crate) fn total(&self, rate: Rate) -> &[i32] {
        &self.total[rate]
    }

    /// One encoding serves all who listen only: the codec keeps nothing from one frame to the next.
    pub(crate) fn encodes(codec: Codec) -> bool {
        SHARED_CODECS.contains(&codec)
    }

    /// This tick's frame, encoded once for everybody. Empty for codecs that [`Mix::encodes`] denies.
    pub(crate) fn encoded(&mut self, codec: Codec) -> &[u8] {
        let Some(at) = SHARED_CODECS.iter().position(|&shared| shared == codec) else { return &[] };
        let encoding = &mut self.encodings[at];
        if !encoding.is_fresh {
            let rate = Rate::from_hz(codec.rate_hz());
            let mut pcm = [0; FRAME_MAX];
            let pcm = &mut pcm[..rate.frame()];
            mixer::saturate(&self.total[rate], pcm);
            encoding.len = encoding.encoder.encode(pcm, &mut encoding.payload).unwrap_or(0);
            encoding.is_fresh = true;
        }
        &encoding.payload[..encoding.len]
    }
}

/// Codecs without memory.
const SHARED_CODECS: [Codec; 4] =
    [Codec::Pcmu, Codec::Pcma, Codec::L16 { rate_hz: 8_000 }, Codec::L16 { rate_hz: 16_000 }];

/// 20 ms of L16 at 16 kHz.
const PAYLOAD_MAX: usize = 640;
