//! Recording: the `<Record>` verb, and what other verbs say about being recorded.

use std::time::Duration;

use crate::attributes::Attributes;
use crate::document::childless;
use crate::link::Visit;
use crate::prompt::SECONDS_MAX;
use crate::warning::Warnings;
use crate::xml::Element;
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

impl Record {
    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Self {
        let mut attributes = Attributes::of(element, warnings);
        let transcribe = attributes.flag("transcribe", false, 13614);
        let asked = attributes.seconds("maxLength", 13612, 1..=SECONDS_MAX);
        let length_max = match asked {
            Some(length) if transcribe && length > TRANSCRIBED_MAX => {
                let found = length.as_secs().to_string();
                attributes.warn(13615, "maxLength", &found, "at most 120 seconds to transcribe");
                TRANSCRIBED_MAX
            }
            Some(length) => length,
            None if transcribe => TRANSCRIBED_MAX,
            None => LENGTH_MAX,
        };
        let timeout = attributes.seconds("timeout", 13611, 0..=SECONDS_MAX).unwrap_or(SILENCE);
        let record = Self {
            action: Some(attributes.action(13610)),
            timeout: (!timeout.is_zero()).then_some(timeout),
            finish_on_key: attributes.read("finishOnKey", 13613, "keys of 0-9 # *", Keys::parse).unwrap_or(Keys::ALL),
            length_max,
            play_beep: attributes.flag("playBeep", true, 13616),
            trim_silence: trim(&mut attributes, true, 13699),
            callback: RecordingCallback::parse(&mut attributes, false),
            transcribe,
            transcribe_callback: attributes.callback("transcribeCallback", "transcribeCallbackMethod", 13257),
        };
        attributes.ignore(&["recordingConfigurationId"]);
        attributes.finish();
        childless(element, warnings);
        record
    }
}

impl Record {
    /// Every link but the action.
    pub(crate) fn links(&mut self, visit: &mut Visit<'_>) {
        visit(&mut self.callback.link, 13256);
        visit(&mut self.transcribe_callback, 13257);
    }
}

impl RecordingCallback {
    /// `absent`: told of by default, too.
    pub(crate) fn parse(attributes: &mut Attributes<'_, '_>, absent: bool) -> Self {
        let link = attributes.callback("recordingStatusCallback", "recordingStatusCallbackMethod", 13256);
        let mut callback = Self { link, ..Self::default() };
        let given = attributes.words("recordingStatusCallbackEvent", 13621, |word| {
            let flag = match word {
                "in-progress" => &mut callback.in_progress,
                "completed" => &mut callback.completed,
                "absent" => &mut callback.absent,
                _ => return false,
            };
            *flag = true;
            true
        });
        if !given {
            (callback.completed, callback.absent) = (true, absent);
        }
        callback
    }
}

impl Recording {
    /// The `record` of a `<Dial>` and a `<Conversation>`.
    pub(crate) fn parse(attributes: &mut Attributes<'_, '_>, code: u16) -> Option<Self> {
        let so = |from_ringing, dual| Some(Self { from_ringing, dual });
        attributes
            .word(
                "record",
                code,
                &[
                    ("do-not-record", None),
                    ("record-from-answer", so(false, false)),
                    ("record-from-ringing", so(true, false)),
                    ("record-from-answer-dual", so(false, true)),
                    ("record-from-ringing-dual", so(true, true)),
                    ("true", so(false, false)),
                    ("false", None),
                ],
            )
            .flatten()
    }
}

/// True cuts silence off.
pub(crate) fn trim(attributes: &mut Attributes<'_, '_>, default: bool, code: u16) -> bool {
    attributes.word("trim", code, &[("trim-silence", true), ("do-not-trim", false)]).unwrap_or(default)
}

const SILENCE: Duration = Duration::from_secs(5);

/// Without `maxLength`.
const LENGTH_MAX: Duration = Duration::from_secs(3_600);

/// The longest that is transcribed.
const TRANSCRIBED_MAX: Duration = Duration::from_secs(120);
