//! Instructions of TaskRouter, carried out on live calls (taskrouter §7).
//!
//! Who is called and from whom is found as §7.3 says; the call itself is made like any other. What comes of it goes back
//! to TaskRouter: accepted, not answered, not reached, over.

use media::Command;
use model::{
    AccountSid, ActivitySid, CallSid, CallStatus, ConferenceSid, Direction, ReservationSid, ReservationStatus, TaskSid,
    Tuning, WorkspaceSid,
};
use tracing::info;

use super::Board;
use super::arrival::HOPS_MAX;
use super::control::url_of;
use super::placing::Order;
use crate::call::{Errand, LiveCall, Place};
use crate::command::{AudioUrl, ParticipantChange};
use crate::conference::Leaving;
use crate::conference_callback::ConferenceCallback;
use crate::entry::{Beep, Entry};
use crate::follow_up::FollowUp;
use crate::new_call::{Callee, NewRoom};
use crate::offer::{Aim, Customer, Meeting, Offer, Stay};
use crate::outbound::Plan;
use crate::routing::whom::{self, TaskCustomer, Whom, refuse, task_call, task_customer};
use crate::routing::{
    CallWorker, ConferWorker, Dequeue, HandOver, Instruction, LegFlags, Redirect, ReservationView, RoutingRefusal,
    SIP_RING_TIMEOUT_MAX, Supervise, SupervisorMode, TaskEnd, TaskView, WorkerLeg,
};
use crate::script::Source;
use crate::turn::Turn;
use crate::webhook::{OfferFacts, QueueResult, Remark};

/// Why an instruction could not be carried out.
enum Trouble {
    /// It does not fit; the reservation stays as it is.
    Unfit(RoutingRefusal),
    /// The call could not be made: the reservation is canceled, with this code.
    Unreachable(u16),
}

impl From<RoutingRefusal> for Trouble {
    fn from(refusal: RoutingRefusal) -> Self {
        Self::Unfit(refusal)
    }
}

/// What an instruction is carried out for, as it is now.
struct Job {
    reservation: ReservationSid,
    account: AccountSid,
    workspace: WorkspaceSid,
    task: TaskSid,
    attributes: taskrouter::Attributes,
    whom: Option<Whom>,
    facts: OfferFacts,
}

impl Board {
    /// Does what an application wants done about a reservation.
    pub(super) fn carry_out(&mut self, reservation: ReservationSid, instruction: &Instruction, turn: &mut Turn) {
        let Some(view) = turn.routing.reservation(reservation) else { return };
        let account = view.account;
        info!(reservation_sid = %reservation, task_sid = %view.task, instruction = instruction.name(), "instruction");
        let trouble = match self.job(&view, instruction, turn) {
            Ok(job) => self.begin_job(&job, instruction, turn).err(),
            Err(refusal) => Some(Trouble::Unfit(refusal)),
        };
        match trouble {
            None => {}
            Some(Trouble::Unfit(refusal)) => {
                let code = match &refusal {
                    RoutingRefusal::Coded { code, .. } => *code,
                    _ => COULD_NOT_BE_MADE,
                };
                self.tell_trouble(account, code, &refusal.to_string(), turn);
                turn.routing.put_down(reservation);
            }
            Some(Trouble::Unreachable(code)) => {
                let message = format!("the worker of reservation {reservation} could not be called");
                self.tell_trouble(account, code, &message, turn);
                self.offer_failed(reservation, code, turn);
            }
        }
    }

    fn tell_trouble(&self, account: AccountSid, code: u16, message: &str, turn: &mut Turn) {
        info!(error_code = code, "instruction: {message}");
        let remark = Remark { code, message: message.to_owned() };
        turn.notify(account, None, remark, None);
    }

    /// A reservation's worker cannot be had.
    fn offer_failed(&self, reservation: ReservationSid, code: u16, turn: &mut Turn) {
        if let Err(refusal) = turn.routing.fail(turn.now.wall, reservation, code) {
            info!(reservation_sid = %reservation, %refusal, "gone on meanwhile");
        }
    }

