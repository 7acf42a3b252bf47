//! Calls that we make: from the wish to the answer, by whichever path leads there.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use media::{Command, MAIN};
use model::{AccountSid, Call, CallSid, CallStatus, CallStep, Direction, RoomId};
use sip::{
    Binding, Credentials, DialogId, Failure, Flow, Headers, Host, NameAddr, Response, SessionDescription, SipUri, Uri,
};
use tracing::{info, info_span};
use twiml::{CallCallback, Parameter, Party, SipCredentials};

use super::Board;
use super::arrival::told_headers;
use super::leaving::sip_reason;
use super::wired::Wanted;
use crate::call::{Errand, Line, LiveCall, Place, Stage};
use crate::command::AudioUrl;
use crate::conference::Leaving;
use crate::dial::DialId;
use crate::follow_up::FollowUp;
use crate::inbound::percent_decode;
use crate::leg::{LiveLeg, address_towards};
use crate::new_call::{Amd, Callee};
use crate::outbound::{FORKS_MAX, Invitation, Lead, Outgoing, Plan, Target, Wish};
use crate::progress::Progress;
use crate::reach::{flow_to, is_here};
use crate::script::Role;
use crate::timers::Timer;
use crate::trunk::{Trunk, trunk_for};
use crate::turn::Turn;
use crate::webhook::{CallEventName, CallFacts, DialedSip, Remark};

/// A call that is to be made.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) account: AccountSid,
    pub(super) to: Callee,
    /// Whom the row says it is from.
    pub(super) from: String,
    /// Whom the phone is shown, if somebody else.
    pub(super) caller_id: Option<String>,
    pub(super) display: Option<String>,
    pub(super) parent: Option<CallSid>,
    pub(super) direction: Direction,
    pub(super) errand: Errand,
    /// Where its leg is opened; its own room if none is said.
    pub(super) room: Option<RoomId>,
    pub(super) credentials: Option<SipCredentials>,
    pub(super) ring_timeout: Duration,
    pub(super) limit: Option<Duration>,
    pub(super) status: CallCallback,
    /// Hops that are left of the call it is made for.
    pub(super) max_forwards: u8,
    pub(super) plan: Plan,
}

impl Order {
    /// Takes what a client that calls says beside its name: `client:sys?k=v` (rest-voice §1.10).
    pub(super) fn take_caller_parameters(&mut self) -> Vec<(String, String)> {
        let asked = self.from.find('?').filter(|_| self.from.starts_with("client:"));
        let Some(at) = asked else { return Vec::new() };
        let query = self.from.split_off(at);
        let decoded = |text: &str| percent_decode(&text.replace('+', " "));
        let pairs = query[1..].split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.filter_map(|(name, value)| Some((decoded(name)?, decoded(value)?))).collect()
    }

    /// Takes those of a client's parameters that cannot travel as headers.
    fn take_unfit_parameters(&mut self) -> Vec<Parameter> {
        let Callee::Client { parameters, .. } = &mut self.to else { return Vec::new() };
        parameters.extract_if(.., |parameter| !is_header(&format!("X-{}", parameter.name), &parameter.value)).collect()
    }

    /// The row of the call it makes.
    pub(super) fn row(&self, turn: &mut Turn) -> Call {
        Call {
            sid: turn.names.call(),
            account_sid: self.account,
            parent_call_sid: self.parent,
            to: self.to.address(),
            from: self.from.clone(),
            caller_name: None,
            phone_number_sid: turn.directory.caller_sid(self.account, &self.from),
            forwarded_from: None,
            answered_by: None,
            status: CallStatus::Queued,
            direction: self.direction,
            created: turn.now.wall,
            updated: turn.now.wall,
            started: None,
            answered: None,
            ended: None,
            seq: turn.names.seq(),
        }
    }
}

/// Nothing leads there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoute;

