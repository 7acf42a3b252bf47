//! What a document lets be heard: sounds that are fetched or spoken, keys that are pressed, and when they are over.

use std::sync::Arc;

use media::Pages;
use model::{CallSid, ConferenceSid, PlaybackId};
use tracing::warn;
use twiml::{Prompt, Repeat};

use super::Board;
use crate::effect::{FetchFailed, FetchId};
use crate::script::{Doing, Role, Script, ScriptId, pieces};
use crate::turn::Turn;
use crate::webhook::Remark;

/// How often one sound of an announcement is heard: `loop="0"` means so often, as it must end some day.
const ANNOUNCED_MAX: u32 = 1_000;

/// Content that cannot be played, by a `<Play>` on its own and by one in a `<Gather>`.
const UNPLAYABLE: u16 = 13_420;
const UNPLAYABLE_IN_GATHER: u16 = 13_325;

impl Board {
    /// Lets something be heard.
    pub(super) fn prompt(&mut self, id: ScriptId, prompt: Prompt, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let Some(call) = self.calls.get(&script.call) else { return };
        match prompt {
            Prompt::Say(say) => match turn.speak(&say, id) {
                Some(fetch) => script.doing = Doing::Fetching { fetch, repeat: say.repeat },
                None => self.sound_not_asked_for(id, turn),
            },
            Prompt::Play(play) => match turn.fetch_sound(&play.url, script.answered.take(), id) {
                Some(fetch) => script.doing = Doing::Fetching { fetch, repeat: play.repeat },
                None => self.sound_not_asked_for(id, turn),
            },
            Prompt::SendDigits(send) => match pieces(&send.digits) {
                Some(digits) => {
                    turn.media.extend(digits.first().map(|d| media::Command::SendDigits { leg: call.leg, digits: *d }));
                    script.doing = Doing::Pressing { digits, next: 1, left: one_less(send.repeat) };
                }
                None => self.prompt_over(id, twiml::Outcome::Failed, turn),
            },
            Prompt::Pause(pause) => {
                script.doing = Doing::Pausing;
                self.set_timer(id, pause.length, turn);
            }
        }
    }

    /// A sound has come, or has not.
    pub(crate) fn fetched(&mut self, fetch: FetchId, outcome: Result<Arc<Pages>, FetchFailed>, turn: &mut Turn) {
        let Some(id) = turn.fetches.close(fetch) else { return };
        self.counts.fetches_failed += u64::from(outcome.is_err());
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let Some(call) = self.calls.get(&script.call) else { return };
        let Doing::Fetching { fetch: awaited, repeat } = script.doing else { return };
        if awaited != fetch {
            return;
        }
        let _in_call = call.span.clone().entered();
        let sound = match outcome {
            Ok(sound) => sound,
            Err(error) => {
                warn!(error_code = error.code, "nothing to hear: {error}");
                let code = match u16::try_from(error.code).unwrap_or(11_200) {
                    UNPLAYABLE if script.gathering.is_some() => UNPLAYABLE_IN_GATHER,
                    code => code,
                };
                let remark = Remark { code, message: error.reason };
                turn.notify(call.row.account_sid, Some(call.sid()), remark, None);
                return self.sound_missing(id, turn);
            }
        };
        if let Role::Announcement { conference } = script.role {
            let times = match repeat {
                Repeat::Times(times) => times.clamp(1, ANNOUNCED_MAX),
                Repeat::Forever => ANNOUNCED_MAX,
            };
            return self.play_announcement(id, conference, sound, times, turn);
        }
        let playbacks = vec![turn.play_times(call.leg, sound, times(repeat))];
        script.doing = Doing::Playing { playbacks, again: None };
    }

    /// Lets a conference, or one of its participants, hear a sound so often.
    fn play_announcement(
        &mut self,
        id: ScriptId,
        conference: ConferenceSid,
        sound: Arc<Pages>,
        times: u32,
        turn: &mut Turn,
    ) {
        let conference = self.conferences.get_mut(&conference);
        match conference.map(|conference| conference.play_announcement(id, &sound, turn)) {
            Some(Ok(playbacks)) => {
                if let Some(script) = self.scripts.get_mut(&id) {
                    let again = times.checked_sub(1).filter(|left| *left > 0).map(|left| (sound, left));
                    script.doing = Doing::Playing { playbacks, again };
                }
            }
            failed => {
                let why = failed.and_then(Result::err).unwrap_or("the conference ended");
                self.announcement_failed(id, why, turn);
            }
        }
    }

    /// Too many sounds are under way already.
    fn sound_not_asked_for(&mut self, id: ScriptId, turn: &mut Turn) {
        self.counts.fetches_failed += 1;
        if let Some(call) = self.scripts.get(&id).and_then(|script| self.calls.get(&script.call)) {
            let message = "too many sounds are being fetched: nothing is heard in place of this one".to_owned();
            let remark = Remark { code: 11_200, message };
            turn.notify(call.row.account_sid, Some(call.sid()), remark, None);
        }
        self.sound_missing(id, turn);
    }

