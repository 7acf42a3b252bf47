//! Transfers: REFER from a phone, REFER to a phone, and calls that take the place of another.

use model::CallSid;
use sip::{
    DialogId, Flow, Headers, NameAddr, OfferAnswer, ReferId, Reject, Rejection, Replaces, Request, SessionDescription,
};
use tracing::info;
use twiml::Refer;

use super::Board;
use super::agreement::warning_of;
use crate::call::{Errand, Line};
use crate::command::AudioUrl;
use crate::script::{ScriptId, Source};
use crate::turn::Turn;
use crate::webhook::{Purpose, ReferCallStatus, Remark};

/// What a phone is told that may not transfer (twiml §5.1).
const FORBIDDEN: u16 = 403;

impl Board {
    /// A phone asks us to transfer its call. A callee whose `<Dial>` has a `referUrl` may: the application says what the
    /// caller hears next, and the callee is let go.
    pub(super) fn referred(
        &mut self,
        refer: ReferId,
        target: &NameAddr,
        replaces: Option<&Replaces>,
        referred_by: Option<&str>,
        turn: &mut Turn,
    ) {
        let sid = self.by_dialog.get(&refer.dialog).copied();
        let asked = sid.and_then(|sid| self.calls.get(&sid)).and_then(|call| match call.errand {
            Errand::Callee(dial) => self.dials.get(&dial),
            _ => None,
        });
        let asked = asked.filter(|live| live.winner == sid && live.bridged.is_some());
        if let Some(parent) = asked.filter(|live| live.dial.refer.is_none()).map(|live| live.parent)
            && let Some(call) = self.calls.get(&parent)
        {
            let message = format!("the callee's phone asks for a transfer to {}, and there is no referUrl", target.uri);
            turn.notify(call.row.account_sid, Some(parent), Remark { code: 13_802, message }, None);
        }
        let Some((parent, link)) = asked.and_then(|live| live.dial.refer.clone().map(|link| (live.parent, link)))
        else {
            info!(target = %target.uri, "a phone may not transfer this call");
            return self.endpoint.refuse_refer(turn.now.instant, refer, FORBIDDEN);
        };
        info!(target = %target.uri, referred_by, attended = replaces.is_some(), "transferred");
        self.endpoint.accept_refer(turn.now.instant, refer);
        self.endpoint.refer_progress(turn.now.instant, refer, 200);
        let target = match replaces {
            None => target.uri.to_string(),
            Some(replaces) => {
                let escaped: String = replaces.to_string().bytes().map(escape).collect();
                format!("{}?Replaces={escaped}", target.uri)
            }
        };
        let url = AudioUrl { method: link.method, url: link.url };
        self.redirect(parent, Source::Refer { url, target }, turn);
    }

    /// `<Refer>`: the phone shall call somebody else (twiml §9.2).
    pub(super) fn refer(&mut self, script: ScriptId, sid: CallSid, refer: &Refer, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        let account = call.row.account_sid;
        let target = refer.uri.parse::<sip::Uri>().ok();
        let target = target.map(|uri| NameAddr { display: None, uri, params: sip::Params::new() });
        let (Some(target), Some(dialog)) = (target, call.line.dialog()) else {
            let message = format!("the call cannot be referred to {}", refer.uri);
            turn.notify(account, Some(sid), Remark { code: 13_801, message }, None);
            return self.refer_over(script, ReferCallStatus::Failed, None, None, turn);
        };
        let mut headers = Headers::new();
        for parameter in &refer.headers {
            super::placing::push_header(&mut headers, &parameter.name, &parameter.value);
        }
        if let Some(script) = self.scripts.get_mut(&script) {
            let (status, response_code, notify_code) = (ReferCallStatus::Canceled, None, None);
            script.result = Some(Purpose::Refer { status, response_code, notify_code });
        }
        self.endpoint.refer(turn.now.instant, dialog, &target, &headers);
    }

    fn refer_over(
        &mut self,
        script: ScriptId,
        status: ReferCallStatus,
        response_code: Option<u16>,
        notify_code: Option<u16>,
        turn: &mut Turn,
    ) {
        if let Some(script) = self.scripts.get_mut(&script) {
            script.result = Some(Purpose::Refer { status, response_code, notify_code });
        }
        self.went(script, twiml::Outcome::Done, turn);
    }

