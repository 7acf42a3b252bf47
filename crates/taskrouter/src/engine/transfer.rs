//! A task goes from the worker who has it to another (taskrouter §15).

use model::TaskRouterEventType;

use super::*;
use crate::event::{ReservationFacts, WorkerFacts};
use crate::task::RESERVATIONS_MAX;
use crate::transfer::TRANSFERS_MAX;

impl Engine {
    /// What a task's open reservations and its transfer make of it; `None` if it has neither.
    pub(super) fn standing(&self, sid: TaskSid) -> Option<AssignmentStatus> {
        let task = self.tasks.get(&sid)?;
        let any = |status| !self.of_task(sid, |other| other == status).is_empty();
        if any(ReservationStatus::Pending) {
            Some(AssignmentStatus::Reserved)
        } else if task.transfer.is_some() {
            Some(AssignmentStatus::Pending)
        } else if any(ReservationStatus::Accepted) {
            Some(AssignmentStatus::Assigned)
        } else if any(ReservationStatus::Wrapping) {
            Some(AssignmentStatus::Wrapping)
        } else {
            None
        }
    }

    pub(super) fn transfer(&mut self, now: Timestamp, new: NewTransfer) -> Result<(), Refusal> {
        let reservation = self.reservations.get(&new.reservation).ok_or_else(|| not_found(new.reservation))?;
        if reservation.status != ReservationStatus::Accepted {
            return Err(Refusal::Reservation(reservation.status));
        }
        let (sid, initiator) = (reservation.task, reservation.worker);
        let task = self.tasks.get(&sid).ok_or_else(|| not_found(sid))?;
        if task.status != AssignmentStatus::Assigned {
            return Err(Refusal::Task { from: task.status, to: AssignmentStatus::Reserved });
        }
        if task.transfers.len() >= TRANSFERS_MAX {
            return Err(Refusal::Full(TRANSFERS_MAX));
        }
        if task.reservations.len() >= RESERVATIONS_MAX {
            return Err(Refusal::Full(RESERVATIONS_MAX));
        }
        if self.transfers.contains_key(&new.sid) {
            return Err(Refusal::InUse(new.sid.to_string()));
        }
        match new.to {
            TransferTarget::Worker(to) => {
                let worker = self.workers.get(&to).ok_or_else(|| not_found(to))?;
                let is_free = self.is_available(worker) && worker.has_room(task.channel, self.workspace.multi_task);
                if !is_free || self.holds(sid, to) {
                    return Err(Refusal::Unavailable(to));
                }
            }
            TransferTarget::Queue(queue) if !self.queues.contains_key(&queue) => return Err(not_found(queue)),
            TransferTarget::Queue(_) => {}
        }
        let transfer = Transfer {
            sid: new.sid,
            task: sid,
            reservation: new.reservation,
            worker: initiator,
            queue: task.queue,
            workflow: task.workflow,
            mode: new.mode,
            to: new.to,
            status: TransferStatus::Initiated,
            failed_reason: None,
            created: now,
            changed: now,
        };
        self.transfers.insert(new.sid, transfer);
        let is_described = new.attributes.is_some() || new.priority.is_some();
        if let Some(task) = self.tasks.get_mut(&sid) {
            task.transfers.push(new.sid);
            task.transfer = Some(new.sid);
            task.attributes = new.attributes.unwrap_or_else(|| task.attributes.clone());
            task.priority = new.priority.unwrap_or(task.priority);
            task.version += 1;
        }
        if is_described {
            self.tell_task(now, TaskRouterEventType::TaskUpdated, sid);
        }
        self.tell_transfer(now, TaskRouterEventType::TaskTransferInitiated, new.sid);
        match new.to {
            TransferTarget::Worker(worker) => self.reserve(now, sid, &[worker]),
            TransferTarget::Queue(queue) => {
                self.set_status(sid, AssignmentStatus::Pending);
                self.move_to(now, sid, queue);
                self.queue_up(sid);
            }
        }
        Ok(())
    }

    pub(super) fn cancel_transfer(&mut self, now: Timestamp, sid: TransferSid) -> Result<(), Refusal> {
        let transfer = self.transfers.get(&sid).ok_or_else(|| not_found(sid))?;
        match transfer.status {
            TransferStatus::Initiated => {}
            TransferStatus::Canceled => return Ok(()),
            status => return Err(Refusal::Transfer(status)),
        }
        let task = transfer.task;
        self.leave_line(task);
        for offer in self.of_task(task, |status| status == ReservationStatus::Pending) {
            self.set_reservation(
                now,
                offer,
                ReservationStatus::Canceled,
                TaskRouterEventType::ReservationCanceled,
                None,
            );
        }
        self.end_transfer(now, task, TransferStatus::Canceled, None);
        self.settle(now, task, sid);
        Ok(())
    }

