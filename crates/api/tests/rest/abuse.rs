//! Whatever comes in, what goes out is an answer: never a 5xx, never a panic.

use axum::body::Body;
use axum::http::{Request, header};
use proptest::prelude::*;
use store::Row;
use switch::Answer;

use crate::bridge::{ACCOUNT, Bridge, TOKEN, basic, call, conference, participant};

const NAMES: [&str; 14] = [
    "Muted",
    "Hold",
    "HoldUrl",
    "HoldMethod",
    "Coaching",
    "CallSidToCoach",
    "AnnounceUrl",
    "Status",
    "StartTime>",
    "DateCreated<",
    "PageSize",
    "Page",
    "PageToken",
    "Url",
];

/// Forms that are nearly right: real names, and values that may be anything.
fn form() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        "[a-z0-9:/.%+&=-]{0,24}".prop_map(String::into_bytes),
        "\\PC{0,12}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let pair =
        (prop::sample::select(&NAMES[..]), value).prop_map(|(name, value)| [name.as_bytes(), b"=", &value].concat());
    prop::collection::vec(pair, 0..5).prop_map(|pairs| pairs.join(&b'&'))
}

fn path() -> impl Strategy<Value = String> {
    let (room, ana) = (conference(0).sid, call(0).sid);
    prop_oneof![
        Just("/Calls".to_owned()),
        Just(format!("/Calls/{ana}")),
        Just("/Conferences.json".to_owned()),
        Just(format!("/Conferences/{room}.json")),
        Just(format!("/Conferences/{room}/Participants")),
        Just(format!("/Conferences/{room}/Participants/{ana}/")),
        "/[A-Za-z0-9%./]{0,30}",
    ]
}

#[test]
fn no_request_is_our_fault() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bridge = runtime.block_on(async {
        let bridge = Bridge::start().await;
        bridge.save(&[Row::Call(call(0)), Row::Conference(conference(0)), Row::Participant(participant(0))]).await;
        bridge
    });
    let verb = prop::sample::select(&["GET", "POST", "PUT", "DELETE"][..]);
    proptest!(|(verb in verb, path in path(), query in form(), body in form())| {
        // A query's bytes are what the HTTP library lets through.
        let query: String = query.into_iter().filter(|b| b.is_ascii_graphic() && !b"#<>\"".contains(b)).map(char::from).collect();
        let request = Request::builder()
            .method(verb)
            .uri(format!("/2010-04-01/Accounts/{ACCOUNT}{path}?{query}"))
            .header(header::AUTHORIZATION, basic(&ACCOUNT.to_string(), TOKEN))
            .body(Body::from(body))
            .expect("is a request");
        bridge.will_answer(Ok(answer(verb, &path)));
        let reply = runtime.block_on(bridge.send(request));
        prop_assert!(reply.status.as_u16() < 500, "{verb} {path}?{query}: {}", reply.body);
        prop_assert_eq!(reply.headers.contains_key("twilio-request-id"), true);
        if reply.status.as_u16() >= 400 {
            prop_assert!(reply.json()["code"].is_u64());
        }
    });
}

fn answer(verb: &str, path: &str) -> Answer {
    match (verb, path.contains("Participants"), path.contains("Conferences")) {
        ("DELETE", true, _) => Answer::Removed,
        (_, true, _) => Answer::Participant(participant(0)),
        (_, _, true) => Answer::Conference(conference(0)),
        _ => Answer::Call(call(0)),
    }
}
