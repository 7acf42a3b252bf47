//! What the control layer asks for: calls, conferences, participants, queues.

use model::{AccountSid, AccountStatus, CallSid, CallStatus, ConferenceSid, Direction, Participant};
use tracing::{Span, info};

use super::Board;
use super::arrival::{HOPS_MAX, audio_url};
use super::placing::{NoRoute, Order};
use crate::call::{Errand, LiveCall, Place};
use crate::command::{Answer, AudioUrl, CallEnd, Command, ConferenceRef, ParticipantRef, Refusal};
use crate::conference::Leaving;
use crate::conference_callback::ConferenceCallback;
use crate::entry::{Beep, Entry};
use crate::new_call::{CallChange, Instructions, NewCall, NewLeg, NewParticipant};
use crate::outbound::Plan;
use crate::progress::Progress;
use crate::script::{Doing, Role, ScriptId, Source};
use crate::turn::Turn;
use crate::webhook::{Purpose, QueueResult, Remark};

impl Board {
    /// Does what the control layer asks, or says why not.
    pub(crate) fn command(&mut self, command: Command, turn: &mut Turn) -> Result<Answer, Refusal> {
        match command {
            Command::CreateCall(new) => self.create_call(*new, turn),
            Command::UpdateCall(change) => self.update_call(*change, turn),
            Command::MeasureCall { account, call } => {
                let call = self.calls.get(&call).filter(|call| call.row.account_sid == account);
                let leg = call.and_then(|call| self.legs.get(&call.leg)).ok_or(Refusal::CallNotFound)?;
                Ok(Answer::Measured(leg.measured))
            }
            Command::UpdateConference { account, conference, complete, announce } => {
                let sid = self.find_conference(account, &conference).ok_or(Refusal::ConferenceNotFound)?;
                if complete {
                    return self.complete_conference(sid, turn);
                }
                let conference = self.conferences.get_mut(&sid).ok_or(Refusal::ConferenceNotFound)?;
                if let Some(announce) = announce {
                    conference.announce(&announce, turn);
                }
                Ok(Answer::Conference(conference.row.clone()))
            }
            Command::CreateParticipant(new) => self.create_participant(*new, turn),
            Command::UpdateParticipant { account, conference, participant, change } => {
                let (sid, call) = self.find_participant(account, &conference, &participant)?;
                let span = self.calls.get(&call).map(|call| call.span.clone()).unwrap_or_else(Span::none);
                let _in_call = span.enter();
                let conference = self.conferences.get_mut(&sid).ok_or(Refusal::ConferenceNotFound)?;
                conference.update(call, &change, turn).map(Answer::Participant)
            }
            Command::RemoveParticipant { account, conference, participant } => {
                let (sid, call) = self.find_participant(account, &conference, &participant)?;
                self.kick(sid, call, turn);
                Ok(Answer::Removed)
            }
            Command::MoveParticipant { account, conference, participant, to } => {
                self.move_participant(account, &conference, &participant, &to, turn).map(Answer::Participant)
            }
            Command::Routing(command) => Ok(Answer::Routing(Box::new(turn.route(*command)?))),
            Command::Queue(command) => self.queue_command(command, turn),
            Command::Stream(command) => self.stream_command(command, turn),
            Command::SetAccountStatus { account, status } => {
                if status == AccountStatus::Closed {
                    self.end_calls_of(account, turn);
                }
                Ok(Answer::AccountStatus(status))
            }
            // Changed before a turn begins, so that a turn may share it.
            Command::Directory(_) => Err(Refusal::Overloaded),
        }
    }

