//! `<Gather>`: prompts, and what the caller keys or says meanwhile.

use std::time::Duration;

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
    /// Until the speech engine hears an end.
    Auto,
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