    fn job(&self, view: &ReservationView, instruction: &Instruction, turn: &Turn) -> Result<Job, RoutingRefusal> {
        let task: TaskView = turn.routing.task(view.task).ok_or(RoutingRefusal::NotFound)?;
        let worker = turn.routing.worker(view.workspace, view.worker).ok_or(RoutingRefusal::NotFound)?;
        let whom = whom::whom(instruction, task.attributes, worker.attributes)?;
        let facts = OfferFacts {
            task: view.task,
            reservation: view.sid,
            worker: view.worker,
            attributes: task.attributes.as_str().to_owned(),
            customer: task_call(task.attributes),
        };
        let (account, workspace) = (view.account, view.workspace);
        let attributes = task.attributes.clone();
        Ok(Job { reservation: view.sid, account, workspace, task: view.task, attributes, whom, facts })
    }

    fn begin_job(&mut self, job: &Job, instruction: &Instruction, turn: &mut Turn) -> Result<(), Trouble> {
        match instruction {
            Instruction::Conference(conference) => self.call_into_conference(job, conference, turn),
            Instruction::Dequeue(dequeue) => self.call_to_dequeue(job, dequeue, turn),
            Instruction::Call(call) => self.call_worker(job, call, turn),
            Instruction::Redirect(redirect) => self.redirect_for(job, redirect, turn),
            Instruction::Supervise(supervise) => self.supervise(job, supervise, turn),
            // Nothing is to be called for these.
            Instruction::Accept | Instruction::Reject { .. } => Ok(()),
        }
    }

    fn call_into_conference(&mut self, job: &Job, confer: &ConferWorker, turn: &mut Turn) -> Result<(), Trouble> {
        let instruction = Instruction::Conference(Box::new(confer.clone()));
        let room = self.room_of(job);
        let customer_entry = Entry {
            ends: confer.end_conference_on_customer_exit,
            beep: Beep::of(confer.beep_on_customer_entrance, false),
            ..Entry::default()
        };
        let customer = match (room, task_customer(&job.attributes)) {
            (Some(_), _) => Customer::There,
            (None, Some(TaskCustomer::Call(call))) if self.queues.waits(call, job.account, job.task) => {
                Customer::Waits { call, entry: customer_entry }
            }
            (None, Some(TaskCustomer::Call(_))) => {
                return Err(refuse(&instruction, 40_144, "the customer's call waits no longer").into());
            }
            (None, Some(TaskCustomer::Outbound(to))) => {
                let to = Callee::of_contact(&to).ok_or(Trouble::Unreachable(NUMBER_MALFORMED))?;
                let whom = job.whom.as_ref().map(|whom| whom.from.clone());
                let from = job.attributes.text(&["from"]).map(str::to_owned).or(whom).unwrap_or_default();
                Customer::ToCall { to, from, entry: customer_entry }
            }
            (None, None) => return Err(refuse(&instruction, 40_149, "its conference is over").into()),
        };
        let name = confer.room_name.clone().unwrap_or_else(|| job.task.to_string());
        let conference = match room {
            Some(room) => room,
            None => self.conference_named(job.account, &name, turn),
        };
        let entry = entry_of(&confer.flags);
        let plan = Plan { early_media: confer.flags.early_media, entry: Some(entry), ..Plan::default() };
        let placed = self.call_into(conference, &confer.room, turn, |board, room, turn| {
            board.place_offer(job, &confer.leg, Errand::Participant(conference), Some(room), plan, turn)
        });
        let call = placed.inspect_err(|_| self.forget_if_abandoned(conference))?;
        let meeting = Meeting { conference, customer, post_work: confer.post_work_activity };
        self.offered(job, call, Aim::Meet(Box::new(meeting)), turn);
        Ok(())
    }

    /// The conference that a task says it is in, if that is one of its account and goes on.
    fn room_of(&self, job: &Job) -> Option<ConferenceSid> {
        let room = whom::room_of(&job.attributes)?;
        let live = self.conferences.get(&room)?;
        (live.row.account_sid == job.account && live.is_shown()).then_some(room)
    }

