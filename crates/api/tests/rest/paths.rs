//! Paths, verbs, bodies and the headers of every answer.

use std::num::NonZeroU32;
use std::time::Duration;

use api::Config;
use axum::body::Body;
use axum::http::{Request, header};
use model::AccountSid;
use store::Row;
use switch::Answer;

use crate::bridge::{ACCOUNT, Bridge, TOKEN, account, basic, call, conference, participant};

#[tokio::test]
async fn an_extension_and_a_slash_may_be_there_or_not() {
    let bridge = Bridge::start().await;
    bridge.save(&[Row::Call(call(0))]).await;
    let sid = call(0).sid;
    for (path, want) in [
        (format!("/Calls/{sid}.json"), (200, 0)),
        (format!("/Calls/{sid}"), (200, 0)),
        (format!("/Calls/{sid}/"), (200, 0)),
        (format!("/Calls/{sid}.json/"), (200, 0)),
        (format!("/Calls/{}.json", sid.to_string().to_uppercase()), (200, 0)),
        (format!("/Calls/{sid}.json?Unknown=1"), (200, 0)),
        (format!("/Calls/{sid}.xml"), (404, 20404)),
        (format!("/Calls/{sid}.csv"), (404, 20404)),
        ("/Calls.csv".to_owned(), (404, 20404)),
        (format!("/Calls/{sid}.json.json"), (404, 20404)),
        (format!("/Calls/{sid}//"), (404, 20404)),
        ("/Calls/CA00000000000000000000000000000000".to_owned(), (404, 20404)),
        ("/Calls/CA123".to_owned(), (404, 20404)),
        (format!("/Calls/{}", conference(0).sid), (404, 20404)),
        ("/calls".to_owned(), (404, 20404)),
        ("/Calls/%zz".to_owned(), (400, 20001)),
        ("/Calls/%ff".to_owned(), (400, 20001)),
        ("/Calls/%00".to_owned(), (400, 20001)),
        ("/Nothing.json".to_owned(), (404, 20404)),
        (String::new(), (200, 0)),
        ("/".to_owned(), (200, 0)),
    ] {
        assert_eq!(bridge.get(&path).await.outcome(), want, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_answered_in_json() {
    let bridge = Bridge::start().await;
    for path in ["/", "/nothing", "/v1/Nothing", "/v1/WorkspacesToo", "/2010-04-01", "/2010-04-010/Accounts"] {
        let reply = bridge.send(Request::get(path).body(Body::empty()).expect("is a request")).await;
        assert_eq!(reply.outcome(), (404, 20404), "{path}");
        let body = reply.json();
        assert_eq!(body["message"], format!("The requested resource {path} was not found"));
        assert_eq!(body["more_info"], "https://www.twilio.com/docs/errors/20404");
        assert_eq!(body["status"], 404);
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(4), "nothing that looks like RFC 9457");
    }
    let body = bridge.get("/Calls/CA1.json").await.json();
    assert_eq!(
        body["message"],
        format!("The requested resource /2010-04-01/Accounts/{ACCOUNT}/Calls/CA1 was not found")
    );
}

#[tokio::test]
async fn put_is_post_and_other_verbs_are_not_allowed() {
    let bridge = Bridge::start().await;
    bridge.save(&[Row::Conference(conference(0)), Row::Participant(participant(0))]).await;
    let one = format!("/Conferences/{}/Participants/{}.json", conference(0).sid, call(0).sid);
    bridge.will_answer(Ok(Answer::Participant(participant(0))));
    assert_eq!(bridge.ask("PUT", &one, Some("Muted=true")).await.outcome(), (200, 0));
    for (verb, path) in [
        ("PATCH", one.as_str()),
        ("OPTIONS", &one),
        ("TRACE", &one),
        ("PURGE", &one),
        ("PUT", "/Conferences.json"),
        ("POST", "/Conferences.json"),
        ("DELETE", "/Calls.json"),
        ("DELETE", &format!("/Conferences/{}.json", conference(0).sid)),
        ("DELETE", ".json"),
    ] {
        assert_eq!(bridge.ask(verb, path, None).await.outcome(), (405, 20004), "{verb} {path}");
    }
    for verb in ["HEAD", "PATCH"] {
        let reply = bridge.ask(verb, &one, None).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.headers[header::ALLOW]),
            (405, &"GET,POST,PUT,DELETE".parse().expect("verbs")),
            "{verb}"
        );
    }
    assert_eq!(bridge.ask("DELETE", "/Conferences.json", None).await.headers[header::ALLOW], "GET");
    assert_eq!(bridge.ask("HEAD", "/Nothing.json", None).await.status, 404);
}

#[tokio::test]
async fn every_answer_has_a_name_and_is_open_to_browsers() {
    let bridge = Bridge::start().await;
    let mut names = Vec::new();
    for path in ["/Calls.json", "/Nothing.json", "/Calls/%zz", "/Calls.json?PageSize=x"] {
        let reply = bridge.get(path).await;
        assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{path}");
        names.push(reply.headers["Twilio-Request-Id"].to_str().expect("is text").to_owned());
    }
    assert!(names.iter().all(|name| name.starts_with("RQ") && name.len() == 34), "{names:?}");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "each its own");
}

