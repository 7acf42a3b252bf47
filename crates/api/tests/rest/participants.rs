//! Participants.

use model::{Participant, ParticipantStatus};
use store::Row;
use switch::{Answer, AudioUrl, Command, ConferenceRef, HttpMethod, ParticipantChange, ParticipantRef, Refusal};

use crate::bridge::{ACCOUNT, Bridge, call, conference, participant};

async fn room() -> Bridge {
    let bridge = Bridge::start().await;
    let ana = Participant { label: Some("ana".to_owned()), muted: true, ..participant(0) };
    let ben = Participant { hold: true, ..participant(1) };
    let gone = Participant { label: Some("gone".to_owned()), status: ParticipantStatus::Complete, ..participant(2) };
    bridge.save(&[Row::Conference(conference(0))]).await;
    bridge.save(&[ana, ben, gone].map(Row::Participant)).await;
    bridge
}

fn path(name: &str) -> String {
    format!("/Conferences/{}/Participants/{name}.json", conference(0).sid)
}

#[tokio::test]
async fn a_participant_is_found_by_call_and_label_while_it_is_there() {
    let bridge = room().await;
    for (name, want) in [
        (call(0).sid.to_string(), (200, 0)),
        ("ana".to_owned(), (200, 0)),
        (call(2).sid.to_string(), (404, 20404)),
        ("gone".to_owned(), (404, 20404)),
        (call(3).sid.to_string(), (404, 20404)),
        ("nobody".to_owned(), (404, 20404)),
    ] {
        let reply = bridge.get(&path(&name)).await;
        assert_eq!(reply.outcome(), want, "{name}");
        if want.0 == 200 {
            assert_eq!(reply.json()["call_sid"], call(0).sid.to_string(), "{name}");
        }
    }
    let by_names = bridge.get("/Conferences/room%200/Participants/ana").await;
    assert_eq!(by_names.json()["uri"], format!("/2010-04-01/Accounts/{ACCOUNT}{}", path(&call(0).sid.to_string())));
}

#[tokio::test]
async fn lists_keep_what_the_filters_name() {
    let bridge = room().await;
    for (query, want) in [
        ("", Ok(2)),
        ("Muted=true", Ok(1)),
        ("Muted=TRUE", Ok(1)),
        ("Muted=false", Ok(1)),
        ("Hold=1", Ok(1)),
        ("Hold=true&Muted=true", Ok(0)),
        ("Coaching=false", Ok(2)),
        ("Muted=&Coaching=", Ok(2)),
        ("Coaching=perhaps", Err(20001)),
    ] {
        let reply = bridge.get(&format!("/Conferences/{}/Participants.json?{query}", conference(0).sid)).await;
        let found = match reply.outcome() {
            (200, _) => Ok(reply.json()["participants"].as_array().expect("a list").len()),
            (400, code) => Err(code),
            other => panic!("{query}: {other:?}"),
        };
        assert_eq!(found, want, "{query}");
    }
}

#[tokio::test]
async fn each_parameter_becomes_its_part_of_the_change() {
    let none = ParticipantChange::default;
    let audio = |url: &str, method| Some(AudioUrl { url: url.to_owned(), method });
    let coach = format!("CallSidToCoach={}", call(1).sid);
    for (form, change) in [
        ("", none()),
        ("Unknown=1&muted=true", none()),
        ("Muted=true", ParticipantChange { muted: Some(true), ..none() }),
        ("Muted=True", ParticipantChange { muted: Some(true), ..none() }),
        ("Muted=no", ParticipantChange { muted: Some(false), ..none() }),
        ("Muted=true&Muted=false", ParticipantChange { muted: Some(false), ..none() }),
        ("Hold=1", ParticipantChange { hold: Some(true), ..none() }),
        ("Hold=anything", ParticipantChange { hold: Some(false), ..none() }),
        (
            "Hold=true&HoldUrl=www.myapp.com/hold",
            ParticipantChange {
                hold: Some(true),
                hold_audio: audio("http://www.myapp.com/hold", HttpMethod::Get),
                ..none()
            },
        ),
        ("HoldUrl=&HoldMethod=POST", ParticipantChange { hold_audio: audio("", HttpMethod::Post), ..none() }),
        ("HoldMethod=POST", none()),
        ("AnnounceUrl=", none()),
        (
            "AnnounceUrl=https%3A%2F%2Fapp.test%2Fa.wav&AnnounceMethod=get",
            ParticipantChange { announce: audio("https://app.test/a.wav", HttpMethod::Get), ..none() },
        ),
        ("WaitUrl=", ParticipantChange { wait_audio: audio("", HttpMethod::Post), ..none() }),
        ("BeepOnExit=true", ParticipantChange { beep_on_exit: Some(true), ..none() }),
        ("EndConferenceOnExit=0", ParticipantChange { end_conference_on_exit: Some(false), ..none() }),
        ("Coaching=false&CallSidToCoach=", ParticipantChange { coaching: Some(false), ..none() }),
        (&coach, ParticipantChange { call_sid_to_coach: Some(call(1).sid), ..none() }),
    ] {
        let bridge = room().await;
        bridge.will_answer(Ok(Answer::Participant(participant(0))));
        let reply = bridge.post(&path("ana"), form).await;
        assert_eq!(reply.outcome(), (200, 0), "{form}: {}", reply.body);
        let command = Command::UpdateParticipant {
            account: ACCOUNT,
            conference: ConferenceRef::Sid(conference(0).sid),
            participant: ParticipantRef::Label("ana".to_owned()),
            change,
        };
        assert_eq!(bridge.asked(), [command], "{form}");
    }
}

