//! Before a call is answered: reliable 1xx and their PRACK (RFC 3262), and offers that are answered elsewhere than in a
//! 200 to an INVITE (RFC 3311, RFC 3264).
//!
//! ```text
//! theirs:  INVITE (offer) ─▶ 183 (answer) ─▶ PRACK ─▶ 200 … UPDATE or PRACK (offer) ─▶ 200 (answer) … 200
//!          INVITE ─▶ 183 (offer) ─▶ PRACK (answer) … 200
//! ours:    INVITE ─▶ 183 or 200 (offer) ─▶ PRACK or ACK (answer)
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::uas::{Incoming, read_offer, set_sdp};
use super::{Endpoint, ServerMachine};
use crate::dialog::{Dialog, Owed, Received, Stage};
use crate::inspection::{ALLOW, Refusal};
use crate::session_timer::Asked;
use crate::transaction::non_invite_server::{self, NonInviteServer};
use crate::transaction::{Key, invite_server};
use crate::transfer::ReferralStage;
use crate::{DialogId, Event, Method, Name, Reject};

impl Endpoint {
    /// Sends the next reliable 1xx that waits, if none is out.
    pub(super) fn send_provisional(&mut self, now: Instant, id: DialogId) {
        let Some(key) = self.ringing(id).map(|received| received.transaction) else { return };
        let timers = self.config.timers;
        let Some((rseq, response)) = self.provisionals(id).and_then(|provisionals| provisionals.pop()) else { return };
        let bytes = self.write_response(&response);
        if let Some(provisionals) = self.provisionals(id) {
            provisionals.sent(now, rseq, !response.body.is_empty(), bytes.clone(), timers);
        }
        self.drive_invite(now, key, invite_server::Input::Provisional(bytes));
        self.settle_dialog(id);
    }

    /// Sends a reliable 1xx again.
    pub(super) fn resend_provisional(&mut self, id: DialogId, bytes: Bytes) {
        let transaction = self.ringing(id).map(|received| received.transaction);
        if let Some(reply) = transaction.and_then(|key| self.servers.get(&key)).map(|server| server.reply) {
            self.resend(reply, bytes);
        }
    }

    /// A call whose 1xx nobody acknowledges leads nowhere (RFC 3262 §3).
    pub(super) fn no_prack(&mut self, now: Instant, id: DialogId) {
        self.drop_owed(now, id);
        self.fail(now, id, 504, Reject::default());
        self.forget_dialog(id);
        self.event(Event::Canceled { dialog: id, reason: None });
    }

    /// PRACK: it names the 1xx that is out, or nothing (RFC 3262 §3).
    pub(super) fn pracked(&mut self, now: Instant, id: DialogId, incoming: &Incoming) {
        let Incoming { request, reply, key, head, .. } = incoming;
        let Ok(rack) = request.headers.rack() else {
            return self.refuse(now, incoming, &Refusal::bad_request("Malformed RAck"));
        };
        let description = match read_offer(request) {
            Ok(description) => description,
            Err(refusal) => return self.refuse(now, incoming, &refusal),
        };
        let of_invite = self.ringing(id).map(|received| (received.cseq.clone(), received.offered));
        let names = |(cseq, _): &(_, bool)| rack.cseq == *cseq;
        let Some((_, offered)) = of_invite.filter(names) else {
            return self.refuse(now, incoming, &Refusal::new(481));
        };
        let full = self.servers.len() >= self.config.transactions_max.saturating_add(self.config.dialogs_max);
        let Some(provisionals) = self.provisionals(id) else {
            return self.refuse(now, incoming, &Refusal::new(481));
        };
        let Some(unacked) = provisionals.acknowledge(rack.rseq) else {
            return self.refuse(now, incoming, &Refusal::new(481));
        };
        let was_settled = provisionals.settled;
        provisionals.settled |= unacked.described;
        // The PRACK to our offer brings the answer; any other may bring an offer.
        let answers = unacked.described && !offered && !was_settled;
        match description {
            Some(offer) if !answers && provisionals.settled && !full => {
                let mut template = self.response_to(request, 200);
                template.headers.set_to_tag(&super::tag_of(id.0));
                let machine = NonInviteServer::new(reply.transport.is_reliable(), self.config.timers);
                self.remember(*key, *reply, None, Some(id), ServerMachine::NonInvite(machine));
                let received = Received {
                    transaction: *key,
                    cseq: head.cseq.clone(),
                    offered: true,
                    asked: Asked::nothing(),
                    template,
                    target: None,
                };
                self.owe(id, Owed::Response(Box::new(received)));
                self.event(Event::Offered { dialog: id, offer: Some(offer) });
            }
            description => {
                let response = self.response_to(request, 200);
                self.answer(now, incoming, &response);
                match description.filter(|_| answers) {
                    Some(answer) => self.event(Event::Answered { dialog: id, answer }),
                    // They owe us one, and have no other place for it.
                    None if answers => return self.no_prack(now, id),
                    None => {}
                }
            }
        }
        self.send_provisional(now, id);
        self.accept_if_settled(now, id);
        self.settle_dialog(id);
    }

    /// A PRACK that comes when the call is answered: its 1xx needs no other any more.
    pub(super) fn pracked_late(&mut self, now: Instant, incoming: &Incoming) {
        match incoming.request.headers.rack() {
            Ok(rack) if rack.cseq.method == Method::Invite => {
                let response = self.response_to(&incoming.request, 200);
                self.answer(now, incoming, &response);
            }
            _ => self.refuse(now, incoming, &Refusal::new(481)),
        }
    }

