//! A conference while it lives: its participants, when it starts and ends, and who hears whom in its room.
//!
//! `init ─ two connected, one of them may start it ─▶ in-progress ─ last one leaves, or it is ended ─▶ completed`
//! The rules are those of rest-voice §4.3 and §5.3; what is heard follows from [`hearing`].

use std::collections::BTreeMap;
use std::sync::Arc;

use media::{Command, Pages};
use model::{
    CallSid, Conference, ConferenceStatus, LegId, Participant, ParticipantStatus, PlaybackId, ReasonConferenceEnded,
    RoomId,
};
use tracing::{info, warn};

use crate::command::{AudioUrl, ParticipantChange, ParticipantRef, Refusal};
use crate::effect::{FetchFailed, FetchId};
use crate::hearing::{CoachBits, hearing};
use crate::participant::LiveParticipant;
use crate::turn::{Turn, WantedBy};

/// A conference that is not completed.
#[derive(Debug)]
pub(crate) struct LiveConference {
    pub(crate) row: Conference,
    pub(crate) room: RoomId,
    participants: BTreeMap<CallSid, LiveParticipant>,
    /// Calls that are being answered into this room. They count for its bound, and keep it from vanishing.
    arriving: usize,
    /// Somebody has joined, so that the API may see it.
    shown: bool,
    coach_bits: CoachBits,
}

/// How a participant leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its call ended by itself.
    HungUp,
    /// It was removed over the API.
    Kicked,
}

/// What is left after somebody left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AfterLeave {
    /// The conference goes on.
    GoesOn,
    /// It is completed; the calls that were still in it have nothing more to do.
    Over { left_behind: Vec<CallSid> },
}

impl LiveConference {
    /// A conference nobody has joined yet; the API does not see it before somebody does.
    pub(crate) fn new(row: Conference, room: RoomId) -> Self {
        Self { row, room, participants: BTreeMap::new(), arriving: 0, shown: false, coach_bits: CoachBits::default() }
    }

    /// Keeps a place for a call that is being answered. False: the conference is full.
    pub(crate) fn expect(&mut self, legs_max: usize) -> bool {
        let fits = self.participants.len() + self.arriving < legs_max;
        self.arriving += usize::from(fits);
        fits
    }

    /// The call that was expected will not come.
    pub(crate) fn expect_no_longer(&mut self) {
        self.arriving -= 1;
    }

