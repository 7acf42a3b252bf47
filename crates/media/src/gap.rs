//! What is played where no packet came: in a loss, and in a pause.
//!
//! `loss:  heard │ its voice, fading; below it the background, coming up │ merged │ heard`
//! `pause: heard │ faded out │ the background, for as long as the sender may still be there │ heard`
//!
//! Opus makes up for losses and pauses by itself; for the other codecs, [`Concealer`] knows the voice, [`Background`]
//! what is behind it.

use std::mem::offset_of;

use crate::background::Background;
use crate::codec::{Codec, Decoder};
use crate::conceal::Concealer;
use crate::playout::Pulled;
use crate::tape::{Tape, mix};

/// See the [module](self).
#[repr(C)]
pub(crate) struct Gap {
    codec: Codec,
    /// libopus has heard something to go on with.
    opus_knows: bool,
    concealer: Concealer,
    background: Background,
}

/// The packet behind a gap, if it is here: one of Opus may carry what was in it.
pub(crate) struct Behind<'a> {
    pub(crate) payload: &'a [u8],
    /// How many samples it carries itself.
    pub(crate) samples: usize,
    /// How many samples are missing before it.
    pub(crate) missing: usize,
}

/// How what comes after a gap begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// As it was sent.
    Cut,
    /// Under a cross-fade with what was made up, if anything was.
    Merge,
    /// Under a cross-fade with what would have gone on.
    CutOff,
    /// Coming up from silence.
    FadeIn,
}

/// Fade where one sound is cut off or another begins.
const FADE_MS: usize = 5;
/// Of so many packets, one is looked at for what is behind the voice.
const LEARNT_EVERY: i64 = 4;
/// How long the noise of a pause goes on when nothing comes at all, in seconds, if it was only learnt …
const NOISE_S: f32 = 10.0;
/// … and if the sender has described it: it may have nothing to add.
const TOLD_NOISE_S: f32 = 60.0;
/// How long what libopus makes up is still a voice.
const OPUS_VOICE_MS: usize = 60;
/// How long libopus goes on with the comfort noise of a sender that has paused: such senders refresh it every 400 ms.
const OPUS_NOISE_MS: usize = 500;
/// libopus makes up multiples of 2.5 ms.
const OPUS_STEP_US: usize = 2_500;

impl Gap {
    /// What is looked at of it while nothing is missing.
    pub(crate) const STEADY_BYTES: usize = offset_of!(Gap, concealer) + Concealer::STEADY_BYTES;

    /// `seed`: for what has no period, and for the noise.
    pub(crate) fn new(codec: Codec, seed: u64) -> Gap {
        let (concealer, background) = (Concealer::new(codec.rate_hz(), seed), Background::new(seed));
        Gap { codec, concealer, background, opus_knows: false }
    }

    /// Is a loss being concealed that [`Join::Merge`] would merge with?
    pub(crate) fn is_concealing(&self) -> bool {
        self.concealer.is_active()
    }

    /// Has it gone on for so long that the voice is not heard any more?
    pub(crate) fn has_faded(&self) -> bool {
        self.concealer.is_silent()
    }

    /// The gap is over without having been joined.
    pub(crate) fn end(&mut self) {
        self.concealer.reset();
    }

    /// Another stream begins.
    pub(crate) fn reset(&mut self) {
        self.background.reset();
        self.opus_knows = false;
    }

    /// Looks at what a packet brought.
    pub(crate) fn learn(&mut self, sequence: i64, sound: &[i16]) {
        if sequence % LEARNT_EVERY == 0 && self.codec != Codec::Opus {
            self.background.learn(&sound[..sound.len().min(self.codec.frame_samples())]);
        }
    }

    /// Takes the payload of a comfort noise packet.
    pub(crate) fn tell(&mut self, payload: &[u8]) {
        self.background.tell(payload);
    }

