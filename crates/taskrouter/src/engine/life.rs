//! Reservations and tasks from one state to the next (taskrouter §6.2, §7.1).

use rand::Rng;

use model::TaskRouterEventType;

use super::*;
use crate::event::{ReservationFacts, WorkerFacts};
use crate::task::RESERVATIONS_MAX;

use ReservationStatus as Status;

impl Engine {
    /// Offers a pending task to these workers, all at once.
    pub(super) fn reserve(&mut self, now: Timestamp, sid: TaskSid, workers: &[WorkerSid]) {
        self.leave_line(sid);
        self.skips.remove(&sid);
        let Some(task) = self.tasks.get_mut(&sid) else { return };
        task.status = AssignmentStatus::Reserved;
        task.version += 1;
        let (channel, transfer) = (task.channel, task.transfer);
        let queue = task.queue.and_then(|queue| self.queues.get(&queue));
        let activity = queue.and_then(|queue| queue.reservation_activity).filter(|_| !self.workspace.multi_task);
        let workflow =
            self.tasks.get(&sid).and_then(|task| task.workflow).and_then(|workflow| self.workflows.get(&workflow));
        let times_out = now + workflow.map_or(RESERVATION_TIMEOUT, |workflow| workflow.reservation_timeout);
        for worker_sid in workers {
            let mut bits = [0; 16];
            self.random.fill_bytes(&mut bits);
            let reservation = Reservation {
                sid: ReservationSid::from_bits(u128::from_le_bytes(bits)),
                task: sid,
                worker: *worker_sid,
                channel,
                status: Status::Pending,
                canceled_reason_code: None,
                transfer,
                created: now,
                changed: now,
                times_out,
                version: 0,
            };
            let offer = reservation.sid;
            if let Some(task) = self.tasks.get_mut(&sid) {
                task.reservations.push(offer);
            }
            if let Some(worker) = self.workers.get_mut(worker_sid) {
                worker.open.insert(offer);
                worker.last_reserved = Some(now);
                worker.version += 1; // as workers' screens count on it
                if let Some(on) = worker.channels.get_mut(&channel) {
                    self.changed_channels.insert((*worker_sid, channel));
                    on.open += 1;
                    on.last_reserved = Some(now);
                }
            }
            self.timers.insert((times_out, Timer::Reservation(offer)));
            self.come_to_channel(channel);
            self.reservations.insert(offer, reservation);
            self.tell_reservation(now, TaskRouterEventType::ReservationCreated, offer);
            self.outputs.push_back(Output::Assign { task: sid, worker: *worker_sid, reservation: offer });
            if let Some(activity) = activity {
                self.move_worker(now, *worker_sid, activity);
            }
            self.refresh_worker(*worker_sid);
        }
    }

    pub(super) fn accept(&mut self, now: Timestamp, sid: ReservationSid) -> Result<(), Refusal> {
        let (task, worker) = self.expect(sid, Status::Accepted)?;
        self.unset_target_timer(task);
        self.unset_task_timeout(task);
        self.unset_stale(task);
        // First, since whoever is told of the acceptance is told how the task stands with it.
        if let Some(task) = self.tasks.get_mut(&task) {
            task.status = AssignmentStatus::Assigned;
            task.version += 1;
        }
        self.set_reservation(now, sid, Status::Accepted, TaskRouterEventType::ReservationAccepted, None);
        for other in self.of_task(task, |status| status == Status::Pending) {
            self.set_reservation(now, other, Status::Rescinded, TaskRouterEventType::ReservationRescinded, None);
        }
        self.taken_over(now, task, worker);
        // Last, since the acceptance counts as the first if the task was not assigned before.
        if let Some(task) = self.tasks.get_mut(&task) {
            task.assigned = Some(now);
            self.timers.insert((now + ASSIGNED_MAX, Timer::Stale(task.sid)));
        }
        let queue = self.tasks.get(&task).and_then(|task| task.queue).and_then(|queue| self.queues.get(&queue));
        let activity = queue.and_then(|queue| queue.assignment_activity).filter(|_| !self.workspace.multi_task);
        if let Some(activity) = activity {
            self.move_worker(now, worker, activity);
        }
        Ok(())
    }

    pub(super) fn reject(
        &mut self,
        now: Timestamp,
        sid: ReservationSid,
        activity: Option<ActivitySid>,
    ) -> Result<(), Refusal> {
        let (task, worker) = self.expect(sid, Status::Rejected)?;
        if let Some(activity) = activity {
            self.may_do(Some(worker), activity)?;
        }
        self.set_reservation(now, sid, Status::Rejected, TaskRouterEventType::ReservationRejected, None);
        if let Some(activity) = activity {
            self.move_worker(now, worker, activity);
        }
        self.offer_failed(now, task, Status::Rejected);
        Ok(())
    }

