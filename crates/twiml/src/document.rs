//! A document: bytes in, verbs out.
//!
//! Lenient with attributes, strict with structure (twiml §1): a value that cannot be is a warning and its default
//! holds; a verb that cannot be run is a warning and is skipped; XML that is none is an error.

use crate::attributes::Attributes;
use crate::prompt::Codes;
use crate::verb;
use crate::warning::{UNKNOWN, Warnings, shorten};
use crate::xml::{Element, Node, read};
use crate::{Play, Prompt, Repeat, Say, Verb, Warning};

/// A document that can be run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// In the order they run.
    pub verbs: Vec<Verb>,
    /// To be logged, once; also those that a verb repeats as the reason it cannot be done.
    pub warnings: Vec<Warning>,
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Too long.
    #[error("{len} bytes are more than the {} a document may have", Document::BYTES_MAX)]
    TooLarge {
        /// In bytes.
        len: usize,
    },
    /// Not XML, or XML we refuse.
    #[error("line {line}: {why}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What was seen.
        why: String,
    },
    /// XML of another version.
    #[error("XML version {0} is not 1.0")]
    Version(String),
    /// XML of another kind.
    #[error("the root element is <{0}>, not <Response>")]
    Root(String),
}

impl DocumentError {
    /// Of the public error dictionary.
    pub fn code(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 11750,
            Self::Malformed { .. } => 12100,
            Self::Version(_) => 12101,
            Self::Root(_) => 12102,
        }
    }
}

impl Document {
    /// 64 KB.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// What an answer of plain text is run as.
    pub fn speaking(text: &str) -> Self {
        let text: String = text.chars().take(Say::CHARS_MAX).collect();
        let say = Say { text, ssml: None, voice: None, language: None, repeat: Repeat::Times(1) };
        Self { verbs: vec![Verb::Say(say)], warnings: Vec::new() }
    }

    /// What an answer of audio is run as: `url` is its own.
    pub fn playing(url: &str, repeat: Repeat) -> Self {
        Self { verbs: vec![Verb::Play(Play { url: url.to_owned(), repeat })], warnings: Vec::new() }
    }
}

/// Reads a document. Nothing at all is an empty one, with a warning (11770).
pub fn parse(bytes: &[u8]) -> Result<Document, DocumentError> {
    if bytes.len() > Document::BYTES_MAX {
        return Err(DocumentError::TooLarge { len: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| DocumentError::Malformed {
        line: 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count(),
        why: "not UTF-8".to_owned(),
    })?;
    let mut warnings = Warnings::default();
    if text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty() {
        warnings.warn(11770, "an empty answer is taken for <Response/>");
        return Ok(Document { verbs: Vec::new(), warnings: warnings.take() });
    }
    let root = read(text)?;
    if root.name != "Response" {
        return Err(DocumentError::Root(shorten(&root.name)));
    }
    Attributes::of(&root, &mut warnings).finish();
    let mut verbs = Vec::new();
    for node in &root.children {
        match node {
            Node::Element(element) => parse_verb(element, &mut warnings, &mut verbs),
            Node::Text(text) if text.trim().is_empty() => {}
            Node::Text(text) => warnings.warn(UNKNOWN, format!("text between verbs: {:?}", shorten(text.trim()))),
        }
    }
    Ok(Document { verbs, warnings: warnings.take() })
}

fn parse_verb(element: &Element, warnings: &mut Warnings, verbs: &mut Vec<Verb>) {
    let mut prompts = Vec::new();
    if Prompt::parse(element, Codes::ALONE, warnings, &mut prompts) {
        verbs.extend(prompts.into_iter().map(Verb::from));
    } else {
        verb::parse(element, warnings, verbs);
    }
}

/// Warns of elements inside one that has none.
pub(crate) fn childless(element: &Element, warnings: &mut Warnings) {
    for child in element.elements() {
        unknown_child(element, child, UNKNOWN, warnings);
    }
}

/// Warns of an element where it does not belong; it is skipped.
pub(crate) fn unknown_child(element: &Element, child: &Element, code: u16, warnings: &mut Warnings) {
    warnings.warn(code, format!("<{}> in <{}> is skipped", shorten(&child.name), element.name));
}

impl From<Prompt> for Verb {
    fn from(prompt: Prompt) -> Self {
        match prompt {
            Prompt::Say(say) => Self::Say(say),
            Prompt::Play(play) => Self::Play(play),
            Prompt::SendDigits(digits) => Self::SendDigits(digits),
            Prompt::Pause(pause) => Self::Pause(pause),
        }
    }
}