    /// Keeps a place in a conference for a call that `place` makes.
    fn call_into(
        &mut self,
        id: ConferenceSid,
        room: &NewRoom,
        turn: &mut Turn,
        place: impl FnOnce(&mut Self, model::RoomId, &mut Turn) -> Result<CallSid, Trouble>,
    ) -> Result<CallSid, Trouble> {
        let Some(conference) = self.conferences.get_mut(&id) else {
            return Err(Trouble::Unreachable(COULD_NOT_BE_MADE));
        };
        conference.bound(room.participants_max as usize);
        if !conference.expect(turn.config.room_legs_max) {
            return Err(Trouble::Unreachable(CONFERENCE_FULL));
        }
        let (own, is_first) = (conference.room, !conference.is_shown());
        let call = place(self, own, turn);
        match (&call, &room.status_callback) {
            (Ok(_), Some(link)) => {
                let hook = (link.url.clone(), link.method);
                turn.journal.call_back(id, ConferenceCallback::new(hook, room.status_events), is_first);
            }
            (Ok(_), None) => {}
            (Err(_), _) => {
                if let Some(conference) = self.conferences.get_mut(&id) {
                    conference.expect_no_longer();
                }
            }
        }
        call
    }

    /// `dequeue` is a call whose document is ours: it takes the caller of the reservation out of the queue.
    fn call_to_dequeue(&mut self, job: &Job, dequeue: &Dequeue, turn: &mut Turn) -> Result<(), Trouble> {
        if !task_call(&job.attributes).is_some_and(|call| self.queues.waits(call, job.account, job.task)) {
            let instruction = Instruction::Dequeue(Box::new(dequeue.clone()));
            return Err(refuse(&instruction, 40_135, "the customer's call waits no longer").into());
        }
        let text = dequeue_document(job.reservation, dequeue.post_work_activity);
        let plan = Plan { source: Some(Source::Twiml { text, fallback: None }), ..Plan::default() };
        let call = self.place_offer(job, &dequeue.leg, Errand::Document, None, plan, turn)?;
        self.offered(job, call, Aim::Dequeue, turn);
        Ok(())
    }

    fn call_worker(&mut self, job: &Job, call: &CallWorker, turn: &mut Turn) -> Result<(), Trouble> {
        let source = Source::Hooks { voice: url_of(&call.url), fallback: None };
        let plan = Plan { source: Some(source), ..Plan::default() };
        let sid = self.place_offer(job, &call.leg, Errand::Document, None, plan, turn)?;
        self.offered(job, sid, Aim::Document { accept: call.accept }, turn);
        Ok(())
    }

    fn redirect_for(&mut self, job: &Job, redirect: &Redirect, turn: &mut Turn) -> Result<(), Trouble> {
        let instruction = Instruction::Redirect(Box::new(redirect.clone()));
        let live = self.calls.get(&redirect.call).filter(|call| call.row.account_sid == job.account);
        if !live.is_some_and(LiveCall::is_answered) {
            return Err(refuse(&instruction, 40_122, "there is no such call in progress").into());
        }
        if redirect.accept {
            turn.routing.accept(turn.now.wall, job.reservation)?;
        } else {
            turn.routing.put_down(job.reservation);
        }
        // Its caller goes where the application sends it, and the task goes on: it may be accepted later.
        if self.queues.task_of(redirect.call) == Some(job.task) {
            self.queues.release_task(redirect.call);
        }
        self.redirect(redirect.call, Source::Hooks { voice: url_of(&redirect.url), fallback: None }, turn);
        Ok(())
    }

    fn supervise(&mut self, job: &Job, supervise: &Supervise, turn: &mut Turn) -> Result<(), Trouble> {
        let instruction = Instruction::Supervise(supervise.clone());
        let worker = supervise.supervisor.parse().ok().and_then(|sid| turn.routing.worker(job.workspace, sid));
        let contact_uri = worker.and_then(|worker| worker.attributes.text(&["contact_uri"]));
        let (Whom { to, from }, _) = whom::supervisor(supervise, &job.attributes, contact_uri)?;
        let room =
            self.room_of(job).ok_or_else(|| refuse(&instruction, 40_146, "the task has no conference in progress"))?;
        let worker = job.attributes.text(&["conference", "participants", "worker"]).and_then(|sid| sid.parse().ok());
        let coach = worker.filter(|_| supervise.mode == SupervisorMode::Whisper);
        let entry = Entry { muted: supervise.mode == SupervisorMode::Monitor, coach, ..Entry::default() };
        let plan = Plan { entry: Some(entry), ..Plan::default() };
        let leg = WorkerLeg::default();
        self.call_into(room, &NewRoom::default(), turn, |board, own, turn| {
            // The supervisor is shown the customer's number (§7.8), which nobody else may be shown to call from.
            let (account, facts) = (job.account, job.facts.clone());
            board.place_for(account, (to, from), &leg, Errand::Participant(room), Some(own), plan, Some(facts), turn)
        })?;
        Ok(())
    }

