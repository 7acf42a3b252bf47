//! How a call comes into a conference: what `<Conference>`, the Participants API or an open room say of it.

use model::{CallSid, Tuning};

use crate::command::AudioUrl;

/// One call's way in (twiml §6.1, rest-voice §5.2).
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The application's own name for it.
    pub(crate) label: Option<String>,
    /// Heard by nobody.
    pub(crate) muted: bool,
    /// Whom it coaches.
    pub(crate) coach: Option<CallSid>,
    /// May start the conference.
    pub(crate) starts: bool,
    /// Ends it by leaving.
    pub(crate) ends: bool,
    pub(crate) beep: Beep,
    /// What it hears while it waits: the built-in music, unless the application says; an empty URL is silence.
    pub(crate) wait: Option<AudioUrl>,
    /// What it hears when it is held: the built-in music, unless the application says.
    pub(crate) hold: Option<AudioUrl>,
    pub(crate) tuning: Tuning,
}

/// When the others hear a beep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beep {
    Never,
    OnEnter,
    OnExit,
    Both,
}

impl Beep {
    pub(crate) fn of(on_enter: bool, on_exit: bool) -> Self {
        match (on_enter, on_exit) {
            (true, true) => Self::Both,
            (true, false) => Self::OnEnter,
            (false, true) => Self::OnExit,
            (false, false) => Self::Never,
        }
    }

    pub(crate) fn on_enter(self) -> bool {
        matches!(self, Self::OnEnter | Self::Both)
    }

    pub(crate) fn on_exit(self) -> bool {
        matches!(self, Self::OnExit | Self::Both)
    }
}

/// Somebody who dials an open room: nothing but the room.
impl Default for Entry {
    fn default() -> Self {
        Self {
            label: None,
            muted: false,
            coach: None,
            starts: true,
            ends: false,
            beep: Beep::Never,
            wait: None,
            hold: None,
            tuning: Tuning::default(),
        }
    }
}
