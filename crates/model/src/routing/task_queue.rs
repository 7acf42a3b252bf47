//! A task queue: where tasks wait for workers.

use crate::{AccountSid, ActivitySid, TaskOrder, TaskQueueSid, Timestamp, WorkspaceSid};

/// A task queue as the API shows it and the store keeps it (taskrouter §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskQueue {
    /// `WQ…`.
    pub sid: TaskQueueSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// Its name, once in a workspace.
    pub friendly_name: String,
    /// Whose tasks they are: an expression over workers, as it was given; an empty one is nobody.
    pub target_workers: String,
    /// How many workers are offered a task at once.
    pub max_reserved_workers: u32,
    /// Which task comes first.
    pub task_order: TaskOrder,
    /// Single-task workspaces: what a worker does from being offered a task on.
    pub reservation_activity_sid: Option<ActivitySid>,
    /// Single-task workspaces: what a worker does from accepting one on.
    pub assignment_activity_sid: Option<ActivitySid>,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}