    /// Makes the call of an instruction.
    fn place_offer(
        &mut self,
        job: &Job,
        leg: &WorkerLeg,
        errand: Errand,
        room: Option<model::RoomId>,
        plan: Plan,
        turn: &mut Turn,
    ) -> Result<CallSid, Trouble> {
        let Some(Whom { to, from }) = job.whom.clone() else { return Err(Trouble::Unreachable(COULD_NOT_BE_MADE)) };
        if matches!(to, Callee::Number(_)) && !turn.directory.may_call_from(job.account, &from) {
            return Err(Trouble::Unreachable(CALLER_NOT_USABLE));
        }
        self.place_for(job.account, (to, from), leg, errand, room, plan, Some(job.facts.clone()), turn)
    }

    #[expect(clippy::too_many_arguments, reason = "a leg, and what it is for")]
    fn place_for(
        &mut self,
        account: AccountSid,
        (to, from): (Callee, String),
        leg: &WorkerLeg,
        errand: Errand,
        room: Option<model::RoomId>,
        plan: Plan,
        offer: Option<OfferFacts>,
        turn: &mut Turn,
    ) -> Result<CallSid, Trouble> {
        if self.calls.len() >= turn.config.calls_max {
            self.counts.refused_full += 1;
            return Err(Trouble::Unreachable(COULD_NOT_BE_MADE));
        }
        // Whoever is called by SIP rings for no longer (§7.3), wherever the address comes from.
        let by_sip = matches!(to, Callee::Sip { .. });
        let ring_timeout = if by_sip { leg.ring_timeout.min(SIP_RING_TIMEOUT_MAX) } else { leg.ring_timeout };
        let order = Order {
            account,
            to,
            from,
            caller_id: None,
            display: None,
            parent: None,
            direction: Direction::OutboundApi,
            errand,
            room,
            credentials: leg.credentials.clone(),
            ring_timeout,
            limit: None,
            status: leg.status.clone(),
            max_forwards: HOPS_MAX,
            plan,
        };
        let sid = self.place(order, turn).map_err(|_| Trouble::Unreachable(NO_ROUTE))?;
        if let Some(call) = self.calls.get_mut(&sid) {
            call.facts.offer = offer.map(Box::new);
        }
        Ok(sid)
    }

    /// A worker is being called for a reservation; whoever was called for it before need not come.
    fn offered(&mut self, job: &Job, call: CallSid, aim: Aim, turn: &mut Turn) {
        let before = self.offers.remove(job.reservation);
        self.offers.insert(job.reservation, Offer { task: job.task, call, aim, accepted: false });
        if let Some(before) = before {
            turn.follow_ups.push_back(FollowUp::End { call: before.call, how: Leaving::HungUp, reason: None });
        }
    }

    /// A worker has answered, and is where it was to come to. False: nobody wants it any more.
    pub(super) fn worker_answered(&mut self, sid: CallSid, turn: &mut Turn) {
        if let Some(stay) = self.offers.customer_called(sid) {
            info!(conference_sid = %stay.conference, "customer answered");
            self.offers.customer_stays(sid, stay);
            return;
        }
        let Some(reservation) = self.offers.of_call(sid) else { return };
        let Some(offer) = self.offers.get(reservation) else { return };
        let task = offer.task;
        match offer.aim.clone() {
            Aim::Meet(meeting) => {
                if let Err(code) = self.meet(reservation, task, sid, &meeting, turn) {
                    self.offers.remove(reservation);
                    self.offer_failed(reservation, code, turn);
                    turn.follow_ups.push_back(FollowUp::End { call: sid, how: Leaving::HungUp, reason: None });
                }
            }
            // Its document takes the caller, and accepts.
            Aim::Dequeue => self.tell_worker_call(task, sid, turn),
            Aim::Document { accept } => {
                self.offers.remove(reservation);
                self.tell_worker_call(task, sid, turn);
                if !accept {
                    turn.routing.put_down(reservation);
                } else if let Err(refusal) = turn.routing.accept(turn.now.wall, reservation) {
                    info!(reservation_sid = %reservation, %refusal, "not accepted");
                    turn.follow_ups.push_back(FollowUp::End { call: sid, how: Leaving::HungUp, reason: None });
                }
            }
        }
    }

