//! What others ask of us and how we answer (RFC 3261 §8.2, §9.2, §11.2, §12.2.2, §13.3, §14.2, §15.1.2).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::attempt::Attempt;
use super::{Endpoint, Server, ServerMachine, dialog_of, reply_flow, tag_of};
use crate::body;
use crate::dialog::{self, Answered, Canceled, Dialog, Ours, Owed, RING_AGAIN_AFTER, Received, Stage, Theirs};
use crate::grammar::is_token;
use crate::inspection::{self, ACCEPT_INFO, ALLOW, Head, Refusal, SUPPORTED};
use crate::reliable::Provisionals;
use crate::session_timer::{Asked, SessionTimer, Terms};
use crate::transaction::Key;
use crate::transaction::invite_server::{self, InviteServer};
use crate::transaction::non_invite_server::{self, NonInviteServer};
use crate::{
    Decision, DialogId, EndCause, Event, Flow, Headers, Method, Name, Reason, Refresher, Reject, Replaces, Request,
    Response, SessionDescription, Uri, reason_phrase,
};

use rand::Rng;

/// A request that is not a copy of one we know, its topmost Via stamped.
pub(super) struct Incoming {
    pub(super) request: Request,
    pub(super) head: Head,
    /// How it came.
    pub(super) flow: Flow,
    /// How its answer goes.
    pub(super) reply: Flow,
    pub(super) key: Key,
}

/// What an INVITE says that its head does not.
struct Invited {
    asked: Asked,
    target: Option<Uri>,
    offer: Option<SessionDescription>,
    replaces: Option<Replaces>,
}

impl Endpoint {
    /// Sends a 1xx: 180, 183, … With a description (our answer, or our offer where the INVITE has none and its sender
    /// knows PRACK) there is early media, and the 200 will say the same. Reliably where that helps and they know how (RFC
    /// 3262). No-op if the call is not waiting for an answer any more.
    pub fn progress(&mut self, now: Instant, dialog: DialogId, status: u16, sdp: Option<String>) {
        let Some(received) = self.ringing(dialog) else { return };
        let offered = received.offered;
        let mut response = received.template.clone();
        response.status = status.clamp(101, 199);
        response.reason = reason_phrase(response.status).to_owned();
        response.headers.push(Name::Allow, ALLOW);
        let Some(state) = self.dialogs.get_mut(&dialog) else { return };
        let Stage::Ringing { provisionals, .. } = &state.stage else { return };
        // An offer cannot be made in what may get lost, and what was said reliably would be a new one (RFC 3262 §5).
        let (reliable, said) = (provisionals.is_some(), state.described.clone());
        let sdp = sdp.filter(|_| if reliable { said.is_none() } else { offered });
        let sdp = sdp.map(|sdp| said.unwrap_or_else(|| sdp.into()));
        state.described = sdp.clone().or(state.described.take());
        let (flow, user) = (state.flow, state.user.clone());
        response.headers.push(Name::Contact, self.contact(flow, user.as_deref()));
        set_sdp(&mut response.headers, &mut response.body, sdp);
        self.provisional(now, dialog, &response);
        if reliable {
            response.headers.remove(Name::ContentType);
            response.body = Bytes::new();
        }
        if let Some(Dialog { stage: Stage::Ringing { repeat, .. }, .. }) = self.dialogs.get_mut(&dialog) {
            *repeat = Some((response, now + RING_AGAIN_AFTER));
        }
        self.settle_dialog(dialog);
    }

    /// Answers the call: 200 with this answer, or with our offer if the INVITE brought none. What a 1xx has said counts,
    /// not this; and while the PRACK to one is awaited, so is the 200. No-op if the call is not waiting for an answer any
    /// more.
    pub fn accept(&mut self, now: Instant, dialog: DialogId, sdp: String) {
        if self.ringing(dialog).is_none() {
            return;
        }
        let Some(state) = self.dialogs.get_mut(&dialog) else { return };
        let sdp = state.described.clone().unwrap_or_else(|| sdp.into());
        if let Stage::Ringing { provisionals: Some(provisionals), .. } = &mut state.stage
            && (!provisionals.is_empty() || state.owed.is_some())
        {
            provisionals.accepted = provisionals.accepted.take().or(Some(sdp));
            return;
        }
        self.succeed(now, dialog, Some(sdp));
    }

