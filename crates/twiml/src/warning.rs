//! What was wrong with a document, and did not stop it.

/// Something to log as a notification; the document runs on with what the message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Of the public error dictionary.
    pub code: u16,
    /// What was seen and what was expected; where nothing else is said, the default holds.
    pub message: String,
}

impl Warning {
    pub(crate) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// The warnings of one document; what comes after [`WARNINGS_MAX`] is dropped.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Vec<Warning>);

impl Warnings {
    pub(crate) fn push(&mut self, warning: Warning) {
        if !self.is_full() {
            self.0.push(warning);
        }
    }

    pub(crate) fn warn(&mut self, code: u16, message: impl Into<String>) {
        self.push(Warning::new(code, message));
    }

    /// What is pushed now is dropped.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= WARNINGS_MAX
    }

    pub(crate) fn from(warnings: Vec<Warning>) -> Self {
        Self(warnings)
    }

    pub(crate) fn take(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.0)
    }
}

/// What a document says, as long as a message may quote it.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An unknown verb, noun or attribute, and whatever has no code of its own.
pub(crate) const UNKNOWN: u16 = 12200;

/// Who writes a thousand wrong attributes learns enough from the first hundred.
pub(crate) const WARNINGS_MAX: usize = 100;

/// Enough to find the place.
const QUOTE_CHARS_MAX: usize = 80;
