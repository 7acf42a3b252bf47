//! What we ask of the other side within a dialog: BYE, and the refresh of its session timer (RFC 3261 §12.2.1,
//! §14.1, §15.1.1, RFC 4028 §7 and §10).

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;

use super::{Endpoint, Owner};
use crate::body;
use crate::dialog::{Ours, Stage, Theirs};
use crate::inspection::{ALLOW, SUPPORTED};
use crate::session_timer::SessionTimer;
use crate::stats::count_class;
use crate::transaction::invite_client::{self, InviteClient};
use crate::transaction::non_invite_client::{self, NonInviteClient};
use crate::{
    DialogId, EndCause, Event, Flow, Method, Name, Reason, Refresher, Request, Response, SessionDescription,
    SessionExpires, Via,
};

/// One of our requests on its way.
#[derive(Debug)]
pub(super) struct Client {
    machine: Machine,
    method: Method,
    /// CSeq.
    number: u32,
    dialog: DialogId,
    flow: Flow,
    /// Of a re-INVITE: the request, to acknowledge an error (RFC 3261 §17.1.1.3).
    invite: Option<Request>,
    /// Of a re-INVITE: the ACK to its 2xx, once there was one (RFC 3261 §13.2.2.4).
    ack: Option<Bytes>,
}

#[derive(Debug)]
enum Machine {
    Invite(InviteClient),
    NonInvite(NonInviteClient),
}

/// What became of one of our requests.
enum Outcome<'a> {
    Answered(&'a Response),
    /// Nobody answered, which counts as 408 (RFC 3261 §8.1.3.1).
    TimedOut,
}

impl Endpoint {
    /// Sends an INFO within an answered call, such as a digit as `application/dtmf-relay`. Nothing tells whether it
    /// was taken.
    pub fn info(&mut self, now: Instant, dialog: DialogId, content_type: &str, body: Bytes) {
        let Some(state) = self.dialogs.get_mut(&dialog) else { return };
        if !matches!(state.stage, Stage::Talking { .. }) {
            return;
        }
        let flow = state.flow_out();
        let mut request = state.request(Method::Info, None);
        request.headers.push(Name::ContentType, content_type);
        request.body = body;
        self.send_request(now, dialog, flow, request);
    }

    /// Hangs up and tells why; the dialog lives until the BYE is answered.
    pub(super) fn end_with_bye(&mut self, now: Instant, id: DialogId, cause: EndCause, reason: Option<Reason>) {
        self.tell_ended(id, cause, None);
        self.bye(now, id, reason);
    }

    /// RFC 3261 §15.1.1. Whatever the answer, the call is over.
    pub(super) fn bye(&mut self, now: Instant, id: DialogId, reason: Option<Reason>) {
        self.fail(now, id, 487, crate::Reject::default());
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.stage = Stage::Closing;
        dialog.theirs = Theirs::Idle;
        let flow = dialog.flow_out();
        let mut request = dialog.request(Method::Bye, None);
        if let Some(reason) = reason {
            request.headers.push(Name::Reason, reason.to_string());
        }
        if self.send_request(now, id, flow, request) {
            self.settle_dialog(id);
        } else {
            self.forget_dialog(id);
        }
    }

    /// Refreshes the session: UPDATE without SDP where the peer takes it, else a re-INVITE that repeats what we said
    /// last (RFC 4028 §7.4).
    pub(super) fn refresh(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Some(session) = &mut dialog.session else { return };
        if dialog.ours != Ours::Idle || !matches!(dialog.theirs, Theirs::Idle) {
            session.retry_at(now + GLARE_PAUSE_MAX);
            return;
        }
        let expires = SessionExpires { seconds: session.seconds(), refresher: Some(Refresher::Uac) };
        let flow = dialog.flow_out();
        let update = dialog.peer_takes_update;
        dialog.ours = if update { Ours::Update } else { Ours::Invite };
        let mut request = dialog.request(if update { Method::Update } else { Method::Invite }, None);
        if !update && let Some(described) = &dialog.described {
            request.headers.push(Name::ContentType, "application/sdp");
            request.body = described.clone();
        }
        request.headers.push(Name::SessionExpires, expires.to_string());
        request.headers.push(Name::Supported, SUPPORTED);
        request.headers.push(Name::Allow, ALLOW);
        let user = self.dialogs[&id].user.as_deref();
        request.headers.push(Name::Contact, self.contact(flow, user));
        if !self.send_request(now, id, flow, request) {
            self.tell_ended(id, EndCause::FlowLost, None);
            self.forget_dialog(id);
        }
    }