    pub(super) fn no_answer(&mut self, now: Timestamp, sid: ReservationSid) -> Result<(), Refusal> {
        let (task, worker) = self.expect(sid, Status::Timeout)?;
        self.set_reservation(now, sid, Status::Timeout, TaskRouterEventType::ReservationTimeout, None);
        if let Some(activity) = self.workspace.timeout_activity {
            self.move_worker(now, worker, activity);
        }
        self.offer_failed(now, task, Status::Timeout);
        Ok(())
    }

    pub(super) fn fail(&mut self, now: Timestamp, sid: ReservationSid, code: u16) -> Result<(), Refusal> {
        let (task, worker) = self.expect_pending(sid)?;
        self.set_reservation(now, sid, Status::Canceled, TaskRouterEventType::ReservationCanceled, Some(code));
        if let Some(until) = self.pauses.insert((task, worker), now + PAUSE) {
            self.timers.remove(&(until, Timer::PauseOver(task, worker)));
        }
        self.timers.insert((now + PAUSE, Timer::PauseOver(task, worker)));
        self.offer_failed(now, task, Status::Canceled);
        Ok(())
    }

    /// When the last offer has failed, the task is pending again.
    fn offer_failed(&mut self, now: Timestamp, sid: TaskSid, why: Status) {
        if !self.of_task(sid, |status| status == Status::Pending).is_empty() {
            return;
        }
        let Some(task) = self.tasks.get_mut(&sid).filter(|task| task.status == AssignmentStatus::Reserved) else {
            return;
        };
        if task.transfer.is_some() {
            return self.attempt_failed(now, sid, why);
        }
        if task.reservations.len() >= RESERVATIONS_MAX {
            return self.cancel(now, sid, Some("Task reached its reservation limit".to_owned()));
        }
        task.status = AssignmentStatus::Pending;
        task.version += 1;
        self.resume(now, sid);
    }

    /// Its task wraps up with it, unless others have that, too, or are about to.
    pub(super) fn wrap(&mut self, now: Timestamp, sid: ReservationSid) -> Result<(), Refusal> {
        if self.reservations.get(&sid).is_some_and(|reservation| reservation.status == Status::Wrapping) {
            return Ok(()); // as of a task, §6.1
        }
        let (task, _) = self.expect(sid, Status::Wrapping)?;
        self.set_reservation(now, sid, Status::Wrapping, TaskRouterEventType::ReservationWrapup, None);
        self.follow(now, task);
        Ok(())
    }

    /// Its task completes with it, unless others have that, too, or are about to.
    pub(super) fn complete(&mut self, now: Timestamp, sid: ReservationSid) -> Result<(), Refusal> {
        if self.reservations.get(&sid).is_some_and(|reservation| reservation.status == Status::Completed) {
            return Ok(()); // as of a task, §6.1
        }
        let (task, _) = self.expect(sid, Status::Completed)?;
        self.set_reservation(now, sid, Status::Completed, TaskRouterEventType::ReservationCompleted, None);
        self.follow(now, task);
        Ok(())
    }

    /// A task goes where its last reservations have gone.
    fn follow(&mut self, now: Timestamp, sid: TaskSid) {
        let status = self.tasks.get(&sid).map(|task| task.status);
        match self.standing(sid) {
            Some(AssignmentStatus::Wrapping) if status == Some(AssignmentStatus::Assigned) => self.wrap_up(now, sid),
            Some(_) => {}
            None => self.completed(now, sid, None),
        }
    }

    pub(super) fn wrap_up(&mut self, now: Timestamp, sid: TaskSid) {
        self.unset_stale(sid);
        self.set_task(now, sid, AssignmentStatus::Wrapping, TaskRouterEventType::TaskWrapup, None);
    }

    fn completed(&mut self, now: Timestamp, sid: TaskSid, reason: Option<String>) {
        self.unset_stale(sid);
        self.over(now, sid, AssignmentStatus::Completed, TaskRouterEventType::TaskCompleted, reason);
    }

