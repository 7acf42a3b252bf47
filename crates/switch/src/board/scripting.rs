//! Running documents: asking for them, doing what they say, and what comes of that.

use std::sync::Arc;
use std::time::Duration;

use media::Pages;
use model::{CallSid, ConferenceSid, Exchange, Level, PlaybackId};
use tracing::{info, warn};
use twiml::{Asked, Document, Gathered, Interpreter, Patience, Prompt, RejectReason, Repeat, Step};

use super::Board;
use crate::call::{LiveCall, Stage};
use crate::conference::Leaving;
use crate::effect::{FetchFailed, FetchId};
use crate::follow_up::FollowUp;
use crate::script::{Doing, Gathering, Key, Outcome, Role, Script, ScriptId, Source, link_of, method_of, pieces};
use crate::timers::Timer;
use crate::turn::Turn;
use crate::webhook::{Answered, AskFailed, AskId, Purpose, Remark};

/// What the caller hears when the application has failed for good (twiml §13).
const APPLICATION_ERROR: &str =
    "<Response><Say>We are sorry. An application error has occurred. Goodbye.</Say></Response>";
/// How long a `<Gather>` waits that leaves it to a speech engine.
const PATIENCE_AUTO: Duration = Duration::from_secs(5);
/// How long after a failure the wait URL of a queue is asked again (twiml §7.2).
const WAIT_AGAIN: Duration = Duration::from_secs(10);
/// How often one sound of an announcement is heard: `loop="0"` means so often, as it must end some day.
const ANNOUNCED_MAX: u32 = 1_000;

impl Board {
    /// Begins a script. Its call may be gone by now.
    pub(super) fn start_script(&mut self, id: ScriptId, call: CallSid, role: Role, source: Source, turn: &mut Turn) {
        let Some(live) = self.calls.get_mut(&call) else { return self.script_gone(id, role, turn) };
        if role == Role::Main {
            live.script = Some(id);
        }
        live.scripts.push(id);
        let mut script = Script {
            call,
            role,
            interpreter: None,
            here: None,
            fallback: None,
            falls_back: false,
            doing: Doing::Elsewhere,
            gathering: None,
            timer: None,
            result: None,
        };
        let mut purpose = if role == Role::Main { Purpose::Voice } else { Purpose::Plain };
        let first = match source {
            Source::Url(url) => Ok(link_of(&url)),
            Source::Refer { url, target } => {
                purpose = Purpose::ReferTransfer { target };
                Ok(link_of(&url))
            }
            Source::Hooks { voice, fallback } => {
                script.fallback = fallback.as_ref().map(link_of);
                Ok(link_of(&voice))
            }
            Source::Twiml { text, fallback } => {
                script.fallback = fallback.as_ref().map(link_of);
                Err(text)
            }
        };
        self.scripts.insert(id, script);
        match first {
            Ok(link) => {
                self.ask(id, link, purpose, None, turn);
            }
            Err(text) => self.run_document(id, text.as_bytes(), None, turn),
        }
    }

    /// Asks the application for the next document.
    fn ask(
        &mut self,
        id: ScriptId,
        link: twiml::Link,
        purpose: Purpose,
        error: Option<(u16, String)>,
        turn: &mut Turn,
    ) {
        let Some((call, role)) = self.scripts.get(&id).map(|script| (script.call, script.role)) else { return };
        let purpose = match purpose {
            Purpose::Plain => self.purpose_of(call, role, turn),
            told => told,
        };
        let Some(facts) = self.calls.get(&call).map(LiveCall::facts) else { return };
        let asked = turn.ask(&link.url, method_of(&link), facts, purpose, error, Some(id));
        let Some(script) = self.scripts.get_mut(&id) else { return };
        script.here = Some(link);
        match asked {
            Some(ask) => script.doing = Doing::Asking { ask },
            None => self.fail(id, 11_200, "too many requests are under way".to_owned(), None, turn),
        }
    }

    /// What every request of a script says beside the call's own parameters.
    fn purpose_of(&self, call: CallSid, role: Role, turn: &Turn) -> Purpose {
        match role {
            Role::ConferenceWait { conference } | Role::Announcement { conference } => {
                let name = self.conferences.get(&conference).map(|live| live.row.friendly_name.clone());
                Purpose::ConferenceWait { conference, friendly_name: name.unwrap_or_default() }
            }
            Role::QueueWait => self.queues.wait_purpose(call, turn.now.instant).unwrap_or(Purpose::Plain),
            Role::QueueWhisper { dial } => self.queue_whisper_purpose(dial, turn).unwrap_or(Purpose::Plain),
            Role::Main | Role::CalleeWhisper { .. } => Purpose::Plain,
        }
    }

