//! Instructions (taskrouter §7.2): one table for the answer to an assignment callback and for REST.
//!
//! Both are brought to the same names, those of REST without their instruction in front, and read from there:
//!
//! `{"instruction":"dequeue","status_callback_url":…}` and `Instruction=dequeue&DequeueStatusCallbackUrl=…`
//! are both `StatusCallback` of a dequeue. In JSON a value of another type than it should have is what it looks like.

use std::time::Duration;

use model::TaskRouterEvent;
use serde_json::{Map, Value};
use switch::routing::{
    CallWorker, ConferWorker, Dequeue, Instruction, LegFlags, RING_TIMEOUT, RING_TIMEOUT_MAX, Redirect,
    SIP_RING_TIMEOUT_MAX, Supervise, SupervisorMode, WorkerLeg,
};
use switch::webhook::Remark;
use switch::{Callee, Link};

use crate::callee;
use crate::new_call::{credentials, link, recording, status_callback};
use crate::new_participant::{beep, room, wait};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// What REST parameters instruct; `None` where they have no instruction.
pub(super) fn of_parameters(parameters: &Parameters) -> Result<Option<Instruction>, Problem> {
    let Some(word) = parameters.filled(INSTRUCTION) else { return Ok(None) };
    let kind = Kind::of(word).ok_or(UNKNOWN)?;
    let own = |name: &str| name.strip_prefix(kind.prefix).filter(|rest| !rest.is_empty()).map(str::to_owned);
    let pairs = parameters.iter().filter_map(|(name, value)| Some((own(name)?, value.to_owned())));
    // Only a callback names the room.
    let pairs = pairs.filter(|(name, _)| name != "RoomName");
    let read = kind.read(pairs).map_err(|problem| problem.renamed(|name| kind.name_by_rest(name)));
    read.map(|(instruction, _)| Some(instruction))
}

/// What the answer to an assignment callback instructs, and what in it was passed over.
pub(crate) fn of_json(members: &Map<String, Value>) -> Result<(Instruction, Vec<Remark>), Problem> {
    let word = members.get("instruction").and_then(coerced).unwrap_or_default();
    let kind = Kind::of(&word).filter(|kind| kind.name != "supervise").ok_or(UNKNOWN)?;
    let named = |(name, value): (&String, &Value)| match (kind.name, name.as_str()) {
        ("reject", "activity_sid") => Some(("WorkerActivitySid".to_owned(), coerced(value)?)),
        _ => Some((TaskRouterEvent::parameter(name), coerced(value)?)),
    };
    kind.read(members.iter().filter_map(named))
}

/// A value as a parameter would have it.
fn coerced(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => {
            // 30.0 is a whole number, too.
            let text = number.to_string();
            let whole = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
            Some(whole.map_or(text.clone(), |(whole, _)| whole.to_owned()))
        }
        Value::String(text) => Some(text.clone()),
        Value::Array(elements) => Some(elements.iter().filter_map(coerced).collect::<Vec<_>>().join(" ")),
    }
}

/// One kind of instruction.
struct Kind {
    name: &'static str,
    /// In front of the names of its parameters by REST.
    prefix: &'static str,
    read: fn(&Parameters, &mut Vec<Remark>) -> Result<Instruction, Problem>,
}

impl Kind {
    fn of(word: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name.eq_ignore_ascii_case(word.trim()))
    }

    /// What REST calls a parameter that we know without its kind in front.
    fn name_by_rest(&self, name: &'static str) -> &'static str {
        let is_it = |full: &&&str| full.strip_prefix(self.prefix) == Some(name);
        PREFIXED.iter().filter(|_| !self.prefix.is_empty()).find(is_it).copied().unwrap_or(name)
    }

    fn read(&self, pairs: impl Iterator<Item = (String, String)>) -> Result<(Instruction, Vec<Remark>), Problem> {
        let mut remarks = Vec::new();
        let parameters = Parameters::of_pairs(pairs.map(|(name, value)| canonical(name, value)));
        let instruction = (self.read)(&parameters, &mut remarks)?;
        Ok((instruction, remarks))
    }
}

