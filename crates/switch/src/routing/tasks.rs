//! Tasks, reservations and transfers: made, changed and ended (taskrouter §6, §7.1, §15).

use std::time::Duration;

use model::{
    AssignmentStatus, ReservationSid, ReservationStatus, RoutingRow, RoutingTarget, TaskChannelSid, TaskSid, Timestamp,
    TransferMode, TransferSid, TransferTarget, WorkerSid, WorkflowSid,
};
use taskrouter::{Input, NewTransfer, PRIORITY_MAX, TASK_TIMEOUT_MAX, TaskChange};

use super::desk::Desk;
use super::live::Live;
use super::people::NO_ATTRIBUTES;
use super::rows::{self, TaskNote};
use super::{NewTask, ReservationOf, ReservationUpdate, RoutingAnswer, RoutingRefusal, TaskChannelRef, TaskUpdate};
use crate::follow_up::FollowUp;

type Answered = Result<RoutingAnswer, RoutingRefusal>;

impl Live {
    pub(super) fn create_task(&mut self, new: NewTask, desk: &mut Desk) -> Answered {
        let attributes = rows::attributes(new.attributes.as_deref().unwrap_or(NO_ATTRIBUTES))?;
        let channel = match &new.channel {
            Some(named) => self.expect_channel(named)?,
            None => self.expect_channel(&TaskChannelRef::UniqueName(DEFAULT_CHANNEL.to_owned()))?,
        };
        expect_priority(new.priority)?;
        expect_virtual_start(new.virtual_start, desk.now)?;
        let timeout = new.timeout.unwrap_or(TIMEOUT_DEFAULT);
        if timeout.is_zero() || timeout > Duration::from_secs(u64::from(TASK_TIMEOUT_MAX)) {
            return Err(RoutingRefusal::Invalid(format!("Timeout must be between 1 and {TASK_TIMEOUT_MAX}")));
        }
        if let Some(workflow) = new.workflow.filter(|sid| !self.workflows.contains_key(sid)) {
            return Err(RoutingRefusal::Invalid(format!("WorkflowSid {workflow} is not a workflow of this workspace")));
        }
        if let Some(queue) = new.task_queue.filter(|sid| !self.queues.contains_key(sid)) {
            return Err(RoutingRefusal::Invalid(format!("TaskQueueSid {queue} is not a queue of this workspace")));
        }
        let (to, workflow) = match new.routing_target {
            None => (taskrouter::RoutingTarget::Workflow(self.the_workflow(new.workflow)?), None),
            Some(RoutingTarget::Workflow(workflow)) if self.workflows.contains_key(&workflow) => {
                (taskrouter::RoutingTarget::Workflow(workflow), None)
            }
            Some(RoutingTarget::Queue(queue)) if self.queues.contains_key(&queue) => {
                (taskrouter::RoutingTarget::Queue(queue), self.the_workflow(new.workflow).ok())
            }
            Some(RoutingTarget::Worker(worker)) if self.engine.worker(worker).is_some() => {
                let ignore_capacity = new.ignore_capacity.unwrap_or(true);
                let to = taskrouter::RoutingTarget::Worker { worker, ignore_capacity, queue: new.task_queue };
                (to, self.the_workflow(new.workflow).ok())
            }
            Some(target) => {
                return Err(RoutingRefusal::Invalid(format!("RoutingTarget {target} is not in this workspace")));
            }
        };
        let task = taskrouter::NewTask {
            sid: TaskSid::from_bits(desk.names.bits()),
            attributes,
            channel,
            priority: new.priority.unwrap_or_default(),
            timeout,
            virtual_start: new.virtual_start,
            to,
            workflow,
        };
        let note = TaskNote {
            updated: desk.now,
            version: 0,
            seq: desk.names.seq(),
            call: None,
            is_told: false,
            target: new.routing_target,
        };
        let sid = self.add_task(task, note, desk)?;
        self.answer_task(sid, desk)
    }

    /// Hands a task to the engine.
    pub(super) fn add_task(
        &mut self,
        task: taskrouter::NewTask,
        note: TaskNote,
        desk: &mut Desk,
    ) -> Result<TaskSid, RoutingRefusal> {
        let sid = task.sid;
        self.tasks.insert(sid, note);
        if let Err(refusal) = self.input(Input::CreateTask(task), desk) {
            self.tasks.remove(&sid);
            return Err(refusal);
        }
        desk.index.tasks.insert(sid, self.row.sid);
        Ok(sid)
    }

    /// The workflow that is named, or the only one there is.
    fn the_workflow(&self, named: Option<WorkflowSid>) -> Result<WorkflowSid, RoutingRefusal> {
        let mut all = self.workflows.keys().copied();
        match (named, all.next(), all.next()) {
            (Some(workflow), ..) | (None, Some(workflow), None) => Ok(workflow),
            (None, ..) => Err(RoutingRefusal::Missing("WorkflowSid")),
        }
    }