    /// Nobody is in it, and nobody is on the way.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.arriving == 0 && self.participants.is_empty()
    }

    pub(crate) fn has_started(&self) -> bool {
        self.row.status == ConferenceStatus::InProgress
    }

    /// Somebody has joined, so the API may see it.
    pub(crate) fn is_shown(&self) -> bool {
        self.shown
    }

    pub(crate) fn participants_live(&self) -> usize {
        self.participants.len()
    }

    pub(crate) fn find(&self, participant: &ParticipantRef) -> Option<CallSid> {
        match participant {
            ParticipantRef::Call(call) => self.participants.contains_key(call).then_some(*call),
            ParticipantRef::Label(label) => {
                let labelled = |p: &&LiveParticipant| p.row.label.as_ref() == Some(label);
                self.participants.values().find(labelled).map(|p| p.row.call_sid)
            }
        }
    }

    /// An expected call is here. Its leg is in the room already, mute and deaf.
    pub(crate) fn join(&mut self, call: CallSid, leg: LegId, phone_holds: bool, turn: &mut Turn) {
        self.arriving -= 1;
        if !self.shown {
            self.shown = true;
            self.row.created = turn.now.wall;
            turn.save_conference(&self.row);
            info!(conference_sid = %self.row.sid, friendly_name = self.row.friendly_name, "conference created");
        }
        let row = Participant {
            call_sid: call,
            conference_sid: self.row.sid,
            account_sid: self.row.account_sid,
            label: None,
            muted: false,
            hold: false,
            coaching: false,
            call_sid_to_coach: None,
            start_conference_on_enter: true,
            end_conference_on_exit: false,
            beep_on_exit: false,
            status: ParticipantStatus::Connected,
            created: turn.now.wall,
            updated: turn.now.wall,
            seq: turn.names.seq(),
        };
        turn.save_participant(&row);
        self.participants.insert(call, LiveParticipant::new(row, leg, phone_holds));
        info!(conference_sid = %self.row.sid, "participant joined");

        let may_start = self.participants.values().any(|p| p.row.start_conference_on_enter);
        if self.row.status == ConferenceStatus::Init && self.participants.len() >= 2 && may_start {
            self.row.status = ConferenceStatus::InProgress;
            self.touch(turn);
            info!(conference_sid = %self.row.sid, "conference started");
            self.sound_all(turn);
        } else {
            self.sound(call, turn);
        }
    }

    /// A participant goes; its leg is the caller's to close. Its conference may go with it.
    pub(crate) fn leave(&mut self, call: CallSid, how: Leaving, turn: &mut Turn) -> AfterLeave {
        let Some(gone) = self.participants.remove(&call) else { return AfterLeave::GoesOn };
        let was_ending = gone.row.end_conference_on_exit;
        let beeps = gone.row.beep_on_exit;
        self.complete_participant(gone, turn);

        // Whoever coached the one that left falls silent.
        for coach in self.participants.values_mut().filter(|p| p.row.call_sid_to_coach == Some(call)) {
            coach.lose_coached();
            coach.row.updated = turn.now.wall;
            turn.save_participant(&coach.row);
        }
        self.free_coach_bits();

        let reason = match (was_ending, self.participants.is_empty(), how) {
            (true, _, Leaving::HungUp) => ReasonConferenceEnded::EndOnExitLeft,
            (true, _, Leaving::Kicked) => ReasonConferenceEnded::EndOnExitKicked,
            (false, true, Leaving::HungUp) => ReasonConferenceEnded::LastLeft,
            (false, true, Leaving::Kicked) => ReasonConferenceEnded::LastKicked,
            (false, false, _) => {
                if beeps && self.has_started() {
                    let (playback, sound) = (turn.names.playback(), Arc::clone(&turn.config.beep));
                    turn.media.push(Command::Announce { room: self.room, playback, sound });
                }
                self.sound_all(turn);
                return AfterLeave::GoesOn;
            }
        };
        AfterLeave::Over { left_behind: self.end(reason, Some(call), turn) }
    }

    /// Completes the conference. Returns the calls that were in it: they have nothing more to do.
    pub(crate) fn end(&mut self, reason: ReasonConferenceEnded, by: Option<CallSid>, turn: &mut Turn) -> Vec<CallSid> {
        let left_behind = self.participants.keys().copied().collect();
        for participant in std::mem::take(&mut self.participants).into_values() {
            self.complete_participant(participant, turn);
        }
        self.row.status = ConferenceStatus::Completed;
        self.row.reason_ended = Some(reason);
        self.row.call_sid_ending = by;
        self.touch(turn);
        info!(conference_sid = %self.row.sid, reason_conference_ended = %reason, "conference ended");
        left_behind
    }

    /// Changes a participant as the API asks: everything at once, or nothing (rest-voice §5.3).
    pub(crate) fn update(
        &mut self,
        call: CallSid,
        change: &ParticipantChange,
        turn: &mut Turn,
    ) -> Result<Participant, Refusal> {
        let participant = self.participants.get(&call).ok_or(Refusal::ParticipantNotFound)?;
        let coach_target = participant.coach_target(change).map_err(|()| Refusal::CoachWithoutTarget)?;
        if let Some(target) = coach_target.filter(|_| change.coaching.is_some() || change.call_sid_to_coach.is_some()) {
            self.check_coach_target(call, target)?;
            self.coach_bits.give(target).ok_or(Refusal::TooManyCoached)?;
        }

        let participant = self.participants.get_mut(&call).ok_or(Refusal::ParticipantNotFound)?;
        if participant.apply(change, coach_target) {
            participant.row.updated = turn.now.wall;
            turn.save_participant(&participant.row);
            let row = &participant.row;
            info!(muted = row.muted, hold = row.hold, coaching = row.coaching, "participant updated");
        }
        if let Some(announce) = change.announce.as_ref().filter(|announce| !announce.url.is_empty()) {
            let wanted_by = WantedBy::AnnounceTo { conference: self.row.sid, call };
            if turn.fetch(announce, wanted_by).is_none() {
                warn!("too many fetches under way, no announcement");
            }
        }
        let row = participant.row.clone();
        self.free_coach_bits();
        // The coached leg's ears change with its coach's flags, so more than one leg may sound different.
        self.sound_all(turn);
        Ok(row)
    }

    fn check_coach_target(&self, coach: CallSid, target: CallSid) -> Result<(), Refusal> {
        let target = self.participants.get(&target).ok_or(Refusal::CoachTargetAbsent)?;
        if target.row.call_sid == coach || target.row.coaching {
            return Err(Refusal::CoachTargetCoaches);
        }
        if target.row.hold {
            return Err(Refusal::CoachTargetOnHold);
        }
        Ok(())
    }

    /// Asks for an announcement to everyone.
    pub(crate) fn announce(&self, url: &AudioUrl, turn: &mut Turn) {
        if turn.fetch(url, WantedBy::Announce { conference: self.row.sid }).is_none() {
            warn!("too many fetches under way, no announcement");
        }
    }

    /// The phone has put us on hold, or has taken us off again.
    pub(crate) fn phone_holds(&mut self, call: CallSid, holds: bool, turn: &mut Turn) {
        if let Some(participant) = self.participants.get_mut(&call) {
            participant.phone_holds = holds;
        }
        self.sound(call, turn);
    }

    /// Wait or hold audio for one participant has come, or has not.
    pub(crate) fn audio_fetched(
        &mut self,
        call: CallSid,
        fetch: FetchId,
        outcome: Result<Arc<Pages>, FetchFailed>,
        turn: &mut Turn,
    ) {
        if let Some(participant) = self.participants.get_mut(&call) {
            participant.fetched(fetch, outcome, turn);
        }
    }

    /// An announcement to one participant has come, or has not.
    pub(crate) fn announcement_to(&mut self, call: CallSid, outcome: Result<Arc<Pages>, FetchFailed>, turn: &mut Turn) {
        match (outcome, self.participants.get_mut(&call)) {
            (Ok(pages), Some(participant)) => participant.announce(pages, turn),
            (Err(error), _) => warn!(error_code = error.code, "{error}, no announcement"),
            (Ok(_), None) => {}
        }
    }

    /// An announcement to everyone has come, or has not. Those who wait hear it in place of their music.
    pub(crate) fn announcement(&mut self, outcome: Result<Arc<Pages>, FetchFailed>, turn: &mut Turn) {
        match outcome {
            Ok(sound) if self.has_started() => {
                let playback = turn.names.playback();
                turn.media.push(Command::Announce { room: self.room, playback, sound });
            }
            Ok(sound) => {
                for participant in self.participants.values_mut() {
                    participant.announce(Arc::clone(&sound), turn);
                }
            }
            Err(error) => warn!(conference_sid = %self.row.sid, error_code = error.code, "{error}, no announcement"),
        }
    }

    /// Something played to one participant has ended.
    pub(crate) fn playback_ended(&mut self, call: CallSid, playback: PlaybackId, turn: &mut Turn) {
        let ended = self.participants.get_mut(&call).is_some_and(|p| p.playback_ended(playback));
        if ended {
            self.sound(call, turn);
        }
    }

    fn complete_participant(&self, mut participant: LiveParticipant, turn: &mut Turn) {
        participant.row.status = ParticipantStatus::Complete;
        participant.row.updated = turn.now.wall;
        turn.save_participant(&participant.row);
        info!(conference_sid = %self.row.sid, call_sid = %participant.row.call_sid, "participant left");
    }

    fn touch(&mut self, turn: &mut Turn) {
        self.row.updated = turn.now.wall;
        turn.save_conference(&self.row);
    }

    fn free_coach_bits(&mut self) {
        let participants = &self.participants;
        self.coach_bits.retain(|coached| participants.values().any(|p| p.row.call_sid_to_coach == Some(coached)));
    }

    fn sound_all(&mut self, turn: &mut Turn) {
        let started = self.has_started();
        for (call, participant) in &mut self.participants {
            let coach_bit = participant.row.call_sid_to_coach.map(|coached| self.coach_bits.of(coached));
            let own_bit = self.coach_bits.of(*call);
            let wanted = hearing(started, &participant.row, participant.phone_holds, coach_bit, own_bit);
            participant.sound_as(wanted, turn);
        }
    }

    fn sound(&mut self, call: CallSid, turn: &mut Turn) {
        let started = self.has_started();
        if let Some(participant) = self.participants.get_mut(&call) {
            let coach_bit = participant.row.call_sid_to_coach.map(|coached| self.coach_bits.of(coached));
            let own_bit = self.coach_bits.of(call);
            let wanted = hearing(started, &participant.row, participant.phone_holds, coach_bit, own_bit);
            participant.sound_as(wanted, turn);
        }
    }
}