/// A parameter as the readers of calls and participants know it.
fn canonical(name: String, value: String) -> (String, String) {
    let name = match name.as_str() {
        "StatusCallbackUrl" => "StatusCallback".to_owned(),
        "StatusCallbackEvents" | "ConferenceStatusCallbackEvents" => name.trim_end_matches('s').to_owned(),
        _ => name,
    };
    let value = match name.as_str() {
        _ if name.ends_with("Event") => value.replace(',', " "),
        "Record" => match value.as_str() {
            "record-from-answer" | "record-from-start" => "true".to_owned(),
            "do-not-record" => "false".to_owned(),
            _ => value,
        },
        "ConferenceStatusCallbackMethod" | "StatusCallbackMethod" | "WaitMethod" => value.to_ascii_uppercase(),
        _ => value,
    };
    (name, value)
}

const KINDS: [Kind; 7] = [
    Kind { name: "accept", prefix: "", read: |_, _| Ok(Instruction::Accept) },
    Kind { name: "reject", prefix: "", read: reject },
    Kind { name: "dequeue", prefix: "Dequeue", read: dequeue },
    Kind { name: "call", prefix: "Call", read: call },
    Kind { name: "redirect", prefix: "Redirect", read: redirect },
    Kind { name: "conference", prefix: "", read: conference },
    Kind { name: "supervise", prefix: "", read: supervise },
];

/// Parameters that by REST have their instruction in front, of which something may be wrong or missing.
const PREFIXED: [&str; 18] = [
    "CallAccept",
    "CallFrom",
    "CallRecord",
    "CallStatusCallback",
    "CallTimeout",
    "CallTo",
    "CallUrl",
    "DequeueFrom",
    "DequeuePostWorkActivitySid",
    "DequeueRecord",
    "DequeueStatusCallback",
    "DequeueStatusCallbackEvents",
    "DequeueStatusCallbackMethod",
    "DequeueTimeout",
    "DequeueTo",
    "RedirectAccept",
    "RedirectCallSid",
    "RedirectUrl",
];

fn reject(parameters: &Parameters, _: &mut Vec<Remark>) -> Result<Instruction, Problem> {
    Ok(Instruction::Reject { activity: sid(parameters, "WorkerActivitySid", 40100)? })
}

/// Its status callback is asked by GET (taskrouter §7.5).
fn dequeue(parameters: &Parameters, remarks: &mut Vec<Remark>) -> Result<Instruction, Problem> {
    const EVENTS: &str = "StatusCallbackEvent";
    const RECORD: &str = "Record";
    let codes = Codes { to: 40131, from: 40132, status_callback: 40157 };
    if parameters.words(EVENTS).is_some_and(|words| words.iter().any(|word| !CALL_EVENTS.contains(word))) {
        let expected = "initiated, ringing, answered or completed";
        return Err(Problem::Invalid { code: 40134, name: "StatusCallbackEvents", expected });
    }
    parameters.flag_filter(RECORD).map_err(|_| {
        let expected = "record-from-answer or do-not-record";
        Problem::Parameter { name: RECORD, expected }
    })?;
    let mut leg = leg(parameters, codes, remarks)?;
    if let Some(link) = leg.status.link.as_mut().filter(|_| parameters.filled("StatusCallbackMethod").is_none()) {
        link.method = model::HttpMethod::Get;
    }
    let post_work_activity = sid(parameters, "PostWorkActivitySid", 40130)?;
    Ok(Instruction::Dequeue(Box::new(Dequeue { leg, post_work_activity })))
}

fn call(parameters: &Parameters, remarks: &mut Vec<Remark>) -> Result<Instruction, Problem> {
    let codes = Codes { to: 40110, from: 40111, status_callback: 40158 };
    Ok(Instruction::Call(Box::new(CallWorker {
        leg: leg(parameters, codes, remarks)?,
        url: url(parameters, 40112)?,
        accept: parameters.flag_filter("Accept")?.unwrap_or(false),
    })))
}

fn redirect(parameters: &Parameters, _: &mut Vec<Remark>) -> Result<Instruction, Problem> {
    const CALL: &str = "CallSid";
    Ok(Instruction::Redirect(Box::new(Redirect {
        url: url(parameters, 40120)?,
        call: sid(parameters, CALL, 40121)?.ok_or(Problem::Missing { code: 40121, name: CALL })?,
        accept: parameters.flag_filter("Accept")?.unwrap_or(false),
    })))
}

