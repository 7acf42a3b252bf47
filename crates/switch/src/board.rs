//! All live calls and conferences, and the dialogs and legs they are reached by.
//!
//! Each handler turns one thing that happened into what is decided about it. An inbound call goes
//! `Invite ─ OpenLeg ─▶ LegOpened ─ 200, Agree ─▶ in its conference ─ Bye | hangup ─▶ CloseLeg ─▶ LegClosed`.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use model::{
    AccountSid, Call, CallSid, CallStatus, Conference, ConferenceSid, ConferenceStatus, Direction, LegId,
    ReasonConferenceEnded, RoomId,
};
use sip::{DialogId, Endpoint, Flow, OfferAnswer, Reason, Reject, Rejection, Request, SessionDescription, Uri};
use tracing::{Span, debug, info, info_span, warn};

use crate::call::{LiveCall, Stage};
use crate::command::{Answer, CallEnd, Command, ConferenceRef, Measurement, ParticipantRef, Refusal};
use crate::conference::{AfterLeave, Leaving, LiveConference};
use crate::effect::{Effect, FetchFailed, FetchId, Row};
use crate::inbound::{Destination, destination};
use crate::info_digit;
use crate::leg::{LiveLeg, address_for, local_media};
use crate::quality::Quality;
use crate::registration::Registrations;
use crate::turn::{Turn, WantedBy};

/// Everything that lives.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) endpoint: Endpoint,
    pub(crate) registrations: Registrations,
    calls: HashMap<CallSid, LiveCall>,
    by_dialog: HashMap<DialogId, CallSid>,
    legs: HashMap<LegId, LiveLeg>,
    conferences: HashMap<ConferenceSid, LiveConference>,
    by_name: HashMap<(AccountSid, String), ConferenceSid>,
    by_room: HashMap<RoomId, ConferenceSid>,
    /// When answered calls have lasted long enough.
    time_limits: BTreeSet<(Instant, CallSid)>,
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
    /// Audio that could not be fetched or played.
    pub fetches_failed: u64,
}

/// After how many seconds a phone may try again when we are full.
const RETRY_AFTER_S: u32 = 5;

impl Board {
    pub(crate) fn new(endpoint: Endpoint, registrations: Registrations) -> Self {
        Self {
            endpoint,
            registrations,
            calls: HashMap::new(),
            by_dialog: HashMap::new(),
            legs: HashMap::new(),
            conferences: HashMap::new(),
            by_name: HashMap::new(),
            by_room: HashMap::new(),
            time_limits: BTreeSet::new(),
            counts: Counts::default(),
            quality: Quality::new(),
        }
    }