#[tokio::test]
async fn the_query_counts_where_the_body_says_nothing() {
    let bridge = room().await;
    bridge.will_answer(Ok(Answer::Participant(participant(0))));
    bridge.post(&format!("{}?Muted=true&Hold=true", path("ana")), "Muted=false").await;
    let [Command::UpdateParticipant { change, .. }] = &bridge.asked()[..] else { panic!("one command is sent") };
    assert_eq!((change.muted, change.hold), (Some(false), Some(true)));
}

#[tokio::test]
async fn a_wrong_value_never_reaches_the_switch() {
    for (form, code) in [
        ("Coaching=maybe", 20001),
        ("Coaching=", 20001),
        ("BeepOnExit=2", 20001),
        ("EndConferenceOnExit=yes", 20001),
        ("Muted=true&HoldUrl=ftp://app.test/", 20001),
        ("HoldMethod=PUT", 20001),
        ("AnnounceUrl=http://", 20001),
        ("WaitUrl=http://a b", 20001),
        ("CallSidToCoach=ana", 13240),
    ] {
        let bridge = room().await;
        assert_eq!(bridge.post(&path("ana"), form).await.outcome(), (400, code), "{form}");
        assert_eq!(bridge.asked(), [], "{form}");
    }
}

#[tokio::test]
async fn a_refusal_has_its_status_and_code() {
    for (refusal, want) in [
        (Refusal::ConferenceNotFound, (404, 20404)),
        (Refusal::ParticipantNotFound, (404, 20404)),
        (Refusal::CallNotFound, (404, 20404)),
        (Refusal::CoachWithoutTarget, (400, 13240)),
        (Refusal::CoachTargetAbsent, (400, 16028)),
        (Refusal::CoachTargetOnHold, (400, 16027)),
        (Refusal::CoachTargetCoaches, (400, 16000)),
        (Refusal::TooManyCoached, (400, 16000)),
        (Refusal::NotConnected, (400, 20001)),
        (Refusal::NotSaved, (500, 20500)),
        (Refusal::Overloaded, (503, 20503)),
    ] {
        let bridge = room().await;
        bridge.will_answer(Err(refusal.clone()));
        assert_eq!(bridge.post(&path("ana"), "Hold=true").await.outcome(), want, "{refusal:?}");
    }
}

#[tokio::test]
async fn a_kick_is_answered_with_nothing() {
    let bridge = room().await;
    bridge.will_answer(Ok(Answer::Removed));
    let reply = bridge.ask("DELETE", &path(&call(1).sid.to_string()), None).await;
    assert_eq!((reply.outcome(), reply.body.as_str()), ((204, 0), ""));
    let command = Command::RemoveParticipant {
        account: ACCOUNT,
        conference: ConferenceRef::Sid(conference(0).sid),
        participant: ParticipantRef::Call(call(1).sid),
    };
    assert_eq!(bridge.asked(), [command]);
    bridge.will_answer(Err(Refusal::ParticipantNotFound));
    assert_eq!(bridge.ask("DELETE", &path("nobody"), None).await.outcome(), (404, 20404));
}

#[tokio::test]
async fn nobody_can_be_dialled_in() {
    let bridge = room().await;
    let list = format!("/Conferences/{}/Participants.json", conference(0).sid);
    for (form, code) in [("", 21201), ("To=%2B15005550001", 21213), ("To=%2B15005550001&From=client%3Aana", 21212)] {
        assert_eq!(bridge.post(&list, form).await.outcome(), (400, code), "{form}");
    }
}