fn conference(parameters: &Parameters, remarks: &mut Vec<Remark>) -> Result<Instruction, Problem> {
    let codes = Codes { to: 40137, from: 40138, status_callback: 40159 };
    let flag = |name, default| parameters.flag_filter(name).map(|flag| flag.unwrap_or(default));
    let [beep_on_enter, beep_on_exit] = beep(parameters)?;
    Ok(Instruction::Conference(Box::new(ConferWorker {
        leg: leg(parameters, codes, remarks)?,
        post_work_activity: sid(parameters, "PostWorkActivitySid", 40139)?,
        room_name: parameters.filled("RoomName").map(str::to_owned),
        flags: LegFlags {
            muted: flag("Muted", false)?,
            beep_on_enter,
            beep_on_exit,
            start_conference_on_enter: flag("StartConferenceOnEnter", true)?,
            end_conference_on_exit: flag("EndConferenceOnExit", false)?,
            wait: wait(parameters)?,
            early_media: flag("EarlyMedia", true)?,
            jitter_buffer_size: parameters
                .word_filter("JitterBufferSize", "off, small, medium or large")?
                .unwrap_or_default(),
        },
        beep_on_customer_entrance: flag("BeepOnCustomerEntrance", false)?,
        end_conference_on_customer_exit: flag("EndConferenceOnCustomerExit", false)?,
        room: room(parameters, remarks).map_err(recoded(40159))?,
    })))
}

fn supervise(parameters: &Parameters, _: &mut Vec<Remark>) -> Result<Instruction, Problem> {
    const SUPERVISOR: &str = "Supervisor";
    const MODE: &str = "SupervisorMode";
    let supervisor = parameters.filled(SUPERVISOR).ok_or(Problem::Missing { code: 40147, name: SUPERVISOR })?;
    let mode = match parameters.filled(MODE) {
        None => SupervisorMode::Monitor,
        Some(word) => {
            let wrong = Problem::Parameter { name: MODE, expected: "monitor, whisper or barge" };
            SupervisorMode::ALL.into_iter().find(|mode| mode.as_str() == word).ok_or(wrong)?
        }
    };
    Ok(Instruction::Supervise(Supervise { supervisor: supervisor.to_owned(), mode }))
}

/// What an instruction calls what is wrong with its leg.
#[derive(Clone, Copy)]
struct Codes {
    to: u32,
    from: u32,
    status_callback: u32,
}

/// The leg to the worker.
fn leg(parameters: &Parameters, codes: Codes, remarks: &mut Vec<Remark>) -> Result<WorkerLeg, Problem> {
    let to = parameters.filled("To").map(|to| callee::to(to, false).map_err(recoded(codes.to))).transpose()?;
    // Who is called without `To` is known by the worker's attributes only, and may be anybody.
    let anybody = Callee::Sip { uri: String::new(), headers: Vec::new() };
    let callee = to.as_ref().unwrap_or(&anybody);
    let from = parameters.filled("From").map(|from| {
        let from = callee::from("From", from, callee)?;
        // Whatever is shown, it is to tell who calls.
        let expected = "a phone number, or what a client or SIP phone is to show";
        let tells = from.contains(char::is_alphanumeric);
        if tells { Ok(from) } else { Err(Problem::Invalid { code: codes.from, name: "From", expected }) }
    });
    let from = from.map(|from| from.map_err(recoded(codes.from)));
    Ok(WorkerLeg {
        from: from.transpose()?,
        ring_timeout: ring_timeout(parameters, to.as_ref())?,
        status: status_callback(parameters, remarks).map_err(recoded(codes.status_callback))?,
        credentials: credentials(parameters, callee)?,
        record: recording(parameters, remarks).map_err(recoded(codes.status_callback))?,
        to,
    })
}

/// Longer than may be is as long as may be.
fn ring_timeout(parameters: &Parameters, to: Option<&Callee>) -> Result<Duration, Problem> {
    let Some(text) = parameters.filled("Timeout") else { return Ok(RING_TIMEOUT) };
    let longest = if matches!(to, Some(Callee::Sip { .. })) { SIP_RING_TIMEOUT_MAX } else { RING_TIMEOUT_MAX };
    let wrong = Problem::Parameter { name: "Timeout", expected: "seconds from 1 to 999" };
    let seconds: u64 = text.trim().parse().ok().filter(|seconds| *seconds > 0).ok_or(wrong)?;
    Ok(Duration::from_secs(seconds).min(longest))
}

fn url(parameters: &Parameters, code: u32) -> Result<Link, Problem> {
    link(parameters, "Url", "Method", code)?.ok_or(Problem::Missing { code, name: "Url" })
}

fn sid<S: std::str::FromStr>(parameters: &Parameters, name: &'static str, code: u32) -> Result<Option<S>, Problem> {
    let wrong = || Problem::Invalid { code, name, expected: "the SID of one" };
    parameters.filled(name).map(|text| text.trim().parse().map_err(|_| wrong())).transpose()
}

