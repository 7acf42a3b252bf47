//! Sound that is played rather than received.
//!
//! [`Pages`] is the sound itself: decoded and encoded once, off the media threads, and shared by everybody
//! who plays it. A [`Player`] is one place in it. A leg on hold hears nothing but its player; on G.711 that
//! costs one copy of ready-made bytes a tick, however many hold.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Clip, PlaybackId};

use crate::mixer::{self, Rate};
use crate::{Codec, Encoder, resample};

/// One immutable sound at every rate a room mixes at, with its G.711 encodings.
///
/// Its three lengths are exactly in proportion, so that a loop comes round at the same time at every rate.
pub struct Pages {
    /// Samples at 8 kHz; twice and six times as many at the other rates.
    len: usize,
    pcm: [Vec<i16>; 3],
    pcmu: Vec<u8>,
    pcma: Vec<u8>,
}

impl Pages {
    /// Prepares a clip for playing, at the level it has. Slow: not on a media thread.
    ///
    /// The end is resampled as if the beginning followed it, so that a loop has no seam. A clip shorter than
    /// one frame is filled up with silence.
    pub fn new(clip: &Clip) -> Self {
        let rate_hz = clip.rate_hz.max(1) as usize;
        let (len, frame) = (len_of(clip), Rate::Narrow.frame());
        let mut samples = clip.samples.clone();
        samples.resize((len * rate_hz).div_ceil(Rate::Narrow.hz() as usize), 0);
        let pcm = Rate::ALL.map(|rate| {
            let mut pcm = resample_loop(&samples, clip.rate_hz, rate.hz());
            pcm.resize(len * rate.frame() / frame, 0);
            pcm.shrink_to_fit(); // resampling left twice as much
            pcm
        });
        let encode = |codec| {
            let mut bytes = vec![0; len];
            let mut encoder = Encoder::new(codec).expect("G.711 needs no resources");
            encoder.encode(&pcm[Rate::Narrow as usize], &mut bytes).expect("one byte a sample");
            bytes
        };
        let (pcmu, pcma) = (encode(Codec::Pcmu), encode(Codec::Pcma));
        Self { len, pcm, pcmu, pcma }
    }

    /// The sound at one rate.
    pub(crate) fn at(&self, rate: Rate) -> &[i16] {
        &self.pcm[rate as usize]
    }

    /// How much memory the sound of a clip will take.
    pub fn bytes_of(clip: &Clip) -> usize {
        let samples: usize = Rate::ALL.map(|rate| len_of(clip) * rate.frame() / Rate::Narrow.frame()).iter().sum();
        samples * size_of::<i16>() + 2 * len_of(clip)
    }

    /// How much memory it takes.
    pub fn bytes(&self) -> usize {
        let samples: usize = self.pcm.iter().map(Vec::capacity).sum();
        samples * size_of::<i16>() + self.pcmu.capacity() + self.pcma.capacity()
    }

    /// How long the sound is.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.len as u64 * 1_000_000 / u64::from(Rate::Narrow.hz()))
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("duration", &self.duration()).finish_non_exhaustive()
    }
}

/// Samples of a clip at 8 kHz, at least one frame.
fn len_of(clip: &Clip) -> usize {
    let rate_hz = clip.rate_hz.max(1) as usize;
    (clip.samples.len() * Rate::Narrow.hz() as usize).div_ceil(rate_hz).max(Rate::Narrow.frame())
}

/// Resamples a sound whose end is followed by its beginning.
fn resample_loop(samples: &[i16], from_hz: u32, to_hz: u32) -> Vec<i16> {
    if from_hz == to_hz {
        return samples.to_vec();
    }
    // One second more at either side: whole samples at every rate, and far longer than any filter.
    let around = from_hz as usize;
    let before = samples.iter().rev().cycle().take(around).copied().collect::<Vec<_>>().into_iter().rev();
    let looped: Vec<i16> = before.chain(samples.iter().cycle().take(samples.len() + around).copied()).collect();
    // A rate no sound has: whoever made the clip should have refused it, so what is played is silence.
    let mut pcm = resample(&looped, from_hz, to_hz).unwrap_or_default();
    pcm.drain(..(to_hz as usize).min(pcm.len()));
    pcm
}