    fn create_call(&mut self, new: NewCall, turn: &mut Turn) -> Result<Answer, Refusal> {
        turn.directory.admit_call(&new)?;
        let mut leg = new.leg;
        let source = match new.instructions {
            Instructions::Twiml(text) => Source::Twiml { text, fallback: new.fallback.as_ref().map(url_of) },
            Instructions::Link(link) => {
                Source::Hooks { voice: url_of(&link), fallback: new.fallback.as_ref().map(url_of) }
            }
            Instructions::Application(sid) => {
                let application = turn.directory.application(new.account, sid).ok_or(Refusal::ApplicationUnknown)?;
                let hooks = &application.voice;
                if let Some(url) = hooks.status_callback.url.clone() {
                    let method = hooks.status_callback.method;
                    leg.status = twiml::CallCallback {
                        link: Some(twiml::Link { url, method }),
                        completed: true,
                        ..Default::default()
                    };
                }
                let voice = audio_url(&hooks.voice).ok_or(Refusal::ApplicationUnknown)?;
                Source::Hooks { voice, fallback: audio_url(&hooks.fallback) }
            }
        };
        let plan = Plan { source: Some(source), ..plan_of(&leg) };
        let sid = self.place_leg(new.account, leg, None, Errand::Document, None, plan, turn)?;
        self.calls.get(&sid).map(|call| Answer::Call(call.row.clone())).ok_or(Refusal::NoRoute)
    }

    #[expect(clippy::too_many_arguments, reason = "a leg, and what it is for")]
    fn place_leg(
        &mut self,
        account: AccountSid,
        leg: NewLeg,
        display: Option<String>,
        errand: Errand,
        room: Option<model::RoomId>,
        plan: Plan,
        turn: &mut Turn,
    ) -> Result<CallSid, Refusal> {
        if self.calls.len() >= turn.config.calls_max {
            return Err(Refusal::Overloaded);
        }
        let order = Order {
            account,
            to: leg.to,
            from: leg.from,
            caller_id: leg.caller_id,
            display,
            parent: None,
            direction: Direction::OutboundApi,
            errand,
            room,
            credentials: leg.credentials,
            ring_timeout: leg.ring_timeout,
            limit: leg.time_limit,
            status: leg.status,
            max_forwards: HOPS_MAX,
            plan,
        };
        let sid = self.place(order, turn).map_err(|NoRoute| Refusal::NoRoute)?;
        for remark in leg.remarks {
            turn.notify(account, Some(sid), remark, None);
        }
        Ok(sid)
    }

    fn update_call(&mut self, change: CallChange, turn: &mut Turn) -> Result<Answer, Refusal> {
        let CallChange { account, call: sid, end, instructions, fallback, status_callback, time_limit } = change;
        let call = self.calls.get_mut(&sid).filter(|call| call.row.account_sid == account);
        let call = call.ok_or(Refusal::CallNotFound)?;
        let ends = match end {
            Some(CallEnd::Completed) => true,
            Some(CallEnd::Canceled) => !call.is_answered(),
            None => false,
        };
        if instructions.is_some() && !ends && end.is_none() && !call.is_answered() {
            return Err(Refusal::NotInProgress);
        }
        if let Some(link) = status_callback {
            call.progress = Some(Progress::told_to(link.url.clone(), link.method, call.progress.as_ref()));
        }
        if let Some(limit) = time_limit {
            call.limit_s = Some(u32::try_from(limit.as_secs()).unwrap_or(u32::MAX));
            if call.is_answered() {
                let talked = call.row.answered.map(|since| turn.now.wall.since(since)).unwrap_or_default();
                call.limit_to(limit.saturating_sub(talked), turn);
            }
        }
        if ends {
            let row = self.remove_call(sid, Leaving::CallEnded, None, turn);
            return row.map(Answer::Call).ok_or(Refusal::CallNotFound);
        }
        if let (Some(instructions), None) = (instructions, end) {
            let source = match instructions {
                Instructions::Twiml(text) => Source::Twiml { text, fallback: fallback.as_ref().map(url_of) },
                Instructions::Link(link) => {
                    Source::Hooks { voice: url_of(&link), fallback: fallback.as_ref().map(url_of) }
                }
                Instructions::Application(_) => return Err(Refusal::ApplicationUnknown),
            };
            self.redirect(sid, source, turn);
        }
        self.calls.get(&sid).map(|call| Answer::Call(call.row.clone())).ok_or(Refusal::CallNotFound)
    }

