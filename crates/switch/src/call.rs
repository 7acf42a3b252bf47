//! A call while it lives: its line, its leg, the room it is in, and what it is for.

use std::time::Duration;

use model::{Call, CallSid, CallStatus, CallStep, ConferenceSid, Direction, LegId, RoomId, StreamSid};
use sip::{Agreed, DialogId, LocalMedia, OfferAnswer, SessionDescription};
use tracing::{Span, info};

use crate::config::{Config, MediaAddress};
use crate::dial::DialId;
use crate::keypad::Keypad;
use crate::leg::local_media;
use crate::outbound::{Outgoing, Plan, SpareLeg};
use crate::progress::Progress;
use crate::script::ScriptId;
use crate::timers::{Timer, TimerId};
use crate::turn::Turn;
use crate::webhook::CallFacts;

/// A call that is not over.
#[derive(Debug)]
pub(crate) struct LiveCall {
    pub(crate) row: Call,
    pub(crate) line: Line,
    pub(crate) leg: LegId,
    /// Its own room: there it hears its document, and there others are dialled in.
    pub(crate) room: RoomId,
    pub(crate) place: Place,
    pub(crate) errand: Errand,
    pub(crate) address: MediaAddress,
    /// The audio plane has been asked for its leg.
    pub(crate) has_leg: bool,
    /// Of our RTP socket; 0 until it is bound.
    pub(crate) port: u16,
    /// What to speak with it, best first; empty: what we speak with everybody.
    pub(crate) codecs: Vec<sip::AudioCodec>,
    pub(crate) offer_answer: OfferAnswer,
    pub(crate) stage: Stage,
    /// The ACK of our 200 has come. Before it we listen but send nothing: an INVITE with a forged source would make
    /// us flood whomever its description names.
    pub(crate) acknowledged: bool,
    /// Of a call that we make: somebody has said that it rings.
    pub(crate) rang: bool,
    /// The phone holds us, as its last description said.
    pub(crate) phone_holds: bool,
    pub(crate) keypad: Keypad,
    /// When an answered call has lasted long enough, or one of ours has looked for its phone for so long.
    pub(crate) limit: Option<TimerId>,
    /// The longest it may last, if the application says so; otherwise as long as any.
    pub(crate) limit_s: Option<u32>,
    /// The document it is run by.
    pub(crate) script: Option<ScriptId>,
    /// All scripts that speak to it or for it, its own among them.
    pub(crate) scripts: Vec<ScriptId>,
    /// Applications that listen to it, by [`crate::stream`].
    pub(crate) streams: Vec<StreamSid>,
    /// Of a call that we make: what happens to it once it is answered.
    pub(crate) plan: Option<Box<Plan>>,
    /// Its own `*` takes it out of the conference it is in.
    pub(crate) leaves_on_star: bool,
    /// The `<Dial>` that has taken it out of a queue.
    pub(crate) taken_by: Option<DialId>,
    /// The `<Dial>` it is the parent of.
    pub(crate) dial: Option<DialId>,
    /// What the application is told of it beyond its row.
    pub(crate) facts: CallFacts,
    /// Hops that are left of it, for calls made on its behalf (RFC 3261 §16.3).
    pub(crate) max_forwards: u8,
    /// The last answer to our INVITE, or ours to theirs.
    pub(crate) sip_code: Option<u16>,
    /// Who is told how it gets on.
    pub(crate) progress: Option<Progress>,
    /// The last step that was told, to the log and to whom it may concern.
    pub(crate) told: Option<CallStep>,
    /// So that no log line repeats whose it is.
    pub(crate) span: Span,
}

/// How we reach the phone.
#[derive(Debug)]
pub(crate) enum Line {
    /// It called us.
    Inbound(DialogId),
    /// We call it.
    Outbound(Box<Outgoing>),
    /// There is none: another call of ours is at the other end.
    Wired(CallSid),
}

impl Line {
    /// The dialog that carries the call; none while several may still come to.
    pub(crate) fn dialog(&self) -> Option<DialogId> {
        match self {
            Self::Inbound(dialog) => Some(*dialog),
            Self::Outbound(outgoing) => outgoing.dialog(),
            Self::Wired(_) => None,
        }
    }
}

