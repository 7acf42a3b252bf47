//! REFER: a call is handed on, by them or by us (RFC 3515, RFC 4488, RFC 7647).
//!
//! ```text
//! they ask:  REFER ─▶ Event::Refer ─▶ accept_refer: 202, NOTIFY 100 ─▶ refer_progress: NOTIFY 180, NOTIFY 200, over
//! we ask:    refer ─▶ REFER ─▶ Event::ReferAnswered ─▶ NOTIFYs: Event::ReferProgress, the last of them `over`
//! ```
//! Their NOTIFYs end with the call that they were asked for in: a phone that hangs up after the 202 is told no more; one
//! that we hang up on is told the outcome first, if it is known.

use std::time::Instant;

use super::client::{Habits, Outcome, Purpose};
use super::uas::Incoming;
use super::{Endpoint, ServerMachine};
use crate::dialog::Stage;
use crate::inspection::{Refusal, SUPPORTED};
use crate::transaction::Key;
use crate::transaction::non_invite_server::{self, NonInviteServer};
use crate::transfer::{
    ANSWER_MAX, Due, FIRST_REPORT_MAX, REFERRALS_MAX, REPORT_MAX, Referral, ReferralStage, Referring, Transfers,
    refer_to, sipfrag_status,
};
use crate::{DialogId, Event, Headers, Method, Name, NameAddr, ReferId, Response, reason_phrase};

use bytes::Bytes;

impl Endpoint {
    /// Answers [`Event::Refer`]: we will try. What comes of it is for `refer_progress`. No-op if it has been answered.
    pub fn accept_refer(&mut self, now: Instant, refer: ReferId) {
        let until = now + REPORT_MAX;
        let Some(referral) = self.transfers(refer.dialog).and_then(|transfers| transfers.referral(refer.number)) else {
            return;
        };
        let reporting = ReferralStage::Reporting { notifying: None, next: None, until };
        let reports = referral.reports;
        let asked = match &referral.stage {
            ReferralStage::Asked { .. } => std::mem::replace(&mut referral.stage, reporting),
            ReferralStage::Reporting { .. } => return,
        };
        let ReferralStage::Asked { transaction, mut template, .. } = asked else { return };
        if reports {
            self.answer_referral(now, transaction, *template, 202);
            self.refer_progress(now, refer, 100);
        } else {
            template.headers.push(Name::from("Refer-Sub"), "false");
            self.answer_referral(now, transaction, *template, 202);
            self.forget_referral(refer);
        }
    }

    /// Answers [`Event::Refer`]: we will not. No-op if it has been answered.
    pub fn refuse_refer(&mut self, now: Instant, refer: ReferId, status: u16) {
        let Some(transfers) = self.transfers(refer.dialog) else { return };
        let asked = |referral: &Referral| {
            referral.number == refer.number && matches!(referral.stage, ReferralStage::Asked { .. })
        };
        let Some(at) = transfers.referrals.iter().position(asked) else { return };
        if let ReferralStage::Asked { transaction, template, .. } = transfers.referrals.swap_remove(at).stage {
            self.answer_referral(now, transaction, *template, status.clamp(300, 699));
        }
        self.settle_dialog(refer.dialog);
    }

    /// Tells what the call that they asked for has got: 100, 180, 200, 486, … From 200 on it is the last word. No-op if
    /// they do not want to know (any more).
    pub fn refer_progress(&mut self, now: Instant, refer: ReferId, status: u16) {
        let Some(referral) = self.transfers(refer.dialog).and_then(|transfers| transfers.referral(refer.number)) else {
            return;
        };
        let status = status.clamp(100, 699);
        match &mut referral.stage {
            ReferralStage::Asked { .. } => {}
            // One at a time, so that they come in order. What is old by then need not be said.
            ReferralStage::Reporting { notifying, next, .. } => {
                *next = Some(next.filter(|next| *next >= 200).unwrap_or(status));
                if notifying.is_none() {
                    self.untold.push((now, refer));
                }
            }
        }
        self.settle_dialog(refer.dialog);
    }

