//! The assignment callback: an application is asked what to do with a reservation (taskrouter §8).
//!
//! ```text
//! Effect::Assign(Assignment) ─▶ AssignmentCallbackUrl, 5 s, then the fallback ─▶ Event::Assigned { … }   exactly once
//! ```

use std::time::Duration;

use model::{AccountSid, ReservationSid, TaskQueueSid, TaskSid, Timestamp, WorkerSid, WorkflowSid, WorkspaceSid};

/// One question under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssignmentId(pub u64);

/// What an application is asked, and all that it is told with it: as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Named by us.
    pub id: AssignmentId,
    /// Whose token signs it.
    pub account: AccountSid,
    /// In which workspace.
    pub workspace: WorkspaceSid,
    /// Whose workflow asks.
    pub workflow: WorkflowSid,
    /// Where the task waits.
    pub task_queue: Option<TaskQueueSid>,
    /// Who is to have it.
    pub worker: WorkerSid,
    /// As given, byte for byte.
    pub worker_attributes: String,
    /// What is offered.
    pub task: TaskSid,
    /// As given, byte for byte.
    pub task_attributes: String,
    /// How old it is.
    pub task_age: Duration,
    /// Higher is first.
    pub task_priority: u32,
    /// The offer.
    pub reservation: ReservationSid,
    /// When it was made.
    pub at: Timestamp,
    /// `AssignmentCallbackUrl`.
    pub url: String,
    /// `FallbackAssignmentCallbackUrl`: asked where that fails, and told why.
    pub fallback_url: Option<String>,
}

/// Why a caller waits for a task in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// Canceled, for this reason.
    Canceled(Option<String>),
    /// Completed, by REST.
    Completed,
    /// Deleted.
    Deleted,
}

/// How long an application may take to answer (taskrouter §8).
pub const ASSIGNMENT_TIMEOUT: Duration = Duration::from_secs(5);
