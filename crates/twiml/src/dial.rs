//! `<Dial>`: whom to connect the caller to, and how.

use std::time::Duration;

use crate::{ApplicationNoun, ConferenceNoun, Link, Party, QueueNoun, Recording, RecordingCallback, Track, Warning};

/// `<Dial>` (twiml §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// Who.
    pub to: DialTo,
    /// Asked when it is over; without it the next verb runs.
    pub action: Option<Link>,
    /// The caller's leg rings on until somebody answers.
    pub answer_on_bridge: bool,
    /// A number, `client:` or SIP user to show; the caller's by default. Whether it may be used is not checked here.
    pub caller_id: Option<String>,
    /// Shown beside it.
    pub call_reason: Option<String>,
    /// The caller's `*` ends it.
    pub hangup_on_star: bool,
    /// Recorded so.
    pub record: Option<Recording>,
    /// Whose voice.
    pub recording_track: Track,
    /// Silence at both ends of the recording is cut off.
    pub trim_silence: bool,
    /// Who is told of the recording.
    pub recording_callback: RecordingCallback,
    /// Asked for a document when the callee sends REFER; without it a REFER is refused.
    pub refer: Option<Link>,
    /// A country whose ring-back tone the caller hears, in lower case.
    pub ring_tone: Option<&'static str>,
    /// Parties are tried one after the other.
    pub sequential: bool,
    /// Longest connection.
    pub time_limit: Duration,
    /// Longest ringing; for a queue, longest wait for a member; not for a conference.
    pub timeout: Duration,
}

/// Whom a [`Dial`] is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialTo {
    /// One to [`Dial::PARTIES_MAX`] to ring.
    Parties(Vec<Party>),
    /// A conference to stay in.
    Conference(Box<ConferenceNoun>),
    /// The front of a queue.
    Queue(QueueNoun),
    /// A TwiML application, as callee.
    Application(ApplicationNoun),
    /// Nobody that could be dialled, and why: the dial has failed.
    Nobody(Warning),
}

impl Dial {
    /// How many may be rung at once, or one after the other.
    pub const PARTIES_MAX: usize = 10;
}
