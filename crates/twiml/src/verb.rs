//! The verbs, and those small enough to have no file of their own.

use crate::{
    Connect, Dial, Enqueue, Gather, Link, Parameter, Pause, Play, Record, Say, SendDigits, StartRecording, StopStream,
    Stream,
};

/// One thing a document asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Speak.
    Say(Say),
    /// Play audio. A `<Play>` with digits and a URL is two verbs.
    Play(Play),
    /// Play keys.
    SendDigits(SendDigits),
    /// Be silent.
    Pause(Pause),
    /// Ask for keys or words.
    Gather(Box<Gather>),
    /// Record the caller.
    Record(Box<Record>),
    /// Connect to somebody.
    Dial(Box<Dial>),
    /// Wait in a queue.
    Enqueue(Box<Enqueue>),
    /// Leave it, from a wait document; elsewhere nothing.
    Leave,
    /// Connect to something.
    Connect(Box<Connect>),
    /// Let an application listen, and go on.
    StartStream(Stream),
    /// Record the call, and go on.
    StartRecording(StartRecording),
    /// No longer let it listen, and go on.
    StopStream(StopStream),
    /// Run another document.
    Redirect(Link),
    /// Have the caller's phone call somebody else.
    Refer(Refer),
    /// Refuse the call.
    Reject(RejectReason),
    /// End it.
    Hangup,
    /// Give back the caller's audio, for ever.
    Echo,
}

/// `<Refer>` (twiml §9.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refer {
    /// Where the phone shall call: `sip:` or `sips:`.
    pub uri: String,
    /// From `<Headers>`.
    pub headers: Vec<Parameter>,
    /// Asked when the outcome is known; without it the next verb runs.
    pub action: Option<Link>,
}

/// How a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// SIP 603; the call ends as `no-answer`.
    Rejected,
    /// SIP 486; the call ends as `busy`.
    Busy,
}