impl Board {
    /// Calls one of the parties of a `<Dial>`.
    pub(super) fn call_party(&mut self, id: DialId, party: &Party, turn: &mut Turn) {
        let Some(live) = self.dials.get(&id) else { return };
        let Some(parent) = self.calls.get(&live.parent) else { return };
        let (to, url, status, send_digits, detection, credentials) = match party.clone() {
            Party::Number(n) => {
                let to = Callee::Number(dialled(&n.number));
                (to, n.url, n.status, n.send_digits, n.machine_detection, None)
            }
            Party::Client(c) => {
                let to = Callee::Client { identity: c.identity, parameters: c.parameters };
                (to, c.url, c.status, None, None, None)
            }
            Party::Sip(s) => {
                let to = Callee::Sip { uri: s.uri, headers: s.headers };
                (to, s.url, s.status, s.send_digits, s.machine_detection, s.credentials)
            }
        };
        let whisper = url.map(|link| AudioUrl { method: link.method, url: link.url });
        // Nobody waits for what is found out: the two are connected meanwhile.
        let amd = detection.map(|detection| Amd { detection, asynchronous: true });
        let order = Order {
            account: parent.row.account_sid,
            to,
            from: live.dial.caller_id.clone().unwrap_or_else(|| parent.row.from.clone()),
            caller_id: None,
            display: None,
            parent: Some(live.parent),
            direction: Direction::OutboundDial,
            errand: Errand::Callee(id),
            room: Some(parent.room),
            credentials,
            ring_timeout: live.dial.timeout,
            limit: None,
            status,
            max_forwards: parent.max_forwards.saturating_sub(1),
            plan: Plan { send_digits, amd, whisper, ..Plan::default() },
        };
        match self.place(order, turn) {
            Ok(callee) => {
                if let Some(live) = self.dials.get_mut(&id) {
                    live.callees.push(callee);
                }
            }
            Err(NoRoute) => self.party_unreachable(id, party, turn),
        }
    }

    /// Makes a call: its row and its leg; the INVITEs follow when the leg has a port.
    pub(super) fn place(&mut self, mut order: Order, turn: &mut Turn) -> Result<CallSid, NoRoute> {
        if self.calls.len() >= turn.config.calls_max {
            self.counts.refused_full += 1;
            return Err(NoRoute);
        }
        if matches!(order.to, Callee::Application { .. }) {
            return self.call_application(order, Wanted::default(), turn);
        }
        if order.max_forwards == 0 {
            info!(to = order.to.address(), "a call that has come round too often (RFC 3261 §16.3)");
            return Err(NoRoute);
        }
        let mut custom = order.take_caller_parameters();
        let unfit = order.take_unfit_parameters();
        let shown_from = order.caller_id.clone().unwrap_or_else(|| order.from.clone());
        let own_room = turn.names.room();
        let room = order.room.unwrap_or(own_room);
        let (route, phones) = self.route(&order, &shown_from, room, turn)?;
        let codecs = match &order.to {
            Callee::Number(number) => trunk_for(&turn.config.trunks, number).map(|trunk| trunk.codecs.clone()),
            _ => None,
        };
        // Somebody is to be looked for first.
        let seeks = phones.is_empty() && !route.leads.is_empty();
        let Some(address) = address_towards(turn.config, phones.first().map(|phone| &phone.flow)) else {
            return Err(NoRoute);
        };
        self.counts.calls += 1;
        self.counts.calls_out += 1;
        let row = order.row(turn);
        turn.save_call(&row);
        let sid = row.sid;
        let span = info_span!("call", call_sid = %sid);
        span.in_scope(|| info!(from = row.from, to = row.to, paths = phones.len(), "calling"));
        let leg = turn.names.leg();
        self.legs.insert(leg, LiveLeg::new(sid, span.clone()));
        for Parameter { name, .. } in unfit {
            let message = format!("the parameter {name:?} is left out: no header can carry its name, or its value");
            let remark = Remark { code: 13_252, message };
            turn.notify(order.account, Some(order.parent.unwrap_or(sid)), remark, None);
        }
        if let Callee::Client { parameters, .. } = &order.to {
            custom.extend(parameters.iter().map(|p| (p.name.clone(), p.value.clone())));
        }
        let facts = CallFacts { custom, ..CallFacts::of(row) };
        let place = match (&order.errand, order.room) {
            (Errand::Callee(dial), _) => Place::Guest(*dial),
            _ => Place::Own,
        };
        let line = Line::Outbound(Box::new(route));
        let session = turn.names.session_id();
        let mut call = LiveCall {
            place,
            errand: order.errand,
            codecs: codecs.unwrap_or_default(),
            limit: seeks.then(|| turn.timers.set(turn.now.instant + order.ring_timeout, Timer::Seeking(sid))),
            limit_s: order.limit.map(|limit| u32::try_from(limit.as_secs()).unwrap_or(u32::MAX)),
            plan: Some(Box::new(order.plan)),
            max_forwards: order.max_forwards,
            progress: Progress::wanted(&order.status),
            ..LiveCall::new(facts, line, Stage::Dialling, (leg, address), own_room, session, span)
        };
        call.log(CallStep::Queued, turn);
        if phones.is_empty() && !seeks {
            // Nobody is there: a call that ends as soon as it has a leg.
            call.has_leg = true;
            turn.media.push(Command::OpenLeg { leg, room, address: address.bind });
        }
        self.calls.insert(sid, call);
        if seeks {
            turn.follow_ups.push_back(FollowUp::Lead(sid));
        }
        for phone in phones {
            self.describe_to(sid, Wish::Invite(phone), turn);
        }
        Ok(sid)
    }