/// What a call is for.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Somebody has dialled an open room.
    Room {
        /// By which the caller asked for it.
        name: String,
        conference: ConferenceSid,
    },
    /// Documents say what to do.
    Document,
    /// A `<Dial>` called it.
    Callee(DialId),
    /// The application has it called into a conference.
    Participant(ConferenceSid),
}

/// In whose room it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its own.
    Own,
    /// A conference's.
    Conference(ConferenceSid),
    /// That of the call whose `<Dial>` took it there.
    Guest(DialId),
}

/// How far the call has got.
#[derive(Debug)]
pub(crate) enum Stage {
    /// It called us, and has had no final answer.
    Arriving {
        offer: Option<Box<SessionDescription>>,
        /// It is to be answered as soon as its leg has a port.
        wanted: bool,
        /// The description that has gone out with a 183: the 200 carries the same.
        early: Option<String>,
    },
    /// We call it, and it has not answered.
    Dialling,
    /// 200 has been said.
    Answered,
}

impl LiveCall {
    /// A call to which nothing has happened yet. `room` is its own; `described`: its session number, for what is said of
    /// its audio.
    pub(crate) fn new(
        facts: CallFacts,
        line: Line,
        stage: Stage,
        (leg, address): (LegId, MediaAddress),
        room: RoomId,
        described: u64,
        span: Span,
    ) -> Self {
        Self {
            row: facts.call.clone(),
            line,
            leg,
            room,
            place: Place::Own,
            errand: Errand::Document,
            address,
            has_leg: false,
            port: 0,
            codecs: Vec::new(),
            offer_answer: OfferAnswer::new(described),
            stage,
            // Whoever answers our INVITE has asked for what we send.
            acknowledged: true,
            rang: false,
            phone_holds: false,
            keypad: Keypad::default(),
            limit: None,
            limit_s: None,
            script: None,
            scripts: Vec::new(),
            streams: Vec::new(),
            plan: None,
            leaves_on_star: false,
            taken_by: None,
            dial: None,
            facts,
            max_forwards: 0,
            sip_code: None,
            progress: None,
            told: None,
            span,
        }
    }

