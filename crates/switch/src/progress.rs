//! Who is told how a call gets on: its status callback (twiml §11.1).

use model::{CallStatus, HttpMethod};

use crate::call::LiveCall;
use crate::turn::Turn;
use crate::webhook::{CallEventName, CallProgress, CallbackBody, Lane};

/// A call's status callback, and how far it has come.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    url: String,
    method: HttpMethod,
    events: Vec<CallEventName>,
    sent: u32,
    last: Option<CallEventName>,
}

impl Progress {
    /// `events`: those that are wanted.
    pub(crate) fn new(url: String, method: HttpMethod, events: Vec<CallEventName>) -> Self {
        Self { url, method, events, sent: 0, last: None }
    }

    /// From now on somebody else is told, of the end only. The numbers go on.
    pub(crate) fn told_to(url: String, method: HttpMethod, before: Option<&Self>) -> Self {
        let (sent, last) = before.map_or((0, None), |before| (before.sent, before.last));
        Self { url, method, events: vec![CallEventName::Completed], sent, last }
    }
}

impl LiveCall {
    /// Tells the application of a step in the call's life, if it wants to know of that one. Each is told once, and none
    /// that a later one has overtaken.
    pub(crate) fn tell(&mut self, event: CallEventName, turn: &mut Turn) {
        let mut facts = self.facts();
        if event == CallEventName::Initiated {
            facts.call.status = CallStatus::Queued; // spelt `initiated` there
        }
        let Some(progress) = self.progress.as_mut() else { return };
        let place = |event| CallEventName::ALL.iter().position(|other| *other == event);
        if progress.last.is_some_and(|last| place(last) >= place(event)) {
            return;
        }
        progress.last = Some(event);
        if !progress.events.contains(&event) {
            return;
        }
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
        turn.call_back(Lane::Call(self.row.sid), self.row.account_sid, hook, CallbackBody::CallStatus(Box::new(body)));
    }
}
