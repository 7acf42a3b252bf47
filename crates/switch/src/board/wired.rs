//! Calls between two of ours: whoever calls an application is one, and what the application does is another.
//!
//! ```text
//! <Dial><Application>, app:AP…  ─▶  the call out ═ RTP on loopback ═ the application's call, which comes in and runs
//!                                   (in the dialler's room)          its VoiceUrl (in a room of its own)
//! ```
//! So nothing else has to know of it: the one is a callee or a participant as any, and the other answers, rejects, says,
//! gathers and dials as any call that comes in. Their legs talk to each other as two phones would.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use media::{Codec, Command, Stream, TelephoneEvent};
use model::{Call, CallSid, CallStatus, CallStep, Direction};
use tracing::{info, info_span};
use twiml::{ApplicationNoun, Dial};

use super::Board;
use super::arrival::audio_url;
use super::placing::{NoRoute, Order};
use crate::call::{Errand, Line, LiveCall, Place, Stage};
use crate::command::AudioUrl;
use crate::conference::Leaving;
use crate::config::MediaAddress;
use crate::dial::LiveDial;
use crate::follow_up::FollowUp;
use crate::leg::LiveLeg;
use crate::new_call::Callee;
use crate::outbound::Plan;
use crate::progress::Progress;
use crate::script::{Outcome, Role, ScriptId, Source};
use crate::timers::Timer;
use crate::turn::Turn;
use crate::webhook::{CallEventName, CallFacts};

/// What a `<Dial>` says of the application's call, beside whom it calls.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Asked in place of the application's own URL.
    url: Option<AudioUrl>,
    /// Whom it is to, if not to the application.
    to: Option<String>,
}

impl Board {
    /// `<Dial><Application>` (twiml §5.3). False: nobody can be called.
    pub(super) fn dial_application(
        &mut self,
        script: ScriptId,
        sid: CallSid,
        dial: Dial,
        noun: &ApplicationNoun,
        turn: &mut Turn,
    ) -> bool {
        let Some(parent) = self.calls.get(&sid) else { return true };
        // An application of another account is nobody's business.
        if noun.customer_id.is_some_and(|account| account != parent.row.account_sid) {
            return false;
        }
        let id = turn.names.dial();
        let order = Order {
            account: parent.row.account_sid,
            to: Callee::Application { sid: noun.application_sid, parameters: noun.parameters.clone() },
            from: dial.caller_id.clone().unwrap_or_else(|| parent.row.from.clone()),
            caller_id: None,
            display: None,
            parent: Some(sid),
            direction: Direction::OutboundDial,
            errand: Errand::Callee(id),
            room: Some(parent.room),
            credentials: None,
            ring_timeout: dial.timeout,
            limit: None,
            status: noun.status.clone(),
            max_forwards: parent.max_forwards,
            plan: Plan::default(),
        };
        let to = noun.copy_parent_to.then(|| parent.row.to.clone());
        let wanted = Wanted { url: noun.url.clone().map(AudioUrl::from), to };
        let Ok(callee) = self.call_application(order, wanted, turn) else { return false };
        let live = LiveDial { callees: vec![callee], ..LiveDial::new(sid, script, dial, turn.now.instant) };
        self.dials.insert(id, live);
        if let Some(parent) = self.calls.get_mut(&sid) {
            parent.dial = Some(id);
        }
        self.ring_back(id, turn);
        true
    }

