//! A conference while it lives: its participants, when it starts and ends, and who hears whom in its room.
//!
//! `init ─ two connected, one of them may start it ─▶ in-progress ─ last one leaves, or it is ended ─▶ completed`
//! The rules are those of rest-voice §4.3 and §5.3; what is heard follows from [`hearing`].

use std::collections::BTreeMap;
use std::sync::Arc;

use media::{Command, Pages};
use model::{
    CallSid, CallStatus, Conference, ConferenceEvent, ConferenceStatus, Happening, LegId, Participant,
    ParticipantHappening, ParticipantStatus, PlaybackId, ReasonConferenceEnded, ReasonParticipantLeft, RoomId,
};
use tracing::{info, warn};

use crate::announcements::{Announcement, Announcements};
use crate::command::{AudioUrl, ParticipantChange, ParticipantRef, Refusal};
use crate::entry::Entry;
use crate::hearing::{CoachBits, hearing};
use crate::participant::LiveParticipant;
use crate::script::{Role, ScriptId, Source};
use crate::turn::Turn;

/// A conference that is not completed.
#[derive(Debug)]
pub(crate) struct LiveConference {
    pub(crate) row: Conference,
    pub(crate) room: RoomId,
    participants: BTreeMap<CallSid, LiveParticipant>,
    /// Those who are being called in. They have their place kept, too.
    invited: BTreeMap<CallSid, Invited>,
    /// Calls that are being answered into this room. They count for its bound, and keep it from vanishing.
    arriving: usize,
    participants_max: usize,
    /// Somebody has joined, so that the API may see it.
    shown: bool,
    coach_bits: CoachBits,
    announcements: Announcements,
    /// Events so far.
    happened: u32,
    /// Who was last told to be the active speaker.
    speaker: Option<CallSid>,
}

/// Somebody who is being called in.
#[derive(Debug)]
struct Invited {
    row: Participant,
    entry: Entry,
}

/// How a participant leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its call ended by itself.
    HungUp,
    /// Its call was ended over the API.
    CallEnded,
    /// It was removed over the API.
    Kicked,
    /// Its call was given another document.
    Redirected,
}

impl Invited {
    /// Changes what it will come with. It cannot be held, and nothing is played to it yet.
    fn update(&mut self, change: &ParticipantChange, turn: &mut Turn) -> Result<Participant, Refusal> {
        if change.hold == Some(true) {
            return Err(Refusal::NotConnected);
        }
        if change.coaching == Some(true) && change.call_sid_to_coach.or(self.row.call_sid_to_coach).is_none() {
            return Err(Refusal::CoachWithoutTarget);
        }
        let before = self.row.clone();
        self.row.muted = change.muted.unwrap_or(self.row.muted);
        self.row.end_conference_on_exit = change.end_conference_on_exit.unwrap_or(self.row.end_conference_on_exit);
        self.row.beep_on_exit = change.beep_on_exit.unwrap_or(self.row.beep_on_exit);
        self.row.tuning = change.tuning.over(self.row.tuning);
        if let Some(target) = change.call_sid_to_coach {
            (self.row.coaching, self.row.call_sid_to_coach) = (true, Some(target));
        }
        if change.coaching == Some(false) {
            (self.row.coaching, self.row.call_sid_to_coach) = (false, None);
        }
        if let Some(wait) = &change.wait_audio {
            self.entry.wait = Some(wait.clone());
        }
        if let Some(hold) = &change.hold_audio {
            self.entry.hold = Some(hold.clone());
        }
        if self.row != before {
            self.row.updated = turn.now.wall;
            turn.save_participant(&self.row);
        }
        Ok(self.row.clone())
    }
}

