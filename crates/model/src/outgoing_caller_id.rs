//! A number of somebody else's that calls may be shown to come from.

use crate::{AccountSid, PhoneNumberSid, Timestamp};

/// An outgoing caller ID as the API shows it and the store keeps it (rest-voice §8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingCallerId {
    /// `PN…`.
    pub sid: PhoneNumberSid,
    /// Who may use it.
    pub account_sid: AccountSid,
    /// Shown name.
    pub friendly_name: String,
    /// E.164, with its plus; once in an account.
    pub phone_number: String,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}