    /// A sound could not be had: an announcement has failed by that, everything else goes on (twiml §3).
    fn sound_missing(&mut self, id: ScriptId, turn: &mut Turn) {
        match self.scripts.get(&id).map(|script| script.role) {
            Some(Role::Announcement { .. }) => self.announcement_failed(id, "the audio could not be had", turn),
            _ => self.prompt_over(id, twiml::Outcome::Failed, turn),
        }
    }

    fn announcement_failed(&mut self, id: ScriptId, why: &str, turn: &mut Turn) {
        let Some(Script { role: Role::Announcement { conference }, .. }) = self.drop_script(id, turn) else { return };
        if let Some(conference) = self.conferences.get_mut(&conference) {
            conference.announcement_over(id, Some(why), turn);
        }
    }

    /// Something played to one call has come to its own end.
    pub(super) fn playback_ended(&mut self, sid: CallSid, playback: PlaybackId, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        let everybodys = self.conference_of(call).and_then(|sid| self.conferences.get(&sid));
        let everybodys = everybodys.map(|conference| conference.announcing()).unwrap_or_default();
        let candidates: Vec<ScriptId> = call.scripts.iter().copied().chain(everybodys).collect();
        self.playback_over(&candidates, playback, turn);
    }

    /// Something played to a whole room has come to its end.
    pub(super) fn announcement_ended(&mut self, room: model::RoomId, playback: PlaybackId, turn: &mut Turn) {
        let conference = self.by_room.get(&room).and_then(|sid| self.conferences.get(sid));
        let candidates = conference.map(|conference| conference.announcing()).unwrap_or_default();
        self.playback_over(&candidates, playback, turn);
    }

    /// The first of several playbacks to end is as good as the last: they began together.
    fn playback_over(&mut self, candidates: &[ScriptId], playback: PlaybackId, turn: &mut Turn) {
        let plays = |id: &&ScriptId| {
            let script = self.scripts.get(id);
            script
                .is_some_and(|s| matches!(&s.doing, Doing::Playing { playbacks, .. } if playbacks.contains(&playback)))
        };
        let Some(id) = candidates.iter().find(plays).copied() else { return };
        let Some(script) = self.scripts.get_mut(&id) else { return };
        match (std::mem::replace(&mut script.doing, Doing::Elsewhere), script.role) {
            (Doing::Playing { again: Some((sound, left)), .. }, Role::Announcement { conference }) => {
                self.play_announcement(id, conference, sound, left, turn);
            }
            _ => self.prompt_over(id, twiml::Outcome::Done, turn),
        }
    }

    /// Every key that was to be pressed has been.
    pub(super) fn digits_sent(&mut self, call: CallSid, turn: &mut Turn) {
        if self.first_digits_sent(call, turn) {
            return;
        }
        let scripts = self.calls.get(&call).map(|call| call.scripts.clone()).unwrap_or_default();
        let presses = |id: &ScriptId| matches!(self.scripts.get(id).map(|s| &s.doing), Some(Doing::Pressing { .. }));
        let Some(id) = scripts.into_iter().find(presses) else { return };
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let Doing::Pressing { digits, next, left } = &mut script.doing else { return };
        if *next == digits.len() && *left != Repeat::Times(0) {
            (*next, *left) = (0, one_less(*left));
        }
        match (digits.get(*next), self.calls.get(&call)) {
            (Some(piece), Some(call)) => {
                *next += 1;
                turn.media.push(media::Command::SendDigits { leg: call.leg, digits: *piece });
            }
            _ => self.prompt_over(id, twiml::Outcome::Done, turn),
        }
    }

    /// A prompt has been heard, or cannot be: the next one, or the step is done.
    pub(super) fn prompt_over(&mut self, id: ScriptId, outcome: twiml::Outcome, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        script.doing = Doing::Elsewhere;
        match script.gathering.as_mut().map(|gathering| gathering.prompts.pop_front()) {
            None => self.went(id, outcome, turn),
            Some(Some(prompt)) => self.prompt(id, prompt, turn),
            Some(None) => self.listen(id, turn),
        }
    }

    /// Something is not quite as the document asked for it, and is heard all the same.
    pub(crate) fn fetch_warning(&mut self, fetch: FetchId, code: u32, reason: String, turn: &mut Turn) {
        let call = turn.fetches.asker(fetch).and_then(|id| self.scripts.get(&id)).map(|script| script.call);
        let Some(call) = call.and_then(|sid| self.calls.get(&sid)) else { return };
        let code = u16::try_from(code).unwrap_or(11_200);
        let remark = Remark { code, message: reason };
        turn.notify(call.row.account_sid, Some(call.sid()), remark, None);
    }
}

fn one_less(repeat: Repeat) -> Repeat {
    match repeat {
        Repeat::Times(times) => Repeat::Times(times.saturating_sub(1)),
        Repeat::Forever => Repeat::Forever,
    }
}

/// As the audio plane counts: 0 is for ever.
fn times(repeat: Repeat) -> u32 {
    match repeat {
        Repeat::Times(times) => times.max(1),
        Repeat::Forever => 0,
    }
}
