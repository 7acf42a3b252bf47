//! `<Gather>`: keys are awaited while prompts are heard, and after (twiml §4.1).

use std::time::Duration;

use model::CallSid;
use tracing::info;
use twiml::{Gathered, Patience};

use super::Board;
use crate::keypad::By;
use crate::script::{Doing, Gathering, Key, ScriptId};
use crate::turn::Turn;
use crate::webhook::Remark;

/// How long a `<Gather>` waits that leaves it to a speech engine.
const PATIENCE_AUTO: Duration = Duration::from_secs(5);

impl Board {
    pub(super) fn gather(&mut self, id: ScriptId, gather: Box<twiml::Gather>, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let speech_only = gather.speech && !gather.dtmf;
        if gather.speech
            && let Some(call) = self.calls.get(&script.call)
        {
            let heard = if speech_only { "nothing is" } else { "only keys are" };
            let message = format!("no speech engine is configured: {heard} heard");
            let remark = Remark { code: 13_340, message };
            turn.notify(call.row.account_sid, Some(call.sid()), remark, None);
        }
        info!(digits_max = gather.digits_max, speech_only, "gathering");
        let mut gathering = Gathering::new(gather);
        let first = gathering.prompts.pop_front();
        script.gathering = Some(gathering);
        match first {
            Some(prompt) => self.prompt(id, prompt, turn),
            None => self.listen(id, turn),
        }
    }

    /// The prompts are over: from now on silence counts.
    pub(super) fn listen(&mut self, id: ScriptId, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let Some(gathering) = &script.gathering else { return };
        let patience = match gathering.gather.timeout {
            Patience::For(time) => time,
            Patience::Auto => PATIENCE_AUTO,
        };
        script.doing = Doing::Listening;
        self.set_timer(id, patience, turn);
    }

    /// The call's phone has pressed a key, or says once more that it has.
    pub(super) fn pressed(&mut self, call: CallSid, key: char, by: By, in_audio: bool, turn: &mut Turn) {
        let live = self.calls.get_mut(&call);
        if live.is_some_and(|live| live.keypad.press(turn.now.instant, key, by)) {
            self.digit(call, key, in_audio, turn);
        }
    }

    /// A key counts; `in_audio`: whoever hears the phone has heard it, too.
    fn digit(&mut self, call: CallSid, key: char, in_audio: bool, turn: &mut Turn) {
        self.stream_digit(call, key, turn);
        if key == '*' && self.star(call, turn) {
            return;
        }
        if !in_audio {
            self.pass_on_digit(call, key, turn);
        }
        let scripts = self.calls.get(&call).map(|call| call.scripts.clone()).unwrap_or_default();
        let gathers = |id: &ScriptId| self.scripts.get(id).is_some_and(|script| script.gathering.is_some());
        let Some(id) = scripts.into_iter().find(gathers) else { return };
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let prompting = !matches!(script.doing, Doing::Listening);
        let Some(gathering) = script.gathering.as_mut() else { return };
        match gathering.press(key, prompting) {
            Key::Ignored => {}
            Key::Noted => {
                self.stop_prompts(id, turn);
                self.listen(id, turn);
            }
            Key::Enough { finished_on_key } => {
                self.stop_prompts(id, turn);
                self.gathered(id, finished_on_key, turn);
            }
        }
    }

    fn stop_prompts(&mut self, id: ScriptId, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        if let Some(gathering) = script.gathering.as_mut() {
            gathering.prompts.clear();
        }
        if let (Doing::Playing { .. }, Some(call)) = (&script.doing, self.calls.get(&script.call)) {
            turn.media.push(media::Command::StopPlay { leg: call.leg });
        }
        script.doing = Doing::Listening;
    }

    /// Enough keys, or enough silence.
    pub(super) fn gathered(&mut self, id: ScriptId, finished_on_key: Option<char>, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let Some(Gathering { digits, gather, .. }) = script.gathering.take() else { return };
        info!(digits = digits.len(), "gathered");
        let outcome = if digits.is_empty() && !gather.action_on_empty_result {
            twiml::Outcome::Nothing
        } else {
            twiml::Outcome::Gathered(Gathered::Digits { digits, finished_on_key })
        };
        self.went(id, outcome, turn);
    }
}
