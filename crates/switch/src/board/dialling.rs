//! `<Dial>`: phones that ring for a call, the one that answers, and the talk of the two; stays in conferences.
//!
//! The callees' legs are opened in the parent's own room, where they neither emit nor hear until they are connected:
//! a `<Dial>` needs no room of its own.

use std::sync::Arc;
use std::time::Duration;

use media::{Command, MAIN};
use model::{AccountSid, CallSid, ConferenceSid};
use sip::Reason;
use tracing::info;
use twiml::{Coach, ConferenceNoun, Dial, DialTo, Party, WaitAudio};

use super::Board;
use super::leaving::sip_reason;
use super::placing::dialled;
use crate::call::{Errand, LiveCall, Place, Stage};
use crate::command::AudioUrl;
use crate::conference::Leaving;
use crate::conference_callback::ConferenceCallback;
use crate::dial::{DialId, LiveDial};
use crate::entry::{Beep, Entry};
use crate::follow_up::FollowUp;
use crate::inbound::e164;
use crate::script::{Role, ScriptId, Source};
use crate::timers::Timer;
use crate::turn::Turn;
use crate::webhook::{DialCallStatus, DialResult, Purpose, Remark};

/// What a phone that lost the race is told (RFC 3326).
fn answered_elsewhere() -> Reason {
    sip_reason(200, "Call completed elsewhere")
}

impl Board {
    pub(super) fn dial(&mut self, script: ScriptId, sid: CallSid, mut dial: Dial, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        match caller_id(&dial, call.row.account_sid, turn) {
            Ok(shown) => dial.caller_id = shown,
            Err(remark) => return self.dial_failed(script, sid, remark, turn),
        }
        match &dial.to {
            DialTo::Conference(noun) => {
                self.dial_conference(script, sid, &dial, noun, turn);
            }
            DialTo::Queue(noun) => {
                let noun = noun.clone();
                self.dial_queue(script, sid, dial, noun, turn);
            }
            DialTo::Application(noun) => {
                let noun = noun.clone();
                let message = format!("{} is no application of this account with a VoiceUrl", noun.application_sid);
                if !self.dial_application(script, sid, dial, &noun, turn) {
                    self.dial_failed(script, sid, Remark { code: 13_000, message }, turn);
                }
            }
            // Why not has been told with the document's other warnings.
            DialTo::Nobody(_) => self.not_dialled(script, DialResult::of(DialCallStatus::Failed), turn),
            DialTo::Parties(parties) => {
                let waiting = parties.iter().cloned().collect();
                let id = turn.names.dial();
                let live = LiveDial { waiting, ..LiveDial::new(sid, script, dial, turn.now.instant) };
                self.dials.insert(id, live);
                if let Some(call) = self.calls.get_mut(&sid) {
                    call.dial = Some(id);
                }
                self.dial_next(id, turn);
            }
        }
    }

    fn dial_failed(&mut self, script: ScriptId, sid: CallSid, remark: Remark, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        info!(error_code = remark.code, "dial failed: {}", remark.message);
        turn.notify(call.row.account_sid, Some(sid), remark, None);
        self.not_dialled(script, DialResult::of(DialCallStatus::Failed), turn);
    }

    /// A dial is over: the parent's document goes on with that.
    fn dialled(&mut self, script: ScriptId, result: DialResult, outcome: twiml::Outcome, turn: &mut Turn) {
        if let Some(script) = self.scripts.get_mut(&script) {
            script.result = Some(Purpose::Dial(Box::new(result)));
        }
        self.went(script, outcome, turn);
    }

    /// Nobody could be dialled.
    pub(super) fn not_dialled(&mut self, script: ScriptId, result: DialResult, turn: &mut Turn) {
        self.dialled(script, DialResult { bridged: Some(false), ..result }, twiml::Outcome::Failed, turn);
    }

