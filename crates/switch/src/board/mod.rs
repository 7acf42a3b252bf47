//! Everything that lives: calls, conferences, queues, and the dialogs and legs they are reached by.
//!
//! Each handler turns one thing that happened into what is decided about it. A call goes
//! `Invite | place ─ OpenLeg ─▶ LegOpened ─ 200, Agree ─▶ its errand ─ Bye | hangup ─▶ CloseLeg ─▶ LegClosed`;
//! what it is for, its errand, is a room, documents, a `<Dial>` that called it, or a conference it was called into.
//! What follows from a decision without a further event, such as the next verb of a document, is put down as
//! [`FollowUp`] and done before the turn ends, one after the other: no handler calls itself by way of others.

mod agreement;
mod arrival;
mod asking;
mod control;
mod describing;
mod dialling;
mod gathering;
mod leaving;
mod machine;
mod moving;
mod offering;
mod placing;
mod prompting;
mod queueing;
mod referring;
mod reserving;
mod resolving;
mod scripting;
mod searching;
mod streaming;
mod trunking;
mod wired;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use model::{AccountSid, CallSid, CallStatus, Conference, ConferenceSid, ConferenceStatus, LegId, RoomId, StreamSid};
use sip::{DialogId, Endpoint, Flow, SearchId};
use tracing::{debug, info, warn};

use crate::call::LiveCall;
use crate::command::Measurement;
use crate::conference::{Leaving, LiveConference};
use crate::dial::{DialId, LiveDial};
use crate::effect::{Effect, Row};
use crate::follow_up::FollowUp;
use crate::keypad::By;
use crate::leg::LiveLeg;
use crate::lookup::{Lookups, Waiter};
use crate::offer::Offers;
use crate::quality::Quality;
use crate::queue::Queues;
use crate::registration::Registrations;
use crate::script::{Script, ScriptId};
use crate::timers::Timer;
use crate::turn::Turn;
use searching::Search;
use streaming::LiveStream;
use trunking::Trunks;

/// Everything that lives.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) endpoint: Endpoint,
    pub(crate) registrations: Registrations,
    pub(crate) lookups: Lookups,
    calls: HashMap<CallSid, LiveCall>,
    by_dialog: HashMap<DialogId, CallSid>,
    legs: HashMap<LegId, LiveLeg>,
    conferences: HashMap<ConferenceSid, LiveConference>,
    by_name: HashMap<(AccountSid, String), ConferenceSid>,
    by_room: HashMap<RoomId, ConferenceSid>,
    scripts: HashMap<ScriptId, Script>,
    dials: HashMap<DialId, LiveDial>,
    queues: Queues,
    offers: Offers,
    streams: BTreeMap<StreamSid, LiveStream>,
    /// Streams that we have opened, by where they lead.
    streams_out: HashMap<SocketAddr, Flow>,
    /// Who waits for one to be open.
    connecting: HashMap<SocketAddr, Vec<Waiter>>,
    /// Peers that are looked for, their streams being gone.
    searches: HashMap<SearchId, Search>,
    trunks: Trunks,
    tones: media::Tones,
    pub(crate) counts: Counts,
    pub(crate) quality: Quality,
}

/// What has happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that had a destination.
    pub calls: u64,
    /// INVITEs nobody claimed: 404.
    pub unknown_destination: u64,
    /// INVITEs refused because a bound was reached: 503.
    pub refused_full: u64,
    /// INVITEs and re-INVITEs without a description we can agree to: 488.
    pub not_acceptable: u64,
    /// Calls ended because nothing was received any more.
    pub rtp_timeouts: u64,
    /// DTMF digits heard.
    pub digits: u64,
    /// Audio that could not be fetched, spoken or played.
    pub fetches_failed: u64,
    /// Calls that we made.
    pub calls_out: u64,
    /// Documents that were run.
    pub documents: u64,
    /// Documents that could not be had, or could not be read.
    pub documents_failed: u64,
}

/// After how many seconds a phone may try again when we are full.
const RETRY_AFTER_S: u32 = 5;