    /// The last offer of a transfer has failed: the next worker of its queue is tried, the one worker asked for is not.
    pub(super) fn attempt_failed(&mut self, now: Timestamp, sid: TaskSid, why: ReservationStatus) {
        let Some(task) = self.tasks.get(&sid) else { return };
        let is_spent = task.reservations.len() >= RESERVATIONS_MAX;
        let Some(transfer) = task.transfer.and_then(|transfer| self.transfers.get(&transfer)) else { return };
        match transfer.to {
            TransferTarget::Queue(_) if !is_spent => {
                self.tell_transfer(now, TaskRouterEventType::TaskTransferAttemptFailed, transfer.sid);
                self.set_status(sid, AssignmentStatus::Pending);
                self.queue_up(sid);
            }
            TransferTarget::Queue(_) | TransferTarget::Worker(_) => {
                let reason = match why {
                    ReservationStatus::Rejected => "rejected",
                    ReservationStatus::Timeout => "timeout",
                    _ => "canceled",
                };
                let transfer = transfer.sid;
                self.end_transfer(now, sid, TransferStatus::Failed, Some(reason));
                self.settle(now, sid, transfer);
            }
        }
    }

    /// Somebody has taken over. One who left at once is done with the task, and so is one who takes his own.
    pub(super) fn taken_over(&mut self, now: Timestamp, sid: TaskSid, by: WorkerSid) {
        let transfer = self.tasks.get(&sid).and_then(|task| task.transfer).and_then(|sid| self.transfers.get(&sid));
        let Some((reservation, done)) =
            transfer.map(|t| (t.reservation, t.mode == TransferMode::Cold || t.worker == by))
        else {
            return;
        };
        self.end_transfer(now, sid, TransferStatus::Complete, None);
        let status = self.reservations.get(&reservation).map(|reservation| reservation.status);
        if done && status == Some(ReservationStatus::Accepted) {
            self.set_reservation(
                now,
                reservation,
                ReservationStatus::Wrapping,
                TaskRouterEventType::ReservationWrapup,
                None,
            );
        }
        if done && status.is_some_and(ReservationStatus::is_open) {
            self.set_reservation(
                now,
                reservation,
                ReservationStatus::Completed,
                TaskRouterEventType::ReservationCompleted,
                None,
            );
        }
    }

    /// The transfer that is under way ends so, if there is one.
    pub(super) fn end_transfer(&mut self, now: Timestamp, sid: TaskSid, to: TransferStatus, reason: Option<&str>) {
        let Some(task) = self.tasks.get(&sid).and_then(|task| task.transfer) else { return };
        if let Some(task) = self.tasks.get_mut(&sid) {
            task.transfer = None;
            task.version += 1;
        }
        let Some(transfer) = self.transfers.get_mut(&task) else { return };
        (transfer.status, transfer.changed) = (to, now);
        transfer.failed_reason = reason.map(ToOwned::to_owned);
        let kind = match to {
            TransferStatus::Complete => TaskRouterEventType::TaskTransferCompleted,
            TransferStatus::Failed => TaskRouterEventType::TaskTransferFailed,
            TransferStatus::Initiated | TransferStatus::Canceled => TaskRouterEventType::TaskTransferCanceled,
        };
        self.tell_transfer(now, kind, task);
    }

    /// Nobody has taken over: the task is back in its queue, and whoever had it has it still. If he is gone meanwhile, it
    /// waits anew.
    fn settle(&mut self, now: Timestamp, sid: TaskSid, transfer: TransferSid) {
        if let Some(transfer) = self.transfers.get(&transfer) {
            match (transfer.to, transfer.queue) {
                (TransferTarget::Worker(_), _) => {}
                (TransferTarget::Queue(_), Some(queue)) if self.queues.contains_key(&queue) => {
                    self.move_to(now, sid, queue)
                }
                (TransferTarget::Queue(_), Some(_)) => {} // deleted while nobody waited in it
                (TransferTarget::Queue(_), None) => {
                    if let Some(task) = self.tasks.get_mut(&sid) {
                        (task.queue, task.queue_entered) = (None, None);
                    }
                }
            }
        }
        match self.standing(sid) {
            Some(AssignmentStatus::Wrapping) => self.wrap_up(now, sid),
            Some(status) => self.set_status(sid, status),
            None => {
                self.unset_stale(sid);
                self.set_status(sid, AssignmentStatus::Pending);
                let Some(task) = self.tasks.get_mut(&sid) else { return };
                task.assigned = None;
                self.timers.insert((task.created + task.timeout, Timer::TaskTimeout(sid)));
                if let Some(expires) = task.step().and_then(|step| step.expires) {
                    self.timers.insert((expires, Timer::TargetTimeout(sid)));
                }
                self.resume(now, sid);
            }
        }
    }

    /// Whether a worker has, or is offered, this task.
    pub(super) fn holds(&self, task: TaskSid, worker: WorkerSid) -> bool {
        self.workers
            .get(&worker)
            .into_iter()
            .flat_map(|worker| &worker.open)
            .any(|reservation| self.reservations.get(reservation).is_some_and(|reservation| reservation.task == task))
    }

    fn set_status(&mut self, sid: TaskSid, status: AssignmentStatus) {
        if let Some(task) = self.tasks.get_mut(&sid) {
            task.status = status;
            task.version += 1;
        }
    }

    fn tell_transfer(&mut self, now: Timestamp, kind: TaskRouterEventType, sid: TransferSid) {
        let Some(transfer) = self.transfers.get(&sid) else { return };
        let event = Event {
            worker: self.workers.get(&transfer.worker).map(WorkerFacts::from),
            reservation: self.reservations.get(&transfer.reservation).map(ReservationFacts::from),
            transfer: Some(transfer.clone()),
            ..self.about_task(now, kind, transfer.task)
        };
        self.emit(event);
    }
}
