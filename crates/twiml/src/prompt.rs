//! What a caller is made to hear: `<Say>`, `<Play>`, `<Pause>`; alone, or nested in a `<Gather>`.

use std::time::Duration;

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
}
