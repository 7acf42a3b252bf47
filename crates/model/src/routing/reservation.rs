//! A reservation: a task offered to a worker.

use crate::{
    AccountSid, ActivitySid, CallSid, TaskChannelSid, TaskSid, Timestamp, TransferSid, WorkerSid, WorkspaceSid,
    word_enum,
};

/// A reservation as the API shows it and the store keeps it (taskrouter §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// `WR…`.
    pub sid: crate::ReservationSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// What is offered.
    pub task_sid: TaskSid,
    /// To whom.
    pub worker_sid: WorkerSid,
    /// On which of the worker's channels it takes room. Not shown.
    pub task_channel_sid: TaskChannelSid,
    /// How it stands.
    pub reservation_status: ReservationStatus,
    /// Why it was canceled: the code of the call's failure.
    pub canceled_reason_code: Option<u16>,
    /// When it times out, if it is still pending.
    pub times_out: Timestamp,
    /// The transfer it came of.
    pub transfer_sid: Option<TransferSid>,
    /// The worker's leg, if an instruction's call has ended in its being accepted: when that is over, so is the work.
    /// Not shown.
    pub worker_call_sid: Option<CallSid>,
    /// What the worker does after it. Not shown.
    pub post_work_activity_sid: Option<ActivitySid>,
    /// What the end of that leg makes of the reservation. Not shown.
    pub work_end: WorkEnd,
    /// Grows with every change: its ETag.
    pub version: u32,
    /// When it was made.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

word_enum! {
    /// What becomes of a reservation when its worker's leg is over (taskrouter §7.4 to §7.6).
    WorkEnd {
        /// There is wrapping up, or it is completed where a worker has one task at a time: of a conference.
        Wrap = "wrap",
        /// It is completed: of a dequeue.
        Complete = "complete",
        /// That is for the application to say.
        Nothing = "nothing",
    }
}

word_enum! {
    /// How a reservation stands (taskrouter §7.1).
    ReservationStatus {
        /// Offered.
        Pending = "pending",
        /// The worker has the task.
        Accepted = "accepted",
        /// The worker finishes up.
        Wrapping = "wrapping",
        /// Done.
        Completed = "completed",
        /// The worker said no.
        Rejected = "rejected",
        /// The worker said nothing.
        Timeout = "timeout",
        /// Another worker accepted.
        Rescinded = "rescinded",
        /// The task ended, or the worker could not be reached.
        Canceled = "canceled",
    }
}

impl ReservationStatus {
    /// It takes room of its worker.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Accepted | Self::Wrapping)
    }

    /// Its worker has the task.
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Accepted | Self::Wrapping)
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
