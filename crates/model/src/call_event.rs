//! What was asked of whom in a call: requests of its application to us and ours to it (rest-voice §10).

use std::time::Duration;

use crate::{AccountSid, CallSid, Timestamp};

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallEvent {
    /// Whose call.
    pub account_sid: AccountSid,
    /// Which.
    pub call_sid: CallSid,
    /// `GET`, `POST`, `DELETE`.
    pub method: String,
    /// Without anything secret.
    pub url: String,
    /// The request's parameters, as a form is written.
    pub parameters: String,
    /// HTTP status; `None` when no answer came.
    pub status: Option<u16>,
    /// `Content-Type` of the answer.
    pub content_type: String,
    /// Its body, as much as is kept.
    pub body: String,
    /// When the request began.
    pub at: Timestamp,
    /// How long it took.
    pub duration: Duration,
}
