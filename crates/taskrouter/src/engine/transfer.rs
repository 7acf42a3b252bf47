//! A task goes from the worker who has it to another (taskrouter §15).

use super::*;

impl Engine {
    /// What a task's open reservations and its transfer make of it; `None` if it has neither.
    pub(super) fn standing(&self, sid: TaskSid) -> Option<TaskStatus> {
        let task = self.tasks.get(&sid)?;
        let is = |status| move |sid: &ReservationSid| self.reservations.get(sid).is_some_and(|r| r.status == status);
        let any = |status| task.reservations.iter().rev().any(|sid| is(status)(sid));
        if any(ReservationStatus::Pending) {
            Some(TaskStatus::Reserved)
        } else if task.transfer.is_some() {
            Some(TaskStatus::Pending)
        } else if any(ReservationStatus::Accepted) {
            Some(TaskStatus::Assigned)
        } else if any(ReservationStatus::Wrapping) {
            Some(TaskStatus::Wrapping)
        } else {
            None
        }
    }

    pub(super) fn transfer(&mut self, _now: Timestamp, new: NewTransfer) -> Result<(), Refusal> {
        Err(not_found(new.reservation))
    }

    pub(super) fn cancel_transfer(&mut self, _now: Timestamp, sid: TransferSid) -> Result<(), Refusal> {
        Err(not_found(sid))
    }
}
