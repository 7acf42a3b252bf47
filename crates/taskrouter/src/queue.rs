//! Task queues as they are configured (taskrouter §4).

use model::{ActivitySid, TaskOrder, TaskQueueSid};

use crate::Expression;

/// Where tasks wait for workers.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskQueue {
    /// Its name in the API.
    pub sid: TaskQueueSid,
    /// Its name for people.
    pub friendly_name: String,
    /// Whose tasks they are; `None` is nobody's.
    pub target_workers: Option<Expression>,
    /// How many workers are offered a task at once, 1 to [`MAX_RESERVED_MAX`].
    pub max_reserved_workers: u32,
    /// Which of two that have waited comes first.
    pub task_order: TaskOrder,
    /// Single-task workspaces: what a worker does from being offered a task on.
    pub reservation_activity: Option<ActivitySid>,
    /// Single-task workspaces: what a worker does from accepting a task on.
    pub assignment_activity: Option<ActivitySid>,
}

/// Workers that may be offered one task at once (taskrouter §9).
pub const MAX_RESERVED_MAX: u32 = 50;