    /// Declines the call. No-op if it is not waiting for an answer any more.
    pub fn reject(&mut self, now: Instant, dialog: DialogId, status: u16, reject: Reject) {
        if self.ringing(dialog).is_some() {
            self.fail(now, dialog, status.clamp(300, 699), reject);
            self.drop_owed(now, dialog);
            self.forget_dialog(dialog);
        }
    }

    /// Ends the call: BYE, as soon as the ACK to our 2xx has come; 603 if the call still rings; CANCEL if it is ours and
    /// nobody has answered, as soon as that is allowed, and ACK and BYE if a 2xx crosses it. No event follows.
    pub fn hangup(&mut self, now: Instant, dialog: DialogId, reason: Option<Reason>) {
        let Some(state) = self.dialogs.get_mut(&dialog) else {
            return self.cancel_call(now, dialog, reason); // it waits between two targets
        };
        match state.stage {
            Stage::Ringing { .. } => self.reject(now, dialog, 603, Reject { reason, ..Reject::default() }),
            Stage::Calling(_) => self.cancel_call(now, dialog, reason),
            Stage::Talking { .. } if state.is_unacked() => {
                state.stage = Stage::HangingUp { reason };
                self.settle_dialog(dialog);
            }
            Stage::Talking { .. } => self.bye(now, dialog, reason),
            Stage::HangingUp { .. } | Stage::Closing => {}
        }
    }

    /// At the end of the process: a BYE at once for every dialog that was hung up and whose ACK has not come. RFC 3261
    /// §15 wants it to wait, but nobody will be there any more to send it later.
    pub fn farewell(&mut self, now: Instant) {
        let hanging_up = |dialog: &&Dialog| matches!(dialog.stage, Stage::HangingUp { .. });
        let mut waiting: Vec<_> = self.dialogs.values().filter(hanging_up).map(|dialog| dialog.id).collect();
        waiting.sort_unstable(); // the same seed shall say the same
        for id in waiting {
            self.hang_up_waited(now, id);
        }
    }

    /// Answers [`Event::Offered`]: 200 with our answer, or with our offer if they brought none. No-op if the offer
    /// is gone, which it is only with its dialog, or with the phone of a fork.
    pub fn reanswer(&mut self, now: Instant, dialog: DialogId, sdp: String) {
        if let Some(owed) = self.dialogs.get_mut(&dialog).and_then(|state| state.owed.take()) {
            self.pay(now, dialog, owed, sdp.into());
        } else if self.renegotiating(dialog) {
            self.succeed(now, dialog, Some(sdp.into()));
        }
    }

    /// Refuses [`Event::Offered`]; the call goes on as before (RFC 3261 §14.2), unless it is ours and the offer was its
    /// first: then it is over, and no event follows. No-op if the offer is gone.
    pub fn rereject(&mut self, now: Instant, dialog: DialogId, status: u16, warning: Option<(u16, String)>) {
        let status = status.clamp(400, 699);
        let reject = Reject { warning, ..Reject::default() };
        if let Some(owed) = self.dialogs.get_mut(&dialog).and_then(|state| state.owed.take()) {
            self.default_on(now, dialog, owed, status, reject);
        } else if self.renegotiating(dialog) {
            self.fail(now, dialog, status, reject);
        }
    }

