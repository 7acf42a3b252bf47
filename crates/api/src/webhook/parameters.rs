//! What our requests say: the parameters of twiml §10 and §11, one table for each purpose and each body.

use std::borrow::Cow;
use std::time::Duration;

use model::{AccountSid, TaskRouterEvent, Timestamp, country};
use switch::routing::Assignment;
use switch::webhook::{
    Ask, CallEventName, CallFacts, CallProgress, CallbackBody, ConversationResult, DialResult, Lane, Purpose,
    RecordingFacts, RecordingProgress, Waiting,
};

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
    let mut pairs = Pairs::default();
    request(&ask.call, &ask.purpose, ask.error.as_ref(), &mut pairs);
    pairs
}

/// Of any request to an action (§10), whether somebody waits for its answer or not.
fn request(facts: &CallFacts, purpose: &Purpose, error: Option<&(u16, String)>, pairs: &mut Pairs) {
    call(facts, facts.call.status.as_str(), pairs);
    self::purpose(purpose, pairs);
    if let Some(offer) = &facts.offer {
        // Taskrouter §7.6.
        pairs.add("TaskSid", offer.task);
        pairs.add("ReservationSid", offer.reservation);
        pairs.add("WorkerSid", offer.worker);
        pairs.add("TaskAttributes", &offer.attributes);
    }
    if let Some((code, url)) = error {
        pairs.add("ErrorCode", code);
        pairs.add("ErrorUrl", url);
    }
    pairs.add_foreign(&facts.custom);
}

/// Of an assignment callback (taskrouter §8); `failed`: why, and where, it was asked in vain before.
pub(crate) fn of_assignment(assignment: &Assignment, failed: Option<(u16, &str)>) -> Pairs {
    let mut pairs = Pairs::default();
    pairs.add("Timestamp", assignment.at.seconds());
    pairs.add("AccountSid", assignment.account);
    pairs.add("WorkspaceSid", assignment.workspace);
    pairs.add("WorkflowSid", assignment.workflow);
    pairs.add_if("TaskQueueSid", assignment.task_queue);
    pairs.add("WorkerSid", assignment.worker);
    pairs.add("WorkerAttributes", &assignment.worker_attributes);
    pairs.add("TaskSid", assignment.task);
    pairs.add("TaskAttributes", &assignment.task_attributes);
    pairs.add("TaskAge", assignment.task_age.as_secs());
    pairs.add("TaskPriority", assignment.task_priority);
    pairs.add("ReservationSid", assignment.reservation);
    if let Some((code, url)) = failed {
        pairs.add("ErrorCode", code);
        pairs.add("ErrorUrl", url);
    }
    pairs
}