impl Board {
    pub(crate) fn new(endpoint: Endpoint, registrations: Registrations, lookups: Lookups) -> Self {
        Self {
            endpoint,
            registrations,
            lookups,
            calls: HashMap::new(),
            by_dialog: HashMap::new(),
            legs: HashMap::new(),
            conferences: HashMap::new(),
            by_name: HashMap::new(),
            by_room: HashMap::new(),
            scripts: HashMap::new(),
            dials: HashMap::new(),
            queues: Queues::default(),
            offers: Offers::default(),
            streams: BTreeMap::new(),
            streams_out: HashMap::new(),
            connecting: HashMap::new(),
            searches: HashMap::new(),
            trunks: Trunks::default(),
            tones: media::Tones::default(),
            counts: Counts::default(),
            quality: Quality::new(),
        }
    }

    pub(crate) fn sip_event(&mut self, event: sip::Event, turn: &mut Turn) {
        match event {
            sip::Event::Invite { dialog, request, flow, offer, replaces } => {
                if self.admits(dialog, &request, &flow, turn) {
                    self.invited(dialog, &request, &flow, offer, replaces, turn);
                }
            }
            sip::Event::Progress { dialog, response, answer, .. } => self.progressed(dialog, &response, answer, turn),
            sip::Event::Accepted { dialog, response, answer } => self.accepted(dialog, &response, answer, turn),
            sip::Event::Failed { dialog, status, failure, response } => {
                self.not_reached(dialog, status, failure, response.as_deref(), turn);
            }
            // Nobody is asked to follow redirections yet but those that phones give: their user knows best.
            sip::Event::Redirected { dialog, target, .. } => self.redirected(dialog, &target, turn),
            sip::Event::Canceled { dialog, .. } => self.call_over(dialog, Some(CallStatus::Canceled), turn),
            sip::Event::Acked { dialog, answer } => {
                if let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get_mut(sid)) {
                    call.acknowledge(turn);
                }
                if let Some(answer) = answer {
                    self.answer_came(dialog, &answer, turn);
                }
            }
            sip::Event::Offered { dialog, offer } => self.offered_again(dialog, offer.as_ref(), turn),
            // The answer to a session refresh that repeated our description: usually what it was before.
            sip::Event::Answered { dialog, answer } => self.answer_came(dialog, &answer, turn),
            sip::Event::Options { id, request, flow } => {
                let status = self.prospect(&request, &flow, turn);
                self.endpoint.answer_options(turn.now.instant, id, status);
            }
            sip::Event::Register { id, request, flow } => self.register(id, &request, flow, turn),
            sip::Event::Info { dialog, content_type, body } => self.info(dialog, &content_type, &body, turn),
            sip::Event::Refer { refer, target, replaces, referred_by, .. } => {
                self.referred(refer, &target, replaces.as_ref(), referred_by.as_deref(), turn);
            }
            sip::Event::ReferAnswered { dialog, status, reports } => {
                self.refer_answered(dialog, status, reports, turn);
            }
            sip::Event::ReferProgress { dialog, status, over } => self.refer_progressed(dialog, status, over, turn),
            sip::Event::Pinged { ping, status } => self.pinged(ping, status, turn),
            sip::Event::Ended { dialog, cause, reason } => {
                if let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get(sid)) {
                    call.span.in_scope(|| info!(?cause, ?reason, "dialog ended"));
                }
                self.call_over(dialog, Some(CallStatus::Failed), turn);
            }
        }
    }

    pub(crate) fn media_event(&mut self, event: media::Event, turn: &mut Turn) {
        match event {
            media::Event::LegOpened { leg, local } => self.leg_opened(leg, local.port(), turn),
            media::Event::LegRefused { leg, why } => self.leg_refused(leg, why, turn),
            media::Event::MoveRefused { leg, why } => self.move_refused(leg, why, turn),
            media::Event::LegClosed { leg, stats } => {
                turn.journal.leg_told(leg, Some(stats));
                let Some(gone) = self.legs.remove(&leg) else { return };
                self.quality.count(&gone.stats().unwrap_or_default(), &stats);
                if gone.answered {
                    turn.effects.push(Effect::Save(Row::LegStats(gone.call, stats)));
                }
                gone.span.in_scope(|| info!(?stats, "leg closed"));
            }
            media::Event::Measured { leg, stats } => {
                let Some(live) = self.legs.get_mut(&leg) else { return };
                self.quality.measured(&live.stats().unwrap_or_default(), &stats);
                live.measured = Some(Measurement { stats, at: turn.now.wall });
            }
            media::Event::Digit { leg, digit, duration_ms, in_audio } => {
                self.counts.digits += 1;
                let Some(LiveLeg { call, span, .. }) = self.legs.get(&leg) else { return };
                let (call, span) = (*call, span.clone());
                let _in_call = span.enter();
                info!(%digit, duration_ms, in_audio, "digit");
                self.pressed(call, digit, By::Rtp, in_audio, turn);
            }
            media::Event::DigitsSent { leg } => {
                let Some(LiveLeg { call, span, .. }) = self.legs.get(&leg) else { return };
                span.in_scope(|| info!("digits sent"));
                self.digits_sent(*call, turn);
            }
            media::Event::PlaybackEnded { leg, playback } => {
                let Some(call) = self.legs.get(&leg).map(|live| live.call) else { return };
                self.playback_ended(call, playback, turn);
            }
            media::Event::AnnouncementEnded { room, playback } => self.announcement_ended(room, playback, turn),
            media::Event::Quiet { leg, since_ms } => self.quiet(leg, Duration::from_millis(since_ms), turn),
            media::Event::Speech { leg, talking } => {
                let Some(call) = self.legs.get(&leg).and_then(|live| self.calls.get(&live.call)) else { return };
                if let Some(conference) = self.conference_of(call).and_then(|sid| self.conferences.get_mut(&sid)) {
                    conference.speech(call.row.sid, talking, turn);
                }
            }
            media::Event::Speaker { room, leg } => {
                let conference = self.by_room.get(&room).and_then(|sid| self.conferences.get_mut(sid));
                if let Some(conference) = conference {
                    conference.active_speaker(leg, turn);
                }
            }
            media::Event::Answered { leg, by, after_ms } => {
                let Some(LiveLeg { call, .. }) = self.legs.get(&leg) else { return };
                self.answered_by(*call, by, after_ms, turn);
            }
            media::Event::Applied { batch, tick } => debug!(batch, tick, "audio batch applied"),
        }
    }

    /// Does what is due by now.
    pub(crate) fn timeout(&mut self, turn: &mut Turn) {
        while let Some(timer) = turn.timers.take_due(turn.now.instant) {
            match timer {
                Timer::CallLimit(call) => self.time_limit(call, turn),
                Timer::Seeking(call) => self.sought_for_too_long(call, turn),
                Timer::Script(script) => self.script_due(script, turn),
                Timer::Dial(dial) => self.dial_due(dial, turn),
                Timer::Trunk(at) => self.ping_trunk(at, turn),
            }
        }
        self.release_overdue(turn);
    }

    /// Does what a handler has put down.
    pub(crate) fn do_next(&mut self, follow_up: FollowUp, turn: &mut Turn) {
        match follow_up {
            FollowUp::Start { script, call, role, source } => self.start_script(script, call, role, source, turn),
            FollowUp::Stop(script) => {
                self.drop_script(script, turn);
            }
            FollowUp::Next(script, outcome) => self.next_step(script, outcome, turn),
            FollowUp::End { call, how, reason } => {
                self.remove_call(call, how, reason, turn);
            }
            FollowUp::DialNext(dial) => self.dial_next(dial, turn),
            FollowUp::Lead(call) => self.lead(call, turn),
            FollowUp::Seek(search) => self.seek(search, turn),
            FollowUp::WireOver { call, status } => {
                self.end_call(call, Some(status), Leaving::HungUp, turn);
            }
            FollowUp::Serve(queue) => self.serve(queue, turn),
            FollowUp::CarryOut { reservation, instruction } => self.carry_out(reservation, &instruction, turn),
            FollowUp::OfferOver(reservation) => self.offer_withdrawn(reservation, turn),
            FollowUp::TaskEnded { task, call, end } => self.task_ended(task, call, &end, turn),
            FollowUp::HandOver(over) => self.hand_over(over, turn),
        }
    }

    /// Nothing has been received for so long. Phones that hold us may be silent for longer.
    fn quiet(&mut self, leg: LegId, since: Duration, turn: &mut Turn) {
        let Some(call) = self.legs.get(&leg).and_then(|live| self.calls.get(&live.call)) else { return };
        if !call.is_answered() || call.phone_holds && since < turn.config.held_rtp_timeout {
            return;
        }
        self.counts.rtp_timeouts += 1;
        call.span.in_scope(|| warn!(since_ms = since.as_millis(), "no RTP"));
        if let Some(dialog) = call.line.dialog() {
            self.hang_up(dialog, 408, "RTP timeout", turn);
        }
    }

    /// The conference a call is in.
    fn conference_of(&self, call: &LiveCall) -> Option<ConferenceSid> {
        match call.place {
            crate::call::Place::Conference(sid) => Some(sid),
            _ => None,
        }
    }

    /// The live conference of this name, or a new one that nobody has joined yet.
    fn conference_named(&mut self, account: AccountSid, name: &str, turn: &mut Turn) -> ConferenceSid {
        if let Some(sid) = self.by_name.get(&(account, name.to_owned())) {
            return *sid;
        }
        let row = Conference {
            sid: turn.names.conference(),
            account_sid: account,
            friendly_name: name.to_owned(),
            status: ConferenceStatus::Init,
            region: turn.config.region.clone(),
            reason_ended: None,
            call_sid_ending: None,
            created: turn.now.wall,
            updated: turn.now.wall,
            seq: turn.names.seq(),
        };
        let (sid, room) = (row.sid, turn.names.room());
        self.by_name.insert((account, name.to_owned()), sid);
        self.by_room.insert(room, sid);
        self.conferences.insert(sid, LiveConference::new(row, room));
        sid
    }

    fn forget_conference(&mut self, sid: ConferenceSid) -> Option<LiveConference> {
        let conference = self.conferences.remove(&sid)?;
        self.by_room.remove(&conference.room);
        let name = (conference.row.account_sid, conference.row.friendly_name.clone());
        // The name may denote a newer conference by now.
        if self.by_name.get(&name) == Some(&sid) {
            self.by_name.remove(&name);
        }
        Some(conference)
    }

    /// A conference that nobody is in and nobody is on the way to was never more than a name.
    fn forget_if_abandoned(&mut self, conference: ConferenceSid) {
        if self.conferences.get(&conference).is_some_and(LiveConference::is_abandoned) {
            self.forget_conference(conference);
        }
    }

    /// Lets events go that have waited for long enough for a leg that says nothing.
    fn release_overdue(&mut self, turn: &mut Turn) {
        while let Some(leg) = turn.journal.overdue(turn.now.instant) {
            turn.journal.leg_told(leg, self.legs.get(&leg).and_then(LiveLeg::stats));
        }
    }

    /// Lets all events go that wait.
    pub(crate) fn release_all(&mut self, turn: &mut Turn) {
        while let Some(leg) = turn.journal.awaited() {
            turn.journal.leg_told(leg, self.legs.get(&leg).and_then(LiveLeg::stats));
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.endpoint.next_deadline(), self.registrations.next_deadline()].into_iter().flatten().min()
    }

    /// Trunks that did not answer when they were last asked.
    pub(crate) fn trunks_silent(&self) -> usize {
        self.trunks.silent.len()
    }

    pub(crate) fn legs_live(&self) -> usize {
        self.legs.len()
    }

    /// Documents, dials and places in queues.
    pub(crate) fn running(&self) -> usize {
        self.scripts.len() + self.dials.len() + self.queues.len() + self.offers.len()
    }

    pub(crate) fn calls_live(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn conferences_live(&self) -> usize {
        self.conferences.len()
    }

    pub(crate) fn participants_live(&self) -> usize {
        self.conferences.values().map(LiveConference::participants_live).sum()
    }
}
