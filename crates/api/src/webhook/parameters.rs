//! What our requests say: the parameters of twiml §10 and §11, one table for each purpose and each body.

use std::borrow::Cow;
use std::time::Duration;

use model::{AccountSid, Timestamp};
use switch::webhook::{
    Ask, CallEventName, CallFacts, CallProgress, CallbackBody, ConversationResult, DialResult, Lane, Purpose,
    RecordingFacts, RecordingProgress,
};

use super::country;
use crate::json::API_VERSION;

/// Names and values, in the order they are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs(Vec<(Cow<'static, str>, String)>);

impl Pairs {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    fn add(&mut self, name: impl Into<Cow<'static, str>>, value: impl ToString) {
        self.0.push((name.into(), value.to_string()));
    }

    fn add_if(&mut self, name: impl Into<Cow<'static, str>>, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// Whole seconds.
    fn seconds(&mut self, name: &'static str, span: impl Into<Option<Duration>>) {
        self.add_if(name, span.into().map(|span| span.as_secs()));
    }

    /// What others have named: it may say more, but not say ours otherwise.
    fn add_foreign<'a>(&mut self, pairs: impl IntoIterator<Item = &'a (String, String)>) {
        for (name, value) in pairs {
            if !name.is_empty() && !self.0.iter().any(|(taken, _)| taken == name) {
                self.add(name.clone(), value);
            }
        }
    }
}

/// Of a request for a document.
pub(crate) fn of_ask(ask: &Ask) -> Pairs {
    let facts = &ask.call;
    let mut pairs = Pairs::default();
    call(facts, facts.call.status.as_str(), &mut pairs);
    purpose(&ask.purpose, &mut pairs);
    if let Some((code, url)) = &ask.error {
        pairs.add("ErrorCode", code);
        pairs.add("ErrorUrl", url);
    }
    pairs.add_foreign(&facts.custom);
    pairs
}

/// Of a callback.
pub(crate) fn of_callback(account: AccountSid, body: &CallbackBody) -> Pairs {
    let mut pairs = Pairs::default();
    match body {
        CallbackBody::CallStatus(progress) => call_progress(progress, &mut pairs),
        CallbackBody::Conference { event, sequence } => {
            for (name, value) in event.parameters() {
                // Counted among what is sent for this conference, not among all that happens in it.
                let value = if name == "SequenceNumber" { sequence.to_string() } else { value };
                pairs.add(name, value);
            }
        }
        CallbackBody::Recording(progress) => recording_progress(account, progress, &mut pairs),
        CallbackBody::ConferenceRecordEnd { conference, recording, bytes, at } => {
            pairs.add("EventName", "conference-record-end");
            pairs.add("AccountSid", account);
            pairs.add("ConferenceSid", conference);
            pairs.add("RecordingUrl", &recording.url);
            pairs.seconds("Duration", recording.duration);
            pairs.add("RecordingFileSize", bytes);
            pairs.add("timestamp", at.rfc2822());
        }
        CallbackBody::AsyncAmd { call, answered_by, machine_detection_ms } => {
            pairs.add("CallSid", call);
            pairs.add("AccountSid", account);
            pairs.add("AnsweredBy", answered_by.as_str());
            pairs.add("MachineDetectionDuration", machine_detection_ms);
        }
        CallbackBody::Stream { call, stream, name, event, error, at } => {
            pairs.add("AccountSid", account);
            pairs.add("CallSid", call);
            pairs.add("StreamSid", stream);
            pairs.add("StreamName", name);
            pairs.add("StreamEvent", event.as_str());
            pairs.add_if("StreamError", error.as_ref());
            pairs.add("Timestamp", at.rfc2822());
        }
        CallbackBody::Conversation { conversation, call, worker_initiated, event, sequence, at } => {
            pairs.add("AccountSid", account);
            pairs.add_if("ConversationSid", conversation.as_ref());
            pairs.add_if("DialCallSid", *call);
            pairs.add("WorkerInitiated", worker_initiated);
            pairs.add("Status", format!("call-{}", event.as_str()));
            pairs.add("SequenceNumber", sequence);
            pairs.add("Timestamp", at.rfc2822());
            pairs.add("CallbackSource", "voice-conversation-service");
        }
    }
    pairs
}

