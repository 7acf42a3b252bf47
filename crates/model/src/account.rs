//! An account: who owns calls and conferences.

use crate::{AccountSid, Timestamp, word_enum};

/// An account and the token that acts for it (rest-voice: Accounts).
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// `AC…`.
    pub sid: AccountSid,
    /// The parent, or itself.
    pub owner_account_sid: AccountSid,
    /// Shown name.
    pub friendly_name: String,
    /// Secret; whoever has it acts as the account.
    pub auth_token: String,
    /// Whether it may act.
    pub status: AccountStatus,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
}

impl std::fmt::Debug for Account {
    /// Leaves the token out, so that no log line carries it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("sid", &self.sid).field("status", &self.status).finish_non_exhaustive()
    }
}

word_enum! {
    /// Whether an account may act.
    AccountStatus {
        /// It may.
        Active = "active",
        /// Not for now: 401 with code 20005.
        Suspended = "suspended",
        /// Never again.
        Closed = "closed",
    }
}