    pub(super) fn receive_request(&mut self, now: Instant, flow: Flow, mut request: Request) {
        self.stats.requests.count(&request.method);
        let Ok(head) = Head::of(&request) else {
            self.stats.dropped += 1;
            return;
        };
        let key = self.keys.server(&request, &head.via, &head.cseq);
        if let Some(server) = self.servers.get(&key) {
            let invite = matches!(server.machine, ServerMachine::Invite(_));
            if request.method == Method::Ack {
                if self.drive_invite(now, key, invite_server::Input::Ack) {
                    self.ack(now, flow, &request, &head);
                }
                return;
            }
            self.stats.retransmissions_received += 1;
            return if invite {
                self.drive_invite(now, key, invite_server::Input::Retransmission);
            } else {
                self.drive_non_invite(now, key, non_invite_server::Input::Retransmission);
            };
        }
        if request.method == Method::Ack {
            return self.ack(now, flow, &request, &head);
        }
        let mut via = head.via.clone();
        via.stamp(flow.remote);
        request.headers.set_via_top(&via);
        let reply = reply_flow(flow, &head.via);
        let incoming = Incoming { request, head, flow, reply, key };
        let cancels = incoming.request.method == Method::Cancel;
        let known = if cancels {
            let canceled = self.keys.canceled(&incoming.request, &incoming.head.via, &incoming.head.cseq);
            matches!(self.servers.get(&canceled), Some(Server { machine: ServerMachine::Invite(_), .. }))
        } else {
            self.find_dialog(now, &incoming.head).is_some()
        };
        if !known {
            match self.limits.admit(now, &incoming.request, &flow) {
                Decision::Pass => {}
                Decision::Silence => return,
                Decision::Answer { status, retry_after_s } => {
                    let refusal = Refusal::new(status).with(Name::RetryAfter, retry_after_s);
                    return self.refuse_unremembered(&incoming, &refusal);
                }
            }
        }
        if cancels {
            return self.cancel(now, &incoming);
        }
        match inspection::inspect(&incoming.request, &incoming.head) {
            Err(refusal) if !known && incoming.request.method == Method::Bye => {
                self.refuse_unremembered(&incoming, &refusal);
            }
            Err(refusal) => self.refuse(now, &incoming, &refusal),
            Ok(()) if incoming.head.to_tag.is_some() => self.within_dialog(now, incoming),
            Ok(()) => self.outside_dialog(now, incoming),
        }
    }

    fn outside_dialog(&mut self, now: Instant, incoming: Incoming) {
        if self.merges.contains_key(&self.merge_key(&incoming.head)) {
            return self.refuse(now, &incoming, &Refusal::new(482));
        }
        match incoming.request.method {
            Method::Invite => self.invited(now, incoming),
            Method::Options | Method::Register if self.draining => {
                self.stats.refused_draining += 1;
                self.refuse_for_now(&incoming);
            }
            // A ping of the server itself.
            Method::Options if incoming.request.uri.uri().user().is_none() => self.pong(now, &incoming),
            Method::Options => self.inquired(now, incoming, |id, request, flow| Event::Options { id, request, flow }),
            Method::Register => self.inquired(now, incoming, |id, request, flow| Event::Register { id, request, flow }),
            // Nobody is transferred by strangers.
            Method::Refer => self.refuse(now, &incoming, &Refusal::new(403)),
            // BYE, UPDATE, INFO, PRACK and NOTIFY have no meaning without a dialog.
            _ => self.refuse_unknown(&incoming),
        }
    }

    fn within_dialog(&mut self, now: Instant, incoming: Incoming) {
        let Some(id) = self.find_dialog(now, &incoming.head) else { return self.refuse_unknown(&incoming) };
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if !dialog.in_order(&incoming.head.cseq) {
            return self.refuse(now, &incoming, &Refusal::new(500));
        }
        dialog.learn(&incoming.request, &incoming.head, incoming.flow);
        let calling = matches!(dialog.stage, Stage::Calling(_));
        let over = matches!(dialog.stage, Stage::HangingUp { .. } | Stage::Closing)
            || self.attempts.get(&id).is_some_and(Attempt::is_canceling);
        match incoming.request.method {
            // Whom we call cannot hang up before it has answered (RFC 3261 §15).
            Method::Bye if !calling => self.byed(now, id, &incoming),
            Method::Prack if matches!(self.dialogs[&id].stage, Stage::Talking { .. } | Stage::HangingUp { .. }) => {
                self.pracked_late(now, &incoming);
            }
            Method::Bye => self.refuse(now, &incoming, &Refusal::new(481)),
            _ if over => self.refuse(now, &incoming, &Refusal::new(481)),
            Method::Invite if calling => self.refuse(now, &incoming, &Refusal::new(491)),
            Method::Prack => self.pracked(now, id, &incoming),
            Method::Refer => self.referred(now, id, incoming),
            Method::Notify => self.notified(now, id, &incoming),
            Method::Invite | Method::Update => self.offered(now, id, &incoming),
            Method::Info => self.informed(now, id, &incoming),
            _ => self.pong(now, &incoming),
        }
    }