/// What every request about a call says of it (§10); `status` is what its status is called here.
fn call(facts: &CallFacts, status: &str, pairs: &mut Pairs) {
    let call = &facts.call;
    pairs.add("CallSid", call.sid);
    pairs.add("AccountSid", call.account_sid);
    for (name, address) in [("From", &call.from), ("To", &call.to), ("Caller", &call.from), ("Called", &call.to)] {
        pairs.add(name, address);
    }
    pairs.add("CallStatus", status);
    pairs.add("ApiVersion", API_VERSION);
    pairs.add("Direction", call.direction);
    pairs.add_if("ForwardedFrom", facts.forwarded_from.as_ref());
    pairs.add_if("CalledVia", facts.called_via.as_ref());
    pairs.add_if("CallerName", call.caller_name.as_ref());
    pairs.add_if("ParentCallSid", call.parent_call_sid);
    for (names, number) in [(FROM, &call.from), (TO, &call.to), (CALLER, &call.from), (CALLED, &call.to)] {
        if country::is_number(number) {
            let [city, state, zip, country] = names;
            for name in [city, state, zip] {
                pairs.add(name, ""); // nobody tells us more than the number's prefix does
            }
            pairs.add(country, country::of(number));
        }
    }
    pairs.add_if("AnsweredBy", facts.answered_by.map(|by| by.as_str()));
    pairs.add_if("MachineDetectionDuration", facts.machine_detection_ms);
    if let Some(sip) = &facts.sip {
        pairs.add_if("SipDomain", sip.domain.as_ref());
        pairs.add_if("SipDomainSid", sip.domain_sid.as_ref());
        pairs.add("SipCallId", &sip.call_id);
        pairs.add_if("SipSourceIp", sip.source_ip);
        for (name, value) in &sip.headers {
            pairs.add(format!("SipHeader_{name}"), value);
        }
    }
}

/// What a document is asked for says beside the call.
fn purpose(purpose: &Purpose, pairs: &mut Pairs) {
    match purpose {
        Purpose::Voice | Purpose::Plain => {}
        Purpose::Gather { digits, finished_on_key, speech } => {
            pairs.add_if("Digits", digits.as_ref());
            pairs.add_if("FinishedOnKey", *finished_on_key);
            if let Some(speech) = speech {
                pairs.add("SpeechResult", &speech.result);
                pairs.add("Confidence", f64::from(speech.confidence_thousandths) / 1_000.0);
            }
        }
        Purpose::Record { recording, digits } => {
            recording.iter().for_each(|recording| self::recording(recording, pairs));
            pairs.add_if("Digits", digits.as_ref());
        }
        Purpose::Dial(result) => dial(result, pairs),
        Purpose::Enqueue { result, queue, time } => {
            pairs.add("QueueResult", result.as_str());
            pairs.add_if("QueueSid", *queue);
            pairs.seconds("QueueTime", *time);
        }
        Purpose::QueueWait { queue, position, time, average_time, current_size, max_size } => {
            pairs.add("QueueSid", queue);
            pairs.add("QueuePosition", position);
            pairs.seconds("QueueTime", *time);
            pairs.seconds("AvgQueueTime", *average_time);
            pairs.add("CurrentQueueSize", current_size);
            pairs.add("MaxQueueSize", max_size);
        }
        Purpose::ConferenceWait { conference, friendly_name } => {
            pairs.add("ConferenceSid", conference);
            pairs.add("FriendlyName", friendly_name);
        }
        Purpose::QueueWhisper { queue, time, dequeuing } => {
            pairs.add("QueueSid", queue);
            pairs.seconds("QueueTime", *time);
            pairs.add("DequeingCallSid", dequeuing); // as Twilio spells it
        }
        Purpose::Refer { status, response_code, notify_code } => {
            pairs.add("ReferCallStatus", status.as_str());
            pairs.add_if("ReferSipResponseCode", *response_code);
            pairs.add_if("NotifySipResponseCode", *notify_code);
        }
        Purpose::ReferTransfer { target } => pairs.add("ReferTransferTarget", target),
        Purpose::Conversation(result) => conversation(result, pairs),
    }
}

