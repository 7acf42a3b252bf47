//! Our requests on their way: sent, sent again, and told to whom they concern what came of them (RFC 3261 §17.1).

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;

use super::{Endpoint, Owner};
use crate::authorizer::Authorizer;
use crate::stats::count_class;
use crate::transaction::Branch;
use crate::transaction::invite_client::{self, InviteClient};
use crate::transaction::non_invite_client::{self, NonInviteClient};
use crate::{DialogId, Event, Flow, Method, Name, PingId, ReferId, Request, Response, Via};

/// One of our requests on its way.
#[derive(Debug)]
pub(super) struct Client {
    machine: Machine,
    purpose: Purpose,
    method: Method,
    /// CSeq.
    number: u32,
    /// How often it has been sent again with credentials.
    repeated: u8,
    pub(super) flow: Flow,
    /// The request: of an INVITE to acknowledge an error (RFC 3261 §17.1.1.3), to cancel it, and to part with forks;
    /// of others to send them again with credentials.
    pub(super) request: Option<Box<Request>>,
    /// The ACKs to 2xx, one for each To-tag, and where they went (RFC 3261 §13.2.2.4).
    pub(super) acks: Vec<(Option<String>, Flow, Bytes)>,
}

/// Whom the answer to a request concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A dialog: BYE, refresh, PRACK, INFO, REFER.
    Within(DialogId),
    /// A REFER of theirs: NOTIFY.
    Notify(ReferId),
    /// A call that we make: its INVITE.
    Call(DialogId),
    Ping(PingId),
    /// Nobody: CANCEL, BYE to a fork.
    Nobody,
}

/// How a request is sent that is not quite usual.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Habits {
    /// The request is kept until it is answered.
    pub(super) keep: bool,
    /// How often it has been sent again with credentials.
    pub(super) repeated: u8,
    /// How long an INVITE may be answered with 1xx alone.
    pub(super) proceeding_max: Option<Duration>,
}

#[derive(Debug)]
enum Machine {
    Invite(InviteClient),
    NonInvite(NonInviteClient),
}

/// A request of ours that is over.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) branch: Branch,
    pub(super) method: Method,
    pub(super) number: u32,
    pub(super) repeated: u8,
    pub(super) request: Option<Box<Request>>,
}

/// What became of one of our requests.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome<'a> {
    Answered(&'a Response),
    /// Nobody answered, which counts as 408 (RFC 3261 §8.1.3.1).
    TimedOut,
}

impl Outcome<'_> {
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Answered(response) => response.status,
            Self::TimedOut => 408,
        }
    }
}

impl Endpoint {
    /// Puts a request within a dialog on its way, with proof of who we are where it is known to be wanted. `false`: it
    /// cannot be.
    pub(super) fn send_request(&mut self, now: Instant, id: DialogId, flow: Flow, mut request: Request) -> bool {
        let keep = self.authorize(id, &mut request);
        if !self.is_alive(flow) {
            return self.hold_for_peer(now, id, request);
        }
        let Some(request) = self.hold_if_long(now, id, flow, request) else { return true };
        let habits = Habits { keep, ..Habits::default() };
        self.send_client(now, flow, request, Purpose::Within(id), habits).is_some()
    }

    /// Answers the challenges that this dialog has met. Whether it may meet others.
    pub(super) fn authorize(&mut self, id: DialogId, request: &mut Request) -> bool {
        let cnonce = self.rng.next_u64();
        let Some(authorizer) = self.authorizer_of(id) else { return false };
        authorizer.write(request, &format!("{cnonce:016x}"));
        true
    }

    /// What proves who we are in this call: its attempt's as long as nobody has answered it.
    fn authorizer_of(&mut self, id: DialogId) -> Option<&mut Authorizer> {
        match self.attempts.get_mut(&id) {
            Some(attempt) => attempt.authorizer.as_deref_mut(),
            None => self.dialogs.get_mut(&id)?.authorizer.as_deref_mut(),
        }
    }

    /// Puts a request on its way, under a new branch. `None`: it cannot be.
    pub(super) fn send_client(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
        purpose: Purpose,
        habits: Habits,
    ) -> Option<Branch> {
        if !self.is_alive(flow) || self.clients.len() >= self.config.transactions_max {
            return None;
        }
        let branch = Branch { bits: self.rng.next_u64(), cancel: false };
        self.add_via(&mut request, flow, branch.bits);
        self.start_client(now, flow, request, purpose, habits, branch);
        Some(branch)
    }