    pub(crate) fn sip_event(&mut self, event: sip::Event, turn: &mut Turn) {
        match event {
            sip::Event::Invite { dialog, request, flow, offer, .. } => {
                if self.admits(dialog, &request, &flow, turn) {
                    self.invited(dialog, &request, &flow, offer, turn);
                }
            }
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
            sip::Event::Info { dialog, content_type, body } => self.info(dialog, &content_type, &body),
            sip::Event::Refer { refer, .. } => self.endpoint.refuse_refer(turn.now.instant, refer, 603),
            // Of calls, transfers and pings of ours, which nobody asks for yet.
            sip::Event::Progress { .. }
            | sip::Event::Accepted { .. }
            | sip::Event::Failed { .. }
            | sip::Event::Redirected { .. }
            | sip::Event::ReferAnswered { .. }
            | sip::Event::ReferProgress { .. }
            | sip::Event::Pinged { .. } => {}
            sip::Event::Ended { dialog, cause, reason } => {
                if let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get(sid)) {
                    call.span.in_scope(|| info!(?cause, ?reason, "dialog ended"));
                }
                self.call_over(dialog, Some(CallStatus::Failed), turn);
            }
        }
    }

    /// A new call: it gets a row, a conference to go to, and a leg that is being opened there.
    fn invited(
        &mut self,
        dialog: DialogId,
        request: &Request,
        flow: &Flow,
        offer: Option<SessionDescription>,
        turn: &mut Turn,
    ) {
        let Ok(Destination::Room { account, name }) = destination(turn.config, request, flow) else {
            self.counts.unknown_destination += 1;
            return self.endpoint.reject(turn.now.instant, dialog, 404, Reject::default());
        };
        let Some(address) = address_for(turn.config, flow, offer.as_ref()) else {
            self.counts.not_acceptable += 1;
            let warning = Some((301, "no audio over this version of IP".to_owned()));
            let why = Reject { warning, ..Reject::default() };
            return self.endpoint.reject(turn.now.instant, dialog, Rejection::STATUS, why);
        };
        let full = self.calls.len() >= turn.config.calls_max;
        let conference = self.conference_named(account, &name, turn);
        let live = self.conferences.get_mut(&conference).filter(|_| !full);
        if !live.is_some_and(|live| live.expect(turn.config.room_legs_max)) {
            self.forget_if_abandoned(conference);
            self.counts.refused_full += 1;
            return self.refuse_for_now(dialog, turn);
        }

        self.counts.calls += 1;
        let mut row = new_call(account, request, turn);
        if let Some(identity) = self.registrations.identify(turn.directory, request, flow) {
            row.from = identity.to_string();
        }
        let span = info_span!("call", call_sid = %row.sid);
        span.in_scope(|| info!(from = row.from, to = row.to, source = %flow.remote, "call arrived"));
        let leg = turn.names.leg();
        let room = self.conferences[&conference].room;
        turn.media.push(media::Command::OpenLeg { leg, room, address: address.bind });
        self.legs.insert(leg, LiveLeg::new(row.sid, span.clone()));
        self.by_dialog.insert(dialog, row.sid);
        self.calls.insert(
            row.sid,
            LiveCall {
                row,
                dialog,
                leg,
                conference,
                room_name: name,
                address,
                port: 0,
                offer_answer: OfferAnswer::new(turn.names.session_id()),
                stage: Stage::Opening { offer: offer.map(Box::new) },
                acknowledged: false,
                phone_holds: false,
                ends_at: None,
                span,
            },
        );
    }

    /// What a call like this OPTIONS would get (RFC 3261 §11.2), as far as that can be told without making one.
    fn prospect(&self, request: &Request, flow: &Flow, turn: &Turn) -> u16 {
        match destination(turn.config, request, flow) {
            Err(_) => 404,
            Ok(_) if self.calls.len() >= turn.config.calls_max => 503,
            Ok(_) => 200,
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

    pub(crate) fn media_event(&mut self, event: media::Event, turn: &mut Turn) {
        match event {
            media::Event::LegOpened { leg, local } => self.leg_opened(leg, local.port(), turn),
            media::Event::LegRefused { leg, why } => {
                let Some(LiveLeg { call, span, .. }) = self.legs.remove(&leg) else { return };
                span.in_scope(|| warn!(?why, "no leg for this call"));
                self.counts.refused_full += 1;
                if let Some(dialog) = self.calls.get(&call).map(|call| call.dialog) {
                    self.refuse_for_now(dialog, turn);
                    self.call_over(dialog, None, turn);
                }
            }
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
            media::Event::Digit { leg, digit, duration_ms } => {
                self.counts.digits += 1;
                if let Some(LiveLeg { span, .. }) = self.legs.get(&leg) {
                    span.in_scope(|| info!(%digit, duration_ms, "digit"));
                }
            }
            media::Event::DigitsSent { leg } => {
                if let Some(LiveLeg { span, .. }) = self.legs.get(&leg) {
                    span.in_scope(|| info!("digits sent"));
                }
            }
            media::Event::Answered { leg, by, after_ms } => {
                if let Some(LiveLeg { span, .. }) = self.legs.get(&leg) {
                    span.in_scope(|| info!(%by, after_ms, "answered"));
                }
            }
            media::Event::PlaybackEnded { leg, playback } => {
                let Some(call) = self.legs.get(&leg).and_then(|live| self.calls.get(&live.call)) else { return };
                if let Some(conference) = self.conferences.get_mut(&call.conference) {
                    conference.playback_ended(call.row.sid, playback, turn);
                }
            }
            media::Event::AnnouncementEnded { room, playback } => {
                let conference = self.by_room.get(&room).and_then(|sid| self.conferences.get_mut(sid));
                if let Some(conference) = conference {
                    conference.announcement_ended(playback, turn);
                }
            }
            media::Event::Quiet { leg, since_ms } => self.quiet(leg, Duration::from_millis(since_ms), turn),
            // Who speaks is not told to anybody yet.
            media::Event::Speech { leg, talking } => {
                let Some(call) = self.legs.get(&leg).and_then(|live| self.calls.get(&live.call)) else { return };
                if let Some(conference) = self.conferences.get_mut(&call.conference) {
                    conference.speech(call.row.sid, talking, turn);
                }
            }
            media::Event::Speaker { room, leg } => {
                let conference = self.by_room.get(&room).and_then(|sid| self.conferences.get_mut(sid));
                if let Some(conference) = conference {
                    conference.active_speaker(leg, turn);
                }
            }
            media::Event::Applied { batch, tick } => debug!(batch, tick, "audio batch applied"),
        }
    }

    /// The leg has its port: the offer can be answered, or ours be made, and the call joins its conference.
    fn leg_opened(&mut self, leg: LegId, port: u16, turn: &mut Turn) {
        let Some(LiveLeg { call: sid, span, .. }) = self.legs.get(&leg).cloned() else { return };
        let _in_call = span.enter();
        self.find_home_again(sid, turn);
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let Stage::Opening { offer } = &mut call.stage else { return };
        let offer = offer.take();

        call.port = port;
        let local = local_media(turn.config, call.address, port);
        let sdp = match offer {
            None => call.offer_answer.offer(&local), // RFC 3264 §4: the offer goes in the 200, the answer is in the ACK
            Some(offer) => match call.offer_answer.answer(&offer, &local) {
                Ok((answer, agreed)) => {
                    call.agree(&agreed, turn);
                    answer
                }
                Err(rejection) => {
                    self.counts.not_acceptable += 1;
                    info!(%rejection, "offer refused");
                    let (dialog, warning) = (call.dialog, warning_of(rejection));
                    self.endpoint.reject(
                        turn.now.instant,
                        dialog,
                        Rejection::STATUS,
                        Reject { warning, ..Reject::default() },
                    );
                    return self.call_over(dialog, Some(CallStatus::Failed), turn);
                }
            },
        };
        self.endpoint.accept(turn.now.instant, call.dialog, sdp);
        call.answered(turn);
        self.legs.entry(leg).and_modify(|live| live.answered = true);
        self.time_limits.extend(call.ends_at.map(|at| (at, call.sid())));
        if let Some(conference) = self.conferences.get_mut(&call.conference) {
            conference.join(call.sid(), leg, call.phone_holds, turn);
        }
    }

    /// The conference a call was on its way to may have ended meanwhile: then its name means a new one.
    fn find_home_again(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        if call.is_answered() || self.conferences.contains_key(&call.conference) {
            return;
        }
        let (account, name, leg) = (call.row.account_sid, call.room_name.clone(), call.leg);
        let conference = self.conference_named(account, &name, turn);
        let legs_max = turn.config.room_legs_max;
        let room = self.conferences.get_mut(&conference).and_then(|live| live.expect(legs_max).then_some(live.room));
        let Some(call) = self.calls.get_mut(&sid) else { return };
        if let Some(room) = room {
            call.conference = conference;
            turn.media.push(media::Command::Move { leg, room, emit: 0, hear: 0 });
        } else {
            let dialog = call.dialog;
            self.refuse_for_now(dialog, turn);
            self.call_over(dialog, None, turn);
        }
    }

    /// The answer to the offer we made in a 200.
    fn answer_came(&mut self, dialog: DialogId, answer: &SessionDescription, turn: &mut Turn) {
        let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get_mut(sid)) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        match call.offer_answer.accept_answer(answer) {
            Ok(agreed) => {
                call.agree(&agreed, turn);
                self.phone_hold_changed(dialog, turn);
            }
            Err(rejection) => {
                self.counts.not_acceptable += 1;
                warn!(%rejection, "answer refused");
                self.hang_up(dialog, 488, "Not Acceptable Here", turn);
            }
        }
    }

    /// A re-INVITE or UPDATE: the phone offers anew, or wants our offer.
    fn offered_again(&mut self, dialog: DialogId, offer: Option<&SessionDescription>, turn: &mut Turn) {
        let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get_mut(sid)) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        let local = local_media(turn.config, call.address, call.port);
        let Some(offer) = offer else {
            let sdp = call.offer_answer.offer(&local);
            return self.endpoint.reanswer(turn.now.instant, dialog, sdp);
        };
        match call.offer_answer.answer(offer, &local) {
            Ok((sdp, agreed)) => {
                call.agree(&agreed, turn);
                self.endpoint.reanswer(turn.now.instant, dialog, sdp);
                self.phone_hold_changed(dialog, turn);
            }
            Err(rejection) => {
                self.counts.not_acceptable += 1;
                info!(%rejection, "new offer refused, the call goes on as it was");
                self.endpoint.rereject(turn.now.instant, dialog, Rejection::STATUS, warning_of(rejection));
            }
        }
    }

    fn phone_hold_changed(&mut self, dialog: DialogId, turn: &mut Turn) {
        let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get(sid)) else { return };
        info!(phone_holds = call.phone_holds, "media agreed");
        if let Some(conference) = self.conferences.get_mut(&call.conference) {
            conference.phone_holds(call.sid(), call.phone_holds, turn);
        }
    }

    /// DTMF by INFO (`application/dtmf-relay`, `application/dtmf`).
    fn info(&mut self, dialog: DialogId, content_type: &str, body: &[u8]) {
        let Some(call) = self.by_dialog.get(&dialog).and_then(|sid| self.calls.get(sid)) else { return };
        if let Some(digit) = info_digit::read(body) {
            self.counts.digits += 1;
            call.span.in_scope(|| info!(%digit, "digit by INFO"));
        } else {
            call.span.in_scope(|| info!(content_type, "INFO without a digit"));
        }
    }

    /// Nothing has been received for so long. Phones that hold us may be silent for longer.
    fn quiet(&mut self, leg: LegId, since: Duration, turn: &mut Turn) {
        let Some(call) = self.legs.get(&leg).and_then(|live| self.calls.get(&live.call)) else { return };
        if call.phone_holds && since < turn.config.held_rtp_timeout {
            return;
        }
        self.counts.rtp_timeouts += 1;
        call.span.in_scope(|| warn!(since_ms = since.as_millis(), "no RTP"));
        let dialog = call.dialog;
        self.hang_up(dialog, 408, "RTP timeout", turn);
    }

    pub(crate) fn fetched(
        &mut self,
        fetch: FetchId,
        outcome: Result<std::sync::Arc<media::Pages>, FetchFailed>,
        turn: &mut Turn,
    ) {
        let Some(wanted_by) = turn.fetches.close(fetch) else { return };
        self.counts.fetches_failed += u64::from(outcome.is_err());
        let (WantedBy::Participant { conference, .. }
        | WantedBy::AnnounceTo { conference, .. }
        | WantedBy::Announce { conference, .. }) = wanted_by;
        let Some(conference) = self.conferences.get_mut(&conference) else { return };
        match wanted_by {
            WantedBy::Participant { call, .. } => conference.audio_fetched(call, fetch, outcome, turn),
            WantedBy::AnnounceTo { call, url, .. } => conference.announcement_to(call, url, outcome, turn),
            WantedBy::Announce { url, .. } => conference.announcement(url, outcome, turn),
        }
    }

    /// Does what the control layer asks, or says why not.
    pub(crate) fn command(&mut self, command: Command, turn: &mut Turn) -> Result<Answer, Refusal> {
        match command {
            Command::CreateCall(new) => {
                turn.directory.admit_call(&new)?;
                Err(Refusal::NoRoute) // nobody is dialled yet
            }
            Command::CreateParticipant(new) => {
                turn.directory.admit_leg(new.account, &new.leg)?;
                Err(Refusal::NoRoute) // nobody is dialled yet
            }
            Command::UpdateCall(change) => self.update_call(change.account, change.call, change.end, turn),
            Command::Queue(command) => turn.queue_command(command),
            // Changed before a turn begins, so that a turn may share it.
            Command::Directory(_) => Err(Refusal::Overloaded),
            Command::MeasureCall { account, call } => {
                let call = self.calls.get(&call).filter(|call| call.row.account_sid == account);
                let leg = call.and_then(|call| self.legs.get(&call.leg)).ok_or(Refusal::CallNotFound)?;
                Ok(Answer::Measured(leg.measured))
            }
            Command::UpdateConference { account, conference, complete, announce } => {
                let sid = self.find_conference(account, &conference).ok_or(Refusal::ConferenceNotFound)?;
                if complete {
                    return self.complete_conference(sid, turn);
                }
                let conference = self.conferences.get_mut(&sid).ok_or(Refusal::ConferenceNotFound)?;
                if let Some(announce) = announce {
                    conference.announce(&announce, turn);
                }
                Ok(Answer::Conference(conference.row.clone()))
            }
            Command::UpdateParticipant { account, conference, participant, change } => {
                let (sid, call) = self.find_participant(account, &conference, &participant)?;
                let span = self.calls.get(&call).map(|call| call.span.clone()).unwrap_or_else(Span::none);
                let _in_call = span.enter();
                let conference = self.conferences.get_mut(&sid).ok_or(Refusal::ConferenceNotFound)?;
                conference.update(call, &change, turn).map(Answer::Participant)
            }
            Command::RemoveParticipant { account, conference, participant } => {
                let (_, call) = self.find_participant(account, &conference, &participant)?;
                self.remove_call(call, Leaving::Kicked, None, turn);
                Ok(Answer::Removed)
            }
        }
    }

    fn update_call(
        &mut self,
        account: AccountSid,
        sid: CallSid,
        end: Option<CallEnd>,
        turn: &mut Turn,
    ) -> Result<Answer, Refusal> {
        let call = self.calls.get(&sid).filter(|call| call.row.account_sid == account).ok_or(Refusal::CallNotFound)?;
        let ends = match end {
            Some(CallEnd::Completed) => true,
            Some(CallEnd::Canceled) => !call.is_answered(),
            None => false,
        };
        if !ends {
            return Ok(Answer::Call(call.row.clone()));
        }
        self.remove_call(sid, Leaving::CallEnded, None, turn).map(Answer::Call).ok_or(Refusal::CallNotFound)
    }

    fn complete_conference(&mut self, sid: ConferenceSid, turn: &mut Turn) -> Result<Answer, Refusal> {
        let mut conference = self.forget_conference(sid).ok_or(Refusal::ConferenceNotFound)?;
        let left_behind = conference.end(ReasonConferenceEnded::ViaApi, None, turn);
        self.end_all(left_behind, turn);
        Ok(Answer::Conference(conference.row))
    }

    fn find_conference(&self, account: AccountSid, conference: &ConferenceRef) -> Option<ConferenceSid> {
        let sid = match conference {
            ConferenceRef::Sid(sid) => *sid,
            ConferenceRef::Name(name) => *self.by_name.get(&(account, name.clone()))?,
        };
        self.conferences.get(&sid).filter(|live| live.row.account_sid == account && live.is_shown()).map(|_| sid)
    }

    fn find_participant(
        &self,
        account: AccountSid,
        conference: &ConferenceRef,
        participant: &ParticipantRef,
    ) -> Result<(ConferenceSid, CallSid), Refusal> {
        let sid = self.find_conference(account, conference).ok_or(Refusal::ConferenceNotFound)?;
        let call = self.conferences.get(&sid).and_then(|live| live.find(participant));
        Ok((sid, call.ok_or(Refusal::ParticipantNotFound)?))
    }

    /// Calls that have lasted long enough, as of now.
    pub(crate) fn enforce_time_limits(&mut self, turn: &mut Turn) {
        while let Some((at, sid)) = self.time_limits.first().copied().filter(|(at, _)| *at <= turn.now.instant) {
            self.time_limits.remove(&(at, sid));
            let reason = sip_reason(408, "Time limit");
            self.remove_call(sid, Leaving::HungUp, Some(reason), turn);
        }
    }

    /// Lets events go that have waited for long enough for a leg that says nothing.
    pub(crate) fn release_overdue(&mut self, turn: &mut Turn) {
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

    /// Ends every call, as a drain's bound demands.
    pub(crate) fn end_everything(&mut self, turn: &mut Turn) {
        let mut all: Vec<CallSid> = self.calls.keys().copied().collect();
        all.sort_unstable();
        for sid in all {
            let reason = sip_reason(503, "Server is shutting down");
            self.remove_call(sid, Leaving::HungUp, Some(reason), turn);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let limit = self.time_limits.first().map(|(at, _)| *at);
        [limit, self.endpoint.next_deadline(), self.registrations.next_deadline()].into_iter().flatten().min()
    }

    pub(crate) fn legs_live(&self) -> usize {
        self.legs.len()
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

    fn hang_up(&mut self, dialog: DialogId, status: u16, text: &str, turn: &mut Turn) {
        if let Some(sid) = self.by_dialog.get(&dialog).copied() {
            self.remove_call(sid, Leaving::HungUp, Some(sip_reason(status, text)), turn);
        }
    }

    fn refuse_for_now(&mut self, dialog: DialogId, turn: &Turn) {
        let busy = Reject { retry_after_s: Some(RETRY_AFTER_S), ..Reject::default() };
        self.endpoint.reject(turn.now.instant, dialog, 503, busy);
    }

    /// We end the call: BYE, or a final answer if it has none. Returns its row as it is then.
    fn remove_call(&mut self, sid: CallSid, how: Leaving, reason: Option<Reason>, turn: &mut Turn) -> Option<Call> {
        let call = self.calls.get(&sid)?;
        let (dialog, answered) = (call.dialog, call.is_answered());
        if answered {
            self.endpoint.hangup(turn.now.instant, dialog, reason);
        } else {
            self.endpoint.reject(turn.now.instant, dialog, 480, Reject::default());
        }
        self.end_call(sid, Some(CallStatus::Canceled), how, turn)
    }

    /// The other side, or the network, has ended the dialog.
    fn call_over(&mut self, dialog: DialogId, unanswered: Option<CallStatus>, turn: &mut Turn) {
        if let Some(sid) = self.by_dialog.get(&dialog).copied() {
            self.end_call(sid, unanswered, Leaving::HungUp, turn);
        }
    }

    /// The call's dialog is over or has been told so: its row, leg and membership follow.
    fn end_call(
        &mut self,
        sid: CallSid,
        unanswered: Option<CallStatus>,
        how: Leaving,
        turn: &mut Turn,
    ) -> Option<Call> {
        let call = self.calls.remove(&sid)?;
        self.by_dialog.remove(&call.dialog);
        if let Some(at) = call.ends_at {
            self.time_limits.remove(&(at, sid));
        }
        let (conference, answered) = (call.conference, call.is_answered());
        let span = call.span.clone();
        let _in_call = span.enter();
        let row = call.ended(unanswered, turn);
        if !answered {
            self.no_longer_expected(conference);
            return Some(row);
        }
        let after = self.conferences.get_mut(&conference).map(|live| live.leave(sid, how, turn));
        if let Some(AfterLeave::Over { left_behind }) = after {
            self.forget_conference(conference);
            self.end_all(left_behind, turn);
        }
        Some(row)
    }

    /// Calls whose conference is over and that have nothing more to do.
    fn end_all(&mut self, left_behind: Vec<CallSid>, turn: &mut Turn) {
        for sid in left_behind {
            self.remove_call(sid, Leaving::HungUp, None, turn);
        }
    }

    fn no_longer_expected(&mut self, conference: ConferenceSid) {
        if let Some(live) = self.conferences.get_mut(&conference) {
            live.expect_no_longer();
        }
        self.forget_if_abandoned(conference);
    }

    /// A conference that nobody is in and nobody is on the way to was never more than a name.
    fn forget_if_abandoned(&mut self, conference: ConferenceSid) {
        if self.conferences.get(&conference).is_some_and(LiveConference::is_abandoned) {
            self.forget_conference(conference);
        }
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
}

fn new_call(account: AccountSid, request: &Request, turn: &mut Turn) -> Call {
    let from = request.headers.from().ok();
    let printable = |name: &String| name.chars().filter(|character| !character.is_control()).collect::<String>();
    let caller_name =
        from.as_ref().and_then(|from| from.display.as_ref()).map(printable).filter(|name| !name.is_empty());
    Call {
        sid: turn.names.call(),
        account_sid: account,
        parent_call_sid: None,
        to: shown(request.uri.uri()),
        from: from.map(|from| shown(&from.uri)).unwrap_or_default(),
        caller_name,
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

fn sip_reason(cause: u16, text: &str) -> Reason {
    Reason { protocol: "SIP".to_owned(), cause: Some(cause), text: Some(text.to_owned()) }
}

fn warning_of(rejection: Rejection) -> Option<(u16, String)> {
    Some((rejection.warning_code(), rejection.to_string()))
}

/// An address as the API shows it: scheme, user, host and port, without what only the network needs.
fn shown(uri: &Uri) -> String {
    let Uri::Sip(uri) = uri else { return uri.to_string() };
    let scheme = if uri.secure { "sips" } else { "sip" };
    let user = uri.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = uri.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}:{user}{}{port}", uri.host)
}
