//! Who is told how a call gets on: its status callback (twiml §11.1).

use model::{AccountEvent, CallStatus, CallStep, CallStepEvent, HttpMethod};

use twiml::CallCallback;

use crate::call::LiveCall;
use crate::turn::Turn;
use crate::webhook::{CallEventName, CallProgress, Callback, CallbackBody, Lane};

/// A call's status callback, and how often it has been told.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    url: String,
    method: HttpMethod,
    events: Vec<CallEventName>,
    sent: u32,
}

impl Progress {
    /// `events`: those that are wanted.
    pub(crate) fn new(url: String, method: HttpMethod, events: Vec<CallEventName>) -> Self {
        Self { url, method, events, sent: 0 }
    }

    /// As a noun or the API says it.
    pub(crate) fn wanted(callback: &CallCallback) -> Option<Self> {
        let link = callback.link.as_ref()?;
        let events = [
            (callback.initiated, CallEventName::Initiated),
            (callback.ringing, CallEventName::Ringing),
            (callback.answered, CallEventName::Answered),
            (callback.completed, CallEventName::Completed),
        ];
        let events = events.into_iter().filter(|(wanted, _)| *wanted).map(|(_, event)| event).collect();
        Some(Self::new(link.url.clone(), link.method, events))
    }

    /// From now on somebody else is told, of the end only. The numbers go on.
    pub(crate) fn told_to(url: String, method: HttpMethod, before: Option<&Self>) -> Self {
        let sent = before.map_or(0, |before| before.sent);
        Self { url, method, events: vec![CallEventName::Completed], sent }
    }
}

impl LiveCall {
    /// Tells of a step in the call's life: the log, and the application if it wants to know of that one. Each is told
    /// once, and none that a later one has overtaken.
    pub(crate) fn tell(&mut self, event: CallEventName, turn: &mut Turn) {
        let step = match event {
            CallEventName::Initiated => CallStep::Initiated,
            CallEventName::Ringing => CallStep::Ringing,
            CallEventName::Answered => CallStep::Answered,
            CallEventName::Completed => CallStep::Completed,
        };
        if self.is_told(step) {
            return;
        }
        let callback = self.callback(event, turn);
        self.log_with(step, callback, turn);
    }

    /// Tells the log alone.
    pub(crate) fn log(&mut self, step: CallStep, turn: &mut Turn) {
        if !self.is_told(step) {
            self.log_with(step, None, turn);
        }
    }

    fn is_told(&self, step: CallStep) -> bool {
        let place = |step| CallStep::ALL.iter().position(|other| *other == step);
        self.told.is_some_and(|last| place(last) >= place(step))
    }

    fn log_with(&mut self, step: CallStep, callback: Option<Box<Callback>>, turn: &mut Turn) {
        self.told = Some(step);
        let event = CallStepEvent {
            seq: 0, // its place among all is known when it leaves
            at: turn.now.wall,
            step,
            sip_response_code: self.sip_code,
            call: self.row.clone(),
        };
        turn.journal.note_event(AccountEvent::Call(event), callback);
    }

    fn callback(&mut self, event: CallEventName, turn: &mut Turn) -> Option<Box<Callback>> {
        let mut facts =
            self.progress.as_ref().filter(|progress| progress.events.contains(&event)).map(|_| self.facts())?;
        if event == CallEventName::Initiated {
            facts.call.status = CallStatus::Queued; // spelt `initiated` there
        }
        let progress = self.progress.as_mut()?;
        let body = CallProgress {
            facts,
            event,
            at: turn.now.wall,
            sequence: progress.sent,
            sip_response_code: self.sip_code,
            recording: None,
        };
        progress.sent += 1;
        let hook = (progress.url.clone(), progress.method);
        let body = CallbackBody::CallStatus(Box::new(body));
        Some(turn.callback(Lane::Call(self.row.sid), self.row.account_sid, hook, body))
    }
}