    /// Puts a request on its way. `false`: it cannot be.
    fn send_request(&mut self, now: Instant, id: DialogId, flow: Flow, mut request: Request) -> bool {
        if !self.is_alive(flow) || self.clients.len() >= self.config.transactions_max {
            return false;
        }
        let branch = self.rng.next_u64();
        self.add_via(&mut request, flow, branch);
        request.headers.push(Name::UserAgent, &self.config.server);
        self.stats.requests_sent.count(&request.method);
        let bytes = request.to_bytes();
        let (reliable, timers) = (flow.transport.is_reliable(), self.config.timers);
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let method = request.method.clone();
        let (machine, invite) = match method {
            Method::Invite => (Machine::Invite(InviteClient::new(now, bytes.clone(), reliable, timers)), Some(request)),
            _ => (Machine::NonInvite(NonInviteClient::new(now, bytes.clone(), reliable, timers)), None),
        };
        self.clients.insert(branch, Client { machine, method, number, dialog: id, flow, invite, ack: None });
        self.settle_client(branch);
        self.send(flow, bytes);
        true
    }

    fn add_via(&self, request: &mut Request, flow: Flow, branch: u64) {
        let (transport, address, cookie) = (flow.transport.via(), self.public_address(flow), Via::BRANCH_COOKIE);
        let via = format!("SIP/2.0/{transport} {address};rport;branch={cookie}{branch:016x}");
        request.headers.push_front(Name::Via, via);
    }

