//! What developers are shown of what went wrong and what was asked.

use serde_json::json;
use store::Row;
use switch::Answer;

use crate::bridge::{Bridge, call, call_event, ended_call, notification};

async fn bridge() -> Bridge {
    let bridge = Bridge::start().await;
    bridge.save(&[Row::Call(call(0)), Row::Call(call(1))]).await;
    bridge.save(&[Row::Notification(notification(0)), Row::Notification(notification(1))]).await;
    bridge
}

#[tokio::test]
async fn notifications_are_listed_by_what_is_asked() {
    let bridge = bridge().await;
    let (first, second) = (notification(0).sid.to_string(), notification(1).sid.to_string());
    let (ana, ben) = (call(0).sid, call(1).sid);
    for (path, want) in [
        ("/Notifications.json".to_owned(), vec![&second, &first]),
        ("/Notifications.json?Log=0".to_owned(), vec![&first]),
        ("/Notifications.json?Log=1".to_owned(), vec![&second]),
        ("/Notifications.json?MessageDate=2026-02-10".to_owned(), vec![&second, &first]),
        ("/Notifications.json?MessageDate%3C=2026-02-09".to_owned(), vec![]),
        ("/Notifications.json?MessageDate%3E=2026-02-10T09:08:08Z".to_owned(), vec![&second]),
        (format!("/Calls/{ana}/Notifications.json"), vec![&first]),
        (format!("/Calls/{ben}/Notifications.json"), vec![]),
        (format!("/Notifications.json?PageSize=1&Page=1&PageToken=PA{second}"), vec![&first]),
    ] {
        let list = bridge.get(&path).await.json();
        let sids: Vec<_> = list["notifications"].as_array().expect("a list").iter().map(|n| n["sid"].clone()).collect();
        assert_eq!(json!(sids), json!(want), "{path}");
    }
    for (path, want) in [
        ("/Notifications.json?Log=2".to_owned(), (400, 20001)),
        ("/Notifications/NO123.json".to_owned(), (404, 20404)),
        (format!("/Notifications/NO{}.json", "f".repeat(32)), (404, 20404)),
        (format!("/Calls/{ben}/Notifications/{first}.json"), (404, 20404)),
        (format!("/Calls/CA{}/Notifications.json", "f".repeat(32)), (404, 20404)),
    ] {
        assert_eq!(bridge.get(&path).await.outcome(), want, "{path}");
    }
}

#[tokio::test]
async fn a_notification_tells_what_was_asked_and_what_came() {
    let bridge = bridge().await;
    let (ana, sid) = (call(0).sid, notification(0).sid);
    let path = format!("/Calls/{ana}/Notifications/{sid}.json");
    let shown = bridge.get(&path).await.json();
    for (name, want) in [
        ("log", json!("0")),
        ("error_code", json!("11217")),
        ("message_text", json!("Msg=HTTP%20status%20500&ErrorCode=11217")),
        ("request_url", json!("https://app.test/voice")),
        ("request_method", json!("POST")),
        ("request_variables", json!("CallSid=CA1&Digits=1")),
        ("response_headers", json!("server=x")),
        ("response_body", json!("oops")),
    ] {
        assert_eq!(shown[name], want, "{name}");
    }
    assert!(shown["uri"].as_str().expect("a path").ends_with(&path));
    let bare = bridge.get(&format!("/Notifications/{}.json", notification(1).sid)).await.json();
    assert_eq!((&bare["request_url"], &bare["response_body"], &bare["log"]), (&json!(null), &json!(null), &json!("1")));
}

#[tokio::test]
async fn events_of_a_call_come_oldest_first() {
    let bridge = bridge().await;
    let events = (0..3).map(|number| {
        let mut event = call_event();
        event.status = Some(200 + number);
        Row::CallEvent(event)
    });
    bridge.save(&events.collect::<Vec<_>>()).await;
    let path = format!("/Calls/{}/Events.json", call(0).sid);
    let first = bridge.get(&format!("{path}?PageSize=2")).await.json();
    let request = json!({
        "method": "POST",
        "url": "https://app.test/voice",
        "parameters": { "call_sid": "CA1", "call_status": "ringing", "speech_result": "größe" },
    });
    assert_eq!(first["events"][0]["request"], request);
    let response = &first["events"][0]["response"];
    assert_eq!((&response["response_code"], &response["request_duration"]), (&json!(200), &json!(52)));
    let next = first["next_page_uri"].as_str().expect("another page").split("AC").nth(1).expect("of the account");
    let second = bridge.get(&next[next.find('/').expect("a path")..]).await.json();
    let codes = |list: &serde_json::Value| -> Vec<_> {
        list["events"].as_array().expect("a list").iter().map(|e| e["response"]["response_code"].clone()).collect()
    };
    assert_eq!((codes(&first), codes(&second)), (vec![json!(200), json!(201)], vec![json!(202)]));
    assert_eq!(second["next_page_uri"], json!(null));
}

#[tokio::test]
async fn what_an_application_asks_of_a_call_is_among_its_events() {
    let bridge = bridge().await;
    let path = format!("/Calls/{}.json", call(0).sid);
    bridge.will_answer(Ok(Answer::Call(ended_call(0))));
    bridge.post(&path, "Status=completed&SipAuthPassword=hush").await.json();
    assert_eq!(bridge.post(&path, "Status=sleeping").await.outcome(), (400, 20001));
    bridge.get(&path).await.json();
    bridge.writer.write(Vec::new()).await.expect("all before it is written");
    let list = bridge.get(&format!("/Calls/{}/Events.json", call(0).sid)).await.json();
    let events = list["events"].as_array().expect("a list");
    assert_eq!(events.len(), 2, "the GETs change nothing");
    let request = &events[0]["request"];
    assert_eq!(request["parameters"], json!({ "status": "completed", "sip_auth_password": "***" }));
    assert!(request["url"].as_str().expect("a URL").ends_with(&path), "{request}");
    let codes: Vec<_> = events.iter().map(|event| event["response"]["response_code"].clone()).collect();
    assert_eq!(codes, [200, 400]);
    let body = events[0]["response"]["response_body"].as_str().expect("a text");
    assert!(body.contains("\"status\":\"completed\""), "{body}");
}
