//! Calls that come in: from the INVITE to the answer.

use model::{AccountSid, Call, CallSid, CallStatus, CallStep, Direction, LegId};
use sip::{DialogId, Flow, Host, Reject, Rejection, Replaces, Request, SessionDescription, Uri};
use tracing::{info, info_span, warn};

use super::Board;
use super::agreement::warning_of;
use crate::call::{Errand, Line, LiveCall, Place, Stage};
use crate::conference::Leaving;
use crate::entry::Entry;
use crate::follow_up::FollowUp;
use crate::inbound::{Called, Destination, destination, e164};
use crate::leg::{LiveLeg, address_for};
use crate::progress::Progress;
use crate::script::{Outcome, Role, Source};
use crate::turn::Turn;
use crate::webhook::{CallEventName, CallFacts, Remark, SipFacts};

impl Board {
    /// A new call: it gets a row and a leg, and a conference to go to or an application that is asked about it.
    pub(super) fn invited(
        &mut self,
        dialog: DialogId,
        request: &Request,
        flow: &Flow,
        offer: Option<SessionDescription>,
        replaces: Option<Replaces>,
        turn: &mut Turn,
    ) {
        if let Some(replaces) = replaces {
            return self.replacing(dialog, request, flow, offer, &replaces, turn);
        }
        let Ok(destination) = destination(turn.config, turn.directory, request, flow) else {
            self.counts.unknown_destination += 1;
            return self.endpoint.reject(turn.now.instant, dialog, 404, Reject::default());
        };
        if address_for(turn.config, flow, offer.as_ref()).is_none() {
            self.counts.not_acceptable += 1;
            let warning = Some((301, "no audio over this version of IP".to_owned()));
            let why = Reject { warning, ..Reject::default() };
            return self.endpoint.reject(turn.now.instant, dialog, Rejection::STATUS, why);
        }
        if self.calls.len() >= turn.config.calls_max {
            self.counts.refused_full += 1;
            return self.refuse_for_now(dialog, turn);
        }
        match destination {
            Destination::Room { account, name } => self.lead_to_room(dialog, request, flow, offer, account, name, turn),
            Destination::Application(called) => self.lead_to_application(dialog, request, flow, offer, *called, turn),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of an INVITE, and where it goes")]
    fn lead_to_room(
        &mut self,
        dialog: DialogId,
        request: &Request,
        flow: &Flow,
        offer: Option<SessionDescription>,
        account: AccountSid,
        name: String,
        turn: &mut Turn,
    ) {
        let conference = self.conference_named(account, &name, turn);
        let legs_max = turn.config.room_legs_max;
        let room = self.conferences.get_mut(&conference).and_then(|live| live.expect(legs_max).then_some(live.room));
        let Some(room) = room else {
            self.forget_if_abandoned(conference);
            self.counts.refused_full += 1;
            return self.refuse_for_now(dialog, turn);
        };
        let from = self.caller(account, request, flow, false, turn);
        let row = new_call(account, shown(request.uri.uri()), from, request, turn);
        let sid = row.sid;
        let errand = Errand::Room { name, conference };
        self.open(dialog, flow, offer, CallFacts::of(row), errand, room, turn);
        if let Some(call) = self.calls.get_mut(&sid) {
            call.place = Place::Conference(conference);
        }
    }

    fn lead_to_application(
        &mut self,
        dialog: DialogId,
        request: &Request,
        flow: &Flow,
        offer: Option<SessionDescription>,
        called: Called,
        turn: &mut Turn,
    ) {
        let from = self.caller(called.account, request, flow, called.number.is_some(), turn);
        let mut row = new_call(called.account, called.to, from, request, turn);
        row.phone_number_sid = called.number;
        let diversion = request.headers.text(sip::Name::from("Diversion"));
        row.forwarded_from =
            diversion.and_then(|text| text.parse::<sip::NameAddr>().ok()).map(|from| party(&from.uri, true));
        let (sid, account) = (row.sid, row.account_sid);
        let name = row.caller_name.clone().filter(|_| called.caller_name);
        let headers = told_headers(&request.headers);
        let custom = if row.from.starts_with("client:") { parameters_in(&headers) } else { Vec::new() };
        let sip = SipFacts {
            domain: called.domain.as_ref().map(|(name, _)| name.clone()),
            domain_sid: called.domain.as_ref().map(|(_, sid)| sid.to_string()),
            call_id: self.endpoint.call_id(dialog).unwrap_or_default().to_owned(),
            source_ip: Some(flow.remote.ip()),
            headers,
        };
        let facts = CallFacts { sip: Some(sip), custom, ..CallFacts::of(Call { caller_name: name, ..row }) };
        let room = turn.names.room();
        self.open(dialog, flow, offer, facts, Errand::Document, room, turn);
        let Some(call) = self.calls.get_mut(&sid) else { return };
        call.max_forwards = request.headers.max_forwards().ok().flatten().unwrap_or(HOPS_MAX);
        if let Some(url) = called.hooks.status_callback.url.clone() {
            let events = vec![CallEventName::Completed];
            call.progress = Some(Progress::new(url, called.hooks.status_callback.method, events));
        }
        let Some(voice) = audio_url(&called.hooks.voice) else {
            let message = "nothing says what is to be done with a call to this number".to_owned();
            let remark = Remark { code: 11_100, message };
            turn.notify(account, Some(sid), remark, None);
            return self.reject_call(sid, 486, CallStatus::Busy, turn);
        };
        turn.save_call(&call.row);
        call.log(CallStep::Ringing, turn);
        let fallback = audio_url(&called.hooks.fallback);
        turn.start_script(sid, Role::Main, Source::Hooks { voice, fallback });
    }

    /// Who calls, as requests of the called account name it: a registered user of that account, a number, or an
    /// address. `client:ana` of another account would be taken for its own ana.
    fn caller(&self, account: AccountSid, request: &Request, flow: &Flow, as_number: bool, turn: &Turn) -> String {
        match self.registrations.identify(turn.directory, request, flow) {
            Some(identity) if identity.account == account => identity.to_string(),
            _ => request.headers.from().map(|from| party(&from.uri, as_number)).unwrap_or_default(),
        }
    }

    /// The call exists from now on; its leg is being opened.
    #[expect(clippy::too_many_arguments, reason = "all of an INVITE, and where it goes")]
    fn open(
        &mut self,
        dialog: DialogId,
        flow: &Flow,
        offer: Option<SessionDescription>,
        facts: CallFacts,
        errand: Errand,
        room: model::RoomId,
        turn: &mut Turn,
    ) {
        let Some(address) = address_for(turn.config, flow, offer.as_ref()) else { return };
        self.counts.calls += 1;
        let row = &facts.call;
        let span = info_span!("call", call_sid = %row.sid);
        span.in_scope(|| info!(from = row.from, to = row.to, source = %flow.remote, "call arrived"));
        let leg = turn.names.leg();
        turn.media.push(media::Command::OpenLeg { leg, room, address: address.bind });
        self.legs.insert(leg, LiveLeg::new(row.sid, span.clone()));
        self.by_dialog.insert(dialog, row.sid);
        let own_room = if matches!(errand, Errand::Room { .. }) { turn.names.room() } else { room };
        let stage = Stage::Arriving { offer: offer.map(Box::new), wanted: false, early: None };
        let session = turn.names.session_id();
        let call = LiveCall {
            errand,
            has_leg: true,
            acknowledged: false,
            max_forwards: HOPS_MAX,
            ..LiveCall::new(facts, Line::Inbound(dialog), stage, (leg, address), own_room, session, span)
        };
        self.calls.insert(call.sid(), call);
    }

    /// What a call like this OPTIONS would get (RFC 3261 §11.2), as far as that can be told without making one.
    pub(super) fn prospect(&self, request: &Request, flow: &Flow, turn: &Turn) -> u16 {
        match destination(turn.config, turn.directory, request, flow) {
            Err(_) => 404,
            Ok(_) if self.calls.len() >= turn.config.calls_max => 503,
            Ok(_) => 200,
        }
    }

    /// The leg has its port: whoever waits for that goes on.
    pub(super) fn leg_opened(&mut self, leg: LegId, port: u16, turn: &mut Turn) {
        let Some(LiveLeg { call: sid, span, .. }) = self.legs.get(&leg).cloned() else { return };
        let _in_call = span.enter();
        self.find_home_again(sid, turn);
        let Some(call) = self.calls.get_mut(&sid) else { return };
        if let Line::Outbound(_) = call.line {
            return self.leg_ready(sid, leg, port, turn);
        }
        call.port = port;
        match &call.stage {
            _ if matches!(call.line, Line::Wired(_)) => self.wire_opened(sid, turn),
            Stage::Arriving { wanted, .. } => {
                if *wanted || matches!(call.errand, Errand::Room { .. }) {
                    self.answer(sid, turn);
                }
            }
            Stage::Dialling | Stage::Answered => {}
        }
    }

    pub(super) fn leg_refused(&mut self, leg: LegId, why: media::Refusal, turn: &mut Turn) {
        let Some(LiveLeg { call, span, .. }) = self.legs.remove(&leg) else { return };
        span.in_scope(|| warn!(?why, "no leg for this call"));
        self.counts.refused_full += 1;
        let Some(live) = self.calls.get_mut(&call) else { return };
        match &live.line {
            Line::Inbound(dialog) => {
                let dialog = *dialog;
                live.sip_code = Some(503);
                // One that an application was asked about has its row already, and that is to come to its end.
                let kept = matches!(live.errand, Errand::Document).then_some(CallStatus::Failed);
                self.refuse_for_now(dialog, turn);
                self.call_over(dialog, kept, turn);
            }
            Line::Outbound(_) => self.leg_missing(call, leg, turn),
            Line::Wired(_) => {
                self.end_call(call, Some(CallStatus::Failed), Leaving::HungUp, turn);
            }
        }
    }

    /// There is no room for a leg where it was to go: it stays where it is, and that is nowhere any more.
    pub(super) fn move_refused(&mut self, leg: LegId, why: media::Refusal, turn: &mut Turn) {
        let Some(LiveLeg { call, span, .. }) = self.legs.get(&leg) else { return };
        span.in_scope(|| warn!(?why, "no other room for this call"));
        self.counts.refused_full += 1;
        let reason = super::leaving::sip_reason(503, "The room is full");
        turn.follow_ups.push_back(FollowUp::End { call: *call, how: Leaving::HungUp, reason: Some(reason) });
    }

    /// Answers a call that came in, as soon as its leg has a port. Whoever waits for the answer goes on then.
    pub(super) fn answer(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let has_port = call.has_port();
        let Stage::Arriving { wanted, .. } = &mut call.stage else { return };
        *wanted = true;
        let dialog = match call.line {
            Line::Inbound(dialog) => dialog,
            Line::Wired(_) => return self.wire_answered(sid, turn),
            Line::Outbound(_) => return,
        };
        if !has_port {
            return;
        }
        let sdp = match self.describe(sid, turn) {
            Ok(sdp) => sdp,
            Err(rejection) => {
                self.counts.not_acceptable += 1;
                info!(%rejection, "offer refused");
                let why = Reject { warning: warning_of(rejection), ..Reject::default() };
                self.endpoint.reject(turn.now.instant, dialog, Rejection::STATUS, why);
                return self.call_over(dialog, Some(CallStatus::Failed), turn);
            }
        };
        let Some(call) = self.calls.get_mut(&sid) else { return };
        self.endpoint.accept(turn.now.instant, dialog, sdp);
        call.sip_code = Some(200);
        call.answered(turn);
        call.tell(CallEventName::Answered, turn);
        let (leg, holds, script) = (call.leg, call.phone_holds, call.script);
        self.legs.entry(leg).and_modify(|live| live.answered = true);
        if let Errand::Room { conference, .. } = call.errand
            && let Some(conference) = self.conferences.get_mut(&conference)
        {
            conference.join(sid, leg, holds, Entry::default(), turn);
        }
        if let Some(script) = script {
            turn.follow_ups.push_back(FollowUp::Next(script, Outcome::Answered));
        }
    }

    /// The description that answers the caller's offer, or offers to it; the same one if it is asked for again.
    fn describe(&mut self, sid: CallSid, turn: &mut Turn) -> Result<String, Rejection> {
        let Some(call) = self.calls.get_mut(&sid) else { return Err(Rejection::NothingOffered) };
        let Stage::Arriving { offer, early, .. } = &mut call.stage else { return Err(Rejection::NothingOffered) };
        if let Some(early) = early {
            return Ok(early.clone());
        }
        let offer = offer.take();
        let local = call.local_media(turn.config);
        let sdp = match offer {
            None => call.offer_answer.offer(&local), // RFC 3264 §4: the offer goes in the 200, the answer is in the ACK
            Some(offer) => {
                let (answer, agreed) = call.offer_answer.answer(&offer, &local)?;
                call.agree(&agreed, turn);
                answer
            }
        };
        if let Stage::Arriving { early, .. } = &mut call.stage {
            *early = Some(sdp.clone());
        }
        Ok(sdp)
    }

    /// The caller hears that it rings: 180, or 183 with what the called phone says already.
    pub(super) fn ring_caller(&mut self, sid: CallSid, early_media: bool, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        let (Stage::Arriving { offer, early, .. }, Line::Inbound(dialog)) = (&call.stage, &call.line) else { return };
        let dialog = *dialog;
        // A 183 answers an offer; without one there is nothing to say early.
        let may_describe = call.has_port() && (offer.is_some() || early.is_some());
        if early_media && may_describe {
            if let Ok(sdp) = self.describe(sid, turn) {
                self.endpoint.progress(turn.now.instant, dialog, 183, Some(sdp));
                if let Some(call) = self.calls.get_mut(&sid) {
                    // Its own phone has asked to hear what we say before it answers: it may be sent to.
                    call.acknowledge(turn);
                }
            }
        } else {
            self.endpoint.progress(turn.now.instant, dialog, 180, None);
        }
    }

    /// The conference a call was on its way to may have ended meanwhile: then its name means a new one.
    fn find_home_again(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        let Errand::Room { name, conference } = &call.errand else { return };
        if call.is_answered() || self.conferences.contains_key(conference) {
            return;
        }
        let (account, name, leg) = (call.row.account_sid, name.clone(), call.leg);
        let found = self.conference_named(account, &name, turn);
        let legs_max = turn.config.room_legs_max;
        let room = self.conferences.get_mut(&found).and_then(|live| live.expect(legs_max).then_some(live.room));
        let Some(call) = self.calls.get_mut(&sid) else { return };
        if let Some(room) = room {
            call.errand = Errand::Room { name, conference: found };
            call.place = Place::Conference(found);
            turn.media.push(media::Command::Move { leg, room, emit: 0, hear: 0 });
        } else if let Some(dialog) = call.line.dialog() {
            self.refuse_for_now(dialog, turn);
            self.call_over(dialog, None, turn);
        }
    }
}

fn new_call(account: AccountSid, to: String, from: String, request: &Request, turn: &mut Turn) -> Call {
    let printable = |name: &String| name.chars().filter(|character| !character.is_control()).collect::<String>();
    let header = request.headers.from().ok();
    let caller_name =
        header.as_ref().and_then(|from| from.display.as_ref()).map(printable).filter(|name| !name.is_empty());
    Call {
        sid: turn.names.call(),
        account_sid: account,
        parent_call_sid: None,
        to,
        from,
        caller_name,
        phone_number_sid: None,
        forwarded_from: None,
        answered_by: None,
        status: CallStatus::Ringing,
        direction: Direction::Inbound,
        created: turn.now.wall,
        updated: turn.now.wall,
        started: Some(turn.now.wall),
        answered: None,
        ended: None,
        seq: turn.names.seq(),
    }
}

/// A party as requests name it: a number where one is expected and there is one, else the address.
fn party(uri: &Uri, as_number: bool) -> String {
    let number = as_number.then(|| uri.user().and_then(|user| e164(&user))).flatten();
    number.unwrap_or_else(|| shown(uri))
}

/// The headers that applications are told of (twiml §10).
pub(super) fn told_headers(headers: &sip::Headers) -> Vec<(String, String)> {
    let told = |name: &str| {
        name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("x-")) || name.eq_ignore_ascii_case("user-to-user")
    };
    let all = headers.iter().filter(|(name, _)| told(name.as_str()));
    all.take(TOLD_HEADERS_MAX)
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value).into_owned()))
        .collect()
}