    /// An application has answered, or has not.
    pub(crate) fn asked(
        &mut self,
        ask: AskId,
        outcome: Result<Answered, AskFailed>,
        remarks: Vec<Remark>,
        exchange: &Arc<Exchange>,
        turn: &mut Turn,
    ) {
        let Some(asker) = turn.asks.close(ask) else { return };
        for remark in remarks {
            turn.notify(asker.account, Some(asker.call), remark, Some(Arc::clone(exchange)));
        }
        let waits = asker.script.and_then(|id| self.scripts.get(&id).map(|script| (id, script)));
        let waits =
            waits.filter(|(_, script)| matches!(script.doing, Doing::Asking { ask: awaited } if awaited == ask));
        let Some((id, script)) = waits else {
            if let Err(failed) = outcome {
                // Nobody waits for the answer, but the developer should know.
                turn.notify(asker.account, Some(asker.call), remark_of(&failed), Some(Arc::clone(exchange)));
            }
            return;
        };
        let span = self.calls.get(&script.call).map(|call| call.span.clone());
        let _in_call = span.as_ref().map(tracing::Span::enter);
        let (role, call) = (script.role, script.call);
        match outcome {
            Ok(Answered::Document { bytes, url }) => self.run_document(id, &bytes, Some((&url, exchange)), turn),
            Ok(Answered::Text { text, url }) => {
                if twiml::parse(text.as_bytes()).is_ok() {
                    self.run_document(id, text.as_bytes(), Some((&url, exchange)), turn);
                } else {
                    self.run(id, Document::speaking(&text), Some(&url), turn);
                }
            }
            Ok(Answered::Audio { url }) => {
                // What waits hears it over and over; whatever else, once (twiml §1, §6.3).
                let waits = matches!(role, Role::ConferenceWait { .. } | Role::QueueWait);
                let repeat = if waits { Repeat::Forever } else { Repeat::Times(1) };
                self.run(id, Document::playing(&url, repeat), Some(&url), turn);
            }
            Ok(Answered::Empty { url }) => self.run(id, Document::default(), Some(&url), turn),
            Err(failed) => {
                info!(error_code = failed.code, url = failed.url, %call, "no document: {}", failed.message);
                self.fail(id, failed.code, failed.message, Some(Arc::clone(exchange)), turn);
            }
        }
    }

    /// Reads a document and runs it.
    fn run_document(&mut self, id: ScriptId, bytes: &[u8], from: Option<(&str, &Arc<Exchange>)>, turn: &mut Turn) {
        match twiml::parse(bytes) {
            Ok(document) => {
                self.run(id, document, from.map(|(url, _)| url), turn);
                let exchange = from.map(|(_, exchange)| Arc::clone(exchange));
                let interpreter = self.scripts.get_mut(&id).and_then(|script| script.interpreter.as_mut());
                let warnings = interpreter.map(Interpreter::take_warnings).unwrap_or_default();
                self.warn_all(id, &warnings, exchange.as_ref(), turn);
            }
            Err(error) => {
                info!(error_code = error.code(), "document refused: {error}");
                self.fail(id, error.code(), error.to_string(), from.map(|(_, exchange)| Arc::clone(exchange)), turn);
            }
        }
    }

    fn run(&mut self, id: ScriptId, document: Document, base: Option<&str>, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        self.counts.documents += 1;
        let interpreter = match script.interpreter.take() {
            Some(before) => before.follow(document, base),
            None => Interpreter::new(document, base, script.role.kind()),
        };
        script.interpreter = Some(interpreter);
        script.doing = Doing::Elsewhere;
        turn.follow_ups.push_back(FollowUp::Next(id, Outcome::Went(twiml::Outcome::Started)));
    }

    fn warn_all(&self, id: ScriptId, warnings: &[twiml::Warning], exchange: Option<&Arc<Exchange>>, turn: &mut Turn) {
        let Some(call) = self.scripts.get(&id).and_then(|script| self.calls.get(&script.call)) else { return };
        for warning in warnings {
            let remark = Remark { level: Level::Warning, code: warning.code, message: warning.message.clone() };
            turn.notify(call.row.account_sid, Some(call.sid()), remark, exchange.cloned());
        }
    }

