//! `<Conference>`: a stay in a room.

use model::{CallSid, HttpMethod, JitterBufferSize};

use crate::attributes::Attributes;
use crate::document::childless;
use crate::link::{MALFORMED, Visit};
use crate::recording::trim;
use crate::warning::{UNKNOWN, Warnings};
use crate::xml::Element;
use crate::{Link, RecordingCallback, Warning};

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

impl ConferenceNoun {
    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Result<Self, Warning> {
        let mut attributes = Attributes::of(element, warnings);
        let beep =
            [("true", (true, true)), ("false", (false, false)), ("onEnter", (true, false)), ("onExit", (false, true))];
        let (beep_on_enter, beep_on_exit) = attributes.word("beep", 13235, &beep).unwrap_or((true, true));
        let record = [("do-not-record", false), ("record-from-start", true), ("true", true), ("false", false)];
        let mut noun = Self {
            name: String::new(),
            muted: attributes.flag("muted", false, 13230),
            beep_on_enter,
            beep_on_exit,
            start_on_enter: attributes.flag("startConferenceOnEnter", true, 13232),
            end_on_exit: attributes.flag("endConferenceOnExit", false, 13231),
            label: attributes.text("participantLabel"),
            jitter_buffer_size: attributes
                .read("jitterBufferSize", UNKNOWN, "off, small, medium, large", |size| size.parse().ok())
                .unwrap_or_default(),
            wait: WaitAudio::parse(&mut attributes, "waitMethod", 13234),
            participants_max: attributes
                .number("maxParticipants", UNKNOWN, 2..=PARTICIPANTS_MAX)
                .unwrap_or(PARTICIPANTS_MAX),
            record: attributes.word("record", UNKNOWN, &record).unwrap_or(false),
            region: attributes.text("region"),
            trim_silence: trim(&mut attributes, true, 13239),
            coach: attributes.text("coach").map(|sid| sid.parse().map_or(Coach::Malformed(sid), Coach::Call)),
            status_callback: attributes.callback("statusCallback", "statusCallbackMethod", UNKNOWN),
            status_events: ConferenceEvents::parse(&mut attributes),
            recording_callback: RecordingCallback::parse(&mut attributes, false),
            event_callback: attributes.text("eventCallbackUrl").map(|url| Link { url, method: HttpMethod::Post }),
        };
        if let Some(label) = noun.label.take_if(|label| label.chars().count() > LABEL_CHARS_MAX) {
            attributes.warn(16023, "participantLabel", &label, "at most 128 characters; there is no label");
        }
        if let Some(Coach::Malformed(sid)) = &noun.coach {
            attributes.warn(13240, "coach", sid, "the SID of a call; the leg does not join");
        }
        attributes.ignore(&["recordingConfigurationId"]);
        attributes.finish();
        childless(element, warnings);
        noun.name = element.text();
        if noun.name.is_empty() || noun.name.chars().count() > NAME_CHARS_MAX {
            return Err(Warning::new(13237, format!("<Conference> has a name of 1 to {NAME_CHARS_MAX} characters")));
        }
        Ok(noun)
    }
}

impl ConferenceNoun {
    pub(crate) fn links(&mut self, visit: &mut Visit<'_>) {
        self.wait.links(visit, 13233);
        visit(&mut self.status_callback, MALFORMED);
        visit(&mut self.recording_callback.link, 13256);
        visit(&mut self.event_callback, MALFORMED);
    }
}

impl WaitAudio {
    /// What leads nowhere is silence.
    pub(crate) fn links(&mut self, visit: &mut Visit<'_>, code: u16) {
        if let Self::Url(link) = self {
            let mut link = Some(link.clone());
            visit(&mut link, code);
            *self = link.map_or(Self::Silence, Self::Url);
        }
    }
}

impl ConferenceEvents {
    fn parse(attributes: &mut Attributes<'_, '_>) -> Self {
        let mut events = Self::default();
        attributes.words("statusCallbackEvent", UNKNOWN, |word| {
            let flag = match word {
                "start" => &mut events.start,
                "end" => &mut events.end,
                "join" => &mut events.join,
                "leave" => &mut events.leave,
                "mute" => &mut events.mute,
                "hold" => &mut events.hold,
                "modify" => &mut events.modify,
                "speaker" => &mut events.speaker,
                "announcement" => &mut events.announcement,
                _ => return false,
            };
            *flag = true;
            true
        });
        events
    }
}

impl WaitAudio {
    /// `waitUrl`: absent is our music, empty is silence.
    pub(crate) fn parse(attributes: &mut Attributes<'_, '_>, method: &'static str, method_code: u16) -> Self {
        match attributes.link("waitUrl", method, method_code) {
            None => Self::Playlist,
            Some(link) if link.url.is_empty() => Self::Silence,
            Some(link) => Self::Url(link),
        }
    }
}

/// What a conference takes (rest-voice §4.3).
const PARTICIPANTS_MAX: u32 = 250;

const LABEL_CHARS_MAX: usize = 128;

/// As much as a label.
const NAME_CHARS_MAX: usize = 128;
