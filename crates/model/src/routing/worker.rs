//! A worker: somebody who takes tasks.

use crate::{AccountSid, ActivitySid, Timestamp, WorkerSid, WorkspaceSid};

/// A worker as the API shows it and the store keeps it (taskrouter §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// `WK…`.
    pub sid: WorkerSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// Its name, once in a workspace whatever its letters' case.
    pub friendly_name: String,
    /// What expressions may ask about it: a JSON object, byte for byte as it was given.
    pub attributes: String,
    /// What it is doing.
    pub activity_sid: ActivitySid,
    /// Since when it does that.
    pub status_changed: Timestamp,
    /// The last reservation ended, or it became available: whichever came later. Not shown.
    pub idle_since: Timestamp,
    /// When it was last offered a task. Not shown.
    pub last_reserved: Option<Timestamp>,
    /// Grows with every change: its ETag.
    pub version: u32,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}
