//! Running documents: doing what they say, step by step, and what comes of that.

use std::time::Duration;

use media::ECHO;
use model::CallSid;
use twiml::{Asked, Gathered, Prompt, RejectReason, Step};

use super::Board;
use crate::call::{LiveCall, Stage};
use crate::conference::Leaving;
use crate::follow_up::FollowUp;
use crate::script::{Doing, Outcome, Role, Script, ScriptId};
use crate::timers::Timer;
use crate::turn::Turn;
use crate::webhook::Purpose;

impl Board {
    /// A step has come to this: the next one is done.
    pub(super) fn next_step(&mut self, id: ScriptId, outcome: Outcome, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let span = self.calls.get(&script.call).map(|call| call.span.clone());
        let _in_call = span.as_ref().map(tracing::Span::enter);
        let step = match outcome {
            Outcome::Answered => match std::mem::replace(&mut script.doing, Doing::Elsewhere) {
                Doing::Answering(step) => *step,
                before => {
                    script.doing = before;
                    return;
                }
            },
            Outcome::Went(outcome) => {
                let Some(interpreter) = script.interpreter.as_mut() else { return };
                if let Some(timer) = script.timer.take() {
                    turn.timers.clear(timer);
                }
                script.doing = Doing::Elsewhere;
                let step = interpreter.next(outcome);
                let warnings = interpreter.take_warnings();
                self.warn_all(id, &warnings, None, turn);
                step
            }
        };
        self.do_step(id, step, turn);
    }

    fn do_step(&mut self, id: ScriptId, step: Step, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let (sid, role) = (script.call, script.role);
        let Some(call) = self.calls.get(&sid) else { return };
        if role == Role::Main && matches!(call.stage, Stage::Arriving { .. }) && step.answers() {
            script.doing = Doing::Answering(Box::new(step));
            self.answer(sid, turn);
            return;
        }
        match step {
            Step::Say(say) => self.prompt(id, Prompt::Say(say), turn),
            Step::Play(play) => self.prompt(id, Prompt::Play(play), turn),
            Step::SendDigits(digits) => self.prompt(id, Prompt::SendDigits(digits), turn),
            Step::Pause(pause) => self.prompt(id, Prompt::Pause(pause), turn),
            Step::Gather(gather) => self.gather(id, gather, turn),
            // Nothing records yet, and nothing recorded is silence: the document goes on (twiml §4.2).
            Step::Record(_) => self.went(id, twiml::Outcome::Failed, turn),
            Step::StartRecording(_) => self.went(id, twiml::Outcome::Done, turn),
            Step::Dial(dial) => self.dial(id, sid, *dial, turn),
            Step::Enqueue(enqueue) => self.enqueue(id, sid, *enqueue, turn),
            Step::Connect(connect) => self.connect(id, sid, *connect, turn),
            Step::StartStream(stream) => self.start_stream(id, sid, &stream, turn),
            Step::StopStream(stop) => self.stop_stream(id, sid, &stop, turn),
            Step::Refer(refer) => self.refer(id, sid, &refer, turn),
            // Until hang-up.
            Step::Echo => turn.media.push(media::Command::Route { leg: call.leg, emit: ECHO, hear: ECHO }),
            Step::Fetch { link, with } => {
                if let Some(script) = self.scripts.get_mut(&id) {
                    script.falls_back = false;
                }
                let purpose = self.purpose(id, with);
                self.ask(id, link, purpose, None, turn);
            }
            Step::Tell { link, with } => {
                let purpose = self.purpose(id, with);
                self.tell_action(sid, &link, purpose, turn);
                self.script_over(id, turn);
            }
            Step::Leave => {
                self.drop_script(id, turn);
                self.leave_queue(sid, crate::webhook::QueueResult::Leave, turn);
            }
            Step::Reject(reason) => self.reject(sid, reason, turn),
            Step::Hangup => turn.follow_ups.push_back(FollowUp::End { call: sid, how: Leaving::HungUp, reason: None }),
            Step::Ended => self.script_over(id, turn),
            Step::Again { pause } => self.ask_again(id, pause, turn),
            Step::Fail { warning, fallback } => {
                if !fallback && let Some(script) = self.scripts.get_mut(&id) {
                    script.fallback = None;
                }
                self.fail(id, warning.code, warning.message, None, turn);
            }
        }
    }

    /// What an action is told of the step that is over.
    pub(super) fn purpose(&mut self, id: ScriptId, with: Asked) -> Purpose {
        let told = self.scripts.get_mut(&id).and_then(|script| script.result.take());
        match with {
            Asked::Redirect => Purpose::Plain,
            Asked::Gather(Gathered::Digits { digits, finished_on_key }) => {
                Purpose::Gather { digits: Some(digits), finished_on_key, speech: None, waiting: None }
            }
            Asked::Gather(Gathered::Speech { .. }) => Purpose::Plain, // nothing recognises speech
            Asked::Record => Purpose::Record { recording: None, digits: None },
            Asked::Dial | Asked::Enqueue | Asked::Connect | Asked::Refer => told.unwrap_or(Purpose::Plain),
        }
    }

    /// Asks an action whose answer nobody waits for.
    pub(super) fn tell_action(&mut self, sid: CallSid, link: &twiml::Link, purpose: Purpose, turn: &mut Turn) {
        let Some(facts) = self.calls.get(&sid).map(LiveCall::facts) else { return };
        turn.tell_action(link, facts, purpose);
    }

