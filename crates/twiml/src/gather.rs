//! `<Gather>`: prompts, and what the caller keys or says meanwhile.

use std::time::Duration;

use crate::attributes::{Attributes, number};
use crate::document::unknown_child;
use crate::link::{MALFORMED, Visit};
use crate::prompt::{Codes, SECONDS_MAX, language_tag};
use crate::warning::{UNKNOWN, Warnings};
use crate::xml::Element;
use crate::{Keys, Link, Prompt};

/// `<Gather>` (twiml §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// Played in this order while we listen.
    pub prompts: Vec<Prompt>,
    /// Keys count.
    pub dtmf: bool,
    /// Speech counts. With both, the first to arrive wins.
    pub speech: bool,
    /// What came is told here. By default the document itself.
    pub action: Option<Link>,
    /// Silence after the prompts, or after a key, that ends it.
    pub timeout: Patience,
    /// A key that ends it and is no part of what was keyed.
    pub finish_on_key: Keys,
    /// So many keys end it.
    pub digits_max: Option<u32>,
    /// `action` is asked even if nothing came.
    pub action_on_empty_result: bool,
    /// A key or a word stops the prompts.
    pub barge_in: bool,
    /// For a speech engine.
    pub recognition: Recognition,
}

/// How long a [`Gather`] waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// So long.
    For(Duration),
    /// Until the speech engine hears an end; for keys, five seconds.
    Auto,
}

impl Patience {
    /// How long to wait for a key.
    pub fn for_keys(self) -> Duration {
        match self {
            Self::For(time) => time,
            Self::Auto => TIMEOUT,
        }
    }
}

/// What a speech engine is told by a [`Gather`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognition {
    /// A language tag.
    pub language: String,
    /// Words to expect, separated by commas.
    pub hints: String,
    /// Which model.
    pub model: Option<String>,
    /// Silence that ends speech; by default the [`Gather`]'s timeout.
    pub timeout: Patience,
    /// Swear words become asterisks.
    pub profanity_filter: bool,
    /// The costlier model of its kind.
    pub enhanced: bool,
    /// Told while speech is still going on.
    pub partial_result_callback: Option<Link>,
    /// Longest speech.
    pub speech_max: Option<Duration>,
    /// Results come with what an engine's developer wants to know.
    pub debug: bool,
}

impl Gather {
    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Self {
        let mut attributes = Attributes::of(element, warnings);
        let (dtmf, speech) = attributes
            .read("input", 13326, "dtmf, speech or both", |value| {
                let words: Vec<&str> = value.split_whitespace().collect();
                let known = !words.is_empty() && words.iter().all(|word| matches!(*word, "dtmf" | "speech"));
                known.then(|| (words.contains(&"dtmf"), words.contains(&"speech")))
            })
            .unwrap_or((true, false));
        let mut timeout = patience(&mut attributes, "timeout", 13313, 0).unwrap_or(Patience::For(TIMEOUT));
        if timeout == Patience::Auto && !speech {
            attributes.warn(13313, "timeout", "auto", "seconds, where only keys are gathered");
            timeout = Patience::For(TIMEOUT);
        }
        let gather = Self {
            prompts: Vec::new(),
            dtmf,
            speech,
            action: Some(attributes.action(13312)),
            timeout,
            finish_on_key: attributes.read("finishOnKey", 13310, "keys of 0-9 # *", Keys::parse).unwrap_or(Keys::HASH),
            digits_max: attributes.number("numDigits", 13314, 1..=u32::MAX),
            action_on_empty_result: attributes.flag("actionOnEmptyResult", false, 13338),
            barge_in: attributes.flag("bargeIn", true, 13332),
            recognition: Recognition::parse(&mut attributes, timeout, speech),
        };
        attributes.finish();
        let mut prompts = Vec::new();
        for child in element.elements() {
            if !Prompt::parse(child, Codes::IN_GATHER, warnings, &mut prompts) {
                unknown_child(element, child, 13320, warnings);
            }
        }
        Self { prompts, ..gather }
    }
}

