//! How calls end, and what ends with them.

use std::collections::HashMap;

use model::{AccountSid, Call, CallSid, CallStatus, CallStep, ConferenceSid, ReasonConferenceEnded};
use sip::{DialogId, Reason, Reject};

use super::{Board, RETRY_AFTER_S};
use crate::call::{Errand, Line, LiveCall, Place};
use crate::command::{Answer, Refusal};
use crate::conference::{AfterLeave, Leaving};
use crate::follow_up::FollowUp;
use crate::leg::LiveLeg;
use crate::lookup::Waiter;
use crate::turn::Turn;
use crate::webhook::{CallEventName, QueueResult};

impl Board {
    pub(super) fn hang_up(&mut self, dialog: DialogId, status: u16, text: &str, turn: &mut Turn) {
        if let Some(sid) = self.by_dialog.get(&dialog).copied() {
            self.remove_call(sid, Leaving::HungUp, Some(sip_reason(status, text)), turn);
        }
    }

    pub(super) fn refuse_for_now(&mut self, dialog: DialogId, turn: &Turn) {
        let busy = Reject { retry_after_s: Some(RETRY_AFTER_S), ..Reject::default() };
        self.endpoint.reject(turn.now.instant, dialog, 503, busy);
    }

    /// We end the call: BYE, CANCEL, or a final answer if it has none. Returns its row as it is then.
    pub(super) fn remove_call(
        &mut self,
        sid: CallSid,
        how: Leaving,
        reason: Option<Reason>,
        turn: &mut Turn,
    ) -> Option<Call> {
        let call = self.calls.get_mut(&sid)?;
        let answered = call.is_answered();
        match &mut call.line {
            Line::Inbound(dialog) if answered => self.endpoint.hangup(turn.now.instant, *dialog, reason),
            Line::Inbound(dialog) => {
                call.sip_code = Some(480);
                self.endpoint.reject(turn.now.instant, *dialog, 480, Reject { reason, ..Reject::default() });
            }
            Line::Outbound(outgoing) => {
                let dialogs = outgoing.take_dialogs();
                call.stops_ringing();
                for dialog in dialogs {
                    self.by_dialog.remove(&dialog);
                    self.endpoint.hangup(turn.now.instant, dialog, reason.clone());
                }
            }
            Line::Wired(_) => {}
        }
        self.end_call(sid, Some(CallStatus::Canceled), how, turn)
    }

    /// Refuses a call that has not been answered.
    pub(super) fn reject_call(&mut self, sid: CallSid, code: u16, status: CallStatus, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        match &call.line {
            _ if call.is_answered() => return,
            Line::Inbound(dialog) => {
                call.sip_code = Some(code);
                self.endpoint.reject(turn.now.instant, *dialog, code, Reject::default());
            }
            Line::Wired(_) => {}
            Line::Outbound(_) => return,
        }
        self.end_call(sid, Some(status), Leaving::HungUp, turn);
    }

    /// The other side, or the network, has ended the dialog.
    pub(super) fn call_over(&mut self, dialog: DialogId, unanswered: Option<CallStatus>, turn: &mut Turn) {
        if let Some(sid) = self.by_dialog.get(&dialog).copied() {
            self.end_call(sid, unanswered, Leaving::HungUp, turn);
        }
    }

    /// The call's dialog is over or has been told so: its row, leg, script and membership follow.
    pub(super) fn end_call(
        &mut self,
        sid: CallSid,
        unanswered: Option<CallStatus>,
        how: Leaving,
        turn: &mut Turn,
    ) -> Option<Call> {
        let mut call = self.calls.remove(&sid)?;
        if let Some(dialog) = call.line.dialog() {
            self.by_dialog.remove(&dialog);
        }
        if let Line::Outbound(outgoing) = &mut call.line {
            for dialog in outgoing.take_dialogs() {
                self.by_dialog.remove(&dialog);
            }
        }
        let span = call.span.clone();
        let _in_call = span.enter();
        let was_described = call.was_described();
        call.ended(unanswered, turn);
        if !call.has_leg {
            self.legs.remove(&call.leg);
        }
        self.lookups.forget(Waiter::Call(sid));
        self.wire_over(&call, turn);
        // Where it was first, so that its document can tell how that ended.
        self.leave_place(&call, how, turn);
        self.end_dial_of(&call, how, turn);
        self.end_scripts_of(&call, turn);
        self.end_streams_of(&call, turn);
        self.offer_over(&call, turn);
        // Of one that was canceled before anybody was called, nothing is told (rest-voice §3.5).
        let never_dialled = call.row.status == CallStatus::Canceled && !was_described;
        match unanswered.is_some() || call.row.answered.is_some() {
            true if never_dialled => call.log(CallStep::Completed, turn),
            true => call.tell(CallEventName::Completed, turn),
            false => {} // it is not kept
        }
        Some(call.row)
    }