    /// The document has run out.
    pub(super) fn script_over(&mut self, id: ScriptId, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let (call, role) = (script.call, script.role);
        match role {
            Role::Main => {
                self.drop_script(id, turn);
                turn.follow_ups.push_back(FollowUp::End { call, how: Leaving::HungUp, reason: None });
            }
            // Silence from here on, until whoever made it wait stops it.
            Role::ConferenceWait { .. } | Role::QueueWait => script.doing = Doing::Over,
            Role::Announcement { conference } => {
                self.drop_script(id, turn);
                if let Some(conference) = self.conferences.get_mut(&conference) {
                    conference.announcement_over(id, None, turn);
                }
            }
            Role::CalleeWhisper { dial } => {
                self.drop_script(id, turn);
                self.callee_told(dial, call, turn);
            }
            Role::QueueWhisper { dial } => {
                self.drop_script(id, turn);
                self.queued_told(dial, turn);
            }
        }
    }

    /// A script could not even begin: its call is gone.
    pub(super) fn script_gone(&mut self, id: ScriptId, role: Role, turn: &mut Turn) {
        if let Role::Announcement { conference } = role
            && let Some(conference) = self.conferences.get_mut(&conference)
        {
            conference.announcement_over(id, Some("the participant left"), turn);
        }
    }

    /// Ends a script that nobody is to hear any more.
    pub(super) fn drop_script(&mut self, id: ScriptId, turn: &mut Turn) -> Option<Script> {
        let mut script = self.scripts.remove(&id)?;
        if let Some(timer) = script.timer.take() {
            turn.timers.clear(timer);
        }
        if let Some(call) = self.calls.get_mut(&script.call) {
            call.scripts.retain(|other| *other != id);
            if call.script == Some(id) {
                call.script = None;
            }
        }
        Some(script)
    }

    /// A call is over: so are its scripts; what was under way is told (twiml §5.2, §7.3).
    pub(super) fn end_scripts_of(&mut self, call: &LiveCall, turn: &mut Turn) {
        if let Some(id) = call.script
            && let Some(script) = self.scripts.get_mut(&id)
            && let Some(interpreter) = script.interpreter.as_mut()
            && !matches!(script.doing, Doing::Asking { .. } | Doing::Answering(_))
            && let Step::Tell { link, with } = interpreter.next(twiml::Outcome::HungUp)
        {
            let purpose = self.purpose(id, with);
            turn.tell_action(&link, call.facts(), purpose);
        }
        for id in call.scripts.clone() {
            // What is announced to all may have been passed on.
            if self.scripts.get(&id).is_none_or(|script| script.call != call.sid()) {
                continue;
            }
            let role = self.scripts.get(&id).map(|script| script.role);
            self.drop_script(id, turn);
            if let Some(role) = role {
                self.script_gone(id, role, turn);
            }
        }
    }

    fn reject(&mut self, sid: CallSid, reason: RejectReason, turn: &mut Turn) {
        let (code, status) = match reason {
            RejectReason::Rejected => (603, model::CallStatus::NoAnswer),
            RejectReason::Busy => (486, model::CallStatus::Busy),
        };
        if self.calls.get(&sid).is_some_and(LiveCall::is_answered) {
            turn.follow_ups.push_back(FollowUp::End { call: sid, how: Leaving::HungUp, reason: None });
        } else {
            self.reject_call(sid, code, status, turn);
        }
    }

    /// A step is done: what is next?
    pub(super) fn went(&mut self, id: ScriptId, outcome: twiml::Outcome, turn: &mut Turn) {
        turn.follow_ups.push_back(FollowUp::Next(id, Outcome::Went(outcome)));
    }

    fn ask_again(&mut self, id: ScriptId, pause: Duration, turn: &mut Turn) {
        if pause.is_zero() {
            return self.ask_wait(id, turn);
        }
        if let Some(script) = self.scripts.get_mut(&id) {
            script.doing = Doing::Over;
        }
        self.set_timer(id, pause, turn);
    }

    fn ask_wait(&mut self, id: ScriptId, turn: &mut Turn) {
        let Some(script) = self.scripts.get(&id) else { return };
        let Some(link) = self.queues.wait_link(script.call) else { return };
        self.ask(id, link, Purpose::Plain, None, turn);
    }

    pub(super) fn set_timer(&mut self, id: ScriptId, after: Duration, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let timer = turn.timers.set(turn.now.instant + after, Timer::Script(id));
        if let Some(before) = script.timer.replace(timer) {
            turn.timers.clear(before);
        }
    }

    /// A pause is over, or nobody has pressed a key for long enough, or a wait document is to be asked for again.
    pub(super) fn script_due(&mut self, id: ScriptId, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        script.timer = None;
        match script.doing {
            Doing::Pausing => self.prompt_over(id, twiml::Outcome::Done, turn),
            Doing::Listening => self.gathered(id, None, turn),
            Doing::Over if script.role == Role::QueueWait => self.ask_wait(id, turn),
            Doing::Elsewhere if script.role == Role::Main => {
                let call = script.call;
                self.end_stay(call, turn);
            }
            _ => {}
        }
    }
}