    /// The task says by which call its worker talks (§7.3).
    fn tell_worker_call(&self, task: TaskSid, worker: CallSid, turn: &mut Turn) {
        let worker = worker.to_string();
        if let Err(refusal) = turn.routing.enrich(turn.now.wall, task, &[(&["worker_call_sid"], &worker)]) {
            info!(task_sid = %task, %refusal, "the task was not told of its worker's call");
        }
    }

    /// The worker is in the room: the customer comes, the task says so, and then the reservation is accepted (§7.4).
    fn meet(
        &mut self,
        reservation: ReservationSid,
        task: TaskSid,
        worker: CallSid,
        meeting: &Meeting,
        turn: &mut Turn,
    ) -> Result<(), u16> {
        let conference = meeting.conference;
        // An application may have said while the phone rang that the worker has the task.
        let status = turn.routing.reservation(reservation).map(|view| view.status);
        if !matches!(status, Some(ReservationStatus::Pending | ReservationStatus::Accepted)) {
            return Err(COULD_NOT_BE_MADE);
        }
        let customer = match &meeting.customer {
            Customer::There => None,
            Customer::Waits { call, entry } => {
                self.bring_into(conference, task, *call, entry.clone(), turn)?;
                self.offers.customer_stays(*call, Stay { conference, task });
                Some(*call)
            }
            Customer::ToCall { to, from, entry } => {
                let stay = Stay { conference, task };
                Some(self.call_customer(stay, to.clone(), from.clone(), entry.clone(), turn)?)
            }
        };
        let Some(name) = self.conferences.get(&conference).map(|live| live.row.friendly_name.clone()) else {
            return Err(COULD_NOT_BE_MADE);
        };
        let (sid, worker_call) = (conference.to_string(), worker.to_string());
        let customer = customer.map(|call| call.to_string());
        let mut told: Vec<(&[&str], &str)> = vec![
            (&["conference", "room_name"], &name),
            (&["conference", "sid"], &sid),
            (&["conference", "participants", "worker"], &worker_call),
        ];
        told.extend(
            customer.iter().map(|call| (&["conference", "participants", "customer"] as &[&str], call.as_str())),
        );
        if let Err(refusal) = turn.routing.enrich(turn.now.wall, task, &told) {
            info!(task_sid = %task, %refusal, "the task was not told of its conference");
        }
        turn.routing.carried(reservation, worker, meeting.post_work, model::WorkEnd::Wrap);
        if status == Some(ReservationStatus::Pending) {
            turn.routing.accept(turn.now.wall, reservation).map_err(|_| COULD_NOT_BE_MADE)?;
        }
        if let Some(offer) = self.offers.get_mut(reservation) {
            offer.accepted = true;
        }
        Ok(())
    }

    /// A call goes out of its queue and into a room.
    fn bring_into(
        &mut self,
        id: ConferenceSid,
        task: TaskSid,
        sid: CallSid,
        entry: Entry,
        turn: &mut Turn,
    ) -> Result<(), u16> {
        let legs_max = turn.config.room_legs_max;
        let Some(conference) = self.conferences.get_mut(&id) else { return Err(COULD_NOT_BE_MADE) };
        if !self.queues.waits(sid, conference.row.account_sid, task) {
            return Err(COULD_NOT_BE_MADE);
        }
        if !conference.expect(legs_max) {
            return Err(CONFERENCE_FULL);
        }
        let room = conference.room;
        self.queues.release_task(sid);
        self.out_of_queue(sid, QueueResult::Bridged, turn);
        let Some(call) = self.calls.get_mut(&sid) else { return Err(COULD_NOT_BE_MADE) };
        let (leg, holds) = (call.leg, call.phone_holds);
        call.place = Place::Conference(id);
        call.leaves_on_star = false;
        turn.media.push(Command::StopPlay { leg });
        turn.media.push(Command::Move { leg, room, emit: 0, hear: 0 });
        if let Some(conference) = self.conferences.get_mut(&id) {
            conference.join(sid, leg, holds, entry, turn);
        }
        Ok(())
    }