    /// By which paths a party is reached: what is to be looked for, and the phones that are called at once.
    fn route(
        &self,
        order: &Order,
        shown_from: &str,
        room: RoomId,
        turn: &Turn,
    ) -> Result<(Outgoing, Vec<Target>), NoRoute> {
        let mut headers = Headers::new();
        let (mut phones, mut leads) = (Vec::new(), VecDeque::new());
        let (mut caller, mut host) = (None, None);
        match &order.to {
            Callee::Client { identity, parameters } => {
                tell(&mut headers, parameters);
                (phones, leads) = self.phones_of(order.account, identity, turn);
            }
            Callee::Sip { uri, headers: told } => {
                for parameter in told.iter().filter(|parameter| may_be_set(&parameter.name)) {
                    push_header(&mut headers, &parameter.name, &parameter.value);
                }
                let uri: Uri = uri.parse().map_err(|_| NoRoute)?;
                let sip = uri.sip().ok_or(NoRoute)?;
                for (name, value) in headers_of(sip) {
                    push_header(&mut headers, &name, &value);
                }
                match self.registered_at(order.account, sip, turn) {
                    Some(registered) => (phones, leads) = registered,
                    None => leads.push_back(lead_of(sip, order.credentials.as_ref())),
                }
            }
            Callee::Number(number) => {
                let trunk = trunk_for(&turn.config.trunks, number).ok_or(NoRoute)?;
                (caller, host) = (trunk.caller_id.clone(), trunk.domain.clone());
                leads.extend(trunk.uris.iter().filter_map(|uri| by_trunk(trunk, uri, number)));
                if leads.is_empty() {
                    return Err(NoRoute);
                }
            }
            Callee::Application { .. } => return Err(NoRoute),
        }
        let registered = !phones.is_empty();
        phones.retain(|phone: &Target| may_be_called(turn, &phone.flow));
        if registered && phones.is_empty() && leads.is_empty() {
            return Err(NoRoute);
        }
        phones.truncate(FORKS_MAX);
        let local = phones.first().map(|target: &Target| target.flow.local);
        let own = local.or_else(|| turn.config.own.signalling.last().copied());
        let host = host.or_else(|| own.map(|own| advertised(turn, own.ip())));
        let from = from_header(caller.as_deref().unwrap_or(shown_from), order.display.as_deref(), host.as_deref());
        let invitation = Invitation {
            from: from.ok_or(NoRoute)?,
            to: None,
            headers,
            ring_until: turn.now.instant + order.ring_timeout,
            max_forwards: order.max_forwards,
        };
        Ok((Outgoing::new(invitation, leads, room), phones))
    }

