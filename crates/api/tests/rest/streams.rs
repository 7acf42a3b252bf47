//! Media streams of calls.

use store::Row;
use switch::{Answer, Command, Refusal, StreamCommand, StreamRef};

use crate::bridge::{ACCOUNT, Bridge, call, stream};

#[tokio::test]
async fn a_stream_is_started_and_stopped_by_either_name() {
    let bridge = Bridge::start().await;
    bridge.save(&[Row::Call(call(0))]).await;
    let list = format!("/Calls/{}/Streams", call(0).sid);
    bridge.will_answer(Ok(Answer::Stream(stream(Some("ears"), false))));
    let started = bridge.post(&format!("{list}.json"), "Url=wss://app.test/&Name=ears").await;
    assert_eq!(started.outcome(), (200, 0), "{}", started.body);
    let body = started.json();
    for (key, want) in [
        ("name", "ears"),
        ("status", "in-progress"),
        ("date_updated", "Tue, 10 Feb 2026 09:08:09 +0000"),
        ("uri", &format!("/2010-04-01/Accounts/{ACCOUNT}{list}/{}.json", stream(None, false).sid)),
    ] {
        assert_eq!(body[key], want, "{key}");
    }
    let [Command::Stream(StreamCommand::Start { account, call: of, stream: wanted })] = &bridge.asked()[..] else {
        panic!("one command")
    };
    assert_eq!((*account, *of, wanted.url.as_str()), (ACCOUNT, call(0).sid, "wss://app.test/"));

    let sid = stream(None, true).sid;
    for (name, wanted) in
        [(sid.to_string(), StreamRef::Sid(sid)), ("the%20ears".to_owned(), StreamRef::Name("the ears".to_owned()))]
    {
        bridge.will_answer(Ok(Answer::Stream(stream(None, true))));
        let stopped = bridge.post(&format!("{list}/{name}.json"), "Status=stopped").await;
        assert_eq!(stopped.json()["status"], "stopped", "{name}");
        let stop = StreamCommand::Stop { account: ACCOUNT, call: call(0).sid, stream: wanted };
        assert_eq!(bridge.asked(), [Command::Stream(stop)], "{name}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let bridge = Bridge::start().await;
    bridge.save(&[Row::Call(call(0))]).await;
    let there = format!("/Calls/{}/Streams", call(0).sid);
    let nowhere = format!("/Calls/{}/Streams", call(1).sid);
    let url = "Url=wss://app.test/";
    for (case, path, form, refusal, want) in [
        ("no URL", format!("{there}.json"), "", None, (400, 20001)),
        ("no such call", format!("{nowhere}.json"), url, None, (404, 20404)),
        ("over by now", format!("{there}.json"), url, Some(Refusal::CallNotFound), (400, 21220)),
        ("not answered", format!("{there}.json"), url, Some(Refusal::NotInProgress), (400, 21220)),
        ("a name that is taken", format!("{there}.json"), url, Some(Refusal::StreamNameTaken), (400, 20001)),
        ("one too many", format!("{there}.json"), url, Some(Refusal::TooManyStreams), (400, 20001)),
        ("no status", format!("{there}/ears.json"), "", None, (400, 20001)),
        ("another status", format!("{there}/ears.json"), "Status=in-progress", None, (400, 20001)),
        ("no such call to stop", format!("{nowhere}/ears.json"), "Status=stopped", None, (404, 20404)),
        ("none of that name", format!("{there}/x.json"), "Status=stopped", Some(Refusal::StreamNotFound), (404, 20404)),
        (
            "of a call that is over",
            format!("{there}/x.json"),
            "Status=stopped",
            Some(Refusal::CallNotFound),
            (404, 20404),
        ),
    ] {
        if let Some(refusal) = refusal {
            bridge.will_answer(Err(refusal));
        }
        let reply = bridge.post(&path, form).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
    }
    for path in [format!("{there}.json"), format!("{there}/ears.json")] {
        assert_eq!(bridge.get(&path).await.outcome(), (405, 20004), "there is no reading: {path}");
    }
}