    /// Asks those who ring to stop (RFC 3261 §9.1): a CANCEL under the branch of this INVITE.
    pub(super) fn send_cancel(&mut self, now: Instant, invite: Branch, reason: Option<&crate::Reason>) {
        let Some(Client { request: Some(request), number, flow, .. }) = self.clients.get(&invite) else { return };
        let flow = *flow;
        let mut cancel = Request::new(Method::Cancel, request.uri.clone());
        for name in [Name::Via, Name::MaxForwards, Name::From, Name::To, Name::CallId] {
            cancel.headers.copy(name, &request.headers);
        }
        cancel.headers.push(Name::CSeq, format!("{number} CANCEL"));
        cancel.headers.copy(Name::Route, &request.headers);
        if let Some(reason) = reason {
            cancel.headers.push(Name::Reason, reason.to_string());
        }
        // No bound is asked: there is one for each INVITE at most.
        self.start_client(now, flow, cancel, Purpose::Nobody, Habits::default(), Branch { cancel: true, ..invite });
    }

    fn start_client(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
        purpose: Purpose,
        habits: Habits,
        branch: Branch,
    ) {
        request.headers.push(Name::UserAgent, &self.config.server);
        self.stats.requests_sent.count(&request.method);
        let bytes = request.to_bytes();
        let (reliable, timers) = (flow.transport.is_reliable(), self.config.timers);
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let method = request.method.clone();
        let Habits { keep, repeated, proceeding_max } = habits;
        let (machine, keep) = match method {
            Method::Invite => {
                let longest = proceeding_max.unwrap_or(PROCEEDING_MAX);
                (Machine::Invite(InviteClient::new(now, bytes.clone(), reliable, timers, longest)), true)
            }
            _ => (Machine::NonInvite(NonInviteClient::new(now, bytes.clone(), reliable, timers)), keep),
        };
        let request = keep.then(|| Box::new(request));
        let client = Client { machine, purpose, method, number, repeated, flow, request, acks: Vec::new() };
        self.clients.insert(branch, client);
        self.settle_client(branch);
        self.send(flow, bytes);
    }

    pub(super) fn add_via(&self, request: &mut Request, flow: Flow, branch: u64) {
        let (transport, address, cookie) = (flow.transport.via(), self.public_address(flow), Via::BRANCH_COOKIE);
        let via = format!("SIP/2.0/{transport} {address};rport;branch={cookie}{branch:016x}");
        request.headers.push_front(Name::Via, via);
    }

    pub(super) fn receive_response(&mut self, now: Instant, response: &Response) {
        let method = response.headers.cseq().map(|cseq| cseq.method);
        let branch = own_branch(response).map(|bits| Branch { bits, cancel: method == Ok(Method::Cancel) });
        let Some((branch, client)) =
            branch.and_then(|branch| self.clients.get_mut(&branch).map(|client| (branch, client)))
        else {
            self.stats.dropped += 1;
            return;
        };
        if method.as_ref() != Ok(&client.method) {
            self.stats.dropped += 1;
            return;
        }
        count_class(&mut self.stats.responses_received, response.status);
        match &mut client.machine {
            Machine::NonInvite(machine) => {
                let input = match response.status {
                    100..200 => non_invite_client::Input::Provisional,
                    _ => non_invite_client::Input::Final,
                };
                let output = machine.handle(now, input);
                self.client_did_non_invite(now, branch, output, Some(response));
            }
            Machine::Invite(machine) => {
                let input = match response.status {
                    100..200 => invite_client::Input::Provisional,
                    200..300 => invite_client::Input::Success,
                    _ => {
                        // A copy finds none any more, and the machine has the ACK of the first.
                        let invite = client.request.as_ref();
                        let ack = invite.map_or_else(Bytes::new, |invite| ack_of_failure(invite, response));
                        invite_client::Input::Failure { ack }
                    }
                };
                let output = machine.handle(now, input);
                self.client_did_invite(now, branch, output, Some(response));
            }
        }
    }

    pub(super) fn client_timeout(&mut self, now: Instant, branch: Branch) {
        let Some(client) = self.clients.get(&branch) else { return };
        // On a stream there are no copies to send, so this is where we learn that it went.
        let alive = self.is_alive(client.flow);
        self.drive_client(now, branch, alive);
    }

    /// The stream that this request went down is gone: nobody will answer.
    pub(super) fn client_lost(&mut self, now: Instant, branch: Branch) {
        self.drive_client(now, branch, false);
    }

    fn drive_client(&mut self, now: Instant, branch: Branch, alive: bool) {
        let Some(client) = self.clients.get_mut(&branch) else { return };
        match &mut client.machine {
            Machine::NonInvite(machine) => {
                let input =
                    if alive { non_invite_client::Input::Timeout } else { non_invite_client::Input::TransportError };
                let output = machine.handle(now, input);
                self.client_did_non_invite(now, branch, output, None);
            }
            Machine::Invite(machine) => {
                let input = if alive { invite_client::Input::Timeout } else { invite_client::Input::TransportError };
                let output = machine.handle(now, input);
                self.client_did_invite(now, branch, output, None);
            }
        }
    }

