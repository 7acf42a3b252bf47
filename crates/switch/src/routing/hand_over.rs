//! A task in a conference goes from the worker who has it to another (taskrouter §15): what that means for their calls.

use model::{AccountSid, CallSid, ConferenceSid, ReservationSid, TransferMode};

use super::live::Live;
use super::whom;

/// What is to be done with the calls as soon as a transfer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandOver {
    pub(crate) account: AccountSid,
    /// Where they are.
    pub(crate) conference: ConferenceSid,
    /// Waits on hold until the application takes it up again.
    pub(crate) customer: Option<CallSid>,
    /// The worker's own leg, if it does not stay until somebody has taken over.
    pub(crate) leaves: Option<CallSid>,
}

impl Live {
    /// Who talks with whom about the task of that reservation; nobody in a conference without.
    pub(super) fn hand_over(&self, sid: ReservationSid, mode: TransferMode) -> Option<HandOver> {
        let reservation = self.engine.reservation(sid)?;
        let attributes = &self.engine.task(reservation.task)?.attributes;
        let participant = |who: &str| attributes.text(&["conference", "participants", who])?.parse().ok();
        let own = self.reservations.get(&sid).and_then(|note| note.worker_call);
        Some(HandOver {
            account: self.row.account_sid,
            conference: whom::room_of(attributes)?,
            customer: participant("customer").or_else(|| whom::task_call(attributes)),
            leaves: own.or_else(|| participant("worker")).filter(|_| mode == TransferMode::Cold),
        })
    }
}
