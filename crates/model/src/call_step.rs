//! Steps of a call's life, as its account's log tells of them.

use crate::{Call, CallStatus, Timestamp, word_enum};

word_enum! {
    /// How far a call has come: the words of its status callback (twiml §11.1), and `queued` before them.
    CallStep {
        /// It is to be made; nobody has been dialled.
        Queued = "queued",
        /// It is being dialled.
        Initiated = "initiated",
        /// It has arrived, or rings.
        Ringing = "ringing",
        /// It is answered.
        Answered = "answered",
        /// It is over, however it ended.
        Completed = "completed",
    }
}

/// One step in the life of one call. Each is told once, and none that a later one has overtaken; a call that comes in
/// is not told of before anybody has decided to take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallStepEvent {
    /// Order among all that happens, handed out by the switch.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Which.
    pub step: CallStep,
    /// The last answer to its INVITE, as far as there was one.
    pub sip_response_code: Option<u16>,
    /// The call as it was then.
    pub call: Call,
}

impl CallStepEvent {
    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        match self.step {
            CallStep::Queued => "call-queued",
            CallStep::Initiated => "call-initiated",
            CallStep::Ringing => "call-ringing",
            CallStep::Answered => "call-answered",
            CallStep::Completed => "call-completed",
        }
    }

    /// Its parameters on the wire: of those of a status callback, the ones that are the call's own.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let call = &self.call;
        let status = match self.step {
            CallStep::Initiated => CallStep::Initiated.as_str(), // no status of the resource
            _ => call.status.as_str(),
        };
        let mut list = vec![
            ("CallSid", call.sid.to_string()),
            ("AccountSid", call.account_sid.to_string()),
            ("From", call.from.clone()),
            ("To", call.to.clone()),
            ("CallStatus", status.to_owned()),
            ("Direction", call.direction.to_string()),
        ];
        list.extend(call.parent_call_sid.map(|parent| ("ParentCallSid", parent.to_string())));
        list.extend(call.forwarded_from.clone().map(|from| ("ForwardedFrom", from)));
        list.extend(call.caller_name.clone().map(|name| ("CallerName", name)));
        list.push(("Timestamp", self.at.rfc2822()));
        if self.step == CallStep::Completed {
            list.extend(call.answered_by.map(|by| ("AnsweredBy", by.to_string())));
            if let (CallStatus::Completed, Some(answered), Some(ended)) = (call.status, call.answered, call.ended) {
                list.push(("CallDuration", ended.since(answered).as_secs().to_string()));
            }
            list.extend(self.sip_response_code.map(|code| ("SipResponseCode", code.to_string())));
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountSid, AnsweredBy, CallSid, Direction};

    fn call(status: CallStatus) -> Call {
        let at = |seconds: i64| Timestamp::from_micros(1_770_714_487_000_000 + seconds * 1_000_000);
        Call {
            sid: CallSid::from_bits(3),
            account_sid: AccountSid::from_bits(1),
            parent_call_sid: Some(CallSid::from_bits(2)),
            to: "sip:ben@phone.test".to_owned(),
            from: "+15005550006".to_owned(),
            caller_name: None,
            phone_number_sid: None,
            forwarded_from: None,
            answered_by: Some(AnsweredBy::Human),
            status,
            direction: Direction::OutboundDial,
            created: at(0),
            updated: at(0),
            started: Some(at(5)),
            answered: Some(at(5)),
            ended: Some(at(66)),
            seq: 1,
        }
    }

    #[test]
    fn every_step_is_told_in_the_words_of_status_callbacks() {
        let zeros = |digit| format!("{digit:032}");
        let begin = format!("CallSid=CA{}&AccountSid=AC{}&From=+15005550006&To=sip:ben@phone.test", zeros(3), zeros(1));
        let end =
            format!("Direction=outbound-dial&ParentCallSid=CA{}&Timestamp=Tue, 10 Feb 2026 09:08:07 +0000", zeros(2));
        let human = "&AnsweredBy=human";
        for (step, status, name, told, more) in [
            (CallStep::Queued, CallStatus::Queued, "call-queued", "queued", String::new()),
            (CallStep::Initiated, CallStatus::Queued, "call-initiated", "initiated", String::new()),
            (CallStep::Ringing, CallStatus::Ringing, "call-ringing", "ringing", String::new()),
            (CallStep::Answered, CallStatus::InProgress, "call-answered", "in-progress", String::new()),
            (
                CallStep::Completed,
                CallStatus::Completed,
                "call-completed",
                "completed",
                format!("{human}&CallDuration=61&SipResponseCode=200"),
            ),
            (CallStep::Completed, CallStatus::Busy, "call-completed", "busy", format!("{human}&SipResponseCode=200")),
        ] {
            let at = Timestamp::from_micros(1_770_714_487_000_000);
            let event = CallStepEvent { seq: 7, at, step, sip_response_code: Some(200), call: call(status) };
            let parameters = event.parameters();
            let shown = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
            assert_eq!(event.name(), name);
            assert_eq!(shown, format!("{begin}&CallStatus={told}&{end}{more}"), "{name} {status}");
        }
    }
}