    /// A new call: RFC 3261 §13.3.
    fn invited(&mut self, now: Instant, incoming: Incoming) {
        if self.draining {
            self.stats.refused_draining += 1;
            return self.refuse_for_now(&incoming);
        }
        if self.is_full(incoming.flow) {
            self.stats.refused_overload += 1;
            return self.refuse_for_now(&incoming);
        }
        let Invited { asked, target, offer, replaces } = match self.read_invite(&incoming) {
            Ok(read) => read,
            Err(refusal) => return self.refuse(now, &incoming, &refusal),
        };
        let Incoming { request, head, flow, reply, key } = incoming;
        let id = self.new_dialog_id();
        let provisionals = Provisionals::of(&request.headers, || self.rng.next_u32()).map(Box::new);
        let mut trying = self.response_to(&request, 100);
        trying.headers.copy(Name::Timestamp, &request.headers);
        let mut template = self.response_to(&request, 200);
        template.headers.set_to_tag(&tag_of(id.0));
        template.headers.copy(Name::RecordRoute, &request.headers);
        let asked_for = request.headers.expires().map_or(Duration::MAX, |seconds| Duration::from_secs(seconds.into()));
        let give_up_at = now + self.config.ringing_max.min(asked_for);
        let stage = Stage::Ringing { give_up_at, repeat: None, provisionals };
        let received =
            Received { transaction: key, cseq: head.cseq.clone(), offered: offer.is_some(), asked, template, target };
        let dialog = Dialog::new(id, &request, &head, flow, stage, received);
        let machine = InviteServer::new(reply.transport.is_reliable(), self.config.timers);
        self.remember(key, reply, Some(&head), Some(id), ServerMachine::Invite(machine));
        let trying = self.write_response(&trying);
        self.drive_invite(now, key, invite_server::Input::Provisional(trying));
        self.dialogs.insert(id, dialog);
        self.settle_dialog(id);
        self.event(Event::Invite { dialog: id, request: Box::new(request), flow, offer, replaces });
    }

    /// What only a call's first INVITE must have, or the answer if it has not.
    fn read_invite(&self, incoming: &Incoming) -> Result<Invited, Refusal> {
        let Incoming { request, head, .. } = incoming;
        if request.headers.size() > HEADERS_BYTES_MAX {
            return Err(Refusal::new(513));
        }
        if !inspection::accepts_sdp(request) {
            return Err(Refusal::new(406));
        }
        let asked = self.read_asked(request)?;
        let target = dialog::contact(&request.headers).map_err(|_| Refusal::bad_request("Malformed Contact"))?;
        // Callers older than RFC 3261 need not give one.
        if target.is_none() && head.via.branch_is_unique() {
            return Err(Refusal::bad_request("Missing Contact"));
        }
        let replaces = request.headers.replaces().map_err(|_| Refusal::bad_request("Malformed Replaces"))?;
        Ok(Invited { asked, target, offer: read_offer(request)?, replaces })
    }

