//! Reservations: a task offered to a worker (taskrouter §7.1).

use model::{ReservationSid, ReservationStatus, TaskChannelSid, TaskSid, Timestamp, TransferSid, WorkerSid};

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
