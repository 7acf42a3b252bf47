//! `<Conference>`: a stay in a room.

use model::{CallSid, JitterBufferSize};

use crate::{Link, RecordingCallback};

/// `<Conference>` (twiml §6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceNoun {
    /// The room; never empty.
    pub name: String,
    /// Not heard.
    pub muted: bool,
    /// The room hears a beep when this one comes.
    pub beep_on_enter: bool,
    /// … and leaves.
    pub beep_on_exit: bool,
    /// Starts a room that waits.
    pub start_on_enter: bool,
    /// Ends the room by leaving.
    pub end_on_exit: bool,
    /// The application's own name for this one.
    pub label: Option<String>,
    /// How much of the network's jitter is ridden out.
    pub jitter_buffer_size: JitterBufferSize,
    /// What is heard before the room starts.
    pub wait: WaitAudio,
    /// How many may be in the room.
    pub participants_max: u32,
    /// Recorded from its start.
    pub record: bool,
    /// Kept, without effect.
    pub region: Option<String>,
    /// Silence at both ends of the recording is cut off.
    pub trim_silence: bool,
    /// Whom this one coaches.
    pub coach: Option<Coach>,
    /// Told what happens in the room.
    pub status_callback: Option<Link>,
    /// Of what.
    pub status_events: ConferenceEvents,
    /// Who is told of the recording.
    pub recording_callback: RecordingCallback,
    /// The old way of telling of it.
    pub event_callback: Option<Link>,
}

/// What somebody waiting hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitAudio {
    /// Our music.
    Playlist,
    /// Nothing.
    Silence,
    /// What this answers.
    Url(Link),
}

/// Whom a coach speaks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coach {
    /// A participant's call.
    Call(CallSid),
    /// Not the SID of a call: the leg does not join (13240).
    Malformed(String),
}

/// `statusCallbackEvent` of a conference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConferenceEvents {
    /// `conference-start`.
    pub start: bool,
    /// `conference-end`.
    pub end: bool,
    /// `participant-join`.
    pub join: bool,
    /// `participant-leave`.
    pub leave: bool,
    /// `participant-mute`, `participant-unmute`.
    pub mute: bool,
    /// `participant-hold`, `participant-unhold`.
    pub hold: bool,
    /// `participant-modify`.
    pub modify: bool,
    /// `participant-speech-start`, `participant-speech-stop`.
    pub speaker: bool,
    /// `announcement-end`, `announcement-fail`.
    pub announcement: bool,
}