    /// The phones of a user, wherever they are registered: those whose way is known, and those to be looked for.
    fn phones_of(&self, account: AccountSid, user: &str, turn: &Turn) -> (Vec<Target>, VecDeque<Lead>) {
        ways(self.registrations.contacts(turn.directory, account, user), turn)
    }

    /// The phones of an address at one of the account's own domains; none if it is no such address.
    fn registered_at(&self, account: AccountSid, uri: &SipUri, turn: &Turn) -> Option<(Vec<Target>, VecDeque<Lead>)> {
        let Host::Name(host) = &uri.host else { return None };
        turn.directory.domain(host).filter(|domain| domain.account_sid == account)?;
        Some(ways(self.registrations.contacts_at(turn.directory, uri), turn))
    }

    /// A phone of ours rings, or says something before it answers.
    pub(super) fn progressed(
        &mut self,
        dialog: DialogId,
        response: &Response,
        answer: Option<SessionDescription>,
        turn: &mut Turn,
    ) {
        let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get_mut(sid)) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        let Line::Outbound(outgoing) = &call.line else { return };
        let alone = outgoing.rings_alone();
        let mut early_media = false;
        if let Some(answer) = answer.filter(|_| alone) {
            call.take_leg_of(dialog, turn);
            match call.offer_answer.accept_early_answer(&answer) {
                Ok(agreed) => {
                    call.agree(&agreed, turn);
                    early_media = true;
                }
                Err(rejection) => info!(%rejection, "early answer not understood"),
            }
        }
        if response.status >= 180 && call.row.status == CallStatus::Queued {
            call.rang = true;
            call.row.status = CallStatus::Ringing;
            call.row.updated = turn.now.wall;
            turn.save_call(&call.row);
            info!(status = response.status, early_media, "ringing");
            call.tell(CallEventName::Ringing, turn);
        }
        let (sid, leg) = (call.sid(), call.leg);
        match call.errand {
            Errand::Callee(dial) if response.status >= 180 => self.callee_rings(dial, sid, early_media, turn),
            Errand::Participant(conference) => {
                let heard = early_media && call.plan.as_ref().is_some_and(|plan| plan.early_media);
                if let Some(conference) = self.conferences.get_mut(&conference) {
                    conference.rings(sid, turn);
                    if heard && conference.has_started() {
                        turn.media.push(Command::Route { leg, emit: MAIN, hear: 0 });
                    }
                }
            }
            _ => {}
        }
    }

    /// A phone of ours has answered. Others that ring for the same call stop.
    pub(super) fn accepted(
        &mut self,
        dialog: DialogId,
        response: &Response,
        answer: Option<SessionDescription>,
        turn: &mut Turn,
    ) {
        let Some(sid) = self.by_dialog.get(&dialog).copied() else { return };
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        call.take_leg_of(dialog, turn);
        call.close_spares(turn);
        let Line::Outbound(outgoing) = &mut call.line else { return };
        for other in outgoing.accept(dialog) {
            self.by_dialog.remove(&other);
            let reason = sip_reason(200, "Call completed elsewhere");
            self.endpoint.hangup(turn.now.instant, other, Some(reason));
        }
        call.sip_code = Some(response.status);
        call.remember(&response.headers);
        if let Some(answer) = answer {
            match call.offer_answer.accept_answer(&answer) {
                Ok(agreed) => call.agree(&agreed, turn),
                Err(rejection) => {
                    self.counts.not_acceptable += 1;
                    info!(%rejection, "answer refused");
                    call.sip_code = Some(488);
                    self.endpoint.hangup(turn.now.instant, dialog, Some(sip_reason(488, "Not Acceptable Here")));
                    self.end_call(sid, Some(CallStatus::Failed), Leaving::HungUp, turn);
                    return;
                }
            }
        }
        call.answered(turn);
        call.tell(CallEventName::Answered, turn);
        let leg = call.leg;
        self.legs.entry(leg).and_modify(|live| live.answered = true);
        self.begin_plan(sid, turn);
    }

    /// A path has led nowhere: the next one is tried, or the call has failed.
    pub(super) fn not_reached(
        &mut self,
        dialog: DialogId,
        status: u16,
        failure: Failure,
        response: Option<&Response>,
        turn: &mut Turn,
    ) {
        let Some(sid) = self.by_dialog.remove(&dialog) else { return };
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        info!(status, ?failure, "not reached");
        if let Some(response) = response {
            call.remember(&response.headers);
        }
        let Line::Outbound(outgoing) = &mut call.line else { return };
        // Silence says nothing about the called, whatever status stands for it.
        let status = if failure == Failure::Unreachable { UNREACHABLE } else { status };
        let over = outgoing.fail(dialog, status);
        // What we are too full for says nothing of the path.
        let elsewhere = failure == Failure::Unreachable || status == 503 && failure != Failure::Full;
        if elsewhere && over {
            if let Some(tried) = outgoing.last_tried.take() {
                let retry_after =
                    response.and_then(|response| response.headers.retry_after()).map(|s| Duration::from_secs(s.into()));
                self.lookups.failed(turn.now.instant, tried, retry_after);
            }
            if !outgoing.paths.is_empty() || !outgoing.leads.is_empty() {
                return self.next_path(sid, turn);
            }
        }
        if over {
            let status = outgoing.refusal();
            call.sip_code = Some(status);
            if call.row.parent_call_sid.is_some() && matches!(status, 401 | 407) {
                let message =
                    format!("{} wants a user name and a password that are not given, or are wrong", call.row.to);
                let remark = Remark { code: 13_244, message };
                turn.notify(call.row.account_sid, call.row.parent_call_sid, remark, None);
            }
            let failure = if failure == Failure::NoAnswer { CallStatus::NoAnswer } else { status_of(status) };
            self.end_call(sid, Some(failure), Leaving::HungUp, turn);
        }
    }

    /// A phone says where else its user is. That may be another phone of the account, or an address of digits.
    pub(super) fn redirected(&mut self, dialog: DialogId, target: &Uri, turn: &mut Turn) {
        let sid = self.by_dialog.get(&dialog).copied();
        let account = sid.and_then(|sid| self.calls.get(&sid)).map(|call| call.row.account_sid);
        let found = account.zip(target.sip()).and_then(|(account, sip)| {
            let registered = self.registered_at(account, sip, turn).and_then(|(phones, _)| phones.into_iter().next());
            registered.or_else(|| {
                let flow = flow_to(turn.config, sip)?;
                let uri = Uri::Sip(SipUri { headers: None, ..sip.clone() });
                Some(Target { flow, uri, routes: Vec::new(), credentials: None, same_flow: false })
            })
        });
        match found {
            Some(Target { flow, uri, .. }) if may_be_called(turn, &flow) => {
                if let Some(sid) = sid {
                    self.describe_to(sid, Wish::Follow { dialog, flow, uri }, turn);
                }
            }
            _ => {
                self.endpoint.hangup(turn.now.instant, dialog, None);
                if let Some(sid) = sid {
                    self.not_reached(dialog, 404, Failure::Refused, None, turn);
                    info!(call_sid = %sid, "redirected to nowhere");
                }
            }
        }
    }

    /// What a call of ours is for begins, now that it is answered.
    pub(super) fn begin_plan(&mut self, sid: CallSid, turn: &mut Turn) {
        if let Some(Errand::Callee(dial)) = self.calls.get(&sid).map(|call| &call.errand) {
            let dial = *dial;
            if !self.callee_wins(dial, sid, turn) {
                return;
            }
        }
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let leg = call.leg;
        let Some(plan) = call.plan.as_mut() else { return };
        if let Some(digits) = plan.send_digits.take().and_then(|digits| digits.parse().ok()) {
            plan.waits = true;
            turn.media.push(Command::SendDigits { leg, digits });
            return;
        }
        if let Some(amd) = &plan.amd {
            plan.waits = !amd.asynchronous;
            let detection = super::machine::detection(&amd.detection);
            turn.media.push(Command::DetectMachine { leg, detection });
            if plan.waits {
                return;
            }
        }
        self.go_on_with_plan(sid, turn);
    }

    /// Nothing more is to be waited for.
    pub(super) fn go_on_with_plan(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let (leg, holds) = (call.leg, call.phone_holds);
        let Some(plan) = call.plan.as_mut() else { return };
        plan.waits = false;
        match call.errand {
            Errand::Callee(dial) => self.callee_answered(dial, sid, turn),
            Errand::Participant(id) => {
                let entry = plan.entry.take().unwrap_or_default();
                let Some(conference) = self.conferences.get_mut(&id) else { return };
                conference.join(sid, leg, holds, entry, turn);
                call.place = Place::Conference(id);
                call.errand = Errand::Document; // and none is known: it ends with its stay
                self.worker_answered(sid, turn);
            }
            Errand::Document => {
                if let Some(source) = plan.source.take() {
                    turn.start_script(sid, Role::Main, source);
                }
                self.worker_answered(sid, turn);
            }
            Errand::Room { .. } => {}
        }
    }

    /// The keys that come before everything else have been pressed. True: it was those.
    pub(super) fn first_digits_sent(&mut self, sid: CallSid, turn: &mut Turn) -> bool {
        let waits = self.calls.get(&sid).is_some_and(|call| {
            call.script.is_none() && call.plan.as_ref().is_some_and(|plan| plan.waits && plan.send_digits.is_none())
        });
        if waits {
            self.go_on_with_plan(sid, turn);
        }
        waits
    }
}

