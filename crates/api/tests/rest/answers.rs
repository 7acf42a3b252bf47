//! Every answer of every operation we have, against the table made from Twilio's own description.

use std::collections::{BTreeMap, BTreeSet};

use model::{CallStatus, ConferenceStatus, ReasonConferenceEnded};
use serde_json::Value;
use store::Row;
use switch::Answer;

use crate::bridge::{
    ACCOUNT, Bridge, Reply, call, call_event, conference, ended_call, notification, participant, stream,
};
use crate::centre::Centre;
use crate::{refusals, set_up, taskrouter, workspace_statistics};

const RESPONSES: &str = include_str!("../../../../fixtures/rest/responses.tsv");
const OUT_OF_SCOPE: &str = include_str!("../../../../fixtures/rest/out_of_scope.tsv");

/// Operations of the four descriptions together.
const DESCRIBED: usize = 363;

/// One field of an operation's answer.
struct Field {
    name: &'static str,
    kind: &'static str,
    nullable: bool,
    format: &'static str,
}

/// The table: status and fields of each operation.
fn table() -> BTreeMap<&'static str, (&'static str, Vec<Field>)> {
    let mut table = BTreeMap::new();
    for line in RESPONSES.lines().skip(1) {
        let [operation, status, name, kind, nullable, format] = columns(line);
        let (_, fields) = table.entry(operation).or_insert((status, Vec::new()));
        fields.push(Field { name, kind, nullable: nullable == "yes", format });
    }
    table
}

pub(crate) fn columns<const N: usize>(line: &'static str) -> [&'static str; N] {
    line.split('\t').collect::<Vec<_>>().try_into().expect("every line has all columns")
}

/// What of an answer is not as the table says.
fn faults(fields: &[Field], answer: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(fields, answer, "", &mut faults);
    faults
}

fn check(fields: &[Field], object: &Value, prefix: &str, faults: &mut Vec<String>) {
    let mut known = BTreeSet::new();
    for field in fields {
        let Some(name) = field.name.strip_prefix(prefix).filter(|name| !name.contains('.')) else { continue };
        known.insert(name);
        let Some(value) = object.get(name) else {
            faults.push(format!("{} is missing", field.name));
            continue;
        };
        let fits = match (field.kind, value) {
            (_, Value::Null) => field.nullable,
            ("string", Value::String(text)) => has_format(text, field.format),
            ("boolean", Value::Bool(_)) | ("any", _) => true,
            ("integer", Value::Number(number)) => number.is_u64(),
            ("object", Value::Object(members)) if field.format == "phone-number-capabilities" => {
                let names: Vec<_> = members.keys().map(String::as_str).collect();
                names == ["fax", "mms", "sms", "voice"] && members.values().all(Value::is_boolean)
            }
            ("object", Value::Object(members)) if field.format == "uri-map" => {
                let starts = ["/2010-04-01/", "http://bridge.test/v1/Workspaces/"];
                let is_ours = |uri: &str| starts.iter().any(|start| uri.starts_with(start));
                members.values().all(|uri| uri.as_str().is_some_and(is_ours))
            }
            ("object", Value::Object(_)) => {
                check(fields, value, &format!("{}.", field.name), faults);
                true
            }
            ("array", Value::Array(items)) => {
                let prefix = format!("{}[].", field.name);
                // Of some lists the table does not say what is in them.
                if fields.iter().any(|field| field.name.starts_with(&prefix)) {
                    items.iter().for_each(|item| check(fields, item, &prefix, faults));
                }
                true
            }
            _ => false,
        };
        if !fits {
            faults.push(format!("{} is {value}, expected {} {}", field.name, field.kind, field.format));
        }
    }
    let extra = object.as_object().expect("is an object").keys().filter(|name| !known.contains(name.as_str()));
    faults.extend(extra.map(|name| format!("{prefix}{name} is not in the table")));
}

fn has_format(text: &str, format: &str) -> bool {
    match format.split_once(':').unwrap_or((format, "")) {
        ("sid", letters) => {
            text.len() == 34
                && text.starts_with(letters)
                && text[2..].bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        }
        ("enum", words) => words.split('|').any(|word| word == text),
        ("date-time-rfc-2822", _) => is_rfc_2822(text),
        ("date-time", _) => digits_as_zeros(text) == "0000-00-00T00:00:00Z",
        // Ours are relative to the host, an application's and the dictionary's absolute.
        ("uri", _) => {
            ["/2010-04-01/", "https://", "http://"].iter().any(|start| text.starts_with(start))
                && text.is_ascii()
                && !text.contains([' ', '<', '>'])
        }
        ("currency", _) => text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()),
        _ => true,
    }
}

