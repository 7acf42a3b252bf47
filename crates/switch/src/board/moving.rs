//! A participant goes from one conference to another: it leaves the one and joins the other within one turn. Its leg moves
//! from room to room, so that nothing of its audio is set up anew. Ours: Twilio has no such request.

use media::Command;
use model::{AccountSid, CallSid, ConferenceSid, Participant};

use super::Board;
use crate::call::Place;
use crate::command::{ConferenceRef, ParticipantRef, Refusal};
use crate::conference::Leaving;
use crate::turn::Turn;

impl Board {
    /// All of it, or nothing: the other conference is asked for a place before this one is left.
    pub(super) fn move_participant(
        &mut self,
        account: AccountSid,
        from: &ConferenceRef,
        participant: &ParticipantRef,
        to: &ConferenceRef,
        turn: &mut Turn,
    ) -> Result<Participant, Refusal> {
        let (from, sid) = self.find_participant(account, from, participant)?;
        let live = self.conferences.get(&from).ok_or(Refusal::ConferenceNotFound)?;
        // Who is being called in is in no room yet.
        let entry = live.entry_of(sid).ok_or(Refusal::NotConnected)?;
        let to = match to {
            ConferenceRef::Sid(_) => self.find_conference(account, to).ok_or(Refusal::ConferenceNotFound)?,
            ConferenceRef::Name(name) => self.conference_named(account, name, turn),
        };
        if to == from {
            return self.row_in(from, sid);
        }
        if let Err(refusal) = self.keep_place(to, entry.label.as_deref(), turn) {
            self.forget_if_abandoned(to);
            return Err(refusal);
        }
        let call = self.calls.get(&sid).ok_or(Refusal::ParticipantNotFound)?;
        let (leg, holds, span) = (call.leg, call.phone_holds, call.span.clone());
        let _in_call = span.enter();
        self.leave_conference(from, sid, Leaving::Redirected, turn);
        let live = self.conferences.get_mut(&to).ok_or(Refusal::ConferenceNotFound)?;
        turn.media.push(Command::Move { leg, room: live.room, emit: 0, hear: 0 });
        live.join(sid, leg, holds, entry, turn);
        if let Some(call) = self.calls.get_mut(&sid) {
            call.place = Place::Conference(to);
        }
        self.row_in(to, sid)
    }

    fn keep_place(&mut self, to: ConferenceSid, label: Option<&str>, turn: &Turn) -> Result<(), Refusal> {
        let live = self.conferences.get_mut(&to).ok_or(Refusal::ConferenceNotFound)?;
        if label.is_some_and(|label| !live.is_free(label)) {
            return Err(Refusal::LabelTaken);
        }
        live.expect(turn.config.room_legs_max).then_some(()).ok_or(Refusal::ConferenceFull)
    }

    fn row_in(&self, conference: ConferenceSid, call: CallSid) -> Result<Participant, Refusal> {
        let row = self.conferences.get(&conference).and_then(|live| live.row_of_participant(call));
        row.cloned().ok_or(Refusal::ParticipantNotFound)
    }
}