    /// The 200 that waited for the last PRACK.
    fn accept_if_settled(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(&id).filter(|dialog| dialog.owed.is_none()) else { return };
        let described = dialog.described.clone();
        if let Stage::Ringing { provisionals: Some(provisionals), .. } = &mut dialog.stage
            && provisionals.is_empty()
            && let Some(sdp) = provisionals.accepted.take()
        {
            self.succeed(now, id, described.or(Some(sdp)));
        }
    }

    /// Acknowledges a reliable 1xx of theirs, in the early dialog that it made.
    pub(super) fn send_prack(&mut self, now: Instant, id: DialogId, rseq: u32, number: u32, answer: Option<Bytes>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let flow = dialog.flow_out();
        let mut prack = dialog.request(Method::Prack, None);
        prack.headers.push(Name::RAck, format!("{rseq} {number} INVITE"));
        set_sdp(&mut prack.headers, &mut prack.body, answer);
        if let Some(authorizer) = self.attempts.get_mut(&id).and_then(|attempt| attempt.authorizer.as_mut()) {
            authorizer.write(&mut prack, &super::tag_of(rand::Rng::next_u64(&mut self.rng)));
        }
        self.send_request(now, id, flow, prack);
    }

    /// Notes an offer that our owner has to answer.
    pub(super) fn owe(&mut self, id: DialogId, owed: Owed) {
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.owed = Some(owed);
        }
    }

    /// Puts our answer where it belongs.
    pub(super) fn pay(&mut self, now: Instant, id: DialogId, owed: Owed, answer: Bytes) {
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.described = Some(answer.clone());
            if let Stage::Calling(early) = &mut dialog.stage {
                early.settled = true;
            }
        }
        match owed {
            Owed::Response(received) => {
                let mut response = received.template;
                if received.cseq.method == Method::Update
                    && let Some(Dialog { flow, user, .. }) = self.dialogs.get(&id)
                {
                    response.headers.push(Name::Allow, ALLOW);
                    response.headers.push(Name::Contact, self.contact(*flow, user.as_deref()));
                }
                set_sdp(&mut response.headers, &mut response.body, Some(answer));
                let bytes = self.write_response(&response);
                self.drive_non_invite(now, received.transaction, non_invite_server::Input::Final(bytes));
                if let Some(dialog) = self.dialogs.get_mut(&id) {
                    dialog.retarget(received.target);
                }
                self.accept_if_settled(now, id);
            }
            Owed::Prack { rseq, number } => self.send_prack(now, id, rseq, number, Some(answer)),
            Owed::Ack { branch, number } => self.acknowledge(id, branch, number, Some(answer)),
        }
        self.settle_dialog(id);
    }

    /// Our owner cannot answer.
    pub(super) fn default_on(&mut self, now: Instant, id: DialogId, owed: Owed, status: u16, reject: Reject) {
        match owed {
            Owed::Response(received) => {
                self.fail_received(now, *received, status, reject);
                self.accept_if_settled(now, id);
            }
            Owed::Prack { .. } | Owed::Ack { .. } => {
                self.owe(id, owed);
                self.hangup(now, id, None);
            }
        }
    }

    /// The call is over before our owner has answered: an ACK is sent all the same, anything else gets an error.
    pub(super) fn drop_owed(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let asked = dialog.transfers.take().map_or_else(Vec::new, |transfers| transfers.referrals);
        match dialog.owed.take() {
            Some(Owed::Response(received)) => self.fail_received(now, *received, 487, Reject::default()),
            Some(Owed::Ack { branch, number }) => self.acknowledge(id, branch, number, None),
            Some(Owed::Prack { .. }) | None => {}
        }
        for referral in asked {
            if let ReferralStage::Asked { transaction, template, .. } = referral.stage {
                self.answer_referral(now, transaction, *template, 487);
            }
        }
    }

    /// The call is over before our owner has answered anything of it.
    pub(super) fn drop_pending(&mut self, now: Instant, id: DialogId) {
        self.fail(now, id, 487, Reject::default());
        self.drop_owed(now, id);
    }

    /// Forgets what a dialog has not answered, so that nothing waits for ever.
    pub(super) fn discard(&mut self, dialog: &Dialog) {
        let owed = match &dialog.owed {
            Some(Owed::Response(received)) => Some(received.transaction),
            Some(Owed::Prack { .. } | Owed::Ack { .. }) | None => None,
        };
        let referrals = dialog.transfers.iter().flat_map(|transfers| &transfers.referrals);
        let asked = referrals.filter_map(|referral| match &referral.stage {
            ReferralStage::Asked { transaction, .. } => Some(*transaction),
            ReferralStage::Reporting { .. } => None,
        });
        let keys: Vec<Key> =
            dialog.received().map(|received| received.transaction).into_iter().chain(owed).chain(asked).collect();
        for key in keys {
            self.forget_server(key);
        }
    }

    fn provisionals(&mut self, id: DialogId) -> Option<&mut crate::reliable::Provisionals> {
        match &mut self.dialogs.get_mut(&id)?.stage {
            Stage::Ringing { provisionals, .. } => provisionals.as_deref_mut(),
            _ => None,
        }
    }
}