#[tokio::test]
async fn a_body_is_a_form_of_bounded_length() {
    let bridge = Bridge::with(Config { body_bytes_max: 100, ..Config::default() }).await;
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls/{}.json", call(0).sid);
    bridge.save(&[Row::Call(call(0))]).await;
    let form = "application/x-www-form-urlencoded";
    for (case, content_type, body, want) in [
        ("a form", Some(form), "Unknown=1".to_owned(), (200, 0)),
        ("with a charset", Some("Application/X-WWW-Form-Urlencoded ; charset=UTF-8"), "a=%C3%A9".to_owned(), (200, 0)),
        ("without a type", None, "a=1".to_owned(), (200, 0)),
        ("nothing, of any type", Some("application/json"), String::new(), (200, 0)),
        ("JSON", Some("application/json"), "{\"Status\":\"completed\"}".to_owned(), (400, 20001)),
        ("multipart", Some("multipart/form-data; boundary=x"), "--x--".to_owned(), (400, 20001)),
        ("text", Some("text/plain"), "Status=completed".to_owned(), (400, 20001)),
        ("malformed", Some(form), "Status=%".to_owned(), (400, 20001)),
        ("not UTF-8", Some(form), "Status=%ff".to_owned(), (400, 20001)),
        ("NUL", Some(form), "Status=%00".to_owned(), (400, 20001)),
        ("as long as may be", Some(form), format!("a={}", "x".repeat(98)), (200, 0)),
        ("longer", Some(form), format!("a={}", "x".repeat(99)), (413, 20413)),
    ] {
        let mut request = Request::post(&path).header(header::AUTHORIZATION, basic(&ACCOUNT.to_string(), TOKEN));
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let reply = bridge.send(request.body(body.into()).expect("is a request")).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
    }
    // What a GET carries is not read.
    let request = Request::get(&path)
        .header(header::AUTHORIZATION, basic(&ACCOUNT.to_string(), TOKEN))
        .header(header::CONTENT_TYPE, form);
    assert_eq!(bridge.send(request.body("%".into()).expect("is a request")).await.outcome(), (200, 0));
    assert_eq!(bridge.get(&format!("/Calls/{}.json?x=%", call(0).sid)).await.outcome(), (200, 0), "reads no query");
    assert_eq!(bridge.get("/Calls.json?x=%").await.outcome(), (400, 20001));
}

#[tokio::test]
async fn one_request_too_many_is_told_to_come_back() {
    let bridge = Bridge::with(Config { requests_max: 1, ..Config::default() }).await;
    bridge.save(&[Row::Call(call(0))]).await;
    let path = format!("/Calls/{}.json", call(0).sid);
    // The fake switch does not answer, so this one keeps its place as long as it is not dropped.
    let mut waiting = Box::pin(bridge.post(&path, "Status=completed"));
    while bridge.asked().is_empty() {
        tokio::select! {
            _ = &mut waiting => unreachable!("nobody answers it"),
            () = tokio::task::yield_now() => {}
        }
    }
    let reply = bridge.get(&path).await;
    assert_eq!(reply.outcome(), (429, 20429));
    assert_eq!(reply.headers[header::RETRY_AFTER], "1");
    let probe = Request::get("/healthz").body(Body::empty()).expect("is a request");
    assert_eq!(bridge.send(probe).await.status, 200, "a probe needs no place");
    drop(waiting);
    assert_eq!(bridge.get(&path).await.outcome(), (200, 0));
}

#[tokio::test]
async fn an_account_that_asks_too_often_is_told_to_wait_and_others_are_not() {
    let bridge = Bridge::with(Config { requests_per_s: NonZeroU32::new(2), ..Config::default() }).await;
    let child = AccountSid::from_bits(0xC411D);
    bridge.store.save_account(&account(child, ACCOUNT)).await.expect("writes");
    let mut outcomes = Vec::new();
    while outcomes.last() != Some(&(429, 20429)) {
        let reply = bridge.get("/Calls.json").await;
        outcomes.push(reply.outcome());
        if reply.status == 429 {
            assert_eq!(reply.headers[header::RETRY_AFTER], "1");
            assert!(reply.headers.contains_key("Twilio-Request-Id"));
        }
        assert!(outcomes.len() < 1_000, "there is a bound: {outcomes:?}");
    }
    assert_eq!(outcomes[..2], [(200, 0); 2], "as many as it may");
    let other = format!("/Accounts/{child}/Calls.json");
    assert_eq!(
        bridge.ask_as((&child.to_string(), TOKEN), "GET", &other, "").await.outcome(),
        (200, 0),
        "its own bucket"
    );
}

#[tokio::test]
async fn a_switch_that_does_not_answer_is_not_waited_for_for_ever() {
    let bridge = Bridge::with(Config { switch_timeout: Duration::from_millis(1), ..Config::default() }).await;
    bridge.save(&[Row::Call(call(0))]).await;
    let reply = bridge.post(&format!("/Calls/{}.json", call(0).sid), "Status=completed").await;
    assert_eq!(reply.outcome(), (503, 20503));
    assert_eq!(reply.headers[header::RETRY_AFTER], "1");
}

#[tokio::test]
async fn probes_and_metrics() {
    let bridge = Bridge::start().await;
    bridge.get("/Calls.json").await;
    let get = async |path: &str| bridge.send(Request::get(path).body(Body::empty()).expect("is a request")).await;
    assert_eq!(get("/healthz").await.status, 200);
    assert_eq!(get("/readyz").await.status, 503, "this bridge says it is not ready");
    let metrics = get("/metrics").await;
    assert_eq!(metrics.headers[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "# TYPE partyline_legs gauge",
        "partyline_legs{codec=\"PCMU\"} 3",
        "# TYPE partyline_http_responses_total counter",
        "partyline_http_responses_total{status=\"5xx\"} 1",
    ] {
        assert!(metrics.body.lines().any(|found| found == line), "{line}:\n{}", metrics.body);
    }
}