impl LiveCall {
    /// Keeps what SIP has said, for the application to be told.
    fn remember(&mut self, headers: &Headers) {
        let sip = self.facts.sip.get_or_insert_default();
        if let Some(call_id) = headers.text(sip::Name::CallId) {
            sip.call_id = call_id.into_owned();
        }
        sip.headers = told_headers(headers);
    }

    /// It is to ring no longer: what its INVITEs are answered with by that is known (RFC 3261 §9.2).
    pub(super) fn stops_ringing(&mut self) {
        if !self.is_answered() && self.facts.sip.is_some() {
            self.sip_code = Some(487);
        }
    }

    /// What a `<Dial>` tells of this one (twiml §5.2).
    pub(super) fn dialed_sip(&self) -> Option<DialedSip> {
        let sip = self.facts.sip.as_ref().filter(|_| self.row.to.starts_with("sip"))?;
        Some(DialedSip { call_id: sip.call_id.clone(), response_code: self.sip_code, headers: sip.headers.clone() })
    }
}

/// The headers that a SIP URI asks for, as far as a document may (twiml §5.3).
fn headers_of(uri: &SipUri) -> Vec<(String, String)> {
    let pairs = uri.headers.as_deref().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let decoded = pairs.filter_map(|(name, value)| Some((percent_decode(name)?, percent_decode(value)?)));
    decoded.filter(|(name, _)| may_be_set(name)).collect()
}

