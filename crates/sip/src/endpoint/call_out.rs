//! A call that we make, from its INVITE until somebody answers or all have refused (RFC 3261 §8.1.3, §9.1, §13.2).
//!
//! What an [`Attempt`] is about to do is decided there; here it is done. Once the call is answered it is a dialog like
//! any other, whoever called.

use std::time::{Duration, Instant};

use rand::Rng;

use super::attempt::{Attempt, Due, FORKS_MAX, LATE_FORKS_MAX, PROCEEDING_SLACK, Stage as Trying};
use super::client::{Asked, Habits, Purpose};
use super::uac::{description, granted};
use super::{Endpoint, Owner, tag_of};
use crate::dialog::{Canceled, Dialog, Early, Owed, Stage, routed};
use crate::grammar::is_token;
use crate::inspection::{ALLOW, SUPPORTED};
use crate::transaction::Branch;
use crate::{
    CSeq, DialogId, Event, Failure, Flow, Method, Name, NameAddr, Outgoing, Reason, Refresher, Reject, Request,
    Response, SessionExpires, SipUri, Uri,
};

impl Endpoint {
    /// Calls somebody. What comes of it is told by [`Event::Progress`], [`Event::Accepted`] and [`Event::Failed`];
    /// `hangup` gives it up. The name stays the same from here to the end of the call.
    pub fn invite(&mut self, now: Instant, outgoing: Outgoing) -> DialogId {
        let id = self.new_dialog_id();
        let calls = self.dialogs.len().max(self.attempts.len());
        if calls >= self.config.dialogs_max || self.clients.len() >= self.config.transactions_max {
            self.stats.refused_overload += 1;
            self.event(Event::Failed { dialog: id, status: 503, failure: Failure::Full, response: None });
            return id;
        }
        let call_id = format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64());
        let nothing_yet = Branch { bits: 0, cancel: false };
        self.attempts.insert(id, Attempt::new(now, outgoing, call_id, nothing_yet));
        self.send_invite(now, id);
        id
    }

    /// Answers [`Event::Redirected`]: the call goes on to this target, by this flow, which may lead to another network:
    /// there it is offered this. No-op if it waits for no such answer.
    pub fn follow(&mut self, now: Instant, dialog: DialogId, flow: Flow, target: Uri, offer: String) {
        let Some(attempt) = self.attempts.get_mut(&dialog) else { return };
        if matches!(attempt.stage, Trying::Redirected) {
            if attempt.outgoing.offer.is_some() {
                attempt.outgoing.offer = Some(offer);
            }
            attempt.follow(flow, target);
            self.send_invite(now, dialog);
        }
    }

    /// Sends the INVITE: the first one, or one that knows better (RFC 3261 §8.1.3.4, §22.2, RFC 4028 §7.3). Where that
    /// cannot be, the call has failed.
    pub(super) fn send_invite(&mut self, now: Instant, id: DialogId) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        attempt.number += 1;
        let (flow, ring_timeout) = (attempt.outgoing.flow, attempt.ring_until.saturating_duration_since(now));
        let silence_max = (64 * self.config.timers.t1).min(attempt.outgoing.silence_timeout);
        let Some(request) = self.write_invite(id) else { return };
        let streams = self.attempts.get(&id).is_some_and(|attempt| takes_streams(&attempt.outgoing));
        if streams && self.is_too_long(now, flow, &request) && self.hold_invite(now, id, flow.remote) {
            self.drop_early(id);
            if let Some(attempt) = self.attempts.get_mut(&id) {
                attempt.number -= 1;
                attempt.authorizer.iter_mut().for_each(|authorizer| authorizer.take_back());
                attempt.stage = Trying::Connecting;
            }
            return self.settle_attempt(id);
        }
        let Some(Attempt { outgoing, .. }) = self.attempts.get(&id) else { return };
        let dialog = Dialog::calling(id, &request, flow, outgoing.contact_user.clone(), outgoing.same_flow);
        let proceeding_max = Some(ring_timeout + PROCEEDING_SLACK);
        let habits = Habits { keep: true, repeated: 0, proceeding_max };
        let sent = self.send_client(now, flow, request, Purpose::Call(id), habits);
        let Some(branch) = sent else {
            let failure = if self.is_alive(flow) { Failure::Full } else { Failure::Unreachable };
            self.stats.refused_overload += u64::from(failure == Failure::Full);
            return self.call_failed(id, 503, failure, None);
        };
        self.drop_early(id);
        self.dialogs.insert(id, dialog);
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.stage = Trying::Inviting { branch, silent_until: Some(now + silence_max) };
        }
        self.settle_attempt(id);
    }

    fn write_invite(&mut self, id: DialogId) -> Option<Request> {
        let min_s = self.session_min_s();
        let expires_s = super::uas::seconds(self.config.session_expires);
        let cnonce = self.rng.next_u64();
        let attempt = self.attempts.get(&id)?;
        let Outgoing { flow, uri, from, to, contact_user, routes, offer, headers: more, .. } = &attempt.outgoing;
        let contact = self.contact(*flow, contact_user.as_deref());
        let target = without_headers(uri.clone());
        let (uri, routes) = routed(target, routes);
        let mut from = from.clone();
        from.params.remove("tag");
        from.params.push("tag", Some(&tag_of(id.0)));
        let to = to.clone().unwrap_or_else(|| NameAddr::new(without_headers(attempt.first_target())));
        let mut request = Request::new(Method::Invite, uri.into());
        let headers = &mut request.headers;
        headers.push(Name::MaxForwards, attempt.outgoing.max_forwards.to_string());
        headers.push(Name::From, from.to_string());
        headers.push(Name::To, to.to_string());
        headers.push(Name::CallId, &attempt.call_id);
        headers.push(Name::CSeq, CSeq { number: attempt.number, method: Method::Invite }.to_string());
        for route in routes {
            headers.push(Name::Route, NameAddr::new(route).to_string());
        }
        headers.push(Name::Contact, contact);
        headers.push(Name::Allow, ALLOW);
        headers.push(Name::Supported, SUPPORTED);
        let min_s = attempt.min_se_s.unwrap_or(min_s).max(min_s);
        let expires = SessionExpires { seconds: expires_s.max(min_s), refresher: None::<Refresher> };
        headers.push(Name::SessionExpires, expires.to_string());
        headers.push(Name::MinSe, min_s.to_string());
        for (name, value) in more.iter().filter(|(name, _)| is_token(name.as_str().as_bytes()) && !is_ours(*name)) {
            let value: Vec<u8> = value.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }).collect();
            headers.push(name, value);
        }
        super::uas::set_sdp(&mut request.headers, &mut request.body, offer.clone().map(Into::into));
        if let Some(authorizer) = self.attempts.get_mut(&id).and_then(|attempt| attempt.authorizer.as_mut()) {
            authorizer.write(&mut request, &format!("{cnonce:016x}"));
        }
        Some(request)
    }

    /// A 1xx to the INVITE.
    pub(super) fn call_progressed(&mut self, now: Instant, id: DialogId, branch: Branch, response: &Response) {
        let Some(attempt) = self.attempts.get_mut(&id).filter(|attempt| attempt.branch() == Some(branch)) else {
            return;
        };
        match &mut attempt.stage {
            Trying::Inviting { silent_until, .. } => *silent_until = None,
            Trying::Canceling { sent: true, .. } | Trying::Connecting | Trying::Redirected => return,
            Trying::Canceling { .. } => return self.cancel_heard(now, id),
        }
        self.settle_attempt(id);
        if response.status == 100 {
            return;
        }
        let tag = response.headers.to_tag();
        if response.status == 199 {
            // This phone is out of it, the others ring on (RFC 6228).
            return self.fork_over(id, tag.as_deref());
        }
        if let Some(tag) = &tag
            && !self.focus(now, id, tag, Some(response))
        {
            self.stats.dropped += 1;
            return;
        }
        let reliable =
            response.headers.rseq().filter(|_| tag.is_some() && response.headers.lists(Name::Require, "100rel"));
        let we_offered = self.attempts.get(&id).is_some_and(|attempt| attempt.outgoing.offer.is_some());
        let Some(Dialog { stage: Stage::Calling(early), .. }) = self.dialogs.get_mut(&id) else { return };
        let settled = early.settled;
        if let Some(rseq) = reliable {
            // A copy, or one before which another got lost: that will come again first (RFC 3262 §4).
            if early.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
                return;
            }
            early.rseq = Some(rseq);
        }
        let described = description(response);
        let (mut answer, mut offer) = (None, None);
        match described {
            Some(description) if we_offered && !early.renegotiated => {
                early.answer = Some(description.clone());
                early.settled |= reliable.is_some();
                answer = Some(description);
            }
            // Only a reliable 1xx may carry an offer (RFC 3262 §5).
            Some(description) if reliable.is_some() && !settled => offer = Some(description),
            _ => {}
        }
        let number = self.attempts.get(&id).map_or(0, |attempt| attempt.number);
        if let Some(rseq) = reliable {
            if offer.is_some() {
                self.owe(id, Owed::Prack { rseq, number });
            } else {
                self.send_prack(now, id, rseq, number, None);
            }
        }
        let (response, reliable) = (Box::new(response.clone()), reliable.is_some());
        self.event(Event::Progress { dialog: id, response, tag, answer, reliable });
        if offer.is_some() {
            self.event(Event::Offered { dialog: id, offer });
        }
    }

    /// A 2xx to the INVITE, the first from this phone: the call is answered, or a fork is one too many.
    pub(super) fn call_accepted(&mut self, now: Instant, id: DialogId, branch: Branch, response: &Response) {
        let Some(attempt) = self.attempts.get(&id).filter(|attempt| attempt.branch() == Some(branch)) else {
            return self.part_with_fork(now, id, branch, response);
        };
        let (canceling, number) = (attempt.is_canceling(), attempt.number);
        let tag = response.headers.to_tag();
        // Beyond the bound there is no early dialog, but a call all the same: the one heard last gives way.
        if tag.as_deref().is_none_or(|tag| !self.focus(now, id, tag, None)) {
            self.drop_pending(now, id);
        }
        let Some(mut attempt) = self.attempts.remove(&id) else { return };
        self.deadlines.set(Owner::Attempt(id), None);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let same_phone = dialog.remote_tag == tag;
        dialog.establish(response);
        let stage = std::mem::replace(&mut dialog.stage, Stage::Talking { canceled: Canceled::No });
        let early = match stage {
            Stage::Calling(early) if same_phone => early,
            _ => Early::default(),
        };
        dialog.session = granted(now, response);
        dialog.authorizer = attempt.authorizer.take();
        let we_offered = attempt.outgoing.offer.is_some();
        for fork in std::mem::take(&mut attempt.forks) {
            self.discard(&fork);
        }
        if canceling {
            let reason = match attempt.stage {
                Trying::Canceling { reason, .. } => reason,
                Trying::Inviting { .. } | Trying::Connecting | Trying::Redirected => None,
            };
            self.acknowledge(id, branch, number, None);
            return self.bye(now, id, reason);
        }
        let described = description(response);
        let answered = we_offered || early.settled;
        let answer = described.clone().or(early.answer).filter(|_| !early.renegotiated);
        if answered || described.is_none() {
            self.acknowledge(id, branch, number, None);
        } else {
            self.owe(id, Owed::Ack { branch, number });
        }
        let unanswered = we_offered && answer.is_none() && !early.renegotiated;
        if unanswered || (!answered && described.is_none()) {
            let response = Some(Box::new(response.clone()));
            self.event(Event::Failed { dialog: id, status: 488, failure: Failure::AnswerMissing, response });
            return self.bye(now, id, Some(Reason::sip(488, "No session description")));
        }
        let answer = answer.filter(|_| we_offered);
        self.event(Event::Accepted { dialog: id, response: Box::new(response.clone()), answer });
        if !answered {
            self.event(Event::Offered { dialog: id, offer: described });
        }
        self.settle_dialog(id);
    }

    /// A 2xx from a phone that was too late: the call is another's, or over (RFC 3261 §13.2.2.4).
    fn part_with_fork(&mut self, now: Instant, id: DialogId, branch: Branch, response: &Response) {
        let Some(client) = self.clients.get(&branch) else { return };
        // The answered one, whose ACK still waits for our answer, is no other fork.
        let owed = self.dialogs.get(&id).filter(|dialog| {
            let waits = matches!(dialog.owed, Some(Owed::Ack { .. }));
            waits && dialog.remote_tag == response.headers.to_tag()
        });
        let Some(invite) = client.request.as_ref().filter(|_| owed.is_none() && client.acks.len() < LATE_FORKS_MAX)
        else {
            self.stats.dropped += 1;
            return;
        };
        let mut fork = Dialog::calling(id, invite, client.flow, None, false);
        fork.establish(response);
        let (ack, tag, flow) =
            (fork.request(Method::Ack, Some(fork_number(invite))), fork.remote_tag.clone(), fork.flow_out());
        let mut bye = fork.request(Method::Bye, None);
        bye.headers.push(Name::Reason, Reason::sip(200, "Call completed elsewhere").to_string());
        self.send_ack(branch, tag, flow, ack);
        self.send_client(now, flow, bye, Purpose::Nobody, Habits::default());
    }

    /// A final refusal of the INVITE, already acknowledged.
    pub(super) fn call_refused(&mut self, now: Instant, id: DialogId, asked: &Asked, response: &Response) {
        let Some(attempt) = self.attempts.get_mut(&id).filter(|attempt| attempt.branch() == Some(asked.branch)) else {
            return;
        };
        if attempt.is_canceling() {
            return self.forget_dialog(id);
        }
        let repeated = attempt.repeated;
        match response.status {
            401 | 407 if attempt.authorizer.as_mut().is_some_and(|known| known.challenged(response, repeated)) => {
                attempt.repeated += 1;
                self.send_invite(now, id);
            }
            422 if attempt.min_se_s.is_none() => {
                attempt.min_se_s = response.headers.min_se().ok().flatten();
                match attempt.min_se_s {
                    Some(_) => self.send_invite(now, id),
                    None => self.next_target(id, 422, Failure::Refused, Some(response)),
                }
            }
            status => {
                if (300..400).contains(&status) && attempt.outgoing.redirects {
                    attempt.redirected(response);
                }
                self.next_target(id, status, Failure::Refused, Some(response));
            }
        }
    }

    /// Nobody answered the INVITE in time, or the stream is gone.
    pub(super) fn call_unanswered(&mut self, _now: Instant, id: DialogId, branch: Branch) {
        let Some(attempt) = self.attempts.get(&id).filter(|attempt| attempt.branch() == Some(branch)) else { return };
        if attempt.is_canceling() {
            self.forget_dialog(id);
        } else {
            self.next_target(id, 408, Failure::Unreachable, None);
        }
    }

    /// Asks our owner for the way to the next target, if a redirection named one; else the call has failed. A 6xx speaks
    /// for all targets (RFC 3261 §16.7).
    fn next_target(&mut self, id: DialogId, status: u16, failure: Failure, response: Option<&Response>) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        match attempt.next_target().filter(|_| status < 600) {
            Some(target) => {
                attempt.stage = Trying::Redirected;
                self.drop_early(id);
                self.settle_attempt(id);
                self.event(Event::Redirected { dialog: id, status, target });
            }
            None => self.call_failed(id, status, failure, response),
        }
    }

    fn call_failed(&mut self, id: DialogId, status: u16, failure: Failure, response: Option<&Response>) {
        self.forget_dialog(id);
        let response = response.map(|response| Box::new(response.clone()));
        self.event(Event::Failed { dialog: id, status, failure, response });
    }

    /// Our owner does not want the call any more, or it has lasted too long.
    pub(super) fn cancel_call(&mut self, now: Instant, id: DialogId, reason: Option<Reason>) {
        self.drop_pending(now, id);
        let until = now + self.cancel_max();
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        match &attempt.stage {
            Trying::Inviting { branch, silent_until } => {
                let (branch, heard) = (*branch, silent_until.is_none());
                attempt.stage = Trying::Canceling { branch, reason, sent: false, until };
                if heard {
                    self.cancel_heard(now, id);
                }
                self.settle_attempt(id);
            }
            Trying::Connecting | Trying::Redirected => self.forget_dialog(id),
            Trying::Canceling { .. } => {}
        }
    }

    /// The CANCEL may go: something was heard.
    fn cancel_heard(&mut self, now: Instant, id: DialogId) {
        let give_up_at = now + self.cancel_max();
        let Some(Attempt { stage: Trying::Canceling { branch, reason, sent, until }, .. }) = self.attempts.get_mut(&id)
        else {
            return;
        };
        (*sent, *until) = (true, give_up_at);
        let (branch, reason) = (*branch, reason.clone());
        self.send_cancel(now, branch, reason.as_ref());
        self.settle_attempt(id);
    }

    pub(super) fn attempt_timeout(&mut self, now: Instant, id: DialogId) {
        let Some(attempt) = self.attempts.get(&id) else { return };
        let (due, branch) = (attempt.due(now), attempt.branch());
        let failure = match due {
            None => return self.settle_attempt(id),
            Some(Due::Forget) => {
                branch.into_iter().for_each(|branch| self.forget_client(branch));
                return self.forget_dialog(id);
            }
            Some(Due::Silent) => Failure::Unreachable,
            Some(Due::RungOut) => Failure::NoAnswer,
        };
        // The call goes on without us until they say that it is over, but our owner need not wait for that.
        self.cancel_call(now, id, (failure == Failure::NoAnswer).then(|| Reason::sip(408, "No answer")));
        self.event(Event::Failed { dialog: id, status: 408, failure, response: None });
    }

    /// A stream is gone, and with it whoever would have answered.
    pub(super) fn calls_lost(&mut self, now: Instant, connection: u64) {
        let over_it = |attempt: &Attempt| attempt.outgoing.flow.connection == Some(connection);
        let lost = self.attempts.iter().filter(|(_, attempt)| over_it(attempt));
        let mut lost: Vec<_> = lost.filter_map(|(id, attempt)| Some((*id, attempt.branch()?))).collect();
        lost.sort_unstable(); // the same seed shall say the same
        for (_, branch) in lost {
            self.client_lost(now, branch);
        }
    }

    /// Makes the early dialog with this phone the one that the call's name means, if there is or may be one. `heard`: what
    /// it said to make itself known, if it may do so now.
    pub(super) fn focus(&mut self, now: Instant, id: DialogId, tag: &str, heard: Option<&Response>) -> bool {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return false };
        if !matches!(dialog.stage, Stage::Calling(_)) {
            return false;
        }
        if dialog.is_with(tag) {
            return true;
        }
        let Some(attempt) = self.attempts.get_mut(&id) else { return false };
        if let Some(fork) = attempt.forks.iter_mut().find(|fork| fork.is_with(tag)) {
            std::mem::swap(dialog, fork);
        } else if dialog.remote_tag.is_none() {
            let Some(response) = heard else { return true };
            dialog.establish(response);
            return true;
        } else if let Some(response) = heard.filter(|_| attempt.forks.len() < FORKS_MAX)
            && let Some(invite) = attempt.branch().and_then(|branch| self.clients.get(&branch)?.request.as_ref())
        {
            let Outgoing { flow, contact_user, same_flow, .. } = &attempt.outgoing;
            let mut fork = Dialog::calling(id, invite, *flow, contact_user.clone(), *same_flow);
            fork.establish(response);
            attempt.forks.push(std::mem::replace(dialog, fork));
        } else {
            return false;
        }
        // What another phone waits for is not this one's to answer.
        let forks = self.attempts.get_mut(&id).map(|attempt| &mut attempt.forks);
        let waiting: Vec<_> = forks.into_iter().flatten().filter_map(Dialog::take_received).collect();
        for received in waiting {
            self.fail_received(now, received, 500, Reject::default());
        }
        true
    }

    /// What was said to whom the INVITE rang at is void.
    fn drop_early(&mut self, id: DialogId) {
        let forks = self.attempts.get_mut(&id).map(|attempt| std::mem::take(&mut attempt.forks));
        for early in self.dialogs.remove(&id).into_iter().chain(forks.into_iter().flatten()) {
            self.discard(&early);
        }
    }

    fn fork_over(&mut self, id: DialogId, tag: Option<&str>) {
        let (Some(attempt), Some(tag)) = (self.attempts.get_mut(&id), tag) else { return };
        if let Some(at) = attempt.forks.iter().position(|fork| fork.is_with(tag)) {
            let fork = attempt.forks.swap_remove(at);
            self.discard(&fork);
        }
    }

    fn settle_attempt(&mut self, id: DialogId) {
        let at = self.attempts.get(&id).map(Attempt::next_deadline);
        self.deadlines.set(Owner::Attempt(id), at);
    }

    fn cancel_max(&self) -> Duration {
        64 * self.config.timers.t1
    }

    pub(super) fn new_dialog_id(&mut self) -> DialogId {
        loop {
            let id = DialogId(self.rng.next_u64());
            if !self.dialogs.contains_key(&id) && !self.attempts.contains_key(&id) {
                return id;
            }
        }
    }
}

