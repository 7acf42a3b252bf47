//! gRPC and the stream of events, by clients that are not ours: `watching.py`, run by the `python3` on the PATH.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use testkit::server::{ACCOUNT_SID, AUTH_TOKEN, Server};
use testkit::tone::Tone;

use crate::centre::{Centre, check_hearing};
use crate::party::{Party, ROOM};

fn client(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/watching.py"));
    command.args([ACCOUNT_SID, AUTH_TOKEN]).args(arguments);
    command
}

/// What a client has printed, a line each.
#[track_caller]
fn lines(child: Child) -> Vec<Value> {
    let output = child.wait_with_output().expect("python3 ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).expect("is text");
    text.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect()
}

/// One call; its answer, or how it was refused.
#[track_caller]
fn ask(server: &Server, method: &str, message: &Value) -> Value {
    let method = format!("partyline.v1.ConferenceControl/{method}");
    let mut client = client(&["call", &server.grpc().to_string(), &method, &message.to_string()]);
    let child = client.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python3 runs");
    lines(child).remove(0)
}

fn follow(arguments: &[&str]) -> Child {
    client(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python3 runs")
}

#[test]
fn a_client_that_knows_only_our_reflection_runs_a_conference() {
    let party = Party::of(["ana", "ben", "cho"]);
    let server = &party.server;
    let ana = party.guest("ana").call_sid.clone();
    let of_ana = |more: Value| {
        let mut message = json!({ "conference": ROOM, "participant": ana });
        message.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        message
    };
    let listed = ask(server, "ListConferences", &json!({}));
    assert_eq!(listed["conferences"][0]["friendly_name"], ROOM, "{listed}");
    let listed = ask(server, "ListParticipants", &json!({ "conference": ROOM }));
    assert_eq!(listed["participants"].as_array().map(Vec::len), Some(3), "{listed}");

    let answer = ask(server, "Mute", &of_ana(json!({ "muted": true })));
    assert_eq!(
        (&answer["muted"], &answer["status"]),
        (&json!(true), &json!("PARTICIPANT_STATUS_CONNECTED")),
        "{answer}"
    );
    party.check_hearing("ana ben cho music\n ana - x x .\n ben . - x .\n cho . x - .");
    let ben = &party.guest("ben").call_sid;
    ask(server, "Mute", &of_ana(json!({ "muted": false })));
    assert_eq!(ask(server, "Coach", &of_ana(json!({ "call_sid_to_coach": ben })))["coaching"], true);
    party.check_hearing("ana ben cho music\n ana - x x .\n ben x - x .\n cho . x - .");
    assert_eq!(ask(server, "Barge", &of_ana(json!({})))["coaching"], false);
    party.check_hearing("ana ben cho music\n ana - x x .\n ben x - x .\n cho x x - .");
    assert_eq!(ask(server, "Hold", &of_ana(json!({ "hold": true })))["hold"], true);
    party.check_hearing("ana ben cho music\n ana - . . x\n ben . - x .\n cho . x - .");
    ask(server, "Hold", &of_ana(json!({ "hold": false })));

    let refused = ask(server, "SetGain", &of_ana(json!({ "gain_db": 99 })));
    assert_eq!(refused, json!({ "error": "INVALID_ARGUMENT", "code": 20001 }));
    let refused = ask(server, "Mute", &json!({ "conference": "nobody's", "participant": ana }));
    assert_eq!(refused, json!({ "error": "NOT_FOUND", "code": 20404 }));

    let moved = ask(server, "Move", &of_ana(json!({ "to_conference": "lounge" })));
    assert_ne!(moved["conference_sid"], party.conference_sid().as_str(), "{moved}");
    party.check_hearing("ana ben cho music\n ben . - x .\n cho . x - .");
    let gone = json!({ "conference": "lounge", "participant": ana });
    assert_eq!(ask(server, "Remove", &gone), json!({}));
    assert!(party.guest("ana").phone.wait_ended());
    assert_eq!(ask(server, "EndConference", &json!({ "conference": ROOM }))["status"], "CONFERENCE_STATUS_COMPLETED");
    assert!(party.guest("ben").phone.wait_ended());
}

#[test]
fn a_client_dials_people_in_listens_to_them_and_announces() {
    let centre = Centre::start();
    let ask = |method: &str, message: Value| {
        let answer = ask(&centre.server, method, &message);
        assert!(answer["error"].is_null(), "{method} {message}: {answer}");
        answer
    };
    let dial = |name: &'static str, tone: Tone| {
        let callee = centre.callee(name);
        let message = json!({ "conference": "desk", "to": callee.uri(), "from": "desk", "label": name, "beep": false });
        assert_eq!(ask("Dial", message)["status"], "PARTICIPANT_STATUS_QUEUED");
        callee.ring().take(tone)
    };
    let [ana_hums, ben_hums] = [409, 857].map(|hz| Tone { hz });
    let (ana, ben) = (dial("ana", ana_hums), dial("ben", ben_hums));
    let both = [("ana", &ana, ana_hums), ("ben", &ben, ben_hums)];
    check_hearing(&both, "ana ben\n ana - x\n ben x -");
    let desk = ask("GetConference", json!({ "conference": "desk" }));
    assert_eq!(desk["status"], "CONFERENCE_STATUS_IN_PROGRESS", "{desk}");

    let of_ben = || json!({ "conference": desk["sid"], "participant": "ben" });
    assert_eq!(ask("Monitor", of_ben())["muted"], true);
    check_hearing(&both, "ana ben\n ana - .\n ben x -");
    assert_eq!(ask("Barge", of_ben())["muted"], false);
    check_hearing(&both, "ana ben\n ana - x\n ben x -");
    let softer = json!({ "conference": "desk", "participant": "ben", "gain_db": -6 });
    assert_eq!(ask("SetGain", softer)["gain_db"], -6);
    let shown = ask("GetParticipant", of_ben());
    assert_eq!((&shown["gain_db"], &shown["label"]), (&json!(-6), &json!("ben")), "{shown}");

    let audio = json!({ "url": centre.does("here('/announcement')") });
    ask("Announce", json!({ "conference": "desk", "participant": "ben", "audio": audio }));
    centre.wait_asked("/announcement", 1);
    ask("AnnounceToConference", json!({ "conference": "desk", "audio": audio }));
    centre.wait_asked("/announcement", 2);
    ask("EndConference", json!({ "conference": "desk" }));
    assert!(ana.wait_ended() && ben.wait_ended());
    let over = ask("GetConference", json!({ "conference": desk["sid"] }));
    assert_eq!(over["reason_conference_ended"], "conference-ended-via-api", "{over}");
    centre.check_requests();
}

#[test]
fn callbacks_websocket_and_grpc_tell_of_a_call_in_one_order() {
    let centre = Centre::start();
    let until = "call-completed";
    let grpc = centre.server.grpc().to_string();
    let http = centre.server.rest().base_url().trim_start_matches("http://").to_owned();
    let watched = follow(&["stream", &grpc, "partyline.v1.Events/Watch", r#"{"after_seq": 0}"#, until]);
    let socket = follow(&["socket", &http, "?after=0", until]);
    let callee = centre.callee("ben");
    let call = centre.makes(&format!(
        "client.calls.create(to='{}', from_='+15005550001', twiml='<Response><Pause/></Response>',
         status_callback=here('/call-events'), status_callback_event=['initiated', 'ringing', 'answered', 'completed'])",
        callee.uri()
    ));
    let ben = callee.ring().take(Tone { hz: 409 });
    assert!(ben.wait_ended());
    centre.wait_status(&call, "completed");
    let steps = ["initiated", "ringing", "in-progress", "completed"];
    centre.wait_statuses(&call, &steps);

    let (watched, socket) = (lines(watched), lines(socket));
    let shown = |event: &Value| {
        // A 64-bit number is a text in protobuf's JSON.
        let seq = event["seq"].as_i64().or_else(|| event["seq"].as_str()?.parse().ok()).expect("a number");
        (seq, event["type"].to_string(), event["parameters"].clone())
    };
    let [watched, socket] = [watched, socket].map(|events| events.iter().map(shown).collect::<Vec<_>>());
    assert_eq!(watched, socket, "the same, in the same order");
    assert!(watched.is_sorted_by_key(|(seq, ..)| *seq), "{watched:?}");
    let of_call: Vec<_> = watched.iter().filter(|(.., parameters)| parameters["CallSid"] == call.as_str()).collect();
    let statuses: Vec<_> = of_call.iter().map(|(.., parameters)| parameters["CallStatus"].clone()).collect();
    assert_eq!(statuses[0], "queued");
    assert_eq!(statuses[1..], steps, "as they were called back");
}
