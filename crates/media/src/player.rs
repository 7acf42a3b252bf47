//! Sound that is played rather than received.

use std::time::Duration;

use model::Clip;

/// One immutable sound, prepared once off the media threads and shared by everybody who plays it.
#[derive(Debug)]
pub struct Pages {
    duration: Duration,
}

impl Pages {
    /// Prepares a clip for playing, at the level it has. Slow: not on a media thread.
    pub fn new(clip: &Clip) -> Self {
        Self { duration: Duration::from_micros(clip.samples.len() as u64 * 1_000_000 / u64::from(clip.rate_hz.max(1))) }
    }

    /// How long the sound is.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}
