//! Recording: the `<Record>` verb, and what other verbs say about being recorded.

use std::time::Duration;

use crate::{Keys, Link};

/// `<Record>` (twiml §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Asked when something was recorded. By default the document itself.
    pub action: Option<Link>,
    /// Silence that ends it; `None` never does.
    pub timeout: Option<Duration>,
    /// A key that ends it.
    pub finish_on_key: Keys,
    /// Longest recording.
    pub length_max: Duration,
    /// A beep says that it begins.
    pub play_beep: bool,
    /// Silence at both ends is cut off.
    pub trim_silence: bool,
    /// Who is told of its progress.
    pub callback: RecordingCallback,
    /// A transcript is wished for.
    pub transcribe: bool,
    /// Where a transcript goes.
    pub transcribe_callback: Option<Link>,
}

/// `recordingStatusCallback` and its companions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordingCallback {
    /// Told, if anybody.
    pub link: Option<Link>,
    /// Of a begun recording.
    pub in_progress: bool,
    /// Of one that can be fetched.
    pub completed: bool,
    /// Of one that could not be made.
    pub absent: bool,
}

/// What of a `<Dial>`, a `<Conversation>` or a call is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recording {
    /// Ringing is part of it.
    pub from_ringing: bool,
    /// The parties are on a channel each.
    pub dual: bool,
}

/// Whose voice is recorded or streamed, seen from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Track {
    /// What we receive.
    Inbound,
    /// What we send.
    Outbound,
    /// Both.
    Both,
}
