//! What an interpreter wants done next, and what it is told of how that went.

use std::time::Duration;

use crate::{
    Connect, Dial, DialTo, Enqueue, Gather, Link, Pause, Play, Record, Refer, RejectReason, Say, SendDigits,
    StartRecording, StopStream, Stream, Warning,
};

/// What a document is run for; decides which verbs it may have and what its end means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The call itself: every verb. At the end it is hung up.
    Call,
    /// `waitUrl` and `HoldUrl` of a conference: Play, Say, Pause, Redirect. At the end: silence.
    ConferenceWait,
    /// `AnnounceUrl`: the same verbs. At the end the announcement is over.
    Announcement,
    /// `waitUrl` of a queue: also Gather, Leave, Hangup. At the end [`Step::Again`].
    QueueWait,
    /// `url` of a party: Play, Say, Gather, Pause, Hangup, Redirect, run on the callee. At the end the two are connected.
    CalleeWhisper,
    /// `url` of a `<Queue>`: Play, Say, Pause, Redirect, run on the one who waited. At the end the two are connected.
    QueueWhisper,
}

/// What to do next. Links are absolute; those that cannot be made so are gone, with a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Speak, then [`Outcome::Done`].
    Say(Say),
    /// Play, then `Done`; [`Outcome::Failed`] at once where there is no audio to be had (11200 logged by who fetched).
    Play(Play),
    /// Play keys, then `Done`.
    SendDigits(SendDigits),
    /// Be silent, then `Done`.
    Pause(Pause),
    /// Then [`Outcome::Gathered`] or [`Outcome::Nothing`].
    Gather(Box<Gather>),
    /// Then `Done`, or `Nothing` if all was silence.
    Record(Box<Record>),
    /// Then `Done` when the connection is over or none came about, [`Outcome::Refused`] if the document shall just go on.
    Dial(Box<Dial>),
    /// Then `Done` when the call has left the queue.
    Enqueue(Box<Enqueue>),
    /// Then `Done` when the session is over.
    Connect(Box<Connect>),
    /// Begin it, and `Done` at once.
    StartStream(Stream),
    /// Begin it, and `Done` at once.
    StartRecording(StartRecording),
    /// End it, and `Done` at once.
    StopStream(StopStream),
    /// Then `Done` when the outcome is known.
    Refer(Refer),
    /// Give back the caller's audio until hang-up.
    Echo,
    /// Over: control goes to what this answers. Run it with [`Interpreter::follow`](crate::Interpreter::follow).
    Fetch {
        /// Where to.
        link: Link,
        /// What it is told besides the call's own parameters.
        with: Asked,
    },
    /// Over: the same request, but nobody waits for its answer (the caller is gone, or another document runs).
    Tell {
        /// Where to.
        link: Link,
        /// What it is told besides the call's own parameters.
        with: Asked,
    },
    /// Over: leave the queue, with `QueueResult=leave`. Only of a [`Kind::QueueWait`].
    Leave,
    /// Over: refuse the call; an answered one is hung up.
    Reject(RejectReason),
    /// Over: hang up.
    Hangup,
    /// Over: the document ran out; see [`Kind`] for what that means.
    Ended,
    /// Over: ask the queue's `waitUrl` again. Only of a [`Kind::QueueWait`].
    Again {
        /// After so long: at once where the document took time, or else a document of nothing would be asked for ever.
        pause: Duration,
    },
    /// Over: the document cannot go on. Log it; a call goes to its fallback URL, if `fallback`, or else ends; who waits
    /// has silence, and in a queue another try as after a `waitUrl` that fails.
    Fail {
        /// Why.
        warning: Warning,
        /// The fallback URL may help.
        fallback: bool,
    },
}

impl Step {
    /// Doing this answers a call that is not answered yet, before it begins (twiml §1).
    ///
    /// A `<Pause>` does not: leading, it only delays; later, the call has been answered by what came before. A `<Dial>`
    /// with `answerOnBridge` leaves it to the callee, and a conference has none. Running out does, as `<Hangup>`
    /// would have.
    pub fn answers(&self) -> bool {
        match self {
            Self::Pause(_)
            | Self::Fetch { .. }
            | Self::Tell { .. }
            | Self::Reject(_)
            | Self::Leave
            | Self::Again { .. }
            | Self::Fail { .. } => false,
            Self::Dial(dial) => !dial.answer_on_bridge || matches!(dial.to, DialTo::Conference(_)),
            Self::Say(_)
            | Self::Play(_)
            | Self::SendDigits(_)
            | Self::Gather(_)
            | Self::Record(_)
            | Self::Enqueue(_)
            | Self::Connect(_)
            | Self::StartStream(_)
            | Self::StartRecording(_)
            | Self::StopStream(_)
            | Self::Refer(_)
            | Self::Echo
            | Self::Hangup
            | Self::Ended => true,
        }
    }
}

/// What a request tells beside the call's own parameters. SIDs, statuses and durations are known to who did the
/// step, and added there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: a `<Redirect>`.
    Redirect,
    /// What was keyed or said.
    Gather(Gathered),
    /// The recording, and the key that ended it.
    Record,
    /// How the dial ended.
    Dial,
    /// How the queue was left.
    Enqueue,
    /// How the session ended.
    Connect,
    /// How the transfer went.
    Refer,
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No step was before.
    Started,
    /// It was done.
    Done,
    /// It could not be done, and took no time.
    Failed,
    /// A Gather heard something.
    Gathered(Gathered),
    /// A Gather or a Record heard nothing; a Gather may also say [`Gathered::NOTHING`].
    Nothing,
    /// A Dial that shall not tell its action: the label is taken (16025).
    Refused,
    /// The caller hung up.
    HungUp,
    /// Another document runs from now on (REST).
    Replaced,
}

/// What a Gather heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gathered {
    /// Keys, without the one that finished.
    Digits {
        /// May be empty, with `actionOnEmptyResult`.
        digits: String,
        /// The key that ended it.
        finished_on_key: Option<char>,
    },
    /// Words.
    Speech {
        /// What was said.
        text: String,
        /// How sure, as the engine puts it: `0.0` to `1.0`.
        confidence: String,
    },
}

impl Gathered {
    /// Nothing at all.
    pub const NOTHING: Self = Self::Digits { digits: String::new(), finished_on_key: None };

    /// Nothing that counts; the key that finishes does not.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Digits { digits, .. } => digits.is_empty(),
            Self::Speech { text, .. } => text.is_empty(),
        }
    }
}