/// One place in a sound.
pub(crate) struct Player {
    pub(crate) playback: PlaybackId,
    sound: Arc<Pages>,
    /// In samples at 8 kHz.
    position: usize,
    /// This time included; 0: until it is stopped.
    loops: u32,
    edge: Edge,
}

/// Sound starts and stops softly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// This tick is its first.
    Rising,
    None,
    /// This tick is its last.
    Falling,
}

impl Player {
    pub(crate) fn new(playback: PlaybackId, sound: Arc<Pages>, loops: u32) -> Self {
        Self { playback, sound, position: 0, loops, edge: Edge::Rising }
    }

    /// It begins anew when it has come to its end.
    fn repeats(&self) -> bool {
        self.loops != 1
    }

    /// Somebody has heard of it already.
    pub(crate) fn has_begun(&self) -> bool {
        self.edge != Edge::Rising
    }

    /// Lets the sound fade out in the next frame.
    pub(crate) fn stop(&mut self) {
        self.edge = Edge::Falling;
    }

    /// Writes this tick's frame at a rate. The same for every rate until [`Player::advance`].
    pub(crate) fn frame(&self, rate: Rate, out: &mut [i16]) {
        let scale = rate.frame() / Rate::Narrow.frame();
        copy_loop(&self.sound.pcm[rate as usize], self.position * scale, self.repeats(), out);
        match self.edge {
            Edge::Rising => mixer::fade_in(out),
            Edge::None => {}
            Edge::Falling => mixer::fade_out(out),
        }
        if !self.repeats() {
            mixer::fade_towards(out, (self.sound.len - self.position) * scale);
        }
    }

    /// This tick's frame is exactly what was encoded beforehand: no fade touches it.
    pub(crate) fn has_page(&self, codec: Codec) -> bool {
        let fades =
            self.edge != Edge::None || !self.repeats() && self.sound.len - self.position < 2 * Rate::Narrow.frame();
        !fades && matches!(codec, Codec::Pcmu | Codec::Pcma)
    }

    /// Writes this tick's frame as G.711. Only where [`Player::has_page`].
    pub(crate) fn page(&self, codec: Codec, out: &mut [u8]) {
        let page = if codec == Codec::Pcma { &self.sound.pcma } else { &self.sound.pcmu };
        copy_loop(page, self.position, self.repeats(), out);
    }

    /// Ends the tick. `true` when the sound has come to its own end.
    pub(crate) fn advance(&mut self) -> bool {
        self.position += Rate::Narrow.frame();
        self.edge = Edge::None;
        if self.position < self.sound.len {
            return false;
        }
        if !self.repeats() {
            self.position = self.sound.len;
            return true;
        }
        // A sound is at least one frame long, so once round is enough.
        self.position -= self.sound.len;
        self.loops = self.loops.saturating_sub(1);
        false
    }

    /// The sound, to be freed elsewhere.
    pub(crate) fn into_sound(self) -> Arc<Pages> {
        self.sound
    }
}

