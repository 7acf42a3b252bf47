//! What call control and the audio plane say to each other about: legs, rooms, playbacks, sound.

/// One audio path to one party. Handed out by the switch, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

/// A set of legs that are mixed together. Handed out by the switch, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(pub u64);

/// One thing being played to a leg or a room, so that its end can be told from the next one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaybackId(pub u64);

/// Decoded sound, mono 16-bit PCM, at the rate it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// Samples a second.
    pub rate_hz: u32,
    /// One channel, host byte order.
    pub samples: Vec<i16>,
}