    /// Calls an application, and has it called.
    pub(super) fn call_application(
        &mut self,
        mut order: Order,
        wanted: Wanted,
        turn: &mut Turn,
    ) -> Result<CallSid, NoRoute> {
        let mut custom = order.take_caller_parameters();
        let Callee::Application { sid: application, parameters } = &order.to else { return Err(NoRoute) };
        let application = turn.directory.application(order.account, *application).ok_or(NoRoute)?;
        let voice = wanted.url.or_else(|| audio_url(&application.voice.voice)).ok_or(NoRoute)?;
        let hops = order.max_forwards.checked_sub(HOPS).ok_or(NoRoute)?;
        if self.calls.len() + 2 > turn.config.calls_max {
            self.counts.refused_full += 1;
            return Err(NoRoute);
        }
        self.counts.calls += 2;
        self.counts.calls_out += 1;
        custom.extend(parameters.iter().map(|p| (p.name.clone(), p.value.clone())));
        let (own_room, its_room) = (turn.names.room(), turn.names.room());
        let room = order.room.unwrap_or(own_room);
        let mut row = order.row(turn);
        if order.parent.is_some() {
            row.to = application.sid.to_string();
        }
        let sid = row.sid;
        let its_row = Call {
            sid: turn.names.call(),
            parent_call_sid: Some(sid),
            to: wanted.to.unwrap_or_else(|| application.sid.to_string()),
            from: order.caller_id.clone().unwrap_or_else(|| order.from.clone()),
            phone_number_sid: None,
            status: CallStatus::Ringing,
            direction: Direction::Inbound,
            started: Some(turn.now.wall),
            seq: turn.names.seq(),
            ..row.clone()
        };
        let its_sid = its_row.sid;
        let hook = &application.voice.status_callback;
        let its_progress = hook.url.clone().map(|url| Progress::new(url, hook.method, vec![CallEventName::Completed]));
        let limit = turn.timers.set(turn.now.instant + order.ring_timeout, Timer::Seeking(sid));
        let place = match order.errand {
            Errand::Callee(dial) => Place::Guest(dial),
            _ => Place::Own,
        };
        let call = LiveCall {
            place,
            errand: order.errand,
            stage: Stage::Dialling,
            limit: Some(limit),
            limit_s: order.limit.map(|limit| u32::try_from(limit.as_secs()).unwrap_or(u32::MAX)),
            plan: Some(Box::new(order.plan)),
            max_forwards: order.max_forwards,
            progress: Progress::wanted(&order.status),
            ..self.wire(CallFacts::of(row), its_sid, own_room, turn)
        };
        let stage = Stage::Arriving { offer: None, wanted: false, early: None };
        let facts = CallFacts { custom, ..CallFacts::of(its_row) };
        let its_call =
            LiveCall { stage, max_forwards: hops, progress: its_progress, ..self.wire(facts, sid, its_room, turn) };
        for (mut call, room, step) in [(call, room, CallStep::Queued), (its_call, its_room, CallStep::Ringing)] {
            turn.save_call(&call.row);
            call.log(step, turn);
            turn.media.push(Command::OpenLeg { leg: call.leg, room, address: LOOPBACK.into() });
            self.calls.insert(call.sid(), call);
        }
        let source = Source::Hooks { voice, fallback: audio_url(&application.voice.fallback) };
        turn.start_script(its_sid, Role::Main, source);
        Ok(sid)
    }

    /// One end of a wire, whose other end is `peer`.
    fn wire(&mut self, facts: CallFacts, peer: CallSid, room: model::RoomId, turn: &mut Turn) -> LiveCall {
        let row = &facts.call;
        let span = info_span!("call", call_sid = %row.sid);
        span.in_scope(|| info!(from = row.from, to = row.to, other_end = %peer, "between two calls of ours"));
        let leg = turn.names.leg();
        self.legs.insert(leg, LiveLeg::new(row.sid, span.clone()));
        let address = MediaAddress { bind: LOOPBACK.into(), advertised: None };
        // Nothing is described to anybody.
        let call = LiveCall::new(facts, Line::Wired(peer), Stage::Dialling, (leg, address), room, 0, span);
        LiveCall { has_leg: true, ..call }
    }

