//! A worker channel: one kind of work of one worker.

use crate::{AccountSid, TaskChannelSid, Timestamp, WorkerChannelSid, WorkerSid, WorkspaceSid};

/// A worker channel as the API shows it and the store keeps it (taskrouter §3): one for each worker and task channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerChannel {
    /// `WC…`.
    pub sid: WorkerChannelSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// Of whom.
    pub worker_sid: WorkerSid,
    /// Which kind of work.
    pub task_channel_sid: TaskChannelSid,
    /// How many tasks at once.
    pub configured_capacity: u32,
    /// Whether any may be offered.
    pub available: bool,
    /// Reservations on it that are pending, accepted or wrapping.
    pub assigned_tasks: u32,
    /// As [`Worker::idle_since`](crate::Worker), of this channel. Not shown.
    pub idle_since: Timestamp,
    /// When the worker was last offered a task on it.
    pub last_reserved: Option<Timestamp>,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

impl WorkerChannel {
    /// ⌊(1 − assigned/configured)·100⌋; 0 without capacity.
    pub fn available_capacity_percentage(&self) -> u32 {
        let free = self.configured_capacity.saturating_sub(self.assigned_tasks);
        (free * 100).checked_div(self.configured_capacity).unwrap_or(0)
    }
}
