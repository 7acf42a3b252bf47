//! Transfers: a task that a worker has is offered to another, or to a queue (taskrouter §15).

use model::{ReservationSid, TaskQueueSid, TaskSid, Timestamp, TransferSid, WorkerSid, WorkflowSid};

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
    pub to: TransferTo,
    /// How it stands.
    pub status: TransferStatus,
    /// Why it failed.
    pub failed_reason: Option<String>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// Whether the initiator stays until somebody has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferMode {
    /// It stays: three talk.
    Warm,
    /// It leaves at once.
    Cold,
}

/// Who is to take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferTo {
    /// This worker.
    Worker(WorkerSid),
    /// Any worker of this queue, one after the other.
    Queue(TaskQueueSid),
}

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferStatus {
    /// Nobody has taken over yet.
    Initiated,
    /// Somebody has.
    Complete,
    /// The worker asked for did not.
    Failed,
    /// The initiator thought better of it, or the task ended.
    Canceled,
}

/// Transfers of one task.
pub const TRANSFERS_MAX: usize = 100;
