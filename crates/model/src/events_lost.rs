//! Events that could not be kept, such as those of a full disk: what a log tells in their place.

use crate::{AccountSid, Timestamp};

/// A gap in an account's log, told before whatever happened after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsLost {
    /// The place of the last of them, which is free.
    pub seq: i64,
    /// Whose log has the gap.
    pub account_sid: AccountSid,
    /// When the last of them happened.
    pub at: Timestamp,
    /// The place of the first of them.
    pub first: i64,
    /// How many there were.
    pub count: u64,
}

impl EventsLost {
    /// Its name on the wire.
    pub const NAME: &'static str = "events-lost";

    /// Its parameters on the wire.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AccountSid", self.account_sid.to_string()),
            ("Timestamp", self.at.rfc2822()),
            ("EventsLost", self.count.to_string()),
            ("FirstSeq", self.first.to_string()),
        ]
    }
}