    /// A caller that hears us hears that it rings.
    pub(super) fn ring_back(&mut self, id: DialId, turn: &mut Turn) {
        let Some(live) = self.dials.get(&id) else { return };
        let Some(call) = self.calls.get(&live.parent) else { return };
        if call.is_answered() || matches!(call.stage, Stage::Arriving { early: Some(_), .. }) {
            turn.media.push(Command::Route { leg: call.leg, emit: 0, hear: 0 });
            let own = live.dial.ring_tone.and_then(|country| self.tones.ring(country));
            turn.play(call.leg, own.unwrap_or_else(|| Arc::clone(&turn.config.ring_back)), true);
        }
    }

    /// Calls those who are next, or ends the dial if nobody is left.
    pub(super) fn dial_next(&mut self, id: DialId, turn: &mut Turn) {
        let Some(live) = self.dials.get_mut(&id) else { return };
        if live.winner.is_some() || !live.callees.is_empty() {
            return;
        }
        let next: Vec<_> = match live.dial.sequential {
            true => live.waiting.pop_front().into_iter().collect(),
            false => live.waiting.drain(..).collect(),
        };
        if next.is_empty() {
            let status = live.result.status;
            return self.dial_over(id, status, turn);
        }
        self.ring_back(id, turn);
        for party in next {
            self.call_party(id, &party, turn);
        }
        // Nobody of them could even be called.
        if self.dials.get(&id).is_some_and(|live| live.callees.is_empty()) {
            turn.follow_ups.push_back(FollowUp::DialNext(id));
        }
    }

    /// Nothing leads to one of the parties: no call is made, and none of those before it is what is told of.
    pub(super) fn party_unreachable(&mut self, id: DialId, party: &Party, turn: &mut Turn) {
        let Some(live) = self.dials.get_mut(&id) else { return };
        live.result = DialResult { bridged: Some(false), ..DialResult::of(DialCallStatus::Failed) };
        let parent = live.parent;
        let Some(account) = self.calls.get(&parent).map(|call| call.row.account_sid) else { return };
        let (code, to) = match party {
            Party::Number(number) => (13_224, &number.number),
            Party::Client(client) => (13_224, &client.identity),
            Party::Sip(sip) => (13_254, &sip.uri),
        };
        turn.notify(account, Some(parent), Remark { code, message: format!("nothing leads to {to}") }, None);
    }

    /// A callee rings; what it says before it answers may be heard.
    pub(super) fn callee_rings(&mut self, id: DialId, callee: CallSid, early_media: bool, turn: &mut Turn) {
        let Some(live) = self.dials.get(&id) else { return };
        if live.winner.is_some() {
            return;
        }
        let (parent, alone) = (live.parent, live.callees.len() == 1);
        let early_media = early_media && alone;
        if early_media && let (Some(callee), Some(parent)) = (self.calls.get(&callee), self.calls.get(&parent)) {
            turn.media.push(Command::Route { leg: callee.leg, emit: MAIN, hear: 0 });
            turn.media.push(Command::StopPlay { leg: parent.leg });
            turn.media.push(Command::Route { leg: parent.leg, emit: 0, hear: MAIN });
        }
        self.ring_caller(parent, early_media, turn);
    }

    /// A callee has answered: the others are let go. False: another one has answered before.
    pub(super) fn callee_wins(&mut self, id: DialId, callee: CallSid, turn: &mut Turn) -> bool {
        let Some(live) = self.dials.get_mut(&id).filter(|live| live.winner.is_none()) else {
            turn.follow_ups.push_back(FollowUp::End {
                call: callee,
                how: Leaving::HungUp,
                reason: Some(answered_elsewhere()),
            });
            return false;
        };
        live.winner = Some(callee);
        live.waiting.clear();
        for other in live.callees.iter().copied().filter(|other| *other != callee) {
            turn.follow_ups.push_back(FollowUp::End {
                call: other,
                how: Leaving::HungUp,
                reason: Some(answered_elsewhere()),
            });
        }
        let call = self.calls.get(&callee);
        let is_busy = |call: &&LiveCall| {
            call.plan.as_ref().is_some_and(|plan| plan.whisper.is_some() || plan.send_digits.is_some())
        };
        if let Some(call) = call.filter(is_busy) {
            // What it said while it rang was heard; what it says to a document is not.
            turn.media.push(Command::Route { leg: call.leg, emit: 0, hear: 0 });
            self.ring_back(id, turn);
        }
        true
    }

