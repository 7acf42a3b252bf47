//! Asking applications for documents: what is asked, what has come, and what happens where nothing usable has.

use std::sync::Arc;
use std::time::Duration;

use model::{CallSid, Exchange};
use tracing::{info, warn};
use twiml::{Document, Interpreter, Link, Repeat};

use super::Board;
use crate::call::LiveCall;
use crate::follow_up::FollowUp;
use crate::script::{Doing, Outcome, Role, Script, ScriptId, Source};
use crate::turn::Turn;
use crate::webhook::{Answered, AskFailed, AskId, Purpose, Remark};

/// What a phone hears when the application has failed for good (twiml §13).
const APPLICATION_ERROR: &str =
    "<Response><Say>We are sorry. An application error has occurred. Goodbye.</Say><Hangup/></Response>";
/// How long after a failure the wait URL of a queue is asked again (twiml §7.2).
const WAIT_AGAIN: Duration = Duration::from_secs(10);

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
            answered: None,
        };
        let mut purpose = if role == Role::Main { Purpose::Voice } else { Purpose::Plain };
        let first = match source {
            Source::Url(url) => Ok(Link::from(url)),
            Source::Refer { url, target } => {
                purpose = Purpose::ReferTransfer { target };
                Ok(Link::from(url))
            }
            Source::Hooks { voice, fallback } => {
                script.fallback = fallback.as_ref().cloned().map(Link::from);
                Ok(Link::from(voice))
            }
            Source::Twiml { text, fallback } => {
                script.fallback = fallback.as_ref().cloned().map(Link::from);
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
    pub(super) fn ask(
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
            // Its answer is a wait document as any (twiml §7.2).
            Purpose::Gather { digits, finished_on_key, speech, .. } if role == Role::QueueWait => {
                let waiting = self.queues.waiting(call, turn.now.instant);
                Purpose::Gather { digits, finished_on_key, speech, waiting }
            }
            told => told,
        };
        let Some(facts) = self.calls.get(&call).map(LiveCall::facts) else { return };
        let asked = turn.ask(&link.url, link.method, facts, purpose, error, id);
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
            Role::QueueWait => self.queues.waiting(call, turn.now.instant).map_or(Purpose::Plain, Purpose::QueueWait),
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
        let id = asker.script;
        let waits = |script: &&Script| matches!(script.doing, Doing::Asking { ask: awaited } if awaited == ask);
        let Some(script) = self.scripts.get(&id).filter(waits) else {
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
            Ok(Answered::Audio { url, file }) => {
                if let Some(script) = self.scripts.get_mut(&id) {
                    script.answered = file;
                }
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
    pub(super) fn run_document(
        &mut self,
        id: ScriptId,
        bytes: &[u8],
        from: Option<(&str, &Arc<Exchange>)>,
        turn: &mut Turn,
    ) {
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

    pub(super) fn run(&mut self, id: ScriptId, document: Document, base: Option<&str>, turn: &mut Turn) {
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

    pub(super) fn warn_all(
        &self,
        id: ScriptId,
        warnings: &[twiml::Warning],
        exchange: Option<&Arc<Exchange>>,
        turn: &mut Turn,
    ) {
        let Some(call) = self.scripts.get(&id).and_then(|script| self.calls.get(&script.call)) else { return };
        for warning in warnings {
            let remark = Remark { code: warning.code, message: warning.message.clone() };
            turn.notify(call.row.account_sid, Some(call.sid()), remark, exchange.cloned());
        }
    }

    /// No document, or none that can be read: the fallback URL is asked, or the call ends.
    pub(super) fn fail(
        &mut self,
        id: ScriptId,
        code: u16,
        message: String,
        exchange: Option<Arc<Exchange>>,
        turn: &mut Turn,
    ) {
        self.counts.documents_failed += 1;
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let Some(call) = self.calls.get(&script.call) else { return };
        let remark = Remark { code, message: message.clone() };
        turn.notify(call.row.account_sid, Some(call.sid()), remark, exchange);
        let failed_url = script.here.as_ref().map(|link| told(&link.url)).unwrap_or_default();
        let role = script.role;
        if let (Role::Main, false, Some(fallback)) = (role, script.falls_back, script.fallback.clone()) {
            script.falls_back = true;
            return self.ask(id, fallback, Purpose::Plain, Some((code, failed_url)), turn);
        }
        match role {
            // The callee of a `<Dial>` is not connected without what it was to be told first, either.
            Role::Main | Role::CalleeWhisper { .. } => {
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
            // Whoever has waited in a queue is connected without.
            Role::QueueWhisper { .. } => self.script_over(id, turn),
        }
    }
}

/// A URL as it may be told to others: without user and password, and without the fragment, which is ours to read.
fn told(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn remark_of(failed: &AskFailed) -> Remark {
    Remark { code: failed.code, message: failed.message.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_without_what_is_secret_or_ours() {
        for (url, want) in [
            ("https://app.test/voice?a=1", "https://app.test/voice?a=1"),
            ("https://ana:secret@app.test/voice#rc=2", "https://app.test/voice"),
            ("https://ana:se/cret@app.test", "https://ana:se/cret@app.test"), // a path, whatever was meant
            ("https://ana@app.test:8443?to=a@b", "https://app.test:8443?to=a@b"),
            ("", ""),
        ] {
            assert_eq!(told(url), want, "{url}");
        }
    }
}
