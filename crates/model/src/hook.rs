//! Hooks: URLs that an application gave us, each with the method to ask it by.

use crate::HttpMethod;

/// A URL that may be set, and how to ask for it. The method stays when the URL goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Absolute `http` or `https`.
    pub url: Option<String>,
    /// GET or POST.
    pub method: HttpMethod,
}

impl Default for Hook {
    /// None, to be asked by POST.
    fn default() -> Self {
        Self { url: None, method: HttpMethod::Post }
    }
}

/// What a call is handled by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VoiceHooks {
    /// A call comes in: `VoiceUrl`.
    pub voice: Hook,
    /// The one above fails: `VoiceFallbackUrl`.
    pub fallback: Hook,
    /// The call is over: `StatusCallback`, of a SIP domain `VoiceStatusCallbackUrl`.
    pub status_callback: Hook,
}

/// What a message would be handled by: kept and echoed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmsHooks {
    /// A message comes in: `SmsUrl`.
    pub sms: Hook,
    /// The one above fails: `SmsFallbackUrl`.
    pub fallback: Hook,
}