fn dial(result: &DialResult, pairs: &mut Pairs) {
    pairs.add("DialCallStatus", result.status.as_str());
    pairs.add_if("DialCallSid", result.call);
    pairs.seconds("DialCallDuration", result.duration);
    pairs.add_if("DialBridged", result.bridged);
    result.recording.iter().for_each(|recording| self::recording(recording, pairs));
    if let Some(sip) = &result.sip {
        pairs.add("DialSipCallId", &sip.call_id);
        pairs.add_if("DialSipResponseCode", sip.response_code);
        for (name, value) in &sip.headers {
            pairs.add(format!("DialSipHeader_{name}"), value);
        }
    }
    if let Some(queue) = &result.queue {
        pairs.add_if("QueueSid", queue.queue);
        pairs.add("DequeueResult", queue.result.as_str());
        pairs.add_if("DequeuedCallSid", queue.call);
        pairs.seconds("DequeuedCallQueueTime", queue.queue_time);
        pairs.seconds("DequeuedCallDuration", queue.duration);
    }
}

fn conversation(result: &ConversationResult, pairs: &mut Pairs) {
    pairs.add("Result", result.result.as_str());
    pairs.add("WorkerInitiated", result.worker_initiated);
    pairs.add_if("DialCallStatus", result.status.map(|status| status.as_str()));
    pairs.add_if("DialCallSid", result.call);
    pairs.seconds("DialCallDuration", result.duration);
    result.recording.iter().for_each(|recording| self::recording(recording, pairs));
    pairs.add_if("ConversationSid", result.conversation.as_ref());
}

fn recording(recording: &RecordingFacts, pairs: &mut Pairs) {
    pairs.add("RecordingUrl", &recording.url);
    pairs.add("RecordingSid", recording.sid);
    pairs.seconds("RecordingDuration", recording.duration);
}

/// §11.1.
fn call_progress(progress: &CallProgress, pairs: &mut Pairs) {
    let facts = &progress.facts;
    let status = match progress.event {
        CallEventName::Initiated => "initiated",
        CallEventName::Ringing | CallEventName::Answered | CallEventName::Completed => facts.call.status.as_str(),
    };
    call(facts, status, pairs);
    pairs.add("Timestamp", progress.at.rfc2822());
    pairs.add("CallbackSource", "call-progress-events");
    pairs.add("SequenceNumber", progress.sequence);
    if progress.event == CallEventName::Completed {
        let talked = facts.call.answered.zip(facts.call.ended).map(|(answered, ended)| ended.since(answered).as_secs());
        let talked = talked.unwrap_or(0);
        pairs.add("CallDuration", talked);
        pairs.add("Duration", talked.div_ceil(60)); // minutes
        pairs.add_if("SipResponseCode", progress.sip_response_code);
        progress.recording.iter().for_each(|recording| self::recording(recording, pairs));
    }
    pairs.add_foreign(&facts.custom);
}

/// §11.2.
fn recording_progress(account: AccountSid, progress: &RecordingProgress, pairs: &mut Pairs) {
    pairs.add("AccountSid", account);
    match progress.of {
        Lane::Call(call) => pairs.add("CallSid", call),
        Lane::Conference(conference) => pairs.add("ConferenceSid", conference),
    }
    pairs.add("RecordingSid", progress.recording.sid);
    pairs.add("RecordingUrl", &progress.recording.url);
    pairs.add("RecordingStatus", progress.status.as_str());
    pairs.seconds("RecordingDuration", progress.recording.duration);
    pairs.add("RecordingChannels", progress.channels);
    pairs.add("RecordingStartTime", Timestamp::rfc2822(progress.started));
    pairs.add("RecordingSource", progress.source);
    pairs.add("RecordingTrack", progress.track);
    pairs.add_if("ErrorCode", progress.error_code);
}

const FROM: [&str; 4] = ["FromCity", "FromState", "FromZip", "FromCountry"];
const TO: [&str; 4] = ["ToCity", "ToState", "ToZip", "ToCountry"];
const CALLER: [&str; 4] = ["CallerCity", "CallerState", "CallerZip", "CallerCountry"];
const CALLED: [&str; 4] = ["CalledCity", "CalledState", "CalledZip", "CalledCountry"];