/// Headers that a URI in a document may set.
fn may_be_set(name: &str) -> bool {
    let others = ["user-to-user", "remote-party-id", "p-preferred-identity", "p-called-party-id"];
    let name = name.to_ascii_lowercase();
    name.starts_with("x-") || others.contains(&name.as_str())
}

/// Neither one of another family than any audio of ours, nor we ourselves: whoever registers may name any address.
fn may_be_called(turn: &Turn, flow: &Flow) -> bool {
    address_towards(turn.config, Some(flow)).is_some() && !is_here(turn.config, flow.remote)
}

/// A number as it is dialled: without what only makes it easier to read (rest-voice §1.10).
pub(super) fn dialled(number: &str) -> String {
    number.chars().filter(|character| !matches!(character, ' ' | '-' | '.' | '(' | ')')).collect()
}

/// What stands for an address that says nothing at all.
const UNREACHABLE: u16 = 503;

/// What a refusal says of the call (rest-voice §3.5).
fn status_of(status: u16) -> CallStatus {
    match status {
        486 | 600 | 603 => CallStatus::Busy,
        408 | 480 | 487 => CallStatus::NoAnswer,
        _ => CallStatus::Failed,
    }
}

/// Parameters of a client's call travel as headers (rest-voice §9).
fn tell(headers: &mut Headers, parameters: &[Parameter]) {
    for parameter in parameters {
        push_header(headers, &format!("X-{}", parameter.name), &parameter.value);
    }
}

