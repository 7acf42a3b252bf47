//! A task channel: a kind of work.

use crate::{AccountSid, TaskChannelSid, Timestamp, WorkspaceSid};

/// A task channel as the API shows it and the store keeps it (taskrouter §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskChannel {
    /// `TC…`.
    pub sid: TaskChannelSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// Its name for people.
    pub friendly_name: String,
    /// Its name in expressions and paths. Never changes.
    pub unique_name: String,
    /// Who has idled longest on this channel comes first, not who has idled longest altogether.
    pub channel_optimized_routing: bool,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}