    /// No document, or none that can be read: the fallback URL is asked, or the call ends.
    fn fail(&mut self, id: ScriptId, code: u16, message: String, exchange: Option<Arc<Exchange>>, turn: &mut Turn) {
        self.counts.documents_failed += 1;
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let Some(call) = self.calls.get(&script.call) else { return };
        let remark = Remark { level: Level::Error, code, message: message.clone() };
        turn.notify(call.row.account_sid, Some(call.sid()), remark, exchange);
        let failed_url = script.here.as_ref().map(|link| link.url.clone()).unwrap_or_default();
        let role = script.role;
        if let (Role::Main, false, Some(fallback)) = (role, script.falls_back, script.fallback.clone()) {
            script.falls_back = true;
            return self.ask(id, fallback, Purpose::Plain, Some((code, failed_url)), turn);
        }
        match role {
            Role::Main => {
                warn!(error_code = code, "the application has failed, the call ends: {message}");
                if let Ok(document) = twiml::parse(APPLICATION_ERROR.as_bytes()) {
                    self.run(id, document, None, turn);
                }
            }
            Role::QueueWait => {
                script.doing = Doing::Over;
                self.set_timer(id, WAIT_AGAIN, turn);
            }
            Role::ConferenceWait { .. } => script.doing = Doing::Over,
            Role::Announcement { conference } => {
                self.drop_script(id, turn);
                if let Some(conference) = self.conferences.get_mut(&conference) {
                    conference.announcement_over(id, Some(&message), turn);
                }
            }
            // Who was to be told something is connected without.
            Role::CalleeWhisper { .. } | Role::QueueWhisper { .. } => self.script_over(id, turn),
        }
    }

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
            Step::Echo => {} // until hang-up
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
                Purpose::Gather { digits: Some(digits), finished_on_key, speech: None }
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
    fn script_over(&mut self, id: ScriptId, turn: &mut Turn) {
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
    fn script_gone(&mut self, id: ScriptId, role: Role, turn: &mut Turn) {
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

    /// Lets something be heard.
    fn prompt(&mut self, id: ScriptId, prompt: Prompt, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let Some(call) = self.calls.get(&script.call) else { return };
        match prompt {
            Prompt::Say(say) => match turn.speak(&say, id) {
                Some(fetch) => script.doing = Doing::Fetching { fetch, repeat: say.repeat },
                None => self.sound_not_asked_for(id, turn),
            },
            Prompt::Play(play) => match turn.fetch_sound(&play.url, id) {
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
                let code = u16::try_from(error.code).unwrap_or(11_200);
                let remark = Remark { level: Level::Warning, code, message: error.reason };
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
            let remark = Remark { level: Level::Error, code: 11_200, message };
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
    fn prompt_over(&mut self, id: ScriptId, outcome: twiml::Outcome, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        script.doing = Doing::Elsewhere;
        match script.gathering.as_mut().map(|gathering| gathering.prompts.pop_front()) {
            None => self.went(id, outcome, turn),
            Some(Some(prompt)) => self.prompt(id, prompt, turn),
            Some(None) => self.listen(id, turn),
        }
    }

    fn gather(&mut self, id: ScriptId, gather: Box<twiml::Gather>, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let speech_only = gather.speech && !gather.dtmf;
        if gather.speech
            && let Some(call) = self.calls.get(&script.call)
        {
            let message = "no speech engine is configured: only keys are heard".to_owned();
            let remark = Remark { level: Level::Warning, code: 13_340, message };
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
    fn listen(&mut self, id: ScriptId, turn: &mut Turn) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let Some(gathering) = &script.gathering else { return };
        let patience = match gathering.gather.timeout {
            Patience::For(time) => time,
            Patience::Auto => PATIENCE_AUTO,
        };
        script.doing = Doing::Listening;
        self.set_timer(id, patience, turn);
    }

    /// The call's phone has pressed a key.
    pub(super) fn digit(&mut self, call: CallSid, key: char, turn: &mut Turn) {
        self.stream_digit(call, key, turn);
        if key == '*' && self.star(call, turn) {
            return;
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
    fn gathered(&mut self, id: ScriptId, finished_on_key: Option<char>, turn: &mut Turn) {
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

fn remark_of(failed: &AskFailed) -> Remark {
    Remark { level: Level::Error, code: failed.code, message: failed.message.clone() }
}