    /// Gives a live call another document: whatever it was doing ends (rest-voice §3.3).
    pub(super) fn redirect(&mut self, sid: CallSid, source: Source, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        info!("redirected");
        let (place, script, dial, taken_by) = (call.place, call.script, call.dial.take(), call.taken_by);
        let errand = std::mem::replace(&mut call.errand, Errand::Document);
        if let Some(plan) = call.plan.as_mut() {
            plan.give_up();
        }
        let status = call.row.status;
        if let Place::Conference(conference) = place {
            self.leave_conference(conference, sid, Leaving::Redirected, turn);
            self.worker_left(sid, turn);
            self.no_longer_bridged(script);
        }
        self.offer_given_up(sid, turn);
        self.out_of_queue(sid, QueueResult::Redirected, turn);
        if let Some(dial) = dial {
            self.abandon_dial(dial, turn);
        }
        if let Some(dial) = taken_by {
            self.guest_over(dial, sid, script, Leaving::Redirected, turn);
        }
        match errand {
            Errand::Callee(dial) => self.callee_taken(dial, sid, turn),
            // It was answered, and had keys to press before it would have joined.
            Errand::Participant(conference) => self.not_invited(conference, sid, status, turn),
            Errand::Document | Errand::Room { .. } => {}
        }
        let scripts = self.calls.get(&sid).map(|call| call.scripts.clone()).unwrap_or_default();
        for id in scripts {
            if Some(id) == script {
                self.replaced(id, turn);
            }
            self.drop_script(id, turn);
        }
        self.end_connected_streams_of(sid, turn);
        if let Some(call) = self.calls.get_mut(&sid) {
            call.go_home(turn);
        }
        turn.start_script(sid, Role::Main, source);
    }

    /// A caller that a worker talked to is given something else to do (twiml §7.3).
    fn no_longer_bridged(&mut self, script: Option<ScriptId>) {
        let script = script.and_then(|id| self.scripts.get_mut(&id));
        if let Some(Purpose::Enqueue { result, .. }) = script.and_then(|script| script.result.as_mut()) {
            *result = QueueResult::RedirectedFromBridged;
        }
    }

    /// Another document runs in place of this one: what its verb owes its action is told (twiml §7.3).
    fn replaced(&mut self, id: ScriptId, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        if matches!(script.doing, Doing::Asking { .. }) {
            return;
        }
        let sid = script.call;
        let Some(interpreter) = script.interpreter.as_mut() else { return };
        if let twiml::Step::Tell { link, with } = interpreter.next(twiml::Outcome::Replaced) {
            let purpose = self.purpose(id, with);
            self.tell_action(sid, &link, purpose, turn);
        }
    }

    /// Takes a participant out: its own document goes on, if it has one (rest-voice §5.1).
    pub(super) fn kick(&mut self, conference: ConferenceSid, sid: CallSid, turn: &mut Turn) {
        let script = self.calls.get(&sid).and_then(|call| call.script);
        let Some(script) = script else {
            self.remove_call(sid, Leaving::Kicked, None, turn);
            return;
        };
        self.leave_conference(conference, sid, Leaving::Kicked, turn);
        self.worker_left(sid, turn);
        if let Some(call) = self.calls.get_mut(&sid) {
            call.go_home(turn);
        }
        self.conference_left(script, turn);
    }

    fn create_participant(&mut self, new: NewParticipant, turn: &mut Turn) -> Result<Answer, Refusal> {
        turn.directory.admit_leg(new.account, &new.leg)?;
        let id = match &new.conference {
            ConferenceRef::Sid(_) => {
                self.find_conference(new.account, &new.conference).ok_or(Refusal::ConferenceNotFound)?
            }
            ConferenceRef::Name(name) => self.conference_named(new.account, name, turn),
        };
        let added = self.add_participant(id, new, turn);
        if added.is_err() {
            self.forget_if_abandoned(id);
        }
        added.map(Answer::Participant)
    }

