//! An application: a set of hooks under one SID, for numbers and calls to share.

use crate::{AccountSid, ApplicationSid, SmsHooks, Timestamp, VoiceHooks};

/// An application as the API shows it and the store keeps it (rest-voice §8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// `AP…`.
    pub sid: ApplicationSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// Shown name.
    pub friendly_name: Option<String>,
    /// Which version of the API its hooks are written for.
    pub api_version: String,
    /// What its calls are handled by.
    pub voice: VoiceHooks,
    /// Whether `CallerName` is looked up.
    pub voice_caller_id_lookup: bool,
    /// What its messages would be handled by.
    pub sms: SmsHooks,
    /// Kept and echoed.
    pub sms_status_callback: Option<String>,
    /// Kept and echoed.
    pub message_status_callback: Option<String>,
    /// Kept and echoed.
    pub public_application_connect_enabled: bool,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}
