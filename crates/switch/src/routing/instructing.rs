//! What is to be done about a reservation: asked of the application, and handed on (taskrouter §7.2, §7.3, §8).

use std::sync::Arc;

use model::{ActivitySid, Exchange, ReservationSid, ReservationStatus, TaskSid, WorkerSid};
use taskrouter::Attributes;

use super::assignment::{Assignment, AssignmentId};
use super::desk::{Asked, Desk};
use super::instruction::Instruction;
use super::live::Live;
use super::{ReservationUpdate, RoutingRefusal, Workspaces};
use crate::effect::Effect;
use crate::follow_up::FollowUp;
use crate::webhook::{AskFailed, Remark};

impl Live {
    /// Asks the application what to do with a new reservation, if its workflow says where.
    pub(super) fn ask(&mut self, task: TaskSid, worker: WorkerSid, reservation: ReservationSid, desk: &mut Desk) {
        let (Some(task), Some(worker)) = (self.engine.task(task), self.engine.worker(worker)) else { return };
        let Some(workflow) = task.workflow.and_then(|sid| self.workflows.get(&sid)) else { return };
        let Some(url) = workflow.assignment_callback_url.clone() else { return };
        if desk.index.assignments.len() >= ASSIGNMENTS_MAX {
            let message = format!("{url} was not asked: too many requests are under way");
            return desk.notify_error(self.row.account_sid, NOT_ASKED, message);
        }
        desk.index.last_assignment += 1;
        let id = AssignmentId(desk.index.last_assignment);
        desk.index.assignments.insert(id, Asked { account: self.row.account_sid, reservation });
        desk.effects.push(Effect::Assign(Box::new(Assignment {
            id,
            account: self.row.account_sid,
            workspace: self.row.sid,
            workflow: workflow.sid,
            task_queue: task.queue,
            worker: worker.sid,
            worker_attributes: worker.attributes.as_str().to_owned(),
            task: task.sid,
            task_attributes: task.attributes.as_str().to_owned(),
            task_age: desk.now.since(task.created),
            task_priority: task.priority,
            reservation,
            at: desk.now,
            url,
            fallback_url: workflow.fallback_assignment_callback_url.clone(),
        })));
    }

    /// Asks about some of the reservations from before a restart that are pending still: whoever was asked may not have
    /// answered, and what was being done about it ended with the process. True: there are more.
    pub(super) fn ask_again(&mut self, most: usize, desk: &mut Desk) -> bool {
        for _ in 0..most {
            let Some(sid) = self.unasked.pop_front() else { return false };
            let is_carried = self.reservations.get(&sid).is_some_and(|note| note.is_carried);
            let pending = self.engine.reservation(sid);
            let pending = pending.filter(|row| row.status == ReservationStatus::Pending && row.times_out > desk.now);
            if let Some((task, worker)) = pending.filter(|_| !is_carried).map(|row| (row.task, row.worker)) {
                self.ask(task, worker, sid, desk);
            }
        }
        !self.unasked.is_empty()
    }

    /// Does what an instruction says, or has it done, if it can be. The reservation exists.
    pub(super) fn instruct(
        &mut self,
        sid: ReservationSid,
        instruction: Instruction,
        desk: &mut Desk,
    ) -> Result<(), RoutingRefusal> {
        match instruction {
            Instruction::Accept => return self.update_reservation(sid, ReservationUpdate::Accepted, desk).map(drop),
            Instruction::Reject { activity } => {
                return self.update_reservation(sid, ReservationUpdate::Rejected { activity }, desk).map(drop);
            }
            _ => self.expect_feasible(sid, &instruction)?,
        }
        // Who is supervised has accepted already: nothing about the offer changes.
        if !matches!(instruction, Instruction::Supervise(_))
            && let Some(note) = self.reservations.get_mut(&sid)
        {
            note.is_carried = true;
        }
        desk.follow_ups.push_back(FollowUp::CarryOut { reservation: sid, instruction: Box::new(instruction) });
        Ok(())
    }