    /// Re-INVITE or UPDATE: RFC 3261 §14.2, RFC 3311 §5.2.
    fn offered(&mut self, now: Instant, id: DialogId, incoming: &Incoming) {
        match self.read_offered(id, incoming) {
            Err(refusal) => self.refuse(now, incoming, &refusal),
            Ok((received, offer)) => {
                let Incoming { request, reply, key, .. } = incoming;
                let reliable = reply.transport.is_reliable();
                let invite = request.method == Method::Invite;
                let machine = if invite {
                    ServerMachine::Invite(InviteServer::new(reliable, self.config.timers))
                } else {
                    ServerMachine::NonInvite(NonInviteServer::new(reliable, self.config.timers))
                };
                self.remember(*key, *reply, None, Some(id), machine);
                if invite {
                    let trying = self.response_to(request, 100);
                    let trying = self.write_response(&trying);
                    self.drive_invite(now, *key, invite_server::Input::Provisional(trying));
                    // It cannot have come before our 2xx to the INVITE before: whose ACK then is lost or late.
                    let late = self.dialogs.get_mut(&id).and_then(|dialog| match dialog.theirs {
                        Theirs::Answered(Answered { cseq, .. }) => dialog.acknowledge(cseq),
                        Theirs::Idle | Theirs::Received(_) => None,
                    });
                    if late.is_some() {
                        self.event(Event::Acked { dialog: id, answer: None });
                    }
                }
                let Some(dialog) = self.dialogs.get_mut(&id) else { return };
                if received.offered && matches!(dialog.stage, Stage::Ringing { .. }) {
                    dialog.owed = Some(Owed::Response(Box::new(received)));
                    self.event(Event::Offered { dialog: id, offer });
                } else if invite || received.offered {
                    dialog.theirs = Theirs::Received(received);
                    self.settle_dialog(id);
                    self.event(Event::Offered { dialog: id, offer });
                } else {
                    // An UPDATE that only refreshes: nobody needs to be asked.
                    let before = std::mem::replace(&mut dialog.theirs, Theirs::Received(received));
                    self.succeed(now, id, None);
                    if let Some(dialog) = self.dialogs.get_mut(&id) {
                        dialog.theirs = before;
                    }
                    self.settle_dialog(id);
                }
            }
        }
    }

    /// Reads a re-INVITE or UPDATE, or says why it must wait.
    fn read_offered(
        &mut self,
        id: DialogId,
        incoming: &Incoming,
    ) -> Result<(Received, Option<SessionDescription>), Refusal> {
        let Incoming { request, head, .. } = incoming;
        let retry_after_s = self.random_s(0..=10);
        let asked = self.read_asked(request)?;
        let target = dialog::contact(&request.headers).map_err(|_| Refusal::bad_request("Malformed Contact"))?;
        let offer = read_offer(request)?;
        let invite = request.method == Method::Invite;
        let dialog = self.dialogs.get(&id).ok_or_else(|| Refusal::new(481))?;
        if invite || offer.is_some() {
            match (&dialog.theirs, dialog.ours) {
                // Before the call is answered, once each side knows what the other has said first (RFC 3311 §5.1).
                _ if dialog.takes_early_offer() => {}
                _ if matches!(dialog.stage, Stage::Calling(_)) => return Err(Refusal::new(491)),
                // They ask again before we have answered; before the first 2xx that goes for every offer.
                (Theirs::Received(_), _) => return Err(Refusal::new(500).with(Name::RetryAfter, retry_after_s)),
                // Our own offer is still out (RFC 5407 §3.1.5), in a 2xx or in a refresh.
                (Theirs::Answered(Answered { we_offered: true, .. }), _) | (_, Ours::Invite) => {
                    return Err(Refusal::new(491));
                }
                (_, Ours::Update) if invite => return Err(Refusal::new(491)),
                (Theirs::Idle | Theirs::Answered(_), Ours::Idle | Ours::Update) => {}
            }
        }
        if self.servers.len() >= self.config.transactions_max.saturating_add(self.config.dialogs_max) {
            return Err(Refusal::new(500).with(Name::RetryAfter, retry_after_s));
        }
        let mut template = self.response_to(request, 200);
        template.headers.copy(Name::RecordRoute, &request.headers);
        let offered = offer.is_some();
        let received =
            Received { transaction: incoming.key, cseq: head.cseq.clone(), offered, asked, template, target };
        Ok((received, offer))
    }

    /// ACK to a 2xx: RFC 3261 §13.3.1.4. One to anything else has been absorbed by its transaction, or is nobody's.
    fn ack(&mut self, now: Instant, flow: Flow, request: &Request, head: &Head) {
        let found = self.find_dialog(now, head);
        let dialog = found.and_then(|id| self.dialogs.get_mut(&id));
        let Some((dialog, answered)) =
            dialog.and_then(|dialog| dialog.acknowledge(head.cseq.number).map(|answered| (dialog, answered)))
        else {
            self.stats.dropped += 1;
            return;
        };
        let id = dialog.id;
        dialog.learn(request, head, flow);
        match &mut dialog.stage {
            Stage::HangingUp { .. } => self.hang_up_waited(now, id),
            Stage::Talking { canceled } => {
                if *canceled == Canceled::Yes {
                    *canceled = Canceled::ByeDueAt(now + self.config.timers.t2);
                }
                let answer = if answered.we_offered { read_offer(request).ok().flatten() } else { None };
                if answered.we_offered && answered.first && answer.is_none() {
                    self.end_with_bye(now, id, EndCause::AnswerMissing, None);
                } else {
                    self.event(Event::Acked { dialog: id, answer });
                }
            }
            Stage::Ringing { .. } | Stage::Calling(_) | Stage::Closing => {}
        }
        self.settle_dialog(id);
    }

