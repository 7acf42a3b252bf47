//! A queue: where calls wait for somebody.

use crate::{AccountSid, QueueSid, Timestamp};

/// A queue as the store keeps it (rest-voice §7); who waits in it is known to the switch only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// `QU…`.
    pub sid: QueueSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// By which `<Enqueue>` names it; once in an account.
    pub friendly_name: String,
    /// Calls that may wait at once.
    pub max_size: u32,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

impl Queue {
    /// `max_size` where none is asked for (rest-voice §7).
    pub const MAX_SIZE_DEFAULT: u32 = 1000;
    /// What `max_size` may be.
    pub const MAX_SIZE: std::ops::RangeInclusive<u32> = 1..=5000;
    /// Longest `friendly_name`, in characters.
    pub const NAME_CHARACTERS_MAX: usize = 64;
}
