//! Transfers: a task that a worker has is offered to another, or to a queue (taskrouter §15).

use model::{
    ReservationSid, TaskQueueSid, TaskSid, Timestamp, TransferMode, TransferSid, TransferStatus, TransferTarget,
    WorkerSid, WorkflowSid,
};

/// One task on its way from one worker to another. While it is initiated, it is the only one of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Its name in the API.
    pub sid: TransferSid,
    /// What is handed over.
    pub task: TaskSid,
    /// By which reservation the initiator has it.
    pub reservation: ReservationSid,
    /// The initiator.
    pub worker: WorkerSid,
    /// The queue the task was in.
    pub queue: Option<TaskQueueSid>,
    /// The workflow it came by.
    pub workflow: Option<WorkflowSid>,
    /// Whether the initiator stays until somebody has taken over.
    pub mode: TransferMode,
    /// To whom.
    pub to: TransferTarget,
    /// How it stands.
    pub status: TransferStatus,
    /// Why it failed.
    pub failed_reason: Option<String>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// Transfers of one task.
pub const TRANSFERS_MAX: usize = 100;
