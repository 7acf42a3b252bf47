//! What is said about a call's audio: offers, answers, holds, and digits by INFO.

use sip::{DialogId, Rejection, SessionDescription};
use tracing::{info, warn};

use super::Board;
use crate::call::Errand;
use crate::info_digit;
use crate::keypad::By;
use crate::turn::Turn;

impl Board {
    /// The answer to the offer we made in a 200, or in a session refresh.
    pub(super) fn answer_came(&mut self, dialog: DialogId, answer: &SessionDescription, turn: &mut Turn) {
        let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get_mut(sid)) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        match call.offer_answer.accept_answer(answer) {
            Ok(agreed) => {
                call.agree(&agreed, turn);
                self.phone_hold_changed(dialog, turn);
            }
            Err(rejection) => {
                self.counts.not_acceptable += 1;
                warn!(%rejection, "answer refused");
                self.hang_up(dialog, 488, "Not Acceptable Here", turn);
            }
        }
    }

    /// A re-INVITE or UPDATE: the phone offers anew, or wants our offer.
    pub(super) fn offered_again(&mut self, dialog: DialogId, offer: Option<&SessionDescription>, turn: &mut Turn) {
        let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get_mut(sid)) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        let local = call.local_media(turn.config);
        let Some(offer) = offer else {
            let sdp = call.offer_answer.offer(&local);
            return self.endpoint.reanswer(turn.now.instant, dialog, sdp);
        };
        match call.offer_answer.answer(offer, &local) {
            Ok((sdp, agreed)) => {
                call.agree(&agreed, turn);
                self.endpoint.reanswer(turn.now.instant, dialog, sdp);
                self.phone_hold_changed(dialog, turn);
            }
            Err(rejection) => {
                self.counts.not_acceptable += 1;
                info!(%rejection, "new offer refused, the call goes on as it was");
                self.endpoint.rereject(turn.now.instant, dialog, Rejection::STATUS, warning_of(rejection));
            }
        }
    }

    fn phone_hold_changed(&mut self, dialog: DialogId, turn: &mut Turn) {
        let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get(sid)) else { return };
        info!(phone_holds = call.phone_holds, "media agreed");
        if let Some(conference) = self.conference_of(call).and_then(|sid| self.conferences.get_mut(&sid)) {
            conference.phone_holds(call.sid(), call.phone_holds, turn);
        }
        let callee = match call.errand {
            Errand::Callee(dial) => Some(dial),
            _ => None,
        };
        if let Some(dial) = call.dial.or(callee).or(call.taken_by) {
            self.route_pair(dial, turn);
        }
    }

    /// DTMF by INFO (`application/dtmf-relay`, `application/dtmf`).
    pub(super) fn info(&mut self, dialog: DialogId, content_type: &str, body: &[u8], turn: &mut Turn) {
        let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get(sid)) else { return };
        let (sid, span) = (call.sid(), call.span.clone());
        let _in_call = span.enter();
        if let Some(digit) = info_digit::read(body) {
            self.counts.digits += 1;
            info!(%digit, "digit by INFO");
            self.pressed(sid, digit, By::Info, false, turn);
        } else {
            info!(content_type, "INFO without a digit");
        }
    }
}

pub(super) fn warning_of(rejection: Rejection) -> Option<(u16, String)> {
    Some((rejection.warning_code(), rejection.to_string()))
}