    /// Sends the NOTIFYs that nothing has to precede. Not before all is said that one moment brings: an outcome that is
    /// known at once makes the 100 needless, and a phone that is hung up on would never get to hear the outcome.
    pub(super) fn tell_untold(&mut self) {
        for (now, refer) in std::mem::take(&mut self.untold) {
            self.notify_next(now, refer);
        }
    }

    /// Before our BYE: the outcome, or what there is to say first, whatever is under way.
    pub(super) fn tell_last(&mut self, now: Instant, id: DialogId) {
        let referrals = self.transfers(id).into_iter().flat_map(|transfers| &mut transfers.referrals);
        let mut last = Vec::new();
        for referral in referrals {
            if let ReferralStage::Reporting { notifying, next: Some(status), .. } = &mut referral.stage
                && (notifying.is_none() || *status >= 200)
            {
                *notifying = None;
                last.push(ReferId { dialog: id, number: referral.number });
            }
        }
        last.into_iter().for_each(|refer| self.notify_next(now, refer));
    }

    fn notify_next(&mut self, now: Instant, refer: ReferId) {
        let referral = self.transfers(refer.dialog).and_then(|transfers| transfers.referral(refer.number));
        if let Some(Referral { stage: ReferralStage::Reporting { notifying: notifying @ None, next, .. }, .. }) =
            referral
            && let Some(status) = next.take()
        {
            *notifying = Some(status);
            self.notify(now, refer, status, "noresource");
            self.settle_dialog(refer.dialog);
        }
    }

    /// Asks the other side to call somebody else instead. [`Event::ReferAnswered`] and [`Event::ReferProgress`] say
    /// what comes of it; what then becomes of this call is our owner's to decide. `headers`: Referred-By and the like;
    /// Replaces goes into the target's URI.
    pub fn refer(&mut self, now: Instant, dialog: DialogId, target: &NameAddr, headers: &Headers) {
        let Some(state) = self.dialogs.get_mut(&dialog) else { return };
        let busy = state.transfers.as_ref().is_some_and(|transfers| transfers.referring.is_some());
        if busy || !matches!(state.stage, Stage::Talking { .. }) {
            return self.event(Event::ReferAnswered { dialog, status: 491, reports: false });
        }
        let flow = state.flow_out();
        let mut request = state.request(Method::Refer, None);
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let referring = Referring { number, accepted: false, until: now + REPORT_MAX };
        state.transfers.get_or_insert_default().referring = Some(referring);
        let user = state.user.clone();
        request.headers.push(Name::Contact, self.contact(flow, user.as_deref()));
        request.headers.push(Name::Supported, SUPPORTED);
        request.headers.push(Name::ReferTo, target.to_string());
        for (name, value) in
            headers.iter().filter(|(name, _)| !request_has(&request.headers, *name)).collect::<Vec<_>>()
        {
            request.headers.push(name, value);
        }
        if !self.send_request(now, dialog, flow, request) {
            self.forget_referring(dialog);
            self.event(Event::ReferAnswered { dialog, status: 408, reports: false });
        }
        self.settle_dialog(dialog);
    }