    pub(super) fn end_task(
        &mut self,
        now: Timestamp,
        sid: TaskSid,
        to: AssignmentStatus,
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        let task = self.tasks.get(&sid).ok_or_else(|| not_found(sid))?;
        let from = task.status;
        if from == to {
            return Ok(()); // §6.1
        }
        let asked_for =
            matches!(to, AssignmentStatus::Canceled | AssignmentStatus::Wrapping | AssignmentStatus::Completed);
        if !asked_for || !from.may_become(to) {
            return Err(Refusal::Task { from, to });
        }
        match to {
            AssignmentStatus::Canceled => self.cancel(now, sid, reason),
            AssignmentStatus::Wrapping => {
                for reservation in self.of_task(sid, |status| status == Status::Accepted) {
                    self.set_reservation(
                        now,
                        reservation,
                        Status::Wrapping,
                        TaskRouterEventType::ReservationWrapup,
                        None,
                    );
                }
                self.unset_stale(sid);
                self.set_task(now, sid, AssignmentStatus::Wrapping, TaskRouterEventType::TaskWrapup, reason);
            }
            _ => {
                for reservation in self.of_task(sid, Status::is_open) {
                    self.set_reservation(
                        now,
                        reservation,
                        Status::Completed,
                        TaskRouterEventType::ReservationCompleted,
                        None,
                    );
                }
                self.completed(now, sid, reason);
            }
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, now: Timestamp, sid: TaskSid, reason: Option<String>) {
        self.leave_line(sid);
        self.skips.remove(&sid);
        for reservation in self.of_task(sid, Status::is_open) {
            self.set_reservation(now, reservation, Status::Canceled, TaskRouterEventType::ReservationCanceled, None);
        }
        self.end_transfer(now, sid, TransferStatus::Canceled, None);
        self.unset_target_timer(sid);
        self.unset_task_timeout(sid);
        self.unset_stale(sid);
        self.over(now, sid, AssignmentStatus::Canceled, TaskRouterEventType::TaskCanceled, reason);
    }

    fn over(
        &mut self,
        now: Timestamp,
        sid: TaskSid,
        to: AssignmentStatus,
        kind: TaskRouterEventType,
        reason: Option<String>,
    ) {
        if let Some(task) = self.tasks.get_mut(&sid) {
            task.ended = Some(now);
            self.timers.insert((now + KEPT, Timer::Gone(sid)));
        }
        self.set_task(now, sid, to, kind, reason);
    }

    pub(super) fn set_task(
        &mut self,
        now: Timestamp,
        sid: TaskSid,
        to: AssignmentStatus,
        kind: TaskRouterEventType,
        reason: Option<String>,
    ) {
        if let Some(task) = self.tasks.get_mut(&sid) {
            task.status = to;
            task.reason = reason.or(task.reason.take());
            task.version += 1;
        }
        self.tell_task(now, kind, sid);
    }

    pub(super) fn delete_task(&mut self, now: Timestamp, sid: TaskSid) -> Result<(), Refusal> {
        if !self.tasks.contains_key(&sid) {
            return Err(not_found(sid));
        }
        self.forget(now, sid, TaskRouterEventType::TaskDeleted);
        Ok(())
    }

    fn forget(&mut self, now: Timestamp, sid: TaskSid, kind: TaskRouterEventType) {
        self.leave_line(sid);
        self.skips.remove(&sid);
        for reservation in self.of_task(sid, Status::is_open) {
            self.set_reservation(now, reservation, Status::Canceled, TaskRouterEventType::ReservationCanceled, None);
        }
        self.end_transfer(now, sid, TransferStatus::Canceled, None);
        self.unset_target_timer(sid);
        self.unset_task_timeout(sid);
        self.unset_stale(sid);
        if let Some(ended) = self.tasks.get(&sid).and_then(|task| task.ended) {
            self.timers.remove(&(ended + KEPT, Timer::Gone(sid)));
        }
        self.tell_task(now, kind, sid);
        let Some(task) = self.tasks.remove(&sid) else { return };
        self.go_from_channel(task.channel);
        for transfer in task.transfers {
            self.transfers.remove(&transfer);
        }
        for reservation in task.reservations {
            if let Some(reservation) = self.reservations.remove(&reservation)
                && let Some(until) = self.pauses.remove(&(sid, reservation.worker))
            {
                self.timers.remove(&(until, Timer::PauseOver(sid, reservation.worker)));
            }
        }
    }

    pub(super) fn fire(&mut self, now: Timestamp, timer: Timer) {
        match timer {
            // It is pending as long as its timer runs, so this cannot be refused.
            Timer::Reservation(reservation) => drop(self.no_answer(now, reservation)),
            Timer::TaskTimeout(task) => {
                let waits =
                    self.tasks.get(&task).is_some_and(|task| task.status.may_become(AssignmentStatus::Canceled));
                if waits {
                    self.cancel(now, task, Some("Task TTL Exceeded".to_owned()));
                }
            }
            Timer::TargetTimeout(task) => self.target_timeout(now, task),
            Timer::PauseOver(task, worker) => {
                self.pauses.remove(&(task, worker));
                self.waiting.freshen_task(task, worker);
            }
            Timer::Stale(task) => self.forget(now, task, TaskRouterEventType::TaskSystemDeleted),
            Timer::Gone(task) => self.forget(now, task, TaskRouterEventType::TaskDeleted),
        }
    }

    /// The task and worker of a reservation that may become what is asked.
    fn expect(&self, sid: ReservationSid, next: Status) -> Result<(TaskSid, WorkerSid), Refusal> {
        let reservation = self.reservations.get(&sid).ok_or_else(|| not_found(sid))?;
        if reservation.status.may_become(next) {
            Ok((reservation.task, reservation.worker))
        } else {
            Err(Refusal::Reservation(reservation.status))
        }
    }

    fn expect_pending(&self, sid: ReservationSid) -> Result<(TaskSid, WorkerSid), Refusal> {
        let reservation = self.reservations.get(&sid).ok_or_else(|| not_found(sid))?;
        match reservation.status {
            Status::Pending => Ok((reservation.task, reservation.worker)),
            status => Err(Refusal::Reservation(status)),
        }
    }

    pub(super) fn of_task(&self, task: TaskSid, is: impl Fn(Status) -> bool) -> Vec<ReservationSid> {
        let Some(task) = self.tasks.get(&task) else { return Vec::new() };
        // The open ones are among the last: a task is offered anew only when all before have failed, or by a transfer.
        let last = if task.transfers.is_empty() { crate::queue::MAX_RESERVED_MAX as usize } else { RESERVATIONS_MAX };
        let mut found: Vec<ReservationSid> = (task.reservations.iter().rev().take(last).copied())
            .filter(|sid| self.reservations.get(sid).is_some_and(|reservation| is(reservation.status)))
            .collect();
        found.reverse();
        found
    }

    /// A reservation goes on, which frees its worker if it ends.
    pub(super) fn set_reservation(
        &mut self,
        now: Timestamp,
        sid: ReservationSid,
        to: Status,
        kind: TaskRouterEventType,
        code: Option<u16>,
    ) {
        let Some(reservation) = self.reservations.get_mut(&sid) else { return };
        if reservation.status == Status::Pending {
            self.timers.remove(&(reservation.times_out, Timer::Reservation(sid)));
        }
        reservation.status = to;
        reservation.canceled_reason_code = code;
        reservation.changed = now;
        reservation.version += 1;
        let (worker_sid, channel) = (reservation.worker, reservation.channel);
        if !to.is_open() {
            self.go_from_channel(channel);
        }
        match to.is_held() {
            true => self.held.insert(sid),
            false => self.held.remove(&sid),
        };
        if !to.is_open()
            && let Some(worker) = self.workers.get_mut(&worker_sid)
        {
            worker.open.remove(&sid);
            worker.idle_since = now;
            if let Some(on) = worker.channels.get_mut(&channel) {
                self.changed_channels.insert((worker_sid, channel));
                on.open = on.open.saturating_sub(1);
                on.idle_since = now;
            }
        }
        self.tell_reservation(now, kind, sid);
        if !to.is_open() {
            self.refresh_worker(worker_sid);
        }
    }

    fn unset_task_timeout(&mut self, sid: TaskSid) {
        if let Some(task) = self.tasks.get(&sid) {
            self.timers.remove(&(task.created + task.timeout, Timer::TaskTimeout(sid)));
        }
    }

    pub(super) fn unset_stale(&mut self, sid: TaskSid) {
        if let Some(assigned) = self.tasks.get(&sid).and_then(|task| task.assigned) {
            self.timers.remove(&(assigned + ASSIGNED_MAX, Timer::Stale(sid)));
        }
    }

    fn tell_reservation(&mut self, now: Timestamp, kind: TaskRouterEventType, sid: ReservationSid) {
        let Some(reservation) = self.reservations.get(&sid) else { return };
        let event = Event {
            reservation: Some(ReservationFacts::from(reservation)),
            worker: self.workers.get(&reservation.worker).map(WorkerFacts::from),
            transfer: reservation.transfer.and_then(|transfer| self.transfers.get(&transfer)).cloned(),
            ..self.about_task(now, kind, reservation.task)
        };
        self.emit(event);
    }
}