fn digits_as_zeros(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// `Tue, 10 Feb 2026 09:08:07 +0000`, with digits where digits belong.
fn is_rfc_2822(text: &str) -> bool {
    let shape = digits_as_zeros(text);
    let (weekday, month) = (shape.get(..3).unwrap_or_default(), shape.get(8..11).unwrap_or_default());
    "Mon Tue Wed Thu Fri Sat Sun".split(' ').any(|name| name == weekday)
        && "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(' ').any(|name| name == month)
        && shape == format!("{weekday}, 00 {month} 0000 00:00:00 +0000")
}

/// Asks every operation but those of statistics at least once, in every state that changes what its answer looks like.
pub(crate) async fn answers(bridge: &Bridge) -> Vec<(&'static str, Reply)> {
    let mut child = call(1);
    child.parent_call_sid = Some(call(0).sid);
    child.caller_name = Some("Ana".to_owned());
    let mut ringing = call(2);
    (ringing.status, ringing.answered) = (CallStatus::Ringing, None);
    let mut over = conference(1);
    over.status = ConferenceStatus::Completed;
    over.reason_ended = Some(ReasonConferenceEnded::EndOnExitLeft);
    over.call_sid_ending = Some(call(3).sid);
    let mut coach = participant(1);
    (coach.coaching, coach.call_sid_to_coach, coach.label) = (true, Some(call(0).sid), Some("coach".to_owned()));
    let calls = [call(0), child, ringing, ended_call(3)].map(Row::Call);
    let conferences = [conference(0), over].map(Row::Conference);
    let participants = [participant(0), coach].map(Row::Participant);
    let logged = [Row::Notification(notification(0)), Row::Notification(notification(1)), Row::CallEvent(call_event())];
    for rows in [&calls[..], &conferences, &participants, &logged] {
        bridge.save(rows).await;
    }

    let mut answers = Vec::new();
    let mut note = |operation, reply| answers.push((operation, reply));
    let (room, ana) = (conference(0).sid, call(0).sid);
    note("FetchAccount", bridge.get(".json").await);
    note("ListAccount", bridge.accounts("GET", "", "").await);
    note("CreateAccount", bridge.accounts("POST", "", "FriendlyName=desk").await);
    note("UpdateAccount", bridge.post(".json", "FriendlyName=main").await);
    for (path, [list, create, fetch, update, delete]) in [
        ("/Keys", ["ListKey", "CreateNewKey", "FetchKey", "UpdateKey", "DeleteKey"]),
        (
            "/SigningKeys",
            ["ListSigningKey", "CreateNewSigningKey", "FetchSigningKey", "UpdateSigningKey", "DeleteSigningKey"],
        ),
    ] {
        let made = bridge.post(&format!("{path}.json"), "").await;
        let one = format!("{path}/{}.json", made.json()["sid"].as_str().expect("a SID"));
        note(create, made);
        note(list, bridge.get(&format!("{path}.json")).await);
        note(update, bridge.post(&one, "FriendlyName=desk").await);
        note(fetch, bridge.get(&one).await);
        note(delete, bridge.ask("DELETE", &one, None).await);
    }
    for path in ["/Calls.json", "/Calls.json?PageSize=1&Page=1&To=sip:standup@bridge.test", "/Calls.json?Status=busy"] {
        note("ListCall", bridge.get(path).await);
    }
    for number in 0..4 {
        note("FetchCall", bridge.get(&format!("/Calls/{}.json", call(number).sid)).await);
    }
    for (operation, name, stopped) in [("CreateStream", None, false), ("UpdateStream", Some("ears"), true)] {
        bridge.will_answer(Ok(Answer::Stream(stream(name, stopped))));
        let (path, form) = match name {
            None => (format!("/Calls/{ana}/Streams.json"), "Url=wss://app.test/"),
            Some(name) => (format!("/Calls/{ana}/Streams/{name}.json"), "Status=stopped"),
        };
        note(operation, bridge.post(&path, form).await);
    }
    bridge.will_answer(Ok(Answer::Call(ended_call(0))));
    note("UpdateCall", bridge.post(&format!("/Calls/{ana}.json"), "Status=completed").await);
    note("UpdateCall", bridge.post(&format!("/Calls/{ana}.json"), "").await);
    note("DeleteCall", bridge.ask("DELETE", &format!("/Calls/{}.json", call(3).sid), None).await);
    note("ListCallEvent", bridge.get(&format!("/Calls/{ana}/Events.json")).await);
    for of in [String::new(), format!("/Calls/{ana}")] {
        let operation = |of_call, of_account| if of.is_empty() { of_account } else { of_call };
        let (list, fetch) = (
            operation("ListCallNotification", "ListNotification"),
            operation("FetchCallNotification", "FetchNotification"),
        );
        note(list, bridge.get(&format!("{of}/Notifications.json?PageSize=1")).await);
        note(fetch, bridge.get(&format!("{of}/Notifications/{}.json", notification(0).sid)).await);
    }
    note("FetchNotification", bridge.get(&format!("/Notifications/{}.json", notification(1).sid)).await);
    note("ListConference", bridge.get("/Conferences.json").await);
    note("ListConference", bridge.get("/Conferences.json?PageSize=1&FriendlyName=room%200").await);
    for number in 0..2 {
        note("FetchConference", bridge.get(&format!("/Conferences/{}.json", conference(number).sid)).await);
    }
    bridge.will_answer(Ok(Answer::Conference(conference(0))));
    note("UpdateConference", bridge.post(&format!("/Conferences/{room}.json"), "Status=completed").await);
    for query in ["", "?PageSize=1", "?Muted=true"] {
        note("ListParticipant", bridge.get(&format!("/Conferences/{room}/Participants.json{query}")).await);
    }
    for name in [ana.to_string(), "coach".to_owned()] {
        note("FetchParticipant", bridge.get(&format!("/Conferences/{room}/Participants/{name}.json")).await);
    }
    let path = format!("/Conferences/{room}/Participants/{ana}.json");
    bridge.will_answer(Ok(Answer::Participant(participant(0))));
    note("UpdateParticipant", bridge.post(&path, "Muted=true").await);
    bridge.will_answer(Ok(Answer::Removed));
    note("DeleteParticipant", bridge.ask("DELETE", &path, None).await);
    answers.extend(set_up::answers(bridge).await);
    answers.extend(taskrouter::answers(bridge).await);
    answers
}

#[tokio::test]
async fn every_answer_has_every_field_and_no_other() {
    let bridge = Bridge::start().await;
    let (table, places) = (table(), refusals::places());
    let mut asked = BTreeSet::new();
    let mut answers = answers(&bridge).await;
    answers.extend(workspace_statistics::answers(&Centre::set_up().await).await);
    for (operation, reply) in answers {
        asked.insert(operation);
        assert!(places[operation].is(&reply.asked), "{operation} is not {:?}", reply.asked);
        let (status, fields) = &table[operation];
        assert_eq!(reply.status.as_str(), *status, "{operation}: {}", reply.body);
        if fields[0].kind == "none" {
            assert_eq!(reply.body, "", "{operation}");
        } else {
            assert_eq!(faults(fields, &reply.json()), Vec::<String>::new(), "{operation}: {}", reply.body);
        }
    }
    assert_eq!(asked, table.keys().copied().collect(), "operations asked, and operations in the table");
    assert_eq!(asked, places.keys().copied().collect(), "operations asked, and operations with a place");
    // All that Twilio describes: what we have, and what is out of scope, with a reason each.
    let [ours, others] = [asked.len(), OUT_OF_SCOPE.lines().skip(1).count()];
    assert_eq!(ours + others, DESCRIBED, "{ours} of ours, {others} out of scope");
}

#[test]
fn the_check_finds_what_is_wrong() {
    let table = table();
    let (_, fields) = &table["FetchParticipant"];
    let faults = faults(fields, &serde_json::json!({"muted": "true", "account_sid": "AC1", "extra": 1}));
    for fault in [
        "hold is missing",
        "muted is \"true\", expected boolean -",
        "account_sid is \"AC1\", expected string sid:AC",
        "extra is not in the table",
    ] {
        assert!(faults.iter().any(|found| found == fault), "{fault}: {faults:?}");
    }
}

#[tokio::test]
async fn what_is_out_of_scope_is_answered_as_the_list_says() {
    let bridge = Bridge::start().await;
    for line in OUT_OF_SCOPE.lines().skip(1) {
        let [product, operation, verb, path, reason] = columns(line);
        assert!(reason.len() > ": 404".len(), "{operation} is out of scope for a reason: {reason}");
        let path = path.replace("{AccountSid}", &ACCOUNT.to_string());
        let path = if operation.ends_with("Account") { path.replace("{Sid}", &ACCOUNT.to_string()) } else { path };
        let path = path.replace(['{', '}'], "");
        let authorization = crate::bridge::basic(&ACCOUNT.to_string(), crate::bridge::TOKEN);
        let request = axum::http::Request::builder().method(verb).uri(&path).header("authorization", authorization);
        let form = axum::body::Body::from("To=%2B15005550001&From=%2B15005550006&Url=http://app.test/");
        let reply = bridge.send(request.body(form).expect("is a request")).await;
        let want = if reason.contains("405") { (405, 20004) } else { (404, 20404) };
        assert_eq!(reply.outcome(), want, "{product} {operation} {verb} {path}");
    }
}