    /// One end has its port. When both have, the one rings and the other may answer.
    pub(super) fn wire_opened(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some((out, own)) = self.ends(sid) else { return };
        let (Some(caller), Some(callee)) = (self.calls.get(&out), self.calls.get(&own)) else { return };
        if !caller.has_port() || !callee.has_port() || caller.row.status != CallStatus::Queued {
            return;
        }
        let wanted = matches!(callee.stage, Stage::Arriving { wanted: true, .. });
        for (leg, port) in [(caller.leg, callee.port), (callee.leg, caller.port)] {
            turn.media.push(Command::Agree { leg, stream: stream_to(port) });
        }
        let Some(call) = self.calls.get_mut(&out) else { return };
        call.tell(CallEventName::Initiated, turn);
        call.row.status = CallStatus::Ringing;
        call.row.updated = turn.now.wall;
        turn.save_call(&call.row);
        call.tell(CallEventName::Ringing, turn);
        match call.errand {
            Errand::Callee(dial) => self.callee_rings(dial, out, false, turn),
            Errand::Participant(conference) => {
                if let Some(conference) = self.conferences.get_mut(&conference) {
                    conference.rings(out, turn);
                }
            }
            _ => {}
        }
        if wanted {
            self.wire_answered(own, turn);
        }
    }

    /// The application's call is to be answered: so is the one that called it.
    pub(super) fn wire_answered(&mut self, own: CallSid, turn: &mut Turn) {
        let Some((out, _)) = self.ends(own) else { return };
        if self.calls.get(&out).is_none_or(|call| call.row.status != CallStatus::Ringing) {
            return; // as soon as both have their ports
        }
        for sid in [own, out] {
            let Some(call) = self.calls.get_mut(&sid).filter(|call| !call.is_answered()) else { return };
            call.answered(turn);
            call.tell(CallEventName::Answered, turn);
            self.legs.entry(call.leg).and_modify(|live| live.answered = true);
            if let Some(script) = call.script {
                turn.follow_ups.push_back(FollowUp::Next(script, Outcome::Answered));
            }
        }
        self.begin_plan(out, turn);
    }

    /// One end is over: so is the other.
    pub(super) fn wire_over(&mut self, ended: &LiveCall, turn: &mut Turn) {
        let Line::Wired(peer) = ended.line else { return };
        let status = match (ended.row.direction, ended.row.status) {
            (Direction::Inbound, status @ (CallStatus::Busy | CallStatus::NoAnswer | CallStatus::Failed)) => status,
            (Direction::Inbound, _) => CallStatus::NoAnswer,
            _ => CallStatus::Canceled,
        };
        turn.follow_ups.push_back(FollowUp::WireOver { call: peer, status });
    }

    /// The application has not answered in time.
    pub(super) fn wire_rang_for_too_long(&mut self, sid: CallSid, turn: &mut Turn) {
        let rings = |call: &LiveCall| matches!((&call.line, &call.stage), (Line::Wired(_), Stage::Dialling));
        if self.calls.get(&sid).is_some_and(rings) {
            self.end_call(sid, Some(CallStatus::NoAnswer), Leaving::HungUp, turn);
        }
    }

    /// Both ends: the one that calls, and the application's.
    fn ends(&self, sid: CallSid) -> Option<(CallSid, CallSid)> {
        let call = self.calls.get(&sid)?;
        let Line::Wired(peer) = call.line else { return None };
        Some(if call.row.direction == Direction::Inbound { (peer, sid) } else { (sid, peer) })
    }
}

/// What two legs of ours speak with each other: whole samples of wideband, which no network between them can lose.
fn stream_to(port: u16) -> Stream {
    const AUDIO: u8 = 96;
    const EVENTS: u8 = 101;
    let telephone_event = TelephoneEvent { payload_type_in: EVENTS, payload_type_out: EVENTS, clock_hz: RATE_HZ };
    Stream {
        remote: Some(SocketAddr::new(LOOPBACK.into(), port)),
        rtcp: None,
        rtcp_mux: false,
        codec: Codec::L16 { rate_hz: RATE_HZ },
        payload_type_in: AUDIO,
        payload_type_out: AUDIO,
        telephone_event: Some(telephone_event),
        comfort_noise_payload_type: None,
        ptime_ms: PTIME.as_millis() as u8,
        sends: true,
        receives: true,
    }
}

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
const RATE_HZ: u32 = 16_000;
const PTIME: Duration = Duration::from_millis(20);

/// A call to an application counts as so many hops (RFC 3261 §16.3): applications that call one another come to an end
/// after seven.
const HOPS: u8 = 10;
