//! What we ask of the other side within a dialog: BYE, INFO, and the refresh of its session timer (RFC 3261 §12.2.1,
//! §14.1, §15.1.1, RFC 4028 §7 and §10). Its transfer is in `refer.rs`, its first INVITE in `call_out.rs`.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Endpoint;
use super::client::{Asked, Outcome};
use crate::body;
use crate::dialog::{Ours, Stage, Theirs};
use crate::inspection::{ALLOW, SUPPORTED};
use crate::session_timer::SessionTimer;
use crate::{DialogId, EndCause, Event, Method, Name, Reason, Refresher, Response, SessionDescription, SessionExpires};

impl Endpoint {
    /// Sends an INFO within an answered call, such as a digit as `application/dtmf-relay`. Nothing tells whether it
    /// was taken.
    pub fn info(&mut self, now: Instant, dialog: DialogId, content_type: &str, body: Bytes) {
        let Some(state) = self.dialogs.get_mut(&dialog) else { return };
        if !matches!(state.stage, Stage::Talking { .. }) {
            return;
        }
        let flow = state.flow_out();
        let mut request = state.request(Method::Info, None);
        request.headers.push(Name::ContentType, content_type);
        request.body = body;
        self.send_request(now, dialog, flow, request);
    }

    /// Hangs up and tells why; the dialog lives until the BYE is answered.
    pub(super) fn end_with_bye(&mut self, now: Instant, id: DialogId, cause: EndCause, reason: Option<Reason>) {
        self.tell_ended(id, cause, None);
        self.bye(now, id, reason);
    }

    /// RFC 3261 §15.1.1. Whatever the answer, the call is over.
    pub(super) fn bye(&mut self, now: Instant, id: DialogId, reason: Option<Reason>) {
        self.tell_last(now, id);
        self.drop_pending(now, id);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.stage = Stage::Closing;
        dialog.theirs = Theirs::Idle;
        let flow = dialog.flow_out();
        let mut request = dialog.request(Method::Bye, None);
        if let Some(reason) = reason {
            request.headers.push(Name::Reason, reason.to_string());
        }
        if self.send_request(now, id, flow, request) {
            self.settle_dialog(id);
        } else {
            self.forget_dialog(id);
        }
    }

    /// Refreshes the session: UPDATE without SDP where the peer takes it, else a re-INVITE that repeats what we said
    /// last (RFC 4028 §7.4).
    pub(super) fn refresh(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Some(session) = &mut dialog.session else { return };
        if dialog.ours != Ours::Idle || !matches!(dialog.theirs, Theirs::Idle) {
            session.retry_at(now + GLARE_PAUSE_MAX);
            return;
        }
        let expires = SessionExpires { seconds: session.seconds(), refresher: Some(Refresher::Uac) };
        let flow = dialog.flow_out();
        let update = dialog.peer_takes_update;
        dialog.ours = if update { Ours::Update } else { Ours::Invite };
        let mut request = dialog.request(if update { Method::Update } else { Method::Invite }, None);
        if !update && let Some(described) = &dialog.described {
            request.headers.push(Name::ContentType, "application/sdp");
            request.body = described.clone();
        }
        request.headers.push(Name::SessionExpires, expires.to_string());
        request.headers.push(Name::Supported, SUPPORTED);
        request.headers.push(Name::Allow, ALLOW);
        let user = self.dialogs[&id].user.as_deref();
        request.headers.push(Name::Contact, self.contact(flow, user));
        if !self.send_request(now, id, flow, request) {
            self.tell_ended(id, EndCause::FlowLost, None);
            self.forget_dialog(id);
        }
    }