    /// A callee that has answered is told what it is to be told.
    pub(super) fn callee_answered(&mut self, id: DialId, callee: CallSid, turn: &mut Turn) {
        let url = self.calls.get(&callee).and_then(|call| call.plan.as_ref()?.whisper.clone());
        match url {
            Some(url) => {
                turn.start_script(callee, Role::CalleeWhisper { dial: id }, Source::Url(url));
            }
            None => self.bridge(id, turn),
        }
    }

    /// The callee has heard what it was to hear.
    pub(super) fn callee_told(&mut self, id: DialId, callee: CallSid, turn: &mut Turn) {
        if self.dials.get(&id).is_some_and(|live| live.winner == Some(callee)) {
            self.bridge(id, turn);
        }
    }

    /// The two hear each other.
    pub(super) fn bridge(&mut self, id: DialId, turn: &mut Turn) {
        let Some(live) = self.dials.get_mut(&id) else { return };
        let (parent, Some(callee)) = (live.parent, live.winner) else { return };
        live.bridged = Some(turn.now.instant);
        let time_limit = live.dial.time_limit;
        let limit = turn.timers.set(turn.now.instant + time_limit, Timer::Dial(id));
        if let Some(before) = live.timer.replace(limit) {
            turn.timers.clear(before);
        }
        if self.calls.get(&parent).is_some_and(|call| !call.is_answered()) {
            self.answer(parent, turn);
        }
        for sid in [parent, callee] {
            if let Some(call) = self.calls.get_mut(&sid) {
                call.let_last(time_limit, turn);
            }
        }
        self.route_pair(id, turn);
        if let Some(call) = self.calls.get(&callee) {
            call.span.in_scope(|| info!(parent_call_sid = %parent, "bridged"));
        }
    }

    /// Tells the audio plane who of the two hears whom. A phone that holds us is not heard.
    pub(super) fn route_pair(&mut self, id: DialId, turn: &mut Turn) {
        let Some(LiveDial { parent, winner: Some(callee), bridged: Some(_), .. }) = self.dials.get(&id) else { return };
        for sid in [parent, callee] {
            if let Some(call) = self.calls.get(sid) {
                turn.media.push(Command::StopPlay { leg: call.leg });
                let emit = if call.phone_holds { 0 } else { MAIN };
                turn.media.push(Command::Route { leg: call.leg, emit, hear: MAIN });
            }
        }
    }

    /// One of the two who talk has pressed a key that no sound tells of: the other's phone, or application, is told it.
    pub(super) fn pass_on_digit(&mut self, sid: CallSid, key: char, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        let called_by = match call.errand {
            Errand::Callee(dial) => Some(dial),
            _ => call.taken_by,
        };
        let live = call.dial.or(called_by).and_then(|id| self.dials.get(&id));
        let Some(live) = live.filter(|live| live.bridged.is_some()) else { return };
        let other = match live.winner {
            Some(callee) if sid == live.parent => self.calls.get(&callee),
            Some(callee) if sid == callee => self.calls.get(&live.parent),
            _ => None,
        };
        if let (Some(other), Ok(digits)) = (other, key.to_string().parse()) {
            turn.media.push(Command::SendDigits { leg: other.leg, digits });
        }
    }

    /// A callee's call is over.
    pub(super) fn callee_over(&mut self, id: DialId, callee: &LiveCall, turn: &mut Turn) {
        let Some(live) = self.dials.get_mut(&id) else { return };
        live.callees.retain(|other| *other != callee.sid());
        let status = DialCallStatus::of(callee.row.status);
        if live.winner.is_some_and(|winner| winner != callee.sid()) {
            return;
        }
        live.result.call = Some(callee.sid());
        live.result.status = status;
        live.result.sip = callee.dialed_sip();
        if live.winner.is_some() {
            return self.dial_over(id, status, turn);
        }
        if live.callees.is_empty() {
            turn.follow_ups.push_back(FollowUp::DialNext(id));
        }
    }