    /// The script of a call whose phone is being referred.
    fn refers(&self, dialog: DialogId) -> Option<(ScriptId, Option<u16>)> {
        let script = self.calls.get(self.by_dialog.get(&dialog)?)?.script?;
        match self.scripts.get(&script)?.result {
            Some(Purpose::Refer { status: ReferCallStatus::Canceled, response_code, .. }) => {
                Some((script, response_code))
            }
            _ => None,
        }
    }

    pub(super) fn refer_answered(&mut self, dialog: DialogId, status: u16, reports: bool, turn: &mut Turn) {
        let Some((script, _)) = self.refers(dialog) else { return };
        if !reports {
            // What it does without reporting is as far as anybody will know.
            let outcome = if status < 300 { ReferCallStatus::InProgress } else { ReferCallStatus::Failed };
            return self.refer_over(script, outcome, Some(status), None, turn);
        }
        if let Some(Purpose::Refer { response_code, .. }) =
            self.scripts.get_mut(&script).and_then(|script| script.result.as_mut())
        {
            *response_code = Some(status);
        }
    }

    pub(super) fn refer_progressed(&mut self, dialog: DialogId, status: u16, over: bool, turn: &mut Turn) {
        let Some((script, response_code)) = self.refers(dialog) else { return };
        let outcome = match status {
            200..=299 => ReferCallStatus::InProgress,
            486 | 600 => ReferCallStatus::Busy,
            300.. => ReferCallStatus::Failed,
            _ if over => ReferCallStatus::Failed,
            _ => return,
        };
        // A NOTIFY that ends it may say nothing of how it went.
        let notify_code = (status >= 100).then_some(status);
        self.refer_over(script, outcome, response_code, notify_code, turn);
    }

    /// Whose a request is: of the domain that has let it in, or of the phone that has registered where it comes from.
    fn account_of(&self, request: &Request, flow: &Flow, turn: &Turn) -> Option<model::AccountSid> {
        let host = request.uri.uri().sip().map(|uri| uri.host.to_string());
        let admitted = host.and_then(|host| turn.directory.domain(&host)).map(|domain| domain.account_sid);
        let registered = || self.registrations.identify(turn.directory, request, flow).map(|own| own.account);
        admitted.or_else(registered)
    }

    /// A call that takes the place of another of ours (RFC 3891): the other's phone is let go, everything else about it
    /// stays as it is, its SID and the room it is in.
    pub(super) fn replacing(
        &mut self,
        dialog: DialogId,
        request: &Request,
        flow: &Flow,
        offer: Option<SessionDescription>,
        replaces: &Replaces,
        turn: &mut Turn,
    ) {
        let replaced = match self.endpoint.find_replaced(replaces) {
            Ok(replaced) => replaced,
            Err(status) => return self.endpoint.reject(turn.now.instant, dialog, status, Reject::default()),
        };
        // Only within the account, and only for somebody who has proved to be of it (twiml §5.1, RFC 3891 §3).
        let account = self.account_of(request, flow, turn);
        let found = self.by_dialog.get(&replaced).copied().and_then(|sid| self.calls.get_mut(&sid));
        let Some(call) = found.filter(|call| call.is_answered() && Some(call.row.account_sid) == account) else {
            return self.endpoint.reject(turn.now.instant, dialog, 481, Reject::default());
        };
        info!(call_sid = %call.sid(), source = %flow.remote, from = ?request.headers.from().ok(), "call replaced");
        let local = call.local_media(turn.config);
        let mut offer_answer = OfferAnswer::new(turn.names.session_id());
        let described = match offer {
            None => Ok((offer_answer.offer(&local), None)),
            Some(offer) => offer_answer.answer(&offer, &local).map(|(sdp, agreed)| (sdp, Some(agreed))),
        };
        let (sdp, agreed) = match described {
            Ok(described) => described,
            Err(rejection) => {
                let why = Reject { warning: warning_of(rejection), ..Reject::default() };
                return self.endpoint.reject(turn.now.instant, dialog, Rejection::STATUS, why);
            }
        };
        call.offer_answer = offer_answer;
        call.acknowledged = false;
        if let Some(agreed) = agreed {
            call.agree(&agreed, turn);
        }
        call.line = Line::Inbound(dialog);
        let sid = call.sid();
        self.by_dialog.remove(&replaced);
        self.by_dialog.insert(dialog, sid);
        self.endpoint.accept(turn.now.instant, dialog, sdp);
        self.endpoint.hangup(turn.now.instant, replaced, None);
    }
}

fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
