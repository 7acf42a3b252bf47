//! A conference: what the API shows of a room that calls meet in.

use crate::{AccountSid, CallSid, ConferenceSid, Timestamp, word_enum};

/// A conference as the API shows it and the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conference {
    /// `CF…`.
    pub sid: ConferenceSid,
    /// Whose it is.
    pub account_sid: AccountSid,
    /// The name calls join by; it denotes the one conference of that name that is not completed.
    pub friendly_name: String,
    /// Where its life has got to.
    pub status: ConferenceStatus,
    /// Echoed, without effect.
    pub region: String,
    /// Why it ended, once it has.
    pub reason_ended: Option<ReasonConferenceEnded>,
    /// The call whose leaving ended it.
    pub call_sid_ending: Option<CallSid>,
    /// The first leg came.
    pub created: Timestamp,
    /// The row last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

word_enum! {
    /// States of a conference (rest-voice §4.3). It never goes back.
    ConferenceStatus {
        /// Everybody waits: fewer than two, or nobody who may start it.
        Init = "init",
        /// Started.
        InProgress = "in-progress",
        /// Over; its name is free again.
        Completed = "completed",
    }
}

word_enum! {
    /// Why a conference ended.
    ReasonConferenceEnded {
        /// `Status=completed` over REST.
        ViaApi = "conference-ended-via-api",
        /// Someone with `EndConferenceOnExit` hung up.
        EndOnExitLeft = "participant-with-end-conference-on-exit-left",
        /// Someone with `EndConferenceOnExit` was removed.
        EndOnExitKicked = "participant-with-end-conference-on-exit-kicked",
        /// The last one was removed.
        LastKicked = "last-participant-kicked",
        /// The last one hung up.
        LastLeft = "last-participant-left",
    }
}