    /// RFC 3261 §9.2. Always 200 if there is something to cancel, in time or not.
    fn cancel(&mut self, now: Instant, incoming: &Incoming) {
        let Incoming { request, head, .. } = incoming;
        let key = self.keys.canceled(request, &head.via, &head.cseq);
        let Some(Server { machine: ServerMachine::Invite(machine), dialog, .. }) = self.servers.get(&key) else {
            return self.refuse_unknown(incoming);
        };
        let (in_time, id) = (machine.is_proceeding(), *dialog);
        let mut response = self.response_to(request, 200);
        let tag = id.map_or_else(|| self.keys.stateless_tag(key), |id| tag_of(id.0));
        response.headers.set_to_tag(&tag);
        self.answer(now, incoming, &response);
        let Some((id, dialog)) = id.and_then(|id| self.dialogs.get_mut(&id).map(|dialog| (id, dialog))) else { return };
        match &mut dialog.stage {
            Stage::Ringing { .. } if in_time => self.give_up_ringing(now, id, request.headers.reason()),
            // It crossed our 2xx to the call's INVITE: the caller will acknowledge and must hang up.
            Stage::Talking { canceled } if matches!(dialog.theirs, Theirs::Answered(Answered { first: true, .. })) => {
                *canceled = Canceled::Yes;
            }
            // A re-INVITE asks no human; its answer is as good as sent, and says how the media really is.
            Stage::Ringing { .. }
            | Stage::Calling(_)
            | Stage::Talking { .. }
            | Stage::HangingUp { .. }
            | Stage::Closing => {}
        }
    }

    /// RFC 3261 §15.1.2.
    fn byed(&mut self, now: Instant, id: DialogId, incoming: &Incoming) {
        let reason = incoming.request.headers.reason();
        let response = self.response_to(&incoming.request, 200);
        self.answer(now, incoming, &response);
        self.tell_last(now, id);
        self.drop_owed(now, id);
        if self.ringing(id).is_some() {
            return self.give_up_ringing(now, id, reason);
        }
        self.fail(now, id, 487, Reject::default());
        self.tell_ended(id, EndCause::Bye, reason);
        self.forget_dialog(id);
    }

    /// Digits by INFO; anything else in one is refused, an empty one is somebody's keep-alive (RFC 6086, row 42).
    fn informed(&mut self, now: Instant, id: DialogId, incoming: &Incoming) {
        let request = &incoming.request;
        let kind = request.headers.content_type().map(|kind| kind.essence);
        let kind = match kind {
            _ if request.body.is_empty() => None,
            Some(kind) if ["application/dtmf-relay", "application/dtmf"].contains(&kind.as_str()) => Some(kind),
            _ => return self.refuse(now, incoming, &Refusal::new(415).with(Name::Accept, ACCEPT_INFO)),
        };
        let response = self.response_to(request, 200);
        self.answer(now, incoming, &response);
        if let Some(content_type) = kind {
            self.event(Event::Info { dialog: id, content_type, body: request.body.clone() });
        }
    }

    /// 487: the caller gave up, or the time to answer is over.
    pub(super) fn give_up_ringing(&mut self, now: Instant, id: DialogId, reason: Option<Reason>) {
        self.drop_pending(now, id);
        self.forget_dialog(id);
        self.event(Event::Canceled { dialog: id, reason });
    }

    /// RFC 3261 §13.3.1.4: the call exists but nobody is there to talk to.
    pub(super) fn no_ack(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.theirs = Theirs::Idle;
        match dialog.stage {
            Stage::HangingUp { .. } => self.hang_up_waited(now, id),
            _ => self.end_with_bye(now, id, EndCause::NoAck, None),
        }
    }