/// What is told of the call of somebody who has left.
fn status_after(goes_on: bool) -> CallStatus {
    if goes_on { CallStatus::InProgress } else { CallStatus::Completed }
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
        Self {
            row,
            room,
            participants: BTreeMap::new(),
            invited: BTreeMap::new(),
            arriving: 0,
            participants_max: usize::MAX,
            shown: false,
            coach_bits: CoachBits::default(),
            announcements: Announcements::default(),
            happened: 0,
            speaker: None,
        }
    }

    /// How many may be in it, which its creator decides (rest-voice §4.3).
    pub(crate) fn bound(&mut self, participants_max: usize) {
        if self.is_abandoned() && !self.shown {
            self.participants_max = participants_max;
        }
    }

    /// Keeps a place for a call that is being answered. False: the conference is full.
    pub(crate) fn expect(&mut self, legs_max: usize) -> bool {
        let fits = self.participants.len() + self.arriving < legs_max.min(self.participants_max);
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
            ParticipantRef::Call(call) => {
                let here = self.participants.contains_key(call) || self.invited.contains_key(call);
                here.then_some(*call)
            }
            ParticipantRef::Label(label) => {
                let labelled = |p: &&LiveParticipant| p.row.label.as_ref() == Some(label);
                let invited = self.invited.values().find(|p| p.row.label.as_ref() == Some(label));
                let here = self.participants.values().find(labelled).map(|p| p.row.call_sid);
                here.or(invited.map(|p| p.row.call_sid))
            }
        }
    }

    /// An expected call is here. Its leg is in the room already, mute and deaf.
    pub(crate) fn join(&mut self, call: CallSid, leg: LegId, phone_holds: bool, entry: Entry, turn: &mut Turn) {
        self.arriving -= 1;
        self.show(turn);
        // Whoever was called in comes as it was wanted, with what was changed about it meanwhile.
        let invited = self.invited.remove(&call);
        let (mut row, entry) = match invited {
            Some(Invited { row, entry }) => (row, entry),
            None => (self.row_of(call, &entry, ParticipantStatus::Connected, turn), entry),
        };
        row.status = ParticipantStatus::Connected;
        row.updated = turn.now.wall;
        if let Some(coached) = row.call_sid_to_coach {
            let may = self.check_coach_target(call, coached).is_ok() && self.coach_bits.give(coached).is_some();
            if !may {
                // Whom it was to coach has left meanwhile: it is not heard by all instead (rest-voice §5.4).
                (row.coaching, row.call_sid_to_coach, row.muted) = (false, None, true);
            }
        }
        turn.save_participant(&row);
        self.tell_of(ParticipantHappening::Joined, &row, turn);
        let coaches = row.coaching;
        let participant = LiveParticipant::new(row, leg, phone_holds, &entry);
        participant.tune(Default::default(), turn);
        self.participants.insert(call, participant);
        info!(conference_sid = %self.row.sid, "participant joined");

        let may_start = self.participants.values().any(|p| p.row.start_conference_on_enter);
        if self.row.status == ConferenceStatus::Init && self.participants.len() >= 2 && may_start {
            self.row.status = ConferenceStatus::InProgress;
            self.touch(turn);
            self.tell(Happening::Started, turn);
            info!(conference_sid = %self.row.sid, "conference started");
            self.sound_all(turn);
        } else if coaches {
            self.sound_all(turn); // whoever it coaches has to listen to it
        } else {
            self.sound(call, turn);
        }
        if entry.beep.on_enter() {
            self.beep(turn);
        }
    }

    /// Heard by all who neither wait nor are on hold (rest-voice §4.3).
    fn beep(&mut self, turn: &mut Turn) {
        if self.has_started() {
            let (playback, sound) = (turn.names.playback(), Arc::clone(&turn.config.beep));
            turn.media.push(Command::Announce { room: self.room, playback, sound });
        }
    }

    /// With what somebody who is here would come into another conference.
    pub(crate) fn entry_of(&self, call: CallSid) -> Option<Entry> {
        self.participants.get(&call).map(LiveParticipant::entry)
    }

    /// Somebody who is here, as the API shows it.
    pub(crate) fn row_of_participant(&self, call: CallSid) -> Option<&Participant> {
        self.participants.get(&call).map(|participant| &participant.row)
    }

    /// Nobody else here has this label (twiml §6.1).
    pub(crate) fn is_free(&self, label: &str) -> bool {
        let mut rows = self.participants.values().map(|p| &p.row).chain(self.invited.values().map(|p| &p.row));
        !rows.any(|row| row.label.as_deref() == Some(label))
    }

    /// Somebody is being called in: the API may see it from now on.
    pub(crate) fn invite(&mut self, call: CallSid, entry: Entry, turn: &mut Turn) -> Participant {
        self.show(turn);
        let row = self.row_of(call, &entry, ParticipantStatus::Queued, turn);
        turn.save_participant(&row);
        self.invited.insert(call, Invited { row: row.clone(), entry });
        row
    }

    /// The one who is being called in is being rung.
    pub(crate) fn rings(&mut self, call: CallSid, turn: &mut Turn) {
        let Some(invited) = self.invited.get_mut(&call) else { return };
        if invited.row.status != ParticipantStatus::Ringing {
            invited.row.status = ParticipantStatus::Ringing;
            invited.row.updated = turn.now.wall;
            turn.save_participant(&invited.row);
        }
    }

    /// The one who was being called in will not come.
    pub(crate) fn not_added(&mut self, call: CallSid, call_status: CallStatus, turn: &mut Turn) {
        let Some(Invited { mut row, .. }) = self.invited.remove(&call) else { return };
        row.status = ParticipantStatus::Failed;
        row.updated = turn.now.wall;
        turn.save_participant(&row);
        let reason = ReasonParticipantLeft::AddFailed;
        self.tell(Happening::Left { participant: row, call_status, reason, stats: None }, turn);
    }

    /// Nobody is in it, nobody is on the way, and the API has seen it.
    pub(crate) fn is_unused(&self) -> bool {
        self.is_abandoned() && self.shown
    }

    /// It was only made for somebody who never came.
    pub(crate) fn end_unused(&mut self, turn: &mut Turn) {
        self.end(ReasonConferenceEnded::LastLeft, None, &|_| false, turn);
    }

    fn show(&mut self, turn: &mut Turn) {
        if !self.shown {
            self.shown = true;
            self.row.created = turn.now.wall;
            turn.save_conference(&self.row);
            info!(conference_sid = %self.row.sid, friendly_name = self.row.friendly_name, "conference created");
        }
    }

    fn row_of(&self, call: CallSid, entry: &Entry, status: ParticipantStatus, turn: &mut Turn) -> Participant {
        Participant {
            call_sid: call,
            conference_sid: self.row.sid,
            account_sid: self.row.account_sid,
            label: entry.label.clone(),
            muted: entry.muted,
            hold: false,
            coaching: entry.coach.is_some(),
            call_sid_to_coach: entry.coach,
            start_conference_on_enter: entry.starts,
            end_conference_on_exit: entry.ends,
            beep_on_exit: entry.beep.on_exit(),
            tuning: entry.tuning,
            status,
            created: turn.now.wall,
            updated: turn.now.wall,
            seq: turn.names.seq(),
        }
    }

    /// Whether somebody who is to be called in could coach `target`, as things are.
    pub(crate) fn may_be_coached(&self, target: CallSid) -> Result<(), Refusal> {
        self.check_coach_target(CallSid::from_bits(0), target)
    }

    /// Whether somebody who wants to coach `target` from the moment of joining can.
    pub(crate) fn may_coach(&mut self, coach: CallSid, target: CallSid) -> Result<(), Refusal> {
        self.check_coach_target(coach, target)?;
        self.coach_bits.give(target).map(|_| ()).ok_or(Refusal::TooManyCoached)
    }

    /// A participant goes; its leg is the caller's to close. Its conference may go with it.
    ///
    /// `goes_on`: whether a call has something to do after it, as far as that is known.
    pub(crate) fn leave(
        &mut self,
        call: CallSid,
        how: Leaving,
        goes_on: &dyn Fn(CallSid) -> bool,
        turn: &mut Turn,
    ) -> AfterLeave {
        let Some(gone) = self.participants.remove(&call) else { return AfterLeave::GoesOn };
        let was_ending = gone.row.end_conference_on_exit;
        let beeps = gone.row.beep_on_exit;
        let label = gone.row.label.clone();
        let why = match how {
            Leaving::HungUp => ReasonParticipantLeft::HungUp,
            Leaving::CallEnded | Leaving::Kicked | Leaving::Redirected => ReasonParticipantLeft::UpdatedViaApi,
        };
        let status = status_after(how == Leaving::Redirected || goes_on(call));
        self.complete_participant(gone, why, status, turn);

        // Whoever coached the one that left falls silent.
        let mut silenced = Vec::new();
        for coach in self.participants.values_mut().filter(|p| p.row.call_sid_to_coach == Some(call)) {
            silenced.push(coach.row.clone());
            coach.lose_coached();
            coach.row.updated = turn.now.wall;
            turn.save_participant(&coach.row);
        }
        for before in silenced {
            self.tell_changes(&before, false, turn);
        }
        self.free_coach_bits();

        let reason = match (was_ending, self.participants.is_empty(), how) {
            (true, _, Leaving::HungUp | Leaving::CallEnded | Leaving::Redirected) => {
                ReasonConferenceEnded::EndOnExitLeft
            }
            (true, _, Leaving::Kicked) => ReasonConferenceEnded::EndOnExitKicked,
            (false, true, Leaving::HungUp | Leaving::CallEnded | Leaving::Redirected) => {
                ReasonConferenceEnded::LastLeft
            }
            (false, true, Leaving::Kicked) => ReasonConferenceEnded::LastKicked,
            (false, false, _) => {
                if beeps {
                    self.beep(turn);
                }
                self.sound_all(turn);
                return AfterLeave::GoesOn;
            }
        };
        AfterLeave::Over { left_behind: self.end(reason, Some((call, label)), goes_on, turn) }
    }

    /// Completes the conference. Returns the calls that were in it: they have nothing more to do.
    ///
    /// `by`: whose leaving ended it, and the application's name for it.
    pub(crate) fn end(
        &mut self,
        reason: ReasonConferenceEnded,
        by: Option<(CallSid, Option<String>)>,
        goes_on: &dyn Fn(CallSid) -> bool,
        turn: &mut Turn,
    ) -> Vec<CallSid> {
        let left_behind = self.participants.keys().chain(self.invited.keys()).copied().collect();
        for invited in self.invited.keys().copied().collect::<Vec<_>>() {
            self.not_added(invited, CallStatus::Canceled, turn);
        }
        let why = match reason {
            ReasonConferenceEnded::ViaApi => ReasonParticipantLeft::ConferenceEndedViaApi,
            _ => ReasonParticipantLeft::ModeratorEnded,
        };
        for participant in std::mem::take(&mut self.participants).into_values() {
            let status = status_after(goes_on(participant.row.call_sid));
            self.complete_participant(participant, why, status, turn);
        }
        for announcement in self.announcements.drain() {
            turn.stop_script(announcement.script);
            self.not_announced(announcement.url, announcement.to, "the conference ended", turn);
        }
        self.row.status = ConferenceStatus::Completed;
        self.row.reason_ended = Some(reason);
        self.row.call_sid_ending = by.as_ref().map(|(call, _)| *call);
        self.touch(turn);
        self.tell(Happening::Ended { reason, by }, turn);
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
        if let Some(invited) = self.invited.get_mut(&call) {
            return invited.update(change, turn);
        }
        let participant = self.participants.get(&call).ok_or(Refusal::ParticipantNotFound)?;
        let coach_target = participant.coach_target(change).map_err(|()| Refusal::CoachWithoutTarget)?;
        if let Some(target) = coach_target.filter(|_| change.coaching.is_some() || change.call_sid_to_coach.is_some()) {
            self.check_coach_target(call, target)?;
            self.coach_bits.give(target).ok_or(Refusal::TooManyCoached)?;
        }

        let participant = self.participants.get_mut(&call).ok_or(Refusal::ParticipantNotFound)?;
        let before = participant.row.clone();
        let announced = participant.announcement();
        let changed = participant.apply(change, coach_target);
        if changed.row {
            participant.row.updated = turn.now.wall;
            turn.save_participant(&participant.row);
            participant.tune(before.tuning, turn);
            let row = &participant.row;
            info!(muted = row.muted, hold = row.hold, coaching = row.coaching, "participant updated");
        }
        let row = participant.row.clone();
        self.tell_changes(&before, changed.wait_audio, turn);
        if let Some(announce) = change.announce.as_ref().filter(|announce| !announce.url.is_empty()) {
            self.begin_announcement(announce, call, Some(call), turn);
        }
        self.free_coach_bits();
        // The coached leg's ears change with its coach's flags, so more than one leg may sound different.
        self.sound_all(turn);
        let still_announced = self.participants.get(&call).and_then(LiveParticipant::announcement);
        if let Some(cut) = announced.filter(|_| announced != still_announced) {
            self.announcement_cut(cut, "the participant was put on hold", turn);
        }
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
    pub(crate) fn announce(&mut self, audio: &AudioUrl, turn: &mut Turn) {
        if let Some(call) = self.eldest() {
            self.begin_announcement(audio, call, None, turn);
        }
    }

    /// Whose parameters the application is sent of what concerns everybody: the one that has been here longest.
    pub(crate) fn eldest(&self) -> Option<CallSid> {
        self.participants.values().min_by_key(|p| p.row.seq).map(|p| p.row.call_sid)
    }

    fn begin_announcement(&mut self, audio: &AudioUrl, about: CallSid, to: Option<CallSid>, turn: &mut Turn) {
        let role = Role::Announcement { conference: self.row.sid };
        let script = turn.start_script(about, role, Source::Url(audio.clone()));
        if !self.announcements.begin(script, audio.url.clone(), to) {
            turn.stop_script(script);
            self.not_announced(audio.url.clone(), to, "too many announcements are under way", turn);
        }
    }

    /// The phone has put us on hold, or has taken us off again.
    pub(crate) fn phone_holds(&mut self, call: CallSid, holds: bool, turn: &mut Turn) {
        if let Some(participant) = self.participants.get_mut(&call) {
            participant.phone_holds = holds;
        }
        self.sound(call, turn);
    }

    /// Plays one sound of an announcement: to the one it is for, or to everybody. Those who wait hear it in place of
    /// their music. Nothing plays, and why not, if nobody can hear it.
    pub(crate) fn play_announcement(
        &mut self,
        script: ScriptId,
        sound: &Arc<Pages>,
        turn: &mut Turn,
    ) -> Result<Vec<PlaybackId>, &'static str> {
        let to = self.announcements.find(script).ok_or("it is over")?.to;
        if to.is_none() && self.has_started() {
            let playback = turn.names.playback();
            turn.media.push(Command::Announce { room: self.room, playback, sound: Arc::clone(sound) });
            return Ok(vec![playback]);
        }
        let mut cut = Vec::new();
        let mut begun = Vec::new();
        for participant in self.participants.values_mut().filter(|p| to.is_none_or(|to| to == p.row.call_sid)) {
            let before = participant.announcement().filter(|before| *before != script);
            if participant.announce(script, turn) {
                begun.push(turn.play(participant.leg, Arc::clone(sound), false));
                cut.extend(before);
            }
        }
        cut.sort_unstable();
        cut.dedup();
        for cut in cut {
            // One that others still hear goes on.
            if !self.participants.values().any(|p| p.announcement() == Some(cut)) {
                self.announcement_cut(cut, "another announcement began", turn);
            }
        }
        match (begun.is_empty(), to) {
            (false, _) => Ok(begun),
            (true, Some(_)) => Err("the participant is on hold"),
            (true, None) => Err("everybody is on hold"),
        }
    }

    /// The scripts of all announcements under way.
    pub(crate) fn announcing(&self) -> Vec<ScriptId> {
        self.announcements.scripts()
    }

    /// An announcement's script has ended: everything has been heard, or why not.
    pub(crate) fn announcement_over(&mut self, script: ScriptId, failure: Option<&str>, turn: &mut Turn) {
        let Some(Announcement { url, to, .. }) = self.announcements.ended(script) else { return };
        let heard_by: Vec<CallSid> = self
            .participants
            .values_mut()
            .filter_map(|p| p.announcement_over(script).then_some(p.row.call_sid))
            .collect();
        for call in heard_by {
            self.sound(call, turn);
        }
        match failure {
            Some(why) => self.not_announced(url, to, why, turn),
            None => {
                info!(conference_sid = %self.row.sid, "announcement ended");
                self.tell_announced(url, to, None, turn);
            }
        }
    }

    fn announcement_cut(&mut self, script: ScriptId, why: &str, turn: &mut Turn) {
        if let Some(Announcement { url, to, .. }) = self.announcements.ended(script) {
            turn.stop_script(script);
            self.not_announced(url, to, why, turn);
        }
    }

    fn not_announced(&mut self, url: String, to: Option<CallSid>, why: &str, turn: &mut Turn) {
        warn!(conference_sid = %self.row.sid, why, "no announcement");
        self.tell_announced(url, to, Some(why.to_owned()), turn);
    }

    fn tell_announced(&mut self, url: String, to: Option<CallSid>, failure: Option<String>, turn: &mut Turn) {
        let to = match to {
            None => None,
            Some(call) => match self.participants.get(&call) {
                Some(participant) => Some(participant.row.clone()),
                None => return, // it has left, and that was told
            },
        };
        self.tell(Happening::Announced { url, to, failure }, turn);
    }

    fn complete_participant(
        &mut self,
        mut participant: LiveParticipant,
        reason: ReasonParticipantLeft,
        call_status: CallStatus,
        turn: &mut Turn,
    ) {
        participant.row.status = ParticipantStatus::Complete;
        participant.row.updated = turn.now.wall;
        turn.save_participant(&participant.row);
        participant.fall_silent(turn);
        for cut in self.announcements.to(participant.row.call_sid) {
            self.announcement_cut(cut, "the participant left", turn);
        }
        info!(conference_sid = %self.row.sid, call_sid = %participant.row.call_sid, "participant left");
        let left = Happening::Left { participant: participant.row, call_status, reason, stats: None };
        let event = self.event(left, turn);
        turn.journal.note_leave(event, participant.leg, turn.now.instant);
    }

    /// A participant has begun to talk, or has stopped.
    pub(crate) fn speech(&mut self, call: CallSid, talks: bool, turn: &mut Turn) {
        if let Some(participant) = self.participants.get_mut(&call) {
            participant.talks = talks;
            self.tell_speech(call, turn);
        }
    }

    /// Another one is the active speaker now, or nobody is.
    pub(crate) fn active_speaker(&mut self, leg: Option<LegId>, turn: &mut Turn) {
        let speaks = |p: &&LiveParticipant| Some(p.leg) == leg && p.is_heard();
        let speaker = self.participants.values().find(speaks).map(|p| p.row.call_sid);
        // Somebody who was muted or has left a moment ago is not told any more, nor is that they are gone.
        let is_current = leg.is_none() || speaker.is_some();
        if is_current
            && speaker != self.speaker
            && (speaker.is_none() || turn.journal.admits_fleeting(turn.now.instant))
        {
            self.speaker = speaker;
            self.tell(Happening::Speaker { call: speaker }, turn);
        }
    }

    /// Tells what is different about a participant, one event for each kind of change (rest-voice §5.3).
    fn tell_changes(&mut self, before: &Participant, wait_audio: bool, turn: &mut Turn) {
        use ParticipantHappening as P;
        let Some(participant) = self.participants.get(&before.call_sid) else { return };
        let (now, is_heard) = (participant.row.clone(), participant.is_heard());
        if !is_heard {
            self.tell_speech(now.call_sid, turn);
        }
        let modified = (before.beep_on_exit, before.end_conference_on_exit, before.coaching, before.call_sid_to_coach)
            != (now.beep_on_exit, now.end_conference_on_exit, now.coaching, now.call_sid_to_coach);
        for (happened, happening) in [
            (before.muted != now.muted, if now.muted { P::Muted } else { P::Unmuted }),
            (before.hold != now.hold, if now.hold { P::Held } else { P::Unheld }),
            (modified || wait_audio, P::Modified),
        ] {
            if happened {
                self.tell_of(happening, &now, turn);
            }
        }
        if is_heard {
            self.tell_speech(now.call_sid, turn);
        }
    }

    /// Tells that a participant speaks or does not, if that is news. Who is muted or held never speaks.
    fn tell_speech(&mut self, call: CallSid, turn: &mut Turn) {
        let Some(participant) = self.participants.get_mut(&call) else { return };
        let talks = participant.talks && participant.is_heard();
        if talks == participant.told_talks || talks && !turn.journal.admits_fleeting(turn.now.instant) {
            return;
        }
        participant.told_talks = talks;
        let row = participant.row.clone();
        let happening = if talks { ParticipantHappening::SpeechStarted } else { ParticipantHappening::SpeechStopped };
        self.tell_of(happening, &row, turn);
    }

    fn tell_of(&mut self, happening: ParticipantHappening, participant: &Participant, turn: &mut Turn) {
        self.tell(Happening::Participant(happening, participant.clone()), turn);
    }

    fn tell(&mut self, happening: Happening, turn: &mut Turn) {
        let event = self.event(happening, turn);
        turn.journal.note(event);
    }

    /// The next of this conference's events.
    fn event(&mut self, happening: Happening, turn: &Turn) -> ConferenceEvent {
        self.happened += 1;
        ConferenceEvent {
            seq: 0, // its place among all is known when it leaves
            account_sid: self.row.account_sid,
            conference_sid: self.row.sid,
            friendly_name: self.row.friendly_name.clone(),
            sequence_number: self.happened,
            at: turn.now.wall,
            happening,
        }
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