/// Copies from a place on; over the end to the beginning, or to silence.
fn copy_loop<T: Copy + Default>(from: &[T], start: usize, repeat: bool, out: &mut [T]) {
    let first = &from[start.min(from.len())..];
    let first = &first[..first.len().min(out.len())];
    let (head, tail) = out.split_at_mut(first.len());
    head.copy_from_slice(first);
    if repeat {
        tail.copy_from_slice(&from[..tail.len()]);
    } else {
        tail.fill(T::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(samples: usize, rate_hz: u32) -> Clip {
        Clip { rate_hz, samples: (0..samples).map(|i| i as i16).collect() }
    }

    #[test]
    fn a_clip_at_8_khz_is_played_as_it_is() {
        let pages = Pages::new(&ramp(500, 8_000));
        assert_eq!(pages.pcm[0], ramp(500, 8_000).samples);
        assert_eq!((pages.pcm[1].len(), pages.pcm[2].len(), pages.pcmu.len()), (1_000, 3_000, 500));
        assert_eq!(pages.duration(), Duration::from_micros(62_500));
    }

    #[test]
    fn lengths_keep_their_proportion_at_any_rate() {
        for (samples, rate_hz) in [(0, 8_000), (1, 48_000), (44_100, 44_100), (12_345, 11_025), (7, 1), (3, 0)] {
            let pages = Pages::new(&ramp(samples, rate_hz));
            assert_eq!(pages.bytes(), Pages::bytes_of(&ramp(samples, rate_hz)), "{samples} at {rate_hz}");
            let len = pages.len;
            assert!(len >= 160, "{samples} at {rate_hz}: {len}");
            assert_eq!(pages.pcm.each_ref().map(Vec::len), [len, 2 * len, 6 * len], "{samples} at {rate_hz}");
        }
    }

    #[test]
    fn a_loop_has_no_gap() {
        let pages = Arc::new(Pages::new(&ramp(500, 8_000)));
        let mut player = Player::new(PlaybackId(1), pages, 0);
        let mut heard = Vec::new();
        for _ in 0..20 {
            let mut frame = [0; 160];
            player.frame(Rate::Narrow, &mut frame);
            heard.extend(frame);
            assert!(!player.advance());
        }
        let expected: Vec<i16> = (0..3_200).map(|i| (i % 500) as i16).collect();
        assert_eq!(heard[80..], expected[80..]); // the first 10 ms fade in
    }

    #[test]
    fn a_sound_is_played_so_often_without_a_gap() {
        let clip = Clip { rate_hz: 8_000, samples: vec![10_000; 400] };
        let mut player = Player::new(PlaybackId(1), Arc::new(Pages::new(&clip)), 3);
        let (mut heard, mut ticks) = (Vec::new(), 0);
        loop {
            let mut frame = [0; 160];
            player.frame(Rate::Narrow, &mut frame);
            heard.extend(frame);
            ticks += 1;
            if player.advance() {
                break;
            }
        }
        assert_eq!(ticks, 8, "1,200 samples are seven frames and a half");
        assert!(heard[80..1_120].iter().all(|&sample| sample == 10_000), "nothing fades in between");
        assert!(heard[1_199] < 10 && heard[1_200..].iter().all(|&sample| sample == 0));
    }

    #[test]
    fn a_sound_that_does_not_repeat_fades_out_and_ends_once() {
        let clip = Clip { rate_hz: 8_000, samples: vec![10_000; 400] };
        let mut player = Player::new(PlaybackId(1), Arc::new(Pages::new(&clip)), 1);
        let mut heard = Vec::new();
        let mut ends = Vec::new();
        for _ in 0..3 {
            let mut frame = [0; 160];
            player.frame(Rate::Narrow, &mut frame);
            heard.extend(frame);
            ends.push(player.advance());
        }
        assert_eq!(ends, [false, false, true]);
        assert!(heard[80..320].iter().all(|&s| s == 10_000));
        assert!(heard[320..400].windows(2).all(|w| w[0] >= w[1]), "falls over its last 10 ms");
        assert!(heard[399] < 10 && heard[400..].iter().all(|&s| s == 0));
    }

    #[test]
    fn pages_are_what_the_encoder_makes_of_the_frames() {
        let pages = Arc::new(Pages::new(&ramp(1_000, 8_000)));
        let mut player = Player::new(PlaybackId(1), pages, 0);
        player.advance();
        for _ in 0..20 {
            for codec in [Codec::Pcmu, Codec::Pcma] {
                let (mut frame, mut encoded, mut page) = ([0; 160], [0; 160], [0; 160]);
                player.frame(Rate::Narrow, &mut frame);
                Encoder::new(codec).expect("G.711").encode(&frame, &mut encoded).expect("160 bytes");
                assert!(player.has_page(codec));
                player.page(codec, &mut page);
                assert_eq!(page, encoded);
            }
            player.advance();
        }
    }
}
