//! A script: one run of documents for one call, what it is for, and what it is doing.
//!
//! ```text
//! Source ─ ask ─▶ document ─ parse ─▶ interpreter ─▶ step ─▶ doing it ─ outcome ─▶ next step … ─▶ over
//!    ▲                                                 │ Fetch: the next document
//!    └─────────────────────────────────────────────────┘
//! ```
//! Each call has one of its own ([`Role::Main`]); beside it, while it waits, what it hears meanwhile is another.

use std::collections::VecDeque;
use std::sync::Arc;

use media::Pages;
use media::dtmf::DigitString;
use model::{ConferenceSid, PlaybackId};
use twiml::{Gather, Interpreter, Kind, Link, Prompt, Repeat, Step};

use crate::command::AudioUrl;
use crate::dial::DialId;
use crate::effect::FetchId;
use crate::timers::TimerId;
use crate::webhook::{AskId, Purpose, SoundFile};

/// One script. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ScriptId(pub(crate) u64);

/// What a script is for: which verbs it may use, who hears it, and what its end means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The call itself.
    Main,
    /// What a participant hears while it waits or is on hold.
    ConferenceWait { conference: ConferenceSid },
    /// What one participant, or all, are told.
    Announcement { conference: ConferenceSid },
    /// What a call hears in a queue.
    QueueWait,
    /// What a callee is told before it is connected.
    CalleeWhisper { dial: DialId },
    /// What a call from a queue is told before it is connected.
    QueueWhisper { dial: DialId },
}

impl Role {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Main => Kind::Call,
            Self::ConferenceWait { .. } => Kind::ConferenceWait,
            Self::Announcement { .. } => Kind::Announcement,
            Self::QueueWait => Kind::QueueWait,
            Self::CalleeWhisper { .. } => Kind::CalleeWhisper,
            Self::QueueWhisper { .. } => Kind::QueueWhisper,
        }
    }
}

/// Where a script's first document comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// What this URL answers.
    Url(AudioUrl),
    /// What this URL answers, or else that.
    Hooks {
        /// `VoiceUrl`, `Url`.
        voice: AudioUrl,
        /// `VoiceFallbackUrl`, `FallbackUrl`.
        fallback: Option<AudioUrl>,
    },
    /// This.
    Twiml {
        text: String,
        /// `FallbackUrl`: for the documents it leads to.
        fallback: Option<AudioUrl>,
    },
    /// What this URL answers about a callee that wants its caller transferred.
    Refer { url: AudioUrl, target: String },
}

/// How a step went, or that what it waited for is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Went(twiml::Outcome),
    /// The call is answered.
    Answered,
}

/// A script that has not ended.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) call: model::CallSid,
    pub(crate) role: Role,
    pub(crate) interpreter: Option<Interpreter>,
    /// The document that is run, or asked for.
    pub(crate) here: Option<Link>,
    /// Asked when a document cannot be had or read.
    pub(crate) fallback: Option<Link>,
    /// The document that is run, or asked for, is the fallback: if that fails, too, the call ends.
    pub(crate) falls_back: bool,
    pub(crate) doing: Doing,
    /// The keys that are being collected, while prompts play or after.
    pub(crate) gathering: Option<Gathering>,
    /// When what it waits for has taken long enough.
    pub(crate) timer: Option<TimerId>,
    /// What the step that is over has to tell to its action.
    pub(crate) result: Option<Purpose>,
    /// The sound that was answered in place of a document, until it is played.
    pub(crate) answered: Option<SoundFile>,
}

/// What a script is doing.
#[derive(Debug)]
pub(crate) enum Doing {
    /// It has not begun, or somebody else does it: a dial, a stay, a transfer.
    Elsewhere,
    /// The application is asked for a document.
    Asking { ask: AskId },
    /// The call is to be answered before this can be done.
    Answering(Box<Step>),
    /// A sound is on its way.
    Fetching { fetch: FetchId, repeat: Repeat },
    /// It is heard. Announcements are heard by many.
    Playing {
        playbacks: Vec<PlaybackId>,
        /// Of an announcement: what is to be heard again, so often.
        again: Option<(Arc<Pages>, u32)>,
    },
    /// Silence, for a while.
    Pausing,
    /// Keys are being pressed; then again, so often.
    Pressing { digits: Vec<DigitString>, next: usize, left: Repeat },
    /// Keys are awaited.
    Listening,
    /// It has run out: silence from here on.
    Over,
}

/// Keys being collected (twiml §4.1).
#[derive(Debug)]
pub(crate) struct Gathering {
    pub(crate) gather: Box<Gather>,
    pub(crate) prompts: VecDeque<Prompt>,
    pub(crate) digits: String,
}

/// Keys one `<Gather>` collects at most; one more ends it.
pub(crate) const DIGITS_MAX: usize = 1_000;

/// What a key does to a `<Gather>`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// It does not count.
    Ignored,
    /// It is noted; more may come.
    Noted,
    /// That was it.
    Enough { finished_on_key: Option<char> },
}

impl Gathering {
    pub(crate) fn new(gather: Box<Gather>) -> Self {
        Self { prompts: gather.prompts.iter().cloned().collect(), gather, digits: String::new() }
    }

    /// A key was pressed, with prompts still playing or not.
    pub(crate) fn press(&mut self, key: char, prompting: bool) -> Key {
        if !self.gather.dtmf || prompting && !self.gather.barge_in || !matches!(key, '0'..='9' | '*' | '#') {
            return Key::Ignored;
        }
        if self.gather.finish_on_key.contains(key) {
            return Key::Enough { finished_on_key: Some(key) };
        }
        self.digits.push(key);
        let enough = self.gather.digits_max.map_or(DIGITS_MAX, |max| max as usize);
        if self.digits.len() >= enough { Key::Enough { finished_on_key: None } } else { Key::Noted }
    }
}

/// A string of keys in the pieces that the audio plane takes. Nothing if it is none.
pub(crate) fn pieces(digits: &str) -> Option<Vec<DigitString>> {
    let characters: Vec<char> = digits.chars().collect();
    let pieces = characters.chunks(DigitString::LEN_MAX).map(|piece| piece.iter().collect::<String>().parse().ok());
    pieces.collect::<Option<Vec<_>>>().filter(|pieces| !pieces.is_empty())
}