    fn add_participant(
        &mut self,
        id: ConferenceSid,
        new: NewParticipant,
        turn: &mut Turn,
    ) -> Result<Participant, Refusal> {
        let legs_max = turn.config.room_legs_max;
        let conference = self.conferences.get_mut(&id).ok_or(Refusal::ConferenceNotFound)?;
        if new.label.as_deref().is_some_and(|label| !conference.is_free(label)) {
            return Err(Refusal::LabelTaken);
        }
        if let Some(target) = new.call_sid_to_coach {
            conference.may_be_coached(target)?;
        }
        conference.bound(new.room.participants_max as usize);
        if !conference.expect(legs_max) {
            return Err(Refusal::ConferenceFull);
        }
        let (room, is_first) = (conference.room, !conference.is_shown());
        let entry = Entry {
            label: new.label,
            muted: new.muted,
            coach: new.call_sid_to_coach,
            starts: new.start_conference_on_enter,
            ends: new.end_conference_on_exit,
            beep: Beep::of(new.beep_on_enter, new.beep_on_exit),
            wait: match &new.wait {
                twiml::WaitAudio::Playlist => None,
                twiml::WaitAudio::Silence => Some(AudioUrl { url: String::new(), method: model::HttpMethod::Get }),
                twiml::WaitAudio::Url(link) => Some(url_of(link)),
            },
            hold: None,
            tuning: {
                let own = new.tuning.over(model::Tuning::default());
                let jitter_buffer_size = new.tuning.jitter_buffer_size.unwrap_or(new.jitter_buffer_size);
                model::Tuning { jitter_buffer_size, ..own }
            },
        };
        let plan = Plan { early_media: new.early_media, ..plan_of(&new.leg) };
        let errand = Errand::Participant(id);
        let placed = self.place_leg(new.account, new.leg, new.caller_display_name, errand, Some(room), plan, turn);
        let sid = match placed {
            Ok(sid) => sid,
            Err(refusal) => {
                self.no_longer_expected(id);
                return Err(refusal);
            }
        };
        if let Some(link) = &new.room.status_callback {
            let hook = (link.url.clone(), link.method);
            turn.journal.call_back(id, ConferenceCallback::new(hook, new.room.status_events), is_first);
        }
        let conference = self.conferences.get_mut(&id).ok_or(Refusal::ConferenceNotFound)?;
        Ok(conference.invite(sid, entry, turn))
    }

    /// Somebody whom the application wanted in a conference did not come (rest-voice §5.2).
    pub(super) fn not_added(&mut self, id: ConferenceSid, call: &LiveCall, turn: &mut Turn) {
        let message = format!("{} was not reached: {}", call.row.to, call.row.status);
        let remark = Remark { code: 16_030, message };
        turn.notify(call.row.account_sid, Some(call.sid()), remark, None);
        if call.row.status != CallStatus::Completed {
            info!(conference_sid = %id, "participant not added");
        }
        self.not_invited(id, call.sid(), call.row.status, turn);
    }

    /// A conference waits for somebody no longer.
    fn not_invited(&mut self, id: ConferenceSid, call: CallSid, status: CallStatus, turn: &mut Turn) {
        let Some(conference) = self.conferences.get_mut(&id) else { return };
        conference.not_added(call, status, turn);
        conference.expect_no_longer();
        if conference.is_unused() {
            conference.end_unused(turn);
            self.forget_conference(id);
        } else {
            self.forget_if_abandoned(id);
        }
    }

    pub(super) fn find_conference(&self, account: AccountSid, conference: &ConferenceRef) -> Option<ConferenceSid> {
        let sid = match conference {
            ConferenceRef::Sid(sid) => *sid,
            ConferenceRef::Name(name) => *self.by_name.get(&(account, name.clone()))?,
        };
        self.conferences.get(&sid).filter(|live| live.row.account_sid == account && live.is_shown()).map(|_| sid)
    }

    pub(super) fn find_participant(
        &self,
        account: AccountSid,
        conference: &ConferenceRef,
        participant: &ParticipantRef,
    ) -> Result<(ConferenceSid, CallSid), Refusal> {
        let sid = self.find_conference(account, conference).ok_or(Refusal::ConferenceNotFound)?;
        let call = self.conferences.get(&sid).and_then(|live| live.find(participant));
        Ok((sid, call.ok_or(Refusal::ParticipantNotFound)?))
    }
}

pub(super) fn url_of(link: &twiml::Link) -> AudioUrl {
    AudioUrl { url: link.url.clone(), method: link.method }
}

fn plan_of(leg: &NewLeg) -> Plan {
    Plan { send_digits: leg.send_digits.clone(), amd: leg.amd.clone(), ..Plan::default() }
}
