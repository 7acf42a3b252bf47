//! What a caller is made to hear: `<Say>`, `<Play>`, `<Pause>`; alone, or nested in a `<Gather>`.

use std::time::Duration;

use crate::attributes::Attributes;
use crate::document::childless;
use crate::speech::Speech;
use crate::warning::Warnings;
use crate::xml::Element;

/// One thing to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Spoken text.
    Say(Say),
    /// Fetched audio.
    Play(Play),
    /// Keys, played to the caller as tones.
    SendDigits(SendDigits),
    /// Silence.
    Pause(Pause),
}

/// `<Say>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// What to say as plain words, white space folded; never empty, at most [`Say::CHARS_MAX`] characters.
    pub text: String,
    /// The same as an SSML document (`<speak>…</speak>`), where the text is marked up.
    pub ssml: Option<String>,
    /// As written; `None` is the account's default. A voice no engine has is spoken by the configured one.
    pub voice: Option<String>,
    /// A language tag; `None` is the voice's own, `en-US` where it has none.
    pub language: Option<String>,
    /// How often.
    pub repeat: Repeat,
}

/// `<Play>` of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    /// Fetched with GET. As written in a document, absolute in a step.
    pub url: String,
    /// How often.
    pub repeat: Repeat,
}

/// `<Play digits>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendDigits {
    /// `0-9 # * A-D`, and `w` for half a second, `W` for a second of silence. Never empty.
    pub digits: String,
    /// How often.
    pub repeat: Repeat,
}

/// `<Pause>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// How long.
    pub length: Duration,
}

/// The `loop` attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// So many times, at least once.
    Times(u32),
    /// Until hang-up: the player's business, the document does not go on by itself.
    Forever,
}

impl Say {
    /// The longest text; what is longer is said so far.
    pub const CHARS_MAX: usize = 4096;

    /// `None`, with a warning, where there is nothing to say.
    fn parse(element: &Element, codes: Codes, warnings: &mut Warnings) -> Option<Self> {
        let mut attributes = Attributes::of(element, warnings);
        let repeat = repeat(&mut attributes, codes.say_loop);
        let voice = attributes.text("voice");
        if let Some(voice) = &voice {
            let known =
                VOICES.contains(&voice.as_str()) || VOICE_FAMILIES.iter().any(|family| voice.starts_with(family));
            if !known {
                attributes.warn(codes.say_voice, "voice", voice, "man, woman, alice, Polly.* or Google.*");
            }
        }
        let language = attributes.read("language", 13512, "a language tag", language_tag);
        attributes.finish();
        let Speech { mut text, mut ssml } = Speech::of(element, warnings);
        if text.is_empty() {
            warnings.warn(13520, "<Say> without words is skipped");
            return None;
        }
        if let Some((end, _)) = text.char_indices().nth(Self::CHARS_MAX) {
            warnings.warn(13521, format!("<Say> of more than {} characters is said so far, unmarked", Self::CHARS_MAX));
            text.truncate(end);
            ssml = None; // cut anywhere, it would no longer be well-formed
        }
        Some(Self { text, ssml, voice, language, repeat })
    }
}

impl Prompt {
    /// Reads `<Say>`, `<Play>` or `<Pause>`; a `<Play>` may be two things to hear. False if it is none of them.
    pub(crate) fn parse(element: &Element, codes: Codes, warnings: &mut Warnings, prompts: &mut Vec<Self>) -> bool {
        match element.name.as_str() {
            "Say" => prompts.extend(Say::parse(element, codes, warnings).map(Self::Say)),
            "Play" => play(element, warnings, prompts),
            "Pause" => {
                let mut attributes = Attributes::of(element, warnings);
                let length = attributes.seconds("length", 13910, 1..=SECONDS_MAX);
                attributes.finish();
                childless(element, warnings);
                prompts.push(Self::Pause(Pause { length: length.unwrap_or(Duration::from_secs(1)) }));
            }
            _ => return false,
        }
        true
    }
}