    /// REFER within a call.
    pub(super) fn referred(&mut self, now: Instant, id: DialogId, incoming: Incoming) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        if !matches!(dialog.stage, Stage::Talking { .. }) {
            return self.refuse(now, &incoming, &Refusal::new(403));
        }
        let headers = &incoming.request.headers;
        let Some((target, replaces)) = refer_to(headers, Name::ReferTo) else {
            return self.refuse(now, &incoming, &Refusal::bad_request("Malformed Refer-To"));
        };
        let under_way = dialog.transfers.as_ref().map_or(0, |transfers| transfers.referrals.len());
        let full = self.servers.len() >= self.config.transactions_max.saturating_add(self.config.dialogs_max);
        if under_way >= REFERRALS_MAX || full {
            let retry_after_s = self.random_s(0..=10);
            return self.refuse(now, &incoming, &Refusal::new(500).with(Name::RetryAfter, retry_after_s));
        }
        let referred_by = headers.text(Name::ReferredBy).map(|value| value.into_owned());
        let reports = !headers.text(Name::from("Refer-Sub")).is_some_and(|value| {
            value.split(';').next().is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case("false"))
        });
        let mut template = self.response_to(&incoming.request, 202);
        template.headers.push(Name::Contact, self.contact(dialog.flow, dialog.user.as_deref()));
        let Incoming { head, reply, key, .. } = incoming;
        let machine = NonInviteServer::new(reply.transport.is_reliable(), self.config.timers);
        self.remember(key, reply, None, Some(id), ServerMachine::NonInvite(machine));
        let number = head.cseq.number;
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let transfers = dialog.transfers.get_or_insert_default();
        let stage = ReferralStage::Asked { transaction: key, template: Box::new(template), until: now + ANSWER_MAX };
        transfers.referrals.push(Referral { number, has_id: transfers.seen > 0, reports, stage });
        transfers.seen = transfers.seen.saturating_add(1);
        self.settle_dialog(id);
        let refer = ReferId { dialog: id, number };
        self.event(Event::Refer { refer, target: Box::new(target), replaces, referred_by, reports });
    }

    /// NOTIFY within a call: how far the transfer is that we asked for. Nothing else is subscribed to here.
    pub(super) fn notified(&mut self, now: Instant, id: DialogId, incoming: &Incoming) {
        let headers = &incoming.request.headers;
        let event = headers.text(Name::Event).unwrap_or_default().into_owned();
        let (package, params) = event.split_at(event.find(';').unwrap_or(event.len()));
        if !package.trim_ascii().eq_ignore_ascii_case("refer") {
            let refusal = Refusal::new(489).with(Name::AllowEvents, "refer");
            return self.refuse(now, incoming, &refusal);
        }
        let params = crate::Params::parse(params).unwrap_or_default();
        let about = params.get("id").map(|number| number.parse::<u32>().ok());
        let transfers = self.transfers(id);
        let ours = transfers.and_then(|transfers| transfers.referring.as_mut());
        let Some(referring) = ours.filter(|ours| about.is_none_or(|number| number == Some(ours.number))) else {
            return self.refuse(now, incoming, &Refusal::new(481));
        };
        referring.until = now + REPORT_MAX;
        let accepted = std::mem::replace(&mut referring.accepted, true);
        let status = sipfrag_status(&incoming.request.body).unwrap_or(0);
        let state = headers.text(Name::SubscriptionState).unwrap_or_default();
        let state = state.split(';').next().unwrap_or_default().trim_ascii();
        let over = status >= 200 || state.eq_ignore_ascii_case("terminated");
        let response = self.response_to(&incoming.request, 200);
        self.answer(now, incoming, &response);
        if !accepted {
            // It overtook the 202, and says the same.
            self.event(Event::ReferAnswered { dialog: id, status: 202, reports: true });
        }
        if over {
            self.forget_referring(id);
        }
        self.settle_dialog(id);
        self.event(Event::ReferProgress { dialog: id, status, over });
    }

    /// The answer to our REFER.
    pub(super) fn refer_answered(&mut self, now: Instant, id: DialogId, number: u32, outcome: &Outcome<'_>) {
        let ours = self.transfers(id).and_then(|transfers| transfers.referring.as_mut());
        let Some(referring) = ours.filter(|ours| ours.number == number) else { return };
        let (status, told) = (outcome.status(), std::mem::replace(&mut referring.accepted, true));
        let silent = match outcome {
            Outcome::Answered(response) => response.headers.lists(Name::from("Refer-Sub"), "false"),
            Outcome::TimedOut => true,
        };
        let reports = (200..300).contains(&status) && !silent;
        if !told {
            referring.until = now + FIRST_REPORT_MAX;
        }
        if !reports {
            self.forget_referring(id);
        }
        // Our owner has hung up before the ACK came: nothing more is told.
        let talking = self.dialogs.get(&id).is_some_and(|dialog| matches!(dialog.stage, Stage::Talking { .. }));
        if !told && talking {
            self.event(Event::ReferAnswered { dialog: id, status, reports });
        }
        // They had begun to report, and say now that they will not.
        if told && !reports && talking {
            self.event(Event::ReferProgress { dialog: id, status: 0, over: true });
        }
    }

    /// What the clock wants of this call's transfers.
    pub(super) fn transfer_due(&mut self, now: Instant, id: DialogId, due: &Due) {
        match *due {
            Due::Unanswered(number) => self.refuse_refer(now, ReferId { dialog: id, number }, 500),
            Due::Unreported(number) => {
                let refer = ReferId { dialog: id, number };
                self.notify(now, refer, 408, "timeout");
                self.forget_referral(refer);
            }
            Due::Untold => {
                let accepted = self.transfers(id).and_then(|transfers| transfers.referring.take());
                match accepted.map(|ours| ours.accepted) {
                    Some(true) => self.event(Event::ReferProgress { dialog: id, status: 0, over: true }),
                    Some(false) => self.event(Event::ReferAnswered { dialog: id, status: 408, reports: false }),
                    None => {}
                }
            }
        }
    }

    /// Our NOTIFY was answered, or not. Only a 2xx lets another follow: what they do not want to know, or not understand,
    /// they are not told again. The call goes on (RFC 5057 §5.1: it has two usages).
    pub(super) fn notified_of(&mut self, now: Instant, refer: ReferId, status: u16) {
        let Some(referral) = self.transfers(refer.dialog).and_then(|transfers| transfers.referral(refer.number)) else {
            return;
        };
        let ReferralStage::Reporting { notifying, next, .. } = &mut referral.stage else { return };
        let last_word = notifying.is_none_or(|said| said >= 200);
        *notifying = next.take();
        match *notifying {
            _ if last_word || !(200..300).contains(&status) => self.forget_referral(refer),
            Some(status) => self.notify(now, refer, status, "noresource"),
            None => {}
        }
        self.settle_dialog(refer.dialog);
    }

    fn notify(&mut self, now: Instant, refer: ReferId, status: u16, why_last: &str) {
        let Some(dialog) = self.dialogs.get_mut(&refer.dialog) else { return };
        let referral = dialog.transfers.as_mut().and_then(|transfers| transfers.referral(refer.number));
        let Some(Referral { has_id, stage: ReferralStage::Reporting { until, .. }, .. }) = referral else { return };
        let event = if *has_id { format!("refer;id={}", refer.number) } else { "refer".to_owned() };
        let state = match status {
            100..200 => format!("active;expires={}", until.saturating_duration_since(now).as_secs().max(1)),
            _ => format!("terminated;reason={why_last}"),
        };
        let flow = dialog.flow_out();
        let mut request = dialog.request(Method::Notify, None);
        let user = dialog.user.clone();
        request.headers.push(Name::Contact, self.contact(flow, user.as_deref()));
        request.headers.push(Name::Event, event);
        request.headers.push(Name::SubscriptionState, state);
        request.headers.push(Name::ContentType, "message/sipfrag;version=2.0");
        request.body = Bytes::from(format!("SIP/2.0 {status} {}\r\n", reason_phrase(status)));
        let keep = self.authorize(refer.dialog, &mut request);
        let habits = Habits { keep, ..Habits::default() };
        if self.send_client(now, flow, request, Purpose::Notify(refer), habits).is_none() {
            self.forget_referral(refer);
        }
    }

    pub(super) fn answer_referral(&mut self, now: Instant, transaction: Key, mut response: Response, status: u16) {
        response.status = status;
        response.reason = reason_phrase(status).to_owned();
        let bytes = self.write_response(&response);
        self.drive_non_invite(now, transaction, non_invite_server::Input::Final(bytes));
    }

    fn transfers(&mut self, id: DialogId) -> Option<&mut Transfers> {
        self.dialogs.get_mut(&id)?.transfers.as_deref_mut()
    }

    fn forget_referral(&mut self, refer: ReferId) {
        if let Some(transfers) = self.transfers(refer.dialog) {
            transfers.remove(refer.number);
        }
        self.settle_dialog(refer.dialog);
    }

    fn forget_referring(&mut self, id: DialogId) {
        if let Some(transfers) = self.transfers(id) {
            transfers.referring = None;
        }
    }
}

/// What a REFER of ours says already, none of its headers may say otherwise.
fn request_has(headers: &Headers, name: Name<'_>) -> bool {
    matches!(name, Name::Via | Name::ContentLength | Name::ContentType) || headers.contains(name)
}