    /// A callee is given a document of its own: the parent goes on without it (rest-voice §3.3).
    pub(super) fn callee_taken(&mut self, id: DialId, callee: CallSid, turn: &mut Turn) {
        let Some(live) = self.dials.get_mut(&id) else { return };
        live.callees.retain(|other| *other != callee);
        if live.winner == Some(callee) {
            self.dial_over(id, DialCallStatus::Completed, turn);
        } else if live.callees.is_empty() {
            turn.follow_ups.push_back(FollowUp::DialNext(id));
        }
    }

    /// It is over: the parent goes on with its document, the one from a queue with its own.
    pub(super) fn dial_over(&mut self, id: DialId, status: DialCallStatus, turn: &mut Turn) {
        let Some(mut live) = self.dials.remove(&id) else { return };
        if let Some(timer) = live.timer {
            turn.timers.clear(timer);
        }
        self.note_callee(&mut live);
        let result = live.result(status, turn.now.instant);
        info!(parent_call_sid = %live.parent, dial_call_status = status.as_str(), "dial over");
        if let Some(parent) = self.calls.get_mut(&live.parent).filter(|call| call.dial == Some(id)) {
            parent.dial = None;
            parent.go_home(turn);
            let took = turn.now.instant.saturating_duration_since(live.begun);
            self.dialled(live.script, result, outcome_after(took), turn);
        }
        if live.queue.is_some() {
            self.queues.no_agent(id);
            self.reserved_over(&live, turn);
            self.dequeued_over(id, &live, turn);
        }
    }

    /// A call is over: those it has called are let go, and whoever has called it is told.
    pub(super) fn end_dial_of(&mut self, call: &LiveCall, how: Leaving, turn: &mut Turn) {
        if let Some(id) = call.dial {
            self.abandon_dial(id, turn);
        }
        if let Errand::Callee(id) = call.errand {
            self.callee_over(id, call, turn);
        }
        if let Some(id) = call.taken_by {
            self.guest_over(id, call.sid(), call.script, how, turn);
        }
    }

    /// A dial ends before its callee does: what is told is of the one that has answered, or else of the last that rings.
    fn note_callee(&mut self, live: &mut LiveDial) {
        let callee = live.winner.or(live.callees.last().copied()).filter(|_| live.queue.is_none());
        if let Some(call) = callee.and_then(|callee| self.calls.get_mut(&callee)) {
            call.stops_ringing();
            live.result.call = Some(call.sid());
            live.result.sip = call.dialed_sip();
        }
    }

    /// The parent has gone: what the dial has come to is kept for its document to tell.
    pub(super) fn abandon_dial(&mut self, id: DialId, turn: &mut Turn) {
        let Some(mut live) = self.dials.remove(&id) else { return };
        if let Some(timer) = live.timer {
            turn.timers.clear(timer);
        }
        self.note_callee(&mut live);
        let status = match (live.bridged, live.winner) {
            (Some(_), _) => DialCallStatus::Completed,
            // It has answered, and was being told something first.
            (None, Some(_)) if live.queue.is_none() => DialCallStatus::Completed,
            (None, _) => DialCallStatus::Canceled,
        };
        if let Some(script) = self.scripts.get_mut(&live.script) {
            script.result = Some(Purpose::Dial(Box::new(live.result(status, turn.now.instant))));
        }
        for callee in &live.callees {
            turn.follow_ups.push_back(FollowUp::End { call: *callee, how: Leaving::HungUp, reason: None });
        }
        if live.queue.is_some() {
            self.queues.no_agent(id);
            self.reserved_over(&live, turn);
            self.dequeued_over(id, &live, turn);
        }
    }

    /// The two have talked for long enough, or nobody came into the queue in time.
    pub(super) fn dial_due(&mut self, id: DialId, turn: &mut Turn) {
        let Some(live) = self.dials.get_mut(&id) else { return };
        live.timer = None;
        match (live.winner, live.bridged) {
            (Some(_), Some(_)) if live.queue.is_some() => self.dial_over(id, DialCallStatus::Completed, turn),
            (Some(callee), Some(_)) => {
                let reason = Some(sip_reason(408, "Time limit"));
                turn.follow_ups.push_back(FollowUp::End { call: callee, how: Leaving::HungUp, reason });
            }
            (None, None) if live.queue.is_some() => self.dial_over(id, DialCallStatus::NoAnswer, turn),
            _ => {}
        }
    }