    fn expect_channel(&self, named: &TaskChannelRef) -> Result<TaskChannelSid, RoutingRefusal> {
        self.find_channel(named).ok_or_else(|| {
            let name = match named {
                TaskChannelRef::Sid(sid) => sid.to_string(),
                TaskChannelRef::UniqueName(name) => name.clone(),
            };
            RoutingRefusal::Invalid(format!("TaskChannel {name} is not in this workspace"))
        })
    }

    pub(super) fn update_task(
        &mut self,
        sid: TaskSid,
        if_match: Option<u32>,
        change: TaskUpdate,
        desk: &mut Desk,
    ) -> Answered {
        let status = self.expect_task(sid, if_match)?;
        // Where a worker has one task at a time, the end of its call completes it: whoever then wraps it up asks for
        // what is done already (taskrouter §6.2).
        let is_past = |to: AssignmentStatus| {
            !self.row.multi_task_enabled && (status, to) == (AssignmentStatus::Completed, AssignmentStatus::Wrapping)
        };
        let to = change.assignment_status.filter(|to| *to != status && !is_past(*to));
        if let Some(to) = to {
            expect_step(sid, status, to)?;
        }
        expect_priority(change.priority)?;
        expect_virtual_start(change.virtual_start, desk.now)?;
        let rest = TaskChange {
            attributes: change.attributes.as_deref().map(rows::attributes).transpose()?,
            channel: change.channel.as_ref().map(|named| self.expect_channel(named)).transpose()?,
            priority: change.priority,
            virtual_start: change.virtual_start,
        };
        if rest != TaskChange::default() {
            self.input(Input::UpdateTask { task: sid, change: rest }, desk)?;
        }
        if let Some(status) = to {
            self.input(Input::EndTask { task: sid, status, reason: change.reason }, desk)?;
        }
        self.answer_task(sid, desk)
    }

    pub(super) fn delete_task(&mut self, sid: TaskSid, if_match: Option<u32>, desk: &mut Desk) -> Answered {
        self.expect_task(sid, if_match)?;
        self.input(Input::DeleteTask(sid), desk)?;
        Ok(RoutingAnswer::Removed)
    }

    /// There is such a task, and it has not changed since.
    fn expect_task(&self, sid: TaskSid, if_match: Option<u32>) -> Result<AssignmentStatus, RoutingRefusal> {
        let task = self.engine.task(sid).ok_or(RoutingRefusal::NotFound)?;
        match if_match.filter(|version| *version != task.version) {
            Some(_) => Err(RoutingRefusal::PreconditionFailed),
            None => Ok(task.status),
        }
    }

    fn answer_task(&mut self, sid: TaskSid, desk: &mut Desk) -> Answered {
        let row = self.task(sid, desk.now).ok_or(RoutingRefusal::NotFound)?;
        Ok(RoutingAnswer::Row(Box::new(RoutingRow::Task(row))))
    }

    /// There is such a reservation where it was asked for, and it has not changed since.
    pub(super) fn expect_reservation(
        &self,
        sid: ReservationSid,
        of: ReservationOf,
        if_match: Option<u32>,
    ) -> Result<ReservationStatus, RoutingRefusal> {
        let reservation = self.engine.reservation(sid).filter(|reservation| match of {
            ReservationOf::Task(task) => reservation.task == task,
            ReservationOf::Worker(worker) => reservation.worker == worker,
        });
        let reservation = reservation.ok_or(RoutingRefusal::NotFound)?;
        match if_match.filter(|version| *version != reservation.version) {
            Some(_) => Err(RoutingRefusal::PreconditionFailed),
            None => Ok(reservation.status),
        }
    }

    pub(super) fn update_reservation(
        &mut self,
        sid: ReservationSid,
        change: ReservationUpdate,
        desk: &mut Desk,
    ) -> Answered {
        let status = self.engine.reservation(sid).map(|reservation| reservation.status);
        let status = status.ok_or(RoutingRefusal::NotFound)?;
        let (verb, wanted, input) = match change {
            ReservationUpdate::Accepted => ("accept", ReservationStatus::Accepted, Input::Accept(sid)),
            ReservationUpdate::Rejected { activity } => {
                if let Some(activity) = activity.filter(|activity| !self.activities.contains_key(activity)) {
                    let message = format!("Activity {activity} is not in this workspace");
                    return Err(RoutingRefusal::Coded { code: REJECT_ACTIVITY_UNKNOWN, message });
                }
                ("reject", ReservationStatus::Rejected, Input::Reject { reservation: sid, activity })
            }
            ReservationUpdate::Wrapping => ("wrap up", ReservationStatus::Wrapping, Input::Wrap(sid)),
            ReservationUpdate::Completed => ("complete", ReservationStatus::Completed, Input::Complete(sid)),
        };
        // What it has been already changes nothing, as with tasks; but two may not both accept.
        let is_so = status == wanted && matches!(wanted, ReservationStatus::Wrapping | ReservationStatus::Completed);
        if !is_so {
            let may = status.may_become(wanted);
            if !may {
                let state = if matches!(wanted, ReservationStatus::Accepted | ReservationStatus::Rejected) {
                    "in a Pending state"
                } else {
                    "accepted"
                };
                return Err(RoutingRefusal::Invalid(format!(
                    "Unable to {verb} Reservation {sid}. Reservation is not currently {state}."
                )));
            }
            self.input(input, desk)?;
        }
        self.answer_reservation(sid)
    }