    fn client_did_non_invite(
        &mut self,
        now: Instant,
        branch: Branch,
        output: non_invite_client::Output,
        response: Option<&Response>,
    ) {
        let outcome = match (output, response) {
            (non_invite_client::Output::Resend(bytes), _) => {
                let flow = self.clients.get(&branch).map(|client| client.flow);
                self.settle_client(branch);
                return flow.into_iter().for_each(|flow| self.resend(flow, bytes.clone()));
            }
            (non_invite_client::Output::Pass, Some(response)) => Outcome::Answered(response),
            (non_invite_client::Output::TimedOut, _) => Outcome::TimedOut,
            (non_invite_client::Output::Nothing | non_invite_client::Output::Pass, _) => {
                return self.settle_client(branch);
            }
        };
        self.over(now, branch, outcome);
    }

    fn client_did_invite(
        &mut self,
        now: Instant,
        branch: Branch,
        output: invite_client::Output,
        response: Option<&Response>,
    ) {
        let Some(Client { purpose, flow, .. }) = self.clients.get(&branch) else { return };
        let (purpose, flow) = (*purpose, *flow);
        match (output, response) {
            (invite_client::Output::Resend(bytes), _) => {
                self.settle_client(branch);
                self.resend(flow, bytes);
            }
            (invite_client::Output::PassAndSend(ack), Some(response)) => {
                self.send(flow, ack);
                self.over(now, branch, Outcome::Answered(response));
            }
            (invite_client::Output::TimedOut, _) => self.over(now, branch, Outcome::TimedOut),
            (invite_client::Output::Pass, Some(response)) => {
                self.settle_client(branch);
                match purpose {
                    Purpose::Call(id) if response.is_provisional() => self.call_progressed(now, id, branch, response),
                    _ if response.is_provisional() => {}
                    _ => self.invite_accepted(now, purpose, branch, response),
                }
            }
            (
                invite_client::Output::Nothing | invite_client::Output::Pass | invite_client::Output::PassAndSend(_),
                _,
            ) => self.settle_client(branch),
        }
    }

    /// A 2xx to an INVITE or re-INVITE of ours. A copy of one whose ACK got lost gets the same ACK again.
    fn invite_accepted(&mut self, now: Instant, purpose: Purpose, branch: Branch, response: &Response) {
        let Some(client) = self.clients.get(&branch) else { return };
        let tag = response.headers.to_tag();
        if let Some((_, flow, ack)) = client.acks.iter().find(|(of, ..)| *of == tag) {
            let (flow, ack) = (*flow, ack.clone());
            return self.resend(flow, ack);
        }
        let number = client.number;
        match purpose {
            Purpose::Call(id) => self.call_accepted(now, id, branch, response),
            Purpose::Within(id) if client.acks.is_empty() => {
                let asked = Asked { branch, method: Method::Invite, number, repeated: 0, request: None };
                self.outcome(now, id, &asked, &Outcome::Answered(response));
                self.acknowledge(id, branch, number, None);
            }
            Purpose::Within(_) | Purpose::Notify(_) | Purpose::Ping(_) | Purpose::Nobody => self.stats.dropped += 1,
        }
    }

    /// A request is over, but for what its transaction soaks up.
    fn over(&mut self, now: Instant, branch: Branch, outcome: Outcome<'_>) {
        let Some(client) = self.clients.get_mut(&branch) else { return };
        let Client { purpose, number, repeated, .. } = *client;
        let (method, request) = (client.method.clone(), client.request.take());
        let asked = Asked { branch, method, number, repeated, request };
        self.settle_client(branch);
        match (purpose, outcome) {
            (Purpose::Within(id), Outcome::Answered(response))
                if self.repeat_with_proof(now, id, purpose, &asked, response) => {}
            (Purpose::Notify(refer), Outcome::Answered(response))
                if self.repeat_with_proof(now, refer.dialog, purpose, &asked, response) => {}
            (Purpose::Within(id), _) => self.outcome(now, id, &asked, &outcome),
            (Purpose::Notify(refer), _) => self.notified_of(now, refer, outcome.status()),
            (Purpose::Call(id), Outcome::Answered(response)) => self.call_refused(now, id, &asked, response),
            (Purpose::Call(id), Outcome::TimedOut) => self.call_unanswered(now, id, branch),
            (Purpose::Ping(ping), _) => {
                let status = match outcome {
                    Outcome::Answered(response) => Some(response.status),
                    Outcome::TimedOut => None,
                };
                self.event(Event::Pinged { ping, status });
            }
            (Purpose::Nobody, _) => {}
        }
    }