    /// The customer of an outbound task is called into the room of the worker.
    fn call_customer(
        &mut self,
        stay: Stay,
        to: Callee,
        from: String,
        entry: Entry,
        turn: &mut Turn,
    ) -> Result<CallSid, u16> {
        let id = stay.conference;
        let Some(account) = self.conferences.get(&id).map(|live| live.row.account_sid) else {
            return Err(COULD_NOT_BE_MADE);
        };
        let plan = Plan { early_media: true, ..Plan::default() };
        let placed = self.call_into(id, &NewRoom::default(), turn, |board, own, turn| {
            let leg = WorkerLeg::default();
            if matches!(to, Callee::Number(_)) && !turn.directory.may_call_from(account, &from) {
                return Err(Trouble::Unreachable(CALLER_NOT_USABLE));
            }
            board.place_for(account, (to, from), &leg, Errand::Participant(id), Some(own), plan, None, turn)
        });
        let call = placed.map_err(|trouble| match trouble {
            Trouble::Unreachable(code) => code,
            Trouble::Unfit(_) => COULD_NOT_BE_MADE,
        })?;
        self.offers.calls_customer(call, stay);
        if let Some(conference) = self.conferences.get_mut(&id) {
            conference.invite(call, entry, turn);
        }
        Ok(call)
    }

    /// A worker hands its task on (§15): the customer waits on hold, and a worker who does not stay goes at once. The room
    /// stays, whatever was said of its end.
    pub(super) fn hand_over(&mut self, over: HandOver, turn: &mut Turn) {
        let HandOver { account, conference: id, customer, leaves } = over;
        let room = self.conferences.get_mut(&id).filter(|room| room.row.account_sid == account);
        let Some(room) = room else { return };
        let held = ParticipantChange { hold: Some(true), ..ParticipantChange::default() };
        if let Some(Err(refusal)) = customer.map(|customer| room.update(customer, &held, turn)) {
            info!(conference_sid = %id, ?refusal, "the customer was not put on hold");
        }
        let stays = ParticipantChange { end_conference_on_exit: Some(false), ..ParticipantChange::default() };
        if let Some(leg) = leaves.filter(|leg| room.update(*leg, &stays, turn).is_ok()) {
            self.kick(id, leg, turn);
        }
    }

    /// A participant has left its conference: if it was the worker of a task, the work is over (§7.4).
    pub(super) fn worker_left(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(reservation) = self.offers.of_call(sid) else { return };
        if self.offers.get(reservation).is_some_and(|offer| offer.accepted && matches!(offer.aim, Aim::Meet(_))) {
            self.offers.remove(reservation);
            if let Err(refusal) = turn.routing.work_over(turn.now.wall, reservation) {
                info!(reservation_sid = %reservation, %refusal, "its work was over already");
            }
        }
    }

    /// A call has left a conference: if it was there as the customer of a task, nobody need come to it any more (§15).
    pub(super) fn customer_left(&mut self, call: CallSid, conference: ConferenceSid, turn: &mut Turn) {
        let Some(task) = self.offers.customer_left(call, conference) else { return };
        if let Err(refusal) = turn.routing.customer_left(turn.now.wall, task) {
            info!(task_sid = %task, %refusal, "its customer has left");
        }
    }

    /// A call is over: whoever offered something to it, or waited for it, is told what became of it (§7.3).
    pub(super) fn offer_over(&mut self, call: &LiveCall, turn: &mut Turn) {
        if let Some(stay) = self.offers.customer_called(call.sid()) {
            // The customer of an outbound task was not reached: nobody is to be left in the room.
            let _over = self.complete_conference(stay.conference, turn);
        }
        self.worker_left(call.sid(), turn);
        let Some(reservation) = self.offers.of_call(call.sid()) else { return };
        let Some(offer) = self.offers.remove(reservation) else { return };
        if offer.accepted {
            return;
        }
        let told = match call.row.status {
            // Nobody is registered there, or whoever is cannot be had.
            CallStatus::NoAnswer if call.sip_code == Some(480) && !call.rang => {
                turn.routing.fail(turn.now.wall, reservation, NO_ROUTE)
            }
            CallStatus::NoAnswer => turn.routing.no_answer(turn.now.wall, reservation),
            // Canceled by us, or by an application: nobody has said no.
            CallStatus::Canceled | CallStatus::Completed => {
                let code = match offer.aim {
                    Aim::Meet(_) => COULD_NOT_BE_MADE,
                    Aim::Dequeue => 40_133,
                    Aim::Document { .. } => 40_113,
                };
                turn.routing.fail(turn.now.wall, reservation, code)
            }
            _ => turn.routing.fail(turn.now.wall, reservation, NO_ROUTE),
        };
        if let Err(refusal) = told {
            info!(reservation_sid = %reservation, %refusal, "gone on meanwhile");
        }
    }