    pub(super) fn answer_reservation(&self, sid: ReservationSid) -> Answered {
        let row = self.reservation(sid).ok_or(RoutingRefusal::NotFound)?;
        Ok(RoutingAnswer::Row(Box::new(RoutingRow::Reservation(row))))
    }

    #[allow(clippy::too_many_arguments)] // the parameters of §14.3
    pub(super) fn create_transfer(
        &mut self,
        worker: WorkerSid,
        task: TaskSid,
        reservation: ReservationSid,
        to: TransferTarget,
        mode: TransferMode,
        priority: Option<u32>,
        attributes: Option<&str>,
        desk: &mut Desk,
    ) -> Answered {
        self.expect_reservation(reservation, ReservationOf::Worker(worker), None)?;
        self.expect_reservation(reservation, ReservationOf::Task(task), None)?;
        expect_priority(priority)?;
        let is_known = match to {
            TransferTarget::Worker(worker) => self.engine.worker(worker).is_some(),
            TransferTarget::Queue(queue) => self.queues.contains_key(&queue),
        };
        if !is_known {
            return Err(RoutingRefusal::Invalid(format!("To {to} is not in this workspace")));
        }
        let sid = TransferSid::from_bits(desk.names.bits());
        let transfer = NewTransfer {
            sid,
            reservation,
            to,
            mode,
            priority,
            attributes: attributes.map(rows::attributes).transpose()?,
        };
        // Before the attributes are what the transfer makes of them.
        let hand_over = self.hand_over(reservation, mode);
        self.transfers.insert(sid, desk.names.seq());
        if let Err(refusal) = self.input(Input::Transfer(transfer), desk) {
            self.transfers.remove(&sid);
            return Err(refusal);
        }
        desk.follow_ups.extend(hand_over.map(FollowUp::HandOver));
        self.answer_transfer(sid)
    }

    pub(super) fn cancel_transfer(&mut self, worker: WorkerSid, sid: TransferSid, desk: &mut Desk) -> Answered {
        let is_theirs = self.engine.transfer_row(sid).is_some_and(|transfer| transfer.worker == worker);
        if !is_theirs {
            return Err(RoutingRefusal::NotFound);
        }
        self.input(Input::CancelTransfer(sid), desk)?;
        self.answer_transfer(sid)
    }

    fn answer_transfer(&self, sid: TransferSid) -> Answered {
        let row = self.transfer(sid).ok_or(RoutingRefusal::NotFound)?;
        Ok(RoutingAnswer::Row(Box::new(RoutingRow::Transfer(row))))
    }
}

/// A task may go from one state to another when it is asked to (taskrouter §6.2).
fn expect_step(sid: TaskSid, from: AssignmentStatus, to: AssignmentStatus) -> Result<(), RoutingRefusal> {
    let asked_for = matches!(to, AssignmentStatus::Canceled | AssignmentStatus::Wrapping | AssignmentStatus::Completed);
    if asked_for && from.may_become(to) {
        return Ok(());
    }
    Err(RoutingRefusal::Invalid(match to {
        AssignmentStatus::Wrapping => format!("Cannot wrap up task {sid} because it is not currently assigned."),
        AssignmentStatus::Completed => format!(
            "Cannot complete task {sid} in state {from}. Only tasks in state assigned or wrapping can be completed."
        ),
        AssignmentStatus::Canceled => format!(
            "Cannot cancel task {sid} in state {from}. Only tasks in state pending or reserved can be canceled."
        ),
        to => format!("Cannot update task {sid} from state {from} to state {to}."),
    }))
}

fn expect_priority(priority: Option<u32>) -> Result<(), RoutingRefusal> {
    match priority.filter(|priority| *priority > PRIORITY_MAX) {
        Some(_) => Err(RoutingRefusal::Invalid(format!("Priority must be between 0 and {PRIORITY_MAX}"))),
        None => Ok(()),
    }
}

fn expect_virtual_start(at: Option<Timestamp>, now: Timestamp) -> Result<(), RoutingRefusal> {
    match at {
        Some(at) if at > now => Err(RoutingRefusal::Invalid("VirtualStartTime may not be in the future".to_owned())),
        Some(at) if at < VIRTUAL_START_MIN => {
            Err(RoutingRefusal::Invalid("VirtualStartTime may not be before 1900".to_owned()))
        }
        _ => Ok(()),
    }
}

/// 1900-01-01 (taskrouter §6.1).
const VIRTUAL_START_MIN: Timestamp = Timestamp::from_micros(-2_208_988_800_000_000);
/// The task channel where none is named.
const DEFAULT_CHANNEL: &str = "default";
/// How old a task may become without being assigned, where nothing is said (taskrouter §6.1).
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(86_400);
/// `activity_sid` of a reject is unknown.
const REJECT_ACTIVITY_UNKNOWN: u16 = 40_100;