/// The parameters of a client's call, which travel as headers (rest-voice §9).
fn parameters_in(told: &[(String, String)]) -> Vec<(String, String)> {
    let named = |(name, value): &(String, String)| {
        let (x, name) = name.split_at_checked(2)?;
        x.eq_ignore_ascii_case("x-").then(|| (name.to_owned(), value.clone()))
    };
    told.iter().filter_map(named).collect()
}

/// Hops of a call of which nobody has said how many are left.
pub(super) const HOPS_MAX: u8 = 70;

/// Headers of one call that applications are told of; further ones are not.
const TOLD_HEADERS_MAX: usize = 64;

pub(super) fn audio_url(hook: &model::Hook) -> Option<crate::command::AudioUrl> {
    hook.url.clone().map(|url| crate::command::AudioUrl { url, method: hook.method })
}

/// An address as the API shows it: scheme, user, host and port, without what only the network needs.
pub(super) fn shown(uri: &Uri) -> String {
    let Uri::Sip(uri) = uri else { return uri.to_string() };
    let scheme = if uri.secure { "sips" } else { "sip" };
    let user = uri.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = uri.port.map(|port| format!(":{port}")).unwrap_or_default();
    let host: &Host = &uri.host;
    format!("{scheme}:{user}{host}{port}")
}