/// Of a callback.
pub(crate) fn of_callback(account: AccountSid, body: &CallbackBody) -> Pairs {
    let mut pairs = Pairs::default();
    match body {
        CallbackBody::CallStatus(progress) => call_progress(progress, &mut pairs),
        CallbackBody::Action { facts, purpose } => request(facts, purpose, None, &mut pairs),
        CallbackBody::Conference { event, sequence } => {
            for (name, value) in event.parameters() {
                // Counted among what is sent for this conference, not among all that happens in it.
                let value = if name == "SequenceNumber" { sequence.to_string() } else { value };
                pairs.add(name, value);
            }
        }
        CallbackBody::TaskRouter(event) => task_router_event(event, &mut pairs),
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
    pairs.add_if("ForwardedFrom", facts.call.forwarded_from.as_ref());
    // Of all that a call has come by, Diversion tells who diverted it last.
    pairs.add_if("CalledVia", facts.call.forwarded_from.as_ref());
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
    pairs.add_if("AnsweredBy", facts.call.answered_by.map(|by| by.as_str()));
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
        Purpose::Gather { digits, finished_on_key, speech, waiting } => {
            pairs.add_if("Digits", digits.as_ref());
            pairs.add_if("FinishedOnKey", *finished_on_key);
            waiting.iter().for_each(|waiting| self::waiting(waiting, pairs));
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
        Purpose::Enqueue { result, queue, time, task } => {
            pairs.add("QueueResult", result.as_str());
            pairs.add_if("QueueSid", *queue);
            pairs.seconds("QueueTime", *time);
            pairs.add_if("TaskSid", task.map(|(task, _)| task));
            pairs.add_if("WorkflowSid", task.map(|(_, workflow)| workflow));
        }
        Purpose::QueueWait(waiting) => self::waiting(waiting, pairs),
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

/// §7.2.
fn waiting(waiting: &Waiting, pairs: &mut Pairs) {
    pairs.add("QueueSid", waiting.queue);
    pairs.add("QueuePosition", waiting.position);
    pairs.seconds("QueueTime", waiting.time);
    pairs.seconds("AvgQueueTime", waiting.average_time);
    pairs.add("CurrentQueueSize", waiting.current_size);
    pairs.add("MaxQueueSize", waiting.max_size);
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
    // Taskrouter §7.5.
    pairs.add_if("taskCallSid", facts.offer.as_ref().and_then(|offer| offer.customer));
    pairs.add_foreign(&facts.custom);
}

/// taskrouter §12.1.
fn task_router_event(event: &TaskRouterEvent, pairs: &mut Pairs) {
    pairs.add("EventType", event.event_type);
    pairs.add("EventDescription", &event.description);
    pairs.add("Timestamp", event.at.seconds());
    pairs.add("TimestampMs", event.at.micros().div_euclid(1_000));
    pairs.add("Sid", event.sid);
    pairs.add("AccountSid", event.account_sid);
    pairs.add("ResourceType", event.resource.kind());
    pairs.add("ResourceSid", event.resource);
    pairs.add("ActorType", event.actor.kind());
    pairs.add("ActorSid", event.actor);
    for (member, value) in &event.data {
        pairs.add(TaskRouterEvent::parameter(member), value);
    }
}

/// §11.2.
fn recording_progress(account: AccountSid, progress: &RecordingProgress, pairs: &mut Pairs) {
    pairs.add("AccountSid", account);
    match progress.of {
        Lane::Call(call) => pairs.add("CallSid", call),
        Lane::Conference(conference) => pairs.add("ConferenceSid", conference),
        // Nobody records these.
        Lane::Task(_) | Lane::Worker(_) | Lane::Workspace(_) => {}
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

#[cfg(test)]
mod tests {
    use model::{
        Call, CallSid, CallStatus, ConferenceEvent, ConferenceSid, Direction, Happening, QueueSid, RecordingSid,
        StreamSid, TaskSid, WorkflowSid,
    };
    use switch::webhook::{
        AnsweredBy, ConversationOutcome, DequeueResult, Dequeued, DialCallStatus, DialedSip, QueueResult,
        RecordingCallbackStatus, ReferCallStatus, SipFacts, Speech, StreamEvent,
    };

    use super::*;

    const ACCOUNT: AccountSid = AccountSid::from_bits(0xa);
    const DATE: &str = "Tue, 10 Feb 2026 09:08:07 +0000";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros((1_770_714_487 + seconds) * 1_000_000)
    }

    fn facts(from: &str, to: &str) -> CallFacts {
        CallFacts::of(Call {
            sid: CallSid::from_bits(0xc),
            account_sid: ACCOUNT,
            parent_call_sid: None,
            to: to.to_owned(),
            from: from.to_owned(),
            caller_name: None,
            phone_number_sid: None,
            forwarded_from: None,
            answered_by: None,
            status: CallStatus::InProgress,
            direction: Direction::Inbound,
            created: at(0),
            updated: at(0),
            started: Some(at(0)),
            answered: Some(at(1)),
            ended: None,
            seq: 1,
        })
    }

    /// Names and values in their order, SIDs cut to prefix and last digit.
    fn shown(pairs: &Pairs) -> String {
        let short = |value: &str| match value.get(2..) {
            Some(hex) if value.len() == 34 && hex.starts_with("0000") => format!("{}{}", &value[..2], &value[33..]),
            _ => value.to_owned(),
        };
        pairs.iter().map(|(name, value)| format!("{name}={}", short(value))).collect::<Vec<_>>().join("&")
    }

    fn ask(facts: CallFacts, purpose: Purpose, error: Option<(u16, String)>) -> Pairs {
        of_ask(&Ask {
            ask: switch::webhook::AskId(1),
            account: ACCOUNT,
            url: String::new(),
            method: model::HttpMethod::Post,
            call: Box::new(facts),
            purpose,
            error,
            after: None,
        })
    }

    #[test]
    fn every_request_says_whose_call_it_is() {
        let sip = "CallSid=CAc&AccountSid=ACa&From=sip:a@b.test&To=client:alice&Caller=sip:a@b.test&Called=client:alice&\
                   CallStatus=in-progress&ApiVersion=2010-04-01&Direction=inbound";
        assert_eq!(shown(&ask(facts("sip:a@b.test", "client:alice"), Purpose::Voice, None)), sip);

        let mut all = facts("+442079460000", "+15005550001");
        all.call.forwarded_from = Some("+15005550002".to_owned());
        all.call.caller_name = Some("Ana".to_owned());
        all.call.parent_call_sid = Some(CallSid::from_bits(0xd));
        all.call.answered_by = Some(AnsweredBy::MachineEndBeep);
        all.machine_detection_ms = Some(2_345);
        all.sip = Some(SipFacts {
            domain: Some("acme.sip.test".to_owned()),
            domain_sid: Some("SD1".to_owned()),
            call_id: "id@phone".to_owned(),
            source_ip: Some([192, 0, 2, 1].into()),
            headers: vec![("X-Tenant".to_owned(), "7".to_owned()), ("User-to-User".to_owned(), "u".to_owned())],
        });
        let own = [("Tier", "gold"), ("CallSid", "forged"), ("SipHeader_X-Tenant", "forged"), ("", "nameless")];
        all.custom = own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let error = Some((11_200, "https://app.test/voice".to_owned()));
        assert_eq!(
            shown(&ask(all, Purpose::Voice, error)),
            "CallSid=CAc&AccountSid=ACa&From=+442079460000&To=+15005550001&Caller=+442079460000&Called=+15005550001&\
             CallStatus=in-progress&ApiVersion=2010-04-01&Direction=inbound&ForwardedFrom=+15005550002&\
             CalledVia=+15005550002&CallerName=Ana&ParentCallSid=CAd&FromCity=&FromState=&FromZip=&FromCountry=GB&\
             ToCity=&ToState=&ToZip=&ToCountry=US&CallerCity=&CallerState=&CallerZip=&CallerCountry=GB&CalledCity=&\
             CalledState=&CalledZip=&CalledCountry=US&AnsweredBy=machine_end_beep&MachineDetectionDuration=2345&\
             SipDomain=acme.sip.test&SipDomainSid=SD1&SipCallId=id@phone&SipSourceIp=192.0.2.1&SipHeader_X-Tenant=7&\
             SipHeader_User-to-User=u&ErrorCode=11200&ErrorUrl=https://app.test/voice&Tier=gold"
        );
    }

    #[test]
    fn every_purpose_has_its_own() {
        let secs = Duration::from_secs;
        let queue = QueueSid::from_bits(0xe);
        let recording = RecordingFacts {
            sid: RecordingSid::from_bits(0xf),
            url: "https://bridge.test/RE".to_owned(),
            duration: Some(secs(42)),
        };
        let digits = |digits: &str, key| Purpose::Gather {
            digits: Some(digits.to_owned()),
            finished_on_key: key,
            speech: None,
            waiting: None,
        };
        let speech = Speech { result: "größe".to_owned(), confidence_thousandths: 913 };
        for (purpose, want) in [
            (Purpose::Plain, ""),
            (digits("12", Some('#')), "Digits=12&FinishedOnKey=#"),
            (digits("", None), "Digits="),
            (
                Purpose::Gather { digits: None, finished_on_key: None, speech: Some(speech), waiting: None },
                "SpeechResult=größe&Confidence=0.913",
            ),
            (
                Purpose::Record { recording: Some(recording.clone()), digits: Some("hangup".to_owned()) },
                "RecordingUrl=https://bridge.test/RE&RecordingSid=REf&RecordingDuration=42&Digits=hangup",
            ),
            (Purpose::Dial(Box::new(DialResult::of(DialCallStatus::NoAnswer))), "DialCallStatus=no-answer"),
            (
                Purpose::Dial(Box::new(DialResult {
                    call: Some(CallSid::from_bits(2)),
                    duration: Some(Duration::from_millis(61_999)),
                    bridged: Some(true),
                    recording: Some(recording.clone()),
                    sip: Some(DialedSip {
                        call_id: "i".to_owned(),
                        response_code: Some(200),
                        headers: vec![("X-Agent".to_owned(), "9".to_owned())],
                    }),
                    queue: Some(Dequeued {
                        queue: Some(queue),
                        result: DequeueResult::Bridged,
                        call: Some(CallSid::from_bits(3)),
                        queue_time: Some(secs(5)),
                        duration: Some(secs(6)),
                    }),
                    ..DialResult::of(DialCallStatus::Completed)
                })),
                "DialCallStatus=completed&DialCallSid=CA2&DialCallDuration=61&DialBridged=true&\
                 RecordingUrl=https://bridge.test/RE&RecordingSid=REf&RecordingDuration=42&DialSipCallId=i&\
                 DialSipResponseCode=200&DialSipHeader_X-Agent=9&QueueSid=QUe&DequeueResult=bridged&DequeuedCallSid=CA3&\
                 DequeuedCallQueueTime=5&DequeuedCallDuration=6",
            ),
            (
                Purpose::Enqueue { result: QueueResult::Leave, queue: Some(queue), time: secs(7), task: None },
                "QueueResult=leave&QueueSid=QUe&QueueTime=7",
            ),
            (
                Purpose::Enqueue {
                    result: QueueResult::Bridged,
                    queue: Some(queue),
                    time: secs(7),
                    task: Some((TaskSid::from_bits(0xa), WorkflowSid::from_bits(0xb))),
                },
                "QueueResult=bridged&QueueSid=QUe&QueueTime=7&TaskSid=WTa&WorkflowSid=WWb",
            ),
            (
                Purpose::Enqueue { result: QueueResult::QueueFull, queue: None, time: secs(0), task: None },
                "QueueResult=queue-full&QueueTime=0",
            ),
            (
                Purpose::QueueWait(Waiting {
                    queue,
                    position: 2,
                    time: secs(30),
                    average_time: secs(20),
                    current_size: 3,
                    max_size: 1_000,
                }),
                "QueueSid=QUe&QueuePosition=2&QueueTime=30&AvgQueueTime=20&CurrentQueueSize=3&MaxQueueSize=1000",
            ),
            (
                Purpose::ConferenceWait {
                    conference: ConferenceSid::from_bits(4),
                    friendly_name: "standup".to_owned(),
                },
                "ConferenceSid=CF4&FriendlyName=standup",
            ),
            (
                Purpose::QueueWhisper { queue, time: secs(9), dequeuing: CallSid::from_bits(5) },
                "QueueSid=QUe&QueueTime=9&DequeingCallSid=CA5",
            ),
            (
                Purpose::Refer { status: ReferCallStatus::Busy, response_code: Some(202), notify_code: Some(486) },
                "ReferCallStatus=busy&ReferSipResponseCode=202&NotifySipResponseCode=486",
            ),
            (Purpose::ReferTransfer { target: "sip:ben@b.test".to_owned() }, "ReferTransferTarget=sip:ben@b.test"),
            (
                Purpose::Conversation(Box::new(ConversationResult {
                    result: ConversationOutcome::DialedCallIncomplete,
                    worker_initiated: false,
                    status: Some(DialCallStatus::NoAnswer),
                    call: Some(CallSid::from_bits(6)),
                    duration: Some(secs(0)),
                    recording: None,
                    conversation: Some("CH1".to_owned()),
                })),
                "Result=dialed-call-incomplete&WorkerInitiated=false&DialCallStatus=no-answer&DialCallSid=CA6&\
                 DialCallDuration=0&ConversationSid=CH1",
            ),
        ] {
            let plain = shown(&ask(facts("a", "b"), Purpose::Plain, None));
            let all = shown(&ask(facts("a", "b"), purpose, None));
            assert_eq!(all.strip_prefix(&plain).expect("the call first").trim_start_matches('&'), want);
        }
    }

    #[test]
    fn every_callback_has_its_body() {
        let recording = RecordingFacts {
            sid: RecordingSid::from_bits(0xf),
            url: "https://bridge.test/RE".to_owned(),
            duration: None,
        };
        let done = RecordingFacts { duration: Some(Duration::from_secs(42)), ..recording.clone() };
        let call = CallSid::from_bits(1);
        let conference = ConferenceSid::from_bits(4);
        let progress = |of, recording, status| {
            CallbackBody::Recording(Box::new(RecordingProgress {
                of,
                recording,
                status,
                channels: 1,
                started: at(0),
                source: "DialVerb",
                track: "both",
                error_code: None,
            }))
        };
        let event = Box::new(ConferenceEvent {
            seq: 9,
            account_sid: ACCOUNT,
            conference_sid: conference,
            friendly_name: "standup".to_owned(),
            sequence_number: 12,
            at: at(0),
            happening: Happening::Started,
        });
        for (body, want) in [
            (
                CallbackBody::Conference { event, sequence: 3 },
                format!(
                    "StatusCallbackEvent=conference-start&ConferenceSid=CF4&FriendlyName=standup&AccountSid=ACa&\
                     SequenceNumber=3&Timestamp={DATE}"
                ),
            ),
            (
                progress(Lane::Call(call), recording, RecordingCallbackStatus::InProgress),
                format!(
                    "AccountSid=ACa&CallSid=CA1&RecordingSid=REf&RecordingUrl=https://bridge.test/RE&\
                     RecordingStatus=in-progress&RecordingChannels=1&RecordingStartTime={DATE}&RecordingSource=DialVerb&\
                     RecordingTrack=both"
                ),
            ),
            (
                progress(Lane::Conference(conference), done.clone(), RecordingCallbackStatus::Completed),
                format!(
                    "AccountSid=ACa&ConferenceSid=CF4&RecordingSid=REf&RecordingUrl=https://bridge.test/RE&\
                     RecordingStatus=completed&RecordingDuration=42&RecordingChannels=1&RecordingStartTime={DATE}&\
                     RecordingSource=DialVerb&RecordingTrack=both"
                ),
            ),
            (
                CallbackBody::ConferenceRecordEnd { conference, recording: done, bytes: 1_024, at: at(0) },
                format!(
                    "EventName=conference-record-end&AccountSid=ACa&ConferenceSid=CF4&\
                     RecordingUrl=https://bridge.test/RE&Duration=42&RecordingFileSize=1024&timestamp={DATE}"
                ),
            ),
            (
                CallbackBody::AsyncAmd { call, answered_by: AnsweredBy::Human, machine_detection_ms: 800 },
                "CallSid=CA1&AccountSid=ACa&AnsweredBy=human&MachineDetectionDuration=800".to_owned(),
            ),
            (
                CallbackBody::Stream {
                    call,
                    stream: StreamSid::from_bits(7),
                    name: "tap".to_owned(),
                    event: StreamEvent::Error,
                    error: Some("refused".to_owned()),
                    at: at(0),
                },
                format!(
                    "AccountSid=ACa&CallSid=CA1&StreamSid=MZ7&StreamName=tap&StreamEvent=stream-error&\
                     StreamError=refused&Timestamp={DATE}"
                ),
            ),
            (
                CallbackBody::Conversation {
                    conversation: None,
                    call: Some(call),
                    worker_initiated: true,
                    event: CallEventName::Completed,
                    sequence: 1,
                    at: at(0),
                },
                format!(
                    "AccountSid=ACa&DialCallSid=CA1&WorkerInitiated=true&Status=call-completed&SequenceNumber=1&\
                     Timestamp={DATE}&CallbackSource=voice-conversation-service"
                ),
            ),
        ] {
            assert_eq!(shown(&of_callback(ACCOUNT, &body)), want);
        }
    }

    #[test]
    fn a_calls_progress_is_told_and_at_its_end_how_long_it_was() {
        for (case, event, status, answered, want) in [
            ("dialled", CallEventName::Initiated, CallStatus::Queued, None, "CallStatus=initiated&"),
            ("rings", CallEventName::Ringing, CallStatus::Ringing, None, "CallStatus=ringing&"),
            ("answered", CallEventName::Answered, CallStatus::InProgress, Some(at(1)), "CallStatus=in-progress&"),
            (
                "talked",
                CallEventName::Completed,
                CallStatus::Completed,
                Some(at(1)),
                "&CallDuration=61&Duration=2&SipResponseCode=200",
            ),
            (
                "busy",
                CallEventName::Completed,
                CallStatus::Busy,
                None,
                "&CallDuration=0&Duration=0&SipResponseCode=200",
            ),
        ] {
            let mut facts = facts("+15005550006", "sip:b@b.test");
            (facts.call.status, facts.call.answered) = (status, answered);
            facts.call.ended = (event == CallEventName::Completed).then_some(at(62));
            let (sip_response_code, recording) = (Some(200), None);
            let progress = CallProgress { facts, event, at: at(0), sequence: 2, sip_response_code, recording };
            let told = shown(&of_callback(ACCOUNT, &CallbackBody::CallStatus(Box::new(progress))));
            assert!(told.contains(want), "{case}: {want} in {told}");
            let common = format!("&Timestamp={DATE}&CallbackSource=call-progress-events&SequenceNumber=2");
            assert!(told.contains(&common) && told.contains("FromCountry=US&CallerCity="), "{case}: {told}");
            assert_eq!(told.contains("CallDuration"), event == CallEventName::Completed, "{case}: {told}");
        }
    }
}
