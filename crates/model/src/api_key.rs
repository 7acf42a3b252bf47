//! A key of an account: a name and a secret with which programs act for it, and which can be taken away again.

use crate::{AccountSid, ApiKeySid, Timestamp};

/// A key as the API shows it and the store keeps it (rest-voice §2). Its secret is shown once and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// `SK…`.
    pub sid: ApiKeySid,
    /// For whom it acts.
    pub account_sid: AccountSid,
    /// Shown name; may be empty.
    pub friendly_name: String,
    /// It may do everything its account may; a standard one may not touch accounts and keys.
    pub is_main: bool,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
}