    /// The parent has pressed `*`: with `hangupOnStar` that ends what it dialled. True: that was it.
    pub(super) fn star(&mut self, sid: CallSid, turn: &mut Turn) -> bool {
        let Some(call) = self.calls.get(&sid) else { return false };
        let Some((id, live)) = call.dial.and_then(|id| self.dials.get(&id).map(|live| (id, live))) else {
            return self.star_in_conference(sid, turn);
        };
        if !live.dial.hangup_on_star {
            return false;
        }
        match live.winner {
            Some(_) if live.queue.is_some() => self.dial_over(id, DialCallStatus::Completed, turn),
            Some(callee) => {
                turn.follow_ups.push_back(FollowUp::End { call: callee, how: Leaving::HungUp, reason: None })
            }
            None => {
                let ringing = live.callees.clone();
                for callee in ringing {
                    turn.follow_ups.push_back(FollowUp::End { call: callee, how: Leaving::HungUp, reason: None });
                }
                self.dial_over(id, DialCallStatus::Canceled, turn);
            }
        }
        true
    }

    fn star_in_conference(&mut self, sid: CallSid, turn: &mut Turn) -> bool {
        self.calls.get(&sid).is_some_and(|call| call.leaves_on_star) && self.end_stay(sid, turn)
    }

    /// A call that dialled a conference leaves it, and goes on with its document. False: it is in none.
    pub(super) fn end_stay(&mut self, sid: CallSid, turn: &mut Turn) -> bool {
        let Some(call) = self.calls.get(&sid) else { return false };
        let (Place::Conference(conference), Some(script)) = (call.place, call.script) else { return false };
        self.leave_conference(conference, sid, Leaving::HungUp, turn);
        self.worker_left(sid, turn);
        if let Some(call) = self.calls.get_mut(&sid) {
            call.go_home(turn);
        }
        self.conference_left(script, turn);
        true
    }

    /// `<Dial><Conference>`: the call goes into the room, if the room takes it (twiml §6).
    fn dial_conference(&mut self, script: ScriptId, sid: CallSid, dial: &Dial, noun: &ConferenceNoun, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        let (account, leg, holds) = (call.row.account_sid, call.leg, call.phone_holds);
        let id = self.conference_named(account, &noun.name, turn);
        let refused = self.admit(id, sid, noun, turn);
        if let Err((remark, outcome)) = refused {
            self.forget_if_abandoned(id);
            if let Some(remark) = remark {
                info!(error_code = remark.code, "not let into the conference: {}", remark.message);
                turn.notify(account, Some(sid), remark, None);
            }
            return match outcome {
                twiml::Outcome::Refused => self.went(script, twiml::Outcome::Refused, turn),
                outcome => self.dialled(script, DialResult::of(DialCallStatus::Failed), outcome, turn),
            };
        }
        let entry = entry_of(noun);
        let Some(conference) = self.conferences.get_mut(&id) else { return };
        if let Some(link) = &noun.status_callback {
            let hook = (link.url.clone(), link.method);
            turn.journal.call_back(id, ConferenceCallback::new(hook, noun.status_events), !conference.is_shown());
        }
        turn.media.push(Command::Move { leg, room: conference.room, emit: 0, hear: 0 });
        conference.join(sid, leg, holds, entry, turn);
        if let Some(call) = self.calls.get_mut(&sid) {
            call.place = Place::Conference(id);
            call.leaves_on_star = dial.hangup_on_star;
        }
        if let Some(call) = self.calls.get_mut(&sid) {
            call.let_last(dial.time_limit, turn);
        }
        self.set_timer(script, dial.time_limit, turn);
    }

