//! Notifications: what went wrong, as the developers of an application are told of it (rest-voice §10).

use std::sync::Arc;

use crate::{AccountSid, CallSid, Exchange, NotificationSid, Timestamp, word_enum};

/// One line of the debugger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// `NO…`.
    pub sid: NotificationSid,
    /// Whose application it is about.
    pub account_sid: AccountSid,
    /// In which call, if it was in one.
    pub call_sid: Option<CallSid>,
    /// How bad it is.
    pub level: Level,
    /// Of the error dictionary (`contract/vectors/errors.json`).
    pub error_code: u16,
    /// What was seen, in a sentence.
    pub message: String,
    /// The request it came of, if it came of one.
    pub exchange: Option<Arc<Exchange>>,
    /// When.
    pub at: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

word_enum! {
    /// How bad a notification is, spelled as its `Log`.
    Level {
        /// Something did not happen.
        Error = "0",
        /// Something happened otherwise than asked.
        Warning = "1",
    }
}