    pub(crate) fn sid(&self) -> CallSid {
        self.row.sid
    }

    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Answered)
    }

    /// The leg has its port.
    pub(crate) fn has_port(&self) -> bool {
        self.port != 0
    }

    /// Somebody has been told where its audio is to go.
    pub(crate) fn was_described(&self) -> bool {
        let by_spare = |outgoing: &Outgoing| outgoing.spares.iter().any(|spare| spare.port != 0);
        self.has_port() || matches!(&self.line, Line::Outbound(outgoing) if by_spare(outgoing))
    }

    /// Has the leg that this dialog was told of be the call's own. What was its own is spare, and heard by nobody.
    pub(crate) fn take_leg_of(&mut self, dialog: DialogId, turn: &mut Turn) {
        let Line::Outbound(outgoing) = &mut self.line else { return };
        let leg = outgoing.leg_of(dialog);
        let Some(spare) = outgoing.spares.iter_mut().find(|spare| Some(spare.leg) == leg) else { return };
        turn.media.push(media::Command::Route { leg: self.leg, emit: 0, hear: 0 });
        std::mem::swap(&mut self.leg, &mut spare.leg);
        std::mem::swap(&mut self.address, &mut spare.address);
        std::mem::swap(&mut self.port, &mut spare.port);
        std::mem::swap(&mut self.offer_answer, &mut spare.offer_answer);
    }

    /// Only its own leg is still of use.
    pub(crate) fn close_spares(&mut self, turn: &mut Turn) {
        if let Line::Outbound(outgoing) = &mut self.line {
            let close = |spare: SpareLeg| media::Command::CloseLeg { leg: spare.leg };
            turn.media.extend(outgoing.spares.drain(..).map(close));
        }
    }

    /// Our side of an offer or an answer.
    pub(crate) fn local_media(&self, config: &Config) -> LocalMedia {
        self.local_media_at(config, self.address, self.port)
    }

    /// The same by another leg of it.
    pub(crate) fn local_media_at(&self, config: &Config, address: MediaAddress, port: u16) -> LocalMedia {
        let local = local_media(config, address, port);
        if self.codecs.is_empty() { local } else { LocalMedia { codecs: self.codecs.clone(), ..local } }
    }

    /// What a request about it says of it. What SIP has said of a call that we make, its `<Dial>` tells (twiml §5.2, §10).
    pub(crate) fn facts(&self) -> CallFacts {
        let sip = self.facts.sip.clone().filter(|_| self.row.direction == Direction::Inbound);
        CallFacts { call: self.row.clone(), sip, ..self.facts.clone() }
    }

    /// 200 OK has gone out, or has come in.
    pub(crate) fn answered(&mut self, turn: &mut Turn) {
        self.stage = Stage::Answered;
        self.row.status = CallStatus::InProgress;
        self.row.answered = Some(turn.now.wall);
        self.row.updated = turn.now.wall;
        if self.row.direction != Direction::Inbound {
            self.row.started = Some(turn.now.wall);
        }
        self.limit_to(self.limit_s.map_or(turn.config.call_time_limit, |s| Duration::from_secs(s.into())), turn);
        turn.save_call(&self.row);
        info!(status = %self.row.status, "call answered");
    }

    /// The application wants it to last for so long from now on. That counts where it is more than any call may last,
    /// and nothing is said of the call itself.
    pub(crate) fn let_last(&mut self, wanted: Duration, turn: &mut Turn) {
        if wanted > turn.config.call_time_limit && self.limit_s.is_none() {
            let lasted = self.row.answered.map(|since| turn.now.wall.since(since)).unwrap_or_default();
            self.limit_to(wanted.min(TIME_LIMIT_MAX.saturating_sub(lasted)), turn);
        }
    }

    /// From now on it lasts at most so long.
    pub(crate) fn limit_to(&mut self, limit: Duration, turn: &mut Turn) {
        let at = turn.now.instant + limit.min(TIME_LIMIT_MAX);
        if let Some(before) = self.limit.replace(turn.timers.set(at, Timer::CallLimit(self.row.sid))) {
            turn.timers.clear(before);
        }
    }

    /// It is over, for whatever reason; its leg closes. A call that was never answered is kept as `unanswered`, or not
    /// at all: a flood that is refused shall not fill the database.
    pub(crate) fn ended(&mut self, unanswered: Option<CallStatus>, turn: &mut Turn) {
        let kept = if self.is_answered() { Some(CallStatus::Completed) } else { unanswered };
        self.row.status = kept.unwrap_or(CallStatus::Failed);
        self.row.ended = Some(turn.now.wall);
        self.row.updated = turn.now.wall;
        if kept.is_some() {
            turn.save_call(&self.row);
        }
        if let Some(limit) = self.limit.take() {
            turn.timers.clear(limit);
        }
        self.close_spares(turn);
        if self.has_leg {
            turn.media.push(media::Command::CloseLeg { leg: self.leg });
        }
        info!(status = %self.row.status, "call ended");
    }

    /// The audio plane learns what SDP agreed.
    pub(crate) fn agree(&mut self, agreed: &Agreed, turn: &mut Turn) {
        self.phone_holds = agreed.peer_holds;
        let mut stream = crate::leg::stream(agreed);
        if !self.acknowledged {
            // Neither RTP nor RTCP.
            (stream.sends, stream.remote, stream.rtcp) = (false, None, None);
        }
        turn.media.push(media::Command::Agree { leg: self.leg, stream });
    }

    /// The ACK of a 200 has come.
    pub(crate) fn acknowledge(&mut self, turn: &mut Turn) {
        if !std::mem::replace(&mut self.acknowledged, true)
            && let Some(agreed) = self.offer_answer.agreed().cloned()
        {
            self.agree(&agreed, turn);
        }
    }

    /// Goes back to its own room, where it hears nothing but what is played to it.
    pub(crate) fn go_home(&mut self, turn: &mut Turn) {
        if std::mem::replace(&mut self.place, Place::Own) == Place::Own {
            turn.media.push(media::Command::Route { leg: self.leg, emit: 0, hear: 0 });
        } else {
            turn.media.push(media::Command::Move { leg: self.leg, room: self.room, emit: 0, hear: 0 });
        }
        turn.media.push(media::Command::StopPlay { leg: self.leg });
    }
}

/// No call lasts longer, whatever is asked for (rest-voice §14).
const TIME_LIMIT_MAX: Duration = Duration::from_secs(24 * 3600);