    /// Whether a room takes a call; keeps a place for it if so.
    fn admit(
        &mut self,
        id: ConferenceSid,
        sid: CallSid,
        noun: &ConferenceNoun,
        turn: &Turn,
    ) -> Result<(), (Option<Remark>, twiml::Outcome)> {
        let remark = |code, message: String| Some(Remark { code, message });
        let legs_max = turn.config.room_legs_max;
        let Some(conference) = self.conferences.get_mut(&id) else { return Ok(()) };
        match &noun.coach {
            None => {}
            // That has been told with the document's other warnings.
            Some(Coach::Malformed(_)) => return Err((None, twiml::Outcome::Failed)),
            Some(Coach::Call(target)) => {
                if let Err(refusal) = conference.may_coach(sid, *target) {
                    return Err((remark(13_240, refusal.to_string()), twiml::Outcome::Failed));
                }
            }
        }
        if let Some(label) = noun.label.as_deref().filter(|label| !conference.is_free(label)) {
            let message = format!("participantLabel {label} is taken in this conference");
            return Err((remark(16_025, message), twiml::Outcome::Refused));
        }
        conference.bound(noun.participants_max as usize);
        if !conference.expect(legs_max) {
            return Err((remark(16_020, "the conference is full".to_owned()), twiml::Outcome::Failed));
        }
        Ok(())
    }

    /// A stay in a conference is over, and its call goes on (twiml §6.4).
    pub(super) fn conference_left(&mut self, script: ScriptId, turn: &mut Turn) {
        self.note_stay(script);
        self.went(script, twiml::Outcome::Done, turn);
    }

    /// What an action is told of a stay. Of one that came out of a queue that is known already (twiml §7.3).
    pub(super) fn note_stay(&mut self, script: ScriptId) {
        if let Some(script) = self.scripts.get_mut(&script)
            && !matches!(script.result, Some(Purpose::Enqueue { .. }))
        {
            script.result = Some(Purpose::Dial(Box::new(DialResult::of(DialCallStatus::Answered))));
        }
    }
}

/// Whom the dialled are shown. A number of one's own is written as all numbers are (rest-voice §1.10); to a number, no
/// other caller is shown, and nobody is shown a number of somebody else's.
fn caller_id(dial: &Dial, account: AccountSid, turn: &Turn) -> Result<Option<String>, Remark> {
    let to_number = match &dial.to {
        DialTo::Parties(parties) => parties.iter().any(|party| matches!(party, Party::Number(_))),
        DialTo::Application(_) => false,
        DialTo::Conference(_) | DialTo::Queue(_) | DialTo::Nobody(_) => return Ok(None),
    };
    let Some(id) = &dial.caller_id else { return Ok(None) };
    let bare = dialled(id);
    match e164(&bare).filter(|number| turn.directory.may_call_from(account, number)) {
        Some(own) => Ok(Some(own)),
        None if to_number || bare.starts_with('+') => {
            let message = format!("callerId {id} is neither a number of this account nor verified");
            Err(Remark { code: 13_214, message })
        }
        None => Ok(Some(id.clone())),
    }
}

/// Whether something that is over took time: documents that lead to one another over such that does not break off
/// some day, whoever it was that did not take any.
pub(super) fn outcome_after(took: Duration) -> twiml::Outcome {
    if took < MOMENT { twiml::Outcome::Failed } else { twiml::Outcome::Done }
}

/// What is over sooner has taken no time.
const MOMENT: Duration = Duration::from_millis(500);

fn entry_of(noun: &ConferenceNoun) -> Entry {
    let wait = match &noun.wait {
        WaitAudio::Playlist => None,
        WaitAudio::Silence => Some(AudioUrl { url: String::new(), method: model::HttpMethod::Get }),
        WaitAudio::Url(link) => Some(AudioUrl { url: link.url.clone(), method: link.method }),
    };
    Entry {
        label: noun.label.clone(),
        muted: noun.muted,
        coach: noun.coach.as_ref().and_then(|coach| match coach {
            Coach::Call(target) => Some(*target),
            Coach::Malformed(_) => None,
        }),
        starts: noun.start_on_enter,
        ends: noun.end_on_exit,
        beep: Beep::of(noun.beep_on_enter, noun.beep_on_exit),
        wait,
        hold: None,
        tuning: model::Tuning { jitter_buffer_size: noun.jitter_buffer_size, ..model::Tuning::default() },
    }
}
