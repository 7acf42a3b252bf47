//! A participant: a call's membership in a conference.

use crate::{AccountSid, CallSid, ConferenceSid, Timestamp, Tuning, word_enum};

/// A participant as the API shows it and the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// The call that takes part; also the participant's name.
    pub call_sid: CallSid,
    /// In which conference.
    pub conference_sid: ConferenceSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// The application's own name for it.
    pub label: Option<String>,
    /// Heard by nobody.
    pub muted: bool,
    /// Hears hold audio only and is heard by nobody.
    pub hold: bool,
    /// Heard by one only.
    pub coaching: bool,
    /// That one.
    pub call_sid_to_coach: Option<CallSid>,
    /// May start the conference.
    pub start_conference_on_enter: bool,
    /// Ends the conference by leaving.
    pub end_conference_on_exit: bool,
    /// The others hear a beep when it leaves.
    pub beep_on_exit: bool,
    /// What is done to its voice.
    pub tuning: Tuning,
    /// Where its life has got to.
    pub status: ParticipantStatus,
    /// It joined.
    pub created: Timestamp,
    /// The row last changed.
    pub updated: Timestamp,
    /// Order of joining, handed out by the switch.
    pub seq: i64,
}

word_enum! {
    /// States of a participant (rest-voice §5.5).
    ParticipantStatus {
        /// Made by the API, not dialled yet.
        Queued = "queued",
        /// Being dialled.
        Connecting = "connecting",
        /// The other side rings.
        Ringing = "ringing",
        /// In the room.
        Connected = "connected",
        /// Was in the room.
        Complete = "complete",
        /// Never got in.
        Failed = "failed",
    }
}

impl ParticipantStatus {
    /// Nothing follows this state; the participant is no longer listed.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed)
    }
}
