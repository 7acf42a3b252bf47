//! Reservations: a task offered to a worker (taskrouter §7.1).

use model::{ReservationSid, TaskChannelSid, TaskSid, Timestamp, TransferSid, WorkerSid};

/// One task offered to one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its name in the API.
    pub sid: ReservationSid,
    /// What is offered.
    pub task: TaskSid,
    /// To whom.
    pub worker: WorkerSid,
    /// On which of the worker's channels it takes room.
    pub channel: TaskChannelSid,
    /// How it stands.
    pub status: ReservationStatus,
    /// Why it was canceled: the code of the call's failure.
    pub canceled_reason_code: Option<u16>,
    /// The transfer it is offered by.
    pub transfer: Option<TransferSid>,
    /// When it was made.
    pub created: Timestamp,
    /// When its status last changed.
    pub changed: Timestamp,
    /// When it times out, if it is still pending.
    pub times_out: Timestamp,
    /// Grows with every change.
    pub version: u32,
}

/// How a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReservationStatus {
    /// Offered.
    Pending,
    /// The worker has the task.
    Accepted,
    /// The worker finishes up.
    Wrapping,
    /// Done.
    Completed,
    /// The worker said no.
    Rejected,
    /// The worker said nothing.
    Timeout,
    /// Another worker accepted.
    Rescinded,
    /// The task ended, or the worker could not be reached.
    Canceled,
}

impl ReservationStatus {
    /// It takes room of its worker.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Accepted | Self::Wrapping)
    }

    /// The state machine of §7.1. What is open can be canceled with its task.
    pub const fn may_become(self, next: Self) -> bool {
        use ReservationStatus as S;
        match self {
            S::Pending => matches!(next, S::Accepted | S::Rejected | S::Timeout | S::Rescinded | S::Canceled),
            S::Accepted => matches!(next, S::Wrapping | S::Completed | S::Canceled),
            S::Wrapping => matches!(next, S::Completed | S::Canceled),
            S::Completed | S::Rejected | S::Timeout | S::Rescinded | S::Canceled => false,
        }
    }
}