    /// The call goes out of the room it is in. Others may go with it.
    pub(super) fn leave_place(&mut self, call: &LiveCall, how: Leaving, turn: &mut Turn) {
        match (&call.errand, call.place) {
            (Errand::Room { conference, .. }, _) if !call.is_answered() => self.no_longer_expected(*conference),
            (_, Place::Conference(conference)) => {
                if let Some(script) = call.script {
                    self.note_stay(script);
                }
                self.leave_conference(conference, call.sid(), how, turn);
            }
            (Errand::Participant(conference), _) => self.not_added(*conference, call, turn),
            _ => {
                let result = if how == Leaving::Redirected { QueueResult::Redirected } else { QueueResult::Hangup };
                self.out_of_queue(call.sid(), result, turn);
            }
        }
    }

    /// A participant goes; if its conference is over by that, the others' stay is.
    pub(super) fn leave_conference(&mut self, conference: ConferenceSid, call: CallSid, how: Leaving, turn: &mut Turn) {
        let live = self.conferences.get_mut(&conference);
        let after = live.map(|live| live.leave(call, how, &goes_on(&self.calls), turn));
        self.leg_stays(call, turn);
        self.customer_left(call, conference, turn);
        match after {
            Some(AfterLeave::Over { left_behind }) => {
                self.forget_conference(conference);
                self.stays_over(conference, left_behind, turn);
            }
            Some(AfterLeave::GoesOn) => self.pass_on_announcements(conference, call),
            None => {}
        }
    }

    /// A leg that goes on elsewhere does not say what it did here: nothing is to wait for that.
    fn leg_stays(&self, call: CallSid, turn: &mut Turn) {
        if let Some(call) = self.calls.get(&call) {
            turn.journal.leg_told(call.leg, self.legs.get(&call.leg).and_then(LiveLeg::stats));
        }
    }

    /// What is announced to all goes on without the one in whose name the application was asked for it.
    fn pass_on_announcements(&mut self, conference: ConferenceSid, from: CallSid) {
        let Some(live) = self.conferences.get(&conference) else { return };
        let Some(to) = live.eldest() else { return };
        for id in live.announcing() {
            let Some(script) = self.scripts.get_mut(&id).filter(|script| script.call == from) else { continue };
            script.call = to;
            if let Some(before) = self.calls.get_mut(&from) {
                before.scripts.retain(|other| *other != id);
            }
            if let Some(call) = self.calls.get_mut(&to) {
                call.scripts.push(id);
            }
        }
    }

    /// Calls whose conference is over: they go on with their documents, or have nothing more to do.
    fn stays_over(&mut self, conference: ConferenceSid, left_behind: Vec<CallSid>, turn: &mut Turn) {
        for sid in left_behind {
            self.customer_left(sid, conference, turn);
            if self.calls.get(&sid).is_some_and(|call| call.script.is_some()) {
                self.leg_stays(sid, turn);
            }
            self.stay_over(sid, turn);
        }
    }

    /// A call's stay in a conference is over, and not by its own end.
    pub(super) fn stay_over(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        match call.script {
            Some(script) => {
                call.go_home(turn);
                self.conference_left(script, turn);
            }
            None => {
                call.place = Place::Own; // whatever was there is gone
                turn.follow_ups.push_back(FollowUp::End { call: sid, how: Leaving::HungUp, reason: None });
            }
        }
    }

    pub(super) fn complete_conference(&mut self, sid: ConferenceSid, turn: &mut Turn) -> Result<Answer, Refusal> {
        let mut conference = self.forget_conference(sid).ok_or(Refusal::ConferenceNotFound)?;
        let left_behind = conference.end(ReasonConferenceEnded::ViaApi, None, &goes_on(&self.calls), turn);
        self.stays_over(sid, left_behind, turn);
        Ok(Answer::Conference(conference.row))
    }

    pub(super) fn no_longer_expected(&mut self, conference: ConferenceSid) {
        if let Some(live) = self.conferences.get_mut(&conference) {
            live.expect_no_longer();
        }
        self.forget_if_abandoned(conference);
    }

    /// A call has lasted long enough.
    pub(super) fn time_limit(&mut self, sid: CallSid, turn: &mut Turn) {
        self.remove_call(sid, Leaving::HungUp, Some(sip_reason(408, "Time limit")), turn);
    }

    /// Ends every call of an account that is closed (rest-voice §2).
    pub(super) fn end_calls_of(&mut self, account: AccountSid, turn: &mut Turn) {
        let of_account = self.calls.values().filter(|call| call.row.account_sid == account);
        let mut all: Vec<CallSid> = of_account.map(LiveCall::sid).collect();
        all.sort_unstable();
        for sid in all {
            self.remove_call(sid, Leaving::CallEnded, None, turn);
        }
    }

    /// Ends every call, as a drain's bound demands.
    pub(crate) fn end_everything(&mut self, turn: &mut Turn) {
        let mut all: Vec<CallSid> = self.calls.keys().copied().collect();
        all.sort_unstable();
        for sid in all {
            let reason = sip_reason(503, "Server is shutting down");
            self.remove_call(sid, Leaving::HungUp, Some(reason), turn);
        }
    }
}

/// Whether a call has a document of its own that goes on.
fn goes_on(calls: &HashMap<CallSid, LiveCall>) -> impl Fn(CallSid) -> bool {
    |sid| calls.get(&sid).is_some_and(|call| call.script.is_some())
}

pub(super) fn sip_reason(cause: u16, text: &str) -> Reason {
    Reason { protocol: "SIP".to_owned(), cause: Some(cause), text: Some(text.to_owned()) }
}
