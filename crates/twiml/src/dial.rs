//! `<Dial>`: whom to connect the caller to, and how.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::attributes::Attributes;
use crate::document::unknown_child;
use crate::link::{MALFORMED, Visit};
use crate::prompt::SECONDS_MAX;
use crate::recording::trim;
use crate::warning::{UNKNOWN, Warnings, shorten};
use crate::xml::Element;
use crate::{
    ApplicationNoun, ConferenceNoun, Link, NumberNoun, Party, QueueNoun, Recording, RecordingCallback, Track, Warning,
};

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

    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Self {
        let mut attributes = Attributes::of(element, warnings);
        let mut dial = Self {
            to: DialTo::Parties(Vec::new()),
            action: attributes.link("action", "method", 13210),
            answer_on_bridge: attributes.flag("answerOnBridge", false, 13219),
            caller_id: attributes.text("callerId"),
            call_reason: attributes.text("callReason"),
            hangup_on_star: attributes.flag("hangupOnStar", false, 13213),
            record: Recording::parse(&mut attributes, 13217),
            recording_track: track(&mut attributes),
            trim_silence: trim(&mut attributes, false, 13699),
            recording_callback: RecordingCallback::parse(&mut attributes, false),
            refer: attributes.callback("referUrl", "referMethod", UNKNOWN),
            ring_tone: attributes
                .read("ringTone", 13220, "automatic, or a country of those that have one", |value| match value {
                    "automatic" => Some(None),
                    _ => RING_TONES.iter().find(|tone| tone.eq_ignore_ascii_case(value)).map(|tone| Some(*tone)),
                })
                .flatten(),
            sequential: attributes.flag("sequential", false, 13218),
            time_limit: attributes.seconds("timeLimit", 13216, 1..=SECONDS_MAX).unwrap_or(TIME_LIMIT),
            timeout: attributes.seconds("timeout", 13212, TIMEOUT_SECONDS).unwrap_or(TIMEOUT),
        };
        if let Some(caller_id) = dial.caller_id.take_if(|id| id.chars().count() > CALLER_ID_CHARS_MAX) {
            attributes.warn(13248, "callerId", &caller_id, "at most 256 characters; the caller's own is shown");
        }
        if let Some((end, _)) = dial.call_reason.as_deref().and_then(|why| why.char_indices().nth(REASON_CHARS_MAX)) {
            let reason = dial.call_reason.take().unwrap_or_default();
            attributes.warn(UNKNOWN, "callReason", &reason, "at most 50 characters; the rest is cut off");
            dial.call_reason = Some(reason[..end].to_owned());
        }
        attributes.ignore(&["events", "passports", "recordingConfigurationId"]);
        attributes.finish();
        dial.to = DialTo::parse(element, warnings);
        dial
    }

    /// It lasts, once it is begun: there is somebody to dial.
    pub(crate) fn takes_time(&self) -> bool {
        match &self.to {
            DialTo::Nobody(_) => false,
            DialTo::Queue(noun) => noun.problem.is_none(),
            DialTo::Parties(_) | DialTo::Conference(_) | DialTo::Application(_) => true,
        }
    }

    /// Every link but the action.
    pub(crate) fn links(&mut self, visit: &mut Visit<'_>) {
        visit(&mut self.recording_callback.link, 13256);
        visit(&mut self.refer, MALFORMED);
        match &mut self.to {
            DialTo::Parties(parties) => parties.iter_mut().for_each(|party| party.links(visit)),
            DialTo::Conference(noun) => noun.links(visit),
            DialTo::Queue(noun) => visit(&mut noun.url, 14211),
            DialTo::Application(noun) => {
                visit(&mut noun.url, MALFORMED);
                visit(&mut noun.status.link, MALFORMED);
            }
            DialTo::Nobody(_) => {}
        }
    }
}

impl DialTo {
    fn parse(element: &Element, warnings: &mut Warnings) -> Self {
        let mut parties = Vec::new();
        let mut alone: Option<Self> = None;
        // Why somebody named could not be dialled; it is the answer where nobody else can.
        let mut problem = None;
        for child in element.elements() {
            let noun = child.name.as_str();
            let stands_alone = matches!(noun, "Conference" | "Queue" | "Application");
            if !stands_alone && !matches!(noun, "Number" | "Client" | "Sip") {
                let out_of_scope = matches!(noun, "Sim" | "WhatsApp");
                unknown_child(element, child, if out_of_scope { UNKNOWN } else { 13215 }, warnings);
                continue;
            }
            if alone.is_some() || (stands_alone && !parties.is_empty()) {
                warnings.warn(13000, format!("<{noun}> together with another noun is skipped"));
                continue;
            }
            if parties.len() == Dial::PARTIES_MAX {
                let code = if noun == "Sip" { 13250 } else { 13215 };
                warnings.warn(code, format!("<{noun}> is one too many: a <Dial> rings ten"));
                continue;
            }
            let parsed = match noun {
                "Conference" => {
                    ConferenceNoun::parse(child, warnings).map(|noun| alone = Some(Self::Conference(Box::new(noun))))
                }
                "Queue" => {
                    alone = Some(Self::Queue(QueueNoun::parse(child, warnings)));
                    Ok(())
                }
                "Application" => {
                    ApplicationNoun::parse(child, warnings).map(|noun| alone = Some(Self::Application(noun)))
                }
                _ => Party::parse(child, warnings).map(|party| parties.push(party)),
            };
            if let Err(why) = parsed {
                warnings.push(why.clone());
                problem = Some(why);
            }
        }
        let text = element.text();
        if !text.is_empty() {
            if element.elements().next().is_some() {
                warnings.warn(UNKNOWN, format!("the text {:?} beside nouns is not dialled", shorten(&text)));
            } else {
                match NumberNoun::plain(&text) {
                    Ok(number) => parties.push(Party::Number(number)),
                    Err(why) => {
                        warnings.push(why.clone());
                        problem = Some(why);
                    }
                }
            }
        }
        match (alone, problem) {
            (Some(noun), _) => noun,
            (None, _) if !parties.is_empty() => Self::Parties(parties),
            (None, Some(why)) => Self::Nobody(why),
            (None, None) => {
                let why = Warning::new(13223, "<Dial> names nobody to dial");
                warnings.push(why.clone());
                Self::Nobody(why)
            }
        }
    }
}

fn track(attributes: &mut Attributes<'_, '_>) -> Track {
    let words = [("inbound", Track::Inbound), ("outbound", Track::Outbound), ("both", Track::Both)];
    attributes.word("recordingTrack", 13622, &words).unwrap_or(Track::Both)
}

const TIME_LIMIT: Duration = Duration::from_secs(14_400);

const TIMEOUT: Duration = Duration::from_secs(30);

const TIMEOUT_SECONDS: RangeInclusive<u32> = 5..=600;

/// A URI's user part is as long as its application likes; this is what others' databases take.
const CALLER_ID_CHARS_MAX: usize = 256;

const REASON_CHARS_MAX: usize = 50;

/// Countries with a ring-back tone of their own, and the old one of the United States.
const RING_TONES: &[&str] = &[
    "at", "au", "bg", "br", "be", "ch", "cl", "cn", "cz", "de", "dk", "ee", "es", "fi", "fr", "gr", "hu", "il", "in",
    "it", "lt", "jp", "mx", "my", "nl", "no", "nz", "ph", "pl", "pt", "ru", "se", "sg", "th", "uk", "us", "us-old",
    "tw", "ve", "za",
];