/// The same problem by the code that an instruction has for it.
fn recoded(code: u32) -> impl Fn(Problem) -> Problem {
    move |problem| match problem {
        Problem::Invalid { name, expected, .. } => Problem::Invalid { code, name, expected },
        other => other,
    }
}

/// What may be told of a leg (taskrouter §7.5).
const CALL_EVENTS: [&str; 4] = ["initiated", "ringing", "answered", "completed"];
const INSTRUCTION: &str = "Instruction";
const UNKNOWN: Problem = Problem::Invalid {
    code: 55555,
    name: INSTRUCTION,
    expected: "accept, reject, dequeue, call, redirect, conference or supervise",
};

#[cfg(test)]
mod tests {
    use model::HttpMethod;
    use serde_json::json;

    use super::*;

    fn of_both(json: &Value, rest: &[(&str, &str)]) -> [Result<Instruction, u32>; 2] {
        let code = |problem: Problem| problem.code();
        let json = of_json(json.as_object().expect("is an object")).map(|(instruction, _)| instruction);
        let rest = of_parameters(&Parameters::of(rest)).map(|of| of.expect("has an instruction"));
        [json.map_err(code), rest.map_err(code)]
    }

    #[test]
    fn an_answer_and_a_request_that_say_the_same_instruct_the_same() {
        for (json, rest) in [
            (json!({"instruction": "accept"}), &[("Instruction", "accept")][..]),
            (
                json!({"instruction": "reject", "activity_sid": "WA0000000000000000000000000000000a"}),
                &[("Instruction", "reject"), ("WorkerActivitySid", "WA0000000000000000000000000000000a")],
            ),
            (
                json!({"instruction": "dequeue", "to": "+91 8884796044", "from": "+15005550001", "timeout": "30",
                    "record": "record-from-answer", "status_callback_url": "https://app.test/s",
                    "status_callback_events": ["initiated", "answered"],
                    "post_work_activity_sid": "WA0000000000000000000000000000000a"}),
                &[
                    ("Instruction", "dequeue"),
                    ("DequeueTo", "+918884796044"),
                    ("DequeueFrom", "+15005550001"),
                    ("DequeueTimeout", "30"),
                    ("DequeueRecord", "record-from-answer"),
                    ("DequeueStatusCallbackUrl", "https://app.test/s"),
                    ("DequeueStatusCallbackEvent", "initiated"),
                    ("DequeueStatusCallbackEvent", "answered"),
                    ("DequeuePostWorkActivitySid", "WA0000000000000000000000000000000a"),
                    ("To", "+15005550009"),
                ],
            ),
            (
                json!({"instruction": "dequeue", "status_callback_url": "https://app.test/s",
                    "status_callback_events": "initiated,answered"}),
                &[
                    ("Instruction", "dequeue"),
                    ("DequeueStatusCallbackUrl", "https://app.test/s"),
                    ("DequeueStatusCallbackEvents", "initiated answered"),
                ],
            ),
            (
                json!({"instruction": "call", "from": "+15005550001", "url": "https://app.test/a?task=1", "accept": true}),
                &[
                    ("Instruction", "call"),
                    ("CallFrom", "+15005550001"),
                    ("CallUrl", "https://app.test/a?task=1"),
                    ("CallAccept", "true"),
                ],
            ),
            (
                json!({"instruction": "redirect", "call_sid": "CA0000000000000000000000000000000a",
                    "url": "https://app.test/now", "accept": "true"}),
                &[
                    ("Instruction", "redirect"),
                    ("RedirectCallSid", "CA0000000000000000000000000000000a"),
                    ("RedirectUrl", "https://app.test/now"),
                    ("RedirectAccept", "true"),
                ],
            ),
            (
                json!({"instruction": "conference", "from": "+15005550001", "timeout": 20.0, "beep": false,
                    "end_conference_on_customer_exit": true, "conference_status_callback": "https://app.test/conf",
                    "conference_status_callback_event": "start,end,join", "max_participants": 5}),
                &[
                    ("Instruction", "conference"),
                    ("From", "+15005550001"),
                    ("Timeout", "20"),
                    ("Beep", "false"),
                    ("EndConferenceOnCustomerExit", "true"),
                    ("ConferenceStatusCallback", "https://app.test/conf"),
                    ("ConferenceStatusCallbackEvent", "start"),
                    ("ConferenceStatusCallbackEvent", "end join"),
                    ("MaxParticipants", "5"),
                    ("RoomName", "only a callback names it"),
                ],
            ),
        ] {
            let [of_json, of_rest] = of_both(&json, rest);
            assert!(of_json.is_ok(), "{json}: {of_json:?}");
            assert_eq!(of_json, of_rest, "{json}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_instruction_has_its_own_code() {
        for (json, want) in [
            (json!({"instruction": "dance"}), 55555),
            (json!({"instruction": "supervise", "supervisor": "WK1"}), 55555),
            (json!({"instruction": "reject", "activity_sid": "WA1"}), 40100),
            (json!({"instruction": "dequeue", "to": "nobody!"}), 40131),
            (json!({"instruction": "dequeue", "from": "\u{7}"}), 40132),
            (json!({"instruction": "dequeue", "post_work_activity_sid": "x"}), 40130),
            (json!({"instruction": "dequeue", "status_callback_url": "ftp://x"}), 40157),
            (json!({"instruction": "dequeue", "status_callback_events": "answered, dancing"}), 40134),
            (json!({"instruction": "conference", "timeout": 20.5}), 20001),
            (json!({"instruction": "call", "from": "+15005550001"}), 40112),
            (json!({"instruction": "call", "url": "https://app.test/", "to": "!"}), 40110),
            (json!({"instruction": "call", "url": "https://app.test/", "to": "sip:a@b.test", "from": "!!"}), 40111),
            (json!({"instruction": "redirect", "url": "https://app.test/"}), 40121),
            (json!({"instruction": "redirect", "call_sid": "CA0000000000000000000000000000000a"}), 40120),
            (json!({"instruction": "conference", "to": "!"}), 40137),
            (json!({"instruction": "conference", "status_callback": "ftp://x"}), 40159),
            (json!({"instruction": "conference", "timeout": "soon"}), 20001),
        ] {
            let code = of_json(json.as_object().expect("is an object")).map_err(|problem| problem.code());
            assert_eq!(code.map(|(instruction, _)| instruction), Err(want), "{json}");
        }
    }

    #[test]
    fn what_is_wrong_by_rest_is_called_as_it_was_sent() {
        const CALL: &str = "CA0000000000000000000000000000000a";
        for (form, want) in [
            (&[("Instruction", "call")][..], "CallUrl"),
            (&[("Instruction", "call"), ("CallUrl", "ftp://x")], "CallUrl"),
            (&[("Instruction", "call"), ("CallUrl", "https://app.test/"), ("CallFrom", "!!")], "CallFrom"),
            (&[("Instruction", "redirect"), ("RedirectUrl", "https://app.test/")], "RedirectCallSid"),
            (&[("Instruction", "redirect"), ("RedirectCallSid", CALL)], "RedirectUrl"),
            (&[("Instruction", "dequeue"), ("DequeueRecord", "zz")], "DequeueRecord"),
            (&[("Instruction", "conference"), ("To", "!")], "To"),
        ] {
            match of_parameters(&Parameters::of(form)) {
                Err(
                    Problem::Missing { name, .. } | Problem::Invalid { name, .. } | Problem::Parameter { name, .. },
                ) => assert_eq!(name, want, "{form:?}"),
                other => panic!("{form:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let read = |json: Value| of_json(json.as_object().expect("is an object")).expect("is right").0;
        let Instruction::Conference(confer) = read(json!({"instruction": "conference", "room_name": "r"})) else {
            panic!("is a conference");
        };
        assert_eq!((confer.leg.to, confer.leg.from, confer.leg.ring_timeout), (None, None, RING_TIMEOUT));
        assert_eq!(confer.room_name.as_deref(), Some("r"));
        assert!(!confer.flags.end_conference_on_exit && confer.flags.start_conference_on_enter);
        let Instruction::Dequeue(dequeue) =
            read(json!({"instruction": "dequeue", "timeout": 5000, "status_callback_url": "http://app.test/"}))
        else {
            panic!("is a dequeue");
        };
        assert_eq!(dequeue.leg.ring_timeout, RING_TIMEOUT_MAX);
        assert!(dequeue.leg.status.completed && !dequeue.leg.status.initiated);
        assert_eq!(dequeue.leg.status.link.map(|link| link.method), Some(HttpMethod::Get));
        let Instruction::Supervise(supervise) =
            of_parameters(&Parameters::of(&[("Instruction", "supervise"), ("Supervisor", "client:boss")]))
                .expect("is right")
                .expect("is one")
        else {
            panic!("is a supervisor's");
        };
        assert_eq!(supervise.mode, SupervisorMode::Monitor);
    }
}
