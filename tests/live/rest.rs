//! The API over real HTTP, while calls are up.

use testkit::phone::Phone;
use testkit::server::wait_until;

use crate::party::{PATIENCE, Party, ROOM};

#[test]
fn a_get_after_a_post_sees_it() {
    let party = Party::of(["ana", "ben"]);
    for (field, parameter) in [("muted", "Muted"), ("hold", "Hold"), ("end_conference_on_exit", "EndConferenceOnExit")]
    {
        for value in ["true", "false"] {
            party.post("ana", &[(parameter, value)]);
            let seen = party.rest.get(&party.participant("ana")).expect(200).json();
            assert_eq!(seen[field].to_string(), value, "{parameter}={value}: {seen}");
        }
    }
}

#[test]
fn a_call_is_in_progress_until_it_is_ended_over_the_api() {
    let party = Party::of(["ana", "ben"]);
    let call = format!("Calls/{}.json", party.guest("ana").call_sid);
    let shown = party.rest.get(&call).expect(200).json();
    assert_eq!((&shown["status"], &shown["direction"]), (&"in-progress".into(), &"inbound".into()), "{shown}");
    party.rest.post(&call, &[("Status", "completed")]).expect(200);
    assert!(party.guest("ana").phone.wait_ended());
    assert!(wait_until(PATIENCE, || party.rest.get(&call).expect(200).text("status") == "completed"));
    let shown = party.rest.get(&call).expect(200).json();
    assert!(shown["duration"].is_string() && shown["end_time"].is_string(), "{shown}");
    party.rest.delete(&call).expect(204);
    party.rest.get(&call).expect(404);
}

#[test]
fn a_conference_lives_from_the_first_caller_to_the_last() {
    let mut party = Party::of(["ana"]);
    assert_eq!(party.conference_json()["status"], "init");
    party.join("ben");
    assert!(wait_until(PATIENCE, || party.conference_json()["status"] == "in-progress"));
    party.leaves("ana");
    party.leaves("ben");
    assert!(wait_until(PATIENCE, || party.conference_json()["status"] == "completed"));
    assert_eq!(party.conference_json()["reason_conference_ended"], "last-participant-left");
    let first = party.conference_sid();
    party.join("cho");
    assert_ne!(party.conference_json()["sid"], first.as_str(), "a finished name starts a new conference");
}

#[test]
fn what_is_asked_wrongly_is_told_so_and_changes_nothing() {
    let party = Party::of(["ana", "ben"]);
    let (ana, nobody) = (party.participant("ana"), "CA00000000000000000000000000000000");
    let lost = format!("Conferences/CF00000000000000000000000000000000/Participants/{nobody}.json");
    for (case, answer, status, code) in [
        ("unknown call", party.rest.get(&format!("Calls/{nobody}.json")), 404, 20404),
        ("unknown conference", party.rest.post(&lost, &[("Muted", "true")]), 404, 20404),
        ("not a SID", party.rest.get("Calls/hello.json"), 404, 20404),
        ("no such resource", party.rest.get("Nonsense.json"), 404, 20404),
        ("coach whom", party.rest.post(&ana, &[("Coaching", "true")]), 400, 13240),
        ("coach a stranger", party.rest.post(&ana, &[("CallSidToCoach", nobody)]), 400, 16028),
        ("a status unheard of", party.rest.post(&party.conference(), &[("Status", "paused")]), 400, 20001),
        ("a verb unheard of", party.rest.request("PATCH", "/2010-04-01/Accounts.json", &[]), 405, 20004),
    ] {
        assert_eq!((answer.status, &answer.json()["code"]), (status, &code.into()), "{case}: {}", answer.body);
        assert_eq!(answer.json()["status"], status, "{case}");
        assert!(answer.json()["more_info"].is_string(), "{case}");
    }
    party.post("ana", &[("Frobnicate", "true")]); // unknown parameters are ignored
    party.check_hearing("ana ben music\n ana - x .\n ben x - .");
}

#[test]
fn who_has_no_credentials_gets_nowhere() {
    let party = Party::of(["ana", "ben"]);
    let stranger = party.rest.with_credentials(testkit::server::ACCOUNT_SID, "wrong");
    let answer = stranger.post(&party.participant("ana"), &[("Muted", "true")]).expect(401);
    assert_eq!(answer.json()["code"], 20003);
    assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")));
    party.check_hearing("ana ben music\n ben x - .");
}

#[test]
fn lists_come_in_pages_that_stay_put_while_calls_come_in() {
    let mut party = Party::of(["ana", "ben", "cho"]);
    let first = party.rest.get("Calls.json?PageSize=2").expect(200).json();
    assert_eq!(first["calls"].as_array().map(Vec::len), Some(2), "{first}");
    party.join("dan");
    let next = first["next_page_uri"].as_str().expect("a third call waits on the next page");
    let second = party.rest.request("GET", next, &[]).expect(200).json();
    assert_eq!(second["calls"][0]["sid"], party.guest("ana").call_sid.as_str(), "newest first: {second}");
    assert!(second["next_page_uri"].is_null(), "{second}");
}

#[test]
fn a_full_room_turns_the_next_one_away_and_serves_the_others() {
    let mut party = Party::start_with(&[("PARTYLINE_ROOM_LEGS_MAX", "2")]);
    party.join("ana");
    party.join("ben");
    let refused = Phone::dial(party.server.sip(), ROOM).try_connect().expect_err("the room is full");
    assert!((400..700).contains(&refused), "{refused}");
    party.check_hearing("ana ben music\n ana - x .\n ben x - .");
}

#[test]
fn rooms_can_be_closed_to_strangers() {
    let party = Party::start_with(&[("PARTYLINE_OPEN_ROOMS", "off")]);
    assert_eq!(Phone::dial(party.server.sip(), ROOM).try_connect().expect_err("no such number"), 404);
}

#[test]
fn probes_and_metrics_answer_without_credentials() {
    let party = Party::of(["ana", "ben"]);
    let stranger = party.rest.with_credentials("", "");
    stranger.request("GET", "/healthz", &[]).expect(200);
    stranger.request("GET", "/readyz", &[]).expect(200);
    let metrics = stranger.request("GET", "/metrics", &[]).expect(200).body;
    for name in ["partyline_media_ticks_total", "partyline_media_late_ticks_total"] {
        assert!(testkit::rest::metric(&metrics, name).is_some(), "{name} is missing in\n{metrics}");
    }
}
