//! The verbs, and those small enough to have no file of their own.

use crate::attributes::Attributes;
use crate::document::{childless, unknown_child};
use crate::party::SipAddress;
use crate::stream;
use crate::warning::{UNKNOWN, Warnings, shorten};
use crate::xml::Element;
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

/// Reads any verb but the prompts; skips what is none, or cannot be done.
pub(crate) fn parse(element: &Element, warnings: &mut Warnings, verbs: &mut Vec<Verb>) {
    match element.name.as_str() {
        "Gather" => verbs.push(Verb::Gather(Box::new(Gather::parse(element, warnings)))),
        "Record" => verbs.push(Verb::Record(Box::new(Record::parse(element, warnings)))),
        "Dial" => verbs.push(Verb::Dial(Box::new(Dial::parse(element, warnings)))),
        "Enqueue" => verbs.push(Verb::Enqueue(Box::new(Enqueue::parse(element, warnings)))),
        "Connect" => verbs.extend(Connect::parse(element, warnings).map(|connect| Verb::Connect(Box::new(connect)))),
        "Start" => stream::start(element, warnings, verbs),
        "Stop" => stream::stop(element, warnings, verbs),
        "Redirect" => {
            let mut attributes = Attributes::of(element, warnings);
            let method = attributes.method("method", 13710);
            attributes.finish();
            childless(element, warnings);
            verbs.push(Verb::Redirect(Link { url: element.text(), method }));
        }
        "Refer" => verbs.extend(Refer::parse(element, warnings).map(Verb::Refer)),
        "Reject" => {
            let mut attributes = Attributes::of(element, warnings);
            let words = [("rejected", RejectReason::Rejected), ("busy", RejectReason::Busy)];
            let reason = attributes.word("reason", 13810, &words).unwrap_or(RejectReason::Rejected);
            attributes.finish();
            childless(element, warnings);
            verbs.push(Verb::Reject(reason));
        }
        name @ ("Leave" | "Hangup" | "Echo") => {
            Attributes::of(element, warnings).finish();
            childless(element, warnings);
            verbs.push(match name {
                "Leave" => Verb::Leave,
                "Hangup" => Verb::Hangup,
                _ => Verb::Echo,
            });
        }
        name => warnings.warn(UNKNOWN, format!("the verb <{}> is skipped", shorten(name))),
    }
}

impl Verb {
    /// As documents spell it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Say(_) => "Say",
            Self::Play(_) | Self::SendDigits(_) => "Play",
            Self::Pause(_) => "Pause",
            Self::Gather(_) => "Gather",
            Self::Record(_) => "Record",
            Self::Dial(_) => "Dial",
            Self::Enqueue(_) => "Enqueue",
            Self::Leave => "Leave",
            Self::Connect(_) => "Connect",
            Self::StartStream(_) | Self::StartRecording(_) => "Start",
            Self::StopStream(_) => "Stop",
            Self::Redirect(_) => "Redirect",
            Self::Refer(_) => "Refer",
            Self::Reject(_) => "Reject",
            Self::Hangup => "Hangup",
            Self::Echo => "Echo",
        }
    }
}

impl Refer {
    fn parse(element: &Element, warnings: &mut Warnings) -> Option<Self> {
        let mut attributes = Attributes::of(element, warnings);
        let action = attributes.link("action", "method", UNKNOWN);
        attributes.finish();
        let mut target = None;
        for child in element.elements() {
            match child.name.as_str() {
                "Sip" if target.is_none() => {
                    Attributes::of(child, warnings).finish();
                    target = Some(SipAddress::parse(child, warnings));
                }
                _ => unknown_child(element, child, UNKNOWN, warnings),
            }
        }
        match target {
            Some(Ok(SipAddress { uri, headers, .. })) => Some(Self { uri, headers, action }),
            Some(Err(why)) => {
                warnings.push(why);
                None
            }
            None => {
                warnings.warn(UNKNOWN, "<Refer> without a <Sip> is skipped");
                None
            }
        }
    }
}