/// Adds a header, unless its name or value would break the message.
pub(super) fn push_header(headers: &mut Headers, name: &str, value: &str) {
    if is_header(name, value) {
        headers.push(sip::Name::from(name), value);
    }
}

fn is_header(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!%*+`'~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token) && !value.chars().any(char::is_control)
}

/// How registered phones are reached: down the path they registered by, or where their proxy or their contact leads.
fn ways(bindings: Vec<Binding>, turn: &Turn) -> (Vec<Target>, VecDeque<Lead>) {
    let (mut targets, mut leads) = (Vec::new(), VecDeque::new());
    for Binding { uri, flow, path, .. } in bindings {
        let by_proxy = path.first().and_then(|hop| hop.uri.sip().cloned());
        let known = match flow {
            Some(flow) => Some((flow, true)),
            None => flow_to(turn.config, by_proxy.as_ref().unwrap_or(&uri)).map(|flow| (flow, false)),
        };
        let next_hop = by_proxy.unwrap_or_else(|| uri.clone());
        let uri = Uri::Sip(uri);
        match known {
            Some((flow, same_flow)) => targets.push(Target { flow, uri, routes: path, credentials: None, same_flow }),
            None => leads.push_back(Lead { next_hop, uri, routes: path, credentials: None }),
        }
    }
    (targets, leads)
}

/// An address outside: to be looked for.
fn lead_of(uri: &SipUri, credentials: Option<&SipCredentials>) -> Lead {
    let credentials = credentials.map(|own| Credentials {
        username: own.username.clone(),
        password: own.password.clone(),
        realm: None,
    });
    let bare = SipUri { headers: None, ..uri.clone() };
    Lead { next_hop: bare.clone(), uri: Uri::Sip(bare), routes: Vec::new(), credentials }
}

fn by_trunk(trunk: &Trunk, next_hop: &SipUri, number: &str) -> Option<Lead> {
    let asked = match &trunk.domain {
        Some(domain) => SipUri::new(domain.parse().ok()?),
        None => SipUri { port: next_hop.port, ..SipUri::new(next_hop.host.clone()) },
    };
    let uri = Uri::Sip(SipUri { user: Some(number.to_owned()), ..asked });
    Some(Lead { next_hop: next_hop.clone(), uri, routes: Vec::new(), credentials: trunk.credentials.clone() })
}

fn advertised(turn: &Turn, own: IpAddr) -> String {
    let seen = turn.config.sip.advertised.iter().find(|entry| entry.local.is_none_or(|local| local == own));
    Host::from(seen.map_or(own, |entry| entry.public)).to_string()
}

/// `From` as the phone is shown it: the user of a number, a client or a SIP address, at our host.
fn from_header(caller: &str, display: Option<&str>, host: Option<&str>) -> Option<NameAddr> {
    let bare = caller.strip_prefix("client:").unwrap_or(caller);
    let user = match bare.parse::<Uri>() {
        Ok(Uri::Sip(uri)) => uri.user,
        _ => Some(bare.split('?').next().unwrap_or_default().to_owned()),
    };
    let escaped: String = user.unwrap_or_default().bytes().flat_map(escape).collect();
    let host: Host = host.unwrap_or("localhost").parse().ok()?;
    let uri = SipUri { user: Some(escaped).filter(|user| !user.is_empty()), ..SipUri::new(host) };
    let display = display.map(|name| name.chars().filter(|c| !c.is_control()).collect());
    Some(NameAddr { display, uri: Uri::Sip(uri), params: sip::Params::new() })
}

fn escape(byte: u8) -> Vec<char> {
    let plain = byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%".contains(&byte);
    if plain { vec![char::from(byte)] } else { format!("%{byte:02X}").chars().collect() }
}
