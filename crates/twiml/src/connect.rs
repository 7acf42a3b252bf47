//! `<Connect>`: a session with something that is no telephone.

use std::time::Duration;

use crate::{Link, Recording, RecordingCallback, Stream};

/// `<Connect>` (twiml §8.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// With what.
    pub to: ConnectTo,
    /// Asked when the session is over; without it the next verb runs.
    pub action: Option<Link>,
}

/// What a [`Connect`] is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectTo {
    /// Whoever the conversation says.
    Conversation(Box<ConversationNoun>),
    /// An application that hears and speaks, until its socket closes.
    Stream(Stream),
}

/// `<Conversation>` (twiml §8.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationNoun {
    /// `IS…`; without it the session ends with `Result=internal-error`.
    pub service_instance_sid: Option<String>,
    /// Make a conversation for a caller who has none.
    pub inbound_autocreation: bool,
    /// How long a new conversation may wait for its worker.
    pub routing_assignment_timeout: Duration,
    /// How long the worker's phone rings.
    pub inbound_timeout: Duration,
    /// Recorded so.
    pub record: Option<Recording>,
    /// Silence at both ends of the recording is cut off.
    pub trim_silence: bool,
    /// Who is told of the recording.
    pub recording_callback: RecordingCallback,
    /// Told how the other leg's call goes.
    pub status_callback: Option<Link>,
    /// `call-initiated`.
    pub on_initiated: bool,
    /// `call-ringing`.
    pub on_ringing: bool,
    /// `call-answered`.
    pub on_answered: bool,
    /// `call-completed`.
    pub on_completed: bool,
    /// A document that runs on the worker before the two are connected.
    pub url: Option<Link>,
}