    /// The BYE that waited for the ACK.
    fn hang_up_waited(&mut self, now: Instant, id: DialogId) {
        let Some(Dialog { stage: Stage::HangingUp { reason }, .. }) = self.dialogs.get_mut(&id) else { return };
        let reason = reason.take();
        self.bye(now, id, reason);
    }

    /// Sends a 1xx through its transaction, or lets it wait for those before it to be acknowledged.
    pub(super) fn provisional(&mut self, now: Instant, id: DialogId, response: &Response) {
        let Some(received) = self.ringing(id) else { return };
        let key = received.transaction;
        if let Some(Dialog { stage: Stage::Ringing { provisionals: Some(provisionals), .. }, .. }) =
            self.dialogs.get_mut(&id)
            && provisionals.apply_to(response)
        {
            provisionals.push(response.clone());
            return self.send_provisional(now, id);
        }
        let bytes = self.write_response(response);
        self.drive_invite(now, key, invite_server::Input::Provisional(bytes));
    }

    /// Sends the 200 to their INVITE, re-INVITE or UPDATE that waits, and lets it take effect.
    pub(super) fn succeed(&mut self, now: Instant, id: DialogId, sdp: Option<Bytes>) {
        let (ours_s, min_s) = (seconds(self.config.session_expires), self.session_min_s());
        let Some(mut received) = self.dialogs.get_mut(&id).and_then(Dialog::take_received) else { return };
        let invite = received.cseq.method == Method::Invite;
        let Dialog { flow, user, .. } = &self.dialogs[&id];
        let (flow, contact) = (*flow, self.contact(*flow, user.as_deref()));
        let terms = received.asked.terms(ours_s, min_s);
        let mut response = received.template.clone();
        response.headers.push(Name::Allow, ALLOW);
        response.headers.push(Name::Supported, SUPPORTED);
        if let Some(Terms { expires, required }) = terms {
            response.headers.push(Name::SessionExpires, expires.to_string());
            if required {
                response.headers.push(Name::Require, "timer");
            }
        }
        response.headers.push(Name::Contact, contact);
        // Our offer was made and answered in 1xx and PRACK: another would be a new one.
        let settled = match &self.dialogs[&id].stage {
            Stage::Ringing { provisionals: Some(provisionals), .. } => provisionals.settled,
            _ => false,
        };
        let said = sdp.clone().filter(|_| !(invite && settled && !received.offered));
        received.offered |= invite && settled;
        set_sdp(&mut response.headers, &mut response.body, said);
        let bytes = self.write_response(&response);
        let reply = self.servers.get(&received.transaction).map_or(flow, |server| server.reply);

        let timers = self.config.timers;
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.retarget(received.target.take());
        dialog.described = sdp.or(dialog.described.take());
        if let Stage::Calling(early) = &mut dialog.stage {
            early.renegotiated |= received.offered;
        }
        dialog.session = terms.map(|Terms { expires, .. }| {
            SessionTimer::start(now, expires.seconds, expires.refresher == Some(Refresher::Uas))
        });
        if invite {
            dialog.answered(now, &received, bytes.clone(), reply, timers);
            if matches!(dialog.stage, Stage::Ringing { .. }) {
                dialog.stage = Stage::Talking { canceled: Canceled::No };
            }
            self.drive_invite(now, received.transaction, invite_server::Input::Success(bytes));
        } else {
            self.drive_non_invite(now, received.transaction, non_invite_server::Input::Final(bytes));
        }
        self.settle_dialog(id);
    }

    /// Sends an error to their INVITE, re-INVITE or UPDATE that waits, if one does.
    pub(super) fn fail(&mut self, now: Instant, id: DialogId, status: u16, reject: Reject) {
        let Some(received) = self.dialogs.get_mut(&id).and_then(Dialog::take_received) else { return };
        self.fail_received(now, received, status, reject);
        self.settle_dialog(id);
    }

