//! An activity: what a worker may be doing.

use crate::{AccountSid, ActivitySid, Timestamp, WorkspaceSid};

/// An activity as the API shows it and the store keeps it (taskrouter §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// `WA…`.
    pub sid: ActivitySid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// Its name, once in a workspace.
    pub friendly_name: String,
    /// Whether who does it may be offered tasks. Never changes.
    pub available: bool,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}
