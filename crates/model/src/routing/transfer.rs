//! A transfer: a task on its way from one worker to another.

use crate::{
    AccountSid, ReservationSid, TaskQueueSid, TaskSid, Timestamp, TransferSid, WorkerSid, WorkflowSid, WorkspaceSid,
    word_enum,
};

/// A transfer as the API shows it and the store keeps it (taskrouter §15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// `TT…`.
    pub sid: TransferSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// What is transferred.
    pub task_sid: TaskSid,
    /// Whether the one before stays until then.
    pub transfer_mode: TransferMode,
    /// To whom.
    pub transfer_to: TransferTarget,
    /// How it stands.
    pub transfer_status: TransferStatus,
    /// Why it failed.
    pub transfer_failed_reason: Option<String>,
    /// Who has the task now.
    pub initiating_reservation_sid: ReservationSid,
    /// The same.
    pub initiating_worker_sid: WorkerSid,
    /// The queue it was accepted from.
    pub initiating_queue_sid: Option<TaskQueueSid>,
    /// The workflow that routed it.
    pub initiating_workflow_sid: Option<WorkflowSid>,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

/// To whom a task is transferred; `transfer_type` is `WORKER` or `QUEUE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferTarget {
    /// To one worker.
    Worker(WorkerSid),
    /// To whoever of a queue takes it.
    Queue(TaskQueueSid),
}

impl std::fmt::Display for TransferTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Worker(sid) => sid.fmt(f),
            Self::Queue(sid) => sid.fmt(f),
        }
    }
}

word_enum! {
    /// Whether the one before stays until somebody has taken over.
    TransferMode {
        /// Yes.
        Warm = "WARM",
        /// No.
        Cold = "COLD",
    }
}

word_enum! {
    /// How a transfer stands.
    TransferStatus {
        /// Somebody is asked.
        Initiated = "initiated",
        /// Somebody has taken over.
        Complete = "complete",
        /// Nobody would.
        Failed = "failed",
        /// The one before took it back.
        Canceled = "canceled",
    }
}
