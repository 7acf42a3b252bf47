//! The PCM around the play head: what was just played, and behind it what will be played next.
//!
//! `[ … | history, always full | ahead: decoded or made up, not yet played | free ]`
//!
//! The head moves through a longer piece of memory and begins anew at its end: so a tick touches what it plays, and not
//! all that was ever heard.
//!
//! Lying in one piece, the past and the future can be compared and joined: to conceal what is lost, and to play a
//! little faster or slower by dropping or repeating one period of the voice under a cross-fade (as WSOLA does).

use crate::codec::{Codec, PACKET_MS_MAX};
use crate::pitch::{loudness, most_alike};
use crate::prefetch::{fetch_slice, prefetch_slice};

pub(crate) struct Tape {
    samples: Box<[i16]>,
    /// What is played next; as much as history is lies before it.
    head: usize,
    /// End of what is ahead.
    end: usize,
    ms: usize,
}

/// As much past as concealment looks at: three of the longest periods and a quarter.
pub(crate) const HISTORY_MS: usize = 49;
/// Periods of a voice: 400 to 66 Hz.
const PERIOD_MIN_US: usize = 2_500;
pub(crate) const PERIOD_MS_MAX: usize = 15;
/// How much is compared to judge a cut.
const COMPARED_MS: usize = 10;
/// What is played next, and must still lie ahead after a cut. Longer than what is compared.
const FRAME_MS: usize = 20;
/// At most a packet is decoded while less than a frame and a drop's worth lies ahead; an insertion comes on top.
const AHEAD_MS_MAX: usize = PACKET_MS_MAX as usize + FRAME_MS + 2 * PERIOD_MS_MAX;
/// Frames that are played until the head begins anew.
const RUN_FRAMES: usize = 4;
/// A cut is not heard where the two sides are at least so alike …
pub(crate) const ALIKE_MIN: f32 = 0.9;
/// … or where hardly anything is: −56 dBFS …
const QUIET: f32 = 50.0;
/// … or in a noise, which resembles its past no more than this …
const NOISE_MAX: f32 = 0.5;
/// … and stays as loud, but for this factor.
const STEADY: f32 = 1.5;

impl Tape {
    pub(crate) fn new(codec: Codec) -> Tape {
        let ms = codec.rate_hz() as usize / 1000;
        let history = HISTORY_MS * ms;
        let samples = vec![0; history + (AHEAD_MS_MAX + RUN_FRAMES * FRAME_MS) * ms];
        Tape { samples: samples.into(), head: history, end: history, ms }
    }

    /// Samples not yet played.
    pub(crate) fn ahead(&self) -> usize {
        self.end - self.head
    }

    /// Where the end may come to, at most.
    fn limit(&self) -> usize {
        self.head + AHEAD_MS_MAX * self.ms
    }

    /// Fetches the next frame's place into the cache.
    pub(crate) fn fetch(&self) {
        let frame = FRAME_MS * self.ms;
        fetch_slice(&self.samples[self.head..self.samples.len().min(self.head + frame)]);
    }

    /// The same, without waiting for it.
    pub(crate) fn prefetch(&self) {
        let frame = FRAME_MS * self.ms;
        prefetch_slice(&self.samples[self.head..self.samples.len().min(self.head + frame)]);
    }

    /// Everything up to the end of what is ahead: the most recent sound, as far as known.
    pub(crate) fn sound(&self) -> &[i16] {
        &self.samples[..self.end]
    }

    /// The sound so far, and the `len` samples to be written behind it; [`Tape::extend`] makes them count.
    pub(crate) fn continuation(&mut self, len: usize) -> (&[i16], &mut [i16]) {
        let len = len.min(self.limit() - self.end);
        let (sound, free) = self.samples.split_at_mut(self.end);
        (sound, &mut free[..len])
    }

    /// Counts `len` written samples as lying ahead.
    pub(crate) fn extend(&mut self, len: usize) {
        self.end = self.limit().min(self.end + len);
    }

    /// Forgets what lies ahead.
    pub(crate) fn cut(&mut self) {
        self.end = self.head;
    }

    /// Fades the last `len` samples to silence, and returns them.
    pub(crate) fn fade_last(&mut self, len: usize) -> &mut [i16] {
        let last = &mut self.samples[self.end - len..self.end];
        for (i, sample) in last.iter_mut().enumerate() {
            *sample = mix(*sample, 0, i, len);
        }
        last
    }

    /// Plays `out.len()` samples, which must lie ahead.
    pub(crate) fn play(&mut self, out: &mut [i16]) {
        out.copy_from_slice(&self.samples[self.head..self.head + out.len()]);
        self.head += out.len();
        if self.limit() > self.samples.len() {
            let past = self.head - HISTORY_MS * self.ms;
            self.samples.copy_within(past..self.end, 0);
            self.head -= past;
            self.end -= past;
        }
    }