    /// Whether all is there that an instruction needs.
    fn expect_feasible(&self, sid: ReservationSid, instruction: &Instruction) -> Result<(), RoutingRefusal> {
        let reservation = self.engine.reservation(sid).ok_or(RoutingRefusal::NotFound)?;
        let name = instruction.name();
        let refuse = |code: u16, what: &str| {
            let mut letters = name.chars();
            let title: String =
                letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
            Err(RoutingRefusal::Coded { code, message: format!("Unable to execute {title} instruction. {what}") })
        };
        let status = reservation.status;
        let codes = Codes::of(instruction);
        if matches!(instruction, Instruction::Supervise(_)) {
            if status != ReservationStatus::Accepted {
                return refuse(codes.state, &format!("Reservation {sid} is not currently accepted."));
            }
        } else {
            let is_carried = self.reservations.get(&sid).is_some_and(|note| note.is_carried);
            if status != ReservationStatus::Pending {
                return refuse(codes.state, &format!("Reservation {sid} is not currently in a Pending state."));
            }
            if is_carried {
                return refuse(codes.state, &format!("An instruction for Reservation {sid} is being executed."));
            }
        }
        let (Some(task), Some(worker)) = (self.engine.task(reservation.task), self.engine.worker(reservation.worker))
        else {
            return Err(RoutingRefusal::NotFound);
        };
        if reservation.transfer.is_some() {
            match instruction {
                Instruction::Supervise(_) => {}
                Instruction::Conference(_) if room_of(&task.attributes).is_some() => {}
                Instruction::Conference(_) => {
                    return refuse(NO_ROOM, "The transferred task has no conference_sid attribute.");
                }
                _ => return refuse(NOT_FOR_TRANSFERS, "It is not allowed on a transferred task."),
            }
        }
        let has = |path: &str| task.attributes.text(&[path]).is_some_and(|text| !text.trim().is_empty());
        let reaches = |leg: &super::WorkerLeg| {
            let contact_uri = worker.attributes.text(&["contact_uri"]);
            leg.to.is_some() || contact_uri.is_some_and(|address| !address.trim().is_empty())
        };
        let knows = |activity: Option<ActivitySid>| activity.is_none_or(|sid| self.activities.contains_key(&sid));
        let was_dialled = has("to") || has("called");
        match instruction {
            Instruction::Dequeue(dequeue) => {
                if !knows(dequeue.post_work_activity) {
                    return refuse(codes.activity, "PostWorkActivitySid is not an activity of this workspace.");
                }
                if !has("call_sid") {
                    return refuse(NO_CALL, "The task has no call_sid attribute.");
                }
                if !reaches(&dequeue.leg) {
                    return refuse(codes.to, "To is missing, and the worker has no contact_uri.");
                }
                if dequeue.leg.from.is_none() && !was_dialled {
                    return refuse(codes.from, "From is missing.");
                }
            }
            Instruction::Conference(conference) => {
                if !knows(conference.post_work_activity) {
                    return refuse(codes.activity, "PostWorkActivitySid is not an activity of this workspace.");
                }
                if !has("call_sid") && !has("outbound_to") && room_of(&task.attributes).is_none() {
                    return refuse(NO_CUSTOMER, "The task has neither a call_sid nor an outbound_to attribute.");
                }
                if !reaches(&conference.leg) {
                    return refuse(codes.to, "To is missing, and the worker has no contact_uri.");
                }
                if conference.leg.from.is_none() && !was_dialled && !has("from") {
                    return refuse(codes.from, "From is missing.");
                }
            }
            Instruction::Call(call) => {
                if !reaches(&call.leg) {
                    return refuse(codes.to, "To is missing, and the worker has no contact_uri.");
                }
                if call.leg.from.is_none() {
                    return refuse(codes.from, "From is missing.");
                }
            }
            Instruction::Supervise(supervise) => {
                let contact_uri = self.contact_uri(&supervise.supervisor);
                return super::whom::supervisor(supervise, &task.attributes, contact_uri).map(drop);
            }
            _ => {}
        }
        // Both ends can be called, too: an address that is there may still be none.
        super::whom::whom(instruction, &task.attributes, &worker.attributes).map(drop)
    }