fn fork_number(invite: &Request) -> u32 {
    invite.headers.cseq().map_or(1, |cseq| cseq.number)
}

/// Whether a call may go by a stream though its flow is one of datagrams: not back through a NAT, nor where it says that it
/// wants datagrams.
fn takes_streams(outgoing: &Outgoing) -> bool {
    let hop = outgoing.routes.first().map_or(&outgoing.uri, |route| &route.uri);
    !outgoing.same_flow && hop.sip().is_none_or(|uri| uri.transport().is_none())
}

/// A URI in a request line or in To has no headers (RFC 3261 §19.1.1).
fn without_headers(uri: Uri) -> Uri {
    match uri {
        Uri::Sip(uri) => Uri::Sip(SipUri { headers: None, ..uri }),
        other => other,
    }
}

/// Headers that no caller of [`Endpoint::invite`] writes.
fn is_ours(name: Name<'_>) -> bool {
    use Name::{
        Allow, Authorization, CSeq, CallId, Contact, ContentDisposition, ContentEncoding, ContentLength, ContentType,
        From, MaxForwards, MinSe, ProxyAuthorization, RAck, RSeq, RecordRoute, Route, SessionExpires, Supported, To,
        UserAgent, Via,
    };
    matches!(
        name,
        Allow
            | Authorization
            | CSeq
            | CallId
            | Contact
            | ContentDisposition
            | ContentEncoding
            | ContentLength
            | ContentType
            | From
            | MaxForwards
            | MinSe
            | ProxyAuthorization
            | RAck
            | RSeq
            | RecordRoute
            | Route
            | SessionExpires
            | Supported
            | To
            | UserAgent
            | Via
    )
}
