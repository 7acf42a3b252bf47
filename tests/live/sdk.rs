//! The official Python SDK drives a conference; its helper is `sdk.py`, run by the `python3` on the PATH.

use std::process::Command;

use serde_json::Value;
use testkit::server::{ACCOUNT_SID, AUTH_TOKEN};

use crate::party::{Party, ROOM};

/// One use of the SDK in a process of its own; what it printed, as JSON.
#[track_caller]
fn sdk(party: &Party, arguments: &[&str]) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/sdk.py");
    let output = Command::new("python3")
        .args([script, &party.rest.base_url(), ACCOUNT_SID, AUTH_TOKEN])
        .args(arguments)
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error} {said}"))
}

#[test]
fn it_lists_conferences_participants_and_calls() {
    let party = Party::of(["ana", "ben"]);
    let conferences = sdk(&party, &["conferences"]);
    assert_eq!(conferences[0]["sid"], party.conference_sid().as_str());
    assert_eq!(conferences[0]["friendly_name"], ROOM);
    assert_eq!(conferences[0]["status"], "in-progress");
    let mut participants: Vec<_> =
        sdk(&party, &["participants", &party.conference_sid()]).as_array().cloned().unwrap_or_default();
    participants.sort_by_key(|participant| participant["call_sid"] != party.guest("ana").call_sid.as_str());
    assert_eq!(participants.len(), 2);
    assert_eq!(participants[0]["call_sid"], party.guest("ana").call_sid.as_str());
    assert_eq!(participants[1]["call_sid"], party.guest("ben").call_sid.as_str());
    for participant in &participants {
        assert_eq!(participant["status"], "connected");
        // A date the SDK could not read would come out as text or not at all.
        assert!(participant["date_created"].as_str().is_some_and(|date| date.contains("+00:00")), "{participant}");
    }
    assert_eq!(sdk(&party, &["calls"]).as_array().map(Vec::len), Some(2));
}

#[test]
fn it_mutes_holds_coaches_and_removes() {
    let party = Party::of(["ana", "ben", "cho"]);
    let (conference, ana) = (party.conference_sid(), party.guest("ana").call_sid.clone());
    let update = |changes: &[&str]| sdk(&party, &[&["update", &conference, &ana], changes].concat());

    assert_eq!(update(&["muted=true"])["muted"], true);
    party.check_hearing("ana ben cho music\n ana - x x .\n ben . - x .\n cho . x - .");
    assert_eq!(update(&["muted=false", "hold=true"])["hold"], true);
    party.check_hearing("ana ben cho music\n ana - . . x\n ben . - x .\n cho . x - .");
    assert_eq!(update(&["hold=false"])["hold"], false);
    let ben = format!("call_sid_to_coach={}", party.guest("ben").call_sid);
    assert_eq!(update(&["coaching=true", &ben])["coaching"], true);
    party.check_hearing("ana ben cho music\n ana - x x .\n ben x - x .\n cho . x - .");
    assert_eq!(update(&["coaching=false"])["coaching"], false);
    party.check_hearing("ana ben cho music\n ana - x x .\n ben x - x .\n cho x x - .");
    assert_eq!(sdk(&party, &["remove", &conference, &ana]), true);
    assert!(party.guest("ana").phone.wait_ended());
    assert_eq!(sdk(&party, &["complete", &conference])["status"], "completed");
    assert!(party.guest("ben").phone.wait_ended());
}

#[test]
fn it_reaches_what_is_ours_beyond_twilio() {
    let party = Party::of(["ana", "ben"]);
    let (conference, ana) = (party.conference_sid(), party.guest("ana").call_sid.clone());
    let tune = |changes: &[&str]| sdk(&party, &[&["tune", &conference, &ana], changes].concat());
    let shown = |tuning: &Value| {
        ["gain", "noise_suppression", "jitter_buffer_size", "data_mode"]
            .map(|name| tuning[format!("partyline_{name}")].to_string())
    };
    assert_eq!(shown(&tune(&[])), ["0", "false", "\"large\"", "false"], "by default");
    let changes = ["PartylineGain=-6", "PartylineNoiseSuppression=true", "PartylineJitterBufferSize=small"];
    let want = ["-6", "true", "\"small\"", "false"];
    assert_eq!(shown(&tune(&changes)), want);
    for wrong in ["PartylineGain=21", "PartylineJitterBufferSize=huge", "PartylineDataMode=maybe"] {
        let error = tune(&["PartylineGain=3", "PartylineNoiseSuppression=false", wrong]);
        assert_eq!((&error["http"], &error["code"]), (&400.into(), &20001.into()), "{wrong}: {error}");
        assert_eq!(shown(&tune(&[])), want, "{wrong} has changed nothing");
    }
    let changes = ["PartylineNoiseSuppression=false", "PartylineGain=0"];
    assert_eq!(shown(&tune(&changes)), ["0", "false", "\"small\"", "false"]);
    party.check_hearing("ana ben music\n ana - x .\n ben x - .");
    let participant = sdk(&party, &["update", &conference, &ana, "muted=false"]);
    assert_eq!(participant["muted"], false, "the participant itself is Twilio's");
}

#[test]
fn it_pages_through_more_than_a_page_holds() {
    let party = Party::of(["ana", "ben", "cho"]);
    let calls = sdk(&party, &["calls", "page_size=1"]);
    assert_eq!(calls.as_array().map(Vec::len), Some(3), "{calls}");
}

#[test]
fn it_understands_our_errors() {
    let party = Party::of(["ana", "ben"]);
    let error = sdk(&party, &["fetch", "CF00000000000000000000000000000000"]);
    assert_eq!((&error["status"], &error["code"]), (&404.into(), &20404.into()), "{error}");
}
