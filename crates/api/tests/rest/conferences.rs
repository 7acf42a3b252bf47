//! Conferences.

use model::{Conference, ConferenceStatus};
use store::Row;
use switch::{Answer, AudioUrl, Command, ConferenceRef, HttpMethod, Refusal};

use crate::bridge::{ACCOUNT, Bridge, conference};

fn over() -> Conference {
    Conference { status: ConferenceStatus::Completed, ..conference(1) }
}

async fn with_two() -> Bridge {
    let bridge = Bridge::start().await;
    bridge.save(&[Row::Conference(conference(0)), Row::Conference(over())]).await;
    bridge
}

#[tokio::test]
async fn a_conference_is_found_by_sid_and_a_live_one_by_name() {
    let bridge = with_two().await;
    for (name, want) in [
        (conference(0).sid.to_string(), (200, 0)),
        (over().sid.to_string(), (200, 0)),
        ("room%200".to_owned(), (200, 0)),
        ("room%201".to_owned(), (404, 20404)),
        ("Room%200".to_owned(), (404, 20404)),
        (conference(2).sid.to_string(), (404, 20404)),
    ] {
        assert_eq!(bridge.get(&format!("/Conferences/{name}.json")).await.outcome(), want, "{name}");
        let participants = bridge.get(&format!("/Conferences/{name}/Participants.json")).await;
        assert_eq!(participants.outcome(), want, "participants of {name}");
    }
}

#[tokio::test]
async fn names_with_slashes_and_dots_are_names_too() {
    let bridge = Bridge::start().await;
    let odd = Conference { friendly_name: "a/b.json é".to_owned(), ..conference(0) };
    bridge.save(&[Row::Conference(odd)]).await;
    for path in ["/Conferences/a%2Fb.json%20%C3%A9.json", "/Conferences/a%2Fb.json%20%C3%A9/Participants"] {
        assert_eq!(bridge.get(path).await.outcome(), (200, 0), "{path}");
    }
}

#[tokio::test]
async fn lists_keep_what_the_filters_name() {
    let bridge = with_two().await;
    for (query, want) in [
        ("", Ok(2)),
        ("FriendlyName=room%200", Ok(1)),
        ("FriendlyName=room", Ok(0)),
        ("Status=completed", Ok(1)),
        ("Status=init", Ok(0)),
        ("Status=live", Err(20001)),
        ("DateCreated=2026-02-10", Ok(2)),
        ("DateCreated%3C=2026-02-09", Ok(0)),
        ("DateUpdated%3E=2026-02-10T09:08:09Z", Ok(1)),
        ("DateUpdated=soon", Err(20001)),
    ] {
        let reply = bridge.get(&format!("/Conferences.json?{query}")).await;
        let found = match reply.outcome() {
            (200, _) => Ok(reply.json()["conferences"].as_array().expect("a list").len()),
            (400, code) => Err(code),
            other => panic!("{query}: {other:?}"),
        };
        assert_eq!(found, want, "{query}");
    }
}

#[tokio::test]
async fn an_update_ends_it_or_plays_something() {
    let audio = |method| Some(AudioUrl { url: "http://app.test/a.wav".to_owned(), method });
    for (case, form, complete, announce) in [
        ("end", "Status=completed", true, None),
        ("announce", "AnnounceUrl=http://app.test/a.wav", false, audio(HttpMethod::Post)),
        ("by GET", "AnnounceUrl=app.test/a.wav&AnnounceMethod=GET", false, audio(HttpMethod::Get)),
        ("both", "Status=completed&AnnounceUrl=http://app.test/a.wav", true, audio(HttpMethod::Post)),
    ] {
        let bridge = with_two().await;
        bridge.will_answer(Ok(Answer::Conference(conference(0))));
        let reply = bridge.post(&format!("/Conferences/{}.json", conference(0).sid), form).await;
        assert_eq!(reply.outcome(), (200, 0), "{case}");
        let conference = ConferenceRef::Sid(conference(0).sid);
        let command = Command::UpdateConference { account: ACCOUNT, conference, complete, announce };
        assert_eq!(bridge.asked(), [command], "{case}");
    }
}

#[tokio::test]
async fn what_cannot_be_done_says_why() {
    let (live, gone, unknown) = (conference(0).sid, over().sid, conference(2).sid);
    let announce = "AnnounceUrl=http://app.test/a.wav";
    for (case, sid, form, refusal, want) in [
        ("another status", live, "Status=in-progress", None, (400, 20001)),
        ("not a URL", live, "AnnounceUrl=ftp://app.test", None, (400, 20001)),
        ("not a method", live, "AnnounceUrl=app.test&AnnounceMethod=PUT", None, (400, 20001)),
        ("nothing to do", live, "AnnounceUrl=", None, (200, 0)),
        ("nothing to do to nobody", unknown, "", None, (404, 20404)),
        ("end what is over", gone, "Status=completed", Some(Refusal::ConferenceOver), (404, 20404)),
        ("end what is forgotten", gone, "Status=completed", Some(Refusal::ConferenceNotFound), (404, 20404)),
        ("play to what is over", gone, announce, Some(Refusal::ConferenceOver), (400, 16022)),
        ("play to what is forgotten", gone, announce, Some(Refusal::ConferenceNotFound), (400, 16022)),
        ("play to nobody", unknown, announce, Some(Refusal::ConferenceNotFound), (404, 20404)),
        ("not saved", live, "Status=completed", Some(Refusal::NotSaved), (500, 20500)),
        ("overloaded", live, "Status=completed", Some(Refusal::Overloaded), (503, 20503)),
    ] {
        let bridge = with_two().await;
        if let Some(refusal) = refusal {
            bridge.will_answer(Err(refusal));
        }
        let reply = bridge.post(&format!("/Conferences/{sid}.json"), form).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
    }
}