    /// Leaves out the next `len` samples, if a frame lies ahead behind them. Returns how many.
    pub(crate) fn drop_front(&mut self, len: usize) -> usize {
        if self.ahead() < len + FRAME_MS * self.ms {
            return 0;
        }
        self.samples.copy_within(self.head + len..self.end, self.head);
        self.end -= len;
        len
    }

    /// Plays faster by one period of at most `len_max` samples, if the sides of the cut are as alike as `alike_min`
    /// asks; in silence and, if `noise_too`, in noise, which have none, by as much as may be. Returns its length.
    /// The longer what lies ahead, the more periods can be tried, up to [`PERIOD_MS_MAX`] beyond the frame to be played.
    pub(crate) fn drop_period(&mut self, len_max: usize, alike_min: f32, noise_too: bool) -> usize {
        let (head, compared) = (self.head, COMPARED_MS * self.ms);
        let len_max = len_max.min(PERIOD_MS_MAX * self.ms).min(self.ahead().saturating_sub(FRAME_MS * self.ms));
        let len_min = PERIOD_MIN_US * self.ms / 1000;
        let quiet = loudness(&self.samples[head..head + compared + len_max]) < QUIET;
        let (found, correlation) = if quiet {
            (len_max, 1.0)
        } else if len_max < len_min {
            return 0;
        } else {
            let starts = head + len_min..=head + len_max;
            let found = most_alike(self.sound(), head..head + compared, starts, self.stride());
            if found.correlation >= alike_min {
                (found.start - head, found.correlation)
            } else if noise_too && self.is_noise(head + len_max) {
                (len_max, 0.0)
            } else {
                return 0;
            }
        };
        // over the first samples, what is ahead turns into what is a period further ahead
        let fade = compared.min(found);
        for i in 0..fade {
            self.samples[head + i] = join(self.samples[head + i], self.samples[head + found + i], i, fade, correlation);
        }
        self.samples.copy_within(head + found + fade..self.end, head + fade);
        self.end -= found;
        found
    }

    /// Plays slower by one period, or in silence by `wanted` samples, if that would not be heard. Returns how much.
    pub(crate) fn repeat_period(&mut self, wanted: usize) -> usize {
        let (head, compared) = (self.head, COMPARED_MS * self.ms);
        let len_max = (PERIOD_MS_MAX * self.ms).min(self.limit() - self.end);
        let len_min = PERIOD_MIN_US * self.ms / 1000;
        if len_max < len_min || self.ahead() < compared {
            return 0;
        }
        let found = if loudness(&self.samples[head - len_max..head + compared]) < QUIET {
            wanted.clamp(len_min, len_max)
        } else {
            let starts = head - len_max..=head - len_min;
            let found = most_alike(self.sound(), head..head + compared, starts, self.stride());
            if found.correlation < ALIKE_MIN {
                return 0;
            }
            head - found.start
        };
        // over the first samples, what is ahead turns into what was played a period ago; then it comes once more
        self.samples.copy_within(head - found..self.end, head);
        self.end += found;
        let fade = compared.min(found);
        for i in 0..fade {
            // the old beginning now lies a period further on
            self.samples[head + i] = mix(self.samples[head + found + i], self.samples[head + i], i, fade);
        }
        found
    }

    /// Is there a steady noise around the head, up to what begins at `other`?
    fn is_noise(&self, other: usize) -> bool {
        let (head, compared) = (self.head, COMPARED_MS * self.ms);
        let loud = [head - compared, head, other].map(|start| loudness(&self.samples[start..start + compared]));
        let (softest, loudest) = loud.iter().fold((f32::MAX, 0.0f32), |(low, high), &x| (low.min(x), high.max(x)));
        let starts = head - PERIOD_MS_MAX * self.ms..=head - PERIOD_MIN_US * self.ms / 1000;
        loudest <= STEADY * softest
            && most_alike(self.sound(), head..head + compared, starts, self.stride()).correlation < NOISE_MAX
    }

    /// Voices are compared as at 8 kHz.
    pub(crate) fn stride(&self) -> usize {
        self.ms / 8
    }
}

/// The same as [`mix`] for sounds that are only so alike: where they add up to less, by as much louder.
fn join(from: i16, to: i16, i: usize, len: usize, correlation: f32) -> i16 {
    let to_part = i as f32 / len as f32;
    let from_part = 1.0 - to_part;
    let alike = 2.0 * correlation.max(0.0) * from_part * to_part;
    let power = from_part * from_part + to_part * to_part + alike;
    ((f32::from(from) * from_part + f32::from(to) * to_part) / power.sqrt()) as i16 // saturates
}

/// Turns `from` into `to` while `i` goes from 0 to `len`.
pub(crate) fn mix(from: i16, to: i16, i: usize, len: usize) -> i16 {
    let (from, to) = (i64::from(from), i64::from(to));
    let (i, len) = (i as i64, len as i64);
    ((from * (len - i) + to * i) / len) as i16
}
