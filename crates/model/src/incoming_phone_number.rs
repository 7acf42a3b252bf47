//! A number that can be called, and what is done with a call to it.

use crate::{
    AccountSid, AddressSid, ApplicationSid, BundleSid, IdentitySid, PhoneNumberSid, SmsHooks, Timestamp, TrunkSid,
    VoiceHooks, word_enum,
};

/// An incoming number as the API shows it and the store keeps it (rest-voice §8).
///
/// What a call to it does: its trunk, else its application, else its own hooks. Of trunk and application one is set at
/// most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingPhoneNumber {
    /// `PN…`.
    pub sid: PhoneNumberSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// E.164, with its plus; no other row has the same.
    pub phone_number: String,
    /// In which of the lists it is.
    pub number_type: NumberType,
    /// Shown name.
    pub friendly_name: String,
    /// Which version of the API its hooks are written for.
    pub api_version: String,
    /// Its own hooks.
    pub voice: VoiceHooks,
    /// Whether `CallerName` is looked up.
    pub voice_caller_id_lookup: bool,
    /// Whose hooks are used instead of its own.
    pub voice_application_sid: Option<ApplicationSid>,
    /// Where calls go instead of to any hook.
    pub trunk_sid: Option<TrunkSid>,
    /// Kept and echoed.
    pub voice_receive_mode: VoiceReceiveMode,
    /// What its messages would be handled by.
    pub sms: SmsHooks,
    /// Kept and echoed.
    pub sms_application_sid: Option<ApplicationSid>,
    /// Kept and echoed.
    pub emergency_status: EmergencyStatus,
    /// Kept and echoed.
    pub emergency_address_sid: Option<AddressSid>,
    /// Kept and echoed.
    pub address_sid: Option<AddressSid>,
    /// Kept and echoed.
    pub identity_sid: Option<IdentitySid>,
    /// Kept and echoed.
    pub bundle_sid: Option<BundleSid>,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

word_enum! {
    /// What kind of number it is.
    #[derive(Default)]
    NumberType {
        /// Of a place.
        #[default]
        Local = "local",
        /// Whose callers do not pay.
        TollFree = "toll-free",
        /// Of a mobile network.
        Mobile = "mobile",
    }
}

word_enum! {
    /// What a number takes calls as.
    #[derive(Default)]
    VoiceReceiveMode {
        /// As calls.
        #[default]
        Voice = "voice",
        /// As faxes.
        Fax = "fax",
    }
}

word_enum! {
    /// Whether a number is registered for emergency calls.
    #[derive(Default)]
    EmergencyStatus {
        /// It is.
        Active = "Active",
        /// It is not.
        #[default]
        Inactive = "Inactive",
    }
}