    pub(super) fn receive_response(&mut self, now: Instant, response: &Response) {
        let branch = own_branch(response);
        let method = response.headers.cseq().map(|cseq| cseq.method);
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
                    _ => match &client.invite {
                        Some(invite) => invite_client::Input::Failure { ack: ack_of_failure(invite, response) },
                        None => return,
                    },
                };
                let output = machine.handle(now, input);
                self.client_did_invite(now, branch, output, Some(response));
            }
        }
    }

    pub(super) fn client_timeout(&mut self, now: Instant, branch: u64) {
        let Some(client) = self.clients.get_mut(&branch) else { return };
        // On a stream there are no copies to send, so this is where we learn that it went.
        let alive = client.flow.connection.is_none_or(|connection| self.connections.contains_key(&connection));
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
        branch: u64,
        output: non_invite_client::Output,
        response: Option<&Response>,
    ) {
        let Some(client) = self.clients.get(&branch) else { return };
        let (id, method, flow) = (client.dialog, client.method.clone(), client.flow);
        self.settle_client(branch);
        match (output, response) {
            (non_invite_client::Output::Resend(bytes), _) => self.resend(flow, bytes),
            (non_invite_client::Output::Pass, Some(response)) => {
                self.outcome(now, id, &method, &Outcome::Answered(response))
            }
            (non_invite_client::Output::TimedOut, _) => self.outcome(now, id, &method, &Outcome::TimedOut),
            (non_invite_client::Output::Nothing | non_invite_client::Output::Pass, _) => {}
        }
    }

    fn client_did_invite(
        &mut self,
        now: Instant,
        branch: u64,
        output: invite_client::Output,
        response: Option<&Response>,
    ) {
        let Some(client) = self.clients.get(&branch) else { return };
        let (id, flow, number) = (client.dialog, client.flow, client.number);
        let acked = client.ack.clone();
        self.settle_client(branch);
        match (output, response) {
            (invite_client::Output::Resend(bytes), _) => self.resend(flow, bytes),
            (invite_client::Output::PassAndSend(ack), Some(response)) => {
                self.send(flow, ack);
                self.outcome(now, id, &Method::Invite, &Outcome::Answered(response));
            }
            (invite_client::Output::Pass, Some(response)) if !response.is_provisional() => match acked {
                // A copy of the 2xx: the ACK got lost.
                Some(ack) => self.resend(flow, ack),
                None => {
                    self.outcome(now, id, &Method::Invite, &Outcome::Answered(response));
                    self.ack_success(id, branch, number);
                }
            },
            (invite_client::Output::TimedOut, _) => self.outcome(now, id, &Method::Invite, &Outcome::TimedOut),
            (
                invite_client::Output::Nothing | invite_client::Output::Pass | invite_client::Output::PassAndSend(_),
                _,
            ) => {}
        }
    }

    fn settle_client(&mut self, branch: u64) {
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

    fn resend(&mut self, flow: Flow, bytes: Bytes) {
        self.stats.retransmissions += 1;
        self.send(flow, bytes);
    }

    /// ACK to the 2xx of our re-INVITE: a request of its own, down the route (RFC 3261 §13.2.2.4).
    fn ack_success(&mut self, id: DialogId, branch: u64, number: u32) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let mut ack = dialog.request(Method::Ack, Some(number));
        let flow = dialog.flow_out();
        let ack_branch = self.rng.next_u64();
        self.add_via(&mut ack, flow, ack_branch);
        self.stats.requests_sent.count(&Method::Ack);
        let bytes = ack.to_bytes();
        if let Some(client) = self.clients.get_mut(&branch) {
            client.ack = Some(bytes.clone());
        }
        self.send(flow, bytes);
    }

    /// One of our requests is over: RFC 3261 §12.2.1.2, RFC 5057 §5.1, RFC 4028 §7.4.
    fn outcome(&mut self, now: Instant, id: DialogId, method: &Method, outcome: &Outcome<'_>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if *method == Method::Bye {
            return self.forget_dialog(id);
        }
        let refreshes = matches!(method, Method::Invite | Method::Update);
        let ours = if refreshes { std::mem::replace(&mut dialog.ours, Ours::Idle) } else { Ours::Idle };
        if !matches!(dialog.stage, Stage::Talking { .. }) {
            return self.settle_dialog(id);
        }
        match outcome {
            Outcome::TimedOut => self.end_with_bye(now, id, EndCause::PeerLostDialog, None),
            Outcome::Answered(response) => match response.status {
                200..300 if refreshes => self.refreshed(now, id, response),
                408 => self.end_with_bye(now, id, EndCause::PeerLostDialog, None),
                404 | 410 | 416 | 481..=485 | 502 | 604 => {
                    self.tell_ended(id, EndCause::PeerLostDialog, None);
                    self.forget_dialog(id);
                }
                // What it was about was not taken; the call goes on.
                _ if !refreshes => {}
                405 | 501 if ours == Ours::Update => {
                    dialog.peer_takes_update = false;
                    self.refresh(now, id);
                }
                422 => {
                    let least_s = response.headers.min_se().ok().flatten().unwrap_or(0);
                    let seconds = dialog.session.map_or(0, |session| session.seconds());
                    if least_s > seconds {
                        dialog.session = Some(SessionTimer::start(now, least_s, true));
                        self.refresh(now, id);
                    } else {
                        self.retry_refresh(now, id, RETRY_PAUSE);
                    }
                }
                // The Call-ID is theirs, so ours is the shorter pause (RFC 3261 §14.1).
                491 => {
                    let pause = self.random_pause(GLARE_PAUSE_MAX);
                    self.retry_refresh(now, id, pause);
                }
                _ => {
                    let asked = response.headers.retry_after().map(|seconds| Duration::from_secs(seconds.into()));
                    self.retry_refresh(now, id, asked.map_or(RETRY_PAUSE, |pause| pause.min(RETRY_PAUSE_MAX)));
                }
            },
        }
        self.settle_dialog(id);
    }

    /// Their 2xx to our refresh sets the terms anew; without any, the session has no timer (RFC 4028 §7.2).
    fn refreshed(&mut self, now: Instant, id: DialogId, response: &Response) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let expires = response.headers.session_expires().ok().flatten();
        dialog.session = expires.map(|SessionExpires { seconds, refresher }| {
            SessionTimer::start(now, seconds.max(1), refresher != Some(Refresher::Uas))
        });
        if response.headers.contains(Name::Allow) {
            dialog.peer_takes_update = response.headers.allow().any(|method| method == Method::Update);
        }
        let contact = response.headers.contacts().ok().and_then(|contacts| contacts.into_iter().next());
        dialog.retarget(contact.map(|contact| contact.uri));
        let text = body::session_description(&response.headers, &response.body).ok().flatten();
        if let Some(answer) = text.and_then(|text| SessionDescription::parse(&text).ok()) {
            self.event(Event::Answered { dialog: id, answer });
        }
    }

    /// Tries again later; if that comes to nothing, the session expires.
    fn retry_refresh(&mut self, now: Instant, id: DialogId, pause: Duration) {
        if let Some(session) = self.dialogs.get_mut(&id).and_then(|dialog| dialog.session.as_mut()) {
            session.retry_at(now + pause);
        }
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

/// How long we wait at most after a 491 for a dialog whose Call-ID is the peer's (RFC 3261 §14.1).
const GLARE_PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long we wait after a refresh that failed for no lasting reason.
const RETRY_PAUSE: Duration = Duration::from_secs(10);
/// How long we wait at most, whatever Retry-After says.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(300);