    /// Makes up at least `len` samples behind what is ahead, and returns how many.
    pub(crate) fn conceal(
        &mut self,
        len: usize,
        behind: Option<Behind>,
        tape: &mut Tape,
        decoder: &mut Decoder,
    ) -> usize {
        if self.codec != Codec::Opus {
            let (sound, gap) = tape.continuation(len);
            self.fill(sound, gap);
            tape.extend(len);
            return len;
        }
        let step = OPUS_STEP_US * self.codec.rate_hz() as usize / 1_000_000;
        let len = len.next_multiple_of(step);
        let (next, len) = match behind {
            Some(Behind { payload, samples, missing }) if missing.is_multiple_of(step) => {
                match missing.saturating_sub(samples) {
                    0 => (Some(payload), missing), // a packet knows about the one before it, and no more
                    unknown => (None, len.min(unknown.next_multiple_of(step))),
                }
            }
            _ => (None, len),
        };
        let (_, gap) = tape.continuation(len);
        if decoder.recover(next, gap).is_err() {
            gap.fill(0);
        }
        tape.extend(len);
        len
    }

    /// Fills `gap`, which follows on `sound`.
    fn fill(&mut self, sound: &[i16], gap: &mut [i16]) {
        let faded_before = self.concealer.faded();
        self.concealer.fill(sound, gap);
        self.background.add(gap, faded_before, self.concealer.faded());
    }

    /// What is made up next, so many samples after the last packet: the voice, as long as that can be heard, or what is
    /// behind it.
    pub(crate) fn what_follows(&self, made_up: usize) -> Pulled {
        let opus = self.codec == Codec::Opus;
        match self.has_faded() || opus && made_up >= self.samples(OPUS_VOICE_MS) {
            false => Pulled::Concealed,
            true if opus || self.background.is_audible() => Pulled::Noise,
            true => Pulled::Silence,
        }
    }

    /// Adds `len` samples of a pause, or a little less at its beginning, where the sound fades out if it is still
    /// `sounding`. `silence`: so much of the pause came before. Returns what it is made of, and whether it is sounding.
    pub(crate) fn pause(
        &mut self,
        len: usize,
        sounding: bool,
        silence: usize,
        tape: &mut Tape,
        decoder: &mut Decoder,
    ) -> (Pulled, bool) {
        if self.opus_knows && silence < self.samples(OPUS_NOISE_MS) {
            self.conceal(len, None, tape, decoder); // libopus fades to the noise by itself
            return (Pulled::Noise, true);
        }
        if sounding {
            let len = self.samples(FADE_MS);
            let (sound, fading) = tape.continuation(len);
            self.concealer.fill(sound, fading);
            self.concealer.reset();
            tape.extend(len);
            self.background.add(tape.fade_last(len), 0.0, 1.0);
            return (Pulled::Noise, false);
        }
        let (_, pause) = tape.continuation(len);
        pause.fill(0);
        let noise_s = if self.background.is_told() { TOLD_NOISE_S } else { NOISE_S };
        let left_s = noise_s - silence as f32 / self.codec.rate_hz() as f32;
        let is_noise = left_s > 0.0 && self.background.is_audible();
        if is_noise {
            let weight = left_s.min(1.0); // who has left does so gently
            self.background.add(pause, weight, weight);
        }
        tape.extend(len);
        (if is_noise { Pulled::Noise } else { Pulled::Silence }, false)
    }

    /// Joins what is `heard` behind a gap to the `sound` before it.
    pub(crate) fn join(&mut self, sound: &[i16], heard: &mut [i16], join: Join) {
        self.opus_knows = self.codec == Codec::Opus;
        match join {
            Join::Cut => self.concealer.reset(),
            Join::Merge => {
                let faded = self.concealer.faded();
                let merged = self.concealer.merge(heard);
                if merged > 0 {
                    self.background.add(&mut heard[..merged], faded, 0.0);
                }
            }
            Join::CutOff => {
                self.concealer.fill(sound, &mut []);
                self.concealer.merge_over(heard, self.samples(FADE_MS));
            }
            Join::FadeIn => {
                let len = self.samples(FADE_MS);
                for (i, sample) in heard.iter_mut().take(len).enumerate() {
                    *sample = mix(0, *sample, i, len);
                }
            }
        }
    }

    /// Replaces what was `heard` of a packet that turned out to be none.
    pub(crate) fn replace(&mut self, sound: &[i16], heard: &mut [i16]) {
        self.fill(sound, heard);
    }

    fn samples(&self, ms: usize) -> usize {
        ms * self.codec.rate_hz() as usize / 1000
    }
}
