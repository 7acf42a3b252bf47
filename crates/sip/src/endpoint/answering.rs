//! Answers that are ours to give, and what of them is remembered for copies of the request (RFC 3261 §8.2.7, §17.2):
//! everything while there is room and the source has not had its share, and nothing that comes as easily as it is made up.

use std::time::Instant;

use super::uas::Incoming;
use super::{Endpoint, Server, ServerMachine};
use crate::inspection::{Head, Refusal};
use crate::transaction::Key;
use crate::transaction::invite_server::{self, InviteServer};
use crate::transaction::non_invite_server::{self, NonInviteServer};
use crate::{DialogId, Flow, Method, Name, Response};

impl Endpoint {
    pub(super) fn refuse(&mut self, now: Instant, incoming: &Incoming, refusal: &Refusal) {
        let response = self.refusal(incoming, refusal);
        self.answer(now, incoming, &response);
    }

    /// 503 for lack of room, or of time.
    pub(super) fn refuse_for_now(&mut self, incoming: &Incoming) {
        let refusal = Refusal::new(503).with(Name::RetryAfter, self.config.retry_after_s);
        self.refuse_unremembered(incoming, &refusal);
    }

    /// 481 to what is in none of our calls: it comes as easily as it is made up, so it must not fill the table.
    pub(super) fn refuse_unknown(&mut self, incoming: &Incoming) {
        self.refuse_unremembered(incoming, &Refusal::new(481));
    }

    /// A refusal that costs no memory: a copy of the request gets a copy of it, its ACK meets nobody (RFC 3261 §8.2.7).
    pub(super) fn refuse_unremembered(&mut self, incoming: &Incoming, refusal: &Refusal) {
        let response = self.refusal(incoming, refusal);
        self.send_response(incoming.reply, &response);
    }

    pub(super) fn refusal(&self, incoming: &Incoming, refusal: &Refusal) -> Response {
        let mut response = self.response_to(&incoming.request, refusal.status);
        refusal.reason.clone_into(&mut response.reason);
        response.headers.set_to_tag(&self.keys.stateless_tag(incoming.key));
        for (name, value) in &refusal.headers {
            response.headers.push(*name, value);
        }
        response
    }

    /// Sends the final answer to a request that has no transaction yet, and remembers it for copies of the request
    /// while there is room to.
    pub(super) fn answer(&mut self, now: Instant, incoming: &Incoming, response: &Response) {
        let Incoming { request, head, reply, key, .. } = incoming;
        let bytes = self.write_response(response);
        if self.servers.len() >= self.config.transactions_max {
            self.stats.refused_overload += 1;
            return self.send(*reply, bytes);
        }
        if head.to_tag.is_none() {
            if self.has_its_share(*reply) {
                self.stats.unremembered += 1;
                return self.send(*reply, bytes);
            }
            self.strays.insert(*key, *reply);
        }
        let (reliable, timers) = (reply.transport.is_reliable(), self.config.timers);
        if request.method == Method::Invite {
            let machine = ServerMachine::Invite(InviteServer::new(reliable, timers));
            self.remember(*key, *reply, Some(head), None, machine);
            self.drive_invite(now, *key, invite_server::Input::Failure(bytes));
        } else {
            let machine = ServerMachine::NonInvite(NonInviteServer::new(reliable, timers));
            self.remember(*key, *reply, Some(head), None, machine);
            self.drive_non_invite(now, *key, non_invite_server::Input::Final(bytes));
        }
    }

    pub(super) fn remember(
        &mut self,
        key: Key,
        reply: Flow,
        head: Option<&Head>,
        dialog: Option<DialogId>,
        machine: ServerMachine,
    ) {
        let merge = head.filter(|head| head.to_tag.is_none()).map(|head| self.merge_key(head));
        // A merged request's own transaction does not hide the one it merged with.
        let merge = merge.filter(|merge| !self.merges.contains_key(merge));
        if let Some(merge) = merge {
            self.merges.insert(merge, key);
        }
        self.servers.insert(key, Server { machine, reply, merge, dialog });
    }

    pub(super) fn merge_key(&self, head: &Head) -> Key {
        self.keys.merge(head.from_tag.as_deref(), &head.call_id, &head.cseq)
    }

    /// Whether a new call from there would break a bound.
    pub(super) fn is_full(&self, flow: Flow) -> bool {
        self.servers.len() >= self.config.transactions_max
            || self.dialogs.len() >= self.config.dialogs_max
            || self.unacked.len() >= self.config.unacked_max
            || self.unacked.of_source(flow) >= self.config.unacked_per_source_max
            || self.has_its_share(flow)
    }

    /// Whether as many answers to strays are remembered for that source as may be.
    pub(super) fn has_its_share(&self, flow: Flow) -> bool {
        self.strays.of_source(flow) >= self.config.strays_per_source_max
    }
}