fn play(element: &Element, warnings: &mut Warnings, prompts: &mut Vec<Prompt>) {
    let mut attributes = Attributes::of(element, warnings);
    let repeat = repeat(&mut attributes, 13410);
    let digits = attributes.read("digits", 13430, "0-9 # * A-D w W", dial_string);
    attributes.finish();
    childless(element, warnings);
    let url = element.text();
    match (&digits, url.is_empty()) {
        (None, true) => warnings.warn(11100, "<Play> without a URL is skipped"),
        // Keys first: they are for a machine at the other end, and the audio is what follows.
        (Some(digits), _) => prompts.push(Prompt::SendDigits(SendDigits { digits: digits.clone(), repeat })),
        (None, false) => {}
    }
    if !url.is_empty() {
        prompts.push(Prompt::Play(Play { url, repeat }));
    }
}

fn repeat(attributes: &mut Attributes<'_, '_>, code: u16) -> Repeat {
    match attributes.number("loop", code, 0..=u32::MAX) {
        Some(0) => Repeat::Forever,
        Some(times) => Repeat::Times(times),
        None => Repeat::Times(1),
    }
}

/// Keys and pauses, as `digits` and `sendDigits` have them.
pub(crate) fn dial_string(text: &str) -> Option<String> {
    let known = |c: char| c.is_ascii_digit() || matches!(c, '#' | '*' | 'A'..='D' | 'w' | 'W');
    (!text.is_empty() && text.chars().all(known)).then(|| text.to_owned())
}

/// RFC 5646 in outline: letters, then letters and digits, in groups of at most eight.
pub(crate) fn language_tag(text: &str) -> Option<String> {
    let mut groups = text.split('-');
    let first = groups
        .next()
        .is_some_and(|group| (2..=8).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let rest =
        groups.all(|group| (1..=8).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    (first && rest).then(|| text.to_owned())
}

/// The codes that differ with where a prompt stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codes {
    say_loop: u16,
    say_voice: u16,
}

impl Codes {
    pub(crate) const ALONE: Self = Self { say_loop: 13510, say_voice: 13511 };
    pub(crate) const IN_GATHER: Self = Self { say_loop: 13322, say_voice: 13321 };
}

const VOICES: &[&str] = &["man", "woman", "alice"];

const VOICE_FAMILIES: &[&str] = &["Polly.", "Google."];

/// A day: no call is longer.
pub(crate) const SECONDS_MAX: u32 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_as_much_as_may_be_said() {
        for (case, text, chars, ssml, codes) in [
            ("just fits", "ä".repeat(Say::CHARS_MAX), Say::CHARS_MAX, false, vec![]),
            ("one too many", "ä".repeat(Say::CHARS_MAX + 1), Say::CHARS_MAX, false, vec![13521]),
            ("marked up", format!("<p>{}</p>", "a".repeat(Say::CHARS_MAX)), Say::CHARS_MAX, true, vec![]),
            ("and too long", format!("<p>{}</p>", "a".repeat(Say::CHARS_MAX + 1)), Say::CHARS_MAX, false, vec![13521]),
            ("long in blanks only", format!("a{}b", " ".repeat(Say::CHARS_MAX)), 3, false, vec![]),
        ] {
            let element = crate::xml::read(&format!("<Say>{text}</Say>")).expect(case);
            let mut warnings = Warnings::default();
            let say = Say::parse(&element, Codes::ALONE, &mut warnings).expect(case);
            assert_eq!((say.text.chars().count(), say.ssml.is_some()), (chars, ssml), "{case}");
            let seen: Vec<u16> = warnings.take().iter().map(|warning| warning.code).collect();
            assert_eq!(seen, codes, "{case}");
        }
    }

    #[test]
    fn knows_keys_and_languages() {
        for (text, want) in
            [("ww12#*AD", true), ("W", true), ("", false), ("1,2", false), ("12E", false), ("1 2", false)]
        {
            assert_eq!(dial_string(text).is_some(), want, "{text:?}");
        }
        for (text, want) in [
            ("en", true),
            ("en-US", true),
            ("cmn-Hans-CN", true),
            ("es-419", true),
            ("x", false),
            ("en_US", false),
            ("en-", false),
            ("", false),
            ("english american", false),
        ] {
            assert_eq!(language_tag(text).is_some(), want, "{text:?}");
        }
    }
}
