//! A call: one life with a `CallSid` and one audio path to one party.

use crate::{AccountSid, AnsweredBy, CallSid, PhoneNumberSid, Timestamp, word_enum};

/// A call as the API shows it and the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `CA…`.
    pub sid: CallSid,
    /// Whose call it is.
    pub account_sid: AccountSid,
    /// The call whose document dialled this one.
    pub parent_call_sid: Option<CallSid>,
    /// Called address: E.164, `sip:` or `client:`.
    pub to: String,
    /// Calling address.
    pub from: String,
    /// Shown name of the caller.
    pub caller_name: Option<String>,
    /// The account's number that was called, or that the call is shown to come from.
    pub phone_number_sid: Option<PhoneNumberSid>,
    /// Who diverted it (`Diversion`).
    pub forwarded_from: Option<String>,
    /// Who or what answered, as far as it has been listened for.
    pub answered_by: Option<AnsweredBy>,
    /// Where its life has got to.
    pub status: CallStatus,
    /// Who began it.
    pub direction: Direction,
    /// The row was made.
    pub created: Timestamp,
    /// The row last changed.
    pub updated: Timestamp,
    /// Arrival of an inbound call, answer of an outbound one.
    pub started: Option<Timestamp>,
    /// 200 OK.
    pub answered: Option<Timestamp>,
    /// Any end.
    pub ended: Option<Timestamp>,
    /// Order of creation, handed out by the switch; lists are sorted and paged by it.
    pub seq: i64,
}

word_enum! {
    /// States of a call (rest-voice §3.5). The final ones never change.
    CallStatus {
        /// Made by the API, not dialled yet.
        Queued = "queued",
        /// Arrived, or the other side rings.
        Ringing = "ringing",
        /// Answered.
        InProgress = "in-progress",
        /// Answered and over.
        Completed = "completed",
        /// Refused as busy or declined.
        Busy = "busy",
        /// Could not be placed.
        Failed = "failed",
        /// Rang until time was up.
        NoAnswer = "no-answer",
        /// Given up before it was answered.
        Canceled = "canceled",
    }
}

impl CallStatus {
    /// Nothing follows this state.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Ringing | Self::InProgress)
    }
}

word_enum! {
    /// Who began a call.
    Direction {
        /// A phone called us.
        Inbound = "inbound",
        /// REST or an instruction made it.
        OutboundApi = "outbound-api",
        /// A `<Dial>` made it.
        OutboundDial = "outbound-dial",
    }
}