impl Recognition {
    fn parse(attributes: &mut Attributes<'_, '_>, gather_timeout: Patience, speech: bool) -> Self {
        let language = attributes.read("language", 13331, "a language tag", language_tag);
        let model = attributes.read("speechModel", 13334, "a speech model", |value| {
            let known = MODELS.contains(&value) || MODEL_FAMILIES.iter().any(|family| value.starts_with(family));
            known.then(|| value.to_owned())
        });
        let timeout = patience(attributes, "speechTimeout", 13327, 1);
        if speech && timeout == Some(Patience::Auto) && model.as_deref().is_none_or(|model| model == "default") {
            attributes.warn(13335, "speechTimeout", "auto", "a speechModel other than the default one");
        }
        let mut hints = attributes.text("hints").unwrap_or_default();
        if hints.split(',').count() > HINTS_MAX {
            attributes.warn(13330, "hints", &hints, "at most 500 of them; the others are left out");
            hints = hints.split(',').take(HINTS_MAX).collect::<Vec<_>>().join(",");
        }
        Self {
            language: language.unwrap_or_else(|| "en-US".to_owned()),
            hints,
            model,
            timeout: timeout.unwrap_or(gather_timeout),
            profanity_filter: attributes.flag("profanityFilter", true, 13333),
            enhanced: attributes.flag("enhanced", false, UNKNOWN),
            partial_result_callback: attributes.callback("partialResultCallback", "partialResultCallbackMethod", 13329),
            speech_max: attributes.seconds("maxSpeechTime", 13328, 1..=SECONDS_MAX),
            debug: attributes.flag("debug", false, UNKNOWN),
        }
    }
}

fn patience(attributes: &mut Attributes<'_, '_>, name: &'static str, code: u16, seconds_min: u32) -> Option<Patience> {
    attributes.read(name, code, "seconds, or auto", |value| match value {
        "auto" => Some(Patience::Auto),
        _ => number(value)
            .filter(|seconds| (seconds_min..=SECONDS_MAX).contains(seconds))
            .map(|seconds| Patience::For(Duration::from_secs(seconds.into()))),
    })
}

impl Gather {
    /// Every link but the action.
    pub(crate) fn links(&mut self, visit: &mut Visit<'_>) {
        visit(&mut self.recognition.partial_result_callback, MALFORMED);
    }

    /// Also with nothing keyed and nothing said.
    pub(crate) fn takes_time(&self) -> bool {
        self.timeout != Patience::For(Duration::ZERO) || !self.prompts.is_empty()
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);

/// As Twilio has it.
const HINTS_MAX: usize = 500;

const MODELS: &[&str] = &["default", "numbers_and_commands", "phone_call"];

const MODEL_FAMILIES: &[&str] = &["experimental_", "googlev2_", "deepgram_"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_bounded() {
        for (case, count, kept, codes) in [("as many as may be", 500, 500, vec![]), ("one more", 501, 500, vec![13330])]
        {
            let hints = vec!["yes"; count].join(",");
            let element = crate::xml::read(&format!("<Gather input='speech' hints='{hints}'/>")).expect(case);
            let mut warnings = Warnings::default();
            let gather = Gather::parse(&element, &mut warnings);
            assert_eq!(gather.recognition.hints.split(',').count(), kept, "{case}");
            let seen: Vec<u16> = warnings.take().iter().map(|warning| warning.code).collect();
            assert_eq!(seen, codes, "{case}");
        }
    }

    #[test]
    fn keys_have_a_timeout_of_their_own_where_speech_has_none() {
        for (patience, want) in [(Patience::For(Duration::from_secs(9)), 9), (Patience::Auto, 5)] {
            assert_eq!(patience.for_keys(), Duration::from_secs(want), "{patience:?}");
        }
    }
}
