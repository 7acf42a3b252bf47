//! What call control and the audio plane say to each other about: legs, rooms, playbacks, taps, sound.

use crate::word_enum;

/// One audio path to one party. Handed out by the switch, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

/// A set of legs that are mixed together. Handed out by the switch, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(pub u64);

/// One thing being played to a leg or a room, so that its end can be told from the next one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaybackId(pub u64);

/// One listener to a leg beside its room: a media stream, a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TapId(pub u64);

/// A direction of a leg's audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Track {
    /// What its party says.
    Inbound,
    /// What its party hears.
    Outbound,
}

/// Which of a leg's tracks somebody listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tracks {
    /// What its party says.
    Inbound,
    /// What its party hears.
    Outbound,
    /// Both, apart from each other.
    Both,
}

impl Tracks {
    /// This one is among them.
    pub const fn has(self, track: Track) -> bool {
        matches!((self, track), (Self::Both, _) | (Self::Inbound, Track::Inbound) | (Self::Outbound, Track::Outbound))
    }
}

word_enum! {
    /// Who has answered a call, as far as its voice tells (rest-voice §3.2, `AnsweredBy`).
    AnsweredBy {
        /// Somebody who greets and waits.
        Human = "human",
        /// A machine, told as soon as it was known.
        MachineStart = "machine_start",
        /// A machine whose message has ended in a beep.
        MachineEndBeep = "machine_end_beep",
        /// A machine whose message has ended in silence.
        MachineEndSilence = "machine_end_silence",
        /// A machine that was still talking when the time was over.
        MachineEndOther = "machine_end_other",
        /// A fax machine.
        Fax = "fax",
        /// Nobody said anything that would tell.
        Unknown = "unknown",
    }
}

/// Decoded sound, mono 16-bit PCM, at the rate it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// Samples a second.
    pub rate_hz: u32,
    /// One channel, host byte order.
    pub samples: Vec<i16>,
}
