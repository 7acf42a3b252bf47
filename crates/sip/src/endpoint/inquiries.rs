//! Questions outside of calls: whether somebody is there, and where a phone wants to be reached (RFC 3261 §10.3, §11.2).

use std::time::Instant;

use super::uas::Incoming;
use super::{Endpoint, Inquiry, Owner, ServerMachine};
use crate::inspection::{ACCEPT, ALLOW, SUPPORTED};
use crate::limits::sheds;
use crate::transaction::non_invite_server::{self, NonInviteServer};
use crate::{Event, Flow, InquiryId, Method, Name, Request, reason_phrase};

impl Endpoint {
    /// Answers [`Event::Options`]: 200 with what we can do, or what an INVITE would get. No-op if it has been answered.
    pub fn answer_options(&mut self, now: Instant, id: InquiryId, status: u16) {
        let headers = match (status, self.inquiries.get(&id)) {
            (..300, Some(inquiry)) => self.capabilities(inquiry.flow),
            (503, _) => vec![(Name::RetryAfter, self.config.retry_after_s.to_string())],
            _ => Vec::new(),
        };
        self.answer_inquiry(now, id, status, &headers);
    }

    /// Answers [`Event::Register`]: with the bindings, a challenge, or why not. No-op if it has been answered.
    pub fn answer_register(&mut self, now: Instant, id: InquiryId, status: u16, headers: &[(Name<'static>, String)]) {
        self.answer_inquiry(now, id, status, headers);
    }

    pub(super) fn answer_inquiry(
        &mut self,
        now: Instant,
        id: InquiryId,
        status: u16,
        headers: &[(Name<'static>, String)],
    ) {
        let Some(Inquiry { transaction, template: mut response, .. }) = self.inquiries.remove(&id) else { return };
        self.deadlines.set(Owner::Inquiry(id), None);
        response.status = status.clamp(200, 699);
        response.reason = reason_phrase(response.status).to_owned();
        for (name, value) in headers {
            response.headers.push(*name, value);
        }
        let bytes = self.write_response(&response);
        self.drive_non_invite(now, transaction, non_invite_server::Input::Final(bytes));
    }

    /// 200 to an OPTIONS that asks nothing of our owner.
    pub(super) fn pong(&mut self, now: Instant, incoming: &Incoming) {
        let mut response = self.response_to(&incoming.request, 200);
        response.headers.set_to_tag(&self.keys.stateless_tag(incoming.key));
        for (name, value) in self.capabilities(incoming.flow) {
            response.headers.push(name, value);
        }
        self.answer(now, incoming, &response);
    }

    /// An OPTIONS for a user, or a REGISTER. Where a call would be refused for lack of room, so is the question; who
    /// only wants to stay reachable has a little more.
    pub(super) fn inquired(
        &mut self,
        now: Instant,
        incoming: Incoming,
        event: fn(InquiryId, Box<Request>, Flow) -> Event,
    ) {
        let full = match &incoming.request.method {
            register @ Method::Register => {
                sheds(register, self.servers.len(), self.config.transactions_max) || self.has_its_share(incoming.flow)
            }
            _ => self.is_full(incoming.flow),
        };
        if full {
            self.stats.refused_overload += 1;
            return self.refuse_for_now(&incoming);
        }
        let Incoming { request, head, flow, reply, key } = incoming;
        let id = InquiryId(self.inquiries_ever);
        self.inquiries_ever += 1;
        let mut template = self.response_to(&request, 200);
        template.headers.set_to_tag(&self.keys.stateless_tag(key));
        let machine = NonInviteServer::new(reply.transport.is_reliable(), self.config.timers);
        self.remember(key, reply, Some(&head), None, ServerMachine::NonInvite(machine));
        self.strays.insert(key, reply);
        self.inquiries.insert(id, Inquiry { transaction: key, flow, template });
        self.deadlines.set(Owner::Inquiry(id), Some(now + self.config.timers.t2));
        self.event(event(id, Box::new(request), flow));
    }

    pub(super) fn capabilities(&self, flow: Flow) -> Vec<(Name<'static>, String)> {
        vec![
            (Name::Allow, ALLOW.to_owned()),
            (Name::Accept, ACCEPT.to_owned()),
            (Name::AcceptEncoding, "identity".to_owned()),
            (Name::AcceptLanguage, "en".to_owned()),
            (Name::Supported, SUPPORTED.to_owned()),
            (Name::Contact, self.contact(flow, None)),
        ]
    }
}