    /// Where a supervisor who is a worker is called.
    fn contact_uri(&self, supervisor: &str) -> Option<&str> {
        self.engine.worker(supervisor.parse().ok()?)?.attributes.text(&["contact_uri"])
    }
}

impl Workspaces {
    /// An application has said what is to be done with a reservation, or has not.
    pub(crate) fn assigned(
        &mut self,
        id: AssignmentId,
        outcome: Result<Option<Instruction>, AskFailed>,
        remarks: Vec<Remark>,
        exchange: &Arc<Exchange>,
        desk: &mut Desk,
    ) {
        let Some(Asked { account, reservation }) = desk.index.assignments.remove(&id) else { return };
        for remark in remarks {
            desk.notify(account, remark, Some(Arc::clone(exchange)));
        }
        let instruction = match outcome {
            Ok(Some(instruction)) => instruction,
            Ok(None) => return,
            Err(AskFailed { code, message, .. }) => {
                let remark = Remark { code, message };
                return desk.notify(account, remark, Some(Arc::clone(exchange)));
            }
        };
        // It may be gone by now: then nobody needs to know.
        let Some(workspace) = desk.index.reservations.get(&reservation).copied() else { return };
        let Some(live) = self.touch(workspace) else { return };
        if let Err(refusal) = live.instruct(reservation, instruction, desk) {
            let (code, message) = match refusal {
                RoutingRefusal::Coded { code, message } => (code, message),
                other => (NOT_DONE, other.to_string()),
            };
            let remark = Remark { code, message };
            desk.notify(account, remark, Some(Arc::clone(exchange)));
        }
    }
}

/// The conference a transferred task's caller is in.
fn room_of(attributes: &Attributes) -> Option<&str> {
    attributes.text(&["conference", "sid"]).or_else(|| attributes.text(&["conference_sid"]))
}

/// How an instruction's failures are numbered (`contract/vectors/errors.json`).
struct Codes {
    to: u16,
    from: u16,
    activity: u16,
    state: u16,
}

impl Codes {
    fn of(instruction: &Instruction) -> Self {
        let (to, from, activity, state) = match instruction {
            Instruction::Dequeue(_) => (40_131, 40_132, 40_130, 40_135),
            Instruction::Call(_) => (40_110, 40_111, NOT_DONE, 40_114),
            Instruction::Redirect(_) => (40_121, 40_121, NOT_DONE, 40_123),
            Instruction::Conference(_) => (40_137, 40_138, 40_139, 40_136),
            Instruction::Supervise(_) => (40_147, 40_148, NOT_DONE, 40_146),
            Instruction::Accept | Instruction::Reject { .. } => (NOT_DONE, NOT_DONE, 40_100, NOT_DONE),
        };
        Self { to, from, activity, state }
    }
}

/// Applications that may be asked at once; past that, reservations stay pending.
const ASSIGNMENTS_MAX: usize = 16_384;
/// An application could not be asked.
const NOT_ASKED: u16 = 11_200;
/// What has no number of its own.
const NOT_DONE: u16 = 20_001;
/// A task to be dequeued has no call.
const NO_CALL: u16 = 40_140;
/// A task for a conference has nobody to talk with.
const NO_CUSTOMER: u16 = 40_142;
/// A transferred task has no conference.
const NO_ROOM: u16 = 40_149;
/// An instruction that a transferred task cannot be served by.
const NOT_FOR_TRANSFERS: u16 = 40_151;