    /// Sends a request within a dialog again with what its 401 or 407 asks for. `false`: we have no such thing.
    fn repeat_with_proof(
        &mut self,
        now: Instant,
        id: DialogId,
        purpose: Purpose,
        asked: &Asked,
        response: &Response,
    ) -> bool {
        let Some(request) = asked.request.as_ref().filter(|_| self.dialogs.contains_key(&id)) else { return false };
        let may = self.authorizer_of(id).is_some_and(|known| known.challenged(response, asked.repeated));
        let Some(dialog) = self.dialogs.get_mut(&id).filter(|_| may) else { return false };
        let (number, flow) = (dialog.next_number(), dialog.flow_out());
        if let Some(referring) = dialog.transfers.as_mut().and_then(|transfers| transfers.referring.as_mut())
            && referring.number == asked.number
        {
            referring.number = number;
        }
        let mut request = Request::clone(request);
        for name in [Name::Via, Name::UserAgent] {
            request.headers.remove(name);
        }
        request.headers.set(Name::CSeq, format!("{number} {}", asked.method));
        self.authorize(id, &mut request);
        let habits = Habits { keep: true, repeated: asked.repeated + 1, proceeding_max: None };
        self.send_client(now, flow, request, purpose, habits).is_some()
    }

    fn settle_client(&mut self, branch: Branch) {
        let Some(client) = self.clients.get(&branch) else { return };
        let (terminated, deadline) = match &client.machine {
            Machine::Invite(machine) => (machine.is_terminated(), machine.next_deadline()),
            Machine::NonInvite(machine) => (machine.is_terminated(), machine.next_deadline()),
        };
        self.deadlines.set(Owner::Client(branch), deadline);
        if terminated {
            self.clients.remove(&branch);
        }
    }

    /// Forgets a request, whatever may still be answered.
    pub(super) fn forget_client(&mut self, branch: Branch) {
        self.clients.remove(&branch);
        self.deadlines.set(Owner::Client(branch), None);
    }

    pub(super) fn resend(&mut self, flow: Flow, bytes: Bytes) {
        self.stats.retransmissions += 1;
        self.send(flow, bytes);
    }

    /// ACK to a 2xx: a request of its own, down the route, proving what its INVITE proved (RFC 3261 §13.2.2.4, §22.1).
    pub(super) fn acknowledge(&mut self, id: DialogId, branch: Branch, number: u32, answer: Option<Bytes>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let mut ack = dialog.request(Method::Ack, Some(number));
        let (flow, tag) = (dialog.flow_out(), dialog.remote_tag.clone());
        super::uas::set_sdp(&mut ack.headers, &mut ack.body, answer);
        self.send_ack(branch, tag, flow, ack);
    }

    /// Sends an ACK and keeps it for copies of what it acknowledges.
    pub(super) fn send_ack(&mut self, branch: Branch, tag: Option<String>, flow: Flow, mut ack: Request) {
        let bits = self.rng.next_u64();
        self.add_via(&mut ack, flow, bits);
        self.stats.requests_sent.count(&Method::Ack);
        let client = self.clients.get_mut(&branch);
        if let Some(invite) = client.as_ref().and_then(|client| client.request.as_ref()) {
            for name in [Name::Authorization, Name::ProxyAuthorization] {
                ack.headers.copy(name, &invite.headers);
            }
        }
        let bytes = ack.to_bytes();
        if let Some(client) = client {
            client.acks.push((tag, flow, bytes.clone()));
        }
        self.send(flow, bytes);
    }
}

/// The branch of a response to one of our requests.
fn own_branch(response: &Response) -> Option<u64> {
    let via = response.headers.via_top().ok()?;
    let branch = via.branch()?.strip_prefix(Via::BRANCH_COOKIE).filter(|bits| bits.len() == 16)?;
    u64::from_str_radix(branch, 16).ok()
}

/// ACK to an error: the INVITE's own headers, the response's To (RFC 3261 §17.1.1.3).
fn ack_of_failure(invite: &Request, response: &Response) -> Bytes {
    let mut ack = Request::new(Method::Ack, invite.uri.clone());
    let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
    for name in [Name::Via, Name::MaxForwards, Name::From] {
        ack.headers.copy(name, &invite.headers);
    }
    ack.headers.copy(Name::To, &response.headers);
    ack.headers.copy(Name::CallId, &invite.headers);
    ack.headers.push(Name::CSeq, format!("{number} ACK"));
    ack.headers.copy(Name::Route, &invite.headers);
    ack.to_bytes()
}

/// How long a peer may answer our re-INVITE with nothing but 1xx. Ours ask no human anything.
const PROCEEDING_MAX: Duration = Duration::from_secs(32);