    /// A worker's call is given another document before it has come to anything: the application has its own way with it,
    /// and with the reservation.
    pub(super) fn offer_given_up(&mut self, call: CallSid, turn: &mut Turn) {
        let Some(reservation) = self.offers.of_call(call) else { return };
        if self.offers.get(reservation).is_some_and(|offer| !offer.accepted) {
            self.offers.remove(reservation);
            turn.routing.put_down(reservation);
        }
    }

    /// A reservation is pending no longer, and not by what its worker's phone did: it need not ring on.
    pub(super) fn offer_withdrawn(&mut self, reservation: ReservationSid, turn: &mut Turn) {
        let Some(offer) = self.offers.get(reservation).filter(|offer| !offer.accepted) else { return };
        let call = offer.call;
        self.offers.remove(reservation);
        turn.follow_ups.push_back(FollowUp::End { call, how: Leaving::HungUp, reason: None });
    }

    /// A task has ended that a caller may still wait for: its document goes on (twiml §7.3).
    pub(super) fn task_ended(&mut self, task: TaskSid, call: CallSid, end: &TaskEnd, turn: &mut Turn) {
        info!(task_sid = %task, ?end, "task ended");
        if self.queues.task_of(call) == Some(task) {
            self.queues.release_task(call);
            self.leave_queue(call, QueueResult::Leave, turn);
        }
    }

    /// A caller waits for its task no longer, and not because a worker has it: the task is canceled, and workers who
    /// are being called for it need not come.
    pub(super) fn caller_gone(&mut self, task: TaskSid, result: QueueResult, turn: &mut Turn) {
        for reservation in self.offers.of_task(task) {
            self.offer_withdrawn(reservation, turn);
        }
        if let Err(refusal) = turn.routing.caller_gone(turn.now.wall, task, result) {
            info!(task_sid = %task, %refusal, "somebody has the task");
        }
    }
}

/// What a worker who is to take a caller out of a queue does.
fn dequeue_document(reservation: ReservationSid, post_work: Option<ActivitySid>) -> String {
    let post_work = post_work.map_or_else(String::new, |sid| format!(" postWorkActivitySid=\"{sid}\""));
    format!("<Response><Dial><Queue reservationSid=\"{reservation}\"{post_work}/></Dial></Response>")
}

fn entry_of(flags: &LegFlags) -> Entry {
    Entry {
        label: None,
        muted: flags.muted,
        coach: None,
        starts: flags.start_conference_on_enter,
        ends: flags.end_conference_on_exit,
        beep: Beep::of(flags.beep_on_enter, flags.beep_on_exit),
        wait: match &flags.wait {
            twiml::WaitAudio::Playlist => None,
            twiml::WaitAudio::Silence => Some(AudioUrl { url: String::new(), method: model::HttpMethod::Get }),
            twiml::WaitAudio::Url(link) => Some(url_of(link)),
        },
        hold: None,
        tuning: Tuning { jitter_buffer_size: flags.jitter_buffer_size, ..Tuning::default() },
    }
}

/// The contract's codes of a call that cannot be made: the number is none, …
const NUMBER_MALFORMED: u16 = 13_223;
/// … nothing leads to it, …
const NO_ROUTE: u16 = 13_224;
/// … it may not be shown who calls, …
const CALLER_NOT_USABLE: u16 = 13_247;
/// … or the room takes nobody more.
const CONFERENCE_FULL: u16 = 16_020;
/// Whatever else kept an instruction's call from being made.
const COULD_NOT_BE_MADE: u16 = 40_145;
