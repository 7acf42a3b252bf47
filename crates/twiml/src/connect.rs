//! `<Connect>`: a session with something that is no telephone.

use std::time::Duration;

use crate::attributes::{Attributes, is_sid};
use crate::document::{childless, unknown_child};
use crate::link::{MALFORMED, Visit};
use crate::prompt::SECONDS_MAX;
use crate::recording::trim;
use crate::warning::{UNKNOWN, Warnings};
use crate::xml::Element;
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

impl Connect {
    /// `None`, with a warning, where there is nothing to connect to.
    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Option<Self> {
        let mut attributes = Attributes::of(element, warnings);
        let action = attributes.link("action", "method", UNKNOWN);
        attributes.finish();
        let mut to = None;
        for child in element.elements() {
            match child.name.as_str() {
                "Conversation" if to.is_none() => {
                    let noun = ConversationNoun::parse(child, warnings);
                    to = Some(ConnectTo::Conversation(Box::new(noun)));
                }
                "Stream" if to.is_none() => to = Stream::parse(child, true, warnings).map(ConnectTo::Stream),
                _ => unknown_child(element, child, UNKNOWN, warnings),
            }
        }
        if to.is_none() {
            warnings.warn(UNKNOWN, "<Connect> without anything to connect to is skipped");
        }
        Some(Self { to: to?, action })
    }
}

impl Connect {
    /// It lasts, once it is begun: there is something to connect to.
    pub(crate) fn takes_time(&self) -> bool {
        match &self.to {
            ConnectTo::Conversation(noun) => noun.service_instance_sid.is_some(),
            ConnectTo::Stream(_) => true,
        }
    }

    /// Every link but the action.
    pub(crate) fn links(&mut self, visit: &mut Visit<'_>) {
        match &mut self.to {
            ConnectTo::Conversation(noun) => {
                visit(&mut noun.recording_callback.link, 13256);
                visit(&mut noun.status_callback, MALFORMED);
                visit(&mut noun.url, MALFORMED);
            }
            ConnectTo::Stream(stream) => visit(&mut stream.status_callback, MALFORMED),
        }
    }
}

impl ConversationNoun {
    fn parse(element: &Element, warnings: &mut Warnings) -> Self {
        let mut attributes = Attributes::of(element, warnings);
        let service_instance_sid = attributes.read("serviceInstanceSid", UNKNOWN, "IS and 32 hex digits", |sid| {
            is_sid("IS", sid).then(|| sid.to_owned())
        });
        if attributes.raw("serviceInstanceSid").is_none() {
            attributes.warnings.warn(UNKNOWN, "<Conversation> needs a serviceInstanceSid");
        }
        let seconds = |given: Option<Duration>, default| given.unwrap_or(Duration::from_secs(default));
        let mut noun = Self {
            service_instance_sid,
            inbound_autocreation: attributes.flag("inboundAutocreation", true, UNKNOWN),
            routing_assignment_timeout: seconds(
                attributes.seconds("routingAssignmentTimeout", UNKNOWN, 0..=SECONDS_MAX),
                5,
            ),
            inbound_timeout: seconds(attributes.seconds("inboundTimeout", UNKNOWN, 1..=SECONDS_MAX), 60),
            record: Recording::parse(&mut attributes, UNKNOWN),
            trim_silence: trim(&mut attributes, false, UNKNOWN),
            recording_callback: RecordingCallback::parse(&mut attributes, true),
            status_callback: attributes.callback("statusCallback", "statusCallbackMethod", UNKNOWN),
            on_initiated: false,
            on_ringing: false,
            on_answered: false,
            on_completed: false,
            url: attributes.callback("url", "method", UNKNOWN),
        };
        let given = attributes.words("statusCallbackEvent", UNKNOWN, |word| {
            let flag = match word {
                "call-initiated" => &mut noun.on_initiated,
                "call-ringing" => &mut noun.on_ringing,
                "call-answered" => &mut noun.on_answered,
                // The reference's table has the short word, its text the long one.
                "call-completed" | "completed" => &mut noun.on_completed,
                _ => return false,
            };
            *flag = true;
            true
        });
        noun.on_completed |= !given;
        attributes.finish();
        childless(element, warnings);
        noun
    }
}