    pub(super) fn fail_received(&mut self, now: Instant, received: Received, status: u16, reject: Reject) {
        let mut response = received.template;
        response.status = status;
        response.reason = reason_phrase(status).to_owned();
        response.headers.remove(Name::RecordRoute);
        if let Some(after_s) = reject.retry_after_s {
            response.headers.push(Name::RetryAfter, after_s.to_string());
        }
        if let Some((code, text)) = reject.warning {
            let text = text.replace(['"', '\\'], "'");
            // A warn-agent is a host or one token; a version goes beyond that (§20.43).
            let product = self.config.server.split('/').next().filter(|name| is_token(name.as_bytes()));
            let agent = product.unwrap_or("-");
            response.headers.push(Name::Warning, format!("{code} {agent} \"{text}\""));
        }
        if let Some(reason) = reject.reason {
            response.headers.push(Name::Reason, reason.to_string());
        }
        for (name, value) in reject.headers {
            response.headers.push(name, value);
        }
        let bytes = self.write_response(&response);
        match received.cseq.method {
            Method::Invite => {
                if let Some(server) = self.servers.get(&received.transaction).filter(|server| server.merge.is_some()) {
                    self.strays.insert(received.transaction, server.reply);
                }
                self.drive_invite(now, received.transaction, invite_server::Input::Failure(bytes));
            }
            _ => self.drive_non_invite(now, received.transaction, non_invite_server::Input::Final(bytes)),
        }
    }

    /// The dialog a request is in: by our tag, their tag and the Call-ID (RFC 3261 §12.2.2).
    fn find_dialog(&mut self, now: Instant, head: &Head) -> Option<DialogId> {
        let id = dialog_of(head.to_tag.as_deref()?)?;
        let dialog = self.dialogs.get(&id)?;
        if matches!(dialog.stage, Stage::Calling(_)) {
            let tag =
                head.from_tag.as_deref().filter(|_| dialog.call_id == head.call_id && dialog.remote_tag.is_some());
            return tag.filter(|tag| self.focus(now, id, tag, None)).map(|_| id);
        }
        (dialog.call_id == head.call_id && dialog.remote_tag == head.from_tag).then_some(id)
    }

    /// The INVITE of a call that nobody has answered yet.
    pub(super) fn ringing(&self, id: DialogId) -> Option<&Received> {
        match self.dialogs.get(&id)? {
            Dialog { stage: Stage::Ringing { .. }, theirs: Theirs::Received(received), .. } => Some(received),
            _ => None,
        }
    }

    fn renegotiating(&self, id: DialogId) -> bool {
        self.dialogs.get(&id).is_some_and(|dialog| {
            matches!(dialog.stage, Stage::Talking { .. } | Stage::Calling(_))
                && matches!(dialog.theirs, Theirs::Received(_))
        })
    }

    fn read_asked(&self, request: &Request) -> Result<Asked, Refusal> {
        let min_s = self.session_min_s();
        Asked::of(&request.headers, min_s).map_err(|error| error.refusal(min_s))
    }

    pub(super) fn session_min_s(&self) -> u32 {
        seconds(self.config.session_expires_min).max(SESSION_EXPIRES_MIN_S)
    }

    pub(super) fn response_to(&self, request: &Request, status: u16) -> Response {
        let mut response = Response::to(request, status);
        response.headers.push(Name::Server, &self.config.server);
        response
    }
}

/// The offer (or answer) in a request; an unreadable one is the sender's fault.
pub(super) fn read_offer(request: &Request) -> Result<Option<SessionDescription>, Refusal> {
    match body::session_description(&request.headers, &request.body)? {
        None => Ok(None),
        Some(text) => match SessionDescription::parse(&text) {
            Ok(description) => Ok(Some(description)),
            Err(_) => Err(Refusal::bad_request("Malformed session description")),
        },
    }
}

pub(super) fn set_sdp(headers: &mut Headers, body: &mut Bytes, sdp: Option<Bytes>) {
    if let Some(sdp) = sdp {
        headers.push(Name::ContentType, "application/sdp");
        *body = sdp;
    }
}

pub(super) fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

/// Headers of an INVITE, which its dialog keeps in part. Even with an Identity a fourth of this is much.
const HEADERS_BYTES_MAX: usize = 16 * 1024;
/// RFC 4028 §5.
const SESSION_EXPIRES_MIN_S: u32 = 90;