    /// One of our requests is over: RFC 3261 §12.2.1.2, RFC 5057 §5.1, RFC 4028 §7.4.
    pub(super) fn outcome(&mut self, now: Instant, id: DialogId, asked: &Asked, outcome: &Outcome<'_>) {
        match asked.method {
            Method::Bye => return self.forget_dialog(id),
            // Without it the 1xx is sent again, and its sender gives up the call if it likes.
            Method::Prack => return,
            Method::Refer => self.refer_answered(now, id, asked.number, outcome),
            _ => {}
        }
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let refreshes = matches!(asked.method, Method::Invite | Method::Update);
        let ours = if refreshes { std::mem::replace(&mut dialog.ours, Ours::Idle) } else { Ours::Idle };
        if !matches!(dialog.stage, Stage::Talking { .. }) {
            return self.settle_dialog(id);
        }
        match outcome {
            Outcome::TimedOut => self.end_with_bye(now, id, EndCause::PeerLostDialog, None),
            Outcome::Answered(response) => match response.status {
                200..300 if refreshes => self.refreshed(now, id, response),
                408 => self.end_with_bye(now, id, EndCause::PeerLostDialog, None),
                // A 404 to a REFER or INFO is about what it asks for, whatever RFC 5057 §5.1 says; the call goes on.
                _ if !refreshes && response.status != 481 => {}
                404 | 410 | 416 | 481..=485 | 502 | 604 => {
                    self.tell_ended(id, EndCause::PeerLostDialog, None);
                    self.forget_dialog(id);
                }
                405 | 501 if ours == Ours::Update => {
                    dialog.peer_takes_update = false;
                    self.refresh(now, id);
                }
                422 => {
                    let least_s = response.headers.min_se().ok().flatten().unwrap_or(0);
                    let seconds = dialog.session.map_or(0, |session| session.seconds());
                    if least_s > seconds {
                        dialog.session = Some(SessionTimer::start(now, least_s, true));
                        self.refresh(now, id);
                    } else {
                        self.retry_refresh(now, id, RETRY_PAUSE);
                    }
                }
                // Whose Call-ID it is waits longer (RFC 3261 §14.1).
                491 => {
                    let pause = if dialog.we_called {
                        GLARE_PAUSE_OURS_MIN + self.random_pause(GLARE_PAUSE_OURS_MAX - GLARE_PAUSE_OURS_MIN)
                    } else {
                        self.random_pause(GLARE_PAUSE_MAX)
                    };
                    self.retry_refresh(now, id, pause);
                }
                _ => {
                    let asked = response.headers.retry_after().map(|seconds| Duration::from_secs(seconds.into()));
                    self.retry_refresh(now, id, asked.map_or(RETRY_PAUSE, |pause| pause.min(RETRY_PAUSE_MAX)));
                }
            },
        }
        self.settle_dialog(id);
    }

    /// Their 2xx to our refresh sets the terms anew; without any, the session has no timer (RFC 4028 §7.2).
    fn refreshed(&mut self, now: Instant, id: DialogId, response: &Response) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.session = granted(now, response);
        dialog.learn_allow(&response.headers);
        let contact = response.headers.contacts().ok().and_then(|contacts| contacts.into_iter().next());
        dialog.retarget(contact.map(|contact| contact.uri));
        if let Some(answer) = description(response) {
            self.event(Event::Answered { dialog: id, answer });
        }
    }

    /// Tries again later; if that comes to nothing, the session expires.
    fn retry_refresh(&mut self, now: Instant, id: DialogId, pause: Duration) {
        if let Some(session) = self.dialogs.get_mut(&id).and_then(|dialog| dialog.session.as_mut()) {
            session.retry_at(now + pause);
        }
    }
}

/// The session timer that a 2xx to our INVITE or UPDATE sets.
pub(super) fn granted(now: Instant, response: &Response) -> Option<SessionTimer> {
    let SessionExpires { seconds, refresher } = response.headers.session_expires().ok().flatten()?;
    Some(SessionTimer::start(now, seconds.max(1), refresher != Some(Refresher::Uas)))
}

/// The session description in a response, if there is one that reads.
pub(super) fn description(response: &Response) -> Option<SessionDescription> {
    let text = body::session_description(&response.headers, &response.body).ok().flatten()?;
    SessionDescription::parse(&text).ok()
}

/// How long we wait after a 491 for a dialog whose Call-ID is ours: at least and at most (RFC 3261 §14.1).
const GLARE_PAUSE_OURS_MIN: Duration = Duration::from_millis(2_100);
const GLARE_PAUSE_OURS_MAX: Duration = Duration::from_secs(4);
/// How long we wait at most after a 491 for a dialog whose Call-ID is the peer's (RFC 3261 §14.1).
const GLARE_PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long we wait after a refresh that failed for no lasting reason.
const RETRY_PAUSE: Duration = Duration::from_secs(10);
/// How long we wait at most, whatever Retry-After says.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(300);
